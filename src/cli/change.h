/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What apply, confirm, rollback and remove share: they change the kernel, one at a time. */
#ifndef CLI_CHANGE_H
#define CLI_CHANGE_H

#include "cli/cli.h"
#include "kernel/apply.h"

/* The kernel, with the right to change it and the lock that keeps others out. NULL: the diag says
 * why. change_close() gives both back. */
struct kernel *change_open(struct cli_context *c, int *lock);
void change_close(struct kernel *k, int lock);

/* Make the kernel what a kept config says; an empty text (or NULL) says "nothing of ours". */
int change_restore(struct kernel *k, struct arena *a, const char *text, size_t len,
	struct apply_report *report, struct diag *d);

/* The whole of a command that only goes back: takes the lock, runs @step, reports. */
int change_back(struct cli_context *c,
	int (*step)(struct cli_context *c, struct kernel *k, struct apply_report *report));

/* "added 2 routes, ..." for people, and the same as JSON with "changed". */
void change_print(const struct apply_report *r);
json_t *change_json(const struct apply_report *r);

/*
 * A process of its own that goes back to what was confirmed unless the trial @fd is over in
 * @seconds. It survives the terminal. Returns once it is on guard: 0 or -errno.
 */
int change_watch(struct kernel *k, int trial, int lock, uint32_t seconds);

/* Would @p cut the SSH session that this command was started over? Says so in the diag (as an error,
 * or as a warning where @allowed) and returns true. */
bool change_cuts_session(
	struct cli_context *c, struct kernel *k, const struct plan *p, bool allowed);

#endif
