/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Change: another config through the daemon, for good or on trial, and the ways back. */
#include "daemon/change.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "daemon/fastpath_keeper.h"
#include "daemon/monitor.h"
#include "daemon/reconcile.h"
#include "daemon/returns.h"
#include "kernel/state.h"
#include "report/session.h"

#define LOOK_AGAIN_MS 1000u /* at the clock: the loop's stands still while the machine sleeps */
#define TRY_AGAIN_MS  5000u /* when the way back failed */
#define LEAVE_MS      300u  /* so that the answer gets out before the daemon ends */

struct trial {
	struct daemon *daemon;
	struct event *timer;
	uint64_t deadline_ms; /* of state_now_ms() */
	char *name;
};

/* ---- what waits ---- */

static void arm(struct trial *t, uint64_t ms)
{
	struct timeval when = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (long)(ms % 1000) * 1000};

	event_add(t->timer, &when);
}

static void trial_forget(struct daemon *d)
{
	struct trial *t = d->trial;

	if (!t)
		return;
	d->trial = NULL;
	event_free(t->timer);
	free(t->name);
	free(t);
}

static int go_back(struct daemon *d, const char *why, struct diag *diag);

static void on_time(evutil_socket_t fd, short what, void *data)
{
	struct trial *t = data;
	struct daemon *d = t->daemon;
	uint64_t now = state_now_ms();
	struct diag diag;

	if (now < t->deadline_ms) {
		arm(t, t->deadline_ms - now < LOOK_AGAIN_MS ? t->deadline_ms - now : LOOK_AGAIN_MS);
		return;
	}
	diag_init(&diag);
	/* The admin may be locked out: this is the only way back. */
	if (go_back(d, "it was not confirmed in time", &diag) != 0)
		arm(t, TRY_AGAIN_MS);
	diag_fini(&diag);
}

static void trial_wait(struct daemon *d, const char *name, uint64_t deadline_ms)
{
	struct trial *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->daemon = d;
	t->deadline_ms = deadline_ms;
	t->name = strdup(name);
	t->timer = event_new(d->base, -1, 0, on_time, t);
	if (!t->name || !t->timer)
		abort();
	d->trial = t;
	arm(t, 0);
}

bool change_trial(const struct daemon *d, struct change_trial *out)
{
	uint64_t now = state_now_ms();

	if (!d->trial)
		return false;
	out->name = d->trial->name;
	out->left_ms = d->trial->deadline_ms > now ? d->trial->deadline_ms - now : 0;
	return true;
}

/* ---- steps ---- */

static void not_kept(struct daemon *d, struct diag *diag, int err)
{
	diag_error(
		diag, NOWHERE, "cannot keep the config in the state directory: %s", strerror(-err));
	journal_note(d->journal, JOURNAL_ERROR, "not-kept",
		"the config cannot be kept in the state directory", "s:s", "error", strerror(-err));
}

/* What is in force is so for good. */
static int keep(struct daemon *d, struct diag *diag)
{
	struct arena *a = arena_new();
	int err = state_confirm(d->kernel, a, d->config->text, d->config->len);

	if (!err)
		err = state_unconfirmed(d->kernel, NULL, 0);
	if (err)
		not_kept(d, diag, err);
	arena_free(a);
	return err;
}

static int restore(struct daemon *d, enum state_file which, struct diag *diag)
{
	struct arena *a = arena_new();
	char *text = NULL;
	size_t len = 0;
	int err = state_read(d->kernel, which, a, &text, &len);

	if (!err && len == 0)
		err = -ENOENT;
	if (!err)
		err = daemon_configure(d, CHANGE_CONFIRMED, text, len, diag);
	arena_free(a);
	return err;
}

/* From the change on trial to what was confirmed. */
static int go_back(struct daemon *d, const char *why, struct diag *diag)
{
	char *name = strdup(d->trial->name);
	char *text = NULL;
	size_t len = d->config->len;
	int err;

	if (!name)
		abort();
	text = malloc(len ? len : 1); /* configuring frees what is in force now */
	if (!text)
		abort();
	memcpy(text, d->config->text, len);
	err = restore(d, STATE_CONFIRMED, diag);
	if (!err)
		err = state_unconfirmed(d->kernel, text, len);
	if (!err)
		err = state_trial_end(d->kernel);
	if (err) {
		journal_note(d->journal, JOURNAL_ERROR, "rollback-failed",
			"the change on trial could not be taken back; it is tried again",
			"s:s, s:s", "config", name, "error", strerror(-err));
	} else {
		trial_forget(d);
		journal_note(d->journal, JOURNAL_WARNING, "rolled-back",
			"the change on trial was taken back", "s:s, s:s", "config", name, "why",
			why);
	}
	free(text);
	free(name);
	return err;
}

/* ---- what was sent ---- */

/* A change is told of in the journal as it is made; this adds up what it says. */
static bool add_applied(const struct journal_event *e, void *data)
{
	struct apply_report *r = data;
	struct {
		const char *key;
		size_t *count;
	} counts[] = {
		{"routes", &r->routes},
		{"rules", &r->rules},
		{"sysctls", &r->sysctls},
		{"nft", &r->nft_changes},
		{"elements", &r->elements},
		{"connections_deleted", &r->connections},
	};

	if (strcmp(e->kind, "applied") != 0)
		return true;
	r->changed = true;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		*counts[i].count +=
			(size_t)json_integer_value(json_object_get(e->fields, counts[i].key));
	return true;
}

static void report_since(struct daemon *d, uint64_t after, struct apply_report *report)
{
	*report = (struct apply_report){0};
	journal_since(d->journal, after, add_applied, report);
}

/* NULL: none, or it is not known. */
static const char *session_asking(
	struct arena *a, const struct change_request *r, struct diag *diag)
{
	const char *session = NULL;

	if (r->session)
		return r->session;
	if (session_of(a, r->pid, &session) == SESSION_HIDDEN) {
		diag_warning(diag, NOWHERE,
			"whether this cuts the SSH session it was asked from is not known: the "
			"daemon may not look into the process that asks");
		diag_hint(diag, "`portreeve apply` says what its session is, as the query's "
				"`session` does");
	}
	return session;
}

/*
 * What a config would do, without doing it; and may it be done. Wrong configs are found here, so that
 * nothing was written down for them.
 */
static enum change_outcome foresee(struct daemon *d, struct arena *a,
	const struct change_request *r, bool *changes, struct diag *diag)
{
	const struct plan *now = reconcile_plan(d);
	struct gateway_state s = {.learned = &d->learned.known, .running = true};
	struct model *m;
	int err;

	if (now && d->kernel->table_flags)
		s.held = nft_table_find(&now->want.ruleset, FAMILY_INET, PORTREEVE_TABLE);

	diag_source(diag, r->name, r->text, r->len);
	m = config_load(a, r->text, r->len, diag);
	if (!m)
		return CHANGE_WRONG;
	err = gateway_look(d->kernel, a, m, &s, diag);
	if (err)
		return CHANGE_REFUSED;
	if (!s.plan)
		return CHANGE_WRONG;
	*changes = !changes_empty(&s.changes);
	if (*changes && (r->pid || r->session) &&
		session_is_cut(d->kernel, a, session_asking(a, r, diag), s.plan,
			r->force || r->seconds, diag) &&
		!r->force && !r->seconds)
		return CHANGE_NOT_NOW;
	return CHANGE_DONE;
}

static enum change_outcome outcome_of(int err)
{
	return err == 0 ? CHANGE_DONE : err == -EINVAL ? CHANGE_WRONG : CHANGE_REFUSED;
}

/* A diag of its own for a second reading of the same text: what it says was said already, unless it
 * fails now. */
static int configure_again(struct daemon *d, const struct change_request *r, struct diag *diag)
{
	struct diag again;
	int err;

	diag_init(&again);
	err = daemon_configure(d, r->name, r->text, r->len, &again);
	if (err) {
		VEC_EACH (&again.entries, struct diag_entry, e)
			if (e->severity == DIAG_ERROR)
				diag_error(diag, e->at, "%s", e->text);
	}
	diag_fini(&again);
	return err;
}

static bool waits(struct daemon *d, struct diag *diag)
{
	if (!d->trial)
		return false;
	diag_error(diag, NOWHERE, "an earlier change waits for its confirmation");
	diag_hint(diag, "portreeve confirm, or portreeve rollback, first");
	return true;
}

/* ---- at the start ---- */

static bool read_kept(
	struct daemon *d, struct arena *a, enum state_file which, const char **text, size_t *len)
{
	char *kept = NULL;

	if (state_read(d->kernel, which, a, &kept, len) != 0 || *len == 0)
		return false;
	*text = kept;
	return true;
}

/* The trial's time was over while nobody watched: it is an unconfirmed change now. */
static void end_stale(struct daemon *d, const struct state_trial *t)
{
	if (t->len)
		state_unconfirmed(d->kernel, t->text, t->len);
	state_trial_end(d->kernel);
	journal_note(d->journal, JOURNAL_WARNING, "rolled-back",
		"the change on trial was not confirmed before its time was over, or the machine "
		"was "
		"restarted",
		"s:s", "config", t->name);
}

static bool begins_with(const struct change_start *begin, const char *text, size_t len)
{
	return begin->text && begin->len == len && memcmp(begin->text, text, len) == 0;
}

void change_instead(struct daemon *d, struct arena *a, struct change_start *begin)
{
	struct state_trial t;
	const char *refused, *confirmed;
	size_t refused_len = 0, confirmed_len = 0;
	bool waiting = state_trial_read(d->kernel, a, &t) == 0;

	if (waiting && t.this_boot && t.deadline_ms > state_now_ms()) {
		*begin = (struct change_start){t.name, t.text, t.len};
		return;
	}
	if (waiting)
		end_stale(d, &t);
	if (!read_kept(d, a, STATE_UNCONFIRMED, &refused, &refused_len) ||
		!begins_with(begin, refused, refused_len) ||
		!read_kept(d, a, STATE_CONFIRMED, &confirmed, &confirmed_len))
		return;
	journal_note(d->journal, JOURNAL_WARNING, "unconfirmed",
		"the config file holds a change that was not confirmed; the confirmed config is "
		"used "
		"(apply or reload takes the file)",
		"s:s", "config", begin->name);
	*begin = (struct change_start){CHANGE_CONFIRMED, confirmed, confirmed_len};
}

bool change_confirmed(struct daemon *d, struct arena *a, struct change_start *out)
{
	const char *file = out->name;

	if (!read_kept(d, a, STATE_CONFIRMED, &out->text, &out->len))
		return false;
	out->name = CHANGE_CONFIRMED;
	journal_note(d->journal, JOURNAL_WARNING, "file-left-out",
		"the config file is wrong; the confirmed config is used until a reload finds the "
		"file right",
		"s:s", "config", file);
	return true;
}

int change_begin(struct daemon *d)
{
	struct arena *a = arena_new();
	struct state_trial t;

	if (state_trial_waits(d->kernel, a, &t))
		trial_wait(d, t.name, t.deadline_ms);
	else if (strcmp(d->config->name, CHANGE_CONFIRMED) != 0)
		change_keep(d);
	arena_free(a);
	return 0;
}

void change_stop(struct daemon *d)
{
	trial_forget(d);
}

void change_keep(struct daemon *d)
{
	struct diag diag;

	if (d->trial)
		return;
	diag_init(&diag);
	keep(d, &diag);
	diag_fini(&diag);
}

/* ---- what is asked for ---- */

static int begin_trial(struct daemon *d, const struct change_request *r, struct diag *diag)
{
	struct state_trial t = {.name = r->name,
		.text = r->text,
		.len = r->len,
		.deadline_ms = state_now_ms() + (uint64_t)r->seconds * 1000};
	int err = state_trial_begin(d->kernel, &t, NULL);

	if (err)
		diag_error(diag, NOWHERE, "cannot stand guard over the change: %s", strerror(-err));
	else
		trial_wait(d, r->name, t.deadline_ms);
	return err;
}

enum change_outcome change_apply(struct daemon *d, const struct change_request *r,
	struct apply_report *report, struct diag *diag)
{
	struct arena *a = arena_new();
	enum change_outcome outcome = CHANGE_NOT_NOW;
	uint64_t before = journal_last(d->journal);
	bool changes = false, trial = false;
	int err = 0;

	if (!waits(d, diag))
		outcome = foresee(d, a, r, &changes, diag);
	if (outcome == CHANGE_DONE) {
		trial = r->seconds && changes;
		err = trial ? begin_trial(d, r, diag) : 0;
		if (!err)
			err = configure_again(d, r, diag);
		if (err && trial) {
			state_trial_end(d->kernel);
			trial_forget(d);
		}
		if (!err && !trial)
			err = keep(d, diag) ? -EIO : 0;
		outcome = outcome_of(err);
	}
	if (outcome == CHANGE_DONE && trial)
		journal_note(d->journal, JOURNAL_NOTICE, "on-trial",
			"the change goes back by itself unless it is confirmed", "s:s, s:i",
			"config", r->name, "seconds", (int)r->seconds);
	report_since(d, before, report);
	arena_free(a);
	return outcome;
}

enum change_outcome change_confirm(struct daemon *d, struct diag *diag)
{
	int err;

	if (!d->trial) {
		diag_error(diag, NOWHERE, "no change waits for a confirmation");
		diag_hint(diag, "if one did, its time is over and everything has gone back");
		return CHANGE_NOT_NOW;
	}
	err = keep(d, diag);
	if (!err) {
		err = state_trial_end(d->kernel);
		if (err)
			not_kept(d, diag, err);
	}
	if (err)
		return CHANGE_REFUSED;
	journal_note(d->journal, JOURNAL_NOTICE, "confirmed", "the change on trial stays", "s:s",
		"config", d->trial->name);
	trial_forget(d);
	return CHANGE_DONE;
}

/* Not from a trial: to the config before the one that was confirmed last. */
static enum change_outcome step_back(struct daemon *d, struct diag *diag)
{
	struct arena *a = arena_new();
	char *text = NULL;
	size_t len = 0;
	int err = state_read(d->kernel, STATE_PREVIOUS, a, &text, &len);

	if (err == -ENOENT) {
		diag_error(diag, NOWHERE, "there is no change to go back from");
	} else if (!err && len == 0) {
		diag_error(
			diag, NOWHERE, "before the last change there was nothing of portreeve's");
		diag_hint(diag, "portreeve remove takes everything out, and stops the daemon");
	}
	if (err == -ENOENT || (!err && len == 0)) {
		arena_free(a);
		return CHANGE_NOT_NOW;
	}
	if (!err)
		err = restore(d, STATE_PREVIOUS, diag);
	if (!err) {
		err = state_went_back(d->kernel, a);
		if (err)
			not_kept(d, diag, err);
		else
			journal_note(d->journal, JOURNAL_NOTICE, "rolled-back",
				"the config before the last change is in force again", "");
	}
	arena_free(a);
	return outcome_of(err);
}

enum change_outcome change_rollback(
	struct daemon *d, struct apply_report *report, struct diag *diag)
{
	uint64_t before = journal_last(d->journal);
	enum change_outcome outcome;

	if (d->trial)
		outcome = outcome_of(go_back(d, "it was asked for", diag));
	else
		outcome = step_back(d, diag);
	report_since(d, before, report);
	return outcome;
}

enum change_outcome change_reload(struct daemon *d, struct apply_report *report, struct diag *diag)
{
	uint64_t before = journal_last(d->journal);
	int err;

	*report = (struct apply_report){0};
	if (waits(d, diag)) {
		journal_note(d->journal, JOURNAL_WARNING, "not-reloaded",
			"a change waits for its confirmation: the file is not read until then", "");
		return CHANGE_NOT_NOW;
	}
	err = daemon_reload(d, diag);
	if (!err)
		err = keep(d, diag) ? -EIO : 0;
	report_since(d, before, report);
	return outcome_of(err);
}

static void leave(evutil_socket_t fd, short what, void *data)
{
	daemon_stop(data, "everything was removed");
}

enum change_outcome change_remove(struct daemon *d, struct apply_report *report, struct diag *diag)
{
	static const struct timeval soon = {.tv_usec = LEAVE_MS * 1000};
	struct arena *a = arena_new();
	int err;

	monitor_stop(d);
	returns_stop(d);
	fastpath_keeper_stop(d);
	reconcile_stop(d); /* it would put everything back */
	err = gateway_remove(d->kernel, a, report, diag);
	if (err) {
		fastpath_keeper_start(d);
		if (reconcile_start(d) < 0 || monitor_start(d) < 0 || returns_start(d) < 0)
			daemon_stop(d, "it could not go on after a removal that failed");
		arena_free(a);
		return CHANGE_REFUSED;
	}
	d->removed = true;
	trial_forget(d);
	err = state_trial_end(d->kernel);
	if (!err)
		err = state_confirm(d->kernel, a, NULL, 0);
	if (err)
		not_kept(d, diag, err);
	arena_free(a);
	journal_note(d->journal, JOURNAL_NOTICE, "removed",
		"everything of portreeve's was taken out of the kernel", "");
	if (event_base_once(d->base, -1, EV_TIMEOUT, leave, d, &soon) != 0)
		daemon_stop(d, "everything was removed");
	return err ? CHANGE_REFUSED : CHANGE_DONE;
}
