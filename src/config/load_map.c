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

/* ---- to ---- */

static void load_to_address(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct backend *b = object;

	b->at = value->at;
	value = load_scalar(l, key, value, "the address of one backend");
	if (!value || !value_target(l, value, &b->addr, &b->port))
		b->addr.family = IP_NONE;
}

static void load_to_weight(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct backend *b = object;
	uint32_t weight;

	if (!value_u32(l, key, value, &weight))
		return;
	if (weight >= 1 && weight <= LIMIT_WEIGHT) {
		b->weight = (uint16_t)weight;
		return;
	}
	diag_error(l->d, value->at, "'weight' must be from 1 to %u", LIMIT_WEIGHT);
	if (!weight)
		diag_hint(l->d, "to give it no connections, take it out of the list");
}

/* One entry: a target, or a mapping that names one. False: there is no address. */
static bool load_backend(struct loader *l, const struct yaml_node *key, const struct yaml_node *n,
	struct backend *out)
{
	static const struct field fields[] = {
		{KEY_TO_ADDRESS, load_to_address}, {KEY_TO_WEIGHT, load_to_weight}};

	*out = (struct backend){.weight = 1, .at = n->at};
	if (n->kind == YAML_MAPPING)
		load_section(l, n, fields, sizeof(fields) / sizeof(fields[0]), out, "'to'", NULL);
	else
		load_to_address(l, key, n, out);
	return out->addr.family != IP_NONE;
}

/* Backends of one map are told apart by address and port, and are of one family. */
static bool check_backend(struct loader *l, const struct map *map, const struct backend *b)
{
	const struct backend *first = map->backends.items;

	if (map->backends.len && first->addr.family != b->addr.family) {
		diag_error(l->d, b->at, "an %s backend beside an %s one",
			family_name(b->addr.family), family_name(first->addr.family));
		diag_note(l->d, first->at, "the first is here");
		diag_hint(l->d, "a service with both families has two maps");
		return false;
	}
	VEC_EACH (&map->backends, const struct backend, have) {
		if (!ip_equal(&have->addr, &b->addr) || have->port != b->port)
			continue;
		diag_error(l->d, b->at, "this backend stands twice");
		diag_note(l->d, have->at, "first here");
		diag_hint(l->d, "to give it a larger share: {address: ..., weight: 2}");
		return false;
	}
	return true;
}

static void load_to(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct map *map = object;
	const struct yaml_node *n = value;
	size_t items = 1;

	if (value->kind == YAML_SEQUENCE) {
		items = value->len;
		n = yaml_first(value);
	}
	if (items < 1 || items > LIMIT_BACKENDS) {
		diag_error(l->d, value->at, "'to' has %zu entries; it can have 1 to %u", items,
			LIMIT_BACKENDS);
		mark_broken(l, map, BROKEN_TARGET);
		return;
	}
	map->backends.items = arena_alloc(l->arena, items * sizeof(*map->backends.items));
	map->backends.cap = items;
	for (size_t i = 0; i < items; i++, n = yaml_next(n)) {
		struct backend b;

		if (load_backend(l, key, n, &b) && check_backend(l, map, &b))
			vec_push(l->arena, &map->backends, b);
		else
			mark_broken(l, map, BROKEN_TARGET);
	}
}

/* ---- balance, check, when-down, all-down ---- */

static void load_balance(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	static const char *const words[] = {
		[BALANCE_HASH] = "hash", [BALANCE_RANDOM] = "random", [BALANCE_FIRST] = "first"};
	struct map *map = object;
	size_t i = load_word_of(l, key, value, words, sizeof(words) / sizeof(words[0]));

	map->balance_at = value->at;
	if (i < sizeof(words) / sizeof(words[0]))
		map->balance = (enum balance)i;
}

static void load_when_down(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	static const char *const words[] = {[WHEN_DOWN_KEEP] = "keep", [WHEN_DOWN_CUT] = "cut"};
	struct map *map = object;

	map->when_down_at = value->at;
	if (load_word_of(l, key, value, words, 2) == WHEN_DOWN_CUT)
		map->when_down = WHEN_DOWN_CUT;
}

static void load_all_down(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	static const char *const words[] = {[ALL_DOWN_TRY] = "try", [ALL_DOWN_REFUSE] = "refuse"};
	struct map *map = object;

	map->all_down_at = value->at;
	if (load_word_of(l, key, value, words, 2) == ALL_DOWN_REFUSE)
		map->all_down = ALL_DOWN_REFUSE;
}

static void load_check(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct map *map = object;

	map->checks.items = load_checks(l, key, value, NULL, &map->checks.len);
	map->checks.cap = map->checks.len;
}

/* ---- return, from, enabled ---- */

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
	{KEY_MAP_BALANCE, load_balance},
	{KEY_MAP_CHECK, load_check},
	{KEY_MAP_WHEN_DOWN, load_when_down},
	{KEY_MAP_ALL_DOWN, load_all_down},
	{KEY_MAP_RETURN, load_return},
	{KEY_MAP_FROM, load_from},
	{KEY_MAP_ENABLED, load_enabled},
};
const size_t load_map_n_fields = sizeof(load_map_fields) / sizeof(load_map_fields[0]);
