/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sandbox: a process tree with network namespaces of its own, for root and for ordinary users.
 *
 * Everything in it vanishes with its processes, and these die with the process that started them,
 * however that one ends. Nothing outside is ever touched.
 */
#ifndef REHEARSE_SANDBOX_H
#define REHEARSE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "base/vec.h"

/* Why a sandbox could not be had, in words for the user. */
struct sandbox_refusal {
	char text[256];
	char hint[256];
};

struct sandbox_node {
	const char *name;
	int fd; /* of its network namespace */
};

/* As seen by the processes within. */
struct sandbox {
	struct arena *arena;
	VEC(struct sandbox_node) nodes; /* indices are what sandbox_add() gave */
};

/*
 * Fork a process that becomes the first one of a new sandbox and runs @stage there; what it returns
 * is the exit status of the process whose id is returned here (-errno: fork failed). @refusal and
 * *@inner_pid must be in memory shared with the child; *@inner_pid is the id, for outsiders, of the
 * process that runs @stage. Exit status SANDBOX_REFUSED: @refusal says why there is no sandbox.
 */
#define SANDBOX_REFUSED 99
pid_t sandbox_spawn(int (*stage)(struct sandbox *sb, void *data), void *data,
	struct sandbox_refusal *refusal, pid_t *inner_pid);

/* ---- within ---- */

/* A new network namespace, known to ip(8) as @name. Its index, or -errno. */
int sandbox_add(struct sandbox *sb, const char *name);
/* Move the calling process to it. 0 or -errno. */
int sandbox_enter(struct sandbox *sb, unsigned int node);

/*
 * Run a program in namespace @node, with @input (NULL: nothing) on standard input; what it writes
 * to standard output and error is appended to @output. Its exit status; 127 if it could not be
 * started; -errno if it could not even be tried.
 */
int sandbox_exec(struct sandbox *sb, unsigned int node, const char *const argv[], const char *input,
	struct strbuf *output);

/* The same outside of any sandbox, where the caller is; of standard output only. */
int program_run(const char *const argv[], const char *input, struct strbuf *output);

#endif
