/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a diff does and does not contain, and its inverse. */
#include "planned.h"

static const char two[] = "uplinks:\n"
			  "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			  "  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
			  "maps:\n"
			  "  web: {listen: 80/tcp, to: 192.168.0.2}\n";

static const char moved[] = "uplinks:\n"
			    "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			    "  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
			    "maps:\n"
			    "  web: {listen: 80/tcp, to: 192.168.0.3}\n";

static const char direct[] = "uplinks:\n"
			     "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			     "  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
			     "maps:\n"
			     "  web: {listen: 80/tcp, to: 192.168.0.2, return: direct}\n";

static const char one[] = "uplinks:\n"
			  "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			  "maps:\n"
			  "  web: {listen: 80/tcp, to: 192.168.0.2}\n";

/* The machine of @base with @plan's objects in it. */
static struct netstate in_force(struct planned *p)
{
	struct netstate s = p->plan->want;

	return s;
}

static size_t count(const struct changes *c, enum nft_change_kind kind)
{
	size_t n = 0;

	VEC_EACH (&c->nft, const struct nft_change, it)
		n += it->kind == kind;
	return n;
}

static void test_same_is_nothing(void **state)
{
	struct planned p;
	struct changes c;
	struct netstate now;

	planned_init(&p, two);
	planned_make(&p);
	now = in_force(&p);
	plan_diff(p.a, &now, &p.plan->want, &p.plan->memory, &c);
	assert_true(changes_empty(&c));
	planned_fini(&p);
}

static void test_only_elements(void **state)
{
	struct planned p, q;
	struct changes c;
	struct netstate now;

	planned_init(&p, two);
	planned_make(&p);
	planned_init(&q, moved);
	planned_make(&q);
	now = in_force(&p);
	plan_diff(p.a, &now, &q.plan->want, &p.plan->memory, &c);
	assert_int_equal(c.before.len, 0);
	assert_int_equal(c.after.len, 0);
	/* ports4: two elements change; source4: one address goes, one comes. No rule is touched. */
	assert_int_equal(c.nft.len, 4);
	assert_int_equal(count(&c, NFT_DEL_ELEMENTS), 2);
	assert_int_equal(count(&c, NFT_ADD_ELEMENTS), 2);
	VEC_EACH (&c.nft, struct nft_change, it)
		assert_int_equal(it->set->len, strcmp(it->set->name, "ports4") == 0 ? 2 : 1);
	planned_fini(&p);
	planned_fini(&q);
}

static void test_only_what_differs(void **state)
{
	struct planned p, q;
	struct changes c;
	struct netstate now;

	planned_init(&p, two);
	planned_make(&p);
	planned_init(&q, direct);
	planned_make(&q);
	now = in_force(&p);
	plan_diff(p.a, &now, &q.plan->want, &p.plan->memory, &c);
	assert_int_equal(count(&c, NFT_DEL_TABLE), 0);
	assert_int_equal(count(&c, NFT_DEL_SET), 1); /* source4 */
	assert_int_equal(count(&c, NFT_ADD_SET), 2); /* hairpin4, beside */
	VEC_EACH (&c.nft, struct nft_change, it)
		if (it->kind == NFT_FLUSH_CHAIN)
			assert_true(strcmp(it->chain->name, "sources") == 0 ||
				    strcmp(it->chain->name, "hairpins") == 0);
	planned_fini(&p);
	planned_fini(&q);
}

static void test_uplink_goes(void **state)
{
	struct planned p, q;
	struct changes c;
	struct netstate now;
	size_t rules = 0, routes = 0;

	planned_init(&p, two);
	planned_make(&p);
	planned_init(&q, one);
	planned_make(&q);
	now = in_force(&p);
	plan_diff(p.a, &now, &q.plan->want, &p.plan->memory, &c);
	assert_int_equal(c.before.len, 0);
	VEC_EACH (&c.after, struct change, it) {
		assert_false(it->add && it->kind != CHANGE_SYSCTL);
		rules += it->kind == CHANGE_RULE;
		routes += it->kind == CHANGE_ROUTE;
	}
	assert_int_equal(rules, 1);
	assert_int_equal(routes, 4); /* connected, inside, default, unreachable */
	/* Rules go before the tables that they look up. */
	assert_int_equal(c.after.items[0].kind, CHANGE_RULE);
	assert_int_equal(count(&c, NFT_DEL_COUNTER), 1);
	planned_fini(&p);
	planned_fini(&q);
}

static void test_remove_takes_only_ours(void **state)
{
	struct planned p;
	struct changes c;
	struct netstate now;

	planned_init(&p, two);
	planned_make(&p);
	now = in_force(&p);
	VEC_EACH (&p.seen.routes, struct net_route, r) /* others' routes are there too */
		vec_push(p.a, &now.routes, *r);
	plan_diff(p.a, &now, NULL, &p.plan->memory, &c);
	assert_int_equal(c.nft.len, 1);
	assert_int_equal(c.nft.items[0].kind, NFT_DEL_TABLE);
	VEC_EACH (&c.after, struct change, it)
		if (it->kind == CHANGE_ROUTE)
			assert_int_equal(it->route->protocol, PORTREEVE_PROTOCOL);
	planned_fini(&p);
}

/* Somebody flushed a table of ours and put the same default there, as his own: it is replaced, and does
 * not stand in the way for ever. In a table that nothing of ours leads to it is his. */
static void test_anothers_route_in_our_table(void **state)
{
	for (unsigned int rules = 0; rules < 3; rules++) { /* ours; made again by him; none */
		struct netstate now;
		struct planned p;
		struct changes c;
		bool found = false;

		planned_init(&p, one);
		planned_make(&p);
		now = in_force(&p);
		memset(&now.routes, 0, sizeof(now.routes));
		memset(&now.rules, 0, sizeof(now.rules));
		VEC_EACH (&p.plan->want.routes, struct net_route, r)
			if (r->table == 70001 && r->dst.len == 0 && r->type == ROUTE_UNICAST) {
				vec_push(p.a, &now.routes, *r);
				now.routes.items[0].protocol = 3;
			}
		assert_int_equal(now.routes.len, 1);
		VEC_EACH (&p.plan->want.rules, struct net_rule, r)
			if (rules < 2) {
				struct net_rule *his = vec_add(p.a, &now.rules);

				*his = *r;
				his->protocol = rules ? 0 : PORTREEVE_PROTOCOL;
			}
		plan_diff(p.a, &now, &p.plan->want, &p.plan->memory, &c);
		VEC_EACH (&c.before, struct change, it)
			if (it->kind == CHANGE_ROUTE && it->replaced) {
				assert_ptr_equal(it->replaced, &now.routes.items[0]);
				found = true;
			}
		assert_int_equal(found, rules < 2);
		assert_int_equal(c.after.len, 0);
		planned_fini(&p);
	}
}

static void test_sysctls_go_back(void **state)
{
	struct planned p;
	struct changes c;
	struct netstate now;
	bool found = false;

	planned_init(&p, two);
	planned_make(&p);
	now = in_force(&p);
	assert_true(p.plan->memory.sysctls.len > 0);
	plan_diff(p.a, &now, NULL, &p.plan->memory, &c);
	VEC_EACH (&c.after, struct change, it)
		if (it->kind == CHANGE_SYSCTL &&
			strcmp(it->sysctl.key, "net.ipv4.conf.eth0.forwarding") == 0) {
			assert_string_equal(it->sysctl.value, "0");
			assert_string_equal(it->previous, "1");
			found = true;
		}
	assert_true(found);
	planned_fini(&p);
}

/* A plan must not depend on what an earlier plan did: with its values in force it is the same. */
static void test_sysctls_are_stable(void **state)
{
	struct planned p;
	struct changes c;
	struct netstate now;

	planned_init(&p, two);
	planned_make(&p);
	p.memory = p.plan->memory;
	VEC_EACH (&p.plan->want.sysctls, struct net_sysctl, s)
		VEC_EACH (&p.seen.sysctls, struct net_sysctl, have)
			if (strcmp(have->key, s->key) == 0)
				have->value = s->value;
	planned_make(&p);
	now = in_force(&p);
	plan_diff(p.a, &now, &p.plan->want, &p.memory, &c);
	assert_true(changes_empty(&c));
	planned_fini(&p);
}

static void test_number_is_for_life(void **state)
{
	struct planned p;

	planned_init(&p, two);
	*vec_add(p.a, &p.memory.numbers) = (struct memory_number){.uplink = "unicom", .number = 1};
	*vec_add(p.a, &p.memory.numbers) = (struct memory_number){.uplink = "gone", .number = 2};
	planned_make(&p);
	assert_int_equal(p.plan->uplinks.items[1].number, 1);
	assert_int_equal(p.plan->uplinks.items[0].number, 3);
	planned_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_is_nothing),
		cmocka_unit_test(test_only_elements),
		cmocka_unit_test(test_only_what_differs),
		cmocka_unit_test(test_uplink_goes),
		cmocka_unit_test(test_remove_takes_only_ours),
		cmocka_unit_test(test_anothers_route_in_our_table),
		cmocka_unit_test(test_sysctls_go_back),
		cmocka_unit_test(test_sysctls_are_stable),
		cmocka_unit_test(test_number_is_for_life),
	};

	return cmocka_run_group_tests_name("plan diff", tests, NULL, NULL);
}
