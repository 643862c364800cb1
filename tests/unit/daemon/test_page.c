/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a file of the page is sent: with what headers, packed or plain, or not again. */
#include "served.h"

#include "daemon/page.h"

static const struct page_asset assets[] = {
	{"/", "text/html; charset=utf-8", {"\"1\"", "<p>", 3}, {"\"1-gzip\"", "packed", 6}},
	{"/page.js", "text/javascript; charset=utf-8", {"\"2\"", "", 0}, {"\"2-gzip\"", "p", 1}},
};

static void judge(struct http_peer *peer, int fd, void *data)
{
}

static size_t body_limit(const struct http_peer *peer, void *data)
{
	return 0;
}

static void handle(struct http_exchange *x, const struct http_request *r,
	const struct http_peer *peer, void *data)
{
	page_answer(x, r, assets, *(size_t *)data);
}

/* The answer to a request with these headers. */
static const char *asked(size_t n_assets, const char *path, const char *headers, char answer[8192])
{
	struct http_rules rules = {
		.judge = judge, .body_limit = body_limit, .handle = handle, .data = &n_assets};
	struct served s;
	char request[512];
	int fd;

	served_begin(&s, &rules);
	fd = served_dial(&s);
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n%s\r\n", path, headers);
	served_put(&s, fd, request);
	got(fd, answer);
	close(fd);
	served_spin(&s, 0);
	served_end(&s);
	return answer;
}

static const char *body(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static void test_plain_and_packed(void **state)
{
	char a[8192];

	asked(2, "/", "", a);
	assert_non_null(strstr(a, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(a, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
	assert_non_null(strstr(a, "\r\nETag: \"1\"\r\n"));
	assert_non_null(strstr(a, "\r\nVary: Accept-Encoding\r\n"));
	assert_non_null(strstr(a, "\r\nCache-Control: no-cache\r\n"));
	assert_null(strstr(a, "Content-Encoding"));
	assert_string_equal(body(a), "<p>");
	asked(2, "/", "Accept-Encoding: gzip, br\r\n", a);
	assert_non_null(strstr(a, "\r\nETag: \"1-gzip\"\r\n"));
	assert_non_null(strstr(a, "\r\nContent-Encoding: gzip\r\n"));
	assert_non_null(strstr(a, "\r\nContent-Length: 6\r\n"));
	assert_string_equal(body(a), "packed");
	asked(2, "/page.js", "Accept-Encoding: gzip;q=0\r\n", a);
	assert_non_null(strstr(a, "\r\nContent-Type: text/javascript"));
	assert_string_equal(body(a), "");
}

/* Nothing from elsewhere, nothing to elsewhere; the lab's browser keeps to it. */
static void test_policy(void **state)
{
	char a[8192];

	asked(2, "/", "", a);
	assert_non_null(
		strstr(a, "\r\nContent-Security-Policy: default-src 'none'; script-src "
			  "'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
			  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"));
	assert_non_null(strstr(a, "\r\nX-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(a, "\r\nReferrer-Policy: no-referrer\r\n"));
	assert_non_null(strstr(a, "\r\nCross-Origin-Resource-Policy: same-origin\r\n"));
}

static void test_not_again(void **state)
{
	char a[8192];

	asked(2, "/", "If-None-Match: \"0\", \"1\"\r\n", a);
	assert_non_null(strstr(a, "HTTP/1.1 304 "));
	assert_non_null(strstr(a, "\r\nETag: \"1\"\r\n"));
	assert_non_null(strstr(a, "\r\nVary: Accept-Encoding\r\n"));
	assert_string_equal(body(a), "");
	/* What it has is the other form. */
	asked(2, "/", "If-None-Match: \"1-gzip\"\r\n", a);
	assert_string_equal(body(a), "<p>");
	asked(2, "/", "If-None-Match: \"1-gzip\"\r\nAccept-Encoding: gzip\r\n", a);
	assert_non_null(strstr(a, "HTTP/1.1 304 "));
}

static void test_a_build_without(void **state)
{
	char a[8192];

	asked(0, "/", "", a);
	assert_non_null(strstr(a, "HTTP/1.1 404 "));
	assert_non_null(strstr(a, "\r\nContent-Type: text/plain"));
	assert_non_null(strstr(body(a), "has no page"));
	assert_non_null(strstr(body(a), "-Dpage=enabled"));
}

/* What was built in, if it was: whole, and small enough. */
static void test_built_in(void **state)
{
	size_t sum = 0;

	if (!page_n_assets) { /* -Dpage=disabled */
		assert_null(page_assets[0].path);
		return;
	}
	assert_int_equal(page_n_assets, 4);
	for (size_t i = 0; i < page_n_assets; i++) {
		const struct page_asset *a = &page_assets[i];

		assert_true(a->plain.len > 0);
		assert_memory_equal(a->gzip.bytes, "\x1f\x8b\x08", 3);
		assert_string_not_equal(a->plain.tag, a->gzip.tag);
		sum += a->gzip.len;
	}
	assert_string_equal(page_assets[0].path, "/");
	assert_in_range(sum, 1, 150000);
}

static void assert_url(const char *addr, const char *url)
{
	struct arena *a = arena_new();
	struct ip_addr ip;

	assert_int_equal(ip_parse(addr, &ip), 0);
	assert_string_equal(page_url(a, &ip, 9180), url);
	arena_free(a);
}

static void test_url(void **state)
{
	assert_url("127.0.0.1", "http://127.0.0.1:9180/");
	assert_url("2001:db8::1", "http://[2001:db8::1]:9180/");
	assert_url("0.0.0.0", "http://localhost:9180/");
	assert_url("::", "http://localhost:9180/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_and_packed),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_not_again),
		cmocka_unit_test(test_a_build_without),
		cmocka_unit_test(test_built_in),
		cmocka_unit_test(test_url),
	};

	return cmocka_run_group_tests_name("daemon/page", tests, NULL, NULL);
}
