/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Learning: what is news, what is known then, and that many changes cost no more than their number. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "plan/learning.h"

#define MANY 20000u

static struct backend backend(unsigned int n, uint16_t port)
{
	return (struct backend){
		.addr = {IP_V4, {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}},
		.port = port};
}

static bool is_known(const struct learning *l, const char *map, const struct backend *b)
{
	VEC_EACH (&l->known.downs, const struct memory_down, it)
		if (strcmp(it->map, map) == 0 && ip_equal(&it->backend, &b->addr) &&
			it->port == b->port)
			return true;
	return false;
}

static void test_downs(void **state)
{
	const struct backend one = backend(1, 0), other = backend(2, 0), port = backend(1, 8080);
	struct learning l = {0};

	assert_false(learning_down(&l, "web", &one, false)); /* nothing is down at first */
	assert_true(learning_down(&l, "web", &one, true));
	assert_false(learning_down(&l, "web", &one, true));
	/* Others are others: another map, backend, or port. */
	assert_true(learning_down(&l, "mail", &one, true));
	assert_true(learning_down(&l, "web", &other, true));
	assert_true(learning_down(&l, "web", &port, true));
	assert_int_equal(l.known.downs.len, 4);
	assert_true(learning_down(&l, "web", &one, false));
	assert_false(learning_down(&l, "web", &one, false));
	assert_int_equal(l.known.downs.len, 3);
	assert_false(is_known(&l, "web", &one));
	assert_true(is_known(&l, "mail", &one));
	assert_true(is_known(&l, "web", &other) && is_known(&l, "web", &port));
	assert_true(learning_down(&l, "web", &one, true));
	assert_true(is_known(&l, "web", &one));
	learning_end(&l);
	assert_int_equal(l.known.downs.len, 0);
}

static void test_returns(void **state)
{
	const struct ip_addr one = backend(1, 0).addr, other = backend(2, 0).addr;
	char reason[] = "answers come back";
	struct learning l = {0};

	assert_null(learning_return_of(&l, &one));
	assert_true(learning_return(&l, &one, RETURN_DIRECT, reason));
	assert_true(learning_return(&l, &other, RETURN_SNAT, reason));
	reason[0] = 'X';
	assert_false(learning_return(&l, &one, RETURN_DIRECT, "the same again"));
	assert_true(learning_return(&l, &one, RETURN_SNAT, "not any more"));
	assert_int_equal(l.known.returns.len, 2);
	/* In its old place: what is written down of the others stays as it is. */
	assert_true(ip_equal(&l.known.returns.items[0].backend, &one));
	assert_string_equal(l.known.returns.items[0].reason, "not any more");
	assert_string_equal(learning_return_of(&l, &other)->reason, "answers come back");
	assert_null(learning_return_of(&l, &(struct ip_addr){IP_V4, {9}}));
	learning_end(&l);
}

static void test_begin(void **state)
{
	const struct backend one = backend(1, 0), other = backend(2, 0);
	struct arena *a = arena_new();
	struct learned before = {0};
	struct learning l = {0};

	vec_push(a, &before.downs,
		((struct memory_down){arena_strdup(a, "web"), one.addr, one.port}));
	vec_push(a, &before.downs,
		((struct memory_down){arena_strdup(a, "web"), one.addr, one.port})); /* twice */
	vec_push(a, &before.returns,
		((struct memory_return){other.addr, RETURN_DIRECT, arena_strdup(a, "so")}));
	learning_down(&l, "gone", &one, true);
	learning_begin(&l, &before);
	arena_free(a);
	assert_int_equal(l.known.downs.len, 1);
	assert_false(learning_down(&l, "web", &one, true));
	assert_true(learning_down(&l, "web", &one, false));
	assert_int_equal(l.known.downs.len, 0);
	assert_string_equal(learning_return_of(&l, &other.addr)->reason, "so");
	learning_end(&l);
}

/* How often everything was copied. */
static unsigned int change_all(struct learning *l, bool down)
{
	const struct arena *arena = l->arena;
	unsigned int copies = 0;
	char map[16];

	for (unsigned int i = 0; i < MANY; i++) {
		/* in another order each time */
		unsigned int n = down ? i : (i * 7919u) % MANY;
		const struct backend b = backend(n, 80);

		snprintf(map, sizeof(map), "m%u", n / 4);
		assert_true(learning_down(l, map, &b, down));
		assert_true(learning_return(
			l, &b.addr, down ? RETURN_DIRECT : RETURN_SNAT, down ? "a" : "b"));
		copies += l->arena != arena;
		arena = l->arena;
	}
	return copies;
}

static void test_many_at_once(void **state)
{
	struct learning l = {0};
	size_t bytes;

	assert_in_range(
		change_all(&l, true), 1, 16); /* each time there is room for twice as many */
	assert_int_equal(l.known.downs.len, MANY);
	assert_int_equal(l.known.returns.len, MANY);
	assert_in_range(change_all(&l, false), 0, 3);
	assert_int_equal(l.known.downs.len, 0);
	bytes = arena_bytes(l.arena);
	/* And it does not grow by going up and down. */
	for (unsigned int i = 0; i < 20; i++) {
		assert_in_range(change_all(&l, true), 0, 3);
		assert_in_range(change_all(&l, false), 0, 3);
	}
	assert_in_range(arena_bytes(l.arena), 0, bytes * 3);
	learning_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_downs),
		cmocka_unit_test(test_returns),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
