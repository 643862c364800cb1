/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests as bytes: what is taken, what is refused, and with which status. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "daemon/http_request.h"

static int parse(struct arena *a, const char *head, struct http_request *out)
{
	return http_request_parse(a, head, strlen(head), out);
}

static void test_a_request(void **state)
{
	static const char head[] = "GET /v1/flows?map=web%20site&client=10.0.0.0%2F8&x&limit=7 "
				   "HTTP/1.1\r\nHost: localhost\r\nlast-event-id:  42 \t\r\n"
				   "Portreeve-Namespace: 99\r\nAccept: */*\r\n"
				   "Origin: null\r\nAccept-Encoding: gzip\r\n"
				   "Sec-Fetch-Site: none\r\nsec-fetch-mode: navigate\r\n"
				   "accept-encoding: br\r\nIf-None-Match: \"1\"\r\n\r\n";
	struct arena *a = arena_new();
	struct http_request r;
	uint64_t limit = 1;

	assert_int_equal(parse(a, head, &r), 0);
	assert_int_equal(r.method, HTTP_GET);
	assert_string_equal(r.path, "/v1/flows");
	assert_string_equal(http_param(&r, "map"), "web site");
	assert_string_equal(http_param(&r, "client"), "10.0.0.0/8");
	assert_string_equal(http_param(&r, "x"), "");
	assert_null(http_param(&r, "y"));
	assert_string_equal(r.host, "localhost");
	assert_string_equal(r.last_event_id, "42");
	assert_string_equal(r.namespace, "99");
	assert_string_equal(r.origin, "null");
	assert_string_equal(r.fetch_site, "none");
	assert_string_equal(r.fetch_mode, "navigate");
	assert_string_equal(r.accept_encoding, "gzip");
	assert_string_equal(r.if_none_match, "\"1\"");
	assert_true(r.keep_alive);
	assert_false(r.expects_continue);
	assert_int_equal(r.body_len, 0);
	assert_true(http_number(&r, "limit", 0, 7, &limit));
	assert_int_equal(limit, 7);
	assert_false(http_number(&r, "limit", 0, 6, &limit));
	assert_false(http_number(&r, "limit", 8, 9, &limit));
	assert_false(http_number(&r, "map", 0, 9, &limit));
	assert_true(http_number(&r, "none", 0, 9, &limit));
	assert_int_equal(limit, 7);
	arena_free(a);
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *head;
		int status;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", 0},
		{"GET / HTTP/1.0\r\n\r\n", 0},
		{"DELETE / HTTP/1.1\r\n\r\n", 0}, /* known for what it is; the server says 405 */
		{"\r\n\r\n", 400},
		{"GET\r\n\r\n", 400},
		{"GET /\r\n\r\n", 400},
		{"GET / HTTP/2\r\n\r\n", 505},
		{"GET / FTP/1.1\r\n\r\n", 400},
		{"GET http://x/ HTTP/1.1\r\n\r\n", 400},
		{"GET /%zz HTTP/1.1\r\n\r\n", 400},
		{"GET /%0 HTTP/1.1\r\n\r\n", 400},
		{"GET /%00 HTTP/1.1\r\n\r\n", 400},
		{"GET /?a=%2 HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nNo colon\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nSpace : x\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nA: b\nB: c\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\n\r\n", 0}, /* its body is empty */
		{"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0},
		{"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
		{"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *a = arena_new();
		struct http_request r;
		int status = parse(a, cases[i].head, &r);

		if (status != cases[i].status)
			fail_msg("%s: %d, not %d", cases[i].head, status, cases[i].status);
		arena_free(a);
	}
}

static void test_limits(void **state)
{
	struct arena *a = arena_new();
	struct http_request r;
	static char head[HTTP_HEAD_BYTES + 64];
	size_t at = (size_t)sprintf(head, "GET / HTTP/1.1\r\n");

	for (unsigned int i = 0; i < HTTP_MAX_HEADERS; i++)
		at += (size_t)sprintf(head + at, "A: b\r\n");
	strcpy(head + at, "\r\n");
	assert_int_equal(parse(a, head, &r), 0);
	strcpy(head + at, "A: b\r\n\r\n");
	assert_int_equal(parse(a, head, &r), 431);

	memset(head, 'x', sizeof(head));
	assert_int_equal(http_request_parse(a, head, HTTP_HEAD_BYTES + 1, &r), 431);

	at = (size_t)sprintf(head, "GET /?");
	for (unsigned int i = 0; i < HTTP_MAX_PARAMS; i++)
		at += (size_t)sprintf(head + at, "a=%u&", i);
	strcpy(head + at, " HTTP/1.1\r\n\r\n");
	assert_int_equal(parse(a, head, &r), 0);
	assert_int_equal(r.n_params, HTTP_MAX_PARAMS);
	strcpy(head + at, "b=1 HTTP/1.1\r\n\r\n");
	assert_int_equal(parse(a, head, &r), 400);
	arena_free(a);
}

static void test_where_the_head_ends(void **state)
{
	assert_int_equal(http_head_length("", 0), 0);
	assert_int_equal(http_head_length("GET / HTTP/1.1\r\n\r", 17), 0);
	assert_int_equal(http_head_length("GET / HTTP/1.1\r\n\r\nbody", 22), 18);
}

static void test_staying(void **state)
{
	struct arena *a = arena_new();
	struct http_request r;

	parse(a, "GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", &r);
	assert_false(r.keep_alive);
	parse(a, "GET / HTTP/1.0\r\n\r\n", &r);
	assert_false(r.keep_alive);
	parse(a, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &r);
	assert_true(r.keep_alive);
	parse(a, "POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", &r);
	assert_true(r.expects_continue);
	assert_int_equal(r.body_len, 5);
	arena_free(a);
}

static void test_encodings(void **state)
{
	assert_true(http_takes_gzip("gzip"));
	assert_true(http_takes_gzip("gzip, deflate, br, zstd"));
	assert_true(http_takes_gzip("br;q=1.0, GZIP;q=0.8, *;q=0.1"));
	assert_true(http_takes_gzip("\t*"));
	assert_true(http_takes_gzip("identity;q=1, gzip; q=0.001"));
	assert_false(http_takes_gzip(NULL));
	assert_false(http_takes_gzip(""));
	assert_false(http_takes_gzip(", ,"));
	assert_false(http_takes_gzip("br, deflate"));
	assert_false(http_takes_gzip("gzipped, xgzip"));
	assert_false(http_takes_gzip("gzip;q=0"));
	assert_false(http_takes_gzip("gzip;q=0.000, br"));
	assert_false(http_takes_gzip("*, gzip;q=0"));
	assert_false(http_takes_gzip("identity, *;q=0"));
}

static void test_tags(void **state)
{
	assert_true(http_has_tag("\"a\"", "\"a\""));
	assert_true(http_has_tag("*", "\"a\""));
	assert_true(http_has_tag("W/\"a\"", "\"a\""));
	assert_true(http_has_tag("\"b,\" , W/\"c\",\"a\"", "\"a\""));
	assert_false(http_has_tag(NULL, "\"a\""));
	assert_false(http_has_tag("", "\"a\""));
	assert_false(http_has_tag("a", "\"a\""));
	assert_false(http_has_tag("\"a", "\"a\""));
	assert_false(http_has_tag("\"ab\", \"A\"", "\"a\""));
	assert_false(http_has_tag("\"x\" nonsense, \"a\"", "\"a\""));
}

/* No name but our own: anybody's DNS may point the others here. */
static void test_hosts(void **state)
{
	assert_true(http_host_is_ours("192.168.0.1", "gw"));
	assert_true(http_host_is_ours("192.168.0.1:9180", "gw"));
	assert_true(http_host_is_ours("[2001:db8::1]:9180", "gw"));
	assert_true(http_host_is_ours("LocalHost:9180", "gw"));
	assert_true(http_host_is_ours("GW", "gw"));
	assert_true(http_host_is_ours("gw:9180", "gw"));
	assert_false(http_host_is_ours("gw.evil.example", "gw"));
	assert_false(http_host_is_ours("evil.example", "gw"));
	assert_false(http_host_is_ours("1.1.1.1.evil.example", "gw"));
	assert_false(http_host_is_ours("localhost.evil.example", "gw"));
	assert_false(http_host_is_ours("[evil.example]", "gw"));
	assert_false(http_host_is_ours("[::1", "gw"));
	assert_false(http_host_is_ours("", "gw"));
	assert_false(http_host_is_ours("", ""));
	assert_false(http_host_is_ours(NULL, "gw"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_where_the_head_ends),
		cmocka_unit_test(test_staying),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests_name("daemon/http_request", tests, NULL, NULL);
}
