/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address translation in a trip: mappings are set up by nat chains, kept in the connection, and
 * applied to each of its packets.
 *
 * As net/netfilter/nf_nat_core.c: rules are asked only while the connection has no mapping for this
 * side yet; what they give is made unique; and what is applied at a hook follows from the connection's
 * status, turned round for replies.
 */
#include "walk/trip.h"

#include <string.h>

/* ---- ranges ---- */

/* A fork over the addresses of a range: which one is taken follows from a hash. */
static struct ip_addr pick_address(
	struct trip *t, const struct walk_nat *n, const void *rule, const struct packet_tuple *now)
{
	struct walk_fork f = {.kind = FORK_CHANCE,
		.why = "a hash picks one of the addresses that the rule gives",
		.subject = trip_subject(t, rule, now)};
	struct ip_addr at[WALK_FORK_WAYS], a = n->first;
	char buf[IP_STRLEN];

	if (n->last.family == IP_NONE || ip_cmp(&n->first, &n->last) >= 0)
		return n->first;
	while (f.n < WALK_FORK_WAYS && ip_cmp(&a, &n->last) <= 0) {
		f.label[f.n] = arena_strdup(t->a, ip_format(&a, buf));
		at[f.n++] = a;
		for (size_t i = ip_bytes(a.family); i-- > 0 && ++a.bytes[i] == 0;)
			;
	}
	for (size_t i = 0; i < f.n; i++)
		f.weight[i] = 1.0 / (double)f.n;
	return at[trip_choose(t, &f)];
}

/* The network of @n, with the host bits of @own. */
static struct ip_addr netmapped(const struct walk_nat *n, const struct ip_addr *own)
{
	struct ip_addr a = n->first;

	for (size_t bit = n->prefix_len; bit < ip_bits(a.family); bit++) {
		uint8_t one = (uint8_t)(0x80 >> bit % 8);

		a.bytes[bit / 8] =
			(uint8_t)((a.bytes[bit / 8] & ~one) | (own->bytes[bit / 8] & one));
	}
	return a;
}

static bool in_range(const struct ip_addr *a, const struct walk_nat *n)
{
	const struct ip_addr *last = n->last.family == IP_NONE ? &n->first : &n->last;

	return a->family == n->first.family && ip_cmp(a, &n->first) >= 0 && ip_cmp(a, last) <= 0;
}

/* Ports of a class stay in it (nf_nat_l4proto_unique_tuple()). */
static void class_of(uint16_t port, uint16_t *first, uint16_t *last)
{
	*first = port < 512 ? 1 : port < 1024 ? 600 : 1024;
	*last = port < 512 ? 511 : port < 1024 ? 1023 : 65535;
}

/* ---- setting up ---- */

/* What is being made of a connection. */
struct mapping {
	bool source;
	struct packet_tuple now; /* what leaves, as it would without this */
	bool picked;		 /* the port is only an example */
	uint16_t bits;		 /* then: those that it has in any case */
};

static bool unique(const struct trip *t, const struct packet_tuple *u)
{
	struct packet_tuple reply = trip_inverse(u);

	return !trip_tuple_taken(t, &reply);
}

/* The leading bits that all numbers between the two have. */
static uint16_t common_bits(uint16_t first, uint16_t last)
{
	uint16_t differ = first ^ last, bits = UINT16_MAX;

	while (differ & bits)
		bits = (uint16_t)(bits << 1);
	return bits;
}

#define NAT_ATTEMPTS 128 /* of the kernel: then it takes one that another connection has */

/* The first port from @first to @last that no other connection has; in truth it is drawn. */
static void free_port(struct trip *t, struct mapping *m, uint16_t first, uint16_t last)
{
	uint16_t *port = m->source ? &m->now.sport : &m->now.dport;

	*port = first;
	for (int i = 1; i < NAT_ATTEMPTS && *port < last && !unique(t, &m->now); i++)
		++*port;
	m->bits = common_bits(first, last);
	m->picked = m->source && first != last;
}

static void map_port(struct trip *t, struct mapping *m, const struct walk_nat *n)
{
	uint16_t *port = m->source ? &m->now.sport : &m->now.dport;
	uint16_t first = n->port_first, last = n->port_last ? n->port_last : n->port_first;

	if (first > last) {
		first = last;
		last = n->port_first;
	}
	if (!first) {
		if (!m->source && !n->random) /* nothing but the address is asked for */
			return;
		if (!n->random && unique(t, &m->now))
			return;
		class_of(*port, &first, &last);
		if (m->source)
			free_port(t, m, first, last);
		return;
	}
	if (n->port_base) {
		*port = (uint16_t)(first + (uint16_t)(*port - n->port_base) % (last - first + 1));
		return;
	}
	if (!n->random && *port >= first && *port <= last && (first == last || unique(t, &m->now)))
		return;
	free_port(t, m, first, last);
	if (n->random && first != last)
		m->picked = true;
}

/* nf_nat_setup_info() */
static void set_up(struct trip *t, bool source, const struct walk_nat *n, const void *rule)
{
	struct connection *c = t->connection;
	struct mapping m = {.source = source, .now = trip_inverse(&c->reply)};
	struct packet_tuple before = m.now;
	struct ip_addr *addr = source ? &m.now.saddr : &m.now.daddr;

	c->status |= source ? CT_SRC_NAT_DONE : CT_DST_NAT_DONE;
	if (n->prefix_len && n->first.family != IP_NONE)
		*addr = netmapped(n, addr);
	else if (n->first.family != IP_NONE && !(source && in_range(addr, n)))
		*addr = pick_address(t, n, rule, &before);
	if (t->stopped)
		return;
	if (trip_has_ports(c->proto))
		map_port(t, &m, n);
	if (trip_tuple_equal(&before, &m.now) && !m.picked)
		return;
	c->reply = trip_inverse(&m.now);
	if (m.picked && source) {
		c->sport_picked = true;
		c->sport_bits = m.bits;
	} else if (m.picked) {
		c->dport_picked = true;
		c->dport_bits = m.bits;
	}
	c->status |= source ? CT_SRC_NAT : CT_DST_NAT;
}

/* ---- applying ---- */

/* nf_nat_packet(): what the connection says for this hook and direction. */
static void apply(struct trip *t, bool source, struct packet *p)
{
	const struct connection *c = t->connection;
	uint32_t bit = (source != t->reply) ? CT_SRC_NAT : CT_DST_NAT;
	struct packet_tuple target = trip_inverse(t->reply ? &c->original : &c->reply);

	if (!(c->status & bit))
		return;
	if (source) {
		p->saddr = target.saddr;
		p->sport = t->error_about ? p->sport : target.sport;
		p->known |= PKT_SADDR | PKT_SPORT;
		if (c->sport_picked && !t->reply) {
			p->known &= ~(uint32_t)PKT_SPORT;
			p->sport_bits = c->sport_bits;
		}
	} else {
		p->daddr = target.daddr;
		p->dport = t->error_about ? p->dport : target.dport;
		p->known |= PKT_DADDR | PKT_DPORT;
		if (c->dport_picked && !t->reply) {
			p->known &= ~(uint32_t)PKT_DPORT;
			p->dport_bits = c->dport_bits;
		}
	}
}

static bool same_ends(const struct packet *a, const struct packet *b)
{
	struct packet_tuple x = trip_tuple(a), y = trip_tuple(b);

	return trip_tuple_equal(&x, &y) &&
	       (a->known & (PKT_SPORT | PKT_DPORT)) == (b->known & (PKT_SPORT | PKT_DPORT));
}

/* @asked: a rule was met just now; that it changes nothing is worth a word then. */
static void note_change(struct trip *t, enum nft_hook hook, bool source,
	const struct packet *before, const struct packet *p, const struct walk_step *by, bool asked)
{
	char old[ENDPOINT_STRLEN], new[ENDPOINT_STRLEN];
	const char *what = source ? "source" : "destination";
	bool same = same_ends(before, p);
	struct journey_step *s;

	if (same && !asked)
		return;
	if (source) {
		trip_endpoint(p->proto, &before->saddr, before->sport,
			packet_knows(before, PKT_SPORT), old);
		trip_endpoint(p->proto, &p->saddr, p->sport, packet_knows(p, PKT_SPORT), new);
	} else {
		trip_endpoint(p->proto, &before->daddr, before->dport,
			packet_knows(before, PKT_DPORT), old);
		trip_endpoint(p->proto, &p->daddr, p->dport, packet_knows(p, PKT_DPORT), new);
	}
	s = trip_step(t, STAGE_NAT, hook, p,
		same ? arena_printf(t->a, "%s stays %s", what, old)
		     : arena_printf(t->a, "%s %s -> %s", what, old, new));
	if (by)
		s->rule = *by;
}

/* ---- what rules ask for ---- */

static void refuse(struct trip *t, enum nft_hook hook, const struct packet *p,
	const struct walk_step *by, const char *text, enum journey_end end)
{
	struct journey_step *s = trip_step(t, STAGE_NAT, hook, p, text);

	s->rule = *by;
	trip_stop(t, s, end);
}

/* Turn what a rule says into addresses. False: the packet ends here. */
static bool resolve(struct trip *t, enum nft_hook hook, const struct packet *p,
	const struct walk_step *by, struct walk_nat *n)
{
	const struct ip_addr *next = &p->daddr;

	if (n->addr_unknown || n->port_unknown) {
		refuse(t, hook, p, by, "where the rule translates to cannot be told", JOURNEY_LOST);
		return false;
	}
	if (n->kind == WALK_NAT_REDIRECT) {
		n->first = trip_redirect_address(t, p, hook);
		n->last = (struct ip_addr){0};
		if (n->first.family == IP_NONE)
			refuse(t, hook, p, by,
				arena_printf(t->a, "%s has no address to redirect to", p->iif),
				JOURNEY_DROPPED);
	} else if (n->kind == WALK_NAT_MASQUERADE) {
		if (p->family == IP_V4 && t->out.hop && t->out.hop->gateway.family == IP_V4)
			next = &t->out.hop->gateway;
		n->first = trip_select_address(t, p->family, p->oif, next, 0);
		n->last = (struct ip_addr){0};
		t->connection->masquerade_by = p->oif;
		if (n->first.family == IP_NONE)
			refuse(t, hook, p, by,
				arena_printf(t->a, "%s has no address to masquerade as", p->oif),
				JOURNEY_DROPPED);
	}
	return !t->stopped;
}

static bool is_legacy(const struct walk_base *b)
{
	return b->table->origin == ORIGIN_XT_LEGACY;
}

/* Which translation would this chain call for? Only tried. */
static struct walk_nat translation(
	struct trip *t, const struct walk_base *base, const struct packet *p)
{
	const struct trip *mute = t->mute;
	struct walk_result r;

	t->mute = t;
	walk_base_chain(&t->walker, base, p, &r);
	t->mute = mute;
	if (r.nat.kind == WALK_NAT_TPROXY)
		r.nat = (struct walk_nat){.kind = WALK_NAT_NONE};
	return r.nat;
}

/* Where rules of both tools would translate, it counts which of them were there first. */
static void assume_order(
	struct trip *t, const struct walk_base *bases, size_t n, size_t i, const struct packet *p)
{
	for (size_t k = i + 1; k < n && bases[k].chain->prio == bases[i].chain->prio; k++) {
		if (is_legacy(&bases[k]) == is_legacy(&bases[i]) ||
			translation(t, &bases[k], p).kind == WALK_NAT_NONE)
			continue;
		trip_assume(t,
			"iptables-legacy's rules were there before nft's, so that nft's translate "
			"first",
			"the order in which the firewall's services start", true);
		return;
	}
}

/* Ask the nat chains until one gives a mapping. False: the packet ends here. */
static bool ask(struct trip *t, enum nft_hook hook, bool source, const struct walk_base *bases,
	size_t n, struct packet *p, struct walk_step *by)
{
	struct connection *c = t->connection;
	struct packet before = *p;
	struct walk_result r;

	for (size_t i = 0; i < n && !t->stopped; i++) {
		trip_chain(t, &bases[i], p, &r);
		if (t->stopped)
			break;
		if (r.nat.kind == WALK_NAT_NONE || r.nat.kind == WALK_NAT_TPROXY)
			continue;
		assume_order(t, bases, n, i, &before);
		*by = r.by;
		if (!resolve(t, hook, p, by, &r.nat))
			return false;
		set_up(t, source, &r.nat, by->rule);
		*(source ? &c->snat_by : &c->dnat_by) = *by;
		return !t->stopped;
	}
	return !t->stopped;
}

/* No rule: the port may still have to change, so that replies can be told apart. */
static void bind_plainly(struct trip *t, bool source)
{
	set_up(t, source, &(struct walk_nat){.kind = WALK_NAT_NONE}, NULL);
}

/* Would the rules of today map the connection otherwise than it is? Said, not done. */
static void compare_with_rules(struct trip *t, enum nft_hook hook, bool source,
	const struct walk_base *bases, size_t n, const struct packet *p)
{
	struct connection *kept = t->connection, tried = *kept;
	struct packet q = *p, now = *p;
	struct walk_step by = {0};
	struct journey_leg *leg = t->leg, aside = {0};
	const struct trip *mute = t->mute;
	char is[ENDPOINT_STRLEN], would[ENDPOINT_STRLEN];

	tried.reply = trip_inverse(&kept->original);
	tried.status &= ~(uint32_t)(CT_SRC_NAT | CT_DST_NAT | CT_SRC_NAT_DONE | CT_DST_NAT_DONE);
	tried.from = kept->from;
	t->connection = &tried;
	t->leg = &aside;
	t->mute = t;
	q.ct_state = CT_NEW;
	if (ask(t, hook, source, bases, n, &q, &by))
		apply(t, source, &q);
	t->connection = kept;
	t->leg = leg;
	t->mute = mute;
	if (t->stopped) {
		t->stopped = false;
		return;
	}
	apply(t, source, &now);
	if (source ? ip_equal(&q.saddr, &now.saddr)
		   : ip_equal(&q.daddr, &now.daddr) && q.dport == now.dport)
		return;
	trip_endpoint(p->proto, source ? &now.saddr : &now.daddr, source ? now.sport : now.dport,
		true, is);
	trip_endpoint(
		p->proto, source ? &q.saddr : &q.daddr, source ? q.sport : q.dport, true, would);
	trip_step(t, STAGE_CONNTRACK, hook, p,
		arena_printf(t->a,
			"the connection keeps %s %s from when it began; the rules now give %s",
			source ? "source" : "destination", is, would))
		->rule = by;
}

/* Do the rules give the packet that source where it begins a connection that leaves by @out? */
static bool gives_source(struct trip *t, const struct walk_base *bases, size_t n,
	const struct packet *p, const char *out, const struct ip_addr *source)
{
	struct walk_nat nat = {.kind = WALK_NAT_NONE};
	struct packet first = *p;

	first.oif = out;
	first.ct_state = CT_NEW;
	for (size_t i = 0; i < n && nat.kind == WALK_NAT_NONE; i++)
		nat = translation(t, &bases[i], &first);
	return nat.kind == WALK_NAT_SOURCE && in_range(source, &nat);
}

/* The interface as of which the connection was masqueraded; NULL: of none. An entry of conntrack's does
 * not tell it from other translations: only if the rules give that very source all the same, it is none. */
static const char *masqueraded_by(
	struct trip *t, const struct walk_base *bases, size_t n, const struct packet *p)
{
	const struct connection *c = t->connection;
	const struct net_addr *own;
	const char *out;

	if (c->masquerade_by || !c->from || !(c->status & CT_SRC_NAT))
		return c->masquerade_by;
	own = netstate_addr(t->net, &c->reply.daddr);
	out = own ? own->interface : p->oif;
	if (name_equal(out, p->oif) || gives_source(t, bases, n, p, out, &own->addr) ||
		gives_source(t, bases, n, p, p->oif, &own->addr))
		return NULL;
	return trip_ask(t, trip_subject(t, c->from, NULL),
		       arena_printf(t->a,
			       "conntrack's entry does not tell whether the connection was "
			       "masqueraded as of %s, or has a source that it keeps",
			       out),
		       "it keeps its source", "it was masqueraded")
		       ? out
		       : NULL;
}

/* A masqueraded connection ends where it would leave by another interface (nf_nat_oif_changed()). */
static bool has_moved(
	struct trip *t, const struct walk_base *bases, size_t n, const struct packet *p)
{
	const char *by = masqueraded_by(t, bases, n, p);

	if (!by || name_equal(by, p->oif))
		return false;
	refuse(t, HOOK_POSTROUTING, p, &t->connection->snat_by,
		arena_printf(t->a,
			"masqueraded as of %s, but leaves by %s: the connection is ended", by,
			p->oif),
		JOURNEY_DROPPED);
	return true;
}

/* The kernel translates only while some nat chain of the family is there, whatever connections it has
 * (nf_nat_register_fn()). */
static bool is_registered(const struct trip *t, uint8_t family)
{
	enum nft_family own = family == IP_V6 ? FAMILY_IP6 : FAMILY_IP;

	if (!(t->net->have & HAVE_NFT))
		return true;
	VEC_EACH (&t->net->ruleset.tables, struct nft_table *, table) {
		if ((*table)->family != own && (*table)->family != FAMILY_INET)
			continue;
		VEC_EACH (&(*table)->chains, struct nft_chain *, c) {
			if ((*c)->base && (*c)->type == CHAIN_NAT)
				return true;
		}
	}
	return false;
}

void trip_nat(struct trip *t, enum nft_hook hook, const struct walk_base *bases, size_t n,
	struct packet *p)
{
	bool source = hook == HOOK_POSTROUTING || hook == HOOK_INPUT;
	uint32_t done = source ? CT_SRC_NAT_DONE : CT_DST_NAT_DONE;
	struct connection *c = t->connection;
	struct packet before = *p;
	struct walk_step by = {0};
	bool asked;

	if (!c || t->stopped || !is_registered(t, p->family))
		return;
	if (!t->error_about && !t->reply && p->ct_state != CT_ESTABLISHED && !(c->status & done)) {
		if (!ask(t, hook, source, bases, n, p, &by))
			return;
		if (!(c->status & done))
			bind_plainly(t, source);
	} else if (hook == HOOK_POSTROUTING && !t->reply && !t->error_about && p->oif &&
		   has_moved(t, bases, n, p)) {
		return;
	} else if (c->from && !t->reply && !t->error_about && t->kind == LEG_REQUEST) {
		compare_with_rules(t, hook, source, bases, n, p);
	}
	if (t->stopped)
		return;
	apply(t, source, p);
	trip_attach(t, p);
	asked = by.kind != STEP_NONE;
	if (!by.kind && t->reply)
		by = source ? c->dnat_by : c->snat_by;
	else if (!by.kind)
		by = source ? c->snat_by : c->dnat_by;
	note_change(t, hook, source, &before, p, by.kind ? &by : NULL, asked);
}
