/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Explains requests that were routed another way than they should: that go out again instead of to the
 * backend (pitfalls 7, 8, 37, 55, 58).
 */
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/marks.h"

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
	f->evidence = arena_printf(d->q->arena, "to %s: %s%s%s", to, diagnose_way_text(d, route),
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
	f->evidence = arena_printf(d->q->arena, "%s%s%s", diagnose_way_text(d, route),
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
		(!gateway_uplink_at(d->q->gateway, leg->out) ||
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
