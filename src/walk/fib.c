/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks into the routing tables for rules; see fib.h. */
#include "walk/fib.h"

#include <string.h>

#include "walk/routes.h"

#define TCP_DEFAULT_MSS 536 /* TCP_MSS_DEFAULT of the kernel */

static bool is_zeronet(const struct ip_addr *a)
{
	return a->family == IP_V4 && a->bytes[0] == 0;
}

static bool is_limited_broadcast(const struct ip_addr *a)
{
	static const uint8_t ones[4] = {255, 255, 255, 255};

	return a->family == IP_V4 && memcmp(a->bytes, ones, 4) == 0;
}

/* 224.0.0.0/24 */
static bool is_local_multicast(const struct ip_addr *a)
{
	static const uint8_t prefix[3] = {224, 0, 0};

	return a->family == IP_V4 && memcmp(a->bytes, prefix, 3) == 0;
}

static bool is_loopback_device(const struct netstate *net, const char *name)
{
	const struct net_link *l = name ? netstate_link(net, name) : NULL;

	return l ? l->loopback : name_equal(name, "lo");
}

/* ---- kinds of addresses ---- */

static bool has_local_table(const struct netstate *net, uint8_t family)
{
	VEC_EACH (&net->routes, struct net_route, r) {
		if (r->table == TABLE_LOCAL && r->family == family)
			return true;
	}
	return false;
}

/* The address as one of an interface's own; NULL: it is none. */
static const struct net_addr *own_address(
	const struct netstate *net, const struct ip_addr *addr, bool limited, const char *interface)
{
	VEC_EACH (&net->addrs, struct net_addr, a) {
		if (ip_equal(&a->addr, addr) && (!limited || name_equal(a->interface, interface)))
			return a;
	}
	return NULL;
}

/* The broadcast address of a subnet that an interface is in. */
static bool is_subnet_broadcast(
	const struct netstate *net, const struct ip_addr *addr, bool limited, const char *interface)
{
	VEC_EACH (&net->addrs, struct net_addr, a) {
		struct ip_prefix subnet;
		struct ip_addr last;

		if (a->addr.family != IP_V4 || a->prefix_len >= 31 ||
			(limited && !name_equal(a->interface, interface)))
			continue;
		subnet = ip_prefix_of(&a->addr, a->prefix_len);
		last = ip_prefix_last(&subnet);
		if (ip_equal(&last, addr))
			return true;
	}
	return false;
}

static const char *first_interface(const struct net_route *r)
{
	VEC_EACH (&r->nexthops, struct net_nexthop, h) {
		if (!h->dead)
			return h->interface;
	}
	return NULL;
}

static int type_v4(
	const struct netstate *net, const struct ip_addr *addr, bool limited, const char *interface)
{
	const struct net_route *r;

	if (is_zeronet(addr) || is_limited_broadcast(addr))
		return ROUTE_BROADCAST;
	if (ip_is_multicast(addr))
		return ROUTE_MULTICAST;
	if (has_local_table(net, IP_V4)) {
		r = netstate_route(net, TABLE_LOCAL, addr);
		if (!r || (limited && !name_equal(first_interface(r), interface)))
			return ROUTE_UNICAST;
		return r->type;
	}
	/* What the kernel puts into that table of its own accord. */
	if (ip_is_loopback(addr))
		return limited && !is_loopback_device(net, interface) ? ROUTE_UNICAST : ROUTE_LOCAL;
	if (own_address(net, addr, limited, interface))
		return ROUTE_LOCAL;
	if (is_subnet_broadcast(net, addr, limited, interface))
		return ROUTE_BROADCAST;
	return net->have & HAVE_ADDRS || netstate_route(net, TABLE_MAIN, addr) ? ROUTE_UNICAST : -1;
}

/* What it comes to that there is no route. */
static int type_of_refusal(const struct walk_route *r)
{
	if (!r->rule)
		return ROUTE_UNREACHABLE;
	switch (r->rule->action) {
	case RULE_BLACKHOLE:
		return ROUTE_BLACKHOLE;
	case RULE_PROHIBIT:
		return ROUTE_PROHIBIT;
	default: /* a number from outside */
		return ROUTE_UNREACHABLE;
	}
}

static int type_v6(const struct netstate *net, const struct packet *p, const struct ip_addr *addr,
	bool limited, const char *interface)
{
	struct packet q = {.family = IP_V6,
		.known = PKT_IIF | PKT_OIF | PKT_DADDR | PKT_SPORT | PKT_DPORT |
			 (p->known & PKT_PROTO),
		.iif = "lo",
		.proto = p->proto};
	struct walk_route r;

	if (own_address(net, addr, limited, interface) || (!limited && ip_is_loopback(addr)))
		return ROUTE_LOCAL;
	if (ip_is_multicast(addr))
		return ROUTE_MULTICAST;
	q.daddr = *addr;
	q.mark_known = UINT32_MAX;
	if (packet_knows(p, PKT_SADDR | PKT_DADDR)) {
		q.known |= PKT_SADDR;
		q.saddr = ip_equal(addr, &p->saddr) ? p->daddr : p->saddr;
	}
	walk_route(net, &q, &r);
	if (r.kind == WALK_ROUTE_FOUND) {
		if (r.route->type == ROUTE_ANYCAST || (r.route->type == ROUTE_LOCAL && !limited))
			return r.route->type;
		return ROUTE_UNICAST;
	}
	if (r.kind == WALK_ROUTE_NONE && net->have & HAVE_ROUTES6 && net->have & HAVE_RULES6)
		return type_of_refusal(&r);
	return -1;
}

int walk_address_type(const struct netstate *net, const struct packet *p,
	const struct ip_addr *addr, bool limited, const char *interface)
{
	return addr->family == IP_V6 ? type_v6(net, p, addr, limited, interface)
				     : type_v4(net, addr, limited, interface);
}

enum tri walk_address_is_local(
	const struct netstate *net, const struct ip_addr *addr, bool limited, const char *interface)
{
	const struct net_route *r;
	int type;

	if (addr->family == IP_V4) {
		type = type_v4(net, addr, limited, interface);
		return type < 0 ? TRI_UNKNOWN : tri_of(type == ROUTE_LOCAL);
	}
	if (own_address(net, addr, limited, interface) || (!limited && ip_is_loopback(addr)))
		return TRI_YES;
	r = limited ? NULL : netstate_route(net, TABLE_LOCAL, addr);
	if (r && r->type == ROUTE_LOCAL)
		return TRI_YES;
	return net->have & HAVE_ADDRS ? TRI_NO : TRI_UNKNOWN;
}

/* ---- ways ---- */

/* That no route was found is only known where they all are. */
static enum tri no_route(const struct netstate *net, uint8_t family)
{
	uint32_t parts = family == IP_V6 ? HAVE_ROUTES6 | HAVE_RULES6 : HAVE_ROUTES4 | HAVE_RULES4;

	return (net->have & parts) == parts ? TRI_NO : TRI_UNKNOWN;
}

/* Does some next hop leave by the interface, or by one that is enslaved to it as to a VRF? */
static bool route_uses(const struct netstate *net, const struct net_route *r, const char *interface)
{
	const struct net_link *wanted = interface ? netstate_link(net, interface) : NULL;

	VEC_EACH (&r->nexthops, struct net_nexthop, h) {
		const struct net_link *l = h->interface ? netstate_link(net, h->interface) : NULL;

		if (name_equal(h->interface, interface))
			return true;
		if (l && wanted && wanted->vrf_table && l->master == wanted->index)
			return true;
	}
	return false;
}

/* Multicast and broadcast destinations are no source to route from. */
static bool can_be_source(const struct ip_addr *a)
{
	return !ip_is_multicast(a) && !is_limited_broadcast(a) && !is_zeronet(a) &&
	       !ip_is_unspecified(a);
}

/* The packet that is looked up for the way to @to: one that this machine would send, with @p's mark if
 * that counts. */
static struct packet question_to(const struct packet *p, const struct ip_addr *to, bool from_known,
	const struct ip_addr *from, bool use_mark)
{
	struct packet q = {.family = p->family,
		.known = PKT_IIF | PKT_OIF | PKT_DADDR | PKT_SPORT | PKT_DPORT,
		.iif = "lo",
		.daddr = *to,
		.mark_known = UINT32_MAX};

	if (from_known) {
		q.known |= PKT_SADDR;
		if (can_be_source(from))
			q.saddr = *from;
		else
			q.saddr.family = p->family;
	}
	if (packet_knows(p, PKT_TOS)) {
		q.known |= PKT_TOS;
		q.tos = p->tos;
	}
	if (use_mark) {
		q.mark = p->mark;
		q.mark_known = p->mark_known;
	}
	return q;
}

enum tri walk_fib_way(const struct netstate *net, const struct packet *p,
	const struct walk_fib_question *q, const char **oif)
{
	uint32_t to = q->daddr ? PKT_DADDR : PKT_SADDR, from = q->daddr ? PKT_SADDR : PKT_DADDR;
	struct packet ask;
	struct walk_route r;

	*oif = NULL;
	if (!packet_knows(p, to) || (q->iif && !packet_knows(p, PKT_IIF)))
		return TRI_UNKNOWN;
	if ((q->hook == HOOK_PREROUTING || q->hook == HOOK_INPUT) && packet_knows(p, PKT_IIF) &&
		p->iif && is_loopback_device(net, p->iif)) {
		*oif = p->iif;
		return TRI_YES;
	}
	if (packet_knows(p, PKT_SADDR | PKT_DADDR | PKT_IIF) && is_zeronet(&p->saddr) &&
		(is_limited_broadcast(&p->daddr) || is_local_multicast(&p->daddr))) {
		*oif = p->iif;
		return TRI_YES;
	}
	ask = q->daddr ? question_to(p, &p->daddr, packet_knows(p, from), &p->saddr, q->mark)
		       : question_to(p, &p->saddr, packet_knows(p, from), &p->daddr, q->mark);
	if (packet_knows(p, PKT_PROTO)) {
		ask.known |= PKT_PROTO;
		ask.proto = p->proto;
	}
	if (!q->daddr && q->iif && q->hook == HOOK_FORWARD) {
		ask.iif = p->oif;
		if (!packet_knows(p, PKT_OIF))
			ask.known &= ~(uint32_t)PKT_IIF;
	}
	walk_route(net, &ask, &r);
	if (r.kind == WALK_ROUTE_UNCERTAIN)
		return TRI_UNKNOWN;
	if (r.kind == WALK_ROUTE_NONE)
		return no_route(net, p->family);
	if (r.route->type == ROUTE_LOCAL || (p->family == IP_V6 && r.route->type == ROUTE_ANYCAST))
		return TRI_NO;
	if (!q->iif) {
		/* IPv4 takes the first next hop, IPv6 one by the hash of the flow. */
		if (p->family == IP_V4 || r.route->nexthops.len == 1)
			*oif = first_interface(r.route);
		return TRI_YES;
	}
	if (!p->iif || !route_uses(net, r.route, p->iif))
		return TRI_NO;
	if (p->family == IP_V6 && walk_route_leaves_by(r.route, p->iif) != TRI_YES)
		return TRI_UNKNOWN;
	*oif = p->iif;
	return TRI_YES;
}

/* Of all routes to that very prefix in the table: the kernel prefers one by the interface asked for, but
 * takes another if there is none. */
static bool some_route_uses(
	const struct netstate *net, const struct net_route *found, const char *interface)
{
	VEC_EACH (&net->routes, struct net_route, r) {
		if (r->table == found->table && r->family == found->family &&
			ip_prefix_equal(&r->dst, &found->dst) && route_uses(net, r, interface))
			return true;
	}
	return false;
}

static enum tri rpfilter_v6(const struct netstate *net, const struct packet *p, bool use_mark,
	bool loose, bool accept_local)
{
	struct packet ask;
	struct walk_route r;

	if (ip_is_unspecified(&p->saddr) || ip_is_link_local(&p->saddr))
		return TRI_YES;
	if (walk_address_is_local(net, &p->saddr, false, NULL) == TRI_YES)
		return tri_of(accept_local);
	ask = question_to(p, &p->saddr, packet_knows(p, PKT_DADDR), &p->daddr, use_mark);
	ask.known |= p->known & PKT_PROTO;
	ask.proto = p->proto;
	walk_route(net, &ask, &r);
	if (r.kind == WALK_ROUTE_UNCERTAIN)
		return TRI_UNKNOWN;
	if (r.kind == WALK_ROUTE_NONE)
		return no_route(net, IP_V6);
	if (r.route->type == ROUTE_LOCAL)
		return tri_of(accept_local);
	if (r.route->type == ROUTE_ANYCAST)
		return TRI_NO;
	if (loose)
		return TRI_YES;
	return packet_knows(p, PKT_IIF) ? tri_of(p->iif && some_route_uses(net, r.route, p->iif))
					: TRI_UNKNOWN;
}

enum tri walk_rpfilter(const struct netstate *net, const struct packet *p, bool use_mark,
	bool loose, bool accept_local)
{
	struct packet ask;
	struct walk_route r;

	if (packet_knows(p, PKT_IIF) && p->iif && is_loopback_device(net, p->iif))
		return TRI_YES;
	if (!packet_knows(p, PKT_SADDR))
		return TRI_UNKNOWN;
	if (p->family == IP_V6)
		return rpfilter_v6(net, p, use_mark, loose, accept_local);
	if (is_zeronet(&p->saddr) && packet_knows(p, PKT_DADDR) &&
		(is_limited_broadcast(&p->daddr) || is_local_multicast(&p->daddr)))
		return TRI_YES;
	ask = question_to(p, &p->saddr, packet_knows(p, PKT_DADDR), &p->daddr, use_mark);
	ask.known |= PKT_PROTO; /* none */
	walk_route(net, &ask, &r);
	if (r.kind == WALK_ROUTE_UNCERTAIN)
		return TRI_UNKNOWN;
	if (r.kind == WALK_ROUTE_NONE)
		return no_route(net, IP_V4);
	if (r.route->type != ROUTE_UNICAST && (r.route->type != ROUTE_LOCAL || !accept_local))
		return TRI_NO;
	if (loose)
		return TRI_YES;
	return packet_knows(p, PKT_IIF) ? tri_of(p->iif && route_uses(net, r.route, p->iif))
					: TRI_UNKNOWN;
}

/* ---- MTU ---- */

static uint32_t route_mtu(
	const struct netstate *net, const struct net_route *r, const char *interface)
{
	const struct net_link *l = interface ? netstate_link(net, interface) : NULL;

	if (r && r->mtu)
		return r->mtu;
	return l ? l->mtu : 0;
}

uint16_t walk_path_mss(const struct netstate *net, const struct packet *p)
{
	uint32_t headers = p->family == IP_V6 ? 60 : 40, mtu, back;
	struct packet ask;
	struct walk_route r;
	const struct net_route *there = NULL;

	if (!packet_knows(p, PKT_SADDR | PKT_DADDR | PKT_OIF) || !p->oif)
		return 0;
	/* Of the packet's own route only the interface is known here; a route of its own size is looked
	 * for as the packet would be routed now. */
	walk_route(net, p, &r);
	if (r.kind == WALK_ROUTE_FOUND && walk_route_leaves_by(r.route, p->oif) == TRI_YES)
		there = r.route;
	mtu = route_mtu(net, there, p->oif);
	/* The way back is looked up by the address alone. */
	ask = question_to(p, &p->saddr, false, NULL, false);
	ask.known |= PKT_SADDR | PKT_TOS | PKT_PROTO;
	ask.saddr.family = p->family;
	ask.tos = 0;
	walk_route(net, &ask, &r);
	if (r.kind == WALK_ROUTE_UNCERTAIN || mtu == 0)
		return 0;
	if (r.kind == WALK_ROUTE_FOUND) {
		back = route_mtu(net, r.route, first_interface(r.route));
		if (back == 0)
			return 0;
		mtu = back < mtu ? back : mtu;
	}
	if (mtu <= headers || mtu > 0xffff)
		return TCP_DEFAULT_MSS;
	return (uint16_t)(mtu - headers);
}
