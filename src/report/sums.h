/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sums: connections added up, by map and home, and by the addresses that SNAT takes ports of. */
#ifndef REPORT_SUMS_H
#define REPORT_SUMS_H

#include "report/mapped.h"

struct sums_pair {
	const struct map *map;		/* NULL: of no map any more */
	const struct plan_uplink *home; /* NULL: began inside */
	uint64_t connections, begun;	/* open ones; of them, begun since the last look */
	uint64_t packets[2], bytes[2];	/* of requests, of replies; as far as they are counted */
};

/* One source address towards one backend's port: of each there are at most 65,535 connections. */
struct sums_snat {
	uint8_t proto;
	struct ip_addr source, backend;
	uint16_t port;
	uint64_t connections;
};

struct places;
struct sums {
	struct arena *arena;
	VEC(struct sums_pair) pairs;
	VEC(struct sums_snat) snats;
	struct places *pair_index, *snat_index;
	bool counted; /* some connection's bytes are */
};

void sums_init(struct sums *s, struct arena *a);
void sums_add(struct sums *s, const struct mapped_flow *f);

#endif
