/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Iptables' own matches and targets, which iptables-nft leaves in nftables rules as opaque blobs:
 * those met in practice, decided on a packet.
 *
 * The packet is taken to be an ordinary one: rates are kept, it has no IPv6 extension headers, and it
 * is the first that its sender is seen with (`recent`).
 */
#ifndef WALK_XT_H
#define WALK_XT_H

#include "walk/rules.h"

/* For an unknown answer *@why says in words what is not known. */
enum tri walk_xt_match(const struct netstate *net, const struct packet *p, const struct nft_xt *x,
	const char **why);

enum xt_effect {
	EFFECT_CONTINUE,
	EFFECT_REJECT,
	EFFECT_MAPPED, /* an address translation was set up: accepted */
	EFFECT_LOST,   /* takes the packet where the walk cannot follow */
};
/* What target @x does, also to @p. For EFFECT_LOST *@why says why. */
enum xt_effect walk_xt_target(struct packet *p, const struct nft_xt *x, const char **why);

/* Does the target write the packet's mark (or, @ct, the connection's)? *@bits: those it may change;
 * *@sets: those it sets to one, where that is known. */
bool walk_xt_writes_mark(const struct nft_xt *x, bool ct, uint32_t *bits, uint32_t *sets);

#endif
