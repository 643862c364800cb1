/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Learning: what a daemon finds out, taken up as it comes. */
#include "plan/learning.h"

#include "plan/internal.h"

#define NO_PLACE    UINT32_MAX
#define ROOM_AT_ALL 64u /* changes before it is made anew */

/* ---- where things stand ---- */

/* The index of a key, which is kept where it is new. */
static uint32_t index_of(struct learning *l, const char *key, size_t len)
{
	uint32_t index = names_find(&l->names, key, len);

	if (index != NAME_UNKNOWN)
		return index;
	index = (uint32_t)l->places.len;
	vec_push(l->arena, &l->places, NO_PLACE);
	return names_enter(&l->names, arena_strndup(l->arena, key, len), len, index);
}

static void put_return(struct learning *l, const struct memory_return *r)
{
	uint32_t index = index_of(l, (const char *)&r->backend, sizeof(r->backend));
	struct memory_return *it;

	if (l->places.items[index] == NO_PLACE) {
		l->places.items[index] = (uint32_t)l->known.returns.len;
		(void)vec_add(l->arena, &l->known.returns);
	}
	it = &l->known.returns.items[l->places.items[index]];
	*it = *r;
	it->reason = r->reason ? arena_strdup(l->arena, r->reason) : NULL;
}

static void put_down(struct learning *l, uint32_t index, const struct memory_down *down)
{
	struct memory_down *it = vec_add(l->arena, &l->known.downs);

	l->places.items[index] = (uint32_t)l->known.downs.len - 1;
	vec_push(l->arena, &l->downs, index);
	*it = *down;
	it->map = arena_strdup(l->arena, down->map);
}

/* The last one takes its place. */
static void drop_down(struct learning *l, uint32_t index)
{
	uint32_t place = l->places.items[index];
	size_t last = --l->known.downs.len;

	l->known.downs.items[place] = l->known.downs.items[last];
	l->downs.items[place] = l->downs.items[--l->downs.len];
	l->places.items[l->downs.items[place]] = place;
	l->places.items[index] = NO_PLACE;
}

/* ---- the front ---- */

void learning_begin(struct learning *l, const struct learned *known)
{
	size_t n = known->returns.len + known->downs.len;
	struct learning fresh = {.arena = arena_new(), .room = n + ROOM_AT_ALL};

	names_init(&fresh.names, fresh.arena, n + fresh.room);
	VEC_EACH (&known->returns, const struct memory_return, r)
		put_return(&fresh, r);
	VEC_EACH (&known->downs, const struct memory_down, down) {
		char key[DOWN_KEY_BYTES];
		size_t len = plan_down_key(key, down->map, &down->backend, down->port);
		uint32_t index = index_of(&fresh, key, len);

		if (fresh.places.items[index] == NO_PLACE)
			put_down(&fresh, index, down);
	}
	arena_free(l->arena); /* @known may be its own */
	*l = fresh;
}

void learning_end(struct learning *l)
{
	arena_free(l->arena);
	*l = (struct learning){0};
}

/* Room for one more change. */
static void make_room(struct learning *l)
{
	if (l->changes == l->room)
		learning_begin(l, &l->known);
	l->changes++;
}

const struct memory_return *learning_return_of(
	const struct learning *l, const struct ip_addr *backend)
{
	uint32_t index = l->arena ? names_find(&l->names, (const char *)backend, sizeof(*backend))
				  : NAME_UNKNOWN;

	return index == NAME_UNKNOWN ? NULL : &l->known.returns.items[l->places.items[index]];
}

bool learning_return(struct learning *l, const struct ip_addr *backend, enum return_mode mode,
	const char *reason)
{
	const struct memory_return r = {.backend = *backend, .mode = mode, .reason = reason};
	const struct memory_return *known = learning_return_of(l, backend);

	if (known && known->mode == mode)
		return false;
	make_room(l);
	put_return(l, &r);
	return true;
}

bool learning_down(struct learning *l, const char *map, const struct backend *backend, bool is_down)
{
	const struct memory_down down = {map, backend->addr, backend->port};
	char key[DOWN_KEY_BYTES];
	size_t len = plan_down_key(key, map, &backend->addr, backend->port);
	uint32_t index = l->arena ? names_find(&l->names, key, len) : NAME_UNKNOWN;
	bool was_down = index != NAME_UNKNOWN && l->places.items[index] != NO_PLACE;

	if (was_down == is_down)
		return false;
	make_room(l); /* indices may be others now */
	index = index_of(l, key, len);
	if (is_down)
		put_down(l, index, &down);
	else
		drop_down(l, index);
	return true;
}
