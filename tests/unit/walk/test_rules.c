/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets through rules: verdicts, chains, sets, marks, and what is said where it cannot be known.
 * (Over 700 lines since each kind of statement and expression has its own short case.)
 */
#include "walked.h"

/* ---- verdicts and chains ---- */

static void test_policy(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct strbuf b = STRBUF_INIT;

	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	assert_int_equal(x->r.by.kind, STEP_POLICY);
	x->forward->policy_drop = true;
	assert_int_equal(forward(x, &p), WALK_DROP);
	assert_false(x->r.passes);
	walk_step_print(&b, &x->r.by);
	assert_string_equal(strbuf_str(&b), "table ip filter, chain FORWARD: policy drop");
	strbuf_fini(&b);
}

static void test_first_verdict_counts(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();

	port_rule(x, x->forward, 81, VERDICT_DROP, NULL);
	port_rule(x, x->forward, 80, VERDICT_ACCEPT, NULL);
	port_rule(x, x->forward, 80, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	assert_ptr_equal(x->r.by.rule, &x->forward->rules.items[1]);
	p.dport = 81;
	assert_int_equal(forward(x, &p), WALK_DROP);
}

static void test_jump_goto_return(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_chain *sub = nft_chain_new(x->a, x->t, "sub");
	struct nft_chain *deep = nft_chain_new(x->a, x->t, "deep");

	x->forward->policy_drop = true;
	plain_rule(x, x->forward, VERDICT_JUMP, "sub");
	port_rule(x, x->forward, 80, VERDICT_ACCEPT, NULL);
	port_rule(x, sub, 80, VERDICT_RETURN, NULL);
	plain_rule(x, sub, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	assert_string_equal(x->r.by.chain->name, "FORWARD");
	p.dport = 443; /* goes on in sub and is dropped there */
	assert_int_equal(forward(x, &p), WALK_DROP);
	assert_string_equal(x->r.by.chain->name, "sub");

	/* A goto does not come back: the end of the chain is the end of the caller. */
	sub->rules.len = 0;
	plain_rule(x, sub, VERDICT_GOTO, "deep");
	plain_rule(x, sub, VERDICT_DROP, NULL);
	port_rule(x, deep, 1, VERDICT_DROP, NULL);
	p.dport = 80;
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	x->forward->rules.items[0].stmts.items[0].verdict = VERDICT_GOTO;
	assert_int_equal(forward(x, &p), WALK_DROP); /* by policy */
	assert_int_equal(x->r.by.kind, STEP_POLICY);
}

static void test_return_in_base_chain_is_policy(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();

	plain_rule(x, x->forward, VERDICT_RETURN, NULL);
	plain_rule(x, x->forward, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	x->forward->policy_drop = true;
	assert_int_equal(forward(x, &p), WALK_DROP);
}

static void test_loops_and_missing_chains_end(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_chain *sub = nft_chain_new(x->a, x->t, "sub");

	plain_rule(x, x->forward, VERDICT_JUMP, "nowhere");
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	assert_int_equal(x->r.by.kind, STEP_LOST);
	x->forward->rules.len = 0;
	plain_rule(x, x->forward, VERDICT_JUMP, "sub");
	for (int i = 0; i < 8; i++) /* 8^16 ways, if one went them all */
		plain_rule(x, sub, VERDICT_JUMP, "sub");
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	assert_non_null(x->r.by.why);
}

static void test_work_is_bounded(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	const char *names[15];
	struct nft_chain *chains[15];

	/* Chains that call the next one ten times each: ten to the fifteenth rules. */
	for (int i = 0; i < 15; i++) {
		names[i] = arena_printf(x->a, "c%d", i);
		chains[i] = nft_chain_new(x->a, x->t, names[i]);
	}
	plain_rule(x, x->forward, VERDICT_JUMP, names[0]);
	for (int i = 0; i < 14; i++)
		for (int n = 0; n < 10; n++)
			plain_rule(x, chains[i], VERDICT_JUMP, names[i + 1]);
	port_rule(x, chains[14], 1, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	assert_string_equal(x->r.by.why, "there are too many rules to look through");
}

static void test_order_of_base_chains(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct walk_bases bases = {0};
	struct nft_table *inet = nft_table_new(x->a, FAMILY_INET, "fw");
	struct nft_table *ip6 = nft_table_new(x->a, FAMILY_IP6, "filter");
	struct nft_chain *late =
		nft_base_chain_new(x->a, inet, "late", CHAIN_FILTER, HOOK_FORWARD, 10);
	struct nft_chain *early =
		nft_base_chain_new(x->a, inet, "early", CHAIN_FILTER, HOOK_FORWARD, -5);
	struct nft_chain *same =
		nft_base_chain_new(x->a, inet, "same", CHAIN_FILTER, HOOK_FORWARD, 0);

	nft_base_chain_new(x->a, inet, "input", CHAIN_FILTER, HOOK_INPUT, 0);
	nft_base_chain_new(x->a, ip6, "FORWARD", CHAIN_FILTER, HOOK_FORWARD, 0)->policy_drop = true;
	vec_push(x->a, &x->net.ruleset.tables, inet);
	vec_push(x->a, &x->net.ruleset.tables, ip6);
	walk_bases(x->a, &x->w, IP_V4, HOOK_FORWARD, &bases);
	assert_int_equal(bases.items.len, 4);
	assert_ptr_equal(bases.items.items[0].chain, early);
	assert_ptr_equal(bases.items.items[1].chain, same); /* registered after FORWARD: first */
	assert_ptr_equal(bases.items.items[2].chain, x->forward);
	assert_ptr_equal(bases.items.items[3].chain, late);

	/* An accept in one does not spare the packet the next. */
	plain_rule(x, early, VERDICT_ACCEPT, NULL);
	plain_rule(x, late, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_DROP);
	assert_ptr_equal(x->r.by.chain, late);
	x->w.skip = inet;
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	x->w.skip = NULL;
	inet->flags = 1; /* dormant */
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	p.family = IP_V6;
	assert_int_equal(forward(x, &p), WALK_DROP);
}

static void test_reject_and_others(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_rule *r = rule_in(x, x->forward);
	struct nft_stmt *s = vec_add(x->a, &r->stmts);

	s->kind = STMT_REJECT;
	assert_int_equal(forward(x, &p), WALK_REJECT);
	s->kind = STMT_LOG;
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	s->kind = STMT_VERDICT;
	s->verdict = VERDICT_QUEUE;
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	s->kind = STMT_UNKNOWN;
	s->text = "queue";
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	s->text = "flow_offload";
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
}

static void test_limits_are_kept(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_rule *r = rule_in(x, x->forward);
	struct nft_stmt *s = vec_add(x->a, &r->stmts);

	s->kind = STMT_LIMIT;
	s->text = "limit rate 10/second burst 5 packets";
	nft_verdict(x->a, r, VERDICT_ACCEPT, NULL);
	x->forward->policy_drop = true;
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	r->stmts.items[0].text = "limit rate over 10/second burst 5 packets";
	assert_int_equal(forward(x, &p), WALK_DROP);
}

/* ---- matches ---- */

static bool matches(struct walked *x, struct packet *p, struct nft_expr *e, enum nft_op op,
	const void *value, unsigned int len)
{
	struct nft_rule *r;

	x->forward->rules.len = 0;
	r = rule_in(x, x->forward);
	nft_match(x->a, r, e, op, value, len);
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	switch (forward(x, p)) {
	case WALK_DROP:
		return true;
	case WALK_ACCEPT:
		return false;
	case WALK_REJECT:
	case WALK_UNKNOWN:
		break;
	}
	fail_msg("not decided");
	return false;
}

static bool matches_u32(
	struct walked *x, struct packet *p, struct nft_expr *e, enum nft_op op, uint32_t n)
{
	return matches(x, p, e, op, &n, 4);
}

static void test_interfaces(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	char name[16] = "eth0";
	struct net_link *l = vec_add(x->a, &x->net.links);

	l->name = "eth0";
	l->index = 7;
	assert_true(matches(x, &p, nft_sel(x->a, SEL_META_IIFNAME), OP_EQ, name, 16));
	assert_false(matches(x, &p, nft_sel(x->a, SEL_META_OIFNAME), OP_EQ, name, 16));
	assert_true(matches(x, &p, nft_sel(x->a, SEL_META_OIFNAME), OP_NE, name, 16));
	/* iptables compares up to and with the NUL; eth* without it. */
	assert_true(matches(x, &p, nft_sel(x->a, SEL_META_IIFNAME), OP_EQ, "eth0", 5));
	assert_false(matches(x, &p, nft_sel(x->a, SEL_META_IIFNAME), OP_EQ, "eth", 4));
	assert_true(matches(x, &p, nft_sel(x->a, SEL_META_IIFNAME), OP_EQ, "eth", 3));
	assert_true(matches_u32(x, &p, nft_sel(x->a, SEL_META_IIF), OP_EQ, 7));
	assert_false(matches_u32(x, &p, nft_sel(x->a, SEL_META_IIF), OP_EQ, 8));
	p.oif = NULL; /* as in prerouting */
	assert_false(matches(x, &p, nft_sel(x->a, SEL_META_OIFNAME), OP_EQ, "eth2", 5));
}

static void test_addresses_and_ports(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_expr *net = nft_sel(x->a, SEL_IP_DADDR);
	static const uint8_t backend[4] = {192, 168, 0, 2}, lan[4] = {192, 168}, http[2] = {0, 80};
	static const uint8_t zeros[16];
	struct nft_rule *r;

	assert_true(matches(x, &p, net, OP_EQ, backend, 4));
	net->kind = EXPR_MASKED;
	memset(net->mask, 0xff, 2);
	assert_true(matches(x, &p, net, OP_EQ, lan, 4));
	assert_true(
		matches(x, &p, net, OP_EQ, lan, 2)); /* the kernel may compare the prefix only */
	p.daddr = addr("192.169.0.2");
	assert_false(matches(x, &p, net, OP_EQ, lan, 4));
	assert_true(matches(x, &p, nft_sel(x->a, SEL_TH_DPORT), OP_LE, http, 2));
	assert_false(matches(x, &p, nft_sel(x->a, SEL_TH_DPORT), OP_LT, http, 2));
	assert_true(matches(x, &p, nft_sel(x->a, SEL_TH_SPORT), OP_GT, http, 2));
	/* The wrong family: the kernel leaves the rule, be the match inverted or not. */
	assert_false(matches(x, &p, nft_sel(x->a, SEL_IP6_DADDR), OP_EQ, zeros, 16));
	assert_false(matches(x, &p, nft_sel(x->a, SEL_IP6_DADDR), OP_NE, zeros, 16));

	x->forward->rules.len = 0;
	r = port_rule(x, x->forward, 70, VERDICT_DROP, NULL);
	r->stmts.items[0].op = OP_RANGE;
	memcpy(r->stmts.items[0].last, http, 2);
	assert_int_equal(forward(x, &p), WALK_DROP);
	p.dport = 81;
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	r->stmts.items[0].op = OP_NOT_RANGE;
	assert_int_equal(forward(x, &p), WALK_DROP);
}

static void test_conntrack_and_marks(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct arena *a = x->a;

	assert_true(matches_u32(
		x, &p, nft_masked32(a, SEL_CT_STATE, CT_NEW | CT_RELATED, 0), OP_NE, 0));
	assert_false(
		matches_u32(x, &p, nft_masked32(a, SEL_CT_STATE, CT_ESTABLISHED, 0), OP_NE, 0));
	assert_true(matches_u32(x, &p, nft_masked32(a, SEL_CT_STATUS, CT_DST_NAT, 0), OP_NE, 0));
	assert_true(
		matches_u32(x, &p, nft_masked32(a, SEL_CT_MARK, 0x80000000, 0), OP_EQ, 0x80000000));
	/* Marks are compared as numbers, not as bytes. */
	assert_true(matches_u32(x, &p, nft_sel(a, SEL_CT_MARK), OP_GT, 0x100));
	p.ct_mark = 0x200;
	assert_false(matches_u32(x, &p, nft_sel(a, SEL_CT_MARK), OP_GT, 0x1000));
	/* Without a connection there is nothing to compare. */
	p.ct_state = CT_INVALID;
	assert_false(matches_u32(x, &p, nft_sel(a, SEL_CT_MARK), OP_NE, 1));
	assert_true(matches_u32(x, &p, nft_masked32(a, SEL_CT_STATE, CT_INVALID, 0), OP_NE, 0));
}

static void test_fib_type(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct net_addr *mine = vec_add(x->a, &x->net.addrs);
	struct net_route *all = vec_add(x->a, &x->net.routes);

	mine->interface = "eth0";
	mine->addr = addr("1.1.1.1");
	all->family = IP_V4;
	all->table = TABLE_MAIN;
	all->type = ROUTE_UNICAST;
	all->dst.addr.family = IP_V4;
	assert_false(matches_u32(x, &p, nft_sel(x->a, SEL_FIB_DADDR_TYPE), OP_EQ, ROUTE_LOCAL));
	p.daddr = addr("1.1.1.1");
	assert_true(matches_u32(x, &p, nft_sel(x->a, SEL_FIB_DADDR_TYPE), OP_EQ, ROUTE_LOCAL));
	p.daddr = addr("224.0.0.1");
	assert_true(matches_u32(x, &p, nft_sel(x->a, SEL_FIB_DADDR_TYPE), OP_EQ, ROUTE_MULTICAST));
}

/* ---- sets ---- */

static void add_range(struct walked *x, struct nft_set *s, const char *first, const char *last)
{
	uint8_t *e = nft_set_add(x->a, s, NOWHERE);

	memcpy(e, addr(first).bytes, 4);
	memcpy(e + s->key_len, addr(last).bytes, 4);
}

static void test_sets(void **state)
{
	static const enum nft_type key[] = {NFT_T_IPV4, NFT_T_NONE};
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_set *s = nft_set_new(x->a, x->t, "nets", SET_INTERVAL, key, NULL, 0);
	struct nft_rule *r = rule_in(x, x->forward);

	add_range(x, s, "100.0.0.0", "100.255.255.255");
	add_range(x, s, "10.0.0.0", "10.0.0.0"); /* not sorted: a walk must not mind */
	nft_match_set(x->a, r, nft_sel(x->a, SEL_IP_SADDR), OP_IN, s);
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_DROP);
	p.saddr = addr("101.0.0.0");
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	r->stmts.items[0].op = OP_NOT_IN;
	assert_int_equal(forward(x, &p), WALK_DROP);
	s->flags |= SET_INCOMPLETE;
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	p.saddr = addr("10.0.0.0"); /* is in it, whatever else is */
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
}

static void test_concatenation(void **state)
{
	static const enum nft_type key[] = {NFT_T_IPV4, NFT_T_PORT, NFT_T_NONE};
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_set *s = nft_set_new(x->a, x->t, "pairs", 0, key, NULL, 0);
	struct nft_expr *parts[] = {nft_sel(x->a, SEL_IP_DADDR), nft_sel(x->a, SEL_TH_DPORT)};
	struct nft_rule *r = rule_in(x, x->forward);
	uint8_t *e = nft_set_add(x->a, s, NOWHERE);

	memcpy(e, addr("192.168.0.2").bytes, 4);
	e[5] = 80;
	nft_match_set(x->a, r, nft_concat(x->a, parts, 2), OP_IN, s);
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_DROP);
	p.dport = 81;
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	p.known &= ~(uint32_t)PKT_DADDR; /* the port says no already */
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	p.dport = 80;
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
}

static void put_verdict(
	struct walked *x, struct nft_set *s, uint8_t proto, enum nft_verdict v, const char *chain)
{
	int32_t code = v;
	uint32_t index = chain ? nft_set_chain(x->a, s, chain) : 0;
	uint8_t *e = nft_set_add(x->a, s, NOWHERE);

	*e = proto;
	memcpy(nft_set_elem_data(s, s->len - 1), &code, 4);
	memcpy(nft_set_elem_data(s, s->len - 1) + 4, &index, 4);
}

static void test_verdict_map(void **state)
{
	static const enum nft_type key[] = {NFT_T_PROTO, NFT_T_NONE};
	static const enum nft_type data[] = {NFT_T_VERDICT, NFT_T_NONE};
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_chain *sub = nft_chain_new(x->a, x->t, "sub");
	struct nft_set *s = nft_set_new(x->a, x->t, "m", SET_MAP, key, data, 0);

	put_verdict(x, s, PROTO_TCP, VERDICT_JUMP, "sub");
	put_verdict(x, s, PROTO_UDP, VERDICT_DROP, NULL);
	put_verdict(x, s, PROTO_SCTP, VERDICT_ACCEPT, NULL);
	nft_vmap(x->a, rule_in(x, x->forward), nft_sel(x->a, SEL_META_L4PROTO), s);
	port_rule(x, sub, 443, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	p.dport = 443;
	assert_int_equal(forward(x, &p), WALK_DROP);
	p.proto = PROTO_UDP;
	assert_int_equal(forward(x, &p), WALK_DROP);
	p.proto = PROTO_ICMP; /* no element: on to the next rule */
	x->forward->policy_drop = true;
	assert_int_equal(forward(x, &p), WALK_DROP);
	assert_int_equal(x->r.by.kind, STEP_POLICY);
	x->forward->policy_drop = false;
	sub->rules.len = 0;
	p.known &= ~(uint32_t)PKT_PROTO;
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	assert_ptr_equal(x->r.undecided.rule, x->forward->rules.items);
	assert_true(x->r.stopped_if_matched);
}

/* ---- marks ---- */

static void test_mark_writes(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	uint32_t seven = 7;

	p.mark = 0xab000000;
	nft_set_mark(x->a, rule_in(x, x->forward), false,
		nft_masked32(x->a, SEL_META_MARK, 0xff000000, 0x12));
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	assert_int_equal(x->r.after.mark, 0xab000012);
	assert_int_equal(x->r.mark_by.kind, STEP_RULE);
	assert_int_equal(x->r.ct_mark_by.kind, STEP_NONE);

	nft_set_mark(x->a, rule_in(x, x->forward), true, nft_value(x->a, NFT_T_MARK, &seven));
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	assert_int_equal(x->r.after.ct_mark, 7);
	assert_ptr_equal(x->r.ct_mark_by.rule, &x->forward->rules.items[1]);
	p.ct_state = CT_UNTRACKED; /* no connection to write to */
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	assert_int_equal(x->r.after.ct_mark, 0x81000000);
}

static void test_mark_may_be_written(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_rule *r = rule_in(x, x->forward);

	p.known &= ~(uint32_t)PKT_DPORT;
	match_port(x, r, OP_EQ, 80);
	nft_set_mark(x->a, r, false, nft_masked32(x->a, SEL_META_MARK, ~0xffu, 1));
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	assert_int_equal(x->r.after.mark_known, ~1u);
	/* What does not hang on that bit is still known. */
	nft_match_u32(x->a, r = rule_in(x, x->forward), nft_masked32(x->a, SEL_META_MARK, 0xf0, 0),
		OP_NE, 0);
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
}

static void test_map_gives_mark(void **state)
{
	static const enum nft_type key[] = {NFT_T_PROTO, NFT_T_NONE},
				   data[] = {NFT_T_MARK, NFT_T_NONE};
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_set *s = nft_set_new(x->a, x->t, "m", SET_MAP, key, data, 0);
	static const uint32_t marks[] = {0x10, 0x11};

	for (unsigned int i = 0; i < 2; i++) {
		*nft_set_add(x->a, s, NOWHERE) = i ? PROTO_UDP : PROTO_TCP;
		memcpy(nft_set_elem_data(s, i), &marks[i], 4);
	}
	nft_set_mark(x->a, rule_in(x, x->forward), false,
		nft_map_expr(x->a, nft_sel(x->a, SEL_META_L4PROTO), s));
	forward(x, &p);
	assert_int_equal(x->r.after.mark, 0x10);
	p.known &= ~(uint32_t)PKT_PROTO;
	forward(x, &p);
	assert_int_equal(x->r.after.mark_known & 0x11, 0x10); /* one of the two */
}

/* ---- what is not known ---- */

static void test_both_ways_agree(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();

	p.known &= ~(uint32_t)PKT_DPORT;
	port_rule(x, x->forward, 80, VERDICT_ACCEPT, NULL);
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	port_rule(x, x->forward, 81, VERDICT_JUMP, "sub");
	nft_chain_new(x->a, x->t, "sub");
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	x->forward->rules.len = 0;
	port_rule(x, x->forward, 80, VERDICT_DROP, NULL);
	plain_rule(x, x->forward, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_DROP);
}

static void test_deciding_rule_is_named(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_rule *first, *second;

	p.known &= ~(uint32_t)PKT_DPORT;
	port_rule(x, x->forward, 80, VERDICT_ACCEPT, NULL);
	port_rule(x, x->forward, 81, VERDICT_DROP, NULL);
	first = &x->forward->rules.items[0];
	second = &x->forward->rules.items[1];
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	assert_ptr_equal(x->r.undecided.rule, second);
	assert_true(x->r.stopped_if_matched);
	assert_true(x->r.passes);
	assert_non_null(x->r.undecided.why);

	x->forward->rules.len = 1; /* accept one port, drop the rest */
	x->forward->policy_drop = true;
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	assert_ptr_equal(x->r.undecided.rule, first);
	assert_false(x->r.stopped_if_matched);
	assert_int_equal(x->r.by.kind, STEP_POLICY);
}

static void test_undecided_in_called_chain(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_chain *sub = nft_chain_new(x->a, x->t, "sub");

	p.known &= ~(uint32_t)(PKT_DPORT | PKT_SADDR);
	plain_rule(x, x->forward, VERDICT_JUMP, "sub");
	x->forward->policy_drop = true;
	port_rule(x, sub, 80, VERDICT_ACCEPT, NULL);
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	assert_ptr_equal(x->r.undecided.rule, sub->rules.items);
	assert_false(x->r.stopped_if_matched);
	/* The same behind a jump that is itself not decided. */
	x->forward->rules.len = 0;
	port_rule(x, x->forward, 80, VERDICT_JUMP, "sub");
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	assert_ptr_equal(x->r.undecided.rule, sub->rules.items);
	assert_false(x->r.stopped_if_matched);
}

static void test_what_stops_everyone_is_named(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();

	p.known &= ~(uint32_t)PKT_DPORT;
	port_rule(x, x->forward, 80, VERDICT_DROP, NULL);
	x->forward->policy_drop = true;
	assert_int_equal(forward(x, &p), WALK_DROP);
	assert_int_equal(x->r.by.kind, STEP_POLICY);
}

static void test_certain_end_after_doubt(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_table *inet = nft_table_new(x->a, FAMILY_INET, "fw");
	struct nft_chain *late =
		nft_base_chain_new(x->a, inet, "late", CHAIN_FILTER, HOOK_FORWARD, 10);

	vec_push(x->a, &x->net.ruleset.tables, inet);
	p.known &= ~(uint32_t)PKT_DPORT;
	port_rule(x, x->forward, 80, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	late->policy_drop = true;
	assert_int_equal(forward(x, &p), WALK_DROP);
}

static void test_a_rule_that_cannot_match_is_no_doubt(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_rule *r = rule_in(x, x->forward);
	static const uint8_t other[4] = {10, 0, 0, 1};

	p.known &= ~(uint32_t)PKT_DPORT;
	match_port(x, r, OP_EQ, 80);
	nft_match(x->a, r, nft_sel(x->a, SEL_IP_DADDR), OP_EQ, other, 4);
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
	assert_int_equal(x->trail.len, 1); /* the policy */
}

static void test_unknown_statement(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_rule *r = rule_in(x, x->forward);
	struct nft_stmt *s = vec_add(x->a, &r->stmts);

	s->kind = STMT_UNKNOWN;
	s->text = "connlimit";
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	assert_int_equal(forward(x, &p), WALK_UNKNOWN);
	assert_true(x->r.stopped_if_matched);
	r->stmts.items[1].verdict = VERDICT_ACCEPT;
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
}

/* ---- hooks ---- */

static void test_before_conntrack(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_chain *raw =
		nft_base_chain_new(x->a, x->t, "PREROUTING", CHAIN_FILTER, HOOK_PREROUTING, -300);
	struct nft_rule *r = rule_in(x, raw);

	nft_match_u32(x->a, r, nft_masked32(x->a, SEL_CT_STATE, CT_NEW, 0), OP_NE, 0);
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	walk_chains(x->a, &x->w, HOOK_PREROUTING, &p, &x->r);
	assert_int_equal(x->r.verdict, WALK_ACCEPT);
	assert_int_equal(x->r.after.ct_state, CT_NEW);
	assert_true(packet_knows(&x->r.after, PKT_CT_STATE | PKT_CT_ORIGINAL));
	raw->prio = -150;
	walk_chains(x->a, &x->w, HOOK_PREROUTING, &p, &x->r);
	assert_int_equal(x->r.verdict, WALK_DROP);
	raw->prio = -300;
	r->stmts.len = 0;
	((struct nft_stmt *)vec_add(x->a, &r->stmts))->kind = STMT_NOTRACK;
	walk_chains(x->a, &x->w, HOOK_PREROUTING, &p, &x->r);
	assert_int_equal(x->r.after.ct_state, CT_UNTRACKED);
}

static void test_what_ways_differ_in_is_unknown(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_chain *c =
		nft_base_chain_new(x->a, x->t, "PREROUTING", CHAIN_FILTER, HOOK_PREROUTING, -300);
	struct nft_rule *r = rule_in(x, c);
	struct nft_stmt *s;

	p.known &= ~(uint32_t)PKT_DPORT;
	match_port(x, r, OP_EQ, 80);
	s = vec_add(x->a, &r->stmts);
	s->kind = STMT_NOTRACK;
	walk_chains(x->a, &x->w, HOOK_PREROUTING, &p, &x->r);
	assert_int_equal(x->r.verdict, WALK_ACCEPT);
	assert_false(packet_knows(&x->r.after, PKT_CT_STATE));
	assert_true(packet_knows(&x->r.after, PKT_SADDR | PKT_IIF));
	c->prio = -150; /* too late: it has its connection */
	walk_chains(x->a, &x->w, HOOK_PREROUTING, &p, &x->r);
	assert_true(packet_knows(&x->r.after, PKT_CT_STATE));
}

static void test_trail(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct nft_chain *sub = nft_chain_new(x->a, x->t, "sub");

	plain_rule(x, x->forward, VERDICT_JUMP, "sub");
	port_rule(x, sub, 81, VERDICT_DROP, NULL);
	port_rule(x, sub, 80, VERDICT_ACCEPT, NULL);
	forward(x, &p);
	assert_int_equal(x->trail.len, 2);
	assert_string_equal(x->trail.steps[0].chain->name, "FORWARD");
	assert_string_equal(x->trail.steps[1].chain->name, "sub");
	assert_ptr_equal(x->trail.steps[1].rule, &sub->rules.items[1]);
	p.known &= ~(uint32_t)PKT_DPORT;
	forward(x, &p);
	assert_int_equal(x->trail.steps[1].kind, STEP_UNDECIDED);
	assert_int_equal(x->trail.steps[2].kind, STEP_RULE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, walked_setup, walked_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_policy),
		T(test_first_verdict_counts),
		T(test_jump_goto_return),
		T(test_return_in_base_chain_is_policy),
		T(test_loops_and_missing_chains_end),
		T(test_work_is_bounded),
		T(test_order_of_base_chains),
		T(test_reject_and_others),
		T(test_limits_are_kept),
		T(test_interfaces),
		T(test_addresses_and_ports),
		T(test_conntrack_and_marks),
		T(test_fib_type),
		T(test_sets),
		T(test_concatenation),
		T(test_verdict_map),
		T(test_mark_writes),
		T(test_mark_may_be_written),
		T(test_map_gives_mark),
		T(test_both_ways_agree),
		T(test_deciding_rule_is_named),
		T(test_undecided_in_called_chain),
		T(test_what_stops_everyone_is_named),
		T(test_certain_end_after_doubt),
		T(test_a_rule_that_cannot_match_is_no_doubt),
		T(test_unknown_statement),
		T(test_before_conntrack),
		T(test_what_ways_differ_in_is_unknown),
		T(test_trail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
