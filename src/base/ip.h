/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses, prefixes and transport protocols.
 *
 * An address of family IP_NONE is "absent"; all-zero memory is one. Address bytes are in network
 * byte order, ports and everything else in host byte order.
 */
#ifndef BASE_IP_H
#define BASE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

enum ip_proto {
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMPV6 = 58,
	PROTO_SCTP = 132
};

struct ip_addr {
	uint8_t family;	   /* enum ip_family */
	uint8_t bytes[16]; /* v4: the first four */
};

struct ip_prefix {
	struct ip_addr addr; /* host bits are zero where this was parsed with ip_prefix_parse() */
	uint8_t len;
};

#define IP_STRLEN     46 /* longest text of an address, with its NUL */
#define PREFIX_STRLEN 50

static inline unsigned int ip_bits(uint8_t family)
{
	return family == IP_V6 ? 128 : 32;
}

static inline unsigned int ip_bytes(uint8_t family)
{
	return family == IP_V6 ? 16 : 4;
}

/* Text to address: dotted quad or RFC 4291 text, nothing around it, no zone. 0 or -EINVAL. */
int ip_parse(const char *s, struct ip_addr *out);
/* The same for text that is not NUL-terminated. */
int ip_parse_n(const char *s, size_t len, struct ip_addr *out);
/* "a.b.c.d/len" or a bare address (full length). -EINVAL: malformed; -EDOM: host bits set (out is
 * filled with them cleared, so that the caller can suggest it). */
int ip_prefix_parse(const char *s, struct ip_prefix *out);

/* Text of an address (RFC 5952 for v6) or prefix into @buf; returns @buf. */
const char *ip_format(const struct ip_addr *a, char buf[IP_STRLEN]);
const char *ip_prefix_format(const struct ip_prefix *p, char buf[PREFIX_STRLEN]);

struct ip_addr ip_from_bytes(uint8_t family, const void *bytes);
struct ip_prefix ip_prefix_of(const struct ip_addr *a, uint8_t len); /* host bits cleared */
struct ip_addr ip_prefix_last(const struct ip_prefix *p);

int ip_cmp(const struct ip_addr *a, const struct ip_addr *b); /* by family, then bytes */
static inline bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_cmp(a, b) == 0;
}
bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);
bool ip_in_prefix(const struct ip_addr *a, const struct ip_prefix *p);
bool ip_prefix_overlap(const struct ip_prefix *a, const struct ip_prefix *b);

bool ip_is_private(const struct ip_addr *a); /* RFC 1918, RFC 6598, RFC 4193 (fc00::/7) */
bool ip_is_link_local(const struct ip_addr *a);
bool ip_is_loopback(const struct ip_addr *a);
bool ip_is_multicast(const struct ip_addr *a);
bool ip_is_unspecified(const struct ip_addr *a);

/* "tcp", "udp", "sctp", ... or NULL; and back, 0 where unknown. */
const char *ip_proto_name(uint8_t proto);
uint8_t ip_proto_parse(const char *s, size_t len);

#endif
