/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz the config loader: any bytes give a model or an error, and never anything worse.
 *
 * With libFuzzer: meson setup -Dfuzz=true. Without (compiled with -DSTANDALONE) it is a program
 * that runs over the files it is given, to look at one finding.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define SIZE_MAX_TRIED ((size_t)64 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 forgets the buffer of a long quoted scalar that ends in a syntax error. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

/* What every user of a model may rely on. */
static void check_model(const struct model *m)
{
	VEC_EACH (&m->uplinks, struct uplink, u)
		if (!u->name[0] || !u->interface || !u->at.line)
			abort();
	VEC_EACH (&m->maps, struct map, map) {
		if (!map->name[0] || !map->listens.len || !map->backends.len)
			abort();
		VEC_EACH (&map->listens, struct listen, listen)
			if (!listen->first || listen->first > listen->last || !listen->at.line)
				abort();
		VEC_EACH (&map->on, struct map_on, on)
			if (!on->uplink && on->addr.family != map_family(map))
				abort();
		for (size_t i = 1; i < map->from.len; i++)
			if (ip_prefix_overlap(
				    &map->from.items[i - 1].prefix, &map->from.items[i].prefix))
				abort();
	}
}

/* Every place lies in the text. */
static void check_places(const struct diag *d, size_t size)
{
	VEC_EACH (&d->entries, struct diag_entry, e) {
		if (e->at.line > size + 1 || e->at.col > size + 1 || !e->text[0])
			abort();
		VEC_EACH (&e->notes, struct diag_note, n)
			if (n->at.line > size + 1 || n->at.col > size + 1)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf out = STRBUF_INIT;
	struct arena *arena;
	const struct model *m;
	struct diag d;
	char *text;

	if (size > SIZE_MAX_TRIED)
		return 0;
	text = malloc(size ? size : 1); /* no NUL at the end */
	if (!text)
		abort();
	memcpy(text, data, size);
	arena = arena_new();
	diag_init(&d);
	diag_source(&d, "fuzz.yaml", text, size);
	m = config_load(arena, text, size, &d);
	if (!m != (d.errors > 0))
		abort();
	if (m)
		check_model(m);
	check_places(&d, size);
	diag_render(&d, &out, true);
	strbuf_fini(&out);
	diag_fini(&d);
	arena_free(arena);
	free(text);
	return 0;
}

#ifdef STANDALONE
#include <stdio.h>

int main(int argc, char **argv)
{
	static uint8_t data[SIZE_MAX_TRIED];

	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");

		if (!f) {
			perror(argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof(data), f));
		fclose(f);
	}
	return 0;
}
#endif
