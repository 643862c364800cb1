/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fast path's part of a plan: on which interfaces, and what it needs of conntrack. */
#include "planned.h"

/* "eth0 xdp, eth1 tc", in the plan's order. */
static void assert_fastpaths(const char *gateway, const char *want, bool liberal)
{
	struct strbuf text = STRBUF_INIT, got = STRBUF_INIT;
	const char *value;
	struct planned p;

	strbuf_addf(&text,
		"uplinks:\n"
		"  telecom: {interface: eth0, address: 1.1.1.1, gateway: 1.1.1.254}\n"
		"  second: {interface: eth0, address: 1.1.1.2, gateway: 1.1.1.254}\n"
		"  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
		"maps:\n"
		"  web: {listen: 80/tcp, to: [192.168.0.2, 192.168.1.2]}\n"
		"  ssh: {listen: 22/tcp, to: 192.168.0.3}\n"
		"  later: {listen: 23/tcp, to: 192.168.9.3, enabled: false}\n"
		"%s",
		gateway);
	planned_init(&p, strbuf_str(&text));
	planned_make(&p);
	assert_non_null(p.plan);
	VEC_EACH (&p.plan->fastpaths, struct plan_fastpath, f)
		strbuf_addf(&got, "%s%s %s", got.len ? ", " : "", f->interface,
			fastpath_mode_names[f->mode]);
	assert_string_equal(strbuf_str(&got), want);
	value = netstate_sysctl(&p.plan->want, PLAN_TCP_LIBERAL);
	assert_int_equal(value != NULL, liberal);
	assert_int_equal(p.d.warnings, strstr(gateway, "eth7") ? 2 : 0);
	planned_fini(&p);
	strbuf_fini(&text);
	strbuf_fini(&got);
}

static void test_interfaces(void **state)
{
	assert_fastpaths("", "", false);
	assert_fastpaths("gateway: {fastpath: off}\n", "", false);
	assert_fastpaths(
		"gateway: {fastpath: auto}\n", "eth0 auto, eth1 auto, lan0 auto, lan1 auto", true);
	assert_fastpaths("gateway: {fastpath: {eth1: xdp, lan0: tc, eth0: off}}\n",
		"eth1 xdp, lan0 tc", true);
	assert_fastpaths("gateway: {fastpath: {eth0: off}}\n", "", false);
}

static void test_unused(void **state)
{
	struct planned p;

	/* Both are warned of; the second is near to one that is used. */
	assert_fastpaths("gateway: {fastpath: {eth0: tc, wireguard: tc, eth7: xdp, lan9: off}}\n",
		"eth0 tc", true);
	planned_init(&p, "uplinks:\n"
			 "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			 "gateway: {fastpath: {eth7: xdp}}\n");
	planned_make(&p);
	assert_int_equal(p.d.entries.len, 1);
	assert_int_equal(p.d.entries.items[0].at.line, 3);
	assert_string_equal(p.d.entries.items[0].hint, "did you mean 'eth0'?");
	assert_int_equal(p.plan->fastpaths.len, 0);
	assert_null(netstate_sysctl(&p.plan->want, PLAN_TCP_LIBERAL));
	planned_fini(&p);
}

#define ON                                                                                         \
	"uplinks:\n"                                                                               \
	"  telecom: {interface: eth0, gateway: 1.1.1.254}\n"                                       \
	"gateway: {fastpath: auto}\n"

static void set_liberal(struct planned *p, const char *value)
{
	VEC_EACH (&p->seen.sysctls, struct net_sysctl, s)
		if (strcmp(s->key, PLAN_TCP_LIBERAL) == 0)
			s->value = value;
}

static void test_liberal_is_remembered(void **state)
{
	struct memory_sysctl before = {PLAN_TCP_LIBERAL, "0"};
	struct planned p;

	planned_init(&p, ON);
	planned_make(&p);
	assert_string_equal(netstate_sysctl(&p.plan->want, PLAN_TCP_LIBERAL), "1");
	assert_string_equal(netstate_sysctl(&p.plan->want, PLAN_TCP_RESETS), "1");
	assert_int_equal(p.plan->want.sysctls.items[0].at.line, 3);
	assert_string_equal(p.plan->memory.sysctls.items[0].value, "0");
	planned_fini(&p);

	/* What was set by an earlier plan is not taken for the machine's own. */
	planned_init(&p, ON);
	set_liberal(&p, "1");
	vec_push(p.a, &p.memory.sysctls, before);
	planned_make(&p);
	assert_string_equal(netstate_sysctl(&p.plan->want, PLAN_TCP_LIBERAL), "1");
	assert_string_equal(p.plan->memory.sysctls.items[0].value, "0");
	planned_fini(&p);

	planned_init(&p, ON);
	set_liberal(&p, "1");
	planned_make(&p);
	assert_null(netstate_sysctl(&p.plan->want, PLAN_TCP_LIBERAL));
	planned_fini(&p);
}

/* Turned off again in the config it stays, for the connections that were bypassed; until removal. */
static void test_liberal_stays(void **state)
{
	struct memory_sysctl before = {PLAN_TCP_LIBERAL, "0"};
	struct changes c;
	size_t n = 0;
	struct planned p;

	planned_init(&p, "uplinks:\n"
			 "  telecom: {interface: eth0, gateway: 1.1.1.254}\n");
	set_liberal(&p, "1");
	vec_push(p.a, &p.memory.sysctls, before);
	planned_make(&p);
	assert_string_equal(netstate_sysctl(&p.plan->want, PLAN_TCP_LIBERAL), "1");
	plan_diff(p.a, &p.seen, NULL, &p.plan->memory, &c);
	VEC_EACH (&c.after, struct change, x)
		n += x->kind == CHANGE_SYSCTL && strcmp(x->sysctl.key, PLAN_TCP_LIBERAL) == 0 &&
		     strcmp(x->sysctl.value, "0") == 0;
	assert_int_equal(n, 1);
	planned_fini(&p);
}

static void test_without_conntrack(void **state)
{
	struct planned p;

	planned_init(&p, ON);
	VEC_EACH (&p.seen.sysctls, struct net_sysctl, s)
		if (strcmp(s->key, PLAN_TCP_LIBERAL) == 0)
			s->key = "net.ipv4.none";
	planned_make(&p);
	assert_int_equal(p.plan->fastpaths.len, 1);
	assert_null(netstate_sysctl(&p.plan->want, PLAN_TCP_LIBERAL));
	planned_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_unused),
		cmocka_unit_test(test_liberal_is_remembered),
		cmocka_unit_test(test_liberal_stays),
		cmocka_unit_test(test_without_conntrack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
