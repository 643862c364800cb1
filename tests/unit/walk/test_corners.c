/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Corners of journeys: where the kernel decides by a boundary, an order or a single flag, a machine each. */
#include "dumped.h"

#include "walk/journey.h"

#define NAT                                                                                        \
	"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING " \
	"ACCEPT [0:0]\n"
#define MANGLE                                                                                     \
	"*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT "  \
	"ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
#define FILTER "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define END    "COMMIT\n"
#define FORWARD                                                                                    \
	"-A PREROUTING ! -i eth2 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.168.0.2\n"
#define FORWARDED NAT FORWARD END

#define LAN "192.168.0.0/24 dev eth2 proto kernel scope link src 192.168.0.1\n"
#define WANS                                                                                       \
	"1.1.1.0/24 dev eth0 proto kernel scope link src 1.1.1.1\n"                                \
	"2.2.2.0/24 dev eth1 proto kernel scope link src 2.2.2.2\n"

struct corner {
	const char *name;
	struct dumped d;
	const char *src, *dst, *in; /* NULL: 100.100.100.100, 1.1.1.1, found out */
	uint16_t port;		    /* 0: 80 */
	uint8_t proto;		    /* 0: TCP */
	bool asks;		    /* whether the backend answers through here is not said */
	enum journey_verdict verdict;
	const char *told; /* somewhere in the steps and reasons of the first way */
	size_t ways;	  /* 0: one */
};

static const struct corner corners[] = {
	/* The reverse path. */
	{"an interface without an address has no way back",
		{.iptables = FORWARDED,
			.addr = ONE_UPLINK_ADDR "3: eth1: <BROADCAST,UP,LOWER_UP> mtu 1500\n",
			.more_sysctl = "net.ipv4.conf.eth1.rp_filter = 2\n"},
		.in = "eth1", .verdict = JOURNEY_BROKEN,
		.told = "rp_filter 2 on eth1: no way back to 100.100.100.100"},
	{"the way back is looked up as from where the packet goes",
		{.iptables = FORWARDED,
			.more_rule = "100:\tfrom all iif eth2 lookup 102\n",
			.more_sysctl = "net.ipv4.conf.eth1.rp_filter = 1\n"},
		.dst = "2.2.2.2", .verdict = JOURNEY_WORKS, .told = "via 2.2.2.254 dev eth1"},
	{"and not as from this machine",
		{.iptables = FORWARDED,
			.more_rule = "100:\tfrom all iif lo lookup 102\n",
			.more_sysctl = "net.ipv4.conf.eth1.rp_filter = 1\n"},
		.dst = "2.2.2.2", .verdict = JOURNEY_BROKEN, .told = "rp_filter 1 on eth1"},
	{"where all is loose, strict for the interface is not",
		{.iptables = FORWARDED,
			.more_sysctl = "net.ipv4.conf.all.rp_filter = 2\n"
				       "net.ipv4.conf.eth1.rp_filter = 1\n"},
		.dst = "2.2.2.2", .verdict = JOURNEY_BROKEN, .told = "the reply leaves by eth0"},

	/* Rules and tables. */
	{"throw goes on with the next rule",
		{.iptables = FORWARDED,
			.more_rule = "100:\tfrom all lookup 50\n",
			.more_route = "throw default table 50\n"},
		.verdict = JOURNEY_WORKS, .told = "table main"},
	{"a refusal is not suppressed",
		{.iptables = FORWARDED,
			.more_rule = "100:\tfrom all lookup 50 suppress_prefixlength 0\n",
			.more_route = "unreachable default table 50\n"},
		.verdict = JOURNEY_BROKEN, .told = "unreachable (table 50"},
	{"a prefix of the length given is suppressed",
		{.iptables = FORWARDED,
			.more_rule = "100:\tfrom all lookup 50 suppress_prefixlength 24\n",
			.more_route = "192.168.0.0/24 dev eth1 table 50\n"},
		.verdict = JOURNEY_WORKS, .told = "dev eth2 (table main"},
	{"a longer one is not",
		{.iptables = FORWARDED,
			.more_rule = "100:\tfrom all lookup 50 suppress_prefixlength 23\n",
			.more_route = "192.168.0.0/24 dev eth2 table 50\n"},
		.verdict = JOURNEY_WORKS, .told = "dev eth2 (table 50"},
	{"goto leads to the very rule that is named",
		{.iptables = FORWARDED,
			.more_rule = "100:\tfrom all iif eth2 goto 300\n"
				     "200:\tfrom all iif eth2 prohibit\n"
				     "300:\tfrom all iif eth2 lookup 102\n"},
		.dst = "2.2.2.2", .verdict = JOURNEY_WORKS, .told = "table 102, rule 300"},

	/* Next hops. */
	{"of ways that fail, the one of most connections comes first",
		{.iptables = FORWARDED,
			.addr = TWO_UPLINKS_ADDR "5: eth3: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
						 "    inet 3.3.3.3/24 scope global eth3\n",
			.route = "default\n\tnexthop via 2.2.2.254 dev eth1 weight 1\n"
				 "\tnexthop via 1.1.1.254 dev eth0 weight 1\n"
				 "\tnexthop via 3.3.3.254 dev eth3 weight 2\n" WANS LAN,
			.more_sysctl = "net.ipv4.conf.eth3.rp_filter = 0\n"},
		.verdict = JOURNEY_BROKEN, .told = "the reply leaves by eth3", .ways = 3},
	{"another router of the same uplink is home, too",
		{.iptables = FORWARDED, .more_route = "100.100.0.0/16 via 1.1.1.253 dev eth0\n"},
		.verdict = JOURNEY_WORKS, .told = "by eth0 to 1.1.1.253"},
	{"a route of its own for the backend is no stray",
		{.iptables = FORWARDED,
			.addr = TWO_UPLINKS_ADDR "5: eth3: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
						 "    inet 10.3.3.3/24 scope global eth3\n",
			.more_rule = "100:\tfrom all lookup 50\n",
			.more_route = "192.168.0.2 dev eth3 table 50\n",
			.more_sysctl = "net.ipv4.conf.eth3.rp_filter = 0\n"
				       "net.ipv4.conf.eth3.forwarding = 1\n"
				       "net.ipv4.conf.eth3.accept_local = 0\n"
				       "net.ipv4.conf.eth3.route_localnet = 0\n"
				       "net.ipv4.conf.eth3.src_valid_mark = 0\n"},
		.verdict = JOURNEY_WORKS, .told = "by eth3: tcp"},

	/* Forwarding. */
	{"forwarding of the interface counts, not that of all",
		{.iptables = FORWARDED, .more_sysctl = "net.ipv4.conf.eth0.forwarding = 0\n"},
		.verdict = JOURNEY_BROKEN, .told = "net.ipv4.conf.eth0.forwarding is 0"},
	{"the last hop is used up at one",
		{.iptables = FORWARDED MANGLE "-A PREROUTING -i eth0 -j TTL --ttl-set 1\n" END},
		.verdict = JOURNEY_BROKEN, .told = "hop limit used up"},
	{"and not at two",
		{.iptables = FORWARDED MANGLE "-A PREROUTING -i eth0 -j TTL --ttl-set 2\n" END},
		.verdict = JOURNEY_WORKS},

	/* Connections. */
	{"a SYN takes the place of one that waits for its end",
		{.iptables = FORWARDED,
			.conntrack = "tcp 6 100 TIME_WAIT src=100.100.100.100 dst=1.1.1.1 "
				     "sport=50000 dport=80 src=192.168.0.7 dst=100.100.100.100 "
				     "sport=80 dport=50000 [ASSURED] mark=0 use=1\n"},
		.verdict = JOURNEY_WORKS, .told = "1.1.1.1:80 -> 192.168.0.2:80"},
	{"but not of one that goes on",
		{.iptables = FORWARDED,
			.conntrack = "tcp 6 100 ESTABLISHED src=100.100.100.100 dst=1.1.1.1 "
				     "sport=50000 dport=80 src=192.168.0.7 dst=100.100.100.100 "
				     "sport=80 dport=50000 [ASSURED] mark=0 use=1\n"},
		.verdict = JOURNEY_WORKS, .told = "1.1.1.1:80 -> 192.168.0.7:80"},
	{"an entry translates nothing where no chain does",
		{.iptables = FILTER END,
			.conntrack = "tcp 6 100 ESTABLISHED src=100.100.100.100 dst=1.1.1.1 "
				     "sport=50000 dport=80 src=192.168.0.7 dst=100.100.100.100 "
				     "sport=80 dport=50000 [ASSURED] mark=0 use=1\n"},
		.verdict = JOURNEY_UNKNOWN, .told = "own service at 1.1.1.1:80"},
	{"a datagram without an answer tells nothing of the backend",
		{.iptables = NAT "-A PREROUTING -i eth0 -p udp -m udp --dport 80 -j DNAT "
				 "--to-destination 192.168.0.2\n" END,
			.conntrack = "udp 17 20 src=5.5.5.5 dst=1.1.1.1 sport=5 dport=80 "
				     "[UNREPLIED] src=192.168.0.2 dst=5.5.5.5 sport=80 dport=5\n"},
		.proto = PROTO_UDP, .asks = true, .verdict = JOURNEY_UNKNOWN,
		.told = "through this machine is not known"},
	{"a SYN without one does",
		{.iptables = FORWARDED,
			.conntrack = "tcp 6 20 SYN_SENT src=5.5.5.5 dst=1.1.1.1 sport=5 dport=80 "
				     "[UNREPLIED] src=192.168.0.2 dst=5.5.5.5 sport=80 dport=5\n"},
		.asks = true, .verdict = JOURNEY_BROKEN, .told = "past this machine"},

	/* Translations. */
	{"one of a range of destinations is picked, even for one in the range",
		{.iptables = NAT "-A PREROUTING -d 192.168.0.3/32 -j DNAT --to-destination "
				 "192.168.0.2-192.168.0.5\n" END},
		.src = "1.1.1.9", .dst = "192.168.0.3", .verdict = JOURNEY_WORKS, .ways = 4},
	{"a source in the range stays",
		{.iptables = NAT "-A POSTROUTING -o eth0 -j SNAT --to-source 1.1.1.1-1.1.1.5\n"
				 "-A POSTROUTING -o eth2 -j SNAT --to-source "
				 "192.168.0.1-192.168.0.9\n" END},
		.src = "192.168.0.5", .dst = "192.168.0.2", .verdict = JOURNEY_WORKS,
		.told = "source stays 192.168.0.5"},
	{"ports are shifted round the end of the range",
		{.iptables = NAT "-A PREROUTING -i eth0 -p tcp -m tcp --dport 80:100 -j DNAT "
				 "--to-destination 192.168.0.2:8000-8010/80\n" END},
		.port = 91, .verdict = JOURNEY_WORKS, .told = "-> 192.168.0.2:8000"},
	{"up to its last port",
		{.iptables = NAT "-A PREROUTING -i eth0 -p tcp -m tcp --dport 80:100 -j DNAT "
				 "--to-destination 192.168.0.2:8000-8010/80\n" END},
		.port = 90, .verdict = JOURNEY_WORKS, .told = "-> 192.168.0.2:8010"},
	{"masquerading takes no secondary address, though it is the router's neighbour",
		{.iptables = NAT "-A POSTROUTING -o eth0 -j MASQUERADE\n" END,
			.addr = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n"
				"    inet 127.0.0.1/8 scope host lo\n"
				"2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
				"    inet 7.7.7.7/32 scope global eth0\n"
				"    inet 1.1.1.1/24 scope global secondary eth0\n"
				"4: eth2: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
				"    inet 192.168.0.1/24 scope global eth2\n"},
		.src = "192.168.0.9", .dst = "8.8.8.8", .verdict = JOURNEY_WORKS,
		.told = "-> 7.7.7.7:50000"},

	/* Matches and targets as they are written. */
	{"bits that a mark sets count, whatever the mask",
		{.iptables = FORWARDED MANGLE
			"-A PREROUTING -i eth0 -j MARK --set-mark 0x2\n"
			"-A PREROUTING -i eth0 -j MARK --set-mark 0x3/0x1\n" END},
		.verdict = JOURNEY_WORKS, .told = "mark 0x2 -> 0x3"},
	{"a limit on connections is not reached by the first",
		{.iptables = FORWARDED FILTER
			"-A FORWARD -p tcp -m connlimit --connlimit-above 10 --connlimit-mask 32 "
			"--connlimit-saddr -j DROP\n" END},
		.verdict = JOURNEY_WORKS},
	{"and what is up to it is met",
		{.iptables = FORWARDED FILTER
			"-A FORWARD -p tcp -m connlimit --connlimit-upto 10 --connlimit-mask 32 "
			"--connlimit-saddr -j DROP\n" END},
		.verdict = JOURNEY_BROKEN, .told = "--connlimit-upto 10"},
	{"another hop limit",
		{.iptables = FORWARDED MANGLE
			"-A PREROUTING -i eth0 -j TTL --ttl-set 5\n" END FILTER
			"-A FORWARD -i eth0 -m ttl ! --ttl-eq 4 -j DROP\n" END},
		.verdict = JOURNEY_WORKS},
	{"another source port",
		{.iptables = NAT "-A PREROUTING -i eth0 -p udp -m udp --dport 80 -j DNAT "
				 "--to-destination 192.168.0.2\n" END FILTER
				 "-A FORWARD -i eth0 -p udp -m udp ! --sport 53 -j DROP\n" END},
		.proto = PROTO_UDP, .verdict = JOURNEY_BROKEN, .told = "th sport != 53"},
	{"a class of service leads by a table",
		{.iptables = FORWARDED MANGLE "-A PREROUTING -i eth2 -j DSCP --set-dscp 0x08\n" END,
			.more_rule = "100:\tfrom all dscp 8 lookup 102\n"},
		.dst = "2.2.2.2", .verdict = JOURNEY_WORKS, .told = "table 102"},
	{"a router of the other family",
		{.iptables = FORWARDED, .route = "default via inet6 fe80::fe dev eth0\n" WANS LAN},
		.verdict = JOURNEY_WORKS, .told = "by eth0 to fe80::fe"},
	{"a port alone is translated in IPv4",
		{.nft = "table inet t {\n"
			"	chain nat {\n"
			"		type nat hook prerouting priority dstnat; policy accept;\n"
			"		iifname \"eth0\" tcp dport 80 dnat to :8080\n"
			"	}\n"
			"}\n"},
		.verdict = JOURNEY_UNKNOWN, .told = "1.1.1.1:80 -> 1.1.1.1:8080"},

	/* What rules ask the routing tables for. */
	{"fib with the mark",
		{.nft = "table inet t {\n"
			"	chain nat {\n"
			"		type nat hook prerouting priority dstnat; policy accept;\n"
			"		iifname \"eth1\" tcp dport 80 dnat ip to 192.168.0.2\n"
			"	}\n"
			"	chain early {\n"
			"		type filter hook prerouting priority mangle; policy "
			"accept;\n"
			"		iifname \"eth1\" meta mark set 0x2 ct mark set 0x2\n"
			"		ct direction reply meta mark set ct mark\n"
			"		iifname \"eth1\" fib saddr . mark oifname != \"eth1\" "
			"drop\n"
			"	}\n"
			"}\n",
			.more_rule = "90:\tfrom all lookup main suppress_prefixlength 0\n"
				     "100:\tfrom all fwmark 0x2 lookup 102\n"},
		.dst = "2.2.2.2", .verdict = JOURNEY_WORKS, .told = "table 102"},
	{"fib without it",
		{.nft = "table inet t {\n"
			"	chain early {\n"
			"		type filter hook prerouting priority mangle; policy "
			"accept;\n"
			"		iifname \"eth1\" meta mark set 0x2\n"
			"		iifname \"eth1\" fib saddr oifname != \"eth1\" drop\n"
			"	}\n"
			"}\n",
			.more_rule = "100:\tfrom all fwmark 0x2 lookup 102\n"},
		.dst = "2.2.2.2", .verdict = JOURNEY_BROKEN, .told = "the request is dropped"},

	/* IPv6. */
	{"for a neighbour on the link the address of the link is source",
		{.iptables = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n",
			.addr = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n"
				"    inet6 ::1/128 scope host\n"
				"2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500\n"
				"    inet6 2001:db8:1::1/64 scope global\n"
				"    inet6 fe80::1/64 scope link\n",
			.rule = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n"
				"32767:\tfrom all lookup default\n"
				"0:\tfrom all lookup local\n32766:\tfrom all lookup main\n",
			.route = "1.1.1.0/24 dev eth0\n"
				 "2001:db8:1::/64 dev eth0 proto kernel metric 256\n"
				 "fe80::/64 dev eth0 proto kernel metric 256\n"},
		.src = "", .dst = "fe80::9", .verdict = JOURNEY_WORKS,
		.told = "[fe80::1]:50000 > [fe80::9]:80"},
};

static struct journey_question question(const struct corner *c)
{
	struct journey_question q = {.proto = c->proto ? c->proto : PROTO_TCP,
		.sport = 50000,
		.dport = c->port ? c->port : 80,
		.in = c->in,
		.returns = c->asks ? RETURN_ASK : RETURN_THROUGH_US};

	q.from_here = c->src && !*c->src;
	if (!q.from_here)
		assert_int_equal(ip_parse(c->src ? c->src : "100.100.100.100", &q.src), 0);
	assert_int_equal(ip_parse(c->dst ? c->dst : "1.1.1.1", &q.dst), 0);
	return q;
}

/* All that the first way says. */
static void tell(struct strbuf *out, const struct journey_way *w)
{
	for (size_t i = 0; i < LEG_COUNT_; i++) {
		VEC_EACH (&w->legs[i].steps, struct journey_step, s)
			strbuf_addf(out, "%s\n", s->text);
	}
	strbuf_addf(out, "%s\n", w->why);
}

static void check(const struct corner *c)
{
	struct journey_question q = question(c);
	struct strbuf text = STRBUF_INIT;
	struct dumped d = c->d;
	struct machine m;
	struct journey j;

	d.addr = d.addr ? d.addr : TWO_UPLINKS_ADDR;
	d.route = d.route ? d.route : TWO_UPLINKS_ROUTE;
	machine_read(&m, &d);
	journey_walk(m.a, &m.net, &q, &j);
	tell(&text, &j.ways.items[0]);
	if (j.verdict != c->verdict || (c->told && !strstr(strbuf_str(&text), c->told)) ||
		j.ways.len != (c->ways ? c->ways : 1))
		fail_msg("%s: verdict %d, %zu ways, told:\n%s", c->name, j.verdict, j.ways.len,
			strbuf_str(&text));
	strbuf_fini(&text);
	machine_end(&m);
}

static void test_corners(void **state)
{
	for (size_t i = 0; i < sizeof(corners) / sizeof(*corners); i++)
		check(&corners[i]);
}

static void listen_on_all(struct machine *m, struct net_listener l)
{
	m->net.have |= HAVE_LISTENERS;
	l.proto = PROTO_TCP;
	l.port = 80;
	vec_push(m->a, &m->net.listeners, l);
}

/* Own packets prefer the next hop that their source is of, from Linux 6.16 on. */
static void test_version_of_the_kernel(void **state)
{
	static const struct dumped d = {.iptables = FILTER END,
		.addr = TWO_UPLINKS_ADDR,
		.route = "default\n\tnexthop via 1.1.1.254 dev eth0 weight 1\n"
			 "\tnexthop via 2.2.2.254 dev eth1 weight 1\n" WANS LAN};
	static const struct {
		const char *release;
		enum journey_verdict verdict;
	} rows[] = {{"6.15.9", JOURNEY_BROKEN}, {"6.16.0-1-amd64", JOURNEY_WORKS},
		{"6.17", JOURNEY_WORKS}, {"7.0", JOURNEY_WORKS}, {"5.16.2", JOURNEY_BROKEN}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct journey_question q = question(&(struct corner){.dst = "2.2.2.2"});
		struct machine m;
		struct journey j;

		machine_read(&m, &d);
		m.net.release = rows[i].release;
		listen_on_all(&m, (struct net_listener){.addr = {.family = IP_V4}});
		journey_walk(m.a, &m.net, &q, &j);
		assert_int_equal(j.verdict, rows[i].verdict);
		machine_end(&m);
	}
}

/* A socket of IPv6 takes IPv4, too, unless it was told not to. */
static void test_sockets_of_both_families(void **state)
{
	static const struct dumped d = {
		.iptables = FILTER END, .addr = TWO_UPLINKS_ADDR, .route = TWO_UPLINKS_ROUTE};

	for (int v6_only = 0; v6_only < 2; v6_only++) {
		struct journey_question q = question(&(struct corner){0});
		struct machine m;
		struct journey j;

		machine_read(&m, &d);
		listen_on_all(
			&m, (struct net_listener){.addr = {.family = IP_V6}, .v6_only = v6_only});
		journey_walk(m.a, &m.net, &q, &j);
		assert_int_equal(j.verdict, v6_only ? JOURNEY_BROKEN : JOURNEY_WORKS);
		machine_end(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corners),
		cmocka_unit_test(test_version_of_the_kernel),
		cmocka_unit_test(test_sockets_of_both_families),
	};

	return cmocka_run_group_tests_name("walk/corners", tests, NULL, NULL);
}
