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

/* ---- IPv6 ---- */

#define TWO_FAMILIES                                                                               \
	"uplinks:\n"                                                                               \
	"  telecom: {interface: eth0, address: [1.1.1.1, \"2001:db8:1::1\"],\n"                    \
	"    gateway: [1.1.1.254, \"2001:db8:1::fe\"]}\n"                                          \
	"  unicom: {interface: eth1, address: 2.2.2.2, gateway: 2.2.2.254}\n"                      \
	"maps:\n"                                                                                  \
	"  web: {listen: 80/tcp, to: 192.168.0.2}\n"                                               \
	"  web6: {listen: 80/tcp, to: \"fd00::2\", return: direct}\n"

static const char *conf6(struct planned *p, const char *interface, const char *what)
{
	return netstate_conf_key(p->a, IP_V6, interface, what);
}

static void set_conf6(struct planned *p, const char *interface, const char *what, const char *value)
{
	const char *key = conf6(p, interface, what);

	VEC_EACH (&p->seen.sysctls, struct net_sysctl, s)
		if (strcmp(s->key, key) == 0) {
			s->value = value;
			return;
		}
	vec_push(p->a, &p->seen.sysctls, ((struct net_sysctl){key, value, NOWHERE}));
}

/* A machine of Linux 6.17, where each interface has a switch that forwards. */
static void begin6(struct planned *p, const char *gateway)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%s%s", TWO_FAMILIES, gateway);
	planned_init(p, strbuf_str(&text));
	strbuf_fini(&text);
	VEC_EACH (&p->seen.links, struct net_link, l)
		set_conf6(p, l->name, "force_forwarding", "0");
}

/* "eth0.accept_ra=2 eth0.forwarding=1": those of the plan, in their order. */
static void assert_conf6(struct planned *p, const char *want)
{
	struct strbuf got = STRBUF_INIT;
	const char *name;

	planned_make(p);
	assert_non_null(p->plan);
	VEC_EACH (&p->plan->want.sysctls, struct net_sysctl, s) {
		if (strncmp(s->key, "net.ipv6.conf.", 14) != 0 || strstr(s->key, "force_"))
			continue;
		name = s->key + 14;
		strbuf_addf(&got, "%s%s=%s", got.len ? " " : "", name, s->value);
	}
	assert_string_equal(strbuf_str(&got), want);
	strbuf_fini(&got);
}

/* accept_ra of all before any forwarding: the first of those takes away what is not kept. */
static void test_ipv6_forwards(void **state)
{
	struct memory_sysctl *m;
	struct planned p;

	begin6(&p, "gateway: {fastpath: auto}\n");
	assert_conf6(&p, "eth0.accept_ra=2 lan1.accept_ra=2 eth0.forwarding=1 lan1.forwarding=1");
	m = p.plan->memory.sysctls.items;
	for (size_t i = 0; i < p.plan->memory.sysctls.len; i++)
		if (strstr(m[i].key, "eth0.accept_ra"))
			assert_string_equal(m[i].value, "1");
	VEC_EACH (&p.plan->fastpaths, struct plan_fastpath, f) {
		assert_int_equal(
			f->ip6, !strcmp(f->interface, "eth0") || !strcmp(f->interface, "lan1"));
		assert_null(f->not_ip6);
	}
	planned_fini(&p);

	/* Only where the fast path is; and nothing at all without it. */
	begin6(&p, "gateway: {fastpath: {eth0: tc}}\n");
	assert_conf6(&p, "eth0.accept_ra=2 eth0.forwarding=1");
	planned_fini(&p);
	begin6(&p, "gateway: {fastpath: {eth1: tc, lan0: tc}}\n");
	assert_conf6(&p, "");
	planned_fini(&p);
	begin6(&p, "");
	assert_conf6(&p, "");
	planned_fini(&p);
}

/* The whole machine forwards, but this interface is to be a host's: the trick to go on taking advertisements. */
static void test_ipv6_host_interface(void **state)
{
	struct planned p;

	begin6(&p, "gateway: {fastpath: auto}\n");
	set_conf6(&p, "all", "forwarding", "1");
	set_conf6(&p, "lan1", "forwarding", "1");
	assert_conf6(&p, "eth0.accept_ra=2 eth0.forwarding=1");
	planned_fini(&p);

	begin6(&p, "gateway: {fastpath: auto}\n");
	set_conf6(&p, "all", "forwarding", "1");
	set_conf6(&p, "lan1", "forwarding", "1");
	set_conf6(&p, "eth0", "forwarding", "1");
	assert_conf6(&p, "");
	planned_fini(&p);
}

static void advertise(struct planned *p, const char *interface)
{
	struct net_route *r = vec_add(p->a, &p->seen.routes);

	*r = (struct net_route){.family = IP_V6,
		.table = TABLE_MAIN,
		.dst = {.addr = {.family = IP_V6}},
		.type = ROUTE_UNICAST,
		.protocol = 9,
		.metric = 1024};
	*vec_add(p->a, &r->nexthops) = (struct net_nexthop){.interface = interface, .weight = 1};
}

/* Forwarding on one interface takes the advertised default routes of all. */
static void test_ipv6_elsewhere(void **state)
{
	struct planned p;

	begin6(&p, "gateway: {fastpath: {lan1: tc}}\n");
	advertise(&p, "eth1");
	assert_conf6(&p, "eth1.accept_ra=2 lan1.accept_ra=2 lan1.forwarding=1");
	planned_fini(&p);

	/* Who handles advertisements without the kernel has 0, and keeps it. */
	begin6(&p, "gateway: {fastpath: {lan1: tc}}\n");
	advertise(&p, "eth1");
	set_conf6(&p, "eth1", "accept_ra", "0");
	set_conf6(&p, "lan1", "accept_ra", "2");
	assert_conf6(&p, "lan1.forwarding=1");
	planned_fini(&p);
}

/* What an earlier plan set is not the machine's own; what is unknown is not touched. */
static void test_ipv6_stays(void **state)
{
	struct planned p;

	begin6(&p, "gateway: {fastpath: {lan1: tc}}\n");
	vec_push(p.a, &p.memory.sysctls,
		((struct memory_sysctl){conf6(&p, "lan1", "accept_ra"), "1"}));
	vec_push(p.a, &p.memory.sysctls,
		((struct memory_sysctl){conf6(&p, "lan1", "forwarding"), "0"}));
	set_conf6(&p, "lan1", "accept_ra", "2");
	set_conf6(&p, "lan1", "forwarding", "1");
	assert_conf6(&p, "lan1.accept_ra=2 lan1.forwarding=1");
	planned_fini(&p);

	begin6(&p, "gateway: {fastpath: {lan1: tc}}\n");
	VEC_EACH (&p.seen.sysctls, struct net_sysctl, s)
		if (strcmp(s->key, conf6(&p, "lan1", "accept_ra")) == 0)
			s->key = "net.ipv4.none";
	assert_conf6(&p, "");
	assert_non_null(strstr(
		p.plan->fastpaths.items[0].not_ip6, "net.ipv6.conf.lan1.accept_ra is not known"));
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
		cmocka_unit_test(test_ipv6_forwards),
		cmocka_unit_test(test_ipv6_host_interface),
		cmocka_unit_test(test_ipv6_elsewhere),
		cmocka_unit_test(test_ipv6_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
