/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds what is wrong with translated source addresses as they are written (37 to 39, 43, 56). */
#include <stdlib.h>
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

/* What nft's families of both kinds of addresses want before "to". */
static const char *family_word(const struct source_rule *r)
{
	if (r->table->family != FAMILY_INET)
		return "";
	return r->nat.first.family == IP_V6 ? "ip6 " : "ip ";
}

/* The rule's words before its translation, and then @words, in iptables' or in nft's way. */
static const char *translate_words(
	struct inquiry *q, const struct source_rule *r, const char *iptables, const char *nft)
{
	bool masquerade = r->nat.kind == WALK_NAT_MASQUERADE;
	const char *own = r->table->origin != ORIGIN_NFT ? masquerade ? "-j MASQUERADE" : "-j SNAT"
			  : masquerade			 ? "masquerade"
							 : "snat ";
	const char *start = words_up_to(q, r->table, r->chain, r->rule, own);

	if (!start)
		return NULL;
	return arena_printf(
		q->arena, "%s%s", start, r->table->origin == ORIGIN_NFT ? nft : iptables);
}

static void remedy_translate(struct inquiry *q, struct finding *f, const struct source_rule *r,
	const char *iptables, const char *nft)
{
	remedy_replace(q, f, r->table, r->chain, r->rule, translate_words(q, r, iptables, nft));
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
	f->advice = "backends that do not send their replies through this machine then need a "
		    "translation of their own towards them";
}

/* Pitfall 37: to an address that is gone. */
static void look_at_literal(struct inquiry *q, const struct source_rule *r)
{
	char addr[IP_STRLEN];
	struct finding *f;
	bool made;

	if (r->nat.kind != WALK_NAT_SOURCE || !r->nat.first.family || r->nat.addr_unknown ||
		!ip_equal(&r->nat.first, &r->nat.last) || !(q->seen->have & HAVE_ADDRS) ||
		netstate_addr(&q->then, &r->nat.first))
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
	if (r->scopes.items.len == 1 && r->scopes.items.items[0].out &&
		!r->scopes.items.items[0].out_inverted)
		remedy_translate(q, f, r, "-j MASQUERADE", "masquerade");
	f->advice = "masquerade, if the address comes by DHCP or PPPoE; else name the present one";
}

/* The same rule without its ports. */
static void remedy_ports(struct inquiry *q, struct finding *f, const struct source_rule *r)
{
	const char *first, *last;
	char a[IP_STRLEN], b[IP_STRLEN];

	if (r->nat.kind == WALK_NAT_MASQUERADE) {
		remedy_translate(q, f, r, "-j MASQUERADE", "masquerade");
		return;
	}
	if (!r->nat.first.family || r->nat.addr_unknown)
		return;
	first = ip_format(&r->nat.first, a);
	last = r->nat.last.family ? ip_format(&r->nat.last, b) : first;
	if (strcmp(first, last) != 0)
		first = arena_printf(q->arena, "%s-%s", first, last);
	remedy_translate(q, f, r, arena_printf(q->arena, "-j SNAT --to-source %s", first),
		arena_printf(q->arena, "snat %sto %s", family_word(r), first));
}

/* Pitfall 39: masquerading as somebody else than the line's address. */

/* The default route by the uplink that names a source; NULL: none. */
static const struct net_route *route_with_source(
	const struct inquiry *q, const struct gateway_uplink *u)
{
	VEC_EACH (&q->then.routes, struct net_route, r) {
		if (r->family == IP_V4 && r->dst.len == 0 && r->prefsrc.family &&
			walk_route_leaves_by(r, u->interface) == TRI_YES)
			return r;
	}
	return NULL;
}

static bool is_beside(
	const struct inquiry *q, const struct ip_addr *addr, const struct ip_addr *next)
{
	VEC_EACH (&q->then.addrs, struct net_addr, a) {
		struct ip_prefix n = ip_prefix_of(&a->addr, a->prefix_len);

		if (ip_equal(&a->addr, addr) && ip_in_prefix(next, &n))
			return true;
	}
	return false;
}

static void add_masquerade(struct inquiry *q, const struct source_rule *r,
	const struct gateway_uplink *u, const struct ip_addr *is, const struct ip_addr *should,
	const char *why)
{
	bool own = r->scopes.items.len == 1 && r->scopes.items.items[0].out &&
		   strcmp(r->scopes.items.items[0].out, u->interface) == 0;
	bool beside = is_beside(q, is, &u->next[0]);
	char a[IP_STRLEN], b[IP_STRLEN];
	struct finding *f;
	const char *words;
	bool made;

	f = finding_once(q, "masquerade-address", 39, beside ? DIAG_INFO : DIAG_WARNING,
		arena_printf(q->arena, "%s %s", u->interface, rule_text(q, r)), &made);
	if (!made)
		return;
	ip_format(is, a);
	ip_format(should, b);
	f->title = arena_printf(
		q->arena, "masquerading on %s takes %s for source, not %s", u->interface, a, b);
	f->evidence = arena_printf(q->arena,
		"%s; it takes the first address in the next hop's network, or else the first of "
		"the interface, which is %s; %s",
		rule_text(q, r), a, why);
	f->consequence = "answers go to that address, or the provider drops what carries it";
	words = translate_words(q, r,
		arena_printf(q->arena, "%s%s%s-j SNAT --to-source %s", own ? "" : "-o ",
			own ? "" : u->interface, own ? "" : " ", b),
		arena_printf(q->arena, "%s%s%ssnat %sto %s", own ? "" : "oifname \"",
			own ? "" : u->interface, own ? "" : "\" ",
			r->table->family == FAMILY_INET ? "ip " : "", b));
	if (own)
		remedy_replace(q, f, r->table, r->chain, r->rule, words);
	else
		remedy_before(q, f, r->table, r->chain, r->rule, words);
	f->advice = "or let the address that is meant be the first one of its interface";
}

static bool leaves_by(const struct source_rule *r, const char *interface)
{
	VEC_EACH (&r->scopes.items, struct scope, s) {
		if (!s->out || (strcmp(s->out, interface) == 0) != s->out_inverted)
			return true;
	}
	return false;
}

static void look_at_masquerade(struct inquiry *q, const struct source_rule *r)
{
	if (r->nat.kind != WALK_NAT_MASQUERADE || r->table->family == FAMILY_IP6 ||
		!(q->seen->have & HAVE_ADDRS))
		return;
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u) {
		const struct net_route *route = route_with_source(q, u);
		struct ip_addr is;

		if (!u->has_default[0] || !leaves_by(r, u->interface))
			continue;
		is = walk_masquerade_address(&q->then, IP_V4, u->interface, &u->next[0]);
		if (is.family && route && !ip_equal(&is, &route->prefsrc))
			add_masquerade(q, r, u, &is, &route->prefsrc,
				arena_printf(q->arena, "the route names another one: %s",
					inquiry_route_text(q, route)));
		else if (is.family && !route && u->addrs.len && ip_is_private(&is) &&
			 u->addrs.items[0].family == IP_V4 && !ip_is_private(&u->addrs.items[0]) &&
			 !is_beside(q, &is, &u->next[0]))
			add_masquerade(q, r, u, &is, &u->addrs.items[0],
				"the interface has a public one, too");
	}
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

/* Pitfall 56: of what is forwarded inwards, one address's ports towards one port of a backend. */
#define PORTS_OF_CLIENTS 64512 /* 1024 to 65535: clients' own ports stay in that class */
#define CROWDED_PERCENT	 90

static int by_backend(const void *a, const void *b)
{
	const struct net_flow *x = *(const struct net_flow *const *)a;
	const struct net_flow *y = *(const struct net_flow *const *)b;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (x->reply.sport != y->reply.sport)
		return x->reply.sport < y->reply.sport ? -1 : 1;
	return ip_cmp(&x->reply.src, &y->reply.src);
}

/* How many connections with @addr for source go to one port of a backend, at most; to *@out. */
static size_t crowd(struct inquiry *q, const struct ip_addr *addr, const struct net_flow **out)
{
	VEC(const struct net_flow *) all = {0};
	size_t run = 0, most = 0;

	VEC_EACH (&q->then.flows, struct net_flow, e) {
		if (ip_equal(&e->reply.dst, addr) && !ip_equal(&e->original.src, addr))
			vec_push(q->arena, &all, e);
	}
	if (all.len)
		qsort(all.items, all.len, sizeof(*all.items), by_backend);
	for (size_t i = 0; i < all.len; i++) {
		run = i && by_backend(&all.items[i - 1], &all.items[i]) == 0 ? run + 1 : 1;
		if (run > most) {
			most = run;
			*out = all.items[i];
		}
	}
	return most;
}

/* A rule before it gives some of its connections another address. */
static bool is_relieved(struct inquiry *q, const struct source_rule *r)
{
	VEC_EACH (&r->chain->rules, struct nft_rule, before) {
		if (before == r->rule)
			break;
		VEC_EACH (&before->stmts, struct nft_stmt, s) {
			const struct nft_expr *map;
			struct scopes met = {0};
			struct walk_nat nat;

			scope_nat(s, r->nat.first.family, HOOK_POSTROUTING, &nat, &map);
			if (nat.kind != WALK_NAT_SOURCE || ip_equal(&nat.first, &r->nat.first))
				continue;
			scopes_rule(q->arena, &q->then, before, &r->scopes, &met);
			if (met.items.len)
				return true;
		}
	}
	return false;
}

static bool is_known(const struct inquiry *q, const struct ip_addr *addr)
{
	VEC_EACH (&q->then.neighbours, struct net_neighbour, n) {
		if (ip_equal(&n->addr, addr))
			return true;
	}
	VEC_EACH (&q->gateway->forwards, struct gateway_forward, f) {
		if (ip_equal(&f->to, addr))
			return true;
	}
	return netstate_addr(&q->then, addr);
}

/* An address of the network of @addr that nothing here has; the last ones first. */
static const struct net_addr *free_address(
	const struct inquiry *q, const struct ip_addr *addr, struct ip_addr *out)
{
	VEC_EACH (&q->then.addrs, struct net_addr, a) {
		struct ip_prefix n = ip_prefix_of(&a->addr, a->prefix_len);

		if (!ip_equal(&a->addr, addr) || addr->family != IP_V4 || a->prefix_len > 29 ||
			!(q->seen->have & HAVE_NEIGHBOURS))
			continue;
		*out = ip_prefix_last(&n);
		while (out->bytes[3]-- > 1 && ip_in_prefix(out, &n)) {
			if (!is_known(q, out))
				return a;
		}
	}
	return NULL;
}

/* Every other connection by another address. */
static void remedy_spread(struct inquiry *q, struct finding *f, const struct source_rule *r)
{
	struct ip_addr more;
	const struct net_addr *at = free_address(q, &r->nat.first, &more);
	char a[IP_STRLEN], b[IP_STRLEN];
	const char *words;

	if (!at || r->nat.port_first)
		return;
	ip_format(&r->nat.first, a);
	ip_format(&more, b);
	words = translate_words(q, r,
		arena_printf(q->arena,
			"-m statistic --mode nth --every 2 --packet 0 -j SNAT --to-source %s", b),
		arena_printf(q->arena, "snat %sto numgen inc mod 2 map { 0 : %s, 1 : %s }",
			family_word(r), a, b));
	if (!words)
		return;
	finding_remedy(q, f, "ip address add %s/%u dev %s", b, at->prefix_len, at->interface);
	if (r->table->origin == ORIGIN_NFT)
		remedy_replace(q, f, r->table, r->chain, r->rule, words);
	else
		remedy_before(q, f, r->table, r->chain, r->rule, words);
}

static void look_at_backends(struct inquiry *q, const struct source_rule *r)
{
	size_t room =
		r->nat.port_first ? r->nat.port_last - r->nat.port_first + 1u : PORTS_OF_CLIENTS;
	const struct net_flow *example = NULL;
	bool inwards = false, made, full;
	char addr[IP_STRLEN], to[IP_STRLEN];
	struct finding *f;
	size_t n;

	if (r->nat.kind != WALK_NAT_SOURCE || !r->nat.first.family ||
		!ip_equal(&r->nat.first, &r->nat.last))
		return;
	VEC_EACH (&r->scopes.items, struct scope, s)
		inwards = inwards ||
			  (s->out && !s->out_inverted && gateway_inside_at(q->gateway, s->out) &&
				  !s->src.addr.family);
	if (!inwards)
		return;
	n = crowd(q, &r->nat.first, &example);
	full = n >= room * CROWDED_PERCENT / 100 && !is_relieved(q, r);
	f = finding_once(q, "snat-ports-exhausted", 56, full ? DIAG_WARNING : DIAG_INFO,
		rule_text(q, r), &made);
	if (!made)
		return;
	f->title = full ? "the ports of the one address that clients share towards a backend are "
			  "used up"
			: "clients of forwards share one address towards a backend";
	f->evidence = rule_text(q, r);
	if (example)
		f->evidence = arena_printf(q->arena,
			"%s; %zu of some %zu connections from %s to %s port %u", f->evidence, n,
			room, ip_format(&r->nat.first, addr), ip_format(&example->reply.src, to),
			example->reply.sport);
	f->consequence = arena_printf(q->arena,
		"at most some %zu connections at a time to one port of a backend: more are "
		"dropped",
		room);
	f->advice = "name several addresses, or let backends answer through this machine and "
		    "translate no source";
	if (!full)
		return;
	remedy_spread(q, f, r);
	if (f->remedy.len)
		f->advice = "see first that nobody else has that address; or let backends answer "
			    "through this machine, and translate no source";
}

static void look_at_rule(struct inquiry *q, struct source_rule *at)
{
	VEC_EACH (&at->rule->stmts, struct nft_stmt, s) {
		const struct nft_expr *map;

		scope_nat(s, at->table->family == FAMILY_IP6 ? IP_V6 : IP_V4, HOOK_POSTROUTING,
			&at->nat, &map);
		if (map || (at->nat.kind != WALK_NAT_SOURCE && at->nat.kind != WALK_NAT_MASQUERADE))
			continue;
		scopes_of_rule(q->arena, &q->then, IP_NONE, at->rule, &at->scopes);
		/* In a chain that others jump to there are more matches on the way. */
		if (at->chain->base)
			look_at_blanket(q, at);
		look_at_literal(q, at);
		look_at_masquerade(q, at);
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
