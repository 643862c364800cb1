/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Picks the address that this machine takes for a packet: masquerade, redirect, own packets.
 *
 * IPv4: inet_select_addr() of net/ipv4/devinet.c. IPv6: ipv6_dev_get_saddr() of net/ipv6/addrconf.c,
 * which is RFC 6724's choice of source, with its default table of labels.
 */
#include "walk/trip.h"

#define SCOPE_LINK 253 /* RT_SCOPE_LINK */
#define SCOPE_HOST 254

/* ---- IPv4 ---- */

static uint8_t scope_of(const struct net_addr *a)
{
	return ip_is_loopback(&a->addr) ? SCOPE_HOST : a->scope;
}

/* In the subnet of an interface's address; of point-to-point links, of the peer's. */
static bool in_subnet(const struct ip_addr *addr, const struct net_addr *a)
{
	const struct ip_addr *net = a->peer.family != IP_NONE ? &a->peer : &a->addr;
	struct ip_prefix p = ip_prefix_of(net, a->prefix_len);

	return ip_in_prefix(addr, &p);
}

/* The VRF's index, 0 for none: addresses are only lent within one. */
static int vrf_index(const struct trip *t, const char *interface)
{
	const struct net_link *vrf = walk_vrf(t->net, interface);

	return vrf ? vrf->index : 0;
}

static struct ip_addr select_v4(
	struct trip *t, const char *interface, const struct ip_addr *next, uint8_t scope)
{
	const struct net_link *vrf = walk_vrf(t->net, interface);
	const struct net_addr *first = NULL;

	VEC_EACH (&t->net->addrs, struct net_addr, a) {
		if (a->addr.family != IP_V4 || a->secondary ||
			!name_equal(a->interface, interface) || scope_of(a) > scope)
			continue;
		if (next->family != IP_V4 || in_subnet(next, a))
			return a->addr;
		if (!first)
			first = a;
	}
	if (first)
		return first->addr;
	/* None there: one of another interface is lent; of the VRF, then of any. */
	for (int of_vrf = 1; of_vrf >= 0; of_vrf--) {
		VEC_EACH (&t->net->addrs, struct net_addr, a) {
			if (a->addr.family != IP_V4 || a->secondary || scope_of(a) == SCOPE_LINK ||
				scope_of(a) > scope)
				continue;
			if (of_vrf ? vrf && name_equal(a->interface, vrf->name)
				   : vrf_index(t, a->interface) == (vrf ? vrf->index : 0))
				return a->addr;
		}
	}
	return (struct ip_addr){0};
}

/* ---- IPv6 ---- */

/* As multicast scopes are numbered: 1 host, 2 link, 5 site, 14 global. */
static int scope_v6(const struct ip_addr *a)
{
	if (ip_is_multicast(a))
		return a->bytes[1] & 0xf;
	if (ip_is_loopback(a) || ip_is_link_local(a))
		return 2;
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0xc0 ? 5 : 14;
}

/* The default table of RFC 6724, as the kernel has it (addrlabel.c). */
static int label_v6(const struct ip_addr *a)
{
	static const struct {
		const char *prefix;
		int label;
	} labels[] = {{"::1/128", 0}, {"::ffff:0.0.0.0/96", 4}, {"::/96", 3}, {"2001::/32", 6},
		{"2001:10::/28", 7}, {"3ffe::/16", 12}, {"fec0::/10", 11}, {"fc00::/7", 5},
		{"2002::/16", 2}};
	struct ip_prefix p;

	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		if (ip_prefix_parse(labels[i].prefix, &p) == 0 && ip_in_prefix(a, &p))
			return labels[i].label;
	}
	return 1;
}

static unsigned int common_bits(const struct ip_addr *a, const struct ip_addr *b, unsigned int most)
{
	unsigned int n = 0;

	while (n < most && !((a->bytes[n / 8] ^ b->bytes[n / 8]) & (0x80 >> n % 8)))
		n++;
	return n;
}

/* Is @a a better source for @dst than @b? Rule by rule. */
static bool better_v6(const struct net_addr *a, const struct net_addr *b, const struct ip_addr *dst,
	const char *interface)
{
	int sa = scope_v6(&a->addr), sb = scope_v6(&b->addr), sd = scope_v6(dst);
	bool out_a = name_equal(a->interface, interface),
	     out_b = name_equal(b->interface, interface);
	bool label_a = label_v6(&a->addr) == label_v6(dst);
	bool label_b = label_v6(&b->addr) == label_v6(dst);

	if (ip_equal(&a->addr, dst) != ip_equal(&b->addr, dst))
		return ip_equal(&a->addr, dst);
	if (sa != sb)
		return sa < sb ? sa >= sd : sb < sd;
	if (out_a != out_b)
		return out_a;
	if (label_a != label_b)
		return label_a;
	if (a->secondary != b->secondary) /* temporary ones only where a sysctl prefers them */
		return !a->secondary;
	return common_bits(&a->addr, dst, a->prefix_len) >
	       common_bits(&b->addr, dst, b->prefix_len);
}

static struct ip_addr select_v6(struct trip *t, const char *interface, const struct ip_addr *dst)
{
	bool only_there = ip_is_multicast(dst) || ip_is_link_local(dst);
	const struct net_addr *best = NULL;

	VEC_EACH (&t->net->addrs, struct net_addr, a) {
		if (a->addr.family != IP_V6 || a->unusable ||
			(only_there && !name_equal(a->interface, interface)) ||
			vrf_index(t, a->interface) != vrf_index(t, interface))
			continue;
		if (!best || better_v6(a, best, dst, interface))
			best = a;
	}
	return best ? best->addr : (struct ip_addr){0};
}

struct ip_addr trip_select_address(struct trip *t, uint8_t family, const char *interface,
	const struct ip_addr *next, uint8_t scope)
{
	return family == IP_V6 ? select_v6(t, interface, next)
			       : select_v4(t, interface, next, scope);
}

struct ip_addr walk_masquerade_address(const struct netstate *net, uint8_t family,
	const char *interface, const struct ip_addr *next)
{
	struct trip t = {.net = net};

	return trip_select_address(&t, family, interface, next, 0);
}

struct ip_addr trip_redirect_address(struct trip *t, const struct packet *p, enum nft_hook hook)
{
	struct ip_addr a = {.family = p->family};

	if (hook == HOOK_OUTPUT) {
		a.bytes[0] = p->family == IP_V6 ? 0 : 127;
		a.bytes[p->family == IP_V6 ? 15 : 3] = 1;
		return a;
	}
	VEC_EACH (&t->net->addrs, struct net_addr, it) {
		if (it->addr.family != p->family || !name_equal(it->interface, p->iif))
			continue;
		/* In IPv6 it is of the scope that the packet was sent to. */
		if (p->family == IP_V6 &&
			(it->unusable || scope_v6(&it->addr) != scope_v6(&p->daddr)))
			continue;
		return it->addr;
	}
	return (struct ip_addr){0};
}
