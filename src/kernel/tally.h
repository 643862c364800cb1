/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tally: what the kernel counts: replies that went astray, how full conntrack is. Cheap to ask. */
#ifndef KERNEL_TALLY_H
#define KERNEL_TALLY_H

#include "kernel/nl.h"
#include "netstate/ruleset.h"

/* The counters of our own table, into the zeroed @out; none where there is no such table. 0 or -errno. */
struct tally_counters {
	VEC(struct nft_counter) items;
};
int kernel_tally_counters(
	struct kernel *k, struct arena *a, struct tally_counters *out, struct kernel_error *e);
/* Packets that @uplink's counter of misrouted replies has; false: there is no such counter. */
bool tally_misrouted(const struct tally_counters *c, const char *uplink, uint64_t *packets);

enum tally_switch { TALLY_UNKNOWN, TALLY_OFF, TALLY_ON };

struct tally_conntrack {
	bool known;		 /* of the next two */
	uint64_t entries, limit; /* in this namespace; for all together */
	/* Are packets and bytes counted, and is the start kept, of connections that begin now? */
	enum tally_switch accounting, timestamps;
};
void kernel_tally_conntrack(struct kernel *k, struct tally_conntrack *out);

#endif
