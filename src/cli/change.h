/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What apply, confirm, rollback and remove share: they change the kernel, one at a time. */
#ifndef CLI_CHANGE_H
#define CLI_CHANGE_H

#include "cli/client.h"
#include "kernel/apply.h"

/* The kernel, with the right to change it and the lock that keeps others out. NULL: the diag says
 * why. change_close() gives both back. */
struct kernel *change_open(struct cli_context *c, int *lock);
void change_close(struct kernel *k, int lock);

/* Make the kernel what a kept config says; an empty text (or NULL) says "nothing of ours". */
int change_restore(struct kernel *k, struct arena *a, const char *text, size_t len,
	struct apply_report *report, struct diag *d);

/* Have the daemon do it. False: there is none, and it is ours to do. The diag and *@code as the daemon
 * said. */
bool change_by_daemon(struct cli_context *c, const struct client_question *q,
	struct apply_report *report, enum cli_exit *code);

/* The whole of a command that only goes back: the daemon's @path, or else @step under the lock. */
int change_back(struct cli_context *c, const char *path,
	int (*step)(struct cli_context *c, struct kernel *k, struct apply_report *report));

/* "added 2 routes, ..." for people. */
void change_print(const struct apply_report *r);

/*
 * A process of its own that goes back to what was confirmed unless the trial @fd is over in
 * @seconds. It survives the terminal. Returns once it is on guard: 0 or -errno.
 */
int change_watch(struct kernel *k, int trial, int lock, uint32_t seconds);

#endif
