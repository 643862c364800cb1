/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve confirm: keep the change that is on trial. */
#include <stdio.h>
#include <string.h>

#include "cli/change.h"
#include "cli/commands.h"
#include "kernel/state.h"

static int keep_trial(struct cli_context *c, struct kernel *k)
{
	struct state_trial trial;
	int err;

	if (!state_trial_waits(k, c->arena, &trial)) {
		diag_error(&c->diag, NOWHERE, "no change waits for a confirmation");
		diag_hint(&c->diag, "if one did, its time is over and everything has gone back");
		return CLI_NO;
	}
	err = state_confirm(k, c->arena, trial.text, trial.len);
	if (!err)
		err = state_trial_end(k);
	if (err) {
		diag_error(&c->diag, NOWHERE, "cannot keep the config in the state directory: %s",
			strerror(-err));
		return CLI_SYSTEM;
	}
	return CLI_OK;
}

static int run(struct cli_context *c)
{
	struct client_question q = {.path = "/v1/confirm", .post = true};
	enum cli_exit code;
	json_t *answer;

	if (client_ask(c, &q, &answer, &code) == CLIENT_NO_DAEMON) {
		int lock;
		struct kernel *k = change_open(c, &lock);

		code = CLI_SYSTEM;
		if (k) {
			code = (enum cli_exit)keep_trial(c, k);
			change_close(k, lock);
		}
	}
	json_decref(answer);
	answer = NULL;
	if (c->json)
		answer = json_pack("{s:b}", "confirmed", code == CLI_OK);
	else if (code == CLI_OK)
		printf("confirmed: the change stays\n");
	return cli_finish(c, answer, code);
}

const struct cli_command command_confirm = {
	.name = "confirm",
	.arguments = "",
	.summary = "keep the change that `apply --confirm` has on trial",
	.details = "Exit status 1 if no change waits for a confirmation.\n",
	.run = run,
};
