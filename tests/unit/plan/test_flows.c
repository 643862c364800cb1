/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which existing connections a plan contradicts. */
#include <linux/netfilter/nf_conntrack_common.h>

#include "planned.h"

#define OURS  0x80000000u
#define HOME1 0x01000000u
#define HOME2 0x02000000u

static const char config[] =
	"uplinks:\n"
	"  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
	"  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
	"maps:\n"
	"  web: {listen: 80/tcp, to: 192.168.0.2}\n"
	"  games: {listen: 27000-27099/udp, to: 192.168.0.7, return: direct}\n"
	"  shifted: {listen: 5000-5009/tcp, to: '192.168.0.8:6000', return: direct}\n"
	"  vpn: {listen: 1194/udp, to: 192.168.0.9, from: [198.51.100.0/24]}\n";

struct row {
	const char *name;
	uint8_t proto;
	uint32_t mark;
	const char *client;
	uint16_t client_port;
	const char *public;
	uint16_t public_port;
	const char *backend; /* reply: source */
	uint16_t backend_port;
	const char *back_to; /* reply: destination */
	enum flow_verdict want;
};

static const struct row rows[] = {
	{"as planned", PROTO_TCP, OURS | HOME1, "100.100.100.100", 4000, "1.1.1.1", 80,
		"192.168.0.2", 80, "192.168.0.1", FLOW_UNTOUCHED},
	{"second uplink", PROTO_TCP, OURS | HOME2, "100.100.100.100", 4000, "2.2.2.1", 80,
		"192.168.0.2", 80, "192.168.0.1", FLOW_UNTOUCHED},
	{"another backend", PROTO_TCP, OURS | HOME1, "100.100.100.100", 4000, "1.1.1.1", 80,
		"192.168.0.3", 80, "192.168.0.1", FLOW_CONTRADICTED},
	{"another backend port", PROTO_TCP, OURS | HOME1, "100.100.100.100", 4000, "1.1.1.1", 80,
		"192.168.0.2", 8080, "192.168.0.1", FLOW_CONTRADICTED},
	{"another source", PROTO_TCP, OURS | HOME1, "100.100.100.100", 4000, "1.1.1.1", 80,
		"192.168.0.2", 80, "192.168.0.77", FLOW_CONTRADICTED},
	{"auto: one from when it was direct", PROTO_TCP, OURS | HOME1, "100.100.100.100", 4000,
		"1.1.1.1", 80, "192.168.0.2", 80, "100.100.100.100", FLOW_UNTOUCHED},
	{"listener gone", PROTO_TCP, OURS | HOME1, "100.100.100.100", 4000, "1.1.1.1", 81,
		"192.168.0.2", 81, "192.168.0.1", FLOW_CONTRADICTED},
	{"uplink gone", PROTO_TCP, OURS | 0x05000000u, "100.100.100.100", 4000, "1.1.1.1", 80,
		"192.168.0.2", 80, "192.168.0.1", FLOW_CONTRADICTED},
	{"the gateway's own service that is mapped now", PROTO_TCP, HOME1, "100.100.100.100", 4000,
		"1.1.1.1", 80, "1.1.1.1", 80, "100.100.100.100", FLOW_CONTRADICTED},
	{"the gateway's own service", PROTO_TCP, HOME1, "100.100.100.100", 4000, "1.1.1.1", 22,
		"1.1.1.1", 22, "100.100.100.100", FLOW_UNTOUCHED},
	{"another tool's, to the same backend", PROTO_TCP, 0, "100.100.100.100", 4000, "1.1.1.1",
		80, "192.168.0.2", 80, "100.100.100.100", FLOW_UNTOUCHED},
	{"outbound", PROTO_TCP, 0, "192.168.0.2", 4000, "100.100.100.100", 80, "100.100.100.100",
		80, "1.1.1.1", FLOW_UNTOUCHED},
	{"plain range", PROTO_UDP, OURS | HOME1, "100.100.100.100", 4000, "1.1.1.1", 27050,
		"192.168.0.7", 27050, "100.100.100.100", FLOW_UNTOUCHED},
	{"plain range, hidden though direct", PROTO_UDP, OURS | HOME1, "100.100.100.100", 4000,
		"1.1.1.1", 27050, "192.168.0.7", 27050, "192.168.0.1", FLOW_CONTRADICTED},
	{"plain range, hairpin hidden", PROTO_UDP, OURS, "192.168.0.50", 4000, "1.1.1.1", 27050,
		"192.168.0.7", 27050, "192.168.0.1", FLOW_UNTOUCHED},
	{"shifted range", PROTO_TCP, OURS | HOME1, "100.100.100.100", 4000, "1.1.1.1", 5009,
		"192.168.0.8", 6009, "100.100.100.100", FLOW_UNTOUCHED},
	{"shifted range, not shifted", PROTO_TCP, OURS | HOME1, "100.100.100.100", 4000, "1.1.1.1",
		5009, "192.168.0.8", 5009, "100.100.100.100", FLOW_CONTRADICTED},
	{"allowed client", PROTO_UDP, OURS | HOME1, "198.51.100.7", 4000, "1.1.1.1", 1194,
		"192.168.0.9", 1194, "192.168.0.1", FLOW_UNTOUCHED},
	{"refused client", PROTO_UDP, OURS | HOME1, "100.100.100.100", 4000, "1.1.1.1", 1194,
		"192.168.0.9", 1194, "192.168.0.1", FLOW_CONTRADICTED},
};

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(s, &a), 0);
	return a;
}

static void test_rows(void **state)
{
	struct planned p;

	planned_init(&p, config);
	planned_make(&p);
	assert_non_null(p.plan);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct flow f = {.proto = r->proto,
			.mark = r->mark,
			.original = {addr(r->client), addr(r->public), r->client_port,
				r->public_port},
			.reply = {addr(r->backend), addr(r->back_to), r->backend_port,
				r->client_port}};

		if (plan_judge_flow(p.plan, &f, NULL) != r->want)
			fail_msg("%s: %s", r->name,
				r->want == FLOW_UNTOUCHED ? "should be left alone"
							  : "should be deleted");
	}
	planned_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	return cmocka_run_group_tests_name("plan flows", tests, NULL, NULL);
}
