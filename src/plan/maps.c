/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settle maps: on which uplinks they listen, how backends' replies return, by which interface. */
#include "plan/internal.h"

/* The gateway's address on @interface from which @towards is best reached: one in the same network,
 * else the first that is not link-local. NULL: none. */
static const struct ip_addr *address_towards(
	const struct netstate *seen, const char *interface, const struct ip_addr *towards)
{
	const struct ip_addr *first = NULL;

	VEC_EACH (&seen->addrs, struct net_addr, have) {
		struct ip_prefix net = ip_prefix_of(&have->addr, have->prefix_len);

		if (strcmp(have->interface, interface) != 0 || have->addr.family != towards->family)
			continue;
		if (have->unusable || ip_is_link_local(&have->addr))
			continue;
		if (ip_in_prefix(towards, &net))
			return &have->addr;
		if (!first)
			first = &have->addr;
	}
	return first;
}

static bool is_own_address(const struct netstate *seen, const struct ip_addr *addr)
{
	VEC_EACH (&seen->addrs, struct net_addr, have)
		if (ip_equal(&have->addr, addr))
			return true;
	return false;
}

static const struct net_nexthop *live_nexthop(const struct net_route *r)
{
	VEC_EACH (&r->nexthops, struct net_nexthop, n)
		if (!n->dead && n->interface)
			return n;
	return NULL;
}

/* A map that says nothing listens on every uplink that has its family; all such maps share one list. */
static void settle_everywhere(
	struct plan *p, struct plan_map *pm, const struct plan_map *everywhere, struct diag *d)
{
	const struct map *m = pm->map;

	pm->uplinks = everywhere[family_index(m->to.family)].uplinks;
	if (pm->uplinks.len == 0)
		diag_error(d, m->at, "map '%s': no uplink has an IPv%d address with a gateway",
			m->name, m->to.family);
}

static bool has_address(const struct plan_uplink *u, const struct ip_addr *addr)
{
	VEC_EACH (&u->addrs, struct ip_addr, have)
		if (ip_equal(have, addr))
			return true;
	return false;
}

/* The entry of `on` that names the uplink, or an address that turned out to be the uplink's. */
static const struct map_on *entry_for(const struct map *m, const struct plan_uplink *u)
{
	VEC_EACH (&m->on, const struct map_on, on) {
		if (on->uplink ? on->uplink == u->uplink : has_address(u, &on->addr))
			return on;
	}
	return NULL;
}

static void settle_on(struct arena *a, struct plan *p, struct plan_map *pm, struct diag *d)
{
	const struct map *m = pm->map;

	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		const struct map_on *on = entry_for(m, u);

		if (!on)
			continue;
		if (u->up[family_index(m->to.family)]) {
			vec_push(a, &pm->uplinks, u);
			continue;
		}
		diag_error(d, on->at, "map '%s': uplink '%s' has no IPv%d address with a gateway",
			m->name, u->uplink->name, m->to.family);
		diag_hint(d,
			"name that gateway in uplinks.%s.gateway, or take the uplink out of `on`",
			u->uplink->name);
	}
	VEC_EACH (&m->on, struct map_on, on) {
		char text[IP_STRLEN];
		bool found = on->uplink != NULL;

		VEC_EACH (&p->uplinks, struct plan_uplink, u)
			found = found || has_address(u, &on->addr);
		if (!found)
			diag_error(d, on->at, "map '%s': %s is not an address of any uplink",
				m->name, ip_format(&on->addr, text));
	}
}

/* The route to the backend, as the main table has it (the replies' tables are ours). */
static const struct net_nexthop *settle_interface(
	struct plan *p, struct plan_map *pm, struct diag *d)
{
	const struct map *m = pm->map;
	const struct net_route *r = netstate_route(p->seen, TABLE_MAIN, &m->to);
	const struct net_nexthop *n = r && r->type == ROUTE_UNICAST ? live_nexthop(r) : NULL;
	char text[IP_STRLEN];

	ip_format(&m->to, text);
	if (!n) {
		diag_error(d, m->to_at, "map '%s': there is no route to backend %s", m->name, text);
		diag_hint(d,
			"give the gateway an address in the backend's network, or a route to it");
		return NULL;
	}
	if (r->dst.len == 0 && plan_is_uplink_interface(p, n->interface) && ip_is_private(&m->to)) {
		diag_error(d, m->to_at,
			"map '%s': the only route to backend %s is the default route by %s, an "
			"uplink",
			m->name, text, n->interface);
		diag_hint(d,
			"give the gateway an address in the backend's network, or a route to it");
		return NULL;
	}
	pm->interface = n->interface;
	return n;
}

static void settle_return(struct arena *a, struct plan *p, struct plan_map *pm,
	const struct net_nexthop *n, struct diag *d)
{
	const struct map *m = pm->map;
	const struct ip_addr *towards = n->gateway.family == m->to.family ? &n->gateway : &m->to;
	const struct ip_addr *own = address_towards(p->seen, pm->interface, towards);
	char text[IP_STRLEN];

	if (own)
		pm->hairpin = *own;
	VEC_EACH (&m->snat, struct located_addr, s) {
		if (!is_own_address(p->seen, &s->addr)) {
			diag_warning(d, s->at,
				"map '%s': %s is no address of this gateway; replies to it come "
				"here only if the backend's network routes it here",
				m->name, ip_format(&s->addr, text));
			diag_hint(d, "ip address add %s dev %s", text, pm->interface);
		}
		vec_push(a, &pm->snat, s->addr);
	}
	switch (m->return_mode) {
	case RETURN_DIRECT:
		pm->return_mode = RETURN_DIRECT;
		pm->reason = "the file says so";
		if (!own) {
			diag_error(d, m->to_at,
				"map '%s': the gateway has no IPv%d address on %s, towards backend "
				"%s",
				m->name, m->to.family, pm->interface, ip_format(&m->to, text));
			diag_hint(d, "clients beside the backend need one");
		}
		return;
	case RETURN_SNAT:
		pm->reason = "the file says so";
		break;
	case RETURN_AUTO:
		pm->reason = "auto: whether this backend's replies come back through the gateway "
			     "is not known";
		break;
	}
	pm->return_mode = RETURN_SNAT;
	if (pm->snat.len)
		return;
	if (!own) {
		diag_error(d, m->to_at,
			"map '%s': the gateway has no IPv%d address on %s to speak to backend %s "
			"from",
			m->name, m->to.family, pm->interface, ip_format(&m->to, text));
		diag_hint(d, "give %s an address, or say: return: {snat: ADDRESS}", pm->interface);
		return;
	}
	/* Shares the memory: there may be many maps, and nearly all are like this. */
	pm->snat.items = &pm->hairpin;
	pm->snat.len = pm->snat.cap = 1;
}

void plan_settle_maps(struct arena *a, struct plan *p, struct diag *d)
{
	struct plan_map everywhere[2] = {0};

	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		for (unsigned int f = 0; f < 2; f++)
			if (u->up[f])
				vec_push(a, &everywhere[f].uplinks, u);
	/* Room for all at once: entries are pointed into. */
	p->maps.items = arena_alloc(a, p->model->maps.len * sizeof(struct plan_map));
	p->maps.cap = p->model->maps.len;
	VEC_EACH (&p->model->maps, struct map, m) {
		struct plan_map *pm;
		const struct net_nexthop *n;

		if (!m->enabled)
			continue;
		pm = vec_add(a, &p->maps);
		pm->map = m;
		if (m->on.len == 0)
			settle_everywhere(p, pm, everywhere, d);
		else
			settle_on(a, p, pm, d);
		if (is_own_address(p->seen, &m->to)) {
			pm->return_mode = RETURN_DIRECT;
			pm->reason = "the backend is this gateway";
			continue;
		}
		n = settle_interface(p, pm, d);
		if (n)
			settle_return(a, p, pm, n, d);
	}
}
