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

static void test_daemon(void **state)
{
	static const struct {
		const char *text, *addr;
		unsigned int port;
	} cases[] = {{"9000", "127.0.0.1", 9000}, {"on", "127.0.0.1", 9180},
		{"192.168.0.1", "192.168.0.1", 9180}, {"0.0.0.0:80", "0.0.0.0", 80},
		{"'[::]:9180'", "::", 9180}, {"::1", "::1", 9180}};
	struct loaded l = good(UPLINKS "gateway: {hook: /bin/true}");

	assert_int_equal(l.model->hook.len, 1);
	assert_string_equal(l.model->hook.items[0], "/bin/true");
	assert_int_equal(l.model->hook_timeout_ms, 10000);
	assert_int_equal(l.model->metrics.family, IP_NONE);
	assert_false(l.model->watch);
	unload(&l);

	l = good(UPLINKS
		"gateway: {hook: [/bin/echo, -n, 7], hook-timeout: 1m, watch: yes, metrics: off}");
	assert_int_equal(l.model->hook.len, 3);
	assert_string_equal(l.model->hook.items[2], "7");
	assert_int_equal(l.model->hook_at.line, 4);
	assert_int_equal(l.model->hook_timeout_ms, 60000);
	assert_int_equal(l.model->metrics.family, IP_NONE);
	assert_true(l.model->watch);
	unload(&l);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[200];

		snprintf(text, sizeof(text), UPLINKS "gateway: {metrics: %s}", cases[i].text);
		l = good(text);
		assert_addr(l.model->metrics, cases[i].addr);
		assert_int_equal(l.model->metrics_port, cases[i].port);
		unload(&l);
	}
}

static void test_fastpath(void **state)
{
	struct loaded l = good(UPLINKS);

	assert_int_equal(l.model->fastpath, FASTPATH_OFF);
	assert_int_equal(l.model->fastpaths.len, 0);
	assert_int_equal(l.model->fastpath_flows, 65536);
	unload(&l);

	l = good(UPLINKS "gateway: {fastpath: auto, fastpath-flows: 4194304}");
	assert_int_equal(l.model->fastpath, FASTPATH_AUTO);
	assert_int_equal(l.model->fastpaths.len, 0);
	assert_int_equal(l.model->fastpath_flows, 4194304);
	assert_int_equal(l.model->fastpath_at.line, 4);
	unload(&l);

	l = good(UPLINKS "gateway:\n"
			 "  fastpath: {eth0: xdp, eth2: tc,\n"
			 "    eth3: off}\n"
			 "  fastpath-flows: 1024\n");
	assert_int_equal(l.model->fastpath, FASTPATH_OFF);
	assert_int_equal(l.model->fastpath_flows, 1024);
	assert_int_equal(l.model->fastpaths.len, 3);
	assert_string_equal(l.model->fastpaths.items[0].interface, "eth0");
	assert_int_equal(l.model->fastpaths.items[0].mode, FASTPATH_XDP);
	assert_int_equal(l.model->fastpaths.items[1].mode, FASTPATH_TC);
	assert_string_equal(l.model->fastpaths.items[2].interface, "eth3");
	assert_int_equal(l.model->fastpaths.items[2].mode, FASTPATH_OFF);
	assert_int_equal(l.model->fastpaths.items[2].at.line, 6);
	unload(&l);
}

static void test_backends(void **state)
{
	struct loaded l = good(UPLINKS
		"maps:\n"
		"  a: {listen: [80/tcp, 5000-5009/tcp], to: [192.168.0.2, {address: 192.168.0.3, "
		"weight: 100}, '192.168.0.4:5000'], check: tcp}\n"
		"  b: {listen: 81/tcp, to: {address: '[fd00::2]:80', weight: 2}}\n"
		"  c: {listen: 82/tcp, to: [192.168.0.2, 192.168.0.3], balance: random, check: "
		"icmp, "
		"when-down: cut, all-down: refuse}\n"
		"  d: {listen: 83/tcp, to: [192.168.0.2, 192.168.0.3], balance: first}\n");
	const struct map *m = l.model->maps.items;

	assert_int_equal(m[0].backends.len, 3);
	assert_addr(m[0].backends.items[1].addr, "192.168.0.3");
	assert_int_equal(m[0].backends.items[0].weight, 1);
	assert_int_equal(m[0].backends.items[1].weight, 100);
	assert_int_equal(m[0].backends.items[2].port, 5000);
	assert_int_equal(m[0].balance, BALANCE_HASH);
	assert_int_equal(m[0].when_down, WHEN_DOWN_KEEP);
	assert_int_equal(m[0].all_down, ALL_DOWN_TRY);
	assert_int_equal(map_family(&m[0]), IP_V4);
	assert_int_equal(
		backend_port_for(&m[0].backends.items[0], &m[0].listens.items[1], 5009), 5009);
	assert_int_equal(
		backend_port_for(&m[0].backends.items[2], &m[0].listens.items[0], 80), 5000);
	assert_int_equal(m[1].backends.len, 1);
	assert_int_equal(m[1].backends.items[0].weight, 2);
	assert_int_equal(map_family(&m[1]), IP_V6);
	assert_int_equal(m[2].balance, BALANCE_RANDOM);
	assert_int_equal(m[2].when_down, WHEN_DOWN_CUT);
	assert_int_equal(m[2].all_down, ALL_DOWN_REFUSE);
	assert_int_equal(m[3].balance, BALANCE_FIRST);
	unload(&l);
}

static void test_uplink_checks(void **state)
{
	struct loaded l = good(
		"uplinks:\n"
		"  a: {interface: eth0, check: icmp}\n"
		"  b: {interface: eth1, check: [{icmp: [gateway, 192.0.2.1]}, {tcp: "
		"'[2001:db8::1]:443', "
		"every: 500ms, rise: 1, fall: 100}]}\n"
		"  c: {interface: eth2, check: {http: ['http://192.0.2.1:8080/x/y?z=1', "
		"'http://[2001:db8::1]/x/y?z=1', 'http://www.example.org/x/y?z=1'], expect: 204, "
		"host: example.org, need: 2, every: 1m, timeout: 10s}}\n"
		"  d: {interface: eth3, check: [{http: 'http://192.0.2.1'}, {dns: [192.0.2.53, "
		"'192.0.2.54:5353'], name: www.example.org.}, {dns: '2001:db8::53'}]}\n");
	const struct uplink *u = l.model->uplinks.items;
	const struct check *c = u[0].checks.items;

	assert_int_equal(u[0].checks.len, 1);
	assert_int_equal(c->kind, CHECK_ICMP);
	assert_string_equal(c->targets.items[0].text, "gateway");
	assert_int_equal(c->targets.items[0].addr.family, IP_NONE);
	assert_int_equal(c->need, 1);
	assert_int_equal(c->every_ms, 5000);
	assert_int_equal(c->timeout_ms, 2000);
	assert_int_equal(c->rise, 2);
	assert_int_equal(c->fall, 3);
	assert_span(c->at, 2, 31, 4);

	c = u[1].checks.items;
	assert_int_equal(u[1].checks.len, 2);
	assert_int_equal(c[0].targets.len, 2);
	assert_int_equal(c[0].targets.items[0].addr.family, IP_NONE);
	assert_addr(c[0].targets.items[1].addr, "192.0.2.1");
	assert_int_equal(c[1].kind, CHECK_TCP);
	assert_addr(c[1].targets.items[0].addr, "2001:db8::1");
	assert_int_equal(c[1].targets.items[0].port, 443);
	assert_int_equal(c[1].every_ms, 500);
	assert_int_equal(c[1].timeout_ms, 500); /* no longer than a round */
	assert_int_equal(c[1].rise, 1);
	assert_int_equal(c[1].fall, 100);

	c = u[2].checks.items;
	assert_int_equal(c->kind, CHECK_HTTP);
	assert_string_equal(c->path, "/x/y?z=1");
	assert_int_equal(c->targets.items[0].port, 8080);
	assert_addr(c->targets.items[1].addr, "2001:db8::1");
	assert_int_equal(c->targets.items[1].port, 80);
	assert_int_equal(c->targets.items[2].addr.family, IP_NONE);
	assert_string_equal(c->targets.items[2].text, "http://www.example.org/x/y?z=1");
	assert_int_equal(c->expect_first, 204);
	assert_int_equal(c->expect_last, 204);
	assert_string_equal(c->host, "example.org");
	assert_int_equal(c->need, 2);
	assert_int_equal(c->every_ms, 60000);
	assert_int_equal(c->timeout_ms, 10000);

	c = u[3].checks.items;
	assert_string_equal(c[0].path, "/");
	assert_int_equal(c[0].expect_first, 200);
	assert_int_equal(c[0].expect_last, 399);
	assert_null(c[0].host);
	assert_int_equal(c[1].targets.items[0].port, 53);
	assert_int_equal(c[1].targets.items[1].port, 5353);
	assert_string_equal(c[1].query, "www.example.org.");
	assert_string_equal(c[2].query, ".");
	unload(&l);
}

static void test_map_checks(void **state)
{
	struct loaded l = good(UPLINKS
		"maps:\n"
		"  a: {listen: 80/tcp, to: 192.168.0.2, check: tcp}\n"
		"  b: {listen: 81/tcp, to: 192.168.0.2, check: [icmp, {tcp: 8080}, {tcp: true}]}\n"
		"  c: {listen: 82/tcp, to: 192.168.0.2, check: [{http: /health, expect: 200-204}, "
		"{http: ':8080/x'}, {http: ':81'}]}\n"
		"  d: {listen: 53/udp, to: 192.168.0.2, check: [{dns: yes}, {dns: 5353, name: "
		"a.b}, "
		"{icmp: on}]}\n");
	const struct map *m = l.model->maps.items;
	const struct check *c;

	assert_int_equal(m[0].checks.len, 1);
	assert_int_equal(m[0].checks.items[0].kind, CHECK_TCP);
	assert_int_equal(m[0].checks.items[0].port, 0);
	assert_int_equal(m[0].checks.items[0].targets.len, 0);
	c = m[1].checks.items;
	assert_int_equal(c[0].kind, CHECK_ICMP);
	assert_int_equal(c[1].port, 8080);
	assert_int_equal(c[2].port, 0);
	c = m[2].checks.items;
	assert_string_equal(c[0].path, "/health");
	assert_int_equal(c[0].expect_last, 204);
	assert_string_equal(c[1].path, "/x");
	assert_int_equal(c[1].port, 8080);
	assert_string_equal(c[2].path, "/");
	assert_int_equal(c[2].port, 81);
	c = m[3].checks.items;
	assert_int_equal(c[0].kind, CHECK_DNS);
	assert_string_equal(c[1].query, "a.b");
	assert_int_equal(c[1].port, 5353);
	assert_int_equal(c[2].kind, CHECK_ICMP);
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
		cmocka_unit_test(test_daemon),
		cmocka_unit_test(test_fastpath),
		cmocka_unit_test(test_backends),
		cmocka_unit_test(test_uplink_checks),
		cmocka_unit_test(test_map_checks),
		cmocka_unit_test(test_from_is_disjoint),
		cmocka_unit_test(test_escaped_words),
		cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
