/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a map became what it is: by its config or by how it is done, and by no other's. */
#include "../plan/planned.h"

#include "daemon/map_changes.h"

#define UPLINKS                                                                                    \
	"uplinks:\n"                                                                               \
	"  one: {interface: eth0, address: 1.1.1.1, gateway: 1.1.1.254}\n"                         \
	"  two: {interface: eth1, address: 2.2.2.2, gateway: 2.2.2.254}\n"

static void planned(
	struct map_changes *c, const char *maps, const struct memory *memory, uint64_t now_ms)
{
	char text[1024];
	struct planned p;

	snprintf(text, sizeof(text), UPLINKS "%s", maps);
	planned_init(&p, text);
	if (memory)
		p.memory = *memory;
	planned_make(&p);
	assert_non_null(p.plan);
	map_changes_planned(c, p.plan, now_ms);
	planned_fini(&p);
}

static void test_changes(void **state)
{
	static const struct {
		const char *maps;
		uint64_t web, mail;
	} plans[] = {
		{"maps: {web: {listen: 80/tcp, to: 192.168.0.2}, mail: {listen: 25/tcp, to: "
		 "192.168.0.3}}",
			0, 0},
		{"maps: {mail: {listen: 25/tcp, to: 192.168.0.3}, web: {listen: 80/tcp, to: "
		 "192.168.0.2}}",
			0, 0},
		{"maps: {web: {listen: 80/tcp, to: 192.168.0.4}, mail: {listen: 25/tcp, to: "
		 "192.168.0.3}}",
			3, 0},
		{"maps: {web: {listen: [80/tcp, 81/tcp], to: 192.168.0.4}}", 4, 0},
		{"maps: {web: {listen: [80/tcp, 81/tcp], to: 192.168.0.4}, "
		 "mail: {listen: 25/tcp, to: 192.168.0.3}}",
			4, 5}, /* one that went and came again is new */
		{"maps: {web: {listen: [80/tcp, 81/tcp], to: 192.168.0.4}, "
		 "mail: {listen: 25/tcp, to: 192.168.0.3, from: 9.9.9.0/24}}",
			4, 6},
		{"maps: {web: {listen: [80/tcp, 81/tcp], to: 192.168.0.4, on: one}, "
		 "mail: {listen: 25/tcp, to: 192.168.0.3, from: 9.9.9.0/24}}",
			7, 6},
	};
	struct map_changes *c = map_changes_new();

	assert_int_equal(map_changes_of(c, "web"), 0);
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		planned(c, plans[i].maps, NULL, i + 1);
		assert_int_equal(map_changes_of(c, "web"), plans[i].web);
		assert_int_equal(map_changes_of(c, "mail"), plans[i].mail);
	}
	map_changes_free(c);
	map_changes_free(NULL);
}

static void test_a_backend_that_goes_down(void **state)
{
	static const char maps[] =
		"maps: {web: {listen: 80/tcp, to: [192.168.0.2, 192.168.0.3], check: tcp}, "
		"mail: {listen: 25/tcp, to: 192.168.0.3}}";
	struct map_changes *c = map_changes_new();
	struct arena *a = arena_new();
	struct memory memory = {0};
	struct memory_down down = {.map = "web"};

	assert_int_equal(ip_parse("192.168.0.3", &down.backend), 0);
	vec_push(a, &memory.learned.downs, down);
	planned(c, maps, NULL, 1);
	planned(c, maps, &memory, 2);
	assert_int_equal(map_changes_of(c, "web"), 2);
	assert_int_equal(map_changes_of(c, "mail"), 0);
	planned(c, maps, &memory, 3);
	assert_int_equal(map_changes_of(c, "web"), 2);
	planned(c, maps, NULL, 4);
	assert_int_equal(map_changes_of(c, "web"), 4);
	arena_free(a);
	map_changes_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_a_backend_that_goes_down),
	};

	return cmocka_run_group_tests_name("daemon/map_changes", tests, NULL, NULL);
}
