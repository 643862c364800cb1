/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report: what a person reads, what a program reads, and the verdict in both. */
#include "configured.h"

#include <stdlib.h>

static const char *const names[] = {"telecom", "unicom"}, *const interfaces[] = {"eth0", "eth1"};

struct reported {
	struct configured c;
	struct strbuf text;
};

/* Two probes; DNAT only fails at both, portreeve works. */
static int setup(void **state)
{
	struct reported *r = calloc(1, sizeof(*r));
	struct arena *a;

	assert_non_null(r);
	configure(&r->c, "uplinks:\n"
			 "  telecom: {interface: eth0, gateway: 1.1.1.254}\n"
			 "  unicom: {interface: eth1, gateway: 2.2.2.254}\n"
			 "maps:\n"
			 "  web: {listen: 80/tcp, to: 192.168.0.2}\n");
	a = r->c.arena;
	r->c.result.uplink_names = names;
	r->c.result.interfaces = interfaces;
	vec_add(a, &r->c.result.columns)->id = COLUMN_DNAT;
	vec_add(a, &r->c.result.columns)->id = COLUMN_PORTREEVE;
	VEC_EACH (&r->c.result.columns, struct rehearse_column, column) {
		column->cells = arena_alloc(a, 2 * sizeof(*column->cells));
		column->tested = 2;
		column->message = "";
	}
	for (int i = 0; i < 2; i++) {
		struct rehearse_cell *dead = &r->c.result.columns.items[0].cells[i];
		struct rehearse_cell *works = &r->c.result.columns.items[1].cells[i];

		dead->result = RESULT_DEAD;
		dead->left_by = -1;
		strcpy(dead->reason, "nobody home");
		works->result = RESULT_WORKS;
		works->left_by = i;
		works->saw = addr_of("192.168.0.1");
		works->saw_port = 80;
	}
	r->c.result.columns.items[1].works = 2;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct reported *r = *state;

	strbuf_fini(&r->text);
	configured_fini(&r->c);
	free(r);
	return 0;
}

static const char *report(struct reported *r, bool utf8, bool colour, unsigned int width)
{
	strbuf_reset(&r->text);
	rehearse_report(&r->text, &r->c.result,
		&(struct report_style){.utf8 = utf8, .colour = colour, .width = width});
	return strbuf_str(&r->text);
}

static void plain_text(void **state)
{
	assert_string_equal(report(*state, false, false, 80),
		"Rehearsal of test.yaml\n"
		"\n"
		"  uplink telecom, eth0: 1.1.1.1/24 via 1.1.1.254\n"
		"  uplink unicom, eth1: 2.2.2.2/24 via 2.2.2.254\n"
		"  inside lan0: 192.168.0.1/24; backend 192.168.0.2, whose own line to the\n"
		"  Internet (as 9.9.9.9) bypasses the gateway\n"
		"  client 100.100.100.100; what the file leaves open is invented\n"
		"\n"
		"The usual steps, each on top of those before, and portreeve:\n"
		"\n"
		"                            telecom         unicom\n"
		"                            1.1.1.1:80/tcp  2.2.2.2:80/tcp\n"
		"  ------------------------------------------------------------------------------\n"
		"  DNAT only                 dead            dead\n"
		"      nobody home\n"
		"  portreeve                 works           works\n"
		"\n"
		"Under portreeve:\n"
		"\n"
		"  map  uplink   listener        backend         saw client   left by\n"
		"  -----------------------------------------------------------------------------\n"
		"  web  telecom  1.1.1.1:80/tcp  192.168.0.2:80  192.168.0.1  eth0     works\n"
		"  web  unicom   2.2.2.2:80/tcp  192.168.0.2:80  192.168.0.1  eth1     works\n"
		"\n"
		"  telecom (eth0): 1 of 1 as the file says\n"
		"  unicom (eth1): 1 of 1 as the file says\n"
		"  replies that left by another line than home: 0\n"
		"\n"
		"Everything works under portreeve: 2 of 2\n");
}

static void no_line_is_wider_than_the_terminal(void **state)
{
	struct reported *r = *state;

	for (unsigned int width = 60; width <= 120; width += 10) {
		const char *p = report(r, false, false, width);

		while (*p) {
			size_t len = strcspn(p, "\n");

			if (len > width)
				fail_msg("%.*s", (int)len, p);
			p += len + 1;
		}
	}
}

static void colour_only_where_asked(void **state)
{
	assert_null(strchr(report(*state, true, false, 80), '\033'));
	assert_non_null(strstr(report(*state, true, true, 80), "\033[31m✗ dead\033[0m"));
}

static void what_fails_decides(void **state)
{
	struct reported *r = *state;
	struct rehearse_column *ours = &r->c.result.columns.items[1];

	assert_true(rehearse_works(&r->c.result));
	ours->misrouted = 1;
	assert_false(rehearse_works(&r->c.result));
	ours->misrouted = 0;
	ours->cells[1].result = RESULT_DEAD;
	strcpy(ours->cells[1].reason, "for a reason");
	ours->works = 1;
	assert_false(rehearse_works(&r->c.result));
	assert_non_null(strstr(report(r, false, false, 80), "for a reason"));
	assert_non_null(strstr(
		report(r, false, false, 80), "Not everything works under portreeve: 1 of 2"));
	ours->status = -1;
	ours->message = "it could not be";
	assert_false(rehearse_works(&r->c.result));
	assert_non_null(strstr(report(r, false, false, 80), "Not rehearsed: it could not be"));
}

static void json(void **state)
{
	struct reported *r = *state;
	json_t *j = rehearse_report_json(&r->c.result), *probes, *last;

	assert_string_equal(json_string_value(json_object_get(j, "verdict")), "works");
	assert_int_equal(json_array_size(json_object_get(j, "columns")), 2);
	probes = json_object_get(j, "probes");
	assert_int_equal(json_array_size(probes), 4);
	last = json_array_get(probes, 3);
	assert_string_equal(json_string_value(json_object_get(last, "column")), "portreeve");
	assert_string_equal(json_string_value(json_object_get(last, "map")), "web");
	assert_string_equal(json_string_value(json_object_get(last, "uplink")), "unicom");
	assert_string_equal(json_string_value(json_object_get(last, "address")), "2.2.2.2");
	assert_int_equal(json_integer_value(json_object_get(last, "port")), 80);
	assert_string_equal(json_string_value(json_object_get(last, "result")), "works");
	assert_string_equal(json_string_value(json_object_get(last, "saw")), "192.168.0.1");
	assert_string_equal(json_string_value(json_object_get(last, "left_by")), "unicom");
	assert_true(json_is_null(json_object_get(last, "reason")));
	assert_string_equal(json_string_value(json_object_get(json_array_get(probes, 0), "reason")),
		"nobody home");
	json_decref(j);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(plain_text),
		TEST(no_line_is_wider_than_the_terminal),
		TEST(colour_only_where_asked),
		TEST(what_fails_decides),
		TEST(json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
