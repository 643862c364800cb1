/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks up routes through ip rules, as net/core/fib_rules.c does, for a packet half known. */
#include "walk/routes.h"

#include <string.h>

static enum tri prefix_has(const struct ip_prefix *prefix, bool known, const struct ip_addr *addr)
{
	if (prefix->addr.family == IP_NONE || prefix->len == 0)
		return TRI_YES;
	return known ? tri_of(ip_in_prefix(addr, prefix)) : TRI_UNKNOWN;
}

static enum tri name_is(const char *want, bool known, const char *name)
{
	if (!want)
		return TRI_YES;
	return known ? tri_of(name && strcmp(name, want) == 0) : TRI_UNKNOWN;
}

static enum tri mark_is(const struct net_rule *r, const struct packet *p)
{
	if (!r->mask)
		return TRI_YES;
	if ((p->mark ^ r->mark) & r->mask & p->mark_known)
		return TRI_NO;
	return r->mask & ~p->mark_known ? TRI_UNKNOWN : TRI_YES;
}

static enum tri number_in(const uint16_t range[2], bool known, uint16_t number)
{
	if (!range[1])
		return TRI_YES;
	return known ? tri_of(number >= range[0] && number <= range[1]) : TRI_UNKNOWN;
}

/* The l3mdev rule applies to what comes in on a VRF. */
static enum tri in_vrf(const struct netstate *net, const struct packet *p)
{
	const struct net_link *l =
		packet_knows(p, PKT_IIF) && p->iif ? netstate_link(net, p->iif) : NULL;
	const struct net_link *master =
		l && l->master ? netstate_link_by_index(net, l->master) : NULL;

	if (master && master->kind && strcmp(master->kind, "vrf") == 0)
		return TRI_UNKNOWN;
	return TRI_NO;
}

enum tri walk_rule_matches(
	const struct netstate *net, const struct packet *p, const struct net_rule *r)
{
	enum tri t = mark_is(r, p);

	t = tri_and(t, prefix_has(&r->src, packet_knows(p, PKT_SADDR), &p->saddr));
	t = tri_and(t, prefix_has(&r->dst, packet_knows(p, PKT_DADDR), &p->daddr));
	t = tri_and(t, name_is(r->iif, packet_knows(p, PKT_IIF), p->iif));
	/* Only sockets that are bound to a device ask for a way out by it, and only sockets have an
	 * owner: neither is true of a forwarded packet. */
	if (r->oif || r->has_uid)
		t = TRI_NO;
	if (r->l3mdev)
		t = tri_and(t, in_vrf(net, p));
	if (r->tos)
		t = tri_and(t, TRI_UNKNOWN);
	if (r->ip_proto)
		t = tri_and(t,
			packet_knows(p, PKT_PROTO) ? tri_of(p->proto == r->ip_proto) : TRI_UNKNOWN);
	t = tri_and(t, number_in(r->sport, packet_knows(p, PKT_SPORT), p->sport));
	t = tri_and(t, number_in(r->dport, packet_knows(p, PKT_DPORT), p->dport));
	return r->invert ? tri_not(t) : t;
}

/* What a rule gives once it applies; false: nothing, the next one is asked. */
static bool rule_gives(const struct netstate *net, const struct packet *p, const struct net_rule *r,
	struct walk_route *out)
{
	const struct net_route *route;

	*out = (struct walk_route){WALK_ROUTE_NONE, r, NULL};
	if (r->action != RULE_LOOKUP)
		return r->action == RULE_BLACKHOLE || r->action == RULE_UNREACHABLE ||
		       r->action == RULE_PROHIBIT;
	route = netstate_route(net, r->table, &p->daddr);
	if (!route || route->type == ROUTE_THROW)
		return false;
	if (route->type == ROUTE_BLACKHOLE || route->type == ROUTE_UNREACHABLE ||
		route->type == ROUTE_PROHIBIT)
		return true;
	if (route->dst.len <= r->suppress_prefixlen)
		return false;
	*out = (struct walk_route){WALK_ROUTE_FOUND, r, route};
	return true;
}

static bool same_way(const struct net_route *a, const struct net_route *b)
{
	if (a == b)
		return true;
	if (!a || !b || a->type != b->type || a->nexthops.len != b->nexthops.len)
		return false;
	for (size_t i = 0; i < a->nexthops.len; i++) {
		const char *x = a->nexthops.items[i].interface, *y = b->nexthops.items[i].interface;

		if (!x || !y || strcmp(x, y) != 0)
			return false;
	}
	return true;
}

/* From rule number @i on. A rule that may apply parts the way in two, which must agree. */
static void look_up(
	const struct netstate *net, const struct packet *p, size_t i, struct walk_route *out)
{
	struct walk_route taken;

	*out = (struct walk_route){WALK_ROUTE_NONE, NULL, NULL};
	for (; i < net->rules.len; i++) {
		const struct net_rule *r = &net->rules.items[i];
		enum tri t = r->family == p->family ? walk_rule_matches(net, p, r) : TRI_NO;

		if (t == TRI_NO)
			continue;
		if (r->action == RULE_GOTO) {
			size_t target = i + 1;

			while (target < net->rules.len &&
				(net->rules.items[target].family != r->family ||
					net->rules.items[target].preference < r->goto_preference))
				target++;
			if (target == net->rules.len) /* unresolved: as if it were not there */
				continue;
			look_up(net, p, target, &taken);
		} else if (!rule_gives(net, p, r, &taken)) {
			continue;
		}
		if (t == TRI_YES) {
			*out = taken;
			return;
		}
		look_up(net, p, i + 1, out);
		if (taken.kind != out->kind || !same_way(taken.route, out->route))
			*out = (struct walk_route){WALK_ROUTE_UNCERTAIN, r, NULL};
		return;
	}
}

void walk_route(const struct netstate *net, const struct packet *p, struct walk_route *out)
{
	look_up(net, p, 0, out);
}

enum tri walk_route_leaves_by(const struct net_route *r, const char *interface)
{
	size_t by = 0;

	VEC_EACH (&r->nexthops, struct net_nexthop, h)
		by += h->interface && strcmp(h->interface, interface) == 0;
	if (by == 0)
		return TRI_NO;
	return by == r->nexthops.len ? TRI_YES : TRI_UNKNOWN;
}
