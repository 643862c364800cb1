/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads translations out of nft's statements; see rule_nat.h. iptables' targets: xt_nat.c. */
#include "walk/rule_nat.h"

#include <string.h>

static bool value_addr(const struct walk_value *v, uint8_t family, struct ip_addr *out)
{
	if (!walk_value_is_known(v) || v->len < ip_bytes(family))
		return false;
	*out = ip_from_bytes(family, v->bytes);
	return true;
}

/* A port, or a number that was calculated in host order. */
static bool value_port(const struct walk_value *v, uint16_t *out)
{
	if (!walk_value_is_known(v) || v->len != 2)
		return false;
	*out = (uint16_t)(v->bytes[0] << 8 | v->bytes[1]);
	return true;
}

/* What a map gives: an address, two (a range), a port, two, or both kinds one after the other. */
static void take_data(const struct nft_set *map, bool gives_port, const struct walk_value *v,
	uint8_t family, struct walk_nat *out)
{
	bool known = walk_value_is_known(v), first_addr = true, first_port = true;
	unsigned int half = ip_bytes(family) + (gives_port ? 4u : 0);

	/* A range whose ends are one field. */
	if (known && map->n_data == 1 && map->data[0].type == NFT_T_OTHER && v->len == 2 * half) {
		out->first = ip_from_bytes(family, v->bytes);
		out->last = ip_from_bytes(family, v->bytes + half);
		if (gives_port) {
			const uint8_t *first = v->bytes + ip_bytes(family), *last = first + half;

			out->port_first = (uint16_t)(first[0] << 8 | first[1]);
			out->port_last = (uint16_t)(last[0] << 8 | last[1]);
		}
		return;
	}
	for (unsigned int f = 0, at = 0; f < map->n_data; f++) {
		const struct nft_field *field = &map->data[f];
		const uint8_t *b = v->bytes + at;

		at += nft_padded(field->len);
		if (at > v->len)
			return;
		if (field->type == NFT_T_PORT) {
			out->port_unknown = !known;
			out->port_last = (uint16_t)(b[0] << 8 | b[1]);
			if (first_port)
				out->port_first = out->port_last;
			first_port = false;
		} else if (field->len >= ip_bytes(family)) {
			out->addr_unknown = !known;
			out->last = ip_from_bytes(family, b);
			if (first_addr)
				out->first = out->last;
			first_addr = false;
		}
	}
}

static bool take_addr(const struct walk_asker *k, uint8_t family, struct walk_nat *out)
{
	const struct nft_stmt *s = k->stmt;
	struct walk_value v;

	if (!s->expr)
		return true;
	walk_ask_value(k, s->expr, &v);
	if (v.absent)
		return false;
	if (s->expr->kind == EXPR_MAP && s->expr->set) {
		if (walk_value_is_known(&v)) {
			take_data(s->expr->set, s->map_gives_port, &v, family, out);
		} else {
			out->addr_unknown = true;
			out->port_unknown = s->map_gives_port;
		}
		return true;
	}
	out->addr_unknown = !value_addr(&v, family, &out->first);
	out->last = out->first;
	if (s->expr_last) {
		walk_ask_value(k, s->expr_last, &v);
		if (v.absent)
			return false;
		out->addr_unknown |= !value_addr(&v, family, &out->last);
	}
	return true;
}

static bool take_port(const struct walk_asker *k, struct walk_nat *out)
{
	const struct nft_stmt *s = k->stmt;
	struct walk_value v;

	if (!s->port)
		return true;
	walk_ask_value(k, s->port, &v);
	if (v.absent)
		return false;
	out->port_unknown = !value_port(&v, &out->port_first);
	out->port_last = out->port_first;
	if (s->port_last) {
		walk_ask_value(k, s->port_last, &v);
		if (v.absent)
			return false;
		out->port_unknown |= !value_port(&v, &out->port_last);
	}
	return true;
}

/* The network that a range of addresses is. */
static uint8_t common_prefix(const struct ip_addr *a, const struct ip_addr *b)
{
	unsigned int bits = ip_bits(a->family), n = 0;

	while (n < bits && !((a->bytes[n / 8] ^ b->bytes[n / 8]) & (0x80 >> n % 8)))
		n++;
	return (uint8_t)n;
}

static enum walk_nat_kind kind_of(const struct nft_stmt *s)
{
	switch ((int)s->kind) {
	case STMT_MASQUERADE:
		return WALK_NAT_MASQUERADE;
	case STMT_REDIRECT:
		return WALK_NAT_REDIRECT;
	case STMT_TPROXY:
		return WALK_NAT_TPROXY;
	default: /* STMT_NAT */
		return s->dnat ? WALK_NAT_DESTINATION : WALK_NAT_SOURCE;
	}
}

bool walk_told_nat(const struct walk_asker *k, struct walk_nat *out)
{
	const struct nft_stmt *s = k->stmt;
	uint8_t family = s->nat_family ? s->nat_family : k->p->family;

	*out = (struct walk_nat){
		.kind = kind_of(s), .random = s->nat_flags & (NAT_RANDOM | NAT_FULLY_RANDOM)};
	if (!take_addr(k, family, out) || !take_port(k, out))
		return false;
	if (s->nat_flags & NAT_PREFIX && !out->addr_unknown && out->first.family)
		out->prefix_len = common_prefix(&out->first, &out->last);
	return true;
}

enum tri walk_tproxy_listens(
	const struct netstate *net, const struct packet *p, const struct walk_nat *nat)
{
	uint16_t port = nat->port_first ? nat->port_first : p->dport;

	if (!(net->have & HAVE_LISTENERS) || nat->port_unknown || nat->addr_unknown ||
		!packet_knows(p, PKT_PROTO | PKT_DPORT))
		return TRI_UNKNOWN;
	VEC_EACH (&net->listeners, struct net_listener, l) {
		bool any =
			ip_is_unspecified(&l->addr) &&
			(l->addr.family == p->family || (l->addr.family == IP_V6 && !l->v6_only));

		if (l->proto != p->proto || l->port != port)
			continue;
		/* Without an address it is the incoming interface's. */
		if (any || (nat->first.family && ip_equal(&l->addr, &nat->first)))
			return TRI_YES;
		if (!nat->first.family && l->addr.family == p->family)
			return TRI_UNKNOWN;
	}
	return TRI_NO;
}
