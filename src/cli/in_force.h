/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in force, looked at from here: for when no daemon runs that could be asked. */
#ifndef CLI_IN_FORCE_H
#define CLI_IN_FORCE_H

#include "cli/cli.h"
#include "kernel/apply.h"

/*
 * The plan of the config that was applied last, on this machine as it is. 0; -ENOENT: nothing was applied;
 * or -errno with the reason in the diag. The kernel is the caller's to close where it is not NULL.
 */
int in_force_look(struct cli_context *c, struct kernel **k, struct gateway_state *s);

/* A status and a list of flows like the daemon's. NULL: the diag says why. */
struct flows_query;
json_t *in_force_status(struct cli_context *c);
json_t *in_force_flows(struct cli_context *c, const struct flows_query *q);

#endif
