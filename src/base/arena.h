/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arena: memory that lives and dies together.
 *
 * One arena holds one generation (config + observed state + plan) and is freed at once; nothing in
 * it is freed on its own. Memory comes zeroed and aligned for any type. Running out of memory
 * aborts the process: nothing here can go on without it, and no caller could say anything better.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a); /* NULL is fine */

/* @size bytes, zeroed. A size of 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));

/* Grow an earlier allocation. The last one of the arena grows in place; others are copied. The old
 * pointer is of no use any more. */
void *arena_grow(struct arena *a, void *old, size_t old_size, size_t new_size)
	__attribute__((returns_nonnull));

char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Bytes taken from the system, for tests of memory bounds. */
size_t arena_bytes(const struct arena *a);

#define arena_new_of(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
