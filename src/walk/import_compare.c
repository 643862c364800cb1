/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares journeys through the old rules with those through the imported config's plan. */
#include "walk/import_compare.h"

#include <string.h>

#include "walk/tour.h"

static bool is_left(const struct import *im, const struct gateway_forward *f)
{
	VEC_EACH (&im->left, struct import_left, l) {
		if (l->rule == f->rule)
			return true;
	}
	return false;
}

static bool is_direct(const struct import *im, const struct gateway_forward *f)
{
	VEC_EACH (&im->direct, const struct gateway_forward *, it) {
		if (*it == f)
			return true;
	}
	return false;
}

/* Where nothing else tells, a backend answers as the config promises: by the old rules, too. */
static void walk(struct arena *a, const struct netstate *net, const struct journey_question *asked,
	bool direct, struct journey *out)
{
	struct journey_question q = *asked;

	journey_walk(a, net, &q, out);
	if (!direct || out->verdict != JOURNEY_UNKNOWN)
		return;
	q.returns = RETURN_THROUGH_US;
	journey_walk(a, net, &q, out);
}

static const char *place_text(struct arena *a, const struct tour_stop *s)
{
	switch (s->place) {
	case TOUR_FAR:
		return arena_printf(a, "a client far away by %s", s->uplink->interface);
	case TOUR_BESIDE:
		return arena_printf(a, "a neighbour on %s", s->uplink->interface);
	case TOUR_INSIDE:
		return arena_printf(a, "a host behind %s", s->inside->interface);
	case TOUR_HERE:
		return "the gateway itself";
	}
	return "";
}

static const char *what_text(struct arena *a, const struct tour_stop *s)
{
	const struct journey_question *q = &s->question;
	const char *proto = ip_proto_name(q->proto);
	char buf[IP_STRLEN];

	return arena_printf(a, q->dst.family == IP_V6 ? "%s [%s]:%u, %s" : "%s %s:%u, %s",
		proto ? proto : "?", ip_format(&q->dst, buf), q->dport, place_text(a, s));
}

/* Where the request ends: does it come to the same backend? */
static bool same_backend(const struct journey *x, const struct journey *y)
{
	const struct packet *a = &x->ways.items[0].legs[LEG_REQUEST].last;
	const struct packet *b = &y->ways.items[0].legs[LEG_REQUEST].last;

	return packet_knows(a, PKT_DADDR | PKT_DPORT) && packet_knows(b, PKT_DADDR | PKT_DPORT) &&
	       ip_equal(&a->daddr, &b->daddr) && a->dport == b->dport;
}

static void take_pitfalls(struct arena *a, const struct netstate *net, const struct journey *j,
	struct import_difference *d)
{
	struct findings found = {0};

	walk_diagnose(a, net, j, &found);
	VEC_EACH (&found.items, const struct finding, f) {
		if (f->pitfall >= 1 && f->pitfall <= PITFALLS)
			vec_push(a, &d->pitfalls, &pitfalls[f->pitfall - 1]);
	}
}

/* Did the request come to a backend of the forward at all? */
static bool is_forwarded(const struct journey *j, const struct gateway_forward *f)
{
	const struct journey_leg *leg = &j->ways.items[0].legs[LEG_REQUEST];

	return leg->end == JOURNEY_FORWARDED && packet_knows(&leg->last, PKT_DADDR) &&
	       ip_equal(&leg->last.daddr, &f->to);
}

/* What may work in both cases, but for two different machines. */
static const char *why_text(struct arena *a, const struct journey *j, bool same)
{
	const struct packet *p = &j->ways.items[0].legs[LEG_REQUEST].last;
	const char *why = journey_why(a, j);
	char buf[IP_STRLEN];

	if (same || j->verdict == JOURNEY_BROKEN || !packet_knows(p, PKT_DADDR | PKT_DPORT))
		return why;
	return arena_printf(a,
		p->family == IP_V6 ? "%s; it comes to [%s]:%u" : "%s; it comes to %s:%u", why,
		ip_format(&p->daddr, buf), p->dport);
}

static void compare_one(struct arena *a, const struct gateway *g, const struct import *im,
	const struct gateway_forward *f, const struct netstate *then, const struct tour_stop *s,
	struct import_comparison *out)
{
	bool direct = is_direct(im, f);
	struct journey before, after;
	struct import_difference *d;
	bool same;

	walk(a, g->net, &s->question, direct, &before);
	walk(a, then, &s->question, direct, &after);
	out->journeys++;
	same = same_backend(&before, &after);
	/* Two failures are alike, whatever each comes to. */
	if (before.verdict == after.verdict && (same || before.verdict == JOURNEY_BROKEN))
		return;
	d = vec_add(a, &out->differences);
	d->what = what_text(a, s);
	d->before = before.verdict;
	d->after = after.verdict;
	d->why_before = why_text(a, &before, same);
	d->why_after = why_text(a, &after, same);
	d->regresses = before.verdict != JOURNEY_BROKEN && is_forwarded(&before, f) &&
		       (after.verdict == JOURNEY_BROKEN || !same);
	if (!d->regresses)
		take_pitfalls(a, g->net, &before, d);
}

void import_compare(struct arena *a, const struct gateway *g, const struct import *im,
	const struct netstate *then, struct import_comparison *out)
{
	VEC_EACH (&g->forwards, const struct gateway_forward, f) {
		struct tour tour = {0};

		if (f->output || is_left(im, f))
			continue;
		tour_of(a, g, f, &tour);
		VEC_EACH (&tour.stops, const struct tour_stop, s)
			compare_one(a, g, im, f, then, s, out);
	}
}
