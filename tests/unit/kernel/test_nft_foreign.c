/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of others, loaded by their own tools, as we read them; and reading while they change. */
#include "foreign_rules.h"
#include "nft_sample.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void assert_reads(const struct nft_chain *c, size_t i, const char *want)
{
	struct strbuf text = STRBUF_INIT;

	assert_non_null(c);
	assert_true(i < c->rules.len);
	nft_print_rule(&text, &c->rules.items[i]);
	assert_string_equal(strbuf_str(&text), want);
	strbuf_fini(&text);
}

static void test_rules_of_nft(void **state)
{
	size_t at[COUNT(foreign_chains)] = {0};
	struct nft_ruleset seen;
	struct nft_table *t;
	struct kernel *k;
	struct arena *a;

	if (!have("nft"))
		skip();
	NEEDS_NAMESPACE();
	load_foreign_rules();
	k = open_kernel();
	a = arena_new();
	observe(k, a, true, &seen);
	t = nft_table_find(&seen, FAMILY_INET, "f");
	assert_non_null(t);
	for (size_t i = 0; i < COUNT(rules); i++) {
		size_t which = 0;

		while (strcmp(foreign_chains[which], rules[i].chain) != 0)
			which++;
		assert_reads(nft_chain_find(t, rules[i].chain), at[which]++, rules[i].read);
	}
	assert_true(nft_chain_find(t, "in")->policy_drop);
	assert_int_equal(nft_chain_find(t, "in")->prio, 5);
	assert_int_equal(nft_set_find_named(t, "ports")->len, 3);
	assert_true(nft_set_find_named(t, "objects")->flags & SET_OBJECTS);
	assert_true(nft_set_find_named(t, "any")->flags & SET_INCOMPLETE);
	assert_int_equal(nft_set_find_named(t, "ranges")->data[0].type, NFT_T_OTHER);
	assert_int_equal(nft_set_find_named(t, "dyn")->timeout_ms, 60000);
	observe(k, a, false, &seen); /* without the elements, it says so */
	t = nft_table_find(&seen, FAMILY_INET, "f");
	assert_int_equal(nft_set_find_named(t, "ports")->len, 0);
	assert_true(nft_set_find_named(t, "ports")->flags & SET_INCOMPLETE);
	assert_reads(nft_chain_find(t, "in"), 0, rules[0].read);
	arena_free(a);
	kernel_close(k);
}

static void test_other_families(void **state)
{
	struct nft_ruleset seen;
	struct nft_table *t;
	struct kernel *k;
	struct arena *a;

	if (!have("nft"))
		skip();
	NEEDS_NAMESPACE();
	sh("nft -f - <<'X'\n"
	   "table netdev d { chain c { type filter hook ingress device lo priority 7; drop; }; }\n"
	   "table arp p { chain c { type filter hook output priority 0; accept; }; }\n"
	   "table bridge b { chain c { type filter hook forward priority 0; accept; }; }\n"
	   "table ip6 s { chain c { type filter hook input priority 0; ip6 daddr ::1 drop; }; }\n"
	   "X");
	k = open_kernel();
	a = arena_new();
	observe(k, a, true, &seen);
	assert_int_equal(seen.tables.len, 4);
	t = nft_table_find(&seen, FAMILY_NETDEV, "d");
	assert_int_equal(nft_chain_find(t, "c")->hook, HOOK_INGRESS);
	assert_int_equal(nft_chain_find(t, "c")->prio, 7);
	t = nft_table_find(&seen, FAMILY_ARP, "p");
	assert_int_equal(nft_chain_find(t, "c")->hook, HOOK_OUTPUT);
	t = nft_table_find(&seen, FAMILY_BRIDGE, "b");
	assert_int_equal(nft_chain_find(t, "c")->hook, HOOK_FORWARD);
	t = nft_table_find(&seen, FAMILY_IP6, "s");
	assert_reads(nft_chain_find(t, "c"), 0, "ip6 daddr ::1 drop");
	arena_free(a);
	kernel_close(k);
}

static void test_rules_of_iptables(void **state)
{
	const struct nft_stmt *match;
	struct nft_ruleset seen;
	struct nft_chain *c;
	struct nft_table *t;
	struct kernel *k;
	struct arena *a;

	if (!have("iptables-nft"))
		skip();
	NEEDS_NAMESPACE();
	sh("iptables-nft -P FORWARD DROP");
	sh("iptables-nft -A FORWARD -i br+ ! -o br0 -p tcp --dport 1:100 -j DROP");
	sh("iptables-nft -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT");
	sh("iptables-nft -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to 192.168.0.2");
	k = open_kernel();
	a = arena_new();
	observe(k, a, true, &seen);
	t = nft_table_find(&seen, FAMILY_IP, "filter");
	c = nft_chain_find(t, "FORWARD");
	assert_true(c->policy_drop);
	assert_reads(c, 0,
		"iifname \"br*\" oifname != \"br0\" meta l4proto tcp th dport 1-100 counter drop");
	assert_reads(c, 1, "<-m conntrack --ctstate ESTABLISHED> counter accept");
	match = &c->rules.items[1].stmts.items[0];
	assert_int_equal(match->kind, STMT_XT);
	assert_false(match->xt.target);
	assert_true(match->xt.info_len > 0);
	t = nft_table_find(&seen, FAMILY_IP, "nat");
	assert_reads(nft_chain_find(t, "PREROUTING"), 0,
		"iifname \"eth0\" meta l4proto tcp th dport 80 counter <-j DNAT --to-destination "
		"192.168.0.2>");
	arena_free(a);
	kernel_close(k);
}

/* Swap table "one" for "two" and back, each with the other's worth of rules, for ever. */
static _Noreturn void swap_tables(void)
{
	struct sample one, two;
	struct nft_change del = {.kind = NFT_DEL_TABLE, .family = FAMILY_INET};
	struct kernel *k = open_kernel();

	sample_init(&one, "one");
	sample_init(&two, "two");
	del.table = "one";
	vec_push(two.a, &two.changes, del);
	del.table = "two";
	commit(k, &one, 0);
	vec_push(one.a, &one.changes, del);
	for (;;) {
		commit(k, &two, 0);
		commit(k, &one, 0);
		usleep(2000);
	}
}

/* However often tables are swapped, a picture has one of them and all of it. */
static void test_reading_while_it_changes(void **state)
{
	struct kernel_error e;
	struct nft_ruleset seen;
	unsigned int good = 0, tries = 0;
	struct sample s;
	struct kernel *k;
	pid_t child;
	int status;

	NEEDS_NAMESPACE();
	fflush(NULL);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also where this test fails */
		swap_tables();
	}
	k = open_kernel();
	sample_init(&s, "whatever");
	for (unsigned int i = 0; i < 1000 && good < 30; i++) {
		struct arena *a = arena_new();
		int err = kernel_nft_observe(k, a, true, &seen, &e);

		assert_true(err == 0 || err == -EINTR);
		if (!err && seen.tables.len) {
			assert_int_equal(seen.tables.len, 1);
			assert_same_table(s.t, seen.tables.items[0]);
			good++;
		} else if (!err) { /* it has not begun */
			usleep(1000);
		}
		tries++;
		arena_free(a);
	}
	assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* still at it */
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	assert_int_equal(good, 30);
	print_message("# %u pictures in %u tries\n", good, tries);
	sample_fini(&s);
	kernel_close(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_of_nft),
		cmocka_unit_test(test_other_families),
		cmocka_unit_test(test_rules_of_iptables),
		cmocka_unit_test(test_reading_while_it_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
