/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rulesets as text. That nft takes the text and means the same by it is shown in kernel/test_nft.c;
 * here is what a person gets to see.
 */
#include "netstate_test.h"

static void test_table(void **state)
{
	static const char want[] =
		"table inet portreeve {\n"
		"	counter away1 {\n"
		"		packets 0 bytes 0\n"
		"	}\n"
		"\n"
		"	map listeners {\n"
		"		type inet_proto . ipv4_addr . inet_service : ipv4_addr . "
		"inet_service\n"
		"		size 100\n"
		"		elements = {\n"
		"			tcp . 1.1.1.1 . 80 comment \"web\" : 192.168.0.2 "
		". 8080,\n"
		"			udp . 1.1.1.1 . 53 : 192.168.0.2 . 53\n"
		"		}\n"
		"	}\n"
		"\n"
		"	set private {\n"
		"		type ipv4_addr\n"
		"		flags interval,timeout\n"
		"		timeout 90s\n"
		"		elements = {\n"
		"			10.0.0.0/8, 172.16.0.1-172.16.0.9, 192.168.0.1\n"
		"		}\n"
		"	}\n"
		"\n"
		"	chain prerouting {\n"
		"		type nat hook prerouting priority dstnat - 5; policy "
		"accept;\n"
		"		meta nfproto ipv4 meta l4proto { tcp, udp } dnat ip to "
		"meta l4proto . ip daddr . th dport map @listeners\n"
		"	}\n"
		"\n"
		"	chain guard {\n"
		"		type filter hook forward priority 65; policy drop;\n"
		"		counter name \"away1\" jump elsewhere comment \"why\"\n"
		"	}\n"
		"\n"
		"	chain elsewhere {\n"
		"	}\n"
		"}\n";
	struct arena *a = arena_new();
	struct nft_table *t = nft_table_new(a, FAMILY_INET, "portreeve");
	struct nft_counter *counter = vec_add(a, &t->counters);
	struct nft_set *map, *set, *protos;
	struct nft_chain *c;
	struct nft_rule *r;
	uint8_t *e;

	counter->name = "away1";
	map = nft_set_new(a, t, "listeners", 0, TYPES(NFT_T_PROTO, NFT_T_IPV4, NFT_T_PORT),
		TYPES(NFT_T_IPV4, NFT_T_PORT), 100);
	memcpy(nft_set_add(a, map, NOWHERE), "\x06\0\0\0\1\1\1\1\0\x50", 10);
	memcpy(nft_set_elem_data(map, 0), "\xc0\xa8\0\2\x1f\x90", 6);
	nft_set_comment(a, map, "web");
	memcpy(nft_set_add(a, map, NOWHERE), "\x11\0\0\0\1\1\1\1\0\x35", 10);
	memcpy(nft_set_elem_data(map, 1), "\xc0\xa8\0\2\0\x35", 6);
	set = nft_set_new(a, t, "private", SET_INTERVAL | SET_TIMEOUT, TYPES(NFT_T_IPV4), NULL, 0);
	set->timeout_ms = 90000;
	e = nft_set_add(a, set, NOWHERE);
	put_ip(e, "10.0.0.0");
	put_ip(e + 4, "10.255.255.255");
	e = nft_set_add(a, set, NOWHERE);
	put_ip(e, "172.16.0.1");
	put_ip(e + 4, "172.16.0.9");
	e = nft_set_add(a, set, NOWHERE);
	put_ip(e, "192.168.0.1");
	put_ip(e + 4, "192.168.0.1");

	c = nft_base_chain_new(a, t, "prerouting", CHAIN_NAT, HOOK_PREROUTING, -105);
	r = nft_rule_new(a, c, NOWHERE);
	nft_match_u8(a, r, nft_sel(a, SEL_META_NFPROTO), OP_EQ, 2);
	protos = nft_set_new(a, NULL, NULL, SET_ANONYMOUS, TYPES(NFT_T_PROTO), NULL, 0);
	*nft_set_add(a, protos, NOWHERE) = PROTO_TCP;
	*nft_set_add(a, protos, NOWHERE) = PROTO_UDP;
	nft_match_set(a, r, nft_sel(a, SEL_META_L4PROTO), OP_IN, protos);
	nft_nat(a, r, true, IP_V4,
		nft_map_expr(a,
			nft_concat(a,
				(struct nft_expr *[]){nft_sel(a, SEL_META_L4PROTO),
					nft_sel(a, SEL_IP_DADDR), nft_sel(a, SEL_TH_DPORT)},
				3),
			map),
		true);
	c = nft_base_chain_new(a, t, "guard", CHAIN_FILTER, HOOK_FORWARD, 65);
	c->policy_drop = true;
	r = nft_rule_new(a, c, NOWHERE);
	nft_count(a, r, "away1");
	nft_verdict(a, r, VERDICT_JUMP, "elsewhere");
	r->comment = "why";
	(void)nft_chain_new(a, t, "elsewhere");

	assert_prints(want, nft_print_table(out, t));
	arena_free(a);
}

static void match_u32(
	struct arena *a, const char *want, struct nft_expr *e, enum nft_op op, uint32_t value)
{
	struct nft_chain c = {0};
	struct nft_rule *r = nft_rule_new(a, &c, NOWHERE);

	nft_match_u32(a, r, e, op, value);
	assert_prints(want, nft_print_rule(out, r));
}

static void test_bits(void **state)
{
	struct arena *a = arena_new();

	match_u32(a, "ct state new", nft_sel(a, SEL_CT_STATE), OP_EQ, 8);
	match_u32(a, "ct state established,related", nft_sel(a, SEL_CT_STATE), OP_EQ, 6);
	match_u32(
		a, "ct state & (established | related) == 0x0", nft_sel(a, SEL_CT_STATE), OP_NE, 6);
	match_u32(a, "ct status dnat", nft_sel(a, SEL_CT_STATUS), OP_EQ, 32);
	match_u32(a, "ct status & dnat == 0x0", nft_sel(a, SEL_CT_STATUS), OP_NE, 32);
	match_u32(a, "ct status 0x800", nft_sel(a, SEL_CT_STATUS), OP_EQ, 0x800);
	match_u32(a, "ct mark & 0x7f000000 == 0x01000000",
		nft_masked32(a, SEL_CT_MARK, 0x7f000000, 0), OP_EQ, 0x1000000);
	match_u32(a, "meta mark & 0xff000000 != 0x00000000",
		nft_masked32(a, SEL_META_MARK, 0xff000000, 0), OP_NE, 0);
	match_u32(a, "meta mark 0x00000005", nft_sel(a, SEL_META_MARK), OP_EQ, 5);
	match_u32(a, "meta mark >= 0x00000005", nft_sel(a, SEL_META_MARK), OP_GE, 5);
	match_u32(a, "fib daddr type local", nft_sel(a, SEL_FIB_DADDR_TYPE), OP_EQ, 2);
	arena_free(a);
}

static void set_mark(struct arena *a, const char *want, uint32_t mask, uint32_t xor)
{
	struct nft_chain c = {0};
	struct nft_rule *r = nft_rule_new(a, &c, NOWHERE);

	nft_set_mark(a, r, false, nft_masked32(a, SEL_META_MARK, mask, xor));
	assert_prints(want, nft_print_rule(out, r));
}

static void test_masks(void **state)
{
	struct arena *a = arena_new();

	set_mark(a, "meta mark set meta mark & 0x00ffffff | 0x01000000", 0xffffff, 0x1000000);
	set_mark(a, "meta mark set meta mark & 0x00ffffff", 0xffffff, 0);
	set_mark(a, "meta mark set meta mark & 0x00ffffff ^ 0x00000001", 0xffffff, 1);
	set_mark(a, "meta mark set meta mark ^ 0x00000001", UINT32_MAX, 1);
	arena_free(a);
}

static void match_prefix(struct arena *a, const char *want, const char *mask, const char *value)
{
	struct nft_chain c = {0};
	struct nft_rule *r = nft_rule_new(a, &c, NOWHERE);
	struct nft_expr *e = nft_sel(a, SEL_IP_SADDR);
	struct ip_addr addr = ip(value);

	e->kind = EXPR_MASKED;
	put_ip(e->mask, mask);
	nft_match(a, r, e, OP_NE, addr.bytes, 4);
	assert_prints(want, nft_print_rule(out, r));
}

static void test_prefixes(void **state)
{
	struct arena *a = arena_new();

	match_prefix(a, "ip saddr != 10.0.0.0/8", "255.0.0.0", "10.0.0.0");
	match_prefix(a, "ip saddr != 10.16.0.0/13", "255.248.0.0", "10.16.0.0");
	match_prefix(a, "ip saddr != 0.0.0.0/0", "0.0.0.0", "0.0.0.0");
	match_prefix(a, "ip saddr & 255.0.0.255 != 10.0.0.1", "255.0.0.255", "10.0.0.1");
	match_prefix(a, "ip saddr & 255.0.0.0 != 10.0.0.1", "255.0.0.0", "10.0.0.1");
	arena_free(a);
}

static void test_names(void **state)
{
	struct arena *a = arena_new();
	struct nft_chain c = {0};
	struct nft_rule *r = nft_rule_new(a, &c, NOWHERE);

	nft_match_ifname(a, r, nft_sel(a, SEL_META_IIFNAME), OP_EQ, "eth0");
	nft_match(a, r, nft_sel(a, SEL_META_OIFNAME), OP_NE, "br", 2);
	nft_match_u8(a, r, nft_sel(a, SEL_META_L4PROTO), OP_EQ, 253);
	nft_match_u8(a, r, nft_sel(a, SEL_META_SECPATH), OP_EQ, 0);
	nft_match_u8(a, r, nft_sel(a, SEL_CT_DIRECTION), OP_EQ, 1);
	nft_match_u8(a, r, nft_sel(a, SEL_ICMP_TYPE), OP_EQ, 8);
	nft_match_u8(a, r, nft_sel(a, SEL_META_PKTTYPE), OP_EQ, 1);
	assert_prints("iifname \"eth0\" oifname != \"br*\" meta l4proto 253 meta secpath missing "
		      "ct direction reply icmp type echo-request meta pkttype broadcast",
		nft_print_rule(out, r));
	arena_free(a);
}

/* What rules do, with all there is to say. */
static void test_statements(void **state)
{
	struct arena *a = arena_new();
	struct nft_table *t = nft_table_new(a, FAMILY_INET, "t");
	struct nft_set *seen = nft_set_new(a, t, "seen", 0, TYPES(NFT_T_IPV4), NULL, 0);
	struct nft_expr *first = nft_value(a, NFT_T_IPV4, "\12\1\0\0"),
			*last = nft_value(a, NFT_T_IPV4, "\12\1\0\377"),
			*v6 = nft_value(a, NFT_T_IPV6, "\375\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"),
			*low = nft_value(a, NFT_T_PORT, "\0\5"),
			*high = nft_value(a, NFT_T_PORT, "\0\11"), *from = nft_sel(a, SEL_IP_SADDR);
	struct nft_expr generator = {
		.kind = EXPR_NUMGEN, .mod = 3, .offset = 7, .incremental = true};
	const struct {
		const char *want;
		struct nft_stmt s;
	} all[] = {
		{"dnat ip to 10.1.0.0-10.1.0.255:5-9 random,persistent",
			{.kind = STMT_NAT,
				.dnat = true,
				.nat_family = IP_V4,
				.expr = first,
				.expr_last = last,
				.port = low,
				.port_last = high,
				.nat_flags = NAT_RANDOM | NAT_PERSISTENT}},
		{"snat ip6 to [fd00::1]-[fd00::1]:5", {.kind = STMT_NAT,
							      .nat_family = IP_V6,
							      .expr = v6,
							      .expr_last = v6,
							      .port = low}},
		{"dnat ip prefix to 10.1.0.0/24", {.kind = STMT_NAT,
							  .dnat = true,
							  .nat_family = IP_V4,
							  .expr = first,
							  .expr_last = last,
							  .nat_flags = NAT_PREFIX}},
		{"masquerade to :5-9 fully-random", {.kind = STMT_MASQUERADE,
							    .port = low,
							    .port_last = high,
							    .nat_flags = NAT_FULLY_RANDOM}},
		{"tproxy to :5", {.kind = STMT_TPROXY, .port = low}},
		{"tproxy ip6 to [fd00::1]:5",
			{.kind = STMT_TPROXY, .nat_family = IP_V6, .expr = v6, .port = low}},
		{"meta priority set a:1",
			{.kind = STMT_SET,
				.selector = SEL_META_PRIORITY,
				.expr = nft_value(a, NFT_T_INTEGER, &(uint32_t){0xa0001})}},
		{"tcp option maxseg size set rt mtu", {.kind = STMT_SET,
							      .selector = SEL_TCP_MAXSEG,
							      .expr = nft_sel(a, SEL_RT_MTU)}},
		{"meta mark set numgen inc mod 3 offset 7",
			{.kind = STMT_SET_MARK, .expr = &generator}},
		{"update @seen { ip saddr timeout 90s limit rate over 5/second }",
			{.kind = STMT_SET_UPDATE,
				.update = UPDATE_UPDATE,
				.expr = from,
				.set = seen,
				.timeout_ms = 90000,
				.text = "limit rate over 5/second"}},
		{"flow add @fast", {.kind = STMT_FLOW_ADD, .chain = "fast"}},
		{"quota name \"much\"",
			{.kind = STMT_LIMIT, .chain = "much", .text = "quota 5 mbytes"}},
		{"queue to 5",
			{.kind = STMT_VERDICT, .verdict = VERDICT_QUEUE, .text = "queue to 5"}},
		{"ct helper set \"ftp\"", {.kind = STMT_HARMLESS, .text = "ct helper set \"ftp\""}},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct nft_chain c = {0};
		struct nft_rule *r = nft_rule_new(a, &c, NOWHERE);

		*nft_count(a, r, NULL) = all[i].s;
		assert_prints(all[i].want, nft_print_rule(out, r));
	}
	arena_free(a);
}

static void test_fields(void **state)
{
	struct arena *a = arena_new();
	struct nft_chain c = {0};
	struct nft_rule *r = nft_rule_new(a, &c, NOWHERE);
	struct nft_expr *flags = nft_sel(a, SEL_TCP_FLAGS),
			*original = nft_sel(a, SEL_CT_REPLY_SADDR);

	flags->kind = EXPR_MASKED;
	flags->mask[0] = 0x17;
	original->type = NFT_T_IPV4;
	nft_match_u8(a, r, flags, OP_EQ, 2);
	nft_match_u8(a, r, nft_sel(a, SEL_TCP_FLAGS), OP_NE, 0x12);
	nft_match(a, r, original, OP_EQ, "\1\2\3\4", 4);
	nft_match(a, r, nft_sel(a, SEL_CT_ZONE), OP_EQ, &(uint16_t){7}, 2);
	nft_match(a, r, nft_sel(a, SEL_IP_LENGTH), OP_GT, "\1\0", 2);
	nft_match(a, r, nft_sel(a, SEL_ETHER_TYPE), OP_EQ, "\206\335", 2);
	nft_match_u8(a, r, nft_sel(a, SEL_IP_DSCP), OP_EQ, 46);
	assert_prints(
		"tcp flags & (fin | syn | rst | ack) == syn tcp flags != (syn | ack) "
		"ct reply ip saddr 1.2.3.4 ct zone 7 ip length > 256 ether type ip6 ip dscp 0x2e",
		nft_print_rule(out, r));
	arena_free(a);
}

/* What nft must not take for something that it knows. */
static void test_unknown(void **state)
{
	struct arena *a = arena_new();
	struct nft_chain c = {0};
	struct nft_rule *r = nft_rule_new(a, &c, NOWHERE);
	struct nft_stmt *s = nft_count(a, r, NULL);

	s->kind = STMT_XT;
	s->xt.name = "conntrack";
	s = nft_count(a, r, NULL);
	s->kind = STMT_UNKNOWN;
	s->text = "quota";
	nft_count(a, r, NULL)->kind = STMT_LIMIT;
	assert_prints("<-m conntrack> <quota> <limit>", nft_print_rule(out, r));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
