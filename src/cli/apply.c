/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve apply: make the kernel what the file says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/change.h"
#include "cli/commands.h"
#include "cli/judge.h"
#include "cli/look.h"
#include "kernel/state.h"
#include "report/report.h"
#include "report/session.h"

#define MAX_TRIAL_SECONDS 86400u

struct job {
	struct cli_context *c;
	struct kernel *k;
	int lock;
	struct gateway_state state;
	struct apply_report report;
	uint32_t seconds; /* on trial; 0: for good */
};

static int not_kept(struct job *j, int err)
{
	diag_error(&j->c->diag, NOWHERE, "cannot keep the config in the state directory: %s",
		strerror(-err));
	return CLI_SYSTEM;
}

/* The SSH session we are in: "" for none, NULL if that cannot be told. */
static const char *own_session(struct cli_context *c)
{
	const char *session = "";

	return session_of(c->arena, getpid(), &session) == SESSION_HIDDEN ? NULL : session;
}

/* Everything that can say no before anything is changed. */
static int prepare(struct job *j, const struct model *m)
{
	bool forced = cli_given(j->c, "force") || j->seconds;
	struct state_trial waiting;
	int err;

	if (state_trial_waits(j->k, j->c->arena, &waiting)) {
		diag_error(&j->c->diag, NOWHERE, "an earlier change waits for its confirmation");
		diag_hint(&j->c->diag, "portreeve confirm, or portreeve rollback, first");
		return CLI_NO;
	}
	err = gateway_look(j->k, j->c->arena, m, &j->state, &j->c->diag);
	if (err)
		return CLI_SYSTEM;
	if (!j->state.plan)
		return CLI_USAGE;
	if (!changes_empty(&j->state.changes) &&
		session_is_cut(
			j->k, j->c->arena, own_session(j->c), j->state.plan, forced, &j->c->diag) &&
		!forced)
		return CLI_NO;
	return CLI_OK;
}

/* Programs must be told of what changes, and taken off when they are not wanted any more. */
static void warn_of_fastpath(struct cli_context *c, const struct plan *p)
{
	if (!p->fastpaths.len)
		return;
	diag_warning(&c->diag, p->model->fastpath_at,
		"the fast path needs the daemon: without it, all packets take the kernel's own");
	diag_hint(&c->diag, "portreeve run, or: systemctl start portreeve");
}

static int make_it_so(struct job *j, const char *text, size_t len)
{
	struct state_trial t = {.name = cli_file(j->c),
		.text = text,
		.len = len,
		.deadline_ms = state_now_ms() + (uint64_t)j->seconds * 1000};
	int trial = -1, err;

	if (j->seconds && !changes_empty(&j->state.changes)) {
		err = state_trial_begin(j->k, &t, &trial);
		if (!err)
			err = change_watch(j->k, trial, j->lock, j->seconds);
		if (err) {
			state_trial_end(j->k);
			diag_error(&j->c->diag, NOWHERE, "cannot stand guard over the change: %s",
				strerror(-err));
			return CLI_SYSTEM;
		}
	}
	err = gateway_apply(j->k, j->c->arena, &j->state, &j->report, &j->c->diag);
	if (trial >= 0)
		close(trial);
	if (err) {
		if (trial >= 0)
			state_trial_end(j->k);
		return CLI_SYSTEM;
	}
	if (trial >= 0)
		return CLI_OK;
	err = state_confirm(j->k, j->c->arena, text, len);
	return err ? not_kept(j, err) : CLI_OK;
}

/* What would defeat the plan is looked at from here. What there is to say of the config itself the daemon
 * has said. */
static void look_for_foes(struct job *j, const struct model *m, struct findings *findings)
{
	struct diag said = j->c->diag;

	diag_init(&j->c->diag);
	(void)!cli_look(j->c, m, &j->state, findings);
	diag_fini(&j->c->diag);
	j->c->diag = said;
}

/* False: no daemon runs. One that does says all there is to say of the config, also what we know. */
static bool leave_to_daemon(
	struct job *j, const struct model *m, struct findings *findings, enum cli_exit *code)
{
	struct cli_context *c = j->c;
	struct diag own = c->diag;
	struct client_question q = {.post = true, .body = own.text, .len = own.text_len};
	const char *session;
	char *path;

	/* The daemon stands elsewhere: the whole path says to it, too, which file that was. */
	path = realpath(cli_file(c), NULL);
	session = own_session(c);
	q.path = arena_printf(c->arena, "/v1/apply?%s&force=%d&confirm=%u%s%s",
		client_param(c, "name", path ? path : cli_file(c)), cli_given(c, "force"),
		j->seconds, session ? "&" : "", session ? client_param(c, "session", session) : "");
	free(path);
	diag_init(&c->diag);
	diag_source(&c->diag, own.source, own.text, own.text_len);
	if (!change_by_daemon(c, &q, &j->report, code)) {
		diag_fini(&c->diag);
		c->diag = own;
		return false;
	}
	diag_fini(&own);
	if (*code == CLI_OK)
		look_for_foes(j, m, findings);
	return true;
}

static int run(struct cli_context *c)
{
	struct job j = {.c = c};
	struct findings findings = {0};
	struct model *m = cli_load(c);
	json_t *answer = NULL;
	enum cli_exit code = CLI_USAGE;
	bool works = true;

	if (m && cli_number(c, "confirm", 1, MAX_TRIAL_SECONDS, &j.seconds) &&
		!leave_to_daemon(&j, m, &findings, &code)) {
		j.k = change_open(c, &j.lock);
		code = j.k ? (enum cli_exit)prepare(&j, m) : CLI_SYSTEM;
	}
	if (j.k && code == CLI_OK) {
		warn_of_fastpath(c, j.state.plan);
		report_judge(j.k, c->arena, &j.state, &findings);
		code = (enum cli_exit)make_it_so(&j, c->diag.text, c->diag.text_len);
	}
	if (j.k)
		change_close(j.k, j.lock);
	if (code == CLI_OK) {
		works = judge_works(&findings);
		if (c->json) {
			answer = report_apply(&j.report);
			json_object_set_new(answer, "confirm_within",
				j.seconds && j.report.changed ? json_integer(j.seconds)
							      : json_null());
			json_object_set_new(answer, "findings", report_findings(&findings));
		} else {
			change_print(&j.report);
			judge_print(c, &findings);
			if (j.seconds && j.report.changed)
				printf("on trial: run `portreeve confirm` within %u seconds, or "
				       "everything goes back\n",
					j.seconds);
		}
		if (!works)
			code = CLI_NO;
	}
	return cli_finish(c, answer, code);
}

const struct cli_command command_apply = {
	.name = "apply",
	.arguments = "[FILE]",
	.summary = "make the kernel what the file says, all of it or nothing",
	.details = "Adds, changes and deletes only what carries portreeve's own name. If any step "
		   "is refused,\n"
		   "everything is put back as it was. Afterwards exactly those connections are "
		   "deleted that\n"
		   "the change contradicts. Refuses to cut the SSH session it was started over.\n"
		   "\n"
		   "Exit status 1: applied, but something on this machine keeps a map from "
		   "working; it is\n"
		   "named together with the remedy.\n",
	.options = {{"confirm", "SECONDS",
			    "go back by itself unless `portreeve confirm` comes in time"},
		{"force", NULL, "apply even if that cuts the SSH session you are in"}},
	.max_args = 1,
	.run = run,
};
