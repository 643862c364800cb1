/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds what is wrong with the port forwards as they are written: addresses that are nobody's or not
 * any more (24, 37), forwards behind others (36), ranges of ports (44), protocols that need a helper
 * and packets that are not tracked (45), ports of the gateway's own services (60).
 */
#include <stdlib.h>
#include <string.h>

#include "walk/pitfalls/diagnose.h"
#include "walk/pitfalls/tool.h"
#include "walk/tour.h"

#define COMPARED_MAX 2000 /* forwards that are compared each with each; of more, only equal ports */
#define WALKED_MAX   200  /* of those that seem to be behind others: more are taken for it */
#define MAPPED_MAX   256  /* ports in a command */

static const char *rule_of(struct inquiry *q, const struct gateway_forward *f)
{
	return inquiry_place_text(q, f->table, f->chain, f->rule);
}

static bool is_own(const struct inquiry *q, const struct gateway_forward *f)
{
	return f->table == q->own;
}

/* ---- addresses ---- */

/* The machine's address on whose network @addr is. */
static const struct net_addr *neighbour_of(const struct inquiry *q, const struct ip_addr *addr)
{
	VEC_EACH (&q->then.addrs, struct net_addr, a) {
		struct ip_prefix network = ip_prefix_of(&a->addr, a->prefix_len);

		if (a->addr.family == addr->family && a->prefix_len < ip_bits(addr->family) &&
			ip_in_prefix(addr, &network))
			return a;
	}
	return NULL;
}

static void add_not_owned(
	struct inquiry *q, const struct gateway_forward *w, const struct net_addr *own)
{
	char addr[IP_STRLEN];
	bool made;
	struct finding *f;

	ip_format(&w->dst.addr, addr);
	f = finding_once(
		q, "address-not-owned", 24, DIAG_WARNING, arena_strdup(q->arena, addr), &made);
	finding_forward(q, f, inquiry_forward_text(q, w));
	if (!made)
		return;
	f->title = arena_printf(q->arena, "%s is no address of this machine", addr);
	f->evidence = arena_printf(q->arena,
		"%s; %s is in the network of %s, where it is looked "
		"for by ARP, and not among its addresses",
		rule_of(q, w), addr, own->interface);
	f->consequence = "nobody answers for it: nothing arrives";
	finding_remedy(q, f, "ip address add %s/%u dev %s", addr, own->prefix_len, own->interface);
	style_keep_ip(q, f);
}

static void add_changed(struct inquiry *q, const struct gateway_forward *w)
{
	char addr[IP_STRLEN];
	bool made;
	struct finding *f;

	ip_format(&w->dst.addr, addr);
	f = finding_once(
		q, "address-changed", 37, DIAG_WARNING, arena_strdup(q->arena, addr), &made);
	finding_forward(q, f, inquiry_forward_text(q, w));
	if (!made)
		return;
	f->title = arena_printf(
		q->arena, "a forward is for %s, which is nowhere on this machine", addr);
	f->evidence = arena_printf(
		q->arena, "%s; no interface has that address or its network", rule_of(q, w));
	f->consequence = "unless the provider routes that address here, the forward is dead";
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u) {
		if (u->is_main[w->family == IP_V6] && f->remedy.len == 0)
			remedy_by_interface(q, f, w, u->interface);
	}
	f->advice =
		"if addresses come by DHCP or PPPoE, match the interface instead (-i, iifname), "
		"or the machine's own addresses (-m addrtype --dst-type LOCAL, fib daddr type "
		"local)";
}

static bool is_proxied(struct inquiry *q, const char *interface)
{
	return inquiry_conf(q, "all", "proxy_arp") == 1 ||
	       inquiry_conf(q, interface, "proxy_arp") == 1;
}

static void look_at_address(struct inquiry *q, const struct gateway_forward *w)
{
	const struct net_addr *own;

	if (w->dst.len != ip_bits(w->family) || !w->dst.addr.family || is_own(q, w) ||
		netstate_addr(&q->then, &w->dst.addr) || w->output)
		return;
	own = neighbour_of(q, &w->dst.addr);
	if (!own)
		add_changed(q, w);
	else if (w->family == IP_V4 && !is_proxied(q, own->interface))
		add_not_owned(q, w, own);
}

static bool is_uplink(const struct inquiry *q, const char *interface)
{
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u) {
		if (strcmp(u->interface, interface) == 0)
			return true;
	}
	return false;
}

/* Several interfaces in one network, which all answer for each other's addresses. */
static void look_at_arp(struct inquiry *q)
{
	VEC_EACH (&q->then.addrs, struct net_addr, a)
		VEC_EACH (&q->then.addrs, struct net_addr, b) {
			struct ip_prefix n = ip_prefix_of(&a->addr, a->prefix_len);
			struct ip_prefix m = ip_prefix_of(&b->addr, b->prefix_len);
			char net[PREFIX_STRLEN];
			struct finding *f;
			bool made;

			if (a >= b || a->addr.family != IP_V4 || a->prefix_len > 30 ||
				strcmp(a->interface, b->interface) == 0 ||
				!ip_prefix_equal(&n, &m) ||
				!is_uplink(q, a->interface) != !is_uplink(q, b->interface) ||
				inquiry_conf(q, "all", "arp_ignore") != 0 ||
				inquiry_conf(q, a->interface, "arp_ignore") != 0)
				continue;
			ip_prefix_format(&n, net);
			f = finding_once(q, "arp-flux", 24, DIAG_WARNING,
				arena_strdup(q->arena, net), &made);
			if (!made)
				continue;
			f->title = arena_printf(q->arena,
				"%s and %s are in one network and answer for "
				"each other's addresses",
				a->interface, b->interface);
			f->evidence = arena_printf(
				q->arena, "both have an address in %s, and arp_ignore is 0", net);
			f->consequence = "packets come in on the wrong interface";
			style_sysctl(q, f, "net.ipv4.conf.all.arp_ignore", "1");
			style_sysctl(q, f, "net.ipv4.conf.all.arp_announce", "2");
		}
}

/* ---- backends that are nowhere ---- */

static void look_at_backend(struct inquiry *q, const struct gateway_forward *w)
{
	const struct net_route *r;
	char to[IP_STRLEN];
	struct finding *f;
	bool made;

	if (!w->to.family || w->output || is_own(q, w) || !ip_is_private(&w->to) ||
		!(q->seen->have & (w->family == IP_V6 ? HAVE_ROUTES6 : HAVE_ROUTES4)))
		return;
	r = netstate_route(&q->then, TABLE_MAIN, &w->to);
	if ((r && r->dst.len > 0) || netstate_addr(&q->then, &w->to))
		return;
	f = finding_once(q, "no-way-to-backend", 37, DIAG_WARNING,
		arena_strdup(q->arena, ip_format(&w->to, to)), &made);
	finding_forward(q, f, inquiry_forward_text(q, w));
	if (!made)
		return;
	f->title = arena_printf(q->arena, "%s is on no network of this machine", to);
	f->evidence = rule_of(q, w);
	f->consequence = "requests do not reach the backend";
	f->advice = "has the network been renumbered? name the backend's present address, or add "
		    "the route to it";
}

void lint_addresses(struct inquiry *q)
{
	if (!(q->seen->have & HAVE_ADDRS))
		return;
	VEC_EACH (&q->gateway->forwards, struct gateway_forward, w) {
		look_at_address(q, w);
		look_at_backend(q, w);
	}
	look_at_arp(q);
}

/* ---- forwards behind others ---- */

static struct scope scope_of(const struct gateway_forward *f)
{
	struct scope s = scope_any(f->family);

	s.proto = f->proto;
	s.dst = f->dst;
	s.dst_local = f->dst_local;
	s.first = f->first;
	s.last = f->last;
	s.src = f->src;
	s.in = f->in;
	s.in_inverted = f->in_inverted;
	s.more = f->more_matches;
	return s;
}

/* The port that connections to the first public one are led to. */
static uint16_t target_port(const struct gateway_forward *w)
{
	return w->to_first ? w->to_first : w->first;
}

static bool same_target(const struct gateway_forward *a, const struct gateway_forward *b)
{
	return ip_equal(&a->to, &b->to) && target_port(a) == target_port(b);
}

static const char *prefix_words(struct inquiry *q, const struct ip_prefix *p, bool nft,
	const char *nft_word, const char *option)
{
	char buf[PREFIX_STRLEN];

	if (!p->addr.family)
		return "";
	ip_prefix_format(p, buf);
	if (!nft)
		return arena_printf(q->arena, "%s %s ", option, buf);
	return arena_printf(
		q->arena, "%s %s %s ", p->addr.family == IP_V6 ? "ip6" : "ip", nft_word, buf);
}

/* A rule of nft's or iptables' that lets pass by what a forward is for. */
static const char *exception_words(struct inquiry *q, const struct gateway_forward *w, bool nft)
{
	const char *proto = w->proto ? ip_proto_name(w->proto) : NULL, *in = "", *ports;

	if (!proto || w->more_matches || w->in_inverted || w->dst_local)
		return NULL;
	if (w->in)
		in = arena_printf(q->arena, nft ? "iifname \"%s\" " : "-i %s ", w->in);
	ports = w->first == w->last
			? arena_printf(q->arena, "%u", w->first)
			: arena_printf(q->arena, nft ? "%u-%u" : "%u:%u", w->first, w->last);
	return arena_printf(q->arena,
		nft ? "%s%s%s%s dport %s accept" : "%s%s%s-p %s --dport %s -j ACCEPT", in,
		prefix_words(q, &w->src, nft, "saddr", "-s"),
		prefix_words(q, &w->dst, nft, "daddr", "-d"), proto, ports);
}

/* Is the rule for this forward only? */
static bool is_alone(const struct inquiry *q, const struct gateway_forward *w)
{
	VEC_EACH (&q->gateway->forwards, struct gateway_forward, f) {
		if (f != w && f->rule == w->rule)
			return false;
	}
	return true;
}

/* The later forward is let come first; where both are for the same, the earlier one goes. */
static void remedy_shadowed(struct inquiry *q, struct finding *f,
	const struct gateway_forward *first, const struct gateway_forward *w, bool same)
{
	if (same_target(first, w)) {
		if (is_alone(q, w))
			remedy_delete(q, f, w->table, w->chain, w->rule);
	} else if (same && is_alone(q, first)) {
		remedy_delete(q, f, first->table, first->chain, first->rule);
	} else if (first->table != w->table) {
		remedy_before(q, f, first->table, first->chain, first->rule,
			exception_words(q, w, first->table->origin == ORIGIN_NFT));
	} else if (remedy_before(q, f, first->table, first->chain, first->rule,
			   words_up_to(q, w->table, w->chain, w->rule, NULL))) {
		remedy_delete(q, f, w->table, w->chain, w->rule);
	}
	f->advice = "this leaves the later one; take that one away if the first is meant";
}

/* What has no interface in its rule comes from outside by that of the address. */
static void narrow_to_uplink(const struct inquiry *q, struct scope *s)
{
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u)
		VEC_EACH (&u->addrs, struct ip_addr, a) {
			if (!s->in && ip_equal(a, &s->dst.addr) && s->dst.len == ip_bits(a->family))
				s->in = u->interface;
		}
}

/* Rules before the earlier forward may leave packets to the later one all the same. */
static bool is_reached(struct inquiry *q, const struct gateway_forward *w, size_t *walked)
{
	struct tour tour = {0};

	if (++*walked > WALKED_MAX)
		return false;
	tour_of(q->arena, q->gateway, w, &tour);
	VEC_EACH (&tour.stops, struct tour_stop, stop) {
		struct journey j = {0};

		if (stop->place != TOUR_FAR)
			continue;
		journey_walk(q->arena, q->seen, &stop->question, &j);
		VEC_EACH (&j.ways, struct journey_way, way) {
			if (way->dnat_rule == w->rule)
				return true;
		}
	}
	return false;
}

static void compare(struct inquiry *q, const struct gateway_forward *first,
	const struct gateway_forward *w, size_t *walked)
{
	struct scope a = scope_of(first), b = scope_of(w), from_outside = b;
	struct finding *f;
	bool made;

	if (first->output != w->output || first->rule == w->rule)
		return;
	narrow_to_uplink(q, &from_outside);
	/* Who comes from inside may be led to the same by a rule of its own. */
	if (!scope_covers(&a, same_target(first, w) ? &b : &from_outside) ||
		(!same_target(first, w) && is_reached(q, w, walked)))
		return;
	f = finding_once(q, "shadowed-forward", 36,
		same_target(first, w) ? DIAG_INFO : DIAG_WARNING, rule_of(q, w), &made);
	finding_forward(q, f, inquiry_forward_text(q, w));
	if (!made)
		return;
	f->title = same_target(first, w)
			   ? "a forward is there twice"
			   : "an earlier forward takes the connections of a later one";
	f->evidence = arena_printf(q->arena, "%s; before it: %s", rule_of(q, w), rule_of(q, first));
	f->consequence = arena_printf(q->arena, "connections%s go to %s, never to %s",
		scope_covers(&a, &b) ? "" : " from outside", inquiry_forward_text(q, first),
		inquiry_forward_text(q, w));
	if (same_target(first, w))
		f->consequence = "the second has no effect";
	remedy_shadowed(q, f, first, w, scope_covers(&b, &a));
}

static int by_ports(const void *a, const void *b)
{
	const struct gateway_forward *const *x = a, *const *y = b;

	if ((*x)->proto != (*y)->proto)
		return (*x)->proto < (*y)->proto ? -1 : 1;
	if ((*x)->first != (*y)->first)
		return (*x)->first < (*y)->first ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

void lint_shadowed(struct inquiry *q)
{
	size_t n = q->gateway->forwards.len, walked = 0;
	const struct gateway_forward **sorted =
		arena_alloc(q->arena, n * sizeof(struct gateway_forward *));

	for (size_t i = 0; i < n; i++)
		sorted[i] = &q->gateway->forwards.items[i];
	for (size_t i = 0; n <= COMPARED_MAX && i < n; i++) {
		for (size_t k = 0; k < i; k++)
			compare(q, sorted[k], sorted[i], &walked);
	}
	if (n <= COMPARED_MAX)
		return;
	qsort(sorted, n, sizeof(struct gateway_forward *), by_ports);
	for (size_t i = 1; i < n; i++) {
		for (size_t k = i; k-- > 0 && i - k < COMPARED_MAX / 10 &&
				   sorted[k]->proto == sorted[i]->proto &&
				   sorted[k]->first == sorted[i]->first;)
			compare(q, sorted[k], sorted[i], &walked);
	}
}

/* ---- ranges of ports ---- */

static uint16_t base_of(const struct gateway_forward *w)
{
	VEC_EACH (&w->rule->stmts, struct nft_stmt, s) {
		const struct nft_expr *map;
		struct walk_nat nat;

		scope_nat(s, w->family, HOOK_PREROUTING, &nat, &map);
		if (nat.kind == WALK_NAT_DESTINATION || nat.kind == WALK_NAT_REDIRECT)
			return nat.port_base;
	}
	return 0;
}

/* iptables shifts where it is told the first public port; nft wants to be told port by port. */
static void remedy_shift(struct inquiry *q, struct finding *f, const struct gateway_forward *w)
{
	bool nft = w->table->origin == ORIGIN_NFT;
	const char *start =
		words_up_to(q, w->table, w->chain, w->rule, nft ? "dnat " : "--to-destination ");
	uint32_t last = w->to_first + (uint32_t)(w->last - w->first);
	struct strbuf ports = STRBUF_INIT;
	char addr[IP_STRLEN];
	const char *to;

	if (!start || w->family != IP_V4 || last > UINT16_MAX ||
		(nft && w->last - w->first >= MAPPED_MAX))
		return;
	ip_format(&w->to, addr);
	for (unsigned int i = 0; nft && i <= (unsigned int)(w->last - w->first); i++)
		strbuf_addf(&ports, "%s%u : %u", i ? ", " : "", w->first + i, w->to_first + i);
	to = inquiry_text(q, &ports);
	if (nft)
		to = arena_printf(q->arena, "%sdnat %sto %s:%s dport map { %s }", start,
			w->table->family == FAMILY_INET ? "ip " : "", addr, ip_proto_name(w->proto),
			to);
	else
		to = arena_printf(q->arena, "%s--to-destination %s:%u-%u/%u", start, addr,
			w->to_first, last, w->first);
	remedy_replace(q, f, w->table, w->chain, w->rule, to);
}

void lint_ports(struct inquiry *q)
{
	VEC_EACH (&q->gateway->forwards, struct gateway_forward, w) {
		struct finding *f;
		bool made;

		if (!w->to_first || w->first == w->last || is_own(q, w) || base_of(w) ||
			w->first == 0 || (w->first == w->to_first && w->last == w->to_last_port))
			continue;
		f = finding_once(q, "port-ranges-differ", 44, DIAG_WARNING, rule_of(q, w), &made);
		finding_forward(q, f, inquiry_forward_text(q, w));
		if (!made)
			continue;
		f->title = "a range of ports is not led to the same ports, one by one";
		f->evidence = rule_of(q, w);
		f->consequence =
			w->to_first == w->to_last_port
				? arena_printf(q->arena, "all of %u-%u go to the one port %u",
					  w->first, w->last, w->to_first)
				: "the kernel picks a port of the target's range: it does not "
				  "shift the asked one";
		remedy_shift(q, f, w);
		f->advice = "leave the target's port out where both are the same, shift with "
			    "--to-destination ADDRESS:FIRST-LAST/BASE, or use an nft map with an "
			    "element per port";
	}
}

/* ---- helpers and tracking ---- */

static bool mentions_helper(const struct nft_stmt *s)
{
	return (s->kind == STMT_HARMLESS && s->text && strstr(s->text, "ct helper")) ||
	       (s->kind == STMT_SET && s->selector == SEL_CT_HELPER) ||
	       (s->kind == STMT_XT && s->xt.target && strcmp(s->xt.name, "CT") == 0);
}

static bool has_statement(const struct inquiry *q, bool (*is)(const struct nft_stmt *s))
{
	VEC_EACH (&q->then.ruleset.tables, struct nft_table *, t)
		VEC_EACH (&(*t)->chains, struct nft_chain *, c)
			VEC_EACH (&(*c)->rules, struct nft_rule, r)
				VEC_EACH (&r->stmts, struct nft_stmt, s) {
					if (is(s))
						return true;
				}
	return false;
}

static void look_at_helper(struct inquiry *q, const struct gateway_forward *w)
{
	bool ftp = w->proto == PROTO_TCP && w->first <= 21 && w->last == 21;
	bool sip = w->proto == PROTO_UDP && w->first <= 5060 && w->last == 5060;
	struct finding *f;
	bool made;

	if ((!ftp && !sip) || w->first == 0 || has_statement(q, mentions_helper))
		return;
	f = finding_once(q, "no-helper", 45, DIAG_INFO, ftp ? "ftp" : "sip", &made);
	finding_forward(q, f, inquiry_forward_text(q, w));
	if (!made)
		return;
	f->title = arena_printf(q->arena, "%s is forwarded without its connection tracking helper",
		ftp ? "FTP" : "SIP");
	f->evidence = arena_printf(q->arena,
		"%s; no rule assigns a helper, and since Linux 4.7 none is by itself",
		rule_of(q, w));
	f->consequence = ftp ? "the control connection opens; data connections fail"
			     : "calls are set up without sound";
	finding_remedy(q, f, "modprobe nf_nat_%s", ftp ? "ftp" : "sip");
	if (!style_of(q, w->family).nft)
		finding_remedy(q, f, "%s -t raw -A PREROUTING -p %s --dport %u -j CT --helper %s",
			style_of(q, w->family).iptables, ftp ? "tcp" : "udp", ftp ? 21u : 5060u,
			ftp ? "ftp" : "sip");
	f->advice = arena_printf(q->arena,
		"iptables: -t raw -A PREROUTING -p %s --dport %u -j CT --helper %s; nft: a ct "
		"helper "
		"object",
		ftp ? "tcp" : "udp", ftp ? 21u : 5060u, ftp ? "ftp" : "sip");
}

void lint_tracking(struct inquiry *q)
{
	VEC_EACH (&q->gateway->forwards, struct gateway_forward, w)
		look_at_helper(q, w);
}

/* ---- the gateway's own services ---- */

static bool listens(const struct net_listener *s, const struct gateway_forward *w,
	const struct gateway_uplink *u)
{
	if (s->interface && strcmp(s->interface, u->interface) != 0)
		return false;
	VEC_EACH (&u->addrs, struct ip_addr, a) {
		if (a->family != w->family || (w->dst.addr.family && !ip_in_prefix(a, &w->dst)))
			continue;
		if (ip_is_unspecified(&s->addr) ? s->addr.family == w->family ||
							  (s->addr.family == IP_V6 && !s->v6_only)
						: ip_equal(&s->addr, a))
			return true;
	}
	return false;
}

/* Does what comes in by @u for that port really go to a backend? Rules before the forward may leave
 * it to the service. */
static bool is_led_away(struct inquiry *q, const struct gateway_forward *w,
	const struct gateway_uplink *u, const struct net_listener *s)
{
	struct tour tour = {0};

	tour_of(q->arena, q->gateway, w, &tour);
	VEC_EACH (&tour.stops, struct tour_stop, stop) {
		struct journey j = {0};

		if (stop->place != TOUR_FAR || stop->uplink != u)
			continue;
		stop->question.dport = s->port;
		journey_walk(q->arena, q->seen, &stop->question, &j);
		VEC_EACH (&j.ways, struct journey_way, way) {
			if (way->dnat)
				return true;
		}
	}
	return false;
}

static void remedy_service(struct inquiry *q, struct finding *f, const struct gateway_forward *w,
	const struct gateway_uplink *u, const struct net_listener *s)
{
	const char *proto = ip_proto_name(s->proto);

	remedy_before(q, f, w->table, w->chain, w->rule,
		w->table->origin == ORIGIN_NFT
			? arena_printf(q->arena, "iifname \"%s\" %s dport %u accept", u->interface,
				  proto, s->port)
			: arena_printf(q->arena, "-i %s -p %s --dport %u -j ACCEPT", u->interface,
				  proto, s->port));
}

static void look_at_service(
	struct inquiry *q, const struct gateway_forward *w, const struct net_listener *s)
{
	VEC_EACH (&q->gateway->uplinks, struct gateway_uplink, u) {
		struct finding *f;
		bool made;

		if (!listens(s, w, u) || !is_led_away(q, w, u, s))
			continue;
		f = finding_once(q, "service-shadowed", 60, DIAG_WARNING,
			arena_printf(q->arena, "%u %u", s->proto, s->port), &made);
		finding_forward(q, f, inquiry_forward_text(q, w));
		if (!made)
			return;
		f->title = arena_printf(q->arena, "a forward takes %u/%s from the gateway's own %s",
			s->port, ip_proto_name(s->proto), s->process ? s->process : "service");
		f->evidence = arena_printf(q->arena, "%s listens on port %u; %s",
			s->process ? s->process : "a process", s->port, rule_of(q, w));
		f->consequence = arena_printf(q->arena,
			"what comes in by %s for that port ends at the backend instead",
			u->interface);
		if (is_own(q, w)) {
			f->advice = "let the map listen on another port, or keep one address for "
				    "the gateway with `on:`";
			return;
		}
		remedy_service(q, f, w, u, s);
		f->advice = "this gives the port back to the gateway's service; to have both, use "
			    "another port, or forward one of the addresses only";
		return;
	}
}

void lint_services(struct inquiry *q)
{
	VEC_EACH (&q->gateway->forwards, struct gateway_forward, w) {
		if (w->output || w->more_matches || !w->to.family ||
			netstate_addr(&q->then, &w->to) || w->src.addr.family)
			continue;
		VEC_EACH (&q->then.listeners, struct net_listener, s) {
			if (s->proto == w->proto && s->port >= w->first && s->port <= w->last &&
				!ip_is_loopback(&s->addr))
				look_at_service(q, w, s);
		}
	}
}
