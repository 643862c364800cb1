/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads which address translation a rule asks for, without a packet: a map is left to the reader. */
#include "walk/scope.h"
#include "walk/xt.h"

static uint16_t port16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void take_addr(const struct nft_expr *e, struct ip_addr *addr, bool *unknown)
{
	if (e->kind == EXPR_VALUE && (e->value_len == 4 || e->value_len == 16))
		*addr = ip_from_bytes(e->value_len == 4 ? IP_V4 : IP_V6, e->value);
	else
		*unknown = true;
}

static void take_port(const struct nft_expr *e, uint16_t *port, bool *unknown)
{
	if (e->kind == EXPR_VALUE && e->value_len >= 2)
		*port = port16(e->value);
	else
		*unknown = true;
}

static void read_nft(const struct nft_stmt *s, struct walk_nat *out, const struct nft_expr **map)
{
	if (s->expr && s->expr->kind == EXPR_MAP)
		*map = s->expr;
	else if (s->expr)
		take_addr(s->expr, &out->first, &out->addr_unknown);
	out->last = out->first;
	if (s->expr_last && !*map)
		take_addr(s->expr_last, &out->last, &out->addr_unknown);
	if (s->port)
		take_port(s->port, &out->port_first, &out->port_unknown);
	out->port_last = out->port_first;
	if (s->port_last)
		take_port(s->port_last, &out->port_last, &out->port_unknown);
	out->random = s->nat_flags & (NAT_RANDOM | NAT_FULLY_RANDOM);
}

void scope_nat(const struct nft_stmt *s, uint8_t family, enum nft_hook hook, struct walk_nat *out,
	const struct nft_expr **map)
{
	const struct packet any = {.family = family};

	*out = (struct walk_nat){0};
	*map = NULL;
	switch (s->kind) {
	case STMT_NAT:
		out->kind = s->dnat ? WALK_NAT_DESTINATION : WALK_NAT_SOURCE;
		break;
	case STMT_MASQUERADE:
		out->kind = WALK_NAT_MASQUERADE;
		break;
	case STMT_REDIRECT:
		out->kind = WALK_NAT_REDIRECT;
		break;
	case STMT_XT:
		if (s->xt.target)
			walk_xt_nat(hook, &any, &s->xt, out);
		return;
	case STMT_MATCH:
	case STMT_VMAP:
	case STMT_VERDICT:
	case STMT_SET_MARK:
	case STMT_SET_CT_MARK:
	case STMT_COUNTER:
	case STMT_REJECT:
	case STMT_LOG:
	case STMT_LIMIT:
	case STMT_NOTRACK:
	case STMT_TPROXY:
	case STMT_SET:
	case STMT_SET_UPDATE:
	case STMT_FLOW_ADD:
	case STMT_HARMLESS:
	case STMT_UNKNOWN:
		return;
	}
	read_nft(s, out, map);
}

bool scope_rule_translates(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		const struct nft_expr *map;
		struct walk_nat nat;

		scope_nat(s, IP_V4, HOOK_PREROUTING, &nat, &map);
		if (nat.kind != WALK_NAT_NONE)
			return true;
	}
	return false;
}
