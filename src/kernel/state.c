/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configs that must survive a reboot, and the one on trial. */
#include "kernel/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "config/model.h"
#include "kernel/rundir.h"

#define STATE_DIR "/var/lib/portreeve"

static const char *const file_names[] = {
	[STATE_CONFIRMED] = "confirmed.yaml",
	[STATE_PREVIOUS] = "previous.yaml",
	[STATE_UNCONFIRMED] = "unconfirmed.yaml",
};
#define TRIAL_FILE     "trial"
#define TRIAL_HEAD     "portreeve trial"
#define TRIAL_HEAD_MAX 8192u /* bytes of the first line, which has the name */
#define BOOT_ID_BYTES  64

/* Is this the namespace of the machine, or of the container, that was started first? Where process 1
 * may not be looked at, the kernel's own first namespace is known by its cookie. */
static bool is_first_namespace(const struct kernel *k)
{
	int same = kernel_has_process(k, "1");

	return same < 0 ? k->netns_cookie == 1 : same;
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

int state_unconfirmed(const struct kernel *k, const char *text, size_t len)
{
	const char *name = file_names[STATE_UNCONFIRMED];
	int dir = open_dir(k, text != NULL), err;

	if (dir < 0)
		return !text && dir == -ENOENT ? 0 : dir;
	err = text ? rundir_replace(dir, name, text, len) : remove_file(dir, name);
	close(dir);
	return err;
}

/* ---- a change that waits ---- */

/*
 * The file: one line "portreeve trial BOOT DEADLINE NAME", then the config as it is.
 */

uint64_t state_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int this_boot(char id[BOOT_ID_BYTES])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, id, BOOT_ID_BYTES - 1);
	close(fd);
	if (len <= 0)
		return -EIO;
	id[len] = '\0';
	id[strcspn(id, "\n")] = '\0';
	return 0;
}

/* @bytes is NUL-terminated. Malformed: as one of another boot, with no text. */
static int parse_trial(struct arena *a, char *bytes, size_t len, struct state_trial *out)
{
	char boot[BOOT_ID_BYTES], theirs[BOOT_ID_BYTES];
	char *end = memchr(bytes, '\n', len);
	int at = 0, err = this_boot(boot);

	*out = (struct state_trial){.name = "", .text = ""};
	if (err)
		return err;
	if (!end || (size_t)(end - bytes) > TRIAL_HEAD_MAX)
		return 0;
	*end = '\0';
	if (sscanf(bytes, TRIAL_HEAD " %63s %" SCNu64 " %n", theirs, &out->deadline_ms, &at) != 2 ||
		at == 0)
		return 0;
	out->this_boot = strcmp(boot, theirs) == 0;
	out->name = arena_strdup(a, bytes + at);
	out->text = end + 1;
	out->len = len - (size_t)(end + 1 - bytes);
	return 0;
}

int state_trial_read(const struct kernel *k, struct arena *a, struct state_trial *out)
{
	char *bytes = NULL;
	size_t len = 0;
	int dir = open_dir(k, false), err;

	if (dir < 0)
		return dir;
	err = rundir_read(dir, TRIAL_FILE, a, LIMIT_CONFIG_BYTES + TRIAL_HEAD_MAX, &bytes, &len);
	close(dir);
	return err ? err : parse_trial(a, bytes, len, out);
}

bool state_trial_waits(const struct kernel *k, struct arena *a, struct state_trial *out)
{
	return state_trial_read(k, a, out) == 0 && out->this_boot;
}

int state_in_force(const struct kernel *k, struct arena *a, const char **text, size_t *len)
{
	struct state_trial trial;
	char *kept = NULL;
	int err;

	if (state_trial_waits(k, a, &trial)) {
		*text = trial.text;
		*len = trial.len;
		return 0;
	}
	err = state_read(k, STATE_CONFIRMED, a, &kept, len);
	*text = kept;
	return err;
}

/* One line, whatever bytes a file's name has. */
static void add_name(struct strbuf *out, const char *name)
{
	for (size_t i = 0; i < TRIAL_HEAD_MAX / 2 && name[i]; i++)
		strbuf_addch(out, (unsigned char)name[i] < ' ' ? '?' : name[i]);
}

int state_trial_begin(const struct kernel *k, const struct state_trial *t, int *fd)
{
	struct arena *a = arena_new();
	struct strbuf text = STRBUF_INIT;
	struct state_trial other;
	char boot[BOOT_ID_BYTES];
	bool waits = state_trial_waits(k, a, &other);
	int err = waits ? -EEXIST : this_boot(boot), dir = err ? err : open_dir(k, true);

	arena_free(a);
	if (dir < 0)
		return dir;
	strbuf_addf(&text, TRIAL_HEAD " %s %" PRIu64 " ", boot, t->deadline_ms);
	add_name(&text, t->name);
	strbuf_addch(&text, '\n');
	strbuf_addn(&text, t->text, t->len);
	err = rundir_replace(dir, TRIAL_FILE, text.s, text.len);
	strbuf_fini(&text);
	if (!err && fd) {
		*fd = openat(dir, TRIAL_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		err = *fd < 0 ? -errno : 0;
	}
	close(dir);
	return err;
}

int state_trial_end(const struct kernel *k)
{
	int dir = open_dir(k, false), err;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	err = remove_file(dir, TRIAL_FILE);
	close(dir);
	return err;
}

bool state_trial_over(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || st.st_nlink == 0;
}
