/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Iptables' own matches and targets, which nftables rules of iptables-nft carry as opaque blobs and
 * iptables-legacy as they are: those met in practice, decided on a packet.
 *
 * The packet is taken to be an ordinary one: rates are kept, it has no IPv6 extension headers, and it
 * is the first that its sender is seen with (`recent`).
 */
#ifndef WALK_XT_H
#define WALK_XT_H

#include "walk/value.h"

/* For an unknown answer @doubt says why. */
enum tri walk_xt_match(const struct netstate *net, const struct packet *p, const struct nft_xt *x,
	struct walk_doubt *doubt);

enum xt_effect {
	EFFECT_CONTINUE,
	EFFECT_REJECT,
	EFFECT_MAPPED,	    /* an address translation was set up: accepted */
	EFFECT_TPROXY,	    /* given to a local socket, or dropped */
	EFFECT_UNTRACK,	    /* conntrack shall leave it alone */
	EFFECT_MAY_UNTRACK, /* perhaps: @why */
	EFFECT_LOST,	    /* takes the packet where the walk cannot follow: @why */
};
struct walk_xt_effect {
	enum xt_effect effect;
	const char *why;     /* a string constant */
	uint8_t did;	     /* bits of enum step_did: what @p shows */
	struct walk_nat nat; /* MAPPED, TPROXY: how; the packet is as it was */
};
/* What target @x does at @hook; what it writes is written into @p. */
void walk_xt_target(const struct netstate *net, enum nft_hook hook, struct packet *p,
	const struct nft_xt *x, struct walk_xt_effect *out);

/* The translation that a target's blob asks for, kind NONE if it is no such target; xt_nat.c. */
void walk_xt_nat(
	enum nft_hook hook, const struct packet *p, const struct nft_xt *x, struct walk_nat *out);

/* Does the target write the packet's mark (or, @ct, the connection's)? *@bits: those it may change;
 * *@sets: those it sets to one, where that is known. */
bool walk_xt_writes_mark(const struct nft_xt *x, bool ct, uint32_t *bits, uint32_t *sets);

#endif
