/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides iptables' matches on header fields: ports, types, addresses, length, MSS, TOS, TTL, MAC. */
#include <limits.h>
#include <string.h>

#include <net/if.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

#include "walk/xt_ask.h"

#define TCP_OPTION_MSS 2

/* ---- ports ---- */

/* Of a later fragment the kernel sees no transport header, and such matches say no. */
static bool is_fragment(const struct packet *p)
{
	return packet_knows(p, PKT_FRAGMENT) && p->fragment;
}

/* A port of the packet against a range: the whole range says nothing about the port. */
static enum tri port_in(
	const struct packet *p, bool source, uint16_t first, uint16_t last, bool invert)
{
	uint16_t bits = packet_port_bits(p, source), port = source ? p->sport : p->dport;
	uint16_t least = port & bits, most = port | (uint16_t)~bits;
	enum tri t = TRI_UNKNOWN;

	if (most < first || least > last)
		t = TRI_NO;
	else if (least >= first && most <= last)
		t = TRI_YES;
	return inverted_if(t, invert);
}

static enum tri has_option(const struct packet *p, uint8_t option)
{
	return option == TCP_OPTION_MSS && packet_knows(p, PKT_MSS) ? tri_of(p->mss != 0)
								    : TRI_UNKNOWN;
}

enum tri walk_xt_tcp(const struct walk_xt_ask *q)
{
	struct xt_tcp i;
	enum tri flags = TRI_YES;

	memcpy(&i, q->x->info, sizeof(i));
	if (is_fragment(q->p))
		return TRI_NO;
	if (i.flg_mask) {
		flags = packet_knows(q->p, PKT_TCP_FLAGS)
				? tri_of((q->p->tcp_flags & i.flg_mask) == i.flg_cmp)
				: TRI_UNKNOWN;
		flags = inverted_if(flags, i.invflags & XT_TCP_INV_FLAGS);
	}
	if (i.option)
		flags = tri_and(flags,
			inverted_if(has_option(q->p, i.option), i.invflags & XT_TCP_INV_OPTION));
	return tri_and(flags,
		tri_and(port_in(q->p, true, i.spts[0], i.spts[1], i.invflags & XT_TCP_INV_SRCPT),
			port_in(q->p, false, i.dpts[0], i.dpts[1], i.invflags & XT_TCP_INV_DSTPT)));
}

enum tri walk_xt_udp(const struct walk_xt_ask *q)
{
	struct xt_udp i;

	memcpy(&i, q->x->info, sizeof(i));
	if (is_fragment(q->p))
		return TRI_NO;
	return tri_and(port_in(q->p, true, i.spts[0], i.spts[1], i.invflags & XT_UDP_INV_SRCPT),
		port_in(q->p, false, i.dpts[0], i.dpts[1], i.invflags & XT_UDP_INV_DSTPT));
}

enum tri walk_xt_sctp(const struct walk_xt_ask *q)
{
	struct xt_sctp_info i;
	enum tri t = TRI_YES;

	memcpy(&i, q->x->info, sizeof(i));
	if (is_fragment(q->p))
		return TRI_NO;
	if (i.flags & XT_SCTP_SRC_PORTS)
		t = tri_and(t,
			port_in(q->p, true, i.spts[0], i.spts[1], i.invflags & XT_SCTP_SRC_PORTS));
	if (i.flags & XT_SCTP_DEST_PORTS)
		t = tri_and(t, port_in(q->p, false, i.dpts[0], i.dpts[1],
				       i.invflags & XT_SCTP_DEST_PORTS));
	if (i.flags & XT_SCTP_CHUNK_TYPES)
		t = tri_and(t, TRI_UNKNOWN);
	return t;
}

enum tri walk_xt_multiport(const struct walk_xt_ask *q)
{
	struct xt_multiport_v1 i = {0};
	enum tri t = TRI_NO;

	/* Revision 0 is the first part of revision 1. */
	memcpy(&i, q->x->info, q->x->rev ? sizeof(i) : sizeof(struct xt_multiport));
	if (is_fragment(q->p))
		return TRI_NO;
	for (unsigned int n = 0; n < i.count && n < XT_MULTI_PORTS; n++) {
		uint16_t first = i.ports[n], last = first;

		if (i.pflags[n] && n + 1 < XT_MULTI_PORTS)
			last = i.ports[++n];
		if (i.flags != XT_MULTIPORT_DESTINATION)
			t = tri_or(t, port_in(q->p, true, first, last, false));
		if (i.flags != XT_MULTIPORT_SOURCE)
			t = tri_or(t, port_in(q->p, false, first, last, false));
	}
	return inverted_if(t, i.invert);
}

/* ---- ICMP ---- */

/* struct ip6t_icmp is the same; there, type 255 is not "any". */
static enum tri icmp_matches(const struct walk_xt_ask *q, bool any_255)
{
	struct ipt_icmp i;
	enum tri t;

	memcpy(&i, q->x->info, sizeof(i));
	if (is_fragment(q->p))
		return TRI_NO;
	if (any_255 && i.type == 0xff)
		return inverted_if(TRI_YES, i.invflags & IPT_ICMP_INV);
	t = in_range(packet_knows(q->p, PKT_ICMP_TYPE), q->p->icmp_type, i.type, i.type);
	if (i.code[0] != 0 || i.code[1] != 0xff)
		t = tri_and(t, in_range(packet_knows(q->p, PKT_ICMP_CODE), q->p->icmp_code,
				       i.code[0], i.code[1]));
	return inverted_if(t, i.invflags & IPT_ICMP_INV);
}

enum tri walk_xt_icmp(const struct walk_xt_ask *q)
{
	return icmp_matches(q, true);
}

enum tri walk_xt_icmp6(const struct walk_xt_ask *q)
{
	return icmp_matches(q, false);
}

/* ---- IP ---- */

static enum tri addr_between(bool known, const struct packet *p, const struct ip_addr *addr,
	const union nf_inet_addr *first, const union nf_inet_addr *last)
{
	unsigned int len = ip_bytes(p->family);

	if (!known)
		return TRI_UNKNOWN;
	return tri_of(memcmp(addr->bytes, first, len) >= 0 && memcmp(addr->bytes, last, len) <= 0);
}

enum tri walk_xt_iprange(const struct walk_xt_ask *q)
{
	struct xt_iprange_mtinfo i;
	enum tri t = TRI_YES;

	memcpy(&i, q->x->info, sizeof(i));
	if (i.flags & IPRANGE_SRC)
		t = inverted_if(addr_between(packet_knows(q->p, PKT_SADDR), q->p, &q->p->saddr,
					&i.src_min, &i.src_max),
			i.flags & IPRANGE_SRC_INV);
	if (i.flags & IPRANGE_DST)
		t = tri_and(t, inverted_if(addr_between(packet_knows(q->p, PKT_DADDR), q->p,
						   &q->p->daddr, &i.dst_min, &i.dst_max),
				       i.flags & IPRANGE_DST_INV));
	return t;
}

enum tri walk_xt_length(const struct walk_xt_ask *q)
{
	struct xt_length_info i;

	memcpy(&i, q->x->info, sizeof(i));
	return inverted_if(
		in_range(packet_knows(q->p, PKT_LENGTH), q->p->length, i.min, i.max), i.invert);
}

enum tri walk_xt_tos(const struct walk_xt_ask *q)
{
	struct xt_tos_match_info i;

	memcpy(&i, q->x->info, sizeof(i));
	return inverted_if(masked_equal(q->p->tos, packet_knows(q->p, PKT_TOS) ? 0xff : 0,
				   i.tos_value, i.tos_mask),
		i.invert);
}

enum tri walk_xt_dscp(const struct walk_xt_ask *q)
{
	struct xt_dscp_info i;

	memcpy(&i, q->x->info, sizeof(i));
	return inverted_if(
		in_range(packet_knows(q->p, PKT_TOS), q->p->tos >> 2, i.dscp, i.dscp), i.invert);
}

/* struct ip6t_hl_info is the same. */
enum tri walk_xt_ttl(const struct walk_xt_ask *q)
{
	struct ipt_ttl_info i;

	memcpy(&i, q->x->info, sizeof(i));
	if (!packet_knows(q->p, PKT_TTL))
		return TRI_UNKNOWN;
	switch (i.mode) {
	case IPT_TTL_EQ:
		return tri_of(q->p->ttl == i.ttl);
	case IPT_TTL_NE:
		return tri_of(q->p->ttl != i.ttl);
	case IPT_TTL_LT:
		return tri_of(q->p->ttl < i.ttl);
	case IPT_TTL_GT:
		return tri_of(q->p->ttl > i.ttl);
	default: /* a number from outside: the kernel has no such mode either */
		return TRI_NO;
	}
}

/* ---- the rest ---- */

/* Where there is no such option the answer is that of the inversion. */
enum tri walk_xt_tcpmss(const struct walk_xt_ask *q)
{
	struct xt_tcpmss_match_info i;

	memcpy(&i, q->x->info, sizeof(i));
	if (packet_knows(q->p, PKT_MSS) && q->p->mss == 0)
		return tri_of(i.invert);
	return inverted_if(
		in_range(packet_knows(q->p, PKT_MSS), q->p->mss, i.mss_min, i.mss_max), i.invert);
}

enum tri walk_xt_mac(const struct walk_xt_ask *q)
{
	struct xt_mac_info i;

	memcpy(&i, q->x->info, sizeof(i));
	if (q->p->from_socket)
		return TRI_NO;
	if (!packet_knows(q->p, PKT_SMAC))
		return not_known(q, "the sender's hardware address is not known");
	return inverted_if(
		tri_of(memcmp(q->p->smac, i.srcaddr, sizeof(q->p->smac)) == 0), i.invert);
}
