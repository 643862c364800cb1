/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tells uplinks, insides and port forwards from routes, addresses and rules. See gateway.h. */
#include "walk/gateway.h"

#include <string.h>

#include "config/model.h"
#include "config/write.h"
#include "walk/scope.h"

#define FORWARDS_MAX 200000 /* elements of maps included */
#define SCOPE_GLOBAL 0	    /* RT_SCOPE_UNIVERSE */

static unsigned int family_index(uint8_t family)
{
	return family == IP_V6;
}

/* ---- uplinks ---- */

struct inference {
	struct arena *arena;
	const struct netstate *net;
	struct gateway *out;
	size_t given; /* elements tried */
};

static bool is_default(const struct net_route *r)
{
	return r->dst.len == 0 && r->type == ROUTE_UNICAST && r->table != TABLE_LOCAL &&
	       r->nexthops.len > 0 && r->src.len == 0;
}

static bool is_loopback(const struct netstate *net, const char *interface)
{
	const struct net_link *l = netstate_link(net, interface);

	return l ? l->loopback : strcmp(interface, "lo") == 0;
}

/* The uplink of this next hop: the one that is there, or that has no default of the family yet. */
static struct gateway_uplink *uplink_of(
	struct inference *x, uint8_t family, const struct net_nexthop *h)
{
	unsigned int f = family_index(family);
	struct gateway_uplink *u;

	VEC_EACH (&x->out->uplinks, struct gateway_uplink, it) {
		if (strcmp(it->interface, h->interface) == 0 && it->has_default[f] &&
			ip_equal(&it->next[f], &h->gateway))
			return it;
	}
	VEC_EACH (&x->out->uplinks, struct gateway_uplink, it) {
		if (strcmp(it->interface, h->interface) == 0 && !it->has_default[f]) {
			it->has_default[f] = true;
			it->next[f] = h->gateway;
			return it;
		}
	}
	u = vec_add(x->arena, &x->out->uplinks);
	u->interface = h->interface;
	u->has_default[f] = true;
	u->next[f] = h->gateway;
	return u;
}

static bool has_table(const struct gateway_uplink *u, uint32_t table)
{
	VEC_EACH (&u->tables, uint32_t, t) {
		if (*t == table)
			return true;
	}
	return false;
}

static void add_table(struct inference *x, struct gateway_uplink *u, uint32_t table)
{
	if (!has_table(u, table))
		vec_push(x->arena, &u->tables, table);
}

static bool is_best_in_main(const struct netstate *net, const struct net_route *r)
{
	VEC_EACH (&net->routes, struct net_route, it) {
		if (is_default(it) && it->family == r->family && it->table == TABLE_MAIN &&
			it->metric < r->metric)
			return false;
	}
	return r->table == TABLE_MAIN;
}

static void infer_uplink(struct inference *x, const struct net_route *r)
{
	VEC_EACH (&r->nexthops, struct net_nexthop, h) {
		struct gateway_uplink *u;

		if (!h->interface || is_loopback(x->net, h->interface))
			continue;
		u = uplink_of(x, r->family, h);
		if (r->table != TABLE_MAIN)
			add_table(x, u, r->table);
		if (is_best_in_main(x->net, r))
			u->is_main[family_index(r->family)] = true;
	}
}

/* Main's first: which tables are dumped before it says nothing. */
static void infer_uplinks(struct inference *x)
{
	for (int in_main = 1; in_main >= 0; in_main--) {
		VEC_EACH (&x->net->routes, struct net_route, r) {
			if (is_default(r) && (r->table == TABLE_MAIN) == in_main)
				infer_uplink(x, r);
		}
	}
}

static bool is_global(const struct net_addr *a)
{
	return a->scope == SCOPE_GLOBAL && !ip_is_link_local(&a->addr) &&
	       !ip_is_loopback(&a->addr) && !a->unusable;
}

/* Whose table of those on the interface do the ip rules look up for what comes from the address? NULL:
 * they do not tell. */
static const struct gateway_uplink *routed_by_source(
	const struct inference *x, const char *interface, const struct ip_addr *addr)
{
	VEC_EACH (&x->net->rules, struct net_rule, r) {
		if (r->action != RULE_LOOKUP || r->invert || r->mask || r->src.len == 0 ||
			!ip_in_prefix(addr, &r->src))
			continue;
		VEC_EACH (&x->out->uplinks, struct gateway_uplink, u) {
			if (strcmp(u->interface, interface) == 0 && has_table(u, r->table))
				return u;
		}
	}
	return NULL;
}

static bool has_hop_in(const struct gateway_uplink *u, const struct ip_prefix *network)
{
	const struct ip_addr *next = &u->next[family_index(network->addr.family)];

	return next->family == network->addr.family && ip_in_prefix(next, network);
}

/* Do the ip rules say which sources take the uplink, while what they leave takes another on the same
 * network: main's? */
static bool is_beside_main(
	const struct inference *x, const struct gateway_uplink *u, const struct ip_prefix *network)
{
	unsigned int f = family_index(network->addr.family);
	bool by_source = false, beside = false;

	VEC_EACH (&x->net->rules, struct net_rule, r)
		by_source = by_source || (r->action == RULE_LOOKUP && r->src.len && !r->mask &&
						 has_table(u, r->table));
	VEC_EACH (&x->out->uplinks, struct gateway_uplink, it)
		beside = beside || (it != u && it->is_main[f] && has_hop_in(it, network) &&
					   strcmp(it->interface, u->interface) == 0);
	return by_source && beside && !u->is_main[f];
}

/* Of two next hops on one interface: is the address on the other's network, and not on ours? */
static bool belongs_to_other(
	const struct inference *x, const struct gateway_uplink *u, const struct net_addr *a)
{
	struct ip_prefix network = ip_prefix_of(&a->addr, a->prefix_len);
	const struct gateway_uplink *owner = routed_by_source(x, u->interface, &a->addr);

	if (owner)
		return owner != u;
	if (has_hop_in(u, &network))
		return is_beside_main(x, u, &network);
	VEC_EACH (&x->out->uplinks, struct gateway_uplink, it) {
		if (it != u && strcmp(it->interface, u->interface) == 0 && has_hop_in(it, &network))
			return true;
	}
	return false;
}

static void infer_addresses(struct inference *x, struct gateway_uplink *u)
{
	for (int private = 0; private < 2; private ++) {
		VEC_EACH (&x->net->addrs, struct net_addr, a) {
			if (strcmp(a->interface, u->interface) == 0 && is_global(a) &&
				ip_is_private(&a->addr) == private && !belongs_to_other(x, u, a))
				vec_push(x->arena, &u->addrs, a->addr);
		}
	}
}

/* The first rule by mark whose table's default leads to this uplink alone. */
static void infer_mark(struct inference *x, struct gateway_uplink *u)
{
	VEC_EACH (&x->net->rules, struct net_rule, r) {
		const struct net_route *way = NULL;

		if (!r->mask || r->invert || r->action != RULE_LOOKUP || u->mark_rule)
			continue;
		VEC_EACH (&x->net->routes, struct net_route, it) {
			if (is_default(it) && it->table == r->table && it->family == r->family &&
				(!way || it->metric < way->metric))
				way = it;
		}
		if (!way || way->nexthops.len != 1 || !way->nexthops.items[0].interface ||
			strcmp(way->nexthops.items[0].interface, u->interface) != 0 ||
			!ip_equal(
				&way->nexthops.items[0].gateway, &u->next[family_index(r->family)]))
			continue;
		u->mark = r->mark;
		u->mark_mask = r->mask;
		u->mark_rule = r;
	}
}

/* ---- uplinks without a default route of their own ---- */

static bool is_uplink(const struct gateway *g, const char *interface)
{
	VEC_EACH (&g->uplinks, struct gateway_uplink, u) {
		if (strcmp(u->interface, interface) == 0)
			return true;
	}
	return false;
}

/* Is there a forward for what comes in there: by its name, or by its address? */
static bool has_forward(const struct gateway *g, const struct net_addr *a)
{
	VEC_EACH (&g->forwards, struct gateway_forward, f) {
		if (!f->output && ((f->in && !f->in_inverted && strcmp(f->in, a->interface) == 0) ||
					  (f->dst.addr.family && ip_equal(&f->dst.addr, &a->addr))))
			return true;
	}
	return false;
}

/* Is there one that takes what comes in there without saying so? */
static bool has_forward_for_all(const struct gateway *g, const struct net_addr *a)
{
	VEC_EACH (&g->forwards, struct gateway_forward, f) {
		bool here = !f->in || (f->in_inverted && strcmp(f->in, a->interface) != 0);

		if (!f->output && here && f->family == a->addr.family &&
			(!f->dst.addr.family || ip_in_prefix(&a->addr, &f->dst)) &&
			(!f->src.addr.family || f->src.len == 0))
			return true;
	}
	return false;
}

bool gateway_leads_to_backend(const struct gateway *g, const char *interface)
{
	VEC_EACH (&g->forwards, struct gateway_forward, f) {
		const struct net_route *r =
			f->to.family ? netstate_route(g->net, TABLE_MAIN, &f->to) : NULL;

		if (r && r->nexthops.len && r->nexthops.items[0].interface &&
			strcmp(r->nexthops.items[0].interface, interface) == 0)
			return true;
	}
	return false;
}

/* Is the interface that of a private network, or of a backend? */
static bool is_way_inside(const struct gateway *g, const char *interface)
{
	VEC_EACH (&g->net->addrs, struct net_addr, a) {
		if (strcmp(a->interface, interface) == 0 && is_global(a) && ip_is_private(&a->addr))
			return true;
	}
	return gateway_leads_to_backend(g, interface);
}

bool gateway_may_be_uplink(const struct gateway *g, const struct net_addr *a)
{
	return is_global(a) && !ip_is_private(&a->addr) && !is_loopback(g->net, a->interface) &&
	       a->prefix_len < ip_bits(a->addr.family) && !is_uplink(g, a->interface) &&
	       has_forward_for_all(g, a) && !is_way_inside(g, a->interface);
}

/* Public addresses that forwards are for: whoever wrote them takes it for a line to the Internet. */
static void infer_nameless(struct inference *x)
{
	VEC_EACH (&x->net->addrs, struct net_addr, a) {
		if (is_global(a) && !ip_is_private(&a->addr) &&
			!is_loopback(x->net, a->interface) && !is_uplink(x->out, a->interface) &&
			has_forward(x->out, a))
			vec_add(x->arena, &x->out->uplinks)->interface = a->interface;
	}
}

static void name_uplink(struct inference *x, struct gateway_uplink *u)
{
	const char *wish = config_name_like(x->arena, u->interface);

	u->name = wish;
	for (unsigned int n = 2;; n++) {
		bool taken = false;

		VEC_EACH (&x->out->uplinks, struct gateway_uplink, it)
			taken = taken || (it != u && it->name && strcmp(it->name, u->name) == 0);
		if (!taken)
			return;
		u->name = config_name_like(
			x->arena, arena_printf(x->arena, "%.*s-%u", (int)LIMIT_NAME - 11, wish, n));
	}
}

static void complete_uplink(struct inference *x, struct gateway_uplink *u)
{
	infer_addresses(x, u);
	infer_mark(x, u);
	name_uplink(x, u);
}

void gateway_add_uplink(struct arena *a, struct gateway *g, const char *interface)
{
	struct inference x = {.arena = a, .net = g->net, .out = g};
	struct gateway_uplink *u = vec_add(a, &g->uplinks);
	size_t kept = 0;

	u->interface = interface;
	complete_uplink(&x, u);
	for (size_t i = 0; i < g->insides.len; i++) {
		if (strcmp(g->insides.items[i].interface, interface) != 0)
			g->insides.items[kept++] = g->insides.items[i];
	}
	g->insides.len = kept;
}

/* ---- insides ---- */

static void add_inside(struct inference *x, const char *interface, const struct ip_prefix *network,
	const struct ip_addr *addr)
{
	struct gateway_inside *i;

	if (is_uplink(x->out, interface) || is_loopback(x->net, interface))
		return;
	VEC_EACH (&x->out->insides, struct gateway_inside, it) {
		if (strcmp(it->interface, interface) == 0 && ip_prefix_equal(&it->network, network))
			return;
	}
	i = vec_add(x->arena, &x->out->insides);
	i->interface = interface;
	i->network = *network;
	i->addr = *addr;
}

static void insides_of_addresses(struct inference *x, bool private)
{
	VEC_EACH (&x->net->addrs, struct net_addr, a) {
		struct ip_prefix network =
			ip_prefix_of(a->peer.family ? &a->peer : &a->addr, a->prefix_len);

		if (!is_global(a) || ip_is_private(&a->addr) != private)
			continue;
		/* An address by itself has no network; what a peer's is, is one host. */
		if (a->prefix_len < ip_bits(a->addr.family) || a->peer.family)
			add_inside(x, a->interface, &network, &a->addr);
	}
}

/* Where there is no dump of the addresses, main's routes to networks tell them too. */
static void insides_of_routes(struct inference *x, bool private)
{
	VEC_EACH (&x->net->routes, struct net_route, r) {
		if (r->table == TABLE_MAIN && r->type == ROUTE_UNICAST && r->dst.len > 0 &&
			r->nexthops.len == 1 && r->nexthops.items[0].interface &&
			r->nexthops.items[0].gateway.family == IP_NONE &&
			!ip_is_link_local(&r->dst.addr) && ip_is_private(&r->dst.addr) == private)
			add_inside(x, r->nexthops.items[0].interface, &r->dst, &r->prefsrc);
	}
}

static void infer_insides(struct inference *x)
{
	for (int private = 1; private >= 0; private --) {
		if (x->net->have & HAVE_ADDRS || x->net->addrs.len)
			insides_of_addresses(x, private);
		else
			insides_of_routes(x, private);
	}
}

/* ---- forwards ---- */

/* The place in the rules that is being read. */
struct place {
	uint8_t family;
	bool output;
	const struct nft_table *table;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
	const struct place *from; /* where the jump to the chain is; NULL: it is a base chain */
	unsigned int depth;
};

static void read_chain(
	struct inference *x, const struct place *at, const char *name, const struct scopes *within);

static void add_forward(struct inference *x, const struct place *at, const struct scope *s,
	const struct walk_nat *nat)
{
	struct gateway_forward *f;

	if (x->out->forwards.len >= FORWARDS_MAX || (s->family && s->family != at->family) ||
		(nat->first.family && nat->first.family != at->family))
		return;
	f = vec_add(x->arena, &x->out->forwards);
	f->family = at->family;
	f->proto = s->proto;
	f->dst = s->dst;
	f->dst_local = s->dst_local;
	f->first = s->first;
	f->last = s->last;
	f->src = s->src;
	f->in = s->in;
	f->in_inverted = s->in_inverted;
	f->to = nat->first;
	f->to_last = nat->last;
	f->to_first = nat->port_first;
	f->to_last_port = nat->port_last;
	f->output = at->output;
	/* A translation that is not understood is one more thing that is not kept. Of the states, a nat
	 * chain sees but the first packet's. */
	f->more_matches = s->more || s->looks_back || s->mark_mask || s->ct_mark_mask ||
			  (s->states && !(s->states & CT_NEW)) || s->only_dnat || s->out ||
			  nat->addr_unknown || nat->port_unknown ||
			  (nat->kind == WALK_NAT_DESTINATION && !nat->first.family);
	f->table = at->table;
	f->chain = at->chain;
	f->rule = at->rule;
}

/* What element @i of a map gives: an address, and a port where there is a second field. */
static void take_data(const struct nft_set *map, size_t i, struct walk_nat *nat)
{
	const uint8_t *data = nft_set_elem_data(map, i);
	unsigned int at = 0;

	for (unsigned int f = 0; f < map->n_data; f++) {
		if (map->data[f].type == NFT_T_IPV4 || map->data[f].type == NFT_T_IPV6)
			nat->first = nat->last = ip_from_bytes(
				map->data[f].type == NFT_T_IPV6 ? IP_V6 : IP_V4, data + at);
		else if (map->data[f].type == NFT_T_PORT)
			nat->port_first = nat->port_last = (uint16_t)(data[at] << 8 | data[at + 1]);
		at += nft_padded(map->data[f].len);
	}
}

static void read_map(struct inference *x, const struct place *at, const struct nft_expr *map,
	const struct walk_nat *nat, const struct scopes *within)
{
	if (!map->set || map->set->flags & SET_INCOMPLETE) {
		struct walk_nat unknown = *nat;

		unknown.addr_unknown = true;
		VEC_EACH (&within->items, struct scope, s)
			add_forward(x, at, s, &unknown);
		return;
	}
	for (size_t i = 0; i < map->set->len && x->given++ < FORWARDS_MAX; i++) {
		struct scopes here = {0};
		struct walk_nat to = *nat;

		scopes_element(x->arena, x->net, map->key, map->set, i, within, &here);
		take_data(map->set, i, &to);
		VEC_EACH (&here.items, struct scope, s)
			add_forward(x, at, s, &to);
	}
}

static void read_translation(struct inference *x, const struct place *at, const struct nft_stmt *s,
	const struct scopes *within)
{
	const struct nft_expr *map;
	struct walk_nat nat;

	scope_nat(s, at->family, HOOK_PREROUTING, &nat, &map);
	if (nat.kind != WALK_NAT_DESTINATION && nat.kind != WALK_NAT_REDIRECT)
		return;
	if (map) {
		read_map(x, at, map, &nat, within);
		return;
	}
	VEC_EACH (&within->items, struct scope, it)
		add_forward(x, at, it, &nat);
}

static void read_vmap(struct inference *x, const struct place *at, const struct nft_stmt *s,
	const struct scopes *within)
{
	for (size_t i = 0; s->set && i < s->set->len && x->given++ < FORWARDS_MAX; i++) {
		const uint8_t *data = nft_set_elem_data(s->set, i);
		struct scopes here = {0};
		int32_t verdict;
		uint32_t chain;

		memcpy(&verdict, data, sizeof(verdict));
		memcpy(&chain, data + sizeof(verdict), sizeof(chain));
		if ((verdict != VERDICT_JUMP && verdict != VERDICT_GOTO) ||
			chain >= s->set->chains.len)
			continue;
		scopes_element(x->arena, x->net, s->expr, s->set, i, within, &here);
		read_chain(x, at, s->set->chains.items[chain], &here);
	}
}

/* False: nothing of @within gets past the rule. */
static bool read_rule(struct inference *x, const struct place *at, const struct nft_rule *r,
	const struct scopes *within)
{
	struct scopes now = *within;
	bool all = true;

	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		struct scopes next = {0};

		if (now.items.len == 0)
			return true;
		if (s->kind == STMT_VERDICT) {
			if (s->verdict == VERDICT_JUMP || s->verdict == VERDICT_GOTO)
				read_chain(x, at, s->chain, &now);
			return !all || s->verdict == VERDICT_JUMP || s->verdict == VERDICT_CONTINUE;
		}
		if (s->kind == STMT_VMAP && s->expr) {
			read_vmap(x, at, s, &now);
			continue;
		}
		if (s->kind == STMT_NAT || s->kind == STMT_REDIRECT ||
			(s->kind == STMT_XT && s->xt.target)) {
			read_translation(x, at, s, &now);
			continue;
		}
		all = all && s->kind != STMT_MATCH && s->kind != STMT_XT && s->kind != STMT_LIMIT &&
		      s->kind != STMT_UNKNOWN;
		scopes_match(x->arena, x->net, s, &now, &next);
		now = next;
	}
	return true;
}

static void read_rules(struct inference *x, const struct place *at, const struct scopes *within)
{
	VEC_EACH (&at->chain->rules, struct nft_rule, r) {
		struct place here = *at;

		here.rule = r;
		if (!read_rule(x, &here, r, within))
			return;
	}
}

/* No kernel takes such a jump, but a text may have it. */
static bool is_loop(const struct place *at, const struct nft_chain *chain)
{
	for (; at; at = at->from) {
		if (at->chain == chain)
			return true;
	}
	return false;
}

static void read_chain(
	struct inference *x, const struct place *at, const char *name, const struct scopes *within)
{
	struct place there = *at;

	there.chain = name ? nft_chain_find(at->table, name) : NULL;
	there.from = at;
	there.depth++;
	if (!there.chain || is_loop(at, there.chain) || there.depth > WALK_MAX_DEPTH ||
		within->items.len == 0 || x->given++ > FORWARDS_MAX)
		return;
	read_rules(x, &there, within);
}

static void infer_forwards(struct inference *x, enum nft_hook hook, uint8_t family)
{
	struct walker w = {.net = x->net};
	struct walk_bases bases = {0};

	walk_bases(x->arena, &w, family, hook, &bases);
	VEC_EACH (&bases.items, struct walk_base, b) {
		struct place at = {.family = family,
			.output = hook == HOOK_OUTPUT,
			.table = b->table,
			.chain = b->chain};
		struct scopes all = {0};

		if (b->chain->type != CHAIN_NAT)
			continue;
		vec_push(x->arena, &all.items, scope_any(family));
		read_rules(x, &at, &all);
	}
}

bool gateway_is_interface(const char *pattern, const char *interface)
{
	size_t len = strlen(pattern);

	if (len && (pattern[len - 1] == '*' || pattern[len - 1] == '+'))
		return strncmp(pattern, interface, len - 1) == 0;
	return strcmp(pattern, interface) == 0;
}

bool gateway_has_foreign_router(const struct gateway_uplink *u, unsigned int f)
{
	return u->next[f].family && (u->next[f].family == IP_V6) != f;
}

const struct gateway_uplink *gateway_uplink_at(const struct gateway *g, const char *interface)
{
	VEC_EACH (&g->uplinks, struct gateway_uplink, u) {
		if (interface && strcmp(u->interface, interface) == 0)
			return u;
	}
	return NULL;
}

const struct gateway_inside *gateway_inside_at(const struct gateway *g, const char *interface)
{
	VEC_EACH (&g->insides, struct gateway_inside, i) {
		if (interface && strcmp(i->interface, interface) == 0)
			return i;
	}
	return NULL;
}

bool gateway_serves(const struct gateway_uplink *u, uint8_t family)
{
	if (u->has_default[0] || u->has_default[1])
		return u->has_default[family == IP_V6];
	VEC_EACH (&u->addrs, struct ip_addr, a) {
		if (a->family == family)
			return true;
	}
	return false;
}

static bool is_taken(const struct gateway *g, const struct ip_addr *addr)
{
	if (netstate_addr(g->net, addr))
		return true;
	VEC_EACH (&g->uplinks, struct gateway_uplink, u) {
		if (ip_equal(&u->next[addr->family == IP_V6], addr))
			return true;
	}
	VEC_EACH (&g->forwards, struct gateway_forward, f) {
		if (ip_equal(&f->to, addr))
			return true;
	}
	return false;
}

bool gateway_neighbour(
	const struct gateway *g, const struct ip_prefix *network, struct ip_addr *out)
{
	unsigned int last = ip_bytes(network->addr.family) - 1;
	unsigned int room = ip_bits(network->addr.family) - network->len;

	if (room < 2)
		return false;
	*out = network->addr;
	for (unsigned int host = room >= 8 ? 77 : 1; host < (room >= 8 ? 255u : 1u << room) - 1;
		host++) {
		out->bytes[last] = (uint8_t)(network->addr.bytes[last] | host);
		if (!is_taken(g, out))
			return true;
	}
	return false;
}

void gateway_infer(struct arena *a, const struct netstate *net, struct gateway *out)
{
	struct inference x = {.arena = a, .net = net, .out = out};

	out->net = net;
	infer_forwards(&x, HOOK_PREROUTING, IP_V4);
	infer_forwards(&x, HOOK_PREROUTING, IP_V6);
	infer_forwards(&x, HOOK_OUTPUT, IP_V4);
	infer_forwards(&x, HOOK_OUTPUT, IP_V6);
	infer_uplinks(&x);
	infer_nameless(&x);
	VEC_EACH (&out->uplinks, struct gateway_uplink, u)
		complete_uplink(&x, u);
	infer_insides(&x);
	VEC_EACH (&out->insides, struct gateway_inside, i) {
		if (!gateway_neighbour(out, &i->network, &i->neighbour))
			i->neighbour.family = IP_NONE;
	}
}
