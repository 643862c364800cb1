/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Table: rows in columns that are as wide as they must be; and amounts in words. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "base/vec.h"

#define TABLE_COLUMNS 12u

struct table_row {
	const char *cells[TABLE_COLUMNS]; /* NULL: the row has no more */
};
struct table {
	struct arena *arena;
	VEC(struct table_row) rows; /* the first is the heading */
	unsigned int right;	    /* columns that are flush right, one bit each */
	unsigned int hidden;	    /* likewise those that are not printed */
};

/* A row of texts, up to the first that is NULL. They must outlive the table. */
#define table_row(t, ...) table_add((t), (const char *const[TABLE_COLUMNS]){__VA_ARGS__})
void table_add(struct table *t, const char *const cells[TABLE_COLUMNS]);
/* Indented by two. Control characters of the texts become '?': they may come from outside. */
void table_print(const struct table *t, struct strbuf *out);
/* How wide its lines are at most. */
size_t table_total(const struct table *t);
/* Columns of a text on a terminal: characters, not bytes. */
size_t table_width(const char *text);

/* "12 s", "3 min", "4 h", "5 d", ... in @a */
char *table_duration(struct arena *a, uint64_t seconds);
/* "1.2 kB"; "3.4 Mbit/s" of bytes in a second */
char *table_bytes(struct arena *a, uint64_t bytes);
char *table_rate(struct arena *a, double bytes_per_second);

#endif
