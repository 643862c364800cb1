/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sysctls, connections and ipsets; what a file is taken for; what is known after all were read. */
#include "dump_test.h"

#include <linux/netfilter/nf_conntrack_common.h>

#include "netstate/ipset.h"

/* ---- sysctls ---- */

static void test_sysctls(void **state)
{
	struct dumped d;

	read_text(&d, "sysctl.txt",
		"# of a machine\n"
		"kernel.hostname = gw\n"
		"net.ipv4.ip_forward = 1\n"
		"net.ipv4.conf.eth0/7.rp_filter=2\n"
		"net/ipv4/conf/eth1.8/rp_filter = 0\n"
		"/proc/sys/net/ipv4/conf/eth2/rp_filter:1\n"
		"/proc/sys/net/ipv4/conf/eth2:0/rp_filter:2\n"
		"net.ipv4.tcp_rmem = 4096\t131072\t6291456\n"
		"net.ipv4.ip_forward = 0\r\n"
		"-net.ipv4.conf.eth3.rp_filter = 2\n"
		"sysctl: permission denied on key 'fs.protected_fifos'\n");
	assert_int_equal(d.net.have, HAVE_SYSCTLS);
	assert_string_equal(dumped_notes(&d),
		"sysctl.txt:11: not a setting: sysctl: permission denied on key "
		"'fs.protected_fifos'\n");
	assert_int_equal(d.net.sysctls.len, 7);
	assert_string_equal(netstate_sysctl(&d.net, "net.ipv4.conf.eth3.rp_filter"), "2");
	assert_string_equal(netstate_sysctl(&d.net, "net.ipv4.ip_forward"), "0");
	assert_string_equal(netstate_sysctl(&d.net, "net.ipv4.conf.eth0/7.rp_filter"), "2");
	assert_string_equal(netstate_sysctl(&d.net, "net.ipv4.conf.eth1/8.rp_filter"), "0");
	assert_string_equal(netstate_sysctl(&d.net, "net.ipv4.conf.eth2.rp_filter"), "1");
	assert_string_equal(netstate_sysctl(&d.net, "net.ipv4.conf.eth2:0.rp_filter"), "2");
	assert_string_equal(netstate_sysctl(&d.net, "net.ipv4.tcp_rmem"), "4096\t131072\t6291456");
	assert_null(netstate_sysctl(&d.net, "kernel.hostname"));
	assert_int_equal(d.net.sysctls.items[0].at.line, 4);
	dumped_end(&d);
}

/* ---- connections ---- */

static void test_connections(void **state)
{
	const struct net_flow *f;
	struct dumped d;

	read_text(&d, "conntrack.txt",
		"conntrack v1.4.7 (conntrack-tools): 4 flow entries have been shown.\n"
		"tcp      6 431999 ESTABLISHED src=100.100.100.100 dst=2.2.2.2 sport=4242 dport=80 "
		"src=192.168.0.2 dst=192.168.0.1 sport=8080 dport=4242 [ASSURED] mark=33554432 "
		"use=1\n"
		"ipv4     2 udp      17 29 src=10.0.0.9 dst=9.9.9.9 sport=5353 dport=53 packets=1 "
		"bytes=60 [UNREPLIED] src=9.9.9.9 dst=1.1.1.1 sport=53 dport=1024 packets=0 "
		"bytes=0 mark=0 zone=7 use=2\n"
		"ipv6     10 icmpv6   58 29 src=fd00::1 dst=fd00::2 type=128 code=0 id=99 "
		"src=fd00::2 dst=fd00::1 type=129 code=0 id=99 mark=0x10 use=1 id=4242\n"
		"ipv4     2 tcp      6 src=10.0.0.9 dst=9.9.9.9 sport=1 dport=2 src=9.9.9.9 "
		"dst=10.0.0.9 sport=2 dport=1 [OFFLOAD] mark=0 secctx=null use=2\n"
		"tcp      6 117 SYN_SENT src=10.0.0.9 dst=9.9.9.9 sport=1\n"
		"tcp      6 117 SYN_SENT src=10.0.0.9 dst=9.9.9.9 sport=70000 dport=1 src=9.9.9.9 "
		"dst=10.0.0.9 sport=2 dport=1 [WEIRD]\n");
	assert_int_equal(d.net.have, HAVE_FLOWS);
	assert_int_equal(d.net.flows.len, 5);
	f = &d.net.flows.items[0];
	assert_int_equal(f->proto, PROTO_TCP);
	assert_string_equal(f->state, "ESTABLISHED");
	assert_int_equal(f->timeout_s, 431999);
	assert_int_equal(f->mark, 0x2000000);
	assert_int_equal(f->original.sport, 4242);
	assert_int_equal(f->reply.sport, 8080);
	assert_int_equal(f->status,
		IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED | IPS_SRC_NAT | IPS_DST_NAT);
	assert_int_equal(f->at.line, 2);
	f = &d.net.flows.items[1];
	assert_int_equal(f->status, IPS_CONFIRMED | IPS_SRC_NAT);
	assert_int_equal(f->zone, 7);
	assert_null(f->state);
	f = &d.net.flows.items[2];
	assert_int_equal(f->status, IPS_CONFIRMED | IPS_SEEN_REPLY);
	assert_int_equal(f->original.src.family, IP_V6);
	assert_int_equal(f->original.sport, 99);
	assert_int_equal(f->reply.dport, 99);
	assert_int_equal(f->mark, 16);
	f = &d.net.flows.items[3];
	assert_true(f->offloaded && f->status & IPS_OFFLOAD && f->timeout_s == 0);
	assert_string_equal(dumped_notes(&d),
		"conntrack.txt:6: an address of this connection is missing: tcp      6 117 "
		"SYN_SENT src=10.0.0.9 dst=9.9.9.9 sport=1\n"
		"conntrack.txt:7: 'sport=70000' is not understood: tcp      6 117 SYN_SENT "
		"src=10.0.0.9 dst=9.9.9.9 sport=70000 dport=1 src=9.9.9.9 dst=10.0.0.9 sport=2 "
		"dport=1 [WEIRD]\n");
	dumped_end(&d);
}

/* ---- ipsets ---- */

static struct nft_set *ipset(struct dumped *d, const char *name)
{
	VEC_EACH (&d->net.ruleset.ipsets, struct nft_set *, s)
		if (strcmp((*s)->name, name) == 0)
			return *s;
	fail_msg("no set %s", name);
	return NULL;
}

static void check_ipsets(struct dumped *d)
{
	uint8_t key[64] = {1, 2, 3, 4, 6, 0, 0, 0, 0, 80};
	struct nft_set *s = ipset(d, "a");
	struct ip_addr addr;

	assert_int_equal(d->net.have, HAVE_IPSETS);
	assert_int_equal(s->n_key, 3);
	assert_int_equal(s->len, 3);
	assert_int_equal(s->timeout_ms, 60000);
	assert_true(nft_set_find(s, key) >= 0);
	key[4] = PROTO_UDP;
	assert_true(nft_set_find(s, key) < 0);
	assert_int_equal(ipset_dimension_of(s, 0), 0);
	assert_int_equal(ipset_dimension_of(s, 1), 1);
	assert_int_equal(ipset_dimension_of(s, 2), 1);
	s = ipset(d, "b");
	assert_true(s->flags & SET_INCOMPLETE);
	assert_int_equal(s->len, 1);
	assert_int_equal(ipset(d, "d")->len, 3);
	/* Of a set with a netmask, all of the network is meant. */
	s = ipset(d, "e");
	addr = ip("1.2.3.77");
	assert_true(nft_set_find(s, addr.bytes) >= 0);
	addr = ip("1.2.4.77");
	assert_true(nft_set_find(s, addr.bytes) < 0);
	/* A network in another one. */
	s = ipset(d, "f");
	addr = ip("fd00:1:2::3");
	assert_true(nft_set_find(s, addr.bytes) >= 0);
	addr = ip("fd99::3");
	assert_true(nft_set_find(s, addr.bytes) >= 0);
	/* A list has its members' elements. */
	s = ipset(d, "c");
	assert_false(s->flags & SET_INCOMPLETE);
	addr = ip("1.2.3.77");
	assert_true(nft_set_find(s, addr.bytes) >= 0);
	assert_true(ipset(d, "l")->flags & SET_INCOMPLETE);
	/* One network taken out of another. */
	s = ipset(d, "n");
	assert_false(s->flags & SET_INCOMPLETE);
	addr = ip("10.1.2.3");
	assert_true(nft_set_find(s, addr.bytes) < 0);
	addr = ip("10.2.2.3");
	assert_true(nft_set_find(s, addr.bytes) >= 0);
	assert_int_equal(ipset(d, "h")->len, 0);
	assert_false(ipset(d, "h")->flags & SET_INCOMPLETE);
}

static void test_ipset_save(void **state)
{
	struct dumped d;

	read_text(&d, "ipset.txt",
		"create a hash:ip,port family inet hashsize 1024 maxelem 65536 timeout 60 comment "
		"bucketsize 12 initval 0x806356f7\n"
		"add a 1.2.3.4,tcp:80 timeout 59 comment \"hi nomatch there\"\n"
		"add a 1.2.3.5,icmp:echo-request timeout 59\n"
		"add a 1.2.3.5,udp:53 timeout 59\n"
		"create b hash:net,iface family inet hashsize 1024 maxelem 65536\n"
		"add b 10.0.0.0/8,eth0\n"
		"add b 10.0.0.0/8,physdev:eth1 nomatch\n"
		"create d bitmap:port range 0-1000\nadd d 80\nadd d 81\nadd d 82\n"
		"create e hash:ip family inet hashsize 1024 maxelem 65536 netmask 24\n"
		"add e 1.2.3.0\n"
		"create f hash:net family inet6 hashsize 1024 maxelem 65536 counters\n"
		"add f fd00:1::/32 packets 0 bytes 0\nadd f fd00::/8 packets 0 bytes 0\n"
		"create h hash:mac\n"
		"create n hash:net family inet\nadd n 10.1.0.0/16 nomatch\nadd n 10.0.0.0/8\n"
		"create c list:set size 8\nadd c e\ncreate l list:set size 8\nadd l gone\n"
		"create z hash:moon\nadd z full\nadd zz 1.2.3.4\n");
	check_ipsets(&d);
	assert_string_equal(dumped_notes(&d),
		"ipset.txt:7: an element that is not understood: add b 10.0.0.0/8,physdev:eth1 "
		"nomatch\n"
		"ipset.txt:25: sets of type hash:moon are not understood: create z hash:moon\n"
		"ipset.txt:27: an element of a set that is not there: add zz 1.2.3.4\n");
	dumped_end(&d);
}

static void test_ipset_list(void **state)
{
	struct dumped d;

	read_text(&d, "ipset-list.txt",
		"Name: a\nType: hash:ip,port\nRevision: 7\n"
		"Header: family inet hashsize 1024 maxelem 65536 timeout 60 comment\n"
		"Size in memory: 481\nReferences: 1\nNumber of entries: 3\nMembers:\n"
		"1.2.3.4,tcp:80 timeout 59 comment \"hi there\"\n1.2.3.5,icmp:8/0 timeout 59\n"
		"1.2.3.5,udp:53 timeout 59\n\n"
		"Name: b\nType: hash:net,iface\nHeader: family inet\nMembers:\n"
		"10.0.0.0/8,eth0\n10.0.0.0/8,physdev:eth1 nomatch\n\n"
		"Name: d\nType: bitmap:port\nHeader: range 0-1000\nMembers:\n80\n81\n82\n\n"
		"Name: e\nType: hash:ip\nHeader: family inet netmask 24\nMembers:\n1.2.3.0\n\n"
		"Name: f\nType: hash:net\nHeader: family inet6\nMembers:\nfd00::/8\n\n"
		"Name: h\nType: hash:mac\nHeader: hashsize 4\nMembers:\n\n"
		"Name: n\nType: hash:net\nHeader: family inet\nMembers:\n10.0.0.0/8\n"
		"10.1.0.0/16 nomatch\n\n"
		"Name: c\nType: list:set\nHeader: size 8\nMembers:\ne\n\n"
		"Name: l\nType: list:set\nHeader: size 8\nMembers:\nf\na\n");
	check_ipsets(&d);
	dumped_end(&d);
}

/* ---- what a file is ---- */

static void guess(const char *name, const char *text, enum dump_kind kind, uint8_t family)
{
	struct dump_file f = {name, text, strlen(text)};
	uint8_t got = 99;

	if (dump_guess(&f, &got) != kind || got != family)
		fail_msg("%s: kind %d, family %d", name, dump_guess(&f, &got), got);
}

static void test_guess_by_name(void **state)
{
	guess("iptables-save.txt", "", DUMP_IPTABLES_SAVE, IP_V4);
	guess("ip6tables-save.txt", "", DUMP_IPTABLES_SAVE, IP_V6);
	guess("iptables-legacy-save.txt", "", DUMP_IPTABLES_SAVE, IP_V4);
	guess("rules.v4", "", DUMP_IPTABLES_SAVE, IP_V4);
	guess("rules.v6", "", DUMP_IPTABLES_SAVE, IP_V6);
	guess("iptables.txt", "", DUMP_IPTABLES_SAVE, IP_V4);
	guess("nft.json", "{", DUMP_NFT_JSON, IP_NONE);
	guess("nft.txt", "", DUMP_NFT_TEXT, IP_NONE);
	guess("nftables.conf", "flush ruleset", DUMP_NFT_TEXT, IP_NONE);
	guess("dir/ip-link.json", "[]", DUMP_IP_LINK, IP_NONE);
	guess("ip-addr.json", "[]", DUMP_IP_ADDR, IP_NONE);
	guess("ip-rule.json", "[]", DUMP_IP_RULE, IP_V4);
	guess("ip6-rule.json", "[]", DUMP_IP_RULE, IP_V6);
	guess("iprule", "", DUMP_IP_RULE, IP_V4);
	guess("ip-route.json", "[]", DUMP_IP_ROUTE, IP_V4);
	guess("ip6-route.json", "[]", DUMP_IP_ROUTE, IP_V6);
	guess("ip_route_table_main", "", DUMP_IP_ROUTE, IP_V4);
	guess("ip-route-101.txt", "", DUMP_IP_ROUTE, IP_V4);
	guess("ip-neigh.json", "[]", DUMP_IP_NEIGHBOUR, IP_NONE);
	guess("ip-nexthop.json", "[]", DUMP_IP_NEXTHOP, IP_NONE);
	guess("sysctl.txt", "", DUMP_SYSCTL, IP_NONE);
	guess("conntrack.txt", "", DUMP_CONNTRACK, IP_NONE);
	guess("ipset.txt", "", DUMP_IPSET, IP_NONE);
	guess("meta.json", "{}", DUMP_META, IP_NONE);
	guess("holiday.jpg", "\377\330", DUMP_NOT_KNOWN, IP_NONE);
}

static void test_guess_by_content(void **state)
{
	guess("a", "# Generated by ip6tables-save v1.8.9 (nf_tables) on Sun\n*filter\n",
		DUMP_IPTABLES_SAVE, IP_V6);
	guess("a", "gw:~# iptables-save\n*nat\n:PREROUTING ACCEPT [0:0]\n", DUMP_IPTABLES_SAVE,
		IP_NONE);
	guess("a", "#!/bin/sh\n/sbin/ip6tables -A INPUT -j DROP\n", DUMP_IPTABLES_SAVE, IP_NONE);
	guess("a", "sudo iptables \\\n--append INPUT\n", DUMP_IPTABLES_SAVE, IP_NONE);
	guess("a", "\xef\xbb\xbf*nat\r\n", DUMP_IPTABLES_SAVE, IP_NONE);
	guess("a", "table inet filter {\n\tchain input {\n", DUMP_NFT_TEXT, IP_NONE);
	guess("a", "{\"nftables\": [{\"metainfo\": {}}]}", DUMP_NFT_JSON, IP_NONE);
	guess("a", "[{\"ifindex\":1,\"ifname\":\"lo\",\"addr_info\":[]}]", DUMP_IP_ADDR, IP_NONE);
	guess("a", "[{\"ifindex\":1,\"ifname\":\"lo\"}]", DUMP_IP_LINK, IP_NONE);
	guess("a", "[{\"priority\":0,\"src\":\"all\",\"table\":\"local\"}]", DUMP_IP_RULE, IP_NONE);
	guess("a", "[{\"dst\":\"default\",\"dev\":\"eth0\",\"flags\":[]}]", DUMP_IP_ROUTE, IP_NONE);
	guess("a", "[{\"dst\":\"10.0.0.1\",\"dev\":\"eth0\",\"state\":[\"STALE\"]}]",
		DUMP_IP_NEIGHBOUR, IP_NONE);
	guess("a", "0:\tfrom all lookup local\n", DUMP_IP_RULE, IP_NONE);
	guess("a", "100:\tnot from all fwmark 0x1 lookup 7\n", DUMP_IP_RULE, IP_NONE);
	guess("a", "default via 192.0.2.1 dev eth0\n", DUMP_IP_ROUTE, IP_NONE);
	guess("a", "unreachable default\n", DUMP_IP_ROUTE, IP_NONE);
	guess("a", "10.0.0.50 dev eth0 lladdr 02:00:00:00:00:01 REACHABLE\n", DUMP_IP_NEIGHBOUR,
		IP_NONE);
	guess("a",
		"1: lo: <LOOPBACK,UP> mtu 65536\n    link/loopback\n    inet 127.0.0.1/8 scope "
		"host lo\n",
		DUMP_IP_ADDR, IP_NONE);
	guess("a", "1: lo: <LOOPBACK,UP> mtu 65536\n", DUMP_IP_LINK, IP_NONE);
	guess("a", "lo               UNKNOWN        127.0.0.1/8 ::1/128 \n", DUMP_IP_ADDR, IP_NONE);
	guess("a", "id 5 via 10.0.0.77 dev d0 scope link\n", DUMP_IP_NEXTHOP, IP_NONE);
	guess("a", "net.ipv4.ip_forward = 1\n", DUMP_SYSCTL, IP_NONE);
	guess("a",
		"tcp      6 9 CLOSE src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 src=2.2.2.2 "
		"dst=1.1.1.1 sport=2 dport=1 mark=0 use=1\n",
		DUMP_CONNTRACK, IP_NONE);
	guess("a", "create foo hash:ip family inet\n", DUMP_IPSET, IP_NONE);
	guess("a", "Name: foo\nType: hash:ip\n", DUMP_IPSET, IP_NONE);
	/* The content knows better than the name. */
	guess("rules.txt", "*filter\n:INPUT ACCEPT [0:0]\n", DUMP_IPTABLES_SAVE, IP_NONE);
	guess("ip-addr.txt", "default via 192.0.2.1 dev eth0\n", DUMP_IP_ROUTE, IP_NONE);
}

static void test_advice(void **state)
{
	struct dumped d;

	dumped_begin(&d);
	dumped_text(&d, "ip-addr.txt", "eth0: flags=4163<UP>  mtu 1500\n        inet 10.0.0.1\n");
	dumped_text(&d, "iptables.txt", "Chain INPUT (policy ACCEPT)\ntarget prot opt source\n");
	dumped_text(&d, "notes.md", "it does not work\n");
	dumped_bytes(&d, "ip-route.bin", "\177ELF\0\1", 6);
	dumped_text(&d, "ip-neigh.txt", "\033[2Jboo\n");
	dumped_read(&d);
	assert_int_equal(d.net.have, HAVE_NEIGHBOURS);
	assert_string_equal(dumped_notes(&d),
		/* Nothing that a terminal would obey. */
		"ip-neigh.txt:1: not a neighbour: ?[2Jboo\n"
		"ip-addr.txt:0: output of ifconfig cannot be read: give that of 'ip -d addr': "
		"ip-addr.txt\n"
		"iptables.txt:0: a listing of iptables leaves out interfaces and masks: give the "
		"output of 'iptables-save -c': iptables.txt\n"
		"notes.md:0: neither name nor content tells what this is: notes.md\n"
		"ip-route.bin:0: not a plain text (if it came from Windows: UTF-16 cannot be "
		"read): ip-route.bin\n");
	dumped_end(&d);
}

/* ---- all files together ---- */

#define RULES4                                                                                     \
	"0:\tfrom all lookup local\n100:\tfrom all fwmark 0x1 lookup wan1\n"                       \
	"32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"
#define ADDRS                                                                                      \
	"1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n"            \
	"2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500\n"                                              \
	"    inet 192.0.2.7/24 brd 192.0.2.255 scope global eth0\n"                                \
	"    inet6 2001:db8::7/64 scope global\n"

static void test_only_main(void **state)
{
	struct dumped d;

	read_text(&d, "ip-route.txt", "default via 192.0.2.1 dev eth0\n");
	assert_int_equal(d.net.have, HAVE_ROUTES4 | HAVE_ONLY_MAIN4);
	dumped_end(&d);

	dumped_begin(&d);
	dumped_text(&d, "ip-route.txt", "default via 192.0.2.1 dev eth0\n");
	dumped_text(&d, "ip-rule.txt", RULES4);
	dumped_read(&d);
	assert_int_equal(d.net.have, HAVE_ROUTES4 | HAVE_RULES4 | HAVE_ONLY_MAIN4);
	dumped_end(&d);

	/* One file per table: all that rules name are there. */
	dumped_begin(&d);
	dumped_text(&d, "ip-route-wan1.txt", "default via 198.51.100.1 dev eth1\n");
	dumped_text(&d, "ip-route-main.txt", "default via 192.0.2.1 dev eth0\n");
	dumped_text(&d, "ip-rule.txt", RULES4);
	dumped_read(&d);
	assert_no_notes(&d);
	assert_int_equal(d.net.have, HAVE_ROUTES4 | HAVE_RULES4);
	assert_int_equal(d.net.routes.items[0].table, d.net.rules.items[1].table);
	assert_string_equal(d.net.routes.items[0].table_name, "wan1");
	assert_int_equal(d.net.routes.items[1].table, TABLE_MAIN);
	dumped_end(&d);

	/* An empty table is one too. */
	dumped_begin(&d);
	dumped_text(&d, "ip_route_table_wan1.txt", "");
	dumped_text(&d, "ip_route_table_main.txt", "default via 192.0.2.1 dev eth0\n");
	dumped_text(&d, "ip-rule.txt", RULES4);
	dumped_read(&d);
	assert_int_equal(d.net.have, HAVE_ROUTES4 | HAVE_RULES4);
	dumped_end(&d);
}

static bool has_local(struct dumped *d, const char *text)
{
	for (size_t i = 0; i < d->net.routes.len; i++)
		if (strcmp(route_text(d, i), text) == 0)
			return true;
	return false;
}

static void test_local_table_from_addresses(void **state)
{
	struct dumped d;

	dumped_begin(&d);
	dumped_text(&d, "ip-route.txt", "default via 192.0.2.1 dev eth0\n");
	dumped_text(&d, "ip-6-route.txt", "default via fe80::1 dev eth0 metric 1024 pref medium\n");
	dumped_text(&d, "ip-addr.txt", ADDRS);
	dumped_read(&d);
	assert_no_notes(&d);
	assert_true(has_local(
		&d, "local 192.0.2.7 dev eth0 table local proto 2 scope host src 192.0.2.7"));
	assert_true(has_local(
		&d, "broadcast 192.0.2.255 dev eth0 table local proto 2 scope link src 192.0.2.7"));
	assert_true(has_local(
		&d, "local 127.0.0.0/8 dev lo table local proto 2 scope host src 127.0.0.1"));
	assert_true(has_local(&d, "local 2001:db8::7 dev eth0 table local proto 2"));
	assert_true(has_local(&d, "multicast ff00::/8 dev eth0 table local proto 2 metric 256"));
	assert_true(d.net.have & HAVE_ONLY_MAIN4 && d.net.have & HAVE_ONLY_MAIN6);
	dumped_end(&d);
}

/* What two files tell is there once. */
static void test_doublets(void **state)
{
	struct dumped d;

	dumped_begin(&d);
	dumped_file(&d, "route.txt");
	dumped_file(&d, "numeric-route.json");
	dumped_file(&d, "addr.json");
	dumped_file(&d, "addr-one-line.txt");
	dumped_file(&d, "link.json");
	dumped_file(&d, "rule.txt");
	dumped_file(&d, "rule.json");
	dumped_read(&d);
	assert_no_notes(&d);
	assert_int_equal(d.net.rules.len, 15);
	assert_int_equal(d.net.addrs.len, 14);
	assert_int_equal(d.net.links.len, 8);
	assert_int_equal(d.net.routes.len, 47);
	assert_int_equal(d.net.have & (HAVE_ONLY_MAIN4 | HAVE_ONLY_MAIN6), 0);
	dumped_end(&d);
}

static void test_meta(void **state)
{
	struct dumped d;

	read_text(&d, "meta.json",
		"{\"portreeve_snapshot\": 1, \"kernel\": \"Linux 6.18.4-amd64 x86_64\", "
		"\"known_empty\": [\"iptables-legacy\", "
		"\"ip6tables-legacy\"], \"missing\": [{\"what\": \"conntrack\", \"why\": "
		"\"not root\"}]}");
	assert_int_equal(d.net.have, HAVE_LEGACY4 | HAVE_LEGACY6);
	assert_string_equal(d.net.release, "6.18.4-amd64");
	assert_string_equal(
		dumped_notes(&d), "meta.json:0: not in the snapshot: not root: conntrack\n");
	dumped_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_ipset_save),
		cmocka_unit_test(test_ipset_list),
		cmocka_unit_test(test_guess_by_name),
		cmocka_unit_test(test_guess_by_content),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_only_main),
		cmocka_unit_test(test_local_table_from_addresses),
		cmocka_unit_test(test_doublets),
		cmocka_unit_test(test_meta),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
