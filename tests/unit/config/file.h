/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole files and loaded configs, for the tests of this folder. */
#ifndef TESTS_CONFIG_FILE_H
#define TESTS_CONFIG_FILE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "config/config.h"

static inline int file_read(const char *path, struct strbuf *out)
{
	FILE *f = fopen(path, "rb");
	char buf[4096];
	size_t n;

	if (!f)
		return -1;
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_addn(out, buf, n);
	fclose(f);
	return 0;
}

/* A config and what was said about it. The text is copied to memory of just its size, so that
 * AddressSanitizer sees a read past its end. */
struct loaded {
	struct arena *arena;
	struct diag diag;
	struct strbuf said;
	char *text;
	struct model *model; /* NULL: refused */
};

static inline struct loaded load(const char *name, const char *text, size_t len)
{
	struct loaded l = {.arena = arena_new(), .text = malloc(len ? len : 1)};

	memcpy(l.text, text, len);
	diag_init(&l.diag);
	diag_source(&l.diag, name, l.text, len);
	l.model = config_load(l.arena, l.text, len, &l.diag);
	diag_render(&l.diag, &l.said, false);
	return l;
}

static inline struct loaded load_text(const char *text)
{
	return load("t.yaml", text, strlen(text));
}

static inline void unload(struct loaded *l)
{
	arena_free(l->arena);
	diag_fini(&l->diag);
	strbuf_fini(&l->said);
	free(l->text);
}

#endif
