/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Diagnostics: rendered text, and "did you mean". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/diag.h"

static void start(struct diag *d, const char *text)
{
	diag_init(d);
	if (text)
		diag_source(d, "gateway.yaml", text, strlen(text));
}

static void expect_(struct diag *d, bool colour, const char *want, int line)
{
	struct strbuf out = STRBUF_INIT;

	diag_render(d, &out, colour);
	_assert_string_equal(strbuf_str(&out), want, __FILE__, line);
	strbuf_fini(&out);
	diag_fini(d);
}
#define expect(d, want) expect_((d), false, (want), __LINE__)

static void test_full_entry(void **state)
{
	struct diag d;

	start(&d, "maps:\n  web: {listen: 443/tcp}\n  web2:\n    listen: 443/tcp\n");
	diag_error(&d, (struct span){4, 13, 7}, "443/tcp on '%s' is already mapped", "telecom");
	diag_note(&d, (struct span){2, 17, 7}, "by map '%s', here", "web");
	diag_hint(&d, "take another port:\nlisten: %d/tcp", 8443);
	assert_int_equal(d.errors, 1);
	assert_int_equal(d.warnings, 0);
	expect(&d, "gateway.yaml:4:13: error: 443/tcp on 'telecom' is already mapped\n"
		   "    4 |     listen: 443/tcp\n"
		   "      |             ^~~~~~~\n"
		   "gateway.yaml:2:17: note: by map 'web', here\n"
		   "  hint: take another port:\n"
		   "        listen: 8443/tcp\n");
}

static void test_order_and_places(void **state)
{
	struct diag d;

	start(&d, "a: 1\nb: 2");
	diag_info(&d, NOWHERE, "no place");
	diag_warning(&d, (struct span){2, 1, 1}, "second line");
	diag_error(&d, (struct span){1, 4, 1}, "first line, later");
	diag_error(&d, (struct span){1, 1, 1}, "first");
	diag_error(&d, (struct span){1, 1, 1}, "same place keeps the order");
	diag_error(&d, (struct span){7, 1, 1}, "beyond the text");
	diag_note(&d, NOWHERE, "nowhere");
	assert_int_equal(d.errors, 4);
	assert_int_equal(d.warnings, 1);
	expect(&d, "gateway.yaml:1:1: error: first\n"
		   "    1 | a: 1\n"
		   "      | ^\n"
		   "gateway.yaml:1:1: error: same place keeps the order\n"
		   "    1 | a: 1\n"
		   "      | ^\n"
		   "gateway.yaml:1:4: error: first line, later\n"
		   "    1 | a: 1\n"
		   "      |    ^\n"
		   "gateway.yaml:2:1: warning: second line\n"
		   "    2 | b: 2\n"
		   "      | ^\n"
		   "gateway.yaml:7:1: error: beyond the text\n"
		   "note: nowhere\n"
		   "info: no place\n");

	start(&d, NULL);
	diag_note(&d, NOWHERE, "of nothing");
	diag_hint(&d, "of nothing");
	diag_error(&d, (struct span){3, 2, 1}, "no text");
	expect(&d, "3:2: error: no text\n");
}

/* The caret stands under the place whatever comes before it, and never runs past the line. */
static void test_caret(void **state)
{
	struct diag d;

	start(&d, "\tä: x\r\n€€ z\n");
	diag_error(&d, (struct span){1, 6, 99}, "tab and two-byte character");
	diag_error(&d, (struct span){2, 1, 6}, "wide");
	diag_error(&d, (struct span){2, 9, 1}, "end of line");
	diag_error(&d, (struct span){2, 10, 1}, "past the end");
	diag_error(&d, (struct span){3, 1, 1}, "end of file");
	expect(&d, "gateway.yaml:1:6: error: tab and two-byte character\n"
		   "    1 | \tä: x\n"
		   "      | \t   ^\n"
		   "gateway.yaml:2:1: error: wide\n"
		   "    2 | €€ z\n"
		   "      | ^~\n"
		   "gateway.yaml:2:9: error: end of line\n"
		   "    2 | €€ z\n"
		   "      |     ^\n"
		   "gateway.yaml:2:10: error: past the end\n"
		   "gateway.yaml:3:1: error: end of file\n"
		   "    3 | \n"
		   "      | ^\n");
}

static void test_long_line(void **state)
{
	struct strbuf text = STRBUF_INIT, want = STRBUF_INIT;
	struct diag d;

	strbuf_fill(&text, 'x', 70000);
	memcpy(text.s + 1000, "here", 4);
	start(&d, text.s);
	diag_error(&d, (struct span){1, 1001, 4}, "in the middle");
	diag_error(&d, (struct span){1, UINT16_MAX, 4}, "too far right to be shown");

	strbuf_add(&want, "gateway.yaml:1:1001: error: in the middle\n    1 | ...");
	strbuf_fill(&want, 'x', 80);
	strbuf_add(&want, "here");
	strbuf_fill(&want, 'x', 76);
	strbuf_add(&want, "...\n      | ");
	strbuf_fill(&want, ' ', 83);
	strbuf_add(&want, "^~~~\ngateway.yaml:1:65535: error: too far right to be shown\n");
	expect(&d, want.s);
	strbuf_fini(&text);
	strbuf_fini(&want);
}

static void test_terminal_is_not_driven(void **state)
{
	struct diag d;

	start(&d, "a: \033[2J\xc2\x9b \xff\n");
	diag_error(&d, (struct span){1, 4, 1}, "bad '%s'", "\033[2J");
	diag_hint(&d, "not \a");
	expect(&d, "gateway.yaml:1:4: error: bad '?[2J'\n"
		   "    1 | a: ?[2J?? ?\n"
		   "      |    ^\n"
		   "  hint: not ?\n");
}

static void test_colour(void **state)
{
	struct diag d;

	start(&d, "a: 1\n");
	diag_warning(&d, (struct span){1, 1, 1}, "w");
	expect_(&d, true,
		"\033[1mgateway.yaml:1:1:\033[0m \033[1;35mwarning\033[0m: w\n"
		"    1 | a: 1\n"
		"      | \033[1;32m^\033[0m\n",
		__LINE__);
}

static void test_nearest(void **state)
{
	static const char *const keys[] = {
		"interface", "address", "public", "gateway", "number", "on"};
	const size_t n = sizeof(keys) / sizeof(keys[0]);
	char longest[1000];

	assert_string_equal(diag_nearest("interfase", keys, n), "interface");
	assert_string_equal(diag_nearest("adress", keys, n), "address");
	assert_string_equal(diag_nearest("addresses", keys, n), "address");
	assert_string_equal(diag_nearest("gatewya", keys, n), "gateway"); /* swapped: one edit */
	assert_string_equal(diag_nearest("Gateway", keys, n), "gateway");
	assert_string_equal(diag_nearest("ON", keys, n), "on");
	assert_null(diag_nearest("of", keys, n));
	assert_null(diag_nearest("gate", keys, n));
	assert_null(diag_nearest("", keys, n));
	assert_null(diag_nearest("numbers", keys, 0));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(diag_nearest(longest, keys, n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_entry),
		cmocka_unit_test(test_order_and_places),
		cmocka_unit_test(test_caret),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_terminal_is_not_driven),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
