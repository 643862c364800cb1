/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine in a namespace with two tap devices: frames are put into them, and what the kernel's
 * counters say of a rule is held against what the walk makes of it.
 */
#ifndef TEST_TAPPED_H
#define TEST_TAPPED_H

#include "../kernel/netns.h"
#include "walked.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "kernel/observe.h"

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

static inline struct packet packet_of(const struct sample *s)
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

static inline void put16(uint8_t *at, uint16_t n)
{
	at[0] = n >> 8;
	at[1] = n & 0xff;
}

static inline uint16_t sum16(const uint8_t *b, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(b[i] << 8 | b[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The frame of @p; the checksum of what is in the packet is not looked at. */
static inline size_t frame_of(const struct packet *p, const uint8_t mac[6], uint8_t *f)
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

static inline int tap(const char *name, uint8_t mac[6])
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

static inline void build(void)
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

static inline FILE *pipe_to(const char *command)
{
	FILE *f = popen(command, "w");

	assert_non_null(f);
	return f;
}

static inline void load_iptables(
	const char *restore, const char *chain, const char *const *rules, size_t n)
{
	FILE *f = pipe_to(restore);

	fprintf(f, "*mangle\n:%s ACCEPT [0:0]\n", chain);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "-A %s %s\n", chain, rules[i]);
	fputs("COMMIT\n", f);
	assert_int_equal(pclose(f), 0);
}

/* ---- comparing ---- */

struct counting {
	struct walk_oracle oracle;
	size_t asked;
	char why[200];
};

static inline size_t count_asked(struct walk_oracle *o, const struct walk_fork *f)
{
	struct counting *c = (struct counting *)o;

	c->asked++;
	snprintf(c->why, sizeof(c->why), "%s", f->why);
	return 0;
}

struct machine {
	struct arena *a;
	struct kernel *k;
	struct netstate net, after; /* before and after a packet */
	int fd, other;
	uint8_t mac[6];
	size_t compared, wrong;
};

static inline uint64_t count_of(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		if (s->kind == STMT_COUNTER)
			return s->packets;
	}
	return 0;
}

/* Of a packet that walks the rules from @first to @last alone: does it come to the end of the last? */
static inline bool walk_says(const struct machine *m, const struct walk_base *base, size_t first,
	size_t last, const struct packet *p, struct counting *c)
{
	struct nft_chain some = *base->chain;
	struct nft_rule end = {0};
	struct walker w = {.net = &m->net, .oracle = &c->oracle};
	struct walk_base b = {base->table, &some};
	struct walk_result out;

	*c = (struct counting){.oracle = {count_asked}};
	VEC_EACH (&base->chain->rules.items[last].stmts, struct nft_stmt, s)
		vec_push(m->a, &end.stmts, *s);
	nft_verdict(m->a, &end, VERDICT_DROP, NULL);
	memset(&some.rules, 0, sizeof(some.rules));
	for (size_t i = first; i < last; i++)
		vec_push(m->a, &some.rules, base->chain->rules.items[i]);
	vec_push(m->a, &some.rules, end);
	walk_base_chain(&w, &b, p, &out);
	assert_int_not_equal(out.verdict, WALK_UNKNOWN);
	return out.verdict == WALK_DROP;
}

static inline void observe(struct machine *m, struct netstate *net)
{
	struct kernel_error e = {0};

	memset(net, 0, sizeof(*net));
	ok(kernel_observe(m->k, m->a,
		   OBSERVE_NETWORK | OBSERVE_RULESET | OBSERVE_ELEMENTS | OBSERVE_SYSCTLS, net, &e),
		e);
}

/* Put the packet into the machine; the counters are then in `net` and `after`. */
static inline void inject(struct machine *m, const struct packet *p)
{
	uint8_t frame[200];
	size_t len = frame_of(p, m->mac, frame);

	observe(m, &m->net);
	sh("conntrack -F 2>/dev/null");
	assert_int_equal(write(m->fd, frame, len), (ssize_t)len);
	observe(m, &m->after);
}

/* One rule after the packet has passed. @whole: after those before it in its chain, else alone. */
static inline void compare_rule(struct machine *m, size_t table, size_t i, bool whole,
	const struct packet *p, const char *what, const char *text)
{
	const struct nft_table *was = m->net.ruleset.tables.items[table];
	const struct nft_table *is = m->after.ruleset.tables.items[table];
	struct walk_base base = {was, was->chains.items[0]};
	uint64_t counted = count_of(&is->chains.items[0]->rules.items[i]) -
			   count_of(&base.chain->rules.items[i]);
	struct counting c;
	bool says = walk_says(m, &base, whole ? 0 : i, i, p, &c);

	m->compared++;
	if (!c.asked && says == (counted > 0) && counted < 2)
		return;
	m->wrong++;
	print_error("%s, %s: kernel %s (%d), walk %s %s\n", what, text, counted ? "yes" : "no",
		(int)counted, says ? "yes" : "no", c.asked ? c.why : "");
}

/* False: there are no tap devices here. */
static inline bool machine_begin(struct machine *m, const char *setup)
{
	uint8_t mac[6];

	memset(m, 0, sizeof(*m));
	m->fd = tap("tap0", m->mac);
	if (m->fd < 0) {
		print_message("# SKIP: needs /dev/net/tun: %s\n", strerror(errno));
		return false;
	}
	m->other = tap("tap1", mac);
	build();
	if (setup)
		sh("%s", setup);
	m->a = arena_new();
	m->k = open_kernel();
	return true;
}

static inline void machine_end(struct machine *m)
{
	kernel_close(m->k);
	arena_free(m->a);
	close(m->other);
	close(m->fd);
	print_message("# %zu answers compared\n", m->compared);
	assert_int_equal(m->wrong, 0);
}

#endif
