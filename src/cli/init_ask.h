/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking about a proposal, with what was found as the answers to begin with. */
#ifndef CLI_INIT_ASK_H
#define CLI_INIT_ASK_H

#include "cli/cli.h"
#include "walk/propose.h"

/* Questions go to standard error, answers come from standard input, a line each. An empty line, or its
 * end, takes what is in brackets. */
void init_ask_lines(struct cli_context *c, struct proposal *p);
/* Maps besides those carried over, until an empty line; each that the config takes. */
void init_ask_maps(struct cli_context *c, struct proposal *p);

/* Why the proposal's text is no config: the first reason. NULL: it is one. */
const char *init_objection(struct cli_context *c, const struct proposal *p);

#endif
