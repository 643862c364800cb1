/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hash table of names to indices, so that duplicates and references are found in linear time. */
#ifndef CONFIG_NAMES_H
#define CONFIG_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define NAME_UNKNOWN UINT32_MAX

struct names {
	struct name_slot *slots;
	size_t mask;
};

/* Room for @n names. */
void names_init(struct names *t, struct arena *a, size_t n);
/* Enter @name (not copied) with @index, unless it is there: returns the index that it has. */
uint32_t names_enter(struct names *t, const char *name, size_t len, uint32_t index);
/* The index of @name or NAME_UNKNOWN. */
uint32_t names_find(const struct names *t, const char *name, size_t len);

#endif
