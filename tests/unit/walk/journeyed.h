/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gateways built by hand, and connections that are walked through them. */
#ifndef TEST_JOURNEYED_H
#define TEST_JOURNEYED_H

#include <stdio.h>

#include "walked.h"

#include "walk/journey.h"

struct gateway_test {
	struct arena *a;
	struct netstate s;
	struct nft_table *t; /* inet test */
	struct journey_question q;
	struct journey j;
};

static inline struct net_link *gw_link(struct gateway_test *g, const char *name)
{
	struct net_link *l = vec_add(g->a, &g->s.links);

	l->index = (int)g->s.links.len;
	l->name = name;
	l->up = l->carrier = true;
	l->loopback = strcmp(name, "lo") == 0;
	l->mtu = l->loopback ? 65536 : 1500;
	return l;
}

static inline struct net_addr *gw_addr(struct gateway_test *g, const char *dev, const char *text)
{
	struct net_addr *a = vec_add(g->a, &g->s.addrs);
	char buf[64];
	char *slash;

	snprintf(buf, sizeof(buf), "%s", text);
	slash = strchr(buf, '/');
	*slash = '\0';
	a->interface = dev;
	a->addr = addr(buf);
	a->prefix_len = (uint8_t)atoi(slash + 1);
	return a;
}

/* @via NULL: on link. @dev NULL: unreachable. @table 0: main. */
static inline struct net_route *gw_route(
	struct gateway_test *g, uint32_t table, const char *dst, const char *via, const char *dev)
{
	struct net_route *r = vec_add(g->a, &g->s.routes);

	r->dst = prefix(dst);
	r->family = r->dst.addr.family;
	r->table = table ? table : TABLE_MAIN;
	r->type = dev ? ROUTE_UNICAST : ROUTE_UNREACHABLE;
	r->scope = via ? 0 : 253;
	if (dev) {
		struct net_nexthop *h = vec_add(g->a, &r->nexthops);

		h->interface = dev;
		h->weight = 1;
		if (via)
			h->gateway = addr(via);
	}
	return r;
}

/* In the order of preference. */
static inline struct net_rule *gw_rule_of(
	struct gateway_test *g, uint8_t family, uint32_t preference, uint32_t table)
{
	struct net_rule r = {.family = family,
		.preference = preference,
		.action = RULE_LOOKUP,
		.table = table ? table : TABLE_MAIN,
		.suppress_prefixlen = -1};
	size_t at = g->s.rules.len;

	vec_push(g->a, &g->s.rules, r);
	for (; at > 0 && g->s.rules.items[at - 1].preference > preference; at--)
		g->s.rules.items[at] = g->s.rules.items[at - 1];
	g->s.rules.items[at] = r;
	return &g->s.rules.items[at];
}

static inline struct net_rule *gw_rule(struct gateway_test *g, uint32_t preference, uint32_t table)
{
	return gw_rule_of(g, IP_V4, preference, table);
}

static inline void gw_mark_rule(
	struct gateway_test *g, uint32_t preference, uint32_t mark, uint32_t table)
{
	struct net_rule *r = gw_rule(g, preference, table);

	r->mark = mark;
	r->mask = UINT32_MAX;
}

/* "ipv4.conf.eth0.rp_filter" */
static inline void gw_sysctl(struct gateway_test *g, const char *key, const char *value)
{
	const char *full = arena_printf(g->a, "net.%s", key);

	VEC_EACH (&g->s.sysctls, struct net_sysctl, c) {
		if (strcmp(c->key, full) == 0) {
			c->value = value;
			return;
		}
	}
	vec_push(g->a, &g->s.sysctls, ((struct net_sysctl){full, value, NOWHERE}));
}

static inline void gw_conf(struct gateway_test *g, const char *dev)
{
	static const char *const zero[] = {"rp_filter", "src_valid_mark", "accept_local",
		"route_localnet", "ignore_routes_with_linkdown"};

	for (size_t i = 0; i < sizeof(zero) / sizeof(*zero); i++)
		gw_sysctl(g, arena_printf(g->a, "ipv4.conf.%s.%s", dev, zero[i]), "0");
	gw_sysctl(g, arena_printf(g->a, "ipv4.conf.%s.forwarding", dev), "1");
	gw_sysctl(g, arena_printf(g->a, "ipv4.conf.%s.send_redirects", dev), "1");
}

/* ---- rules of the firewall ---- */

static inline struct nft_chain *gw_chain(struct gateway_test *g, const char *name,
	enum nft_chain_type type, enum nft_hook hook, int32_t prio)
{
	struct nft_chain *c = nft_chain_find(g->t, name);

	return c ? c : nft_base_chain_new(g->a, g->t, name, type, hook, prio);
}

static inline struct nft_chain *gw_prerouting_mangle(struct gateway_test *g)
{
	return gw_chain(g, "premangle", CHAIN_FILTER, HOOK_PREROUTING, -150);
}
static inline struct nft_chain *gw_prerouting_nat(struct gateway_test *g)
{
	return gw_chain(g, "prenat", CHAIN_NAT, HOOK_PREROUTING, -100);
}
static inline struct nft_chain *gw_postrouting_nat(struct gateway_test *g)
{
	return gw_chain(g, "postnat", CHAIN_NAT, HOOK_POSTROUTING, 100);
}
static inline struct nft_chain *gw_forward(struct gateway_test *g)
{
	return gw_chain(g, "forward", CHAIN_FILTER, HOOK_FORWARD, 0);
}

static inline struct nft_rule *gw_new(struct gateway_test *g, struct nft_chain *c)
{
	return nft_rule_new(g->a, c, NOWHERE);
}

static inline void gw_iif(struct gateway_test *g, struct nft_rule *r, const char *dev)
{
	nft_match_ifname(g->a, r, nft_sel(g->a, SEL_META_IIFNAME), OP_EQ, dev);
}

static inline void gw_oif(struct gateway_test *g, struct nft_rule *r, const char *dev)
{
	nft_match_ifname(g->a, r, nft_sel(g->a, SEL_META_OIFNAME), OP_EQ, dev);
}

static inline void gw_daddr(struct gateway_test *g, struct nft_rule *r, const char *a)
{
	struct ip_addr d = addr(a);

	nft_match(g->a, r, nft_sel(g->a, d.family == IP_V6 ? SEL_IP6_DADDR : SEL_IP_DADDR), OP_EQ,
		d.bytes, ip_bytes(d.family));
}

static inline void gw_dport(struct gateway_test *g, struct nft_rule *r, uint16_t port)
{
	const uint8_t bytes[2] = {port >> 8, port & 0xff};

	nft_match(g->a, r, nft_sel(g->a, SEL_TH_DPORT), OP_EQ, bytes, 2);
}

static inline struct nft_expr *gw_ip(struct gateway_test *g, const char *a)
{
	struct ip_addr d = addr(a);

	return nft_value(g->a, d.family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4, d.bytes);
}

static inline struct nft_expr *gw_port(struct gateway_test *g, uint16_t port)
{
	const uint8_t bytes[2] = {port >> 8, port & 0xff};

	return nft_value(g->a, NFT_T_PORT, bytes);
}

static inline struct nft_stmt *gw_nat(
	struct gateway_test *g, struct nft_rule *r, bool dnat, const char *to, uint16_t port)
{
	struct nft_stmt *s = nft_nat(g->a, r, dnat, addr(to).family, gw_ip(g, to), false);

	if (port)
		s->port = gw_port(g, port);
	return s;
}

/* ip daddr DST th dport PORT dnat to TO */
static inline struct nft_rule *gw_dnat(
	struct gateway_test *g, const char *dst, uint16_t port, const char *to, uint16_t to_port)
{
	struct nft_rule *r = gw_new(g, gw_prerouting_nat(g));

	gw_daddr(g, r, dst);
	gw_dport(g, r, port);
	gw_nat(g, r, true, to, to_port);
	return r;
}

/* oifname DEV snat to TO */
static inline struct nft_rule *gw_snat(struct gateway_test *g, const char *dev, const char *to)
{
	struct nft_rule *r = gw_new(g, gw_postrouting_nat(g));

	if (dev)
		gw_oif(g, r, dev);
	gw_nat(g, r, false, to, 0);
	return r;
}

static inline void gw_masquerade(struct gateway_test *g, const char *dev)
{
	struct nft_rule *r = gw_new(g, gw_postrouting_nat(g));
	struct nft_stmt *s;

	gw_oif(g, r, dev);
	s = vec_add(g->a, &r->stmts);
	s->kind = STMT_MASQUERADE;
}

static inline struct nft_expr *gw_mark(struct gateway_test *g, uint32_t mark)
{
	return nft_value(g->a, NFT_T_MARK, &mark);
}

/* iifname DEV ct state new ct mark set MARK */
static inline void gw_pin(struct gateway_test *g, const char *dev, uint32_t mark)
{
	struct nft_rule *r = gw_new(g, gw_prerouting_mangle(g));

	gw_iif(g, r, dev);
	nft_match_u32(g->a, r, nft_sel(g->a, SEL_CT_STATE), OP_EQ, CT_NEW);
	nft_set_mark(g->a, r, true, gw_mark(g, mark));
}

/* [iifname DEV | ct direction reply] meta mark set ct mark */
static inline void gw_restore(
	struct gateway_test *g, struct nft_chain *c, const char *dev, bool replies_only)
{
	struct nft_rule *r = gw_new(g, c);

	if (dev)
		gw_iif(g, r, dev);
	if (replies_only)
		nft_match_u8(g->a, r, nft_sel(g->a, SEL_CT_DIRECTION), OP_EQ, 1);
	nft_set_mark(g->a, r, false, nft_sel(g->a, SEL_CT_MARK));
}

/* ---- the gateway ---- */

/* Two uplinks, eth0 1.1.1.1 (main's default) and eth1 2.2.2.2, inside on eth2; no rules. */
static inline void gw_begin(struct gateway_test *g)
{
	static const char *const devs[] = {"lo", "eth0", "eth1", "eth2"};

	memset(g, 0, sizeof(*g));
	g->a = arena_new();
	g->s.have = HAVE_LINKS | HAVE_ADDRS | HAVE_ROUTES4 | HAVE_ROUTES6 | HAVE_RULES4 |
		    HAVE_RULES6 | HAVE_SYSCTLS | HAVE_NFT | HAVE_LEGACY4 | HAVE_LEGACY6 |
		    HAVE_NEIGHBOURS | HAVE_LISTENERS;
	for (size_t i = 0; i < 4; i++) {
		gw_link(g, devs[i]);
		gw_conf(g, devs[i]);
	}
	gw_conf(g, "all");
	gw_addr(g, "lo", "127.0.0.1/8")->scope = 254;
	gw_addr(g, "eth0", "1.1.1.1/24");
	gw_addr(g, "eth1", "2.2.2.2/24");
	gw_addr(g, "eth2", "192.168.0.1/24");
	gw_route(g, 0, "0.0.0.0/0", "1.1.1.254", "eth0");
	gw_route(g, 0, "1.1.1.0/24", NULL, "eth0");
	gw_route(g, 0, "2.2.2.0/24", NULL, "eth1");
	gw_route(g, 0, "192.168.0.0/24", NULL, "eth2");
	gw_rule(g, 0, TABLE_LOCAL);
	gw_rule(g, 32766, TABLE_MAIN);
	gw_rule(g, 32767, TABLE_DEFAULT);
	g->t = nft_table_new(g->a, FAMILY_INET, "test");
	vec_push(g->a, &g->s.ruleset.tables, g->t);
	g->q = (struct journey_question){.proto = PROTO_TCP,
		.src = addr("100.100.100.100"),
		.sport = 50000,
		.dport = 80,
		.returns = RETURN_THROUGH_US};
}

static inline void gw_end(struct gateway_test *g)
{
	arena_free(g->a);
}

static inline const char *verdict_name(enum journey_verdict v)
{
	return v == JOURNEY_WORKS ? "works" : v == JOURNEY_BROKEN ? "broken" : "unknown";
}

/* Walk to @dst:80 (or g->q.dport). */
static inline const struct journey_way *gw_walk(struct gateway_test *g, const char *dst)
{
	g->q.dst = addr(dst);
	journey_walk(g->a, &g->s, &g->q, &g->j);
	assert_true(g->j.ways.len > 0);
	return &g->j.ways.items[0];
}

static inline void assert_walk(struct gateway_test *g, const char *dst, const char *verdict)
{
	const struct journey_way *w = gw_walk(g, dst);

	if (strcmp(verdict_name(g->j.verdict), verdict) != 0) {
		for (size_t l = 0; l < LEG_COUNT_; l++) {
			VEC_EACH (&w->legs[l].steps, struct journey_step, s)
				print_message("#   leg %zu: %s\n", l, s->text);
		}
		fail_msg("%s: %s, not %s: %s", dst, verdict_name(g->j.verdict), verdict, w->why);
	}
}

static inline void assert_why(const struct gateway_test *g, const char *part)
{
	if (!strstr(g->j.ways.items[0].why, part))
		fail_msg("'%s' does not say '%s'", g->j.ways.items[0].why, part);
}

/* The first step of a stage in a leg; NULL: none. */
static inline const struct journey_step *step_of(
	const struct journey_way *w, enum journey_leg_kind leg, enum journey_stage stage)
{
	VEC_EACH (&w->legs[leg].steps, struct journey_step, s) {
		if (s->stage == stage)
			return s;
	}
	return NULL;
}

#endif
