/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and prefixes: text both ways, arithmetic, classes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/ip.h"

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	if (ip_parse(s, &a))
		fail_msg("%s does not parse", s);
	return a;
}

static struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p;

	if (ip_prefix_parse(s, &p))
		fail_msg("%s does not parse", s);
	return p;
}

static void test_round_trip(void **state)
{
	static const char *const same[] = {"0.0.0.0", "1.1.1.254", "192.168.0.2", "255.255.255.255",
		"10.9.99.100", "::", "::1", "2001:db8::25", "fe80::1", "ff02::1:ff00:1",
		"2001:db8:1:2:3:4:5:6", "::ffff:192.0.2.1"};
	static const char *const canonical[][2] = {
		{"2001:DB8:0:0:0:0:0:25", "2001:db8::25"},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"fe80:0000::0001", "fe80::1"},
	};
	char buf[IP_STRLEN];
	struct ip_addr a;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		a = addr(same[i]);
		assert_string_equal(ip_format(&a, buf), same[i]);
	}
	for (size_t i = 0; i < sizeof(canonical) / sizeof(canonical[0]); i++) {
		a = addr(canonical[i][0]);
		assert_string_equal(ip_format(&a, buf), canonical[i][1]);
	}
	a = (struct ip_addr){0};
	assert_string_equal(ip_format(&a, buf), "none");
	a = addr("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255");
	assert_true(strlen(ip_format(&a, buf)) < IP_STRLEN);
}

static void test_bytes(void **state)
{
	static const uint8_t v4[4] = {192, 168, 0, 2};
	struct ip_addr a = addr("192.168.0.2"), b = ip_from_bytes(IP_V4, v4);

	assert_int_equal(a.family, IP_V4);
	assert_memory_equal(a.bytes, v4, 4);
	assert_true(ip_equal(&a, &b));
	assert_int_equal(addr("2001:db8::1").bytes[15], 1);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256",
		"01.2.3.4", "1.2.3.04", "1..2.3", "1.2.3.", ".1.2.3", " 1.2.3.4", "1.2.3.4 ",
		"1.2.3.4/32", "0x1.2.3.4", "1.2.3.-4", "1.2.3.4a", "0000.1.1.1", ":", ":::", "1:2",
		"g::", "[::1]", "fe80::1%eth0", "::1/128", "1:2:3:4:5:6:7:8:9",
		"12345::", "::1.2.3.256", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555555"};
	struct ip_addr a = {.family = 99};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (ip_parse(bad[i], &a) != -EINVAL)
			fail_msg("'%s' parses", bad[i]);
		assert_int_equal(a.family, 99); /* untouched */
	}
	assert_int_equal(ip_parse_n("1.2.3.4xyz", 7, &a), 0);
	assert_true(ip_equal(&a, &(struct ip_addr){.family = IP_V4, .bytes = {1, 2, 3, 4}}));
	assert_int_equal(ip_parse_n("1.2.3.4", 5, &a), -EINVAL);
	assert_int_equal(ip_parse_n("::1\0junk", 8, &a), -EINVAL);
}

static void test_prefix(void **state)
{
	static const char *const same[] = {"0.0.0.0/0", "10.0.0.0/8", "192.168.0.128/25",
		"1.2.3.4/32", "::/0", "2001:db8::/32", "fe80::/10", "2001:db8::1/128"};
	static const char *const bad[] = {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8 ", "::/129", "::/1280", "10/8",
		"10.0.0.0/8/8", "10.0.0.0/255.0.0.0"};
	char buf[PREFIX_STRLEN];
	struct ip_prefix p;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		p = prefix(same[i]);
		assert_string_equal(ip_prefix_format(&p, buf), same[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ip_prefix_parse(bad[i], &p) != -EINVAL)
			fail_msg("'%s' parses", bad[i]);
	p = prefix("192.0.2.1");
	assert_int_equal(p.len, 32);
	p = prefix("2001:db8::1");
	assert_int_equal(p.len, 128);

	assert_int_equal(ip_prefix_parse("198.51.100.7/24", &p), -EDOM);
	assert_string_equal(ip_prefix_format(&p, buf), "198.51.100.0/24");
	assert_int_equal(ip_prefix_parse("2001:db8:ffff::/33", &p), -EDOM);
	assert_string_equal(ip_prefix_format(&p, buf), "2001:db8:8000::/33");
}

static void test_prefix_arithmetic(void **state)
{
	struct ip_prefix p = prefix("10.1.2.0/23"), all = prefix("0.0.0.0/0");
	struct ip_addr a = ip_prefix_last(&p);
	char buf[IP_STRLEN];

	assert_string_equal(ip_format(&a, buf), "10.1.3.255");
	p = prefix("2001:db8::/33");
	a = ip_prefix_last(&p);
	assert_string_equal(ip_format(&a, buf), "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff");
	p = prefix("1.2.3.4/32");
	a = ip_prefix_last(&p);
	assert_string_equal(ip_format(&a, buf), "1.2.3.4");
	a = ip_prefix_last(&all);
	assert_string_equal(ip_format(&a, buf), "255.255.255.255");
}

static void test_inside_and_overlap(void **state)
{
	static const struct {
		const char *a, *p;
		bool inside;
	} cases[] = {
		{"10.1.3.255", "10.1.2.0/23", true},
		{"10.1.4.0", "10.1.2.0/23", false},
		{"10.1.1.255", "10.1.2.0/23", false},
		{"1.2.3.4", "0.0.0.0/0", true},
		{"1.2.3.4", "::/0", false},
		{"1.2.3.4", "1.2.3.4/32", true},
		{"1.2.3.5", "1.2.3.4/32", false},
		{"2001:db8:7fff::1", "2001:db8::/33", true},
		{"2001:db8:8000::1", "2001:db8::/33", false},
		{"2001:db8::1", "2001:db8::1/128", true},
	};
	struct ip_prefix a, b;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_addr ip = addr(cases[i].a);
		struct ip_prefix p = prefix(cases[i].p);

		assert_int_equal(ip_in_prefix(&ip, &p), cases[i].inside);
	}
	a = prefix("10.0.0.0/8");
	b = prefix("10.9.0.0/16");
	assert_true(ip_prefix_overlap(&a, &b));
	assert_true(ip_prefix_overlap(&b, &a));
	assert_true(ip_prefix_overlap(&a, &a));
	b = prefix("11.0.0.0/8");
	assert_false(ip_prefix_overlap(&a, &b));
	b = prefix("::/0");
	assert_false(ip_prefix_overlap(&a, &b));
	assert_false(ip_prefix_overlap(&b, &a));
}

static void test_order(void **state)
{
	struct ip_addr a = addr("1.2.3.4"), b = addr("1.2.4.0"), c = addr("::"), none = {0};
	struct ip_addr dirty = a;

	dirty.bytes[9] = 1; /* beyond a v4 address: means nothing */
	assert_true(ip_equal(&a, &dirty));
	assert_true(ip_cmp(&a, &b) < 0);
	assert_true(ip_cmp(&b, &a) > 0);
	assert_true(ip_cmp(&b, &c) < 0);
	assert_true(ip_cmp(&none, &a) < 0);
	assert_true(ip_equal(&none, &none));
}

static void test_classes(void **state)
{
	static const struct {
		const char *a;
		bool private, link_local, loopback, multicast, unspecified;
	} cases[] = {
		{"9.255.255.255", 0, 0, 0, 0, 0},
		{"10.0.0.0", 1, 0, 0, 0, 0},
		{"172.15.255.255", 0, 0, 0, 0, 0},
		{"172.16.0.1", 1, 0, 0, 0, 0},
		{"172.31.255.255", 1, 0, 0, 0, 0},
		{"172.32.0.0", 0, 0, 0, 0, 0},
		{"192.168.0.2", 1, 0, 0, 0, 0},
		{"192.169.0.2", 0, 0, 0, 0, 0},
		{"100.64.0.1", 1, 0, 0, 0, 0},
		{"100.127.255.255", 1, 0, 0, 0, 0},
		{"100.128.0.0", 0, 0, 0, 0, 0},
		{"169.254.1.1", 0, 1, 0, 0, 0},
		{"127.8.9.1", 0, 0, 1, 0, 0},
		{"224.0.0.1", 0, 0, 0, 1, 0},
		{"239.255.255.255", 0, 0, 0, 1, 0},
		{"240.0.0.1", 0, 0, 0, 0, 0},
		{"0.0.0.0", 0, 0, 0, 0, 1},
		{"0.0.0.1", 0, 0, 0, 0, 0},
		{"::", 0, 0, 0, 0, 1},
		{"::1", 0, 0, 1, 0, 0},
		{"::2", 0, 0, 0, 0, 0},
		{"fe80::1", 0, 1, 0, 0, 0},
		{"febf::1", 0, 1, 0, 0, 0},
		{"fec0::1", 0, 0, 0, 0, 0},
		{"fc00::1", 1, 0, 0, 0, 0},
		{"fdff::1", 1, 0, 0, 0, 0},
		{"2001:db8::1", 0, 0, 0, 0, 0},
		{"ff02::1", 0, 0, 0, 1, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_addr a = addr(cases[i].a);

		if (ip_is_private(&a) != cases[i].private ||
			ip_is_link_local(&a) != cases[i].link_local ||
			ip_is_loopback(&a) != cases[i].loopback ||
			ip_is_multicast(&a) != cases[i].multicast ||
			ip_is_unspecified(&a) != cases[i].unspecified)
			fail_msg("%s is of another class", cases[i].a);
	}
	assert_false(ip_is_unspecified(&(struct ip_addr){0}));
	assert_false(ip_is_private(&(struct ip_addr){.bytes = {10}}));
}

static void test_protocols(void **state)
{
	assert_string_equal(ip_proto_name(PROTO_TCP), "tcp");
	assert_string_equal(ip_proto_name(PROTO_SCTP), "sctp");
	assert_null(ip_proto_name(0));
	assert_int_equal(ip_proto_parse("udp", 3), PROTO_UDP);
	assert_int_equal(ip_proto_parse("udplite", 3), PROTO_UDP);
	assert_int_equal(ip_proto_parse("TCP", 3), 0);
	assert_int_equal(ip_proto_parse("", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_prefix_arithmetic),
		cmocka_unit_test(test_inside_and_overlap),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
