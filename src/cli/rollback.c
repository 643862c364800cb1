/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve rollback: undo the last change. */
#include <errno.h>
#include <string.h>

#include "cli/change.h"
#include "cli/commands.h"
#include "kernel/state.h"

static int no_state(struct cli_context *c, int err)
{
	diag_error(&c->diag, NOWHERE, "cannot use the state directory: %s", strerror(-err));
	return CLI_SYSTEM;
}

static int go_back(struct cli_context *c, struct kernel *k, struct apply_report *report)
{
	struct state_trial waiting;
	char *text = NULL;
	size_t len = 0;
	/* A change on trial has not become the confirmed one: that is what to go back to. */
	bool trial = state_trial_waits(k, c->arena, &waiting);
	int err = state_read(k, trial ? STATE_CONFIRMED : STATE_PREVIOUS, c->arena, &text, &len);
	if (err == -ENOENT && !trial) {
		diag_error(&c->diag, NOWHERE, "there is no change to go back from");
		return CLI_NO;
	}
	if (err && err != -ENOENT)
		return no_state(c, err);
	if (change_restore(k, c->arena, text, len, report, &c->diag) < 0)
		return CLI_SYSTEM;
	err = trial ? state_trial_end(k) : state_went_back(k, c->arena);
	return err ? no_state(c, err) : CLI_OK;
}

static int run(struct cli_context *c)
{
	return change_back(c, "/v1/rollback", go_back);
}

const struct cli_command command_rollback = {
	.name = "rollback",
	.arguments = "",
	.summary = "undo the last change",
	.details = "Goes back to the config that was in force before the last apply or remove; "
		   "before the first\n"
		   "apply that is: nothing of portreeve's. A change on trial is taken back at "
		   "once. Connections\n"
		   "that the change deleted do not come back. One step only: exit status 1 if "
		   "there is none.\n",
	.run = run,
};
