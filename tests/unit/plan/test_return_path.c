/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rounds of probes say of a backend's replies, from a table. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "plan/return_path.h"

/* One letter per round: 'd' the answer came to the uplink's address, 's' only to the inside address,
 * '.' to neither, 'D' to the uplink's alone. After each: '?' nothing is decided, 'd', 's'. */
struct row {
	const char *name, *rounds, *modes;
};

static const struct row rows[] = {
	{"direct", "dddd", "??dd"},
	{"snat", "ssss", "??ss"},
	{"dead", "......", "??????"},
	{"an answer to the uplink's address alone is enough", "DDD", "??d"},
	{"silence in between counts for nothing", "d.d..d", "?????d"},
	{"one that differs starts over", "ddsddd", "?????d"},
	{"the route changes", "dddsss", "??ddds"},
	{"and back", "sssdddsss", "??sssddds"},
	{"a lost answer or two change nothing", "dddssdssd", "??ddddddd"},
	{"what was decided stays while it is dead", "sss......", "??sssssss"},
	{"never two alike", "dsdsdsds", "????????"},
};

static char letter(enum return_mode m)
{
	return m == RETURN_DIRECT ? 'd' : m == RETURN_SNAT ? 's' : '?';
}

static void test_rounds(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct return_path r = {0};

		for (size_t n = 0; rows[i].rounds[n]; n++) {
			char round = rows[i].rounds[n];
			enum return_mode before = r.mode;
			bool changed = return_path_round(&r,
				round == 'd' || round == 'D' ? RETURN_ANSWERED : RETURN_SILENT,
				round == 'd' || round == 's' ? RETURN_ANSWERED : RETURN_SILENT,
				n + 1);

			if (letter(r.mode) != rows[i].modes[n])
				fail_msg("%s: after round %zu it is %c", rows[i].name, n + 1,
					letter(r.mode));
			assert_int_equal(changed, r.mode != before);
			if (changed)
				assert_int_equal(r.since_ms, n + 1);
			if (round != '.')
				assert_int_equal(r.last_ms, n + 1);
		}
		assert_int_equal(r.rounds, strlen(rows[i].rounds));
	}
}

/* One that is remembered from before is believed until the rounds agree on another. */
static void test_remembered(void **state)
{
	struct return_path r = {.mode = RETURN_DIRECT};

	assert_false(return_path_round(&r, RETURN_SILENT, RETURN_ANSWERED, 1));
	assert_false(return_path_round(&r, RETURN_SILENT, RETURN_ANSWERED, 2));
	assert_int_equal(r.mode, RETURN_DIRECT);
	assert_true(return_path_round(&r, RETURN_SILENT, RETURN_ANSWERED, 3));
	assert_int_equal(r.mode, RETURN_SNAT);
}

static void test_counts(void **state)
{
	struct return_path r = {0};

	for (int i = 0; i < 1000; i++)
		return_path_round(&r, RETURN_SILENT, i % 2 ? RETURN_ANSWERED : RETURN_SILENT, 5);
	assert_int_equal(r.rounds, 1000);
	assert_int_equal(r.untold, 500);
	assert_int_equal(r.agree, RETURN_AGREE);
}

static void test_reason(void **state)
{
	struct return_path r = {0};

	assert_string_equal(return_path_reason(&r), "not measured yet");
	return_path_round(&r, RETURN_SILENT, RETURN_SILENT, 1);
	assert_non_null(strstr(return_path_reason(&r), "not decided"));
	r.mode = RETURN_DIRECT;
	assert_non_null(strstr(return_path_reason(&r), "come back through the gateway"));
	r.mode = RETURN_SNAT;
	assert_non_null(strstr(return_path_reason(&r), "another way out"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
