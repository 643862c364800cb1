/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gateway of its own for the fast path's programs: a namespace with two uplinks, a network inside and
 * address translation. Frames are put on its wires, for the kernel's own path, and run through the
 * programs with BPF_PROG_TEST_RUN; what comes out of either can be compared.
 */
#ifndef TEST_BPF_SETTING_H
#define TEST_BPF_SETTING_H

#include "../kernel/netns.h"

#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "frames.h"
#include "fastpath_programs.skel.h"

#define OURS_BIT    0x80000000u
#define NUMBER_MASK 0x7f000000u
#define NUMBER_UNIT 0x01000000u
#define MARK(n)	    (OURS_BIT | (n)*NUMBER_UNIT)

#define TC_REDIRECT 7u
#define TC_PASS	    UINT32_MAX /* TC_ACT_UNSPEC */

/* include/uapi/linux/bpf.h, since 6.16: the device summed up all of the packet. */
#define TEST_CHECKSUM_COMPLETE (1u << 2)

enum where { UP0, UP1, LAN0, INTERFACES };
enum mode { XDP, TC, MODES };

static const char *const interface_names[INTERFACES] = {"up0", "up1", "lan0"};
static const char *const interface_macs[INTERFACES] = {
	"02:00:00:00:01:01", "02:00:00:00:01:02", "02:00:00:00:01:03"};
#define ROUTER0_MAC "02:00:00:00:02:01"
#define ROUTER1_MAC "02:00:00:00:02:02"
#define BACKEND_MAC "02:00:00:00:02:03"

struct setting {
	struct fastpath_programs *programs[INTERFACES]; /* over the maps of the first */
	uint32_t index[INTERFACES];
	int wire[INTERFACES]; /* sockets at their other ends */
	unsigned int cpus;
	uint32_t second; /* in jiffies, of the programs; shorter than a real one */
	bool neighbours_age;
};

struct outcome {
	uint32_t verdict;
	enum fp_reason reason; /* that was counted; FP_OK: none was */
	struct frame frame;
};

static inline uint32_t jiffies_per_second(void)
{
	struct timespec tick;

	assert_int_equal(clock_getres(CLOCK_MONOTONIC_COARSE, &tick), 0);
	return (uint32_t)(1000000000 / tick.tv_nsec);
}

static inline void make_network(void)
{
	sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
	   "net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 && ip link set lo "
	   "up");
	for (int i = 0; i < INTERFACES; i++)
		sh("ip link add %s address %s type veth peer name %s-end && "
		   "ip link set %s up && ip link set %s-end up",
			interface_names[i], interface_macs[i], interface_names[i],
			interface_names[i], interface_names[i]);
	sh("ip addr add 1.1.1.1/24 dev up0 && ip addr add 2.2.2.2/24 dev up1 && "
	   "ip addr add 192.168.0.1/24 dev lan0 && "
	   "ip addr add 2001:db8:1::1/64 dev up0 nodad && ip addr add 2001:db8:2::2/64 dev up1 "
	   "nodad && "
	   "ip addr add 2001:db8:ff::1/64 dev lan0 nodad");
	for (int n = 1; n <= 2; n++)
		sh("ip rule add pref %d fwmark 0x%x/0x%x lookup %d && "
		   "ip -6 rule add pref %d fwmark 0x%x/0x%x lookup %d",
			500 + n, n * NUMBER_UNIT, NUMBER_MASK, 70000 + n, 500 + n, n * NUMBER_UNIT,
			NUMBER_MASK, 70000 + n);
}

/* All of the network that a test may change, as it is to be. */
static inline void restore_network(void)
{
	sh("sysctl -qw net.ipv6.conf.all.forwarding=1; ip rule del pref 400 2>/dev/null; "
	   "ip addr del 192.168.0.2/32 dev lo 2>/dev/null; ip route flush 192.168.0.2/32; "
	   "ip route flush type unreachable; nft delete table ip zones 2>/dev/null; "
	   "for i in up0 up1 lan0; do ip link set $i mtu 1500; done");
	sh("ip neigh replace 1.1.1.254 lladdr " ROUTER0_MAC " dev up0 && "
	   "ip neigh replace 2.2.2.254 lladdr " ROUTER1_MAC " dev up1 && "
	   "ip neigh replace 192.168.0.2 lladdr " BACKEND_MAC " dev lan0 && "
	   "ip neigh replace 2001:db8:1::fe lladdr " ROUTER0_MAC " dev up0 && "
	   "ip neigh replace 2001:db8:2::fe lladdr " ROUTER1_MAC " dev up1 && "
	   "ip neigh replace 2001:db8:ff::2 lladdr " BACKEND_MAC " dev lan0");
	/* What is not steered goes by the second line. */
	sh("ip route replace default via 2.2.2.254 && ip -6 route replace default via "
	   "2001:db8:2::fe && "
	   "ip route replace default via 1.1.1.254 table 70001 && "
	   "ip -6 route replace default via 2001:db8:1::fe table 70001 && "
	   "ip route replace default via 2.2.2.254 table 70002 && "
	   "ip -6 route replace default via 2001:db8:2::fe table 70002");
}

static inline struct fastpath_programs *load_for(
	struct setting *s, enum where at, uint32_t buckets, bool by_mark)
{
	struct fastpath_programs *p = fastpath_programs__open(), *first = s->programs[0];

	if (!p)
		fail_msg("the programs cannot be opened: %s", strerror(errno));
	p->rodata->own_index = s->index[at];
	frame_mac((uint8_t *)p->rodata->own_mac, interface_macs[at]);
	p->rodata->per_cpu4 = p->rodata->per_cpu6 = buckets;
	p->rodata->second = s->second;
	p->rodata->seed = 12345;
	p->rodata->ours_bit = OURS_BIT;
	p->rodata->number_mask = NUMBER_MASK;
	p->rodata->number_unit = NUMBER_UNIT;
	p->rodata->has_fib_mark = by_mark;
	bpf_map__set_max_entries(p->maps.flows4, buckets * s->cpus);
	bpf_map__set_max_entries(p->maps.flows6, buckets * s->cpus);
	bpf_map__set_max_entries(p->maps.accounts, 1024);
	if (first &&
		(bpf_map__reuse_fd(p->maps.flows4, bpf_map__fd(first->maps.flows4)) ||
			bpf_map__reuse_fd(p->maps.flows6, bpf_map__fd(first->maps.flows6)) ||
			bpf_map__reuse_fd(p->maps.accounts, bpf_map__fd(first->maps.accounts)) ||
			bpf_map__reuse_fd(p->maps.passed, bpf_map__fd(first->maps.passed)) ||
			bpf_map__reuse_fd(p->maps.settled, bpf_map__fd(first->maps.settled)) ||
			bpf_map__reuse_fd(p->maps.targets, bpf_map__fd(first->maps.targets)) ||
			bpf_map__reuse_fd(p->maps.sides, bpf_map__fd(first->maps.sides)) ||
			bpf_map__reuse_fd(p->maps.bss, bpf_map__fd(first->maps.bss))))
		fail_msg("the maps cannot be shared");
	if (fastpath_programs__load(p) != 0) {
		print_message(
			"# SKIP: this kernel does not take the programs: %s\n", strerror(errno));
		skip();
	}
	return p;
}

/* Port 80 of the first line leads to the backend; client ports 40000 and on come out as 41000 and on. */
static inline void make_rules(void)
{
	static const struct {
		const char *family, *line, *backend, *inside;
	} nat[] = {{"ip", "1.1.1.1", "192.168.0.2", "192.168.0.1"},
		{"ip6", "2001:db8:1::1", "2001:db8:ff::2", "2001:db8:ff::1"}};
	FILE *nft = popen("nft -f -", "w");

	assert_non_null(nft);
	for (int i = 0; i < 2; i++) {
		fprintf(nft,
			"table %s t {\n map ports { type inet_service : %s . inet_service; "
			"elements = {",
			nat[i].family, i ? "ipv6_addr" : "ipv4_addr");
		for (int port = 40000; port < 40200; port++)
			fprintf(nft, "%d : %s . %d,", port, nat[i].inside, port + 1000);
		fprintf(nft,
			" } }\n"
			"chain marks { type filter hook prerouting priority mangle;\n"
			" iifname up0 ct state new ct mark set 0x%x\n"
			" ct direction reply meta mark set ct mark & 0x%x; }\n"
			"chain in { type nat hook prerouting priority dstnat;\n"
			" iifname up0 meta l4proto { tcp, udp } %s daddr %s th dport 80 dnat to "
			"%s%s%s:8080; }\n"
			"chain out { type nat hook postrouting priority srcnat;\n"
			" oifname lan0 meta l4proto { tcp, udp } snat to th sport map @ports; "
			"}\n}\n",
			MARK(1), NUMBER_MASK, nat[i].family, nat[i].line, i ? "[" : "",
			nat[i].backend, i ? "]" : "");
	}
	assert_int_equal(pclose(nft), 0);
}

static inline int open_wire(const char *interface)
{
	char end[IFNAMSIZ];
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0003)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	snprintf(end, sizeof(end), "%s-end", interface);
	at.sll_ifindex = (int)if_nametoindex(end);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* What the programs are told, as it is to be; and nothing is cached. */
static inline void restore_programs(struct setting *s)
{
	static const struct fp_bucket4 none4;
	static const struct fp_bucket6 none6;
	static const __u32 sides[INTERFACES] = {[UP0] = FP_SIDE_TAKES | FP_SIDE_HOME,
		[UP1] = FP_SIDE_TAKES | FP_SIDE_HOME,
		[LAN0] = FP_SIDE_TAKES};
	struct fastpath_programs *p = s->programs[0];

	p->bss->shared.enabled = 1;
	p->bss->shared.tcp_ms = 432000000;
	p->bss->shared.unacked_ms = 300000;
	p->bss->shared.udp_ms = 120000;
	p->bss->shared.homes[1] = (struct fp_home){s->index[UP0], 70001};
	p->bss->shared.homes[2] = (struct fp_home){s->index[UP1], 70002};
	s->neighbours_age = false;
	for (int i = 0; i < INTERFACES; i++) {
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(p->maps.targets), &s->index[i],
					 &s->index[i], BPF_ANY),
			0);
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(p->maps.sides), &s->index[i],
					 &sides[i], BPF_ANY),
			0);
	}
	for (uint32_t i = 0; i < bpf_map__max_entries(p->maps.flows4); i++) {
		assert_int_equal(
			bpf_map_update_elem(bpf_map__fd(p->maps.flows4), &i, &none4, BPF_ANY), 0);
		assert_int_equal(
			bpf_map_update_elem(bpf_map__fd(p->maps.flows6), &i, &none6, BPF_ANY), 0);
	}
}

/* The programs alone, in the network that is there; @buckets of each CPU. */
static inline void programs_open(struct setting *s, uint32_t buckets, bool by_mark)
{
	s->cpus = (unsigned int)libbpf_num_possible_cpus();
	s->second = jiffies_per_second() * 2 / 5;
	for (int i = 0; i < INTERFACES; i++) {
		s->index[i] = if_nametoindex(interface_names[i]);
		s->programs[i] = load_for(s, i, buckets, by_mark);
	}
	restore_programs(s);
}

static inline void programs_close(struct setting *s)
{
	for (int i = 0; i < INTERFACES; i++)
		fastpath_programs__destroy(s->programs[i]);
}

/* In a namespace of its own, which goes with the process. */
static inline void setting_open(struct setting *s)
{
	cpu_set_t one;

	memset(s, 0, sizeof(*s));
	libbpf_set_print(NULL);
	/* The cache is a CPU's own: stay there. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	make_network();
	restore_network();
	make_rules();
	/* Timeouts that can be told from what the programs are told to set. */
	sh("sysctl -qw net.netfilter.nf_conntrack_udp_timeout_stream=30 "
	   "net.netfilter.nf_conntrack_udp_timeout=30 "
	   "net.netfilter.nf_conntrack_tcp_timeout_established=30");
	for (int i = 0; i < INTERFACES; i++)
		s->wire[i] = open_wire(interface_names[i]);
	programs_open(s, 64, true);
}

static inline void setting_close(struct setting *s)
{
	programs_close(s);
	for (int i = 0; i < INTERFACES; i++)
		close(s->wire[i]);
}

/* A frame to @at from its wire; the kernel has it when this returns, or soon after. */
static inline void wire_send(struct setting *s, enum where at, const struct frame *f)
{
	assert_int_equal(send(s->wire[at], f->bytes, f->len, 0), (ssize_t)f->len);
}

/* The next frame for @dmac that comes out of @at, within a second. */
static inline bool wire_receive(struct setting *s, enum where at, const char *dmac, struct frame *f)
{
	struct pollfd in = {.fd = s->wire[at], .events = POLLIN};
	uint8_t mac[6];
	ssize_t n;

	frame_mac(mac, dmac);
	while (poll(&in, 1, 1000) == 1) {
		n = recv(s->wire[at], f->bytes, sizeof(f->bytes), 0);
		f->len = n > 0 ? (size_t)n : 0;
		if (f->len >= AT_IP && memcmp(f->bytes, mac, 6) == 0)
			return true;
	}
	return false;
}

static inline void wire_drain(struct setting *s)
{
	uint8_t byte;

	for (int i = 0; i < INTERFACES; i++)
		while (recv(s->wire[i], &byte, 1, MSG_DONTWAIT) >= 0)
			;
}

/* The kernel's count of jiffies, as far as the programs see it. */
static inline uint32_t jiffies_now(void)
{
	char line[256];
	unsigned long long jiffies = 0;
	FILE *list = fopen("/proc/timer_list", "r");

	assert_non_null(list);
	while (!jiffies && fgets(line, sizeof(line), list))
		sscanf(line, "jiffies: %llu", &jiffies);
	fclose(list);
	return (uint32_t)jiffies;
}

/* The kernel last used neighbours @ago jiffies before now. */
static inline void neighbours_were_used(struct setting *s, uint32_t ago)
{
	uint32_t then = jiffies_now() - ago;

	for (unsigned int i = 0; i < FP_KICKS; i++)
		s->programs[0]->bss->shared.kicked[i] = then;
}

/* Let no neighbour want the kernel's look, which has a test of its own. */
static inline void neighbours_are_fine(struct setting *s)
{
	neighbours_were_used(s, 0);
}

/* All counts of reasons, over all CPUs. */
static inline void read_passed(struct setting *s, uint64_t *out)
{
	uint64_t(*each)[FP_REASONS] = calloc(s->cpus, sizeof(*each));
	uint32_t zero = 0;

	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(s->programs[0]->maps.passed), &zero, each), 0);
	memset(out, 0, FP_REASONS * sizeof(*out));
	for (unsigned int cpu = 0; cpu < s->cpus; cpu++)
		for (int i = 0; i < FP_REASONS; i++)
			out[i] += each[cpu][i];
	free(each);
}

/* Run @f as it comes in at @at; with @flags and a @gso_size, both for tc only. */
static inline int run_with(struct setting *s, enum mode mode, enum where at, const struct frame *f,
	uint32_t gso_size, uint32_t flags, struct outcome *out)
{
	struct __sk_buff skb = {.ifindex = s->index[at], .gso_size = gso_size};
	uint64_t before[FP_REASONS], after[FP_REASONS];
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f->bytes,
		.data_size_in = (uint32_t)f->len, .data_out = out->frame.bytes,
		.data_size_out = sizeof(out->frame.bytes), .repeat = 1, .flags = flags);
	const struct bpf_program *program = mode == XDP ? s->programs[at]->progs.portreeve_xdp
							: s->programs[at]->progs.portreeve_tc;
	int err;

	if (mode == TC) {
		run.ctx_in = &skb;
		run.ctx_size_in = sizeof(skb);
	}
	if (!s->neighbours_age)
		neighbours_are_fine(s);
	read_passed(s, before);
	err = bpf_prog_test_run_opts(bpf_program__fd(program), &run);
	if (err)
		return err;
	read_passed(s, after);
	out->verdict = run.retval;
	out->frame.len = run.data_size_out;
	out->frame.v6 = f->v6;
	out->reason = FP_OK;
	for (int i = 1; i < FP_REASONS; i++) {
		if (after[i] == before[i])
			continue;
		assert_int_equal(after[i], before[i] + 1);
		assert_int_equal(out->reason, FP_OK); /* one reason for one packet */
		out->reason = i;
	}
	return 0;
}

static inline void run(struct setting *s, enum mode mode, enum where at, const struct frame *f,
	struct outcome *out)
{
	int err = run_with(s, mode, at, f, 0, 0, out);

	if (err)
		fail_msg("the program was not run: %s", strerror(-err));
}

static inline void sleep_jiffies(uint32_t n)
{
	usleep((useconds_t)((uint64_t)n * 1000000 / jiffies_per_second()));
}

#endif
