/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan as JSON in pieces: the same bytes as in one, and no piece that is large. */
#include "../plan/planned.h"

#include "report/plan_out.h"

static size_t assert_same(const struct plan *p)
{
	json_t *json = plan_out_json(p);
	char *whole = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct plan_out o = {.plan = p};
	struct strbuf text = STRBUF_INIT;
	size_t pieces = 0, before;
	bool more;

	do {
		before = text.len;
		more = plan_out_next(&o, &text);
		assert_in_range(text.len - before, 1, 32768);
		pieces++;
	} while (more);
	plan_out_fini(&o);
	assert_non_null(whole);
	assert_string_equal(strbuf_str(&text), whole);
	strbuf_fini(&text);
	free(whole);
	json_decref(json);
	return pieces;
}

static void test_small(void **state)
{
	struct planned p;

	planned_init(&p,
		"uplinks:\n"
		"  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
		"  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
		"maps:\n"
		"  web: {listen: [80/tcp, 443/tcp], to: [192.168.0.2, 192.168.0.3]}\n"
		"  game: {listen: 6000-6099/udp, to: 192.168.0.4, from: [198.51.100.0/24]}\n");
	planned_make(&p);
	assert_non_null(p.plan);
	assert_same(p.plan);
	planned_fini(&p);
}

static void test_large(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct planned p;

	strbuf_add(&text, "uplinks:\n  telecom: {interface: eth0, gateway: 1.1.1.254}\nmaps:\n");
	for (unsigned int i = 1; i <= 5000; i++)
		strbuf_addf(&text, "  m%u: {listen: %u/tcp, to: 192.168.0.2}\n", i, i);
	planned_init(&p, strbuf_str(&text));
	planned_make(&p);
	assert_non_null(p.plan);
	assert_true(assert_same(p.plan) > 5000);
	planned_fini(&p);
	strbuf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
