/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts the packets of a trace together: what nftables, the interfaces and conntrack told of each, and
 * what the walk says of the same packet.
 */
#include <string.h>

#include "cli/trace.h"

#define MAX_FRAMES 8192u /* that wait for the packet they are of */

/* ---- what was heard ---- */

static struct traced_packet *known_packet(const struct tracing *t, uint32_t id)
{
	for (size_t i = t->packets.len; i-- > 0;) {
		if (t->packets.items[i]->id == id && !t->packets.items[i]->settled)
			return t->packets.items[i];
	}
	return NULL;
}

/* Note one of our own rules. False: it has met that already. */
static bool mark(struct traced_packet *p, uint64_t handle)
{
	for (size_t i = 0; i < sizeof(p->marked_by) / sizeof(p->marked_by[0]); i++) {
		if (p->marked_by[i] == handle)
			return false;
		if (!p->marked_by[i]) {
			p->marked_by[i] = handle;
			return true;
		}
	}
	return false;
}

/* Ids are made of the packet's place in memory, its flow and its interface: the next one of a flow often
 * has the same. That it is another shows where a rule of ours is met again, which a packet does once. */
static struct traced_packet *packet_of(
	struct tracing *t, const struct nft_trace_message *m, bool is_marking)
{
	struct traced_packet *p = known_packet(t, m->id);

	if (p && (!is_marking || mark(p, m->step.handle)))
		return p;
	p = arena_new_of(t->arena, struct traced_packet);
	p->id = m->id;
	if (is_marking)
		mark(p, m->step.handle);
	vec_push(t->arena, &t->packets, p);
	return p;
}

static void on_traced(const struct nft_trace_message *m, void *data)
{
	struct tracing *t = data;
	bool is_marking = strcmp(m->step.table, WATCH_TABLE) == 0;
	struct traced_packet *p;

	if (is_marking && (m->step.kind != OBSERVED_RULE || !m->step.handle)) /* a chain's end */
		return;
	p = packet_of(t, m, is_marking);
	p->last_ms = 0;
	if (!p->leg.seen) {
		p->leg.seen = true;
		p->leg.in = m->step.in;
		p->leg.first = m->step.packet;
	}
	if (!is_marking)
		vec_push(t->arena, &p->leg.steps, m->step);
}

static void on_frame(const struct watch_frame *f, void *data)
{
	struct tracing *t = data;

	if (!f->outgoing)
		return;
	if (t->frames.len == MAX_FRAMES) { /* the older half belongs to nobody */
		t->frames.len = MAX_FRAMES / 2;
		memmove(t->frames.items, t->frames.items + t->frames.len,
			t->frames.len * sizeof(*t->frames.items));
	}
	vec_push(t->arena, &t->frames, *f);
}

static void on_flow(const struct net_flow *f, void *data)
{
	struct tracing *t = data;

	vec_push(t->arena, &t->flows, *f);
}

struct watch_sink tracing_sink(struct tracing *t)
{
	return (struct watch_sink){on_traced, on_frame, on_flow, t};
}

/* ---- connections ---- */

static bool is_tuple(const struct packet *p, const struct flow_tuple *t, bool reversed)
{
	const struct ip_addr *src = reversed ? &t->dst : &t->src;
	const struct ip_addr *dst = reversed ? &t->src : &t->dst;
	uint16_t sport = reversed ? t->dport : t->sport, dport = reversed ? t->sport : t->dport;

	return ip_equal(&p->saddr, src) && ip_equal(&p->daddr, dst) &&
	       (!packet_knows(p, PKT_SPORT | PKT_DPORT) ||
		       (p->sport == sport && p->dport == dport));
}

static bool same_flow_of(const struct packet *a, const struct packet *b, bool reversed)
{
	struct flow_tuple t = {b->saddr, b->daddr, b->sport, b->dport};

	return a->proto == b->proto && is_tuple(a, &t, reversed);
}

static struct traced_connection *find_connection(struct tracing *t, struct traced_packet *p)
{
	VEC_EACH (&t->connections, struct traced_connection *, it) {
		struct traced_connection *c = *it;

		if (same_flow_of(&p->leg.first, &c->first, false))
			return c;
		if (c->has_flow ? is_tuple(&p->leg.first, &c->flow.reply, false)
				: same_flow_of(&p->leg.first, &c->first, true)) {
			p->reply = true;
			return c;
		}
	}
	return NULL;
}

/* What may begin a connection. */
static bool is_first(const struct packet *p)
{
	if (p->proto != PROTO_TCP)
		return true;
	return packet_knows(p, PKT_TCP_FLAGS) && (p->tcp_flags & 0x12) == 0x02;
}

static struct traced_connection *new_connection(struct tracing *t, const struct traced_packet *p)
{
	struct traced_connection *c = arena_new_of(t->arena, struct traced_connection);

	c->first = p->leg.first;
	c->in = p->leg.in;
	c->from_here = !p->leg.in;
	vec_push(t->arena, &t->connections, c);
	return c;
}

static void take_flow(struct tracing *t, struct traced_connection *c)
{
	for (size_t i = t->flows.len; i-- > 0 && !c->has_flow;) {
		const struct net_flow *f = &t->flows.items[i];

		c->has_flow =
			f->proto == c->first.proto && is_tuple(&c->first, &f->original, false);
		if (c->has_flow)
			c->flow = *f;
	}
}

/* ---- where a packet went ---- */

/* What it looks like when it leaves: as conntrack has it, else as it was last seen. */
static bool is_outgoing(const struct traced_packet *p, const struct watch_frame *f)
{
	const struct traced_connection *c = p->connection;
	const struct packet *last =
		p->leg.steps.len ? &p->leg.steps.items[p->leg.steps.len - 1].packet : &p->leg.first;

	if (f->packet.proto != p->leg.first.proto)
		return false;
	if (c && c->has_flow)
		return is_tuple(&f->packet, p->reply ? &c->flow.original : &c->flow.reply, true);
	return same_flow_of(&f->packet, last, false) ||
	       same_flow_of(&f->packet, &p->leg.first, false);
}

static void take_frame(struct tracing *t, struct traced_packet *p)
{
	for (size_t i = 0; i < t->frames.len; i++) {
		struct watch_frame *f = &t->frames.items[i];

		if (!f->interface || !is_outgoing(p, f))
			continue;
		p->leg.out = f->interface;
		p->leg.last = f->packet;
		f->interface = NULL; /* claimed */
		return;
	}
}

static const struct nft_rule *rule_by_handle(const struct nft_chain *c, uint64_t handle)
{
	VEC_EACH (&c->rules, const struct nft_rule, r) {
		if (r->handle == handle)
			return r;
	}
	return NULL;
}

/* The end, where no frame tells it: by the last thing that a rule or a policy said. */
static void judge_end(struct tracing *t, struct traced_packet *p)
{
	const struct observed_step *last =
		p->leg.steps.len ? &p->leg.steps.items[p->leg.steps.len - 1] : NULL;
	const struct ip_addr *to = last ? &last->packet.daddr : &p->leg.first.daddr;
	const struct nft_table *table =
		last ? nft_table_find(&t->net->ruleset, last->family, last->table) : NULL;
	const struct nft_chain *chain = table ? nft_chain_find(table, last->chain) : NULL;
	const struct nft_rule *rule = NULL;

	if (p->leg.out)
		return;
	if (chain && last->kind == OBSERVED_RULE)
		rule = rule_by_handle(chain, last->handle);
	for (size_t i = 0; rule && i < rule->stmts.len; i++) {
		const struct nft_stmt *s = &rule->stmts.items[i];

		if (s->kind == STMT_REJECT ||
			(s->kind == STMT_XT && s->xt.target && strcmp(s->xt.name, "REJECT") == 0))
			p->leg.answered_refusal = true;
	}
	if ((last && last->verdict == VERDICT_DROP) || p->leg.answered_refusal)
		return;
	VEC_EACH (&t->net->addrs, struct net_addr, a)
		p->leg.delivered = p->leg.delivered || ip_equal(&a->addr, to);
}

/* ---- the walk's word ---- */

static void walk_connection(struct tracing *t, struct traced_connection *c)
{
	struct journey_question q = {.proto = c->first.proto,
		.src = c->first.saddr,
		.dst = c->first.daddr,
		.sport = c->first.sport,
		.dport = c->first.dport,
		.in = c->in,
		.from_here = c->from_here,
		.returns = RETURN_THROUGH_US};

	if (c->has_journey)
		return;
	journey_walk(t->arena, t->net, &q, &c->journey);
	c->has_journey = true;
}

/* Of the ways that the journey may take, the kernel's is the one that agrees best. */
static void compare(struct tracing *t, struct traced_packet *p)
{
	VEC_EACH (&p->connection->journey.ways, const struct journey_way, w) {
		struct observed_differences d = {0};

		observed_compare(t->arena, &w->legs[p->kind], &p->leg, &d);
		if (!p->walked || d.items.len < p->differences.items.len) {
			p->walked = &w->legs[p->kind];
			p->differences = d;
		}
	}
}

static void settle(struct tracing *t, struct traced_packet *p)
{
	p->settled = true;
	p->connection = find_connection(t, p);
	if (!p->connection && is_first(&p->leg.first))
		p->connection = new_connection(t, p);
	if (p->connection)
		take_flow(t, p->connection);
	take_frame(t, p);
	judge_end(t, p);
	if (!p->connection)
		return;
	p->kind = p->reply ? LEG_REPLY : p->connection->seen[0] ? LEG_LATER : LEG_REQUEST;
	p->connection->seen[p->reply]++;
	/* Of replies only the first is walked, and of further requests too: the walk knows one. */
	if (p->connection->seen[p->reply] > (p->reply ? 1u : 2u))
		return;
	walk_connection(t, p->connection);
	compare(t, p);
}

struct traced_packet *tracing_next(struct tracing *t, uint64_t quiet_ms)
{
	VEC_EACH (&t->packets, struct traced_packet *, it) {
		if ((*it)->settled)
			continue;
		/* Only now: before it was waited for, who knows for how long. */
		if (!(*it)->last_ms)
			(*it)->last_ms = t->now_ms;
		if (t->now_ms < (*it)->last_ms + quiet_ms)
			return NULL; /* in the order in which they came */
		settle(t, *it);
		return *it;
	}
	return NULL;
}
