/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events: what changes in the kernel's network state, told as it happens, and by whom.
 *
 * Sockets of their own, so that a flood of events never stands before an answer. rtnetlink's groups for
 * links, addresses, routes, rules, neighbours and netconf (rp_filter, forwarding), nftables' group, and
 * with it the process that made each change, where netlink tells.
 */
#ifndef KERNEL_EVENTS_H
#define KERNEL_EVENTS_H

#include "base/ip.h"
#include "kernel/nl.h"

enum kernel_event_what {
	EVENT_LINK = 1 << 0,
	EVENT_ADDRESS = 1 << 1,
	EVENT_ROUTE = 1 << 2,
	EVENT_RULE = 1 << 3,
	EVENT_NEIGHBOUR = 1 << 4,
	EVENT_SYSCTL = 1 << 5,
	EVENT_RULESET = 1 << 6, /* one per transaction */
	EVENT_LOST = 1 << 7,	/* the socket overflowed: anything may have changed */
};

struct kernel_event {
	unsigned int what; /* one of the above */
	bool gone;	   /* deleted */
	uint32_t port;	  /* netlink port of who asked for it; 0: the kernel itself, or not known */
	uint32_t pid;	  /* its process; 0: not known */
	char process[16]; /* and its name; "" */
	uint32_t generation; /* RULESET: after it */
	uint32_t interface;  /* index, where there is one */
	uint8_t protocol;    /* ROUTE, RULE: who it says it is of (RTPROT_*, PORTREEVE_PROTOCOL) */
	uint32_t table;	     /* ROUTE */
	uint8_t prefix_len;  /* ROUTE: of its destination; 0: a default route */
	uint8_t family;	     /* enum ip_family; IP_NONE: of neither */
	struct ip_addr addr; /* NEIGHBOUR: whose */
	uint8_t mac[6];	     /* NEIGHBOUR: where; zeros: not known, or no Ethernet */
	int32_t rp_filter, forwarding; /* SYSCTL: what they are now; -1: not told */
	char text[96]; /* for the log: "link eth0 down", "route 10.0.0.0/8 table 70001" */
};

/*
 * One message of rtnetlink's, or (@nftables) of nftables'. False: it tells nothing that is above, or
 * is malformed. Its process is only known by number afterwards, but for nftables, which names it.
 */
bool kernel_event_decode(const struct nlmsghdr *nlh, bool nftables, struct kernel_event *out);

struct kernel_events;

/* In the namespace of @k. @neighbours: EVENT_NEIGHBOUR too (a busy LAN has many). */
int kernel_events_open(
	struct kernel *k, bool neighbours, struct kernel_events **out, struct kernel_error *e);
void kernel_events_close(struct kernel_events *ev); /* NULL is fine */

/* Two descriptors to wait on for reading. */
void kernel_events_fds(const struct kernel_events *ev, int fds[2]);

/*
 * Everything that has come, without waiting. Events that @k's own sockets caused are left out. How many
 * were handed to @sink, or -errno.
 */
int kernel_events_read(struct kernel_events *ev,
	void (*sink)(const struct kernel_event *event, void *data), void *data);

#endif
