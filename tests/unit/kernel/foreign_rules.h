/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of others as they are said to nft, and how they are read. Included after cmocka. */
#ifndef TEST_FOREIGN_RULES_H
#define TEST_FOREIGN_RULES_H

#include "netns.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const foreign_chains[] = {"in", "forw", "mang", "pre", "post"};

/* Angle brackets: only the kernel understands it. */
static const struct {
	const char *chain, *said, *read;
} rules[] = {
	{"in", "ct state vmap { established : accept, invalid : drop }",
		"ct state vmap { invalid : drop, established : accept }"},
	{"in", "ct state established,related accept", "ct state established,related accept"},
	{"in", "ct state != new drop", "ct state != new drop"},
	{"in", "ct state == new", "ct state == new"},
	{"in", "iif lo accept", "iif 1 accept"},
	{"in", "ip daddr 127.0.0.0/8 drop", "meta nfproto ipv4 ip daddr 127.0.0.0/8 drop"},
	{"in", "ip daddr != 10.16.0.0/12", "meta nfproto ipv4 ip daddr != 10.16.0.0/12"},
	{"in", "ip saddr & 0.0.0.255 == 5", "meta nfproto ipv4 ip saddr & 0.0.0.255 == 0.0.0.5"},
	{"in", "ip6 saddr fe80::/10", "meta nfproto ipv6 ip6 saddr fe80::/10"},
	{"in", "tcp dport { 80, 443 } accept", "meta l4proto tcp th dport { 80, 443 } accept"},
	{"in", "tcp dport @ports accept", "meta l4proto tcp th dport @ports accept"},
	{"in", "udp sport 53 udp dport != 1024-65535",
		"meta l4proto udp th sport 53 th dport != 1024-65535"},
	{"in", "th dport 1000-2000", "th dport 1000-2000"},
	{"in", "icmp type { echo-request, 13 }",
		"meta nfproto ipv4 meta l4proto icmp icmp type { echo-request, 13 }"},
	{"in", "icmpv6 type nd-neighbor-solicit",
		"meta nfproto ipv6 meta l4proto icmpv6 icmpv6 type nd-neighbor-solicit"},
	{"in", "ip6 saddr . tcp dport { fd00::1 . 22 }",
		"meta nfproto ipv6 meta l4proto tcp ip6 saddr . th dport { fd00::1 . 22 }"},
	{"in", "meta mark 1-5", "meta mark 0x00000001-0x00000005"},
	{"in", "meta mark vmap { 1-5 : accept }",
		"meta mark vmap { 0x00000001-0x00000005 : accept }"},
	{"in", "ct state . meta mark { new . 1 }", "ct state . meta mark { new . 0x00000001 }"},
	{"in", "meta pkttype { broadcast, multicast } drop",
		"meta pkttype { broadcast, multicast } drop"},
	{"in", "iifname { \"eth*\", \"lo\" } accept", "iifname { \"eth*\", \"lo\" } accept"},
	{"in", "ip saddr vmap { 10.0.0.0/8 : jump other, 192.0.0.0/2 : drop }",
		"meta nfproto ipv4 ip saddr vmap { 10.0.0.0/8 : jump other, 192.0.0.0/2 : drop }"},
	{"in", "meta mark set ip saddr map { 1.1.1.1 : 1 }",
		"meta nfproto ipv4 meta mark set ip saddr map { 1.1.1.1 : 0x00000001 }"},
	{"in", "meta mark set ct mark & 0xff | 0x100",
		"meta mark set ct mark & 0x000000ff | 0x00000100"},
	{"in", "limit rate 15/minute", "limit rate 15/minute"},
	{"in", "log prefix \"x\" drop", "log prefix \"x\" drop"},
	{"in", "counter packets 5 bytes 100 reject", "counter packets 5 bytes 100 reject"},
	{"in", "goto other", "goto other"},
	{"in", "tcp flags & (fin|syn) == syn accept",
		"meta l4proto tcp tcp flags & (fin | syn) == syn accept"},
	{"in", "meta skuid 0 drop", "meta skuid 0 drop"},
	{"in", "ct original ip daddr 1.1.1.1", "ct original ip daddr 1.1.1.1"},
	{"in", "quota over 10 mbytes drop", "quota over 10 mbytes drop"},
	{"in", "ct count over 5 drop", "ct count over 5 drop"},
	{"in", "add @dyn { ip saddr }", "meta nfproto ipv4 add @dyn { ip saddr }"},
	{"in", "counter name ip saddr map @objects",
		"meta nfproto ipv4 counter name ip saddr map @objects"},
	{"in", "fib saddr . iif oif missing drop", "fib saddr . iif oif missing drop"},
	{"in", "meta mark set numgen inc mod 2", "meta mark set numgen inc mod 2"},
	{"in", "meta mark set meta mark << 4", "meta mark set <bitwise>"},
	{"in", "meta priority set 1:2", "meta priority set 1:2"},
	{"in", "ip daddr set 1.1.1.1", "meta nfproto ipv4 ip daddr set 1.1.1.1"},
	{"pre", "iifname \"eth0\" tcp dport 80 dnat ip to 192.168.0.2:8080",
		"iifname \"eth0\" meta l4proto tcp th dport 80 dnat ip to 192.168.0.2:8080"},
	{"pre", "dnat ip to tcp dport map { 80 : 192.168.0.2 . 81 }",
		"meta l4proto tcp dnat ip to th dport map { 80 : 192.168.0.2 . 81 }"},
	{"pre", "dnat ip to 192.168.0.2-192.168.0.9", "dnat ip to 192.168.0.2-192.168.0.9"},
	{"pre", "tcp dport 5 dnat ip to 1.1.1.1:5-9",
		"meta l4proto tcp th dport 5 dnat ip to 1.1.1.1:5-9"},
	{"pre", "tcp dport 22 redirect to :2222", "meta l4proto tcp th dport 22 redirect to :2222"},
	{"pre", "redirect", "redirect"},
	{"post", "oifname \"eth0\" masquerade", "oifname \"eth0\" masquerade"},
	{"post", "tcp dport 80 snat ip6 to [fd00::1]:5",
		"meta l4proto tcp th dport 80 snat ip6 to [fd00::1]:5"},
	{"post", "snat ip to numgen inc mod 2 map { 0 : 1.1.1.1 }",
		"snat ip to numgen inc mod 2 map { 0 : 1.1.1.1 }"},
	{"pre",
		"dnat ip to jhash ip saddr mod 258 seed 5 map { 0-85 : 10.0.0.1, 86-257 : 10.0.0.2 "
		"}",
		"meta nfproto ipv4 dnat ip to jhash ip saddr mod 258 seed 0x5 map { 0-85 : "
		"10.0.0.1, "
		"86-257 : 10.0.0.2 }"},
	{"pre",
		"meta l4proto tcp dnat ip to numgen random mod 3 map { 0 : 10.0.0.1 . 80, 1-2 : "
		"10.0.0.2 . 81 }",
		"meta l4proto tcp dnat ip to numgen random mod 3 map { 0 : 10.0.0.1 . 80, 1-2 : "
		"10.0.0.2 . 81 }"},
	{"pre", "meta l4proto tcp reject with tcp reset", "meta l4proto tcp reject with tcp reset"},
	{"in", "tcp flags & (fin|syn|rst|ack) == syn",
		"meta l4proto tcp tcp flags & (fin | syn | rst | ack) == syn"},
	{"in", "tcp flags syn", "meta l4proto tcp tcp flags & syn != 0x0"},
	{"in", "tcp flags != syn", "meta l4proto tcp tcp flags != syn"},
	{"in", "tcp flags == syn", "meta l4proto tcp tcp flags == syn"},
	{"in", "tcp flags { syn, syn|ack }", "meta l4proto tcp tcp flags { syn, syn | ack }"},
	{"in", "tcp sport 1 tcp dport 2", "meta l4proto tcp th sport 1 th dport 2"},
	{"in", "ip saddr 1.1.1.1 ip daddr 2.2.2.2",
		"meta nfproto ipv4 ip saddr 1.1.1.1 ip daddr 2.2.2.2"},
	{"in", "@th,16,16 80", "th dport 80"},
	{"in", "ip dscp 0x10", "meta nfproto ipv4 ip dscp 0x10"},
	{"in", "ip dscp != cs1", "meta nfproto ipv4 ip dscp != 0x08"},
	{"in", "ip dscp { cs1, 5 }", "meta nfproto ipv4 ip dscp { 0x05, 0x08 }"},
	{"in", "ip6 dscp 0x10", "meta nfproto ipv6 ip6 dscp 0x10"},
	{"in", "ip6 dscp { cs1, 5 }", "meta nfproto ipv6 ip6 dscp { 0x05, 0x08 }"},
	{"in", "ip ttl 1", "meta nfproto ipv4 ip ttl 1"},
	{"in", "ip ttl 1-5", "meta nfproto ipv4 ip ttl 1-5"},
	{"in", "ip ttl { 1, 5 }", "meta nfproto ipv4 ip ttl { 1, 5 }"},
	{"in", "ip length > 100", "meta nfproto ipv4 ip length > 100"},
	{"in", "ip6 length > 100", "meta nfproto ipv6 ip6 length > 100"},
	{"in", "meta iiftype ppp", "meta iiftype ppp"},
	{"in", "meta oiftype != { ether, loopback }", "meta oiftype != { ether, loopback }"},
	{"in", "ip frag-off & 0x1fff != 0", "meta nfproto ipv4 ip frag-off & 0x1fff != 0"},
	{"in", "ip6 hoplimit 255", "meta nfproto ipv6 ip6 hoplimit 255"},
	{"in", "icmp type echo-request icmp code 0",
		"meta nfproto ipv4 meta l4proto icmp icmp type echo-request icmp code 0"},
	{"in", "icmp code 1", "meta nfproto ipv4 meta l4proto icmp icmp code 1"},
	{"in", "icmpv6 code 1", "meta nfproto ipv6 meta l4proto icmpv6 icmpv6 code 1"},
	{"in", "ether saddr 00:11:22:33:44:55", "ether saddr 00:11:22:33:44:55"},
	{"in", "ether saddr 00:11:22:33:44:55 ether daddr 00:11:22:33:44:56",
		"ether daddr 00:11:22:33:44:56 ether saddr 00:11:22:33:44:55"},
	{"in", "ether type ip", "ether type ip"},
	{"in", "meta length 100-200", "meta length 100-200"},
	{"in", "meta protocol ip", "meta protocol ip"},
	{"in", "meta skuid 1000", "meta skuid 1000"},
	{"in", "meta skuid 1000-2000", "meta skuid 1000-2000"},
	{"in", "meta skgid { 5, 6 }", "meta skgid { 5, 6 }"},
	{"in", "meta priority 1:2", "meta priority 1:2"},
	{"in", "meta rtclassid 5", "meta rtclassid 5"},
	{"in", "iifgroup 5", "meta iifgroup 5"},
	{"in", "oifgroup != 5", "meta oifgroup != 5"},
	{"in", "ct original ip saddr 1.1.1.1", "ct original ip saddr 1.1.1.1"},
	{"in", "ct original ip daddr 1.1.1.0/24", "ct original ip daddr 1.1.1.0/24"},
	{"in", "ct reply ip6 saddr fd00::1", "ct reply ip6 saddr fd00::1"},
	{"in", "meta l4proto tcp ct original proto-dst 80",
		"meta l4proto tcp ct original proto-dst 80"},
	{"in", "meta l4proto tcp ct reply proto-src 80-90",
		"meta l4proto tcp ct reply proto-src 80-90"},
	{"in", "ct l3proto ipv4", "ct l3proto ipv4"},
	{"in", "ct protocol tcp", "ct protocol tcp"},
	{"in", "ct zone 5", "ct zone 5"},
	{"in", "ct zone 5-9", "ct zone 5-9"},
	{"in", "ct helper \"ftp\"", "ct helper \"ftp\""},
	{"in", "ct original zone 5", "<ct> 0x0500"},
	{"in", "tcp option maxseg size 1-536", "tcp option maxseg size 1-536"},
	{"forw", "tcp flags syn tcp option maxseg size set rt mtu",
		"meta l4proto tcp tcp flags & syn != 0x0 tcp option maxseg size set rt mtu"},
	{"forw", "tcp flags syn tcp option maxseg size set 1400",
		"meta l4proto tcp tcp flags & syn != 0x0 tcp option maxseg size set 1400"},
	{"in", "fib saddr . iif oif missing", "fib saddr . iif oif missing"},
	{"in", "fib daddr . iif type local", "fib daddr . iif type local"},
	{"in", "fib saddr oifname \"lo\"", "fib saddr oifname \"lo\""},
	{"in", "fib saddr . iif oif lo", "<fib> 0x01000000"},
	{"in", "meta mark set numgen random mod 3 offset 5",
		"meta mark set numgen random mod 3 offset 5"},
	{"in", "meta mark set symhash mod 3 offset 2", "meta mark set symhash mod 3 offset 2"},
	{"in", "meta mark set jhash ip saddr . tcp dport mod 7 seed 0x5 offset 2",
		"meta nfproto ipv4 meta l4proto tcp meta mark set jhash ip saddr . th dport mod 7 "
		"seed 0x5 offset 2"},
	{"in", "numgen inc mod 10 vmap { 0-4 : accept, 5-9 : drop }",
		"numgen inc mod 10 vmap { 0-4 : accept, 5-9 : drop }"},
	{"in", "update @dyn { ip saddr timeout 10s limit rate over 3/minute }",
		"meta nfproto ipv4 update @dyn { ip saddr timeout 10s limit rate over 3/minute }"},
	{"in", "delete @dyn { ip saddr }", "meta nfproto ipv4 delete @dyn { ip saddr }"},
	{"pre", "tcp dport 5 dnat ip to 1.1.1.1-1.1.1.2:5-9 persistent",
		"meta l4proto tcp th dport 5 dnat ip to 1.1.1.1-1.1.1.2:5-9 persistent"},
	{"pre", "meta l4proto tcp dnat to :8080", "meta l4proto tcp dnat to :8080"},
	{"pre", "ip saddr 1.1.1.1 tcp dport 80 dnat to :8080",
		"meta nfproto ipv4 ip saddr 1.1.1.1 meta l4proto tcp th dport 80 dnat to :8080"},
	{"pre", "dnat ip prefix to ip daddr map { 10.0.0.0/24 : 192.168.1.0/24 }",
		"meta nfproto ipv4 dnat ip prefix to ip daddr map { 10.0.0.0/24 : 192.168.1.0/24 "
		"}"},
	{"post", "snat ip to ip saddr map @ranges",
		"meta nfproto ipv4 snat ip to ip saddr map @ranges"},
	{"post", "snat ip6 to ip6 saddr map { fd00::1 : fd00::5-fd00::9 }",
		"meta nfproto ipv6 snat ip6 to ip6 saddr map { fd00::1 : fd00::5-fd00::9 }"},
	{"post", "meta l4proto tcp snat ip to ip saddr map @port_ranges",
		"meta l4proto tcp meta nfproto ipv4 snat ip to ip saddr map @port_ranges"},
	{"pre", "dnat ip prefix to 10.1.0.0/24", "dnat ip prefix to 10.1.0.0/24"},
	{"post", "tcp dport 5 masquerade to :1000-2000 random",
		"meta l4proto tcp th dport 5 masquerade to :1000-2000 random"},
	{"post", "masquerade fully-random,persistent", "masquerade fully-random,persistent"},
	{"pre", "tcp dport 5 redirect to :22 random",
		"meta l4proto tcp th dport 5 redirect to :22 random"},
	{"mang", "tcp dport 80 tproxy ip to 127.0.0.1:5000",
		"meta l4proto tcp th dport 80 tproxy ip to 127.0.0.1:5000"},
	{"mang", "meta l4proto tcp tproxy to :5000", "meta l4proto tcp tproxy to :5000"},
	{"in", "ip dscp set cs1", "meta nfproto ipv4 ip dscp set 0x08"},
	{"in", "ip ttl set 5", "meta nfproto ipv4 ip ttl set 5"},
	{"in", "tcp dport set 80", "meta l4proto tcp th dport set 80"},
	{"in", "ip6 dscp set 5", "meta nfproto ipv6 ip6 dscp set 0x05"},
	{"in", "meta nftrace set 1", "meta nftrace set 1"},
	{"mang", "ct zone set 5", "ct zone set 5"},
	{"mang", "ct original zone set 5", "ct original zone set 5"},
	{"in", "ct label set 5", "ct label set 5"},
	{"in", "ct event set new,destroy", "ct event set new,destroy"},
	{"in", "ct helper set \"files\"", "ct helper set \"files\""},
	{"in", "limit rate over 1 mbytes/second burst 2 kbytes",
		"limit rate over 1 mbytes/second burst 2 kbytes"},
	{"in", "limit rate 5/second", "limit rate 5/second"},
	{"in", "limit rate over 10 kbytes/hour", "limit rate over 10 kbytes/hour"},
	{"in", "quota over 10 mbytes", "quota over 10 mbytes"},
	{"in", "quota 1025 bytes", "quota 1025 bytes"},
	{"in", "quota until 10 mbytes used 5 bytes", "quota 10 mbytes used 5 bytes"},
	{"in", "ct count 5", "ct count 5"},
	{"in", "ct count over 5", "ct count over 5"},
	{"in", "log", "log"},
	{"in", "log prefix \"x y\" level debug flags all",
		"log prefix \"x y\" level debug flags all"},
	{"in", "log group 5 snaplen 10 queue-threshold 3",
		"log group 5 snaplen 10 queue-threshold 3"},
	{"in", "log flags tcp sequence,options flags ip options flags skuid",
		"log flags tcp sequence,options flags ip options flags skuid"},
	{"in", "log level audit", "log level audit"},
	{"in", "reject", "reject"},
	{"in", "ip saddr 1.1.1.1 reject with icmp type host-unreachable",
		"meta nfproto ipv4 ip saddr 1.1.1.1 reject with icmp host-unreachable"},
	{"in", "reject with icmpx type admin-prohibited", "reject with icmpx admin-prohibited"},
	{"in", "reject with icmpv6 type no-route", "meta nfproto ipv6 reject with icmpv6 no-route"},
	{"in", "meta l4proto tcp reject with tcp reset", "meta l4proto tcp reject with tcp reset"},
	{"in", "reject with icmpx type no-route", "reject with icmpx no-route"},
	{"in", "limit name \"calm\"", "limit name \"calm\""},
	{"in", "quota name \"much\"", "quota name \"much\""},
	{"mang", "notrack", "notrack"},
	{"in", "synproxy mss 1460 wscale 7 timestamp sack-perm", "<synproxy>"},
	{"in", "ct mark set meta mark and 0xff or 0x100",
		"ct mark set meta mark & 0x000000ff | 0x00000100"},
	{"in", "ip saddr & 255.255.0.255 == 10.1.0.5",
		"meta nfproto ipv4 ip saddr & 255.255.0.255 == 10.1.0.5"},
	{"in", "meta l4proto { tcp, udp } th dport { 53, 100-200 }",
		"meta l4proto { tcp, udp } th dport { 53, 100-200 }"},
	{"in", "iifname . oifname { \"lo\" . \"lo\" }", "iifname . oifname { \"lo\" . \"lo\" }"},
	{"in", "tcp dport . ip saddr vmap { 80 . 1.1.1.1 : accept }",
		"meta l4proto tcp meta nfproto ipv4 th dport . ip saddr vmap { 80 . 1.1.1.1 : "
		"accept }"},
	{"in", "ip saddr . tcp dport { 10.0.0.0/8 . 80-90 }",
		"meta nfproto ipv4 meta l4proto tcp ip saddr . th dport { 10.0.0.0/8 . 80-90 }"},
	{"in", "socket transparent 1", "<socket> 0x01"},
	{"in", "meta random > 5", "<meta> > 0x00000005"},
	{"in", "vlan id 5", "ether type 8021q <bitwise> 0x0005"},
	{"in", "udp length 5", "meta l4proto udp <@th,32,16> 0x0005"},
	{"in", "ip version 4", "meta nfproto ipv4 <bitwise> 0x40"},
	{"in", "ip protocol tcp ip ttl 5", "meta nfproto ipv4 ip ttl 5 ip protocol tcp"},
	{"in", "ct status dnat", "ct status dnat"},
	{"in", "ct status & (snat|dnat) == 0", "ct status & (snat | dnat) == 0x0"},
	{"in", "ct state != established,related", "ct state != established,related"},
	{"in", "ct state == { new, established }", "ct state { established, new }"},
	{"in", "ct expiration 5s", "<ct> 0x88130000"},
	{"in", "ct mark and 0xff == 5", "ct mark & 0x000000ff == 0x00000005"},
	{"in", "meta mark & 0xff != 0", "meta mark & 0x000000ff != 0x00000000"},
	{"in", "icmp id 5",
		"meta nfproto ipv4 meta l4proto icmp icmp type { echo-reply, echo-request } "
		"<@th,32,16> 0x0005"},
	{"in", "pkttype broadcast", "meta pkttype broadcast"},
	{"in", "meta cpu 1", "<meta> 0x01000000"},
	{"in", "meta hour \"10:00\"-\"12:00\"", "<byteorder> 0x00008ca0-0x0000a8c0"},
	{"in", "ip6 nexthdr tcp", "meta nfproto ipv6 ip6 nexthdr tcp"},
	{"in", "exthdr frag exists", "meta nfproto ipv6 <exthdr> 0x01"},
	{"in", "ip option rr exists", "meta nfproto ipv4 <exthdr> 0x01"},
	{"in", "meta ipsec exists", "meta secpath exists"},
	{"in", "ct state invalid,untracked", "ct state invalid,untracked"},
	{"in", "ct direction reply", "ct direction reply"},
	{"in", "ip saddr != { 1.1.1.1, 2.2.2.2 }",
		"meta nfproto ipv4 ip saddr != { 1.1.1.1, 2.2.2.2 }"},
	{"in", "ip daddr @dyn", "meta nfproto ipv4 ip daddr @dyn"},
	{"in", "ether type vlan", "ether type 8021q"},
	{"in", "th dport { 1, 2 }", "th dport { 1, 2 }"},
};

static inline bool have(const char *tool)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", tool);
	if (system(command) == 0)
		return true;
	print_message("# SKIP: %s is not installed\n", tool);
	return false;
}

static inline void load_foreign_rules(void)
{
	FILE *f;

	sh("nft -f - <<'X'\n"
	   "table inet f {\n"
	   "	counter total { }\n"
	   "	limit calm { rate over 5/second; }\n"
	   "	quota much { over 5 mbytes; }\n"
	   "	ct helper files { type \"ftp\" protocol tcp; }\n"
	   "	set ports { type inet_service; flags interval; elements = { 22, 80-90, 443 }; }\n"
	   "	map objects { type ipv4_addr : counter; elements = { 1.1.1.1 : \"total\" }; }\n"
	   "	set dyn { type ipv4_addr; flags dynamic,timeout; timeout 1m; }\n"
	   "	map ranges { type ipv4_addr : interval ipv4_addr; flags interval;\n"
	   "		elements = { 1.1.1.1 : 10.0.0.1-10.0.0.5 }; }\n"
	   "	map port_ranges { type ipv4_addr : interval ipv4_addr . inet_service;\n"
	   "		flags interval; elements = { 1.1.1.1 : 10.0.0.1-10.0.0.5 . 5-9 }; }\n"
	   "	set any { type ipv4_addr; elements = { 1.1.1.1, * }; }\n"
	   "	chain other { }\n"
	   "	chain in { type filter hook input priority filter + 5; policy drop; }\n"
	   "	chain forw { type filter hook forward priority filter; }\n"
	   "	chain mang { type filter hook prerouting priority raw; }\n"
	   "	chain pre { type nat hook prerouting priority dstnat; }\n"
	   "	chain post { type nat hook postrouting priority srcnat; }\n"
	   "}\n"
	   "X");
	f = popen("nft -f -", "w");
	assert_non_null(f);
	for (size_t i = 0; i < COUNT(rules); i++)
		fprintf(f, "add rule inet f %s %s\n", rules[i].chain, rules[i].said);
	assert_int_equal(pclose(f), 0);
}

#endif
