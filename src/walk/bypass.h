/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bypass: would the packets of a connection that was walked take the fast path?
 *
 * As bpf/fastpath.bpf.c decides it of each packet, by what a journey knows of the connection. The first
 * packets are the kernel's in any case, and so are those that nobody asks about here: SYN, FIN and RST,
 * fragments, IP options.
 */
#ifndef WALK_BYPASS_H
#define WALK_BYPASS_H

#include "plan/plan.h"
#include "walk/journey.h"

struct bypass {
	bool asked; /* the plan wants it on an interface of this connection, which gets through; else
		     * nothing is said */
	enum tri takes;
	const char *
		reason; /* where it does not, as the programs count it: "home"; also "interface", where
			     * one has no program; NULL: none of these */
	const char *why; /* one line */
};

/* @p NULL: no plan is known. @now NULL: nothing is known of what is attached, only of what is wanted. */
void walk_bypass(struct arena *a, const struct plan *p, const struct netstate *net,
	const struct journey *j, const struct fastpath_now *now, struct bypass *out);

#endif
