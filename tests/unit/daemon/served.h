/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An HTTP server on a socket of its own, with a loop that turns when the test says so, and its clients. */
#ifndef TEST_SERVED_H
#define TEST_SERVED_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/http.h"

struct served {
	struct event_base *base;
	struct http *http;
	char dir[64], path[80];
};

static inline void served_begin(struct served *s, const struct http_rules *rules)
{
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	strcpy(s->dir, "/tmp/portreeve-http-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/api.sock", s->dir);
	s->base = event_base_new();
	s->http = http_new(s->base, rules);
	assert_int_equal(http_listen_unix(s->http, s->path, getgid()), 0);
}

static inline void served_end(struct served *s)
{
	http_free(s->http);
	event_base_free(s->base);
	rmdir(s->dir); /* which works only if the socket has gone */
	assert_int_equal(access(s->dir, F_OK), -1);
}

static inline int served_dial(const struct served *s)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(sa.sun_path, s->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static inline void served_spin(const struct served *s, unsigned int ms)
{
	for (unsigned int i = 0; i < ms / 5 + 4; i++) {
		event_base_loop(s->base, EVLOOP_NONBLOCK);
		usleep(ms ? 5000 : 0);
	}
}

static inline void served_put(const struct served *s, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	served_spin(s, 0);
}

/* What has come, as text; "" also at the end of the stream. */
static inline const char *got(int fd, char buf[8192])
{
	ssize_t n = recv(fd, buf, 8191, 0);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

#endif
