/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel decides, the walk must agree: rules of iptables-nft and nft are loaded, frames are put
 * into a tap device, and each rule's counter is compared with what the walk makes of the same rule
 * and packet, all of it read back from the kernel.
 */
#include "tapped.h"

#define COUNT_OF(a) (sizeof(a) / sizeof(*(a)))

/* ---- rules ---- */

/* Of iptables(8), in mangle PREROUTING. */
static const char *const rules4[] = {
	"-i tap0",
	"-i tap+",
	"! -i tap0",
	"-p tcp -m tcp --dport 80",
	"-p tcp -m tcp ! --dport 80",
	"-p tcp -m tcp --syn",
	"-p tcp -m tcp ! --syn",
	"-p tcp -m tcp --tcp-option 2",
	"-p tcp -m tcp ! --tcp-option 2",
	"-p udp -m udp --sport 1000:2000",
	"-p icmp -m icmp --icmp-type 8",
	"-p icmp -m icmp --icmp-type 3/4",
	"-p icmp -m icmp --icmp-type any",
	"-p icmp -m icmp ! --icmp-type 3/3",
	"-p tcp -m multiport --ports 80,443",
	"-p udp -m multiport ! --dports 53,5000:6000",
	"-m iprange --src-range 198.51.100.1-198.51.100.9",
	"-m iprange ! --dst-range 10.0.0.0-10.0.0.9",
	"-m length --length 60",
	"-m length ! --length 0:59",
	"-p tcp -m tcp --syn -m tcpmss --mss 1400:1500",
	"-p tcp -m tcp --syn -m tcpmss ! --mss 1400:1500",
	"-m tos --tos 0x10/0x3f",
	"-m tos ! --tos 0x10/0xff",
	"-m dscp --dscp 4",
	"-m dscp ! --dscp 4",
	"-m ttl --ttl-eq 64",
	"-m ttl --ttl-lt 64",
	"-m ttl --ttl-gt 63",
	"-m mac --mac-source 02:00:00:00:00:99",
	"-m mac ! --mac-source 02:00:00:00:00:99",
	"-m pkttype --pkt-type unicast",
	"-m pkttype ! --pkt-type unicast",
	"-m addrtype --dst-type LOCAL",
	"-m addrtype ! --dst-type LOCAL",
	"-m addrtype --dst-type LOCAL --limit-iface-in",
	"-m addrtype ! --dst-type LOCAL --limit-iface-in",
	"-m addrtype --dst-type UNICAST",
	"-m addrtype --dst-type BROADCAST",
	"-m addrtype --src-type UNICAST",
	"-m addrtype --src-type LOCAL",
	"-m addrtype --dst-type MULTICAST",
	"-m addrtype --dst-type BLACKHOLE,UNREACHABLE",
	"-m rpfilter",
	"-m rpfilter --invert",
	"-m rpfilter --loose",
	"-m rpfilter --accept-local",
	"-m rpfilter --validmark",
	"-m conntrack --ctstate NEW",
	"-m conntrack --ctstate ESTABLISHED,RELATED",
	"-m conntrack ! --ctstate NEW,ESTABLISHED",
	"-m conntrack --ctstate INVALID",
	"-m conntrack --ctstate DNAT",
	"-m conntrack ! --ctstate SNAT,DNAT",
	"-m conntrack --ctdir ORIGINAL",
	"-m conntrack --ctdir REPLY",
	"-m conntrack --ctstatus NONE",
	"-m conntrack ! --ctstatus NONE",
	"-m conntrack --ctstatus CONFIRMED",
	"-m conntrack ! --ctstatus SEEN_REPLY,ASSURED",
	"-m conntrack --ctproto 6",
	"-m conntrack ! --ctproto 6",
	"-m conntrack --ctorigsrc 198.51.100.0/24",
	"-m conntrack ! --ctorigdst 10.0.0.1",
	"-m conntrack --ctorigdstport 80",
	"-m conntrack --ctorigsrcport 1:1024",
	"-m conntrack --ctreplsrc 10.0.0.1",
	"-m conntrack ! --ctrepldst 198.51.100.7",
	"-m conntrack --ctreplsrcport 80",
	"-m conntrack --ctrepldstport 40000:50000",
	"-m state --state NEW",
	"-m state --state INVALID",
	"-m connmark --mark 0",
	"-m connmark ! --mark 1/1",
	"-m mark --mark 0/0xff",
	"-m mark ! --mark 1",
	"-m helper --helper ftp",
	"-m helper ! --helper ftp",
	"-m physdev --physdev-in tap0",
	"-m physdev ! --physdev-in tap0",
	"-m physdev ! --physdev-is-bridged",
	"-m devgroup --src-group 5",
	"-m devgroup ! --src-group 0x5/0x4",
	"-m policy --dir in --pol none",
	"-m policy --dir in --pol ipsec",
	"-m limit --limit 1000/sec",
	"-p tcp -m connlimit --connlimit-above 10",
	"-p tcp -m connlimit --connlimit-upto 10",
	"-m hashlimit --hashlimit-name a --hashlimit-above 1000/sec",
	"-m hashlimit --hashlimit-name b --hashlimit-upto 1000/sec",
	"-m statistic --mode nth --every 1 --packet 0",
	"-m comment --comment hello",
};

/* Of nft, in an inet chain just after mangle's place in prerouting. */
static const char *const rules_nft[] = {
	"iifname tap0", "iif tap0", "iifgroup 5", "meta iifgroup != 5", "meta l4proto tcp",
	"meta nfproto ipv6", "meta protocol ip", "meta length 60", "meta length 50-70",
	"meta length { 40-59, 61-2000 }", "meta pkttype host", "meta skuid 0", "meta skuid != 0",
	"meta mark 0", "ether saddr 02:00:00:00:00:99", "ether type ip6",
	"ip saddr 198.51.100.0/24", "ip ttl < 64", "ip ttl { 1-10, 60-64 }", "ip dscp 4",
	"ip dscp != 4", "ip length 60", "ip frag-off & 0x1fff == 0", "ip6 hoplimit 64",
	"ip6 dscp 4", "ip6 nexthdr tcp", "tcp flags syn", "tcp flags & (syn | ack) == syn",
	"tcp flags != ack", "tcp option maxseg size 1400-1500", "tcp option maxseg size < 1000",
	"tcp dport { 80, 443 }", "tcp sport != 1-1024", "meta l4proto { tcp, udp } th dport 53",
	"icmp type echo-request", "icmp type destination-unreachable icmp code 4",
	"icmpv6 type echo-request", "ip daddr . tcp dport { 10.0.0.1 . 80, 10.0.0.2 . 443 }",
	"ip daddr . tcp dport { 10.0.0.0/24 . 1-100 }", "ct state new",
	"ct state { established, related }", "ct state invalid", "ct direction original",
	"ct status dnat", "ct status & (seen-reply | assured) == 0", "ct mark 0", "ct l3proto ipv4",
	"ct protocol tcp", "ct original ip saddr 198.51.100.7", "ct original ip6 saddr 2001:db8::7",
	"meta l4proto tcp ct original proto-dst 80", "meta l4proto tcp ct reply proto-src 80",
	"ct reply ip saddr 10.0.0.1", "ct reply ip saddr != 10.0.0.1", "ct zone 0",
	"fib daddr type local", "fib daddr type != local", "fib daddr . iif type local",
	"fib daddr . iif type unicast", "fib daddr type broadcast", "fib daddr type multicast",
	"fib daddr type unicast", "fib daddr type { unreachable, blackhole, prohibit }",
	"fib saddr type local", "fib saddr . iif type local", "fib saddr oif exists",
	"fib saddr oif missing", "fib saddr . iif oif exists", "fib saddr . iif oif missing",
	"fib saddr . mark . iif oif exists", "fib saddr . mark oif exists", "fib daddr oif exists",
	"fib daddr oifname tap1", "fib saddr oifname tap0", "fib saddr . iif oifname tap0",
	"limit rate 1000/second", "limit rate over 1000/second",
	"meta mark set 0x10 meta mark 0x10 meta mark set 0", "meta mark set ct mark meta mark 0",
	"meta mark set ip ttl map { 64 : 0 }", "ip ttl vmap { 64 : continue }",
	"numgen inc mod 1 == 0", "add @seen { ip saddr }", "update @seen6 { ip6 saddr }",
	"ip saddr @fixed", "ip saddr != @fixed",
	"tcp option maxseg size set 500", /* the last: it changes the packet */
};

/* Of ip6tables(8). */
static const char *const rules6[] = {
	"-p tcp -m tcp --dport 80",
	"-p ipv6-icmp -m icmp6 --icmpv6-type 128",
	"-p ipv6-icmp -m icmp6 --icmpv6-type 1/4",
	"-m addrtype --dst-type LOCAL",
	"-m addrtype --dst-type UNICAST",
	"-m addrtype ! --dst-type LOCAL",
	"-m addrtype --dst-type UNREACHABLE",
	"-m addrtype --dst-type MULTICAST",
	"-m addrtype --dst-type LOCAL --limit-iface-in",
	"-m hl --hl-eq 64",
	"-m hl --hl-lt 64",
	"-m rpfilter",
	"-m rpfilter --invert",
	"-m rpfilter --loose",
	"-m conntrack --ctorigdst fd00:1::/64",
	"-m length --length 60",
	"-m tos --tos 0x10/0x3f",
	"-m frag --fragmore",
};

static void load_nft(void)
{
	FILE *f = pipe_to("nft -f -");

	fputs("table inet t {\n"
	      " set seen { type ipv4_addr; flags dynamic; size 99; timeout 1h; }\n"
	      " set seen6 { type ipv6_addr; flags dynamic; size 99; timeout 1h; }\n"
	      " set fixed { type ipv4_addr; flags interval; elements = { 198.51.100.0/25 } }\n"
	      " chain c { type filter hook prerouting priority -149;\n",
		f);
	for (size_t i = 0; i < COUNT_OF(rules_nft); i++)
		fprintf(f, "  %s counter comment \"%zu\"\n", rules_nft[i], i);
	fputs(" }\n}\n", f);
	assert_int_equal(pclose(f), 0);
}

static void compare(struct machine *m, const struct sample *s)
{
	struct packet p = packet_of(s);

	inject(m, &p);
	for (size_t t = 0; t < m->net.ruleset.tables.len; t++) {
		const struct nft_table *table = m->net.ruleset.tables.items[t];

		if (table->family == (s->v6 ? FAMILY_IP : FAMILY_IP6))
			continue;
		for (size_t i = 0; i < table->chains.items[0]->rules.len; i++)
			compare_rule(m, t, i, false, &p, s->what,
				table->family == FAMILY_INET ? rules_nft[i]
				: s->v6			     ? rules6[i]
							     : rules4[i]);
	}
}

static void run(const char *setup)
{
	struct machine m;

	if (!machine_begin(&m, setup))
		skip();
	load_iptables("iptables-nft-restore", "PREROUTING", rules4, COUNT_OF(rules4));
	load_iptables("ip6tables-nft-restore", "PREROUTING", rules6, COUNT_OF(rules6));
	load_nft();
	sh("sysctl -qw net.netfilter.nf_conntrack_checksum=0");
	for (size_t i = 0; i < COUNT_OF(samples); i++)
		compare(&m, &samples[i]);
	assert_true(m.compared > 2000);
	machine_end(&m);
}

static void test_plain(void **state)
{
	NEEDS_NAMESPACE();
	run(NULL);
}

/* With rules of policy routing, the tables "local" and "main" are two. */
static void test_policy_routing(void **state)
{
	NEEDS_NAMESPACE();
	run("ip rule add pref 100 fwmark 5 lookup 77; "
	    "ip rule add pref 200 to 198.51.100.0/24 lookup 78; "
	    "ip route add default via 192.168.7.254 table 78; "
	    "ip rule add pref 300 iif tap1 lookup 79; ip route add unreachable default table 79; "
	    "ip -6 rule add pref 100 from fd00:1::1 lookup 80; "
	    "ip -6 route add default via fd00:7::fe table 80");
}

/* ---- from a socket here ---- */

static const char *const rules_out[] = {
	"-o tap0",
	"! -o tap0",
	"-m owner --uid-owner 0",
	"-m owner ! --uid-owner 0",
	"-m owner --uid-owner 5-9",
	"-m owner ! --gid-owner 5",
	"-m owner --socket-exists",
	"-m owner ! --socket-exists",
	"-m owner --uid-owner 0 ! --gid-owner 7",
	"-m addrtype --src-type LOCAL",
	"-m addrtype --src-type LOCAL --limit-iface-out",
	"-m addrtype --dst-type LOCAL --limit-iface-out",
	"-m devgroup --dst-group 5",
	"-m ttl --ttl-eq 64",
	"-m length --length 33",
	"-m conntrack --ctstate NEW",
	"-m conntrack --ctstate ESTABLISHED",
	"-m conntrack --ctreplsrc 198.51.100.7",
	"-p udp -m udp --dport 53",
};
static const char *const rules_out_nft[] = {
	"meta skuid 0",
	"meta skuid != 0",
	"meta skgid { 0-5 }",
	"meta skuid 1000-2000",
	"oifname tap0",
	"oif tap1",
	"oifgroup 5",
	"fib saddr type local",
	"fib daddr type unicast",
	"ct state new",
	"ct direction original",
	"ip length 33",
	"meta length 33",
};

static void test_output(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
	struct packet p = packet_of(
		&(struct sample){.proto = PROTO_UDP, .src = "10.0.0.1", .dst = "198.51.100.7"});
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(4000)};
	struct machine m;
	FILE *f;
	int s;

	NEEDS_NAMESPACE();
	if (!machine_begin(&m, NULL))
		skip();
	load_iptables("iptables-nft-restore", "OUTPUT", rules_out, COUNT_OF(rules_out));
	f = pipe_to("nft -f -");
	fputs("table inet t { chain c { type filter hook output priority -140;\n", f);
	for (size_t i = 0; i < COUNT_OF(rules_out_nft); i++)
		fprintf(f, "%s counter\n", rules_out_nft[i]);
	fputs("}\n}\n", f);
	assert_int_equal(pclose(f), 0);
	p.known |= PKT_UID | PKT_GID;
	p.from_socket = true;
	p.iif = NULL;
	p.oif = "tap0";
	p.length = 33;
	p.sport = 4000;
	p.dport = 53;
	p.ct_original = (struct packet_tuple){p.saddr, p.daddr, p.sport, p.dport};
	p.ct_answer = (struct packet_tuple){p.daddr, p.saddr, p.dport, p.sport};
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(s >= 0);
	inet_pton(AF_INET, "198.51.100.7", &to.sin_addr);
	assert_int_equal(bind(s, (struct sockaddr *)&from, sizeof(from)), 0);
	observe(&m, &m.net);
	assert_int_equal(sendto(s, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	observe(&m, &m.after);
	close(s);
	for (size_t t = 0; t < m.net.ruleset.tables.len; t++) {
		const struct nft_table *table = m.net.ruleset.tables.items[t];

		for (size_t i = 0; i < table->chains.items[0]->rules.len; i++)
			compare_rule(&m, t, i, false, &p, "from a socket",
				table->family == FAMILY_INET ? rules_out_nft[i] : rules_out[i]);
	}
	assert_int_equal(m.compared, COUNT_OF(rules_out) + COUNT_OF(rules_out_nft));
	machine_end(&m);
}

/* ---- what rules write ---- */

/* In mangle FORWARD: one after the other, what is written and what is then there. */
static const char *const writes[] = {
	"-j MARK --set-mark 0x5",
	"-m mark --mark 0x5",
	"-j MARK --set-xmark 0xf0/0xff",
	"-m mark --mark 0xf0",
	"-j MARK --set-mark 0x105/0x10f",
	"-m mark --mark 0x1f5",
	"-j MARK --or-mark 0x200",
	"-m mark --mark 0x3f5",
	"-j MARK --and-mark 0x1f0",
	"-m mark --mark 0x1f0",
	"-j MARK --xor-mark 0x11",
	"-m mark --mark 0x1e1",
	"-j CONNMARK --save-mark",
	"-m connmark --mark 0x1e1",
	"-j CONNMARK --set-xmark 0xf00/0x0ff",
	"-m connmark --mark 0xe00",
	"-j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xf00",
	"-m mark --mark 0xf01",
	"-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xf00",
	"-m connmark --mark 0x1",
	"-j CONNMARK --save-mark --left-shift-mark 4",
	"-m connmark --mark 0xf010",
	"-j CONNMARK --restore-mark --right-shift-mark 8",
	"-m mark --mark 0xf0",
	"-j TTL --ttl-dec 3",
	"-m ttl --ttl-eq 60",
	"-m ttl --ttl-eq 5",
	"-j TTL --ttl-set 99",
	"-m ttl --ttl-eq 99",
	"-j TTL --ttl-inc 200",
	"-m ttl --ttl-eq 255",
	"-j DSCP --set-dscp 0x12",
	"-m dscp --dscp 0x12",
	"-j TOS --set-tos 0x10/0x3f",
	"-m tos --tos 0x50/0xff",
	"-j TOS --xor-tos 0x1c",
	"-m tos --tos 0x4c/0xff",
	"-p tcp --syn -j TCPMSS --set-mss 1455",
	"-p tcp --syn -m tcpmss --mss 1455",
	"-p tcp --syn -m tcpmss --mss 1400",
	"-p tcp --syn -m tcpmss --mss 536",
	"-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu",
	"-p tcp --syn -m tcpmss --mss 1160",
	"-p tcp --syn -j TCPMSS --set-mss 1200",
	"-p tcp --syn -m tcpmss --mss 1160",
};
static const char *const writes_nft[] = {
	"meta mark set 0x5",
	"meta mark 0x5",
	"meta mark set meta mark and 0xfffffff0 or 0x300",
	"meta mark 0x300",
	"ct mark set meta mark xor 0x3",
	"ct mark 0x303",
	"meta mark set ct mark and 0xf",
	"meta mark 0x3",
	"meta mark set ip daddr map { 192.168.7.9 : 0x77 }",
	"meta mark 0x77",
	"meta mark set ip daddr map { 192.168.7.8 : 0x78 }",
	"meta mark set jhash ip saddr mod 1 offset 9",
	"meta mark 9",
	"ip ttl set 33",
	"ip ttl 33",
	"ip dscp set 0x12",
	"ip dscp 0x12",
	"tcp option maxseg size set 1150",
	"tcp option maxseg size 1150",
	"tcp option maxseg size set 1250",
	"tcp option maxseg size 1150",
	"tcp option maxseg size 536",
	"tcp option maxseg size set rt mtu",
	"tcp option maxseg size 1150",
	"notrack",
	"ct state untracked",
	"ct state new",
};

static void test_writes(void **state)
{
	static const struct sample forwarded[] = {
		{.what = "SYN", .dst = "192.168.7.9"},
		{.what = "short SYN", .dst = "192.168.7.9", .mss = 1400, .ttl = 9, .tos = 0x13},
		{.what = "SYN without MSS", .dst = "192.168.7.9", .mss = 1},
		{.what = "ACK", .dst = "192.168.7.9", .flags = 0x10},
		{.what = "datagram", .dst = "192.168.7.9", .proto = PROTO_UDP},
	};
	struct machine m;
	FILE *f;

	NEEDS_NAMESPACE();
	if (!machine_begin(&m, "ip link set tap1 mtu 1200"))
		skip();
	load_iptables("iptables-nft-restore", "FORWARD", writes, COUNT_OF(writes));
	f = pipe_to("nft -f -");
	fputs("table inet t { chain c { type filter hook forward priority -140;\n", f);
	for (size_t i = 0; i < COUNT_OF(writes_nft); i++)
		fprintf(f, "%s counter\n", writes_nft[i]);
	fputs("}\n}\n", f);
	assert_int_equal(pclose(f), 0);
	sh("sysctl -qw net.netfilter.nf_conntrack_checksum=0");
	for (size_t n = 0; n < COUNT_OF(forwarded); n++) {
		struct packet p = packet_of(&forwarded[n]), q;
		struct walk_result r = {0};

		inject(&m, &p);
		p.oif = "tap1";
		p.ttl--;
		q = p;
		for (size_t t = 0; t < m.net.ruleset.tables.len; t++) {
			const struct nft_table *table = m.net.ruleset.tables.items[t];
			struct walk_base base = {table, table->chains.items[0]};
			struct counting c = {.oracle = {count_asked}};
			struct walker w = {.net = &m.net, .oracle = &c.oracle};

			for (size_t i = 0; i < base.chain->rules.len; i++)
				compare_rule(&m, t, i, true, &q, forwarded[n].what,
					table->family == FAMILY_INET ? writes_nft[i] : writes[i]);
			walk_base_chain(&w, &base, &q, &r); /* as the next table gets it */
			q = r.after;
		}
	}
	machine_end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_policy_routing),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
