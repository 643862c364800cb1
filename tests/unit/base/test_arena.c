/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arena and vec: alignment, zeroing, growth, memory bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/vec.h"

static void test_aligned_and_zeroed(void **state)
{
	struct arena *a = arena_new();

	for (size_t size = 0; size < 3000; size += 7) {
		unsigned char *p = arena_alloc(a, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		if (size)
			memset(p, 0xaa, size);
		arena_strdup(a, "x"); /* unaligns the next one */
	}
	arena_free(a);
	arena_free(NULL);
}

static void test_strings(void **state)
{
	struct arena *a = arena_new();
	char *s = arena_strndup(a, "portreeve", 4);

	assert_string_equal(s, "port");
	assert_string_equal(arena_strdup(a, ""), "");
	assert_string_equal(arena_strndup(a, NULL, 0), "");
	assert_string_equal(arena_printf(a, "%s/%d", s, 7), "port/7");
	s = arena_printf(a, "%0100000d", 7);
	assert_int_equal(strlen(s), 100000);
	assert_int_equal(s[99999], '7');
	arena_free(a);
}

/* Every size on the way, small ones and such as have a chunk of their own. */
static void test_grow(void **state)
{
	struct arena *a = arena_new();
	unsigned char *p = NULL;
	size_t size = 0;

	for (size_t next = 16; next <= (size_t)1 << 20; next *= 2) {
		p = arena_grow(a, p, size, next);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], i % 251);
		for (size_t i = size; i < next; i++) {
			assert_int_equal(p[i], 0);
			p[i] = (unsigned char)(i % 251);
		}
		if (next == 4096)
			arena_alloc(a, 10); /* so that it is not the last one */
		size = next;
	}
	assert_ptr_equal(arena_grow(a, p, size, 10), p);
	/* the large steps left no copies behind */
	assert_true(arena_bytes(a) < ((size_t)1 << 20) + ((size_t)600 << 10));
	arena_free(a);
}

static void test_vec(void **state)
{
	struct arena *a = arena_new();
	VEC(uint32_t) v = {0};
	uint32_t want = 0;

	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t *p = vec_add(a, &v);

		assert_int_equal(*p, 0);
		*p = i;
	}
	vec_push(a, &v, 200000);
	assert_int_equal(v.len, 200001);
	VEC_EACH (&v, uint32_t, it)
		assert_int_equal(*it, want++);
	assert_int_equal(want, 200001);
	arena_free(a);
}

static void test_bytes(void **state)
{
	struct arena *a = arena_new();
	size_t n = 100000;

	assert_int_equal(arena_bytes(a), 0);
	for (size_t i = 0; i < n; i++)
		arena_alloc(a, 32);
	assert_true(arena_bytes(a) >= n * 32);
#ifndef __SANITIZE_ADDRESS__
	assert_true(arena_bytes(a) < n * 32 + ((size_t)1 << 20));
#endif
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aligned_and_zeroed),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_vec),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
