/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel: what the fast path's programs use of it that its UAPI headers (of Linux 6.1) do not have, by CO-RE:
 * only the members named here are looked for, wherever the running kernel keeps them.
 */
#ifndef BPF_KERNEL_H
#define BPF_KERNEL_H

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* include/uapi/linux/bpf.h */
#define FIB_DIRECT	  1u
#define FIB_TBID	  8u  /* since 6.5 */
#define FIB_MARK	  32u /* since 6.10 */
#define FIB_SUCCESS	  0
#define FIB_NOT_FORWARDED 4
#define FIB_NO_NEIGHBOUR  7
#define FIB_TOO_LONG	  8

struct fib_lookup {
	__u8 family, proto;
	__u16 sport, dport;
	union {
		__u16 len; /* in */
		__u16 mtu; /* out */
	};
	__u32 ifindex;
	union {
		__u8 tos;
		__u32 flowinfo;
	};
	__u32 src[4], dst[4]; /* IPv4 in the first word */
	__u32 table;
	union {
		__u32 mark; /* in */
		struct {
			__u8 smac[6], dmac[6];
		}; /* out */
	};
};
_Static_assert(sizeof(struct fib_lookup) == 64, "struct bpf_fib_lookup");

/* include/uapi/linux/netfilter/nf_conntrack_common.h, nf_conntrack_tcp.h */
#define CT_SEEN_REPLY	   (1u << 1)
#define CT_ASSURED	   (1u << 2)
#define CT_CONFIRMED	   (1u << 3)
#define CT_SEQ_ADJUST	   (1u << 6)
#define CT_DYING	   (1u << 9)
#define CT_FIXED_TIMEOUT   (1u << 10)
#define CT_TEMPLATE	   (1u << 11)
#define CT_NAT_CLASH	   (1u << 12)
#define CT_HELPER	   (1u << 13)
#define CT_TCP_ESTABLISHED 3

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

union nf_inet_addr {
	__u32 all[4];
};

struct nf_conntrack_tuple {
	struct {
		union nf_inet_addr u3;
		union {
			__u16 all;
		} u;
	} src;
	struct {
		union nf_inet_addr u3;
		union {
			__u16 all;
		} u;
	} dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct nf_ct_ext {
	__u8 offset[9];
};

/* Their numbers are a matter of the kernel's configuration: see bpf_core_enum_value(). */
enum nf_ct_ext_id {
	NF_CT_EXT_HELPER,
	NF_CT_EXT_SEQADJ,
	NF_CT_EXT_TIMEOUT,
	NF_CT_EXT_SYNPROXY,
};

struct ip_ct_tcp {
	__u8 state;
};

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
};

#define POLICY_OUT     1
#define POLICY_FORWARD 2

struct netns_xfrm {
	__u32 policy_count[3]; /* by direction */
};

struct net {
	struct netns_xfrm xfrm;
};

struct nf_conntrack_zone {
	__u16 id;
};

struct nf_conn {
	struct nf_conntrack_zone zone;
	struct nf_conntrack_tuple_hash tuplehash[2];
	unsigned long status;
	struct {
		struct net *net;
	} ct_net;
	__u32 mark;
	struct nf_ct_ext *ext;
	union nf_conntrack_proto proto;
};

#pragma clang attribute pop

/* net/netfilter/nf_conntrack_bpf.c */
struct ct_opts {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};
_Static_assert(sizeof(struct ct_opts) == 12, "struct bpf_ct_opts without zones");

extern struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *ctx, struct bpf_sock_tuple *tuple,
	__u32 tuple_size, struct ct_opts *opts, __u32 opts_size) __ksym;
extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *ctx, struct bpf_sock_tuple *tuple,
	__u32 tuple_size, struct ct_opts *opts, __u32 opts_size) __ksym;
extern void bpf_ct_release(struct nf_conn *ct) __ksym;
extern int bpf_ct_change_timeout(struct nf_conn *ct, __u32 ms) __ksym;

#endif
