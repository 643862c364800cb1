/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rulesets: when two rules or sets mean the same, and finding things by name. */
#include "netstate_test.h"

struct fixture {
	struct arena *a;
	struct nft_table *t;
	struct nft_chain *c;
};

static void begin(struct fixture *f)
{
	f->a = arena_new();
	f->t = nft_table_new(f->a, FAMILY_INET, "t");
	f->c = nft_chain_new(f->a, f->t, "c");
}

static struct nft_set *protos(struct fixture *f, const uint8_t *list, size_t n)
{
	struct nft_set *s =
		nft_set_new(f->a, NULL, NULL, SET_ANONYMOUS, TYPES(NFT_T_PROTO), NULL, 0);

	for (size_t i = 0; i < n; i++)
		*nft_set_add(f->a, s, NOWHERE) = list[i];
	return s;
}

#define OTHER_STATEMENTS 27

static struct nft_expr *number(struct fixture *f, enum nft_expr_kind kind, uint32_t mod)
{
	struct nft_expr *e = arena_new_of(f->a, struct nft_expr);

	e->kind = kind;
	e->mod = mod;
	return e;
}

/* A match on an address of conntrack, whose family is in the expression alone. */
static struct nft_expr *ct_address(struct fixture *f, enum nft_type type)
{
	struct nft_expr *e = nft_sel(f->a, SEL_CT_ORIGINAL_SADDR);

	e->type = type;
	return e;
}

static struct nft_stmt other_statement(struct fixture *f, unsigned int i)
{
	struct nft_set *set = nft_set_new(f->a, f->t, "s", 0, TYPES(NFT_T_IPV4), NULL, 0);
	struct nft_expr *a = nft_value(f->a, NFT_T_IPV4, "\1\1\1\1"),
			*b = nft_value(f->a, NFT_T_IPV4, "\1\1\1\2");
	struct nft_expr *inc = number(f, EXPR_NUMGEN, 2);
	struct nft_stmt all[OTHER_STATEMENTS] = {
		{.kind = STMT_NAT, .nat_family = IP_V4, .expr = a},
		{.kind = STMT_NAT, .nat_family = IP_V4, .expr = a, .expr_last = b},
		{.kind = STMT_NAT, .nat_family = IP_V4, .expr = a, .port = a},
		{.kind = STMT_NAT, .nat_family = IP_V4, .expr = a, .port = a, .port_last = b},
		{.kind = STMT_NAT, .nat_family = IP_V4, .expr = a, .nat_flags = NAT_RANDOM},
		{.kind = STMT_MASQUERADE},
		{.kind = STMT_MASQUERADE, .nat_flags = NAT_PERSISTENT},
		{.kind = STMT_REDIRECT, .port = a},
		{.kind = STMT_TPROXY, .port = a},
		{.kind = STMT_TPROXY, .port = a, .nat_family = IP_V4},
		{.kind = STMT_SET, .selector = SEL_IP_TTL, .expr = a},
		{.kind = STMT_SET, .selector = SEL_IP_TTL, .expr = b},
		{.kind = STMT_SET, .selector = SEL_META_PRIORITY, .expr = a},
		{.kind = STMT_SET, .text = "ct label", .expr = a},
		{.kind = STMT_SET_UPDATE, .set = set, .expr = a},
		{.kind = STMT_SET_UPDATE, .set = set, .expr = a, .update = UPDATE_DELETE},
		{.kind = STMT_SET_UPDATE, .set = set, .expr = a, .timeout_ms = 5},
		{.kind = STMT_SET_UPDATE, .set = set, .expr = a, .port = b},
		{.kind = STMT_SET_UPDATE, .set = set, .expr = a, .text = "ct count 5"},
		{.kind = STMT_FLOW_ADD, .chain = "f"},
		{.kind = STMT_FLOW_ADD, .chain = "g"},
		{.kind = STMT_LIMIT, .text = "limit rate 1/second"},
		{.kind = STMT_LIMIT, .text = "limit rate 1/second", .chain = "l"},
		{.kind = STMT_VERDICT, .verdict = VERDICT_QUEUE, .text = "queue to 5"},
		{.kind = STMT_VERDICT, .verdict = VERDICT_QUEUE, .text = "queue to 6"},
		{.kind = STMT_SET_MARK, .expr = number(f, EXPR_NUMGEN, 2)},
		{.kind = STMT_SET_MARK, .expr = inc},
	};

	inc->incremental = true;
	return all[i];
}

/* Rules that all differ, made anew at each call. */
static struct nft_rule rule_number(struct fixture *f, unsigned int i)
{
	static const uint8_t two[] = {PROTO_TCP, PROTO_UDP}, other[] = {PROTO_TCP, PROTO_SCTP};
	struct nft_set *map =
		nft_set_new(f->a, f->t, "m", 0, TYPES(NFT_T_IPV4), TYPES(NFT_T_IPV4), 0);
	struct nft_set *map2 =
		nft_set_new(f->a, f->t, "m2", 0, TYPES(NFT_T_IPV4), TYPES(NFT_T_IPV4), 0);
	struct nft_set *vmap = nft_set_new(
		f->a, NULL, NULL, SET_ANONYMOUS, TYPES(NFT_T_MARK), TYPES(NFT_T_VERDICT), 0);
	struct nft_chain scratch = {0};
	struct nft_rule *r = nft_rule_new(f->a, &scratch, NOWHERE);
	struct nft_expr *src = nft_sel(f->a, SEL_IP_SADDR);

	switch (i) {
	case 0:
		nft_match_ifname(f->a, r, nft_sel(f->a, SEL_META_IIFNAME), OP_EQ, "eth0");
		break;
	case 1:
		nft_match_ifname(f->a, r, nft_sel(f->a, SEL_META_IIFNAME), OP_EQ, "eth1");
		break;
	case 2:
		nft_match_ifname(f->a, r, nft_sel(f->a, SEL_META_OIFNAME), OP_EQ, "eth0");
		break;
	case 3:
		nft_match_ifname(f->a, r, nft_sel(f->a, SEL_META_IIFNAME), OP_NE, "eth0");
		break;
	case 4:
		nft_match_u32(f->a, r, nft_sel(f->a, SEL_CT_STATE), OP_EQ, 8);
		break;
	case 5: /* exactly */
		nft_match(f->a, r, nft_sel(f->a, SEL_CT_STATE), OP_EQ, &(uint32_t){8}, 4);
		break;
	case 6:
		nft_match_set(f->a, r, nft_sel(f->a, SEL_META_L4PROTO), OP_IN, protos(f, two, 2));
		break;
	case 7:
		nft_match_set(f->a, r, nft_sel(f->a, SEL_META_L4PROTO), OP_IN, protos(f, other, 2));
		break;
	case 8:
		nft_match_set(f->a, r, nft_sel(f->a, SEL_META_L4PROTO), OP_IN, protos(f, two, 1));
		break;
	case 9:
		nft_nat(f->a, r, true, IP_V4, nft_map_expr(f->a, src, map), false);
		break;
	case 10:
		nft_nat(f->a, r, false, IP_V4, nft_map_expr(f->a, src, map), false);
		break;
	case 11:
		nft_nat(f->a, r, true, IP_V4, nft_map_expr(f->a, src, map2), false);
		break;
	case 12:
		nft_nat(f->a, r, true, IP_V4, nft_map_expr(f->a, src, map), true);
		break;
	case 13:
		nft_set_mark(f->a, r, true, nft_masked32(f->a, SEL_CT_MARK, 0xff, 1));
		break;
	case 14:
		nft_set_mark(f->a, r, true, nft_masked32(f->a, SEL_CT_MARK, 0xff, 2));
		break;
	case 15:
		nft_set_mark(f->a, r, false, nft_masked32(f->a, SEL_CT_MARK, 0xff, 1));
		break;
	case 16:
		nft_verdict(f->a, r, VERDICT_JUMP, "a");
		break;
	case 17:
		nft_verdict(f->a, r, VERDICT_JUMP, "b");
		break;
	case 18:
		nft_verdict(f->a, r, VERDICT_DROP, NULL);
		break;
	case 19:
		nft_count(f->a, r, NULL);
		r->stmts.items[0].packets = (uint64_t)(uintptr_t)r; /* never the same twice */
		break;
	case 20:
		nft_count(f->a, r, "x");
		break;
	case 21:
		nft_count(f->a, r, NULL);
		nft_count(f->a, r, NULL);
		break;
	case 22:
		nft_count(f->a, r, "x");
		r->comment = "said";
		break;
	case 23: /* verdicts compare by the name of the chain, whatever its index */
		(void)nft_rule_new(f->a, f->c, NOWHERE);
		for (size_t n = 0; n < f->c->rules.len; n++)
			(void)nft_set_chain(f->a, vmap, arena_printf(f->a, "other%zu", n));
		(void)nft_set_add(f->a, vmap, NOWHERE);
		memcpy(nft_set_elem_data(vmap, 0),
			(int32_t[]){VERDICT_JUMP, (int32_t)nft_set_chain(f->a, vmap, "there")}, 8);
		nft_vmap(f->a, r, nft_sel(f->a, SEL_META_MARK), vmap);
		break;
	case 24:
		(void)nft_set_add(f->a, vmap, NOWHERE);
		memcpy(nft_set_elem_data(vmap, 0),
			(int32_t[]){VERDICT_JUMP, (int32_t)nft_set_chain(f->a, vmap, "elsewhere")},
			8);
		nft_vmap(f->a, r, nft_sel(f->a, SEL_META_MARK), vmap);
		break;
	case 25:
		nft_nat(f->a, r, false, IP_V4, nft_jhash(f->a, src, 2, 1), false);
		break;
	case 26:
		nft_nat(f->a, r, false, IP_V4, nft_jhash(f->a, src, 2, 2), false);
		break;
	case 27:
		nft_nat(f->a, r, false, IP_V4, nft_concat(f->a, (struct nft_expr *[]){src, src}, 2),
			false);
		break;
	case 28:
		nft_nat(f->a, r, false, IP_V4,
			nft_concat(f->a, (struct nft_expr *[]){src, src, src}, 3), false);
		break;
	case 29:
		nft_match(f->a, r, src, OP_RANGE, "\1\2\3\4", 4);
		break;
	case 30:
		nft_match(f->a, r, src, OP_RANGE, "\1\2\3\4", 4)->last[0] = 9;
		break;
	default:
		*nft_count(f->a, r, NULL) = other_statement(f, i - 31);
	}
	return *r;
}

#define RULES (31 + OTHER_STATEMENTS)

static void test_rule_equal(void **state)
{
	struct fixture f;

	begin(&f);
	for (unsigned int i = 0; i < RULES; i++) {
		for (unsigned int j = 0; j < RULES; j++) {
			struct nft_rule x = rule_number(&f, i), y = rule_number(&f, j);

			if (nft_rule_equal(&x, &y) != (i == j))
				fail_msg("rules %u and %u", i, j);
		}
	}
	arena_free(f.a);
}

static void test_anonymous_sets_have_no_order(void **state)
{
	static const uint8_t one[] = {6, 17, 132}, two[] = {132, 6, 17};
	struct nft_rule *x, *y;
	struct fixture f;

	begin(&f);
	x = nft_rule_new(f.a, f.c, NOWHERE);
	nft_match_set(f.a, x, nft_sel(f.a, SEL_META_L4PROTO), OP_IN, protos(&f, one, 3));
	y = nft_rule_new(f.a, nft_chain_new(f.a, f.t, "d"), NOWHERE);
	nft_match_set(f.a, y, nft_sel(f.a, SEL_META_L4PROTO), OP_IN, protos(&f, two, 3));
	assert_true(nft_rule_equal(x, y));
	y->stmts.items[0].set->name = "__set7";
	assert_true(nft_rule_equal(x, y));
	assert_int_equal(y->stmts.items[0].set->bytes[0], 132); /* it was not touched */
	arena_free(f.a);
}

/* What is not understood is equal to nothing: it must be written again rather than trusted. */
static void test_unknown_is_never_equal(void **state)
{
	struct nft_rule *x;
	struct fixture f;

	begin(&f);
	x = nft_rule_new(f.a, f.c, NOWHERE);
	nft_count(f.a, x, NULL)->kind = STMT_UNKNOWN;
	assert_false(nft_rule_equal(x, x));
	x->stmts.items[0].kind = STMT_XT;
	x->stmts.items[0].xt.name = "recent";
	assert_true(nft_rule_equal(x, x));
	x->stmts.items[0].xt.hollow = true; /* with arguments that were not said */
	assert_false(nft_rule_equal(x, x));
	arena_free(f.a);
}

static void test_family_of_conntrack(void **state)
{
	struct nft_rule *four, *six;
	struct fixture f;

	begin(&f);
	(void)nft_rule_new(f.a, f.c, NOWHERE);
	(void)nft_rule_new(f.a, f.c, NOWHERE);
	four = &f.c->rules.items[0];
	six = &f.c->rules.items[1];
	nft_match(f.a, four, ct_address(&f, NFT_T_IPV4), OP_EQ, "\1\2\3\4", 4);
	nft_match(f.a, six, ct_address(&f, NFT_T_IPV6), OP_EQ, "\1\2\3\4", 4);
	assert_true(nft_rule_equal(four, four));
	assert_false(nft_rule_equal(four, six));
	assert_int_equal(nft_expr_len(four->stmts.items[0].expr), 4);
	assert_int_equal(nft_expr_len(six->stmts.items[0].expr), 16);
	arena_free(f.a);
}

static void test_same_declaration(void **state)
{
	struct nft_set *s, *other;
	struct fixture f;

	begin(&f);
	s = nft_set_new(f.a, f.t, "s", 0, TYPES(NFT_T_IPV4), TYPES(NFT_T_MARK), 5);
#define OTHER(...) (other = nft_set_new(f.a, f.t, __VA_ARGS__))
	OTHER("s", 0, TYPES(NFT_T_IPV4), TYPES(NFT_T_MARK), 5);
	(void)nft_set_add(f.a, other, NOWHERE); /* elements are another matter */
	other->handle = 7;
	assert_true(nft_set_same_declaration(s, other));
	OTHER("s", 0, TYPES(NFT_T_IPV4), TYPES(NFT_T_MARK), 6);
	assert_false(nft_set_same_declaration(s, other));
	OTHER("s2", 0, TYPES(NFT_T_IPV4), TYPES(NFT_T_MARK), 5);
	assert_false(nft_set_same_declaration(s, other));
	OTHER("s", SET_INTERVAL, TYPES(NFT_T_IPV4), TYPES(NFT_T_MARK), 5);
	assert_false(nft_set_same_declaration(s, other));
	OTHER("s", 0, TYPES(NFT_T_MARK), TYPES(NFT_T_MARK), 5);
	assert_false(nft_set_same_declaration(s, other));
	OTHER("s", 0, TYPES(NFT_T_IPV4), TYPES(NFT_T_IPV4), 5);
	assert_false(nft_set_same_declaration(s, other));
	OTHER("s", 0, TYPES(NFT_T_IPV4, NFT_T_IPV4), TYPES(NFT_T_MARK), 5);
	assert_false(nft_set_same_declaration(s, other));
	OTHER("s", 0, TYPES(NFT_T_IPV4), NULL, 5);
	assert_false(nft_set_same_declaration(s, other));
#undef OTHER
	arena_free(f.a);
}

static void test_finding(void **state)
{
	struct nft_ruleset r = {0};
	struct nft_table *ip_table;
	struct fixture f;

	begin(&f);
	vec_push(f.a, &r.tables, f.t);
	ip_table = nft_table_new(f.a, FAMILY_IP, "t");
	vec_push(f.a, &r.tables, ip_table);
	assert_ptr_equal(nft_table_find(&r, FAMILY_INET, "t"), f.t);
	assert_ptr_equal(nft_table_find(&r, FAMILY_IP, "t"), ip_table);
	assert_null(nft_table_find(&r, FAMILY_IP6, "t"));
	assert_null(nft_table_find(&r, FAMILY_IP, "u"));
	assert_ptr_equal(nft_chain_find(f.t, "c"), f.c);
	assert_null(nft_chain_find(f.t, "d"));
	assert_null(nft_set_find_named(f.t, "c"));
	arena_free(f.a);
}

/* Every type of a selector has a length, a name and a number; bits are a state as a person means. */
static void test_tables_are_whole(void **state)
{
	for (unsigned int s = SEL_NONE + 1; s < SEL_COUNT_; s++) {
		assert_non_null(nft_selector_name(s));
		assert_true(nft_selector_len(s) > 0);
	}
	for (unsigned int t = NFT_T_NONE + 1; t < NFT_T_COUNT_; t++) {
		bool named = t != NFT_T_U8 && t != NFT_T_U16 && t != NFT_T_OTHER;

		assert_int_equal(nft_type_name(t) != NULL, named);
		assert_int_equal(nft_type_id(t) != 0, named);
		assert_int_equal(nft_type_len(t) > 0, t != NFT_T_OTHER && t != NFT_T_VERDICT);
	}
	assert_int_equal(nft_type_id(NFT_T_IPV4), 7);
	assert_string_equal(nft_type_name(NFT_T_PORT), "inet_service");
	assert_null(nft_type_name(NFT_T_OTHER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_equal),
		cmocka_unit_test(test_anonymous_sets_have_no_order),
		cmocka_unit_test(test_unknown_is_never_equal),
		cmocka_unit_test(test_family_of_conntrack),
		cmocka_unit_test(test_same_declaration),
		cmocka_unit_test(test_finding),
		cmocka_unit_test(test_tables_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
