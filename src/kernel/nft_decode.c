/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's register programs to rules: computing with what was loaded, and matches on it.
 *
 * Instructions run on symbols: each register unit (4 bytes) holds the expression that was loaded
 * into it, and a match, a lookup or a NAT takes what its registers hold by then. An instruction that
 * is not known leaves EXPR_UNKNOWN in the register it writes, or becomes a STMT_UNKNOWN.
 */
#include "kernel/nft_decode.h"

#include <string.h>

static bool is_verdict(const struct nlattr *attr)
{
	return attr && get_be32(attr) == NFT_REG_VERDICT;
}

static bool is_swapped(const struct decoder *d, int unit)
{
	return unit >= 0 && d->regs[unit].swapped;
}

/* ---- computing ---- */

/* The bytes of a NFTA_DATA_VALUE nest, zero-padded to 16; their number. */
static unsigned int get_value(const struct nlattr *nest, uint8_t out[16])
{
	const struct nlattr *data[NFTA_DATA_MAX + 1];
	unsigned int len;

	memset(out, 0, 16);
	if (!nest)
		return 0;
	kernel_attrs_in(data, NFTA_DATA_MAX, nest);
	if (!data[NFTA_DATA_VALUE])
		return 0;
	len = mnl_attr_get_payload_len(data[NFTA_DATA_VALUE]);
	len = len < 16 ? len : 16;
	memcpy(out, mnl_attr_get_payload(data[NFTA_DATA_VALUE]), len);
	return len;
}

/* The selector whose bits are all that a mask leaves of what was loaded. */
static enum nft_selector find_bits(const struct decoder *d, const struct raw_load *raw)
{
	static const uint8_t zero[16];
	uint8_t mask[16];

	for (unsigned int s = 0; s < SEL_COUNT_; s++) {
		const struct nft_load *l = &nft_loads[s];

		if (!l->shift || l->key != raw->base || l->offset != raw->offset ||
			nft_load_len(s) != raw->len || !nft_fits_here(d, l))
			continue;
		nft_load_mask(s, mask);
		if (memcmp(mask, raw->mask, sizeof(mask)) == 0 &&
			memcmp(raw->xor, zero, sizeof(zero)) == 0)
			return s;
	}
	return SEL_NONE;
}

static void decode_mask(struct decoder *d, int from, int to, unsigned int len,
	const uint8_t mask[16], const uint8_t xor [16])
{
	const struct raw_load *was = from >= 0 ? d->regs[from].raw : NULL;
	struct nft_expr *x = nft_get_register(d, from), *e;
	enum nft_selector bits = SEL_NONE;
	struct raw_load *raw = NULL;

	if (was && was->len == len) {
		raw = arena_new_of(d->a, struct raw_load);
		*raw = *was;
		for (unsigned int i = 0; i < len; i++) {
			raw->xor [i] = (was->xor [i] & mask[i]) ^ xor[i];
			raw->mask[i] &= mask[i];
		}
		bits = find_bits(d, raw);
	}
	if (bits != SEL_NONE) {
		nft_set_register(d, to, nft_sel(d->a, bits), len);
	} else if ((x->kind == EXPR_SELECTOR || x->kind == EXPR_MASKED) && len == nft_expr_len(x) &&
		   !is_swapped(d, from)) {
		e = nft_sel(d->a, x->selector);
		e->type = x->type;
		e->kind = EXPR_MASKED;
		for (unsigned int i = 0; i < len; i++) {
			e->mask[i] = mask[i] & (x->kind == EXPR_MASKED ? x->mask[i] : 0xff);
			e->xor [i] = (x->xor [i] & mask[i]) ^ xor[i];
		}
		nft_set_register(d, to, e, len);
	} else {
		nft_set_register(d, to, nft_unknown(d, "bitwise"), len);
	}
	if (to >= 0) {
		d->regs[to].raw = raw;
		d->regs[to].unshifted = bits;
	}
}

/* Bits that were masked out brought down to where a number has them. */
static bool decode_shift(struct decoder *d, const struct nlattr **attrs, int from, int to)
{
	enum nft_selector s = from >= 0 ? d->regs[from].unshifted : SEL_NONE;
	uint8_t value[16];
	uint32_t by;

	if (s == SEL_NONE || get_be32(attrs[NFTA_BITWISE_OP]) != NFT_BITWISE_RSHIFT ||
		get_value(attrs[NFTA_BITWISE_DATA], value) != sizeof(by))
		return false;
	memcpy(&by, value, sizeof(by));
	if (by != nft_loads[s].shift)
		return false;
	nft_set_register(d, to, nft_sel(d->a, s), nft_selector_len(s));
	return true;
}

static void decode_bitwise(struct decoder *d, const struct nlattr **attrs)
{
	int from = nft_unit_of(attrs[NFTA_BITWISE_SREG]),
	    to = nft_unit_of(attrs[NFTA_BITWISE_DREG]);
	unsigned int len = get_be32(attrs[NFTA_BITWISE_LEN]);
	uint8_t mask[16], xor[16];

	if (get_be32(attrs[NFTA_BITWISE_OP]) == NFT_BITWISE_BOOL && len && len <= 16 &&
		get_value(attrs[NFTA_BITWISE_MASK], mask) == len &&
		get_value(attrs[NFTA_BITWISE_XOR], xor) == len)
		decode_mask(d, from, to, len, mask, xor);
	else if (!decode_shift(d, attrs, from, to))
		nft_set_register(d, to, nft_unknown(d, "bitwise"), len && len <= 64 ? len : 4);
}

/* Numbers that are in host order in the registers. */
static bool is_host_order(const struct nft_expr *x)
{
	return nft_type_is_host_order(x->type) ||
	       ((x->kind == EXPR_SELECTOR || x->kind == EXPR_MASKED) &&
		       nft_selector_is_host_order(x->selector));
}

static void decode_byteorder(struct decoder *d, const struct nlattr **attrs)
{
	int from = nft_unit_of(attrs[NFTA_BYTEORDER_SREG]),
	    to = nft_unit_of(attrs[NFTA_BYTEORDER_DREG]);
	unsigned int len = get_be32(attrs[NFTA_BYTEORDER_LEN]);
	struct nft_expr *x = nft_get_register(d, from);

	if (len == 1) /* nothing to swap; nft 1.0.6 writes it before ranges of protocols */
		return;
	if ((len == 4 || len == 2) && is_host_order(x) && to >= 0) {
		bool swapped = !is_swapped(d, from);

		nft_set_register(d, to, x, len);
		d->regs[to].swapped = swapped;
	} else {
		nft_set_register(d, to, nft_unknown(d, "byteorder"), len && len <= 64 ? len : 4);
	}
}

static void decode_hash(struct decoder *d, const struct nlattr **attrs)
{
	int to = nft_unit_of(attrs[NFTA_HASH_DREG]);
	struct nft_expr *e;

	if (get_be32(attrs[NFTA_HASH_TYPE]) == NFT_HASH_SYM) {
		e = arena_new_of(d->a, struct nft_expr);
		e->kind = EXPR_SYMHASH;
		e->type = NFT_T_INTEGER;
		e->mod = get_be32(attrs[NFTA_HASH_MODULUS]);
	} else if (attrs[NFTA_HASH_LEN]) {
		e = nft_jhash(d->a,
			nft_get_key(d, nft_unit_of(attrs[NFTA_HASH_SREG]),
				get_be32(attrs[NFTA_HASH_LEN])),
			get_be32(attrs[NFTA_HASH_MODULUS]), get_be32(attrs[NFTA_HASH_SEED]));
	} else {
		e = nft_unknown(d, "hash");
	}
	e->offset = get_be32(attrs[NFTA_HASH_OFFSET]);
	nft_set_register(d, to, e, 4);
}

static void decode_numgen(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_expr *e = arena_new_of(d->a, struct nft_expr);

	e->kind = EXPR_NUMGEN;
	e->type = NFT_T_INTEGER;
	e->mod = get_be32(attrs[NFTA_NG_MODULUS]);
	e->offset = get_be32(attrs[NFTA_NG_OFFSET]);
	e->incremental = get_be32(attrs[NFTA_NG_TYPE]) == NFT_NG_INCREMENTAL;
	nft_set_register(d, nft_unit_of(attrs[NFTA_NG_DREG]), e, 4);
}

/* ---- matches ---- */

/* What later loads depend on: which headers the packet has. */
static void note_match(struct decoder *d, const struct nft_stmt *s)
{
	static const uint8_t ip4[] = {0x08, 0x00}, ip6[] = {0x86, 0xdd};
	static const uint16_t ether = 1; /* ARPHRD_ETHER */

	if (s->op != OP_EQ || s->expr->kind != EXPR_SELECTOR)
		return;
	if (s->expr->selector == SEL_META_IIFTYPE) {
		if (memcmp(s->value, &ether, sizeof(ether)) == 0)
			d->ether_check = d->rule->stmts.len;
	} else if (s->expr->selector == SEL_META_NFPROTO) {
		d->inet4 = s->value[0] == NFPROTO_IPV4;
		d->inet6 = s->value[0] == NFPROTO_IPV6;
	} else if (s->expr->selector == SEL_META_PROTOCOL || s->expr->selector == SEL_ETHER_TYPE) {
		d->inet4 = memcmp(s->value, ip4, sizeof(ip4)) == 0;
		d->inet6 = memcmp(s->value, ip6, sizeof(ip6)) == 0;
	} else if (s->expr->selector == SEL_META_L4PROTO || s->expr->selector == SEL_IP_PROTOCOL ||
		   s->expr->selector == SEL_IP6_NEXTHDR) {
		d->proto = s->value[0];
	}
}

/* `<= b` right after `>= a` of the same value is how nft writes a range. */
static bool closes_range(const struct decoder *d, const struct nft_expr *x)
{
	const struct nft_stmt *s;

	if (!d->rule->stmts.len)
		return false;
	s = &d->rule->stmts.items[d->rule->stmts.len - 1];
	return s->kind == STMT_MATCH && s->op == OP_GE && s->expr == x;
}

/* The field at an offset that is all within @len bytes. */
static enum nft_selector field_at(
	const struct decoder *d, uint32_t base, uint32_t offset, unsigned int len)
{
	for (; len > 0; len--) {
		enum nft_selector s = nft_find_payload(d, base, offset, len);

		if (s != SEL_NONE && nft_selector_len(s) == len)
			return s;
	}
	return SEL_NONE;
}

/*
 * Neighbouring fields that are compared in one go, as nft merges them, one by one again. False: not
 * all of the bytes are fields, and nothing was done.
 */
static bool split_match(
	struct decoder *d, const struct raw_load *raw, const uint8_t *value, unsigned int len)
{
	enum nft_selector s;
	struct nft_stmt *m;

	for (unsigned int at = 0; at < len; at += nft_selector_len(s)) {
		s = field_at(d, raw->base, raw->offset + at, len - at);
		if (s == SEL_NONE)
			return false;
	}
	for (unsigned int at = 0; at < len; at += m->value_len) {
		s = field_at(d, raw->base, raw->offset + at, len - at);
		m = nft_add_stmt(d, STMT_MATCH);
		m->expr = nft_sel(d->a, s);
		m->value_len = nft_selector_len(s);
		memcpy(m->value, value + at, m->value_len);
		note_match(d, m);
	}
	return true;
}

/* What a register is compared with; bits that lie in their place are brought down, on both sides. */
static struct nft_expr *operand(
	struct decoder *d, int unit, uint8_t *value, uint8_t *last, unsigned int *len)
{
	static const uint8_t no_interface[4];
	enum nft_selector bits = unit >= 0 ? d->regs[unit].unshifted : SEL_NONE;
	enum nft_selector numbered = unit >= 0 ? d->regs[unit].numbered : SEL_NONE;
	uint8_t low;

	if (bits != SEL_NONE && *len == nft_load_len(bits)) {
		low = nft_load_shift_out(bits, value);
		memset(value, 0, 16);
		value[0] = low;
		low = nft_load_shift_out(bits, last);
		memset(last, 0, 16);
		last[0] = low;
		*len = 1;
		return d->regs[unit].expr;
	}
	/* "fib saddr oif 0" is the same as "missing". */
	if (numbered != SEL_NONE && *len == 4 && memcmp(value, no_interface, 4) == 0) {
		*len = nft_selector_len(numbered);
		return nft_sel(d->a, numbered);
	}
	if (is_swapped(d, unit) && *len <= 4) {
		reverse_bytes(value, *len);
		reverse_bytes(last, *len);
	}
	return nft_get_key(d, unit, *len);
}

/* An address of which only the first bytes are compared: a prefix. */
static struct nft_expr *prefix_of(struct decoder *d, const struct nft_expr *x, unsigned int len)
{
	struct nft_expr *e = nft_sel(d->a, x->selector);

	e->kind = EXPR_MASKED;
	e->type = x->type;
	memset(e->mask, 0xff, len);
	return e;
}

static void decode_cmp(struct decoder *d, const struct nlattr **attrs)
{
	static const enum nft_op ops[] = {[NFT_CMP_EQ] = OP_EQ,
		[NFT_CMP_NEQ] = OP_NE,
		[NFT_CMP_LT] = OP_LT,
		[NFT_CMP_LTE] = OP_LE,
		[NFT_CMP_GT] = OP_GT,
		[NFT_CMP_GTE] = OP_GE};
	uint32_t op = get_be32(attrs[NFTA_CMP_OP]);
	int unit = nft_unit_of(attrs[NFTA_CMP_SREG]);
	uint8_t value[16], none[16] = {0};
	struct nft_stmt *s;
	unsigned int len;
	struct nft_expr *x;

	len = get_value(attrs[NFTA_CMP_DATA], value);
	if (op > NFT_CMP_GTE) {
		nft_add_unknown(d, "cmp");
		return;
	}
	if (unit >= 0 && op == NFT_CMP_EQ && d->regs[unit].raw && d->regs[unit].expr &&
		d->regs[unit].expr->kind == EXPR_UNKNOWN && d->regs[unit].raw->len == len &&
		d->regs[unit].expr->text[0] == '@' && split_match(d, d->regs[unit].raw, value, len))
		return;
	x = operand(d, unit, value, none, &len);
	if (op == NFT_CMP_LTE && closes_range(d, x)) {
		s = &d->rule->stmts.items[d->rule->stmts.len - 1];
		s->op = OP_RANGE;
		memcpy(s->last, value, sizeof(value));
		return;
	}
	if (x->kind == EXPR_SELECTOR && (x->type == NFT_T_IPV4 || x->type == NFT_T_IPV6) &&
		len < nft_expr_len(x) && op <= NFT_CMP_NEQ)
		x = prefix_of(d, x, len);
	s = nft_add_stmt(d, STMT_MATCH);
	s->expr = x;
	s->op = ops[op];
	memcpy(s->value, value, sizeof(value));
	/* A prefix of whole bytes was loaded short; its value is an address all the same. And a name
	 * that is compared up to its NUL, as iptables-nft does, is compared whole. */
	if (x->kind == EXPR_MASKED || (x->type == NFT_T_IFNAME && memchr(value, 0, len)))
		len = nft_expr_len(x);
	s->value_len = len;
	note_match(d, s);
}

static void decode_range(struct decoder *d, const struct nlattr **attrs)
{
	int unit = nft_unit_of(attrs[NFTA_RANGE_SREG]);
	struct nft_stmt *s;
	uint8_t first[16], last[16];
	unsigned int len = get_value(attrs[NFTA_RANGE_FROM_DATA], first);
	struct nft_expr *x;

	get_value(attrs[NFTA_RANGE_TO_DATA], last);
	x = operand(d, unit, first, last, &len);
	s = nft_add_stmt(d, STMT_MATCH);
	s->expr = x;
	s->op = get_be32(attrs[NFTA_RANGE_OP]) == NFT_RANGE_NEQ ? OP_NOT_RANGE : OP_RANGE;
	memcpy(s->value, first, sizeof(first));
	memcpy(s->last, last, sizeof(last));
	s->value_len = len;
}

struct nft_set *nft_find_set(const struct decoder *d, const struct nlattr *name)
{
	return name && mnl_attr_validate(name, MNL_TYPE_NUL_STRING) == 0
		       ? nft_set_find_named(d->table, mnl_attr_get_str(name))
		       : NULL;
}

/* An anonymous set whose keys are bits in their place, with the keys as numbers. */
static struct nft_set *shifted_set(
	struct decoder *d, enum nft_selector bits, const struct nft_set *from)
{
	struct nft_set *to = arena_new_of(d->a, struct nft_set);

	*to = *from;
	to->bytes = NULL;
	to->len = to->cap = 0;
	to->origins = NULL;
	to->comments = NULL;
	to->timeouts_ms = NULL;
	to->key[0] = (struct nft_field){nft_selector_type(bits), nft_selector_len(bits)};
	nft_set_layout(to);
	for (size_t i = 0; i < from->len; i++) {
		uint8_t *key = nft_set_add(d->a, to, NOWHERE);

		key[0] = nft_load_shift_out(bits, nft_set_elem(from, i));
		if (from->flags & SET_INTERVAL)
			nft_set_elem_last(to, i)[0] =
				nft_load_shift_out(bits, nft_set_elem_last(from, i));
		memcpy(nft_set_elem_data(to, i), nft_set_elem_data(from, i), from->data_len);
	}
	return to;
}

static void decode_lookup(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_set *set = nft_find_set(d, attrs[NFTA_LOOKUP_SET]);
	int from = nft_unit_of(attrs[NFTA_LOOKUP_SREG]);
	enum nft_selector bits = from >= 0 ? d->regs[from].unshifted : SEL_NONE;
	struct nft_expr *key;
	struct nft_stmt *s;

	if (!set) {
		nft_add_unknown(d, "lookup");
		nft_set_register(
			d, nft_unit_of(attrs[NFTA_LOOKUP_DREG]), nft_unknown(d, "lookup"), 16);
		return;
	}
	if (bits != SEL_NONE && set->flags & SET_ANONYMOUS && set->n_key == 1 &&
		set->key[0].len == nft_load_len(bits)) {
		set = shifted_set(d, bits, set);
		key = d->regs[from].expr;
	} else {
		key = nft_get_key(d, from, set->key_len);
	}
	if (!attrs[NFTA_LOOKUP_DREG]) {
		s = nft_add_stmt(d, STMT_MATCH);
		s->op = get_be32(attrs[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV ? OP_NOT_IN : OP_IN;
		s->expr = key;
		s->set = set;
	} else if (is_verdict(attrs[NFTA_LOOKUP_DREG])) {
		s = nft_add_stmt(d, STMT_VMAP);
		s->expr = key;
		s->set = set;
	} else {
		nft_set_register(d, nft_unit_of(attrs[NFTA_LOOKUP_DREG]),
			nft_map_expr(d->a, key, set), set->data_len);
	}
}

struct nft_expr *nft_typed(struct nft_expr *e, enum nft_type type)
{
	if (e && e->kind == EXPR_VALUE && e->type == NFT_T_NONE)
		e->type = type;
	return e;
}

/* ---- rules ---- */

/* No instruction has more attributes than this. */
#define MAX_ATTR 31

static const struct {
	const char *name;
	nft_decode_fn *decode;
} instructions[] = {
	{"meta", nft_decode_meta},
	{"ct", nft_decode_ct},
	{"payload", nft_decode_payload},
	{"fib", nft_decode_fib},
	{"rt", nft_decode_rt},
	{"exthdr", nft_decode_exthdr},
	{"immediate", nft_decode_immediate},
	{"bitwise", decode_bitwise},
	{"byteorder", decode_byteorder},
	{"hash", decode_hash},
	{"numgen", decode_numgen},
	{"cmp", decode_cmp},
	{"range", decode_range},
	{"lookup", decode_lookup},
	{"nat", nft_decode_nat},
	{"masq", nft_decode_masq},
	{"redir", nft_decode_redir},
	{"tproxy", nft_decode_tproxy},
	{"counter", nft_decode_counter},
	{"objref", nft_decode_objref},
	{"match", nft_decode_match},
	{"target", nft_decode_target},
	{"reject", nft_decode_reject},
	{"log", nft_decode_log},
	{"limit", nft_decode_limit},
	{"quota", nft_decode_quota},
	{"connlimit", nft_decode_connlimit},
	{"notrack", nft_decode_notrack},
	{"queue", nft_decode_queue},
	{"dynset", nft_decode_dynset},
	{"flow_offload", nft_decode_flow},
	{"dup", nft_decode_dup},
	{"last", nft_decode_last},
};

/* Instructions that only load something that we have no word for, and their destination. */
static const struct {
	const char *name;
	uint16_t dreg;
} other_loads[] = {
	{"socket", NFTA_SOCKET_DREG},
	{"osf", NFTA_OSF_DREG},
	{"tunnel", NFTA_TUNNEL_DREG},
	{"xfrm", NFTA_XFRM_DREG},
};

static void decode_other(struct decoder *d, const char *name, const struct nlattr **attrs)
{
	for (size_t i = 0; i < sizeof(other_loads) / sizeof(*other_loads); i++) {
		if (strcmp(other_loads[i].name, name) == 0 && attrs[other_loads[i].dreg]) {
			nft_set_register(d, nft_unit_of(attrs[other_loads[i].dreg]),
				nft_unknown(d, name), 16);
			return;
		}
	}
	nft_add_unknown(d, name);
}

static void decode_instruction(struct decoder *d, const struct nlattr *nest)
{
	const struct nlattr *attrs[NFTA_EXPR_MAX + 1], *data[MAX_ATTR + 1] = {NULL};
	const char *name;

	kernel_attrs_in(attrs, NFTA_EXPR_MAX, nest);
	name = nft_get_string(d->a, attrs[NFTA_EXPR_NAME]);
	if (!name)
		return;
	if (attrs[NFTA_EXPR_DATA])
		kernel_attrs_in(data, MAX_ATTR, attrs[NFTA_EXPR_DATA]);
	for (size_t i = 0; i < sizeof(instructions) / sizeof(*instructions); i++) {
		if (strcmp(instructions[i].name, name) == 0) {
			instructions[i].decode(d, data);
			return;
		}
	}
	decode_other(d, name, data);
}

void nft_read_rule(struct arena *a, const struct nft_table *t, const struct nlattr *expressions,
	struct nft_rule *out)
{
	struct decoder d = {.a = a, .table = t, .rule = out};
	const struct nlattr *elem;

	if (!expressions)
		return;
	mnl_attr_for_each_nested(elem, expressions) decode_instruction(&d, elem);
}

int32_t nft_read_verdict(struct arena *a, const struct nlattr *nest, const char **chain)
{
	const struct nlattr *attrs[NFTA_VERDICT_MAX + 1];
	uint32_t code;

	kernel_attrs_in(attrs, NFTA_VERDICT_MAX, nest);
	code = get_be32(attrs[NFTA_VERDICT_CODE]);
	*chain = nft_get_string(a, attrs[NFTA_VERDICT_CHAIN]);
	/* Queue and drop carry numbers in their upper half. */
	if ((int32_t)code >= 0)
		code &= NF_VERDICT_MASK;
	return (int32_t)code;
}
