/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's register programs to rules.
 *
 * (Over 700 lines since it is a table of instructions with one short function for each, the counterpart
 * of nft_encode.c.)
 *
 * Instructions run on symbols: each register unit (4 bytes) holds the expression that was loaded
 * into it, and a match, a lookup or a NAT takes what its registers hold by then. An instruction that
 * is not known leaves EXPR_UNKNOWN in the register it writes, or becomes a STMT_UNKNOWN.
 */
#include "kernel/nft_wire.h"

#include <stdio.h>
#include <string.h>

#define UNITS 16

struct slot {
	struct nft_expr *expr; /* NULL: nothing was loaded */
	unsigned int part;     /* unit within the expression's value */
	unsigned int units;    /* of the whole value */
	bool swapped;	       /* turned to network order */
};

struct decoder {
	struct arena *a;
	const struct nft_table *table;
	struct nft_rule *rule;
	struct slot regs[UNITS];
	uint8_t proto; /* that the rule has matched so far: tells icmp from icmpv6; 0: none */
	bool inet6;    /* the header that payload offsets are in, where the rule says so */
	bool inet4;
};

/* ---- registers ---- */

/* Unit of a register attribute: NFT_REG_1.. are 16 bytes, NFT_REG32_* 4. -1: the verdict, or bad. */
static int unit_of(const struct nlattr *attr)
{
	uint32_t reg = get_be32(attr);

	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (reg - NFT_REG_1) * 4;
	if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		return reg - NFT_REG32_00;
	return -1;
}

static bool is_verdict(const struct nlattr *attr)
{
	return attr && get_be32(attr) == NFT_REG_VERDICT;
}

static struct nft_expr *unknown(struct decoder *d, const char *what)
{
	struct nft_expr *e = arena_new_of(d->a, struct nft_expr);

	e->kind = EXPR_UNKNOWN;
	e->text = arena_strdup(d->a, what);
	return e;
}

static void set_register(struct decoder *d, int unit, struct nft_expr *e, unsigned int len)
{
	unsigned int units = nft_padded(len) / 4;

	if (unit < 0)
		return;
	for (unsigned int i = 0; i < units && unit + i < UNITS; i++)
		d->regs[unit + i] = (struct slot){.expr = e, .part = i, .units = units};
}

/* The whole value that starts at @unit; an unknown one where there is none. */
static struct nft_expr *get_register(struct decoder *d, int unit)
{
	if (unit < 0 || !d->regs[unit].expr || d->regs[unit].part != 0)
		return unknown(d, "register");
	return d->regs[unit].expr;
}

static bool is_swapped(const struct decoder *d, int unit)
{
	return unit >= 0 && d->regs[unit].swapped;
}

/* The @len bytes from @unit on: one expression, or a concatenation of several. */
static struct nft_expr *get_key(struct decoder *d, int unit, unsigned int len)
{
	unsigned int end = unit + nft_padded(len) / 4, n = 0;
	struct nft_expr *parts[NFT_MAX_FIELDS];

	if (unit < 0 || end > UNITS)
		return unknown(d, "register");
	for (unsigned int at = unit; at < end && n < NFT_MAX_FIELDS;) {
		parts[n++] = get_register(d, at);
		if (parts[n - 1]->kind == EXPR_UNKNOWN && !d->regs[at].expr)
			return parts[n - 1];
		at += d->regs[at].part == 0 ? d->regs[at].units : 1;
	}
	return n == 1 ? parts[0] : nft_concat(d->a, parts, n);
}

/* ---- loads ---- */

static struct nft_stmt *add_stmt(struct decoder *d, enum nft_stmt_kind kind)
{
	struct nft_stmt *s = vec_add(d->a, &d->rule->stmts);

	s->kind = kind;
	return s;
}

static void add_unknown(struct decoder *d, const char *what)
{
	add_stmt(d, STMT_UNKNOWN)->text = arena_strdup(d->a, what);
}

static enum nft_selector find_load(enum nft_load_kind kind, uint32_t key, uint32_t offset)
{
	for (unsigned int s = 0; s < SEL_COUNT_; s++) {
		if (nft_loads[s].kind == kind && nft_loads[s].key == key &&
			nft_loads[s].offset == offset)
			return s;
	}
	return SEL_NONE;
}

static void load(struct decoder *d, int unit, enum nft_selector s)
{
	set_register(d, unit, nft_sel(d->a, s), nft_type_len(nft_selector_type(s)));
}

static void decode_meta(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t key = get_be32(attrs[NFTA_META_KEY]);
	enum nft_selector s = find_load(LOAD_META, key, 0);
	int unit;

	if (attrs[NFTA_META_SREG]) {
		unit = unit_of(attrs[NFTA_META_SREG]);
		if (key == NFT_META_MARK)
			add_stmt(d, STMT_SET_MARK)->expr = get_register(d, unit);
		else
			add_unknown(d, "meta set");
		return;
	}
	unit = unit_of(attrs[NFTA_META_DREG]);
	if (s != SEL_NONE)
		load(d, unit, s);
	else
		set_register(d, unit, unknown(d, "meta"), 16);
}

static void decode_ct(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t key = get_be32(attrs[NFTA_CT_KEY]);
	enum nft_selector s = find_load(LOAD_CT, key, 0);
	int unit;

	if (attrs[NFTA_CT_SREG]) {
		unit = unit_of(attrs[NFTA_CT_SREG]);
		if (key == NFT_CT_MARK)
			add_stmt(d, STMT_SET_CT_MARK)->expr = get_register(d, unit);
		else
			add_unknown(d, "ct set");
		return;
	}
	unit = unit_of(attrs[NFTA_CT_DREG]);
	if (s != SEL_NONE && !attrs[NFTA_CT_DIRECTION])
		load(d, unit, s);
	else
		set_register(d, unit, unknown(d, "ct"), 16);
}

static void decode_fib(struct decoder *d, const struct nlattr **attrs)
{
	int unit = unit_of(attrs[NFTA_FIB_DREG]);
	uint32_t flags = get_be32(attrs[NFTA_FIB_FLAGS]);
	enum nft_selector s = find_load(LOAD_FIB, flags, 0);
	uint32_t result = flags & NFTA_FIB_F_PRESENT ? NFT_FIB_RESULT_OIF : NFT_FIB_RESULT_ADDRTYPE;

	if (s != SEL_NONE && get_be32(attrs[NFTA_FIB_RESULT]) == result)
		load(d, unit, s);
	else
		set_register(d, unit, unknown(d, "fib"), 16);
}

/* Is this rule about IPv6 headers? Its family or an earlier match says so. */
static bool is_ip6(const struct decoder *d)
{
	return d->table->family == FAMILY_IP6 || d->inet6;
}

static bool is_ip4(const struct decoder *d)
{
	return d->table->family == FAMILY_IP || d->inet4;
}

/* The selector that @len bytes at an offset are the start of; its own length may be more. */
static enum nft_selector find_payload(
	const struct decoder *d, uint32_t base, uint32_t offset, uint32_t len)
{
	if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == 0 && len == 1) {
		if (d->proto == PROTO_ICMP)
			return SEL_ICMP_TYPE;
		return d->proto == PROTO_ICMPV6 ? SEL_ICMPV6_TYPE : SEL_NONE;
	}
	for (unsigned int s = 0; s < SEL_COUNT_; s++) {
		const struct nft_load *l = &nft_loads[s];
		enum nft_type type = nft_selector_type(s);
		bool v6 = type == NFT_T_IPV6 || s == SEL_IP6_NEXTHDR;

		if (l->kind != LOAD_PAYLOAD || l->key != base || l->offset != offset)
			continue;
		/* Where the rule does not say which IP it is about, the place tells. */
		if (base == NFT_PAYLOAD_NETWORK_HEADER && (v6 ? is_ip4(d) : is_ip6(d)))
			continue;
		if (len == nft_type_len(type) ||
			((type == NFT_T_IPV4 || type == NFT_T_IPV6) && len < nft_type_len(type)))
			return s;
	}
	return SEL_NONE;
}

static void decode_payload(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t base = get_be32(attrs[NFTA_PAYLOAD_BASE]),
		 offset = get_be32(attrs[NFTA_PAYLOAD_OFFSET]),
		 len = get_be32(attrs[NFTA_PAYLOAD_LEN]);
	int unit = unit_of(attrs[NFTA_PAYLOAD_DREG]);
	enum nft_selector s = find_payload(d, base, offset, len);
	struct nft_expr *e;

	if (attrs[NFTA_PAYLOAD_SREG]) {
		add_unknown(d, "payload set");
		return;
	}
	if (s == SEL_NONE) {
		char what[64];

		snprintf(what, sizeof(what), "@%s,%u,%u",
			base == NFT_PAYLOAD_LL_HEADER	       ? "ll"
			: base == NFT_PAYLOAD_NETWORK_HEADER   ? "nh"
			: base == NFT_PAYLOAD_TRANSPORT_HEADER ? "th"
							       : "ih",
			offset * 8, len * 8);
		set_register(d, unit, unknown(d, what), len <= 64 ? len : 64);
		return;
	}
	e = nft_sel(d->a, s);
	if (len < nft_type_len(nft_selector_type(s))) { /* the first bytes only: a prefix */
		e->kind = EXPR_MASKED;
		memset(e->mask, 0xff, len);
	}
	set_register(d, unit, e, len);
}

static void decode_immediate(struct decoder *d, const struct nlattr **attrs)
{
	const struct nlattr *data[NFTA_DATA_MAX + 1];
	struct nft_expr *e;
	struct nft_stmt *s;
	size_t len;

	if (!attrs[NFTA_IMMEDIATE_DATA])
		return;
	kernel_attrs_in(data, NFTA_DATA_MAX, attrs[NFTA_IMMEDIATE_DATA]);
	if (data[NFTA_DATA_VERDICT]) {
		s = add_stmt(d, STMT_VERDICT);
		s->verdict = nft_read_verdict(d->a, data[NFTA_DATA_VERDICT], &s->chain);
		return;
	}
	if (!data[NFTA_DATA_VALUE])
		return;
	e = arena_new_of(d->a, struct nft_expr);
	len = mnl_attr_get_payload_len(data[NFTA_DATA_VALUE]);
	e->kind = EXPR_VALUE;
	e->value_len = len < sizeof(e->value) ? len : sizeof(e->value);
	memcpy(e->value, mnl_attr_get_payload(data[NFTA_DATA_VALUE]), e->value_len);
	set_register(d, unit_of(attrs[NFTA_IMMEDIATE_DREG]), e, e->value_len);
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

static void decode_bitwise(struct decoder *d, const struct nlattr **attrs)
{
	int from = unit_of(attrs[NFTA_BITWISE_SREG]), to = unit_of(attrs[NFTA_BITWISE_DREG]);
	unsigned int len = get_be32(attrs[NFTA_BITWISE_LEN]);
	struct nft_expr *x = get_register(d, from), *e;
	uint8_t mask[16], xor[16];

	if (get_be32(attrs[NFTA_BITWISE_OP]) != NFT_BITWISE_BOOL || is_swapped(d, from) ||
		x->kind != EXPR_SELECTOR || len != nft_type_len(nft_selector_type(x->selector)) ||
		len > 16 || get_value(attrs[NFTA_BITWISE_MASK], mask) != len ||
		get_value(attrs[NFTA_BITWISE_XOR], xor) != len) {
		set_register(d, to, unknown(d, "bitwise"), len && len <= 64 ? len : 4);
		return;
	}
	e = nft_sel(d->a, x->selector);
	e->kind = EXPR_MASKED;
	memcpy(e->mask, mask, len);
	memcpy(e->xor, xor, len);
	set_register(d, to, e, len);
}

static void decode_byteorder(struct decoder *d, const struct nlattr **attrs)
{
	int from = unit_of(attrs[NFTA_BYTEORDER_SREG]), to = unit_of(attrs[NFTA_BYTEORDER_DREG]);
	unsigned int len = get_be32(attrs[NFTA_BYTEORDER_LEN]);
	struct nft_expr *x = get_register(d, from);

	if (len == 1) /* nothing to swap; nft 1.0.6 writes it before ranges of protocols */
		return;
	if (len == 4 && nft_type_is_host_order(x->type) && to >= 0) {
		bool swapped = !is_swapped(d, from);

		set_register(d, to, x, 4);
		d->regs[to].swapped = swapped;
	} else {
		set_register(d, to, unknown(d, "byteorder"), len && len <= 64 ? len : 4);
	}
}

static void decode_hash(struct decoder *d, const struct nlattr **attrs)
{
	int to = unit_of(attrs[NFTA_HASH_DREG]);

	if (get_be32(attrs[NFTA_HASH_TYPE]) != NFT_HASH_JENKINS ||
		get_be32(attrs[NFTA_HASH_OFFSET]) != 0 || !attrs[NFTA_HASH_LEN]) {
		set_register(d, to, unknown(d, "hash"), 4);
		return;
	}
	set_register(d, to,
		nft_jhash(d->a,
			get_key(d, unit_of(attrs[NFTA_HASH_SREG]), get_be32(attrs[NFTA_HASH_LEN])),
			get_be32(attrs[NFTA_HASH_MODULUS]), get_be32(attrs[NFTA_HASH_SEED])),
		4);
}

/* ---- matches ---- */

/* What later loads depend on: which headers the packet has. */
static void note_match(struct decoder *d, const struct nft_stmt *s)
{
	if (s->expr->kind != EXPR_SELECTOR || s->op != OP_EQ)
		return;
	if (s->expr->selector == SEL_META_NFPROTO) {
		d->inet4 = s->value[0] == NFPROTO_IPV4;
		d->inet6 = s->value[0] == NFPROTO_IPV6;
	} else if (s->expr->selector == SEL_META_L4PROTO || s->expr->selector == SEL_IP_PROTOCOL ||
		   s->expr->selector == SEL_IP6_NEXTHDR) {
		d->proto = s->value[0];
	}
}

static void reverse(uint8_t bytes[4])
{
	uint32_t n;

	memcpy(&n, bytes, 4);
	n = __builtin_bswap32(n);
	memcpy(bytes, &n, 4);
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

static void decode_cmp(struct decoder *d, const struct nlattr **attrs)
{
	static const enum nft_op ops[] = {[NFT_CMP_EQ] = OP_EQ,
		[NFT_CMP_NEQ] = OP_NE,
		[NFT_CMP_LT] = OP_LT,
		[NFT_CMP_LTE] = OP_LE,
		[NFT_CMP_GT] = OP_GT,
		[NFT_CMP_GTE] = OP_GE};
	uint32_t op = get_be32(attrs[NFTA_CMP_OP]);
	int unit = unit_of(attrs[NFTA_CMP_SREG]);
	struct nft_stmt *s;
	uint8_t value[16];
	unsigned int len;
	struct nft_expr *x;

	len = get_value(attrs[NFTA_CMP_DATA], value);
	x = get_key(d, unit, len);
	if (op > NFT_CMP_GTE) {
		add_unknown(d, "cmp");
		return;
	}
	if (is_swapped(d, unit) && len == 4)
		reverse(value);
	if (op == NFT_CMP_LTE && closes_range(d, x)) {
		s = &d->rule->stmts.items[d->rule->stmts.len - 1];
		s->op = OP_RANGE;
		memcpy(s->last, value, sizeof(value));
		return;
	}
	s = add_stmt(d, STMT_MATCH);
	s->expr = x;
	s->op = ops[op];
	memcpy(s->value, value, sizeof(value));
	/* A prefix of whole bytes was loaded short; its value is an address all the same. And a name
	 * that is compared up to its NUL, as iptables-nft does, is compared whole. */
	if (x->kind == EXPR_MASKED || (x->type == NFT_T_IFNAME && memchr(value, 0, len)))
		len = nft_type_len(x->type);
	s->value_len = len;
	note_match(d, s);
}

static void decode_range(struct decoder *d, const struct nlattr **attrs)
{
	int unit = unit_of(attrs[NFTA_RANGE_SREG]);
	struct nft_stmt *s;
	uint8_t first[16], last[16];
	unsigned int len = get_value(attrs[NFTA_RANGE_FROM_DATA], first);

	get_value(attrs[NFTA_RANGE_TO_DATA], last);
	if (is_swapped(d, unit) && len == 4) {
		reverse(first);
		reverse(last);
	}
	s = add_stmt(d, STMT_MATCH);
	s->expr = get_key(d, unit, len);
	s->op = get_be32(attrs[NFTA_RANGE_OP]) == NFT_RANGE_NEQ ? OP_NOT_RANGE : OP_RANGE;
	memcpy(s->value, first, sizeof(first));
	memcpy(s->last, last, sizeof(last));
	s->value_len = len;
}

static struct nft_set *find_set(const struct decoder *d, const struct nlattr *name)
{
	return name && mnl_attr_validate(name, MNL_TYPE_NUL_STRING) == 0
		       ? nft_set_find_named(d->table, mnl_attr_get_str(name))
		       : NULL;
}

static void decode_lookup(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_set *set = find_set(d, attrs[NFTA_LOOKUP_SET]);
	int from = unit_of(attrs[NFTA_LOOKUP_SREG]);
	struct nft_expr *key;
	struct nft_stmt *s;

	if (!set) {
		add_unknown(d, "lookup");
		set_register(d, unit_of(attrs[NFTA_LOOKUP_DREG]), unknown(d, "lookup"), 16);
		return;
	}
	key = get_key(d, from, set->key_len);
	if (!attrs[NFTA_LOOKUP_DREG]) {
		s = add_stmt(d, STMT_MATCH);
		s->op = get_be32(attrs[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV ? OP_NOT_IN : OP_IN;
		s->expr = key;
		s->set = set;
	} else if (is_verdict(attrs[NFTA_LOOKUP_DREG])) {
		s = add_stmt(d, STMT_VMAP);
		s->expr = key;
		s->set = set;
	} else {
		set_register(d, unit_of(attrs[NFTA_LOOKUP_DREG]), nft_map_expr(d->a, key, set),
			set->data_len);
	}
}

/* ---- NAT ---- */

/* A value that was loaded without a type, as what it is used for. */
static struct nft_expr *typed(struct nft_expr *e, enum nft_type type)
{
	if (e && e->kind == EXPR_VALUE && e->type == NFT_T_NONE)
		e->type = type;
	return e;
}

/* From one register to another: ranges cannot be said, so they are unknown but where both are one. */
static struct nft_expr *get_bounds(
	struct decoder *d, const struct nlattr *min, const struct nlattr *max, enum nft_type type)
{
	struct nft_expr *first, *last;

	if (!min)
		return NULL;
	first = typed(get_register(d, unit_of(min)), type);
	if (!max || unit_of(max) == unit_of(min))
		return first;
	last = typed(get_register(d, unit_of(max)), type);
	if (first->kind == EXPR_VALUE && last->kind == EXPR_VALUE &&
		memcmp(first->value, last->value, sizeof(first->value)) == 0)
		return first;
	return unknown(d, type == NFT_T_PORT ? "port range" : "address range");
}

static void decode_nat(struct decoder *d, const struct nlattr **attrs)
{
	bool v6 = get_be32(attrs[NFTA_NAT_FAMILY]) == NFPROTO_IPV6;
	int addr = unit_of(attrs[NFTA_NAT_REG_ADDR_MIN]),
	    port = unit_of(attrs[NFTA_NAT_REG_PROTO_MIN]);
	struct nft_stmt *s = add_stmt(d, STMT_NAT);

	s->dnat = get_be32(attrs[NFTA_NAT_TYPE]) == NFT_NAT_DNAT;
	s->nat_family = v6 ? IP_V6 : IP_V4;
	s->expr = get_bounds(d, attrs[NFTA_NAT_REG_ADDR_MIN], attrs[NFTA_NAT_REG_ADDR_MAX],
		v6 ? NFT_T_IPV6 : NFT_T_IPV4);
	if (port < 0)
		return;
	/* The port may be what the map gave besides the address. */
	if (addr >= 0 && d->regs[port].expr && d->regs[port].expr == d->regs[addr].expr &&
		d->regs[port].part > 0)
		s->map_gives_port = true;
	else
		s->port = get_bounds(d, attrs[NFTA_NAT_REG_PROTO_MIN],
			attrs[NFTA_NAT_REG_PROTO_MAX], NFT_T_PORT);
}

static void decode_masq(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_expr *port = get_bounds(
		d, attrs[NFTA_MASQ_REG_PROTO_MIN], attrs[NFTA_MASQ_REG_PROTO_MAX], NFT_T_PORT);

	add_stmt(d, STMT_MASQUERADE)->port = port;
}

static void decode_redir(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_expr *port = get_bounds(
		d, attrs[NFTA_REDIR_REG_PROTO_MIN], attrs[NFTA_REDIR_REG_PROTO_MAX], NFT_T_PORT);

	add_stmt(d, STMT_REDIRECT)->port = port;
}

/* ---- other statements ---- */

static void decode_counter(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_stmt *s = add_stmt(d, STMT_COUNTER);

	s->packets = get_be64(attrs[NFTA_COUNTER_PACKETS]);
	s->bytes = get_be64(attrs[NFTA_COUNTER_BYTES]);
}

static void decode_objref(struct decoder *d, const struct nlattr **attrs)
{
	if (get_be32(attrs[NFTA_OBJREF_IMM_TYPE]) == NFT_OBJECT_COUNTER &&
		attrs[NFTA_OBJREF_IMM_NAME])
		add_stmt(d, STMT_COUNTER)->chain =
			nft_get_string(d->a, attrs[NFTA_OBJREF_IMM_NAME]);
	else
		add_unknown(d, "objref");
}

static void add_xt(struct decoder *d, bool target, const struct nlattr *name,
	const struct nlattr *rev, const struct nlattr *info)
{
	struct nft_stmt *s = add_stmt(d, STMT_XT);
	uint8_t *copy;

	s->xt.target = target;
	s->xt.name = name ? nft_get_string(d->a, name) : "?";
	s->xt.rev = get_be32(rev);
	if (!info)
		return;
	s->xt.info_len = mnl_attr_get_payload_len(info);
	copy = arena_alloc(d->a, s->xt.info_len);
	memcpy(copy, mnl_attr_get_payload(info), s->xt.info_len);
	s->xt.info = copy;
}

static void decode_match(struct decoder *d, const struct nlattr **attrs)
{
	add_xt(d, false, attrs[NFTA_MATCH_NAME], attrs[NFTA_MATCH_REV], attrs[NFTA_MATCH_INFO]);
}

static void decode_target(struct decoder *d, const struct nlattr **attrs)
{
	add_xt(d, true, attrs[NFTA_TARGET_NAME], attrs[NFTA_TARGET_REV], attrs[NFTA_TARGET_INFO]);
}

static void decode_reject(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_stmt *s = add_stmt(d, STMT_REJECT);

	if (get_be32(attrs[NFTA_REJECT_TYPE]) == NFT_REJECT_TCP_RST)
		s->text = "reject with tcp reset";
}

static void decode_log(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_stmt *s = add_stmt(d, STMT_LOG);

	if (attrs[NFTA_LOG_PREFIX])
		s->text = arena_printf(
			d->a, "log prefix \"%s\"", nft_get_string(d->a, attrs[NFTA_LOG_PREFIX]));
}

static void decode_limit(struct decoder *d, const struct nlattr **attrs)
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} times[] = {
		{1, "second"}, {60, "minute"}, {3600, "hour"}, {86400, "day"}, {604800, "week"}};
	bool bytes = get_be32(attrs[NFTA_LIMIT_TYPE]) == NFT_LIMIT_PKT_BYTES;
	bool over = get_be32(attrs[NFTA_LIMIT_FLAGS]) & NFT_LIMIT_F_INV;
	uint64_t seconds = get_be64(attrs[NFTA_LIMIT_UNIT]);
	uint32_t burst = get_be32(attrs[NFTA_LIMIT_BURST]);
	struct nft_stmt *s = add_stmt(d, STMT_LIMIT);

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		if (times[i].seconds != seconds)
			continue;
		s->text = arena_printf(d->a, "limit rate %s%llu%s/%s", over ? "over " : "",
			(unsigned long long)get_be64(attrs[NFTA_LIMIT_RATE]), bytes ? " bytes" : "",
			times[i].name);
		if (burst)
			s->text = arena_printf(d->a, "%s burst %u %s", s->text, burst,
				bytes ? "bytes" : "packets");
	}
}

static void decode_notrack(struct decoder *d, const struct nlattr **attrs)
{
	add_stmt(d, STMT_NOTRACK);
}

/* ---- rules ---- */

/* No instruction has more attributes than this. */
#define MAX_ATTR 31

static const struct {
	const char *name;
	void (*decode)(struct decoder *d, const struct nlattr **attrs);
} instructions[] = {
	{"meta", decode_meta},
	{"ct", decode_ct},
	{"payload", decode_payload},
	{"fib", decode_fib},
	{"immediate", decode_immediate},
	{"bitwise", decode_bitwise},
	{"byteorder", decode_byteorder},
	{"hash", decode_hash},
	{"cmp", decode_cmp},
	{"range", decode_range},
	{"lookup", decode_lookup},
	{"nat", decode_nat},
	{"masq", decode_masq},
	{"redir", decode_redir},
	{"counter", decode_counter},
	{"objref", decode_objref},
	{"match", decode_match},
	{"target", decode_target},
	{"reject", decode_reject},
	{"log", decode_log},
	{"limit", decode_limit},
	{"notrack", decode_notrack},
};

/* Instructions that only load something that we have no word for, and their destination. */
static const struct {
	const char *name;
	uint16_t dreg;
} other_loads[] = {
	{"numgen", NFTA_NG_DREG},
	{"rt", NFTA_RT_DREG},
	{"socket", NFTA_SOCKET_DREG},
	{"osf", NFTA_OSF_DREG},
	{"exthdr", NFTA_EXTHDR_DREG},
	{"tunnel", NFTA_TUNNEL_DREG},
	{"xfrm", NFTA_XFRM_DREG},
};

static void decode_other(struct decoder *d, const char *name, const struct nlattr **attrs)
{
	for (size_t i = 0; i < sizeof(other_loads) / sizeof(*other_loads); i++) {
		if (strcmp(other_loads[i].name, name) == 0 && attrs[other_loads[i].dreg]) {
			set_register(d, unit_of(attrs[other_loads[i].dreg]), unknown(d, name), 16);
			return;
		}
	}
	add_unknown(d, name);
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

/* Marks are set to values that were loaded as bytes. */
static void settle_types(struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		if (s->kind == STMT_SET_MARK || s->kind == STMT_SET_CT_MARK)
			typed(s->expr, NFT_T_MARK);
	}
}

void nft_read_rule(struct arena *a, const struct nft_table *t, const struct nlattr *expressions,
	struct nft_rule *out)
{
	struct decoder d = {.a = a, .table = t, .rule = out};
	const struct nlattr *elem;

	if (!expressions)
		return;
	mnl_attr_for_each_nested(elem, expressions) decode_instruction(&d, elem);
	settle_types(out);
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
