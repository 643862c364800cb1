/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds ip rules of others that catch replies or requests before the right rule does, and such as
 * stand at our preferences (pitfalls 8, 9). */
#include <stdlib.h>
#include <string.h>

#include "walk/pitfalls/inquiry.h"

#define BACKENDS_MAX 4096u /* looked at one by one */

/* One backend, and the maps that lead to it. */
struct destination {
	struct plan_map *const *maps;
	size_t n;
};

/* A rule that leads packets astray; of which uplinks and maps. */
struct astray {
	bool replies; /* else requests */
	struct walk_route way;
	const struct plan_uplink *uplink; /* NULL: several */
	bool *has_map;			  /* by index in plan->maps */
};

struct search {
	struct inquiry *q;
	VEC(struct astray) found;
};

static struct packet make_packet(const struct plan_uplink *u, const struct plan_map *m, bool reply,
	const struct ip_addr *client)
{
	struct packet p = {.family = map_family(m->map),
		.known = PKT_SADDR | PKT_DADDR | PKT_IIF | PKT_OIF,
		.mark_known = UINT32_MAX};

	p.saddr = reply ? m->backend->addr : *client;
	p.daddr = reply ? *client : m->backend->addr;
	p.iif = reply ? m->interface : u->uplink->interface;
	p.mark = reply ? u->mark : 0;
	return p;
}

static uint32_t last_number(const struct plan *p)
{
	uint32_t last = 0;

	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		last = u->number > last ? u->number : last;
	return last;
}

/*
 * Replies: either ours go before it, which harms nobody since they ask for our marks only; or, where
 * there is no room before it, it goes after ours. Requests follow the routes that everybody else's
 * packets to the inside do: there the rule must leave them alone.
 */
static void remedy(struct inquiry *q, struct finding *f, const struct net_rule *r, bool replies)
{
	uint32_t numbers = last_number(q->plan), first = q->plan->model->rules_first;
	const char *ip = r->family == IP_V6 ? "ip -6" : "ip";
	struct net_rule moved = *r;

	if (!replies) {
		f->advice =
			"give that table the routes to the inside, too, or let a rule before it "
			"look them up in main: ip rule add pref N lookup main "
			"suppress_prefixlength 0";
		return;
	}
	if (r->preference > numbers + 1) {
		f->advice = arena_printf(q->arena,
			"let portreeve's rules, which ask for its own marks only, come first, in "
			"the file: gateway: {rules: %u}",
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

static bool is_ours(const struct net_rule *r)
{
	return r->protocol == PORTREEVE_PROTOCOL;
}

/* ---- searching ---- */

/* Does the route lead where the uplink's own default route would? */
static bool leads_home(const struct net_route *r, const struct plan_uplink *u)
{
	const struct net_nexthop *home = &u->nexthop[inquiry_family_index(r->family)];

	return walk_route_leaves_by(r, u->uplink->interface) == TRI_YES &&
	       (!u->shares_interface || ip_equal(&r->nexthops.items[0].gateway, &home->gateway));
}

static bool goes_astray(const struct plan_uplink *u, const struct plan_map *m, bool reply,
	const struct walk_route *r)
{
	if (!r->rule || is_ours(r->rule) || is_standard(r->rule))
		return false;
	if (r->kind != WALK_ROUTE_FOUND)
		return true;
	return reply ? !leads_home(r->route, u)
		     : walk_route_leaves_by(r->route, m->interface) != TRI_YES;
}

static void note_astray(struct search *s, const struct plan_uplink *u, const struct destination *b,
	bool reply, const struct walk_route *way)
{
	const struct plan *plan = s->q->plan;
	struct arena *a = s->q->arena;
	struct astray *at = NULL;

	VEC_EACH (&s->found, struct astray, it) {
		if (it->replies == reply && it->way.rule == way->rule && it->way.kind == way->kind)
			at = it;
	}
	if (!at) {
		at = vec_add(a, &s->found);
		at->replies = reply;
		at->way = *way;
		at->uplink = u;
		at->has_map = arena_alloc(a, plan->maps.len * sizeof(bool));
	}
	if (at->uplink != u)
		at->uplink = NULL;
	for (size_t i = 0; i < b->n; i++) {
		size_t index = (size_t)(b->maps[i] - plan->maps.items);

		at->has_map[index] = at->has_map[index] || inquiry_is_on(b->maps[i], u);
	}
}

/* The same for all clients, or it is nothing to speak of. */
static void look_at_backend(
	struct search *s, const struct plan_uplink *u, const struct destination *b, bool reply)
{
	struct ip_addr clients[INQUIRY_CLIENTS];
	const struct plan_map *m = NULL;
	struct walk_route first = {0}, r;
	size_t n;

	for (size_t i = 0; i < b->n && !m; i++)
		m = inquiry_is_on(b->maps[i], u) ? b->maps[i] : NULL;
	if (!m)
		return;
	n = inquiry_clients(m, map_family(m->map), clients);
	for (size_t i = 0; i < n; i++) {
		struct packet p = make_packet(u, m, reply, &clients[i]);

		walk_route(&s->q->then, &p, &r);
		if (!goes_astray(u, m, reply, &r))
			return;
		if (i == 0)
			first = r;
	}
	if (n)
		note_astray(s, u, b, reply, &first);
}

static int compare_backends(const void *a, const void *b)
{
	const struct plan_map *const *x = a, *const *y = b;
	int order = ip_cmp(&(*x)->backend->addr, &(*y)->backend->addr);

	return order ? order : *x < *y ? -1 : *x > *y;
}

static void search_all(struct search *s)
{
	const struct plan *plan = s->q->plan;
	struct plan_map **maps =
		arena_alloc(s->q->arena, plan->maps.len * sizeof(struct plan_map *));
	size_t looked = 0;

	for (size_t i = 0; i < plan->maps.len; i++)
		maps[i] = &plan->maps.items[i];
	if (plan->maps.len)
		qsort(maps, plan->maps.len, sizeof(struct plan_map *), compare_backends);
	for (size_t i = 0; i < plan->maps.len && looked < BACKENDS_MAX; looked++) {
		struct destination b = {&maps[i], 1};

		while (i + b.n < plan->maps.len &&
			ip_equal(&maps[i + b.n]->backend->addr, &maps[i]->backend->addr))
			b.n++;
		VEC_EACH (&plan->uplinks, struct plan_uplink, u) {
			look_at_backend(s, u, &b, true);
			look_at_backend(s, u, &b, false);
		}
		i += b.n;
	}
}

/* ---- findings ---- */

static void add_astray(struct inquiry *q, const struct astray *s)
{
	const struct net_rule *r = s->way.rule;
	bool certain = s->way.kind != WALK_ROUTE_UNCERTAIN;
	struct finding *f =
		finding_add(q, s->replies ? "rule-takes-replies" : "rule-takes-requests",
			s->replies ? 9 : 8, certain ? DIAG_ERROR : DIAG_WARNING, certain);
	const char *what = s->replies ? "replies" : "requests";

	f->title = s->uplink
			   ? arena_printf(q->arena,
				     "an ip rule of another tool %s the %s of uplink '%s'",
				     certain ? "takes" : "may take", what, s->uplink->uplink->name)
			   : arena_printf(q->arena,
				     "an ip rule of another tool %s the %s of several uplinks",
				     certain ? "takes" : "may take", what);
	f->evidence = arena_printf(q->arena, "ip%s rule: %s", r->family == IP_V6 ? " -6" : "",
		inquiry_rule_text(q, r));
	if (certain)
		f->evidence = arena_printf(q->arena, "%s; it leads to: %s", f->evidence,
			inquiry_route_text(q, s->way.route));
	f->consequence =
		s->replies ? "it comes before portreeve's rule for that uplink, so replies leave "
			     "by another line than their connection came in on"
			   : "requests do not reach the backend";
	remedy(q, f, r, s->replies);
	f->uplink = s->uplink;
	for (size_t i = 0; i < q->plan->maps.len; i++) {
		if (s->has_map[i])
			vec_push(q->arena, &f->maps, &q->plan->maps.items[i]);
	}
}

static void look_at_our_preferences(struct inquiry *q)
{
	VEC_EACH (&q->plan->want.rules, struct net_rule, ours) {
		VEC_EACH (&q->seen->rules, struct net_rule, r) {
			struct finding *f;

			if (is_ours(r) || r->family != ours->family ||
				r->preference != ours->preference)
				continue;
			f = finding_add(q, "preference-in-use", 9, DIAG_WARNING, false);
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

static bool has_foreign_rules(const struct netstate *seen)
{
	VEC_EACH (&seen->rules, struct net_rule, r) {
		if (!is_ours(r) && !is_standard(r))
			return true;
	}
	return false;
}

void pitfall_foreign_rules(struct inquiry *q)
{
	struct search s = {.q = q};

	if (!has_foreign_rules(q->seen))
		return;
	search_all(&s);
	VEC_EACH (&s.found, struct astray, it)
		add_astray(q, it);
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
			f->evidence = inquiry_route_text(q, r);
			f->consequence = "replies may follow it instead of going home";
			f->advice =
				"give portreeve other tables, in the file: gateway: {tables: ...}";
			f->uplink = u;
		}
	}
}
