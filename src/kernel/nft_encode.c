/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules to the kernel's register programs.
 *
 * The instructions, their order and their registers are those that nft(8) makes of the same rule, so
 * that `nft list` recognises them. Registers are counted in units of 4 bytes from NFT_REG32_00; a
 * value starts at unit 0, a second one that must not be overwritten at unit 4.
 */
#include "kernel/nft_wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SECOND 4 /* unit of a second value: nft's NFT_REG_2 */

/* Headers: RFC 791, RFC 8200; ports are at the same place in TCP, UDP and SCTP. */
const struct nft_load nft_loads[] = {
	[SEL_NONE] = {LOAD_NONE, 0, 0},
	[SEL_META_IIFNAME] = {LOAD_META, NFT_META_IIFNAME, 0},
	[SEL_META_OIFNAME] = {LOAD_META, NFT_META_OIFNAME, 0},
	[SEL_META_IIF] = {LOAD_META, NFT_META_IIF, 0},
	[SEL_META_OIF] = {LOAD_META, NFT_META_OIF, 0},
	[SEL_META_MARK] = {LOAD_META, NFT_META_MARK, 0},
	[SEL_META_L4PROTO] = {LOAD_META, NFT_META_L4PROTO, 0},
	[SEL_META_NFPROTO] = {LOAD_META, NFT_META_NFPROTO, 0},
	[SEL_META_PKTTYPE] = {LOAD_META, NFT_META_PKTTYPE, 0},
	[SEL_META_SECPATH] = {LOAD_META, NFT_META_SECPATH, 0},
	[SEL_CT_STATE] = {LOAD_CT, NFT_CT_STATE, 0},
	[SEL_CT_STATUS] = {LOAD_CT, NFT_CT_STATUS, 0},
	[SEL_CT_DIRECTION] = {LOAD_CT, NFT_CT_DIRECTION, 0},
	[SEL_CT_MARK] = {LOAD_CT, NFT_CT_MARK, 0},
	[SEL_IP_SADDR] = {LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 12},
	[SEL_IP_DADDR] = {LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 16},
	[SEL_IP_PROTOCOL] = {LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 9},
	[SEL_IP6_SADDR] = {LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 8},
	[SEL_IP6_DADDR] = {LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 24},
	[SEL_IP6_NEXTHDR] = {LOAD_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 6},
	[SEL_TH_SPORT] = {LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0},
	[SEL_TH_DPORT] = {LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 2},
	[SEL_ICMP_TYPE] = {LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0},
	[SEL_ICMPV6_TYPE] = {LOAD_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 0},
	[SEL_FIB_SADDR_TYPE] = {LOAD_FIB, NFTA_FIB_F_SADDR, 0},
	[SEL_FIB_DADDR_TYPE] = {LOAD_FIB, NFTA_FIB_F_DADDR, 0},
	[SEL_FIB_SADDR_OIF] = {LOAD_FIB, NFTA_FIB_F_SADDR | NFTA_FIB_F_PRESENT, 0},
	[SEL_FIB_SADDR_MARK_OIF] = {LOAD_FIB,
		NFTA_FIB_F_SADDR | NFTA_FIB_F_MARK | NFTA_FIB_F_PRESENT, 0},
	[SEL_FIB_SADDR_IIF_OIF] = {LOAD_FIB, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT,
		0},
	[SEL_FIB_SADDR_MARK_IIF_OIF] = {LOAD_FIB,
		NFTA_FIB_F_SADDR | NFTA_FIB_F_MARK | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT, 0},
};
static_assert(sizeof(nft_loads) / sizeof(*nft_loads) == SEL_COUNT_, "one row per selector");

#define MAX_ANONYMOUS 16 /* in one rule */

struct encoder {
	struct nft_batch *b;
	struct nlmsghdr *nlh;
	struct {
		const struct nft_set *set;
		uint32_t id;
	} anonymous[MAX_ANONYMOUS];
	unsigned int n_anonymous;
};

/* ---- instructions ---- */

struct instruction {
	struct nlattr *elem, *data;
};

static struct instruction begin(struct encoder *e, const char *name)
{
	struct instruction i;

	i.elem = mnl_attr_nest_start(e->nlh, NFTA_LIST_ELEM);
	mnl_attr_put_strz(e->nlh, NFTA_EXPR_NAME, name);
	i.data = mnl_attr_nest_start(e->nlh, NFTA_EXPR_DATA);
	return i;
}

static void end(struct encoder *e, struct instruction i)
{
	mnl_attr_nest_end(e->nlh, i.data);
	mnl_attr_nest_end(e->nlh, i.elem);
}

static void put_register(struct encoder *e, uint16_t type, unsigned int unit)
{
	put_be32(e->nlh, type, NFT_REG32_00 + unit);
}

static void put_data(struct encoder *e, uint16_t type, const void *bytes, unsigned int len)
{
	struct nlattr *nest = mnl_attr_nest_start(e->nlh, type);

	mnl_attr_put(e->nlh, NFTA_DATA_VALUE, len, bytes);
	mnl_attr_nest_end(e->nlh, nest);
}

/* @len bytes of the selector's value, from its start. */
static void load(struct encoder *e, enum nft_selector s, unsigned int unit, unsigned int len)
{
	const struct nft_load *l = &nft_loads[s];
	struct instruction i;

	switch (l->kind) {
	case LOAD_NONE:
		nft_batch_fail(e->b, EINVAL, "a rule uses no selector");
		break;
	case LOAD_META:
		i = begin(e, "meta");
		put_be32(e->nlh, NFTA_META_KEY, l->key);
		put_register(e, NFTA_META_DREG, unit);
		end(e, i);
		break;
	case LOAD_CT:
		i = begin(e, "ct");
		put_be32(e->nlh, NFTA_CT_KEY, l->key);
		put_register(e, NFTA_CT_DREG, unit);
		end(e, i);
		break;
	case LOAD_PAYLOAD:
		i = begin(e, "payload");
		put_register(e, NFTA_PAYLOAD_DREG, unit);
		put_be32(e->nlh, NFTA_PAYLOAD_BASE, l->key);
		put_be32(e->nlh, NFTA_PAYLOAD_OFFSET, l->offset);
		put_be32(e->nlh, NFTA_PAYLOAD_LEN, len);
		end(e, i);
		break;
	case LOAD_FIB:
		i = begin(e, "fib");
		put_be32(e->nlh, NFTA_FIB_FLAGS, l->key);
		put_be32(e->nlh, NFTA_FIB_RESULT,
			l->key & NFTA_FIB_F_PRESENT ? NFT_FIB_RESULT_OIF : NFT_FIB_RESULT_ADDRTYPE);
		put_register(e, NFTA_FIB_DREG, unit);
		end(e, i);
		break;
	}
}

static void bitwise(
	struct encoder *e, const struct nft_expr *x, unsigned int unit, unsigned int len)
{
	struct instruction i = begin(e, "bitwise");

	put_register(e, NFTA_BITWISE_SREG, unit);
	put_register(e, NFTA_BITWISE_DREG, unit);
	put_be32(e->nlh, NFTA_BITWISE_OP, NFT_BITWISE_BOOL);
	put_be32(e->nlh, NFTA_BITWISE_LEN, len);
	put_data(e, NFTA_BITWISE_MASK, x->mask, len);
	put_data(e, NFTA_BITWISE_XOR, x->xor, len);
	end(e, i);
}

static void to_network_order(struct encoder *e, unsigned int unit)
{
	struct instruction i = begin(e, "byteorder");

	put_register(e, NFTA_BYTEORDER_SREG, unit);
	put_register(e, NFTA_BYTEORDER_DREG, unit);
	put_be32(e->nlh, NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	put_be32(e->nlh, NFTA_BYTEORDER_LEN, 4);
	put_be32(e->nlh, NFTA_BYTEORDER_SIZE, 4);
	end(e, i);
}

static void immediate(struct encoder *e, unsigned int unit, const void *bytes, unsigned int len)
{
	struct instruction i = begin(e, "immediate");

	put_register(e, NFTA_IMMEDIATE_DREG, unit);
	put_data(e, NFTA_IMMEDIATE_DATA, bytes, len);
	end(e, i);
}

static void compare(struct encoder *e, enum nft_cmp_ops op, const void *bytes, unsigned int len)
{
	struct instruction i = begin(e, "cmp");

	put_register(e, NFTA_CMP_SREG, 0);
	put_be32(e->nlh, NFTA_CMP_OP, op);
	put_data(e, NFTA_CMP_DATA, bytes, len);
	end(e, i);
}

/* Name the set, and number it if it is one of the rule's own. */
static void put_set(struct encoder *e, const struct nft_set *s)
{
	mnl_attr_put_strz(e->nlh, NFTA_LOOKUP_SET, s->name);
	for (unsigned int i = 0; i < e->n_anonymous; i++) {
		if (e->anonymous[i].set == s)
			put_be32(e->nlh, NFTA_LOOKUP_SET_ID, e->anonymous[i].id);
	}
}

enum lookup_result { TO_NOTHING, TO_REGISTER, TO_VERDICT };

static void lookup(struct encoder *e, const struct nft_set *s, unsigned int unit,
	enum lookup_result to, bool inverted)
{
	struct instruction i = begin(e, "lookup");

	put_register(e, NFTA_LOOKUP_SREG, unit);
	if (to == TO_REGISTER)
		put_register(e, NFTA_LOOKUP_DREG, unit);
	else if (to == TO_VERDICT)
		put_be32(e->nlh, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
	put_set(e, s);
	if (inverted)
		put_be32(e->nlh, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	end(e, i);
}

/* ---- expressions ---- */

static unsigned int units(const struct nft_expr *x)
{
	unsigned int n = 0;

	switch (x->kind) {
	case EXPR_SELECTOR:
	case EXPR_MASKED:
		return nft_padded(nft_type_len(nft_selector_type(x->selector))) / 4;
	case EXPR_VALUE:
		return nft_padded(x->value_len) / 4;
	case EXPR_CONCAT:
		for (unsigned int i = 0; i < x->n_parts; i++)
			n += units(x->parts[i]);
		return n;
	case EXPR_MAP:
		return x->set->data_len / 4;
	case EXPR_JHASH:
		return 1;
	case EXPR_UNKNOWN:
		break;
	}
	return 0;
}

static void put_expr(struct encoder *e, const struct nft_expr *x, unsigned int unit, bool network);

static void jhash(struct encoder *e, const struct nft_expr *x, unsigned int unit)
{
	struct instruction i;

	put_expr(e, x->key, unit + SECOND, false);
	i = begin(e, "hash");
	put_register(e, NFTA_HASH_SREG, unit + SECOND);
	put_register(e, NFTA_HASH_DREG, unit);
	put_be32(e->nlh, NFTA_HASH_LEN, units(x->key) * 4);
	put_be32(e->nlh, NFTA_HASH_MODULUS, x->mod);
	put_be32(e->nlh, NFTA_HASH_SEED, x->seed);
	put_be32(e->nlh, NFTA_HASH_TYPE, NFT_HASH_JENKINS);
	end(e, i);
}

/* Compute @x into the registers from @unit on; with @network, in network order. */
static void put_expr(struct encoder *e, const struct nft_expr *x, unsigned int unit, bool network)
{
	enum nft_type type = nft_selector_type(x->selector);
	unsigned int len = nft_type_len(type);

	switch (x->kind) {
	case EXPR_SELECTOR:
	case EXPR_MASKED:
		load(e, x->selector, unit, len);
		if (x->kind == EXPR_MASKED)
			bitwise(e, x, unit, len);
		if (network && nft_type_is_host_order(type))
			to_network_order(e, unit);
		break;
	case EXPR_VALUE:
		immediate(e, unit, x->value, x->value_len);
		break;
	case EXPR_CONCAT:
		for (unsigned int i = 0; i < x->n_parts; i++) {
			put_expr(e, x->parts[i], unit, network);
			unit += units(x->parts[i]);
		}
		break;
	case EXPR_MAP:
		put_expr(e, x->key, unit, x->set->flags & SET_INTERVAL);
		lookup(e, x->set, unit, TO_REGISTER, false);
		break;
	case EXPR_JHASH:
		jhash(e, x, unit);
		break;
	case EXPR_UNKNOWN:
		nft_batch_fail(e->b, EOPNOTSUPP, "cannot write the expression '%s'",
			x->text ? x->text : "unknown");
		break;
	}
}

/* ---- statements ---- */

/* Bytes that a match on a prefix needs to look at, 0 where it is none of whole bytes: the kernel then
 * loads just these, as nft has it do. */
static unsigned int prefix_bytes(const struct nft_stmt *s)
{
	const struct nft_expr *x = s->expr;
	enum nft_type type = nft_selector_type(x->selector);
	unsigned int len = nft_type_len(type), n = 0;

	if (x->kind != EXPR_MASKED || (type != NFT_T_IPV4 && type != NFT_T_IPV6) ||
		(s->op != OP_EQ && s->op != OP_NE))
		return 0;
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
	struct instruction i;

	if (!inverted) {
		compare(e, NFT_CMP_GTE, first, len);
		compare(e, NFT_CMP_LTE, last, len);
		return;
	}
	i = begin(e, "range");
	put_register(e, NFTA_RANGE_SREG, 0);
	put_be32(e->nlh, NFTA_RANGE_OP, NFT_RANGE_NEQ);
	put_data(e, NFTA_RANGE_FROM_DATA, first, len);
	put_data(e, NFTA_RANGE_TO_DATA, last, len);
	end(e, i);
}

static void reverse(uint8_t *bytes, unsigned int len)
{
	for (unsigned int i = 0; i < len / 2; i++) {
		uint8_t swap = bytes[i];

		bytes[i] = bytes[len - 1 - i];
		bytes[len - 1 - i] = swap;
	}
}

static void put_match(struct encoder *e, const struct nft_stmt *s)
{
	static const enum nft_cmp_ops ops[] = {[OP_EQ] = NFT_CMP_EQ,
		[OP_NE] = NFT_CMP_NEQ,
		[OP_LT] = NFT_CMP_LT,
		[OP_GT] = NFT_CMP_GT,
		[OP_LE] = NFT_CMP_LTE,
		[OP_GE] = NFT_CMP_GTE};
	bool network = s->op != OP_EQ && s->op != OP_NE && nft_type_is_host_order(s->expr->type);
	unsigned int prefix = prefix_bytes(s);
	uint8_t value[16], last[16];

	if (s->op == OP_IN || s->op == OP_NOT_IN) {
		put_expr(e, s->expr, 0, s->set->flags & SET_INTERVAL);
		lookup(e, s->set, 0, TO_NOTHING, s->op == OP_NOT_IN);
		return;
	}
	if (prefix) {
		load(e, s->expr->selector, 0, prefix);
		compare(e, ops[s->op], s->value, prefix);
		return;
	}
	put_expr(e, s->expr, 0, network);
	memcpy(value, s->value, sizeof(value));
	memcpy(last, s->last, sizeof(last));
	if (network) {
		reverse(value, s->value_len);
		reverse(last, s->value_len);
	}
	if (s->op == OP_RANGE || s->op == OP_NOT_RANGE)
		put_range(e, value, last, s->value_len, s->op == OP_NOT_RANGE);
	else
		compare(e, ops[s->op], value, s->value_len);
}

void nft_put_verdict(struct nlmsghdr *nlh, int32_t verdict, const char *chain)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NFTA_DATA_VERDICT);

	put_be32(nlh, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (verdict == VERDICT_JUMP || verdict == VERDICT_GOTO)
		mnl_attr_put_strz(nlh, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(nlh, nest);
}

static void put_verdict_stmt(struct encoder *e, const struct nft_stmt *s)
{
	struct instruction i = begin(e, "immediate");
	struct nlattr *nest;

	put_be32(e->nlh, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	nest = mnl_attr_nest_start(e->nlh, NFTA_IMMEDIATE_DATA);
	nft_put_verdict(e->nlh, s->verdict, s->chain);
	mnl_attr_nest_end(e->nlh, nest);
	end(e, i);
}

static void put_set_mark(struct encoder *e, const struct nft_stmt *s)
{
	struct instruction i;

	put_expr(e, s->expr, 0, false);
	if (s->kind == STMT_SET_MARK) {
		i = begin(e, "meta");
		put_be32(e->nlh, NFTA_META_KEY, NFT_META_MARK);
		put_register(e, NFTA_META_SREG, 0);
	} else {
		i = begin(e, "ct");
		put_be32(e->nlh, NFTA_CT_KEY, NFT_CT_MARK);
		put_register(e, NFTA_CT_SREG, 0);
	}
	end(e, i);
}

static void put_nat(struct encoder *e, const struct nft_stmt *s)
{
	struct instruction i;

	if (s->expr)
		put_expr(e, s->expr, 0, false);
	if (s->port)
		put_expr(e, s->port, SECOND, false);
	i = begin(e, "nat");
	put_be32(e->nlh, NFTA_NAT_TYPE, s->dnat ? NFT_NAT_DNAT : NFT_NAT_SNAT);
	put_be32(e->nlh, NFTA_NAT_FAMILY, s->nat_family == IP_V6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
	if (s->expr)
		put_register(e, NFTA_NAT_REG_ADDR_MIN, 0);
	if (s->port)
		put_register(e, NFTA_NAT_REG_PROTO_MIN, SECOND);
	else if (s->map_gives_port)
		put_register(e, NFTA_NAT_REG_PROTO_MIN, ip_bytes(s->nat_family) / 4);
	end(e, i);
}

static void put_to_self(struct encoder *e, const struct nft_stmt *s)
{
	struct instruction i;

	if (s->port)
		put_expr(e, s->port, 0, false);
	if (s->kind == STMT_MASQUERADE) {
		i = begin(e, "masq");
		if (s->port)
			put_register(e, NFTA_MASQ_REG_PROTO_MIN, 0);
	} else {
		i = begin(e, "redir");
		if (s->port)
			put_register(e, NFTA_REDIR_REG_PROTO_MIN, 0);
	}
	end(e, i);
}

static void put_counter(struct encoder *e, const struct nft_stmt *s)
{
	struct instruction i = begin(e, s->chain ? "objref" : "counter");

	if (s->chain) {
		put_be32(e->nlh, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
		mnl_attr_put_strz(e->nlh, NFTA_OBJREF_IMM_NAME, s->chain);
	}
	end(e, i);
}

static void put_stmt(struct encoder *e, const struct nft_stmt *s)
{
	switch (s->kind) {
	case STMT_MATCH:
		put_match(e, s);
		break;
	case STMT_VMAP:
		put_expr(e, s->expr, 0, s->set->flags & SET_INTERVAL);
		lookup(e, s->set, 0, TO_VERDICT, false);
		break;
	case STMT_VERDICT:
		put_verdict_stmt(e, s);
		break;
	case STMT_SET_MARK:
	case STMT_SET_CT_MARK:
		put_set_mark(e, s);
		break;
	case STMT_NAT:
		put_nat(e, s);
		break;
	case STMT_MASQUERADE:
	case STMT_REDIRECT:
		put_to_self(e, s);
		break;
	case STMT_COUNTER:
		put_counter(e, s);
		break;
	case STMT_NOTRACK:
		end(e, begin(e, "notrack"));
		break;
	case STMT_REJECT:
	case STMT_LOG:
	case STMT_LIMIT:
	case STMT_XT:
	case STMT_UNKNOWN:
		/* Read from others' rules, never planned: what was read is not all there was. */
		nft_batch_fail(e->b, EOPNOTSUPP, "cannot write the statement '%s'",
			s->kind == STMT_XT ? s->xt.name
			: s->text	   ? s->text
					   : "unknown");
		break;
	}
}

/* ---- rules ---- */

/* Send the rule's own set ahead of it. */
static void put_own_set(struct encoder *e, const struct nft_change *c, const struct nft_set *s)
{
	if (!s || !(s->flags & SET_ANONYMOUS))
		return;
	if (e->n_anonymous == MAX_ANONYMOUS) {
		nft_batch_fail(e->b, E2BIG, "more than %d anonymous sets in a rule", MAX_ANONYMOUS);
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

void nft_put_rule(struct nft_batch *b, const struct nft_change *c)
{
	struct encoder e = {.b = b};
	struct nlattr *list;

	VEC_EACH (&c->rule->stmts, struct nft_stmt, s) {
		put_own_set(&e, c, s->set);
		put_own_sets_of(&e, c, s->expr);
	}
	e.nlh = nft_message_start(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, c->family, -1);
	mnl_attr_put_strz(e.nlh, NFTA_RULE_TABLE, c->table);
	mnl_attr_put_strz(e.nlh, NFTA_RULE_CHAIN, c->chain->name);
	list = mnl_attr_nest_start(e.nlh, NFTA_RULE_EXPRESSIONS);
	VEC_EACH (&c->rule->stmts, struct nft_stmt, s) {
		if (e.nlh->nlmsg_len > UINT16_MAX - 4096) {
			nft_batch_fail(b, E2BIG, "a rule is too long for netlink");
			break;
		}
		put_stmt(&e, s);
	}
	mnl_attr_nest_end(e.nlh, list);
	if (c->rule->comment)
		put_comment(e.nlh, c->rule->comment);
	nft_message_end(b, e.nlh);
}
