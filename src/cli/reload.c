/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve reload: have the daemon read its file again. */
#include <stdio.h>

#include "cli/change.h"
#include "cli/commands.h"
#include "report/report.h"

static int run(struct cli_context *c)
{
	struct client_question q = {.path = "/v1/reload", .post = true};
	struct apply_report report = {0};
	enum cli_exit code;

	if (!change_by_daemon(c, &q, &report, &code)) {
		client_no_daemon(c, DIAG_ERROR);
		code = CLI_SYSTEM;
	}
	if (!c->json && code == CLI_OK && report.changed)
		change_print(&report);
	else if (!c->json && code == CLI_OK)
		printf("read; nothing in the kernel had to change\n");
	return cli_finish(c, c->json ? report_apply(&report) : NULL, code);
}

const struct cli_command command_reload = {
	.name = "reload",
	.arguments = "",
	.summary = "have the daemon read its file again",
	.details = "A file that is wrong, or that the kernel does not take, changes nothing; the "
		   "exit status is\n"
		   "then 2 or 3, and the reasons are printed. The same as SIGHUP, but for the "
		   "answer.\n",
	.run = run,
};
