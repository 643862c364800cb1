/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP server: connections on a unix socket and on TCP, bounded in every way.
 *
 * Theory of operation. A connection asks one thing at a time: head, body, answer, and then the next.
 * While an answer is on its way nothing is read. Every state has a deadline, every buffer a limit. The
 * connections stand in one list, the idlest first; when there are as many as may be, a new one takes
 * the place of the idlest if that has nothing going on, and is turned away otherwise. What was refused
 * with its body unread is read to its end for a moment, so that the client gets to see why.
 *
 * (libevent's own HTTP server tells of a connection only when it asks, so those that never do could
 * neither be counted nor dropped, and who is at the other end would be known too late to limit it.)
 */
#ifndef DAEMON_HTTP_H
#define DAEMON_HTTP_H

#include <sys/types.h>

#include <event2/event.h>
#include <jansson.h>

#include "base/diag.h"
#include "base/ip.h"
#include "base/strbuf.h"
#include "daemon/http_request.h"

#define HTTP_MAX_CONNECTIONS 256u
#define HTTP_MAX_STREAMS     64u
#define HTTP_STREAM_BYTES    (512u << 10) /* not yet taken by the reader of a stream */
#define HTTP_PIECE_BYTES     (64u << 10)  /* likewise of an answer in pieces */
#define HTTP_MAX_IN_PIECES   4u		  /* such answers under way */

/* Who is at the other end. Of TCP nothing is known. */
struct http_peer {
	bool local; /* on the unix socket */
	uid_t uid;
	pid_t pid;
	bool may_read, may_change;
};

struct http;
struct http_exchange; /* one request, being answered */
struct http_stream;   /* an answer without an end */

struct http_rules {
	/* Fill in may_read and may_change. */
	void (*judge)(struct http_peer *peer, int fd, void *data);
	/* How many bytes of body @peer may send. */
	size_t (*body_limit)(const struct http_peer *peer, void *data);
	/* Answer, or begin to, before it returns: by one of the functions below. */
	void (*handle)(struct http_exchange *x, const struct http_request *r,
		const struct http_peer *peer, void *data);
	void *data;
	/* 0: as they are by default */
	unsigned int max_connections;
	uint32_t idle_ms, head_ms, body_ms, answer_ms;
};

struct http *http_new(struct event_base *base, const struct http_rules *rules);
void http_free(struct http *h); /* all connections are closed; NULL is fine */

/*
 * Listen on a socket file, 0660 and of @group. One that nobody answers on is replaced; -EADDRINUSE:
 * somebody does. 0 or -errno.
 */
int http_listen_unix(struct http *h, const char *path, gid_t group);
/* Listen on TCP instead of where it did before; family IP_NONE: no more. 0 or -errno. */
int http_listen_tcp(struct http *h, const struct ip_addr *addr, uint16_t port);

size_t http_connections(const struct http *h);
/* Connections dropped or turned away because there were too many. */
uint64_t http_refusals(const struct http *h);

/* ---- answers ---- */

/* With the answer go these lines, each with its CRLF, instead of "Cache-Control: no-store"; to be said
 * before it, and there until then. */
void http_set_headers(struct http_exchange *x, const char *lines);

void http_reply(
	struct http_exchange *x, int status, const char *type, const char *text, size_t len);
/* The same with bytes that stay where they are for as long as the program runs. */
void http_reply_static(
	struct http_exchange *x, int status, const char *type, const char *bytes, size_t len);
/* 304: what the client has got already is as it was. */
void http_reply_unchanged(struct http_exchange *x);
void http_reply_json(struct http_exchange *x, int status, json_t *body); /* takes @body over */
/*
 * A large answer, made as its reader takes it: others are heard in between, and what a slow one leaves
 * lying is a piece.
 */
struct http_pieces {
	/* Append a little; false: that was all. */
	bool (*next)(struct strbuf *out, void *data);
	/* Once, whatever came of it. */
	void (*end)(void *data);
	void *data;
};
void http_reply_pieces(
	struct http_exchange *x, int status, const char *type, const struct http_pieces *pieces);
/* {"error", "hint", "diagnostics"}; @hint and @diagnostics (taken over) may be NULL. */
void http_reply_error(struct http_exchange *x, int status, const char *error, const char *hint,
	json_t *diagnostics);

/*
 * Answer with a stream of server-sent events. NULL: there are too many, which the client was told.
 * @closed is called when the reader has gone or was too slow, or the server ends; the stream is gone
 * then.
 */
struct http_stream *http_stream_start(
	struct http_exchange *x, void (*closed)(struct http_stream *s, void *data), void *data);
/* False: the reader was too slow, and the stream is gone; @closed was called. */
bool http_stream_send(struct http_stream *s, const char *text, size_t len);

#endif
