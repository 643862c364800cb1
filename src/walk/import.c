/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turns what was inferred of a gateway into a config, with comments that say where it came from. */
#include "walk/import.h"

#include <string.h>

#include "config/write.h"
#include "walk/journey.h"
#include "walk/xt.h"

#define NO_SNAT "there is no SNAT: the backend must have this gateway for its way out"
#define ASK_RETURN                                                                                 \
	"Do this backend's replies come back through this gateway (is it the backend's way out)? " \
	"Then add 'return: direct', and the backend sees who its clients are. Until that is "      \
	"known it sees this gateway."
#define ASK_RETURN_TOO "Do this one's, too?"
#define ASK_BACKEND                                                                                \
	"Is this backend still there? No route leads to it, but perhaps a default route. When "    \
	"one "                                                                                     \
	"does, take 'enabled: false' out."

/* Someone far away, who is on no network of any gateway: documentation addresses (RFC 5737, 3849). */
static const struct ip_addr far_away[] = {
	{.family = IP_V4, .bytes = {198, 51, 100, 7}},
	{.family = IP_V6, .bytes = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 7}},
};

/* One map in the making: what forwards have in common that differ only in where they listen. */
struct draft {
	const struct gateway_forward *first;
	VEC(const struct gateway_forward *) forwards;
	VEC(const struct gateway_uplink *) uplinks; /* on every address */
	VEC(struct ip_addr) addrs;		    /* or on these */
	VEC(struct ip_prefix) from;
	const char *name, *returns, *note;
	bool asks; /* how replies come back */
	bool lost; /* no route leads to the backend */
};

struct drafting {
	struct arena *arena;
	const struct gateway *g;
	enum import_unhidden unhidden;
	struct import *out;
	VEC(struct draft) drafts;
};

/* ---- what is carried over, and what is left ---- */

static void replace_rule(struct drafting *d, const struct nft_rule *r)
{
	VEC_EACH (&d->out->rules, const struct nft_rule *, it) {
		if (*it == r)
			return;
	}
	vec_push(d->arena, &d->out->rules, r);
}

static void leave(struct drafting *d, const struct gateway_forward *f, const char *why)
{
	VEC_EACH (&d->out->left, struct import_left, it) {
		if (it->rule == f->rule)
			return;
	}
	vec_push(d->arena, &d->out->left, ((struct import_left){f->table, f->chain, f->rule, why}));
}

/* Why the forward cannot be a map; NULL: it can. */
static const char *obstacle(const struct netstate *net, const struct gateway_forward *f)
{
	bool ranged = f->last > f->first;

	if (f->output)
		return "it is for packets of the gateway itself, which a map does not take";
	if (f->to.family == IP_NONE || ip_is_loopback(&f->to) || ip_is_unspecified(&f->to) ||
		ip_is_multicast(&f->to) || netstate_addr(net, &f->to))
		return "it leads to the gateway itself, which needs no map";
	if (f->proto != PROTO_TCP && f->proto != PROTO_UDP && f->proto != PROTO_SCTP)
		return "a map needs a protocol: tcp, udp or sctp";
	if (f->more_matches || f->in_inverted)
		return "it has matches that a map does not have";
	if (f->first == 0 && f->last == UINT16_MAX)
		return "it takes every port, the gateway's own services too";
	if (!ip_equal(&f->to, &f->to_last) && f->to_last.family)
		return "it leads to several backends";
	if (ranged && f->to_first && f->to_first == f->to_last_port)
		return "it leads a range of ports to one port";
	if (ranged && f->to_first && f->to_last_port - f->to_first != f->last - f->first)
		return "it leads a range of ports to one of another width";
	return NULL;
}

/* ---- where a forward listens ---- */

static bool takes_address(const struct gateway_forward *f, const struct ip_addr *addr)
{
	if (addr->family != f->to.family)
		return false;
	return f->dst.addr.family == IP_NONE || ip_in_prefix(addr, &f->dst);
}

/* Add to @m where @f listens. */
static void add_places(struct drafting *d, struct draft *m, const struct gateway_forward *f)
{
	VEC_EACH (&d->g->uplinks, struct gateway_uplink, u) {
		size_t all = 0, taken = 0;

		if (f->in && !gateway_is_interface(f->in, u->interface))
			continue;
		VEC_EACH (&u->addrs, struct ip_addr, addr) {
			all += addr->family == f->to.family;
			taken += takes_address(f, addr);
		}
		if (all && taken == all) {
			vec_push(d->arena, &m->uplinks, u);
			continue;
		}
		VEC_EACH (&u->addrs, struct ip_addr, addr) {
			if (takes_address(f, addr))
				vec_push(d->arena, &m->addrs, *addr);
		}
	}
}

static bool listens_somewhere(const struct draft *m)
{
	return m->uplinks.len || m->addrs.len;
}

static bool has_uplink(const struct draft *m, const struct gateway_uplink *u)
{
	VEC_EACH (&m->uplinks, const struct gateway_uplink *, it) {
		if (*it == u)
			return true;
	}
	return false;
}

static bool has_addr(const struct draft *m, const struct ip_addr *addr)
{
	VEC_EACH (&m->addrs, const struct ip_addr, it) {
		if (ip_equal(it, addr))
			return true;
	}
	VEC_EACH (&m->uplinks, const struct gateway_uplink *, u) {
		VEC_EACH (&(*u)->addrs, const struct ip_addr, it) {
			if (ip_equal(it, addr))
				return true;
		}
	}
	return false;
}

/* Do both listen at some place? */
static bool places_meet(const struct draft *a, const struct draft *b)
{
	VEC_EACH (&a->uplinks, const struct gateway_uplink *, u) {
		if (has_uplink(b, *u))
			return true;
	}
	VEC_EACH (&a->addrs, const struct ip_addr, addr) {
		if (has_addr(b, addr))
			return true;
	}
	VEC_EACH (&b->addrs, const struct ip_addr, addr) {
		if (has_addr(a, addr))
			return true;
	}
	return false;
}

static void merge_places(struct drafting *d, struct draft *m, const struct draft *more)
{
	VEC_EACH (&more->uplinks, const struct gateway_uplink *, u) {
		size_t kept = 0;

		if (has_uplink(m, *u))
			continue;
		vec_push(d->arena, &m->uplinks, *u);
		for (size_t i = 0; i < m->addrs.len; i++) {
			struct draft alone = {0};

			vec_push(d->arena, &alone.uplinks, *u);
			if (!has_addr(&alone, &m->addrs.items[i]))
				m->addrs.items[kept++] = m->addrs.items[i];
		}
		m->addrs.len = kept;
	}
	VEC_EACH (&more->addrs, const struct ip_addr, addr) {
		if (!has_addr(m, addr))
			vec_push(d->arena, &m->addrs, *addr);
	}
}

/* Does another map listen on one of these ports, at one of these places? */
static bool is_taken(const struct drafting *d, const struct draft *m, const struct draft *wanted)
{
	const struct gateway_forward *f = wanted->first;

	VEC_EACH (&d->drafts, const struct draft, it) {
		const struct gateway_forward *o = it->first;

		if (it != m && o->proto == f->proto && o->first <= f->last && f->first <= o->last &&
			o->to.family == f->to.family && places_meet(it, wanted))
			return true;
	}
	return false;
}

static bool same_map(const struct gateway_forward *a, const struct gateway_forward *b)
{
	return a->proto == b->proto && a->first == b->first && a->last == b->last &&
	       ip_equal(&a->to, &b->to) && a->to_first == b->to_first &&
	       ip_prefix_equal(&a->src, &b->src);
}

static void draft_forward(struct drafting *d, const struct gateway_forward *f)
{
	const char *why = obstacle(d->g->net, f);
	struct draft *m = NULL, here = {.first = f};

	if (why) {
		leave(d, f, why);
		return;
	}
	VEC_EACH (&d->drafts, struct draft, it) {
		if (same_map(it->first, f))
			m = it;
	}
	/* From the inside a map is reached anyway, if there is one. */
	if (f->in && gateway_inside_at(d->g, f->in)) {
		if (m)
			replace_rule(d, f->rule);
		else
			leave(d, f, "it is for packets from the inside alone");
		return;
	}
	add_places(d, &here, f);
	if (is_taken(d, m, &here)) {
		leave(d, f, "an earlier forward has these ports, or some of them");
		return;
	}
	if (!m) {
		m = vec_add(d->arena, &d->drafts);
		m->first = f;
		if (f->src.len)
			vec_push(d->arena, &m->from, ip_prefix_of(&f->src.addr, f->src.len));
	}
	vec_push(d->arena, &m->forwards, f);
	merge_places(d, m, &here);
	replace_rule(d, f->rule);
}

/* ---- how replies come back ---- */

/* Does the rule leave the choice of the address to the kernel? */
static bool masquerades(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, const struct nft_stmt, s) {
		if (s->kind == STMT_MASQUERADE || (s->kind == STMT_XT && s->xt.target &&
							  strcmp(s->xt.name, "MASQUERADE") == 0))
			return true;
	}
	return false;
}

/* The way on which the request gets to the backend, if there is one: how it comes back is read off that. */
static const struct journey_way *way_to_backend(const struct journey *j)
{
	VEC_EACH (&j->ways, const struct journey_way, way) {
		if (way->legs[LEG_REQUEST].end == JOURNEY_FORWARDED)
			return way;
	}
	return &j->ways.items[0];
}

/* What stands in the way of requests, or may; what was only supposed is not told as a fact. NULL: nothing
 * does. */
static const char *obstruction(struct drafting *d, const struct journey *j)
{
	const struct journey_way *stopped = NULL;
	const char *supposed = NULL;
	bool always = true;

	VEC_EACH (&j->ways, const struct journey_way, way) {
		if (way->legs[LEG_REQUEST].end == JOURNEY_FORWARDED)
			always = false;
		else if (!stopped)
			stopped = way;
	}
	if (!stopped)
		return NULL;
	VEC_EACH (&stopped->choices, const struct journey_choice, c)
		supposed = c->fork.kind == FORK_UNKNOWN ? c->fork.why : supposed;
	if (!supposed || (always && !journey_is_supposed(stopped)))
		return stopped->why;
	return arena_printf(
		d->arena, "whether requests get to the backend is not known: %s", supposed);
}

/* The backend sees its clients, so its replies come back only if it routes them through here. */
static void settle_unhidden(struct drafting *d, struct draft *m, const struct journey_way *way)
{
	if (d->unhidden == IMPORT_AS_SEEN && way->returns != TRI_YES) {
		m->asks = true;
		d->out->asked++;
		return;
	}
	m->returns = "direct";
	if (way->returns != TRI_YES)
		m->note = arena_printf(
			d->arena, "%s%s%s", NO_SNAT, m->note ? "; " : "", m->note ? m->note : "");
	VEC_EACH (&m->forwards, const struct gateway_forward *, f)
		vec_push(d->arena, &d->out->direct, *f);
}

/* A default route is no way to a backend: it leads out. */
static bool is_lost(const struct drafting *d, const struct draft *m)
{
	const struct net_route *r = netstate_route(d->g->net, TABLE_MAIN, &m->first->to);

	return !r || r->type != ROUTE_UNICAST || r->dst.len == 0;
}

static void ask_walk(struct drafting *d, struct draft *m)
{
	const struct gateway_uplink *u = m->uplinks.len ? m->uplinks.items[0] : NULL;
	struct journey_question q = {.proto = m->first->proto,
		.src = far_away[m->first->to.family == IP_V6],
		.sport = 40000,
		.dport = m->first->first,
		.in = u ? u->interface : NULL};
	const struct journey_way *way;
	struct journey j = {0};
	char buf[IP_STRLEN];

	if (m->from.len)
		q.src = m->from.items[0].addr;
	if (m->addrs.len)
		q.dst = m->addrs.items[0];
	for (size_t i = 0; u && i < u->addrs.len && !q.dst.family; i++) {
		if (takes_address(m->first, &u->addrs.items[i]))
			q.dst = u->addrs.items[i];
	}
	journey_walk(d->arena, d->g->net, &q, &j);
	way = way_to_backend(&j);
	m->note = obstruction(d, &j);
	if (way->snat && way->snat_rule)
		replace_rule(d, way->snat_rule);
	if (way->legs[LEG_REQUEST].end != JOURNEY_FORWARDED)
		return;
	if (!way->snat) {
		settle_unhidden(d, m, way);
		return;
	}
	m->returns = way->snat_rule && masquerades(way->snat_rule)
			     ? "snat"
			     : arena_printf(d->arena, "{snat: [%s]}",
				       ip_format(&way->flow.reply.dst, buf));
}

/* ---- names ---- */

const char *import_service_name(uint8_t proto, uint16_t port)
{
	static const struct {
		uint8_t proto;
		uint16_t port;
		const char *name;
	} known[] = {{PROTO_TCP, 21, "ftp"}, {PROTO_TCP, 22, "ssh"}, {PROTO_TCP, 25, "smtp"},
		{PROTO_TCP, 53, "dns"}, {PROTO_UDP, 53, "dns-udp"}, {PROTO_TCP, 80, "web"},
		{PROTO_TCP, 110, "pop3"}, {PROTO_TCP, 143, "imap"}, {PROTO_TCP, 443, "https"},
		{PROTO_TCP, 465, "smtps"}, {PROTO_TCP, 587, "submission"},
		{PROTO_TCP, 993, "imaps"}, {PROTO_TCP, 3389, "rdp"}, {PROTO_UDP, 1194, "openvpn"},
		{PROTO_UDP, 51820, "wireguard"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (known[i].proto == proto && known[i].port == port)
			return known[i].name;
	}
	return NULL;
}

static const char *unique_name(struct drafting *d, const char *wish)
{
	const char *name = wish;

	for (unsigned int n = 2;; n++) {
		bool taken = false;

		VEC_EACH (&d->out->names, const char *, it)
			taken = taken || strcmp(*it, name) == 0;
		if (!taken)
			break;
		name = arena_printf(d->arena, "%s-%u", wish, n);
	}
	vec_push(d->arena, &d->out->names, name);
	return name;
}

static const char *map_name(struct drafting *d, const struct gateway_forward *f)
{
	const char *known = f->first == f->last ? import_service_name(f->proto, f->first) : NULL;

	return unique_name(d,
		known ? known : arena_printf(d->arena, "%s-%u", ip_proto_name(f->proto), f->first));
}

/* ---- text ---- */

static void add_gateways(struct strbuf *y, const struct gateway_uplink *u)
{
	struct strbuf list = STRBUF_INIT;
	bool onlink = false; /* once, for both families */
	char buf[IP_STRLEN];
	size_t n = 0;

	for (unsigned int i = 0; i < 2; i++) {
		if (!u->has_default[i] || gateway_has_foreign_router(u, i))
			continue;
		if (u->next[i].family == IP_NONE)
			onlink = true;
		else
			strbuf_addf(&list, i ? "%s\"%s\"" : "%s%s", n++ ? ", " : "",
				ip_format(&u->next[i], buf));
	}
	if (onlink)
		strbuf_addf(&list, "%sonlink", n++ ? ", " : "");
	if (n)
		strbuf_addf(y, n > 1 ? ", gateway: [%s]" : ", gateway: %s", strbuf_str(&list));
	strbuf_fini(&list);
}

/* Is there another uplink on the same interface? Then each must name its addresses. */
static bool shares(const struct gateway *g, const struct gateway_uplink *u)
{
	VEC_EACH (&g->uplinks, struct gateway_uplink, it) {
		if (it != u && strcmp(it->interface, u->interface) == 0)
			return true;
	}
	return false;
}

static void add_uplink(struct drafting *d, struct strbuf *y, const struct gateway_uplink *u)
{
	char buf[IP_STRLEN];

	strbuf_add(y, "  ");
	config_add_scalar(y, u->name);
	strbuf_add(y, ": {interface: ");
	config_add_scalar(y, u->interface);
	add_gateways(y, u);
	if (shares(d->g, u)) {
		for (size_t i = 0; i < u->addrs.len; i++)
			strbuf_addf(y, i ? ", \"%s\"" : ", address: [\"%s\"",
				ip_format(&u->addrs.items[i], buf));
		strbuf_add(y, u->addrs.len ? "]" : "");
	}
	strbuf_add(y, "}\n");
}

static void add_listens(struct strbuf *y, const struct gateway_forward *f)
{
	strbuf_addf(y, "listen: %u", f->first);
	if (f->last != f->first)
		strbuf_addf(y, "-%u", f->last);
	strbuf_addf(y, "/%s", ip_proto_name(f->proto));
}

static void add_backend(struct strbuf *y, const struct gateway_forward *f)
{
	char buf[IP_STRLEN];

	ip_format(&f->to, buf);
	if (!f->to_first || f->to_first == f->first)
		strbuf_addf(y, f->to.family == IP_V6 ? ", to: \"%s\"" : ", to: %s", buf);
	else
		strbuf_addf(y, f->to.family == IP_V6 ? ", to: \"[%s]:%u\"" : ", to: \"%s:%u\"", buf,
			f->to_first);
}

static void add_places_text(struct drafting *d, struct strbuf *y, const struct draft *m)
{
	char buf[IP_STRLEN];
	size_t n = 0;

	if (!m->addrs.len && m->uplinks.len == d->g->uplinks.len)
		return;
	VEC_EACH (&m->uplinks, const struct gateway_uplink *, u) {
		strbuf_add(y, n++ ? ", " : ", on: [");
		config_add_scalar(y, (*u)->name);
	}
	VEC_EACH (&m->addrs, struct ip_addr, addr)
		strbuf_addf(y, "%s\"%s\"", n++ ? ", " : ", on: [", ip_format(addr, buf));
	strbuf_addch(y, ']');
}

static void add_map(struct drafting *d, struct strbuf *y, const struct draft *m)
{
	char buf[PREFIX_STRLEN];

	VEC_EACH (&m->forwards, const struct gateway_forward *, f) {
		const char *place = nft_rule_place(d->arena, (*f)->rule);

		if (f != m->forwards.items && f[-1]->rule == (*f)->rule)
			continue;
		config_add_comment(y, 2,
			arena_printf(d->arena, "%s%s%s", place, *place ? ": " : "",
				nft_rule_words(d->arena, (*f)->table, (*f)->chain, (*f)->rule)));
	}
	if (m->note)
		config_add_comment(y, 2, arena_printf(d->arena, "note: %s", m->note));
	if (m->asks)
		config_add_remark(y, 2, "? ", d->out->asked > 1 ? ASK_RETURN_TOO : ASK_RETURN);
	if (m->lost)
		config_add_remark(y, 2, "? ", ASK_BACKEND);
	strbuf_addf(y, "  %s: {", m->name);
	add_listens(y, m->first);
	add_backend(y, m->first);
	add_places_text(d, y, m);
	for (size_t i = 0; i < m->from.len; i++)
		strbuf_addf(y, i ? ", \"%s\"" : ", from: [\"%s\"",
			ip_prefix_format(&m->from.items[i], buf));
	strbuf_add(y, m->from.len ? "]" : "");
	if (m->returns)
		strbuf_addf(y, ", return: %s", m->returns);
	if (m->lost)
		strbuf_add(y, ", enabled: false");
	strbuf_add(y, "}\n");
}

/* ---- policy routing ---- */

static void replace_routing(struct drafting *d)
{
	VEC_EACH (&d->g->uplinks, struct gateway_uplink, u) {
		VEC_EACH (&u->tables, uint32_t, table)
			vec_push(d->arena, &d->out->tables, *table);
	}
}

static bool is_uplinks_mark(const struct gateway *g, uint32_t mark)
{
	VEC_EACH (&g->uplinks, struct gateway_uplink, u) {
		if (u->mark_mask && mark && (mark & u->mark_mask) == u->mark)
			return true;
	}
	return false;
}

/* Does the rule write a mark by which packets are routed to an uplink, or carry marks between packets
 * and connections? */
static bool routes_by_mark(const struct gateway *g, const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, const struct nft_stmt, s) {
		bool writes = s->kind == STMT_SET_MARK || s->kind == STMT_SET_CT_MARK;
		uint32_t bits = 0, sets = 0;

		if (writes && s->expr->kind == EXPR_VALUE)
			memcpy(&sets, s->expr->value, sizeof(sets));
		if (s->kind == STMT_XT)
			writes = walk_xt_writes_mark(&s->xt, false, &bits, &sets) ||
				 walk_xt_writes_mark(&s->xt, true, &bits, &sets);
		if (writes && (!sets || is_uplinks_mark(g, sets)))
			return true;
	}
	return false;
}

/* The config's own rules for marks take the place of those. */
static void replace_marks(struct drafting *d)
{
	const struct nft_ruleset *rs = &d->g->net->ruleset;
	bool marked = false;

	VEC_EACH (&d->g->uplinks, struct gateway_uplink, u)
		marked = marked || u->mark_mask;
	if (!marked)
		return;
	VEC_EACH (&rs->tables, struct nft_table *, t) {
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			VEC_EACH (&(*c)->rules, const struct nft_rule, r) {
				if (routes_by_mark(d->g, r))
					replace_rule(d, r);
			}
		}
	}
}

/* ---- the front door ---- */

static void add_maps(struct drafting *d, struct strbuf *y)
{
	VEC_EACH (&d->drafts, struct draft, m) {
		if (!listens_somewhere(m)) {
			leave(d, m->first, "no uplink has the address that it is for");
			continue;
		}
		m->lost = d->unhidden == IMPORT_AS_SEEN && is_lost(d, m);
		if (m->lost)
			d->out->lost++;
		else
			ask_walk(d, m);
		m->name = map_name(d, m->first);
		add_map(d, y, m);
		d->out->maps++;
	}
}

void import_make(
	struct arena *a, const struct gateway *g, enum import_unhidden unhidden, struct import *out)
{
	struct drafting d = {.arena = a, .g = g, .unhidden = unhidden, .out = out};
	struct strbuf y = STRBUF_INIT;

	VEC_EACH (&g->forwards, struct gateway_forward, f)
		draft_forward(&d, f);
	replace_routing(&d);
	replace_marks(&d);
	add_maps(&d, &y);
	out->maps_yaml = arena_strdup(a, strbuf_str(&y));
	strbuf_reset(&y);
	strbuf_add(&y, "uplinks:\n");
	VEC_EACH (&g->uplinks, struct gateway_uplink, u)
		add_uplink(&d, &y, u);
	strbuf_addf(&y, "maps:\n%s", out->maps ? out->maps_yaml : "  {}\n");
	out->yaml = arena_strdup(a, strbuf_str(&y));
	strbuf_fini(&y);
}

const char *import_left_words(struct arena *a, const struct import_left *l)
{
	const char *place = nft_rule_place(a, l->rule);

	return arena_printf(a, "%s%s%s %s: %s", place, *place ? ": " : "",
		nft_table_words(a, l->table), l->chain->name,
		nft_rule_words(a, l->table, l->chain, l->rule));
}

void import_add_left(struct arena *a, const struct import *im, struct strbuf *out)
{
	if (im->left.len)
		config_add_comment(out, 0, "not carried over:");
	VEC_EACH (&im->left, const struct import_left, l) {
		config_add_comment(out, 0, arena_printf(a, "  %s", import_left_words(a, l)));
		config_add_comment(out, 0, arena_printf(a, "    %s", l->why));
	}
}
