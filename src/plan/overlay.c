/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Overlays a plan on the machine it was made for: the machine as it will be. */
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

static bool is_ours(const struct nft_table *t)
{
	return t->family == FAMILY_INET && strcmp(t->name, PORTREEVE_TABLE) == 0;
}

static int by_preference(const void *a, const void *b)
{
	const struct net_rule *const *x = a, *const *y = b;

	if ((*x)->family != (*y)->family)
		return (*x)->family < (*y)->family ? -1 : 1;
	if ((*x)->preference != (*y)->preference)
		return (*x)->preference < (*y)->preference ? -1 : 1;
	return *x < *y ? -1 : *x > *y; /* both lists are in one array: as they were added */
}

static void overlay_rules(struct arena *a, const struct netstate *seen, const struct netstate *want,
	struct netstate *out)
{
	VEC(struct net_rule) all = {0};
	const struct net_rule **order;

	VEC_EACH (&seen->rules, struct net_rule, r) {
		if (r->protocol != PORTREEVE_PROTOCOL)
			vec_push(a, &all, *r);
	}
	VEC_EACH (&want->rules, struct net_rule, r)
		vec_push(a, &all, *r);
	order = arena_alloc(a, all.len * sizeof(struct net_rule *));
	for (size_t i = 0; i < all.len; i++)
		order[i] = &all.items[i];
	qsort(order, all.len, sizeof(struct net_rule *), by_preference);
	memset(&out->rules, 0, sizeof(out->rules));
	for (size_t i = 0; i < all.len; i++)
		vec_push(a, &out->rules, *order[i]);
}

static void overlay_routes(struct arena *a, const struct netstate *seen,
	const struct netstate *want, struct netstate *out)
{
	memset(&out->routes, 0, sizeof(out->routes));
	VEC_EACH (&seen->routes, struct net_route, r) {
		if (r->protocol != PORTREEVE_PROTOCOL)
			vec_push(a, &out->routes, *r);
	}
	VEC_EACH (&want->routes, struct net_route, r)
		vec_push(a, &out->routes, *r);
}

static void overlay_sysctls(struct arena *a, const struct netstate *seen,
	const struct netstate *want, struct netstate *out)
{
	memset(&out->sysctls, 0, sizeof(out->sysctls));
	VEC_EACH (&want->sysctls, struct net_sysctl, s)
		vec_push(a, &out->sysctls, *s);
	VEC_EACH (&seen->sysctls, struct net_sysctl, s) {
		if (!netstate_sysctl(want, s->key))
			vec_push(a, &out->sysctls, *s);
	}
}

static void overlay_tables(struct arena *a, const struct netstate *seen,
	const struct netstate *want, struct netstate *out)
{
	memset(&out->ruleset.tables, 0, sizeof(out->ruleset.tables));
	VEC_EACH (&seen->ruleset.tables, struct nft_table *, t) {
		if (!is_ours(*t))
			vec_push(a, &out->ruleset.tables, *t);
	}
	VEC_EACH (&want->ruleset.tables, struct nft_table *, t)
		vec_push(a, &out->ruleset.tables, *t);
}

void plan_overlay(struct arena *a, const struct netstate *seen, const struct netstate *want,
	struct netstate *out)
{
	*out = *seen;
	overlay_rules(a, seen, want, out);
	overlay_routes(a, seen, want, out);
	overlay_sysctls(a, seen, want, out);
	overlay_tables(a, seen, want, out);
}
