/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flow: what the fast path's programs and portreeve share: cached flows, settings, counted reasons.
 *
 * The cache is two arrays of buckets (IPv4 and IPv6), a part of its own for each CPU, so that nothing in
 * it is ever shared: a flow that moves to another CPU is learned there again. An IPv4 flow fills one
 * cache line, which is all that a packet of it touches.
 */
#ifndef BPF_FLOW_H
#define BPF_FLOW_H

#include <linux/types.h>

#define FP_WAYS	     8u	     /* flows of one bucket */
#define FP_SLOTS     16384u  /* of stamps; a power of two */
#define FP_HOMES     256u    /* more than any mark can number */
#define FP_KICKS     16384u  /* of neighbours; a power of two */
#define FP_ENDING_MS 120000u /* of a TCP connection that ends: conntrack's own default, or longer */
#define FP_KICK_S    5u	     /* a neighbour is used by the kernel itself this often */
#define FP_MAX_INDEX 0x00ffffffu /* of an interface */

/* How packets of a flow go on. */
struct fp_how {
	__u8 dmac[6], smac[6];
	__u32 out;    /* interface; 0: this flow is the kernel's, do not ask again for a second */
	__u16 mtu;    /* of the IP packet; where `out` is 0 the reason */
	__u16 slot;   /* its stamp's, by its connection's original addresses */
	__u32 proved; /* when, in jiffies */
	__u32 stamp;  /* at that time: the epoch in the upper half, its connection's in the lower */
	__u32 bytes;  /* of IP packets, since they were settled in `accounts` */
	__u16 packets;
	__u16 sent; /* how much data of its connection had been proved: see `stamps` */
};

/* Addresses and ports in network order, as they come in. */
struct fp_key4 {
	__u32 src, dst;
	__u16 sport, dport;
	__u32 in; /* interface << 8 | protocol */
};

struct fp_flow4 {
	struct fp_key4 key; /* .in 0: empty */
	__u32 src, dst;	    /* as they go out */
	__u16 sport, dport;
	struct fp_how how;
};

struct fp_key6 {
	__u32 src[4], dst[4];
	__u16 sport, dport;
	__u32 in;
};

struct fp_flow6 {
	struct fp_key6 key;
	__u32 src[4], dst[4];
	__u16 sport, dport;
	struct fp_how how;
	__u32 spare[4];
};

union fp_key {
	struct fp_key4 v4;
	struct fp_key6 v6;
	__u64 words[5]; /* two of IPv4 */
};

/* Buckets are told apart by their size alone. */
struct fp_bucket4 {
	struct fp_flow4 way[FP_WAYS];
};

struct fp_bucket6 {
	struct fp_flow6 way[FP_WAYS];
};

_Static_assert(sizeof(struct fp_flow4) == 64, "one cache line");
_Static_assert(sizeof(struct fp_flow6) == 128, "two cache lines");

/* What was bypassed of a connection, by the packets' addresses as they came in: IPv4 in the first word of each. */
struct fp_account_key {
	__u32 src[4], dst[4];
	__u16 sport, dport;
	__u8 family, proto; /* 4 or 6 */
	__u8 zero[2];
};

struct fp_account {
	__u64 packets, bytes;
};

/* Why a packet was left to the kernel. The texts are in kernel/fastpath.c. */
enum fp_reason {
	FP_OK, /* it was not */
	FP_OFF,
	FP_NOT_IP,
	FP_OTHER_HOST, /* its frame is for somebody else, or for all */
	FP_MALFORMED,
	FP_OPTIONS,
	FP_FRAGMENT,
	FP_TTL,
	FP_PROTOCOL,
	FP_ICMP,
	FP_CONTROL, /* SYN, FIN or RST */
	FP_NO_CONNECTION,
	FP_NOT_OURS,
	FP_NOT_ASSURED, /* no answer yet, or TCP that is not established */
	FP_HELPER,	/* or other extensions that must see every packet */
	FP_ZONE,	/* its requests are in a zone of conntrack's */
	FP_IPSEC,	/* there are policies, which routes know nothing of */
	FP_HOME, /* the request came, or the reply would go, by another line than home, or came by any line */
	FP_NO_ROUTE,
	FP_LOCAL,
	FP_NEIGHBOUR,
	FP_MTU,
	FP_FULL,    /* the cache has no room */
	FP_TARGET,  /* the other interface cannot take redirected frames */
	FP_ONE_WAY, /* packets the other way could not be bypassed */
	FP_CHANGED, /* something did: the kernel sees the first packet after it */
	FP_KERNEL,  /* now and then the kernel itself must see one */
	FP_REASONS
};

/* What an interface that has a program is. */
#define FP_SIDE_XDP   1u /* its program is one of XDP */
#define FP_SIDE_TAKES 2u /* XDP can redirect frames to it */
#define FP_SIDE_HOME  4u /* an uplink's: requests come in by it, and no replies */

/* Where replies go home, by the uplink's number. */
struct fp_home {
	__u32 ifindex; /* 0: there is no such uplink now */
	__u32 table;
};

#endif
