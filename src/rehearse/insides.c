/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settle inside networks: where the backends are. */
#include "rehearse/topology_parts.h"

#include <stdlib.h>

/* More invented networks than this share the last one's interface. */
#define MAX_INVENTED_INSIDES 16u

static bool is_uplink_interface(const struct topology *t, const char *interface)
{
	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		if (strcmp(u->uplink->interface, interface) == 0)
			return true;
	return false;
}

static bool is_gateway_itself(const struct topology *t, const struct ip_addr *addr)
{
	if (ip_is_loopback(addr))
		return true;
	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		VEC_EACH (&u->addrs, struct topo_address, x)
			if (ip_equal(&x->addr, addr))
				return true;
	if (t->live)
		VEC_EACH (&t->live->addrs, struct net_addr, x)
			if (ip_equal(&x->addr, addr))
				return true;
	return false;
}

/* What the live main table says about @addr: the next hop, or NULL. */
static const struct net_nexthop *live_towards(const struct topology *t, const struct ip_addr *addr)
{
	const struct net_route *r = t->live ? netstate_route(t->live, TABLE_MAIN, addr) : NULL;

	if (!r || r->type != ROUTE_UNICAST)
		return NULL;
	VEC_EACH (&r->nexthops, struct net_nexthop, n)
		if (n->interface && !(r->dst.len == 0 && is_uplink_interface(t, n->interface)))
			return n;
	return NULL;
}

static struct topo_inside *inside_by_interface(
	struct arena *a, struct topology *t, const char *interface)
{
	struct topo_inside *in;

	VEC_EACH (&t->insides, struct topo_inside, have)
		if (strcmp(have->interface, interface) == 0)
			return have;
	in = vec_add(a, &t->insides);
	in->interface = arena_strdup(a, interface);
	return in;
}

static struct topo_prefix *prefix_of(
	struct topology *t, const struct ip_addr *addr, struct topo_inside **inside)
{
	VEC_EACH (&t->insides, struct topo_inside, in)
		VEC_EACH (&in->prefixes, struct topo_prefix, p) {
			struct ip_prefix net = ip_prefix_of(&p->gateway, p->len);

			if (ip_in_prefix(addr, &net)) {
				*inside = in;
				return p;
			}
		}
	return NULL;
}

/* The inside network by which this machine reaches @addr. */
static void note_live_inside(struct arena *a, struct topology *t, const struct ip_addr *addr,
	const struct net_nexthop *n)
{
	struct topo_inside *in = inside_by_interface(a, t, n->interface);
	const struct ip_addr *towards = n->gateway.family == addr->family ? &n->gateway : addr;

	in->live = true;
	VEC_EACH (&t->live->addrs, struct net_addr, x) {
		struct ip_prefix net = ip_prefix_of(&x->addr, x->prefix_len);
		bool known = false;

		if (strcmp(x->interface, n->interface) != 0 || !ip_in_prefix(towards, &net))
			continue;
		VEC_EACH (&in->prefixes, struct topo_prefix, p)
			known = known || ip_equal(&p->gateway, &x->addr);
		if (!known)
			vec_push(a, &in->prefixes,
				((struct topo_prefix){.gateway = x->addr, .len = x->prefix_len}));
		return;
	}
}

/* The usual network around a backend, made smaller where an uplink would lie in it. */
static uint8_t invented_length(const struct topology *t, const struct ip_addr *addr)
{
	uint8_t len = topo_usual_length(addr->family), last = (uint8_t)(topo_full_length(addr) - 2);

	for (; len < last; len++) {
		struct ip_prefix net = ip_prefix_of(addr, len);
		bool clear = true;

		VEC_EACH (&t->uplinks, struct topo_uplink, u) {
			clear = clear &&
				!ip_in_prefix(&u->gateway[topo_family(addr->family)], &net);
			VEC_EACH (&u->addrs, struct topo_address, x)
				clear = clear && !ip_in_prefix(&x->addr, &net);
		}
		if (clear)
			break;
	}
	return len;
}

/* Backends of all maps, sorted, to look addresses up in. */
struct wanted {
	struct ip_addr addr;
	size_t order;
};

static int by_address(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	int diff = ip_cmp(&x->addr, &y->addr);

	return diff ? diff : (x->order > y->order) - (x->order < y->order);
}

static int by_order(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

static bool is_wanted(const struct wanted *sorted, size_t n, const struct ip_addr *addr)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = ip_cmp(&sorted[mid].addr, addr);

		if (diff == 0)
			return true;
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static struct topo_inside *new_inside(struct arena *a, struct topology *t)
{
	for (unsigned int i = 0;; i++) {
		char *name = arena_printf(a, "lan%u", i);
		bool taken =
			is_uplink_interface(t, name) || (t->live && netstate_link(t->live, name));

		VEC_EACH (&t->insides, struct topo_inside, in)
			taken = taken || strcmp(in->interface, name) == 0;
		if (!taken)
			return inside_by_interface(a, t, name);
	}
}

/* The gateway's address in an invented network: what a map's SNAT names, else one that is free. */
static struct ip_addr invented_gateway(
	const struct model *m, const struct wanted *sorted, size_t n, const struct ip_prefix *net)
{
	struct ip_addr out = topo_host_in(&net->addr, net->len, 1);

	VEC_EACH (&m->maps, struct map, map)
		VEC_EACH (&map->snat, struct located_addr, s)
			if (map->enabled && ip_in_prefix(&s->addr, net) &&
				!is_wanted(sorted, n, &s->addr))
				return s->addr;
	/* .1, else from .254 down; what lies outside of a small network is passed over */
	for (unsigned int host = 255; host > 1; host--) {
		out = topo_host_in(&net->addr, net->len, host == 255 ? 1 : host);
		if (ip_in_prefix(&out, net) && !is_wanted(sorted, n, &out))
			break;
	}
	return out;
}

static void add_snat_addresses(struct arena *a, struct topology *t, const struct model *m)
{
	const struct located_addr *last = NULL; /* of the list seen before: maps often repeat it */

	VEC_EACH (&m->maps, struct map, map) {
		struct topo_inside *in = NULL;

		if (!map->enabled || map->snat.len == 0)
			continue;
		if (last && ip_equal(&last->addr, &map->snat.items[0].addr) && map->snat.len == 1)
			continue;
		last = map->snat.items;
		if (!prefix_of(t, &map->backends.items[0].addr, &in) || in->live)
			continue;
		VEC_EACH (&map->snat, struct located_addr, s) {
			bool known = false;

			VEC_EACH (&in->prefixes, struct topo_prefix, p)
				known = known || ip_equal(&p->gateway, &s->addr);
			VEC_EACH (&in->extra, struct ip_addr, x)
				known = known || ip_equal(x, &s->addr);
			if (!known)
				vec_push(a, &in->extra, s->addr);
		}
	}
}

/* Every backend of an enabled map gets a network at the gateway, whether it is tried or not: the plan
 * wants a route to each. */
void topo_settle_insides(struct arena *a, struct topology *t, const struct model *m, bool as_is)
{
	size_t n = 0, n_nets = 0, backends = 0;
	struct wanted *sorted, *nets;

	VEC_EACH (&m->maps, struct map, map)
		backends += map->backends.len;
	sorted = arena_alloc(a, (backends + 1) * sizeof(*sorted));
	VEC_EACH (&m->maps, struct map, map)
		VEC_EACH (&map->backends, struct backend, b)
			if (map->enabled)
				sorted[n] = (struct wanted){b->addr, n}, n++;
	qsort(sorted, n, sizeof(*sorted), by_address);
	nets = arena_alloc(a, (n + 1) * sizeof(*nets));
	for (size_t i = 0; i < n; i++) {
		const struct ip_addr *addr = &sorted[i].addr;
		const struct net_nexthop *live;
		struct ip_prefix net;

		if ((i > 0 && ip_equal(addr, &sorted[i - 1].addr)) || is_gateway_itself(t, addr))
			continue;
		live = live_towards(t, addr);
		if (live) {
			note_live_inside(a, t, addr, live);
			continue;
		}
		if (as_is)
			continue; /* this machine has no way to it: the plan is to say so */
		/* Sorted, so those of one network follow each other. */
		net = ip_prefix_of(addr, invented_length(t, addr));
		if (n_nets && ip_in_prefix(&nets[n_nets - 1].addr, &net)) {
			if (sorted[i].order < nets[n_nets - 1].order)
				nets[n_nets - 1].order = sorted[i].order;
			continue;
		}
		nets[n_nets++] = sorted[i];
	}
	qsort(nets, n_nets, sizeof(*nets), by_order);
	for (size_t i = 0; i < n_nets; i++) {
		uint8_t len = invented_length(t, &nets[i].addr);
		struct ip_prefix net = ip_prefix_of(&nets[i].addr, len);
		struct topo_inside *in = i < MAX_INVENTED_INSIDES
						 ? new_inside(a, t)
						 : &t->insides.items[t->insides.len - 1];

		vec_push(a, &in->prefixes,
			((struct topo_prefix){invented_gateway(m, sorted, n, &net), len}));
	}
	add_snat_addresses(a, t, m);
}

unsigned int topology_backend(
	struct arena *a, struct topology *t, const struct map *m, const struct ip_addr *addr)
{
	const struct net_nexthop *live;
	struct topo_inside *in = NULL;
	const struct topo_prefix *p;
	struct topo_backend *b;

	VEC_EACH (&t->backends, struct topo_backend, have)
		if (ip_equal(&have->addr, addr)) {
			have->direct = have->direct || m->return_mode == RETURN_DIRECT;
			return (unsigned int)(have - t->backends.items);
		}
	b = vec_add(a, &t->backends);
	b->addr = *addr;
	b->inside = NO_INSIDE;
	b->direct = m->return_mode == RETURN_DIRECT;
	if (is_gateway_itself(t, addr))
		return (unsigned int)t->backends.len - 1;
	live = live_towards(t, addr);
	if (live && live->gateway.family == addr->family)
		b->via = live->gateway;
	p = prefix_of(t, b->via.family ? &b->via : addr, &in);
	if (p) {
		in->used = true;
		b->inside = (unsigned int)(in - t->insides.items);
		b->prefix_len = p->len;
		b->gateway = p->gateway;
	}
	return (unsigned int)t->backends.len - 1;
}
