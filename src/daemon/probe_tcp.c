/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP probes: does the target accept a connection. */
#include <errno.h>
#include <netinet/in.h>

#include "daemon/probe_internal.h"

static void connected(evutil_socket_t fd, short what, void *data)
{
	struct probe *p = data;
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err == 0 || (p->refused_is_answer && (err == ECONNREFUSED || err == ECONNRESET)))
		probe_ok(p);
	else
		probe_error(p, true, "", err);
}

int probe_tcp_start(struct probe *p)
{
	return probe_connect(p, SOCK_STREAM, IPPROTO_TCP, EV_WRITE, connected);
}
