/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the statements of a rule: what they write, translate, and hand the packet to. */
#include <string.h>

#include "walk/chain.h"
#include "walk/mangle.h"
#include "walk/rule_nat.h"
#include "walk/xt.h"

/* ---- marks and header fields ---- */

struct marks {
	uint32_t mark, known, ct_mark, ct_known;
};

static struct marks marks_of(const struct packet *p)
{
	return (struct marks){p->mark, p->mark_known, p->ct_mark, p->ct_mark_known};
}

/* Who wrote the marks last, if they are not as they were before. */
static void note_writes(struct rule_walk *r, const struct marks *before)
{
	const struct packet *p = &r->now->p;

	if (p->mark != before->mark || p->mark_known != before->known)
		r->c->mark_by = rule_step(r, STEP_RULE);
	if (p->ct_mark != before->ct_mark || p->ct_mark_known != before->ct_known)
		r->c->ct_mark_by = rule_step(r, STEP_RULE);
}

static void run_set_mark(struct rule_walk *r, const struct nft_stmt *s)
{
	struct packet *p = &r->now->p;
	struct marks before = marks_of(p);
	bool ct = s->kind == STMT_SET_CT_MARK;
	struct walk_asker k = rule_asker(r, s);
	struct walk_value v;

	if (has_oracle(r->c))
		walk_ask_value(&k, s->expr, &v);
	else
		walk_evaluate(&r->c->run, p, s->expr, &v);
	if (v.absent) { /* a map without such an element, a mark of no connection */
		r->matched = TRI_NO;
		return;
	}
	if (ct && packet_without_conntrack(p))
		return;
	if (ct)
		p->ct_mark = walk_value_mark(&v, &p->ct_mark_known);
	else
		p->mark = walk_value_mark(&v, &p->mark_known);
	note_writes(r, &before);
	rule_did(r, ct ? DID_CT_MARK : DID_MARK);
}

/* "ct original zone set 7": 1, of replies 2; that has no selector. 0: it is something else. */
static uint8_t zone_direction(const struct nft_stmt *s)
{
	if (s->selector != SEL_NONE || !s->text)
		return 0;
	return strcmp(s->text, "ct original zone") == 0 ? 1
	       : strcmp(s->text, "ct reply zone") == 0	? 2
							: 0;
}

static void run_set_field(struct rule_walk *r, const struct nft_stmt *s)
{
	enum nft_selector selector = zone_direction(s) ? SEL_CT_ZONE : s->selector;
	struct walk_asker k = rule_asker(r, s);
	struct walk_value v;
	uint16_t mss;

	if (selector == SEL_NONE || !s->expr)
		return;
	if (s->selector == SEL_TCP_MAXSEG && packet_knows(&r->now->p, PKT_PROTO) &&
		r->now->p.proto != PROTO_TCP) {
		r->matched = TRI_NO;
		return;
	}
	/* A byte order of its own. */
	if (s->selector == SEL_TCP_MAXSEG && s->expr->kind == EXPR_SELECTOR &&
		s->expr->selector == SEL_RT_MTU) {
		walk_evaluate(&r->c->run, &r->now->p, s->expr, &v);
		memcpy(&mss, v.bytes, sizeof(mss));
		rule_did(r, walk_lower_mss(&r->now->p, walk_value_is_known(&v) ? mss : 0));
		return;
	}
	if (has_oracle(r->c))
		walk_ask_value(&k, s->expr, &v);
	else
		walk_evaluate(&r->c->run, &r->now->p, s->expr, &v);
	if (v.absent) {
		r->matched = TRI_NO;
		return;
	}
	rule_did(r, walk_set_field(&r->now->p, selector, &v));
	if (selector == SEL_CT_ZONE)
		r->now->p.ct_zone_only = zone_direction(s);
}

/* ---- translations ---- */

/* Where to is told, not made. */
static void run_translation(struct rule_walk *r, const struct walk_nat *nat)
{
	if (has_oracle(r->c))
		r->c->nat = *nat;
	rule_did(r, DID_NAT);
	rule_terminate(r, END_ACCEPT, VERDICT_ACCEPT);
}

static void run_nat(struct rule_walk *r, const struct nft_stmt *s)
{
	struct walk_nat nat = {.kind = WALK_NAT_NONE};
	struct walk_asker k = rule_asker(r, s);

	/* In an inet table: `dnat ip to` is nothing to a packet of IPv6. */
	if (s->kind == STMT_NAT && s->nat_family && s->nat_family != r->now->p.family)
		return;
	if (has_oracle(r->c) && !walk_told_nat(&k, &nat)) {
		r->matched = TRI_NO;
		return;
	}
	run_translation(r, &nat);
}

/* Is there a program that takes what is handed to it? */
static bool tproxy_takes(struct rule_walk *r, const struct nft_stmt *s, const struct walk_nat *nat)
{
	enum tri t = walk_tproxy_listens(r->c->run.w->net, &r->now->p, nat);
	struct walk_asker k = rule_asker(r, s);

	if (t == TRI_UNKNOWN)
		return walk_ask(&k,
			"whether a program listens where TPROXY hands packets to is not known",
			walk_hash(WALK_HASH_START, &nat->port_first, sizeof(nat->port_first)));
	return t == TRI_YES;
}

static void run_tproxy(struct rule_walk *r, const struct nft_stmt *s)
{
	struct walk_asker k = rule_asker(r, s);
	struct walk_nat nat;

	if (!has_oracle(r->c)) {
		rule_lose(r, "it is handed to something else");
		return;
	}
	if (s->nat_family && s->nat_family != r->now->p.family)
		return;
	if (!walk_told_nat(&k, &nat) || !tproxy_takes(r, s, &nat)) {
		r->matched = TRI_NO;
		return;
	}
	r->c->nat = nat;
	rule_did(r, DID_NAT);
}

/* ---- the rest ---- */

static void run_untrack(struct rule_walk *r)
{
	struct packet *p = &r->now->p;

	/* What has its connection keeps it. */
	if (packet_knows(p, PKT_CT_STATE) && !packet_without_conntrack(p))
		return;
	if (!packet_knows(p, PKT_CT_STATE) || p->ct_state != CT_UNTRACKED)
		rule_did(r, DID_NOTRACK);
	walk_untrack(p);
}

static void run_xt_tproxy(struct rule_walk *r, const struct nft_stmt *s, const struct walk_nat *nat)
{
	struct packet *p = &r->now->p;
	struct marks before = marks_of(p);

	if (!has_oracle(r->c)) {
		rule_lose(r, "it is handed to something else");
		return;
	}
	if (!tproxy_takes(r, s, nat)) {
		rule_terminate(r, END_DROP, VERDICT_DROP);
		return;
	}
	p->mark = (p->mark & ~nat->mark_mask) ^ nat->mark;
	p->mark_known |= nat->mark_mask;
	note_writes(r, &before);
	r->c->nat = *nat;
	rule_did(r, DID_NAT | DID_MARK);
	rule_terminate(r, END_ACCEPT, VERDICT_ACCEPT);
}

static void run_xt_target(struct rule_walk *r, const struct nft_stmt *s)
{
	struct marks before = marks_of(&r->now->p);
	struct walk_xt_effect did;

	walk_xt_target(r->c->run.w->net, r->c->run.hook, &r->now->p, &s->xt, &did);
	note_writes(r, &before);
	rule_did(r, did.did);
	switch (did.effect) {
	case EFFECT_CONTINUE:
		return;
	case EFFECT_REJECT:
		rule_reject(r);
		return;
	case EFFECT_MAPPED:
		run_translation(r, &did.nat);
		return;
	case EFFECT_TPROXY:
		run_xt_tproxy(r, s, &did.nat);
		return;
	case EFFECT_UNTRACK:
		run_untrack(r);
		return;
	case EFFECT_MAY_UNTRACK:
		rule_doubt(r, s, did.why);
		if (r->matched != TRI_NO)
			run_untrack(r);
		return;
	case EFFECT_LOST:
		rule_lose(r, did.why);
		return;
	}
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
			rule_lose(r, "it is handed to something else");
			return;
		}
	}
	rule_doubt(r, s, "a statement that is not understood");
}

void rule_run_stmt(struct rule_walk *r, const struct nft_stmt *s)
{
	struct walk_doubt doubt;
	enum tri t;

	r->c->run.n_draws = 0;
	switch (s->kind) {
	case STMT_MATCH:
		t = walk_match(&r->c->run, &r->now->p, s, &doubt);
		rule_match(r, s, t, &doubt);
		return;
	case STMT_XT:
		if (s->xt.target) {
			run_xt_target(r, s);
			return;
		}
		t = walk_xt_match(r->c->run.w->net, &r->now->p, &s->xt, &doubt);
		rule_match(r, s, t, &doubt);
		return;
	case STMT_LIMIT:
	case STMT_SET_UPDATE:
		if (limit_matches(s) == TRI_NO)
			r->matched = TRI_NO;
		return;
	case STMT_VMAP:
		rule_vmap(r, s);
		return;
	case STMT_VERDICT:
		rule_verdict(r, s->verdict, s->chain);
		return;
	case STMT_SET_MARK:
	case STMT_SET_CT_MARK:
		run_set_mark(r, s);
		return;
	case STMT_SET:
		run_set_field(r, s);
		return;
	case STMT_NAT:
	case STMT_MASQUERADE:
	case STMT_REDIRECT:
		run_nat(r, s);
		return;
	case STMT_TPROXY:
		run_tproxy(r, s);
		return;
	case STMT_REJECT:
		rule_reject(r);
		return;
	case STMT_NOTRACK:
		run_untrack(r);
		return;
	case STMT_FLOW_ADD:
		rule_did(r, DID_OFFLOAD);
		return;
	case STMT_COUNTER:
	case STMT_LOG:
	case STMT_HARMLESS:
		return;
	case STMT_UNKNOWN:
		run_unknown(r, s);
		return;
	}
}
