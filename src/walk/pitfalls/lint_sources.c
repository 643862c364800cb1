/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds what is wrong with translated source addresses as they are written (37, 38, 43, 56). */
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/tool.h"
#include "walk/scope.h"

#define PORTS_NARROW 4096 /* source ports, from which on it is not worth a word */

struct source_rule {
	const struct nft_table *table;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
	struct walk_nat nat;
	struct scopes scopes;
};

static const char *rule_text(struct inquiry *q, const struct source_rule *r)
{
	return inquiry_place_text(q, r->table, r->chain, r->rule);
}

static bool is_inside(const struct inquiry *q, const char *interface)
{
	VEC_EACH (&q->gateway->insides, struct gateway_inside, i) {
		if (strcmp(i->interface, interface) == 0)
			return true;
	}
	return false;
}

/* By the uplinks only. */
static void remedy_limited(struct inquiry *q, struct finding *f, const struct source_rule *r)
{
	const char *command = table_command(q, r->table);

	if (!remedy_delete(q, f, r->table, r->chain, r->rule))
		return;
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u) {
		if (command)
			finding_remedy(q, f, "%s -A %s -o %s -j MASQUERADE", command,
				r->chain->name, u->interface);
		else
			finding_remedy(q, f, "nft 'add rule %s %s %s oifname \"%s\" masquerade'",
				tool_family(r->table->family), r->table->name, r->chain->name,
				u->interface);
	}
}

/* Pitfall 38: by every way out, and of everyone. */
static void look_at_blanket(struct inquiry *q, const struct source_rule *r)
{
	struct finding *f;
	bool made;

	if (r->nat.kind != WALK_NAT_MASQUERADE || r->scopes.items.len != 1 ||
		q->gateway->insides.len == 0)
		return;
	VEC_EACH (&r->scopes.items, struct scope, s) {
		if (s->out || s->in || s->src.addr.family || s->dst.addr.family || s->proto ||
			s->more || s->mark_mask || s->ct_mark_mask || s->only_dnat)
			return;
	}
	f = finding_once(q, "blanket-masquerade", 38, DIAG_WARNING, rule_text(q, r), &made);
	if (!made)
		return;
	f->title = "everything is masqueraded, whatever way it leaves";
	f->evidence = rule_text(q, r);
	f->consequence = "backends see the gateway for the client of every forward, and inside "
			 "networks see it for each other's hosts";
	remedy_limited(q, f, r);
	f->advice = "limit it to the uplinks: -o IF, oifname";
}

static bool is_ours(const struct inquiry *q, const struct ip_addr *addr)
{
	VEC_EACH (&q->then.addrs, struct net_addr, a) {
		if (ip_equal(&a->addr, addr))
			return true;
	}
	return false;
}

/* Pitfall 37: to an address that is gone. */
static void look_at_literal(struct inquiry *q, const struct source_rule *r)
{
	char addr[IP_STRLEN];
	struct finding *f;
	bool made;

	if (r->nat.kind != WALK_NAT_SOURCE || !r->nat.first.family || r->nat.addr_unknown ||
		!ip_equal(&r->nat.first, &r->nat.last) || !(q->seen->have & HAVE_ADDRS) ||
		is_ours(q, &r->nat.first))
		return;
	ip_format(&r->nat.first, addr);
	f = finding_once(q, "source-address-changed", 37, DIAG_WARNING,
		arena_printf(q->arena, "snat %s", addr), &made);
	if (!made)
		return;
	f->title = arena_printf(q->arena,
		"connections are given %s for source, which is nowhere on this machine", addr);
	f->evidence = rule_text(q, r);
	f->consequence = "unless that address is routed here, answers never come back";
	if (table_command(q, r->table) && r->scopes.items.len == 1 &&
		r->scopes.items.items[0].out && !r->scopes.items.items[0].out_inverted &&
		remedy_delete(q, f, r->table, r->chain, r->rule))
		finding_remedy(q, f, "%s -A %s -o %s -j MASQUERADE", table_command(q, r->table),
			r->chain->name, r->scopes.items.items[0].out);
	f->advice = "masquerade, if the address comes by DHCP or PPPoE; else name the present one";
}

/* The same rule without its ports. */
static void remedy_ports(struct inquiry *q, struct finding *f, const struct source_rule *r)
{
	const char *words = rule_words(q, r->table, r->chain, r->rule);
	const char *to = words ? strstr(words, "--to-source ") : NULL;
	char addr[IP_STRLEN];

	if (!to || !r->nat.first.family || !ip_equal(&r->nat.first, &r->nat.last) ||
		!remedy_delete(q, f, r->table, r->chain, r->rule))
		return;
	finding_remedy(q, f, "%s -A %s %.*s--to-source %s", table_command(q, r->table),
		r->chain->name, (int)(to - words), words, ip_format(&r->nat.first, addr));
}

/* Pitfall 43: a narrow range of ports. */
static void look_at_ports(struct inquiry *q, const struct source_rule *r)
{
	struct finding *f;
	unsigned int n = r->nat.port_last - r->nat.port_first + 1u;
	bool made;

	if (!r->nat.port_first || r->nat.port_unknown || n >= PORTS_NARROW)
		return;
	f = finding_once(q, "source-ports-narrow", 43, DIAG_WARNING, rule_text(q, r), &made);
	if (!made)
		return;
	f->title = arena_printf(
		q->arena, "only %u source port%s for translated connections", n, n == 1 ? "" : "s");
	f->evidence = rule_text(q, r);
	f->consequence = arena_printf(
		q->arena, "more than %u connections at a time to one address and port fail", n);
	remedy_ports(q, f, r);
	f->advice = "widen the range, or leave it out";
}

/* Pitfall 56: of what is forwarded inwards. */
static void look_at_backends(struct inquiry *q, const struct source_rule *r)
{
	struct finding *f;
	bool inwards = false, made;

	if (r->nat.kind != WALK_NAT_SOURCE || !r->nat.first.family ||
		!ip_equal(&r->nat.first, &r->nat.last))
		return;
	VEC_EACH (&r->scopes.items, struct scope, s)
		inwards = inwards || (s->out && !s->out_inverted && is_inside(q, s->out) &&
					     !s->src.addr.family);
	if (!inwards)
		return;
	f = finding_once(q, "snat-ports-exhausted", 56, DIAG_INFO, rule_text(q, r), &made);
	if (!made)
		return;
	f->title = "clients of forwards share one address towards a backend";
	f->evidence = rule_text(q, r);
	f->consequence = "at most some 64,000 connections at a time to one port of a backend";
	f->advice = "name several addresses, or let backends answer through this machine and "
		    "translate no source";
}

static void look_at_rule(struct inquiry *q, struct source_rule *at)
{
	VEC_EACH (&at->rule->stmts, struct nft_stmt, s) {
		const struct nft_expr *map;
		struct scopes any = {0};

		scope_nat(s, at->table->family == FAMILY_IP6 ? IP_V6 : IP_V4, HOOK_POSTROUTING,
			&at->nat, &map);
		if (map || (at->nat.kind != WALK_NAT_SOURCE && at->nat.kind != WALK_NAT_MASQUERADE))
			continue;
		vec_push(q->arena, &any.items, scope_any(IP_NONE));
		scopes_rule(q->arena, &q->then, at->rule, &any, &at->scopes);
		/* In a chain that others jump to there are more matches on the way. */
		if (at->chain->base)
			look_at_blanket(q, at);
		look_at_literal(q, at);
		look_at_ports(q, at);
		look_at_backends(q, at);
	}
}

void lint_sources(struct inquiry *q)
{
	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t) {
		if (*t == q->own)
			continue;
		VEC_EACH (&(*t)->chains, struct nft_chain *, c)
			VEC_EACH (&(*c)->rules, struct nft_rule, r) {
				struct source_rule at = {.table = *t, .chain = *c, .rule = r};

				look_at_rule(q, &at);
			}
	}
}
