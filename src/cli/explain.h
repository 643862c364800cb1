/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Explain: the proof of an answer; for answers see report/explain.h. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "cli/cli.h"
#include "cli/source.h"
#include "rehearse/prove.h"
#include "report/explain.h"

/* Try @e's journey in a namespace. False: that could not be, and the diag says why. */
bool explain_prove(struct cli_context *c, const struct cli_source *source,
	const struct explanation *e, struct prove_result *out);
void explain_prove_print(struct strbuf *out, const struct prove_result *r, bool colour);
json_t *explain_prove_json(const struct prove_result *r);

#endif
