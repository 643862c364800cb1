/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds clients for every place from which a forward can be asked for. See tour.h. */
#include "walk/tour.h"

#include <string.h>

#include "walk/pitfalls/inquiry.h"

#define CLIENT_PORT 50123 /* any port that clients use */
#define ECHO_ID	    4711

/* ---- clients ---- */

/* Those that a forward is limited to may be reached another way than by this uplink: over a VPN. */
static bool comes_by(
	const struct gateway *g, const struct gateway_uplink *u, const struct ip_addr *client)
{
	const struct net_route *r = netstate_route(g->net, TABLE_MAIN, client);

	return !r || r->dst.len == 0 || walk_route_leaves_by(r, u->interface) != TRI_NO;
}

/* A public address that is on no network of this machine, and that the forward is for. */
static bool far_client(const struct gateway *g, const struct gateway_uplink *u,
	const struct gateway_forward *f, struct ip_addr *out)
{
	struct ip_addr some[INQUIRY_CLIENTS];
	size_t n = inquiry_clients(NULL, f->family, some);

	if (f->src.addr.family) {
		*out = ip_prefix_last(&f->src);
		/* A broadcast address is nobody's. */
		if (f->src.len < ip_bits(f->family) - 1)
			out->bytes[ip_bytes(f->family) - 1] &= 0xfe;
		return comes_by(g, u, out);
	}
	for (size_t i = 0; i < n; i++) {
		bool near = false;

		VEC_EACH (&g->net->routes, struct net_route, r) {
			if (r->family == f->family && r->dst.len > 1 &&
				ip_in_prefix(&some[i], &r->dst))
				near = true;
		}
		if (!near) {
			*out = some[i];
			return true;
		}
	}
	return false;
}

static uint8_t prefix_len(
	const struct gateway *g, const char *interface, const struct ip_addr *addr)
{
	VEC_EACH (&g->net->addrs, struct net_addr, a) {
		if (strcmp(a->interface, interface) == 0 && ip_equal(&a->addr, addr))
			return a->prefix_len;
	}
	return (uint8_t)ip_bits(addr->family);
}

static bool near_client(const struct gateway *g, const struct gateway_uplink *u,
	const struct gateway_forward *f, struct ip_addr *out)
{
	VEC_EACH (&u->addrs, struct ip_addr, a) {
		struct ip_prefix network;

		if (a->family != f->family)
			continue;
		network = ip_prefix_of(a, prefix_len(g, u->interface, a));
		if (gateway_neighbour(g, &network, out) &&
			(!f->src.addr.family || ip_in_prefix(out, &f->src)))
			return true;
	}
	return false;
}

/* ---- what is asked ---- */

static bool name_fits(const char *pattern, bool inverted, const char *name)
{
	return !pattern || gateway_is_interface(pattern, name) != inverted;
}

/* The public address of the forward on this uplink. */
static bool public_address(
	const struct gateway_uplink *u, const struct gateway_forward *f, struct ip_addr *out)
{
	VEC_EACH (&u->addrs, struct ip_addr, a) {
		if (a->family != f->family || (f->dst.addr.family && !ip_in_prefix(a, &f->dst)))
			continue;
		*out = *a;
		return true;
	}
	return false;
}

/* Is the address on another uplink's interface? */
static bool is_elsewhere(
	const struct gateway *g, const struct gateway_uplink *u, const struct ip_addr *addr)
{
	VEC_EACH (&g->net->addrs, struct net_addr, a) {
		if (ip_equal(&a->addr, addr) && strcmp(a->interface, u->interface) != 0)
			return true;
	}
	return false;
}

static struct journey_question question_of(
	const struct gateway_forward *f, const struct ip_addr *src, const struct ip_addr *dst)
{
	struct journey_question a = {.proto = f->proto ? f->proto : PROTO_TCP,
		.src = *src,
		.dst = *dst,
		.sport = CLIENT_PORT,
		.dport = f->first		 ? f->first
			 : f->last == UINT16_MAX ? 80
						 : f->last};

	if (a.proto == PROTO_ICMP || a.proto == PROTO_ICMPV6) {
		a.sport = ECHO_ID;
		a.dport = 0;
	}
	return a;
}

/* ---- the tour ---- */

static void add(struct arena *a, struct tour *out, enum tour_place place,
	const struct gateway_uplink *u, const struct gateway_inside *i,
	const struct journey_question *q)
{
	struct tour_stop *s = vec_add(a, &out->stops);

	s->place = place;
	s->uplink = u;
	s->inside = i;
	s->question = *q;
	s->question.in = u ? u->interface : i ? i->interface : NULL;
	s->question.from_here = place == TOUR_HERE;
}

static void from_uplinks(
	struct arena *a, const struct gateway *g, const struct gateway_forward *f, struct tour *out)
{
	VEC_EACH (&g->uplinks, struct gateway_uplink, u) {
		struct ip_addr dst, src;
		struct journey_question q;

		if (!gateway_serves(u, f->family) ||
			!name_fits(f->in, f->in_inverted, u->interface) ||
			!public_address(u, f, &dst) || is_elsewhere(g, u, &dst))
			continue;
		if (far_client(g, u, f, &src)) {
			q = question_of(f, &src, &dst);
			add(a, out, TOUR_FAR, u, NULL, &q);
		}
		if (near_client(g, u, f, &src)) {
			q = question_of(f, &src, &dst);
			add(a, out, TOUR_BESIDE, u, NULL, &q);
		}
	}
}

/* The address that everyone is told: the first uplink's that has one. */
static bool told_address(
	const struct gateway *g, const struct gateway_forward *f, struct ip_addr *out)
{
	VEC_EACH (&g->uplinks, struct gateway_uplink, u) {
		if (gateway_serves(u, f->family) &&
			(!f->in || f->in_inverted || name_fits(f->in, false, u->interface)) &&
			public_address(u, f, out))
			return true;
	}
	return false;
}

void tour_of(
	struct arena *a, const struct gateway *g, const struct gateway_forward *f, struct tour *out)
{
	struct ip_addr dst;
	struct journey_question q;

	from_uplinks(a, g, f, out);
	if (f->src.addr.family || !told_address(g, f, &dst))
		return;
	VEC_EACH (&g->insides, struct gateway_inside, i) {
		if (i->neighbour.family != f->family)
			continue;
		q = question_of(f, &i->neighbour, &dst);
		add(a, out, TOUR_INSIDE, NULL, i, &q);
	}
	q = question_of(f, &dst, &dst);
	add(a, out, TOUR_HERE, NULL, NULL, &q);
}
