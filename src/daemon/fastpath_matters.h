/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the kernel's events the fast path must be told of.
 *
 * Each costs every flow one packet by the kernel's own path, and each flow is proved anew once a second
 * anyway: so what happens often and changes nothing is passed over, and what comes in floods is told of
 * ten times a second at most.
 */
#ifndef DAEMON_FASTPATH_MATTERS_H
#define DAEMON_FASTPATH_MATTERS_H

#include "kernel/events.h"

#define FASTPATH_TELL_MS    100u
#define FASTPATH_NEIGHBOURS 4096u /* a power of two */

/* Neighbours as they were told of last. Two may want one place: then the later one has it, and the other
 * is news again. */
struct fastpath_neighbours {
	struct fastpath_neighbour {
		uint32_t interface; /* 0: free */
		struct ip_addr addr;
		uint8_t mac[6];
	} places[FASTPATH_NEIGHBOURS];
};

/* Notes what neighbours there are. */
bool fastpath_event_matters(struct fastpath_neighbours *n, const struct kernel_event *e);

/* When to tell: at once (0), or so many ms from @now_ms, if it was told last at @told_ms (0: never). */
uint64_t fastpath_tell_in(uint64_t told_ms, uint64_t now_ms);

#endif
