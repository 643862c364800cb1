/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lookups in a netstate, and equality of routes and rules. */
#include "netstate/netstate.h"

#include <stdlib.h>
#include <string.h>

const struct net_link *netstate_link(const struct netstate *s, const char *name)
{
	VEC_EACH (&s->links, struct net_link, l) {
		if (strcmp(l->name, name) == 0)
			return l;
	}
	return NULL;
}

const struct net_link *netstate_link_by_index(const struct netstate *s, int index)
{
	VEC_EACH (&s->links, struct net_link, l) {
		if (l->index == index)
			return l;
	}
	return NULL;
}

const struct net_addr *netstate_addr(const struct netstate *s, const struct ip_addr *addr)
{
	VEC_EACH (&s->addrs, struct net_addr, a) {
		if (ip_equal(&a->addr, addr))
			return a;
	}
	return NULL;
}

const char *netstate_sysctl(const struct netstate *s, const char *key)
{
	VEC_EACH (&s->sysctls, struct net_sysctl, c) {
		if (strcmp(c->key, key) == 0)
			return c->value;
	}
	return NULL;
}

long netstate_sysctl_int(const struct netstate *s, const char *key, long otherwise)
{
	const char *value = netstate_sysctl(s, key);
	char *end;
	long n;

	if (!value)
		return otherwise;
	n = strtol(value, &end, 10);
	return end == value ? otherwise : n;
}

const char *netstate_conf_key(
	struct arena *a, uint8_t family, const char *interface, const char *what)
{
	char *name = arena_strdup(a, interface);

	for (char *c = name; *c; c++) {
		if (*c == '.')
			*c = '/';
	}
	return arena_printf(a, "net.%s.conf.%s.%s", family == IP_V6 ? "ipv6" : "ipv4", name, what);
}

/* Has a way out: the kernel skips next hops that are dead. */
static bool route_alive(const struct net_route *r)
{
	if (r->nexthops.len == 0)
		return true;
	VEC_EACH (&r->nexthops, struct net_nexthop, h) {
		if (!h->dead)
			return true;
	}
	return false;
}

const struct net_route *netstate_route(
	const struct netstate *s, uint32_t table, const struct ip_addr *dst)
{
	const struct net_route *best = NULL;

	VEC_EACH (&s->routes, struct net_route, r) {
		if (r->table != table || r->family != dst->family || r->tos || r->src.len)
			continue;
		if (r->dst.len && !ip_in_prefix(dst, &r->dst))
			continue;
		if (!route_alive(r))
			continue;
		if (!best || r->dst.len > best->dst.len ||
			(r->dst.len == best->dst.len && r->metric < best->metric))
			best = r;
	}
	return best;
}

static bool string_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* A default route may be written with or without an address; both are the same. */
static bool dst_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len == b->len && (a->len == 0 || ip_prefix_equal(a, b));
}

/* dead and linkdown are states of the device, not of the route. */
static bool nexthop_equal(const struct net_nexthop *a, const struct net_nexthop *b)
{
	return ip_equal(&a->gateway, &b->gateway) && string_equal(a->interface, b->interface) &&
	       a->weight == b->weight && a->onlink == b->onlink;
}

bool net_route_equal(const struct net_route *a, const struct net_route *b)
{
	if (a->family != b->family || a->table != b->table || a->tos != b->tos ||
		a->type != b->type || a->protocol != b->protocol || a->scope != b->scope ||
		a->metric != b->metric || a->nexthops.len != b->nexthops.len ||
		!dst_equal(&a->dst, &b->dst) || !dst_equal(&a->src, &b->src) ||
		!ip_equal(&a->prefsrc, &b->prefsrc) || a->mtu != b->mtu)
		return false;
	for (size_t i = 0; i < a->nexthops.len; i++) {
		if (!nexthop_equal(&a->nexthops.items[i], &b->nexthops.items[i]))
			return false;
	}
	return true;
}

bool net_rule_equal(const struct net_rule *a, const struct net_rule *b)
{
	return a->family == b->family && a->preference == b->preference && a->invert == b->invert &&
	       ip_prefix_equal(&a->src, &b->src) && ip_prefix_equal(&a->dst, &b->dst) &&
	       string_equal(a->iif, b->iif) && string_equal(a->oif, b->oif) && a->mark == b->mark &&
	       a->mask == b->mask && a->tos == b->tos && a->ip_proto == b->ip_proto &&
	       a->protocol == b->protocol && memcmp(a->sport, b->sport, sizeof(a->sport)) == 0 &&
	       memcmp(a->dport, b->dport, sizeof(a->dport)) == 0 && a->has_uid == b->has_uid &&
	       (!a->has_uid || memcmp(a->uid, b->uid, sizeof(a->uid)) == 0) &&
	       a->l3mdev == b->l3mdev && a->action == b->action && a->table == b->table &&
	       a->goto_preference == b->goto_preference &&
	       a->suppress_prefixlen == b->suppress_prefixlen &&
	       a->has_suppress_ifgroup == b->has_suppress_ifgroup &&
	       (!a->has_suppress_ifgroup || a->suppress_ifgroup == b->suppress_ifgroup) &&
	       a->tun_id == b->tun_id && a->more_selectors == b->more_selectors;
}
