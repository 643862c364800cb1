/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a trip's packet through one netfilter hook: base chains, conntrack's place, nat's place. The
 * hooks at a device itself have chains only.
 *
 * In prerouting and output conntrack comes at -200 and nat at -100; in input and postrouting nat comes
 * at 100, and a new connection is kept once everything has let its packet through.
 */
#include "walk/trip.h"

#include <string.h>

#define PLACE_CONNTRACK (-200) /* NF_IP_PRI_CONNTRACK */
#define PLACE_NAT_DST	(-100)
#define PLACE_NAT_SRC	100

/* ---- steps out of a trail ---- */

static const char *const verdict_text[] = {
	[WALK_ACCEPT] = "accept", [WALK_DROP] = "drop", [WALK_REJECT] = "reject"};

static const char *mark_change(struct trip *t, const char *what, uint32_t old, uint32_t new)
{
	if (old == new)
		return arena_printf(t->a, "%s stays 0x%x", what, new);
	return arena_printf(t->a, "%s 0x%x -> 0x%x", what, old, new);
}

static const char *joined(struct trip *t, const char *a, const char *b)
{
	return a ? arena_printf(t->a, "%s, %s", a, b) : b;
}

static const char *rule_did(struct trip *t, const struct walk_step *s, const struct packet *before)
{
	const char *text = NULL;

	if (s->did & DID_MARK)
		text = joined(t, text, mark_change(t, "mark", before->mark, s->mark));
	if (s->did & DID_CT_MARK)
		text = joined(
			t, text, mark_change(t, "connection mark", before->ct_mark, s->ct_mark));
	if (s->did & DID_NOTRACK)
		text = joined(t, text, "not to be tracked");
	if (s->did & DID_MANGLE)
		text = joined(t, text, "changes the header");
	if (s->did & DID_OFFLOAD)
		text = joined(t, text, "put into a flowtable: further packets pass no rules");
	if (s->did & DID_REJECT)
		text = joined(t, text, "reject");
	else if (s->did & DID_VERDICT && s->verdict == VERDICT_DROP)
		text = joined(t, text, "drop");
	else if (s->did & DID_VERDICT && s->verdict == VERDICT_ACCEPT && !(s->did & DID_NAT))
		text = joined(t, text, "accept");
	return text;
}

/* The steps of a base chain that did something; what stops the packet comes afterwards. */
static void note_trail(struct trip *t, enum nft_hook hook, const struct packet *before)
{
	struct packet now = *before;

	for (size_t i = 0; i < t->trail->len; i++) {
		const struct walk_step *s = &t->trail->steps[i];
		const char *text = s->kind == STEP_RULE ? rule_did(t, s, &now) : NULL;

		if (s->did & DID_OFFLOAD && t->connection && !t->mute)
			t->connection->offloaded = true;
		if (!text)
			continue;
		if (s->did & DID_MARK) {
			now.mark = s->mark;
			now.mark_known = UINT32_MAX;
		}
		if (s->did & DID_CT_MARK) {
			now.ct_mark = s->ct_mark;
			now.ct_mark_known = UINT32_MAX;
		}
		trip_step(t, STAGE_RULE, hook, &now, text)->rule = *s;
	}
}

static bool same_place(const struct walk_step *a, const struct walk_step *b)
{
	return a->rule == b->rule && a->chain == b->chain && a->base == b->base;
}

static void stop_by(
	struct trip *t, enum nft_hook hook, const struct packet *p, const struct walk_result *r)
{
	struct journey_step *last =
		t->leg->steps.len ? &t->leg->steps.items[t->leg->steps.len - 1] : NULL;
	const char *text = verdict_text[r->verdict];

	if (r->by.kind == STEP_POLICY)
		text = arena_printf(t->a, "policy %s", text);
	if (!last || last->stage != STAGE_RULE || !same_place(&last->rule, &r->by)) {
		last = trip_step(t, STAGE_RULE, hook, p, text);
		last->rule = r->by;
	}
	trip_stop(t, last, r->verdict == WALK_REJECT ? JOURNEY_REJECTED : JOURNEY_DROPPED);
}

static void lose(
	struct trip *t, enum nft_hook hook, const struct packet *p, const struct walk_result *r)
{
	const char *why = r->by.why ? r->by.why : "what the rule does is not known";
	struct journey_step *s = trip_step(t, STAGE_RULE, hook, p, why);

	s->rule = r->by;
	trip_stop(t, s, JOURNEY_LOST);
}

void trip_chain(
	struct trip *t, const struct walk_base *base, struct packet *p, struct walk_result *r)
{
	enum nft_hook hook = base->chain->hook;

	t->trail->len = 0;
	walk_base_chain(&t->walker, base, p, r);
	note_trail(t, hook, p);
	switch (r->verdict) {
	case WALK_ACCEPT:
		*p = r->after;
		trip_detach(t, p);
		return;
	case WALK_DROP:
	case WALK_REJECT:
		stop_by(t, hook, p, r);
		return;
	case WALK_UNKNOWN:
		lose(t, hook, p, r);
	}
}

/* ---- a hook ---- */

static bool has_conntrack(enum nft_hook hook)
{
	return hook == HOOK_PREROUTING || hook == HOOK_OUTPUT;
}

/* Chains that send the packet to the routing tables again. Iptables' mangle does, too. */
static bool is_route_chain(const struct walk_base *base)
{
	return base->chain->hook == HOOK_OUTPUT &&
	       (base->chain->type == CHAIN_ROUTE ||
		       (base->table->origin != ORIGIN_NFT &&
			       strcmp(base->table->name, "mangle") == 0));
}

static bool way_changed(const struct packet *a, const struct packet *b)
{
	return a->mark != b->mark || a->mark_known != b->mark_known ||
	       !ip_equal(&a->saddr, &b->saddr) || !ip_equal(&a->daddr, &b->daddr) ||
	       a->tos != b->tos || (a->known & PKT_TOS) != (b->known & PKT_TOS);
}

/* ip_route_me_harder(): hooks go on seeing the interface of the first lookup. */
static void reroute(struct trip *t, struct packet *p)
{
	const char *oif = p->oif;

	t->rerouting = true;
	trip_route_out(t, STAGE_REROUTE, HOOK_OUTPUT, p);
	t->rerouting = false;
	p->oif = oif;
}

static void nat_place(
	struct trip *t, enum nft_hook hook, const struct walk_bases *bases, struct packet *p)
{
	const struct walk_base *first = NULL;
	struct packet before = *p;
	size_t n = 0;

	VEC_EACH (&bases->items, struct walk_base, b) {
		if (b->chain->type != CHAIN_NAT)
			continue;
		first = first ? first : b;
		n++;
	}
	trip_nat(t, hook, first, n, p);
	if (hook == HOOK_OUTPUT && !t->stopped && !ip_equal(&before.daddr, &p->daddr))
		reroute(t, p);
}

static bool is_at_device(enum nft_hook hook)
{
	return hook == HOOK_INGRESS || hook == HOOK_EGRESS;
}

bool trip_has_device_hooks(const struct netstate *net)
{
	VEC_EACH (&net->ruleset.tables, struct nft_table *, table)
		VEC_EACH (&(*table)->chains, struct nft_chain *, c) {
			if ((*c)->base && is_at_device((*c)->hook))
				return true;
		}
	return false;
}

/* Of a chain at several devices only the first is known. */
static bool sees_device(const struct nft_chain *base, const struct packet *p)
{
	const char *device = base->hook == HOOK_EGRESS ? p->oif : p->iif;

	return !is_at_device(base->hook) || !base->device || name_equal(base->device, device);
}

void trip_hook(struct trip *t, enum nft_hook hook, struct packet *p)
{
	bool tracked = !has_conntrack(hook);
	bool translated = hook == HOOK_FORWARD || is_at_device(hook);
	int32_t nat = has_conntrack(hook) ? PLACE_NAT_DST : PLACE_NAT_SRC;
	struct walk_bases bases = {0};
	struct walk_result r;

	if (is_at_device(hook) && !t->device_hooks)
		return;
	walk_bases(t->a, &t->walker, p->family, hook, &bases);
	VEC_EACH (&bases.items, struct walk_base, b) {
		bool is_nat = b->chain->type == CHAIN_NAT;
		struct packet before = *p;

		if (t->stopped)
			return;
		if (!tracked && walk_base_place(b->chain) >= PLACE_CONNTRACK) {
			trip_track(t, hook, p);
			tracked = true;
			before = *p;
		}
		if (!translated && (is_nat || walk_base_place(b->chain) > nat)) {
			nat_place(t, hook, &bases, p);
			translated = true;
			before = *p;
		}
		if (is_nat || t->stopped || !sees_device(b->chain, p))
			continue;
		trip_chain(t, b, p, &r);
		if (r.nat.kind == WALK_NAT_TPROXY)
			t->accept_by_tproxy = true;
		if (!t->stopped && is_route_chain(b) && way_changed(&before, p))
			reroute(t, p);
	}
	if (!t->stopped && !tracked)
		trip_track(t, hook, p);
	if (!t->stopped && !translated)
		nat_place(t, hook, &bases, p);
}
