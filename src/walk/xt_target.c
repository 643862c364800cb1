/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What iptables' targets do to a packet, from their blobs. */
#include "walk/xt.h"

#include <string.h>

#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>

#include "walk/value.h"

/* (value & ~clear) ^ flip, where only some bits of value and flip are known. */
static void write_bits(
	uint32_t *value, uint32_t *known, uint32_t clear, uint32_t flip, uint32_t flip_known)
{
	*known = (*known | clear) & flip_known;
	*value = ((*value & ~clear) ^ flip) & *known;
}

static bool read_mark(const struct nft_xt *x, struct xt_mark_tginfo2 *i)
{
	if (x->rev != 2 || x->info_len < sizeof(*i) || !x->info)
		return false;
	memcpy(i, x->info, sizeof(*i));
	return true;
}

/* Of both revisions; a shift (revision 2) is not followed. */
static bool read_connmark(const struct nft_xt *x, struct xt_connmark_tginfo1 *i)
{
	struct xt_connmark_tginfo2 two;

	if (!x->info)
		return false;
	if (x->rev == 1 && x->info_len >= sizeof(*i)) {
		memcpy(i, x->info, sizeof(*i));
		return true;
	}
	if (x->rev != 2 || x->info_len < sizeof(two))
		return false;
	memcpy(&two, x->info, sizeof(two));
	*i = (struct xt_connmark_tginfo1){two.ctmark, two.ctmask, two.nfmask, two.mode};
	return two.shift_bits == 0;
}

static void target_mark(struct packet *p, const struct nft_xt *x)
{
	struct xt_mark_tginfo2 i;

	if (read_mark(x, &i))
		write_bits(&p->mark, &p->mark_known, i.mask, i.mark, UINT32_MAX);
	else
		p->mark = p->mark_known = 0;
}

static void target_connmark(struct packet *p, const struct nft_xt *x)
{
	struct xt_connmark_tginfo1 i;

	if (packet_without_conntrack(p))
		return;
	if (!read_connmark(x, &i)) {
		p->mark = p->mark_known = p->ct_mark = p->ct_mark_known = 0;
		return;
	}
	switch (i.mode) {
	case XT_CONNMARK_SET:
		write_bits(&p->ct_mark, &p->ct_mark_known, i.ctmask, i.ctmark, UINT32_MAX);
		return;
	case XT_CONNMARK_SAVE:
		write_bits(&p->ct_mark, &p->ct_mark_known, i.ctmask, p->mark & i.nfmask,
			p->mark_known | ~i.nfmask);
		return;
	case XT_CONNMARK_RESTORE:
		write_bits(&p->mark, &p->mark_known, i.nfmask, p->ct_mark & i.ctmask,
			p->ct_mark_known | ~i.ctmask);
		return;
	default: /* a number from outside */
		p->mark = p->mark_known = p->ct_mark = p->ct_mark_known = 0;
	}
}

bool walk_xt_writes_mark(const struct nft_xt *x, bool ct, uint32_t *bits, uint32_t *sets)
{
	struct xt_mark_tginfo2 mark;
	struct xt_connmark_tginfo1 connmark;

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
	if (!read_connmark(x, &connmark))
		connmark =
			(struct xt_connmark_tginfo1){0, UINT32_MAX, UINT32_MAX, XT_CONNMARK_SAVE};
	*bits = connmark.mode == XT_CONNMARK_SET    ? connmark.ctmask | connmark.ctmark
		: connmark.mode == XT_CONNMARK_SAVE ? connmark.ctmask | connmark.nfmask
						    : connmark.nfmask | connmark.ctmask;
	*sets = connmark.mode == XT_CONNMARK_SET ? connmark.ctmark : 0;
	return ct == (connmark.mode != XT_CONNMARK_RESTORE);
}

static void target_snat(struct packet *p, const struct nft_xt *x)
{
	p->known &= ~(uint32_t)(PKT_SADDR | PKT_SPORT);
	p->ct_status |= CT_SRC_NAT | CT_SRC_NAT_DONE;
	p->ct_status_known |= CT_SRC_NAT | CT_SRC_NAT_DONE;
}

static void target_dnat(struct packet *p, const struct nft_xt *x)
{
	p->known &= ~(uint32_t)(PKT_DADDR | PKT_DPORT);
	p->ct_status |= CT_DST_NAT | CT_DST_NAT_DONE;
	p->ct_status_known |= CT_DST_NAT | CT_DST_NAT_DONE;
}

static void target_ct(struct packet *p, const struct nft_xt *x)
{
	struct xt_ct_target_info i;

	if (x->info_len < sizeof(i.flags) || !x->info)
		return;
	memcpy(&i.flags, x->info, sizeof(i.flags));
	if (i.flags & XT_CT_NOTRACK)
		walk_untrack(p);
}

static void target_notrack(struct packet *p, const struct nft_xt *x)
{
	walk_untrack(p);
}

static const struct xt_target {
	const char *name;
	enum xt_effect effect;
	void (*change)(
		struct packet *p, const struct nft_xt *x); /* NULL: leaves the packet alone */
} targets[] = {
	{"REJECT", EFFECT_REJECT, NULL},
	{"MARK", EFFECT_CONTINUE, target_mark},
	{"CONNMARK", EFFECT_CONTINUE, target_connmark},
	{"SNAT", EFFECT_MAPPED, target_snat},
	{"MASQUERADE", EFFECT_MAPPED, target_snat},
	{"DNAT", EFFECT_MAPPED, target_dnat},
	{"REDIRECT", EFFECT_MAPPED, target_dnat},
	{"AUDIT", EFFECT_CONTINUE, NULL},
	{"CHECKSUM", EFFECT_CONTINUE, NULL},
	{"CLASSIFY", EFFECT_CONTINUE, NULL},
	{"CONNSECMARK", EFFECT_CONTINUE, NULL},
	{"CT", EFFECT_CONTINUE, target_ct},
	{"DSCP", EFFECT_CONTINUE, NULL},
	{"HL", EFFECT_CONTINUE, NULL},
	{"IDLETIMER", EFFECT_CONTINUE, NULL},
	{"LED", EFFECT_CONTINUE, NULL},
	{"LOG", EFFECT_CONTINUE, NULL},
	{"NFLOG", EFFECT_CONTINUE, NULL},
	{"NOTRACK", EFFECT_CONTINUE, target_notrack},
	{"RATEEST", EFFECT_CONTINUE, NULL},
	{"SECMARK", EFFECT_CONTINUE, NULL},
	{"SET", EFFECT_CONTINUE, NULL},
	{"TCPMSS", EFFECT_CONTINUE, NULL},
	{"TCPOPTSTRIP", EFFECT_CONTINUE, NULL},
	{"TEE", EFFECT_CONTINUE, NULL},
	{"TOS", EFFECT_CONTINUE, NULL},
	{"TRACE", EFFECT_CONTINUE, NULL},
	{"TTL", EFFECT_CONTINUE, NULL},
	{"ULOG", EFFECT_CONTINUE, NULL},
};

enum xt_effect walk_xt_target(struct packet *p, const struct nft_xt *x, const char **why)
{
	*why = "an iptables target that cannot be followed";
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		if (strcmp(targets[i].name, x->name) != 0)
			continue;
		if (targets[i].change)
			targets[i].change(p, x);
		return targets[i].effect;
	}
	return EFFECT_LOST;
}
