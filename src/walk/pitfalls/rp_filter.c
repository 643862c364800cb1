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

#define REMEDY_METRIC 20000 /* behind any default that a network manager sets up later */

static long conf(struct inquiry *q, const char *interface, const char *what)
{
	return netstate_sysctl_int(
		&q->then, netstate_conf_key(q->arena, IP_V4, interface, what), -1);
}

/* The larger of `all` and the interface's rules. -1: not known. */
static long effective(struct inquiry *q, const char *interface)
{
	long all = conf(q, "all", "rp_filter"), own = conf(q, interface, "rp_filter");

	return all < 0 || own < 0 ? -1 : all > own ? all : own;
}

enum way_back { BACK_FINE, BACK_NONE, BACK_ELSEWHERE };

static enum way_back way_back(
	struct inquiry *q, const struct plan_uplink *u, const struct plan_map *m)
{
	struct ip_addr clients[INQUIRY_CLIENTS];
	size_t n = inquiry_clients(m, IP_V4, clients), none = 0, elsewhere = 0;

	for (size_t i = 0; i < n; i++) {
		struct packet p = {.family = IP_V4,
			.known = PKT_SADDR | PKT_DADDR | PKT_IIF | PKT_OIF,
			.saddr = m->map->to,
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
		return BACK_FINE;
	return none == n ? BACK_NONE : elsewhere == n ? BACK_ELSEWHERE : BACK_FINE;
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
	char buf[IP_STRLEN];

	f->advice =
		"any metric will do; add the same default route to the network configuration, so "
		"that it is there after a restart";
	if (!u)
		return;
	if (u->nexthop[0].gateway.family == IP_NONE)
		finding_remedy(q, f, "ip route add default dev %s metric %d",
			u->nexthop[0].interface, REMEDY_METRIC);
	else
		finding_remedy(q, f, "ip route add default via %s%s dev %s metric %d",
			u->nexthop[0].gateway.family == IP_V6 ? "inet6 " : "",
			ip_format(&u->nexthop[0].gateway, buf), u->nexthop[0].interface,
			REMEDY_METRIC);
}

static struct finding *add(
	struct inquiry *q, const char *id, uint8_t pitfall, const struct plan_uplink *u, long rp)
{
	struct finding *f = finding_add(q, id, pitfall, DIAG_ERROR, true);
	const char *interface = u->uplink->interface;

	f->evidence = arena_printf(q->arena,
		"net.ipv4.conf.%s.rp_filter will be %ld, net.ipv4.conf.all.rp_filter is %ld, so "
		"%ld is "
		"in effect",
		interface, conf(q, interface, "rp_filter"), conf(q, "all", "rp_filter"), rp);
	f->uplink = u;
	return f;
}

static void add_finding(struct inquiry *q, const struct plan_uplink *u, enum way_back back, long rp)
{
	struct finding *f;

	if (back == BACK_NONE) {
		f = add(q, "no-default-route", 18, u, rp);
		f->title = arena_printf(q->arena,
			"without a default route in main, the kernel drops all that comes in by "
			"uplink "
			"'%s'",
			u->uplink->name);
		f->evidence = arena_printf(q->arena,
			"%s; and no rule leads an unmarked packet to a client", f->evidence);
		remedy_default(q, f);
	} else {
		f = add(q, "strict-rp-filter", 17, u, rp);
		f->title = arena_printf(q->arena,
			"strict rp_filter drops all that comes in by uplink '%s'", u->uplink->name);
		f->evidence = arena_printf(q->arena,
			"%s; and the way back to a client is by another interface", f->evidence);
		finding_remedy(q, f, "sysctl -w %s=2",
			netstate_conf_key(q->arena, IP_V4, u->uplink->interface, "rp_filter"));
	}
	f->consequence = "requests are dropped right after they came in, and nothing says so";
	VEC_EACH (&q->plan->maps, struct plan_map, m) {
		VEC_EACH (&m->uplinks, struct plan_uplink *, it) {
			if (*it == u && m->map->to.family == IP_V4 && inquiry_is_served(m, u))
				vec_push(q->arena, &f->maps, m);
		}
	}
}

static const struct plan_map *first_map(const struct plan *p, const struct plan_uplink *u)
{
	VEC_EACH (&p->maps, struct plan_map, m) {
		VEC_EACH (&m->uplinks, struct plan_uplink *, it) {
			if (*it == u && m->map->to.family == IP_V4 && inquiry_is_served(m, u))
				return m;
		}
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
	if (!knows_rules(q->seen))
		return;
	VEC_EACH (&q->plan->uplinks, struct plan_uplink, u) {
		const struct plan_map *m = first_map(q->plan, u);
		long rp = effective(q, u->uplink->interface);
		enum way_back back;

		if (!m || rp < 1)
			continue;
		back = way_back(q, u, m);
		if (back == BACK_NONE || (back == BACK_ELSEWHERE && rp == 1))
			add_finding(q, u, back, rp);
	}
}
