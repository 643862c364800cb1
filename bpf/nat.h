/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NAT: what is done to a frame: read it, decide whether it can be bypassed at all, rewrite it.
 *
 * Plain C without helpers of BPF, so that the same code runs in the programs, in unit tests and under
 * the fuzzer. Everything is decided before the first byte is written.
 */
#ifndef BPF_NAT_H
#define BPF_NAT_H

#include "flow.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define FP_ETH_LEN 14u
#define FP_IP4_LEN 20u
#define FP_IP6_LEN 40u
#define FP_TCP	   6u
#define FP_UDP	   17u

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FP_BE16(x) ((__u16)__builtin_bswap16((__u16)(x)))
#else
#define FP_BE16(x) ((__u16)(x))
#endif

#define FP_FIN 0x01u
#define FP_SYN 0x02u
#define FP_RST 0x04u
#define FP_ACK 0x10u

/* As they lie in a frame that begins two bytes off a multiple of four, where that matters at all. */
struct fp_eth {
	__u8 dst[6], src[6];
	__u16 type;
};

struct fp_ip4 {
	__u8 version_len, tos;
	__u16 len, id, fragment;
	__u8 ttl, proto;
	__u16 check;
	__u32 src, dst;
};

struct fp_ip6 {
	__u8 version_class, class_flow;
	__u16 flow, len;
	__u8 next, hops;
	__u32 src[4], dst[4];
};

struct fp_ports {
	__u16 sport, dport;
};

struct fp_udp {
	struct fp_ports ports;
	__u16 len, check;
};

struct fp_tcp {
	struct fp_ports ports;
	__u32 seq, ack;
	__u8 offset, flags;
	__u16 window, check, urgent;
};

/* What is known of a frame once it was read. */
struct fp_packet {
	__u32 len;     /* of the IP packet */
	__u8 proto;    /* FP_TCP, FP_UDP */
	__u8 flags;    /* of TCP */
	__u8 tos;      /* or traffic class */
	__u8 silent;   /* TCP without a byte of payload */
	__u16 headers; /* of IP and above: what each segment carries too */
};

/* ---- checksums (RFC 1624) ---- */

static __always_inline __u16 fp_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* @check after a change whose ~old + new is @delta. */
static __always_inline __u16 fp_adjust(__u16 check, __u64 delta)
{
	return (__u16)~fp_fold((__u16)~check + delta);
}

static __always_inline __u64 fp_delta32(__u32 old, __u32 now)
{
	return (__u64)(__u32)~old + now;
}

static __always_inline __u64 fp_delta_ports(
	__u16 sport, __u16 dport, __u16 new_sport, __u16 new_dport)
{
	return (__u64)(__u16)~sport + new_sport + (__u16)~dport + new_dport;
}

/* ---- reading ---- */

/* The part above IP, of @left bytes, which begins at @l4. */
static __always_inline enum fp_reason fp_read_tcp(
	const struct fp_tcp *tcp, __u32 left, struct fp_packet *p)
{
	__u32 header = (__u32)(tcp->offset >> 4) * 4;

	if (left < sizeof(*tcp) || header < sizeof(*tcp) || header > left)
		return FP_MALFORMED;
	p->flags = tcp->flags;
	p->silent = header == left;
	p->headers = (__u16)(p->len - left + header);
	if (tcp->flags & (FP_SYN | FP_FIN | FP_RST) || !(tcp->flags & FP_ACK))
		return FP_CONTROL;
	return FP_OK;
}

static __always_inline enum fp_reason fp_read_udp(
	const struct fp_udp *udp, __u32 left, int is_v6, struct fp_packet *p)
{
	__u32 len = FP_BE16(udp->len);

	p->headers = (__u16)(p->len - left + sizeof(*udp));
	/* Only over IPv4 may the checksum be missing. */
	if (len < sizeof(*udp) || len > left || (is_v6 && !udp->check))
		return FP_MALFORMED;
	return FP_OK;
}

/*
 * Read the frame at @eth whose type is IPv4 and which ends at @end. FP_OK: it may be bypassed; or
 * FP_CONTROL, with everything read too. @total counts what is there beyond what can be touched.
 */
static __always_inline enum fp_reason fp_read4(
	const struct fp_eth *eth, const void *end, __u32 total, struct fp_packet *p)
{
	const struct fp_ip4 *ip = (const void *)(eth + 1);
	const struct fp_tcp *tcp = (const void *)(ip + 1);
	const struct fp_udp *udp = (const void *)(ip + 1);
	const __u16 *words = (const void *)ip;
	__u64 sum = 0;

	if ((const void *)(udp + 1) > end)
		return FP_MALFORMED;
	if (ip->version_len != 0x45)
		return ip->version_len >> 4 == 4 ? FP_OPTIONS : FP_MALFORMED;
	if (ip->fragment & FP_BE16(0x3fff))
		return FP_FRAGMENT;
	p->len = FP_BE16(ip->len);
	p->proto = ip->proto;
	p->tos = ip->tos;
	if (ip->proto != FP_TCP && ip->proto != FP_UDP)
		return ip->proto == 1 ? FP_ICMP : FP_PROTOCOL;
	for (int i = 0; i < (int)(FP_IP4_LEN / 2); i++)
		sum += words[i];
	if (fp_fold(sum) != 0xffff || p->len < FP_IP4_LEN || p->len > total - FP_ETH_LEN)
		return FP_MALFORMED;
	if (ip->ttl <= 1)
		return FP_TTL;
	if (ip->proto == FP_UDP)
		return fp_read_udp(udp, p->len - FP_IP4_LEN, 0, p);
	if ((const void *)(tcp + 1) > end)
		return FP_MALFORMED;
	return fp_read_tcp(tcp, p->len - FP_IP4_LEN, p);
}

static __always_inline enum fp_reason fp_read6(
	const struct fp_eth *eth, const void *end, __u32 total, struct fp_packet *p)
{
	const struct fp_ip6 *ip = (const void *)(eth + 1);
	const struct fp_tcp *tcp = (const void *)(ip + 1);
	const struct fp_udp *udp = (const void *)(ip + 1);

	if ((const void *)(udp + 1) > end || ip->version_class >> 4 != 6)
		return FP_MALFORMED;
	p->len = FP_IP6_LEN + FP_BE16(ip->len);
	p->proto = ip->next;
	p->tos = (__u8)(ip->version_class << 4 | ip->class_flow >> 4);
	if (ip->next == 44)
		return FP_FRAGMENT;
	if (ip->next == 0 || ip->next == 43 || ip->next == 60)
		return FP_OPTIONS;
	if (ip->next != FP_TCP && ip->next != FP_UDP)
		return ip->next == 58 ? FP_ICMP : FP_PROTOCOL;
	if (p->len > total - FP_ETH_LEN)
		return FP_MALFORMED;
	if (ip->hops <= 1)
		return FP_TTL;
	if (ip->next == FP_UDP)
		return fp_read_udp(udp, p->len - FP_IP6_LEN, 1, p);
	if ((const void *)(tcp + 1) > end)
		return FP_MALFORMED;
	return fp_read_tcp(tcp, p->len - FP_IP6_LEN, p);
}

static __always_inline void fp_key4(
	const struct fp_eth *eth, const struct fp_packet *p, __u32 ifindex, struct fp_key4 *key)
{
	const struct fp_ip4 *ip = (const void *)(eth + 1);
	const struct fp_ports *ports = (const void *)(ip + 1);

	key->src = ip->src;
	key->dst = ip->dst;
	key->sport = ports->sport;
	key->dport = ports->dport;
	key->in = ifindex << 8 | p->proto;
}

static __always_inline void fp_key6(
	const struct fp_eth *eth, const struct fp_packet *p, __u32 ifindex, struct fp_key6 *key)
{
	const struct fp_ip6 *ip = (const void *)(eth + 1);
	const struct fp_ports *ports = (const void *)(ip + 1);

	for (int i = 0; i < 4; i++) {
		key->src[i] = ip->src[i];
		key->dst[i] = ip->dst[i];
	}
	key->sport = ports->sport;
	key->dport = ports->dport;
	key->in = ifindex << 8 | p->proto;
}

/* ---- rewriting ---- */

/* By how much the checksum above IP changes, as ~old + new: of addresses, and of ports. */
struct fp_deltas {
	__u64 addresses, ports;
};

static __always_inline void fp_move_eth(struct fp_eth *eth, const struct fp_how *how)
{
	__builtin_memcpy(eth->dst, how->dmac, 6);
	__builtin_memcpy(eth->src, how->smac, 6);
}

/* Everything but the checksum above IP. */
static __always_inline void fp_move4(
	struct fp_eth *eth, const struct fp_flow4 *f, struct fp_deltas *d)
{
	struct fp_ip4 *ip = (void *)(eth + 1);
	struct fp_ports *ports = (void *)(ip + 1);
	__u16 old = (__u16)(FP_BE16(ip->ttl << 8 | ip->proto)), now;

	d->addresses = fp_delta32(f->key.src, f->src) + fp_delta32(f->key.dst, f->dst);
	d->ports = fp_delta_ports(f->key.sport, f->key.dport, f->sport, f->dport);
	ip->ttl--;
	now = (__u16)(FP_BE16(ip->ttl << 8 | ip->proto));
	ip->check = fp_adjust(ip->check, d->addresses + (__u16)~old + now);
	ip->src = f->src;
	ip->dst = f->dst;
	ports->sport = f->sport;
	ports->dport = f->dport;
	fp_move_eth(eth, &f->how);
}

static __always_inline void fp_move6(
	struct fp_eth *eth, const struct fp_flow6 *f, struct fp_deltas *d)
{
	struct fp_ip6 *ip = (void *)(eth + 1);
	struct fp_ports *ports = (void *)(ip + 1);

	d->addresses = 0;
	for (int i = 0; i < 4; i++) {
		d->addresses +=
			fp_delta32(f->key.src[i], f->src[i]) + fp_delta32(f->key.dst[i], f->dst[i]);
		ip->src[i] = f->src[i];
		ip->dst[i] = f->dst[i];
	}
	d->ports = fp_delta_ports(f->key.sport, f->key.dport, f->sport, f->dport);
	ip->hops--;
	ports->sport = f->sport;
	ports->dport = f->dport;
	fp_move_eth(eth, &f->how);
}

/* The checksum above IP, @l4 bytes into a frame that fp_read*() has let pass. */
static __always_inline void fp_adjust_l4(void *l4, __u8 proto, const struct fp_deltas *d)
{
	struct fp_tcp *tcp = l4;
	struct fp_udp *udp = l4;
	__u64 delta = d->addresses + d->ports;

	if (proto == FP_TCP) {
		tcp->check = fp_adjust(tcp->check, delta);
	} else if (udp->check) {
		__u16 check = fp_adjust(udp->check, delta);

		udp->check = check ? check : 0xffff;
	}
}

#endif
