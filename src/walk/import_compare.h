/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks a machine as it was and as an imported config would make it, and tells the differences. */
#ifndef WALK_IMPORT_COMPARE_H
#define WALK_IMPORT_COMPARE_H

#include "walk/findings.h"
#include "walk/import.h"
#include "walk/journey.h"

struct import_difference {
	const char *what; /* "tcp 2.2.2.2:80, a client far away by eth1" */
	enum journey_verdict before, after;
	const char *why_before, *why_after;
	bool regresses;			      /* it worked, and would not, or goes elsewhere */
	VEC(const struct pitfall *) pitfalls; /* of before, that after has not */
};

struct import_comparison {
	size_t journeys;
	VEC(struct import_difference) differences;
};

/* Every forward that was carried over, from every place that a client can be. @then: the machine with
 * the config in force. */
void import_compare(struct arena *a, const struct gateway *g, const struct import *im,
	const struct netstate *then, struct import_comparison *out);

#endif
