/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reconcile: look, plan, compare, apply, look again; whenever something may have changed.
 *
 * Theory of operation. Events of the kernel wake the loop; those that cannot matter are passed over at
 * once, the others set a timer (drift.h says when), so that what comes together makes one pass. A pass
 * looks at everything anew and applies the difference, whatever the events were: they are hints, and
 * one that was lost costs nothing but a look. What a pass itself changes does not come back as an
 * event. Each pass has an arena of its own; the last one that succeeded is kept, since its plan is what
 * is in force: it answers questions, and the next pass is held against it to tell drift from news.
 *
 * The kernel tells of no more sysctls than rp_filter and forwarding. The others that the plan has set are
 * read twice a second.
 */
#include "daemon/reconcile.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/drift.h"
#include "daemon/fastpath_keeper.h"
#include "kernel/events.h"
#include "kernel/nft.h"
#include "kernel/route.h"

#define SYSCTL_MS	 500
#define RETRY_FIRST_MS	 1000u	/* after a pass that the kernel refused, */
#define RETRY_LONGEST_MS 30000u /* doubling up to this */
#define LINES_SHOWN	 8u	/* of what was put back */
#define WARNINGS_SHOWN	 5u

struct reconcile {
	struct reconcile_status status;
	struct kernel_events *events;
	struct event *readable[2], *timer, *often;
	struct drift_clock clock;
	uint64_t retry_ms, retry_at_ms; /* 0: the last pass succeeded */
	bool links;			/* interfaces or addresses changed since the last pass */
	bool doubt;			/* the last pass failed: what it left is to be read */
	char who[64];			/* changed something of ours since; "" */
	char why[128];			/* the first reason of the pass to come */
	/* Of the last pass that succeeded. */
	struct plan_hold *hold;
	const struct plan *plan;
	char *warned; /* the warnings said last; malloc */
};

/* ---- which events matter ---- */

static const char *conf_name(const struct plan *p, uint32_t interface)
{
	const struct net_link *l;

	if ((int32_t)interface == -1) /* NETCONFA_IFINDEX_ALL and _DEFAULT */
		return "all";
	if ((int32_t)interface == -2)
		return "default";
	l = netstate_link_by_index(p->seen, (int)interface);
	return l ? l->name : NULL;
}

/* The value that the plan wants a switch to have; NULL: it wants none. */
static const char *wanted_conf(
	const struct plan *p, const struct kernel_event *e, const char *what, struct arena *a)
{
	const char *name = conf_name(p, e->interface);

	return name ? netstate_sysctl(&p->want, netstate_conf_key(a, e->family, name, what)) : NULL;
}

enum matter { MATTERS_NOT, MATTERS, MATTERS_OURS };

static enum matter sysctl_matters(const struct plan *p, const struct kernel_event *e)
{
	const char *what = e->rp_filter >= 0 ? "rp_filter" : "forwarding";
	int32_t value = e->rp_filter >= 0 ? e->rp_filter : e->forwarding;
	struct arena *a = arena_new();
	const char *wanted = wanted_conf(p, e, what, a);
	enum matter m = MATTERS;

	if (wanted)
		m = strtol(wanted, NULL, 10) == value ? MATTERS_NOT : MATTERS_OURS;
	arena_free(a);
	return m;
}

static bool is_by_uplink(const struct plan *p, uint32_t interface)
{
	const struct net_link *l = netstate_link_by_index(p->seen, (int)interface);

	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		if (l && strcmp(u->uplink->interface, l->name) == 0)
			return true;
	return false;
}

/* Our own routes, defaults in any table, and ways to the inside in the main one. */
static enum matter route_matters(const struct plan *p, const struct kernel_event *e)
{
	if (e->protocol == PORTREEVE_PROTOCOL)
		return MATTERS_OURS;
	if (e->table == TABLE_LOCAL)
		return MATTERS_NOT;
	if (e->prefix_len == 0)
		return MATTERS;
	return e->table == TABLE_MAIN && !is_by_uplink(p, e->interface) ? MATTERS : MATTERS_NOT;
}

static enum matter matters(const struct daemon *d, const struct kernel_event *e)
{
	const struct plan *p = d->reconcile->plan;

	if (!p || e->what & (EVENT_LINK | EVENT_ADDRESS | EVENT_LOST))
		return MATTERS;
	if (e->what & EVENT_ROUTE)
		return route_matters(p, e);
	if (e->what & EVENT_RULE)
		return e->protocol == PORTREEVE_PROTOCOL ? MATTERS_OURS : MATTERS_NOT;
	if (e->what & EVENT_SYSCTL)
		return sysctl_matters(p, e);
	/* Nobody can have changed a table that is ours alone. */
	if (e->what & EVENT_RULESET)
		return d->kernel->table_flags ? MATTERS_NOT : MATTERS_OURS;
	return MATTERS_NOT;
}

/* ---- waking ---- */

static void arm(struct daemon *d)
{
	struct reconcile *r = d->reconcile;
	uint64_t now = daemon_now_ms(), due = drift_due(&r->clock), wait;
	struct timeval t;

	if (r->retry_at_ms && r->retry_at_ms < due)
		due = r->retry_at_ms;
	if (due == UINT64_MAX) {
		evtimer_del(r->timer);
		return;
	}
	wait = due > now ? due - now : 0;
	t = (struct timeval){
		.tv_sec = (time_t)(wait / 1000), .tv_usec = (suseconds_t)(wait % 1000 * 1000)};
	evtimer_add(r->timer, &t);
}

static void wake(struct daemon *d, bool urgent, const char *why)
{
	struct reconcile *r = d->reconcile;

	if (!r->clock.first_ms)
		snprintf(r->why, sizeof(r->why), "%s", why);
	drift_event(&r->clock, urgent, daemon_now_ms());
}

void reconcile_wake(struct daemon *d, unsigned int what, const char *why)
{
	if (!d->reconcile)
		return;
	wake(d, !(what & (EVENT_RULE | EVENT_SYSCTL | EVENT_RULESET)), why);
	arm(d);
}

void reconcile_learned(struct daemon *d, const char *why)
{
	struct reconcile *r = d->reconcile;

	if (!r)
		return;
	if (!r->clock.first_ms)
		snprintf(r->why, sizeof(r->why), "%s", why);
	drift_learned(&r->clock, daemon_now_ms());
	arm(d);
}

static void on_event(const struct kernel_event *e, void *data)
{
	struct daemon *d = data;
	struct reconcile *r = d->reconcile;
	enum matter m = matters(d, e);

	if (m == MATTERS_NOT)
		return;
	journal_note(d->journal, JOURNAL_DEBUG, "kernel", e->text, "s:s, s:I", "process",
		e->process, "pid", (json_int_t)e->pid);
	r->links = r->links || e->what & (EVENT_LINK | EVENT_ADDRESS | EVENT_LOST);
	if (e->what == EVENT_LOST)
		journal_note(d->journal, JOURNAL_WARNING, "events-lost",
			"more happened than could be followed: everything is looked at", "");
	if (m == MATTERS_OURS && e->pid && e->process[0])
		snprintf(r->who, sizeof(r->who), "%s (pid %u)", e->process, e->pid);
	else if (m == MATTERS_OURS && e->pid)
		snprintf(r->who, sizeof(r->who), "pid %u", e->pid);
	wake(d, m == MATTERS, e->text);
}

static int read_events(struct daemon *d)
{
	int n = kernel_events_read(d->reconcile->events, on_event, d);

	return n < 0 ? n : 0;
}

static void on_readable(evutil_socket_t fd, short what, void *data)
{
	struct daemon *d = data;

	(void)fd;
	(void)what;
	if (read_events(d) < 0)
		wake(d, true, "events could not be read");
	arm(d);
}

/* ---- a pass ---- */

/* The errors, or else the warnings, of a diag on one line. */
static void summarize(const struct diag *diag, enum diag_severity severity, struct strbuf *out)
{
	size_t n = 0;

	VEC_EACH (&diag->entries, struct diag_entry, e) {
		if (e->severity != severity || ++n > WARNINGS_SHOWN)
			continue;
		strbuf_addf(out, "%s%s", out->len ? "; " : "", e->text);
	}
	if (n > WARNINGS_SHOWN)
		strbuf_addf(out, "; and %zu more", n - WARNINGS_SHOWN);
}

/* Warnings are said when they are others than before. */
static void tell_warnings(struct daemon *d, const struct diag *diag)
{
	struct reconcile *r = d->reconcile;
	struct strbuf text = STRBUF_INIT;

	summarize(diag, DIAG_WARNING, &text);
	if (strcmp(strbuf_str(&text), r->warned ? r->warned : "") != 0) {
		if (text.len)
			journal_note(
				d->journal, JOURNAL_WARNING, "incomplete", strbuf_str(&text), "");
		else
			journal_note(d->journal, JOURNAL_NOTICE, "complete",
				"nothing is missing any more", "");
		free(r->warned);
		r->warned = strdup(strbuf_str(&text));
	}
	strbuf_fini(&text);
}

/* The same again is not said again. */
static void tell_failure(struct daemon *d, const char *why, int err, const struct diag *diag)
{
	struct reconcile *r = d->reconcile;
	char problem[sizeof(r->status.problem)];
	struct strbuf text = STRBUF_INIT;
	bool known;

	summarize(diag, DIAG_ERROR, &text);
	snprintf(problem, sizeof(problem), "%s", text.len ? strbuf_str(&text) : strerror(-err));
	strbuf_fini(&text);
	known = strcmp(problem, r->status.problem) == 0;
	memcpy(r->status.problem, problem, sizeof(problem));
	r->doubt = true;
	r->status.in_force = false;
	r->status.failures++;
	r->retry_ms = r->retry_ms ? r->retry_ms * 2 : RETRY_FIRST_MS;
	if (r->retry_ms > RETRY_LONGEST_MS)
		r->retry_ms = RETRY_LONGEST_MS;
	r->retry_at_ms = daemon_now_ms() + r->retry_ms;
	journal_note(d->journal, known ? JOURNAL_DEBUG : JOURNAL_ERROR, "not-applied", problem,
		"s:s", "why", why);
}

/* The lines of what was put back, the first few of them, on one. */
static void first_lines(const struct changes *c, struct strbuf *out)
{
	struct strbuf all = STRBUF_INIT;
	size_t n = 0;

	changes_print(&all, c, false);
	for (const char *line = strbuf_str(&all), *end; (end = strchr(line, '\n')); line = end + 1)
		if (n++ < LINES_SHOWN)
			strbuf_addf(out, "%s%.*s", out->len ? "; " : "", (int)(end - line), line);
	if (n > LINES_SHOWN)
		strbuf_addf(out, "; and %zu lines more", n - LINES_SHOWN);
	strbuf_fini(&all);
}

static void tell_drift(struct daemon *d, const struct changes *drift)
{
	struct reconcile *r = d->reconcile;
	struct strbuf lines = STRBUF_INIT;
	size_t n = drift_count(drift);

	r->status.drifts += n;
	first_lines(drift, &lines);
	journal_note(d->journal, JOURNAL_WARNING, "drift",
		"put back what somebody else had changed of ours", "s:s, s:I, s:s", "by",
		r->who[0] ? r->who : "unknown", "objects", (json_int_t)n, "changes",
		strbuf_str(&lines));
	strbuf_fini(&lines);
}

static void tell_fight(struct daemon *d)
{
	struct reconcile *r = d->reconcile;

	snprintf(r->status.opponent, sizeof(r->status.opponent), "%s", r->who);
	journal_note(d->journal, JOURNAL_WARNING, "fight",
		"what is ours is changed again and again; the next repair waits", "s:s, s:I", "by",
		r->who[0] ? r->who : "unknown", "wait_ms", (json_int_t)r->clock.wait_ms);
}

static void tell_applied(struct daemon *d, const char *why, const struct apply_report *report)
{
	d->reconcile->status.changes++;
	journal_note(d->journal, JOURNAL_NOTICE, "applied", why,
		"s:I, s:I, s:I, s:I, s:I, s:I, s:I", "routes", (json_int_t)report->routes, "rules",
		(json_int_t)report->rules, "sysctls", (json_int_t)report->sysctls, "nft",
		(json_int_t)report->nft_changes, "elements", (json_int_t)report->elements,
		"connections_deleted", (json_int_t)report->connections, "us",
		(json_int_t)d->reconcile->status.last_us);
}

static const struct nft_table *table_of(const struct plan *p)
{
	return nft_table_find(&p->want.ruleset, FAMILY_INET, PORTREEVE_TABLE);
}

/* Look and apply. @drift: what of it put back something of ours. */
static int look_and_apply(struct daemon *d, struct arena *a, struct gateway_state *s,
	struct changes *drift, struct apply_report *report, struct diag *diag)
{
	const struct plan *before = d->reconcile->plan;
	struct learned *learned = arena_new_of(a, struct learned);
	int err;

	/* A copy: the plan points into it, and more may be learned while the plan is in force. */
	learned_copy(a, &d->learned.known, learned);
	s->running = true;
	/* At first, what an earlier one learned is remembered in the kernel. */
	s->learned = before ? learned : NULL;
	s->held =
		before && d->kernel->table_flags && !d->reconcile->doubt ? table_of(before) : NULL;
	err = gateway_look(d->kernel, a, d->config->model, s, diag);
	if (!err && !s->plan)
		err = -EINVAL;
	if (err)
		return err;
	if (before && !changes_empty(&s->changes))
		drift_find(
			a, &before->want, &s->plan->want, &s->changes, d->reconcile->links, drift);
	return gateway_apply(d->kernel, a, s, report, diag);
}

struct plan_hold *reconcile_hold(struct daemon *d)
{
	struct plan_hold *h = d->reconcile ? d->reconcile->hold : NULL;

	if (h)
		h->holders++;
	return h;
}

void reconcile_let_go(struct plan_hold *h)
{
	if (!h || --h->holders)
		return;
	daemon_config_let_go(h->config);
	arena_free(h->arena);
}

/* The state that this pass left is the one that is kept. */
static void keep(struct daemon *d, struct arena *a, const struct gateway_state *s)
{
	struct reconcile *r = d->reconcile;

	if (!r->plan)
		learning_begin(&d->learned, &s->memory.learned);
	reconcile_let_go(r->hold);
	r->hold = arena_new_of(a, struct plan_hold);
	*r->hold = (struct plan_hold){
		.plan = s->plan, .arena = a, .config = daemon_config_hold(d->config), .holders = 1};
	r->plan = s->plan;
	r->doubt = false;
	r->status.in_force = true;
	r->status.problem[0] = '\0';
	r->retry_ms = r->retry_at_ms = 0;
}

/* What a pass that has succeeded has to say. */
static void tell(struct daemon *d, const char *why, const struct changes *drift,
	const struct apply_report *report, const struct diag *diag)
{
	struct reconcile *r = d->reconcile;
	bool repaired = !changes_empty(drift);
	uint64_t now = daemon_now_ms();

	if (repaired)
		tell_drift(d, drift);
	if (report->changed)
		tell_applied(d, why, report);
	tell_warnings(d, diag);
	if (drift_passed(&r->clock, repaired, now))
		tell_fight(d);
	r->status.backing_off_until_ms = r->clock.until_ms > now ? r->clock.until_ms : 0;
	r->status.fight_until_ms = drift_fight_until(&r->clock);
	r->links = false;
	r->who[0] = '\0';
}

static int pass(struct daemon *d, const char *why, struct apply_report *report, struct diag *diag)
{
	struct reconcile *r = d->reconcile;
	struct arena *a = arena_new();
	struct gateway_state *s = arena_new_of(a, struct gateway_state);
	struct changes drift = {0};
	uint64_t began = daemon_now_us();
	int err;

	/* What is waiting to be told is seen by this pass. */
	(void)read_events(d);
	*report = (struct apply_report){0};
	err = look_and_apply(d, a, s, &drift, report, diag);
	r->status.passes++;
	r->status.last_us = daemon_now_us() - began;
	r->status.last_ms = daemon_wall_ms();
	if (err) {
		fastpath_keeper_changed(d);
		tell_failure(d, why, err, diag);
		drift_passed(&r->clock, false, daemon_now_ms());
		arena_free(a);
	} else {
		tell(d, why, &drift, report, diag);
		keep(d, a, s);
		daemon_planned(d);
	}
	drift_took(&r->clock, r->status.last_us / 1000, daemon_now_ms());
	malloc_trim(0);
	arm(d);
	return err;
}

int reconcile_now(struct daemon *d, const char *why, struct apply_report *report, struct diag *diag)
{
	struct apply_report own_report;
	struct diag own;
	int err;

	if (!d->reconcile)
		return -ESHUTDOWN;
	if (!report)
		report = &own_report;
	if (diag)
		return pass(d, why, report, diag);
	diag_init(&own);
	diag_source(&own, d->config->name, d->config->text, d->config->len);
	err = pass(d, why, report, &own);
	diag_fini(&own);
	return err;
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct daemon *d = data;
	struct reconcile *r = d->reconcile;
	char why[sizeof(r->why)];

	(void)fd;
	(void)what;
	snprintf(why, sizeof(why), "%s", r->clock.first_ms ? r->why : "trying again");
	reconcile_now(d, why, NULL, NULL);
}

/* ---- sysctls that nobody tells ---- */

static void on_often(evutil_socket_t fd, short what, void *data)
{
	struct daemon *d = data;
	const struct plan *p = d->reconcile->plan;
	char value[256];

	(void)fd;
	(void)what;
	if (!p)
		return;
	VEC_EACH (&p->want.sysctls, struct net_sysctl, s)
		if (kernel_sysctl_get(d->kernel, s->key, value, sizeof(value)) == 0 &&
			strcmp(value, s->value) != 0) {
			reconcile_wake(d, EVENT_SYSCTL, s->key);
			return;
		}
}

/* ---- starting and stopping ---- */

static void start_timers(struct daemon *d)
{
	const struct timeval often = {.tv_usec = SYSCTL_MS * 1000};
	struct reconcile *r = d->reconcile;
	int fds[2];

	kernel_events_fds(r->events, fds);
	for (int i = 0; i < 2; i++) {
		r->readable[i] = event_new(d->base, fds[i], EV_READ | EV_PERSIST, on_readable, d);
		event_add(r->readable[i], NULL);
	}
	r->timer = evtimer_new(d->base, on_timer, d);
	r->often = event_new(d->base, -1, EV_PERSIST, on_often, d);
	event_add(r->often, &often);
}

int reconcile_start(struct daemon *d)
{
	struct kernel_error e = {0};
	int err;

	d->reconcile = calloc(1, sizeof(*d->reconcile));
	if (!d->reconcile)
		abort();
	if (!kernel_nft_hold(d->kernel))
		journal_note(d->journal, JOURNAL_NOTICE, "not-held",
			"this kernel (before 6.9) cannot keep a table from others: what they take "
			"away of ours is put back",
			"");
	err = kernel_events_open(d->kernel, false, &d->reconcile->events, &e);
	if (err) {
		journal_note(d->journal, JOURNAL_ERROR, "not-listening", e.text, "s:s", "error",
			strerror(-err));
		reconcile_stop(d);
		return err;
	}
	start_timers(d);
	if (d->config)
		reconcile_wake(d, 0, "start");
	return 0;
}

void reconcile_stop(struct daemon *d)
{
	struct reconcile *r = d->reconcile;
	struct event *all[4];

	if (!r)
		return;
	all[0] = r->readable[0];
	all[1] = r->readable[1];
	all[2] = r->timer;
	all[3] = r->often;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i])
			event_free(all[i]);
	kernel_events_close(r->events);
	reconcile_let_go(r->hold);
	free(r->warned);
	free(r);
	d->reconcile = NULL;
}

const struct reconcile_status *reconcile_status(const struct daemon *d)
{
	static const struct reconcile_status stopped = {.problem = "stopped"};

	return d->reconcile ? &d->reconcile->status : &stopped;
}

const struct plan *reconcile_plan(struct daemon *d)
{
	return d->reconcile ? d->reconcile->plan : NULL;
}
