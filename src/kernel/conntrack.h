/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conntrack: look at connections and delete some. */
#ifndef KERNEL_CONNTRACK_H
#define KERNEL_CONNTRACK_H

#include "kernel/nl.h"
#include "plan/plan.h"

/* Call @each for every TCP, UDP and SCTP connection of both families; it returns true to have the
 * entry deleted. Deletion happens after the dump, by original tuple and id (an entry that was
 * replaced meanwhile is left alone). *@deleted counts. */
int kernel_conntrack_sweep(struct kernel *k, bool (*each)(const struct flow *f, void *data),
	void *data, size_t *deleted, struct kernel_error *e);
/* The same for those with (mark & mask) == @mark only: the kernel leaves out the others, which are
 * most on a busy machine. A mask of 0 takes all. */
int kernel_conntrack_sweep_marked(struct kernel *k, uint32_t mark, uint32_t mask,
	bool (*each)(const struct flow *f, void *data), void *data, size_t *deleted,
	struct kernel_error *e);

/*
 * Have conntrack take all data of these established TCP connections for acknowledged. It no longer
 * follows windows that went by it for a while (the fast path), so what it believed before would stay true
 * for ever, and with it the short timeout of a connection whose peer is silent. *@told counts.
 */
int kernel_conntrack_acknowledge(
	struct kernel *k, uint32_t mark, uint32_t mask, size_t *told, struct kernel_error *e);

/* All connections into @out->flows, of every protocol. Where there are too many to keep HAVE_FLOWS is
 * not set. The kernel's module for conntrack is not loaded by this. */
int kernel_observe_flows(
	struct kernel *k, struct arena *a, struct netstate *out, struct kernel_error *e);
/* What conntrack counts of a connection: [0] of requests, [1] of replies. Only of those that began after
 * it was told to (net.netfilter.nf_conntrack_acct, nf_conntrack_timestamp). */
struct flow_account {
	bool counted;
	uint64_t packets[2], bytes[2];
	uint64_t start_ms; /* since 1970; 0: not kept */
	uint32_t id;	   /* tells it from another one with the same addresses and ports */
};
/* Each connection with (mark & mask) == @mark, one after the other; nothing is kept. 0 or -errno. */
int kernel_conntrack_each(struct kernel *k, uint32_t mark, uint32_t mask,
	void (*each)(const struct net_flow *f, const struct flow_account *account, void *data),
	void *data, struct kernel_error *e);
/* One message of conntrack's (a dump's or an event's) into @f (zeroed by the caller). False: it is not
 * understood. */
bool kernel_conntrack_decode(const struct nlmsghdr *nlh, struct net_flow *f);

#endif
