/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The translations that rules call for, as a walk with an oracle tells them. */
#include "walked.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_TPROXY.h>

static size_t last_way(struct walk_oracle *o, const struct walk_fork *f)
{
	return f->n - 1;
}

static size_t first_way(struct walk_oracle *o, const struct walk_fork *f)
{
	return 0;
}

/* One rule in a nat chain of prerouting; what it calls for. */
struct told {
	struct walked *x;
	struct nft_rule *rule;
	struct walk_base base;
	struct walk_oracle oracle;
	struct walk_result r;
};

static struct told told(struct walked *x, enum nft_hook hook)
{
	struct told t = {.x = x, .oracle = {first_way}};
	struct nft_chain *c = nft_base_chain_new(x->a, x->t, "nat", CHAIN_NAT, hook, -100);

	t.rule = rule_in(x, c);
	t.base = (struct walk_base){x->t, c};
	return t;
}

static const struct walk_nat *walk(struct told *t, const struct packet *p)
{
	t->x->trail.len = 0;
	t->x->w.oracle = &t->oracle;
	walk_base_chain(&t->x->w, &t->base, p, &t->r);
	return &t->r.nat;
}

#define assert_addr(a, text)                                                                       \
	do {                                                                                       \
		char buf_[IP_STRLEN];                                                              \
		assert_string_equal(ip_format(&(a), buf_), text);                                  \
	} while (0)

static void test_dnat_to_an_address(void **state)
{
	static const uint8_t to[4] = {10, 0, 0, 9}, last[4] = {10, 0, 0, 12},
			     port[2] = {0x1f, 0x90}, port_last[2] = {0x1f, 0x99};
	struct told t = told(*state, HOOK_PREROUTING);
	struct arena *a = t.x->a;
	struct packet p = a_request();
	struct nft_stmt *s = nft_nat(a, t.rule, true, IP_V4, nft_value(a, NFT_T_IPV4, to), false);
	const struct walk_nat *n = walk(&t, &p);

	assert_int_equal(n->kind, WALK_NAT_DESTINATION);
	assert_addr(n->first, "10.0.0.9");
	assert_addr(n->last, "10.0.0.9");
	assert_int_equal(n->port_first, 0);
	assert_int_equal(t.r.verdict, WALK_ACCEPT);
	/* Told, not made. */
	assert_addr(t.r.after.daddr, "192.168.0.2");
	assert_int_equal(t.x->trail.steps[0].did, DID_NAT | DID_VERDICT);
	assert_int_equal(t.x->trail.steps[0].verdict, VERDICT_ACCEPT);

	s->expr_last = nft_value(a, NFT_T_IPV4, last);
	s->port = nft_value(a, NFT_T_PORT, port);
	s->port_last = nft_value(a, NFT_T_PORT, port_last);
	s->nat_flags = NAT_RANDOM;
	n = walk(&t, &p);
	assert_addr(n->last, "10.0.0.12");
	assert_int_equal(n->port_first, 8080);
	assert_int_equal(n->port_last, 8089);
	assert_true(n->random);
	assert_int_equal(n->prefix_len, 0);
	p.family = IP_V6; /* `dnat ip to` in an inet table */
	assert_int_equal(walk(&t, &p)->kind, WALK_NAT_NONE);
}

static void test_prefix(void **state)
{
	static const uint8_t first[4] = {10, 9, 0, 0}, last[4] = {10, 9, 0, 255};
	struct told t = told(*state, HOOK_POSTROUTING);
	struct arena *a = t.x->a;
	struct packet p = a_request();
	struct nft_stmt *s =
		nft_nat(a, t.rule, false, IP_V4, nft_value(a, NFT_T_IPV4, first), false);
	const struct walk_nat *n;

	s->expr_last = nft_value(a, NFT_T_IPV4, last);
	s->nat_flags = NAT_PREFIX;
	n = walk(&t, &p);
	assert_int_equal(n->kind, WALK_NAT_SOURCE);
	assert_int_equal(n->prefix_len, 24);
}

/* dnat ip to ip daddr . tcp dport map { ... } */
static void test_map(void **state)
{
	static const enum nft_type key[] = {NFT_T_IPV4, NFT_T_PORT, NFT_T_NONE};
	struct told t = told(*state, HOOK_PREROUTING);
	struct arena *a = t.x->a;
	struct packet p = a_request();
	struct nft_set *map = nft_set_new(a, t.x->t, "maps", SET_MAP, key, key, 0);
	struct nft_expr *parts[] = {nft_sel(a, SEL_IP_DADDR), nft_sel(a, SEL_TH_DPORT)};
	const struct walk_nat *n;
	uint8_t *e;

	nft_nat(a, t.rule, true, IP_V4, nft_map_expr(a, nft_concat(a, parts, 2), map), true);
	for (uint8_t i = 0; i < 40; i++) {
		e = nft_set_add(a, map, NOWHERE);
		memcpy(e, p.daddr.bytes, 4);
		e[5] = 60 + i;
		e[8] = 10;
		e[11] = i;
		e[12] = 0x1f;
		e[13] = 0x90 + i % 2;
	}
	nft_set_sort(a, map);
	n = walk(&t, &p);
	assert_addr(n->first, "10.0.0.20");
	assert_addr(n->last, "10.0.0.20");
	assert_int_equal(n->port_first, 8080);
	assert_int_equal(n->port_last, 8080);
	p.dport = 59; /* there is no such element: the rule ends, and the chain with it */
	assert_int_equal(walk(&t, &p)->kind, WALK_NAT_NONE);
	assert_int_equal(t.r.verdict, WALK_ACCEPT);
	map->flags |= SET_INCOMPLETE;
	n = walk(&t, &p);
	assert_int_equal(n->kind, WALK_NAT_DESTINATION);
	assert_true(n->addr_unknown && n->port_unknown);
	map->flags &= ~(uint32_t)SET_INCOMPLETE;
	map->len = 3;
	p.known &= ~(uint32_t)PKT_DPORT;
	t.oracle.choose = last_way; /* no element */
	assert_int_equal(walk(&t, &p)->kind, WALK_NAT_NONE);
	t.oracle.choose = first_way;
	n = walk(&t, &p);
	assert_addr(n->first, "10.0.0.0");
	assert_false(n->addr_unknown);
}

/* dnat to numgen random mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 } */
static void test_balanced(void **state)
{
	static const enum nft_type key[] = {NFT_T_INTEGER, NFT_T_NONE},
				   data[] = {NFT_T_IPV4, NFT_T_NONE};
	struct told t = told(*state, HOOK_PREROUTING);
	struct arena *a = t.x->a;
	struct packet p = a_request();
	struct nft_set *map =
		nft_set_new(a, NULL, NULL, SET_ANONYMOUS | SET_CONSTANT | SET_MAP, key, data, 0);
	struct nft_expr *random = arena_new_of(a, struct nft_expr);

	random->kind = EXPR_NUMGEN;
	random->mod = 2;
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t *e = nft_set_add(a, map, NOWHERE);

		memcpy(e, &i, 4);
		e[4] = 10;
		e[7] = 1 + i;
	}
	nft_nat(a, t.rule, true, IP_V4, nft_map_expr(a, random, map), false);
	assert_addr(walk(&t, &p)->first, "10.0.0.1");
	t.oracle.choose = last_way;
	assert_addr(walk(&t, &p)->first, "10.0.0.2");
	assert_int_equal(t.r.nat.port_first, 0);
}

static void test_masquerade_and_redirect(void **state)
{
	static const uint8_t port[2] = {0x1f, 0x90};
	struct told t = told(*state, HOOK_POSTROUTING);
	struct packet p = a_request();
	struct nft_stmt *s = vec_add(t.x->a, &t.rule->stmts);

	s->kind = STMT_MASQUERADE;
	s->nat_flags = NAT_FULLY_RANDOM;
	assert_int_equal(walk(&t, &p)->kind, WALK_NAT_MASQUERADE);
	assert_true(t.r.nat.random);
	s->kind = STMT_REDIRECT;
	s->nat_flags = 0;
	s->port = nft_value(t.x->a, NFT_T_PORT, port);
	assert_int_equal(walk(&t, &p)->kind, WALK_NAT_REDIRECT);
	assert_int_equal(t.r.nat.port_first, 8080);
	assert_int_equal(t.r.nat.first.family, IP_NONE);
	/* Without an oracle it is not even told. */
	t.x->w.oracle = NULL;
	walk_base_chain(&t.x->w, &t.base, &p, &t.r);
	assert_int_equal(t.r.verdict, WALK_ACCEPT);
	assert_int_equal(t.r.nat.kind, WALK_NAT_NONE);
}

/* ---- iptables ---- */

static const struct walk_nat *target(struct told *t, const char *name, uint32_t rev,
	const void *info, uint32_t len, const struct packet *p)
{
	t->rule->stmts.len = 0;
	add_xt(t->x, t->rule, true, name, rev, info, len);
	return walk(t, p);
}

static void test_oldest_layout(void **state)
{
	struct told t = told(*state, HOOK_PREROUTING);
	struct packet p = a_request();
	struct nf_nat_ipv4_multi_range_compat i = {.rangesize = 1,
		.range = {{.flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED,
			.min_ip = htonl(0x0a000001),
			.max_ip = htonl(0x0a000003),
			.min.all = htons(8080),
			.max.all = htons(8089)}}};
	const struct walk_nat *n = target(&t, "DNAT", 0, &i, sizeof(i), &p);

	assert_int_equal(n->kind, WALK_NAT_DESTINATION);
	assert_addr(n->first, "10.0.0.1");
	assert_addr(n->last, "10.0.0.3");
	assert_int_equal(n->port_first, 8080);
	assert_int_equal(n->port_last, 8089);
	n = target(&t, "SNAT", 0, &i, sizeof(i), &p);
	assert_int_equal(n->kind, WALK_NAT_SOURCE);
	i.range[0].flags = NF_NAT_RANGE_PROTO_RANDOM;
	n = target(&t, "MASQUERADE", 0, &i, sizeof(i), &p);
	assert_int_equal(n->kind, WALK_NAT_MASQUERADE);
	assert_int_equal(n->port_first, 0);
	assert_true(n->random);
	i.range[0].flags = NF_NAT_RANGE_MAP_IPS;
	i.range[0].min_ip = htonl(0x0a090000);
	i.range[0].max_ip = htonl(0x0a09ffff);
	n = target(&t, "NETMAP", 0, &i, sizeof(i), &p);
	assert_int_equal(n->kind, WALK_NAT_DESTINATION);
	assert_int_equal(n->prefix_len, 16);
	t.base.chain = nft_base_chain_new(t.x->a, t.x->t, "post", CHAIN_NAT, HOOK_POSTROUTING, 100);
	t.rule = rule_in(t.x, (struct nft_chain *)t.base.chain);
	assert_int_equal(target(&t, "NETMAP", 0, &i, sizeof(i), &p)->kind, WALK_NAT_SOURCE);
}

static void test_shifted_range(void **state)
{
	struct told t = told(*state, HOOK_PREROUTING);
	struct packet p = a_request();
	struct nf_nat_range2 i = {.flags = NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_OFFSET,
		.min_proto.all = htons(5000),
		.max_proto.all = htons(5100),
		.base_proto.all = htons(80)};
	const struct walk_nat *n = target(&t, "DNAT", 2, &i, sizeof(i), &p);

	assert_int_equal(n->port_first, 5000);
	assert_int_equal(n->port_last, 5100);
	assert_int_equal(n->port_base, 80);
	assert_int_equal(n->first.family, IP_NONE);
	p.family = IP_V6;
	i.flags = NF_NAT_RANGE_MAP_IPS;
	i.min_addr.in6.s6_addr[0] = i.max_addr.in6.s6_addr[0] = 0xfd;
	n = target(&t, "SNAT", 1, &i, sizeof(struct nf_nat_range), &p);
	assert_addr(n->first, "fd00::");
}

static void test_without_arguments(void **state)
{
	static const char *const names[] = {"DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"};
	struct told t = told(*state, HOOK_PREROUTING);
	struct packet p = a_request();

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct walk_nat *n = target(&t, names[i], 0, "", 1, &p);

		assert_int_equal(t.r.verdict, WALK_ACCEPT);
		assert_int_not_equal(n->kind, WALK_NAT_NONE);
		assert_true(n->addr_unknown || n->port_unknown);
	}
}

static void test_tproxy(void **state)
{
	struct told t = told(*state, HOOK_PREROUTING);
	struct packet p = a_request();
	struct xt_tproxy_target_info_v1 i = {
		.mark_mask = 0xff, .mark_value = 1, .lport = htons(50080)};
	struct net_listener *l;
	const struct walk_nat *n;

	((struct nft_chain *)t.base.chain)->type = CHAIN_FILTER;
	p.mark = 0x100;
	target(&t, "TPROXY", 1, &i, sizeof(i), &p); /* nobody listens, says the oracle */
	assert_int_equal(t.r.verdict, WALK_DROP);
	t.oracle.choose = last_way;
	n = target(&t, "TPROXY", 1, &i, sizeof(i), &p);
	assert_int_equal(t.r.verdict, WALK_ACCEPT);
	assert_int_equal(n->kind, WALK_NAT_TPROXY);
	assert_int_equal(n->port_first, 50080);
	assert_int_equal(n->first.family, IP_NONE);
	assert_int_equal(t.r.after.mark, 0x101);
	assert_true(t.x->trail.steps[0].did & DID_MARK);
	t.x->net.have |= HAVE_LISTENERS; /* now it is known, and is not asked */
	target(&t, "TPROXY", 1, &i, sizeof(i), &p);
	assert_int_equal(t.r.verdict, WALK_DROP);
	l = vec_add(t.x->a, &t.x->net.listeners);
	l->proto = PROTO_TCP;
	l->addr = addr("::");
	l->port = 50080;
	t.oracle.choose = first_way;
	target(&t, "TPROXY", 1, &i, sizeof(i), &p);
	assert_int_equal(t.r.verdict, WALK_ACCEPT);
	t.x->w.oracle = NULL;
	walk_base_chain(&t.x->w, &t.base, &p, &t.r);
	assert_int_equal(t.r.verdict, WALK_UNKNOWN);
}

/* nft's tproxy goes on with the next statement, and leaves the rule where nobody listens. */
static void test_nft_tproxy(void **state)
{
	static const uint8_t port[2] = {0xc3, 0xa0};
	const uint32_t one = 1;
	struct told t = told(*state, HOOK_PREROUTING);
	struct packet p = a_request();
	struct nft_stmt *s = vec_add(t.x->a, &t.rule->stmts);

	((struct nft_chain *)t.base.chain)->type = CHAIN_FILTER;
	s->kind = STMT_TPROXY;
	s->port = nft_value(t.x->a, NFT_T_PORT, port);
	nft_set_mark(t.x->a, t.rule, false, nft_value(t.x->a, NFT_T_MARK, &one));
	assert_int_equal(walk(&t, &p)->kind, WALK_NAT_NONE);
	assert_int_equal(t.r.after.mark, 0);
	t.oracle.choose = last_way;
	assert_int_equal(walk(&t, &p)->kind, WALK_NAT_TPROXY);
	assert_int_equal(t.r.nat.port_first, 50080);
	assert_int_equal(t.r.after.mark, 1);
}

/* ---- the order of nat chains ---- */

static void test_place_of_nat_chains(void **state)
{
	static const struct {
		const char *name;
		enum nft_chain_type type;
		int32_t prio;
	} chains[] = {
		{"raw", CHAIN_FILTER, -300},
		{"before", CHAIN_FILTER, -100}, /* there before the first nat chain: after it */
		{"nat late", CHAIN_NAT, 50},
		{"mangle", CHAIN_FILTER, -150},
		{"nat early", CHAIN_NAT, -190},
		{"after", CHAIN_FILTER, -100},
		{"filter", CHAIN_FILTER, 0},
		{"nat late too", CHAIN_NAT, 50},
	};
	static const char *const order[] = {"raw", "mangle", "after", "nat early", "nat late too",
		"nat late", "before", "filter"};
	struct walked *x = *state;
	struct walk_bases bases = {0};

	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++)
		nft_base_chain_new(x->a, x->t, chains[i].name, chains[i].type, HOOK_PREROUTING,
			chains[i].prio);
	walk_bases(x->a, &x->w, IP_V4, HOOK_PREROUTING, &bases);
	assert_int_equal(bases.items.len, 8);
	for (size_t i = 0; i < 8; i++)
		assert_string_equal(bases.items.items[i].chain->name, order[i]);
	assert_int_equal(walk_base_place(bases.items.items[3].chain), -100);
	assert_int_equal(walk_base_place(bases.items.items[0].chain), -300);
}

#define T(f) cmocka_unit_test_setup_teardown(f, walked_setup, walked_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_dnat_to_an_address),
		T(test_prefix),
		T(test_map),
		T(test_balanced),
		T(test_masquerade_and_redirect),
		T(test_oldest_layout),
		T(test_shifted_range),
		T(test_without_arguments),
		T(test_tproxy),
		T(test_nft_tproxy),
		T(test_place_of_nat_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
