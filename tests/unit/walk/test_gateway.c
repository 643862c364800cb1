/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gateway: uplinks, insides and forwards as they are told from dumps of several styles. */
#include "dumped.h"

#include "../plan/planned.h"

static struct gateway *infer(struct machine *m)
{
	struct gateway *g = arena_new_of(m->a, struct gateway);

	gateway_infer(m->a, &m->net, g);
	return g;
}

static void is(const struct ip_addr *a, const char *text)
{
	char buf[IP_STRLEN];

	assert_string_equal(ip_format(a, buf), text);
}

static void test_uplinks_and_insides(void **state)
{
	const struct dumped d = {.addr = TWO_UPLINKS_ADDR,
		.route = TWO_UPLINKS_ROUTE,
		.more_rule = "1001:\tfrom all fwmark 0x1/0xff lookup 101\n"
			     "1002:\tfrom all fwmark 0x2/0xff lookup 102\n"};
	struct machine m;
	struct gateway *g;

	machine_read(&m, &d);
	g = infer(&m);
	assert_int_equal(g->uplinks.len, 2);
	assert_string_equal(g->uplinks.items[0].interface, "eth0");
	assert_true(g->uplinks.items[0].is_main[0]);
	assert_int_equal(g->uplinks.items[0].mark, 1);
	assert_int_equal(g->uplinks.items[0].mark_mask, 0xff);
	is(&g->uplinks.items[0].next[0], "1.1.1.254");
	assert_string_equal(g->uplinks.items[1].interface, "eth1");
	assert_false(g->uplinks.items[1].is_main[0]);
	assert_int_equal(g->uplinks.items[1].mark, 2);
	assert_int_equal(g->uplinks.items[1].tables.items[0], 102);
	is(&g->uplinks.items[1].addrs.items[0], "2.2.2.2");
	assert_int_equal(g->insides.len, 1);
	assert_string_equal(g->insides.items[0].interface, "eth2");
	is(&g->insides.items[0].addr, "192.168.0.1");
	machine_end(&m);
}

static void test_two_routers_on_one_interface(void **state)
{
	const struct dumped d = {.addr = ONE_UPLINK_ADDR,
		.more_addr = "9: eth9: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP\n"
			     "    inet 3.3.3.3/24 scope global eth9\n"
			     "    inet 4.4.4.4/24 scope global eth9\n",
		.route = "default via 3.3.3.254 dev eth9\n"
			 "default via 4.4.4.254 dev eth9 table 104\n"
			 "192.168.0.0/24 dev eth2 scope link src 192.168.0.1\n"};
	struct machine m;
	struct gateway *g;

	machine_read(&m, &d);
	g = infer(&m);
	assert_int_equal(g->uplinks.len, 2);
	assert_int_equal(g->uplinks.items[0].addrs.len, 1);
	is(&g->uplinks.items[0].addrs.items[0], "3.3.3.3");
	assert_int_equal(g->uplinks.items[1].addrs.len, 1);
	is(&g->uplinks.items[1].addrs.items[0], "4.4.4.4");
	machine_end(&m);
}

/* A public address that forwards are for makes an uplink of an interface without a default route. */
static void test_nameless_uplink(void **state)
{
	const struct dumped d = {.addr = TWO_UPLINKS_ADDR,
		.route = ONE_UPLINK_ROUTE,
		.iptables = "*nat\n:PREROUTING ACCEPT [0:0]\n"
			    "-A PREROUTING -d 2.2.2.2/32 -p tcp -m tcp --dport 80 -j DNAT "
			    "--to-destination 192.168.0.2:80\nCOMMIT\n"};
	struct machine m;
	struct gateway *g;

	machine_read(&m, &d);
	g = infer(&m);
	assert_int_equal(g->uplinks.len, 2);
	assert_string_equal(g->uplinks.items[1].interface, "eth1");
	assert_false(g->uplinks.items[1].has_default[0]);
	assert_int_equal(g->insides.len, 1);
	machine_end(&m);
}

static void check_iptables(struct machine *m)
{
	struct gateway *g = infer(m);
	const struct gateway_forward *f = g->forwards.items;

	assert_int_equal(g->forwards.len, 9);
	assert_int_equal(f[0].proto, PROTO_TCP);
	is(&f[0].dst.addr, "1.1.1.1");
	assert_int_equal(f[0].first, 80);
	is(&f[0].to, "192.168.0.2");
	assert_int_equal(f[0].to_first, 8080);
	assert_false(f[0].more_matches);
	/* multiport is one each */
	assert_int_equal(f[1].first, 443);
	assert_int_equal(f[2].first, 1000);
	assert_int_equal(f[2].last, 1010);
	assert_string_equal(f[1].in, "eth0");
	assert_int_equal(f[1].to_first, 0);
	/* by way of a chain, to addresses of this machine */
	assert_true(f[3].dst_local);
	assert_int_equal(f[3].first, 25);
	assert_true(f[3].in_inverted);
	/* redirect: to this machine */
	assert_int_equal(f[4].to.family, IP_NONE);
	assert_int_equal(f[4].to_first, 2222);
	/* a port asked of the client is one match more */
	assert_true(f[5].more_matches);
	/* netmap */
	assert_int_equal(f[6].dst.len, 28);
	is(&f[6].to, "192.168.0.16");
	is(&f[6].to_last, "192.168.0.31");
	/* who may */
	is(&f[7].src.addr, "10.9.0.0");
	/* and the machine's own packets */
	assert_true(f[8].output);
}

static const char iptables_forwards[] =
	"*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:PORTS - [0:0]\n:GONE - [0:0]\n"
	"-A PREROUTING -d 1.1.1.1/32 -p tcp -m tcp --dport 80 -m comment --comment web -j DNAT "
	"--to-destination 192.168.0.2:8080\n"
	"-A PREROUTING -i eth0 -p udp -m multiport --dports 443,1000:1010 -j DNAT --to-destination "
	"192.168.0.3\n"
	"-A PREROUTING -m addrtype --dst-type LOCAL -j PORTS\n"
	"-A PREROUTING -i eth0 -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 2222\n"
	"-A PREROUTING -i eth0 -p tcp -m tcp --sport 20 --dport 21 -j DNAT --to-destination "
	"192.168.0.4\n"
	"-A PREROUTING -d 1.1.1.16/28 -j NETMAP --to 192.168.0.16/28\n"
	"-A PREROUTING -s 10.9.0.0/16 -i eth0 -p tcp -m tcp --dport 5432 -j DNAT --to-destination "
	"192.168.0.5\n"
	"-A OUTPUT -d 1.1.1.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination "
	"192.168.0.2:8080\n"
	"-A PORTS ! -i br0 -p tcp -m tcp --dport 25 -j DNAT --to-destination 192.168.0.6:25\n"
	"-A GONE -p tcp -m tcp --dport 99 -j DNAT --to-destination 192.168.0.6:99\n"
	"COMMIT\n";

static void test_iptables(void **state)
{
	const struct dumped nft = {.iptables = iptables_forwards},
			    legacy = {.legacy = iptables_forwards};
	struct machine m;

	machine_read(&m, &nft);
	check_iptables(&m);
	machine_end(&m);
	machine_read(&m, &legacy);
	check_iptables(&m);
	machine_end(&m);
}

static void test_nft(void **state)
{
	const struct dumped d = {
		.nft = "table ip nat {\n"
		       "	map web {\n		type ipv4_addr . inet_service : ipv4_addr "
		       ". inet_service\n"
		       "		elements = { 1.1.1.1 . 80 : 192.168.0.2 . 8080,\n"
		       "			     2.2.2.2 . 80 : 192.168.0.3 . 80 }\n	}\n"
		       "	chain prerouting {\n		type nat hook prerouting priority "
		       "dstnat; policy "
		       "accept;\n"
		       "		iifname { \"eth0\", \"eth1\" } tcp dport { 25, 465 } dnat "
		       "to 192.168.0.6\n"
		       "		meta l4proto tcp dnat ip to ip daddr . tcp dport map @web\n"
		       "		iifname vmap { \"eth0\" : jump first, \"eth1\" : accept }\n"
		       "		fib daddr type local udp dport 5000-5009 dnat to "
		       "192.168.0.7:6000-6009\n"
		       "	}\n"
		       "	chain first {\n		tcp dport 8443 dnat to "
		       "192.168.0.8:443\n	}\n"
		       "}\n"};
	struct machine m;
	struct gateway *g;
	const struct gateway_forward *f;

	machine_read(&m, &d);
	g = infer(&m);
	f = g->forwards.items;
	assert_int_equal(g->forwards.len, 8);
	assert_string_equal(f[0].in, "eth0");
	assert_int_equal(f[0].first, 25);
	assert_string_equal(f[3].in, "eth1");
	assert_int_equal(f[3].first, 465);
	is(&f[4].dst.addr, "1.1.1.1");
	is(&f[4].to, "192.168.0.2");
	assert_int_equal(f[4].to_first, 8080);
	assert_int_equal(f[4].proto, PROTO_TCP);
	is(&f[5].to, "192.168.0.3");
	assert_string_equal(f[6].in, "eth0");
	assert_int_equal(f[6].first, 8443);
	assert_true(f[7].dst_local);
	assert_int_equal(f[7].first, 5000);
	assert_int_equal(f[7].last, 5009);
	assert_int_equal(f[7].to_first, 6000);
	assert_int_equal(f[7].to_last_port, 6009);
	machine_end(&m);
}

/* A text may have a chain that comes back to itself, as often as it likes: it is read once. */
static void test_chains_in_a_circle(void **state)
{
	const struct dumped d = {.nft = "table ip nat {\n"
					"	chain prerouting {\n"
					"		type nat hook prerouting priority dstnat;\n"
					"		jump first\n"
					"		jump prerouting\n"
					"	}\n"
					"	chain first {\n"
					"		jump second\n"
					"		jump first\n"
					"		tcp dport 80 dnat to 192.168.0.2\n"
					"	}\n"
					"	chain second {\n"
					"		jump first\n"
					"		jump second\n"
					"		tcp dport 25 dnat to 192.168.0.3\n"
					"	}\n"
					"}\n"};
	struct machine m;
	struct gateway *g;

	machine_read(&m, &d);
	g = infer(&m);
	assert_int_equal(g->forwards.len, 2);
	assert_int_equal(g->forwards.items[0].first, 25);
	assert_int_equal(g->forwards.items[1].first, 80);
	machine_end(&m);
}

/* What portreeve plans is read as what its file says. */
static void test_own_plan(void **state)
{
	struct planned p;
	struct netstate then = {0};
	struct gateway g = {0};

	planned_init(&p, "uplinks:\n  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			 "  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
			 "maps:\n  web: {listen: [80/tcp, 5000-5001/udp], to: 192.168.0.2}\n");
	planned_make(&p);
	assert_non_null(p.plan);
	plan_overlay(p.a, &p.seen, &p.plan->want, &then);
	gateway_infer(p.a, &then, &g);
	assert_int_equal(g.uplinks.len, 2);
	assert_int_equal(g.uplinks.items[1].mark, 0x2000000);
	/* two listeners, two uplinks; and the same for the machine's own packets */
	assert_int_equal(g.forwards.len, 8);
	VEC_EACH (&g.forwards, struct gateway_forward, f) {
		is(&f->to, "192.168.0.2");
		assert_int_equal(f->last - f->first, f->proto == PROTO_UDP);
		assert_false(f->more_matches);
	}
	planned_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uplinks_and_insides),
		cmocka_unit_test(test_two_routers_on_one_interface),
		cmocka_unit_test(test_nameless_uplink),
		cmocka_unit_test(test_iptables),
		cmocka_unit_test(test_nft),
		cmocka_unit_test(test_chains_in_a_circle),
		cmocka_unit_test(test_own_plan),
	};

	return cmocka_run_group_tests_name("walk/gateway", tests, NULL, NULL);
}
