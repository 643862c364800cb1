/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ip(8) prints, in all its forms: each must give the same links, addresses, rules and routes. */
#include "dump_test.h"

/* ---- rules ---- */

static void test_rules_text(void **state)
{
	struct dumped d;

	read_file(&d, "rule.txt");
	assert_no_notes(&d);
	assert_int_equal(d.net.have, HAVE_RULES4);
	assert_int_equal(d.net.rules.len, 15);
	assert_string_equal(rule_text(&d, 0), "pref 0 lookup local");
	assert_string_equal(rule_text(&d, 1),
		"pref 100 fwmark 0x1/0xff protocol 4 lookup 101 suppress_prefixlength 0");
	assert_string_equal(rule_text(&d, 2),
		"pref 101 not from 10.0.0.0/24 to 1.2.3.4 iif d0 oif d1 uidrange 0-99 ipproto tcp "
		"sport 1-5 dport 80 lookup 7");
	assert_string_equal(rule_text(&d, 3), "pref 102 from 1.1.1.1 goto 32766");
	assert_string_equal(rule_text(&d, 4), "pref 103 from 1.1.1.1 goto 200");
	assert_string_equal(rule_text(&d, 5), "pref 104 nop");
	assert_string_equal(rule_text(&d, 6), "pref 105 from 9.9.9.9 iif nothere blackhole");
	assert_string_equal(rule_text(&d, 7), "pref 106 tos 0x10 lookup 8");
	assert_string_equal(rule_text(&d, 8), "pref 107 from 5.5.5.5 lookup 8");
	assert_string_equal(rule_text(&d, 9), "pref 108 fwmark 0x5 lookup 88 suppress_ifgroup 5");
	assert_true(d.net.rules.items[9].has_suppress_ifgroup);
	assert_int_equal(d.net.rules.items[9].suppress_ifgroup, 5);
	assert_int_equal(d.net.rules.items[10].tun_id, 44);
	assert_string_equal(rule_text(&d, 11), "pref 110 from 7.7.7.7 prohibit");
	assert_string_equal(rule_text(&d, 12), "pref 111 from 7.7.7.8 unreachable");
	assert_string_equal(rule_text(&d, 13), "pref 32766 lookup main");
	assert_int_equal(d.net.rules.items[2].at.line, 3);
	assert_string_equal(d.net.rules.items[2].file, "rule.txt");
	dumped_end(&d);
}

static void same_rules(const char *a, const char *b)
{
	struct dumped x, y;

	read_file(&x, a);
	read_file(&y, b);
	assert_no_notes(&y);
	assert_int_equal(x.net.rules.len, y.net.rules.len);
	for (size_t i = 0; i < x.net.rules.len; i++) {
		struct net_rule *p = &x.net.rules.items[i], *q = &y.net.rules.items[i];

		/* Who made a rule is told in details only, if it was the kernel. */
		if (p->protocol == 0 && q->protocol == 2)
			q->protocol = 0;
		if (!net_rule_equal(p, q))
			fail_msg("%s: %s\n%s: %s", a, rule_text(&x, i), b, rule_text(&y, i));
		assert_int_equal(p->more_selectors, q->more_selectors);
		assert_int_equal(p->tun_id, q->tun_id);
		assert_int_equal(p->suppress_ifgroup, q->suppress_ifgroup);
	}
	dumped_end(&x);
	dumped_end(&y);
}

static void test_rules_all_forms(void **state)
{
	same_rules("rule.txt", "rule-numeric.txt");
	same_rules("rule.txt", "rule.json");
	same_rules("rule.txt", "rule-numeric.json");
}

static void test_rules_odd(void **state)
{
	struct dumped d;

	read_text(&d, "ip-rule.txt",
		"root@gw:~# ip rule\n"
		"0:\tfrom all lookup local \n"
		"10:\tfrom all fwmark 0x1 lookup isp1\n"
		"11:\tfrom all fwmark 0x2 lookup\n"
		"    isp2 proto static\n"
		"12:\tfrom all dscp CS4 lookup isp1\n"
		"13:\tfrom all sport 80/0xfff0 lookup isp1\n"
		"14:\tfrom all frobnicate 7 lookup isp1\n"
		"15:\tfrom all frobnicate\n"
		"1000:\tfrom all lookup [l3mdev-table] \n"
		"32766:\tfrom all lookup main \n");
	assert_string_equal(dumped_notes(&d),
		"ip-rule.txt:1: not a line of `ip rule`: root@gw:~# ip rule\n"
		"ip-rule.txt:5: not a line of `ip rule`: isp2 proto static\n"
		"ip-rule.txt:4: 'lookup' is not understood: 11:\tfrom all fwmark 0x2 lookup\n"
		"ip-rule.txt:8: 'frobnicate' is not understood: 14:\tfrom all frobnicate 7 lookup "
		"isp1\n"
		"ip-rule.txt:9: 'frobnicate' is not understood: 15:\tfrom all frobnicate\n");
	assert_int_equal(d.net.rules.len, 9);
	/* A table that only has a name: the same number wherever it is named, and no one else's. */
	assert_string_equal(d.net.rules.items[1].table_name, "isp1");
	assert_int_equal(d.net.rules.items[1].table, d.net.rules.items[3].table);
	assert_true(d.net.rules.items[1].table >= 0xffff0000);
	/* Cut off behind "lookup": it stays, and leads nobody knows where. */
	assert_string_equal(d.net.rules.items[2].table_name, "?");
	assert_true(d.net.rules.items[2].more_selectors);
	assert_true(d.net.rules.items[3].tos == 0x80 && !d.net.rules.items[3].more_selectors);
	assert_true(d.net.rules.items[4].more_selectors);
	assert_true(d.net.rules.items[5].more_selectors);
	assert_int_equal(d.net.rules.items[5].table, d.net.rules.items[1].table);
	assert_true(d.net.rules.items[7].l3mdev);
	dumped_end(&d);
}

/* `ip rule; ip -6 rule` in one file. */
static void test_rules_of_two_families(void **state)
{
	struct dumped d;

	read_text(&d, "rules.txt",
		"0:	from all lookup local\n100:	from 192.0.2.1 lookup 7\n"
		"32766:	from all lookup main\n32767:	from all lookup default\n"
		"0:	from all lookup local\n32766:	from all lookup main\n");
	assert_no_notes(&d);
	assert_int_equal(d.net.have, HAVE_RULES4 | HAVE_RULES6);
	assert_int_equal(d.net.rules.items[3].family, IP_V4);
	assert_int_equal(d.net.rules.items[4].family, IP_V6);
	assert_int_equal(d.net.rules.items[5].family, IP_V6);
	dumped_end(&d);

	read_text(&d, "ip6-rule.json", "[]\n");
	assert_int_equal(d.net.have, HAVE_RULES6);
	assert_int_equal(d.net.rules.len, 0);
	dumped_end(&d);
}

/* ---- routes ---- */

static void has_route(struct dumped *d, const char *text)
{
	for (size_t i = 0; i < d->net.routes.len; i++)
		if (strcmp(route_text(d, i), text) == 0)
			return;
	for (size_t i = 0; i < d->net.routes.len; i++)
		print_message("# %s\n", route_text(d, i));
	fail_msg("no route: %s", text);
}

static void test_routes_text(void **state)
{
	struct dumped d;

	read_file(&d, "route.txt");
	assert_no_notes(&d);
	assert_int_equal(d.net.have, HAVE_ROUTES4 | HAVE_ROUTES6);
	has_route(&d, "default table 101 proto 3 nexthop via 10.0.0.254 dev d0 weight 2 "
		      "nexthop via 10.9.0.2 dev d1 weight 1");
	has_route(&d, "unreachable default table 101 proto 3 metric 1000");
	has_route(&d, "default via 10.0.0.254 dev d0 proto 4 metric 10 mtu 1400");
	has_route(&d, "blackhole 1.2.3.0/24 proto 3");
	has_route(&d, "5.0.0.0/8 via inet6 fd00::9 dev d0 proto 3");
	has_route(&d, "6.0.0.0/8 via 10.0.0.77 dev d0 proto 3");
	has_route(&d, "7.0.0.0/8 proto 3 nexthop via 10.0.0.77 dev d0 weight 3 "
		      "nexthop via 10.0.0.78 dev d0 weight 2");
	has_route(&d, "8.8.8.0/24 tos 0x10 via 9.9.9.9 dev d0 proto 3 src 10.0.0.1 onlink");
	has_route(&d, "10.9.0.2 dev d1 proto 2 scope link src 10.9.0.1");
	has_route(&d, "local 10.0.0.2 dev d0 table local proto 2 scope host src 10.0.0.1");
	has_route(&d, "broadcast 10.0.0.255 dev d0 table local proto 2 scope link src 10.0.0.1");
	has_route(&d, "fd01::/64 from fd00::/64 via fd00::fe dev d0 proto 3 metric 1024");
	has_route(&d, "fd02::/64 proto 3 metric 1024 nexthop via fd00::fe dev d0 weight 1 "
		      "nexthop via fd00::fd dev d0 weight 4");
	has_route(&d, "local fd00::1 dev d0 table local proto 2");
	VEC_EACH (&d.net.routes, struct net_route, r)
		if (r->metric == 10)
			assert_int_equal(r->mtu, 1400);
	dumped_end(&d);
}

static void same_routes(const char *a, const char *b)
{
	struct dumped x, y;

	read_file(&x, a);
	read_file(&y, b);
	assert_no_notes(&y);
	assert_int_equal(x.net.routes.len, y.net.routes.len);
	for (size_t i = 0; i < x.net.routes.len; i++) {
		const struct net_route *p = &x.net.routes.items[i], *q = &y.net.routes.items[i];

		if (!net_route_equal(p, q) || p->mtu != q->mtu)
			fail_msg("%s: %s\n%s: %s", a, route_text(&x, i), b, route_text(&y, i));
	}
	dumped_end(&x);
	dumped_end(&y);
}

static void test_routes_all_forms(void **state)
{
	same_routes("route.txt", "one-line-route.txt");
	same_routes("route.txt", "details-route.txt");
	same_routes("route.txt", "route.json");
	same_routes("route.txt", "numeric-route.json");
}

static void test_routes_odd(void **state)
{
	struct dumped d;

	read_text(&d, "ip-route.txt",
		"$ ip r\r\n"
		"default via 192.0.2.1 dev eth0 proto dhcp\r\n"
		"src 192.0.2.7 metric 100\r\n"
		"default proto static\n"
		"        nexthop via 192.0.2.1 dev eth0 weight 1 dead linkdown\n"
		"        nexthop via 198.51.100.1 dev eth1 weight 3 onlink\n"
		"10.0.0.0/8 dev wg0 scope link frobnicate\n"
		"10.1.0.0/99 dev wg0\n"
		"throw 10.2.0.0/16\n"
		"10.3.0.0/16 nhid 9\n"
		"10.4.0.0/16 encap mpls 100 via 192.0.2.1 dev eth0\n"
		"unicast\n");
	assert_string_equal(dumped_notes(&d),
		"ip-route.txt:1: not a line of `ip route`: $ ip r\n"
		"ip-route.txt:8: not a line of `ip route`: 10.1.0.0/99 dev wg0\n"
		"ip-route.txt:7: 'frobnicate' is not understood: 10.0.0.0/8 dev wg0 scope link "
		"frobnicate\n"
		"ip-route.txt:10: nexthop object 9 is not among the dumps (ip nexthop): "
		"10.3.0.0/16 nhid 9\n"
		"ip-route.txt:11: the encapsulation is not kept: 10.4.0.0/16 encap mpls 100 via "
		"192.0.2.1 dev eth0\n"
		"ip-route.txt:12: not a route: unicast\n");
	assert_int_equal(d.net.routes.len, 6);
	assert_string_equal(route_text(&d, 0),
		"default via 192.0.2.1 dev eth0 proto 16 metric 100 src 192.0.2.7");
	assert_true(d.net.routes.items[1].nexthops.items[0].dead);
	assert_true(d.net.routes.items[1].nexthops.items[0].linkdown);
	assert_true(d.net.routes.items[1].nexthops.items[1].onlink);
	assert_int_equal(d.net.routes.items[1].nexthops.items[1].weight, 3);
	assert_int_equal(d.net.routes.items[1].at.line, 4);
	assert_int_equal(d.net.routes.items[3].type, ROUTE_THROW);
	assert_true(d.net.have & HAVE_ONLY_MAIN4);
	dumped_end(&d);
}

static void test_nexthop_objects(void **state)
{
	static const char *const forms[] = {"nexthop.txt", "nexthop.json"};

	for (size_t i = 0; i < 2; i++) {
		struct dumped d;

		dumped_begin(&d);
		dumped_text(&d, "ip-route.txt",
			"6.0.0.0/8 nhid 5\n7.0.0.0/8 nhid 7\n9.0.0.0/8 nhid 8\n");
		dumped_file(&d, forms[i]);
		dumped_read(&d);
		assert_no_notes(&d);
		assert_string_equal(route_text(&d, 0), "6.0.0.0/8 via 10.0.0.77 dev d0 proto 3");
		assert_string_equal(route_text(&d, 1),
			"7.0.0.0/8 proto 3 nexthop via 10.0.0.77 dev d0 weight 3 "
			"nexthop via 10.0.0.78 dev d0 weight 2");
		assert_string_equal(route_text(&d, 2), "blackhole 9.0.0.0/8 proto 3");
		dumped_end(&d);
	}
}

/* The first is v4's, and what has neither an address nor v6's words goes with those before it. */
static void test_families_in_one_file(void **state)
{
	struct dumped d;

	read_text(&d, "routes.txt",
		"default dev ppp0 scope link\n"
		"unreachable default table 7\n"
		"2001:db8::/32 dev eth0 metric 1024 pref medium\n"
		"unreachable default dev lo table 7 metric 4096 error -101 pref medium\n");
	assert_no_notes(&d);
	assert_int_equal(d.net.routes.items[0].family, IP_V4);
	assert_int_equal(d.net.routes.items[1].family, IP_V4);
	assert_int_equal(d.net.routes.items[3].family, IP_V6);
	assert_int_equal(d.net.routes.items[3].nexthops.len, 0);
	dumped_end(&d);
}

/* ---- links and addresses ---- */

static void same_links(const char *a, const char *b, bool kinds)
{
	struct dumped x, y;

	read_file(&x, a);
	read_file(&y, b);
	assert_no_notes(&y);
	assert_true(y.net.have & HAVE_LINKS);
	assert_int_equal(x.net.links.len, y.net.links.len);
	for (size_t i = 0; i < x.net.links.len; i++) {
		const struct net_link *p = &x.net.links.items[i], *q = &y.net.links.items[i];

		assert_string_equal(p->name, q->name);
		assert_int_equal(p->index, q->index);
		assert_int_equal(p->mtu, q->mtu);
		assert_int_equal(p->master, q->master);
		assert_true(p->up == q->up && p->carrier == q->carrier &&
			    p->loopback == q->loopback && p->group == q->group);
		assert_true(p->has_mac == q->has_mac && memcmp(p->mac, q->mac, 6) == 0);
		if (kinds && p->kind)
			assert_string_equal(p->kind, q->kind);
		else
			assert_true(!kinds || !q->kind);
	}
	dumped_end(&x);
	dumped_end(&y);
}

static void test_links(void **state)
{
	const struct net_link *l;
	struct dumped d;

	read_file(&d, "link-details.json");
	assert_no_notes(&d);
	assert_int_equal(d.net.have, HAVE_LINKS);
	l = netstate_link(&d.net, "v1");
	assert_non_null(l);
	assert_string_equal(l->kind, "veth");
	assert_true(l->up && l->carrier && !l->loopback && l->has_mac);
	assert_string_equal(netstate_link_by_index(&d.net, l->master)->name, "br0");
	assert_int_equal(l->mtu, 1500);
	assert_true(netstate_link(&d.net, "lo")->loopback);
	dumped_end(&d);
	same_links("link-details.json", "link-details.txt", true);
	same_links("link-details.json", "addr-details.json", true);
	same_links("link-details.json", "addr-details.txt", true);
	same_links("link-details.json", "link.json", false);
	same_links("link-details.json", "link.txt", false);
	same_links("link-details.json", "link-one-line.txt", false);
	same_links("link-details.json", "addr.txt", false);
	same_links("link-details.json", "addr-stats.txt", false);
}

static void test_vrf(void **state)
{
	struct dumped d;

	read_text(&d, "ip-link.txt",
		"4: red: <NOARP,MASTER,UP,LOWER_UP> mtu 65575 qdisc noqueue state UP\n"
		"    link/ether 02:00:00:00:00:09 brd ff:ff:ff:ff:ff:ff promiscuity 0\n"
		"    vrf table 77 addrgenmode eui64\n"
		"5: eth1.7@eth1: <BROADCAST,UP> mtu 1492 master red group 3\n"
		"6: eth2: <BROADCAST,UP> mtu 1500 master blue\n"
		"nonsense\n");
	assert_int_equal(d.net.links.items[0].vrf_table, 77);
	assert_string_equal(d.net.links.items[1].name, "eth1.7");
	assert_int_equal(d.net.links.items[1].master, 4);
	assert_int_equal(d.net.links.items[1].group, 3);
	assert_false(d.net.links.items[1].carrier);
	assert_string_equal(dumped_notes(&d),
		"ip-link.txt:6: not a line of `ip link`: nonsense\n"
		"ip-link.txt:5: the master of this interface is not among the interfaces: blue\n");
	dumped_end(&d);
}

static void same_addresses(const char *a, const char *b)
{
	struct dumped x, y;

	read_file(&x, a);
	read_file(&y, b);
	assert_no_notes(&y);
	assert_true(y.net.have & HAVE_ADDRS);
	assert_int_equal(x.net.addrs.len, y.net.addrs.len);
	for (size_t i = 0; i < x.net.addrs.len; i++) {
		const struct net_addr *p = &x.net.addrs.items[i], *q = &y.net.addrs.items[i];
		bool brief = strstr(b, "brief");

		assert_string_equal(p->interface, q->interface);
		assert_true(ip_equal(&p->addr, &q->addr));
		assert_true(ip_equal(&p->peer, &q->peer));
		assert_int_equal(p->prefix_len, q->prefix_len);
		assert_int_equal(p->scope, q->scope);
		assert_true(brief || p->secondary == q->secondary);
		assert_true(brief || p->unusable == q->unusable);
	}
	dumped_end(&x);
	dumped_end(&y);
}

static void test_addresses(void **state)
{
	struct dumped d;

	read_file(&d, "addr-details.json");
	assert_no_notes(&d);
	assert_int_equal(d.net.have, HAVE_LINKS | HAVE_ADDRS);
	VEC_EACH (&d.net.addrs, struct net_addr, a) {
		struct ip_addr second = ip("10.0.0.2"), local = ip("10.9.0.1"),
			       peer = ip("10.9.0.2");

		assert_int_equal(a->secondary, ip_equal(&a->addr, &second));
		assert_int_equal(a->peer.family, ip_equal(&a->addr, &local) ? IP_V4 : IP_NONE);
		if (a->peer.family)
			assert_true(ip_equal(&a->peer, &peer) && a->prefix_len == 32);
	}
	dumped_end(&d);
	same_addresses("addr-details.json", "addr.json");
	same_addresses("addr-details.json", "addr.txt");
	same_addresses("addr-details.json", "addr-details.txt");
	same_addresses("addr-details.json", "addr-stats.txt");
	same_addresses("addr-details.json", "addr-one-line.txt");
	same_addresses("addr-details.json", "addr-brief.txt");
}

static void test_address_flags(void **state)
{
	struct dumped d;

	read_text(&d, "ip-addr.txt",
		"2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500\n"
		"    inet 192.0.2.7/24 metric 100 brd 192.0.2.255 scope global dynamic eth0\n"
		"    inet6 2001:db8::7/64 scope global temporary deprecated dynamic\n"
		"    inet6 2001:db8::8/64 scope global dadfailed tentative\n"
		"    inet 300.1.1.1/24 scope global eth0\n"
		"3: eth1: <BROADCAST> mtu 1500\n"
		"    inet 192.0.2.9/24 scope global wobbly eth1\n");
	assert_int_equal(d.net.addrs.len, 4);
	assert_true(d.net.addrs.items[1].secondary && d.net.addrs.items[1].unusable);
	assert_true(!d.net.addrs.items[2].secondary && d.net.addrs.items[2].unusable);
	assert_string_equal(dumped_notes(&d),
		"ip-addr.txt:5: not an address: inet 300.1.1.1/24 scope global eth0\n"
		"ip-addr.txt:7: 'wobbly' is not understood: inet 192.0.2.9/24 scope global wobbly "
		"eth1\n");
	dumped_end(&d);
}

/* ---- neighbours ---- */

static void test_neighbours(void **state)
{
	static const char *const forms[] = {"neigh.txt", "neigh.json"};

	for (size_t i = 0; i < 2; i++) {
		const struct net_neighbour *n;
		struct dumped d;

		read_file(&d, forms[i]);
		assert_no_notes(&d);
		assert_int_equal(d.net.have, HAVE_NEIGHBOURS);
		assert_int_equal(d.net.neighbours.len, 3);
		n = d.net.neighbours.items;
		assert_int_equal(n[0].state, NEIGHBOUR_REACHABLE);
		assert_true(n[0].has_mac && n[0].mac[0] == 2 && n[0].mac[5] == 1);
		assert_string_equal(n[0].interface, "d0");
		assert_int_equal(n[1].state, NEIGHBOUR_FAILED);
		assert_false(n[1].has_mac);
		assert_int_equal(n[2].state, NEIGHBOUR_STALE);
		assert_int_equal(n[2].addr.family, IP_V6);
		dumped_end(&d);
	}
}

static void test_neighbours_odd(void **state)
{
	struct dumped d;

	read_text(&d, "ip-neigh.txt",
		"10.0.0.50 dev d0 lladdr 02:00:00:00:00:01 ref 1 used 1/2/3probes 0 REACHABLE\n"
		"10.0.0.52 dev d0 proxy\n"
		"10.0.0.53 lladdr 02:00:00:00:00:01 STALE\n");
	assert_int_equal(d.net.neighbours.len, 1);
	assert_string_equal(dumped_notes(&d),
		"ip-neigh.txt:2: addresses that are answered for others are not kept: 10.0.0.52 "
		"dev d0 proxy\n"
		"ip-neigh.txt:3: the interface is not told: 10.0.0.53 lladdr 02:00:00:00:00:01 "
		"STALE\n");
	dumped_end(&d);
}

/* ---- JSON that is not whole ---- */

static void test_json_cut_off(void **state)
{
	struct dumped d;

	read_text(&d, "ip-route.json",
		"[ "
		"{\n\"dst\":\"default\",\"gateway\":\"192.0.2.1\",\"dev\":\"eth0\",\"flags\":[]\n},"
		"\n"
		"{\"dst\":\"10.0.0.0/8\",\"dev\":\"eth1\",\"flags\":[]},\n"
		"{\"dst\":\"10.1.0.0/16\",,\"dev\":\"eth1\"},\n"
		"{\"dst\":\"10.2.0.0/16\",\"dev\":\"et");
	assert_int_equal(d.net.routes.len, 2);
	assert_int_equal(d.net.routes.items[0].at.line, 1);
	assert_int_equal(d.net.routes.items[1].at.line, 4);
	assert_string_equal(dumped_notes(&d),
		"ip-route.json:5: not JSON: string or '}' expected near ',': "
		"{\"dst\":\"10.1.0.0/16\",,\"dev\":\"eth1\"}\n"
		"ip-route.json:6: cut off: the file ends within this object: "
		"{\"dst\":\"10.2.0.0/16\",\"dev\":\"et\n");
	dumped_end(&d);
}

static void test_json_twice(void **state)
{
	struct dumped d;

	read_text(&d, "ip-route.json",
		"[{\"dst\":\"10.0.0.0/8\",\"dev\":\"eth1\",\"flags\":[]}]\n"
		"[{\"dst\":\"fd00::/8\",\"dev\":\"eth1\",\"flags\":[\"linkdown\"]}]\n");
	assert_no_notes(&d);
	assert_int_equal(d.net.routes.len, 2);
	assert_true(d.net.routes.items[1].nexthops.items[0].linkdown);
	assert_int_equal(d.net.routes.items[1].family, IP_V6);
	dumped_end(&d);
}

/* What a rule gives to the packet is no selector; tables that are known by name are called so. */
static void test_rules_realms_and_names(void **state)
{
	struct dumped d;

	read_text(&d, "ip-rule.txt",
		"100:\tfrom all fwmark 0x1 lookup isp1 realms 3/4\n"
		"32766:\tfrom all lookup main\n");
	assert_no_notes(&d);
	assert_false(d.net.rules.items[0].more_selectors);
	assert_string_equal(rule_text(&d, 0), "pref 100 fwmark 0x1 lookup isp1");
	dumped_end(&d);
}

/* Of `ip route get`, whose answers are in no table; and a tunnel's `dst` beside the route's own. */
static void test_routes_that_are_others(void **state)
{
	struct dumped d;

	read_text(&d, "ip-route.txt",
		"default via 10.0.0.254 dev d0 table isp1\n"
		"1.1.1.1 via 10.0.0.254 dev d0 src 10.0.0.1 uid 0 \n"
		"    cache \n"
		"2.2.2.2 from 10.0.0.7 via 10.0.0.254 dev d0 \n"
		"    cache iif d1 \n");
	assert_int_equal(d.net.routes.len, 1);
	assert_string_equal(route_text(&d, 0), "default via 10.0.0.254 dev d0 table isp1 proto 3");
	assert_int_equal(d.notes.notes.len, 2);
	assert_int_equal(d.notes.notes.items[0].line, 2);
	assert_int_equal(d.notes.notes.items[1].line, 4);
	dumped_end(&d);

	read_text(&d, "ip-route.json",
		"[ {\n    \"dst\" : \"10.12.0.0/16\",\"encap\":\"ip\",\"id\":5,\"src\":\"0.0.0.0\","
		"\"dst\":\"1.1.1.1\",\"ttl\":0,\"tos\":0,\"dev\":\"d0\",\"scope\":\"link\","
		"\"flags\":[]},\n"
		"{\"dst\":\"10.13.0.0/16\",\"dev\":\"d0\",\"flags\":[],"
		"\"metrics\":[{\"ecn\":null,\"congestion\":\"cubic\"}]}]\n");
	assert_int_equal(d.notes.notes.len, 1);
	assert_string_equal(d.notes.notes.items[0].why, "the encapsulation is not kept");
	assert_string_equal(route_text(&d, 0), "10.12.0.0/16 dev d0 proto 3 scope link");
	assert_string_equal(route_text(&d, 1), "10.13.0.0/16 dev d0 proto 3 scope global");
	dumped_end(&d);
}

static void test_group_names(void **state)
{
	struct dumped d;

	read_text(&d, "ip-link.txt",
		"1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 group default qlen 1000\n"
		"2: eth0: <UP,LOWER_UP> mtu 1500 group 7 qlen 1000\n"
		"3: eth1: <UP,LOWER_UP> mtu 1500 group lan qlen 1000\n");
	assert_int_equal(d.net.links.items[1].group, 7);
	assert_int_equal(d.notes.notes.len, 1);
	assert_int_equal(d.notes.notes.items[0].line, 3);
	dumped_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_text),
		cmocka_unit_test(test_rules_all_forms),
		cmocka_unit_test(test_rules_odd),
		cmocka_unit_test(test_rules_of_two_families),
		cmocka_unit_test(test_routes_text),
		cmocka_unit_test(test_routes_all_forms),
		cmocka_unit_test(test_routes_odd),
		cmocka_unit_test(test_nexthop_objects),
		cmocka_unit_test(test_families_in_one_file),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_vrf),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_address_flags),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_neighbours_odd),
		cmocka_unit_test(test_json_cut_off),
		cmocka_unit_test(test_json_twice),
		cmocka_unit_test(test_rules_realms_and_names),
		cmocka_unit_test(test_routes_that_are_others),
		cmocka_unit_test(test_group_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
