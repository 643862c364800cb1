/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' targets that write marks, and those on the connection: MARK, CONNMARK, CT and the like. */
#include "netstate/xt/extension.h"

#include <string.h>

#include <linux/netfilter/xt_CONNSECMARK.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_SECMARK.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>

enum { SET_MARK, SET_XMARK, AND, OR, XOR, SAVE, RESTORE, MASK, NFMASK, CTMASK, LEFT, RIGHT };

/* What --set-mark and its kin do, as (old & ~mask) ^ value. */
static bool read_operation(
	struct xt_reading *r, const struct xt_given *o, uint32_t *value, uint32_t *mask)
{
	uint32_t n;

	if (o->id == SET_MARK || o->id == SET_XMARK) {
		if (!xt_read_masked(r, o->arg[0], value, mask))
			return false;
		if (o->id == SET_MARK)
			*mask |= *value;
		return true;
	}
	if (!xt_read_u32(r, o->arg[0], &n))
		return false;
	*value = o->id == AND ? 0 : n;
	*mask = o->id == AND ? ~n : o->id == OR ? n : 0;
	return true;
}

/* ---- MARK ---- */

static const struct xt_option mark_options[] = {
	{"set-xmark", SET_XMARK, ARGS_1, false},
	{"set-mark", SET_MARK, ARGS_1, false},
	{"and-mark", AND, ARGS_1, false},
	{"or-mark", OR, ARGS_1, false},
	{"xor-mark", XOR, ARGS_1, false},
	{0},
};

static bool mark_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_mark_tginfo2 *i = info;

	return read_operation(r, o, &i->mark, &i->mask);
}

static bool mark_finish(struct xt_reading *r, uint64_t given, void *info)
{
	return given || xt_fail(r, "MARK does not say what mark");
}

static bool mark_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_mark_tginfo2 *i = info;

	strbuf_addf(out, " --set-xmark 0x%x/0x%x", i->mark, i->mask);
	return true;
}

/* ---- CONNMARK ---- */

static const struct xt_option connmark_options[] = {
	{"set-xmark", SET_XMARK, ARGS_1, false},
	{"set-mark", SET_MARK, ARGS_1, false},
	{"and-mark", AND, ARGS_1, false},
	{"or-mark", OR, ARGS_1, false},
	{"xor-mark", XOR, ARGS_1, false},
	{"save-mark", SAVE, ARGS_0, false},
	{"restore-mark", RESTORE, ARGS_0, false},
	{"mask", MASK, ARGS_1, false},
	{"nfmask", NFMASK, ARGS_1, false},
	{"ctmask", CTMASK, ARGS_1, false},
	{"left-shift-mark", LEFT, ARGS_1, false},
	{"right-shift-mark", RIGHT, ARGS_1, false},
	{0},
};

static void connmark_init(struct xt_reading *r, void *info)
{
	struct xt_connmark_tginfo2 *i = info;

	i->ctmask = i->nfmask = UINT32_MAX;
}

static bool connmark_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_connmark_tginfo2 *i = info;

	switch (o->id) {
	case SAVE:
	case RESTORE:
		i->mode = o->id == SAVE ? XT_CONNMARK_SAVE : XT_CONNMARK_RESTORE;
		return true;
	case MASK:
		if (!xt_read_u32(r, o->arg[0], &i->nfmask))
			return false;
		i->ctmask = i->nfmask;
		return true;
	case NFMASK:
		return xt_read_u32(r, o->arg[0], &i->nfmask);
	case CTMASK:
		return xt_read_u32(r, o->arg[0], &i->ctmask);
	case LEFT:
	case RIGHT:
		i->shift_dir = o->id == LEFT ? D_SHIFT_LEFT : D_SHIFT_RIGHT;
		if (!xt_read_u8(r, o->arg[0], &i->shift_bits))
			return false;
		return i->shift_bits < 32 || xt_fail(r, "a shift by more than 31 bits");
	default:
		i->mode = XT_CONNMARK_SET;
		return read_operation(r, o, &i->ctmark, &i->ctmask);
	}
}

static bool connmark_finish(struct xt_reading *r, uint64_t given, void *info)
{
	uint64_t modes = GIVEN(SET_MARK) | GIVEN(SET_XMARK) | GIVEN(AND) | GIVEN(OR) | GIVEN(XOR) |
			 GIVEN(SAVE) | GIVEN(RESTORE);

	return given & modes || xt_fail(r, "CONNMARK does not say what to do");
}

static bool connmark_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	static const char *const modes[] = {
		[XT_CONNMARK_SAVE] = "save", [XT_CONNMARK_RESTORE] = "restore"};
	const struct xt_connmark_tginfo2 *two = info;
	const struct xt_connmark_tginfo1 *one = info;
	uint8_t mode = x->rev == 2 ? two->mode : one->mode;

	if (mode == XT_CONNMARK_SET)
		strbuf_addf(out, " --set-xmark 0x%x/0x%x", one->ctmark, one->ctmask);
	else if (mode <= XT_CONNMARK_RESTORE)
		strbuf_addf(out, " --%s-mark --nfmask 0x%x --ctmask 0x%x", modes[mode], one->nfmask,
			one->ctmask);
	else
		return false;
	if (x->rev == 2 && two->shift_bits)
		strbuf_addf(out, " --%s-shift-mark %u",
			two->shift_dir == D_SHIFT_LEFT ? "left" : "right", two->shift_bits);
	return true;
}

/* ---- CT, NOTRACK ---- */

enum { NOTRACK, HELPER, TIMEOUT, CTEVENTS, EXPEVENTS, ZONE, ZONE_ORIG, ZONE_REPLY };

static const struct xt_option ct_options[] = {
	{"notrack", NOTRACK, ARGS_0, false},
	{"helper", HELPER, ARGS_1, false},
	{"timeout", TIMEOUT, ARGS_1, false},
	{"ctevents", CTEVENTS, ARGS_1, false},
	{"expevents", EXPEVENTS, ARGS_1, false},
	{"zone", ZONE, ARGS_1, false},
	{"zone-orig", ZONE_ORIG, ARGS_1, false},
	{"zone-reply", ZONE_REPLY, ARGS_1, false},
	{0},
};

/* Bits: the kernel's enum ip_conntrack_events and ip_conntrack_expect_events. */
static const struct xt_name ctevents[] = {{"new", 1 << 0}, {"related", 1 << 1}, {"destroy", 1 << 2},
	{"reply", 1 << 3}, {"assured", 1 << 4}, {"protoinfo", 1 << 5}, {"helper", 1 << 6},
	{"mark", 1 << 7}, {"natseqinfo", 1 << 8}, {"secmark", 1 << 9}, {0}};
static const struct xt_name expevents[] = {{"new", 1 << 0}, {0}};

static bool parse_zone(
	struct xt_reading *r, const struct xt_given *o, struct xt_ct_target_info_v1 *i)
{
	i->flags |= o->id == ZONE_ORIG	  ? XT_CT_ZONE_DIR_ORIG
		    : o->id == ZONE_REPLY ? XT_CT_ZONE_DIR_REPL
					  : 0;
	if (strcmp(o->arg[0], "mark") == 0) {
		i->flags |= XT_CT_ZONE_MARK;
		return true;
	}
	return xt_read_u16(r, o->arg[0], &i->zone);
}

static bool ct_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_ct_target_info_v1 *i = info;

	switch (o->id) {
	case NOTRACK:
		i->flags |= XT_CT_NOTRACK;
		return true;
	case HELPER:
		return xt_read_string(r, o->arg[0], i->helper, sizeof(i->helper));
	case TIMEOUT:
		return xt_read_string(r, o->arg[0], i->timeout, sizeof(i->timeout));
	case CTEVENTS:
		return xt_read_bits(r, o->arg[0], ctevents, &i->ct_events);
	case EXPEVENTS:
		return xt_read_bits(r, o->arg[0], expevents, &i->exp_events);
	default:
		return parse_zone(r, o, i);
	}
}

static void notrack_init(struct xt_reading *r, void *info)
{
	struct xt_ct_target_info_v1 *i = info;

	i->flags = XT_CT_NOTRACK | XT_CT_NOTRACK_ALIAS;
}

static bool ct_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_ct_target_info_v1 *i = info; /* revision 0 ends before the timeout */

	if (i->flags & XT_CT_NOTRACK_ALIAS && x->rev)
		return true;
	if (i->flags & XT_CT_NOTRACK)
		strbuf_add(out, " --notrack");
	if (i->helper[0]) {
		strbuf_add(out, " --helper");
		xt_print_string(out, i->helper, sizeof(i->helper));
	}
	if (x->rev && i->timeout[0]) {
		strbuf_add(out, " --timeout");
		xt_print_string(out, i->timeout, sizeof(i->timeout));
	}
	if (i->ct_events) {
		strbuf_add(out, " --ctevents");
		xt_print_bits(out, ctevents, i->ct_events);
	}
	if (i->exp_events) {
		strbuf_add(out, " --expevents");
		xt_print_bits(out, expevents, i->exp_events);
	}
	if (i->zone || i->flags & XT_CT_ZONE_MARK) {
		strbuf_add(out, i->flags & XT_CT_ZONE_DIR_ORIG	 ? " --zone-orig"
				: i->flags & XT_CT_ZONE_DIR_REPL ? " --zone-reply"
								 : " --zone");
		if (i->flags & XT_CT_ZONE_MARK)
			strbuf_add(out, " mark");
		else
			strbuf_addf(out, " %u", i->zone);
	}
	return true;
}

static const char *ct_shown(const void *info)
{
	const struct xt_ct_target_info_v1 *i = info;

	return i->flags & XT_CT_NOTRACK_ALIAS ? "NOTRACK" : "CT";
}

/* ---- security marks ---- */

static const struct xt_option secmark_options[] = {{"selctx", 0, ARGS_1, false}, {0}};

static void secmark_init(struct xt_reading *r, void *info)
{
	struct xt_secmark_target_info_v1 *i = info;

	i->mode = SECMARK_MODE_SEL;
}

static bool secmark_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_secmark_target_info_v1 *i = info;

	return xt_read_string(r, o->arg[0], i->secctx, sizeof(i->secctx));
}

static bool secmark_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_secmark_target_info_v1 *i = info;

	strbuf_add(out, " --selctx ");
	strbuf_addn(out, i->secctx, strnlen(i->secctx, sizeof(i->secctx)));
	return i->mode == SECMARK_MODE_SEL;
}

static const struct xt_option connsecmark_options[] = {
	{"save", CONNSECMARK_SAVE, ARGS_0, false},
	{"restore", CONNSECMARK_RESTORE, ARGS_0, false},
	{0},
};

static bool connsecmark_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_connsecmark_target_info *i = info;

	i->mode = o->id;
	return true;
}

static bool connsecmark_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_connsecmark_target_info *i = info;

	strbuf_add(out, i->mode == CONNSECMARK_SAVE ? " --save" : " --restore");
	return i->mode == CONNSECMARK_SAVE || i->mode == CONNSECMARK_RESTORE;
}

const struct xt_extension xt_mark_targets[] = {
	{"MARK", .target = true, .rev = 2, .size = XT_SIZE(struct xt_mark_tginfo2),
		.options = mark_options, .parse = mark_parse, .finish = mark_finish,
		.print = mark_print},
	{"CONNMARK", .target = true, .rev = 2, .size = XT_SIZE(struct xt_connmark_tginfo2),
		.options = connmark_options, .init = connmark_init, .parse = connmark_parse,
		.finish = connmark_finish, .print = connmark_print},
	{"CONNMARK", .target = true, .rev = 1, .size = XT_SIZE(struct xt_connmark_tginfo1),
		.old = true, .print = connmark_print},
	{"CT", .target = true, .rev = 2, .size = XT_SIZE(struct xt_ct_target_info_v1),
		.options = ct_options, .parse = ct_parse, .print = ct_print, .shown = ct_shown},
	{"CT", .target = true, .rev = 1, .size = XT_SIZE(struct xt_ct_target_info_v1), .old = true,
		.print = ct_print, .shown = ct_shown},
	{"CT", .target = true, .size = XT_SIZE(struct xt_ct_target_info), .old = true,
		.print = ct_print},
	{"NOTRACK", .kernel_name = "CT", .target = true, .rev = 2,
		.size = XT_SIZE(struct xt_ct_target_info_v1), .init = notrack_init},
	{"SECMARK", .target = true, .rev = 1, .size = XT_SIZE(struct xt_secmark_target_info_v1),
		.options = secmark_options, .init = secmark_init, .parse = secmark_parse,
		.print = secmark_print},
	{"CONNSECMARK", .target = true, .size = XT_SIZE(struct xt_connsecmark_target_info),
		.options = connsecmark_options, .parse = connsecmark_parse,
		.print = connsecmark_print},
	{0},
};
