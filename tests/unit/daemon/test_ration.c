/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several at once, then one at a time; what took long is paid for. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "daemon/ration.h"

#define NOW 1000000u

static void test_at_once(void **state)
{
	struct ration r = {0};

	for (unsigned int i = 0; i < RATION_AT_ONCE; i++) {
		assert_int_equal(ration_wait(&r, NOW), 0);
		ration_take(&r, NOW, 1);
	}
	assert_int_equal(ration_wait(&r, NOW), RATION_EVERY_MS);
	assert_int_equal(ration_wait(&r, NOW + RATION_EVERY_MS - 1), 1);
	assert_int_equal(ration_wait(&r, NOW + RATION_EVERY_MS), 0);
	ration_take(&r, NOW + RATION_EVERY_MS, 1);
	assert_int_equal(ration_wait(&r, NOW + RATION_EVERY_MS), RATION_EVERY_MS);
	/* A long pause gives no more at once than a short one. */
	for (unsigned int i = 0; i < RATION_AT_ONCE; i++)
		ration_take(&r, 2 * NOW, 1);
	assert_int_equal(ration_wait(&r, 2 * NOW), RATION_EVERY_MS);
}

static void test_what_takes_long(void **state)
{
	struct ration r = {0};

	ration_take(&r, NOW, 3000);
	assert_int_equal(
		ration_wait(&r, NOW), 3000 * RATION_SHARE - (RATION_AT_ONCE - 1) * RATION_EVERY_MS);
	assert_int_equal(ration_wait(&r, NOW + 3000 * RATION_SHARE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_what_takes_long),
	};

	return cmocka_run_group_tests_name("daemon/ration", tests, NULL, NULL);
}
