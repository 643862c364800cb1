/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was learned, as lines: comments of a kernel set that anybody may have written, and a file. What
 * is understood reads the same once it was written again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct learned l = {0}, again = {0};
	struct arena *a = arena_new();
	char *text = malloc(size ? size : 1); /* no NUL at the end */
	const char *line;

	if (!text)
		abort();
	memcpy(text, data, size);
	if (!plan_read_learned(a, text, size, &l) != (l.returns.len + l.downs.len == 0))
		abort();
	if (l.returns.len + l.downs.len) {
		line = l.downs.len ? plan_down_line(a, l.downs.items)
				   : plan_return_line(a, l.returns.items);
		if (strlen(line) > LIMIT_MEMORY_LINE ||
			!plan_read_learned(a, line, strlen(line), &again) ||
			again.downs.len != l.downs.len)
			abort();
		if (l.downs.len && (again.downs.items->port != l.downs.items->port ||
					   strcmp(again.downs.items->map, l.downs.items->map) != 0))
			abort();
		if (l.returns.len && again.returns.items->mode != l.returns.items->mode)
			abort();
	}
	free(text);
	arena_free(a);
	return 0;
}
