/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rule sets built by hand and packets to run through them: what the tests of walk/ start from. */
#ifndef TEST_WALKED_H
#define TEST_WALKED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "walk/rules.h"

static inline struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	if (ip_parse(s, &a))
		fail_msg("%s does not parse", s);
	return a;
}

static inline struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p;

	if (ip_prefix_parse(s, &p))
		fail_msg("%s does not parse", s);
	return p;
}

/* A request on its way through FORWARD, with all that there is to know. */
static inline struct packet a_request(void)
{
	struct packet p = {.family = IP_V4,
		.known = UINT32_MAX,
		.proto = PROTO_TCP,
		.sport = 50000,
		.dport = 80,
		.tcp_flags = 0x02,
		.iif = "eth0",
		.oif = "eth2",
		.ct_state = CT_NEW,
		.mark_known = UINT32_MAX,
		.ct_mark = 0x81000000,
		.ct_mark_known = UINT32_MAX,
		.ct_status = CT_DST_NAT,
		.ct_status_known = UINT32_MAX};

	p.saddr = addr("100.100.100.100");
	p.daddr = addr("192.168.0.2");
	p.ct_original = (struct packet_tuple){p.saddr, addr("1.1.1.1"), 50000, 80};
	return p;
}

struct walked {
	struct arena *a;
	struct netstate net;
	struct walker w;
	struct walk_trail trail;
	struct nft_table *t;	   /* ip filter */
	struct nft_chain *forward; /* its base chain; policy accept */
	struct walk_result r;
};

static inline int walked_setup(void **state)
{
	struct walked *x = calloc(1, sizeof(*x));

	x->a = arena_new();
	x->t = nft_table_new(x->a, FAMILY_IP, "filter");
	x->forward = nft_base_chain_new(x->a, x->t, "FORWARD", CHAIN_FILTER, HOOK_FORWARD, 0);
	vec_push(x->a, &x->net.ruleset.tables, x->t);
	x->w.net = &x->net;
	x->w.trail = &x->trail;
	*state = x;
	return 0;
}

static inline int walked_teardown(void **state)
{
	struct walked *x = *state;

	arena_free(x->a);
	free(x);
	return 0;
}

/* All base chains of a hook, one after the other, as long as the packet passes. */
static inline void walk_chains(struct arena *a, const struct walker *w, enum nft_hook hook,
	const struct packet *p, struct walk_result *out)
{
	struct walk_result all = {.verdict = WALK_ACCEPT, .passes = true, .after = *p}, one;
	struct walk_bases bases = {0};

	walk_bases(a, w, p->family, hook, &bases);
	for (size_t i = 0; i < bases.items.len && all.passes; i++) {
		walk_base_chain(w, &bases.items.items[i], &all.after, &one);
		/* What was open before stays so, unless it ends here on every way. */
		if (all.verdict == WALK_UNKNOWN && one.passes)
			all.after = one.after;
		else
			all = one;
	}
	*out = all;
}

static inline enum walk_verdict forward(struct walked *x, const struct packet *p)
{
	x->trail.len = 0;
	walk_chains(x->a, &x->w, HOOK_FORWARD, p, &x->r);
	return x->r.verdict;
}

static inline struct nft_rule *rule_in(struct walked *x, struct nft_chain *c)
{
	return nft_rule_new(x->a, c, NOWHERE);
}

static inline void match_port(struct walked *x, struct nft_rule *r, enum nft_op op, uint16_t port)
{
	const uint8_t bytes[2] = {port >> 8, port & 0xff};

	nft_match(x->a, r, nft_sel(x->a, SEL_TH_DPORT), op, bytes, 2);
}

/* "tcp dport PORT VERDICT" */
static inline struct nft_rule *port_rule(
	struct walked *x, struct nft_chain *c, uint16_t port, enum nft_verdict v, const char *chain)
{
	struct nft_rule *r = rule_in(x, c);

	match_port(x, r, OP_EQ, port);
	nft_verdict(x->a, r, v, chain);
	return r;
}

static inline struct nft_rule *plain_rule(
	struct walked *x, struct nft_chain *c, enum nft_verdict v, const char *chain)
{
	struct nft_rule *r = rule_in(x, c);

	nft_verdict(x->a, r, v, chain);
	return r;
}

static inline struct nft_stmt *add_xt(struct walked *x, struct nft_rule *r, bool target,
	const char *name, uint32_t rev, const void *info, uint32_t len)
{
	struct nft_stmt *s = vec_add(x->a, &r->stmts);
	uint8_t *copy =
		arena_alloc(x->a, len); /* of just that size: reading past it is seen by ASan */

	memcpy(copy, info, len);
	s->kind = STMT_XT;
	s->xt = (struct nft_xt){
		.target = target, .name = name, .rev = rev, .info = copy, .info_len = len};
	return s;
}

#endif
