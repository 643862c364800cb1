/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts about other tools: networkd's settings in all their places, iptables-legacy in a namespace. */
#include "fake_root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/facts.h"
#include "kernel/nft.h"

static void check(bool rules, bool routes)
{
	bool keeps_rules, keeps_routes;

	kernel_networkd_settings(root, &keeps_rules, &keeps_routes);
	assert_int_equal(keeps_rules, rules);
	assert_int_equal(keeps_routes, routes);
}

static void test_networkd_settings(void **state)
{
	check(false, false); /* no file at all */
	put("/etc/systemd/networkd.conf", "[Network]\\n#ManageForeignRoutes=no\\nSpeedMeter=no\\n");
	check(false, false);
	put("/usr/lib/systemd/networkd.conf.d/20-a.conf", "[Network]\\nManageForeignRoutes=no\\n");
	check(false, true);
	/* The same name in /etc hides it. */
	put("/etc/systemd/networkd.conf.d/20-a.conf",
		"[Network]\\nManageForeignRoutingPolicyRules = off \\n");
	check(true, false);
	/* A later name wins, wherever it is. */
	put("/run/systemd/networkd.conf.d/30-b.conf", "[Other]\\nManageForeignRoutes=no\\n[Network]"
						      "\\nManageForeignRoutingPolicyRules=yes\\n");
	check(false, false);
	/* The drop-in that the finding advises. */
	put("/etc/systemd/networkd.conf.d/portreeve.conf",
		"[Network]\\nManageForeignRoutingPolicyRules=no\\nManageForeignRoutes=no\\n");
	check(true, true);
	put("/etc/systemd/networkd.conf.d/portreeve.conf.bak",
		"[Network]\\nManageForeignRoutes=yes\\n");
	check(true, true);
}

static void test_legacy(void **state)
{
	struct foreign_facts facts;
	struct arena *a = arena_new();
	struct kernel *k;

	NEEDS_NAMESPACE();
	k = open_kernel();
	kernel_facts(k, a, &facts);
	assert_false(facts.legacy_filter[0] || facts.legacy_filter[1]);
	assert_null(facts.legacy_filter_text[0]);
	assert_false(facts.networkd_running); /* not in this namespace */
	if (system("iptables-legacy -w -P FORWARD DROP") == 0) {
		kernel_facts(k, a, &facts);
		assert_true(facts.legacy_filter[0]);
		assert_false(facts.legacy_filter[1]);
		assert_non_null(strstr(facts.legacy_filter_text[0], "\n:FORWARD DROP"));
	} else {
		print_message("# SKIP: this kernel has no iptables-legacy\n");
	}
	kernel_close(k);
	arena_free(a);
}

/* Also by one who may not look at the namespaces of others. */
static void test_processes(void **state)
{
	struct kernel *k;
	char parent[16];
	int status;
	pid_t pid;

	NEEDS_NAMESPACE();
	k = open_kernel();
	assert_int_equal(kernel_has_process(k, "self"), 1);
	assert_int_equal(kernel_has_process(k, "1"), 0);
	assert_int_equal(kernel_has_process(k, "999999999"), -ENOENT);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	pid = fork();
	if (pid == 0)
		_exit(setresuid(65534, 65534, 65534) == 0 && access("/proc/1/ns/net", F_OK) < 0 &&
					errno == EACCES && kernel_has_process(k, parent) == 1 &&
					kernel_has_process(k, "1") == 0
				? 0
				: 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	kernel_close(k);
}

static void test_foreign_sets(void **state)
{
	struct nft_ruleset seen = {0};
	struct kernel_error e = {0};
	struct arena *a = arena_new();
	struct kernel *k;
	struct nft_set *s;

	NEEDS_NAMESPACE();
	k = open_kernel();
	sh("nft 'add table inet t; add set inet t s { type ipv4_addr; elements = { 1.2.3.4, "
	   "5.6.7.8 } }; "
	   "add table inet portreeve; add set inet portreeve s { type ipv4_addr; elements = { "
	   "1.2.3.4 } }'");
	ok(kernel_nft_observe(k, a, false, &seen, &e), e);
	kernel_foreign_sets(k, a, &seen);
	s = nft_set_find_named(nft_table_find(&seen, FAMILY_INET, "t"), "s");
	assert_int_equal(s->len, 2);
	assert_false(s->flags & SET_INCOMPLETE);
	s = nft_set_find_named(nft_table_find(&seen, FAMILY_INET, "portreeve"), "s");
	assert_true(s->flags & SET_INCOMPLETE);
	kernel_close(k);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(test_networkd_settings),
		cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_foreign_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
