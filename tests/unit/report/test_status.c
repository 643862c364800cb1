/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a status amounts to; and the texts of JSON answers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "report/report.h"
#include "report/status.h"

static json_t *verdict(const char *text)
{
	json_error_t e;
	json_t *j = json_loads(text, 0, &e);

	if (!j)
		fail_msg("%s", e.text);
	report_verdict(j);
	return j;
}

static const char *first_problem(const json_t *j)
{
	const char *s = json_string_value(json_array_get(json_object_get(j, "problems"), 0));

	return s ? s : "";
}

static void test_verdicts(void **state)
{
	static const struct {
		const char *status;
		enum { WELL, NOT_WELL, UNKNOWN } well;
		const char *problem; /* in the first one; NULL: there are none */
	} cases[] = {
		{"{\"in_force\": true, \"uplinks\": [{\"name\": \"a\", \"state\": \"up\"}]}", WELL,
			NULL},
		{"{\"in_force\": null, \"uplinks\": []}", UNKNOWN, NULL},
		{"{\"in_force\": false, \"problem\": \"no such device\"}", NOT_WELL,
			"no such device"},
		{"{\"in_force\": true, \"uplinks\": [{\"name\": \"a\", \"state\": \"unknown\"}]}",
			UNKNOWN, NULL},
		{"{\"in_force\": true, \"uplinks\": [{\"name\": \"a\", \"state\": \"down\","
		 " \"reason\": \"no carrier\"}]}",
			NOT_WELL, "uplink a is down: no carrier"},
		{"{\"in_force\": true, \"uplinks\": [{\"name\": \"a\", \"state\": \"degraded\"}]}",
			NOT_WELL, "uplink a is degraded"},
		{"{\"in_force\": true, \"uplinks\": [{\"name\": \"a\", \"state\": \"up\","
		 " \"misrouted\": 1}]}",
			NOT_WELL, "1 reply of connections of a left by another line"},
		/* One that is wrong is wrong, whatever else is not known. */
		{"{\"in_force\": true, \"uplinks\": [{\"name\": \"a\", \"state\": \"unknown\"},"
		 " {\"name\": \"b\", \"state\": \"down\"}]}",
			NOT_WELL, "uplink b is down"},
		{"{\"in_force\": true, \"backends\": [{\"map\": \"m\", \"address\": \"10.0.0.1\","
		 " \"state\": \"down\", \"reason\": \"refused\"}]}",
			NOT_WELL, "backend 10.0.0.1 of map m is down: refused"},
		{"{\"in_force\": true, \"config\": {\"file\": \"gw.yaml\", \"refused_ms\": null}}",
			WELL, NULL},
		{"{\"in_force\": true, \"config\": {\"file\": \"gw.yaml\", \"refused_ms\": 5}}",
			NOT_WELL, "gw.yaml was refused"},
		{"{\"in_force\": true, \"drift\": {\"total\": 7, \"opponent\": null}}", WELL, NULL},
		{"{\"in_force\": true, \"drift\": {\"total\": 7, \"opponent\": \"nft (pid 1)\"}}",
			NOT_WELL, "nft (pid 1)"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *j = verdict(cases[i].status), *well = json_object_get(j, "well");
		size_t n = json_array_size(json_object_get(j, "problems"));
		bool as_said = cases[i].well == WELL	  ? json_is_true(well)
			       : cases[i].well == UNKNOWN ? json_is_null(well)
							  : json_is_false(well);

		if (!as_said || n != (cases[i].problem ? 1 : 0) ||
			(cases[i].problem && !strstr(first_problem(j), cases[i].problem)))
			fail_msg("%s: %zu problems, %s", cases[i].status, n, first_problem(j));
		json_decref(j);
	}
}

static void test_history(void **state)
{
	struct health h;
	json_t *list, *first, *last;

	health_init(&h, 0, 1);
	list = report_history(&h);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	for (unsigned int i = 0; i < HEALTH_HISTORY + 2; i++)
		assert_true(health_link(&h, i % 2, "no carrier", 100 + i));
	list = report_history(&h);
	assert_int_equal(json_array_size(list), HEALTH_HISTORY);
	first = json_array_get(list, 0);
	assert_int_equal(json_integer_value(json_object_get(first, "at_ms")), 102);
	assert_string_equal(json_string_value(json_object_get(first, "state")), "down");
	assert_string_equal(json_string_value(json_object_get(first, "reason")), "no carrier");
	last = json_array_get(list, HEALTH_HISTORY - 1);
	assert_int_equal(json_integer_value(json_object_get(last, "at_ms")), 101 + HEALTH_HISTORY);
	assert_string_equal(json_string_value(json_object_get(last, "state")), "up");
	assert_true(json_is_null(json_object_get(last, "reason")));
	json_decref(list);
	health_fini(&h);
}

static void test_texts(void **state)
{
	struct ip_addr none = {0};
	json_t *j = report_text("a\xff"
				"b");

	assert_string_equal(json_string_value(j), "a?b");
	json_decref(j);
	assert_true(json_is_null(report_text(NULL)));
	assert_true(json_is_null(report_addr(&none)));
}

static void test_diagnostics(void **state)
{
	struct diag d;
	json_t *list, *one;

	diag_init(&d);
	diag_source(&d, "x.yaml", "abc", 3);
	diag_error(&d, (struct span){.line = 1, .col = 2, .len = 1}, "wrong");
	diag_hint(&d, "mend it");
	diag_note(&d, NOWHERE, "by the way");
	list = report_diag(&d);
	assert_int_equal(json_array_size(list), 1);
	one = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(one, "severity")), "error");
	assert_string_equal(json_string_value(json_object_get(one, "file")), "x.yaml");
	assert_int_equal(json_integer_value(json_object_get(one, "col")), 2);
	assert_string_equal(json_string_value(json_object_get(one, "hint")), "mend it");
	assert_int_equal(json_array_size(json_object_get(one, "notes")), 1);
	json_decref(list);
	diag_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_diagnostics),
	};

	return cmocka_run_group_tests_name("report/status", tests, NULL, NULL);
}
