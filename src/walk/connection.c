/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conntrack in a trip: which connection a packet belongs to, and in what state that makes it.
 *
 * As nf_conntrack_in() and the protocol trackers, as far as the first packets of a connection go.
 */
#include "walk/trip.h"

#include <string.h>

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* ---- tuples ---- */

struct packet_tuple trip_tuple(const struct packet *p)
{
	return (struct packet_tuple){p->saddr, p->daddr, p->sport, p->dport};
}

struct packet_tuple trip_inverse(const struct packet_tuple *tuple)
{
	return (struct packet_tuple){tuple->daddr, tuple->saddr, tuple->dport, tuple->sport};
}

static struct packet_tuple of_flow(const struct flow_tuple *f)
{
	return (struct packet_tuple){f->src, f->dst, f->sport, f->dport};
}

static struct flow_tuple to_flow(const struct packet_tuple *u)
{
	return (struct flow_tuple){u->saddr, u->daddr, u->sport, u->dport};
}

bool trip_tuple_taken(const struct trip *t, const struct packet_tuple *reply)
{
	uint8_t proto = t->connection ? t->connection->proto : 0;

	VEC_EACH (&t->net->flows, struct net_flow, f) {
		struct packet_tuple own = of_flow(&f->reply), original = of_flow(&f->original);

		if (f->proto == proto && (!t->connection || t->connection->from != f) &&
			(trip_tuple_equal(&own, reply) || trip_tuple_equal(&original, reply)))
			return true;
	}
	return false;
}

/* ---- connections ---- */

struct connection *trip_connection_from(struct trip *t, const struct net_flow *f)
{
	struct connection *c = arena_new_of(t->a, struct connection);
	struct packet_tuple plain;

	c->proto = f->proto;
	c->zone = f->zone;
	c->original = of_flow(&f->original);
	c->reply = of_flow(&f->reply);
	c->mark = f->mark;
	c->mark_known = UINT32_MAX;
	c->status = f->status | CT_CONFIRMED | CT_SRC_NAT_DONE | CT_DST_NAT_DONE;
	c->confirmed = true;
	c->opening = f->proto == PROTO_TCP && f->state && strcmp(f->state, "SYN_SENT") == 0;
	c->offloaded = f->offloaded;
	c->from = f;
	plain = trip_inverse(&c->reply);
	if (!ip_equal(&plain.saddr, &c->original.saddr) || plain.sport != c->original.sport)
		c->status |= CT_SRC_NAT;
	if (!ip_equal(&plain.daddr, &c->original.daddr) || plain.dport != c->original.dport)
		c->status |= CT_DST_NAT;
	return c;
}

void trip_flow(const struct connection *c, struct net_flow *out)
{
	*out = (struct net_flow){.proto = c->proto,
		.original = to_flow(&c->original),
		.reply = to_flow(&c->reply),
		.mark = c->mark,
		.status = c->status,
		.zone = c->zone,
		.offloaded = c->offloaded};
}

/* The zone of one direction (nf_ct_zone_id()). */
static uint16_t zone_of(uint16_t zone, uint8_t only, bool reply)
{
	return !only || only == (reply ? 2 : 1) ? zone : 0;
}

static bool is_of(const struct connection *c, const struct packet *p, bool *reply)
{
	struct packet_tuple u = trip_tuple(p);

	if (!c->confirmed || c->proto != p->proto)
		return false;
	*reply = trip_tuple_equal(&c->reply, &u);
	return (*reply || trip_tuple_equal(&c->original, &u)) &&
	       zone_of(c->zone, c->zone_only, *reply) ==
		       zone_of(p->ct_zone, p->ct_zone_only, *reply);
}

/* A SYN takes the place of a connection that is over. */
static bool is_over(const struct net_flow *f, const struct packet *p)
{
	return p->proto == PROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
	       f->state && (strcmp(f->state, "TIME_WAIT") == 0 || strcmp(f->state, "CLOSE") == 0);
}

static struct connection *find(struct trip *t, const struct packet *p, bool *reply)
{
	for (size_t i = 0; i < t->connections.len; i++) {
		if (is_of(t->connections.items[i], p, reply))
			return t->connections.items[i];
	}
	VEC_EACH (&t->net->flows, struct net_flow, f) {
		struct packet_tuple u = trip_tuple(p), original = of_flow(&f->original);
		struct packet_tuple answer = of_flow(&f->reply);
		struct connection *c;

		*reply = trip_tuple_equal(&u, &answer);
		if (f->proto != p->proto || is_over(f, p) ||
			(!*reply && !trip_tuple_equal(&u, &original)) ||
			f->zone != zone_of(p->ct_zone, p->ct_zone_only, *reply))
			continue;
		c = trip_connection_from(t, f);
		vec_push(t->a, &t->connections, c);
		return c;
	}
	*reply = false;
	return NULL;
}

static struct connection *begin(struct trip *t, const struct packet *p)
{
	struct connection *c = arena_new_of(t->a, struct connection);
	struct packet_tuple u = trip_tuple(p);

	c->proto = p->proto;
	c->zone = p->ct_zone;
	c->zone_only = p->ct_zone_only;
	c->original = u;
	c->reply = trip_inverse(&u);
	c->mark_known = UINT32_MAX;
	c->opening = p->proto == PROTO_TCP && p->tcp_flags & TCP_SYN;
	vec_push(t->a, &t->connections, c);
	return c;
}

/* May a connection begin with this packet? Else it is invalid, and *@why says why. */
static bool may_begin(const struct packet *p, const char **why)
{
	uint8_t flags = p->tcp_flags;

	*why = "it belongs to no connection";
	switch (p->proto) {
	case PROTO_TCP:
		*why = "no connection begins with these TCP flags";
		if (flags & TCP_RST || (flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
			return false;
		return !(flags & TCP_FIN) && flags & (TCP_SYN | TCP_ACK);
	case PROTO_ICMP:
		return p->icmp_type == 8 || p->icmp_type == 13 || p->icmp_type == 15 ||
		       p->icmp_type == 17;
	case PROTO_ICMPV6:
		return p->icmp_type == 128 || p->icmp_type == 139;
	case PROTO_SCTP: /* the answer to an INIT is no beginning */
		return p->tcp_flags & TCP_SYN;
	default:
		return true;
	}
}

/* ---- the packet's side ---- */

static enum ct_state state_of(const struct trip *t, const struct connection *c)
{
	if (t->error_about)
		return CT_RELATED;
	if (t->reply || c->status & CT_SEEN_REPLY)
		return CT_ESTABLISHED;
	return c->status & CT_EXPECTED ? CT_RELATED : CT_NEW;
}

/* What a packet without a connection does not have. */
#define OF_CONNECTION                                                                              \
	(PKT_CT_DIRECTION | PKT_CT_ORIGINAL | PKT_CT_REPLY | PKT_CT_REPLY_SPORT |                  \
		PKT_CT_REPLY_DPORT)

void trip_attach(struct trip *t, struct packet *p)
{
	const struct connection *c = t->connection;

	p->known |= PKT_CT_STATE;
	p->known &= ~(uint32_t)OF_CONNECTION;
	if (!c) {
		p->ct_mark = p->ct_mark_known = p->ct_status = p->ct_status_known = 0;
		return;
	}
	p->known |= OF_CONNECTION;
	p->ct_state = state_of(t, c);
	p->ct_reply = t->reply;
	p->ct_original = c->original;
	p->ct_answer = c->reply;
	if (c->sport_picked) /* only an example */
		p->known &= ~(uint32_t)PKT_CT_REPLY_DPORT;
	if (c->dport_picked)
		p->known &= ~(uint32_t)PKT_CT_REPLY_SPORT;
	p->ct_mark = c->mark;
	p->ct_mark_known = c->mark_known;
	p->ct_status = c->status;
	p->ct_status_known = UINT32_MAX;
	/* What a dump tells of a connection is not all. */
	if (c->from)
		p->ct_status_known = CT_SEEN_REPLY | CT_ASSURED | CT_CONFIRMED | CT_SRC_NAT |
				     CT_DST_NAT | CT_SRC_NAT_DONE | CT_DST_NAT_DONE;
}

void trip_detach(struct trip *t, const struct packet *p)
{
	if (!t->connection || t->mute)
		return;
	t->connection->mark = p->ct_mark;
	t->connection->mark_known = p->ct_mark_known;
}

static const char *mark_text(struct trip *t, const struct connection *c)
{
	if (!c->mark && c->mark_known == UINT32_MAX)
		return "";
	if (c->mark_known != UINT32_MAX)
		return arena_printf(t->a, ", mark 0x%x (bits 0x%x known)", c->mark, c->mark_known);
	return arena_printf(t->a, ", mark 0x%x", c->mark);
}

static void note(struct trip *t, enum nft_hook hook, const struct packet *p)
{
	const struct connection *c = t->connection;
	const char *text, *from = "";

	if (c->from && c->from->at.line)
		from = arena_printf(t->a, ", in conntrack already (%s:%u)",
			c->from->file ? c->from->file : "line", c->from->at.line);
	else if (c->from)
		from = ", in conntrack already";
	if (t->error_about)
		text = arena_printf(t->a, "related to the connection%s", mark_text(t, c));
	else if (t->reply)
		text = arena_printf(t->a, "reply%s%s", from, mark_text(t, c));
	else if (c->status & CT_SEEN_REPLY)
		text = arena_printf(t->a, "established%s%s", from, mark_text(t, c));
	else
		text = arena_printf(t->a, "new%s%s", from, mark_text(t, c));
	trip_step(t, STAGE_CONNTRACK, hook, p, text);
}

static void without(
	struct trip *t, enum nft_hook hook, struct packet *p, enum ct_state state, const char *text)
{
	t->connection = NULL;
	p->ct_state = state;
	trip_attach(t, p);
	trip_step(t, STAGE_CONNTRACK, hook, p, text);
}

void trip_track(struct trip *t, enum nft_hook hook, struct packet *p)
{
	bool reply = false, seen;
	const char *why;

	if (packet_knows(p, PKT_CT_STATE) && p->ct_state == CT_UNTRACKED) {
		without(t, hook, p, CT_UNTRACKED, "not tracked");
		return;
	}
	/* Through lo, and from a port to its VRF, a packet takes its connection along. */
	if (t->connection && packet_knows(p, PKT_CT_STATE)) {
		trip_attach(t, p);
		return;
	}
	if (!packet_knows(p, PKT_CT_ZONE)) {
		p->known |= PKT_CT_ZONE;
		p->ct_zone = p->ct_zone_only = 0;
	}
	if (t->error_about) {
		t->connection = t->error_about;
		t->reply = t->error_reply;
		trip_attach(t, p);
		note(t, hook, p);
		return;
	}
	t->connection = find(t, p, &reply);
	t->reply = reply;
	if (!t->connection) {
		if (!may_begin(p, &why)) {
			without(t, hook, p, CT_INVALID, arena_printf(t->a, "invalid: %s", why));
			return;
		}
		t->connection = begin(t, p);
	}
	seen = t->connection->status & CT_SEEN_REPLY;
	/* The answer to the SYN was not seen: nothing else can follow it. */
	if (t->connection->opening && !reply && p->proto == PROTO_TCP &&
		!(p->tcp_flags & TCP_SYN)) {
		without(t, hook, p, CT_INVALID, "invalid: conntrack has not seen the SYN answered");
		return;
	}
	if (reply)
		t->connection->opening = false;
	if (reply)
		t->connection->status |= CT_SEEN_REPLY;
	else if (seen && p->proto == PROTO_TCP && p->tcp_flags & TCP_ACK)
		t->connection->status |= CT_ASSURED;
	trip_attach(t, p);
	note(t, hook, p);
}

void trip_confirm(struct trip *t, struct packet *p)
{
	if (!t->connection || t->error_about)
		return;
	t->connection->confirmed = true;
	t->connection->status |= CT_CONFIRMED;
	trip_attach(t, p);
}
