/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Explains packets that were routed another way than they should: requests that go out again instead
 * of to the backend (pitfalls 7, 8, 37, 55, 58), replies that leave by another uplink than their
 * request came in on (2 to 6, 9 to 15, 46).
 */
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/marks.h"

static bool is_uplink(const struct diagnosis *d, const char *interface)
{
	VEC_EACH (&d->q->gateway->uplinks, struct gateway_uplink, u) {
		if (interface && strcmp(u->interface, interface) == 0)
			return true;
	}
	return false;
}

static const char *way_text(struct diagnosis *d, const struct journey_step *s)
{
	if (!s)
		return "";
	return arena_printf(d->q->arena, "%s%s%s", inquiry_route_text(d->q, s->route),
		s->policy ? ", as this says: ip rule " : "",
		s->policy ? inquiry_rule_text(d->q, s->policy) : "");
}

/* ---- requests ---- */

/* The route of the destination that main alone would give. */
static const struct net_route *local_way(const struct diagnosis *d, const struct packet *p)
{
	const struct net_route *r = netstate_route(&d->q->then, TABLE_MAIN, &p->daddr);

	return r && r->dst.len > 0 && r->type == ROUTE_UNICAST ? r : NULL;
}

static const struct net_rule *local_first(const struct diagnosis *d, uint8_t family)
{
	VEC_EACH (&d->q->then.rules, struct net_rule, r) {
		if (r->family == family && r->action == RULE_LOOKUP && r->table == TABLE_MAIN &&
			r->suppress_prefixlen >= 0)
			return r;
	}
	return NULL;
}

static bool takes_connection_mark(const struct journey_step *by)
{
	return diagnose_restores(by->rule.rule);
}

/* Does the rule copy all of the connection's mark, though the uplinks' is but a part of it? */
static bool copies_too_much(const struct journey_step *by, const struct net_rule *policy)
{
	uint32_t bits, value;
	bool known;

	return marks_written(by->rule.rule, false, &bits, &value, &known) && bits == UINT32_MAX &&
	       policy->mask != UINT32_MAX;
}

/* Which of the pitfalls led the request away. */
static uint8_t judge_request(
	struct diagnosis *d, const struct net_rule *policy, const struct journey_step *marked)
{
	const struct net_rule *late = local_first(d, policy->family);

	if (late && late->preference > policy->preference)
		return 55;
	if (!marked || d->inside)
		return 8;
	if (takes_connection_mark(marked) && (d->q->own || copies_too_much(marked, policy)))
		return 58;
	return 7;
}

static void tell_request(struct diagnosis *d, struct finding *f, uint8_t pitfall,
	const struct journey_leg *leg, const struct journey_step *route,
	const struct journey_step *marked)
{
	char to[IP_STRLEN];

	ip_format(&leg->last.daddr, to);
	f->title = pitfall == 7	   ? "the uplink's mark is put on requests, which then leave again"
		   : pitfall == 58 ? "another tool restores whole connection marks on requests"
		   : pitfall == 55 ? "an ip rule stands before the one that leads to the local "
				     "networks"
		   : pitfall == 8  ? "the routing table that requests follow lacks the local "
				     "networks"
				   : "";
	f->evidence = arena_printf(d->q->arena, "to %s: %s%s%s", to, way_text(d, route),
		marked ? "; the mark was set by: " : "",
		marked ? diagnose_step_text(d, marked) : "");
	f->consequence = arena_printf(d->q->arena, "%s %s instead of reaching %s",
		pitfall == 58 ? "all but the first packets of a connection" : "requests",
		leg->end == JOURNEY_FORWARDED
			? arena_printf(d->q->arena, "are sent out by %s", leg->out)
			: "find no way",
		to);
}

/* Pitfall 37: nothing of this machine leads to the backend. */
static bool explain_no_way(
	struct diagnosis *d, const struct journey_leg *leg, const struct journey_step *route)
{
	const char *cause;
	struct finding *f;
	char to[IP_STRLEN];

	if (!d->way->dnat || !ip_is_private(&leg->last.daddr))
		return false;
	cause = arena_strdup(d->q->arena, ip_format(&leg->last.daddr, to));
	f = diagnose_add(d, "no-way-to-backend", 37, cause);
	if (!f)
		return true;
	f->title = arena_printf(d->q->arena, "%s is on no network of this machine", to);
	f->evidence = arena_printf(d->q->arena, "%s%s%s", way_text(d, route),
		d->way->dnat_rule ? "; the forward: " : "",
		d->way->dnat_rule && diagnose_rule(leg, DID_NAT, NULL)
			? diagnose_step_text(d, diagnose_rule(leg, DID_NAT, NULL))
			: "");
	f->consequence = "requests do not reach the backend";
	f->advice = "has the network been renumbered? name the backend's present address, or add "
		    "the route to it";
	return true;
}

static bool restores_early(struct diagnosis *d)
{
	VEC_EACH (&marks_of(d->q)->items, const struct marker, m) {
		if (m->restores && m->early)
			return true;
	}
	return false;
}

/* The mark that led the request away was meant for its reply: see that it gets there. */
static void remedy_reply(struct diagnosis *d, struct finding *f, const struct net_rule *policy)
{
	uint8_t family = d->j->question.dst.family;

	if ((d->way->flow.mark ^ policy->mark) & policy->mask)
		remedy_pin(d->q, f, family, false);
	else if (!restores_early(d))
		remedy_restore(d->q, f, family, policy->mask, false);
}

bool diagnose_request_astray(struct diagnosis *d, enum journey_leg_kind kind)
{
	const struct journey_leg *leg = &d->way->legs[kind];
	const struct journey_step *route = diagnose_step(leg, STAGE_ROUTE), *marked;
	const struct net_route *local;
	struct finding *f;
	uint8_t pitfall;

	if (!route || !packet_knows(&leg->last, PKT_DADDR))
		return false;
	local = local_way(d, &leg->last);
	if (leg->end == JOURNEY_FORWARDED &&
		(!is_uplink(d, leg->out) ||
			(local && walk_route_leaves_by(local, leg->out) != TRI_NO)))
		return false;
	if (!local)
		return explain_no_way(d, leg, route);
	if (!route->policy || route->policy->table == TABLE_MAIN)
		return false;
	marked = route->policy->mask ? diagnose_rule(leg, DID_MARK, route) : NULL;
	pitfall = judge_request(d, route->policy, marked);
	f = diagnose_add(d,
		pitfall == 58	? "foreign-restore"
		: pitfall == 55 ? "rule-without-preference"
		: pitfall == 8	? "table-without-local-routes"
				: "mark-on-requests",
		pitfall,
		pitfall == 58	? diagnose_step_text(d, marked)
		: pitfall == 55 ? "order"
		: marked	? "marked"
				: inquiry_rule_text(d->q, route->policy));
	if (!f)
		return true;
	tell_request(d, f, pitfall, leg, route, marked);
	remedy_local_first(d->q, f, route->policy);
	if (pitfall == 55)
		f->advice = "give every ip rule a `pref` of its own: without it the kernel puts it "
			    "before all that are there";
	if (marked && !d->inside)
		remedy_reply(d, f, route->policy);
	return true;
}

void diagnose_between(struct inquiry *q, const struct journey *j)
{
	VEC_EACH (&j->ways, struct journey_way, way) {
		struct diagnosis d = {
			.q = q, .j = j, .way = way, .severity = DIAG_WARNING, .inside = true};

		if (way->legs[LEG_REQUEST].end == JOURNEY_FORWARDED && !way->dnat)
			diagnose_request_astray(&d, LEG_REQUEST);
	}
}

/* ---- replies ---- */

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

	if (!r || r->mask != UINT32_MAX || mark == r->mark ||
		!leads_to(d, r, d->j->in, &has_default))
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

static bool by_direct_mark(struct diagnosis *d, const struct journey_step *marked, struct astray *a)
{
	if (!marked || diagnose_restores(marked->rule.rule))
		return false;
	a->cause = diagnose_step_text(d, marked);
	a->what = arena_printf(d->q->arena, "%s; then %s", a->cause, a->what);
	a->pitfall = chance(d, true) ? 12 : mark_collides(d->q, marked->rule.rule) ? 48 : 13;
	return true;
}

/* From what is surest to what is left. */
static void judge_reply(struct diagnosis *d, const struct journey_leg *leg,
	const struct journey_step *route, struct astray *a)
{
	const struct net_rule *policy = route->policy, *r;
	const struct journey_step *marked = diagnose_rule(leg, DID_MARK, route);
	const struct journey_choice *c = chance(d, true);
	uint32_t mark = route->after.mark;
	/* As it was when the reply was routed: a later packet may have changed it. */
	uint32_t ct_mark =
		route->after.ct_mark_known == UINT32_MAX ? route->after.ct_mark : d->way->flow.mark;
	uint8_t family = d->j->question.dst.family;
	const struct marker *m = NULL;
	bool has_default;

	a->cause = a->what = way_text(d, route);
	a->rule = policy;
	if (leg->out && d->j->in && strcmp(leg->out, d->j->in) == 0) {
		a->pitfall = 14;
		return;
	}
	if (c && c->fork.at.rule) {
		a->pitfall = 12;
		a->cause = a->what = inquiry_place_text(
			d->q, c->fork.at.table, c->fork.at.chain, c->fork.at.rule);
		return;
	}
	r = ct_mark ? rule_for_mark(d, family, ct_mark, NULL) : NULL;
	a->bits = lacks_mask(d, leg, mark, r);
	if (a->bits) {
		a->pitfall = 9;
		a->rule = r;
		a->cause = place_of_rule(d, r);
		a->what = arena_printf(d->q->arena,
			"replies have mark 0x%x, of which 0x%x is the uplinks'; %s; but "
			"%s",
			mark, a->bits, a->cause, a->what);
		return;
	}
	if (by_direct_mark(d, marked, a))
		return;
	r = ct_mark ? goto_nowhere(d, family, ct_mark) : NULL;
	if (r) {
		a->pitfall = 9;
		a->rule = r;
		a->cause = a->what = place_of_rule(d, r);
		return;
	}
	if (chance(d, false) || (route->route && route->route->nexthops.len > 1)) {
		a->pitfall = 11;
		return;
	}
	if (policy && policy->src.addr.family && policy->src.len) {
		a->pitfall = 13;
		a->rule = ct_mark ? rule_for_mark(d, family, ct_mark, NULL) : NULL;
		a->restored = a->rule && ((mark ^ a->rule->mark) & a->rule->mask) == 0;
		return;
	}
	r = rule_for_mark(d, family, mark, policy);
	if (r && (route->after.mark_known & r->mask) == r->mask &&
		!leads_to(d, r, d->j->in, &has_default) && !has_default) {
		a->pitfall = 10;
		a->rule = r;
		a->cause = a->what = place_of_rule(d, r);
		return;
	}
	r = rule_for_mark(d, family, ct_mark, NULL);
	if (ct_mark && r && leads_to(d, r, d->j->in, &has_default)) {
		bool restored = ((mark ^ r->mark) & r->mask) == 0;

		a->pitfall = restored ? 9 : 4;
		a->rule = r;
		a->cause = place_of_rule(d, r);
		a->what = arena_printf(d->q->arena, "the connection's mark is 0x%x; %s; but %s",
			ct_mark, a->cause, a->what);
		return;
	}
	a->pitfall = judge_marker(d, &m);
	if (m && a->pitfall) {
		a->marker = a->pitfall == 15 ? NULL : m;
		a->cause = inquiry_place_text(d->q, m->table, m->chain, m->rule);
		a->what = arena_printf(d->q->arena, "%s; the reply follows %s", a->cause, a->what);
		return;
	}
	r = rule_for_source(d, &d->j->question.dst);
	if (r)
		a->what = arena_printf(d->q->arena, "%s; and not: ip rule %s", a->what,
			inquiry_rule_text(d->q, r));
	a->pitfall = d->way->legs[LEG_REQUEST].end == JOURNEY_LOCAL ? 46 : d->way->snat ? 3 : 2;
}

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
		{14, "two uplinks share the interface"},
		{15, "the rule that should mark them is for other protocols"},
		{46, "the service is the gateway's own"},
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
	const char *ip = style_ip(r->family);
	char buf[IP_STRLEN];

	if (u && u->has_default[v6] && u->next[v6].family)
		finding_remedy(d->q, f, "%s route add default via %s%s dev %s table %u", ip,
			u->next[v6].family == r->family ? "" : "inet6 ",
			ip_format(&u->next[v6], buf), u->interface, r->table);
	else if (u && u->has_default[v6])
		finding_remedy(d->q, f, "%s route add default dev %s table %u", ip, u->interface,
			r->table);
	finding_remedy(d->q, f, "%s route add unreachable default metric 4294967295 table %u", ip,
		r->table);
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
	char public[IP_STRLEN], via[IP_STRLEN];

	ip_format(&d->j->question.dst, public);
	if (!leg->out)
		return "replies do not leave at all";
	if (strcmp(leg->out, d->j->in) == 0)
		return arena_printf(d->q->arena,
			"replies of %s:%u go to the other provider's router, %s, which drops what "
			"has a foreign source address",
			public, d->j->question.dport, ip_format(&leg->via, via));
	return arena_printf(d->q->arena,
		"replies of %s:%u leave by %s; the provider there drops what has a foreign source "
		"address, and clients of %s hear nothing",
		public, d->j->question.dport, leg->out, d->j->in);
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
	if (a.pitfall == 10)
		remedy_table(d, f, a.rule);
	else if (a.bits)
		remedy_masks(d, f, &a);
	else if (a.pitfall == 9 && a.rule->action == RULE_GOTO)
		remedy_goto(d, f, a.rule);
	else if (a.pitfall == 13 && a.restored && route->policy->preference > 1)
		remedy_earlier(d, f, a.rule, route->policy);
	else if (a.pitfall == 9 && route->policy && route->policy->preference > 1)
		remedy_earlier(d, f, a.rule, route->policy);
	else if (a.pitfall == 4)
		remedy_restore(d->q, f, d->j->question.dst.family, a.rule->mask, local);
	else
		remedy_pin(d->q, f, d->j->question.dst.family, local);
	if (a.marker)
		remedy_delete(d->q, f, a.marker->table, a.marker->chain, a.marker->rule);
	return true;
}
