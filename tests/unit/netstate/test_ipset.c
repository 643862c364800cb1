/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ipsets: types as fields, nested networks, networks taken out of others, lists. */
#include "netstate_test.h"

#include "netstate/ipset.h"

static struct nft_set *new_set(struct arena *a, const char *name, const char *type)
{
	struct nft_set *s = arena_new_of(a, struct nft_set);
	struct ipset_type t;

	s->name = name;
	assert_true(ipset_type_parse(type, &t));
	ipset_layout(s, &t, IP_V4, false);
	return s;
}

static void add_net(struct arena *a, struct nft_set *s, const char *first, const char *last)
{
	uint8_t *e = nft_set_add(a, s, NOWHERE);

	put_ip(e, first);
	put_ip(e + 4, last);
}

static void test_types(void **state)
{
	struct arena *a = arena_new();
	struct nft_set *s = new_set(a, "s", "hash:net,port,ip");
	struct ipset_type t;

	assert_int_equal(s->n_key, 4);
	assert_int_equal(s->key[0].type, NFT_T_IPV4);
	assert_int_equal(s->key[1].type, NFT_T_PROTO);
	assert_int_equal(s->key[2].type, NFT_T_PORT);
	assert_int_equal(s->key[3].type, NFT_T_IPV4);
	assert_int_equal(s->flags, SET_INTERVAL);
	assert_int_equal(ipset_dimension_of(s, 0), 0);
	assert_int_equal(ipset_dimension_of(s, 1), 1);
	assert_int_equal(ipset_dimension_of(s, 2), 1);
	assert_int_equal(ipset_dimension_of(s, 3), 2);
	s = new_set(a, "s", "bitmap:port");
	assert_int_equal(s->n_key, 1);
	assert_int_equal(s->key[0].type, NFT_T_PORT);
	assert_int_equal(s->flags, 0);
	s = new_set(a, "s", "hash:ip,mark");
	assert_int_equal(s->key[1].type, NFT_T_MARK);
	s = new_set(a, "s", "hash:mac");
	assert_int_equal(s->key[0].type, NFT_T_ETHER);
	s = new_set(a, "s", "hash:net,iface");
	assert_int_equal(s->key[1].type, NFT_T_IFNAME);
	assert_false(ipset_type_parse("list:set", &t));
	assert_false(ipset_type_parse("hash:", &t));
	assert_false(ipset_type_parse("hash:ip,what", &t));
	assert_false(ipset_type_parse("hash:ip,ip,ip,ip", &t));
	assert_false(ipset_type_parse("", &t));
	arena_free(a);
}

/* Is the address in the set, as the walk looks it up? */
static bool has(const struct nft_set *s, const char *address)
{
	uint8_t key[4];

	put_ip(key, address);
	return nft_set_find(s, key) >= 0;
}

static void test_nested(void **state)
{
	struct arena *a = arena_new();
	struct nft_set *s = new_set(a, "s", "hash:net");

	add_net(a, s, "10.1.0.0", "10.1.255.255");
	add_net(a, s, "10.0.0.0", "10.255.255.255");
	add_net(a, s, "10.0.0.0", "10.0.0.255");
	add_net(a, s, "11.0.0.0", "11.0.0.255");
	add_net(a, s, "255.0.0.0", "255.255.255.255");
	ipset_merge(a, s);
	assert_false(has(s, "9.255.255.255"));
	assert_true(has(s, "10.0.0.0"));
	assert_true(has(s, "10.0.1.0"));
	assert_true(has(s, "10.1.0.5"));
	assert_true(has(s, "10.2.0.0"));
	assert_true(has(s, "10.255.255.255"));
	assert_true(has(s, "11.0.0.9"));
	assert_false(has(s, "11.0.1.0"));
	assert_true(has(s, "255.255.255.255"));
	for (size_t i = 1; i < s->len; i++)
		assert_true(memcmp(nft_set_elem_last(s, i - 1), nft_set_elem(s, i), 4) < 0);
	arena_free(a);
}

/* 10/8 without 10.1/16, of which 10.1.1/24 is in all the same; and what has nothing around it. */
static void test_taken_out(void **state)
{
	static const uint8_t nomatch[] = {1, 0, 0, 1};
	struct arena *a = arena_new();
	struct nft_set *s = new_set(a, "s", "hash:net");

	add_net(a, s, "10.1.0.0", "10.1.255.255");
	add_net(a, s, "10.0.0.0", "10.255.255.255");
	add_net(a, s, "10.1.1.0", "10.1.1.255");
	add_net(a, s, "12.0.0.0", "12.255.255.255");
	ipset_merge_except(a, s, nomatch);
	assert_true(has(s, "10.0.255.255"));
	assert_false(has(s, "10.1.0.0"));
	assert_false(has(s, "10.1.0.255"));
	assert_true(has(s, "10.1.1.0"));
	assert_true(has(s, "10.1.1.255"));
	assert_false(has(s, "10.1.2.0"));
	assert_true(has(s, "10.2.0.0"));
	assert_false(has(s, "12.0.0.1"));
	arena_free(a);
}

static void test_list(void **state)
{
	struct arena *a = arena_new();
	struct nft_ruleset all = {0};
	struct nft_set *ip = new_set(a, "ip", "hash:ip"), *net = new_set(a, "net", "hash:net"),
		       *port = new_set(a, "port", "bitmap:port"),
		       *list = arena_new_of(a, struct nft_set),
		       *odd = arena_new_of(a, struct nft_set);

	put_ip(nft_set_add(a, ip, NOWHERE), "1.1.1.1");
	add_net(a, net, "10.0.0.0", "10.255.255.255");
	vec_push(a, &all.ipsets, ip);
	vec_push(a, &all.ipsets, net);
	vec_push(a, &all.ipsets, port);
	list->name = "list";
	vec_push(a, &list->chains, "ip");
	vec_push(a, &list->chains, "net");
	ipset_unite(a, list, &all);
	assert_false(list->flags & SET_INCOMPLETE);
	assert_true(has(list, "1.1.1.1"));
	assert_true(has(list, "10.5.0.0"));
	assert_false(has(list, "1.1.1.2"));
	odd->name = "odd";
	vec_push(a, &odd->chains, "ip");
	vec_push(a, &odd->chains, "port");
	ipset_unite(a, odd, &all);
	assert_true(odd->flags & SET_INCOMPLETE);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_taken_out),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
