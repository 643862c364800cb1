/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds services of the machine itself that cannot be reached by one of its uplinks, since their
 * answers leave by another (pitfall 46).
 */
#include "walk/pitfalls/diagnose.h"
#include "walk/tour.h"

#define WALKED_MAX 500

static const char *service_text(struct inquiry *q, const struct net_listener *s)
{
	const char *proto = ip_proto_name(s->proto);
	char buf[IP_STRLEN];

	return arena_printf(q->arena, "%s listens on %s, %s port %u",
		s->process ? s->process : "a process",
		ip_is_unspecified(&s->addr) ? "all addresses" : ip_format(&s->addr, buf),
		proto ? proto : "?", s->port);
}

/* Requests get there, and answers do not get back. */
static bool is_answered_elsewhere(const struct journey *j)
{
	VEC_EACH (&j->ways, struct journey_way, way) {
		if (way->dnat || way->legs[LEG_REQUEST].end != JOURNEY_LOCAL)
			return false;
	}
	return j->verdict == JOURNEY_BROKEN;
}

static void diagnose_service(
	struct inquiry *q, const struct journey *j, const struct net_listener *s)
{
	size_t before = q->out->items.len;

	diagnose_journey(q, j, NULL);
	for (size_t i = before; i < q->out->items.len; i++) {
		struct finding *f = &q->out->items.items[i];

		/* Perhaps nobody is meant to reach it there. */
		f->severity = DIAG_WARNING;
		f->evidence = arena_printf(q->arena, "%s; %s", service_text(q, s), f->evidence);
	}
}

static void look_at_listener(
	struct inquiry *q, const struct net_listener *s, uint8_t family, size_t *walked)
{
	struct gateway_forward at = {.family = family,
		.proto = s->proto,
		.first = s->port,
		.last = s->port,
		.in = s->interface};
	struct tour tour = {0};

	if (!ip_is_unspecified(&s->addr))
		at.dst = ip_prefix_of(&s->addr, (uint8_t)ip_bits(family));
	tour_of(q->arena, q->gateway, &at, &tour);
	VEC_EACH (&tour.stops, struct tour_stop, stop) {
		struct journey j = {0};

		if (stop->place != TOUR_FAR || ++*walked > WALKED_MAX)
			continue;
		journey_walk(q->arena, q->seen, &stop->question, &j);
		if (is_answered_elsewhere(&j))
			diagnose_service(q, &j, s);
	}
}

void lint_own_services(struct inquiry *q)
{
	size_t walked = 0;

	if (q->gateway->uplinks.len < 2)
		return;
	VEC_EACH (&q->then.listeners, struct net_listener, s) {
		if (ip_is_loopback(&s->addr))
			continue;
		look_at_listener(q, s, s->addr.family, &walked);
		if (s->addr.family == IP_V6 && ip_is_unspecified(&s->addr) && !s->v6_only)
			look_at_listener(q, s, IP_V4, &walked);
	}
}
