/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Topology: what the small Internet around the gateway looks like, derived from the config.
 *
 *	world --- isp (one per uplink) --- gateway --- backends (one per inside network)
 *	  \________________ the backends' own line ______/
 *
 * Each ISP drops what does not come from an address of its uplink, as real ones do. A backend has a
 * default route of its own by another line, unless its map says `return: direct`: the worst case.
 * What the config leaves open is taken from the machine where it is the gateway that the config is
 * about (@live), else invented. Pure: nothing is built here; script.c says how to.
 */
#ifndef REHEARSE_TOPOLOGY_H
#define REHEARSE_TOPOLOGY_H

#include "config/model.h"
#include "netstate/netstate.h"
#include "rehearse/rehearse.h"

enum node_role {
	NODE_GATEWAY,
	NODE_WORLD,
	NODE_ISP,      /* an ISP's router, or a modem that translates 1:1 */
	NODE_BACKENDS, /* the backends of one inside network */
	NODE_SWITCH,   /* where several share one of the gateway's interfaces */
	NODE_VOID,     /* the far ends of interfaces that only have to be there */
};

struct topo_node {
	enum node_role role;
	const char *name;
};
enum { TOPO_GATEWAY, TOPO_WORLD }; /* indices of the nodes that are always there */

/* A cable. The ends' names are unique per node. */
struct topo_cable {
	unsigned int node[2];
	const char *name[2];
	const char *mac[2]; /* given hardware addresses; NULL: any */
	bool no_arp;	    /* a point-to-point line; the MACs are the same */
};

struct topo_address {
	struct ip_addr addr; /* on the gateway's interface */
	uint8_t prefix_len;
	struct ip_addr
		world; /* by which the world reaches it: the same unless a modem translates */
};

struct topo_uplink {
	const struct uplink *uplink;
	unsigned int node; /* the ISP */
	const char *wan;   /* the ISP's interface towards the gateway */
	VEC(struct topo_address) addrs;
	struct ip_addr gateway[2]; /* v4, v6; IP_NONE: none of that family, or onlink */
	bool onlink[2];
	bool live;  /* from this machine, not invented */
	bool modem; /* translates 1:1 */
};

/* An inside network of the gateway. */
struct topo_prefix {
	struct ip_addr gateway; /* the gateway's address in it */
	uint8_t len;
};
struct topo_inside {
	const char *interface;	/* of the gateway */
	bool used;		/* by a backend that is tried; else nobody is there */
	unsigned int node;	/* backends */
	const char *lan, *line; /* interfaces of that node: to the gateway, to the world */
	VEC(struct topo_prefix) prefixes;
	VEC(struct ip_addr) extra; /* more addresses of the gateway there, for SNAT */
	bool live;
};

struct topo_backend {
	struct ip_addr addr;
	unsigned int inside; /* index; NO_INSIDE: an address of the gateway itself */
	uint8_t prefix_len;  /* of its network */
	struct ip_addr
		via; /* the inside router that live routes name (it plays both); or IP_NONE */
	struct ip_addr gateway; /* the gateway's address for it */
	bool direct;		/* its default route is by the gateway */
};
#define NO_INSIDE UINT32_MAX

/* Both ends of every cable to the world. They are no secret to each other, since the kernel has one
 * neighbour table for all namespaces, and what is learnt in it is limited (gc_thresh3, 1024). */
#define TRANSIT_WORLD_MAC "02:00:00:00:00:02"
#define TRANSIT_MAC	  "02:00:00:00:00:01"

struct topology {
	VEC(struct topo_node) nodes;
	VEC(struct topo_cable) cables;
	VEC(struct topo_uplink) uplinks; /* in the order of the model */
	VEC(struct topo_inside) insides;
	VEC(struct topo_backend) backends; /* those that probes use */
	VEC(struct ip_addr) clients;	   /* of the world */
	struct ip_addr default_client[2];  /* v4, v6 */
	struct ip_addr foreign[2];	   /* source of what backends send by their own line */
	struct ip_addr transit[2]; /* v4 next hops between world and ISPs: the ISP's, the world's */
	const struct netstate *live; /* NULL: all is invented */
	bool no_v6;		     /* this kernel was booted without IPv6: set by the caller */
};

/* Index of a family in the pairs above. */
static inline unsigned int topo_family(uint8_t family)
{
	return family == IP_V6;
}

/*
 * Settle uplinks, clients and inside networks. @live: this machine, or NULL. With @as_is it is the
 * gateway for certain (--live); else only where it fits the config in every uplink.
 */
struct topology *topology_make(
	struct arena *a, const struct model *m, const struct netstate *live, bool as_is);

/* The backend of @m at @addr, added with its inside network on first use. */
unsigned int topology_backend(
	struct arena *a, struct topology *t, const struct map *m, const struct ip_addr *addr);
/* Make @addr a client of the world. False: it cannot be one (it is in the gateway's networks). */
bool topology_client(struct arena *a, struct topology *t, const struct ip_addr *addr);

/* Once all backends and clients are in: nodes and cables. */
void topology_wire(struct arena *a, struct topology *t);

/* Lines about it for people, to @out's setting. */
void topology_describe(struct arena *a, const struct topology *t, struct rehearse_result *out);

/* ---- script.c: how to build it ---- */

/* Lines for `ip -batch` that make all cables, each end in its node. */
void script_cables(struct strbuf *out, const struct topology *t);
/* Lines for `ip -batch` within a node: links, addresses, routes; and rules, per family, since ip(8)
 * cannot tell a rule's family from its addresses. */
void script_node(struct strbuf *out, const struct topology *t, unsigned int node);
void script_rules(struct strbuf *out, const struct topology *t, unsigned int node, uint8_t family);
/* Text for `nft -f -` within a node; empty where it needs none. */
void script_nft(struct strbuf *out, const struct topology *t, unsigned int node);

#endif
