/* SPDX-License-Identifier: GPL-2.0-or-later */
/* YAML to the tree: shapes, scalars of every style, places, and what is not worth any time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "config/yaml_tree.h"

/* The tree as text: scalars as 'text' (or "text" where quoted), each with @line:col+len. */
static void dump(struct strbuf *out, const struct yaml_node *n, bool places)
{
	const struct yaml_node *c = yaml_first(n);

	switch ((enum yaml_kind)n->kind) {
	case YAML_SCALAR:
		strbuf_addch(out, n->quoted ? '"' : '\'');
		strbuf_addn(out, n->text, n->len);
		strbuf_addch(out, n->quoted ? '"' : '\'');
		break;
	case YAML_SEQUENCE:
		strbuf_addch(out, '[');
		for (uint32_t i = 0; i < n->len; i++, c = yaml_next(c)) {
			strbuf_add(out, i ? " " : "");
			dump(out, c, places);
		}
		strbuf_addch(out, ']');
		break;
	case YAML_MAPPING:
		strbuf_addch(out, '{');
		for (uint32_t i = 0; i < n->len; i++, c = yaml_next(c)) {
			strbuf_add(out, i ? " " : "");
			dump(out, c, places);
			strbuf_addch(out, '=');
			dump(out, c = yaml_next(c), places);
		}
		strbuf_addch(out, '}');
		break;
	}
	assert_ptr_equal(c, n->kind == YAML_SCALAR ? yaml_next(n) : c);
	if (n->kind != YAML_SCALAR)
		assert_ptr_equal(c, yaml_next(n));
	if (places)
		strbuf_addf(out, "@%u:%u+%u", n->at.line, n->at.col, n->at.len);
}

/* The tree, or what was said, of one reader or (NULL) of whichever yaml_parse() chooses. */
enum which { CHOSEN, PLAIN, ANY };
static bool parse(struct strbuf *got, const char *text, size_t len, enum which which, bool places)
{
	struct yaml_tree tree = {.arena = arena_new()};
	const struct yaml_node *root = NULL;
	bool good = true;
	struct diag d;

	diag_init(&d);
	diag_source(&d, "t", text, len);
	switch (which) {
	case CHOSEN:
		root = yaml_parse(tree.arena, text, len, &d);
		break;
	case PLAIN:
		good = yaml_read_plain(&tree, text, len);
		break;
	case ANY:
		good = yaml_read_any(&tree, text, len, &d);
		break;
	}
	if (which != CHOSEN && good && tree.nodes.len)
		root = tree.nodes.items;
	if (root)
		dump(got, root, places);
	else
		diag_render(&d, got, false);
	if (which == CHOSEN)
		assert_int_equal(root == NULL && len > 0, d.errors > 0);
	diag_fini(&d);
	arena_free(tree.arena);
	return good;
}

/* Both readers give the same tree, unless the plain one steps aside. */
static void expect_(const char *text, const char *want, bool places, int line)
{
	size_t len = strlen(text);
	char *exact = malloc(len ? len : 1); /* without a NUL: nothing may read past the end */

	memcpy(exact, text, len);
	for (enum which which = CHOSEN; which <= ANY; which++) {
		struct strbuf got = STRBUF_INIT;

		if (parse(&got, exact, len, which, places) || which != PLAIN)
			_assert_string_equal(strbuf_str(&got), want, __FILE__, line);
		strbuf_fini(&got);
	}
	free(exact);
}
#define tree(text, want)   expect_((text), (want), false, __LINE__)
#define places(text, want) expect_((text), (want), true, __LINE__)

static void test_shapes(void **state)
{
	tree("", "");
	tree("a: 1\n", "{'a'='1'}");
	tree("a: 1", "{'a'='1'}");
	tree("a: {b: 1, c: [2, 3]}\nd:\n  - e\n  - f: g\n    h:\n",
		"{'a'={'b'='1' 'c'=['2' '3']} 'd'=['e' {'f'='g' 'h'=''}]}");
	tree("[]", "[]");
	tree("{}", "{}");
	tree("{\"a\": [1, {\"b\": null}], \"c\": true}\n",
		"{\"a\"=['1' {\"b\"='null'}] \"c\"='true'}");
	tree("---\na: 1\n...\n", "{'a'='1'}");
	tree("- - a\n  - b\n- c\n", "[['a' 'b'] 'c']");
}

static void test_scalars(void **state)
{
	tree("a: 'it''s'", "{'a'=\"it's\"}");
	tree("a: \"x\\ty\\u00e9\"", "{'a'=\"x\ty\xc3\xa9\"}");
	tree("a: 80/tcp # web", "{'a'='80/tcp'}");
	tree("a: {to: 192.168.0.2:8080}", "{'a'={'to'='192.168.0.2:8080'}}");
	tree("a: {to: 2001:db8::25}", "{'a'={'to'='2001:db8::25'}}");
	tree("a: ::1", "{'a'='::1'}");
	tree("a: one\n  two\n", "{'a'='one two'}");
	tree("a: \"one\n  two\"\n", "{'a'=\"one two\"}");
	tree("a: |\n  one\n  two\n", "{'a'=\"one\ntwo\n\"}");
	tree("a: >-\n  one\n  two\n", "{'a'=\"one two\"}");
	tree("a: b\r\nc: \"d\"\r\n", "{'a'='b' 'c'=\"d\"}");
	tree("\xef\xbb\xbf"
	     "a: 1\n",
		"{'a'='1'}");
	tree("stra\xc3\x9f"
	     "e: \xe2\x82\xac\n",
		"{'stra\xc3\x9f"
		"e'='\xe2\x82\xac'}");
}

static void test_null(void **state)
{
	static const struct {
		const char *text;
		bool quoted, null;
	} cases[] = {{"", false, true}, {"~", false, true}, {"null", false, true},
		{"NULL", false, true}, {"Null", false, true}, {"nULL", false, false},
		{"", true, false}, {"null", true, false}, {"0", false, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct yaml_node n = {.text = cases[i].text,
			.len = (uint32_t)strlen(cases[i].text),
			.kind = YAML_SCALAR,
			.quoted = cases[i].quoted};

		assert_int_equal(yaml_is_null(&n), cases[i].null);
	}
}

static void test_places(void **state)
{
	places("a: {b: \"x\", c: [1, 22]}\nd:\n",
		"{'a'@1:1+1={'b'@1:5+1=\"x\"@1:8+3 'c'@1:13+1=['1'@1:17+1 "
		"'22'@1:20+2]@1:16+7}@1:4+20 'd'@2:1+1=''@2:1+1}@1:1+1");
	/* bytes count, not characters; tabs as one */
	places("\xc3\xa9: {a:\tb}", "{'\xc3\xa9'@1:1+2={'a'@1:6+1='b'@1:9+1}@1:5+6}@1:1+1");
	/* what spans lines is shown by its first */
	places("a: {b: 1,\n  c: \"x\n y\"}\n",
		"{'a'@1:1+1={'b'@1:5+1='1'@1:8+1 'c'@2:3+1=\"x y\"@2:6+2}@1:4+6}@1:1+1");
	places("\r\n\r\nk: v\r\n", "{'k'@3:1+1='v'@3:4+1}@3:1+1");
}

static void test_refused(void **state)
{
	tree("a: &x 1", "t:1:5: error: anchors are not supported\n"
			"    1 | a: &x 1\n"
			"      |     ^\n"
			"  hint: write the value itself\n");
}

/* Encodings: what is no printable UTF-8 is refused where it stands. */
static void test_encoding(void **state)
{
	static const struct {
		const char *bytes;
		bool good;
	} cases[] = {{"\xc3\xa9", true}, {"\xe2\x82\xac", true}, {"\xf0\x9f\x98\x80", true},
		{"\xc2\x85", true}, {"\xed\x9f\xbf", true}, {"\xee\x80\x80", true},
		{"\xef\xbf\xbd", true}, {"\xf4\x8f\xbf\xbf", true}, {"\x80", false},
		{"\xc3", false}, {"\xc0\xaf", false}, {"\xc1\x81", false}, {"\xe0\x80\xaf", false},
		{"\xe2\x82", false}, {"\xed\xa0\x80", false}, {"\xef\xbf\xbe", false},
		{"\xef\xbb\xbf", false}, {"\xf0\x80\x80\xaf", false}, {"\xf4\x90\x80\x80", false},
		{"\xf5\x80\x80\x80", false}, {"\xff", false}, {"\x7f", false}, {"\x0b", false},
		{"\xc2\x9b", false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *a = arena_new();
		struct diag d;
		char text[16];
		int len = snprintf(text, sizeof(text), "a: x%s", cases[i].bytes);

		diag_init(&d);
		diag_source(&d, "t", text, (size_t)len);
		if (!yaml_parse(a, text, (size_t)len, &d) == cases[i].good)
			fail_msg("case %zu is taken otherwise", i);
		if (!cases[i].good)
			assert_int_equal(d.entries.items[0].at.col, 5);
		diag_fini(&d);
		arena_free(a);
	}
}

/* What is common must not need libfyaml, which takes much longer; what is not must be left to it. */
static void test_plain(void **state)
{
	static const char *const taken[] = {
		"maps:\n  web: {listen: 80/tcp, to: 192.168.0.2}\n",
		"# c\n\nuplinks: # c\n  a:\n    interface: eth0 # c\n\n  b: {interface: "
		"eth1}\nmaps:",
		"a:\n- b\n- {c: d}\ne:\n  - f\n",
		"a: [1.1.1.1, \"2001:db8::1\", '::', fe80::1, ::1]",
		"a: [b,\n  c, # d\n  e ]\nf: g",
		"{\"a\":{\"b\":[\"c\",1,true,null]}}",
		"{\n\"a\": {\n\"b\": \"c\"\n}\n}\n",
		"a: \"[2001:db8::25]:25\"\n",
		"  a: b\n  c: d\n",
	};
	static const char *const left[] = {"a: b c", "a: \"b\\n\"", "a: 'b''c'", "a:\n  b",
		"a: |\n  b", "a: &b c", "a: *b", "a: !b c", "---\na: b", "a: b\r\n", "a:\tb",
		"a: b\n  c", "? a\n: b", "a: [b: c]", "a: {b}", "a: [b,]", "a: [\nb]", "- a: b",
		"- - a", "-\n  a", "a: b:", "a: b: c", "a : b", "<<: b", "a: [2001:db8::25]:25",
		"a:b", "a: \xc3\xa9",
		"\xef\xbb\xbf"
		"a: b",
		"a"};

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct strbuf got = STRBUF_INIT;

		if (!parse(&got, taken[i], strlen(taken[i]), PLAIN, false))
			fail_msg("not taken: %s", taken[i]);
		expect_(taken[i], strbuf_str(&got), false, __LINE__);
		strbuf_fini(&got);
	}
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		struct strbuf got = STRBUF_INIT;

		if (parse(&got, left[i], strlen(left[i]), PLAIN, false))
			fail_msg("taken: %s", left[i]);
		strbuf_fini(&got);
	}
}

/* Time stays linear in the size, whatever shape the text has. */
static double seconds(const char *head, const char *unit, size_t times, const char *tail)
{
	struct arena *a = arena_new();
	struct strbuf b = STRBUF_INIT;
	struct timespec from, to;
	struct diag d;

	strbuf_add(&b, head);
	for (size_t i = 0; i < times; i++)
		strbuf_add(&b, unit);
	strbuf_add(&b, tail);
	diag_init(&d);
	diag_source(&d, "t", b.s, b.len);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	yaml_parse(a, b.s, b.len, &d);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	diag_fini(&d);
	arena_free(a);
	strbuf_fini(&b);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

static void test_linear(void **state)
{
	static const struct {
		const char *head, *unit, *tail;
	} shapes[] = {
		{"[", "a,", "a]"},	      /* one long line */
		{"{", "\"a\": \"b\", ", "}"}, /* the same as JSON */
		{"", "- a\n", ""},
		{"", "a: b\n", ""},
		{"a: \"", "x\\n", "\""},
		{"a: '", "it''s ", "'"},
		{"a: |\n", "  x\n", ""},
		{"a: >\n", "  x\n\n", ""},
		{"a: x", " y", ""},
		{"a:\n", "  x\n", ""}, /* a plain scalar of many lines */
		{"", "#\n", "a: b"},
		{"", "\n", "a: b"},
		{"", "[", ""},
		{"", "- ", ""},
		{"", "? ", ""},
		{"a: ", "!", ""},
		{"", "\r", "a: b"},
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		double some = seconds(shapes[i].head, shapes[i].unit, 20000, shapes[i].tail);
		double more = seconds(shapes[i].head, shapes[i].unit, 200000, shapes[i].tail);

		/* ten times as much in a hundred times the time would be quadratic */
		if (more > 0.2 && more > 40 * some)
			fail_msg("shape %zu: %.3f s, then %.3f s", i, some, more);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
