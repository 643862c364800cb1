/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nft_decode.c (matches), nft_decode_load.c (what is loaded for them) and nft_decode_stmt.c (what
 * rules do) share: the registers.
 * Nobody else includes this.
 */
#ifndef KERNEL_NFT_DECODE_H
#define KERNEL_NFT_DECODE_H

#include "kernel/nft_wire.h"

#define NFT_UNITS 16 /* of 4 bytes */

/* Bytes of the packet that were loaded, and what became of them. */
struct raw_load {
	uint32_t base, offset, len;
	uint8_t mask[16], xor[16]; /* all ones and zero: as they were */
};

struct slot {
	struct nft_expr *expr;	    /* NULL: nothing was loaded */
	unsigned int part;	    /* unit within the expression's value */
	unsigned int units;	    /* of the whole value */
	bool swapped;		    /* turned to network order */
	const struct raw_load *raw; /* what it is of the packet; NULL: nothing */
	/* It holds the bits of this selector still where they are in the packet. */
	enum nft_selector unshifted;
	/* It holds the number of an interface; this selector tells whether there is one. */
	enum nft_selector numbered;
};

struct decoder {
	struct arena *a;
	const struct nft_table *table;
	struct nft_rule *rule;
	struct slot regs[NFT_UNITS];
	uint8_t proto; /* that the rule has matched so far: tells icmp from icmpv6; 0: none */
	bool inet6;    /* the header that payload offsets are in, where the rule says so */
	bool inet4;
	size_t ether_check; /* 1 + the statement that asks whether there is an Ethernet header */
};

/* Unit of a register attribute: NFT_REG_1.. are 16 bytes, NFT_REG32_* 4. -1: the verdict, or bad. */
int nft_unit_of(const struct nlattr *attr);
struct nft_expr *nft_unknown(struct decoder *d, const char *what);
/* @e is in the registers from @unit on. */
void nft_set_register(struct decoder *d, int unit, struct nft_expr *e, unsigned int len);
/* The whole value that starts at @unit; an unknown one where there is none. */
struct nft_expr *nft_get_register(struct decoder *d, int unit);
/* The @len bytes from @unit on: one expression, or a concatenation of several. */
struct nft_expr *nft_get_key(struct decoder *d, int unit, unsigned int len);
struct nft_stmt *nft_add_stmt(struct decoder *d, enum nft_stmt_kind kind);
void nft_add_unknown(struct decoder *d, const char *what);
struct nft_set *nft_find_set(const struct decoder *d, const struct nlattr *name);
bool nft_is_ip6(const struct decoder *d);
/* Could what is loaded from that place be this selector, in this rule? */
bool nft_fits_here(const struct decoder *d, const struct nft_load *l);
/* The selector that @len bytes at an offset are the start of; its own length may be more. */
enum nft_selector nft_find_payload(
	const struct decoder *d, uint32_t base, uint32_t offset, uint32_t len);
/* A value that was loaded without a type, as what it is used for. */
struct nft_expr *nft_typed(struct nft_expr *e, enum nft_type type);

/* Instructions; @attrs as the kernel numbers them. First those that load something. */
typedef void nft_decode_fn(struct decoder *d, const struct nlattr **attrs);
nft_decode_fn nft_decode_meta, nft_decode_ct, nft_decode_payload, nft_decode_fib, nft_decode_rt,
	nft_decode_exthdr, nft_decode_immediate;
nft_decode_fn nft_decode_meta_set, nft_decode_ct_set, nft_decode_payload_set, nft_decode_exthdr_set,
	nft_decode_nat, nft_decode_masq, nft_decode_redir, nft_decode_tproxy, nft_decode_counter,
	nft_decode_objref, nft_decode_match, nft_decode_target, nft_decode_reject, nft_decode_log,
	nft_decode_limit, nft_decode_quota, nft_decode_connlimit, nft_decode_notrack,
	nft_decode_queue, nft_decode_dynset, nft_decode_flow, nft_decode_dup, nft_decode_last;

#endif
