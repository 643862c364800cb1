/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes: which way the ip rules and routing tables of a netstate send a packet.
 *
 * As with rules.h, what is not known of the packet makes no guess: where two rules would send it
 * different ways and it cannot be told which applies, the answer is "uncertain".
 */
#ifndef WALK_ROUTES_H
#define WALK_ROUTES_H

#include "netstate/netstate.h"
#include "walk/packet.h"

enum walk_route_kind {
	WALK_ROUTE_FOUND,
	WALK_ROUTE_NONE, /* no rule leads to a route, or one leads to "unreachable" or the like */
	WALK_ROUTE_UNCERTAIN,
};

struct walk_route {
	enum walk_route_kind kind;
	const struct net_rule *rule; /* that decided; NONE: NULL where no rule was left */
	/* FOUND; or the one that refuses: "unreachable" or the like. NULL: the rule itself does. */
	const struct net_route *route;
};

/* The route of a packet that came in on p->iif, to p->daddr (which must be known). */
void walk_route(const struct netstate *net, const struct packet *p, struct walk_route *out);

/* Does the rule apply to the packet? */
enum tri walk_rule_matches(
	const struct netstate *net, const struct packet *p, const struct net_rule *r);

/* The table that a rule that applies leads to. */
uint32_t walk_rule_table(
	const struct netstate *net, const struct packet *p, const struct net_rule *r);

/* Where rule number @i, a goto, leads: a later one's number; net->rules.len: nowhere. */
size_t walk_rule_goto(const struct netstate *net, size_t i);

/* What a rule other than a goto gives once it applies. False: nothing, the next one is asked. */
bool walk_rule_gives(const struct netstate *net, const struct packet *p, const struct net_rule *r,
	struct walk_route *out);

/* The VRF that an interface is, or belongs to; NULL: none. */
const struct net_link *walk_vrf(const struct netstate *net, const char *interface);

/* The route that one table has for the packet: as netstate_route(), and by its TOS and source, past
 * next hops that are down. What the route's own type says is not looked at. NULL: none. */
const struct net_route *walk_table_route(
	const struct netstate *net, uint32_t table, const struct packet *p);

/* May a next hop be taken? Not if it is dead, or without carrier where that counts. */
bool walk_hop_alive(const struct netstate *net, uint8_t family, const struct net_nexthop *h);

/* Do all next hops (yes), none (no) or some (unknown) leave by @interface? */
enum tri walk_route_leaves_by(const struct net_route *r, const char *interface);

/* The address that is put in the place of the source by masquerading on @interface, towards @next
 * (family IP_NONE: the destination itself, somewhere far away). IP_NONE: there is none. */
struct ip_addr walk_masquerade_address(const struct netstate *net, uint8_t family,
	const char *interface, const struct ip_addr *next);

#endif
