/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of others, loaded by their own tools, as we read them; and reading while they change. */
#include "nft_sample.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* What is said to nft, and how it reads. Angle brackets: only the kernel understands it. */
static const struct {
	const char *chain, *said, *read;
} rules[] = {
	{"in", "ct state vmap { established : accept, invalid : drop }",
		"ct state vmap { invalid : drop, established : accept }"},
	{"in", "ct state established,related accept", "ct state established,related accept"},
	{"in", "ct state != new drop", "ct state != new drop"},
	{"in", "ct state == new", "ct state == new"},
	{"in", "iif lo accept", "iif 1 accept"},
	{"in", "ip daddr 127.0.0.0/8 drop", "meta nfproto ipv4 ip daddr 127.0.0.0/8 drop"},
	{"in", "ip daddr != 10.16.0.0/12", "meta nfproto ipv4 ip daddr != 10.16.0.0/12"},
	{"in", "ip saddr & 0.0.0.255 == 5", "meta nfproto ipv4 ip saddr & 0.0.0.255 == 0.0.0.5"},
	{"in", "ip6 saddr fe80::/10", "meta nfproto ipv6 ip6 saddr fe80::/10"},
	{"in", "tcp dport { 80, 443 } accept", "meta l4proto tcp th dport { 80, 443 } accept"},
	{"in", "tcp dport @ports accept", "meta l4proto tcp th dport @ports accept"},
	{"in", "udp sport 53 udp dport != 1024-65535",
		"meta l4proto udp th sport 53 th dport != 1024-65535"},
	{"in", "th dport 1000-2000", "th dport 1000-2000"},
	{"in", "icmp type { echo-request, 13 }",
		"meta nfproto ipv4 meta l4proto icmp icmp type { echo-request, 13 }"},
	{"in", "icmpv6 type nd-neighbor-solicit",
		"meta nfproto ipv6 meta l4proto icmpv6 icmpv6 type nd-neighbor-solicit"},
	{"in", "ip6 saddr . tcp dport { fd00::1 . 22 }",
		"meta nfproto ipv6 meta l4proto tcp ip6 saddr . th dport { fd00::1 . 22 }"},
	{"in", "meta mark 1-5", "meta mark 0x00000001-0x00000005"},
	{"in", "meta mark vmap { 1-5 : accept }",
		"meta mark vmap { 0x00000001-0x00000005 : accept }"},
	{"in", "ct state . meta mark { new . 1 }", "ct state . meta mark { new . 0x00000001 }"},
	{"in", "meta pkttype { broadcast, multicast } drop",
		"meta pkttype { broadcast, multicast } drop"},
	{"in", "iifname { \"eth*\", \"lo\" } accept", "iifname { \"eth*\", \"lo\" } accept"},
	{"in", "ip saddr vmap { 10.0.0.0/8 : jump other, 192.0.0.0/2 : drop }",
		"meta nfproto ipv4 ip saddr vmap { 10.0.0.0/8 : jump other, 192.0.0.0/2 : drop }"},
	{"in", "meta mark set ip saddr map { 1.1.1.1 : 1 }",
		"meta nfproto ipv4 meta mark set ip saddr map { 1.1.1.1 : 0x00000001 }"},
	{"in", "meta mark set ct mark & 0xff | 0x100",
		"meta mark set ct mark & 0x000000ff | 0x00000100"},
	{"in", "limit rate 15/minute", "limit rate 15/minute burst 5 packets"},
	{"in", "log prefix \"x\" drop", "log prefix \"x\" drop"},
	{"in", "counter packets 5 bytes 100 reject", "counter packets 5 bytes 100 reject"},
	{"in", "goto other", "goto other"},
	{"in", "tcp flags & (fin|syn) == syn accept", "meta l4proto tcp <bitwise> 0x02 accept"},
	{"in", "meta skuid 0 drop", "<meta> 0x00000000 drop"},
	{"in", "ct original ip daddr 1.1.1.1", "<ct> 0x01010101"},
	{"in", "quota over 10 mbytes drop", "<quota> drop"},
	{"in", "ct count over 5 drop", "<connlimit> drop"},
	{"in", "add @dyn { ip saddr }", "meta nfproto ipv4 <dynset>"},
	{"in", "counter name ip saddr map @objects", "meta nfproto ipv4 <objref>"},
	{"in", "fib saddr . iif oif missing drop", "fib saddr . iif oif missing drop"},
	{"in", "meta mark set numgen inc mod 2", "meta mark set <numgen>"},
	{"in", "meta mark set meta mark << 4", "meta mark set <bitwise>"},
	{"in", "meta priority set 1:2", "<meta set>"},
	{"in", "ip daddr set 1.1.1.1", "meta nfproto ipv4 <payload set>"},
	{"pre", "iifname \"eth0\" tcp dport 80 dnat ip to 192.168.0.2:8080",
		"iifname \"eth0\" meta l4proto tcp th dport 80 dnat ip to 192.168.0.2:8080"},
	{"pre", "dnat ip to tcp dport map { 80 : 192.168.0.2 . 81 }",
		"meta l4proto tcp dnat ip to th dport map { 80 : 192.168.0.2 . 81 }"},
	{"pre", "dnat ip to 192.168.0.2-192.168.0.9", "dnat ip to <address range>"},
	{"pre", "tcp dport 5 dnat ip to 1.1.1.1:5-9",
		"meta l4proto tcp th dport 5 dnat ip to 1.1.1.1:<port range>"},
	{"pre", "tcp dport 22 redirect to :2222", "meta l4proto tcp th dport 22 redirect to :2222"},
	{"pre", "redirect", "redirect"},
	{"post", "oifname \"eth0\" masquerade", "oifname \"eth0\" masquerade"},
	{"post", "tcp dport 80 snat ip6 to [fd00::1]:5",
		"meta l4proto tcp th dport 80 snat ip6 to [fd00::1]:5"},
	{"post", "snat ip to numgen inc mod 2 map { 0 : 1.1.1.1 }",
		"snat ip to <numgen> map { 0 : 1.1.1.1 }"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool have(const char *tool)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", tool);
	if (system(command) == 0)
		return true;
	print_message("# SKIP: %s is not installed\n", tool);
	return false;
}

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
	size_t at[3] = {0};
	struct nft_ruleset seen;
	struct nft_table *t;
	struct kernel *k;
	struct arena *a;

	if (!have("nft"))
		skip();
	NEEDS_NAMESPACE();
	sh("nft -f - <<'X'\n"
	   "table inet f {\n"
	   "	counter total { }\n"
	   "	set ports { type inet_service; flags interval; elements = { 22, 80-90, 443 }; }\n"
	   "	map objects { type ipv4_addr : counter; elements = { 1.1.1.1 : \"total\" }; }\n"
	   "	set dyn { type ipv4_addr; flags dynamic,timeout; timeout 1m; }\n"
	   "	map ranges { type ipv4_addr : interval ipv4_addr; flags interval;\n"
	   "		elements = { 1.1.1.1 : 10.0.0.1-10.0.0.5 }; }\n"
	   "	set any { type ipv4_addr; elements = { 1.1.1.1, * }; }\n"
	   "	chain other { }\n"
	   "	chain in { type filter hook input priority filter + 5; policy drop; }\n"
	   "	chain pre { type nat hook prerouting priority dstnat; }\n"
	   "	chain post { type nat hook postrouting priority srcnat; }\n"
	   "}\nX");
	for (size_t i = 0; i < COUNT(rules); i++)
		sh("nft 'add rule inet f %s %s'", rules[i].chain, rules[i].said);
	k = open_kernel();
	a = arena_new();
	observe(k, a, true, &seen);
	t = nft_table_find(&seen, FAMILY_INET, "f");
	assert_non_null(t);
	for (size_t i = 0; i < COUNT(rules); i++) {
		size_t which = rules[i].chain[0] == 'i' ? 0 : rules[i].chain[1] == 'r' ? 1 : 2;

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
	assert_reads(c, 1, "<xt match conntrack> counter accept");
	match = &c->rules.items[1].stmts.items[0];
	assert_int_equal(match->kind, STMT_XT);
	assert_false(match->xt.target);
	assert_true(match->xt.info_len > 0);
	t = nft_table_find(&seen, FAMILY_IP, "nat");
	assert_reads(nft_chain_find(t, "PREROUTING"), 0,
		"iifname \"eth0\" meta l4proto tcp th dport 80 counter <xt target DNAT>");
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
