/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be told of a ruleset of nft only when all of it was read. */
#include <string.h>

#include "netstate/dump/nft_reader.h"

static bool is_iptables_chain(const struct nft_chain *c)
{
	static const char *const names[] = {
		"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(names[i], c->name) == 0)
			return true;
	}
	return false;
}

static bool has_xt(const struct nft_table *t)
{
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		VEC_EACH (&(*c)->rules, struct nft_rule, rule) {
			VEC_EACH (&rule->stmts, struct nft_stmt, s) {
				if (s->kind == STMT_XT)
					return true;
			}
		}
	}
	return false;
}

/* iptables-nft's tables have its names, and base chains only of its names. */
static bool is_iptables_table(const struct nft_table *t)
{
	static const char *const names[] = {"filter", "nat", "mangle", "raw", "security"};
	bool named = false, base = false;

	if (t->family != FAMILY_IP && t->family != FAMILY_IP6)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		named |= strcmp(names[i], t->name) == 0;
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		if ((*c)->base && !is_iptables_chain(*c))
			return false;
		base |= (*c)->base;
	}
	return (named && base) || has_xt(t);
}

/* `nft -t` leaves out the elements of all sets, and does not say so. */
static void doubt_empty_sets(struct nft_reader *r)
{
	bool plain = false;

	VEC_EACH (&r->tables, struct nft_table *, t) {
		VEC_EACH (&(*t)->sets, struct nft_set *, s)
			plain |= !((*s)->flags & (SET_DYNAMIC | SET_TIMEOUT | SET_OBJECTS));
	}
	if (!plain || r->elements || r->made)
		return;
	VEC_EACH (&r->tables, struct nft_table *, t) {
		VEC_EACH (&(*t)->sets, struct nft_set *, s)
			(*s)->flags |= SET_INCOMPLETE;
	}
	nft_reader_note(
		r, 0, "", "no set has elements: they are taken as not known, as after `nft -t`");
}

static void sort_sets(struct nft_reader *r)
{
	VEC_EACH (&r->sets, struct nft_set *, s) {
		struct arena *scratch = arena_new();

		nft_set_sort(scratch, *s);
		arena_free(scratch);
	}
}

/* Limits and quotas that rules name, as what they say; those that are not there say nothing. */
static void resolve_limits(struct nft_reader *r, const struct nft_table *t)
{
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		VEC_EACH (&(*c)->rules, struct nft_rule, rule) {
			VEC_EACH (&rule->stmts, struct nft_stmt, s) {
				const struct nft_object *o;

				if (s->kind != STMT_LIMIT || !s->chain)
					continue;
				o = nft_object_find(t, s->text, s->chain);
				if (o && o->text)
					s->text = arena_printf(r->a, "%s %s", s->text, o->text);
				else
					s->kind = STMT_UNKNOWN;
			}
		}
	}
}

void nft_settle(struct nft_reader *r)
{
	sort_sets(r);
	doubt_empty_sets(r);
	VEC_EACH (&r->tables, struct nft_table *, t) {
		resolve_limits(r, *t);
		if (is_iptables_table(*t))
			(*t)->origin = ORIGIN_XT_NFT;
	}
}
