/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judge: what on this machine would defeat a plan, for check --live and apply. */
#ifndef CLI_JUDGE_H
#define CLI_JUDGE_H

#include "cli/cli.h"
#include "kernel/apply.h"
#include "walk/findings.h"

/* Look for everything that would defeat the plan of @s. */
void judge_foreign(struct cli_context *c, struct kernel *k, const struct gateway_state *s,
	struct findings *out);
/* False: a finding says that a map does not work. */
bool judge_works(const struct findings *f);
/* For people, on stdout: what is severe first. */
void judge_print(const struct cli_context *c, const struct findings *f);
json_t *judge_json(const struct findings *f);

#endif
