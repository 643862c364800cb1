/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mapped connections: which of the kernel's connections go through which map, and where their home is. */
#ifndef REPORT_MAPPED_H
#define REPORT_MAPPED_H

#include "kernel/conntrack.h"
#include "kernel/fastpath.h"

struct mapped_flow {
	const struct net_flow *flow;
	const struct flow_account *account; /* what went by the fast path is in it */
	bool fast;			    /* there is a fast path: the next is known */
	uint64_t bypassed[2]; /* packets of these that took it: [0] of requests, [1] replies */
	/* The map and the backend of it; NULL: no map listens there any more. */
	const struct plan_map *map;
	const struct plan_uplink *home; /* NULL: it began inside, or that uplink is gone */
	bool snat;			/* the backend does not see the client's address */
	bool begun;			/* since the last look; who looks says so (traffic.h) */
};

/* The listeners of a plan, so that a connection's map is found quickly. Lives in @a, points into @p. */
struct mapped_index;
struct mapped_index *mapped_index(struct arena *a, const struct plan *p);

/* Which map and home one connection has. */
void mapped_find(const struct mapped_index *x, const struct net_flow *f, struct mapped_flow *out);

/* Add to @account, which is @f's, what took the fast path: [0] of requests, [1] of replies. */
void mapped_add_bypassed(struct mapped_flow *f, struct flow_account *account,
	const struct fastpath_account parts[2]);

/* Each connection that portreeve translated. @fast: what conntrack did not see; NULL: there is no fast
 * path. 0 or -errno. */
int mapped_each(struct kernel *k, const struct mapped_index *x,
	const struct fastpath_accounts *fast, void (*each)(const struct mapped_flow *f, void *data),
	void *data, struct kernel_error *e);

#endif
