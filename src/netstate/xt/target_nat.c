/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iptables' targets that translate addresses, and TPROXY.
 *
 * Their blobs have three layouts of the same range, by target, family and revision.
 */
#include "netstate/xt/extension.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_TPROXY.h>

enum { TO, TO_PORTS, RANDOM, RANDOM_FULLY, PERSISTENT };

enum layout { LAYOUT_V4, LAYOUT_RANGE, LAYOUT_RANGE2 };

/* ---- layouts ---- */

static struct nf_nat_range2 load_range(enum layout layout, const void *info)
{
	const struct nf_nat_ipv4_multi_range_compat *four = info;
	struct nf_nat_range2 r = {0};

	if (layout == LAYOUT_RANGE2) {
		memcpy(&r, info, sizeof(r));
	} else if (layout == LAYOUT_RANGE) {
		memcpy(&r, info, sizeof(struct nf_nat_range));
	} else {
		r.flags = four->range[0].flags;
		r.min_addr.ip = four->range[0].min_ip;
		r.max_addr.ip = four->range[0].max_ip;
		r.min_proto = four->range[0].min;
		r.max_proto = four->range[0].max;
	}
	return r;
}

static void store_range(enum layout layout, const struct nf_nat_range2 *r, void *info)
{
	struct nf_nat_ipv4_multi_range_compat *four = info;

	if (layout == LAYOUT_RANGE2) {
		memcpy(info, r, sizeof(*r));
	} else if (layout == LAYOUT_RANGE) {
		memcpy(info, r, sizeof(struct nf_nat_range));
	} else {
		four->rangesize = 1;
		four->range[0].flags = r->flags;
		four->range[0].min_ip = r->min_addr.ip;
		four->range[0].max_ip = r->max_addr.ip;
		four->range[0].min = r->min_proto;
		four->range[0].max = r->max_proto;
	}
}

/* ---- reading ---- */

/* "80", "80-90", "80-90/8080" (what the packet's port is counted from) */
static bool read_to_ports(struct xt_reading *r, const char *s, struct nf_nat_range2 *range)
{
	const char *slash = strchr(s, '/');
	char text[64];
	size_t len = slash ? (size_t)(slash - s) : strlen(s);
	uint16_t ports[2], base;

	if (len < sizeof(text)) {
		memcpy(text, s, len);
		text[len] = '\0';
	}
	if (len >= sizeof(text) || !xt_read_ports(r, text, '-', ports))
		return xt_fail(r, "'%.40s' is not a range of ports", s);
	range->flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	range->min_proto.tcp.port = htons(ports[0]);
	range->max_proto.tcp.port = htons(ports[1]);
	if (!slash)
		return true;
	if (!xt_read_u16(r, slash + 1, &base))
		return false;
	range->flags |= NF_NAT_RANGE_PROTO_OFFSET;
	range->base_proto.tcp.port = htons(base);
	return true;
}

/* "1.2.3.4", "1.2.3.4-1.2.3.9:80-90", ":80", "[fd00::1]-[fd00::9]:80" */
static bool read_to(struct xt_reading *r, const char *s, struct nf_nat_range2 *range)
{
	const char *colon = strrchr(s, ':');
	char addrs[128], *at = addrs;
	size_t len;

	/* A v6 address has a port only where it is in brackets. */
	if (colon && r->family == IP_V6 && colon > s && colon[-1] != ']')
		colon = NULL;
	if (colon && !read_to_ports(r, colon + 1, range))
		return false;
	if (colon == s)
		return true;
	if (strlen(s) >= sizeof(addrs))
		return xt_fail(r, "'%.40s' is not an address", s);
	snprintf(addrs, sizeof(addrs), "%.*s", colon ? (int)(colon - s) : 127, s);
	len = strlen(addrs);
	if (len > 2 && addrs[0] == '[' && addrs[len - 1] == ']' && !strchr(addrs + 1, '[')) {
		addrs[len - 1] = '\0'; /* brackets around a whole range */
		at++;
	}
	range->flags |= NF_NAT_RANGE_MAP_IPS;
	return xt_read_addr_range(r, at, &range->min_addr, &range->max_addr);
}

static bool read_netmap(struct xt_reading *r, const char *s, struct nf_nat_range2 *range)
{
	union nf_inet_addr mask = {0};

	range->flags |= NF_NAT_RANGE_MAP_IPS;
	if (!xt_read_network(r, s, &range->min_addr, &mask))
		return false;
	for (unsigned int i = 0; i < ip_bytes(r->family) / 4; i++)
		range->max_addr.all[i] = range->min_addr.all[i] | ~mask.all[i];
	return true;
}

static bool read_option(
	struct xt_reading *r, const struct xt_given *o, bool netmap, struct nf_nat_range2 *range)
{
	switch (o->id) {
	case TO:
		return netmap ? read_netmap(r, o->arg[0], range) : read_to(r, o->arg[0], range);
	case TO_PORTS:
		return read_to_ports(r, o->arg[0], range);
	case RANDOM:
		range->flags |= NF_NAT_RANGE_PROTO_RANDOM;
		return true;
	case RANDOM_FULLY:
		range->flags |= NF_NAT_RANGE_PROTO_RANDOM_FULLY;
		return true;
	default:
		range->flags |= NF_NAT_RANGE_PERSISTENT;
		return true;
	}
}

static bool parse_as(enum layout layout, struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct nf_nat_range2 range = load_range(layout, info);

	if (!read_option(r, o, strcmp(r->x->name, "NETMAP") == 0, &range))
		return false;
	store_range(layout, &range, info);
	return true;
}

static bool parse_v4(struct xt_reading *r, const struct xt_given *o, void *info)
{
	return parse_as(LAYOUT_V4, r, o, info);
}

static bool parse_range(struct xt_reading *r, const struct xt_given *o, void *info)
{
	return parse_as(LAYOUT_RANGE, r, o, info);
}

static bool parse_range2(struct xt_reading *r, const struct xt_given *o, void *info)
{
	return parse_as(LAYOUT_RANGE2, r, o, info);
}

static void init_v4(struct xt_reading *r, void *info)
{
	struct nf_nat_ipv4_multi_range_compat *four = info;

	four->rangesize = 1;
}

static bool need_to(struct xt_reading *r, uint64_t given, void *info)
{
	return given & GIVEN(TO) || xt_fail(r, "%s does not say where to", r->x->name);
}

/* ---- printing ---- */

static void print_to(struct strbuf *out, uint8_t family, const struct nf_nat_range2 *r)
{
	bool ports = r->flags & NF_NAT_RANGE_PROTO_SPECIFIED, brackets = family == IP_V6 && ports,
	     several = memcmp(&r->min_addr, &r->max_addr, ip_bytes(family)) != 0;

	strbuf_addch(out, ' ');
	if (r->flags & NF_NAT_RANGE_MAP_IPS) {
		strbuf_add(out, brackets ? "[" : "");
		xt_add_addr(out, family, &r->min_addr);
		strbuf_add(out, several ? "-" : "");
		if (several)
			xt_add_addr(out, family, &r->max_addr);
		strbuf_add(out, brackets ? "]" : "");
	}
	if (!ports)
		return;
	strbuf_addf(out, ":%u", ntohs(r->min_proto.tcp.port));
	if (r->max_proto.tcp.port != r->min_proto.tcp.port)
		strbuf_addf(out, "-%u", ntohs(r->max_proto.tcp.port));
	if (r->flags & NF_NAT_RANGE_PROTO_OFFSET)
		strbuf_addf(out, "/%u", ntohs(r->base_proto.tcp.port));
}

static void print_flags(struct strbuf *out, unsigned int flags)
{
	if (flags & NF_NAT_RANGE_PROTO_RANDOM)
		strbuf_add(out, " --random");
	if (flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY)
		strbuf_add(out, " --random-fully");
	if (flags & NF_NAT_RANGE_PERSISTENT)
		strbuf_add(out, " --persistent");
}

/* A network mask that takes @min to @max. */
static void print_netmap(struct strbuf *out, uint8_t family, const struct nf_nat_range2 *r)
{
	uint8_t mask[16] = {0};
	const uint8_t *min = (const uint8_t *)&r->min_addr, *max = (const uint8_t *)&r->max_addr;

	for (unsigned int i = 0; i < ip_bytes(family); i++)
		mask[i] = (uint8_t) ~(min[i] ^ max[i]);
	strbuf_add(out, " --to ");
	xt_add_network(out, family, min, mask, family == IP_V6);
}

static bool print_as(
	enum layout layout, struct strbuf *out, uint8_t family, const char *name, const void *info)
{
	struct nf_nat_range2 r = load_range(layout, info);

	if (strcmp(name, "NETMAP") == 0) {
		print_netmap(out, family, &r);
		return true;
	}
	if (strcmp(name, "DNAT") == 0 || strcmp(name, "SNAT") == 0) {
		strbuf_add(out, name[0] == 'D' ? " --to-destination" : " --to-source");
		print_to(out, family, &r);
	} else if (r.flags & NF_NAT_RANGE_PROTO_SPECIFIED) {
		strbuf_add(out, " --to-ports");
		xt_print_ports(out, ntohs(r.min_proto.tcp.port), ntohs(r.max_proto.tcp.port), '-');
	}
	print_flags(out, r.flags);
	return true;
}

static bool print_v4(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	return print_as(LAYOUT_V4, out, family, x->name, info);
}

static bool print_range(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	return print_as(LAYOUT_RANGE, out, family, x->name, info);
}

static bool print_range2(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	return print_as(LAYOUT_RANGE2, out, family, x->name, info);
}

/* ---- TPROXY ---- */

enum { ON_PORT, ON_IP, TPROXY_MARK };

static const struct xt_option tproxy_options[] = {
	{"on-port", ON_PORT, ARGS_1, false},
	{"on-ip", ON_IP, ARGS_1, false},
	{"tproxy-mark", TPROXY_MARK, ARGS_1, false},
	{0},
};

static bool tproxy_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_tproxy_target_info_v1 *i = info;
	uint16_t port[2];

	switch (o->id) {
	case ON_PORT:
		if (!xt_read_ports(r, o->arg[0], ':', port))
			return false;
		i->lport = htons(port[0]);
		return true;
	case ON_IP:
		return xt_read_addr(r, o->arg[0], &i->laddr);
	default:
		return xt_read_masked(r, o->arg[0], &i->mark_value, &i->mark_mask);
	}
}

static bool tproxy_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_tproxy_target_info_v1 *i = info;
	const struct xt_tproxy_target_info *old = info;

	strbuf_addf(out, " --on-port %u --on-ip ", ntohs(x->rev ? i->lport : old->lport));
	xt_add_addr(out, family, &i->laddr);
	strbuf_addf(out, " --tproxy-mark 0x%x/0x%x", i->mark_value, i->mark_mask);
	return true;
}

/* ---- tables ---- */

static const struct xt_option dnat_options[] = {
	{"to-destination", TO, ARGS_1, false},
	{"random", RANDOM, ARGS_0, false},
	{"persistent", PERSISTENT, ARGS_0, false},
	{0},
};
static const struct xt_option snat_options[] = {
	{"to-source", TO, ARGS_1, false},
	{"random", RANDOM, ARGS_0, false},
	{"random-fully", RANDOM_FULLY, ARGS_0, false},
	{"persistent", PERSISTENT, ARGS_0, false},
	{0},
};
static const struct xt_option masquerade_options[] = {
	{"to-ports", TO_PORTS, ARGS_1, false},
	{"random", RANDOM, ARGS_0, false},
	{"random-fully", RANDOM_FULLY, ARGS_0, false},
	{0},
};
static const struct xt_option redirect_options[] = {
	{"to-ports", TO_PORTS, ARGS_1, false},
	{"random", RANDOM, ARGS_0, false},
	{0},
};
static const struct xt_option netmap_options[] = {{"to", TO, ARGS_1, false}, {0}};

#define V4                                                                                         \
	.target = true, .family = IP_V4, .size = XT_SIZE(struct nf_nat_ipv4_multi_range_compat),   \
	.print = print_v4
#define RANGE .target = true, .size = XT_SIZE(struct nf_nat_range), .print = print_range

const struct xt_extension xt_nat_targets[] = {
	{"DNAT", .target = true, .rev = 2, .size = XT_SIZE(struct nf_nat_range2),
		.options = dnat_options, .parse = parse_range2, .finish = need_to,
		.print = print_range2},
	{"DNAT", V4, .old = true},
	{"DNAT", RANGE, .rev = 1, .old = true},
	{"SNAT", V4, .options = snat_options, .init = init_v4, .parse = parse_v4,
		.finish = need_to},
	{"SNAT", RANGE, .family = IP_V6, .rev = 1, .options = snat_options, .parse = parse_range,
		.finish = need_to},
	{"MASQUERADE", V4, .options = masquerade_options, .init = init_v4, .parse = parse_v4},
	{"MASQUERADE", RANGE, .family = IP_V6, .options = masquerade_options, .parse = parse_range},
	{"REDIRECT", V4, .options = redirect_options, .init = init_v4, .parse = parse_v4},
	{"REDIRECT", RANGE, .family = IP_V6, .options = redirect_options, .parse = parse_range},
	{"NETMAP", V4, .options = netmap_options, .init = init_v4, .parse = parse_v4,
		.finish = need_to},
	{"NETMAP", RANGE, .family = IP_V6, .options = netmap_options, .parse = parse_range,
		.finish = need_to},
	{"TPROXY", .target = true, .rev = 1, .size = XT_SIZE(struct xt_tproxy_target_info_v1),
		.options = tproxy_options, .parse = tproxy_parse, .print = tproxy_print},
	{"TPROXY", .target = true, .family = IP_V4, .size = XT_SIZE(struct xt_tproxy_target_info),
		.old = true, .print = tproxy_print},
	{0},
};
