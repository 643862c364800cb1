/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table that belongs to one process and outlives it: who may do what to it, and when. */
#include "netns.h"

#include "kernel/nft.h"

#define NEEDS_HOLD(k)                                                                              \
	do {                                                                                       \
		if (!kernel_nft_hold(k)) {                                                         \
			print_message("# SKIP: this kernel (before 6.9) has no such tables\n");    \
			kernel_close(k);                                                           \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

static int change(struct kernel *k, enum nft_change_kind kind, uint32_t flags)
{
	struct nft_change c = {.kind = kind,
		.family = FAMILY_INET,
		.table = PORTREEVE_TABLE,
		.table_flags = flags};
	struct nft_failure f;
	uint32_t after;

	return kernel_nft_commit(k, &c, 1, 0, &after, &f);
}

static int add_chain(struct kernel *k, const char *name)
{
	struct nft_chain chain = {.name = name};
	struct nft_change c = {.kind = NFT_ADD_CHAIN,
		.family = FAMILY_INET,
		.table = PORTREEVE_TABLE,
		.chain = &chain};
	struct nft_failure f;
	uint32_t after;

	return kernel_nft_commit(k, &c, 1, 0, &after, &f);
}

/* The table as it is; NULL: there is none. */
static const struct nft_table *look(struct kernel *k, struct arena *a)
{
	struct nft_ruleset *r = arena_new_of(a, struct nft_ruleset);
	struct kernel_error e = {0};

	ok(kernel_nft_observe_table(k, a, FAMILY_INET, PORTREEVE_TABLE, r, &e), e);
	return r->tables.len ? r->tables.items[0] : NULL;
}

static void test_trying_leaves_nothing(void **state)
{
	struct kernel_error e = {0};
	uint32_t before, after;
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	ok(kernel_nft_generation(k, &before, &e), e);
	NEEDS_HOLD(k);
	assert_int_equal(k->table_flags, PLAN_TABLE_HELD);
	ok(kernel_nft_generation(k, &after, &e), e);
	assert_int_equal(after, before);
	sh("test -z \"$(nft list tables)\"");
	setenv("PORTREEVE_HOLD", "no", 1);
	assert_false(kernel_nft_hold(k));
	assert_int_equal(k->table_flags, 0);
	unsetenv("PORTREEVE_HOLD");
	kernel_close(k);
}

static void test_nobody_else_can_change_it(void **state)
{
	struct kernel *k, *other;
	struct arena *a;

	NEEDS_NAMESPACE();
	a = arena_new();
	k = open_kernel();
	other = open_kernel();
	NEEDS_HOLD(k);
	ok(change(k, NFT_ADD_TABLE, PLAN_TABLE_HELD), (struct kernel_error){0});
	sh("nft add table ip theirs && nft flush ruleset && ! nft list tables | grep -q theirs");
	assert_non_null(look(k, a));
	sh("! nft delete table inet portreeve 2>/dev/null");
	sh("! nft add chain inet portreeve c 2>/dev/null");
	assert_int_equal(change(other, NFT_DEL_TABLE, 0), -EPERM);
	assert_int_equal(change(other, NFT_HOLD_TABLE, PLAN_TABLE_HELD), -EPERM);
	assert_int_equal(add_chain(k, "c"), 0);
	assert_int_equal(look(other, a)->chains.len, 1);
	kernel_close(other);
	kernel_close(k);
	arena_free(a);
}

static void test_it_outlives_its_owner_and_is_taken_over(void **state)
{
	struct kernel *k, *next;
	struct arena *a;

	NEEDS_NAMESPACE();
	a = arena_new();
	k = open_kernel();
	NEEDS_HOLD(k);
	ok(change(k, NFT_ADD_TABLE, PLAN_TABLE_HELD), (struct kernel_error){0});
	ok(add_chain(k, "c"), (struct kernel_error){0});
	kernel_close(k);

	next = open_kernel();
	assert_int_equal(look(next, a)->flags, PLAN_TABLE_HELD & ~0x2u); /* not the owner flag */
	assert_int_equal(look(next, a)->chains.len, 1);
	sh("nft add chain inet portreeve others");
	ok(change(next, NFT_HOLD_TABLE, PLAN_TABLE_HELD), (struct kernel_error){0});
	assert_int_equal(look(next, a)->flags, PLAN_TABLE_HELD);
	assert_int_equal(look(next, a)->chains.len, 2);
	sh("! nft add chain inet portreeve more 2>/dev/null && nft flush ruleset");
	assert_non_null(look(next, a));
	kernel_close(next);
	sh("nft delete table inet portreeve");
	arena_free(a);
}

/* Of other tables, and of others' large ones, nothing is read. */
static void test_only_our_table_is_looked_at(void **state)
{
	const struct nft_table *t;
	struct kernel *k;
	struct arena *a;

	NEEDS_NAMESPACE();
	a = arena_new();
	k = open_kernel();
	assert_null(look(k, a));
	sh("nft -f - <<'X'\n"
	   "table ip portreeve { chain c { type filter hook input priority 0; accept; }; }\n"
	   "table inet theirs { set s { type inet_service; elements = { 1, 2 }; }; chain c { "
	   "accept; "
	   "}; }\n"
	   "X");
	assert_null(look(k, a));
	sh("nft -f - <<'X'\n"
	   "table inet portreeve {\n"
	   "	counter n { }\n"
	   "	set s { type inet_service; elements = { 1, 2 }; }\n"
	   "	chain c { tcp dport { 3, 4, 5 } accept; counter name n; }\n"
	   "}\n"
	   "X");
	t = look(k, a);
	assert_int_equal(t->family, FAMILY_INET);
	assert_int_equal(t->counters.len, 1);
	assert_int_equal(t->chains.len, 1);
	assert_int_equal(t->chains.items[0]->rules.len, 2);
	assert_true(nft_set_find_named(t, "s")->flags & SET_INCOMPLETE);
	VEC_EACH (&t->sets, struct nft_set *, s)
		if ((*s)->flags & SET_ANONYMOUS)
			assert_int_equal((*s)->len, 3);
	kernel_close(k);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trying_leaves_nothing),
		cmocka_unit_test(test_nobody_else_can_change_it),
		cmocka_unit_test(test_it_outlives_its_owner_and_is_taken_over),
		cmocka_unit_test(test_only_our_table_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
