/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The spawner: requests as bytes, and the process that runs them, whatever ends first. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/spawner.h"
#include "ends.h"

/* ---- bytes ---- */

static char bytes[SPAWNER_BYTES];

static struct spawner_request sample(void)
{
	return (struct spawner_request){
		.argv = {"/bin/echo", "", "two  words"}, .env = {"A=1", "B="}, .limit_ms = 500};
}

static void test_there_and_back(void **state)
{
	struct spawner_request in = sample(), out;
	size_t len = spawner_encode(&in, bytes);

	assert_true(spawner_decode(bytes, len, &out));
	assert_int_equal(out.limit_ms, 500);
	assert_string_equal(out.argv[0], "/bin/echo");
	assert_string_equal(out.argv[1], "");
	assert_string_equal(out.argv[2], "two  words");
	assert_null(out.argv[3]);
	assert_string_equal(out.env[1], "B=");
	assert_null(out.env[2]);
	for (size_t cut = 0; cut < len; cut++)
		assert_false(spawner_decode(bytes, cut, &out));
	assert_false(spawner_decode(bytes, len + 1, &out));
}

static void test_what_is_refused(void **state)
{
	static const struct {
		uint32_t limit_ms, n_args, n_env;
		const char *strings;
		size_t len;
	} wrong[] = {
		{0, 1, 0, "/a", 3},
		{SPAWNER_LIMIT_MS + 1, 1, 0, "/a", 3},
		{1, 0, 0, "", 0},
		{1, 0, 1, "A=1", 4},
		{1, 1, 0, "a", 2},     /* looked for in no path */
		{1, 1, 0, "/a", 2},    /* its end is missing */
		{1, 2, 0, "/a", 3},    /* so is the second */
		{1, 1, 0, "/a\0b", 5}, /* one too many */
		{1, UINT32_MAX, 2, "/a", 3},
		{1, 1, UINT32_MAX, "/a", 3},
		{1, SPAWNER_ARGS + 1, 0,
			"/\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
			"\0\0\0",
			SPAWNER_ARGS + 2},
	};
	struct spawner_request out;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memcpy(bytes, &wrong[i].limit_ms, 4);
		memcpy(bytes + 4, &wrong[i].n_args, 4);
		memcpy(bytes + 8, &wrong[i].n_env, 4);
		memcpy(bytes + 12, wrong[i].strings, wrong[i].len);
		if (spawner_decode(bytes, 12 + wrong[i].len, &out))
			fail_msg("row %zu was taken", i);
	}
}

static void test_too_large(void **state)
{
	struct spawner_request r = sample();
	char *word = malloc(SPAWNER_BYTES);

	memset(word, 'x', SPAWNER_BYTES - 1);
	word[SPAWNER_BYTES - 1] = '\0';
	r.argv[1] = word;
	assert_int_equal(spawner_encode(&r, bytes), 0);
	word[SPAWNER_BYTES - 100] = '\0';
	assert_int_not_equal(spawner_encode(&r, bytes), 0);
	free(word);
}

/* ---- the process ---- */

struct fixture {
	struct spawner *spawner;
	int out; /* what the commands print */
	int in;
};

static void open_all(struct fixture *f)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	f->out = ends[0];
	f->in = ends[1];
	f->spawner = spawner_new("pr-test");
	assert_non_null(f->spawner);
}

static void close_all(struct fixture *f)
{
	spawner_free(f->spawner);
	close(f->out);
	close(f->in);
}

static void shell(struct fixture *f, const char *text, uint32_t limit_ms)
{
	struct spawner_request r = {
		.argv = {"/bin/sh", "-c", text}, .env = {"GREETING=hello"}, .limit_ms = limit_ms};

	assert_int_equal(spawner_start(f->spawner, &r, f->in), 0);
}

static struct spawner_answer answer(struct fixture *f)
{
	struct pollfd p = {spawner_fd(f->spawner), POLLIN, 0};
	struct spawner_answer a;

	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(spawner_answer(f->spawner, &a), 0);
	return a;
}

/* What was printed so far, of commands that are over or have printed a line. */
static const char *printed(struct fixture *f, char text[1024])
{
	ssize_t n = read(f->out, text, 1023);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_commands(void **state)
{
	struct fixture f;
	struct spawner_answer a;
	struct spawner_request missing = {.argv = {"/no/such/file"}, .limit_ms = 1000};
	char text[1024];

	open_all(&f);
	shell(&f, "echo $GREETING; env | wc -l; ls /proc/self/fd | tr '\\n' ' '; exit 3", 5000);
	a = answer(&f);
	assert_int_equal(a.err, 0);
	assert_false(a.late);
	assert_true(WIFEXITED(a.status));
	assert_int_equal(WEXITSTATUS(a.status), 3);
	printed(&f, text);
	assert_ptr_equal(strstr(text, "hello\n"), text);
	assert_non_null(strstr(text, "\n0 1 2 3 ")); /* 3 is that of ls itself */

	assert_int_equal(spawner_start(f.spawner, &missing, f.in), 0);
	assert_int_equal(answer(&f).err, ENOENT);
	shell(&f, "kill -9 $$", 5000);
	assert_int_equal(WTERMSIG(answer(&f).status), SIGKILL);
	/* Two that are asked for at once come one after the other. */
	shell(&f, "sleep 0.2; echo first", 5000);
	shell(&f, "echo second", 5000);
	answer(&f);
	answer(&f);
	assert_string_equal(printed(&f, text), "first\nsecond\n");
	close_all(&f);
}

/* The numbers that a command printed. */
static void read_pids(struct fixture *f, pid_t *pids, size_t n)
{
	char text[1024], *at = text;

	printed(f, text);
	for (size_t i = 0; i < n; i++) {
		pids[i] = (pid_t)strtol(at, &at, 10);
		assert_true(pids[i] > 1);
	}
}

static void test_late(void **state)
{
	struct fixture f;
	struct spawner_answer a;
	pid_t pids[2];

	open_all(&f);
	shell(&f, "trap '' TERM HUP INT; sleep 100 & echo $$ $!; while :; do sleep 100; done", 300);
	a = answer(&f);
	assert_true(a.late);
	read_pids(&f, pids, 2);
	assert_true(ends(pids[0]));
	assert_true(ends(pids[1]));
	/* What one that ends in time leaves in its group goes too. */
	shell(&f, "sleep 100 & echo $$ $!", 5000);
	assert_false(answer(&f).late);
	read_pids(&f, pids, 2);
	assert_true(ends(pids[1]));
	close_all(&f);
}

static void test_freed_while_one_runs(void **state)
{
	struct fixture f;
	pid_t pids[2];

	open_all(&f);
	shell(&f, "sleep 100 & echo $$ $!; wait", 60000);
	read_pids(&f, pids, 2);
	close_all(&f);
	assert_true(ends(pids[0]));
	assert_true(ends(pids[1]));
}

/* The daemon is killed: neither the spawner nor the command stays. */
static void test_its_owner_is_killed(void **state)
{
	struct fixture f;
	pid_t owner, pids[3];

	open_all(&f);
	owner = fork();
	if (owner == 0) {
		struct fixture own = f;

		own.spawner = spawner_new("pr-test-killed");
		shell(&own, "sleep 100 & echo $$ $! $PPID; wait", 60000);
		for (;;)
			pause();
	}
	read_pids(&f, pids, 3);
	kill(owner, SIGKILL);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	for (size_t i = 0; i < 3; i++)
		assert_true(ends(pids[i]));
	close_all(&f);
}

/* ^C, a terminal that goes, and a service manager that ends all: the daemon decides. */
static void test_signals_to_all(void **state)
{
	struct fixture f;
	pid_t spawner;

	open_all(&f);
	shell(&f, "echo $PPID", 5000);
	answer(&f);
	read_pids(&f, &spawner, 1);
	assert_int_equal(kill(spawner, SIGINT), 0);
	assert_int_equal(kill(spawner, SIGTERM), 0);
	assert_int_equal(kill(spawner, SIGHUP), 0);
	/* The command itself has the signals as they are by default. */
	shell(&f, "kill -TERM $$; echo survived", 5000);
	assert_int_equal(WTERMSIG(answer(&f).status), SIGTERM);
	close_all(&f);
}

static void test_it_holds_nothing_else(void **state)
{
	struct fixture f;
	char text[1024], path[64];
	pid_t spawner;
	int own = dup(0);

	open_all(&f);
	shell(&f, "echo $PPID", 5000);
	answer(&f);
	read_pids(&f, &spawner, 1);
	snprintf(path, sizeof(path), "ls /proc/%d/fd | tr '\\n' ' '", (int)spawner);
	/* Its own pidfd of the command that looks is among them. */
	shell(&f, path, 5000);
	answer(&f);
	assert_string_equal(printed(&f, text), "0 1 2 3 4 ");
	snprintf(path, sizeof(path), "readlink /proc/%d/fd/1", (int)spawner);
	shell(&f, path, 5000);
	answer(&f);
	assert_string_equal(printed(&f, text), "/dev/null\n");
	close(own);
	close_all(&f);
}

/* Bytes that are no request, and one without a descriptor, are answered as such. */
static void test_nonsense(void **state)
{
	struct spawner_request r = sample();
	struct fixture f;
	size_t len;

	open_all(&f);
	assert_int_equal(send(spawner_fd(f.spawner), "nonsense", 8, 0), 8);
	assert_int_equal(answer(&f).err, EINVAL);
	len = spawner_encode(&r, bytes);
	assert_int_equal(send(spawner_fd(f.spawner), bytes, len, 0), len);
	assert_int_equal(answer(&f).err, EINVAL);
	shell(&f, "true", 5000);
	assert_int_equal(answer(&f).err, 0);
	close_all(&f);
}

/* ---- for kernel/legacy.h ---- */

static void test_runner(void **state)
{
	const struct kernel_runner *r;
	struct fixture f;
	char text[1024];

	open_all(&f);
	r = spawner_runner(f.spawner);
	assert_int_equal(r->start(r->data, "echo output", f.in), 0);
	assert_int_equal(r->finish(r->data), 0);
	assert_string_equal(printed(&f, text), "output\n");
	assert_int_equal(r->start(r->data, "exit 1", f.in), 0);
	assert_int_equal(r->finish(r->data), -EIO);
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_freed_while_one_runs),
		cmocka_unit_test(test_its_owner_is_killed),
		cmocka_unit_test(test_signals_to_all),
		cmocka_unit_test(test_it_holds_nothing_else),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_runner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
