/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the dumps that --state names, and tells what was not understood in them. */
#include "cli/state_dir.h"
#include "report/report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file or directory that was left out. */
struct left_out {
	const char *name, *why;
};

struct state {
	struct cli_context *c;
	VEC(struct dump_file) files;
	VEC(struct left_out) left_out;
};

/* ---- reading ---- */

/* 1: read; 0: left out; -errno. @dir is AT_FDCWD for a single file, which may be a pipe. */
static int read_file(struct state *s, int dir, const char *name)
{
	struct dump_file f = {.name = arena_strdup(s->c->arena, name)};
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | (dir == AT_FDCWD ? 0 : O_NONBLOCK)), err;
	struct stat st;
	char *text = NULL;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		err = -errno;
	else if (dir != AT_FDCWD && !S_ISREG(st.st_mode))
		err = -ENOTSUP;
	else
		err = cli_read_fd(s->c->arena, fd, LIMIT_STATE_BYTES, &text, &f.len);
	close(fd);
	if (err == -ENOTSUP) {
		vec_push(s->c->arena, &s->left_out,
			((struct left_out){f.name, S_ISDIR(st.st_mode)
							   ? "a directory within: not looked into"
							   : "no regular file"}));
		return 0;
	}
	if (err)
		return err;
	f.text = text;
	vec_push(s->c->arena, &s->files, f);
	return 1;
}

static void refuse(struct state *s, const char *path, const char *name, int err)
{
	if (err == -EFBIG)
		diag_error(&s->c->diag, NOWHERE, "%s%s%s is larger than %u MiB", path,
			name ? "/" : "", name ? name : "", LIMIT_STATE_BYTES >> 20);
	else
		diag_error(&s->c->diag, NOWHERE, "cannot read %s%s%s: %s", path, name ? "/" : "",
			name ? name : "", strerror(-err));
	if (err == -EFBIG)
		diag_hint(&s->c->diag,
			"take it out of there if it is no dump; else keep the tables and sets that "
			"the question is about");
	else if (err == -EACCES)
		diag_hint(&s->c->diag, "a snapshot is its owner's alone: run this as that user");
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names in order, so that the same dumps always give the same answer. False: too many, or an error. */
static bool list(
	struct state *s, const char *path, DIR *d, const char *names[LIMIT_STATE_FILES], size_t *n)
{
	struct dirent *e;

	errno = 0;
	for (*n = 0; (e = readdir(d)); errno = 0) {
		if (e->d_name[0] == '.')
			continue;
		if (*n == LIMIT_STATE_FILES) {
			diag_error(&s->c->diag, NOWHERE, "%s holds more than %u files", path,
				LIMIT_STATE_FILES);
			diag_hint(&s->c->diag, "give a directory that holds dumps alone");
			return false;
		}
		names[(*n)++] = arena_strdup(s->c->arena, e->d_name);
	}
	if (errno) {
		refuse(s, path, NULL, -errno);
		return false;
	}
	qsort(names, *n, sizeof(*names), compare_names);
	return true;
}

static bool read_directory(struct state *s, const char *path, DIR *d)
{
	const char *names[LIMIT_STATE_FILES];
	bool good = true;
	size_t n;

	if (!list(s, path, d, names, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		int err = read_file(s, dirfd(d), names[i]);

		if (err < 0) {
			refuse(s, path, names[i], err);
			good = false;
		}
	}
	if (good && !s->files.len) {
		diag_error(&s->c->diag, NOWHERE, "%s holds no dumps", path);
		diag_hint(&s->c->diag,
			"'portreeve snapshot %s' on the machine in question fills it", path);
		good = false;
	}
	return good;
}

bool cli_state_read(struct cli_context *c, const char *path, struct netstate *out,
	struct state_files *files, struct dump *notes)
{
	struct state s = {.c = c};
	DIR *d = opendir(path);
	bool good = true;
	int err = 0;

	if (d) {
		good = read_directory(&s, path, d);
		closedir(d);
	} else {
		err = errno == ENOTDIR ? read_file(&s, AT_FDCWD, path) : -errno;
		if (err < 0)
			refuse(&s, path, NULL, err);
	}
	if (!good || err < 0)
		return false;
	netstate_read(c->arena, s.files.items, s.files.len, out, notes);
	*files = (struct state_files){s.files.items, s.files.len};
	VEC_EACH (&s.left_out, const struct left_out, l) {
		const struct dump_file f = {.name = l->name};

		dump_note(notes, &f, 0, "", 0, l->why);
	}
	if (!out->have) {
		diag_error(&c->diag, NOWHERE, "nothing in %s is a dump that is known", path);
		diag_hint(&c->diag, "portreeve(8) lists what can be read, under 'snapshot'");
		return false;
	}
	return true;
}

/* ---- telling ---- */

/* Notes of one file with one reason; the first stands for all. */
struct group {
	const struct dump_note *first;
	size_t n;
};

static int compare_reasons(const void *x, const void *y)
{
	const struct dump_note *a = *(const struct dump_note *const *)x;
	const struct dump_note *b = *(const struct dump_note *const *)y;
	int c = strcmp(a->file, b->file);

	if (!c)
		c = strcmp(a->why, b->why);
	return c ? c : (a > b) - (a < b);
}

static int compare_first(const void *x, const void *y)
{
	const struct group *a = x, *b = y;

	return (a->first > b->first) - (a->first < b->first);
}

/* In the order of the notes. */
static struct group *group_notes(const struct dump *notes, size_t *n_groups)
{
	size_t n = notes->notes.len;
	const struct dump_note **order = arena_alloc(notes->arena, n * sizeof(*order));
	struct group *groups = arena_alloc(notes->arena, n * sizeof(*groups)), *last = NULL;

	for (size_t i = 0; i < n; i++)
		order[i] = &notes->notes.items[i];
	qsort(order, n, sizeof(*order), compare_reasons);
	*n_groups = 0;
	for (size_t i = 0; i < n; i++) {
		if (!last || strcmp(last->first->file, order[i]->file) != 0 ||
			strcmp(last->first->why, order[i]->why) != 0) {
			last = &groups[(*n_groups)++];
			last->first = order[i];
		}
		last->n++;
	}
	qsort(groups, *n_groups, sizeof(*groups), compare_first);
	return groups;
}

static void print_group(struct strbuf *out, const struct group *g)
{
	const struct dump_note *note = g->first;

	strbuf_add(out, note->file);
	if (note->line)
		strbuf_addf(out, ":%u", note->line);
	strbuf_addf(out, ": %s", note->why);
	/* Of a file as a whole the text is mostly its name again. */
	if (*note->text && strcmp(note->text, note->file) != 0)
		strbuf_addf(out, ": %s", note->text);
	if (g->n > 1)
		strbuf_addf(out, " (and %zu more like it)", g->n - 1);
	strbuf_addch(out, '\n');
}

void cli_state_print_notes(struct strbuf *out, const struct dump *notes, size_t max)
{
	size_t n, left = notes->notes.len + notes->more_notes;
	struct group *groups;

	if (!notes->notes.len)
		return;
	groups = group_notes(notes, &n);
	for (size_t i = 0; i < n && i < max; i++) {
		print_group(out, &groups[i]);
		left -= groups[i].n;
	}
	if (left)
		strbuf_addf(out, "... and %zu more\n", left);
}

json_t *cli_state_notes_json(const struct dump *notes)
{
	json_t *list = json_array();

	VEC_EACH (&notes->notes, const struct dump_note, n) {
		json_t *one = json_object();

		json_object_set_new(one, "file", report_text(n->file));
		json_object_set_new(one, "line", json_integer(n->line));
		json_object_set_new(one, "text", report_text(n->text));
		json_object_set_new(one, "why", report_text(n->why));
		json_array_append_new(list, one);
	}
	return list;
}
