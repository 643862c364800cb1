/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that live as long as this boot and this namespace. */
#include "kernel/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_DIR "/run/portreeve"

int rundir_open(bool make)
{
	const char *path = secure_getenv("PORTREEVE_RUN_DIR");
	int fd;

	if (!path || !*path)
		path = RUN_DIR;
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int rundir_name(
	const struct kernel *k, const char *what, const char *suffix, char name[RUNDIR_NAME_BYTES])
{
	char boot[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, boot, sizeof(boot) - 1);
	close(fd);
	if (len <= 0)
		return -EIO;
	boot[strcspn(boot, "\n")] = '\0';
	snprintf(name, RUNDIR_NAME_BYTES, "%s-%s-%" PRIu64 "%s", what, boot, k->netns_cookie,
		suffix);
	return 0;
}

int rundir_write(int fd, const char *s, size_t len)
{
	while (len) {
		ssize_t n = write(fd, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

int rundir_replace(int dir, const char *name, const void *bytes, size_t len)
{
	char temporary[RUNDIR_NAME_BYTES + 4];
	int fd, err;

	snprintf(temporary, sizeof(temporary), "%s.new", name);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = rundir_write(fd, bytes, len);
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	if (!err && renameat(dir, temporary, dir, name) < 0)
		err = -errno;
	if (err)
		unlinkat(dir, temporary, 0);
	else if (fsync(dir) < 0)
		err = -errno;
	return err;
}

int rundir_read(int dir, const char *name, struct arena *a, size_t limit, char **bytes, size_t *len)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), err = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	*len = 0;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > limit)
		err = -EFBIG;
	if (!err)
		*bytes = arena_alloc(a, (size_t)st.st_size + 1);
	while (!err && *len < (size_t)st.st_size) {
		ssize_t n = read(fd, *bytes + *len, (size_t)st.st_size - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	close(fd);
	return err;
}
