/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other addresses in place of the real ones: of one address, and of all that stand in a text. */
#include "netstate/dump/anonymise.h"

#include <stdio.h>
#include <string.h>

#include "netstate/dump/reader.h"
#include "netstate/names.h"

/* ---- a keyed function (SipHash-2-4, Aumasson and Bernstein, 2012) ---- */

static uint64_t rotate(uint64_t v, unsigned int by)
{
	return v << by | v >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

/* Of three words, which is all that is asked here. */
static uint64_t keyed(const struct anonymiser *x, uint64_t what, const uint8_t bytes[16])
{
	uint64_t v[4] = {x->key[0] ^ 0x736f6d6570736575, x->key[1] ^ 0x646f72616e646f6d,
		x->key[0] ^ 0x6c7967656e657261, x->key[1] ^ 0x7465646279746573};
	uint64_t words[4] = {what, 0, 0, (uint64_t)24 << 56};

	memcpy(&words[1], bytes, 16);
	for (unsigned int i = 0; i < 4; i++) {
		v[3] ^= words[i];
		sip_round(v);
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	for (unsigned int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void anonymise_init(struct anonymiser *x, const uint8_t key[ANONYMISE_KEY_BYTES])
{
	memcpy(x->key, key, sizeof(x->key));
}

/* ---- one address ---- */

/* A range that maps into itself: from bit `from` on, or, where that is the address's length, not at all. */
struct special {
	uint8_t bytes[16];
	uint8_t len, from;
};

static const struct special special4[] = {
	{{0}, 8, 32},
	{{10}, 8, 8},
	{{100, 64}, 10, 10},
	{{127}, 8, 32},
	{{169, 254}, 16, 16},
	{{172, 16}, 12, 12},
	{{192, 168}, 16, 16},
	{{224}, 4, 32},
	{{240}, 4, 32},
};

static const struct special special6[] = {
	{{0}, 8, 128}, /* ::, ::1, and what holds v4 addresses, which is seen to first */
	{{0xfc}, 7, 8},
	{{0xfe, 0x80}, 10, 64},
	{{0xff}, 8, 128},
};

static bool bit(const uint8_t *bytes, unsigned int i)
{
	return bytes[i / 8] >> (7 - i % 8) & 1;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int n)
{
	if (memcmp(a, b, n / 8) != 0)
		return false;
	return n % 8 == 0 || (a[n / 8] ^ b[n / 8]) >> (8 - n % 8) == 0;
}

/*
 * May the bit behind the first @n be another one? Not where a special range lies ahead, since what is
 * in it would leave it and others come in; nor before that bit of the range from which on it maps.
 */
static bool may_flip(const struct special *s, size_t count, const uint8_t *bytes, unsigned int n)
{
	for (size_t i = 0; i < count; i++) {
		if (n < s[i].len ? same_bits(bytes, s[i].bytes, n)
				 : n < s[i].from && same_bits(bytes, s[i].bytes, s[i].len))
			return false;
	}
	return true;
}

/* Of v6, what is zero from the middle on stays so. */
static bool only_zeros(const uint8_t *bytes, unsigned int n)
{
	for (unsigned int i = 64; i < n; i++)
		if (bit(bytes, i))
			return false;
	return true;
}

static bool holds_v4(const uint8_t *bytes)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t nat64[12] = {[1] = 0x64, [2] = 0xff, [3] = 0x9b};

	return memcmp(bytes, mapped, 12) == 0 || memcmp(bytes, nat64, 12) == 0;
}

struct ip_addr anonymise_addr(const struct anonymiser *x, const struct ip_addr *a)
{
	bool v6 = a->family == IP_V6;
	const struct special *specials = v6 ? special6 : special4;
	size_t count =
		v6 ? sizeof(special6) / sizeof(*special6) : sizeof(special4) / sizeof(*special4);
	unsigned int end = v6 ? 112 : 24;
	struct ip_addr out = *a;
	uint8_t prefix[16] = {0};

	if (v6 && holds_v4(a->bytes)) {
		struct ip_addr v4 = ip_from_bytes(IP_V4, a->bytes + 12);

		v4 = anonymise_addr(x, &v4);
		memcpy(out.bytes + 12, v4.bytes, 4);
		return out;
	}
	for (unsigned int i = 0; i < end; i++) {
		uint8_t mask = (uint8_t)(0x80 >> i % 8);

		/* A bit changes or not as those before it say: that is what keeps prefixes. */
		if (may_flip(specials, count, a->bytes, i) &&
			!(v6 && i >= 64 && only_zeros(a->bytes, i)) &&
			keyed(x, (uint64_t)a->family << 8 | i, prefix) & 1)
			out.bytes[i / 8] ^= mask;
		prefix[i / 8] |= a->bytes[i / 8] & mask;
	}
	return out;
}

static void anonymise_mac(const struct anonymiser *x, uint8_t mac[6])
{
	static const uint8_t none[6];
	uint8_t bytes[16] = {0};
	uint64_t h;

	if (mac[0] & 1 || memcmp(mac, none, 6) == 0) /* of groups, and all of them; or not set */
		return;
	memcpy(bytes, mac, 6);
	h = keyed(x, 48, bytes);
	memcpy(mac, &h, 6);
	mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
}

/* ---- texts ---- */

struct rewriting {
	const struct anonymiser *x;
	const char *text, *at, *end;
	struct strbuf *out;
};

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_';
}

static bool is_address_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
	       c == ':' || c == '.';
}

/* The length of the run at @s that may be an address. */
static size_t run_length(const struct rewriting *w, const char *s)
{
	const char *c = s;

	while (c < w->end && is_address_char(*c))
		c++;
	return (size_t)(c - s);
}

static const char *skip(const struct rewriting *w, const char *s, const char *chars)
{
	while (s < w->end && strchr(chars, *s) && *s)
		s++;
	return s;
}

/* Digits at @s as a length of a prefix of @family; -1: none. */
static int length_at(const struct rewriting *w, const char *s, uint8_t family)
{
	unsigned int len = 0;
	const char *c = s;

	for (; c < w->end && c - s < 3 && *c >= '0' && *c <= '9'; c++)
		len = len * 10 + (unsigned int)(*c - '0');
	if (c == s || (c < w->end && is_word(*c)) || len > ip_bits(family))
		return -1;
	return (int)len;
}

/* The length that goes with the address before @s: "/24", or in JSON a member of its own, as in
 * "addr": "10.0.0.0", "len": 8. -1: none. */
static int prefix_length(const struct rewriting *w, const char *s, uint8_t family)
{
	static const char *const keys[] = {"\"len\"", "\"srclen\"", "\"dstlen\"", "\"prefixlen\""};

	if (s < w->end && *s == '/')
		return length_at(w, s + 1, family);
	if (s == w->end || *s != '"')
		return -1;
	s = skip(w, s + 1, ", \t\r\n");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (dump_starts_with(s, (size_t)(w->end - s), keys[i]))
			return length_at(w, skip(w, s + strlen(keys[i]), ": \t"), family);
	return -1;
}

/* Is the string at w->at the first of "range": [ ... ]? */
static bool in_json_range(const struct rewriting *w)
{
	static const char key[] = "\"range\"", before[] = "\"[:";
	const char *s = w->at;

	for (const char *want = before; *want; want++) {
		if (s == w->text || *--s != *want)
			return false;
		while (s > w->text && strchr(" \t\r\n", s[-1]))
			s--;
	}
	return (size_t)(s - w->text) >= strlen(key) &&
	       memcmp(s - strlen(key), key, strlen(key)) == 0;
}

/* The last address of a range whose first ends before @s: "-10.0.0.9", or in JSON the next string of
 * the same list. NULL: it is no range; else where it begins. */
static const char *range_end(
	const struct rewriting *w, const char *s, uint8_t family, struct ip_addr *out)
{
	if (s < w->end && *s == '-')
		s++;
	else if (s < w->end && *s == '"' && in_json_range(w))
		s = skip(w, s, "\", \t\r\n");
	else
		return NULL;
	return ip_parse_n(s, run_length(w, s), out) == 0 && out->family == family ? s : NULL;
}

/* The length of the one prefix that the range is, or -1. */
static int range_is_prefix(const struct ip_addr *first, const struct ip_addr *last)
{
	for (unsigned int len = 0; len <= ip_bits(first->family); len++) {
		struct ip_prefix p = ip_prefix_of(first, (uint8_t)len);
		struct ip_addr end = ip_prefix_last(&p);

		if (ip_equal(&p.addr, first) && ip_equal(&end, last))
			return (int)len;
	}
	return -1;
}

static void put_address(struct rewriting *w, const struct ip_addr *a, size_t len)
{
	struct ip_addr out = anonymise_addr(w->x, a);
	int prefix = prefix_length(w, w->at + len, a->family);
	char buf[IP_STRLEN];

	/* A network's host bits are zero, and so they stay. */
	if (prefix >= 0) {
		struct ip_prefix network = ip_prefix_of(a, (uint8_t)prefix);

		if (ip_equal(&network.addr, a))
			out = ip_prefix_of(&out, (uint8_t)prefix).addr;
	}
	strbuf_add(w->out, ip_format(&out, buf));
	w->at += len;
}

/* A range that is a whole network, with its two ends, of which @first is @len bytes. */
static bool put_range(struct rewriting *w, const struct ip_addr *first, size_t len)
{
	const char *behind = w->at + len, *s;
	struct ip_prefix network;
	struct ip_addr last, out;
	char buf[IP_STRLEN];
	int prefix;

	s = range_end(w, behind, first->family, &last);
	prefix = s ? range_is_prefix(first, &last) : -1;
	if (prefix < 0)
		return false;
	out = anonymise_addr(w->x, first);
	network = ip_prefix_of(&out, (uint8_t)prefix);
	last = ip_prefix_last(&network);
	strbuf_add(w->out, ip_format(&network.addr, buf));
	strbuf_addn(w->out, behind, (size_t)(s - behind));
	strbuf_add(w->out, ip_format(&last, buf));
	w->at = s + run_length(w, s);
	return true;
}

static bool put_mac(struct rewriting *w, const char *s)
{
	char text[18];
	uint8_t mac[6];

	memcpy(text, s, 17);
	text[17] = '\0';
	if (!net_mac_parse(text, strlen(text), mac))
		return false;
	anonymise_mac(w->x, mac);
	strbuf_addf(w->out, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
	return true;
}

/* An address at w->at, @len bytes, if it is one; true: written. */
static bool try_address(struct rewriting *w, size_t len)
{
	struct ip_addr a;

	if (ip_parse_n(w->at, len, &a) != 0)
		return false;
	if (!put_range(w, &a, len))
		put_address(w, &a, len);
	return true;
}

/* What begins at w->at and ends where no more of an address may come. */
static void rewrite_run(struct rewriting *w, size_t len)
{
	const char *colon = memchr(w->at, ':', len), *dot = memchr(w->at, '.', len);
	size_t trimmed = len;

	if (len == 17 && put_mac(w, w->at)) {
		w->at += len;
		return;
	}
	/* The identity of a bridge: "8000.ae:55:61:41:36:a6" */
	if (len == 22 && dot == w->at + 4) {
		strbuf_addn(w->out, w->at, 5);
		if (!put_mac(w, w->at + 5))
			strbuf_addn(w->out, w->at + 5, 17);
		w->at += len;
		return;
	}
	if (try_address(w, len))
		return;
	/* "192.168.0.2:80" */
	if (colon && dot && dot < colon && try_address(w, (size_t)(colon - w->at)))
		return;
	/* The end of a sentence. */
	while (trimmed && strchr(".:", w->at[trimmed - 1]))
		trimmed--;
	if (trimmed < len && trimmed && try_address(w, trimmed))
		return;
	strbuf_addn(w->out, w->at, len);
	w->at += len;
}

void anonymise_text(const struct anonymiser *x, const char *text, size_t len, struct strbuf *out)
{
	struct rewriting w = {x, text, text, text + len, out};

	while (w.at < w.end) {
		size_t run = 0;

		if (w.at == text || !(is_word(w.at[-1]) || w.at[-1] == '.' || w.at[-1] == ':'))
			run = run_length(&w, w.at);
		if (run >= 2 && (w.at + run == w.end || !is_word(w.at[run]))) {
			rewrite_run(&w, run);
			continue;
		}
		strbuf_addn(out, w.at, run ? run : 1);
		w.at += run ? run : 1;
	}
}
