/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Diagnose: why single journeys fail, by the pitfall's number: the article's stages, and some more. */
#include "dumped.h"

#include "walk/journey.h"

#define NAT    "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
#define MANGLE "*mangle\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define END    "COMMIT\n"
#define FORWARDS                                                                                   \
	"-A PREROUTING -d 1.1.1.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination "           \
	"192.168.0.2\n"                                                                            \
	"-A PREROUTING -d 2.2.2.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination "           \
	"192.168.0.2\n"
#define SNATTED                                                                                    \
	"-A POSTROUTING -d 192.168.0.2/32 -o eth2 -p tcp -m tcp --dport 80 -j SNAT --to-source "   \
	"192.168.0.1\n"
#define BY_SOURCE "1001:\tfrom 1.1.1.1 lookup 101\n1002:\tfrom 2.2.2.2 lookup 102\n"
#define BY_MARK	  "1001:\tfrom all fwmark 0x1 lookup 101\n1002:\tfrom all fwmark 0x2 lookup 102\n"
#define SET                                                                                        \
	"-A PREROUTING -i eth0 -m conntrack --ctstate NEW -j CONNMARK --set-xmark "                \
	"0x1/0xffffffff\n"                                                                         \
	"-A PREROUTING -i eth1 -m conntrack --ctstate NEW -j CONNMARK --set-xmark "                \
	"0x2/0xffffffff\n"
#define RESTORE "-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff\n"

static void walk(struct machine *m, const struct dumped *d, const struct journey_question *asked,
	struct journey *j)
{
	struct dumped full = *d;

	full.addr = full.addr ? full.addr : TWO_UPLINKS_ADDR;
	full.route = full.route ? full.route : TWO_UPLINKS_ROUTE;
	machine_read(m, &full);
	memset(j, 0, sizeof(*j));
	journey_walk(m->a, &m->net, asked, j);
	walk_diagnose(m->a, &m->net, j, &m->found);
}

static struct journey_question from_outside(const char *dst, const char *in)
{
	struct journey_question q = {.proto = PROTO_TCP,
		.sport = 50000,
		.dport = 80,
		.in = in,
		.returns = RETURN_THROUGH_US};

	ip_parse("198.51.100.7", &q.src);
	ip_parse(dst, &q.dst);
	return q;
}

/* The errors found for an address on an uplink: exactly @pitfall, or none at 0. */
static void check(const struct dumped *d, const char *dst, const char *in, uint8_t pitfall)
{
	struct journey_question q = from_outside(dst, in);
	struct machine m;
	struct journey j;

	walk(&m, d, &q, &j);
	if (j.verdict != (pitfall ? JOURNEY_BROKEN : JOURNEY_WORKS) ||
		machine_count(&m, DIAG_ERROR) != (pitfall != 0) ||
		(pitfall && !machine_found(&m, pitfall)))
		machine_print(&m);
	assert_int_equal(j.verdict, pitfall ? JOURNEY_BROKEN : JOURNEY_WORKS);
	assert_int_equal(machine_count(&m, DIAG_ERROR), pitfall != 0);
	if (pitfall) {
		const struct finding *f = machine_found(&m, pitfall);

		assert_non_null(f);
		assert_true(f->blocks);
		assert_true(f->remedy.len || f->advice);
	}
	machine_end(&m);
}

static void test_dnat(void **state)
{
	const struct dumped d = {.iptables = NAT FORWARDS END};
	struct journey_question q = from_outside("1.1.1.1", "eth0");
	struct machine m;
	struct journey j;

	check(&d, "1.1.1.1", "eth0", 0);
	check(&d, "2.2.2.2", "eth1", 2);
	q.returns = RETURN_BYPASS;
	walk(&m, &d, &q, &j);
	assert_int_equal(j.verdict, JOURNEY_BROKEN);
	assert_non_null(machine_found(&m, 1));
	assert_true(has_remedy(machine_found(&m, 1), "MASQUERADE"));
	machine_end(&m);
}

static void test_dnat_and_snat(void **state)
{
	const struct dumped d = {.iptables = NAT FORWARDS SNATTED END};

	check(&d, "1.1.1.1", "eth0", 0);
	check(&d, "2.2.2.2", "eth1", 3);
}

static void test_rules_by_source(void **state)
{
	const struct dumped d = {.iptables = NAT FORWARDS SNATTED END, .more_rule = BY_SOURCE};

	check(&d, "1.1.1.1", "eth0", 0);
	check(&d, "2.2.2.2", "eth1", 2);
}

static void test_marks_on_requests(void **state)
{
	const struct dumped d = {
		.iptables = NAT FORWARDS SNATTED END MANGLE SET RESTORE END, .more_rule = BY_MARK};

	check(&d, "1.1.1.1", "eth0", 7);
	check(&d, "2.2.2.2", "eth1", 7);
}

static void test_rules_without_preference(void **state)
{
	const struct dumped d = {.iptables = NAT FORWARDS SNATTED END MANGLE SET RESTORE END,
		.more_rule = BY_MARK "1003:\tfrom all lookup main suppress_prefixlength 0\n"};

	check(&d, "1.1.1.1", "eth0", 55);
	check(&d, "2.2.2.2", "eth1", 55);
}

static void test_that_works(void **state)
{
	const struct dumped d = {.iptables = NAT FORWARDS SNATTED END MANGLE SET RESTORE END,
		.more_rule = "1000:\tfrom all lookup main suppress_prefixlength 0\n" BY_MARK};

	check(&d, "1.1.1.1", "eth0", 0);
	check(&d, "2.2.2.2", "eth1", 0);
}

/* Another tool's restore, from the second packet on. */
static void test_foreign_restore(void **state)
{
	const struct dumped d = {
		.nft = "table ip pin {\n	chain prerouting {\n		type filter hook "
		       "prerouting priority -140;\n		iifname \"eth1\" ct state new ct "
		       "mark set "
		       "ct mark & 0xffffff00 | 0x00000002\n		ct direction reply ct mark "
		       "& "
		       "0xff == 0x2 meta mark set meta mark & 0xffffff00 | 0x2\n	}\n	"
		       "chain "
		       "early {\n		type filter hook prerouting priority mangle;\n	"
		       "	"
		       "meta mark set ct mark\n	}\n	chain nat {\n		type nat hook "
		       "prerouting priority dstnat;\n		ip daddr 2.2.2.2 tcp dport 80 dnat "
		       "to "
		       "192.168.0.2\n	}\n}\n",
		.more_rule = "1002:\tfrom all fwmark 0x2/0xff lookup 102\n"};

	check(&d, "2.2.2.2", "eth1", 58);
}

/* The gateway's own service. */
static void test_own_service(void **state)
{
	const struct dumped d = {.iptables = NAT END};
	struct journey_question q = from_outside("1.1.1.1", "eth0");
	struct machine m;
	struct journey j;

	/* Dumps do not tell who listens. */
	walk(&m, &d, &q, &j);
	assert_int_equal(j.verdict, JOURNEY_UNKNOWN);
	assert_int_equal(m.found.items.len, 0);
	machine_end(&m);
	check(&d, "2.2.2.2", "eth1", 46);
}

/* What a client inside meets is a warning. */
static void test_hairpin(void **state)
{
	const struct dumped d = {.iptables = NAT FORWARDS END,
		.more_sysctl = "net.ipv4.conf.all.send_redirects = 1\n"};
	struct journey_question q = from_outside("1.1.1.1", "eth2");
	const struct finding *f;
	struct machine m;
	struct journey j;

	q.returns = RETURN_ASK;
	ip_parse("192.168.0.50", &q.src);
	walk(&m, &d, &q, &j);
	assert_int_equal(j.verdict, JOURNEY_BROKEN);
	assert_int_equal(machine_count(&m, DIAG_ERROR), 0);
	f = machine_found(&m, 35);
	assert_non_null(f);
	assert_int_equal(f->severity, DIAG_WARNING);
	assert_true(has_remedy(f, "-s 192.168.0.0/24 -o eth2"));
	f = machine_found(&m, 23);
	assert_non_null(f);
	assert_true(has_remedy(f, "net.ipv4.conf.eth2.send_redirects=0"));
	machine_end(&m);
}

static void test_from_here(void **state)
{
	const struct dumped d = {.iptables = NAT FORWARDS END};
	struct journey_question q = from_outside("1.1.1.1", NULL);
	const struct finding *f;
	struct machine m;
	struct journey j;

	q.from_here = true;
	q.src = q.dst;
	walk(&m, &d, &q, &j);
	f = machine_found(&m, 34);
	assert_non_null(f);
	assert_int_equal(f->severity, DIAG_INFO);
	assert_true(has_remedy(f, "-t nat -A OUTPUT -d 1.1.1.1"));
	machine_end(&m);
}

/* Evidence names the dump's own lines. */
static void test_evidence(void **state)
{
	const struct dumped d = {
		.iptables = NAT FORWARDS END
		"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
		"-A FORWARD -p tcp -m tcp --dport 80 -j DROP\n" END};
	struct journey_question q = from_outside("1.1.1.1", "eth0");
	const struct finding *f;
	struct machine m;
	struct journey j;

	walk(&m, &d, &q, &j);
	assert_int_equal(machine_count(&m, DIAG_ERROR), 1);
	f = machine_found(&m, 25);
	assert_non_null(f);
	assert_non_null(strstr(f->evidence, "iptables-save.txt:12: -A FORWARD"));
	machine_end(&m);
}

/* What depends on something unknown is a warning. */
static void test_unknown(void **state)
{
	const struct dumped d = {
		.iptables = NAT FORWARDS END
		"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
		"-A FORWARD -m set --match-set friends src -j RETURN\n"
		"-A FORWARD -i eth0 -j DROP\n" END};
	struct journey_question q = from_outside("1.1.1.1", "eth0");
	struct machine m;
	struct journey j;

	walk(&m, &d, &q, &j);
	assert_int_equal(j.verdict, JOURNEY_UNKNOWN);
	assert_int_equal(machine_count(&m, DIAG_ERROR), 0);
	assert_int_equal(machine_count(&m, DIAG_WARNING), 1);
	machine_end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dnat),
		cmocka_unit_test(test_dnat_and_snat),
		cmocka_unit_test(test_rules_by_source),
		cmocka_unit_test(test_marks_on_requests),
		cmocka_unit_test(test_rules_without_preference),
		cmocka_unit_test(test_that_works),
		cmocka_unit_test(test_foreign_restore),
		cmocka_unit_test(test_own_service),
		cmocka_unit_test(test_hairpin),
		cmocka_unit_test(test_from_here),
		cmocka_unit_test(test_evidence),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests_name("walk/diagnose", tests, NULL, NULL);
}
