/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the answer to a question for people: request and reply under each other, verdict, fix. */
#include <string.h>

#include "report/explain.h"

#define LABEL_WIDTH 12

enum paint { PAINT_RED, PAINT_GREEN, PAINT_YELLOW, PAINT_BOLD, PAINT_FAINT };

struct printer {
	struct strbuf *out;
	struct arena *arena;
	const struct explanation *e;
	bool colour;
};

static void paint(struct printer *p, enum paint how, const char *text)
{
	static const char *const codes[] = {[PAINT_RED] = "\033[1;31m",
		[PAINT_GREEN] = "\033[1;32m",
		[PAINT_YELLOW] = "\033[1;33m",
		[PAINT_BOLD] = "\033[1m",
		[PAINT_FAINT] = "\033[2m"};

	if (p->colour)
		strbuf_addf(p->out, "%s%s\033[0m", codes[how], text);
	else
		strbuf_add(p->out, text);
}

/* ---- packets ---- */

static void add_end(struct strbuf *out, const struct packet *k, bool source)
{
	const struct ip_addr *addr = source ? &k->saddr : &k->daddr;
	bool ports = k->proto == PROTO_TCP || k->proto == PROTO_UDP || k->proto == PROTO_SCTP;
	char buf[IP_STRLEN];

	if (!packet_knows(k, source ? PKT_SADDR : PKT_DADDR)) {
		strbuf_add(out, "?");
		return;
	}
	ip_format(addr, buf);
	if (!ports)
		strbuf_add(out, buf);
	else
		strbuf_addf(out, addr->family == IP_V6 ? "[%s]" : "%s", buf);
	if (ports && packet_knows(k, source ? PKT_SPORT : PKT_DPORT))
		strbuf_addf(out, ":%u", source ? k->sport : k->dport);
}

void explain_packet(struct strbuf *out, const struct packet *k)
{
	const char *name = ip_proto_name(k->proto);

	if (name)
		strbuf_addf(out, "%s ", name);
	else
		strbuf_addf(out, "protocol %u ", k->proto);
	add_end(out, k, true);
	strbuf_add(out, " -> ");
	add_end(out, k, false);
}

/* Of a request that was not walked: where it comes in is not known. */
static struct packet as_asked(const struct journey_question *q)
{
	return (struct packet){.known = PKT_SADDR | PKT_DADDR | PKT_SPORT | PKT_DPORT,
		.family = q->dst.family,
		.proto = q->proto,
		.saddr = q->src,
		.daddr = q->dst,
		.sport = q->sport,
		.dport = q->dport};
}

/* ---- steps ---- */

static const char *step_label(const struct journey_step *s)
{
	static const char *const stages[] = {[STAGE_ARRIVE] = "arrive",
		[STAGE_CONNTRACK] = "conntrack",
		[STAGE_RULE] = NULL,
		[STAGE_NAT] = NULL,
		[STAGE_ROUTE] = "route",
		[STAGE_REROUTE] = "reroute",
		[STAGE_SOURCE] = "source check",
		[STAGE_FORWARD] = "forwarding",
		[STAGE_NEIGHBOUR] = "neighbour",
		[STAGE_DELIVER] = "deliver",
		[STAGE_LEAVE] = "leave",
		[STAGE_FORK] = "fork"};

	return stages[s->stage] ? stages[s->stage] : explain_hook_name(s->hook);
}

/* "[iptables-save.txt:12]", "[handle 7]" */
static void add_where(struct strbuf *out, const struct explain_place *at)
{
	if (at->file)
		strbuf_addf(out, "  [%s:%u]", at->file, at->line);
	else if (at->handle)
		strbuf_addf(out, "  [handle %llu]", (unsigned long long)at->handle);
}

static void print_step(struct printer *p, const struct journey_step *s)
{
	struct strbuf line = STRBUF_INIT;
	struct explain_place at;

	strbuf_addf(p->out, "  %-*s  ", LABEL_WIDTH, step_label(s));
	if (s->stops)
		paint(p, PAINT_RED, s->text);
	else if (s->stage == STAGE_FORK)
		paint(p, PAINT_YELLOW, s->text);
	else
		strbuf_add(p->out, s->text);
	explain_place(p->arena, p->e, s, &at);
	if (at.rule && at.rule[0]) {
		/* iptables' own words name the chain. */
		bool named = strncmp(at.rule, "-A ", 3) == 0;

		strbuf_addf(&line, "%s%s%s: %s", at.table, named ? "" : " ", named ? "" : at.chain,
			at.rule);
		strbuf_addch(p->out, '\n');
		strbuf_fill(p->out, ' ', LABEL_WIDTH + 4);
	}
	add_where(&line, &at);
	if (line.len)
		paint(p, PAINT_FAINT, strbuf_str(&line));
	strbuf_addch(p->out, '\n');
	strbuf_fini(&line);
}

static void print_leg(struct printer *p, const struct journey_way *w, enum journey_leg_kind kind,
	const char *name)
{
	const struct journey_leg *leg = &w->legs[kind];

	if (!leg->walked)
		return;
	paint(p, PAINT_BOLD, name);
	strbuf_add(p->out, "  ");
	explain_packet(p->out, &leg->first);
	strbuf_addch(p->out, '\n');
	VEC_EACH (&leg->steps, const struct journey_step, s)
		print_step(p, s);
	if (kind == LEG_REPLY && w->home == TRI_NO) {
		strbuf_fill(p->out, ' ', LABEL_WIDTH + 4);
		paint(p, PAINT_RED, "not home: ");
		strbuf_addf(p->out, "the request came in by %s\n", p->e->journey.in);
	}
	strbuf_addch(p->out, '\n');
}

/* An error that does not come back is a black hole for large packets. */
static void print_lost_errors(struct printer *p)
{
	static const char *const about[] = {"the request", "the reply"};

	for (unsigned int i = 0; i < 2; i++) {
		const struct journey_leg *leg = &p->e->errors[i];

		if (!leg->walked || leg->end == JOURNEY_FORWARDED || leg->end == JOURNEY_LOCAL)
			continue;
		paint(p, PAINT_YELLOW, "an ICMP error about ");
		paint(p, PAINT_YELLOW, about[i]);
		strbuf_add(p->out, ", such as 'fragmentation needed', does not get back:\n");
		VEC_EACH (&leg->steps, const struct journey_step, s) {
			if (s->stops)
				print_step(p, s);
		}
		strbuf_addch(p->out, '\n');
	}
}

/* Does the further request tell anything that the first did not? */
static bool later_differs(const struct journey_way *w)
{
	const struct journey_leg *first = &w->legs[LEG_REQUEST], *later = &w->legs[LEG_LATER];

	if (!later->walked)
		return false;
	if (later->end != first->end)
		return true;
	return later->out && first->out && strcmp(later->out, first->out) != 0;
}

static void print_choices(struct printer *p, const struct journey_way *w)
{
	VEC_EACH (&w->choices, const struct journey_choice, c) {
		const char *label = c->taken < WALK_FORK_WAYS ? c->fork.label[c->taken] : NULL;

		strbuf_addf(p->out, "  %s%s%s\n", c->fork.why ? c->fork.why : "it cannot be told",
			label ? ": here, " : "", label ? label : "");
	}
	if (w->share < 1)
		strbuf_addf(
			p->out, "  so it goes for %.0f %% of the connections\n", w->share * 100);
}

static void print_way(struct printer *p, const struct journey_way *w)
{
	print_choices(p, w);
	print_leg(p, w, LEG_REQUEST, "request");
	print_leg(p, w, LEG_REPLY, "reply");
	if (later_differs(w))
		print_leg(p, w, LEG_LATER, "a later request");
}

static void print_verdict(struct printer *p, enum journey_verdict v, const char *why)
{
	static const enum paint paints[] = {[JOURNEY_WORKS] = PAINT_GREEN,
		[JOURNEY_BROKEN] = PAINT_RED,
		[JOURNEY_UNKNOWN] = PAINT_YELLOW};

	paint(p, paints[v], explain_verdict_name(v));
	strbuf_addf(p->out, ": %s\n", why);
}

static void print_bypass(struct printer *p)
{
	static const char *const takes[] = {
		[TRI_NO] = "no", [TRI_YES] = "yes", [TRI_UNKNOWN] = "unknown"};
	const struct bypass *b = &p->e->bypass;

	if (!b->asked)
		return;
	strbuf_addf(p->out, "fast path: %s: %s", takes[b->takes], b->why);
	if (b->reason)
		strbuf_addf(p->out, " (%s)", b->reason);
	strbuf_addch(p->out, '\n');
}

static void print_other_ways(struct printer *p)
{
	const struct journey *j = &p->e->journey;

	for (size_t i = 1; i < j->ways.len; i++) {
		const struct journey_way *w = &j->ways.items[i];

		strbuf_add(p->out, "or, ");
		print_verdict(p, w->verdict, w->why);
		print_choices(p, w);
	}
	if (j->more_ways)
		strbuf_add(p->out, "There are more ways than were walked.\n");
}

static void print_assumed(struct printer *p)
{
	const struct journey *j = &p->e->journey;

	if (!j->assumed.len)
		return;
	strbuf_add(p->out, "\nTaken for granted:\n");
	VEC_EACH (&j->assumed, const struct journey_assumption, it) {
		strbuf_addf(p->out, "  %s", it->what);
		if (it->where)
			strbuf_addf(p->out, " (%s)", it->where);
		strbuf_addch(p->out, '\n');
	}
}

void explain_print(struct strbuf *out, const struct explanation *e, bool all, bool colour)
{
	const struct journey *j = &e->journey;
	const struct journey_way *first = &j->ways.items[0];
	const struct journey_leg *request = &first->legs[LEG_REQUEST];
	struct printer p = {.out = out, .arena = arena_new(), .e = e, .colour = colour};
	struct packet asked = as_asked(&j->question);

	explain_packet(out, request->walked ? &request->first : &asked);
	if (j->in)
		strbuf_addf(out, ", in by %s", j->in);
	strbuf_addf(out, ", on %s\n\n", e->source->name);
	for (size_t i = 0; i < (all ? j->ways.len : 1); i++) {
		print_way(&p, &j->ways.items[i]);
		if (all && j->ways.len > 1) {
			print_verdict(&p, j->ways.items[i].verdict, j->ways.items[i].why);
			strbuf_addch(out, '\n');
		}
	}
	if (first->verdict == JOURNEY_WORKS)
		print_lost_errors(&p);
	print_verdict(&p, j->verdict, explain_why(p.arena, j));
	print_bypass(&p);
	if (!all)
		print_other_ways(&p);
	print_assumed(&p);
	if (e->pitfalls.items.len) {
		strbuf_addch(out, '\n');
		findings_print(out, &e->pitfalls, DIAG_INFO, colour);
	}
	arena_free(p.arena);
}
