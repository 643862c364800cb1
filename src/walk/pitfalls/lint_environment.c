/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds what around the rules defeats them: answers of the kernel itself (47), offloading (49), MTU
 * (50), bridges (51), networks that overlap (54).
 */
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/homes.h"
#include "walk/pitfalls/marks.h"

typedef bool (*statement_test)(const struct nft_stmt *s);

struct statement_place {
	const struct nft_table *table;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
};

/* The first statement of the kind, outside of portreeve's table, in a chain that hangs at @hook
 * (HOOK_EGRESS: at any). */
static bool find_statement(
	struct inquiry *q, statement_test is, enum nft_hook hook, struct statement_place *out)
{
	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t) {
		if (*t == q->own)
			continue;
		VEC_EACH (&(*t)->chains, struct nft_chain *, c)
			VEC_EACH (&(*c)->rules, struct nft_rule, r)
				VEC_EACH (&r->stmts, struct nft_stmt, s) {
					const struct nft_chain *base;

					if (!is(s))
						continue;
					base = home_of(q, *t, *c);
					if (!base || (hook != HOOK_EGRESS && base->hook != hook))
						continue;
					*out = (struct statement_place){*t, *c, r};
					return true;
				}
	}
	return false;
}

static const char *place_text(struct inquiry *q, const struct statement_place *p)
{
	return inquiry_place_text(q, p->table, p->chain, p->rule);
}

static size_t marked_uplinks(const struct inquiry *q)
{
	size_t n = 0;

	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u)
		n += u->mark_rule != NULL;
	return q->gateway->uplinks.len > 1 ? n : 0;
}

/* ---- the kernel's own answers (47) ---- */

static bool is_reject(const struct nft_stmt *s)
{
	return s->kind == STMT_REJECT ||
	       (s->kind == STMT_XT && s->xt.target && strcmp(s->xt.name, "REJECT") == 0);
}

/* Do requests, too, carry the mark? Only then can the kernel take it over for its answers. */
static bool marks_requests(struct inquiry *q)
{
	VEC_EACH (&marks_of(q)->items, const struct marker, m) {
		if (!m->ct && m->hooked && m->hook == HOOK_PREROUTING && m->scope.direction != 2)
			return true;
	}
	return false;
}

/* Are marks restored on what the machine itself sends? */
static bool restores_output(struct inquiry *q)
{
	if (q->own)
		return true;
	VEC_EACH (&marks_of(q)->items, const struct marker, m) {
		if ((m->restores || (!m->ct && m->scope.ct_mark_mask)) && m->hooked &&
			m->hook == HOOK_OUTPUT)
			return true;
	}
	return false;
}

void lint_own_packets(struct inquiry *q)
{
	bool reflectable = marks_requests(q), made;
	struct statement_place at;
	struct finding *f;

	if (!marked_uplinks(q) || restores_output(q) ||
		(reflectable &&
			netstate_sysctl_int(&q->then, "net.ipv4.fwmark_reflect", -1) != 0) ||
		(!find_statement(q, is_reject, HOOK_FORWARD, &at) &&
			!find_statement(q, is_reject, HOOK_INPUT, &at)))
		return;
	f = finding_once(q, "kernel-answers-unmarked", 47, DIAG_WARNING, "reflect", &made);
	if (!made)
		return;
	f->title = "resets and ICMP errors that the kernel sends follow no mark";
	f->evidence = arena_printf(q->arena, "%s, and no rule restores marks in output; %s",
		reflectable ? "net.ipv4.fwmark_reflect = 0" : "requests carry no mark",
		place_text(q, &at));
	f->consequence = "who is refused on any but the default uplink hears nothing, and waits";
	if (reflectable)
		style_sysctl(q, f, "net.ipv4.fwmark_reflect", "1");
	else
		remedy_restore_output(q, f, IP_V4);
}

/* ---- offloading (49) ---- */

static bool is_offload(const struct nft_stmt *s)
{
	return s->kind == STMT_FLOW_ADD ||
	       (s->kind == STMT_XT && s->xt.target && strcmp(s->xt.name, "FLOWOFFLOAD") == 0);
}

void lint_offload(struct inquiry *q)
{
	struct statement_place at;
	struct finding *f;
	bool made;

	if (!marked_uplinks(q) || !find_statement(q, is_offload, HOOK_FORWARD, &at))
		return;
	f = finding_once(q, "offload-bypasses-rules", 49, DIAG_WARNING, place_text(q, &at), &made);
	if (!made)
		return;
	f->title = "connections are offloaded, and pass by the rules that lead them home";
	f->evidence = place_text(q, &at);
	f->consequence = "the first packets go right; later ones skip marks, rules and traces, and "
			 "may leave by another uplink";
	remedy_delete(q, f, at.table, at.chain, at.rule);
	f->advice =
		"or leave out what is marked: `ct mark 0 flow add ...`, or -m connmark --mark 0";
}

/* ---- MTU (50) ---- */

static bool is_clamp(const struct nft_stmt *s)
{
	return (s->kind == STMT_SET && s->selector == SEL_TCP_MAXSEG) ||
	       (s->kind == STMT_XT && s->xt.target && strcmp(s->xt.name, "TCPMSS") == 0);
}

static uint32_t mtu_of(const struct inquiry *q, const char *interface)
{
	const struct net_link *l = netstate_link(&q->then, interface);

	return l ? l->mtu : 0;
}

static const struct gateway_inside *larger_inside(const struct inquiry *q, uint32_t mtu)
{
	VEC_EACH (&q->gateway->insides, struct gateway_inside, i) {
		if (mtu_of(q, i->interface) > mtu)
			return i;
	}
	return NULL;
}

static bool accepts_established(struct inquiry *q, const struct nft_rule *r)
{
	struct scopes any = {0}, all = {0};
	bool accepts = false;

	VEC_EACH (&r->stmts, struct nft_stmt, s)
		accepts = accepts || (s->kind == STMT_VERDICT && s->verdict == VERDICT_ACCEPT);
	if (!accepts)
		return false;
	vec_push(q->arena, &any.items, scope_any(IP_NONE));
	scopes_rule(q->arena, &q->then, r, &any, &all);
	VEC_EACH (&all.items, struct scope, s) {
		if ((s->states & CT_ESTABLISHED) && !s->in && !s->out && !s->more &&
			!s->src.addr.family && !s->dst.addr.family)
			return true;
	}
	return false;
}

/* The rule before the clamp that lets SYN-ACKs pass by it; NULL: none. */
static const struct nft_rule *passes_by(struct inquiry *q, const struct statement_place *clamp)
{
	VEC_EACH (&clamp->chain->rules, struct nft_rule, r) {
		if (r == clamp->rule)
			return NULL;
		if (accepts_established(q, r))
			return r;
	}
	return NULL;
}

static void remedy_clamp(struct inquiry *q, struct finding *f, const char *interface)
{
	struct style style = style_of(q, IP_V4);
	static const char *const sides[] = {"-i", "-o"}, *const names[] = {"iifname", "oifname"};

	if (style.nft) {
		finding_remedy(q, f, "nft add table inet clamp");
		finding_remedy(q, f,
			"nft 'add chain inet clamp forward { type filter hook forward "
			"priority mangle; }'");
	}
	for (int i = 0; i < 2; i++) {
		if (style.nft)
			finding_remedy(q, f,
				"nft 'add rule inet clamp forward %s \"%s\" tcp flags syn tcp "
				"option maxseg size set %u'",
				names[i], interface, mtu_of(q, interface) - 40);
		else
			finding_remedy(q, f,
				"%s -t mangle -I FORWARD %s %s -p tcp --tcp-flags SYN,RST SYN -j "
				"TCPMSS --set-mss %u",
				style.iptables, sides[i], interface, mtu_of(q, interface) - 40);
	}
	style_keep_rules(q, f);
}

static void look_at_mtu(struct inquiry *q, const struct gateway_uplink *u)
{
	uint32_t mtu = mtu_of(q, u->interface);
	const struct gateway_inside *i = mtu ? larger_inside(q, mtu) : NULL;
	const struct nft_rule *before = NULL;
	struct statement_place clamp;
	struct finding *f;
	bool made, clamped;

	if (!i || q->gateway->forwards.len == 0)
		return;
	clamped = find_statement(q, is_clamp, HOOK_FORWARD, &clamp) ||
		  find_statement(q, is_clamp, HOOK_POSTROUTING, &clamp);
	if (clamped)
		before = passes_by(q, &clamp);
	if (clamped && !before)
		return;
	f = finding_once(q, "mtu-black-hole", 50, DIAG_WARNING, u->interface, &made);
	if (!made)
		return;
	f->title = arena_printf(q->arena, "packets from %s do not fit %s, and %s", i->interface,
		u->interface,
		clamped ? "half of the connections' packets pass by the clamp"
			: "no rule clamps the segment size");
	f->evidence = arena_printf(q->arena, "MTU of %s %u, of %s %u%s%s%s%s", i->interface,
		mtu_of(q, i->interface), u->interface, mtu, clamped ? "; " : "",
		clamped ? place_text(q, &clamp) : "", before ? "; before it: " : "",
		before ? inquiry_place_text(q, clamp.table, clamp.chain, before) : "");
	f->consequence = "where ICMP is lost on the way, connections open and then stall at the "
			 "first large packet";
	remedy_clamp(q, f, u->interface);
}

void lint_mtu(struct inquiry *q)
{
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u)
		look_at_mtu(q, u);
}

/* ---- bridges (51) ---- */

static bool has_port(const struct inquiry *q, const struct net_link *bridge)
{
	VEC_EACH (&q->then.links, struct net_link, l) {
		if (l->master == bridge->index && bridge->index)
			return true;
	}
	return false;
}

/* Tools that set the switch on purpose and have rules for it. */
static bool is_container_host(const struct inquiry *q)
{
	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t)
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			if (strncmp((*c)->name, "DOCKER", 6) == 0 ||
				strncmp((*c)->name, "KUBE-", 5) == 0 ||
				strncmp((*c)->name, "CNI-", 4) == 0)
				return true;
		}
	return false;
}

void lint_bridge(struct inquiry *q)
{
	static const char key[] = "net.bridge.bridge-nf-call-iptables";

	if (netstate_sysctl_int(&q->then, key, 0) != 1)
		return;
	VEC_EACH (&q->gateway->insides, struct gateway_inside, i) {
		const struct net_link *l = netstate_link(&q->then, i->interface);
		struct finding *f;
		bool made;

		if (!l || !l->kind || strcmp(l->kind, "bridge") != 0 || !has_port(q, l))
			continue;
		f = finding_once(q, "br-netfilter", 51,
			is_container_host(q) ? DIAG_INFO : DIAG_WARNING, i->interface, &made);
		if (!made)
			continue;
		f->title = arena_printf(q->arena,
			"frames that %s only bridges pass through the rules for routed packets",
			l->name);
		f->evidence = arena_printf(q->arena, "%s = 1, and %s has ports", key, l->name);
		f->consequence = "hosts beside each other are translated or dropped";
		style_sysctl(q, f, key, "0");
		if (is_container_host(q))
			f->advice = "Docker and Kubernetes want it to be 1";
	}
}

/* ---- networks that overlap (54) ---- */

static bool is_network(const struct net_addr *a)
{
	return a->prefix_len < ip_bits(a->addr.family) - 1 && !ip_is_link_local(&a->addr) &&
	       !ip_is_loopback(&a->addr) && !a->peer.family;
}

void lint_overlap(struct inquiry *q)
{
	VEC_EACH (&q->then.addrs, struct net_addr, a)
		VEC_EACH (&q->then.addrs, struct net_addr, b) {
			struct ip_prefix n = ip_prefix_of(&a->addr, a->prefix_len);
			struct ip_prefix m = ip_prefix_of(&b->addr, b->prefix_len);
			char x[PREFIX_STRLEN], y[PREFIX_STRLEN];
			struct finding *f;
			bool made;

			if (a >= b || !is_network(a) || !is_network(b) ||
				strcmp(a->interface, b->interface) == 0 ||
				!ip_prefix_overlap(&n, &m))
				continue;
			f = finding_once(q, "overlapping-subnets", 54, DIAG_WARNING,
				arena_printf(q->arena, "%s %s", a->interface, b->interface), &made);
			if (!made)
				continue;
			ip_prefix_format(&n, x);
			ip_prefix_format(&m, y);
			f->title = arena_printf(q->arena, "the networks of %s and %s overlap",
				a->interface, b->interface);
			f->evidence = arena_printf(
				q->arena, "%s on %s, %s on %s", x, a->interface, y, b->interface);
			f->consequence = "replies for hosts of one go to the other: the longer "
					 "prefix, or the first route, takes all";
			f->advice = "renumber one of them, or translate it as a whole (NETMAP)";
		}
}
