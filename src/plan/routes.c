/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routing side of the plan: one table and one rule per uplink. */
#include "plan/internal.h"

static struct net_route *add_route(
	struct arena *a, struct plan *p, const struct plan_uplink *u, uint8_t family)
{
	struct net_route *r = vec_add(a, &p->want.routes);

	r->family = family;
	r->table = u->table;
	r->dst.addr.family = family;
	r->type = ROUTE_UNICAST;
	r->protocol = PORTREEVE_PROTOCOL;
	r->metric = family == IP_V6 ? 1024 : 0; /* what the kernel makes of 0 in v6 */
	r->at = u->uplink->at;
	return r;
}

static bool has_route(
	const struct plan *p, const struct plan_uplink *u, const struct ip_prefix *dst)
{
	VEC_EACH (&p->want.routes, struct net_route, r)
		if (r->table == u->table && ip_prefix_equal(&r->dst, dst))
			return true;
	return false;
}

/* The uplink's own networks, so that its neighbours are answered on the link. */
static void add_connected(
	struct arena *a, struct plan *p, const struct plan_uplink *u, uint8_t family)
{
	VEC_EACH (&p->seen->addrs, struct net_addr, addr) {
		struct ip_prefix net = ip_prefix_of(&addr->addr, addr->prefix_len);
		struct net_route *r;

		if (strcmp(addr->interface, u->uplink->interface) != 0 ||
			addr->addr.family != family)
			continue;
		if (ip_is_link_local(&addr->addr))
			continue;
		if (addr->peer.family == family) /* point-to-point: the peer is the neighbour */
			net = ip_prefix_of(&addr->peer, addr->prefix_len);
		if (addr->prefix_len == ip_bits(family) && addr->peer.family != family)
			continue;
		if (has_route(p, u, &net))
			continue;
		r = add_route(a, p, u, family);
		r->dst = net;
		r->scope = family == IP_V4 ? 253 : 0; /* RT_SCOPE_LINK */
		*vec_add(a, &r->nexthops) =
			(struct net_nexthop){.interface = u->uplink->interface, .weight = 1};
	}
}

/*
 * The inside routes. Requests never look here, replies go to clients outside; but with
 * src_valid_mark=1 a strict rp_filter on the inside interface looks the backend up in this table.
 */
static void add_inside(struct arena *a, struct plan *p, const struct plan_uplink *u, uint8_t family)
{
	VEC_EACH (&p->seen->routes, struct net_route, have) {
		struct net_route *r;
		bool inside = have->nexthops.len > 0;

		if (have->family != family || have->table != TABLE_MAIN ||
			have->type != ROUTE_UNICAST)
			continue;
		if (have->dst.len == 0 || have->tos || have->src.addr.family != IP_NONE)
			continue;
		if (ip_is_link_local(&have->dst.addr) || ip_is_multicast(&have->dst.addr))
			continue;
		VEC_EACH (&have->nexthops, struct net_nexthop, n) {
			const struct net_link *link =
				n->interface ? netstate_link(p->seen, n->interface) : NULL;

			if (!link || !link->up || link->loopback || n->dead ||
				plan_is_uplink_interface(p, n->interface))
				inside = false;
		}
		if (!inside || has_route(p, u, &have->dst))
			continue;
		r = add_route(a, p, u, family);
		r->dst = have->dst;
		r->scope = have->scope;
		VEC_EACH (&have->nexthops, struct net_nexthop, n) {
			struct net_nexthop *copy = vec_add(a, &r->nexthops);

			*copy = *n;
			copy->dead = copy->linkdown = false;
		}
	}
}

static void add_default(
	struct arena *a, struct plan *p, const struct plan_uplink *u, uint8_t family)
{
	struct net_route *r = add_route(a, p, u, family);
	const struct net_nexthop *n = &u->nexthop[family_index(family)];

	r->scope = n->gateway.family == IP_NONE && family == IP_V4 ? 253 : 0;
	vec_push(a, &r->nexthops, *n);
}

/* When the line is gone its replies must not fall through to another line. */
static void add_last_resort(
	struct arena *a, struct plan *p, const struct plan_uplink *u, uint8_t family)
{
	struct net_route *r = add_route(a, p, u, family);

	r->type = ROUTE_UNREACHABLE;
	r->metric = PLAN_UNREACHABLE_METRIC;
}

static void add_rule(struct arena *a, struct plan *p, const struct plan_uplink *u, uint8_t family)
{
	struct net_rule *r = vec_add(a, &p->want.rules);

	r->family = family;
	r->preference = u->preference;
	r->mark = u->mark;
	r->mask = mark_number_mask(p->model->mark_mask);
	r->protocol = PORTREEVE_PROTOCOL;
	r->action = RULE_LOOKUP;
	r->table = u->table;
	r->suppress_prefixlen = -1;
	r->at = u->uplink->at;
}

/* The kernel takes no routes by an interface that is switched off, and drops those there were. (A
 * plan that is made once says so by failing.) */
static bool takes_routes(const struct plan *p, const struct plan_uplink *u)
{
	const struct net_link *l = netstate_link(p->seen, u->uplink->interface);

	return !p->running || (l && l->up);
}

void plan_make_routes(struct arena *a, struct plan *p)
{
	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		for (unsigned int f = 0; f < 2; f++) {
			uint8_t family = f ? IP_V6 : IP_V4;

			if (!u->up[f] && !u->barred[f])
				continue;
			if (u->up[f] && takes_routes(p, u)) {
				add_connected(a, p, u, family);
				add_inside(a, p, u, family);
				if (u->nexthop[f].interface)
					add_default(a, p, u, family);
			}
			add_last_resort(a, p, u, family);
			add_rule(a, p, u, family);
		}
}
