/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet: one packet as a netfilter hook sees it, as far as it is known.
 *
 * What is not known stays unknown: a walk never guesses. The marks and the conntrack status are
 * known bit by bit, since several tools share them.
 */
#ifndef WALK_PACKET_H
#define WALK_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/ip.h"

/* The answer to "does it match?". */
enum tri { TRI_NO, TRI_YES, TRI_UNKNOWN };

static inline enum tri tri_of(bool yes)
{
	return yes ? TRI_YES : TRI_NO;
}
static inline enum tri tri_not(enum tri t)
{
	return t == TRI_UNKNOWN ? TRI_UNKNOWN : t == TRI_YES ? TRI_NO : TRI_YES;
}
static inline enum tri tri_and(enum tri a, enum tri b)
{
	return a == TRI_NO || b == TRI_NO     ? TRI_NO
	       : a == TRI_YES && b == TRI_YES ? TRI_YES
					      : TRI_UNKNOWN;
}
static inline enum tri tri_or(enum tri a, enum tri b)
{
	return tri_not(tri_and(tri_not(a), tri_not(b)));
}

/* Fields that are known as a whole or not at all. The family always is. */
enum packet_field {
	PKT_PROTO = 1 << 0,
	PKT_SADDR = 1 << 1,
	PKT_DADDR = 1 << 2,
	PKT_SPORT = 1 << 3,
	PKT_DPORT = 1 << 4,
	PKT_ICMP_TYPE = 1 << 5,
	PKT_TCP_FLAGS = 1 << 6,
	PKT_IIF = 1 << 7,
	PKT_OIF = 1 << 8,
	PKT_TYPE = 1 << 9,
	PKT_SECPATH = 1 << 10,
	PKT_BRIDGED = 1 << 11,
	PKT_CT_STATE = 1 << 12,
	PKT_CT_DIRECTION = 1 << 13,
	PKT_CT_ORIGINAL = 1 << 14,
	PKT_ICMP_CODE = 1 << 15,
	PKT_LENGTH = 1 << 16,
	PKT_MSS = 1 << 17,
	PKT_TOS = 1 << 18,
	PKT_TTL = 1 << 19,
	PKT_SMAC = 1 << 20,
	PKT_CT_REPLY = 1 << 21,
	PKT_UID = 1 << 22,
	PKT_PHYSDEV = 1 << 23,
	PKT_FRAGMENT = 1 << 24,
	PKT_CT_ZONE = 1 << 25,
	PKT_GID = 1 << 26,
	PKT_CT_REPLY_SPORT = 1 << 27, /* of what PKT_CT_REPLY has the addresses */
	PKT_CT_REPLY_DPORT = 1 << 28,
};

/* Conntrack's states and status bits, with the kernel's numbers (as `ct state` has them). */
enum ct_state {
	CT_INVALID = 1 << 0,
	CT_ESTABLISHED = 1 << 1,
	CT_RELATED = 1 << 2,
	CT_NEW = 1 << 3,
	CT_UNTRACKED = 1 << 6,
};
enum ct_status {
	CT_EXPECTED = 1 << 0,
	CT_SEEN_REPLY = 1 << 1,
	CT_ASSURED = 1 << 2,
	CT_CONFIRMED = 1 << 3,
	CT_SRC_NAT = 1 << 4,
	CT_DST_NAT = 1 << 5,
	CT_SEQ_ADJUST = 1 << 6,
	CT_SRC_NAT_DONE = 1 << 7,
	CT_DST_NAT_DONE = 1 << 8,
};

struct packet_tuple {
	struct ip_addr saddr, daddr;
	uint16_t sport, dport; /* host order */
};

struct packet {
	uint8_t family; /* enum ip_family */
	uint32_t known; /* enum packet_field; a field whose bit is not set holds nothing */
	uint8_t proto;
	struct ip_addr saddr, daddr;
	uint16_t sport, dport; /* host order */
	/* Of a port that is not known: which of its bits are. */
	uint16_t sport_bits, dport_bits;
	uint8_t icmp_type;     /* of ICMP, or of ICMPv6 */
	uint8_t tcp_flags;     /* as in the header: SYN 0x02, ACK 0x10 */
	const char *iif, *oif; /* names */
	uint8_t type;	       /* PACKET_*: 0 is "to this host" */
	bool secpath;	       /* came out of IPsec */
	bool bridged;	       /* passes the hook as a bridged frame (br_netfilter) */
	const char *physdev;   /* the bridge port that a bridged frame came in on */
	uint8_t icmp_code;
	uint16_t length; /* from the network header on, bytes */
	uint16_t mss;	 /* of a SYN's option; 0: it has none */
	uint8_t tos, ttl;
	uint8_t smac[6];
	bool fragment; /* a later one: without ports */
	/* A socket of this machine sent it. Always known; only then there is an owner. */
	bool from_socket;
	uint32_t uid, gid;

	uint32_t ct_state;		 /* one of enum ct_state */
	bool ct_reply;			 /* direction */
	struct packet_tuple ct_original; /* addresses and ports before any NAT */
	struct packet_tuple ct_answer; /* PKT_CT_REPLY*: what the answer carries when it arrives */
	uint16_t ct_zone;
	uint8_t ct_zone_only; /* PKT_CT_ZONE: 1 for the original direction, 2 for the reply; 0 both */

	/* Known bit by bit: a set bit in *_known says that the bit beside it is known. */
	uint32_t mark, mark_known;
	uint32_t ct_mark, ct_mark_known;
	uint32_t ct_status, ct_status_known;
};

static inline bool packet_knows(const struct packet *p, uint32_t fields)
{
	return (p->known & fields) == fields;
}

/* The bits of a port that are known. */
static inline uint16_t packet_port_bits(const struct packet *p, bool source)
{
	if (packet_knows(p, source ? PKT_SPORT : PKT_DPORT))
		return UINT16_MAX;
	return source ? p->sport_bits : p->dport_bits;
}

/* There is no connection that it belongs to, and that is known. */
static inline bool packet_without_conntrack(const struct packet *p)
{
	return packet_knows(p, PKT_CT_STATE) && (p->ct_state & (CT_INVALID | CT_UNTRACKED));
}

/* Names of interfaces and the like; NULL: there is none. */
static inline bool name_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Turn @p into what is true of both @p and @other. */
void packet_join(struct packet *p, const struct packet *other);

#endif
