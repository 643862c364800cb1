/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML of any shape, by libfyaml's event interface, and all errors of syntax.
 *
 * libfyaml's documents are not used: they look for duplicate keys in quadratic time. Places are
 * computed from byte offsets, since libfyaml counts columns in characters, and tabs as several.
 */

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "config/yaml_tree.h"

struct frame {
	uint32_t node;
	uint32_t start; /* offset of the opening bracket, where it has one */
	bool key_next;	/* mapping: the next node is a key */
};

struct builder {
	const char *text, *end;
	struct diag *d;
	struct yaml_tree *tree;
	struct frame stack[LIMIT_YAML_DEPTH];
	unsigned int depth;
	/* the line of the place that was looked up last; places are looked up in order, and each
	 * byte is looked at once */
	const char *line_start, *seen;
	uint32_t line;
	unsigned int documents;
};

/* ---- places ---- */

static void lines_rewind(struct builder *b)
{
	b->line_start = b->seen = b->text;
	b->line = 1;
}

/* From and to are offsets, on one line. */
static struct span span_of(struct builder *b, size_t from, size_t to)
{
	const char *p = b->text + from, *newline;

	if (p < b->line_start)
		lines_rewind(b);
	while (b->seen < p && (newline = memchr(b->seen, '\n', (size_t)(p - b->seen)))) {
		b->line_start = b->seen = newline + 1;
		b->line++;
	}
	if (b->seen < p)
		b->seen = p;
	return (struct span){
		.line = b->line,
		.col = yaml_saturate((size_t)(p - b->line_start) + 1),
		.len = yaml_saturate(to > from ? to - from : 1),
	};
}

/* The same where the text may go on over several lines: then up to the end of the first. */
static struct span first_line_of(struct builder *b, size_t from, size_t to)
{
	const char *newline = from < to ? memchr(b->text + from, '\n', to - from) : NULL;

	return span_of(b, from, newline ? (size_t)(newline - b->text) : to);
}

static size_t offset_of(const struct builder *b, const struct fy_mark *mark)
{
	size_t len = (size_t)(b->end - b->text);

	return mark && mark->input_pos < len ? mark->input_pos : len;
}

static struct span token_span(struct builder *b, struct fy_token *t)
{
	size_t from = offset_of(b, fy_token_start_mark(t)), to = offset_of(b, fy_token_end_mark(t));

	return first_line_of(b, from, to);
}

/* ---- errors ---- */

/* The words of libfyaml that need others. */
static const struct {
	const char *theirs, *ours, *hint;
} messages[] = {
	{"invalid multiline plain key", "this line and what follows do not fit together",
		"look at the indentation, and for a space after each ':'"},
	{"invalid nested block mapping on the same line", "a second ':' on this line",
		"quote a value that ends in ':' or holds ': ', as in \"2001:db8::\""},
	{"invalid value after mapping", "unexpected text after a closed list or mapping", NULL},
	{"missing comma in flow mapping", "',' or '}' expected", NULL},
	{"missing comma in flow sequence", "',' or ']' expected", NULL},
	{"tab character may not be used as indentation", "a tab in the indentation",
		"indent with spaces"},
};

static bool is_v6_text(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
	       c == ':' || c == '.';
}

/* Finds an unquoted "[2001:db8::25]", with ":25" or without, in [@p, @end). */
static const char *find_bracketed_v6(const char *p, const char *end, size_t *len)
{
	const char *start = p;
	struct ip_addr addr;

	for (; (p = memchr(p, '[', (size_t)(end - p))); p++) {
		const char *q = p + 1;

		while (q < end && is_v6_text(*q))
			q++;
		if (q == end || *q != ']' || (p > start && strchr("\"'", p[-1])) ||
			ip_parse_n(p + 1, (size_t)(q - p - 1), &addr) || addr.family != IP_V6)
			continue;
		q++;
		if (q < end && *q == ':')
			q++;
		while (q < end && *q >= '0' && *q <= '9')
			q++;
		*len = (size_t)(q - p);
		return p;
	}
	return NULL;
}

static void syntax_error(struct builder *b, struct fy_diag *fyd)
{
	void *iter = NULL;
	struct fy_diag_error *e = fy_diag_errors_iterate(fyd, &iter);
	size_t at = (size_t)(b->end - b->text), v6_len;
	const char *line, *line_end, *v6, *text = "this is no YAML", *hint = NULL;
	struct span span, open;

	lines_rewind(b);
	if (e && e->fyt)
		at = offset_of(b, fy_token_start_mark(e->fyt));
	if (e && e->msg)
		text = e->msg;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (strcmp(text, messages[i].theirs) == 0) {
			hint = messages[i].hint;
			text = messages[i].ours;
			break;
		}
	}
	span = span_of(b, at, at);
	line = b->line_start;
	line_end = memchr(line, '\n', (size_t)(b->end - line));
	v6 = find_bracketed_v6(line, line_end ? line_end : b->end, &v6_len);
	if (v6) {
		at = (size_t)(v6 - b->text);
		diag_error(b->d, span_of(b, at, at + v6_len), "an unquoted '[' begins a list");
		diag_hint(b->d, "an IPv6 address in brackets needs quotes: \"%.*s\"", (int)v6_len,
			v6);
		return;
	}
	diag_error(b->d, span, "YAML: %s", text);
	if (b->depth) {
		const struct frame *f = &b->stack[b->depth - 1];

		open = b->tree->nodes.items[f->node].at;
		if (open.line != span.line &&
			(b->text[f->start] == '{' || b->text[f->start] == '['))
			diag_note(b->d, open, "the '%c' here is still open", b->text[f->start]);
	}
	if (hint)
		diag_hint(b->d, "%s", hint);
}

/* What YAML allows and a config does not need. An alias bomb must not eat the machine. */
static bool refuse_decoration(struct builder *b, struct fy_token *anchor, struct fy_token *tag)
{
	if (anchor)
		diag_error(b->d, token_span(b, anchor), "anchors are not supported");
	else if (tag)
		diag_error(b->d, token_span(b, tag), "tags are not supported");
	else
		return false;
	diag_hint(b->d, "write the value itself");
	return true;
}

/* ---- building ---- */

/* Append a node to the innermost container. NULL: refused, with the error appended. */
static struct yaml_node *node_add(struct builder *b, enum yaml_kind kind, struct span at)
{
	struct yaml_node *n;

	if (b->depth) {
		struct frame *f = &b->stack[b->depth - 1];
		struct yaml_node *parent = &b->tree->nodes.items[f->node];

		if (parent->kind == YAML_SEQUENCE || f->key_next)
			parent->len++;
		if (f->key_next && kind != YAML_SCALAR) {
			diag_error(b->d, at, "a key must be a word, not a %s",
				kind == YAML_MAPPING ? "mapping" : "list");
			return NULL;
		}
		if (parent->kind == YAML_MAPPING)
			f->key_next = !f->key_next;
	}
	if (b->tree->nodes.len == LIMIT_YAML_NODES) {
		diag_error(b->d, at, "more than %u values in one file", LIMIT_YAML_NODES);
		return NULL;
	}
	n = vec_add(b->tree->arena, &b->tree->nodes);
	n->kind = kind;
	n->at = at;
	n->size = 1;
	n->text = "";
	return n;
}

/* Is the value of a scalar just what stands in the file, on one line? */
static bool is_verbatim(const char *s, const char *end, enum fy_scalar_style style)
{
	char special = style == FYSS_DOUBLE_QUOTED   ? '\\'
		       : style == FYSS_SINGLE_QUOTED ? '\''
						     : '\n';

	if (style == FYSS_LITERAL || style == FYSS_FOLDED)
		return false;
	for (; s < end; s++)
		if (*s == '\n' || *s == '\r' || *s == special)
			return false;
	return true;
}

static bool add_scalar(struct builder *b, struct fy_token *t)
{
	struct yaml_node *n;
	enum fy_scalar_style style;
	size_t from, to, quote = 0;
	bool verbatim;

	if (!t) { /* "key:" and nothing more */
		struct span at = b->tree->nodes.len
					 ? b->tree->nodes.items[b->tree->nodes.len - 1].at
					 : span_of(b, 0, 1);

		return node_add(b, YAML_SCALAR, at);
	}
	style = fy_token_scalar_style(t);
	from = offset_of(b, fy_token_start_mark(t));
	to = offset_of(b, fy_token_end_mark(t));
	if (to < from)
		to = from;
	verbatim = is_verbatim(b->text + from, b->text + to, style);
	if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)
		quote = 1; /* libfyaml's marks leave the quotes out */
	n = node_add(b, YAML_SCALAR,
		verbatim ? span_of(b, from - quote, to + quote)
			 : first_line_of(b, from - quote, to));
	if (!n)
		return false;
	n->quoted = style != FYSS_PLAIN;
	if (verbatim) {
		n->text = b->text + from;
		n->len = (uint32_t)(to - from);
	} else {
		size_t len = 0;
		const char *s = fy_token_get_text(t, &len);

		n->text = arena_strndup(b->tree->arena, s, s ? len : 0);
		n->len = s ? (uint32_t)len : 0;
	}
	if (n->len == 2 && !n->quoted && memcmp(n->text, "<<", 2) == 0) {
		diag_error(b->d, n->at, "merge keys are not supported");
		diag_hint(b->d, "write the values themselves");
		return false;
	}
	return true;
}

static bool open_container(struct builder *b, enum yaml_kind kind, struct fy_token *t)
{
	size_t from = offset_of(b, fy_token_start_mark(t));
	struct yaml_node *n = node_add(b, kind, span_of(b, from, from));

	if (!n)
		return false;
	if (b->depth == LIMIT_YAML_DEPTH) {
		diag_error(b->d, n->at, "nested more than %u deep", LIMIT_YAML_DEPTH);
		return false;
	}
	b->stack[b->depth++] = (struct frame){
		.node = (uint32_t)(n - b->tree->nodes.items),
		.start = (uint32_t)from,
		.key_next = kind == YAML_MAPPING,
	};
	return true;
}

static void close_container(struct builder *b, struct fy_token *t)
{
	struct frame *f = &b->stack[--b->depth];
	struct yaml_node *n = &b->tree->nodes.items[f->node];
	size_t from = t ? offset_of(b, fy_token_start_mark(t)) : 0;
	size_t to = t ? offset_of(b, fy_token_end_mark(t)) : 0;

	n->size = (uint32_t)b->tree->nodes.len - f->node;
	if (from < to) { /* with brackets: underline all of it, or its first line */
		const char *start = b->text + f->start,
			   *newline = memchr(start, '\n', to - f->start);

		n->at.len = yaml_saturate(newline ? (size_t)(newline - start) : to - f->start);
	}
}

/* True: go on. */
static bool take_event(struct builder *b, const struct fy_event *e)
{
	switch (e->type) {
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_DOCUMENT_END:
		return true;
	case FYET_DOCUMENT_START:
		if (b->documents++) {
			diag_error(b->d, token_span(b, e->document_start.document_start),
				"a second document begins here; a config is one");
			return false;
		}
		return true;
	case FYET_ALIAS:
		diag_error(b->d, token_span(b, e->alias.anchor), "aliases are not supported");
		diag_hint(b->d, "write the value itself; quote it if it begins with '*'");
		return false;
	case FYET_MAPPING_START:
		return !refuse_decoration(b, e->mapping_start.anchor, e->mapping_start.tag) &&
		       open_container(b, YAML_MAPPING, e->mapping_start.mapping_start);
	case FYET_SEQUENCE_START:
		return !refuse_decoration(b, e->sequence_start.anchor, e->sequence_start.tag) &&
		       open_container(b, YAML_SEQUENCE, e->sequence_start.sequence_start);
	case FYET_SCALAR:
		return !refuse_decoration(b, e->scalar.anchor, e->scalar.tag) &&
		       add_scalar(b, e->scalar.value);
	case FYET_MAPPING_END:
		close_container(b, e->mapping_end.mapping_end);
		return true;
	case FYET_SEQUENCE_END:
		close_container(b, e->sequence_end.sequence_end);
		return true;
	}
	return false;
}

bool yaml_read_any(struct yaml_tree *tree, const char *text, size_t len, struct diag *d)
{
	struct builder b = {.text = text, .end = text + len, .d = d, .tree = tree};
	struct fy_diag_cfg diag_cfg;
	struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2};
	struct fy_parser *parser;
	struct fy_event *e;
	bool good = true;

	lines_rewind(&b);
	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL; /* nothing is printed */
	cfg.diag = fy_diag_create(&diag_cfg);
	if (!cfg.diag)
		abort();
	fy_diag_set_collect_errors(cfg.diag, true);
	parser = fy_parser_create(&cfg);
	if (!parser || fy_parser_set_string(parser, text, len))
		abort();

	while (good && (e = fy_parser_parse(parser))) {
		good = take_event(&b, e);
		fy_parser_event_free(parser, e);
	}
	if (good && fy_parser_get_stream_error(parser)) {
		syntax_error(&b, cfg.diag);
		good = false;
	}
	fy_parser_destroy(parser);
	fy_diag_destroy(cfg.diag);
	return good;
}
