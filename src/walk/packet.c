/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Joining what is known of a packet on two possible ways. */
#include "walk/packet.h"

static bool addresses_equal(const struct packet_tuple *a, const struct packet_tuple *b)
{
	return ip_equal(&a->saddr, &b->saddr) && ip_equal(&a->daddr, &b->daddr);
}

static bool tuple_equal(const struct packet_tuple *a, const struct packet_tuple *b)
{
	return addresses_equal(a, b) && a->sport == b->sport && a->dport == b->dport;
}

/* The fields known in both packets in which they are equal. */
static uint32_t equal_fields(const struct packet *a, const struct packet *b)
{
	const struct {
		uint32_t field;
		bool equal;
	} fields[] = {
		{PKT_PROTO, a->proto == b->proto},
		{PKT_SADDR, ip_equal(&a->saddr, &b->saddr)},
		{PKT_DADDR, ip_equal(&a->daddr, &b->daddr)},
		{PKT_SPORT, a->sport == b->sport},
		{PKT_DPORT, a->dport == b->dport},
		{PKT_ICMP_TYPE, a->icmp_type == b->icmp_type},
		{PKT_TCP_FLAGS, a->tcp_flags == b->tcp_flags},
		{PKT_IIF, name_equal(a->iif, b->iif)},
		{PKT_OIF, name_equal(a->oif, b->oif)},
		{PKT_TYPE, a->type == b->type},
		{PKT_SECPATH, a->secpath == b->secpath},
		{PKT_BRIDGED, a->bridged == b->bridged},
		{PKT_CT_STATE, a->ct_state == b->ct_state},
		{PKT_CT_DIRECTION, a->ct_reply == b->ct_reply},
		{PKT_CT_ORIGINAL, tuple_equal(&a->ct_original, &b->ct_original)},
		{PKT_CT_REPLY, addresses_equal(&a->ct_answer, &b->ct_answer)},
		{PKT_CT_REPLY_SPORT, a->ct_answer.sport == b->ct_answer.sport},
		{PKT_CT_REPLY_DPORT, a->ct_answer.dport == b->ct_answer.dport},
		{PKT_CT_ZONE, a->ct_zone == b->ct_zone && a->ct_zone_only == b->ct_zone_only},
		{PKT_ICMP_CODE, a->icmp_code == b->icmp_code},
		{PKT_LENGTH, a->length == b->length},
		{PKT_MSS, a->mss == b->mss},
		{PKT_TOS, a->tos == b->tos},
		{PKT_TTL, a->ttl == b->ttl},
		{PKT_SMAC, memcmp(a->smac, b->smac, sizeof(a->smac)) == 0},
		{PKT_UID, a->uid == b->uid},
		{PKT_GID, a->gid == b->gid},
		{PKT_PHYSDEV, name_equal(a->physdev, b->physdev)},
		{PKT_FRAGMENT, a->fragment == b->fragment},
	};
	uint32_t known = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (fields[i].equal)
			known |= fields[i].field;
	}
	return known & a->known & b->known;
}

static void join_bits(uint32_t *value, uint32_t *known, uint32_t other, uint32_t other_known)
{
	*known &= other_known & ~(*value ^ other);
	*value &= *known;
}

static uint16_t joined_port(const struct packet *a, const struct packet *b, bool source)
{
	uint16_t differ = source ? a->sport ^ b->sport : a->dport ^ b->dport;

	return packet_port_bits(a, source) & packet_port_bits(b, source) & (uint16_t)~differ;
}

void packet_join(struct packet *p, const struct packet *other)
{
	p->sport_bits = joined_port(p, other, true);
	p->dport_bits = joined_port(p, other, false);
	p->known = equal_fields(p, other);
	join_bits(&p->mark, &p->mark_known, other->mark, other->mark_known);
	join_bits(&p->ct_mark, &p->ct_mark_known, other->ct_mark, other->ct_mark_known);
	join_bits(&p->ct_status, &p->ct_status_known, other->ct_status, other->ct_status_known);
}
