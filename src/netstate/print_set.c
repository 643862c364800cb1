/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values, and sets with their elements, as text that nft(8) takes. */
#include "netstate/print.h"

#include <string.h>

/* ---- values ---- */

static const struct print_word ct_states[] = {{1, "invalid"}, {2, "established"}, {4, "related"},
	{8, "new"}, {64, "untracked"}, {0, NULL}};
static const struct print_word ct_statuses[] = {{1, "expected"}, {2, "seen-reply"}, {4, "assured"},
	{8, "confirmed"}, {16, "snat"}, {32, "dnat"}, {512, "dying"}, {0, NULL}};
static const struct print_word ct_dirs[] = {{0, "original"}, {1, "reply"}, {0, NULL}};
static const struct print_word fib_types[] = {{0, "unspec"}, {1, "unicast"}, {2, "local"},
	{3, "broadcast"}, {4, "anycast"}, {5, "multicast"}, {6, "blackhole"}, {7, "unreachable"},
	{8, "prohibit"}, {0, NULL}};
static const struct print_word pkt_types[] = {
	{0, "unicast"}, {1, "broadcast"}, {2, "multicast"}, {3, "other"}, {0, NULL}};
static const struct print_word nfprotos[] = {{2, "ipv4"}, {10, "ipv6"}, {0, NULL}};
static const struct print_word booleans[] = {{0, "missing"}, {1, "exists"}, {0, NULL}};
static const struct print_word icmp_types[] = {{0, "echo-reply"}, {3, "destination-unreachable"},
	{4, "source-quench"}, {5, "redirect"}, {8, "echo-request"}, {9, "router-advertisement"},
	{10, "router-solicitation"}, {11, "time-exceeded"}, {12, "parameter-problem"}, {0, NULL}};
static const struct print_word icmpv6_types[] = {{1, "destination-unreachable"},
	{2, "packet-too-big"}, {3, "time-exceeded"}, {4, "parameter-problem"},
	{128, "echo-request"}, {129, "echo-reply"}, {133, "nd-router-solicit"},
	{134, "nd-router-advert"}, {135, "nd-neighbor-solicit"}, {136, "nd-neighbor-advert"},
	{137, "nd-redirect"}, {0, NULL}};

static const struct print_word tcp_flags[] = {{1, "fin"}, {2, "syn"}, {4, "rst"}, {8, "psh"},
	{16, "ack"}, {32, "urg"}, {64, "ecn"}, {128, "cwr"}, {0, NULL}};
static const struct print_word ether_types[] = {
	{0x0800, "ip"}, {0x0806, "arp"}, {0x8100, "8021q"}, {0x86dd, "ip6"}, {0, NULL}};

static const struct print_word link_types[] = {{1, "ether"}, {512, "ppp"}, {768, "ipip"},
	{769, "ipip6"}, {772, "loopback"}, {776, "sit"}, {778, "ipgre"}, {0, NULL}};

/* Decimal without printf: there may be hundreds of thousands of these. */
void print_uint(struct strbuf *out, uint32_t n)
{
	char buf[10];
	unsigned int at = sizeof(buf);

	do
		buf[--at] = '0' + n % 10;
	while (n /= 10);
	strbuf_addn(out, buf + at, sizeof(buf) - at);
}

static void print_word(struct strbuf *out, const struct print_word *words, uint32_t value)
{
	for (; words->text; words++) {
		if (words->value == value) {
			strbuf_add(out, words->text);
			return;
		}
	}
	print_uint(out, value);
}

void print_bits(struct strbuf *out, const struct print_word *words, uint32_t value, const char *sep)
{
	uint32_t known = 0;
	bool first = true;

	for (const struct print_word *w = words; w->text; w++)
		known |= w->value;
	if (!value || value & ~known) {
		strbuf_addf(out, "0x%x", value);
		return;
	}
	for (const struct print_word *w = words; w->text; w++) {
		if (!(value & w->value))
			continue;
		if (!first)
			strbuf_add(out, sep);
		first = false;
		strbuf_add(out, w->text);
	}
}

bool print_is_bits(enum nft_type type)
{
	return type == NFT_T_CT_STATE || type == NFT_T_CT_STATUS || type == NFT_T_TCP_FLAGS;
}

void print_operand(struct strbuf *out, enum nft_type type, const uint8_t *bytes)
{
	const struct print_word *words = type == NFT_T_CT_STATE	   ? ct_states
					 : type == NFT_T_CT_STATUS ? ct_statuses
								   : tcp_flags;
	uint32_t bits = bytes[0];
	bool several;

	if (type == NFT_T_U16) {
		strbuf_addf(out, "0x%x", bytes[0] << 8 | bytes[1]);
		return;
	}
	if (!print_is_bits(type)) {
		print_value(out, type, nft_type_len(type), bytes, false);
		return;
	}
	if (type != NFT_T_TCP_FLAGS)
		memcpy(&bits, bytes, sizeof(bits));
	several = __builtin_popcount(bits) > 1;
	strbuf_add(out, several ? "(" : "");
	print_bits(out, words, bits, " | ");
	strbuf_add(out, several ? ")" : "");
}

static uint32_t get_u32(const uint8_t *bytes, bool swap)
{
	uint32_t n;

	memcpy(&n, bytes, sizeof(n));
	return swap ? __builtin_bswap32(n) : n;
}

static void print_address(struct strbuf *out, enum nft_type type, const uint8_t *bytes)
{
	struct ip_addr addr = ip_from_bytes(type == NFT_T_IPV4 ? IP_V4 : IP_V6, bytes);
	char buf[IP_STRLEN];

	strbuf_add(out, ip_format(&addr, buf));
}

static void print_ether_type(struct strbuf *out, uint16_t type)
{
	for (const struct print_word *w = ether_types; w->text; w++) {
		if (w->value == type) {
			strbuf_add(out, w->text);
			return;
		}
	}
	strbuf_addf(out, "0x%04x", type);
}

static void print_hex(struct strbuf *out, const uint8_t *bytes, unsigned int len)
{
	strbuf_add(out, "0x");
	for (unsigned int i = 0; i < len; i++)
		strbuf_addf(out, "%02x", bytes[i]);
}

void print_value(
	struct strbuf *out, enum nft_type type, unsigned int len, const uint8_t *bytes, bool swap)
{
	const char *proto;
	uint16_t type16;

	switch (type) {
	case NFT_T_IPV4:
	case NFT_T_IPV6:
		print_address(out, type, bytes);
		break;
	case NFT_T_PORT:
	case NFT_T_U16:
		print_uint(out, bytes[0] << 8 | bytes[1]);
		break;
	case NFT_T_PROTO:
		proto = ip_proto_name(bytes[0]);
		if (proto)
			strbuf_add(out, proto);
		else
			print_uint(out, bytes[0]);
		break;
	case NFT_T_NFPROTO:
		print_word(out, nfprotos, bytes[0]);
		break;
	case NFT_T_IFNAME: /* shorter than the whole name: a prefix */
		strbuf_addch(out, '"');
		strbuf_addn(out, (const char *)bytes, strnlen((const char *)bytes, len));
		strbuf_add(out, len < 16 ? "*\"" : "\"");
		break;
	case NFT_T_IFINDEX:
	case NFT_T_INTEGER:
	case NFT_T_UID:
		print_uint(out, get_u32(bytes, swap));
		break;
	case NFT_T_LINK_TYPE:
		memcpy(&type16, bytes, sizeof(type16));
		print_word(out, link_types, swap ? __builtin_bswap16(type16) : type16);
		break;
	case NFT_T_MARK:
		strbuf_addf(out, "0x%08x", get_u32(bytes, swap));
		break;
	case NFT_T_CT_STATE:
		print_bits(out, ct_states, get_u32(bytes, swap), ",");
		break;
	case NFT_T_CT_STATUS:
		print_bits(out, ct_statuses, get_u32(bytes, swap), ",");
		break;
	case NFT_T_CT_DIR:
		print_word(out, ct_dirs, bytes[0]);
		break;
	case NFT_T_FIB_TYPE:
		print_word(out, fib_types, get_u32(bytes, swap));
		break;
	case NFT_T_PKTTYPE:
		print_word(out, pkt_types, bytes[0]);
		break;
	case NFT_T_ICMP_TYPE:
		print_word(out, icmp_types, bytes[0]);
		break;
	case NFT_T_ICMPV6_TYPE:
		print_word(out, icmpv6_types, bytes[0]);
		break;
	case NFT_T_BOOL:
		print_word(out, booleans, bytes[0]);
		break;
	case NFT_T_TCP_FLAGS:
		print_bits(out, tcp_flags, bytes[0], " | ");
		break;
	case NFT_T_DSCP:
		strbuf_addf(out, "0x%02x", bytes[0]);
		break;
	case NFT_T_ICMP_CODE:
	case NFT_T_U8:
		print_uint(out, bytes[0]);
		break;
	case NFT_T_ETHERTYPE:
		print_ether_type(out, (uint16_t)(bytes[0] << 8 | bytes[1]));
		break;
	case NFT_T_ETHER:
		for (unsigned int i = 0; i < 6; i++)
			strbuf_addf(out, i ? ":%02x" : "%02x", bytes[i]);
		break;
	case NFT_T_NONE:
	case NFT_T_VERDICT:
	case NFT_T_OTHER:
	case NFT_T_COUNT_:
		print_hex(out, bytes, len);
		break;
	}
}

int print_prefix_len(const uint8_t *first, const uint8_t *last, unsigned int bytes)
{
	unsigned int bits = bytes * 8, len = 0;

	while (len < bits && !((first[len / 8] ^ last[len / 8]) & 0x80 >> len % 8))
		len++;
	for (unsigned int i = len; i < bits; i++) {
		if (first[i / 8] & 0x80 >> i % 8 || !(last[i / 8] & 0x80 >> i % 8))
			return -1;
	}
	return len;
}

static void print_interval(
	struct strbuf *out, const struct nft_field *f, const uint8_t *first, const uint8_t *last)
{
	bool swap = nft_type_is_host_order(f->type);
	unsigned int known;
	int len;

	if (memcmp(first, last, f->len) == 0) {
		print_value(out, f->type, f->len, first, swap);
		return;
	}
	if (f->type == NFT_T_IFNAME) {
		known = strnlen((const char *)first, f->len);
		print_value(out, f->type, known, first, false);
		return;
	}
	print_value(out, f->type, f->len, first, swap);
	len = print_prefix_len(first, last, f->len);
	if (len >= 0 && (f->type == NFT_T_IPV4 || f->type == NFT_T_IPV6)) {
		strbuf_addch(out, '/');
		print_uint(out, len);
		return;
	}
	strbuf_addch(out, '-');
	print_value(out, f->type, f->len, last, swap);
}

/* ---- sets ---- */

void print_verdict(struct strbuf *out, int32_t verdict, const char *chain)
{
	switch ((enum nft_verdict)verdict) {
	case VERDICT_DROP:
		strbuf_add(out, "drop");
		break;
	case VERDICT_ACCEPT:
		strbuf_add(out, "accept");
		break;
	case VERDICT_QUEUE:
		strbuf_add(out, "queue");
		break;
	case VERDICT_CONTINUE:
		strbuf_add(out, "continue");
		break;
	case VERDICT_JUMP:
		strbuf_add(out, "jump ");
		strbuf_add(out, chain ? chain : "?");
		break;
	case VERDICT_GOTO:
		strbuf_add(out, "goto ");
		strbuf_add(out, chain ? chain : "?");
		break;
	case VERDICT_RETURN:
		strbuf_add(out, "return");
		break;
	}
}

/* A map may give ranges: first and last one, each an address with or without a port, in one field.
 * The address's type; NFT_T_NONE: it is no such map. */
static enum nft_type range_type(const struct nft_set *s, bool *ports)
{
	unsigned int half =
		s->n_data == 1 && s->data[0].type == NFT_T_OTHER ? s->data[0].len / 2 : 0;

	*ports = half == 4 + 4 || half == 16 + 4;
	return half == 4 || half == 4 + 4     ? NFT_T_IPV4
	       : half == 16 || half == 16 + 4 ? NFT_T_IPV6
					      : NFT_T_NONE;
}

static void print_range_data(struct strbuf *out, enum nft_type type, bool ports,
	const uint8_t *first, const uint8_t *last)
{
	struct nft_field address = {type, (uint16_t)nft_type_len(type)}, port = {NFT_T_PORT, 2};

	print_interval(out, &address, first, last);
	if (ports) {
		strbuf_add(out, " . ");
		print_interval(out, &port, first + address.len, last + address.len);
	}
}

static void print_data(struct strbuf *out, const struct nft_set *s, size_t i)
{
	const uint8_t *data = nft_set_elem_data(s, i);
	bool ports;
	enum nft_type range = range_type(s, &ports);

	if (range != NFT_T_NONE) {
		print_range_data(out, range, ports, data, data + s->data[0].len / 2);
		return;
	}

	if (s->n_data == 1 && s->data[0].type == NFT_T_VERDICT) {
		int32_t verdict;
		uint32_t chain;

		memcpy(&verdict, data, sizeof(verdict));
		memcpy(&chain, data + 4, sizeof(chain));
		print_verdict(out, verdict, chain < s->chains.len ? s->chains.items[chain] : "?");
		return;
	}
	for (unsigned int f = 0; f < s->n_data; f++) {
		if (f)
			strbuf_add(out, " . ");
		print_value(out, s->data[f].type, s->data[f].len, data, false);
		data += nft_padded(s->data[f].len);
	}
}

void print_time(struct strbuf *out, uint32_t ms)
{
	print_uint(out, ms % 1000 ? ms : ms / 1000);
	strbuf_add(out, ms % 1000 ? "ms" : "s");
}

void nft_print_element(struct strbuf *out, const struct nft_set *s, size_t i)
{
	const uint8_t *key = nft_set_elem(s, i);

	for (unsigned int f = 0; f < s->n_key; f++) {
		if (f)
			strbuf_add(out, " . ");
		if (s->flags & SET_INTERVAL)
			print_interval(out, &s->key[f], key, key + s->key_len);
		else
			print_value(out, s->key[f].type, s->key[f].len, key, false);
		key += nft_padded(s->key[f].len);
	}
	if (s->timeouts_ms && s->timeouts_ms[i]) {
		strbuf_add(out, " timeout ");
		print_time(out, s->timeouts_ms[i]);
	}
	if (s->comments && s->comments[i])
		strbuf_addf(out, " comment \"%s\"", s->comments[i]);
	if (s->flags & SET_MAP) {
		strbuf_add(out, " : ");
		print_data(out, s, i);
	}
}

void print_set_use(struct strbuf *out, const struct nft_set *s)
{
	if (!(s->flags & SET_ANONYMOUS)) {
		strbuf_addch(out, '@');
		strbuf_add(out, s->name);
		return;
	}
	strbuf_add(out, "{ ");
	for (size_t i = 0; i < s->len; i++) {
		if (i)
			strbuf_add(out, ", ");
		nft_print_element(out, s, i);
	}
	strbuf_add(out, " }");
}

static void print_types(struct strbuf *out, const struct nft_field *fields, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const char *name = nft_type_name(fields[i].type);

		if (i)
			strbuf_add(out, " . ");
		if (name)
			strbuf_add(out, name);
		else
			strbuf_addf(out, "<%u bytes>", fields[i].len);
	}
}

static void print_data_types(struct strbuf *out, const struct nft_set *s)
{
	bool ports;
	enum nft_type range = range_type(s, &ports);

	if (range == NFT_T_NONE)
		print_types(out, s->data, s->n_data);
	else
		strbuf_addf(
			out, "interval %s%s", nft_type_name(range), ports ? " . inet_service" : "");
}

static void print_set_flags(struct strbuf *out, uint32_t flags)
{
	static const struct print_word words[] = {{SET_CONSTANT, "constant"},
		{SET_INTERVAL, "interval"}, {SET_TIMEOUT, "timeout"}, {SET_DYNAMIC, "dynamic"},
		{0, NULL}};

	flags &= SET_CONSTANT | SET_INTERVAL | SET_TIMEOUT | SET_DYNAMIC;
	if (!flags)
		return;
	strbuf_add(out, "\t\tflags ");
	print_bits(out, words, flags, ",");
	strbuf_addch(out, '\n');
}

static void print_elements(struct strbuf *out, const struct nft_set *s)
{
	bool one_per_line = s->flags & SET_MAP || s->comments;
	size_t line_start;

	if (!s->len)
		return;
	strbuf_add(out, "\t\telements = {\n\t\t\t");
	line_start = out->len;
	for (size_t i = 0; i < s->len; i++) {
		nft_print_element(out, s, i);
		if (i + 1 == s->len)
			break;
		if (one_per_line || out->len - line_start > 60) {
			strbuf_add(out, ",\n\t\t\t");
			line_start = out->len;
		} else {
			strbuf_add(out, ", ");
		}
	}
	strbuf_add(out, "\n\t\t}\n");
}

void print_set(struct strbuf *out, const struct nft_set *s)
{
	bool map = s->flags & (SET_MAP | SET_OBJECTS);

	strbuf_addf(out, "\t%s %s {\n\t\ttype ", map ? "map" : "set", s->name);
	print_types(out, s->key, s->n_key);
	if (s->flags & SET_OBJECTS) {
		strbuf_addf(out, " : %s", s->objects ? s->objects : "counter");
	} else if (map) {
		strbuf_add(out, " : ");
		print_data_types(out, s);
	}
	strbuf_addch(out, '\n');
	if (s->size)
		strbuf_addf(out, "\t\tsize %u\n", s->size);
	print_set_flags(out, s->flags);
	if (s->timeout_ms) {
		strbuf_add(out, "\t\ttimeout ");
		print_time(out, s->timeout_ms);
		strbuf_addch(out, '\n');
	}
	print_elements(out, s);
	strbuf_add(out, "\t}\n");
}
