/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which events the fast path is told of, and how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/fastpath_matters.h"

static struct fastpath_neighbours known;

static bool neighbour(uint32_t interface, const char *addr, uint8_t mac, bool gone)
{
	struct kernel_event e = {
		.what = EVENT_NEIGHBOUR, .interface = interface, .gone = gone, .mac = {mac}};

	assert_int_equal(ip_parse(addr, &e.addr), 0);
	return fastpath_event_matters(&known, &e);
}

static bool event(unsigned int what)
{
	struct kernel_event e = {.what = what};

	return fastpath_event_matters(&known, &e);
}

static int begin(void **state)
{
	memset(&known, 0, sizeof(known));
	return 0;
}

static void test_what_always_does(void **state)
{
	static const unsigned int all[] = {EVENT_LINK, EVENT_ADDRESS, EVENT_ROUTE, EVENT_RULE,
		EVENT_SYSCTL, EVENT_RULESET, EVENT_LOST};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (int k = 0; k < 2; k++)
			assert_true(event(all[i]));
}

static void test_neighbours(void **state)
{
	assert_true(neighbour(2, "192.168.0.2", 1, false));
	/* The kernel has only asked after it. */
	assert_false(neighbour(2, "192.168.0.2", 1, false));
	/* Its own, though the address is the same. */
	assert_true(neighbour(3, "192.168.0.2", 1, false));
	assert_true(neighbour(2, "fd00::2", 1, false));
	assert_false(neighbour(2, "192.168.0.2", 1, false));
	/* It has moved. */
	assert_true(neighbour(2, "192.168.0.2", 9, false));
	assert_false(neighbour(2, "192.168.0.2", 9, false));
	/* Nobody knows where it is now: no address is as good as gone. */
	assert_true(neighbour(2, "192.168.0.2", 0, false));
	assert_false(neighbour(2, "192.168.0.2", 0, false));
	assert_true(neighbour(2, "192.168.0.2", 9, false));
	assert_true(neighbour(2, "192.168.0.2", 9, true));
	assert_false(neighbour(2, "192.168.0.2", 9, true));
	/* One that was never found: somebody asks for hosts that are not there. */
	assert_false(neighbour(2, "192.168.0.77", 0, true));
}

/* What a bridge learns comes as neighbours without an address of a network. */
static void test_bridge(void **state)
{
	struct kernel_event e = {.what = EVENT_NEIGHBOUR, .interface = 2, .mac = {2}};

	assert_false(fastpath_event_matters(&known, &e));
	e.gone = true;
	assert_false(fastpath_event_matters(&known, &e));
}

/* After a loss nothing that was noted can be built upon. */
static void test_lost(void **state)
{
	assert_true(neighbour(2, "192.168.0.2", 1, false));
	assert_true(event(EVENT_LOST));
	assert_true(neighbour(2, "192.168.0.2", 1, false));
}

/* More neighbours than places: some are told of twice, none is missed. */
static void test_many(void **state)
{
	unsigned int again = 0;
	char text[32];

	for (int round = 0; round < 2; round++)
		for (unsigned int i = 0; i < 2 * FASTPATH_NEIGHBOURS; i++) {
			snprintf(text, sizeof(text), "10.0.%u.%u", i >> 8, i & 255);
			if (round == 0)
				assert_true(neighbour(2, text, 1, false));
			else
				again += neighbour(2, text, 1, false);
		}
	for (unsigned int i = 0; i < 2 * FASTPATH_NEIGHBOURS; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i >> 8, i & 255);
		assert_true(neighbour(2, text, 2, false));
	}
	assert_true(again > FASTPATH_NEIGHBOURS / 2);
}

static void test_how_often(void **state)
{
	assert_int_equal(fastpath_tell_in(0, 5), 0);
	assert_int_equal(fastpath_tell_in(1000, 1000), 100);
	assert_int_equal(fastpath_tell_in(1000, 1099), 1);
	assert_int_equal(fastpath_tell_in(1000, 1100), 0);
	assert_int_equal(fastpath_tell_in(1000, 99999), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_always_does, begin),
		cmocka_unit_test_setup(test_neighbours, begin),
		cmocka_unit_test_setup(test_bridge, begin),
		cmocka_unit_test_setup(test_lost, begin),
		cmocka_unit_test_setup(test_many, begin),
		cmocka_unit_test_setup(test_how_often, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
