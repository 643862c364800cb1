/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules to the kernel's register programs: values, and matches on them.
 *
 * The instructions, their order and their registers are those that nft(8) makes of the same rule, so
 * that `nft list` recognises them.
 */
#include "kernel/nft_encode.h"

#include <errno.h>
#include <string.h>

/* ---- instructions ---- */

void nft_put_register(struct encoder *e, uint16_t type, unsigned int unit)
{
	put_be32(e->nlh, type, NFT_REG32_00 + unit);
}

void nft_put_data(struct encoder *e, uint16_t type, const void *bytes, unsigned int len)
{
	struct nlattr *nest = mnl_attr_nest_start(e->nlh, type);

	mnl_attr_put(e->nlh, NFTA_DATA_VALUE, len, bytes);
	mnl_attr_nest_end(e->nlh, nest);
}

void nft_put_immediate(struct encoder *e, unsigned int unit, const void *bytes, unsigned int len)
{
	struct nft_instruction i = nft_begin(e->nlh, "immediate");

	nft_put_register(e, NFTA_IMMEDIATE_DREG, unit);
	nft_put_data(e, NFTA_IMMEDIATE_DATA, bytes, len);
	nft_end(e->nlh, i);
}

void nft_put_bitwise(struct encoder *e, const uint8_t *mask, const uint8_t * xor, unsigned int unit,
	unsigned int len)
{
	struct nft_instruction i = nft_begin(e->nlh, "bitwise");

	nft_put_register(e, NFTA_BITWISE_SREG, unit);
	nft_put_register(e, NFTA_BITWISE_DREG, unit);
	put_be32(e->nlh, NFTA_BITWISE_OP, NFT_BITWISE_BOOL);
	put_be32(e->nlh, NFTA_BITWISE_LEN, len);
	nft_put_data(e, NFTA_BITWISE_MASK, mask, len);
	nft_put_data(e, NFTA_BITWISE_XOR, xor, len);
	nft_end(e->nlh, i);
}

static void compare(struct encoder *e, enum nft_cmp_ops op, const void *bytes, unsigned int len)
{
	struct nft_instruction i = nft_begin(e->nlh, "cmp");

	nft_put_register(e, NFTA_CMP_SREG, 0);
	put_be32(e->nlh, NFTA_CMP_OP, op);
	nft_put_data(e, NFTA_CMP_DATA, bytes, len);
	nft_end(e->nlh, i);
}

static void put_payload(
	struct encoder *e, uint32_t base, uint32_t offset, uint32_t len, unsigned int unit)
{
	struct nft_instruction i = nft_begin(e->nlh, "payload");

	nft_put_register(e, NFTA_PAYLOAD_DREG, unit);
	put_be32(e->nlh, NFTA_PAYLOAD_BASE, base);
	put_be32(e->nlh, NFTA_PAYLOAD_OFFSET, offset);
	put_be32(e->nlh, NFTA_PAYLOAD_LEN, len);
	nft_end(e->nlh, i);
}

void nft_put_payload_load(struct encoder *e, uint32_t base, uint32_t offset, uint32_t len)
{
	put_payload(e, base, offset, len, 0);
}

/* One of those that only have a key and where to. */
static void put_keyed(struct encoder *e, const char *name, uint16_t key_type, uint32_t key,
	uint16_t dreg_type, unsigned int unit)
{
	struct nft_instruction i = nft_begin(e->nlh, name);

	put_be32(e->nlh, key_type, key);
	nft_put_register(e, dreg_type, unit);
	nft_end(e->nlh, i);
}

static void put_ct(
	struct encoder *e, const struct nft_load *l, enum nft_type type, unsigned int unit)
{
	struct nft_instruction i = nft_begin(e->nlh, "ct");
	uint32_t key = l->key;

	if (type == NFT_T_IPV6)
		key = key == NFT_CT_SRC_IP ? NFT_CT_SRC_IP6 : NFT_CT_DST_IP6;
	put_be32(e->nlh, NFTA_CT_KEY, key);
	if (l->direction != DIRECTION_NONE)
		mnl_attr_put_u8(e->nlh, NFTA_CT_DIRECTION, l->direction == DIRECTION_REPLY);
	nft_put_register(e, NFTA_CT_DREG, unit);
	nft_end(e->nlh, i);
}

static void put_tcp_option(struct encoder *e, const struct nft_load *l, unsigned int unit)
{
	struct nft_instruction i = nft_begin(e->nlh, "exthdr");

	nft_put_register(e, NFTA_EXTHDR_DREG, unit);
	mnl_attr_put_u8(e->nlh, NFTA_EXTHDR_TYPE, (uint8_t)l->key);
	put_be32(e->nlh, NFTA_EXTHDR_OFFSET, l->offset);
	put_be32(e->nlh, NFTA_EXTHDR_LEN, 2);
	put_be32(e->nlh, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
	nft_end(e->nlh, i);
}

/* Not every device has an Ethernet header; bridges do. */
static void check_ether(struct encoder *e)
{
	static const uint16_t ether = 1; /* ARPHRD_ETHER */

	if (e->ether || e->family == FAMILY_BRIDGE)
		return;
	e->ether = true;
	put_keyed(e, "meta", NFTA_META_KEY, NFT_META_IIFTYPE, NFTA_META_DREG, 0);
	compare(e, NFT_CMP_EQ, &ether, sizeof(ether));
}

/* @len bytes of the selector's value, from its start. */
static void load(struct encoder *e, const struct nft_expr *x, unsigned int unit, unsigned int len)
{
	const struct nft_load *l = &nft_loads[x->selector];
	struct nft_instruction i;

	switch (l->kind) {
	case LOAD_NONE:
		nft_batch_fail(e->b, EINVAL, "a rule uses no selector");
		break;
	case LOAD_META:
		put_keyed(e, "meta", NFTA_META_KEY, l->key, NFTA_META_DREG, unit);
		break;
	case LOAD_CT:
		put_ct(e, l, x->type, unit);
		break;
	case LOAD_PAYLOAD:
		put_payload(e, l->key, l->offset, len, unit);
		break;
	case LOAD_FIB:
		i = nft_begin(e->nlh, "fib");
		put_be32(e->nlh, NFTA_FIB_FLAGS, l->key);
		put_be32(e->nlh, NFTA_FIB_RESULT, l->offset);
		nft_put_register(e, NFTA_FIB_DREG, unit);
		nft_end(e->nlh, i);
		break;
	case LOAD_TCP_OPTION:
		put_tcp_option(e, l, unit);
		break;
	case LOAD_ROUTE:
		put_keyed(e, "rt", NFTA_RT_KEY, l->key, NFTA_RT_DREG, unit);
		break;
	}
}

void nft_put_byteorder(struct encoder *e, unsigned int unit, unsigned int len)
{
	struct nft_instruction i = nft_begin(e->nlh, "byteorder");

	nft_put_register(e, NFTA_BYTEORDER_SREG, unit);
	nft_put_register(e, NFTA_BYTEORDER_DREG, unit);
	put_be32(e->nlh, NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	put_be32(e->nlh, NFTA_BYTEORDER_LEN, len);
	put_be32(e->nlh, NFTA_BYTEORDER_SIZE, len);
	nft_end(e->nlh, i);
}

void nft_put_set_name(struct encoder *e, const struct nft_set *s, uint16_t name, uint16_t id)
{
	mnl_attr_put_strz(e->nlh, name, s->name);
	for (unsigned int i = 0; i < e->n_anonymous; i++) {
		if (e->anonymous[i].set == s)
			put_be32(e->nlh, id, e->anonymous[i].id);
	}
}

void nft_put_lookup(struct encoder *e, const struct nft_set *s, unsigned int unit,
	enum nft_lookup_result to, bool inverted)
{
	struct nft_instruction i = nft_begin(e->nlh, "lookup");

	nft_put_register(e, NFTA_LOOKUP_SREG, unit);
	if (to == TO_REGISTER)
		nft_put_register(e, NFTA_LOOKUP_DREG, unit);
	else if (to == TO_VERDICT)
		put_be32(e->nlh, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
	nft_put_set_name(e, s, NFTA_LOOKUP_SET, NFTA_LOOKUP_SET_ID);
	if (inverted)
		put_be32(e->nlh, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	nft_end(e->nlh, i);
}

/* ---- expressions ---- */

static unsigned int units(const struct nft_expr *x)
{
	unsigned int n = 0;

	switch (x->kind) {
	case EXPR_SELECTOR:
	case EXPR_MASKED:
	case EXPR_VALUE:
		return nft_padded(nft_expr_len(x)) / 4;
	case EXPR_CONCAT:
		for (unsigned int i = 0; i < x->n_parts; i++)
			n += units(x->parts[i]);
		return n;
	case EXPR_MAP:
		return x->set->data_len / 4;
	case EXPR_JHASH:
	case EXPR_SYMHASH:
	case EXPR_NUMGEN:
		return 1;
	case EXPR_UNKNOWN:
		break;
	}
	return 0;
}

static void put_hash(struct encoder *e, const struct nft_expr *x, unsigned int unit)
{
	bool of_key = x->kind == EXPR_JHASH;
	struct nft_instruction i;

	if (of_key)
		nft_put_expr(e, x->key, unit + NFT_SECOND, false);
	i = nft_begin(e->nlh, "hash");
	if (of_key) {
		nft_put_register(e, NFTA_HASH_SREG, unit + NFT_SECOND);
		put_be32(e->nlh, NFTA_HASH_LEN, units(x->key) * 4);
		put_be32(e->nlh, NFTA_HASH_SEED, x->seed);
	}
	nft_put_register(e, NFTA_HASH_DREG, unit);
	put_be32(e->nlh, NFTA_HASH_MODULUS, x->mod);
	if (x->offset)
		put_be32(e->nlh, NFTA_HASH_OFFSET, x->offset);
	put_be32(e->nlh, NFTA_HASH_TYPE, of_key ? NFT_HASH_JENKINS : NFT_HASH_SYM);
	nft_end(e->nlh, i);
}

static void put_numgen(struct encoder *e, const struct nft_expr *x, unsigned int unit)
{
	struct nft_instruction i = nft_begin(e->nlh, "numgen");

	nft_put_register(e, NFTA_NG_DREG, unit);
	put_be32(e->nlh, NFTA_NG_MODULUS, x->mod);
	put_be32(e->nlh, NFTA_NG_TYPE, x->incremental ? NFT_NG_INCREMENTAL : NFT_NG_RANDOM);
	put_be32(e->nlh, NFTA_NG_OFFSET, x->offset);
	nft_end(e->nlh, i);
}

static bool is_host_order(const struct nft_expr *x)
{
	if (x->kind == EXPR_SELECTOR || x->kind == EXPR_MASKED)
		return nft_selector_is_host_order(x->selector);
	return nft_type_is_host_order(x->type);
}

/* Headers that the kernel must know to be there before it looks into them; they make instructions
 * of their own, so they come before anything is in registers. */
static void check_headers(struct encoder *e, const struct nft_expr *x)
{
	if (!x)
		return;
	if ((x->kind == EXPR_SELECTOR || x->kind == EXPR_MASKED) &&
		nft_loads[x->selector].kind == LOAD_PAYLOAD &&
		nft_loads[x->selector].key == NFT_PAYLOAD_LL_HEADER)
		check_ether(e);
	for (unsigned int i = 0; i < x->n_parts; i++)
		check_headers(e, x->parts[i]);
	check_headers(e, x->key);
}

static void put_selector(
	struct encoder *e, const struct nft_expr *x, unsigned int unit, bool network)
{
	const struct nft_load *l = &nft_loads[x->selector];
	static const uint8_t none[16];
	uint8_t mask[16];

	if (nft_selector_type(x->selector) == NFT_T_OTHER && l->key == NFT_CT_SRC_IP &&
		x->type != NFT_T_IPV4 && x->type != NFT_T_IPV6)
		nft_batch_fail(e->b, EOPNOTSUPP, "cannot tell the IP version of '%s'",
			nft_selector_name(x->selector));
	load(e, x, unit, l->shift ? nft_load_len(x->selector) : nft_expr_len(x));
	if (l->shift) { /* left in its place, as nft does; what is compared with it is put there */
		nft_load_mask(x->selector, mask);
		nft_put_bitwise(e, mask, none, unit, nft_load_len(x->selector));
	}
	if (x->kind == EXPR_MASKED)
		nft_put_bitwise(e, x->mask, x->xor, unit, nft_expr_len(x));
	if (network && is_host_order(x))
		nft_put_byteorder(e, unit, nft_expr_len(x));
}

void nft_put_expr(struct encoder *e, const struct nft_expr *x, unsigned int unit, bool network)
{
	switch (x->kind) {
	case EXPR_SELECTOR:
	case EXPR_MASKED:
		put_selector(e, x, unit, network);
		break;
	case EXPR_VALUE:
		nft_put_immediate(e, unit, x->value, x->value_len);
		break;
	case EXPR_CONCAT:
		for (unsigned int i = 0; i < x->n_parts; i++) {
			nft_put_expr(e, x->parts[i], unit, network);
			unit += units(x->parts[i]);
		}
		break;
	case EXPR_MAP:
		nft_put_expr(e, x->key, unit, x->set->flags & SET_INTERVAL);
		nft_put_lookup(e, x->set, unit, TO_REGISTER, false);
		break;
	case EXPR_JHASH:
	case EXPR_SYMHASH:
		put_hash(e, x, unit);
		break;
	case EXPR_NUMGEN:
		put_numgen(e, x, unit);
		break;
	case EXPR_UNKNOWN:
		nft_batch_fail(e->b, EOPNOTSUPP, "cannot write the expression '%s'",
			x->text ? x->text : "unknown");
		return;
	}
	if (network && (x->kind == EXPR_NUMGEN || x->kind == EXPR_JHASH || x->kind == EXPR_SYMHASH))
		nft_put_byteorder(e, unit, 4);
}

/* ---- matches ---- */

/* Bytes that a match on a prefix needs to look at, 0 where it is none of whole bytes: the kernel then
 * loads or compares just these, as nft has it do. */
static unsigned int prefix_bytes(const struct nft_stmt *s)
{
	const struct nft_expr *x = s->expr;
	unsigned int len, n = 0;

	if (x->kind != EXPR_MASKED || (x->type != NFT_T_IPV4 && x->type != NFT_T_IPV6) ||
		(s->op != OP_EQ && s->op != OP_NE))
		return 0;
	len = nft_expr_len(x);
	while (n < len && x->mask[n] == 0xff)
		n++;
	for (unsigned int i = 0; i < len; i++) {
		if (x->xor [i] || (i >= n && (x->mask[i] || s->value[i])))
			return 0;
	}
	return n;
}

static void put_range(struct encoder *e, const uint8_t *first, const uint8_t *last,
	unsigned int len, bool inverted)
{
	struct nft_instruction i;

	if (!inverted) {
		compare(e, NFT_CMP_GTE, first, len);
		compare(e, NFT_CMP_LTE, last, len);
		return;
	}
	i = nft_begin(e->nlh, "range");
	nft_put_register(e, NFTA_RANGE_SREG, 0);
	put_be32(e->nlh, NFTA_RANGE_OP, NFT_RANGE_NEQ);
	nft_put_data(e, NFTA_RANGE_FROM_DATA, first, len);
	nft_put_data(e, NFTA_RANGE_TO_DATA, last, len);
	nft_end(e->nlh, i);
}

/* What later instructions depend on: which headers the packet has. */
static void note_match(struct encoder *e, const struct nft_stmt *s)
{
	if (s->expr->kind != EXPR_SELECTOR || s->op != OP_EQ)
		return;
	if (s->expr->selector == SEL_META_NFPROTO)
		e->inet6 = s->value[0] == NFPROTO_IPV6;
	else if (s->expr->selector == SEL_META_L4PROTO || s->expr->selector == SEL_IP_PROTOCOL ||
		 s->expr->selector == SEL_IP6_NEXTHDR)
		e->proto = s->value[0];
}

bool nft_encodes_ip6(const struct encoder *e)
{
	return e->family == FAMILY_IP6 || e->inet6;
}

static bool is_shifted(const struct nft_expr *x)
{
	return (x->kind == EXPR_SELECTOR || x->kind == EXPR_MASKED) && nft_loads[x->selector].shift;
}

static void put_in_set(struct encoder *e, const struct nft_stmt *s)
{
	if (is_shifted(s->expr))
		nft_batch_fail(e->b, EOPNOTSUPP, "cannot write a set of '%s'",
			nft_selector_name(s->expr->selector));
	nft_put_expr(e, s->expr, 0, s->set->flags & SET_INTERVAL);
	nft_put_lookup(e, s->set, 0, TO_NOTHING, s->op == OP_NOT_IN);
}

void nft_put_match(struct encoder *e, const struct nft_stmt *s)
{
	static const enum nft_cmp_ops ops[] = {[OP_EQ] = NFT_CMP_EQ,
		[OP_NE] = NFT_CMP_NEQ,
		[OP_LT] = NFT_CMP_LT,
		[OP_GT] = NFT_CMP_GT,
		[OP_LE] = NFT_CMP_LTE,
		[OP_GE] = NFT_CMP_GTE};
	bool network = s->op != OP_EQ && s->op != OP_NE && is_host_order(s->expr);
	unsigned int prefix = prefix_bytes(s), len = s->value_len;
	uint8_t value[16], last[16];

	note_match(e, s);
	if (s->op == OP_IN || s->op == OP_NOT_IN) {
		put_in_set(e, s);
		return;
	}
	if (prefix) {
		load(e, s->expr, 0, prefix);
		compare(e, ops[s->op], s->value, prefix);
		return;
	}
	nft_put_expr(e, s->expr, 0, network);
	memcpy(value, s->value, sizeof(value));
	memcpy(last, s->last, sizeof(last));
	if (network) {
		reverse_bytes(value, len);
		reverse_bytes(last, len);
	}
	if (is_shifted(s->expr)) {
		nft_load_shift_in(s->expr->selector, s->value[0], value);
		nft_load_shift_in(s->expr->selector, s->last[0], last);
		len = nft_load_len(s->expr->selector);
	}
	if (s->op == OP_RANGE || s->op == OP_NOT_RANGE)
		put_range(e, value, last, len, s->op == OP_NOT_RANGE);
	else
		compare(e, ops[s->op], value, len);
}

/* ---- rules ---- */

/* Send the rule's own set ahead of it. */
static void put_own_set(struct encoder *e, const struct nft_change *c, const struct nft_set *s)
{
	if (!s || !(s->flags & SET_ANONYMOUS))
		return;
	if (e->n_anonymous == NFT_MAX_ANONYMOUS) {
		nft_batch_fail(
			e->b, E2BIG, "more than %d anonymous sets in a rule", NFT_MAX_ANONYMOUS);
		return;
	}
	e->anonymous[e->n_anonymous].set = s;
	e->anonymous[e->n_anonymous++].id = ++e->b->last_set_id;
	nft_put_set(e->b, c->family, c->table, s, e->b->last_set_id);
	nft_put_elements(e->b, NFT_MSG_NEWSETELEM, c->family, c->table, s, e->b->last_set_id);
}

static void put_own_sets_of(struct encoder *e, const struct nft_change *c, const struct nft_expr *x)
{
	if (!x)
		return;
	put_own_set(e, c, x->set);
	put_own_sets_of(e, c, x->key);
}

static void put_comment(struct nlmsghdr *nlh, const char *comment)
{
	uint8_t udata[2 + 256];
	size_t len = strnlen(comment, 254);

	udata[0] = UDATA_RULE_COMMENT;
	udata[1] = len + 1;
	memcpy(udata + 2, comment, len);
	udata[2 + len] = 0;
	mnl_attr_put(nlh, NFTA_RULE_USERDATA, len + 3, udata);
}

/* Of iptables' matches and targets the kernel checks whether they fit the rule's protocol. */
static void put_compat(struct nlmsghdr *nlh, const struct nft_rule *r)
{
	bool xt = false, inverted = false;
	struct nlattr *nest;
	uint8_t proto = 0;

	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		xt |= s->kind == STMT_XT;
		if (s->kind != STMT_MATCH || s->expr->kind != EXPR_SELECTOR ||
			(s->op != OP_EQ && s->op != OP_NE) ||
			(s->expr->selector != SEL_META_L4PROTO &&
				s->expr->selector != SEL_IP_PROTOCOL &&
				s->expr->selector != SEL_IP6_NEXTHDR))
			continue;
		proto = s->value[0];
		inverted = s->op == OP_NE;
	}
	if (!xt || !proto)
		return;
	nest = mnl_attr_nest_start(nlh, NFTA_RULE_COMPAT);
	put_be32(nlh, NFTA_RULE_COMPAT_PROTO, proto);
	put_be32(nlh, NFTA_RULE_COMPAT_FLAGS, inverted ? NFT_RULE_COMPAT_F_INV : 0);
	mnl_attr_nest_end(nlh, nest);
}

void nft_put_rule(struct nft_batch *b, const struct nft_change *c)
{
	struct encoder e = {.b = b, .family = c->family};
	struct nlattr *list;

	VEC_EACH (&c->rule->stmts, struct nft_stmt, s) {
		put_own_set(&e, c, s->set);
		put_own_sets_of(&e, c, s->expr);
		put_own_sets_of(&e, c, s->port);
	}
	e.nlh = nft_message_start(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, c->family, -1);
	mnl_attr_put_strz(e.nlh, NFTA_RULE_TABLE, c->table);
	mnl_attr_put_strz(e.nlh, NFTA_RULE_CHAIN, c->chain->name);
	put_compat(e.nlh, c->rule);
	list = mnl_attr_nest_start(e.nlh, NFTA_RULE_EXPRESSIONS);
	VEC_EACH (&c->rule->stmts, struct nft_stmt, s) {
		if (e.nlh->nlmsg_len > UINT16_MAX - 4096) {
			nft_batch_fail(b, E2BIG, "a rule is too long for netlink");
			break;
		}
		check_headers(&e, s->expr);
		nft_put_stmt(&e, s);
	}
	mnl_attr_nest_end(e.nlh, list);
	if (c->rule->comment)
		put_comment(e.nlh, c->rule->comment);
	nft_message_end(b, e.nlh);
}
