/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maps that lead to the same backend port must say the same about `return`: how a connection
 * returns is decided after translation, where only the backend can be seen any more.
 */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

struct use {
	const struct map *map;
	const struct backend *backend;
	const struct listen *listen;
	uint32_t class;	      /* equal for equal `return` */
	uint16_t first, last; /* backend ports */
};

static const char *return_text(struct loader *l, const struct map *map)
{
	switch (map->return_mode) {
	case RETURN_AUTO:
		return "auto";
	case RETURN_DIRECT:
		return "direct";
	case RETURN_SNAT:
		break;
	}
	return map->snat.len ? "snat to given addresses" : "snat";
}

static int by_addr(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

/* The order of SNAT addresses means nothing. */
static uint32_t class_of(struct loader *l, struct names *classes, const struct map *map)
{
	size_t n = map->snat.len;
	struct ip_addr *key = arena_alloc(l->scratch, (n + 1) * sizeof(*key));

	for (size_t i = 0; i < n; i++)
		key[i] = map->snat.items[i].addr;
	qsort(key, n, sizeof(*key), by_addr);
	key[n].bytes[0] = (uint8_t)map->return_mode;
	return names_enter(classes, (const char *)key, (n + 1) * sizeof(*key),
		(uint32_t)(map - l->m->maps.items));
}

static int by_backend(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;
	int c = ip_cmp(&a->backend->addr, &b->backend->addr);

	if (c)
		return c;
	if (a->listen->proto != b->listen->proto)
		return a->listen->proto < b->listen->proto ? -1 : 1;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->listen != b->listen)
		return a->listen < b->listen ? -1 : 1;
	return a->backend < b->backend ? -1 : a->backend > b->backend;
}

static bool same_backend(const struct use *a, const struct use *b)
{
	return ip_equal(&a->backend->addr, &b->backend->addr) &&
	       a->listen->proto == b->listen->proto;
}

static struct span return_place(const struct use *u)
{
	return u->map->return_at.line ? u->map->return_at : u->backend->at;
}

static void report(struct loader *l, const struct use *a, const struct use *b)
{
	const struct use *later = a->map > b->map ? a : b, *earlier = later == a ? b : a;
	uint8_t *broken = &l->map_broken[later->map - l->m->maps.items];
	char buf[IP_STRLEN];

	if (*broken & BROKEN_RETURN)
		return;
	*broken |= BROKEN_RETURN; /* once for each map, however many ports it has */

	diag_error(l->d, return_place(later),
		"maps '%s' and '%s' lead to the same %s port %u of %s, but return differently",
		later->map->name, earlier->map->name, ip_proto_name(later->listen->proto),
		later->first > earlier->first ? later->first : earlier->first,
		ip_format(&later->backend->addr, buf));
	diag_note(l->d, return_place(earlier), "'%s' says %s, '%s' says %s", earlier->map->name,
		return_text(l, earlier->map), later->map->name, return_text(l, later->map));
	diag_hint(l->d, "the gateway cannot tell their replies apart; give both the same 'return'");
}

static size_t collect(struct loader *l, struct use **out)
{
	struct names classes;
	size_t n = 0, at = 0;

	VEC_EACH (&l->m->maps, struct map, map)
		n += map->listens.len * map->backends.len;
	*out = arena_alloc(l->scratch, n * sizeof(**out));
	names_init(&classes, l->scratch, l->m->maps.len);
	for (size_t i = 0; i < l->m->maps.len; i++) {
		const struct map *map = &l->m->maps.items[i];
		uint32_t class;

		if (!map->enabled || l->map_broken[i])
			continue;
		class = class_of(l, &classes, map);
		VEC_EACH (&map->backends, struct backend, b)
			VEC_EACH (&map->listens, struct listen, listen) {
				uint32_t first = b->port ? b->port : listen->first;
				uint32_t last = first + (listen->last - listen->first);

				(*out)[at++] = (struct use){map, b, listen, class, (uint16_t)first,
					last > UINT16_MAX ? UINT16_MAX : (uint16_t)last};
			}
	}
	return at;
}

void check_returns(struct loader *l)
{
	/* Of the uses before, the one that reaches furthest, and the furthest of another class. */
	const struct use *furthest = NULL, *other = NULL;
	struct use *uses;
	bool any = false;
	size_t n;

	VEC_EACH (&l->m->maps, struct map, map)
		any |= map->return_mode != RETURN_AUTO;
	if (!any)
		return;
	n = collect(l, &uses);
	qsort(uses, n, sizeof(*uses), by_backend);
	for (size_t i = 0; i < n; i++) {
		const struct use *u = &uses[i], *clash;

		if (furthest && !same_backend(furthest, u))
			furthest = other = NULL;
		clash = furthest && furthest->class != u->class ? furthest : other;
		if (clash && clash->last >= u->first)
			report(l, clash, u);
		if (!furthest || u->last > furthest->last) {
			if (furthest && furthest->class != u->class)
				other = furthest;
			furthest = u;
		} else if (u->class != furthest->class && (!other || u->last > other->last)) {
			other = u;
		}
	}
}
