/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks with an oracle: what it is asked, how it goes on, what the trail tells. */
#include "walked.h"

#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_statistic.h>
#include <stdio.h>

/* Answers as it is told to, and keeps what it was asked. */
struct scripted {
	struct walk_oracle oracle;
	size_t answers[8];
	size_t asked;
	struct walk_fork forks[8];
	char why[8][200];
	char label[8][WALK_FORK_WAYS][100];
};

static size_t answer(struct walk_oracle *o, const struct walk_fork *f)
{
	struct scripted *s = (struct scripted *)o;
	size_t n = s->asked++;

	assert_true(n < 8);
	assert_in_range(f->n, 2, WALK_FORK_WAYS);
	s->forks[n] = *f;
	snprintf(s->why[n], sizeof(s->why[n]), "%s", f->why);
	for (size_t i = 0; i < f->n; i++)
		snprintf(s->label[n][i], sizeof(s->label[n][i]), "%s",
			f->label[i] ? f->label[i] : "");
	assert_true(s->answers[n] < f->n);
	return s->answers[n];
}

static struct scripted script(struct walked *x)
{
	return (struct scripted){.oracle = {.choose = answer}};
}

static enum walk_verdict ask(struct walked *x, struct scripted *s, const struct packet *p)
{
	s->asked = 0;
	x->w.oracle = &s->oracle;
	return forward(x, p);
}

static struct nft_stmt *add(struct walked *x, struct nft_rule *r, enum nft_stmt_kind kind)
{
	struct nft_stmt *s = vec_add(x->a, &r->stmts);

	s->kind = kind;
	return s;
}

/* A set of IPv4 addresses whose elements were not read. */
static struct nft_set *blocked(struct walked *x)
{
	static const enum nft_type key[] = {NFT_T_IPV4, NFT_T_NONE};

	return nft_set_new(x->a, x->t, "blocked", SET_INCOMPLETE, key, NULL, 0);
}

/* ---- what is not known ---- */

static void test_unknown_set(void **state)
{
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	struct nft_set *set = blocked(x);
	struct nft_rule *r = rule_in(x, x->forward);

	nft_match_set(x->a, r, nft_sel(x->a, SEL_IP_SADDR), OP_IN, set);
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_int_equal(s.asked, 1);
	assert_string_equal(s.why[0], "whether 100.100.100.100 is in set 'blocked' is not known");
	assert_string_equal(s.label[0][1], "is in it");
	assert_int_equal(s.forks[0].kind, FORK_UNKNOWN);
	assert_ptr_equal(s.forks[0].at.rule, r);
	s.answers[0] = 1;
	assert_int_equal(ask(x, &s, &p), WALK_DROP);
	assert_ptr_equal(x->r.by.rule, r);
	assert_false(x->r.passes);
}

static void test_same_question_same_subject(void **state)
{
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	struct nft_set *set = blocked(x);
	struct nft_rule *r = rule_in(x, x->forward);
	const void *first;

	nft_match_set(x->a, r, nft_sel(x->a, SEL_IP_SADDR), OP_IN, set);
	r = rule_in(x, x->forward);
	nft_match_set(x->a, r, nft_sel(x->a, SEL_IP_SADDR), OP_NOT_IN, set);
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	assert_int_equal(ask(x, &s, &p), WALK_DROP); /* it is not in it: "not in" matches */
	assert_int_equal(s.asked, 2);
	first = s.forks[0].subject;
	assert_non_null(first);
	assert_ptr_equal(first, s.forks[1].subject);
	s.answers[0] = s.answers[1] = 1;
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	p.saddr.bytes[3]++; /* another key is another question */
	ask(x, &s, &p);
	assert_ptr_not_equal(first, s.forks[0].subject);
}

static void test_unknown_field_and_statement(void **state)
{
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	struct nft_rule *r = rule_in(x, x->forward);

	p.from_socket = true;
	p.known &= ~(uint32_t)PKT_UID;
	nft_match_u32(x->a, r, nft_sel(x->a, SEL_META_SKUID), OP_EQ, 1000);
	add(x, r, STMT_UNKNOWN)->text = "meta weather";
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	s.answers[0] = s.answers[1] = 1;
	assert_int_equal(ask(x, &s, &p), WALK_DROP);
	assert_int_equal(s.asked, 2);
	assert_string_equal(s.why[0], "the packet's meta skuid is not known");
	assert_string_equal(s.why[1], "a statement that is not understood: meta weather");
	s.answers[1] = 0;
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	p.from_socket = false; /* forwarded: nobody's */
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_int_equal(s.asked, 0);
}

static void test_ipset(void **state)
{
	static const enum nft_type types[] = {NFT_T_IPV4, NFT_T_PROTO, NFT_T_PORT, NFT_T_NONE};
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	struct nft_set *set =
		nft_set_new(x->a, NULL, "web", SET_ANONYMOUS | SET_CONSTANT, types, NULL, 0);
	/* --match-set web src,dst */
	struct xt_set_info_match_v4 i = {.match_set = {.dim = 2, .flags = 1 << IPSET_DIM_ONE}};
	struct nft_rule *r = rule_in(x, x->forward);
	struct nft_stmt *m = add_xt(x, r, false, "set", 4, &i, sizeof(i));
	uint8_t *e;

	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	r->stmts.items[0].xt.names[0] = "web";
	m = &r->stmts.items[0];
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_string_equal(s.why[0], "whether the packet is in set 'web' is not known");
	vec_push(x->a, &x->net.ruleset.ipsets, set);
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_int_equal(s.asked, 0);
	e = nft_set_add(x->a, set, NOWHERE);
	memcpy(e, p.saddr.bytes, 4);
	e[4] = PROTO_TCP;
	e[9] = 80;
	assert_int_equal(ask(x, &s, &p), WALK_DROP);
	i.match_set.flags |= IPSET_INV_MATCH;
	memcpy((uint8_t *)m->xt.info, &i, sizeof(i));
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	p.dport = 81;
	assert_int_equal(ask(x, &s, &p), WALK_DROP);
	set->flags |= SET_INCOMPLETE;
	s.answers[0] = 1; /* it is in it: the inversion says no */
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_string_equal(
		s.why[0], "whether 100.100.100.100 . tcp . 81 is in set 'web' is not known");
}

static void test_vmap_of_what_is_not_known(void **state)
{
	static const enum nft_type key[] = {NFT_T_PORT, NFT_T_NONE},
				   data[] = {NFT_T_VERDICT, NFT_T_NONE};
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	struct nft_set *map =
		nft_set_new(x->a, NULL, NULL, SET_ANONYMOUS | SET_CONSTANT | SET_MAP, key, data, 0);
	struct nft_chain *sub = nft_chain_new(x->a, x->t, "sub");

	for (uint8_t port = 1; port <= 3; port++) {
		uint8_t *e = nft_set_add(x->a, map, NOWHERE);
		int32_t verdict = port == 3 ? VERDICT_JUMP : VERDICT_DROP;
		uint32_t chain = port == 3 ? nft_set_chain(x->a, map, "sub") : 0;

		e[1] = port;
		memcpy(e + 4, &verdict, 4);
		memcpy(e + 8, &chain, 4);
	}
	plain_rule(x, sub, VERDICT_ACCEPT, NULL);
	nft_vmap(x->a, rule_in(x, x->forward), nft_sel(x->a, SEL_TH_DPORT), map);
	x->forward->policy_drop = true;
	p.known &= ~(uint32_t)PKT_DPORT;
	s.answers[0] = 1;
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_int_equal(s.asked, 1);
	assert_int_equal(s.forks[0].n, 3); /* drop (by two elements), jump, none */
	assert_string_equal(s.label[0][0], "drop");
	assert_string_equal(s.label[0][1], "jump sub");
	assert_string_equal(s.label[0][2], "no element");
	assert_string_equal(s.why[0], "the packet's th dport is not known");
	assert_int_equal(x->trail.len, 2);
	assert_int_equal(x->trail.steps[0].did, DID_VERDICT);
	assert_int_equal(x->trail.steps[0].verdict, VERDICT_JUMP);
	assert_string_equal(x->trail.steps[0].target, "sub");
	assert_int_equal(x->trail.steps[1].verdict, VERDICT_ACCEPT);
	map->flags |= SET_INCOMPLETE;
	assert_int_equal(ask(x, &s, &p), WALK_UNKNOWN);
	assert_int_equal(x->r.by.kind, STEP_LOST);
}

/* ---- chance ---- */

static struct nft_expr *numgen(struct walked *x, uint32_t mod, uint32_t offset)
{
	struct nft_expr *e = arena_new_of(x->a, struct nft_expr);

	*e = (struct nft_expr){
		.kind = EXPR_NUMGEN, .type = NFT_T_INTEGER, .mod = mod, .offset = offset};
	return e;
}

static void test_random_match(void **state)
{
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	struct nft_rule *r = rule_in(x, x->forward);
	const uint32_t three = 3;

	nft_match(x->a, r, numgen(x, 10, 0), OP_LT, &three, 4);
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_int_equal(s.forks[0].kind, FORK_CHANCE);
	assert_int_equal(s.forks[0].n, 2);
	assert_float_equal(s.forks[0].weight[0], 0.7, 1e-9);
	assert_float_equal(s.forks[0].weight[1], 0.3, 1e-9);
	assert_string_equal(s.label[0][0], "does not match");
	assert_null(s.forks[0].subject);
	s.answers[0] = 1;
	assert_int_equal(ask(x, &s, &p), WALK_DROP);
	r->stmts.items[0].op = OP_GE; /* the same order of ways, the other way round */
	assert_int_equal(ask(x, &s, &p), WALK_DROP);
	assert_float_equal(s.forks[0].weight[1], 0.7, 1e-9);
	r->stmts.items[0].expr->offset = 3; /* always: nothing to ask */
	assert_int_equal(ask(x, &s, &p), WALK_DROP);
	assert_int_equal(s.asked, 0);
}

static void test_random_vmap_and_mark(void **state)
{
	static const enum nft_type key[] = {NFT_T_INTEGER, NFT_T_NONE},
				   data[] = {NFT_T_MARK, NFT_T_NONE};
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	struct nft_set *map =
		nft_set_new(x->a, NULL, NULL, SET_ANONYMOUS | SET_CONSTANT | SET_MAP, key, data, 0);
	struct nft_rule *r = rule_in(x, x->forward);

	for (uint32_t n = 0; n < 4; n++) {
		uint8_t *e = nft_set_add(x->a, map, NOWHERE);
		uint32_t mark = n == 3 ? 0x20 : 0x10;

		memcpy(e, &n, 4);
		memcpy(e + 4, &mark, 4);
	}
	nft_set_mark(x->a, r, false, nft_map_expr(x->a, numgen(x, 4, 0), map));
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_int_equal(s.forks[0].n, 2);
	assert_float_equal(s.forks[0].weight[0], 0.75, 1e-9);
	assert_string_equal(s.label[0][1], "0x20");
	assert_int_equal(x->r.after.mark, 0x10);
	s.answers[0] = 1;
	ask(x, &s, &p);
	assert_int_equal(x->r.after.mark, 0x20);
	assert_int_equal(x->trail.steps[0].did, DID_MARK);
	assert_int_equal(x->trail.steps[0].mark, 0x20);
	assert_ptr_equal(x->r.mark_by.rule, r);
}

static void test_hash_is_the_same_for_the_same(void **state)
{
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	const void *first;

	nft_set_mark(x->a, rule_in(x, x->forward), false,
		nft_jhash(x->a, nft_sel(x->a, SEL_IP_SADDR), 40, 7));
	ask(x, &s, &p);
	assert_int_equal(s.forks[0].n, WALK_FORK_WAYS); /* not more are told apart */
	assert_float_equal(s.forks[0].weight[0], 1.0 / 40, 1e-9);
	assert_float_equal(s.forks[0].weight[WALK_FORK_WAYS - 1], 25.0 / 40, 1e-9);
	first = s.forks[0].subject;
	assert_non_null(first);
	p.dport = 81;
	ask(x, &s, &p);
	assert_ptr_equal(first, s.forks[0].subject);
	p.saddr.bytes[0] = 1;
	ask(x, &s, &p);
	assert_ptr_not_equal(first, s.forks[0].subject);
}

static void test_statistic(void **state)
{
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	struct xt_statistic_info i = {
		.mode = XT_STATISTIC_MODE_RANDOM, .u.random.probability = 0x20000000};
	struct nft_rule *r = rule_in(x, x->forward);

	add_xt(x, r, false, "statistic", 0, &i, sizeof(i));
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	s.answers[0] = 1;
	assert_int_equal(ask(x, &s, &p), WALK_DROP);
	assert_int_equal(s.forks[0].kind, FORK_CHANCE);
	assert_float_equal(s.forks[0].weight[1], 0.25, 1e-9);
	i = (struct xt_statistic_info){.mode = XT_STATISTIC_MODE_NTH, .u.nth = {.every = 2}};
	memcpy((uint8_t *)r->stmts.items[0].xt.info, &i, sizeof(i));
	ask(x, &s, &p);
	assert_float_equal(s.forks[0].weight[1], 1.0 / 3, 1e-9);
	i.u.nth.every = 0; /* each one */
	memcpy((uint8_t *)r->stmts.items[0].xt.info, &i, sizeof(i));
	assert_int_equal(ask(x, &s, &p), WALK_DROP);
	assert_int_equal(s.asked, 0);
}

/* ---- what rules do ---- */

static void test_trail(void **state)
{
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	const uint32_t one = 1, two = 2;
	struct nft_rule *r;

	port_rule(x, x->forward, 81, VERDICT_DROP, NULL); /* not met: no step */
	r = rule_in(x, x->forward);
	nft_count(x->a, r, NULL); /* counts only: no step */
	r = rule_in(x, x->forward);
	nft_set_mark(x->a, r, false, nft_value(x->a, NFT_T_MARK, &one));
	nft_set_mark(x->a, r, true, nft_value(x->a, NFT_T_MARK, &two));
	match_port(x, r, OP_EQ, 81); /* what is written before a match fails stays */
	r = rule_in(x, x->forward);
	add(x, r, STMT_FLOW_ADD)->chain = "f";
	add(x, r, STMT_REJECT);
	assert_int_equal(ask(x, &s, &p), WALK_REJECT);
	assert_int_equal(x->trail.len, 2);
	assert_int_equal(x->trail.steps[0].did, DID_MARK | DID_CT_MARK);
	assert_int_equal(x->trail.steps[0].mark, 1);
	assert_int_equal(x->trail.steps[0].ct_mark, 2);
	assert_int_equal(x->trail.steps[1].did, DID_OFFLOAD | DID_REJECT | DID_VERDICT);
	assert_int_equal(s.asked, 0);
	x->forward->rules.len = 0;
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_int_equal(x->trail.len, 1);
	assert_int_equal(x->trail.steps[0].kind, STEP_POLICY);
	assert_int_equal(x->trail.steps[0].verdict, VERDICT_ACCEPT);
}

static void test_trail_overflow_keeps_the_last(void **state)
{
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	const uint32_t one = 1;

	for (size_t i = 0; i < WALK_MAX_TRAIL + 9; i++)
		nft_set_mark(
			x->a, rule_in(x, x->forward), false, nft_value(x->a, NFT_T_MARK, &one));
	plain_rule(x, x->forward, VERDICT_DROP, NULL);
	assert_int_equal(ask(x, &s, &p), WALK_DROP);
	assert_int_equal(x->trail.len, WALK_MAX_TRAIL);
	assert_int_equal(x->trail.lost, 10);
	assert_ptr_equal(x->trail.steps[WALK_MAX_TRAIL - 1].rule, x->r.by.rule);
	x->forward->rules.len = 0;
	ask(x, &s, &p);
	assert_int_equal(x->trail.lost, 0);
}

static struct nft_stmt *set_field(struct walked *x, struct nft_rule *r, enum nft_selector sel,
	enum nft_type type, const void *v)
{
	struct nft_stmt *s = add(x, r, STMT_SET);

	s->selector = sel;
	s->expr = nft_value(x->a, type, v);
	return s;
}

static void test_set_fields(void **state)
{
	static const uint8_t addr4[4] = {10, 1, 2, 3}, port[2] = {0x1f, 0x90}, ttl = 9, dscp = 46,
			     mss[2] = {1400 >> 8, 1400 & 0xff};
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	struct nft_rule *r = rule_in(x, x->forward);

	p.tos = 3;
	p.mss = 1460;
	set_field(x, r, SEL_IP_DADDR, NFT_T_IPV4, addr4);
	set_field(x, r, SEL_TH_DPORT, NFT_T_PORT, port);
	set_field(x, r, SEL_IP_TTL, NFT_T_U8, &ttl);
	set_field(x, r, SEL_IP_DSCP, NFT_T_DSCP, &dscp);
	set_field(x, r, SEL_TCP_MAXSEG, NFT_T_U16, mss);
	add(x, r, STMT_SET)->text = "meta nftrace set 1";
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_memory_equal(x->r.after.daddr.bytes, addr4, 4);
	assert_int_equal(x->r.after.dport, 8080);
	assert_int_equal(x->r.after.ttl, 9);
	assert_int_equal(x->r.after.tos, 46 << 2 | 3);
	assert_int_equal(x->r.after.mss, 1400);
	assert_int_equal(x->trail.steps[0].did, DID_MANGLE);
	p.mss = 1000; /* only lowered */
	ask(x, &s, &p);
	assert_int_equal(x->r.after.mss, 1000);
}

static void test_missing_element_leaves_the_rule(void **state)
{
	static const enum nft_type key[] = {NFT_T_PORT, NFT_T_NONE},
				   data[] = {NFT_T_MARK, NFT_T_NONE};
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();
	struct nft_set *map = nft_set_new(x->a, x->t, "marks", SET_MAP, key, data, 0);
	struct nft_rule *r = rule_in(x, x->forward);

	nft_set_mark(x->a, r, false, nft_map_expr(x->a, nft_sel(x->a, SEL_TH_DPORT), map));
	nft_verdict(x->a, r, VERDICT_DROP, NULL);
	assert_int_equal(ask(x, &s, &p), WALK_ACCEPT);
	assert_int_equal(x->r.after.mark_known, UINT32_MAX);
	assert_int_equal(x->r.mark_by.kind, STEP_NONE);
	/* Without an oracle, too. */
	x->w.oracle = NULL;
	assert_int_equal(forward(x, &p), WALK_ACCEPT);
}

static void test_lost_is_unknown(void **state)
{
	struct walked *x = *state;
	struct scripted s = script(x);
	struct packet p = a_request();

	plain_rule(x, x->forward, VERDICT_QUEUE, NULL);
	assert_int_equal(ask(x, &s, &p), WALK_UNKNOWN);
	assert_int_equal(x->trail.steps[0].kind, STEP_LOST);
	assert_string_equal(x->r.by.why, "it is queued to a program");
}

#define T(f) cmocka_unit_test_setup_teardown(f, walked_setup, walked_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_unknown_set),
		T(test_same_question_same_subject),
		T(test_unknown_field_and_statement),
		T(test_ipset),
		T(test_vmap_of_what_is_not_known),
		T(test_random_match),
		T(test_random_vmap_and_mark),
		T(test_hash_is_the_same_for_the_same),
		T(test_statistic),
		T(test_trail),
		T(test_trail_overflow_keeps_the_last),
		T(test_set_fields),
		T(test_missing_element_leaves_the_rule),
		T(test_lost_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
