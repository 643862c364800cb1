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
	const struct net_rule *rule;   /* that decided; NONE: NULL where no rule was left */
	const struct net_route *route; /* FOUND */
};

/* The route of a packet that came in on p->iif, to p->daddr (which must be known). */
void walk_route(const struct netstate *net, const struct packet *p, struct walk_route *out);

/* Does the rule apply to the packet? */
enum tri walk_rule_matches(const struct netstate *net, const struct packet *p, const struct net_rule *r);

/* Do all next hops (yes), none (no) or some (unknown) leave by @interface? */
enum tri walk_route_leaves_by(const struct net_route *r, const char *interface);

#endif
