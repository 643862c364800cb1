/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes and cables of a topology that is settled. */
#include "rehearse/topology.h"

static unsigned int add_node(
	struct arena *a, struct topology *t, enum node_role role, const char *name)
{
	vec_push(a, &t->nodes, ((struct topo_node){role, name}));
	return (unsigned int)t->nodes.len - 1;
}

static struct topo_cable *add_cable(struct arena *a, struct topology *t, unsigned int node,
	const char *name, unsigned int other, const char *other_name)
{
	struct topo_cable *c = vec_add(a, &t->cables);

	c->node[0] = node;
	c->name[0] = name;
	c->node[1] = other;
	c->name[1] = other_name;
	return c;
}

/* How many uplinks and inside networks there are at one interface of the gateway. */
static unsigned int count_at(const struct topology *t, const char *interface)
{
	unsigned int n = 0;

	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		n += strcmp(u->uplink->interface, interface) == 0;
	VEC_EACH (&t->insides, struct topo_inside, in)
		n += in->used && strcmp(in->interface, interface) == 0;
	return n;
}

static unsigned int switch_at(struct arena *a, struct topology *t, const char *interface)
{
	const char *name = arena_printf(a, "switch-%s", interface);
	unsigned int node;

	VEC_EACH (&t->nodes, struct topo_node, n)
		if (strcmp(n->name, name) == 0)
			return (unsigned int)(n - t->nodes.items);
	node = add_node(a, t, NODE_SWITCH, name);
	add_cable(a, t, TOPO_GATEWAY, interface, node, "gateway");
	return node;
}

/* Plug @node into an interface of the gateway, by a switch where it is not the only one. */
static struct topo_cable *plug(struct arena *a, struct topology *t, const char *interface,
	unsigned int node, const char *name)
{
	if (count_at(t, interface) > 1)
		return add_cable(a, t, switch_at(a, t, interface), arena_printf(a, "port%u", node),
			node, name);
	return add_cable(a, t, TOPO_GATEWAY, interface, node, name);
}

/* From the world to somebody, with hardware addresses that each end knows of the other. */
static void add_transit(struct arena *a, struct topology *t, const char *world_end,
	unsigned int node, const char *name)
{
	struct topo_cable *c = add_cable(a, t, TOPO_WORLD, world_end, node, name);

	c->mac[0] = TRANSIT_WORLD_MAC;
	c->mac[1] = TRANSIT_MAC;
}

static void wire_uplink(struct arena *a, struct topology *t, struct topo_uplink *u)
{
	unsigned int i = (unsigned int)(u - t->uplinks.items);
	struct topo_cable *c;

	u->node = add_node(a, t, NODE_ISP,
		arena_printf(a, "%s-%s", u->modem ? "modem" : "isp", u->uplink->name));
	u->wan = "customer";
	c = plug(a, t, u->uplink->interface, u->node, u->wan);
	/* A line without next hop has no one to ask for a neighbour's address. */
	if ((u->onlink[0] || u->onlink[1]) && c->node[0] == TOPO_GATEWAY)
		c->no_arp = true;
	if (c->no_arp)
		c->mac[0] = c->mac[1] =
			arena_printf(a, "02:00:00:01:%02x:%02x", i >> 8 & 255, i & 255);
	add_transit(a, t, arena_printf(a, "isp%u", i), u->node, "internet");
}

static void wire_inside(struct arena *a, struct topology *t, struct topo_inside *in)
{
	unsigned int i = (unsigned int)(in - t->insides.items);
	const char *name =
		t->insides.len == 1 ? "backends" : arena_printf(a, "backends-%s", in->interface);

	in->node = add_node(a, t, NODE_BACKENDS, name);
	in->lan = "lan";
	in->line = "line";
	plug(a, t, in->interface, in->node, in->lan);
	add_transit(a, t, arena_printf(a, "line%u", i), in->node, in->line);
}

static bool has_gateway_end(const struct topology *t, const char *interface)
{
	VEC_EACH (&t->cables, struct topo_cable, c)
		if (c->node[0] == TOPO_GATEWAY && strcmp(c->name[0], interface) == 0)
			return true;
	return false;
}

/* An interface of the gateway that only has to be there. */
static void wire_void(struct arena *a, struct topology *t, const char *interface)
{
	unsigned int i = (unsigned int)t->cables.len;

	if (t->nodes.items[t->nodes.len - 1].role != NODE_VOID)
		add_node(a, t, NODE_VOID, "elsewhere");
	add_cable(a, t, TOPO_GATEWAY, interface, (unsigned int)t->nodes.len - 1,
		arena_printf(a, "far%u", i));
}

void topology_wire(struct arena *a, struct topology *t)
{

	add_node(a, t, NODE_GATEWAY, "gateway");
	add_node(a, t, NODE_WORLD, "internet");
	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		wire_uplink(a, t, u);
	VEC_EACH (&t->insides, struct topo_inside, in)
		if (in->used)
			wire_inside(a, t, in);
	VEC_EACH (&t->insides, struct topo_inside, in)
		if (!has_gateway_end(t, in->interface))
			wire_void(a, t, in->interface);
	if (!t->live)
		return;
	VEC_EACH (&t->live->links, struct net_link, l)
		if (!l->loopback && !has_gateway_end(t, l->name))
			wire_void(a, t, l->name);
}
