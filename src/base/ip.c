/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, prefixes and transport protocols: text, comparison, classes. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	uint8_t proto;
	const char *name;
} protos[] = {
	{PROTO_TCP, "tcp"},
	{PROTO_UDP, "udp"},
	{PROTO_SCTP, "sctp"},
	{PROTO_ICMP, "icmp"},
	{PROTO_ICMPV6, "icmpv6"},
	{33, "dccp"},
	{47, "gre"},
	{50, "esp"},
	{51, "ah"},
	{136, "udplite"},
};

/* ---- text ---- */

/* Dotted quad, no leading zeros (octal to some, decimal to others). */
static int parse_v4(const char *s, size_t len, uint8_t out[4])
{
	const char *end = s + len;

	for (int i = 0; i < 4; i++) {
		unsigned int v = 0;
		const char *start = s;

		while (s < end && *s >= '0' && *s <= '9' && s - start < 3)
			v = v * 10 + (unsigned int)(*s++ - '0');
		if (s == start || v > 255 || (*start == '0' && s - start > 1))
			return -EINVAL;
		out[i] = (uint8_t)v;
		if (i < 3 && (s == end || *s++ != '.'))
			return -EINVAL;
	}
	return s == end ? 0 : -EINVAL;
}

int ip_parse_n(const char *s, size_t len, struct ip_addr *out)
{
	struct ip_addr a = {0};
	char buf[IP_STRLEN];

	if (len == 0 || len >= sizeof(buf) || memchr(s, '\0', len))
		return -EINVAL;
	if (memchr(s, ':', len)) {
		memcpy(buf, s, len);
		buf[len] = '\0';
		if (inet_pton(AF_INET6, buf, a.bytes) != 1)
			return -EINVAL;
		a.family = IP_V6;
	} else {
		if (parse_v4(s, len, a.bytes))
			return -EINVAL;
		a.family = IP_V4;
	}
	*out = a;
	return 0;
}

int ip_parse(const char *s, struct ip_addr *out)
{
	return ip_parse_n(s, strlen(s), out);
}

int ip_prefix_parse(const char *s, struct ip_prefix *out)
{
	const char *slash = strchr(s, '/');
	struct ip_addr a;
	unsigned int len;

	if (ip_parse_n(s, slash ? (size_t)(slash - s) : strlen(s), &a))
		return -EINVAL;
	len = ip_bits(a.family);
	if (slash) {
		const char *p = slash + 1;
		unsigned int v = 0;

		if (!*p || (*p == '0' && p[1]))
			return -EINVAL;
		for (; *p; p++) {
			if (*p < '0' || *p > '9' || p - slash > 3)
				return -EINVAL;
			v = v * 10 + (unsigned int)(*p - '0');
		}
		if (v > len)
			return -EINVAL;
		len = v;
	}
	*out = ip_prefix_of(&a, (uint8_t)len);
	return ip_equal(&out->addr, &a) ? 0 : -EDOM;
}

static char *put_u8(char *p, uint8_t v)
{
	if (v >= 100)
		*p++ = (char)('0' + v / 100);
	if (v >= 10)
		*p++ = (char)('0' + v / 10 % 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

const char *ip_format(const struct ip_addr *a, char buf[IP_STRLEN])
{
	char *p = buf;

	switch (a->family) {
	case IP_V4:
		for (int i = 0; i < 4; i++) {
			if (i)
				*p++ = '.';
			p = put_u8(p, a->bytes[i]);
		}
		*p = '\0';
		break;
	case IP_V6:
		/* glibc's form is that of RFC 5952 */
		inet_ntop(AF_INET6, a->bytes, buf, IP_STRLEN);
		break;
	default:
		memcpy(buf, "none", sizeof("none"));
		break;
	}
	return buf;
}

const char *ip_prefix_format(const struct ip_prefix *p, char buf[PREFIX_STRLEN])
{
	size_t len = strlen(ip_format(&p->addr, buf));

	snprintf(buf + len, PREFIX_STRLEN - len, "/%u", p->len);
	return buf;
}

/* ---- bits ---- */

struct ip_addr ip_from_bytes(uint8_t family, const void *bytes)
{
	struct ip_addr a = {.family = family};

	memcpy(a.bytes, bytes, ip_bytes(family));
	return a;
}

struct ip_prefix ip_prefix_of(const struct ip_addr *a, uint8_t len)
{
	struct ip_prefix p = {.addr = *a, .len = len};
	unsigned int whole = len / 8, n = ip_bytes(a->family);

	if (whole < n) {
		p.addr.bytes[whole] &= (uint8_t)(0xff00u >> (len % 8));
		memset(p.addr.bytes + whole + 1, 0, n - whole - 1);
	}
	return p;
}

struct ip_addr ip_prefix_last(const struct ip_prefix *p)
{
	struct ip_addr a = ip_prefix_of(&p->addr, p->len).addr;
	unsigned int whole = p->len / 8, n = ip_bytes(a.family);

	if (whole < n) {
		a.bytes[whole] |= (uint8_t)(0xffu >> (p->len % 8));
		memset(a.bytes + whole + 1, 0xff, n - whole - 1);
	}
	return a;
}

int ip_cmp(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (a->family == IP_NONE)
		return 0;
	return memcmp(a->bytes, b->bytes, ip_bytes(a->family));
}

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len == b->len && ip_equal(&a->addr, &b->addr);
}

bool ip_in_prefix(const struct ip_addr *a, const struct ip_prefix *p)
{
	unsigned int whole = p->len / 8, rest = p->len % 8;

	if (a->family != p->addr.family || a->family == IP_NONE)
		return false;
	if (memcmp(a->bytes, p->addr.bytes, whole) != 0)
		return false;
	return !rest || !((a->bytes[whole] ^ p->addr.bytes[whole]) & (0xff00u >> rest) & 0xffu);
}

bool ip_prefix_overlap(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len <= b->len ? ip_in_prefix(&b->addr, a) : ip_in_prefix(&a->addr, b);
}

/* ---- classes ---- */

bool ip_is_private(const struct ip_addr *a)
{
	const uint8_t *b = a->bytes;

	if (a->family == IP_V4)
		return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
		       (b[0] == 192 && b[1] == 168) || (b[0] == 100 && (b[1] & 0xc0) == 64);
	return a->family == IP_V6 && (b[0] & 0xfe) == 0xfc;
}

bool ip_is_link_local(const struct ip_addr *a)
{
	const uint8_t *b = a->bytes;

	if (a->family == IP_V4)
		return b[0] == 169 && b[1] == 254;
	return a->family == IP_V6 && b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
}

bool ip_is_loopback(const struct ip_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	if (a->family == IP_V4)
		return a->bytes[0] == 127;
	return a->family == IP_V6 && memcmp(a->bytes, one, 16) == 0;
}

bool ip_is_multicast(const struct ip_addr *a)
{
	if (a->family == IP_V4)
		return (a->bytes[0] & 0xf0) == 0xe0;
	return a->family == IP_V6 && a->bytes[0] == 0xff;
}

bool ip_is_unspecified(const struct ip_addr *a)
{
	static const uint8_t zero[16];

	return a->family != IP_NONE && memcmp(a->bytes, zero, ip_bytes(a->family)) == 0;
}

/* ---- protocols ---- */

const char *ip_proto_name(uint8_t proto)
{
	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (protos[i].proto == proto)
			return protos[i].name;
	return NULL;
}

uint8_t ip_proto_parse(const char *s, size_t len)
{
	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (strlen(protos[i].name) == len && memcmp(protos[i].name, s, len) == 0)
			return protos[i].proto;
	return 0;
}
