/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory's second copy: round trip, damage, namespaces; and the lock. */
#include "netns.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kernel/memory.h"

struct fixture {
	struct arena *a;
	struct kernel *k;
	char run[64];
};

static void begin(struct fixture *f)
{
	f->a = arena_new();
	f->k = open_kernel();
	strcpy(f->run, "/tmp/portreeve-memory-XXXXXX");
	assert_non_null(mkdtemp(f->run));
	/* Made by the first save. */
	assert_int_equal(rmdir(f->run), 0);
	setenv("PORTREEVE_RUN_DIR", f->run, 1);
}

static void end(struct fixture *f)
{
	unsetenv("PORTREEVE_RUN_DIR");
	sh("rm -rf %s", f->run);
	kernel_close(f->k);
	arena_free(f->a);
}

/* The only memory file's name, in @path; returns how many there are. */
static size_t memory_files(const struct fixture *f, char *path, size_t size)
{
	DIR *dir = opendir(f->run);
	struct dirent *entry;
	size_t n = 0;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "memory-", 7) != 0)
			continue;
		snprintf(path, size, "%s/%s", f->run, entry->d_name);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

static void remember(struct arena *a, struct memory *m)
{
	vec_push(a, &m->sysctls, ((struct memory_sysctl){"net.ipv4.conf.lan/7.rp_filter", "1"}));
	vec_push(a, &m->sysctls, ((struct memory_sysctl){"net.ipv4.ping_group_range", "1\t0"}));
	vec_push(a, &m->sysctls, ((struct memory_sysctl){"net.ipv4.tcp_x", ""}));
	vec_push(a, &m->numbers, ((struct memory_number){"telecom", 1}));
	vec_push(a, &m->numbers, ((struct memory_number){"the other line", 127}));
	vec_push(a, &m->learned.returns,
		((struct memory_return){{IP_V4, {192, 168, 0, 2}}, RETURN_DIRECT, "back by eth2"}));
	vec_push(a, &m->learned.returns,
		((struct memory_return){{IP_V6, {0xfd, [15] = 2}}, RETURN_SNAT, ""}));
	vec_push(a, &m->learned.downs,
		((struct memory_down){"web", {IP_V4, {192, 168, 0, 3}}, 8080}));
	vec_push(a, &m->learned.downs,
		((struct memory_down){"mail.6", {IP_V6, {0xfd, [15] = 3}}, 0}));
}

static void assert_same(const struct memory *x, const struct memory *y)
{
	assert_int_equal(x->sysctls.len, y->sysctls.len);
	assert_int_equal(x->numbers.len, y->numbers.len);
	for (size_t i = 0; i < x->sysctls.len; i++) {
		assert_string_equal(x->sysctls.items[i].key, y->sysctls.items[i].key);
		assert_string_equal(x->sysctls.items[i].value, y->sysctls.items[i].value);
	}
	for (size_t i = 0; i < x->numbers.len; i++) {
		assert_string_equal(x->numbers.items[i].uplink, y->numbers.items[i].uplink);
		assert_int_equal(x->numbers.items[i].number, y->numbers.items[i].number);
	}
	assert_int_equal(x->learned.returns.len, y->learned.returns.len);
	assert_int_equal(x->learned.downs.len, y->learned.downs.len);
	for (size_t i = 0; i < x->learned.returns.len; i++) {
		const struct memory_return *p = &x->learned.returns.items[i],
					   *q = &y->learned.returns.items[i];

		assert_true(ip_equal(&p->backend, &q->backend));
		assert_int_equal(p->mode, q->mode);
		assert_string_equal(p->reason, q->reason);
	}
	for (size_t i = 0; i < x->learned.downs.len; i++) {
		const struct memory_down *p = &x->learned.downs.items[i],
					 *q = &y->learned.downs.items[i];

		assert_string_equal(p->map, q->map);
		assert_true(ip_equal(&p->backend, &q->backend));
		assert_int_equal(p->port, q->port);
	}
}

static void test_round_trip(void **state)
{
	struct memory m = {0}, back = {0}, second = {0}, none = {0};
	char path[512], text[512] = "";
	struct fixture f;
	struct stat st;
	FILE *file;

	begin(&f);
	/* Nothing was ever saved: empty, and looking makes nothing. */
	assert_int_equal(kernel_memory_load(f.k, f.a, &none), 0);
	assert_int_equal(none.sysctls.len + none.numbers.len, 0);
	assert_int_equal(kernel_memory_remove(f.k), 0);
	assert_int_equal(stat(f.run, &st), -1);

	remember(f.a, &m);
	assert_int_equal(kernel_memory_save(f.k, &m), 0);
	assert_int_equal(stat(f.run, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(memory_files(&f, path, sizeof(path)), 1);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_string_equal(text, "sysctl net.ipv4.conf.lan/7.rp_filter=1\n"
				  "sysctl net.ipv4.ping_group_range=1\t0\n"
				  "sysctl net.ipv4.tcp_x=\n"
				  "number 1 telecom\n"
				  "number 127 the other line\n"
				  "return 192.168.0.2 direct back by eth2\n"
				  "return fd00::2 snat \n"
				  "down 192.168.0.3 8080 web\n"
				  "down fd00::3 0 mail.6\n");
	assert_int_equal(kernel_memory_load(f.k, f.a, &back), 0);
	assert_same(&m, &back);

	/* Saving again replaces, and leaves no temporary file behind. */
	m.sysctls.len = 1;
	assert_int_equal(kernel_memory_save(f.k, &m), 0);
	assert_int_equal(memory_files(&f, path, sizeof(path)), 1);
	assert_int_equal(kernel_memory_load(f.k, f.a, &second), 0);
	assert_same(&m, &second);

	assert_int_equal(kernel_memory_remove(f.k), 0);
	assert_int_equal(memory_files(&f, path, sizeof(path)), 0);
	end(&f);
}

/* What would not come back as it went in is refused, and the old file stays. */
static void test_unwritable(void **state)
{
	static const struct memory_sysctl bad[] = {
		{"net.a\nnumber 1 x", "1"}, {"net.a", "1\n2"}, {"net=a", "1"}, {"net a", "1"}};
	struct memory m = {0}, back = {0};
	struct fixture f;

	begin(&f);
	remember(f.a, &m);
	assert_int_equal(kernel_memory_save(f.k, &m), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct memory broken = {0};

		vec_push(f.a, &broken.sysctls, bad[i]);
		assert_int_equal(kernel_memory_save(f.k, &broken), -EINVAL);
	}
	for (int of_map = 0; of_map < 2; of_map++) {
		struct memory broken = {0};

		if (of_map)
			vec_push(f.a, &broken.learned.downs, ((struct memory_down){.map = "a\nb"}));
		else
			vec_push(f.a, &broken.learned.returns,
				((struct memory_return){.reason = "a\nb"}));
		assert_int_equal(kernel_memory_save(f.k, &broken), -EINVAL);
	}
	assert_int_equal(kernel_memory_load(f.k, f.a, &back), 0);
	assert_same(&m, &back);
	end(&f);
}

static void test_malformed(void **state)
{
	static const char text[] = "sysctl net.ipv4.ip_forward=0\n"
				   "sysctl without-a-value\n"
				   "sysctl =1\n"
				   "number x telecom\n"
				   "number 4294967296 telecom\n"
				   "number -1 telecom\n"
				   "number 0 telecom\n"
				   "number 3\n"
				   "number 3 \n"
				   "\n"
				   "colour blue\n"
				   "number 2 unicom\n"
				   "number 5 cut";
	struct memory m = {0}, back = {0};
	struct fixture f;
	char path[512];
	FILE *file;

	begin(&f);
	assert_int_equal(kernel_memory_save(f.k, &m), 0);
	assert_int_equal(memory_files(&f, path, sizeof(path)), 1);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(kernel_memory_load(f.k, f.a, &back), 11);
	assert_int_equal(back.sysctls.len, 1);
	assert_string_equal(back.sysctls.items[0].value, "0");
	assert_int_equal(back.numbers.len, 1);
	assert_string_equal(back.numbers.items[0].uplink, "unicom");
	assert_int_equal(back.numbers.items[0].number, 2);
	end(&f);
}

/* A later namespace gets the same inode number, but must not get the memory. */
static void test_namespaces(void **state)
{
	struct memory m = {0}, back = {0};
	struct fixture f;
	uint64_t cookie;
	char path[512];

	NEEDS_NAMESPACE();
	begin(&f);
	remember(f.a, &m);
	assert_int_equal(kernel_memory_save(f.k, &m), 0);
	cookie = f.k->netns_cookie;
	kernel_close(f.k);
	NEEDS_NAMESPACE();
	f.k = open_kernel();
	assert_int_not_equal(f.k->netns_cookie, cookie);
	assert_int_equal(kernel_memory_load(f.k, f.a, &back), 0);
	assert_int_equal(back.sysctls.len + back.numbers.len, 0);
	assert_int_equal(kernel_memory_save(f.k, &m), 0);
	assert_int_equal(memory_files(&f, path, sizeof(path)), 2);
	end(&f);
}

/* Takes the lock in a child, which then waits to be told to go. */
static pid_t hold_elsewhere(struct fixture *f, int go[2])
{
	int ready[2], fd;
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		if (kernel_lock(f->k, &fd) < 0)
			_exit(1);
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		_exit(read(go[0], &c, 1) < 0);
	}
	close(go[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void test_lock(void **state)
{
	int go[2], fd = -1, second, status;
	struct fixture f;
	pid_t pid;

	begin(&f);
	pid = hold_elsewhere(&f, go);
	assert_int_equal(kernel_try_lock(f.k, &fd), -EWOULDBLOCK);
	assert_int_equal(fd, -1);
	/* It ends, and with it the lock; until then this waits. */
	assert_int_equal(write(go[1], "", 1), 1);
	close(go[1]);
	assert_int_equal(kernel_lock(f.k, &fd), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
	assert_int_equal(kernel_try_lock(f.k, &fd), 0);
	assert_int_equal(kernel_try_lock(f.k, &second), -EWOULDBLOCK);
	close(fd);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_unwritable),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
