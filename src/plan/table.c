/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nft table `inet portreeve`: its base chains and what they have in common.
 *
 * Theory of operation. A connection that comes in by an uplink gets that uplink's number in our
 * bits of its mark (its home). Packets of the reply direction get those bits of the mark, and one
 * ip rule per uplink routes by them; packets of the original direction get them cleared, or a tool
 * that restores whole marks would send requests back to the ISP. nft of today cannot combine two
 * variables in one bitwise expression, so each uplink has tiny chains with its number as a constant.
 *
 * Priorities are our own, a little beside the standard ones: at equal priority the chain registered
 * last runs first, so two tools would swap places at every reload.
 *
 * When this table is replaced by another, in one transaction, there is a moment (some 100 us, 6.18) in
 * which the old one's chains still run, after the new one's: the kernel takes the hooks of chains that
 * are deleted away after it has switched to the new generation, and leaves them their rules until then
 * (nf_tables_commit). The elements of their maps are gone at the switch (nft_map_deactivate), those of
 * their sets are not. So a map of ours that finds nothing must do no harm to what the new table has
 * done, and what a reply with a home must be spared asks the set `numbers`.
 */
#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/tcp.h>

#include "plan/internal.h"

enum {
	PRIO_HOME = -135,      /* after mangle (-150, firewalld: -140): marks of others are done */
	PRIO_LISTENERS = -110, /* before dstnat */
	PRIO_GUARD = -10,      /* before filter */
	PRIO_SOURCES = 90,     /* before srcnat (100) */
	PRIO_AWAY = 310, /* after srcnat and helpers (300): what leaves here leaves like this */
};

#define CT_REPLY 1u /* IP_CT_DIR_REPLY, which the kernel does not export */

#define SET_SIZE_MIN   1024u /* a few kilobytes of buckets */
#define SET_SIZE_SLACK 4u    /* so many times too large is too large */

/* ---- small pieces ---- */

struct nft_set *plan_verdict_map(
	struct arena *a, struct nft_table *t, const char *name, enum nft_type key)
{
	const enum nft_type keys[] = {key, NFT_T_NONE}, data[] = {NFT_T_VERDICT, NFT_T_NONE};

	return nft_set_new(a, t, name, SET_MAP, keys, data, 0);
}

void plan_put_verdict(struct arena *a, struct nft_set *map, enum nft_verdict v, const char *chain)
{
	int32_t code = v;
	uint32_t index = nft_set_chain(a, map, chain);
	uint8_t *data = nft_set_elem_data(map, map->len - 1);

	memcpy(data, &code, sizeof(code));
	memcpy(data + sizeof(code), &index, sizeof(index));
}

void plan_verdict_for_mark(struct arena *a, struct nft_set *map, uint32_t mark, enum nft_verdict v,
	const char *chain, struct span at)
{
	memcpy(nft_set_add(a, map, at), &mark, sizeof(mark));
	plan_put_verdict(a, map, v, chain);
}

/*
 * A declared size lets the kernel take the hash that never resizes. It cannot be changed without the
 * set being made anew, and all that refers to it: so powers of two, and what is there stays as long as
 * it holds the elements and is not far too large.
 */
static uint32_t declared_size(const struct plan *p, const struct nft_set *s)
{
	const struct nft_table *now =
		nft_table_find(&p->seen->ruleset, FAMILY_INET, PORTREEVE_TABLE);
	const struct nft_set *have = now ? nft_set_find_named(now, s->name) : NULL;
	uint32_t size = SET_SIZE_MIN;

	while (size < s->len)
		size *= 2;
	if (have && have->size >= s->len && have->size / SET_SIZE_SLACK <= size)
		return have->size;
	return size;
}

void plan_finish_set(struct arena *a, struct plan *p, struct nft_set *s)
{
	if (!s)
		return;
	if (!(s->flags & SET_INTERVAL))
		s->size = declared_size(p, s);
	nft_set_sort(a, s);
	p->elements += s->len;
}

struct nft_expr *plan_number_of(struct arena *a, const struct plan *p, enum nft_selector mark)
{
	return nft_masked32(a, mark, mark_number_mask(p->model->mark_mask), 0);
}

static void match_transport(struct arena *a, struct nft_table *t, struct nft_rule *r)
{
	static const uint8_t protos[] = {PROTO_TCP, PROTO_UDP, PROTO_SCTP};
	static const enum nft_type key[] = {NFT_T_PROTO, NFT_T_NONE};
	struct nft_set *s =
		nft_set_new(a, t, "__set%d", SET_ANONYMOUS | SET_CONSTANT, key, NULL, 0);

	for (size_t i = 0; i < sizeof(protos); i++)
		*nft_set_add(a, s, NOWHERE) = protos[i];
	nft_set_sort(a, s);
	nft_match_set(a, r, nft_sel(a, SEL_META_L4PROTO), OP_IN, s);
}

struct nft_rule *plan_family_rule(
	struct arena *a, struct nft_chain *c, uint8_t family, struct span at)
{
	struct nft_rule *r = nft_rule_new(a, c, at);

	nft_match_u8(a, r, nft_sel(a, SEL_META_NFPROTO), OP_EQ,
		family == IP_V6 ? FAMILY_IP6 : FAMILY_IP);
	return r;
}

static struct nft_rule *direction_rule(struct arena *a, struct nft_chain *c, uint8_t direction)
{
	struct nft_rule *r = nft_rule_new(a, c, NOWHERE);

	nft_match_u8(a, r, nft_sel(a, SEL_CT_DIRECTION), OP_EQ, direction);
	return r;
}

static struct nft_rule *new_connection_rule(struct arena *a, struct nft_chain *c)
{
	struct nft_rule *r = nft_rule_new(a, c, NOWHERE);

	nft_match_u32(a, r, nft_sel(a, SEL_CT_STATE), OP_EQ, NF_CT_STATE_BIT(IP_CT_NEW));
	return r;
}

/* A packet that belongs to no connection yet, or that conntrack cannot place: all others cost no more than this. */
static struct nft_rule *unsure_rule(struct arena *a, struct nft_chain *c)
{
	struct nft_rule *r = nft_rule_new(a, c, NOWHERE);

	nft_match_u32(a, r, nft_sel(a, SEL_CT_STATE), OP_EQ,
		NF_CT_STATE_BIT(IP_CT_NEW) | NF_CT_STATE_INVALID_BIT);
	return r;
}

/* What conntrack cannot place. */
static struct nft_rule *stray_rule(struct arena *a, struct nft_chain *c)
{
	struct nft_rule *r = nft_rule_new(a, c, NOWHERE);

	nft_match_u32(a, r, nft_sel(a, SEL_CT_STATE), OP_EQ, NF_CT_STATE_INVALID_BIT);
	return r;
}

/* ---- home: marks ---- */

static struct nft_set *home_by_address(
	struct arena *a, struct plan *p, struct nft_table *t, uint8_t family)
{
	const enum nft_type key[] = {
		NFT_T_IFNAME, family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4, NFT_T_NONE};
	const enum nft_type data[] = {NFT_T_VERDICT, NFT_T_NONE};
	struct nft_set *s = NULL;

	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		VEC_EACH (&u->addrs, struct ip_addr, addr) {
			uint8_t *e;

			if (!u->shares_interface || addr->family != family)
				continue;
			if (!s)
				s = nft_set_new(a, t, arena_printf(a, "home%u", family), SET_MAP,
					key, data, 0);
			e = nft_set_add(a, s, u->uplink->at);
			memcpy(e, u->uplink->interface, strlen(u->uplink->interface));
			memcpy(e + 16, addr->bytes, ip_bytes(family));
			plan_put_verdict(
				a, s, VERDICT_GOTO, arena_printf(a, "home_%s", u->uplink->name));
		}
	plan_finish_set(a, p, s);
	return s;
}

/*
 * A packet that meets the switch between the new table's chain and the old one's is given a home by
 * neither. It is lost, and sent again, so that no connection begins whose replies would leave by any
 * line. (Where uplinks share an interface, what is for none of their addresses has no home and passes.)
 */
static void refuse_homeless(
	struct arena *a, const struct plan *p, struct nft_chain *c, struct nft_set *interfaces)
{
	struct nft_rule *r = nft_rule_new(a, c, NOWHERE);

	nft_match_u32(a, r, plan_number_of(a, p, SEL_CT_MARK), OP_EQ, 0);
	nft_match_set(a, r, nft_sel(a, SEL_META_IIFNAME), OP_IN, interfaces);
	nft_verdict(a, r, VERDICT_DROP, NULL);
}

/* A new connection gets the number of the uplink that it comes in on. */
static void make_home(struct arena *a, struct plan *p, struct nft_table *t, struct nft_chain *c,
	struct nft_set *interfaces)
{
	struct nft_set *by_interface = NULL;
	uint32_t numbers = mark_number_mask(p->model->mark_mask);
	bool by_address = false;

	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		const char *name = arena_printf(a, "home_%s", u->uplink->name);
		struct nft_chain *own = nft_chain_new(a, t, name);

		nft_set_mark(a, nft_rule_new(a, own, u->uplink->at), true,
			nft_masked32(a, SEL_CT_MARK, ~numbers, u->mark));
		by_address = by_address || u->shares_interface;
		if (u->shares_interface)
			continue;
		if (!by_interface)
			by_interface = plan_verdict_map(a, t, "home", NFT_T_IFNAME);
		memcpy(nft_set_add(a, by_interface, u->uplink->interface_at), u->uplink->interface,
			strlen(u->uplink->interface));
		plan_put_verdict(a, by_interface, VERDICT_GOTO, name);
	}
	plan_finish_set(a, p, by_interface);
	if (by_interface)
		nft_vmap(
			a, nft_rule_new(a, c, NOWHERE), nft_sel(a, SEL_META_IIFNAME), by_interface);
	for (unsigned int f = 0; f < 2; f++) {
		uint8_t family = f ? IP_V6 : IP_V4;
		struct nft_set *s = home_by_address(a, p, t, family);
		struct nft_expr *parts[] = {
			nft_sel(a, SEL_META_IIFNAME), nft_sel(a, f ? SEL_IP6_DADDR : SEL_IP_DADDR)};
		struct nft_rule *r;

		if (!s)
			continue;
		r = plan_family_rule(a, c, family, NOWHERE);
		nft_vmap(a, r, nft_concat(a, parts, 2), s);
	}
	if (!by_address)
		refuse_homeless(a, p, c, interfaces);
}

/* The numbers of all uplinks. */
static struct nft_set *make_numbers(struct arena *a, struct plan *p, struct nft_table *t)
{
	const enum nft_type key[] = {NFT_T_MARK, NFT_T_NONE};
	struct nft_set *s = nft_set_new(a, t, "numbers", 0, key, NULL, 0);

	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		memcpy(nft_set_add(a, s, u->uplink->at), &u->mark, sizeof(u->mark));
	plan_finish_set(a, p, s);
	return s;
}

/* Replies (@r) with a home leave their chain here, if they have not by a map that is no more (see above). */
static void spare_replies(
	struct arena *a, const struct plan *p, struct nft_rule *r, struct nft_set *numbers)
{
	nft_match_set(a, r, plan_number_of(a, p, SEL_CT_MARK), OP_IN, numbers);
	nft_verdict(a, r, VERDICT_ACCEPT, NULL);
}

/* Replies get their connection's number, so that the ip rules see it. */
static struct nft_set *make_replies(struct arena *a, struct plan *p, struct nft_table *t)
{
	struct nft_set *map = plan_verdict_map(a, t, "reply", NFT_T_MARK);

	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		const char *name = arena_printf(a, "reply_%s", u->uplink->name);
		struct nft_chain *own = nft_chain_new(a, t, name);

		nft_set_mark(a, nft_rule_new(a, own, u->uplink->at), false,
			nft_masked32(a, SEL_META_MARK, ~p->model->mark_mask, u->mark));
		plan_verdict_for_mark(a, map, u->mark, VERDICT_GOTO, name, u->uplink->at);
	}
	plan_finish_set(a, p, map);
	return map;
}

/*
 * The reply tuples of connections that were just deleted because the plan leads them elsewhere now
 * (kernel/apply.c adds them, with a timeout). A backend that goes on sending would otherwise make a
 * connection of its own, reversed: by UDP it would keep the client, by TCP its packets would leave by
 * the wrong line. TCP is told that the connection is over.
 */
static void make_blocked(struct arena *a, struct nft_table *t)
{
	struct nft_chain *c = nft_chain_new(a, t, "blocked"), *over = nft_chain_new(a, t, "over");
	struct nft_rule *r;

	for (unsigned int f = 0; f < 2; f++) {
		enum nft_type type = f ? NFT_T_IPV6 : NFT_T_IPV4;
		const enum nft_type key[] = {
			NFT_T_PROTO, type, NFT_T_PORT, type, NFT_T_PORT, NFT_T_NONE};
		struct nft_set *s = nft_set_new(a, t, f ? PLAN_BLOCKED6 : PLAN_BLOCKED4,
			SET_TIMEOUT, key, NULL, PLAN_BLOCKED_SIZE);
		struct nft_expr *parts[] = {nft_sel(a, SEL_META_L4PROTO),
			nft_sel(a, f ? SEL_IP6_SADDR : SEL_IP_SADDR), nft_sel(a, SEL_TH_SPORT),
			nft_sel(a, f ? SEL_IP6_DADDR : SEL_IP_DADDR), nft_sel(a, SEL_TH_DPORT)};

		r = plan_family_rule(a, c, f ? IP_V6 : IP_V4, NOWHERE);
		nft_match_set(a, r, nft_concat(a, parts, 5), OP_IN, s);
		nft_verdict(a, r, VERDICT_GOTO, "over");
	}
	r = nft_rule_new(a, over, NOWHERE);
	nft_match_u8(a, r, nft_sel(a, SEL_META_L4PROTO), OP_EQ, PROTO_TCP);
	nft_reject(a, r, PLAN_REJECT_RESET);
	nft_verdict(a, nft_rule_new(a, over, NOWHERE), VERDICT_DROP, NULL);
}

/* What may be the rest of a connection that was deleted: any UDP, and TCP that does not begin. (Of TCP that
 * ends conntrack makes no connection: it cannot place it.) */
static void make_jumps_to_blocked(struct arena *a, struct nft_chain *c)
{
	struct nft_rule *r = nft_rule_new(a, c, NOWHERE);

	nft_match_u8(a, r, nft_sel(a, SEL_META_L4PROTO), OP_EQ, PROTO_UDP);
	nft_verdict(a, r, VERDICT_JUMP, "blocked");
	r = nft_rule_new(a, c, NOWHERE);
	nft_match_u8(a, r, nft_sel(a, SEL_META_L4PROTO), OP_EQ, PROTO_TCP);
	nft_match_u8(a, r, nft_sel(a, SEL_TCP_FLAGS), OP_NE, TH_SYN);
	nft_verdict(a, r, VERDICT_JUMP, "blocked");
}

/*
 * What conntrack cannot place has no home to go by: resets that the gateway itself sends for a
 * connection that is gone. They go by the uplink whose address they have.
 */
static void make_strays(struct arena *a, struct plan *p, struct nft_table *t, struct nft_chain *out)
{
	for (unsigned int f = 0; f < 2; f++) {
		uint8_t family = f ? IP_V6 : IP_V4;
		struct nft_set *own = NULL;
		struct nft_rule *r;

		VEC_EACH (&p->uplinks, struct plan_uplink, u)
			VEC_EACH (&u->addrs, struct ip_addr, addr) {
				if (addr->family != family || u->shares_address)
					continue;
				if (!own)
					own = plan_verdict_map(a, t,
						arena_printf(a, "own%u", family),
						f ? NFT_T_IPV6 : NFT_T_IPV4);
				memcpy(nft_set_add(a, own, u->uplink->at), addr->bytes,
					ip_bytes(family));
				plan_put_verdict(a, own, VERDICT_GOTO,
					arena_printf(a, "reply_%s", u->uplink->name));
			}
		if (!own)
			continue;
		plan_finish_set(a, p, own);
		r = stray_rule(a, out);
		nft_match_u8(a, r, nft_sel(a, SEL_META_NFPROTO), OP_EQ, f ? FAMILY_IP6 : FAMILY_IP);
		nft_vmap(a, r, nft_sel(a, f ? SEL_IP6_SADDR : SEL_IP_SADDR), own);
	}
}

/* What is left of another tool's marks in our bits, with which a request would go to the ISP. */
static void clear_mark(struct arena *a, const struct plan *p, struct nft_chain *c)
{
	struct nft_rule *r = nft_rule_new(a, c, NOWHERE);

	nft_match_u32(a, r, nft_masked32(a, SEL_META_MARK, p->model->mark_mask, 0), OP_NE, 0);
	nft_set_mark(a, r, false, nft_masked32(a, SEL_META_MARK, ~p->model->mark_mask, 0));
}

/* A reply with a home leaves this chain with its mark. Nearly all have none before: that is quick. */
static void make_marking(struct arena *a, struct plan *p, struct nft_chain *c,
	struct nft_set *replies, struct nft_set *numbers)
{
	struct nft_rule *r = nft_rule_new(a, c, NOWHERE);

	nft_match_u32(a, r, nft_sel(a, SEL_META_MARK), OP_EQ, 0);
	nft_set_mark(a, r, false, plan_number_of(a, p, SEL_CT_MARK));
	nft_verdict(a, r, VERDICT_ACCEPT, NULL);
	nft_vmap(a, nft_rule_new(a, c, NOWHERE), plan_number_of(a, p, SEL_CT_MARK), replies);
	spare_replies(a, p, nft_rule_new(a, c, NOWHERE), numbers);
	clear_mark(a, p, c);
}

static void make_marks(struct arena *a, struct plan *p, struct nft_table *t,
	struct nft_set *interfaces, struct nft_set *numbers)
{
	struct nft_chain *in =
		nft_base_chain_new(a, t, "prerouting", CHAIN_FILTER, HOOK_PREROUTING, PRIO_HOME);
	struct nft_chain *out =
		nft_base_chain_new(a, t, "output", CHAIN_ROUTE, HOOK_OUTPUT, PRIO_HOME);
	struct nft_set *replies = make_replies(a, p, t);
	struct nft_chain *fresh;

	nft_verdict(a, direction_rule(a, in, CT_REPLY), VERDICT_GOTO, "replies");
	clear_mark(a, p, in);
	nft_verdict(a, unsure_rule(a, in), VERDICT_GOTO, "new");
	make_marking(a, p, nft_chain_new(a, t, "replies"), replies, numbers);

	fresh = nft_chain_new(a, t, "new");
	make_jumps_to_blocked(a, fresh);
	make_blocked(a, t);
	make_home(a, p, t, fresh, interfaces);

	/* Services on the gateway itself answer by home too. */
	nft_vmap(a, direction_rule(a, out, CT_REPLY), plan_number_of(a, p, SEL_CT_MARK), replies);
	make_strays(a, p, t, out);
}

/* ---- the other hooks ---- */

static void make_nat_hooks(struct arena *a, struct plan *p, struct nft_table *t)
{
	static const struct {
		const char *name;
		enum nft_hook hook;
	} hooks[] = {{"nat_prerouting", HOOK_PREROUTING}, {"nat_output", HOOK_OUTPUT}};
	uint32_t ours = mark_ours_bit(p->model->mark_mask);
	struct nft_chain *c;
	struct nft_rule *r;

	for (size_t i = 0; i < 2; i++) {
		c = nft_base_chain_new(
			a, t, hooks[i].name, CHAIN_NAT, hooks[i].hook, PRIO_LISTENERS);
		r = nft_rule_new(a, c, NOWHERE);
		match_transport(a, t, r);
		nft_verdict(a, r, VERDICT_JUMP, "listeners");
	}
	c = nft_base_chain_new(a, t, "nat_postrouting", CHAIN_NAT, HOOK_POSTROUTING, PRIO_SOURCES);
	r = nft_rule_new(a, c, NOWHERE);
	nft_match_u32(a, r, nft_masked32(a, SEL_CT_MARK, ours, 0), OP_NE, 0);
	nft_verdict(a, r, VERDICT_JUMP, "sources");
}

static struct nft_set *private_set(struct arena *a, struct nft_table *t, uint8_t family)
{
	static const char *const nets[] = {
		"10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"};
	const enum nft_type key[] = {family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4, NFT_T_NONE};
	struct nft_set *s =
		nft_set_new(a, t, arena_printf(a, "private%u", family), SET_INTERVAL, key, NULL, 0);

	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		struct ip_prefix net;
		struct ip_addr last;
		uint8_t *e;

		if (ip_prefix_parse(nets[i], &net) < 0 || net.addr.family != family)
			continue;
		last = ip_prefix_last(&net);
		e = nft_set_add(a, s, NOWHERE);
		memcpy(e, net.addr.bytes, s->key_len);
		memcpy(e + s->key_len, last.bytes, s->key_len);
	}
	nft_set_sort(a, s);
	return s;
}

/* The interfaces of all uplinks. */
static struct nft_set *make_uplinks(struct arena *a, struct plan *p, struct nft_table *t)
{
	const enum nft_type key[] = {NFT_T_IFNAME, NFT_T_NONE};
	struct nft_set *interfaces = nft_set_new(a, t, "uplinks", 0, key, NULL, 0);

	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		uint8_t name[16] = {0};
		bool have = false;

		memcpy(name, u->uplink->interface, strlen(u->uplink->interface));
		for (size_t i = 0; i < interfaces->len; i++)
			if (memcmp(nft_set_elem(interfaces, i), name, sizeof(name)) == 0)
				have = true;
		if (!have)
			memcpy(nft_set_add(a, interfaces, u->uplink->interface_at), name,
				sizeof(name));
	}
	plan_finish_set(a, p, interfaces);
	return interfaces;
}

/*
 * Guard: once forwarding is on, an on-link neighbour at the ISP could route straight into the
 * inside. A new connection from an uplink to a private address on an interface that is no uplink is
 * dropped, unless somebody's DNAT (ours or another tool's) or IPsec brought it.
 *
 * The other way round, what conntrack cannot place (a reply that comes when its connection is over) is
 * not translated back and has no home: it would leave by any line, with the backend's own address.
 */
static void make_guard(
	struct arena *a, struct plan *p, struct nft_table *t, struct nft_set *interfaces)
{
	struct nft_chain *c =
		nft_base_chain_new(a, t, "forward", CHAIN_FILTER, HOOK_FORWARD, PRIO_GUARD);
	struct nft_chain *unsure, *in, *out;
	struct nft_rule *r;

	nft_verdict(a, unsure_rule(a, c), VERDICT_JUMP, "unsure");
	unsure = nft_chain_new(a, t, "unsure");
	r = new_connection_rule(a, unsure);
	nft_match_u32(a, r, nft_masked32(a, SEL_CT_STATUS, IPS_DST_NAT, 0), OP_EQ, 0);
	nft_match_set(a, r, nft_sel(a, SEL_META_IIFNAME), OP_IN, interfaces);
	nft_match_set(a, r, nft_sel(a, SEL_META_OIFNAME), OP_NOT_IN, interfaces);
	nft_match_u8(a, r, nft_sel(a, SEL_META_SECPATH), OP_EQ, 0);
	nft_verdict(a, r, VERDICT_JUMP, "guard");
	r = stray_rule(a, unsure);
	nft_match_set(a, r, nft_sel(a, SEL_META_IIFNAME), OP_NOT_IN, interfaces);
	nft_match_set(a, r, nft_sel(a, SEL_META_OIFNAME), OP_IN, interfaces);
	nft_verdict(a, r, VERDICT_JUMP, "untranslated");
	in = nft_chain_new(a, t, "guard");
	out = nft_chain_new(a, t, "untranslated");
	for (unsigned int f = 0; f < 2; f++) {
		uint8_t family = f ? IP_V6 : IP_V4;
		struct nft_set *private = private_set(a, t, family);

		r = plan_family_rule(a, in, family, NOWHERE);
		nft_match_set(a, r, nft_sel(a, f ? SEL_IP6_DADDR : SEL_IP_DADDR), OP_IN, private);
		nft_verdict(a, r, VERDICT_DROP, NULL);
		r = plan_family_rule(a, out, family, NOWHERE);
		nft_match_set(a, r, nft_sel(a, f ? SEL_IP6_SADDR : SEL_IP_SADDR), OP_IN, private);
		nft_verdict(a, r, VERDICT_DROP, NULL);
	}
}

/*
 * The promise, counted: replies that leave by another interface than home. Must stay zero. Those that
 * would leave by another uplink, because somebody took a rule or a route of ours away, end here: the
 * provider there would drop them or, worse, would not.
 */
static void make_away(struct arena *a, struct plan *p, struct nft_table *t,
	struct nft_set *interfaces, struct nft_set *numbers)
{
	struct nft_chain *c =
		nft_base_chain_new(a, t, "postrouting", CHAIN_FILTER, HOOK_POSTROUTING, PRIO_AWAY);
	struct nft_set *map = plan_verdict_map(a, t, "away", NFT_T_MARK);
	struct nft_rule *r;

	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		const char *counter = arena_printf(a, PLAN_MISROUTED "%s", u->uplink->name);
		const char *name = arena_printf(a, "away_%s", u->uplink->name);
		struct nft_chain *c_own = nft_chain_new(a, t, name);

		vec_add(a, &t->counters)->name = counter;
		r = nft_rule_new(a, c_own, u->uplink->at);
		nft_match_ifname(a, r, nft_sel(a, SEL_META_OIFNAME), OP_EQ, u->uplink->interface);
		nft_verdict(a, r, VERDICT_ACCEPT, NULL);
		nft_count(a, nft_rule_new(a, c_own, u->uplink->at), counter);
		r = nft_rule_new(a, c_own, u->uplink->at);
		nft_match_set(a, r, nft_sel(a, SEL_META_OIFNAME), OP_IN, interfaces);
		nft_verdict(a, r, VERDICT_DROP, NULL);
		plan_verdict_for_mark(a, map, u->mark, VERDICT_GOTO, name, u->uplink->at);
	}
	plan_finish_set(a, p, map);
	nft_vmap(a, direction_rule(a, c, CT_REPLY), plan_number_of(a, p, SEL_CT_MARK), map);
	nft_vmap(a, stray_rule(a, c), plan_number_of(a, p, SEL_META_MARK), map);
	spare_replies(a, p, direction_rule(a, c, CT_REPLY), numbers);
	/* Home has gone with its interface. */
	r = direction_rule(a, c, CT_REPLY);
	nft_match_u32(a, r, plan_number_of(a, p, SEL_CT_MARK), OP_NE, 0);
	nft_match_set(a, r, nft_sel(a, SEL_META_OIFNAME), OP_IN, interfaces);
	nft_verdict(a, r, VERDICT_DROP, NULL);
}

/* ---- memory ---- */

/* What must be remembered, as comments: the kernel keeps them as long as the table. */
static void make_memory(struct arena *a, struct plan *p, struct nft_table *t)
{
	const enum nft_type key[] = {NFT_T_MARK, NFT_T_NONE};
	struct nft_set *s = nft_set_new(a, t, PLAN_MEMORY, 0, key, NULL, 0);
	uint32_t n = PLAN_MEMORY_SYSCTLS;

	(void)nft_set_add(a, s, NOWHERE); /* key 0 */
	nft_set_comment(a, s, arena_printf(a, "mark 0x%08x", p->memory.mark_mask));
	VEC_EACH (&p->memory.numbers, struct memory_number, m) {
		memcpy(nft_set_add(a, s, NOWHERE), &m->number, sizeof(m->number));
		nft_set_comment(a, s, arena_printf(a, "number %u %s", m->number, m->uplink));
	}
	VEC_EACH (&p->memory.sysctls, struct memory_sysctl, m) {
		memcpy(nft_set_add(a, s, NOWHERE), &n, sizeof(n));
		nft_set_comment(a, s, arena_printf(a, "sysctl %s=%s", m->key, m->value));
		n++;
	}
	n = PLAN_MEMORY_LEARNED;
	VEC_EACH (&p->memory.learned.returns, struct memory_return, m) {
		memcpy(nft_set_add(a, s, NOWHERE), &n, sizeof(n));
		nft_set_comment(a, s, plan_return_line(a, m));
		n++;
	}
	VEC_EACH (&p->memory.learned.downs, struct memory_down, m) {
		memcpy(nft_set_add(a, s, NOWHERE), &n, sizeof(n));
		nft_set_comment(a, s, plan_down_line(a, m));
		n++;
	}
	nft_set_sort(a, s);
}

void plan_make_table(struct arena *a, struct plan *p)
{
	struct nft_table *t = nft_table_new(a, FAMILY_INET, PORTREEVE_TABLE);
	struct nft_set *interfaces, *numbers;

	vec_push(a, &p->want.ruleset.tables, t);
	make_memory(a, p, t);
	numbers = make_numbers(a, p, t);
	interfaces = make_uplinks(a, p, t);
	make_marks(a, p, t, interfaces, numbers);
	make_nat_hooks(a, p, t);
	plan_make_listeners(a, p, t);
	plan_make_sources(a, p, t);
	plan_make_refusals(a, p, t);
	if (p->model->guard)
		make_guard(a, p, t, interfaces);
	make_away(a, p, t, interfaces, numbers);
}
