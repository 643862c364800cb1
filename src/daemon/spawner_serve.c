/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spawner, the other side: commands, each in a process group of its own.
 *
 * When a command ends, or its time is up, the whole group is killed before the command is reaped: until
 * then its number cannot be another's. So nothing that it started, and that stayed in the group, outlives
 * it.
 *
 * The end of the daemon is seen by the end of the socket, which nobody else holds. There is no
 * PR_SET_PDEATHSIG, which would kill this process before it has killed the group.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/spawner.h"

#define SOCKET 3 /* the only descriptor beside 0, 1 and 2 */

/* ---- what the process is ---- */

/* The first three are held by nothing, so that no file that is opened gets their number. */
static void leave_descriptors(int socket)
{
	int none;

	if (dup2(socket, SOCKET) < 0)
		_exit(1);
	close_range(SOCKET + 1, ~0u, 0);
	none = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < SOCKET; fd++)
		if (none < 0 || dup2(none, fd) < 0)
			close(fd);
	if (none > SOCKET)
		close(none);
}

/* Who ends the daemon by a signal to everybody (^C, the service manager) must not end this one first:
 * the daemon decides when a command is no longer wanted. */
static void settle(int socket, const char *name)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* not reaped by itself */
	leave_descriptors(socket);
	prctl(PR_SET_NAME, name, 0, 0, 0);
}

/* ---- requests ---- */

/* Every descriptor that came along; the first one is returned, -1: none, the others are closed. */
static int take_descriptor(struct msghdr *m)
{
	int first = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0);
			at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (first < 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

/* The descriptor for its output, or -1: that was no request. Ends the process at the end of the socket. */
static int receive(char bytes[SPAWNER_BYTES], struct spawner_request *r)
{
	char control[CMSG_SPACE(4 * sizeof(int))];
	struct iovec iov = {bytes, SPAWNER_BYTES};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n;
	int output;

	do
		n = recvmsg(SOCKET, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		_exit(0);
	output = take_descriptor(&m);
	if (output >= 0 && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
		spawner_decode(bytes, (size_t)n, r))
		return output;
	if (output >= 0)
		close(output);
	return -1;
}

/* ---- commands ---- */

static int prepare(posix_spawnattr_t *attr, posix_spawn_file_actions_t *files, int output)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setflags(
		attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(attr, 0);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	return posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0) ||
	       posix_spawn_file_actions_adddup2(files, output, 1) ||
	       posix_spawn_file_actions_adddup2(files, output, 2) ||
	       posix_spawn_file_actions_addclosefrom_np(files, 3);
}

/* 0 or an errno. */
static int start(const struct spawner_request *r, int output, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int err = ENOMEM;

	if (posix_spawn_file_actions_init(&files) != 0)
		return err;
	if (posix_spawnattr_init(&attr) == 0) {
		if (prepare(&attr, &files, output) == 0)
			err = posix_spawn(
				pid, r->argv[0], &files, &attr, (char **)r->argv, (char **)r->env);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&files);
	return err;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Itself too: it may have left its group. */
static void kill_all(pid_t pid)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
}

/* Until it has ended or its time is up; only the end of the socket is of interest meanwhile. True: it is
 * late. */
static bool watch(pid_t pid, int pidfd, uint32_t limit_ms)
{
	struct pollfd fds[] = {{SOCKET, 0, 0}, {pidfd, POLLIN, 0}};
	int64_t deadline = now_ms() + limit_ms, left = limit_ms;

	do {
		if (poll(fds, 2, (int)left) < 0)
			fds[0].revents = fds[1].revents = 0;
		if (fds[0].revents) {
			kill_all(pid);
			_exit(0);
		}
		left = deadline - now_ms();
	} while (!fds[1].revents && left > 0);
	return !fds[1].revents;
}

static struct spawner_answer run(const struct spawner_request *r, int output)
{
	struct spawner_answer a = {0};
	siginfo_t info;
	pid_t pid = 0;
	int pidfd;

	a.err = start(r, output, &pid);
	close(output); /* the command has its own */
	if (a.err)
		return a;
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		a.err = errno;
		kill_all(pid);
	} else if (watch(pid, pidfd, r->limit_ms)) {
		a.late = true;
		do
			kill_all(pid);
		while (watch(pid, pidfd, SPAWNER_LIMIT_MS));
	}
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	kill(-pid, SIGKILL);
	while (waitpid(pid, &a.status, 0) < 0 && errno == EINTR)
		;
	if (pidfd >= 0)
		close(pidfd);
	return a;
}

void spawner_serve(int socket, const char *name)
{
	struct spawner_request r;
	char bytes[SPAWNER_BYTES];

	settle(socket, name);
	for (;;) {
		int output = receive(bytes, &r);
		struct spawner_answer a = {.err = EINVAL};

		if (output >= 0)
			a = run(&r, output);
		if (send(SOCKET, &a, sizeof(a), MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}
