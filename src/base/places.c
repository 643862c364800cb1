/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places: open addressing; a slot holds 1 + the place in the list, 0 is free. At most half are taken. */
#include "base/places.h"

#define FIRST_SLOTS 64u

struct places {
	struct arena *arena;
	uint32_t *slots;
	size_t n;
	uint64_t *hashes; /* of the items, by place */
	size_t hashes_cap;
};

struct places *places_new(struct arena *a)
{
	struct places *x = arena_new_of(a, struct places);

	x->arena = a;
	x->n = FIRST_SLOTS;
	x->slots = arena_alloc(a, x->n * sizeof(*x->slots));
	return x;
}

uint64_t places_hash(uint64_t h, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void take_slot(struct places *x, uint64_t hash, size_t place)
{
	size_t at = hash & (x->n - 1);

	while (x->slots[at])
		at = (at + 1) & (x->n - 1);
	x->slots[at] = (uint32_t)place + 1;
}

void places_add(struct places *x, uint64_t hash, size_t place)
{
	if (place == x->hashes_cap) {
		size_t cap = place ? place * 2 : FIRST_SLOTS;

		x->hashes = arena_grow(
			x->arena, x->hashes, place * sizeof(*x->hashes), cap * sizeof(*x->hashes));
		x->hashes_cap = cap;
	}
	x->hashes[place] = hash;
	if ((place + 1) * 2 > x->n) {
		x->n *= 2;
		x->slots = arena_alloc(x->arena, x->n * sizeof(*x->slots));
		for (size_t i = 0; i < place; i++)
			take_slot(x, x->hashes[i], i);
	}
	take_slot(x, hash, place);
}

size_t places_next(const struct places *x, uint64_t hash, size_t *at)
{
	for (; x->slots[*at & (x->n - 1)]; (*at)++) {
		size_t place = x->slots[*at & (x->n - 1)] - 1;

		if (x->hashes[place] == hash) {
			(*at)++;
			return place;
		}
	}
	return PLACES_NONE;
}
