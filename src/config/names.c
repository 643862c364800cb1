/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open addressing with linear probing over a table that is at most half full. */
#include "config/names.h"

#include <string.h>

struct name_slot {
	const char *name; /* NULL: free */
	uint32_t len, index;
};

/* FNV-1a, with the bits stirred once more since the low ones choose the slot. */
static size_t hash(const char *s, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

/* The slot that holds the name, or the free one where it belongs. */
static struct name_slot *slot_of(const struct names *t, const char *name, size_t len)
{
	size_t i = hash(name, len);

	for (;; i++) {
		struct name_slot *s = &t->slots[i & t->mask];

		if (!s->name || (s->len == len && memcmp(s->name, name, len) == 0))
			return s;
	}
}

void names_init(struct names *t, struct arena *a, size_t n)
{
	size_t size = 16;

	while (size < n * 2)
		size *= 2;
	t->slots = arena_alloc(a, size * sizeof(*t->slots));
	t->mask = size - 1;
}

uint32_t names_enter(struct names *t, const char *name, size_t len, uint32_t index)
{
	struct name_slot *s = slot_of(t, name, len);

	if (!s->name)
		*s = (struct name_slot){.name = name, .len = (uint32_t)len, .index = index};
	return s->index;
}

uint32_t names_find(const struct names *t, const char *name, size_t len)
{
	const struct name_slot *s = slot_of(t, name, len);

	return s->name ? s->index : NAME_UNKNOWN;
}
