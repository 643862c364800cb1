/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of others, read, and brought back into another namespace: by ourselves, and by nft from our
 * text. Both times they read as they did the first time.
 */
#include "foreign_rules.h"
#include "nft_sample.h"

static bool is_readable(const struct nft_rule *r)
{
	struct strbuf text = STRBUF_INIT;
	bool readable;

	nft_print_rule(&text, r);
	readable = !strchr(strbuf_str(&text), '<') || strstr(strbuf_str(&text), "< ");
	strbuf_fini(&text);
	return readable;
}

/* Data that is kept as bytes: maps that give ranges. */
static bool is_opaque(const struct nft_set *s)
{
	return s->n_data && s->data[0].type == NFT_T_OTHER;
}

/* Beyond what cannot be read there is little that cannot be written: objects, sets of DSCPs, and maps that
 * give ranges. */
static bool is_writable(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, const struct nft_stmt, s) {
		if (s->kind == STMT_NAT && s->expr && s->expr->set && is_opaque(s->expr->set))
			return false;
		if (s->kind == STMT_HARMLESS || (s->kind == STMT_LIMIT && s->chain))
			return false;
		if (s->kind == STMT_MATCH && s->op == OP_IN && s->set->key[0].type == NFT_T_DSCP)
			return false;
	}
	return true;
}

/* Take out of the table what does not pass the tests. */
static size_t keep(struct nft_table *t, bool written)
{
	size_t kept = 0, n = 0;

	VEC_EACH (&t->chains, struct nft_chain *, c) {
		n = 0;
		VEC_EACH (&(*c)->rules, struct nft_rule, r) {
			if (is_readable(r) && (!written || is_writable(r)))
				(*c)->rules.items[n++] = *r;
		}
		(*c)->rules.len = n;
		kept += n;
	}
	n = 0;
	VEC_EACH (&t->sets, struct nft_set *, s) {
		if (!((*s)->flags & (SET_INCOMPLETE | SET_ANONYMOUS | SET_OBJECTS)) &&
			!(written && is_opaque(*s)))
			t->sets.items[n++] = *s;
	}
	t->sets.len = n;
	return kept;
}

/* The rules as the kernel has them; rules[] is what nft was told. */
static struct nft_table *foreign_table(struct arena *a)
{
	struct kernel *k = open_kernel();
	struct nft_ruleset seen;
	struct nft_table *t;

	observe(k, a, true, &seen);
	t = nft_table_find(&seen, FAMILY_INET, "f");
	assert_non_null(t);
	kernel_close(k);
	return t;
}

static void test_written_again(void **state)
{
	struct sample s = {.a = arena_new()};
	struct kernel *k;
	size_t kept;

	if (!have("nft"))
		skip();
	NEEDS_NAMESPACE();
	load_foreign_rules();
	s.t = foreign_table(s.a);
	kept = keep(s.t, true);
	assert_true(kept > 140);
	print_message("# %zu of %zu rules\n", kept, COUNT(rules));
	add_table_changes(&s);
	NEEDS_NAMESPACE();
	k = open_kernel();
	commit(k, &s, 0);
	kernel_close(k);
	assert_same_table(s.t, foreign_table(s.a));
	sample_fini(&s);
}

static void test_told_to_nft_again(void **state)
{
	struct arena *a = arena_new();
	struct strbuf text = STRBUF_INIT;
	struct nft_table *t;
	size_t kept;
	FILE *f;

	if (!have("nft"))
		skip();
	NEEDS_NAMESPACE();
	load_foreign_rules();
	t = foreign_table(a);
	kept = keep(t, false);
	/* The map of objects is in a rule, but its elements were not read. */
	assert_true(kept > 150);
	NEEDS_NAMESPACE();
	nft_print_table(&text, t);
	f = popen("grep -v 'map @objects' | nft -f -", "w");
	assert_non_null(f);
	fputs(strbuf_str(&text), f);
	if (pclose(f) != 0)
		fail_msg("nft refuses\n%s", strbuf_str(&text));
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		size_t n = 0;

		VEC_EACH (&(*c)->rules, struct nft_rule, r) {
			const struct nft_stmt *last = &r->stmts.items[r->stmts.len - 1];

			if (last->kind != STMT_HARMLESS || !strstr(last->text, "@objects"))
				(*c)->rules.items[n++] = *r;
		}
		(*c)->rules.len = n;
	}
	assert_same_table(t, foreign_table(a));
	strbuf_fini(&text);
	arena_free(a);
}

/* What iptables-nft made, matches and targets in their blobs, is taken back by the kernel. */
static void test_iptables_written_again(void **state)
{
	static const char *const lines[] = {
		"-t filter -A FORWARD -p tcp -m tcp --dport 1:100 --tcp-flags SYN,ACK SYN -j DROP",
		"-t filter -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
		"-t filter -A FORWARD -p udp -m multiport --dports 1,5:9 -j REJECT",
		"-t filter -A FORWARD -m limit --limit 5/min -j LOG --log-prefix 'x y'",
		"-t filter -A INPUT -p icmp --icmp-type 8 -m comment --comment hello -j ACCEPT",
		"-t filter -A INPUT ! -p tcp -m addrtype --dst-type LOCAL -j RETURN",
		"-t filter -A INPUT -m mac --mac-source 00:11:22:33:44:55 -j DROP",
		"-t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to 192.168.0.2:8080",
		"-t nat -A POSTROUTING -o eth0 -j MASQUERADE --random",
		"-t nat -A POSTROUTING -s 10.0.0.0/12 -j SNAT --to 1.1.1.1-1.1.1.5",
		"-t mangle -A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff",
		"-t mangle -A FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu",
		"-t mangle -A PREROUTING -m mark --mark 5/0xff -j MARK --set-xmark 7/0xf",
		"-t raw -A PREROUTING -p udp --dport 53 -j CT --notrack",
	};
	static const char *const tables[] = {"filter", "nat", "mangle", "raw"};
	struct arena *a = arena_new();
	struct nft_ruleset first, again;
	struct kernel *k;

	if (!have("iptables-nft"))
		skip();
	NEEDS_NAMESPACE();
	for (size_t i = 0; i < COUNT(lines); i++)
		sh("iptables-nft %s", lines[i]);
	k = open_kernel();
	observe(k, a, true, &first);
	kernel_close(k);
	NEEDS_NAMESPACE();
	k = open_kernel();
	for (size_t i = 0; i < COUNT(tables); i++) {
		struct sample s = {.a = a, .t = nft_table_find(&first, FAMILY_IP, tables[i])};

		assert_non_null(s.t);
		add_table_changes(&s);
		commit(k, &s, 0);
	}
	observe(k, a, true, &again);
	for (size_t i = 0; i < COUNT(tables); i++)
		assert_same_table(nft_table_find(&first, FAMILY_IP, tables[i]),
			nft_table_find(&again, FAMILY_IP, tables[i]));
	kernel_close(k);
	arena_free(a);
}

/* The text of all tables, as they are in the namespace. */
static void print_all(struct strbuf *out)
{
	struct kernel *k = open_kernel();
	struct arena *a = arena_new();
	struct nft_ruleset seen;

	observe(k, a, true, &seen);
	VEC_EACH (&seen.tables, struct nft_table *, t)
		nft_print_table(out, *t);
	arena_free(a);
	kernel_close(k);
}

/* What is there prints as it does again when nft was told so in another namespace. */
static void assert_prints_again(const char *part)
{
	struct strbuf first = STRBUF_INIT, again = STRBUF_INIT;
	FILE *f;

	print_all(&first);
	NEEDS_NAMESPACE();
	f = popen("nft -f -", "w");
	assert_non_null(f);
	fputs(strbuf_str(&first), f);
	if (pclose(f) != 0)
		fail_msg("nft refuses\n%s", strbuf_str(&first));
	print_all(&again);
	assert_string_equal(strbuf_str(&first), strbuf_str(&again));
	if (!strstr(strbuf_str(&first), part))
		fail_msg("no %s in\n%s", part, strbuf_str(&first));
	strbuf_fini(&first);
	strbuf_fini(&again);
}

static void test_objects_and_devices(void **state)
{
	if (!have("nft"))
		skip();
	NEEDS_NAMESPACE();
	sh("nft -f - <<'X'\n"
	   "table inet d {\n"
	   "	limit calm { rate over 5/second burst 7 packets; }\n"
	   "	chain c {\n"
	   "		type filter hook forward priority filter; policy drop;\n"
	   "		limit name \"calm\" drop\n"
	   "	}\n"
	   "}\nX");
	assert_prints_again("limit name \"calm\" drop");
	NEEDS_NAMESPACE();
	sh("nft 'table netdev n { chain c { type filter hook ingress device lo priority 7; }; }'");
	assert_prints_again("hook ingress device \"lo\" priority filter + 7");
}

static void test_flowtables(void **state)
{
	if (!have("nft"))
		skip();
	NEEDS_NAMESPACE();
	if (system("nft 'table ip t { flowtable fast { hook ingress priority 5; devices = { lo }; "
		   "}; }' 2>/dev/null") != 0) {
		print_message("# SKIP: this kernel has no flowtables\n");
		skip();
	}
	sh("nft 'table ip t { chain c { type filter hook forward priority 0; ip protocol tcp flow "
	   "add @fast; }; }'");
	assert_prints_again("devices = { \"lo\" };");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written_again),
		cmocka_unit_test(test_told_to_nft_again),
		cmocka_unit_test(test_iptables_written_again),
		cmocka_unit_test(test_objects_and_devices),
		cmocka_unit_test(test_flowtables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
