/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Diff: what turns the state that is into the state that is wanted.
 *
 * Theory of operation. Only objects that carry our name are looked at: routes and rules with our
 * protocol number, the table inet portreeve, sysctls that the plan wants or memory holds. The nft
 * part is one transaction. Where a set's declaration or a base chain's hook changed, that is the
 * whole table, replaced at once (elements of a deleted set cannot be kept anyway); otherwise chains
 * whose rules differ are refilled and elements are merged. Nothing is ever taken away in a
 * transaction of its own: established TCP connections would meet un-NATed packets in between.
 */
#include <assert.h>
#include <stdlib.h>

#include "plan/internal.h"

/* NFT_TABLE_F_* */
enum { TABLE_DORMANT = 0x1, TABLE_OWNER = 0x2, TABLE_PERSIST = 0x4 };
static_assert(PLAN_TABLE_HELD == (TABLE_OWNER | TABLE_PERSIST), "the kernel's numbers");

/* ---- routes and rules ---- */

/*
 * Same route, as far as we ever make them. The kernel gives routes without a device one (v6
 * unreachable routes sit on lo) and scopes of its own, so those do not count.
 */
static bool same_route(const struct net_route *x, const struct net_route *y)
{
	if (x->family != y->family || x->table != y->table || x->type != y->type ||
		x->metric != y->metric || !ip_prefix_equal(&x->dst, &y->dst))
		return false;
	if (x->type != ROUTE_UNICAST)
		return true;
	if (x->nexthops.len != y->nexthops.len)
		return false;
	for (size_t i = 0; i < x->nexthops.len; i++) {
		const struct net_nexthop *m = &x->nexthops.items[i], *n = &y->nexthops.items[i];

		if (!ip_equal(&m->gateway, &n->gateway) || !m->interface || !n->interface ||
			strcmp(m->interface, n->interface) != 0 || m->weight != n->weight)
			return false;
	}
	return true;
}

static bool ours_route(const struct net_route *r)
{
	return r->protocol == PORTREEVE_PROTOCOL;
}

static bool ours_rule(const struct net_rule *r)
{
	return r->protocol == PORTREEVE_PROTOCOL;
}

static bool wants_route(const struct netstate *s, const struct net_route *r)
{
	if (!s)
		return false;
	VEC_EACH (&s->routes, struct net_route, have)
		if (ours_route(have) && same_route(have, r))
			return true;
	return false;
}

static bool wants_rule(const struct netstate *s, const struct net_rule *r)
{
	if (!s)
		return false;
	VEC_EACH (&s->rules, struct net_rule, have)
		if (ours_rule(have) && net_rule_equal(have, r))
			return true;
	return false;
}

/* Does it lead the packets of an uplink of ours, whoever made it? */
static bool like_wanted(const struct netstate *want, const struct net_rule *r)
{
	VEC_EACH (&want->rules, struct net_rule, w)
		if (w->family == r->family && w->preference == r->preference &&
			w->mark == r->mark && w->mask == r->mask)
			return true;
	return false;
}

/* It has routes of ours, or had them: then there still is a rule that leads to it. */
static bool is_our_table(
	const struct netstate *seen, const struct netstate *want, uint8_t family, uint32_t table)
{
	VEC_EACH (&seen->routes, struct net_route, r)
		if (ours_route(r) && r->family == family && r->table == table)
			return true;
	VEC_EACH (&seen->rules, struct net_rule, r)
		if (r->family == family && r->action == RULE_LOOKUP && r->table == table &&
			(ours_rule(r) || like_wanted(want, r)))
			return true;
	return false;
}

/* The route that stands where @r is wanted: an earlier one of ours, or anybody's in a table that is ours.
 * (In another it is another's, and stays.) */
static const struct net_route *in_place_of(
	const struct netstate *seen, const struct netstate *want, const struct net_route *r)
{
	if (!is_our_table(seen, want, r->family, r->table))
		return NULL;
	VEC_EACH (&seen->routes, struct net_route, have)
		if (have->family == r->family && have->table == r->table && have->tos == r->tos &&
			have->metric == r->metric && ip_prefix_equal(&have->dst, &r->dst) &&
			!(ours_route(have) && wants_route(want, have)))
			return have;
	return NULL;
}

static bool is_replaced(const struct changes *c, const struct net_route *r)
{
	VEC_EACH (&c->before, struct change, change)
		if (change->kind == CHANGE_ROUTE && change->replaced == r)
			return true;
	return false;
}

static void diff_routing(struct arena *a, const struct netstate *seen, const struct netstate *want,
	struct changes *out)
{
	if (want) {
		VEC_EACH (&want->routes, struct net_route, r)
			if (!wants_route(seen, r))
				*vec_add(a, &out->before) = (struct change){.kind = CHANGE_ROUTE,
					.add = true,
					.route = r,
					.replaced = in_place_of(seen, want, r)};
		VEC_EACH (&want->rules, struct net_rule, r)
			if (!wants_rule(seen, r))
				*vec_add(a, &out->before) = (struct change){
					.kind = CHANGE_RULE, .add = true, .rule = r};
	}
	VEC_EACH (&seen->rules, struct net_rule, r)
		if (ours_rule(r) && !wants_rule(want, r))
			*vec_add(a, &out->after) = (struct change){.kind = CHANGE_RULE, .rule = r};
	VEC_EACH (&seen->routes, struct net_route, r)
		if (ours_route(r) && !wants_route(want, r) && !is_replaced(out, r))
			*vec_add(a, &out->after) =
				(struct change){.kind = CHANGE_ROUTE, .route = r};
}

/* ---- sysctls ---- */

static void set_sysctl(struct arena *a, struct changes *out, bool late, const struct net_sysctl *s,
	const char *now)
{
	struct change c = {.kind = CHANGE_SYSCTL, .add = true, .sysctl = *s, .previous = now};

	if (late)
		vec_push(a, &out->after, c);
	else
		vec_push(a, &out->before, c);
}

static void diff_sysctls(struct arena *a, const struct netstate *seen, const struct netstate *want,
	const struct memory *memory, struct changes *out)
{
	if (want)
		VEC_EACH (&want->sysctls, struct net_sysctl, s) {
			const char *now = netstate_sysctl(seen, s->key);

			if (!now || strcmp(now, s->value) != 0)
				set_sysctl(a, out, false, s, now);
		}
	VEC_EACH (&memory->sysctls, struct memory_sysctl, m) {
		const char *now = netstate_sysctl(seen, m->key);
		struct net_sysctl back = {.key = m->key, .value = m->value};
		bool wanted = false;

		if (want)
			VEC_EACH (&want->sysctls, struct net_sysctl, s)
				if (strcmp(s->key, m->key) == 0)
					wanted = true;
		if (!wanted && now && strcmp(now, m->value) != 0)
			set_sysctl(a, out, true, &back, now);
	}
}

/* ---- nft ---- */

struct nft_diff {
	struct arena *a;
	struct changes *out;
	const struct nft_table *have, *want;
	struct names have_chains, want_chains; /* there are thousands, where many maps spread */
};

static void index_chains(struct arena *a, const struct nft_table *t, struct names *out)
{
	names_init(out, a, t ? t->chains.len : 0);
	for (size_t i = 0; t && i < t->chains.len; i++)
		names_enter(out, t->chains.items[i]->name, strlen(t->chains.items[i]->name),
			(uint32_t)i);
}

static const struct nft_chain *chain_of(
	const struct nft_table *t, const struct names *chains, const char *name)
{
	uint32_t i = names_find(chains, name, strlen(name));

	return i == NAME_UNKNOWN ? NULL : t->chains.items[i];
}

static const struct nft_chain *old_chain(const struct nft_diff *d, const struct nft_chain *c)
{
	return chain_of(d->have, &d->have_chains, c->name);
}

static bool is_wanted(const struct nft_diff *d, const struct nft_chain *c)
{
	return chain_of(d->want, &d->want_chains, c->name);
}

static struct nft_change *add_change(struct nft_diff *d, enum nft_change_kind kind)
{
	struct nft_change *c = vec_add(d->a, &d->out->nft);

	c->kind = kind;
	c->family = FAMILY_INET;
	c->table = PORTREEVE_TABLE;
	return c;
}

static void change_set(struct nft_diff *d, enum nft_change_kind kind, const struct nft_set *s)
{
	struct nft_change *c = add_change(d, kind);

	c->set = s;
	c->at = s->at;
}

static void change_chain(
	struct nft_diff *d, enum nft_change_kind kind, const struct nft_chain *chain)
{
	add_change(d, kind)->chain = chain;
}

static void add_rules(struct nft_diff *d, const struct nft_chain *chain)
{
	VEC_EACH (&chain->rules, struct nft_rule, r) {
		struct nft_change *c = add_change(d, NFT_ADD_RULE);

		c->chain = chain;
		c->rule = r;
		c->at = r->at;
	}
}

static bool named(const struct nft_set *s)
{
	return !(s->flags & SET_ANONYMOUS);
}

static void add_everything(struct nft_diff *d)
{
	const struct nft_table *t = d->want;

	add_change(d, NFT_ADD_TABLE)->table_flags = t->flags;
	VEC_EACH (&t->counters, struct nft_counter, c)
		add_change(d, NFT_ADD_COUNTER)->counter = c;
	VEC_EACH (&t->sets, struct nft_set *, s)
		if (named(*s))
			change_set(d, NFT_ADD_SET, *s);
	VEC_EACH (&t->chains, struct nft_chain *, c)
		change_chain(d, NFT_ADD_CHAIN, *c);
	VEC_EACH (&t->sets, struct nft_set *, s)
		if (named(*s) && (*s)->len)
			change_set(d, NFT_ADD_ELEMENTS, *s);
	VEC_EACH (&t->chains, struct nft_chain *, c)
		add_rules(d, *c);
}

static bool same_hook(const struct nft_chain *x, const struct nft_chain *y)
{
	if (x->base != y->base)
		return false;
	return !x->base || (x->type == y->type && x->hook == y->hook && x->prio == y->prio &&
				   x->policy_drop == y->policy_drop);
}

/*
 * That a table outlives its owner can only be said when it is made. Where no owner is wanted, what a
 * daemon left behind is as good.
 */
static bool wrong_flags(const struct nft_table *have, const struct nft_table *want)
{
	if ((have->flags ^ want->flags) & TABLE_DORMANT)
		return true;
	return want->flags & TABLE_PERSIST && !(have->flags & TABLE_PERSIST);
}

static bool must_replace(const struct nft_diff *d)
{
	if (wrong_flags(d->have, d->want))
		return true;
	VEC_EACH (&d->want->sets, struct nft_set *, s) {
		const struct nft_set *old =
			named(*s) ? nft_set_find_named(d->have, (*s)->name) : NULL;

		if (old && !nft_set_same_declaration(old, *s))
			return true;
	}
	VEC_EACH (&d->want->chains, struct nft_chain *, c) {
		const struct nft_chain *old = old_chain(d, *c);

		if (old && !same_hook(old, *c))
			return true;
	}
	return false;
}

static bool same_rules(const struct nft_chain *x, const struct nft_chain *y)
{
	if (x->rules.len != y->rules.len)
		return false;
	for (size_t i = 0; i < x->rules.len; i++)
		if (!nft_rule_equal(&x->rules.items[i], &y->rules.items[i]))
			return false;
	return true;
}

static const char *elem_comment(const struct nft_set *s, size_t i)
{
	return s->comments && s->comments[i] ? s->comments[i] : "";
}

static bool same_payload(const struct nft_set *x, size_t i, const struct nft_set *y, size_t j)
{
	const uint8_t *p = nft_set_elem_data(x, i), *q = nft_set_elem_data(y, j);

	if (strcmp(elem_comment(x, i), elem_comment(y, j)) != 0)
		return false;
	if (x->data_len == 0)
		return true;
	if (x->data[0].type == NFT_T_VERDICT) {
		int32_t v, w;
		uint32_t m, n;

		memcpy(&v, p, 4);
		memcpy(&w, q, 4);
		memcpy(&m, p + 4, 4);
		memcpy(&n, q + 4, 4);
		if (v != w)
			return false;
		return (v != VERDICT_JUMP && v != VERDICT_GOTO) ||
		       strcmp(x->chains.items[m], y->chains.items[n]) == 0;
	}
	return memcmp(p, q, x->data_len) == 0;
}

/* A set of the same shape that will hold only what is to be added or deleted. */
static struct nft_set *empty_copy(struct nft_diff *d, const struct nft_set *s)
{
	struct nft_set *n = arena_new_of(d->a, struct nft_set);

	*n = *s;
	n->bytes = NULL;
	n->len = n->cap = 0;
	n->origins = NULL;
	n->comments = NULL;
	n->timeouts_ms = NULL;
	return n;
}

static void copy_elem(struct nft_diff *d, struct nft_set **to, const struct nft_set *from, size_t i)
{
	uint8_t *e;

	if (!*to)
		*to = empty_copy(d, from);
	e = nft_set_add(d->a, *to, from->origins ? from->origins[i] : NOWHERE);
	memcpy(e, nft_set_elem(from, i), from->stride);
	if (elem_comment(from, i)[0])
		nft_set_comment(d->a, *to, elem_comment(from, i));
}

/* Merge two sorted sets of the same declaration; the key of an interval is its whole range. */
static void diff_elements(struct nft_diff *d, const struct nft_set *have,
	const struct nft_set *want, struct nft_set **gone, struct nft_set **added)
{
	size_t key_len = want->key_len * (want->flags & SET_INTERVAL ? 2u : 1u);
	size_t i = 0, j = 0;

	while (i < have->len || j < want->len) {
		int c = i == have->len ? 1
			: j == want->len
				? -1
				: memcmp(nft_set_elem(have, i), nft_set_elem(want, j), key_len);

		if (c < 0) {
			copy_elem(d, gone, have, i++);
		} else if (c > 0) {
			copy_elem(d, added, want, j++);
		} else {
			if (!same_payload(have, i, want, j)) {
				copy_elem(d, gone, have, i);
				copy_elem(d, added, want, j);
			}
			i++;
			j++;
		}
	}
}

static void diff_sets(struct nft_diff *d)
{
	VEC(struct nft_set *) gone = {0}, added = {0};

	VEC_EACH (&d->want->sets, struct nft_set *, s) {
		struct nft_set *minus = NULL, *plus = NULL;
		const struct nft_set *old;

		if (!named(*s) || (*s)->flags & SET_TIMEOUT)
			continue;
		old = nft_set_find_named(d->have, (*s)->name);
		if (!old) {
			if ((*s)->len)
				vec_push(d->a, &added, *s);
			continue;
		}
		diff_elements(d, old, *s, &minus, &plus);
		if (minus)
			vec_push(d->a, &gone, minus);
		if (plus)
			vec_push(d->a, &added, plus);
	}
	/* Elements of obsolete sets go too, since they may point at chains that go. */
	VEC_EACH (&d->have->sets, struct nft_set *, s)
		if (named(*s) && !nft_set_find_named(d->want, (*s)->name) && (*s)->len)
			vec_push(d->a, &gone, *s);
	VEC_EACH (&gone, struct nft_set *, s)
		change_set(d, NFT_DEL_ELEMENTS, *s);
	VEC_EACH (&added, struct nft_set *, s)
		change_set(d, NFT_ADD_ELEMENTS, *s);
}

static bool has_counter(const struct nft_table *t, const char *name)
{
	VEC_EACH (&t->counters, struct nft_counter, c)
		if (strcmp(c->name, name) == 0)
			return true;
	return false;
}

static void diff_table(struct nft_diff *d)
{
	if (d->want->flags & TABLE_OWNER && !(d->have->flags & TABLE_OWNER))
		add_change(d, NFT_HOLD_TABLE)->table_flags = d->want->flags;
	VEC_EACH (&d->want->counters, struct nft_counter, c)
		if (!has_counter(d->have, c->name))
			add_change(d, NFT_ADD_COUNTER)->counter = c;
	VEC_EACH (&d->want->sets, struct nft_set *, s)
		if (named(*s) && !nft_set_find_named(d->have, (*s)->name))
			change_set(d, NFT_ADD_SET, *s);
	VEC_EACH (&d->want->chains, struct nft_chain *, c)
		if (!old_chain(d, *c))
			change_chain(d, NFT_ADD_CHAIN, *c);
	diff_sets(d);
	VEC_EACH (&d->have->chains, struct nft_chain *, c)
		if (!is_wanted(d, *c))
			change_chain(d, NFT_FLUSH_CHAIN, *c);
	VEC_EACH (&d->want->chains, struct nft_chain *, c) {
		const struct nft_chain *old = old_chain(d, *c);

		if (old && same_rules(old, *c))
			continue;
		if (old)
			change_chain(d, NFT_FLUSH_CHAIN, old);
		add_rules(d, *c);
	}
	VEC_EACH (&d->have->chains, struct nft_chain *, c)
		if (!is_wanted(d, *c))
			change_chain(d, NFT_DEL_CHAIN, *c);
	VEC_EACH (&d->have->sets, struct nft_set *, s)
		if (named(*s) && !nft_set_find_named(d->want, (*s)->name))
			change_set(d, NFT_DEL_SET, *s);
	VEC_EACH (&d->have->counters, struct nft_counter, c)
		if (!has_counter(d->want, c->name))
			add_change(d, NFT_DEL_COUNTER)->counter = c;
}

void plan_diff(struct arena *a, const struct netstate *seen, const struct netstate *want,
	const struct memory *memory, struct changes *out)
{
	struct nft_diff d = {.a = a, .out = out};
	bool replace;

	*out = (struct changes){0};
	d.have = nft_table_find(&seen->ruleset, FAMILY_INET, PORTREEVE_TABLE);
	d.want = want ? nft_table_find(&want->ruleset, FAMILY_INET, PORTREEVE_TABLE) : NULL;
	diff_routing(a, seen, want, out);
	diff_sysctls(a, seen, want, memory, out);
	index_chains(a, d.have, &d.have_chains);
	index_chains(a, d.want, &d.want_chains);
	replace = d.have && d.want && must_replace(&d);
	if (d.have && (!d.want || replace))
		add_change(&d, NFT_DEL_TABLE);
	if (d.want && (!d.have || replace))
		add_everything(&d);
	else if (d.want)
		diff_table(&d);
}

bool changes_empty(const struct changes *c)
{
	return c->before.len == 0 && c->after.len == 0 && c->nft.len == 0;
}
