/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fast path: loads, attaches, feeds and reads the programs of bpf/.
 *
 * Theory of operation: see fastpath.c, and bpf/fastpath.bpf.c for what they do.
 */
#ifndef KERNEL_FASTPATH_H
#define KERNEL_FASTPATH_H

#include "kernel/nl.h"
#include "plan/plan.h"

#define FASTPATH_WHY_BYTES 160

/* One interface, as it was asked for and as it is. */
struct fastpath_interface {
	char name[16];
	uint32_t ifindex;	      /* 0: there is no such interface now */
	enum fastpath_mode wanted;    /* never FASTPATH_OFF */
	enum fastpath_mode is;	      /* FASTPATH_OFF, FASTPATH_XDP or FASTPATH_TC */
	char why[FASTPATH_WHY_BYTES]; /* why it is that: a line without a full stop */
};

/* A reason why packets were left to the kernel. */
struct fastpath_passed {
	const char *slug; /* "fragment": for metrics and JSON */
	const char *text; /* "fragments of a packet" */
	uint64_t packets;
};

/* What was bypassed of one direction of a connection. */
struct fastpath_account {
	uint64_t packets, bytes; /* bytes of IP packets, as conntrack counts them */
};

/* Has this kernel what it takes? 0, or -EOPNOTSUPP and @e says what is missing. Needs no rights. */
int fastpath_supported(struct kernel_error *e);

struct fastpath; /* programs, cache and counts; for a daemon's life */

/*
 * Get ready: only the cache, for @flows connections, is in the kernel then. -EOPNOTSUPP: this kernel lacks
 * something; @e says what. Else -errno. Needs CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON.
 */
int fastpath_new(struct kernel *k, uint32_t flows, struct fastpath **out, struct kernel_error *e);
/* The programs stay attached and go on by themselves; NULL is fine. */
void fastpath_free(struct fastpath *f);

/*
 * Make the interfaces what @p wants: attach, replace (also on an interface that came again), detach; tell
 * the programs the homes. What cannot be is FASTPATH_OFF with its reason in fastpath_interface(), and no
 * error. Where nothing is to be done, nothing is done. Then fastpath_changed().
 */
int fastpath_put(struct fastpath *f, const struct plan *p, struct kernel_error *e);
/* Is what was put still there? (Others can take a filter off without a word.) */
bool fastpath_stands(const struct fastpath *f);
/* The @i-th; NULL: there are no more. Valid until the next fastpath_put(). */
const struct fastpath_interface *fastpath_interface(const struct fastpath *f, size_t i);

/* Rules, routes, neighbours or lines changed: each flow's next packet takes the kernel's path, and then it
 * is proved anew. Costs next to nothing. */
void fastpath_changed(struct fastpath *f);
/* Off: every packet takes the kernel's path, from the next one on, and conntrack is told that the data it
 * did not see is acknowledged. No connection is lost by either; -errno: that could not be told. */
int fastpath_switch(struct fastpath *f, bool on, struct kernel_error *e);
bool fastpath_is_on(const struct fastpath *f);

/* The @i-th reason, by its number from 0, with its count; false: there are no more, or @e. */
bool fastpath_passed(
	const struct fastpath *f, size_t i, struct fastpath_passed *out, struct kernel_error *e);

/* All that was ever bypassed, as long as @f lives: never more than that, and never less than it was. */
struct fastpath_totals {
	uint64_t packets, bytes;
	size_t cached; /* directions of connections in the cache now */
};
int fastpath_read_totals(struct fastpath *f, struct fastpath_totals *out, struct kernel_error *e);
/* Connections that there is room for on each CPU, whose cache is its own. */
uint32_t fastpath_room_per_cpu(const struct fastpath *f);

/* A flow in the cache, which goes on as it is looked at. */
struct fastpath_cell {
	const union fp_key *key;
	const struct fp_how *how;
	bool v6;
};

/* Of connections that are there, and of some that were: an account ends when its addresses and ports are
 * another connection's. Valid as long as @path. */
struct fastpath_accounts {
	const struct fastpath *path;
	VEC(struct fastpath_cell) cells;
	struct places *places;
};
void fastpath_read_accounts(
	const struct fastpath *f, struct arena *a, struct fastpath_accounts *out);
/* What there is of the packets that come in with these addresses; false: nothing. */
bool fastpath_account_find(const struct fastpath_accounts *all, uint8_t proto,
	const struct flow_tuple *tuple, struct fastpath_account *out);

/* What can be told of it without a daemon's word: see fastpath_look.c. */
const struct fastpath_now *fastpath_look(struct kernel *k, struct arena *a, const struct plan *p);

/* Take our programs off every interface of this namespace, also those of a daemon that is gone.
 * *@removed counts them. */
int fastpath_remove(struct kernel *k, size_t *removed, struct kernel_error *e);

#endif
