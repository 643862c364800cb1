/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builders: tables, chains, rules, sets, expressions and statements, one call each. */
#include "netstate/ruleset.h"

#include <assert.h>
#include <string.h>

struct nft_table *nft_table_new(struct arena *a, enum nft_family f, const char *name)
{
	struct nft_table *t = arena_new_of(a, struct nft_table);

	t->family = f;
	t->name = arena_strdup(a, name);
	return t;
}

struct nft_chain *nft_chain_new(struct arena *a, struct nft_table *t, const char *name)
{
	struct nft_chain *c = arena_new_of(a, struct nft_chain);

	c->name = arena_strdup(a, name);
	vec_push(a, &t->chains, c);
	return c;
}

struct nft_chain *nft_base_chain_new(struct arena *a, struct nft_table *t, const char *name,
	enum nft_chain_type type, enum nft_hook hook, int32_t prio)
{
	struct nft_chain *c = nft_chain_new(a, t, name);

	c->base = true;
	c->type = type;
	c->hook = hook;
	c->prio = prio;
	return c;
}

struct nft_rule *nft_rule_new(struct arena *a, struct nft_chain *c, struct span at)
{
	struct nft_rule *r = vec_add(a, &c->rules);

	r->at = at;
	return r;
}

static uint8_t fill_fields(struct nft_field *fields, const enum nft_type *of)
{
	uint8_t n = 0;

	for (; of && n < NFT_MAX_FIELDS && of[n] != NFT_T_NONE; n++) {
		fields[n].type = of[n];
		fields[n].len = nft_type_len(of[n]);
	}
	return n;
}

struct nft_set *nft_set_new(struct arena *a, struct nft_table *t, const char *name, uint32_t flags,
	const enum nft_type *key, const enum nft_type *data, uint32_t size)
{
	struct nft_set *s = arena_new_of(a, struct nft_set);

	s->flags = flags | (data ? SET_MAP : 0) | (flags & SET_ANONYMOUS ? SET_CONSTANT : 0);
	if (!name)
		name = data ? "__map%d" : "__set%d";
	s->name = arena_strdup(a, name);
	s->size = size;
	s->n_key = fill_fields(s->key, key);
	s->n_data = fill_fields(s->data, data);
	nft_set_layout(s);
	if (!(flags & SET_ANONYMOUS))
		vec_push(a, &t->sets, s);
	return s;
}

static struct nft_expr *expr_new(struct arena *a, enum nft_expr_kind kind, enum nft_type type)
{
	struct nft_expr *e = arena_new_of(a, struct nft_expr);

	e->kind = kind;
	e->type = type;
	return e;
}

struct nft_expr *nft_sel(struct arena *a, enum nft_selector s)
{
	struct nft_expr *e = expr_new(a, EXPR_SELECTOR, nft_selector_type(s));

	e->selector = s;
	return e;
}

struct nft_expr *nft_masked32(struct arena *a, enum nft_selector s, uint32_t mask, uint32_t xor)
{
	struct nft_expr *e = expr_new(a, EXPR_MASKED, nft_selector_type(s));

	e->selector = s;
	memcpy(e->mask, &mask, sizeof(mask));
	memcpy(e->xor, &xor, sizeof(xor));
	return e;
}

struct nft_expr *nft_concat(struct arena *a, struct nft_expr *const *parts, unsigned int n)
{
	struct nft_expr *e = expr_new(a, EXPR_CONCAT, NFT_T_NONE);

	assert(n <= NFT_MAX_FIELDS);
	memcpy(e->parts, parts, n * sizeof(*parts));
	e->n_parts = n;
	return e;
}

struct nft_expr *nft_map_expr(struct arena *a, struct nft_expr *key, struct nft_set *map)
{
	struct nft_expr *e =
		expr_new(a, EXPR_MAP, map->n_data == 1 ? map->data[0].type : NFT_T_NONE);

	e->key = key;
	e->set = map;
	return e;
}

struct nft_expr *nft_jhash(struct arena *a, struct nft_expr *key, uint32_t mod, uint32_t seed)
{
	struct nft_expr *e = expr_new(a, EXPR_JHASH, NFT_T_INTEGER);

	e->key = key;
	e->mod = mod;
	e->seed = seed;
	return e;
}

struct nft_expr *nft_random(struct arena *a, uint32_t mod)
{
	struct nft_expr *e = expr_new(a, EXPR_NUMGEN, NFT_T_INTEGER);

	e->mod = mod;
	return e;
}

struct nft_expr *nft_value(struct arena *a, enum nft_type type, const void *bytes)
{
	struct nft_expr *e = expr_new(a, EXPR_VALUE, type);

	e->value_len = nft_type_len(type);
	memcpy(e->value, bytes, e->value_len);
	return e;
}

static struct nft_stmt *stmt_new(struct arena *a, struct nft_rule *r, enum nft_stmt_kind kind)
{
	struct nft_stmt *s = vec_add(a, &r->stmts);

	s->kind = kind;
	return s;
}

struct nft_stmt *nft_match(struct arena *a, struct nft_rule *r, struct nft_expr *e, enum nft_op op,
	const void *value, unsigned int len)
{
	struct nft_stmt *s = stmt_new(a, r, STMT_MATCH);

	assert(len <= sizeof(s->value));
	s->expr = e;
	s->op = op;
	memcpy(s->value, value, len);
	s->value_len = len;
	return s;
}

struct nft_stmt *nft_match_u32(
	struct arena *a, struct nft_rule *r, struct nft_expr *e, enum nft_op op, uint32_t value)
{
	static const uint32_t none;

	if (e->kind == EXPR_SELECTOR && (op == OP_EQ || op == OP_NE) &&
		(e->selector == SEL_CT_STATE || e->selector == SEL_CT_STATUS))
		return nft_match(a, r, nft_masked32(a, e->selector, value, 0),
			op == OP_EQ ? OP_NE : OP_EQ, &none, sizeof(none));
	return nft_match(a, r, e, op, &value, sizeof(value));
}

struct nft_stmt *nft_match_u8(
	struct arena *a, struct nft_rule *r, struct nft_expr *e, enum nft_op op, uint8_t value)
{
	return nft_match(a, r, e, op, &value, sizeof(value));
}

struct nft_stmt *nft_match_ifname(
	struct arena *a, struct nft_rule *r, struct nft_expr *e, enum nft_op op, const char *ifname)
{
	char name[16] = {0};
	size_t len = strlen(ifname);

	memcpy(name, ifname, len < sizeof(name) ? len : sizeof(name) - 1);
	return nft_match(a, r, e, op, name, sizeof(name));
}

struct nft_stmt *nft_match_set(struct arena *a, struct nft_rule *r, struct nft_expr *e,
	enum nft_op op, struct nft_set *set)
{
	struct nft_stmt *s = stmt_new(a, r, STMT_MATCH);

	s->expr = e;
	s->op = op;
	s->set = set;
	return s;
}

struct nft_stmt *nft_vmap(
	struct arena *a, struct nft_rule *r, struct nft_expr *e, struct nft_set *set)
{
	struct nft_stmt *s = stmt_new(a, r, STMT_VMAP);

	s->expr = e;
	s->set = set;
	return s;
}

struct nft_stmt *nft_verdict(
	struct arena *a, struct nft_rule *r, enum nft_verdict v, const char *chain)
{
	struct nft_stmt *s = stmt_new(a, r, STMT_VERDICT);

	s->verdict = v;
	s->chain = chain ? arena_strdup(a, chain) : NULL;
	return s;
}

struct nft_stmt *nft_set_mark(struct arena *a, struct nft_rule *r, bool ct, struct nft_expr *e)
{
	struct nft_stmt *s = stmt_new(a, r, ct ? STMT_SET_CT_MARK : STMT_SET_MARK);

	s->expr = e;
	return s;
}

struct nft_stmt *nft_nat(struct arena *a, struct nft_rule *r, bool dnat, enum ip_family family,
	struct nft_expr *addr, bool map_gives_port)
{
	struct nft_stmt *s = stmt_new(a, r, STMT_NAT);

	s->dnat = dnat;
	s->nat_family = family;
	s->expr = addr;
	s->map_gives_port = map_gives_port;
	return s;
}

struct nft_stmt *nft_reject(struct arena *a, struct nft_rule *r, const char *text)
{
	struct nft_stmt *s = stmt_new(a, r, STMT_REJECT);

	s->text = text;
	return s;
}

struct nft_stmt *nft_count(struct arena *a, struct nft_rule *r, const char *named)
{
	struct nft_stmt *s = stmt_new(a, r, STMT_COUNTER);

	s->chain = named ? arena_strdup(a, named) : NULL;
	return s;
}
