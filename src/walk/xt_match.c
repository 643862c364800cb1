/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decides iptables' matches from their blobs. The layouts are the kernel's uapi; a blob that is
 * shorter than its layout is not looked at.
 */
#include "walk/xt.h"

#include <limits.h>
#include <string.h>

#include <net/if.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include "walk/routes.h"
#include "walk/value.h"

static enum tri inverted_if(enum tri t, bool invert)
{
	return invert ? tri_not(t) : t;
}

static enum tri in_range(bool known, uint32_t value, uint32_t first, uint32_t last)
{
	return known ? tri_of(value >= first && value <= last) : TRI_UNKNOWN;
}

/* A port of the packet against a range: the whole range says nothing about the port. */
static enum tri port_in(
	const struct packet *p, bool source, uint16_t first, uint16_t last, bool invert)
{
	enum tri t = TRI_YES;

	if (first != 0 || last != 0xffff)
		t = in_range(packet_knows(p, source ? PKT_SPORT : PKT_DPORT),
			source ? p->sport : p->dport, first, last);
	return inverted_if(t, invert);
}

static enum tri masked_equal(uint32_t value, uint32_t known, uint32_t want, uint32_t mask)
{
	if ((value ^ want) & mask & known)
		return TRI_NO;
	if (want & ~mask) /* can never be equal */
		return TRI_NO;
	return (mask & ~known) ? TRI_UNKNOWN : TRI_YES;
}

/* ---- matches ---- */

static enum tri match_always(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	return TRI_YES;
}

static enum tri match_never(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	return TRI_NO;
}

static enum tri match_tcp(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_tcp i;
	enum tri flags = TRI_YES;

	memcpy(&i, x->info, sizeof(i));
	if (i.flg_mask) {
		flags = packet_knows(p, PKT_TCP_FLAGS)
				? tri_of((p->tcp_flags & i.flg_mask) == i.flg_cmp)
				: TRI_UNKNOWN;
		flags = inverted_if(flags, i.invflags & XT_TCP_INV_FLAGS);
	}
	if (i.option)
		flags = tri_and(flags, TRI_UNKNOWN);
	return tri_and(flags,
		tri_and(port_in(p, true, i.spts[0], i.spts[1], i.invflags & XT_TCP_INV_SRCPT),
			port_in(p, false, i.dpts[0], i.dpts[1], i.invflags & XT_TCP_INV_DSTPT)));
}

static enum tri match_udp(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_udp i;

	memcpy(&i, x->info, sizeof(i));
	return tri_and(port_in(p, true, i.spts[0], i.spts[1], i.invflags & XT_UDP_INV_SRCPT),
		port_in(p, false, i.dpts[0], i.dpts[1], i.invflags & XT_UDP_INV_DSTPT));
}

static enum tri match_sctp(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_sctp_info i;
	enum tri t = TRI_YES;

	memcpy(&i, x->info, sizeof(i));
	if (i.flags & XT_SCTP_SRC_PORTS)
		t = tri_and(
			t, port_in(p, true, i.spts[0], i.spts[1], i.invflags & XT_SCTP_SRC_PORTS));
	if (i.flags & XT_SCTP_DEST_PORTS)
		t = tri_and(t,
			port_in(p, false, i.dpts[0], i.dpts[1], i.invflags & XT_SCTP_DEST_PORTS));
	if (i.flags & XT_SCTP_CHUNK_TYPES)
		t = tri_and(t, TRI_UNKNOWN);
	return t;
}

static enum tri match_icmp(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct ipt_icmp i; /* struct ip6t_icmp is the same */
	enum tri t;

	memcpy(&i, x->info, sizeof(i));
	t = i.type == 0xff ? TRI_YES
			   : in_range(packet_knows(p, PKT_ICMP_TYPE), p->icmp_type, i.type, i.type);
	if (i.code[0] != 0 || i.code[1] != 0xff)
		t = tri_and(t, TRI_UNKNOWN);
	return inverted_if(t, i.invflags & IPT_ICMP_INV);
}

static enum tri match_multiport(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_multiport_v1 i = {0};
	enum tri t = TRI_NO;

	/* Revision 0 is the first part of revision 1. */
	memcpy(&i, x->info, x->rev ? sizeof(i) : sizeof(struct xt_multiport));
	for (unsigned int n = 0; n < i.count && n < XT_MULTI_PORTS; n++) {
		uint16_t first = i.ports[n], last = first;

		if (i.pflags[n] && n + 1 < XT_MULTI_PORTS)
			last = i.ports[++n];
		if (i.flags != XT_MULTIPORT_DESTINATION)
			t = tri_or(t, port_in(p, true, first, last, false));
		if (i.flags != XT_MULTIPORT_SOURCE)
			t = tri_or(t, port_in(p, false, first, last, false));
	}
	return inverted_if(t, i.invert);
}

static enum tri match_mark(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_mark_mtinfo1 i;

	memcpy(&i, x->info, sizeof(i));
	return inverted_if(masked_equal(p->mark, p->mark_known, i.mark, i.mask), i.invert);
}

static enum tri match_connmark(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_connmark_mtinfo1 i;

	memcpy(&i, x->info, sizeof(i));
	if (packet_without_conntrack(p))
		return TRI_NO;
	return inverted_if(masked_equal(p->ct_mark, p->ct_mark_known, i.mark, i.mask), i.invert);
}

/* Has the packet one of the states? The numbers are nft's but for untracked. */
static enum tri has_state(const struct packet *p, uint32_t mask, uint32_t untracked_bit)
{
	uint32_t state = p->ct_state;

	if (!packet_knows(p, PKT_CT_STATE))
		return TRI_UNKNOWN;
	return tri_of(mask & (state == CT_UNTRACKED ? untracked_bit : state));
}

static enum tri has_status(const struct packet *p, uint32_t mask)
{
	if (p->ct_status & p->ct_status_known & mask)
		return TRI_YES;
	return (mask & ~p->ct_status_known) ? TRI_UNKNOWN : TRI_NO;
}

static enum tri match_state(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_state_info i;

	memcpy(&i, x->info, sizeof(i));
	return has_state(p, i.statemask, XT_STATE_UNTRACKED);
}

/* The three revisions differ in the width of the masks and in port ranges. */
static struct xt_conntrack_mtinfo3 read_conntrack(const struct nft_xt *x)
{
	struct xt_conntrack_mtinfo3 i = {0};
	struct xt_conntrack_mtinfo1 one;
	uint16_t *first[] = {&i.origsrc_port, &i.origdst_port};
	uint16_t *last[] = {&i.origsrc_port_high, &i.origdst_port_high};

	if (x->rev == 3) {
		memcpy(&i, x->info, sizeof(i));
		return i;
	}
	/* All that stands before the port ranges is the same in revision 2; in 1 the masks are
	 * bytes. The ports are in network order, and single. */
	memcpy(&i, x->info, x->rev == 2 ? sizeof(struct xt_conntrack_mtinfo2) : sizeof(one));
	if (x->rev == 1) {
		memcpy(&one, x->info, sizeof(one));
		i.state_mask = one.state_mask;
		i.status_mask = one.status_mask;
	}
	for (unsigned int n = 0; n < 2; n++) {
		*first[n] = (uint16_t)(*first[n] << 8 | *first[n] >> 8);
		*last[n] = *first[n];
	}
	return i;
}

static enum tri addr_masked(bool known, uint8_t family, const struct ip_addr *addr,
	const union nf_inet_addr *want, const union nf_inet_addr *mask)
{
	const uint8_t *w = (const uint8_t *)want, *m = (const uint8_t *)mask;

	if (!known)
		return TRI_UNKNOWN;
	for (unsigned int n = 0; n < ip_bytes(family); n++) {
		if ((addr->bytes[n] & m[n]) != w[n])
			return TRI_NO;
	}
	return TRI_YES;
}

/* The part of a conntrack match that looks at the original tuple. */
static enum tri conntrack_tuple(const struct packet *p, const struct xt_conntrack_mtinfo3 *i)
{
	const struct packet_tuple *o = &p->ct_original;
	bool known = packet_knows(p, PKT_CT_ORIGINAL);
	const struct {
		uint16_t flag;
		enum tri answer;
	} parts[] = {
		{XT_CONNTRACK_PROTO,
			in_range(packet_knows(p, PKT_PROTO), p->proto, i->l4proto, i->l4proto)},
		{XT_CONNTRACK_ORIGSRC, addr_masked(known, p->family, &o->saddr, &i->origsrc_addr,
					       &i->origsrc_mask)},
		{XT_CONNTRACK_ORIGDST, addr_masked(known, p->family, &o->daddr, &i->origdst_addr,
					       &i->origdst_mask)},
		{XT_CONNTRACK_ORIGSRC_PORT,
			in_range(known, o->sport, i->origsrc_port, i->origsrc_port_high)},
		{XT_CONNTRACK_ORIGDST_PORT,
			in_range(known, o->dport, i->origdst_port, i->origdst_port_high)},
		{XT_CONNTRACK_REPLSRC, TRI_UNKNOWN},
		{XT_CONNTRACK_REPLDST, TRI_UNKNOWN},
		{XT_CONNTRACK_REPLSRC_PORT, TRI_UNKNOWN},
		{XT_CONNTRACK_REPLDST_PORT, TRI_UNKNOWN},
		{XT_CONNTRACK_EXPIRES, TRI_UNKNOWN},
	};
	enum tri t = TRI_YES;

	for (size_t n = 0; n < sizeof(parts) / sizeof(*parts); n++) {
		if (i->match_flags & parts[n].flag)
			t = tri_and(
				t, inverted_if(parts[n].answer, i->invert_flags & parts[n].flag));
	}
	return t;
}

static enum tri match_conntrack(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_conntrack_mtinfo3 i = read_conntrack(x);
	enum tri t = TRI_YES, part;

	if (i.match_flags & XT_CONNTRACK_STATE) {
		part = has_state(p, i.state_mask, XT_CONNTRACK_STATE_UNTRACKED);
		if (i.state_mask & XT_CONNTRACK_STATE_SNAT && !packet_without_conntrack(p))
			part = tri_or(part, has_status(p, CT_SRC_NAT));
		if (i.state_mask & XT_CONNTRACK_STATE_DNAT && !packet_without_conntrack(p))
			part = tri_or(part, has_status(p, CT_DST_NAT));
		t = inverted_if(part, i.invert_flags & XT_CONNTRACK_STATE);
	}
	if (packet_without_conntrack(p))
		return i.match_flags & XT_CONNTRACK_STATE ? t : TRI_NO;
	if (i.match_flags & XT_CONNTRACK_DIRECTION) {
		part = packet_knows(p, PKT_CT_DIRECTION) ? tri_of(!p->ct_reply) : TRI_UNKNOWN;
		t = tri_and(t, inverted_if(part, i.invert_flags & XT_CONNTRACK_DIRECTION));
	}
	if (i.match_flags & XT_CONNTRACK_STATUS) {
		part = has_status(p, i.status_mask);
		t = tri_and(t, inverted_if(part, i.invert_flags & XT_CONNTRACK_STATUS));
	}
	return tri_and(t, conntrack_tuple(p, &i));
}

static enum tri type_among(const struct netstate *net, bool known, const struct ip_addr *addr,
	uint32_t types, bool limited)
{
	int type = known ? walk_address_type(net, addr) : -1;

	/* Limited to one interface, an address of another interface is no local one. */
	if (type < 0 || type > 15 || (limited && type == ROUTE_LOCAL))
		return TRI_UNKNOWN;
	return tri_of(types & (1u << type));
}

static enum tri match_addrtype(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_addrtype_info_v1 i;
	struct xt_addrtype_info old;
	bool limited, not_source, not_dest;
	enum tri t = TRI_YES;

	memcpy(&i, x->info, sizeof(i)); /* source and dest stand alike in both revisions */
	limited = x->rev && i.flags & (XT_ADDRTYPE_LIMIT_IFACE_IN | XT_ADDRTYPE_LIMIT_IFACE_OUT);
	not_source = i.flags & XT_ADDRTYPE_INVERT_SOURCE;
	not_dest = i.flags & XT_ADDRTYPE_INVERT_DEST;
	if (x->rev == 0) {
		memcpy(&old, x->info, sizeof(old));
		not_source = old.invert_source;
		not_dest = old.invert_dest;
	}
	if (i.source)
		t = inverted_if(
			type_among(net, packet_knows(p, PKT_SADDR), &p->saddr, i.source, limited),
			not_source);
	if (i.dest)
		t = tri_and(t, inverted_if(type_among(net, packet_knows(p, PKT_DADDR), &p->daddr,
						   i.dest, limited),
				       not_dest));
	return t;
}

static enum tri addr_between(bool known, const struct packet *p, const struct ip_addr *addr,
	const union nf_inet_addr *first, const union nf_inet_addr *last)
{
	unsigned int len = ip_bytes(p->family);

	if (!known)
		return TRI_UNKNOWN;
	return tri_of(memcmp(addr->bytes, first, len) >= 0 && memcmp(addr->bytes, last, len) <= 0);
}

static enum tri match_iprange(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_iprange_mtinfo i;
	enum tri t = TRI_YES;

	memcpy(&i, x->info, sizeof(i));
	if (i.flags & IPRANGE_SRC)
		t = inverted_if(addr_between(packet_knows(p, PKT_SADDR), p, &p->saddr, &i.src_min,
					&i.src_max),
			i.flags & IPRANGE_SRC_INV);
	if (i.flags & IPRANGE_DST)
		t = tri_and(t, inverted_if(addr_between(packet_knows(p, PKT_DADDR), p, &p->daddr,
						   &i.dst_min, &i.dst_max),
				       i.flags & IPRANGE_DST_INV));
	return t;
}

/* "Above" the rate is no; "up to" is yes. */
static enum tri match_hashlimit(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_hashlimit_mtinfo1 one;
	struct xt_hashlimit_mtinfo2 two;
	struct xt_hashlimit_mtinfo3 three;
	uint32_t mode;

	if (x->rev == 1) {
		memcpy(&one, x->info, sizeof(one));
		mode = one.cfg.mode;
	} else if (x->rev == 2) {
		memcpy(&two, x->info, sizeof(two));
		mode = two.cfg.mode;
	} else {
		memcpy(&three, x->info, sizeof(three));
		mode = three.cfg.mode;
	}
	return tri_of(!(mode & XT_HASHLIMIT_INVERT));
}

static enum tri match_connlimit(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_connlimit_info i;

	memcpy(&i, x->info, sizeof(i));
	return tri_of(i.flags & XT_CONNLIMIT_INVERT);
}

static enum tri match_recent(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_recent_mtinfo i; /* the first part of revision 1, too */

	memcpy(&i, x->info, sizeof(i));
	if (i.check_set & XT_RECENT_SET)
		return inverted_if(TRI_YES, i.invert);
	/* Unless a rule before has just put it there, the sender is on no list; a rule that wants
	 * it seen more than once says no either way. */
	return i.hit_count > 1 ? inverted_if(TRI_NO, i.invert) : TRI_UNKNOWN;
}

static enum tri match_physdev(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_physdev_info i;

	memcpy(&i, x->info, sizeof(i));
	if (!packet_knows(p, PKT_BRIDGED) || p->bridged)
		return TRI_UNKNOWN;
	return tri_of(!(i.bitmask & ~i.invert & XT_PHYSDEV_OP_MASK));
}

static enum tri match_pkttype(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_pkttype_info i;

	memcpy(&i, x->info, sizeof(i));
	return inverted_if(in_range(packet_knows(p, PKT_TYPE), p->type, (uint32_t)i.pkttype,
				   (uint32_t)i.pkttype),
		i.invert);
}

static enum tri match_policy(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_policy_info i;

	memcpy(&i, x->info, sizeof(i));
	/* What came in without IPsec is known; what goes out is not. */
	if (!(i.flags & XT_POLICY_MATCH_IN) || !packet_knows(p, PKT_SECPATH) || p->secpath)
		return TRI_UNKNOWN;
	return tri_of(i.flags & XT_POLICY_MATCH_NONE);
}

static enum tri match_rpfilter(
	const struct netstate *net, const struct packet *p, const struct nft_xt *x)
{
	struct xt_rpfilter_info i;
	enum way_back wanted = p->family == IP_V6 ? WAY_BACK_BY_SOME : WAY_BACK_BY_BEST;
	enum tri t;

	memcpy(&i, x->info, sizeof(i));
	if (i.flags & XT_RPFILTER_LOOSE)
		wanted = WAY_BACK_ANY;
	t = walk_way_back(net, p, i.flags & XT_RPFILTER_VALID_MARK, wanted);
	if (t == TRI_NO && i.flags & XT_RPFILTER_ACCEPT_LOCAL)
		t = TRI_UNKNOWN;
	return inverted_if(t, i.flags & XT_RPFILTER_INVERT);
}

static const struct xt_match {
	const char *name;
	uint32_t rev_first, rev_last;
	uint32_t size; /* of the blob, at least */
	enum tri (*decide)(
		const struct netstate *net, const struct packet *p, const struct nft_xt *x);
} matches[] = {
	{"comment", 0, 0, 0, match_always},
	{"limit", 0, 0, 0, match_always},
	/* Of IPv6 extension headers. */
	{"ah", 0, 0, 0, match_never},
	{"dst", 0, 0, 0, match_never},
	{"frag", 0, 0, 0, match_never},
	{"hbh", 0, 0, 0, match_never},
	{"mh", 0, 0, 0, match_never},
	{"rt", 0, 0, 0, match_never},
	{"tcp", 0, 0, sizeof(struct xt_tcp), match_tcp},
	{"udp", 0, 0, sizeof(struct xt_udp), match_udp},
	{"sctp", 0, 0, sizeof(struct xt_sctp_info), match_sctp},
	{"icmp", 0, 0, sizeof(struct ipt_icmp), match_icmp},
	{"icmp6", 0, 0, sizeof(struct ipt_icmp), match_icmp},
	{"multiport", 0, 0, sizeof(struct xt_multiport), match_multiport},
	{"multiport", 1, 1, sizeof(struct xt_multiport_v1), match_multiport},
	{"mark", 1, 1, sizeof(struct xt_mark_mtinfo1), match_mark},
	{"connmark", 1, 1, sizeof(struct xt_connmark_mtinfo1), match_connmark},
	{"state", 0, 0, sizeof(struct xt_state_info), match_state},
	{"conntrack", 1, 1, sizeof(struct xt_conntrack_mtinfo1), match_conntrack},
	{"conntrack", 2, 2, sizeof(struct xt_conntrack_mtinfo2), match_conntrack},
	{"conntrack", 3, 3, sizeof(struct xt_conntrack_mtinfo3), match_conntrack},
	{"addrtype", 0, 0, sizeof(struct xt_addrtype_info), match_addrtype},
	{"addrtype", 1, 1, sizeof(struct xt_addrtype_info_v1), match_addrtype},
	{"iprange", 1, 1, sizeof(struct xt_iprange_mtinfo), match_iprange},
	{"hashlimit", 1, 1, sizeof(struct xt_hashlimit_mtinfo1), match_hashlimit},
	{"hashlimit", 2, 2, sizeof(struct xt_hashlimit_mtinfo2), match_hashlimit},
	{"hashlimit", 3, 3, sizeof(struct xt_hashlimit_mtinfo3), match_hashlimit},
	{"connlimit", 1, 1, sizeof(struct xt_connlimit_info), match_connlimit},
	{"recent", 0, 1, sizeof(struct xt_recent_mtinfo), match_recent},
	{"physdev", 0, 0, sizeof(struct xt_physdev_info), match_physdev},
	{"pkttype", 0, 0, sizeof(struct xt_pkttype_info), match_pkttype},
	{"rpfilter", 0, 0, sizeof(struct xt_rpfilter_info), match_rpfilter},
	{"policy", 0, 0, sizeof(struct xt_policy_info), match_policy},
};

enum tri walk_xt_match(const struct netstate *net, const struct packet *p, const struct nft_xt *x,
	const char **why)
{
	*why = "an iptables match that cannot be looked into";
	for (size_t i = 0; i < sizeof(matches) / sizeof(*matches); i++) {
		const struct xt_match *m = &matches[i];

		if (strcmp(m->name, x->name) != 0 || x->rev < m->rev_first || x->rev > m->rev_last)
			continue;
		if (x->info_len < m->size || (m->size && !x->info))
			break;
		*why = "it depends on what is not known of the packet";
		return m->decide(net, p, x);
	}
	return TRI_UNKNOWN;
}
