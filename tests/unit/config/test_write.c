/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written is read as what it was, whatever bytes it has; comments stay comments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/write.h"

/* The interface of the only uplink of a config in which it was written; NULL: it was refused. */
static const char *read_back(struct arena *a, const char *interface)
{
	struct strbuf y = STRBUF_INIT;
	const struct model *m;
	struct diag d;
	const char *text;

	strbuf_add(&y, "uplinks:\n  x:\n    interface: ");
	config_add_scalar(&y, interface);
	strbuf_addch(&y, '\n');
	text = arena_strdup(a, strbuf_str(&y));
	strbuf_fini(&y);
	diag_init(&d);
	m = config_load(a, text, strlen(text), &d);
	diag_fini(&d);
	return m ? m->uplinks.items[0].interface : NULL;
}

static void test_scalars(void **state)
{
	static const char *const names[] = {"eth0", "eth0.100", "on", "NULL", "~", "1e3", "-", "\"",
		"'", "a\\b", "#x", "a#b", "{", "[]", "&x", "*x", "!x", "%x", "@x", "`x", "|", ">",
		"?", "\xc3\xa4", "\xe2\x80\xa8", "wan,1", "0x10", "a=b"};
	struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(config_is_interface(names[i]));
		assert_string_equal(read_back(a, names[i]), names[i]);
	}
	/* Each byte that an interface's name can have. */
	for (unsigned int c = 1; c < 0x80; c++) {
		const char name[] = {'a', (char)c, 'b', 0};

		if (c == '/' || c == ':' || c == ' ' || (c >= '\t' && c <= '\r'))
			continue;
		assert_string_equal(read_back(a, name), name);
	}
	arena_free(a);
}

static void test_no_text(void **state)
{
	assert_false(config_is_interface("\xff"));
	assert_false(config_is_interface("a\xc3"));
	assert_false(config_is_interface("\xed\xa0\x80"));
	assert_false(config_is_interface("sixteencharacter"));
	assert_false(config_is_interface("a b"));
	assert_false(config_is_interface(""));
}

static void test_addresses(void **state)
{
	static const char *const refused[] = {"0.0.0.0", "0.3.3.254", "127.0.0.1", "224.0.0.1",
		"240.0.0.1", "255.255.255.255", "::", "::1", "ff02::1", "::ffff:1.2.3.4"};
	static const char *const taken[] = {
		"1.0.0.1", "10.0.0.1", "100.64.0.1", "223.255.255.254", "fe80::1", "2001:db8::1"};
	struct ip_addr a;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(ip_parse(refused[i], &a), 0);
		assert_non_null(config_refuses_address(&a));
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		assert_int_equal(ip_parse(taken[i], &a), 0);
		assert_null(config_refuses_address(&a));
	}
}

static void is_comment(const char *text, const char *expected)
{
	struct strbuf y = STRBUF_INIT;

	config_add_comment(&y, 2, text);
	assert_string_equal(strbuf_str(&y), expected);
	strbuf_fini(&y);
}

static void test_comments(void **state)
{
	is_comment("plain", "  # plain\n");
	is_comment("two\nlines: {}", "  # two?lines: {}\n");
	is_comment("\r\x1b[0m\x7f", "  # ??[0m?\n");
	is_comment("\xc3\xa4\xff", "  # \xc3\xa4?\n");
	is_comment("\xe2\x80\xa8\xc2\x85", "  # ??\n");
}

static void test_remarks(void **state)
{
	struct strbuf y = STRBUF_INIT;
	char word[121];

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = 0;
	config_add_remark(&y, 0, "? ",
		"A question that is so long that it needs a second line to stand on, since the "
		"first one is quite full.");
	assert_string_equal(strbuf_str(&y),
		"# ? A question that is so long that it needs a second line to stand on, since the "
		"first one is quite\n"
		"#   full.\n");
	strbuf_reset(&y);
	config_add_remark(&y, 0, "", word);
	assert_int_equal(y.len, 2 + 120 + 1);
	strbuf_reset(&y);
	config_add_remark(&y, 1, "", "");
	assert_string_equal(strbuf_str(&y), " # \n");
	strbuf_fini(&y);
}

static void test_names(void **state)
{
	struct arena *a = arena_new();

	assert_true(config_is_name("eth0.1"));
	assert_false(config_is_name(""));
	assert_false(config_is_name("1.1.1.1"));
	assert_false(config_is_name("a b"));
	assert_string_equal(config_name_like(a, "eth0"), "eth0");
	assert_string_equal(config_name_like(a, "ppp@0"), "ppp-0");
	assert_string_equal(config_name_like(a, "1.1.1.1"), "line-1.1.1.1");
	assert_true(config_is_name(config_name_like(a, "")));
	assert_true(config_is_name(config_name_like(
		a, "0123456789012345678901234567890123456789012345678901234567890123456789")));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_no_text),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_remarks),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("config/write", tests, NULL, NULL);
}
