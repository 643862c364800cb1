/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks a packet through chains, rules and verdicts. See rules.h for how undecided matches go.
 *
 * Theory of operation
 *
 * Until something is not decided there is one way, and rules change its packet in place. From the first
 * undecided match of a rule on, that rule works on a copy (rule_walk.hit), which is joined with the way
 * on which it did not match when the rule is done. With an oracle there is never a second way.
 */
#include "walk/chain.h"

#include <string.h>

#include "walk/xt.h"

/* ---- noting ---- */

static struct walk_step step_at(const struct chain_walk *c, enum step_kind kind,
	const struct nft_chain *chain, const struct nft_rule *rule)
{
	return (struct walk_step){
		.kind = kind, .table = c->table, .base = c->base, .chain = chain, .rule = rule};
}

static void trace(const struct chain_walk *c, const struct walk_step *s)
{
	struct walk_trail *t = c->run.w->trail;

	if (!t)
		return;
	if (t->len == 0)
		t->lost = 0;
	if (t->len < WALK_MAX_TRAIL) {
		t->steps[t->len++] = *s;
		return;
	}
	t->lost++;
	t->steps[WALK_MAX_TRAIL - 1] = *s;
}

/* The packet may end here. */
static void end_way(
	struct chain_walk *c, enum chain_end e, const struct walk_step *by, const struct way *way)
{
	struct ending *end = &c->ends[e];

	if (e == END_ACCEPT) {
		if (end->possible)
			packet_join(&c->accepted, &way->p);
		else
			c->accepted = way->p;
	}
	/* What stops everyone tells more than what stops the few that an undecided match picks. */
	if (end->possible && (!end->parting.matched || way->parting.matched))
		return;
	end->possible = true;
	end->by = *by;
	end->parting = way->parting;
}

static void lose_way(struct chain_walk *c, struct walk_step by, const char *why, struct way *way)
{
	by.kind = STEP_LOST;
	by.why = why;
	trace(c, &by);
	end_way(c, END_LOST, &by, way);
	way->open = false;
}

static void join_way(struct way *to, const struct way *from)
{
	if (!from->open)
		return;
	if (!to->open)
		*to = *from;
	else
		packet_join(&to->p, &from->p);
	if (to->parting.at.kind == STEP_NONE)
		to->parting = from->parting;
}

struct walk_step rule_step(const struct rule_walk *r, enum step_kind kind)
{
	return step_at(r->c, kind, r->chain, r->rule);
}

/* The rule did something else than to decide where the packet goes. */
void rule_did(struct rule_walk *r, uint8_t did)
{
	r->did.did |= did;
	if (did & DID_MARK)
		r->did.mark = r->now->p.mark;
	if (did & DID_CT_MARK)
		r->did.ct_mark = r->now->p.ct_mark;
}

/* Put what the rule did so far into the trail of a walk with an oracle. */
static void trace_did(struct rule_walk *r)
{
	struct walk_step step = rule_step(r, STEP_RULE);

	if (!has_oracle(r->c) || !r->did.did)
		return;
	step.did = r->did.did;
	step.mark = r->did.mark;
	step.ct_mark = r->did.ct_mark;
	step.verdict = r->did.verdict;
	step.target = r->did.target;
	trace(r->c, &step);
	r->did = (struct walk_step){0};
}

/* To be called before a step of this rule is traced: a rule that turns out not to match leaves no
 * trace. */
static void note_undecided(struct rule_walk *r)
{
	if (r->matched == TRI_UNKNOWN && !r->doubt_noted)
		trace(r->c, &r->doubt);
	r->doubt_noted = true;
}

/* The rule decides where the packet goes. */
static void trace_verdict(struct rule_walk *r, enum nft_verdict verdict, const char *target)
{
	struct walk_step by = rule_step(r, STEP_RULE);

	if (has_oracle(r->c)) {
		r->did.did |= DID_VERDICT;
		r->did.verdict = verdict;
		r->did.target = target;
		trace_did(r);
		return;
	}
	note_undecided(r);
	trace(r->c, &by);
}

void rule_lose(struct rule_walk *r, const char *why)
{
	note_undecided(r);
	trace_did(r);
	lose_way(r->c, rule_step(r, STEP_RULE), why, r->now);
}

/* ---- what is not decided ---- */

static void walk_rules(
	struct chain_walk *c, const struct nft_chain *chain, struct way *way, unsigned int depth);

/* From here on the rule may or may not match. (Without an oracle.) */
static void undecided(struct rule_walk *r, const struct nft_stmt *s, const char *why)
{
	if (r->now == r->way) {
		*r->hit = *r->way;
		r->now = r->hit;
	}
	r->doubt = rule_step(r, STEP_UNDECIDED);
	r->doubt.stmt = s;
	r->doubt.why = why;
	r->matched = TRI_UNKNOWN;
	r->now->parting = (struct parting){r->doubt, true};
}

struct walk_asker rule_asker(const struct rule_walk *r, const struct nft_stmt *s)
{
	struct walk_asker k = {
		.run = &r->c->run, .at = rule_step(r, STEP_RULE), .p = &r->now->p, .stmt = s};

	k.at.stmt = s;
	return k;
}

void rule_match(
	struct rule_walk *r, const struct nft_stmt *s, enum tri t, const struct walk_doubt *doubt)
{
	struct walk_asker k;

	if (t == TRI_UNKNOWN && has_oracle(r->c)) {
		k = rule_asker(r, s);
		t = tri_of(walk_ask_match(&k, doubt));
	}
	if (t == TRI_NO)
		r->matched = TRI_NO;
	else if (t == TRI_UNKNOWN)
		undecided(r, s, doubt->why);
}

/* A statement of which only so much is known: does the packet go on in this rule? */
void rule_doubt(struct rule_walk *r, const struct nft_stmt *s, const char *why)
{
	struct walk_doubt doubt;

	walk_doubt_of(&doubt, why);
	rule_match(r, s, TRI_UNKNOWN, &doubt);
}

/* ---- verdicts ---- */

/* The end of the rule's own way. */
void rule_terminate(struct rule_walk *r, enum chain_end e, enum nft_verdict verdict)
{
	struct walk_step by = rule_step(r, STEP_RULE);

	trace_verdict(r, verdict, NULL);
	end_way(r->c, e, &by, r->now);
	r->now->open = false;
}

void rule_reject(struct rule_walk *r)
{
	rule_did(r, DID_REJECT);
	rule_terminate(r, END_REJECT, VERDICT_DROP);
}

void rule_verdict(struct rule_walk *r, enum nft_verdict verdict, const char *chain)
{
	const struct nft_chain *target;

	switch (verdict) {
	case VERDICT_DROP:
		rule_terminate(r, END_DROP, verdict);
		return;
	case VERDICT_ACCEPT:
		rule_terminate(r, END_ACCEPT, verdict);
		return;
	case VERDICT_QUEUE:
		rule_lose(r, "it is queued to a program");
		return;
	case VERDICT_CONTINUE:
		note_undecided(r);
		return;
	case VERDICT_RETURN:
		trace_verdict(r, verdict, NULL);
		join_way(r->returns, r->now);
		r->now->open = false;
		return;
	case VERDICT_JUMP:
	case VERDICT_GOTO:
		break;
	}
	target = chain ? nft_chain_find(r->c->table, chain) : NULL;
	if (!target || r->depth >= WALK_MAX_DEPTH) {
		rule_lose(r, target ? "chains are nested too deeply" : "the chain is not there");
		return;
	}
	trace_verdict(r, verdict, target->name);
	walk_rules(r->c, target, r->now, r->depth + 1);
	if (verdict == VERDICT_GOTO) {
		join_way(r->returns, r->now);
		r->now->open = false;
	}
}

static void run_element(struct rule_walk *r, const struct nft_set *set, size_t i)
{
	int32_t verdict;
	uint32_t chain;

	memcpy(&verdict, nft_set_elem_data(set, i), 4);
	memcpy(&chain, nft_set_elem_data(set, i) + 4, 4);
	rule_verdict(r, (enum nft_verdict)verdict,
		chain < set->chains.len ? set->chains.items[chain] : NULL);
}

/* A verdict map whose key is not known for certain: each element that may be hit is a way. */
static void run_vmap_ways(
	struct rule_walk *r, const struct nft_stmt *s, const struct walk_value *key)
{
	struct way before, after;

	undecided(r, s, "it depends on what is not known of the packet");
	before = *r->now;
	after = before; /* no element is hit: the rule goes no further */
	after.parting.matched = false;
	for (size_t i = 0; i < s->set->len; i++) {
		if (walk_element(s->set, i, key) == TRI_NO)
			continue;
		*r->now = before;
		run_element(r, s->set, i);
		join_way(&after, r->now);
	}
	*r->now = after;
}

void rule_vmap(struct rule_walk *r, const struct nft_stmt *s)
{
	struct walk_value key;
	struct walk_asker k;
	size_t at = 0;
	enum tri t;

	if (!s->set || s->set->data_len < 8) {
		rule_lose(r, "the map is not there");
		return;
	}
	if (has_oracle(r->c)) {
		k = rule_asker(r, s);
		t = walk_ask_element(&k, &at) ? tri_of(at < s->set->len) : TRI_UNKNOWN;
	} else {
		walk_evaluate_key(&r->c->run, &r->now->p, s->expr, s->set, &key);
		t = key.absent ? TRI_NO : walk_find(&r->c->run, s->set, &key, &at);
	}
	if (t == TRI_YES)
		run_element(r, s->set, at);
	else if (t == TRI_NO)
		r->matched = TRI_NO;
	else if (!r->c->run.left)
		rule_lose(r, "the map is too large to look through");
	else if (s->set->flags & SET_INCOMPLETE)
		rule_lose(r, "the elements of the map were not read");
	else
		run_vmap_ways(r, s, &key);
}

/* ---- rules ---- */

/* Run the rule from statement @first on; those before it match. */
static void run_rule(struct chain_walk *c, const struct nft_chain *chain,
	const struct nft_rule *rule, size_t first, struct way *way, struct way *returns,
	unsigned int depth)
{
	struct way hit;
	struct rule_walk r = {.c = c,
		.chain = chain,
		.rule = rule,
		.depth = depth,
		.way = way,
		.now = way,
		.hit = &hit,
		.returns = returns,
		.matched = TRI_YES};
	struct parting p;

	for (size_t i = first; i < rule->stmts.len && r.now->open && r.matched != TRI_NO; i++)
		rule_run_stmt(&r, &rule->stmts.items[i]);
	c->run.n_draws = 0;
	trace_did(&r);
	if (r.now == way)
		return;
	/* What was written before a later match failed stays written; but whether it was reached is
	 * as open as the matches before it. */
	if (r.matched == TRI_NO) {
		hit.parting = way->parting;
		join_way(way, &hit);
	} else if (!hit.open) {
		/* The packet goes on from here only if the rule did not match. */
		way->parting = (struct parting){r.doubt, false};
	} else {
		p = hit.parting;
		note_undecided(&r);
		join_way(way, &hit);
		/* Was it parted further, in a chain called from here? */
		if (p.at.rule != rule || !p.matched)
			way->parting = p;
	}
}

/* The number of matches at the rule's beginning that the packet meets. *@fails: the one after them is
 * not met, which is how most rules end, and the reason to look at this first. */
static size_t leading_matches(
	struct chain_walk *c, const struct nft_rule *rule, const struct packet *p, bool *fails)
{
	struct walk_doubt doubt;
	enum tri t = TRI_YES;
	size_t i = 0;

	for (; i < rule->stmts.len; i++) {
		const struct nft_stmt *s = &rule->stmts.items[i];

		if (s->kind == STMT_MATCH)
			t = walk_match(&c->run, p, s, &doubt);
		else if (s->kind == STMT_XT && !s->xt.target)
			t = walk_xt_match(c->run.w->net, p, &s->xt, &doubt);
		else
			t = s->kind == STMT_COUNTER ? TRI_YES : TRI_UNKNOWN;
		if (t != TRI_YES)
			break;
	}
	*fails = i < rule->stmts.len && t == TRI_NO;
	return i;
}

static void walk_rules(
	struct chain_walk *c, const struct nft_chain *chain, struct way *way, unsigned int depth)
{
	struct way returns;

	returns.open = false;
	returns.parting.at.kind = STEP_NONE;
	VEC_EACH (&chain->rules, struct nft_rule, rule) {
		bool fails;
		size_t first;

		if (!way->open)
			break;
		if (!walk_spend(&c->run, 1)) {
			lose_way(c, step_at(c, STEP_RULE, chain, rule),
				"there are too many rules to look through", way);
			break;
		}
		first = leading_matches(c, rule, &way->p, &fails);
		if (!fails)
			run_rule(c, chain, rule, first, way, &returns, depth);
	}
	join_way(way, &returns);
}

void chain_walk(struct chain_walk *c, const struct packet *p)
{
	struct way way = {.open = true, .p = *p};
	struct walk_step policy = step_at(c, STEP_POLICY, c->base, NULL);

	walk_rules(c, c->base, &way, 1);
	if (!way.open)
		return;
	policy.did = has_oracle(c) ? DID_VERDICT : 0;
	policy.verdict = c->base->policy_drop ? VERDICT_DROP : VERDICT_ACCEPT;
	trace(c, &policy);
	end_way(c, c->base->policy_drop ? END_DROP : END_ACCEPT, &policy, &way);
}
