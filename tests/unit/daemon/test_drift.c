/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a pass is due, when repairs wait, and which changes are repairs. */
#include "../plan/planned.h"

#include "daemon/drift.h"

/* ---- when ---- */

struct moment {
	uint64_t at_ms;
	bool urgent;
};

static uint64_t due_after(const struct moment *m, size_t n)
{
	struct drift_clock c = {0};

	for (size_t i = 0; i < n; i++)
		drift_event(&c, m[i].urgent, m[i].at_ms);
	return drift_due(&c);
}

static void test_coalescing(void **state)
{
	static const struct {
		struct moment events[6];
		size_t n;
		uint64_t due_ms;
	} cases[] = {
		{.n = 0, .due_ms = UINT64_MAX},
		{.events = {{1000, false}}, .n = 1, .due_ms = 1010},
		{.events = {{1000, false}, {1004, true}}, .n = 2, .due_ms = 1014},
		/* They do not end: not later than so long after the first. */
		{.events = {{1000, false}, {1008, false}, {1016, false}, {1024, false},
			 {1029, false}},
			.n = 5,
			.due_ms = 1030},
		{.events = {{1000, true}, {1021, true}}, .n = 2, .due_ms = 1030},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(due_after(cases[i].events, cases[i].n), cases[i].due_ms);
}

static void test_a_pass_clears(void **state)
{
	struct drift_clock c = {0};

	drift_event(&c, true, 1000);
	assert_false(drift_passed(&c, false, 1012));
	assert_int_equal(drift_due(&c), UINT64_MAX);
}

/* @n repairs, @apart_ms between: how many of them were called a fight, and the wait at the end. */
static struct drift_clock repairs(size_t n, uint64_t apart_ms, size_t *fights)
{
	struct drift_clock c = {0};

	*fights = 0;
	for (size_t i = 0; i < n; i++) {
		drift_event(&c, false, 1000 + i * apart_ms);
		*fights += drift_passed(&c, true, 1000 + i * apart_ms);
	}
	return c;
}

static void test_fights(void **state)
{
	static const struct {
		size_t n;
		uint64_t apart_ms;
		size_t fights;
		uint64_t wait_ms;
	} cases[] = {
		{1, 100, 0, 0},
		{4, 100, 0, 0},
		{5, 100, 1, 1000},
		{5, 2500, 1, 1000}, /* the first and the fifth just within ten seconds */
		{5, 2501, 0, 0},
		{50, 2501, 0, 0},
		{6, 100, 2, 2000},
		{7, 100, 3, 4000},
		{10, 100, 6, 30000}, /* the longest */
		{20, 100, 16, 30000},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t fights;
		struct drift_clock c = repairs(cases[i].n, cases[i].apart_ms, &fights);

		assert_int_equal(fights, cases[i].fights);
		assert_int_equal(c.wait_ms, cases[i].wait_ms);
	}
}

static void test_a_repair_waits_and_news_do_not(void **state)
{
	size_t fights;
	struct drift_clock c = repairs(5, 100, &fights);

	assert_int_equal(c.until_ms, 1400 + 1000);
	drift_event(&c, false, 1450);
	assert_int_equal(drift_due(&c), 2400);
	drift_event(&c, false, 2395);
	assert_int_equal(drift_due(&c), 2400);
	drift_event(&c, true, 2396);
	assert_int_equal(drift_due(&c), 1480);
	/* That pass repairs too; the next repair waits longer. */
	assert_true(drift_passed(&c, true, 2397));
	assert_int_equal(c.wait_ms, 2000);
	drift_event(&c, false, 2400);
	assert_int_equal(drift_due(&c), 4397);
}

/* What is learned of many backends comes together; the kernel's events do not wait for it. */
static void test_learned_waits_for_a_rest(void **state)
{
	struct drift_clock c = {0};

	drift_learned(&c, 1000);
	assert_int_equal(drift_due(&c), 1010); /* the first does not wait */
	drift_passed(&c, false, 1500);
	drift_took(&c, 490, 1500);
	assert_int_equal(drift_due(&c), UINT64_MAX);
	for (uint64_t ms = 1500; ms < 2900; ms++)
		drift_learned(&c, ms);
	assert_int_equal(drift_due(&c), 1500 + 490 * DRIFT_REST);
	drift_event(&c, false, 2900);
	assert_int_equal(drift_due(&c), 1530);
	drift_passed(&c, false, 2910);
	drift_took(&c, 9000, 2910);
	drift_learned(&c, 2911);
	assert_int_equal(drift_due(&c), 2910 + DRIFT_REST_LONGEST_MS);
	drift_passed(&c, false, 5000);
	/* Long after, it does not wait either. */
	drift_learned(&c, 9000);
	assert_int_equal(drift_due(&c), 9010);
}

static void test_peace(void **state)
{
	size_t fights;
	struct drift_clock c = repairs(6, 100, &fights);

	assert_int_equal(c.until_ms, 1500 + 2000);
	assert_int_equal(drift_fight_until(&c), 3500 + DRIFT_WAIT_LONGEST_MS);
	assert_false(drift_passed(&c, false, 3500 + DRIFT_WAIT_LONGEST_MS));
	assert_int_equal(c.wait_ms, 2000);
	assert_false(drift_passed(&c, false, 3501 + DRIFT_WAIT_LONGEST_MS));
	assert_int_equal(c.wait_ms, 0);
	assert_int_equal(drift_fight_until(&c), 0);

	/* A repair long after is the first of a new count. */
	c = repairs(6, 100, &fights);
	assert_false(drift_passed(&c, true, 3501 + DRIFT_WAIT_LONGEST_MS));
	assert_false(drift_passed(&c, true, 3601 + DRIFT_WAIT_LONGEST_MS));
	drift_event(&c, false, 40000);
	assert_int_equal(drift_due(&c), 40010);
}

/* ---- what ---- */

static const char web[] = "uplinks:\n"
			  "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			  "  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
			  "maps:\n"
			  "  web: {listen: 80/tcp, to: 192.168.0.2}\n";
static const char more[] = "uplinks:\n"
			   "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			   "  unicom: {interface: eth1, gateway: 2.2.2.253}\n"
			   "maps:\n"
			   "  web: {listen: [80/tcp, 443/tcp], to: 192.168.0.2}\n";

struct fixture {
	struct planned before, want;
	struct netstate seen; /* to be spoilt */
};

static void begin(struct fixture *f, const char *before, const char *want)
{
	planned_init(&f->before, before);
	planned_make(&f->before);
	planned_init(&f->want, want);
	planned_make(&f->want);
	f->seen = f->before.plan->want;
}

static void end(struct fixture *f)
{
	planned_fini(&f->before);
	planned_fini(&f->want);
}

static struct changes found(struct fixture *f, bool links)
{
	struct changes all, out;
	struct memory none = {0};

	plan_diff(f->want.a, &f->seen, &f->want.plan->want, &none, &all);
	drift_find(f->want.a, &f->before.plan->want, &f->want.plan->want, &all, links, &out);
	return out;
}

static void test_nothing_is_no_drift(void **state)
{
	struct fixture f;
	struct changes c;

	begin(&f, web, web);
	c = found(&f, false);
	assert_true(changes_empty(&c));
	end(&f);
}

static void test_another_config_is_no_drift(void **state)
{
	struct fixture f;
	struct changes c;

	begin(&f, web, more);
	c = found(&f, false);
	assert_true(changes_empty(&c));
	end(&f);
}

static void test_what_others_took(void **state)
{
	struct fixture f;
	struct changes c;

	begin(&f, web, web);
	f.seen.rules.len--;
	f.seen.routes.len--;
	f.seen.sysctls.len = 0;
	c = found(&f, false);
	assert_int_equal(drift_count(&c), 2 + f.want.plan->want.sysctls.len);
	/* The kernel itself drops routes and sysctls when interfaces go, but never rules. */
	c = found(&f, true);
	assert_int_equal(drift_count(&c), 1);
	assert_int_equal(c.before.items[0].kind, CHANGE_RULE);
	end(&f);
}

static void test_drift_and_news_together(void **state)
{
	struct fixture f;
	struct changes c;

	begin(&f, web, more);
	f.seen.rules.len--;
	c = found(&f, false);
	assert_int_equal(drift_count(&c), 1);
	assert_int_equal(c.before.items[0].kind, CHANGE_RULE);
	end(&f);
}

static void test_a_flushed_table(void **state)
{
	struct fixture f;
	struct changes c;

	begin(&f, web, web);
	f.seen.ruleset.tables.len = 0;
	c = found(&f, false);
	assert_int_equal(c.nft.items[0].kind, NFT_ADD_TABLE);
	assert_true(drift_count(&c) > 50);
	end(&f);
	/* Also where the config changes at the same time. */
	begin(&f, web, more);
	f.seen.ruleset.tables.len = 0;
	c = found(&f, false);
	assert_int_equal(c.nft.items[0].kind, NFT_ADD_TABLE);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coalescing),
		cmocka_unit_test(test_a_pass_clears),
		cmocka_unit_test(test_fights),
		cmocka_unit_test(test_a_repair_waits_and_news_do_not),
		cmocka_unit_test(test_learned_waits_for_a_rest),
		cmocka_unit_test(test_peace),
		cmocka_unit_test(test_nothing_is_no_drift),
		cmocka_unit_test(test_another_config_is_no_drift),
		cmocka_unit_test(test_what_others_took),
		cmocka_unit_test(test_drift_and_news_together),
		cmocka_unit_test(test_a_flushed_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
