/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve diff: what would apply change? */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "kernel/apply.h"

/* changes_print() gives one change per line; programs get them as a list. */
static json_t *lines_json(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t len = strcspn(text, "\n");

		json_array_append_new(list, json_stringn(text, len));
		text += len + (text[len] == '\n');
	}
	return list;
}

static int run(struct cli_context *c)
{
	struct gateway_state state = {0};
	struct strbuf text = STRBUF_INIT;
	struct model *m = cli_load(c);
	json_t *answer = NULL;
	struct kernel *k;
	bool changed;
	int err;

	if (!m)
		return cli_finish(c, NULL, CLI_USAGE);
	k = cli_kernel(c, true);
	if (!k)
		return cli_finish(c, NULL, CLI_SYSTEM);
	err = gateway_look(k, c->arena, m, &state, &c->diag);
	kernel_close(k);
	if (err)
		return cli_finish(c, NULL, CLI_SYSTEM);
	if (!state.plan)
		return cli_finish(c, NULL, CLI_USAGE);

	changed = !changes_empty(&state.changes);
	changes_print(&text, &state.changes, c->colour_out && !c->json);
	if (c->json) {
		answer = json_object();
		json_object_set_new(answer, "changed", json_boolean(changed));
		json_object_set_new(answer, "changes", lines_json(strbuf_str(&text)));
	} else {
		fputs(strbuf_str(&text), stdout);
	}
	strbuf_fini(&text);
	return cli_finish(c, answer, changed ? CLI_NO : CLI_OK);
}

const struct cli_command command_diff = {
	.name = "diff",
	.arguments = "[FILE]",
	.summary = "what apply would change (exit status 1 if anything)",
	.details =
		"Compares the plan with what is in the kernel and prints one line per change, in\n"
		"the order in which apply would make them. Prints nothing if the kernel\n"
		"already is what the file says.\n",
	.max_args = 1,
	.run = run,
};
