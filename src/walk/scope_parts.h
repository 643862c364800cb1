/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What scope.c, which reads nft's own matches, and scope_xt.c, which reads iptables', share. */
#ifndef WALK_SCOPE_PARTS_H
#define WALK_SCOPE_PARTS_H

#include "walk/scope.h"

#define SCOPE_STATES (CT_INVALID | CT_ESTABLISHED | CT_RELATED | CT_NEW | CT_UNTRACKED)

struct scope_reading {
	struct arena *arena;
	const struct netstate *net;
	struct scopes alternatives; /* what the match in hand asks for: one of these */
};

/* One more of them, of any packet. */
struct scope *scope_alternative(struct scope_reading *r);
/* The match says nothing that a scope could hold. */
void scope_all_of_it(struct scope_reading *r);
void scope_read_address(
	struct scope *s, bool source, uint8_t family, const uint8_t *first, const uint8_t *last);
/* A match of iptables. */
void scope_read_xt(struct scope_reading *r, const struct nft_xt *x);

#endif
