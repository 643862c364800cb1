/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel told of a packet against what the walk has: rules, ends, interfaces, addresses. */
#include "walked.h"

#include "walk/observed.h"

struct seen {
	struct walked x;
	struct nft_rule *rules[3];
	struct journey_leg walked;
	struct observed_leg seen;
	struct observed_differences d;
};

static void walk_rule(struct seen *s, unsigned int i)
{
	struct journey_step *step = vec_add(s->x.a, &s->walked.steps);

	step->stage = STAGE_RULE;
	step->rule = (struct walk_step){
		.kind = STEP_RULE, .table = s->x.t, .chain = s->x.forward, .rule = s->rules[i]};
}

static struct observed_step *see_rule(struct seen *s, unsigned int i, int32_t verdict)
{
	struct observed_step *step = vec_add(s->x.a, &s->seen.steps);

	*step = (struct observed_step){.kind = OBSERVED_RULE,
		.family = FAMILY_IP,
		.table = "filter",
		.chain = "FORWARD",
		.handle = s->rules[i]->handle,
		.verdict = verdict};
	return step;
}

/* A packet that both have met rules 0 and 2 and leave by eth2. */
static int setup(void **state)
{
	struct seen *s = calloc(1, sizeof(*s));
	struct packet p = a_request();

	s->x.a = arena_new();
	s->x.t = nft_table_new(s->x.a, FAMILY_IP, "filter");
	s->x.forward = nft_base_chain_new(s->x.a, s->x.t, "FORWARD", CHAIN_FILTER, HOOK_FORWARD, 0);
	for (unsigned int i = 0; i < 3; i++) {
		s->rules[i] = nft_rule_new(s->x.a, s->x.forward, NOWHERE);
		s->rules[i]->handle = 10 + i;
	}
	s->walked.walked = s->seen.seen = true;
	s->walked.end = JOURNEY_FORWARDED;
	s->walked.in = s->seen.in = "eth0";
	s->walked.out = s->seen.out = "eth2";
	s->walked.last = s->seen.last = p;
	walk_rule(s, 0);
	walk_rule(s, 2);
	see_rule(s, 0, VERDICT_CONTINUE);
	see_rule(s, 2, VERDICT_ACCEPT);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct seen *s = *state;

	arena_free(s->x.a);
	free(s);
	return 0;
}

static size_t compare(struct seen *s)
{
	memset(&s->d, 0, sizeof(s->d));
	observed_compare(s->x.a, &s->walked, &s->seen, &s->d);
	return s->d.items.len;
}

static const struct observed_difference *only(struct seen *s, const char *words)
{
	assert_int_equal(compare(s), 1);
	assert_non_null(strstr(s->d.items.items[0].text, words));
	return &s->d.items.items[0];
}

static void test_the_same(void **state)
{
	struct seen *s = *state;

	assert_int_equal(compare(s), 0);
	assert_int_equal(s->d.agreed, 3); /* two rules and the end */
}

static void test_a_rule_that_only_the_walk_has(void **state)
{
	struct seen *s = *state;

	s->seen.steps.items[0] = s->seen.steps.items[1];
	s->seen.steps.len = 1;
	assert_ptr_equal(only(s, "handle 10); the kernel did not")->walked, s->walked.steps.items);
}

static void test_a_rule_that_only_the_kernel_has(void **state)
{
	struct seen *s = *state;

	see_rule(s, 1, VERDICT_DROP);
	assert_ptr_equal(only(s, "the walk did not")->seen, &s->seen.steps.items[2]);
	/* What only leads on the walk leaves out. */
	s->seen.steps.items[2].verdict = VERDICT_CONTINUE;
	assert_int_equal(compare(s), 0);
}

static void test_a_rule_of_another_chain_is_another(void **state)
{
	struct seen *s = *state;

	s->seen.steps.items[1].chain = "INPUT";
	only(s, "chain INPUT");
}

static void test_legacy_leaves_no_trace(void **state)
{
	struct seen *s = *state;

	s->x.t->origin = ORIGIN_XT_LEGACY;
	s->seen.steps.len = 0;
	assert_int_equal(compare(s), 0);
}

static void test_another_end(void **state)
{
	struct seen *s = *state;

	s->seen.out = NULL;
	only(s, "the walk: forwarded; the kernel: dropped");
	s->seen.delivered = true;
	only(s, "the kernel: local");
	s->seen.delivered = false;
	s->seen.answered_refusal = true;
	only(s, "the kernel: rejected");
	s->walked.end = JOURNEY_UNROUTABLE;
	assert_int_equal(compare(s), 0);
}

static void test_another_interface_and_other_addresses(void **state)
{
	struct seen *s = *state;

	s->seen.out = "eth1";
	only(s, "leaves by eth2; the kernel: by eth1");
	s->seen.out = "eth2";
	s->seen.last.saddr = addr("192.168.0.1");
	only(s, "other addresses");
	s->seen.last = s->walked.last;
	s->seen.last.sport++;
	only(s, "other addresses or ports");
	s->walked.last.known &= ~(uint32_t)PKT_SPORT; /* picked by the kernel */
	assert_int_equal(compare(s), 0);
}

static void test_only_one_of_them_comes_to_it(void **state)
{
	struct seen *s = *state;

	s->seen.seen = false;
	only(s, "the kernel never saw it");
	s->walked.walked = false;
	assert_int_equal(compare(s), 0);
	s->seen.seen = true;
	only(s, "the walk does not come to it");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_same),
		T(test_a_rule_that_only_the_walk_has),
		T(test_a_rule_that_only_the_kernel_has),
		T(test_a_rule_of_another_chain_is_another),
		T(test_legacy_leaves_no_trace),
		T(test_another_end),
		T(test_another_interface_and_other_addresses),
		T(test_only_one_of_them_comes_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
