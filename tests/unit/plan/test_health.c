/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What answers to checks make of an uplink or a backend, from tables; no clock, no sleeping. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "plan/health.h"

#define SECOND 1000u

/* ---- one check: the state after each round ---- */

/* In `answers` each round is a word: per target '+' it answered, '-' it did not. In `states` one letter
 * per round: Up, deGraded, Down. */
struct row {
	const char *name;
	uint32_t need, rise, fall;
	const char *answers, *states;
};

static const struct row rows[] = {
	{"the first round decides: up", 1, 2, 3, "+", "U"},
	{"the first round decides: down", 1, 2, 3, "-", "D"},
	{"fall: three bad ones in a row", 1, 2, 3, "+ - - - -", "U U U D D"},
	{"fall: a good one in between starts over", 1, 2, 3, "+ - - + - - -", "U U U U U U D"},
	{"rise: two good ones in a row", 1, 2, 3, "- + + +", "D D U U"},
	{"rise: a bad one in between starts over", 1, 2, 3, "- + - + +", "D D D D U"},
	{"flapping changes nothing, up", 1, 2, 3, "+ - + - + - +", "U U U U U U U"},
	{"flapping changes nothing, down", 1, 2, 3, "- + - + - + -", "D D D D D D D"},
	{"rise and fall of one follow at once", 1, 1, 1, "+ - + -", "U D U D"},
	{"zeroes count as one", 0, 0, 0, "+ - + -", "U D U D"},
	{"one of two is enough", 1, 2, 2, "++ +- +- --", "U U G G"},
	{"one of two, and then none", 1, 2, 2, "+- -- --", "G G D"},
	{"both of two", 2, 2, 2, "++ +- +-", "U U D"},
	{"two of three", 2, 1, 2, "+++ ++- ++- +-- +--", "U U G G D"},
	{"which of them does not matter for need", 2, 1, 2, "+++ -++ +-+ ++- -++", "U U U U U"},
	{"a target that came back", 1, 2, 2, "++ +- +- ++ ++", "U U G G U"},
	{"a target that was never there", 1, 2, 2, "+- +- ++ ++", "G G G U"},
	{"sixteen targets, the last one counts", 1, 1, 1, "---------------+ ----------------",
		"G D"},
};

static char letter(enum health_state s)
{
	return "?UGD"[s];
}

static void test_rounds(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct check rules = {.need = row->need, .rise = row->rise, .fall = row->fall};
		struct health h;
		const char *a = row->answers, *want = row->states;
		uint64_t now = SECOND;

		health_init(&h, 1, now);
		assert_int_equal(h.state, HEALTH_UNKNOWN);
		while (*a) {
			unsigned int n = (unsigned int)strcspn(a, " ");
			enum health_state before = h.state;
			bool changed = false;

			health_round(&h, 0, n);
			for (unsigned int t = 0; t < n; t++) {
				assert_false(changed); /* not before the round is over */
				changed = health_result(
					&h, &rules, 0, t, a[t] == '+', 100, "no answer", ++now);
			}
			if (letter(h.state) != *want)
				fail_msg("%s: at \"%s\" it is %s", row->name, a,
					health_name(h.state));
			if (before != h.state) {
				assert_true(changed);
				assert_int_equal(h.since_ms, now);
			}
			assert_string_equal(h.reason, h.state == HEALTH_UP ? "" : "no answer");
			a += n + (a[n] == ' ');
			want += 1 + (want[1] == ' ');
		}
		assert_int_equal(*want, '\0');
		health_fini(&h);
	}
}

/* ---- several checks ---- */

struct several {
	const char *name;
	const char *checks; /* per check: '+' up, '-' down, '.' had no round yet */
	enum health_state state;
	const char *reason;
};

static const struct several several[] = {
	{"all up", "++", HEALTH_UP, ""},
	{"one down", "+-", HEALTH_DEGRADED, "check 1"},
	{"the other down", "-+", HEALTH_DEGRADED, "check 0"},
	{"all down", "--", HEALTH_DOWN, "check 0"},
	{"one had no round", "+.", HEALTH_UNKNOWN, "not checked yet"},
	{"one down, one had no round", "-.", HEALTH_UNKNOWN, "not checked yet"},
	{"eight, one down", "+++++++-", HEALTH_DEGRADED, "check 7"},
	{"eight down", "--------", HEALTH_DOWN, "check 0"},
};

static void test_several(void **state)
{
	const struct check rules = {.need = 1, .rise = 2, .fall = 2};

	for (size_t i = 0; i < sizeof(several) / sizeof(several[0]); i++) {
		const struct several *row = &several[i];
		struct health h;

		health_init(&h, strlen(row->checks), 0);
		for (size_t c = 0; row->checks[c]; c++) {
			char why[32];

			if (row->checks[c] == '.')
				continue;
			snprintf(why, sizeof(why), "check %zu", c);
			health_round(&h, c, 1);
			health_result(&h, &rules, c, 0, row->checks[c] == '+', 1, why, 1);
		}
		if (h.state != row->state || strcmp(h.reason, row->reason) != 0)
			fail_msg("%s: %s, '%s'", row->name, health_name(h.state), h.reason);
		health_fini(&h);
	}
}

/* ---- answers that nobody waits for ---- */

static void test_late_answers(void **state)
{
	const struct check rules = {.need = 1, .rise = 1, .fall = 1};
	struct health h;

	health_init(&h, 1, 0);
	assert_false(health_result(&h, &rules, 0, 0, true, 1, NULL, 1)); /* before any round */
	health_round(&h, 0, 2);
	assert_false(health_result(&h, &rules, 0, 2, true, 1, NULL, 1)); /* of no target of it */
	assert_false(health_result(&h, &rules, 0, LIMIT_TARGETS, true, 1, NULL, 1));
	assert_false(health_result(&h, &rules, 0, 32, true, 1, NULL, 1));
	assert_false(health_result(&h, &rules, 1, 0, true, 1, NULL, 1)); /* of no check */
	assert_false(health_result(&h, &rules, 0, 1, false, 0, "x", 2));
	assert_false(health_result(&h, &rules, 0, 1, true, 1, NULL, 3)); /* the same twice */
	assert_int_equal(h.state, HEALTH_UNKNOWN);
	assert_true(health_result(&h, &rules, 0, 0, false, 0, "x", 4));
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_false(health_result(&h, &rules, 0, 0, true, 1, NULL, 5)); /* after the round */
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_int_equal(h.checks[0].rounds, 1);

	health_round(&h, 0, 2); /* one that is never finished counts for nothing */
	health_result(&h, &rules, 0, 0, true, 1, NULL, 6);
	health_round(&h, 0, 2);
	assert_false(health_result(&h, &rules, 0, 1, false, 0, "x", 7));
	assert_false(health_result(&h, &rules, 0, 0, false, 0, "x", 8));
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_int_equal(h.checks[0].rounds, 2);

	health_round(
		&h, 0, LIMIT_TARGETS + 20); /* more than there may be: all of those there may */
	assert_int_equal(h.checks[0].pending, (1u << LIMIT_TARGETS) - 1);
	health_round(&h, 7, 1); /* no such check */
	health_fini(&h);
	health_fini(&h);
}

/* ---- the link ---- */

static void one_round(struct health *h, const struct check *rules, bool ok, uint64_t now)
{
	health_round(h, 0, 1);
	health_result(h, rules, 0, 0, ok, 1, "no answer", now);
}

static void test_link(void **state)
{
	const struct check rules = {.need = 1, .rise = 3, .fall = 3};
	struct health h;

	health_init(&h, 1, 0);
	one_round(&h, &rules, true, 1);
	assert_int_equal(h.state, HEALTH_UP);
	health_round(&h, 0, 1);
	assert_true(health_link(&h, false, "no carrier", 2));
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_string_equal(h.reason, "no carrier");
	/* Whatever the checks say. */
	assert_false(health_result(&h, &rules, 0, 0, true, 1, NULL, 3));
	one_round(&h, &rules, true, 3);
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_false(health_link(&h, false, "no carrier", 4));
	assert_int_equal(h.since_ms, 2);
	assert_true(health_link(&h, false, "the interface is gone", 5));
	assert_int_equal(h.since_ms, 2); /* another reason, the same state */
	assert_int_equal(h.n_changes, 2);

	/* Back again: nothing is known, and the first round decides, whatever `rise` is. */
	assert_true(health_link(&h, true, NULL, 6));
	assert_int_equal(h.state, HEALTH_UNKNOWN);
	assert_int_equal(h.checks[0].rounds, 1); /* what was counted stays counted */
	one_round(&h, &rules, true, 7);
	assert_int_equal(h.state, HEALTH_UP);
	assert_false(health_link(&h, true, NULL, 8));
	health_fini(&h);
}

static void test_only_the_link(void **state)
{
	struct health h;

	health_init(&h, 0, 0);
	assert_int_equal(h.state, HEALTH_UNKNOWN);
	assert_true(health_link(&h, true, NULL, 1));
	assert_int_equal(h.state, HEALTH_UP);
	assert_false(health_link(&h, true, NULL, 2));
	assert_true(health_link(&h, false, "no address", 3));
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_true(health_link(&h, true, NULL, 4));
	assert_int_equal(h.state, HEALTH_UP);
	assert_string_equal(h.reason, "");
	health_fini(&h);
}

/* ---- reasons ---- */

/* The reason is the target that fails for good, not another one that lost a single answer. */
static void test_reason_is_of_who_fails(void **state)
{
	const struct check rules = {.need = 1, .rise = 2, .fall = 2};
	struct health h;

	health_init(&h, 1, 0);
	for (int i = 0; i < 2; i++) {
		health_round(&h, 0, 3);
		health_result(&h, &rules, 0, 0, true, 1, NULL, 1);
		health_result(&h, &rules, 0, 1, i > 0, 1, "target 1", 1);
		health_result(&h, &rules, 0, 2, false, 0, "target 2", 1);
	}
	assert_int_equal(h.state, HEALTH_DEGRADED);
	health_round(&h, 0, 3);
	health_result(&h, &rules, 0, 2, false, 0, "target 2", 2);
	health_result(&h, &rules, 0, 1, true, 1, NULL, 2);
	health_result(&h, &rules, 0, 0, false, 0, "target 0", 2);
	assert_int_equal(h.checks[0].failing, 1u << 2);
	assert_string_equal(h.reason, "target 2");
	health_fini(&h);
}

/* The loader refuses such a check; whoever makes one all the same gets a reason. */
static void test_more_needed_than_there_are(void **state)
{
	const struct check rules = {.need = 2, .rise = 1, .fall = 1};
	struct health h;

	health_init(&h, 1, 0);
	one_round(&h, &rules, true, 1);
	assert_int_equal(h.state, HEALTH_DOWN);
	assert_string_equal(h.reason, "fewer targets than must answer");
	health_fini(&h);
}

static void test_long_reason(void **state)
{
	const struct check rules = {.need = 1, .rise = 1, .fall = 1};
	char why[3 * HEALTH_REASON_BYTES];
	struct health h;

	memset(why, 'x', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	health_init(&h, 1, 0);
	health_round(&h, 0, 1);
	assert_true(health_result(&h, &rules, 0, 0, false, 0, why, 1));
	assert_int_equal(strlen(h.reason), HEALTH_REASON_BYTES - 1);
	health_round(&h, 0, 1);
	assert_false(
		health_result(&h, &rules, 0, 0, false, 0, why, 2)); /* the same as far as it goes */
	assert_true(health_link(&h, false, NULL, 3));
	assert_string_equal(h.reason, "");
	health_fini(&h);
}

/* ---- history ---- */

static void test_history(void **state)
{
	const struct check rules = {.need = 1, .rise = 1, .fall = 1};
	const unsigned int rounds = 3 * HEALTH_HISTORY + 5;
	struct health h;

	health_init(&h, 1, 0);
	for (unsigned int i = 1; i <= rounds; i++) {
		const struct health_change *newest;

		one_round(&h, &rules, i % 2, i);
		assert_int_equal(h.n_changes, i);
		newest = &h.history[(h.n_changes - 1) % HEALTH_HISTORY];
		assert_int_equal(newest->at_ms, i);
		assert_int_equal(newest->state, i % 2 ? HEALTH_UP : HEALTH_DOWN);
		assert_string_equal(newest->reason, i % 2 ? "" : "no answer");
		/* The oldest that is kept. */
		if (i >= HEALTH_HISTORY)
			assert_int_equal(
				h.history[i % HEALTH_HISTORY].at_ms, i - HEALTH_HISTORY + 1);
		else
			assert_int_equal(h.history[0].at_ms, 1);
	}
	health_fini(&h);
}

/* ---- when ---- */

static void test_next(void **state)
{
	const struct check rules = {.every_ms = 5 * SECOND}, fast = {.every_ms = 3}, never = {0};
	uint64_t least = UINT64_MAX, most = 0;

	for (uint32_t r = 0; r < 100000; r++) {
		uint64_t next = health_next(&rules, 1000000, r * 2654435761u);

		least = next < least ? next : least;
		most = next > most ? next : most;
	}
	assert_int_equal(least, 1000000 + 4500);
	assert_int_equal(most, 1000000 + 5500);
	assert_int_equal(health_next(&fast, 10, UINT32_MAX), 13);
	assert_int_equal(health_next(&never, 10, 7), 10);
}

static void test_names(void **state)
{
	assert_string_equal(health_name(HEALTH_UNKNOWN), "unknown");
	assert_string_equal(health_name(HEALTH_UP), "up");
	assert_string_equal(health_name(HEALTH_DEGRADED), "degraded");
	assert_string_equal(health_name(HEALTH_DOWN), "down");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_late_answers),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_only_the_link),
		cmocka_unit_test(test_reason_is_of_who_fails),
		cmocka_unit_test(test_more_needed_than_there_are),
		cmocka_unit_test(test_long_reason),
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
