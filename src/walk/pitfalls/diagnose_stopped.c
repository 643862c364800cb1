/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Explains packets that were stopped: by a rule (pitfalls 22, 25 to 28, 30 to 32, 39), by the reverse
 * path filter (17 to 19, 21), or because nothing is forwarded (20).
 */
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/homes.h"
#include "walk/pitfalls/tool.h"

#define ADD_DEFAULT "ip route add default "

/* ---- the kernel's own checks ---- */

static const char *leg_words(enum journey_leg_kind kind)
{
	return kind == LEG_REPLY ? "replies" : "requests";
}

static const struct gateway_uplink *best_uplink(const struct diagnosis *d)
{
	const struct gateway_uplink *here = diagnose_uplink(d);

	VEC_EACH (&d->q->gateway->uplinks, struct gateway_uplink, u) {
		if (u->is_main[0])
			return u;
	}
	if (here && here->has_default[0])
		return here;
	VEC_EACH (&d->q->gateway->uplinks, struct gateway_uplink, u) {
		if (u->has_default[0])
			return u;
	}
	return NULL;
}

static const char *way_back_text(struct diagnosis *d, const struct journey_step *s)
{
	if (!s->route)
		return s->policy ? arena_printf(d->q->arena, "no route; ip rule: %s",
					   inquiry_rule_text(d->q, s->policy))
				 : "no route";
	return arena_printf(d->q->arena, "%s%s%s", inquiry_route_text(d->q, s->route),
		s->policy ? "; ip rule: " : "",
		s->policy ? inquiry_rule_text(d->q, s->policy) : "");
}

/* One such route is enough for all interfaces. */
static bool has_remedy_default(const struct diagnosis *d, const struct finding *except)
{
	VEC_EACH (&d->q->out->items, struct finding, f)
		VEC_EACH (&f->remedy, const char *, line) {
			if (f->pitfall == 18 && f != except &&
				strncmp(*line, ADD_DEFAULT, strlen(ADD_DEFAULT)) == 0)
				return true;
		}
	return false;
}

static void remedy_default(struct diagnosis *d, struct finding *f, const char *interface)
{
	const struct gateway_uplink *u = best_uplink(d);

	if (!u) {
		style_sysctl(d->q, f, "net.ipv4.conf.all.rp_filter", "0");
		style_sysctl(d->q, f, netstate_conf_key(d->q->arena, IP_V4, interface, "rp_filter"),
			"0");
		return;
	}
	if (!has_remedy_default(d, f))
		finding_default_route(d->q, f, IP_V4, &u->next[0], u->interface, REMEDY_METRIC);
	/* Strict mode would still want it to be by this interface. */
	if (inquiry_conf(d->q, interface, "rp_filter") != 2)
		style_sysctl(d->q, f, netstate_conf_key(d->q->arena, IP_V4, interface, "rp_filter"),
			"2");
	f->advice = "any metric will do; add the same default route to the network configuration, "
		    "so that it is there after a restart";
}

/* The walk only supposed it: that is no finding. */
static void tell_setting(struct diagnosis *d, uint8_t pitfall, const char *key)
{
	finding_untold(d->q, pitfall, arena_printf(d->q->arena, "what %s is set to", key),
		"sysctl.txt (sysctl -a)");
}

/* In effect is the larger of two; strict is only known to be it if both are known. */
static bool knows_filter(struct diagnosis *d, const char *interface, bool strict)
{
	long all = inquiry_conf(d->q, "all", "rp_filter");
	long own = inquiry_conf(d->q, interface, "rp_filter");

	return (all >= 0 && own >= 0) || (!strict && (all > 0 || own > 0));
}

static bool mark_is_looked_up(struct diagnosis *d, const char *interface)
{
	return inquiry_conf(d->q, "all", "src_valid_mark") == 1 ||
	       inquiry_conf(d->q, interface, "src_valid_mark") == 1;
}

/* Where the mark leads nowhere, or back to this machine, no mode of rp_filter is loose enough. */
static void remedy_mark(struct diagnosis *d, struct finding *f, const char *interface)
{
	const char *const names[] = {"all", interface};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (inquiry_conf(d->q, names[i], "src_valid_mark") == 1)
			style_sysctl(d->q, f,
				netstate_conf_key(d->q->arena, IP_V4, names[i], "src_valid_mark"),
				"0");
	}
}

static bool explain_source(
	struct diagnosis *d, enum journey_leg_kind kind, const struct journey_step *s)
{
	const char *in = d->way->legs[kind].in;
	bool none = !s->route || (s->route->type != ROUTE_UNICAST && s->route->type != ROUTE_LOCAL);
	bool marked = s->after.mark && in && mark_is_looked_up(d, in);
	uint8_t pitfall = marked ? 19 : none ? 18 : 17;
	struct finding *f;

	if (!in)
		return false;
	if (!knows_filter(d, in, !none)) {
		tell_setting(d, pitfall, netstate_conf_key(d->q->arena, IP_V4, in, "rp_filter"));
		return true;
	}
	f = diagnose_add(d,
		pitfall == 19	? "src-valid-mark"
		: pitfall == 18 ? "no-default-route"
				: "strict-rp-filter",
		pitfall, arena_printf(d->q->arena, "%s", in));
	if (!f)
		return true;
	f->evidence = arena_printf(d->q->arena, "%s; the way back, as it is looked up%s: %s",
		inquiry_rp_filter_text(d->q, in),
		marked ? " with the packet's mark" : " without a mark", way_back_text(d, s));
	f->consequence = arena_printf(d->q->arena,
		"%s are dropped right after they came in, and nothing says so", leg_words(kind));
	if (pitfall == 18) {
		f->title = arena_printf(d->q->arena,
			"without a default route the kernel drops what comes in by %s", in);
		remedy_default(d, f, in);
		return true;
	}
	f->title =
		pitfall == 19
			? arena_printf(d->q->arena,
				  "src_valid_mark makes rp_filter of %s drop marked packets", in)
			: arena_printf(d->q->arena, "strict rp_filter drops %s that come in by %s",
				  leg_words(kind), in);
	if (pitfall == 19 && (none || s->route->type == ROUTE_LOCAL))
		remedy_mark(d, f, in);
	else
		style_sysctl(d->q, f, netstate_conf_key(d->q->arena, IP_V4, in, "rp_filter"), "2");
	return true;
}

static bool explain_loopback(
	struct diagnosis *d, enum journey_leg_kind kind, const struct journey_step *s)
{
	const char *in = d->way->legs[kind].in;
	const struct packet *p = &s->after;
	const char *key;
	struct finding *f;

	if (!in || !packet_knows(p, PKT_DADDR) || !ip_is_loopback(&p->daddr))
		return false;
	key = netstate_conf_key(d->q->arena, IP_V4, in, "route_localnet");
	f = diagnose_add(d, "dnat-to-loopback", 21, key);
	if (!f)
		return true;
	f->title = "a forward to 127.0.0.0/8 is dropped: such addresses never come from outside";
	f->evidence = arena_printf(d->q->arena, "%s is %s; %s", key,
		inquiry_conf_text(d->q, in, "route_localnet"),
		d->way->dnat_rule
			? diagnose_step_text(d, diagnose_rule(&d->way->legs[kind], DID_NAT, NULL))
			: "");
	f->consequence = "requests are lost without a word";
	style_sysctl(d->q, f, key, "1");
	f->advice = "better let the service listen on an address of the inside network, and lead "
		    "the forward there: with route_localnet neighbours reach all that listens on "
		    "127.0.0.1, unless a filter keeps them out";
	return true;
}

static bool explain_forwarding(
	struct diagnosis *d, enum journey_leg_kind kind, const struct journey_step *s)
{
	const char *in = d->way->legs[kind].in, *key = arena_strdup(d->q->arena, s->sysctl);
	bool v6 = d->j->question.dst.family == IP_V6;
	const struct netstate *net = &d->q->then;
	struct finding *f;
	bool all;

	all = netstate_sysctl_int(
		      net, v6 ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward", 1) == 0;
	if (all)
		key = v6 ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward";
	if (netstate_sysctl_int(net, key, -1) < 0) {
		tell_setting(d, 20, key);
		return true;
	}
	f = diagnose_add(d, "forwarding-off", 20, key);
	if (!f)
		return true;
	f->title = all ? "this machine does not forward"
		       : arena_printf(d->q->arena, "what comes in by %s is not forwarded", in);
	f->evidence = arena_printf(d->q->arena, "%s = 0", key);
	f->consequence = arena_printf(d->q->arena,
		"the machine's own services can be reached, but %s of forwarded connections are "
		"dropped",
		leg_words(kind));
	style_sysctl(d->q, f, key, "1");
	return true;
}

/* ---- rules ---- */

/* The packet as a scope: what is known of it in the hook where it was stopped. */
static struct scope scope_of(const struct packet *p)
{
	struct scope s = scope_any(p->family);

	if (packet_knows(p, PKT_PROTO))
		s.proto = p->proto;
	if (packet_knows(p, PKT_DADDR))
		s.dst = ip_prefix_of(&p->daddr, (uint8_t)ip_bits(p->family));
	if (packet_knows(p, PKT_SADDR))
		s.src = ip_prefix_of(&p->saddr, (uint8_t)ip_bits(p->family));
	if (packet_knows(p, PKT_DPORT))
		s.first = s.last = p->dport;
	s.in = p->iif;
	s.out = p->oif;
	s.states = CT_NEW;
	return s;
}

/* A rule that accepts, found in the tables that have a base chain at a hook. */
struct accept {
	const struct nft_table *table;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
};

/* Does the rule let @p through, and name an address or a port for it? */
static bool lets_through(struct diagnosis *d, const struct nft_rule *r, const struct packet *p)
{
	struct scopes all = {0}, within = {0}, met = {0};
	bool named = false;

	if (!scope_rule_accepts(r))
		return false;
	scopes_of_rule(d->q->arena, &d->q->then, p->family, r, &all);
	VEC_EACH (&all.items, struct scope, s)
		named = named || s->dst.addr.family || s->first > 0 || s->last < UINT16_MAX ||
			s->only_dnat;
	if (!named)
		return false;
	vec_push(d->q->arena, &within.items, scope_of(p));
	scopes_rule(d->q->arena, &d->q->then, r, &within, &met);
	return met.items.len > 0 && !met.items.items[0].more;
}

static bool sees_family(const struct nft_table *t, uint8_t family)
{
	return t->family == FAMILY_INET || (t->family == FAMILY_IP6) == (family == IP_V6);
}

#define SEARCHES_MAX 256 /* of all rules for one that accepts; further packets are told less of */

/* A rule at @hook (in the table @only, or, @others, in all but that one) that lets @p through. */
static bool find_accept(struct diagnosis *d, enum nft_hook hook, const struct packet *p,
	const struct nft_table *only, bool others, struct accept *out)
{
	if (d->q->searches++ >= SEARCHES_MAX)
		return false;
	VEC_EACH (&d->q->then.ruleset.tables, struct nft_table *, t) {
		if ((only && (*t == only) == others) || !sees_family(*t, p->family))
			continue;
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			const struct nft_chain *base = home_of(d->q, *t, *c);

			if (!base || base->hook != hook || base->type != CHAIN_FILTER)
				continue;
			VEC_EACH (&(*c)->rules, struct nft_rule, r) {
				if (!lets_through(d, r, p))
					continue;
				*out = (struct accept){*t, *c, r};
				return true;
			}
		}
	}
	return false;
}

static enum tool tool_here(struct diagnosis *d, const struct journey_step *s, struct trouble *t,
	enum journey_leg_kind kind)
{
	*t = (struct trouble){.kind = TROUBLE_STOPPED,
		.certain = d->certain,
		.base = {s->rule.table, s->rule.base},
		.family = d->j->question.dst.family,
		.by = s->rule,
		.proto = d->j->question.proto,
		.to = s->after.daddr,
		.to_port = s->after.dport,
		.packets = kind == LEG_REPLY ? 1u << FLOW_REPLY : 1u << FLOW_FIRST};
	return tool_of(t);
}

static void tell_stopped(struct diagnosis *d, struct finding *f, const struct journey_step *s,
	enum journey_leg_kind kind, const char *more)
{
	f->evidence = more ? arena_printf(d->q->arena, "%s; %s", diagnose_step_text(d, s), more)
			   : diagnose_step_text(d, s);
	f->consequence = kind == LEG_REPLY
				 ? "the backend answers, and the answer goes no further"
				 : "clients get no answer: the packets reach this gateway and go "
				   "no further";
}

static const char *accept_text(struct diagnosis *d, const struct accept *a, const char *why)
{
	return arena_printf(
		d->q->arena, "%s: %s", why, inquiry_place_text(d->q, a->table, a->chain, a->rule));
}

static struct packet before_translation(const struct diagnosis *d, const struct packet *p)
{
	struct packet asked = *p;

	asked.daddr = d->j->question.dst;
	asked.dport = d->j->question.dport;
	return asked;
}

/* Which of the pitfalls of filters, and what shows it. */
static uint8_t judge_request(struct diagnosis *d, const struct journey_step *s,
	enum journey_leg_kind kind, enum tool tool, const char **more)
{
	const struct packet *p = &s->after;
	struct packet asked = before_translation(d, p);
	struct accept a;

	if (s->hook == HOOK_INPUT)
		return d->way->dnat ? 32 : 25;
	if (s->hook != HOOK_FORWARD)
		return 28;
	if (s->rule.rule && find_accept(d, HOOK_FORWARD, p, s->rule.table, false, &a) &&
		a.rule != s->rule.rule) {
		*more = accept_text(d, &a, "the rule that would let it through comes later");
		return 27;
	}
	if (d->way->dnat && find_accept(d, HOOK_FORWARD, &asked, s->rule.table, false, &a)) {
		*more = accept_text(
			d, &a, "a rule lets through what it was before the translation");
		return 26;
	}
	if (find_accept(d, HOOK_FORWARD, p, s->rule.table, true, &a)) {
		*more = accept_text(d, &a, "another rule set lets it through");
		return 28;
	}
	if (tool == TOOL_UFW || tool == TOOL_FIREWALLD || tool == TOOL_DOCKER)
		return 28;
	if (d->way->dnat && (find_accept(d, HOOK_INPUT, &asked, NULL, false, &a) ||
				    find_accept(d, HOOK_INPUT, p, NULL, false, &a))) {
		*more = accept_text(d, &a, "in INPUT there is");
		return 32;
	}
	return 25;
}

static const char *title_of(
	struct diagnosis *d, uint8_t pitfall, enum tool tool, enum journey_leg_kind kind)
{
	const char *who = tool_name(tool);

	switch (pitfall) {
	case 22:
		return arena_printf(d->q->arena,
			"%s drops %s for which it sees no way back by their interface", who,
			leg_words(kind));
	case 26:
		return "the rule that lets the forward through asks for what it was before the "
		       "translation";
	case 27:
		return "the rule that lets the forward through comes after one that drops";
	case 28:
		return arena_printf(d->q->arena, "%s drops what is forwarded", who);
	case 30:
		return arena_printf(
			d->q->arena, "%s drops the replies of forwarded connections", who);
	case 31:
		return "packets that conntrack takes for invalid are dropped";
	case 32:
		return "the rule that lets the forward through stands in the wrong chain";
	default:
		return "nothing lets the forward through";
	}
}

/* Replies and all that belongs to a connection: early in the chain where they were dropped. */
static void remedy_established(struct diagnosis *d, struct finding *f, const struct journey_step *s)
{
	const char *command = table_command(d->q, s->rule.table);

	if (s->hook == HOOK_INGRESS || s->hook == HOOK_EGRESS) { /* knows no connections */
		f->advice = "make an exception in this rule";
		return;
	}
	if (command)
		finding_remedy(d->q, f,
			"%s -I %s -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", command,
			s->rule.base->name);
	else
		finding_remedy(d->q, f,
			"nft insert rule %s %s %s ct state established,related accept",
			tool_family(s->rule.table->family), s->rule.table->name,
			s->rule.base->name);
	style_keep_rules(d->q, f);
}

static bool sets_zone(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		if ((s->kind == STMT_SET && s->selector == SEL_CT_ZONE) ||
			(s->kind == STMT_XT && s->xt.target && strcmp(s->xt.name, "CT") == 0))
			return true;
	}
	return false;
}

static bool zones_differ(const struct diagnosis *d)
{
	const struct journey_leg *request = &d->way->legs[LEG_REQUEST];
	const struct journey_leg *reply = &d->way->legs[LEG_REPLY];

	return reply->walked && request->last.ct_zone != reply->last.ct_zone;
}

bool diagnose_zones(struct diagnosis *d, struct finding *f)
{
	if (!zones_differ(d))
		return false;
	VEC_EACH (&d->q->then.ruleset.tables, struct nft_table *, t)
		VEC_EACH (&(*t)->chains, struct nft_chain *, c)
			VEC_EACH (&(*c)->rules, struct nft_rule, r) {
				if (!sets_zone(r))
					continue;
				f->evidence = arena_printf(d->q->arena,
					"%s; requests and replies are in different zones: %s",
					f->evidence, inquiry_place_text(d->q, *t, *c, r));
				remedy_delete(d->q, f, *t, *c, r);
			}
	f->advice = "or let both directions be in the same zone";
	return true;
}

static void explain_invalid(struct diagnosis *d, struct finding *f)
{
	if (diagnose_zones(d, f))
		return;
	style_sysctl(d->q, f, "net.netfilter.nf_conntrack_tcp_be_liberal", "1");
	f->advice = "connections must pass this machine both ways: find where the other "
		    "direction goes";
}

static bool asks_invalid(struct diagnosis *d, const struct nft_rule *r)
{
	struct scopes all = {0};

	if (!r)
		return false;
	scopes_of_rule(d->q->arena, &d->q->then, IP_NONE, r, &all);
	return all.items.len == 1 && all.items.items[0].states == CT_INVALID;
}

static bool explain_rule(
	struct diagnosis *d, enum journey_leg_kind kind, const struct journey_step *s)
{
	const char *more = NULL;
	struct trouble t;
	struct finding *f;
	enum tool tool;
	uint8_t pitfall;

	if (!s->rule.table || !s->rule.base)
		return false;
	tool = tool_here(d, s, &t, kind);
	if (asks_invalid(d, s->rule.rule))
		pitfall = 31;
	else if (tool_looks_back(&t))
		pitfall = 22;
	else if (kind == LEG_REPLY || (kind == LEG_LATER && s->hook == HOOK_FORWARD))
		pitfall = 30;
	else
		pitfall = judge_request(d, s, kind, tool, &more);
	f = diagnose_add(d, "stopped-by-rule", pitfall, diagnose_step_text(d, s));
	if (!f)
		return true;
	f->title = title_of(d, pitfall, tool, kind);
	tell_stopped(d, f, s, kind, more);
	if (pitfall == 22 && tool != TOOL_FIREWALLD)
		remedy_delete(d->q, f, s->rule.table, s->rule.chain, s->rule.rule);
	if (pitfall == 31)
		explain_invalid(d, f);
	else if (pitfall == 30 && tool != TOOL_FIREWALLD)
		remedy_established(d, f, s);
	else
		tool_remedy(d->q, &t, tool, f);
	return true;
}

/* Pitfall 30: what routers and hosts have to say about a connection. */
void diagnose_error(struct inquiry *q, const struct journey *j, const struct journey_leg *leg,
	const char *forward)
{
	const struct journey_step *s =
		leg->steps.len ? &leg->steps.items[leg->steps.len - 1] : NULL;
	struct diagnosis d = {.q = q, .j = j, .forward = forward, .severity = DIAG_WARNING};
	struct finding *f;

	if (!s || !s->stops || s->stage != STAGE_RULE || !s->rule.base || s->rule.table == q->own)
		return;
	VEC_EACH (&leg->steps, struct journey_step, it) {
		if (it->stage == STAGE_FORK) /* not certain */
			return;
	}
	f = diagnose_add(&d, "errors-not-accepted", 30,
		arena_printf(q->arena, "errors: %s", diagnose_step_text(&d, s)));
	if (!f)
		return;
	f->title = "ICMP errors about forwarded connections are not let through";
	f->evidence = arena_printf(q->arena, "an error that comes in by %s is stopped by %s",
		leg->in, diagnose_step_text(&d, s));
	f->consequence = "who sends packets that are too large, or to a port that is closed, is "
			 "not told: connections stall";
	remedy_established(&d, f, s);
}

/* ---- translations that cannot be made, or not be kept ---- */

/* Pitfall 42: the packet was translated, but not for where it leaves now. */
static bool explain_moved(
	struct diagnosis *d, enum journey_leg_kind kind, const struct journey_step *s)
{
	const struct packet *first = &d->way->legs[kind].first;
	const struct net_addr *source = netstate_addr(&d->q->then, &d->way->flow.reply.dst);
	char buf[IP_STRLEN];
	struct finding *f;

	if (diagnose_request_astray(d, kind))
		return true;
	f = diagnose_add(d, "source-outlives-route", 42, source ? source->interface : "");
	if (!f)
		return true;
	f->title = "a masqueraded connection leaves by another uplink than before";
	f->evidence = arena_printf(d->q->arena, "%s; today's route: %s", s->text,
		diagnose_way_text(d, diagnose_step(&d->way->legs[kind], STAGE_ROUTE)));
	f->consequence = "the kernel drops its packet and forgets it: whoever asks again begins a "
			 "new one";
	if (packet_knows(first, PKT_SADDR))
		finding_remedy(d->q, f, "conntrack -D -s %s", ip_format(&first->saddr, buf));
	f->advice = "pin connections to their uplink by mark, or flush those of an uplink when it "
		    "goes down";
	return true;
}

static bool explain_nat(
	struct diagnosis *d, enum journey_leg_kind kind, const struct journey_step *s)
{
	const char *out = d->way->legs[kind].out;
	struct finding *f;

	if (s->after.ct_status & CT_SRC_NAT_DONE)
		return explain_moved(d, kind, s);
	f = diagnose_add(d, "masquerade-address", 39, diagnose_step_text(d, s));
	if (!f)
		return true;
	f->title = arena_printf(d->q->arena, "masquerading finds no address%s%s", out ? " on " : "",
		out ? out : "");
	f->evidence = arena_printf(
		d->q->arena, "%s; %s", diagnose_step_text(d, s), s->text ? s->text : "");
	f->consequence = "the packets are dropped";
	f->advice = "give the interface an address, or name one in the rule: SNAT --to-source, "
		    "snat to";
	return true;
}

bool diagnose_stopped(
	struct diagnosis *d, enum journey_leg_kind kind, const struct journey_step *at)
{
	switch (at->stage) {
	case STAGE_RULE:
		return explain_rule(d, kind, at);
	case STAGE_NAT:
		return explain_nat(d, kind, at);
	case STAGE_SOURCE:
		return explain_loopback(d, kind, at) || explain_source(d, kind, at);
	case STAGE_ROUTE:
	case STAGE_REROUTE:
		return explain_loopback(d, kind, at) ||
		       (kind == LEG_REPLY ? diagnose_reply_astray(d)
					  : diagnose_request_astray(d, kind));
	case STAGE_FORWARD:
		return at->sysctl && explain_forwarding(d, kind, at);
	case STAGE_ARRIVE:
	case STAGE_CONNTRACK:
	case STAGE_NEIGHBOUR:
	case STAGE_DELIVER:
	case STAGE_LEAVE:
	case STAGE_FORK:
		return false;
	}
	return false;
}
