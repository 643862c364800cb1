/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes, rules and sysctls as text that iproute2 and sysctl(8) take. */
#include "netstate/netstate.h"

static const char *const route_types[] = {
	[ROUTE_UNICAST] = NULL, /* what a route is if nothing is said */
	[ROUTE_LOCAL] = "local",
	[ROUTE_BROADCAST] = "broadcast",
	[ROUTE_ANYCAST] = "anycast",
	[ROUTE_MULTICAST] = "multicast",
	[ROUTE_BLACKHOLE] = "blackhole",
	[ROUTE_UNREACHABLE] = "unreachable",
	[ROUTE_PROHIBIT] = "prohibit",
	[ROUTE_THROW] = "throw",
};

static void print_prefix(struct strbuf *out, const struct ip_prefix *p)
{
	char buf[PREFIX_STRLEN];

	if (p->len == ip_bits(p->addr.family))
		strbuf_add(out, ip_format(&p->addr, buf));
	else
		strbuf_add(out, ip_prefix_format(p, buf));
}

/* @name: of one whose number is not known; NULL. */
static void print_table(struct strbuf *out, uint32_t table, const char *name)
{
	if (name) {
		strbuf_add(out, name);
		return;
	}
	switch (table) {
	case TABLE_DEFAULT:
		strbuf_add(out, "default");
		break;
	case TABLE_MAIN:
		strbuf_add(out, "main");
		break;
	case TABLE_LOCAL:
		strbuf_add(out, "local");
		break;
	default:
		strbuf_addf(out, "%u", table);
	}
}

static void print_nexthop(struct strbuf *out, uint8_t family, const struct net_nexthop *h)
{
	char buf[IP_STRLEN];

	if (h->gateway.family != IP_NONE) {
		strbuf_add(out, " via ");
		if (h->gateway.family != family)
			strbuf_add(out, h->gateway.family == IP_V6 ? "inet6 " : "inet ");
		strbuf_add(out, ip_format(&h->gateway, buf));
	}
	if (h->interface)
		strbuf_addf(out, " dev %s", h->interface);
}

static void print_scope(struct strbuf *out, const struct net_route *r)
{
	bool on_link = r->type == ROUTE_UNICAST && r->nexthops.len == 1 &&
		       r->nexthops.items[0].gateway.family == IP_NONE;

	if (r->family != IP_V4) /* v6 has none */
		return;
	if (r->scope == 253)
		strbuf_add(out, " scope link");
	else if (r->scope == 254)
		strbuf_add(out, " scope host");
	else if (r->scope == 0 && on_link) /* iproute2 would take it for link */
		strbuf_add(out, " scope global");
	else if (r->scope != 0)
		strbuf_addf(out, " scope %u", r->scope);
}

void net_route_print(struct strbuf *out, const struct net_route *r)
{
	bool multipath = r->nexthops.len > 1;
	char buf[IP_STRLEN];

	if (r->type < sizeof(route_types) / sizeof(*route_types) && route_types[r->type])
		strbuf_addf(out, "%s ", route_types[r->type]);
	if (r->dst.len == 0)
		strbuf_add(out, "default");
	else
		print_prefix(out, &r->dst);
	if (r->src.len) {
		strbuf_add(out, " from ");
		print_prefix(out, &r->src);
	}
	if (r->tos)
		strbuf_addf(out, " tos 0x%02x", r->tos);
	if (r->nexthops.len == 1)
		print_nexthop(out, r->family, &r->nexthops.items[0]);
	if (r->table != TABLE_MAIN) {
		strbuf_add(out, " table ");
		print_table(out, r->table, r->table_name);
	}
	if (r->protocol)
		strbuf_addf(out, " proto %u", r->protocol);
	print_scope(out, r);
	if (r->metric)
		strbuf_addf(out, " metric %u", r->metric);
	if (r->prefsrc.family != IP_NONE)
		strbuf_addf(out, " src %s", ip_format(&r->prefsrc, buf));
	if (r->mtu)
		strbuf_addf(out, " mtu %u", r->mtu);
	VEC_EACH (&r->nexthops, struct net_nexthop, h) {
		if (multipath) {
			strbuf_add(out, " nexthop");
			print_nexthop(out, r->family, h);
			strbuf_addf(out, " weight %u", h->weight);
		}
		if (h->onlink)
			strbuf_add(out, " onlink");
	}
}

static void print_ports(struct strbuf *out, const char *which, const uint16_t ports[2])
{
	if (ports[1] == 0)
		return;
	strbuf_addf(out, " %s %u", which, ports[0]);
	if (ports[1] != ports[0])
		strbuf_addf(out, "-%u", ports[1]);
}

static void print_action(struct strbuf *out, const struct net_rule *r)
{
	switch ((enum rule_action)r->action) {
	case RULE_LOOKUP:
		if (r->l3mdev)
			break;
		strbuf_add(out, " lookup ");
		print_table(out, r->table, r->table_name);
		break;
	case RULE_GOTO:
		strbuf_addf(out, " goto %u", r->goto_preference);
		break;
	case RULE_NOP:
		strbuf_add(out, " nop");
		break;
	case RULE_BLACKHOLE:
		strbuf_add(out, " blackhole");
		break;
	case RULE_UNREACHABLE:
		strbuf_add(out, " unreachable");
		break;
	case RULE_PROHIBIT:
		strbuf_add(out, " prohibit");
		break;
	}
}

void net_rule_print(struct strbuf *out, const struct net_rule *r)
{
	const char *proto = ip_proto_name(r->ip_proto);

	strbuf_addf(out, "pref %u", r->preference);
	if (r->invert)
		strbuf_add(out, " not");
	if (r->src.addr.family != IP_NONE) {
		strbuf_add(out, " from ");
		print_prefix(out, &r->src);
	}
	if (r->dst.addr.family != IP_NONE) {
		strbuf_add(out, " to ");
		print_prefix(out, &r->dst);
	}
	if (r->tos)
		strbuf_addf(out, " tos 0x%02x", r->tos);
	if (r->mask == UINT32_MAX)
		strbuf_addf(out, " fwmark 0x%x", r->mark);
	else if (r->mask)
		strbuf_addf(out, " fwmark 0x%x/0x%x", r->mark, r->mask);
	if (r->iif)
		strbuf_addf(out, " iif %s", r->iif);
	if (r->oif)
		strbuf_addf(out, " oif %s", r->oif);
	if (r->has_uid)
		strbuf_addf(out, " uidrange %u-%u", r->uid[0], r->uid[1]);
	if (r->ip_proto && proto)
		strbuf_addf(out, " ipproto %s", proto);
	else if (r->ip_proto)
		strbuf_addf(out, " ipproto %u", r->ip_proto);
	print_ports(out, "sport", r->sport);
	print_ports(out, "dport", r->dport);
	if (r->tun_id)
		strbuf_addf(out, " tun_id %llu", (unsigned long long)r->tun_id);
	if (r->l3mdev)
		strbuf_add(out, " l3mdev");
	if (r->protocol)
		strbuf_addf(out, " protocol %u", r->protocol);
	print_action(out, r);
	if (r->suppress_prefixlen >= 0)
		strbuf_addf(out, " suppress_prefixlength %d", r->suppress_prefixlen);
	if (r->has_suppress_ifgroup)
		strbuf_addf(out, " suppress_ifgroup %u", r->suppress_ifgroup);
}

void net_sysctl_print(struct strbuf *out, const struct net_sysctl *s)
{
	strbuf_addf(out, "%s=%s", s->key, s->value);
}
