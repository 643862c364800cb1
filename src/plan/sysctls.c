/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sysctls of the plan: reverse path filters, forwarding, and what the fast path needs. */
#include <stdlib.h>

#include "plan/internal.h"

/* The value before portreeve touched it: plans must not depend on what an earlier plan did. */
static long original(
	const struct plan *p, const struct memory *memory, const char *key, long otherwise)
{
	VEC_EACH (&memory->sysctls, struct memory_sysctl, s)
		if (strcmp(s->key, key) == 0)
			return strtol(s->value, NULL, 10);
	return netstate_sysctl_int(p->seen, key, otherwise);
}

static bool is_wanted(const struct plan *p, const char *key)
{
	VEC_EACH (&p->want.sysctls, const struct net_sysctl, s) {
		if (strcmp(s->key, key) == 0)
			return true;
	}
	return false;
}

static void want_sysctl(
	struct arena *a, struct plan *p, const char *key, long value, struct span at)
{
	if (is_wanted(p, key))
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

/* ---- the fast path ---- */

#define PROTOCOL_RA 9u /* RTPROT_RA: a router advertisement made the route */

static bool has_advertised_default(const struct netstate *seen, const char *interface)
{
	VEC_EACH (&seen->routes, const struct net_route, r) {
		if (r->family != IP_V6 || r->dst.len || r->protocol != PROTOCOL_RA)
			continue;
		VEC_EACH (&r->nexthops, const struct net_nexthop, n) {
			if (n->interface && strcmp(n->interface, interface) == 0)
				return true;
		}
	}
	return false;
}

/* Is it only the interface's own `forwarding` that keeps packets of IPv6 from the fast path? */
static bool lacks_forwarding6(
	struct arena *a, const struct plan *p, const struct memory *memory, const char *interface)
{
	const char *key = netstate_conf_key(a, IP_V6, interface, "forwarding");

	if (!netstate_sysctl(p->seen, key) || is_wanted(p, key) || original(p, memory, key, 1) != 0)
		return false;
	VEC_EACH (&p->fastpaths, const struct plan_fastpath, f) {
		if (f->ip6 && strcmp(f->interface, interface) == 0)
			return true;
	}
	return false;
}

/* Would a change of `forwarding`, there or elsewhere, take its default route or its advertisements away? */
static bool hangs_on_advertisements(
	struct arena *a, const struct plan *p, const struct memory *memory, const char *interface)
{
	return lacks_forwarding6(a, p, memory, interface) ||
	       has_advertised_default(p->seen, interface);
}

/* accept_ra is 2 before anything forwards. False: what it is now is not known somewhere; *@where. */
static bool keep_advertisements(
	struct arena *a, struct plan *p, const struct memory *memory, const char **where)
{
	VEC_EACH (&p->seen->links, const struct net_link, l) {
		*where = netstate_conf_key(a, IP_V6, l->name, "accept_ra");
		if (hangs_on_advertisements(a, p, memory, l->name) &&
			!netstate_sysctl(p->seen, *where))
			return false;
	}
	VEC_EACH (&p->seen->links, const struct net_link, l) {
		const char *key = netstate_conf_key(a, IP_V6, l->name, "accept_ra");
		long now = original(p, memory, key, 0);

		if (now != 0 && now != 2 && hangs_on_advertisements(a, p, memory, l->name))
			want_sysctl(a, p, key, 2, p->model->fastpath_at);
	}
	return true;
}

/*
 * The kernel's look-up for programs refuses IPv6 where `forwarding` of the interface that a packet came in
 * by is 0 (net/core/filter.c, bpf_ipv6_fib_lookup). The kernel's own path asks force_forwarding and
 * all.forwarding instead, so it is 0 where the first is used, or where somebody wants the interface to be
 * a host's. Setting it has the same trap as all.forwarding: the default routes that advertisements made go,
 * on all interfaces, and further ones are ignored, on this one, unless accept_ra is 2 (net/ipv6/addrconf.c,
 * addrconf_fixup_forwarding).
 */
static void want_fastpath6(struct arena *a, struct plan *p, const struct memory *memory)
{
	bool lacking = false, safe;
	const char *where;

	VEC_EACH (&p->fastpaths, const struct plan_fastpath, f) {
		lacking = lacking || lacks_forwarding6(a, p, memory, f->interface);
	}
	if (!lacking)
		return;
	safe = keep_advertisements(a, p, memory, &where);
	VEC_EACH (&p->fastpaths, struct plan_fastpath, f) {
		const char *key = netstate_conf_key(a, IP_V6, f->interface, "forwarding");

		if (!lacks_forwarding6(a, p, memory, f->interface))
			continue;
		if (safe)
			want_sysctl(a, p, key, 1, p->model->fastpath_at);
		else
			f->not_ip6 = arena_printf(a,
				"%s is 0, and to set it could take away a default route that was "
				"advertised: %s is not known",
				key, where);
	}
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
	want_fastpath6(a, p, memory);
}
