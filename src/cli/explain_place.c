/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds where the rule of a step stands: in the ruleset, in a dump, in the config. */
#include <string.h>

#include "cli/explain.h"

static bool is_ours(const struct explanation *e, const struct nft_table *t)
{
	const struct plan *p = e->source->plan;

	return p && p->want.ruleset.tables.len && p->want.ruleset.tables.items[0] == t;
}

/* The listener of the config whose map element a translation took. */
static struct span listener(const struct explanation *e)
{
	struct flow f = {0};
	struct span at = {0};

	for (size_t i = 0; i < e->journey.ways.len && !at.line; i++) {
		const struct net_flow *n = &e->journey.ways.items[i].flow;

		f = (struct flow){.proto = n->proto,
			.mark = n->mark,
			.status = n->status,
			.original = n->original,
			.reply = n->reply};
		plan_judge_flow(e->source->plan, &f, &at);
	}
	return at;
}

void explain_place(struct arena *a, const struct explanation *e, const struct journey_step *s,
	struct explain_place *out)
{
	const struct walk_step *w = &s->rule;
	struct span at = {0};

	memset(out, 0, sizeof(*out));
	if (w->kind == STEP_NONE || !w->table) {
		/* A route or an ip rule: of a dump, or ours. */
		const char *file = s->policy && s->policy->file ? s->policy->file : NULL;

		if (file)
			*out = (struct explain_place){.file = file, .line = s->policy->at.line};
		else if (s->policy && s->policy->at.line && e->file)
			*out = (struct explain_place){
				.file = e->file, .line = s->policy->at.line, .config = true};
		return;
	}
	out->table = nft_table_words(a, w->table);
	out->chain = w->chain->name;
	out->rule = nft_rule_words(a, w->table, w->chain, w->rule);
	if (!w->rule)
		return;
	out->handle = w->rule->handle;
	if (w->rule->file) {
		out->file = w->rule->file;
		out->line = w->rule->at.line;
	} else if (is_ours(e, w->table)) {
		at = w->rule->at.line ? w->rule->at : NOWHERE;
		if (w->did & DID_NAT || s->stage == STAGE_NAT)
			at = listener(e);
		out->file = at.line ? e->file : NULL;
		out->line = at.line;
		out->config = at.line > 0;
	}
}
