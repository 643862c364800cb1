/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds where the rule of a step stands: in the ruleset, in a dump, in the config. */
#include <string.h>

#include "report/explain.h"

/* The place in the config of a rule of ours. */
static struct span rule_origin(const struct explanation *e, const struct walk_step *w)
{
	const struct plan *p = e->source->ours;
	const struct nft_table *t;
	const struct nft_chain *c;

	if (!p || !p->want.ruleset.tables.len || w->table->family != FAMILY_INET ||
		strcmp(w->table->name, PORTREEVE_TABLE) != 0)
		return NOWHERE;
	t = p->want.ruleset.tables.items[0];
	if (t == w->table)
		return w->rule->at;
	/* As the kernel gave it back: the plan has the same rule, and where it is from. */
	c = nft_chain_find(t, w->chain->name);
	for (size_t i = 0; c && i < c->rules.len; i++) {
		if (nft_rule_equal(&c->rules.items[i], w->rule))
			return c->rules.items[i].at;
	}
	return NOWHERE;
}

static bool is_ours(const struct explanation *e, const struct nft_table *t)
{
	return e->source->ours && t->family == FAMILY_INET && strcmp(t->name, PORTREEVE_TABLE) == 0;
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
		plan_judge_flow(e->source->ours, &f, &at);
	}
	return at;
}

static void place_policy(
	const struct explanation *e, const struct net_rule *r, struct explain_place *out)
{
	if (r->file) {
		*out = (struct explain_place){.file = r->file, .line = r->at.line};
		return;
	}
	for (size_t i = 0; e->source->ours && i < e->source->ours->want.rules.len; i++) {
		const struct net_rule *own = &e->source->ours->want.rules.items[i];

		if (net_rule_equal(own, r) && own->at.line)
			*out = (struct explain_place){
				.file = e->source->ours_file, .line = own->at.line, .config = true};
	}
}

void explain_place(struct arena *a, const struct explanation *e, const struct journey_step *s,
	struct explain_place *out)
{
	const struct walk_step *w = &s->rule;
	struct span at = {0};

	memset(out, 0, sizeof(*out));
	if (w->kind == STEP_NONE || !w->table) {
		if (s->policy)
			place_policy(e, s->policy, out);
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
		at = w->did & DID_NAT || s->stage == STAGE_NAT ? listener(e) : rule_origin(e, w);
		out->file = at.line ? e->source->ours_file : NULL;
		out->line = at.line;
		out->config = at.line > 0;
	}
}
