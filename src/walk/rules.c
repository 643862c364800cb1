/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks a packet through chains, rules and verdicts. See rules.h for how undecided matches go. */
#include "walk/rules.h"

#include <string.h>

#include "walk/value.h"
#include "walk/xt.h"

#define PRIORITY_CONNTRACK (-200) /* NF_IP_PRI_CONNTRACK */
#define TABLE_DORMANT	   0x1	  /* NFT_TABLE_F_DORMANT */

/* How a way of the packet can end. */
enum end { END_ACCEPT, END_DROP, END_REJECT, END_LOST, END_COUNT_ };

/* The match that parted this way from another, and on which side of it we are. */
struct parting {
	struct walk_step at; /* kind NONE: there was none */
	bool matched;
};

struct ending {
	bool possible;
	struct walk_step by;
	struct parting parting;
};

/* One base chain being walked. */
struct chain_walk {
	struct walk_run run;
	const struct nft_table *table;
	const struct nft_chain *base;
	struct ending ends[END_COUNT_];
	struct packet accepted; /* joined over all ways that end in ACCEPT */
	bool mapped;
	struct walk_step mark_by, ct_mark_by;
};

/* The packet on its way through one chain. */
struct way {
	bool open; /* it can get this far */
	struct packet p;
	struct parting parting;
};

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

	if (t && t->len < WALK_MAX_TRAIL)
		t->steps[t->len++] = *s;
}

/* The packet may end here. */
static void end_way(
	struct chain_walk *c, enum end e, const struct walk_step *by, const struct way *way)
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

/* ---- statements ---- */

/* A rule being run: the way as it is while the rule matches. */
struct rule_walk {
	struct chain_walk *c;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
	unsigned int depth;
	struct way *way;     /* as it goes on if the rule does not match */
	struct way hit;	     /* as it goes on if it does; open until a verdict */
	struct way *returns; /* ways that leave the chain */
	enum tri matched;
	struct walk_step doubt; /* UNKNOWN: what could not be decided */
	bool doubt_noted;	/* in the trail */
};

static void walk_chain(
	struct chain_walk *c, const struct nft_chain *chain, struct way *way, unsigned int depth);

/* From here on the rule may or may not match. */
static void undecided(struct rule_walk *r, const struct nft_stmt *s, const char *why)
{
	struct walk_step step = step_at(r->c, STEP_UNDECIDED, r->chain, r->rule);

	r->matched = TRI_UNKNOWN;
	step.stmt = s;
	step.why = why;
	r->doubt = step;
	r->hit.parting = (struct parting){step, true};
}

/* To be called before a step of this rule is traced: a rule that turns out not to match leaves no
 * trace. */
static void note_undecided(struct rule_walk *r)
{
	if (r->matched == TRI_UNKNOWN && !r->doubt_noted)
		trace(r->c, &r->doubt);
	r->doubt_noted = true;
}

static void note_write(struct rule_walk *r, uint32_t mark, uint32_t known, bool ct)
{
	const struct packet *p = &r->hit.p;

	if (ct ? p->ct_mark != mark || p->ct_mark_known != known
	       : p->mark != mark || p->mark_known != known)
		*(ct ? &r->c->ct_mark_by : &r->c->mark_by) =
			step_at(r->c, STEP_RULE, r->chain, r->rule);
}

static void run_set_mark(struct rule_walk *r, const struct nft_stmt *s)
{
	struct packet *p = &r->hit.p;
	uint32_t before = p->mark, before_known = p->mark_known;
	uint32_t ct_before = p->ct_mark, ct_before_known = p->ct_mark_known;

	if (s->kind == STMT_SET_MARK)
		p->mark = walk_mark(&r->c->run, p, s->expr, &p->mark_known);
	else if (!packet_without_conntrack(p))
		p->ct_mark = walk_mark(&r->c->run, p, s->expr, &p->ct_mark_known);
	note_write(r, before, before_known, false);
	note_write(r, ct_before, ct_before_known, true);
}

/* The end of the rule's own way; @kind tells how. */
static void terminate(struct rule_walk *r, enum end e)
{
	struct walk_step by = step_at(r->c, STEP_RULE, r->chain, r->rule);

	note_undecided(r);
	trace(r->c, &by);
	end_way(r->c, e, &by, &r->hit);
	r->hit.open = false;
}

static void run_verdict(struct rule_walk *r, enum nft_verdict verdict, const char *chain)
{
	struct walk_step by = step_at(r->c, STEP_RULE, r->chain, r->rule);
	const struct nft_chain *target;

	note_undecided(r);
	switch (verdict) {
	case VERDICT_DROP:
		terminate(r, END_DROP);
		return;
	case VERDICT_ACCEPT:
		terminate(r, END_ACCEPT);
		return;
	case VERDICT_QUEUE:
		lose_way(r->c, by, "it is queued to a program", &r->hit);
		return;
	case VERDICT_CONTINUE:
		return;
	case VERDICT_RETURN:
		trace(r->c, &by);
		join_way(r->returns, &r->hit);
		r->hit.open = false;
		return;
	case VERDICT_JUMP:
	case VERDICT_GOTO:
		break;
	}
	target = chain ? nft_chain_find(r->c->table, chain) : NULL;
	if (!target || r->depth >= WALK_MAX_DEPTH) {
		lose_way(r->c, by,
			target ? "chains are nested too deeply" : "the chain is not there",
			&r->hit);
		return;
	}
	trace(r->c, &by);
	walk_chain(r->c, target, &r->hit, r->depth + 1);
	if (verdict == VERDICT_GOTO) {
		join_way(r->returns, &r->hit);
		r->hit.open = false;
	}
}

static void run_element(struct rule_walk *r, const struct nft_set *set, size_t i)
{
	int32_t verdict;
	uint32_t chain;

	memcpy(&verdict, nft_set_elem_data(set, i), 4);
	memcpy(&chain, nft_set_elem_data(set, i) + 4, 4);
	run_verdict(r, (enum nft_verdict)verdict,
		chain < set->chains.len ? set->chains.items[chain] : NULL);
}

/* A verdict map whose key is not known for certain: each element that may be hit is a way. */
static void run_vmap_ways(
	struct rule_walk *r, const struct nft_stmt *s, const struct walk_value *key)
{
	struct way before, after;

	undecided(r, s, "it depends on what is not known of the packet");
	before = r->hit;
	after = before; /* no element is hit: the rule goes no further */
	after.parting.matched = false;
	for (size_t i = 0; i < s->set->len; i++) {
		if (walk_element(s->set, i, key) == TRI_NO)
			continue;
		r->hit = before;
		run_element(r, s->set, i);
		join_way(&after, &r->hit);
	}
	r->hit = after;
}

static void run_vmap(struct rule_walk *r, const struct nft_stmt *s)
{
	struct walk_step by = step_at(r->c, STEP_RULE, r->chain, r->rule);
	struct walk_value key;
	bool maybe = false;

	walk_evaluate(&r->c->run, &r->hit.p, s->expr, &key);
	if (key.absent) {
		r->matched = TRI_NO;
		return;
	}
	if (!s->set || !walk_spend(&r->c->run, 1 + s->set->len / 16)) {
		lose_way(r->c, by, "the map is too large to look through", &r->hit);
		return;
	}
	for (size_t i = 0; i < s->set->len; i++) {
		enum tri t = walk_element(s->set, i, &key);

		if (t == TRI_YES) {
			run_element(r, s->set, i);
			return;
		}
		maybe = maybe || t == TRI_UNKNOWN;
	}
	if (s->set->flags & SET_INCOMPLETE)
		lose_way(r->c, by, "the elements of the map were not read", &r->hit);
	else if (maybe)
		run_vmap_ways(r, s, &key);
	else
		r->matched = TRI_NO;
}

static void run_nat(struct rule_walk *r, const struct nft_stmt *s)
{
	struct packet *p = &r->hit.p;
	bool dnat = s->kind == STMT_REDIRECT || (s->kind == STMT_NAT && s->dnat);
	uint32_t status = dnat ? CT_DST_NAT | CT_DST_NAT_DONE : CT_SRC_NAT | CT_SRC_NAT_DONE;

	/* Where to is not followed here: what the packet carries afterwards is not known. */
	if (dnat)
		p->known &= ~(uint32_t)(PKT_DADDR | PKT_DPORT);
	else
		p->known &= ~(uint32_t)(PKT_SADDR | PKT_SPORT);
	p->ct_status |= status;
	p->ct_status_known |= status;
	r->c->mapped = true;
	terminate(r, END_ACCEPT);
}

static void run_xt_target(struct rule_walk *r, const struct nft_stmt *s)
{
	struct packet *p = &r->hit.p;
	uint32_t before = p->mark, before_known = p->mark_known;
	uint32_t ct_before = p->ct_mark, ct_before_known = p->ct_mark_known;
	const char *why;

	switch (walk_xt_target(p, &s->xt, &why)) {
	case EFFECT_CONTINUE:
		break;
	case EFFECT_REJECT:
		terminate(r, END_REJECT);
		break;
	case EFFECT_MAPPED:
		r->c->mapped = true;
		terminate(r, END_ACCEPT);
		break;
	case EFFECT_LOST:
		lose_way(r->c, step_at(r->c, STEP_RULE, r->chain, r->rule), why, &r->hit);
		break;
	}
	note_write(r, before, before_known, false);
	note_write(r, ct_before, ct_before_known, true);
}

static void run_match(struct rule_walk *r, const struct nft_stmt *s, enum tri t, const char *why)
{
	if (t == TRI_NO)
		r->matched = TRI_NO;
	else if (t == TRI_UNKNOWN)
		undecided(r, s, why);
}

/* A limit is taken to be kept: "over" it is no. */
static enum tri limit_matches(const struct nft_stmt *s)
{
	return tri_of(!s->text || !strstr(s->text, " over "));
}

/* Statements that the ruleset only knows by the kernel's name: what they do to the packet's way. */
static void run_unknown(struct rule_walk *r, const struct nft_stmt *s)
{
	static const char *const harmless[] = {"dup", "flow_offload", "last", "objref"};
	static const char *const takes_away[] = {"fwd", "queue", "synproxy", "tproxy"};

	for (size_t i = 0; s->text && i < sizeof(harmless) / sizeof(*harmless); i++) {
		if (strcmp(s->text, harmless[i]) == 0)
			return;
	}
	for (size_t i = 0; s->text && i < sizeof(takes_away) / sizeof(*takes_away); i++) {
		if (strcmp(s->text, takes_away[i]) == 0) {
			note_undecided(r);
			lose_way(r->c, step_at(r->c, STEP_RULE, r->chain, r->rule),
				"it is handed to something else", &r->hit);
			return;
		}
	}
	undecided(r, s, "a statement that is not understood");
}

static void run_stmt(struct rule_walk *r, const struct nft_stmt *s)
{
	const char *why = NULL;
	enum tri t;

	switch (s->kind) {
	case STMT_MATCH:
		t = walk_match(&r->c->run, &r->hit.p, s, &why);
		run_match(r, s, t, why);
		return;
	case STMT_XT:
		if (s->xt.target) {
			run_xt_target(r, s);
			return;
		}
		t = walk_xt_match(r->c->run.w->net, &r->hit.p, &s->xt, &why);
		run_match(r, s, t, why);
		return;
	case STMT_LIMIT:
		run_match(r, s, limit_matches(s), NULL);
		return;
	case STMT_VMAP:
		run_vmap(r, s);
		return;
	case STMT_VERDICT:
		run_verdict(r, s->verdict, s->chain);
		return;
	case STMT_SET_MARK:
	case STMT_SET_CT_MARK:
		run_set_mark(r, s);
		return;
	case STMT_NAT:
	case STMT_MASQUERADE:
	case STMT_REDIRECT:
		run_nat(r, s);
		return;
	case STMT_REJECT:
		terminate(r, END_REJECT);
		return;
	case STMT_NOTRACK:
		walk_untrack(&r->hit.p);
		return;
	case STMT_COUNTER:
	case STMT_LOG:
		return;
	case STMT_UNKNOWN:
		run_unknown(r, s);
		return;
	}
}

static void run_rule(struct chain_walk *c, const struct nft_chain *chain,
	const struct nft_rule *rule, struct way *way, struct way *returns, unsigned int depth)
{
	struct rule_walk r = {.c = c,
		.chain = chain,
		.rule = rule,
		.depth = depth,
		.way = way,
		.hit = *way,
		.returns = returns,
		.matched = TRI_YES};
	bool in_doubt = false; /* a match before was not decided */

	for (size_t i = 0; i < rule->stmts.len && r.hit.open && r.matched != TRI_NO; i++) {
		run_stmt(&r, &rule->stmts.items[i]);
		in_doubt = in_doubt || r.matched == TRI_UNKNOWN;
	}
	/* What was written before a later match failed stays written; but whether it was reached is
	 * as open as the matches before it. */
	if (!in_doubt) {
		*way = r.hit;
	} else if (r.matched == TRI_NO) {
		r.hit.parting = way->parting;
		join_way(way, &r.hit);
	} else if (!r.hit.open) {
		/* The packet goes on from here only if the rule did not match. */
		way->parting = (struct parting){r.doubt, false};
	} else {
		struct parting p = r.hit.parting;

		note_undecided(&r);
		join_way(way, &r.hit);
		/* Was it parted further, in a chain called from here? */
		if (p.at.rule != rule || !p.matched)
			way->parting = p;
	}
}

static void walk_chain(
	struct chain_walk *c, const struct nft_chain *chain, struct way *way, unsigned int depth)
{
	struct way returns = {0};

	VEC_EACH (&chain->rules, struct nft_rule, rule) {
		if (!way->open)
			break;
		if (!walk_spend(&c->run, 1)) {
			lose_way(c, step_at(c, STEP_RULE, chain, rule),
				"there are too many rules to look through", way);
			break;
		}
		run_rule(c, chain, rule, way, &returns, depth);
	}
	join_way(way, &returns);
}

/* ---- results ---- */

static void take_ending(struct walk_result *out, enum walk_verdict v, const struct ending *e)
{
	out->verdict = v;
	out->by = e->by;
	if (v != WALK_UNKNOWN)
		return;
	out->undecided = e->parting.at;
	out->stopped_if_matched = e->parting.matched;
}

static void judge(const struct chain_walk *c, struct walk_result *out)
{
	const struct ending *ends = c->ends;
	const struct ending *stop = ends[END_DROP].possible ? &ends[END_DROP] : &ends[END_REJECT];

	out->passes = ends[END_ACCEPT].possible;
	out->after = c->accepted;
	out->mapped = c->mapped;
	out->mark_by = c->mark_by;
	out->ct_mark_by = c->ct_mark_by;
	if (ends[END_LOST].possible)
		take_ending(out, WALK_UNKNOWN, &ends[END_LOST]);
	else if (!stop->possible)
		take_ending(out, WALK_ACCEPT, &ends[END_ACCEPT]);
	else if (out->passes)
		take_ending(out, WALK_UNKNOWN, stop);
	else
		take_ending(out, stop == &ends[END_DROP] ? WALK_DROP : WALK_REJECT, stop);
}

/* What chains before conntrack see of the packet: no connection. */
static struct packet without_connection(const struct packet *p)
{
	struct packet q = *p;

	q.known |= PKT_CT_STATE;
	q.known &= ~(uint32_t)(PKT_CT_DIRECTION | PKT_CT_ORIGINAL);
	if (!packet_knows(p, PKT_CT_STATE) || p->ct_state != CT_UNTRACKED)
		q.ct_state = CT_INVALID;
	return q;
}

static void restore_connection(struct packet *p, const struct packet *before)
{
	uint32_t connection = PKT_CT_DIRECTION | PKT_CT_ORIGINAL;

	if (packet_knows(p, PKT_CT_STATE) && p->ct_state == CT_UNTRACKED)
		return;
	if (packet_knows(p, PKT_CT_STATE))
		connection |= PKT_CT_STATE;
	p->known = (p->known & ~(uint32_t)(PKT_CT_STATE)) | (before->known & connection);
	p->ct_state = before->ct_state;
	p->ct_reply = before->ct_reply;
	p->ct_original = before->ct_original;
}

void walk_base_chain(const struct walker *w, const struct walk_base *base, const struct packet *p,
	struct walk_result *out)
{
	struct chain_walk c = {
		.run = {w, WALK_MAX_STEPS}, .table = base->table, .base = base->chain};
	struct way way = {.open = true, .p = *p};
	bool early = base->chain->prio < PRIORITY_CONNTRACK &&
		     (base->chain->hook == HOOK_PREROUTING || base->chain->hook == HOOK_OUTPUT);
	struct walk_step policy = step_at(&c, STEP_POLICY, base->chain, NULL);

	memset(out, 0, sizeof(*out));
	if (early)
		way.p = without_connection(p);
	walk_chain(&c, base->chain, &way, 1);
	if (way.open) {
		trace(&c, &policy);
		end_way(&c, base->chain->policy_drop ? END_DROP : END_ACCEPT, &policy, &way);
	}
	if (early && c.ends[END_ACCEPT].possible)
		restore_connection(&c.accepted, p);
	judge(&c, out);
}

static bool runs_before(const struct walk_base *a, const struct walk_base *b)
{
	return a->chain->prio < b->chain->prio;
}

void walk_bases(struct arena *a, const struct walker *w, uint8_t family, enum nft_hook hook,
	struct walk_bases *out)
{
	enum nft_family own = family == IP_V6 ? FAMILY_IP6 : FAMILY_IP;
	const struct nft_ruleset *rs = &w->net->ruleset;

	/* The ruleset is in the order of registration: from the end, and stable. */
	for (size_t t = rs->tables.len; t-- > 0;) {
		const struct nft_table *table = rs->tables.items[t];

		if (table == w->skip || (table->family != own && table->family != FAMILY_INET) ||
			table->flags & TABLE_DORMANT)
			continue;
		for (size_t i = table->chains.len; i-- > 0;) {
			struct walk_base base = {table, table->chains.items[i]};
			size_t at = out->items.len;

			if (!base.chain->base || base.chain->hook != hook)
				continue;
			vec_push(a, &out->items, base);
			for (; at > 0 && runs_before(&base, &out->items.items[at - 1]); at--)
				out->items.items[at] = out->items.items[at - 1];
			out->items.items[at] = base;
		}
	}
}

/* Is a nat chain asked about this packet? */
static enum tri nat_asked(const struct packet *p)
{
	if (!packet_knows(p, PKT_CT_STATE))
		return TRI_UNKNOWN;
	return tri_of(p->ct_state == CT_NEW || p->ct_state == CT_RELATED);
}

void walk_hook(struct arena *a, const struct walker *w, enum nft_hook hook, const struct packet *p,
	struct walk_result *out)
{
	struct walk_bases bases = {0};
	struct walk_result all = {.verdict = WALK_ACCEPT, .passes = true, .after = *p}, one;

	walk_bases(a, w, p->family, hook, &bases);
	VEC_EACH (&bases.items, struct walk_base, base) {
		if (base->chain->type == CHAIN_NAT &&
			(all.mapped || nat_asked(&all.after) == TRI_NO))
			continue;
		walk_base_chain(w, base, &all.after, &one);
		if (one.mark_by.kind)
			all.mark_by = one.mark_by;
		if (one.ct_mark_by.kind)
			all.ct_mark_by = one.ct_mark_by;
		all.mapped = all.mapped || one.mapped;
		if (!one.passes && one.verdict != WALK_UNKNOWN) {
			/* Whatever was open before: here it ends on every way. */
			all.verdict = one.verdict;
			all.by = one.by;
			all.passes = false;
			break;
		}
		if (all.verdict == WALK_ACCEPT) {
			all.verdict = one.verdict;
			all.by = one.by;
			all.undecided = one.undecided;
			all.stopped_if_matched = one.stopped_if_matched;
		}
		all.passes = one.passes;
		if (!one.passes)
			break;
		all.after = one.after;
	}
	*out = all;
}

/* ---- text ---- */

void walk_step_print(struct strbuf *out, const struct walk_step *s)
{
	static const struct {
		enum nft_family family;
		const char *name;
	} families[] = {{FAMILY_INET, "inet"}, {FAMILY_IP, "ip"}, {FAMILY_IP6, "ip6"}};
	const char *family = "";

	if (s->kind == STEP_NONE)
		return;
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		if (families[i].family == s->table->family)
			family = families[i].name;
	}
	strbuf_addf(out, "table %s %s, chain %s: ", family, s->table->name, s->chain->name);
	if (!s->rule) {
		strbuf_addf(out, "policy %s", s->chain->policy_drop ? "drop" : "accept");
		return;
	}
	nft_print_rule(out, s->rule);
	if (s->why)
		strbuf_addf(out, " (%s)", s->why);
}
