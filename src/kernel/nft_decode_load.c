/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's register programs to rules: registers, and what is loaded into them. See nft_decode.c. */
#include "kernel/nft_decode.h"

#include <stdio.h>
#include <string.h>

/* ---- registers ---- */

int nft_unit_of(const struct nlattr *attr)
{
	uint32_t reg = get_be32(attr);

	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (reg - NFT_REG_1) * 4;
	if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		return reg - NFT_REG32_00;
	return -1;
}

struct nft_expr *nft_unknown(struct decoder *d, const char *what)
{
	struct nft_expr *e = arena_new_of(d->a, struct nft_expr);

	e->kind = EXPR_UNKNOWN;
	e->text = arena_strdup(d->a, what);
	return e;
}

void nft_set_register(struct decoder *d, int unit, struct nft_expr *e, unsigned int len)
{
	unsigned int units = nft_padded(len) / 4;

	if (unit < 0)
		return;
	for (unsigned int i = 0; i < units && unit + i < NFT_UNITS; i++)
		d->regs[unit + i] = (struct slot){.expr = e, .part = i, .units = units};
}

struct nft_expr *nft_get_register(struct decoder *d, int unit)
{
	if (unit < 0 || !d->regs[unit].expr || d->regs[unit].part != 0)
		return nft_unknown(d, "register");
	if (d->regs[unit].unshifted)
		return nft_unknown(d, "bits in their place");
	return d->regs[unit].expr;
}

struct nft_expr *nft_get_key(struct decoder *d, int unit, unsigned int len)
{
	unsigned int end = unit + nft_padded(len) / 4, n = 0;
	struct nft_expr *parts[NFT_MAX_FIELDS];

	if (unit < 0 || end > NFT_UNITS)
		return nft_unknown(d, "register");
	for (unsigned int at = unit; at < end && n < NFT_MAX_FIELDS;) {
		parts[n++] = nft_get_register(d, at);
		if (parts[n - 1]->kind == EXPR_UNKNOWN && !d->regs[at].expr)
			return parts[n - 1];
		at += d->regs[at].part == 0 ? d->regs[at].units : 1;
	}
	return n == 1 ? parts[0] : nft_concat(d->a, parts, n);
}

/* ---- loads ---- */

struct nft_stmt *nft_add_stmt(struct decoder *d, enum nft_stmt_kind kind)
{
	struct nft_stmt *s = vec_add(d->a, &d->rule->stmts);

	s->kind = kind;
	return s;
}

void nft_add_unknown(struct decoder *d, const char *what)
{
	nft_add_stmt(d, STMT_UNKNOWN)->text = arena_strdup(d->a, what);
}

static void load(struct decoder *d, int unit, enum nft_selector s, const char *otherwise)
{
	if (s == SEL_NONE)
		nft_set_register(d, unit, nft_unknown(d, otherwise), 16);
	else
		nft_set_register(d, unit, nft_sel(d->a, s), nft_selector_len(s));
}

void nft_decode_meta(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t key = get_be32(attrs[NFTA_META_KEY]);

	if (attrs[NFTA_META_SREG])
		nft_decode_meta_set(d, attrs);
	else
		load(d, nft_unit_of(attrs[NFTA_META_DREG]),
			nft_find_load(LOAD_META, key, 0, DIRECTION_NONE), "meta");
}

/* Is this rule about IPv6 headers? Its family or an earlier match says so. */
bool nft_is_ip6(const struct decoder *d)
{
	return d->table->family == FAMILY_IP6 || d->inet6;
}

static bool is_ip4(const struct decoder *d)
{
	return d->table->family == FAMILY_IP || d->inet4;
}

void nft_decode_ct(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t key = get_be32(attrs[NFTA_CT_KEY]);
	int unit = nft_unit_of(attrs[NFTA_CT_DREG]);
	enum nft_direction direction = DIRECTION_NONE;
	enum nft_type type = NFT_T_NONE;
	enum nft_selector s;

	if (attrs[NFTA_CT_SREG]) {
		nft_decode_ct_set(d, attrs);
		return;
	}
	if (attrs[NFTA_CT_DIRECTION])
		direction = mnl_attr_get_u8(attrs[NFTA_CT_DIRECTION]) ? DIRECTION_REPLY
								      : DIRECTION_ORIGINAL;
	/* The same for both directions. */
	if (key == NFT_CT_PROTOCOL || key == NFT_CT_L3PROTOCOL)
		direction = DIRECTION_NONE;
	/* One key for each family, and an old one for that of the packet. */
	if (key == NFT_CT_SRC || key == NFT_CT_SRC_IP || key == NFT_CT_SRC_IP6) {
		type = key == NFT_CT_SRC_IP6 || (key == NFT_CT_SRC && nft_is_ip6(d)) ? NFT_T_IPV6
										     : NFT_T_IPV4;
		key = key == NFT_CT_SRC && !nft_is_ip6(d) && !is_ip4(d) ? key : NFT_CT_SRC_IP;
	} else if (key == NFT_CT_DST || key == NFT_CT_DST_IP || key == NFT_CT_DST_IP6) {
		type = key == NFT_CT_DST_IP6 || (key == NFT_CT_DST && nft_is_ip6(d)) ? NFT_T_IPV6
										     : NFT_T_IPV4;
		key = key == NFT_CT_DST && !nft_is_ip6(d) && !is_ip4(d) ? key : NFT_CT_DST_IP;
	}
	s = nft_find_load(LOAD_CT, key, 0, direction);
	if (s != SEL_NONE && type != NFT_T_NONE) {
		struct nft_expr *e = nft_sel(d->a, s);

		e->type = type;
		nft_set_register(d, unit, e, nft_type_len(type));
		return;
	}
	load(d, unit, s, "ct");
}

void nft_decode_fib(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t flags = get_be32(attrs[NFTA_FIB_FLAGS]), result = get_be32(attrs[NFTA_FIB_RESULT]);
	int unit = nft_unit_of(attrs[NFTA_FIB_DREG]);

	load(d, unit, nft_find_load(LOAD_FIB, flags, result, DIRECTION_NONE), "fib");
	if (unit >= 0 && result == NFT_FIB_RESULT_OIF && !(flags & NFTA_FIB_F_PRESENT))
		d->regs[unit].numbered =
			nft_find_load(LOAD_FIB, flags | NFTA_FIB_F_PRESENT, result, DIRECTION_NONE);
}

void nft_decode_rt(struct decoder *d, const struct nlattr **attrs)
{
	load(d, nft_unit_of(attrs[NFTA_RT_DREG]),
		nft_find_load(LOAD_ROUTE, get_be32(attrs[NFTA_RT_KEY]), 0, DIRECTION_NONE), "rt");
}

void nft_decode_exthdr(struct decoder *d, const struct nlattr **attrs)
{
	enum nft_selector s = SEL_NONE;

	if (attrs[NFTA_EXTHDR_SREG]) {
		nft_decode_exthdr_set(d, attrs);
		return;
	}
	if (!attrs[NFTA_EXTHDR_DREG]) {
		nft_add_unknown(d, "exthdr");
		return;
	}
	if (get_be32(attrs[NFTA_EXTHDR_OP]) == NFT_EXTHDR_OP_TCPOPT && attrs[NFTA_EXTHDR_TYPE] &&
		!get_be32(attrs[NFTA_EXTHDR_FLAGS]) && get_be32(attrs[NFTA_EXTHDR_LEN]) == 2)
		s = nft_find_load(LOAD_TCP_OPTION, mnl_attr_get_u8(attrs[NFTA_EXTHDR_TYPE]),
			get_be32(attrs[NFTA_EXTHDR_OFFSET]), DIRECTION_NONE);
	load(d, nft_unit_of(attrs[NFTA_EXTHDR_DREG]), s, "exthdr");
}

/* Could what is loaded from that place be this selector, in this rule? */
bool nft_fits_here(const struct decoder *d, const struct nft_load *l)
{
	bool icmp = d->proto == PROTO_ICMP || d->proto == PROTO_ICMPV6;

	if (l->kind != LOAD_PAYLOAD || (l->proto && l->proto != d->proto))
		return false;
	if (l->key == NFT_PAYLOAD_TRANSPORT_HEADER && !l->proto && icmp) /* has no ports */
		return false;
	if (!l->family)
		return true;
	/* Where the rule does not say which IP it is about, the place tells. */
	return d->table->family != FAMILY_ARP &&
	       !(l->family == FAMILY_IP6 ? is_ip4(d) : nft_is_ip6(d));
}

enum nft_selector nft_find_payload(
	const struct decoder *d, uint32_t base, uint32_t offset, uint32_t len)
{
	enum nft_selector first_bytes = SEL_NONE;

	for (unsigned int s = 0; s < SEL_COUNT_; s++) {
		const struct nft_load *l = &nft_loads[s];
		enum nft_type type = nft_selector_type(s);

		if (l->key != base || l->offset != offset || l->shift || !nft_fits_here(d, l))
			continue;
		if (len == nft_selector_len(s))
			return s;
		if ((type == NFT_T_IPV4 || (type == NFT_T_IPV6 && nft_is_ip6(d))) &&
			len < nft_selector_len(s))
			first_bytes = s;
	}
	return first_bytes;
}

static const struct raw_load *raw_load(
	struct decoder *d, uint32_t base, uint32_t offset, uint32_t len)
{
	struct raw_load *raw;

	if (!len || len > sizeof(raw->mask))
		return NULL;
	raw = arena_new_of(d->a, struct raw_load);
	raw->base = base;
	raw->offset = offset;
	raw->len = len;
	memset(raw->mask, 0xff, len);
	return raw;
}

void nft_decode_payload(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t base = get_be32(attrs[NFTA_PAYLOAD_BASE]),
		 offset = get_be32(attrs[NFTA_PAYLOAD_OFFSET]),
		 len = get_be32(attrs[NFTA_PAYLOAD_LEN]);
	int unit = nft_unit_of(attrs[NFTA_PAYLOAD_DREG]);
	enum nft_selector s = nft_find_payload(d, base, offset, len);
	struct nft_expr *e;

	if (attrs[NFTA_PAYLOAD_SREG]) {
		nft_decode_payload_set(d, attrs);
		return;
	}
	/* That there is an Ethernet header goes without saying where it is looked at. */
	if (base == NFT_PAYLOAD_LL_HEADER && d->ether_check &&
		d->ether_check == d->rule->stmts.len) {
		d->rule->stmts.len--;
		d->ether_check = 0;
	}
	if (s == SEL_NONE) {
		char what[64];

		snprintf(what, sizeof(what), "@%s,%u,%u",
			base == NFT_PAYLOAD_LL_HEADER	       ? "ll"
			: base == NFT_PAYLOAD_NETWORK_HEADER   ? "nh"
			: base == NFT_PAYLOAD_TRANSPORT_HEADER ? "th"
							       : "ih",
			offset * 8, len * 8);
		nft_set_register(d, unit, nft_unknown(d, what), len <= 64 ? len : 64);
	} else {
		e = nft_sel(d->a, s);
		if (len < nft_selector_len(s)) { /* the first bytes only: a prefix */
			e->kind = EXPR_MASKED;
			memset(e->mask, 0xff, len);
		}
		nft_set_register(d, unit, e, len);
	}
	if (unit >= 0)
		d->regs[unit].raw = raw_load(d, base, offset, len);
}

void nft_decode_immediate(struct decoder *d, const struct nlattr **attrs)
{
	const struct nlattr *data[NFTA_DATA_MAX + 1];
	struct nft_expr *e;
	struct nft_stmt *s;
	size_t len;

	if (!attrs[NFTA_IMMEDIATE_DATA])
		return;
	kernel_attrs_in(data, NFTA_DATA_MAX, attrs[NFTA_IMMEDIATE_DATA]);
	if (data[NFTA_DATA_VERDICT]) {
		s = nft_add_stmt(d, STMT_VERDICT);
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
	nft_set_register(d, nft_unit_of(attrs[NFTA_IMMEDIATE_DREG]), e, e->value_len);
}
