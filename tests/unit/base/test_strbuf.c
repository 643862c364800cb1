/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growable string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/strbuf.h"

static void test_empty(void **state)
{
	struct strbuf b = STRBUF_INIT;
	char *s;

	assert_string_equal(strbuf_str(&b), "");
	strbuf_reset(&b);
	s = strbuf_take(&b);
	assert_string_equal(s, "");
	free(s);
	strbuf_addn(&b, NULL, 0);
	assert_string_equal(b.s, "");
	strbuf_fini(&b);
	strbuf_fini(&b);
}

static void test_adding(void **state)
{
	struct strbuf b = STRBUF_INIT;
	char *s;

	strbuf_add(&b, "map");
	strbuf_addch(&b, ' ');
	strbuf_addn(&b, "webXX", 3);
	strbuf_fill(&b, '.', 3);
	strbuf_addf(&b, "%u/%s", 80u, "tcp");
	assert_string_equal(strbuf_str(&b), "map web...80/tcp");
	assert_int_equal(b.len, strlen(b.s));
	s = strbuf_take(&b);
	assert_string_equal(s, "map web...80/tcp");
	assert_int_equal(b.len, 0);
	assert_string_equal(strbuf_str(&b), "");
	free(s);
}

/* Texts that just fit and just do not fit the memory at hand. */
static void test_formatted_growth(void **state)
{
	for (int n = 0; n < 300; n++) {
		struct strbuf b = STRBUF_INIT;

		strbuf_add(&b, "x");
		strbuf_addf(&b, "%0*d%s", n + 1, 7, "end");
		assert_int_equal(b.len, 1 + n + 1 + 3);
		assert_int_equal(strlen(b.s), b.len);
		assert_string_equal(b.s + b.len - 4, "7end");
		strbuf_reset(&b);
		assert_string_equal(strbuf_str(&b), "");
		strbuf_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_adding),
		cmocka_unit_test(test_formatted_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
