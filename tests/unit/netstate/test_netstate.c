/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lookups in a netstate; equality and text of routes, rules and sysctls. */
#include "netstate_test.h"

static struct net_route *add_route(struct arena *a, struct netstate *s, const char *dst,
	const char *gateway, const char *interface, uint32_t table, uint32_t metric)
{
	struct net_route *r = vec_add(a, &s->routes);
	struct net_nexthop *h;

	r->dst = prefix(dst);
	r->family = r->dst.addr.family;
	r->type = ROUTE_UNICAST;
	r->table = table;
	r->metric = metric;
	if (interface) {
		h = vec_add(a, &r->nexthops);
		h->interface = interface;
		h->weight = 1;
		if (gateway)
			h->gateway = ip(gateway);
	}
	return r;
}

static const char *way_to(const struct netstate *s, uint32_t table, const char *dst)
{
	struct ip_addr addr = ip(dst);
	const struct net_route *r = netstate_route(s, table, &addr);

	if (!r)
		return "none";
	return r->nexthops.len ? r->nexthops.items[0].interface : "no interface";
}

static void test_route_lookup(void **state)
{
	struct arena *a = arena_new();
	struct netstate s = {0};

	add_route(a, &s, "0.0.0.0/0", "1.1.1.254", "far", TABLE_MAIN, 200);
	add_route(a, &s, "0.0.0.0/0", "2.2.2.254", "near", TABLE_MAIN, 100);
	add_route(a, &s, "192.168.0.0/16", NULL, "lan", TABLE_MAIN, 500);
	add_route(a, &s, "192.168.7.0/24", NULL, "dead", TABLE_MAIN, 0)->nexthops.items[0].dead =
		true;
	add_route(a, &s, "10.0.0.0/8", NULL, NULL, TABLE_MAIN, 0)->type = ROUTE_UNREACHABLE;
	add_route(a, &s, "10.1.0.0/16", NULL, "tos", TABLE_MAIN, 0)->tos = 8;
	add_route(a, &s, "::/0", "fe80::1", "six", TABLE_MAIN, 1024);
	add_route(a, &s, "0.0.0.0/0", NULL, "other", 70001, 0);
	assert_string_equal(way_to(&s, TABLE_MAIN, "8.8.8.8"), "near");
	assert_string_equal(way_to(&s, TABLE_MAIN, "192.168.3.4"), "lan");
	assert_string_equal(way_to(&s, TABLE_MAIN, "192.168.7.4"), "lan");
	assert_string_equal(way_to(&s, TABLE_MAIN, "10.1.1.1"), "no interface");
	assert_string_equal(way_to(&s, TABLE_MAIN, "2001:db8::1"), "six");
	assert_string_equal(way_to(&s, 70001, "8.8.8.8"), "other");
	assert_string_equal(way_to(&s, 70001, "2001:db8::1"), "none");
	assert_string_equal(way_to(&s, 70002, "8.8.8.8"), "none");
	arena_free(a);
}

static void test_other_lookups(void **state)
{
	struct arena *a = arena_new();
	struct netstate s = {0};
	struct net_link *l = vec_add(a, &s.links);
	struct net_sysctl *c = vec_add(a, &s.sysctls);

	l->index = 7;
	l->name = "eth0.7";
	c->key = "net.ipv4.ip_forward";
	c->value = "1";
	assert_ptr_equal(netstate_link(&s, "eth0.7"), l);
	assert_null(netstate_link(&s, "eth0"));
	assert_ptr_equal(netstate_link_by_index(&s, 7), l);
	assert_null(netstate_link_by_index(&s, 8));
	assert_string_equal(netstate_sysctl(&s, "net.ipv4.ip_forward"), "1");
	assert_int_equal(netstate_sysctl_int(&s, "net.ipv4.ip_forward", 5), 1);
	assert_null(netstate_sysctl(&s, "net.ipv4.ip"));
	assert_int_equal(netstate_sysctl_int(&s, "net.ipv4.ip", 5), 5);
	c->value = "";
	assert_int_equal(netstate_sysctl_int(&s, "net.ipv4.ip_forward", 5), 5);
	assert_string_equal(netstate_conf_key(a, IP_V4, "eth0.7", "rp_filter"),
		"net.ipv4.conf.eth0/7.rp_filter");
	assert_string_equal(
		netstate_conf_key(a, IP_V6, "all", "forwarding"), "net.ipv6.conf.all.forwarding");
	arena_free(a);
}

static void test_route_equal(void **state)
{
	struct arena *a = arena_new();
	struct netstate s = {0};
	struct net_route x, y;

	add_route(a, &s, "0.0.0.0/0", "1.1.1.254", "eth0", 70001, 5);
	add_route(a, &s, "0.0.0.0/0", "1.1.1.254", "eth0", 70001, 5);
	x = s.routes.items[0];
	y = s.routes.items[1];
	y.at.line = 9;
	y.nexthops.items[0].linkdown = true; /* a state, not what the route says */
	y.dst.addr.family = IP_NONE;
	assert_true(net_route_equal(&x, &y));
#define DIFFERS(change)                                                                            \
	do {                                                                                       \
		y = x;                                                                             \
		change;                                                                            \
		assert_false(net_route_equal(&x, &y));                                             \
	} while (0)
	DIFFERS(y.family = IP_V6);
	DIFFERS(y.table = 70002);
	DIFFERS(y.dst = prefix("10.0.0.0/8"));
	DIFFERS(y.src = prefix("10.0.0.0/8"));
	DIFFERS(y.tos = 8);
	DIFFERS(y.type = ROUTE_BLACKHOLE);
	DIFFERS(y.protocol = 4);
	DIFFERS(y.scope = 253);
	DIFFERS(y.metric = 6);
	DIFFERS(y.prefsrc = ip("1.1.1.1"));
	DIFFERS(y.nexthops.len = 0);
#undef DIFFERS
	x = s.routes.items[0];
	y = s.routes.items[1];
	y.nexthops.items[0].interface = "eth1";
	assert_false(net_route_equal(&x, &y));
	y.nexthops.items[0].interface = "eth0";
	y.nexthops.items[0].gateway = ip("1.1.1.253");
	assert_false(net_route_equal(&x, &y));
	arena_free(a);
}

static struct net_rule mark_rule(void)
{
	return (struct net_rule){.family = IP_V4,
		.preference = 501,
		.mark = 0x1000000,
		.mask = 0x7f000000,
		.action = RULE_LOOKUP,
		.table = 70001,
		.suppress_prefixlen = -1};
}

static void test_rule_equal(void **state)
{
	struct net_rule x = mark_rule(), y = mark_rule();

	y.at.line = 9;
	assert_true(net_rule_equal(&x, &y));
#define DIFFERS(change)                                                                            \
	do {                                                                                       \
		y = x;                                                                             \
		change;                                                                            \
		assert_false(net_rule_equal(&x, &y));                                              \
	} while (0)
	DIFFERS(y.family = IP_V6);
	DIFFERS(y.preference = 502);
	DIFFERS(y.invert = true);
	DIFFERS(y.src = prefix("10.0.0.0/8"));
	DIFFERS(y.dst = prefix("10.0.0.0/8"));
	DIFFERS(y.iif = "eth0");
	DIFFERS(y.oif = "eth0");
	DIFFERS(y.mark = 0);
	DIFFERS(y.mask = 0);
	DIFFERS(y.tos = 1);
	DIFFERS(y.ip_proto = 6);
	DIFFERS(y.protocol = 180);
	DIFFERS(y.sport[1] = 1);
	DIFFERS(y.dport[1] = 1);
	DIFFERS(y.has_uid = true);
	DIFFERS(y.l3mdev = true);
	DIFFERS(y.action = RULE_BLACKHOLE);
	DIFFERS(y.table = 1);
	DIFFERS(y.goto_preference = 1);
	DIFFERS(y.suppress_prefixlen = 0);
	DIFFERS(y.has_suppress_ifgroup = true);
	DIFFERS(y.tun_id = 5);
	DIFFERS(y.more_selectors = true);
#undef DIFFERS
}

static void test_route_text(void **state)
{
	struct arena *a = arena_new();
	struct netstate s = {0};
	struct net_route *r;
	struct net_nexthop *h;

	r = add_route(a, &s, "0.0.0.0/0", "1.1.1.254", "eth0", 70001, 0);
	r->protocol = 180;
	assert_prints(
		"default via 1.1.1.254 dev eth0 table 70001 proto 180", net_route_print(out, r));
	r->nexthops.items[0].onlink = true;
	r->metric = 9;
	r->prefsrc = ip("1.1.1.1");
	r->table = TABLE_MAIN;
	assert_prints("default via 1.1.1.254 dev eth0 proto 180 metric 9 src 1.1.1.1 onlink",
		net_route_print(out, r));
	r->nexthops.items[0].gateway = ip("fe80::1");
	r->prefsrc = (struct ip_addr){0};
	assert_prints("default via inet6 fe80::1 dev eth0 proto 180 metric 9 onlink",
		net_route_print(out, r));

	r = add_route(a, &s, "192.168.0.0/24", NULL, "eth2", 70001, 0);
	r->scope = 253;
	assert_prints("192.168.0.0/24 dev eth2 table 70001 scope link", net_route_print(out, r));
	r->scope = 0;
	assert_prints("192.168.0.0/24 dev eth2 table 70001 scope global", net_route_print(out, r));

	r = add_route(a, &s, "192.168.0.9", NULL, NULL, 70001, UINT32_MAX);
	r->type = ROUTE_UNREACHABLE;
	assert_prints(
		"unreachable 192.168.0.9 table 70001 metric 4294967295", net_route_print(out, r));

	r = add_route(a, &s, "::/0", "fe80::1", "eth0", 70001, 1024);
	h = vec_add(a, &r->nexthops);
	h->gateway = ip("fe80::2");
	h->interface = "eth1";
	h->weight = 3;
	assert_prints("default table 70001 metric 1024 nexthop via fe80::1 dev eth0 weight 1 "
		      "nexthop via fe80::2 dev eth1 weight 3",
		net_route_print(out, r));
	arena_free(a);
}

static void test_rule_text(void **state)
{
	struct net_rule r = mark_rule();

	assert_prints("pref 501 fwmark 0x1000000/0x7f000000 lookup 70001", net_rule_print(out, &r));
	r.protocol = 180;
	r.mask = UINT32_MAX;
	r.suppress_prefixlen = 0;
	r.table = TABLE_MAIN;
	assert_prints("pref 501 fwmark 0x1000000 protocol 180 lookup main suppress_prefixlength 0",
		net_rule_print(out, &r));
	r.suppress_prefixlen = -1;
	r.tun_id = 9;
	r.has_suppress_ifgroup = true;
	r.suppress_ifgroup = 3;
	assert_prints(
		"pref 501 fwmark 0x1000000 tun_id 9 protocol 180 lookup main suppress_ifgroup 3",
		net_rule_print(out, &r));
	r = (struct net_rule){.family = IP_V4,
		.preference = 7,
		.invert = true,
		.src = prefix("10.0.0.0/8"),
		.dst = prefix("1.1.1.1"),
		.iif = "eth0",
		.oif = "eth1",
		.tos = 8,
		.ip_proto = PROTO_TCP,
		.sport = {1, 1},
		.dport = {5, 9},
		.has_uid = true,
		.uid = {0, 99},
		.action = RULE_UNREACHABLE,
		.suppress_prefixlen = -1};
	assert_prints("pref 7 not from 10.0.0.0/8 to 1.1.1.1 tos 0x08 iif eth0 oif eth1 "
		      "uidrange 0-99 ipproto tcp sport 1 dport 5-9 unreachable",
		net_rule_print(out, &r));
	r = (struct net_rule){.preference = 1000,
		.l3mdev = true,
		.action = RULE_LOOKUP,
		.suppress_prefixlen = -1};
	assert_prints("pref 1000 l3mdev", net_rule_print(out, &r));
}

static void test_sysctl_text(void **state)
{
	const struct net_sysctl s = {.key = "net.ipv4.conf.eth0.rp_filter", .value = "2"};

	assert_prints("net.ipv4.conf.eth0.rp_filter=2", net_sysctl_print(out, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route_lookup),
		cmocka_unit_test(test_other_lookups),
		cmocka_unit_test(test_route_equal),
		cmocka_unit_test(test_rule_equal),
		cmocka_unit_test(test_route_text),
		cmocka_unit_test(test_rule_text),
		cmocka_unit_test(test_sysctl_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
