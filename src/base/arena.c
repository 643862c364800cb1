/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arena: memory that lives and dies together.
 *
 * Small allocations are cut from chunks, which grow with the arena. Large ones get a chunk of their
 * own, so that growing them can use realloc() (the kernel moves the pages, nothing is copied) and
 * leaves no old copy behind. Under AddressSanitizer every allocation gets its own chunk, so that
 * writing past one is seen.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

#define CHUNK_MIN ((size_t)8 << 10)
#define CHUNK_MAX ((size_t)512 << 10)

#define LARGE_BYTES ((size_t)64 << 10)

#if defined(__SANITIZE_ADDRESS__)
#define ALWAYS_SEPARATE true
#elif defined(__has_feature)
#define ALWAYS_SEPARATE __has_feature(address_sanitizer)
#else
#define ALWAYS_SEPARATE false
#endif

struct chunk {
	struct chunk *prev, *next;
	size_t size; /* of data */
	alignas(max_align_t) unsigned char data[];
};

struct arena {
	struct chunk *chunks;	 /* any order */
	unsigned char *at, *end; /* what is left of the chunk being cut */
	size_t chunk_size;	 /* of the next chunk */
	size_t bytes;
};

static void chunk_link(struct arena *a, struct chunk *c)
{
	c->prev = NULL;
	c->next = a->chunks;
	if (a->chunks)
		a->chunks->prev = c;
	a->chunks = c;
	a->bytes += sizeof(*c) + c->size;
}

static void chunk_unlink(struct arena *a, struct chunk *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		a->chunks = c->next;
	if (c->next)
		c->next->prev = c->prev;
	a->bytes -= sizeof(*c) + c->size;
}

static struct chunk *chunk_new(struct arena *a, size_t size)
{
	struct chunk *c;

	if (size > SIZE_MAX - sizeof(*c))
		abort();
	c = calloc(1, sizeof(*c) + size);
	if (!c)
		abort();
	c->size = size;
	chunk_link(a, c);
	return c;
}

static bool is_large(size_t size)
{
	return ALWAYS_SEPARATE || size >= LARGE_BYTES;
}

static void *cut(struct arena *a, size_t size, size_t align)
{
	size_t gap;
	void *p;

	if (is_large(size))
		return chunk_new(a, size)->data;
	gap = -(uintptr_t)a->at & (align - 1);
	if (!a->at || (size_t)(a->end - a->at) < gap + size) {
		struct chunk *c;

		while (a->chunk_size < size)
			a->chunk_size *= 2;
		c = chunk_new(a, a->chunk_size);
		a->at = c->data;
		a->end = c->data + c->size;
		if (a->chunk_size < CHUNK_MAX)
			a->chunk_size *= 2;
		gap = 0;
	}
	p = a->at + gap;
	a->at += gap + size;
	return p;
}

struct arena *arena_new(void)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->chunk_size = CHUNK_MIN;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct chunk *c = a->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

void *arena_alloc(struct arena *a, size_t size)
{
	return cut(a, size, alignof(max_align_t));
}

static void *grow_large(struct arena *a, void *old, size_t old_size, size_t new_size)
{
	struct chunk *c = (struct chunk *)((unsigned char *)old - offsetof(struct chunk, data));

	if (new_size > SIZE_MAX - sizeof(*c))
		abort();
	chunk_unlink(a, c);
	c = realloc(c, sizeof(*c) + new_size);
	if (!c)
		abort();
	memset(c->data + old_size, 0, new_size - old_size);
	c->size = new_size;
	chunk_link(a, c);
	return c->data;
}

void *arena_grow(struct arena *a, void *old, size_t old_size, size_t new_size)
{
	void *p;

	if (!old)
		return arena_alloc(a, new_size);
	if (new_size <= old_size)
		return old;
	if (is_large(old_size))
		return grow_large(a, old, old_size, new_size);
	if ((unsigned char *)old + old_size == a->at && !is_large(new_size) &&
		(size_t)(a->end - a->at) >= new_size - old_size) {
		a->at += new_size - old_size;
		return old;
	}
	p = arena_alloc(a, new_size);
	memcpy(p, old, old_size);
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p = cut(a, len + 1, 1);

	if (len)
		memcpy(p, s, len);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;
	char *s;

	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	s = arena_strndup(a, strbuf_str(&b), b.len);
	strbuf_fini(&b);
	return s;
}

size_t arena_bytes(const struct arena *a)
{
	return a->bytes;
}
