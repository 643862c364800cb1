/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the base chain behind every chain, once for all tables of an inquiry. */
#include "walk/pitfalls/homes.h"

#include <stdlib.h>
#include <string.h>

struct home {
	const struct nft_table *table;
	const char *name;
	const struct nft_chain *chain, *base;
};
struct homes {
	struct home *items; /* by table, then name */
	size_t len;
	struct home **open; /* reached, and not yet looked through */
	size_t n_open;
};

static int compare(const void *a, const void *b)
{
	const struct home *x = a, *y = b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return strcmp(x->name, y->name);
}

static struct home *find(const struct homes *h, const struct nft_table *t, const char *name)
{
	const struct home key = {.table = t, .name = name};

	return h->len ? bsearch(&key, h->items, h->len, sizeof(key), compare) : NULL;
}

static void reach(
	struct homes *h, const struct nft_table *t, const char *name, const struct nft_chain *base)
{
	struct home *at = name ? find(h, t, name) : NULL;

	if (!at || at->base)
		return;
	at->base = base;
	h->open[h->n_open++] = at;
}

static void follow(struct homes *h, const struct home *at)
{
	VEC_EACH (&at->chain->rules, struct nft_rule, r)
		VEC_EACH (&r->stmts, struct nft_stmt, s) {
			if (s->kind == STMT_VERDICT)
				reach(h, at->table, s->chain, at->base);
			if (s->kind != STMT_VMAP || !s->set)
				continue;
			VEC_EACH (&s->set->chains, const char *, name)
				reach(h, at->table, *name, at->base);
		}
}

static struct homes *make(struct inquiry *q)
{
	struct homes *h = arena_new_of(q->arena, struct homes);
	size_t n = 0;

	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t)
		n += (*t)->chains.len;
	h->items = arena_alloc(q->arena, n * sizeof(*h->items));
	h->open = arena_alloc(q->arena, n * sizeof(struct home *));
	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t)
		VEC_EACH (&(*t)->chains, struct nft_chain *, c)
			h->items[h->len++] = (struct home){*t, (*c)->name, *c, NULL};
	qsort(h->items, h->len, sizeof(*h->items), compare);
	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t)
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			if (!(*c)->base)
				continue;
			reach(h, *t, (*c)->name, *c);
			while (h->n_open)
				follow(h, h->open[--h->n_open]);
		}
	return h;
}

const struct nft_chain *home_of(
	struct inquiry *q, const struct nft_table *t, const struct nft_chain *c)
{
	const struct home *at;

	if (!q->homes)
		q->homes = make(q);
	at = find(q->homes, t, c->name);
	return at ? at->base : NULL;
}
