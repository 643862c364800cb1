/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nft's JSON, as rules; tests/unit/kernel/test_nft_dumps.c asks the kernel. */
#include "dump_test.h"

#define TABLE "{\"table\": {\"family\": \"inet\", \"name\": \"t\", \"handle\": 1}}"
#define CHAIN(more)                                                                                \
	"{\"chain\": {\"family\": \"inet\", \"table\": \"t\", \"name\": \"c\", \"handle\": 2" more \
	"}}"
#define RULE(expr)                                                                                 \
	"{\"rule\": {\"family\": \"inet\", \"table\": \"t\", \"chain\": \"c\", \"handle\": 9, "    \
	"\"expr\": [" expr "]}}"
#define LIST(objects) "{\"nftables\": [" objects "]}\n"

static void read_json(struct dumped *d, const char *text)
{
	dumped_begin(d);
	dumped_text(d, "nft.json", text);
	d->notes.arena = d->arena;
	d->notes.out = &d->net;
	dump_read_nft_json(&d->notes, &d->files[0]);
}

static const struct nft_chain *chain_of(struct dumped *d)
{
	const struct nft_table *t = nft_table_find(&d->net.ruleset, FAMILY_INET, "t");

	assert_non_null(t);
	assert_non_null(nft_chain_find(t, "c"));
	return nft_chain_find(t, "c");
}

static void assert_rule(const struct nft_rule *r, const char *want)
{
	struct strbuf text = STRBUF_INIT;

	nft_print_rule(&text, r);
	assert_string_equal(strbuf_str(&text), want);
	strbuf_fini(&text);
}

static void test_rules(void **state)
{
	static const char text[] = LIST(TABLE ", " CHAIN(
		", \"type\": \"nat\", \"hook\": \"prerouting\", \"prio\": -100, \"policy\": "
		"\"drop\"") ", " RULE("{\"match\": {\"op\": \"==\", \"left\": {\"meta\": {\"key\": "
				      "\"iifname\"}}, "
				      "\"right\": \"eth*\"}}, {\"match\": {\"op\": \"in\", "
				      "\"left\": {\"ct\": {\"key\": "
				      "\"state\"}}, \"right\": [\"established\", \"related\"]}}, "
				      "{\"counter\": {\"packets\": "
				      "1, \"bytes\": 2}}, {\"dnat\": {\"family\": \"ip\", "
				      "\"addr\": \"1.1.1.1\", \"port\": "
				      "{\"range\": [80, 90]}, \"flags\": [\"random\", "
				      "\"persistent\"]}}") ", " RULE("{\"vmap\": {\"key\": "
								     "{\"concat\": [{\"payload\": "
								     "{\"protocol\": \"ip\", "
								     "\"field\": "
								     "\"daddr\"}}, {\"payload\": "
								     "{\"protocol\": \"tcp\", "
								     "\"field\": \"dport\"}}]}, "
								     "\"data\": {\"set\": "
								     "[[{\"concat\": [\"1.1.1.1\", "
								     "80]}, {\"jump\": "
								     "{\"target\": "
								     "\"d\"}}]]}}}") ", " RULE("{\""
											       "man"
											       "gle"
											       "\":"
											       " {"
											       "\"k"
											       "ey"
											       "\":"
											       " {"
											       "\"m"
											       "eta"
											       "\":"
											       " {"
											       "\"k"
											       "ey"
											       "\":"
											       " \""
											       "mar"
											       "k\""
											       "}},"
											       " \""
											       "val"
											       "ue"
											       "\":"
											       " {"
											       "\"|"
											       "\":"
											       " [{"
											       "\"&"
											       "\":"
											       " "
											       "[{"
											       "\"c"
											       "t\""
											       ": "
											       "{\""
											       "key"
											       "\":"
											       " \""
											       "mar"
											       "k\""
											       "}},"
											       " 25"
											       "5]}"
											       ", "
											       "256"
											       "]}}"
											       "}, "
											       "{\""
											       "xt"
											       "\":"
											       " {"
											       "\"t"
											       "ype"
											       "\":"
											       " \""
											       "tar"
											       "get"
											       "\","
											       " "
											       "\"n"
											       "ame"
											       "\":"
											       " \""
											       "MAR"
											       "K\""
											       "}"
											       "}"));
	const struct nft_chain *c;
	struct dumped d;

	read_json(&d, text);
	assert_no_notes(&d);
	assert_true(d.net.have & HAVE_NFT);
	c = chain_of(&d);
	assert_int_equal(c->type, CHAIN_NAT);
	assert_int_equal(c->prio, -100);
	assert_true(c->policy_drop);
	assert_int_equal(c->handle, 2);
	assert_int_equal(c->rules.len, 3);
	assert_rule(&c->rules.items[0],
		"iifname \"eth*\" ct state established,related counter "
		"packets 1 bytes 2 dnat ip to 1.1.1.1:80-90 random,persistent");
	assert_string_equal(c->rules.items[0].text, "iifname \"eth*\" ct state established,related "
						    "counter packets 1 bytes 2 dnat ip to "
						    "1.1.1.1:80-90 random,persistent");
	assert_int_equal(c->rules.items[0].handle, 9);
	assert_int_equal(c->rules.items[0].at.line, 0);
	assert_string_equal(c->rules.items[0].file, "nft.json");
	assert_rule(&c->rules.items[1],
		"meta nfproto ipv4 meta l4proto tcp ip daddr . th dport vmap "
		"{ 1.1.1.1 . 80 : jump d }");
	assert_true(c->rules.items[2].stmts.items[1].xt.hollow);
	dumped_end(&d);
}

static void test_sets(void **state)
{
	static const char text[] = LIST(TABLE
		", {\"map\": {\"family\": \"inet\", \"name\": \"m\", \"table\": \"t\", \"type\": "
		"[\"ipv4_addr\", \"inet_service\"], \"handle\": 5, \"map\": \"ipv4_addr . "
		"inet_service\", "
		"\"flags\": [\"interval\"], \"elem\": [[{\"concat\": [{\"prefix\": {\"addr\": "
		"\"10.0.0.0\", \"len\": 8}}, {\"range\": [80, 90]}]}, {\"concat\": [\"1.1.1.1\", "
		"80]}]]}}"
		", {\"set\": {\"family\": \"inet\", \"name\": \"s\", \"table\": \"t\", \"type\": "
		"\"ifname\", \"handle\": 6, \"timeout\": 60, \"flags\": [\"timeout\"], \"elem\": "
		"[{\"elem\": {\"val\": \"eth0\", \"timeout\": 5, \"comment\": \"a b\"}}, "
		"\"lo\"]}}");
	const struct nft_table *t;
	const struct nft_set *s;
	struct dumped d;

	read_json(&d, text);
	assert_no_notes(&d);
	t = nft_table_find(&d.net.ruleset, FAMILY_INET, "t");
	s = nft_set_find_named(t, "m");
	assert_int_equal(s->len, 1);
	assert_memory_equal(nft_set_elem(s, 0), "\12\0\0\0\0\120\0\0\12\377\377\377\0\132\0\0", 16);
	assert_memory_equal(nft_set_elem_data(s, 0), "\1\1\1\1\0\120\0\0", 8);
	s = nft_set_find_named(t, "s");
	assert_int_equal(s->len, 2);
	assert_int_equal(s->timeout_ms, 60000);
	assert_int_equal(s->timeouts_ms[0], 5000);
	assert_string_equal(s->comments[0], "a b");
	dumped_end(&d);
}

/* nft 1.0.6 writes flags of tables so. What stands there is not known; all else is. */
static void test_broken(void **state)
{
	static const char text[] = LIST(TABLE ", " CHAIN("") ", " RULE(
		"{\"accept\": null}") ", {\"table\": {\"family\": \"inet\", \"name\": \"u\", "
				      "\"flags\": \"owner\", dormant}}, " RULE("{\"drop\": null}"));
	const struct nft_chain *c;
	struct dumped d;

	read_json(&d, text);
	c = chain_of(&d);
	assert_int_equal(c->rules.len, 3);
	assert_rule(&c->rules.items[0], "accept");
	assert_int_equal(c->rules.items[1].stmts.items[0].kind, STMT_UNKNOWN);
	assert_rule(&c->rules.items[2], "drop");
	assert_non_null(strstr(dumped_notes(&d), "not JSON"));
	assert_false(d.net.have & HAVE_NFT);
	dumped_end(&d);
}

static void test_cut_off(void **state)
{
	static const char text[] = LIST(
		TABLE ", " CHAIN("") ", " RULE("{\"accept\": null}") ", " RULE("{\"drop\": null}"));
	struct dumped d;

	for (size_t len = 0; len < sizeof(text) - 4; len++) { /* wherever it is cut */
		dumped_begin(&d);
		dumped_bytes(&d, "nft.json", text, len);
		d.notes.arena = d.arena;
		d.notes.out = &d.net;
		dump_read_nft_json(&d.notes, &d.files[0]);
		assert_false(d.net.have & HAVE_NFT);
		dumped_end(&d);
	}
}

/* And for `flags dormant` it writes the table's name. */
static void test_table_flags(void **state)
{
	struct dumped d;

	read_json(&d, LIST("{\"table\": {\"family\": \"inet\", \"name\": \"t\", \"handle\": 1, "
			   "\"flags\": [\"dormant\"]}}"));
	assert_int_equal(d.net.ruleset.tables.items[0]->flags, 1);
	assert_no_notes(&d);
	dumped_end(&d);
	read_json(&d, LIST("{\"table\": {\"family\": \"inet\", \"name\": \"t\", \"handle\": 1, "
			   "\"flags\": \"t\"}}"));
	assert_string_equal(dumped_notes(&d),
		"nft.json:0: its flags are not understood: it may be dormant: t\n");
	dumped_end(&d);
}

/* Names that the language cannot say do no harm; nesting without end neither. */
static void test_hostile(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct dumped d;

	read_json(&d, LIST(TABLE ", " CHAIN("") ", " RULE(
			      "{\"jump\": {\"target\": \"x\\\" ; flush ruleset\\n\"}}, {\"frob\": "
			      "{\"a\": [1, {\"b\": "
			      "null}]}}, {\"accept\": null}")));
	assert_int_equal(chain_of(&d)->rules.len, 1);
	assert_string_equal(
		chain_of(&d)->rules.items[0].stmts.items[0].chain, "x? ; flush ruleset?");
	assert_int_equal(chain_of(&d)->rules.items[0].stmts.items[1].kind, STMT_UNKNOWN);
	assert_string_equal(dumped_notes(&d),
		"nft.json:0: a statement that is not understood: handle 9: frob a 1,b\n");
	dumped_end(&d);
	strbuf_add(&text, "{\"nftables\": [" TABLE ", " CHAIN("") ", ");
	strbuf_add(&text, "{\"rule\": {\"family\": \"inet\", \"table\": \"t\", \"chain\": \"c\", "
			  "\"expr\": [");
	for (unsigned int i = 0; i < 1000; i++)
		strbuf_add(&text, "{\"|\": [");
	for (unsigned int i = 0; i < 1000; i++)
		strbuf_add(&text, "]}");
	strbuf_add(&text, "]}}]}");
	read_json(&d, strbuf_str(&text));
	assert_int_equal(chain_of(&d)->rules.len, 1);
	strbuf_fini(&text);
	dumped_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_table_flags),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
