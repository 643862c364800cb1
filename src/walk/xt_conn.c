/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides iptables' matches on the connection: conntrack, state, connmark, helper. */
#include <string.h>

#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_state.h>

#include "walk/xt_ask.h"

enum tri walk_xt_connmark(const struct walk_xt_ask *q)
{
	struct xt_connmark_mtinfo1 i;

	memcpy(&i, q->x->info, sizeof(i));
	if (packet_without_conntrack(q->p))
		return TRI_NO;
	return inverted_if(
		masked_equal(q->p->ct_mark, q->p->ct_mark_known, i.mark, i.mask), i.invert);
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

enum tri walk_xt_state(const struct walk_xt_ask *q)
{
	struct xt_state_info i;

	memcpy(&i, q->x->info, sizeof(i));
	return has_state(q->p, i.statemask, XT_STATE_UNTRACKED);
}

/* The three revisions differ in the width of the masks and in port ranges. */
static struct xt_conntrack_mtinfo3 read_conntrack(const struct nft_xt *x)
{
	struct xt_conntrack_mtinfo3 i = {0};
	struct xt_conntrack_mtinfo1 one;
	uint16_t *first[] = {&i.origsrc_port, &i.origdst_port, &i.replsrc_port, &i.repldst_port};
	uint16_t *last[] = {&i.origsrc_port_high, &i.origdst_port_high, &i.replsrc_port_high,
		&i.repldst_port_high};

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
	for (unsigned int n = 0; n < 4; n++) {
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
		if ((addr->bytes[n] ^ w[n]) & m[n])
			return TRI_NO;
	}
	return TRI_YES;
}

/* The part of a conntrack match that looks at the two tuples. */
static enum tri conntrack_tuple(const struct packet *p, const struct xt_conntrack_mtinfo3 *i)
{
	const struct packet_tuple *o = &p->ct_original, *r = &p->ct_answer;
	bool known = packet_knows(p, PKT_CT_ORIGINAL), knows_r = packet_knows(p, PKT_CT_REPLY);
	/* That of an ICMP error is its connection's. */
	bool knows_proto = packet_knows(p, PKT_PROTO) && !walk_may_be_error(p);
	const struct {
		uint16_t flag;
		enum tri answer;
	} parts[] = {
		{XT_CONNTRACK_PROTO, in_range(knows_proto, p->proto, i->l4proto, i->l4proto)},
		{XT_CONNTRACK_ORIGSRC, addr_masked(known, p->family, &o->saddr, &i->origsrc_addr,
					       &i->origsrc_mask)},
		{XT_CONNTRACK_ORIGDST, addr_masked(known, p->family, &o->daddr, &i->origdst_addr,
					       &i->origdst_mask)},
		{XT_CONNTRACK_ORIGSRC_PORT,
			in_range(known, o->sport, i->origsrc_port, i->origsrc_port_high)},
		{XT_CONNTRACK_ORIGDST_PORT,
			in_range(known, o->dport, i->origdst_port, i->origdst_port_high)},
		{XT_CONNTRACK_REPLSRC, addr_masked(knows_r, p->family, &r->saddr, &i->replsrc_addr,
					       &i->replsrc_mask)},
		{XT_CONNTRACK_REPLDST, addr_masked(knows_r, p->family, &r->daddr, &i->repldst_addr,
					       &i->repldst_mask)},
		{XT_CONNTRACK_REPLSRC_PORT, in_range(packet_knows(p, PKT_CT_REPLY_SPORT), r->sport,
						    i->replsrc_port, i->replsrc_port_high)},
		{XT_CONNTRACK_REPLDST_PORT, in_range(packet_knows(p, PKT_CT_REPLY_DPORT), r->dport,
						    i->repldst_port, i->repldst_port_high)},
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

enum tri walk_xt_conntrack(const struct walk_xt_ask *q)
{
	struct xt_conntrack_mtinfo3 i = read_conntrack(q->x);
	enum tri t = TRI_YES, part;

	if (i.match_flags & XT_CONNTRACK_STATE) {
		part = has_state(q->p, i.state_mask, XT_CONNTRACK_STATE_UNTRACKED);
		if (i.state_mask & XT_CONNTRACK_STATE_SNAT && !packet_without_conntrack(q->p))
			part = tri_or(part, has_status(q->p, CT_SRC_NAT));
		if (i.state_mask & XT_CONNTRACK_STATE_DNAT && !packet_without_conntrack(q->p))
			part = tri_or(part, has_status(q->p, CT_DST_NAT));
		t = inverted_if(part, i.invert_flags & XT_CONNTRACK_STATE);
	}
	if (packet_without_conntrack(q->p))
		return i.match_flags & XT_CONNTRACK_STATE ? t : TRI_NO;
	if (i.match_flags & XT_CONNTRACK_DIRECTION) {
		part = packet_knows(q->p, PKT_CT_DIRECTION) ? tri_of(!q->p->ct_reply) : TRI_UNKNOWN;
		t = tri_and(t, inverted_if(part, i.invert_flags & XT_CONNTRACK_DIRECTION));
	}
	if (i.match_flags & XT_CONNTRACK_STATUS) {
		part = has_status(q->p, i.status_mask);
		t = tri_and(t, inverted_if(part, i.invert_flags & XT_CONNTRACK_STATUS));
	}
	if (!(i.match_flags & ~(XT_CONNTRACK_STATE | XT_CONNTRACK_DIRECTION | XT_CONNTRACK_STATUS)))
		return t; /* as most do */
	return tri_and(t, conntrack_tuple(q->p, &i));
}

/* It looks at the helper of the connection that expected this one (net/netfilter/xt_helper.c). */
enum tri walk_xt_helper(const struct walk_xt_ask *q)
{
	struct xt_helper_info i;

	memcpy(&i, q->x->info, sizeof(i));
	if (packet_without_conntrack(q->p) ||
		(q->p->ct_status_known & CT_EXPECTED && !(q->p->ct_status & CT_EXPECTED)))
		return inverted_if(TRI_NO, i.invert);
	return not_known(q, "whether a helper expected the connection is not known");
}
