/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How to build a topology: the lines that ip(8) and nft(8) get for each node. */
#include "rehearse/topology.h"

/* Table of a backend node whose default route is by the gateway; one per network. */
#define DIRECT_TABLE 100u

static void print_addr(
	struct strbuf *out, const struct ip_addr *addr, uint8_t len, const char *interface)
{
	char text[IP_STRLEN];

	/* Duplicate address detection would take a second, and there are no duplicates. */
	strbuf_addf(out, "address add %s/%u dev %s%s\n", ip_format(addr, text), len, interface,
		addr->family == IP_V6 ? " nodad" : "");
}

static void print_route_to(struct strbuf *out, const struct ip_addr *addr, const char *interface)
{
	char text[IP_STRLEN];

	strbuf_addf(out, "route add %s/%u dev %s\n", ip_format(addr, text), ip_bits(addr->family),
		interface);
}

static const char *any_of(uint8_t family)
{
	return family == IP_V6 ? "::/0" : "0.0.0.0/0";
}

void script_cables(struct strbuf *out, const struct topology *t)
{
	VEC_EACH (&t->cables, struct topo_cable, c) {
		strbuf_addf(out, "link add name %s netns %s", c->name[0],
			t->nodes.items[c->node[0]].name);
		if (c->mac[0])
			strbuf_addf(out, " address %s", c->mac[0]);
		strbuf_addf(out, " type veth peer name %s netns %s", c->name[1],
			t->nodes.items[c->node[1]].name);
		if (c->mac[1])
			strbuf_addf(out, " address %s", c->mac[1]);
		strbuf_add(out, "\n");
	}
}

/* Loopback and this node's ends of all cables. */
static void script_up(struct strbuf *out, const struct topology *t, unsigned int node)
{
	strbuf_add(out, "link set lo up\n");
	VEC_EACH (&t->cables, struct topo_cable, c)
		for (unsigned int end = 0; end < 2; end++)
			if (c->node[end] == node)
				/* Without ARP a frame is sent to the sender's own hardware
				 * address (arp_constructor), which is the other end's too. */
				strbuf_addf(out, "link set %s up%s\n", c->name[end],
					c->no_arp ? " arp off" : "");
}

/* ---- the gateway ---- */

static bool is_beside(const struct topo_uplink *u, const struct ip_addr *addr)
{
	if (ip_is_link_local(addr))
		return true;
	VEC_EACH (&u->addrs, struct topo_address, x) {
		struct ip_prefix net = ip_prefix_of(&x->addr, x->prefix_len);

		if (ip_in_prefix(addr, &net))
			return true;
	}
	return false;
}

/*
 * As an administrator would have it without any policy routing: the first uplink's router is the
 * default; where the config leaves an uplink's router to be found, a default by it, of less weight.
 */
static void gateway_defaults(struct strbuf *out, const struct topology *t, uint8_t family)
{
	unsigned int f = topo_family(family), n = 0;

	VEC_EACH (&t->uplinks, struct topo_uplink, u) {
		const struct uplink_gateway *g = f ? &u->uplink->gateway6 : &u->uplink->gateway4;
		bool to_be_found = g->kind == GATEWAY_AUTO || g->kind == GATEWAY_NONE;
		const char *interface = u->uplink->interface;
		char text[IP_STRLEN];

		if (u->gateway[f].family == IP_NONE && !u->onlink[f])
			continue;
		if (u->gateway[f].family != IP_NONE && !is_beside(u, &u->gateway[f]))
			print_route_to(out, &u->gateway[f], interface);
		if (n == 0 || to_be_found) {
			strbuf_addf(out, "route add %s", any_of(family));
			if (u->gateway[f].family != IP_NONE)
				strbuf_addf(out, " via %s", ip_format(&u->gateway[f], text));
			strbuf_addf(out, " dev %s", interface);
			if (n > 0)
				strbuf_addf(out, " metric %u", 1000 + n);
			strbuf_add(out, "\n");
		}
		n++;
	}
}

static void script_gateway(struct strbuf *out, const struct topology *t)
{
	char to[IP_STRLEN], via[IP_STRLEN];

	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		VEC_EACH (&u->addrs, struct topo_address, x)
			print_addr(out, &x->addr, x->prefix_len, u->uplink->interface);
	VEC_EACH (&t->insides, struct topo_inside, in) {
		VEC_EACH (&in->prefixes, struct topo_prefix, p)
			print_addr(out, &p->gateway, p->len, in->interface);
		VEC_EACH (&in->extra, struct ip_addr, x)
			print_addr(out, x, (uint8_t)ip_bits(x->family), in->interface);
	}
	VEC_EACH (&t->backends, struct topo_backend, b)
		if (b->via.family != IP_NONE && b->inside != NO_INSIDE)
			strbuf_addf(out, "route add %s via %s dev %s\n", ip_format(&b->addr, to),
				ip_format(&b->via, via), t->insides.items[b->inside].interface);
	gateway_defaults(out, t, IP_V4);
	gateway_defaults(out, t, IP_V6);
}

/* ---- the others ---- */

/* One end of a cable between the world and somebody else. */
static void script_transit(
	struct strbuf *out, const struct topology *t, const char *interface, bool world)
{
	const char *mac = world ? TRANSIT_MAC : TRANSIT_WORLD_MAC; /* the other end's */
	char text[IP_STRLEN];

	print_addr(out, &t->transit[world], 32, interface);
	strbuf_addf(out, "neighbour add %s lladdr %s dev %s nud permanent\n",
		ip_format(&t->transit[!world], text), mac, interface);
	if (t->no_v6)
		return;
	strbuf_addf(out, "address add fe80::%d/64 dev %s nodad\n", 1 + world, interface);
	strbuf_addf(out, "neighbour add fe80::%d lladdr %s dev %s nud permanent\n", 2 - world, mac,
		interface);
}

static void script_transit_default(
	struct strbuf *out, const struct topology *t, const char *interface)
{
	char text[IP_STRLEN];

	strbuf_addf(out, "route add default via %s dev %s onlink\n",
		ip_format(&t->transit[1], text), interface);
	if (!t->no_v6)
		strbuf_addf(out, "route add ::/0 via fe80::2 dev %s\n", interface);
}

static void script_world(struct strbuf *out, const struct topology *t)
{
	char text[IP_STRLEN], via[IP_STRLEN];

	VEC_EACH (&t->cables, struct topo_cable, c)
		if (c->node[0] == TOPO_WORLD)
			script_transit(out, t, c->name[0], true);
	VEC_EACH (&t->clients, struct ip_addr, addr)
		if (addr->family == IP_V4 || !t->no_v6)
			print_addr(out, addr, (uint8_t)ip_bits(addr->family), "lo");
	/* An uplink's address is reached by its own ISP only. */
	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		VEC_EACH (&u->addrs, struct topo_address, x) {
			long i = u - t->uplinks.items;

			ip_format(&x->world, text);
			if (x->world.family == IP_V6)
				strbuf_addf(
					out, "route add %s/128 via fe80::1 dev isp%ld\n", text, i);
			else
				strbuf_addf(out, "route add %s/32 via %s dev isp%ld onlink\n", text,
					ip_format(&t->transit[0], via), i);
		}
}

static void script_isp(struct strbuf *out, const struct topology *t, const struct topo_uplink *u)
{
	script_transit(out, t, "internet", false);
	script_transit_default(out, t, "internet");
	for (unsigned int f = 0; f < 2; f++) {
		const struct ip_addr *g = &u->gateway[f];
		uint8_t len = (uint8_t)ip_bits(g->family);

		VEC_EACH (&u->addrs, struct topo_address, x) {
			struct ip_prefix net = ip_prefix_of(&x->addr, x->prefix_len);

			if (ip_in_prefix(g, &net))
				len = x->prefix_len;
		}
		if (g->family != IP_NONE)
			print_addr(out, g, ip_is_link_local(g) ? 64 : len, u->wan);
	}
	VEC_EACH (&u->addrs, struct topo_address, x)
		print_route_to(out, &x->addr, u->wan);
}

/* What comes from the customer must come from one of the uplink's own addresses (RFC 2827). */
static void isp_rules(struct strbuf *out, const struct topo_uplink *u, uint8_t family)
{
	VEC_EACH (&u->addrs, struct topo_address, x) {
		char text[IP_STRLEN];

		if (x->addr.family == family)
			strbuf_addf(out, "rule add pref 10 iif %s from %s lookup main\n", u->wan,
				ip_format(&x->addr, text));
	}
	strbuf_addf(out, "rule add pref 11 iif %s blackhole\n", u->wan);
}

/* Does any backend return directly by this address of the gateway? */
static bool has_direct(const struct topology *t, const struct ip_addr *gateway)
{
	VEC_EACH (&t->backends, struct topo_backend, b)
		if (b->direct && b->inside != NO_INSIDE && ip_equal(&b->gateway, gateway))
			return true;
	return false;
}

static void script_backends(struct strbuf *out, const struct topology *t, unsigned int node)
{
	const struct topo_inside *in = NULL;
	char text[IP_STRLEN];

	VEC_EACH (&t->insides, struct topo_inside, x)
		if (x->used && x->node == node)
			in = x;
	if (!in)
		return;
	script_transit(out, t, in->line, false);
	script_transit_default(out, t, in->line);
	VEC_EACH (&t->backends, struct topo_backend, b)
		if (b->inside == (size_t)(in - t->insides.items)) {
			bool routed = b->via.family != IP_NONE;

			/* Behind an inside router: this node plays that router too. */
			if (routed)
				print_addr(out, &b->via, b->prefix_len, in->lan);
			print_addr(out, &b->addr,
				routed ? (uint8_t)ip_bits(b->addr.family) : b->prefix_len, in->lan);
		}
	VEC_EACH (&in->extra, struct ip_addr, x)
		print_route_to(out, x, in->lan);
	for (size_t i = 0; i < in->prefixes.len; i++) {
		const struct ip_addr *g = &in->prefixes.items[i].gateway;

		if (has_direct(t, g))
			strbuf_addf(out, "route add %s via %s dev %s table %zu\n",
				any_of(g->family), ip_format(g, text), in->lan, DIRECT_TABLE + i);
	}
}

/* Replies of `return: direct` backends take the gateway. */
static void backend_rules(
	struct strbuf *out, const struct topology *t, const struct topo_inside *in, uint8_t family)
{
	char text[IP_STRLEN];

	VEC_EACH (&t->backends, struct topo_backend, b)
		for (size_t i = 0; i < in->prefixes.len; i++)
			if (b->direct && b->inside == (size_t)(in - t->insides.items) &&
				b->addr.family == family &&
				ip_equal(&in->prefixes.items[i].gateway, &b->gateway))
				strbuf_addf(out, "rule add pref 100 from %s lookup %zu\n",
					ip_format(&b->addr, text), DIRECT_TABLE + i);
}

void script_rules(struct strbuf *out, const struct topology *t, unsigned int node, uint8_t family)
{
	if (family == IP_V6 && t->no_v6)
		return;
	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		if (u->node == node)
			isp_rules(out, u, family);
	VEC_EACH (&t->insides, struct topo_inside, in)
		if (in->used && in->node == node)
			backend_rules(out, t, in, family);
}

static void script_switch(struct strbuf *out, const struct topology *t, unsigned int node)
{
	strbuf_add(out, "link add name switch type bridge\nlink set switch up\n");
	VEC_EACH (&t->cables, struct topo_cable, c)
		for (unsigned int end = 0; end < 2; end++)
			if (c->node[end] == node)
				strbuf_addf(out, "link set %s master switch\n", c->name[end]);
}

void script_node(struct strbuf *out, const struct topology *t, unsigned int node)
{
	script_up(out, t, node);
	switch (t->nodes.items[node].role) {
	case NODE_GATEWAY:
		script_gateway(out, t);
		break;
	case NODE_WORLD:
		script_world(out, t);
		break;
	case NODE_ISP:
		VEC_EACH (&t->uplinks, struct topo_uplink, u)
			if (u->node == node)
				script_isp(out, t, u);
		break;
	case NODE_BACKENDS:
		script_backends(out, t, node);
		break;
	case NODE_SWITCH:
		script_switch(out, t, node);
		break;
	case NODE_VOID:
		break;
	}
}

/* ---- translations, stateless: modems see replies to requests they did not see ---- */

static const char *ip_word(uint8_t family)
{
	return family == IP_V6 ? "ip6" : "ip";
}

static void nft_modem(struct strbuf *out, const struct topo_uplink *u)
{
	char inner[IP_STRLEN], outer[IP_STRLEN];

	strbuf_add(out, "table inet modem {\n\tchain from_internet {\n"
			"\t\ttype filter hook prerouting priority raw;\n");
	VEC_EACH (&u->addrs, struct topo_address, x)
		if (!ip_equal(&x->addr, &x->world))
			strbuf_addf(out, "\t\tiifname \"internet\" %s daddr %s %s daddr set %s\n",
				ip_word(x->addr.family), ip_format(&x->world, outer),
				ip_word(x->addr.family), ip_format(&x->addr, inner));
	strbuf_add(out, "\t}\n\tchain to_internet {\n"
			"\t\ttype filter hook postrouting priority 300;\n");
	VEC_EACH (&u->addrs, struct topo_address, x)
		if (!ip_equal(&x->addr, &x->world))
			strbuf_addf(out, "\t\toifname \"internet\" %s saddr %s %s saddr set %s\n",
				ip_word(x->addr.family), ip_format(&x->addr, inner),
				ip_word(x->addr.family), ip_format(&x->world, outer));
	strbuf_add(out, "\t}\n}\n");
}

/* The backends' own line has an address of its own, which is not the one that the client called. */
static void nft_line(struct strbuf *out, const struct topology *t)
{
	char text[IP_STRLEN], text6[IP_STRLEN];

	strbuf_addf(out,
		"table inet line {\n\tchain to_internet {\n"
		"\t\ttype filter hook postrouting priority 300;\n"
		"\t\toifname \"line\" meta nfproto ipv4 ip saddr set %s\n"
		"\t\toifname \"line\" ip6 saddr != fe80::/10 ip6 saddr set %s\n\t}\n}\n",
		ip_format(&t->foreign[0], text), ip_format(&t->foreign[1], text6));
}

void script_nft(struct strbuf *out, const struct topology *t, unsigned int node)
{
	if (t->nodes.items[node].role == NODE_BACKENDS)
		nft_line(out, t);
	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		if (u->node == node && u->modem && node > TOPO_WORLD)
			nft_modem(out, u);
}
