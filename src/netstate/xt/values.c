/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, interfaces and texts of iptables' extensions; and printing what words.c reads. */
#include "netstate/xt/extension.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include <linux/netfilter.h>

#include "base/ip.h"
#include "netstate/names.h"

/* ---- addresses ---- */

/* "10.1" for 10.1.0.0, as iptables takes networks. */
static bool parse_short_v4(const char *s, size_t len, struct ip_addr *out)
{
	char text[32];
	size_t dots = 0;

	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i]) && s[i] != '.')
			return false;
		dots += s[i] == '.';
	}
	if (len == 0 || len > 15 || dots > 2)
		return false;
	snprintf(text, sizeof(text), "%.*s%s", (int)len, s,
		dots == 0   ? ".0.0.0"
		: dots == 1 ? ".0.0"
			    : ".0");
	return ip_parse(text, out) == 0;
}

static bool parse_addr(uint8_t family, const char *s, size_t len, struct ip_addr *out)
{
	if (len > 2 && s[0] == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	}
	return ip_parse_n(s, len, out) == 0 && out->family == family;
}

bool xt_read_addr(struct xt_reading *r, const char *s, void *out)
{
	struct ip_addr addr;

	if (!parse_addr(r->family, s, strlen(s), &addr))
		return xt_fail(r, "'%s' is not an IPv%u address", s, (unsigned int)r->family);
	memcpy(out, addr.bytes, ip_bytes(r->family));
	return true;
}

static void set_prefix(uint8_t *mask, unsigned int bits)
{
	for (unsigned int i = 0; i < bits; i++)
		mask[i / 8] |= 0x80 >> i % 8;
}

static bool parse_mask(uint8_t family, const char *s, uint8_t mask[16])
{
	struct ip_addr addr;
	unsigned long bits;
	char *end;

	memset(mask, 0, 16);
	if (isdigit((unsigned char)*s)) {
		bits = strtoul(s, &end, 10);
		if (*end == '\0' && bits <= ip_bits(family)) {
			set_prefix(mask, bits);
			return true;
		}
	}
	if (!parse_addr(family, s, strlen(s), &addr))
		return false;
	memcpy(mask, addr.bytes, ip_bytes(family));
	return true;
}

bool xt_read_mask(struct xt_reading *r, const char *s, union nf_inet_addr *out)
{
	uint8_t mask[16];

	if (!parse_mask(r->family, s, mask))
		return xt_fail(r, "'%s' is not a mask of IPv%u", s, (unsigned int)r->family);
	memset(out, 0, sizeof(*out));
	memcpy(out, mask, sizeof(mask));
	/* All of an address is what is there without a mask, and iptables fills all of it then. */
	if (r->family == IP_V4 && out->ip == UINT32_MAX)
		memset(out, 0xff, sizeof(*out));
	return true;
}

bool xt_read_network(struct xt_reading *r, const char *s, void *addr, void *mask)
{
	const char *slash = strchr(s, '/');
	size_t len = slash ? (size_t)(slash - s) : strlen(s), bytes = ip_bytes(r->family);
	uint8_t m[16] = {0};
	struct ip_addr a;

	set_prefix(m, ip_bits(r->family));
	if (slash && !parse_mask(r->family, slash + 1, m))
		return xt_fail(
			r, "'%s' is not a mask of IPv%u", slash + 1, (unsigned int)r->family);
	if (!parse_addr(r->family, s, len, &a) &&
		!(slash && r->family == IP_V4 && parse_short_v4(s, len, &a))) {
		if (len == 3 && strncmp(s, "any", 3) == 0)
			memset(&a, 0, sizeof(a));
		else
			return xt_fail(
				r, "'%s' is not an IPv%u address", s, (unsigned int)r->family);
	}
	for (size_t i = 0; i < bytes; i++)
		a.bytes[i] &= m[i];
	memcpy(addr, a.bytes, bytes);
	memcpy(mask, m, bytes);
	return true;
}

bool xt_read_masked_addr(
	struct xt_reading *r, const char *s, union nf_inet_addr *addr, union nf_inet_addr *mask)
{
	if (!xt_read_network(r, s, addr, mask))
		return false;
	if (!strchr(s, '/'))
		memset(mask, 0xff, sizeof(*mask));
	return true;
}

bool xt_read_addr_range(struct xt_reading *r, const char *s, void *first, void *last)
{
	const char *dash = strchr(s, '-');
	char part[64];

	if (!dash) {
		memset(last, 0, ip_bytes(r->family));
		if (!xt_read_addr(r, s, first))
			return false;
		memcpy(last, first, ip_bytes(r->family));
		return true;
	}
	snprintf(part, sizeof(part), "%.*s", (int)(dash - s < 63 ? dash - s : 63), s);
	return xt_read_addr(r, part, first) && xt_read_addr(r, dash + 1, last);
}

bool xt_read_mac(struct xt_reading *r, const char *s, uint8_t out[6])
{
	return net_mac_parse(s, strlen(s), out) || xt_fail(r, "'%s' is not a MAC address", s);
}

bool xt_read_string(struct xt_reading *r, const char *s, char *out, size_t size)
{
	size_t len = strlen(s);

	if (len >= size)
		return xt_fail(r, "'%.40s' is longer than %zu characters", s, size - 1);
	memcpy(out, s, len + 1);
	return true;
}

bool xt_read_interface(struct xt_reading *r, const char *s, char name[16], char mask[16])
{
	size_t len = strlen(s);

	if (len == 0 || len > 15)
		return xt_fail(r, "'%.40s' is not an interface name", s);
	if (*s == '$')
		return xt_fail(r, "the value of '%s' is not known", s);
	memset(name, 0, 16);
	memset(mask, 0, 16);
	memcpy(name, s, len + 1);
	/* All of the name with its NUL is compared, or what stands before the `+`. */
	memset(mask, 0xff, s[len - 1] == '+' ? len - 1 : len + 1);
	return true;
}

/* ---- printing ---- */

void xt_print_option(struct strbuf *out, const char *option, bool inverted)
{
	strbuf_addf(out, " %s--%s", inverted ? "! " : "", option);
}

void xt_print_ports(struct strbuf *out, uint16_t first, uint16_t last, char sep)
{
	strbuf_addf(out, " %u", first);
	if (first != last)
		strbuf_addf(out, "%c%u", sep, last);
}

void xt_print_range(struct strbuf *out, uint64_t first, uint64_t last)
{
	strbuf_addf(out, " %llu", (unsigned long long)first);
	if (first != last)
		strbuf_addf(out, ":%llu", (unsigned long long)last);
}

void xt_print_masked(struct strbuf *out, uint32_t value, uint32_t mask)
{
	strbuf_addf(out, " 0x%x", value);
	if (mask != UINT32_MAX)
		strbuf_addf(out, "/0x%x", mask);
}

void xt_add_addr(struct strbuf *out, uint8_t family, const void *addr)
{
	struct ip_addr a = ip_from_bytes(family, addr);
	char text[IP_STRLEN];

	strbuf_add(out, ip_format(&a, text));
}

/* Bits of a mask that is a prefix; -1: it is none. */
static int prefix_length(const uint8_t *mask, unsigned int bytes)
{
	unsigned int bits = 0;

	while (bits < bytes * 8 && mask[bits / 8] & 0x80 >> bits % 8)
		bits++;
	for (unsigned int i = bits; i < bytes * 8; i++) {
		if (mask[i / 8] & 0x80 >> i % 8)
			return -1;
	}
	return (int)bits;
}

void xt_add_network(
	struct strbuf *out, uint8_t family, const void *addr, const void *mask, bool whole)
{
	int len = prefix_length(mask, ip_bytes(family));

	xt_add_addr(out, family, addr);
	if (len < 0) {
		strbuf_addch(out, '/');
		xt_add_addr(out, family, mask);
	} else if (whole || (unsigned int)len < ip_bits(family)) {
		strbuf_addf(out, "/%d", len);
	}
}

void xt_print_bits(struct strbuf *out, const struct xt_name *list, uint32_t bits)
{
	char sep = ' ';

	for (; list->name; list++) {
		if (!(bits & list->value))
			continue;
		strbuf_addf(out, "%c%s", sep, list->name);
		bits &= ~list->value;
		sep = ',';
	}
}

void xt_print_string(struct strbuf *out, const char *s, size_t size)
{
	strbuf_addch(out, ' ');
	xt_add_word(out, s, strnlen(s, size));
}

void xt_print_interface(struct strbuf *out, const char name[16], const char mask[16])
{
	size_t len = strnlen(name, 15);

	strbuf_addch(out, ' ');
	/* A `+` is in the name where iptables wrote it, but nobody has to. */
	if (len == 0 || (!mask[len] && name[len - 1] != '+')) {
		strbuf_addn(out, name, len);
		strbuf_addch(out, '+');
	} else {
		strbuf_addn(out, name, len);
	}
}
