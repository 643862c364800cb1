/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listeners: the maps of the nft table that say which public port leads to which backend.
 *
 * Theory of operation. A listener is (protocol, address, port) and is looked up by exactly that, so
 * a lookup costs the same with one map or 65,535. Three shapes:
 *
 *   one port         an exact element            -> address . port
 *   a plain range    one element of an interval map -> address; the packet keeps its port
 *   a shifted range  one exact element per port, since an interval map to a port range would send
 *                    every port to its first (tried)
 *
 * A restricted listener (`from:`) has an element in the map `from` besides, which leads to a chain
 * for its combination of lists: each client list that matches goes to that list's own listeners
 * (two maps may share a listener if their clients are disjoint), everybody else is dropped there.
 */
#include <stdlib.h>

#include "plan/internal.h"

struct plan_key plan_key(uint8_t proto, const struct ip_addr *addr, uint16_t port)
{
	struct plan_key k = {.len = 4 + ip_bytes(addr->family) + 4};

	k.bytes[0] = proto;
	memcpy(k.bytes + 4, addr->bytes, ip_bytes(addr->family));
	k.bytes[k.len - 4] = (uint8_t)(port >> 8);
	k.bytes[k.len - 3] = (uint8_t)port;
	return k;
}

static void put_address_port(uint8_t *data, const struct ip_addr *addr, uint16_t port)
{
	unsigned int n = ip_bytes(addr->family);

	memcpy(data, addr->bytes, n);
	data[n] = (uint8_t)(port >> 8);
	data[n + 1] = (uint8_t)port;
}

/* ---- the maps of a scope ---- */

static const char *set_name(struct arena *a, const char *what, uint8_t family, const char *suffix)
{
	return arena_printf(a, "%s%u%s", what, family, suffix);
}

static struct nft_set *new_map(struct arena *a, struct nft_table *t, const char *name,
	uint8_t family, uint32_t flags, const enum nft_type *data)
{
	const enum nft_type key[] = {
		NFT_T_PROTO, family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4, NFT_T_PORT, NFT_T_NONE};

	return nft_set_new(a, t, name, flags | SET_MAP, key, data, 0);
}

static struct nft_set *ports_map(
	struct arena *a, struct nft_table *t, const char *suffix, uint8_t family)
{
	const enum nft_type data[] = {
		family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4, NFT_T_PORT, NFT_T_NONE};

	return new_map(a, t, set_name(a, "ports", family, suffix), family, 0, data);
}

static struct nft_set *ranges_map(
	struct arena *a, struct nft_table *t, const char *suffix, uint8_t family)
{
	const enum nft_type data[] = {family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4, NFT_T_NONE};

	return new_map(a, t, set_name(a, "ranges", family, suffix), family, SET_INTERVAL, data);
}

static struct nft_set *from_map(struct arena *a, struct nft_table *t, const char *what,
	const char *suffix, uint8_t family, uint32_t flags)
{
	const enum nft_type data[] = {NFT_T_VERDICT, NFT_T_NONE};

	return new_map(a, t, set_name(a, what, family, suffix), family, flags, data);
}

static bool plain_range(const struct map *m, const struct listen *l)
{
	return l->first != l->last && (m->to_port == 0 || m->to_port == l->first);
}

/* Add one listener to @ports or @ranges, which are made when first needed. */
static void add_listener(struct arena *a, struct nft_table *t, struct nft_set **ports,
	struct nft_set **ranges, const char *suffix, const struct map *m, const struct listen *l,
	const struct ip_addr *addr)
{
	uint8_t family = addr->family;
	uint8_t *e;

	if (plain_range(m, l)) {
		struct plan_key first = plan_key(l->proto, addr, l->first);
		struct plan_key last = plan_key(l->proto, addr, l->last);

		if (!*ranges)
			*ranges = ranges_map(a, t, suffix, family);
		e = nft_set_add(a, *ranges, l->at);
		memcpy(e, first.bytes, first.len);
		memcpy(e + first.len, last.bytes, last.len);
		memcpy(e + 2 * first.len, m->to.bytes, ip_bytes(family));
		return;
	}
	if (!*ports)
		*ports = ports_map(a, t, suffix, family);
	for (uint32_t port = l->first; port <= l->last; port++) {
		struct plan_key k = plan_key(l->proto, addr, (uint16_t)port);
		uint32_t to = m->to_port ? m->to_port + (port - l->first) : port;

		e = nft_set_add(a, *ports, l->at);
		memcpy(e, k.bytes, k.len);
		put_address_port(e + k.len, &m->to, (uint16_t)to);
	}
}

/* ---- restricted listeners ---- */

static bool same_from(const struct map *x, const struct map *y)
{
	if (x->from.len != y->from.len || x->to.family != y->to.family)
		return false;
	for (size_t i = 0; i < x->from.len; i++)
		if (!ip_prefix_equal(&x->from.items[i].prefix, &y->from.items[i].prefix))
			return false;
	return true;
}

static void fill_clients(struct arena *a, struct nft_set *s, const struct map *m)
{
	VEC_EACH (&m->from, struct located_prefix, from) {
		struct ip_addr last = ip_prefix_last(&from->prefix);
		uint8_t *e = nft_set_add(a, s, from->at);

		memcpy(e, from->prefix.addr.bytes, s->key_len);
		memcpy(e + s->key_len, last.bytes, s->key_len);
	}
}

/* The list of clients of @m in this scope, made when it is met first. */
static struct from_list *list_of(struct arena *a, struct nft_table *t, struct listener_maps *maps,
	const char *suffix, const struct map *m)
{
	uint8_t family = m->to.family;
	const enum nft_type key[] = {family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4, NFT_T_NONE};
	struct from_list *l;

	VEC_EACH (&maps->lists, struct from_list, have)
		if (same_from(have->map, m))
			return have;
	l = vec_add(a, &maps->lists);
	l->map = m;
	l->chain = arena_printf(a, "clients%u_%zu%s", family, maps->lists.len, suffix);
	l->clients = nft_set_new(a, t, l->chain, SET_INTERVAL, key, NULL, 0);
	fill_clients(a, l->clients, m);
	return l;
}

/* A restricted listener before grouping: which list it takes its clients from. */
struct restricted {
	struct plan_key first, last;
	bool range;
	size_t list;
	struct span at;
};

static int restricted_cmp(const void *va, const void *vb)
{
	const struct restricted *x = va, *y = vb;
	int c = memcmp(x->first.bytes, y->first.bytes, x->first.len);

	if (c == 0)
		c = memcmp(x->last.bytes, y->last.bytes, x->last.len);
	if (c == 0)
		c = (x->list > y->list) - (x->list < y->list);
	return c;
}

typedef VEC(struct restricted) restricted_vec;

/* The chain for one combination of lists: the client goes to the list that knows it, or away. */
static const char *combination_chain(struct arena *a, struct nft_table *t,
	struct listener_maps *maps, const char *suffix, const struct restricted *r, size_t n)
{
	struct strbuf name = STRBUF_INIT;
	uint8_t family = maps->lists.items[0].map->to.family;
	enum nft_selector saddr = family == IP_V6 ? SEL_IP6_SADDR : SEL_IP_SADDR;
	struct nft_chain *chain;
	const char *kept;

	strbuf_addf(&name, "from%u", family);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&name, "_%zu", r[i].list + 1);
	strbuf_add(&name, suffix);
	kept = arena_strdup(a, strbuf_str(&name));
	strbuf_fini(&name);
	if (nft_chain_find(t, kept))
		return kept;
	chain = nft_chain_new(a, t, kept);
	for (size_t i = 0; i < n; i++) {
		struct from_list *l = &maps->lists.items[r[i].list];
		struct nft_rule *rule = plan_family_rule(a, chain, family, l->map->from_at);

		nft_match_set(a, rule, nft_sel(a, saddr), OP_IN, l->clients);
		nft_verdict(a, rule, VERDICT_GOTO, l->chain);
	}
	nft_verdict(a, nft_rule_new(a, chain, r->at), VERDICT_DROP, NULL);
	return kept;
}

/* One element per distinct restricted listener, leading to the chain of its combination. */
static void group_restricted(struct arena *a, struct nft_table *t, struct listener_maps *maps,
	const char *suffix, restricted_vec *all)
{
	if (!all->len)
		return;
	qsort(all->items, all->len, sizeof(*all->items), restricted_cmp);
	for (size_t i = 0, n; i < all->len; i += n) {
		struct restricted *r = &all->items[i];
		uint8_t family = r->first.len > 12 ? IP_V6 : IP_V4;
		struct nft_set **set = r->range ? &maps->from_ranges : &maps->from;
		const char *chain;
		uint8_t *e;
		int32_t verdict = VERDICT_GOTO;
		uint32_t index;

		for (n = 1; i + n < all->len; n++) {
			struct restricted *next = &all->items[i + n];

			if (memcmp(next->first.bytes, r->first.bytes, r->first.len) != 0 ||
				memcmp(next->last.bytes, r->last.bytes, r->last.len) != 0)
				break;
		}
		if (!*set)
			*set = from_map(a, t, r->range ? "from_ranges" : "from", suffix, family,
				r->range ? SET_INTERVAL : 0);
		chain = combination_chain(a, t, maps, suffix, r, n);
		e = nft_set_add(a, *set, r->at);
		memcpy(e, r->first.bytes, r->first.len);
		if (r->range)
			memcpy(e + r->first.len, r->last.bytes, r->last.len);
		index = nft_set_chain(a, *set, chain);
		e = nft_set_elem_data(*set, (*set)->len - 1);
		memcpy(e, &verdict, sizeof(verdict));
		memcpy(e + sizeof(verdict), &index, sizeof(index));
	}
}

static void note_restricted(struct arena *a, restricted_vec *all, size_t list, const struct map *m,
	const struct listen *l, const struct ip_addr *addr)
{
	bool range = plain_range(m, l);

	for (uint32_t port = l->first; port <= l->last; port++) {
		struct restricted *r = vec_add(a, all);

		r->first = plan_key(l->proto, addr, (uint16_t)port);
		r->last = range ? plan_key(l->proto, addr, l->last) : r->first;
		r->range = range;
		r->list = list;
		r->at = l->at;
		if (range)
			break;
	}
}

/* ---- scopes ---- */

struct filler {
	struct arena *a;
	struct nft_table *t;
	struct plan *p;
	restricted_vec restricted[2];
};

static void fill_one(struct filler *f, struct plan_scope *s, const char *suffix,
	const struct map *m, const struct ip_addr *addr)
{
	struct listener_maps *maps = &s->family[family_index(addr->family)];
	struct from_list *list = m->from.len ? list_of(f->a, f->t, maps, suffix, m) : NULL;

	VEC_EACH (&m->listens, struct listen, l) {
		if (!list) {
			add_listener(f->a, f->t, &maps->ports, &maps->ranges, suffix, m, l, addr);
			continue;
		}
		add_listener(f->a, f->t, &list->ports, &list->ranges,
			arena_printf(f->a, "_%s", list->chain), m, l, addr);
		note_restricted(f->a, &f->restricted[family_index(addr->family)],
			(size_t)(list - maps->lists.items), m, l, addr);
	}
}

static bool has_address(const struct plan_uplink *u, const struct ip_addr *addr)
{
	VEC_EACH (&u->addrs, struct ip_addr, have)
		if (ip_equal(have, addr))
			return true;
	return false;
}

/* Does @pm listen on @addr of @u? */
static bool listens_on(
	const struct plan_map *pm, const struct plan_uplink *u, const struct ip_addr *addr)
{
	if (pm->map->on.len == 0)
		return true;
	VEC_EACH (&pm->map->on, struct map_on, on) {
		if (on->uplink && on->uplink != u->uplink)
			continue;
		if (on->addr.family == IP_NONE || ip_equal(&on->addr, addr))
			return true;
	}
	return false;
}

/* In the common scope an address that two uplinks share leads where the first of them says: only
 * clients inside can ask for it there. */
static bool first_owner(
	const struct plan *p, const struct plan_uplink *u, const struct ip_addr *addr)
{
	VEC_EACH (&p->uplinks, struct plan_uplink, other) {
		if (other == u)
			return true;
		if (has_address(other, addr))
			return false;
	}
	return true;
}

static void fill_scope(struct filler *f, struct plan_scope *s)
{
	const char *suffix = s->uplink ? arena_printf(f->a, "_%s", s->uplink->uplink->name) : "";

	VEC_EACH (&f->p->maps, struct plan_map, pm)
		VEC_EACH (&pm->uplinks, struct plan_uplink *, up) {
			struct plan_uplink *u = *up;

			if (s->uplink && s->uplink != u)
				continue;
			VEC_EACH (&u->addrs, struct ip_addr, addr)
				if (addr->family == pm->map->to.family && listens_on(pm, u, addr) &&
					(s->uplink || first_owner(f->p, u, addr)))
					fill_one(f, s, suffix, pm->map, addr);
			if (s->uplink)
				continue;
			VEC_EACH (&u->uplink->publics, struct located_addr, pub)
				if (pub->addr.family == pm->map->to.family &&
					listens_on(pm, u, &pub->addr) &&
					!has_address(u, &pub->addr))
					fill_one(f, s, suffix, pm->map, &pub->addr);
		}
	for (unsigned int i = 0; i < 2; i++) {
		group_restricted(f->a, f->t, &s->family[i], suffix, &f->restricted[i]);
		f->restricted[i].len = 0;
	}
}

/* ---- rules of a scope ---- */

/* proto . daddr . dport of the packet */
static struct nft_expr *listener_key(struct arena *a, uint8_t family)
{
	struct nft_expr *parts[] = {nft_sel(a, SEL_META_L4PROTO),
		nft_sel(a, family == IP_V6 ? SEL_IP6_DADDR : SEL_IP_DADDR),
		nft_sel(a, SEL_TH_DPORT)};

	return nft_concat(a, parts, 3);
}

static void add_dnat(struct arena *a, struct nft_chain *c, uint8_t family, struct nft_set *ports,
	struct nft_set *ranges)
{
	if (ports) {
		struct nft_rule *r = plan_family_rule(a, c, family, NOWHERE);

		nft_nat(a, r, true, family, nft_map_expr(a, listener_key(a, family), ports), true);
	}
	if (ranges) {
		struct nft_rule *r = plan_family_rule(a, c, family, NOWHERE);

		nft_nat(a, r, true, family, nft_map_expr(a, listener_key(a, family), ranges),
			false);
	}
}

static void add_scope_rules(
	struct arena *a, struct nft_table *t, struct nft_chain *c, struct plan_scope *s)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct listener_maps *maps = &s->family[i];
		uint8_t family = i ? IP_V6 : IP_V4;

		if (maps->from)
			nft_vmap(a, plan_family_rule(a, c, family, NOWHERE),
				listener_key(a, family), maps->from);
		if (maps->from_ranges)
			nft_vmap(a, plan_family_rule(a, c, family, NOWHERE),
				listener_key(a, family), maps->from_ranges);
		add_dnat(a, c, family, maps->ports, maps->ranges);
		VEC_EACH (&maps->lists, struct from_list, l)
			add_dnat(a, nft_chain_new(a, t, l->chain), family, l->ports, l->ranges);
	}
}

static void finish_scope(struct arena *a, struct plan *p, struct plan_scope *s)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct listener_maps *maps = &s->family[i];

		plan_finish_set(a, p, maps->ports);
		plan_finish_set(a, p, maps->ranges);
		plan_finish_set(a, p, maps->from);
		plan_finish_set(a, p, maps->from_ranges);
		VEC_EACH (&maps->lists, struct from_list, l) {
			plan_finish_set(a, p, l->clients);
			plan_finish_set(a, p, l->ports);
			plan_finish_set(a, p, l->ranges);
		}
	}
}

static void take_back(struct arena *a, struct nft_chain *c, uint32_t ours)
{
	nft_set_mark(a, nft_rule_new(a, c, NOWHERE), true, nft_masked32(a, SEL_CT_MARK, ~ours, 0));
}

/*
 * The chain `listeners`, which the nat hooks jump to:
 *
 *	ct mark set ct mark | ours		a promise, taken back at the end
 *	ct mark & number vmap @scopes		goto: uplinks that share an address
 *	... restricted listeners, dnat		of the common scope
 *	ct mark set ct mark & ~ours
 *
 * dnat ends the hook, so the bit stays exactly on the connections that were translated here.
 */
void plan_make_listeners(struct arena *a, struct plan *p, struct nft_table *t)
{
	uint32_t ours = mark_ours_bit(p->model->mark_mask);
	struct plan_tables *tables = arena_new_of(a, struct plan_tables);
	struct filler f = {.a = a, .t = t, .p = p};
	struct nft_chain *chain = nft_chain_new(a, t, "listeners");
	struct nft_set *scopes = NULL;

	p->tables = tables;
	(void)vec_add(a, &tables->scopes); /* the common one */
	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		if (u->shares_address)
			vec_add(a, &tables->scopes)->uplink = u;

	nft_set_mark(a, nft_rule_new(a, chain, NOWHERE), true,
		nft_masked32(a, SEL_CT_MARK, ~ours, ours));
	VEC_EACH (&tables->scopes, struct plan_scope, s) {
		const char *name;
		struct nft_chain *own;

		fill_scope(&f, s);
		if (!s->uplink)
			continue;
		if (!scopes) {
			scopes = plan_verdict_map(a, t, "scopes", NFT_T_MARK);
			nft_vmap(a, nft_rule_new(a, chain, s->uplink->uplink->at),
				plan_number_of(a, p, SEL_CT_MARK), scopes);
		}
		name = arena_printf(a, "listeners_%s", s->uplink->uplink->name);
		own = nft_chain_new(a, t, name);
		plan_verdict_for_mark(
			a, scopes, s->uplink->mark, VERDICT_GOTO, name, s->uplink->uplink->at);
		add_scope_rules(a, t, own, s);
		take_back(a, own, ours);
	}
	if (scopes)
		nft_set_sort(a, scopes);
	add_scope_rules(a, t, chain, &tables->scopes.items[0]);
	take_back(a, chain, ours);
	VEC_EACH (&tables->scopes, struct plan_scope, s)
		finish_scope(a, p, s);
}

/* ---- asking the same question for a connection that exists ---- */

static bool in_set(
	const struct nft_set *s, const uint8_t *key, const uint8_t **data, struct span *at)
{
	long i = s ? nft_set_find(s, key) : -1;

	if (i < 0)
		return false;
	if (data)
		*data = nft_set_elem_data(s, (size_t)i);
	if (at && s->origins)
		*at = s->origins[i];
	return true;
}

static bool lead_by(const struct nft_set *ports, const struct nft_set *ranges,
	const struct plan_key *k, const struct flow *f, struct lead *out)
{
	uint8_t family = f->original.dst.family;
	const uint8_t *data;

	if (in_set(ports, k->bytes, &data, &out->at)) {
		out->backend = ip_from_bytes(family, data);
		data += ip_bytes(family);
		out->port = (uint16_t)(data[0] << 8 | data[1]);
		return true;
	}
	if (in_set(ranges, k->bytes, &data, &out->at)) {
		out->backend = ip_from_bytes(family, data);
		out->port = f->original.dport;
		return true;
	}
	return false;
}

static struct lead lead_in(const struct plan_scope *s, const struct flow *f)
{
	uint8_t family = f->original.dst.family;
	const struct listener_maps *maps = &s->family[family_index(family)];
	struct plan_key k = plan_key(f->proto, &f->original.dst, f->original.dport);
	struct lead lead = {.where = LEAD_NOWHERE};

	if (in_set(maps->from, k.bytes, NULL, &lead.at) ||
		in_set(maps->from_ranges, k.bytes, NULL, &lead.at)) {
		lead.where = LEAD_DROPPED;
		VEC_EACH (&maps->lists, struct from_list, l)
			if (in_set(l->clients, f->original.src.bytes, NULL, NULL) &&
				lead_by(l->ports, l->ranges, &k, f, &lead))
				lead.where = LEAD_BACKEND;
	} else if (lead_by(maps->ports, maps->ranges, &k, f, &lead)) {
		lead.where = LEAD_BACKEND;
	}
	return lead;
}

struct lead plan_lead(const struct plan *p, const struct flow *f)
{
	uint32_t number = f->mark & mark_number_mask(p->model->mark_mask);

	VEC_EACH (&p->tables->scopes, struct plan_scope, s)
		if (s->uplink && s->uplink->mark == number)
			return lead_in(s, f);
	return lead_in(&p->tables->scopes.items[0], f);
}
