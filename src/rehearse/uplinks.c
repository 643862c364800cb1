/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settle uplinks: their addresses and routers, from the config, this machine, or invented. */
#include "plan/plan.h"
#include "rehearse/topology_parts.h"

static unsigned int common_bits(const struct ip_addr *a, const struct ip_addr *b)
{
	unsigned int bits = 0;

	while (bits < ip_bits(a->family) &&
		((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & (0x80 >> bits % 8)) == 0)
		bits++;
	return bits;
}

/* ---- this machine ---- */

static bool live_has(const struct netstate *live, const char *interface, const struct ip_addr *addr)
{
	VEC_EACH (&live->addrs, struct net_addr, x)
		if (strcmp(x->interface, interface) == 0 && ip_equal(&x->addr, addr))
			return true;
	return false;
}

static bool live_fits_uplink(const struct netstate *live, const struct uplink *u)
{
	bool any = false;

	if (!netstate_link(live, u->interface))
		return false;
	VEC_EACH (&u->addresses, struct located_addr, x)
		if (!live_has(live, u->interface, &x->addr))
			return false;
	if (u->gateway4.kind == GATEWAY_ADDRESS &&
		!plan_is_beside(live, u->interface, &u->gateway4.addr))
		return false;
	if (u->gateway6.kind == GATEWAY_ADDRESS && !ip_is_link_local(&u->gateway6.addr) &&
		!plan_is_beside(live, u->interface, &u->gateway6.addr))
		return false;
	VEC_EACH (&live->addrs, struct net_addr, x)
		any = any || plan_takes_address(x, u->interface);
	return any;
}

/* Is this machine the gateway that the config is about? An interface named eth0 is not enough. */
bool topo_live_fits(const struct netstate *live, const struct model *m)
{
	VEC_EACH (&m->uplinks, struct uplink, u)
		if (!live_fits_uplink(live, u))
			return false;
	return m->uplinks.len > 0;
}

/* ---- uplinks ---- */

static struct uplink_gateway model_gateway(const struct uplink *u, uint8_t family)
{
	return family == IP_V6 ? u->gateway6 : u->gateway4;
}

/* Does any map that listens on all of @u's addresses lead to a backend of this family? */
static bool family_is_mapped(const struct model *m, const struct uplink *u, uint8_t family)
{
	VEC_EACH (&m->maps, struct map, map) {
		if (!map->enabled || map_family(map) != family)
			continue;
		if (map->on.len == 0)
			return true;
		VEC_EACH (&map->on, struct map_on, on)
			if (on->uplink == u && on->addr.family == IP_NONE)
				return true;
	}
	return false;
}

static void add_address(struct arena *a, struct topo_uplink *u, struct ip_addr addr, uint8_t len)
{
	struct topo_address *x;

	VEC_EACH (&u->addrs, struct topo_address, have)
		if (ip_equal(&have->addr, &addr))
			return;
	x = vec_add(a, &u->addrs);
	x->addr = addr;
	x->prefix_len = len;
}

/* The subnet that puts @addr beside @gateway where that is plausible, else just the address. */
static uint8_t length_towards(const struct ip_addr *addr, const struct ip_addr *gateway)
{
	unsigned int common, least = addr->family == IP_V6 ? 32 : 16;

	if (gateway->family != addr->family || ip_is_link_local(gateway))
		return topo_usual_length(addr->family);
	common = common_bits(addr, gateway);
	if (common >= topo_usual_length(addr->family))
		return topo_usual_length(addr->family);
	return (uint8_t)(common >= least ? common : topo_full_length(addr));
}

/* Another host than @not of @addr's network, that nobody has. */
static struct ip_addr free_host(const struct topology *t, const struct model *m,
	const struct ip_addr *addr, unsigned int first, int step)
{
	struct ip_addr out = topo_host_in(addr, topo_usual_length(addr->family), first);

	for (unsigned int host = first; host > 0 && host < 255; host += (unsigned int)step) {
		out = topo_host_in(addr, topo_usual_length(addr->family), host);
		if (!topo_model_names(m, &out) && !topo_uplinks_have(t, &out))
			break;
	}
	return out;
}

static void invent_address(struct arena *a, struct topology *t, const struct model *m,
	struct topo_uplink *u, uint8_t family)
{
	unsigned int i = (unsigned int)(u - t->uplinks.items);
	struct uplink_gateway g = model_gateway(u->uplink, family);
	bool beside = g.kind == GATEWAY_ADDRESS && !ip_is_link_local(&g.addr);
	struct ip_addr net;

	if (beside)
		net = g.addr;
	else if (family == IP_V6)
		net = topo_v6(0x1000 + i, 0);
	else
		net = i < 256 ? topo_v4(198, 18, i, 0) : topo_v4(11, (i >> 8) & 255, i & 255, 0);
	/* .1 for the first uplink, .2 for the second: so they are easily told apart. */
	net = free_host(t, m, &net, i % 250 + 1, 1);
	add_address(a, u, net,
		g.kind == GATEWAY_ONLINK ? topo_full_length(&net) : topo_usual_length(family));
}

static void settle_gateway(
	struct topology *t, const struct model *m, struct topo_uplink *u, uint8_t family)
{
	struct uplink_gateway g = model_gateway(u->uplink, family);
	const struct net_nexthop *found;
	const struct net_link *link;
	unsigned int f = topo_family(family);

	switch (g.kind) {
	case GATEWAY_ADDRESS:
		u->gateway[f] = g.addr;
		return;
	case GATEWAY_ONLINK:
		u->onlink[f] = true;
		return;
	case GATEWAY_AUTO:
	case GATEWAY_NONE:
		break;
	}
	if (u->live) {
		found = plan_default_by(t->live, u->uplink->interface, family);
		link = netstate_link(t->live, u->uplink->interface);
		if (found && found->gateway.family == family)
			u->gateway[f] = found->gateway;
		else
			u->onlink[f] = found || (link && link->point_to_point);
		return;
	}
	VEC_EACH (&u->addrs, struct topo_address, x)
		if (x->addr.family == family) {
			u->gateway[f] = family == IP_V6 ? topo_parse("fe80::1")
							: free_host(t, m, &x->addr, 254, -1);
			return;
		}
}

static void settle_addresses(
	struct arena *a, struct topology *t, const struct model *m, struct topo_uplink *u)
{
	const struct netstate *live = u->live ? t->live : NULL;
	const struct uplink *file = u->uplink;

	VEC_EACH (&file->addresses, struct located_addr, x) {
		struct uplink_gateway g = model_gateway(file, x->addr.family);
		uint8_t len = length_towards(&x->addr, &g.addr);

		if (g.kind == GATEWAY_ONLINK)
			len = topo_full_length(&x->addr);
		if (live)
			VEC_EACH (&live->addrs, struct net_addr, have)
				if (strcmp(have->interface, file->interface) == 0 &&
					ip_equal(&have->addr, &x->addr))
					len = have->prefix_len;
		add_address(a, u, x->addr, len);
	}
	if (file->addresses.len)
		return;
	if (live) {
		VEC_EACH (&live->addrs, struct net_addr, x)
			if (plan_takes_address(x, file->interface))
				add_address(a, u, x->addr, x->prefix_len);
		return;
	}
	for (uint8_t family = IP_V4; family <= IP_V6; family += IP_V6 - IP_V4) {
		struct uplink_gateway g = model_gateway(file, family);

		if (family_is_mapped(m, file, family) || g.kind == GATEWAY_ADDRESS ||
			g.kind == GATEWAY_ONLINK)
			invent_address(a, t, m, u, family);
	}
}

/* `on` may name an address that no uplink claims in the file: give it to the likeliest one. */
static void place_on_addresses(struct arena *a, struct topology *t, const struct model *m)
{
	VEC_EACH (&m->maps, struct map, map)
		VEC_EACH (&map->on, struct map_on, on) {
			struct topo_uplink *owner = NULL;

			if (on->addr.family == IP_NONE || !map->enabled ||
				topo_uplinks_have(t, &on->addr))
				continue;
			VEC_EACH (&t->uplinks, struct topo_uplink, u) {
				struct uplink_gateway g = model_gateway(u->uplink, on->addr.family);

				if (u->uplink == on->uplink)
					owner = u;
				if (u->live || u->uplink->addresses.len || owner)
					continue;
				if (g.kind == GATEWAY_ADDRESS &&
					length_towards(&on->addr, &g.addr) <
						topo_full_length(&on->addr))
					owner = u;
			}
			VEC_EACH (&t->uplinks, struct topo_uplink, u)
				if (!owner && !u->live && u->uplink->addresses.len == 0)
					owner = u;
			if (owner)
				add_address(a, owner, on->addr, topo_usual_length(on->addr.family));
		}
}

/* A public address that nobody has. */
static struct ip_addr invent_world(const struct topology *t, const struct model *m, uint8_t family)
{
	struct ip_addr world;

	for (unsigned int i = 1;; i++) {
		world = family == IP_V6 ? topo_v6(0xffff, i)
					: topo_v4(198, 19, i >> 8 & 255, i & 255);
		if (!topo_world_has(t, &world) && !topo_model_names(m, &world))
			return world;
	}
}

/* How the world knows an address: by itself, or by what a modem in front translates it to. */
static void settle_world(struct topology *t, const struct model *m)
{
	VEC_EACH (&t->uplinks, struct topo_uplink, u) {
		bool used[2] = {false, false};

		VEC_EACH (&u->addrs, struct topo_address, x) {
			unsigned int f = topo_family(x->addr.family);
			struct ip_addr world = x->addr;

			VEC_EACH (&u->uplink->publics, struct located_addr, p)
				if (p->addr.family == x->addr.family && !used[f])
					world = p->addr;
			used[f] = true;
			if (ip_is_private(&world) || topo_world_has(t, &world))
				world = invent_world(t, m, x->addr.family);
			u->modem = u->modem || !ip_equal(&world, &x->addr);
			x->world = world;
		}
	}
}

void topo_settle_uplinks(struct arena *a, struct topology *t, const struct model *m)
{
	VEC_EACH (&m->uplinks, struct uplink, file) {
		struct topo_uplink *u = vec_add(a, &t->uplinks);

		u->uplink = file;
		u->live = t->live && netstate_link(t->live, file->interface);
	}
	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		settle_addresses(a, t, m, u);
	place_on_addresses(a, t, m);
	VEC_EACH (&t->uplinks, struct topo_uplink, u) {
		settle_gateway(t, m, u, IP_V4);
		settle_gateway(t, m, u, IP_V6);
	}
	settle_world(t, m);
}
