/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources: the chain that hides clients behind the gateway's own address where a backend's reply
 * would not come back otherwise.
 *
 * Theory of operation. Only connections with our bit in the mark come here. A backend whose return
 * is `snat` is found by its address where all maps to that address agree (nearly always), else by
 * protocol, address and port. Backends with several SNAT addresses have a chain per distinct list,
 * which spreads clients by hash. Then hairpins to the backends that are left (return `direct`): a
 * client on the backend's own interface would get the reply straight from the backend, and the
 * gateway's own connections carry a public address; both are hidden.
 */
#include <stdlib.h>

#include "plan/internal.h"

static bool same_return(const struct plan_map *x, const struct plan_map *y)
{
	if (x->return_mode != y->return_mode)
		return false;
	if (x->return_mode == RETURN_DIRECT)
		return true;
	if (x->snat.len != y->snat.len)
		return false;
	for (size_t i = 0; i < x->snat.len; i++)
		if (!ip_equal(&x->snat.items[i], &y->snat.items[i]))
			return false;
	return true;
}

static void put_place(
	uint8_t place[SOURCE_PLACE_BYTES], uint8_t proto, const struct ip_addr *addr, uint16_t port)
{
	place[0] = addr->family;
	memcpy(place + 1, addr->bytes, sizeof(addr->bytes));
	place[SOURCE_ADDRESS_BYTES] = proto;
	place[SOURCE_PROTO_BYTES] = (uint8_t)(port >> 8);
	place[SOURCE_PROTO_BYTES + 1] = (uint8_t)port;
}

static int by_place(const void *vx, const void *vy)
{
	const struct plan_source *x = vx, *y = vy;
	int c = memcmp(x->place, y->place, SOURCE_PLACE_BYTES);

	return c ? c : x->last - y->last;
}

static bool same_address(const struct plan_source *x, const struct plan_source *y)
{
	return memcmp(x->place, y->place, SOURCE_ADDRESS_BYTES) == 0;
}

static bool same_proto(const uint8_t *x, const uint8_t *y)
{
	return memcmp(x, y, SOURCE_PROTO_BYTES) == 0;
}

static void collect(struct arena *a, struct plan *p)
{
	VEC_EACH (&p->maps, struct plan_map, pm) {
		if (!pm->interface) /* the backend is the gateway itself */
			continue;
		VEC_EACH (&pm->map->listens, struct listen, l) {
			struct plan_source *s = vec_add(a, &p->tables->sources);

			s->map = pm;
			s->listen = l;
			s->first = backend_port_for(pm->backend, l, l->first);
			s->last = backend_port_for(pm->backend, l, l->last);
			put_place(s->place, l->proto, &pm->backend->addr, s->first);
		}
	}
	if (p->tables->sources.len)
		qsort(p->tables->sources.items, p->tables->sources.len, sizeof(struct plan_source),
			by_place);
}

const struct plan_map *plan_source_of(
	const struct plan *p, uint8_t proto, const struct ip_addr *backend, uint16_t port)
{
	const struct plan_source *all = p->tables->sources.items;
	size_t low = 0, high = p->tables->sources.len;
	uint8_t want[SOURCE_PLACE_BYTES];

	put_place(want, proto, backend, port);
	while (low < high) { /* the first one behind @want */
		size_t mid = low + (high - low) / 2;

		if (memcmp(all[mid].place, want, SOURCE_PLACE_BYTES) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	/* Ranges may contain each other, so the nearest one before need not be the one. */
	while (low-- > 0 && same_proto(all[low].place, want))
		if (all[low].last >= port)
			return all[low].map;
	return NULL;
}

/* ---- sets ---- */

struct sources {
	struct nft_set
		*ports[2]; /* proto . address . port -> chain: where maps to an address differ */
	struct nft_set *groups[2];    /* address -> chain: several SNAT addresses */
	struct nft_set *addresses[2]; /* address -> SNAT address */
	struct nft_set *hairpins[2];  /* address -> SNAT address for clients beside it */
};

static enum nft_type address_type(uint8_t family)
{
	return family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4;
}

static struct nft_set *address_map(
	struct arena *a, struct nft_table *t, const char *what, uint8_t family, bool verdict)
{
	const enum nft_type key[] = {address_type(family), NFT_T_NONE};
	const enum nft_type data[] = {verdict ? NFT_T_VERDICT : address_type(family), NFT_T_NONE};

	return nft_set_new(a, t, arena_printf(a, "%s%u", what, family), SET_MAP, key, data, 0);
}

static struct nft_set *ports_map(struct arena *a, struct nft_table *t, uint8_t family)
{
	const enum nft_type key[] = {NFT_T_PROTO, address_type(family), NFT_T_PORT, NFT_T_NONE};
	const enum nft_type data[] = {NFT_T_VERDICT, NFT_T_NONE};

	return nft_set_new(a, t, arena_printf(a, "source_ports%u", family), SET_MAP | SET_INTERVAL,
		key, data, 0);
}

static void add_address(struct arena *a, struct nft_set *s, const struct ip_addr *backend,
	const struct ip_addr *source, struct span at)
{
	uint8_t *e = nft_set_add(a, s, at);

	memcpy(e, backend->bytes, s->key_len);
	memcpy(e + s->key_len, source->bytes, s->data_len);
}

static void add_verdict(struct arena *a, struct nft_set *s, const struct plan_key *first,
	const struct plan_key *last, const char *chain, struct span at)
{
	uint8_t *e = nft_set_add(a, s, at);
	int32_t verdict = VERDICT_GOTO;
	uint32_t index = nft_set_chain(a, s, chain);

	memcpy(e, first->bytes, first->len);
	memcpy(e + first->len, last->bytes, last->len);
	e = nft_set_elem_data(s, s->len - 1);
	memcpy(e, &verdict, sizeof(verdict));
	memcpy(e + sizeof(verdict), &index, sizeof(index));
}

/* ---- chains for one way to return ---- */

/* A name that says it all, so that equal lists share a chain. */
static const char *source_chain_name(struct arena *a, const struct plan_map *pm)
{
	struct strbuf b = STRBUF_INIT;
	const char *name;

	if (pm->return_mode == RETURN_DIRECT) {
		strbuf_addf(&b, "direct%u", map_family(pm->map));
	} else {
		strbuf_add(&b, "snat");
		for (size_t i = 0; i < pm->snat.len && i < 4; i++) {
			char text[IP_STRLEN];

			ip_format(&pm->snat.items[i], text);
			for (char *c = text; *c; c++)
				if (*c == ':')
					*c = '.';
			strbuf_addf(&b, "_%s", text);
		}
		if (pm->snat.len > 4)
			strbuf_addf(&b, "_and_%zu_of_%s", pm->snat.len - 4, pm->map->name);
	}
	name = arena_strdup(a, strbuf_str(&b));
	strbuf_fini(&b);
	return name;
}

/* snat to one address, or spread over several by the client's address and port */
static void add_snat(
	struct arena *a, struct nft_table *t, struct nft_chain *c, const struct plan_map *pm)
{
	uint8_t family = map_family(pm->map);
	const enum nft_type key[] = {NFT_T_INTEGER, NFT_T_NONE};
	const enum nft_type data[] = {address_type(family), NFT_T_NONE};
	struct nft_rule *r = plan_family_rule(a, c, family, pm->map->return_at);
	struct nft_expr *parts[2], *hash;
	struct nft_set *choice;

	if (pm->snat.len == 1) {
		nft_nat(a, r, false, family,
			nft_value(a, address_type(family), pm->snat.items[0].bytes), false);
		return;
	}
	choice = nft_set_new(a, t, "__map%d", SET_MAP | SET_ANONYMOUS | SET_CONSTANT, key, data, 0);
	for (uint32_t i = 0; i < pm->snat.len; i++) {
		uint8_t *e = nft_set_add(a, choice,
			pm->snat.items == &pm->hairpin ? NOWHERE : pm->map->snat.items[i].at);

		memcpy(e, &i, sizeof(i));
		memcpy(e + sizeof(i), pm->snat.items[i].bytes, ip_bytes(family));
	}
	parts[0] = nft_sel(a, family == IP_V6 ? SEL_IP6_SADDR : SEL_IP_SADDR);
	parts[1] = nft_sel(a, SEL_TH_SPORT);
	hash = nft_jhash(a, nft_concat(a, parts, 2), (uint32_t)pm->snat.len, 0x706f7274);
	nft_nat(a, r, false, family, nft_map_expr(a, hash, choice), false);
}

static const char *source_chain(struct arena *a, struct nft_table *t, const struct plan_map *pm)
{
	const char *name = source_chain_name(a, pm);
	struct nft_chain *c;

	if (nft_chain_find(t, name))
		return name;
	c = nft_chain_new(a, t, name);
	if (pm->return_mode == RETURN_DIRECT)
		nft_verdict(a, nft_rule_new(a, c, pm->map->return_at), VERDICT_GOTO, "hairpins");
	else
		add_snat(a, t, c, pm);
	return name;
}

/* ---- filling ---- */

/* All listeners' backends with one address: one element if they agree, else one per port range. */
static void place(struct arena *a, struct nft_table *t, struct sources *out,
	const struct plan_source *s, size_t n)
{
	const struct ip_addr *backend = &s->map->backend->addr;
	unsigned int f = family_index(backend->family);
	bool agree = true;

	for (size_t i = 1; i < n; i++)
		if (!same_return(s[0].map, s[i].map))
			agree = false;
	for (size_t i = 0; i < n; i++)
		if (s[i].map->return_mode == RETURN_DIRECT) {
			if (!out->hairpins[f])
				out->hairpins[f] =
					address_map(a, t, "hairpin", backend->family, false);
			add_address(a, out->hairpins[f], backend, &s[i].map->hairpin,
				s[i].map->backend->at);
			break;
		}
	if (!agree) {
		if (!out->ports[f])
			out->ports[f] = ports_map(a, t, backend->family);
		for (size_t i = 0, same; i < n; i += same) {
			struct plan_key first = plan_key(s[i].listen->proto, backend, s[i].first);
			uint16_t to = s[i].last;
			struct plan_key last;

			/* Several listeners may lead to one backend port; config/ has made sure that
			 * those return alike. */
			for (same = 1; i + same < n && same_proto(s[i + same].place, s[i].place) &&
				       s[i + same].first <= to;
				same++)
				if (s[i + same].last > to)
					to = s[i + same].last;
			last = plan_key(s[i].listen->proto, backend, to);
			add_verdict(a, out->ports[f], &first, &last, source_chain(a, t, s[i].map),
				s[i].map->backend->at);
		}
		return;
	}
	if (s->map->return_mode == RETURN_DIRECT)
		return;
	if (s->map->snat.len == 1) {
		if (!out->addresses[f])
			out->addresses[f] = address_map(a, t, "source", backend->family, false);
		add_address(
			a, out->addresses[f], backend, &s->map->snat.items[0], s->map->backend->at);
	} else if (s->map->snat.len) {
		const char *chain = source_chain(a, t, s->map);
		struct plan_key k = {.len = ip_bytes(backend->family)}, none = {.len = 0};

		if (!out->groups[f])
			out->groups[f] = address_map(a, t, "source_groups", backend->family, true);
		memcpy(k.bytes, backend->bytes, k.len);
		add_verdict(a, out->groups[f], &k, &none, chain, s->map->backend->at);
	}
}

/* snat to what @map has for the backend's address */
static void snat_by_address(
	struct arena *a, struct nft_rule *r, uint8_t family, struct nft_set *map)
{
	struct nft_expr *daddr = nft_sel(a, family == IP_V6 ? SEL_IP6_DADDR : SEL_IP_DADDR);

	nft_nat(a, r, false, family, nft_map_expr(a, daddr, map), false);
}

/* Inside interfaces paired with themselves: in by one and out by the same. */
static struct nft_set *beside_set(struct arena *a, const struct plan *p, struct nft_table *t)
{
	const enum nft_type key[] = {NFT_T_IFNAME, NFT_T_IFNAME, NFT_T_NONE};
	struct nft_set *s = nft_set_new(a, t, "beside", 0, key, NULL, 0);

	VEC_EACH (&p->seen->links, struct net_link, l) {
		uint8_t *e;
		bool used = false;

		VEC_EACH (&p->maps, struct plan_map, m)
			if (m->interface && strcmp(m->interface, l->name) == 0) {
				used = true;
				break;
			}
		if (!used)
			continue;
		e = nft_set_add(a, s, NOWHERE);
		memcpy(e, l->name, strlen(l->name));
		memcpy(e + 16, l->name, strlen(l->name));
	}
	nft_set_sort(a, s);
	return s;
}

static void make_hairpins(
	struct arena *a, struct plan *p, struct nft_table *t, const struct sources *s)
{
	struct nft_chain *c = nft_chain_new(a, t, "hairpins");
	struct nft_expr *parts[] = {nft_sel(a, SEL_META_IIFNAME), nft_sel(a, SEL_META_OIFNAME)};
	struct nft_set *beside = beside_set(a, p, t);
	uint32_t local = 2; /* RTN_LOCAL */

	for (unsigned int f = 0; f < 2; f++) {
		uint8_t family = f ? IP_V6 : IP_V4;
		struct nft_rule *r;

		if (!s->hairpins[f])
			continue;
		r = plan_family_rule(a, c, family, NOWHERE);
		nft_match_set(a, r, nft_concat(a, parts, 2), OP_IN, beside);
		snat_by_address(a, r, family, s->hairpins[f]);
		r = plan_family_rule(a, c, family, NOWHERE);
		nft_match_u32(a, r, nft_sel(a, SEL_FIB_SADDR_TYPE), OP_EQ, local);
		snat_by_address(a, r, family, s->hairpins[f]);
	}
}

void plan_make_sources(struct arena *a, struct plan *p, struct nft_table *t)
{
	struct sources s = {0};
	struct nft_chain *c = nft_chain_new(a, t, "sources");
	const struct plan_source *all;
	size_t len;

	collect(a, p);
	all = p->tables->sources.items;
	len = p->tables->sources.len;
	for (size_t i = 0, n; i < len; i += n) {
		for (n = 1; i + n < len; n++)
			if (!same_address(&all[i + n], &all[i]))
				break;
		place(a, t, &s, &all[i], n);
	}
	for (unsigned int f = 0; f < 2; f++) {
		uint8_t family = f ? IP_V6 : IP_V4;
		enum nft_selector daddr = f ? SEL_IP6_DADDR : SEL_IP_DADDR;

		if (s.ports[f]) {
			struct nft_rule *r = plan_family_rule(a, c, family, NOWHERE);
			struct nft_expr *parts[] = {nft_sel(a, SEL_META_L4PROTO), nft_sel(a, daddr),
				nft_sel(a, SEL_TH_DPORT)};

			nft_vmap(a, r, nft_concat(a, parts, 3), s.ports[f]);
		}
		if (s.groups[f])
			nft_vmap(a, plan_family_rule(a, c, family, NOWHERE), nft_sel(a, daddr),
				s.groups[f]);
		if (s.addresses[f])
			snat_by_address(
				a, plan_family_rule(a, c, family, NOWHERE), family, s.addresses[f]);
		plan_finish_set(a, p, s.ports[f]);
		plan_finish_set(a, p, s.groups[f]);
		plan_finish_set(a, p, s.addresses[f]);
		plan_finish_set(a, p, s.hairpins[f]);
	}
	if (!s.hairpins[0] && !s.hairpins[1])
		return;
	nft_verdict(a, nft_rule_new(a, c, NOWHERE), VERDICT_GOTO, "hairpins");
	make_hairpins(a, p, t, &s);
}
