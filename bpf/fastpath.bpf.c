// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fast path: packets of connections that portreeve translates go from one interface to the other
 * without the kernel's own path. One program for XDP and one for tc, over the same cache.
 *
 * Theory of operation. Conntrack is the only truth. The first packets of a connection take the kernel's
 * path; once it is assured, a packet that is not in the cache is looked up in conntrack and in the
 * kernel's routes, with its connection's home as mark, and what came of it is kept for a second. Then it
 * is proved again. Nothing else is needed: a daemon only makes changes felt at once (`epoch`), and its
 * death stops nothing.
 *
 * Whatever is doubtful goes to the kernel untouched, with a counted reason: everything is decided before
 * the first byte is written.
 *
 * TCP's states stay conntrack's own: SYN, FIN and RST take the kernel's path. Its timeouts are set here, as
 * UDP's are, since conntrack does not see enough of a bypassed connection to know what was acknowledged; once
 * it lost track it would give each the short timeout of unacknowledged data, and forget those that rest. As in
 * the kernel, data makes the timeout short until an acknowledgement without data makes it long: a sender
 * whose peer is dead is forgotten as soon as ever.
 *
 * (One file of over 700 lines: it is compiled as one program, in which everything is inlined, and the way of a
 * packet through it is read from top to bottom.)
 */
#include "kernel.h"
#include "nat.h"

#include <bpf/bpf_endian.h>

#define TC_NEXT	     (-1) /* TC_ACT_UNSPEC: the next filter, then the kernel */
#define TC_SHOT	     2
#define PACKET_HOST  0
#define ETH_IP	     0x0800
#define ETH_IP6	     0x86dd
#define AF_INET	     2
#define AF_INET6     10
#define DIR_ORIGINAL 0
#define TURNS	     3u	       /* in a stamp, of the kernel: see kernel_turn() */
#define SENT	     0x100000u /* in a stamp */

/* Never changed once loaded: each interface has its own copy of the programs. */
const volatile __u32 own_index;
const volatile __u8 own_mac[6] __attribute__((aligned(4)));
const volatile __u32 per_cpu4 = 1, per_cpu6 = 1; /* buckets of each CPU; powers of two */
const volatile __u32 second = 1000;		 /* in jiffies */
const volatile __u32 seed;
const volatile __u32 ours_bit, number_mask, number_unit = 1; /* of the mark: see config/model.h */
const volatile __u32 has_fib_mark;			     /* since 6.10; before it, tables */

/* Shared by all copies, and set by portreeve. */
struct {
	__u32 enabled;
	__u32 epoch;	      /* any change of rules, routes, neighbours, lines adds to it */
	__u32 tcp_ms, udp_ms; /* conntrack's timeouts, established and stream */
	__u32 unacked_ms;     /* and of TCP with data that waits for its acknowledgement */
	struct fp_home homes[FP_HOMES];
	/* Of connections. A SYN, FIN or RST adds to the lower half of its own, and each proof by data to the upper
	 * twelve bits: an acknowledgement is proved anew if there was data since. Between them the kernel's turns. */
	__u32 stamps[FP_SLOTS];
	__u32 kicked[FP_KICKS]; /* neighbours: when the kernel last used one, in jiffies */
} shared;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fp_bucket4);
	__uint(max_entries, 1);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fp_bucket6);
	__uint(max_entries, 1);
} flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct fp_account_key);
	__type(value, struct fp_account);
	__uint(max_entries, 1);
} accounts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64[FP_REASONS]);
	__uint(max_entries, 1);
} passed SEC(".maps");

/* All that was ever put into accounts; they end with their connections, this does not. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct fp_account);
	__uint(max_entries, 1);
} settled SEC(".maps");

/* Interfaces that frames can be redirected to by XDP. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 256);
} targets SEC(".maps");

/* Interfaces that have a program: FP_SIDE_*. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 256);
} sides SEC(".maps");

static __always_inline void count(enum fp_reason reason)
{
	__u32 zero = 0;
	__u64 *all = bpf_map_lookup_elem(&passed, &zero);

	if (all && reason < FP_REASONS)
		all[reason]++;
}

/* ---- flows of either family ---- */

#define KEY_WORDS(v6)  ((v6) ? 5 : 2)
#define FLOW_BYTES(v6) ((v6) ? sizeof(struct fp_flow6) : sizeof(struct fp_flow4))
#define HOW_OFFSET(v6)                                                                             \
	((v6) ? __builtin_offsetof(struct fp_flow6, how) : __builtin_offsetof(struct fp_flow4, how))

static __always_inline __u64 mix(__u64 a, __u64 b)
{
	a = (a ^ seed) * 0x9e3779b97f4a7c15ull;
	b = (b ^ a >> 32 ^ a << 32) * 0xd6e8feb86659fd93ull;
	return b ^ b >> 32;
}

static __always_inline __u64 hash_of(const __u64 *words, int n)
{
	__u64 h = mix(words[0], words[1]);

	for (int i = 2; i < n; i++)
		h = mix(h, words[i]);
	return h;
}

/* A connection's slot of stamps, by its original addresses, wherever they come in. */
static __always_inline __u16 slot_of(union fp_key *key, int v6)
{
	if (v6)
		key->v6.in = 0;
	else
		key->v4.in = 0;
	return hash_of(key->words, KEY_WORDS(v6)) & (FP_SLOTS - 1);
}

static __always_inline __u32 stamp_now(__u32 slot)
{
	return shared.epoch << 16 | (shared.stamps[slot & (FP_SLOTS - 1)] & 0xffff);
}

static __always_inline __u16 sent_now(__u32 slot)
{
	return (__u16)(shared.stamps[slot & (FP_SLOTS - 1)] / SENT);
}

static __always_inline void data_was_sent(__u32 slot)
{
	__sync_fetch_and_add(&shared.stamps[slot & (FP_SLOTS - 1)], SENT);
}

/* The kernel's turns with a connection's packets one way, since one the other way was proved; up to TURNS. */
static __always_inline __u32 turns_shift(int reply)
{
	return reply ? 18 : 16;
}

static __always_inline __u32 turns_now(__u32 slot, int reply)
{
	return shared.stamps[slot & (FP_SLOTS - 1)] >> turns_shift(reply) & TURNS;
}

static __always_inline void turn_was_taken(__u32 slot, int reply)
{
	__sync_fetch_and_add(&shared.stamps[slot & (FP_SLOTS - 1)], 1u << turns_shift(reply));
}

static __always_inline void was_answered(__u32 slot, int reply)
{
	if (turns_now(slot, reply))
		__sync_fetch_and_and(
			&shared.stamps[slot & (FP_SLOTS - 1)], ~(TURNS << turns_shift(reply)));
}

static __always_inline void outdate(__u32 slot)
{
	__sync_fetch_and_add(&shared.stamps[slot & (FP_SLOTS - 1)], 1);
}

/* Each flow may be in either of two buckets, so that there is room until nearly all is taken. */
static __always_inline void *bucket_of(__u64 hash, int second_one, int v6)
{
	__u32 n = v6 ? per_cpu6 : per_cpu4;
	__u32 index = bpf_get_smp_processor_id() * n +
		      ((__u32)(second_one ? hash >> 32 : hash >> 3) & (n - 1));

	return v6 ? bpf_map_lookup_elem(&flows6, &index) : bpf_map_lookup_elem(&flows4, &index);
}

static __always_inline struct fp_how *how_in(void *flow, int v6)
{
	return flow + HOW_OFFSET(v6);
}

/* A flow has a way of its own in a bucket to begin with: mostly one cache line is touched. */
static __always_inline void *way_of(void *bucket, __u64 hash, int i, int v6)
{
	return bucket + ((hash + i) & (FP_WAYS - 1)) * FLOW_BYTES(v6);
}

static __always_inline void *find_in(void *bucket, __u64 hash, const union fp_key *key, int v6)
{
	for (int i = 0; bucket && i < (int)FP_WAYS; i++) {
		const __u64 *words = way_of(bucket, hash, i, v6);
		__u64 differs = 0;

		for (int w = 0; w < KEY_WORDS(v6); w++)
			differs |= words[w] ^ key->words[w];
		if (!differs)
			return (void *)words;
	}
	return NULL;
}

static __always_inline void *find(__u64 hash, const union fp_key *key, int v6)
{
	void *flow = find_in(bucket_of(hash, 0, v6), hash, key, v6);

	return flow ? flow : find_in(bucket_of(hash, 1, v6), hash, key, v6);
}

/* One that is free, or that nothing was heard of for a while. */
static __always_inline void *find_room_in(void *bucket, __u64 hash, __u32 now, int v6)
{
	for (int i = 0; bucket && i < (int)FP_WAYS; i++) {
		void *flow = way_of(bucket, hash, i, v6);

		if (now - how_in(flow, v6)->proved > 2 * second)
			return flow;
	}
	return NULL;
}

static __always_inline void *find_room(__u64 hash, __u32 now, int v6)
{
	void *flow = find_room_in(bucket_of(hash, 0, v6), hash, now, v6);

	return flow ? flow : find_room_in(bucket_of(hash, 1, v6), hash, now, v6);
}

/* ---- accounts ---- */

static __always_inline void account_key(struct fp_account_key *out, const __u32 *src,
	const __u32 *dst, __u16 sport, __u16 dport, __u8 proto, int v6)
{
	out->family = v6 ? 6 : 4;
	for (int i = 0; i < (v6 ? 4 : 1); i++) {
		out->src[i] = src[i];
		out->dst[i] = dst[i];
	}
	out->sport = sport;
	out->dport = dport;
	out->proto = proto;
}

static __always_inline void account_key_of(
	struct fp_account_key *out, const union fp_key *key, int v6)
{
	if (v6)
		account_key(out, key->v6.src, key->v6.dst, key->v6.sport, key->v6.dport,
			(__u8)key->v6.in, v6);
	else
		account_key(out, &key->v4.src, &key->v4.dst, key->v4.sport, key->v4.dport,
			(__u8)key->v4.in, v6);
}

/* What was counted of a flow, into its account and into the whole. */
static __always_inline void settle(void *flow, int v6)
{
	struct fp_how *how = how_in(flow, v6);
	struct fp_account fresh = {how->packets, how->bytes}, *old, *whole;
	struct fp_account_key key = {};
	__u32 zero = 0;

	if (!how->packets)
		return;
	whole = bpf_map_lookup_elem(&settled, &zero);
	if (whole) {
		whole->packets += fresh.packets;
		whole->bytes += fresh.bytes;
	}
	account_key_of(&key, flow, v6);
	old = bpf_map_lookup_elem(&accounts, &key);
	/* Another CPU may open it at the same time. */
	if (!old && bpf_map_update_elem(&accounts, &key, &fresh, BPF_NOEXIST) != 0)
		old = bpf_map_lookup_elem(&accounts, &key);
	if (old) {
		__sync_fetch_and_add(&old->packets, fresh.packets);
		__sync_fetch_and_add(&old->bytes, fresh.bytes);
	}
	how->packets = 0;
	how->bytes = 0;
}

static __always_inline void end_account(const struct fp_account_key *key)
{
	if (bpf_map_lookup_elem(&accounts, key))
		bpf_map_delete_elem(&accounts, key);
}

/* ---- proof ---- */

/* What conntrack and the routes say of a packet; the addresses it came with are in @route. */
struct proof {
	struct fib_lookup
		route;	      /* in: family, proto, addresses, ports, len, tos; out: the kernel's */
	__u32 src[4], dst[4]; /* as it goes out */
	__u16 sport, dport;
	__u16 slot;
	__u16 mtu;
	__u8 begins; /* its connection does: nothing of it was bypassed yet */
	__u8 reply;
	__u32 stamp; /* this and `sent` are from before conntrack was asked, so that no change is missed */
	__u16 sent;
};

static __always_inline struct nf_conn *ct_lookup(
	void *ctx, int xdp, const struct fib_lookup *r, struct ct_opts *opts)
{
	struct bpf_sock_tuple t = {};

	if (r->family == AF_INET) {
		t.ipv4.saddr = r->src[0];
		t.ipv4.daddr = r->dst[0];
		t.ipv4.sport = r->sport;
		t.ipv4.dport = r->dport;
		return xdp ? bpf_xdp_ct_lookup(ctx, &t, sizeof(t.ipv4), opts, sizeof(*opts))
			   : bpf_skb_ct_lookup(ctx, &t, sizeof(t.ipv4), opts, sizeof(*opts));
	}
	__builtin_memcpy(t.ipv6.saddr, r->src, 16);
	__builtin_memcpy(t.ipv6.daddr, r->dst, 16);
	t.ipv6.sport = r->sport;
	t.ipv6.dport = r->dport;
	return xdp ? bpf_xdp_ct_lookup(ctx, &t, sizeof(t.ipv6), opts, sizeof(*opts))
		   : bpf_skb_ct_lookup(ctx, &t, sizeof(t.ipv6), opts, sizeof(*opts));
}

#define HAS_EXTENSION(ext, id)                                                                     \
	(bpf_core_enum_value_exists(enum nf_ct_ext_id, id) &&                                      \
		(ext)->offset[bpf_core_enum_value(enum nf_ct_ext_id, id)])

/* Extensions that must see each packet, or that have a say in timeouts. */
static __always_inline int watched(const struct nf_conn *ct)
{
	const struct nf_ct_ext *ext = ct->ext;

	return ext &&
	       (HAS_EXTENSION(ext, NF_CT_EXT_HELPER) || HAS_EXTENSION(ext, NF_CT_EXT_SEQADJ) ||
		       HAS_EXTENSION(ext, NF_CT_EXT_TIMEOUT) ||
		       HAS_EXTENSION(ext, NF_CT_EXT_SYNPROXY));
}

/* Where the kernel might encrypt what it forwards, or demand that it was encrypted, nothing is bypassed:
 * routes do not tell. */
static __always_inline int has_policies(const struct nf_conn *ct)
{
	const struct net *net = ct->ct_net.net;

	return bpf_core_field_exists(net->xfrm) &&
	       (net->xfrm.policy_count[POLICY_OUT] || net->xfrm.policy_count[POLICY_FORWARD]);
}

static __always_inline void take_addresses(struct proof *p, const struct nf_conntrack_tuple *other)
{
	for (int i = 0; i < 4; i++) {
		p->src[i] = other->dst.u3.all[i];
		p->dst[i] = other->src.u3.all[i];
	}
	p->sport = other->dst.u.all;
	p->dport = other->src.u.all;
}

static __always_inline __u16 slot_of_connection(const struct nf_conn *ct, int v6)
{
	const struct nf_conntrack_tuple *t = &ct->tuplehash[0].tuple;
	union fp_key key = {};

	if (v6) {
		for (int i = 0; i < 4; i++) {
			key.v6.src[i] = t->src.u3.all[i];
			key.v6.dst[i] = t->dst.u3.all[i];
		}
		key.v6.sport = t->src.u.all;
		key.v6.dport = t->dst.u.all;
	} else {
		key.v4.src = t->src.u3.all[0];
		key.v4.dst = t->dst.u3.all[0];
		key.v4.sport = t->src.u.all;
		key.v4.dport = t->dst.u.all;
	}
	return slot_of(&key, v6);
}

static __always_inline int is_home(__u32 ifindex)
{
	const __u32 *side = bpf_map_lookup_elem(&sides, &ifindex);

	return !side || *side & FP_SIDE_HOME;
}

/*
 * May this connection be bypassed, and how does the packet look then? FP_OK fills in all but the
 * route, but for its mark or table.
 *
 * A reply that comes in by an uplink, whichever, is the kernel's: what is there to tell it from a forged one,
 * as rules and source validation, is not asked here.
 */
static __always_inline enum fp_reason ask_conntrack(
	const struct nf_conn *ct, __u8 dir, struct proof *p, struct fp_home *home)
{
	const __u32 need = CT_CONFIRMED | CT_SEEN_REPLY | CT_ASSURED;
	const __u32 never = CT_SEQ_ADJUST | CT_DYING | CT_FIXED_TIMEOUT | CT_TEMPLATE |
			    CT_NAT_CLASH | CT_HELPER;
	__u32 status = (__u32)ct->status, mark = ct->mark;
	__u32 number = (mark & number_mask) / (number_unit ? number_unit : 1);

	p->slot = slot_of_connection(ct, p->route.family == AF_INET6);
	p->stamp = stamp_now(p->slot);
	p->sent = sent_now(p->slot);
	if (!(mark & ours_bit))
		return FP_NOT_OURS;
	/* Constant indexes: the verifier follows no others here. */
	if (dir == DIR_ORIGINAL)
		take_addresses(p, &ct->tuplehash[1].tuple);
	else
		take_addresses(p, &ct->tuplehash[0].tuple);
	p->begins = !(status & CT_ASSURED);
	if ((status & need) != need ||
		(p->route.proto == FP_TCP && ct->proto.tcp.state != CT_TCP_ESTABLISHED))
		return FP_NOT_ASSURED;
	if (status & never || watched(ct))
		return FP_HELPER;
	if (bpf_core_field_exists(ct->zone) && ct->zone.id)
		return FP_ZONE;
	if (has_policies(ct))
		return FP_IPSEC;
	*home = shared.homes[number & (FP_HOMES - 1)];
	if (!home->ifindex ||
		(dir == DIR_ORIGINAL ? home->ifindex != own_index : is_home(own_index)))
		return FP_HOME;
	p->route.mark = dir == DIR_ORIGINAL ? 0 : mark & number_mask;
	return FP_OK;
}

/* By the kernel's own rules and routes: requests by the main ones, replies by home's. */
static __always_inline enum fp_reason ask_routes(
	void *ctx, struct proof *p, int reply, const struct fp_home *home)
{
	struct fib_lookup *r = &p->route;
	__u32 flags = 0;
	long found;

	if (reply && has_fib_mark) {
		flags = FIB_MARK;
	} else if (reply) {
		flags = FIB_DIRECT | FIB_TBID;
		r->table = home->table;
	}
	r->ifindex = own_index;
	for (int i = 0; i < 4; i++)
		r->dst[i] = p->dst[i];
	r->dport = p->dport; /* rules and multipath hashes go by it */
	found = bpf_fib_lookup(ctx, (struct bpf_fib_lookup *)r, sizeof(*r), flags);
	switch (found) {
	case FIB_SUCCESS:
		break;
	case FIB_NOT_FORWARDED:
		return FP_LOCAL;
	case FIB_NO_NEIGHBOUR:
		return FP_NEIGHBOUR;
	case FIB_TOO_LONG:
		return FP_MTU;
	default:
		return FP_NO_ROUTE;
	}
	if (r->ifindex == own_index || (reply && r->ifindex != home->ifindex))
		return FP_HOME;
	p->mtu = r->mtu;
	return FP_OK;
}

/* As conntrack would have it, had it seen the packet. */
static __always_inline void refresh(
	struct nf_conn *ct, const struct fp_packet *pkt, const struct proof *p)
{
	__u32 ms = shared.udp_ms;

	if (pkt->proto == FP_TCP)
		ms = pkt->silent ? shared.tcp_ms : shared.unacked_ms;
	if (pkt->proto == FP_TCP && !pkt->silent)
		data_was_sent(p->slot);
	was_answered(p->slot, !p->reply);
	bpf_ct_change_timeout(ct, ms);
	/* It may have begun to end meanwhile, on another CPU. */
	if (pkt->proto == FP_TCP && ct->proto.tcp.state != CT_TCP_ESTABLISHED)
		bpf_ct_change_timeout(ct, FP_ENDING_MS);
}

/* Can packets the other way be bypassed, too? Conntrack would see data, but not its acknowledgements, and
 * forget a connection that only rests. */
static __always_inline int goes_both_ways(const struct proof *p, int reply)
{
	__u32 here = own_index, there = p->route.ifindex;
	const __u32 *own = bpf_map_lookup_elem(&sides, &here);
	const __u32 *other = bpf_map_lookup_elem(&sides, &there);

	return own && other && (!(*other & FP_SIDE_XDP) || *own & FP_SIDE_TAKES) &&
	       (reply || !(*other & FP_SIDE_HOME));
}

static __always_inline enum fp_reason prove(
	void *ctx, int xdp, struct proof *p, const struct fp_packet *pkt)
{
	struct ct_opts opts = {.netns_id = -1, .l4proto = p->route.proto};
	struct nf_conn *ct = ct_lookup(ctx, xdp, &p->route, &opts);
	struct fp_home home = {};
	enum fp_reason reason;

	if (!ct)
		return FP_NO_CONNECTION;
	p->reply = opts.dir != DIR_ORIGINAL;
	reason = ask_conntrack(ct, opts.dir, p, &home);
	if (reason == FP_OK)
		reason = ask_routes(ctx, p, p->reply, &home);
	if (reason == FP_OK && xdp && !bpf_map_lookup_elem(&targets, &p->route.ifindex))
		reason = FP_TARGET;
	if (reason == FP_OK && pkt->proto == FP_TCP && !goes_both_ways(p, p->reply))
		reason = FP_ONE_WAY;
	if (reason == FP_OK)
		refresh(ct, pkt, p);
	bpf_ct_release(ct);
	return reason;
}

/* ---- a packet ---- */

/* FP_OK or FP_CONTROL: @pkt and @key say all of it. */
static __always_inline enum fp_reason read_frame(const struct fp_eth *eth, const void *end,
	__u32 total, struct fp_packet *pkt, union fp_key *key, int v6)
{
	enum fp_reason reason =
		v6 ? fp_read6(eth, end, total, pkt) : fp_read4(eth, end, total, pkt);

	if (reason != FP_OK && reason != FP_CONTROL)
		return reason;
	if (v6)
		fp_key6(eth, pkt, own_index, &key->v6);
	else
		fp_key4(eth, pkt, own_index, &key->v4);
	return reason;
}

/* Reasons that hold for a while: asking again for each packet would cost other traffic dearly. */
static __always_inline int holds(enum fp_reason reason)
{
	return reason == FP_NOT_OURS || reason == FP_HELPER || reason == FP_ZONE ||
	       reason == FP_IPSEC || reason == FP_HOME || reason == FP_TARGET ||
	       reason == FP_ONE_WAY;
}

static __always_inline void start_proof(struct proof *p, const struct fp_eth *eth,
	const union fp_key *key, const struct fp_packet *pkt, __u32 len, int v6)
{
	p->route.family = v6 ? AF_INET6 : AF_INET;
	p->route.proto = pkt->proto;
	p->route.len = (__u16)len;
	if (v6) {
		__builtin_memcpy(p->route.src, key->v6.src, 16);
		__builtin_memcpy(p->route.dst, key->v6.dst, 16);
		/* Rules go by the class, and the choice of several next hops by the label. */
		p->route.flowinfo = *(const __u32 *)(eth + 1) & bpf_htonl(0x0fffffff);
	} else {
		p->route.src[0] = key->v4.src;
		p->route.dst[0] = key->v4.dst;
		p->route.tos = pkt->tos;
	}
	p->route.sport = v6 ? key->v6.sport : key->v4.sport;
	p->route.dport = v6 ? key->v6.dport : key->v4.dport;
}

/* Keep for a second how a flow goes on, or that it is the kernel's. */
static __always_inline void learn(void *flow, const union fp_key *key, const struct proof *p,
	enum fp_reason reason, __u32 now, int v6)
{
	struct fp_how *how = how_in(flow, v6);
	struct fp_flow4 *f4 = flow;
	struct fp_flow6 *f6 = flow;

	settle(flow, v6);
	if (v6) {
		f6->key = key->v6;
		__builtin_memcpy(f6->src, p->src, 16);
		__builtin_memcpy(f6->dst, p->dst, 16);
		f6->sport = p->sport;
		f6->dport = p->dport;
	} else {
		f4->key = key->v4;
		f4->src = p->src[0];
		f4->dst = p->dst[0];
		f4->sport = p->sport;
		f4->dport = p->dport;
	}
	__builtin_memcpy(how->dmac, p->route.dmac, 6);
	__builtin_memcpy(how->smac, p->route.smac, 6);
	how->out = reason == FP_OK ? p->route.ifindex : 0;
	how->mtu = reason == FP_OK ? p->mtu : (__u16)reason;
	how->slot = p->slot;
	how->proved = now;
	how->stamp = p->stamp;
	how->sent = p->sent;
}

static __always_inline void forget(void *flow, __u32 now, int v6)
{
	settle(flow, v6);
	how_in(flow, v6)->proved = now - 2 * second - 1;
	if (v6)
		((struct fp_flow6 *)flow)->key.in = 0;
	else
		((struct fp_flow4 *)flow)->key.in = 0;
}

/*
 * Conntrack knows no such connection, or one that has only begun: what was bypassed of one before it, with the
 * same addresses and ports, is not its own. (But for what another CPU than ours has not yet settled.)
 */
static __always_inline void begin_accounts(const union fp_key *key, const struct proof *p, int v6)
{
	struct fp_account_key account = {};

	account_key_of(&account, key, v6);
	end_account(&account);
	if (p->begins) {
		account_key(&account, p->dst, p->src, p->dport, p->sport, p->route.proto, v6);
		end_account(&account);
	}
}

/* A connection begins or ends: nothing that is known of it holds any more, on any CPU. */
static __always_inline void control(
	void *flow, union fp_key *key, const struct fp_packet *pkt, int v6)
{
	if (flow)
		settle(flow, v6);
	if ((pkt->flags & (FP_SYN | FP_ACK)) == FP_SYN)
		outdate(slot_of(key, v6));
	else if (flow)
		outdate(how_in(flow, v6)->slot);
}

/*
 * A neighbour that only we use would never be looked after: every few seconds the kernel gets a packet to each.
 *
 * Of TCP it gets one with data, does not know what was acknowledged meanwhile, and may give the connection the
 * timeout of one that rests. The other side's next packet mends that. A sender whose peer is dead gets ever fewer
 * turns, and none in the end; those that it gets are over a time in which the kernel finds a dead neighbour.
 */
static __always_inline int kernel_turn(const struct fp_how *how, const struct fp_packet *pkt, __u32 now)
{
	/* Those that share a place share its turns: of some fifty, the chance is small that any do. */
	__u32 kick = (*(const __u16 *)(how->dmac + 4) ^ how->out) & (FP_KICKS - 1);
	__u32 waited = now - shared.kicked[kick], turns;

	if (waited <= FP_KICK_S * second)
		return 0;
	if (pkt->proto == FP_TCP) {
		int reply = !is_home(own_index);

		turns = turns_now(how->slot, reply);
		if (turns == TURNS || waited <= FP_KICK_S * second << turns)
			return 0;
		turn_was_taken(how->slot, reply);
	}
	shared.kicked[kick] = now;
	return 1;
}

/* Replies are asked for so much sooner than a second after they were last: time to wait for a request. */
static __always_inline __u32 sooner(void)
{
	return second / 8;
}

/*
 * Conntrack forgot a bypassed connection: the kernel must see a request first, which begins it anew, since a reply
 * without one is nobody's. So requests are asked anew at once, and replies go on as before until their second is over.
 */
static __always_inline int waits_for_request(struct fp_how *how, __u32 stamp, __u32 age)
{
	if (how->stamp != stamp || age > second + sooner() || is_home(own_index))
		return 0;
	outdate(how->slot);
	how->stamp = stamp_now(how->slot);
	return 1;
}

/*
 * The one way through: FP_OK, and @found is how the packet goes on. @segment is the longest packet
 * that it will be on the wire.
 *
 * An acknowledgement that may be the last packet for long is not given to the kernel by choice. Conntrack
 * has seen some data whose acknowledgements passed it by, so it would make the timeout the short one, and
 * forget a connection that only rests.
 */
static __always_inline enum fp_reason decide(void *ctx, int xdp, const struct fp_eth *eth,
	union fp_key *key, const struct fp_packet *pkt, __u32 segment, int is_control, void **found,
	int v6)
{
	__u64 hash = hash_of(key->words, KEY_WORDS(v6));
	void *flow = find(hash, key, v6);
	__u32 now = (__u32)bpf_jiffies64(), stamp = 0, age = 0, early;
	int again = 0, rests = pkt->silent;
	enum fp_reason reason = FP_OK;
	struct fp_how *how;
	struct proof p = {};

	if (is_control) {
		control(flow, key, pkt, v6);
		return FP_CONTROL;
	}
	if (flow) {
		how = how_in(flow, v6);
		stamp = stamp_now(how->slot);
		age = now - how->proved;
		if (how->stamp == stamp && age <= second &&
			!(pkt->silent && how->sent != sent_now(how->slot))) {
			rests = 0;
			goto proved;
		}
		again = how->out != 0;
		if (again && !rests && (how->stamp ^ stamp) >> 16) {
			how->stamp = stamp;
			how->proved = now - 2 * second; /* nothing waits any longer */
			return FP_CHANGED;
		}
	} else {
		flow = find_room(hash, now, v6);
		if (!flow)
			return FP_FULL;
	}
	start_proof(&p, eth, key, pkt, segment, v6);
	reason = prove(ctx, xdp, &p, pkt);
	if (reason == FP_NO_CONNECTION && again &&
		waits_for_request(how_in(flow, v6), stamp, age)) {
		reason = FP_OK;
		rests = 1;
		goto proved;
	}
	if (reason != FP_OK && !holds(reason)) {
		if (again)
			forget(flow, now, v6);
		if (reason == FP_NO_CONNECTION || p.begins)
			begin_accounts(key, &p, v6);
		return reason;
	}
	/* Flows that begin together are not proved together ever after, which others would wait for. */
	early = again && age <= 2 * second ? 0 : (__u32)((hash >> 48) * (second / 2) >> 16);
	if (p.reply)
		early += sooner();
	learn(flow, key, &p, reason, now - early, v6);
	if (reason != FP_OK)
		return reason;
proved:
	how = how_in(flow, v6);
	if (!how->out)
		return how->mtu;
	if (segment > how->mtu)
		reason = FP_MTU;
	else if (!rests && kernel_turn(how, pkt, now))
		reason = FP_KERNEL;
	if (reason != FP_OK) {
		/* Conntrack sees it, and may make its timeout the short one. */
		data_was_sent(how->slot);
		return reason;
	}
	if (how->packets >= 0x8000 || how->bytes >= 0x80000000u)
		settle(flow, v6);
	*found = flow;
	return FP_OK;
}

static __always_inline void account(void *flow, const struct fp_packet *pkt, int v6)
{
	struct fp_how *how = how_in(flow, v6);

	how->packets++;
	how->bytes += pkt->len;
}

/* ---- XDP ---- */

static __always_inline enum fp_reason xdp_one(
	struct xdp_md *ctx, struct fp_eth *eth, void *end, int v6, int *verdict)
{
	__u32 total = (__u32)(end - (void *)eth);
	struct fp_packet pkt = {};
	union fp_key key = {};
	struct fp_deltas d;
	void *flow = NULL, *l4 = (void *)(eth + 1) + (v6 ? FP_IP6_LEN : FP_IP4_LEN);
	enum fp_reason reason = read_frame(eth, end, total, &pkt, &key, v6);

	if (reason != FP_OK && reason != FP_CONTROL)
		return reason;
	reason = decide(ctx, 1, eth, &key, &pkt, pkt.len, reason == FP_CONTROL, &flow, v6);
	if (reason != FP_OK || !flow)
		return reason;
	if (bpf_redirect_map(&targets, how_in(flow, v6)->out, XDP_PASS) != XDP_REDIRECT)
		return FP_TARGET;
	if (l4 + (pkt.proto == FP_TCP ? sizeof(struct fp_tcp) : sizeof(struct fp_udp)) > end)
		return FP_MALFORMED;
	if (v6)
		fp_move6(eth, flow, &d);
	else
		fp_move4(eth, flow, &d);
	fp_adjust_l4(l4, pkt.proto, &d);
	account(flow, &pkt, v6);
	*verdict = XDP_REDIRECT;
	return FP_OK;
}

SEC("xdp")
int portreeve_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct fp_eth *eth = data;
	enum fp_reason reason = FP_OTHER_HOST;
	int verdict = XDP_PASS, ours;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	ours = *(__u32 *)eth->dst == *(const volatile __u32 *)own_mac &&
	       *(__u16 *)(eth->dst + 4) == *(const volatile __u16 *)(own_mac + 4);
	if (!shared.enabled)
		reason = FP_OFF;
	else if (!ours)
		reason = FP_OTHER_HOST;
	else if (eth->type == bpf_htons(ETH_IP))
		reason = xdp_one(ctx, eth, end, 0, &verdict);
	else if (eth->type == bpf_htons(ETH_IP6))
		reason = xdp_one(ctx, eth, end, 1, &verdict);
	else
		reason = FP_NOT_IP;
	if (reason != FP_OK)
		count(reason);
	return verdict;
}

/* ---- tc ---- */

static __always_inline __u32 wsum(__u64 delta)
{
	delta = (delta & 0xffffffff) + (delta >> 32);
	return (__u32)(delta + (delta >> 32));
}

/* The checksum above IP, which may be only half there: the kernel knows what the device will do. */
static __always_inline long tc_adjust_l4(
	struct __sk_buff *skb, __u8 proto, const struct fp_deltas *d, int v6)
{
	__u32 l4 = FP_ETH_LEN + (v6 ? FP_IP6_LEN : FP_IP4_LEN);
	__u32 at = l4 + (proto == FP_TCP ? __builtin_offsetof(struct fp_tcp, check)
					 : __builtin_offsetof(struct fp_udp, check));
	__u64 flags = proto == FP_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	long err = bpf_l4_csum_replace(skb, at, 0, wsum(d->addresses), flags | BPF_F_PSEUDO_HDR);

	if (!err && fp_fold(d->ports) != 0xffff)
		err = bpf_l4_csum_replace(skb, at, 0, wsum(d->ports), flags);
	/* What a device summed up over the whole packet: the helper takes addresses for IPv4's, whose own
	 * checksum makes up for them, and knows nothing of the hop limit. */
	if (!err && v6)
		bpf_csum_update(skb, wsum(d->addresses + (__u16)~FP_BE16(1)));
	return err;
}

static __always_inline enum fp_reason tc_one(struct __sk_buff *skb, int v6, int *verdict)
{
	struct fp_eth *eth = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	__u32 headers = FP_ETH_LEN + (v6 ? FP_IP6_LEN : FP_IP4_LEN) + sizeof(struct fp_tcp),
	      segment;
	struct fp_packet pkt = {};
	union fp_key key = {};
	struct fp_deltas d;
	void *flow = NULL;
	enum fp_reason reason;

	if ((void *)eth + headers > end && skb->len >= headers) {
		if (bpf_skb_pull_data(skb, headers))
			return FP_MALFORMED;
		eth = (void *)(long)skb->data;
		end = (void *)(long)skb->data_end;
	}
	reason = read_frame(eth, end, skb->len, &pkt, &key, v6);
	if (reason != FP_OK && reason != FP_CONTROL)
		return reason;
	segment = pkt.len;
	if (skb->gso_size)
		segment = skb->gso_size + pkt.headers;
	reason = decide(skb, 0, eth, &key, &pkt, segment, reason == FP_CONTROL, &flow, v6);
	if (reason != FP_OK || !flow)
		return reason;
	if ((void *)eth + FP_ETH_LEN + (v6 ? FP_IP6_LEN : FP_IP4_LEN) + sizeof(struct fp_udp) > end)
		return FP_MALFORMED;
	if (v6)
		fp_move6(eth, flow, &d);
	else
		fp_move4(eth, flow, &d);
	account(flow, &pkt, v6);
	*verdict = tc_adjust_l4(skb, pkt.proto, &d, v6)
			   ? TC_SHOT
			   : (int)bpf_redirect(how_in(flow, v6)->out, 0);
	return FP_OK;
}

SEC("tc")
int portreeve_tc(struct __sk_buff *skb)
{
	enum fp_reason reason;
	int verdict = TC_NEXT;

	if (!shared.enabled)
		reason = FP_OFF;
	else if (skb->pkt_type != PACKET_HOST)
		reason = FP_OTHER_HOST;
	else if (skb->vlan_present)
		reason = FP_NOT_IP;
	else if (skb->protocol == bpf_htons(ETH_IP))
		reason = tc_one(skb, 0, &verdict);
	else if (skb->protocol == bpf_htons(ETH_IP6))
		reason = tc_one(skb, 1, &verdict);
	else
		reason = FP_NOT_IP;
	if (reason != FP_OK)
		count(reason);
	return verdict;
}

char _license[] SEC("license") = "GPL";
