/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Diagnostics: collecting them, rendering them with the source line, and "did you mean". */
#include "base/diag.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX   64  /* longest word that diag_nearest() considers */
#define LINE_SHOWN 160 /* bytes of a source line that are shown, around the place */

static const struct {
	const char *name, *colour;
} severities[] = {
	[DIAG_ERROR] = {"error", "\033[1;31m"},
	[DIAG_WARNING] = {"warning", "\033[1;35m"},
	[DIAG_INFO] = {"info", "\033[1;36m"},
};
#define COLOUR_PLACE "\033[1m"
#define COLOUR_NOTE  "\033[1;36m"
#define COLOUR_CARET "\033[1;32m"
#define COLOUR_OFF   "\033[0m"

/* ---- collecting ---- */

void diag_init(struct diag *d)
{
	*d = (struct diag){.arena = arena_new()};
}

void diag_fini(struct diag *d)
{
	arena_free(d->arena);
	*d = (struct diag){0};
}

void diag_source(struct diag *d, const char *name, const char *text, size_t len)
{
	d->source = name;
	d->text = text;
	d->text_len = len;
}

static const char *format(struct diag *d, const char *fmt, va_list ap)
{
	struct strbuf b = STRBUF_INIT;
	const char *s;

	strbuf_vaddf(&b, fmt, ap);
	s = arena_strndup(d->arena, strbuf_str(&b), b.len);
	strbuf_fini(&b);
	return s;
}

static void entry(
	struct diag *d, enum diag_severity severity, struct span at, const char *fmt, va_list ap)
{
	const char *text = format(d, fmt, ap);
	struct diag_entry *e = vec_add(d->arena, &d->entries);

	e->severity = severity;
	e->at = at;
	e->text = text;
	switch (severity) {
	case DIAG_ERROR:
		d->errors++;
		break;
	case DIAG_WARNING:
		d->warnings++;
		break;
	case DIAG_INFO:
		break;
	}
}

void diag_add(struct diag *d, enum diag_severity severity, struct span at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	entry(d, severity, at, fmt, ap);
	va_end(ap);
}

void diag_error(struct diag *d, struct span at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	entry(d, DIAG_ERROR, at, fmt, ap);
	va_end(ap);
}

void diag_warning(struct diag *d, struct span at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	entry(d, DIAG_WARNING, at, fmt, ap);
	va_end(ap);
}

void diag_info(struct diag *d, struct span at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	entry(d, DIAG_INFO, at, fmt, ap);
	va_end(ap);
}

void diag_note(struct diag *d, struct span at, const char *fmt, ...)
{
	struct diag_note note = {.at = at};
	va_list ap;

	if (!d->entries.len)
		return;
	va_start(ap, fmt);
	note.text = format(d, fmt, ap);
	va_end(ap);
	vec_push(d->arena, &d->entries.items[d->entries.len - 1].notes, note);
}

void diag_hint(struct diag *d, const char *fmt, ...)
{
	va_list ap;

	if (!d->entries.len)
		return;
	va_start(ap, fmt);
	d->entries.items[d->entries.len - 1].hint = format(d, fmt, ap);
	va_end(ap);
}

/* ---- rendering ---- */

/* Where each line of the text starts, so that a place is found in constant time. */
struct lines {
	const char *text, **start;
	size_t n, text_len;
};

static struct lines lines_index(struct arena *a, const char *text, size_t len)
{
	struct lines l = {.text = text, .text_len = len};
	VEC(const char *) starts = {0};

	if (text) {
		vec_push(a, &starts, text);
		for (const char *p = text; (p = memchr(p, '\n', (size_t)(text + len - p)));)
			vec_push(a, &starts, ++p);
	}
	l.start = starts.items;
	l.n = starts.len;
	return l;
}

/* Bytes of the character at @s: a terminal must not be driven by what stands in a file, so control
 * characters (C0, DEL, and C1 in UTF-8) are shown as '?', which *@control says. */
static size_t character(const char *s, const char *end, bool *control)
{
	unsigned char c = (unsigned char)*s;
	size_t len = 1;

	*control = c < 0x20 || c == 0x7f;
	if (c < 0x80)
		return 1;
	while (s + len < end && len < 4 && ((unsigned char)s[len] & 0xc0) == 0x80)
		len++;
	*control = c < 0xc0 || len == 1 || (c == 0xc2 && (unsigned char)s[1] < 0xa0);
	return *control ? 1 : len;
}

static void add_clean(struct strbuf *out, const char *s, const char *end)
{
	while (s < end) {
		bool control;
		size_t len = character(s, end, &control);

		if (*s == '\t' || !control)
			strbuf_addn(out, s, len);
		else
			strbuf_addch(out, '?');
		s += len;
	}
}

static void add_coloured(struct strbuf *out, bool colour, const char *code, const char *text)
{
	if (colour)
		strbuf_add(out, code);
	add_clean(out, text, text + strlen(text));
	if (colour)
		strbuf_add(out, COLOUR_OFF);
}

/* "file:line:col: ", as much of it as there is */
static void add_place(struct strbuf *out, const struct diag *d, struct span at, bool colour)
{
	struct strbuf b = STRBUF_INIT;

	if (!at.line)
		return;
	if (d->source)
		strbuf_addf(&b, "%s:", d->source);
	strbuf_addf(&b, "%u:%u:", at.line, at.col);
	add_coloured(out, colour, COLOUR_PLACE, strbuf_str(&b));
	strbuf_addch(out, ' ');
	strbuf_fini(&b);
}

/* Move from @s to the start of a character */
static const char *to_character(const char *s, const char *end)
{
	while (s < end && ((unsigned char)*s & 0xc0) == 0x80)
		s++;
	return s;
}

static void add_source_line(struct strbuf *out, const struct lines *l, struct span at, bool colour)
{
	const char *line, *end, *place, *shown, *shown_end;
	bool control;

	if (!at.line || at.line > l->n || at.col == UINT16_MAX)
		return;
	line = l->start[at.line - 1];
	end = at.line < l->n ? l->start[at.line] - 1 : l->text + l->text_len;
	if (end > line && end[-1] == '\r')
		end--;
	if (at.col < 1 || at.col - 1 > end - line)
		return;
	place = line + at.col - 1;

	/* a long line (JSON without line breaks, say) is cut to the neighbourhood of the place */
	shown = line;
	if (end - line > LINE_SHOWN && place - line > LINE_SHOWN / 2)
		shown = to_character(place - LINE_SHOWN / 2, end);
	shown_end = end;
	if (end - shown > LINE_SHOWN)
		shown_end = to_character(shown + LINE_SHOWN, end);

	strbuf_addf(out, "%5u | %s", at.line, shown > line ? "..." : "");
	add_clean(out, shown, shown_end);
	strbuf_addf(out, "%s\n      | ", shown_end < end ? "..." : "");
	if (shown > line)
		strbuf_add(out, "   ");
	for (const char *p = shown; p < place; p += character(p, end, &control))
		strbuf_addch(out, *p == '\t' ? '\t' : ' ');
	if (colour)
		strbuf_add(out, COLOUR_CARET);
	strbuf_addch(out, '^');
	if (place < end) {
		const char *p = place + character(place, end, &control);

		for (; p < shown_end && p < place + at.len; p += character(p, end, &control))
			strbuf_addch(out, '~');
	}
	if (colour)
		strbuf_add(out, COLOUR_OFF);
	strbuf_addch(out, '\n');
}

/* Lines after the first are indented to stand below it. */
static void add_hint(struct strbuf *out, const char *hint, bool colour)
{
	add_coloured(out, colour, COLOUR_NOTE, "  hint:");
	for (const char *p = hint, *line_end;; p = line_end + 1) {
		strbuf_add(out, p == hint ? " " : "        ");
		line_end = strchrnul(p, '\n');
		add_clean(out, p, line_end);
		strbuf_addch(out, '\n');
		if (!*line_end)
			break;
	}
}

static int by_place(const void *pa, const void *pb)
{
	const struct diag_entry *a = *(const struct diag_entry *const *)pa;
	const struct diag_entry *b = *(const struct diag_entry *const *)pb;

	/* what has no place comes last: line 0 wraps to the end */
	if (a->at.line != b->at.line)
		return a->at.line - 1 < b->at.line - 1 ? -1 : 1;
	if (a->at.col != b->at.col)
		return a->at.col < b->at.col ? -1 : 1;
	return a < b ? -1 : a > b;
}

void diag_render(const struct diag *d, struct strbuf *out, bool colour)
{
	struct arena *scratch = arena_new();
	struct lines l = lines_index(scratch, d->text, d->text_len);
	const struct diag_entry **order = arena_alloc(scratch, d->entries.len * sizeof(*order));

	for (size_t i = 0; i < d->entries.len; i++)
		order[i] = &d->entries.items[i];
	qsort(order, d->entries.len, sizeof(*order), by_place);

	for (size_t i = 0; i < d->entries.len; i++) {
		const struct diag_entry *e = order[i];

		add_place(out, d, e->at, colour);
		add_coloured(
			out, colour, severities[e->severity].colour, severities[e->severity].name);
		strbuf_add(out, ": ");
		add_clean(out, e->text, e->text + strlen(e->text));
		strbuf_addch(out, '\n');
		add_source_line(out, &l, e->at, colour);
		VEC_EACH (&e->notes, struct diag_note, n) {
			add_place(out, d, n->at, colour);
			add_coloured(out, colour, COLOUR_NOTE, "note");
			strbuf_add(out, ": ");
			add_clean(out, n->text, n->text + strlen(n->text));
			strbuf_addch(out, '\n');
		}
		if (e->hint)
			add_hint(out, e->hint, colour);
	}
	arena_free(scratch);
}

/* ---- did you mean ---- */

static char lower(char c)
{
	return (char)tolower((unsigned char)c);
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Damerau-Levenshtein distance, each place edited at most once; case does not count. Both words
 * are at most WORD_MAX long. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= nb; j++)
		last[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t cost = lower(a[i - 1]) != lower(b[j - 1]);

			now[j] =
				min_size(min_size(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
				lower(a[i - 2]) == lower(b[j - 1]))
				now[j] = min_size(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[nb];
}

const char *diag_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word), best = len / 3 + 1;
	const char *nearest = NULL;

	if (len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t clen = strlen(candidates[i]), dist;

		if (clen > WORD_MAX || clen >= len + best || len >= clen + best)
			continue;
		dist = distance(word, len, candidates[i], clen);
		if (dist < best) {
			best = dist;
			nearest = candidates[i];
		}
	}
	return nearest;
}
