/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Would a connection's packets take the fast path? On the article's gateway, with portreeve's plan made by hand. */
#include "journeyed.h"

#include "walk/bypass.h"

#define MASK 0xff000000u
#define OURS 0x80000000u

struct bypass_test {
	struct gateway_test g;
	struct model model;
	struct uplink uplinks[2];
	struct plan plan;
	struct fastpath_now now;
	struct bypass out;
};

static void want(struct bypass_test *t, const char *interface, enum fastpath_mode mode,
	enum fastpath_mode is)
{
	*vec_add(t->g.a, &t->plan.fastpaths) =
		(struct plan_fastpath){.interface = interface, .mode = mode};
	*vec_add(t->g.a, &t->now.sides) =
		(struct fastpath_side){.interface = interface, .is = is, .why = ""};
}

/* Both lines lead 80 to 192.168.0.2; what is translated has its home and our bit in its mark. */
static void begin(struct bypass_test *t)
{
	static const char *const devs[] = {"eth0", "eth1"};

	memset(t, 0, sizeof(*t));
	gw_begin(&t->g);
	t->model.mark_mask = MASK;
	t->plan.model = &t->model;
	for (uint32_t i = 0; i < 2; i++) {
		struct plan_uplink *u = vec_add(t->g.a, &t->plan.uplinks);

		t->uplinks[i].interface = devs[i];
		u->uplink = &t->uplinks[i];
		u->number = i + 1;
		u->mark = mark_of_number(MASK, i + 1);
		gw_pin(&t->g, devs[i], u->mark | OURS);
		gw_dnat(&t->g, i ? "2.2.2.2" : "1.1.1.1", 80, "192.168.0.2", 0);
		gw_mark_rule(&t->g, 500 + i, u->mark | OURS, 101 + i);
		gw_route(&t->g, 101 + i, "0.0.0.0/0", i ? "2.2.2.254" : "1.1.1.254", devs[i]);
		gw_route(&t->g, 101 + i, "192.168.0.0/24", NULL, "eth2");
	}
	gw_restore(&t->g, gw_prerouting_mangle(&t->g), NULL, true);
}

static void all_tc(struct bypass_test *t)
{
	begin(t);
	want(t, "eth0", FASTPATH_AUTO, FASTPATH_TC);
	want(t, "eth1", FASTPATH_AUTO, FASTPATH_TC);
	want(t, "eth2", FASTPATH_AUTO, FASTPATH_TC);
}

static void end(struct bypass_test *t)
{
	gw_end(&t->g);
}

static const struct bypass *ask(struct bypass_test *t, const char *dst)
{
	gw_walk(&t->g, dst);
	walk_bypass(t->g.a, &t->plan, &t->g.s, &t->g.j, &t->now, &t->out);
	return &t->out;
}

/* @reason NULL: none. */
static void assert_bypass(struct bypass_test *t, const char *dst, enum tri takes,
	const char *reason, const char *part)
{
	const struct bypass *b = ask(t, dst);

	assert_true(b->asked);
	if (b->takes != takes || !strstr(b->why, part))
		fail_msg("%d: %s, not %d: %s", b->takes, b->why, takes, part);
	if (reason)
		assert_string_equal(b->reason, reason);
	else
		assert_null(b->reason);
}

static void test_takes_it(void **state)
{
	struct bypass_test t;

	all_tc(&t);
	assert_bypass(&t, "1.1.1.1", TRI_YES, NULL,
		"after the first packets, between eth0 (tc) and eth2 (tc)");
	assert_bypass(&t, "2.2.2.2", TRI_YES, NULL, "between eth1 (tc) and eth2 (tc)");
	t.g.q.proto = PROTO_UDP;
	assert_bypass(&t, "2.2.2.2", TRI_YES, NULL, "between eth1 (tc) and eth2 (tc)");
	end(&t);
}

static void test_nothing_to_say(void **state)
{
	struct bypass_test t;

	begin(&t);
	assert_false(ask(&t, "1.1.1.1")->asked);
	want(&t, "eth1", FASTPATH_TC, FASTPATH_TC);
	assert_false(ask(&t, "1.1.1.1")->asked);
	/* A connection that does not come to be. */
	gw_iif(&t.g, gw_new(&t.g, gw_forward(&t.g)), "eth1");
	vec_add(t.g.a, &gw_forward(&t.g)->rules.items[0].stmts)->kind = STMT_VERDICT;
	gw_forward(&t.g)->rules.items[0].stmts.items[1].verdict = VERDICT_DROP;
	assert_false(ask(&t, "2.2.2.2")->asked);
	walk_bypass(t.g.a, NULL, &t.g.s, &t.g.j, NULL, &t.out);
	assert_false(t.out.asked);
	end(&t);
}

static void test_switch(void **state)
{
	struct bypass_test t;

	all_tc(&t);
	t.now.off = true;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "off", "switched off");
	t.now.problem = "this is a real-time kernel";
	assert_bypass(&t, "1.1.1.1", TRI_NO, "off", "no fast path: this is a real-time kernel");
	end(&t);
}

static void test_what_is_the_kernels(void **state)
{
	struct bypass_test t;

	all_tc(&t);
	t.g.q.proto = PROTO_ICMP;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "icmp", "ICMP");
	t.g.q.proto = PROTO_SCTP;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "protocol", "only TCP and UDP");
	t.g.q.proto = PROTO_TCP;
	t.g.q.dport = 22;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "local", "this machine itself");
	t.g.q.dport = 80;
	t.g.q.length = 1501;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "mtu", "1501 bytes are too long for eth2");
	t.g.q.length = 1500;
	assert_bypass(&t, "1.1.1.1", TRI_YES, NULL, "between");
	end(&t);
}

static void test_not_ours(void **state)
{
	struct bypass_test t;

	all_tc(&t);
	gw_dnat(&t.g, "1.1.1.1", 81, "192.168.0.2", 0);
	/* Nobody wrote our bits. */
	VEC_EACH (&gw_prerouting_mangle(&t.g)->rules, struct nft_rule, r)
		r->stmts.len = 0;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "not-ours", "does not translate");
	end(&t);
}

static void test_home(void **state)
{
	struct bypass_test t;
	uint32_t mark;

	/* A reply that a route leads astray. */
	all_tc(&t);
	gw_rule(&t.g, 400, 103)->src = prefix("192.168.0.2");
	gw_route(&t.g, 103, "0.0.0.0/0", "1.1.1.254", "eth0");
	assert_bypass(&t, "2.2.2.2", TRI_NO, "home",
		"the reply leaves by eth0, and not by its home, eth1");
	assert_bypass(&t, "1.1.1.1", TRI_YES, NULL, "between");
	end(&t);

	/* A mark that says another line; or none that there is. */
	all_tc(&t);
	mark = t.plan.uplinks.items[0].mark;
	t.plan.uplinks.items[0].mark = t.plan.uplinks.items[1].mark;
	t.plan.uplinks.items[1].mark = mark;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "home", "came in by eth0");
	t.plan.uplinks.len = 0;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "home", "came in by eth0");
	end(&t);

	/* Out where it came in. */
	all_tc(&t);
	gw_dnat(&t.g, "1.1.1.1", 443, "1.1.1.77", 0);
	t.g.q.dport = 443;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "home", "by the interface that it came in by");
	end(&t);
}

static void test_programs(void **state)
{
	struct bypass_test t;

	/* None towards the backend: TCP needs both, UDP goes one way. */
	begin(&t);
	want(&t, "eth0", FASTPATH_TC, FASTPATH_TC);
	assert_bypass(&t, "1.1.1.1", TRI_NO, "one-way", "eth2: the config does not want");
	t.g.q.proto = PROTO_UDP;
	assert_bypass(
		&t, "1.1.1.1", TRI_YES, NULL, "only requests, which come in by eth0 (tc): eth2: ");
	end(&t);

	begin(&t);
	want(&t, "eth0", FASTPATH_XDP, FASTPATH_OFF);
	t.now.sides.items[0].why = "another XDP program is attached there";
	want(&t, "eth2", FASTPATH_XDP, FASTPATH_XDP);
	assert_bypass(&t, "1.1.1.1", TRI_NO, "interface", "eth0: another XDP program");
	t.now.sides.items[0].is = FASTPATH_XDP;
	assert_bypass(&t, "1.1.1.1", TRI_YES, NULL, "between eth0 (xdp) and eth2 (xdp)");
	/* XDP hands nothing to an interface without it, and tc's replies have no way back. */
	t.now.sides.items[1].is = FASTPATH_TC;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "target", "XDP on eth0 cannot hand frames to eth2");
	t.now.sides.items[0].is = FASTPATH_TC;
	t.now.sides.items[1].is = FASTPATH_XDP;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "one-way", "eth2 has XDP, and eth0 has not");
	end(&t);
}

/* A backend behind another line: what comes in there may be anybody's. */
static void test_backend_beyond_an_uplink(void **state)
{
	struct bypass_test t;

	all_tc(&t);
	gw_dnat(&t.g, "1.1.1.1", 443, "2.2.2.77", 0);
	gw_snat(&t.g, "eth1", "2.2.2.2");
	t.g.q.dport = 443;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "one-way", "replies come in by an uplink, eth1");
	t.g.q.proto = PROTO_UDP;
	assert_bypass(&t, "1.1.1.1", TRI_YES, NULL,
		"only requests, which come in by eth0 (tc): replies that come in by an uplink");
	end(&t);
}

static void test_zone(void **state)
{
	struct bypass_test t;
	struct nft_rule *r;
	struct nft_stmt *s;

	all_tc(&t);
	r = gw_new(&t.g, gw_chain(&t.g, "raw", CHAIN_FILTER, HOOK_PREROUTING, -300));
	s = vec_add(t.g.a, &r->stmts);
	s->kind = STMT_SET;
	s->selector = SEL_CT_ZONE;
	s->expr = gw_port(&t.g, 7); /* two bytes, as a zone is */
	assert_bypass(&t, "1.1.1.1", TRI_NO, "zone", "in a zone");
	end(&t);
}

static void test_doubts(void **state)
{
	struct bypass_test t;
	struct nft_rule *r;
	struct nft_stmt *s;

	all_tc(&t);
	gw_walk(&t.g, "1.1.1.1");
	walk_bypass(t.g.a, &t.plan, &t.g.s, &t.g.j, NULL, &t.out);
	assert_int_equal(t.out.takes, TRI_UNKNOWN);
	assert_non_null(strstr(t.out.why, "where the programs are attached"));

	t.now.ipsec = true;
	assert_bypass(&t, "1.1.1.1", TRI_UNKNOWN, "ipsec", "IPsec");
	r = gw_new(&t.g, gw_forward(&t.g));
	s = vec_add(t.g.a, &r->stmts);
	s->kind = STMT_HARMLESS;
	s->text = "ct helper set \"ftp\"";
	assert_bypass(&t, "1.1.1.1", TRI_UNKNOWN, "helper", "table inet test");
	/* A sure no is worth more. */
	t.g.q.proto = PROTO_ICMP;
	assert_bypass(&t, "1.1.1.1", TRI_NO, "icmp", "ICMP");
	end(&t);
}

static void test_forwarding6(void **state)
{
	struct bypass_test t;

	all_tc(&t);
	gw_addr(&t.g, "eth0", "2001:db8:1::1/64");
	gw_addr(&t.g, "eth2", "fd00::1/64");
	gw_route(&t.g, 0, "fd00::/64", NULL, "eth2");
	gw_route(&t.g, 0, "::/0", "2001:db8:1::fe", "eth0");
	gw_rule_of(&t.g, IP_V6, 0, TABLE_LOCAL);
	gw_rule_of(&t.g, IP_V6, 32766, TABLE_MAIN);
	gw_dnat(&t.g, "2001:db8:1::1", 80, "fd00::2", 0);
	gw_sysctl(&t.g, "ipv6.conf.all.forwarding", "1");
	t.g.q.src = addr("2001:db8:100::7");
	assert_bypass(&t, "2001:db8:1::1", TRI_YES, NULL, "between eth0 (tc) and eth2 (tc)");
	gw_sysctl(&t.g, "ipv6.conf.eth2.forwarding", "0");
	assert_bypass(
		&t, "2001:db8:1::1", TRI_NO, "no-route", "net.ipv6.conf.eth2.forwarding is 0");
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_it),
		cmocka_unit_test(test_nothing_to_say),
		cmocka_unit_test(test_switch),
		cmocka_unit_test(test_what_is_the_kernels),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_home),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_backend_beyond_an_uplink),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_doubts),
		cmocka_unit_test(test_forwarding6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
