/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Observe the gateway's own listening sockets, by sock_diag, and whose they are, by /proc. */
#include "kernel/observe.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

/* Socket states as sock_diag numbers them (the kernel's net/tcp_states.h). */
#define STATE_CLOSE  7 /* of UDP: not connected */
#define STATE_LISTEN 10

/* A name is only decoration: on a machine with more open files than this some go without. */
#define LIMIT_FDS_LOOKED_AT 200000

#define COMM_BYTES 17

struct owner {
	uint32_t inode;
	size_t listener;
};

struct look {
	struct arena *a;
	struct netstate *out;
	uint8_t proto;
	struct kernel *k;
	VEC(struct owner) owners;
	size_t fds;
};

struct interface_name {
	struct arena *a;
	const char *name;
};

static int on_name(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *t[IFLA_IFNAME + 1];
	struct interface_name *n = data;

	kernel_attrs_of(t, IFLA_IFNAME, nlh, sizeof(struct ifinfomsg));
	if (t[IFLA_IFNAME])
		n->name = arena_strdup(n->a, mnl_attr_get_str(t[IFLA_IFNAME]));
	return MNL_CB_OK;
}

/* Not from @out->links: they may not have been asked for. Bound sockets are few. */
static const char *interface_name(struct kernel *k, struct arena *a, uint32_t index)
{
	char buf[128];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct interface_name n = {.a = a};
	struct ifinfomsg *m;

	nlh->nlmsg_type = RTM_GETLINK;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->ifi_index = (int)index;
	if (kernel_talk(k, k->route, nlh, on_name, &n, NULL) < 0)
		return NULL;
	return n.name;
}

static int on_socket(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[INET_DIAG_MAX + 1];
	const char *interface = NULL;
	struct look *l = data;
	struct net_listener *s;

	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY || !m->id.idiag_sport)
		return MNL_CB_OK;
	if (m->id.idiag_if) {
		interface = interface_name(l->k, l->a, m->id.idiag_if);
		/* Bound to an interface that has gone: nothing reaches it. */
		if (!interface)
			return MNL_CB_OK;
	}
	kernel_attrs_of(t, INET_DIAG_MAX, nlh, sizeof(*m));
	s = vec_add(l->a, &l->out->listeners);
	s->proto = l->proto;
	s->addr = ip_from_bytes(m->idiag_family == AF_INET6 ? IP_V6 : IP_V4, m->id.idiag_src);
	s->port = ntohs(m->id.idiag_sport);
	s->v6_only = t[INET_DIAG_SKV6ONLY] && mnl_attr_get_u8(t[INET_DIAG_SKV6ONLY]);
	s->interface = interface;
	if (m->idiag_inode)
		vec_push(l->a, &l->owners,
			((struct owner){m->idiag_inode, l->out->listeners.len - 1}));
	return MNL_CB_OK;
}

static int dump(struct look *l, uint8_t af, uint8_t proto, struct kernel_error *e)
{
	char buf[128];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;
	int err;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_DUMP;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = af;
	req->sdiag_protocol = proto;
	req->idiag_states = 1u << (proto == PROTO_TCP ? STATE_LISTEN : STATE_CLOSE);
	l->proto = proto;
	err = kernel_talk(l->k, l->k->diag, nlh, on_socket, l, e);
	if (err == -ENOENT)
		return kernel_error_set(e, ENOENT, "this kernel cannot list %s sockets (%s_diag)",
			ip_proto_name(proto), ip_proto_name(proto));
	return err;
}

/* ---- whose ---- */

static int compare_owners(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static const char *process_name(struct arena *a, int proc, const char *pid)
{
	char path[NAME_MAX + 8], name[COMM_BYTES];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	len = read(fd, name, sizeof(name) - 1);
	close(fd);
	if (len <= 0)
		return NULL;
	if (name[len - 1] == '\n')
		len--;
	return arena_strndup(a, name, (size_t)len);
}

/* @link: what an entry of /proc/PID/fd points at. */
static struct net_listener *listener_of(struct look *l, const char *link)
{
	struct owner key = {0};
	const struct owner *found;

	if (sscanf(link, "socket:[%u]", &key.inode) != 1)
		return NULL;
	found = bsearch(&key, l->owners.items, l->owners.len, sizeof(key), compare_owners);
	return found ? &l->out->listeners.items[found->listener] : NULL;
}

static void name_process(struct look *l, int proc, const char *pid)
{
	char path[NAME_MAX + 8], link[64];
	struct dirent *entry;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) { /* another user's, or it has ended */
		if (fd >= 0)
			close(fd);
		return;
	}
	while (l->fds < LIMIT_FDS_LOOKED_AT && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		struct net_listener *s;

		l->fds++;
		if (len < 0)
			continue;
		link[len] = '\0';
		s = listener_of(l, link);
		if (s && !s->process)
			s->process = process_name(l->a, proc, pid);
	}
	closedir(dir);
}

static void name_processes(struct look *l)
{
	DIR *dir = l->owners.len ? opendir("/proc") : NULL;
	struct dirent *entry;

	if (!dir)
		return;
	qsort(l->owners.items, l->owners.len, sizeof(struct owner), compare_owners);
	while (l->fds < LIMIT_FDS_LOOKED_AT && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			name_process(l, dirfd(dir), entry->d_name);
	closedir(dir);
}

int kernel_observe_listeners(
	struct kernel *k, struct arena *a, struct netstate *out, struct kernel_error *e)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	static const uint8_t protos[] = {PROTO_TCP, PROTO_UDP};
	struct look l = {.a = a, .out = out, .k = k};
	int err = 0;

	memset(&out->listeners, 0, sizeof(out->listeners));
	for (size_t i = 0; i < 4 && !err; i++)
		err = dump(&l, families[i / 2], protos[i % 2], e);
	if (!err)
		name_processes(&l);
	return err;
}
