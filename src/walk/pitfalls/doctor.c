/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doctor: all pitfalls of a machine, whoever configured it.
 *
 * The rules are read as they stand (lint_*.c), and each port forward is walked from every place that
 * a client can be: far away and beside the gateway on each uplink, in each inside network, and on the
 * machine itself. What those journeys meet is explained as for a single one (diagnose.h). Where there
 * are more journeys than JOURNEYS_MAX, forwards that differ in ports only are walked once.
 */
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/tour.h"

#define JOURNEYS_MAX 8192

struct round {
	struct inquiry *q;
	size_t walked, left_out;
};

/* ---- walking ---- */

/* The journey took another rule's translation: it is that one's to judge. */
static bool is_of(const struct journey *j, const struct gateway_forward *f)
{
	VEC_EACH (&j->ways, struct journey_way, way) {
		if (!way->dnat || !way->dnat_rule || way->dnat_rule == f->rule)
			return true;
	}
	return false;
}

static bool depends_on_backend(const struct journey *j)
{
	bool forwarded = false;

	VEC_EACH (&j->ways, struct journey_way, way)
		forwarded = forwarded || way->legs[LEG_REQUEST].end == JOURNEY_FORWARDED;
	return forwarded && j->verdict == JOURNEY_UNKNOWN && j->question.returns == RETURN_ASK;
}

/* Do ICMP errors about a connection get to whom they are for? */
static void walk_errors(
	struct round *t, struct arena *scratch, const struct journey *j, const char *text)
{
	for (int about_reply = 0; about_reply < 2; about_reply++) {
		struct journey_leg leg;

		journey_walk_error(scratch, t->q->seen, &j->ways.items[0], about_reply, &leg);
		diagnose_error(t->q, j, &leg, text);
	}
}

static void walk_one(struct round *t, const struct gateway_forward *f, const char *text,
	const struct tour_stop *stop)
{
	const struct journey_question *a = &stop->question;
	struct arena *scratch;
	struct journey j = {0};
	char buf[IP_STRLEN];

	if (t->walked >= JOURNEYS_MAX) {
		t->left_out++;
		return;
	}
	t->walked++;
	scratch = arena_new();
	journey_walk(scratch, t->q->seen, a, &j);
	/* Whether a backend answers through here is one question; what else is wrong another. */
	if (depends_on_backend(&j)) {
		struct journey_question again = *a;

		finding_untold(t->q, 1,
			arena_printf(t->q->arena,
				"whether %s sends its replies through this machine",
				f->to.family ? ip_format(&f->to, buf) : "the backend"),
			"connections to it in conntrack.txt (conntrack -L), or its default route");
		again.returns = RETURN_THROUGH_US;
		j = (struct journey){0};
		journey_walk(scratch, t->q->seen, &again, &j);
	}
	if (is_of(&j, f))
		diagnose_journey(t->q, &j, text);
	if (j.verdict == JOURNEY_WORKS && stop->place == TOUR_FAR)
		walk_errors(t, scratch, &j, text);
	arena_free(scratch);
}

static bool same_but_ports(const struct gateway_forward *a, const struct gateway_forward *b)
{
	return a->rule == b->rule && a->proto == b->proto && ip_prefix_equal(&a->dst, &b->dst) &&
	       ip_equal(&a->to, &b->to);
}

static void walk_forwards(struct round *t)
{
	const struct gateway *g = t->q->gateway;
	size_t places = 2 * g->uplinks.len + g->insides.len + 1;
	bool sparing = g->forwards.len * places > JOURNEYS_MAX;
	const struct gateway_forward *before = NULL;

	VEC_EACH (&g->forwards, struct gateway_forward, f) {
		struct tour tour = {0};
		const char *text;

		if (f->output)
			continue;
		if (sparing && before && same_but_ports(before, f)) {
			t->left_out += places;
			continue;
		}
		before = f;
		text = inquiry_forward_text(t->q, f);
		tour_of(t->q->arena, g, f, &tour);
		VEC_EACH (&tour.stops, struct tour_stop, stop)
			walk_one(t, f, text, stop);
	}
	if (t->left_out)
		finding_untold(t->q, 28,
			arena_printf(t->q->arena,
				"%zu more journeys to forwards that are like those that were "
				"walked",
				t->left_out),
			"explain, for one of them at a time");
}

/* ---- neighbours of an uplink and the inside networks (pitfall 57) ---- */

static void remedy_guard(struct inquiry *q, struct finding *f, const struct gateway_uplink *u,
	const struct gateway_inside *i)
{
	struct style style = style_of(q, i->network.addr.family);
	char net[PREFIX_STRLEN];

	ip_prefix_format(&i->network, net);
	if (!style.nft) {
		finding_remedy(q, f,
			"%s -I FORWARD -i %s -d %s -m conntrack --ctstate NEW -m conntrack "
			"! --ctstate DNAT -j DROP",
			style.iptables, u->interface, net);
	} else {
		const char *ip = i->network.addr.family == IP_V6 ? "ip6" : "ip";

		finding_remedy(q, f, "nft add table %s guard", ip);
		finding_remedy(q, f,
			"nft 'add chain %s guard forward { type filter hook forward priority -10; "
			"}'",
			ip);
		finding_remedy(q, f,
			"nft 'add rule %s guard forward iifname \"%s\" %s daddr %s ct state new ct "
			"status & dnat == 0 drop'",
			ip, u->interface, ip, net);
	}
	style_keep_rules(q, f);
}

static void look_at_guard(
	struct round *t, const struct tour_stop *beside, const struct tour_stop *inside)
{
	const struct gateway_uplink *u = beside->uplink;
	const struct gateway_inside *i = inside->inside;
	struct journey_question a = beside->question;
	struct journey j = {0};
	struct finding *f;
	char from[IP_STRLEN], to[PREFIX_STRLEN];
	bool made;

	if (!ip_is_private(&i->network.addr))
		return;
	a.dst = inside->question.src;
	a.returns = RETURN_THROUGH_US;
	journey_walk(t->q->arena, t->q->seen, &a, &j);
	if (j.verdict == JOURNEY_BROKEN || !j.ways.len || j.ways.items[0].dnat ||
		j.ways.items[0].legs[LEG_REQUEST].end != JOURNEY_FORWARDED ||
		(j.verdict == JOURNEY_UNKNOWN && j.ways.items[0].choices.len))
		return;
	f = finding_once(t->q, "open-to-neighbours", 57, DIAG_WARNING,
		arena_printf(t->q->arena, "%s %s", u->interface, i->interface), &made);
	if (!made)
		return;
	f->title = arena_printf(t->q->arena,
		"hosts in the network of %s reach private addresses behind %s", u->interface,
		i->interface);
	f->evidence = arena_printf(t->q->arena,
		"a request from %s that comes in by %s for %s is forwarded, though no rule "
		"translated it",
		ip_format(&a.src, from), u->interface, ip_prefix_format(&i->network, to));
	f->consequence = "whoever shares the provider's network can use it without any forward";
	remedy_guard(t->q, f, u, i);
}

static void look_at_guards(struct round *t, const struct tour *tour)
{
	VEC_EACH (&tour->stops, struct tour_stop, beside) {
		VEC_EACH (&tour->stops, struct tour_stop, inside) {
			if (beside->place == TOUR_BESIDE && inside->place == TOUR_INSIDE)
				look_at_guard(t, beside, inside);
		}
	}
}

/* ---- from one inside network to another (pitfall 8) ---- */

static void look_between(
	struct round *t, const struct tour_stop *here, const struct tour_stop *there)
{
	struct journey_question a = here->question;
	struct journey j = {0};

	if (here->place != TOUR_INSIDE || there->place != TOUR_INSIDE ||
		strcmp(here->inside->interface, there->inside->interface) == 0 ||
		t->walked++ >= JOURNEYS_MAX)
		return;
	a.dst = there->question.src;
	a.returns = RETURN_THROUGH_US;
	journey_walk(t->q->arena, t->q->seen, &a, &j);
	diagnose_between(t->q, &j);
}

static void look_at_insides(struct round *t, const struct tour *tour)
{
	VEC_EACH (&tour->stops, struct tour_stop, here) {
		VEC_EACH (&tour->stops, struct tour_stop, there)
			look_between(t, here, there);
	}
}

/* ---- without a forward ---- */

static void walk_without_forward(struct round *t)
{
	for (int v6 = 0; v6 < 2; v6++) {
		const struct gateway_forward web = {
			.family = v6 ? IP_V6 : IP_V4, .proto = PROTO_TCP, .first = 80, .last = 80};
		struct tour tour = {0};

		tour_of(t->q->arena, t->q->gateway, &web, &tour);
		look_at_guards(t, &tour);
		look_at_insides(t, &tour);
	}
}

/* ---- what is not known ---- */

static void tell_missing(struct inquiry *q)
{
	static const struct {
		uint32_t parts; /* all of these are wanted */
		uint8_t pitfall;
		const char *what, *needs;
	} rows[] = {
		{HAVE_NFT, 25, "whether rules of nftables or iptables-nft stand in the way",
			"nft.json (nft -j list ruleset) or iptables-save.txt"},
		{HAVE_LEGACY4, 29, "whether rules of iptables-legacy are in force, too",
			"iptables-legacy-save.txt"},
		{HAVE_ADDRS, 24, "whether the public addresses are this machine's",
			"ip-addr.json (ip -j addr)"},
		{HAVE_ROUTES4, 2, "which way packets go",
			"ip-route.json (ip -j route show table all)"},
		{HAVE_RULES4, 9, "which routing tables are asked", "ip-rule.json (ip -j rule)"},
		{HAVE_SYSCTLS, 17, "what rp_filter, forwarding and the like are set to",
			"sysctl.txt (sysctl -a)"},
		{HAVE_LINKS, 50, "the MTU of the interfaces", "ip-link.json (ip -d -j link)"},
		{HAVE_FLOWS, 40, "whether connections were made by rules that are gone",
			"conntrack.txt (conntrack -L)"},
		{HAVE_LISTENERS, 60, "whether a forward takes a port of the machine's own services",
			"the machine itself: portreeve doctor --live"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if ((q->seen->have & rows[i].parts) != rows[i].parts)
			finding_untold(q, rows[i].pitfall, rows[i].what, rows[i].needs);
	}
	if (q->seen->have & HAVE_ONLY_MAIN4)
		finding_untold(q, 8, "what the routing tables besides main hold",
			"ip-route.json (ip -j route show table all), or ip-route-TABLE.txt");
}

/* A line to the Internet that nothing tells from a network of public addresses inside. */
static void tell_doubtful_uplinks(struct inquiry *q)
{
	char buf[IP_STRLEN];

	VEC_EACH (&q->seen->addrs, struct net_addr, a) {
		if (!gateway_may_be_uplink(q->gateway, a))
			continue;
		finding_untold(q, 2,
			arena_printf(q->arena,
				"whether %s, with %s, is an uplink: forwards take what comes in "
				"there, but no default route leads out by it",
				a->interface, ip_format(&a->addr, buf)),
			arena_printf(q->arena,
				"a default route by it in a table of its own, if it is one (%s "
				"route add default via ROUTER dev %s table TABLE); else forwards "
				"that name the uplinks",
				style_ip(a->addr.family), a->interface));
	}
}

static void tell_unread_forwards(struct inquiry *q)
{
	VEC_EACH (&q->gateway->forwards, struct gateway_forward, f) {
		if (f->more_matches && !f->output)
			finding_untold(q, 36,
				arena_printf(q->arena, "for whom exactly this forward is: %s",
					inquiry_place_text(q, f->table, f->chain, f->rule)),
				"explain, with a packet that it is for");
	}
}

/* ---- the front doors ---- */

static void (*const lints[])(struct inquiry *q) = {
	lint_marks,
	lint_pins,
	lint_mark_bits,
	lint_ip_rules,
	lint_way_back,
	lint_addresses,
	lint_order,
	lint_two_rulesets,
	lint_unreached,
	lint_shadowed,
	lint_sources,
	lint_ports,
	lint_tracking,
	lint_own_packets,
	lint_own_services,
	lint_offload,
	lint_mtu,
	lint_bridge,
	lint_overlap,
	lint_services,
	lint_connections,
	pitfall_networkd,
};

static void begin(struct inquiry *q, struct arena *a, const struct netstate *net,
	const struct foreign_facts *facts, struct findings *out)
{
	static const struct foreign_facts nothing;
	struct gateway *g = arena_new_of(a, struct gateway);

	gateway_infer(a, net, g);
	*q = (struct inquiry){.arena = a,
		.seen = net,
		.facts = facts ? facts : &nothing,
		.then = *net,
		.gateway = g,
		.own = nft_table_find(&net->ruleset, FAMILY_INET, PORTREEVE_TABLE),
		.out = out};
	q->walker.net = &q->then;
}

void walk_diagnose(
	struct arena *a, const struct netstate *net, const struct journey *j, struct findings *out)
{
	struct inquiry q;
	bool fine = true;

	VEC_EACH (&j->ways, const struct journey_way, way)
		fine = fine && way->verdict != JOURNEY_BROKEN && way->dnat;
	if (fine)
		return;
	begin(&q, a, net, NULL, out);
	diagnose_journey(&q, j, NULL);
	findings_sort(out);
}

void walk_doctor(struct arena *a, const struct netstate *net, const struct foreign_facts *facts,
	struct findings *out)
{
	struct inquiry q;
	struct round t = {.q = &q};

	begin(&q, a, net, facts, out);
	walk_forwards(&t);
	walk_without_forward(&t);
	for (size_t i = 0; i < sizeof(lints) / sizeof(*lints); i++)
		lints[i](&q);
	tell_doubtful_uplinks(&q);
	tell_unread_forwards(&q);
	tell_missing(&q);
	findings_sort(out);
}
