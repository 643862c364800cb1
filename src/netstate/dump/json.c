/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON of dumps, object by object, with the line of each.
 *
 * jansson knows no lines and takes a document whole or not at all. So the objects are found first, by
 * their braces, and given to it one by one: each has its line, two documents in one file are read, and
 * one that was cut off loses only its last object.
 */
#include "netstate/dump/reader.h"

#include <stdio.h>
#include <string.h>

#define MAX_NESTING 4 /* of objects in an object: a route's next hops have a `via` */

/* Where the braces of a text stand, outside of strings. */
struct scan {
	const char *at, *end;
	uint32_t line;
	unsigned int depth;
	bool in_string;
	uint32_t stray; /* line of the first thing outside of objects that is not JSON; 0: none */
	const char *stray_at;
};

static void scan_string(struct scan *s)
{
	for (s->at++; s->at < s->end && *s->at != '"'; s->at++) {
		if (*s->at == '\\' && s->at + 1 < s->end)
			s->at++;
		if (*s->at == '\n')
			s->line++;
	}
	if (s->at < s->end)
		s->at++;
	else
		s->in_string = true;
}

/* The next object outside of any other; false: there is none, or no end of it. */
static bool next_object(struct scan *s, const char **start, uint32_t *line)
{
	*start = NULL;
	s->depth = 0;
	while (s->at < s->end) {
		char c = *s->at;

		if (c == '"') {
			scan_string(s);
			continue;
		}
		s->at++;
		if (c == '\n') {
			s->line++;
		} else if (c == '{') {
			if (s->depth++ == 0) {
				*start = s->at - 1;
				*line = s->line;
			}
		} else if (c == '}' && s->depth && --s->depth == 0) {
			return true;
		} else if (!s->depth && !s->stray && !strchr(" \t\r[],", c)) {
			s->stray = s->line;
			s->stray_at = s->at - 1;
		}
	}
	return false;
}

bool dump_is_json(const struct dump_file *f)
{
	struct dump_lines lines;
	struct dump_line l;

	dump_lines_begin(&lines, f);
	return dump_lines_next(&lines, &l) && (*l.s == '[' || *l.s == '{') &&
	       /* A prompt may be in brackets too. */
	       (l.len == 1 || *l.s == '{' || strchr("[]{\" \t", l.s[1]));
}

static size_t first_line(const char *s, const char *end)
{
	const char *newline = s && s < end ? memchr(s, '\n', (size_t)(end - s)) : NULL;

	return (size_t)((newline ? newline : end) - s);
}

void dump_json_each(struct dump *d, const struct dump_file *f,
	void (*each)(struct dump_record *r, const json_t *object, void *data), void *data)
{
	struct scan s = {.at = f->text, .end = f->text + f->len, .line = 1};
	struct dump_record r;
	const char *start;
	uint32_t line = 0;

	dump_record_init(&r, d, f);
	while (next_object(&s, &start, &line)) {
		size_t len = (size_t)(s.at - start);
		json_error_t error;
		json_t *object = json_loadb(start, len, 0, &error);

		dump_record_begin(&r, line, start, first_line(start, s.at));
		if (object && json_object_size(object) > 0)
			each(&r, object, data);
		else if (!object)
			dump_record_note(&r, "not JSON: %s", error.text);
		json_decref(object);
	}
	if (start)
		dump_note(d, f, line, start, first_line(start, s.end),
			"cut off: the file ends within this object");
	if (s.stray)
		dump_note(d, f, s.stray, s.stray_at, first_line(s.stray_at, s.end), "not JSON");
}

const char *dump_json_text(struct arena *a, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		return arena_strdup(a, json_string_value(value));
	if (json_is_integer(value))
		return arena_printf(a, "%lld", (long long)json_integer_value(value));
	return NULL;
}

static const char *word_for(const struct dump_key *keys, const char *key)
{
	for (; keys->key; keys++)
		if (strcmp(keys->key, key) == 0)
			return keys->word;
	return key;
}

static void push_word(struct dump_record *r, const char *word)
{
	if (*word)
		dump_record_push(r, arena_strdup(r->d->arena, word));
}

static void push_members(struct dump_record *r, const json_t *object, const struct dump_key *keys,
	unsigned int nesting);

static void push_value(struct dump_record *r, const char *word, const json_t *value,
	const struct dump_key *keys, unsigned int nesting)
{
	struct arena *a = r->d->arena;
	const json_t *item;
	size_t i;

	switch (json_typeof(value)) {
	case JSON_STRING:
		push_word(r, word);
		push_word(r, json_string_value(value));
		break;
	case JSON_INTEGER:
		push_word(r, word);
		dump_record_push(r, arena_printf(a, "%lld", (long long)json_integer_value(value)));
		break;
	case JSON_REAL:
		push_word(r, word);
		dump_record_push(r, arena_printf(a, "%g", json_real_value(value)));
		break;
	case JSON_TRUE:
	case JSON_NULL: /* ip's way to write a flag */
		push_word(r, word);
		break;
	case JSON_FALSE:
		break;
	case JSON_OBJECT:
		push_word(r, word);
		push_members(r, value, keys, nesting + 1);
		break;
	case JSON_ARRAY:
		if (nesting >= MAX_NESTING)
			break;
		json_array_foreach((json_t *)value, i, item)
		{
			/* Flags are words of their own. */
			push_value(r, json_is_string(item) ? "" : word, item, keys, nesting + 1);
		}
		break;
	}
}

static void push_members(struct dump_record *r, const json_t *object, const struct dump_key *keys,
	unsigned int nesting)
{
	const char *key;
	json_t *value;

	if (nesting > MAX_NESTING) {
		dump_record_note(r, "objects nested too deeply");
		return;
	}
	json_object_foreach((json_t *)object, key, value)
	{
		const char *word = word_for(keys, key);

		if (word)
			push_value(r, word, value, keys, nesting);
	}
}

void dump_record_push_json(struct dump_record *r, const json_t *object, const struct dump_key *keys)
{
	push_members(r, object, keys, 0);
}
