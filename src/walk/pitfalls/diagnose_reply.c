/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Explains replies that leave by another uplink than their request came in on (2 to 6, 9 to 15, 46). */
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/marks.h"

static bool leads_to(const struct diagnosis *d, const struct net_rule *r, const char *interface,
	bool *has_default)
{
	bool leads = false;

	*has_default = false;
	VEC_EACH (&d->q->then.routes, struct net_route, it) {
		if (it->family != r->family || it->table != r->table)
			continue;
		*has_default = *has_default || it->dst.len == 0;
		if (it->type == ROUTE_UNICAST && it->dst.len == 0 &&
			walk_route_leaves_by(it, interface) != TRI_NO)
			leads = true;
	}
	return leads;
}

/* An ip rule by mark that @mark satisfies. @before: only those consulted before; NULL: all. */
static const struct net_rule *rule_for_mark(
	const struct diagnosis *d, uint8_t family, uint32_t mark, const struct net_rule *before)
{
	VEC_EACH (&d->q->then.rules, struct net_rule, r) {
		if (r == before)
			break;
		if (r->family == family && r->mask && r->action == RULE_LOOKUP && !r->invert &&
			((mark ^ r->mark) & r->mask) == 0 && (r->mark || mark))
			return r;
	}
	return NULL;
}

static const struct net_rule *rule_for_source(const struct diagnosis *d, const struct ip_addr *src)
{
	VEC_EACH (&d->q->then.rules, struct net_rule, r) {
		if (r->src.addr.family && r->src.len > 0 && !r->invert &&
			r->action == RULE_LOOKUP && r->table != TABLE_MAIN &&
			ip_in_prefix(src, &r->src))
			return r;
	}
	return NULL;
}

static const struct journey_choice *chance(const struct diagnosis *d, bool of_rule)
{
	VEC_EACH (&d->way->choices, struct journey_choice, c) {
		if (c->fork.kind == FORK_CHANCE && (c->fork.at.rule != NULL) == of_rule)
			return c;
	}
	return NULL;
}

/* Rules that mark connections of this uplink by its interface; the first, and why it does not help. */
static uint8_t judge_marker(struct diagnosis *d, const struct marker **out)
{
	const struct marks *marks = marks_of(d->q);
	bool any_proto = false;
	uint8_t pitfall = 0;

	VEC_EACH (&marks->items, struct marker, m) {
		if (!m->sets || (!m->scope.in && !m->scope.dst.addr.family) ||
			(m->scope.in && !m->scope.in_inverted &&
				strcmp(m->scope.in, d->j->in) != 0))
			continue;
		if (m->chain->type == CHAIN_NAT || m->base_type == CHAIN_NAT) {
			*out = m;
			pitfall = 5;
		} else if (m->scope.only_dnat && m->early) {
			*out = m;
			return 6;
		} else if (m->scope.proto && m->scope.proto != d->j->question.proto) {
			*out = m;
			pitfall = 15;
		} else {
			any_proto = true;
		}
	}
	return pitfall == 15 && any_proto ? 0 : pitfall;
}

struct astray {
	uint8_t pitfall;
	const char *cause, *what; /* what decided, as text */
	const struct net_rule *rule;
	bool restored;		     /* 13: the reply has the mark that the rule asks for */
	const struct marker *marker; /* 5, 6: the one that does not help */
	uint32_t bits; /* 9: of the mark that are the uplinks', where the rule asks for more */
};

/* A rule by mark that goes to where no rule is. */
static const struct net_rule *goto_nowhere(const struct diagnosis *d, uint8_t family, uint32_t mark)
{
	VEC_EACH (&d->q->then.rules, struct net_rule, r) {
		bool there = false;

		if (r->family != family || r->action != RULE_GOTO || !r->mask || r->invert ||
			((mark ^ r->mark) & r->mask))
			continue;
		VEC_EACH (&d->q->then.rules, struct net_rule, it)
			there = there ||
				(it->family == family && it->preference == r->goto_preference);
		if (!there)
			return r;
	}
	return NULL;
}

/* The mark was restored, and the rule for it asks for all bits, of which others have some: gives those
 * of the uplinks; 0: it is not so. */
static uint32_t lacks_mask(
	struct diagnosis *d, const struct journey_leg *leg, uint32_t mark, const struct net_rule *r)
{
	bool known, has_default;
	uint32_t bits, value;

	if (r->mask != UINT32_MAX || mark == r->mark || !leads_to(d, r, d->j->in, &has_default))
		return 0;
	VEC_EACH (&leg->steps, struct journey_step, s) {
		if (s->stage == STAGE_RULE && s->rule.rule && diagnose_restores(s->rule.rule) &&
			marks_written(s->rule.rule, false, &bits, &value, &known) &&
			bits != UINT32_MAX && (mark & bits) == r->mark)
			return bits;
	}
	return 0;
}

static const char *place_of_rule(struct diagnosis *d, const struct net_rule *r)
{
	return arena_printf(
		d->q->arena, "%s rule: %s", style_ip(r->family), inquiry_rule_text(d->q, r));
}

/* ---- what led the reply away, from what is surest to what is left ---- */

struct reply {
	const struct journey_leg *leg;
	const struct journey_step *route;
	const struct net_rule *policy; /* that routed it */
	uint32_t mark, ct_mark;	       /* as they were then */
	const struct net_rule *meant;  /* the rule for the connection's mark; NULL: none */
	uint8_t family;
};

static bool by_shared_interface(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	if (!r->leg->out || strcmp(r->leg->out, d->j->in) != 0)
		return false;
	a->pitfall = 14;
	return true;
}

static bool by_balancing(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	const struct journey_choice *c = chance(d, true);

	(void)r;
	if (!c)
		return false;
	a->pitfall = 12;
	a->cause = a->what =
		inquiry_place_text(d->q, c->fork.at.table, c->fork.at.chain, c->fork.at.rule);
	return true;
}

static bool by_mask(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	if (r->meant)
		a->bits = lacks_mask(d, r->leg, r->mark, r->meant);
	if (!a->bits)
		return false;
	a->pitfall = 9;
	a->rule = r->meant;
	a->cause = place_of_rule(d, r->meant);
	a->what = arena_printf(d->q->arena,
		"replies have mark 0x%x, of which 0x%x is the uplinks'; %s; but %s", r->mark,
		a->bits, a->cause, a->what);
	return true;
}

static bool by_direct_mark(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	const struct journey_step *marked = diagnose_rule(r->leg, DID_MARK, r->route);

	if (!marked || diagnose_restores(marked->rule.rule))
		return false;
	a->cause = diagnose_step_text(d, marked);
	a->what = arena_printf(d->q->arena, "%s; then %s", a->cause, a->what);
	a->pitfall = chance(d, true) ? 12 : mark_collides(d->q, marked->rule.rule) ? 48 : 13;
	return true;
}

static bool by_goto(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	const struct net_rule *rule = r->ct_mark ? goto_nowhere(d, r->family, r->ct_mark) : NULL;

	if (!rule)
		return false;
	a->pitfall = 9;
	a->rule = rule;
	a->cause = a->what = place_of_rule(d, rule);
	return true;
}

static bool by_multipath(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	if (!chance(d, false) && !(r->route->route && r->route->route->nexthops.len > 1))
		return false;
	a->pitfall = 11;
	return true;
}

static bool by_source_rule(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	(void)d;
	if (!r->policy || !r->policy->src.addr.family || !r->policy->src.len)
		return false;
	a->pitfall = 13;
	a->rule = r->meant;
	a->restored = r->meant && ((r->mark ^ r->meant->mark) & r->meant->mask) == 0;
	return true;
}

static bool by_empty_table(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	const struct net_rule *rule = rule_for_mark(d, r->family, r->mark, r->policy);
	bool has_default;

	if (!rule || (r->route->after.mark_known & rule->mask) != rule->mask ||
		leads_to(d, rule, d->j->in, &has_default) || has_default)
		return false;
	a->pitfall = 10;
	a->rule = rule;
	a->cause = a->what = place_of_rule(d, rule);
	return true;
}

static bool by_lost_mark(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	bool has_default;

	if (!r->meant || !leads_to(d, r->meant, d->j->in, &has_default))
		return false;
	a->pitfall = ((r->mark ^ r->meant->mark) & r->meant->mask) == 0 ? 9 : 4;
	a->rule = r->meant;
	a->cause = place_of_rule(d, r->meant);
	a->what = arena_printf(d->q->arena, "the connection's mark is 0x%x; %s; but %s", r->ct_mark,
		a->cause, a->what);
	return true;
}

static bool by_marker(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	const struct marker *m = NULL;

	(void)r;
	a->pitfall = judge_marker(d, &m);
	if (!m || !a->pitfall)
		return false;
	a->marker = a->pitfall == 15 ? NULL : m;
	a->cause = inquiry_place_text(d->q, m->table, m->chain, m->rule);
	a->what = arena_printf(d->q->arena, "%s; the reply follows %s", a->cause, a->what);
	return true;
}

/* Pitfall 53: an ip rule waits for a mark that no rule gives any more. */
static bool by_missing_rules(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	const struct gateway_uplink *u = diagnose_uplink(d);

	if (!u || !u->mark_rule || u->mark_rule->family != r->family ||
		!(d->q->seen->have & HAVE_NFT))
		return false;
	VEC_EACH (&marks_of(d->q)->items, const struct marker, m) {
		if (!m->restores)
			return false;
	}
	a->pitfall = 53;
	a->cause = place_of_rule(d, u->mark_rule);
	a->what = arena_printf(
		d->q->arena, "%s; no rule sets any mark; the reply follows %s", a->cause, a->what);
	return true;
}

static bool by_nothing(struct diagnosis *d, const struct reply *r, struct astray *a)
{
	const struct net_rule *rule = rule_for_source(d, &d->j->question.dst);

	(void)r;
	if (rule)
		a->what = arena_printf(d->q->arena, "%s; and not: ip rule %s", a->what,
			inquiry_rule_text(d->q, rule));
	a->pitfall = d->way->legs[LEG_REQUEST].end == JOURNEY_LOCAL ? 46
		     : d->way->snat && !rule			    ? 3
								    : 2;
	return true;
}

static void judge_reply(struct diagnosis *d, const struct journey_leg *leg,
	const struct journey_step *route, struct astray *a)
{
	static bool (*const judges[])(
		struct diagnosis * d, const struct reply *r, struct astray *a) = {
		by_shared_interface,
		by_balancing,
		by_mask,
		by_direct_mark,
		by_goto,
		by_multipath,
		by_source_rule,
		by_empty_table,
		by_lost_mark,
		by_marker,
		by_missing_rules,
		by_nothing,
	};
	struct reply r = {.leg = leg,
		.route = route,
		.policy = route->policy,
		.mark = route->after.mark,
		/* As it was when the reply was routed: a later packet may have changed it. */
		.ct_mark = route->after.ct_mark_known == UINT32_MAX ? route->after.ct_mark
								    : d->way->flow.mark,
		.family = d->j->question.dst.family};

	r.meant = r.ct_mark ? rule_for_mark(d, r.family, r.ct_mark, NULL) : NULL;
	a->cause = a->what = diagnose_way_text(d, route);
	a->rule = route->policy;
	for (size_t i = 0; i < sizeof(judges) / sizeof(*judges) && !judges[i](d, &r, a); i++)
		;
}

/* ---- telling, and the remedy ---- */

static const char *title(struct diagnosis *d, const struct astray *a, const char *out)
{
	static const struct {
		uint8_t pitfall;
		const char *why;
	} rows[] = {
		{2, "they are routed before they are translated back, by the backend's address"},
		{3, "translating the client's address does not change how they are routed"},
		{4, "the connection's mark is not restored for them"},
		{5, "the rule that should mark them stands in a nat chain"},
		{6, "the rule that should mark them asks for a translation that is made later"},
		{9, "an earlier ip rule takes them"},
		{10, "the uplink's routing table is empty"},
		{11, "the default route is spread over several uplinks"},
		{12, "the rules that spread connections over the uplinks also take replies"},
		{13, "the backend's own choice of uplink takes them"},
		{15, "the rule that should mark them is for other protocols"},
		{46, "the service is the gateway's own"},
		{53, "the rules that should mark them are not there"},
	};
	const char *why = "";

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].pitfall == a->pitfall)
			why = rows[i].why;
	}
	if (a->bits)
		why = "the ip rule for their mark asks for others' bits, too";
	else if (a->pitfall == 9 && a->rule->action == RULE_GOTO)
		why = "the ip rule for their mark goes to where no rule is";
	if (a->pitfall == 14)
		return arena_printf(d->q->arena,
			"two uplinks share %s, and replies of one go to the other's router", out);
	return arena_printf(d->q->arena, "replies of what comes in by %s %s%s: %s", d->j->in,
		out ? "leave by " : "find no way", out ? out : "", why);
}

static void remedy_table(struct diagnosis *d, struct finding *f, const struct net_rule *r)
{
	const struct gateway_uplink *u = diagnose_uplink(d);
	unsigned int v6 = r->family == IP_V6;

	if (u && u->has_default[v6])
		finding_default_route(d->q, f, r->family, &u->next[v6], u->interface,
			arena_printf(d->q->arena, "table %u", r->table));
	finding_remedy(d->q, f, "%s route add unreachable default metric 4294967295 table %u",
		style_ip(r->family), r->table);
	f->advice = "the second route keeps replies from leaving by another uplink while this one "
		    "is down; let whatever brings the uplink up add the first one again";
}

static void replace_rule(
	struct diagnosis *d, struct finding *f, const struct net_rule *r, const struct net_rule *by)
{
	const char *ip = style_ip(r->family);

	finding_remedy(d->q, f, "%s rule add %s", ip, inquiry_rule_text(d->q, by));
	finding_remedy(d->q, f, "%s rule del %s", ip, inquiry_rule_text(d->q, r));
	style_keep_ip(d->q, f);
}

static void remedy_earlier(struct diagnosis *d, struct finding *f, const struct net_rule *r,
	const struct net_rule *before)
{
	struct net_rule moved = *r;

	moved.preference = before->preference - 1;
	replace_rule(d, f, r, &moved);
}

static void remedy_masks(struct diagnosis *d, struct finding *f, const struct astray *a)
{
	VEC_EACH (&d->q->then.rules, struct net_rule, r) {
		struct net_rule masked = *r;

		masked.mask = a->bits;
		if (r->family == a->rule->family && r->mask == UINT32_MAX &&
			r->action == RULE_LOOKUP && !(r->mark & ~a->bits) && !r->invert)
			replace_rule(d, f, r, &masked);
	}
}

/* Where the rule goes to, the uplink's table is to be asked. */
static void remedy_goto(struct diagnosis *d, struct finding *f, const struct net_rule *r)
{
	const struct gateway_uplink *u = diagnose_uplink(d);
	struct net_rule target = *r;

	if (!u || !u->tables.len) {
		remedy_pin(d->q, f, r->family, false);
		return;
	}
	target.action = RULE_LOOKUP;
	target.preference = r->goto_preference;
	target.table = u->tables.items[0];
	finding_remedy(
		d->q, f, "%s rule add %s", style_ip(r->family), inquiry_rule_text(d->q, &target));
	style_keep_ip(d->q, f);
}

/* What folds findings. The lints that read the same in the rules alone name the same cause. */
static const char *cause(struct diagnosis *d, const struct astray *a, const char *out)
{
	switch (a->pitfall) {
	case 5:
	case 6:
	case 9:
	case 10:
	case 12:
		return a->cause;
	case 14:
	case 15:
		return arena_strdup(d->q->arena, d->j->in);
	default:
		return arena_printf(d->q->arena, "%s %s %s", d->j->in, out ? out : "-", a->cause);
	}
}

static const char *consequence(struct diagnosis *d, const struct journey_leg *leg)
{
	const struct journey_question *q = &d->j->question;
	const char *public = inquiry_endpoint_text(d->q, &q->dst, q->dport);
	char via[IP_STRLEN];

	if (!leg->out)
		return "replies do not leave at all";
	if (strcmp(leg->out, d->j->in) == 0)
		return arena_printf(d->q->arena,
			"replies of %s go to the other provider's router, %s, which drops what has "
			"a foreign source address",
			public, ip_format(&leg->via, via));
	return arena_printf(d->q->arena,
		"replies of %s leave by %s; the provider there drops what has a foreign source "
		"address, and clients of %s hear nothing",
		public, leg->out, d->j->in);
}

static void remedy(struct diagnosis *d, struct finding *f, const struct astray *a,
	const struct net_rule *policy)
{
	bool local = d->way->legs[LEG_REQUEST].end == JOURNEY_LOCAL;
	bool earlier = a->pitfall == 9 || (a->pitfall == 13 && a->restored);

	if (a->pitfall == 10)
		remedy_table(d, f, a->rule);
	else if (a->bits)
		remedy_masks(d, f, a);
	else if (a->pitfall == 9 && a->rule->action == RULE_GOTO)
		remedy_goto(d, f, a->rule);
	else if (earlier && policy && policy->preference > 1)
		remedy_earlier(d, f, a->rule, policy);
	else if (a->pitfall == 4)
		remedy_restore(d->q, f, d->j->question.dst.family, a->rule->mask, local);
	else
		remedy_pin(d->q, f, d->j->question.dst.family, local);
	if (a->marker)
		remedy_delete(d->q, f, a->marker->table, a->marker->chain, a->marker->rule);
}

/* Where SNAT was to cure it, both pitfalls are met: the one that is tried in vain, and the one behind
 * it. The other one is named for information. */
static void tell_the_other(struct diagnosis *d, const struct astray *a, const char *out)
{
	struct diagnosis aside = *d;
	struct astray other = *a;
	struct finding *f;

	if (!d->way->snat || (a->pitfall != 2 && a->pitfall != 3))
		return;
	other.pitfall = a->pitfall == 2 ? 3 : 2;
	aside.severity = DIAG_INFO;
	f = diagnose_add(&aside, "reply-astray", other.pitfall, cause(d, &other, out));
	if (!f)
		return;
	f->title = title(d, &other, out);
	f->evidence = a->what;
	f->consequence = "what cures the one cures the other";
	f->advice = arena_printf(d->q->arena, "see pitfall %u", a->pitfall);
}

bool diagnose_reply_astray(struct diagnosis *d)
{
	const struct journey_leg *leg = &d->way->legs[LEG_REPLY];
	const struct journey_step *route = diagnose_step(leg, STAGE_REROUTE);
	bool local = d->way->legs[LEG_REQUEST].end == JOURNEY_LOCAL;
	struct astray a = {0};
	struct finding *f;

	route = route ? route : diagnose_step(leg, STAGE_ROUTE);
	if (!route || !d->j->in)
		return false;
	judge_reply(d, leg, route, &a);
	if (a.pitfall == 48) {
		lint_mark_bits(d->q);
		return true;
	}
	if (local && a.pitfall == 4)
		a.pitfall = 46;
	f = diagnose_add(d, "reply-astray", a.pitfall, cause(d, &a, leg->out));
	if (!f)
		return true;
	f->title = title(d, &a, leg->out);
	f->evidence = a.what;
	f->consequence = consequence(d, leg);
	remedy(d, f, &a, route->policy);
	tell_the_other(d, &a, leg->out);
	return true;
}
