/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measure: do the backends' replies come back through this gateway? All of a plan are asked, once, now,
 * and what was found is told as text and as JSON. (What goes on all the time is returns.h.)
 */
#ifndef DAEMON_MEASURE_H
#define DAEMON_MEASURE_H

#include <event2/event.h>
#include <jansson.h>

#include "base/strbuf.h"
#include "plan/plan.h"

struct measure;
struct measured; /* one backend */

struct measure_events {
	/* Of each backend, in the order of addresses, when it and those before it are known. False: the
	 * measure was ended by this. */
	bool (*each)(const struct measured *m, void *data);
	/* Once after the last one. @error: why not all could be asked; NULL: they were. */
	void (*done)(const char *error, void *data);
	void *data;
};

/* Begin to ask the backends of all maps, or of @only (NULL: all). The plan must outlive it. NULL: out of
 * descriptors or memory. Nothing is told before the loop goes on. */
struct measure *measure_start(struct event_base *base, const struct plan *plan, const char *only,
	const struct measure_events *events);
void measure_end(struct measure *m); /* at any time, also from the events; NULL is fine */

/* {backend, maps, more_maps, port, interface, from_uplink, from_inside, rounds, return, broken, remedy} */
json_t *measured_json(const struct measured *b);
void measured_print(struct strbuf *out, const struct measured *b);
/* A map takes for granted that its replies come back, and they do not. */
bool measured_is_broken(const struct measured *b);

#endif
