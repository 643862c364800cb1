/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Journal: everything that happens, one line each: for the log (logfmt on stderr, with sd-daemon(3)
 * levels where the journal reads it), for /v1/events, and counted for the metrics.
 */
#ifndef DAEMON_JOURNAL_H
#define DAEMON_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define JOURNAL_KEPT 1024u /* events that a late reader still gets */

enum journal_level { JOURNAL_ERROR, JOURNAL_WARNING, JOURNAL_NOTICE, JOURNAL_DEBUG };

struct journal_event {
	uint64_t id;	/* from 1, in order */
	uint64_t at_ms; /* wall clock */
	enum journal_level level;
	const char *kind; /* a slug, stable: "applied", "drift", "uplink-down", ... */
	json_t *fields;	  /* flat: strings, numbers, booleans; "message" for people always */
};

struct journal;

struct journal *journal_new(bool debug);
void journal_free(struct journal *j);

/*
 * Note an event and print it. @format and the rest are json_pack()'s for an object's inside: pairs of
 * key and value, e.g. journal_note(j, JOURNAL_NOTICE, "uplink-down", "eth1 lost its carrier",
 * "s:s, s:i", "uplink", "unicom", "rounds", 3). @format may be "".
 */
void journal_note(struct journal *j, enum journal_level level, const char *kind,
	const char *message, const char *format, ...);

/* Those kept with an id above @after, oldest first; @each returns false to stop. */
void journal_since(const struct journal *j, uint64_t after,
	bool (*each)(const struct journal_event *e, void *data), void *data);
uint64_t journal_last(const struct journal *j); /* id of the newest; 0: none */
/* How many of @kind there have been since the start. */
uint64_t journal_count(const struct journal *j, const char *kind);
void journal_each_kind(const struct journal *j,
	void (*each)(const char *kind, uint64_t count, void *data), void *data);
/* An event as the API gives it: {"id", "at", "level", "kind", "message", ...}; a new reference. */
json_t *journal_json(const struct journal_event *e);

/* Call @told after each note, until journal_forget(). @told must not note. */
struct journal_listener;
struct journal_listener *journal_listen(
	struct journal *j, void (*told)(const struct journal_event *e, void *data), void *data);
void journal_forget(struct journal *j, struct journal_listener *l);

#endif
