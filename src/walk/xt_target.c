/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What iptables' targets do to a packet, from their blobs. Translations: xt_nat.c. */
#include "walk/xt.h"

#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter_ipv4/ipt_TTL.h>

#include "walk/fib.h"
#include "walk/mangle.h"

/* ---- marks ---- */

/* (value & ~clear) ^ flip, where only some bits of value and flip are known. */
static void write_bits(
	uint32_t *value, uint32_t *known, uint32_t clear, uint32_t flip, uint32_t flip_known)
{
	*known = (*known | clear) & flip_known;
	*value = ((*value & ~clear) ^ flip) & *known;
}

static bool read_mark(const struct nft_xt *x, struct xt_mark_tginfo2 *i)
{
	if (x->rev != 2 || x->info_len < sizeof(*i) || !x->info || x->hollow)
		return false;
	memcpy(i, x->info, sizeof(*i));
	return true;
}

/* Of both revisions: in 1 nothing is shifted. */
static bool read_connmark(const struct nft_xt *x, struct xt_connmark_tginfo2 *i)
{
	struct xt_connmark_tginfo1 one;

	if (!x->info || x->hollow)
		return false;
	if (x->rev == 1 && x->info_len >= sizeof(one)) {
		memcpy(&one, x->info, sizeof(one));
		*i = (struct xt_connmark_tginfo2){.ctmark = one.ctmark,
			.ctmask = one.ctmask,
			.nfmask = one.nfmask,
			.mode = one.mode};
		return true;
	}
	if (x->rev != 2 || x->info_len < sizeof(*i))
		return false;
	memcpy(i, x->info, sizeof(*i));
	return i->shift_bits < 32;
}

static uint32_t shifted(const struct xt_connmark_tginfo2 *i, uint32_t bits)
{
	return i->shift_dir == D_SHIFT_RIGHT ? bits >> i->shift_bits : bits << i->shift_bits;
}

/* What of the shifted bits is known, @known being so of those that are: what moves in is zero. */
static uint32_t shifted_known(const struct xt_connmark_tginfo2 *i, uint32_t known)
{
	return shifted(i, known) | ~shifted(i, UINT32_MAX);
}

static uint8_t target_mark(struct packet *p, const struct nft_xt *x)
{
	struct xt_mark_tginfo2 i;

	if (read_mark(x, &i))
		write_bits(&p->mark, &p->mark_known, i.mask, i.mark, UINT32_MAX);
	else
		p->mark = p->mark_known = 0;
	return DID_MARK;
}

static void forget_marks(struct packet *p, bool mark, bool ct_mark)
{
	if (mark)
		p->mark = p->mark_known = 0;
	if (ct_mark)
		p->ct_mark = p->ct_mark_known = 0;
}

/* connmark_tg_shift() of net/netfilter/xt_connmark.c */
static uint8_t target_connmark(struct packet *p, const struct nft_xt *x)
{
	struct xt_connmark_tginfo2 i;

	if (packet_without_conntrack(p))
		return 0;
	if (!read_connmark(x, &i)) {
		forget_marks(p, true, true);
		return DID_MARK | DID_CT_MARK;
	}
	switch (i.mode) {
	case XT_CONNMARK_SET:
		/* The shift is of what comes out. */
		write_bits(&p->ct_mark, &p->ct_mark_known, i.ctmask, i.ctmark, UINT32_MAX);
		p->ct_mark = shifted(&i, p->ct_mark);
		p->ct_mark_known = shifted_known(&i, p->ct_mark_known);
		return DID_CT_MARK;
	case XT_CONNMARK_SAVE:
		write_bits(&p->ct_mark, &p->ct_mark_known, i.ctmask,
			shifted(&i, p->mark & i.nfmask),
			shifted_known(&i, p->mark_known | ~i.nfmask));
		return DID_CT_MARK;
	case XT_CONNMARK_RESTORE:
		write_bits(&p->mark, &p->mark_known, i.nfmask, shifted(&i, p->ct_mark & i.ctmask),
			shifted_known(&i, p->ct_mark_known | ~i.ctmask));
		return DID_MARK;
	default: /* a number from outside */
		forget_marks(p, true, true);
		return DID_MARK | DID_CT_MARK;
	}
}

bool walk_xt_writes_mark(const struct nft_xt *x, bool ct, uint32_t *bits, uint32_t *sets)
{
	struct xt_mark_tginfo2 mark;
	struct xt_connmark_tginfo2 i;

	*sets = 0;
	if (!x->target)
		return false;
	if (!ct && strcmp(x->name, "MARK") == 0) {
		if (!read_mark(x, &mark))
			mark = (struct xt_mark_tginfo2){0, UINT32_MAX};
		*bits = mark.mask | mark.mark;
		*sets = mark.mark;
		return true;
	}
	if (strcmp(x->name, "CONNMARK") != 0)
		return false;
	if (!read_connmark(x, &i))
		i = (struct xt_connmark_tginfo2){0, UINT32_MAX, UINT32_MAX, 0, 0, XT_CONNMARK_SAVE};
	*bits = i.mode == XT_CONNMARK_SET    ? shifted(&i, i.ctmask | i.ctmark)
		: i.mode == XT_CONNMARK_SAVE ? i.ctmask | shifted(&i, i.nfmask)
					     : i.nfmask | shifted(&i, i.ctmask);
	*sets = i.mode == XT_CONNMARK_SET ? shifted(&i, i.ctmark) : 0;
	return ct == (i.mode != XT_CONNMARK_RESTORE);
}

/* ---- headers ---- */

/* @x is what the target has for arguments: there, and of the length that it must have. */
static bool readable(const struct nft_xt *x, void *info, size_t size)
{
	if (!x->info || x->hollow || x->info_len < size)
		return false;
	memcpy(info, x->info, size);
	return true;
}

static void forget(struct packet *p, enum packet_field field)
{
	p->known &= ~(uint32_t)field;
}

/* struct ip6t_HL_info is the same. */
static uint8_t target_ttl(struct packet *p, const struct nft_xt *x)
{
	struct ipt_TTL_info i;

	if (!readable(x, &i, sizeof(i))) {
		forget(p, PKT_TTL);
		return DID_MANGLE;
	}
	if (i.mode == IPT_TTL_SET) {
		p->ttl = i.ttl;
		p->known |= PKT_TTL;
	} else if (i.mode == IPT_TTL_INC) {
		p->ttl = p->ttl + i.ttl > 255 ? 255 : (uint8_t)(p->ttl + i.ttl);
	} else {
		p->ttl = p->ttl > i.ttl ? (uint8_t)(p->ttl - i.ttl) : 0;
	}
	return DID_MANGLE;
}

static uint8_t target_dscp(struct packet *p, const struct nft_xt *x)
{
	struct xt_DSCP_info i;

	if (readable(x, &i, sizeof(i)))
		p->tos = (uint8_t)(i.dscp << 2 | (p->tos & 3));
	else
		forget(p, PKT_TOS);
	return DID_MANGLE;
}

static uint8_t target_tos(struct packet *p, const struct nft_xt *x)
{
	struct xt_tos_target_info i;

	if (!readable(x, &i, sizeof(i))) {
		forget(p, PKT_TOS);
		return DID_MANGLE;
	}
	if (i.tos_mask == 0xff)
		p->known |= PKT_TOS;
	if (packet_knows(p, PKT_TOS))
		p->tos = (uint8_t)((p->tos & ~i.tos_mask) ^ i.tos_value);
	return DID_MANGLE;
}

/* A SYN without the option gets one, no larger than what every host must take. */
static uint8_t target_tcpmss(const struct netstate *net, struct packet *p, const struct nft_xt *x)
{
	uint16_t least = p->family == IP_V6 ? 1220 : 536, mss = 0;
	struct xt_tcpmss_info i;

	if (packet_knows(p, PKT_PROTO) && p->proto != PROTO_TCP)
		return 0;
	if (readable(x, &i, sizeof(i)))
		mss = i.mss == XT_TCPMSS_CLAMP_PMTU ? walk_path_mss(net, p) : i.mss;
	if (packet_knows(p, PKT_MSS | PKT_TCP_FLAGS) && p->mss == 0 && p->tcp_flags & 0x02) {
		p->mss = mss && mss < least ? mss : least;
		return DID_MANGLE;
	}
	return walk_lower_mss(p, mss);
}

/* ---- conntrack ---- */

/* Zone, helper, timeouts, or none of it. */
static void target_ct(struct packet *p, const struct nft_xt *x, struct walk_xt_effect *out)
{
	struct xt_ct_target_info i = {0};

	if (!readable(x, &i.flags, sizeof(i.flags))) {
		out->effect = EFFECT_MAY_UNTRACK;
		out->why = "what target CT does is not known";
		return;
	}
	if (i.flags & XT_CT_NOTRACK) {
		out->effect = EFFECT_UNTRACK;
		return;
	}
	if (!readable(x, &i, sizeof(i)))
		return;
	if (i.flags & XT_CT_ZONE_MARK) {
		forget(p, PKT_CT_ZONE);
	} else {
		p->ct_zone = i.zone;
		p->ct_zone_only = i.flags & XT_CT_ZONE_DIR_ORIG	  ? 1
				  : i.flags & XT_CT_ZONE_DIR_REPL ? 2
								  : 0;
		p->known |= PKT_CT_ZONE;
	}
}

/* ---- all of them ---- */

enum what {
	WHAT_NOTHING, /* that decides */
	WHAT_CT,
	WHAT_CONNMARK,
	WHAT_DSCP,
	WHAT_MARK,
	WHAT_NAT,
	WHAT_REJECT,
	WHAT_TCPMSS,
	WHAT_TOS,
	WHAT_TPROXY,
	WHAT_TTL,
	WHAT_UNTRACK,
};

/* By name. */
static const struct xt_target {
	const char *name;
	enum what what;
} targets[] = {
	{"AUDIT", WHAT_NOTHING},
	{"CHECKSUM", WHAT_NOTHING},
	{"CLASSIFY", WHAT_NOTHING},
	{"CONNMARK", WHAT_CONNMARK},
	{"CONNSECMARK", WHAT_NOTHING},
	{"CT", WHAT_CT},
	{"DNAT", WHAT_NAT},
	{"DSCP", WHAT_DSCP},
	{"ECN", WHAT_NOTHING},
	{"HL", WHAT_TTL},
	{"HMARK", WHAT_MARK},
	{"IDLETIMER", WHAT_NOTHING},
	{"LED", WHAT_NOTHING},
	{"LOG", WHAT_NOTHING},
	{"MARK", WHAT_MARK},
	{"MASQUERADE", WHAT_NAT},
	{"NETMAP", WHAT_NAT},
	{"NFLOG", WHAT_NOTHING},
	{"NOTRACK", WHAT_UNTRACK},
	{"RATEEST", WHAT_NOTHING},
	{"REDIRECT", WHAT_NAT},
	{"REJECT", WHAT_REJECT},
	{"SECMARK", WHAT_NOTHING},
	{"SET", WHAT_NOTHING},
	{"SNAT", WHAT_NAT},
	{"TCPMSS", WHAT_TCPMSS},
	{"TCPOPTSTRIP", WHAT_NOTHING},
	{"TEE", WHAT_NOTHING},
	{"TOS", WHAT_TOS},
	{"TPROXY", WHAT_TPROXY},
	{"TRACE", WHAT_NOTHING},
	{"TTL", WHAT_TTL},
	{"ULOG", WHAT_NOTHING},
};

static int by_name(const void *name, const void *target)
{
	return strcmp(name, ((const struct xt_target *)target)->name);
}

void walk_xt_target(const struct netstate *net, enum nft_hook hook, struct packet *p,
	const struct nft_xt *x, struct walk_xt_effect *out)
{
	const struct xt_target *t = bsearch(
		x->name, targets, sizeof(targets) / sizeof(*targets), sizeof(*targets), by_name);

	*out = (struct walk_xt_effect){.effect = EFFECT_CONTINUE};
	if (!t) {
		out->effect = EFFECT_LOST;
		out->why = "an iptables target that cannot be followed";
		return;
	}
	switch (t->what) {
	case WHAT_NOTHING:
		return;
	case WHAT_CT:
		target_ct(p, x, out);
		return;
	case WHAT_CONNMARK:
		out->did = target_connmark(p, x);
		return;
	case WHAT_DSCP:
		out->did = target_dscp(p, x);
		return;
	case WHAT_MARK:
		out->did = target_mark(p, x);
		return;
	case WHAT_NAT:
		out->effect = EFFECT_MAPPED;
		walk_xt_nat(hook, p, x, &out->nat);
		return;
	case WHAT_REJECT:
		out->effect = EFFECT_REJECT;
		return;
	case WHAT_TCPMSS:
		out->did = target_tcpmss(net, p, x);
		return;
	case WHAT_TOS:
		out->did = target_tos(p, x);
		return;
	case WHAT_TPROXY:
		out->effect = EFFECT_TPROXY;
		walk_xt_nat(hook, p, x, &out->nat);
		return;
	case WHAT_TTL:
		out->did = target_ttl(p, x);
		return;
	case WHAT_UNTRACK:
		out->effect = EFFECT_UNTRACK;
		return;
	}
}
