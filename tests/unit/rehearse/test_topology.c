/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the small Internet looks like for a config, and the lines that build it. */
#include "configured.h"

#define ARTICLE                                                                                    \
	"uplinks:\n"                                                                               \
	"  telecom: {interface: eth0, gateway: 1.1.1.254}\n"                                       \
	"  unicom: {interface: eth1, gateway: 2.2.2.254}\n"                                        \
	"maps:\n"                                                                                  \
	"  web: {listen: 80/tcp, to: 192.168.0.2}\n"

static unsigned int node_named(const struct topology *t, const char *name)
{
	for (unsigned int i = 0; i < t->nodes.len; i++)
		if (strcmp(t->nodes.items[i].name, name) == 0)
			return i;
	fail_msg("no node %s", name);
	return 0;
}

static void assert_script(const struct topology *t, const char *node, const char *want)
{
	struct strbuf b = STRBUF_INIT;

	script_node(&b, t, node_named(t, node));
	assert_string_equal(strbuf_str(&b), want);
	strbuf_fini(&b);
}

static void assert_line(const struct topology *t, const char *node, const char *line, bool there)
{
	struct strbuf b = STRBUF_INIT;
	unsigned int i = node_named(t, node);

	script_node(&b, t, i);
	script_rules(&b, t, i, IP_V4);
	script_rules(&b, t, i, IP_V6);
	script_nft(&b, t, i);
	if ((strstr(strbuf_str(&b), line) != NULL) != there)
		fail_msg("%s\n%s '%s'", strbuf_str(&b), there ? "lacks" : "has", line);
	strbuf_fini(&b);
}

static void the_article(void **state)
{
	struct configured c;
	struct strbuf b = STRBUF_INIT;

	(void)state;
	configure(&c, ARTICLE);
	script_cables(&b, c.topology);
	assert_string_equal(strbuf_str(&b),
		"link add name eth0 netns gateway type veth peer name customer netns isp-telecom\n"
		"link add name isp0 netns internet address 02:00:00:00:00:02 type veth peer name "
		"internet netns "
		"isp-telecom address 02:00:00:00:00:01\n"
		"link add name eth1 netns gateway type veth peer name customer netns isp-unicom\n"
		"link add name isp1 netns internet address 02:00:00:00:00:02 type veth peer name "
		"internet netns "
		"isp-unicom address 02:00:00:00:00:01\n"
		"link add name lan0 netns gateway type veth peer name lan netns backends\n"
		"link add name line0 netns internet address 02:00:00:00:00:02 type veth peer name "
		"line netns "
		"backends address 02:00:00:00:00:01\n");
	strbuf_fini(&b);
	assert_script(c.topology, "gateway",
		"link set lo up\nlink set eth0 up\nlink set eth1 up\nlink set lan0 up\n"
		"address add 1.1.1.1/24 dev eth0\naddress add 2.2.2.2/24 dev eth1\n"
		"address add 192.168.0.1/24 dev lan0\n"
		"route add 0.0.0.0/0 via 1.1.1.254 dev eth0\n");
	assert_line(c.topology, "internet",
		"route add 2.2.2.2/32 via 169.254.0.1 dev isp1 onlink\n", true);
	assert_line(c.topology, "isp-unicom",
		"rule add pref 10 iif customer from 2.2.2.2 lookup main\n", true);
	assert_line(c.topology, "isp-unicom", "rule add pref 11 iif customer blackhole\n", true);
	assert_line(c.topology, "isp-unicom", "1.1.1.1", false);
	assert_line(c.topology, "backends", "route add default via 169.254.0.2 dev line onlink\n",
		true);
	assert_line(c.topology, "backends", "ip saddr set 9.9.9.9", true);
	configured_fini(&c);
}

static void direct_backends_return_by_the_gateway(void **state)
{
	struct configured c;

	(void)state;
	configure(&c, ARTICLE "  direct: {listen: 81/tcp, to: 192.168.0.3, return: direct}\n");
	assert_line(c.topology, "backends",
		"route add 0.0.0.0/0 via 192.168.0.1 dev lan table 100\n", true);
	assert_line(
		c.topology, "backends", "rule add pref 100 from 192.168.0.3 lookup 100\n", true);
	assert_line(c.topology, "backends", "from 192.168.0.2", false);
	configured_fini(&c);
}

static void snat_addresses_are_the_gateways(void **state)
{
	struct configured c;

	(void)state;
	configure(&c, ARTICLE "  s: {listen: 81/tcp, to: 192.168.7.1, return: {snat: [192.168.7.9, "
			      "192.168.7.10]}}\n");
	assert_line(c.topology, "gateway", "address add 192.168.7.9/24 dev lan1\n", true);
	assert_line(c.topology, "gateway", "address add 192.168.7.10/32 dev lan1\n", true);
	configured_fini(&c);
}

static void uplinks_may_share_an_interface(void **state)
{
	struct configured c;
	struct strbuf b = STRBUF_INIT;

	(void)state;
	configure(&c, "uplinks:\n"
		      "  a: {interface: eth0, address: 1.1.1.1, gateway: 1.1.1.254}\n"
		      "  b: {interface: eth0, address: 2.2.2.2, gateway: 2.2.2.254}\n"
		      "maps:\n"
		      "  web: {listen: 80/tcp, to: 192.168.0.2}\n");
	script_cables(&b, c.topology);
	assert_non_null(strstr(strbuf_str(&b), "link add name eth0 netns gateway type veth peer "
					       "name gateway netns switch-eth0\n"));
	assert_null(strstr(strbuf_str(&b), "name eth0 netns gateway type veth peer name customer"));
	assert_line(c.topology, "switch-eth0", "link set gateway master switch\n", true);
	strbuf_fini(&b);
	configured_fini(&c);
}

static void modems_translate(void **state)
{
	struct configured c;

	(void)state;
	configure(&c, "uplinks:\n"
		      "  a: {interface: eth0, address: 192.168.1.2, gateway: 192.168.1.1, public: "
		      "5.5.5.1}\n"
		      "  b: {interface: eth1, address: 192.168.1.2, gateway: 192.168.1.1}\n"
		      "maps:\n"
		      "  web: {listen: 80/tcp, to: 192.168.0.2}\n");
	assert_line(c.topology, "modem-a", "ip daddr 5.5.5.1 ip daddr set 192.168.1.2\n", true);
	assert_line(c.topology, "internet",
		"route add 5.5.5.1/32 via 169.254.0.1 dev isp0 onlink\n", true);
	/* The second has none in the file: one is invented, so that the world can tell them apart. */
	assert_line(c.topology, "modem-b", "ip daddr 198.19.0.1 ip daddr set 192.168.1.2\n", true);
	assert_int_equal(c.result.probes.len, 2);
	assert_true(ip_equal(&c.result.probes.items[1].address, &c.result.probes.items[0].address));
	assert_false(ip_equal(&c.result.probes.items[1].world, &c.result.probes.items[0].world));
	configured_fini(&c);
}

static void point_to_point_has_no_arp(void **state)
{
	struct configured c;
	struct strbuf b = STRBUF_INIT;

	(void)state;
	configure(&c, "uplinks:\n"
		      "  ppp: {interface: ppp0, gateway: onlink}\n"
		      "maps:\n"
		      "  web: {listen: 80/tcp, to: 192.168.0.2}\n");
	script_cables(&b, c.topology);
	assert_non_null(
		strstr(strbuf_str(&b), "name ppp0 netns gateway address 02:00:00:01:00:00"));
	assert_line(c.topology, "gateway", "link set ppp0 up arp off\n", true);
	assert_line(c.topology, "gateway", "route add 0.0.0.0/0 dev ppp0\n", true);
	strbuf_fini(&b);
	configured_fini(&c);
}

static void backends_near_an_uplink_get_a_smaller_network(void **state)
{
	struct configured c;

	(void)state;
	configure(&c, "uplinks:\n"
		      "  a: {interface: eth0, address: 203.0.113.10, gateway: 203.0.113.1}\n"
		      "maps:\n"
		      "  web: {listen: 80/tcp, to: 203.0.113.66}\n");
	assert_line(c.topology, "gateway", "address add 203.0.113.65/26 dev lan0\n", true);
	configured_fini(&c);
}

static void names_of_uplinks_are_not_taken_for_inside(void **state)
{
	struct configured c;

	(void)state;
	configure(&c, "uplinks:\n"
		      "  a: {interface: lan0, gateway: 1.1.1.254}\n"
		      "maps:\n"
		      "  web: {listen: 80/tcp, to: 192.168.0.2}\n");
	assert_string_equal(c.topology->insides.items[0].interface, "lan1");
	configured_fini(&c);
}

static void without_ipv6_nothing_asks_for_it(void **state)
{
	struct configured c;
	struct strbuf b = STRBUF_INIT;

	(void)state;
	configure(&c, ARTICLE);
	c.topology->no_v6 = true;
	for (unsigned int i = 0; i < c.topology->nodes.len; i++) {
		script_node(&b, c.topology, i);
		script_rules(&b, c.topology, i, IP_V6);
	}
	assert_null(strstr(strbuf_str(&b), "::"));
	strbuf_fini(&b);
	configured_fini(&c);
}

/* ---- this machine ---- */

static void add_live(struct arena *a, struct netstate *live, const char *interface,
	const char *addr, uint8_t len)
{
	struct net_link *l = vec_add(a, &live->links);
	struct net_addr *x = vec_add(a, &live->addrs);

	l->index = (int)live->links.len;
	l->name = interface;
	l->up = true;
	x->interface = interface;
	x->addr = addr_of(addr);
	x->prefix_len = len;
}

static void live_counts_only_where_it_fits(void **state)
{
	struct netstate fits = {0}, other = {0};
	struct arena *a = arena_new();
	struct configured c;

	(void)state;
	add_live(a, &fits, "eth0", "1.1.1.7", 24);
	add_live(a, &fits, "eth1", "2.2.2.207", 25);
	/* Has an eth0, as most machines do, but is not this gateway. */
	add_live(a, &other, "eth0", "10.0.0.5", 24);
	add_live(a, &other, "eth1", "2.2.2.207", 25);

	configure_on(&c, ARTICLE, &fits, false);
	assert_line(c.topology, "gateway", "address add 2.2.2.207/25 dev eth1\n", true);
	configured_fini(&c);
	configure_on(&c, ARTICLE, &other, false);
	assert_line(c.topology, "gateway", "address add 1.1.1.1/24 dev eth0\n", true);
	configured_fini(&c);
	/* As it is, because the user says so. */
	configure_on(&c, ARTICLE, &other, true);
	assert_true(ip_equal(&c.topology->uplinks.items[0].addrs.items[0].addr,
		&(struct ip_addr){.family = IP_V4, .bytes = {10, 0, 0, 5}}));
	configured_fini(&c);
	arena_free(a);
}

static void live_routes_name_the_inside(void **state)
{
	struct netstate live = {0};
	struct arena *a = arena_new();
	struct configured c;
	struct net_route *r;

	(void)state;
	add_live(a, &live, "eth0", "1.1.1.1", 24);
	add_live(a, &live, "eth1", "2.2.2.2", 24);
	add_live(a, &live, "br-lan", "10.0.0.1", 16);
	r = vec_add(a, &live.routes);
	r->family = IP_V4;
	r->table = TABLE_MAIN;
	r->type = ROUTE_UNICAST;
	assert_int_equal(ip_prefix_parse("192.168.0.0/24", &r->dst), 0);
	vec_push(a, &r->nexthops,
		((struct net_nexthop){
			.gateway = addr_of("10.0.0.9"), .interface = "br-lan", .weight = 1}));
	configure_on(&c, ARTICLE, &live, false);
	assert_string_equal(c.topology->insides.items[0].interface, "br-lan");
	/* The backends' node plays the router in between. */
	assert_line(c.topology, "backends", "address add 10.0.0.9/16 dev lan\n", true);
	assert_line(c.topology, "backends", "address add 192.168.0.2/32 dev lan\n", true);
	assert_line(c.topology, "gateway", "route add 192.168.0.2 via 10.0.0.9 dev br-lan\n", true);
	configured_fini(&c);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_article),
		cmocka_unit_test(direct_backends_return_by_the_gateway),
		cmocka_unit_test(snat_addresses_are_the_gateways),
		cmocka_unit_test(uplinks_may_share_an_interface),
		cmocka_unit_test(modems_translate),
		cmocka_unit_test(point_to_point_has_no_arp),
		cmocka_unit_test(backends_near_an_uplink_get_a_smaller_network),
		cmocka_unit_test(names_of_uplinks_are_not_taken_for_inside),
		cmocka_unit_test(without_ipv6_nothing_asks_for_it),
		cmocka_unit_test(live_counts_only_where_it_fits),
		cmocka_unit_test(live_routes_name_the_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
