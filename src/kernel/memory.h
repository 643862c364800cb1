/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second copy of the memory, outside the rule set that `nft flush ruleset` takes away, and the
 * lock that keeps two portreeves out of one namespace.
 *
 * Both are files of rundir.h, which belong to one boot and one namespace.
 */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include "kernel/nl.h"
#include "plan/plan.h"

/* Write all of @m, atomically: after a crash there is either the old memory or the new one. */
int kernel_memory_save(const struct kernel *k, const struct memory *m);
/* Fill @out (zeroed by the caller). No file: empty, 0. Returns how many malformed lines were
 * skipped, or -errno. */
int kernel_memory_load(const struct kernel *k, struct arena *a, struct memory *out);
int kernel_memory_remove(const struct kernel *k); /* 0 also where there is none */

/* Wait until no other process holds this namespace, then hold it until *@fd is closed. */
int kernel_lock(const struct kernel *k, int *fd);
/* The same, but -EWOULDBLOCK where it is held. */
int kernel_try_lock(const struct kernel *k, int *fd);
/* Whoever holds it for long says so: "portreeve run (pid 4711)". */
void kernel_lock_sign(int fd, const char *who);
#define LOCK_HOLDER_BYTES 64
/* Who said so; false: nobody, it is held for a moment only, or not at all. */
bool kernel_lock_holder(const struct kernel *k, char who[LOCK_HOLDER_BYTES]);

#endif
