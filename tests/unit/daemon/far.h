/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of probes: a gateway with two lines, and whoever answers at the far end of both.
 *
 *	gateway: eth0 1.1.1.1/24, eth1 2.2.2.2/24  ===  the Internet: up0 1.1.1.254, up1 2.2.2.254,
 *	                                                9.9.9.9 and 2001:db8:9::9 behind both
 *
 * The far end is strict: a packet that comes by the other line than its source address belongs to is
 * dropped. So an answer proves device, source and route of the question. The caller is the gateway, in a
 * namespace of its own; the far end is a child process, whose servers are threads.
 */
#ifndef TEST_FAR_H
#define TEST_FAR_H

#include "../kernel/netns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define FAR_TARGET  "9.9.9.9"
#define FAR_TARGET6 "2001:db8:9::9"
#define FAR_MARK0   0x01000000u
#define FAR_MARK1   0x02000000u

struct far_server {
	uint16_t port;		     /* of SOCK_RAW: the protocol, of IPv4 */
	int type;		     /* SOCK_STREAM, SOCK_DGRAM */
	void (*serve)(int listener); /* for as long as the process lives */
};

struct far {
	pid_t pid;
};

struct far_thread {
	void (*serve)(int listener);
	int fd;
};

static inline void *far_thread(void *data)
{
	const struct far_thread *t = data;

	t->serve(t->fd);
	return NULL;
}

static inline int far_listen(const struct far_server *s)
{
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(s->port)};
	int fd = s->type == SOCK_RAW ? socket(AF_INET, SOCK_RAW, s->port)
				     : socket(AF_INET6, s->type, 0);

	if (s->type == SOCK_RAW)
		return fd;
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
		(s->type == SOCK_STREAM && listen(fd, 64) < 0))
		_exit(1);
	return fd;
}

static inline void far_child(const struct far_server *servers, size_t n, int ready)
{
	struct far_thread threads[64];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (unshare(CLONE_NEWNET) < 0 || n > 64)
		_exit(1);
	for (size_t i = 0; i < n; i++) {
		pthread_t id;

		threads[i] = (struct far_thread){servers[i].serve, far_listen(&servers[i])};
		if (pthread_create(&id, NULL, far_thread, &threads[i]) != 0)
			_exit(1);
	}
	if (write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* A command at the far end. */
#define far_sh(far, command) sh("nsenter -t %d -n sh -ec '%s'", (int)(far)->pid, command)

static inline void far_wire(const struct far *far)
{
	sh("ip link set lo up; "
	   "for i in 0 1; do ip link add eth$i type veth peer name up$i netns %d; done; "
	   "ip addr add 1.1.1.1/24 dev eth0; ip addr add 2.2.2.2/24 dev eth1; "
	   "ip addr add 2001:db8:1::1/64 dev eth0 nodad; ip addr add 2001:db8:2::1/64 dev eth1 "
	   "nodad; "
	   "ip link set eth0 up; ip link set eth1 up",
		(int)far->pid);
	far_sh(far, "ip link set lo up; ip link set up0 up; ip link set up1 up;"
		    "ip addr add 9.9.9.9/32 dev lo; ip addr add 2001:db8:9::9/128 dev lo;"
		    "ip addr add 1.1.1.254/24 dev up0; ip addr add 2.2.2.254/24 dev up1;"
		    "ip addr add 2001:db8:1::fe/64 dev up0 nodad;"
		    "ip addr add 2001:db8:2::fe/64 dev up1 nodad");
	/* Servers answer from the address that they were asked at, whatever socket they have. */
	far_sh(far, "ip route replace 1.1.1.0/24 dev up0 src 9.9.9.9;"
		    "ip route replace 2.2.2.0/24 dev up1 src 9.9.9.9;"
		    "ip -6 route replace 2001:db8:1::/64 dev up0 metric 256 src 2001:db8:9::9;"
		    "ip -6 route replace 2001:db8:2::/64 dev up1 metric 256 src 2001:db8:9::9");
	far_sh(far, "cd /proc/sys/net/ipv4; echo 0 > conf/all/rp_filter;"
		    "echo 1 > conf/up0/rp_filter; echo 1 > conf/up1/rp_filter;"
		    "echo 1 > conf/all/arp_ignore;"
		    "ip -6 rule add pref 10 iif up0 from 2001:db8:2::/64 blackhole;"
		    "ip -6 rule add pref 10 iif up1 from 2001:db8:1::/64 blackhole");
	/* What portreeve would put there: a rule and a table per uplink. */
	sh("for c in all eth0 eth1; do echo 2 > /proc/sys/net/ipv4/conf/$c/rp_filter; done; "
	   "ip rule add pref 501 fwmark 0x1000000/0x7f000000 lookup 101; "
	   "ip rule add pref 502 fwmark 0x2000000/0x7f000000 lookup 102; "
	   "ip -6 rule add pref 501 fwmark 0x1000000/0x7f000000 lookup 101; "
	   "ip -6 rule add pref 502 fwmark 0x2000000/0x7f000000 lookup 102; "
	   "ip route add default via 1.1.1.254 table 101; ip route add default via 2.2.2.254 table "
	   "102; "
	   "ip -6 route add default via 2001:db8:1::fe table 101; "
	   "ip -6 route add default via 2001:db8:2::fe table 102; "
	   "ip route add default via 1.1.1.254; ip -6 route add default via 2001:db8:1::fe");
}

/* The caller must be in a namespace of its own (NEEDS_NAMESPACE). @servers must stay. */
static inline void far_start(struct far *far, const struct far_server *servers, size_t n)
{
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		fail_msg("pipe: %s", strerror(errno));
	far->pid = fork();
	if (far->pid == 0)
		far_child(servers, n, ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		fail_msg("the far end did not start");
	close(ready[0]);
	close(ready[1]);
	far_wire(far);
}

static inline void far_stop(struct far *far)
{
	kill(far->pid, SIGKILL);
	waitpid(far->pid, NULL, 0);
}

#endif
