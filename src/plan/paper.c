/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Invent the gateway that a config describes. */
#include "plan/internal.h"
#include "plan/paper.h"

struct paper {
	struct arena *a;
	const struct model *m;
	struct netstate *out;
	unsigned int next_lan;
};

static struct net_link *add_link(struct paper *p, const char *name)
{
	struct net_link *l = vec_add(p->a, &p->out->links);

	l->index = (int)p->out->links.len;
	l->name = name;
	l->up = l->carrier = true;
	l->mtu = 1500;
	return l;
}

static void add_sysctl(struct paper *p, const char *key, const char *value)
{
	*vec_add(p->a, &p->out->sysctls) = (struct net_sysctl){.key = key, .value = value};
}

/* What a freshly installed Debian has. */
static void add_conf(struct paper *p, const char *interface)
{
	add_sysctl(p, netstate_conf_key(p->a, IP_V4, interface, "rp_filter"), "2");
	add_sysctl(p, netstate_conf_key(p->a, IP_V4, interface, "forwarding"), "0");
	add_sysctl(p, netstate_conf_key(p->a, IP_V4, interface, "src_valid_mark"), "0");
	add_sysctl(p, netstate_conf_key(p->a, IP_V4, interface, "accept_local"), "0");
	add_sysctl(p, netstate_conf_key(p->a, IP_V4, interface, "route_localnet"), "0");
	add_sysctl(p, netstate_conf_key(p->a, IP_V6, interface, "forwarding"), "0");
	add_sysctl(p, netstate_conf_key(p->a, IP_V6, interface, "accept_ra"), "1");
}

static bool has_address(const struct paper *p, const struct ip_addr *addr)
{
	VEC_EACH (&p->out->addrs, struct net_addr, have)
		if (ip_equal(&have->addr, addr))
			return true;
	return false;
}

static bool has_address_on(const struct paper *p, const char *interface, const struct ip_addr *addr)
{
	VEC_EACH (&p->out->addrs, struct net_addr, have)
		if (strcmp(have->interface, interface) == 0 && ip_equal(&have->addr, addr))
			return true;
	return false;
}

static void add_address(struct paper *p, const char *interface, struct ip_addr addr, uint8_t len)
{
	struct net_addr *have = vec_add(p->a, &p->out->addrs);
	struct net_route *r = vec_add(p->a, &p->out->routes);

	*have = (struct net_addr){.interface = interface, .addr = addr, .prefix_len = len};
	*r = (struct net_route){.family = addr.family,
		.table = TABLE_MAIN,
		.dst = ip_prefix_of(&addr, len),
		.type = ROUTE_UNICAST,
		.protocol = 2, /* RTPROT_KERNEL */
		.scope = addr.family == IP_V4 ? 253 : 0,
		.metric = addr.family == IP_V6 ? 256 : 0};
	*vec_add(p->a, &r->nexthops) = (struct net_nexthop){.interface = interface, .weight = 1};
}

static uint8_t network_len(uint8_t family)
{
	return family == IP_V6 ? 64 : 24;
}

static void note_taken(bool taken[256], const struct ip_prefix *net, const struct ip_addr *addr)
{
	if (ip_in_prefix(addr, net))
		taken[addr->bytes[ip_bytes(addr->family) - 1]] = true;
}

/* The first address of @net that nobody has: .1, .2, ... The networks made here differ in more than
 * the last byte, so that is enough to go by. */
static struct ip_addr free_address(
	const struct paper *p, const struct ip_prefix *net, const struct ip_addr *not_this)
{
	struct ip_addr addr = net->addr;
	uint8_t *last = &addr.bytes[ip_bytes(addr.family) - 1];
	bool taken[256] = {false};

	note_taken(taken, net, not_this);
	VEC_EACH (&p->out->addrs, struct net_addr, have)
		note_taken(taken, net, &have->addr);
	VEC_EACH (&p->m->maps, struct map, m)
		VEC_EACH (&m->backends, struct backend, b)
			note_taken(taken, net, &b->addr);
	for (*last = 1; *last < 254 && taken[*last];)
		(*last)++;
	return addr;
}

static bool wants_family(const struct model *m, uint8_t family)
{
	VEC_EACH (&m->maps, struct map, map)
		if (map_family(map) == family)
			return true;
	return false;
}

/* An uplink's address beside its gateway; without one, out of the documentation's networks
 * (198.51.100.0/24 of RFC 5737, 2001:db8::/32 of RFC 3849), one network per uplink. */
static void add_uplink_family(
	struct paper *p, const struct uplink *u, unsigned int index, uint8_t family)
{
	const struct uplink_gateway *g = family == IP_V6 ? &u->gateway6 : &u->gateway4;
	struct ip_addr gateway = {0}, addr;
	struct ip_prefix net;
	struct net_route *r;
	bool given = false;

	VEC_EACH (&u->addresses, struct located_addr, have)
		if (have->addr.family == family) {
			if (!has_address_on(p, u->interface, &have->addr))
				add_address(p, u->interface, have->addr, network_len(family));
			addr = have->addr;
			given = true;
		}
	if (!given && (u->addresses.len || g->kind == GATEWAY_NONE))
		return;
	if (!given && g->kind == GATEWAY_AUTO && family == IP_V6 && !wants_family(p->m, IP_V6))
		return;
	if (g->kind == GATEWAY_ADDRESS)
		gateway = g->addr;
	if (!given) {
		struct ip_addr base = {.family = family};

		if (gateway.family != IP_NONE && !ip_is_link_local(&gateway))
			base = gateway;
		else if (family == IP_V4)
			memcpy(base.bytes, (uint8_t[]){198, 51, (uint8_t)(100 + index), 0}, 4);
		else
			memcpy(base.bytes,
				(uint8_t[]){0x20, 0x01, 0x0d, 0xb8, 0, (uint8_t)(index + 1)}, 6);
		net = ip_prefix_of(&base, network_len(family));
		addr = free_address(p, &net, &gateway);
		add_address(p, u->interface, addr, network_len(family));
	}
	if (g->kind == GATEWAY_AUTO) {
		net = ip_prefix_of(&addr, network_len(family));
		gateway = net.addr;
		gateway.bytes[ip_bytes(family) - 1] = 254;
	}
	r = vec_add(p->a, &p->out->routes);
	*r = (struct net_route){.family = family,
		.table = TABLE_MAIN,
		.dst = {.addr = {.family = family}},
		.type = ROUTE_UNICAST,
		.protocol = 4, /* RTPROT_STATIC */
		.metric = index + (family == IP_V6 ? 1024 : 0)};
	*vec_add(p->a, &r->nexthops) =
		(struct net_nexthop){.gateway = gateway, .interface = u->interface, .weight = 1};
}

static void add_lan(struct paper *p, const struct ip_addr *host)
{
	const struct net_route *r = netstate_route(p->out, TABLE_MAIN, host);
	struct ip_prefix net = ip_prefix_of(host, network_len(host->family));
	const char *name;

	if (r && r->dst.len)
		return;
	do
		name = arena_printf(p->a, "lan%u", p->next_lan++);
	while (netstate_link(p->out, name));
	add_link(p, name);
	add_conf(p, name);
	add_address(p, name, free_address(p, &net, host), network_len(host->family));
}

/* SNAT addresses that the file names must be the gateway's. */
static void add_snat_addresses(struct paper *p, const struct map *m)
{
	VEC_EACH (&m->snat, struct located_addr, s) {
		const struct net_route *r = netstate_route(p->out, TABLE_MAIN, &s->addr);

		if (!has_address(p, &s->addr) && r && r->dst.len)
			add_address(p, r->nexthops.items[0].interface, s->addr,
				network_len(s->addr.family));
	}
}

/* The ip rules that every machine has. */
static void add_rules(struct paper *p, uint8_t family)
{
	static const struct {
		uint32_t preference, table;
	} usual[] = {{0, TABLE_LOCAL}, {32766, TABLE_MAIN}, {32767, TABLE_DEFAULT}};

	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++) {
		*vec_add(p->a, &p->out->rules) = (struct net_rule){.family = family,
			.preference = usual[i].preference,
			.protocol = 2, /* RTPROT_KERNEL */
			.action = RULE_LOOKUP,
			.table = usual[i].table,
			.suppress_prefixlen = -1};
	}
}

void plan_paper_netstate(struct arena *a, const struct model *m, struct netstate *out)
{
	struct paper p = {.a = a, .m = m, .out = out};
	unsigned int index = 0;

	/* Nothing else is there, and that is known; but who listens is up to its owner. */
	out->have = HAVE_LINKS | HAVE_ADDRS | HAVE_ROUTES4 | HAVE_ROUTES6 | HAVE_RULES4 |
		    HAVE_RULES6 | HAVE_SYSCTLS | HAVE_NFT | HAVE_LEGACY4 | HAVE_LEGACY6 |
		    HAVE_IPSETS | HAVE_NEIGHBOURS | HAVE_FLOWS;
	add_link(&p, "lo")->loopback = true;
	add_rules(&p, IP_V4);
	add_rules(&p, IP_V6);
	add_sysctl(&p, "net.ipv4.ip_forward", "0");
	add_sysctl(&p, "net.ipv4.fwmark_reflect", "0");
	add_sysctl(&p, "net.ipv6.fwmark_reflect", "0");
	add_sysctl(&p, "net.ipv4.tcp_fwmark_accept", "0");
	add_sysctl(&p, PLAN_TCP_LIBERAL, "0");
	add_sysctl(&p, PLAN_TCP_RESETS, "0");
	add_conf(&p, "all");
	add_conf(&p, "default");
	VEC_EACH (&m->uplinks, struct uplink, u) {
		if (!netstate_link(out, u->interface)) {
			struct net_link *l = add_link(&p, u->interface);

			l->point_to_point = u->gateway4.kind == GATEWAY_ONLINK ||
					    u->gateway6.kind == GATEWAY_ONLINK;
			add_conf(&p, u->interface);
		}
		add_uplink_family(&p, u, index, IP_V4);
		add_uplink_family(&p, u, index, IP_V6);
		index++;
	}
	VEC_EACH (&m->maps, struct map, map)
		VEC_EACH (&map->backends, struct backend, b)
			if (!has_address(&p, &b->addr))
				add_lan(&p, &b->addr);
	VEC_EACH (&m->maps, struct map, map)
		add_snat_addresses(&p, map);
}
