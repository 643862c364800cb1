/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spread: the chains that lead new connections of one listener to one of several backends.
 *
 * Theory of operation. A listener whose new connections all go to one backend needs no chain: that
 * one stands in the maps of listeners.c. Else the listener leads to a chain with one rule, shared by
 * all listeners with the same choice:
 *
 *	dnat ip to jhash ip saddr mod 258 seed ... map { 0-85 : 192.168.0.2, 86-257 : 192.168.0.3 }
 *
 * Which backend has which slots is dealt by share.c, so that a client stays with its backend while
 * that is up, whatever happens to the others. `random` draws a number instead. Backends that do not
 * keep the listener's port have address and port in the map; nft wants to be told the protocol then.
 *
 * A listener all of whose backends are down and that is to refuse leads to the chain `refused`. A TCP
 * reset goes back from there. An ICMP error would carry the wrong source: the kernel takes the public
 * address for it only when the packet was for this host. So such a packet goes on, with our bit on its
 * connection, and the chain `input` rejects it, before a service of the gateway could take it.
 */
#include <linux/netfilter/nf_conntrack_common.h>

#include "plan/internal.h"
#include "plan/share.h"

#define SEED	   0x706f7274u
#define PRIO_INPUT -10 /* before filter */
#define RTN_LOCAL  2u

/* What a listener's new connections may go to. */
struct choice {
	const struct plan_map *maps;
	const struct listen *listen;
	uint64_t open; /* by index of the backend: those that get new connections */
	bool moved;    /* some of these do not keep the port */
};

/* ---- which backends ---- */

static bool all_down(const struct plan_map *maps)
{
	for (size_t i = 0; i < maps->map->backends.len; i++)
		if (!maps[i].down)
			return false;
	return true;
}

bool plan_is_out(const struct plan_map *maps, const struct plan_map *pm)
{
	return pm->down && !(maps->map->all_down == ALL_DOWN_TRY && all_down(maps));
}

static struct choice choose(const struct plan_map *maps, const struct listen *l)
{
	struct choice c = {.maps = maps, .listen = l};

	for (size_t i = 0; i < maps->map->backends.len; i++) {
		if (plan_is_out(maps, &maps[i]))
			continue;
		c.open |= 1ull << i;
		if (backend_port_for(maps[i].backend, l, l->first) != l->first)
			c.moved = true;
		if (maps->map->balance == BALANCE_FIRST)
			break;
	}
	return c;
}

static bool is_open(const struct choice *c, size_t i)
{
	return c->open >> i & 1;
}

/* ---- one chain per distinct choice ---- */

void plan_spreads_init(struct arena *a, struct plan *p)
{
	size_t n = 0;

	VEC_EACH (&p->maps, struct plan_map, pm)
		if (pm->map->backends.len > 1 && pm->backend == pm->map->backends.items)
			n += pm->map->listens.len;
	names_init(&p->tables->spreads.names, a, n);
}

/* All that the chain's rule is made of, in bytes. */
static const char *identity(struct arena *a, const struct choice *c, size_t *len)
{
	const struct map *m = c->maps->map;
	struct strbuf b = STRBUF_INIT;
	const char *out;

	strbuf_addf(&b, "%d %d ", map_family(m), (int)m->balance);
	if (c->moved)
		strbuf_addf(&b, "%u ", c->listen->proto);
	for (size_t i = 0; i < m->backends.len; i++) {
		const struct backend *k = &m->backends.items[i];
		char addr[IP_STRLEN];

		/* Which slots are whose goes by all backends; a random number by those that are up. */
		if (m->balance == BALANCE_RANDOM && !is_open(c, i))
			continue;
		strbuf_addf(&b, "%s %u%s", ip_format(&k->addr, addr), k->weight,
			is_open(c, i) ? "+" : "-");
		if (c->moved)
			strbuf_addf(&b, "%u", backend_port_for(k, c->listen, c->listen->first));
		strbuf_addch(&b, ' ');
	}
	*len = b.len;
	out = arena_strndup(a, strbuf_str(&b), b.len);
	strbuf_fini(&b);
	return out;
}

static void put_target(struct nft_set *s, const struct choice *c, size_t i, uint8_t *data)
{
	const struct backend *b = &c->maps->map->backends.items[i];

	if (c->moved)
		plan_put_address_port(
			data, &b->addr, backend_port_for(b, c->listen, c->listen->first));
	else
		memcpy(data, b->addr.bytes, s->data_len);
}

/* Numbers @first to @last lead to backend @i. */
static void add_numbers(struct arena *a, struct nft_set *s, const struct choice *c, uint32_t first,
	uint32_t last, size_t i)
{
	uint8_t *e = nft_set_add(a, s, c->maps->map->backends.items[i].at);
	uint32_t ends[] = {__builtin_bswap32(first), __builtin_bswap32(last)};

	memcpy(e, ends, sizeof(ends)); /* in network order, since it is an interval */
	put_target(s, c, i, nft_set_elem_data(s, s->len - 1));
}

static struct nft_set *numbers_map(struct arena *a, const struct choice *c)
{
	enum nft_type address = map_family(c->maps->map) == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4;
	const enum nft_type key[] = {NFT_T_INTEGER, NFT_T_NONE};
	const enum nft_type one[] = {address, NFT_T_NONE},
			    both[] = {address, NFT_T_PORT, NFT_T_NONE};

	return nft_set_new(a, NULL, NULL, SET_MAP | SET_ANONYMOUS | SET_CONSTANT | SET_INTERVAL,
		key, c->moved ? both : one, 0);
}

static unsigned int weights_of(const struct map *m, uint16_t weights[LIMIT_BACKENDS])
{
	for (size_t i = 0; i < m->backends.len; i++)
		weights[i] = m->backends.items[i].weight;
	return (unsigned int)m->backends.len;
}

/* A slot by the client's address. */
static struct nft_expr *by_client(struct arena *a, const struct choice *c)
{
	const struct map *m = c->maps->map;
	struct nft_set *s = numbers_map(a, c);
	uint16_t weights[LIMIT_BACKENDS];
	unsigned int n = weights_of(m, weights);
	uint32_t slots = share_slots(weights, n);
	uint8_t owner[SHARE_SLOTS_MAX];
	struct nft_expr *client = nft_sel(a, map_family(m) == IP_V6 ? SEL_IP6_SADDR : SEL_IP_SADDR);

	share_deal(weights, n, c->open, slots, owner);
	for (uint32_t first = 0, end; first < slots; first = end) {
		for (end = first + 1; end < slots && owner[end] == owner[first];)
			end++;
		add_numbers(a, s, c, first, end - 1, owner[first]);
	}
	nft_set_sort(a, s);
	return nft_map_expr(a, nft_jhash(a, client, slots, SEED), s);
}

static struct nft_expr *by_chance(struct arena *a, const struct choice *c)
{
	const struct map *m = c->maps->map;
	struct nft_set *s = numbers_map(a, c);
	uint16_t open[LIMIT_BACKENDS];
	unsigned int n = 0;
	uint32_t divisor, next = 0;

	for (size_t i = 0; i < m->backends.len; i++)
		if (is_open(c, i))
			open[n++] = m->backends.items[i].weight;
	divisor = share_divisor(open, n);
	for (size_t i = 0; i < m->backends.len; i++) {
		uint32_t share = m->backends.items[i].weight / divisor;

		if (!is_open(c, i))
			continue;
		add_numbers(a, s, c, next, next + share - 1, i);
		next += share;
	}
	nft_set_sort(a, s);
	return nft_map_expr(a, nft_random(a, next), s);
}

/* A name that stays while other maps come and go: that of the first map with this choice. */
static const char *chain_name(struct arena *a, const struct choice *c)
{
	const struct map *m = c->maps->map;

	if (!c->moved)
		return arena_printf(a, "spread%d_%s", map_family(m), m->name);
	return arena_printf(a, "spread%dports_%u_%s_%s", map_family(m), c->listen->first,
		ip_proto_name(c->listen->proto), m->name);
}

static void make_chain(
	struct arena *a, struct nft_table *t, const struct choice *c, const char *name)
{
	uint8_t family = map_family(c->maps->map);
	struct nft_rule *r =
		plan_family_rule(a, nft_chain_new(a, t, name), family, c->maps->map->at);

	if (c->moved)
		nft_match_u8(a, r, nft_sel(a, SEL_META_L4PROTO), OP_EQ, c->listen->proto);
	nft_nat(a, r, true, family,
		c->maps->map->balance == BALANCE_RANDOM ? by_chance(a, c) : by_client(a, c),
		c->moved);
}

static const char *chain_of(
	struct arena *a, struct plan *p, struct nft_table *t, const struct choice *c)
{
	struct plan_spreads *s = &p->tables->spreads;
	size_t len, next = s->chains.len;
	const char *key = identity(a, c, &len);
	uint32_t index = names_enter(&s->names, key, len, (uint32_t)next);

	if (index == next) {
		vec_push(a, &s->chains, chain_name(a, c));
		make_chain(a, t, c, s->chains.items[index]);
	}
	return s->chains.items[index];
}

const struct backend *plan_spread(struct arena *a, struct plan *p, struct nft_table *t,
	const struct plan_map *maps, const struct listen *l, const char **chain)
{
	struct choice c = choose(maps, l);

	if (!c.open) {
		p->tables->spreads.refuses = true;
		*chain = "refused";
		return NULL;
	}
	if (!(c.open & (c.open - 1)))
		return maps[__builtin_ctzll(c.open)].backend;
	*chain = chain_of(a, p, t, &c);
	return NULL;
}

/* ---- refusing ---- */

void plan_make_refusals(struct arena *a, struct plan *p, struct nft_table *t)
{
	uint32_t ours = mark_ours_bit(p->model->mark_mask);
	struct nft_chain *c;
	struct nft_rule *r;

	if (!p->tables->spreads.refuses)
		return;
	c = nft_chain_new(a, t, "refused");
	r = nft_rule_new(a, c, NOWHERE);
	nft_match_u8(a, r, nft_sel(a, SEL_META_L4PROTO), OP_EQ, PROTO_TCP);
	nft_reject(a, r, PLAN_REJECT_RESET);
	/* A public address that a modem translates is no host's on this side. */
	r = nft_rule_new(a, c, NOWHERE);
	nft_match_u32(a, r, nft_sel(a, SEL_FIB_DADDR_TYPE), OP_NE, RTN_LOCAL);
	nft_reject(a, r, NULL);
	nft_verdict(a, nft_rule_new(a, c, NOWHERE), VERDICT_ACCEPT, NULL);

	c = nft_base_chain_new(a, t, "input", CHAIN_FILTER, HOOK_INPUT, PRIO_INPUT);
	r = nft_rule_new(a, c, NOWHERE);
	nft_match_u32(a, r, nft_sel(a, SEL_CT_STATE), OP_EQ, NF_CT_STATE_BIT(IP_CT_NEW));
	nft_match_u32(a, r, nft_masked32(a, SEL_CT_MARK, ours, 0), OP_NE, 0);
	nft_match_u32(a, r, nft_masked32(a, SEL_CT_STATUS, IPS_DST_NAT, 0), OP_EQ, 0);
	nft_reject(a, r, NULL);
}
