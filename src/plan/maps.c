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

	pm->uplinks = everywhere[family_index(map_family(m))].uplinks;
	if (pm->uplinks.len == 0)
		diag_add(d, plan_missing(p), m->at,
			"map '%s': no uplink has an IPv%d address with a gateway", m->name,
			map_family(m));
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
		if (u->up[family_index(map_family(m))]) {
			vec_push(a, &pm->uplinks, u);
			continue;
		}
		diag_add(d, plan_missing(p), on->at,
			"map '%s': uplink '%s' has no IPv%d address with a gateway", m->name,
			u->uplink->name, map_family(m));
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
			diag_add(d, plan_missing(p), on->at,
				"map '%s': %s is not an address of any uplink", m->name,
				ip_format(&on->addr, text));
	}
}

/*
 * There is no way to the backend. One that runs on waits for it: an interface that is switched off has
 * lost its routes, but has its addresses, and is where the backend will be again.
 */
static const struct net_nexthop *settle_missing(
	struct arena *a, struct plan *p, struct plan_map *pm)
{
	const struct ip_addr *to = &pm->backend->addr;
	struct net_nexthop *n;

	VEC_EACH (&p->seen->addrs, struct net_addr, have) {
		if (!p->running || plan_is_uplink_interface(p, have->interface) ||
			!plan_is_beside(p->seen, have->interface, to))
			continue;
		n = arena_new_of(a, struct net_nexthop);
		n->interface = pm->interface = have->interface;
		return n;
	}
	pm->return_mode = RETURN_DIRECT;
	pm->reason = "there is no route to the backend";
	return NULL;
}

/* The route to the backend, as the main table has it (the replies' tables are ours). */
static const struct net_nexthop *settle_interface(
	struct arena *a, struct plan *p, struct plan_map *pm, struct diag *d)
{
	const struct map *m = pm->map;
	const struct net_route *r = netstate_route(p->seen, TABLE_MAIN, &pm->backend->addr);
	const struct net_nexthop *n = r && r->type == ROUTE_UNICAST ? live_nexthop(r) : NULL;
	char text[IP_STRLEN];

	ip_format(&pm->backend->addr, text);
	if (!n) {
		diag_add(d, plan_missing(p), pm->backend->at,
			"map '%s': there is no route to backend %s", m->name, text);
		diag_hint(d,
			"give the gateway an address in the backend's network, or a route to it");
		return settle_missing(a, p, pm);
	}
	if (r->dst.len == 0 && plan_is_uplink_interface(p, n->interface) &&
		ip_is_private(&pm->backend->addr)) {
		diag_add(d, plan_missing(p), pm->backend->at,
			"map '%s': the only route to backend %s is the default route by %s, an "
			"uplink",
			m->name, text, n->interface);
		diag_hint(d,
			"give the gateway an address in the backend's network, or a route to it");
		return settle_missing(a, p, pm);
	}
	pm->interface = n->interface;
	return n;
}

/* Direct or not, and why. */
static void settle_mode(struct arena *a, struct plan_map *pm, const struct plan_learned *learned)
{
	const struct memory_return *r;

	pm->return_mode = pm->map->return_mode;
	pm->reason = "the file says so";
	if (pm->return_mode != RETURN_AUTO)
		return;
	r = plan_learned_return(learned, &pm->backend->addr);
	if (!r) {
		pm->return_mode = RETURN_SNAT;
		pm->reason = "auto: whether this backend's replies come back through the gateway "
			     "is not known";
		return;
	}
	pm->return_mode = r->mode;
	pm->reason = arena_printf(a, "auto: %s", r->reason);
	learned->used[r - learned->learned->returns.items] = true;
}

static void settle_return(struct arena *a, struct plan *p, struct plan_map *pm,
	const struct net_nexthop *n, const struct plan_learned *learned, struct diag *d)
{
	const struct map *m = pm->map;
	const struct ip_addr *towards =
		n->gateway.family == map_family(m) ? &n->gateway : &pm->backend->addr;
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
	settle_mode(a, pm, learned);
	switch (pm->return_mode) {
	case RETURN_DIRECT:
		if (!own) {
			diag_add(d, plan_missing(p), pm->backend->at,
				"map '%s': the gateway has no IPv%d address on %s, towards backend "
				"%s",
				m->name, map_family(m), pm->interface,
				ip_format(&pm->backend->addr, text));
			diag_hint(d, "clients beside the backend need one");
			pm->interface = NULL; /* there is nothing to hide them behind */
		}
		return;
	case RETURN_SNAT:
	case RETURN_AUTO:
		break;
	}
	if (pm->snat.len)
		return;
	if (!own) {
		diag_add(d, plan_missing(p), pm->backend->at,
			"map '%s': the gateway has no IPv%d address on %s to speak to backend %s "
			"from",
			m->name, map_family(m), pm->interface, ip_format(&pm->backend->addr, text));
		diag_hint(d, "give %s an address, or say: return: {snat: ADDRESS}", pm->interface);
		pm->return_mode = RETURN_DIRECT;
		pm->reason = "the gateway has no address to speak to the backend from";
		pm->interface = NULL;
		return;
	}
	/* Shares the memory: there may be many maps, and nearly all are like this. */
	pm->snat.items = &pm->hairpin;
	pm->snat.len = pm->snat.cap = 1;
}

/* One backend of a map. */
static void settle_backend(struct arena *a, struct plan *p, struct plan_map *pm,
	const struct plan_learned *learned, struct diag *d)
{
	const struct memory_down *down =
		pm->map->checks.len ? plan_learned_down(learned, pm->map, pm->backend) : NULL;
	const struct net_nexthop *n;

	if (down) {
		pm->down = true;
		vec_push(a, &p->memory.learned.downs, *down);
	}
	if (is_own_address(p->seen, &pm->backend->addr)) {
		pm->return_mode = RETURN_DIRECT;
		pm->reason = "the backend is this gateway";
		return;
	}
	n = settle_interface(a, p, pm, d);
	if (n)
		settle_return(a, p, pm, n, learned, d);
}

static size_t count_backends(const struct model *m)
{
	size_t n = 0;

	VEC_EACH (&m->maps, struct map, map)
		n += map->enabled ? map->backends.len : 0;
	return n;
}

void plan_settle_maps(struct arena *a, struct plan *p, const struct memory *memory, struct diag *d)
{
	struct plan_map everywhere[2] = {0};
	struct plan_learned learned;

	plan_learned_index(a, &memory->learned, &learned);
	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		for (unsigned int f = 0; f < 2; f++)
			if (u->up[f])
				vec_push(a, &everywhere[f].uplinks, u);
	/* Room for all at once: entries are pointed into. */
	p->maps.cap = count_backends(p->model);
	p->maps.items = arena_alloc(a, p->maps.cap * sizeof(struct plan_map));
	VEC_EACH (&p->model->maps, struct map, m) {
		struct plan_map all = {.map = m};

		if (!m->enabled)
			continue;
		if (m->on.len == 0)
			settle_everywhere(p, &all, everywhere, d);
		else
			settle_on(a, p, &all, d);
		VEC_EACH (&m->backends, struct backend, b) {
			struct plan_map *pm = vec_add(a, &p->maps);

			*pm = all;
			pm->backend = b;
			settle_backend(a, p, pm, &learned, d);
		}
	}
	for (size_t i = 0; i < memory->learned.returns.len; i++)
		if (learned.used[i])
			vec_push(a, &p->memory.learned.returns, memory->learned.returns.items[i]);
}
