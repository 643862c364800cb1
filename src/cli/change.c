/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands that change the kernel share. */
#include "cli/change.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "kernel/memory.h"
#include "kernel/state.h"

#define TRY_AGAIN_SECONDS 5

struct kernel *change_open(struct cli_context *c, int *lock)
{
	struct kernel *k = cli_kernel(c, true);
	int err;

	if (!k)
		return NULL;
	err = kernel_try_lock(k, lock);
	if (err == -EWOULDBLOCK) {
		fprintf(stderr, "waiting for another portreeve to finish\n");
		err = kernel_lock(k, lock);
	}
	if (err) {
		diag_error(&c->diag, NOWHERE, "cannot take the lock in the run directory: %s",
			strerror(-err));
		kernel_close(k);
		return NULL;
	}
	return k;
}

void change_close(struct kernel *k, int lock)
{
	close(lock);
	kernel_close(k);
}

int change_restore(struct kernel *k, struct arena *a, const char *text, size_t len,
	struct apply_report *report, struct diag *d)
{
	struct gateway_state s;
	struct model *m;
	int err;

	if (!text || !len)
		return gateway_remove(k, a, report, d);
	diag_source(d, "the kept config", text, len);
	m = config_load(a, text, len, d);
	if (!m)
		return -EINVAL;
	err = gateway_look(k, a, m, &s, d);
	if (!err && !s.plan)
		err = -EINVAL;
	return err ? err : gateway_apply(k, a, &s, report, d);
}

/* ---- report ---- */

static void print_count(size_t n, const char *one, const char *many, bool *any)
{
	if (!n)
		return;
	printf("%s%zu %s", *any ? ", " : "", n, n == 1 ? one : many);
	*any = true;
}

void change_print(const struct apply_report *r)
{
	bool any = false;

	if (!r->changed) {
		printf("nothing to do: the kernel already is as it should be\n");
		return;
	}
	printf("changed: ");
	print_count(r->routes, "route", "routes", &any);
	print_count(r->rules, "rule", "rules", &any);
	print_count(r->sysctls, "sysctl", "sysctls", &any);
	print_count(r->nft_changes, "nftables object in one transaction",
		"nftables objects in one transaction", &any);
	print_count(r->elements, "map element", "map elements", &any);
	printf("\n");
	if (r->connections)
		printf("deleted %zu connection%s that the change contradicts\n", r->connections,
			r->connections == 1 ? "" : "s");
}

json_t *change_json(const struct apply_report *r)
{
	json_t *j = json_object();

	json_object_set_new(j, "changed", json_boolean(r->changed));
	json_object_set_new(j, "routes", json_integer((json_int_t)r->routes));
	json_object_set_new(j, "rules", json_integer((json_int_t)r->rules));
	json_object_set_new(j, "sysctls", json_integer((json_int_t)r->sysctls));
	json_object_set_new(j, "nft", json_integer((json_int_t)r->nft_changes));
	json_object_set_new(j, "elements", json_integer((json_int_t)r->elements));
	json_object_set_new(j, "connections_deleted", json_integer((json_int_t)r->connections));
	return j;
}

int change_back(struct cli_context *c,
	int (*step)(struct cli_context *c, struct kernel *k, struct apply_report *report))
{
	int lock, code = CLI_SYSTEM;
	struct kernel *k = change_open(c, &lock);
	struct apply_report report = {0};
	json_t *answer = NULL;

	if (k) {
		code = step(c, k, &report);
		change_close(k, lock);
	}
	if (c->json)
		answer = change_json(&report);
	else if (code == CLI_OK)
		change_print(&report);
	return cli_finish(c, answer, code);
}

/* ---- trial ---- */

static int take_back(struct kernel *k, struct arena *a, struct diag *d)
{
	struct apply_report report;
	char *text = NULL;
	size_t len = 0;
	int err = state_read(k, STATE_CONFIRMED, a, &text, &len);

	if (!err || err == -ENOENT)
		err = change_restore(k, a, text, len, &report, d);
	if (!err)
		err = state_trial_end(k);
	if (!err)
		syslog(LOG_NOTICE, "the change was not confirmed in time and was taken back");
	return err;
}

/* One try. 0: the trial is over, by this or by a confirmation that came while we waited. */
static int go_back(int trial)
{
	struct arena *a = arena_new();
	struct kernel_error e = {0};
	struct kernel *k = NULL;
	struct diag d;
	int lock = -1, err;

	diag_init(&d);
	err = kernel_open(&k, &e);
	if (!err)
		err = kernel_lock(k, &lock);
	if (!err && !state_trial_over(trial))
		err = take_back(k, a, &d);
	if (err) {
		struct strbuf why = STRBUF_INIT;

		diag_render(&d, &why, false);
		syslog(LOG_ERR, "the unconfirmed change could not be taken back: %s",
			why.len ? strbuf_str(&why) : strerror(-err));
		strbuf_fini(&why);
	}
	if (lock >= 0)
		close(lock);
	kernel_close(k);
	diag_fini(&d);
	arena_free(a);
	return err;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t); /* goes on while the machine sleeps */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void watch(int trial, int ready, uint32_t seconds)
{
	int64_t end = now_ms() + (int64_t)seconds * 1000;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (chdir("/") < 0 || write(ready, "", 1) != 1)
		_exit(1);
	close(ready);
	while (now_ms() < end) {
		if (state_trial_over(trial))
			_exit(0);
		usleep(200 * 1000);
	}
	openlog("portreeve", LOG_PID, LOG_DAEMON);
	while (go_back(trial) != 0) /* the admin may be locked out: this is the only way back */
		sleep(TRY_AGAIN_SECONDS);
	_exit(0);
}

int change_watch(struct kernel *k, int trial, int lock, uint32_t seconds)
{
	int ready[2];
	char byte;
	pid_t pid;
	ssize_t n;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		/* A second fork, so that nobody's child is left to be waited for. The sockets and
		 * the lock are the parent's: it must not keep the lock from `confirm`. */
		if (fork() != 0)
			_exit(0);
		kernel_close(k);
		close(lock);
		close(ready[0]);
		watch(trial, ready[1], seconds);
	}
	close(ready[1]);
	do
		n = pid < 0 ? -1 : read(ready[0], &byte, 1);
	while (n < 0 && pid > 0 && errno == EINTR);
	close(ready[0]);
	return n == 1 ? 0 : -EAGAIN;
}
