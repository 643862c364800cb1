/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines, words and values of dumps. */
#include "netstate/dump/reader.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* ---- lines ---- */

void dump_lines_begin(struct dump_lines *l, const struct dump_file *f)
{
	*l = (struct dump_lines){f->text, f->text + f->len, 0};
}

bool dump_lines_next(struct dump_lines *l, struct dump_line *out)
{
	while (l->at < l->end) {
		const char *s = l->at;
		const char *end = memchr(s, '\n', (size_t)(l->end - s));

		if (!end)
			end = l->end;
		l->at = end < l->end ? end + 1 : end;
		l->number++;
		out->indented = s < end && is_blank(*s);
		while (s < end && is_blank(*s))
			s++;
		while (end > s && is_blank(end[-1]))
			end--;
		if (s == end)
			continue;
		out->s = s;
		out->len = (size_t)(end - s);
		out->number = l->number;
		return true;
	}
	return false;
}

bool dump_first_word(const struct dump_line *l, char *word, size_t size)
{
	size_t n = 0;

	while (n < l->len && l->s[n] != ' ' && l->s[n] != '\t')
		n++;
	if (n == 0 || n >= size)
		return false;
	memcpy(word, l->s, n);
	word[n] = '\0';
	return true;
}

bool dump_starts_with(const char *s, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && memcmp(s, prefix, n) == 0;
}

const char *dump_find(const char *s, size_t len, const char *needle)
{
	return len ? memmem(s, len, needle, strlen(needle)) : NULL;
}

/* ---- records ---- */

void dump_record_init(struct dump_record *r, struct dump *d, const struct dump_file *f)
{
	*r = (struct dump_record){.d = d, .f = f};
}

void dump_record_begin(struct dump_record *r, uint32_t line, const char *s, size_t len)
{
	r->line = line;
	r->text = s;
	r->text_len = len;
	r->words.len = r->next = 0;
	r->complained = r->cut = false;
}

static bool has_room(struct dump_record *r)
{
	if (r->words.len < DUMP_MAX_WORDS)
		return true;
	if (!r->cut)
		dump_record_note(r, "more than %u words; the rest is cut off", DUMP_MAX_WORDS);
	r->cut = true;
	return false;
}

void dump_record_push(struct dump_record *r, const char *word)
{
	if (has_room(r))
		vec_push(r->d->arena, &r->words, word);
}

void dump_record_split(struct dump_record *r, const char *s, size_t len)
{
	char *copy = arena_strndup(r->d->arena, s, len), *end = copy + strlen(copy);

	/* Words end up in messages: see dump_note(). */
	for (char *c = copy; c < end; c++)
		if (((unsigned char)*c < ' ' && !is_blank(*c)) || *c == 0x7f)
			*c = '?';
	while (copy < end && has_room(r)) {
		char *word = copy;

		while (copy < end && !is_blank(*copy) && *copy != '\\')
			copy++;
		*copy = '\0';
		if (copy > word)
			vec_push(r->d->arena, &r->words, word);
		copy++;
	}
}

bool dump_record_next(struct dump_record *r, struct dump_lines *lines)
{
	struct dump_line l;

	if (!dump_lines_next(lines, &l))
		return false;
	dump_record_begin(r, l.number, l.s, l.len);
	dump_record_split(r, l.s, l.len);
	return true;
}

void dump_text_each(struct dump *d, const struct dump_file *f, const struct dump_layout *layout,
	void (*each)(struct dump_record *r, void *data), void *data)
{
	struct dump_lines lines;
	struct dump_line l;
	struct dump_record r;
	bool open = false;

	dump_record_init(&r, d, f);
	dump_lines_begin(&lines, f);
	while (dump_lines_next(&lines, &l)) {
		if (layout->begins(&l)) {
			if (open)
				each(&r, data);
			open = true;
			dump_record_begin(&r, l.number, l.s, l.len);
		} else if (!open || !layout->goes_on(&l)) {
			dump_note(d, f, l.number, l.s, l.len, layout->neither);
			continue;
		}
		dump_record_split(&r, l.s, l.len);
	}
	if (open)
		each(&r, data);
}

const char *dump_record_peek(const struct dump_record *r)
{
	return r->next < r->words.len ? r->words.items[r->next] : NULL;
}

const char *dump_record_word(struct dump_record *r)
{
	return r->next < r->words.len ? r->words.items[r->next++] : NULL;
}

bool dump_record_take(struct dump_record *r, const char *word)
{
	const char *next = dump_record_peek(r);

	if (!next || strcmp(next, word) != 0)
		return false;
	r->next++;
	return true;
}

void dump_record_note(struct dump_record *r, const char *fmt, ...)
{
	struct strbuf why = STRBUF_INIT;
	va_list ap;

	if (r->complained)
		return;
	r->complained = true;
	va_start(ap, fmt);
	strbuf_vaddf(&why, fmt, ap);
	va_end(ap);
	dump_note(r->d, r->f, r->line, r->text, r->text_len,
		arena_strdup(r->d->arena, strbuf_str(&why)));
	strbuf_fini(&why);
}

/* ---- values ---- */

bool dump_u32(const char *s, uint32_t *out)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	unsigned long long v;
	char *end;

	if (*s < '0' || *s > '9' || strlen(s) > 12)
		return false;
	v = strtoull(s, &end, hex ? 16 : 10);
	if (*end || (hex && !s[2]) || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

bool dump_u8(const char *s, uint8_t *out)
{
	uint32_t v;

	if (!dump_u32(s, &v) || v > UINT8_MAX)
		return false;
	*out = (uint8_t)v;
	return true;
}

bool dump_prefix(const char *s, uint8_t *family, struct ip_prefix *out)
{
	static const uint8_t zero[16];
	struct ip_prefix p;

	if (strcmp(s, "default") == 0 || strcmp(s, "all") == 0 || strcmp(s, "any") == 0) {
		*out = (struct ip_prefix){ip_from_bytes(*family ? *family : IP_V4, zero), 0};
		return true;
	}
	memset(&p, 0, sizeof(p));
	/* Host bits (-EDOM) do no harm: p is filled then, with them cleared. */
	ip_prefix_parse(s, &p);
	if (p.addr.family == IP_NONE)
		return false;
	*family = p.addr.family;
	*out = p;
	return true;
}

bool dump_addr(const char *s, struct ip_addr *out)
{
	return ip_parse_n(s, strcspn(s, "%"), out) == 0;
}

bool dump_find_word(const struct dump_word *words, size_t n, const char *word, unsigned int *is)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i].word, word) == 0) {
			*is = words[i].is;
			return true;
		}
	return false;
}
