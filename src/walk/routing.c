/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks a trip's packet up: rules, tables, next hops; and what a packet of our own gets for source.
 *
 * As net/core/fib_rules.c, net/ipv4/fib_trie.c, net/ipv4/route.c (ip_route_output_key_hash_rcu()) and
 * their IPv6 siblings.
 */
#include <stdio.h>
#include <string.h>

#include "walk/trip.h"

/* ---- rules and tables ---- */

static bool rule_applies(struct trip *t, const struct packet *key, const struct net_rule *r)
{
	struct packet_tuple tuple = trip_tuple(key);
	enum tri yes = walk_rule_matches(t->net, key, r);

	if (yes != TRI_UNKNOWN)
		return yes == TRI_YES;
	return trip_ask(t, trip_subject(t, r, &tuple),
		arena_printf(t->a, "whether the ip rule with preference %u applies cannot be told",
			r->preference),
		"it does not", "it does");
}

/* A table of which nothing was given may hold a route. */
static bool table_missing(struct trip *t, uint8_t family, uint32_t table)
{
	uint32_t only_main = family == IP_V6 ? HAVE_ONLY_MAIN6 : HAVE_ONLY_MAIN4;

	if (!(t->net->have & only_main) || table == TABLE_MAIN || table == TABLE_LOCAL ||
		table == TABLE_DEFAULT)
		return false;
	VEC_EACH (&t->net->routes, struct net_route, r) {
		if (r->table == table && r->family == family)
			return false;
	}
	return true;
}

/* As walk_rule_gives(), where tables may be missing. */
static bool rule_gives(
	struct trip *t, const struct packet *key, const struct net_rule *r, struct trip_route *out)
{
	struct walk_route found;
	uint32_t table = walk_rule_table(t->net, key, r);

	*out = (struct trip_route){.rule = r};
	if (r->action == RULE_LOOKUP && table_missing(t, key->family, table)) {
		out->lost = trip_ask(t, trip_subject(t, r, NULL),
			arena_printf(t->a, "the routes of table %u are not given", table),
			"it has none that fits", "it has one");
		return out->lost;
	}
	if (!walk_rule_gives(t->net, key, r, &found))
		return false;
	out->route = found.route;
	out->type = found.route ? found.route->type : r->action; /* the same numbers */
	return true;
}

void trip_lookup(struct trip *t, const struct packet *key, struct trip_route *out)
{
	const struct netstate *net = t->net;

	for (size_t i = 0; i < net->rules.len; i++) {
		const struct net_rule *r = &net->rules.items[i];

		if (r->family != key->family || !rule_applies(t, key, r))
			continue;
		if (r->action == RULE_GOTO) {
			size_t target = walk_rule_goto(net, i);

			if (target < net->rules.len)
				i = target - 1;
			continue;
		}
		if (rule_gives(t, key, r, out))
			return;
	}
	*out = (struct trip_route){0};
}

/* ---- next hops ---- */

/* Linux 6.16 and later send what has a source already by the next hop that would have given it that
 * (fib_select_multipath()). UNKNOWN: which one runs is not known. */
static enum tri prefers_source(const struct netstate *net)
{
	int major, minor;

	if (!net->release || sscanf(net->release, "%d.%d", &major, &minor) != 2)
		return TRI_UNKNOWN;
	return tri_of(major > 6 || (major == 6 && minor >= 16));
}

/* The first address that an interface would give a packet to @h. */
static bool hop_owns_source(struct trip *t, const struct packet *key, const struct net_nexthop *h)
{
	struct ip_addr a;

	if (key->family != IP_V4 || !h->interface || !packet_knows(key, PKT_SADDR))
		return false;
	a = trip_select_address(t, IP_V4, h->interface, &h->gateway, 0);
	return ip_equal(&a, &key->saddr);
}

void trip_pick_hop(struct trip *t, const struct packet *key, struct trip_route *r)
{
	struct packet_tuple tuple = trip_tuple(key);
	const struct net_nexthop *alive[WALK_FORK_WAYS];
	struct walk_fork f = {.kind = FORK_CHANCE,
		.why = "the route has several next hops, and a hash of the addresses picks one"};
	uint64_t weights = 0;

	r->hop = NULL;
	if (!r->route)
		return;
	/* Looked up again, ports do not count; else only a hash over ports takes them in. */
	if (t->rerouting &&
		(key->family == IP_V6 ||
			netstate_sysctl_int(t->net, "net.ipv4.fib_multipath_hash_policy", 1) != 0))
		tuple.sport = tuple.dport = 0;
	VEC_EACH (&r->route->nexthops, struct net_nexthop, h) {
		if (f.n == WALK_FORK_WAYS || !walk_hop_alive(t->net, key->family, h))
			continue;
		f.label[f.n] = h->interface ? arena_printf(t->a, "by %s", h->interface) : NULL;
		f.weight[f.n] = h->weight ? h->weight : 1;
		weights += h->weight ? h->weight : 1;
		alive[f.n++] = h;
	}
	if (f.n == 0)
		return;
	r->hop = alive[0];
	if (f.n == 1)
		return;
	for (size_t i = 0; key->from_socket && i < f.n; i++) {
		enum tri prefers = prefers_source(t->net);

		if (prefers == TRI_NO || !hop_owns_source(t, key, alive[i]))
			continue;
		if (prefers == TRI_YES ||
			!trip_ask(t, trip_subject(t, r->route, NULL),
				"how the kernel picks the next hop of its own packets depends on "
				"its "
				"version",
				"Linux 6.16 or later: the one that the source address belongs to",
				"an earlier one: by a hash")) {
			r->hop = alive[i];
			return;
		}
	}
	for (size_t i = 0; i < f.n; i++)
		f.weight[i] /= (double)weights;
	f.subject = trip_subject(t, r->route, &tuple);
	r->hop = alive[trip_choose(t, &f)];
}

/* ---- packets of our own ---- */

/* The source that a route gives to a packet that has none. */
static struct ip_addr source_of(struct trip *t, const struct packet *p, const struct trip_route *r)
{
	const struct ip_addr *next = &p->daddr;

	if (r->route && r->route->prefsrc.family != IP_NONE)
		return r->route->prefsrc;
	if (r->type == ROUTE_LOCAL)
		return p->daddr;
	if (!r->hop || !r->hop->interface)
		return (struct ip_addr){0};
	if (p->family == IP_V4)
		next = &r->hop->gateway; /* none: the first address will do */
	return trip_select_address(t, p->family, r->hop->interface, next,
		p->family == IP_V4 && r->route ? r->route->scope : 0);
}

/* One lookup for a packet that we send. Without a source the lookup is for 0.0.0.0. */
static void look_up_out(struct trip *t, const struct packet *p)
{
	struct packet key = *p;

	key.iif = "lo";
	key.known |= PKT_IIF | PKT_SADDR;
	key.from_socket = true;
	if (!packet_knows(p, PKT_SADDR))
		key.saddr = (struct ip_addr){.family = p->family};
	trip_lookup(t, &key, &t->out);
	if (t->out.type != ROUTE_UNICAST)
		return;
	key.known = p->known;
	trip_pick_hop(t, &key, &t->out);
}

/* A source of 127/8 stays on lo, unless the interface it leaves by lets it out (__mkroute_output()). */
static bool is_kept_in(struct trip *t, const struct packet *p)
{
	return p->family == IP_V4 && t->out.type == ROUTE_UNICAST && packet_knows(p, PKT_SADDR) &&
	       ip_is_loopback(&p->saddr) && p->oif && strcmp(p->oif, "lo") != 0 &&
	       trip_conf(t, IP_V4, p->oif, "route_localnet", CONF_OR) <= 0;
}

bool trip_route_out(struct trip *t, enum journey_stage stage, enum nft_hook hook, struct packet *p)
{
	struct trip_route *r = &t->out;
	struct journey_step *s;
	const char *text;

	look_up_out(t, p);
	if (t->stopped)
		return false;
	/* Where IPv6 finds no way without a source, it takes one of any interface and tries again
	 * (ip6_dst_lookup_tail()). */
	if (p->family == IP_V6 && !packet_knows(p, PKT_SADDR) && r->type != ROUTE_UNICAST &&
		r->type != ROUTE_LOCAL) {
		p->saddr = trip_select_address(t, IP_V6, NULL, &p->daddr, 0);
		if (p->saddr.family != IP_NONE) {
			p->known |= PKT_SADDR;
			look_up_out(t, p);
		}
	}
	if (!packet_knows(p, PKT_SADDR) && (r->type == ROUTE_UNICAST || r->type == ROUTE_LOCAL)) {
		p->saddr = source_of(t, p, r);
		if (p->saddr.family != IP_NONE)
			p->known |= PKT_SADDR;
		/* Connecting, IPv4 looks again, now with that source (ip_route_connect()). An echo
		 * request is only sent. */
		if (p->family == IP_V4 && packet_knows(p, PKT_SADDR) && p->proto != PROTO_ICMP)
			look_up_out(t, p);
	}
	p->oif = r->type == ROUTE_LOCAL ? "lo" : r->hop ? r->hop->interface : NULL;
	text = trip_route_text(t, r);
	if (stage == STAGE_REROUTE)
		text = arena_printf(t->a, "looked up again: %s", text);
	s = trip_step(t, stage, hook, p, text);
	s->policy = r->rule;
	s->route = r->route;
	if (r->lost)
		trip_stop(t, s, JOURNEY_LOST);
	else if (((r->type != ROUTE_UNICAST || !r->hop) && r->type != ROUTE_LOCAL) ||
		 !packet_knows(p, PKT_SADDR) || is_kept_in(t, p))
		trip_stop(t, s, JOURNEY_UNROUTABLE);
	return !t->stopped;
}

/* ---- text ---- */

static void rule_text(struct strbuf *b, const struct net_rule *r)
{
	char buf[PREFIX_STRLEN];

	strbuf_addf(b, "rule %u %sfrom %s", r->preference, r->invert ? "not " : "",
		r->src.len ? ip_prefix_format(&r->src, buf) : "all");
	if (r->dst.len)
		strbuf_addf(b, " to %s", ip_prefix_format(&r->dst, buf));
	if (r->iif)
		strbuf_addf(b, " iif %s", r->iif);
	if (r->mask == UINT32_MAX)
		strbuf_addf(b, " fwmark 0x%x", r->mark);
	else if (r->mask)
		strbuf_addf(b, " fwmark 0x%x/0x%x", r->mark, r->mask);
	if (r->ip_proto)
		strbuf_addf(b, " ipproto %u", r->ip_proto);
	if (r->suppress_prefixlen >= 0)
		strbuf_addf(b, " suppress_prefixlength %d", r->suppress_prefixlen);
}

static void table_text(struct strbuf *b, uint32_t table)
{
	if (table == TABLE_MAIN)
		strbuf_add(b, "table main");
	else if (table == TABLE_LOCAL)
		strbuf_add(b, "table local");
	else
		strbuf_addf(b, "table %u", table);
}

static const char *type_text(uint8_t type)
{
	switch ((enum route_type)type) {
	case ROUTE_LOCAL:
		return "for this machine";
	case ROUTE_BROADCAST:
		return "a broadcast address";
	case ROUTE_ANYCAST:
		return "an anycast address";
	case ROUTE_MULTICAST:
		return "a multicast address";
	case ROUTE_BLACKHOLE:
		return "blackhole";
	case ROUTE_UNREACHABLE:
		return "unreachable";
	case ROUTE_PROHIBIT:
		return "prohibited";
	case ROUTE_THROW:
	case ROUTE_UNICAST:
		break;
	}
	return "no next hop is up";
}

const char *trip_route_text(struct trip *t, const struct trip_route *r)
{
	struct strbuf b = STRBUF_INIT;
	char buf[IP_STRLEN];
	const char *text;

	if (r->lost) {
		return arena_printf(t->a, "rule %u leads to table %u, whose routes are not given",
			r->rule->preference, r->rule->table);
	}
	if (!r->type)
		return "no route";
	if (r->type == ROUTE_UNICAST && r->hop) {
		if (r->hop->gateway.family != IP_NONE)
			strbuf_addf(&b, "via %s ", ip_format(&r->hop->gateway, buf));
		strbuf_addf(&b, "dev %s", r->hop->interface ? r->hop->interface : "?");
	} else {
		strbuf_add(&b, type_text(r->type));
	}
	if (r->route || r->rule)
		strbuf_add(&b, " (");
	if (r->route)
		table_text(&b, r->route->table);
	if (r->route && r->rule)
		strbuf_add(&b, ", ");
	if (r->rule)
		rule_text(&b, r->rule);
	if (r->route || r->rule)
		strbuf_add(&b, ")");
	text = arena_strdup(t->a, strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}
