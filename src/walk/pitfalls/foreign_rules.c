/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds ip rules of others that catch replies or requests before the right rule does, and such as
 * stand at our preferences (pitfalls 7, 48, 55). */
#include <string.h>

#include "walk/pitfalls/inquiry.h"

/* One pair of an uplink and an inside, with a backend there. */
struct pair {
	const struct plan_uplink *uplink;
	const struct plan_map *map;
	uint8_t family;
};

static struct packet make_packet(
	const struct inquiry *q, const struct pair *p, bool reply, const struct ip_addr *client)
{
	struct packet pkt = {.family = p->family,
		.known = PKT_SADDR | PKT_DADDR | PKT_IIF | PKT_OIF,
		.mark_known = UINT32_MAX};

	pkt.saddr = reply ? p->map->map->to : *client;
	pkt.daddr = reply ? *client : p->map->map->to;
	pkt.iif = reply ? p->map->interface : p->uplink->uplink->interface;
	pkt.mark = reply ? p->uplink->mark : 0;
	return pkt;
}

static uint32_t last_number(const struct plan *p)
{
	uint32_t last = 0;

	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		last = u->number > last ? u->number : last;
	return last;
}

/* Either ours go before it, which harms nobody since they ask for our marks only; or, where there is
 * no room before it, it goes after ours. */
static void remedy(struct inquiry *q, struct finding *f, const struct net_rule *r)
{
	uint32_t numbers = last_number(q->plan), first = q->plan->model->rules_first;
	const char *ip = r->family == IP_V6 ? "ip -6" : "ip";
	struct net_rule moved = *r;

	if (r->preference > numbers + 1) {
		f->advice = arena_printf(q->arena,
			"let portreeve's rules, which ask for its own marks only, come first, in "
			"the "
			"file: gateway: {rules: %u}",
			r->preference - numbers - 1);
		return;
	}
	moved.preference = first + numbers + 1;
	finding_remedy(q, f, "%s rule add %s", ip, inquiry_rule_text(q, &moved));
	finding_remedy(q, f, "%s rule del %s", ip, inquiry_rule_text(q, r));
	f->advice = "and let the tool that made it put it there";
}

/* Is this rule nobody's in particular: one that the kernel brings along? */
static bool is_standard(const struct net_rule *r)
{
	return r->action == RULE_LOOKUP && !r->mask && r->src.addr.family == IP_NONE &&
	       r->dst.addr.family == IP_NONE && !r->iif && !r->oif &&
	       (r->table == TABLE_LOCAL || r->table == TABLE_MAIN || r->table == TABLE_DEFAULT);
}

static const char *route_text(struct inquiry *q, const struct net_route *r)
{
	struct strbuf b = STRBUF_INIT;

	if (!r)
		return "no route";
	net_route_print(&b, r);
	return inquiry_text(q, &b);
}

static void add_astray(
	struct inquiry *q, const struct pair *p, bool reply, const struct walk_route *r)
{
	bool certain = r->kind != WALK_ROUTE_UNCERTAIN;
	struct finding *f = finding_add(q, reply ? "rule-takes-replies" : "rule-takes-requests", 7,
		certain ? DIAG_ERROR : DIAG_WARNING, certain);

	f->title = arena_printf(q->arena, "an ip rule of another tool %s the %s of uplink '%s'",
		certain ? "takes" : "may take", reply ? "replies" : "requests",
		p->uplink->uplink->name);
	f->evidence = arena_printf(q->arena, "ip%s rule: %s", p->family == IP_V6 ? " -6" : "",
		inquiry_rule_text(q, r->rule));
	if (certain)
		f->evidence = arena_printf(
			q->arena, "%s; it leads to: %s", f->evidence, route_text(q, r->route));
	f->consequence =
		reply ? "it comes before portreeve's rule for that uplink, so replies leave "
			"by another line than their connection came in on"
		      : "requests do not reach the backend";
	remedy(q, f, r->rule);
	f->uplink = p->uplink;
	VEC_EACH (&q->plan->maps, struct plan_map, m) {
		bool on = false;

		VEC_EACH (&m->uplinks, struct plan_uplink *, u)
			on = on || *u == p->uplink;
		if (on && m->map->to.family == p->family && inquiry_is_served(m, p->uplink) &&
			strcmp(m->interface, p->map->interface) == 0)
			vec_push(q->arena, &f->maps, m);
	}
}

static bool is_ours(const struct net_rule *r)
{
	return r && r->protocol == PORTREEVE_PROTOCOL;
}

static bool goes_astray(const struct pair *p, bool reply, const struct walk_route *r)
{
	if (!r->rule || is_ours(r->rule) || is_standard(r->rule))
		return false;
	if (r->kind == WALK_ROUTE_FOUND && !reply)
		return walk_route_leaves_by(r->route, p->map->interface) != TRI_YES;
	return true;
}

/* The same for all clients, or it is nothing to speak of. */
static void look_at_pair(struct inquiry *q, const struct pair *p, bool reply)
{
	struct ip_addr clients[INQUIRY_CLIENTS];
	size_t n = inquiry_clients(p->map, p->family, clients);
	struct walk_route first = {0}, r;

	for (size_t i = 0; i < n; i++) {
		struct packet pkt = make_packet(q, p, reply, &clients[i]);

		walk_route(&q->then, &pkt, &r);
		if (!goes_astray(p, reply, &r))
			return;
		if (i == 0)
			first = r;
	}
	if (n)
		add_astray(q, p, reply, &first);
}

/* Has an earlier map the same uplink and inside? */
static bool is_first_of_its_kind(
	const struct plan *plan, const struct plan_map *map, const struct plan_uplink *uplink)
{
	for (const struct plan_map *m = plan->maps.items; m < map; m++) {
		if (!m->interface || m->map->to.family != map->map->to.family ||
			strcmp(m->interface, map->interface) != 0)
			continue;
		VEC_EACH (&m->uplinks, struct plan_uplink *, u) {
			if (*u == uplink)
				return false;
		}
	}
	return true;
}

static void look_at_our_preferences(struct inquiry *q)
{
	VEC_EACH (&q->plan->want.rules, struct net_rule, ours) {
		VEC_EACH (&q->seen->rules, struct net_rule, r) {
			struct finding *f;

			if (is_ours(r) || r->family != ours->family ||
				r->preference != ours->preference)
				continue;
			f = finding_add(q, "preference-in-use", 55, DIAG_WARNING, false);
			f->title = arena_printf(q->arena,
				"an ip rule of another tool stands at portreeve's preference %u",
				r->preference);
			f->evidence = arena_printf(q->arena, "ip%s rule: %s",
				r->family == IP_V6 ? " -6" : "", inquiry_rule_text(q, r));
			f->consequence =
				"which of the two is asked first depends on which was added first";
			f->advice = "give portreeve other preferences, in the file: gateway: "
				    "{rules: ...}";
		}
	}
}

void pitfall_foreign_rules(struct inquiry *q)
{
	const struct plan *plan = q->plan;

	VEC_EACH (&plan->uplinks, struct plan_uplink, u) {
		VEC_EACH (&plan->maps, struct plan_map, m) {
			struct pair p = {u, m, m->map->to.family};
			bool on = false;

			VEC_EACH (&m->uplinks, struct plan_uplink *, it)
				on = on || *it == u;
			if (!on || !inquiry_is_served(m, u) || !is_first_of_its_kind(plan, m, u))
				continue;
			look_at_pair(q, &p, true);
			look_at_pair(q, &p, false);
		}
	}
	look_at_our_preferences(q);
}

/* ---- routes ---- */

void pitfall_foreign_routes(struct inquiry *q)
{
	VEC_EACH (&q->seen->routes, struct net_route, r) {
		if (r->protocol == PORTREEVE_PROTOCOL)
			continue;
		VEC_EACH (&q->plan->uplinks, struct plan_uplink, u) {
			struct finding *f;

			if (u->table != r->table)
				continue;
			f = finding_add(q, "table-in-use", 48, DIAG_WARNING, false);
			f->title = arena_printf(q->arena,
				"there is a route of another tool in portreeve's table %u for "
				"uplink '%s'",
				u->table, u->uplink->name);
			f->evidence = route_text(q, r);
			f->consequence = "replies may follow it instead of going home";
			f->advice =
				"give portreeve other tables, in the file: gateway: {tables: ...}";
			f->uplink = u;
		}
	}
}
