/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From text to model: every key, its default, and its places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file.h"

#define UPLINKS                                                                                    \
	"uplinks:\n"                                                                               \
	"  telecom: {interface: eth0}\n"                                                           \
	"  unicom: {interface: eth1}\n"

static struct loaded good_(const char *text, int line)
{
	struct loaded l = load_text(text);

	_assert_string_equal(strbuf_str(&l.said), "", __FILE__, line);
	assert_non_null(l.model);
	return l;
}
#define good(text) good_((text), __LINE__)

static void assert_addr_(const struct ip_addr *a, const char *want, int line)
{
	char buf[IP_STRLEN];

	_assert_string_equal(ip_format(a, buf), want, __FILE__, line);
}
#define assert_addr(a, want) assert_addr_(&(a), (want), __LINE__)

static void assert_span_(
	struct span at, unsigned int line, unsigned int col, unsigned int len, int here)
{
	if (at.line != line || at.col != col || at.len != len)
		_fail(__FILE__, here);
}
#define assert_span(at, line, col, len) assert_span_((at), (line), (col), (len), __LINE__)

static void test_article(void **state)
{
	struct loaded l = good("uplinks:\n"
			       "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			       "  unicom:  {interface: eth1, gateway: 2.2.2.254}\n"
			       "maps:\n"
			       "  web: {listen: 80/tcp, to: 192.168.0.2}\n");
	const struct model *m = l.model;
	const struct uplink *u = m->uplinks.items;
	const struct map *map = m->maps.items;

	assert_int_equal(m->uplinks.len, 2);
	assert_string_equal(u[0].name, "telecom");
	assert_span(u[0].at, 2, 3, 7);
	assert_string_equal(u[0].interface, "eth0");
	assert_span(u[0].interface_at, 2, 24, 4);
	assert_int_equal(u[0].addresses.len, 0);
	assert_int_equal(u[0].publics.len, 0);
	assert_int_equal(u[0].gateway4.kind, GATEWAY_ADDRESS);
	assert_addr(u[0].gateway4.addr, "1.1.1.254");
	assert_span(u[0].gateway4.at, 2, 39, 9);
	assert_int_equal(u[0].gateway6.kind, GATEWAY_AUTO);
	assert_int_equal(u[0].number, 0);
	assert_int_equal(u[0].number_at.line, 0);
	assert_string_equal(u[1].name, "unicom");

	assert_int_equal(m->maps.len, 1);
	assert_string_equal(map->name, "web");
	assert_span(map->at, 5, 3, 3);
	assert_true(map->enabled);
	assert_int_equal(map->listens.len, 1);
	assert_int_equal(map->listens.items[0].proto, PROTO_TCP);
	assert_int_equal(map->listens.items[0].first, 80);
	assert_int_equal(map->listens.items[0].last, 80);
	assert_span(map->listens.items[0].at, 5, 17, 6);
	assert_int_equal(map->on.len, 0);
	assert_int_equal(map->backends.len, 1);
	assert_addr(map->backends.items[0].addr, "192.168.0.2");
	assert_int_equal(map->backends.items[0].port, 0);
	assert_int_equal(map->backends.items[0].weight, 1);
	assert_span(map->backends.items[0].at, 5, 29, 11);
	assert_int_equal(map->balance, BALANCE_HASH);
	assert_int_equal(map->checks.len, 0);
	assert_int_equal(map->return_mode, RETURN_AUTO);
	assert_int_equal(map->return_at.line, 0);
	assert_int_equal(map->snat.len, 0);
	assert_int_equal(map->from.len, 0);

	assert_int_equal(m->mark_mask, 0xff000000);
	assert_int_equal(m->rules_first, 500);
	assert_int_equal(m->tables_first, 70000);
	assert_true(m->guard);
	assert_int_equal(m->mark_at.line + m->rules_at.line + m->tables_at.line, 0);
	unload(&l);
}

static void test_uplink_values(void **state)
{
	struct loaded l = load_text(
		"uplinks:\n"
		"  a: {interface: eth0.7, address: [1.1.1.1, '2001:db8::1'],\n"
		"      public: [203.0.113.1, \"2001:db8:f::1\"], gateway: onlink, number: 0x7}\n"
		"  c: {interface: wwan0, gateway: [onlink, 3.3.3.1]}\n"
		"  d.e_f-1: {interface: wwan1, gateway: \"fe80::1\"}\n"
		"maps:\n"
		"gateway:\n");
	const struct uplink *u;

	assert_non_null(l.model);
	u = l.model->uplinks.items;
	assert_string_equal(u[0].interface, "eth0.7");
	assert_int_equal(u[0].addresses.len, 2);
	assert_addr(u[0].addresses.items[0].addr, "1.1.1.1");
	assert_addr(u[0].addresses.items[1].addr, "2001:db8::1");
	assert_span(u[0].addresses.items[1].at, 2, 45, 13);
	assert_addr(u[0].publics.items[1].addr, "2001:db8:f::1");
	assert_int_equal(u[0].gateway4.kind, GATEWAY_ONLINK);
	assert_int_equal(u[0].gateway6.kind, GATEWAY_ONLINK);
	assert_int_equal(u[0].number, 7);
	assert_span(u[0].number_at, 3, 72, 3);
	assert_int_equal(u[1].gateway4.kind, GATEWAY_ADDRESS);
	assert_int_equal(u[1].gateway6.kind, GATEWAY_ONLINK);
	assert_string_equal(u[2].name, "d.e_f-1");
	assert_int_equal(u[2].gateway4.kind, GATEWAY_AUTO);
	assert_addr(u[2].gateway6.addr, "fe80::1");
	assert_int_equal(l.model->maps.len, 0);
	unload(&l);
}

static void test_targets(void **state)
{
	static const struct {
		const char *to, *addr;
		unsigned int port;
	} cases[] = {
		{"192.168.0.2", "192.168.0.2", 0},
		{"192.168.0.2:1", "192.168.0.2", 1},
		{"\"192.168.0.2:65535\"", "192.168.0.2", 65535},
		{"2001:db8::25", "2001:db8::25", 0},
		{"\"2001:db8::25\"", "2001:db8::25", 0},
		{"\"[2001:db8::25]\"", "2001:db8::25", 0},
		{"\"[2001:db8::25]:25\"", "2001:db8::25", 25},
		{"'[2001:db8::25]:25'", "2001:db8::25", 25},
		{"\"2001:db8::25:25\"", "2001:db8::25:25", 0},
		{"\"192.168.0.2\\u003a80\"", "192.168.0.2", 80},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[300];
		struct loaded l;

		snprintf(text, sizeof(text), UPLINKS "maps: {m: {to: %s, listen: 80/tcp}}",
			cases[i].to);
		l = good(text);
		assert_addr(l.model->maps.items[0].backends.items[0].addr, cases[i].addr);
		assert_int_equal(l.model->maps.items[0].backends.items[0].port, cases[i].port);
		unload(&l);
	}
}

static void test_maps(void **state)
{
	struct loaded l =
		good("maps:\n" /* before the uplinks that they name */
		     "  a:\n"
		     "    listen: [80/tcp, 443/udp, 5000-5010/sctp]\n"
		     "    on: [telecom, 2.2.2.2, 9.9.9.9]\n"
		     "    to: 192.168.0.2\n"
		     "    return: {snat: [192.168.0.1, 192.168.0.3]}\n"
		     "    from: [198.51.100.0/24, 10.0.0.1]\n"
		     "  b: {listen: 1/tcp, to: 192.168.0.2, return: direct, enabled: no}\n"
		     "  c: {listen: 2/tcp, to: 192.168.0.2, return: snat, enabled: True}\n"
		     "  d: {listen: 3/tcp, to: 192.168.0.2, return: {snat: 192.168.0.1}, enabled: "
		     "\"off\"}\n"
		     "uplinks:\n"
		     "  telecom: {interface: eth0}\n"
		     "  unicom: {interface: eth1, address: [2.2.2.1, 2.2.2.2]}\n");
	const struct map *m = l.model->maps.items;

	assert_int_equal(m[0].listens.len, 3);
	assert_int_equal(m[0].listens.items[1].proto, PROTO_UDP);
	assert_int_equal(m[0].listens.items[2].proto, PROTO_SCTP);
	assert_int_equal(m[0].listens.items[2].first, 5000);
	assert_int_equal(m[0].listens.items[2].last, 5010);
	assert_int_equal(m[0].on.len, 3);
	assert_ptr_equal(m[0].on.items[0].uplink, &l.model->uplinks.items[0]);
	assert_int_equal(m[0].on.items[0].addr.family, IP_NONE);
	assert_ptr_equal(m[0].on.items[1].uplink, &l.model->uplinks.items[1]);
	assert_addr(m[0].on.items[1].addr, "2.2.2.2");
	assert_null(m[0].on.items[2].uplink); /* telecom may have it */
	assert_addr(m[0].on.items[2].addr, "9.9.9.9");
	assert_int_equal(m[0].return_mode, RETURN_SNAT);
	assert_int_equal(m[0].snat.len, 2);
	assert_span(m[0].return_at, 6, 13, 34);
	assert_int_equal(m[0].from.len, 2); /* sorted */
	assert_addr(m[0].from.items[0].prefix.addr, "10.0.0.1");
	assert_int_equal(m[0].from.items[0].prefix.len, 32);
	assert_span(m[0].from.items[0].at, 7, 29, 8);
	assert_int_equal(m[0].from.items[1].prefix.len, 24);
	assert_span(m[0].from_at, 7, 11, 27);

	assert_int_equal(m[1].return_mode, RETURN_DIRECT);
	assert_false(m[1].enabled);
	assert_int_equal(m[2].return_mode, RETURN_SNAT);
	assert_int_equal(m[2].snat.len, 0);
	assert_true(m[2].enabled);
	assert_int_equal(m[3].snat.len, 1);
	assert_false(m[3].enabled);
	unload(&l);
}

static void test_gateway(void **state)
{
	struct loaded l =
		good(UPLINKS "gateway: {mark: 0x0000FF00, rules: 0x100, tables: 1000, guard: off}");

	assert_int_equal(l.model->mark_mask, 0xff00);
	assert_int_equal(l.model->rules_first, 256);
	assert_int_equal(l.model->tables_first, 1000);
	assert_false(l.model->guard);
	assert_int_equal(l.model->mark_at.line, 4);
	assert_int_equal(l.model->rules_at.line, 4);
	assert_int_equal(l.model->tables_at.line, 4);
	unload(&l);
}

/* The warned-of prefixes are gone: the plan can build interval sets from what is left. */
static void test_from_is_disjoint(void **state)
{
	struct loaded l =
		load_text(UPLINKS "maps:\n"
				  "  a: {listen: 1/tcp, to: 192.168.0.2, from: [10.1.0.0/16, "
				  "0.0.0.0/1, 10.0.0.0/8, 200.0.0.1, 200.0.0.1]}\n"
				  "  b: {listen: 1/tcp, to: fd00::2, from: [\"2001:db8::/33\", "
				  "\"2001:db8::1\", \"2001:db8:8000::/33\"]}\n");
	const struct map *m;

	assert_non_null(l.model);
	assert_int_equal(l.diag.warnings, 4);
	m = l.model->maps.items;
	assert_int_equal(m[0].from.len, 2);
	assert_int_equal(m[0].from.items[0].prefix.len, 1);
	assert_addr(m[0].from.items[1].prefix.addr, "200.0.0.1");
	assert_int_equal(m[1].from.len, 2);
	unload(&l);
}

/* Nothing of the model may point into what is gone after loading. */
static void test_escaped_words(void **state)
{
	struct loaded l = good("uplinks:\n"
			       "  \"tele\\x63om\": {\"interf\\x61ce\": \"eth\\x30\"}\n"
			       "maps:\n"
			       "  \"w\\x65b\": {listen: \"8\\x30/tcp\", to: \"192.168.0.\\x32\", "
			       "on: \"telec\\x6fm\"}\n");

	assert_string_equal(l.model->uplinks.items[0].name, "telecom");
	assert_string_equal(l.model->uplinks.items[0].interface, "eth0");
	assert_string_equal(l.model->maps.items[0].name, "web");
	assert_int_equal(l.model->maps.items[0].listens.items[0].first, 80);
	unload(&l);
}

static void test_marks(void **state)
{
	assert_int_equal(mark_ours_bit(0xff000000), 0x80000000);
	assert_int_equal(mark_number_mask(0xff000000), 0x7f000000);
	assert_int_equal(mark_of_number(0xff000000, 1), 0x01000000);
	assert_int_equal(mark_of_number(0xff000000, 127), 0x7f000000);
	assert_int_equal(mark_max_number(0xff000000), 127);
	assert_int_equal(mark_ours_bit(0xf0), 0x80);
	assert_int_equal(mark_of_number(0xf0, 5), 0x50);
	assert_int_equal(mark_max_number(0xf0), 7);
	assert_int_equal(mark_max_number(0x3), 1);
	assert_int_equal(mark_max_number(0xffffffff), 0x7fffffff);
	assert_int_equal(mark_max_number(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_article),
		cmocka_unit_test(test_uplink_values),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_gateway),
		cmocka_unit_test(test_from_is_disjoint),
		cmocka_unit_test(test_escaped_words),
		cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
