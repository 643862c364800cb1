/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which connections are tried: all, or a sample that leaves no uplink out. */
#include "configured.h"

#include <stdlib.h>

#define UPLINKS                                                                                    \
	"uplinks:\n"                                                                               \
	"  telecom: {interface: eth0, gateway: 1.1.1.254}\n"                                       \
	"  unicom: {interface: eth1, gateway: 2.2.2.254}\n"                                        \
	"maps:\n"

static unsigned int count(const struct configured *c, const char *map, unsigned int uplink,
	uint16_t port, uint16_t backend_port)
{
	unsigned int n = 0;

	VEC_EACH (&c->result.probes, struct rehearse_probe, p)
		n += strcmp(p->map->name, map) == 0 && p->uplink == uplink && p->port == port &&
		     p->backend_port == backend_port;
	return n;
}

static void every_listener_on_every_uplink(void **state)
{
	struct configured c;

	(void)state;
	configure(&c, UPLINKS "  web: {listen: [80/tcp, 443/tcp], to: 192.168.0.2}\n"
			      "  one: {listen: 25/tcp, to: '192.168.0.3:2525', on: [unicom]}\n"
			      "  off: {listen: 26/tcp, to: 192.168.0.3, enabled: false}\n");
	assert_int_equal(c.result.probes.len, 5);
	for (unsigned int u = 0; u < 2; u++) {
		assert_int_equal(count(&c, "web", u, 80, 80), 1);
		assert_int_equal(count(&c, "web", u, 443, 443), 1);
	}
	assert_int_equal(count(&c, "one", 1, 25, 2525), 1);
	assert_int_equal(c.result.notes.len, 0);
	configured_fini(&c);
}

static void three_points_of_a_range(void **state)
{
	struct configured c;

	(void)state;
	configure(&c, UPLINKS "  games: {listen: 27000-27099/udp, to: '192.168.0.7:28000'}\n"
			      "  two: {listen: 100-101/udp, to: 192.168.0.7}\n");
	assert_int_equal(c.result.probes.len, 2 * (3 + 2));
	assert_int_equal(count(&c, "games", 0, 27000, 28000), 1);
	assert_int_equal(count(&c, "games", 0, 27049, 28049), 1);
	assert_int_equal(count(&c, "games", 0, 27099, 28099), 1);
	assert_int_equal(count(&c, "two", 1, 100, 100), 1);
	assert_int_equal(count(&c, "two", 1, 101, 101), 1);
	assert_int_equal(c.result.notes.len, 1);
	configured_fini(&c);
}

static void from_is_tried_both_ways(void **state)
{
	struct configured c;

	(void)state;
	configure(&c,
		UPLINKS "  office: {listen: 22/tcp, to: 192.168.0.2, from: [198.51.100.0/24], "
			"on: [telecom]}\n");
	assert_int_equal(c.result.probes.len, 2);
	assert_false(c.result.probes.items[0].refused);
	assert_true(ip_equal(&c.result.probes.items[0].client,
		&(struct ip_addr){.family = IP_V4, .bytes = {198, 51, 100, 1}}));
	assert_true(c.result.probes.items[1].refused);
	assert_true(ip_equal(&c.result.probes.items[1].client,
		&(struct ip_addr){.family = IP_V4, .bytes = {100, 100, 100, 100}}));
	configured_fini(&c);
}

static void from_everywhere_refuses_nobody(void **state)
{
	struct configured c;

	(void)state;
	configure(&c, UPLINKS "  all: {listen: 22/tcp, to: 192.168.0.2, from: [0.0.0.0/0]}\n");
	assert_int_equal(c.result.probes.len, 2);
	assert_false(c.result.probes.items[0].refused || c.result.probes.items[1].refused);
	configured_fini(&c);
}

/* A client that would have to sit in the gateway's own network cannot be outside. */
static void from_inside_is_not_tried(void **state)
{
	struct configured c;

	(void)state;
	configure(&c, UPLINKS "  lan: {listen: 22/tcp, to: 192.168.0.2, from: [192.168.0.0/24], "
			      "on: [telecom]}\n");
	assert_int_equal(c.result.probes.len, 1);
	assert_true(c.result.probes.items[0].refused);
	assert_int_equal(c.result.notes.len, 1);
	configured_fini(&c);
}

static char *many_maps(unsigned int maps, unsigned int uplinks)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_add(&b, "uplinks:\n");
	for (unsigned int i = 0; i < uplinks; i++)
		strbuf_addf(&b, "  u%u: {interface: wan%u}\n", i, i);
	strbuf_add(&b, "maps:\n");
	for (unsigned int i = 0; i < maps; i++)
		strbuf_addf(&b, "  m%u: {listen: %u/tcp, to: 10.0.%u.%u}\n", i, i + 1, i / 200,
			i % 200 + 2);
	return strbuf_take(&b);
}

static void a_sample_is_spread(void **state)
{
	char *text = many_maps(5000, 2);
	struct configured c;

	(void)state;
	configure(&c, text);
	assert_int_equal(c.result.probes.len, REHEARSE_MAX_PROBES);
	assert_int_equal(c.result.notes.len, 1);
	for (unsigned int u = 0; u < 2; u++) {
		assert_int_equal(count(&c, "m0", u, 1, 1), 1);
		assert_int_equal(count(&c, "m4999", u, 5000, 5000), 1);
	}
	/* No large gap anywhere. */
	for (size_t i = 2; i < c.result.probes.len; i++) {
		int step = c.result.probes.items[i].port - c.result.probes.items[i - 2].port;

		assert_in_range(step, 49, 52);
	}
	configured_fini(&c);
	free(text);
}

static void a_sample_leaves_no_uplink_out(void **state)
{
	char *text = many_maps(40, 60);
	unsigned int seen[60] = {0};
	struct configured c;

	(void)state;
	configure(&c, text);
	assert_in_range(c.result.probes.len, 100, REHEARSE_MAX_PROBES);
	VEC_EACH (&c.result.probes, struct rehearse_probe, p)
		seen[p->uplink]++;
	for (unsigned int u = 0; u < 60; u++)
		assert_true(seen[u] > 0);
	configured_fini(&c);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_listener_on_every_uplink),
		cmocka_unit_test(three_points_of_a_range),
		cmocka_unit_test(from_is_tried_both_ways),
		cmocka_unit_test(from_everywhere_refuses_nobody),
		cmocka_unit_test(from_inside_is_not_tried),
		cmocka_unit_test(a_sample_is_spread),
		cmocka_unit_test(a_sample_leaves_no_uplink_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
