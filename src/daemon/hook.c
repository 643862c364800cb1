/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hook: the operator's command, one at a time, by the spawner.
 *
 * What it prints goes to the journal, line by line and up to a limit; what is beyond is read and thrown
 * away, so that it does not block.
 */
#include "daemon/hook.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/spawner.h"

#define HOOK_WAITING	  1024u /* changes that may wait */
#define HOOK_VARIABLES	  16u
#define HOOK_OUTPUT_BYTES 4096u /* of one run that are noted */
#define HOOK_LINE_BYTES	  256u
#define HOOK_READ_BYTES	  4096u

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct waiting {
	TAILQ_ENTRY(waiting) link;
	char *subject;
	char *env[HOOK_VARIABLES + 2]; /* "NAME=value", PATH last, then NULL */
};

struct hook {
	struct daemon *daemon;
	TAILQ_HEAD(hook_queue, waiting) queue;
	size_t n_waiting;
	struct event *answer, *output;

	struct waiting *running; /* NULL: none */
	int pipe;		 /* its output; -1: none, or at its end */
	uint32_t limit_ms;
	size_t noted; /* bytes of its output in the journal */
	char line[HOOK_LINE_BYTES];
	size_t line_len;
};

static void run_next(struct hook *h);

/* ---- what waits ---- */

static void waiting_free(struct waiting *w)
{
	if (!w)
		return;
	for (size_t i = 0; w->env[i]; i++)
		free(w->env[i]);
	free(w->subject);
	free(w);
}

static bool add_variable(struct waiting *w, size_t i, const char *name, const char *value)
{
	if (asprintf(&w->env[i], "%s=%s", name, value) >= 0)
		return true;
	w->env[i] = NULL;
	return false;
}

static struct waiting *waiting_new(const char *subject, const struct hook_variable *env, size_t n)
{
	const char *path = getenv("PATH");
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	if (n > HOOK_VARIABLES)
		n = HOOK_VARIABLES;
	w->subject = strdup(subject);
	for (size_t i = 0; w->subject && i < n; i++)
		if (!add_variable(w, i, env[i].name, env[i].value))
			n = i;
	if (w->subject && add_variable(w, n, "PATH", path ? path : DEFAULT_PATH))
		return w;
	waiting_free(w);
	return NULL;
}

/* Of a subject only the newest change waits, in the place of the one before. */
static void put(struct hook *h, struct waiting *w)
{
	struct waiting *old;

	TAILQ_FOREACH(old, &h->queue, link)
	if (strcmp(old->subject, w->subject) == 0) {
		TAILQ_INSERT_AFTER(&h->queue, old, w, link);
		TAILQ_REMOVE(&h->queue, old, link);
		waiting_free(old);
		return;
	}
	if (h->n_waiting == HOOK_WAITING) {
		journal_note(h->daemon->journal, JOURNAL_WARNING, "hook-dropped",
			"too many changes wait for the hook", "s:s", "subject", w->subject);
		waiting_free(w);
		return;
	}
	TAILQ_INSERT_TAIL(&h->queue, w, link);
	h->n_waiting++;
}

/* ---- output ---- */

/* The line so far, as text that any reader can stand. */
static void note_line(struct hook *h)
{
	if (h->line_len == 0)
		return;
	for (size_t i = 0; i < h->line_len; i++)
		if (h->line[i] < 0x20 || h->line[i] > 0x7e)
			h->line[i] = '?';
	h->line[h->line_len] = '\0';
	if (h->noted < HOOK_OUTPUT_BYTES)
		journal_note(h->daemon->journal, JOURNAL_NOTICE, "hook-output", h->line, "s:s",
			"subject", h->running->subject);
	h->noted += h->line_len;
	if (h->noted >= HOOK_OUTPUT_BYTES && h->noted - h->line_len < HOOK_OUTPUT_BYTES)
		journal_note(h->daemon->journal, JOURNAL_WARNING, "hook-output",
			"further output of the hook is not noted", "s:s", "subject",
			h->running->subject);
	h->line_len = 0;
}

static void close_pipe(struct hook *h)
{
	if (h->pipe < 0)
		return;
	event_free(h->output);
	h->output = NULL;
	close(h->pipe);
	h->pipe = -1;
}

/* False: there is nothing more for now. */
static bool read_some(struct hook *h)
{
	char buffer[HOOK_READ_BYTES];
	ssize_t n = read(h->pipe, buffer, sizeof(buffer));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_pipe(h);
	for (ssize_t i = 0; i < n; i++) {
		if (buffer[i] == '\n' || h->line_len == sizeof(h->line) - 1)
			note_line(h);
		if (buffer[i] != '\n')
			h->line[h->line_len++] = buffer[i];
	}
	return n > 0;
}

static void output_ready(evutil_socket_t fd, short what, void *data)
{
	read_some(data);
}

/* ---- the end ---- */

static void note_not_started(struct hook *h, const struct waiting *w, int err)
{
	const struct model *m = h->daemon->config->model;

	journal_note(h->daemon->journal, JOURNAL_ERROR, "hook-failed",
		"the hook could not be started", "s:s, s:s, s:s", "subject", w->subject, "command",
		m->hook.len ? m->hook.items[0] : "", "error",
		err == EPIPE ? "the process that starts it is gone; restart the daemon"
			     : strerror(err));
}

static void note_end(struct hook *h, const struct spawner_answer *a)
{
	const char *subject = h->running->subject;
	struct journal *j = h->daemon->journal;

	if (a->err)
		note_not_started(h, h->running, a->err);
	else if (a->late)
		journal_note(j, JOURNAL_WARNING, "hook-killed",
			"the hook took too long and was killed", "s:s, s:i", "subject", subject,
			"after_ms", (int)h->limit_ms);
	else if (WIFSIGNALED(a->status))
		journal_note(j, JOURNAL_WARNING, "hook-failed", "the hook was ended by a signal",
			"s:s, s:i", "subject", subject, "signal", WTERMSIG(a->status));
	else if (WEXITSTATUS(a->status) != 0)
		journal_note(j, JOURNAL_WARNING, "hook-failed", "the hook ended with an error",
			"s:s, s:i", "subject", subject, "status", WEXITSTATUS(a->status));
	else
		journal_note(j, JOURNAL_DEBUG, "hook-done", "the hook is done", "s:s", "subject",
			subject);
}

static void answered(evutil_socket_t fd, short what, void *data)
{
	struct spawner_answer a = {0};
	struct hook *h = data;
	int err = spawner_answer(h->daemon->hooks, &a);

	if (err)
		a.err = -err;
	/* What it printed just before; not more than may be noted, since others may go on writing. */
	for (unsigned int i = 0; i < 2 && h->pipe >= 0 && read_some(h); i++)
		;
	close_pipe(h);
	note_line(h);
	note_end(h, &a);
	waiting_free(h->running);
	h->running = NULL;
	run_next(h);
}

/* ---- the start ---- */

static int spawn(struct hook *h, const struct waiting *w, int output)
{
	const struct model *m = h->daemon->config->model;
	struct spawner_request r = {.limit_ms = m->hook_timeout_ms};

	static_assert(LIMIT_HOOK <= SPAWNER_ARGS, "a hook fits a request");
	static_assert(HOOK_VARIABLES + 1 <= SPAWNER_ENV, "so does its environment");
	for (size_t i = 0; i < m->hook.len && i < LIMIT_HOOK; i++)
		r.argv[i] = m->hook.items[i];
	for (size_t i = 0; w->env[i]; i++)
		r.env[i] = w->env[i];
	h->limit_ms = r.limit_ms;
	return h->daemon->hooks ? spawner_start(h->daemon->hooks, &r, output) : -EPIPE;
}

static int start(struct hook *h, const struct waiting *w)
{
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	/* Only our end: a command need not cope with a pipe that does not block. */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	h->output = event_new(h->daemon->base, ends[0], EV_READ | EV_PERSIST, output_ready, h);
	err = h->output ? spawn(h, w, ends[1]) : -ENOMEM;
	close(ends[1]);
	if (err) {
		if (h->output)
			event_free(h->output);
		h->output = NULL;
		close(ends[0]);
		return err;
	}
	h->pipe = ends[0];
	h->noted = h->line_len = 0;
	event_add(h->output, NULL);
	event_add(h->answer, NULL);
	return 0;
}

static void run_next(struct hook *h)
{
	while (!h->running && !TAILQ_EMPTY(&h->queue)) {
		struct waiting *w = TAILQ_FIRST(&h->queue);
		const struct model *m = h->daemon->config->model;
		int err;

		TAILQ_REMOVE(&h->queue, w, link);
		h->n_waiting--;
		err = m->hook.len ? start(h, w) : 0;
		if (m->hook.len && err == 0) {
			h->running = w;
			continue;
		}
		if (err)
			note_not_started(h, w, -err);
		waiting_free(w);
	}
}

static struct hook *hook_new(struct daemon *d)
{
	struct hook *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->daemon = d;
	h->pipe = -1;
	TAILQ_INIT(&h->queue);
	/* Not for good: nothing is to be heard unless something runs. */
	h->answer = event_new(d->base, d->hooks ? spawner_fd(d->hooks) : -1, EV_READ, answered, h);
	if (h->answer)
		return h;
	free(h);
	return NULL;
}

void hook_run(struct daemon *d, const char *subject, const struct hook_variable *env, size_t n)
{
	struct waiting *w;

	if (d->config->model->hook.len == 0)
		return;
	if (!d->hook)
		d->hook = hook_new(d);
	w = d->hook ? waiting_new(subject, env, n) : NULL;
	if (!w) {
		journal_note(d->journal, JOURNAL_ERROR, "hook-failed",
			"there is no memory to run the hook", "s:s", "subject", subject);
		return;
	}
	put(d->hook, w);
	run_next(d->hook);
}

void hook_stop(struct daemon *d)
{
	struct hook *h = d->hook;
	struct waiting *w;

	if (!h)
		return;
	waiting_free(h->running);
	close_pipe(h);
	while ((w = TAILQ_FIRST(&h->queue))) {
		TAILQ_REMOVE(&h->queue, w, link);
		waiting_free(w);
	}
	event_free(h->answer);
	free(h);
	d->hook = NULL;
}
