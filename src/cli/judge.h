/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judge: what on this machine would defeat a plan, for people; see report_judge(). */
#ifndef CLI_JUDGE_H
#define CLI_JUDGE_H

#include "cli/cli.h"
#include "walk/findings.h"

/* False: a finding says that a map does not work. */
bool judge_works(const struct findings *f);
/* For people, on stdout: what is severe first. */
void judge_print(const struct cli_context *c, const struct findings *f);

#endif
