/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Table local, as the kernel makes it of addresses.
 *
 * People paste `ip route`, which leaves it out; but it is no one's choice what stands there: the kernel
 * writes it as addresses come and go (net/ipv4/fib_frontend.c, net/ipv6/addrconf.c).
 */
#include "netstate/dump/reader.h"

enum { SCOPE_LINK = 253, SCOPE_HOST = 254, PROTOCOL_KERNEL = 2 };

static struct net_route *add(
	struct dump *d, const struct ip_prefix *dst, uint8_t type, const char *interface)
{
	struct net_route *r = vec_add(d->arena, &d->out->routes);
	struct net_nexthop *hop = vec_add(d->arena, &r->nexthops);

	r->family = dst->addr.family;
	r->table = TABLE_LOCAL;
	r->dst = *dst;
	r->type = type;
	r->protocol = PROTOCOL_KERNEL;
	hop->interface = interface;
	hop->weight = 1;
	return r;
}

static void derive4(struct dump *d, const struct net_addr *a)
{
	struct ip_prefix host = ip_prefix_of(&a->addr, 32);
	struct ip_prefix network = ip_prefix_of(&a->addr, a->prefix_len);
	struct net_route *r = add(d, &host, ROUTE_LOCAL, a->interface);

	r->scope = SCOPE_HOST;
	r->prefsrc = a->addr;
	/* All of 127/8 is the machine's own. */
	if (ip_is_loopback(&a->addr) && a->prefix_len < 32) {
		r = add(d, &network, ROUTE_LOCAL, a->interface);
		r->scope = SCOPE_HOST;
		r->prefsrc = a->addr;
	}
	if (a->prefix_len < 31 && !a->peer.family && !a->secondary) {
		struct ip_addr last = ip_prefix_last(&network);
		struct ip_prefix broadcast = ip_prefix_of(&last, 32);

		r = add(d, &broadcast, ROUTE_BROADCAST, a->interface);
		r->scope = SCOPE_LINK;
		r->prefsrc = a->addr;
	}
}

static void derive6(struct dump *d, const struct net_addr *a)
{
	struct ip_prefix host = ip_prefix_of(&a->addr, 128);

	add(d, &host, ROUTE_LOCAL, a->interface);
}

static void multicast6(struct dump *d)
{
	static const uint8_t ff[16] = {0xff};
	struct ip_prefix all = {ip_from_bytes(IP_V6, ff), 8};

	VEC_EACH (&d->out->links, const struct net_link, l)
		if (l->up && !l->loopback)
			add(d, &all, ROUTE_MULTICAST, l->name)->metric = 256;
}

static bool has_local(const struct netstate *s, uint8_t family)
{
	VEC_EACH (&s->routes, const struct net_route, r)
		if (r->family == family && r->table == TABLE_LOCAL)
			return true;
	return false;
}

/* An address of an interface that is down has no routes. */
static bool is_up(const struct netstate *s, const char *interface)
{
	const struct net_link *l = netstate_link(s, interface);

	return !l || l->up;
}

void dump_derive_local(struct dump *d)
{
	struct netstate *s = d->out;
	bool want4 = s->have & HAVE_ROUTES4 && !has_local(s, IP_V4);
	bool want6 = s->have & HAVE_ROUTES6 && !has_local(s, IP_V6);

	if (!(s->have & HAVE_ADDRS))
		return;
	VEC_EACH (&s->addrs, const struct net_addr, a) {
		if (!is_up(s, a->interface))
			continue;
		if (a->addr.family == IP_V4 && want4)
			derive4(d, a);
		else if (a->addr.family == IP_V6 && want6)
			derive6(d, a);
	}
	if (want6)
		multicast6(d);
}
