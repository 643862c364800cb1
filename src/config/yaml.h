/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML text to a small tree with positions.
 *
 * Only what a config needs: mappings, sequences and scalars of one document. Anchors, aliases, tags,
 * merge keys, keys that are no scalars, and further documents are errors. Scalars keep their text;
 * what type it has is for the reader to say (so "on" and "1.10" mean what the key calls for).
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"

#define LIMIT_YAML_NODES (4u << 20)
#define LIMIT_YAML_DEPTH 16u

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

/*
 * A node. The tree is one array in document order: a node's children follow it, and its next
 * sibling is `size` nodes further on. A mapping's children are key, value, key, value ...; keys are
 * scalars.
 */
struct yaml_node {
	struct span at;	  /* quotes and brackets included; a missing value has its key's place */
	const char *text; /* scalar: its value, not NUL-terminated; may point into the input */
	uint32_t len;	  /* scalar: bytes; sequence: items; mapping: pairs */
	uint32_t kind : 2 /* enum yaml_kind */, quoted : 1, size : 29;
};

static inline const struct yaml_node *yaml_first(const struct yaml_node *n)
{
	return n + 1;
}

static inline const struct yaml_node *yaml_next(const struct yaml_node *n)
{
	return n + n->size;
}

/* Bytes of the UTF-8 character at @p (before @end), or 0 where there is none that YAML allows. */
size_t yaml_printable(const unsigned char *p, const unsigned char *end);

/* A value that was left out, or an unquoted null or ~. */
bool yaml_is_null(const struct yaml_node *n);

/*
 * Parse @text into a tree in @arena, which may point into @text. NULL on an error, which was then
 * appended to @d (just one: after a syntax error nothing can be trusted), and for an empty
 * document, which is no error here.
 */
const struct yaml_node *yaml_parse(
	struct arena *arena, const char *text, size_t len, struct diag *d);

#endif
