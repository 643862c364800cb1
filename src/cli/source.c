/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the netstate that a command looks at: dumps, this machine, or a config's plan on either. */
#include "cli/source.h"

#include <string.h>
#include <unistd.h>

#include "cli/look.h"
#include "cli/state_dir.h"
#include "config/config.h"
#include "kernel/facts.h"
#include "kernel/fastpath.h"
#include "kernel/observe.h"
#include "kernel/state.h"
#include "plan/paper.h"

static const struct plan *plan_for(
	struct cli_context *c, const struct model *m, const struct netstate *net, struct diag *d)
{
	const struct nft_table *ours = nft_table_find(&net->ruleset, FAMILY_INET, PORTREEVE_TABLE);
	struct memory memory = {0};

	if (ours)
		plan_read_memory(c->arena, ours, &memory);
	return plan_make(c->arena, m, net, &memory, d);
}

/* The config that is in force, so that our rules can be led back to its lines. It was right when it was
 * applied: what is wrong with it now is not this command's to say. */
static void find_applied(struct cli_context *c, struct kernel *k, struct cli_source *out)
{
	const struct model *m;
	struct diag aside;
	const char *text = NULL;
	size_t len = 0;

	if (!nft_table_find(&out->net->ruleset, FAMILY_INET, PORTREEVE_TABLE) ||
		state_in_force(k, c->arena, &text, &len) != 0)
		return;
	diag_init(&aside);
	m = config_load(c->arena, text, len, &aside);
	out->ours = m ? plan_for(c, m, out->net, &aside) : NULL;
	out->ours_file = "the applied config";
	if (out->ours && out->ours->fastpaths.len)
		out->fastpath = fastpath_look(k, c->arena, out->ours);
	diag_fini(&aside);
}

static bool takes_dumps(const struct cli_context *c)
{
	for (size_t i = 0; i < CLI_MAX_OPTIONS && c->command->options[i].name; i++) {
		if (strcmp(c->command->options[i].name, "state") == 0)
			return true;
	}
	return false;
}

enum cli_exit cli_source_live(struct cli_context *c, struct cli_source *out)
{
	struct netstate *net = arena_new_of(c->arena, struct netstate);
	struct kernel *k = cli_kernel(c, true);
	struct kernel_error e = {0};
	int err;

	if (!k) {
		if (geteuid() != 0 && takes_dumps(c))
			diag_hint(&c->diag,
				"run it through sudo, or look at dumps with --state DIR, for which "
				"'sudo portreeve snapshot DIR' is enough");
		return CLI_SYSTEM;
	}
	err = kernel_observe(k, c->arena, OBSERVE_EVERYTHING, net, &e);
	if (err)
		cli_kernel_error(c, "look at this machine", &e);
	else
		kernel_facts(k, c->arena, &out->facts);
	out->live = true;
	out->name = "this machine";
	out->net = net;
	if (!err)
		find_applied(c, k, out);
	kernel_close(k);
	return err ? CLI_SYSTEM : CLI_OK;
}

/* The machine that a config is for: the dumps, this one, or one made up from the config. */
static enum cli_exit machine(struct cli_context *c, const struct model *m, struct cli_source *out)
{
	struct netstate *net = arena_new_of(c->arena, struct netstate);
	const char *dir = cli_value(c, "state");

	out->net = net;
	if (dir) {
		out->name = arena_printf(c->arena, "the dumps in %s", dir);
		return cli_state_read(c, dir, net, &out->files, &out->notes) ? CLI_OK : CLI_USAGE;
	}
	if (m && (cli_given(c, "paper") || (!cli_given(c, "live") && !cli_is_our_machine(c, m)))) {
		plan_paper_netstate(c->arena, m, net);
		out->name = "a machine made up from the file";
		return CLI_OK;
	}
	return cli_source_live(c, out);
}

enum cli_exit cli_source(struct cli_context *c, struct cli_source *out)
{
	struct netstate *laid = arena_new_of(c->arena, struct netstate);
	struct model *m = NULL;
	enum cli_exit code;

	if (cli_given(c, "live") && cli_given(c, "state")) {
		diag_error(&c->diag, NOWHERE, "--live and --state exclude each other");
		return CLI_USAGE;
	}
	if (cli_file_given(c)) {
		m = cli_load(c);
		if (!m)
			return CLI_USAGE;
	}
	code = machine(c, m, out);
	if (code != CLI_OK || !m)
		return code;
	out->plan = plan_for(c, m, out->net, &c->diag);
	if (!out->plan) {
		if (out->live)
			diag_info(&c->diag, NOWHERE,
				"if this file is for another machine, --paper plans it without "
				"looking at this one");
		return CLI_NO;
	}
	plan_overlay(c->arena, out->net, &out->plan->want, laid);
	out->net = laid;
	out->ours = out->plan;
	out->fastpath = NULL; /* what is attached is another config's */
	out->ours_file = cli_file(c);
	out->name = arena_printf(c->arena, "%s with %s in force", out->name, cli_file(c));
	return CLI_OK;
}
