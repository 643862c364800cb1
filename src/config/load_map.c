/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of one map. */
#include <stdint.h>
#include <string.h>

#include "config/load.h"

#define NEAREST_UPLINKS 256 /* more names than these are not searched for the nearest */

static void mark_broken(struct loader *l, const struct map *map, enum broken what)
{
	l->map_broken[map - l->m->maps.items] |= what;
}

static void load_listen(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct map *map = object;
	const struct yaml_node *n = NULL;
	size_t items = load_items(l, key, value, "a listener such as 80/tcp", LIMIT_ELEMENTS, &n);

	map->listens.items = arena_alloc(l->arena, items * sizeof(*map->listens.items));
	map->listens.cap = items;
	for (size_t i = 0; i < items; i++, n = yaml_next(n)) {
		struct listen listen = {0};

		if (value_listen(l, n, &listen))
			vec_push(l->arena, &map->listens, listen);
	}
}

/* ---- on ---- */

static void unknown_uplink(struct loader *l, const struct yaml_node *n)
{
	const char *names[NEAREST_UPLINKS];
	size_t count = l->m->uplinks.len < NEAREST_UPLINKS ? l->m->uplinks.len : NEAREST_UPLINKS;

	for (size_t i = 0; i < count; i++)
		names[i] = l->m->uplinks.items[i].name;
	diag_error(l->d, n->at, "unknown uplink '%s'", load_quote(l, n));
	load_suggest(l, load_quote(l, n), names, count);
}

static bool resolve_address(struct loader *l, const struct yaml_node *n, struct map_on *on)
{
	const struct uplink *uplinks = l->m->uplinks.items;
	const struct owned_addr *owner = NULL;
	size_t owners = addr_index_find(&l->addresses, &on->addr, &owner);

	if (owners)
		on->uplink = &uplinks[owner->uplink];
	if (owners > 1) {
		const struct uplink *other = &uplinks[owner[1].uplink];

		diag_error(l->d, n->at, "%s is an address of two uplinks", load_quote(l, n));
		diag_note(l->d, on->uplink->addresses.items[owner->index].at, "of '%s'",
			on->uplink->name);
		diag_note(l->d, other->addresses.items[owner[1].index].at, "and of '%s'",
			other->name);
		diag_hint(l->d, "name the uplink instead: on: %s", on->uplink->name);
		return false;
	}
	if (owners)
		return true;
	if (addr_index_find(&l->publics, &on->addr, &owner)) {
		const char *name = uplinks[owner->uplink].name;

		diag_error(l->d, n->at,
			"%s is what the world sees of uplink '%s'; packets do not carry it",
			load_quote(l, n), name);
		diag_hint(l->d, "name the uplink instead: on: %s", name);
		return false;
	}
	/* an uplink that declares none may still have it: for the plan to settle */
	if (l->uplinks_known && l->addresses_known) {
		diag_error(l->d, n->at, "no uplink has address %s", load_quote(l, n));
		return false;
	}
	return true;
}

static bool load_on_item(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *n, struct map *map)
{
	struct map_on on = {.at = n->at};
	uint32_t index = names_find(&l->uplink_names, n->text, n->len);

	if (index != NAME_UNKNOWN) {
		on.uplink = &l->m->uplinks.items[index];
	} else if (ip_parse_n(n->text, n->len, &on.addr)) {
		if (l->uplinks_known)
			unknown_uplink(l, n);
		return false;
	} else if (!value_address(l, key, n, &on.addr) || !resolve_address(l, n, &on)) {
		return false;
	}
	vec_push(l->arena, &map->on, on);
	return true;
}

static void load_on(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct map *map = object;
	const struct yaml_node *n = NULL;
	size_t items = load_items(l, key, value, "an uplink", LIMIT_ELEMENTS, &n);

	if (!items)
		mark_broken(l, map, BROKEN_ON);
	map->on.items = arena_alloc(l->arena, items * sizeof(*map->on.items));
	map->on.cap = items;
	for (size_t i = 0; i < items; i++, n = yaml_next(n))
		if (!load_on_item(l, key, n, map))
			mark_broken(l, map, BROKEN_ON);
}

/* ---- to, return, from, enabled ---- */

static void load_to(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct map *map = object;

	map->to_at = value->at;
	value = load_scalar(l, key, value, "the address of one backend");
	if (!value || !value_target(l, value, &map->to, &map->to_port)) {
		map->to.family = IP_NONE;
		mark_broken(l, map, BROKEN_TARGET);
	}
}

static void load_snat(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct map *map = object;
	const struct yaml_node *n = NULL;
	size_t items = load_items(l, key, value, "an address", LIMIT_SNAT, &n);

	map->snat.items = arena_alloc(l->arena, items * sizeof(*map->snat.items));
	map->snat.cap = items;
	map->snat.len = value_addresses(l, key, n, items, map->snat.items);
}

static void load_return(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	static const struct field fields[] = {{KEY_RETURN_SNAT, load_snat}};
	static const char *const modes[] = {
		[RETURN_AUTO] = "auto", [RETURN_DIRECT] = "direct", [RETURN_SNAT] = "snat"};
	struct map *map = object;

	map->return_at = value->at;
	if (value->kind == YAML_MAPPING) {
		map->return_mode = RETURN_SNAT;
		load_section(l, value, fields, 1, map, "'return'", NULL);
		return;
	}
	value = load_scalar(l, key, value, "auto, direct, snat or {snat: ADDRESS}");
	if (!value)
		return;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (value_is(value, modes[i])) {
			map->return_mode = (enum return_mode)i;
			return;
		}
	}
	diag_error(l->d, value->at,
		"'return' must be auto, direct, snat or {snat: ADDRESS}, not '%s'",
		load_quote(l, value));
	load_suggest(l, load_quote(l, value), modes, sizeof(modes) / sizeof(modes[0]));
}

static void load_from(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct map *map = object;
	const struct yaml_node *n = NULL;
	size_t items = load_items(l, key, value, "an address or prefix", LIMIT_FROM, &n);

	map->from_at = value->at;
	if (!items)
		mark_broken(l, map, BROKEN_TARGET);
	map->from.items = arena_alloc(l->arena, items * sizeof(*map->from.items));
	map->from.cap = items;
	for (size_t i = 0; i < items; i++, n = yaml_next(n)) {
		struct located_prefix p = {.at = n->at};

		if (value_prefix(l, n, &p.prefix))
			vec_push(l->arena, &map->from, p);
		else
			mark_broken(l, map, BROKEN_TARGET);
	}
}

static void load_enabled(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct map *map = object;

	value_bool(l, key, value, &map->enabled);
}

const struct field load_map_fields[] = {
	{KEY_MAP_LISTEN, load_listen},
	{KEY_MAP_ON, load_on},
	{KEY_MAP_TO, load_to},
	{KEY_MAP_RETURN, load_return},
	{KEY_MAP_FROM, load_from},
	{KEY_MAP_ENABLED, load_enabled},
};
const size_t load_map_n_fields = sizeof(load_map_fields) / sizeof(load_map_fields[0]);
