/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks journeys: prepares what is given, and runs one trip for each way of answering what cannot be
 * decided. What those come to: verdict.c.
 */
#include "walk/journey.h"

#include <string.h>

#include "walk/trip.h"

#define TCP_SYN	    0x02
#define TCP_RST_ACK 0x14
#define TCP_SYN_ACK 0x12
#define TCP_ACK	    0x10

/* ---- what is missing ---- */

/* A copy of the netstate with what the kernel has by itself put in where it was not given. */
struct prepared {
	struct arena *a;
	struct netstate net;
	struct journey *journey;
	uint8_t family;
};

static void assume(struct prepared *p, const char *what, const char *where, bool decides)
{
	vec_push(p->a, &p->journey->assumed, ((struct journey_assumption){what, where, decides}));
}

static struct net_route *new_route(struct prepared *p, uint32_t table, enum route_type type,
	const struct ip_prefix *dst, const char *interface)
{
	struct net_route *r = vec_add(p->a, &p->net.routes);
	struct net_nexthop *h;

	r->family = p->family;
	r->table = table;
	r->type = type;
	r->dst = *dst;
	r->protocol = 2; /* RTPROT_KERNEL */
	r->scope = type == ROUTE_LOCAL ? 254 : 253;
	h = vec_add(p->a, &r->nexthops);
	h->interface = interface;
	h->weight = 1;
	return r;
}

static void add_local(struct prepared *p, const struct net_addr *a)
{
	struct ip_prefix own = {a->addr, (uint8_t)ip_bits(p->family)};
	struct ip_prefix subnet = ip_prefix_of(&a->addr, a->prefix_len), last = own;

	new_route(p, TABLE_LOCAL, ROUTE_LOCAL, &own, a->interface);
	if (p->family == IP_V4 && a->prefix_len < 31) {
		last.addr = ip_prefix_last(&subnet);
		new_route(p, TABLE_LOCAL, ROUTE_BROADCAST, &last, a->interface);
	}
}

static void add_loopback(struct prepared *p)
{
	struct ip_prefix loop = {{.family = p->family}, p->family == IP_V6 ? 128 : 8};

	if (p->family == IP_V6)
		loop.addr.bytes[15] = 1;
	else
		loop.addr.bytes[0] = 127;
	new_route(p, TABLE_LOCAL, ROUTE_LOCAL, &loop, "lo");
}

static bool has_table(const struct prepared *p, uint32_t table)
{
	VEC_EACH (&p->net.routes, struct net_route, r) {
		if (r->table == table && r->family == p->family)
			return true;
	}
	return false;
}

/* The routes go into an array of our own before it grows. */
static void own_routes(struct prepared *p)
{
	struct net_route *items = arena_alloc(p->a, (p->net.routes.len + 4) * sizeof(*items));

	if (p->net.routes.len)
		memcpy(items, p->net.routes.items, p->net.routes.len * sizeof(*items));
	p->net.routes.items = items;
	p->net.routes.cap = p->net.routes.len + 4;
}

static void prepare_routes(struct prepared *p)
{
	bool v6 = p->family == IP_V6;
	bool given = p->net.have & (v6 ? HAVE_ROUTES6 : HAVE_ROUTES4);
	bool local = has_table(p, TABLE_LOCAL);

	if (local && given)
		return;
	own_routes(p);
	if (!local) {
		add_loopback(p);
		VEC_EACH (&p->net.addrs, struct net_addr, a) {
			if (a->addr.family == p->family)
				add_local(p, a);
		}
		if (!(p->net.have & HAVE_ADDRS))
			assume(p, "this machine has no other addresses than its routes tell of",
				"`ip addr`", true);
	}
	if (given)
		return;
	assume(p, "there are no routes but those to the networks of the interfaces",
		v6 ? "`ip -6 route show table all`" : "`ip route show table all`", true);
	VEC_EACH (&p->net.addrs, struct net_addr, a) {
		struct ip_prefix subnet = ip_prefix_of(&a->addr, a->prefix_len);

		if (a->addr.family == p->family)
			new_route(p, TABLE_MAIN, ROUTE_UNICAST, &subnet, a->interface);
	}
}

static void prepare_rules(struct prepared *p)
{
	static const struct {
		uint32_t preference, table;
	} usual[] = {{0, TABLE_LOCAL}, {32766, TABLE_MAIN}, {32767, TABLE_DEFAULT}};
	bool v6 = p->family == IP_V6;
	struct net_rule *items;

	if (p->net.have & (v6 ? HAVE_RULES6 : HAVE_RULES4))
		return;
	assume(p, "there are no ip rules but the usual three", v6 ? "`ip -6 rule`" : "`ip rule`",
		true);
	items = arena_alloc(p->a, 3 * sizeof(*items));
	memset(&p->net.rules, 0, sizeof(p->net.rules));
	for (size_t i = 0; i < 3; i++) {
		items[i] = (struct net_rule){.family = p->family,
			.preference = usual[i].preference,
			.action = RULE_LOOKUP,
			.table = usual[i].table,
			.suppress_prefixlen = -1};
	}
	p->net.rules.items = items;
	p->net.rules.len = p->net.rules.cap = 3;
}

/* No dump tells whether iptables-legacy's chains or nft's were registered first, which counts at equal
 * priority (the last one runs first). Legacy's are taken to be the earlier ones. */
static void put_legacy_first(struct prepared *p)
{
	struct nft_ruleset *rs = &p->net.ruleset;
	struct nft_table **items;
	size_t n = 0;

	if (rs->tables.len == 0)
		return;
	items = arena_alloc(p->a, rs->tables.len * sizeof(*items));
	for (int legacy = 1; legacy >= 0; legacy--) {
		for (size_t i = 0; i < rs->tables.len; i++) {
			struct nft_table *t = rs->tables.items[i];

			if ((t->origin == ORIGIN_XT_LEGACY) == legacy)
				items[n++] = t;
		}
	}
	rs->tables.items = items;
	rs->tables.cap = n;
}

static void note_missing_rules(struct prepared *p)
{
	bool v6 = p->family == IP_V6;
	uint32_t legacy = v6 ? HAVE_LEGACY6 : HAVE_LEGACY4;
	bool one = p->net.have & (HAVE_NFT | legacy) || p->net.ruleset.tables.len;

	if (!(p->net.have & HAVE_NFT))
		assume(p, "nftables has no rules besides those given", "`nft -j list ruleset`",
			!one);
	if (!(p->net.have & legacy))
		assume(p, "iptables-legacy has no rules besides those given",
			v6 ? "`ip6tables-legacy-save`" : "`iptables-legacy-save`", !one);
}

/* ---- packets ---- */

static struct packet first_packet(const struct journey_question *q, const char *in)
{
	static const uint8_t no_mac[6];
	struct packet p = {.family = q->dst.family,
		.known = PKT_PROTO | PKT_DADDR | PKT_SPORT | PKT_DPORT | PKT_IIF | PKT_OIF |
			 PKT_TYPE | PKT_SECPATH | PKT_TOS | PKT_FRAGMENT,
		.proto = q->proto,
		.saddr = q->src,
		.daddr = q->dst,
		.sport = q->sport,
		.dport = q->dport,
		.iif = in,
		.mark = q->mark,
		.mark_known = UINT32_MAX};

	if (q->src.family != IP_NONE)
		p.known |= PKT_SADDR;
	if (q->proto == PROTO_ICMP || q->proto == PROTO_ICMPV6) {
		p.known |= PKT_ICMP_TYPE | PKT_ICMP_CODE;
		p.icmp_type = q->proto == PROTO_ICMP ? 8 : 128;
		p.dport = 0;
	}
	if (q->proto == PROTO_TCP || q->proto == PROTO_SCTP)
		p.tcp_flags = TCP_SYN; /* of SCTP: stands for INIT, and no rule sees it */
	if (q->proto == PROTO_TCP)
		p.known |= PKT_TCP_FLAGS;
	if (q->length) {
		p.known |= PKT_LENGTH;
		p.length = q->length;
	}
	if (memcmp(q->smac, no_mac, 6) != 0) {
		p.known |= PKT_SMAC;
		memcpy(p.smac, q->smac, 6);
	}
	return p;
}

static struct packet answer_to(const struct packet *p, const char *in)
{
	uint32_t kept = PKT_PROTO | PKT_SECPATH | PKT_TYPE | PKT_FRAGMENT | PKT_ICMP_CODE |
			PKT_ICMP_TYPE | PKT_TCP_FLAGS | PKT_LENGTH;
	struct packet r = {.family = p->family,
		.known = (p->known & kept) | PKT_IIF | PKT_OIF | PKT_TOS,
		.proto = p->proto,
		.saddr = p->daddr,
		.daddr = p->saddr,
		.sport = p->dport,
		.dport = p->sport,
		.sport_bits = p->dport_bits,
		.dport_bits = p->sport_bits,
		.iif = in,
		.length = p->length,
		.mark_known = UINT32_MAX};

	r.known |= packet_knows(p, PKT_SADDR) ? PKT_DADDR : 0;
	r.known |= packet_knows(p, PKT_DADDR) ? PKT_SADDR : 0;
	r.known |= packet_knows(p, PKT_SPORT) ? PKT_DPORT : 0;
	r.known |= packet_knows(p, PKT_DPORT) ? PKT_SPORT : 0;
	r.icmp_type = p->icmp_type == 8 ? 0 : 129;
	r.tcp_flags = p->proto == PROTO_TCP ? TCP_SYN_ACK : 0;
	return r;
}

/* ---- legs ---- */

static void begin_leg(struct trip *t, enum journey_leg_kind kind, const struct packet *p)
{
	t->kind = kind;
	t->leg = &t->way->legs[kind];
	t->leg->walked = true;
	t->leg->first = *p;
	t->connection = NULL;
	t->reply = false;
	t->stopped = false;
	t->out = (struct trip_route){0};
}

static bool got_through(const struct journey_leg *leg)
{
	return leg->end == JOURNEY_FORWARDED || leg->end == JOURNEY_LOCAL;
}

static bool rules_ask_for_marks(const struct netstate *net, uint8_t family)
{
	VEC_EACH (&net->rules, struct net_rule, r) {
		if (r->family == family && r->mask)
			return true;
	}
	return false;
}

/* The mark of what the kernel, or a socket, answers to a marked request. */
static uint32_t answer_mark(struct trip *t, const struct packet *p)
{
	bool listens = !(t->net->have & HAVE_LISTENERS) || trip_listens(t, &t->leg->last);
	const char *key = "net.ipv4.tcp_fwmark_accept";

	if (p->proto == PROTO_ICMPV6 || (p->proto == PROTO_TCP && !listens && p->family == IP_V6))
		key = "net.ipv6.fwmark_reflect";
	else if (p->proto == PROTO_ICMP || (p->proto == PROTO_TCP && !listens))
		key = "net.ipv4.fwmark_reflect";
	else if (p->proto != PROTO_TCP)
		return 0;
	if (!t->mark_at_delivery ||
		(!netstate_sysctl(t->net, key) && !rules_ask_for_marks(t->net, p->family)))
		return 0;
	return trip_sysctl(t, key, 0) > 0 ? t->mark_at_delivery : 0;
}

static bool bound_to(const struct netstate *net, const struct packet *request)
{
	VEC_EACH (&net->listeners, struct net_listener, l) {
		if (l->proto == request->proto && l->port == request->dport &&
			ip_equal(&l->addr, &request->daddr))
			return true;
	}
	return false;
}

/* A datagram service that is not bound to an address, and does not ask for it, lets the route choose
 * what it answers from. */
static void assume_bound(struct trip *t, const struct packet *request, const struct packet *p)
{
	struct trip aside = *t;
	struct journey_leg leg = {0};
	struct packet q = *p;
	char asked[IP_STRLEN], chosen[IP_STRLEN];

	if (p->proto != PROTO_UDP || t->accept_by_tproxy || bound_to(t->net, request))
		return;
	aside.leg = &leg;
	aside.mute = t;
	q.known &= ~(uint32_t)PKT_SADDR;
	q.iif = NULL;
	if (!trip_route_out(&aside, STAGE_ROUTE, HOOK_OUTPUT, &q) || ip_equal(&q.saddr, &p->saddr))
		return;
	ip_format(&p->saddr, asked);
	ip_format(&q.saddr, chosen);
	trip_assume(t,
		arena_printf(t->a,
			"the service answers from %s, as it was asked, and not from %s, which the "
			"route gives to a socket that is not bound",
			asked, chosen),
		"`ss -lnup`", true);
}

static void walk_reply(struct trip *t)
{
	const struct journey_leg *request = &t->way->legs[LEG_REQUEST];
	struct packet p = answer_to(&request->last, request->out);
	bool here = request->end == JOURNEY_LOCAL;

	if (here) {
		p.mark = answer_mark(t, &request->last);
		p.iif = NULL;
	}
	if (p.proto == PROTO_TCP && here && t->net->have & HAVE_LISTENERS && !t->accept_by_tproxy &&
		!trip_listens(t, &request->last))
		p.tcp_flags = TCP_RST_ACK;
	/* What the kernel itself answers is of the same kind of service. */
	if (here &&
		(p.tcp_flags == TCP_RST_ACK || p.proto == PROTO_ICMP || p.proto == PROTO_ICMPV6)) {
		p.tos = request->last.tos;
		p.known = (p.known & ~(uint32_t)PKT_TOS) | (request->last.known & PKT_TOS);
	}
	begin_leg(t, LEG_REPLY, &p);
	if (here) {
		assume_bound(t, &request->last, &p);
		trip_send(t, &p);
	} else {
		trip_arrive(t, &p);
	}
	t->leg->last = p;
}

static void walk_request(struct trip *t, enum journey_leg_kind kind)
{
	struct packet p = first_packet(t->q, t->journey->in);

	if (kind == LEG_LATER) {
		p.mark = 0;
		p.tcp_flags = p.proto == PROTO_TCP ? TCP_ACK : 0;
	}
	begin_leg(t, kind, &p);
	if (t->q->from_here)
		trip_send(t, &p);
	else
		trip_arrive(t, &p);
	t->leg->last = p;
}

static void take_connection(struct trip *t)
{
	const struct connection *c = t->connections.len ? t->connections.items[0] : NULL;
	struct journey_way *w = t->way;

	if (!c)
		return;
	trip_flow(c, &w->flow);
	w->dnat = c->status & CT_DST_NAT;
	w->snat = c->status & CT_SRC_NAT;
	w->dnat_rule = c->dnat_by.rule;
	w->dnat_table = c->dnat_by.table;
	w->snat_rule = c->snat_by.rule;
	w->snat_table = c->snat_by.table;
}

/* Our own socket only goes on if the answer is from whom it asked, to where it asked from. (One of
 * datagrams sends again all the same.) */
static bool goes_on(const struct trip *t)
{
	struct packet_tuple asked = trip_tuple(&t->way->legs[LEG_REQUEST].first);
	struct packet_tuple answer = trip_tuple(&t->way->legs[LEG_REPLY].last);
	struct packet_tuple wanted = trip_inverse(&asked);

	return t->q->proto != PROTO_TCP || trip_tuple_equal(&answer, &wanted);
}

static void walk_way(struct trip *t)
{
	walk_request(t, LEG_REQUEST);
	if (got_through(&t->way->legs[LEG_REQUEST]))
		walk_reply(t);
	if (t->way->legs[LEG_REPLY].walked && got_through(&t->way->legs[LEG_REPLY]) &&
		(!t->q->from_here || goes_on(t)))
		walk_request(t, LEG_LATER);
	take_connection(t);
	trip_judge(t);
}

/* ---- ways ---- */

static void begin_trip(struct trip *t, struct arena *a, const struct netstate *net,
	struct walk_trail *trail, struct journey *j, struct journey_way *way)
{
	*t = (struct trip){.oracle = {.choose = NULL},
		.a = a,
		.net = net,
		.q = &j->question,
		.journey = j,
		.trail = trail,
		.device_hooks = trip_has_device_hooks(net),
		.way = way};
	t->walker = (struct walker){.net = net, .trail = trail, .oracle = &t->oracle};
}

static size_t choose(struct walk_oracle *o, const struct walk_fork *f)
{
	return trip_choose((struct trip *)o, f);
}

/* The next way of answering, in @script; its length, or 0 after the last one. */
static size_t next_script(const struct journey_way *w, size_t script[TRIP_MAX_CHOICES])
{
	size_t n = w->choices.len;

	while (n > 0 && w->choices.items[n - 1].taken + 1 >= w->choices.items[n - 1].fork.n)
		n--;
	for (size_t i = 0; i < n; i++)
		script[i] = w->choices.items[i].taken + (i == n - 1);
	return n;
}

static void walk_ways(struct arena *a, const struct netstate *net, struct journey *j)
{
	struct walk_trail trail;
	size_t script[TRIP_MAX_CHOICES];
	size_t n = 0;

	do {
		struct journey_way *way = vec_add(a, &j->ways);
		struct trip t;

		way->share = 1;
		begin_trip(&t, a, net, &trail, j, way);
		t.oracle.choose = choose;
		t.script = script;
		t.script_len = n;
		walk_way(&t);
		n = next_script(way, script);
	} while (n && j->ways.len < JOURNEY_MAX_WAYS);
	j->more_ways = n > 0;
}

/* ---- where a request comes in ---- */

static const struct net_addr *connected_to(const struct netstate *net, const struct ip_addr *addr)
{
	const struct net_addr *best = NULL;

	VEC_EACH (&net->addrs, struct net_addr, a) {
		struct ip_prefix subnet = ip_prefix_of(&a->addr, a->prefix_len);

		if (ip_in_prefix(addr, &subnet) && !ip_is_loopback(&a->addr) &&
			(!best || a->prefix_len > best->prefix_len))
			best = a;
	}
	return best;
}

static const char *find_in(const struct netstate *net, const struct journey_question *q)
{
	const struct net_addr *in = connected_to(net, &q->src);
	struct packet key = {.family = q->dst.family, .known = PKT_DADDR, .daddr = q->src};
	const struct net_route *r;

	if (in)
		return in->interface;
	/* Behind a router inside; not by a default. */
	r = walk_table_route(net, TABLE_MAIN, &key);
	if (r && r->dst.len > 1 && r->type == ROUTE_UNICAST && r->nexthops.len)
		return r->nexthops.items[0].interface;
	VEC_EACH (&net->addrs, struct net_addr, a) {
		const struct net_link *l = netstate_link(net, a->interface);

		if (ip_equal(&a->addr, &q->dst) && !(l && l->loopback) &&
			strcmp(a->interface, "lo") != 0)
			return a->interface;
	}
	return r && r->nexthops.len ? r->nexthops.items[0].interface : NULL;
}

void journey_walk(struct arena *a, const struct netstate *net, const struct journey_question *q,
	struct journey *out)
{
	struct prepared p = {.a = a, .net = *net, .journey = out, .family = q->dst.family};
	struct netstate *with = arena_new_of(a, struct netstate);

	memset(out, 0, sizeof(*out));
	out->question = *q;
	prepare_routes(&p);
	prepare_rules(&p);
	put_legacy_first(&p);
	note_missing_rules(&p);
	*with = p.net;
	if (!q->from_here)
		out->in = q->in ? q->in : find_in(with, q);
	if (!q->from_here && !out->in) {
		struct journey_way *w = vec_add(a, &out->ways);

		w->share = 1;
		w->verdict = out->verdict = JOURNEY_UNKNOWN;
		w->home = TRI_UNKNOWN;
		w->legs[LEG_REQUEST].end = JOURNEY_LOST;
		w->why = "by which interface the request comes in is not known";
		return;
	}
	walk_ways(a, with, out);
	trip_conclude(out);
}

/* ---- ICMP errors ---- */

void journey_walk_error(struct arena *a, const struct netstate *net, const struct journey_way *way,
	bool about_reply, struct journey_leg *out)
{
	const struct journey_leg *about = &way->legs[about_reply ? LEG_REPLY : LEG_REQUEST];
	const struct packet *lost = &about->last;
	struct journey j = {.question = {.proto = lost->proto, .dst = lost->daddr}};
	struct prepared prepared = {.a = a, .net = *net, .journey = &j, .family = lost->family};
	struct netstate *with = arena_new_of(a, struct netstate);
	struct journey_way aside = {.share = 1};
	struct walk_trail trail;
	struct packet p = answer_to(lost, about->out);
	struct trip t;

	memset(out, 0, sizeof(*out));
	if (!about->walked || about->end != JOURNEY_FORWARDED || !about->out)
		return;
	prepare_routes(&prepared);
	prepare_rules(&prepared);
	put_legacy_first(&prepared);
	*with = prepared.net;
	begin_trip(&t, a, with, &trail, &j, &aside);
	t.oracle.choose = choose;
	t.error_about = trip_connection_from(&t, &way->flow);
	t.error_about->from = NULL;
	/* It comes back against the direction of what it is about. */
	t.error_reply = !about_reply;
	if (about->via.family != IP_NONE)
		p.saddr = about->via;
	p.proto = p.family == IP_V6 ? PROTO_ICMPV6 : PROTO_ICMP;
	p.icmp_type = p.family == IP_V6 ? 2 : 3; /* too big; fragmentation needed */
	p.icmp_code = p.family == IP_V6 ? 0 : 4;
	p.sport = p.dport = 0;
	p.known |= PKT_ICMP_TYPE | PKT_ICMP_CODE | PKT_SPORT | PKT_DPORT;
	p.known &= ~(uint32_t)(PKT_TCP_FLAGS | PKT_LENGTH);
	begin_leg(&t, about_reply ? LEG_LATER : LEG_REPLY, &p);
	trip_arrive(&t, &p);
	t.leg->last = p;
	*out = *t.leg;
}
