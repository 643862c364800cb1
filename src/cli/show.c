/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve show: exactly what would be put into the kernel. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/look.h"
#include "report/plan_out.h"
#include "plan/paper.h"

enum form { FORM_ALL, FORM_NFT, FORM_IP, FORM_JSON };

static bool read_form(struct cli_context *c, enum form *out)
{
	static const char *const names[] = {
		[FORM_NFT] = "nft", [FORM_IP] = "ip", [FORM_JSON] = "json"};
	const char *as = cli_value(c, "as");

	*out = c->json ? FORM_JSON : FORM_ALL;
	if (!as)
		return true;
	for (enum form f = FORM_NFT; f <= FORM_JSON; f++)
		if (strcmp(as, names[f]) == 0) {
			*out = f;
			return true;
		}
	diag_error(&c->diag, NOWHERE, "--as is nft, ip or json, not '%s'", as);
	return false;
}

/* Whether a machine was made up, and why. */
enum paper { PAPER_NO, PAPER_ASKED, PAPER_NOT_HERE };

/* Part by part: with the most maps there may be, all of it at once is many megabytes. */
static void print_part(struct strbuf *out)
{
	fputs(strbuf_str(out), stdout);
	strbuf_reset(out);
}

static void print_text(
	const struct cli_context *c, const struct plan *p, enum form form, enum paper paper)
{
	struct strbuf out = STRBUF_INIT;

	if (paper == PAPER_NOT_HERE)
		strbuf_add(&out, "# planned on paper: none of these interfaces exist on this "
				 "machine\n");
	else if (paper == PAPER_ASKED)
		strbuf_add(&out, "# planned on paper, for a machine made up from the file\n");
	if (form == FORM_ALL) {
		strbuf_addf(&out, "# what %s calls for\n#\n", cli_file(c));
		plan_out_summary(&out, p);
		strbuf_addch(&out, '\n');
		print_part(&out);
	}
	if (form != FORM_NFT)
		plan_out_commands(&out, p);
	if (form == FORM_ALL)
		strbuf_addch(&out, '\n');
	print_part(&out);
	if (form != FORM_IP)
		plan_out_nft(&out, p);
	print_part(&out);
	strbuf_fini(&out);
}

static int run(struct cli_context *c)
{
	struct gateway_state state = {0};
	enum form form;
	struct model *m;
	json_t *answer = NULL;
	enum paper paper;

	if (!read_form(c, &form))
		return cli_finish(c, NULL, CLI_USAGE);
	c->json = form == FORM_JSON;
	m = cli_load(c);
	if (!m)
		return cli_finish(c, NULL, CLI_USAGE);
	paper = cli_given(c, "paper")	   ? PAPER_ASKED
		: cli_is_our_machine(c, m) ? PAPER_NO
					   : PAPER_NOT_HERE;
	if (paper != PAPER_NO) {
		plan_paper_netstate(c->arena, m, &state.seen);
		state.plan = plan_make(c->arena, m, &state.seen, &state.memory, &c->diag);
	} else if (cli_look(c, m, &state, NULL) != 0) {
		return cli_finish(c, NULL, CLI_SYSTEM);
	}
	if (!state.plan) {
		if (paper == PAPER_NO)
			diag_info(&c->diag, NOWHERE,
				"if this file is for another machine, 'show --paper' plans it "
				"without looking at this one");
		return cli_finish(c, NULL, CLI_NO);
	}
	if (c->json) {
		answer = plan_out_json(state.plan);
		json_object_set_new(answer, "on_paper", json_boolean(paper != PAPER_NO));
	} else {
		print_text(c, state.plan, form, paper);
	}
	return cli_finish(c, answer, CLI_OK);
}

const struct cli_command command_show = {
	.name = "show",
	.arguments = "[FILE]",
	.summary = "exactly what would be put into the kernel",
	.details = "Prints the plan and changes nothing: what was settled for each uplink and map\n"
		   "and why, then routes, rules and sysctls as commands, then the nftables table.\n"
		   "It needs no root. If this machine has none of the file's interfaces, a\n"
		   "machine that has them is made up from the file, and the output says so.\n",
	.options = {{"as", "FORM", "only one form: nft, ip or json"},
		{"paper", NULL, "plan for a machine made up from the file, not for this one"}},
	.max_args = 1,
	.run = run,
};
