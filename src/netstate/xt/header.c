/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' matches on fields of the IP, TCP and IPsec headers: length, TTL, DSCP, SPI and such. */
#include "netstate/xt/extension.h"

#include <string.h>

#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

/* ---- length, tcpmss ---- */

static const struct xt_option length_options[] = {{"length", 0, ARGS_1, true}, {0}};
static const struct xt_option tcpmss_options[] = {{"mss", 0, ARGS_1, true}, {0}};

_Static_assert(sizeof(struct xt_length_info) == sizeof(struct xt_tcpmss_match_info), "alike");

static bool length_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_length_info *i = info;
	uint64_t first, last;

	i->invert = o->inverted;
	if (!xt_read_range(r, o->arg[0], UINT16_MAX, &first, &last))
		return false;
	i->min = (uint16_t)first;
	i->max = (uint16_t)last;
	return true;
}

static bool length_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_length_info *i = info;

	xt_print_option(out, x->name[0] == 't' ? "mss" : "length", i->invert);
	xt_print_range(out, i->min, i->max);
	return true;
}

/* ---- dscp, tos, ecn ---- */

enum { DSCP, DSCP_CLASS };

static const struct xt_option dscp_options[] = {
	{"dscp", DSCP, ARGS_1, true},
	{"dscp-class", DSCP_CLASS, ARGS_1, true},
	{0},
};

static const struct xt_name classes[] = {{"CS0", 0x00}, {"CS1", 0x08}, {"CS2", 0x10}, {"CS3", 0x18},
	{"CS4", 0x20}, {"CS5", 0x28}, {"CS6", 0x30}, {"CS7", 0x38}, {"BE", 0x00}, {"AF11", 0x0a},
	{"AF12", 0x0c}, {"AF13", 0x0e}, {"AF21", 0x12}, {"AF22", 0x14}, {"AF23", 0x16},
	{"AF31", 0x1a}, {"AF32", 0x1c}, {"AF33", 0x1e}, {"AF41", 0x22}, {"AF42", 0x24},
	{"AF43", 0x26}, {"EF", 0x2e}, {0}};

bool xt_read_dscp(struct xt_reading *r, const char *s, bool by_class, uint8_t *out)
{
	uint32_t value;

	if (!by_class)
		return xt_read_u8(r, s, out) &&
		       (*out <= XT_DSCP_MAX || xt_fail(r, "'%s' is over %d", s, XT_DSCP_MAX));
	if (!xt_read_name(r, s, classes, &value))
		return false;
	*out = (uint8_t)value;
	return true;
}

static bool dscp_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_dscp_info *i = info;

	i->invert = o->inverted;
	return xt_read_dscp(r, o->arg[0], o->id == DSCP_CLASS, &i->dscp);
}

static bool dscp_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_dscp_info *i = info;

	xt_print_option(out, "dscp", i->invert);
	strbuf_addf(out, " 0x%02x", i->dscp);
	return true;
}

static const struct xt_option tos_options[] = {{"tos", 0, ARGS_1, true}, {0}};

bool xt_read_tos(struct xt_reading *r, const char *s, uint8_t *value, uint8_t *mask)
{
	static const struct xt_name names[] = {{"Minimize-Delay", 0x10},
		{"Maximize-Throughput", 0x08}, {"Maximize-Reliability", 0x04},
		{"Minimize-Cost", 0x02}, {"Normal-Service", 0}, {0}};
	uint32_t v, m;

	if (xt_find_name(names, s, strlen(s), &v)) {
		*value = (uint8_t)v;
		*mask = 0x3f;
		return true;
	}
	if (!xt_read_masked(r, s, &v, &m))
		return false;
	*value = (uint8_t)v;
	*mask = strchr(s, '/') ? (uint8_t)m : UINT8_MAX;
	return v <= UINT8_MAX || xt_fail(r, "'%s' is over 255", s);
}

static bool tos_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_tos_match_info *i = info;

	i->invert = o->inverted;
	return xt_read_tos(r, o->arg[0], &i->tos_value, &i->tos_mask);
}

static bool tos_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_tos_match_info *i = info;

	xt_print_option(out, "tos", i->invert);
	strbuf_addf(out, " 0x%02x/0x%02x", i->tos_value, i->tos_mask);
	return true;
}

enum { CWR, ECE, ECT };

static const struct xt_option ecn_options[] = {
	{"ecn-tcp-cwr", CWR, ARGS_0, true},
	{"ecn-tcp-ece", ECE, ARGS_0, true},
	{"ecn-ip-ect", ECT, ARGS_1, true},
	{0},
};

static bool ecn_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint8_t flags[] = {
		XT_ECN_OP_MATCH_CWR, XT_ECN_OP_MATCH_ECE, XT_ECN_OP_MATCH_IP};
	struct xt_ecn_info *i = info;

	i->operation |= flags[o->id];
	i->invert |= o->inverted ? flags[o->id] : 0;
	return o->id != ECT || xt_read_u8(r, o->arg[0], &i->ip_ect);
}

static bool ecn_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_ecn_info *i = info;

	if (i->operation & XT_ECN_OP_MATCH_ECE)
		xt_print_option(out, "ecn-tcp-ece", i->invert & XT_ECN_OP_MATCH_ECE);
	if (i->operation & XT_ECN_OP_MATCH_CWR)
		xt_print_option(out, "ecn-tcp-cwr", i->invert & XT_ECN_OP_MATCH_CWR);
	if (i->operation & XT_ECN_OP_MATCH_IP) {
		xt_print_option(out, "ecn-ip-ect", i->invert & XT_ECN_OP_MATCH_IP);
		strbuf_addf(out, " %u", i->ip_ect);
	}
	return true;
}

/* ---- ttl, hl ---- */

static const struct xt_option ttl_options[] = {
	{"ttl-eq", IPT_TTL_EQ, ARGS_1, true},
	{"ttl", IPT_TTL_EQ, ARGS_1, true},
	{"ttl-lt", IPT_TTL_LT, ARGS_1, false},
	{"ttl-gt", IPT_TTL_GT, ARGS_1, false},
	{0},
};

/* The numbers of the modes, and the layout, are those of ttl. */
static const struct xt_option hl_options[] = {
	{"hl-eq", IPT_TTL_EQ, ARGS_1, true},
	{"hl-lt", IPT_TTL_LT, ARGS_1, false},
	{"hl-gt", IPT_TTL_GT, ARGS_1, false},
	{0},
};

static bool ttl_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct ipt_ttl_info *i = info;

	i->mode = o->inverted ? IPT_TTL_NE : o->id;
	return xt_read_u8(r, o->arg[0], &i->ttl);
}

static bool ttl_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	static const char *const modes[] = {"eq", "eq", "lt", "gt"};
	const struct ipt_ttl_info *i = info;

	if (i->mode > IPT_TTL_GT)
		return false;
	strbuf_addf(out, " %s--%s-%s %u", i->mode == IPT_TTL_NE ? "! " : "", x->name,
		modes[i->mode], i->ttl);
	return true;
}

/* ---- security parameter indices ---- */

static const struct xt_option ah_options[] = {{"ahspi", 0, ARGS_1, true}, {0}};
static const struct xt_option esp_options[] = {{"espspi", 0, ARGS_1, true}, {0}};
static const struct xt_option ipcomp_options[] = {{"ipcompspi", 0, ARGS_1, true}, {0}};

_Static_assert(sizeof(struct ipt_ah) == sizeof(struct xt_esp) &&
		       sizeof(struct ipt_ah) == sizeof(struct xt_ipcomp),
	"alike");

static void spi_init(struct xt_reading *r, void *info)
{
	struct xt_esp *i = info;

	i->spis[1] = UINT32_MAX;
}

static bool spi_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_esp *i = info;

	i->invflags = o->inverted ? XT_ESP_INV_SPI : 0;
	return xt_read_u32_range(r, o->arg[0], i->spis);
}

static bool spi_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_esp *i = info;
	bool inverted = i->invflags & XT_ESP_INV_SPI;

	if (i->spis[0] == 0 && i->spis[1] == UINT32_MAX && !inverted)
		return true;
	strbuf_addf(out, " %s--%sspi", inverted ? "! " : "", x->name);
	xt_print_range(out, i->spis[0], i->spis[1]);
	return true;
}

const struct xt_extension xt_header_matches[] = {
	{"length", .size = XT_SIZE(struct xt_length_info), .options = length_options,
		.parse = length_parse, .print = length_print},
	{"tcpmss", .size = XT_SIZE(struct xt_tcpmss_match_info), .options = tcpmss_options,
		.parse = length_parse, .print = length_print},
	{"dscp", .size = XT_SIZE(struct xt_dscp_info), .options = dscp_options, .parse = dscp_parse,
		.print = dscp_print},
	{"tos", .rev = 1, .size = XT_SIZE(struct xt_tos_match_info), .options = tos_options,
		.parse = tos_parse, .print = tos_print},
	{"ecn", .size = XT_SIZE(struct xt_ecn_info), .options = ecn_options, .parse = ecn_parse,
		.print = ecn_print},
	{"ttl", .family = IP_V4, .size = XT_SIZE(struct ipt_ttl_info), .options = ttl_options,
		.parse = ttl_parse, .print = ttl_print},
	{"hl", .family = IP_V6, .size = XT_SIZE(struct ipt_ttl_info), .options = hl_options,
		.parse = ttl_parse, .print = ttl_print},
	{"ah", .family = IP_V4, .size = XT_SIZE(struct ipt_ah), .options = ah_options,
		.init = spi_init, .parse = spi_parse, .print = spi_print},
	{"esp", .size = XT_SIZE(struct xt_esp), .options = esp_options, .init = spi_init,
		.parse = spi_parse, .print = spi_print},
	{"ipcomp", .size = XT_SIZE(struct xt_ipcomp), .options = ipcomp_options, .init = spi_init,
		.parse = spi_parse, .print = spi_print},
	{0},
};
