/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads which marks the rules of a machine write, and where. See marks.h. */
#include "walk/pitfalls/marks.h"

#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/homes.h"
#include "walk/xt.h"

#define PRIORITY_DSTNAT (-100)

static uint32_t value32(const uint8_t *bytes)
{
	uint32_t v;

	memcpy(&v, bytes, sizeof(v));
	return v;
}

/* What an expression that is written to the same mark changes of it. */
static void read_expr(const struct nft_expr *e, enum nft_selector own, uint32_t *bits,
	uint32_t *value, bool *known)
{
	*bits = UINT32_MAX;
	*known = false;
	if (e->kind == EXPR_VALUE && e->value_len == 4) {
		*value = value32(e->value);
		*known = true;
	} else if (e->kind == EXPR_MASKED && e->selector == own) {
		*bits = ~value32(e->mask) | value32(e->xor);
		*value = value32(e->xor);
		*known = true;
	}
}

bool marks_written(const struct nft_rule *r, bool ct, uint32_t *bits, uint32_t *value, bool *known)
{
	enum nft_selector own = ct ? SEL_CT_MARK : SEL_META_MARK;

	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		*value = 0;
		if (s->kind == (ct ? STMT_SET_CT_MARK : STMT_SET_MARK) && s->expr) {
			read_expr(s->expr, own, bits, value, known);
			return true;
		}
		if (s->kind == STMT_XT && walk_xt_writes_mark(&s->xt, ct, bits, value)) {
			*known = *value != 0;
			return true;
		}
	}
	return false;
}

static void add(struct inquiry *q, struct marks *out, const struct marker *like)
{
	struct scopes all = {0};

	scopes_of_rule(q->arena, &q->then, IP_NONE, like->rule, &all);
	VEC_EACH (&all.items, struct scope, s) {
		struct marker *m = vec_add(q->arena, &out->items);

		*m = *like;
		m->scope = *s;
	}
}

static void read_rule(struct inquiry *q, struct marks *out, struct nft_table *t,
	const struct nft_chain *c, const struct nft_chain *base, const struct nft_rule *r)
{
	for (int ct = 0; ct < 2; ct++) {
		struct marker m = {.table = t, .chain = c, .rule = r, .ct = ct};

		if (!marks_written(r, ct, &m.bits, &m.value, &m.sets))
			continue;
		m.restores = !ct && diagnose_restores(r);
		m.hooked = base != NULL;
		if (base) {
			m.hook = base->hook;
			m.base_type = base->type;
			m.prio = base->prio;
			m.early = base->hook == HOOK_PREROUTING && base->prio < PRIORITY_DSTNAT;
		}
		add(q, out, &m);
	}
}

static bool writes(const struct nft_chain *c)
{
	uint32_t bits, value;
	bool known;

	VEC_EACH (&c->rules, struct nft_rule, r) {
		if (marks_written(r, false, &bits, &value, &known) ||
			marks_written(r, true, &bits, &value, &known))
			return true;
	}
	return false;
}

const struct marks *marks_of(struct inquiry *q)
{
	struct marks *out;

	if (q->marks)
		return q->marks;
	q->marks = out = arena_new_of(q->arena, struct marks);
	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t) {
		if (*t == q->own)
			continue;
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			const struct nft_chain *base = writes(*c) ? home_of(q, *t, *c) : NULL;

			VEC_EACH (&(*c)->rules, struct nft_rule, r)
				read_rule(q, out, *t, *c, base, r);
		}
	}
	return out;
}
