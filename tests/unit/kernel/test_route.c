/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes and rules: what is added is observed as equal, what is deleted is that one alone. */
#include "netns.h"

#include <linux/rtnetlink.h>

#include "kernel/observe.h"
#include "kernel/route.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct fixture {
	struct arena *a;
	struct kernel *k;
	struct kernel_error e;
};

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	sh("sysctl -qw net.ipv6.conf.default.addr_gen_mode=1"); /* they come by themselves */
	sh("ip link add wan0 type veth peer name wan1 && ip link set wan0 up && ip link set wan1 "
	   "up");
	sh("ip link add lan.7 type veth peer name lan1 && ip link set lan.7 up && "
	   "ip link set lan1 up");
	sh("ip addr add 192.0.2.1/24 dev wan0 && ip addr add 10.0.0.1/24 dev lan.7");
	sh("ip addr add 2001:db8::1/64 dev wan0 nodad && ip addr add fd00::1/64 dev lan.7 nodad");
	settle_links("multicast ff00::/8\\|local 2001:db8::1\\|local fd00::1", 6);
	f->a = arena_new();
	f->k = open_kernel();
}

static void end(struct fixture *f)
{
	kernel_close(f->k);
	arena_free(f->a);
}

static struct netstate look(struct fixture *f)
{
	struct netstate seen = {0};

	ok(kernel_observe_network(f->k, f->a, &seen, &f->e), f->e);
	return seen;
}

static struct ip_addr ip(const char *s)
{
	struct ip_addr a = {0};

	if (s)
		assert_int_equal(ip_parse(s, &a), 0);
	return a;
}

static struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p = {0};

	if (s)
		assert_int_equal(ip_prefix_parse(s, &p), 0);
	return p;
}

/* ---- routes ---- */

struct hop_shape {
	const char *gateway, *interface;
	uint32_t weight;
	bool onlink;
};

struct route_shape {
	const char *dst, *src, *prefsrc;
	uint32_t table, metric;
	uint8_t type, scope, protocol, tos;
	struct hop_shape hops[3];
};

static const struct route_shape route_shapes[] = {
	{.dst = "0.0.0.0/0",
		.table = 70001,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.hops = {{"192.0.2.254", "wan0", 1, false}}},
	{.dst = "0.0.0.0/0",
		.table = 70001,
		.metric = UINT32_MAX,
		.type = ROUTE_UNREACHABLE,
		.protocol = 180},
	{.dst = "10.0.0.0/24",
		.table = 70001,
		.type = ROUTE_UNICAST,
		.scope = RT_SCOPE_LINK,
		.protocol = 180,
		.prefsrc = "10.0.0.1",
		.hops = {{NULL, "lan.7", 1, false}}},
	{.dst = "198.51.100.0/24",
		.table = TABLE_MAIN,
		.metric = 77,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.hops = {{"203.0.113.9", "wan0", 1, true}}},
	{.dst = "198.51.100.1/32",
		.table = 5,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.hops = {{"192.0.2.7", "wan0", 3, false}, {"10.0.0.7", "lan.7", 1, false},
			{"203.0.113.9", "wan0", 256, true}}},
	{.dst = "198.51.101.0/24",
		.table = 5,
		.type = ROUTE_UNICAST,
		.protocol = 4,
		.hops = {{"fe80::9", "wan0", 1, false}}},
	{.dst = "198.51.102.0/24",
		.table = 5,
		.type = ROUTE_UNICAST,
		.tos = 0x10,
		.scope = RT_SCOPE_LINK,
		.protocol = 180,
		.hops = {{NULL, "wan0", 1, false}}},
	{.dst = "198.51.103.0/24", .table = 5, .type = ROUTE_BLACKHOLE, .protocol = 180},
	{.dst = "198.51.104.0/24", .table = 5, .type = ROUTE_PROHIBIT, .protocol = 180},
	{.dst = "198.51.105.0/24", .table = 5, .type = ROUTE_THROW, .protocol = 180},
	{.dst = "198.51.106.1/32",
		.table = 5,
		.type = ROUTE_LOCAL,
		.scope = RT_SCOPE_HOST,
		.protocol = 180,
		.hops = {{NULL, "wan0", 1, false}}},
	{.dst = "::/0",
		.table = 70001,
		.metric = 1024,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.hops = {{"2001:db8::fe", "wan0", 1, false}}},
	{.dst = "::/0",
		.table = 70001,
		.metric = UINT32_MAX,
		.type = ROUTE_UNREACHABLE,
		.protocol = 180},
	{.dst = "::/0",
		.table = 70002,
		.metric = 1024,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.hops = {{"fe80::1", "wan0", 1, false}}},
	{.dst = "fd00::/64",
		.table = 70001,
		.metric = 256,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.prefsrc = "fd00::1",
		.hops = {{NULL, "lan.7", 1, false}}},
	{.dst = "2001:db8:1::/48",
		.table = 5,
		.metric = 9,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.hops = {{"2001:db8::2", "wan0", 3, false}, {"fd00::2", "lan.7", 1, false}}},
	{.dst = "2001:db8:2::/48",
		.table = 5,
		.metric = 9,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.hops = {{"2001:db8:9::9", "wan0", 1, true}}},
	{.dst = "2001:db8:3::/48",
		.src = "2001:db8:4::/48",
		.table = 5,
		.metric = 1024,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.hops = {{"fe80::1", "wan0", 1, false}}},
	{.dst = "2001:db8:4::/48",
		.table = 5,
		.metric = 1,
		.type = ROUTE_BLACKHOLE,
		.protocol = 180},
};

static struct net_route route_from(struct arena *a, const struct route_shape *s)
{
	struct net_route r = {.table = s->table,
		.dst = prefix(s->dst),
		.src = prefix(s->src),
		.prefsrc = ip(s->prefsrc),
		.metric = s->metric,
		.type = s->type,
		.scope = s->scope,
		.protocol = s->protocol,
		.tos = s->tos};

	r.family = r.dst.addr.family;
	for (size_t i = 0; i < COUNT(s->hops) && s->hops[i].weight; i++)
		vec_push(a, &r.nexthops,
			((struct net_nexthop){.gateway = ip(s->hops[i].gateway),
				.interface = s->hops[i].interface,
				.weight = s->hops[i].weight,
				.onlink = s->hops[i].onlink}));
	return r;
}

static size_t count_route(const struct netstate *s, const struct net_route *want)
{
	size_t n = 0;

	VEC_EACH (&s->routes, const struct net_route, r)
		n += net_route_equal(r, want);
	return n;
}

static void test_route_round_trip(void **state)
{
	struct net_route routes[COUNT(route_shapes)];
	struct netstate before, seen;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	before = look(&f);
	for (size_t i = 0; i < COUNT(routes); i++) {
		routes[i] = route_from(f.a, &route_shapes[i]);
		ok(kernel_route_add(f.k, &routes[i], &f.e), f.e);
		seen = look(&f);
		if (count_route(&seen, &routes[i]) != 1)
			fail_msg("shape %zu (%s) is not observed as it was added", i,
				route_shapes[i].dst);
		assert_int_equal(seen.routes.len, before.routes.len + i + 1);
		assert_int_equal(kernel_route_add(f.k, &routes[i], &f.e), -EEXIST);
	}
	for (size_t i = 0; i < COUNT(routes); i++) {
		ok(kernel_route_delete(f.k, &routes[i], &f.e), f.e);
		seen = look(&f);
		assert_int_equal(count_route(&seen, &routes[i]), 0);
		assert_int_equal(seen.routes.len, before.routes.len + COUNT(routes) - i - 1);
		assert_int_equal(kernel_route_delete(f.k, &routes[i], &f.e), -ESRCH);
	}
	VEC_EACH (&before.routes, const struct net_route, r)
		assert_int_equal(count_route(&seen, r), 1);
	end(&f);
}

/* Deleting ours leaves another's of the same prefix alone, also when ours is not there. */
static void delete_beside(struct fixture *f, const struct route_shape *shape, const char *theirs)
{
	struct net_route ours = route_from(f->a, shape);
	struct netstate seen;
	size_t n;

	sh("%s", theirs);
	seen = look(f);
	n = seen.routes.len;
	assert_int_equal(kernel_route_delete(f->k, &ours, &f->e), -ESRCH);
	ok(kernel_route_add(f->k, &ours, &f->e), f->e);
	ok(kernel_route_delete(f->k, &ours, &f->e), f->e);
	seen = look(f);
	assert_int_equal(seen.routes.len, n);
}

static void test_route_delete_exactly(void **state)
{
	static const struct route_shape four = {.dst = "198.51.100.0/24",
		.table = 5,
		.metric = 10,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.hops = {{"192.0.2.254", "wan0", 1, false}}};
	static const struct route_shape six = {.dst = "2001:db8:1::/48",
		.table = 5,
		.metric = 10,
		.type = ROUTE_UNICAST,
		.protocol = 180,
		.hops = {{"2001:db8::2", "wan0", 1, false}}};
	struct net_route ours;
	struct netstate seen;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	delete_beside(&f, &four,
		"ip route add 198.51.100.0/24 via 192.0.2.254 table 5 metric 11 proto 180");
	delete_beside(&f, &six,
		"ip -6 route add 2001:db8:1::/48 via 2001:db8::2 table 5 metric 11 proto 180");
	/* Of another's protocol, and otherwise the same. */
	sh("ip route add 198.51.100.0/24 via 192.0.2.254 table 5 metric 10 proto 99");
	sh("ip -6 route add 2001:db8:1::/48 via 2001:db8::2 table 5 metric 10 proto 99");
	ours = route_from(f.a, &four);
	assert_int_equal(kernel_route_delete(f.k, &ours, &f.e), -ESRCH);
	ours = route_from(f.a, &six);
	assert_int_equal(kernel_route_delete(f.k, &ours, &f.e), -ESRCH);
	/* Same prefix and metric by another next hop: refused, not merged into a multipath route. */
	ours.nexthops.items[0].gateway = ip("2001:db8::3");
	assert_int_equal(kernel_route_add(f.k, &ours, &f.e), -EEXIST);
	seen = look(&f);
	VEC_EACH (&seen.routes, const struct net_route, r)
		assert_int_not_equal(r->nexthops.len, 2);
	end(&f);
}

static void assert_refused(
	struct fixture *f, const struct route_shape *shape, int err, const char *text)
{
	struct net_route r = route_from(f->a, shape);
	int ret = kernel_route_add(f->k, &r, &f->e);

	assert_int_equal(ret, -err);
	assert_int_equal(f->e.err, err);
	assert_string_equal(f->e.text, text);
}

static void test_route_refused(void **state)
{
	static const struct route_shape far4 = {.dst = "0.0.0.0/0",
		.table = 5,
		.type = ROUTE_UNICAST,
		.hops = {{"203.0.113.254", "wan0", 1, false}}};
	static const struct route_shape far6 = {.dst = "::/0",
		.table = 5,
		.metric = 9,
		.type = ROUTE_UNICAST,
		.hops = {{"2001:db8:f::1", "wan0", 1, false}}};
	static const struct route_shape foreign = {.dst = "0.0.0.0/0",
		.table = 5,
		.type = ROUTE_UNICAST,
		.prefsrc = "203.0.113.1",
		.hops = {{"192.0.2.254", "wan0", 1, false}}};
	static const struct route_shape gone = {.dst = "0.0.0.0/0",
		.table = 5,
		.type = ROUTE_UNICAST,
		.hops = {{"192.0.2.254", "gone0", 1, false}}};
	static const struct route_shape gone_leg = {.dst = "0.0.0.0/0",
		.table = 5,
		.type = ROUTE_UNICAST,
		.hops = {{"192.0.2.254", "wan0", 1, false}, {"192.0.2.253", "gone0", 1, false}}};
	static const struct route_shape link = {.dst = "203.0.113.0/24",
		.table = 5,
		.type = ROUTE_UNICAST,
		.scope = RT_SCOPE_LINK,
		.hops = {{NULL, "wan0", 1, false}}};
	struct netstate after;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	assert_refused(&f, &far4, ENETUNREACH, "Nexthop has invalid gateway");
	assert_refused(&f, &far6, EHOSTUNREACH, "");
	assert_refused(&f, &foreign, EINVAL, "Invalid prefsrc address");
	assert_refused(&f, &gone, ENODEV, "there is no interface gone0");
	assert_refused(&f, &gone_leg, ENODEV, "there is no interface gone0");
	sh("ip link set wan0 down");
	assert_refused(&f, &link, ENETDOWN, "Device for nexthop is not up");
	sh("ip link set wan0 up");
	after = look(&f);
	VEC_EACH (&after.routes, const struct net_route, r)
		assert_int_not_equal(r->table, 5);
	end(&f);
}

/* ---- rules ---- */

static void fill_rules(struct net_rule rules[], size_t n)
{
	static const char *const from[] = {"198.51.100.0/24", "2001:db8:5::/48"};
	static const char *const to[] = {"10.0.0.9", "fd00::9"};
	size_t i = 0;

	for (size_t v = 0; v < 2; v++) {
		uint8_t family = v ? IP_V6 : IP_V4;
		struct net_rule base = {.family = family,
			.protocol = 180,
			.action = RULE_LOOKUP,
			.table = 70001,
			.suppress_prefixlen = -1};
		struct net_rule r;

		assert_true(i + 10 <= n);
		r = base;
		r.preference = 500, r.table = TABLE_MAIN, r.suppress_prefixlen = 0;
		rules[i++] = r;
		r = base;
		r.preference = 501, r.mark = 0x01000000, r.mask = 0x7f000000;
		rules[i++] = r;
		r = base; /* mark 0 under a mask is a selector too */
		r.preference = 502, r.mark = 0, r.mask = 0xff, r.invert = true;
		rules[i++] = r;
		r = base;
		r.preference = 503, r.src = prefix(from[v]), r.dst = prefix(to[v]);
		r.iif = "wan0", r.oif = "not.yet";
		rules[i++] = r;
		r = base;
		r.preference = 504, r.ip_proto = PROTO_UDP, r.sport[0] = 1, r.sport[1] = 9;
		r.dport[0] = r.dport[1] = 53, r.tos = 0x10;
		rules[i++] = r;
		r = base;
		r.preference = 505, r.has_uid = true, r.uid[0] = 0,
		r.uid[1] = 0; /* as a user namespace has it */
		r.table = 7;
		rules[i++] = r;
		r = base;
		r.preference = 506, r.action = RULE_UNREACHABLE, r.table = 0;
		rules[i++] = r;
		r = base;
		r.preference = 507, r.action = RULE_GOTO, r.goto_preference = 600, r.table = 0;
		rules[i++] = r;
		r = base;
		r.preference = 508, r.action = RULE_PROHIBIT, r.table = 0, r.mark = 5;
		r.mask = UINT32_MAX;
		rules[i++] = r;
		r = base;
		r.preference = 1000, r.l3mdev = true, r.table = 0;
		rules[i++] = r;
	}
	assert_int_equal(i, n);
}

static size_t count_rule(const struct netstate *s, const struct net_rule *want)
{
	size_t n = 0;

	VEC_EACH (&s->rules, const struct net_rule, r)
		n += net_rule_equal(r, want);
	return n;
}

static void test_rule_round_trip(void **state)
{
	struct net_rule rules[20];
	struct netstate before, seen;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	fill_rules(rules, COUNT(rules));
	before = look(&f);
	for (size_t i = 0; i < COUNT(rules); i++) {
		ok(kernel_rule_add(f.k, &rules[i], &f.e), f.e);
		seen = look(&f);
		if (count_rule(&seen, &rules[i]) != 1)
			fail_msg("rule %zu is not observed as it was added", i);
		assert_int_equal(kernel_rule_add(f.k, &rules[i], &f.e), -EEXIST);
	}
	for (size_t i = 0; i < COUNT(rules); i++) {
		ok(kernel_rule_delete(f.k, &rules[i], &f.e), f.e);
		seen = look(&f);
		assert_int_equal(count_rule(&seen, &rules[i]), 0);
		assert_int_equal(seen.rules.len, before.rules.len + COUNT(rules) - i - 1);
		assert_int_equal(kernel_rule_delete(f.k, &rules[i], &f.e), -ENOENT);
	}
	VEC_EACH (&before.rules, const struct net_rule, r)
		assert_int_equal(count_rule(&seen, r), 1);
	end(&f);
}

static void test_rule_refused(void **state)
{
	struct net_rule r = {.family = IP_V4,
		.preference = 501,
		.protocol = 180,
		.action = RULE_GOTO,
		.goto_preference = 400,
		.suppress_prefixlen = -1};
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	assert_int_equal(kernel_rule_add(f.k, &r, &f.e), -EINVAL);
	assert_string_equal(f.e.text, "Backward goto not supported");
	r.action = RULE_LOOKUP;
	r.table = 5;
	r.iif = "a-name-no-interface-can-have";
	assert_int_equal(kernel_rule_add(f.k, &r, &f.e), -ENODEV);
	/* Another's rule that differs in protocol only is not ours to delete. */
	r.iif = NULL;
	r.mark = 1;
	r.mask = 0xff;
	sh("ip rule add pref 501 fwmark 1/0xff lookup 5 protocol 99");
	assert_int_equal(kernel_rule_delete(f.k, &r, &f.e), -ENOENT);
	end(&f);
}

/* Sending to the namespace that was opened, not to the one the caller is in by now. */
static void test_interface_of_own_namespace(void **state)
{
	static const struct route_shape shape = {.dst = "0.0.0.0/0",
		.table = 5,
		.type = ROUTE_UNICAST,
		.hops = {{"192.0.2.254", "wan0", 1, false}}};
	struct net_route r;
	struct netstate seen;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	r = route_from(f.a, &shape);
	NEEDS_NAMESPACE();
	ok(kernel_route_add(f.k, &r, &f.e), f.e);
	seen = look(&f);
	assert_int_equal(count_route(&seen, &r), 1);
	sh("test -z \"$(ip route show table all)\"");
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route_round_trip),
		cmocka_unit_test(test_route_delete_exactly),
		cmocka_unit_test(test_route_refused),
		cmocka_unit_test(test_rule_round_trip),
		cmocka_unit_test(test_rule_refused),
		cmocka_unit_test(test_interface_of_own_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
