/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Says of a trip whether the connection works, and in one line why. */
#include <string.h>

#include "walk/trip.h"

#define HALF_OF_ALL 1 /* prefix length of 0.0.0.0/1 and 128.0.0.0/1, which together are a default */

static bool is_uplink(const struct netstate *net, uint8_t family, const char *interface)
{
	VEC_EACH (&net->routes, struct net_route, r) {
		if (r->family == family && r->dst.len <= HALF_OF_ALL && r->type == ROUTE_UNICAST &&
			interface && walk_route_leaves_by(r, interface) != TRI_NO)
			return true;
	}
	return false;
}

static void say(struct trip *t, enum journey_verdict v, const char *why)
{
	t->way->verdict = v;
	t->way->why = why;
}

/* ---- legs that end ---- */

static const struct journey_step *stop_of(const struct journey_leg *leg)
{
	VEC_EACH (&leg->steps, struct journey_step, s) {
		if (s->stops)
			return s;
	}
	return NULL;
}

static const char *where_it_ends(struct trip *t, const struct journey_leg *leg)
{
	const struct journey_step *s = stop_of(leg);
	struct strbuf b = STRBUF_INIT;
	const char *text;

	if (!s)
		return "";
	if (s->stage != STAGE_RULE || !s->rule.table)
		return arena_printf(t->a, ": %s", s->text);
	walk_step_print(&b, &s->rule);
	text = arena_printf(t->a, ": %s", strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}

/* A leg that did not get through. False: it did. */
static bool judge_end(struct trip *t, const struct journey_leg *leg, const char *name)
{
	const char *how = NULL;

	switch (leg->end) {
	case JOURNEY_FORWARDED:
	case JOURNEY_LOCAL:
		return false;
	case JOURNEY_DROPPED:
		how = "dropped";
		break;
	case JOURNEY_REJECTED:
		how = "rejected";
		break;
	case JOURNEY_UNROUTABLE:
		how = "not routed anywhere";
		break;
	case JOURNEY_LOST:
		say(t, JOURNEY_UNKNOWN,
			arena_printf(t->a, "what becomes of %s cannot be told%s", name,
				where_it_ends(t, leg)));
		return true;
	}
	say(t, JOURNEY_BROKEN, arena_printf(t->a, "%s is %s%s", name, how, where_it_ends(t, leg)));
	return true;
}

/* ---- legs that go astray ---- */

/* The route that sent the packet where it left. */
static const struct net_route *route_of(const struct journey_leg *leg)
{
	const struct net_route *r = NULL;

	VEC_EACH (&leg->steps, struct journey_step, s) {
		if (s->stage == STAGE_ROUTE || s->stage == STAGE_REROUTE)
			r = s->route;
	}
	return r;
}

/* It took a less specific route, out of another interface, than main has for its destination. */
static bool judge_stray(struct trip *t, const struct journey_leg *leg, const char *name)
{
	const struct net_route *taken = route_of(leg), *own;
	struct packet key = leg->last;
	char buf[IP_STRLEN];

	if (leg->end != JOURNEY_FORWARDED || !taken)
		return false;
	own = walk_table_route(t->net, TABLE_MAIN, &key);
	if (!own || own->type != ROUTE_UNICAST || own->dst.len <= HALF_OF_ALL ||
		own->dst.len <= taken->dst.len || walk_route_leaves_by(own, leg->out) != TRI_NO)
		return false;
	say(t, JOURNEY_BROKEN,
		arena_printf(t->a, "%s for %s leaves by %s, but %s is reached by %s", name,
			ip_format(&key.daddr, buf), leg->out, buf,
			own->nexthops.len && own->nexthops.items[0].interface
				? own->nexthops.items[0].interface
				: "another interface"));
	return true;
}

static bool has_public_address(const struct trip *t, uint8_t family, const char *interface)
{
	VEC_EACH (&t->net->addrs, struct net_addr, a) {
		if (a->addr.family == family && name_equal(a->interface, interface) &&
			!ip_is_private(&a->addr) && !ip_is_link_local(&a->addr))
			return true;
	}
	return false;
}

/* What a line to the Internet does not carry: another line's source, or a private one. */
static bool judge_foreign_source(struct trip *t, const struct journey_leg *leg)
{
	const struct ip_addr *source = &leg->last.saddr;
	const struct net_addr *owner = netstate_addr(t->net, source);
	char buf[IP_STRLEN];

	/* Who says that answers come back knows better. */
	if (t->q->returns == RETURN_THROUGH_US || leg->end != JOURNEY_FORWARDED ||
		leg->via.family == IP_NONE || !packet_knows(&leg->last, PKT_SADDR) ||
		!is_uplink(t->net, leg->last.family, leg->out))
		return false;
	if (owner && !name_equal(owner->interface, leg->out) &&
		is_uplink(t->net, leg->last.family, owner->interface)) {
		bool also_here = false;

		VEC_EACH (&t->net->addrs, struct net_addr, a)
			also_here = also_here || (ip_equal(&a->addr, source) &&
							 name_equal(a->interface, leg->out));
		if (also_here)
			return false;
		say(t, JOURNEY_BROKEN,
			arena_printf(t->a,
				"the request leaves by %s with source %s, which is %s's; an ISP "
				"drops foreign sources",
				leg->out, ip_format(source, buf), owner->interface));
		return true;
	}
	if (!ip_is_private(source) || !has_public_address(t, leg->last.family, leg->out))
		return false;
	say(t, JOURNEY_BROKEN,
		arena_printf(t->a,
			"the request leaves by %s with the private source %s, to which no reply "
			"can come",
			leg->out, ip_format(source, buf)));
	return true;
}

/* ---- does the backend answer through here? ---- */

static bool on_same_network(const struct trip *t, const char *interface, const struct ip_addr *x,
	const struct ip_addr *y)
{
	VEC_EACH (&t->net->addrs, struct net_addr, a) {
		struct ip_prefix net = ip_prefix_of(&a->addr, a->prefix_len);

		if (name_equal(a->interface, interface) && ip_in_prefix(x, &net) &&
			ip_in_prefix(y, &net))
			return true;
	}
	return false;
}

/* What conntrack's entries say of the backend. That a datagram had no answer says nothing: many a
 * service owes none (WireGuard, for one, to whom it does not know). */
static enum tri flows_tell(const struct trip *t, const struct packet *last)
{
	enum tri answer = TRI_UNKNOWN;

	VEC_EACH (&t->net->flows, struct net_flow, f) {
		if (f->proto != last->proto || !ip_equal(&f->reply.src, &last->daddr) ||
			f->reply.sport != last->dport || trip_is_ours(t, &f->reply.dst))
			continue;
		if (f->status & (CT_SEEN_REPLY | CT_ASSURED))
			return TRI_YES;
		if (f->proto == PROTO_TCP && ip_equal(&f->original.dst, &t->q->dst) &&
			f->original.dport == t->q->dport)
			answer = TRI_NO;
	}
	return answer;
}

static enum tri answers_through_us(struct trip *t)
{
	const struct packet *last = &t->way->legs[LEG_REQUEST].last;
	const struct journey_leg *request = &t->way->legs[LEG_REQUEST];

	if (request->end != JOURNEY_FORWARDED || trip_is_ours(t, &last->saddr))
		return TRI_YES;
	switch (t->q->returns) {
	case RETURN_THROUGH_US:
		return TRI_YES;
	case RETURN_BYPASS:
		return TRI_NO;
	case RETURN_ASK:
		break;
	}
	/* Both are on one network: it need not ask anyone. */
	if (name_equal(request->in, request->out) && request->via.family == IP_NONE &&
		on_same_network(t, request->out, &last->saddr, &last->daddr))
		return TRI_NO;
	return flows_tell(t, last);
}

static void judge_bypass(struct trip *t)
{
	const struct journey_leg *request = &t->way->legs[LEG_REQUEST];
	char backend[IP_STRLEN], client[IP_STRLEN], called[IP_STRLEN];

	ip_format(&request->last.daddr, backend);
	ip_format(&request->last.saddr, client);
	ip_format(&request->first.daddr, called);
	if (name_equal(request->in, request->out))
		say(t, JOURNEY_BROKEN,
			arena_printf(t->a,
				"%s answers %s directly, as both are on %s; the client waits for "
				"%s",
				backend, client, request->out, called));
	else
		say(t, JOURNEY_BROKEN,
			arena_printf(t->a, "%s answers %s by another way, past this machine",
				backend, client));
}

static void judge_unknown_return(struct trip *t)
{
	const struct packet *last = &t->way->legs[LEG_REQUEST].last;
	char backend[IP_STRLEN], client[IP_STRLEN];

	ip_format(&last->daddr, backend);
	ip_format(&last->saddr, client);
	trip_assume(t,
		arena_printf(
			t->a, "%s sends its replies to %s through this machine", backend, client),
		arena_printf(
			t->a, "`ip route get %s` on %s, or `conntrack -L` here", client, backend),
		true);
	say(t, JOURNEY_UNKNOWN,
		arena_printf(t->a,
			"whether %s sends its reply to %s through this machine is not known",
			backend, client));
}

/* ---- home ---- */

/* The next hop on the interface that a request came in by, where several uplinks share it. */
static struct ip_addr home_hop(const struct trip *t, const struct journey_leg *request)
{
	static const uint8_t unknown[6];
	const uint8_t *mac = t->q->smac;
	struct ip_addr hop = {0};
	bool several = false;

	VEC_EACH (&t->net->neighbours, struct net_neighbour, n) {
		if (memcmp(mac, unknown, 6) != 0 && n->has_mac && memcmp(n->mac, mac, 6) == 0 &&
			n->addr.family == t->q->dst.family && name_equal(n->interface, request->in))
			return n->addr;
	}
	VEC_EACH (&t->net->routes, struct net_route, r) {
		if (r->family != t->q->dst.family || r->dst.len > HALF_OF_ALL)
			continue;
		VEC_EACH (&r->nexthops, struct net_nexthop, h) {
			if (!name_equal(h->interface, request->in) || h->gateway.family == IP_NONE)
				continue;
			if (hop.family != IP_NONE && !ip_equal(&hop, &h->gateway))
				several = true;
			if (hop.family == IP_NONE ||
				on_same_network(t, request->in, &h->gateway, &t->q->dst))
				hop = h->gateway;
		}
	}
	if (!several || !on_same_network(t, request->in, &hop, &t->q->dst))
		return (struct ip_addr){0};
	return hop;
}

static bool judge_home(struct trip *t)
{
	const struct journey_leg *request = &t->way->legs[LEG_REQUEST];
	const struct journey_leg *reply = &t->way->legs[LEG_REPLY];
	uint8_t family = reply->last.family;
	struct ip_addr hop;
	char buf[IP_STRLEN], other[IP_STRLEN];

	if (!request->in)
		return false;
	if (reply->end == JOURNEY_LOCAL) {
		t->way->home = TRI_NO;
		say(t, JOURNEY_BROKEN,
			"the reply ends in this machine: the request's source is an address of its "
			"own");
		return true;
	}
	if (reply->end != JOURNEY_FORWARDED)
		return false;
	t->way->home = tri_of(name_equal(request->in, reply->out));
	if (t->way->home == TRI_NO) {
		if (!is_uplink(t->net, family, request->in) &&
			!is_uplink(t->net, family, reply->out))
			return false;
		say(t, JOURNEY_BROKEN,
			arena_printf(t->a,
				"the reply leaves by %s, not by %s where the request came in%s",
				reply->out, request->in,
				is_uplink(t->net, family, reply->out)
					? "; an ISP drops foreign sources"
					: ""));
		return true;
	}
	hop = home_hop(t, request);
	if (hop.family == IP_NONE || reply->via.family == IP_NONE || ip_equal(&hop, &reply->via))
		return false;
	t->way->home = TRI_NO;
	say(t, JOURNEY_BROKEN,
		arena_printf(t->a,
			"the reply leaves to %s, not to %s by which the request came in; both are "
			"on "
			"%s",
			ip_format(&reply->via, buf), ip_format(&hop, other), reply->out));
	return true;
}

/* The client takes an answer only from where it sent the request. */
static bool judge_inverse(struct trip *t)
{
	const struct packet *asked = &t->way->legs[LEG_REQUEST].first;
	const struct packet *answer = &t->way->legs[LEG_REPLY].last;
	uint32_t missing = ~(asked->known & answer->known);
	char is[ENDPOINT_STRLEN], wanted[ENDPOINT_STRLEN];
	bool ports = trip_has_ports(asked->proto);

	if ((missing & PKT_SADDR || ip_equal(&answer->saddr, &asked->daddr)) &&
		(!ports || missing & PKT_SPORT || answer->sport == asked->dport)) {
		if ((missing & PKT_DADDR || ip_equal(&answer->daddr, &asked->saddr)) &&
			(!ports || missing & PKT_DPORT || answer->dport == asked->sport))
			return false;
		say(t, JOURNEY_BROKEN,
			arena_printf(t->a, "the reply goes to %s, not to %s that asked",
				trip_endpoint(answer->proto, &answer->daddr, answer->dport,
					packet_knows(answer, PKT_DPORT), is),
				trip_endpoint(
					asked->proto, &asked->saddr, asked->sport, true, wanted)));
		return true;
	}
	say(t, JOURNEY_BROKEN,
		arena_printf(t->a, "the reply comes from %s, not from %s that was asked",
			trip_endpoint(answer->proto, &answer->saddr, answer->sport,
				packet_knows(answer, PKT_SPORT), is),
			trip_endpoint(asked->proto, &asked->daddr, asked->dport, true, wanted)));
	return true;
}

/* ---- further requests, neighbours, services ---- */

static bool judge_later(struct trip *t)
{
	const struct journey_leg *first = &t->way->legs[LEG_REQUEST];
	const struct journey_leg *later = &t->way->legs[LEG_LATER];

	if (!later->walked)
		return false;
	if (judge_end(t, later, "a further request") || judge_stray(t, later, "a further request"))
		return true;
	if (later->end != first->end ||
		(later->out && first->out && !name_equal(later->out, first->out))) {
		say(t, JOURNEY_BROKEN,
			arena_printf(t->a, "the first request goes %s%s, a further one %s%s",
				first->end == JOURNEY_LOCAL ? "to this machine" : "out by ",
				first->out ? first->out : "",
				later->end == JOURNEY_LOCAL ? "to this machine" : "out by ",
				later->out ? later->out : ""));
		return true;
	}
	if (ip_equal(&later->last.daddr, &first->last.daddr) &&
		ip_equal(&later->last.saddr, &first->last.saddr) &&
		later->last.dport == first->last.dport)
		return false;
	say(t, JOURNEY_BROKEN, "a further request is translated otherwise than the first");
	return true;
}

static bool judge_neighbour(struct trip *t, const struct journey_leg *leg)
{
	VEC_EACH (&leg->steps, struct journey_step, s) {
		if (s->stage != STAGE_NEIGHBOUR || flows_tell(t, &leg->last) == TRI_YES)
			continue;
		say(t, JOURNEY_BROKEN, s->text);
		return true;
	}
	return false;
}

/* A request for this machine itself needs a service. */
static bool judge_service(struct trip *t)
{
	const struct journey_leg *request = &t->way->legs[LEG_REQUEST];
	const struct packet *p = &request->last;
	char at[ENDPOINT_STRLEN];

	if (request->end != JOURNEY_LOCAL || !trip_has_ports(p->proto) || t->accept_by_tproxy)
		return false;
	trip_endpoint(p->proto, &p->daddr, p->dport, true, at);
	if (!(t->net->have & HAVE_LISTENERS)) {
		trip_assume(t, arena_printf(t->a, "a service of this machine listens on %s", at),
			"`ss -ltnu`", true);
		return false;
	}
	if (trip_listens(t, p))
		return false;
	say(t, JOURNEY_BROKEN,
		arena_printf(t->a,
			"it is delivered to this machine itself, and nothing here listens on %s",
			at));
	return true;
}

/* ---- all of it ---- */

static void judge(struct trip *t)
{
	const struct journey_leg *request = &t->way->legs[LEG_REQUEST];
	const struct journey_leg *reply = &t->way->legs[LEG_REPLY];
	enum tri through;

	if (judge_end(t, request, "the request") || judge_stray(t, request, "the request") ||
		judge_foreign_source(t, request) || judge_neighbour(t, request))
		return;
	t->way->returns = through = answers_through_us(t);
	if (through == TRI_NO) {
		judge_bypass(t);
		return;
	}
	if (judge_end(t, reply, "the reply") || judge_stray(t, reply, "the reply") ||
		judge_home(t) || judge_inverse(t) || judge_later(t) || judge_service(t))
		return;
	if (through == TRI_UNKNOWN) {
		judge_unknown_return(t);
		return;
	}
	if (t->way->home == TRI_YES)
		say(t, JOURNEY_WORKS,
			arena_printf(t->a, "%sthe reply leaves by %s, where the request came in",
				request->end == JOURNEY_LOCAL ? "this machine itself answers, and "
							      : "",
				reply->out));
	else
		say(t, JOURNEY_WORKS, "request and reply get through");
}

void trip_judge(struct trip *t)
{
	t->way->home = t->way->returns = TRI_UNKNOWN;
	judge(t);
}
