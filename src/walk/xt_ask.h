/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Xt ask: what the deciders of iptables' matches, one function each, are given and share. */
#ifndef WALK_XT_ASK_H
#define WALK_XT_ASK_H

#include "walk/xt.h"

/* The blob is there, and as long as the match's layout. */
struct walk_xt_ask {
	const struct netstate *net;
	const struct packet *p;
	const struct nft_xt *x;
	struct walk_doubt *doubt; /* says "it depends on what is not known of the packet" already */
};
typedef enum tri (*walk_xt_decide)(const struct walk_xt_ask *q);

static inline enum tri inverted_if(enum tri t, bool invert)
{
	return invert ? tri_not(t) : t;
}

static inline enum tri in_range(bool known, uint32_t value, uint32_t first, uint32_t last)
{
	return known ? tri_of(value >= first && value <= last) : TRI_UNKNOWN;
}

static inline enum tri masked_equal(uint32_t value, uint32_t known, uint32_t want, uint32_t mask)
{
	if ((value ^ want) & mask & known)
		return TRI_NO;
	if (want & ~mask) /* can never be equal */
		return TRI_NO;
	return (mask & ~known) ? TRI_UNKNOWN : TRI_YES;
}

/* It cannot be told, and why. */
static inline enum tri not_known(const struct walk_xt_ask *q, const char *why)
{
	q->doubt->why = why;
	return TRI_UNKNOWN;
}

/* xt_header.c: fields of the packet */
enum tri walk_xt_tcp(const struct walk_xt_ask *q);
enum tri walk_xt_udp(const struct walk_xt_ask *q);
enum tri walk_xt_sctp(const struct walk_xt_ask *q);
enum tri walk_xt_icmp(const struct walk_xt_ask *q);
enum tri walk_xt_icmp6(const struct walk_xt_ask *q);
enum tri walk_xt_multiport(const struct walk_xt_ask *q);
enum tri walk_xt_iprange(const struct walk_xt_ask *q);
enum tri walk_xt_length(const struct walk_xt_ask *q);
enum tri walk_xt_tcpmss(const struct walk_xt_ask *q);
enum tri walk_xt_tos(const struct walk_xt_ask *q);
enum tri walk_xt_dscp(const struct walk_xt_ask *q);
enum tri walk_xt_ttl(const struct walk_xt_ask *q);
enum tri walk_xt_mac(const struct walk_xt_ask *q);

/* xt_conn.c: the connection */
enum tri walk_xt_connmark(const struct walk_xt_ask *q);
enum tri walk_xt_state(const struct walk_xt_ask *q);
enum tri walk_xt_conntrack(const struct walk_xt_ask *q);
enum tri walk_xt_helper(const struct walk_xt_ask *q);

/* xt_set.c: ipsets */
enum tri walk_xt_set(const struct walk_xt_ask *q);

#endif
