/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables and chains of iptables' texts: those that the kernel has, and finding them by name. */
#include "netstate/dump/iptables.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MAX_TABLES 64 /* of one file; the kernel has five per family */

static const struct {
	const char *table, *chain;
	enum nft_chain_type type;
	enum nft_hook hook;
	int32_t prio;
} builtins[] = {
	{"filter", "INPUT", CHAIN_FILTER, HOOK_INPUT, 0},
	{"filter", "FORWARD", CHAIN_FILTER, HOOK_FORWARD, 0},
	{"filter", "OUTPUT", CHAIN_FILTER, HOOK_OUTPUT, 0},
	{"nat", "PREROUTING", CHAIN_NAT, HOOK_PREROUTING, -100},
	{"nat", "INPUT", CHAIN_NAT, HOOK_INPUT, 100},
	{"nat", "OUTPUT", CHAIN_NAT, HOOK_OUTPUT, -100},
	{"nat", "POSTROUTING", CHAIN_NAT, HOOK_POSTROUTING, 100},
	{"mangle", "PREROUTING", CHAIN_FILTER, HOOK_PREROUTING, -150},
	{"mangle", "INPUT", CHAIN_FILTER, HOOK_INPUT, -150},
	{"mangle", "FORWARD", CHAIN_FILTER, HOOK_FORWARD, -150},
	{"mangle", "OUTPUT", CHAIN_ROUTE, HOOK_OUTPUT, -150},
	{"mangle", "POSTROUTING", CHAIN_FILTER, HOOK_POSTROUTING, -150},
	{"raw", "PREROUTING", CHAIN_FILTER, HOOK_PREROUTING, -300},
	{"raw", "OUTPUT", CHAIN_FILTER, HOOK_OUTPUT, -300},
	{"security", "INPUT", CHAIN_FILTER, HOOK_INPUT, 50},
	{"security", "FORWARD", CHAIN_FILTER, HOOK_FORWARD, 50},
	{"security", "OUTPUT", CHAIN_FILTER, HOOK_OUTPUT, 50},
};

static uint32_t hash_name(const char *name)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

static void index_chain(struct arena *a, struct iptables_table *x, struct nft_chain *c)
{
	uint32_t slot;

	if (2 * (x->n + 1) > x->n_slots) {
		struct nft_chain **old = x->slots;
		size_t n_old = x->n_slots;

		x->n_slots = n_old ? 2 * n_old : 64;
		x->slots = arena_alloc(a, x->n_slots * sizeof(*x->slots));
		x->n = 0;
		for (size_t i = 0; i < n_old; i++) {
			if (old[i])
				index_chain(a, x, old[i]);
		}
	}
	slot = hash_name(c->name) & (x->n_slots - 1);
	while (x->slots[slot])
		slot = (slot + 1) & (x->n_slots - 1);
	x->slots[slot] = c;
	x->n++;
}

struct nft_chain *iptables_find_chain(const struct iptables_table *x, const char *name)
{
	if (!x->n_slots)
		return NULL;
	for (uint32_t s = hash_name(name);; s++) {
		struct nft_chain *c = x->slots[s & (x->n_slots - 1)];

		if (!c || strcmp(c->name, name) == 0)
			return c;
	}
}

struct nft_chain *iptables_chain(struct iptables_text *x, const char *name)
{
	struct arena *a = x->d->arena;
	struct nft_chain *c = iptables_find_chain(x->table, name);

	if (c)
		return c;
	name = arena_strdup(a, name);
	for (size_t i = 0; i < COUNT(builtins); i++) {
		if (strcmp(builtins[i].chain, name) == 0 &&
			strcmp(builtins[i].table, x->table->t->name) == 0)
			c = nft_base_chain_new(a, x->table->t, name, builtins[i].type,
				builtins[i].hook, builtins[i].prio);
	}
	if (!c)
		c = nft_chain_new(a, x->table->t, name);
	index_chain(a, x->table, c);
	return c;
}

static struct nft_table *table_of(
	const struct nft_ruleset *r, enum nft_family f, enum nft_origin origin, const char *name)
{
	VEC_EACH (&r->tables, struct nft_table *, t) {
		if ((*t)->family == f && (*t)->origin == origin && strcmp((*t)->name, name) == 0)
			return *t;
	}
	return NULL;
}

static struct iptables_table *index_of(
	struct iptables_text *x, enum nft_family f, enum nft_origin origin, const char *name)
{
	for (struct iptables_table *i = x->tables; i; i = i->next) {
		if (i->t->family == f && i->t->origin == origin && strcmp(i->t->name, name) == 0)
			return i;
	}
	return NULL;
}

bool iptables_use_table(struct iptables_text *x, const char *name)
{
	enum nft_family f = x->family == IP_V6 ? FAMILY_IP6 : FAMILY_IP;
	struct nft_ruleset *r = &x->d->out->ruleset;
	struct iptables_table *i = index_of(x, f, x->origin, name);

	x->table = NULL;
	if (i) {
		x->table = i;
		return true;
	}
	if (table_of(r, f, x->origin, name) || x->n_tables == MAX_TABLES)
		return false;
	x->n_tables++;
	i = arena_new_of(x->d->arena, struct iptables_table);
	i->t = nft_table_new(x->d->arena, f, arena_strdup(x->d->arena, name));
	i->t->origin = x->origin;
	i->line = x->line;
	i->next = x->tables;
	x->tables = x->table = i;
	vec_push(x->d->arena, &r->tables, i->t);
	x->d->out->have |= x->origin != ORIGIN_XT_LEGACY ? HAVE_NFT
			   : x->family == IP_V6		 ? HAVE_LEGACY6
							 : HAVE_LEGACY4;
	return true;
}

/* Jumps to chains that never came are not understood. */
void iptables_settle_jumps(struct iptables_text *x, struct iptables_table *i)
{
	VEC_EACH (&i->t->chains, struct nft_chain *, c) {
		VEC_EACH (&(*c)->rules, struct nft_rule, r) {
			struct nft_stmt *s = &r->stmts.items[r->stmts.len - 1];

			if (s->kind != STMT_VERDICT || !s->chain ||
				iptables_find_chain(i, s->chain))
				continue;
			s->kind = STMT_UNKNOWN;
			s->text = arena_printf(x->d->arena, "-%c %s",
				s->verdict == VERDICT_GOTO ? 'g' : 'j', s->chain);
			dump_note(x->d, x->f, r->at.line, r->text, strlen(r->text),
				"there is no such chain or target");
		}
	}
}
