/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML in its plain shape, read directly.
 *
 * libfyaml takes 80 ms for 65,535 maps of one line each, and 200 MB if they are JSON on one line;
 * this takes 10 ms and no memory but for the tree. It knows block mappings and lists, flow mappings
 * and lists, words, quoted text of one line without escapes, and comments. At anything else it gives
 * up, and libfyaml starts over: so there is one place for errors and for YAML's finer points.
 */
#include <string.h>

#include "config/yaml_tree.h"

#define KEY_MAX 128 /* YAML ends the search for a key's ':' at 1024 characters */

struct reader {
	struct yaml_tree *tree;
	const char *p, *end;
	const char *line_start;
	uint32_t line;
	unsigned int depth;
	/* columns before the first character of the line at hand; END: there is none */
	unsigned int indent;
	/* where the further lines of a flow collection may begin */
	unsigned int flow_indent;
};
#define END UINT32_MAX

/* ---- characters ---- */

enum { WORD = 1, FIRST = 2, KEY = 4 }; /* may be in a word, begin one, be in a key */

static unsigned int class_of(char c)
{
	static const uint8_t classes[128] = {
		['a' ... 'z'] = WORD | FIRST | KEY,
		['A' ... 'Z'] = WORD | FIRST | KEY,
		['0' ... '9'] = WORD | FIRST | KEY,
		['_'] = WORD | FIRST | KEY,
		['.'] = WORD | KEY,
		['/'] = WORD | FIRST,
		['-'] = WORD | KEY,
		['@'] = WORD,
		['+'] = WORD,
	};

	return (unsigned char)c < 128 ? classes[(unsigned char)c] : 0;
}

static bool at(const struct reader *r, char c)
{
	return r->p < r->end && *r->p == c;
}

static void skip_spaces(struct reader *r)
{
	while (at(r, ' '))
		r->p++;
}

/* ---- nodes ---- */

static struct yaml_node *add(
	struct reader *r, enum yaml_kind kind, const char *from, const char *to)
{
	struct yaml_node *n;

	if (r->tree->nodes.len == LIMIT_YAML_NODES)
		return NULL;
	n = vec_add(r->tree->arena, &r->tree->nodes);
	n->kind = kind;
	n->size = 1;
	n->at = (struct span){r->line, yaml_saturate((size_t)(from - r->line_start) + 1),
		yaml_saturate((size_t)(to - from))};
	n->text = "";
	return n;
}

/* Open a container at the present place; its index, or END at a limit. */
static uint32_t open_node(struct reader *r, enum yaml_kind kind)
{
	if (r->depth == LIMIT_YAML_DEPTH || !add(r, kind, r->p, r->p + 1))
		return END;
	r->depth++;
	return (uint32_t)r->tree->nodes.len - 1;
}

static struct yaml_node *close_node(struct reader *r, uint32_t index, uint32_t len)
{
	struct yaml_node *n = &r->tree->nodes.items[index];

	n->len = len;
	n->size = (uint32_t)r->tree->nodes.len - index;
	r->depth--;
	return n;
}

/* ---- scalars ---- */

static bool read_quoted(struct reader *r)
{
	char quote = *r->p;
	const char *from = r->p, *q = from + 1;
	struct yaml_node *n;

	while (q < r->end && *q != quote && *q != '\\' && (unsigned char)*q >= ' ')
		q++;
	if (q == r->end || *q != quote || (q + 1 < r->end && q[1] == quote))
		return false;
	n = add(r, YAML_SCALAR, from, q + 1);
	if (!n)
		return false;
	n->text = from + 1;
	n->len = (uint32_t)(q - from - 1);
	n->quoted = true;
	r->p = q + 1;
	return true;
}

/* A ':' belongs to a word if the word goes on behind it. */
static bool read_word(struct reader *r)
{
	const char *from = r->p, *q = from;
	struct yaml_node *n;

	while (q < r->end &&
		(class_of(*q) & (q == from ? FIRST : WORD) ||
			(*q == ':' && q + 1 < r->end && (class_of(q[1]) & WORD || q[1] == ':'))))
		q++;
	if (q == from)
		return false;
	n = add(r, YAML_SCALAR, from, q);
	if (!n)
		return false;
	n->text = from;
	n->len = (uint32_t)(q - from);
	r->p = q;
	return true;
}

static bool read_scalar(struct reader *r)
{
	return at(r, '"') || at(r, '\'') ? read_quoted(r) : read_word(r);
}

/* A key with its ':'. Behind a quoted one in brackets, as JSON has it, no space is needed. */
static bool read_key(struct reader *r, bool flow)
{
	const char *from = r->p;
	bool quoted = at(r, '"') || at(r, '\'');

	if (quoted) {
		if (!read_quoted(r))
			return false;
	} else {
		struct yaml_node *n;

		while (r->p < r->end && class_of(*r->p) & KEY)
			r->p++;
		if (r->p == from || !(class_of(*from) & FIRST) ||
			!(n = add(r, YAML_SCALAR, from, r->p)))
			return false;
		n->text = from;
		n->len = (uint32_t)(r->p - from);
	}
	if (r->p - from > KEY_MAX || !at(r, ':'))
		return false;
	r->p++;
	return r->p == r->end || *r->p == ' ' || *r->p == '\n' || (flow && quoted);
}

/* ---- flow ---- */

static bool read_value(struct reader *r);

static void skip_comment(struct reader *r)
{
	while (r->p < r->end && *r->p != '\n' && *r->p != '\r')
		r->p++;
}

static void newline(struct reader *r)
{
	r->line_start = ++r->p;
	r->line++;
}

/* Between the parts of a flow collection, which may stand on several lines if all are indented more
 * than the block around it. */
static bool skip_between(struct reader *r)
{
	const char *from = r->p;
	bool moved = false;

	for (;; moved = true) {
		skip_spaces(r);
		if (at(r, '#') && (r->p > from || moved))
			skip_comment(r);
		if (!at(r, '\n'))
			break;
		newline(r);
	}
	return !moved || (size_t)(r->p - r->line_start) >= r->flow_indent;
}

static bool read_flow(struct reader *r)
{
	const char *from = r->p, *first_line = r->line_start, *line_end;
	bool mapping = *from == '{';
	char closing = mapping ? '}' : ']';
	uint32_t index = open_node(r, mapping ? YAML_MAPPING : YAML_SEQUENCE), len = 0;
	struct yaml_node *n;

	if (index == END)
		return false;
	r->p++;
	if (!skip_between(r))
		return false;
	for (bool more = !at(r, closing); more; len++) {
		if (mapping && (!read_key(r, true) || !skip_between(r)))
			return false;
		if (!read_value(r) || !skip_between(r))
			return false;
		more = at(r, ',');
		if (more) {
			r->p++;
			if (!skip_between(r))
				return false;
		}
	}
	if (!at(r, closing))
		return false;
	r->p++;
	n = close_node(r, index, len);
	line_end = r->line_start == first_line ? r->p : memchr(from, '\n', (size_t)(r->p - from));
	n->at.len = yaml_saturate((size_t)(line_end - from));
	return true;
}

static bool read_value(struct reader *r)
{
	return at(r, '{') || at(r, '[') ? read_flow(r) : read_scalar(r);
}

/* ---- lines ---- */

/* Go to the first character of the next line that has more than spaces and a comment. */
static bool next_line(struct reader *r)
{
	for (;;) {
		skip_spaces(r);
		if (at(r, '#'))
			skip_comment(r);
		if (r->p == r->end) {
			r->indent = END;
			return true;
		}
		if (*r->p != '\n')
			break;
		newline(r);
	}
	r->indent = (unsigned int)(r->p - r->line_start);
	r->flow_indent = r->indent + 1;
	return *r->p != '\r' && *r->p != '\t';
}

/* Nothing but a comment may follow on this line; then the next one. */
static bool end_line(struct reader *r)
{
	bool space = at(r, ' ');

	skip_spaces(r);
	if (r->p < r->end && *r->p != '\n' && !(space && *r->p == '#'))
		return false;
	return next_line(r);
}

/* Is there more on this line than spaces and a comment? */
static bool line_has_value(struct reader *r)
{
	skip_spaces(r);
	return r->p < r->end && *r->p != '\n' && *r->p != '#';
}

/* ---- blocks ---- */

static bool at_dash(const struct reader *r)
{
	return at(r, '-') && r->p + 1 < r->end && r->p[1] == ' ';
}

static bool read_list(struct reader *r)
{
	unsigned int indent = r->indent;
	uint32_t index = open_node(r, YAML_SEQUENCE), len = 0;

	if (index == END)
		return false;
	for (; r->indent == indent && at_dash(r); len++) {
		r->p += 2;
		if (!line_has_value(r) || !read_value(r) || !end_line(r))
			return false;
	}
	close_node(r, index, len);
	return true;
}

/* At the first key of a mapping, or the first '-' of a list; up to the first line that is indented
 * less. */
static bool read_block(struct reader *r)
{
	unsigned int indent = r->indent;
	uint32_t index, len = 0;

	if (at_dash(r))
		return read_list(r) && (r->indent == END || r->indent < indent);
	index = open_node(r, YAML_MAPPING);
	if (index == END)
		return false;
	for (; r->indent == indent; len++) {
		struct span key_at;

		if (!read_key(r, false))
			return false;
		key_at = r->tree->nodes.items[r->tree->nodes.len - 1].at;
		if (line_has_value(r)) {
			if (!read_value(r) || !end_line(r))
				return false;
			continue;
		}
		if (!next_line(r))
			return false;
		if (r->indent != END && r->indent > indent) {
			if (!read_block(r))
				return false;
		} else if (r->indent == indent && at_dash(r)) {
			if (!read_list(r))
				return false;
		} else { /* a key without a value */
			struct yaml_node *n = add(r, YAML_SCALAR, r->p, r->p);

			if (!n)
				return false;
			n->at = key_at;
		}
	}
	close_node(r, index, len);
	return r->indent == END || r->indent < indent;
}

bool yaml_read_plain(struct yaml_tree *tree, const char *text, size_t len)
{
	struct reader r = {
		.tree = tree, .p = text, .end = text + len, .line_start = text, .line = 1};

	if (!next_line(&r))
		return false;
	if (r.indent == END)
		return true;
	if (at(&r, '{') || at(&r, '[')) {
		r.flow_indent = 0; /* nothing is around it */
		return read_flow(&r) && end_line(&r) && r.indent == END;
	}
	return read_block(&r) && r.indent == END;
}
