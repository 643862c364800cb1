/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translations that iptables' DNAT, SNAT, MASQUERADE, REDIRECT, NETMAP and TPROXY call for.
 *
 * Their blobs: a range in one of three layouts (net/netfilter/xt_nat.c and the like). IPv4's oldest one
 * has addresses of four bytes and a count before it.
 */
#include <string.h>

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_TPROXY.h>

#include "walk/xt.h"

static const struct xt_nat_target {
	const char *name;
	enum walk_nat_kind kind;
	uint8_t rev_range;  /* from this revision on: struct nf_nat_range ... */
	uint8_t rev_range2; /* ... and from this: struct nf_nat_range2; before: as of IPv4 */
} nat_targets[] = {
	{"DNAT", WALK_NAT_DESTINATION, 1, 2}, {"SNAT", WALK_NAT_SOURCE, 1, 2},
	{"MASQUERADE", WALK_NAT_MASQUERADE, 1, 2}, {"REDIRECT", WALK_NAT_REDIRECT, 1, 2},
	{"NETMAP", WALK_NAT_NONE, 1, 2}, /* which one depends on the hook */
};

static uint16_t host16(uint16_t network)
{
	const uint8_t *b = (const uint8_t *)&network;

	return (uint16_t)(b[0] << 8 | b[1]);
}

/* The range in the newest layout. IPv6 never had the oldest. */
static bool read_range(const struct nft_xt *x, const struct xt_nat_target *t, uint8_t family,
	struct nf_nat_range2 *out)
{
	bool oldest = x->rev < t->rev_range && family == IP_V4;
	struct nf_nat_ipv4_multi_range_compat old;
	size_t size = oldest		       ? sizeof(old)
		      : x->rev < t->rev_range2 ? sizeof(struct nf_nat_range)
					       : sizeof(struct nf_nat_range2);

	memset(out, 0, sizeof(*out));
	if (!x->info || x->hollow || x->info_len < size || x->rev > t->rev_range2)
		return false;
	if (!oldest) { /* the newest only adds to the one before */
		memcpy(out, x->info, size);
		return true;
	}
	memcpy(&old, x->info, sizeof(old));
	out->flags = old.range[0].flags;
	out->min_addr.ip = old.range[0].min_ip;
	out->max_addr.ip = old.range[0].max_ip;
	out->min_proto = old.range[0].min;
	out->max_proto = old.range[0].max;
	return true;
}

static uint8_t network_len(const struct ip_addr *first, const struct ip_addr *last)
{
	unsigned int n = 0;

	while (n < ip_bits(first->family) &&
		!((first->bytes[n / 8] ^ last->bytes[n / 8]) & (0x80 >> n % 8)))
		n++;
	return (uint8_t)n;
}

static void take_range(
	const struct nf_nat_range2 *r, uint8_t family, bool netmap, struct walk_nat *out)
{
	if (r->flags & NF_NAT_RANGE_MAP_IPS) {
		out->first = ip_from_bytes(family, &r->min_addr);
		out->last = ip_from_bytes(family, &r->max_addr);
	}
	if (netmap)
		out->prefix_len = network_len(&out->first, &out->last);
	if (r->flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
		out->port_first = host16(r->min_proto.all);
		out->port_last = host16(r->max_proto.all);
	}
	if (r->flags & NF_NAT_RANGE_PROTO_OFFSET)
		out->port_base = host16(r->base_proto.all);
	out->random = r->flags & (NF_NAT_RANGE_PROTO_RANDOM | NF_NAT_RANGE_PROTO_RANDOM_FULLY);
}

static void read_tproxy(const struct packet *p, const struct nft_xt *x, struct walk_nat *out)
{
	struct xt_tproxy_target_info zero;
	struct xt_tproxy_target_info_v1 one = {0};
	bool readable = x->info && !x->hollow && x->rev < 2 &&
			x->info_len >= (x->rev ? sizeof(one) : sizeof(zero));

	out->kind = WALK_NAT_TPROXY;
	out->addr_unknown = out->port_unknown = !readable;
	if (!readable)
		return;
	if (x->rev) {
		memcpy(&one, x->info, sizeof(one));
	} else {
		memcpy(&zero, x->info, sizeof(zero));
		one.mark_mask = zero.mark_mask;
		one.mark_value = zero.mark_value;
		one.laddr.ip = zero.laddr;
		one.lport = zero.lport;
	}
	out->mark = one.mark_value;
	out->mark_mask = one.mark_mask;
	out->port_first = out->port_last = host16(one.lport);
	out->first = ip_from_bytes(p->family, &one.laddr);
	if (ip_is_unspecified(&out->first))
		out->first = (struct ip_addr){0};
	out->last = out->first;
}

void walk_xt_nat(
	enum nft_hook hook, const struct packet *p, const struct nft_xt *x, struct walk_nat *out)
{
	struct nf_nat_range2 range;

	*out = (struct walk_nat){0};
	if (strcmp(x->name, "TPROXY") == 0) {
		read_tproxy(p, x, out);
		return;
	}
	for (size_t i = 0; i < sizeof(nat_targets) / sizeof(*nat_targets); i++) {
		const struct xt_nat_target *t = &nat_targets[i];
		bool netmap = t->kind == WALK_NAT_NONE;

		if (strcmp(t->name, x->name) != 0)
			continue;
		out->kind = t->kind;
		if (netmap)
			out->kind = hook == HOOK_PREROUTING || hook == HOOK_OUTPUT
					    ? WALK_NAT_DESTINATION
					    : WALK_NAT_SOURCE;
		if (read_range(x, t, p->family, &range)) {
			take_range(&range, p->family, netmap, out);
			return;
		}
		out->addr_unknown = t->kind != WALK_NAT_MASQUERADE && t->kind != WALK_NAT_REDIRECT;
		out->port_unknown = !netmap;
		return;
	}
}
