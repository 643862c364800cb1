/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel decides, the walk must agree: rules of iptables-nft and nft are loaded, frames are put
 * into a tap device, and each rule's counter is compared with what the walk makes of the same rule
 * and packet, all of it read back from the kernel.
 */
#include "../kernel/netns.h"
#include "walked.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "kernel/observe.h"

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
	"iifname tap0",
	"iif tap0",
	"iifgroup 5",
	"meta iifgroup != 5",
	"meta l4proto tcp",
	"meta nfproto ipv6",
	"meta protocol ip",
	"meta length 60",
	"meta length 50-70",
	"meta length { 40-59, 61-2000 }",
	"meta pkttype host",
	"meta skuid 0",
	"meta skuid != 0",
	"meta mark 0",
	"ether saddr 02:00:00:00:00:99",
	"ether type ip6",
	"ip saddr 198.51.100.0/24",
	"ip ttl < 64",
	"ip ttl { 1-10, 60-64 }",
	"ip dscp 4",
	"ip dscp != 4",
	"ip length 60",
	"ip frag-off & 0x1fff == 0",
	"ip6 hoplimit 64",
	"ip6 dscp 4",
	"ip6 nexthdr tcp",
	"tcp flags syn",
	"tcp flags & (syn | ack) == syn",
	"tcp flags != ack",
	"tcp option maxseg size 1400-1500",
	"tcp option maxseg size < 1000",
	"tcp dport { 80, 443 }",
	"tcp sport != 1-1024",
	"meta l4proto { tcp, udp } th dport 53",
	"icmp type echo-request",
	"icmp type destination-unreachable icmp code 4",
	"icmpv6 type echo-request",
	"ip daddr . tcp dport { 10.0.0.1 . 80, 10.0.0.2 . 443 }",
	"ip daddr . tcp dport { 10.0.0.0/24 . 1-100 }",
	"ct state new",
	"ct state { established, related }",
	"ct state invalid",
	"ct direction original",
	"ct status dnat",
	"ct status & (seen-reply | assured) == 0",
	"ct mark 0",
	"ct l3proto ipv4",
	"ct protocol tcp",
	"ct original ip saddr 198.51.100.7",
	"ct original ip6 saddr 2001:db8::7",
	"meta l4proto tcp ct original proto-dst 80",
	"meta l4proto tcp ct reply proto-src 80",
	"ct reply ip saddr 10.0.0.1",
	"ct reply ip saddr != 10.0.0.1",
	"ct zone 0",
	"fib daddr type local",
	"fib daddr type != local",
	"fib daddr . iif type local",
	"fib daddr . iif type unicast",
	"fib daddr type broadcast",
	"fib daddr type multicast",
	"fib daddr type unicast",
	"fib daddr type { unreachable, blackhole, prohibit }",
	"fib saddr type local",
	"fib saddr . iif type local",
	"fib saddr oif exists",
	"fib saddr oif missing",
	"fib saddr . iif oif exists",
	"fib saddr . iif oif missing",
	"fib saddr . mark . iif oif exists",
	"fib saddr . mark oif exists",
	"fib daddr oif exists",
	"fib daddr oifname tap1",
	"fib saddr oifname tap0",
	"fib saddr . iif oifname tap0",
	"limit rate 1000/second",
	"limit rate over 1000/second",
	"meta mark set 0x10 meta mark 0x10 meta mark set 0",
	"meta mark set ct mark meta mark 0",
	"meta mark set ip ttl map { 64 : 0 }",
	"ip ttl vmap { 64 : continue }",
	"numgen inc mod 1 == 0",
	"add @seen { ip saddr }",
	"update @seen6 { ip6 saddr }",
	"ip saddr @fixed",
	"ip saddr != @fixed",
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

/* ---- packets ---- */

/* How each differs from a TCP SYN from 198.51.100.7:40000 (2001:db8::7) to 10.0.0.1:80 (fd00:1::1). */
struct sample {
	const char *what, *src, *dst;
	bool v6;
	uint8_t proto, tos, ttl, flags, icmp_type, icmp_code;
	uint16_t sport, dport, mss;
};

static const struct sample samples[] = {
	{.what = "SYN"},
	{.what = "SYN of another", .src = "203.0.113.9", .dst = "10.0.0.2", .dport = 443},
	{.what = "SYN with TOS", .tos = 0x10, .ttl = 9, .mss = 1400},
	{.what = "SYN without MSS", .mss = 1},
	{.what = "SYN to the other interface's address", .dst = "192.168.7.1"},
	{.what = "SYN to a host behind", .dst = "192.168.7.9"},
	{.what = "SYN from behind", .src = "192.168.7.9"},
	{.what = "SYN to nowhere", .dst = "172.31.0.1"},
	{.what = "SYN to a black hole", .dst = "172.30.0.1"},
	{.what = "SYN from the lan that it comes in on", .src = "10.0.0.77"},
	{.what = "SYN from two ways at once", .src = "100.64.0.1"},
	{.what = "stray ACK", .flags = 0x10, .sport = 41000},
	{.what = "stray FIN SYN", .flags = 0x03, .sport = 42000},
	{.what = "datagram", .proto = PROTO_UDP, .sport = 1500, .dport = 53},
	{.what = "datagram to all", .proto = PROTO_UDP, .dst = "10.0.0.255", .dport = 5353},
	{.what = "datagram to many", .proto = PROTO_UDP, .dst = "224.0.0.251", .dport = 5353},
	{.what = "ping", .proto = PROTO_ICMP, .icmp_type = 8},
	{.what = "v6 SYN", .v6 = true},
	{.what = "v6 SYN to a host behind", .v6 = true, .dst = "fd00:7::9", .tos = 0x10, .ttl = 9},
	{.what = "v6 SYN to the other's address", .v6 = true, .dst = "fd00:7::1"},
	{.what = "v6 SYN from behind", .v6 = true, .src = "fd00:7::9"},
	{.what = "v6 SYN from the lan", .v6 = true, .src = "fd00:1::77"},
	{.what = "v6 SYN to nowhere", .v6 = true, .dst = "fd00:dead::1"},
	{.what = "v6 datagram to many", .v6 = true, .proto = PROTO_UDP, .dst = "ff02::fb"},
	{.what = "v6 ping", .v6 = true, .proto = PROTO_ICMPV6, .icmp_type = 128},
};

static struct packet packet_of(const struct sample *s)
{
	struct packet p = {.family = s->v6 ? IP_V6 : IP_V4,
		.known = ~(uint32_t)(PKT_UID | PKT_GID),
		.proto = s->proto ? s->proto : PROTO_TCP,
		.sport = s->sport ? s->sport : 40000,
		.dport = s->dport ? s->dport : 80,
		.tos = s->tos,
		.ttl = s->ttl ? s->ttl : 64,
		.icmp_type = s->icmp_type,
		.icmp_code = s->icmp_code,
		.iif = "tap0",
		.smac = {2, 0, 0, 0, 0, 0x99},
		.ct_state = CT_NEW,
		.mark_known = UINT32_MAX,
		.ct_mark_known = UINT32_MAX,
		.ct_status_known = UINT32_MAX};
	unsigned int header = s->v6 ? 40 : 20;

	p.saddr = addr(s->src ? s->src : s->v6 ? "2001:db8::7" : "198.51.100.7");
	p.daddr = addr(s->dst ? s->dst : s->v6 ? "fd00:1::1" : "10.0.0.1");
	if (p.proto == PROTO_TCP) {
		p.tcp_flags = s->flags ? s->flags : 0x02;
		p.mss = p.tcp_flags != 0x02 || s->mss == 1 ? 0 : s->mss ? s->mss : 1460;
		header += p.mss ? 24 : 20;
		if (p.tcp_flags == 0x03) /* no such segment */
			p.ct_state = CT_INVALID;
	} else {
		header += 8;
	}
	p.length = header;
	if (ip_is_multicast(&p.daddr))
		p.type = 2;
	else if (s->dst && strcmp(s->dst, "10.0.0.255") == 0)
		p.type = 1;
	if (p.proto == PROTO_ICMP || p.proto == PROTO_ICMPV6)
		p.sport = p.dport = 0;
	p.ct_original = (struct packet_tuple){p.saddr, p.daddr, p.sport, p.dport};
	p.ct_answer = (struct packet_tuple){p.daddr, p.saddr, p.dport, p.sport};
	return p;
}

static void put16(uint8_t *at, uint16_t n)
{
	at[0] = n >> 8;
	at[1] = n & 0xff;
}

static uint16_t sum16(const uint8_t *b, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(b[i] << 8 | b[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The frame of @p; the checksum of what is in the packet is not looked at. */
static size_t frame_of(const struct packet *p, const uint8_t mac[6], uint8_t *f)
{
	static const uint8_t many[6] = {1, 0, 0x5e, 0, 0, 0xfb},
			     all[6] = {255, 255, 255, 255, 255, 255};
	static const uint8_t many6[6] = {0x33, 0x33, 0, 0, 0, 0xfb};
	uint8_t *ip = f + 14, *l4 = ip + (p->family == IP_V6 ? 40 : 20);

	memset(f, 0, 14 + p->length);
	memcpy(f, p->type == 1 ? all : p->type == 2 ? (p->family == IP_V6 ? many6 : many) : mac, 6);
	memcpy(f + 6, p->smac, 6);
	if (p->family == IP_V6) {
		put16(f + 12, 0x86dd);
		ip[0] = 0x60 | p->tos >> 4;
		ip[1] = (uint8_t)(p->tos << 4);
		put16(ip + 4, p->length - 40);
		ip[6] = p->proto;
		ip[7] = p->ttl;
		memcpy(ip + 8, p->saddr.bytes, 16);
		memcpy(ip + 24, p->daddr.bytes, 16);
	} else {
		put16(f + 12, 0x0800);
		ip[0] = 0x45;
		ip[1] = p->tos;
		put16(ip + 2, p->length);
		ip[8] = p->ttl;
		ip[9] = p->proto;
		memcpy(ip + 12, p->saddr.bytes, 4);
		memcpy(ip + 16, p->daddr.bytes, 4);
		put16(ip + 10, sum16(ip, 20));
	}
	if (p->proto == PROTO_ICMP || p->proto == PROTO_ICMPV6) {
		l4[0] = p->icmp_type;
		l4[1] = p->icmp_code;
		return 14 + p->length;
	}
	put16(l4, p->sport);
	put16(l4 + 2, p->dport);
	if (p->proto == PROTO_UDP) {
		put16(l4 + 4, 8);
		return 14 + p->length;
	}
	l4[12] = p->mss ? 0x60 : 0x50;
	l4[13] = p->tcp_flags;
	put16(l4 + 14, 1024);
	if (p->mss) {
		l4[20] = 2;
		l4[21] = 4;
		put16(l4 + 22, p->mss);
	}
	return 14 + p->length;
}

/* ---- the machine ---- */

static int tap(const char *name, uint8_t mac[6])
{
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &r), 0);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &r), 0);
	memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	sh("sysctl -qw net.ipv4.conf.%s.rp_filter=0 net.ipv6.conf.%s.accept_dad=0", name, name);
	return fd;
}

static void build(void)
{
	sh("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.ip_forward=1 "
	   "net.ipv6.conf.all.forwarding=1");
	sh("ip link set lo up; ip link set tap0 up group 5; ip link set tap1 up");
	sh("ip addr add 10.0.0.1/24 dev tap0; ip addr add 192.168.7.1/24 dev tap1");
	sh("ip addr add fd00:1::1/64 dev tap0 nodad; ip addr add fd00:7::1/64 dev tap1 nodad");
	sh("ip route add 198.51.100.0/24 via 10.0.0.254; ip route add 203.0.113.0/24 via "
	   "192.168.7.254");
	sh("ip route add blackhole 172.30.0.0/16; ip route add 100.64.0.0/10 "
	   "nexthop via 10.0.0.254 nexthop via 192.168.7.254");
	sh("ip -6 route add 2001:db8::/32 via fd00:1::fe");
}

static FILE *pipe_to(const char *command)
{
	FILE *f = popen(command, "w");

	assert_non_null(f);
	return f;
}

static void load_iptables(const char *restore, const char *const *rules, size_t n)
{
	FILE *f = pipe_to(restore);

	fputs("*mangle\n:PREROUTING ACCEPT [0:0]\n", f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "-A PREROUTING %s\n", rules[i]);
	fputs("COMMIT\n", f);
	assert_int_equal(pclose(f), 0);
}

static void load_nft(void)
{
	FILE *f = pipe_to("nft -f -");

	fputs("table inet t {\n"
	      " set seen { type ipv4_addr; flags dynamic; size 99; timeout 1h; }\n"
	      " set seen6 { type ipv6_addr; flags dynamic; size 99; timeout 1h; }\n"
	      " set fixed { type ipv4_addr; flags interval; elements = { 198.51.100.0/25 } }\n"
	      " chain c { type filter hook prerouting priority -149;\n",
		f);
	for (size_t i = 0; i < sizeof(rules_nft) / sizeof(*rules_nft); i++)
		fprintf(f, "  %s counter comment \"%zu\"\n", rules_nft[i], i);
	fputs(" }\n}\n", f);
	assert_int_equal(pclose(f), 0);
}

/* ---- comparing ---- */

static size_t count_asked(struct walk_oracle *o, const struct walk_fork *f);

struct counting {
	struct walk_oracle oracle;
	size_t asked;
	char why[200];
};

static size_t count_asked(struct walk_oracle *o, const struct walk_fork *f)
{
	struct counting *c = (struct counting *)o;

	c->asked++;
	snprintf(c->why, sizeof(c->why), "%s", f->why);
	return 0;
}

struct machine {
	struct arena *a;
	struct kernel *k;
	struct netstate net;
	int fd;
	uint8_t mac[6];
	size_t compared, wrong;
};

static uint64_t count_of(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		if (s->kind == STMT_COUNTER)
			return s->packets;
	}
	return 0;
}

/* Does the packet come to the end of the rule? */
static bool walk_says(const struct machine *m, const struct walk_base *base,
	const struct nft_rule *r, const struct packet *p, struct counting *c)
{
	struct nft_chain one = *base->chain;
	struct nft_rule rule = {0};
	struct walker w = {.net = &m->net, .oracle = &c->oracle};
	struct walk_base b = {base->table, &one};
	struct walk_result out;

	*c = (struct counting){.oracle = {count_asked}};
	for (size_t i = 0; i < r->stmts.len; i++)
		vec_push(m->a, &rule.stmts, r->stmts.items[i]);
	nft_verdict(m->a, &rule, VERDICT_DROP, NULL);
	one.rules.items = &rule;
	one.rules.len = one.rules.cap = 1;
	walk_base_chain(&w, &b, p, &out);
	assert_int_not_equal(out.verdict, WALK_UNKNOWN);
	return out.verdict == WALK_DROP;
}

static void observe(struct machine *m, struct netstate *net)
{
	struct kernel_error e = {0};

	memset(net, 0, sizeof(*net));
	ok(kernel_observe(m->k, m->a,
		   OBSERVE_NETWORK | OBSERVE_RULESET | OBSERVE_ELEMENTS | OBSERVE_SYSCTLS, net, &e),
		e);
}

static void compare(struct machine *m, const struct sample *s)
{
	struct packet p = packet_of(s);
	struct netstate after;
	uint8_t frame[200];
	size_t len = frame_of(&p, m->mac, frame);

	observe(m, &m->net); /* dynamic sets have changed */
	sh("conntrack -F 2>/dev/null");
	assert_int_equal(write(m->fd, frame, len), (ssize_t)len);
	observe(m, &after);
	for (size_t t = 0; t < after.ruleset.tables.len; t++) {
		struct nft_table *was = m->net.ruleset.tables.items[t];
		struct nft_table *is = after.ruleset.tables.items[t];
		struct walk_base base = {was, was->chains.items[0]};

		if (was->family == (s->v6 ? FAMILY_IP : FAMILY_IP6))
			continue;
		for (size_t i = 0; i < base.chain->rules.len; i++) {
			const struct nft_rule *r = &base.chain->rules.items[i];
			uint64_t counted =
				count_of(&is->chains.items[0]->rules.items[i]) - count_of(r);
			struct counting c;
			bool says = walk_says(m, &base, r, &p, &c);
			const char *text = was->family == FAMILY_INET ? rules_nft[i]
					   : s->v6		      ? rules6[i]
								      : rules4[i];

			m->compared++;
			if (!c.asked && says == (counted > 0) && counted < 2)
				continue;
			m->wrong++;
			print_error("%s, %s: kernel %s (%d), walk %s %s\n", s->what, text,
				counted ? "yes" : "no", (int)counted, says ? "yes" : "no",
				c.asked ? c.why : "");
		}
	}
}

static void run(const char *rules, const char *setup)
{
	struct machine m = {.a = NULL};
	uint8_t other[6];
	int fd;

	(void)rules;
	m.fd = tap("tap0", m.mac);
	if (m.fd < 0) {
		print_message("# SKIP: needs /dev/net/tun: %s\n", strerror(errno));
		skip();
	}
	fd = tap("tap1", other);
	build();
	if (setup)
		sh("%s", setup);
	load_iptables("iptables-nft-restore", rules4, sizeof(rules4) / sizeof(*rules4));
	load_iptables("ip6tables-nft-restore", rules6, sizeof(rules6) / sizeof(*rules6));
	load_nft();
	sh("sysctl -qw net.netfilter.nf_conntrack_checksum=0");
	m.a = arena_new();
	m.k = open_kernel();
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
		compare(&m, &samples[i]);
	kernel_close(m.k);
	arena_free(m.a);
	close(fd);
	close(m.fd);
	print_message("# %zu answers compared\n", m.compared);
	assert_int_equal(m.wrong, 0);
	assert_true(m.compared > 2000);
}

static void test_plain(void **state)
{
	NEEDS_NAMESPACE();
	run("plain", NULL);
}

/* With rules of policy routing, the tables "local" and "main" are two. */
static void test_policy_routing(void **state)
{
	NEEDS_NAMESPACE();
	run("policy", "ip rule add pref 100 fwmark 5 lookup 77; ip rule add pref 200 to "
		      "198.51.100.0/24 lookup 78; "
		      "ip route add default via 192.168.7.254 table 78; ip rule add pref 300 iif "
		      "tap1 lookup 79; "
		      "ip route add unreachable default table 79; ip -6 rule add pref 100 from "
		      "fd00:1::1 lookup 80; "
		      "ip -6 route add default via fd00:7::fe table 80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_policy_routing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
