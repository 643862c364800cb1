/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Short TCP connections, as many as go: `connections sink PORT` and `connections source ADDR PORT SECONDS`. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PARALLEL 64
#define EVENTS	 128

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Close with a reset: no TIME_WAIT that would use up ports. */
static void reset(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void sink(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4096) < 0)
		die("sink");
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int peer = accept(fd, NULL, NULL);

		if (peer >= 0)
			close(peer);
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void start(int epoll, const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct epoll_event want = {.events = EPOLLOUT, .data.fd = fd};

	if (fd < 0)
		die("socket");
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &want) < 0)
		die("epoll");
}

static void source(const char *addr, uint16_t port, double seconds)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int epoll = epoll_create1(0);
	unsigned long done = 0, failed = 0;
	double begin = now();

	if (inet_pton(AF_INET, addr, &to.sin_addr) != 1)
		die(addr);
	for (int i = 0; i < PARALLEL; i++)
		start(epoll, &to);
	while (now() - begin < seconds) {
		struct epoll_event got[EVENTS];
		int n = epoll_wait(epoll, got, EVENTS, 100);

		for (int i = 0; i < n; i++) {
			int err = 0;
			socklen_t len = sizeof(err);

			getsockopt(got[i].data.fd, SOL_SOCKET, SO_ERROR, &err, &len);
			*(err ? &failed : &done) += 1;
			reset(got[i].data.fd);
			start(epoll, &to);
		}
	}
	printf("%.0f %lu\n", (double)done / (now() - begin), failed);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "sink") == 0)
		sink((uint16_t)atoi(argv[2]));
	else if (argc == 5 && strcmp(argv[1], "source") == 0)
		source(argv[2], (uint16_t)atoi(argv[3]), atof(argv[4]));
	else
		return 2;
	return 0;
}
