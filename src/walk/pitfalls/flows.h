/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows: the connections of every map, walked through the rules of other tools.
 *
 * Theory of operation. Of each connection three packets are walked through ingress, prerouting, forward
 * and postrouting: the first request, a later request, and a reply; with the marks and NAT status that
 * portreeve gives them. Base chains are judged one by one, and a packet that one of them drops goes
 * on to the next all the same, so that everything that stands in the way is found at once.
 *
 * Maps that differ only in addresses and ports are first walked as one, with those not known. Only
 * where that leaves something open is each of them walked with its own: 65,535 maps on a gateway
 * whose other rules do not look at single ports take as long as one.
 */
#ifndef WALK_PITFALLS_FLOWS_H
#define WALK_PITFALLS_FLOWS_H

#include "walk/pitfalls/inquiry.h"

#define FLOWS_MAX 16384u /* connections walked one by one */

enum flow_packet { FLOW_FIRST, FLOW_REQUEST, FLOW_REPLY, FLOW_PACKETS_ };

enum trouble_kind {
	TROUBLE_STOPPED, /* dropped or rejected */
	TROUBLE_MARK, /* the packet's mark is changed in our bits before the route is looked up */
	TROUBLE_CT_MARK, /* the connection's mark is changed in our bits */
	TROUBLE_NOTRACK, /* kept from conntrack, and so from every translation */
};

struct trouble {
	enum trouble_kind kind;
	bool certain;
	struct walk_base base;
	uint8_t family;
	struct walk_step by;
	struct walk_step undecided; /* not certain: the match that decides */
	unsigned int packets;	    /* bits 1 << enum flow_packet */
	VEC(const struct plan_map *) maps;
	VEC(const struct plan_uplink *) uplinks;
	bool *has_map; /* by index in plan->maps */
	/* Without a plan: where the connection was led to. */
	uint8_t proto;
	struct ip_addr to;
	uint16_t to_port;
};

struct troubles {
	VEC(struct trouble) items;
	size_t left_out; /* connections not walked: there were too many */
};

/* The uplink that is concerned, where it is one of several. */
const struct plan_uplink *trouble_uplink(const struct inquiry *q, const struct trouble *t);

void walk_flows(struct inquiry *q, struct troubles *out);

#endif
