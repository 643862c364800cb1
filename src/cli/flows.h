/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows: asking for the connections through the maps, for those commands that show them. */
#ifndef CLI_FLOWS_H
#define CLI_FLOWS_H

#include "cli/cli.h"
#include "report/flows.h"

/* As report_flows(): from the daemon, or from the kernel where none runs. NULL: the diag says why. */
json_t *flows_ask(struct cli_context *c, const struct flows_query *q, enum cli_exit *code);

/* The options --map, --uplink and --client of a command that has them. False: the diag says what is wrong. */
bool flows_options(struct cli_context *c, struct flows_query *q);

/* "1.2.3.4:80", "[2001:db8::1]:80" */
const char *flows_endpoint(
	struct arena *a, const json_t *flow, const char *address, const char *port);

#endif
