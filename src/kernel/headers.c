/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads IP, TCP, UDP, SCTP and ICMP headers. */
#include "kernel/headers.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "base/bytes.h"

#define IP6_HEADER_BYTES   40
#define IP_OFFSET_BITS	   0x1fff
#define TCP_OPTION_END	   0
#define TCP_OPTION_NOTHING 1
#define TCP_OPTION_MAXSEG  2
#define TCP_HEADER_BYTES   20

size_t headers_network(struct packet *p, const uint8_t *b, size_t len)
{
	size_t own = len >= 20 && b[0] >> 4 == 4 ? (size_t)(b[0] & 15) * 4 : 0;

	if (own >= 20 && own <= len) {
		p->family = IP_V4;
		p->proto = b[9];
		p->ttl = b[8];
		p->tos = b[1];
		p->length = be16_at(b + 2);
		p->fragment = be16_at(b + 6) & IP_OFFSET_BITS;
		p->saddr = ip_from_bytes(IP_V4, b + 12);
		p->daddr = ip_from_bytes(IP_V4, b + 16);
	} else if (len >= IP6_HEADER_BYTES && b[0] >> 4 == 6) {
		own = IP6_HEADER_BYTES;
		p->family = IP_V6;
		p->proto = b[6];
		p->ttl = b[7];
		p->tos = (uint8_t)(b[0] << 4 | b[1] >> 4);
		p->length = (uint16_t)(be16_at(b + 4) + IP6_HEADER_BYTES);
		p->saddr = ip_from_bytes(IP_V6, b + 8);
		p->daddr = ip_from_bytes(IP_V6, b + 24);
	} else {
		return 0;
	}
	p->known |=
		PKT_PROTO | PKT_TTL | PKT_TOS | PKT_LENGTH | PKT_FRAGMENT | PKT_SADDR | PKT_DADDR;
	return own;
}

static void read_maxseg(struct packet *p, const uint8_t *b, size_t len)
{
	size_t end = len >= TCP_HEADER_BYTES ? (size_t)(b[12] >> 4) * 4 : 0;

	if (end > len)
		return;
	p->mss = 0;
	p->known |= PKT_MSS;
	for (size_t i = TCP_HEADER_BYTES; i < end && b[i] != TCP_OPTION_END;) {
		size_t step = b[i] == TCP_OPTION_NOTHING ? 1 : i + 1 < end ? b[i + 1] : 0;

		if (step == 0)
			return;
		if (b[i] == TCP_OPTION_MAXSEG && step == 4 && i + 4 <= end)
			p->mss = be16_at(b + i + 2);
		i += step;
	}
}

static void read_icmp(struct packet *p, const uint8_t *b, size_t len)
{
	bool v6 = p->proto == PROTO_ICMPV6;
	bool request = b[0] == (v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
	bool reply = b[0] == (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);

	p->icmp_type = b[0];
	p->icmp_code = b[1];
	p->known |= PKT_ICMP_TYPE | PKT_ICMP_CODE;
	if (len < 8 || (!request && !reply))
		return;
	p->sport = request ? be16_at(b + 4) : 0;
	p->dport = reply ? be16_at(b + 4) : 0;
	p->known |= PKT_SPORT | PKT_DPORT;
}

void headers_transport(struct packet *p, const uint8_t *b, size_t len)
{
	if (packet_knows(p, PKT_FRAGMENT) && p->fragment)
		return;
	if ((p->proto == PROTO_TCP || p->proto == PROTO_UDP || p->proto == PROTO_SCTP) &&
		len >= 4) {
		p->sport = be16_at(b);
		p->dport = be16_at(b + 2);
		p->known |= PKT_SPORT | PKT_DPORT;
	}
	if (p->proto == PROTO_TCP && len >= 14) {
		p->tcp_flags = b[13];
		p->known |= PKT_TCP_FLAGS;
		if (p->tcp_flags & 0x02)
			read_maxseg(p, b, len);
	}
	if ((p->proto == PROTO_ICMP || p->proto == PROTO_ICMPV6) && len >= 2)
		read_icmp(p, b, len);
}
