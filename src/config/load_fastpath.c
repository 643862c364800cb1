/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of the fast path: on which interfaces, and for how many connections. */
#include <string.h>

#include "config/load.h"

#define FLOWS_MIN 1024u

const char *const fastpath_mode_names[FASTPATH_MODES] = {
	[FASTPATH_OFF] = "off",
	[FASTPATH_AUTO] = "auto",
	[FASTPATH_XDP] = "xdp",
	[FASTPATH_TC] = "tc",
};

static bool read_mode(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
	enum fastpath_mode *out)
{
	size_t i = load_word_of(l, key, value, fastpath_mode_names, FASTPATH_MODES);

	if (i < FASTPATH_MODES)
		*out = (enum fastpath_mode)i;
	return i < FASTPATH_MODES;
}

static bool is_usable(struct loader *l, const struct yaml_node *name)
{
	const char *text = load_quote(l, name);

	if (!value_interface(l, name))
		return false;
	if (value_is(name, "lo")) {
		diag_error(l->d, name->at, "no packet of a map passes through lo");
		return false;
	}
	VEC_EACH (&l->m->fastpaths, struct fastpath_of, have)
		if (strcmp(have->interface, text) == 0) {
			diag_error(
				l->d, name->at, "interface '%s' stands twice in 'fastpath'", text);
			diag_note(l->d, have->at, "first here");
			return false;
		}
	return true;
}

static void load_by_interface(struct loader *l, const struct yaml_node *value)
{
	const struct yaml_node *name = yaml_first(value), *word;

	for (uint32_t i = 0; i < value->len; i++, name = yaml_next(word)) {
		struct fastpath_of f = {.at = name->at};

		word = yaml_next(name);
		if (i == LIMIT_FASTPATHS) {
			diag_error(l->d, name->at, "'fastpath' names more than %u interfaces",
				LIMIT_FASTPATHS);
			return;
		}
		if (!is_usable(l, name) || !read_mode(l, name, word, &f.mode))
			continue;
		f.interface = arena_strndup(l->arena, name->text, name->len);
		vec_push(l->arena, &l->m->fastpaths, f);
	}
}

void load_fastpath(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;

	m->fastpath_at = value->at;
	if (value->kind == YAML_MAPPING && value->len)
		load_by_interface(l, value);
	else if (value->kind == YAML_SCALAR && !yaml_is_null(value))
		read_mode(l, key, value, &m->fastpath);
	else
		load_wrong_type(
			l, key, value, "off, auto, xdp or tc, or a mapping of interfaces to these");
}

void load_fastpath_flows(
	struct loader *l, const struct yaml_node *key, const struct yaml_node *value, void *object)
{
	struct model *m = object;
	uint32_t flows;

	if (!value_u32(l, key, value, &flows))
		return;
	if (flows < FLOWS_MIN || flows > LIMIT_FASTPATH_FLOWS)
		diag_error(l->d, value->at, "'fastpath-flows' must be from %u to %u", FLOWS_MIN,
			LIMIT_FASTPATH_FLOWS);
	else
		m->fastpath_flows = flows;
}
