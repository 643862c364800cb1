/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Spawner, the daemon's side: requests out, answers in. */
#include "daemon/spawner.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A request: this, then so many NUL-terminated strings, and nothing else. */
struct head {
	uint32_t limit_ms, n_args, n_env;
};

#define RUNNER_LIMIT_MS 20000u

struct spawner {
	int socket;
	pid_t pid;
	struct kernel_runner runner;
};

/* ---- bytes ---- */

static bool add_strings(
	const char *const *strings, size_t max, char bytes[SPAWNER_BYTES], size_t *len, uint32_t *n)
{
	for (*n = 0; strings[*n]; (*n)++) {
		size_t size = strlen(strings[*n]) + 1;

		if (*n == max || size > SPAWNER_BYTES - *len)
			return false;
		memcpy(bytes + *len, strings[*n], size);
		*len += size;
	}
	return true;
}

size_t spawner_encode(const struct spawner_request *r, char bytes[SPAWNER_BYTES])
{
	struct head head = {.limit_ms = r->limit_ms};
	size_t len = sizeof(head);

	if (!add_strings(r->argv, SPAWNER_ARGS, bytes, &len, &head.n_args) ||
		!add_strings(r->env, SPAWNER_ENV, bytes, &len, &head.n_env))
		return 0;
	memcpy(bytes, &head, sizeof(head));
	return len;
}

/* @at goes behind them. */
static bool take_strings(const char *bytes, size_t len, size_t *at, uint32_t n, const char **out)
{
	for (uint32_t i = 0; i < n; i++) {
		const char *end = memchr(bytes + *at, '\0', len - *at);

		if (!end)
			return false;
		out[i] = bytes + *at;
		*at = (size_t)(end + 1 - bytes);
	}
	out[n] = NULL;
	return true;
}

bool spawner_decode(const char *bytes, size_t len, struct spawner_request *out)
{
	struct head head;
	size_t at = sizeof(head);

	if (len < sizeof(head) || len > SPAWNER_BYTES)
		return false;
	memcpy(&head, bytes, sizeof(head));
	if (!head.limit_ms || head.limit_ms > SPAWNER_LIMIT_MS || !head.n_args ||
		head.n_args > SPAWNER_ARGS || head.n_env > SPAWNER_ENV)
		return false;
	out->limit_ms = head.limit_ms;
	return take_strings(bytes, len, &at, head.n_args, out->argv) &&
	       take_strings(bytes, len, &at, head.n_env, out->env) && at == len &&
	       out->argv[0][0] == '/';
}

/* ---- talking ---- */

int spawner_start(struct spawner *s, const struct spawner_request *r, int output)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	char *bytes = malloc(SPAWNER_BYTES);
	struct iovec iov = {.iov_base = bytes};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int err = 0;

	if (!bytes)
		return -ENOMEM;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &output, sizeof(int));
	iov.iov_len = spawner_encode(r, bytes);
	if (!iov.iov_len)
		err = -E2BIG;
	else if (sendmsg(s->socket, &m, MSG_NOSIGNAL) < 0)
		err = -errno;
	free(bytes);
	return err;
}

int spawner_answer(struct spawner *s, struct spawner_answer *out)
{
	ssize_t n;

	do
		n = recv(s->socket, out, sizeof(*out), 0);
	while (n < 0 && errno == EINTR);
	return n == sizeof(*out) ? 0 : -EPIPE;
}

int spawner_fd(const struct spawner *s)
{
	return s->socket;
}

/* ---- for kernel/legacy.h ---- */

static int runner_start(void *data, const char *command, int output)
{
	struct spawner_request r = {
		.argv = {"/bin/sh", "-c", command}, .limit_ms = RUNNER_LIMIT_MS};

	return spawner_start(data, &r, output);
}

static int runner_finish(void *data)
{
	struct spawner_answer a;
	int err = spawner_answer(data, &a);

	return err ? err : a.err || a.late || a.status ? -EIO : 0;
}

const struct kernel_runner *spawner_runner(struct spawner *s)
{
	s->runner = (struct kernel_runner){runner_start, runner_finish, s};
	return &s->runner;
}

/* ---- its life ---- */

struct spawner *spawner_new(const char *name)
{
	struct spawner *s = calloc(1, sizeof(*s));
	int ends[2], err;

	if (!s)
		abort();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		free(s);
		return NULL;
	}
	s->pid = fork();
	if (s->pid == 0)
		spawner_serve(ends[1], name);
	err = errno;
	close(ends[1]);
	s->socket = ends[0];
	if (s->pid > 0)
		return s;
	close(s->socket);
	free(s);
	errno = err;
	return NULL;
}

void spawner_free(struct spawner *s)
{
	if (!s)
		return;
	close(s->socket);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(s);
}
