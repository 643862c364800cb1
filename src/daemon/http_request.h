/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP requests: bytes from outside into what was asked. No I/O.
 *
 * As much of RFC 9112 as the API needs, and strict where leniency has cost others dear: lines end with
 * CRLF, a length is given once, nothing is chunked, nothing is folded.
 */
#ifndef DAEMON_HTTP_REQUEST_H
#define DAEMON_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define HTTP_HEAD_BYTES	 16384u /* request line and headers */
#define HTTP_MAX_HEADERS 64u
#define HTTP_MAX_PARAMS	 16u
#define HTTP_MAX_BODY	 UINT32_MAX /* what a length may say; what is taken is the server's choice */

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OTHER };

struct http_param {
	const char *name, *value; /* decoded */
};

struct http_request {
	enum http_method method;
	const char *path; /* decoded, begins with '/', without the query */
	struct http_param params[HTTP_MAX_PARAMS];
	size_t n_params;
	bool keep_alive;
	bool takes_chunks;     /* HTTP/1.1 */
	bool expects_continue; /* the client waits for a go-ahead before it sends the body */
	size_t body_len;
	/* NULL: not given */
	const char *host, *last_event_id, *namespace, *accept_encoding, *if_none_match;
	const char *origin, *fetch_site,
		*fetch_mode; /* what a browser says of the page that asks */

	const char *body; /* body_len bytes; set by the server */
};

/* Length of the head (up to and with the empty line) at the start of @bytes; 0: not all there yet. */
size_t http_head_length(const char *bytes, size_t len);

/* Read a whole head into @out, whose strings live in @a. 0, or the HTTP status to refuse it with. */
int http_request_parse(struct arena *a, const char *head, size_t len, struct http_request *out);

/* A parameter of the query; NULL: not given. */
const char *http_param(const struct http_request *r, const char *name);
/* As a number into *@out, which is left alone where it was not given. False: it is none from @min to
 * @max. */
bool http_number(
	const struct http_request *r, const char *name, uint64_t min, uint64_t max, uint64_t *out);

/* Does who sends this Accept-Encoding (NULL: none) take gzip? */
bool http_takes_gzip(const char *accept_encoding);
/* Is @tag, in its quotes, among those of this If-None-Match (NULL: there is none)? */
bool http_has_tag(const char *if_none_match, const char *tag);

/* Is @host (of a Host header) an address, or "localhost", or @own: a name that no stranger's DNS can
 * have pointed here? */
bool http_host_is_ours(const char *host, const char *own);

#endif
