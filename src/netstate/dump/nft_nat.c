/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Address translation in nft's language: dnat, snat, masquerade, redirect and tproxy. */
#include <string.h>

#include "netstate/dump/nft_reader.h"

/* Where to, as it is being read. */
struct target {
	struct nft_stmt s;
	uint8_t family; /* enum ip_family; IP_NONE: not said */
};

static bool is_flag(const struct nft_token *t)
{
	return nft_token_is(t, "random") || nft_token_is(t, "fully-random") ||
	       nft_token_is(t, "persistent") || nft_token_is(t, "netmap");
}

static void parse_flags(struct nft_reader *r, struct target *to)
{
	do {
		if (nft_take(r, "random"))
			to->s.nat_flags |= NAT_RANDOM;
		else if (nft_take(r, "fully-random"))
			to->s.nat_flags |= NAT_FULLY_RANDOM;
		else if (nft_take(r, "persistent"))
			to->s.nat_flags |= NAT_PERSISTENT;
		else if (nft_take(r, "netmap")) /* JSON's word for `prefix` */
			to->s.nat_flags |= NAT_PREFIX;
		else
			return;
		nft_take_sign(r, ',');
	} while (is_flag(nft_peek(r)));
}

static struct nft_expr *value_of(struct nft_reader *r, enum nft_type type, const uint8_t *bytes)
{
	return nft_value(r->a, type, bytes);
}

/* One word of the tokens as two: the parts before and behind @len. */
static void split(struct nft_reader *r, size_t len)
{
	struct nft_token *t;

	(void)vec_add(r->a, &r->tokens);
	t = &r->tokens.items[r->at];
	memmove(t + 1, t, (r->tokens.len - 1 - r->at) * sizeof(*t));
	t[0].len = (uint32_t)len;
	t[1].s += len;
	t[1].len -= (uint32_t)len;
}

/* ---- ports ---- */

/* Behind the colon. */
static bool parse_port(struct nft_reader *r, struct target *to)
{
	static const struct nft_want want = {NFT_T_PORT, 2, SEL_NONE};
	struct nft_constant c;
	size_t start = r->at;

	if (nft_parse_constant(r, want, &c)) {
		to->s.port = value_of(r, NFT_T_PORT, c.first);
		if (c.kind == CONSTANT_RANGE)
			to->s.port_last = value_of(r, NFT_T_PORT, c.last);
		return true;
	}
	r->at = start;
	to->s.port = nft_parse_written(r, &want, 1);
	return to->s.port != NULL;
}

static bool take_colon(struct nft_reader *r)
{
	const struct nft_token *t = nft_peek(r);

	if (t->kind != TOKEN_WORD || !t->len || *t->s != ':')
		return false;
	if (t->len > 1)
		split(r, 1);
	r->at++;
	return true;
}

/* ---- addresses ---- */

/* Length of the address (or range, or prefix) in a word that may have a port behind it. */
static size_t address_len(const struct nft_token *t, uint8_t family)
{
	const char *colon = memchr(t->s, ':', t->len), *bracket;
	size_t len;

	if (!colon)
		return t->len;
	if (*t->s == '[') {
		bracket = memrchr(t->s, ']', t->len);
		return bracket ? (size_t)(bracket + 1 - t->s) : t->len;
	}
	len = (size_t)(colon - t->s);
	if (family == IP_V6 || memchr(colon + 1, ':', t->len - len - 1))
		return t->len;
	return len;
}

static struct nft_want address_want(uint8_t family)
{
	return nft_want_type(family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4);
}

/* "[fd00::1]-[fd00::5]" has brackets that are in the way of ranges: nft_parse_constant() takes them. */
static bool parse_constant_address(struct nft_reader *r, struct target *to)
{
	const struct nft_token *t = nft_peek(r);
	uint8_t families[] = {to->family, IP_V4, IP_V6};
	struct nft_constant c;
	size_t len, start = r->at;

	if (!nft_token_is_text(t) || !t->len)
		return false;
	len = address_len(t, to->family);
	if (!len)
		return false;
	if (len < t->len)
		split(r, len);
	for (size_t i = 0; i < (to->family ? 1 : 3); i++) {
		struct nft_want want = address_want(families[i]);

		r->at = start;
		if (!families[i] || !nft_parse_constant(r, want, &c))
			continue;
		to->family = families[i];
		to->s.expr = value_of(r, want.type, c.first);
		if (c.kind != CONSTANT_ONE)
			to->s.expr_last = value_of(r, want.type, c.last);
		return true;
	}
	r->at = start;
	return false;
}

static bool parse_address(struct nft_reader *r, struct target *to)
{
	struct nft_want want[2];
	struct nft_expr *e;

	if (parse_constant_address(r, to))
		return true;
	want[0] = address_want(to->family ? to->family : r->l3);
	want[1] = nft_want_type(NFT_T_PORT);
	e = nft_parse_written(r, want, 2);
	if (!e)
		return false;
	to->s.expr = e;
	/* An address and a port, or just an address. */
	to->s.map_gives_port =
		e->kind == EXPR_MAP && e->set &&
		(e->set->n_data == 2 ||
			(e->set->n_data == 1 && e->set->data[0].type == NFT_T_OTHER &&
				(e->set->data[0].len == 2 * (4 + 4) ||
					e->set->data[0].len == 2 * (16 + 4))));
	return true;
}

/* "ip addr . port", "ip prefix", "ip interval": how what comes is meant. */
static void parse_kind(struct nft_reader *r, struct target *to, bool *port)
{
	if (nft_take(r, "ip6"))
		to->family = IP_V6;
	else if (nft_token_is(nft_peek(r), "ip") &&
		 (nft_token_is(nft_peek_after(r, 1), "to") ||
			 nft_token_is(nft_peek_after(r, 1), "addr") ||
			 nft_token_is(nft_peek_after(r, 1), "prefix") ||
			 nft_token_is(nft_peek_after(r, 1), "interval"))) {
		r->at++;
		to->family = IP_V4;
	}
	if (nft_take(r, "addr") && nft_take(r, ".") && nft_take(r, "port"))
		*port = true;
	nft_take(r, "interval");
	if (nft_take(r, "prefix"))
		to->s.nat_flags |= NAT_PREFIX;
}

static bool parse_target(struct nft_reader *r, enum nft_stmt_kind kind, struct target *to)
{
	bool port = false;

	parse_kind(r, to, &port);
	nft_take(r, "to");
	if (take_colon(r))
		return parse_port(r, to);
	if (kind == STMT_MASQUERADE || kind == STMT_REDIRECT)
		return parse_port(r, to);
	if (!parse_address(r, to))
		return false;
	to->s.map_gives_port |= port;
	return !take_colon(r) || parse_port(r, to);
}

bool nft_parse_nat(struct nft_reader *r, enum nft_stmt_kind kind, bool dnat)
{
	struct target to = {.s = {.kind = kind}, .family = IP_NONE};
	const struct nft_token *t = nft_peek(r);
	bool bare = kind == STMT_MASQUERADE || kind == STMT_REDIRECT;

	if (!bare || nft_token_is(t, "to") || (t->kind == TOKEN_WORD && *t->s == ':')) {
		if (!parse_target(r, kind, &to))
			return false;
	}
	parse_flags(r, &to);
	if (kind == STMT_NAT || kind == STMT_TPROXY) {
		to.s.dnat = kind == STMT_NAT && dnat;
		to.s.nat_family = to.family ? to.family : r->l3;
		if (kind == STMT_NAT && !to.s.expr && r->table->family == FAMILY_INET)
			to.s.nat_family = IP_NONE; /* of ports alone: both families */
		else if (kind == STMT_NAT && to.s.nat_family == IP_NONE)
			to.s.nat_family = IP_V4;
	}
	*nft_reader_add(r, kind) = to.s;
	return true;
}
