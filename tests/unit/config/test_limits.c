/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits: just within is taken, just beyond is refused in clear words; and size costs linear time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "file.h"

static const char uplinks[] = "uplinks:\n"
			      "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			      "  unicom: {interface: eth1, gateway: 2.2.2.254}\n";

/* @n one-line maps on ports from 1 on, tcp then udp. */
static void add_maps(struct strbuf *b, unsigned int n)
{
	strbuf_add(b, "maps:\n");
	for (unsigned int i = 0; i < n; i++)
		strbuf_addf(b, "  m%u: {listen: %u/%s, to: 192.168.%u.%u}\n", i, i % 65535 + 1,
			i < 65535 ? "tcp" : "udp", i >> 8 & 255, i & 255);
}

static struct loaded load_buf(struct strbuf *b)
{
	struct loaded l = load("t.yaml", strbuf_str(b), b->len);

	strbuf_fini(b);
	return l;
}

/* The config is refused, and says @want; or is taken, where that is NULL. */
static void expect_(struct strbuf *b, const char *want, int line)
{
	struct loaded l = load_buf(b);

	if (want ? l.model || !strstr(strbuf_str(&l.said), want) : !l.model)
		print_error(
			"expected '%s', got:\n%.2000s\n", want ? want : "", strbuf_str(&l.said));
	_assert_true(want ? !l.model && strstr(strbuf_str(&l.said), want) : l.model != NULL,
		want ? want : "", __FILE__, line);
	unload(&l);
}
#define expect(b, want) expect_((b), (want), __LINE__)

static void list(struct strbuf *b, const char *prefix, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		strbuf_add(b, i ? ", " : "[");
		strbuf_addf(b, "%s%u.%u", prefix, i >> 8 & 255, i & 255);
	}
	strbuf_add(b, "]");
}

static void test_maps(void **state)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_add(&b, uplinks);
	add_maps(&b, LIMIT_MAPS);
	expect(&b, NULL);
	strbuf_add(&b, uplinks);
	add_maps(&b, LIMIT_MAPS + 1);
	expect(&b, "t.yaml:65540:3: error: more than 65535 maps");
}

/* Lists of the daemon's keys: just the limit, and one more. */
static void test_daemon_lists(void **state)
{
	static const struct {
		const char *before, *each, *end, *after;
		unsigned int limit;
		const char *want;
	} cases[] = {
		{"maps: {m: {listen: 80/tcp, to: [", "192.168.0.", "", "]}}", LIMIT_BACKENDS,
			"'to' has 65 entries; it can have 1 to 64"},
		{"maps: {m: {listen: 80/tcp, to: 192.168.0.2, check: [", "{tcp: ", "}", "]}}",
			LIMIT_CHECKS, "'check' has 9 entries; it can have 1 to 8"},
		{"gateway: {hook: [", "/x", "", "]}", LIMIT_HOOK,
			"'hook' has 17 entries; the limit is 16"},
	};
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned int more = 0; more < 2; more++) {
			strbuf_addf(&b, "%s%s", uplinks, cases[i].before);
			for (unsigned int k = 1; k <= cases[i].limit + more; k++) {
				strbuf_addf(&b, "%s%s%u%s", k > 1 ? ", " : "", cases[i].each, k,
					cases[i].end);
			}
			strbuf_add(&b, cases[i].after);
			expect(&b, more ? cases[i].want : NULL);
		}
	for (unsigned int more = 0; more < 2; more++) {
		strbuf_add(&b, "uplinks: {a: {interface: eth0, check: {icmp: [");
		for (unsigned int k = 1; k <= LIMIT_TARGETS + more; k++)
			strbuf_addf(&b, "%s192.0.2.%u", k > 1 ? ", " : "", k);
		strbuf_add(&b, "], need: 16}}}");
		expect(&b, more ? "'icmp' has 17 entries; the limit is 16" : NULL);
	}
}

static void test_elements(void **state)
{
	struct strbuf b = STRBUF_INIT;

	/* 16 x 32768 ports x 2 uplinks are just the limit, and a plain range costs one each */
	for (unsigned int extra = 0; extra < 2; extra++) {
		strbuf_addf(&b, "%smaps:\n", uplinks);
		for (unsigned int i = 0; i < 16; i++)
			strbuf_addf(&b,
				"  m%u: {listen: %u-%u/%s, to: \"192.168.%u.1:2\", from: "
				"10.%u.0.0/16}\n",
				i, i % 2 ? 32768u : 1u, i % 2 ? 65535u : 32768u,
				(const char *[]){"tcp", "udp", "sctp"}[i / 2 % 3], i, i);
		if (extra)
			strbuf_add(&b, "  last: {listen: 100-200/sctp, to: 192.168.1.1, from: "
				       "12.0.0.0/8}\n");
		expect(&b, extra ? "the maps call for 1048578 kernel map elements; the limit is "
				   "1048576, and map 'last' passes it"
				 : NULL);
	}
}

static void test_uplinks(void **state)
{
	struct strbuf b = STRBUF_INIT;

	for (unsigned int n = 127; n <= 128; n++) {
		strbuf_add(&b, "uplinks:\n");
		for (unsigned int i = 0; i < n; i++)
			strbuf_addf(&b, "  u%u: {interface: eth%u}\n", i, i);
		expect(&b, n == 127 ? NULL
				    : "t.yaml:129:3: error: 'mark' 0xff000000 has room for 127 "
				      "uplinks; the file has 128");
	}
}

static void test_lists(void **state)
{
	static const struct {
		const char *before, *prefix, *after, *error;
		unsigned int limit;
	} lists[] = {
		{"uplinks: {a: {interface: e, address: ", "10.0.", "}}",
			"'address' has 257 entries; the limit is 256", LIMIT_ADDRESSES},
		{"uplinks: {a: {interface: e}}\nmaps: {m: {listen: 80/tcp, to: 192.168.0.2, "
		 "return: {snat: ",
			"192.168.", "}}}", "'snat' has 65 entries; the limit is 64", LIMIT_SNAT},
		{"uplinks: {a: {interface: e}}\nmaps: {m: {listen: 80/tcp, to: 192.168.0.2, from: ",
			"198.51.", "}}", "'from' has 65537 entries; the limit is 65536",
			LIMIT_FROM},
	};
	struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (unsigned int extra = 0; extra < 2; extra++) {
			strbuf_add(&b, lists[i].before);
			list(&b, lists[i].prefix, lists[i].limit + extra);
			strbuf_add(&b, lists[i].after);
			expect(&b, extra ? lists[i].error : NULL);
		}
	}
}

static void test_names(void **state)
{
	struct strbuf b = STRBUF_INIT;

	for (unsigned int n = LIMIT_NAME; n <= LIMIT_NAME + 1; n++) {
		strbuf_add(&b, "uplinks:\n  ");
		strbuf_fill(&b, 'x', n);
		strbuf_add(&b, ": {interface: eth0}\n");
		expect(&b, n == LIMIT_NAME
				   ? NULL
				   : "the name of an uplink may have at most 63 characters");
	}
}

static void test_size(void **state)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_add(&b, "uplinks: {a: {interface: eth0}}\n#");
	strbuf_fill(&b, 'x', LIMIT_CONFIG_BYTES - b.len);
	expect(&b, NULL);
	strbuf_fill(&b, '#', LIMIT_CONFIG_BYTES + 1);
	expect(&b, "error: the file has 67108865 bytes; the limit is 67108864");
}

/* ---- time ---- */

static double seconds(struct strbuf *b, const char *want)
{
	struct timespec from, to;
	struct loaded l;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	l = load_buf(b);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	if (want)
		assert_non_null(strstr(strbuf_str(&l.said), want));
	else
		assert_string_equal(strbuf_str(&l.said), "");
	unload(&l);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* Files that are large in one way each; @n is how large. */
static void large(struct strbuf *b, int kind, unsigned int n)
{
	strbuf_add(b, uplinks);
	switch (kind) {
	case 0: /* nothing wrong */
		add_maps(b, n);
		break;
	case 1: /* all on one port, kept apart by `from` */
		strbuf_add(b, "maps:\n");
		for (unsigned int i = 0; i < n; i++)
			strbuf_addf(b,
				"  m%u: {listen: 80/tcp, to: 192.168.0.2, from: 10.%u.%u.0/24}\n",
				i, i >> 8 & 255, i & 255);
		break;
	case 2: /* all on one port, and not kept apart */
		strbuf_add(b, "maps:\n");
		for (unsigned int i = 0; i < n; i++)
			strbuf_addf(b, "  m%u: {listen: 80/tcp, to: 192.168.0.2}\n", i);
		break;
	case 3: /* nested ranges */
		strbuf_add(b, "maps:\n");
		for (unsigned int i = 0; i < n; i++)
			strbuf_addf(b,
				"  m%u: {listen: %u-%u/tcp, to: 192.168.0.2, from: "
				"10.%u.%u.0/24}\n",
				i, i / 2 + 1, 65535 - i / 2, i >> 8 & 255, i & 255);
		break;
	case 4: /* one name for all */
		strbuf_add(b, "maps:\n");
		for (unsigned int i = 0; i < n; i++)
			strbuf_add(b, "  m: {listen: 80/tcp, to: 192.168.0.2}\n");
		break;
	case 5: /* unknown uplinks */
		strbuf_add(b, "maps:\n");
		for (unsigned int i = 0; i < n; i++)
			strbuf_addf(b, "  m%u: {listen: 80/tcp, to: 192.168.0.2, on: u%u}\n", i, i);
		break;
	case 6: /* one backend port, each to return in another way */
		strbuf_add(b, "maps:\n");
		for (unsigned int i = 0; i < n; i++)
			strbuf_addf(b,
				"  m%u: {listen: %u/tcp, to: \"192.168.0.2:80\", return: {snat: "
				"10.1.%u.%u}}\n",
				i, i + 1, i >> 8 & 255, i & 255);
		break;
	default:
		fail();
	}
}

static void test_time_is_linear(void **state)
{
	static const char *const said[] = {NULL, NULL, "80/tcp is already mapped", NULL,
		"map 'm' stands twice", "unknown uplink", "return differently"};

	for (int kind = 0; kind < (int)(sizeof(said) / sizeof(said[0])); kind++) {
		struct strbuf some = STRBUF_INIT, more = STRBUF_INIT;
		double t_some, t_more;

		large(&some, kind, 4000);
		large(&more, kind, 40000);
		t_some = seconds(&some, said[kind]);
		t_more = seconds(&more, said[kind]);
		if (t_more > 0.5 && t_more > 40 * t_some)
			fail_msg("kind %d: %.3f s, then %.3f s for ten times as much", kind, t_some,
				t_more);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_daemon_lists),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_uplinks),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_time_is_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
