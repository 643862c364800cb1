/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scope: the packets that a rule is for, as far as it names single fields.
 *
 * For those who read rules without a packet at hand. What a scope cannot say (a negation, a rate, a
 * source port, ...) is left out and noted in `more`: the rule is then for some of these packets only.
 */
#ifndef WALK_SCOPE_H
#define WALK_SCOPE_H

#include "netstate/netstate.h"
#include "walk/rules.h"

#define SCOPE_MAX 4096 /* alternatives of one rule that are told apart; more are one with `more` */

struct scope {
	uint8_t family, proto;	   /* IP_NONE, 0: any */
	struct ip_prefix src, dst; /* family IP_NONE: any */
	bool dst_local;		   /* an address of this machine */
	uint16_t first, last;	   /* destination ports; 0 and 65535: any */
	const char *in, *out;	   /* interfaces, may end in '*' or '+'; NULL: any */
	bool in_inverted, out_inverted;
	uint32_t states;	  /* enum ct_state: one of these; 0: any */
	bool only_dnat, not_dnat; /* by the connection's status */
	uint8_t direction;	  /* 0 any, 1 original, 2 reply */
	uint32_t mark, mark_mask; /* of the packet, and of the connection; mask 0: any */
	uint32_t ct_mark, ct_mark_mask;
	bool looks_back; /* asks the routes for a way back to the sender */
	bool more;
};
struct scopes {
	VEC(struct scope) items; /* one of them; empty: no packet */
};

static inline struct scope scope_any(uint8_t family)
{
	return (struct scope){.family = family, .last = UINT16_MAX};
}

/* Is every packet of @b one of @a? Certain: false where it cannot be told. */
bool scope_covers(const struct scope *a, const struct scope *b);

/* The packets of @within that match @s (STMT_MATCH or a match of iptables; all others leave it). */
void scopes_match(struct arena *a, const struct netstate *net, const struct nft_stmt *s,
	const struct scopes *within, struct scopes *out);
/* Those that match all of a rule's matches. */
void scopes_rule(struct arena *a, const struct netstate *net, const struct nft_rule *r,
	const struct scopes *within, struct scopes *out);
/* The same of any packets of @family (IP_NONE: of both). */
void scopes_of_rule(struct arena *a, const struct netstate *net, uint8_t family,
	const struct nft_rule *r, struct scopes *out);
/* The packets of @within for which the expression @e (a key of @set) falls on element @i. */
void scopes_element(struct arena *a, const struct netstate *net, const struct nft_expr *e,
	const struct nft_set *set, size_t i, const struct scopes *within, struct scopes *out);

/* Which translation the statement asks for at @hook; kind NONE: none, or by a map (then *@map is it). */
void scope_nat(const struct nft_stmt *s, uint8_t family, enum nft_hook hook, struct walk_nat *out,
	const struct nft_expr **map);
/* Does the rule, once it is reached, let the packet pass? Does it translate? */
bool scope_rule_accepts(const struct nft_rule *r);
bool scope_rule_translates(const struct nft_rule *r);

#endif
