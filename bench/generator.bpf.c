/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet generator's programs in the kernel: one that makes packets, those that count and check
 * them at the far end, and the limit that every contender is held against.
 *
 * Frames live in pages that come back from the far end with whatever the last hop left in them, so
 * generate() writes every byte of every frame. What is not the generator's passes, ARP above all.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "generator.h"

#define MAGIC	 bpf_htons(0x7072)
#define TTL	 64
#define BURST	 32 /* packets at most that are caught up with after a pause */
#define CHECK_OF 16 /* one of so many packets is checked in full */

/* 60 bytes, 64 on an Ethernet wire. Written in halves: behind 14 bytes of Ethernet nothing is aligned. */
struct frame {
	struct ethhdr eth;
	__u8 version_ihl, tos;
	__be16 length, id, fragment;
	__u8 ttl, protocol;
	__u16 ip_sum;
	__be16 source[2], target[2];
	__be16 source_port, target_port, udp_length;
	__u16 udp_sum;
	__u16 magic, flow[2], stamp[4], pad[2];
} __attribute__((packed, aligned(2)));

#define IP_BYTES  (sizeof(struct frame) - sizeof(struct ethhdr))
#define UDP_BYTES (IP_BYTES - sizeof(struct iphdr))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DIRECTIONS);
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BUCKETS);
	__type(key, __u32);
	__type(value, __u64);
} latencies SEC(".maps");

/* Set by the driver. Addresses and ports are in network order, the rest is in host order. */
struct course courses[DIRECTIONS];
enum direction direction;
__u32 count_of_flows;
__u32 public_address, backend_address;
__u16 public_port, backend_port; /* of the first FLOWS_PER_PORT flows, host order */
bool learning;			 /* what the backend sees is remembered */
bool translated;		 /* what arrives is checked */
__u64 interval_ns;		 /* between packets; 0: as fast as it goes */
__u64 budget;			 /* packets that may be sent */
__u32 redirect_to[DIRECTIONS];

/* Kept by generate(), which runs on one processor at a time. */
__u64 sent, due_ns;
__u32 next;

static __always_inline __u32 add(__u32 sum, __u32 value)
{
	return sum + (value & 0xffff) + (value >> 16);
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline __be32 client_address(__u32 flow)
{
	return bpf_htonl(CLIENTS_FIRST + flow % CLIENTS);
}

static __always_inline __be16 client_port(__u32 flow)
{
	return bpf_htons((__u16)(PORT_FIRST + flow % FLOWS_PER_PORT));
}

static __always_inline __be16 served_port(__u16 first, __u32 flow)
{
	return bpf_htons((__u16)(first + flow / FLOWS_PER_PORT));
}

static __always_inline void put(__u16 *to, __u32 value)
{
	to[0] = (__u16)value;
	to[1] = (__u16)(value >> 16);
}

/* Is it time for one more? A sender that was held up does not send all that it missed at once. */
static __always_inline bool is_due(__u64 now)
{
	if (now < due_ns)
		return false;
	due_ns = now - due_ns > BURST * interval_ns ? now : due_ns + interval_ns;
	return true;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	struct frame *f = (void *)(long)ctx->data;
	__u32 i = next, from, to, sum;
	__u16 from_port, to_port;
	const struct course *course = &courses[direction == REPLIES];
	__u64 now = 0;

	if ((void *)(f + 1) > (void *)(long)ctx->data_end || sent >= budget)
		return XDP_DROP;
	if (interval_ns) {
		now = bpf_ktime_get_ns();
		if (!is_due(now))
			return XDP_DROP;
	}
	next = i + 1 < count_of_flows ? i + 1 : 0;
	if (direction == REQUESTS) {
		from = client_address(i);
		from_port = client_port(i);
		to = public_address;
		to_port = served_port(public_port, i);
	} else {
		const struct flow *flow = bpf_map_lookup_elem(&flows, &i);

		if (!flow || !flow->port)
			return XDP_DROP;
		from = backend_address;
		from_port = served_port(backend_port, i);
		to = flow->addr;
		to_port = flow->port;
	}
	sent++;

	__builtin_memcpy(f->eth.h_dest, course->to, ETH_ALEN);
	__builtin_memcpy(f->eth.h_source, course->from, ETH_ALEN);
	f->eth.h_proto = bpf_htons(ETH_P_IP);
	f->version_ihl = 0x45;
	f->tos = 0;
	f->length = bpf_htons(IP_BYTES);
	f->id = 0;
	f->fragment = bpf_htons(0x4000);
	f->ttl = TTL;
	f->protocol = IPPROTO_UDP;
	put(f->source, from);
	put(f->target, to);
	sum = add(add(0, from), to);
	f->ip_sum = fold(sum + bpf_htons(0x4500) + bpf_htons(IP_BYTES) + bpf_htons(0x4000) +
			 bpf_htons(TTL << 8 | IPPROTO_UDP));
	f->source_port = from_port;
	f->target_port = to_port;
	f->udp_length = bpf_htons(UDP_BYTES);
	f->magic = MAGIC;
	put(f->flow, i);
	put(f->stamp, (__u32)now);
	put(f->stamp + 2, (__u32)(now >> 32));
	put(f->pad, 0);
	sum = add(add(add(sum, i), (__u32)now), (__u32)(now >> 32));
	sum = fold(sum + bpf_htons(IPPROTO_UDP) + 2 * bpf_htons(UDP_BYTES) + from_port + to_port +
		   MAGIC);
	f->udp_sum = sum ? (__u16)sum : 0xffff;
	return (int)bpf_redirect(course->ifindex, 0);
}

static __always_inline __u32 get(const __u16 *from)
{
	return from[0] | (__u32)from[1] << 16;
}

/* A translated packet, as it must be: header, checksums, addresses, ports and one hop less to live. */
static __always_inline bool is_right(const struct frame *f, enum direction way)
{
	__u32 i = get(f->flow), ip = 0, udp = 0;
	__be32 from = get(f->source), to = get(f->target);
	const __u16 *half = (const void *)&f->version_ihl;

	for (int n = 0; n < (int)sizeof(struct iphdr) / 2; n++)
		ip += half[n];
	udp = add(add(0, from), to) + bpf_htons(IPPROTO_UDP) + bpf_htons(UDP_BYTES);
	for (int n = sizeof(struct iphdr) / 2; n < (int)IP_BYTES / 2; n++)
		udp += half[n];
	if (fold(ip) || fold(udp) || !f->udp_sum || f->ttl != TTL - 1 || i >= count_of_flows)
		return false;
	if (way == REQUESTS)
		return to == backend_address && f->target_port == served_port(backend_port, i);
	return from == public_address && f->source_port == served_port(public_port, i) &&
	       to == client_address(i) && f->target_port == client_port(i);
}

static __always_inline __u32 bucket(__u64 ns)
{
	__u32 log2 = STEPS_LOG2;

	if (ns < STEPS)
		return (__u32)ns;
	for (int i = 0; i < OCTAVES - 1 && ns >> log2 >= 2; i++)
		log2++;
	return (log2 - STEPS_LOG2 + 1) * STEPS + ((ns >> (log2 - STEPS_LOG2)) & (STEPS - 1));
}

static __always_inline int sink(struct xdp_md *ctx, enum direction way)
{
	const struct frame *f = (void *)(long)ctx->data;
	__u32 key = way, i;
	struct tally *tally;

	if ((void *)(f + 1) > (void *)(long)ctx->data_end ||
		f->eth.h_proto != bpf_htons(ETH_P_IP) || f->version_ihl != 0x45 ||
		f->protocol != IPPROTO_UDP || f->magic != MAGIC)
		return XDP_PASS;
	tally = bpf_map_lookup_elem(&tallies, &key);
	if (!tally)
		return XDP_DROP;
	tally->received++;
	if (translated && tally->received % CHECK_OF == 0) {
		tally->checked++;
		tally->wrong += !is_right(f, way);
	}
	if (learning) {
		i = get(f->flow);
		struct flow *flow = bpf_map_lookup_elem(&flows, &i);

		if (flow && way == REQUESTS) {
			flow->addr = get(f->source);
			flow->port = f->source_port;
		} else if (flow) {
			flow->answered = 1;
		}
	}
	if (interval_ns) {
		__u64 then = get(f->stamp) | (__u64)get(f->stamp + 2) << 32, *n;
		__u32 b = bucket(bpf_ktime_get_ns() - then);

		n = bpf_map_lookup_elem(&latencies, &b);
		if (n)
			*n += 1;
	}
	return XDP_DROP;
}

SEC("xdp")
int sink_requests(struct xdp_md *ctx)
{
	return sink(ctx, REQUESTS);
}

SEC("xdp")
int sink_replies(struct xdp_md *ctx)
{
	return sink(ctx, REPLIES);
}

static __always_inline int redirect(struct xdp_md *ctx, enum direction way)
{
	const struct frame *f = (void *)(long)ctx->data;

	if ((void *)(f + 1) > (void *)(long)ctx->data_end || f->magic != MAGIC)
		return XDP_PASS;
	return (int)bpf_redirect(redirect_to[way], 0);
}

/* The least that an XDP program can do to get a packet from one side to the other. */
SEC("xdp")
int redirect_requests(struct xdp_md *ctx)
{
	return redirect(ctx, REQUESTS);
}

SEC("xdp")
int redirect_replies(struct xdp_md *ctx)
{
	return redirect(ctx, REPLIES);
}

char generator_license[] SEC("license") = "GPL";
