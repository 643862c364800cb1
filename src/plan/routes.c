/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routing side of the plan: one table and one rule per uplink, and the sysctls. */
#include <stdlib.h>

#include "plan/internal.h"

/* ---- tables ---- */

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

/* ---- sysctls ---- */

/* The value before portreeve touched it: plans must not depend on what an earlier plan did. */
static long original(
	const struct plan *p, const struct memory *memory, const char *key, long otherwise)
{
	VEC_EACH (&memory->sysctls, struct memory_sysctl, s)
		if (strcmp(s->key, key) == 0)
			return strtol(s->value, NULL, 10);
	return netstate_sysctl_int(p->seen, key, otherwise);
}

static void want_sysctl(
	struct arena *a, struct plan *p, const char *key, long value, struct span at)
{
	VEC_EACH (&p->want.sysctls, struct net_sysctl, s)
		if (strcmp(s->key, key) == 0)
			return;
	*vec_add(a, &p->want.sysctls) =
		(struct net_sysctl){.key = key, .value = arena_printf(a, "%ld", value), .at = at};
}

static bool has_default_in_main(const struct netstate *seen, uint8_t family)
{
	VEC_EACH (&seen->routes, struct net_route, r)
		if (r->table == TABLE_MAIN && r->family == family && r->dst.len == 0 &&
			r->type == ROUTE_UNICAST)
			return true;
	return false;
}

/*
 * Strict reverse path filtering drops every request on a line that main does not use for the
 * client. Loose passes them, and being the larger value also wins over all=1. Loose still wants
 * some route to the client: without a default in main only "off" helps, and only where `all` is
 * off too (net/ipv4/fib_frontend.c, __fib_validate_source).
 */
static void want_loose(
	struct arena *a, struct plan *p, const struct memory *memory, const struct uplink *u)
{
	const char *key = netstate_conf_key(a, IP_V4, u->interface, "rp_filter");
	long all = original(p, memory, "net.ipv4.conf.all.rp_filter", 0);
	long own = original(p, memory, key, 0);
	bool main_default = has_default_in_main(p->seen, IP_V4);

	if (!main_default && all == 0 && own != 0)
		want_sysctl(a, p, key, 0, u->at);
	else if ((own > all ? own : all) == 1)
		want_sysctl(a, p, key, 2, u->at);
}

static void want_forwarding4(struct arena *a, struct plan *p, const struct memory *memory,
	const char *interface, struct span at)
{
	const char *key = netstate_conf_key(a, IP_V4, interface, "forwarding");

	if (original(p, memory, key, 1) == 0)
		want_sysctl(a, p, key, 1, at);
}

/* v6 forwarding where the kernel has a switch per interface that works (force_forwarding, 6.17). */
static void want_forwarding6(struct arena *a, struct plan *p, const struct memory *memory,
	const char *interface, struct span at)
{
	const char *key = netstate_conf_key(a, IP_V6, interface, "force_forwarding");

	if (original(p, memory, key, 1) == 0)
		want_sysctl(a, p, key, 1, at);
}

/*
 * Older kernels forward v6 by conf.all.forwarding alone. Setting it makes the kernel drop default
 * routes learnt from router advertisements and ignore further ones, unless accept_ra is 2: so that
 * is set first, on every interface that listens to them (net/ipv6/addrconf.c,
 * addrconf_fixup_forwarding). It also overwrites every interface's own value: these are wanted
 * explicitly, so that they are remembered and put back.
 */
static void want_forwarding6_all(
	struct arena *a, struct plan *p, const struct memory *memory, struct span at)
{
	VEC_EACH (&p->seen->links, struct net_link, l) {
		const char *key = netstate_conf_key(a, IP_V6, l->name, "accept_ra");

		if (original(p, memory, key, 0) == 1)
			want_sysctl(a, p, key, 2, at);
	}
	want_sysctl(a, p, "net.ipv6.conf.all.forwarding", 1, at);
	want_sysctl(a, p, "net.ipv6.conf.default.forwarding", 1, at);
	VEC_EACH (&p->seen->links, struct net_link, l) {
		const char *key = netstate_conf_key(a, IP_V6, l->name, "forwarding");

		if (netstate_sysctl(p->seen, key))
			want_sysctl(a, p, key, 1, at);
	}
}

/* Does the interface lead to a network inside: has it an address of its own there? */
static bool is_inside(const struct plan *p, const char *interface, uint8_t family)
{
	VEC_EACH (&p->seen->addrs, struct net_addr, have)
		if (have->addr.family == family && !ip_is_link_local(&have->addr) &&
			strcmp(have->interface, interface) == 0)
			return true;
	return false;
}

static bool is_remembered(const struct memory *memory, const char *key)
{
	VEC_EACH (&memory->sysctls, const struct memory_sysctl, s) {
		if (strcmp(s->key, key) == 0)
			return true;
	}
	return false;
}

/*
 * Where conntrack is not loaded yet it has no sysctls: a daemon's next pass finds them. Once set it stays
 * until removal: the windows of connections that have used the fast path stay behind for as long as they
 * live. The second is for resets: two gigabytes on, conntrack takes their numbers for the past, and without
 * it they would not be translated.
 */
static void want_liberal(struct arena *a, struct plan *p, const struct memory *memory)
{
	static const char *const keys[] = {PLAN_TCP_LIBERAL, PLAN_TCP_RESETS};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if ((p->fastpaths.len || is_remembered(memory, keys[i])) &&
			original(p, memory, keys[i], 1) == 0)
			want_sysctl(a, p, keys[i], 1, p->model->fastpath_at);
}

void plan_make_sysctls(struct arena *a, struct plan *p, const struct memory *memory)
{
	const struct plan_map *first6 = NULL;
	bool force6 = false;

	want_liberal(a, p, memory);
	VEC_EACH (&p->model->uplinks, struct uplink, u) {
		if (p->running && !netstate_link(p->seen, u->interface))
			continue; /* it may be remembered, and yet there is nothing to set */
		want_loose(a, p, memory, u);
		want_forwarding4(a, p, memory, u->interface, u->at);
		if (netstate_sysctl(
			    p->seen, netstate_conf_key(a, IP_V6, u->interface, "force_forwarding")))
			force6 = true;
	}
	VEC_EACH (&p->maps, struct plan_map, m) {
		if (map_family(m->map) == IP_V6 && !first6)
			first6 = m;
	}
	if (first6 && original(p, memory, "net.ipv6.conf.all.forwarding", 1) != 0)
		first6 = NULL; /* the whole machine forwards already */
	if (first6 && force6) {
		VEC_EACH (&p->model->uplinks, struct uplink, u)
			if (!p->running || netstate_link(p->seen, u->interface))
				want_forwarding6(a, p, memory, u->interface, u->at);
	} else if (first6) {
		want_forwarding6_all(a, p, memory, first6->map->at);
	}

	/* Clients and backends inside. Nobody can use a map from a network whose packets the gateway
	 * does not forward. */
	VEC_EACH (&p->seen->links, struct net_link, l) {
		if (l->loopback || plan_is_uplink_interface(p, l->name))
			continue;
		if (is_inside(p, l->name, IP_V4))
			want_forwarding4(a, p, memory, l->name, NOWHERE);
		if (first6 && force6 && is_inside(p, l->name, IP_V6))
			want_forwarding6(a, p, memory, l->name, NOWHERE);
	}
}
