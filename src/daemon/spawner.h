/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spawner: a process beside the daemon that starts commands for it, one at a time.
 *
 * It is forked before the daemon gives up its rights (confine.h), so commands run with what the daemon was
 * started with, and the daemon itself needs neither execve() nor kill(). It holds nothing of the daemon's
 * but one end of a socket: when the other end closes, however the daemon ends, it kills what runs and is
 * gone. What arrives there is checked as from a stranger.
 */
#ifndef DAEMON_SPAWNER_H
#define DAEMON_SPAWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/legacy.h"

#define SPAWNER_ARGS	 32u /* words of a command */
#define SPAWNER_ENV	 32u /* variables */
#define SPAWNER_LIMIT_MS 600000u
#define SPAWNER_BYTES	 (128u << 10) /* a request as it is sent */

struct spawner;

struct spawner_request {
	const char *argv[SPAWNER_ARGS + 1]; /* NULL-terminated; the first is a path from the root */
	const char *env[SPAWNER_ENV + 1];
	uint32_t limit_ms; /* then it is killed, with its process group */
};

struct spawner_answer {
	int err;    /* an errno: it could not be started; the rest is meaningless */
	int status; /* as of waitpid() */
	bool late;  /* it was killed since its time was over */
};

/* @name: what ps shows, up to 15 bytes. NULL with errno. */
struct spawner *spawner_new(const char *name);
void spawner_free(struct spawner *s); /* what runs is killed; NULL is fine */

/* Readable when there is an answer, or when it has gone. */
int spawner_fd(const struct spawner *s);
/* Start a command with @output as its standard output and error; the descriptor stays the caller's. To
 * each that was started comes one answer; until then the next one waits. 0 or -errno. */
int spawner_start(struct spawner *s, const struct spawner_request *r, int output);
/* Waits for the answer. 0; -EPIPE: it has gone. */
int spawner_answer(struct spawner *s, struct spawner_answer *out);

/* For kernel/legacy.h; lives as long as the spawner. */
const struct kernel_runner *spawner_runner(struct spawner *s);

/* A request as bytes. Encode: the length, or 0 if it is too large; decode: strings stay in @bytes. */
size_t spawner_encode(const struct spawner_request *r, char bytes[SPAWNER_BYTES]);
bool spawner_decode(const char *bytes, size_t len, struct spawner_request *out);

/* The life of the process at the other end of @socket. Does not return. */
void spawner_serve(int socket, const char *name) __attribute__((noreturn));

#endif
