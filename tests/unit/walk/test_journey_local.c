/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Journeys that begin or end in the machine itself; IPv6; translations in detail; ICMP errors. */
#include "journeyed.h"

static void listen_on(struct gateway_test *g, uint8_t proto, const char *at, uint16_t port)
{
	vec_push(g->a, &g->s.listeners,
		((struct net_listener){.proto = proto, .addr = addr(at), .port = port}));
}

/* ---- services of the machine itself ---- */

/* `from 2.2.2.2 lookup` is enough for what is bound to 2.2.2.2. */
static void test_own_service(void **state)
{
	const struct journey_way *w;
	struct gateway_test g;

	gw_begin(&g);
	listen_on(&g, PROTO_TCP, "0.0.0.0", 80);
	assert_walk(&g, "1.1.1.1", "works");
	w = &g.j.ways.items[0];
	assert_int_equal(w->legs[LEG_REQUEST].end, JOURNEY_LOCAL);
	assert_null(w->legs[LEG_REQUEST].out);
	assert_string_equal(w->legs[LEG_REPLY].out, "eth0");
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g, "the reply leaves by eth0, not by eth1");
	gw_route(&g, 102, "0.0.0.0/0", "2.2.2.254", "eth1");
	gw_rule(&g, 100, 102)->src = prefix("2.2.2.2");
	assert_walk(&g, "2.2.2.2", "works");
	gw_end(&g);
}

/* 46: what is not bound takes the route's address. */
static void test_own_datagram_service(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	g.q.proto = PROTO_UDP;
	gw_route(&g, 102, "0.0.0.0/0", "2.2.2.254", "eth1");
	gw_rule(&g, 100, 102)->src = prefix("2.2.2.2");
	listen_on(&g, PROTO_UDP, "0.0.0.0", 80);
	assert_walk(&g, "2.2.2.2", "unknown");
	assert_int_equal(g.j.assumed.len, 1);
	assert_non_null(strstr(g.j.assumed.items[0].what, "not from 1.1.1.1"));
	assert_walk(&g, "1.1.1.1", "works");
	assert_int_equal(g.j.assumed.len, 0);
	listen_on(&g, PROTO_UDP, "2.2.2.2", 80);
	assert_walk(&g, "2.2.2.2", "works");
	assert_int_equal(g.j.assumed.len, 0);
	gw_end(&g);
}

/* Marks in output: only a chain of type route has the packet looked up again. */
static void test_output_reroute(void **state)
{
	struct nft_chain *c;
	struct gateway_test g;
	const struct journey_way *w;

	gw_begin(&g);
	listen_on(&g, PROTO_TCP, "0.0.0.0", 80);
	gw_route(&g, 102, "0.0.0.0/0", "2.2.2.254", "eth1");
	gw_mark_rule(&g, 501, 2, 102);
	gw_pin(&g, "eth1", 2);
	c = gw_chain(&g, "output", CHAIN_FILTER, HOOK_OUTPUT, -150);
	gw_restore(&g, c, NULL, true);
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g, "the reply leaves by eth0");
	c->type = CHAIN_ROUTE;
	assert_walk(&g, "2.2.2.2", "works");
	w = &g.j.ways.items[0];
	assert_non_null(step_of(w, LEG_REPLY, STAGE_REROUTE));
	/* Rules in output go on seeing the interface of the first lookup. */
	VEC_EACH (&w->legs[LEG_REPLY].steps, struct journey_step, s) {
		if (s->stage == STAGE_REROUTE)
			assert_string_equal(s->after.oif, "eth1");
	}
	gw_end(&g);
}

static void test_mark_of_accepted_sockets(void **state)
{
	struct nft_rule *r;
	struct gateway_test g;

	gw_begin(&g);
	listen_on(&g, PROTO_TCP, "0.0.0.0", 80);
	gw_route(&g, 102, "0.0.0.0/0", "2.2.2.254", "eth1");
	gw_mark_rule(&g, 501, 2, 102);
	r = gw_new(&g, gw_prerouting_mangle(&g));
	gw_iif(&g, r, "eth1");
	nft_set_mark(g.a, r, false, gw_mark(&g, 2));
	gw_sysctl(&g, "ipv4.tcp_fwmark_accept", "0");
	assert_walk(&g, "2.2.2.2", "broken");
	gw_sysctl(&g, "ipv4.tcp_fwmark_accept", "1");
	assert_walk(&g, "2.2.2.2", "works");
	g.s.sysctls.len--;
	assert_walk(&g, "2.2.2.2", "unknown");
	assert_int_equal(g.j.ways.len, 2);
	/* Echo replies go by another switch. */
	g.q.proto = PROTO_ICMP;
	gw_sysctl(&g, "ipv4.fwmark_reflect", "1");
	assert_walk(&g, "2.2.2.2", "works");
	assert_int_equal(g.j.ways.items[0].legs[LEG_REPLY].first.icmp_type, 0);
	gw_end(&g);
}

static void test_redirect(void **state)
{
	const struct journey_way *w;
	struct nft_stmt *s;
	struct nft_rule *r;
	struct gateway_test g;

	gw_begin(&g);
	listen_on(&g, PROTO_TCP, "0.0.0.0", 8080);
	r = gw_new(&g, gw_prerouting_nat(&g));
	gw_dport(&g, r, 80);
	s = vec_add(g.a, &r->stmts);
	s->kind = STMT_REDIRECT;
	s->port = gw_port(&g, 8080);
	assert_walk(&g, "1.1.1.1", "works");
	w = &g.j.ways.items[0];
	assert_int_equal(w->legs[LEG_REQUEST].last.dport, 8080);
	assert_int_equal(w->legs[LEG_REPLY].first.sport, 8080);
	assert_int_equal(w->legs[LEG_REPLY].last.sport, 80);
	gw_end(&g);
}

/* ---- what the machine itself sends ---- */

static void test_from_here(void **state)
{
	const struct journey_way *w;
	struct gateway_test g;

	gw_begin(&g);
	g.q.from_here = true;
	g.q.src = (struct ip_addr){0};
	assert_walk(&g, "8.8.8.8", "works");
	w = &g.j.ways.items[0];
	assert_true(ip_equal(&w->legs[LEG_REQUEST].first.saddr, &g.s.addrs.items[1].addr));
	assert_string_equal(w->legs[LEG_REQUEST].out, "eth0");
	assert_int_equal(w->legs[LEG_REPLY].end, JOURNEY_LOCAL);
	/* Bound to the other line's address: an ISP does not take it. */
	gw_route(&g, 102, "0.0.0.0/0", "2.2.2.254", "eth1");
	g.q.returns = RETURN_ASK;
	g.q.src = addr("2.2.2.2");
	assert_walk(&g, "8.8.8.8", "broken");
	assert_why(&g, "with source 2.2.2.2, which is eth1's");
	/* To itself, through lo. */
	listen_on(&g, PROTO_TCP, "0.0.0.0", 80);
	g.q.src = (struct ip_addr){0};
	assert_walk(&g, "2.2.2.2", "works");
	assert_int_equal(g.j.ways.items[0].legs[LEG_REQUEST].end, JOURNEY_LOCAL);
	gw_end(&g);
}

static void test_dnat_in_output(void **state)
{
	const struct journey_way *w;
	struct nft_rule *r;
	struct gateway_test g;

	gw_begin(&g);
	g.q.from_here = true;
	g.q.src = (struct ip_addr){0};
	r = gw_new(&g, gw_chain(&g, "outnat", CHAIN_NAT, HOOK_OUTPUT, -100));
	gw_daddr(&g, r, "1.1.1.1");
	gw_dport(&g, r, 80);
	gw_nat(&g, r, true, "192.168.0.2", 0);
	/* The source was chosen for the way to 1.1.1.1, and stays: it is ours all the same. */
	assert_walk(&g, "1.1.1.1", "works");
	w = &g.j.ways.items[0];
	assert_string_equal(w->legs[LEG_REQUEST].out, "eth2");
	assert_non_null(step_of(w, LEG_REQUEST, STAGE_REROUTE));
	assert_true(ip_equal(&w->legs[LEG_REPLY].last.saddr, &g.s.addrs.items[1].addr));
	gw_end(&g);
}

/* ---- IPv6 ---- */

static void test_v6(void **state)
{
	const struct journey_way *w;
	struct gateway_test g;

	gw_begin(&g);
	gw_addr(&g, "eth0", "2001:db8:1::1/64");
	gw_addr(&g, "eth2", "fd00::1/64");
	gw_route(&g, 0, "::/0", "2001:db8:1::fe", "eth0");
	gw_route(&g, 0, "2001:db8:1::/64", NULL, "eth0");
	gw_route(&g, 0, "fd00::/64", NULL, "eth2");
	gw_rule_of(&g, IP_V6, 0, TABLE_LOCAL);
	gw_rule_of(&g, IP_V6, 32766, TABLE_MAIN);
	gw_sysctl(&g, "ipv6.conf.all.forwarding", "1");
	g.q.src = addr("2001:db8:ff::9");
	gw_dnat(&g, "2001:db8:1::1", 80, "fd00::2", 8080);
	assert_walk(&g, "2001:db8:1::1", "works");
	w = &g.j.ways.items[0];
	assert_int_equal(w->legs[LEG_REQUEST].last.dport, 8080);
	gw_masquerade(&g, "eth2");
	w = gw_walk(&g, "2001:db8:1::1");
	assert_true(ip_equal(
		&w->legs[LEG_REQUEST].last.saddr, &(struct ip_addr){IP_V6, {0xfd, [15] = 1}}));
	/* The interfaces' own switches say nothing: only all's does. */
	gw_sysctl(&g, "ipv6.conf.eth0.forwarding", "1");
	gw_sysctl(&g, "ipv6.conf.all.forwarding", "0");
	assert_walk(&g, "2001:db8:1::1", "broken");
	assert_why(&g, "net.ipv6.conf.all.forwarding is 0");
	gw_sysctl(&g, "ipv6.conf.eth0.force_forwarding", "1");
	gw_sysctl(&g, "ipv6.conf.eth2.force_forwarding", "1");
	assert_walk(&g, "2001:db8:1::1", "works");
	gw_end(&g);
}

/* What keeps an uplink's replies from leaving by another line. */
static void test_v6_last_resort(void **state)
{
	struct net_route *last;
	struct gateway_test g;

	gw_begin(&g);
	gw_addr(&g, "eth0", "2001:db8:1::1/64");
	gw_route(&g, 0, "::/0", "fe80::1", "eth0");
	gw_rule_of(&g, IP_V6, 500, 101);
	gw_rule_of(&g, IP_V6, 32766, TABLE_MAIN);
	last = gw_route(&g, 101, "::/0", NULL, NULL);
	last->metric = UINT32_MAX;
	last->protocol = 3; /* boot */
	gw_sysctl(&g, "ipv6.conf.all.forwarding", "1");
	g.q.in = "eth2";
	g.q.src = addr("fd00::5");
	assert_int_equal(gw_walk(&g, "2a00::1")->legs[LEG_REQUEST].end, JOURNEY_UNROUTABLE);
	last->protocol = 2; /* the kernel's own way to say that there is none */
	assert_string_equal(gw_walk(&g, "2a00::1")->legs[LEG_REQUEST].out, "eth0");
	gw_end(&g);
}

/* A route for some sources is the better one only for them. */
static void test_v6_source_routes(void **state)
{
	struct gateway_test g;
	const struct journey_way *w;

	gw_begin(&g);
	gw_addr(&g, "eth0", "2001:db8:1::1/64");
	gw_route(&g, 0, "::/0", "fe80::1", "eth0");
	gw_route(&g, 0, "::/0", "fe80::2", "eth1")->src = prefix("2001:db8:2::/48");
	gw_route(&g, 0, "fd00::/64", NULL, "eth2");
	gw_rule_of(&g, IP_V6, 32766, TABLE_MAIN);
	gw_sysctl(&g, "ipv6.conf.all.forwarding", "1");
	g.q.in = "eth2";
	g.q.src = addr("2001:db8:2::5");
	w = gw_walk(&g, "2a00::1");
	assert_string_equal(w->legs[LEG_REQUEST].out, "eth1");
	g.q.src = addr("2001:db8:3::5");
	w = gw_walk(&g, "2a00::1");
	assert_string_equal(w->legs[LEG_REQUEST].out, "eth0");
	gw_end(&g);
}

/* ---- translations ---- */

static void test_port_of_snat(void **state)
{
	const struct ip_addr server = addr("8.8.8.8");
	const struct journey_way *w;
	struct nft_rule *r;
	struct net_flow *f;
	struct gateway_test g;

	gw_begin(&g);
	gw_snat(&g, "eth0", "1.1.1.1");
	g.q.src = addr("192.168.0.9");
	w = gw_walk(&g, "8.8.8.8");
	assert_int_equal(w->legs[LEG_REQUEST].last.sport, 50000);
	/* Taken by another connection: some port of the class, which is not known. */
	f = vec_add(g.a, &g.s.flows);
	f->proto = PROTO_TCP;
	f->original = (struct flow_tuple){addr("192.168.0.7"), addr("8.8.8.8"), 50000, 80};
	f->reply = (struct flow_tuple){addr("8.8.8.8"), addr("1.1.1.1"), 80, 50000};
	assert_walk(&g, "8.8.8.8", "works");
	w = &g.j.ways.items[0];
	assert_false(packet_knows(&w->legs[LEG_REQUEST].last, PKT_SPORT));
	assert_true(packet_knows(&w->legs[LEG_REPLY].last, PKT_DPORT));
	assert_int_equal(w->legs[LEG_REPLY].last.dport, 50000);
	/* But the answer's addresses are known. */
	r = gw_new(&g, gw_forward(&g));
	nft_match(g.a, r, nft_sel(g.a, SEL_CT_REPLY_SADDR), OP_EQ, server.bytes, 4);
	nft_verdict(g.a, r, VERDICT_DROP, NULL);
	assert_walk(&g, "8.8.8.8", "broken");
	assert_int_equal(g.j.ways.len, 1);
	gw_end(&g);
}

static void test_ranges(void **state)
{
	const struct journey_way *w;
	struct nft_stmt *s;
	struct nft_rule *r;
	struct gateway_test g;

	gw_begin(&g);
	r = gw_new(&g, gw_prerouting_nat(&g));
	gw_daddr(&g, r, "1.1.1.1");
	s = gw_nat(&g, r, true, "192.168.0.2", 0);
	s->expr_last = gw_ip(&g, "192.168.0.4");
	assert_walk(&g, "1.1.1.1", "works");
	assert_int_equal(g.j.ways.len, 3);
	assert_int_equal(g.j.ways.items[0].choices.items[0].fork.kind, FORK_CHANCE);
	/* A port in the range stays; another becomes the first. */
	s->expr_last = NULL;
	s->port = gw_port(&g, 8000);
	s->port_last = gw_port(&g, 8010);
	w = gw_walk(&g, "1.1.1.1");
	assert_int_equal(w->legs[LEG_REQUEST].last.dport, 8000);
	g.q.dport = 8005;
	w = gw_walk(&g, "1.1.1.1");
	assert_int_equal(w->legs[LEG_REQUEST].last.dport, 8005);
	gw_end(&g);
}

/* raw: [iifname DEV] notrack */
static void notrack(struct gateway_test *g, enum nft_hook hook, const char *dev)
{
	struct nft_rule *r = gw_new(g, gw_chain(g, "raw", CHAIN_FILTER, hook, -300));
	struct nft_stmt *s;

	if (dev)
		gw_iif(g, r, dev);
	s = vec_add(g->a, &r->stmts);
	s->kind = STMT_NOTRACK;
}

/* Untracked: no translation, in neither direction. */
static void test_notrack(void **state)
{
	const struct journey_way *w;
	struct gateway_test g;

	gw_begin(&g);
	listen_on(&g, PROTO_TCP, "0.0.0.0", 80);
	gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	notrack(&g, HOOK_PREROUTING, "eth0");
	w = gw_walk(&g, "1.1.1.1");
	assert_int_equal(w->legs[LEG_REQUEST].end, JOURNEY_LOCAL);
	assert_false(w->dnat);
	assert_string_equal(step_of(w, LEG_REQUEST, STAGE_CONNTRACK)->text, "not tracked");
	gw_end(&g);
}

/* The reply's side is not tracked: what comes is invalid, and goes out as it is. */
static void test_invalid_reply_leaks(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	notrack(&g, HOOK_PREROUTING, "eth2");
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g, "the reply comes from 192.168.0.2:80, not from 1.1.1.1:80");
	gw_end(&g);
}

/* The SYN's answer was not seen: what follows it is invalid. */
static void test_untracked_answer(void **state)
{
	const struct journey_way *w;
	struct gateway_test g;

	gw_begin(&g);
	listen_on(&g, PROTO_TCP, "0.0.0.0", 80);
	notrack(&g, HOOK_OUTPUT, NULL);
	w = gw_walk(&g, "1.1.1.1");
	assert_true(w->legs[LEG_LATER].walked);
	assert_non_null(strstr(step_of(w, LEG_LATER, STAGE_CONNTRACK)->text, "invalid"));
	gw_end(&g);
}

/* Nft's and iptables-legacy's nat chains at one priority: nft's are taken to come first. */
static void test_both_tools_translate(void **state)
{
	struct nft_table *legacy;
	struct nft_chain *c;
	struct nft_rule *r;
	struct gateway_test g;

	gw_begin(&g);
	gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	legacy = nft_table_new(g.a, FAMILY_IP, "nat");
	legacy->origin = ORIGIN_XT_LEGACY;
	vec_push(g.a, &g.s.ruleset.tables, legacy);
	c = nft_base_chain_new(g.a, legacy, "PREROUTING", CHAIN_NAT, HOOK_PREROUTING, -100);
	r = gw_new(&g, c);
	gw_dport(&g, r, 443);
	gw_nat(&g, r, true, "192.168.0.3", 0);
	assert_walk(&g, "1.1.1.1", "works");
	assert_int_equal(g.j.ways.len, 1);
	r->stmts.items[0].value[0] = 0; /* port 80, too */
	r->stmts.items[0].value[1] = 80;
	assert_walk(&g, "1.1.1.1", "unknown");
	assert_int_equal(g.j.ways.items[0].legs[LEG_REQUEST].last.daddr.bytes[3], 2);
	assert_int_equal(g.j.assumed.len, 1);
	assert_non_null(strstr(g.j.assumed.items[0].what, "iptables-legacy's rules were there"));
	gw_end(&g);
}

/* A masqueraded connection that now leaves elsewhere is ended; a plainly translated one goes on. */
static void test_way_out_moved(void **state)
{
	struct nft_rule *r;
	struct gateway_test g;

	gw_begin(&g);
	gw_route(&g, 102, "0.0.0.0/0", "2.2.2.254", "eth1");
	gw_masquerade(&g, "eth0");
	g.q.src = addr("192.168.0.9");
	r = gw_new(&g, gw_prerouting_mangle(&g));
	gw_iif(&g, r, "eth2");
	nft_match_u32(g.a, r, nft_sel(g.a, SEL_CT_STATE), OP_EQ, CT_ESTABLISHED);
	nft_set_mark(g.a, r, false, gw_mark(&g, 2));
	gw_mark_rule(&g, 501, 2, 102);
	assert_walk(&g, "8.8.8.8", "broken");
	assert_why(&g, "a further request is dropped: masqueraded as of eth0, but leaves by eth1");
	gw_end(&g);
}

/* The same of a connection that conntrack has: its entry does not tell who translated it. */
static void test_known_connection_moved(void **state)
{
	struct gateway_test g;
	struct net_flow *f;

	gw_begin(&g);
	gw_masquerade(&g, "eth0");
	gw_masquerade(&g, "eth1");
	g.q.src = addr("192.168.0.9");
	f = vec_add(g.a, &g.s.flows);
	f->proto = PROTO_TCP;
	f->state = "ESTABLISHED";
	f->status = CT_SEEN_REPLY | CT_ASSURED;
	f->original = (struct flow_tuple){addr("192.168.0.9"), addr("8.8.8.8"), 50000, 80};
	f->reply = (struct flow_tuple){addr("8.8.8.8"), addr("2.2.2.2"), 80, 50000};
	assert_walk(&g, "8.8.8.8", "unknown");
	assert_int_equal(g.j.ways.len, 2);
	assert_int_equal(g.j.ways.items[0].choices.items[0].fork.kind, FORK_UNKNOWN);
	for (size_t i = 0; i < 2; i++) {
		const struct journey_leg *leg = &g.j.ways.items[i].legs[LEG_REQUEST];

		assert_int_equal(leg->end, g.j.ways.items[i].choices.items[0].taken
						   ? JOURNEY_DROPPED
						   : JOURNEY_FORWARDED);
	}
	/* Rules that give it that source whatever way it leaves do tell. */
	gw_postrouting_nat(&g)->rules.len = 0;
	gw_snat(&g, NULL, "2.2.2.2");
	assert_walk(&g, "8.8.8.8", "works");
	assert_int_equal(g.j.ways.len, 1);
	assert_int_equal(g.j.ways.items[0].legs[LEG_REQUEST].end, JOURNEY_FORWARDED);
	gw_end(&g);
}

/* 14: two gateways on one interface. */
static void test_two_gateways_on_one_interface(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	listen_on(&g, PROTO_TCP, "0.0.0.0", 80);
	gw_addr(&g, "eth0", "3.3.3.3/24");
	gw_route(&g, 0, "3.3.3.0/24", NULL, "eth0");
	gw_route(&g, 103, "0.0.0.0/0", "3.3.3.254", "eth0");
	assert_walk(&g, "3.3.3.3", "broken");
	assert_why(&g, "the reply leaves to 1.1.1.254, not to 3.3.3.254");
	assert_walk(&g, "1.1.1.1", "works");
	gw_rule(&g, 100, 103)->src = prefix("3.3.3.3");
	assert_walk(&g, "3.3.3.3", "works");
	gw_end(&g);
}

static void test_next_hops_that_are_down(void **state)
{
	const struct journey_way *w;
	struct net_route *second;
	struct gateway_test g;

	gw_begin(&g);
	gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	second = gw_route(&g, 0, "0.0.0.0/0", "2.2.2.254", "eth1");
	second->metric = 100;
	g.s.routes.items[0].nexthops.items[0].linkdown = true;
	assert_walk(&g, "1.1.1.1", "works");
	gw_sysctl(&g, "ipv4.conf.eth0.ignore_routes_with_linkdown", "1");
	w = gw_walk(&g, "1.1.1.1");
	assert_string_equal(w->legs[LEG_REPLY].out, "eth1");
	gw_end(&g);
}

/* What comes in on a port of a VRF is looked up in the VRF's table. */
static void test_vrf(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	g.q.in = "eth0";
	gw_link(&g, "red")->vrf_table = 10;
	gw_conf(&g, "red");
	g.s.links.items[1].master = 5;
	g.s.links.items[3].master = 5;
	gw_rule(&g, 1000, 0)->l3mdev = true;
	g.s.rules.items[1].table = 0;
	assert_walk(&g, "1.1.1.1", "works"); /* by main, since the VRF's table is empty */
	gw_route(&g, 10, "0.0.0.0/0", NULL, NULL);
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g, "unreachable (table 10, rule 1000");
	gw_end(&g);
}

static void test_neighbour(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	vec_push(g.a, &g.s.neighbours,
		((struct net_neighbour){.interface = "eth2",
			.addr = addr("192.168.0.2"),
			.state = NEIGHBOUR_FAILED}));
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g, "192.168.0.2 does not answer on eth2");
	gw_end(&g);
}

/* ---- parts that are missing ---- */

static void test_missing_parts(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	g.s.have &= ~(uint32_t)HAVE_LEGACY4;
	assert_walk(&g, "1.1.1.1", "works");
	assert_string_equal(g.j.assumed.items[0].where, "`iptables-legacy-save`");
	g.s.have &= ~(uint32_t)HAVE_RULES4;
	g.s.rules.len = 0;
	assert_walk(&g, "1.1.1.1", "unknown");
	assert_string_equal(g.j.assumed.items[0].where, "`ip rule`");
	gw_end(&g);
}

static void test_missing_table(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	gw_rule(&g, 100, 102);
	g.s.have |= HAVE_ONLY_MAIN4;
	assert_walk(&g, "1.1.1.1", "unknown");
	assert_string_equal(g.j.ways.items[0].choices.items[0].fork.why,
		"the routes of table 102 are not given");
	gw_end(&g);
}

/* ---- ICMP errors ---- */

static void test_icmp_errors(void **state)
{
	const struct journey_way *w;
	struct journey_leg leg;
	struct nft_rule *r;
	struct gateway_test g;

	gw_begin(&g);
	gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	gw_forward(&g)->policy_drop = true;
	r = gw_new(&g, gw_forward(&g));
	nft_match_u32(g.a, r, nft_sel(g.a, SEL_CT_STATE), OP_EQ, CT_NEW | CT_ESTABLISHED);
	nft_verdict(g.a, r, VERDICT_ACCEPT, NULL);
	assert_walk(&g, "1.1.1.1", "works");
	w = &g.j.ways.items[0];
	journey_walk_error(g.a, &g.s, w, true, &leg);
	assert_int_equal(leg.end, JOURNEY_DROPPED);
	r = gw_new(&g, gw_forward(&g));
	nft_match_u32(g.a, r, nft_sel(g.a, SEL_CT_STATE), OP_EQ, CT_RELATED);
	nft_verdict(g.a, r, VERDICT_ACCEPT, NULL);
	/* From the router at 1.1.1.254, about the reply: to the backend. */
	journey_walk_error(g.a, &g.s, w, true, &leg);
	assert_int_equal(leg.end, JOURNEY_FORWARDED);
	assert_string_equal(leg.in, "eth0");
	assert_string_equal(leg.out, "eth2");
	assert_int_equal(leg.last.proto, PROTO_ICMP);
	assert_int_equal(leg.last.daddr.bytes[3], 2);
	/* From beyond the inside, about the request: to the client, as the public address. */
	journey_walk_error(g.a, &g.s, w, false, &leg);
	assert_int_equal(leg.end, JOURNEY_FORWARDED);
	assert_string_equal(leg.out, "eth0");
	assert_int_equal(leg.last.saddr.bytes[0], 1);
	assert_int_equal(leg.last.daddr.bytes[0], 100);
	gw_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_service),
		cmocka_unit_test(test_own_datagram_service),
		cmocka_unit_test(test_output_reroute),
		cmocka_unit_test(test_mark_of_accepted_sockets),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_from_here),
		cmocka_unit_test(test_dnat_in_output),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_v6_last_resort),
		cmocka_unit_test(test_v6_source_routes),
		cmocka_unit_test(test_port_of_snat),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_notrack),
		cmocka_unit_test(test_invalid_reply_leaks),
		cmocka_unit_test(test_untracked_answer),
		cmocka_unit_test(test_both_tools_translate),
		cmocka_unit_test(test_way_out_moved),
		cmocka_unit_test(test_known_connection_moved),
		cmocka_unit_test(test_two_gateways_on_one_interface),
		cmocka_unit_test(test_next_hops_that_are_down),
		cmocka_unit_test(test_vrf),
		cmocka_unit_test(test_neighbour),
		cmocka_unit_test(test_missing_parts),
		cmocka_unit_test(test_missing_table),
		cmocka_unit_test(test_icmp_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
