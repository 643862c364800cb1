/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP server: connections on a unix socket and on TCP, bounded in every way.
 *
 * One file: what a connection may do next, its deadline, its limits and its end depend on each other.
 */
#include "daemon/http.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "report/report.h"

#define SWEEP_MS    1000u /* how exact deadlines are */
#define LINGER_MS   2000u /* how long a refused body is read to its end */
#define IDLE_MS	    60000u
#define HEAD_MS	    10000u
#define BODY_MS	    60000u
#define ANSWER_MS   60000u
#define SPARE_MS    1000u /* a connection that did something since is not dropped for another */
#define BACKLOG	    128
#define LARGE_BYTES (1u << 20) /* an answer that is not to stay in our memory */
#define EVENT_PING  ":\n\n"    /* a comment: says that we are still there, and finds who is not */
#define PING_MS	    15000u

enum conn_state {
	CONN_HEAD,    /* waits for a request, or the rest of one */
	CONN_BODY,    /* waits for the rest of a body */
	CONN_ANSWER,  /* its answer is on the way; nothing is read */
	CONN_STREAM,  /* has become a stream */
	CONN_CLOSING, /* its last answer is on the way; what comes is thrown away */
	CONN_LINGER,  /* answered; waits for the other side to close */
};

struct http_conn {
	TAILQ_ENTRY(http_conn) next;
	struct http *http;
	struct bufferevent *bev;
	enum conn_state state;
	struct http_peer peer;
	struct arena *arena; /* of the request */
	struct http_request request;
	uint64_t active_ms, deadline_ms;		   /* deadline 0: none */
	void (*closed)(struct http_stream *s, void *data); /* of a stream */
	void *closed_data;
	struct http_pieces pieces; /* that are left of an answer; next NULL: none */
};

/* Both are a connection, seen by those who may do different things with it. */
struct http_exchange {
	struct http_conn *conn;
	const char *headers; /* beside those of every answer */
	bool answered;
};
struct http_stream {
	struct http_conn conn; /* first and only */
};

struct http {
	struct event_base *base;
	struct http_rules rules;
	TAILQ_HEAD(conn_list, http_conn) conns; /* the idlest first */
	size_t n_conns, n_streams, n_in_pieces;
	uint64_t refusals, pinged_ms;
	struct evconnlistener *local, *tcp;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	ino_t inode; /* of the socket file that is ours */
	struct event *sweep;
};

static void on_read(struct bufferevent *bev, void *data);
static void on_write(struct bufferevent *bev, void *data);
static void on_event(struct bufferevent *bev, short what, void *data);

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- connections ---- */

static void touch(struct http_conn *c)
{
	c->active_ms = now_ms();
	TAILQ_REMOVE(&c->http->conns, c, next);
	TAILQ_INSERT_TAIL(&c->http->conns, c, next);
}

static void enter(struct http_conn *c, enum conn_state state, uint32_t within_ms)
{
	c->state = state;
	c->deadline_ms = within_ms ? now_ms() + within_ms : 0;
}

static void end_pieces(struct http_conn *c)
{
	if (!c->pieces.next)
		return;
	c->http->n_in_pieces--;
	c->pieces.end(c->pieces.data);
	c->pieces = (struct http_pieces){0};
}

static void drop(struct http_conn *c)
{
	struct http *h = c->http;

	TAILQ_REMOVE(&h->conns, c, next);
	h->n_conns--;
	if (c->state == CONN_STREAM) {
		h->n_streams--;
		if (c->closed)
			c->closed((struct http_stream *)c, c->closed_data);
	}
	end_pieces(c);
	if (h->n_conns == 0)
		event_del(h->sweep);
	bufferevent_free(c->bev);
	arena_free(c->arena);
	free(c);
}

static void await_request(struct http_conn *c)
{
	arena_free(c->arena);
	c->arena = arena_new();
	enter(c, CONN_HEAD, c->http->rules.idle_ms);
	bufferevent_setwatermark(c->bev, EV_READ, 0, HTTP_HEAD_BYTES);
	bufferevent_enable(c->bev, EV_READ);
}

/* The idlest, if it has nothing going on. */
static struct http_conn *spare(struct http *h)
{
	struct http_conn *c;

	for (c = TAILQ_FIRST(&h->conns); c; c = TAILQ_NEXT(c, next)) {
		if (now_ms() - c->active_ms < SPARE_MS)
			return NULL;
		if (c->state == CONN_HEAD || c->state == CONN_LINGER)
			return c;
	}
	return NULL;
}

static void sweep(evutil_socket_t fd, short what, void *data)
{
	struct http *h = data;
	struct http_conn *c, *next;
	uint64_t now = now_ms();
	bool ping = now - h->pinged_ms >= PING_MS;

	for (c = TAILQ_FIRST(&h->conns); c; c = next) {
		next = TAILQ_NEXT(c, next);
		if (c->deadline_ms && now >= c->deadline_ms)
			drop(c);
		else if (ping && c->state == CONN_STREAM)
			http_stream_send((struct http_stream *)c, EVENT_PING, strlen(EVENT_PING));
	}
	if (ping)
		h->pinged_ms = now;
}

static void know_peer(struct http_conn *c, int fd, int family)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	c->peer = (struct http_peer){.uid = (uid_t)-1};
	if (family == AF_UNIX && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		c->peer.local = true;
		c->peer.uid = cred.uid;
		c->peer.pid = cred.pid;
	}
	c->http->rules.judge(&c->peer, fd, c->http->rules.data);
}

/* There are too many: say so, if that can be done at once, and go. */
static void turn_away(struct http *h, int fd)
{
	static const char words[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
				    "Retry-After: 1\r\nConnection: close\r\n\r\n";

	h->refusals++;
	(void)!send(fd, words, sizeof(words) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void on_accept(
	struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *data)
{
	static const struct timeval every = {.tv_sec = SWEEP_MS / 1000};
	struct http *h = data;
	struct http_conn *c;

	if (h->n_conns >= h->rules.max_connections) {
		c = spare(h);
		if (!c) {
			turn_away(h, fd);
			return;
		}
		h->refusals++;
		drop(c);
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		abort();
	c->http = h;
	c->bev = bufferevent_socket_new(h->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev)
		abort();
	know_peer(c, fd, sa->sa_family);
	TAILQ_INSERT_TAIL(&h->conns, c, next);
	c->active_ms = now_ms();
	if (h->n_conns++ == 0)
		event_add(h->sweep, &every);
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_enable(c->bev, EV_WRITE);
	await_request(c);
}

/* Most likely out of descriptors: make room, rather than be told the same for ever. */
static void on_accept_error(struct evconnlistener *l, void *data)
{
	struct http_conn *c = spare(data);

	if (c)
		drop(c);
}

/* ---- answers ---- */

static const char *status_words(int status)
{
	static const struct {
		int status;
		const char *words;
	} table[] = {
		{200, "OK"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{409, "Conflict"},
		{413, "Content Too Large"},
		{421, "Misdirected Request"},
		{422, "Unprocessable Content"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].words;
	return "Unknown";
}

void http_set_headers(struct http_exchange *x, const char *lines)
{
	x->headers = lines;
}

enum { LEN_NO_BODY = -3, LEN_CHUNKED = -2, LEN_NO_END = -1 };

/* The answer's head. @len: or one of the above. */
static void send_head(
	struct http_exchange *x, int status, const char *type, ssize_t len, bool closes)
{
	struct evbuffer *out = bufferevent_get_output(x->conn->bev);

	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nX-Content-Type-Options: nosniff\r\n%s", status,
		status_words(status), x->headers ? x->headers : "Cache-Control: no-store\r\n");
	if (len != LEN_NO_BODY)
		evbuffer_add_printf(out, "Content-Type: %s\r\n", type);
	if (len >= 0)
		evbuffer_add_printf(out, "Content-Length: %zd\r\n", len);
	else if (len == LEN_CHUNKED)
		evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n");
	evbuffer_add_printf(out, "%s\r\n", closes ? "Connection: close\r\n" : "");
}

static void free_text(const void *text, size_t len, void *data)
{
	free((void *)text);
	if (len >= LARGE_BYTES)
		malloc_trim(0);
}

static void leave_text(const void *text, size_t len, void *data)
{
}

/* Send a whole answer. @done is called with the text when it is not needed any more. */
static void answer_with(struct http_exchange *x, int status, const char *type, const char *text,
	ssize_t len, evbuffer_ref_cleanup_cb done)
{
	struct http_conn *c = x->conn;
	bool closes = c->state == CONN_CLOSING || !c->request.keep_alive;

	x->answered = true;
	send_head(x, status, type, len, closes);
	if (c->request.method == HTTP_HEAD || len <= 0)
		done(text, 0, NULL);
	else if (evbuffer_add_reference(
			 bufferevent_get_output(c->bev), text, (size_t)len, done, NULL) < 0)
		abort();
	enter(c, closes ? CONN_CLOSING : CONN_ANSWER, c->http->rules.answer_ms);
	if (!closes)
		bufferevent_disable(c->bev, EV_READ);
}

/* @text is malloc()ed and taken over. */
static void answer(struct http_exchange *x, int status, const char *type, char *text, size_t len)
{
	answer_with(x, status, type, text, (ssize_t)len, free_text);
}

void http_reply_static(
	struct http_exchange *x, int status, const char *type, const char *bytes, size_t len)
{
	answer_with(x, status, type, bytes, (ssize_t)len, leave_text);
}

void http_reply_unchanged(struct http_exchange *x)
{
	answer_with(x, 304, NULL, NULL, LEN_NO_BODY, leave_text);
}

void http_reply(struct http_exchange *x, int status, const char *type, const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	if (len)
		memcpy(copy, text, len);
	answer(x, status, type, copy, len);
}

void http_reply_json(struct http_exchange *x, int status, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (!text)
		abort();
	json_decref(body);
	answer(x, status, "application/json", text, strlen(text));
}

void http_reply_error(struct http_exchange *x, int status, const char *error, const char *hint,
	json_t *diagnostics)
{
	json_t *j = json_object();

	json_object_set_new(j, "error", report_text(error));
	json_object_set_new(j, "hint", report_text(hint));
	json_object_set_new(j, "diagnostics", diagnostics ? diagnostics : json_array());
	http_reply_json(x, status, j);
}

/* ---- answers in pieces ---- */

/* As much as is sent at once. False: that was all. */
static bool gather(const struct http_pieces *p, struct strbuf *out)
{
	while (p->next(out, p->data))
		if (out->len >= HTTP_PIECE_BYTES)
			return true;
	return false;
}

static void send_piece(struct http_conn *c, const struct strbuf *text, bool last)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	bool chunks = c->request.takes_chunks;

	if (chunks && text->len)
		evbuffer_add_printf(out, "%zx\r\n", text->len);
	evbuffer_add(out, strbuf_str(text), text->len);
	if (chunks)
		evbuffer_add_printf(out, "%s%s", text->len ? "\r\n" : "", last ? "0\r\n\r\n" : "");
}

static void go_on(struct http_conn *c)
{
	struct strbuf text = STRBUF_INIT;
	bool last = !gather(&c->pieces, &text);

	send_piece(c, &text, last);
	strbuf_fini(&text);
	if (last)
		end_pieces(c);
}

/* More than one piece: who knows no chunks reads to the end of the connection. */
static void begin_pieces(struct http_exchange *x, int status, const char *type,
	const struct http_pieces *pieces, const struct strbuf *first)
{
	struct http_conn *c = x->conn;
	bool chunks = c->request.takes_chunks, closes = !chunks || !c->request.keep_alive;

	x->answered = true;
	c->pieces = *pieces;
	c->http->n_in_pieces++;
	send_head(x, status, type, chunks ? LEN_CHUNKED : LEN_NO_END, closes);
	if (c->request.method == HTTP_HEAD)
		end_pieces(c);
	else
		send_piece(c, first, false);
	enter(c, closes ? CONN_CLOSING : CONN_ANSWER, c->http->rules.answer_ms);
	if (!closes)
		bufferevent_disable(c->bev, EV_READ);
}

void http_reply_pieces(
	struct http_exchange *x, int status, const char *type, const struct http_pieces *pieces)
{
	struct strbuf first = STRBUF_INIT;

	if (!gather(pieces, &first)) {
		http_reply(x, status, type, strbuf_str(&first), first.len);
		pieces->end(pieces->data);
	} else if (x->conn->http->n_in_pieces == HTTP_MAX_IN_PIECES) {
		http_reply_error(x, 503, "too many large answers are under way already",
			"try again later, or ask for less", NULL);
		pieces->end(pieces->data);
	} else {
		begin_pieces(x, status, type, pieces, &first);
	}
	strbuf_fini(&first);
}

/* Refuse what cannot be read, or will not be. */
static void refuse(struct http_conn *c, int status, const char *error)
{
	struct http_exchange x = {.conn = c};

	enter(c, CONN_CLOSING, 0);
	http_reply_error(&x, status, error, NULL, NULL);
	bufferevent_setwatermark(c->bev, EV_READ, 0, HTTP_HEAD_BYTES);
}

struct http_stream *http_stream_start(
	struct http_exchange *x, void (*closed)(struct http_stream *s, void *data), void *data)
{
	struct http_conn *c = x->conn;

	if (c->http->n_streams == HTTP_MAX_STREAMS) {
		http_reply_error(x, 503, "too many are following the events already",
			"try again later", NULL);
		return NULL;
	}
	x->answered = true;
	c->http->n_streams++;
	c->closed = closed;
	c->closed_data = data;
	enter(c, CONN_STREAM, 0);
	send_head(x, 200, "text/event-stream", LEN_NO_END, true);
	return (struct http_stream *)c;
}

bool http_stream_send(struct http_stream *s, const char *text, size_t len)
{
	struct evbuffer *out = bufferevent_get_output(s->conn.bev);

	if (evbuffer_get_length(out) + len > HTTP_STREAM_BYTES) {
		drop(&s->conn);
		return false;
	}
	evbuffer_add(out, text, len);
	return true;
}

/* ---- requests ---- */

static void handle(struct http_conn *c)
{
	struct http_exchange x = {.conn = c};

	c->http->rules.handle(&x, &c->request, &c->peer, c->http->rules.data);
	if (!x.answered)
		abort(); /* a handler that did not answer: the client would wait for ever */
}

static void read_body(struct http_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	bool has_body;

	if (evbuffer_get_length(in) < c->request.body_len)
		return;
	c->request.body = (const char *)evbuffer_pullup(in, (ssize_t)c->request.body_len);
	if (c->request.body_len == 0)
		c->request.body = "";
	has_body = c->request.body_len != 0;
	handle(c);
	if (has_body) /* else it may be gone: a stream whose reader was too slow at once */
		evbuffer_drain(in, c->request.body_len);
}

static const char *refusal(int status)
{
	switch (status) {
	case 413:
		return "the body is too large";
	case 431:
		return "the request's head is too large";
	case 501:
		return "chunked bodies are not understood here";
	case 505:
		return "only HTTP/1.0 and HTTP/1.1 are spoken here";
	default:
		return "this is no HTTP request";
	}
}

static void read_head(struct http_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t have = evbuffer_get_length(in),
	       take = have < HTTP_HEAD_BYTES ? have : HTTP_HEAD_BYTES;
	const char *bytes = (const char *)evbuffer_pullup(in, (ssize_t)take);
	size_t len = http_head_length(bytes, take);
	int status;

	if (len == 0) {
		if (have >= HTTP_HEAD_BYTES)
			refuse(c, 431, refusal(431));
		else if (c->deadline_ms > now_ms() + c->http->rules.head_ms)
			enter(c, CONN_HEAD, c->http->rules.head_ms);
		return;
	}
	status = http_request_parse(c->arena, bytes, len, &c->request);
	evbuffer_drain(in, len);
	if (!status &&
		c->request.body_len > c->http->rules.body_limit(&c->peer, c->http->rules.data))
		status = 413;
	if (status) {
		refuse(c, status, refusal(status));
		return;
	}
	if (c->request.expects_continue && c->request.body_len)
		bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	enter(c, CONN_BODY, c->http->rules.body_ms);
	bufferevent_setwatermark(c->bev, EV_READ, 0, c->request.body_len + HTTP_HEAD_BYTES);
	read_body(c);
}

static void on_read(struct bufferevent *bev, void *data)
{
	struct http_conn *c = data;
	struct evbuffer *in = bufferevent_get_input(bev);

	touch(c);
	switch (c->state) {
	case CONN_HEAD:
		if (evbuffer_get_length(in))
			read_head(c);
		break;
	case CONN_BODY:
		read_body(c);
		break;
	case CONN_ANSWER:
		break;
	case CONN_STREAM:
	case CONN_CLOSING:
	case CONN_LINGER:
		evbuffer_drain(in, evbuffer_get_length(in));
		break;
	}
}

/* Everything that was to be sent has gone out. */
static void on_write(struct bufferevent *bev, void *data)
{
	struct http_conn *c = data;

	if (evbuffer_get_length(bufferevent_get_output(bev)))
		return;
	touch(c);
	if (c->pieces.next) {
		go_on(c);
	} else if (c->state == CONN_ANSWER) {
		await_request(c);
		if (evbuffer_get_length(bufferevent_get_input(bev)))
			read_head(c);
	} else if (c->state == CONN_CLOSING) {
		shutdown(bufferevent_getfd(bev), SHUT_WR);
		enter(c, CONN_LINGER, LINGER_MS);
	}
}

static void on_event(struct bufferevent *bev, short what, void *data)
{
	struct http_conn *c = data;

	/* Who has said all he had to say may still want to hear the answer. */
	if ((what & BEV_EVENT_EOF) && !(what & BEV_EVENT_ERROR) &&
		(c->state == CONN_ANSWER || c->state == CONN_CLOSING)) {
		c->request.keep_alive = false;
		enter(c, CONN_CLOSING, c->http->rules.answer_ms);
		return;
	}
	drop(c);
}

/* ---- listening ---- */

/* Does somebody answer there? */
static bool is_alive(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = fd < 0 || connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 ? 0 : errno;

	if (fd >= 0)
		close(fd);
	return err == 0 || err == EAGAIN; /* EAGAIN: it is there, but has a full queue */
}

/* Bound under another name, made what it must be, and only then put where it is looked for: there is
 * no moment in which too many may connect, or a stale one stands there. */
static int bind_unix(struct http *h, int fd, const struct sockaddr_un *sa, gid_t group)
{
	struct sockaddr_un own = {.sun_family = AF_UNIX};
	struct stat st;
	int n = snprintf(own.sun_path, sizeof(own.sun_path), "%s.new", sa->sun_path);

	if (n < 0 || (size_t)n >= sizeof(own.sun_path))
		return -ENAMETOOLONG;
	unlink(own.sun_path);
	if (bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0)
		return -errno;
	if (chmod(own.sun_path, 0660) < 0 || chown(own.sun_path, (uid_t)-1, group) < 0 ||
		listen(fd, BACKLOG) < 0 || stat(own.sun_path, &st) < 0 ||
		rename(own.sun_path, sa->sun_path) < 0) {
		int err = -errno;

		unlink(own.sun_path);
		return err;
	}
	h->inode = st.st_ino;
	return 0;
}

int http_listen_unix(struct http *h, const char *path, gid_t group)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path));
	if (is_alive(&sa))
		return -EADDRINUSE;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = bind_unix(h, fd, &sa, group);
	if (err) {
		close(fd);
		return err;
	}
	h->local = evconnlistener_new(
		h->base, on_accept, h, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	memcpy(h->path, sa.sun_path, sizeof(h->path));
	if (!h->local)
		abort();
	evconnlistener_set_error_cb(h->local, on_accept_error);
	return 0;
}

static socklen_t tcp_address(
	const struct ip_addr *addr, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (addr->family == IP_V4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, addr->bytes, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, addr->bytes, 16);
	return sizeof(*v6);
}

int http_listen_tcp(struct http *h, const struct ip_addr *addr, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len;

	if (h->tcp)
		evconnlistener_free(h->tcp);
	h->tcp = NULL;
	if (addr->family == IP_NONE)
		return 0;
	len = tcp_address(addr, port, &sa);
	errno = 0;
	h->tcp = evconnlistener_new_bind(h->base, on_accept, h,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG,
		(struct sockaddr *)&sa, (int)len);
	if (!h->tcp)
		return errno ? -errno : -EADDRNOTAVAIL;
	evconnlistener_set_error_cb(h->tcp, on_accept_error);
	return 0;
}

/* ---- the server ---- */

static uint32_t or_default(uint32_t given, uint32_t otherwise)
{
	return given ? given : otherwise;
}

struct http *http_new(struct event_base *base, const struct http_rules *rules)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->base = base;
	h->rules = *rules;
	h->rules.max_connections = or_default(rules->max_connections, HTTP_MAX_CONNECTIONS);
	h->rules.idle_ms = or_default(rules->idle_ms, IDLE_MS);
	h->rules.head_ms = or_default(rules->head_ms, HEAD_MS);
	h->rules.body_ms = or_default(rules->body_ms, BODY_MS);
	h->rules.answer_ms = or_default(rules->answer_ms, ANSWER_MS);
	TAILQ_INIT(&h->conns);
	h->sweep = event_new(base, -1, EV_PERSIST, sweep, h);
	if (!h->sweep)
		abort();
	return h;
}

void http_free(struct http *h)
{
	struct http_conn *c, *next;
	struct stat st;

	if (!h)
		return;
	for (c = TAILQ_FIRST(&h->conns); c; c = next) {
		next = TAILQ_NEXT(c, next);
		drop(c);
	}
	if (h->local) {
		evconnlistener_free(h->local);
		if (stat(h->path, &st) == 0 && st.st_ino == h->inode)
			unlink(h->path);
	}
	if (h->tcp)
		evconnlistener_free(h->tcp);
	event_free(h->sweep);
	free(h);
}

size_t http_connections(const struct http *h)
{
	return h->n_conns;
}

uint64_t http_refusals(const struct http *h)
{
	return h->refusals;
}
