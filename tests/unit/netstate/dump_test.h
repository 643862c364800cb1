/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dumps read into a netstate, for the tests of the readers. */
#ifndef DUMP_TEST_H
#define DUMP_TEST_H

#include "netstate_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "netstate/dump/dump.h"

struct dumped {
	struct arena *arena;
	struct netstate net;
	struct dump notes;
	struct dump_file files[8];
	size_t n;
};

static inline void dumped_begin(struct dumped *d)
{
	memset(d, 0, sizeof(*d));
	d->arena = arena_new();
}

/* The text is copied to memory of just its size, so that AddressSanitizer sees a read past its end. */
static inline void dumped_bytes(struct dumped *d, const char *name, const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_true(d->n < sizeof(d->files) / sizeof(*d->files));
	memcpy(copy, text, len);
	d->files[d->n++] = (struct dump_file){name, copy, len};
}

static inline void dumped_text(struct dumped *d, const char *name, const char *text)
{
	dumped_bytes(d, name, text, strlen(text));
}

/* What `ip` printed on a real machine, from the folder of such. */
static inline void dumped_file(struct dumped *d, const char *name)
{
	struct strbuf text = STRBUF_INIT;
	char path[512], buf[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", DUMPS_DIR, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_addn(&text, buf, n);
	fclose(f);
	dumped_bytes(d, name, strbuf_str(&text), text.len);
	strbuf_fini(&text);
}

static inline void dumped_read(struct dumped *d)
{
	netstate_read(d->arena, d->files, d->n, &d->net, &d->notes);
}

static inline void dumped_end(struct dumped *d)
{
	for (size_t i = 0; i < d->n; i++)
		free((char *)d->files[i].text);
	arena_free(d->arena);
}

/* One file alone. */
static inline void read_text(struct dumped *d, const char *name, const char *text)
{
	dumped_begin(d);
	dumped_text(d, name, text);
	dumped_read(d);
}

static inline void read_file(struct dumped *d, const char *name)
{
	dumped_begin(d);
	dumped_file(d, name);
	dumped_read(d);
}

/* "file:line: why: text" of each, one a line. */
static inline const char *dumped_notes(struct dumped *d)
{
	struct strbuf out = STRBUF_INIT;
	const char *text;

	VEC_EACH (&d->notes.notes, struct dump_note, n)
		strbuf_addf(&out, "%s:%u: %s: %s\n", n->file, n->line, n->why, n->text);
	text = arena_strdup(d->arena, strbuf_str(&out));
	strbuf_fini(&out);
	return text;
}

#define assert_no_notes(d) assert_string_equal(dumped_notes(d), "")

/* Rules and routes as `ip` takes them. */
static inline const char *rule_text(struct dumped *d, size_t i)
{
	struct strbuf out = STRBUF_INIT;
	const char *text;

	assert_true(i < d->net.rules.len);
	net_rule_print(&out, &d->net.rules.items[i]);
	text = arena_strdup(d->arena, strbuf_str(&out));
	strbuf_fini(&out);
	return text;
}

static inline const char *route_text(struct dumped *d, size_t i)
{
	struct strbuf out = STRBUF_INIT;
	const char *text;

	assert_true(i < d->net.routes.len);
	net_route_print(&out, &d->net.routes.items[i]);
	text = arena_strdup(d->arena, strbuf_str(&out));
	strbuf_fini(&out);
	return text;
}

#endif
