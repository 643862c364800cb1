/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each map by itself: families, shifted ranges, lists of prefixes, and what all cost the kernel. */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

#define PORT_MAX 65535u

const char *listen_text(struct loader *l, const struct listen *listen)
{
	const char *proto = ip_proto_name(listen->proto);

	if (listen->first == listen->last)
		return arena_printf(l->scratch, "%u/%s", listen->first, proto);
	return arena_printf(l->scratch, "%u-%u/%s", listen->first, listen->last, proto);
}

/* ---- families ---- */

/* The family of a map is that of its backend. */
static void check_on(struct loader *l, const struct map *map, const bool any_uplink[2])
{
	uint8_t family = map_family(map);
	struct span backend = map->backends.items[0].at;
	const char *name = family_name(family);
	char buf[IP_STRLEN];
	bool on_all = !map->on.len && !(l->map_broken[map - l->m->maps.items] & BROKEN_ON);

	if (on_all && l->m->uplinks.len && !any_uplink[family == IP_V6]) {
		diag_error(l->d, backend, "the backend is %s, but no uplink has an %s address",
			name, name);
		diag_note(l->d, l->m->uplinks.items[0].addresses.items[0].at,
			"the uplinks' addresses, from here on");
	}
	VEC_EACH (&map->on, struct map_on, on) {
		if (on->addr.family != IP_NONE && on->addr.family != family) {
			diag_error(l->d, on->at, "%s is %s, but the backend is %s",
				ip_format(&on->addr, buf), family_name(on->addr.family), name);
			diag_note(l->d, backend, "the backend");
		} else if (on->addr.family == IP_NONE && !uplink_may_have(l, on->uplink, family)) {
			diag_error(l->d, on->at,
				"uplink '%s' has no %s address, but the backend is %s",
				on->uplink->name, name, name);
			diag_note(l->d, on->uplink->addresses.items[0].at, "its addresses");
			diag_note(l->d, backend, "the backend");
		}
	}
	VEC_EACH (&map->snat, struct located_addr, a) {
		if (a->addr.family == family)
			continue;
		diag_error(l->d, a->at, "%s cannot be the source towards an %s backend",
			ip_format(&a->addr, buf), name);
		diag_note(l->d, backend, "the backend");
	}
	VEC_EACH (&map->from, struct located_prefix, p) {
		if (p->prefix.addr.family == family)
			continue;
		diag_error(l->d, p->at, "an %s prefix, but the backend is %s",
			family_name(p->prefix.addr.family), name);
		diag_note(l->d, backend, "the backend");
	}
}

static bool is_shifted(const struct backend *b, const struct listen *listen)
{
	return b->port && b->port != listen->first && listen->first != listen->last;
}

static void check_shift(struct loader *l, const struct backend *b, const struct listen *listen)
{
	uint32_t last = (uint32_t)b->port + (listen->last - listen->first);

	if (!is_shifted(b, listen) || last <= PORT_MAX)
		return;
	diag_error(l->d, b->at, "%s shifted to %u ends at %u, past port %u", listen_text(l, listen),
		b->port, last, PORT_MAX);
	diag_note(l->d, listen->at, "the range");
}

/*
 * What chooses among backends gives an address and one port. (With an element per port of a range and
 * backend it could be done; nobody has asked.)
 */
static void check_shared_range(
	struct loader *l, const struct backend *b, const struct listen *listen)
{
	if (!is_shifted(b, listen))
		return;
	diag_error(l->d, b->at, "%s cannot be shifted to port %u of one backend among several",
		listen_text(l, listen), b->port);
	diag_note(l->d, listen->at, "the range");
	diag_hint(l->d, "leave the port out, so that each port leads to itself, or make a map for "
			"each backend");
}

static void check_backends(struct loader *l, const struct map *map)
{
	VEC_EACH (&map->backends, struct backend, b)
		VEC_EACH (&map->listens, struct listen, listen) {
			if (map->backends.len > 1)
				check_shared_range(l, b, listen);
			else
				check_shift(l, b, listen);
		}
}

/* A port that is left out, and the same one said, are one backend to connections. */
static void check_told_apart(struct loader *l, const struct map *map)
{
	for (size_t i = 1; i < map->backends.len; i++)
		for (size_t j = 0; j < i; j++) {
			const struct backend *b = &map->backends.items[i],
					     *other = &map->backends.items[j];
			uint16_t port = b->port ? b->port : other->port;

			if (!ip_equal(&b->addr, &other->addr) || (b->port && other->port))
				continue;
			VEC_EACH (&map->listens, struct listen, listen) {
				if (listen->first != port)
					continue;
				diag_error(l->d, b->at, "from port %u this backend stands twice",
					port);
				diag_note(l->d, other->at, "first here");
				break;
			}
		}
}

/* Keys that only say something where there is a choice. */
static void warn_useless(struct loader *l, const struct map *map)
{
	bool checks = map->checks.len > 0;

	if (map->balance_at.line && map->backends.len == 1)
		diag_warning(l->d, map->balance_at,
			"'balance' says nothing: map '%s' has one backend", map->name);
	if (checks)
		return;
	if (map->when_down_at.line)
		diag_warning(l->d, map->when_down_at,
			"'when-down' says nothing: without 'check' no backend is ever down");
	if (map->all_down_at.line)
		diag_warning(l->d, map->all_down_at,
			"'all-down' says nothing: without 'check' no backend is ever down");
}

/* What a check asks of a backend must be there: TCP has no say over a UDP service. */
static bool has_proto(const struct map *map, uint8_t proto)
{
	VEC_EACH (&map->listens, struct listen, listen)
		if (listen->proto == proto)
			return true;
	return !map->listens.len;
}

static void check_checks(struct loader *l, const struct map *map)
{
	VEC_EACH (&map->checks, struct check, c) {
		bool dns = c->kind == CHECK_DNS;

		if (c->kind == CHECK_ICMP || c->port ||
			has_proto(map, dns ? PROTO_UDP : PROTO_TCP) ||
			(dns && has_proto(map, PROTO_TCP)))
			continue;
		diag_error(l->d, c->at,
			"the backend has no TCP port to ask: map '%s' listens on %s only",
			map->name, ip_proto_name(map->listens.items[0].proto));
		diag_hint(l->d, "name the port, as {tcp: 8080}, or check by icmp");
	}
}

/* ---- from ---- */

static int by_prefix(const void *pa, const void *pb)
{
	const struct located_prefix *a = pa, *b = pb;
	int c = ip_cmp(&a->prefix.addr, &b->prefix.addr);

	if (c)
		return c;
	if (a->prefix.len != b->prefix.len)
		return a->prefix.len < b->prefix.len ? -1 : 1;
	if (a->at.line != b->at.line)
		return a->at.line < b->at.line ? -1 : 1;
	return (a->at.col > b->at.col) - (a->at.col < b->at.col);
}

/* Sort the list and take out, with a warning, what another prefix of it covers: interval sets of
 * the kernel hold no overlapping elements. */
static void settle_from(struct loader *l, struct map *map)
{
	struct located_prefix *items = map->from.items;
	size_t kept = 1;
	char inner[PREFIX_STRLEN], outer[PREFIX_STRLEN];

	if (map->from.len < 2)
		return;
	qsort(items, map->from.len, sizeof(*items), by_prefix);
	for (size_t i = 1; i < map->from.len; i++) {
		const struct located_prefix *last = &items[kept - 1];

		if (!ip_in_prefix(&items[i].prefix.addr, &last->prefix)) {
			items[kept++] = items[i];
			continue;
		}
		ip_prefix_format(&items[i].prefix, inner);
		if (items[i].prefix.len == last->prefix.len) {
			diag_warning(l->d, items[i].at, "%s stands twice in 'from'", inner);
			diag_note(l->d, last->at, "first here");
		} else {
			diag_warning(l->d, items[i].at, "%s is part of %s already", inner,
				ip_prefix_format(&last->prefix, outer));
			diag_note(l->d, last->at, "here");
		}
	}
	map->from.len = kept;
}

/* ---- kernel elements ---- */

/* Addresses at which a map listens, as far as the file knows: an uplink without them counts 1. */
static uint64_t count_places(const struct loader *l, const struct map *map, const uint64_t all[2])
{
	bool v6 = map_family(map) == IP_V6;
	uint64_t n = 0;

	if (!map->on.len)
		return all[v6];
	VEC_EACH (&map->on, struct map_on, on) {
		size_t i = on->uplink ? (size_t)(on->uplink - l->m->uplinks.items) : 0;

		n += on->addr.family != IP_NONE || !l->addr_counts[i].total
			     ? 1
			     : l->addr_counts[i].of[v6];
	}
	return n;
}

static uint64_t count_elements(const struct map *map, uint64_t places)
{
	uint64_t n = 0;

	VEC_EACH (&map->listens, struct listen, listen)
		n += is_shifted(map->backends.items, listen)
			     ? places * (listen->last - listen->first + 1u)
			     : places;
	return n;
}

bool check_maps(struct loader *l)
{
	struct model *m = l->m;
	uint64_t places[2] = {0, 0}, elements = 0;
	bool any_uplink[2] = {false, false};
	const struct map *first_too_many = NULL;

	for (size_t i = 0; i < m->uplinks.len; i++) {
		for (int v6 = 0; v6 < 2; v6++) {
			places[v6] += l->addr_counts[i].total ? l->addr_counts[i].of[v6] : 1;
			any_uplink[v6] |=
				uplink_may_have(l, &m->uplinks.items[i], v6 ? IP_V6 : IP_V4);
		}
	}
	for (size_t i = 0; i < m->maps.len; i++) {
		struct map *map = &m->maps.items[i];

		if (!map->backends.len)
			l->map_broken[i] |= BROKEN_TARGET;
		else
			check_on(l, map, any_uplink);
		check_backends(l, map);
		check_told_apart(l, map);
		check_checks(l, map);
		warn_useless(l, map);
		settle_from(l, map);
		if (!map->enabled || l->map_broken[i])
			continue;
		elements += count_elements(map, count_places(l, map, places));
		if (elements > LIMIT_ELEMENTS && !first_too_many)
			first_too_many = map;
	}
	if (!first_too_many)
		return true;
	diag_error(l->d, first_too_many->at,
		"the maps call for %llu kernel map elements; the limit is %u, and map '%s' passes "
		"it",
		(unsigned long long)elements, LIMIT_ELEMENTS, first_too_many->name);
	diag_hint(l->d, "a listener costs one for each address it listens at; "
			"a shifted range costs that for each of its ports");
	return false;
}
