/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve remove: take out everything that portreeve put in. */
#include <string.h>

#include "cli/change.h"
#include "cli/commands.h"
#include "kernel/state.h"

static int take_out(struct cli_context *c, struct kernel *k, struct apply_report *report)
{
	int err = gateway_remove(k, c->arena, report, &c->diag);

	if (err)
		return CLI_SYSTEM;
	err = state_trial_end(k);
	if (!err)
		err = state_confirm(k, c->arena, NULL, 0);
	if (err) {
		diag_error(&c->diag, NOWHERE, "cannot use the state directory: %s", strerror(-err));
		return CLI_SYSTEM;
	}
	return CLI_OK;
}

static int run(struct cli_context *c)
{
	return change_back(c, "/v1/remove", take_out);
}

const struct cli_command command_remove = {
	.name = "remove",
	.arguments = "",
	.summary = "take out everything that portreeve put into the kernel",
	.details = "The nftables table, the rules and routes, and the sysctls, which get the "
		   "values they had\n"
		   "before portreeve first changed them, also if someone flushed the nftables "
		   "rules meanwhile.\n"
		   "Connections that portreeve translated are deleted. A daemon that runs stops.\n",
	.run = run,
};
