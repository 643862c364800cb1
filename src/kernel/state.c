/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configs that must survive a reboot, and the one on trial, which must not. */
#include "kernel/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/model.h"
#include "kernel/rundir.h"

#define STATE_DIR "/var/lib/portreeve"

static const char *const file_names[] = {
	[STATE_CONFIRMED] = "confirmed.yaml",
	[STATE_PREVIOUS] = "previous.yaml",
};

/* Is this the namespace of the machine, or of the container, that was started first? Where process 1
 * may not be looked at, the kernel's own first namespace is known by its cookie. */
static bool is_first_namespace(const struct kernel *k)
{
	struct stat st;

	if (stat("/proc/1/ns/net", &st) == 0)
		return st.st_ino == k->netns;
	return k->netns_cookie == 1;
}

static int open_dir(const struct kernel *k, bool make)
{
	const char *path = secure_getenv("PORTREEVE_STATE_DIR");
	char own[4096];
	int fd;

	if (!path || !*path)
		path = STATE_DIR;
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (!is_first_namespace(k)) {
		snprintf(own, sizeof(own), "%s/netns-%" PRIu64, path, k->netns_cookie);
		path = own;
		if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int state_read(
	const struct kernel *k, enum state_file which, struct arena *a, char **text, size_t *len)
{
	int dir = open_dir(k, false), err;

	if (dir < 0)
		return dir;
	err = rundir_read(dir, file_names[which], a, LIMIT_CONFIG_BYTES, text, len);
	close(dir);
	return err;
}

static int remove_file(int dir, const char *name)
{
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* The confirmed config under the previous one's name too; nothing confirmed is an empty file. There
 * is no moment without a confirmed config, whatever stops us. */
static int keep_previous(int dir)
{
	const char *from = file_names[STATE_CONFIRMED], *to = file_names[STATE_PREVIOUS];
	int err = remove_file(dir, to);

	if (!err && linkat(dir, from, dir, to, 0) < 0)
		err = errno == ENOENT ? rundir_replace(dir, to, "", 0) : -errno;
	return err;
}

int state_confirm(const struct kernel *k, struct arena *a, const char *text, size_t len)
{
	char *old = NULL;
	size_t old_len = 0;
	int dir = open_dir(k, true), err;

	if (dir < 0)
		return dir;
	err = rundir_read(dir, file_names[STATE_CONFIRMED], a, LIMIT_CONFIG_BYTES, &old, &old_len);
	if (err == -ENOENT)
		err = 0;
	if (!err && (text ? old && old_len == len && memcmp(old, text, len) == 0 : !old)) {
		close(dir);
		return 0;
	}
	if (!err)
		err = keep_previous(dir);
	if (!err)
		err = text ? rundir_replace(dir, file_names[STATE_CONFIRMED], text, len)
			   : remove_file(dir, file_names[STATE_CONFIRMED]);
	close(dir);
	return err;
}

int state_went_back(const struct kernel *k, struct arena *a)
{
	char *text = NULL;
	size_t len = 0;
	int dir = open_dir(k, true), err;

	if (dir < 0)
		return dir;
	err = rundir_read(dir, file_names[STATE_PREVIOUS], a, LIMIT_CONFIG_BYTES, &text, &len);
	if (!err && len)
		err = rundir_replace(dir, file_names[STATE_CONFIRMED], text, len);
	else if (!err)
		err = remove_file(dir, file_names[STATE_CONFIRMED]);
	if (!err)
		err = remove_file(dir, file_names[STATE_PREVIOUS]);
	close(dir);
	return err;
}

/* ---- a change that waits ---- */

int state_trial_begin(const struct kernel *k, const char *text, size_t len, int *fd)
{
	char name[RUNDIR_NAME_BYTES];
	int err = rundir_name(k, "trial", "", name), dir;

	if (err)
		return err;
	dir = rundir_open(true);
	if (dir < 0)
		return dir;
	if (faccessat(dir, name, F_OK, 0) == 0)
		err = -EEXIST;
	else
		err = rundir_replace(dir, name, text, len);
	if (!err) {
		*fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		err = *fd < 0 ? -errno : 0;
	}
	close(dir);
	return err;
}

int state_trial_read(const struct kernel *k, struct arena *a, char **text, size_t *len)
{
	char name[RUNDIR_NAME_BYTES];
	int err = rundir_name(k, "trial", "", name), dir;

	if (err)
		return err;
	dir = rundir_open(false);
	if (dir < 0)
		return dir;
	err = rundir_read(dir, name, a, LIMIT_CONFIG_BYTES, text, len);
	close(dir);
	return err;
}

int state_trial_end(const struct kernel *k)
{
	char name[RUNDIR_NAME_BYTES];
	int err = rundir_name(k, "trial", "", name), dir;

	if (err)
		return err;
	dir = rundir_open(false);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	err = remove_file(dir, name);
	close(dir);
	return err;
}

bool state_trial_over(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || st.st_nlink == 0;
}
