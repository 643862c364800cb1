/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds what around the rules defeats them: answers of the kernel itself (47), offloading (49), MTU
 * (50), bridges (51), networks that overlap (54).
 */
#include <string.h>

#include <linux/netfilter/xt_TCPMSS.h>

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
	struct scopes all = {0};

	if (!scope_rule_accepts(r))
		return false;
	scopes_of_rule(q->arena, &q->then, IP_NONE, r, &all);
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

/* Which packets have their segment size clamped: those that come in by an uplink, those that leave. */
struct clamps {
	bool in, out;
	struct statement_place at;     /* the last one found; rule NULL: none */
	const struct nft_rule *before; /* what is let pass by that one; NULL: nothing */
};

static bool is_named(const char *pattern, bool inverted, const char *interface)
{
	return !pattern || (strcmp(pattern, interface) == 0) != inverted;
}

static bool clamps_by_route(const struct nft_stmt *s)
{
	struct xt_tcpmss_info info;

	if (s->kind == STMT_SET)
		return s->expr && s->expr->kind == EXPR_SELECTOR && s->expr->selector == SEL_RT_MTU;
	if (!s->xt.info || s->xt.hollow || s->xt.info_len < sizeof(info))
		return false;
	memcpy(&info, s->xt.info, sizeof(info));
	return info.mss == XT_TCPMSS_CLAMP_PMTU;
}

static void add_clamp(struct inquiry *q, struct clamps *c, const struct gateway_uplink *u,
	const struct statement_place *at, const struct nft_stmt *s)
{
	/* The route back is asked for by address alone: without a mark that is main's default. */
	bool only_out = clamps_by_route(s) && !u->is_main[0];
	struct scopes all = {0};

	c->at = *at;
	c->before = passes_by(q, at);
	if (c->before)
		return;
	scopes_of_rule(q->arena, &q->then, IP_NONE, at->rule, &all);
	VEC_EACH (&all.items, struct scope, it) {
		bool from = it->in && is_named(it->in, it->in_inverted, u->interface);
		bool to = it->out && is_named(it->out, it->out_inverted, u->interface);

		c->in = c->in || (!only_out && (from || (!it->in && !to)));
		c->out = c->out || to || (!it->out && !from);
	}
}

static struct clamps clamps_of(struct inquiry *q, const struct gateway_uplink *u)
{
	struct clamps all = {0};

	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t) {
		if (*t == q->own)
			continue;
		VEC_EACH (&(*t)->chains, struct nft_chain *, c)
			VEC_EACH (&(*c)->rules, struct nft_rule, r)
				VEC_EACH (&r->stmts, struct nft_stmt, s) {
					struct statement_place at = {*t, *c, r};
					const struct nft_chain *base =
						is_clamp(s) ? home_of(q, *t, *c) : NULL;

					if (base && (base->hook == HOOK_FORWARD ||
							    base->hook == HOOK_POSTROUTING))
						add_clamp(q, &all, u, &at, s);
				}
	}
	return all;
}

static void remedy_clamp(
	struct inquiry *q, struct finding *f, const char *interface, const struct clamps *have)
{
	struct style style = style_of(q, IP_V4);
	static const char *const sides[] = {"-i", "-o"}, *const names[] = {"iifname", "oifname"};
	bool clamped[] = {have->in, have->out};

	if (style.nft) {
		finding_remedy(q, f, "nft add table inet clamp");
		finding_remedy(q, f,
			"nft 'add chain inet clamp forward { type filter hook forward "
			"priority mangle; }'");
	}
	for (int i = 0; i < 2; i++) {
		if (clamped[i])
			continue;
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
	struct clamps clamps;
	struct finding *f;
	bool made;

	if (!i || q->gateway->forwards.len == 0)
		return;
	clamps = clamps_of(q, u);
	if (clamps.in && clamps.out)
		return;
	f = finding_once(q, "mtu-black-hole", 50, DIAG_WARNING, u->interface, &made);
	if (!made)
		return;
	f->title = arena_printf(q->arena, "packets from %s do not fit %s, and %s", i->interface,
		u->interface,
		clamps.in || clamps.out
			? arena_printf(q->arena,
				  "the segment size is clamped in what %s by it only",
				  clamps.in ? "comes in" : "leaves")
		: clamps.before ? "half of the connections' packets pass by the clamp"
				: "no rule clamps the segment size");
	f->evidence = arena_printf(q->arena, "MTU of %s %u, of %s %u%s%s%s%s", i->interface,
		mtu_of(q, i->interface), u->interface, mtu, clamps.at.rule ? "; " : "",
		clamps.at.rule ? place_text(q, &clamps.at) : "",
		clamps.before ? "; before it: " : "",
		clamps.before
			? inquiry_place_text(q, clamps.at.table, clamps.at.chain, clamps.before)
			: "");
	f->consequence = "where ICMP is lost on the way, connections open and then stall at the "
			 "first large packet";
	remedy_clamp(q, f, u->interface, &clamps);
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

static bool is_sought_at(const struct inquiry *q, const struct ip_addr *addr, const char *interface)
{
	const struct net_route *r = netstate_route(&q->then, TABLE_MAIN, addr);

	return !r || walk_route_leaves_by(r, interface) != TRI_NO;
}

/* Of the line's network only the router matters: it keeps a route of its own, and the inside network
 * as a whole is given to the inside, in halves, which are asked before the whole. */
static bool remedy_halves(struct inquiry *q, struct finding *f, const struct gateway_uplink *u,
	const struct net_addr *inside)
{
	uint8_t family = inside->addr.family;
	struct ip_prefix n = ip_prefix_of(&inside->addr, inside->prefix_len);
	const struct ip_addr *next = &u->next[family == IP_V6];
	struct ip_prefix half = {.addr = n.addr, .len = (uint8_t)(n.len + 1)};
	char addr[IP_STRLEN], prefix[PREFIX_STRLEN];
	bool own = is_sought_at(q, &inside->addr, inside->interface);

	if (next->family == family && ip_in_prefix(next, &n) &&
		(!own || !is_sought_at(q, next, u->interface)))
		finding_remedy(q, f, "%s route add %s dev %s", style_ip(family),
			ip_format(next, addr), u->interface);
	for (int i = 0; !own && i < 2; i++) {
		half.addr.bytes[n.len / 8] |= (uint8_t)(i ? 0x80 >> n.len % 8 : 0);
		finding_remedy(q, f, "%s route add %s dev %s", style_ip(family),
			ip_prefix_format(&half, prefix), inside->interface);
	}
	return f->remedy.len > 0;
}

static void add_overlap(struct inquiry *q, const struct net_addr *a, const struct net_addr *b)
{
	const struct gateway_uplink *u = gateway_uplink_at(q->gateway, a->interface);
	const struct net_addr *inside = u ? b : a;
	char x[PREFIX_STRLEN], y[PREFIX_STRLEN];
	struct ip_prefix n = ip_prefix_of(&a->addr, a->prefix_len);
	struct ip_prefix m = ip_prefix_of(&b->addr, b->prefix_len);
	struct finding *f;
	bool made;

	f = finding_once(q, "overlapping-subnets", 54, DIAG_WARNING,
		arena_printf(q->arena, "%s %s", a->interface, b->interface), &made);
	if (!made)
		return;
	ip_prefix_format(&n, x);
	ip_prefix_format(&m, y);
	f->title = arena_printf(
		q->arena, "the networks of %s and %s overlap", a->interface, b->interface);
	f->evidence =
		arena_printf(q->arena, "%s on %s, %s on %s", x, a->interface, y, b->interface);
	f->consequence = "replies for hosts of one go to the other: the longer prefix, or the "
			 "first route, takes all";
	f->advice = "renumber one of them, or translate it as a whole (NETMAP)";
	u = u ? u : gateway_uplink_at(q->gateway, b->interface);
	if (!u || gateway_uplink_at(q->gateway, inside->interface))
		return;
	if (remedy_halves(q, f, u, inside))
		f->advice = "this leaves the network to the inside, all but the provider's router; "
			    "better renumber one of them";
	else
		f->severity = DIAG_INFO;
}

void lint_overlap(struct inquiry *q)
{
	VEC_EACH (&q->then.addrs, struct net_addr, a)
		VEC_EACH (&q->then.addrs, struct net_addr, b) {
			struct ip_prefix n = ip_prefix_of(&a->addr, a->prefix_len);
			struct ip_prefix m = ip_prefix_of(&b->addr, b->prefix_len);
			bool sides = !gateway_uplink_at(q->gateway, a->interface) ==
				     !gateway_uplink_at(q->gateway, b->interface);

			if (a >= b || !is_network(a) || !is_network(b) ||
				strcmp(a->interface, b->interface) == 0 ||
				!ip_prefix_overlap(&n, &m))
				continue;
			/* Twice the same, on one side, is one segment with two interfaces in it. */
			if (!sides || !ip_prefix_equal(&n, &m))
				add_overlap(q, a, b);
		}
}
