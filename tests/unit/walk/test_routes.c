/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ip rules and tables, for packets known and half known. */
#include "walked.h"

#include "walk/routes.h"

struct net {
	struct arena *a;
	struct netstate s;
	struct packet p;
	struct walk_route r;
};

static struct net_rule *add_rule(struct net *n, uint32_t preference, uint32_t table)
{
	struct net_rule *r = vec_add(n->a, &n->s.rules);

	r->family = IP_V4;
	r->preference = preference;
	r->action = RULE_LOOKUP;
	r->table = table;
	r->suppress_prefixlen = -1;
	return r;
}

static struct net_route *add_route(struct net *n, uint32_t table, const char *dst, const char *dev)
{
	struct net_route *r = vec_add(n->a, &n->s.routes);

	r->family = IP_V4;
	r->table = table;
	r->type = dev ? ROUTE_UNICAST : ROUTE_UNREACHABLE;
	r->dst = prefix(dst);
	if (dev) {
		struct net_nexthop *h = vec_add(n->a, &r->nexthops);

		h->interface = dev;
		h->weight = 1;
	}
	return r;
}

/* A reply of the backend's to a far client, with home 2. */
static void begin(struct net *n)
{
	memset(n, 0, sizeof(*n));
	n->a = arena_new();
	n->p = (struct packet){.family = IP_V4,
		.known = PKT_SADDR | PKT_DADDR | PKT_IIF,
		.saddr = addr("192.168.0.2"),
		.daddr = addr("100.100.100.100"),
		.iif = "eth2",
		.mark = 0x02000000,
		.mark_known = UINT32_MAX};
	add_rule(n, 0, TABLE_LOCAL);
	add_route(n, TABLE_MAIN, "0.0.0.0/0", "eth0");
	add_route(n, TABLE_MAIN, "192.168.0.0/24", "eth2");
	add_route(n, 70002, "0.0.0.0/0", "eth1");
}

static const char *way(struct net *n)
{
	walk_route(&n->s, &n->p, &n->r);
	if (n->r.kind == WALK_ROUTE_NONE)
		return "none";
	return n->r.kind == WALK_ROUTE_UNCERTAIN ? "uncertain"
						 : n->r.route->nexthops.items[0].interface;
}

static void end(struct net *n)
{
	arena_free(n->a);
}

static void test_marks(void **state)
{
	struct net_rule *r;
	struct net n;

	begin(&n);
	r = add_rule(&n, 502, 70002);
	r->mark = 0x02000000;
	r->mask = 0x7f000000;
	add_rule(&n, 32766, TABLE_MAIN);
	assert_string_equal(way(&n), "eth1");
	assert_int_equal(n.r.rule->preference, 502);
	n.p.mark |= 0xca6c; /* other bits do not matter */
	assert_string_equal(way(&n), "eth1");
	n.p.mark = 0x01000000;
	assert_string_equal(way(&n), "eth0");
	n.p.mark_known = 0xffff;
	assert_string_equal(way(&n), "uncertain");
	n.s.rules.items[1].invert = true;
	n.p.mark_known = UINT32_MAX;
	assert_string_equal(way(&n), "eth1");
	end(&n);
}

static void test_longest_prefix_and_suppress(void **state)
{
	struct net n;

	begin(&n);
	add_rule(&n, 32766, TABLE_MAIN);
	n.p.daddr = addr("192.168.0.9");
	assert_string_equal(way(&n), "eth2");
	n.s.rules.items[1].suppress_prefixlen = 0;
	assert_string_equal(way(&n), "eth2");
	n.p.daddr = addr("9.9.9.9");
	assert_string_equal(way(&n), "none");
	assert_null(n.r.rule);
	end(&n);
}

static void test_unreachable_throw_and_actions(void **state)
{
	struct net_route *last;
	struct net n;

	begin(&n);
	add_rule(&n, 100, 5);
	last = add_route(&n, 5, "0.0.0.0/0", NULL);
	add_rule(&n, 32766, TABLE_MAIN);
	assert_string_equal(way(&n), "none");
	assert_int_equal(n.r.rule->preference, 100);
	last->type = ROUTE_THROW;
	assert_string_equal(way(&n), "eth0");
	n.s.rules.items[1].action = RULE_PROHIBIT;
	assert_string_equal(way(&n), "none");
	n.s.rules.items[1].action = RULE_NOP;
	assert_string_equal(way(&n), "eth0");
	end(&n);
}

static void test_goto(void **state)
{
	struct net_rule *r;
	struct net n;

	begin(&n);
	r = add_rule(&n, 100, 0);
	r->action = RULE_GOTO;
	r->goto_preference = 300;
	add_rule(&n, 200, 70002);
	add_rule(&n, 300, TABLE_MAIN);
	assert_string_equal(way(&n), "eth0");
	n.s.rules.items[1].goto_preference = 999; /* not resolved: as if it were not there */
	assert_string_equal(way(&n), "eth1");
	end(&n);
}

static void test_selectors(void **state)
{
	struct net_rule *r;
	struct net n;

	begin(&n);
	r = add_rule(&n, 100, 70002);
	add_rule(&n, 32766, TABLE_MAIN);
	r = &n.s.rules.items[1];
	r->iif = "eth2";
	assert_string_equal(way(&n), "eth1");
	r->iif = "eth0";
	assert_string_equal(way(&n), "eth0");
	r->iif = NULL;
	r->oif = "eth1"; /* bound sockets only */
	assert_string_equal(way(&n), "eth0");
	r->oif = NULL;
	r->has_uid = true; /* what no socket sent counts as root's */
	assert_string_equal(way(&n), "eth1");
	r->uid[0] = 1;
	r->uid[1] = 5;
	assert_string_equal(way(&n), "eth0");
	r->has_uid = false;
	r->l3mdev = true;
	assert_string_equal(way(&n), "eth0");
	r->l3mdev = false;
	r->src = prefix("192.168.0.0/16");
	assert_string_equal(way(&n), "eth1");
	r->dst = prefix("10.0.0.0/8");
	assert_string_equal(way(&n), "eth0");
	r->dst = (struct ip_prefix){0};
	r->ip_proto = PROTO_TCP; /* the packet's is not known */
	assert_string_equal(way(&n), "uncertain");
	r->table = TABLE_MAIN; /* but it makes no difference */
	assert_string_equal(way(&n), "eth0");
	n.p.known |= PKT_PROTO | PKT_SPORT;
	n.p.proto = PROTO_TCP;
	n.p.sport = 80;
	r->table = 70002;
	r->sport[0] = r->sport[1] = 80;
	assert_string_equal(way(&n), "eth1");
	r->sport[1] = 79;
	r->sport[0] = 1;
	assert_string_equal(way(&n), "eth0");
	r->sport[0] = r->sport[1] = 0;
	r->tos = 0x10;
	assert_string_equal(way(&n), "uncertain");
	end(&n);
}

static void test_leaves_by(void **state)
{
	struct net n;
	struct net_nexthop *h;
	struct net_route *r;

	begin(&n);
	r = &n.s.routes.items[0];
	assert_int_equal(walk_route_leaves_by(r, "eth0"), TRI_YES);
	assert_int_equal(walk_route_leaves_by(r, "eth1"), TRI_NO);
	h = vec_add(n.a, &r->nexthops);
	h->interface = "eth1";
	assert_int_equal(walk_route_leaves_by(r, "eth0"), TRI_UNKNOWN);
	end(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_longest_prefix_and_suppress),
		cmocka_unit_test(test_unreachable_throw_and_actions),
		cmocka_unit_test(test_goto),
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_leaves_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
