/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's register programs to rules: what rules do. See nft_decode.c. */
#include "kernel/nft_decode.h"

#include <string.h>

#include "base/strbuf.h"
#include "netstate/netstate.h"

static struct nft_stmt *add_set(struct decoder *d, enum nft_selector s, const char *text, int unit)
{
	struct nft_stmt *stmt = nft_add_stmt(d, STMT_SET);

	stmt->selector = s;
	stmt->text = text;
	stmt->expr = nft_typed(nft_get_register(d, unit), nft_selector_type(s));
	return stmt;
}

/* An expression as nft writes it, in the arena. */
static const char *text_of(struct decoder *d, const struct nft_expr *e)
{
	struct strbuf out = STRBUF_INIT;
	const char *text;

	nft_print_expr(&out, e);
	text = arena_strdup(d->a, strbuf_str(&out));
	strbuf_fini(&out);
	return text;
}

/* ---- marks and other fields ---- */

static void add_mark(struct decoder *d, enum nft_stmt_kind kind, int unit)
{
	struct nft_expr *e = nft_typed(nft_get_register(d, unit), NFT_T_MARK);

	nft_add_stmt(d, kind)->expr = e;
}

void nft_decode_meta_set(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t key = get_be32(attrs[NFTA_META_KEY]);
	int unit = nft_unit_of(attrs[NFTA_META_SREG]);

	switch (key) {
	case NFT_META_MARK:
		add_mark(d, STMT_SET_MARK, unit);
		break;
	case NFT_META_PRIORITY:
		add_set(d, SEL_META_PRIORITY, NULL, unit);
		break;
	case NFT_META_PKTTYPE:
		add_set(d, SEL_META_PKTTYPE, NULL, unit);
		break;
	case NFT_META_NFTRACE:
		add_set(d, SEL_NONE, "meta nftrace", unit);
		break;
	case NFT_META_SECMARK:
		add_set(d, SEL_NONE, "meta secmark", unit);
		break;
	default:
		nft_add_unknown(d, "meta set");
	}
}

void nft_decode_ct_set(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t key = get_be32(attrs[NFTA_CT_KEY]);
	int unit = nft_unit_of(attrs[NFTA_CT_SREG]);

	switch (key) {
	case NFT_CT_MARK:
		add_mark(d, STMT_SET_CT_MARK, unit);
		break;
	case NFT_CT_ZONE:
		if (!attrs[NFTA_CT_DIRECTION])
			add_set(d, SEL_CT_ZONE, NULL, unit);
		else
			add_set(d, SEL_NONE,
				mnl_attr_get_u8(attrs[NFTA_CT_DIRECTION]) ? "ct reply zone"
									  : "ct original zone",
				unit);
		break;
	case NFT_CT_LABELS:
		add_set(d, SEL_NONE, "ct label", unit);
		break;
	case NFT_CT_EVENTMASK:
		add_set(d, SEL_NONE, "ct event", unit);
		break;
	case NFT_CT_SECMARK:
		add_set(d, SEL_NONE, "ct secmark", unit);
		break;
	default:
		nft_add_unknown(d, "ct set");
	}
}

/* The selector whose bits, and no others, were replaced in what was loaded; its new value. */
static enum nft_selector find_replaced(
	const struct decoder *d, const struct raw_load *raw, uint8_t value[16])
{
	for (unsigned int s = 0; s < SEL_COUNT_; s++) {
		const struct nft_load *l = &nft_loads[s];
		uint8_t field[16], want[16] = {0};
		unsigned int len = nft_load_len(s), at;

		if (l->kind != LOAD_PAYLOAD || l->key != raw->base || l->offset < raw->offset ||
			l->offset + len > raw->offset + raw->len ||
			(l->family == FAMILY_IP6) != nft_is_ip6(d))
			continue;
		at = l->offset - raw->offset;
		nft_load_mask(s, field);
		memcpy(want + at, field, len);
		for (unsigned int i = 0; i < raw->len; i++)
			want[i] = (uint8_t)~want[i];
		if (memcmp(want, raw->mask, raw->len) != 0)
			continue;
		memset(value, 0, 16);
		if (l->shift)
			value[0] = nft_load_shift_out(s, raw->xor +at);
		else
			memcpy(value, raw->xor +at, len);
		return s;
	}
	return SEL_NONE;
}

void nft_decode_payload_set(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t base = get_be32(attrs[NFTA_PAYLOAD_BASE]),
		 offset = get_be32(attrs[NFTA_PAYLOAD_OFFSET]),
		 len = get_be32(attrs[NFTA_PAYLOAD_LEN]);
	int unit = nft_unit_of(attrs[NFTA_PAYLOAD_SREG]);
	const struct raw_load *raw = unit >= 0 ? d->regs[unit].raw : NULL;
	enum nft_selector s = nft_find_payload(d, base, offset, len);
	uint8_t value[16];

	if (raw && raw->base == base && raw->offset == offset && raw->len == len &&
		base == NFT_PAYLOAD_NETWORK_HEADER) {
		s = find_replaced(d, raw, value);
		if (s != SEL_NONE) {
			struct nft_stmt *stmt = nft_add_stmt(d, STMT_SET);

			stmt->selector = s;
			stmt->expr = nft_value(d->a, nft_selector_type(s), value);
			return;
		}
	} else if (s != SEL_NONE && nft_selector_len(s) == len) {
		add_set(d, s, NULL, unit);
		return;
	}
	nft_add_unknown(d, "payload set");
}

void nft_decode_exthdr_set(struct decoder *d, const struct nlattr **attrs)
{
	if (get_be32(attrs[NFTA_EXTHDR_OP]) == NFT_EXTHDR_OP_TCPOPT && attrs[NFTA_EXTHDR_TYPE] &&
		get_be32(attrs[NFTA_EXTHDR_LEN]) == 2 &&
		nft_find_load(LOAD_TCP_OPTION, mnl_attr_get_u8(attrs[NFTA_EXTHDR_TYPE]),
			get_be32(attrs[NFTA_EXTHDR_OFFSET]), DIRECTION_NONE) == SEL_TCP_MAXSEG)
		add_set(d, SEL_TCP_MAXSEG, NULL, nft_unit_of(attrs[NFTA_EXTHDR_SREG]));
	else
		nft_add_unknown(d, "exthdr");
}

/* ---- NAT ---- */

/* A map that gives ranges gives both ends as one value, the last one half a value behind the first. */
static bool is_map_of_ranges(const struct decoder *d, int first, int last)
{
	const struct slot *a = first >= 0 ? &d->regs[first] : NULL;
	const struct slot *b = last >= 0 ? &d->regs[last] : NULL;

	return a && b && a->expr && a->expr == b->expr && a->expr->kind == EXPR_MAP &&
	       a->part == 0 && 2 * b->part == a->units;
}

/* From one register to another; *@last: the other, NULL where both are one. */
static struct nft_expr *get_bounds(struct decoder *d, const struct nlattr *min,
	const struct nlattr *max, enum nft_type type, struct nft_expr **last)
{
	struct nft_expr *first;

	*last = NULL;
	if (!min)
		return NULL;
	first = nft_typed(nft_get_register(d, nft_unit_of(min)), type);
	if (!max || nft_unit_of(max) == nft_unit_of(min) ||
		is_map_of_ranges(d, nft_unit_of(min), nft_unit_of(max)))
		return first;
	*last = nft_typed(nft_get_register(d, nft_unit_of(max)), type);
	if (first->kind == EXPR_VALUE && (*last)->kind == EXPR_VALUE) {
		if (memcmp(first->value, (*last)->value, sizeof(first->value)) == 0)
			*last = NULL;
		return first;
	}
	*last = NULL;
	return nft_unknown(d, type == NFT_T_PORT ? "port range" : "address range");
}

static const struct {
	uint32_t kernels;
	enum nft_nat_flag ours;
} nat_flags[] = {{NF_NAT_RANGE_PROTO_RANDOM, NAT_RANDOM},
	{NF_NAT_RANGE_PROTO_RANDOM_FULLY, NAT_FULLY_RANDOM},
	{NF_NAT_RANGE_PERSISTENT, NAT_PERSISTENT}, {NF_NAT_RANGE_NETMAP, NAT_PREFIX}};

uint8_t nft_nat_flags_of(uint32_t kernels)
{
	uint8_t out = 0;

	for (size_t i = 0; i < sizeof(nat_flags) / sizeof(*nat_flags); i++)
		out |= kernels & nat_flags[i].kernels ? nat_flags[i].ours : 0;
	return out;
}

uint32_t nft_nat_flags_for(uint8_t ours)
{
	uint32_t out = 0;

	for (size_t i = 0; i < sizeof(nat_flags) / sizeof(*nat_flags); i++)
		out |= ours & nat_flags[i].ours ? nat_flags[i].kernels : 0;
	return out;
}

void nft_decode_nat(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t family = get_be32(attrs[NFTA_NAT_FAMILY]);
	bool v6 = family == NFPROTO_IPV6;
	int addr = nft_unit_of(attrs[NFTA_NAT_REG_ADDR_MIN]),
	    port = nft_unit_of(attrs[NFTA_NAT_REG_PROTO_MIN]);
	struct nft_stmt *s = nft_add_stmt(d, STMT_NAT);

	s->dnat = get_be32(attrs[NFTA_NAT_TYPE]) == NFT_NAT_DNAT;
	s->nat_family = v6 ? IP_V6 : family == NFPROTO_IPV4 ? IP_V4 : IP_NONE;
	s->nat_flags = nft_nat_flags_of(get_be32(attrs[NFTA_NAT_FLAGS]));
	s->expr = get_bounds(d, attrs[NFTA_NAT_REG_ADDR_MIN], attrs[NFTA_NAT_REG_ADDR_MAX],
		v6 ? NFT_T_IPV6 : NFT_T_IPV4, &s->expr_last);
	if (port < 0)
		return;
	/* The port may be what the map gave besides the address. */
	if (addr >= 0 && d->regs[port].expr && d->regs[port].expr == d->regs[addr].expr &&
		d->regs[port].part > 0)
		s->map_gives_port = true;
	else
		s->port = get_bounds(d, attrs[NFTA_NAT_REG_PROTO_MIN],
			attrs[NFTA_NAT_REG_PROTO_MAX], NFT_T_PORT, &s->port_last);
}

static void decode_to_self(struct decoder *d, enum nft_stmt_kind kind, const struct nlattr *min,
	const struct nlattr *max, const struct nlattr *flags)
{
	struct nft_stmt *s = nft_add_stmt(d, kind);

	s->port = get_bounds(d, min, max, NFT_T_PORT, &s->port_last);
	s->nat_flags = nft_nat_flags_of(get_be32(flags));
}

void nft_decode_masq(struct decoder *d, const struct nlattr **attrs)
{
	decode_to_self(d, STMT_MASQUERADE, attrs[NFTA_MASQ_REG_PROTO_MIN],
		attrs[NFTA_MASQ_REG_PROTO_MAX], attrs[NFTA_MASQ_FLAGS]);
}

void nft_decode_redir(struct decoder *d, const struct nlattr **attrs)
{
	decode_to_self(d, STMT_REDIRECT, attrs[NFTA_REDIR_REG_PROTO_MIN],
		attrs[NFTA_REDIR_REG_PROTO_MAX], attrs[NFTA_REDIR_FLAGS]);
}

void nft_decode_tproxy(struct decoder *d, const struct nlattr **attrs)
{
	uint32_t family = get_be32(attrs[NFTA_TPROXY_FAMILY]);
	struct nft_stmt *s = nft_add_stmt(d, STMT_TPROXY);

	s->nat_family = family == NFPROTO_IPV6 ? IP_V6 : family == NFPROTO_IPV4 ? IP_V4 : IP_NONE;
	if (attrs[NFTA_TPROXY_REG_ADDR])
		s->expr = nft_typed(nft_get_register(d, nft_unit_of(attrs[NFTA_TPROXY_REG_ADDR])),
			family == NFPROTO_IPV6 ? NFT_T_IPV6 : NFT_T_IPV4);
	if (attrs[NFTA_TPROXY_REG_PORT])
		s->port = nft_typed(
			nft_get_register(d, nft_unit_of(attrs[NFTA_TPROXY_REG_PORT])), NFT_T_PORT);
}

/* ---- iptables' own ---- */

static void add_xt(struct decoder *d, bool target, const struct nlattr *name,
	const struct nlattr *rev, const struct nlattr *info)
{
	struct nft_stmt *s = nft_add_stmt(d, STMT_XT);
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

void nft_decode_match(struct decoder *d, const struct nlattr **attrs)
{
	add_xt(d, false, attrs[NFTA_MATCH_NAME], attrs[NFTA_MATCH_REV], attrs[NFTA_MATCH_INFO]);
}

void nft_decode_target(struct decoder *d, const struct nlattr **attrs)
{
	add_xt(d, true, attrs[NFTA_TARGET_NAME], attrs[NFTA_TARGET_REV], attrs[NFTA_TARGET_INFO]);
}

/* ---- counters, limits and other objects ---- */

void nft_decode_counter(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_stmt *s = nft_add_stmt(d, STMT_COUNTER);

	s->packets = get_be64(attrs[NFTA_COUNTER_PACKETS]);
	s->bytes = get_be64(attrs[NFTA_COUNTER_BYTES]);
}

/* @text NULL: not understood. */
static void add_limit(struct decoder *d, const char *text, const char *name)
{
	if (text)
		nft_add_stmt(d, STMT_LIMIT)->text = text;
	else
		nft_add_unknown(d, name);
}

void nft_decode_limit(struct decoder *d, const struct nlattr **attrs)
{
	add_limit(d, nft_text_of_limit(d->a, attrs), "limit");
}

void nft_decode_quota(struct decoder *d, const struct nlattr **attrs)
{
	add_limit(d, nft_text_of_quota(d->a, attrs), "quota");
}

void nft_decode_connlimit(struct decoder *d, const struct nlattr **attrs)
{
	add_limit(d, nft_text_of_connlimit(d->a, attrs), "connlimit");
}

static void add_harmless(struct decoder *d, const char *text)
{
	nft_add_stmt(d, STMT_HARMLESS)->text = text;
}

void nft_decode_last(struct decoder *d, const struct nlattr **attrs)
{
	add_harmless(d, "last");
}

/* One of many objects, by a key. */
static void decode_object_map(struct decoder *d, const struct nlattr **attrs)
{
	const struct nft_set *map = nft_find_set(d, attrs[NFTA_OBJREF_SET_NAME]);
	const char *kind = map && map->objects ? map->objects : "";
	bool helper = strncmp(kind, "ct ", 3) == 0;
	const char *key;

	if (strcmp(kind, "counter") != 0 && !helper) {
		nft_add_unknown(d, "a map of objects");
		return;
	}
	key = text_of(d, nft_get_key(d, nft_unit_of(attrs[NFTA_OBJREF_SET_SREG]), map->key_len));
	add_harmless(d, arena_printf(d->a, "%s %s %s map @%s", kind, helper ? "set" : "name", key,
				map->name));
}

void nft_decode_objref(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_object like = {0};
	const struct nft_object *o;
	const char *name;
	struct nft_stmt *s;

	if (!attrs[NFTA_OBJREF_IMM_NAME]) {
		decode_object_map(d, attrs);
		return;
	}
	name = nft_get_string(d->a, attrs[NFTA_OBJREF_IMM_NAME]);
	if (get_be32(attrs[NFTA_OBJREF_IMM_TYPE]) == NFT_OBJECT_COUNTER) {
		nft_add_stmt(d, STMT_COUNTER)->chain = name;
		return;
	}
	nft_read_object(d->a, get_be32(attrs[NFTA_OBJREF_IMM_TYPE]), NULL, &like);
	o = nft_object_find(d->table, like.kind, name);
	if (strncmp(like.kind, "ct ", 3) == 0 || strcmp(like.kind, "secmark") == 0) {
		add_harmless(d, arena_printf(d->a, "%s set \"%s\"",
					like.kind[0] == 's' ? "meta secmark" : like.kind, name));
	} else if ((strcmp(like.kind, "limit") == 0 || strcmp(like.kind, "quota") == 0) && o &&
		   o->text) {
		s = nft_add_stmt(d, STMT_LIMIT);
		s->chain = name;
		s->text = arena_printf(d->a, "%s %s", o->kind, o->text);
	} else {
		nft_add_unknown(d, like.kind);
	}
}

/* ---- sets ---- */

/* What is tried of each packet with its element: "limit rate over 5/second". */
static const char *text_of_inner(struct decoder *d, const struct nlattr *nest)
{
	const struct nlattr *attrs[NFTA_EXPR_MAX + 1], *data[32] = {NULL};
	const char *name, *text = NULL;

	kernel_attrs_in(attrs, NFTA_EXPR_MAX, nest);
	name = nft_get_string(d->a, attrs[NFTA_EXPR_NAME]);
	if (!name)
		return "unknown";
	if (attrs[NFTA_EXPR_DATA])
		kernel_attrs_in(data, 31, attrs[NFTA_EXPR_DATA]);
	if (strcmp(name, "limit") == 0)
		text = nft_text_of_limit(d->a, data);
	else if (strcmp(name, "connlimit") == 0)
		text = nft_text_of_connlimit(d->a, data);
	else if (strcmp(name, "quota") == 0)
		text = nft_text_of_quota(d->a, data);
	return text ? text : name;
}

void nft_decode_dynset(struct decoder *d, const struct nlattr **attrs)
{
	static const enum nft_update updates[] = {[NFT_DYNSET_OP_ADD] = UPDATE_ADD,
		[NFT_DYNSET_OP_UPDATE] = UPDATE_UPDATE,
		[NFT_DYNSET_OP_DELETE] = UPDATE_DELETE};
	uint32_t op = get_be32(attrs[NFTA_DYNSET_OP]);
	struct nft_set *set = nft_find_set(d, attrs[NFTA_DYNSET_SET_NAME]);
	const struct nlattr *inner;
	struct nft_expr *key;
	struct nft_stmt *s;

	if (!set || op > NFT_DYNSET_OP_DELETE || get_be32(attrs[NFTA_DYNSET_FLAGS]) & ~2u) {
		nft_add_unknown(d, "dynset");
		return;
	}
	key = nft_get_key(d, nft_unit_of(attrs[NFTA_DYNSET_SREG_KEY]), set->key_len);
	s = nft_add_stmt(d, STMT_SET_UPDATE);
	s->expr = key;
	s->set = set;
	s->update = updates[op];
	s->timeout_ms = (uint32_t)get_be64(attrs[NFTA_DYNSET_TIMEOUT]);
	if (attrs[NFTA_DYNSET_SREG_DATA])
		s->port = nft_typed(nft_get_key(d, nft_unit_of(attrs[NFTA_DYNSET_SREG_DATA]),
					    set->data_len ? set->data_len : 4),
			set->n_data == 1 ? set->data[0].type : NFT_T_NONE);
	if (attrs[NFTA_DYNSET_EXPR])
		s->text = text_of_inner(d, attrs[NFTA_DYNSET_EXPR]);
	if (!attrs[NFTA_DYNSET_EXPRESSIONS])
		return;
	mnl_attr_for_each_nested(inner, attrs[NFTA_DYNSET_EXPRESSIONS])
	{
		const char *text = text_of_inner(d, inner);

		s->text = s->text ? arena_printf(d->a, "%s %s", s->text, text) : text;
	}
}

void nft_decode_flow(struct decoder *d, const struct nlattr **attrs)
{
	nft_add_stmt(d, STMT_FLOW_ADD)->chain = nft_get_string(d->a, attrs[NFTA_FLOW_TABLE_NAME]);
}

/* ---- other statements ---- */

void nft_decode_reject(struct decoder *d, const struct nlattr **attrs)
{
	nft_add_stmt(d, STMT_REJECT)->text =
		nft_text_of_reject(d->a, attrs, d->table->family, nft_is_ip6(d));
}

void nft_decode_log(struct decoder *d, const struct nlattr **attrs)
{
	nft_add_stmt(d, STMT_LOG)->text = nft_text_of_log(d->a, attrs);
}

void nft_decode_notrack(struct decoder *d, const struct nlattr **attrs)
{
	nft_add_stmt(d, STMT_NOTRACK);
}

void nft_decode_queue(struct decoder *d, const struct nlattr **attrs)
{
	struct nft_stmt *s = nft_add_stmt(d, STMT_VERDICT);

	s->verdict = VERDICT_QUEUE;
	s->text = nft_text_of_queue(d->a, attrs);
}

void nft_decode_dup(struct decoder *d, const struct nlattr **attrs)
{
	enum nft_type address = d->table->family == FAMILY_IP6 ? NFT_T_IPV6 : NFT_T_IPV4;
	const char *to = "", *device = "";

	if (attrs[NFTA_DUP_SREG_ADDR])
		to = text_of(
			d, nft_typed(nft_get_register(d, nft_unit_of(attrs[NFTA_DUP_SREG_ADDR])),
				   address));
	if (attrs[NFTA_DUP_SREG_DEV])
		device = text_of(
			d, nft_typed(nft_get_register(d, nft_unit_of(attrs[NFTA_DUP_SREG_DEV])),
				   NFT_T_IFINDEX));
	add_harmless(d,
		arena_printf(d->a, "dup to %s%s%s", to, *to && *device ? " device " : "", device));
}
