/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes by two lines to one target, and targets that misbehave. (Over 700 lines since each kind of probe
 * has its own good and bad targets, and those are what makes it long.)
 */
#include "far.h"

#include <time.h>

#include "base/bytes.h"
#include "daemon/probe.h"
#include "daemon/probe_dns.h"
#include "daemon/probe_icmp.h"

#define TIMEOUT_MS 1500u

/* ---- who answers at the far end ---- */

static void read_all_of_request(int fd)
{
	char buffer[4096];

	if (recv(fd, buffer, sizeof(buffer), 0) < 0)
		return;
}

static void say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return;
}

#define TCP_SERVER(name, body)                                                                     \
	static void name(int listener)                                                             \
	{                                                                                          \
		for (;;) {                                                                         \
			int fd = accept(listener, NULL, NULL);                                     \
                                                                                                   \
			if (fd < 0)                                                                \
				continue;                                                          \
			read_all_of_request(fd);                                                   \
			body;                                                                      \
			close(fd);                                                                 \
		}                                                                                  \
	}

TCP_SERVER(http_good, say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
TCP_SERVER(http_empty, say(fd, "HTTP/1.1 204 No Content\r\n\r\n"))
TCP_SERVER(http_503, say(fd, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"))
TCP_SERVER(http_redirect,
	say(fd, "HTTP/1.1 302 Found\r\nLocation: http://9.9.9.9:80/\r\nContent-Length: 0\r\n\r\n"))
TCP_SERVER(http_body, {
	say(fd, "HTTP/1.1 200 OK\r\n\r\n");
	while (send(fd, "xxxxxxxxxxxxxxxx", 16, MSG_NOSIGNAL) > 0)
		;
})
TCP_SERVER(http_headers, {
	say(fd, "HTTP/1.1 200 OK\r\n");
	while (send(fd, "X-More: and more\r\n", 18, MSG_NOSIGNAL) > 0)
		;
})
TCP_SERVER(http_continues, {
	while (send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) > 0)
		;
})
TCP_SERVER(http_nonsense, say(fd, "220 mail.example ESMTP\r\n"))
TCP_SERVER(http_closes, (void)0)

/* Accepts and says nothing, ever. */
static void tcp_silent(int listener)
{
	for (;;)
		(void)accept(listener, NULL, NULL);
}

static void tcp_resets(int listener)
{
	const struct linger reset = {1, 0};

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
}

/* One that is accepted is counted; asking by a datagram tells how many there were. */
static volatile unsigned int n_accepted;

static void tcp_counts(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		n_accepted++;
		close(fd);
	}
}

static void udp_counted(int fd)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	char byte;

	for (;;)
		if (recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len) == 1) {
			unsigned int n = n_accepted;

			sendto(fd, &n, sizeof(n), 0, (struct sockaddr *)&from, len);
		}
}

/* DNS: what becomes of a question before it is sent back. */
static void dns_server(
	int fd, void (*change)(uint8_t *m, size_t *len), unsigned int times, bool right)
{
	uint8_t m[600], answer[600];
	struct sockaddr_in6 from;

	for (;;) {
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, m, 512, 0, (struct sockaddr *)&from, &from_len);
		size_t len = (size_t)n;

		if (n < 12)
			continue;
		m[2] |= 0x80;
		memcpy(answer, m, len);
		for (unsigned int i = 0; i < times; i++) {
			memcpy(m, answer, len);
			change(m, &len);
			sendto(fd, m, len, 0, (struct sockaddr *)&from, from_len);
		}
		if (right)
			sendto(fd, answer, (size_t)n, 0, (struct sockaddr *)&from, from_len);
	}
}

static void as_it_is(uint8_t *m, size_t *len)
{
}

static void with_rcode(uint8_t *m, unsigned int rcode)
{
	m[3] = (uint8_t)((m[3] & 0xf0u) | rcode);
}

static void servfail(uint8_t *m, size_t *len)
{
	with_rcode(m, 2);
}

static void nxdomain(uint8_t *m, size_t *len)
{
	with_rcode(m, 3);
}

static void refused(uint8_t *m, size_t *len)
{
	with_rcode(m, 5);
}

static void another_id(uint8_t *m, size_t *len)
{
	m[0] ^= 0x55;
}

static void dns_good(int fd)
{
	dns_server(fd, as_it_is, 1, false);
}

static void dns_servfail(int fd)
{
	dns_server(fd, servfail, 1, false);
}

static void dns_nxdomain(int fd)
{
	dns_server(fd, nxdomain, 1, false);
}

static void dns_refused(int fd)
{
	dns_server(fd, refused, 1, false);
}

static void dns_some_strange(int fd)
{
	dns_server(fd, another_id, 5, true);
}

/* Before the right one there are more than anybody reads; slowly, so that none is lost. */
static void another_id_and_wait(uint8_t *m, size_t *len)
{
	another_id(m, len);
	usleep(1000);
}

static void dns_floods(int fd)
{
	dns_server(fd, another_id_and_wait, 100, true);
}

/* The right answer, from another port. */
static void dns_elsewhere(int fd)
{
	uint8_t m[512];
	struct sockaddr_in6 from;
	int other = socket(AF_INET6, SOCK_DGRAM, 0);

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, m, sizeof(m), 0, (struct sockaddr *)&from, &len);

		if (n < 12)
			continue;
		m[2] |= 0x80;
		sendto(other, m, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

static const struct far_server servers[] = {
	{80, SOCK_STREAM, http_good},
	{81, SOCK_STREAM, http_503},
	{82, SOCK_STREAM, http_redirect},
	{83, SOCK_STREAM, http_body},
	{84, SOCK_STREAM, http_headers},
	{85, SOCK_STREAM, http_nonsense},
	{86, SOCK_STREAM, http_closes},
	{87, SOCK_STREAM, tcp_silent},
	{88, SOCK_STREAM, tcp_resets},
	{89, SOCK_STREAM, http_empty},
	{90, SOCK_STREAM, http_continues},
	{91, SOCK_STREAM, tcp_counts},
	{91, SOCK_DGRAM, udp_counted},
	{53, SOCK_DGRAM, dns_good},
	{54, SOCK_DGRAM, dns_servfail},
	{55, SOCK_DGRAM, dns_refused},
	{56, SOCK_DGRAM, dns_nxdomain},
	{57, SOCK_DGRAM, dns_some_strange},
	{58, SOCK_DGRAM, dns_floods},
	{59, SOCK_DGRAM, dns_elsewhere},
};

/* ---- asking ---- */

struct world {
	struct far far;
	struct event_base *base;
	struct prober *prober;
};

static void world_with(struct world *w, const struct far_server *far, size_t n)
{
	far_start(&w->far, far, n);
	w->base = event_base_new();
	w->prober = prober_new(w->base);
	assert_non_null(w->prober);
}

static void world_start(struct world *w)
{
	world_with(w, servers, sizeof(servers) / sizeof(servers[0]));
}

static void world_stop(struct world *w)
{
	prober_free(w->prober);
	event_base_free(w->base);
	far_stop(&w->far);
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a = {0};

	if (s)
		assert_int_equal(ip_parse(s, &a), 0);
	return a;
}

static struct probe_way way(unsigned int line, bool v6)
{
	static const char *const sources[2][2] = {
		{"1.1.1.1", "2001:db8:1::1"}, {"2.2.2.2", "2001:db8:2::1"}};

	return (struct probe_way){.interface = line ? "eth1" : "eth0",
		.source = addr(sources[line][v6]),
		.mark = line ? FAR_MARK1 : FAR_MARK0};
}

struct heard {
	struct event_base *base;
	struct probe_answer answer;
	unsigned int times, wanted;
};

static void hear(const struct probe_answer *a, void *data)
{
	struct heard *h = data;

	h->answer = *a;
	if (++h->times == h->wanted)
		event_base_loopbreak(h->base);
}

static struct probe_answer ask_by(
	struct world *w, const struct probe_question *q, const struct probe_way *by)
{
	struct heard h = {.base = w->base, .wanted = 1};

	assert_non_null(probe_start(w->prober, q, by, hear, &h));
	assert_int_equal(h.times, 0); /* never from inside */
	event_base_dispatch(w->base);
	assert_int_equal(h.times, 1);
	return h.answer;
}

static struct probe_question question(enum check_kind kind, const char *target, uint16_t port)
{
	return (struct probe_question){.kind = kind,
		.addr = addr(target),
		.port = port,
		.expect_first = 200,
		.expect_last = 399,
		.timeout_ms = TIMEOUT_MS};
}

#define answers(a)                                                                                 \
	do {                                                                                       \
		struct probe_answer a_ = (a);                                                      \
		if (!a_.ok)                                                                        \
			fail_msg("no answer: '%s'", a_.why);                                       \
	} while (0)

#define fails(a, text)                                                                             \
	do {                                                                                       \
		struct probe_answer a_ = (a);                                                      \
		if (a_.ok || !strstr(a_.why, text))                                                \
			fail_msg("%s: '%s' is not '%s'", a_.ok ? "answered" : "failed", a_.why,    \
				text);                                                             \
	} while (0)

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- every kind, by both lines ---- */

static void ask_all(struct world *w, unsigned int line, bool v6, bool up)
{
	const char *target = v6 ? FAR_TARGET6 : FAR_TARGET;
	struct probe_question q[] = {question(CHECK_ICMP, target, 0),
		question(CHECK_TCP, target, 80), question(CHECK_HTTP, target, 80),
		question(CHECK_DNS, target, 53)};
	struct probe_way by = way(line, v6);

	q[2].url = v6 ? "http://[" FAR_TARGET6 "]:80/" : "http://" FAR_TARGET "/";
	for (size_t i = 0; i < 4; i++) {
		struct probe_answer a;

		q[i].timeout_ms = up ? TIMEOUT_MS : 150;
		a = ask_by(w, &q[i], &by);
		if (a.ok != up)
			fail_msg("kind %zu by line %u (v%d): %s", i, line, v6 ? 6 : 4,
				a.ok ? "answered" : a.why);
		if (up)
			assert_in_range(a.rtt_us, 1, TIMEOUT_MS * 1000);
		else if (!strstr(a.why, "no answer in 150 ms"))
			fail_msg("kind %zu: '%s'", i, a.why);
	}
}

static void test_both_lines(void **state)
{
	struct world w;

	NEEDS_NAMESPACE();
	world_start(&w);
	for (unsigned int line = 0; line < 2; line++) {
		ask_all(&w, line, false, true);
		ask_all(&w, line, true, true);
	}
	/* The second line dies further out: carrier and addresses are as they were. */
	far_sh(&w.far,
		"nft -f - <<END\ntable inet t { chain c { type filter hook prerouting priority 0; "
		"iifname up1 meta l4proto { tcp, udp, icmp } drop; "
		"iifname up1 icmpv6 type echo-request drop; }; }\nEND\n");
	for (unsigned int v6 = 0; v6 < 2; v6++) {
		ask_all(&w, 0, v6, true);
		ask_all(&w, 1, v6, false);
	}
	world_stop(&w);
}

/* The mark is what routes: by the other line's table there is no way out by this device. */
static void test_the_way_is_kept(void **state)
{
	struct world w;
	struct probe_question q = question(CHECK_TCP, FAR_TARGET, 80);
	struct probe_way by = way(1, false);

	NEEDS_NAMESPACE();
	world_start(&w);
	q.timeout_ms = 200;
	answers(ask_by(&w, &q, &by));
	by.source = addr("1.1.1.1"); /* the other line's: the strict far end drops it */
	fails(ask_by(&w, &q, &by), "no answer in 200 ms");
	by = way(1, false);
	by.mark = FAR_MARK0;
	fails(ask_by(&w, &q, &by), "no answer in 200 ms");
	world_stop(&w);
}

static void test_what_cannot_be_asked(void **state)
{
	struct world w;
	struct probe_question q = question(CHECK_TCP, FAR_TARGET, 80);
	struct probe_way by = way(0, false);
	struct probe_answer a;

	NEEDS_NAMESPACE();
	world_start(&w);
	by.interface = "eth7";
	a = ask_by(&w, &q, &by);
	fails(a, "eth7");
	assert_false(a.asked);
	by = way(0, false);
	by.source = addr("5.5.5.5");
	a = ask_by(&w, &q, &by);
	fails(a, "source address");
	assert_false(a.asked);
	q.kind = CHECK_HTTP;
	q.url = "http://" FAR_TARGET "/";
	a = ask_by(&w, &q, &by);
	fails(a, "source address");
	assert_false(a.asked);
	q.kind = CHECK_DNS;
	q.query = "a..b";
	a = ask_by(&w, &q, &by);
	fails(a, "no such name");
	assert_false(a.asked);
	/* One whose turn came but who is silent was asked. */
	q = question(CHECK_TCP, "1.1.1.77", 80);
	q.timeout_ms = 100;
	by = way(0, false);
	a = ask_by(&w, &q, &by);
	fails(a, "no answer in 100 ms");
	assert_true(a.asked);
	world_stop(&w);
}

/* ---- tcp ---- */

static void test_tcp(void **state)
{
	struct world w;
	struct probe_question q = question(CHECK_TCP, FAR_TARGET, 79);
	struct probe_way by = way(0, false);
	unsigned int accepted = 99;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(91)};
	int fd;

	NEEDS_NAMESPACE();
	world_start(&w);
	fails(ask_by(&w, &q, &by), "connection refused");
	q.refused_is_answer = true;
	answers(ask_by(&w, &q, &by));
	q.port = 88; /* accepts, then resets */
	answers(ask_by(&w, &q, &by));

	/* The service itself never hears of a probe. */
	q.port = 91;
	for (int i = 0; i < 20; i++)
		answers(ask_by(&w, &q, &by));
	usleep(100000);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	inet_pton(AF_INET, FAR_TARGET, &to.sin_addr);
	assert_int_equal(sendto(fd, "?", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	assert_int_equal(recv(fd, &accepted, sizeof(accepted), 0), sizeof(accepted));
	assert_int_equal(accepted, 0);
	close(fd);
	world_stop(&w);
}

/* ---- http ---- */

static struct probe_answer ask_http(struct world *w, const char *url, uint32_t timeout_ms)
{
	struct probe_question q = question(CHECK_HTTP, NULL, 0);
	struct probe_way by = way(0, false);

	q.url = url;
	q.timeout_ms = timeout_ms;
	return ask_by(w, &q, &by);
}

static void test_http(void **state)
{
	struct world w;
	uint64_t began;

	NEEDS_NAMESPACE();
	world_start(&w);
	setenv("http_proxy", "http://127.0.0.1:1", 1); /* is none of our business */
	answers(ask_http(&w, "http://9.9.9.9/", TIMEOUT_MS));
	answers(ask_http(&w, "http://9.9.9.9:89/", TIMEOUT_MS));
	answers(ask_http(&w, "http://9.9.9.9:82/", TIMEOUT_MS)); /* 302 is among 200-399 */
	fails(ask_http(&w, "http://9.9.9.9:81/", TIMEOUT_MS), "status 503");
	fails(ask_http(&w, "http://9.9.9.9:85/", TIMEOUT_MS), "");
	fails(ask_http(&w, "http://9.9.9.9:86/", TIMEOUT_MS), "");
	fails(ask_http(&w, "http://9.9.9.9:79/", TIMEOUT_MS), "refused");
	fails(ask_http(&w, "http://9.9.9.9:87/", 300), "no answer in 300 ms");
	fails(ask_http(&w, "file:///etc/passwd", TIMEOUT_MS), "");

	began = now_ms();
	answers(ask_http(&w, "http://9.9.9.9:83/", 10000)); /* a body without end */
	fails(ask_http(&w, "http://9.9.9.9:84/", 10000), "no end");
	fails(ask_http(&w, "http://9.9.9.9:90/", 10000), "");
	assert_in_range(now_ms() - began, 0, 5000);
	unsetenv("http_proxy");
	world_stop(&w);
}

/* A redirect is not followed, whatever is there. */
static void test_http_expects(void **state)
{
	struct world w;
	struct probe_question q = question(CHECK_HTTP, NULL, 0);
	struct probe_way by = way(0, false);

	NEEDS_NAMESPACE();
	world_start(&w);
	q.url = "http://9.9.9.9:82/";
	q.expect_first = q.expect_last = 200;
	fails(ask_by(&w, &q, &by), "status 302");
	q.url = "http://9.9.9.9:81/";
	q.expect_first = 500;
	q.expect_last = 599;
	q.host = "www.example.org";
	answers(ask_by(&w, &q, &by));
	world_stop(&w);
}

/* ---- dns ---- */

static struct probe_answer ask_dns(
	struct world *w, uint16_t port, const char *name, uint32_t timeout)
{
	struct probe_question q = question(CHECK_DNS, FAR_TARGET, port);
	struct probe_way by = way(0, false);

	q.query = name;
	q.timeout_ms = timeout;
	return ask_by(w, &q, &by);
}

static void test_dns(void **state)
{
	struct world w;
	uint64_t began;

	NEEDS_NAMESPACE();
	world_start(&w);
	answers(ask_dns(&w, 53, NULL, TIMEOUT_MS));
	answers(ask_dns(&w, 53, "www.Example.org.", TIMEOUT_MS));
	answers(ask_dns(&w, 56, "nowhere.example", TIMEOUT_MS));
	answers(ask_dns(&w, 57, NULL, TIMEOUT_MS));
	fails(ask_dns(&w, 54, NULL, TIMEOUT_MS), "SERVFAIL");
	fails(ask_dns(&w, 55, NULL, TIMEOUT_MS), "REFUSED");
	fails(ask_dns(&w, 59, NULL, 300), "no answer in 300 ms");
	fails(ask_dns(&w, 52, NULL, TIMEOUT_MS), "connection refused");
	began = now_ms();
	fails(ask_dns(&w, 58, NULL, 400), "no answer in 400 ms");
	assert_in_range(now_ms() - began, 390, 1500);
	world_stop(&w);
}

/* ---- icmp ---- */

/* Of one who answers with hundreds of replies to other requests, only the one to ours is heard. */
static void icmp_floods(int fd)
{
	uint8_t m[256], *echo = m + 20; /* behind the IP header */
	struct sockaddr_in from;

	for (;;) {
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, m, sizeof(m), 0, (struct sockaddr *)&from, &from_len);
		uint32_t sequence = be16_at(echo + 6);

		if (n < 28 || echo[0] != 8)
			continue;
		echo[0] = 0;
		for (uint32_t i = 0; i <= 500; i++) {
			uint32_t sum = 0;

			be16_put(echo + 6, i < 500 ? sequence + 1 + i : sequence);
			be16_put(echo + 2, 0);
			for (ssize_t at = 0; at + 1 < n - 20; at += 2)
				sum += be16_at(echo + at);
			sum = (sum & 0xffff) + (sum >> 16);
			be16_put(echo + 2, ~((sum & 0xffff) + (sum >> 16)));
			sendto(fd, echo, (size_t)n - 20, 0, (struct sockaddr *)&from, from_len);
		}
	}
}

static void test_icmp_flood(void **state)
{
	static const struct far_server flood[] = {{IPPROTO_ICMP, SOCK_RAW, icmp_floods}};
	struct world w;
	struct probe_question q = question(CHECK_ICMP, FAR_TARGET, 0);
	struct probe_way by = way(0, false);

	NEEDS_NAMESPACE();
	world_with(&w, flood, 1);
	far_sh(&w.far, "echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all");
	q.timeout_ms = 5000;
	answers(ask_by(&w, &q, &by));
	world_stop(&w);
}

static void test_icmp_bytes(void **state)
{
	struct icmp_echo e = {
		.family = IP_V4, .id = 0x1234, .sequence = 7, .token = "0123456789abcde"};
	uint8_t m[20 + ICMP_ECHO_BYTES] = {0x45}, *icmp = m + 20;
	uint32_t sum = 0;

	icmp_request(&e, icmp);
	assert_int_equal(icmp[0], 8);
	for (unsigned int i = 0; i < ICMP_ECHO_BYTES; i += 2)
		sum += be16_at(icmp + i);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	assert_false(icmp_is_reply(&e, m, sizeof(m))); /* the request itself */
	icmp[0] = 0;
	assert_true(icmp_is_reply(&e, m, sizeof(m)));
	for (size_t len = 0; len < sizeof(m); len++)
		assert_false(icmp_is_reply(&e, m, len));
	for (size_t i = 0; i < sizeof(m); i++) {
		if (i >= 1 && i < 20)
			continue; /* the rest of the IP header */
		if (i == 22 || i == 23)
			continue; /* the checksum, which is the kernel's to check */
		m[i] ^= 1;
		if (icmp_is_reply(&e, m, sizeof(m)))
			fail_msg("byte %zu does not matter", i);
		m[i] ^= 1;
	}
	m[0] = 0x4f; /* a header of 60 bytes: longer than all there is */
	assert_false(icmp_is_reply(&e, m, sizeof(m)));
	e.family = IP_V6;
	icmp_request(&e, icmp);
	assert_int_equal(icmp[0], 128);
	icmp[0] = 129;
	assert_true(icmp_is_reply(&e, icmp, ICMP_ECHO_BYTES));
}

/* ---- dns as bytes ---- */

static void test_dns_bytes(void **state)
{
	struct dns_question q;
	char long_name[300], label[70];
	uint8_t m[512];
	size_t len;

	assert_true(dns_question_make(&q, NULL));
	assert_int_equal(q.len, 12 + 1 + 4);
	assert_int_equal(q.bytes[14], 2); /* NS */
	assert_true(dns_question_make(&q, "Ab.c"));
	assert_int_equal(q.len, 12 + 6 + 4);
	assert_memory_equal(q.bytes + 12, "\2Ab\1c\0\0\1\0\1", 10);
	assert_true(dns_question_make(&q, "ab.c.")); /* the same name */
	assert_int_equal(q.len, 12 + 6 + 4);
	assert_false(dns_question_make(&q, ""));
	assert_false(dns_question_make(&q, ".a"));
	assert_false(dns_question_make(&q, "a..b"));
	memset(label, 'a', sizeof(label));
	label[64] = '\0';
	assert_false(dns_question_make(&q, label));
	label[63] = '\0';
	assert_true(dns_question_make(&q, label));
	for (size_t i = 0; i < sizeof(long_name); i++)
		long_name[i] = i % 2 ? '.' : 'a';
	long_name[253] = '\0'; /* 127 labels: 255 bytes with the root's */
	assert_true(dns_question_make(&q, long_name));
	assert_int_equal(q.len, DNS_QUESTION_BYTES);
	long_name[253] = '.';
	long_name[255] = '\0';
	assert_false(dns_question_make(&q, long_name));

	/* An answer with one record, whose name is a pointer. */
	assert_true(dns_question_make(&q, "ab.c"));
	q.bytes[0] = 0x11;
	memcpy(m, q.bytes, q.len);
	memcpy(m + q.len, "\300\14\0\1\0\1\0\0\0\74\0\4\1\2\3\4", 16);
	len = q.len + 16;
	m[2] |= 0x80;
	m[7] = 1;
	assert_int_equal(dns_read(&q, m, len), DNS_ANSWERED);
	m[13] = 'A'; /* letters of another case */
	assert_int_equal(dns_read(&q, m, len), DNS_ANSWERED);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(dns_read(&q, m, cut), DNS_STRANGE);
	m[2] |= 0x02; /* truncated: what is cut off need not be there */
	assert_int_equal(dns_read(&q, m, q.len), DNS_ANSWERED);
	m[2] &= (uint8_t)~0x02;
	for (size_t i = 0; i < q.len; i++) {
		if (i == 2 || i == 3 || (i >= 6 && i < 12))
			continue; /* flags, and counts of other sections */
		m[i] ^= 1;
		if (dns_read(&q, m, len) != DNS_STRANGE)
			fail_msg("byte %zu does not matter", i);
		m[i] ^= 1;
	}
	m[2] ^= 0x80; /* a question */
	assert_int_equal(dns_read(&q, m, len), DNS_STRANGE);
	m[2] ^= 0x80;
	m[2] |= 0x08; /* another opcode */
	assert_int_equal(dns_read(&q, m, len), DNS_STRANGE);
	m[2] &= (uint8_t)~0x08;
	m[6] = 0xff; /* more records than there can be */
	assert_int_equal(dns_read(&q, m, len), DNS_STRANGE);
}

/* ---- many, and the end ---- */

static void test_many_at_once(void **state)
{
	struct world w;
	struct probe_question q[] = {question(CHECK_ICMP, FAR_TARGET, 0),
		question(CHECK_TCP, FAR_TARGET, 80), question(CHECK_HTTP, FAR_TARGET, 80),
		question(CHECK_DNS, FAR_TARGET, 53)};
	struct heard h = {.wanted = 200};

	NEEDS_NAMESPACE();
	world_start(&w);
	h.base = w.base;
	q[2].url = "http://" FAR_TARGET "/";
	for (unsigned int i = 0; i < h.wanted; i++) {
		struct probe_way by = way(i & 1, false);

		q[i % 4].timeout_ms = 10000;
		assert_non_null(probe_start(w.prober, &q[i % 4], &by, hear, &h));
	}
	event_base_dispatch(w.base);
	assert_int_equal(h.times, h.wanted);
	world_stop(&w);
}

static void test_cancel(void **state)
{
	struct world w;
	struct probe_question q[] = {question(CHECK_ICMP, FAR_TARGET, 0),
		question(CHECK_TCP, FAR_TARGET, 80), question(CHECK_HTTP, FAR_TARGET, 80),
		question(CHECK_DNS, FAR_TARGET, 53)};
	struct heard h = {.wanted = 100};
	struct probe_way by = way(0, false);
	struct timeval soon = {0, 200000};

	NEEDS_NAMESPACE();
	world_start(&w);
	h.base = w.base;
	q[2].url = "http://no.such.name.invalid/"; /* the resolver's thread is left alone */
	for (size_t i = 0; i < 4; i++) {
		struct probe *p = probe_start(w.prober, &q[i], &by, hear, &h);

		assert_non_null(p);
		event_base_loop(w.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
		if (h.times == 0)
			probe_cancel(p);
		h.times = 0;
		assert_non_null(probe_start(w.prober, &q[i], &by, hear, &h)); /* for the end */
	}
	h.times = 0;
	prober_free(w.prober);
	w.prober = NULL;
	event_base_loopexit(w.base, &soon);
	event_base_dispatch(w.base);
	assert_int_equal(h.times, 0);
	world_stop(&w);
}

/* Out of descriptors is the caller's to know, not an answer. */
static void test_out_of_descriptors(void **state)
{
	struct world w;
	struct probe_question q = question(CHECK_TCP, FAR_TARGET, 80);
	struct probe_way by = way(0, false);
	struct heard h = {.wanted = 1};
	int taken[4096];
	unsigned int n = 0;

	NEEDS_NAMESPACE();
	world_start(&w);
	h.base = w.base;
	while (n < 4096 && (taken[n] = dup(0)) >= 0)
		n++;
	if (n < 4096) {
		errno = 0;
		assert_null(probe_start(w.prober, &q, &by, hear, &h));
		assert_int_equal(errno, EMFILE);
	}
	while (n > 0)
		close(taken[--n]);
	answers(ask_by(&w, &q, &by));
	assert_int_equal(h.times, 0);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_icmp_bytes),
		cmocka_unit_test(test_dns_bytes),
		cmocka_unit_test(test_both_lines),
		cmocka_unit_test(test_the_way_is_kept),
		cmocka_unit_test(test_what_cannot_be_asked),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_http_expects),
		cmocka_unit_test(test_dns),
		cmocka_unit_test(test_icmp_flood),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
