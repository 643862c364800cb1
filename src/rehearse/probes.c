/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choose which connections are tried. */
#include "rehearse/probes.h"

#include <stdlib.h>

/* Addresses tried per listener where only a sample is taken. */
#define SAMPLE_TARGETS 20u

/* Where one map listens: an address of an uplink. */
struct target {
	unsigned int uplink;
	struct topo_address *address;
};
typedef VEC(struct target) target_list;

static bool listens_on(const struct map *m, const struct topo_uplink *u, const struct ip_addr *addr)
{
	if (addr->family != map_family(m))
		return false;
	if (m->on.len == 0)
		return true;
	VEC_EACH (&m->on, struct map_on, on) {
		if (on->addr.family == IP_NONE && on->uplink == u->uplink)
			return true;
		if (on->addr.family != IP_NONE && ip_equal(&on->addr, addr) &&
			(!on->uplink || on->uplink == u->uplink))
			return true;
	}
	return false;
}

static void targets_of(
	struct arena *a, const struct topology *t, const struct map *m, target_list *out)
{
	out->len = 0;
	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		VEC_EACH (&u->addrs, struct topo_address, x)
			if (listens_on(m, u, &x->addr))
				vec_push(a, out,
					((struct target){(unsigned int)(u - t->uplinks.items), x}));
}

/* How many ports of a listener are tried, and which. */
static unsigned int points(const struct listen *l)
{
	unsigned int width = (unsigned int)l->last - l->first + 1;

	return width < 3 ? width : 3;
}

static uint16_t point(const struct listen *l, unsigned int i)
{
	if (i == 0)
		return l->first;
	if (i + 1 == points(l))
		return l->last;
	return (uint16_t)(l->first + (l->last - l->first) / 2);
}

/* ---- clients of `from` ---- */

static bool is_let_in(const struct map *m, const struct ip_addr *client)
{
	VEC_EACH (&m->from, struct located_prefix, f)
		if (ip_in_prefix(client, &f->prefix))
			return true;
	return m->from.len == 0;
}

/* A client that may connect to @m, made one of the world. False: there is none outside. */
static bool let_in_client(
	struct arena *a, struct topology *t, const struct map *m, struct ip_addr *client)
{
	unsigned int tries = 0;

	*client = t->default_client[topo_family(map_family(m))];
	if (is_let_in(m, client))
		return true;
	VEC_EACH (&m->from, struct located_prefix, f) {
		if (f->prefix.addr.family != map_family(m) || tries++ == 1000)
			continue;
		*client = f->prefix.addr;
		if (f->prefix.len < ip_bits(client->family))
			client->bytes[ip_bytes(client->family) - 1] |= 1;
		if (topology_client(a, t, client))
			return true;
	}
	return false;
}

/* One who may not; false: everyone may. */
static bool refused_client(
	struct arena *a, struct topology *t, const struct map *m, struct ip_addr *client)
{
	static const char *const others[2][4] = {
		{"100.100.100.101", "203.0.113.201", "23.23.23.23", "180.80.80.80"},
		{"2001:db8:100::101", "2001:db8:bad::1", "2a00:bad::1", "2600:bad::1"},
	};

	if (m->from.len == 0)
		return false;
	*client = t->default_client[topo_family(map_family(m))];
	if (!is_let_in(m, client))
		return true;
	for (unsigned int i = 0; i < 4; i++)
		if (ip_parse(others[topo_family(map_family(m))][i], client) == 0 &&
			!is_let_in(m, client) && topology_client(a, t, client))
			return true;
	return false;
}

/* ---- choosing ---- */

/* A port is one (map, listener, port) that may be tried, on each of its targets. */
struct chooser {
	struct arena *arena;
	struct topology *topology;
	struct rehearse_result *out;
	size_t port;	   /* number of the port at hand */
	size_t wanted, of; /* ports tried, of all: spread evenly */
	size_t max_targets;
};

/* The map at hand. */
struct choice {
	const struct map *map;
	target_list targets;
	struct ip_addr in, out; /* clients */
	bool has_in, has_out;	/* is there such a client */
};

static struct rehearse_probe *add_probe(struct chooser *c, const struct choice *ch,
	const struct listen *l, uint16_t port, const struct target *at)
{
	struct rehearse_probe *p = vec_add(c->arena, &c->out->probes);

	p->map = ch->map;
	p->uplink = at->uplink;
	p->address = at->address->addr;
	p->world = at->address->world;
	p->port = port;
	p->proto = l->proto;
	p->listen = l;
	p->backend = ch->map->backends.items[0].addr;
	p->backend_port = backend_port_for(ch->map->backends.items, l, port);
	VEC_EACH (&ch->map->backends, struct backend, b)
		topology_backend(c->arena, c->topology, ch->map, &b->addr);
	return p;
}

static void choose_port(
	struct chooser *c, const struct choice *ch, const struct listen *l, uint16_t port)
{
	size_t n = ch->targets.len, first = 0;

	if (n > c->max_targets) {
		first = c->port * c->max_targets % n; /* another part each time */
		n = c->max_targets;
	}
	for (size_t i = 0; i < n; i++) {
		const struct target *at = &ch->targets.items[(first + i) % ch->targets.len];

		if (ch->has_in)
			add_probe(c, ch, l, port, at)->client = ch->in;
		if (ch->has_out) {
			struct rehearse_probe *p = add_probe(c, ch, l, port, at);

			p->client = ch->out;
			p->refused = true;
		}
	}
}

/* Is the @i-th of @of among @wanted ones spread evenly, both ends included? */
static bool is_sampled(size_t i, size_t wanted, size_t of)
{
	size_t k;

	if (wanted >= of)
		return true;
	if (wanted < 2)
		return i == 0;
	/* Chosen are floor(k * (of - 1) / (wanted - 1)). */
	k = (i * (wanted - 1) + of - 2) / (of - 1);
	return k * (of - 1) / (wanted - 1) == i;
}

static void choose_map(struct chooser *c, const struct map *m)
{
	struct choice ch = {.map = m};
	bool settled = false; /* clients are made only for maps that are tried */

	VEC_EACH (&m->listens, struct listen, l)
		for (unsigned int i = 0; i < points(l); i++, c->port++) {
			if (!is_sampled(c->port, c->wanted, c->of))
				continue;
			if (!settled) {
				targets_of(c->arena, c->topology, m, &ch.targets);
				ch.has_in = let_in_client(c->arena, c->topology, m, &ch.in);
				ch.has_out = refused_client(c->arena, c->topology, m, &ch.out);
				if (!ch.has_in)
					vec_push(c->arena, &c->out->notes,
						arena_printf(c->arena,
							"map '%s' lets in only clients of the "
							"gateway's own networks: not tried from "
							"outside",
							m->name));
				settled = true;
			}
			choose_port(c, &ch, l, point(l, i));
		}
}

void probes_choose(
	struct arena *a, struct topology *t, const struct model *m, struct rehearse_result *out)
{
	struct chooser c = {.arena = a, .topology = t, .out = out, .max_targets = SIZE_MAX};
	size_t probes = 0, most = 1, in_file = 0;
	target_list targets = {0};
	unsigned int clients = 1;

	VEC_EACH (&m->maps, struct map, map) {
		size_t here = 0;

		if (!map->enabled)
			continue;
		targets_of(a, t, map, &targets);
		VEC_EACH (&map->listens, struct listen, l) {
			here += points(l);
			in_file += (size_t)l->last - l->first + 1;
		}
		if (map->from.len)
			clients = 2;
		if (targets.len > most)
			most = targets.len;
		c.of += here;
		probes += here * targets.len * (map->from.len ? 2 : 1);
	}
	c.wanted = c.of;
	if (probes > REHEARSE_MAX_PROBES) {
		bool in_turn = most > SAMPLE_TARGETS;

		c.max_targets = SAMPLE_TARGETS;
		c.wanted = REHEARSE_MAX_PROBES / ((in_turn ? SAMPLE_TARGETS : most) * clients);
		vec_push(a, &out->notes,
			arena_printf(a,
				"a sample: %zu of %zu listening ports, spread evenly over the "
				"file, each on %s",
				c.wanted < c.of ? c.wanted : c.of, in_file,
				in_turn ? "20 addresses in turn" : "every address"));
	} else if (in_file > c.of) {
		vec_push(a, &out->notes,
			arena_strdup(a, "of each range: the first port, the last and one between"));
	}
	VEC_EACH (&m->maps, struct map, map)
		if (map->enabled)
			choose_map(&c, map);
}
