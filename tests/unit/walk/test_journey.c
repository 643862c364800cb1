/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Journeys through the gateway with two uplinks: how port mapping works there and how it breaks. */
#include "journeyed.h"

/* ---- the six stages of the two-uplink gateway ---- */

static void map_both(struct gateway_test *g)
{
	gw_dnat(g, "1.1.1.1", 80, "192.168.0.2", 80);
	gw_dnat(g, "2.2.2.2", 80, "192.168.0.2", 80);
}

static void tables(struct gateway_test *g)
{
	gw_route(g, 101, "0.0.0.0/0", "1.1.1.254", "eth0");
	gw_route(g, 102, "0.0.0.0/0", "2.2.2.254", "eth1");
}

/* CONNMARK as printed: set on new connections, restored on everything. */
static void marks(struct gateway_test *g)
{
	gw_pin(g, "eth0", 1);
	gw_pin(g, "eth1", 2);
	gw_restore(g, gw_prerouting_mangle(g), NULL, false);
}

static void test_dnat_only(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	g.q.returns = RETURN_BYPASS;
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g, "192.168.0.2 answers 100.100.100.100 by another way");
	assert_walk(&g, "2.2.2.2", "broken");
	g.q.returns = RETURN_ASK;
	assert_walk(&g, "1.1.1.1", "unknown");
	assert_int_equal(g.j.assumed.len, 1);
	assert_true(g.j.assumed.items[0].decides);
	/* If the backend did answer through here, this one would be broken all the same. */
	assert_walk(&g, "2.2.2.2", "broken");
	gw_end(&g);
}

static void test_dnat_and_snat(void **state)
{
	const struct journey_way *w;
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	gw_snat(&g, "eth2", "192.168.0.1");
	g.q.returns = RETURN_BYPASS; /* makes no difference: it answers to us */
	assert_walk(&g, "1.1.1.1", "works");
	w = &g.j.ways.items[0];
	assert_int_equal(w->home, TRI_YES);
	assert_true(w->dnat && w->snat);
	assert_non_null(w->dnat_rule);
	assert_string_equal(w->legs[LEG_REQUEST].out, "eth2");
	assert_true(ip_equal(
		&w->legs[LEG_REQUEST].last.saddr, &(struct ip_addr){IP_V4, {192, 168, 0, 1}}));
	assert_int_equal(w->legs[LEG_REPLY].last.sport, 80);
	assert_int_equal(w->legs[LEG_REQUEST].last.ct_state, CT_NEW);
	assert_int_equal(w->legs[LEG_REPLY].last.ct_state, CT_ESTABLISHED);
	assert_int_equal(w->legs[LEG_LATER].last.ct_state, CT_ESTABLISHED);
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g, "the reply leaves by eth0, not by eth1");
	assert_int_equal(g.j.ways.items[0].home, TRI_NO);
	gw_end(&g);
}

static void test_rule_from_public_address(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	gw_snat(&g, "eth2", "192.168.0.1");
	tables(&g);
	gw_rule(&g, 100, 102)->src = prefix("2.2.2.2");
	assert_walk(&g, "1.1.1.1", "works");
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g, "the reply leaves by eth0, not by eth1");
	gw_end(&g);
}

static void marked(struct gateway_test *g)
{
	gw_begin(g);
	map_both(g);
	gw_snat(g, "eth2", "192.168.0.1");
	tables(g);
	marks(g);
}

static void test_connmark_as_printed(void **state)
{
	const struct journey_way *w;
	struct gateway_test g;

	marked(&g);
	gw_mark_rule(&g, 32764, 1, 101);
	gw_mark_rule(&g, 32765, 2, 102);
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g,
		"the request for 192.168.0.2 leaves by eth0, but 192.168.0.2 is reached by eth2");
	assert_walk(&g, "2.2.2.2", "broken");
	w = &g.j.ways.items[0];
	assert_string_equal(step_of(w, LEG_REQUEST, STAGE_ROUTE)->text,
		"via 2.2.2.254 dev eth1 (table 102, rule 32765 from all fwmark 0x2)");
	gw_end(&g);
}

static void test_connmark_behind_main(void **state)
{
	struct gateway_test g;

	marked(&g);
	gw_rule(&g, 32000, TABLE_MAIN)->suppress_prefixlen = 0;
	gw_mark_rule(&g, 32764, 1, 101);
	gw_mark_rule(&g, 32765, 2, 102);
	assert_walk(&g, "1.1.1.1", "works");
	assert_walk(&g, "2.2.2.2", "works");
	gw_end(&g);
}

static void test_rules_that_jumped_the_queue(void **state)
{
	struct gateway_test g;

	marked(&g);
	gw_rule(&g, 32000, TABLE_MAIN)->suppress_prefixlen = 0;
	gw_mark_rule(&g, 31999, 1, 101);
	gw_mark_rule(&g, 31998, 2, 102);
	assert_walk(&g, "1.1.1.1", "broken");
	assert_walk(&g, "2.2.2.2", "broken");
	gw_end(&g);
}

static void test_restore_for_replies_only(void **state)
{
	const struct journey_way *w;
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	gw_snat(&g, "eth2", "192.168.0.1");
	tables(&g);
	gw_pin(&g, "eth0", 1);
	gw_pin(&g, "eth1", 2);
	gw_restore(&g, gw_prerouting_mangle(&g), NULL, true);
	gw_mark_rule(&g, 500, 1, 101);
	gw_mark_rule(&g, 501, 2, 102);
	assert_walk(&g, "1.1.1.1", "works");
	assert_walk(&g, "2.2.2.2", "works");
	w = &g.j.ways.items[0];
	assert_int_equal(w->home, TRI_YES);
	assert_string_equal(w->legs[LEG_REPLY].out, "eth1");
	assert_int_equal(w->flow.mark, 2);
	assert_int_equal(w->legs[LEG_REPLY].last.mark, 2);
	assert_true(w->legs[LEG_LATER].walked);
	assert_int_equal(w->legs[LEG_LATER].last.mark, 0);
	gw_end(&g);
}

/* ---- further pitfalls ---- */

/* 4: restored where the reply has been routed already. */
static void test_restored_too_late(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	tables(&g);
	gw_pin(&g, "eth1", 2);
	gw_restore(&g, gw_forward(&g), NULL, true);
	gw_mark_rule(&g, 501, 2, 102);
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g, "the reply leaves by eth0");
	gw_end(&g);
}

/* 8: a table with a default only. The reply goes home, but what is inside elsewhere is not found. */
static void test_other_inside_network(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	gw_link(&g, "tun0");
	gw_conf(&g, "tun0");
	gw_addr(&g, "tun0", "10.8.0.1/24");
	gw_route(&g, 0, "10.8.0.0/24", NULL, "tun0");
	map_both(&g);
	tables(&g);
	gw_pin(&g, "tun0", 2);
	gw_restore(&g, gw_prerouting_mangle(&g), NULL, true);
	gw_mark_rule(&g, 501, 2, 102);
	g.q.src = addr("10.8.0.9");
	assert_walk(&g, "1.1.1.1", "broken");
	assert_string_equal(g.j.in, "tun0");
	assert_why(&g, "the reply for 10.8.0.9 leaves by eth1");
	gw_end(&g);
}

/* 11: a multipath default that replies are spread over. */
static void test_multipath(void **state)
{
	struct net_nexthop *h;
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	h = vec_add(g.a, &g.s.routes.items[0].nexthops);
	h->interface = "eth1";
	h->gateway = addr("2.2.2.254");
	h->weight = 3;
	assert_walk(&g, "1.1.1.1", "broken");
	assert_int_equal(g.j.ways.len, 2);
	assert_int_equal(g.j.ways.items[0].verdict, JOURNEY_BROKEN);
	assert_true(g.j.ways.items[0].share > 0.74 && g.j.ways.items[0].share < 0.76);
	assert_int_equal(g.j.ways.items[1].verdict, JOURNEY_WORKS);
	assert_int_equal(g.j.ways.items[0].choices.len, 1);
	assert_int_equal(g.j.ways.items[0].choices.items[0].fork.kind, FORK_CHANCE);
	gw_end(&g);
}

/* 17, 18: the reverse path filter. */
static void test_rp_filter(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	gw_snat(&g, "eth2", "192.168.0.1");
	gw_sysctl(&g, "ipv4.conf.eth1.rp_filter", "1");
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g,
		"rp_filter 1 on eth1: the way back to 100.100.100.100 is via 1.1.1.254 dev eth0");
	assert_int_equal(g.j.ways.items[0].legs[LEG_REQUEST].end, JOURNEY_DROPPED);
	assert_string_equal(step_of(&g.j.ways.items[0], LEG_REQUEST, STAGE_SOURCE)->sysctl,
		"net.ipv4.conf.eth1.rp_filter");
	/* The larger one counts. */
	gw_sysctl(&g, "ipv4.conf.all.rp_filter", "2");
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g, "the reply leaves by eth0");
	/* No way back at all is too little for loose mode, too. */
	g.s.routes.items[0].dst = prefix("9.0.0.0/8");
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g, "rp_filter 2 on eth1: no way back to 100.100.100.100");
	gw_end(&g);
}

/* The mark counts for the way back where src_valid_mark says so (19, and as a remedy). */
static void test_src_valid_mark(void **state)
{
	struct nft_rule *r;
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	gw_snat(&g, "eth2", "192.168.0.1");
	tables(&g);
	gw_pin(&g, "eth1", 2);
	gw_restore(&g, gw_prerouting_mangle(&g), NULL, true);
	r = gw_new(&g, gw_prerouting_mangle(&g));
	gw_iif(&g, r, "eth1");
	nft_set_mark(g.a, r, false, gw_mark(&g, 2));
	gw_rule(&g, 500, TABLE_MAIN)->suppress_prefixlen = 0;
	gw_mark_rule(&g, 501, 2, 102);
	gw_sysctl(&g, "ipv4.conf.eth1.rp_filter", "1");
	assert_walk(&g, "2.2.2.2", "broken");
	gw_sysctl(&g, "ipv4.conf.all.src_valid_mark", "1");
	assert_walk(&g, "2.2.2.2", "works");
	/* Not known whether it counts: it decides, and that is asked. */
	g.s.sysctls.len = 0;
	gw_conf(&g, "all");
	for (size_t i = 0; i < 4; i++)
		gw_conf(&g, g.s.links.items[i].name);
	gw_sysctl(&g, "ipv4.conf.eth1.rp_filter", "1");
	VEC_EACH (&g.s.sysctls, struct net_sysctl, c) {
		if (strcmp(c->key, "net.ipv4.conf.eth1.src_valid_mark") == 0)
			c->key = "net.ipv4.none";
	}
	assert_walk(&g, "2.2.2.2", "unknown");
	assert_non_null(strstr(
		g.j.ways.items[0].choices.items[0].fork.why, "net.ipv4.conf.eth1.src_valid_mark"));
	gw_end(&g);
}

/* 20: per input device. */
static void test_forwarding(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	gw_sysctl(&g, "ipv4.conf.eth0.forwarding", "0");
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g, "not forwarded: net.ipv4.conf.eth0.forwarding is 0");
	gw_sysctl(&g, "ipv4.conf.eth0.forwarding", "1");
	gw_sysctl(&g, "ipv4.conf.eth2.forwarding", "0");
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g, "the reply is dropped: not forwarded: net.ipv4.conf.eth2.forwarding is 0");
	g.s.sysctls.len = 0;
	assert_walk(&g, "1.1.1.1", "unknown");
	assert_int_equal(g.j.ways.items[0].verdict, JOURNEY_BROKEN);
	/* Broken whatever the sysctls are: what is wrong if they are as usual is said first. */
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g, "the reply leaves by eth0");
	gw_end(&g);
}

/* 21 */
static void test_dnat_to_loopback(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	gw_dnat(&g, "1.1.1.1", 80, "127.0.0.1", 8080);
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g, "route_localnet is 0 on eth0");
	gw_sysctl(&g, "ipv4.conf.eth0.route_localnet", "1");
	vec_push(g.a, &g.s.listeners,
		((struct net_listener){
			.proto = PROTO_TCP, .addr = addr("127.0.0.1"), .port = 8080}));
	assert_walk(&g, "1.1.1.1", "works");
	assert_int_equal(g.j.ways.items[0].legs[LEG_REQUEST].end, JOURNEY_LOCAL);
	gw_end(&g);
}

/* 25, 30: what the forward chain lets through. */
static void test_forward_policy(void **state)
{
	struct nft_rule *r;
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	gw_forward(&g)->policy_drop = true;
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g, "the request is dropped: table inet test, chain forward: policy drop");
	r = gw_new(&g, gw_forward(&g));
	nft_match_u32(g.a, r, nft_sel(g.a, SEL_CT_STATUS), OP_EQ, CT_DST_NAT);
	nft_match_u32(g.a, r, nft_sel(g.a, SEL_CT_STATE), OP_EQ, CT_NEW);
	nft_verdict(g.a, r, VERDICT_ACCEPT, NULL);
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g, "the reply is dropped");
	r = gw_new(&g, gw_forward(&g));
	nft_match_u32(g.a, r, nft_sel(g.a, SEL_CT_STATE), OP_EQ, CT_ESTABLISHED | CT_RELATED);
	nft_verdict(g.a, r, VERDICT_ACCEPT, NULL);
	assert_walk(&g, "1.1.1.1", "works");
	gw_end(&g);
}

/* 34, 35: from inside. */
static void test_from_inside(void **state)
{
	struct gateway_test g;
	struct nft_rule *r;

	gw_begin(&g);
	r = gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	gw_iif(&g, r, "eth0"); /* after the translation: does not matter */
	g.q.src = addr("192.168.0.9");
	g.q.returns = RETURN_ASK;
	assert_walk(&g, "1.1.1.1", "broken");
	assert_string_equal(g.j.in, "eth2");
	assert_why(&g, "192.168.0.2 answers 192.168.0.9 directly");
	gw_snat(&g, "eth2", "192.168.0.1");
	assert_walk(&g, "1.1.1.1", "works");
	assert_non_null(step_of(&g.j.ways.items[0], LEG_REQUEST, STAGE_FORWARD));
	/* Not mapped: the gateway itself is called, and nothing listens there. */
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g, "nothing here listens on 2.2.2.2:80");
	g.s.have &= ~(uint32_t)HAVE_LISTENERS;
	assert_walk(&g, "2.2.2.2", "unknown");
	assert_string_equal(
		g.j.assumed.items[0].what, "a service of this machine listens on 2.2.2.2:80");
	assert_string_equal(journey_why(g.a, &g.j),
		"it works if a service of this machine listens on 2.2.2.2:80: this machine itself "
		"answers, and the reply leaves by eth2, where the request came in");
	gw_end(&g);
}

static void gw_forget_sysctl(struct gateway_test *g, const char *key)
{
	size_t kept = 0;

	VEC_EACH (&g->s.sysctls, struct net_sysctl, c) {
		if (strcmp(c->key, key) != 0)
			g->s.sysctls.items[kept++] = *c;
	}
	g->s.sysctls.len = kept;
}

/* All ways fail: one by a rule, for whatever the sysctls may be, tells more than those by a sysctl. */
static void test_rule_before_supposed_sysctl(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	gw_dnat(&g, "1.1.1.1", 80, "192.168.0.2", 80);
	gw_forward(&g)->policy_drop = true;
	gw_forget_sysctl(&g, "net.ipv4.conf.all.forwarding");
	gw_forget_sysctl(&g, "net.ipv4.conf.eth0.forwarding");
	gw_forget_sysctl(&g, "net.ipv4.conf.eth0.rp_filter");
	g.q.in = "eth0";
	g.s.routes.items[0].nexthops.items[0].interface = "eth1"; /* strict: not the way back */
	assert_walk(&g, "1.1.1.1", "broken");
	assert_int_equal(g.j.ways.len, 3);
	assert_why(&g, "policy drop");
	assert_false(journey_is_supposed(&g.j.ways.items[0]));
	assert_true(journey_is_supposed(&g.j.ways.items[1]));
	assert_true(journey_is_supposed(&g.j.ways.items[2]));
	assert_string_equal(
		g.j.ways.items[1].choices.items[0].sysctl, "net.ipv4.conf.eth0.forwarding");
	gw_end(&g);
}

/* 39: what masquerade takes. */
static void test_masquerade(void **state)
{
	const struct journey_way *w;
	struct net_addr *second;
	struct gateway_test g;

	gw_begin(&g);
	gw_masquerade(&g, "eth0");
	second = gw_addr(&g, "eth0", "1.1.1.9/24");
	second->secondary = true;
	g.q.src = addr("192.168.0.9");
	assert_walk(&g, "8.8.8.8", "works");
	w = &g.j.ways.items[0];
	assert_true(ip_equal(&w->legs[LEG_REQUEST].last.saddr, &g.s.addrs.items[1].addr));
	/* The primary one in the next hop's subnet, not the first. */
	g.s.addrs.items[1].addr = addr("7.7.7.7");
	g.s.addrs.items[1].prefix_len = 32;
	second->secondary = false;
	second = &g.s.addrs.items[g.s.addrs.len - 1];
	second->secondary = false;
	w = gw_walk(&g, "8.8.8.8");
	assert_true(ip_equal(&w->legs[LEG_REQUEST].last.saddr, &second->addr));
	gw_end(&g);
}

/* 58: another tool restores whole marks on requests. */
static void test_restore_on_requests(void **state)
{
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	tables(&g);
	gw_restore(&g, gw_chain(&g, "early", CHAIN_FILTER, HOOK_PREROUTING, -160), NULL, false);
	gw_pin(&g, "eth1", 2);
	gw_mark_rule(&g, 501, 2, 102);
	assert_walk(&g, "2.2.2.2", "broken");
	assert_why(&g, "a further request for 192.168.0.2 leaves by eth1");
	assert_string_equal(g.j.ways.items[0].legs[LEG_REQUEST].out, "eth2");
	gw_end(&g);
}

/* ---- conntrack's entries ---- */

static struct net_flow *gw_flow(struct gateway_test *g, const char *client, const char *dst,
	const char *backend, const char *reply_to)
{
	struct net_flow *f = vec_add(g->a, &g->s.flows);

	f->proto = PROTO_TCP;
	f->original = (struct flow_tuple){addr(client), addr(dst), 50000, 80};
	f->reply = (struct flow_tuple){addr(backend), addr(reply_to), 80, 50000};
	return f;
}

static void test_evidence_of_returns(void **state)
{
	struct net_flow *f;
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	g.q.returns = RETURN_ASK;
	f = gw_flow(&g, "5.5.5.5", "1.1.1.1", "192.168.0.2", "5.5.5.5");
	assert_walk(&g, "1.1.1.1", "broken");
	assert_why(&g, "past this machine");
	f->status = CT_SEEN_REPLY | CT_ASSURED;
	assert_walk(&g, "1.1.1.1", "works");
	gw_end(&g);
}

/* 40, 41: an entry that the rules contradict stays as it is. */
static void test_kept_mapping(void **state)
{
	const struct journey_way *w;
	const struct journey_step *said = NULL;
	struct gateway_test g;

	gw_begin(&g);
	map_both(&g);
	gw_flow(&g, "100.100.100.100", "1.1.1.1", "192.168.0.7", "100.100.100.100")->status =
		CT_SEEN_REPLY | CT_ASSURED;
	w = gw_walk(&g, "1.1.1.1");
	assert_true(ip_equal(&w->legs[LEG_REQUEST].last.daddr, &g.s.flows.items[0].reply.src));
	VEC_EACH (&w->legs[LEG_REQUEST].steps, struct journey_step, s) {
		if (s->stage == STAGE_CONNTRACK && strstr(s->text, "the rules now give"))
			said = s;
	}
	assert_non_null(said);
	assert_string_equal(said->text,
		"the connection keeps destination 192.168.0.7:80 from when it began; the rules now "
		"give 192.168.0.2:80");
	gw_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dnat_only),
		cmocka_unit_test(test_dnat_and_snat),
		cmocka_unit_test(test_rule_from_public_address),
		cmocka_unit_test(test_connmark_as_printed),
		cmocka_unit_test(test_connmark_behind_main),
		cmocka_unit_test(test_rules_that_jumped_the_queue),
		cmocka_unit_test(test_restore_for_replies_only),
		cmocka_unit_test(test_restored_too_late),
		cmocka_unit_test(test_other_inside_network),
		cmocka_unit_test(test_multipath),
		cmocka_unit_test(test_rp_filter),
		cmocka_unit_test(test_src_valid_mark),
		cmocka_unit_test(test_forwarding),
		cmocka_unit_test(test_dnat_to_loopback),
		cmocka_unit_test(test_forward_policy),
		cmocka_unit_test(test_from_inside),
		cmocka_unit_test(test_rule_before_supposed_sysctl),
		cmocka_unit_test(test_masquerade),
		cmocka_unit_test(test_restore_on_requests),
		cmocka_unit_test(test_evidence_of_returns),
		cmocka_unit_test(test_kept_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
