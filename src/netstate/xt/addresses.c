/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' matches on who and where: address types and ranges, MAC, sets, bridge ports, way back. */
#include "netstate/xt/extension.h"

#include <string.h>

#include <linux/if_packet.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_realm.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_set.h>

/* ---- addrtype ---- */

enum { SRC, DST, IFACE_IN, IFACE_OUT };

static const struct xt_option addrtype_options[] = {
	{"src-type", SRC, ARGS_1, true},
	{"dst-type", DST, ARGS_1, true},
	{"limit-iface-in", IFACE_IN, ARGS_0, false},
	{"limit-iface-out", IFACE_OUT, ARGS_0, false},
	{0},
};

static const struct xt_name addrtypes[] = {{"UNSPEC", XT_ADDRTYPE_UNSPEC},
	{"UNICAST", XT_ADDRTYPE_UNICAST}, {"LOCAL", XT_ADDRTYPE_LOCAL},
	{"BROADCAST", XT_ADDRTYPE_BROADCAST}, {"ANYCAST", XT_ADDRTYPE_ANYCAST},
	{"MULTICAST", XT_ADDRTYPE_MULTICAST}, {"BLACKHOLE", XT_ADDRTYPE_BLACKHOLE},
	{"UNREACHABLE", XT_ADDRTYPE_UNREACHABLE}, {"PROHIBIT", XT_ADDRTYPE_PROHIBIT},
	{"THROW", XT_ADDRTYPE_THROW}, {"NAT", XT_ADDRTYPE_NAT}, {"XRESOLVE", XT_ADDRTYPE_XRESOLVE},
	{0}};

static bool addrtype_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint32_t inverts[] = {XT_ADDRTYPE_INVERT_SOURCE, XT_ADDRTYPE_INVERT_DEST};
	struct xt_addrtype_info_v1 *i = info;
	uint32_t types;

	if (o->id == IFACE_IN || o->id == IFACE_OUT) {
		i->flags |= o->id == IFACE_IN ? XT_ADDRTYPE_LIMIT_IFACE_IN
					      : XT_ADDRTYPE_LIMIT_IFACE_OUT;
		return true;
	}
	if (!xt_read_bits(r, o->arg[0], addrtypes, &types))
		return false;
	i->flags |= o->inverted ? inverts[o->id] : 0;
	if (o->id == SRC)
		i->source = (uint16_t)types;
	else
		i->dest = (uint16_t)types;
	return true;
}

static bool addrtype_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_addrtype_info_v1 *i = info;
	const struct xt_addrtype_info *old = info; /* of revision 0 */
	bool invert_source = x->rev ? i->flags & XT_ADDRTYPE_INVERT_SOURCE : old->invert_source,
	     invert_dest = x->rev ? i->flags & XT_ADDRTYPE_INVERT_DEST : old->invert_dest;

	if (i->source) {
		xt_print_option(out, "src-type", invert_source);
		xt_print_bits(out, addrtypes, i->source);
	}
	if (i->dest) {
		xt_print_option(out, "dst-type", invert_dest);
		xt_print_bits(out, addrtypes, i->dest);
	}
	if (x->rev && i->flags & XT_ADDRTYPE_LIMIT_IFACE_IN)
		strbuf_add(out, " --limit-iface-in");
	if (x->rev && i->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT)
		strbuf_add(out, " --limit-iface-out");
	return true;
}

/* ---- iprange ---- */

static const struct xt_option iprange_options[] = {
	{"src-range", SRC, ARGS_1, true},
	{"dst-range", DST, ARGS_1, true},
	{0},
};

static bool iprange_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_iprange_mtinfo *i = info;

	if (o->id == SRC) {
		i->flags |= IPRANGE_SRC | (o->inverted ? IPRANGE_SRC_INV : 0);
		return xt_read_addr_range(r, o->arg[0], &i->src_min, &i->src_max);
	}
	i->flags |= IPRANGE_DST | (o->inverted ? IPRANGE_DST_INV : 0);
	return xt_read_addr_range(r, o->arg[0], &i->dst_min, &i->dst_max);
}

static void print_addr_pair(struct strbuf *out, uint8_t family, const union nf_inet_addr *a,
	const union nf_inet_addr *b)
{
	strbuf_addch(out, ' ');
	xt_add_addr(out, family, a);
	strbuf_addch(out, '-');
	xt_add_addr(out, family, b);
}

static bool iprange_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_iprange_mtinfo *i = info;

	if (i->flags & IPRANGE_SRC) {
		xt_print_option(out, "src-range", i->flags & IPRANGE_SRC_INV);
		print_addr_pair(out, family, &i->src_min, &i->src_max);
	}
	if (i->flags & IPRANGE_DST) {
		xt_print_option(out, "dst-range", i->flags & IPRANGE_DST_INV);
		print_addr_pair(out, family, &i->dst_min, &i->dst_max);
	}
	return true;
}

/* ---- mac, pkttype ---- */

static const struct xt_option mac_options[] = {{"mac-source", 0, ARGS_1, true}, {0}};

static bool mac_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_mac_info *i = info;

	i->invert = o->inverted;
	return xt_read_mac(r, o->arg[0], i->srcaddr);
}

static bool mac_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_mac_info *i = info;

	xt_print_option(out, "mac-source", i->invert);
	strbuf_addf(out, " %02x:%02x:%02x:%02x:%02x:%02x", i->srcaddr[0], i->srcaddr[1],
		i->srcaddr[2], i->srcaddr[3], i->srcaddr[4], i->srcaddr[5]);
	return true;
}

static const struct xt_option pkttype_options[] = {{"pkt-type", 0, ARGS_1, true}, {0}};

static const struct xt_name pkttypes[] = {{"unicast", PACKET_HOST}, {"broadcast", PACKET_BROADCAST},
	{"multicast", PACKET_MULTICAST}, {"bcast", PACKET_BROADCAST}, {"mcast", PACKET_MULTICAST},
	{"host", PACKET_HOST}, {0}};

static bool pkttype_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_pkttype_info *i = info;
	uint32_t type = 0;

	i->invert = o->inverted;
	if (!xt_read_name(r, o->arg[0], pkttypes, &type))
		return false;
	i->pkttype = (int)type;
	return true;
}

static bool pkttype_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_pkttype_info *i = info;
	const char *name = xt_name_of(pkttypes, (uint32_t)i->pkttype);

	xt_print_option(out, "pkt-type", i->invert);
	strbuf_addf(out, " %s", name ? name : "?");
	return name != NULL;
}

/* ---- physdev, devgroup ---- */

enum { BRIDGED = 2, IS_IN, IS_OUT };

static const struct xt_option physdev_options[] = {
	{"physdev-in", SRC, ARGS_1, true},
	{"physdev-out", DST, ARGS_1, true},
	{"physdev-is-bridged", BRIDGED, ARGS_0, true},
	{"physdev-is-in", IS_IN, ARGS_0, true},
	{"physdev-is-out", IS_OUT, ARGS_0, true},
	{0},
};

static bool physdev_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_physdev_info *i = info;

	/* The ids are the numbers of the bits. */
	i->bitmask |= 1 << o->id;
	i->invert |= o->inverted ? 1 << o->id : 0;
	if (o->id == SRC)
		return xt_read_interface(r, o->arg[0], i->physindev, i->in_mask);
	if (o->id == DST)
		return xt_read_interface(r, o->arg[0], i->physoutdev, i->out_mask);
	return true;
}

static bool physdev_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_physdev_info *i = info;

	if (i->bitmask & XT_PHYSDEV_OP_ISIN)
		xt_print_option(out, "physdev-is-in", i->invert & XT_PHYSDEV_OP_ISIN);
	if (i->bitmask & XT_PHYSDEV_OP_IN) {
		xt_print_option(out, "physdev-in", i->invert & XT_PHYSDEV_OP_IN);
		xt_print_interface(out, i->physindev, i->in_mask);
	}
	if (i->bitmask & XT_PHYSDEV_OP_ISOUT)
		xt_print_option(out, "physdev-is-out", i->invert & XT_PHYSDEV_OP_ISOUT);
	if (i->bitmask & XT_PHYSDEV_OP_OUT) {
		xt_print_option(out, "physdev-out", i->invert & XT_PHYSDEV_OP_OUT);
		xt_print_interface(out, i->physoutdev, i->out_mask);
	}
	if (i->bitmask & XT_PHYSDEV_OP_BRIDGED)
		xt_print_option(out, "physdev-is-bridged", i->invert & XT_PHYSDEV_OP_BRIDGED);
	return true;
}

static const struct xt_option devgroup_options[] = {
	{"src-group", SRC, ARGS_1, true},
	{"dst-group", DST, ARGS_1, true},
	{0},
};

static bool devgroup_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_devgroup_info *i = info;
	/* The one name that every /etc/iproute2/group has. */
	const char *group = strcmp(o->arg[0], "default") == 0 ? "0" : o->arg[0];

	if (o->id == SRC) {
		i->flags |= XT_DEVGROUP_MATCH_SRC | (o->inverted ? XT_DEVGROUP_INVERT_SRC : 0);
		return xt_read_masked(r, group, &i->src_group, &i->src_mask);
	}
	i->flags |= XT_DEVGROUP_MATCH_DST | (o->inverted ? XT_DEVGROUP_INVERT_DST : 0);
	return xt_read_masked(r, group, &i->dst_group, &i->dst_mask);
}

static bool devgroup_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_devgroup_info *i = info;

	if (i->flags & XT_DEVGROUP_MATCH_SRC) {
		xt_print_option(out, "src-group", i->flags & XT_DEVGROUP_INVERT_SRC);
		xt_print_masked(out, i->src_group, i->src_mask);
	}
	if (i->flags & XT_DEVGROUP_MATCH_DST) {
		xt_print_option(out, "dst-group", i->flags & XT_DEVGROUP_INVERT_DST);
		xt_print_masked(out, i->dst_group, i->dst_mask);
	}
	return true;
}

/* ---- realm ---- */

static const struct xt_option realm_options[] = {{"realm", 0, ARGS_1, true}, {0}};

static bool realm_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_realm_info *i = info;

	i->invert = o->inverted;
	return xt_read_masked(r, o->arg[0], &i->id, &i->mask);
}

static bool realm_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_realm_info *i = info;

	xt_print_option(out, "realm", i->invert);
	xt_print_masked(out, i->id, i->mask);
	return true;
}

/* ---- rpfilter ---- */

static const struct xt_option rpfilter_options[] = {
	{"loose", XT_RPFILTER_LOOSE, ARGS_0, false},
	{"validmark", XT_RPFILTER_VALID_MARK, ARGS_0, false},
	{"accept-local", XT_RPFILTER_ACCEPT_LOCAL, ARGS_0, false},
	{"invert", XT_RPFILTER_INVERT, ARGS_0, false},
	{0},
};

static bool rpfilter_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_rpfilter_info *i = info;

	i->flags |= o->id;
	return true;
}

static bool rpfilter_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_rpfilter_info *i = info;

	for (const struct xt_option *o = rpfilter_options; o->name; o++) {
		if (i->flags & o->id)
			xt_print_option(out, o->name, false);
	}
	return true;
}

/* ---- set ---- */

enum {
	SET,
	NOMATCH,
	COUNTERS,
	SUBCOUNTERS,
	PACKETS_EQ,
	PACKETS_LT,
	PACKETS_GT,
	BYTES_EQ,
	BYTES_LT,
	BYTES_GT
};

static const struct xt_option set_options[] = {
	{"match-set", SET, ARGS_2, true},
	{"set", SET, ARGS_2, true},
	{"return-nomatch", NOMATCH, ARGS_0, false},
	{"update-counters", COUNTERS, ARGS_0, true},
	{"update-subcounters", SUBCOUNTERS, ARGS_0, true},
	{"packets-eq", PACKETS_EQ, ARGS_1, true},
	{"packets-lt", PACKETS_LT, ARGS_1, false},
	{"packets-gt", PACKETS_GT, ARGS_1, false},
	{"bytes-eq", BYTES_EQ, ARGS_1, true},
	{"bytes-lt", BYTES_LT, ARGS_1, false},
	{"bytes-gt", BYTES_GT, ARGS_1, false},
	{0},
};

bool xt_read_set(
	struct xt_reading *r, const struct xt_given *o, unsigned int which, struct xt_set_info *set)
{
	const char *dirs = o->arg[1];
	char part[64];

	if (strlen(o->arg[0]) >= IPSET_MAXNAMELEN || !o->arg[0][0])
		return xt_fail(r, "'%.40s' is not the name of a set", o->arg[0]);
	r->x->names[which] = arena_strdup(r->a, o->arg[0]);
	set->index = IPSET_INVALID_ID; /* a number of that kernel's only */
	while (xt_next_part(&dirs, ',', part)) {
		if (set->dim == IPSET_DIM_MAX)
			return xt_fail(r, "a set has at most %d parts", IPSET_DIM_MAX);
		set->dim++;
		if (strcmp(part, "src") == 0)
			set->flags |= 1 << set->dim;
		else if (strcmp(part, "dst") != 0)
			return xt_fail(r, "'%s' is neither src nor dst", part);
	}
	return true;
}

bool xt_print_set(struct strbuf *out, const struct nft_xt *x, unsigned int which,
	const struct xt_set_info *set)
{
	if (set->dim > IPSET_DIM_MAX)
		return false;
	strbuf_addf(out, " %s", x->names[which] ? x->names[which] : "?");
	for (unsigned int d = 1; d <= set->dim; d++)
		strbuf_addf(out, "%c%s", d == 1 ? ' ' : ',', set->flags & 1 << d ? "src" : "dst");
	return x->names[which] != NULL;
}

static bool set_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint8_t ops[] = {IPSET_COUNTER_EQ, IPSET_COUNTER_LT, IPSET_COUNTER_GT};
	struct xt_set_info_match_v4 *i = info;
	struct ip_set_counter_match *count = o->id >= BYTES_EQ ? &i->bytes : &i->packets;
	uint64_t value = 0;

	switch (o->id) {
	case SET:
		i->match_set.flags |= o->inverted ? IPSET_INV_MATCH : 0;
		return xt_read_set(r, o, 0, &i->match_set);
	case NOMATCH:
		i->flags |= IPSET_FLAG_RETURN_NOMATCH;
		return true;
	case COUNTERS:
		i->flags |= o->inverted ? IPSET_FLAG_SKIP_COUNTER_UPDATE : 0;
		return true;
	case SUBCOUNTERS:
		i->flags |= o->inverted ? IPSET_FLAG_SKIP_SUBCOUNTER_UPDATE : 0;
		return true;
	default:
		count->op = o->inverted ? IPSET_COUNTER_NE : ops[(o->id - PACKETS_EQ) % 3];
		if (!xt_read_uint(r, o->arg[0], UINT64_MAX, &value))
			return false;
		count->value = value;
		return true;
	}
}

static void print_count(struct strbuf *out, const char *what, uint8_t op, unsigned long long value)
{
	static const char *const ops[] = {[IPSET_COUNTER_EQ] = "eq",
		[IPSET_COUNTER_NE] = "eq",
		[IPSET_COUNTER_LT] = "lt",
		[IPSET_COUNTER_GT] = "gt"};

	if (op == IPSET_COUNTER_NONE || op > IPSET_COUNTER_GT)
		return;
	strbuf_addf(
		out, " %s--%s-%s %llu", op == IPSET_COUNTER_NE ? "! " : "", what, ops[op], value);
}

static bool set_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_set_info_match_v4 *i = info;
	bool known;

	xt_print_option(out, "match-set", i->match_set.flags & IPSET_INV_MATCH);
	known = xt_print_set(out, x, 0, &i->match_set);
	if (x->rev < 4) /* the counters stood elsewhere, and flags were part of the set's */
		return known && !(i->match_set.flags & IPSET_RETURN_NOMATCH);
	if (i->flags & IPSET_FLAG_RETURN_NOMATCH)
		strbuf_add(out, " --return-nomatch");
	if (i->flags & IPSET_FLAG_SKIP_COUNTER_UPDATE)
		strbuf_add(out, " ! --update-counters");
	if (i->flags & IPSET_FLAG_SKIP_SUBCOUNTER_UPDATE)
		strbuf_add(out, " ! --update-subcounters");
	print_count(out, "packets", i->packets.op, i->packets.value);
	print_count(out, "bytes", i->bytes.op, i->bytes.value);
	return known;
}

const struct xt_extension xt_address_matches[] = {
	{"addrtype", .rev = 1, .size = XT_SIZE(struct xt_addrtype_info_v1),
		.options = addrtype_options, .parse = addrtype_parse, .print = addrtype_print},
	{"addrtype", .size = XT_SIZE(struct xt_addrtype_info), .old = true,
		.print = addrtype_print},
	{"iprange", .rev = 1, .size = XT_SIZE(struct xt_iprange_mtinfo), .options = iprange_options,
		.parse = iprange_parse, .print = iprange_print},
	{"mac", .size = XT_SIZE(struct xt_mac_info), .options = mac_options, .parse = mac_parse,
		.print = mac_print},
	{"pkttype", .size = XT_SIZE(struct xt_pkttype_info), .options = pkttype_options,
		.parse = pkttype_parse, .print = pkttype_print},
	{"physdev", .size = XT_SIZE(struct xt_physdev_info), .options = physdev_options,
		.parse = physdev_parse, .print = physdev_print},
	{"devgroup", .size = XT_SIZE(struct xt_devgroup_info), .options = devgroup_options,
		.parse = devgroup_parse, .print = devgroup_print},
	{"realm", .family = IP_V4, .size = XT_SIZE(struct xt_realm_info), .options = realm_options,
		.parse = realm_parse, .print = realm_print},
	{"rpfilter", .size = XT_SIZE(struct xt_rpfilter_info), .options = rpfilter_options,
		.parse = rpfilter_parse, .print = rpfilter_print},
	{"set", .rev = 4, .size = XT_SIZE(struct xt_set_info_match_v4), .options = set_options,
		.parse = set_parse, .print = set_print},
	{"set", .rev = 3, .size = XT_SIZE(struct xt_set_info_match_v3), .old = true,
		.print = set_print},
	{"set", .rev = 2, .size = XT_SIZE(struct xt_set_info_match_v1), .old = true,
		.print = set_print},
	{"set", .rev = 1, .size = XT_SIZE(struct xt_set_info_match_v1), .old = true,
		.print = set_print},
	{0},
};
