/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink sockets: open them, send one request, read its answers and the kernel's complaint. */
#include "kernel/nl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/netlink.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14; Debian 12's libc headers do not have it everywhere */
#endif

/* The kernel grows dump messages up to what the reader offered last, at most 32 KiB. */
#define RECEIVE_BYTES 65536

/* Room for the acks of a big batch; as much as an unprivileged user may have is fine too. */
#define RECEIVE_QUEUE_BYTES (8 << 20)

int kernel_error_set(struct kernel_error *e, int err, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		e->err = err;
		e->offset = 0;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	return -err;
}

void kernel_attrs(const struct nlattr **table, unsigned int max, const void *first, size_t len)
{
	const struct nlattr *attr;

	memset(table, 0, (max + 1) * sizeof(table[0]));
	mnl_attr_for_each_payload(first, len)
	{
		if (mnl_attr_get_type(attr) <= max)
			table[mnl_attr_get_type(attr)] = attr;
	}
}

void kernel_attrs_of(const struct nlattr **table, unsigned int max, const struct nlmsghdr *nlh,
	size_t header_len)
{
	size_t skip = MNL_ALIGN(header_len), len = mnl_nlmsg_get_payload_len(nlh);

	kernel_attrs(table, max, mnl_nlmsg_get_payload_offset(nlh, header_len),
		len > skip ? len - skip : 0);
}

void kernel_attrs_in(const struct nlattr **table, unsigned int max, const struct nlattr *nest)
{
	kernel_attrs(table, max, mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest));
}

static int this_netns(uint64_t *inode)
{
	struct stat st;

	if (stat("/proc/thread-self/ns/net", &st) < 0)
		return -errno;
	*inode = st.st_ino;
	return 0;
}

static void set_options(struct mnl_socket *s)
{
	int fd = mnl_socket_get_fd(s), size = RECEIVE_QUEUE_BYTES, on = 1;

	/* Each is an improvement that the rest does not depend on: failure is no reason to stop. */
	mnl_socket_setsockopt(s, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(s, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int open_socket(int bus, const char *name, struct mnl_socket **out, struct kernel_error *e)
{
	struct mnl_socket *s = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!s)
		return kernel_error_set(e, errno, "cannot open a %s socket", name);
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		int err = errno;

		mnl_socket_close(s);
		return kernel_error_set(e, err, "cannot bind a %s socket", name);
	}
	set_options(s);
	*out = s;
	return 0;
}

static int open_all(struct kernel *k, struct kernel_error *e)
{
	socklen_t len = sizeof(k->netns_cookie);
	int err;

	err = open_socket(NETLINK_ROUTE, "rtnetlink", &k->route, e);
	if (!err)
		err = open_socket(NETLINK_NETFILTER, "netfilter netlink", &k->netfilter, e);
	if (!err)
		err = open_socket(NETLINK_SOCK_DIAG, "socket diagnosis", &k->diag, e);
	if (err)
		return err;
	if (getsockopt(mnl_socket_get_fd(k->route), SOL_SOCKET, SO_NETNS_COOKIE, &k->netns_cookie,
		    &len) < 0)
		return kernel_error_set(
			e, errno, "cannot tell network namespaces apart (Linux 5.14 can)");
	err = this_netns(&k->netns);
	if (err)
		return kernel_error_set(e, -err, "cannot look at /proc/thread-self/ns/net");
	k->proc_sys = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (k->proc_sys < 0)
		return kernel_error_set(e, errno, "cannot open /proc/sys");
	return 0;
}

int kernel_open(struct kernel **out, struct kernel_error *e)
{
	struct kernel *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		abort();
	k->proc_sys = -1;
	err = open_all(k, e);
	if (err) {
		kernel_close(k);
		return err;
	}
	*out = k;
	return 0;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	if (k->route)
		mnl_socket_close(k->route);
	if (k->netfilter)
		mnl_socket_close(k->netfilter);
	if (k->diag)
		mnl_socket_close(k->diag);
	if (k->proc_sys >= 0)
		close(k->proc_sys);
	free(k);
}

bool kernel_at_home(const struct kernel *k)
{
	uint64_t inode = 0;

	/* The sockets hold the namespace, so its inode cannot have been given to another. */
	return this_netns(&inode) == 0 && inode == k->netns;
}

/* Who may not look at another's namespaces may still see its network, whose files in /proc have other
 * numbers than ours unless it is the same. */
static int shares_our_files(const char *pid)
{
	struct stat own, its;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/net/dev", pid);
	if (stat(path, &its) < 0 || stat("/proc/thread-self/net/dev", &own) < 0)
		return -errno;
	return own.st_ino == its.st_ino && own.st_dev == its.st_dev;
}

int kernel_has_process(const struct kernel *k, const char *pid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	if (stat(path, &st) == 0)
		return st.st_ino == k->netns;
	return errno == EACCES && kernel_at_home(k) ? shares_our_files(pid) : -errno;
}

/* Text and offset of an extended ack, whose attributes start at @offset of the message. */
static void decode_extack(const struct nlmsghdr *nlh, size_t offset, struct kernel_error *e)
{
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || mnl_nlmsg_get_payload_len(nlh) < offset)
		return;
	mnl_attr_for_each(attr, nlh, offset)
	{
		switch (mnl_attr_get_type(attr)) {
		case NLMSGERR_ATTR_MSG:
			snprintf(e->text, sizeof(e->text), "%.*s",
				(int)mnl_attr_get_payload_len(attr),
				(const char *)mnl_attr_get_payload(attr));
			break;
		case NLMSGERR_ATTR_OFFS:
			if (mnl_attr_get_payload_len(attr) >= sizeof(uint32_t))
				e->offset = mnl_attr_get_u32(attr);
			break;
		}
	}
}

int kernel_ack(const struct nlmsghdr *nlh, struct kernel_error *e)
{
	size_t attrs = MNL_ALIGN(sizeof(int));
	int error;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(error))
		/* An end of dump without a status, from before it had one. */
		return nlh->nlmsg_type == NLMSG_DONE ? 0 : kernel_error_set(e, EBADMSG, "%s", "");
	memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	/* A dump of some families ends with its last skb's length. */
	if (error >= 0)
		return 0;
	kernel_error_set(e, -error, "%s", "");
	if (!e)
		return error;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *ne = mnl_nlmsg_get_payload(nlh);

		attrs = MNL_ALIGN(sizeof(*ne));
		/* Behind the echoed header comes the request's payload, unless it was capped. */
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && ne->msg.nlmsg_len >= MNL_NLMSG_HDRLEN)
			attrs += MNL_ALIGN(ne->msg.nlmsg_len) - MNL_NLMSG_HDRLEN;
	}
	decode_extack(nlh, attrs, e);
	return error;
}

/* One request's answers, as they come in. */
struct talk {
	uint32_t seq;
	mnl_cb_t cb; /* NULL once nothing more is wanted */
	void *data;
	int result;
	bool done;
	struct kernel_error *e;
};

static void hear(struct talk *t, const struct nlmsghdr *nlh)
{
	int ret;

	if (nlh->nlmsg_seq != t->seq)
		return;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR && !t->result) {
		t->result = kernel_error_set(t->e, EINTR, "changed while it was being read");
		t->cb = NULL;
	}
	if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
		t->done = true;
		if (!t->result)
			t->result = kernel_ack(nlh, t->e);
		return;
	}
	if (nlh->nlmsg_type < NLMSG_MIN_TYPE || !t->cb)
		return;
	errno = 0;
	ret = t->cb(nlh, t->data);
	if (ret > MNL_CB_STOP)
		return;
	/* The rest is still read: a dump that is left half read makes the next one fail. */
	t->cb = NULL;
	if (ret == MNL_CB_ERROR)
		t->result = kernel_error_set(t->e, errno ? errno : EBADMSG, "%s", "");
}

static void drain(struct mnl_socket *s, void *buf)
{
	ssize_t len;

	do {
		len = recv(mnl_socket_get_fd(s), buf, RECEIVE_BYTES, MSG_DONTWAIT);
	} while (len > 0 || (len < 0 && (errno == ENOBUFS || errno == EINTR)));
}

static int listen_until_done(struct mnl_socket *s, struct talk *t, void *buf)
{
	while (!t->done) {
		ssize_t got = mnl_socket_recvfrom(s, buf, RECEIVE_BYTES);
		const struct nlmsghdr *nlh = buf;
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int err = errno;

			/* ENOBUFS: answers were lost, maybe the last one: waiting would be for ever. */
			if (err == ENOBUFS)
				drain(s, buf);
			return kernel_error_set(t->e, err, "cannot read the kernel's answer");
		}
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			hear(t, nlh);
	}
	return t->result;
}

int kernel_talk(struct kernel *k, struct mnl_socket *s, struct nlmsghdr *request, mnl_cb_t cb,
	void *data, struct kernel_error *e)
{
	struct talk t = {.cb = cb, .data = data, .e = e};
	void *buf;
	int ret;

	if (e)
		*e = (struct kernel_error){0};
	t.seq = request->nlmsg_seq = ++k->seq;
	request->nlmsg_flags |= NLM_F_REQUEST;
	/* The bits of NLM_F_DUMP mean other things in requests that change something. */
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(s, request, request->nlmsg_len) < 0)
		return kernel_error_set(e, errno, "cannot send to the kernel");
	buf = malloc(RECEIVE_BYTES);
	if (!buf)
		abort();
	ret = listen_until_done(s, &t, buf);
	free(buf);
	return ret;
}
