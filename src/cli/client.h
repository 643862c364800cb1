/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client: asks the daemon, over its socket. When one runs, what there is to change is its to change, and
 * what there is to know it knows best.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "cli/cli.h"

enum client_result {
	CLIENT_ANSWERED,
	CLIENT_NO_DAEMON, /* none runs here, or it keeps another network namespace; no diag */
	CLIENT_REFUSED,	  /* the diag says why; *@code is the exit status for it */
};

/*
 * GET @path ("/v1/status"), or POST it with @body (@post; NULL: an empty one). On an answer *@answer is
 * a new reference, whose member "diagnostics" was taken into the diag.
 */
struct client_question {
	const char *path; /* with its query */
	bool post;
	const char *body;
	size_t len;
};
enum client_result client_ask(struct cli_context *c, const struct client_question *q,
	json_t **answer, enum cli_exit *code);

/* @key=@value for a query, encoded, in the arena. */
char *client_param(struct cli_context *c, const char *key, const char *value);

/* Say in the diag that no daemon runs, and how to start one. */
void client_no_daemon(struct cli_context *c, enum diag_severity severity);

/*
 * Follow a stream of events: @line is called for each line of it and returns false to end. 0: it ended
 * that way, or the daemon went; others as of client_ask(), with the diag.
 */
enum client_result client_follow(struct cli_context *c, const char *path,
	bool (*line)(const char *text, void *data), void *data, enum cli_exit *code);

#endif
