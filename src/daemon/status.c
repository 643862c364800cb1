/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Status: what the daemon knows, as the API gives it. */
#include "daemon/status.h"

#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "daemon/api.h"
#include "daemon/change.h"
#include "daemon/fastpath_keeper.h"
#include "daemon/map_changes.h"
#include "daemon/monitor.h"
#include "daemon/reconcile.h"
#include "daemon/returns.h"
#include "report/flows.h"
#include "report/report.h"
#include "report/status.h"

/* ---- health ---- */

/* What one round through the monitor's subjects gives. */
struct survey {
	struct arena *arena;
	VEC(struct monitor_subject) uplinks;
	json_t *ailing; /* backends that are not up; NULL: not asked for */
	size_t watched; /* backends */
};

static const struct health *health_of_uplink(const struct survey *s, const char *name)
{
	VEC_EACH (&s->uplinks, const struct monitor_subject, it)
		if (strcmp(it->uplink, name) == 0)
			return &it->health;
	return NULL;
}

static json_t *subject_json(const struct monitor_subject *s)
{
	json_t *j = json_object();

	json_object_set_new(j, "map", report_text(s->map));
	json_object_set_new(j, "address", report_addr(&s->backend));
	json_object_set_new(j, "port", s->port ? json_integer(s->port) : json_null());
	json_object_set_new(j, "state", json_string(health_name(s->health.state)));
	json_object_set_new(
		j, "reason", report_text(s->health.reason[0] ? s->health.reason : NULL));
	json_object_set_new(j, "since_ms", json_integer((json_int_t)s->health.since_ms));
	json_object_set_new(j, "history", report_history(&s->health));
	return j;
}

static void take_subject(const struct monitor_subject *subject, void *data)
{
	struct survey *s = data;

	if (subject->uplink) {
		vec_push(s->arena, &s->uplinks, *subject);
		return;
	}
	s->watched++;
	if (s->ailing && subject->health.state != HEALTH_UP)
		json_array_append_new(s->ailing, subject_json(subject));
}

static void survey(const struct daemon *d, struct survey *s)
{
	if (d->monitor)
		monitor_each(d, take_subject, s);
}

static json_t *uplink_list(struct daemon *d, const struct plan *p, const struct survey *s)
{
	struct tally_counters counters = {0};
	json_t *list = json_array();
	bool counted = kernel_tally_counters(d->kernel, s->arena, &counters, NULL) == 0;

	VEC_EACH (&p->uplinks, const struct plan_uplink, u)
		json_array_append_new(list, report_uplink(u, health_of_uplink(s, u->uplink->name),
						    counted ? &counters : NULL));
	return list;
}

/* ---- parts ---- */

static json_t *time_json(uint64_t ms)
{
	return ms ? json_integer((json_int_t)ms) : json_null();
}

static json_t *config_json(const struct daemon *d)
{
	const struct daemon_config *c = d->config;

	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I}", "name", report_text(c->name),
		"loaded_ms", time_json(c->loaded_ms), "file", report_text(d->options.file),
		"refused_ms", time_json(d->refused_ms), "uplinks",
		(json_int_t)c->model->uplinks.len, "maps", (json_int_t)c->model->maps.len);
}

static json_t *drift_json(const struct reconcile_status *s)
{
	uint64_t now = daemon_now_ms();
	bool waits = s->backing_off_until_ms > now, fights = s->fight_until_ms > now;

	return json_pack("{s:I, s:o, s:o}", "total", (json_int_t)s->drifts, "opponent",
		report_text(!fights	     ? NULL
			    : s->opponent[0] ? s->opponent
					     : "somebody"),
		"backing_off_ms",
		waits ? json_integer((json_int_t)(s->backing_off_until_ms - now)) : json_null());
}

static json_t *trial_json(const struct daemon *d)
{
	struct change_trial t;

	if (!change_trial(d, &t))
		return json_null();
	return json_pack(
		"{s:o, s:I}", "name", report_text(t.name), "left_ms", (json_int_t)t.left_ms);
}

static json_t *passes_json(const struct reconcile_status *s)
{
	return json_pack("{s:I, s:I, s:I, s:o, s:I}", "total", (json_int_t)s->passes, "changes",
		(json_int_t)s->changes, "failures", (json_int_t)s->failures, "last_ms",
		time_json(s->last_ms), "last_us", (json_int_t)s->last_us);
}

/* The newest event that told of another config or another state of the kernel. */
static bool keep_change(const struct journal_event *e, void *data)
{
	static const char *const kinds[] = {
		"applied", "configured", "on-trial", "confirmed", "rolled-back"};
	json_t **newest = data;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(e->kind, kinds[i]) != 0)
			continue;
		json_decref(*newest);
		*newest = journal_json(e);
	}
	return true;
}

static json_t *last_change(const struct daemon *d)
{
	json_t *newest = NULL;

	journal_since(d->journal, 0, keep_change, &newest);
	return newest ? newest : json_null();
}

/* ---- answers ---- */

json_t *status_json(struct daemon *d)
{
	const struct reconcile_status *r = reconcile_status(d);
	const struct plan *p = reconcile_plan(d);
	struct survey found = {.arena = arena_new(), .ailing = json_array()};
	struct tally_conntrack conntrack;
	json_t *j = json_object();

	survey(d, &found);
	kernel_tally_conntrack(d->kernel, &conntrack);
	json_object_set_new(j, "daemon", json_true());
	json_object_set_new(j, "version", json_string(PORTREEVE_VERSION));
	json_object_set_new(j, "now_ms", json_integer((json_int_t)daemon_wall_ms()));
	json_object_set_new(
		j, "up_ms", json_integer((json_int_t)(daemon_now_ms() - d->started_ms)));
	json_object_set_new(j, "confined", json_boolean(d->confined));
	json_object_set_new(j, "config", config_json(d));
	json_object_set_new(j, "in_force", json_boolean(r->in_force));
	json_object_set_new(j, "problem", report_text(r->problem[0] ? r->problem : NULL));
	json_object_set_new(j, "uplinks", p ? uplink_list(d, p, &found) : json_array());
	json_object_set_new(j, "backends", found.ailing);
	json_object_set_new(j, "backends_watched", json_integer((json_int_t)found.watched));
	json_object_set_new(j, "passes", passes_json(r));
	json_object_set_new(j, "drift", drift_json(r));
	json_object_set_new(j, "last_change", last_change(d));
	json_object_set_new(j, "trial", trial_json(d));
	json_object_set_new(j, "fastpath", fastpath_keeper_brief(d));
	json_object_set_new(j, "conntrack", report_conntrack(&conntrack));
	json_object_set_new(j, "page", report_text(api_page(d, found.arena)));
	report_verdict(j);
	arena_free(found.arena);
	return j;
}

json_t *status_uplinks(struct daemon *d)
{
	const struct plan *p = reconcile_plan(d);
	struct survey found = {.arena = arena_new()};
	json_t *list;

	survey(d, &found);
	list = p ? uplink_list(d, p, &found) : json_array();
	arena_free(found.arena);
	return json_pack("{s:o}", "uplinks", list);
}

static void set_health(json_t *backend, const struct health *h)
{
	json_object_set_new(backend, "state", h ? json_string(health_name(h->state)) : json_null());
	json_object_set_new(
		backend, "state_reason", report_text(h && h->reason[0] ? h->reason : NULL));
	json_object_set_new(
		backend, "since_ms", h ? json_integer((json_int_t)h->since_ms) : json_null());
	json_object_set_new(backend, "history", h ? report_history(h) : json_null());
}

static json_t *one_map(const struct daemon *d, const struct plan_map *first, size_t n)
{
	json_t *map = report_map(first, n), *backend;
	size_t i;

	json_object_set_new(
		map, "changed_ms", time_json(map_changes_of(d->map_changes, first->map->name)));
	json_array_foreach(json_object_get(map, "backends"), i, backend)
	{
		set_health(backend,
			monitor_health_of(d, first->map->name, &first->map->backends.items[i]));
	}
	return map;
}

bool status_maps_next(struct strbuf *out, void *data)
{
	struct status_maps *m = data;
	const struct plan *p = m->hold ? m->hold->plan : NULL;

	if (!m->begun)
		strbuf_add(out, "{\"maps\":[");
	m->begun = true;
	while (p && m->at < p->maps.len) {
		const struct plan_map *first = &p->maps.items[m->at];
		size_t n = report_map_backends(p, first);

		m->at += n;
		if (m->name && strcmp(first->map->name, m->name) != 0)
			continue;
		if (m->total++ < m->offset || m->total > m->offset + m->limit)
			continue;
		if (m->total > m->offset + 1)
			strbuf_addch(out, ',');
		report_add(out, one_map(m->daemon, first, n));
		return true;
	}
	strbuf_addf(out, "],\"total\":%zu}", m->total);
	return false;
}

static const char *return_name(enum return_mode mode)
{
	return mode == RETURN_AUTO ? NULL : mode == RETURN_DIRECT ? "direct" : "snat";
}

static void add_measured(const struct returns_subject *s, void *data)
{
	const struct return_path *r = &s->path;

	json_array_append_new(
		data, json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:I, s:I}", "backend",
			      report_addr(&s->backend), "return", report_text(return_name(r->mode)),
			      "leaning", report_text(return_name(r->leaning)), "reason",
			      return_path_reason(r), "since_ms", time_json(r->since_ms), "last_ms",
			      time_json(r->last_ms), "rounds", (json_int_t)r->rounds, "untold",
			      (json_int_t)r->untold));
}

json_t *status_probe(struct daemon *d)
{
	json_t *list = json_array();

	if (d->returns)
		returns_each(d, add_measured, list);
	return json_pack("{s:o}", "returns", list);
}
