/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks up routes through ip rules, as net/core/fib_rules.c does, for a packet half known. */
#include "walk/routes.h"

#include <stdio.h>
#include <string.h>

#define LAST_METRIC	UINT32_MAX
#define PROTOCOL_KERNEL 2 /* RTPROT_KERNEL */

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

static enum tri port_in(const uint16_t range[2], const struct packet *p, bool source)
{
	uint16_t bits = packet_port_bits(p, source), port = source ? p->sport : p->dport;
	uint16_t least = port & bits, most = port | (uint16_t)~bits;

	if (!range[1] || (least >= range[0] && most <= range[1]))
		return TRI_YES;
	return most < range[0] || least > range[1] ? TRI_NO : TRI_UNKNOWN;
}

const struct net_link *walk_vrf(const struct netstate *net, const char *interface)
{
	const struct net_link *l = interface ? netstate_link(net, interface) : NULL;

	if (l && !l->vrf_table && l->master)
		l = netstate_link_by_index(net, l->master);
	return l && l->vrf_table ? l : NULL;
}

/* That of the interface that a packet came in on. */
static const struct net_link *vrf_of(const struct netstate *net, const struct packet *p)
{
	return packet_knows(p, PKT_IIF) ? walk_vrf(net, p->iif) : NULL;
}

static enum tri uid_in(const uint32_t range[2], const struct packet *p)
{
	/* What no socket of ours sent counts as root's (sock_net_uid() without a socket). */
	if (!p->from_socket)
		return tri_of(range[0] == 0);
	if (packet_knows(p, PKT_UID))
		return tri_of(p->uid >= range[0] && p->uid <= range[1]);
	return range[0] == 0 && range[1] >= UINT32_MAX - 1 ? TRI_YES : TRI_UNKNOWN;
}

/* DSCP and the three bits of the old TOS, without ECN. */
static enum tri tos_is(uint8_t tos, const struct packet *p)
{
	return packet_knows(p, PKT_TOS) ? tri_of((p->tos & 0xfc) == (tos & 0xfc)) : TRI_UNKNOWN;
}

static enum tri iif_is(const struct netstate *net, const struct packet *p, const char *want)
{
	const struct net_link *vrf = want ? vrf_of(net, p) : NULL;

	if (vrf && strcmp(vrf->name, want) == 0)
		return TRI_YES;
	return name_is(want, packet_knows(p, PKT_IIF), p->iif);
}

enum tri walk_rule_matches(
	const struct netstate *net, const struct packet *p, const struct net_rule *r)
{
	enum tri t = mark_is(r, p);

	t = tri_and(t, prefix_has(&r->src, packet_knows(p, PKT_SADDR), &p->saddr));
	t = tri_and(t, prefix_has(&r->dst, packet_knows(p, PKT_DADDR), &p->daddr));
	t = tri_and(t, iif_is(net, p, r->iif));
	/* Only sockets that are bound to a device ask for a way out by it; and tunnel keys are of
	 * tunnels that are told the way per packet. */
	if (r->oif || r->tun_id)
		t = TRI_NO;
	if (r->has_uid)
		t = tri_and(t, uid_in(r->uid, p));
	if (r->l3mdev)
		t = tri_and(t, tri_of(vrf_of(net, p)));
	if (r->tos)
		t = tri_and(t, tos_is(r->tos, p));
	if (r->ip_proto)
		t = tri_and(t,
			packet_knows(p, PKT_PROTO) ? tri_of(p->proto == r->ip_proto) : TRI_UNKNOWN);
	t = tri_and(t, port_in(r->sport, p, true));
	t = tri_and(t, port_in(r->dport, p, false));
	if (r->more_selectors)
		t = tri_and(t, TRI_UNKNOWN);
	return r->invert ? tri_not(t) : t;
}

uint32_t walk_rule_table(
	const struct netstate *net, const struct packet *p, const struct net_rule *r)
{
	const struct net_link *vrf = r->l3mdev ? vrf_of(net, p) : NULL;

	return vrf ? vrf->vrf_table : r->table;
}

size_t walk_rule_goto(const struct netstate *net, size_t i)
{
	const struct net_rule *r = &net->rules.items[i];

	while (++i < net->rules.len) {
		if (net->rules.items[i].family == r->family &&
			net->rules.items[i].preference == r->goto_preference)
			return i;
	}
	return i;
}

/* Routes by an interface without carrier are passed over where a sysctl says so. */
static bool ignores_linkdown(const struct netstate *net, uint8_t family, const char *interface)
{
	const char *version = family == IP_V6 ? "ipv6" : "ipv4";
	char key[96];
	size_t len;

	snprintf(key, sizeof(key), "net.%s.conf.all.ignore_routes_with_linkdown", version);
	if (netstate_sysctl_int(net, key, 0) > 0)
		return true;
	len = (size_t)snprintf(key, sizeof(key), "net.%s.conf.", version);
	for (; *interface && len < sizeof(key) - 1; interface++)
		key[len++] = *interface == '.' ? '/' : *interface;
	snprintf(key + len, sizeof(key) - len, ".ignore_routes_with_linkdown");
	return netstate_sysctl_int(net, key, 0) > 0;
}

bool walk_hop_alive(const struct netstate *net, uint8_t family, const struct net_nexthop *h)
{
	if (h->dead)
		return false;
	return !h->linkdown || !h->interface || !ignores_linkdown(net, family, h->interface);
}

static bool has_way(const struct netstate *net, const struct net_route *r)
{
	VEC_EACH (&r->nexthops, struct net_nexthop, h) {
		if (walk_hop_alive(net, r->family, h))
			return true;
	}
	return r->nexthops.len == 0;
}

/* Packets to addresses that mean something on one link only go by that link (rt6_need_strict()). */
static bool by_its_link(const struct packet *p, const struct net_route *r)
{
	bool strict =
		p->family == IP_V6 && (ip_is_link_local(&p->daddr) || ip_is_multicast(&p->daddr) ||
					      ip_is_loopback(&p->daddr));

	return !strict || !packet_knows(p, PKT_IIF) || !p->iif || strcmp(p->iif, "lo") == 0 ||
	       walk_route_leaves_by(r, p->iif) != TRI_NO;
}

static bool better(const struct net_route *r, const struct net_route *best)
{
	if (r->dst.len != best->dst.len)
		return r->dst.len > best->dst.len;
	if (r->src.len != best->src.len)
		return r->src.len > best->src.len;
	if (r->tos != best->tos)
		return r->tos > best->tos;
	return r->metric < best->metric;
}

const struct net_route *walk_table_route(
	const struct netstate *net, uint32_t table, const struct packet *p)
{
	const struct net_route *best = NULL;

	VEC_EACH (&net->routes, struct net_route, r) {
		if (r->table != table || r->family != p->family ||
			(r->dst.len && !ip_in_prefix(&p->daddr, &r->dst)) ||
			(best && !better(r, best)))
			continue;
		if (r->src.len &&
			(!packet_knows(p, PKT_SADDR) || !ip_in_prefix(&p->saddr, &r->src)))
			continue;
		if (r->tos && tos_is(r->tos, p) != TRI_YES)
			continue;
		if (has_way(net, r) && by_its_link(p, r))
			best = r;
	}
	return best;
}

static bool is_refusal(uint8_t type)
{
	return type == ROUTE_BLACKHOLE || type == ROUTE_UNREACHABLE || type == ROUTE_PROHIBIT;
}

static bool in_group(const struct netstate *net, const struct net_route *route, uint32_t group)
{
	const char *interface = route->nexthops.len ? route->nexthops.items[0].interface : NULL;
	const struct net_link *l = interface ? netstate_link(net, interface) : NULL;

	return l && l->group == group;
}

/* What older kernels show in IPv6 where there is no default route. (One that somebody made with that
 * metric is as good as any.) */
static bool is_empty(const struct net_route *r)
{
	return r->family == IP_V6 && r->metric == LAST_METRIC && !r->dst.len &&
	       r->protocol == PROTOCOL_KERNEL;
}

bool walk_rule_gives(const struct netstate *net, const struct packet *p, const struct net_rule *r,
	struct walk_route *out)
{
	const struct net_route *route;

	*out = (struct walk_route){WALK_ROUTE_NONE, r, NULL};
	if (r->action != RULE_LOOKUP)
		return is_refusal(r->action); /* the same numbers */
	route = walk_table_route(net, walk_rule_table(net, p, r), p);
	if (!route || route->type == ROUTE_THROW || is_empty(route))
		return false;
	out->route = route;
	if (is_refusal(route->type))
		return true;
	out->kind = WALK_ROUTE_FOUND;
	return (int32_t)route->dst.len > r->suppress_prefixlen &&
	       !(r->has_suppress_ifgroup && in_group(net, route, r->suppress_ifgroup));
}

static bool same_way(const struct net_route *a, const struct net_route *b)
{
	if (a == b)
		return true;
	if (a->type != b->type || a->nexthops.len != b->nexthops.len)
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
			size_t target = walk_rule_goto(net, i);

			if (target == net->rules.len) /* unresolved: as if it were not there */
				continue;
			look_up(net, p, target, &taken);
		} else if (!walk_rule_gives(net, p, r, &taken)) {
			continue;
		}
		if (t == TRI_YES) {
			*out = taken;
			return;
		}
		look_up(net, p, i + 1, out);
		if (taken.kind != out->kind ||
			(taken.kind == WALK_ROUTE_FOUND && !same_way(taken.route, out->route)))
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
