/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nft_encode.c (values and matches) and nft_encode_stmt.c (what rules do) share. Nobody else
 * includes this.
 *
 * Registers are counted in units of 4 bytes from NFT_REG32_00; a value starts at unit 0, others that
 * must not be overwritten at units 4, 8 and 12.
 */
#ifndef KERNEL_NFT_ENCODE_H
#define KERNEL_NFT_ENCODE_H

#include "kernel/nft_wire.h"

#define NFT_SECOND 4 /* unit of a second value: nft's NFT_REG_2 */
#define NFT_THIRD  8
#define NFT_FOURTH 12

#define NFT_MAX_ANONYMOUS 16 /* in one rule */

struct encoder {
	struct nft_batch *b;
	struct nlmsghdr *nlh;
	enum nft_family family;
	uint8_t proto; /* that the rule has matched so far; 0: none */
	bool inet6;    /* it has matched IPv6 */
	bool ether;    /* it has matched that there is an Ethernet header */
	struct {
		const struct nft_set *set;
		uint32_t id;
	} anonymous[NFT_MAX_ANONYMOUS];
	unsigned int n_anonymous;
};

enum nft_lookup_result { TO_NOTHING, TO_REGISTER, TO_VERDICT };

void nft_put_register(struct encoder *e, uint16_t type, unsigned int unit);
void nft_put_data(struct encoder *e, uint16_t type, const void *bytes, unsigned int len);
void nft_put_immediate(struct encoder *e, unsigned int unit, const void *bytes, unsigned int len);
void nft_put_bitwise(struct encoder *e, const uint8_t *mask, const uint8_t * xor, unsigned int unit,
	unsigned int len);
void nft_put_payload_load(struct encoder *e, uint32_t base, uint32_t offset, uint32_t len);
void nft_put_byteorder(struct encoder *e, unsigned int unit, unsigned int len);
/* Name the set, and number it if it is one of the rule's own. */
void nft_put_set_name(struct encoder *e, const struct nft_set *s, uint16_t name, uint16_t id);
void nft_put_lookup(struct encoder *e, const struct nft_set *s, unsigned int unit,
	enum nft_lookup_result to, bool inverted);
/* Compute @x into the registers from @unit on; with @network, in network order. */
void nft_put_expr(struct encoder *e, const struct nft_expr *x, unsigned int unit, bool network);
void nft_put_match(struct encoder *e, const struct nft_stmt *s);
bool nft_encodes_ip6(const struct encoder *e);

/* A statement other than a match. */
void nft_put_stmt(struct encoder *e, const struct nft_stmt *s);

#endif
