/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds what can be told from the order of rules and chains: filters that ask for the way back too
 * early (22), accepts behind drops (27), two rule sets (29), chains that nothing jumps to (33).
 */
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/homes.h"
#include "walk/pitfalls/tool.h"

#define PRIORITY_MANGLE (-150)
#define RULES_MAX	4000 /* of one chain that are compared with each other */

/* ---- what a rule does ---- */

static bool stops(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		if ((s->kind == STMT_VERDICT && s->verdict == VERDICT_DROP) ||
			s->kind == STMT_REJECT ||
			(s->kind == STMT_XT && s->xt.target && strcmp(s->xt.name, "REJECT") == 0))
			return true;
	}
	return false;
}

/* ---- accepts behind drops ---- */

struct drop {
	const struct nft_rule *rule;
	struct scope scope;
};

static void add_late(struct inquiry *q, const struct nft_table *t, const struct nft_chain *c,
	const struct nft_rule *r, const struct nft_rule *drop)
{
	const char *words = t->origin == ORIGIN_NFT ? nft_rule_words(q->arena, t, c, r)
						    : rule_words(q, t, c, r);
	struct finding *f;
	bool made;

	f = finding_once(
		q, "accept-after-drop", 27, DIAG_WARNING, inquiry_place_text(q, t, c, r), &made);
	if (!made)
		return;
	f->title = "a rule that lets packets through stands behind one that drops them";
	f->evidence = arena_printf(q->arena, "%s; before it: %s", inquiry_place_text(q, t, c, r),
		inquiry_place_text(q, t, c, drop));
	f->consequence = "it has no effect";
	if (words && remedy_delete(q, f, t, c, r))
		remedy_before(q, f, t, c, drop, words);
	f->advice = "insert it before (iptables -I, nft insert), or take it away";
}

static void look_at_order(struct inquiry *q, const struct nft_table *t, const struct nft_chain *c)
{
	VEC(struct drop) drops = {0};

	VEC_EACH (&c->rules, struct nft_rule, r) {
		struct scopes scopes = {0};

		if (!stops(r) && (!scope_rule_accepts(r) || drops.len == 0))
			continue;
		scopes_of_rule(q->arena, &q->then, IP_NONE, r, &scopes);
		if (stops(r)) {
			if (scopes.items.len == 1 && drops.len < RULES_MAX)
				vec_push(q->arena, &drops,
					((struct drop){r, scopes.items.items[0]}));
			continue;
		}
		VEC_EACH (&drops, struct drop, d) {
			bool all = scopes.items.len > 0;

			VEC_EACH (&scopes.items, struct scope, s)
				all = all && scope_covers(&d->scope, s);
			if (!all)
				continue;
			add_late(q, t, c, r, d->rule);
			break;
		}
	}
}

/* ---- the way back, asked too early ---- */

static size_t uplinks_of(const struct inquiry *q, bool v6)
{
	size_t n = 0;

	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u)
		n += u->has_default[v6];
	return n;
}

static void look_at_way_back(struct inquiry *q, const struct nft_table *t,
	const struct nft_chain *c, const struct nft_chain *base)
{
	if (base->prio > PRIORITY_MANGLE)
		return;
	VEC_EACH (&c->rules, struct nft_rule, r) {
		struct scopes scopes = {0};
		const struct scope *s;
		struct finding *f;
		bool made;

		if (!stops(r))
			continue;
		scopes_of_rule(q->arena, &q->then, IP_NONE, r, &scopes);
		if (scopes.items.len != 1 || !scopes.items.items[0].looks_back)
			continue;
		s = &scopes.items.items[0];
		if (s->in || uplinks_of(q, s->family == IP_V6 || t->family == FAMILY_IP6) < 2)
			continue;
		f = finding_once(q, "way-back-asked-too-early", 22, DIAG_WARNING,
			inquiry_place_text(q, t, c, r), &made);
		if (!made)
			continue;
		f->title = "a filter asks for the way back before marks are restored";
		f->evidence = inquiry_place_text(q, t, c, r);
		f->consequence = "with several uplinks, what comes in by any but the default one "
				 "is dropped, before any other rule sees it";
		remedy_delete(q, f, t, c, r);
		f->advice =
			"or let it be for other interfaces than the uplinks only, or ask later and "
			"with the mark (fib saddr . mark . iif oif; --validmark)";
	}
}

void lint_order(struct inquiry *q)
{
	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t) {
		if (*t == q->own)
			continue;
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			const struct nft_chain *base;

			if ((*c)->rules.len > RULES_MAX)
				continue;
			base = home_of(q, *t, *c);
			if (base && base->hook == HOOK_FORWARD)
				look_at_order(q, *t, *c);
			if (base && base->hook == HOOK_PREROUTING && q->gateway->uplinks.len > 1)
				look_at_way_back(q, *t, *c, base);
		}
	}
}

/* ---- two rule sets ---- */

static const char *first_rule(struct inquiry *q, bool legacy)
{
	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t) {
		if (*t == q->own || ((*t)->origin == ORIGIN_XT_LEGACY) != legacy)
			continue;
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			if ((*c)->rules.len)
				return inquiry_place_text(q, *t, *c, &(*c)->rules.items[0]);
			if ((*c)->policy_drop)
				return arena_printf(q->arena, "table %s, chain %s: policy drop",
					(*t)->name, (*c)->name);
		}
	}
	return NULL;
}

/* To the other tool with all of the older one's rules: what they keep out stays out. */
static void remedy_move(struct inquiry *q, struct finding *f, bool v6)
{
	const char *iptables = v6 ? "ip6tables" : "iptables";
	bool any = false;

	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t) {
		if ((*t)->origin != ORIGIN_XT_LEGACY || ((*t)->family == FAMILY_IP6) != v6)
			continue;
		if (!any)
			finding_remedy(q, f, "%s-legacy-save | %s-nft-restore --noflush", iptables,
				iptables);
		any = true;
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			if ((*c)->policy_drop)
				finding_remedy(
					q, f, "%s -P %s ACCEPT", table_command(q, *t), (*c)->name);
		}
		finding_remedy(q, f, "%s -F", table_command(q, *t));
	}
}

void lint_two_rulesets(struct inquiry *q)
{
	const char *legacy = first_rule(q, true), *nft = first_rule(q, false);
	struct finding *f;
	bool made;

	if (!legacy && (q->facts->legacy_filter[0] || q->facts->legacy_filter[1]) &&
		q->facts->legacy_filter_text[0] && strstr(q->facts->legacy_filter_text[0], "-A "))
		legacy = "iptables-legacy-save -t filter has rules";
	if (!legacy || !nft)
		return;
	f = finding_once(q, "legacy-and-nft", 29, DIAG_WARNING, "both", &made);
	if (!made)
		return;
	f->title = "rules of iptables-legacy and of nftables are both in force";
	f->evidence = arena_printf(q->arena, "iptables-legacy: %s; nftables: %s", legacy, nft);
	f->consequence = "every packet passes both; what one lets through the other may drop, and "
			 "each tool shows its own only";
	remedy_move(q, f, false);
	remedy_move(q, f, true);
	f->advice = "keep one: this moves the older one's rules behind the other's; then let "
		    "whatever loads them use iptables-nft";
}

/* ---- chains that nothing jumps to ---- */

static bool holds_translation(const struct nft_chain *c)
{
	VEC_EACH (&c->rules, struct nft_rule, r)
		if (scope_rule_translates(r))
			return true;
	return false;
}

static bool set_names(const struct nft_set *set, const char *chain)
{
	VEC_EACH (&set->chains, const char *, c) {
		if (strcmp(*c, chain) == 0)
			return true;
	}
	return false;
}

static bool is_named(const struct nft_table *t, const char *chain)
{
	VEC_EACH (&t->sets, struct nft_set *, s) {
		if (set_names(*s, chain) || ((*s)->flags & SET_INCOMPLETE))
			return true;
	}
	VEC_EACH (&t->chains, struct nft_chain *, c)
		VEC_EACH (&(*c)->rules, struct nft_rule, r)
			VEC_EACH (&r->stmts, struct nft_stmt, s) {
				if (s->kind == STMT_VERDICT && s->chain &&
					strcmp(s->chain, chain) == 0)
					return true;
				if (s->kind == STMT_VMAP && s->set && set_names(s->set, chain))
					return true;
				if (s->kind == STMT_UNKNOWN)
					return true;
			}
	return false;
}

/* From the nat chain of the table where such translations are made. */
static void remedy_jump(
	struct inquiry *q, struct finding *f, const struct nft_table *t, const struct nft_chain *c)
{
	bool source = false;
	enum nft_hook hook;

	VEC_EACH (&c->rules, struct nft_rule, r)
		VEC_EACH (&r->stmts, struct nft_stmt, s) {
			const struct nft_expr *map;
			struct walk_nat nat;

			scope_nat(s, IP_V4, HOOK_PREROUTING, &nat, &map);
			source = source || nat.kind == WALK_NAT_SOURCE ||
				 nat.kind == WALK_NAT_MASQUERADE;
		}
	hook = source ? HOOK_POSTROUTING : HOOK_PREROUTING;
	/* iptables-nft makes its base chains as they are used. */
	if (table_command(q, t)) {
		finding_remedy(q, f, "%s -A %s -j %s", table_command(q, t),
			source ? "POSTROUTING" : "PREROUTING", c->name);
		return;
	}
	VEC_EACH (&t->chains, struct nft_chain *, base) {
		if (!(*base)->base || (*base)->type != CHAIN_NAT || (*base)->hook != hook)
			continue;
		finding_remedy(q, f, "nft add rule %s %s %s jump %s", tool_family(t->family),
			t->name, (*base)->name, c->name);
		return;
	}
}

void lint_unreached(struct inquiry *q)
{
	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t) {
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			struct finding *f;
			bool made;

			if ((*c)->base || *t == q->own || !holds_translation(*c) ||
				is_named(*t, (*c)->name))
				continue;
			f = finding_once(q, "chain-never-reached", 33, DIAG_WARNING,
				arena_printf(q->arena, "%s %s", (*t)->name, (*c)->name), &made);
			if (!made)
				continue;
			f->title = arena_printf(q->arena,
				"chain %s holds translations, and no rule jumps to it", (*c)->name);
			f->evidence = inquiry_place_text(q, *t, *c, &(*c)->rules.items[0]);
			f->consequence = "its forwards do not exist";
			remedy_jump(q, f, *t, *c);
			f->advice =
				"was an interface missing when the rules were loaded? load them "
				"again when it is up, and match interfaces by name";
		}
	}
}
