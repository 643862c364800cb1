/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules to the kernel's register programs: what rules do. See nft_encode.c. */
#include "kernel/nft_encode.h"

#include <errno.h>
#include <string.h>

void nft_put_verdict(struct nlmsghdr *nlh, int32_t verdict, const char *chain)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NFTA_DATA_VERDICT);

	put_be32(nlh, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (verdict == VERDICT_JUMP || verdict == VERDICT_GOTO)
		mnl_attr_put_strz(nlh, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(nlh, nest);
}

static void cannot_write(struct encoder *e, const struct nft_stmt *s)
{
	nft_batch_fail(e->b, EOPNOTSUPP, "cannot write the statement '%s'",
		s->kind == STMT_XT ? s->xt.name
		: s->text	   ? s->text
				   : "unknown");
}

static void put_verdict_stmt(struct encoder *e, const struct nft_stmt *s)
{
	struct nft_instruction i;
	struct nlattr *nest;

	if (s->verdict == VERDICT_QUEUE) {
		if (!nft_put_queue(e->nlh, s->text))
			cannot_write(e, s);
		return;
	}
	i = nft_begin(e->nlh, "immediate");
	put_be32(e->nlh, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	nest = mnl_attr_nest_start(e->nlh, NFTA_IMMEDIATE_DATA);
	nft_put_verdict(e->nlh, s->verdict, s->chain);
	mnl_attr_nest_end(e->nlh, nest);
	nft_end(e->nlh, i);
}

/* ---- marks and other fields ---- */

/* `meta KEY set` or `ct KEY set` of what is in the first register. @direction: of a zone. */
static void put_set_keyed(struct encoder *e, bool ct, uint32_t key, enum nft_direction direction)
{
	struct nft_instruction i = nft_begin(e->nlh, ct ? "ct" : "meta");

	put_be32(e->nlh, ct ? NFTA_CT_KEY : NFTA_META_KEY, key);
	if (direction != DIRECTION_NONE)
		mnl_attr_put_u8(e->nlh, NFTA_CT_DIRECTION, direction == DIRECTION_REPLY);
	nft_put_register(e, ct ? NFTA_CT_SREG : NFTA_META_SREG, 0);
	nft_end(e->nlh, i);
}

static void put_set_mark(struct encoder *e, const struct nft_stmt *s)
{
	bool ct = s->kind == STMT_SET_CT_MARK;

	nft_put_expr(e, s->expr, 0, false);
	put_set_keyed(e, ct, ct ? NFT_CT_MARK : NFT_META_MARK, DIRECTION_NONE);
}

/* Which checksum covers a field, and where it is. */
static void put_checksum(struct encoder *e, enum nft_selector s)
{
	const struct nft_load *l = &nft_loads[s];
	bool address =
		s == SEL_IP_SADDR || s == SEL_IP_DADDR || s == SEL_IP6_SADDR || s == SEL_IP6_DADDR;
	uint32_t type = NFT_PAYLOAD_CSUM_NONE, offset = 0;

	if (l->key == NFT_PAYLOAD_NETWORK_HEADER && l->family == FAMILY_IP) {
		type = NFT_PAYLOAD_CSUM_INET;
		offset = 10;
	} else if (l->key == NFT_PAYLOAD_TRANSPORT_HEADER) {
		type = e->proto == PROTO_SCTP ? NFT_PAYLOAD_CSUM_SCTP : NFT_PAYLOAD_CSUM_INET;
		offset = e->proto == PROTO_TCP	  ? 16
			 : e->proto == PROTO_UDP  ? 6
			 : e->proto == PROTO_SCTP ? 8
						  : 2;
	}
	put_be32(e->nlh, NFTA_PAYLOAD_CSUM_TYPE, type);
	put_be32(e->nlh, NFTA_PAYLOAD_CSUM_OFFSET, offset);
	put_be32(e->nlh, NFTA_PAYLOAD_CSUM_FLAGS, address ? NFT_PAYLOAD_L4CSUM_PSEUDOHDR : 0);
}

/* Bits of two bytes of the packet, since checksums are made of such. */
static void replace_bits(struct encoder *e, const struct nft_stmt *s, uint32_t offset, uint32_t len)
{
	const struct nft_load *l = &nft_loads[s->selector];
	uint8_t field[16], mask[16],
		xor[16] = {
			0};
	uint32_t at = l->offset - offset;

	nft_load_mask(s->selector, field);
	memset(mask, 0xff, sizeof(mask));
	for (unsigned int i = 0; i < nft_load_len(s->selector); i++)
		mask[at + i] = (uint8_t)~field[i];
	if (l->shift)
		nft_load_shift_in(s->selector, s->expr->value[0], xor+at);
	else
		memcpy(xor+at, s->expr->value, nft_load_len(s->selector));
	nft_put_payload_load(e, l->key, offset, len);
	nft_put_bitwise(e, mask, xor, 0, len);
}

static void put_set_payload(struct encoder *e, const struct nft_stmt *s)
{
	const struct nft_load *l = &nft_loads[s->selector];
	uint32_t offset = l->offset, len = nft_load_len(s->selector);
	struct nft_instruction i;

	if (l->shift || len == 1) {
		if (s->expr->kind != EXPR_VALUE) {
			cannot_write(e, s);
			return;
		}
		offset &= ~1u;
		len = 2;
		replace_bits(e, s, offset, len);
	} else {
		nft_put_expr(e, s->expr, 0, false);
	}
	i = nft_begin(e->nlh, "payload");
	nft_put_register(e, NFTA_PAYLOAD_SREG, 0);
	put_be32(e->nlh, NFTA_PAYLOAD_BASE, l->key);
	put_be32(e->nlh, NFTA_PAYLOAD_OFFSET, offset);
	put_be32(e->nlh, NFTA_PAYLOAD_LEN, len);
	put_checksum(e, s->selector);
	nft_end(e->nlh, i);
}

static void put_set_option(struct encoder *e, const struct nft_stmt *s)
{
	const struct nft_load *l = &nft_loads[s->selector];
	struct nft_instruction i;

	/* The route's is in host order. */
	nft_put_expr(e, s->expr, 0, true);
	i = nft_begin(e->nlh, "exthdr");
	nft_put_register(e, NFTA_EXTHDR_SREG, 0);
	mnl_attr_put_u8(e->nlh, NFTA_EXTHDR_TYPE, (uint8_t)l->key);
	put_be32(e->nlh, NFTA_EXTHDR_OFFSET, l->offset);
	put_be32(e->nlh, NFTA_EXTHDR_LEN, 2);
	put_be32(e->nlh, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
	nft_end(e->nlh, i);
}

static void put_set(struct encoder *e, const struct nft_stmt *s)
{
	static const struct {
		const char *text;
		bool ct;
		uint32_t key;
		enum nft_direction direction;
	} others[] = {{"meta nftrace", false, NFT_META_NFTRACE, DIRECTION_NONE},
		{"meta secmark", false, NFT_META_SECMARK, DIRECTION_NONE},
		{"ct label", true, NFT_CT_LABELS, DIRECTION_NONE},
		{"ct event", true, NFT_CT_EVENTMASK, DIRECTION_NONE},
		{"ct secmark", true, NFT_CT_SECMARK, DIRECTION_NONE},
		{"ct original zone", true, NFT_CT_ZONE, DIRECTION_ORIGINAL},
		{"ct reply zone", true, NFT_CT_ZONE, DIRECTION_REPLY}};
	const struct nft_load *l = &nft_loads[s->selector];

	switch (l->kind) {
	case LOAD_PAYLOAD:
		put_set_payload(e, s);
		return;
	case LOAD_TCP_OPTION:
		put_set_option(e, s);
		return;
	case LOAD_META:
	case LOAD_CT:
		nft_put_expr(e, s->expr, 0, false);
		put_set_keyed(e, l->kind == LOAD_CT, l->key, DIRECTION_NONE);
		return;
	case LOAD_NONE:
	case LOAD_FIB:
	case LOAD_ROUTE:
		break;
	}
	for (size_t i = 0; s->text && i < sizeof(others) / sizeof(*others); i++) {
		if (strcmp(others[i].text, s->text) != 0)
			continue;
		nft_put_expr(e, s->expr, 0, false);
		put_set_keyed(e, others[i].ct, others[i].key, others[i].direction);
		return;
	}
	cannot_write(e, s);
}

/* ---- NAT ---- */

static void put_nat(struct encoder *e, const struct nft_stmt *s)
{
	uint32_t flags = nft_nat_flags_for(s->nat_flags);
	/* One behind the other, as nft lays them out. */
	unsigned int last = NFT_SECOND, port = s->expr_last ? NFT_THIRD : NFT_SECOND,
		     port_last = port + NFT_SECOND;
	struct nft_instruction i;

	if (!s->expr)
		port = 0, port_last = NFT_SECOND;
	if (s->expr)
		nft_put_expr(e, s->expr, 0, false);
	if (s->expr_last)
		nft_put_expr(e, s->expr_last, last, false);
	if (s->port)
		nft_put_expr(e, s->port, port, false);
	if (s->port_last)
		nft_put_expr(e, s->port_last, port_last, false);
	i = nft_begin(e->nlh, "nat");
	put_be32(e->nlh, NFTA_NAT_TYPE, s->dnat ? NFT_NAT_DNAT : NFT_NAT_SNAT);
	put_be32(e->nlh, NFTA_NAT_FAMILY,
		s->nat_family == IP_V6	 ? NFPROTO_IPV6
		: s->nat_family == IP_V4 ? NFPROTO_IPV4
					 : NFPROTO_INET);
	if (s->expr)
		nft_put_register(e, NFTA_NAT_REG_ADDR_MIN, 0);
	if (s->expr_last)
		nft_put_register(e, NFTA_NAT_REG_ADDR_MAX, last);
	if (s->port)
		nft_put_register(e, NFTA_NAT_REG_PROTO_MIN, port);
	else if (s->map_gives_port)
		nft_put_register(e, NFTA_NAT_REG_PROTO_MIN, ip_bytes(s->nat_family) / 4);
	if (s->port_last)
		nft_put_register(e, NFTA_NAT_REG_PROTO_MAX, port_last);
	if (flags)
		put_be32(e->nlh, NFTA_NAT_FLAGS, flags);
	nft_end(e->nlh, i);
}

static void put_to_self(struct encoder *e, const struct nft_stmt *s)
{
	static const struct {
		const char *name;
		uint16_t min, max, flags;
	} kinds[] = {{"masq", NFTA_MASQ_REG_PROTO_MIN, NFTA_MASQ_REG_PROTO_MAX, NFTA_MASQ_FLAGS},
		{"redir", NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX, NFTA_REDIR_FLAGS}};
	unsigned int k = s->kind == STMT_REDIRECT;
	struct nft_instruction i;

	if (s->port)
		nft_put_expr(e, s->port, 0, false);
	if (s->port_last)
		nft_put_expr(e, s->port_last, NFT_SECOND, false);
	i = nft_begin(e->nlh, kinds[k].name);
	if (s->port)
		nft_put_register(e, kinds[k].min, 0);
	if (s->port_last)
		nft_put_register(e, kinds[k].max, NFT_SECOND);
	if (s->nat_flags)
		put_be32(e->nlh, kinds[k].flags, nft_nat_flags_for(s->nat_flags));
	nft_end(e->nlh, i);
}

static void put_tproxy(struct encoder *e, const struct nft_stmt *s)
{
	unsigned int port = s->expr ? NFT_SECOND : 0;
	struct nft_instruction i;

	if (s->expr)
		nft_put_expr(e, s->expr, 0, false);
	if (s->port)
		nft_put_expr(e, s->port, port, false);
	i = nft_begin(e->nlh, "tproxy");
	put_be32(e->nlh, NFTA_TPROXY_FAMILY,
		s->nat_family == IP_V6	 ? NFPROTO_IPV6
		: s->nat_family == IP_V4 ? NFPROTO_IPV4
					 : NFPROTO_UNSPEC);
	if (s->expr)
		nft_put_register(e, NFTA_TPROXY_REG_ADDR, 0);
	if (s->port)
		nft_put_register(e, NFTA_TPROXY_REG_PORT, port);
	nft_end(e->nlh, i);
}

/* ---- objects and sets ---- */

static void put_objref(struct encoder *e, uint32_t type, const char *name)
{
	struct nft_instruction i = nft_begin(e->nlh, "objref");

	put_be32(e->nlh, NFTA_OBJREF_IMM_TYPE, type);
	mnl_attr_put_strz(e->nlh, NFTA_OBJREF_IMM_NAME, name);
	nft_end(e->nlh, i);
}

static void put_counter(struct encoder *e, const struct nft_stmt *s)
{
	if (s->chain)
		put_objref(e, NFT_OBJECT_COUNTER, s->chain);
	else
		nft_end(e->nlh, nft_begin(e->nlh, "counter"));
}

static void put_limit(struct encoder *e, const struct nft_stmt *s)
{
	if (s->chain)
		put_objref(e,
			s->text && strncmp(s->text, "quota", 5) == 0 ? NFT_OBJECT_QUOTA
								     : NFT_OBJECT_LIMIT,
			s->chain);
	else if (!s->text || !nft_put_limit(e->nlh, s->text))
		cannot_write(e, s);
}

static void put_update(struct encoder *e, const struct nft_stmt *s)
{
	static const uint32_t ops[] = {[UPDATE_ADD] = NFT_DYNSET_OP_ADD,
		[UPDATE_UPDATE] = NFT_DYNSET_OP_UPDATE,
		[UPDATE_DELETE] = NFT_DYNSET_OP_DELETE};
	struct nft_instruction i;
	struct nlattr *inner;

	nft_put_expr(e, s->expr, 0, false);
	if (s->port)
		nft_put_expr(e, s->port, NFT_SECOND, false);
	i = nft_begin(e->nlh, "dynset");
	nft_put_register(e, NFTA_DYNSET_SREG_KEY, 0);
	if (s->port)
		nft_put_register(e, NFTA_DYNSET_SREG_DATA, NFT_SECOND);
	put_be32(e->nlh, NFTA_DYNSET_OP, ops[s->update]);
	nft_put_set_name(e, s->set, NFTA_DYNSET_SET_NAME, NFTA_DYNSET_SET_ID);
	if (s->timeout_ms)
		put_be64(e->nlh, NFTA_DYNSET_TIMEOUT, s->timeout_ms);
	if (s->text) { /* an instruction of a list, but that it has another attribute here */
		inner = mnl_nlmsg_get_payload_tail(e->nlh);
		if (nft_put_limit(e->nlh, s->text))
			inner->nla_type = NFTA_DYNSET_EXPR | NLA_F_NESTED;
		else
			cannot_write(e, s);
	}
	nft_end(e->nlh, i);
}

static void put_flow(struct encoder *e, const struct nft_stmt *s)
{
	struct nft_instruction i = nft_begin(e->nlh, "flow_offload");

	mnl_attr_put_strz(e->nlh, NFTA_FLOW_TABLE_NAME, s->chain);
	nft_end(e->nlh, i);
}

/* ---- iptables' own ---- */

static void put_xt(struct encoder *e, const struct nft_stmt *s)
{
	const struct nft_xt *x = &s->xt;
	struct nft_instruction i;

	if (x->hollow || !x->name) {
		cannot_write(e, s);
		return;
	}
	i = nft_begin(e->nlh, x->target ? "target" : "match");
	mnl_attr_put_strz(e->nlh, x->target ? NFTA_TARGET_NAME : NFTA_MATCH_NAME, x->name);
	put_be32(e->nlh, x->target ? NFTA_TARGET_REV : NFTA_MATCH_REV, x->rev);
	mnl_attr_put(e->nlh, x->target ? NFTA_TARGET_INFO : NFTA_MATCH_INFO, x->info_len,
		x->info ? (const void *)x->info : "");
	nft_end(e->nlh, i);
}

void nft_put_stmt(struct encoder *e, const struct nft_stmt *s)
{
	switch (s->kind) {
	case STMT_MATCH:
		nft_put_match(e, s);
		break;
	case STMT_VMAP:
		nft_put_expr(e, s->expr, 0, s->set->flags & SET_INTERVAL);
		nft_put_lookup(e, s->set, 0, TO_VERDICT, false);
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
		nft_end(e->nlh, nft_begin(e->nlh, "notrack"));
		break;
	case STMT_REJECT:
		if (!nft_put_reject(e->nlh, s->text, e->family, nft_encodes_ip6(e)))
			cannot_write(e, s);
		break;
	case STMT_LOG:
		if (!nft_put_log(e->nlh, s->text))
			cannot_write(e, s);
		break;
	case STMT_LIMIT:
		put_limit(e, s);
		break;
	case STMT_XT:
		put_xt(e, s);
		break;
	case STMT_TPROXY:
		put_tproxy(e, s);
		break;
	case STMT_SET:
		put_set(e, s);
		break;
	case STMT_SET_UPDATE:
		put_update(e, s);
		break;
	case STMT_FLOW_ADD:
		put_flow(e, s);
		break;
	case STMT_HARMLESS:
	case STMT_UNKNOWN:
		cannot_write(e, s);
		break;
	}
}
