/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shares: exact by weight, and nobody moves who need not. */
#include "planned.h"

#include "plan/share.h"

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void count(const uint8_t *owner, uint32_t slots, unsigned int n, uint32_t *of)
{
	memset(of, 0, n * sizeof(*of));
	for (uint32_t i = 0; i < slots; i++) {
		assert_in_range(owner[i], 0, n - 1);
		of[owner[i]]++;
	}
}

static void test_exact(void **state)
{
	static const struct {
		unsigned int n;
		uint16_t weights[5];
		uint32_t slots;
	} cases[] = {
		{2, {1, 1}, 256},
		{3, {1, 1, 1}, 258},
		{3, {1, 2, 1}, 256},
		{2, {100, 50}, 258},
		{2, {100, 99}, 398},
		{5, {100, 99, 98, 97, 1}, 395},
		{1, {7}, 256},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t slots = share_slots(cases[i].weights, cases[i].n), of[5], sum = 0;
		uint8_t owner[SHARE_SLOTS_MAX];

		assert_int_equal(slots, cases[i].slots);
		share_deal(cases[i].weights, cases[i].n, (1ull << cases[i].n) - 1, slots, owner);
		count(owner, slots, cases[i].n, of);
		for (unsigned int k = 0; k < cases[i].n; k++)
			sum += cases[i].weights[k];
		for (unsigned int k = 0; k < cases[i].n; k++)
			assert_int_equal(of[k] * sum, slots * cases[i].weights[k]);
	}
}

/* A few stretches, however many slots: what is shown to people stays short. */
static void test_together(void **state)
{
	static const uint16_t weights[] = {1, 1, 1, 1};
	uint8_t owner[SHARE_SLOTS_MAX];
	unsigned int stretches = 1;

	share_deal(weights, 4, 0xb, 256, owner);
	for (uint32_t i = 1; i < 256; i++)
		stretches += owner[i] != owner[i - 1];
	assert_in_range(stretches, 3, 6);
}

/* What a backend leaves is dealt by the others' weights, to within a slot. */
static void test_left(void **state)
{
	static const uint16_t weights[] = {2, 1, 1};
	uint8_t owner[SHARE_SLOTS_MAX];
	uint32_t of[3];

	share_deal(weights, 3, 0x5, 256, owner);
	count(owner, 256, 3, of);
	assert_int_equal(of[1], 0);
	assert_in_range(of[0], 128 + 42, 128 + 43);
	assert_in_range(of[2], 64 + 21, 64 + 22);
}

/*
 * The property: when one more goes down, slots of the others keep their owner; so they do when it comes
 * back, since who was down before makes no difference.
 */
static void test_minimal_movement(void **state)
{
	uint32_t seed = 4711;

	for (int round = 0; round < 400; round++) {
		unsigned int n = 2 + next_random(&seed) % (LIMIT_BACKENDS - 1);
		uint16_t weights[LIMIT_BACKENDS];
		uint8_t before[SHARE_SLOTS_MAX], after[SHARE_SLOTS_MAX];
		uint64_t all = n == 64 ? UINT64_MAX : (1ull << n) - 1, up = all;
		uint32_t slots;

		for (unsigned int i = 0; i < n; i++)
			weights[i] = 1 + (round % 3 ? next_random(&seed) % LIMIT_WEIGHT : 0);
		slots = share_slots(weights, n);
		assert_in_range(slots, SHARE_SLOTS, SHARE_SLOTS_MAX);
		for (unsigned int i = next_random(&seed) % n; i > 0; i--)
			up &= ~(1ull << next_random(&seed) % n);
		if (!(up & (up - 1)))
			continue;
		share_deal(weights, n, up, slots, before);
		for (unsigned int gone = 0; gone < n; gone++) {
			if (!(up >> gone & 1))
				continue;
			share_deal(weights, n, up & ~(1ull << gone), slots, after);
			for (uint32_t s = 0; s < slots; s++) {
				assert_true(up >> before[s] & 1);
				if (before[s] == gone)
					assert_int_not_equal(after[s], gone);
				else
					assert_int_equal(after[s], before[s]);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_minimal_movement),
	};

	return cmocka_run_group_tests_name("plan share", tests, NULL, NULL);
}
