/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statements of nft's language that begin with an expression: matches, verdict maps, and writing. */
#include <string.h>

#include "netstate/dump/nft_reader.h"

/* ---- matches ---- */

/* What the rest of the rule may take for granted. */
static void note_match(struct nft_reader *r, const struct nft_stmt *s)
{
	if (s->expr->kind != EXPR_SELECTOR || s->op != OP_EQ)
		return;
	switch ((unsigned int)s->expr->selector) {
	case SEL_META_NFPROTO:
		r->l3 = s->value[0] == FAMILY_IP6 ? IP_V6 : IP_V4;
		break;
	case SEL_META_L4PROTO:
	case SEL_IP_PROTOCOL:
	case SEL_IP6_NEXTHDR:
		r->l4 = s->value[0];
		break;
	case SEL_META_PROTOCOL:
	case SEL_ETHER_TYPE: /* the inet family looks at nfproto all the same */
		if (r->table->family != FAMILY_INET && r->l3 == IP_NONE)
			r->l3 = s->value[0] == 0x08 ? IP_V4 : s->value[0] == 0x86 ? IP_V6 : IP_NONE;
		break;
	}
}

static bool take_comparison(struct nft_reader *r, enum nft_op *op)
{
	static const struct {
		const char *word;
		enum nft_op op;
		char sign;
	} ops[] = {{"eq", OP_EQ, SIGN_EQ}, {"ne", OP_NE, SIGN_NE}, {"lt", OP_LT, '<'},
		{"gt", OP_GT, '>'}, {"le", OP_LE, SIGN_LE}, {"ge", OP_GE, SIGN_GE}};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		*op = ops[i].op;
		if (nft_take_sign(r, ops[i].sign) || nft_take(r, ops[i].word))
			return true;
	}
	*op = OP_EQ;
	return false;
}

static struct nft_expr *with_mask(
	struct nft_reader *r, const struct nft_expr *e, const uint8_t *mask)
{
	struct nft_expr *m = arena_new_of(r->a, struct nft_expr);

	*m = *e;
	m->kind = EXPR_MASKED;
	memcpy(m->mask, mask, sizeof(m->mask));
	return m;
}

static struct nft_stmt *add_match(struct nft_reader *r, struct nft_expr *e, enum nft_op op,
	const uint8_t *value, unsigned int len)
{
	struct nft_stmt *s = nft_reader_add(r, STMT_MATCH);

	s->expr = e;
	s->op = op;
	memcpy(s->value, value, len);
	s->value_len = (uint8_t)len;
	note_match(r, s);
	return s;
}

/* "ct state new,established": has one of these bits; "tcp flags syn / syn,ack"; "tcp flags ! syn". */
static bool match_bits(struct nft_reader *r, struct nft_expr *e, struct nft_want w, enum nft_op op,
	bool said, bool none_of)
{
	static const uint8_t zero[16];
	uint8_t value[16], mask[16];

	if (!nft_parse_value(r, w, true, value))
		return false;
	if (nft_take(r, "/")) {
		if (e->kind != EXPR_SELECTOR || !nft_parse_value(r, w, true, mask))
			return false;
		add_match(r, with_mask(r, e, mask), op, value, w.len);
		return true;
	}
	if (none_of || (!said && e->kind == EXPR_SELECTOR))
		add_match(r, with_mask(r, e, value), none_of ? OP_EQ : OP_NE, zero, w.len);
	else
		add_match(r, e, op, value, w.len);
	return true;
}

static bool match_one(struct nft_reader *r, struct nft_expr *e, struct nft_want w, enum nft_op op)
{
	struct nft_constant c;
	struct nft_stmt *s;
	uint8_t mask[16] = {0};

	if (w.len > 16 || !nft_parse_constant(r, w, &c))
		return false;
	switch (c.kind) {
	case CONSTANT_ONE:
		add_match(r, e, op, c.first, w.len);
		return true;
	case CONSTANT_RANGE:
		if (op != OP_EQ && op != OP_NE)
			return false;
		s = add_match(r, e, op == OP_EQ ? OP_RANGE : OP_NOT_RANGE, c.first, w.len);
		memcpy(s->last, c.last, w.len);
		return true;
	case CONSTANT_WILDCARD:
		add_match(r, e, op, c.first, c.prefix);
		return op == OP_EQ || op == OP_NE;
	case CONSTANT_PREFIX:
		if (e->kind != EXPR_SELECTOR)
			return false;
		for (unsigned int i = 0; i < w.len; i++)
			mask[i] = (uint8_t) ~(c.first[i] ^ c.last[i]);
		add_match(r, with_mask(r, e, mask), op, c.first, w.len);
		return op == OP_EQ || op == OP_NE;
	}
	return false;
}

/* A concatenation with a single value, which the kernel compares as one. */
static bool match_several(struct nft_reader *r, struct nft_expr *e, const struct nft_want *want,
	unsigned int n, enum nft_op op)
{
	uint8_t value[16] = {0}, one[16];
	unsigned int len = 0;

	for (unsigned int i = 0; i < n; i++) {
		if ((i && !nft_take(r, ".")) || !nft_parse_value(r, want[i], false, one) ||
			len + nft_padded(want[i].len) > sizeof(value))
			return false;
		memcpy(value + len, one, want[i].len);
		len += nft_padded(want[i].len);
	}
	add_match(r, e, op, value, len);
	return op == OP_EQ || op == OP_NE;
}

static bool match_set(struct nft_reader *r, struct nft_expr *e, enum nft_op op)
{
	struct nft_set *set = nft_parse_set_use(r, e, NULL, 0);

	if (!set || (op != OP_EQ && op != OP_NE))
		return false;
	nft_match_set(r->a, r->rule, e, op == OP_EQ ? OP_IN : OP_NOT_IN, set);
	return true;
}

/* ---- writing ---- */

/* "meta mark set ...", behind `set`. */
static bool parse_write(struct nft_reader *r, const struct nft_expr *what)
{
	struct nft_want w;
	struct nft_expr *e;
	struct nft_stmt *s;

	if (what->kind != EXPR_SELECTOR)
		return false;
	if (nft_expr_wants(what, &w) != 1 || w.len > 16)
		return false;
	e = nft_parse_written(r, &w, 1);
	if (!e)
		return false;
	if (what->selector == SEL_META_MARK || what->selector == SEL_CT_MARK) {
		nft_set_mark(r->a, r->rule, what->selector == SEL_CT_MARK, e);
		return true;
	}
	s = nft_reader_add(r, STMT_SET);
	s->selector = what->selector;
	s->expr = e;
	return true;
}

bool nft_parse_match(struct nft_reader *r)
{
	static const struct nft_want verdict = {NFT_T_VERDICT, 0, SEL_NONE};
	struct nft_want want[NFT_MAX_WANTS];
	struct nft_expr *e = nft_parse_packet_expr(r);
	const struct nft_token *t;
	struct nft_set *set;
	unsigned int n;
	enum nft_op op;
	bool said, none_of;

	if (!e)
		return false;
	if (nft_take(r, "set"))
		return parse_write(r, e);
	if (nft_take(r, "vmap")) {
		set = nft_parse_set_use(r, e, &verdict, 1);
		if (set)
			nft_vmap(r->a, r->rule, e, set);
		return set != NULL;
	}
	said = take_comparison(r, &op);
	none_of = !said && nft_take_sign(r, '!');
	t = nft_peek(r);
	if (nft_token_is_sign(t, '{') || (t->kind == TOKEN_WORD && *t->s == '@'))
		return match_set(r, e, op);
	n = nft_expr_wants(e, want);
	if (!n)
		return false;
	if (n > 1)
		return match_several(r, e, want, n, op);
	if (nft_type_is_bits(want[0].type))
		return match_bits(r, e, want[0], op, said, none_of);
	return !none_of && match_one(r, e, want[0], op);
}
