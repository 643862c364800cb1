/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the words that say which packets to trace. */
#include <stdlib.h>
#include <string.h>

#include "cli/trace.h"

static bool read_port(const char *s, uint16_t *out)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (end == s || *end || n == 0 || n > 65535)
		return false;
	*out = (uint16_t)n;
	return true;
}

static bool read_word(struct arena *a, const char *word, const char *value,
	struct watch_filter *out, const char **why)
{
	bool from = strcmp(word, "from") == 0, to = strcmp(word, "to") == 0;

	if ((from && ip_prefix_parse(value, &out->src) == 0) ||
		(to && ip_prefix_parse(value, &out->dst) == 0) ||
		(strcmp(word, "port") == 0 && read_port(value, &out->dport)) ||
		(strcmp(word, "sport") == 0 && read_port(value, &out->sport)))
		return true;
	if (strcmp(word, "in") == 0) {
		out->in = value;
		return true;
	}
	*why = arena_printf(a,
		from || to ? "'%s %s': an address or a network goes there"
			   : "'%s %s': a port from 1 to 65535 goes there",
		word, value);
	return false;
}

#define KEYWORDS 5 /* the first of the words that are known, which something follows */

bool trace_filter(struct arena *a, const char *const *words, unsigned int n,
	struct watch_filter *out, const char **why)
{
	static const char *const known[] = {
		"from", "to", "port", "sport", "in", "tcp", "udp", "sctp", "icmp"};
	unsigned int given = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint8_t proto = ip_proto_parse(words[i], strlen(words[i]));
		unsigned int k = 0;

		if (proto && out->proto) {
			*why = "one protocol, or none, which is all of them";
			return false;
		}
		if (proto) {
			out->proto = proto;
			continue;
		}
		while (k < KEYWORDS && strcmp(words[i], known[k]) != 0)
			k++;
		if (k == KEYWORDS) {
			const char *near =
				diag_nearest(words[i], known, sizeof(known) / sizeof(*known));

			*why = arena_printf(a, "'%s' is no word of a filter%s%s%s", words[i],
				near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
			return false;
		}
		if (given & 1u << k) {
			*why = arena_printf(a, "'%s' stands there twice", words[i]);
			return false;
		}
		given |= 1u << k;
		if (i + 1 == n) {
			*why = arena_printf(a, "'%s' needs something after it", words[i]);
			return false;
		}
		if (!read_word(a, words[i], words[i + 1], out, why))
			return false;
		i++;
	}
	if (out->src.addr.family && out->dst.addr.family &&
		out->src.addr.family != out->dst.addr.family) {
		*why = "'from' and 'to' are of different families";
		return false;
	}
	if ((out->sport || out->dport) && !out->proto) {
		*why = "a port needs its protocol: tcp, udp or sctp";
		return false;
	}
	if (out->proto == PROTO_ICMP &&
		(out->src.addr.family == IP_V6 || out->dst.addr.family == IP_V6))
		out->proto = PROTO_ICMPV6;
	return true;
}
