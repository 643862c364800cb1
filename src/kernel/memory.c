/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second copy of the memory: a small text file per boot and namespace, and the lock beside it.
 *
 *	mark 0xff000000
 *	sysctl net.ipv4.conf.eth0.rp_filter=1
 *	number 2 unicom
 *	return 192.168.0.2 direct answers come back by eth2
 *	down 192.168.0.3 8080 web
 */
#include "kernel/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "kernel/rundir.h"

/* Far above what LIMIT_* allow: a larger file is not ours. */
#define LIMIT_MEMORY_BYTES (16u << 20)

/* One line holds one item, and '=' ends a key. */
static bool fits_a_line(const char *s)
{
	return s && !strpbrk(s, "\r\n");
}

static int print(struct arena *scratch, struct strbuf *out, const struct memory *m)
{
	if (m->mark_mask)
		strbuf_addf(out, "mark 0x%08" PRIx32 "\n", m->mark_mask);
	VEC_EACH (&m->sysctls, const struct memory_sysctl, s) {
		if (!fits_a_line(s->key) || !fits_a_line(s->value) || !*s->key ||
			strpbrk(s->key, "= "))
			return -EINVAL;
		strbuf_addf(out, "sysctl %s=%s\n", s->key, s->value);
	}
	VEC_EACH (&m->numbers, const struct memory_number, n) {
		if (!fits_a_line(n->uplink) || !*n->uplink)
			return -EINVAL;
		strbuf_addf(out, "number %" PRIu32 " %s\n", n->number, n->uplink);
	}
	VEC_EACH (&m->learned.returns, const struct memory_return, r) {
		if (r->reason && !fits_a_line(r->reason))
			return -EINVAL;
		strbuf_addf(out, "%s\n", plan_return_line(scratch, r));
	}
	VEC_EACH (&m->learned.downs, const struct memory_down, d) {
		if (!fits_a_line(d->map) || !*d->map)
			return -EINVAL;
		strbuf_addf(out, "%s\n", plan_down_line(scratch, d));
	}
	return 0;
}

int kernel_memory_save(const struct kernel *k, const struct memory *m)
{
	struct strbuf text = STRBUF_INIT;
	char name[RUNDIR_NAME_BYTES];
	struct arena *scratch = arena_new();
	int err = print(scratch, &text, m), dir;

	arena_free(scratch);
	if (!err)
		err = rundir_name(k, "memory", "", name);
	if (!err) {
		dir = rundir_open(true);
		err = dir < 0 ? dir : rundir_replace(dir, name, strbuf_str(&text), text.len);
		if (dir >= 0)
			close(dir);
	}
	strbuf_fini(&text);
	return err;
}

/* ---- reading ---- */

static bool read_sysctl(struct arena *a, struct memory *out, const char *s, size_t len)
{
	const char *equals = memchr(s, '=', len);
	struct memory_sysctl *item;

	if (!equals || equals == s || memchr(s, ' ', (size_t)(equals - s)))
		return false;
	item = vec_add(a, &out->sysctls);
	item->key = arena_strndup(a, s, (size_t)(equals - s));
	item->value = arena_strndup(a, equals + 1, len - (size_t)(equals + 1 - s));
	return true;
}

static bool read_mark(struct arena *a, struct memory *out, const char *s, size_t len)
{
	const char *line = arena_strndup(a, s, len);
	unsigned long mask;
	char *end;

	if (*line < '0' || *line > '9')
		return false;
	errno = 0;
	mask = strtoul(line, &end, 16);
	if (errno || !mask || mask > UINT32_MAX || *end)
		return false;
	out->mark_mask = (uint32_t)mask;
	return true;
}

static bool read_number(struct arena *a, struct memory *out, const char *s, size_t len)
{
	const char *line = arena_strndup(a, s, len);
	struct memory_number *item;
	unsigned long long number;
	char *end;

	if (*line < '0' || *line > '9')
		return false;
	errno = 0;
	number = strtoull(line, &end, 10);
	if (errno || !number || number > UINT32_MAX || *end != ' ' || !end[1])
		return false;
	item = vec_add(a, &out->numbers);
	item->number = (uint32_t)number;
	item->uplink = end + 1;
	return true;
}

static bool read_line(struct arena *a, struct memory *out, const char *s, size_t len)
{
	if (memchr(s, '\0', len))
		return false;
	if (len > 7 && !memcmp(s, "sysctl ", 7))
		return read_sysctl(a, out, s + 7, len - 7);
	if (len > 5 && !memcmp(s, "mark ", 5))
		return read_mark(a, out, s + 5, len - 5);
	if (len > 7 && !memcmp(s, "number ", 7))
		return read_number(a, out, s + 7, len - 7);
	return plan_read_learned(a, s, len, &out->learned);
}

/* A last line without its newline was cut off: malformed like any other. */
static int read_lines(struct arena *a, struct memory *out, const char *s, size_t len)
{
	int malformed = 0;

	while (len) {
		const char *newline = memchr(s, '\n', len);
		size_t line = newline ? (size_t)(newline - s) : len;

		if (!newline || !read_line(a, out, s, line))
			malformed++;
		line += newline ? 1 : 0;
		s += line;
		len -= line;
	}
	return malformed;
}

int kernel_memory_load(const struct kernel *k, struct arena *a, struct memory *out)
{
	char name[RUNDIR_NAME_BYTES], *text = NULL;
	int err = rundir_name(k, "memory", "", name), dir;
	size_t len = 0;

	if (err)
		return err;
	dir = rundir_open(false);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	err = rundir_read(dir, name, a, LIMIT_MEMORY_BYTES, &text, &len);
	close(dir);
	if (err == -ENOENT)
		return 0;
	return err ? err : read_lines(a, out, text, len);
}

int kernel_memory_remove(const struct kernel *k)
{
	char name[RUNDIR_NAME_BYTES];
	int err = rundir_name(k, "memory", "", name), dir;

	if (err)
		return err;
	dir = rundir_open(false);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		err = -errno;
	close(dir);
	return err;
}

/* ---- lock ---- */

static int lock(const struct kernel *k, int how, int *out)
{
	char name[RUNDIR_NAME_BYTES];
	int err = rundir_name(k, "lock", "", name), dir, fd;

	if (err)
		return err;
	dir = rundir_open(true);
	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		err = -errno;
	close(dir);
	if (err)
		return err;
	while (flock(fd, how) < 0) {
		if (errno == EINTR)
			continue;
		err = -errno;
		close(fd);
		return err;
	}
	/* What a holder before us said of itself. */
	(void)!ftruncate(fd, 0);
	*out = fd;
	return 0;
}

void kernel_lock_sign(int fd, const char *who)
{
	(void)!pwrite(fd, who, strlen(who), 0);
}

bool kernel_lock_holder(const struct kernel *k, char who[LOCK_HOLDER_BYTES])
{
	char name[RUNDIR_NAME_BYTES], *text;
	struct arena *a = arena_new();
	int dir = rundir_open(false);
	size_t len = 0;

	if (dir >= 0 && rundir_name(k, "lock", "", name) == 0 &&
		rundir_read(dir, name, a, LOCK_HOLDER_BYTES - 1, &text, &len) == 0)
		memcpy(who, text, len);
	who[len] = '\0';
	if (dir >= 0)
		close(dir);
	arena_free(a);
	return len > 0;
}

int kernel_lock(const struct kernel *k, int *fd)
{
	return lock(k, LOCK_EX, fd);
}

int kernel_try_lock(const struct kernel *k, int *fd)
{
	return lock(k, LOCK_EX | LOCK_NB, fd);
}
