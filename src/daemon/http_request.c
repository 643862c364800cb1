/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP requests: bytes from outside into what was asked. */
#include "daemon/http_request.h"

#include <string.h>
#include <strings.h>

#include "base/ip.h"

#define HOST_BYTES 256u

enum {
	BAD_REQUEST = 400,
	HEAD_TOO_LARGE = 431,
	BODY_TOO_LARGE = 413,
	NOT_IMPLEMENTED = 501,
	BAD_VERSION = 505,
};

size_t http_head_length(const char *bytes, size_t len)
{
	const char *end = memmem(bytes, len, "\r\n\r\n", 4);

	return end ? (size_t)(end - bytes) + 4 : 0;
}

/* ---- encoded text ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %-decode @s in place; in a query '+' is a space. False: malformed, or a NUL. */
static bool decode(char *s, bool query)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%') {
			int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			*to++ = (char)(high << 4 | low);
			s += 2;
		} else {
			*to++ = query && *s == '+' ? ' ' : *s;
		}
	}
	*to = '\0';
	return true;
}

static int read_query(char *s, struct http_request *out)
{
	char *rest = s, *one;

	while ((one = strsep(&rest, "&"))) {
		struct http_param *p = &out->params[out->n_params];
		char *value = strchr(one, '=');

		if (!*one)
			continue;
		if (out->n_params == HTTP_MAX_PARAMS)
			return BAD_REQUEST;
		if (value)
			*value++ = '\0';
		else
			value = one + strlen(one);
		if (!decode(one, true) || !decode(value, true))
			return BAD_REQUEST;
		p->name = one;
		p->value = value;
		out->n_params++;
	}
	return 0;
}

/* ---- the head, line by line ---- */

static int read_request_line(char *line, struct http_request *out)
{
	char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
	char *query;

	if (!version)
		return BAD_REQUEST;
	*target++ = '\0';
	*version++ = '\0';
	if (strcmp(version, "HTTP/1.1") == 0)
		out->keep_alive = out->takes_chunks = true;
	else if (strcmp(version, "HTTP/1.0") != 0)
		return strncmp(version, "HTTP/", 5) == 0 ? BAD_VERSION : BAD_REQUEST;
	if (strcmp(line, "GET") == 0)
		out->method = HTTP_GET;
	else if (strcmp(line, "HEAD") == 0)
		out->method = HTTP_HEAD;
	else if (strcmp(line, "POST") == 0)
		out->method = HTTP_POST;
	else
		out->method = HTTP_OTHER;
	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	if (target[0] != '/' || !decode(target, false))
		return BAD_REQUEST;
	out->path = target;
	return query ? read_query(query, out) : 0;
}

/* Digits and nothing else. */
static bool read_number(const char *s, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (!*s)
		return false;
	for (; *s >= '0' && *s <= '9' && n <= max; s++)
		n = n * 10 + (uint64_t)(*s - '0');
	if (*s || n > max)
		return false;
	*out = n;
	return true;
}

/* Keep the value of a header that may be there once. */
static int once(const char **where, const char *value)
{
	if (*where)
		return BAD_REQUEST;
	*where = value;
	return 0;
}

static int read_length(const char *value, bool *seen, struct http_request *out)
{
	uint64_t n;

	if (*seen)
		return BAD_REQUEST;
	*seen = true;
	if (!read_number(value, HTTP_MAX_BODY, &n))
		return !*value || value[strspn(value, "0123456789")] ? BAD_REQUEST : BODY_TOO_LARGE;
	out->body_len = (size_t)n;
	return 0;
}

static int read_header(char *line, bool *length_seen, struct http_request *out)
{
	/* What a name may consist of (RFC 9110, section 5.6.2). */
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t name = strspn(line, token);
	char *value = line + name, *end;

	if (name == 0 || *value != ':')
		return BAD_REQUEST;
	*value++ = '\0';
	value += strspn(value, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	if (strcasecmp(line, "Content-Length") == 0)
		return read_length(value, length_seen, out);
	if (strcasecmp(line, "Transfer-Encoding") == 0)
		return NOT_IMPLEMENTED;
	if (strcasecmp(line, "Host") == 0)
		return once(&out->host, value);
	if (strcasecmp(line, "Origin") == 0)
		return once(&out->origin, value);
	if (strcasecmp(line, "Sec-Fetch-Site") == 0)
		return once(&out->fetch_site, value);
	if (strcasecmp(line, "Sec-Fetch-Mode") == 0)
		return once(&out->fetch_mode, value);
	if (strcasecmp(line, "Last-Event-ID") == 0)
		return once(&out->last_event_id, value);
	if (strcasecmp(line, "Portreeve-Namespace") == 0)
		return once(&out->namespace, value);
	/* Lists, which may come in several lines: the first one is enough to be right. */
	if (strcasecmp(line, "Accept-Encoding") == 0 && !out->accept_encoding)
		out->accept_encoding = value;
	if (strcasecmp(line, "If-None-Match") == 0 && !out->if_none_match)
		out->if_none_match = value;
	if (strcasecmp(line, "Expect") == 0)
		out->expects_continue = strcasecmp(value, "100-continue") == 0;
	if (strcasecmp(line, "Connection") == 0)
		out->keep_alive = strcasecmp(value, "close") != 0 &&
				  (out->keep_alive || strcasecmp(value, "keep-alive") == 0);
	return 0;
}

/* The next line of a head, without its CRLF. A CR or LF of its own is none of HTTP's. */
static char *next_line(char **at)
{
	char *line = *at, *end = strstr(line, "\r\n");

	if (!end)
		return NULL;
	*end = '\0';
	*at = end + 2;
	return strpbrk(line, "\r\n") ? NULL : line;
}

int http_request_parse(struct arena *a, const char *head, size_t len, struct http_request *out)
{
	char *at, *line;
	bool length_seen = false;
	size_t headers = 0;
	int status;

	*out = (struct http_request){0};
	if (len > HTTP_HEAD_BYTES)
		return HEAD_TOO_LARGE;
	if (memchr(head, '\0', len))
		return BAD_REQUEST;
	at = arena_strndup(a, head, len);
	line = next_line(&at);
	status = line ? read_request_line(line, out) : BAD_REQUEST;
	while (!status) {
		line = next_line(&at);
		if (!line)
			return BAD_REQUEST;
		if (!*line)
			break;
		if (++headers > HTTP_MAX_HEADERS)
			return HEAD_TOO_LARGE;
		status = read_header(line, &length_seen, out);
	}
	if (!status && out->method != HTTP_POST && out->body_len)
		status = BAD_REQUEST; /* it would mean nothing */
	return status;
}

/* ---- asking ---- */

const char *http_param(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->n_params; i++)
		if (strcmp(r->params[i].name, name) == 0)
			return r->params[i].value;
	return NULL;
}

bool http_number(
	const struct http_request *r, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *value = http_param(r, name);
	uint64_t n;

	if (!value)
		return true;
	if (!read_number(value, max, &n) || n < min)
		return false;
	*out = n;
	return true;
}

/* Is the coding whose @len bytes (name and parameters) stand there refused, by a quality of 0? */
static bool is_refused(const char *s, size_t len)
{
	const char *q = memmem(s, len, "q=", 2);

	return q && q[2] == '0' && strspn(q + 2, "0. \t") >= len - (size_t)(q + 2 - s);
}

bool http_takes_gzip(const char *accept_encoding)
{
	const char *at = accept_encoding;
	bool any = false;

	while (at && *at) {
		size_t len, name;

		at += strspn(at, ", \t");
		len = strcspn(at, ",");
		name = strcspn(at, ",; \t");
		if (name == 4 && strncasecmp(at, "gzip", name) == 0)
			return !is_refused(at, len);
		any = any || (name == 1 && *at == '*' && !is_refused(at, len));
		at += len;
	}
	return any;
}

bool http_has_tag(const char *if_none_match, const char *tag)
{
	const char *at = if_none_match;
	size_t len = strlen(tag);

	if (at && strcmp(at, "*") == 0)
		return true;
	while (at && *at) {
		const char *end;

		at += strspn(at, ", \t");
		if (strncmp(at, "W/", 2) == 0) /* as good here (RFC 9110, section 13.1.2) */
			at += 2;
		end = *at == '"' ? strchr(at + 1, '"') : NULL;
		if (!end)
			return false;
		if ((size_t)(end + 1 - at) == len && strncmp(at, tag, len) == 0)
			return true;
		at = end + 1;
	}
	return false;
}

bool http_host_is_ours(const char *host, const char *own)
{
	struct ip_addr addr;
	size_t len;

	if (!host)
		return false;
	len = strcspn(host, ":");
	if (host[0] == '[') {
		len = strcspn(host, "]");
		return host[len] == ']' && ip_parse_n(host + 1, len - 1, &addr) == 0;
	}
	if (len >= HOST_BYTES)
		return false;
	return ip_parse_n(host, len, &addr) == 0 ||
	       (len == 9 && strncasecmp(host, "localhost", len) == 0) ||
	       (own && own[0] && strlen(own) == len && strncasecmp(host, own, len) == 0);
}
