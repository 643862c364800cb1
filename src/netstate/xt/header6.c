/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ip6tables' matches on extension headers: fragments, options, routing, mobility, authentication. */
#include "netstate/xt/extension.h"

#include <string.h>

#include <netinet/in.h>
#include <linux/netfilter_ipv6/ip6t_ah.h>
#include <linux/netfilter_ipv6/ip6t_frag.h>
#include <linux/netfilter_ipv6/ip6t_ipv6header.h>
#include <linux/netfilter_ipv6/ip6t_mh.h>
#include <linux/netfilter_ipv6/ip6t_opts.h>
#include <linux/netfilter_ipv6/ip6t_rt.h>

static void print_id_range(
	struct strbuf *out, const char *name, const uint32_t range[2], bool inverted)
{
	if (range[0] == 0 && range[1] == UINT32_MAX && !inverted)
		return;
	xt_print_option(out, name, inverted);
	xt_print_range(out, range[0], range[1]);
}

/* ---- ah ---- */

enum { SPI, LEN, RES };

static const struct xt_option ah_options[] = {
	{"ahspi", SPI, ARGS_1, true},
	{"ahlen", LEN, ARGS_1, true},
	{"ahres", RES, ARGS_0, false},
	{0},
};

static void ah_init(struct xt_reading *r, void *info)
{
	struct ip6t_ah *i = info;

	i->spis[1] = UINT32_MAX;
}

static bool ah_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct ip6t_ah *i = info;

	switch (o->id) {
	case SPI:
		i->invflags |= o->inverted ? IP6T_AH_INV_SPI : 0;
		return xt_read_u32_range(r, o->arg[0], i->spis);
	case LEN:
		i->invflags |= o->inverted ? IP6T_AH_INV_LEN : 0;
		return xt_read_u32(r, o->arg[0], &i->hdrlen);
	default:
		i->hdrres = 1;
		return true;
	}
}

static bool ah_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ip6t_ah *i = info;

	print_id_range(out, "ahspi", i->spis, i->invflags & IP6T_AH_INV_SPI);
	if (i->hdrlen || i->invflags & IP6T_AH_INV_LEN) {
		xt_print_option(out, "ahlen", i->invflags & IP6T_AH_INV_LEN);
		strbuf_addf(out, " %u", i->hdrlen);
	}
	if (i->hdrres)
		strbuf_add(out, " --ahres");
	return true;
}

/* ---- frag ---- */

enum { FRAG_ID, FRAG_LEN, FRAG_RES, FRAG_FIRST, FRAG_MORE, FRAG_LAST };

static const struct xt_option frag_options[] = {
	{"fragid", FRAG_ID, ARGS_1, true},
	{"fraglen", FRAG_LEN, ARGS_1, true},
	{"fragres", FRAG_RES, ARGS_0, false},
	{"fragfirst", FRAG_FIRST, ARGS_0, false},
	{"fragmore", FRAG_MORE, ARGS_0, false},
	{"fraglast", FRAG_LAST, ARGS_0, false},
	{0},
};

static void frag_init(struct xt_reading *r, void *info)
{
	struct ip6t_frag *i = info;

	i->ids[1] = UINT32_MAX;
}

static bool frag_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint8_t flags[] = {IP6T_FRAG_IDS, IP6T_FRAG_LEN, IP6T_FRAG_RES, IP6T_FRAG_FST,
		IP6T_FRAG_MF, IP6T_FRAG_NMF};
	struct ip6t_frag *i = info;

	i->flags |= flags[o->id];
	if (o->id == FRAG_ID) {
		i->invflags |= o->inverted ? IP6T_FRAG_INV_IDS : 0;
		return xt_read_u32_range(r, o->arg[0], i->ids);
	}
	if (o->id == FRAG_LEN) {
		i->invflags |= o->inverted ? IP6T_FRAG_INV_LEN : 0;
		return xt_read_u32(r, o->arg[0], &i->hdrlen);
	}
	return true;
}

static bool frag_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ip6t_frag *i = info;

	print_id_range(out, "fragid", i->ids, i->invflags & IP6T_FRAG_INV_IDS);
	if (i->flags & IP6T_FRAG_LEN) {
		xt_print_option(out, "fraglen", i->invflags & IP6T_FRAG_INV_LEN);
		strbuf_addf(out, " %u", i->hdrlen);
	}
	if (i->flags & IP6T_FRAG_RES)
		strbuf_add(out, " --fragres");
	if (i->flags & IP6T_FRAG_FST)
		strbuf_add(out, " --fragfirst");
	if (i->flags & IP6T_FRAG_MF)
		strbuf_add(out, " --fragmore");
	if (i->flags & IP6T_FRAG_NMF)
		strbuf_add(out, " --fraglast");
	return true;
}

/* ---- hbh, dst ---- */

static const struct xt_option hbh_options[] = {
	{"hbh-len", LEN, ARGS_1, true},
	{"hbh-opts", RES, ARGS_1, false},
	{0},
};
static const struct xt_option dst_options[] = {
	{"dst-len", LEN, ARGS_1, true},
	{"dst-opts", RES, ARGS_1, false},
	{0},
};

/* "5:2,6": types with or without a length */
static bool read_opts(struct xt_reading *r, const char *s, struct ip6t_opts *i)
{
	const char *length;
	uint8_t type, len;
	char part[64];

	while (xt_next_part(&s, ',', part)) {
		if (i->optsnr == IP6T_OPTS_OPTSNR)
			return xt_fail(r, "more than %d options", IP6T_OPTS_OPTSNR);
		length = strchr(part, ':');
		part[length ? length - part : (ptrdiff_t)strlen(part)] = '\0';
		if (!xt_read_u8(r, part, &type) || (length && !xt_read_u8(r, length + 1, &len)))
			return false;
		i->opts[i->optsnr++] = (uint16_t)(type << 8 | (length ? len : 0xff));
	}
	return true;
}

static bool opts_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct ip6t_opts *i = info;

	if (o->id == LEN) {
		i->flags |= IP6T_OPTS_LEN;
		i->invflags |= o->inverted ? IP6T_OPTS_INV_LEN : 0;
		return xt_read_u32(r, o->arg[0], &i->hdrlen);
	}
	i->flags |= IP6T_OPTS_OPTS;
	return read_opts(r, o->arg[0], i);
}

static bool opts_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ip6t_opts *i = info;

	if (i->optsnr > IP6T_OPTS_OPTSNR)
		return false;
	if (i->flags & IP6T_OPTS_LEN)
		strbuf_addf(out, " %s--%s-len %u", i->invflags & IP6T_OPTS_INV_LEN ? "! " : "",
			x->name, i->hdrlen);
	if (i->flags & IP6T_OPTS_OPTS)
		strbuf_addf(out, " --%s-opts", x->name);
	for (unsigned int n = 0; n < i->optsnr && i->flags & IP6T_OPTS_OPTS; n++) {
		strbuf_addf(out, "%c%u", n ? ',' : ' ', i->opts[n] >> 8);
		if ((i->opts[n] & 0xff) != 0xff)
			strbuf_addf(out, ":%u", i->opts[n] & 0xff);
	}
	return !(i->flags & IP6T_OPTS_NSTRICT);
}

/* ---- rt ---- */

enum { RT_TYPE, RT_SEGSLEFT, RT_LEN, RT_RES, RT_ADDRS, RT_NOT_STRICT };

static const struct xt_option rt_options[] = {
	{"rt-type", RT_TYPE, ARGS_1, true},
	{"rt-segsleft", RT_SEGSLEFT, ARGS_1, true},
	{"rt-len", RT_LEN, ARGS_1, true},
	{"rt-0-res", RT_RES, ARGS_0, false},
	{"rt-0-addrs", RT_ADDRS, ARGS_1, false},
	{"rt-0-not-strict", RT_NOT_STRICT, ARGS_0, false},
	{0},
};

static void rt_init(struct xt_reading *r, void *info)
{
	struct ip6t_rt *i = info;

	i->segsleft[1] = UINT32_MAX;
}

static bool rt_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint8_t flags[] = {IP6T_RT_TYP, IP6T_RT_SGS, IP6T_RT_LEN, IP6T_RT_RES,
		IP6T_RT_FST, IP6T_RT_FST_NSTRICT};
	struct ip6t_rt *i = info;
	const char *list = o->arg[0];
	char part[64];

	i->flags |= flags[o->id];
	switch (o->id) {
	case RT_TYPE:
		i->invflags |= o->inverted ? IP6T_RT_INV_TYP : 0;
		return xt_read_u32(r, o->arg[0], &i->rt_type);
	case RT_SEGSLEFT:
		i->invflags |= o->inverted ? IP6T_RT_INV_SGS : 0;
		return xt_read_u32_range(r, o->arg[0], i->segsleft);
	case RT_LEN:
		i->invflags |= o->inverted ? IP6T_RT_INV_LEN : 0;
		return xt_read_u32(r, o->arg[0], &i->hdrlen);
	case RT_ADDRS:
		while (xt_next_part(&list, ',', part)) {
			if (i->addrnr == IP6T_RT_HOPS)
				return xt_fail(r, "more than %d addresses", IP6T_RT_HOPS);
			if (!xt_read_addr(r, part, &i->addrs[i->addrnr++]))
				return false;
		}
		return true;
	default:
		return true;
	}
}

static bool rt_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ip6t_rt *i = info;

	if (i->addrnr > IP6T_RT_HOPS)
		return false;
	if (i->flags & IP6T_RT_TYP) {
		xt_print_option(out, "rt-type", i->invflags & IP6T_RT_INV_TYP);
		strbuf_addf(out, " %u", i->rt_type);
	}
	print_id_range(out, "rt-segsleft", i->segsleft, i->invflags & IP6T_RT_INV_SGS);
	if (i->flags & IP6T_RT_LEN) {
		xt_print_option(out, "rt-len", i->invflags & IP6T_RT_INV_LEN);
		strbuf_addf(out, " %u", i->hdrlen);
	}
	if (i->flags & IP6T_RT_RES)
		strbuf_add(out, " --rt-0-res");
	for (unsigned int n = 0; n < i->addrnr && i->flags & IP6T_RT_FST; n++) {
		strbuf_add(out, n ? "," : " --rt-0-addrs ");
		xt_add_addr(out, IP_V6, &i->addrs[n]);
	}
	if (i->flags & IP6T_RT_FST_NSTRICT)
		strbuf_add(out, " --rt-0-not-strict");
	return true;
}

/* ---- mh, ipv6header, eui64 ---- */

static const struct xt_option mh_options[] = {{"mh-type", 0, ARGS_1, true}, {0}};

static void mh_init(struct xt_reading *r, void *info)
{
	struct ip6t_mh *i = info;

	i->types[1] = UINT8_MAX;
}

static bool mh_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const struct xt_name types[] = {{"binding-refresh-request", 0}, {"brr", 0},
		{"home-test-init", 1}, {"hoti", 1}, {"careof-test-init", 2}, {"coti", 2},
		{"home-test", 3}, {"hot", 3}, {"careof-test", 4}, {"cot", 4}, {"binding-update", 5},
		{"bu", 5}, {"binding-acknowledgement", 6}, {"ba", 6}, {"binding-error", 7},
		{"be", 7}, {0}};
	struct ip6t_mh *i = info;
	uint64_t first, last;
	uint32_t type;

	i->invflags = o->inverted ? IP6T_MH_INV_TYPE : 0;
	if (xt_find_name(types, o->arg[0], strlen(o->arg[0]), &type)) {
		i->types[0] = i->types[1] = (uint8_t)type;
		return true;
	}
	if (!xt_read_range(r, o->arg[0], UINT8_MAX, &first, &last))
		return false;
	i->types[0] = (uint8_t)first;
	i->types[1] = (uint8_t)last;
	return true;
}

static bool mh_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ip6t_mh *i = info;
	bool inverted = i->invflags & IP6T_MH_INV_TYPE;

	if (i->types[0] == 0 && i->types[1] == UINT8_MAX && !inverted)
		return true;
	xt_print_option(out, "mh-type", inverted);
	xt_print_range(out, i->types[0], i->types[1]);
	return true;
}

static const struct xt_option ipv6header_options[] = {
	{"header", 0, ARGS_1, true},
	{"soft", 1, ARGS_0, false},
	{0},
};

/* In the order in which iptables prints them. */
static const struct xt_name headers[] = {{"hop-by-hop", MASK_HOPOPTS}, {"ipv6-opts", MASK_DSTOPTS},
	{"ipv6-route", MASK_ROUTING}, {"ipv6-frag", MASK_FRAGMENT}, {"ah", MASK_AH},
	{"esp", MASK_ESP}, {"ipv6-nonxt", MASK_NONE}, {"protocol", MASK_PROTO},
	{"hop", MASK_HOPOPTS}, {"dst", MASK_DSTOPTS}, {"route", MASK_ROUTING},
	{"frag", MASK_FRAGMENT}, {"auth", MASK_AH}, {"none", MASK_NONE}, {"prot", MASK_PROTO}, {0}};

static bool ipv6header_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct ip6t_ipv6header_info *i = info;
	uint32_t bits;

	if (o->id == 1) {
		i->modeflag = 0xff;
		return true;
	}
	if (!xt_read_bits(r, o->arg[0], headers, &bits))
		return false;
	i->matchflags = (uint8_t)bits;
	i->invflags = o->inverted ? 0xff : 0;
	return true;
}

static bool ipv6header_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ip6t_ipv6header_info *i = info;

	xt_print_option(out, "header", i->invflags);
	xt_print_bits(out, headers, i->matchflags);
	if (i->modeflag)
		strbuf_add(out, " --soft");
	return true;
}

static bool eui64_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	return true;
}

const struct xt_extension xt_header6_matches[] = {
	{"ah", .family = IP_V6, .size = XT_SIZE(struct ip6t_ah), .options = ah_options,
		.init = ah_init, .parse = ah_parse, .print = ah_print},
	{"frag", .family = IP_V6, .size = XT_SIZE(struct ip6t_frag), .options = frag_options,
		.init = frag_init, .parse = frag_parse, .print = frag_print},
	{"hbh", .family = IP_V6, .size = XT_SIZE(struct ip6t_opts), .options = hbh_options,
		.parse = opts_parse, .print = opts_print},
	{"dst", .family = IP_V6, .size = XT_SIZE(struct ip6t_opts), .options = dst_options,
		.parse = opts_parse, .print = opts_print},
	{"rt", .family = IP_V6, .size = XT_SIZE(struct ip6t_rt), .options = rt_options,
		.init = rt_init, .parse = rt_parse, .print = rt_print},
	{"mh", .family = IP_V6, .size = XT_SIZE(struct ip6t_mh), .options = mh_options,
		.init = mh_init, .parse = mh_parse, .print = mh_print},
	{"ipv6header", .family = IP_V6, .size = XT_SIZE(struct ip6t_ipv6header_info),
		.options = ipv6header_options, .parse = ipv6header_parse,
		.print = ipv6header_print},
	{"eui64", .family = IP_V6, .size = XT_SIZE(int), .print = eui64_print},
	{0},
};
