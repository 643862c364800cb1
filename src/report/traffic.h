/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic: what went through each map by each uplink since the first look, as counters that never sink.
 *
 * The kernel counts by connection, and its counts end with the connection. So each look takes what every
 * open one has carried since the look before, and adds it up. What a connection carried between the last
 * look at it and its end is missed, and so is one that was never looked at.
 */
#ifndef REPORT_TRAFFIC_H
#define REPORT_TRAFFIC_H

#include "report/sums.h"

/* Connections that are remembered from one look to the next, at some 100 bytes each. What more there are
 * is left out until there is room. */
#define TRAFFIC_CONNECTIONS 262144u
/* So many pairs have a total from the beginning; if the plan has more, each from its first connection on. */
#define TRAFFIC_PAIRS 10000u

struct traffic_total {
	const char *map;	       /* "" : of no map any more */
	const char *uplink;	       /* "": began inside */
	uint64_t connections;	       /* open ones */
	uint64_t begun;		       /* all that were seen */
	uint64_t packets[2], bytes[2]; /* of requests, of replies */
};

struct traffic;
struct traffic *traffic_new(void);
void traffic_free(struct traffic *t); /* NULL is fine */

/* A look: begin, all connections, and end. One that ends before its end counts nothing. */
void traffic_begin(struct traffic *t);
/* @account becomes what the connection has carried since the last look. True: it was not there then. */
bool traffic_since(struct traffic *t, const struct net_flow *f, struct flow_account *account);
/* @since: the sums of those. Totals are of the pairs of @p, and of what else has a connection. */
void traffic_end(struct traffic *t, const struct plan *p, const struct sums *since);

/* As of the last look; valid until the next one ends. */
size_t traffic_totals(const struct traffic *t, const struct traffic_total **out);

#endif
