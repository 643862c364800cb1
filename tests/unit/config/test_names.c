/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hash table of names, at its fullest, so that names meet in slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "config/names.h"

/* Names of one text cut at each length: each a prefix of the next. */
static void test_prefixes(void **state)
{
	static const char text[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	const size_t n = sizeof(text);
	struct arena *a = arena_new();
	struct names t;

	names_init(&t, a, n);
	for (size_t len = 0; len < n; len++)
		assert_int_equal(names_enter(&t, text, len, (uint32_t)len), len);
	for (size_t len = 0; len < n; len++) {
		assert_int_equal(names_find(&t, text, len), len);
		assert_int_equal(names_enter(&t, text, len, 9999), len); /* the first one stays */
	}
	arena_free(a);
}

static void test_many(void **state)
{
	struct arena *a = arena_new();
	struct names t;

	names_init(&t, a, 50000);
	for (uint32_t i = 0; i < 50000; i++) {
		char *name = arena_printf(a, "%x", i);

		assert_int_equal(names_enter(&t, name, strlen(name), i), i);
	}
	for (uint32_t i = 0; i < 60000; i++) {
		char *name = arena_printf(a, "%x", i);

		assert_int_equal(names_find(&t, name, strlen(name)), i < 50000 ? i : NAME_UNKNOWN);
	}
	arena_free(a);
}

static void test_empty(void **state)
{
	struct arena *a = arena_new();
	struct names t;

	names_init(&t, a, 0);
	assert_int_equal(names_find(&t, "web", 3), NAME_UNKNOWN);
	assert_int_equal(names_find(&t, "", 0), NAME_UNKNOWN);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
