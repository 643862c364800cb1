/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses that must not come in, and the reverse path filter.
 *
 * As ip_route_input_slow() and __fib_validate_source() of net/ipv4, and ip6_rcv_core(). Only IPv4
 * looks back; in IPv6 that is left to rules.
 */
#include <string.h>

#include "walk/trip.h"

/* ---- martians ---- */

static bool in_zeronet(const struct ip_addr *a)
{
	return a->family == IP_V4 && a->bytes[0] == 0;
}

static bool is_broadcast(const struct ip_addr *a)
{
	return a->family == IP_V4 && memcmp(a->bytes, "\xff\xff\xff\xff", 4) == 0;
}

static void martian(struct trip *t, const struct packet *p, const char *text, const char *sysctl)
{
	struct journey_step *s = trip_step(t, STAGE_SOURCE, HOOK_PREROUTING, p, text);

	s->sysctl = sysctl;
	trip_stop(t, s, JOURNEY_DROPPED);
}

static bool may_be_loopback(struct trip *t, const struct packet *p)
{
	return trip_conf(t, IP_V4, p->iif, "route_localnet", CONF_OR) > 0;
}

static void martians_v4(struct trip *t, const struct packet *p)
{
	bool loops = ip_is_loopback(&p->saddr) || ip_is_loopback(&p->daddr);
	char buf[IP_STRLEN];
	const char *key;

	if (ip_is_multicast(&p->saddr) || is_broadcast(&p->saddr) || in_zeronet(&p->saddr)) {
		martian(t, p,
			arena_printf(t->a, "%s cannot be a source", ip_format(&p->saddr, buf)),
			NULL);
		return;
	}
	if (in_zeronet(&p->daddr)) {
		martian(t, p,
			arena_printf(t->a, "%s cannot be a destination", ip_format(&p->daddr, buf)),
			NULL);
		return;
	}
	if (!loops || may_be_loopback(t, p) || t->stopped)
		return;
	key = trip_sysctl_text(t, IP_V4, p->iif, "route_localnet");
	if (ip_is_loopback(&p->daddr))
		martian(t, p,
			arena_printf(t->a,
				"%s is not for packets from outside (route_localnet is 0 on %s)",
				ip_format(&p->daddr, buf), p->iif),
			key);
	else
		martian(t, p,
			arena_printf(t->a, "source %s is not accepted from outside",
				ip_format(&p->saddr, buf)),
			key);
}

void trip_martians(struct trip *t, struct packet *p)
{
	if (p->family == IP_V4)
		martians_v4(t, p);
}

/* ---- the reverse path ---- */

static bool leads_by(const struct trip *t, const struct net_route *r, const char *interface)
{
	const struct net_link *vrf = walk_vrf(t->net, interface);

	if (!r)
		return false;
	VEC_EACH (&r->nexthops, struct net_nexthop, h) {
		const struct net_link *own = walk_vrf(t->net, h->interface);

		if (h->interface && strcmp(h->interface, interface) == 0)
			return true;
		if (own && vrf && own == vrf && strcmp(vrf->name, interface) == 0)
			return true;
	}
	return false;
}

static bool has_address(const struct trip *t, const char *interface)
{
	VEC_EACH (&t->net->addrs, struct net_addr, a) {
		if (a->addr.family == IP_V4 && strcmp(a->interface, interface) == 0)
			return true;
	}
	return false;
}

/* The three rules that are always there, and no local route but the kernel's. */
static bool has_own_rules(const struct trip *t)
{
	size_t usual = 0, all = 0;

	VEC_EACH (&t->net->rules, struct net_rule, r) {
		bool plain = !r->src.len && !r->dst.len && !r->iif && !r->oif && !r->mask &&
			     !r->tos && !r->invert && !r->l3mdev && !r->ip_proto && !r->has_uid &&
			     !r->more_selectors && r->action == RULE_LOOKUP &&
			     r->suppress_prefixlen < 0;

		if (r->family != IP_V4)
			continue;
		all++;
		usual += plain && ((r->preference == 0 && r->table == TABLE_LOCAL) ||
					  (r->preference == 32766 && r->table == TABLE_MAIN) ||
					  (r->preference == 32767 && r->table == TABLE_DEFAULT));
	}
	if (usual != all)
		return true;
	VEC_EACH (&t->net->routes, struct net_route, r) {
		/* 2 is RTPROT_KERNEL; 0 where a dump does not say. */
		if (r->family == IP_V4 && r->type == ROUTE_LOCAL && r->protocol != 2 && r->protocol)
			return true;
	}
	return false;
}

/* How the way back is judged. */
struct look_back {
	enum { BACK_PASSES, BACK_OWN, BACK_NO_SOURCE, BACK_NO_ROUTE, BACK_ELSEWHERE } verdict;
	bool matches; /* it leads by the interface that the packet came in on */
	struct trip_route route;
};

static struct look_back look_back(
	struct trip *t, const struct packet *p, const char *out, int mode, bool use_mark)
{
	struct look_back b = {.verdict = BACK_PASSES};
	struct packet key = *p;
	bool local;

	key.saddr = p->daddr;
	key.daddr = p->saddr;
	key.sport = p->dport;
	key.dport = p->sport;
	key.sport_bits = p->dport_bits;
	key.dport_bits = p->sport_bits;
	key.known &= ~(uint32_t)(PKT_SPORT | PKT_DPORT);
	if (packet_knows(p, PKT_SPORT))
		key.known |= PKT_DPORT;
	if (packet_knows(p, PKT_DPORT))
		key.known |= PKT_SPORT;
	key.iif = out ? out : "lo";
	key.from_socket = false;
	if (!use_mark) {
		key.mark = 0;
		key.mark_known = UINT32_MAX;
	}
	trip_lookup(t, &key, &b.route);
	local = b.route.type == ROUTE_LOCAL;
	if (b.route.route && b.route.route->nexthops.len) /* for the text: any will do */
		b.route.hop = b.route.route->nexthops.items;
	if (!b.route.type || b.route.type == ROUTE_UNREACHABLE || b.route.type == ROUTE_BLACKHOLE ||
		b.route.type == ROUTE_PROHIBIT) {
		b.verdict = mode ? BACK_NO_ROUTE : BACK_PASSES;
		return b;
	}
	if (b.route.type != ROUTE_UNICAST && !local) {
		b.verdict = BACK_NO_SOURCE;
		return b;
	}
	if (local && trip_conf(t, IP_V4, p->iif, "accept_local", CONF_OR) <= 0) {
		b.verdict = BACK_OWN;
		return b;
	}
	b.matches = leads_by(t, b.route.route, p->iif) || (local && strcmp(p->iif, "lo") == 0);
	if (b.matches)
		return b;
	if (!has_address(t, p->iif))
		b.verdict = mode ? BACK_NO_ROUTE : BACK_PASSES;
	else if (mode == 1)
		b.verdict = BACK_ELSEWHERE;
	return b;
}

static const char *back_text(
	struct trip *t, const struct packet *p, int mode, const struct look_back *b)
{
	char buf[IP_STRLEN];
	const char *source = ip_format(&p->saddr, buf);

	switch (b->verdict) {
	case BACK_OWN:
		return arena_printf(t->a, "%s is an address of this machine itself", source);
	case BACK_NO_SOURCE:
		return arena_printf(t->a, "%s cannot be a source: the way back to it is %s", source,
			trip_route_text(t, &b->route));
	case BACK_NO_ROUTE:
		return arena_printf(
			t->a, "rp_filter %d on %s: no way back to %s", mode, p->iif, source);
	case BACK_ELSEWHERE:
		return arena_printf(t->a, "rp_filter %d on %s: the way back to %s is %s", mode,
			p->iif, source, trip_route_text(t, &b->route));
	case BACK_PASSES:
		break;
	}
	return arena_printf(t->a, "rp_filter %d on %s: the way back to %s is %s", mode, p->iif,
		source, trip_route_text(t, &b->route));
}

/* Where the mark decides, and whether it counts is not known, that is asked. */
static struct look_back look_back_marked(
	struct trip *t, const struct packet *p, const char *out, int mode)
{
	struct look_back plain, marked;
	int counts;

	if (!p->mark && p->mark_known == UINT32_MAX)
		return look_back(t, p, out, mode, false);
	if (trip_conf_known(t, IP_V4, p->iif, "src_valid_mark", CONF_OR, &counts))
		return look_back(t, p, out, mode, counts > 0);
	plain = look_back(t, p, out, mode, false);
	marked = look_back(t, p, out, mode, true);
	if (plain.verdict == marked.verdict)
		return plain;
	return trip_conf(t, IP_V4, p->iif, "src_valid_mark", CONF_OR) ? marked : plain;
}

/* rp_filter in force. Where it is not known it is asked, if it matters: at least it is the one of the two
 * settings that is known. */
static int mode_of(struct trip *t, const struct packet *p, const char *out)
{
	struct look_back by[CONF_MOST + 1];
	bool matters = false, loose;
	int least;

	if (trip_conf_known(t, IP_V4, p->iif, "rp_filter", CONF_MAX, &least))
		return least > CONF_MOST ? CONF_MOST : least;
	least = least < 0 ? 0 : least;
	for (int m = least; m <= CONF_MOST; m++) {
		by[m] = look_back_marked(t, p, out, m);
		matters = matters || by[m].verdict != by[least].verdict;
	}
	if (!matters)
		return least;
	loose = by[CONF_MOST].verdict == BACK_PASSES;
	if (trip_ask_sysctl(t, trip_sysctl_text(t, IP_V4, p->iif, "rp_filter"),
		    loose ? "it is 0 or 2" : "it is 0", loose ? "it is 1" : "it is 1 or 2"))
		return 1;
	return least ? CONF_MOST : 0;
}

static void refuse_or_note(
	struct trip *t, const struct packet *p, int mode, const struct look_back *back)
{
	struct journey_step *s =
		trip_step(t, STAGE_SOURCE, HOOK_PREROUTING, p, back_text(t, p, mode, back));

	s->policy = back->route.rule;
	s->route = back->route.route;
	s->sysctl = trip_sysctl_text(
		t, IP_V4, p->iif, back->verdict == BACK_OWN ? "accept_local" : "rp_filter");
	if (back->verdict != BACK_PASSES)
		trip_stop(t, s, JOURNEY_DROPPED);
}

/* The short way that the kernel takes with rp_filter 0: only that the source is not our own. True: that
 * was enough. */
static bool short_way(struct trip *t, const struct packet *p)
{
	int accept_local;

	if (has_own_rules(t))
		return trip_conf_known(t, IP_V4, p->iif, "accept_local", CONF_OR, &accept_local) &&
		       accept_local > 0;
	if (trip_is_ours(t, &p->saddr) && trip_conf(t, IP_V4, p->iif, "accept_local", CONF_OR) <= 0)
		refuse_or_note(t, p, 0, &(struct look_back){.verdict = BACK_OWN});
	return true;
}

void trip_validate_source(struct trip *t, const struct packet *p, const char *out)
{
	struct look_back back;
	int mode;

	if (p->family != IP_V4 || !packet_knows(p, PKT_SADDR))
		return;
	mode = packet_knows(p, PKT_SECPATH) && p->secpath ? 0 : mode_of(t, p, out);
	/* (What leaves as it came is looked at in full, for the sake of redirects.) */
	if (t->stopped || (mode == 0 && !(out && strcmp(out, p->iif) == 0) && short_way(t, p)))
		return;
	back = look_back_marked(t, p, out, mode);
	if (!t->stopped && (mode || back.verdict != BACK_PASSES))
		refuse_or_note(t, p, mode, &back);
}
