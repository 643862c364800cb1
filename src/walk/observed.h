/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Observed: what the kernel really did with a packet, and where the walk says otherwise.
 *
 * From nft's trace and captures (trace, explain --prove). iptables-legacy's tables leave no trace, and
 * a rule that matched without a verdict of its own leaves one in both.
 */
#ifndef WALK_OBSERVED_H
#define WALK_OBSERVED_H

#include "walk/journey.h"

enum observed_kind {
	OBSERVED_RULE,	 /* the packet matched a rule */
	OBSERVED_RETURN, /* it left a chain */
	OBSERVED_POLICY, /* it came to the end of a base chain */
};

struct observed_step {
	enum observed_kind kind;
	enum nft_family family;
	const char *table, *chain;
	uint64_t handle;      /* RULE */
	int32_t verdict;      /* enum nft_verdict */
	const char *target;   /* of a jump or goto; NULL */
	const char *in, *out; /* interfaces at that hook; NULL: none */
	uint32_t mark;
	struct packet packet; /* its headers there, as far as the kernel told */
};

/* One packet on one machine. */
struct observed_leg {
	bool seen;		   /* it was seen at all */
	const char *in, *out;	   /* interfaces where it was captured; NULL: nowhere */
	bool delivered;		   /* to this machine itself */
	bool answered_refusal;	   /* an ICMP error or a reset came back instead */
	struct packet first, last; /* as captured coming in and going out */
	VEC(struct observed_step) steps;
};

/* A place where walk and kernel disagree. */
struct observed_difference {
	const struct journey_step *walked; /* NULL: the walk has nothing there */
	const struct observed_step *seen;  /* NULL: the kernel has nothing there */
	const char *text;		   /* "the walk: ...; the kernel: ..." */
};
struct observed_differences {
	VEC(struct observed_difference) items;
	size_t agreed; /* steps on which both agree */
};

/* Compare a leg with what was seen of it: end, interfaces, addresses, and of each rule that the kernel
 * told of. Texts live in @a. */
void observed_compare(struct arena *a, const struct journey_leg *walked,
	const struct observed_leg *seen, struct observed_differences *out);

#endif
