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
 * (Over 700 lines, since the shapes are chosen together: what one map's listener is depends on the others'.)
 *
 * A listener of several backends, or of none that is up, leads to a chain instead (spread.c), by an
 * element of the maps `spread`.
 *
 * A restricted listener (`from:`) has an element in the map `from` besides, which leads to a chain
 * for its combination of lists: each client list that matches goes to that list's own listeners
 * (two maps may share a listener, or a part of it, if their clients are disjoint), everybody else is
 * dropped there.
 *
 * One file: the same keys are put into the maps, ruled on, and asked for again by plan_lead().
 */
#include <stdlib.h>

#include "base/bytes.h"
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

void plan_put_address_port(uint8_t *data, const struct ip_addr *addr, uint16_t port)
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

static struct nft_set *verdict_map(struct arena *a, struct nft_table *t, const char *what,
	const char *suffix, uint8_t family, uint32_t flags)
{
	const enum nft_type data[] = {NFT_T_VERDICT, NFT_T_NONE};

	return new_map(a, t, set_name(a, what, family, suffix), family, flags, data);
}

/* Does the listener keep its ports on the way to @b? */
static bool keeps_ports(const struct listen *l, const struct backend *b)
{
	return b->port == 0 || b->port == l->first;
}

static void put_keys(uint8_t *e, const struct listen *l, const struct ip_addr *addr)
{
	struct plan_key first = plan_key(l->proto, addr, l->first);
	struct plan_key last = plan_key(l->proto, addr, l->last);

	memcpy(e, first.bytes, first.len);
	memcpy(e + first.len, last.bytes, last.len);
}

/* A place where destinations are put. */
struct put {
	struct arena *a;
	struct nft_table *t;
	struct destinations *to;
	const char *suffix; /* of the names of its maps */
};

/* All new connections go to one backend. */
static void put_backend(
	struct put *p, const struct listen *l, const struct ip_addr *addr, const struct backend *b)
{
	uint8_t family = addr->family;
	uint8_t *e;

	if (l->first != l->last && keeps_ports(l, b)) {
		if (!p->to->ranges)
			p->to->ranges = ranges_map(p->a, p->t, p->suffix, family);
		e = nft_set_add(p->a, p->to->ranges, l->at);
		put_keys(e, l, addr);
		memcpy(nft_set_elem_data(p->to->ranges, p->to->ranges->len - 1), b->addr.bytes,
			ip_bytes(family));
		return;
	}
	if (!p->to->ports)
		p->to->ports = ports_map(p->a, p->t, p->suffix, family);
	for (uint32_t port = l->first; port <= l->last; port++) {
		struct plan_key k = plan_key(l->proto, addr, (uint16_t)port);

		e = nft_set_add(p->a, p->to->ports, l->at);
		memcpy(e, k.bytes, k.len);
		plan_put_address_port(e + k.len, &b->addr, backend_port_for(b, l, (uint16_t)port));
	}
}

/* They go to a chain, as a whole: a range that several share keeps its ports (config/ sees to it). */
static void put_chain(
	struct put *p, const struct listen *l, const struct ip_addr *addr, const char *chain)
{
	bool range = l->first != l->last;
	struct nft_set **s = range ? &p->to->spread_ranges : &p->to->spread;
	struct plan_key k = plan_key(l->proto, addr, l->first);
	uint8_t *e;

	if (!*s)
		*s = verdict_map(p->a, p->t, range ? "spread_ranges" : "spread", p->suffix,
			addr->family, range ? SET_INTERVAL : 0);
	e = nft_set_add(p->a, *s, l->at);
	if (range)
		put_keys(e, l, addr);
	else
		memcpy(e, k.bytes, k.len);
	plan_put_verdict(p->a, *s, VERDICT_GOTO, chain);
}

/* @maps: one per backend of the map. */
static void add_listener(struct put *p, struct plan *plan, const struct plan_map *maps,
	const struct listen *l, const struct ip_addr *addr)
{
	const char *chain = NULL;
	const struct backend *b = plan_spread(p->a, plan, p->t, maps, l, &chain);

	if (b)
		put_backend(p, l, addr, b);
	else
		put_chain(p, l, addr, chain);
	if (maps->map->backends.len > 1 || maps->down)
		*vec_add(p->a, &p->to->doors) =
			(struct plan_door){.first = plan_key(l->proto, addr, l->first),
				.last = plan_key(l->proto, addr, l->last),
				.maps = maps,
				.listen = l};
}

/* ---- restricted listeners ---- */

static bool same_from(const struct map *x, const struct map *y)
{
	if (x->from.len != y->from.len || map_family(x) != map_family(y))
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
	uint8_t family = map_family(m);
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
	struct plan_key key; /* of its first port */
	uint16_t first, last;
	size_t list;
	struct span at;
};

static int restricted_cmp(const void *va, const void *vb)
{
	const struct restricted *x = va, *y = vb;
	int c = memcmp(x->key.bytes, y->key.bytes, x->key.len);

	return c ? c : (x->list > y->list) - (x->list < y->list);
}

typedef VEC(struct restricted) restricted_vec;

/* The chain for one combination of lists: the client goes to the list that knows it, or away. */
static const char *combination_chain(struct arena *a, struct nft_table *t,
	struct listener_maps *maps, const char *suffix, struct restricted *const *r, size_t n)
{
	struct strbuf name = STRBUF_INIT;
	uint8_t family = map_family(maps->lists.items[0].map);
	enum nft_selector saddr = family == IP_V6 ? SEL_IP6_SADDR : SEL_IP_SADDR;
	struct nft_chain *chain;
	const char *kept;

	strbuf_addf(&name, "from%u", family);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&name, "_%zu", r[i]->list + 1);
	strbuf_add(&name, suffix);
	kept = arena_strdup(a, strbuf_str(&name));
	strbuf_fini(&name);
	if (nft_chain_find(t, kept))
		return kept;
	chain = nft_chain_new(a, t, kept);
	for (size_t i = 0; i < n; i++) {
		struct from_list *l = &maps->lists.items[r[i]->list];
		struct nft_rule *rule = plan_family_rule(a, chain, family, l->map->from_at);

		nft_match_set(a, rule, nft_sel(a, saddr), OP_IN, l->clients);
		nft_verdict(a, rule, VERDICT_GOTO, l->chain);
	}
	nft_verdict(a, nft_rule_new(a, chain, r[0]->at), VERDICT_DROP, NULL);
	return kept;
}

/* Those that stand at one stretch of ports, in the order of their lists. */
typedef VEC(struct restricted *) restricted_at;

static void put_restricted(struct arena *a, struct nft_table *t, struct listener_maps *maps,
	const char *suffix, const restricted_at *at, uint16_t first, uint16_t last)
{
	const struct restricted *r = at->items[0];
	uint8_t family = r->key.len > 12 ? IP_V6 : IP_V4;
	bool range = first != last;
	struct nft_set **set = range ? &maps->from_ranges : &maps->from;
	const char *chain = combination_chain(a, t, maps, suffix, at->items, at->len);
	uint8_t *e;

	if (!*set)
		*set = verdict_map(a, t, range ? "from_ranges" : "from", suffix, family,
			range ? SET_INTERVAL : 0);
	e = nft_set_add(a, *set, r->at);
	memcpy(e, r->key.bytes, r->key.len);
	be16_put(e + r->key.len - 4, first);
	if (range) {
		memcpy(e + r->key.len, r->key.bytes, r->key.len);
		be16_put(e + 2 * r->key.len - 4, last);
	}
	plan_put_verdict(a, *set, VERDICT_GOTO, chain);
}

static bool same_place(const struct restricted *x, const struct restricted *y)
{
	return x->key.len == y->key.len && memcmp(x->key.bytes, y->key.bytes, x->key.len - 4) == 0;
}

static void enter_list(struct arena *a, restricted_at *at, struct restricted *r)
{
	size_t i = at->len;

	(void)vec_add(a, at);
	for (; i && at->items[i - 1]->list > r->list; i--)
		at->items[i] = at->items[i - 1];
	at->items[i] = r;
}

/* Where the stretch ends that begins at @first: another begins behind it, or one of them ends. */
static uint16_t stretch_end(const restricted_at *at, const struct restricted *next)
{
	uint16_t last = next ? (uint16_t)(next->first - 1) : UINT16_MAX;

	VEC_EACH (at, struct restricted *, r)
		if ((*r)->last < last)
			last = (*r)->last;
	return last;
}

static void leave_lists(restricted_at *at, uint16_t last)
{
	size_t kept = 0;

	for (size_t i = 0; i < at->len; i++)
		if (at->items[i]->last > last)
			at->items[kept++] = at->items[i];
	at->len = kept;
}

/*
 * One element per stretch of ports at which the same lists stand, leading to the chain of their
 * combination: listeners may overlap in part, if their clients do not.
 */
static void group_restricted(struct arena *a, struct nft_table *t, struct listener_maps *maps,
	const char *suffix, restricted_vec *all)
{
	restricted_at at = {0};
	uint32_t port = 0;

	if (all->len)
		qsort(all->items, all->len, sizeof(*all->items), restricted_cmp);
	for (size_t i = 0; i < all->len || at.len;) {
		struct restricted *next = i < all->len ? &all->items[i] : NULL;
		uint16_t last;

		if (!at.len)
			port = next->first;
		else if (next && !same_place(next, at.items[0]))
			next = NULL;
		if (next && next->first == port) {
			enter_list(a, &at, next);
			i++;
			continue;
		}
		last = stretch_end(&at, next);
		put_restricted(a, t, maps, suffix, &at, (uint16_t)port, last);
		leave_lists(&at, last);
		port = last + 1u;
	}
}

static void note_restricted(struct arena *a, restricted_vec *all, size_t list, const struct map *m,
	const struct listen *l, const struct ip_addr *addr)
{
	bool range = l->first != l->last && keeps_ports(l, m->backends.items);

	for (uint32_t port = l->first; port <= l->last; port++) {
		vec_push(a, all,
			((struct restricted){.key = plan_key(l->proto, addr, (uint16_t)port),
				.first = (uint16_t)port,
				.last = range ? l->last : (uint16_t)port,
				.list = list,
				.at = l->at}));
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
	const struct plan_map *pm, const struct ip_addr *addr)
{
	struct listener_maps *maps = &s->family[family_index(addr->family)];
	const struct map *m = pm->map;
	struct from_list *list = m->from.len ? list_of(f->a, f->t, maps, suffix, m) : NULL;
	struct put put = {f->a, f->t, &maps->to, suffix};

	if (list) {
		put.to = &list->to;
		put.suffix = arena_printf(f->a, "_%s", list->chain);
	}
	VEC_EACH (&m->listens, struct listen, l) {
		add_listener(&put, f->p, pm, l, addr);
		if (list)
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

/* @pm: the map's first. */
static void fill_map(
	struct filler *f, struct plan_scope *s, const char *suffix, const struct plan_map *pm)
{
	uint8_t family = map_family(pm->map);

	VEC_EACH (&pm->uplinks, struct plan_uplink *, up) {
		struct plan_uplink *u = *up;

		if (s->uplink && s->uplink != u)
			continue;
		VEC_EACH (&u->addrs, struct ip_addr, addr)
			if (addr->family == family && listens_on(pm, u, addr) &&
				(s->uplink || first_owner(f->p, u, addr)))
				fill_one(f, s, suffix, pm, addr);
		if (s->uplink)
			continue;
		VEC_EACH (&u->uplink->publics, struct located_addr, pub)
			if (pub->addr.family == family && listens_on(pm, u, &pub->addr) &&
				!has_address(u, &pub->addr))
				fill_one(f, s, suffix, pm, &pub->addr);
	}
}

static void fill_scope(struct filler *f, struct plan_scope *s)
{
	const char *suffix = s->uplink ? arena_printf(f->a, "_%s", s->uplink->uplink->name) : "";
	const struct plan_map *maps = f->p->maps.items;

	for (size_t i = 0; i < f->p->maps.len; i += maps[i].map->backends.len)
		fill_map(f, s, suffix, &maps[i]);
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

static void ask(struct arena *a, struct nft_chain *c, uint8_t family, struct nft_set *verdicts)
{
	if (verdicts)
		nft_vmap(a, plan_family_rule(a, c, family, NOWHERE), listener_key(a, family),
			verdicts);
}

/* What one backend gets comes first: that there are others costs it nothing. */
static void add_destinations(
	struct arena *a, struct nft_chain *c, uint8_t family, const struct destinations *to)
{
	if (to->ports) {
		struct nft_rule *r = plan_family_rule(a, c, family, NOWHERE);

		nft_nat(a, r, true, family, nft_map_expr(a, listener_key(a, family), to->ports),
			true);
	}
	if (to->ranges) {
		struct nft_rule *r = plan_family_rule(a, c, family, NOWHERE);

		nft_nat(a, r, true, family, nft_map_expr(a, listener_key(a, family), to->ranges),
			false);
	}
	ask(a, c, family, to->spread);
	ask(a, c, family, to->spread_ranges);
}

static void add_scope_rules(
	struct arena *a, struct nft_table *t, struct nft_chain *c, struct plan_scope *s)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct listener_maps *maps = &s->family[i];
		uint8_t family = i ? IP_V6 : IP_V4;

		ask(a, c, family, maps->from);
		ask(a, c, family, maps->from_ranges);
		add_destinations(a, c, family, &maps->to);
		VEC_EACH (&maps->lists, struct from_list, l)
			add_destinations(a, nft_chain_new(a, t, l->chain), family, &l->to);
	}
}

static int by_door(const void *vx, const void *vy)
{
	const struct plan_door *x = vx, *y = vy;

	return memcmp(x->first.bytes, y->first.bytes, x->first.len);
}

static void finish_destinations(struct arena *a, struct plan *p, struct destinations *to)
{
	plan_finish_set(a, p, to->ports);
	plan_finish_set(a, p, to->ranges);
	plan_finish_set(a, p, to->spread);
	plan_finish_set(a, p, to->spread_ranges);
	if (to->doors.len)
		qsort(to->doors.items, to->doors.len, sizeof(struct plan_door), by_door);
}

static void finish_scope(struct arena *a, struct plan *p, struct plan_scope *s)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct listener_maps *maps = &s->family[i];

		finish_destinations(a, p, &maps->to);
		plan_finish_set(a, p, maps->from);
		plan_finish_set(a, p, maps->from_ranges);
		VEC_EACH (&maps->lists, struct from_list, l) {
			plan_finish_set(a, p, l->clients);
			finish_destinations(a, p, &l->to);
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
	plan_spreads_init(a, p);
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

/* The door that the key is one of, or NULL. Doors of one place do not overlap. */
static const struct plan_door *door_of(const struct destinations *to, const struct plan_key *k)
{
	size_t low = 0, high = to->doors.len;

	while (low < high) { /* the first one behind it */
		size_t mid = low + (high - low) / 2;

		if (memcmp(to->doors.items[mid].first.bytes, k->bytes, k->len) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || memcmp(to->doors.items[low - 1].last.bytes, k->bytes, k->len) < 0)
		return NULL;
	return &to->doors.items[low - 1];
}

static bool lead_by(const struct destinations *to, const struct plan_key *k, const struct flow *f,
	struct lead *out)
{
	uint8_t family = f->original.dst.family;
	const uint8_t *data;

	out->door = door_of(to, k);
	if (out->door) {
		out->where = LEAD_DOOR;
		out->at = out->door->listen->at;
		return true;
	}
	if (in_set(to->ports, k->bytes, &data, &out->at)) {
		out->backend = ip_from_bytes(family, data);
		data += ip_bytes(family);
		out->port = (uint16_t)(data[0] << 8 | data[1]);
	} else if (in_set(to->ranges, k->bytes, &data, &out->at)) {
		out->backend = ip_from_bytes(family, data);
		out->port = f->original.dport;
	} else {
		return false;
	}
	out->where = LEAD_BACKEND;
	return true;
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
				lead_by(&l->to, &k, f, &lead))
				break;
	} else {
		lead_by(&maps->to, &k, f, &lead);
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
