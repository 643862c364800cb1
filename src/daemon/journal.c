/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Journal: events are noted, printed, kept in a ring, counted by kind and told to listeners.
 *
 * A line is logfmt: key=value, quoted where the value has anything but plain characters. Before it the
 * level as sd-daemon(3) has it, where stderr is connected to the journal ($JOURNAL_STREAM names the
 * device and inode of that stream); elsewhere the time, which the journal keeps by itself.
 */
#include "daemon/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "report/report.h"

#define MAX_KINDS 256u /* kinds are slugs in the program's text; this is far more than there are */

struct kind_count {
	const char *kind;
	uint64_t count;
};

struct journal_listener {
	struct journal_listener *next;
	void (*told)(const struct journal_event *e, void *data);
	void *data;
};

struct journal {
	bool debug, levels;
	struct journal_event ring[JOURNAL_KEPT]; /* event `id` is at id % JOURNAL_KEPT */
	uint64_t last;
	struct kind_count kinds[MAX_KINDS];
	size_t n_kinds;
	struct journal_listener *listeners;
};

static const char *const level_names[] = {
	[JOURNAL_ERROR] = "error",
	[JOURNAL_WARNING] = "warning",
	[JOURNAL_NOTICE] = "notice",
	[JOURNAL_DEBUG] = "debug",
};

/* syslog(3) severities */
static const char level_digits[] = {
	[JOURNAL_ERROR] = '3',
	[JOURNAL_WARNING] = '4',
	[JOURNAL_NOTICE] = '5',
	[JOURNAL_DEBUG] = '7',
};

static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat st;

	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

struct journal *journal_new(bool debug)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	j->debug = debug;
	j->levels = stderr_is_journal();
	return j;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < JOURNAL_KEPT; i++)
		json_decref(j->ring[i].fields);
	while (j->listeners)
		journal_forget(j, j->listeners);
	free(j);
}

/* ---- printing ---- */

static bool is_plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
			return false;
	return true;
}

static void print_quoted(struct strbuf *out, const char *s)
{
	strbuf_addch(out, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			strbuf_addf(out, "\\%c", c);
		else if (c == '\n')
			strbuf_add(out, "\\n");
		else if (c == '\t')
			strbuf_add(out, "\\t");
		else if (c < ' ' || c == 0x7f)
			strbuf_addf(out, "\\x%02x", c);
		else
			strbuf_addch(out, *s);
	}
	strbuf_addch(out, '"');
}

static void print_value(struct strbuf *out, const json_t *value)
{
	const char *s = json_string_value(value);

	if (json_is_integer(value))
		strbuf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		strbuf_addf(out, "%g", json_real_value(value));
	else if (json_is_boolean(value))
		strbuf_add(out, json_is_true(value) ? "true" : "false");
	else if (s && is_plain(s))
		strbuf_add(out, s);
	else
		print_quoted(out, s ? s : "");
}

static void print_time(struct strbuf *out, uint64_t at_ms)
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm utc;

	if (!gmtime_r(&seconds, &utc))
		return;
	strbuf_addf(out, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03uZ ", utc.tm_year + 1900,
		utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
		(unsigned int)(at_ms % 1000));
}

static void print_line(const struct journal *j, const struct journal_event *e)
{
	struct strbuf line = STRBUF_INIT;
	const char *key;
	json_t *value;

	if (j->levels)
		strbuf_addf(&line, "<%c>", level_digits[e->level]);
	else
		print_time(&line, e->at_ms);
	strbuf_addf(&line, "level=%s event=%s", level_names[e->level], e->kind);
	json_object_foreach(e->fields, key, value)
	{
		strbuf_addf(&line, " %s=", key);
		print_value(&line, value);
	}
	strbuf_addch(&line, '\n');
	/* One write, so that lines of several processes do not mix. Where it fails nobody is to be
	 * told. */
	if (write(STDERR_FILENO, line.s, line.len) < 0)
		line.len = 0;
	strbuf_fini(&line);
}

/* ---- noting ---- */

static void count(struct journal *j, const char *kind)
{
	for (size_t i = 0; i < j->n_kinds; i++)
		if (strcmp(j->kinds[i].kind, kind) == 0) {
			j->kinds[i].count++;
			return;
		}
	if (j->n_kinds < MAX_KINDS)
		j->kinds[j->n_kinds++] = (struct kind_count){kind, 1};
}

static uint64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* "message" first, then what the caller packs. */
static json_t *pack(const char *message, const char *format, va_list ap)
{
	json_t *fields = json_object(), *more = NULL;
	struct strbuf whole = STRBUF_INIT;

	json_object_set_new(fields, "message", report_text(message));
	if (*format) {
		strbuf_addf(&whole, "{%s}", format);
		more = json_vpack_ex(NULL, 0, strbuf_str(&whole), ap);
		strbuf_fini(&whole);
		if (more)
			json_object_update(fields, more);
		else /* not UTF-8: the event still is one */
			json_object_set_new(fields, "unreadable", json_true());
		json_decref(more);
	}
	return fields;
}

void journal_note(struct journal *j, enum journal_level level, const char *kind,
	const char *message, const char *format, ...)
{
	struct journal_event *e;
	va_list ap;

	if (level == JOURNAL_DEBUG && !j->debug)
		return;
	j->last++;
	e = &j->ring[j->last % JOURNAL_KEPT];
	json_decref(e->fields);
	va_start(ap, format);
	*e = (struct journal_event){.id = j->last,
		.at_ms = wall_ms(),
		.level = level,
		.kind = kind,
		.fields = pack(message, format, ap)};
	va_end(ap);
	count(j, kind);
	print_line(j, e);
	for (struct journal_listener *l = j->listeners, *next; l; l = next) {
		next = l->next;
		l->told(e, l->data);
	}
}

/* ---- asking ---- */

void journal_since(const struct journal *j, uint64_t after,
	bool (*each)(const struct journal_event *e, void *data), void *data)
{
	uint64_t first = j->last > JOURNAL_KEPT ? j->last - JOURNAL_KEPT + 1 : 1;

	for (uint64_t id = after >= first ? after + 1 : first; id <= j->last; id++)
		if (!each(&j->ring[id % JOURNAL_KEPT], data))
			return;
}

uint64_t journal_last(const struct journal *j)
{
	return j->last;
}

uint64_t journal_count(const struct journal *j, const char *kind)
{
	for (size_t i = 0; i < j->n_kinds; i++)
		if (strcmp(j->kinds[i].kind, kind) == 0)
			return j->kinds[i].count;
	return 0;
}

void journal_each_kind(const struct journal *j,
	void (*each)(const char *kind, uint64_t count, void *data), void *data)
{
	for (size_t i = 0; i < j->n_kinds; i++)
		each(j->kinds[i].kind, j->kinds[i].count, data);
}

json_t *journal_json(const struct journal_event *e)
{
	json_t *j = json_pack("{s:I, s:I, s:s, s:s}", "id", (json_int_t)e->id, "at",
		(json_int_t)e->at_ms, "level", level_names[e->level], "kind", e->kind);

	json_object_update_missing(j, e->fields);
	return j;
}

/* ---- listening ---- */

struct journal_listener *journal_listen(
	struct journal *j, void (*told)(const struct journal_event *e, void *data), void *data)
{
	struct journal_listener *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	*l = (struct journal_listener){.next = j->listeners, .told = told, .data = data};
	j->listeners = l;
	return l;
}

void journal_forget(struct journal *j, struct journal_listener *l)
{
	for (struct journal_listener **at = &j->listeners; *at; at = &(*at)->next)
		if (*at == l) {
			*at = l->next;
			free(l);
			return;
		}
}
