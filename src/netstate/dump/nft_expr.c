/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expressions of nft's language: what is asked of a packet, and what is written. */
#include <stdio.h>
#include <string.h>

#include "netstate/dump/nft_reader.h"

/* ---- what nft adds by itself ---- */

static void match_byte(struct nft_reader *r, enum nft_selector s, uint8_t value)
{
	nft_match_u8(r->a, r->rule, nft_sel(r->a, s), OP_EQ, value);
}

void nft_need_ip(struct nft_reader *r, uint8_t family)
{
	static const uint8_t v4[2] = {0x08, 0x00}, v6[2] = {0x86, 0xdd};

	if (!r->rule || r->l3 == family)
		return;
	r->l3 = family;
	switch (r->table->family) {
	case FAMILY_INET:
		match_byte(r, SEL_META_NFPROTO, family == IP_V6 ? FAMILY_IP6 : FAMILY_IP);
		return;
	case FAMILY_BRIDGE:
	case FAMILY_NETDEV:
		nft_match(r->a, r->rule, nft_sel(r->a, SEL_META_PROTOCOL), OP_EQ,
			family == IP_V6 ? v6 : v4, 2);
		return;
	case FAMILY_IP:
	case FAMILY_IP6:
	case FAMILY_ARP:
		return;
	}
}

void nft_need_protocol(struct nft_reader *r, uint8_t proto)
{
	if (!r->rule || r->l4 == proto)
		return;
	if (proto == PROTO_ICMP || proto == PROTO_ICMPV6)
		nft_need_ip(r, proto == PROTO_ICMP ? IP_V4 : IP_V6);
	r->l4 = proto;
	match_byte(r, SEL_META_L4PROTO, proto);
}

/* ---- selectors ---- */

static enum nft_selector selector_named(const char *name)
{
	for (unsigned int s = SEL_NONE + 1; s < SEL_COUNT_; s++) {
		if (strcmp(nft_selector_name(s), name) == 0)
			return s;
	}
	return SEL_NONE;
}

/* "@before word" as a selector. */
static enum nft_selector selector_of(const char *before, const struct nft_token *word)
{
	char name[64];

	if (!nft_token_is_text(word) ||
		snprintf(name, sizeof(name), "%s%s%.*s", before, *before ? " " : "", (int)word->len,
			word->s) >= (int)sizeof(name))
		return SEL_NONE;
	return selector_named(name);
}

/* Where no link is known, an interface's number says no more than its name. */
static enum nft_selector by_name(const struct nft_reader *r, enum nft_selector s)
{
	if (r->d->out->links.len)
		return s;
	return s == SEL_META_IIF ? SEL_META_IIFNAME : s == SEL_META_OIF ? SEL_META_OIFNAME : s;
}

/* The word behind `meta`, or one that stands without it. */
static enum nft_selector meta_selector(struct nft_reader *r, bool bare)
{
	static const struct {
		const char *word;
		enum nft_selector selector;
	} others[] = {{"ibridgename", SEL_META_IBRNAME}, {"obridgename", SEL_META_OBRNAME},
		{"ibrname", SEL_META_IBRNAME}, {"obrname", SEL_META_OBRNAME},
		{"ipsec", SEL_META_SECPATH}};
	const struct nft_token *t = nft_peek(r);
	enum nft_selector s;

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		if (nft_token_is(t, others[i].word)) {
			r->at++;
			return others[i].selector;
		}
	}
	s = selector_of("meta", t);
	if (s == SEL_NONE)
		s = selector_of("", t);
	/* These need the `meta`, else they are something else or nothing. */
	if (bare && (s == SEL_META_PROTOCOL || s == SEL_META_LENGTH || s == SEL_META_PRIORITY ||
			    s == SEL_META_L4PROTO || s == SEL_META_NFPROTO))
		return SEL_NONE;
	if (s != SEL_NONE)
		r->at++;
	return by_name(r, s);
}

static struct nft_expr *ct_expr(struct nft_reader *r)
{
	const char *before = "ct";
	uint8_t family = r->l3;
	enum nft_selector s;
	struct nft_expr *e;

	if (nft_take(r, "original"))
		before = "ct original";
	else if (nft_take(r, "reply"))
		before = "ct reply";
	if (nft_take(r, "ip"))
		family = IP_V4;
	else if (nft_take(r, "ip6"))
		family = IP_V6;
	s = selector_of(before, nft_peek(r));
	if (s == SEL_NONE)
		return NULL;
	r->at++;
	e = nft_sel(r->a, s);
	if (s == SEL_CT_ORIGINAL_SADDR || s == SEL_CT_ORIGINAL_DADDR || s == SEL_CT_REPLY_SADDR ||
		s == SEL_CT_REPLY_DADDR) {
		if (family == IP_NONE)
			return NULL;
		e->type = family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4;
	}
	return e;
}

static enum nft_selector fib_selector(struct nft_reader *r)
{
	bool saddr = false, daddr = false, mark = false, iif = false;
	enum nft_selector s;
	char name[64];

	do {
		if (nft_take(r, "saddr"))
			saddr = true;
		else if (nft_take(r, "daddr"))
			daddr = true;
		else if (nft_take(r, "mark"))
			mark = true;
		else if (nft_take(r, "iif"))
			iif = true;
		else
			return SEL_NONE;
	} while (nft_take(r, "."));
	if (saddr == daddr)
		return SEL_NONE;
	snprintf(name, sizeof(name), "fib %s%s%s", saddr ? "saddr" : "daddr", mark ? " . mark" : "",
		iif ? " . iif" : "");
	if (nft_take(r, "check")) { /* what newer ones call the question whether there is a route */
		size_t len = strlen(name);

		snprintf(name + len, sizeof(name) - len, " oif");
		return selector_named(name);
	}
	s = selector_of(name, nft_peek(r));
	r->at += s != SEL_NONE;
	return s;
}

static enum nft_selector tcp_option(struct nft_reader *r)
{
	bool size;

	if (!nft_take(r, "maxseg"))
		return SEL_NONE;
	size = nft_take(r, "size");
	return size ? SEL_TCP_MAXSEG : SEL_NONE;
}

/* Headers, and what nft matches before it looks into them. */
static const struct header {
	const char *name;
	uint8_t family, proto;
	bool ports;
} headers[] = {
	{"ip", IP_V4, 0, false},
	{"ip6", IP_V6, 0, false},
	{"tcp", 0, PROTO_TCP, true},
	{"udp", 0, PROTO_UDP, true},
	{"sctp", 0, PROTO_SCTP, true},
	{"dccp", 0, 33, true},
	{"udplite", 0, 136, true},
	{"th", 0, 0, true},
	{"icmp", 0, PROTO_ICMP, false},
	{"icmpv6", 0, PROTO_ICMPV6, false},
	{"ether", 0, 0, false},
};

static enum nft_selector header_selector(struct nft_reader *r, const struct header *h)
{
	enum nft_selector s = SEL_NONE;

	if (h->proto == PROTO_TCP && nft_take(r, "option"))
		return tcp_option(r);
	if (h->ports)
		s = selector_of("th", nft_peek(r));
	if (s == SEL_NONE)
		s = selector_of(h->name, nft_peek(r));
	if (s == SEL_NONE)
		return SEL_NONE;
	r->at++;
	if (h->family)
		nft_need_ip(r, h->family);
	if (h->proto)
		nft_need_protocol(r, h->proto);
	return s;
}

static struct nft_expr *hash_expr(struct nft_reader *r, enum nft_expr_kind kind)
{
	struct nft_expr *e = arena_new_of(r->a, struct nft_expr);

	e->kind = kind;
	e->type = NFT_T_INTEGER;
	if (kind == EXPR_JHASH) {
		e->key = nft_parse_packet_expr(r);
		if (!e->key)
			return NULL;
	} else if (kind == EXPR_NUMGEN) {
		e->incremental = nft_take(r, "inc");
		if (!e->incremental && !nft_take(r, "random"))
			return NULL;
	}
	if (!nft_take(r, "mod") || !nft_take_u32(r, &e->mod))
		return NULL;
	if (nft_take(r, "seed") && !nft_take_u32(r, &e->seed))
		return NULL;
	if (nft_take(r, "offset") && !nft_take_u32(r, &e->offset))
		return NULL;
	return e;
}

static struct nft_expr *parse_selector(struct nft_reader *r)
{
	size_t start = r->at;
	enum nft_selector s = SEL_NONE;

	if (nft_take(r, "ct"))
		return ct_expr(r);
	if (nft_take(r, "jhash"))
		return hash_expr(r, EXPR_JHASH);
	if (nft_take(r, "symhash"))
		return hash_expr(r, EXPR_SYMHASH);
	if (nft_take(r, "numgen"))
		return hash_expr(r, EXPR_NUMGEN);
	if (nft_take(r, "meta")) {
		s = meta_selector(r, false);
	} else if (nft_take(r, "fib")) {
		s = fib_selector(r);
	} else if (nft_take(r, "rt")) {
		s = nft_take(r, "mtu") ? SEL_RT_MTU : SEL_NONE;
	} else {
		for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
			if (nft_take(r, headers[i].name)) {
				s = header_selector(r, &headers[i]);
				return s == SEL_NONE ? NULL : nft_sel(r->a, s);
			}
		}
		r->at = start;
		s = meta_selector(r, true);
	}
	return s == SEL_NONE ? NULL : nft_sel(r->a, s);
}

/* ---- masks ---- */

/* (value & mask) ^ xor, then @op @operand. */
static void apply(struct nft_expr *e, char op, const uint8_t operand[16])
{
	for (unsigned int i = 0; i < 16; i++) {
		if (op == '&') {
			e->mask[i] &= operand[i];
			e->xor [i] &= operand[i];
		} else if (op == '|') {
			e->mask[i] &= (uint8_t)~operand[i];
			e->xor [i] |= operand[i];
		} else {
			e->xor [i] ^= operand[i];
		}
	}
}

static struct nft_expr *parse_masked(struct nft_reader *r)
{
	struct nft_expr *e = parse_selector(r);
	struct nft_want w;
	uint8_t operand[16];
	char op;

	while (e && nft_take_operator(r, &op)) {
		if ((e->kind != EXPR_SELECTOR && e->kind != EXPR_MASKED) ||
			nft_expr_wants(e, &w) != 1 || w.len > 16 ||
			!nft_parse_primary(r, w, operand))
			return NULL;
		if (e->kind == EXPR_SELECTOR) {
			e->kind = EXPR_MASKED;
			memset(e->mask, 0xff, w.len);
		}
		apply(e, op, operand);
	}
	if (e && (nft_take_sign(r, SIGN_LEFT) || nft_take_sign(r, SIGN_RIGHT)))
		return NULL;
	return e;
}

struct nft_expr *nft_parse_packet_expr(struct nft_reader *r)
{
	struct nft_expr *parts[NFT_MAX_FIELDS];
	unsigned int n = 0;

	if (r->nesting >= NFT_READ_MAX_NESTING)
		return NULL;
	r->nesting++;
	do {
		parts[n] = n < NFT_MAX_FIELDS ? parse_masked(r) : NULL;
	} while (parts[n++] && n < NFT_MAX_FIELDS && nft_take(r, "."));
	r->nesting--;
	if (!parts[n - 1])
		return NULL;
	return n == 1 ? parts[0] : nft_concat(r->a, parts, n);
}

/* ---- what is written ---- */

unsigned int nft_expr_wants(const struct nft_expr *e, struct nft_want *out)
{
	unsigned int n = 0;

	switch (e->kind) {
	case EXPR_SELECTOR:
	case EXPR_MASKED:
		out[0] = (struct nft_want){e->type, (uint16_t)nft_expr_len(e), e->selector};
		return 1;
	case EXPR_CONCAT:
		for (unsigned int i = 0; i < e->n_parts; i++) {
			if (nft_expr_wants(e->parts[i], out + n) != 1)
				return 0;
			n++;
		}
		return n;
	case EXPR_JHASH:
	case EXPR_SYMHASH:
	case EXPR_NUMGEN:
		out[0] = nft_want_type(NFT_T_INTEGER);
		return 1;
	case EXPR_MAP:
		for (; e->set && n < e->set->n_data; n++)
			out[n] = (struct nft_want){
				e->set->data[n].type, e->set->data[n].len, SEL_NONE};
		return n;
	case EXPR_VALUE:
	case EXPR_UNKNOWN:
		return 0;
	}
	return 0;
}

static struct nft_expr *parse_plain_value(struct nft_reader *r, struct nft_want w)
{
	struct nft_expr *e = arena_new_of(r->a, struct nft_expr);

	if (!nft_parse_value(r, w, nft_type_is_bits(w.type), e->value))
		return NULL;
	e->kind = EXPR_VALUE;
	e->type = w.type;
	e->value_len = (uint8_t)w.len;
	return e;
}

struct nft_expr *nft_parse_written(
	struct nft_reader *r, const struct nft_want *want, unsigned int n_want)
{
	size_t start = r->at;
	struct nft_expr *e = n_want == 1 ? parse_plain_value(r, want[0]) : NULL;
	struct nft_set *set;

	if (e)
		return e;
	r->at = start;
	e = nft_parse_packet_expr(r);
	if (!e || !nft_take(r, "map"))
		return e;
	set = nft_parse_set_use(r, e, want, n_want);
	return set ? nft_map_expr(r->a, e, set) : NULL;
}
