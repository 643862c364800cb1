/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree under construction, and the two readers that build one. Internal to config/yaml*. */
#ifndef CONFIG_YAML_TREE_H
#define CONFIG_YAML_TREE_H

#include "config/yaml.h"

struct yaml_tree {
	struct arena *arena;
	VEC(struct yaml_node) nodes; /* in document order; the first is the root */
};

static inline uint16_t yaml_saturate(size_t n)
{
	return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

/*
 * Read text that has the plain shape of nearly every config. False: it has another, or is wrong;
 * then @tree is of no use, and libfyaml has to look. Reports nothing. Never takes what libfyaml would
 * refuse, and never reads it otherwise (a fuzzer compares the two).
 */
bool yaml_read_plain(struct yaml_tree *tree, const char *text, size_t len);

/* Read any text, with libfyaml. False: refused; the error was appended to @d. */
bool yaml_read_any(struct yaml_tree *tree, const char *text, size_t len, struct diag *d);

#endif
