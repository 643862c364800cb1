/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer to a question as JSON, for programs. */
#include "report/explain.h"
#include "report/report.h"

const char *explain_verdict_name(enum journey_verdict v)
{
	switch (v) {
	case JOURNEY_WORKS:
		return "works";
	case JOURNEY_BROKEN:
		return "broken";
	case JOURNEY_UNKNOWN:
		return "unknown";
	}
	return "";
}

const char *explain_end_name(enum journey_end e)
{
	switch (e) {
	case JOURNEY_FORWARDED:
		return "forwarded";
	case JOURNEY_LOCAL:
		return "local";
	case JOURNEY_DROPPED:
		return "dropped";
	case JOURNEY_REJECTED:
		return "rejected";
	case JOURNEY_UNROUTABLE:
		return "unroutable";
	case JOURNEY_LOST:
		return "unknown";
	}
	return "";
}

static const char *stage_name(enum journey_stage s)
{
	switch (s) {
	case STAGE_ARRIVE:
		return "arrive";
	case STAGE_CONNTRACK:
		return "conntrack";
	case STAGE_RULE:
		return "rule";
	case STAGE_NAT:
		return "nat";
	case STAGE_ROUTE:
		return "route";
	case STAGE_REROUTE:
		return "reroute";
	case STAGE_SOURCE:
		return "source";
	case STAGE_FORWARD:
		return "forward";
	case STAGE_NEIGHBOUR:
		return "neighbour";
	case STAGE_DELIVER:
		return "deliver";
	case STAGE_LEAVE:
		return "leave";
	case STAGE_FORK:
		return "fork";
	}
	return "";
}

const char *explain_hook_name(enum nft_hook h)
{
	switch (h) {
	case HOOK_PREROUTING:
		return "prerouting";
	case HOOK_INPUT:
		return "input";
	case HOOK_FORWARD:
		return "forward";
	case HOOK_OUTPUT:
		return "output";
	case HOOK_POSTROUTING:
		return "postrouting";
	case HOOK_INGRESS:
		return "ingress";
	case HOOK_EGRESS:
		return "egress";
	}
	return "";
}

const char *explain_why(struct arena *a, const struct journey *j)
{
	const char *why = journey_why(a, j);

	if (j->in || j->question.from_here)
		return why;
	return arena_printf(a, "%s: say it with --in, or add `ip addr` to the dumps", why);
}

static json_t *text(const char *s)
{
	return s ? json_string(s) : json_null();
}

static json_t *address(bool known, const struct ip_addr *addr)
{
	char buf[IP_STRLEN];

	return known && addr->family ? json_string(ip_format(addr, buf)) : json_null();
}

static json_t *number(bool known, uint32_t n)
{
	return known ? json_integer(n) : json_null();
}

json_t *explain_packet_json(const struct packet *k)
{
	json_t *j = json_object();

	json_object_set_new(j, "proto", number(packet_knows(k, PKT_PROTO), k->proto));
	json_object_set_new(j, "src", address(packet_knows(k, PKT_SADDR), &k->saddr));
	json_object_set_new(j, "sport", number(packet_knows(k, PKT_SPORT), k->sport));
	json_object_set_new(j, "dst", address(packet_knows(k, PKT_DADDR), &k->daddr));
	json_object_set_new(j, "dport", number(packet_knows(k, PKT_DPORT), k->dport));
	json_object_set_new(j, "mark", number(k->mark_known == UINT32_MAX, k->mark));
	json_object_set_new(j, "ct_mark", number(k->ct_mark_known == UINT32_MAX, k->ct_mark));
	json_object_set_new(j, "mss", number(packet_knows(k, PKT_MSS), k->mss));
	json_object_set_new(j, "ttl", number(packet_knows(k, PKT_TTL), k->ttl));
	json_object_set_new(j, "tos", number(packet_knows(k, PKT_TOS), k->tos));
	return j;
}

static json_t *step_json(struct arena *a, const struct explanation *e, const struct journey_step *s)
{
	bool hooked =
		s->stage == STAGE_RULE || s->stage == STAGE_NAT || s->stage == STAGE_CONNTRACK;
	json_t *j = json_object();
	struct explain_place at;

	explain_place(a, e, s, &at);
	json_object_set_new(j, "stage", json_string(stage_name(s->stage)));
	json_object_set_new(j, "hook", text(hooked ? explain_hook_name(s->hook) : NULL));
	json_object_set_new(j, "text", text(s->text));
	json_object_set_new(j, "stops", json_boolean(s->stops));
	json_object_set_new(j, "table", text(at.table));
	json_object_set_new(j, "chain", text(at.chain));
	json_object_set_new(j, "rule", text(at.rule));
	json_object_set_new(j, "handle", number(at.handle > 0, (uint32_t)at.handle));
	json_object_set_new(j, "file", text(at.file));
	json_object_set_new(j, "line", number(at.file != NULL, at.line));
	json_object_set_new(j, "config", json_boolean(at.config));
	json_object_set_new(j, "sysctl", text(s->sysctl));
	return j;
}

static json_t *leg_json(struct arena *a, const struct explanation *e, const struct journey_leg *leg)
{
	json_t *j, *steps;

	if (!leg->walked)
		return json_null();
	j = json_object();
	steps = json_array();
	json_object_set_new(j, "in", text(leg->in));
	json_object_set_new(j, "out", text(leg->out));
	json_object_set_new(j, "end", json_string(explain_end_name(leg->end)));
	json_object_set_new(j, "via", address(true, &leg->via));
	json_object_set_new(j, "first", explain_packet_json(&leg->first));
	json_object_set_new(j, "last", explain_packet_json(&leg->last));
	VEC_EACH (&leg->steps, const struct journey_step, s)
		json_array_append_new(steps, step_json(a, e, s));
	json_object_set_new(j, "steps", steps);
	return j;
}

static json_t *choices_json(const struct journey_way *w)
{
	json_t *list = json_array();

	VEC_EACH (&w->choices, const struct journey_choice, c) {
		json_t *j = json_object();
		const char *label = c->taken < WALK_FORK_WAYS ? c->fork.label[c->taken] : NULL;

		json_object_set_new(
			j, "kind", json_string(c->fork.kind == FORK_CHANCE ? "chance" : "unknown"));
		json_object_set_new(j, "why", text(c->fork.why));
		json_object_set_new(j, "taken", text(label));
		json_object_set_new(j, "weight",
			c->fork.kind == FORK_CHANCE && c->taken < WALK_FORK_WAYS
				? json_real(c->fork.weight[c->taken])
				: json_null());
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *tri_json(enum tri t)
{
	return t == TRI_UNKNOWN ? json_null() : json_boolean(t == TRI_YES);
}

static json_t *bypass_json(const struct bypass *b)
{
	json_t *j;

	if (!b->asked)
		return json_null();
	j = json_object();
	json_object_set_new(j, "takes", tri_json(b->takes));
	json_object_set_new(j, "reason", text(b->reason));
	json_object_set_new(j, "why", text(b->why));
	return j;
}

static json_t *way_json(struct arena *a, const struct explanation *e, const struct journey_way *w)
{
	json_t *j = json_object();

	json_object_set_new(j, "verdict", json_string(explain_verdict_name(w->verdict)));
	json_object_set_new(j, "why", text(w->why));
	json_object_set_new(j, "home", tri_json(w->home));
	json_object_set_new(j, "share", json_real(w->share));
	json_object_set_new(j, "forks", choices_json(w));
	json_object_set_new(j, "request", leg_json(a, e, &w->legs[LEG_REQUEST]));
	json_object_set_new(j, "reply", leg_json(a, e, &w->legs[LEG_REPLY]));
	json_object_set_new(j, "later", leg_json(a, e, &w->legs[LEG_LATER]));
	return j;
}

json_t *explain_json(const struct explanation *e)
{
	const struct journey *journey = &e->journey;
	const struct journey_way *first = &journey->ways.items[0];
	json_t *j = json_object(), *ways = json_array(), *assumed = json_array();
	struct arena *a = arena_new();

	json_object_set_new(j, "verdict", json_string(explain_verdict_name(journey->verdict)));
	json_object_set_new(j, "why", text(explain_why(a, journey)));
	json_object_set_new(j, "source", json_string(e->source->name));
	json_object_set_new(j, "in", text(journey->in));
	json_object_set_new(j, "home", tri_json(first->home));
	VEC_EACH (&journey->ways, const struct journey_way, w)
		json_array_append_new(ways, way_json(a, e, w));
	json_object_set(j, "request", json_object_get(json_array_get(ways, 0), "request"));
	json_object_set(j, "reply", json_object_get(json_array_get(ways, 0), "reply"));
	json_object_set(j, "later", json_object_get(json_array_get(ways, 0), "later"));
	json_object_set_new(j, "ways", ways);
	json_object_set_new(j, "error_about_request", leg_json(a, e, &e->errors[0]));
	json_object_set_new(j, "error_about_reply", leg_json(a, e, &e->errors[1]));
	json_object_set_new(j, "more_ways", json_boolean(journey->more_ways));
	json_object_set_new(j, "fastpath", bypass_json(&e->bypass));
	json_object_set_new(j, "pitfalls", report_findings(&e->pitfalls));
	VEC_EACH (&journey->assumed, const struct journey_assumption, it) {
		json_t *one = json_object();

		json_object_set_new(one, "what", text(it->what));
		json_object_set_new(one, "where", text(it->where));
		json_object_set_new(one, "decides", json_boolean(it->decides));
		json_array_append_new(assumed, one);
	}
	json_object_set_new(j, "assumed", assumed);
	arena_free(a);
	return j;
}
