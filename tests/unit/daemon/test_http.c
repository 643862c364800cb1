/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server: sockets and who may take them, limits, deadlines, streams; with a loop of its own. */
#include "served.h"

#include <errno.h>
#include <sys/stat.h>

struct fixture {
	struct served served;
	unsigned int handled, closed;
	char last[128]; /* path and body of the last request */
	struct http_peer peer;
	struct http_stream *stream;
	/* of /pieces: lines to come, lines made, answers that ended; and lines made as the last other
	 * request was handled */
	unsigned int lines, made, ended, made_then;
};

static void judge(struct http_peer *peer, int fd, void *data)
{
	peer->may_read = peer->may_change = peer->local;
}

static size_t body_limit(const struct http_peer *peer, void *data)
{
	return peer->may_change ? 1000 : 0;
}

static void on_closed(struct http_stream *s, void *data)
{
	struct fixture *f = data;

	f->closed++;
	f->stream = NULL;
}

/* Numbered lines of 1,000 bytes. */
static bool next_line(struct strbuf *out, void *data)
{
	struct fixture *f = data;

	strbuf_addf(out, "%0999u\n", f->made++);
	return f->made < f->lines;
}

static void end_lines(void *data)
{
	((struct fixture *)data)->ended++;
}

static void handle(struct http_exchange *x, const struct http_request *r,
	const struct http_peer *peer, void *data)
{
	struct fixture *f = data;

	f->handled++;
	if (http_param(r, "headers"))
		http_set_headers(x, "Cache-Control: no-cache\r\nX-More: yes\r\n");
	f->made_then = f->made;
	f->peer = *peer;
	snprintf(f->last, sizeof(f->last), "%s %.*s", r->path, (int)r->body_len, r->body);
	if (strcmp(r->path, "/stream") == 0)
		f->stream = http_stream_start(x, on_closed, f);
	else if (strcmp(r->path, "/pieces") == 0)
		http_reply_pieces(
			x, 200, "text/plain", &(struct http_pieces){next_line, end_lines, f});
	else if (strcmp(r->path, "/static") == 0)
		http_reply_static(x, 200, "text/plain", "as it is", 8);
	else if (strcmp(r->path, "/unchanged") == 0)
		http_reply_unchanged(x);
	else if (strcmp(r->path, "/error") == 0)
		http_reply_error(x, 409, "no", "try", NULL);
	else
		http_reply(x, 200, "text/plain", "hello", 5);
}

static void begin(struct fixture *f, struct http_rules rules)
{
	*f = (struct fixture){0};
	rules.judge = judge;
	rules.body_limit = body_limit;
	rules.handle = handle;
	rules.data = f;
	served_begin(&f->served, &rules);
}

static void end(struct fixture *f)
{
	served_end(&f->served);
}

static int dial(const struct fixture *f)
{
	return served_dial(&f->served);
}

static void spin(const struct fixture *f, unsigned int ms)
{
	served_spin(&f->served, ms);
}

static void put(const struct fixture *f, int fd, const char *text)
{
	served_put(&f->served, fd, text);
}

static bool is_closed(int fd)
{
	char buf[8192];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		;
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

#define GET "GET / HTTP/1.1\r\n\r\n"

static void test_one_thing_after_another(void **state)
{
	struct fixture f;
	char buf[8192];
	int fd;

	begin(&f, (struct http_rules){0});
	fd = dial(&f);
	put(&f, fd, "GET /a HTT");
	assert_int_equal(f.handled, 0);
	put(&f, fd, "P/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nx");
	assert_int_equal(f.handled, 1);
	put(&f, fd, "yz");
	assert_int_equal(f.handled, 2);
	assert_string_equal(f.last, "/b xyz");
	got(fd, buf);
	assert_non_null(strstr(buf, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(buf, "Content-Length: 5\r\n"));
	assert_non_null(strstr(buf, "\r\n\r\nhello"));
	assert_true(f.peer.local);
	assert_int_equal(f.peer.uid, getuid());
	assert_int_equal(f.peer.pid, getpid());
	put(&f, fd, "HEAD /c HTTP/1.1\r\nConnection: close\r\n\r\n");
	got(fd, buf);
	assert_non_null(strstr(buf, "Connection: close\r\n"));
	assert_null(strstr(buf, "hello"));
	assert_true(is_closed(fd));
	close(fd);
	end(&f);
}

/* What an answer says beside itself; one without a body leaves the connection where it is. */
static void test_headers(void **state)
{
	struct fixture f;
	char buf[8192];
	int fd;

	begin(&f, (struct http_rules){0});
	fd = dial(&f);
	put(&f, fd, GET);
	assert_non_null(strstr(got(fd, buf), "\r\nCache-Control: no-store\r\n"));
	put(&f, fd, "GET /static?headers HTTP/1.1\r\n\r\n");
	got(fd, buf);
	assert_null(strstr(buf, "no-store"));
	assert_non_null(strstr(buf, "\r\nCache-Control: no-cache\r\nX-More: yes\r\n"));
	assert_non_null(strstr(buf, "\r\nX-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(buf, "\r\nContent-Length: 8\r\n"));
	assert_string_equal(strstr(buf, "\r\n\r\n"), "\r\n\r\nas it is");
	put(&f, fd, "HEAD /static HTTP/1.1\r\n\r\n");
	got(fd, buf);
	assert_non_null(strstr(buf, "\r\nContent-Length: 8\r\n"));
	assert_non_null(strstr(buf, "no-store")); /* what another answer had is not kept */
	assert_string_equal(strstr(buf, "\r\n\r\n"), "\r\n\r\n");
	put(&f, fd, "GET /unchanged?headers HTTP/1.1\r\n\r\n");
	got(fd, buf);
	assert_non_null(strstr(buf, "HTTP/1.1 304 Not Modified\r\n"));
	assert_non_null(strstr(buf, "X-More: yes\r\n"));
	assert_null(strstr(buf, "Content-Length"));
	assert_string_equal(strstr(buf, "\r\n\r\n"), "\r\n\r\n");
	put(&f, fd, GET);
	assert_non_null(strstr(got(fd, buf), "hello"));
	close(fd);
	spin(&f, 0);
	end(&f);
}

static void test_refusals_are_said(void **state)
{
	struct fixture f;
	char buf[8192];
	int fd;

	begin(&f, (struct http_rules){0});
	fd = dial(&f);
	put(&f, fd, "POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n");
	assert_non_null(strstr(got(fd, buf), " 413 "));
	assert_non_null(strstr(buf, "{\"error\":\"the body is too large\""));
	/* What comes of it is thrown away, and then it is over. */
	put(&f, fd, "more");
	assert_true(is_closed(fd));
	assert_int_equal(f.handled, 0);
	close(fd);
	fd = dial(&f);
	put(&f, fd, "nonsense\r\n\r\n");
	assert_non_null(strstr(got(fd, buf), " 400 "));
	close(fd);
	fd = dial(&f);
	put(&f, fd, "GET /error HTTP/1.1\r\n\r\n");
	assert_non_null(
		strstr(got(fd, buf), "{\"error\":\"no\",\"hint\":\"try\",\"diagnostics\":[]}"));
	put(&f, fd, GET);
	assert_non_null(strstr(got(fd, buf), "hello")); /* such a one goes on */
	close(fd);
	spin(&f, 0);
	end(&f);
}

static void test_the_idlest_makes_room(void **state)
{
	struct fixture f;
	char buf[8192];
	int fds[3], fourth, fifth;

	begin(&f, (struct http_rules){.max_connections = 3});
	for (int i = 0; i < 3; i++)
		fds[i] = dial(&f);
	spin(&f, 0);
	assert_int_equal(http_connections(f.served.http), 3);
	/* All have just come: nobody is dropped for another. */
	fourth = dial(&f);
	spin(&f, 0);
	assert_non_null(strstr(got(fourth, buf), " 503 "));
	assert_true(is_closed(fourth));
	spin(&f, 1100);
	put(&f, fds[0], GET); /* now the second is the idlest */
	fifth = dial(&f);
	put(&f, fifth, GET);
	assert_non_null(strstr(got(fifth, buf), "hello"));
	assert_true(is_closed(fds[1]));
	assert_false(is_closed(fds[0]));
	assert_false(is_closed(fds[2]));
	assert_int_equal(http_connections(f.served.http), 3);
	assert_int_equal(http_refusals(f.served.http), 2);
	end(&f);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(fourth);
	close(fifth);
}

static void test_deadlines(void **state)
{
	struct fixture f;
	int idle, slow;

	begin(&f, (struct http_rules){.idle_ms = 5000, .head_ms = 300});
	idle = dial(&f);
	slow = dial(&f);
	for (int i = 0; i < 8; i++) { /* a byte now and then does not help */
		put(&f, slow, "G");
		spin(&f, 200);
		if (is_closed(slow))
			break;
	}
	assert_true(is_closed(slow));
	assert_false(is_closed(idle));
	end(&f);
	close(idle);
	close(slow);
}

static void test_streams(void **state)
{
	static char much[65536];
	struct fixture f;
	char buf[8192];
	int fd;

	begin(&f, (struct http_rules){0});
	fd = dial(&f);
	put(&f, fd, "GET /stream HTTP/1.1\r\n\r\n");
	assert_non_null(f.stream);
	assert_non_null(strstr(got(fd, buf), "Content-Type: text/event-stream\r\n"));
	assert_true(http_stream_send(f.stream, "id: 1\n\n", 7));
	spin(&f, 0);
	assert_string_equal(got(fd, buf), "id: 1\n\n");
	/* One who does not read is let go once the buffer is full, and never before. */
	memset(much, 'x', sizeof(much));
	for (size_t sent = 0; f.stream; sent += sizeof(much)) {
		assert_true(sent < 4u << 20);
		if (!http_stream_send(f.stream, much, sizeof(much)))
			assert_true(sent >= HTTP_STREAM_BYTES - sizeof(much));
		spin(&f, 0);
	}
	assert_int_equal(f.closed, 1);
	assert_int_equal(http_connections(f.served.http), 0);
	close(fd);
	/* One who goes is noticed. */
	fd = dial(&f);
	put(&f, fd, "GET /stream HTTP/1.1\r\n\r\n");
	close(fd);
	spin(&f, 0);
	assert_int_equal(f.closed, 2);
	end(&f);
}

/* ---- answers in pieces ---- */

#define ASK_PIECES "GET /pieces HTTP/1.1\r\n\r\n"

/* Read what is there, and again, until nothing comes; up to @most bytes. */
static void take(const struct fixture *f, int fd, struct strbuf *all, size_t most)
{
	char buf[8192];
	ssize_t n;

	do {
		spin(f, 0);
		n = recv(fd, buf, most < sizeof(buf) ? most : sizeof(buf), 0);
		if (n > 0) {
			strbuf_addn(all, buf, (size_t)n);
			most -= (size_t)n;
		}
	} while (n > 0 && most);
}

/* The body, out of its chunks; asserts that they are well-formed and end. */
static void dechunk(const struct strbuf *answer, struct strbuf *body)
{
	char *at = strstr(answer->s, "\r\n\r\n");
	unsigned long len;

	assert_non_null(strstr(answer->s, "\r\nTransfer-Encoding: chunked\r\n"));
	assert_null(strstr(answer->s, "Content-Length"));
	for (at += 4; (len = strtoul(at, &at, 16)); at += len + 4) {
		assert_memory_equal(at, "\r\n", 2);
		assert_true(at + len + 4 <= answer->s + answer->len);
		strbuf_addn(body, at + 2, len);
		assert_memory_equal(at + 2 + len, "\r\n", 2);
	}
	assert_string_equal(at, "\r\n\r\n");
}

static void assert_lines(const char *s, size_t len, unsigned int n)
{
	assert_int_equal(len, n * 1000);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(strtoul(s + i * 1000, NULL, 10), i);
}

static void test_pieces(void **state)
{
	struct strbuf answer = STRBUF_INIT, body = STRBUF_INIT;
	char buf[8192];
	struct fixture f;
	int big, other;

	begin(&f, (struct http_rules){0});
	f.lines = 20000;
	big = dial(&f);
	other = dial(&f);
	put(&f, big, ASK_PIECES);
	spin(&f, 100);
	/* Nobody reads: what the socket takes and a piece or two have been made, not all of it. */
	assert_in_range(f.made, 64, 1000);
	for (unsigned int i = 0, before = 0; i < 5; i++) {
		take(&f, big, &answer, 1 << 20);
		put(&f, other, GET); /* is answered in the middle of it */
		assert_non_null(strstr(got(other, buf), "hello"));
		assert_in_range(f.made_then, before + 100, f.lines - 1);
		before = f.made_then;
	}
	assert_int_equal(f.ended, 0);
	take(&f, big, &answer, SIZE_MAX);
	assert_int_equal(f.ended, 1);
	dechunk(&answer, &body);
	assert_lines(body.s, body.len, f.lines);
	/* The connection goes on, with the next thing asked. */
	put(&f, big, GET);
	assert_non_null(strstr(got(big, buf), "hello"));
	strbuf_fini(&answer);
	strbuf_fini(&body);
	close(big);
	close(other);
	spin(&f, 0);
	end(&f);
}

/* What fits into one piece is sent as any other answer, with its length. */
static void test_one_piece(void **state)
{
	struct fixture f;
	char buf[8192];
	int fd;

	begin(&f, (struct http_rules){0});
	f.lines = 3;
	fd = dial(&f);
	put(&f, fd, ASK_PIECES);
	assert_non_null(strstr(got(fd, buf), "\r\nContent-Length: 3000\r\n"));
	assert_lines(strstr(buf, "\r\n\r\n") + 4, strlen(strstr(buf, "\r\n\r\n") + 4), 3);
	assert_int_equal(f.ended, 1);
	close(fd);
	spin(&f, 0);
	end(&f);
}

static void test_pieces_for_others(void **state)
{
	struct strbuf answer = STRBUF_INIT;
	const char *body;
	struct fixture f;
	char buf[8192];
	int fd;

	begin(&f, (struct http_rules){0});
	f.lines = 1000;
	/* HTTP/1.0 knows no chunks: the end of the connection is the end. */
	fd = dial(&f);
	put(&f, fd, "GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	take(&f, fd, &answer, SIZE_MAX);
	assert_true(is_closed(fd));
	assert_null(strstr(answer.s, "chunked"));
	assert_non_null(strstr(answer.s, "\r\nConnection: close\r\n"));
	body = strstr(answer.s, "\r\n\r\n") + 4;
	assert_lines(body, answer.len - (size_t)(body - answer.s), f.lines);
	close(fd);
	/* Who asks for the head alone gets it, and may go on. */
	f.made = 0;
	fd = dial(&f);
	put(&f, fd, "HEAD /pieces HTTP/1.1\r\n\r\n");
	got(fd, buf);
	assert_non_null(strstr(buf, "Transfer-Encoding: chunked\r\n"));
	assert_string_equal(strstr(buf, "\r\n\r\n"), "\r\n\r\n");
	assert_int_equal(f.ended, 2);
	put(&f, fd, GET);
	assert_non_null(strstr(got(fd, buf), "hello"));
	close(fd);
	strbuf_fini(&answer);
	spin(&f, 0);
	end(&f);
}

static void test_pieces_have_an_end(void **state)
{
	int fds[HTTP_MAX_IN_PIECES], late;
	struct fixture f;
	char buf[8192];

	begin(&f, (struct http_rules){.answer_ms = 1500});
	f.lines = UINT32_MAX;
	for (unsigned int i = 0; i < HTTP_MAX_IN_PIECES; i++) {
		fds[i] = dial(&f);
		put(&f, fds[i], ASK_PIECES);
	}
	/* There are only so many at a time; a small one is none. */
	late = dial(&f);
	put(&f, late, ASK_PIECES);
	assert_non_null(strstr(got(late, buf), " 503 "));
	assert_int_equal(f.ended, 1);
	put(&f, late, GET);
	assert_non_null(strstr(got(late, buf), "hello"));
	/* One goes away, which makes room; the others have their deadline. */
	close(fds[0]);
	spin(&f, 0);
	assert_int_equal(f.ended, 2);
	put(&f, late, ASK_PIECES);
	assert_non_null(strstr(got(late, buf), " 200 "));
	spin(&f, 4000);
	assert_int_equal(f.ended, 2 + HTTP_MAX_IN_PIECES);
	assert_int_equal(http_connections(f.served.http), 0);
	for (unsigned int i = 1; i < HTTP_MAX_IN_PIECES; i++)
		close(fds[i]);
	close(late);
	end(&f);
}

static void test_the_socket_file(void **state)
{
	struct fixture f;
	struct http_rules rules = {
		.judge = judge, .body_limit = body_limit, .handle = handle, .data = &f};
	struct http *second;
	struct stat st, after;
	int fd;

	begin(&f, (struct http_rules){0});
	assert_int_equal(stat(f.served.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	/* Somebody answers there. */
	second = http_new(f.served.base, &rules);
	assert_int_equal(http_listen_unix(second, f.served.path, getgid()), -EADDRINUSE);
	http_free(second);
	assert_int_equal(stat(f.served.path, &after), 0);
	assert_int_equal(after.st_ino, st.st_ino);
	http_free(f.served.http);
	assert_int_equal(access(f.served.path, F_OK), -1);
	/* Nobody does: one that is left from a crash. */
	{
		struct sockaddr_un sa = {.sun_family = AF_UNIX};

		strcpy(sa.sun_path, f.served.path);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
		close(fd);
	}
	f.served.http = http_new(f.served.base, &rules);
	assert_int_equal(http_listen_unix(f.served.http, f.served.path, getgid()), 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_thing_after_another),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_refusals_are_said),
		cmocka_unit_test(test_the_idlest_makes_room),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_one_piece),
		cmocka_unit_test(test_pieces_for_others),
		cmocka_unit_test(test_pieces_have_an_end),
		cmocka_unit_test(test_the_socket_file),
	};

	return cmocka_run_group_tests_name("daemon/http", tests, NULL, NULL);
}
