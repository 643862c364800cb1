/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine that is made up from a config: that plan works on it, by every uplink. */
#include "planned.h"

#include "walk/journey.h"

static const char config[] = "uplinks:\n"
			     "  telecom: {interface: wan0, gateway: 1.1.1.254, address: 1.1.1.1}\n"
			     "  unicom: {interface: wan1, gateway: 2.2.2.254, address: 2.2.2.2}\n"
			     "maps:\n"
			     "  web: {listen: 80/tcp, to: 192.168.0.2}\n";

static void assert_reachable(
	struct planned *p, const struct netstate *net, const char *public, const char *interface)
{
	struct journey_question q = {
		.proto = PROTO_TCP, .sport = 50000, .dport = 80, .returns = RETURN_THROUGH_US};
	struct journey j;

	assert_int_equal(ip_parse("100.100.100.100", &q.src), 0);
	assert_int_equal(ip_parse(public, &q.dst), 0);
	journey_walk(p->a, net, &q, &j);
	assert_int_equal(j.ways.len, 1);
	assert_int_equal(j.verdict, JOURNEY_WORKS);
	assert_string_equal(j.in, interface);
	assert_string_equal(j.ways.items[0].legs[LEG_REPLY].out, interface);
	assert_int_equal(j.assumed.len, 0);
}

static void test_plan_works(void **state)
{
	struct planned p;
	struct netstate laid = {0};

	planned_init(&p, config);
	planned_make(&p);
	plan_overlay(p.a, &p.seen, &p.plan->want, &laid);
	assert_reachable(&p, &laid, "1.1.1.1", "wan0");
	assert_reachable(&p, &laid, "2.2.2.2", "wan1");
	planned_fini(&p);
}

/* The rules that every machine has are nothing that a plan would want, or take away. */
static void test_usual_rules(void **state)
{
	struct planned p;

	planned_init(&p, config);
	assert_int_equal(p.seen.rules.len, 6);
	planned_make(&p);
	VEC_EACH (&p.plan->want.rules, struct net_rule, r)
		assert_int_equal(r->protocol, PORTREEVE_PROTOCOL);
	planned_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan_works),
		cmocka_unit_test(test_usual_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
