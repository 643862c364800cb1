/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes out of a machine what an imported config replaces. */
#include <string.h>

#include "walk/import.h"

static bool is_replaced(const struct import *im, const struct nft_rule *r)
{
	VEC_EACH (&im->rules, const struct nft_rule *, it) {
		if (*it == r)
			return true;
	}
	return false;
}

static struct nft_table *strip_table(
	struct arena *a, const struct import *im, const struct nft_table *t)
{
	struct nft_table *copy = arena_new_of(a, struct nft_table);

	*copy = *t;
	memset(&copy->chains, 0, sizeof(copy->chains));
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		struct nft_chain *chain = arena_new_of(a, struct nft_chain);

		*chain = **c;
		memset(&chain->rules, 0, sizeof(chain->rules));
		VEC_EACH (&(*c)->rules, const struct nft_rule, r) {
			if (!is_replaced(im, r))
				vec_push(a, &chain->rules, *r);
		}
		vec_push(a, &copy->chains, chain);
	}
	return copy;
}

static bool is_replaced_table(const struct import *im, uint32_t table)
{
	VEC_EACH (&im->tables, uint32_t, it) {
		if (*it == table)
			return true;
	}
	return false;
}

void import_strip(
	struct arena *a, const struct gateway *g, const struct import *im, struct netstate *out)
{
	const struct netstate *net = g->net;

	*out = *net;
	memset(&out->rules, 0, sizeof(out->rules));
	memset(&out->routes, 0, sizeof(out->routes));
	memset(&out->ruleset.tables, 0, sizeof(out->ruleset.tables));
	VEC_EACH (&net->rules, const struct net_rule, r) {
		if (r->action != RULE_LOOKUP || !is_replaced_table(im, r->table))
			vec_push(a, &out->rules, *r);
	}
	VEC_EACH (&net->routes, const struct net_route, r) {
		if (!is_replaced_table(im, r->table))
			vec_push(a, &out->routes, *r);
	}
	VEC_EACH (&net->ruleset.tables, struct nft_table *, t)
		vec_push(a, &out->ruleset.tables, strip_table(a, im, *t));
}
