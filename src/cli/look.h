/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at this machine as far as the caller's rights go, for the commands that change nothing. */
#ifndef CLI_LOOK_H
#define CLI_LOOK_H

#include "cli/cli.h"
#include "kernel/apply.h"
#include "walk/findings.h"

/*
 * gateway_look() where the caller may administer the network. Others get a plan from links,
 * addresses, routes, sysctls and sockets alone; what was not looked at is said in the diag.
 * With @findings (NULL: not asked) also what here would defeat the plan.
 * 0, or -errno with the reason in the diag. Errors of the plan leave s->plan NULL.
 */
int cli_look(struct cli_context *c, const struct model *m, struct gateway_state *s,
	struct findings *findings);

/* Does this machine have an interface of any of the uplinks? False also where it cannot be told. */
bool cli_is_our_machine(struct cli_context *c, const struct model *m);

#endif
