/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve run: keep the kernel as the file says, until told to stop. */
#include <string.h>

#include "cli/commands.h"
#include "daemon/daemon.h"

static int run(struct cli_context *c)
{
	struct daemon_options options = {.file = cli_file(c), .debug = cli_given(c, "debug")};

	if (cli_file_given(c) && strcmp(c->args[0], "-") == 0) {
		diag_error(&c->diag, NOWHERE,
			"the file is read again whenever it changes, so it cannot be standard "
			"input");
		diag_hint(&c->diag, "name a file: portreeve run FILE");
		return cli_finish(c, NULL, CLI_USAGE);
	}
	return cli_finish(c, NULL, (enum cli_exit)daemon_run(&options, &c->diag));
}

const struct cli_command command_run = {
	.name = "run",
	.arguments = "[FILE]",
	.summary = "keep the kernel as the file says while everything around it moves",
	.details =
		"Stays in the foreground. Follows interfaces, addresses and gateways, and puts "
		"back "
		"what others\n"
		"take away of portreeve's; one line on stderr for each event. Reads FILE again on "
		"SIGHUP, and\n"
		"when it changes if the config says gateway.watch. SIGTERM ends it and leaves the "
		"kernel as it is;\n"
		"`portreeve remove` takes everything out.\n"
		"\n"
		"FILE and its directory must be root's or this user's, neither may be writable by "
		"everyone,\n"
		"and it cannot be standard input.\n",
	.options = {{"debug", NULL, "log every event of the kernel too"}},
	.max_args = 1,
	.run = run,
};
