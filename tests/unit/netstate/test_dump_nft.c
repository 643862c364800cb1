/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listings and scripts of nft, as rules; tests/unit/kernel/test_nft_dumps.c asks the kernel. */
#include "dump_test.h"

static const struct nft_table *table_of(struct dumped *d, enum nft_family f, const char *name)
{
	const struct nft_table *t = nft_table_find(&d->net.ruleset, f, name);

	assert_non_null(t);
	return t;
}

static const struct nft_rule *rule_of(
	struct dumped *d, enum nft_family f, const char *table, const char *chain, size_t i)
{
	const struct nft_chain *c = nft_chain_find(table_of(d, f, table), chain);

	assert_non_null(c);
	assert_true(i < c->rules.len);
	return &c->rules.items[i];
}

static void assert_rule(const struct nft_rule *r, const char *want)
{
	struct strbuf text = STRBUF_INIT;

	nft_print_rule(&text, r);
	assert_string_equal(strbuf_str(&text), want);
	strbuf_fini(&text);
}

/* One rule in a table of the inet family, as it reads. */
static void assert_reads(const char *rule, const char *want)
{
	struct dumped d;

	dumped_begin(&d);
	dumped_text(&d, "ruleset.nft",
		arena_printf(d.arena, "table inet t {\n\tchain c {\n\t\t%s\n\t}\n}\n", rule));
	dump_read_nft_text(&(struct dump){.arena = d.arena, .out = &d.net}, &d.files[0]);
	assert_rule(rule_of(&d, FAMILY_INET, "t", "c", 0), want);
	dumped_end(&d);
}

static void read_nft(struct dumped *d, const char *text)
{
	dumped_begin(d);
	dumped_text(d, "ruleset.nft", text);
	d->notes.arena = d->arena;
	d->notes.out = &d->net;
	dump_read_nft_text(&d->notes, &d->files[0]);
}

/* ---- rules ---- */

/* nft adds what a match takes for granted, once. */
static void test_dependencies(void **state)
{
	assert_reads("tcp dport 80", "meta l4proto tcp th dport 80");
	assert_reads("ip saddr 1.1.1.1 tcp dport 80 ip daddr 2.2.2.2 tcp sport 5",
		"meta nfproto ipv4 ip saddr 1.1.1.1 meta l4proto tcp th dport 80 ip daddr 2.2.2.2 "
		"th sport 5");
	assert_reads(
		"meta l4proto { tcp, udp } th dport 53", "meta l4proto { tcp, udp } th dport 53");
	assert_reads(
		"ip protocol tcp tcp dport 80", "meta nfproto ipv4 ip protocol tcp th dport 80");
	assert_reads("icmpv6 type echo-request",
		"meta nfproto ipv6 meta l4proto icmpv6 icmpv6 type echo-request");
	assert_reads("ip saddr . tcp dport { 1.1.1.1 . 80 }",
		"meta nfproto ipv4 meta l4proto tcp ip saddr . th dport { 1.1.1.1 . 80 }");
	assert_reads("reject with tcp reset", "meta l4proto tcp reject with tcp reset");
}

static void test_constants(void **state)
{
	assert_reads("tcp dport ssh-telnet", "meta l4proto tcp th dport 22-23");
	assert_reads("tcp dport { http, https, 8000-8010 }",
		"meta l4proto tcp th dport { 80, 443, 8000-8010 }");
	assert_reads("ip saddr 10.0.0.0/8", "meta nfproto ipv4 ip saddr 10.0.0.0/8");
	assert_reads(
		"ip saddr != 10.0.0.1-10.0.0.9", "meta nfproto ipv4 ip saddr != 10.0.0.1-10.0.0.9");
	assert_reads("meta mark 0x80000000/1", "meta mark & 0x80000000 == 0x80000000");
	assert_reads("meta mark and 0xff00 == 0x100", "meta mark & 0x0000ff00 == 0x00000100");
	assert_reads("ct state ! established", "ct state & established == 0x0");
	assert_reads("tcp flags syn / syn,ack", "meta l4proto tcp tcp flags & (syn | ack) == syn");
	assert_reads("iifname \"eth*\"", "iifname \"eth*\"");
	assert_reads("iifname { eth0, \"wan*\" } drop", "iifname { \"eth0\", \"wan*\" } drop");
	assert_reads("meta mark set meta mark & 0xffff00ff | 0x100",
		"meta mark set meta mark & 0xffff00ff | 0x00000100");
	assert_reads("meta mark set 0x1 | 0x10", "meta mark set 0x00000011");
	assert_reads("ct state vmap { established:accept, invalid:drop }",
		"ct state vmap { invalid : drop, established : accept }");
	/* Interfaces are numbers to the kernel; where no link is known, their names do. */
	assert_reads("iif \"eth0\"", "iifname \"eth0\"");
}

static void test_translations(void **state)
{
	assert_reads("dnat ip to 1.1.1.1:80-90 random,persistent",
		"dnat ip to 1.1.1.1:80-90 random,persistent");
	assert_reads("ip daddr 9.9.9.9 dnat to 1.1.1.1-1.1.1.5",
		"meta nfproto ipv4 ip daddr 9.9.9.9 dnat ip to 1.1.1.1-1.1.1.5");
	assert_reads("dnat ip6 to [fd00::1]:80", "dnat ip6 to [fd00::1]:80");
	assert_reads("snat ip to 10.0.0.0/24", "snat ip to 10.0.0.0-10.0.0.255");
	assert_reads("dnat ip addr . port to tcp dport map { 80 : 1.1.1.1 . 8080 }",
		"meta l4proto tcp dnat ip to th dport map { 80 : 1.1.1.1 . 8080 }");
	assert_reads(
		"tcp dport 80 redirect to :8080", "meta l4proto tcp th dport 80 redirect to :8080");
	assert_reads("masquerade fully-random", "masquerade fully-random");
	assert_reads("snat ip prefix to ip saddr map { 192.168.1.0/24 : 10.1.0.0/24 }",
		"meta nfproto ipv4 snat ip prefix to ip saddr map { 192.168.1.0/24 : 10.1.0.0/24 "
		"}");
	assert_reads("dnat ip to ip saddr map { 9.9.9.9 : 10.0.0.1-10.0.0.9 }",
		"meta nfproto ipv4 dnat ip to ip saddr map { 9.9.9.9 : 10.0.0.1-10.0.0.9 }");
	assert_reads("tcp dport 80 tproxy ip to 127.0.0.1:5000",
		"meta l4proto tcp th dport 80 tproxy ip to 127.0.0.1:5000");
}

static void test_texts(void **state)
{
	assert_reads("limit rate over 10240 bytes/second burst 2048 bytes",
		"limit rate over 10 kbytes/second burst 2 kbytes");
	assert_reads("limit rate 5/second burst 5 packets", "limit rate 5/second");
	assert_reads("log level warn group 2 prefix \"a b\"", "log prefix \"a b\" group 2");
	assert_reads("reject with icmpx type port-unreachable", "reject");
	assert_reads("counter packets 5 bytes 100 drop", "counter packets 5 bytes 100 drop");
}

/* What is not known leaves the rest of the rule as it is, and is noted. */
static void test_unknown(void **state)
{
	const struct nft_rule *r;
	struct dumped d;

	read_nft(&d, "table ip t {\n\tchain c {\n\t\tip saddr 1.1.1.1 socket transparent 1 "
		     "meta mark set 5 accept # handle 7\n\t\tdrop\n\t}\n}\n");
	r = rule_of(&d, FAMILY_IP, "t", "c", 0);
	assert_rule(r, "ip saddr 1.1.1.1 <socket transparent 1> meta mark set 0x00000005 accept");
	assert_string_equal(
		r->text, "ip saddr 1.1.1.1 socket transparent 1 meta mark set 5 accept");
	assert_string_equal(r->file, "ruleset.nft");
	assert_int_equal(r->at.line, 3);
	assert_int_equal(r->handle, 7);
	assert_string_equal(dumped_notes(&d),
		"ruleset.nft:3: a statement that is not understood: socket transparent 1\n");
	assert_true(d.net.have & HAVE_NFT);
	dumped_end(&d);
}

/* A variable that nothing defines is no interface's name. */
static void test_undefined(void **state)
{
	struct dumped d;

	read_nft(&d, "define LAN = eth1\ntable ip t {\n\tchain c {\n\t\tiifname $WAN drop\n"
		     "\t\tiifname { $LAN, $DMZ } accept\n\t}\n}\n");
	assert_rule(rule_of(&d, FAMILY_IP, "t", "c", 0), "<iifname $WAN> drop");
	assert_int_equal(
		rule_of(&d, FAMILY_IP, "t", "c", 1)->stmts.items[0].set->flags & SET_INCOMPLETE,
		SET_INCOMPLETE);
	assert_string_equal(dumped_notes(&d),
		"ruleset.nft:4: a statement that is not understood: iifname $WAN\n"
		"ruleset.nft:5: an element that is not understood: $DMZ\n");
	dumped_end(&d);
}

static void test_hollow(void **state)
{
	const struct nft_rule *r;
	struct dumped d;

	read_nft(&d, "# Warning: table ip filter is managed by iptables-nft, do not touch!\n"
		     "table ip filter {\n\tchain FORWARD {\n"
		     "\t\ttype filter hook forward priority filter; policy drop;\n"
		     "\t\txt match \"recent\" counter packets 1 bytes 2 xt target \"DNAT\"\n"
		     "\t\tip saddr 1.1.1.1 # xt_conntrack counter packets 0 bytes 0 accept\n"
		     "\t}\n}\n");
	assert_int_equal(table_of(&d, FAMILY_IP, "filter")->origin, ORIGIN_XT_NFT);
	r = rule_of(&d, FAMILY_IP, "filter", "FORWARD", 0);
	assert_int_equal(r->stmts.len, 3);
	assert_int_equal(r->stmts.items[0].kind, STMT_XT);
	assert_true(r->stmts.items[0].xt.hollow);
	assert_false(r->stmts.items[0].xt.target);
	assert_string_equal(r->stmts.items[0].xt.name, "recent");
	assert_true(r->stmts.items[2].xt.target);
	r = rule_of(&d, FAMILY_IP, "filter", "FORWARD", 1);
	assert_int_equal(r->stmts.len, 4);
	assert_string_equal(r->stmts.items[1].xt.name, "conntrack");
	assert_no_notes(&d);
	dumped_end(&d);
}

/* Of ports alone, in an inet table, it is of both families. */
static void test_ports_of_both_families(void **state)
{
	struct dumped d;

	read_nft(&d, "table inet t {\n\tchain c {\n\t\ttcp dport 80 dnat to :8080\n"
		     "\t\ttcp dport 80 dnat ip to 1.1.1.1\n\t}\n}\n"
		     "table ip t {\n\tchain c {\n\t\ttcp dport 80 dnat to :8080\n\t}\n}\n");
	assert_int_equal(rule_of(&d, FAMILY_INET, "t", "c", 0)->stmts.items[2].nat_family, IP_NONE);
	assert_int_equal(rule_of(&d, FAMILY_INET, "t", "c", 1)->stmts.items[2].nat_family, IP_V4);
	assert_int_equal(rule_of(&d, FAMILY_IP, "t", "c", 0)->stmts.items[2].nat_family, IP_V4);
	assert_no_notes(&d);
	dumped_end(&d);
}

/* ---- chains and sets ---- */

/* Two listings in one file. */
static void test_said_twice(void **state)
{
	static const char once[] = "table inet t {\n\tchain c {\n"
				   "\t\ttype filter hook input priority 0; policy drop;\n"
				   "\t\taccept\n\t}\n}\n";
	struct dumped d;

	dumped_begin(&d);
	dumped_text(&d, "nft.txt", arena_printf(d.arena, "%s%s", once, once));
	dumped_read(&d);
	assert_string_equal(dumped_notes(&d),
		"nft.txt:9: this chain was there before: the rules of both are taken: c\n");
	assert_int_equal(rule_of(&d, FAMILY_INET, "t", "c", 1)->at.line, 10);
	dumped_end(&d);
}

static void test_chains(void **state)
{
	static const char text[] = "table inet t { # handle 3\n"
				   "\tflags dormant\n"
				   "\tchain a { # handle 4\n\t\ttype nat hook prerouting priority "
				   "dstnat - 10; policy drop;\n\t}\n"
				   "\tchain b {\n\t\ttype route hook output priority -150;\n\t}\n"
				   "\tchain c {\n\t\ttype filter hook ingress devices = { eth0, "
				   "eth1 } priority filter;\n\t}\n"
				   "}\n"
				   "table bridge u {\n\tchain d {\n\t\ttype filter hook forward "
				   "priority dstnat;\n\t}\n}\n";
	const struct nft_table *t;
	const struct nft_chain *c;
	struct dumped d;

	read_nft(&d, text);
	assert_no_notes(&d);
	t = table_of(&d, FAMILY_INET, "t");
	assert_int_equal(t->handle, 3);
	assert_int_equal(t->flags, 1);
	c = nft_chain_find(t, "a");
	assert_int_equal(c->handle, 4);
	assert_true(c->base && c->policy_drop);
	assert_int_equal(c->type, CHAIN_NAT);
	assert_int_equal(c->hook, HOOK_PREROUTING);
	assert_int_equal(c->prio, -110);
	assert_int_equal(nft_chain_find(t, "b")->prio, -150);
	assert_int_equal(nft_chain_find(t, "b")->type, CHAIN_ROUTE);
	assert_string_equal(nft_chain_find(t, "c")->device, "eth0");
	assert_int_equal(nft_chain_find(table_of(&d, FAMILY_BRIDGE, "u"), "d")->prio, -300);
	dumped_end(&d);
}

static void test_sets(void **state)
{
	static const char text[] =
		"table ip t {\n"
		"\tset late {\n\t\telements = { 10.0.0.0/8,\n\t\t\t     1.1.1.1 }\n"
		"\t\ttype ipv4_addr\n\t\tflags interval\n\t}\n"
		"\tmap v {\n\t\ttypeof ip daddr . tcp dport : verdict\n"
		"\t\telements = { 1.1.1.1 . 80 timeout 1m30s expires 5s comment \"x y\" : jump c,\n"
		"\t\t\t     2.2.2.2 . 81 counter packets 1 bytes 2 : drop }\n\t}\n"
		"\tset s {\n\t\ttype mark\n\t\tsize 100\n\t\tflags dynamic,timeout\n\t\ttimeout "
		"1h\n\t}\n"
		"\tset bad {\n\t\ttype ipv4_addr\n\t\telements = { 1.1.1.1, what, 2.2.2.2 }\n\t}\n"
		"\tchain c {\n\t\tip saddr @late ip daddr @nowhere\n\t}\n"
		"}\n";
	const struct nft_set *s;
	struct dumped d;

	read_nft(&d, text);
	s = nft_set_find_named(table_of(&d, FAMILY_IP, "t"), "late");
	assert_int_equal(s->len, 2);
	assert_memory_equal(nft_set_elem(s, 0), "\1\1\1\1\1\1\1\1", 8);
	assert_memory_equal(nft_set_elem(s, 1), "\12\0\0\0\12\377\377\377", 8);
	assert_int_equal(s->at.line, 2);
	s = nft_set_find_named(table_of(&d, FAMILY_IP, "t"), "v");
	assert_int_equal(s->len, 2);
	assert_int_equal(s->n_key, 2);
	assert_int_equal(s->timeouts_ms[0], 90000);
	assert_string_equal(s->comments[0], "x y");
	assert_string_equal(s->chains.items[0], "c");
	s = nft_set_find_named(table_of(&d, FAMILY_IP, "t"), "s");
	assert_int_equal(s->timeout_ms, 3600000);
	assert_int_equal(s->size, 100);
	assert_int_equal(s->flags, SET_DYNAMIC | SET_TIMEOUT);
	s = nft_set_find_named(table_of(&d, FAMILY_IP, "t"), "bad");
	assert_int_equal(s->len, 2);
	assert_true(s->flags & SET_INCOMPLETE);
	s = rule_of(&d, FAMILY_IP, "t", "c", 0)->stmts.items[1].set;
	assert_string_equal(s->name, "nowhere");
	assert_true(s->flags & SET_INCOMPLETE);
	assert_string_equal(
		dumped_notes(&d), "ruleset.nft:21: an element that is not understood: what\n");
	dumped_end(&d);
}

/* `nft -t` leaves the elements out without saying so. */
static void test_terse(void **state)
{
	struct dumped d;

	read_nft(&d, "table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t}\n}\n");
	assert_true(nft_set_find_named(table_of(&d, FAMILY_IP, "t"), "s")->flags & SET_INCOMPLETE);
	assert_int_equal(d.notes.notes.len, 1);
	dumped_end(&d);
	/* One that packets fill may well be empty. */
	read_nft(&d, "table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\tflags dynamic\n\t}\n}\n");
	assert_false(nft_set_find_named(table_of(&d, FAMILY_IP, "t"), "s")->flags & SET_INCOMPLETE);
	assert_no_notes(&d);
	dumped_end(&d);
}

static void test_objects(void **state)
{
	const struct nft_table *t;
	struct dumped d;

	read_nft(&d, "table ip t {\n\tcounter hits {\n\t\tpackets 5 bytes 100\n\t}\n"
		     "\tlimit calm {\n\t\trate over 5/second burst 5 packets\n\t}\n"
		     "\tct helper ftp {\n\t\ttype \"ftp\" protocol tcp\n\t\tl3proto ip\n\t}\n"
		     "\tchain c {\n\t\tcounter name \"hits\" limit name \"calm\"\n"
		     "\t\tlimit name \"other\"\n\t}\n}\n");
	t = table_of(&d, FAMILY_IP, "t");
	assert_int_equal(t->counters.items[0].packets, 5);
	assert_int_equal(t->counters.items[0].bytes, 100);
	assert_string_equal(rule_of(&d, FAMILY_IP, "t", "c", 0)->stmts.items[1].text,
		"limit rate over 5/second");
	/* What a limit says that is not there cannot be told. */
	assert_int_equal(rule_of(&d, FAMILY_IP, "t", "c", 1)->stmts.items[0].kind, STMT_UNKNOWN);
	dumped_end(&d);
}

/* ---- scripts ---- */

static void test_script(void **state)
{
	static const char text[] =
		"#!/usr/sbin/nft -f\n"
		"define wan = { eth0, \"ppp*\" }\n"
		"define server = 192.168.0.2\n"
		"table ip gone { chain c { drop; } }\n"
		"flush ruleset\n"
		"include \"/etc/nftables.d/*.nft\"\n"
		"add table ip nat\n"
		"nft -a 'add chain ip nat pre { type nat hook prerouting priority dstnat ; }'\n"
		"add rule ip nat pre iifname { $wan, eth1 } tcp dport 80 \\\n"
		"\tdnat to $server:8080\n"
		"insert rule ip nat pre iifname $wan return\n"
		"add set ip nat s { type inet_service; flags interval; elements = { 1-5 }; }\n"
		"add element ip nat s { 80, 90-100 }\n"
		"table ip nat {\n\tchain pre {\n\t\ttcp dport @s accept\n\t}\n}\n"
		"frobnicate\n"
		"add rule ip nat pre index 5 drop\n";
	const struct nft_chain *c;
	struct dumped d;

	read_nft(&d, text);
	assert_int_equal(d.net.ruleset.tables.len, 1);
	c = nft_chain_find(table_of(&d, FAMILY_IP, "nat"), "pre");
	assert_int_equal(c->rules.len, 3);
	assert_rule(&c->rules.items[0], "iifname { \"eth0\", \"ppp*\" } return");
	assert_rule(&c->rules.items[1],
		"iifname { \"eth0\", \"eth1\", \"ppp*\" } meta l4proto tcp th dport 80 "
		"dnat ip to 192.168.0.2:8080");
	assert_string_equal(
		c->rules.items[1].text, "iifname { $wan, eth1 } tcp dport 80 dnat to $server:8080");
	assert_rule(&c->rules.items[2], "meta l4proto tcp th dport @s accept");
	assert_int_equal(nft_set_find_named(table_of(&d, FAMILY_IP, "nat"), "s")->len, 3);
	assert_string_equal(dumped_notes(&d),
		"ruleset.nft:6: what it includes is not here: include \"/etc/nftables.d/*.nft\"\n"
		"ruleset.nft:19: not understood: frobnicate\n"
		"ruleset.nft:20: it depends on rules that are not here where this one goes: "
		"index 5 drop\n");
	dumped_end(&d);
}

/* The rest of a listing that was cut off is not known, rather than empty. */
static void test_cut_off(void **state)
{
	static const char text[] = "table ip t {\n\tchain c {\n\t\ttcp dport 80 accept\n\t\ttcp dp";
	const struct nft_chain *c;
	struct dumped d;

	read_nft(&d, text);
	c = nft_chain_find(table_of(&d, FAMILY_IP, "t"), "c");
	assert_int_equal(c->rules.len, 3);
	assert_rule(&c->rules.items[0], "meta l4proto tcp th dport 80 accept");
	assert_int_equal(c->rules.items[1].stmts.items[0].kind, STMT_UNKNOWN);
	assert_int_equal(c->rules.items[2].stmts.items[0].kind, STMT_UNKNOWN);
	assert_false(d.net.have & HAVE_NFT);
	dumped_end(&d);
	for (size_t len = 0; len < sizeof(text); len++) { /* wherever it is cut */
		dumped_begin(&d);
		dumped_bytes(&d, "x.nft", text, len);
		d.notes.arena = d.arena;
		d.notes.out = &d.net;
		dump_read_nft_text(&d.notes, &d.files[0]);
		dumped_end(&d);
	}
}

/* ---- size ---- */

static void test_large(void **state)
{
	enum { RULES = 100000, ELEMENTS = 131070 };
	struct strbuf text = STRBUF_INIT;
	const struct nft_table *t;
	struct dumped d;

	strbuf_add(&text, "table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { ");
	for (unsigned int i = 0; i < ELEMENTS; i++)
		strbuf_addf(&text, "%s10.%u.%u.%u", i ? ", " : "", i >> 16, i >> 8 & 255, i & 255);
	strbuf_add(&text, " }\n\t}\n");
	for (unsigned int i = 0; i < RULES; i++) {
		if (i % 10 == 0)
			strbuf_addf(&text, "%s\tchain c%u {\n", i ? "\t}\n" : "", i / 10);
		strbuf_addf(&text, "\t\tip saddr 10.0.0.%u tcp dport { 80, %u } jump c%u\n",
			i & 255, i % 60000 + 100, i / 10 + 1);
	}
	strbuf_add(&text, "\t}\n}\n");
	read_nft(&d, strbuf_str(&text));
	strbuf_fini(&text);
	assert_no_notes(&d);
	t = table_of(&d, FAMILY_IP, "t");
	assert_int_equal(t->chains.len, RULES / 10);
	assert_int_equal(nft_set_find_named(t, "s")->len, ELEMENTS);
	assert_true(nft_set_is_sorted(nft_set_find_named(t, "s")));
	assert_rule(&t->chains.items[5]->rules.items[3],
		"ip saddr 10.0.0.53 meta l4proto tcp th dport { 80, 153 } jump c6");
	dumped_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dependencies),
		cmocka_unit_test(test_constants),
		cmocka_unit_test(test_translations),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_undefined),
		cmocka_unit_test(test_ports_of_both_families),
		cmocka_unit_test(test_said_twice),
		cmocka_unit_test(test_hollow),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_terse),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
