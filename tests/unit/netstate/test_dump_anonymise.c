/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Anonymised addresses: bits shared before are shared afterwards, and a state keeps its structure. */
#include "dump_test.h"

#include "netstate/dump/anonymise.h"

static const uint8_t some_key[ANONYMISE_KEY_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static struct anonymiser anonymiser(void)
{
	struct anonymiser x;

	anonymise_init(&x, some_key);
	return x;
}

static unsigned int shared_bits(const struct ip_addr *a, const struct ip_addr *b)
{
	unsigned int n = 0;

	while (n < ip_bits(a->family) && !((a->bytes[n / 8] ^ b->bytes[n / 8]) >> (7 - n % 8) & 1))
		n++;
	return n;
}

static void test_prefixes_are_kept(void **state)
{
	struct anonymiser x = anonymiser();
	uint32_t seed = 42;
	unsigned int changed = 0;

	for (unsigned int i = 0; i < 20000; i++) {
		struct ip_addr a = {.family = i & 1 ? IP_V6 : IP_V4}, b, c, d;
		unsigned int keep;

		for (unsigned int n = 0; n < ip_bytes(a.family); n++)
			a.bytes[n] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
		keep = (seed = seed * 1103515245 + 12345) >> 16 & (ip_bits(a.family) - 1);
		if (i & 2) /* mostly 2000::/3 and a few known ranges */
			a.bytes[0] = i & 1 ? 0x20 : (uint8_t)(seed >> 9);
		b = a;
		b.bytes[keep / 8] ^= (uint8_t)(0x80 >> keep % 8);
		c = anonymise_addr(&x, &a);
		d = anonymise_addr(&x, &b);
		if (shared_bits(&a, &b) != shared_bits(&c, &d))
			fail_msg("%u bits became %u", shared_bits(&a, &b), shared_bits(&c, &d));
		changed += !ip_equal(&a, &c);
	}
	assert_true(changed > 15000);
}

static void stays_in(const char *range, const char *addr)
{
	struct anonymiser x = anonymiser();
	struct ip_prefix p = prefix(range);
	struct ip_addr a = ip(addr), b = anonymise_addr(&x, &a);

	assert_true(ip_in_prefix(&b, &p));
}

static void same(const char *addr)
{
	struct anonymiser x = anonymiser();
	struct ip_addr a = ip(addr), b = anonymise_addr(&x, &a);

	assert_true(ip_equal(&a, &b));
}

static void test_special_ranges(void **state)
{
	struct anonymiser x = anonymiser();

	stays_in("10.0.0.0/8", "10.20.30.40");
	stays_in("172.16.0.0/12", "172.31.255.1");
	stays_in("192.168.0.0/16", "192.168.77.1");
	stays_in("100.64.0.0/10", "100.127.1.1");
	stays_in("169.254.0.0/16", "169.254.1.1");
	stays_in("fe80::/64", "fe80::ac55:61ff:fe41:36a6");
	stays_in("fc00::/7", "fd12:3456::1");
	stays_in("64:ff9b::/96", "64:ff9b::808:808");
	same("0.0.0.0");
	same("127.0.0.1");
	same("224.0.0.251");
	same("255.255.255.255");
	same("255.255.254.0");
	same("::");
	same("::1");
	same("ff02::1");
	same("ffff:ffff::");
	/* No public address becomes a private one: they would change places. */
	for (uint32_t i = 0; i < 1u << 16; i++) {
		struct ip_addr a = {
			.family = IP_V4, .bytes = {(uint8_t)(i >> 8), (uint8_t)i, 7, 9}};
		struct ip_addr b = anonymise_addr(&x, &a);

		assert_int_equal(ip_is_private(&a), ip_is_private(&b));
		assert_int_equal(ip_is_loopback(&a), ip_is_loopback(&b));
		assert_int_equal(ip_is_link_local(&a), ip_is_link_local(&b));
	}
}

static const char *rewritten(struct arena *a, const char *text)
{
	struct anonymiser x = anonymiser();
	struct strbuf out = STRBUF_INIT;
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1); /* of just that size, so that ASan sees */
	const char *s;

	memcpy(copy, text, len);
	anonymise_text(&x, copy, len, &out);
	s = arena_strdup(a, strbuf_str(&out));
	free(copy);
	strbuf_fini(&out);
	return s;
}

static const char *becomes(struct arena *a, const char *addr)
{
	struct anonymiser x = anonymiser();
	struct ip_addr in = ip(addr), out = anonymise_addr(&x, &in);
	char buf[IP_STRLEN];

	return arena_strdup(a, ip_format(&out, buf));
}

static void test_texts(void **state)
{
	struct arena *a = arena_new();
	const char *backend = becomes(a, "203.0.113.77"), *v6 = becomes(a, "2001:db8:7::1");
	struct ip_addr host = ip(becomes(a, "203.0.113.0"));
	struct ip_prefix network = ip_prefix_of(&host, 20);
	char buf[PREFIX_STRLEN];

	/* Left alone: what only looks like one. */
	static const char *const alone[] = {"iptables-save v1.8.9 on Sun Nov 22 12:07:22 2026",
		"nft 1.0.6.1x", "gc_timer 299.76", "12:34:56", "0xdeadbeef", "eth0:1", "cafe",
		"::", "tcp dport 80: accept", "rule 1.2.3", "[0:0]", "fe:ed", "", "a.b.c.d",
		":::", "...."};

	for (size_t i = 0; i < sizeof(alone) / sizeof(*alone); i++)
		assert_string_equal(rewritten(a, alone[i]), alone[i]);

	assert_string_equal(rewritten(a, "-j DNAT --to-destination 203.0.113.77:8080"),
		arena_printf(a, "-j DNAT --to-destination %s:8080", backend));
	assert_string_equal(rewritten(a, "src=203.0.113.77 dst=2001:db8:7::1 sport=1"),
		arena_printf(a, "src=%s dst=%s sport=1", backend, v6));
	assert_string_equal(rewritten(a, "to [2001:db8:7::1]:80; at 203.0.113.77."),
		arena_printf(a, "to [%s]:80; at %s.", v6, backend));
	/* Host bits that were zero stay zero; of an interface's address they do not. */
	assert_string_equal(rewritten(a, "-d 203.0.112.0/20 -j"),
		arena_printf(a, "-d %s -j", ip_prefix_format(&network, buf)));
	assert_string_equal(rewritten(a, "{\"prefix\": {\"addr\": \"203.0.112.0\", \"len\": 20}}"),
		arena_printf(a, "{\"prefix\": {\"addr\": \"%s\", \"len\": 20}}",
			ip_format(&network.addr, buf)));
	assert_string_equal(rewritten(a, "inet 203.0.113.77/20 scope"),
		arena_printf(a, "inet %s/20 scope", backend));
	/* A network as a range, and a range within the last byte. */
	assert_string_equal(rewritten(a, "{\"range\": [ \"203.0.112.0\", \"203.0.127.255\"]}"),
		arena_printf(a, "{\"range\": [ \"%s\", \"%s\"]}",
			ip_format(&network.addr, (char[IP_STRLEN]){0}),
			ip_format(&(struct ip_addr){IP_V4,
					  {network.addr.bytes[0], network.addr.bytes[1],
						  network.addr.bytes[2] | 15, 255}},
				buf)));
	assert_string_equal(rewritten(a, "203.0.113.70-203.0.113.77"),
		arena_printf(a, "%s-%s", becomes(a, "203.0.113.70"), backend));
	arena_free(a);
}

static void test_macs(void **state)
{
	struct arena *a = arena_new();
	const char *mac = rewritten(a, "ae:55:61:41:36:a6");
	uint8_t first;

	assert_int_equal(strlen(mac), 17);
	assert_string_not_equal(mac, "ae:55:61:41:36:a6");
	first = (uint8_t)strtoul(mac, NULL, 16);
	assert_int_equal(first & 3, 2);
	assert_string_equal(rewritten(a, "\"bridge_id\":\"8000.ae:55:61:41:36:a6\""),
		arena_printf(a, "\"bridge_id\":\"8000.%s\"", mac));
	assert_string_equal(rewritten(a, "ff:ff:ff:ff:ff:ff 01:80:c2:00:00:00 00:00:00:00:00:00"),
		"ff:ff:ff:ff:ff:ff 01:80:c2:00:00:00 00:00:00:00:00:00");
	arena_free(a);
}

/* ---- a whole state ---- */

static void add_rewritten(struct dumped *d, const struct dump_file *f)
{
	struct anonymiser x = anonymiser();
	struct strbuf out = STRBUF_INIT;

	anonymise_text(&x, f->text, f->len, &out);
	dumped_bytes(d, f->name, strbuf_str(&out), out.len);
	strbuf_fini(&out);
}

static void same_family_and_length(const struct ip_prefix *a, const struct ip_prefix *b)
{
	struct anonymiser x = anonymiser();
	struct ip_addr mapped = anonymise_addr(&x, &a->addr);
	struct ip_prefix want = ip_prefix_of(&mapped, a->len);

	assert_int_equal(a->len, b->len);
	if (a->addr.family)
		assert_true(ip_prefix_equal(&want, b) || a->len == 0);
}

static void test_state(void **state)
{
	struct anonymiser x = anonymiser();
	struct dumped before, after;

	dumped_begin(&before);
	dumped_file(&before, "rule.json");
	dumped_file(&before, "numeric-route.json");
	dumped_file(&before, "addr-details.txt");
	dumped_file(&before, "neigh.json");
	dumped_read(&before);
	dumped_begin(&after);
	for (size_t i = 0; i < before.n; i++)
		add_rewritten(&after, &before.files[i]);
	dumped_read(&after);
	assert_no_notes(&after);
	assert_int_equal(before.net.have, after.net.have);
	assert_int_equal(before.net.links.len, after.net.links.len);
	assert_int_equal(before.net.rules.len, after.net.rules.len);
	assert_int_equal(before.net.routes.len, after.net.routes.len);
	assert_int_equal(before.net.addrs.len, after.net.addrs.len);
	assert_int_equal(before.net.neighbours.len, after.net.neighbours.len);
	for (size_t i = 0; i < before.net.rules.len; i++) {
		same_family_and_length(
			&before.net.rules.items[i].src, &after.net.rules.items[i].src);
		same_family_and_length(
			&before.net.rules.items[i].dst, &after.net.rules.items[i].dst);
		assert_int_equal(before.net.rules.items[i].table, after.net.rules.items[i].table);
	}
	for (size_t i = 0; i < before.net.routes.len; i++) {
		const struct net_route *p = &before.net.routes.items[i];
		const struct net_route *q = &after.net.routes.items[i];

		same_family_and_length(&p->dst, &q->dst);
		assert_int_equal(p->nexthops.len, q->nexthops.len);
		for (size_t k = 0; k < p->nexthops.len; k++) {
			struct ip_addr want = anonymise_addr(&x, &p->nexthops.items[k].gateway);

			assert_true(ip_equal(&want, &q->nexthops.items[k].gateway));
			assert_string_equal(
				p->nexthops.items[k].interface, q->nexthops.items[k].interface);
		}
	}
	/* Addresses are in the networks that they were in. */
	VEC_EACH (&after.net.routes, struct net_route, r)
		if (r->prefsrc.family && r->type == ROUTE_UNICAST && r->scope == 253 &&
			r->dst.len < 32)
			assert_true(ip_in_prefix(&r->prefsrc, &r->dst));
	dumped_end(&before);
	dumped_end(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes_are_kept),
		cmocka_unit_test(test_special_ranges),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_macs),
		cmocka_unit_test(test_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
