/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which interface gets which program of the fast path, on links of every kind. */
#include "netns.h"

#include "kernel/fastpath.h"
#include "kernel/observe.h"

struct fixture {
	struct arena *a;
	struct kernel *k;
	struct fastpath *path;
	struct netstate seen;
	struct model model;
	struct plan plan;
	struct kernel_error e;
};

/* eth0 and eth1 do XDP, eth2 does not, ppp0 has no Ethernet frames. */
static void begin(struct fixture *f)
{
	int err;

	memset(f, 0, sizeof(*f));
	sh("for i in 0 1; do ip link add eth$i type veth peer name end$i && ip link set eth$i up "
	   "&& ip link set end$i up || exit 1; done; ip link add eth2 type bridge && "
	   "ip link set eth2 up && ip tuntap add ppp0 mode tun && ip link set ppp0 up");
	f->a = arena_new();
	f->k = open_kernel();
	f->model.mark_mask = 0xff000000;
	f->plan.model = &f->model;
	f->plan.seen = &f->seen;
	err = fastpath_new(f->k, 1024, &f->path, &f->e);
	if (err == -EOPNOTSUPP || err == -EPERM) {
		print_message("# SKIP: no fast path here: %s\n", f->e.text);
		skip();
	}
	ok(err, f->e);
}

static void end(struct fixture *f)
{
	size_t removed;

	fastpath_free(f->path);
	ok(fastpath_remove(f->k, &removed, &f->e), f->e);
	kernel_close(f->k);
	arena_free(f->a);
}

static void want(struct fixture *f, const char *interface, enum fastpath_mode mode)
{
	*vec_add(f->a, &f->plan.fastpaths) =
		(struct plan_fastpath){.interface = interface, .mode = mode};
}

/* Put what is wanted, once more; links made here pass for network cards. */
static void put(struct fixture *f)
{
	memset(&f->seen, 0, sizeof(f->seen));
	ok(kernel_observe_network(f->k, f->a, &f->seen, &f->e), f->e);
	VEC_EACH (&f->seen.links, struct net_link, l)
		l->kind = NULL;
	ok(fastpath_put(f->path, &f->plan, &f->e), f->e);
}

static const struct fastpath_interface *is(const struct fixture *f, const char *name)
{
	const struct fastpath_interface *one = NULL;

	for (size_t i = 0; (one = fastpath_interface(f->path, i)); i++)
		if (strcmp(one->name, name) == 0)
			return one;
	fail_msg("%s is not there", name);
	return NULL;
}

/* The id of the program that is attached to @name, by what `ip` and `tc` show; 0: none. */
static int program(const char *name)
{
	char command[256], line[64] = "";
	FILE *p;

	snprintf(command, sizeof(command),
		"{ ip link show %s; tc filter show dev %s ingress; } 2>/dev/null | "
		"sed -n 's/.* id \\([0-9]*\\) .*/\\1/p'",
		name, name);
	p = popen(command, "r");
	assert_non_null(p);
	if (!fgets(line, sizeof(line), p))
		line[0] = '\0';
	pclose(p);
	return atoi(line);
}

static void test_auto(void **state)
{
	struct fixture f;

	(void)state;
	NEEDS_NAMESPACE();
	begin(&f);
	want(&f, "eth0", FASTPATH_AUTO);
	want(&f, "eth1", FASTPATH_AUTO);
	put(&f);
	assert_int_equal(is(&f, "eth0")->is, FASTPATH_XDP);
	assert_int_equal(is(&f, "eth1")->is, FASTPATH_XDP);
	assert_true(fastpath_stands(f.path));
	end(&f);
}

/* One that cannot have it makes it tc for all, and then they are left alone. */
static void test_auto_without_xdp(void **state)
{
	static const struct {
		const char *name, *why;
		enum fastpath_mode is;
	} cases[] = {{"eth2", "eth2: XDP", FASTPATH_TC},
		{"ppp0", "ppp0 is no Ethernet device", FASTPATH_OFF}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		int id;

		NEEDS_NAMESPACE();
		begin(&f);
		want(&f, "eth0", FASTPATH_AUTO);
		want(&f, cases[i].name, FASTPATH_AUTO);
		put(&f);
		assert_int_equal(is(&f, "eth0")->is, FASTPATH_TC);
		assert_non_null(strstr(is(&f, "eth0")->why, cases[i].why));
		assert_int_equal(is(&f, cases[i].name)->is, cases[i].is);
		id = program("eth0");
		assert_int_not_equal(id, 0);
		put(&f);
		assert_int_equal(program("eth0"), id);
		assert_non_null(strstr(is(&f, "eth0")->why, cases[i].why));
		assert_true(fastpath_stands(f.path));
		end(&f);
	}
}

/* What was refused leaves nothing behind of what was there before. */
static void test_refused(void **state)
{
	struct fixture f;

	(void)state;
	NEEDS_NAMESPACE();
	begin(&f);
	want(&f, "eth2", FASTPATH_TC);
	put(&f);
	assert_int_equal(is(&f, "eth2")->is, FASTPATH_TC);
	assert_int_not_equal(program("eth2"), 0);
	f.plan.fastpaths.items[0].mode = FASTPATH_XDP;
	put(&f);
	assert_int_equal(is(&f, "eth2")->is, FASTPATH_OFF);
	assert_int_equal(program("eth2"), 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_auto),
		cmocka_unit_test(test_auto_without_xdp),
		cmocka_unit_test(test_refused),
	};

	char dir[] = "/tmp/portreeve-test-XXXXXX";
	int failed;

	if (!mkdtemp(dir))
		return 1;
	setenv("PORTREEVE_RUN_DIR", dir, 1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	sh("rm -r %s", dir);
	return failed;
}
