/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Constants of nft's language: names and numbers to the bytes that the kernel compares. */
#include <stdlib.h>
#include <string.h>

#include "netstate/dump/nft_reader.h"
#include "netstate/names.h"

struct name {
	const char *text;
	uint32_t value;
};

/* Names: libnftables' datatypes. */
static const struct name ct_states[] = {
	{"invalid", 1}, {"established", 2}, {"related", 4}, {"new", 8}, {"untracked", 64}, {0}};
static const struct name ct_statuses[] = {{"expected", 1}, {"seen-reply", 2}, {"assured", 4},
	{"confirmed", 8}, {"snat", 16}, {"dnat", 32}, {"dying", 512}, {0}};
static const struct name directions[] = {{"original", 0}, {"reply", 1}, {0}};
static const struct name fib_types[] = {{"unspec", 0}, {"unicast", 1}, {"local", 2},
	{"broadcast", 3}, {"anycast", 4}, {"multicast", 5}, {"blackhole", 6}, {"unreachable", 7},
	{"prohibit", 8}, {"throw", 9}, {"nat", 10}, {0}};
static const struct name packet_types[] = {
	{"host", 0}, {"unicast", 0}, {"broadcast", 1}, {"multicast", 2}, {"other", 3}, {0}};
static const struct name families[] = {{"ipv4", 2}, {"ipv6", 10}, {"ip", 2}, {"ip6", 10}, {0}};
static const struct name booleans[] = {
	{"missing", 0}, {"exists", 1}, {"false", 0}, {"true", 1}, {0}};
static const struct name ether_types[] = {{"ip", 0x0800}, {"ip6", 0x86dd}, {"arp", 0x0806},
	{"vlan", 0x8100}, {"8021q", 0x8100}, {"8021ad", 0x88a8}, {"ipv4", 0x0800}, {"ipv6", 0x86dd},
	{0}};
static const struct name tcp_flags[] = {{"fin", 1}, {"syn", 2}, {"rst", 4}, {"psh", 8}, {"ack", 16},
	{"urg", 32}, {"ecn", 64}, {"cwr", 128}, {0}};
static const struct name dscps[] = {{"cs0", 0}, {"cs1", 8}, {"cs2", 16}, {"cs3", 24}, {"cs4", 32},
	{"cs5", 40}, {"cs6", 48}, {"cs7", 56}, {"df", 0}, {"be", 0}, {"lephb", 1}, {"af11", 10},
	{"af12", 12}, {"af13", 14}, {"af21", 18}, {"af22", 20}, {"af23", 22}, {"af31", 26},
	{"af32", 28}, {"af33", 30}, {"af41", 34}, {"af42", 36}, {"af43", 38}, {"va", 44},
	{"ef", 46}, {0}};
static const struct name icmp_types[] = {{"echo-reply", 0}, {"destination-unreachable", 3},
	{"source-quench", 4}, {"redirect", 5}, {"echo-request", 8}, {"router-advertisement", 9},
	{"router-solicitation", 10}, {"time-exceeded", 11}, {"parameter-problem", 12},
	{"timestamp-request", 13}, {"timestamp-reply", 14}, {"info-request", 15},
	{"info-reply", 16}, {"address-mask-request", 17}, {"address-mask-reply", 18}, {0}};
static const struct name icmpv6_types[] = {{"destination-unreachable", 1}, {"packet-too-big", 2},
	{"time-exceeded", 3}, {"parameter-problem", 4}, {"echo-request", 128}, {"echo-reply", 129},
	{"mld-listener-query", 130}, {"mld-listener-report", 131}, {"mld-listener-done", 132},
	{"mld-listener-reduction", 132}, {"nd-router-solicit", 133}, {"nd-router-advert", 134},
	{"nd-neighbor-solicit", 135}, {"nd-neighbor-advert", 136}, {"nd-redirect", 137},
	{"router-renumbering", 138}, {"ind-neighbor-solicit", 141}, {"ind-neighbor-advert", 142},
	{"mld2-listener-report", 143}, {0}};
static const struct name icmp_codes[] = {{"net-unreachable", 0}, {"host-unreachable", 1},
	{"prot-unreachable", 2}, {"port-unreachable", 3}, {"frag-needed", 4}, {"net-prohibited", 9},
	{"host-prohibited", 10}, {"admin-prohibited", 13}, {0}};
static const struct name icmpv6_codes[] = {{"no-route", 0}, {"admin-prohibited", 1},
	{"addr-unreachable", 3}, {"port-unreachable", 4}, {"policy-fail", 5}, {"reject-route", 6},
	{0}};
static const struct name users[] = {{"root", 0}, {0}};
static const struct name devgroups[] = {{"default", 0}, {0}};
static const struct name link_types[] = {{"ether", 1}, {"ppp", 512}, {"ipip", 768}, {"ipip6", 769},
	{"loopback", 772}, {"sit", 776}, {"ipgre", 778}, {0}};

static bool find_name(const struct name *names, const char *s, size_t len, uint64_t *out)
{
	for (; names->text; names++) {
		if (strlen(names->text) == len && memcmp(names->text, s, len) == 0) {
			*out = names->value;
			return true;
		}
	}
	return false;
}

/* ---- numbers ---- */

bool nft_parse_number(const char *s, size_t len, uint64_t *out)
{
	char buf[24], *end;

	if (!len || len >= sizeof(buf) || *s < '0' || *s > '9')
		return false;
	memcpy(buf, s, len);
	buf[len] = '\0';
	*out = strtoull(buf, &end, len > 1 && (buf[1] == 'x' || buf[1] == 'X') ? 16 : 10);
	return *end == '\0';
}

bool nft_parse_time_ms(const char *s, size_t len, uint32_t *out)
{
	static const struct name units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
		{"d", 86400000}, {"w", 604800000}, {0}};
	uint64_t total = 0, n, unit;
	size_t at = 0;

	if (nft_parse_number(s, len, &n)) { /* a bare number is seconds */
		*out = n < UINT32_MAX / 1000 ? (uint32_t)n * 1000 : UINT32_MAX;
		return true;
	}
	while (at < len) {
		size_t digits = at, end;

		while (digits < len && s[digits] >= '0' && s[digits] <= '9')
			digits++;
		end = digits;
		while (end < len && (s[end] < '0' || s[end] > '9'))
			end++;
		if (digits - at > 9 || !nft_parse_number(s + at, digits - at, &n) ||
			!find_name(units, s + digits, end - digits, &unit))
			return false;
		total += n * unit;
		at = end;
	}
	*out = total < UINT32_MAX ? (uint32_t)total : UINT32_MAX;
	return len > 0;
}

/* ---- single words ---- */

static const struct name *names_of(struct nft_want w)
{
	switch (w.type) {
	case NFT_T_NFPROTO:
		return families;
	case NFT_T_CT_STATE:
		return ct_states;
	case NFT_T_CT_STATUS:
		return ct_statuses;
	case NFT_T_CT_DIR:
		return directions;
	case NFT_T_FIB_TYPE:
		return fib_types;
	case NFT_T_PKTTYPE:
		return packet_types;
	case NFT_T_ICMP_TYPE:
		return icmp_types;
	case NFT_T_ICMPV6_TYPE:
		return icmpv6_types;
	case NFT_T_ICMP_CODE:
		return w.selector == SEL_ICMPV6_CODE ? icmpv6_codes : icmp_codes;
	case NFT_T_BOOL:
		return booleans;
	case NFT_T_TCP_FLAGS:
		return tcp_flags;
	case NFT_T_DSCP:
		return dscps;
	case NFT_T_ETHERTYPE:
		return ether_types;
	case NFT_T_UID:
		return users;
	case NFT_T_INTEGER:
		return w.selector == SEL_META_IIFGROUP || w.selector == SEL_META_OIFGROUP
			       ? devgroups
			       : NULL;
	case NFT_T_LINK_TYPE:
		return link_types;
	case NFT_T_NONE:
	case NFT_T_IPV4:
	case NFT_T_IPV6:
	case NFT_T_PORT:
	case NFT_T_PROTO:
	case NFT_T_IFNAME:
	case NFT_T_IFINDEX:
	case NFT_T_MARK:
	case NFT_T_ETHER:
	case NFT_T_U8:
	case NFT_T_U16:
	case NFT_T_VERDICT:
	case NFT_T_OTHER:
	case NFT_T_COUNT_:
		break;
	}
	return NULL;
}

static bool parse_address(struct nft_want w, const char *s, size_t len, uint8_t out[16])
{
	struct ip_addr addr;

	if (len > 2 && s[0] == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	}
	if (ip_parse_n(s, len, &addr) < 0 || ip_bytes(addr.family) != w.len)
		return false;
	memcpy(out, addr.bytes, w.len);
	return true;
}

static bool parse_text(const char *s, size_t len, uint8_t out[16])
{
	/* One with a $ is a variable that nothing defines. */
	if (!len || len > 15 || s[len - 1] == '*' || *s == '$')
		return false;
	memcpy(out, s, len);
	return true;
}

/* nft prints an interface by its name, and the kernel compares its number. */
static bool parse_ifindex(struct nft_reader *r, const char *s, size_t len, uint8_t out[16])
{
	uint32_t index = 0;
	uint64_t n;

	if (nft_parse_number(s, len, &n) && n <= UINT32_MAX)
		index = (uint32_t)n;
	else if (len == 2 && memcmp(s, "lo", 2) == 0)
		index = 1;
	VEC_EACH (&r->d->out->links, struct net_link, l) {
		if (strlen(l->name) == len && memcmp(l->name, s, len) == 0)
			index = (uint32_t)l->index;
	}
	memcpy(out, &index, sizeof(index));
	return index != 0;
}

/* "1:10" of tc, in hexadecimal. */
static bool parse_class(const char *s, size_t len, uint64_t *out)
{
	const char *colon = memchr(s, ':', len);
	char buf[16], *end;

	if (len == 4 && memcmp(s, "none", 4) == 0) {
		*out = 0;
		return true;
	}
	if (!colon || len >= sizeof(buf))
		return false;
	memcpy(buf, s, len);
	buf[len] = '\0';
	*out = (strtoul(buf, &end, 16) & 0xffff) << 16;
	if (*end != ':')
		return false;
	*out |= strtoul(end + 1, &end, 16) & 0xffff;
	return *end == '\0';
}

static bool parse_symbol(struct nft_want w, const char *s, size_t len, uint64_t *out)
{
	const struct name *names = names_of(w);
	uint8_t proto;
	uint16_t port;

	if (nft_parse_number(s, len, out))
		return true;
	if (w.type == NFT_T_PROTO && net_protocol_named(s, len, &proto)) {
		*out = proto;
		return true;
	}
	if (w.type == NFT_T_PORT && net_service_named(s, len, &port)) {
		*out = port;
		return true;
	}
	return (names && find_name(names, s, len, out)) ||
	       (w.selector == SEL_META_PRIORITY && parse_class(s, len, out));
}

/* Numbers as the kernel has them: big-endian but for those of its own. */
static bool put_number(struct nft_want w, uint64_t n, uint8_t out[16])
{
	bool host = nft_type_is_host_order(w.type) || nft_selector_is_host_order(w.selector);

	if (!w.len || w.len > 4 || (w.len < 8 && n >> (8 * w.len)))
		return false;
	if (w.type == NFT_T_DSCP && n > 63)
		return false;
	host = host && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	for (unsigned int i = 0; i < w.len; i++)
		out[host ? i : w.len - 1u - i] = (uint8_t)(n >> 8 * i);
	return true;
}

struct nft_want nft_want_type(enum nft_type type)
{
	return (struct nft_want){type, (uint16_t)nft_type_len(type), SEL_NONE};
}

/* One word as a value of the type. */
static bool parse_word(
	struct nft_reader *r, struct nft_want w, const char *s, size_t len, uint8_t out[16])
{
	uint64_t n;

	memset(out, 0, 16);
	switch (w.type) {
	case NFT_T_IPV4:
	case NFT_T_IPV6:
		return parse_address(w, s, len, out);
	case NFT_T_IFNAME:
		return parse_text(s, len, out);
	case NFT_T_IFINDEX:
		return parse_ifindex(r, s, len, out);
	case NFT_T_ETHER:
		return net_mac_parse(s, len, out);
	case NFT_T_OTHER:
		if (w.selector == SEL_CT_HELPER)
			return parse_text(s, len, out);
		return w.selector == SEL_CT_ZONE && nft_parse_number(s, len, &n) &&
		       put_number(w, n, out);
	case NFT_T_NONE:
	case NFT_T_VERDICT:
	case NFT_T_COUNT_:
		return false;
	case NFT_T_PORT:
	case NFT_T_PROTO:
	case NFT_T_NFPROTO:
	case NFT_T_MARK:
	case NFT_T_CT_STATE:
	case NFT_T_CT_STATUS:
	case NFT_T_CT_DIR:
	case NFT_T_FIB_TYPE:
	case NFT_T_PKTTYPE:
	case NFT_T_ICMP_TYPE:
	case NFT_T_ICMPV6_TYPE:
	case NFT_T_BOOL:
	case NFT_T_INTEGER:
	case NFT_T_TCP_FLAGS:
	case NFT_T_DSCP:
	case NFT_T_ICMP_CODE:
	case NFT_T_U8:
	case NFT_T_U16:
	case NFT_T_ETHERTYPE:
	case NFT_T_LINK_TYPE:
	case NFT_T_UID:
		break;
	}
	return parse_symbol(w, s, len, &n) && put_number(w, n, out);
}

bool nft_type_is_bits(enum nft_type type)
{
	return type == NFT_T_CT_STATE || type == NFT_T_CT_STATUS || type == NFT_T_TCP_FLAGS;
}

/* ---- values made of several words ---- */

bool nft_parse_primary(struct nft_reader *r, struct nft_want w, uint8_t out[16])
{
	const struct nft_token *t = nft_peek(r);
	bool good;

	if (nft_take_sign(r, '(')) {
		if (r->nesting >= NFT_READ_MAX_NESTING)
			return false;
		r->nesting++;
		good = nft_parse_value(r, w, nft_type_is_bits(w.type), out) &&
		       nft_take_sign(r, ')');
		r->nesting--;
		return good;
	}
	if (!nft_token_is_text(t) || !parse_word(r, w, t->s, t->len, out))
		return false;
	r->at++;
	return true;
}

bool nft_take_operator(struct nft_reader *r, char *op)
{
	static const struct {
		const char *word;
		char sign;
	} ops[] = {{"or", '|'}, {"and", '&'}, {"xor", '^'}};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		*op = ops[i].sign;
		if (nft_take_sign(r, ops[i].sign) || nft_take(r, ops[i].word))
			return true;
	}
	return false;
}

static bool take_comma(struct nft_reader *r, char *op)
{
	*op = '|';
	return nft_take_sign(r, ',');
}

bool nft_parse_value(struct nft_reader *r, struct nft_want w, bool list, uint8_t out[16])
{
	uint8_t next[16];
	char op;

	if (!nft_parse_primary(r, w, out))
		return false;
	while (nft_take_operator(r, &op) || (list && take_comma(r, &op))) {
		if (!nft_parse_primary(r, w, next))
			return false;
		for (unsigned int i = 0; i < 16; i++) {
			if (op == '|')
				out[i] |= next[i];
			else if (op == '&')
				out[i] &= next[i];
			else
				out[i] ^= next[i];
		}
	}
	return true;
}

/* ---- ranges, prefixes, wildcards ---- */

static void fill_prefix(struct nft_want w, struct nft_constant *c)
{
	bool host = nft_type_is_host_order(w.type) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

	for (unsigned int i = 0; i < w.len; i++) {
		unsigned int bits = c->prefix > 8 * i ? c->prefix - 8 * i : 0;
		uint8_t mask = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);
		unsigned int at = host ? w.len - 1 - i : i;

		c->first[at] &= mask;
		c->last[at] = c->first[at] | (uint8_t)~mask;
	}
}

/* "10.0.0.0/8"; and "0x80000000/1", which is how nft lists a match of the highest bits of a mark. */
static bool parse_prefix(
	struct nft_reader *r, struct nft_want w, const struct nft_token *t, struct nft_constant *c)
{
	const char *slash = memchr(t->s, '/', t->len);
	uint64_t bits;
	size_t head;

	if (!slash || (w.type != NFT_T_IPV4 && w.type != NFT_T_IPV6 && w.type != NFT_T_MARK))
		return false;
	head = (size_t)(slash - t->s);
	if (!parse_word(r, w, t->s, head, c->first) ||
		!nft_parse_number(slash + 1, t->len - head - 1, &bits) || bits > 8u * w.len)
		return false;
	c->kind = bits == 8u * w.len ? CONSTANT_ONE : CONSTANT_PREFIX;
	c->prefix = (uint8_t)bits;
	fill_prefix(w, c);
	return true;
}

/* "a-b" in one word; names have hyphens too. */
static bool parse_range(
	struct nft_reader *r, struct nft_want w, const struct nft_token *t, struct nft_constant *c)
{
	for (size_t i = 1; i + 1 < t->len; i++) {
		if (t->s[i] == '-' && parse_word(r, w, t->s, i, c->first) &&
			parse_word(r, w, t->s + i + 1, t->len - i - 1, c->last)) {
			c->kind = CONSTANT_RANGE;
			return true;
		}
	}
	return false;
}

static bool parse_wildcard(struct nft_want w, const struct nft_token *t, struct nft_constant *c)
{
	size_t len = t->len - 1;

	if (w.type != NFT_T_IFNAME || !t->len || t->s[len] != '*' || !len || len > 15)
		return false;
	if (t->s[len - 1] == '\\') /* a real asterisk */
		return false;
	memset(c->first, 0, sizeof(c->first));
	memcpy(c->first, t->s, len);
	memset(c->last, 0xff, sizeof(c->last));
	memcpy(c->last, t->s, len);
	c->kind = CONSTANT_WILDCARD;
	c->prefix = (uint8_t)len;
	return true;
}

bool nft_parse_constant(struct nft_reader *r, struct nft_want w, struct nft_constant *out)
{
	const struct nft_token *t = nft_peek(r);

	memset(out, 0, sizeof(*out));
	if (nft_token_is_text(t) && (parse_wildcard(w, t, out) || parse_prefix(r, w, t, out) ||
					    (!parse_word(r, w, t->s, t->len, out->first) &&
						    parse_range(r, w, t, out)))) {
		r->at++;
		return true;
	}
	if (!nft_parse_value(r, w, false, out->first))
		return false;
	memcpy(out->last, out->first, sizeof(out->last));
	if (nft_take(r, "-")) {
		out->kind = CONSTANT_RANGE;
		return nft_parse_value(r, w, false, out->last);
	}
	return true;
}
