/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' targets that write header fields: TCPMSS, TOS, DSCP, TTL, HL, ECN, prefixes and such. */
#include "netstate/xt/extension.h"

#include <stdio.h>
#include <string.h>

#include <linux/netfilter/xt_CHECKSUM.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_TCPOPTSTRIP.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_TTL.h>
#include <linux/netfilter_ipv6/ip6t_NPT.h>

/* ---- TCPMSS, TCPOPTSTRIP ---- */

enum { SET_MSS, CLAMP };

static const struct xt_option tcpmss_options[] = {
	{"set-mss", SET_MSS, ARGS_1, false},
	{"clamp-mss-to-pmtu", CLAMP, ARGS_0, false},
	{0},
};

static bool tcpmss_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_tcpmss_info *i = info;

	i->mss = XT_TCPMSS_CLAMP_PMTU;
	return o->id == CLAMP || xt_read_u16(r, o->arg[0], &i->mss);
}

static bool tcpmss_finish(struct xt_reading *r, uint64_t given, void *info)
{
	return given || xt_fail(r, "TCPMSS does not say what size");
}

static bool tcpmss_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_tcpmss_info *i = info;

	if (i->mss == XT_TCPMSS_CLAMP_PMTU)
		strbuf_add(out, " --clamp-mss-to-pmtu");
	else
		strbuf_addf(out, " --set-mss %u", i->mss);
	return true;
}

static const struct xt_option strip_options[] = {{"strip-options", 0, ARGS_1, false}, {0}};

static const struct xt_name tcp_options[] = {{"mss", 2}, {"wscale", 3}, {"sack-permitted", 4},
	{"sack", 5}, {"timestamp", 8}, {"md5", 19}, {0}};

static bool strip_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_tcpoptstrip_target_info *i = info;
	const char *list = o->arg[0];
	uint32_t option;
	char part[64];

	while (xt_next_part(&list, ',', part)) {
		if (!xt_find_name(tcp_options, part, strlen(part), &option)) {
			uint8_t n;

			if (!xt_read_u8(r, part, &n))
				return false;
			option = n;
		}
		tcpoptstrip_set_bit(i->strip_bmap, option);
	}
	return true;
}

static bool strip_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_tcpoptstrip_target_info *i = info;
	char sep = ' ';

	strbuf_add(out, " --strip-options");
	for (unsigned int n = 0; n < 256; n++) {
		if (!tcpoptstrip_test_bit(i->strip_bmap, n))
			continue;
		strbuf_addf(out, "%c%u", sep, n);
		sep = ',';
	}
	return true;
}

/* ---- TOS, DSCP, ECN ---- */

enum { SET_TOS, AND_TOS, OR_TOS, XOR_TOS };

static const struct xt_option tos_options[] = {
	{"set-tos", SET_TOS, ARGS_1, false},
	{"and-tos", AND_TOS, ARGS_1, false},
	{"or-tos", OR_TOS, ARGS_1, false},
	{"xor-tos", XOR_TOS, ARGS_1, false},
	{0},
};

static bool tos_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_tos_target_info *i = info;
	uint8_t n = 0;

	if (o->id == SET_TOS)
		return xt_read_tos(r, o->arg[0], &i->tos_value, &i->tos_mask);
	if (!xt_read_u8(r, o->arg[0], &n))
		return false;
	i->tos_value = o->id == AND_TOS ? 0 : n;
	i->tos_mask = o->id == AND_TOS ? (uint8_t)~n : o->id == OR_TOS ? n : 0;
	return true;
}

static bool tos_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_tos_target_info *i = info;

	strbuf_addf(out, " --set-tos 0x%02x/0x%02x", i->tos_value, i->tos_mask);
	return true;
}

enum { SET_DSCP, SET_CLASS };

static const struct xt_option dscp_options[] = {
	{"set-dscp", SET_DSCP, ARGS_1, false},
	{"set-dscp-class", SET_CLASS, ARGS_1, false},
	{0},
};

static bool dscp_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_DSCP_info *i = info;

	return xt_read_dscp(r, o->arg[0], o->id == SET_CLASS, &i->dscp);
}

static bool dscp_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_DSCP_info *i = info;

	strbuf_addf(out, " --set-dscp 0x%02x", i->dscp);
	return true;
}

static const struct xt_option ecn_options[] = {{"ecn-tcp-remove", 0, ARGS_0, false}, {0}};

static bool ecn_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct ipt_ECN_info *i = info;

	i->operation = IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_CWR;
	return true;
}

static bool ecn_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ipt_ECN_info *i = info;

	strbuf_add(out, " --ecn-tcp-remove");
	return i->operation == (IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_CWR) && !i->proto.tcp.ece &&
	       !i->proto.tcp.cwr;
}

/* ---- TTL, HL ---- */

static const struct xt_option ttl_options[] = {
	{"ttl-set", IPT_TTL_SET, ARGS_1, false},
	{"ttl-inc", IPT_TTL_INC, ARGS_1, false},
	{"ttl-dec", IPT_TTL_DEC, ARGS_1, false},
	{0},
};

/* Layout and modes are the same. */
static const struct xt_option hl_options[] = {
	{"hl-set", IPT_TTL_SET, ARGS_1, false},
	{"hl-inc", IPT_TTL_INC, ARGS_1, false},
	{"hl-dec", IPT_TTL_DEC, ARGS_1, false},
	{0},
};

static bool ttl_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct ipt_TTL_info *i = info;

	i->mode = o->id;
	return xt_read_u8(r, o->arg[0], &i->ttl);
}

static bool ttl_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	static const char *const modes[] = {"set", "inc", "dec"};
	const struct ipt_TTL_info *i = info;

	if (i->mode > IPT_TTL_MAXMODE)
		return false;
	strbuf_addf(out, " --%s-%s %u", x->name[0] == 'H' ? "hl" : "ttl", modes[i->mode], i->ttl);
	return true;
}

/* ---- CLASSIFY, CHECKSUM ---- */

static const struct xt_option classify_options[] = {{"set-class", 0, ARGS_1, false}, {0}};

static bool classify_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_classify_target_info *i = info;
	unsigned int major, minor;
	char rest;

	if (sscanf(o->arg[0], "%4x:%4x%c", &major, &minor, &rest) != 2)
		return xt_fail(r, "'%s' is not a class", o->arg[0]);
	i->priority = major << 16 | minor;
	return true;
}

static bool classify_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_classify_target_info *i = info;

	strbuf_addf(out, " --set-class %04x:%04x", i->priority >> 16, i->priority & 0xffff);
	return true;
}

static const struct xt_option checksum_options[] = {{"checksum-fill", 0, ARGS_0, false}, {0}};

static bool checksum_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_CHECKSUM_info *i = info;

	i->operation = XT_CHECKSUM_OP_FILL;
	return true;
}

static bool checksum_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_CHECKSUM_info *i = info;

	strbuf_add(out, " --checksum-fill");
	return i->operation == XT_CHECKSUM_OP_FILL;
}

/* ---- SNPT, DNPT ---- */

enum { SRC_PFX, DST_PFX };

static const struct xt_option npt_options[] = {
	{"src-pfx", SRC_PFX, ARGS_1, false},
	{"dst-pfx", DST_PFX, ARGS_1, false},
	{0},
};

static bool npt_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct ip6t_npt_tginfo *i = info;
	uint8_t mask[16] = {0}, *len = o->id == SRC_PFX ? &i->src_pfx_len : &i->dst_pfx_len;

	if (!xt_read_network(r, o->arg[0], o->id == SRC_PFX ? &i->src_pfx : &i->dst_pfx, mask))
		return false;
	*len = 0;
	while (*len < 128 && mask[*len / 8] & 0x80 >> *len % 8)
		(*len)++;
	return true;
}

static bool npt_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ip6t_npt_tginfo *i = info;

	strbuf_add(out, " --src-pfx ");
	xt_add_addr(out, IP_V6, &i->src_pfx);
	strbuf_addf(out, "/%u --dst-pfx ", i->src_pfx_len);
	xt_add_addr(out, IP_V6, &i->dst_pfx);
	strbuf_addf(out, "/%u", i->dst_pfx_len);
	return true;
}

const struct xt_extension xt_header_targets[] = {
	{"TCPMSS", .target = true, .size = XT_SIZE(struct xt_tcpmss_info),
		.options = tcpmss_options, .parse = tcpmss_parse, .finish = tcpmss_finish,
		.print = tcpmss_print},
	{"TCPOPTSTRIP", .target = true, .size = XT_SIZE(struct xt_tcpoptstrip_target_info),
		.options = strip_options, .parse = strip_parse, .print = strip_print},
	{"TOS", .target = true, .rev = 1, .size = XT_SIZE(struct xt_tos_target_info),
		.options = tos_options, .parse = tos_parse, .print = tos_print},
	{"DSCP", .target = true, .size = XT_SIZE(struct xt_DSCP_info), .options = dscp_options,
		.parse = dscp_parse, .print = dscp_print},
	{"ECN", .target = true, .family = IP_V4, .size = XT_SIZE(struct ipt_ECN_info),
		.options = ecn_options, .parse = ecn_parse, .print = ecn_print},
	{"TTL", .target = true, .family = IP_V4, .size = XT_SIZE(struct ipt_TTL_info),
		.options = ttl_options, .parse = ttl_parse, .print = ttl_print},
	{"HL", .target = true, .family = IP_V6, .size = XT_SIZE(struct ipt_TTL_info),
		.options = hl_options, .parse = ttl_parse, .print = ttl_print},
	{"CLASSIFY", .target = true, .size = XT_SIZE(struct xt_classify_target_info),
		.options = classify_options, .parse = classify_parse, .print = classify_print},
	{"CHECKSUM", .target = true, .size = XT_SIZE(struct xt_CHECKSUM_info),
		.options = checksum_options, .parse = checksum_parse, .print = checksum_print},
	{"SNPT", .target = true, .family = IP_V6, .size = XT_SIZE(struct ip6t_npt_tginfo),
		.options = npt_options, .parse = npt_parse, .print = npt_print},
	{"DNPT", .target = true, .family = IP_V6, .size = XT_SIZE(struct ip6t_npt_tginfo),
		.options = npt_options, .parse = npt_parse, .print = npt_print},
	{0},
};
