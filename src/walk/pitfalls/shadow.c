/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds maps that take a port from a service of the gateway itself (pitfall 60). */
#include <string.h>

#include "walk/pitfalls/inquiry.h"

/* Would the socket get what comes in on @u for @addr? */
static bool listens_on(
	const struct net_listener *s, const struct plan_uplink *u, const struct ip_addr *addr)
{
	if (s->interface && strcmp(s->interface, u->uplink->interface) != 0)
		return false;
	if (!ip_is_unspecified(&s->addr))
		return ip_equal(&s->addr, addr);
	return s->addr.family == addr->family || (s->addr.family == IP_V6 && !s->v6_only);
}

static bool is_on(const struct map *m, const struct plan_uplink *u, const struct ip_addr *addr)
{
	if (m->on.len == 0)
		return true;
	VEC_EACH (&m->on, struct map_on, on) {
		if (on->uplink == u->uplink &&
			(on->addr.family == IP_NONE || ip_equal(&on->addr, addr)))
			return true;
	}
	return false;
}

/* The first uplink on which the map takes the port, or NULL. */
static const struct plan_uplink *takes(const struct plan_map *m, const struct net_listener *s)
{
	VEC_EACH (&m->uplinks, struct plan_uplink *, u) {
		VEC_EACH (&(*u)->addrs, struct ip_addr, addr) {
			if (addr->family == map_family(m->map) && is_on(m->map, *u, addr) &&
				listens_on(s, *u, addr))
				return *u;
		}
	}
	return NULL;
}

static const char *socket_text(struct inquiry *q, const struct net_listener *s)
{
	bool v6 = s->addr.family == IP_V6;
	char buf[IP_STRLEN];

	return arena_printf(q->arena, "%s listens on %s%s%s:%u/%s%s%s",
		s->process ? s->process : "a process", v6 ? "[" : "", ip_format(&s->addr, buf),
		v6 ? "]" : "", s->port, ip_proto_name(s->proto), s->interface ? " on " : "",
		s->interface ? s->interface : "");
}

static void add(struct inquiry *q, const struct plan_map *m, const struct plan_uplink *u,
	const struct net_listener *s)
{
	struct finding *f = finding_add(q, "shadowed-service", 60, DIAG_WARNING, false);

	f->title = arena_printf(q->arena, "map '%s' takes %u/%s from the gateway's own %s",
		m->map->name, s->port, ip_proto_name(s->proto),
		s->process ? s->process : "service");
	f->evidence = socket_text(q, s);
	f->consequence = arena_printf(q->arena,
		"from outside, on uplink '%s', the gateway's own service cannot be reached any "
		"more: the "
		"map's backend answers instead",
		u->uplink->name);
	f->advice = "choose another port, or keep one address for the gateway with `on:`";
	vec_push(q->arena, &f->maps, m);
	f->uplink = u;
}

void pitfall_shadow(struct inquiry *q)
{
	VEC_EACH (&q->seen->listeners, struct net_listener, s) {
		VEC_EACH (&q->plan->maps, struct plan_map, m) {
			const struct plan_uplink *u = NULL;
			bool port = false;

			if (m->backend != m->map->backends.items)
				continue; /* its map was looked at */
			VEC_EACH (&m->map->listens, struct listen, l)
				port = port || (l->proto == s->proto && s->port >= l->first &&
						       s->port <= l->last);
			if (port)
				u = takes(m, s);
			if (u)
				add(q, m, u, s);
		}
	}
}
