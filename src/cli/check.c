/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve check: is the file right, and does it fit this machine? */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/judge.h"
#include "cli/look.h"
#include "report/report.h"

static json_t *answer_json(const struct cli_context *c, const struct model *m,
	const struct findings *findings, bool fine)
{
	json_t *j = json_object();

	json_object_set_new(j, "ok", json_boolean(fine));
	json_object_set_new(j, "errors", json_integer((json_int_t)c->diag.errors));
	json_object_set_new(j, "warnings", json_integer((json_int_t)c->diag.warnings));
	json_object_set_new(
		j, "uplinks", m ? json_integer((json_int_t)m->uplinks.len) : json_null());
	json_object_set_new(j, "maps", m ? json_integer((json_int_t)m->maps.len) : json_null());
	if (cli_given(c, "live"))
		json_object_set_new(j, "findings", report_findings(findings));
	return j;
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_summary(const struct cli_context *c, const struct model *m, bool fine)
{
	const struct diag *d = &c->diag;

	if (d->errors > 0) {
		fprintf(stderr, "%s: %zu error%s, %zu warning%s\n", cli_file(c), d->errors,
			plural(d->errors), d->warnings, plural(d->warnings));
		return;
	}
	if (!fine) {
		printf("%s: the file is right, but something on this machine keeps it from "
		       "working\n",
			cli_file(c));
		return;
	}
	printf("%s: fine%s: %zu uplink%s, %zu map%s\n", cli_file(c),
		cli_given(c, "live") ? " and fits this machine" : "", m->uplinks.len,
		plural(m->uplinks.len), m->maps.len, plural(m->maps.len));
}

static int run(struct cli_context *c)
{
	struct gateway_state state = {0};
	struct findings findings = {0};
	bool live = cli_given(c, "live"), fine;
	struct model *m = cli_load(c);
	int code;

	if (!m && !c->diag.source) /* there is no file to have an opinion on */
		return cli_finish(c, NULL, CLI_USAGE);
	if (m && live && cli_look(c, m, &state, &findings) != 0)
		return cli_finish(c, NULL, CLI_SYSTEM);
	fine = m && c->diag.errors == 0 && judge_works(&findings);
	code = cli_finish(
		c, c->json ? answer_json(c, m, &findings, fine) : NULL, fine ? CLI_OK : CLI_NO);
	if (!c->json) {
		judge_print(c, &findings);
		print_summary(c, m, fine);
	}
	return code;
}

const struct cli_command command_check = {
	.name = "check",
	.arguments = "[FILE]",
	.summary = "is the file right (and, with --live, does it fit this machine)",
	.details =
		"Reads the file and reports every mistake in it at once, each with its place.\n"
		"With --live it also looks at this machine: interfaces and addresses that are\n"
		"not there, services of the gateway that a map would shadow, rules of other\n"
		"tools that would defeat a map, each with the remedy.\n"
		"\n"
		"Exit status 1 if there is any mistake, or with --live if a map would not work.\n",
	.options = {{"live", NULL, "also check the file against this machine"}},
	.max_args = 1,
	.run = run,
};
