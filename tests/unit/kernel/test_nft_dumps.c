/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nft lists of a ruleset, read as a dump, is the ruleset that the kernel has. */
#include "foreign_rules.h"
#include "nft_sample.h"

#include "netstate/dump/dump.h"

/* Rules besides those of foreign_rules.h, for tables of other families too. */
static const struct {
	const char *family, *chain, *said;
} more_rules[] = {
	{"ip", "in", "tcp dport 80 accept"},
	{"ip", "in", "icmp type echo-request counter"},
	{"ip", "in", "reject"},
	{"ip", "in", "reject with icmp type port-unreachable"},
	{"ip", "in", "ip saddr 10.0.0.0/8 ip daddr 10.0.0.1-10.0.0.9 drop"},
	{"ip", "in", "ip saddr { 10.0.0.0/8, 192.168.0.0/16, 1.1.1.1 } accept"},
	{"ip", "in", "tcp dport { 22, 80-90, 443 } ct state new accept comment \"it's \\ ok\""},
	{"ip", "in", "ip saddr 1.1.1.1 meta l4proto tcp"},
	{"ip", "in", "ct original saddr 1.1.1.1"},
	{"ip", "in", "ct original ip saddr { 1.1.1.1, 2.2.2.2 }"},
	{"ip", "in", "meta mark & 0xff == 1 meta mark set meta mark & 0xffffff00 | 0x2"},
	{"ip", "in", "meta mark { 1, 5-9, 0x100 }"},
	{"ip", "in", "meta mark != 0 ct mark set meta mark"},
	{"ip", "in", "meta mark 0 ct mark != 0 meta mark set ct mark & 0xff00"},
	{"ip", "in", "ct mark set ct mark | 0x10"},
	{"ip", "in", "ct mark set ct mark ^ 0x10"},
	{"ip", "in", "ip daddr . tcp dport @pairs accept"},
	{"ip", "in", "ip daddr vmap @verdicts"},
	{"ip", "in", "meta mark set ip saddr map @marks"},
	{"ip", "in", "iifname . meta mark { \"eth0\" . 5 }"},
	{"ip", "in", "iifname != \"eth0\" oifname \"ppp*\" drop"},
	{"ip", "in",
		"iifname vmap { \"eth0\" : jump other, \"wan*\" : goto other, \"lo\" : accept }"},
	{"ip", "in", "meta mark . ct state vmap { 1 . new : drop, 2 . established : accept }"},
	{"ip", "in", "tcp dport vmap { 22 : accept, 80-90 : drop, 443 : jump other }"},
	{"ip", "in", "fib saddr type { local, broadcast } drop"},
	{"ip", "in", "fib daddr type != local drop"},
	{"ip", "in", "fib saddr . mark oif exists"},
	{"ip", "in", "tcp flags & (syn | rst) == (syn | rst) drop"},
	{"ip", "in", "tcp flags syn,ack / fin,syn,rst,ack accept"},
	{"ip", "in", "tcp flags != syn / fin,syn,rst,ack drop"},
	{"ip", "in", "meta pkttype multicast"},
	{"ip", "in", "ip protocol { tcp, udp, icmp } accept"},
	{"ip", "in", "ip protocol != tcp"},
	{"ip", "in", "ip dscp { cs1, af11 } drop"},
	{"ip", "in", "meta length <= 100 ip length 20-100"},
	{"ip", "in", "numgen random mod 2 vmap { 0 : accept, 1 : drop }"},
	{"ip", "in", "jhash ip saddr . tcp dport mod 4 seed 0xdead vmap { 0-1 : accept }"},
	{"ip", "in", "log prefix \"a, b: { \" group 2 accept"},
	{"ip", "in", "log level info flags ip options"},
	{"ip", "in", "limit rate 10/second burst 20 packets accept"},
	{"ip", "in", "ip saddr . ip daddr { 10.0.0.0/8 . 1.1.1.1, 1.1.1.1 . 2.2.2.2-2.2.2.9 }"},
	{"ip", "in", "ct status { snat, dnat }"},
	{"ip", "in", "meta l4proto 6-17"},
	{"ip", "in", "ct direction original ct protocol { tcp, udp }"},
	{"ip", "in", "return"},
	{"ip", "pre", "dnat to 1.1.1.1"},
	{"ip", "pre", "dnat to 10.0.0.0/24"},
	{"ip", "pre", "tcp dport 80 dnat to 1.1.1.1:8080 random,persistent"},
	{"ip", "pre", "tcp dport 80 dnat to :8080"},
	{"ip", "pre", "dnat to ip daddr map { 1.1.1.1 : 10.0.0.1, 2.2.2.2 : 10.0.0.2 }"},
	{"ip", "pre", "dnat to ip daddr . tcp dport map { 1.1.1.1 . 80 : 10.0.0.1 . 8080 }"},
	{"ip", "pre", "dnat to ip daddr . tcp dport map @ports"},
	{"ip", "pre", "tcp dport 1 dnat to 10.0.0.1:tcp dport map { 80 : 8080 }"},
	{"ip", "pre", "tcp dport 80 redirect to :80-90 persistent"},
	{"ip", "pre", "tcp dport 80 redirect to :tcp dport map { 80 : 8080 }"},
	{"ip", "pre", "meta l4proto { tcp, udp } th dport 53 redirect to :5353"},
	{"ip", "pre", "dnat to jhash ip saddr mod 2 map { 0 : 1.1.1.1, 1 : 2.2.2.2 }"},
	{"ip", "post", "snat to 1.1.1.1-1.1.1.9 fully-random"},
	{"ip", "post", "ip saddr 10.0.0.0/8 ip daddr != 10.0.0.0/8 masquerade persistent"},
	{"ip", "post", "ct status dnat ip saddr 10.0.0.0/8 snat to 10.0.0.1"},
	{"ip", "post", "oifname { \"eth0\", \"eth1\" } masquerade"},
	{"ip6", "in", "icmpv6 type { echo-request, nd-neighbor-solicit } accept"},
	{"ip6", "in", "ip6 saddr fe80::/10 ip6 daddr != fd00::1 drop"},
	{"ip6", "in", "ip6 saddr { fd00::1-fd00::9, 2001:db8::/32 } accept"},
	{"ip6", "in", "meta l4proto ipv6-icmp accept"},
	{"ip6", "in", "udp sport 547 udp dport 546 accept"},
	{"ip6", "in", "reject"},
	{"ip6", "in", "ip6 hoplimit 255 icmpv6 type nd-redirect"},
	{"ip6", "in", "ct reply saddr fd00::1"},
	{"ip6", "in", "ip6 nexthdr vmap { tcp : accept, udp : drop }"},
	{"ip6", "pre", "tcp dport 80 dnat to [fd00::1]:8080"},
	{"ip6", "pre", "dnat to fd00::1-fd00::9"},
	{"ip6", "pre", "dnat to ip6 daddr map { fd00::1 : fd00::2 }"},
	{"ip6", "pre", "tcp dport 80 dnat to [fd00::1]-[fd00::9]:80-90"},
	{"ip6", "post", "snat to fd00::1"},
	{"ip6", "post", "masquerade"},
	{"inet", "in", "tcp dport 22 ip saddr 1.1.1.1 accept"},
	{"inet", "in", "meta nfproto ipv4 tcp dport 22"},
	{"inet", "in", "meta nfproto { ipv4, ipv6 } accept"},
	{"inet", "in", "iifname . ip daddr . tcp dport { \"eth0\" . 1.1.1.1 . 80 } accept"},
	{"inet", "in", "meta l4proto . th dport { tcp . 80, udp . 53 } accept"},
	{"inet", "in", "meta l4proto icmp accept"},
	{"inet", "in", "ip protocol icmp icmp type echo-request limit rate 5/second accept"},
	{"inet", "in", "ip6 nexthdr ipv6-icmp accept"},
	{"inet", "in", "sctp dport 5060 accept"},
	{"inet", "in", "udplite dport 5060"},
	{"inet", "in", "ct state established,related ct status & dnat == dnat accept"},
	{"inet", "in", "ip saddr @addresses drop"},
	{"inet", "in", "add @seen { ip saddr . tcp dport timeout 30s counter }"},
	{"inet", "in", "meta protocol ip6 drop"},
	{"inet", "in", "ip saddr 1.1.1.1 reject"},
	{"inet", "pre", "dnat ip to 1.1.1.1"},
	{"inet", "pre", "dnat ip to ip daddr . tcp dport map { 1.1.1.1 . 80 : 2.2.2.2 . 81 }"},
	{"inet", "pre",
		"dnat ip addr . port to ip daddr . tcp dport map { 1.1.1.1 . 80 : 2.2.2.2 . 81 }"},
	{"inet", "pre", "ip daddr 1.1.1.1 udp dport 53 dnat to 2.2.2.2:5353"},
	{"inet", "pre", "ip6 daddr fd00::5 tcp dport 80 dnat ip6 to [fd00::1]:8080"},
	{"inet", "post",
		"snat ip to ip saddr map { 10.0.0.0/24 : 1.1.1.1, 10.0.1.0/24 : 2.2.2.2 }"},
	{"inet", "post", "ip saddr 10.0.0.0/8 oifname != \"eth0\" masquerade"},
};

static void load_more_rules(void)
{
	static const char *const families[] = {"ip", "ip6", "inet"};
	FILE *f = popen("nft -f -", "w");

	assert_non_null(f);
	for (size_t i = 0; i < COUNT(families); i++) {
		const char *chain = "add chain";
		const char *name = families[i];

		fprintf(f, "add table %s more\n", name);
		fprintf(f, "%s %s more other\n", chain, name);
		fprintf(f, "%s %s more in { type filter hook forward priority -5; policy drop; }\n",
			chain, name);
		fprintf(f, "%s %s more pre { type nat hook prerouting priority dstnat - 10; }\n",
			chain, name);
		fprintf(f, "%s %s more post { type nat hook postrouting priority 90; }\n", chain,
			name);
	}
	fprintf(f, "add set ip more pairs { type ipv4_addr . inet_service; flags interval;\n"
		   " elements = { 10.0.0.0/8 . 80, 1.1.1.1 . 80-90 }; }\n"
		   "add map ip more verdicts { type ipv4_addr : verdict; flags interval;\n"
		   " elements = { 10.0.0.0/8 : jump other, 1.1.1.1 comment \"x y\" : drop }; }\n"
		   "add map ip more marks { type ipv4_addr : mark; elements = { 1.1.1.1 : 5 }; }\n"
		   "add map ip more ports { type ipv4_addr . inet_service : ipv4_addr . "
		   "inet_service;\n"
		   " elements = { 1.1.1.1 . 80 : 10.0.0.1 . 8080 }; }\n"
		   "add set inet more addresses { typeof ip saddr; flags interval; auto-merge;\n"
		   " elements = { 10.0.0.0/8, 11.0.0.0/8, 1.1.1.1-1.1.1.9, 255.0.0.0/8 }; }\n"
		   "add set inet more seen { type ipv4_addr . inet_service; size 100;\n"
		   " flags dynamic,timeout; timeout 1h; }\n"
		   "add set inet more marks { type mark; flags interval; elements = { 1, 3-9 }; }\n"
		   "add set inet more names { type ifname; flags interval;\n"
		   " elements = { \"eth*\", \"lo\" }; }\n");
	for (size_t i = 0; i < COUNT(more_rules); i++)
		fprintf(f, "add rule %s more %s %s\n", more_rules[i].family, more_rules[i].chain,
			more_rules[i].said);
	assert_int_equal(pclose(f), 0);
}

/* The output of a command, in memory of just its size. */
static struct dump_file output_of(const char *command, const char *name)
{
	struct strbuf text = STRBUF_INIT;
	struct dump_file out = {.name = name};
	char buf[4096], *copy;
	FILE *f = popen(command, "r");
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_addn(&text, buf, n);
	assert_int_equal(pclose(f), 0);
	copy = malloc(text.len + 1);
	memcpy(copy, strbuf_str(&text), text.len);
	out.text = copy;
	out.len = text.len;
	strbuf_fini(&text);
	return out;
}

/* nft merges neighbouring fields into one comparison: their order is then another. And what the kernel
 * does not tell is not compared. */
static bool is_exception(const struct nft_rule *seen, const char *text)
{
	static const char *const merged[] = {
		"ether saddr 00:11:22:33:44:55 ether daddr", "ip protocol tcp ip ttl 5"};

	for (size_t i = 0; i < COUNT(merged); i++) {
		if (strstr(text, merged[i]))
			return true;
	}
	VEC_EACH (&seen->stmts, struct nft_stmt, s) {
		if (s->kind == STMT_UNKNOWN || (s->expr && s->expr->kind == EXPR_UNKNOWN))
			return true;
	}
	return strstr(text, "ct label set") || strstr(text, "ct event set");
}

static unsigned int different;

static void compare_rules(const char *how, const struct nft_rule *seen, const struct nft_rule *read)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;

	assert_non_null(read->text);
	assert_int_equal(seen->handle, read->handle);
	if (nft_rule_equal(seen, read) || is_exception(seen, read->text))
		return;
	nft_print_rule(&a, seen);
	nft_print_rule(&b, read);
	/* nft compares four bytes with whether there is a route, where the answer has one. */
	if (strstr(read->text, "fib ") && strcmp(strbuf_str(&a), strbuf_str(&b)) == 0) {
		strbuf_fini(&a);
		strbuf_fini(&b);
		return;
	}
	print_error("%s: %s\n  kernel: %s\n  read:   %s\n", how, read->text, strbuf_str(&a),
		strbuf_str(&b));
	strbuf_fini(&a);
	strbuf_fini(&b);
	different++;
}

static void compare_sets(const char *how, const struct nft_set *seen, const struct nft_set *read)
{
	assert_non_null(read);
	if (!nft_set_same_declaration(seen, read)) {
		print_error("%s: set %s is declared otherwise\n", how, seen->name);
		different++;
		return;
	}
	if (seen->flags & (SET_OBJECTS | SET_INCOMPLETE))
		return;
	if (seen->len != read->len || read->flags & SET_INCOMPLETE ||
		(seen->len &&
			memcmp(seen->bytes, read->bytes, seen->len * nft_set_keys_len(seen)) &&
			!(seen->flags & SET_MAP))) {
		print_error("%s: set %s has other elements\n", how, seen->name);
		different++;
	}
	for (size_t i = 0; i < seen->len && i < read->len; i++)
		assert_memory_equal(
			nft_set_elem(seen, i), nft_set_elem(read, i), nft_set_keys_len(seen));
}

static void compare(const char *how, const struct nft_ruleset *seen, const struct nft_ruleset *read)
{
	assert_int_equal(seen->tables.len, read->tables.len);
	VEC_EACH (&seen->tables, struct nft_table *, t) {
		struct nft_table *u = nft_table_find(read, (*t)->family, (*t)->name);

		assert_non_null(u);
		assert_int_equal((*t)->handle, u->handle);
		assert_int_equal((*t)->chains.len, u->chains.len);
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			struct nft_chain *d = nft_chain_find(u, (*c)->name);

			assert_non_null(d);
			assert_int_equal((*c)->base, d->base);
			assert_int_equal((*c)->type, d->type);
			assert_int_equal((*c)->hook, d->hook);
			assert_int_equal((*c)->prio, d->prio);
			assert_int_equal((*c)->policy_drop, d->policy_drop);
			assert_int_equal((*c)->handle, d->handle);
			assert_int_equal((*c)->rules.len, d->rules.len);
			for (size_t i = 0; i < (*c)->rules.len; i++)
				compare_rules(how, &(*c)->rules.items[i], &d->rules.items[i]);
		}
		VEC_EACH (&(*t)->sets, struct nft_set *, s) {
			if (!((*s)->flags & SET_ANONYMOUS))
				compare_sets(how, *s, nft_set_find_named(u, (*s)->name));
		}
		assert_int_equal((*t)->counters.len, u->counters.len);
	}
}

static void read_and_compare(const char *command, const char *name,
	void (*reader)(struct dump *d, const struct dump_file *f), const struct nft_ruleset *seen)
{
	struct dump_file file = output_of(command, name);
	struct netstate net = {0};
	struct dump d = {.arena = arena_new(), .out = &net};
	struct net_link *lo = vec_add(d.arena, &net.links);

	lo->name = "lo";
	lo->index = 1;
	reader(&d, &file);
	assert_true(net.have & HAVE_NFT);
	compare(name, seen, &net.ruleset);
	arena_free(d.arena);
	free((char *)file.text);
}

static void test_listings(void **state)
{
	struct nft_ruleset seen;
	struct kernel_error e;
	struct kernel *k;
	struct arena *a;

	if (!have("nft"))
		skip();
	NEEDS_NAMESPACE();
	sh("ip link set lo up");
	load_foreign_rules();
	load_more_rules();
	k = open_kernel();
	a = arena_new();
	ok(kernel_nft_observe(k, a, true, &seen, &e), e);
	different = 0;
	read_and_compare("nft -a list ruleset", "ruleset.nft", dump_read_nft_text, &seen);
	read_and_compare("nft -j -a list ruleset", "nft.json", dump_read_nft_json, &seen);
	assert_int_equal(different, 0);
	arena_free(a);
	kernel_close(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
