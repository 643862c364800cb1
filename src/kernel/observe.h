/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Observe: the live kernel as a netstate. */
#ifndef KERNEL_OBSERVE_H
#define KERNEL_OBSERVE_H

#include "kernel/nl.h"
#include "netstate/netstate.h"

enum observe_what {
	OBSERVE_NETWORK = 1 << 0,   /* links, addresses, routes of all tables, rules */
	OBSERVE_SYSCTLS = 1 << 1,   /* those that matter here, per interface and all */
	OBSERVE_LISTENERS = 1 << 2, /* TCP listeners and unconnected UDP sockets, sock_diag */
	OBSERVE_RULESET =
		1
		<< 3, /* nftables: all tables, chains, rules, set declarations, anonymous sets with elements */
	OBSERVE_ELEMENTS = 1 << 4, /* with RULESET: elements of named sets too */
	OBSERVE_NEIGHBOURS = 1 << 5,
	OBSERVE_FLOWS = 1 << 6,	 /* connections, conntrack */
	OBSERVE_LEGACY = 1 << 7, /* tables of iptables-legacy, into the ruleset */
	OBSERVE_IPSETS = 1 << 8, /* and their names in rules that ask them */
	OBSERVE_EVERYTHING = (1 << 9) - 1,
};

/* Fills @out (zeroed by the caller) from the namespace of @k. Dumps that were interrupted are
 * repeated. Needs no privileges but for the ruleset, flows and ipsets. @out->have gets the bits of what
 * was looked at as a whole; for flows and iptables-legacy that cannot be had, they may be missing. */
int kernel_observe(struct kernel *k, struct arena *a, unsigned int what, struct netstate *out,
	struct kernel_error *e);

/*
 * Routes come as the kernel has them, but: types that lead nowhere have no next hops (in v6 the
 * kernel gives them "dev lo"), nexthop objects are resolved to plain next hops, cached routes are
 * left out. A v6 route that was added with metric 0 has 1024.
 *
 * Rules with selectors that struct net_rule does not have (flow label, realms, masks of ports or DSCP,
 * and what later kernels may add) have more_selectors.
 *
 * Sysctls that this kernel does not have are left out.
 */

/* Parts, for the callers that look at one thing. */
int kernel_observe_network(
	struct kernel *k, struct arena *a, struct netstate *out, struct kernel_error *e);
int kernel_observe_sysctls(
	struct kernel *k, struct arena *a, struct netstate *out, struct kernel_error *e);
/* Is it one of the sysctls that are read? Of all others no packet's way depends on. */
bool kernel_observes_sysctl(const char *key);
int kernel_observe_listeners(
	struct kernel *k, struct arena *a, struct netstate *out, struct kernel_error *e);

#endif
