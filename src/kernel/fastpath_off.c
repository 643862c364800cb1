/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Off, written down: a file that is there, or is not. */
#include "kernel/fastpath_off.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/rundir.h"

/* The directory; *@name is the file in it. */
static int open_place(const struct kernel *k, bool make, char name[RUNDIR_NAME_BYTES])
{
	int dir = rundir_open(make), err = dir < 0 ? dir : rundir_name(k, "fastpath", "-off", name);

	if (err && dir >= 0)
		close(dir);
	return err ? err : dir;
}

bool fastpath_was_switched_off(const struct kernel *k)
{
	char name[RUNDIR_NAME_BYTES];
	int dir = open_place(k, false, name);
	struct stat st;
	bool there;

	if (dir < 0)
		return false;
	there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	close(dir);
	return there;
}

int fastpath_keep_off(const struct kernel *k, bool off)
{
	char name[RUNDIR_NAME_BYTES];
	int dir = open_place(k, off, name), err = 0;

	if (dir < 0)
		return !off && dir == -ENOENT ? 0 : dir;
	if (off)
		err = rundir_replace(dir, name, "", 0);
	else if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		err = -errno;
	close(dir);
	return err;
}
