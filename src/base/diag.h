/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Diagnostics: what is wrong, where, what it clashes with and what to do about it.
 *
 * Pure code appends to a struct diag and goes on, so that one run reports everything. The caller
 * renders it for people (source line and caret) or for programs (JSON, in cli/).
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "base/vec.h"

/* A place in the config file. All zero: no place. 8 bytes, since every planned object has one. */
struct span {
	uint32_t line; /* from 1 */
	uint16_t col;  /* from 1, in bytes; 65535: that or more */
	uint16_t len;  /* bytes to underline, at least 1 */
};

enum diag_severity { DIAG_ERROR, DIAG_WARNING, DIAG_INFO };

struct diag_note {
	struct span at;
	const char *text;
};

struct diag_entry {
	enum diag_severity severity;
	struct span at;
	const char *text;
	const char *hint; /* what to do; may hold several lines; NULL for none */
	VEC(struct diag_note) notes;
};

struct diag {
	struct arena *arena; /* owned: freed by diag_fini() */
	const char *source;  /* file name as the user gave it; NULL: none */
	const char *text;    /* the file's text for the caret lines; NULL: unknown. Not owned. */
	size_t text_len;
	VEC(struct diag_entry) entries;
	size_t errors, warnings;
};

void diag_init(struct diag *d);
void diag_fini(struct diag *d);
/* Name and text of the file that spans point into; both must outlive @d. */
void diag_source(struct diag *d, const char *name, const char *text, size_t len);

#define NOWHERE ((struct span){0})

void diag_error(struct diag *d, struct span at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void diag_warning(struct diag *d, struct span at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void diag_info(struct diag *d, struct span at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void diag_add(struct diag *d, enum diag_severity severity, struct span at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Add to the entry made last. */
void diag_note(struct diag *d, struct span at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void diag_hint(struct diag *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Everything as text, in file order:
 *
 *	gateway.yaml:14:14: error: 443/tcp on 'telecom' is already mapped
 *	   14 |     listen: 443/tcp
 *	      |             ^~~~~~~
 *	gateway.yaml:9:14: note: by map 'web', here
 *	  hint: ...
 */
void diag_render(const struct diag *d, struct strbuf *out, bool colour);

/* The candidate nearest to @word (Damerau-Levenshtein, at most a third of its length away), or
 * NULL: for "did you mean". */
const char *diag_nearest(const char *word, const char *const *candidates, size_t n);

#endif
