/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places: the items of a list by a hash of what they are, in an arena. What is equal is the caller's to tell. */
#ifndef BASE_PLACES_H
#define BASE_PLACES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define PLACES_NONE SIZE_MAX

struct places;
struct places *places_new(struct arena *a);

/* FNV-1a, from @h on (0 at first). */
uint64_t places_hash(uint64_t h, const void *bytes, size_t len);

/* Item number @place, which is the newest, has that hash. */
void places_add(struct places *x, uint64_t hash, size_t place);
/* The next item with that hash, from *@at on (in: the hash at first); PLACES_NONE: there is none. */
size_t places_next(const struct places *x, uint64_t hash, size_t *at);

#endif
