/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic keeper: what went through the maps, looked at when somebody asks. The metrics and the API share
 * the looks, so each of them makes the other's counts more exact.
 */
#ifndef DAEMON_TRAFFIC_KEEPER_H
#define DAEMON_TRAFFIC_KEEPER_H

#include "daemon/daemon.h"
#include "report/traffic.h"

struct traffic_keeper;
void traffic_keeper_free(struct traffic_keeper *k); /* NULL is fine */

/* What a look has found. */
struct traffic_look {
	uint64_t at_ms; /* wall clock */
	/* Does the kernel count packets and bytes, or did it? Else zeros would say what is not known. */
	bool counted;
	const struct traffic_total *totals; /* valid until the next look */
	size_t n;
};

/* Look at all connections now, which takes the longer the more there are. @since, which is initialised:
 * what they carried since the look before. False: there is no plan, or the kernel does not give them. */
bool traffic_look_now(struct daemon *d, const struct fastpath_accounts *fast, struct sums *since,
	struct traffic_look *out);

/* The last look, or a new one where that is a second old; later where looking takes so long that it would
 * take more than a tenth of the time. */
bool traffic_look_lately(struct daemon *d, struct traffic_look *out);

#endif
