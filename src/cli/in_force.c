/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in force, looked at from here: for when no daemon runs that could be asked. */
#include "cli/in_force.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/version.h"
#include "config/config.h"
#include "kernel/state.h"
#include "report/flows.h"
#include "report/report.h"
#include "report/status.h"

#define APPLIED "the applied config"

static uint64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int in_force_look(struct cli_context *c, struct kernel **k, struct gateway_state *s)
{
	const char *text = NULL;
	struct model *m;
	size_t len = 0;
	int err;

	*s = (struct gateway_state){0};
	*k = cli_kernel(c, true);
	if (!*k)
		return -EPERM;
	err = state_in_force(*k, c->arena, &text, &len);
	if (err == -ENOENT || (!err && len == 0))
		return -ENOENT;
	if (err) {
		diag_error(&c->diag, NOWHERE, "cannot use the state directory: %s", strerror(-err));
		return err;
	}
	diag_source(&c->diag, APPLIED, text, len);
	m = config_load(c->arena, text, len, &c->diag);
	err = m ? gateway_look(*k, c->arena, m, s, &c->diag) : -EINVAL;
	return err ? err : s->plan ? 0 : -EINVAL;
}

static json_t *uplink_list(struct cli_context *c, struct kernel *k, const struct plan *p)
{
	struct tally_counters counters = {0};
	json_t *list = json_array();
	bool counted = kernel_tally_counters(k, c->arena, &counters, NULL) == 0;

	VEC_EACH (&p->uplinks, const struct plan_uplink, u)
		json_array_append_new(list, report_uplink(u, NULL, counted ? &counters : NULL));
	return list;
}

static json_t *trial_json(struct cli_context *c, struct kernel *k)
{
	struct state_trial t;
	uint64_t now = state_now_ms();

	if (!state_trial_waits(k, c->arena, &t))
		return json_null();
	return json_pack("{s:o, s:I}", "name", report_text(t.name), "left_ms",
		(json_int_t)(t.deadline_ms > now ? t.deadline_ms - now : 0));
}

json_t *in_force_status(struct cli_context *c)
{
	struct gateway_state s;
	struct kernel *k = NULL;
	struct tally_conntrack conntrack;
	int err = in_force_look(c, &k, &s);
	bool same = !err && changes_empty(&s.changes);
	json_t *j = NULL;

	if (!err || err == -ENOENT) {
		kernel_tally_conntrack(k, &conntrack);
		j = json_object();
		json_object_set_new(j, "daemon", json_false());
		json_object_set_new(j, "version", json_string(PORTREEVE_VERSION));
		json_object_set_new(j, "now_ms", json_integer((json_int_t)wall_ms()));
		json_object_set_new(j, "in_force", json_boolean(same));
		json_object_set_new(j, "problem",
			report_text(err	   ? "nothing was applied"
				    : same ? NULL
					   : "it differs from the applied config, or was changed "
					     "since"));
		json_object_set_new(j, "uplinks", err ? json_array() : uplink_list(c, k, s.plan));
		json_object_set_new(j, "backends", json_array());
		json_object_set_new(j, "trial", trial_json(c, k));
		json_object_set_new(j, "conntrack", report_conntrack(&conntrack));
		report_verdict(j);
	}
	kernel_close(k);
	return j;
}

json_t *in_force_flows(struct cli_context *c, const struct flows_query *q)
{
	struct kernel_error e = {0};
	struct gateway_state s;
	struct kernel *k = NULL;
	json_t *j = NULL;
	int err = in_force_look(c, &k, &s);

	if (err == -ENOENT)
		diag_error(&c->diag, NOWHERE, "nothing was applied here");
	if (!err) {
		j = report_flows(k, c->arena, s.plan, NULL, q, wall_ms(), &e);
		if (!j)
			cli_kernel_error(c, "show the connections", &e);
	}
	kernel_close(k);
	return j;
}
