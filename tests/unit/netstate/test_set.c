/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets: layout, order, finding, and what goes along with each element. */
#include "netstate_test.h"

#include <stdio.h>

static struct nft_set *new_set(
	struct arena *a, uint32_t flags, const enum nft_type *key, const enum nft_type *data)
{
	struct nft_table *t = nft_table_new(a, FAMILY_INET, "t");

	return nft_set_new(a, t, "s", flags, key, data, 0);
}

static void test_layout(void **state)
{
	struct arena *a = arena_new();
	struct nft_set *s;

	s = new_set(
		a, 0, TYPES(NFT_T_PROTO, NFT_T_IPV4, NFT_T_PORT), TYPES(NFT_T_IPV6, NFT_T_PORT));
	assert_int_equal(s->flags, SET_MAP);
	assert_int_equal(s->key_len, 12);
	assert_int_equal(s->data_len, 20);
	assert_int_equal(s->stride, 32);
	s = new_set(a, SET_INTERVAL, TYPES(NFT_T_IFNAME), TYPES(NFT_T_VERDICT));
	assert_int_equal(s->key_len, 16);
	assert_int_equal(s->data_len, 8);
	assert_int_equal(s->stride, 40);
	assert_int_equal(nft_set_keys_len(s), 32);
	s = nft_set_new(a, NULL, NULL, SET_ANONYMOUS, TYPES(NFT_T_PORT), NULL, 0);
	assert_int_equal(s->flags, SET_ANONYMOUS | SET_CONSTANT);
	assert_string_equal(s->name, "__set%d");
	arena_free(a);
}

static struct span line(uint32_t n)
{
	return (struct span){.line = n, .col = 1, .len = 1};
}

/* A number's element carries the same number as data, comment, origin and timeout. */
static void add_number(struct arena *a, struct nft_set *s, uint32_t n)
{
	uint8_t *e = nft_set_add(a, s, line(n + 1));
	uint32_t big = __builtin_bswap32(n);

	memcpy(e, &big, 4);
	memcpy(nft_set_elem_data(s, s->len - 1), &n, 4);
	nft_set_comment(a, s, arena_printf(a, "%u", n));
	s->timeouts_ms[s->len - 1] = n;
}

static void test_sort_keeps_elements_together(void **state)
{
	struct arena *a = arena_new();
	struct nft_set *s = new_set(a, 0, TYPES(NFT_T_IPV4), TYPES(NFT_T_MARK));
	const uint32_t n = 1000;

	/* Side arrays that come late cover the elements before, too. */
	(void)nft_set_add(a, s, NOWHERE);
	assert_null(s->origins);
	assert_null(s->comments);
	s->timeouts_ms = arena_alloc(a, s->cap * sizeof(*s->timeouts_ms));
	for (uint32_t i = 1; i < n; i++)
		add_number(a, s, i * 7919 % n * 65793);
	assert_false(nft_set_is_sorted(s));
	nft_set_sort(a, s);
	assert_true(nft_set_is_sorted(s));
	assert_int_equal(s->len, n);
	assert_null(s->comments[0]);
	for (uint32_t i = 1; i < n; i++) {
		uint32_t key, data;
		char text[16];

		memcpy(&key, nft_set_elem(s, i), 4);
		memcpy(&data, nft_set_elem_data(s, i), 4);
		assert_int_equal(__builtin_bswap32(key), i * 65793);
		assert_int_equal(data, i * 65793);
		snprintf(text, sizeof(text), "%u", i * 65793);
		assert_string_equal(s->comments[i], text);
		assert_int_equal(s->origins[i].line, i * 65793 + 1);
		assert_int_equal(s->timeouts_ms[i], i * 65793);
	}
	arena_free(a);
}

static void add_range(struct arena *a, struct nft_set *s, const char *first, const char *last)
{
	uint8_t *e = nft_set_add(a, s, NOWHERE);

	put_ip(e, first);
	put_ip(e + s->key_len, last);
}

static long find_ip(const struct nft_set *s, const char *text)
{
	struct ip_addr addr = ip(text);

	return nft_set_find(s, addr.bytes);
}

static void test_find(void **state)
{
	struct arena *a = arena_new();
	struct nft_set *s = new_set(a, 0, TYPES(NFT_T_IPV4), NULL);

	assert_int_equal(find_ip(s, "1.1.1.1"), -1);
	put_ip(nft_set_add(a, s, NOWHERE), "3.0.0.0");
	put_ip(nft_set_add(a, s, NOWHERE), "1.0.0.0");
	put_ip(nft_set_add(a, s, NOWHERE), "2.0.0.0");
	nft_set_sort(a, s);
	assert_int_equal(find_ip(s, "1.0.0.0"), 0);
	assert_int_equal(find_ip(s, "2.0.0.0"), 1);
	assert_int_equal(find_ip(s, "3.0.0.0"), 2);
	assert_int_equal(find_ip(s, "0.0.0.1"), -1);
	assert_int_equal(find_ip(s, "2.0.0.1"), -1);
	assert_int_equal(find_ip(s, "4.0.0.0"), -1);

	s = new_set(a, SET_INTERVAL, TYPES(NFT_T_IPV4), NULL);
	add_range(a, s, "10.0.0.0", "10.255.255.255");
	add_range(a, s, "9.0.0.0", "9.0.0.5");
	nft_set_sort(a, s);
	assert_int_equal(find_ip(s, "8.255.255.255"), -1);
	assert_int_equal(find_ip(s, "9.0.0.0"), 0);
	assert_int_equal(find_ip(s, "9.0.0.5"), 0);
	assert_int_equal(find_ip(s, "9.0.0.6"), -1);
	assert_int_equal(find_ip(s, "10.1.2.3"), 1);
	assert_int_equal(find_ip(s, "11.0.0.0"), -1);
	arena_free(a);
}

/* Each field has its own range: the first key may be below in one and above in another. */
static void test_find_in_concatenated_ranges(void **state)
{
	struct arena *a = arena_new();
	struct nft_set *s = new_set(a, SET_INTERVAL, TYPES(NFT_T_IPV4, NFT_T_PORT), NULL);
	static const struct {
		uint8_t key[8];
		long found;
	} cases[] = {
		{{10, 0, 0, 0, 0, 80}, 0},
		{{10, 255, 0, 1, 0, 90}, 0},
		{{10, 255, 0, 1, 0, 91}, -1},
		{{10, 255, 0, 1, 0, 79}, -1},
		{{11, 0, 0, 0, 0, 85}, -1},
	};

	add_range(a, s, "10.0.0.0", "10.255.255.255");
	nft_set_elem(s, 0)[5] = 80;
	nft_set_elem_last(s, 0)[5] = 90;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(nft_set_find(s, cases[i].key), cases[i].found);
	arena_free(a);
}

static void test_chains_are_kept_once(void **state)
{
	struct arena *a = arena_new();
	struct nft_set *s = new_set(a, 0, TYPES(NFT_T_MARK), TYPES(NFT_T_VERDICT));
	char name[16];

	for (unsigned int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 500; i++) {
			snprintf(name, sizeof(name), "chain%u", i);
			assert_int_equal(nft_set_chain(a, s, name), i);
		}
	}
	assert_int_equal(s->chains.len, 500);
	assert_string_equal(s->chains.items[77], "chain77");
	arena_free(a);
}

static void test_comment_is_cut(void **state)
{
	struct arena *a = arena_new();
	struct nft_set *s = new_set(a, 0, TYPES(NFT_T_MARK), NULL);
	char text[200] = {0};

	memset(text, 'x', sizeof(text) - 1);
	(void)nft_set_add(a, s, NOWHERE);
	nft_set_comment(a, s, text);
	assert_int_equal(strlen(s->comments[0]), 128);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_sort_keeps_elements_together),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_in_concatenated_ranges),
		cmocka_unit_test(test_chains_are_kept_once),
		cmocka_unit_test(test_comment_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
