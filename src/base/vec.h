/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Typed growable array in an arena.
 *
 *	VEC(struct route) routes = {0};
 *	struct route *r = vec_add(arena, &routes);	// zeroed, valid until the next vec_add
 *	VEC_EACH(&routes, struct route, it)
 *		use(it);
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <string.h>

#include "base/arena.h"

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t len, cap;                                                                   \
	}

/* Room for one more zeroed item at the end; evaluates to its address. */
#define vec_add(arena, v)                                                                          \
	(vec_reserve_((arena), (void **)&(v)->items, &(v)->len, &(v)->cap, sizeof(*(v)->items)),   \
		memset(&(v)->items[(v)->len - 1], 0, sizeof(*(v)->items)),                         \
		&(v)->items[(v)->len - 1])

#define vec_push(arena, v, item) ((void)(*vec_add((arena), (v)) = (item)))

/* (An empty one has no items to add 0 to: that would be undefined.) */
#define VEC_EACH(v, type, it)                                                                      \
	for (__typeof__(type) *it = (v)->items, *it##_end = (v)->len ? it + (v)->len : it;         \
		it != it##_end; it++)

/* Make room for one more and count it; behind vec_add. */
static inline void vec_reserve_(
	struct arena *a, void **items, size_t *len, size_t *cap, size_t size)
{
	if (*len == *cap) {
		size_t want = *cap ? *cap * 2 : 4;

		*items = arena_grow(a, *items, *cap * size, want * size);
		*cap = want;
	}
	(*len)++;
}

#endif
