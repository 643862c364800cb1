/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From packets on the lines to a verdict with its reason. */
#include "configured.h"

#include <errno.h>

#include "rehearse/sniff.h"
#include "rehearse/stage.h"

struct stageless {
	struct configured c;
	struct sighting s[4];
	struct rehearse_cell cell;
};

static const char *const names[] = {"telecom", "unicom"}, *const interfaces[] = {"eth0", "eth1"};

/* Probes: 0 web on telecom, 1 web on unicom, 2 and 3 office on unicom, let in and refused. */
static int setup(void **state)
{
	static struct stageless t;

	memset(&t, 0, sizeof(t));
	configure(&t.c,
		"uplinks:\n"
		"  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
		"  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
		"maps:\n"
		"  web: {listen: 80/tcp, to: '192.168.0.2:8080'}\n"
		"  office: {listen: 81/tcp, to: 192.168.0.2, from: [7.7.7.7], on: [unicom]}\n");
	t.c.result.uplink_names = names;
	t.c.result.interfaces = interfaces;
	assert_int_equal(t.c.result.probes.len, 4);
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	struct stageless *t = *state;

	configured_fini(&t->c);
	return 0;
}

static void packet(struct stageless *t, enum sniff_place place, unsigned int uplink, bool outgoing,
	const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct sniffed p = {addr_of(src), addr_of(dst), PROTO_TCP, sport, dport};

	sniff_note(&t->c.result, place, uplink, outgoing, &p, t->s);
}

static const struct rehearse_cell *verdict(struct stageless *t, unsigned int probe)
{
	probe_judge(&t->c.result, &t->c.result.probes.items[probe], &t->s[probe], &t->cell);
	return &t->cell;
}

/* The server got it and the client its answer. */
static void answer(
	struct stageless *t, unsigned int probe, uint8_t by, const char *at, uint16_t port)
{
	t->s[probe].answered = true;
	t->s[probe].answered_by = by;
	t->s[probe].saw = addr_of("192.168.0.1");
	t->s[probe].saw_at = addr_of(at);
	t->s[probe].saw_port = port;
}

static void home(void **state)
{
	struct stageless *t = *state;

	packet(t, SNIFF_ISP, 1, true, "100.100.100.100", 20001, "2.2.2.2", 80);
	packet(t, SNIFF_LAN, 0, false, "192.168.0.1", 20001, "192.168.0.2", 8080);
	packet(t, SNIFF_ISP, 1, false, "2.2.2.2", 80, "100.100.100.100", 20001);
	answer(t, 1, ANSWERED_BY_BACKEND, "192.168.0.2", 8080);
	assert_int_equal(verdict(t, 1)->result, RESULT_WORKS);
	assert_int_equal(t->cell.left_by, 1);
	assert_int_equal(t->s[1].at_backend, 1);
	assert_string_equal(t->cell.reason, "");
	/* Nothing of it belongs to the other probes. */
	assert_int_equal(t->s[0].home + t->s[0].at_backend + t->s[0].astray.packets, 0);
}

static void answered_but_astray_once(void **state)
{
	struct stageless *t = *state;

	packet(t, SNIFF_ISP, 1, false, "2.2.2.2", 80, "100.100.100.100", 20001);
	packet(t, SNIFF_ISP, 0, false, "2.2.2.2", 80, "100.100.100.100", 20001);
	answer(t, 1, ANSWERED_BY_BACKEND, "192.168.0.2", 8080);
	assert_int_equal(verdict(t, 1)->result, RESULT_ASTRAY);
	assert_string_equal(t->cell.reason,
		"the reply left by eth0 (telecom) with source 2.2.2.2; that ISP drops it");
}

/* Any of several backends may answer, by its own port; another address, or port, is wrong. */
static void any_backend(void **state)
{
	static const struct {
		const char *at;
		uint16_t port;
		enum probe_result want;
	} cases[] = {{"192.168.0.2", 80, RESULT_WORKS}, {"192.168.0.3", 8080, RESULT_WORKS},
		{"192.168.0.3", 80, RESULT_ASTRAY}, {"192.168.0.4", 80, RESULT_ASTRAY}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stageless t = {0};

		configure(&t.c, "uplinks:\n"
				"  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
				"maps:\n"
				"  web: {listen: 80/tcp, to: [192.168.0.2, '192.168.0.3:8080']}\n");
		t.c.result.uplink_names = names;
		t.c.result.interfaces = interfaces;
		assert_int_equal(t.c.result.probes.len, 1);
		assert_int_equal(t.c.topology->backends.len, 2);
		packet(&t, SNIFF_LAN, 0, false, "192.168.0.1", 20000, cases[i].at, cases[i].port);
		packet(&t, SNIFF_ISP, 0, false, "1.1.1.1", 80, "100.100.100.100", 20000);
		answer(&t, 0, ANSWERED_BY_BACKEND, cases[i].at, cases[i].port);
		assert_int_equal(verdict(&t, 0)->result, cases[i].want);
		assert_int_equal(t.s[0].at_backend, i == 3 ? 0 : 1);
		assert_true(ip_equal(&t.cell.at, &t.s[0].saw_at));
		configured_fini(&t.c);
	}
}

static void bypass(void **state)
{
	struct stageless *t = *state;

	packet(t, SNIFF_LAN, 0, false, "100.100.100.100", 20000, "192.168.0.2", 8080);
	packet(t, SNIFF_LINE, 0, true, "9.9.9.9", 8080, "100.100.100.100", 20000);
	assert_int_equal(verdict(t, 0)->result, RESULT_DEAD);
	assert_int_equal(t->cell.left_by, -1);
	assert_string_equal(t->cell.reason, "the reply bypassed the gateway: it came from 9.9.9.9");
}

static void leak(void **state)
{
	struct stageless *t = *state;

	packet(t, SNIFF_ISP, 1, false, "100.100.100.100", 20001, "192.168.0.2", 8080);
	assert_int_equal(verdict(t, 1)->result, RESULT_DEAD);
	assert_string_equal(t->cell.reason,
		"the request for 192.168.0.2 left by eth1, towards the ISP of unicom");
}

static void wrong_source_on_the_right_line(void **state)
{
	struct stageless *t = *state;

	packet(t, SNIFF_ISP, 1, false, "192.168.0.2", 80, "100.100.100.100", 20001);
	assert_int_equal(verdict(t, 1)->result, RESULT_DEAD);
	assert_string_equal(t->cell.reason, "the reply left by eth1 with source 192.168.0.2, which "
					    "is not the address that was called");
}

static void silence(void **state)
{
	struct stageless *t = *state;

	t->s[0].client_error = ETIMEDOUT;
	assert_int_equal(verdict(t, 0)->result, RESULT_DEAD);
	assert_string_equal(t->cell.reason, "the request did not reach the backend");
	t->s[0].at_backend = 2;
	assert_string_equal(verdict(t, 0)->reason,
		"the backend got the request; no reply came out of the gateway");
}

static void wrong_port_and_wrong_backend(void **state)
{
	struct stageless *t = *state;

	t->s[0].home = 1;
	answer(t, 0, ANSWERED_BY_BACKEND, "192.168.0.2", 81);
	assert_int_equal(verdict(t, 0)->result, RESULT_ASTRAY);
	assert_string_equal(t->cell.reason, "it reached 192.168.0.2 port 81 instead of port 8080");
	answer(t, 0, ANSWERED_BY_BACKEND, "192.168.0.3", 8080);
	assert_int_equal(verdict(t, 0)->result, RESULT_ASTRAY);
	answer(t, 0, ANSWERED_BY_GATEWAY, "1.1.1.1", 80);
	assert_int_equal(verdict(t, 0)->result, RESULT_ASTRAY);
}

static void refused(void **state)
{
	struct stageless *t = *state;

	assert_true(t->c.result.probes.items[3].refused);
	t->s[3].client_error = ETIMEDOUT;
	assert_int_equal(verdict(t, 3)->result, RESULT_WORKS);
	packet(t, SNIFF_LAN, 0, false, "192.168.0.1", 20003, "192.168.0.2", 81);
	assert_int_equal(verdict(t, 3)->result, RESULT_ASTRAY);
	memset(t->s, 0, sizeof(t->s));
	/* It does not matter that the answer was lost on its way. */
	t->s[3].answered_by = ANSWERED_BY_GATEWAY;
	assert_int_equal(verdict(t, 3)->result, RESULT_ASTRAY);
}

static void others_traffic_is_nobodys(void **state)
{
	struct stageless *t = *state;

	packet(t, SNIFF_ISP, 0, false, "1.1.1.1", 80, "100.100.100.100", 19999);
	packet(t, SNIFF_ISP, 0, false, "1.1.1.1", 80, "100.100.100.100", 20004);
	packet(t, SNIFF_ISP, 0, false, "1.1.1.1", 80, "100.100.100.101", 20000);
	packet(t, SNIFF_ISP, 0, false, "1.1.1.1", 20000, "1.1.1.254", 53);
	for (unsigned int i = 0; i < 4; i++)
		assert_memory_equal(&t->s[i], &(struct sighting){0}, sizeof(struct sighting));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(home),
		TEST(answered_but_astray_once),
		cmocka_unit_test(any_backend),
		TEST(bypass),
		TEST(leak),
		TEST(wrong_source_on_the_right_line),
		TEST(silence),
		TEST(wrong_port_and_wrong_backend),
		TEST(refused),
		TEST(others_traffic_is_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
