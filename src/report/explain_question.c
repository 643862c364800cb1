/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the words of a question: protocol, source and destination. */
#include <stdlib.h>
#include <string.h>

#include "report/explain.h"

#define CLIENT_PORT 40000u /* of a client that names none: an ordinary ephemeral one */

/* "ADDR", "ADDR:PORT", "[ADDR]:PORT"; a bare v6 address has no port. *@port 0: there was none. */
static bool read_endpoint(const char *s, struct ip_addr *addr, uint16_t *port)
{
	const char *colon = strrchr(s, ':'), *end = s + strlen(s);
	char *rest;
	unsigned long n;

	*port = 0;
	if (s[0] == '[') {
		end = strchr(s, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		colon = end[1] ? end + 1 : NULL;
		s++;
	} else if (colon && strchr(s, ':') == colon) {
		end = colon;
	} else {
		colon = NULL;
	}
	if (ip_parse_n(s, (size_t)(end - s), addr) != 0)
		return false;
	if (!colon)
		return true;
	n = strtoul(colon + 1, &rest, 10);
	if (rest == colon + 1 || *rest || n == 0 || n > 65535)
		return false;
	*port = (uint16_t)n;
	return true;
}

static bool refuse(const char **why, const char *text)
{
	*why = text;
	return false;
}

bool explain_question(struct arena *a, const char *proto, const char *src, const char *dst,
	struct journey_question *q, const char **why)
{
	bool ports;

	q->proto = ip_proto_parse(proto, strlen(proto));
	ports = q->proto == PROTO_TCP || q->proto == PROTO_UDP || q->proto == PROTO_SCTP;
	if (!ports && q->proto != PROTO_ICMP && q->proto != PROTO_ICMPV6)
		return refuse(why,
			arena_printf(a, "the protocol is tcp, udp, sctp or icmp, not '%s'", proto));
	if (!read_endpoint(dst, &q->dst, &q->dport))
		return refuse(why, arena_printf(a,
					   "'%s' is no destination; one looks like 1.1.1.1:80 or "
					   "[2001:db8::1]:80",
					   dst));
	q->from_here = strcmp(src, "self") == 0;
	if (q->from_here)
		q->src = (struct ip_addr){0};
	else if (!read_endpoint(src, &q->src, &q->sport))
		return refuse(why,
			arena_printf(a,
				"'%s' is no source; one looks like 100.100.100.100, "
				"198.51.100.7:5000 or [2001:db8::1]:5000, or is 'self' for this "
				"machine",
				src));
	if (!q->from_here && q->src.family != q->dst.family)
		return refuse(why, "source and destination are of different families");
	if (ports && !q->dport)
		return refuse(why, arena_printf(a,
					   q->dst.family == IP_V6 && dst[0] != '['
						   ? "the destination needs a port: [%s]:80"
						   : "the destination needs a port: %s:80",
					   dst));
	if (!ports && (q->dport || q->sport))
		return refuse(why, arena_printf(a, "%s has no ports", proto));
	if (q->dst.family == IP_V6 && q->proto == PROTO_ICMP)
		q->proto = PROTO_ICMPV6;
	if (q->dst.family == IP_V4 && q->proto == PROTO_ICMPV6)
		return refuse(why, "ICMPv6 is not spoken over IPv4");
	if (!q->sport)
		q->sport = ports ? CLIENT_PORT : 1;
	return true;
}
