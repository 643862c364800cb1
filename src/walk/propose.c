/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds a machine's lines and inside networks, and what speaks for each. See propose.h. */
#include "walk/propose.h"

#include <stdlib.h>
#include <string.h>

#include "config/write.h"
#include "plan/plan.h"
#include "walk/packet.h"
#include "walk/scope.h"

#define WHY_MAX	    4u	   /* of one kind; more are counted */
#define ROUTERS_MAX 8u	   /* neighbours of one line that may be its router */
#define HOSTS_MAX   16u	   /* of one inside network */
#define PORTS_MAX   6u	   /* of one host */
#define PORT_LAST   32767u /* what is above is rather a client's */

enum { PROTOCOL_RA = 9, PROTOCOL_DHCP = 16 }; /* RTPROT_* of the kernel */

struct looking {
	struct arena *arena;
	const struct netstate *seen;
	struct proposal *out;
};

static bool is_default(const struct net_route *r)
{
	return r->dst.len == 0 && r->type == ROUTE_UNICAST && r->table != TABLE_LOCAL;
}

/* The next hop of @r that is the line's; NULL: it does not lead there. */
static const struct net_nexthop *leads_by(const struct net_route *r, const struct gateway_uplink *u)
{
	if (!is_default(r))
		return NULL;
	VEC_EACH (&r->nexthops, const struct net_nexthop, h) {
		if (h->interface && name_equal(h->interface, u->interface) &&
			ip_equal(&h->gateway, &u->next[r->family == IP_V6]))
			return h;
	}
	return NULL;
}

static bool has_line(const struct gateway *g, const char *interface)
{
	return gateway_uplink_at(g, interface) != NULL;
}

/* ---- what portreeve has in force here ---- */

/* A line that is in force: what its own rule and table lead to. */
struct kept_line {
	const char *name;
	uint32_t number;
	const char *interface;
	const struct net_route *routes[2];
	struct ip_addr next[2];
};
struct kept_lines {
	VEC(struct kept_line) items;
};

static void keep_route(struct looking *l, const struct net_rule *rule, struct kept_line *line)
{
	VEC_EACH (&l->seen->routes, const struct net_route, r) {
		if (r->protocol != PORTREEVE_PROTOCOL || r->table != rule->table ||
			r->family != rule->family || !is_default(r) || !r->nexthops.len)
			continue;
		line->interface = r->nexthops.items[0].interface;
		line->routes[r->family == IP_V6] = r;
		line->next[r->family == IP_V6] = r->nexthops.items[0].gateway;
	}
}

static void find_kept(struct looking *l, struct kept_lines *out)
{
	const struct nft_table *ours =
		nft_table_find(&l->seen->ruleset, FAMILY_INET, PORTREEVE_TABLE);
	struct memory memory = {0};

	l->out->in_force = ours != NULL;
	if (!ours)
		return;
	plan_read_memory(l->arena, ours, &memory);
	VEC_EACH (&memory.numbers, const struct memory_number, n) {
		struct kept_line line = {.name = n->uplink, .number = n->number};
		uint32_t mark = mark_of_number(memory.mark_mask, n->number);

		VEC_EACH (&l->seen->rules, const struct net_rule, r) {
			if (r->protocol == PORTREEVE_PROTOCOL && mark && r->mark == mark)
				keep_route(l, r, &line);
		}
		if (line.interface)
			vec_push(l->arena, &out->items, line);
	}
}

/* Lines that share an interface are told apart by their next hops, and the machine's own routes need not
 * name those: then portreeve's do. */
static void restore_routes(struct looking *l, const struct kept_lines *kept)
{
	VEC_EACH (&kept->items, const struct kept_line, k) {
		bool shared = false;

		VEC_EACH (&kept->items, const struct kept_line, it)
			shared = shared || (it != k && name_equal(it->interface, k->interface));
		for (unsigned int f = 0; f < 2; f++) {
			if (shared && k->routes[f])
				vec_push(l->arena, &l->out->net.routes, *k->routes[f]);
		}
	}
}

/* The line that is in force for this one: of several on the interface, the one with its next hop. */
static const struct kept_line *kept_for(
	const struct kept_lines *kept, const struct gateway_uplink *u, bool alone)
{
	VEC_EACH (&kept->items, const struct kept_line, k) {
		bool same_hop = false;

		for (unsigned int f = 0; f < 2; f++)
			same_hop = same_hop ||
				   (u->has_default[f] && ip_equal(&k->next[f], &u->next[f]));
		if (name_equal(k->interface, u->interface) && (alone || same_hop))
			return k;
	}
	return NULL;
}

/* ---- lines without a default route ---- */

/* The rule by which what leaves by the interface, wherever it goes, gets another source; NULL: none. */
struct hiding {
	const struct nft_table *table;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
};

static bool hides_source(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, const struct nft_stmt, s) {
		const struct nft_expr *map;
		struct walk_nat nat;

		if (s->kind != STMT_NAT && s->kind != STMT_MASQUERADE &&
			!(s->kind == STMT_XT && s->xt.target))
			continue;
		scope_nat(s, IP_V4, HOOK_POSTROUTING, &nat, &map);
		if (nat.kind == WALK_NAT_SOURCE || nat.kind == WALK_NAT_MASQUERADE)
			return true;
	}
	return false;
}

static bool leaves_by(struct arena *a, const struct netstate *net, const struct nft_rule *r,
	const char *interface)
{
	struct scopes scopes = {0};

	scopes_of_rule(a, net, IP_V4, r, &scopes);
	VEC_EACH (&scopes.items, const struct scope, s) {
		if (s->out && !s->out_inverted && !s->dst.addr.family &&
			gateway_is_interface(s->out, interface))
			return true;
	}
	return false;
}

static struct hiding hiding_at(struct looking *l, const char *interface)
{
	const struct netstate *net = &l->out->net;

	VEC_EACH (&net->ruleset.tables, struct nft_table *, t) {
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			VEC_EACH (&(*c)->rules, const struct nft_rule, r) {
				if (hides_source(r) && leaves_by(l->arena, net, r, interface))
					return (struct hiding){*t, *c, r};
			}
		}
	}
	return (struct hiding){0};
}

static bool starts_with(const char *s, const char *begin)
{
	return strncmp(s, begin, strlen(begin)) == 0;
}

static bool is_ppp(const struct netstate *net, const char *interface)
{
	const struct net_link *link = netstate_link(net, interface);

	return link && link->kind ? strcmp(link->kind, "ppp") == 0 : starts_with(interface, "ppp");
}

static bool is_tunnel(const struct netstate *net, const char *interface)
{
	static const char *const kinds[] = {"wireguard", "tun", "ipip", "gre", "gretap", "ip6gre",
		"ip6gretap", "sit", "ip6tnl", "vti", "vti6", "xfrm", "vxlan"};
	const struct net_link *link = netstate_link(net, interface);

	if (!link || !link->kind)
		return starts_with(interface, "wg") || starts_with(interface, "tun");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(link->kind, kinds[i]) == 0)
			return true;
	}
	return false;
}

static bool has_address(const struct netstate *net, const char *interface, bool public)
{
	VEC_EACH (&net->addrs, const struct net_addr, a) {
		if (plan_takes_address(a, interface) && (!public || !ip_is_private(&a->addr)))
			return true;
	}
	return false;
}

/* Is the interface a line, though no default route leads out by it? What stands inside is not. */
static bool may_be_line(struct looking *l, const struct net_link *link)
{
	const struct netstate *net = &l->out->net;
	const struct gateway *g = &l->out->gateway;
	bool public = has_address(net, link->name, true);

	if (link->loopback || has_line(g, link->name) || !has_address(net, link->name, false) ||
		gateway_leads_to_backend(g, link->name))
		return false;
	if (is_ppp(net, link->name) || hiding_at(l, link->name).rule)
		return true;
	VEC_EACH (&net->addrs, const struct net_addr, a) {
		if (plan_takes_address(a, link->name) && ip_is_private(&a->addr))
			return false;
	}
	return public && !is_tunnel(net, link->name);
}

static void add_lines(struct looking *l, const struct kept_lines *kept)
{
	struct proposal *p = l->out;

	VEC_EACH (&kept->items, const struct kept_line, k) {
		if (netstate_link(&p->net, k->interface) && !has_line(&p->gateway, k->interface))
			gateway_add_uplink(l->arena, &p->gateway, k->interface);
	}
	VEC_EACH (&p->net.links, const struct net_link, link) {
		if (may_be_line(l, link))
			gateway_add_uplink(l->arena, &p->gateway, link->name);
	}
}

/* ---- what speaks for a line ---- */

static const char *route_words(
	struct arena *a, const struct net_route *r, const struct net_nexthop *h)
{
	struct strbuf b = STRBUF_INIT;
	char buf[IP_STRLEN];
	const char *text;

	strbuf_add(&b, r->family == IP_V6 ? "IPv6 default route" : "default route");
	if (h->gateway.family)
		strbuf_addf(&b, " via %s", ip_format(&h->gateway, buf));
	else
		strbuf_add(&b, " without a next hop");
	if (r->table == TABLE_MAIN)
		strbuf_add(&b, " (table main");
	else if (r->table_name)
		strbuf_addf(&b, " (table %s", r->table_name);
	else
		strbuf_addf(&b, " (table %u", r->table);
	if (r->metric)
		strbuf_addf(&b, ", metric %u", r->metric);
	if (r->nexthops.len > 1)
		strbuf_addf(&b, ", one of %zu next hops", r->nexthops.len);
	if (r->protocol == PROTOCOL_DHCP)
		strbuf_add(&b, ", set by DHCP");
	if (r->protocol == PROTOCOL_RA)
		strbuf_add(&b, ", by router advertisements");
	strbuf_addch(&b, ')');
	text = arena_strdup(a, strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}

static void tell_routes(struct looking *l, struct proposal_uplink *u)
{
	size_t n = 0;

	VEC_EACH (&l->out->net.routes, const struct net_route, r) {
		const struct net_nexthop *h = leads_by(r, &u->line);

		if (!h)
			continue;
		if (r->protocol == PROTOCOL_DHCP || r->protocol == PROTOCOL_RA)
			u->leased[r->family == IP_V6] = true;
		if (n++ < WHY_MAX)
			vec_push(l->arena, &u->why, route_words(l->arena, r, h));
	}
	if (n > WHY_MAX)
		vec_push(l->arena, &u->why,
			arena_printf(l->arena, "and %zu more default routes", n - WHY_MAX));
}

static void tell_rules(struct looking *l, struct proposal_uplink *u)
{
	size_t n = 0;

	VEC_EACH (&l->out->net.rules, const struct net_rule, r) {
		struct strbuf b = STRBUF_INIT;
		bool there = false;

		VEC_EACH (&u->line.tables, const uint32_t, table)
			there = there || (*table == r->table && r->action == RULE_LOOKUP);
		if (!there || n++ >= WHY_MAX)
			continue;
		strbuf_add(&b, "an ip rule leads there: ");
		net_rule_print(&b, r);
		vec_push(l->arena, &u->why, arena_strdup(l->arena, strbuf_str(&b)));
		strbuf_fini(&b);
	}
	if (n > WHY_MAX)
		vec_push(l->arena, &u->why,
			arena_printf(l->arena, "and %zu more ip rules", n - WHY_MAX));
}

static size_t forwards_for(const struct gateway *g, const struct gateway_uplink *u)
{
	size_t n = 0;

	VEC_EACH (&g->forwards, const struct gateway_forward, f) {
		bool named = f->in && !f->in_inverted && gateway_is_interface(f->in, u->interface);

		VEC_EACH (&u->addrs, const struct ip_addr, addr)
			named = named || (f->dst.addr.family && ip_in_prefix(addr, &f->dst));
		n += named && !f->output;
	}
	return n;
}

static void tell_forwards(struct looking *l, struct proposal_uplink *u)
{
	size_t n = forwards_for(&l->out->gateway, &u->line);

	if (n)
		vec_push(l->arena, &u->why,
			arena_printf(l->arena, "%zu port forward%s for what comes in there", n,
				n == 1 ? " is" : "s are"));
}

/* True: what speaks for it is more than its address. */
static bool tell_others(struct looking *l, struct proposal_uplink *u)
{
	struct hiding hiding = hiding_at(l, u->line.interface);
	bool ppp = is_ppp(&l->out->net, u->line.interface);

	if (ppp)
		vec_push(l->arena, &u->why, "it is a PPP interface");
	if (hiding.rule)
		vec_push(l->arena, &u->why,
			arena_printf(l->arena, "what leaves by it gets another source address: %s",
				nft_rule_words(l->arena, hiding.table, hiding.chain, hiding.rule)));
	return ppp || (hiding.rule && has_address(&l->out->net, u->line.interface, true));
}

/* ---- how sure it is ---- */

static bool has_address_of(const struct gateway_uplink *u, const struct ip_addr *addr)
{
	VEC_EACH (&u->addrs, const struct ip_addr, a) {
		if (ip_equal(a, addr))
			return true;
	}
	return false;
}

static bool has_same_address(const struct gateway_uplink *a, const struct gateway_uplink *b)
{
	VEC_EACH (&b->addrs, const struct ip_addr, addr) {
		if (has_address_of(a, addr))
			return true;
	}
	return false;
}

static bool is_shared(const struct proposal *p, const struct proposal_uplink *u)
{
	VEC_EACH (&p->uplinks, const struct proposal_uplink, it) {
		if (it != u && name_equal(it->line.interface, u->line.interface))
			return true;
	}
	return false;
}

bool proposal_names_router(const struct proposal_uplink *u, unsigned int f)
{
	bool left_to_system = u->leased[f] || gateway_has_foreign_router(&u->line, f);

	return u->line.has_default[f] && (!left_to_system || u->shares);
}

/* Why no config takes what it would have to name of the line; NULL: one does. */
static const char *why_unfit(struct arena *a, const struct proposal_uplink *u)
{
	char buf[IP_STRLEN];
	const char *why;

	for (unsigned int f = 0; f < 2; f++) {
		const struct ip_addr *next = &u->line.next[f];

		if (!next->family || !proposal_names_router(u, f))
			continue;
		if (gateway_has_foreign_router(&u->line, f))
			why = "of another family than its route";
		else if (has_address_of(&u->line, next))
			why = "an address of its own";
		else
			why = config_refuses_address(next);
		if (why)
			return arena_printf(a, "its router %s is %s", ip_format(next, buf), why);
	}
	VEC_EACH (&u->line.addrs, const struct ip_addr, addr) {
		why = u->shares ? config_refuses_address(addr) : NULL;
		if (why)
			return arena_printf(a, "its address %s is %s", ip_format(addr, buf), why);
	}
	return NULL;
}

static void stand(struct looking *l, struct proposal_uplink *u, bool speaks)
{
	const struct gateway_uplink *line = &u->line;
	bool routed = line->has_default[0] || line->has_default[1];

	u->shares = is_shared(l->out, u);
	u->unfit = why_unfit(l->arena, u);
	VEC_EACH (&l->out->uplinks, struct proposal_uplink, it) {
		if (it == u || it->unfit || !name_equal(it->line.interface, line->interface))
			continue;
		if ((it < u && has_same_address(&it->line, line)) ||
			(!line->addrs.len && (it < u || it->line.addrs.len)))
			u->standing = LINE_TWIN;
	}
	if (!config_is_interface(line->interface))
		u->standing = LINE_NAMELESS;
	else if (u->unfit)
		u->standing = LINE_UNFIT;
	else if (u->standing == LINE_FOUND && !u->kept && !forwards_for(&l->out->gateway, line) &&
		 (routed ? is_tunnel(&l->out->net, line->interface) && !line->is_main[0] &&
					 !line->is_main[1]
			 : !speaks))
		u->standing = LINE_MAYBE;
}

/* ---- its router, where no default route tells ---- */

static bool has_family(const struct gateway_uplink *u, uint8_t family)
{
	VEC_EACH (&u->addrs, const struct ip_addr, a) {
		if (a->family == family)
			return true;
	}
	return false;
}

static bool forwards_family(const struct gateway *g, uint8_t family)
{
	VEC_EACH (&g->forwards, const struct gateway_forward, f) {
		if (f->to.family == family)
			return true;
	}
	return false;
}

uint8_t proposal_lacks_router(const struct proposal *p, const struct proposal_uplink *u)
{
	const struct net_link *link = netstate_link(&p->net, u->line.interface);
	bool none = !u->line.has_default[0] && !u->line.has_default[1];

	if (link && link->point_to_point)
		return IP_NONE;
	if (has_family(&u->line, IP_V4) && !u->line.has_default[0])
		return IP_V4;
	/* A lone IPv6 address is common; it matters where something is to be called by it. */
	if (has_family(&u->line, IP_V6) && !u->line.has_default[1] &&
		(none || forwards_family(&p->gateway, IP_V6)))
		return IP_V6;
	return none ? IP_V4 : IP_NONE;
}

static void find_routers(struct looking *l, struct proposal_uplink *u)
{
	const struct netstate *net = &l->out->net;
	uint8_t family = proposal_lacks_router(l->out, u);

	if (!family || u->router.family)
		return;
	VEC_EACH (&net->neighbours, const struct net_neighbour, n) {
		if (name_equal(n->interface, u->line.interface) && n->addr.family == family &&
			(n->state == NEIGHBOUR_REACHABLE || n->state == NEIGHBOUR_STALE) &&
			plan_is_beside(net, n->interface, &n->addr) &&
			!config_refuses_address(&n->addr) && u->routers.len < ROUTERS_MAX)
			vec_push(l->arena, &u->routers, n->addr);
	}
	if (u->routers.len == 1)
		u->router = u->routers.items[0];
}

static void keep(struct looking *l, struct proposal_uplink *u, const struct kept_lines *kept)
{
	size_t n = 0;
	const struct kept_line *k;

	VEC_EACH (&l->out->gateway.uplinks, const struct gateway_uplink, it)
		n += name_equal(it->interface, u->line.interface);
	k = kept_for(kept, &u->line, n == 1);
	if (!k)
		return;
	u->kept = true;
	u->line.name = k->name;
	u->number = k->number;
	for (unsigned int f = 0; f < 2; f++) {
		if (!u->router.family && !u->line.has_default[f])
			u->router = k->next[f];
	}
	u->router_sure = u->router.family;
	vec_push(l->arena, &u->why, "portreeve has it in force");
}

bool proposal_is_behind(const struct proposal_uplink *u)
{
	bool private = false;

	VEC_EACH (&u->line.addrs, const struct ip_addr, a) {
		if (a->family == IP_V4 && !ip_is_private(a))
			return false;
		private = private || a->family == IP_V4;
	}
	return private;
}

const char *proposal_addresses(struct arena *a, const struct gateway_uplink *line)
{
	struct strbuf b = STRBUF_INIT;
	char buf[IP_STRLEN];
	const char *text;

	VEC_EACH (&line->addrs, const struct ip_addr, addr)
		strbuf_addf(&b, "%s%s%s", b.len ? ", " : "", ip_format(addr, buf),
			ip_is_private(addr) ? " (private)" : "");
	text = arena_strdup(a, strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}

/* ---- names and numbers ---- */

static bool number_taken(const struct proposal *p, uint32_t number)
{
	VEC_EACH (&p->uplinks, const struct proposal_uplink, u) {
		if (u->number == number)
			return true;
	}
	return false;
}

bool proposal_name_is_free(
	const struct proposal *p, const struct proposal_uplink *u, const char *name)
{
	VEC_EACH (&p->uplinks, const struct proposal_uplink, it) {
		if (it != u && strcmp(it->line.name, name) == 0)
			return false;
	}
	return true;
}

/* Names in force stay, so another's may be taken by now. */
static void settle_names(struct arena *a, struct proposal *p)
{
	VEC_EACH (&p->uplinks, struct proposal_uplink, u) {
		const char *wish = u->line.name;

		for (unsigned int n = 2; !u->kept && !proposal_name_is_free(p, u, u->line.name);
			n++)
			u->line.name = config_name_like(a, arena_printf(a, "%.40s-%u", wish, n));
	}
}

/* Those in force stay; the others get the lowest that are free. */
static void settle_numbers(struct proposal *p)
{
	uint32_t max = mark_max_number(DEFAULT_MARK_MASK);

	VEC_EACH (&p->uplinks, struct proposal_uplink, u) {
		if (u->standing != LINE_FOUND && u->standing != LINE_MAYBE)
			continue;
		for (uint32_t n = 1; n <= max && !u->number; n++)
			u->number = number_taken(p, n) ? 0 : n;
	}
}

/* ---- inside ---- */

static int by_address(const void *a, const void *b)
{
	const struct proposal_host *x = a, *y = b;

	return ip_cmp(&x->addr, &y->addr);
}

static void add_ports(struct looking *l, struct proposal_host *h)
{
	VEC_EACH (&l->out->net.flows, const struct net_flow, f) {
		bool told = false;

		if (!ip_equal(&f->reply.src, &h->addr) || f->reply.sport > PORT_LAST ||
			!f->reply.sport || !(f->status & (CT_SEEN_REPLY | CT_ASSURED)) ||
			(f->proto != PROTO_TCP && f->proto != PROTO_UDP))
			continue;
		VEC_EACH (&h->ports, const struct proposal_port, it)
			told = told || (it->proto == f->proto && it->port == f->reply.sport);
		if (!told && h->ports.len < PORTS_MAX)
			vec_push(l->arena, &h->ports,
				((struct proposal_port){f->proto, f->reply.sport}));
	}
}

static void look_inside(struct looking *l)
{
	const struct netstate *net = &l->out->net;

	VEC_EACH (&l->out->gateway.insides, const struct gateway_inside, i) {
		struct proposal_inside *p = vec_add(l->arena, &l->out->insides);

		p->inside = i;
		VEC_EACH (&net->neighbours, const struct net_neighbour, n) {
			if (name_equal(n->interface, i->interface) &&
				ip_in_prefix(&n->addr, &i->network) &&
				(n->state == NEIGHBOUR_REACHABLE || n->state == NEIGHBOUR_STALE) &&
				p->hosts.len < HOSTS_MAX)
				vec_add(l->arena, &p->hosts)->addr = n->addr;
		}
		if (p->hosts.len)
			qsort(p->hosts.items, p->hosts.len, sizeof(*p->hosts.items), by_address);
		VEC_EACH (&p->hosts, struct proposal_host, h)
			add_ports(l, h);
	}
}

/* ---- the front door ---- */

void propose_look(struct arena *a, const struct netstate *seen, struct proposal *out)
{
	static const struct netstate nothing;
	struct looking l = {.arena = a, .seen = seen, .out = out};
	struct kept_lines kept = {0};

	plan_overlay(a, seen, &nothing, &out->net);
	find_kept(&l, &kept);
	restore_routes(&l, &kept);
	gateway_infer(a, &out->net, &out->gateway);
	add_lines(&l, &kept);
	VEC_EACH (&out->gateway.uplinks, const struct gateway_uplink, line)
		vec_add(a, &out->uplinks)->line = *line;
	VEC_EACH (&out->uplinks, struct proposal_uplink, u) {
		bool speaks;

		tell_routes(&l, u);
		tell_rules(&l, u);
		tell_forwards(&l, u);
		speaks = tell_others(&l, u);
		keep(&l, u, &kept);
		stand(&l, u, speaks);
		find_routers(&l, u);
	}
	settle_names(a, out);
	settle_numbers(out);
	look_inside(&l);
}

bool propose_maps(struct arena *a, struct proposal *p)
{
	p->chosen = p->gateway;
	memset(&p->chosen.uplinks, 0, sizeof(p->chosen.uplinks));
	VEC_EACH (&p->uplinks, const struct proposal_uplink, u) {
		if (u->standing == LINE_FOUND)
			vec_push(a, &p->chosen.uplinks, u->line);
	}
	if (p->chosen.uplinks.len)
		import_make(a, &p->chosen, IMPORT_AS_SEEN, &p->import);
	return p->chosen.uplinks.len;
}
