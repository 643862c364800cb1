/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Map changes: of each map a hash of all that it is, compared from plan to plan. */
#include "daemon/map_changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/places.h"
#include "report/status.h"

struct known {
	const char *name;
	uint64_t is, changed_ms;
};

struct known_maps {
	struct arena *arena; /* NULL: there was no plan yet */
	VEC(struct known) items;
	struct places *places; /* by name */
};

struct map_changes {
	struct known_maps last;
};

struct map_changes *map_changes_new(void)
{
	struct map_changes *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	return c;
}

void map_changes_free(struct map_changes *c)
{
	if (!c)
		return;
	arena_free(c->last.arena);
	free(c);
}

/* ---- what a map is ---- */

/* A number, whatever its type; padding of structs has no place in a hash. */
static uint64_t number(uint64_t h, uint64_t n)
{
	return places_hash(h, &n, sizeof(n));
}

static uint64_t text(uint64_t h, const char *s)
{
	return places_hash(h, s, strlen(s) + 1);
}

static uint64_t address(uint64_t h, const struct ip_addr *a)
{
	return places_hash(number(h, a->family), a->bytes, sizeof(a->bytes));
}

/* As the file has it. */
static uint64_t config_of(const struct map *m)
{
	uint64_t h = number(0, m->balance);

	h = number(h, m->when_down);
	h = number(h, m->all_down);
	VEC_EACH (&m->listens, const struct listen, l)
		h = number(h, (uint64_t)l->proto << 32 | (uint32_t)l->first << 16 | l->last);
	VEC_EACH (&m->from, const struct located_prefix, f)
		h = number(address(h, &f->prefix.addr), f->prefix.len);
	return h;
}

/* As it is done, with one of its backends. */
static uint64_t plan_of(uint64_t h, const struct plan_map *pm)
{
	h = number(address(h, &pm->backend->addr), pm->backend->port);
	h = number(number(h, pm->backend->weight), pm->down);
	h = number(h, pm->return_mode);
	h = text(h, pm->interface ? pm->interface : "");
	VEC_EACH (&pm->snat, const struct ip_addr, a)
		h = address(h, a);
	VEC_EACH (&pm->uplinks, struct plan_uplink *, u)
		h = text(h, (*u)->uplink->name);
	return h;
}

/* ---- from plan to plan ---- */

static uint64_t hash_of(const char *name)
{
	uint64_t h = text(0, name);

	return h ^ h >> 32; /* slots go by the low bits */
}

static const struct known *find(const struct known_maps *k, const char *name)
{
	uint64_t hash = hash_of(name);
	size_t at = hash, place;

	if (!k->arena)
		return NULL;
	while ((place = places_next(k->places, hash, &at)) != PLACES_NONE)
		if (strcmp(k->items.items[place].name, name) == 0)
			return &k->items.items[place];
	return NULL;
}

static void add(struct map_changes *c, struct known_maps *now, const struct plan_map *first,
	size_t n, uint64_t now_ms)
{
	const struct known *was = find(&c->last, first->map->name);
	struct known is = {arena_strdup(now->arena, first->map->name), config_of(first->map), 0};

	for (size_t i = 0; i < n; i++)
		is.is = plan_of(is.is, &first[i]);
	if (was && was->is == is.is)
		is.changed_ms = was->changed_ms;
	else if (c->last.arena)
		is.changed_ms = now_ms;
	vec_push(now->arena, &now->items, is);
	places_add(now->places, hash_of(is.name), now->items.len - 1);
}

void map_changes_planned(struct map_changes *c, const struct plan *p, uint64_t now_ms)
{
	struct known_maps now = {.arena = arena_new()};
	size_t n;

	now.places = places_new(now.arena);
	for (size_t at = 0; at < p->maps.len; at += n) {
		n = report_map_backends(p, &p->maps.items[at]);
		add(c, &now, &p->maps.items[at], n, now_ms);
	}
	arena_free(c->last.arena);
	c->last = now;
}

uint64_t map_changes_of(const struct map_changes *c, const char *map)
{
	const struct known *k = find(&c->last, map);

	return k ? k->changed_ms : 0;
}
