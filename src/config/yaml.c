/* SPDX-License-Identifier: GPL-2.0-or-later */
/* YAML text to a small tree: is it text at all, and which of the two readers is for it. */
#include "config/yaml.h"

#include <string.h>

#include "config/yaml_tree.h"

size_t yaml_printable(const unsigned char *p, const unsigned char *end)
{
	size_t len = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	uint32_t c;

	if (*p < 0x80)
		return (*p >= 0x20 && *p < 0x7f) || *p == '\t' || *p == '\n' || *p == '\r';
	if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - p) < len)
		return 0;
	c = *p & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < 0xa0 ? c != 0x85 : len == 3 ? c < 0x800 : len == 4 && c < 0x10000)
		return 0;
	if ((c >= 0xd800 && c < 0xe000) || c == 0xfeff || c == 0xfffe || c == 0xffff ||
		c > 0x10ffff)
		return 0;
	return len;
}

/*
 * libfyaml takes quadratic time over empty lines inside of multi-line scalars, about a nanosecond
 * per square byte. Runs shorter than this do not count; the sum of squares of the others may not
 * pass the limit, which no file that a person writes comes near.
 */
#define BLANK_RUN	   256
#define LIMIT_BLANK_SQUARE ((uint64_t)1 << 28)

/* The end of the white space at @p; its cost is added to @cost. */
static const unsigned char *skip_blank(
	const unsigned char *p, const unsigned char *end, uint64_t *cost)
{
	const unsigned char *start = p;

	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	if (p - start > BLANK_RUN)
		*cost += (uint64_t)(p - start) * (uint64_t)(p - start);
	return p;
}

static struct span place_of(const char *text, size_t offset)
{
	struct span at = {.line = 1, .len = 1};
	const char *line = text, *newline;

	while ((newline = memchr(line, '\n', (size_t)(text + offset - line)))) {
		line = newline + 1;
		at.line++;
	}
	at.col = yaml_saturate((size_t)(text + offset - line) + 1);
	return at;
}

/*
 * Refuse what libfyaml should not see: binaries, other encodings, stray control characters, and
 * what would take it very long.
 */
static bool text_is_clean(const char *text, size_t len, struct diag *d)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	uint64_t cost = 0;
	struct span at;

	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3; /* byte order mark */
	while (p < end && cost <= LIMIT_BLANK_SQUARE) {
		size_t size = *p >= 0x20 && *p < 0x7f ? 1 : yaml_printable(p, end);

		if (!size)
			break;
		p = *p == '\n' || *p == '\r' ? skip_blank(p, end, &cost) : p + size;
	}
	if (p == end && cost <= LIMIT_BLANK_SQUARE)
		return true;
	at = place_of(text, (size_t)((const char *)p - text));
	if (cost > LIMIT_BLANK_SQUARE) {
		diag_error(d, at, "thousands of empty lines end here");
		diag_hint(d, "take them out");
		return false;
	}
	if (*p < 0x80)
		diag_error(d, at, "control character 0x%02x", *p);
	else
		diag_error(d, at, "byte 0x%02x does not belong to a printable UTF-8 character", *p);
	diag_hint(d, "the file must be text in UTF-8");
	return false;
}

/*
 * Room for about as many nodes as there are: each ':' brings two at most, each ',' and '-' one more.
 * Pages that are not needed are never touched.
 */
static void reserve(struct yaml_tree *tree, const char *text, size_t len)
{
	size_t n = 16;

	for (const char *p = text; p < text + len; p++)
		n += *p == ':' ? 2 : *p == ',' || *p == '-';
	if (n > LIMIT_YAML_NODES)
		n = LIMIT_YAML_NODES;
	tree->nodes.items = arena_alloc(tree->arena, n * sizeof(*tree->nodes.items));
	tree->nodes.cap = n;
}

bool yaml_is_null(const struct yaml_node *n)
{
	if (n->kind != YAML_SCALAR || n->quoted)
		return false;
	return n->len == 0 || (n->len == 1 && n->text[0] == '~') ||
	       (n->len == 4 &&
		       (memcmp(n->text, "null", 4) == 0 || memcmp(n->text, "Null", 4) == 0 ||
			       memcmp(n->text, "NULL", 4) == 0));
}

const struct yaml_node *yaml_parse(
	struct arena *arena, const char *text, size_t len, struct diag *d)
{
	struct yaml_tree tree = {.arena = arena};

	if (len == 0 || !text_is_clean(text, len, d))
		return NULL;
	reserve(&tree, text, len);
	if (!yaml_read_plain(&tree, text, len)) {
		tree.nodes.len = 0;
		if (!yaml_read_any(&tree, text, len, d))
			return NULL;
	}
	return tree.nodes.len ? tree.nodes.items : NULL;
}
