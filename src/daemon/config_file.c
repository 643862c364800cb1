/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Config file: trusted, read and watched. */
#include "daemon/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/model.h"

#define SETTLE_MS 100 /* an editor writes, renames and sets rights in a row */

/* ---- trust ---- */

static bool is_trusted_owner(uid_t owner)
{
	return owner == 0 || owner == geteuid();
}

static int distrust(struct diag *d, const char *path, const char *why, const char *remedy)
{
	diag_error(d, NOWHERE, "%s is not to be trusted: %s", path, why);
	diag_hint(d, "whoever can change it rules this gateway: %s", remedy);
	return -EPERM;
}

static int check_directory(const char *path, struct arena *a, struct diag *d)
{
	const char *name = dirname(arena_strdup(a, path));
	struct stat st;

	if (stat(name, &st) < 0)
		return -errno;
	if (st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
		return distrust(d, path, "everyone may replace it, since its directory is writable",
			"chmod o-w the directory");
	if (!is_trusted_owner(st.st_uid))
		return distrust(d, path, "its directory belongs to another user",
			"chown root the directory");
	return 0;
}

static int check_file(const char *path, int fd, struct arena *a, struct stat *st, struct diag *d)
{
	if (fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return distrust(d, path, "it is no regular file", "name a file");
	if (st->st_mode & S_IWOTH)
		return distrust(d, path, "everyone may write it", "chmod o-w the file");
	if (!is_trusted_owner(st->st_uid))
		return distrust(d, path, "it belongs to another user", "chown root the file");
	return check_directory(path, a, d);
}

/* ---- reading ---- */

static int read_all(int fd, struct arena *a, size_t size, char **text, size_t *len)
{
	*text = arena_alloc(a, size + 1);
	for (*len = 0; *len <= size;) {
		ssize_t n = read(fd, *text + *len, size + 1 - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		*len += (size_t)n;
	}
	return -EAGAIN; /* it grew meanwhile */
}

int config_file_read(const char *path, struct arena *a, char **text, size_t *len, struct diag *d)
{
	size_t errors = d->errors;
	struct stat st;
	/* Not to wait for the writer of a pipe. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), err;

	if (fd < 0) {
		err = -errno;
	} else {
		err = check_file(path, fd, a, &st, d);
		if (!err && (uint64_t)st.st_size > LIMIT_CONFIG_BYTES) {
			diag_error(d, NOWHERE, "%s is larger than %u MiB", path,
				LIMIT_CONFIG_BYTES >> 20);
			err = -EFBIG;
		}
		if (!err)
			err = read_all(fd, a, (size_t)st.st_size, text, len);
		close(fd);
	}
	if (err && d->errors == errors) {
		diag_error(d, NOWHERE, "cannot read %s: %s", path, strerror(-err));
		if (err == -EACCES && geteuid() == 0)
			diag_hint(d,
				"the daemon reads what root owns, or everybody may read: it has "
				"given up the right to all other files");
	}
	return err;
}

/* ---- watching ---- */

struct config_watch {
	int fd;
	char *directory, *name;
	struct event *readable, *timer;
	void (*changed)(void *data);
	void *data;
};

static void on_settled(evutil_socket_t fd, short what, void *data)
{
	struct config_watch *w = data;

	(void)fd;
	(void)what;
	w->changed(w->data);
}

static void on_inotify(evutil_socket_t fd, short what, void *data)
{
	static const struct timeval settle = {.tv_usec = SETTLE_MS * 1000};
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct config_watch *w = data;
	bool ours = false;
	ssize_t len;

	(void)what;
	while ((len = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < len;) {
			const struct inotify_event *e = (const struct inotify_event *)(buf + at);

			ours = ours || e->mask & IN_Q_OVERFLOW ||
			       (e->len && strcmp(e->name, w->name) == 0);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	if (ours)
		evtimer_add(w->timer, &settle);
}

static char *part_of(const char *path, char *(*part)(char *))
{
	char *copy = strdup(path), *out;

	if (!copy)
		abort();
	out = strdup(part(copy));
	if (!out)
		abort();
	free(copy);
	return out;
}

struct config_watch *config_watch_new(
	struct event_base *base, const char *path, void (*changed)(void *data), void *data)
{
	struct config_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		abort();
	*w = (struct config_watch){.directory = part_of(path, dirname),
		.name = part_of(path, basename),
		.changed = changed,
		.data = data};
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	/* The directory: editors put another file in the place of the old one. */
	if (w->fd < 0 || inotify_add_watch(w->fd, w->directory,
				 IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) < 0) {
		err = errno;
		config_watch_free(w);
		errno = err;
		return NULL;
	}
	w->timer = evtimer_new(base, on_settled, w);
	w->readable = event_new(base, w->fd, EV_READ | EV_PERSIST, on_inotify, w);
	event_add(w->readable, NULL);
	return w;
}

void config_watch_free(struct config_watch *w)
{
	if (!w)
		return;
	if (w->readable)
		event_free(w->readable);
	if (w->timer)
		event_free(w->timer);
	if (w->fd >= 0)
		close(w->fd);
	free(w->directory);
	free(w->name);
	free(w);
}
