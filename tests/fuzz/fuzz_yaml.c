/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compare the two readers of YAML: what the plain one takes, libfyaml must read just the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml_tree.h"

#define SIZE_MAX_TRIED ((size_t)16 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 forgets the buffer of a long quoted scalar that ends in a syntax error. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml";
}

static bool same_node(const struct yaml_node *a, const struct yaml_node *b)
{
	return a->kind == b->kind && a->quoted == b->quoted && a->size == b->size &&
	       a->len == b->len && memcmp(&a->at, &b->at, sizeof(a->at)) == 0 &&
	       (a->kind != YAML_SCALAR || memcmp(a->text, b->text, a->len) == 0);
}

static void compare(const char *text, size_t size)
{
	struct yaml_tree plain = {.arena = arena_new()}, any = {.arena = plain.arena};
	struct diag d;

	diag_init(&d);
	if (yaml_read_plain(&plain, text, size)) {
		if (!yaml_read_any(&any, text, size, &d) || plain.nodes.len != any.nodes.len)
			abort();
		for (size_t i = 0; i < plain.nodes.len; i++)
			if (!same_node(&plain.nodes.items[i], &any.nodes.items[i]))
				abort();
	}
	diag_fini(&d);
	arena_free(plain.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
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
	yaml_parse(arena, text, size, &d);
	/* the readers are only given text that passed as such */
	if (!d.errors)
		compare(text, size);
	diag_fini(&d);
	arena_free(arena);
	free(text);
	return 0;
}
