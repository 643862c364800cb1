/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asked for a change: a request into change.h's words, and what came of it as JSON. */
#include "daemon/ask_change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/change.h"
#include "daemon/fastpath_keeper.h"
#include "report/report.h"

#define MAX_TRIAL_SECONDS 86400u

bool ask_is_wrong(const struct ask *q, const char *error)
{
	http_reply_error(q->exchange, 400, error, NULL, NULL);
	return false;
}

/* "portreeve (pid 4711), uid 0"; without the name where the process is gone, or hidden. */
static void describe(const struct http_peer *peer, char *out, size_t size)
{
	char path[32], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)peer->pid);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = '\0';
		fclose(f);
	}
	name[strcspn(name, "\n")] = '\0';
	snprintf(out, size, name[0] ? "%s (pid %d), uid %u" : "%spid %d, uid %u", name,
		(int)peer->pid, peer->uid);
}

void ask_note(const struct ask *q)
{
	char by[96];

	describe(q->peer, by, sizeof(by));
	journal_note(q->daemon->journal, JOURNAL_NOTICE, "asked", "somebody asks for a change",
		"s:s, s:s", "what", q->request->path + strlen("/v1/"), "by", by);
}

static void reply_change(
	const struct ask *q, enum change_outcome outcome, json_t *done, const struct diag *diag)
{
	json_t *said = report_diag(diag);

	switch (outcome) {
	case CHANGE_DONE:
		json_object_set_new(done, "diagnostics", said);
		http_reply_json(q->exchange, 200, done);
		return;
	case CHANGE_NOT_NOW:
		http_reply_error(q->exchange, 409, "not as things stand", NULL, said);
		break;
	case CHANGE_WRONG:
		http_reply_error(
			q->exchange, 422, "the config is wrong; nothing was changed", NULL, said);
		break;
	case CHANGE_REFUSED:
		http_reply_error(q->exchange, 500, "the system refused", NULL, said);
		break;
	}
	json_decref(done);
}

void ask_apply(const struct ask *q)
{
	const char *name = http_param(q->request, "name");
	struct change_request r = {.name = name ? name : "the request",
		.text = q->request->body,
		.len = q->request->body_len,
		.pid = q->peer->pid,
		.session = http_param(q->request, "session")};
	struct apply_report report = {0};
	uint64_t seconds = 0, force = 0;
	enum change_outcome outcome;
	struct diag diag;
	json_t *j;

	if (!http_number(q->request, "confirm", 0, MAX_TRIAL_SECONDS, &seconds)) {
		ask_is_wrong(q, "confirm is a number of seconds, at most a day");
		return;
	}
	if (!http_number(q->request, "force", 0, 1, &force)) {
		ask_is_wrong(q, "force is 0 or 1");
		return;
	}
	r.seconds = (uint32_t)seconds;
	r.force = force;
	diag_init(&diag);
	outcome = change_apply(q->daemon, &r, &report, &diag);
	j = report_apply(&report);
	json_object_set_new(j, "confirm_within",
		q->daemon->trial ? json_integer((json_int_t)seconds) : json_null());
	reply_change(q, outcome, j, &diag);
	diag_fini(&diag);
}

void ask_confirm(const struct ask *q)
{
	enum change_outcome outcome;
	struct diag diag;

	diag_init(&diag);
	outcome = change_confirm(q->daemon, &diag);
	reply_change(q, outcome, json_pack("{s:b}", "confirmed", 1), &diag);
	diag_fini(&diag);
}

static void step_back(const struct ask *q, enum change_outcome (*step)(struct daemon *d,
						   struct apply_report *report, struct diag *diag))
{
	struct apply_report report = {0};
	enum change_outcome outcome;
	struct diag diag;

	diag_init(&diag);
	outcome = step(q->daemon, &report, &diag);
	reply_change(q, outcome, report_apply(&report), &diag);
	diag_fini(&diag);
}

void ask_rollback(const struct ask *q)
{
	step_back(q, change_rollback);
}

void ask_reload(const struct ask *q)
{
	step_back(q, change_reload);
}

void ask_remove(const struct ask *q)
{
	step_back(q, change_remove);
}

void ask_fastpath_switch(const struct ask *q)
{
	const char *to = http_param(q->request, "switch");
	bool on = to && strcmp(to, "on") == 0;
	struct diag diag;
	json_t *j;
	int err;

	if (!on && (!to || strcmp(to, "off") != 0)) {
		ask_is_wrong(q, "switch is on or off");
		return;
	}
	diag_init(&diag);
	err = fastpath_keeper_switch(q->daemon, on);
	if (err)
		diag_warning(&diag, NOWHERE,
			"that cannot be written down in the run directory, so another daemon will "
			"not know: %s",
			strerror(-err));
	j = fastpath_status(q->daemon);
	json_object_set_new(j, "diagnostics", report_diag(&diag));
	http_reply_json(q->exchange, 200, j);
	diag_fini(&diag);
}
