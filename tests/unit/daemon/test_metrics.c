/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Labels of metrics: whatever a value holds, the line stays one. (The whole is judged by promtool.) */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "daemon/metrics.h"

static void assert_label(const char *value, const char *line)
{
	struct strbuf out = STRBUF_INIT;

	metrics_label(&out, "map", value);
	assert_string_equal(strbuf_str(&out), line);
	strbuf_fini(&out);
}

static void test_labels(void **state)
{
	assert_label("web", "map=\"web\"");
	assert_label("", "map=\"\"");
	assert_label("a\"b\\c\nd", "map=\"a\\\"b\\\\c\\nd\"");
	assert_label("gr\xc3\xbc\xc3\x9f", "map=\"gr\xc3\xbc\xc3\x9f\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels),
	};

	return cmocka_run_group_tests_name("daemon/metrics", tests, NULL, NULL);
}
