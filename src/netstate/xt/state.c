/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' matches on the connection: conntrack, state, marks, helper, limits on connections. */
#include "netstate/xt/extension.h"

#include <stddef.h>
#include <string.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_state.h>

/* ---- conntrack ---- */

enum {
	STATE,
	PROTO,
	ORIGSRC,
	ORIGDST,
	REPLSRC,
	REPLDST,
	STATUS,
	EXPIRES,
	ORIGSRC_PORT,
	ORIGDST_PORT,
	REPLSRC_PORT,
	REPLDST_PORT,
	DIRECTION
};
/* The ids are the numbers of the flags. */
_Static_assert(1 << DIRECTION == XT_CONNTRACK_DIRECTION, "in the order of the flags");

static const struct xt_option conntrack_options[] = {
	{"ctstate", STATE, ARGS_1, true},
	{"ctproto", PROTO, ARGS_1, true},
	{"ctorigsrc", ORIGSRC, ARGS_1, true},
	{"ctorigdst", ORIGDST, ARGS_1, true},
	{"ctreplsrc", REPLSRC, ARGS_1, true},
	{"ctrepldst", REPLDST, ARGS_1, true},
	{"ctorigsrcport", ORIGSRC_PORT, ARGS_1, true},
	{"ctorigdstport", ORIGDST_PORT, ARGS_1, true},
	{"ctreplsrcport", REPLSRC_PORT, ARGS_1, true},
	{"ctrepldstport", REPLDST_PORT, ARGS_1, true},
	{"ctstatus", STATUS, ARGS_1, true},
	{"ctexpire", EXPIRES, ARGS_1, true},
	{"ctdir", DIRECTION, ARGS_1, false},
	{0},
};

static const struct xt_option state_options[] = {{"state", STATE, ARGS_1, true}, {0}};

/* In the order in which iptables prints them. */
static const struct xt_name states[] = {{"INVALID", XT_CONNTRACK_STATE_INVALID},
	{"NEW", XT_CONNTRACK_STATE_BIT(IP_CT_NEW)},
	{"RELATED", XT_CONNTRACK_STATE_BIT(IP_CT_RELATED)},
	{"ESTABLISHED", XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED)},
	{"UNTRACKED", XT_CONNTRACK_STATE_UNTRACKED}, {"SNAT", XT_CONNTRACK_STATE_SNAT},
	{"DNAT", XT_CONNTRACK_STATE_DNAT}, {0}};

static const struct xt_name statuses[] = {{"NONE", 0}, {"EXPECTED", IPS_EXPECTED},
	{"SEEN_REPLY", IPS_SEEN_REPLY}, {"ASSURED", IPS_ASSURED}, {"CONFIRMED", IPS_CONFIRMED},
	{0}};

static bool parse_bits16(
	struct xt_reading *r, const char *s, const struct xt_name *list, uint16_t *mask)
{
	uint32_t bits;

	if (!xt_read_bits(r, s, list, &bits))
		return false;
	*mask |= (uint16_t)bits;
	return true;
}

static bool conntrack_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_conntrack_mtinfo3 *i = info;
	union nf_inet_addr *addrs[] = {&i->origsrc_addr, &i->origdst_addr, &i->replsrc_addr,
		&i->repldst_addr},
			   *masks[] = {&i->origsrc_mask, &i->origdst_mask, &i->replsrc_mask,
				   &i->repldst_mask};
	uint16_t *first[] = {&i->origsrc_port, &i->origdst_port, &i->replsrc_port,
		&i->repldst_port},
		 *last[] = {&i->origsrc_port_high, &i->origdst_port_high, &i->replsrc_port_high,
			 &i->repldst_port_high};
	uint32_t times[2];
	uint16_t range[2];
	uint8_t proto;

	i->match_flags |= 1 << o->id;
	i->invert_flags |= o->inverted ? 1 << o->id : 0;
	switch (o->id) {
	case STATE:
		return parse_bits16(r, o->arg[0], states, &i->state_mask);
	case STATUS:
		return parse_bits16(r, o->arg[0], statuses, &i->status_mask);
	case PROTO:
		if (!xt_read_proto(r, o->arg[0], &proto))
			return false;
		i->l4proto = proto;
		return true;
	case EXPIRES:
		if (!xt_read_u32_range(r, o->arg[0], times))
			return false;
		i->expires_min = times[0];
		i->expires_max = times[1];
		return true;
	case DIRECTION:
		if (strcasecmp(o->arg[0], "REPLY") == 0)
			i->invert_flags |= XT_CONNTRACK_DIRECTION;
		else if (strcasecmp(o->arg[0], "ORIGINAL") != 0)
			return xt_fail(r, "'%s' is not a direction", o->arg[0]);
		return true;
	default:
		if (o->id < ORIGSRC_PORT)
			return xt_read_masked_addr(
				r, o->arg[0], addrs[o->id - ORIGSRC], masks[o->id - ORIGSRC]);
		if (!xt_read_ports(r, o->arg[0], ':', range))
			return false;
		*first[o->id - ORIGSRC_PORT] = range[0];
		*last[o->id - ORIGSRC_PORT] = range[1];
		return true;
	}
}

static void state_init(struct xt_reading *r, void *info)
{
	struct xt_conntrack_mtinfo3 *i = info;

	i->match_flags = XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS;
}

/* The three revisions as the last one. */
static struct xt_conntrack_mtinfo3 conntrack_of(const struct nft_xt *x, const void *info)
{
	struct xt_conntrack_mtinfo3 i = {0};
	const struct xt_conntrack_mtinfo1 *one = info;
	uint16_t *ports[] = {&i.origsrc_port, &i.origdst_port, &i.replsrc_port, &i.repldst_port},
		 *last[] = {&i.origsrc_port_high, &i.origdst_port_high, &i.replsrc_port_high,
			 &i.repldst_port_high};

	if (x->rev == 3) {
		memcpy(&i, info, sizeof(i));
		return i;
	}
	memcpy(&i, info,
		x->rev == 2 ? sizeof(struct xt_conntrack_mtinfo2)
			    : offsetof(struct xt_conntrack_mtinfo1, state_mask));
	if (x->rev == 1) {
		i.state_mask = one->state_mask;
		i.status_mask = one->status_mask;
	}
	for (unsigned int n = 0; n < 4; n++)
		*last[n] = *ports[n] = __builtin_bswap16(*ports[n]);
	return i;
}

static bool conntrack_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	static const char *const names[] = {"ctorigsrc", "ctorigdst", "ctreplsrc", "ctrepldst",
		"ctorigsrcport", "ctorigdstport", "ctreplsrcport", "ctrepldstport"};
	struct xt_conntrack_mtinfo3 i = conntrack_of(x, info);
	const union nf_inet_addr *addrs[] = {&i.origsrc_addr, &i.origsrc_mask, &i.origdst_addr,
		&i.origdst_mask, &i.replsrc_addr, &i.replsrc_mask, &i.repldst_addr,
		&i.repldst_mask};
	const uint16_t ports[][2] = {{i.origsrc_port, i.origsrc_port_high},
		{i.origdst_port, i.origdst_port_high}, {i.replsrc_port, i.replsrc_port_high},
		{i.repldst_port, i.repldst_port_high}};

	if (i.match_flags & XT_CONNTRACK_STATE) {
		xt_print_option(out, i.match_flags & XT_CONNTRACK_STATE_ALIAS ? "state" : "ctstate",
			i.invert_flags & XT_CONNTRACK_STATE);
		xt_print_bits(out, states, i.state_mask);
	}
	if (i.match_flags & XT_CONNTRACK_PROTO) {
		xt_print_option(out, "ctproto", i.invert_flags & XT_CONNTRACK_PROTO);
		strbuf_addf(out, " %u", i.l4proto);
	}
	for (unsigned int n = 0; n < 4; n++) {
		if (!(i.match_flags & XT_CONNTRACK_ORIGSRC << n))
			continue;
		xt_print_option(out, names[n], i.invert_flags & XT_CONNTRACK_ORIGSRC << n);
		strbuf_addch(out, ' ');
		xt_add_network(out, family, addrs[2 * n], addrs[2 * n + 1], false);
	}
	for (unsigned int n = 0; n < 4; n++) {
		if (!(i.match_flags & XT_CONNTRACK_ORIGSRC_PORT << n))
			continue;
		xt_print_option(out, names[4 + n], i.invert_flags & XT_CONNTRACK_ORIGSRC_PORT << n);
		xt_print_ports(out, ports[n][0], ports[n][1], ':');
	}
	if (i.match_flags & XT_CONNTRACK_STATUS) {
		xt_print_option(out, "ctstatus", i.invert_flags & XT_CONNTRACK_STATUS);
		if (i.status_mask)
			xt_print_bits(out, statuses, i.status_mask);
		else
			strbuf_add(out, " NONE");
	}
	if (i.match_flags & XT_CONNTRACK_EXPIRES) {
		xt_print_option(out, "ctexpire", i.invert_flags & XT_CONNTRACK_EXPIRES);
		xt_print_range(out, i.expires_min, i.expires_max);
	}
	if (i.match_flags & XT_CONNTRACK_DIRECTION)
		strbuf_add(out, i.invert_flags & XT_CONNTRACK_DIRECTION ? " --ctdir REPLY"
									: " --ctdir ORIGINAL");
	return true;
}

static const char *conntrack_shown(const void *info)
{
	const struct xt_conntrack_mtinfo3 *i = info;

	return i->match_flags & XT_CONNTRACK_STATE_ALIAS ? "state" : "conntrack";
}

/* The match of its own that kernels had before it became another name of conntrack. */
static bool old_state_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_state_info *i = info;
	uint32_t mask = i->statemask;

	if (mask & XT_STATE_UNTRACKED)
		mask = (mask & ~XT_STATE_UNTRACKED) | XT_CONNTRACK_STATE_UNTRACKED;
	xt_print_option(out, "state", false);
	xt_print_bits(out, states, mask);
	return true;
}

/* ---- marks ---- */

static const struct xt_option mark_options[] = {{"mark", 0, ARGS_1, true}, {0}};

_Static_assert(sizeof(struct xt_mark_mtinfo1) == sizeof(struct xt_connmark_mtinfo1), "alike");

static bool mark_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_mark_mtinfo1 *i = info;

	i->invert = o->inverted;
	return xt_read_masked(r, o->arg[0], &i->mark, &i->mask);
}

static bool mark_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_mark_mtinfo1 *i = info;

	xt_print_option(out, "mark", i->invert);
	xt_print_masked(out, i->mark, i->mask);
	return true;
}

/* ---- limits on connections ---- */

enum { UPTO, ABOVE, MASK, SADDR, DADDR };

static const struct xt_option connlimit_options[] = {
	{"connlimit-upto", UPTO, ARGS_1, true},
	{"connlimit-above", ABOVE, ARGS_1, true},
	{"connlimit-mask", MASK, ARGS_1, false},
	{"connlimit-saddr", SADDR, ARGS_0, false},
	{"connlimit-daddr", DADDR, ARGS_0, false},
	{0},
};

static void connlimit_init(struct xt_reading *r, void *info)
{
	struct xt_connlimit_info *i = info;

	memset(&i->mask, 0xff, sizeof(i->mask));
}

static bool connlimit_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_connlimit_info *i = info;

	switch (o->id) {
	case UPTO:
	case ABOVE:
		i->flags |= (o->id == UPTO) != o->inverted ? XT_CONNLIMIT_INVERT : 0;
		return xt_read_u32(r, o->arg[0], &i->limit);
	case MASK:
		return xt_read_mask(r, o->arg[0], &i->mask);
	default:
		i->flags |= o->id == DADDR ? XT_CONNLIMIT_DADDR : 0;
		return true;
	}
}

static bool connlimit_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_connlimit_info *i = info;
	const uint8_t *mask = (const uint8_t *)&i->mask;
	unsigned int bits = 0;

	while (bits < ip_bits(family) && mask[bits / 8] & 0x80 >> bits % 8)
		bits++;
	strbuf_addf(out, " --connlimit-%s %u --connlimit-mask %u --connlimit-%s",
		i->flags & XT_CONNLIMIT_INVERT ? "upto" : "above", i->limit, bits,
		i->flags & XT_CONNLIMIT_DADDR ? "daddr" : "saddr");
	return true;
}

enum { BYTES, BYTES_DIR, BYTES_MODE };

static const struct xt_option connbytes_options[] = {
	{"connbytes", BYTES, ARGS_1, true},
	{"connbytes-dir", BYTES_DIR, ARGS_1, false},
	{"connbytes-mode", BYTES_MODE, ARGS_1, false},
	{0},
};

static const struct xt_name connbytes_dirs[] = {{"original", XT_CONNBYTES_DIR_ORIGINAL},
	{"reply", XT_CONNBYTES_DIR_REPLY}, {"both", XT_CONNBYTES_DIR_BOTH}, {0}};
static const struct xt_name connbytes_modes[] = {{"packets", XT_CONNBYTES_PKTS},
	{"bytes", XT_CONNBYTES_BYTES}, {"avgpkt", XT_CONNBYTES_AVGPKT}, {0}};

static bool connbytes_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_connbytes_info *i = info;
	uint64_t first, last;
	uint32_t value = 0;

	if (o->id == BYTES) {
		if (!xt_read_range(r, o->arg[0], UINT64_MAX, &first, &last))
			return false;
		/* "5" is "5:". Inverted, the ends are swapped. */
		if (!strchr(o->arg[0], ':'))
			last = UINT64_MAX;
		i->count.from = o->inverted ? last : first;
		i->count.to = o->inverted ? first : last;
		return true;
	}
	if (!xt_read_name(
		    r, o->arg[0], o->id == BYTES_DIR ? connbytes_dirs : connbytes_modes, &value))
		return false;
	if (o->id == BYTES_DIR)
		i->direction = (uint8_t)value;
	else
		i->what = (uint8_t)value;
	return true;
}

static bool connbytes_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_connbytes_info *i = info;
	const char *mode = xt_name_of(connbytes_modes, i->what),
		   *dir = xt_name_of(connbytes_dirs, i->direction);
	bool inverted = i->count.from > i->count.to;
	unsigned long long first = inverted ? i->count.to : i->count.from,
			   last = inverted ? i->count.from : i->count.to;

	if (!mode || !dir)
		return false;
	xt_print_option(out, "connbytes", inverted);
	strbuf_addf(out, " %llu", first);
	if (last && last < UINT64_MAX)
		strbuf_addf(out, ":%llu", last);
	strbuf_addf(out, " --connbytes-mode %s --connbytes-dir %s", mode, dir);
	return true;
}

/* ---- helper, label, socket ---- */

static const struct xt_option helper_options[] = {{"helper", 0, ARGS_1, true}, {0}};

static bool helper_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_helper_info *i = info;

	i->invert = o->inverted;
	return xt_read_string(r, o->arg[0], i->name, sizeof(i->name));
}

static bool helper_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_helper_info *i = info;

	xt_print_option(out, "helper", i->invert);
	xt_print_string(out, i->name, sizeof(i->name));
	return true;
}

static const struct xt_option connlabel_options[] = {
	{"label", 0, ARGS_1, true},
	{"set", 1, ARGS_0, false},
	{0},
};

static bool connlabel_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_connlabel_mtinfo *i = info;

	if (o->id == 1) {
		i->options |= XT_CONNLABEL_OP_SET;
		return true;
	}
	i->options |= o->inverted ? XT_CONNLABEL_OP_INVERT : 0;
	return xt_read_u16(r, o->arg[0], &i->bit); /* names are in a file of that machine */
}

static bool connlabel_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_connlabel_mtinfo *i = info;

	xt_print_option(out, "label", i->options & XT_CONNLABEL_OP_INVERT);
	strbuf_addf(out, " \"%u\"", i->bit);
	if (i->options & XT_CONNLABEL_OP_SET)
		strbuf_add(out, " --set");
	return true;
}

static const struct xt_option socket_options[] = {
	{"transparent", XT_SOCKET_TRANSPARENT, ARGS_0, false},
	{"nowildcard", XT_SOCKET_NOWILDCARD, ARGS_0, false},
	{"restore-skmark", XT_SOCKET_RESTORESKMARK, ARGS_0, false},
	{0},
};

static bool socket_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_socket_mtinfo3 *i = info;

	i->flags |= o->id;
	return true;
}

static bool socket_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_socket_mtinfo3 *i = info;

	for (const struct xt_option *o = socket_options; o->name; o++) {
		if (x->rev && i->flags & o->id)
			xt_print_option(out, o->name, false);
	}
	return true;
}

const struct xt_extension xt_state_matches[] = {
	{"conntrack", .rev = 3, .size = XT_SIZE(struct xt_conntrack_mtinfo3),
		.options = conntrack_options, .parse = conntrack_parse, .print = conntrack_print,
		.shown = conntrack_shown},
	{"state", .kernel_name = "conntrack", .rev = 3,
		.size = XT_SIZE(struct xt_conntrack_mtinfo3), .options = state_options,
		.init = state_init, .parse = conntrack_parse},
	{"conntrack", .rev = 2, .size = XT_SIZE(struct xt_conntrack_mtinfo2), .old = true,
		.print = conntrack_print, .shown = conntrack_shown},
	{"conntrack", .rev = 1, .size = XT_SIZE(struct xt_conntrack_mtinfo1), .old = true,
		.print = conntrack_print, .shown = conntrack_shown},
	{"state", .size = XT_SIZE(struct xt_state_info), .old = true, .print = old_state_print},
	{"mark", .rev = 1, .size = XT_SIZE(struct xt_mark_mtinfo1), .options = mark_options,
		.parse = mark_parse, .print = mark_print},
	{"connmark", .rev = 1, .size = XT_SIZE(struct xt_connmark_mtinfo1), .options = mark_options,
		.parse = mark_parse, .print = mark_print},
	{"connlimit", .rev = 1, .size = XT_SIZE(struct xt_connlimit_info),
		.options = connlimit_options, .init = connlimit_init, .parse = connlimit_parse,
		.print = connlimit_print},
	{"connbytes", .size = XT_SIZE(struct xt_connbytes_info), .options = connbytes_options,
		.parse = connbytes_parse, .print = connbytes_print},
	{"helper", .size = XT_SIZE(struct xt_helper_info), .options = helper_options,
		.parse = helper_parse, .print = helper_print},
	{"connlabel", .size = XT_SIZE(struct xt_connlabel_mtinfo), .options = connlabel_options,
		.parse = connlabel_parse, .print = connlabel_print},
	{"socket", .rev = 3, .size = XT_SIZE(struct xt_socket_mtinfo3), .options = socket_options,
		.parse = socket_parse, .print = socket_print},
	{"socket", .rev = 2, .size = XT_SIZE(struct xt_socket_mtinfo3), .old = true,
		.print = socket_print},
	{"socket", .rev = 1, .size = XT_SIZE(struct xt_socket_mtinfo3), .old = true,
		.print = socket_print},
	{"socket", .old = true, .print = socket_print},
	{0},
};
