/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the kernel loads each selector into a register.
 *
 * Headers: RFC 791, RFC 8200, RFC 793; ports are at the same place in TCP, UDP and SCTP.
 */
#include "kernel/nft_wire.h"

#include <assert.h>
#include <string.h>

#define NH NFT_PAYLOAD_NETWORK_HEADER
#define TH NFT_PAYLOAD_TRANSPORT_HEADER
#define LL NFT_PAYLOAD_LL_HEADER

#define SADDR	NFTA_FIB_F_SADDR
#define DADDR	NFTA_FIB_F_DADDR
#define MARK	NFTA_FIB_F_MARK
#define IIF	NFTA_FIB_F_IIF
#define PRESENT NFTA_FIB_F_PRESENT

#define META(k)                                                                                    \
	{                                                                                          \
		.kind = LOAD_META, .key = (k)                                                      \
	}
#define CT(k)                                                                                      \
	{                                                                                          \
		.kind = LOAD_CT, .key = (k)                                                        \
	}
#define CT_OF(k, d)                                                                                \
	{                                                                                          \
		.kind = LOAD_CT, .key = (k), .direction = (d)                                      \
	}
#define HEADER(base, at)                                                                           \
	{                                                                                          \
		.kind = LOAD_PAYLOAD, .key = (base), .offset = (at)                                \
	}
#define HEADER4(at)                                                                                \
	{                                                                                          \
		.kind = LOAD_PAYLOAD, .key = NH, .offset = (at), .family = FAMILY_IP               \
	}
#define HEADER6(at)                                                                                \
	{                                                                                          \
		.kind = LOAD_PAYLOAD, .key = NH, .offset = (at), .family = FAMILY_IP6              \
	}
#define OF_PROTO(at, p)                                                                            \
	{                                                                                          \
		.kind = LOAD_PAYLOAD, .key = TH, .offset = (at), .proto = (p)                      \
	}
#define FIB(flags, result)                                                                         \
	{                                                                                          \
		.kind = LOAD_FIB, .key = (flags), .offset = (result)                               \
	}

const struct nft_load nft_loads[] = {
	[SEL_NONE] = {.kind = LOAD_NONE},
	[SEL_META_IIFNAME] = META(NFT_META_IIFNAME),
	[SEL_META_OIFNAME] = META(NFT_META_OIFNAME),
	[SEL_META_IIF] = META(NFT_META_IIF),
	[SEL_META_OIF] = META(NFT_META_OIF),
	[SEL_META_MARK] = META(NFT_META_MARK),
	[SEL_META_L4PROTO] = META(NFT_META_L4PROTO),
	[SEL_META_NFPROTO] = META(NFT_META_NFPROTO),
	[SEL_META_PKTTYPE] = META(NFT_META_PKTTYPE),
	[SEL_META_SECPATH] = META(NFT_META_SECPATH),
	[SEL_CT_STATE] = CT(NFT_CT_STATE),
	[SEL_CT_STATUS] = CT(NFT_CT_STATUS),
	[SEL_CT_DIRECTION] = CT(NFT_CT_DIRECTION),
	[SEL_CT_MARK] = CT(NFT_CT_MARK),
	[SEL_IP_SADDR] = HEADER4(12),
	[SEL_IP_DADDR] = HEADER4(16),
	[SEL_IP_PROTOCOL] = HEADER4(9),
	[SEL_IP6_SADDR] = HEADER6(8),
	[SEL_IP6_DADDR] = HEADER6(24),
	[SEL_IP6_NEXTHDR] = HEADER6(6),
	[SEL_TH_SPORT] = HEADER(TH, 0),
	[SEL_TH_DPORT] = HEADER(TH, 2),
	[SEL_ICMP_TYPE] = OF_PROTO(0, PROTO_ICMP),
	[SEL_ICMPV6_TYPE] = OF_PROTO(0, PROTO_ICMPV6),
	[SEL_FIB_SADDR_TYPE] = FIB(SADDR, NFT_FIB_RESULT_ADDRTYPE),
	[SEL_FIB_DADDR_TYPE] = FIB(DADDR, NFT_FIB_RESULT_ADDRTYPE),
	[SEL_FIB_SADDR_OIF] = FIB(SADDR | PRESENT, NFT_FIB_RESULT_OIF),
	[SEL_FIB_SADDR_MARK_OIF] = FIB(SADDR | MARK | PRESENT, NFT_FIB_RESULT_OIF),
	[SEL_FIB_SADDR_IIF_OIF] = FIB(SADDR | IIF | PRESENT, NFT_FIB_RESULT_OIF),
	[SEL_FIB_SADDR_MARK_IIF_OIF] = FIB(SADDR | MARK | IIF | PRESENT, NFT_FIB_RESULT_OIF),
	[SEL_FIB_SADDR_IIF_TYPE] = FIB(SADDR | IIF, NFT_FIB_RESULT_ADDRTYPE),
	[SEL_FIB_DADDR_IIF_TYPE] = FIB(DADDR | IIF, NFT_FIB_RESULT_ADDRTYPE),
	[SEL_FIB_DADDR_OIF] = FIB(DADDR | PRESENT, NFT_FIB_RESULT_OIF),
	[SEL_FIB_DADDR_MARK_OIF] = FIB(DADDR | MARK | PRESENT, NFT_FIB_RESULT_OIF),
	[SEL_FIB_SADDR_OIFNAME] = FIB(SADDR, NFT_FIB_RESULT_OIFNAME),
	[SEL_FIB_SADDR_IIF_OIFNAME] = FIB(SADDR | IIF, NFT_FIB_RESULT_OIFNAME),
	[SEL_FIB_DADDR_OIFNAME] = FIB(DADDR, NFT_FIB_RESULT_OIFNAME),
	[SEL_FIB_SADDR_MARK_OIFNAME] = FIB(SADDR | MARK, NFT_FIB_RESULT_OIFNAME),
	[SEL_FIB_SADDR_MARK_IIF_OIFNAME] = FIB(SADDR | MARK | IIF, NFT_FIB_RESULT_OIFNAME),
	[SEL_FIB_DADDR_MARK_OIFNAME] = FIB(DADDR | MARK, NFT_FIB_RESULT_OIFNAME),
	[SEL_TCP_FLAGS] = OF_PROTO(13, PROTO_TCP),
	[SEL_TCP_MAXSEG] = {.kind = LOAD_TCP_OPTION, .key = 2, .offset = 2},
	[SEL_IP_DSCP] = {LOAD_PAYLOAD, NH, 1, .family = FAMILY_IP, .shift = 2},
	[SEL_IP_TTL] = HEADER4(8),
	[SEL_IP_LENGTH] = HEADER4(2),
	[SEL_IP_FRAG_OFF] = HEADER4(6),
	[SEL_IP6_DSCP] = {LOAD_PAYLOAD, NH, 0, .family = FAMILY_IP6, .shift = 6},
	[SEL_IP6_HOPLIMIT] = HEADER6(7),
	[SEL_IP6_LENGTH] = HEADER6(4),
	[SEL_ICMP_CODE] = OF_PROTO(1, PROTO_ICMP),
	[SEL_ICMPV6_CODE] = OF_PROTO(1, PROTO_ICMPV6),
	[SEL_ETHER_SADDR] = HEADER(LL, 6),
	[SEL_ETHER_DADDR] = HEADER(LL, 0),
	[SEL_ETHER_TYPE] = HEADER(LL, 12),
	[SEL_META_LENGTH] = META(NFT_META_LEN),
	[SEL_META_PROTOCOL] = META(NFT_META_PROTOCOL),
	[SEL_META_SKUID] = META(NFT_META_SKUID),
	[SEL_META_SKGID] = META(NFT_META_SKGID),
	[SEL_META_PRIORITY] = META(NFT_META_PRIORITY),
	[SEL_META_RTCLASSID] = META(NFT_META_RTCLASSID),
	[SEL_META_IIFGROUP] = META(NFT_META_IIFGROUP),
	[SEL_META_OIFGROUP] = META(NFT_META_OIFGROUP),
	[SEL_META_IIFTYPE] = META(NFT_META_IIFTYPE),
	[SEL_META_OIFTYPE] = META(NFT_META_OIFTYPE),
	[SEL_META_IBRNAME] = META(NFT_META_BRI_IIFNAME),
	[SEL_META_OBRNAME] = META(NFT_META_BRI_OIFNAME),
	[SEL_CT_ORIGINAL_SADDR] = CT_OF(NFT_CT_SRC_IP, DIRECTION_ORIGINAL),
	[SEL_CT_ORIGINAL_DADDR] = CT_OF(NFT_CT_DST_IP, DIRECTION_ORIGINAL),
	[SEL_CT_REPLY_SADDR] = CT_OF(NFT_CT_SRC_IP, DIRECTION_REPLY),
	[SEL_CT_REPLY_DADDR] = CT_OF(NFT_CT_DST_IP, DIRECTION_REPLY),
	[SEL_CT_ORIGINAL_SPORT] = CT_OF(NFT_CT_PROTO_SRC, DIRECTION_ORIGINAL),
	[SEL_CT_ORIGINAL_DPORT] = CT_OF(NFT_CT_PROTO_DST, DIRECTION_ORIGINAL),
	[SEL_CT_REPLY_SPORT] = CT_OF(NFT_CT_PROTO_SRC, DIRECTION_REPLY),
	[SEL_CT_REPLY_DPORT] = CT_OF(NFT_CT_PROTO_DST, DIRECTION_REPLY),
	[SEL_CT_L3PROTO] = CT(NFT_CT_L3PROTOCOL),
	[SEL_CT_PROTOCOL] = CT(NFT_CT_PROTOCOL),
	[SEL_CT_ZONE] = CT(NFT_CT_ZONE),
	[SEL_CT_HELPER] = CT(NFT_CT_HELPER),
	[SEL_RT_MTU] = {.kind = LOAD_ROUTE, .key = NFT_RT_TCPMSS},
};
static_assert(sizeof(nft_loads) / sizeof(*nft_loads) == SEL_COUNT_, "one row per selector");

enum nft_selector nft_find_load(
	enum nft_load_kind kind, uint32_t key, uint32_t offset, enum nft_direction direction)
{
	for (unsigned int s = 0; s < SEL_COUNT_; s++) {
		const struct nft_load *l = &nft_loads[s];

		if (l->kind == kind && l->key == key && l->offset == offset &&
			l->direction == direction)
			return s;
	}
	return SEL_NONE;
}

unsigned int nft_load_len(enum nft_selector s)
{
	/* The bits of a DSCP in IPv6 lie across two bytes. */
	return s == SEL_IP6_DSCP ? 2 : nft_selector_len(s);
}

void nft_load_mask(enum nft_selector s, uint8_t mask[16])
{
	unsigned int len = nft_load_len(s);
	uint32_t bits = 0x3fu << nft_loads[s].shift;

	memset(mask, 0, 16);
	if (!nft_loads[s].shift) {
		memset(mask, 0xff, len);
		return;
	}
	for (unsigned int i = len; i-- > 0; bits >>= 8)
		mask[i] = (uint8_t)bits;
}

uint8_t nft_load_shift_out(enum nft_selector s, const uint8_t *bytes)
{
	uint32_t bits = 0;

	for (unsigned int i = 0; i < nft_load_len(s); i++)
		bits = bits << 8 | bytes[i];
	return (uint8_t)(bits >> nft_loads[s].shift);
}

void nft_load_shift_in(enum nft_selector s, uint8_t value, uint8_t out[2])
{
	uint32_t bits = (uint32_t)value << nft_loads[s].shift;

	memset(out, 0, 2);
	for (unsigned int i = nft_load_len(s); i-- > 0; bits >>= 8)
		out[i] = (uint8_t)bits;
}
