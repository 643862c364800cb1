/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One packet's way through the machine: from where it arrives or is sent to where it leaves or ends. */
#include "walk/trip.h"

/* ---- leaving ---- */

static void check_neighbour(struct trip *t, const struct packet *p)
{
	const struct ip_addr *next = t->leg->via.family != IP_NONE ? &t->leg->via : &p->daddr;
	char buf[IP_STRLEN];

	VEC_EACH (&t->net->neighbours, struct net_neighbour, n) {
		if (n->state != NEIGHBOUR_FAILED || !name_equal(n->interface, p->oif) ||
			!ip_equal(&n->addr, next))
			continue;
		trip_step(t, STAGE_NEIGHBOUR, HOOK_POSTROUTING, p,
			arena_printf(t->a, "%s does not answer on %s: no link-layer address",
				ip_format(next, buf), p->oif));
		return;
	}
}

static void leave(struct trip *t, struct packet *p)
{
	const char *text;
	char buf[IP_STRLEN];

	if (t->out.hop && t->out.hop->gateway.family != IP_NONE)
		t->leg->via = t->out.hop->gateway;
	check_neighbour(t, p);
	trip_hook(t, HOOK_EGRESS, p);
	if (t->stopped)
		return;
	t->leg->out = p->oif;
	text = arena_printf(t->a, "by %s%s%s: %s", p->oif,
		t->leg->via.family != IP_NONE ? " to " : "",
		t->leg->via.family != IP_NONE ? ip_format(&t->leg->via, buf) : "",
		trip_packet_text(t, p));
	trip_step(t, STAGE_LEAVE, HOOK_POSTROUTING, p, text);
	t->leg->end = JOURNEY_FORWARDED;
}

/* ---- to this machine ---- */

bool trip_listens(const struct trip *t, const struct packet *p)
{
	VEC_EACH (&t->net->listeners, struct net_listener, l) {
		bool any = ip_is_unspecified(&l->addr);

		if (l->proto != p->proto || l->port != p->dport)
			continue;
		if (l->interface && !name_equal(l->interface, p->iif))
			continue;
		if (any ? l->addr.family == p->family || (l->addr.family == IP_V6 && !l->v6_only)
			: ip_equal(&l->addr, &p->daddr))
			return true;
	}
	return false;
}

static void deliver(struct trip *t, struct packet *p)
{
	char to[ENDPOINT_STRLEN];
	const char *text;

	trip_hook(t, HOOK_INPUT, p);
	if (t->stopped)
		return;
	trip_confirm(t, p);
	trip_endpoint(p->proto, &p->daddr, p->dport, packet_knows(p, PKT_DPORT), to);
	if (t->accept_by_tproxy)
		text = "to the socket of the transparent proxy";
	else if (t->kind == LEG_REPLY)
		text = arena_printf(t->a, "to the socket at %s", to);
	else if (!trip_has_ports(p->proto))
		text = arena_printf(t->a, "to this machine itself, %s", to);
	else if (!(t->net->have & HAVE_LISTENERS))
		text = arena_printf(
			t->a, "to this machine's own service at %s, if there is one", to);
	else
		text = arena_printf(t->a,
			trip_listens(t, p) ? "to this machine's own service at %s"
					   : "to this machine; nothing listens on %s",
			to);
	trip_step(t, STAGE_DELIVER, HOOK_INPUT, p, text);
	t->leg->end = JOURNEY_LOCAL;
	if (t->kind == LEG_REQUEST)
		t->mark_at_delivery = p->mark;
}

/* ---- routing what came in ---- */

static bool forwarding_v6(struct trip *t, const struct packet *p, const char **key)
{
	int force;

	*key = "net.ipv6.conf.all.forwarding";
	if (trip_conf_known(t, IP_V6, p->iif, "force_forwarding", CONF_OWN, &force) && force > 0)
		return true;
	return trip_sysctl(t, *key, 1) > 0;
}

/* The switch of the interface that it came in on; writing ip_forward sets all of them. */
static bool forwarding_v4(struct trip *t, const struct packet *p, const char **key)
{
	long all;
	int own;

	*key = trip_sysctl_text(t, IP_V4, p->iif, "forwarding");
	if (trip_conf_known(t, IP_V4, p->iif, "forwarding", CONF_OWN, &own))
		return own > 0;
	all = netstate_sysctl_int(t->net, "net.ipv4.ip_forward",
		netstate_sysctl_int(t->net, "net.ipv4.conf.all.forwarding", -1));
	if (all < 0)
		return trip_sysctl(t, *key, 1) > 0;
	trip_assume(t, arena_printf(t->a, "forwarding on %s is as net.ipv4.ip_forward", p->iif),
		arena_printf(t->a, "sysctl %s", *key), false);
	return all > 0;
}

static bool may_forward(struct trip *t, const struct packet *p)
{
	struct journey_step *s;
	const char *key;
	bool yes = p->family == IP_V6 ? forwarding_v6(t, p, &key) : forwarding_v4(t, p, &key);

	if (yes || t->stopped)
		return yes;
	s = trip_step(t, STAGE_FORWARD, HOOK_FORWARD, p,
		arena_printf(t->a, "not forwarded: %s is 0", key));
	s->sysctl = key;
	trip_stop(t, s, JOURNEY_DROPPED);
	return false;
}

static bool is_delivered(uint8_t type)
{
	return type == ROUTE_LOCAL || type == ROUTE_ANYCAST || type == ROUTE_BROADCAST;
}

static void note_route(struct trip *t, const struct packet *p)
{
	const struct trip_route *r = &t->out;
	struct journey_step *s =
		trip_step(t, STAGE_ROUTE, HOOK_PREROUTING, p, trip_route_text(t, r));

	s->policy = r->rule;
	s->route = r->route;
	if (r->lost)
		trip_stop(t, s, JOURNEY_LOST);
	else if (r->type == ROUTE_UNICAST ? !r->hop || !r->hop->interface : !is_delivered(r->type))
		trip_stop(t, s, JOURNEY_UNROUTABLE);
}

static bool is_on_link(const struct trip *t, const struct ip_addr *addr, const char *interface)
{
	VEC_EACH (&t->net->addrs, struct net_addr, a) {
		struct ip_prefix net = ip_prefix_of(&a->addr, a->prefix_len);

		if (name_equal(a->interface, interface) && ip_in_prefix(addr, &net))
			return true;
	}
	return false;
}

/* Hop limit, size, redirects. */
static void check_forward(struct trip *t, struct packet *p)
{
	const struct net_link *l = netstate_link(t->net, p->oif);
	uint32_t mtu = t->out.route && t->out.route->mtu ? t->out.route->mtu : l ? l->mtu : 0;
	struct journey_step *s;
	int redirects;

	if (packet_knows(p, PKT_TTL)) {
		if (p->ttl <= 1) {
			s = trip_step(t, STAGE_FORWARD, HOOK_FORWARD, p, "hop limit used up");
			trip_stop(t, s, JOURNEY_DROPPED);
			return;
		}
		p->ttl--;
	}
	if (t->q->length && mtu && t->q->length > mtu &&
		(p->proto == PROTO_TCP || p->family == IP_V6))
		trip_step(t, STAGE_FORWARD, HOOK_FORWARD, p,
			arena_printf(t->a,
				"packets of %u bytes do not fit the MTU of %s, %u: the sender is "
				"told (%s)",
				t->q->length, p->oif, mtu,
				p->family == IP_V6 ? "packet too big" : "fragmentation needed"));
	if (p->family == IP_V4 && name_equal(p->iif, p->oif) && is_on_link(t, &p->saddr, p->iif) &&
		trip_conf_known(t, IP_V4, p->iif, "send_redirects", CONF_OR, &redirects) &&
		redirects) {
		s = trip_step(t, STAGE_FORWARD, HOOK_FORWARD, p,
			"leaves as it came: the sender is told of the shorter way (redirect)");
		s->sysctl = trip_sysctl_text(t, IP_V4, p->iif, "send_redirects");
	}
}

static void post(struct trip *t, struct packet *p)
{
	trip_hook(t, HOOK_POSTROUTING, p);
	if (!t->stopped)
		trip_confirm(t, p);
}

static void forward(struct trip *t, struct packet *p)
{
	const char *in = p->iif;

	if (p->family == IP_V6 && (ip_is_link_local(&p->saddr) || ip_is_multicast(&p->saddr) ||
					  ip_is_unspecified(&p->saddr))) {
		trip_stop(t,
			trip_step(t, STAGE_FORWARD, HOOK_FORWARD, p,
				"its source is only good on its own link"),
			JOURNEY_DROPPED);
		return;
	}
	p->oif = t->out.hop->interface;
	check_forward(t, p);
	if (t->stopped)
		return;
	trip_hook(t, HOOK_FORWARD, p);
	if (t->stopped)
		return;
	post(t, p);
	p->iif = in;
	if (!t->stopped)
		leave(t, p);
}

static void route_in(struct trip *t, struct packet *p)
{
	struct trip_route *r = &t->out;

	if (!packet_knows(p, PKT_DADDR)) {
		trip_stop(t,
			trip_step(
				t, STAGE_ROUTE, HOOK_PREROUTING, p, "its destination is not known"),
			JOURNEY_LOST);
		return;
	}
	trip_martians(t, p);
	if (t->stopped)
		return;
	trip_lookup(t, p, r);
	if (!r->lost && r->type && !is_delivered(r->type) && p->family == IP_V4 &&
		!may_forward(t, p))
		return;
	if (r->type == ROUTE_UNICAST)
		trip_pick_hop(t, p, r);
	note_route(t, p);
	if (t->stopped)
		return;
	trip_validate_source(t, p, r->type == ROUTE_UNICAST ? r->hop->interface : NULL);
	if (t->stopped)
		return;
	if (r->type == ROUTE_UNICAST && p->family == IP_V6 && !may_forward(t, p))
		return;
	if (r->type == ROUTE_UNICAST)
		forward(t, p);
	else
		deliver(t, p);
}

/* ---- arriving and sending ---- */

static void arrived(struct trip *t, struct packet *p)
{
	const struct net_link *vrf = walk_vrf(t->net, p->iif);

	trip_hook(t, HOOK_INGRESS, p);
	if (!t->stopped)
		trip_hook(t, HOOK_PREROUTING, p);
	/* In a VRF the packet then comes in once more, on the VRF's own device. */
	if (!t->stopped && vrf && !name_equal(vrf->name, p->iif)) {
		p->iif = vrf->name;
		trip_hook(t, HOOK_PREROUTING, p);
	}
}

void trip_arrive(struct trip *t, struct packet *p)
{
	t->leg->in = p->iif;
	trip_step(t, STAGE_ARRIVE, HOOK_PREROUTING, p,
		arena_printf(t->a, "on %s: %s", p->iif, trip_packet_text(t, p)));
	if (p->family == IP_V6 && (ip_is_loopback(&p->saddr) || ip_is_loopback(&p->daddr) ||
					  ip_is_multicast(&p->saddr))) {
		trip_stop(t,
			trip_step(t, STAGE_SOURCE, HOOK_PREROUTING, p,
				"such addresses do not come from outside"),
			JOURNEY_DROPPED);
		return;
	}
	arrived(t, p);
	if (!t->stopped)
		route_in(t, p);
}

void trip_send(struct trip *t, struct packet *p)
{
	struct journey_step *s;

	p->known |= PKT_IIF | PKT_OIF;
	p->iif = NULL;
	p->from_socket = true;
	s = trip_step(t, STAGE_ARRIVE, HOOK_OUTPUT, p, "");
	s->text = arena_printf(t->a, "from a socket here: %s", trip_packet_text(t, p));
	if (!trip_route_out(t, STAGE_ROUTE, HOOK_OUTPUT, p))
		return;
	if (t->kind == LEG_REQUEST)
		t->leg->first = *p; /* the source is chosen now */
	trip_hook(t, HOOK_OUTPUT, p);
	if (t->stopped)
		return;
	p->oif = t->out.type == ROUTE_LOCAL ? "lo" : t->out.hop->interface;
	post(t, p);
	if (t->stopped)
		return;
	if (t->out.type != ROUTE_LOCAL) {
		leave(t, p);
		return;
	}
	/* Through lo to this machine itself; it keeps its route. */
	p->iif = "lo";
	p->oif = NULL;
	p->from_socket = false;
	arrived(t, p);
	if (!t->stopped)
		deliver(t, p);
}
