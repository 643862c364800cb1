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

static void check_checks(const struct check *checks, size_t n, bool of_uplink)
{
	if (n > LIMIT_CHECKS)
		abort();
	for (size_t i = 0; i < n; i++) {
		const struct check *c = &checks[i];

		if (c->targets.len > LIMIT_TARGETS || (c->targets.len > 0) != of_uplink ||
			!c->query || !c->at.line ||
			(c->kind == CHECK_HTTP && (!c->path || c->path[0] != '/')))
			abort();
		if (!c->rise || !c->fall || !c->need || (of_uplink && c->need > c->targets.len) ||
			!c->every_ms || !c->timeout_ms || c->timeout_ms > c->every_ms)
			abort();
		if (!c->expect_first || c->expect_first > c->expect_last)
			abort();
		VEC_EACH (&c->targets, struct check_target, t)
			if (!t->text[0] || !t->at.line || (c->kind != CHECK_ICMP && !t->port) ||
				((c->kind == CHECK_TCP || c->kind == CHECK_DNS) && !t->addr.family))
				abort();
	}
}

static void check_backends(const struct map *map)
{
	if (!map->backends.len || map->backends.len > LIMIT_BACKENDS)
		abort();
	VEC_EACH (&map->backends, struct backend, b) {
		if (b->addr.family != map_family(map) || !b->at.line || !b->weight ||
			b->weight > LIMIT_WEIGHT)
			abort();
		VEC_EACH (&map->listens, struct listen, l)
			if (backend_port_for(b, l, l->last) < backend_port_for(b, l, l->first))
				abort();
	}
}

/* What every user of a model may rely on. */
static void check_model(const struct model *m)
{
	if (m->hook.len > LIMIT_HOOK || (m->hook.len && m->hook.items[0][0] != '/') ||
		!m->hook_timeout_ms || (m->metrics.family != IP_NONE && !m->metrics_port))
		abort();
	VEC_EACH (&m->uplinks, struct uplink, u) {
		if (!u->name[0] || !u->interface || !u->at.line)
			abort();
		check_checks(u->checks.items, u->checks.len, true);
	}
	VEC_EACH (&m->maps, struct map, map) {
		if (!map->name[0] || !map->listens.len)
			abort();
		check_backends(map);
		check_checks(map->checks.items, map->checks.len, false);
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
