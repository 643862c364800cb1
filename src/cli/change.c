/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands that change the kernel share. */
#include "cli/change.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "config/config.h"
#include "kernel/memory.h"
#include "kernel/state.h"
#include "report/report.h"

#define TRY_AGAIN_SECONDS 5
#define LOOK_AGAIN_US	  200000
#define LOCK_TRY_US	  50000

struct kernel *change_open(struct cli_context *c, int *lock)
{
	struct kernel *k = cli_kernel(c, true);
	char who[LOCK_HOLDER_BYTES];
	int err;

	if (!k)
		return NULL;
	err = kernel_try_lock(k, lock);
	if (err == -EWOULDBLOCK && !kernel_lock_holder(k, who))
		fprintf(stderr, "waiting for another portreeve to finish\n");
	while (err == -EWOULDBLOCK && !kernel_lock_holder(k, who)) {
		usleep(LOCK_TRY_US);
		err = kernel_try_lock(k, lock);
	}
	if (err == -EWOULDBLOCK) {
		diag_error(&c->diag, NOWHERE, "this network namespace is in the hands of %s", who);
		diag_hint(&c->diag, "stop it first, or have it read its file again (SIGHUP)");
		kernel_close(k);
		return NULL;
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
	struct gateway_state s = {0};
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

/* The daemon's report, or what it did not say as 0. */
static struct apply_report report_from(const json_t *j)
{
	struct apply_report r = {.changed = json_is_true(json_object_get(j, "changed"))};
	struct {
		const char *key;
		size_t *count;
	} counts[] = {
		{"routes", &r.routes},
		{"rules", &r.rules},
		{"sysctls", &r.sysctls},
		{"nft", &r.nft_changes},
		{"elements", &r.elements},
		{"connections_deleted", &r.connections},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		*counts[i].count = (size_t)json_integer_value(json_object_get(j, counts[i].key));
	return r;
}

bool change_by_daemon(struct cli_context *c, const struct client_question *q,
	struct apply_report *report, enum cli_exit *code)
{
	json_t *answer;
	enum client_result result = client_ask(c, q, &answer, code);

	*report = report_from(answer);
	json_decref(answer);
	return result != CLIENT_NO_DAEMON;
}

int change_back(struct cli_context *c, const char *path,
	int (*step)(struct cli_context *c, struct kernel *k, struct apply_report *report))
{
	struct client_question q = {.path = path, .post = true};
	struct apply_report report = {0};
	enum cli_exit code;

	if (!change_by_daemon(c, &q, &report, &code)) {
		int lock;
		struct kernel *k = change_open(c, &lock);

		code = CLI_SYSTEM;
		if (k) {
			code = (enum cli_exit)step(c, k, &report);
			change_close(k, lock);
		}
	}
	if (!c->json && code == CLI_OK)
		change_print(&report);
	return cli_finish(c, c->json ? report_apply(&report) : NULL, code);
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

/* Whoever holds the lock may be a daemon, which keeps it, and ends the trial itself. 0 also then. */
static int lock_unless_over(struct kernel *k, int trial, int *lock)
{
	int err;

	while ((err = kernel_try_lock(k, lock)) == -EWOULDBLOCK && !state_trial_over(trial))
		usleep(LOOK_AGAIN_US);
	return err == -EWOULDBLOCK ? 0 : err;
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
		err = lock_unless_over(k, trial, &lock);
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

static void watch(int trial, int ready, uint32_t seconds)
{
	uint64_t end = state_now_ms() + (uint64_t)seconds * 1000;
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
	while (state_now_ms() < end) {
		if (state_trial_over(trial))
			_exit(0);
		usleep(LOOK_AGAIN_US);
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
