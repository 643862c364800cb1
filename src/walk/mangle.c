/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes header fields of a packet: nft's "ip ttl set 64" and the like. See mangle.h. */
#include "walk/mangle.h"

#include <string.h>

static bool known_number(const struct walk_value *v, uint32_t *n)
{
	uint32_t host;

	if (v->absent || !walk_value_is_known(v))
		return false;
	if (v->len == 1) {
		*n = v->bytes[0];
	} else if (v->len == 2) {
		*n = (uint32_t)(v->bytes[0] << 8 | v->bytes[1]);
	} else if (v->len == 4) {
		memcpy(&host, v->bytes, 4);
		*n = host;
	} else {
		return false;
	}
	return true;
}

static void set_known(struct packet *p, enum packet_field field, bool known)
{
	if (known)
		p->known |= field;
	else
		p->known &= ~(uint32_t)field;
}

static uint8_t set_addr(
	struct packet *p, enum packet_field field, struct ip_addr *addr, const struct walk_value *v)
{
	bool known = walk_value_is_known(v) && v->len == ip_bytes(p->family);

	if (known)
		*addr = ip_from_bytes(p->family, v->bytes);
	set_known(p, field, known);
	return DID_MANGLE;
}

static uint8_t set_u8(
	struct packet *p, enum packet_field field, uint8_t *at, const struct walk_value *v)
{
	uint32_t n = 0;

	set_known(p, field, known_number(v, &n));
	*at = (uint8_t)n;
	return DID_MANGLE;
}

static uint8_t set_port(
	struct packet *p, enum packet_field field, uint16_t *at, const struct walk_value *v)
{
	uint32_t n = 0;

	set_known(p, field, known_number(v, &n));
	*at = (uint16_t)n;
	*(field == PKT_SPORT ? &p->sport_bits : &p->dport_bits) = 0;
	return DID_MANGLE;
}

static uint8_t set_dscp(struct packet *p, const struct walk_value *v)
{
	uint32_t n = 0;

	set_known(p, PKT_TOS, known_number(v, &n) && packet_knows(p, PKT_TOS));
	p->tos = (uint8_t)(n << 2 | (p->tos & 3));
	return DID_MANGLE;
}

uint8_t walk_lower_mss(struct packet *p, uint16_t mss)
{
	if (packet_knows(p, PKT_PROTO) && p->proto != PROTO_TCP)
		return 0;
	if (packet_knows(p, PKT_MSS) && (p->mss == 0 || (mss && p->mss <= mss)))
		return 0;
	set_known(p, PKT_MSS, mss && packet_knows(p, PKT_MSS));
	p->mss = mss;
	return DID_MANGLE;
}

uint8_t walk_set_field(struct packet *p, enum nft_selector selector, const struct walk_value *v)
{
	uint32_t n = 0;

	switch ((int)selector) {
	case SEL_IP_SADDR:
	case SEL_IP6_SADDR:
		return set_addr(p, PKT_SADDR, &p->saddr, v);
	case SEL_IP_DADDR:
	case SEL_IP6_DADDR:
		return set_addr(p, PKT_DADDR, &p->daddr, v);
	case SEL_TH_SPORT:
		return set_port(p, PKT_SPORT, &p->sport, v);
	case SEL_TH_DPORT:
		return set_port(p, PKT_DPORT, &p->dport, v);
	case SEL_IP_TTL:
	case SEL_IP6_HOPLIMIT:
		return set_u8(p, PKT_TTL, &p->ttl, v);
	case SEL_IP_DSCP:
	case SEL_IP6_DSCP:
		return set_dscp(p, v);
	case SEL_META_PKTTYPE:
		set_u8(p, PKT_TYPE, &p->type, v);
		return 0;
	case SEL_TCP_MAXSEG:
		return walk_lower_mss(p, known_number(v, &n) && n <= UINT16_MAX ? (uint16_t)n : 0);
	case SEL_CT_ZONE:
		set_known(p, PKT_CT_ZONE, walk_value_is_known(v) && v->len == 2);
		if (packet_knows(p, PKT_CT_ZONE))
			memcpy(&p->ct_zone, v->bytes, 2);
		return 0;
	case SEL_ETHER_SADDR:
		set_known(p, PKT_SMAC, walk_value_is_known(v) && v->len == 6);
		if (packet_knows(p, PKT_SMAC))
			memcpy(p->smac, v->bytes, 6);
		return DID_MANGLE;
	default: /* priority, tracing: nothing that decides is changed */
		return 0;
	}
}
