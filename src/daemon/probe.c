/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Probe: what all kinds have in common: the way, the time that is up, the answer. */
#include "daemon/probe_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- answers ---- */

static void decide(struct probe *p)
{
	p->decided = true;
	if (p->ready)
		event_del(p->ready);
	event_active(p->timer, EV_TIMEOUT, 0);
}

void probe_ok(struct probe *p)
{
	uint64_t took = now_us() - p->started_us;

	if (p->decided)
		return;
	p->answer.ok = true;
	p->answer.rtt_us = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
	decide(p);
}

void probe_failed(struct probe *p, const char *fmt, ...)
{
	va_list ap;

	if (p->decided)
		return;
	va_start(ap, fmt);
	vsnprintf(p->answer.why, sizeof(p->answer.why), fmt, ap);
	va_end(ap);
	decide(p);
}

void probe_error(struct probe *p, bool asked, const char *what, int err)
{
	const char *text = err == ECONNREFUSED	 ? "connection refused"
			   : err == ECONNRESET	 ? "connection reset"
			   : err == EHOSTUNREACH ? "host unreachable"
			   : err == ENETUNREACH	 ? "network unreachable"
						 : strerror(err);

	if (p->decided)
		return;
	p->answer.asked = asked;
	probe_failed(p, "%s%s%s", what, *what ? ": " : "", text);
}

static bool ran_out(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

/* ---- sockets ---- */

static socklen_t sockaddr_of(struct sockaddr_storage *out, const struct ip_addr *addr,
	uint16_t port, const char *interface)
{
	memset(out, 0, sizeof(*out));
	if (addr->family == IP_V6) {
		struct sockaddr_in6 *s = (struct sockaddr_in6 *)out;

		s->sin6_family = AF_INET6;
		s->sin6_port = htons(port);
		memcpy(&s->sin6_addr, addr->bytes, 16);
		if (ip_is_link_local(addr))
			s->sin6_scope_id = if_nametoindex(interface);
		return sizeof(*s);
	} else {
		struct sockaddr_in *s = (struct sockaddr_in *)out;

		s->sin_family = AF_INET;
		s->sin_port = htons(port);
		memcpy(&s->sin_addr, addr->bytes, 4);
		return sizeof(*s);
	}
}

/* What the way asks for, in the order in which it may fail; NULL: all done, else what did. */
static const char *go_the_way(const struct probe *p, int fd, int family)
{
	static const int one = 1;
	struct sockaddr_storage source;
	socklen_t len;

	if (p->mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &p->mark, sizeof(p->mark)) < 0)
		return "cannot set the mark";
	if (p->interface[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, p->interface,
				       (socklen_t)strlen(p->interface)) < 0)
		return p->interface;
	if (p->source.family == IP_NONE || (p->source.family == IP_V6) != (family == AF_INET6))
		return NULL;
	/* The port is taken when it is connected: many probes may share one then. */
	(void)setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	len = sockaddr_of(&source, &p->source, 0, p->interface);
	return bind(fd, (struct sockaddr *)&source, len) < 0 ? "cannot use the source address"
							     : NULL;
}

int probe_socket(struct probe *p, int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), err;
	const char *failed;

	if (fd < 0) {
		if (ran_out(errno))
			return -errno;
		probe_error(p, false, "cannot open a socket", errno);
		return -1;
	}
	failed = go_the_way(p, fd, family);
	if (!failed)
		return fd;
	err = errno;
	close(fd);
	probe_error(p, false, failed, err);
	return -1;
}

/*
 * Of TCP the last step of the handshake is held back, and the connection reset when it is closed: so the
 * service there is never handed a connection on which nothing comes.
 */
static void set_options(int fd, int type)
{
	static const int receive = PROBE_RECEIVE_BYTES, no = 0;
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (type == SOCK_STREAM) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &no, sizeof(no));
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	} else {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
	}
}

int probe_connect(struct probe *p, int type, int protocol, short events, event_callback_fn ready)
{
	struct sockaddr_storage to;
	socklen_t len = sockaddr_of(&to, &p->addr, p->port, p->interface);

	p->fd = probe_socket(p, to.ss_family, type, protocol);
	if (p->fd < 0)
		return p->decided ? 0 : p->fd;
	set_options(p->fd, type);
	p->ready = event_new(p->prober->base, p->fd, events, ready, p);
	if (!p->ready)
		return -ENOMEM;
	if (connect(p->fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS) {
		if (ran_out(errno))
			return -errno;
		/* A refusal at once is the target's own: it is this very machine. */
		probe_error(p, errno == ECONNREFUSED, "", errno);
		return 0;
	}
	return event_add(p->ready, NULL) < 0 ? -ENOMEM : 0;
}

/* The next datagram: its length, or -1 when there is none for now or it was enough. */
static ssize_t next_datagram(struct probe *p, uint8_t *buffer, size_t size)
{
	ssize_t n;

	if (p->decided)
		return -1;
	if (p->reads >= PROBE_READS) {
		event_del(p->ready); /* the time will be up */
		return -1;
	}
	n = recv(p->fd, buffer, size, MSG_DONTWAIT);
	if (n >= 0) {
		p->reads++;
		return n;
	}
	if (errno != EAGAIN && errno != EINTR)
		probe_error(p, true, "", errno);
	return -1;
}

void probe_read(struct probe *p, void (*take)(struct probe *p, const uint8_t *bytes, size_t len))
{
	uint8_t buffer[PROBE_DATAGRAM_BYTES];

	for (unsigned int i = 0; i < PROBE_READS_AT_ONCE; i++) {
		ssize_t n = next_datagram(p, buffer, sizeof(buffer));

		if (n < 0)
			return;
		take(p, buffer, (size_t)n);
	}
}

/* ---- life ---- */

static void probe_free(struct probe *p)
{
	LIST_REMOVE(p, link);
	if (p->kind == CHECK_HTTP)
		probe_http_stop(p);
	if (p->ready)
		event_free(p->ready);
	if (p->timer)
		event_free(p->timer);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static void deliver(evutil_socket_t fd, short what, void *data)
{
	struct probe *p = data;
	void (*answered)(const struct probe_answer *, void *) = p->answered;
	struct probe_answer answer;

	if (!p->decided) {
		if (p->timeout_ms % 1000)
			probe_failed(p, "no answer in %u ms", p->timeout_ms);
		else
			probe_failed(p, "no answer in %u s", p->timeout_ms / 1000);
	}
	answer = p->answer;
	data = p->data;
	probe_free(p);
	answered(&answer, data);
}

static int start(struct probe *p, const struct probe_question *q)
{
	switch (p->kind) {
	case CHECK_ICMP:
		return probe_icmp_start(p);
	case CHECK_TCP:
		return probe_tcp_start(p);
	case CHECK_HTTP:
		return probe_http_start(p, q);
	case CHECK_DNS:
		return probe_dns_start(p, q);
	}
	return -EINVAL;
}

struct probe *probe_start(struct prober *pr, const struct probe_question *q,
	const struct probe_way *way, void (*answered)(const struct probe_answer *a, void *data),
	void *data)
{
	const struct timeval limit = {q->timeout_ms / 1000, q->timeout_ms % 1000 * 1000};
	struct probe *p = calloc(1, sizeof(*p));
	int err = -ENOMEM;

	if (!p)
		return NULL;
	LIST_INSERT_HEAD(&pr->probes, p, link);
	p->prober = pr;
	p->kind = q->kind;
	p->addr = q->addr;
	p->port = q->port;
	p->timeout_ms = q->timeout_ms;
	p->refused_is_answer = q->refused_is_answer;
	if (way->interface)
		snprintf(p->interface, sizeof(p->interface), "%s", way->interface);
	p->source = way->source;
	p->mark = way->mark;
	p->fd = -1;
	p->answered = answered;
	p->data = data;
	p->answer.asked = true;
	p->started_us = now_us();
	p->timer = evtimer_new(pr->base, deliver, p);
	if (p->timer && evtimer_add(p->timer, &limit) == 0)
		err = start(p, q);
	if (err == 0)
		return p;
	probe_free(p);
	errno = -err;
	return NULL;
}

void probe_cancel(struct probe *p)
{
	probe_free(p);
}

struct prober *prober_new(struct event_base *base)
{
	struct prober *pr = calloc(1, sizeof(*pr));

	if (!pr)
		return NULL;
	pr->base = base;
	LIST_INIT(&pr->probes);
	if (getrandom(&pr->echo_id, sizeof(pr->echo_id), 0) != sizeof(pr->echo_id))
		pr->echo_id = (uint16_t)getpid();
	if (prober_http_init(pr) < 0) {
		prober_free(pr);
		return NULL;
	}
	return pr;
}

void prober_free(struct prober *pr)
{
	if (!pr)
		return;
	for (struct probe *p = LIST_FIRST(&pr->probes), *next; p; p = next) {
		next = LIST_NEXT(p, link);
		probe_free(p);
	}
	prober_http_fini(pr);
	free(pr);
}
