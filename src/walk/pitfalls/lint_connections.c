/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds in conntrack's entries what rules alone do not show: forwards whose backend never answers (1),
 * handshakes that do not finish (2), entries that contradict the rules (40, 41), or the routes (42),
 * and a table that is full (52).
 */
#include <string.h>

#include "walk/pitfalls/diagnose.h"

#define UNANSWERED_MIN 2 /* connections that never were answered: one may be a dead client */
#define HALF_OPEN_MIN  5 /* handshakes that hang at one forward */
#define FULL_PERCENT   90
#define STALE_MAX      20 /* entries that get a command of their own */

static char *tuple_text(struct inquiry *q, const struct net_flow *e)
{
	const struct flow_tuple *to = &e->original, *reply = &e->reply;
	const char *proto = ip_proto_name(e->proto);

	return arena_printf(q->arena, "%s %s -> %s, answered by %s%s%s", proto ? proto : "?",
		inquiry_endpoint_text(q, &to->src, to->sport),
		inquiry_endpoint_text(q, &to->dst, to->dport),
		inquiry_endpoint_text(q, &reply->src, reply->sport), e->state ? " " : "",
		e->state ? e->state : "");
}

/* Is the forward for @dst, as far as the interface can be told by the address? */
static bool is_for(
	const struct inquiry *q, const struct gateway_forward *f, const struct ip_addr *dst)
{
	const struct net_addr *a = netstate_addr(&q->then, dst);

	if (f->dst.addr.family || f->dst_local)
		return true;
	return a && f->in && !f->in_inverted && strcmp(a->interface, f->in) == 0;
}

/* The forward that the connection's first packet would match today; NULL: none, or not certain. */
static const struct gateway_forward *forward_of(const struct inquiry *q, const struct net_flow *e)
{
	VEC_EACH (&q->gateway->forwards, struct gateway_forward, f) {
		if (f->output || f->family != e->original.dst.family ||
			(f->proto && f->proto != e->proto) || e->original.dport < f->first ||
			e->original.dport > f->last ||
			(f->dst.addr.family && !ip_in_prefix(&e->original.dst, &f->dst)) ||
			(f->src.addr.family && !ip_in_prefix(&e->original.src, &f->src)))
			continue;
		return f->more_matches || !is_for(q, f, &e->original.dst) ? NULL : f;
	}
	return NULL;
}

static bool is_answered(const struct net_flow *e)
{
	return e->status & CT_SEEN_REPLY;
}

static bool came_from_outside(const struct inquiry *q, const struct net_flow *e)
{
	VEC_EACH (&q->then.addrs, struct net_addr, a) {
		struct ip_prefix n = ip_prefix_of(&a->addr, a->prefix_len);

		if (ip_in_prefix(&e->original.src, &n))
			return false;
	}
	return true;
}

/* ---- forwards that are not answered ---- */

struct tally {
	size_t answered, unanswered, half_open;
	const struct net_flow *example, *half_example;
};

static void count(struct tally *t, const struct net_flow *e)
{
	if (e->state && strcmp(e->state, "SYN_RECV") == 0) {
		t->half_open++;
		t->half_example = e;
	} else if (is_answered(e)) {
		t->answered++;
	} else {
		t->unanswered++;
		t->example = e;
	}
}

/* What the walk of the forward has found already: the entries are evidence of it. */
static struct finding *explained(struct inquiry *q, const char *forward)
{
	VEC_EACH (&q->out->items, struct finding, f) {
		if (f->severity != DIAG_ERROR)
			continue;
		VEC_EACH (&f->forwards, const char *, it) {
			if (strcmp(*it, forward) == 0)
				return f;
		}
	}
	return NULL;
}

static void add_unanswered(
	struct inquiry *q, const struct gateway_forward *w, const struct tally *t)
{
	const char *forward = inquiry_forward_text(q, w);
	const char *seen = arena_printf(q->arena,
		"%zu entries of conntrack without an answer, none with one; for one: %s",
		t->unanswered, tuple_text(q, t->example));
	struct finding *f = explained(q, forward);
	char to[IP_STRLEN];
	bool made;

	if (f) {
		f->evidence = arena_printf(q->arena, "%s; %s", f->evidence, seen);
		return;
	}
	ip_format(&w->to, to);
	f = finding_once(
		q, "backend-bypasses-gateway", 1, DIAG_WARNING, arena_strdup(q->arena, to), &made);
	finding_forward(q, f, forward);
	if (!made)
		return;
	f->title = arena_printf(q->arena, "connections that are led to %s are never answered", to);
	f->evidence = seen;
	f->consequence = "the backend is off, or sends its replies another way than through this "
			 "machine";
	f->advice = "make this machine its default gateway, or translate the clients' addresses "
		    "towards it (SNAT)";
}

/* Would one like it come to be by the rules as they are now? */
static bool works_now(struct inquiry *q, const struct net_flow *e)
{
	struct journey_question a = {.proto = e->proto,
		.src = e->original.src,
		.dst = e->original.dst,
		.sport = e->original.sport ^ 1, /* the entry itself would go on as it is */
		.dport = e->original.dport,
		.returns = RETURN_THROUGH_US};
	struct journey j = {0};

	journey_walk(q->arena, q->seen, &a, &j);
	return j.verdict == JOURNEY_WORKS;
}

static void add_half_open(struct inquiry *q, const struct gateway_forward *w, const struct tally *t)
{
	const char *forward = inquiry_forward_text(q, w);
	const char *seen =
		arena_printf(q->arena, "%zu entries of conntrack in SYN_RECV; for one: %s",
			t->half_open, tuple_text(q, t->half_example));
	struct finding *f = explained(q, forward);
	char at[IP_STRLEN];
	bool made;

	if (f) {
		f->evidence = arena_printf(q->arena, "%s; %s", f->evidence, seen);
		return;
	}
	ip_format(&t->half_example->original.dst, at);
	f = finding_once(q, "handshakes-hang", 2,
		works_now(q, t->half_example) ? DIAG_INFO : DIAG_WARNING,
		arena_strdup(q->arena, at), &made);
	finding_forward(q, f, forward);
	if (!made)
		return;
	f->title = arena_printf(q->arena, "handshakes of connections to %s do not finish", at);
	f->evidence = seen;
	f->consequence = "the backend answers, and the clients do not get it: replies leave by the "
			 "wrong uplink, for one; or the rules have been changed since";
	f->advice = "ask for one of them: portreeve explain tcp CLIENT ADDRESS:PORT";
}

/* ---- entries that contradict the rules ---- */

/* Nothing more is said in it. */
static bool is_over(const struct net_flow *e)
{
	static const char *const states[] = {
		"FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE"};

	for (size_t i = 0; e->state && i < sizeof(states) / sizeof(*states); i++) {
		if (strcmp(e->state, states[i]) == 0)
			return true;
	}
	return false;
}

static bool goes_there(const struct gateway_forward *w, const struct net_flow *e)
{
	bool port = w->to_first == 0
			    ? e->reply.sport == e->original.dport
			    : e->reply.sport >= w->to_first && e->reply.sport <= w->to_last_port;

	if (!w->to.family)
		return true;
	/* Of a network as a whole, or a range, it is enough that it is translated. */
	if (!ip_equal(&w->to, &w->to_last))
		return !ip_equal(&e->reply.src, &e->original.dst);
	return ip_equal(&e->reply.src, &w->to) && port;
}

static void add_stale(struct inquiry *q, const struct gateway_forward *w, const struct net_flow *e)
{
	bool untranslated = ip_equal(&e->reply.src, &e->original.dst);
	bool udp = untranslated && e->proto == PROTO_UDP;
	/* A TCP connection ends by itself, and what was begun may be meant to go on. */
	enum diag_severity severity = e->proto == PROTO_TCP ? DIAG_INFO : DIAG_WARNING;
	char a[IP_STRLEN], b[IP_STRLEN];
	struct finding *f;
	bool made;

	f = finding_once(q, udp ? "stale-udp-connection" : "old-connection-keeps-mapping",
		udp ? 41 : 40, severity, inquiry_forward_text(q, w), &made);
	finding_forward(q, f, inquiry_forward_text(q, w));
	if (made) {
		f->title = udp ? "a peer's packets keep an entry alive that was made before the "
				 "forward was"
			       : "a connection was translated by rules that are no longer there";
		f->evidence = arena_printf(q->arena, "%s; today: %s", tuple_text(q, e),
			inquiry_place_text(q, w->table, w->chain, w->rule));
		f->consequence = "rules are asked for the first packet only: this connection goes "
				 "on as before until it ends";
	}
	if (f->remedy.len < STALE_MAX && ip_proto_name(e->proto))
		finding_remedy(q, f, "conntrack -D -p %s -s %s -d %s --sport %u --dport %u",
			ip_proto_name(e->proto), ip_format(&e->original.src, a),
			ip_format(&e->original.dst, b), e->original.sport, e->original.dport);
}

/* ---- entries that contradict the routes ---- */

static const char *inside_of(const struct inquiry *q, const struct ip_addr *addr)
{
	VEC_EACH (&q->gateway->insides, struct gateway_inside, i) {
		if (ip_in_prefix(addr, &i->network))
			return i->interface;
	}
	return NULL;
}

/* The default route that the connection's packets follow if they carry @mark, where it does not leave
 * by @interface; NULL: it does, or is none. */
static const struct net_route *other_way(struct inquiry *q, const struct net_flow *e,
	const char *in, const char *interface, uint32_t mark)
{
	struct packet p = {.family = e->original.src.family,
		.known = PKT_PROTO | PKT_SADDR | PKT_DADDR | PKT_SPORT | PKT_DPORT | PKT_IIF,
		.proto = e->proto,
		.saddr = e->original.src,
		.daddr = e->original.dst,
		.sport = e->original.sport,
		.dport = e->original.dport,
		.mark = mark,
		.mark_known = UINT32_MAX,
		.iif = in};
	struct walk_route r;

	walk_route(&q->then, &p, &r);
	if (r.kind != WALK_ROUTE_FOUND || r.route->type != ROUTE_UNICAST || r.route->dst.len ||
		walk_route_leaves_by(r.route, interface) != TRI_NO)
		return NULL;
	return r.route;
}

static void look_at_route(struct inquiry *q, const struct net_flow *e)
{
	const struct net_addr *source = netstate_addr(&q->then, &e->reply.dst);
	const char *in = inside_of(q, &e->original.src);
	const struct net_route *way;
	char buf[IP_STRLEN];
	struct finding *f;
	bool made;

	if (!source || !in || strcmp(source->interface, in) == 0 || is_over(e) ||
		ip_equal(&e->original.src, &e->reply.dst))
		return;
	way = other_way(q, e, in, source->interface, 0);
	/* Rules may give its packets the connection's mark. */
	if (!way || (e->mark && !other_way(q, e, in, source->interface, e->mark)))
		return;
	f = finding_once(q, "source-outlives-route", 42, DIAG_WARNING, source->interface, &made);
	if (!made)
		return;
	f->title = arena_printf(q->arena,
		"connections carry an address of %s and leave by another uplink",
		source->interface);
	f->evidence = arena_printf(q->arena, "%s, translated to %s; today's route: %s",
		tuple_text(q, e), ip_format(&e->reply.dst, buf), inquiry_route_text(q, way));
	f->consequence = "the provider drops what has a foreign source address";
	finding_remedy(q, f, "conntrack -D -q %s", ip_format(&e->reply.dst, buf));
	f->advice = "pin connections to their uplink by mark, or flush those of an uplink when it "
		    "goes down";
}

/* ---- the table ---- */

static void look_at_room(struct inquiry *q)
{
	long count = netstate_sysctl_int(&q->then, "net.netfilter.nf_conntrack_count", -1);
	long max = netstate_sysctl_int(&q->then, "net.netfilter.nf_conntrack_max", -1);
	struct finding *f;

	if (count < 0 || max <= 0 || count < max * FULL_PERCENT / 100)
		return;
	f = finding_add(q, "conntrack-full", 52, DIAG_WARNING, false);
	f->title = "the table of tracked connections is all but full";
	f->evidence = arena_printf(
		q->arena, "nf_conntrack_count = %ld, nf_conntrack_max = %ld", count, max);
	f->consequence = "new connections are dropped at random when it is full";
	style_sysctl(
		q, f, "net.netfilter.nf_conntrack_max", arena_printf(q->arena, "%ld", max * 4));
}

void lint_connections(struct inquiry *q)
{
	size_t n = q->gateway->forwards.len;
	struct tally *tallies = arena_alloc(q->arena, n * sizeof(*tallies));

	look_at_room(q);
	VEC_EACH (&q->then.flows, struct net_flow, e) {
		const struct gateway_forward *w = forward_of(q, e);
		bool outside = came_from_outside(q, e);

		look_at_route(q, e);
		if (!w || (!outside && w->in))
			continue;
		if (!goes_there(w, e) && !is_over(e))
			add_stale(q, w, e);
		else if (outside && w->to.family)
			count(&tallies[w - q->gateway->forwards.items], e);
	}
	for (size_t i = 0; i < n; i++) {
		const struct gateway_forward *w = &q->gateway->forwards.items[i];

		if (tallies[i].unanswered >= UNANSWERED_MIN && !tallies[i].answered &&
			!tallies[i].half_open)
			add_unanswered(q, w, &tallies[i]);
		if (tallies[i].half_open >= HALF_OPEN_MIN)
			add_half_open(q, w, &tallies[i]);
	}
}
