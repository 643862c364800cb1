/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the selectors of nft give for a packet: header fields, meta, conntrack, fib. */
#include <net/if_arp.h>
#include <string.h>

#include "walk/fib.h"
#include "walk/value.h"

#define ETHERTYPE_IP   0x0800
#define ETHERTYPE_IPV6 0x86dd
#define IP_DF	       0x4000

/* ---- values of one kind ---- */

static void value_u8(struct walk_value *v, enum nft_type type, bool known, uint8_t n)
{
	if (known)
		walk_value_known(v, type, &n, 1);
	else
		walk_value_unknown(v, type, 1);
}

/* In network order. */
static void value_u16(struct walk_value *v, enum nft_type type, bool known, uint16_t n)
{
	const uint8_t bytes[2] = {n >> 8, n & 0xff};

	if (known)
		walk_value_known(v, type, bytes, 2);
	else
		walk_value_unknown(v, type, 2);
}

static void value_bits(struct walk_value *v, enum nft_type type, uint32_t n, uint32_t known)
{
	n &= known;
	walk_value_unknown(v, type, 4);
	memcpy(v->bytes, &n, 4);
	memcpy(v->known, &known, 4);
}

static void value_u32(struct walk_value *v, enum nft_type type, bool known, uint32_t n)
{
	value_bits(v, type, n, known ? UINT32_MAX : 0);
}

static void value_tri(struct walk_value *v, enum tri t)
{
	value_u8(v, NFT_T_BOOL, t != TRI_UNKNOWN, t == TRI_YES);
}

static void value_ifname(struct walk_value *v, bool known, const char *name)
{
	char padded[16] = "";

	if (!known) {
		walk_value_unknown(v, NFT_T_IFNAME, sizeof(padded));
		return;
	}
	if (name) /* none: the kernel compares an empty name */
		memcpy(padded, name, strnlen(name, sizeof(padded) - 1));
	walk_value_known(v, NFT_T_IFNAME, padded, sizeof(padded));
}

static void value_addr(struct walk_value *v, bool known, const struct ip_addr *addr, uint8_t family)
{
	enum nft_type type = family == IP_V4 ? NFT_T_IPV4 : NFT_T_IPV6;

	if (known)
		walk_value_known(v, type, addr->bytes, ip_bytes(family));
	else
		walk_value_unknown(v, type, ip_bytes(family));
}

/* A field of the IP header of one family. */
static bool of_family(struct walk_value *v, const struct packet *p, uint8_t family)
{
	if (p->family == family)
		return true;
	walk_value_absent(v);
	return false;
}

/* ---- meta ---- */

static void select_interface(struct walk_value *v, const struct netstate *net, enum nft_selector s,
	bool known, const char *name)
{
	const struct net_link *l = known && name ? netstate_link(net, name) : NULL;

	if (known && !name && (s == SEL_META_IIFGROUP || s == SEL_META_OIFGROUP))
		walk_value_absent(v);
	else if (s == SEL_META_IIFGROUP || s == SEL_META_OIFGROUP)
		value_u32(v, NFT_T_INTEGER, l, l ? l->group : 0);
	else
		value_u32(v, NFT_T_IFINDEX, l || (known && !name), l ? (uint32_t)l->index : 0);
}

/* ARPHRD_*, which ip(8) does not print as a number: of what is no Ethernet only two are told. */
static void select_link_type(
	struct walk_value *v, const struct netstate *net, bool known, const char *name)
{
	const struct net_link *l = known && name ? netstate_link(net, name) : NULL;
	uint16_t type = !l					 ? 0
			: l->loopback				 ? ARPHRD_LOOPBACK
			: l->kind && strcmp(l->kind, "ppp") == 0 ? ARPHRD_PPP
			: l->has_mac				 ? ARPHRD_ETHER
								 : 0;

	if (known && !name)
		walk_value_absent(v);
	else if (type)
		walk_value_known(v, NFT_T_LINK_TYPE, (const uint8_t *)&type, sizeof(type));
	else
		walk_value_unknown(v, NFT_T_LINK_TYPE, sizeof(type));
}

static void select_owner(struct walk_value *v, const struct packet *p, enum nft_selector s)
{
	if (!p->from_socket)
		walk_value_absent(v);
	else if (s == SEL_META_SKUID)
		value_u32(v, NFT_T_UID, packet_knows(p, PKT_UID), p->uid);
	else
		value_u32(v, NFT_T_UID, packet_knows(p, PKT_GID), p->gid);
}

static void select_meta(const struct walk_run *run, const struct packet *p, enum nft_selector s,
	struct walk_value *v)
{
	bool knows_iif = packet_knows(p, PKT_IIF), knows_oif = packet_knows(p, PKT_OIF);

	switch ((int)s) {
	case SEL_META_IIFNAME:
		value_ifname(v, knows_iif, p->iif);
		return;
	case SEL_META_OIFNAME:
		value_ifname(v, knows_oif, p->oif);
		return;
	case SEL_META_IIF:
	case SEL_META_IIFGROUP:
		select_interface(v, run->w->net, s, knows_iif, p->iif);
		return;
	case SEL_META_OIF:
	case SEL_META_OIFGROUP:
		select_interface(v, run->w->net, s, knows_oif, p->oif);
		return;
	case SEL_META_IIFTYPE:
		select_link_type(v, run->w->net, knows_iif, p->iif);
		return;
	case SEL_META_OIFTYPE:
		select_link_type(v, run->w->net, knows_oif, p->oif);
		return;
	case SEL_META_MARK:
		value_bits(v, NFT_T_MARK, p->mark, p->mark_known);
		return;
	case SEL_META_L4PROTO:
		value_u8(v, NFT_T_PROTO, packet_knows(p, PKT_PROTO), p->proto);
		return;
	case SEL_META_NFPROTO:
		value_u8(v, NFT_T_NFPROTO, true, p->family == IP_V6 ? FAMILY_IP6 : FAMILY_IP);
		return;
	case SEL_META_PROTOCOL:
		value_u16(v, NFT_T_ETHERTYPE, true,
			p->family == IP_V6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
		return;
	case SEL_META_PKTTYPE:
		value_u8(v, NFT_T_PKTTYPE, packet_knows(p, PKT_TYPE), p->type);
		return;
	case SEL_META_SECPATH:
		value_u8(v, NFT_T_BOOL, packet_knows(p, PKT_SECPATH), p->secpath);
		return;
	case SEL_META_LENGTH:
		value_u32(v, NFT_T_INTEGER, packet_knows(p, PKT_LENGTH), p->length);
		return;
	case SEL_META_SKUID:
	case SEL_META_SKGID:
		select_owner(v, p, s);
		return;
	case SEL_META_IBRNAME:
	case SEL_META_OBRNAME: /* of frames in the hooks of a bridge: these are not walked */
		walk_value_absent(v);
		return;
	default: /* priority, realms: not kept */
		walk_value_unknown(v, nft_selector_type(s), 4);
	}
}

/* ---- headers ---- */

static void select_ip(struct walk_value *v, const struct packet *p, enum nft_selector s)
{
	switch ((int)s) {
	case SEL_IP_SADDR:
	case SEL_IP6_SADDR:
		value_addr(v, packet_knows(p, PKT_SADDR), &p->saddr, p->family);
		return;
	case SEL_IP_DADDR:
	case SEL_IP6_DADDR:
		value_addr(v, packet_knows(p, PKT_DADDR), &p->daddr, p->family);
		return;
	case SEL_IP_PROTOCOL:
	case SEL_IP6_NEXTHDR:
		value_u8(v, NFT_T_PROTO, packet_knows(p, PKT_PROTO), p->proto);
		return;
	case SEL_IP_DSCP:
	case SEL_IP6_DSCP:
		value_u8(v, NFT_T_DSCP, packet_knows(p, PKT_TOS), p->tos >> 2);
		return;
	case SEL_IP_TTL:
	case SEL_IP6_HOPLIMIT:
		value_u8(v, NFT_T_U8, packet_knows(p, PKT_TTL), p->ttl);
		return;
	case SEL_IP_LENGTH:
		value_u16(v, NFT_T_U16, packet_knows(p, PKT_LENGTH), p->length);
		return;
	case SEL_IP6_LENGTH: /* without the header */
		value_u16(v, NFT_T_U16, packet_knows(p, PKT_LENGTH) && p->length >= 40,
			(uint16_t)(p->length - 40));
		return;
	default: /* SEL_IP_FRAG_OFF: whether fragmenting is forbidden is not kept */
		value_u16(v, NFT_T_U16, false, 0);
		if (packet_knows(p, PKT_FRAGMENT) && !p->fragment) {
			v->known[0] = (uint8_t) ~(IP_DF >> 8);
			v->known[1] = 0xff;
		}
	}
}

static void select_port(struct walk_value *v, const struct packet *p, enum packet_field field)
{
	bool ports = packet_knows(p, PKT_PROTO) &&
		     (p->proto == PROTO_TCP || p->proto == PROTO_UDP || p->proto == PROTO_SCTP);

	uint16_t bits = packet_port_bits(p, field == PKT_SPORT);

	if (packet_knows(p, PKT_FRAGMENT) && p->fragment) {
		walk_value_absent(v);
		return;
	}
	value_u16(v, NFT_T_PORT, ports, field == PKT_SPORT ? p->sport : p->dport);
	for (unsigned int i = 0; ports && i < 2; i++) {
		v->known[i] = (uint8_t)(bits >> (8 - 8 * i));
		v->bytes[i] &= v->known[i];
	}
}

/* A field of a protocol's header. */
static void select_of_proto(struct walk_value *v, const struct packet *p, enum nft_type type,
	uint8_t proto, enum packet_field field, uint8_t n)
{
	if (packet_knows(p, PKT_PROTO) && p->proto != proto)
		walk_value_absent(v);
	else
		value_u8(v, type, packet_knows(p, PKT_PROTO | field), n);
}

static void select_maxseg(struct walk_value *v, const struct packet *p)
{
	bool not_tcp = packet_knows(p, PKT_PROTO) && p->proto != PROTO_TCP;

	if (not_tcp || (packet_knows(p, PKT_MSS) && p->mss == 0))
		walk_value_absent(v);
	else
		value_u16(v, NFT_T_U16, packet_knows(p, PKT_MSS), p->mss);
}

static void select_smac(struct walk_value *v, const struct packet *p)
{
	if (p->from_socket)
		walk_value_absent(v);
	else if (packet_knows(p, PKT_SMAC))
		walk_value_known(v, NFT_T_ETHER, p->smac, sizeof(p->smac));
	else
		walk_value_unknown(v, NFT_T_ETHER, sizeof(p->smac));
}

/* ---- conntrack ---- */

static void select_tuple(struct walk_value *v, const struct packet *p, enum nft_selector s)
{
	const struct packet_tuple *o = &p->ct_original, *r = &p->ct_answer;
	bool knows_o = packet_knows(p, PKT_CT_ORIGINAL), knows_r = packet_knows(p, PKT_CT_REPLY);

	switch ((int)s) {
	case SEL_CT_ORIGINAL_SADDR:
		value_addr(v, knows_o, &o->saddr, p->family);
		return;
	case SEL_CT_ORIGINAL_DADDR:
		value_addr(v, knows_o, &o->daddr, p->family);
		return;
	case SEL_CT_REPLY_SADDR:
		value_addr(v, knows_r, &r->saddr, p->family);
		return;
	case SEL_CT_REPLY_DADDR:
		value_addr(v, knows_r, &r->daddr, p->family);
		return;
	case SEL_CT_ORIGINAL_SPORT:
		value_u16(v, NFT_T_PORT, knows_o, o->sport);
		return;
	case SEL_CT_ORIGINAL_DPORT:
		value_u16(v, NFT_T_PORT, knows_o, o->dport);
		return;
	case SEL_CT_REPLY_SPORT:
		value_u16(v, NFT_T_PORT, packet_knows(p, PKT_CT_REPLY_SPORT), r->sport);
		return;
	default: /* SEL_CT_REPLY_DPORT */
		value_u16(v, NFT_T_PORT, packet_knows(p, PKT_CT_REPLY_DPORT), r->dport);
	}
}

static void select_ct(struct walk_value *v, const struct packet *p, enum nft_selector s)
{
	if (s == SEL_CT_STATE) {
		value_u32(v, NFT_T_CT_STATE, packet_knows(p, PKT_CT_STATE), p->ct_state);
		return;
	}
	if (packet_without_conntrack(p)) {
		walk_value_absent(v);
		return;
	}
	switch ((int)s) {
	case SEL_CT_STATUS:
		value_bits(v, NFT_T_CT_STATUS, p->ct_status, p->ct_status_known);
		return;
	case SEL_CT_MARK:
		value_bits(v, NFT_T_MARK, p->ct_mark, p->ct_mark_known);
		return;
	case SEL_CT_DIRECTION:
		value_u8(v, NFT_T_CT_DIR, packet_knows(p, PKT_CT_DIRECTION), p->ct_reply);
		return;
	case SEL_CT_L3PROTO:
		value_u8(v, NFT_T_NFPROTO, true, p->family == IP_V6 ? FAMILY_IP6 : FAMILY_IP);
		return;
	case SEL_CT_PROTOCOL:
		/* (That of an ICMP error is the connection's it belongs to.) */
		value_u8(v, NFT_T_PROTO, packet_knows(p, PKT_PROTO) && !walk_may_be_error(p),
			p->proto);
		return;
	case SEL_CT_ZONE:
		walk_value_unknown(v, NFT_T_OTHER, 2);
		if (packet_knows(p, PKT_CT_ZONE))
			walk_value_known(v, NFT_T_OTHER, &p->ct_zone, 2);
		return;
	case SEL_CT_HELPER:
		walk_value_unknown(v, NFT_T_OTHER, 16);
		return;
	default:
		select_tuple(v, p, s);
	}
}

/* ---- fib ---- */

static void select_fib_type(const struct walk_run *run, const struct packet *p, enum nft_selector s,
	struct walk_value *v)
{
	bool source = s == SEL_FIB_SADDR_TYPE || s == SEL_FIB_SADDR_IIF_TYPE;
	bool limited = s == SEL_FIB_SADDR_IIF_TYPE || s == SEL_FIB_DADDR_IIF_TYPE;
	int type = -1;

	/* Where there is no interface to limit it to (output), any address counts. */
	if (packet_knows(p, source ? PKT_SADDR : PKT_DADDR) &&
		(!limited || packet_knows(p, PKT_IIF)))
		type = walk_address_type(
			run->w->net, p, source ? &p->saddr : &p->daddr, limited && p->iif, p->iif);
	value_u32(v, NFT_T_FIB_TYPE, type >= 0, type < 0 ? 0 : (uint32_t)type);
}

static void select_fib(const struct walk_run *run, const struct packet *p, enum nft_selector s,
	struct walk_value *v)
{
	static const struct {
		enum nft_selector selector;
		bool daddr, mark, iif, name;
	} questions[] = {
		{SEL_FIB_SADDR_OIF, false, false, false, false},
		{SEL_FIB_SADDR_MARK_OIF, false, true, false, false},
		{SEL_FIB_SADDR_IIF_OIF, false, false, true, false},
		{SEL_FIB_SADDR_MARK_IIF_OIF, false, true, true, false},
		{SEL_FIB_DADDR_OIF, true, false, false, false},
		{SEL_FIB_DADDR_MARK_OIF, true, true, false, false},
		{SEL_FIB_SADDR_OIFNAME, false, false, false, true},
		{SEL_FIB_SADDR_IIF_OIFNAME, false, false, true, true},
		{SEL_FIB_DADDR_OIFNAME, true, false, false, true},
		{SEL_FIB_SADDR_MARK_OIFNAME, false, true, false, true},
		{SEL_FIB_SADDR_MARK_IIF_OIFNAME, false, true, true, true},
		{SEL_FIB_DADDR_MARK_OIFNAME, true, true, false, true},
	};

	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++) {
		struct walk_fib_question q = {
			run->hook, questions[i].daddr, questions[i].mark, questions[i].iif};
		const char *oif;
		enum tri t;

		if (questions[i].selector != s)
			continue;
		t = walk_fib_way(run->w->net, p, &q, &oif);
		if (questions[i].name)
			value_ifname(v, t == TRI_NO || (t == TRI_YES && oif), oif);
		else
			value_tri(v, t);
		return;
	}
	select_fib_type(run, p, s, v);
}

void walk_select(const struct walk_run *run, const struct packet *p, enum nft_selector s,
	struct walk_value *v)
{
	switch (s) {
	case SEL_META_IIFNAME:
	case SEL_META_OIFNAME:
	case SEL_META_IIF:
	case SEL_META_OIF:
	case SEL_META_MARK:
	case SEL_META_L4PROTO:
	case SEL_META_NFPROTO:
	case SEL_META_PKTTYPE:
	case SEL_META_SECPATH:
	case SEL_META_LENGTH:
	case SEL_META_PROTOCOL:
	case SEL_META_SKUID:
	case SEL_META_SKGID:
	case SEL_META_PRIORITY:
	case SEL_META_RTCLASSID:
	case SEL_META_IIFGROUP:
	case SEL_META_OIFGROUP:
	case SEL_META_IIFTYPE:
	case SEL_META_OIFTYPE:
	case SEL_META_IBRNAME:
	case SEL_META_OBRNAME:
		select_meta(run, p, s, v);
		return;
	case SEL_CT_STATE:
	case SEL_CT_STATUS:
	case SEL_CT_DIRECTION:
	case SEL_CT_MARK:
	case SEL_CT_ORIGINAL_SADDR:
	case SEL_CT_ORIGINAL_DADDR:
	case SEL_CT_REPLY_SADDR:
	case SEL_CT_REPLY_DADDR:
	case SEL_CT_ORIGINAL_SPORT:
	case SEL_CT_ORIGINAL_DPORT:
	case SEL_CT_REPLY_SPORT:
	case SEL_CT_REPLY_DPORT:
	case SEL_CT_L3PROTO:
	case SEL_CT_PROTOCOL:
	case SEL_CT_ZONE:
	case SEL_CT_HELPER:
		select_ct(v, p, s);
		return;
	case SEL_IP_SADDR:
	case SEL_IP_DADDR:
	case SEL_IP_PROTOCOL:
	case SEL_IP_DSCP:
	case SEL_IP_TTL:
	case SEL_IP_LENGTH:
	case SEL_IP_FRAG_OFF:
		if (of_family(v, p, IP_V4))
			select_ip(v, p, s);
		return;
	case SEL_IP6_SADDR:
	case SEL_IP6_DADDR:
	case SEL_IP6_NEXTHDR:
	case SEL_IP6_DSCP:
	case SEL_IP6_HOPLIMIT:
	case SEL_IP6_LENGTH:
		if (of_family(v, p, IP_V6))
			select_ip(v, p, s);
		return;
	case SEL_TH_SPORT:
		select_port(v, p, PKT_SPORT);
		return;
	case SEL_TH_DPORT:
		select_port(v, p, PKT_DPORT);
		return;
	case SEL_ICMP_TYPE:
		select_of_proto(v, p, NFT_T_ICMP_TYPE, PROTO_ICMP, PKT_ICMP_TYPE, p->icmp_type);
		return;
	case SEL_ICMPV6_TYPE:
		select_of_proto(v, p, NFT_T_ICMPV6_TYPE, PROTO_ICMPV6, PKT_ICMP_TYPE, p->icmp_type);
		return;
	case SEL_ICMP_CODE:
		select_of_proto(v, p, NFT_T_ICMP_CODE, PROTO_ICMP, PKT_ICMP_CODE, p->icmp_code);
		return;
	case SEL_ICMPV6_CODE:
		select_of_proto(v, p, NFT_T_ICMP_CODE, PROTO_ICMPV6, PKT_ICMP_CODE, p->icmp_code);
		return;
	case SEL_TCP_FLAGS:
		select_of_proto(v, p, NFT_T_TCP_FLAGS, PROTO_TCP, PKT_TCP_FLAGS, p->tcp_flags);
		return;
	case SEL_TCP_MAXSEG:
		select_maxseg(v, p);
		return;
	case SEL_ETHER_SADDR:
		select_smac(v, p);
		return;
	case SEL_ETHER_DADDR:
		if (p->from_socket)
			walk_value_absent(v);
		else
			walk_value_unknown(v, NFT_T_ETHER, 6);
		return;
	case SEL_ETHER_TYPE:
		if (p->from_socket)
			walk_value_absent(v);
		else
			select_meta(run, p, SEL_META_PROTOCOL, v);
		return;
	case SEL_FIB_SADDR_TYPE:
	case SEL_FIB_DADDR_TYPE:
	case SEL_FIB_SADDR_OIF:
	case SEL_FIB_SADDR_MARK_OIF:
	case SEL_FIB_SADDR_IIF_OIF:
	case SEL_FIB_SADDR_MARK_IIF_OIF:
	case SEL_FIB_SADDR_IIF_TYPE:
	case SEL_FIB_DADDR_IIF_TYPE:
	case SEL_FIB_DADDR_OIF:
	case SEL_FIB_DADDR_MARK_OIF:
	case SEL_FIB_SADDR_OIFNAME:
	case SEL_FIB_SADDR_IIF_OIFNAME:
	case SEL_FIB_DADDR_OIFNAME:
	case SEL_FIB_SADDR_MARK_OIFNAME:
	case SEL_FIB_SADDR_MARK_IIF_OIFNAME:
	case SEL_FIB_DADDR_MARK_OIFNAME:
		select_fib(run, p, s, v);
		return;
	case SEL_RT_MTU: {
		uint16_t mss = walk_path_mss(run->w->net, p);

		walk_value_unknown(v, NFT_T_OTHER, 2); /* in host order */
		if (mss)
			walk_value_known(v, NFT_T_OTHER, &mss, 2);
		return;
	}
	case SEL_NONE:
	case SEL_COUNT_:
		break;
	}
	walk_value_unknown(v, NFT_T_OTHER, 16);
}
