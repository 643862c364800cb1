/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the real iptables-nft puts into the kernel, read back and walked: each match must decide as
 * iptables(8) says it does. Every rule is tried with a packet it is for and one it is not.
 */
#include "../kernel/netns.h"
#include "walked.h"

#include "kernel/nft.h"

enum answer { N, Y, U }; /* no, yes, cannot be known */

struct fixture {
	struct arena *a;
	struct kernel *k;
	struct netstate net;
	struct walker w;
};

static void observe(struct fixture *f)
{
	struct kernel_error e = {0};

	memset(&f->net.ruleset, 0, sizeof(f->net.ruleset));
	ok(kernel_nft_observe(f->k, f->a, true, &f->net.ruleset, &e), e);
	f->w.net = &f->net;
}

static enum answer walk(struct fixture *f, const struct packet *p)
{
	struct walk_result r;

	walk_chains(f->a, &f->w, HOOK_FORWARD, p, &r);
	return r.verdict == WALK_DROP ? Y : r.verdict == WALK_ACCEPT ? N : U;
}

static struct packet request(void)
{
	return a_request();
}

static struct packet reply(void)
{
	struct packet p = a_request();

	p.saddr = addr("192.168.0.2");
	p.daddr = addr("100.100.100.100");
	p.sport = 80;
	p.dport = 50000;
	p.iif = "eth2";
	p.oif = "eth0";
	p.ct_state = CT_ESTABLISHED;
	p.ct_reply = true;
	p.ct_status = CT_DST_NAT | CT_SEEN_REPLY | CT_ASSURED | CT_CONFIRMED;
	p.tcp_flags = 0x12;
	p.mark = 0x01000000;
	return p;
}

static struct packet invalid(void)
{
	struct packet p = a_request();

	p.ct_state = CT_INVALID;
	p.proto = PROTO_UDP;
	return p;
}

static struct packet vague(void)
{
	struct packet p = {.family = IP_V4, .known = PKT_PROTO, .proto = PROTO_TCP};

	return p;
}

static struct packet with_proto(uint8_t proto)
{
	struct packet p = a_request();

	p.proto = proto;
	p.icmp_type = 8;
	return p;
}

static const struct row {
	const char *rule;
	enum answer request, reply, invalid, vague;
} rows[] = {
	{"", Y, Y, Y, Y},
	{"-i eth0", Y, N, Y, U},
	{"! -i eth0", N, Y, N, U},
	{"-i eth+", Y, Y, Y, U},
	{"-o eth2", Y, N, Y, U},
	{"-i eth", N, N, N, U},
	{"-s 100.0.0.0/8", Y, N, Y, U},
	{"-s 100.100.96.0/20", Y, N, Y, U},
	{"! -s 100.0.0.0/8", N, Y, N, U},
	{"-d 192.168.0.2", Y, N, Y, U},
	{"-p tcp", Y, Y, N, Y},
	{"! -p tcp", N, N, Y, N},
	{"-p tcp --dport 80", Y, N, N, U},
	{"-p tcp ! --dport 80", N, Y, N, U},
	{"-p tcp --dport 70:80", Y, N, N, U},
	{"-p tcp --sport 1024:", Y, N, N, U},
	{"-p udp --dport 80", N, N, Y, N},
	{"-p tcp -m multiport --dports 22,80", Y, N, N, U},
	{"-p tcp -m multiport --dports 22,70:90", Y, N, N, U},
	{"-p tcp -m multiport ! --dports 22,80", N, Y, N, U},
	{"-p tcp -m multiport --ports 80", Y, Y, N, U},
	{"-p tcp -m multiport --sports 80", N, Y, N, U},
	{"-m conntrack --ctstate NEW", Y, N, N, U},
	{"-m conntrack --ctstate RELATED,ESTABLISHED", N, Y, N, U},
	{"-m conntrack ! --ctstate NEW", N, Y, Y, U},
	{"-m conntrack --ctstate INVALID", N, N, Y, U},
	{"-m conntrack --ctstate UNTRACKED", N, N, N, U},
	{"-m conntrack --ctstate DNAT", Y, Y, N, U},
	{"-m conntrack ! --ctstate DNAT", N, N, Y, U},
	{"-m conntrack --ctstate SNAT", N, N, N, U},
	{"-m conntrack --ctstate NEW,SNAT", Y, N, N, U},
	{"-m conntrack --ctstatus SEEN_REPLY", N, Y, N, U},
	{"-m conntrack --ctdir ORIGINAL", Y, N, N, U},
	{"-m conntrack --ctdir REPLY", N, Y, N, U},
	{"-m conntrack --ctorigdst 1.1.1.1", Y, Y, N, U},
	{"-m conntrack ! --ctorigdst 1.1.1.0/24", N, N, N, U},
	{"-m conntrack --ctorigdstport 80", Y, Y, N, U},
	{"-m conntrack --ctorigdstport 81:90", N, N, N, U},
	{"-m conntrack --ctorigsrc 100.0.0.0/8 --ctstate NEW", Y, N, N, U},
	{"-m conntrack --ctproto tcp", Y, Y, N, Y},
	{"-m state --state NEW", Y, N, N, U},
	{"-m state --state RELATED,ESTABLISHED", N, Y, N, U},
	{"-m connmark --mark 0x80000000/0x80000000", Y, Y, N, U},
	{"-m connmark ! --mark 0x80000000/0x80000000", N, N, N, U},
	{"-m connmark --mark 1", N, N, N, U},
	{"-m mark --mark 0x1000000/0x7f000000", N, Y, N, U},
	{"-m mark ! --mark 0", N, Y, N, U},
	{"-m iprange --src-range 100.100.100.99-100.100.100.101", Y, N, Y, U},
	{"-m iprange ! --dst-range 192.168.0.1-192.168.0.3", N, Y, N, U},
	{"-m addrtype --dst-type LOCAL", N, N, N, U},
	{"-m addrtype --src-type UNICAST", Y, Y, Y, U},
	{"-m addrtype ! --dst-type LOCAL", Y, Y, Y, U},
	{"-m addrtype --dst-type BROADCAST,MULTICAST", N, N, N, U},
	{"-m comment --comment hello", Y, Y, Y, Y},
	{"-m limit --limit 3/min", Y, Y, Y, Y},
	{"-m hashlimit --hashlimit-name a --hashlimit-upto 9/s --hashlimit-mode srcip", Y, Y, Y, Y},
	{"-m hashlimit --hashlimit-name b --hashlimit-above 9/s --hashlimit-mode srcip", N, N, N,
		N},
	{"-p tcp -m connlimit --connlimit-above 10", N, N, N, N},
	{"-p tcp -m connlimit --connlimit-upto 10", Y, Y, N, Y},
	{"-m recent --name x --update --seconds 60 --hitcount 4", N, N, N, N},
	{"-m recent --name x --set", Y, Y, Y, Y},
	{"-m recent --name x --rcheck --seconds 60", U, U, U, U},
	{"-m physdev --physdev-is-bridged", N, N, N, U},
	{"-m physdev ! --physdev-is-bridged", Y, Y, Y, U},
	{"-m pkttype --pkt-type unicast", Y, Y, Y, U},
	{"-m pkttype --pkt-type broadcast", N, N, N, U},
	{"-m policy --dir in --pol ipsec", N, N, N, U},
	{"-m policy --dir in --pol none", Y, Y, Y, U},
	{"-m length --length 100:200", N, N, N, U},
	{"-m ttl --ttl-lt 5", Y, Y, Y, U},
	{"-m string --string x --algo bm", U, U, U, U},
	{"-m mac --mac-source 02:00:00:00:00:01", N, N, N, U},
	{"-p tcp -m string --string x --algo bm --dport 81", N, N, N, U},
};

static void begin(struct fixture *f)
{
	struct net_route *all;
	struct net_addr *mine;

	memset(f, 0, sizeof(*f));
	f->a = arena_new();
	f->k = open_kernel();
	all = vec_add(f->a, &f->net.routes);
	all->family = IP_V4;
	all->table = TABLE_MAIN;
	all->type = ROUTE_UNICAST;
	all->dst.addr.family = IP_V4;
	mine = vec_add(f->a, &f->net.addrs);
	mine->interface = "eth0";
	mine->addr = addr("1.1.1.1");
}

static void end(struct fixture *f)
{
	kernel_close(f->k);
	arena_free(f->a);
}

static void test_matches(void **state)
{
	static const char *const words[] = {"no", "yes", "unknown"};
	struct fixture f;
	int wrong = 0, looked = 0;

	NEEDS_NAMESPACE();
	begin(&f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct packet packets[] = {request(), reply(), invalid(), vague()};
		const enum answer want[] = {
			rows[i].request, rows[i].reply, rows[i].invalid, rows[i].vague};

		packets[0].bridged = packets[1].bridged = packets[2].bridged = false;
		packets[0].secpath = packets[1].secpath = packets[2].secpath = false;
		sh("iptables-nft -F FORWARD && iptables-nft -A FORWARD %s -j DROP", rows[i].rule);
		observe(&f);
		for (size_t n = 0; n < 4; n++) {
			enum answer got = walk(&f, &packets[n]);

			looked++;
			if (got == want[n])
				continue;
			wrong++;
			print_error("%s: packet %zu: %s, not %s\n", rows[i].rule, n, words[got],
				words[want[n]]);
		}
	}
	end(&f);
	assert_int_equal(wrong, 0);
	assert_true(looked > 200);
}

static void test_protocols(void **state)
{
	static const struct {
		const char *rule;
		uint8_t proto;
		enum answer want;
	} cases[] = {
		{"-p icmp", PROTO_ICMP, Y},
		{"-p icmp --icmp-type 8", PROTO_ICMP, Y},
		{"-p icmp --icmp-type 3", PROTO_ICMP, N},
		{"-p icmp ! --icmp-type 3", PROTO_ICMP, Y},
		{"-p icmp --icmp-type 8", PROTO_TCP, N},
		{"-p sctp --dport 80", PROTO_SCTP, Y},
		{"-p sctp --dport 81", PROTO_SCTP, N},
		{"-p sctp ! --sport 50000", PROTO_SCTP, N},
		{"-p sctp --dport 80 --chunk-types any INIT", PROTO_SCTP, U},
		{"-p udp --sport 49999: --dport 80", PROTO_UDP, Y},
	};
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct packet p = with_proto(cases[i].proto);

		sh("iptables-nft -F FORWARD && iptables-nft -A FORWARD %s -j DROP", cases[i].rule);
		observe(&f);
		if (walk(&f, &p) != cases[i].want)
			fail_msg("%s, protocol %u", cases[i].rule, cases[i].proto);
	}
	end(&f);
}

static void test_ipv6(void **state)
{
	static const struct {
		const char *rule;
		enum answer want;
	} cases[] = {
		{"-s 2001:db8::/32", Y},
		{"-s 2001:db9::/32", N},
		{"-s 2001:db8::/33", Y},
		{"-d 2001:db8:1::2", Y},
		{"-p tcp --dport 80", Y},
		{"-m conntrack --ctorigdst 2001:db8:ffff::1", Y},
		{"-m iprange --src-range 2001:db8::-2001:db8::ff", N},
		{"-p ipv6-icmp --icmpv6-type 128", N},
		{"-m rt --rt-type 0", N},
		{"-m frag --fragmore", N},
	};
	struct packet p = a_request();
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	p.family = IP_V6;
	p.saddr = addr("2001:db8:0:9::9");
	p.daddr = addr("2001:db8:1::2");
	p.ct_original = (struct packet_tuple){p.saddr, addr("2001:db8:ffff::1"), 50000, 80};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sh("ip6tables-nft -F FORWARD && ip6tables-nft -A FORWARD %s -j DROP",
			cases[i].rule);
		observe(&f);
		if (walk(&f, &p) != cases[i].want)
			fail_msg("%s", cases[i].rule);
	}
	end(&f);
}

static void test_targets(void **state)
{
	static const struct {
		const char *rule;
		uint32_t mark, ct_mark;
	} cases[] = {
		{"MARK --set-mark 5", 5, 0x81000000},
		{"MARK --set-mark 5/0xff", 0x11000005, 0x81000000},
		{"MARK --set-xmark 0xff/0xf", 0x110000ff, 0x81000000},
		{"MARK --or-mark 2", 0x11000002, 0x81000000},
		{"MARK --and-mark 0xff", 0, 0x81000000},
		{"CONNMARK --set-mark 7", 0x11000000, 7},
		{"CONNMARK --set-mark 7/0xff", 0x11000000, 0x81000007},
		{"CONNMARK --save-mark", 0x11000000, 0x11000000},
		{"CONNMARK --save-mark --mask 0xff", 0x11000000, 0x81000000},
		{"CONNMARK --save-mark --nfmask 0xff000000 --ctmask 0xff000000", 0x11000000,
			0x11000000},
		{"CONNMARK --restore-mark", 0x81000000, 0x81000000},
		{"CONNMARK --restore-mark --mask 0xff", 0x11000000, 0x81000000},
		{"TOS --set-tos 0x10", 0x11000000, 0x81000000},
	};
	struct packet p = a_request();
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	p.mark = 0x11000000;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct walk_result r;

		sh("iptables-nft -t mangle -F FORWARD && iptables-nft -t mangle -A FORWARD -j %s",
			cases[i].rule);
		observe(&f);
		walk_chains(f.a, &f.w, HOOK_FORWARD, &p, &r);
		assert_int_equal(r.verdict, WALK_ACCEPT);
		if (r.after.mark != cases[i].mark || r.after.ct_mark != cases[i].ct_mark ||
			r.after.mark_known != UINT32_MAX || r.after.ct_mark_known != UINT32_MAX)
			fail_msg("%s: %x %x", cases[i].rule, r.after.mark, r.after.ct_mark);
	}
	sh("iptables-nft -t mangle -F FORWARD && iptables-nft -A FORWARD -j LOG && iptables-nft -A "
	   "FORWARD "
	   "-j REJECT");
	observe(&f);
	assert_int_equal(walk(&f, &p), U); /* that is: rejected */
	sh("iptables-nft -t raw -A PREROUTING -j CT --notrack");
	observe(&f);
	{
		struct walk_result r;

		walk_chains(f.a, &f.w, HOOK_PREROUTING, &p, &r);
		assert_int_equal(r.after.ct_state, CT_UNTRACKED);
	}
	sh("iptables-nft -F FORWARD && iptables-nft -A FORWARD -j NFQUEUE");
	observe(&f);
	assert_int_equal(walk(&f, &p), U);
	end(&f);
}

/* What nft itself writes, in forms that iptables does not have. */
static void test_nft(void **state)
{
	static const struct {
		const char *rule;
		enum answer request, reply;
	} cases[] = {
		{"ct state established,related drop", N, Y},
		{"ct state vmap { established : accept, new : drop }", Y, N},
		{"ct status dnat drop", Y, Y},
		{"ct state { new, invalid } drop", Y, N},
		{"tcp dport { 22, 80-90 } drop", Y, N},
		{"ip daddr 192.168.0.0/16 tcp dport 80 drop", Y, N},
		{"ip saddr != { 100.64.0.0/10 } drop", N, Y},
		{"ip6 daddr ::1 drop", N, N},
		{"ip6 daddr != ::1 drop", N, N},
		{"iifname { eth0, eth1 } drop", Y, N},
		{"iifname \"eth*\" drop", Y, Y},
		{"iifname . oifname { eth0 . eth2 } drop", Y, N},
		{"ct mark and 0x80000000 == 0x80000000 drop", Y, Y},
		{"meta mark and 0x7f000000 == 0x1000000 drop", N, Y},
		{"meta mark 0x1000000 drop", N, Y},
		{"fib daddr type local drop", N, N},
		{"fib saddr type unicast drop", Y, Y},
		{"meta l4proto { tcp, udp } th dport 80 drop", Y, N},
		{"ip protocol udp drop", N, N},
		{"limit rate 10/second drop", Y, Y},
		{"limit rate over 10/second drop", N, N},
		{"ct direction reply drop", N, Y},
		{"meta pkttype broadcast drop", N, N},
		{"ip daddr . tcp dport { 192.168.0.2 . 80 } drop", Y, N},
		{"ip daddr . tcp dport vmap { 192.168.0.0/24 . 70-90 : drop }", Y, N},
		{"ct original ip daddr 1.1.1.1 drop", Y, Y},
		{"ip ttl 3 drop", N, N},
	};
	struct packet p = request(), q = reply();
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	p.type = q.type = 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sh("nft flush ruleset; nft 'add table inet t; add chain inet t f { type filter "
		   "hook forward "
		   "priority 0; }; add rule inet t f %s'",
			cases[i].rule);
		observe(&f);
		if (walk(&f, &p) != cases[i].request || walk(&f, &q) != cases[i].reply)
			fail_msg("%s: %d %d", cases[i].rule, walk(&f, &p), walk(&f, &q));
	}
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_nft),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
