/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hook: real commands, also such that hang, flood and leave things behind. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/hook.h"
#include "daemon/spawner.h"
#include "ends.h"

/* ---- a daemon of which there is just enough ---- */

struct fixture {
	struct daemon daemon;
	struct daemon_config config;
	struct model model;
	const char *words[LIMIT_HOOK];
	char dir[64]; /* a place for files */
	char script[2048];
};

static void start(struct fixture *f, uint32_t timeout_ms)
{
	memset(f, 0, sizeof(*f));
	f->daemon.hooks = spawner_new("hooks");
	assert_non_null(f->daemon.hooks);
	f->daemon.base = event_base_new();
	f->daemon.journal = journal_new(true);
	f->daemon.config = &f->config;
	f->config.model = &f->model;
	f->model.hook_timeout_ms = timeout_ms;
	f->model.hook.items = f->words;
	strcpy(f->dir, "/tmp/portreeve-hook-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
}

/* The hook is a shell script; in it, $D is the fixture's directory. */
static void script(struct fixture *f, const char *text)
{
	snprintf(f->script, sizeof(f->script), "D=%s\n%s", f->dir, text);
	f->words[0] = "/bin/sh";
	f->words[1] = "-c";
	f->words[2] = f->script;
	f->model.hook.len = 3;
}

static void stop(struct fixture *f)
{
	char command[100];

	hook_stop(&f->daemon);
	assert_null(f->daemon.hook);
	spawner_free(f->daemon.hooks);
	journal_free(f->daemon.journal);
	event_base_free(f->daemon.base);
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
}

static void loop_for(struct fixture *f, unsigned int ms)
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	event_base_loopexit(f->daemon.base, &tv);
	event_base_dispatch(f->daemon.base);
}

/* Until so many runs are over, however they ended; at most ten seconds. */
static void loop_until(struct fixture *f, uint64_t runs)
{
	static const char *const ends[] = {"hook-done", "hook-failed", "hook-killed"};
	uint64_t n = 0;

	for (int i = 0; i < 1000; i++) {
		n = 0;
		for (size_t e = 0; e < 3; e++)
			n += journal_count(f->daemon.journal, ends[e]);
		if (n >= runs)
			return;
		loop_for(f, 10);
	}
	fail_msg("%d of %d runs are over", (int)n, (int)runs);
}

static void run(struct fixture *f, const char *subject, const char *state)
{
	const struct hook_variable env[] = {{"PORTREEVE_EVENT", "uplink-down"},
		{"PORTREEVE_UPLINK", subject}, {"PORTREEVE_STATE", state},
		{"PORTREEVE_REASON", "no $(carrier); \"rm -rf /\"\nand more"}};

	hook_run(&f->daemon, subject, env, sizeof(env) / sizeof(env[0]));
}

/* A file in the fixture's directory as text; "" where there is none. */
static const char *file(struct fixture *f, const char *name, char out[4096])
{
	char path[128];
	size_t n = 0;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	in = fopen(path, "r");
	if (in) {
		n = fread(out, 1, 4095, in);
		fclose(in);
	}
	out[n] = '\0';
	return out;
}

struct lines {
	char text[16384];
	size_t n;
};

static bool add_line(const struct journal_event *e, void *data)
{
	struct lines *l = data;
	size_t len = strlen(l->text);

	if (strcmp(e->kind, "hook-output") == 0) {
		l->n++;
		snprintf(l->text + len, sizeof(l->text) - len, "%s|",
			json_string_value(json_object_get(e->fields, "message")));
	}
	return true;
}

static const char *output(struct fixture *f, struct lines *l)
{
	memset(l, 0, sizeof(*l));
	journal_since(f->daemon.journal, 0, add_line, l);
	return l->text;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- tests ---- */

static void test_environment(void **state)
{
	struct fixture f;
	char text[4096];
	int own = dup(0); /* one of ours that exec() would leave open */

	start(&f, 5000);
	script(&f, "env | sort | grep -v '^PWD=\\|^_=\\|^SHLVL=' >$D/env; readlink /proc/self/fd/0 "
		   ">$D/in;"
		   "ls /proc/self/fd | sort -n | tr '\\n' ' ' >$D/fds; ps -o pgid= -p $$ >$D/group;"
		   "echo $$ >$D/pid");
	setenv("SECRET", "must not be seen", 1);
	run(&f, "unicom", "down");
	loop_until(&f, 1);
	file(&f, "env", text);
	assert_non_null(strstr(text, "PORTREEVE_EVENT=uplink-down\n"));
	assert_non_null(strstr(text, "PORTREEVE_UPLINK=unicom\n"));
	assert_non_null(strstr(text, "PORTREEVE_STATE=down\n"));
	assert_non_null(strstr(text, "PORTREEVE_REASON=no $(carrier); \"rm -rf /\"\n"));
	assert_non_null(strstr(text, "PATH="));
	assert_null(strstr(text, "SECRET"));
	assert_string_equal(file(&f, "in", text), "/dev/null\n");
	assert_string_equal(file(&f, "fds", text), "0 1 2 3 "); /* 3 is that of ls itself */
	file(&f, "pid", text);
	assert_int_equal(strtol(text, NULL, 10), strtol(file(&f, "group", text), NULL, 10));
	assert_int_equal(journal_count(f.daemon.journal, "hook-done"), 1);
	unsetenv("SECRET");
	close(own);
	stop(&f);
}

static void test_no_shell(void **state)
{
	struct fixture f;
	struct lines l;

	start(&f, 5000);
	f.words[0] = "/bin/echo";
	f.words[1] = "$(id); `id` * ~";
	f.words[2] = "two  words";
	f.model.hook.len = 3;
	run(&f, "unicom", "down");
	loop_until(&f, 1);
	assert_string_equal(output(&f, &l), "$(id); `id` * ~ two  words|");
	stop(&f);
}

static void test_no_hook(void **state)
{
	struct fixture f;

	start(&f, 5000);
	run(&f, "unicom", "down");
	loop_for(&f, 50);
	assert_int_equal(journal_last(f.daemon.journal), 0);
	stop(&f);
}

static void test_failures(void **state)
{
	struct fixture f;

	start(&f, 5000);
	f.words[0] = "/no/such/command";
	f.model.hook.len = 1;
	run(&f, "unicom", "down");
	loop_until(&f, 1);
	assert_int_equal(journal_count(f.daemon.journal, "hook-failed"), 1);
	script(&f, "exit 3");
	run(&f, "unicom", "up");
	loop_until(&f, 2);
	assert_int_equal(journal_count(f.daemon.journal, "hook-failed"), 2);
	script(&f, "kill -9 $$");
	run(&f, "unicom", "down");
	loop_until(&f, 3);
	assert_int_equal(journal_count(f.daemon.journal, "hook-failed"), 3);
	script(&f, "true"); /* after all that it still works */
	run(&f, "unicom", "up");
	loop_until(&f, 4);
	assert_int_equal(journal_count(f.daemon.journal, "hook-done"), 1);
	stop(&f);
}

static bool alive(struct fixture *f, const char *name)
{
	char text[4096];
	pid_t pid = (pid_t)strtol(file(f, name, text), NULL, 10);

	assert_int_not_equal(pid, 0);
	return !ends(pid);
}

/* One that hangs is killed with all that it started, and the next one has its turn. */
static void test_hang(void **state)
{
	struct fixture f;
	uint64_t began;

	start(&f, 400);
	script(&f, "trap '' TERM HUP INT; echo $$ >$D/pid; sleep 100 & echo $! >$D/child;"
		   "case $PORTREEVE_UPLINK in unicom) while :; do sleep 100; done; esac");
	began = now_ms();
	run(&f, "unicom", "down");
	run(&f, "telecom", "down");
	loop_until(&f, 1);
	assert_in_range(now_ms() - began, 390, 3000);
	assert_int_equal(journal_count(f.daemon.journal, "hook-killed"), 1);
	assert_false(alive(&f, "pid"));
	assert_false(alive(&f, "child"));
	loop_until(&f, 2);
	assert_int_equal(journal_count(f.daemon.journal, "hook-done"), 1);
	assert_false(alive(&f, "child")); /* left behind by one that ended in time */
	stop(&f);
}

static void test_flood(void **state)
{
	struct fixture f;
	struct lines l;
	uint64_t began;
	unsigned int turns = 0;

	start(&f, 600);
	script(&f, "yes 'this is said again and again'");
	began = now_ms();
	run(&f, "unicom", "down");
	while (!journal_count(f.daemon.journal, "hook-killed") && now_ms() - began < 5000) {
		loop_for(&f, 5); /* the loop goes on meanwhile */
		turns++;
	}
	assert_int_equal(journal_count(f.daemon.journal, "hook-killed"), 1);
	assert_in_range(turns, 20, 1000);
	output(&f, &l);
	assert_in_range(strlen(l.text), 4000, 5200);
	assert_non_null(strstr(l.text, "further output of the hook is not noted|"));
	stop(&f);
}

static void test_strange_output(void **state)
{
	struct fixture f;
	struct lines l;

	start(&f, 5000);
	script(&f,
		"printf 'a\\001\\377\\033b\\n\\n\\ntail without end'; printf 'error' >&2; exit 0");
	run(&f, "unicom", "down");
	loop_until(&f, 1);
	assert_string_equal(output(&f, &l), "a???b|tail without enderror|");
	script(&f, "head -c 1000 /dev/zero | tr '\\0' x");
	run(&f, "unicom", "down");
	loop_until(&f, 2);
	output(&f, &l);
	assert_int_equal(l.n, 2 + 4); /* a long line in pieces */
	stop(&f);
}

/* One at a time, in order, and of a subject only the newest. */
static void test_queue(void **state)
{
	struct fixture f;
	char text[4096];

	start(&f, 5000);
	script(&f, "echo $PORTREEVE_UPLINK $PORTREEVE_STATE begins >>$D/log; sleep 0.1;"
		   "echo ends >>$D/log");
	run(&f, "a", "down");
	run(&f, "b", "down");
	run(&f, "c", "down");
	run(&f, "a", "up");
	run(&f, "b", "degraded");
	run(&f, "b", "up");
	loop_until(&f, 4);
	loop_for(&f, 200);
	assert_string_equal(file(&f, "log", text),
		"a down begins\nends\nb up begins\nends\nc down begins\nends\na up begins\nends\n");
	stop(&f);
}

static void test_too_many_wait(void **state)
{
	struct fixture f;

	start(&f, 5000);
	script(&f, "sleep 100");
	for (int i = 0; i < 1100; i++) {
		char subject[16];

		snprintf(subject, sizeof(subject), "map%d", i);
		run(&f, subject, "down");
	}
	assert_int_equal(journal_count(f.daemon.journal, "hook-dropped"), 1100 - 1 - 1024);
	stop(&f);
}

static void test_stop_kills(void **state)
{
	struct fixture f;
	char text[4096];
	pid_t pid;

	start(&f, 60000);
	script(&f, "echo $$ >$D/pid; exec sleep 100");
	run(&f, "unicom", "down");
	run(&f, "telecom", "down");
	for (int i = 0; i < 500 && !*file(&f, "pid", text); i++)
		loop_for(&f, 10);
	pid = (pid_t)strtol(file(&f, "pid", text), NULL, 10);
	assert_int_not_equal(pid, 0);
	assert_int_equal(kill(pid, 0), 0);
	stop(&f);
	assert_true(ends(pid));
}

/* The process that starts it is gone: that is said, and nothing else breaks. */
static void test_no_spawner(void **state)
{
	struct fixture f;

	start(&f, 5000);
	script(&f, "kill -9 $PPID; sleep 0.2");
	run(&f, "unicom", "down");
	loop_until(&f, 1);
	run(&f, "telecom", "down");
	run(&f, "telecom", "up");
	assert_int_equal(journal_count(f.daemon.journal, "hook-failed"), 3);
	stop(&f);
}

static unsigned int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void test_nothing_leaks(void **state)
{
	struct fixture f;
	unsigned int before;

	start(&f, 5000);
	script(&f, "echo hello");
	run(&f, "unicom", "down");
	loop_until(&f, 1);
	before = open_files();
	for (uint64_t i = 0; i < 20; i++) {
		run(&f, "unicom", "down");
		loop_until(&f, i + 2);
	}
	assert_int_equal(open_files(), before);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_no_shell),
		cmocka_unit_test(test_no_hook),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_hang),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_strange_output),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_too_many_wait),
		cmocka_unit_test(test_stop_kills),
		cmocka_unit_test(test_no_spawner),
		cmocka_unit_test(test_nothing_leaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
