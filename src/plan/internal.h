/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of plan/ share among themselves. */
#ifndef PLAN_INTERNAL_H
#define PLAN_INTERNAL_H

#include "config/names.h"
#include "plan/plan.h"

#define PLAN_REJECT_RESET	"reject with tcp reset"
#define PLAN_UNREACHABLE_METRIC 4294967295u /* the last resort of an uplink's table */

/* 0 for v4, 1 for v6: the index of everything that exists once per family. */
static inline unsigned int family_index(uint8_t family)
{
	return family == IP_V6;
}

/* What is missing on the machine is an error, but for those who wait for it. */
static inline enum diag_severity plan_missing(const struct plan *p)
{
	return p->running ? DIAG_WARNING : DIAG_ERROR;
}

/* ---- settling what the file leaves open ---- */

/* Numbers, addresses and ways out of all uplinks; errors to @d. */
void plan_settle_uplinks(
	struct arena *a, struct plan *p, const struct memory *memory, struct diag *d);
/* Return, SNAT address and interface of all enabled maps. */
void plan_settle_maps(struct arena *a, struct plan *p, const struct memory *memory, struct diag *d);
/* After both: the interfaces whose packets may take the fast path. */
void plan_make_fastpaths(struct arena *a, struct plan *p, struct diag *d);
bool plan_is_uplink_interface(const struct plan *p, const char *interface);

/* ---- what was learned ---- */

struct plan_learned {
	const struct learned *learned;
	struct names returns, downs; /* of backends; of backends of maps */
	bool *used;		     /* which of the returns: those are remembered again */
};
/* What a backend of a map is looked up by: its length, of the bytes in @out. */
#define DOWN_KEY_BYTES (sizeof(struct ip_addr) + sizeof(uint16_t) + LIMIT_MEMORY_LINE)
size_t plan_down_key(
	char out[DOWN_KEY_BYTES], const char *map, const struct ip_addr *backend, uint16_t port);
void plan_learned_index(struct arena *a, const struct learned *l, struct plan_learned *out);
/* NULL: nothing was. */
const struct memory_return *plan_learned_return(
	const struct plan_learned *l, const struct ip_addr *backend);
const struct memory_down *plan_learned_down(
	const struct plan_learned *l, const struct map *m, const struct backend *b);

/* ---- making the wanted state ---- */

void plan_make_routes(struct arena *a, struct plan *p);
void plan_make_sysctls(struct arena *a, struct plan *p, const struct memory *memory);
void plan_make_table(struct arena *a, struct plan *p);
/* Parts of the table: the chains `listeners` (DNAT) and `sources` (SNAT). */
void plan_put_address_port(uint8_t *data, const struct ip_addr *addr, uint16_t port);
void plan_make_listeners(struct arena *a, struct plan *p, struct nft_table *t);
void plan_make_sources(struct arena *a, struct plan *p, struct nft_table *t);

/* Small pieces that those share. */
struct nft_set *plan_verdict_map(
	struct arena *a, struct nft_table *t, const char *name, enum nft_type key);
void plan_verdict_for_mark(struct arena *a, struct nft_set *map, uint32_t mark, enum nft_verdict v,
	const char *chain, struct span at);
/* Put a verdict into the element added last. */
void plan_put_verdict(struct arena *a, struct nft_set *map, enum nft_verdict v, const char *chain);
/* Sort it, give it a size and count its elements; NULL is fine. */
void plan_finish_set(struct arena *a, struct plan *p, struct nft_set *s);
/* `mark & number bits`, of the packet or the connection */
struct nft_expr *plan_number_of(struct arena *a, const struct plan *p, enum nft_selector mark);
/* A rule that begins with `meta nfproto ipv4` or ipv6. */
struct nft_rule *plan_family_rule(
	struct arena *a, struct nft_chain *c, uint8_t family, struct span at);

/* ---- what a listener leads to ---- */

/* A listener or a backend: proto . address . port, padded as the kernel compares them. */
struct plan_key {
	uint8_t bytes[4 + 16 + 4];
	unsigned int len;
};
struct plan_key plan_key(uint8_t proto, const struct ip_addr *addr, uint16_t port);

/*
 * Listeners that one lookup serves. One scope is for all uplinks; an uplink that shares an address
 * with another has one of its own, since the destination address alone does not tell them apart.
 */
/* A listener of a map that has several backends, or one that is down: for questions about connections,
 * since the kernel's maps do not tell all backends that one may be with. */
struct plan_door {
	struct plan_key first, last;
	const struct plan_map *maps; /* one per backend of the map */
	const struct listen *listen;
};

/* Where listeners lead: those of a scope, or of one list of clients in it. */
struct destinations {
	struct nft_set *ports;	/* exact: proto . address . port -> address . port */
	struct nft_set *ranges; /* proto . address . first-last port -> address, port kept */
	struct nft_set *spread,
		*spread_ranges;	     /* -> a chain of spread.c, which chooses or refuses */
	VEC(struct plan_door) doors; /* sorted by key */
};

struct from_list {		 /* one distinct list of clients */
	const struct map *map;	 /* the first map with this list */
	struct nft_set *clients; /* of this list's family */
	struct destinations to;
	const char *chain;
};

struct listener_maps {
	struct destinations to;
	struct nft_set *from,
		*from_ranges; /* restricted listeners -> chain that looks at the client */
	VEC(struct from_list) lists;
};

struct plan_scope {
	const struct plan_uplink *uplink; /* NULL: the common scope */
	struct listener_maps family[2];
};

/* One listener's backend ports. Sorted by their place: family, address, protocol, first port. */
#define SOURCE_ADDRESS_BYTES 17u /* family and address */
#define SOURCE_PROTO_BYTES   18u /* and protocol */
#define SOURCE_PLACE_BYTES   20u /* and port, in network order */
struct plan_source {
	const struct plan_map *map;
	const struct listen *listen;
	uint8_t place[SOURCE_PLACE_BYTES];
	uint16_t first, last; /* backend ports */
};

/*
 * Spread: which backends a listener's new connections are shared among. By the kernel's maps alone
 * where that is one, else by a chain, of which there is one per distinct choice (spread.c).
 */
struct plan_spreads {
	struct names names; /* of what distinguishes them, to indices of `chains` */
	VEC(const char *) chains;
	bool refuses; /* some listener leads to the chain `refused` */
};
/* How many chains there may be; once, before any is asked for. */
void plan_spreads_init(struct arena *a, struct plan *p);
/* The backend of @maps (one per backend of a map) that all new connections of @l go to; or NULL:
 * *@chain is the chain that they go to. */
const struct backend *plan_spread(struct arena *a, struct plan *p, struct nft_table *t,
	const struct plan_map *maps, const struct listen *l, const char **chain);
/* The rules behind `refused`, if it is there. */
void plan_make_refusals(struct arena *a, struct plan *p, struct nft_table *t);
/* Does this backend get no new connections: it is down, and not all are down and tried anyway? */
bool plan_is_out(const struct plan_map *maps, const struct plan_map *pm);

struct plan_tables {
	struct plan_spreads spreads;
	VEC(struct plan_scope) scopes; /* the first is the common one */
	VEC(struct plan_source) sources;
};

/* The map that leads to this backend port, or NULL. Where several do, they return alike. */
const struct plan_map *plan_source_of(
	const struct plan *p, uint8_t proto, const struct ip_addr *backend, uint16_t port);

/* Where a new connection to a listener would be led. */
struct lead {
	enum { LEAD_NOWHERE, LEAD_BACKEND, LEAD_DOOR, LEAD_DROPPED } where;
	struct ip_addr backend; /* LEAD_BACKEND */
	uint16_t port;
	const struct plan_door *door; /* LEAD_DOOR */
	struct span at;		      /* the listener */
};
struct lead plan_lead(const struct plan *p, const struct flow *f);

#endif
