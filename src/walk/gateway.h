/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gateway: what a machine's state makes of it, whoever wrote it: uplinks, insides and port forwards.
 *
 * For the doctor and for import, which have no config to go by.
 */
#ifndef WALK_GATEWAY_H
#define WALK_GATEWAY_H

#include "netstate/netstate.h"

/* A line to the Internet: an interface with a default route in some table, and its next hop. Two next
 * hops on one interface are two uplinks. An interface that has none but has a public address which
 * port forwards are for is one too, with has_default unset for both families. */
struct gateway_uplink {
	const char *name; /* what a config can call it: after its interface, and no other's */
	const char *interface;
	struct ip_addr next[2];	   /* [0] v4, [1] v6; IP_NONE: none, or on-link */
	bool has_default[2];	   /* in some table */
	bool is_main[2];	   /* the one that main's default, the best of them, leads to */
	VEC(struct ip_addr) addrs; /* that it takes for its own; public ones first */
	VEC(uint32_t) tables;	   /* whose default leads there, besides main */
	uint32_t mark, mark_mask;  /* of the ip rule that leads to such a table; mask 0: none */
	const struct net_rule *mark_rule; /* that one */
};

/* A network of the backends. */
struct gateway_inside {
	const char *interface;
	struct ip_prefix network;
	struct ip_addr addr;	  /* this machine's there */
	struct ip_addr neighbour; /* a host there that nobody else is; IP_NONE: there is no room */
};

/* A rule, or an element of a map, that leads what comes to a public port to a backend. */
struct gateway_forward {
	uint8_t family, proto; /* proto 0: any */
	struct ip_prefix dst;  /* public address; family IP_NONE: any (or "local": dst_local) */
	bool dst_local;
	uint16_t first, last; /* public ports; 0 and 65535: any */
	struct ip_prefix src; /* who may; IP_NONE: anyone */
	const char *in;	      /* interface (may end in '*' or '+'); NULL: any */
	bool in_inverted;
	struct ip_addr to, to_last;	 /* backend; IP_NONE: this machine (redirect) */
	uint16_t to_first, to_last_port; /* 0: the port stays */
	bool output;			 /* in the output hook: of this machine's own packets */
	bool more_matches;		 /* it has matches besides that are not kept here */
	const struct nft_table *table;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
};

struct gateway {
	const struct netstate *net;
	VEC(struct gateway_uplink) uplinks;
	VEC(struct gateway_inside) insides;
	VEC(struct gateway_forward) forwards; /* in the order in which they are tried */
};

/* Is the interface one of those that @pattern, as rules have it, is for? */
bool gateway_is_interface(const char *pattern, const char *interface);
/* Do forwards of the family come in by it? (One without a default route has what addresses it has.) */
bool gateway_serves(const struct gateway_uplink *u, uint8_t family);

/* Is its router of the other family (RFC 5549)? A file cannot name that, but the system's route tells it.
 * @f: 0 IPv4, 1 IPv6. */
bool gateway_has_foreign_router(const struct gateway_uplink *u, unsigned int f);

/* The first at the interface; NULL: there is none, or no interface. */
const struct gateway_uplink *gateway_uplink_at(const struct gateway *g, const char *interface);
const struct gateway_inside *gateway_inside_at(const struct gateway *g, const char *interface);

/* Could the address be an uplink's, for all that the rules say? Forwards take what comes in for it
 * without naming it, it is public, no default route leads out there, and nothing else is there: no
 * private network, and no backend. */
bool gateway_may_be_uplink(const struct gateway *g, const struct net_addr *a);

/* Do forwards lead to a backend by way of the interface? */
bool gateway_leads_to_backend(const struct gateway *g, const char *interface);
/* Take the interface, which is no uplink so far, for one without a default route. */
void gateway_add_uplink(struct arena *a, struct gateway *g, const char *interface);

/* A host in @network that nobody else is. False: there is no room. */
bool gateway_neighbour(
	const struct gateway *g, const struct ip_prefix *network, struct ip_addr *out);

void gateway_infer(struct arena *a, const struct netstate *net, struct gateway *out);

#endif
