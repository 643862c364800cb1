/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds an rp_filter that will drop the requests of an uplink (pitfalls 17 and 18).
 *
 * The kernel looks the client up, the way back, with mark 0 and by the interface that the request
 * goes out by. No route at all fails in loose mode, too, which is what a gateway without a default
 * route in main meets. Only IPv4 has rp_filter.
 */
#include <string.h>

#include "walk/pitfalls/inquiry.h"

/* The larger of `all` and the interface's rules. -1: not known. */
static long effective(struct inquiry *q, const char *interface)
{
	long all = inquiry_conf(q, "all", "rp_filter");
	long own = inquiry_conf(q, interface, "rp_filter");

	return all < 0 || own < 0 ? -1 : all > own ? all : own;
}

enum outcome { REACHED, NO_ROUTE, ELSEWHERE };

static enum outcome way_back(
	struct inquiry *q, const struct plan_uplink *u, const struct plan_map *m)
{
	struct ip_addr clients[INQUIRY_CLIENTS];
	size_t n = inquiry_clients(m, IP_V4, clients), none = 0, elsewhere = 0;

	for (size_t i = 0; i < n; i++) {
		struct packet p = {.family = IP_V4,
			.known = PKT_SADDR | PKT_DADDR | PKT_IIF | PKT_OIF,
			.saddr = m->backend->addr,
			.daddr = clients[i],
			.iif = m->interface,
			.mark_known = UINT32_MAX};
		struct walk_route r;

		walk_route(&q->then, &p, &r);
		if (r.kind == WALK_ROUTE_NONE)
			none++;
		else if (r.kind == WALK_ROUTE_FOUND &&
			 walk_route_leaves_by(r.route, u->uplink->interface) == TRI_NO)
			elsewhere++;
	}
	if (n == 0)
		return REACHED;
	return none == n ? NO_ROUTE : elsewhere == n ? ELSEWHERE : REACHED;
}

static const struct plan_uplink *first_way_out(const struct plan *p)
{
	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		if (u->up[0] && u->nexthop[0].interface)
			return u;
	}
	return NULL;
}

static void remedy_default(struct inquiry *q, struct finding *f)
{
	const struct plan_uplink *u = first_way_out(q->plan);

	f->advice =
		"any metric will do; add the same default route to the network configuration, so "
		"that it is there after a restart";
	if (u)
		finding_default_route(q, f, IP_V4, &u->nexthop[0].gateway, u->nexthop[0].interface,
			REMEDY_METRIC);
}

/* The maps that listen on one of @uplinks (by index in the plan). */
static void concern(struct inquiry *q, struct finding *f, const bool *uplinks)
{
	VEC_EACH (&q->plan->maps, struct plan_map, m) {
		bool on = false;

		VEC_EACH (&m->uplinks, struct plan_uplink *, u)
			on = on ||
			     (uplinks[*u - q->plan->uplinks.items] && inquiry_is_served(m, *u));
		if (on && map_family(m->map) == IP_V4)
			vec_push(q->arena, &f->maps, m);
	}
	f->consequence = "requests are dropped right after they came in, and nothing says so";
}

static void add_no_default(struct inquiry *q, const bool *uplinks)
{
	struct finding *f = finding_add(q, "no-default-route", 18, DIAG_ERROR, true);

	f->title = "without a default route in main, the kernel drops what comes in by an uplink";
	f->evidence = "no rule leads an unmarked packet to a client";
	for (size_t i = 0; i < q->plan->uplinks.len; i++) {
		if (uplinks[i])
			f->evidence = arena_printf(q->arena, "%s; %s", f->evidence,
				inquiry_rp_filter_text(
					q, q->plan->uplinks.items[i].uplink->interface));
	}
	remedy_default(q, f);
	concern(q, f, uplinks);
}

static void add_strict(struct inquiry *q, const struct plan_uplink *u)
{
	bool *uplinks = arena_alloc(q->arena, q->plan->uplinks.len * sizeof(bool));
	struct finding *f = finding_add(q, "strict-rp-filter", 17, DIAG_ERROR, true);

	f->title = arena_printf(q->arena, "strict rp_filter drops all that comes in by uplink '%s'",
		u->uplink->name);
	f->evidence =
		arena_printf(q->arena, "%s; and the way back to a client is by another interface",
			inquiry_rp_filter_text(q, u->uplink->interface));
	finding_remedy(q, f, "sysctl -w %s=2",
		netstate_conf_key(q->arena, IP_V4, u->uplink->interface, "rp_filter"));
	f->uplink = u;
	uplinks[u - q->plan->uplinks.items] = true;
	concern(q, f, uplinks);
}

static const struct plan_map *first_map(const struct plan *p, const struct plan_uplink *u)
{
	VEC_EACH (&p->maps, struct plan_map, m) {
		if (map_family(m->map) == IP_V4 && inquiry_is_on(m, u))
			return m;
	}
	return NULL;
}

static bool knows_rules(const struct netstate *s)
{
	VEC_EACH (&s->rules, struct net_rule, r) {
		if (r->family == IP_V4 && r->action == RULE_LOOKUP && r->table == TABLE_MAIN)
			return true;
	}
	return false;
}

void pitfall_rp_filter(struct inquiry *q)
{
	bool *without = arena_alloc(q->arena, q->plan->uplinks.len * sizeof(bool)), any = false;

	if (!knows_rules(q->seen))
		return;
	for (size_t i = 0; i < q->plan->uplinks.len; i++) {
		const struct plan_uplink *u = &q->plan->uplinks.items[i];
		const struct plan_map *m = first_map(q->plan, u);
		long rp = effective(q, u->uplink->interface);
		enum outcome back;

		if (!m || rp < 1)
			continue;
		back = way_back(q, u, m);
		if (back == NO_ROUTE)
			any = without[i] = true;
		else if (back == ELSEWHERE && rp == 1)
			add_strict(q, u);
	}
	if (any)
		add_no_default(q, without);
}
