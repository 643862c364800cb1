/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that live as long as this boot and this namespace: /run/portreeve (or $PORTREEVE_RUN_DIR).
 *
 * What was true of an earlier boot, or of a namespace that has gone, must never be taken for this
 * one's: so files are named by boot and by the namespace's cookie, which is not used again (an
 * inode number is, at once).
 */
#ifndef KERNEL_RUNDIR_H
#define KERNEL_RUNDIR_H

#include "base/arena.h"
#include "kernel/nl.h"

#define RUNDIR_NAME_BYTES 128

/* The directory as a descriptor, or -errno. @make it where it is missing. */
int rundir_open(bool make);
/* "@what-BOOT-COOKIE@suffix" into @name. 0 or -errno. */
int rundir_name(
	const struct kernel *k, const char *what, const char *suffix, char name[RUNDIR_NAME_BYTES]);

/* All of @s, whatever write(2) takes at a time. 0 or -errno. */
int rundir_write(int fd, const char *s, size_t len);
/* Write a file as a whole: after a crash there is either the old content or the new. */
int rundir_replace(int dir, const char *name, const void *bytes, size_t len);
/* Read a file of at most @limit bytes (else -EFBIG) into @a. A NUL follows the content. */
int rundir_read(
	int dir, const char *name, struct arena *a, size_t limit, char **bytes, size_t *len);

#endif
