/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plans of a daemon: what is missing now is waited for and the rest goes on; and the little that only
 * its table has.
 */
#include "planned.h"

static const char web[] = "uplinks:\n"
			  "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			  "  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
			  "maps:\n"
			  "  web: {listen: 80/tcp, to: 192.168.0.2}\n";

/* The machine as it was found out on paper, with what its first plan put there. */
static void begin(struct planned *p)
{
	struct planned first;

	planned_init(&first, web);
	planned_make(&first);
	planned_init(p, web);
	VEC_EACH (&first.plan->want.rules, struct net_rule, r)
		vec_push(p->a, &p->seen.rules, *r);
	planned_fini(&first);
	p->memory.running = true;
}

static void drop_link(struct planned *p, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < p->seen.links.len; i++)
		if (strcmp(p->seen.links.items[i].name, name) != 0)
			p->seen.links.items[n++] = p->seen.links.items[i];
	p->seen.links.len = n;
}

static void drop_addrs(struct planned *p, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < p->seen.addrs.len; i++)
		if (strcmp(p->seen.addrs.items[i].interface, name) != 0)
			p->seen.addrs.items[n++] = p->seen.addrs.items[i];
	p->seen.addrs.len = n;
}

static void drop_routes(struct planned *p, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < p->seen.routes.len; i++) {
		const struct net_route *r = &p->seen.routes.items[i];

		if (!r->nexthops.len || strcmp(r->nexthops.items[0].interface, name) != 0)
			p->seen.routes.items[n++] = *r;
	}
	p->seen.routes.len = n;
}

static struct net_link *link_of(struct planned *p, const char *name)
{
	VEC_EACH (&p->seen.links, struct net_link, l)
		if (strcmp(l->name, name) == 0)
			return l;
	return NULL;
}

static size_t routes_of(const struct planned *p, uint32_t table, bool unreachable)
{
	size_t n = 0;

	VEC_EACH (&p->plan->want.routes, struct net_route, r)
		n += r->table == table && (r->type == ROUTE_UNREACHABLE) == unreachable;
	return n;
}

static size_t rules_of(const struct planned *p, uint32_t table)
{
	size_t n = 0;

	VEC_EACH (&p->plan->want.rules, struct net_rule, r)
		n += r->table == table;
	return n;
}

/* How many uplinks the map is on, and whether it still hides its clients. */
static void assert_map(const struct planned *p, size_t uplinks, enum return_mode mode)
{
	assert_int_equal(p->plan->maps.len, 1);
	assert_int_equal(p->plan->maps.items[0].uplinks.len, uplinks);
	assert_int_equal(p->plan->maps.items[0].return_mode, mode);
}

static void test_all_there(void **state)
{
	struct planned running, once;
	struct changes c;
	struct memory none = {0};

	begin(&running);
	planned_make(&running);
	planned_init(&once, web);
	planned_make(&once);
	assert_int_equal(running.d.warnings + running.d.errors, 0);
	plan_diff(once.a, &once.plan->want, &running.plan->want, &none, &c);
	assert_true(changes_empty(&c));
	planned_fini(&running);
	planned_fini(&once);
}

static void test_interface_gone(void **state)
{
	struct planned p;

	begin(&p);
	drop_link(&p, "eth1");
	drop_addrs(&p, "eth1");
	drop_routes(&p, "eth1");
	planned_make(&p);
	assert_non_null(p.plan);
	assert_int_equal(p.d.errors, 0);
	assert_int_equal(p.d.warnings, 1);
	assert_map(&p, 1, RETURN_SNAT);
	/* What carries its number does not fall through to the other line. */
	assert_int_equal(routes_of(&p, 70002, false), 0);
	assert_int_equal(routes_of(&p, 70002, true), 1);
	assert_int_equal(rules_of(&p, 70002), 1);
	VEC_EACH (&p.plan->want.sysctls, struct net_sysctl, s)
		assert_null(strstr(s->key, "eth1"));
	planned_fini(&p);
}

static void test_the_same_is_an_error_once(void **state)
{
	struct planned p;

	begin(&p);
	p.memory.running = false;
	drop_link(&p, "eth1");
	planned_make(&p);
	assert_null(p.plan);
	assert_int_equal(p.d.errors, 1);
	planned_fini(&p);
}

static void test_interface_off(void **state)
{
	struct planned p;

	begin(&p);
	link_of(&p, "eth1")->up = false;
	drop_routes(&p, "eth1");
	planned_make(&p);
	assert_non_null(p.plan);
	assert_map(&p, 2, RETURN_SNAT); /* its connections wait for it */
	assert_int_equal(routes_of(&p, 70002, false), 0);
	assert_int_equal(routes_of(&p, 70002, true), 1);
	planned_fini(&p);
}

static void test_address_gone(void **state)
{
	struct planned p;

	begin(&p);
	drop_addrs(&p, "eth1");
	planned_make(&p);
	assert_non_null(p.plan);
	assert_int_equal(p.d.warnings, 1);
	assert_map(&p, 1, RETURN_SNAT);
	assert_int_equal(rules_of(&p, 70002), 1);
	planned_fini(&p);
}

static void test_gateway_gone(void **state)
{
	struct planned p;

	begin(&p);
	p.model->uplinks.items[1].gateway4.kind = GATEWAY_AUTO;
	drop_routes(&p, "eth1");
	planned_make(&p);
	assert_non_null(p.plan);
	/* Its connections wait for it, but it is said, and known, that nobody is reached by it. */
	assert_map(&p, 2, RETURN_SNAT);
	assert_int_equal(p.d.warnings, 1);
	assert_true(plan_uplink_reaches(&p.plan->uplinks.items[0], 0));
	assert_false(plan_uplink_reaches(&p.plan->uplinks.items[1], 0));
	assert_int_equal(routes_of(&p, 70002, true), 1);
	planned_fini(&p);
}

static void test_never_seen(void **state)
{
	struct planned p;

	begin(&p);
	p.seen.rules.len = 0;
	drop_link(&p, "eth1");
	drop_addrs(&p, "eth1");
	planned_make(&p);
	assert_non_null(p.plan);
	assert_int_equal(rules_of(&p, 70002), 0);
	assert_int_equal(rules_of(&p, 70001), 1);
	planned_fini(&p);
}

static void test_inside_off(void **state)
{
	struct planned p;
	char inside[16];

	begin(&p);
	planned_make(&p);
	snprintf(inside, sizeof(inside), "%s", p.plan->maps.items[0].interface);
	planned_fini(&p);

	begin(&p);
	drop_routes(&p, inside);
	link_of(&p, inside)->up = false;
	planned_make(&p);
	assert_non_null(p.plan);
	assert_int_equal(p.d.errors, 0);
	assert_map(&p, 2, RETURN_SNAT);
	assert_string_equal(p.plan->maps.items[0].interface, inside);
	planned_fini(&p);
}

static void test_inside_gone(void **state)
{
	struct planned p;
	const char *inside;

	begin(&p);
	planned_make(&p);
	inside = arena_strdup(p.a, p.plan->maps.items[0].interface);
	drop_routes(&p, inside);
	drop_addrs(&p, inside);
	drop_link(&p, inside);
	planned_make(&p);
	assert_non_null(p.plan);
	assert_map(&p, 2, RETURN_DIRECT); /* there is nothing to hide clients behind */
	assert_null(p.plan->maps.items[0].interface);
	planned_fini(&p);
}

/* ---- the table's flags ---- */

#define OWNER	0x2u
#define PERSIST 0x4u

static struct changes diff_flags(struct planned *p, uint32_t have, uint32_t want)
{
	struct nft_table *seen = arena_new_of(p->a, struct nft_table);
	struct netstate now = p->plan->want;
	struct memory none = {0};
	struct changes c;

	*seen = *now.ruleset.tables.items[0];
	seen->flags = have;
	p->plan->want.ruleset.tables.items[0]->flags = want;
	memset(&now.ruleset.tables, 0, sizeof(now.ruleset.tables));
	vec_push(p->a, &now.ruleset.tables, seen);
	plan_diff(p->a, &now, &p->plan->want, &none, &c);
	return c;
}

static void test_flags(void **state)
{
	static const struct {
		uint32_t have, want;
		enum nft_change_kind first;
		bool nothing;
	} cases[] = {
		{0, 0, 0, true},
		{PERSIST, 0, 0, true}, /* what a daemon left behind is as good */
		{PLAN_TABLE_HELD, 0, 0, true},
		{PLAN_TABLE_HELD, PLAN_TABLE_HELD, 0, true},
		{PERSIST, PLAN_TABLE_HELD, NFT_HOLD_TABLE, false},
		{0, PLAN_TABLE_HELD, NFT_DEL_TABLE, false},
		{OWNER, PLAN_TABLE_HELD, NFT_DEL_TABLE, false},
		{1, 0, NFT_DEL_TABLE, false}, /* dormant */
		{PERSIST | 1, PLAN_TABLE_HELD, NFT_DEL_TABLE, false},
	};
	struct planned p;

	planned_init(&p, web);
	planned_make(&p);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct changes c = diff_flags(&p, cases[i].have, cases[i].want);

		assert_int_equal(c.nft.len == 0, cases[i].nothing);
		if (c.nft.len)
			assert_int_equal(c.nft.items[0].kind, cases[i].first);
		VEC_EACH (&c.nft, struct nft_change, change)
			if (change->kind == NFT_ADD_TABLE || change->kind == NFT_HOLD_TABLE)
				assert_int_equal(change->table_flags, cases[i].want);
	}
	planned_fini(&p);
}

/* ---- a route in the place of another ---- */

static void test_replaced_route(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct memory none = {0};
	struct netstate now;
	struct planned p;
	struct changes c;
	struct net_nexthop on_link = {.interface = "eth0", .weight = 1};
	struct net_route *moved = NULL;

	planned_init(&p, web);
	planned_make(&p);
	now = p.plan->want;
	memset(&now.routes, 0, sizeof(now.routes));
	VEC_EACH (&p.plan->want.routes, struct net_route, r)
		vec_push(p.a, &now.routes, *r);
	VEC_EACH (&now.routes, struct net_route, r)
		if (r->table == 70001 && !r->dst.len && r->type == ROUTE_UNICAST)
			moved = r;
	if (!moved) {
		fail_msg("no default route in table 70001");
		return;
	}
	moved->nexthops.items = &on_link;
	for (int ours = 1; ours >= 0; ours--) {
		moved->protocol = ours ? PORTREEVE_PROTOCOL : 3;
		plan_diff(p.a, &now, &p.plan->want, &none, &c);
		assert_int_equal(c.before.len, 1);
		assert_int_equal(c.after.len, 0);
		assert_ptr_equal(c.before.items[0].replaced, moved);
	}
	changes_print(&text, &c, false);
	/* A table with nothing of ours, and no rule that leads to it, is another's. */
	moved->protocol = 3;
	memset(&now.rules, 0, sizeof(now.rules));
	now.routes.items = moved;
	now.routes.len = 1;
	plan_diff(p.a, &now, &p.plan->want, &none, &c);
	VEC_EACH (&c.before, struct change, change)
		assert_null(change->replaced);
	assert_string_equal(strbuf_str(&text),
		"- ip route default dev eth0 table 70001 proto 3 scope global\n"
		"+ ip route default via 1.1.1.254 dev eth0 table 70001 proto 180\n");
	strbuf_fini(&text);
	planned_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_there),
		cmocka_unit_test(test_interface_gone),
		cmocka_unit_test(test_the_same_is_an_error_once),
		cmocka_unit_test(test_interface_off),
		cmocka_unit_test(test_address_gone),
		cmocka_unit_test(test_gateway_gone),
		cmocka_unit_test(test_never_seen),
		cmocka_unit_test(test_inside_off),
		cmocka_unit_test(test_inside_gone),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_replaced_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
