/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What on this machine would defeat a plan, for people. */
#include "cli/judge.h"

#include <stdio.h>

bool judge_works(const struct findings *f)
{
	VEC_EACH (&f->items, const struct finding, it)
		if (it->blocks)
			return false;
	return true;
}

void judge_print(const struct cli_context *c, const struct findings *f)
{
	struct strbuf text = STRBUF_INIT;

	findings_print(&text, f, DIAG_INFO, c->colour_out);
	fputs(strbuf_str(&text), stdout);
	strbuf_fini(&text);
}
