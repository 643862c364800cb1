/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads which packets iptables' matches are for, from their blobs. */
#include <string.h>

#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>

#include "walk/scope_parts.h"

static void xt_ports(struct scope_reading *r, const uint16_t sports[2], const uint16_t dports[2],
	bool inverted_source, bool inverted)
{
	struct scope *s = scope_alternative(r);

	if (sports[0] != 0 || sports[1] != UINT16_MAX || inverted_source)
		s->more = true;
	if (inverted) {
		s->more = true;
		return;
	}
	s->first = dports[0];
	s->last = dports[1];
}

static void xt_tcp(struct scope_reading *r, const struct nft_xt *x)
{
	struct xt_tcp i;

	memcpy(&i, x->info, sizeof(i));
	xt_ports(r, i.spts, i.dpts, i.invflags & XT_TCP_INV_SRCPT, i.invflags & XT_TCP_INV_DSTPT);
	/* --syn: the first packets are all that a nat chain sees. */
	if (i.option || (i.flg_mask && !(i.flg_cmp == 0x02 && !(i.invflags & XT_TCP_INV_FLAGS))))
		r->alternatives.items.items[0].more = true;
}

static void xt_udp(struct scope_reading *r, const struct nft_xt *x)
{
	struct xt_udp i;

	memcpy(&i, x->info, sizeof(i));
	xt_ports(r, i.spts, i.dpts, i.invflags & XT_UDP_INV_SRCPT, i.invflags & XT_UDP_INV_DSTPT);
}

static void xt_sctp(struct scope_reading *r, const struct nft_xt *x)
{
	static const uint16_t all[2] = {0, UINT16_MAX};
	struct xt_sctp_info i;

	memcpy(&i, x->info, sizeof(i));
	xt_ports(r, i.flags & XT_SCTP_SRC_PORTS ? i.spts : all,
		i.flags & XT_SCTP_DEST_PORTS ? i.dpts : all, i.invflags & XT_SCTP_SRC_PORTS,
		i.invflags & XT_SCTP_DEST_PORTS);
	if (i.flags & XT_SCTP_CHUNK_TYPES)
		r->alternatives.items.items[0].more = true;
}

static void xt_multiport(struct scope_reading *r, const struct nft_xt *x)
{
	struct xt_multiport_v1 i = {0};

	memcpy(&i, x->info, x->rev ? sizeof(i) : sizeof(struct xt_multiport));
	if (i.invert || i.flags == XT_MULTIPORT_SOURCE) {
		scope_all_of_it(r);
		return;
	}
	for (unsigned int n = 0; n < i.count && n < XT_MULTI_PORTS; n++) {
		struct scope *s = scope_alternative(r);

		s->first = s->last = i.ports[n];
		if (i.pflags[n] && n + 1 < XT_MULTI_PORTS)
			s->last = i.ports[++n];
		s->more = i.flags == XT_MULTIPORT_EITHER;
	}
}

static void xt_addrtype(struct scope_reading *r, const struct nft_xt *x)
{
	struct scope *s = scope_alternative(r);
	uint16_t source, dest;
	bool inverted;

	if (x->rev == 0) {
		struct xt_addrtype_info i = {0};

		memcpy(&i, x->info, x->info_len < sizeof(i) ? x->info_len : sizeof(i));
		source = i.source;
		dest = i.dest;
		inverted = i.invert_dest || i.invert_source;
	} else {
		struct xt_addrtype_info_v1 i;

		memcpy(&i, x->info, sizeof(i));
		source = i.source;
		dest = i.dest;
		inverted = i.flags & (XT_ADDRTYPE_INVERT_DEST | XT_ADDRTYPE_INVERT_SOURCE);
	}
	s->dst_local = !source && !inverted && dest == 1u << ROUTE_LOCAL;
	s->more = !s->dst_local;
}

static uint32_t states_of(uint32_t mask)
{
	uint32_t states = mask & (CT_INVALID | CT_ESTABLISHED | CT_RELATED | CT_NEW);

	return mask & XT_CONNTRACK_STATE_UNTRACKED ? states | CT_UNTRACKED : states;
}

static void xt_state(struct scope_reading *r, const struct nft_xt *x)
{
	struct xt_state_info i;

	memcpy(&i, x->info, sizeof(i));
	scope_alternative(r)->states = states_of(i.statemask);
}

/* Revisions 2 and 3 are the same as far as this reads. */
static void xt_conntrack(struct scope_reading *r, const struct nft_xt *x)
{
	const uint16_t known =
		XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS | XT_CONNTRACK_DIRECTION;
	struct xt_conntrack_mtinfo2 i;
	struct scope *s = scope_alternative(r);
	bool inverted;
	uint32_t states;

	if (x->rev < 2) {
		s->more = true;
		return;
	}
	memcpy(&i, x->info, sizeof(i));
	inverted = i.invert_flags & XT_CONNTRACK_STATE;
	states = states_of(i.state_mask);
	if (i.match_flags & XT_CONNTRACK_STATE) {
		bool snat = i.state_mask & XT_CONNTRACK_STATE_SNAT;
		bool dnat = i.state_mask & XT_CONNTRACK_STATE_DNAT;

		if (!snat && !dnat)
			s->states = inverted ? SCOPE_STATES & ~states : states;
		else if (dnat && !snat && !states)
			*(inverted ? &s->not_dnat : &s->only_dnat) = true;
		else
			s->more = true;
	}
	/* Set for --ctdir ORIGINAL; inverted for REPLY. */
	if (i.match_flags & XT_CONNTRACK_DIRECTION)
		s->direction = i.invert_flags & XT_CONNTRACK_DIRECTION ? 2 : 1;
	if (i.match_flags & (uint16_t)~known)
		s->more = true;
}

static void xt_mark(struct scope_reading *r, const struct nft_xt *x)
{
	struct xt_mark_mtinfo1 i; /* struct xt_connmark_mtinfo1 is the same */
	struct scope *s = scope_alternative(r);
	bool ct = strcmp(x->name, "connmark") == 0;

	memcpy(&i, x->info, sizeof(i));
	if (i.invert) {
		s->more = true;
		return;
	}
	*(ct ? &s->ct_mark : &s->mark) = i.mark;
	*(ct ? &s->ct_mark_mask : &s->mark_mask) = i.mask;
}

static void xt_set(struct scope_reading *r, const struct nft_xt *x)
{
	struct xt_set_info_match_v1 i;
	const struct nft_set *set = NULL;

	memcpy(&i, x->info, sizeof(i));
	VEC_EACH (&r->net->ruleset.ipsets, struct nft_set *, it) {
		if (x->names[0] && strcmp((*it)->name, x->names[0]) == 0)
			set = *it;
	}
	if (!set || x->rev == 0 || set->flags & SET_INCOMPLETE || set->n_key != 1 ||
		set->len > SCOPE_MAX || i.match_set.flags & IPSET_INV_MATCH ||
		(set->key[0].type != NFT_T_IPV4 && set->key[0].type != NFT_T_IPV6)) {
		scope_all_of_it(r);
		return;
	}
	for (size_t n = 0; n < set->len; n++) {
		bool v6 = set->key[0].type == NFT_T_IPV6;
		const uint8_t *first = nft_set_elem(set, n);

		scope_read_address(scope_alternative(r), i.match_set.flags & IPSET_DIM_ONE_SRC,
			v6 ? IP_V6 : IP_V4, first,
			set->flags & SET_INTERVAL ? nft_set_elem_last(set, n) : first);
	}
}

static void xt_nothing(struct scope_reading *r, const struct nft_xt *x)
{
	scope_alternative(r);
}

static void xt_looks_back(struct scope_reading *r, const struct nft_xt *x)
{
	scope_alternative(r)->looks_back = true;
}

static const struct {
	const char *name;
	uint32_t len; /* of the shortest blob */
	void (*read)(struct scope_reading *r, const struct nft_xt *x);
} matches[] = {
	{"addrtype", sizeof(struct xt_addrtype_info_v1), xt_addrtype},
	{"comment", 0, xt_nothing},
	{"connmark", sizeof(struct xt_mark_mtinfo1), xt_mark},
	{"conntrack", sizeof(struct xt_conntrack_mtinfo1), xt_conntrack},
	{"mark", sizeof(struct xt_mark_mtinfo1), xt_mark},
	{"multiport", sizeof(struct xt_multiport), xt_multiport},
	{"rpfilter", 0, xt_looks_back},
	{"sctp", sizeof(struct xt_sctp_info), xt_sctp},
	{"set", sizeof(struct xt_set_info_match_v1), xt_set},
	{"state", sizeof(struct xt_state_info), xt_state},
	{"tcp", sizeof(struct xt_tcp), xt_tcp},
	{"udp", sizeof(struct xt_udp), xt_udp},
};

void scope_read_xt(struct scope_reading *r, const struct nft_xt *x)
{
	for (size_t i = 0; i < sizeof(matches) / sizeof(*matches); i++) {
		if (strcmp(matches[i].name, x->name) != 0)
			continue;
		if (matches[i].len && (x->hollow || !x->info || x->info_len < matches[i].len))
			break;
		matches[i].read(r, x);
		return;
	}
	scope_all_of_it(r);
}
