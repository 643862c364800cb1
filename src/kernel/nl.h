/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink sockets: the one place that sends and receives.
 *
 * A struct kernel belongs to the network namespace in which it was opened and stays there even if
 * the caller moves on. Sysctls are the exception: /proc/sys/net always shows the namespace of the
 * thread that looks, so there the caller must be at home (kernel_at_home()). All functions return 0
 * or -errno; where the kernel said more (extended ack) the text is in the struct kernel_error, which
 * may be NULL.
 */
#ifndef KERNEL_NL_H
#define KERNEL_NL_H

#include <stdbool.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

struct kernel {
	struct mnl_socket *route, *netfilter;
	struct mnl_socket *diag; /* NETLINK_SOCK_DIAG */
	uint32_t seq;
	uint64_t netns; /* inode of the namespace */
	uint64_t
		netns_cookie; /* never given to another namespace until the next boot (an inode is) */
	int proc_sys;	      /* directory /proc/sys; see above */
	uint32_t table_flags;		    /* that our table is to have; see kernel_nft_hold() */
	const struct kernel_runner *runner; /* NULL: may run commands itself; see legacy.h */
};

struct kernel_error {
	int err;	 /* errno, positive; 0: none */
	char text[256];	 /* the kernel's own words, or "" */
	uint32_t offset; /* of the refused attribute in the request; 0: not said */
};

/* Note an error of our own; returns -err. @e may be NULL. */
int kernel_error_set(struct kernel_error *e, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

int kernel_open(struct kernel **out, struct kernel_error *e);
void kernel_close(struct kernel *k); /* NULL is fine */

/* Is the calling thread in the namespace of @k? */
bool kernel_at_home(const struct kernel *k);
/* Is the process @pid ("1")? 1 yes, 0 no; negative: it cannot be told, or there is no such process. */
int kernel_has_process(const struct kernel *k, const char *pid);

/*
 * Send one request on a socket and feed every answer to @cb (may be NULL) until the ack or the end
 * of the dump. The sequence number and, but for dumps, NLM_F_ACK are filled in here. An interrupted
 * dump (NLM_F_DUMP_INTR) gives -EINTR: start over with empty results. When @cb returns MNL_CB_ERROR
 * the result is -errno as it left it. Answers to earlier requests are skipped.
 */
int kernel_talk(struct kernel *k, struct mnl_socket *s, struct nlmsghdr *request, mnl_cb_t cb,
	void *data, struct kernel_error *e);

/* Decode a message of type NLMSG_ERROR or NLMSG_DONE: 0 or -errno, with the kernel's words. */
int kernel_ack(const struct nlmsghdr *nlh, struct kernel_error *e);

/*
 * Index attributes by type into @table, which has max + 1 places; types beyond are skipped. Taken
 * from memory, from behind a message's own header, or from a nest.
 */
void kernel_attrs(const struct nlattr **table, unsigned int max, const void *first, size_t len);
void kernel_attrs_of(const struct nlattr **table, unsigned int max, const struct nlmsghdr *nlh,
	size_t header_len);
void kernel_attrs_in(const struct nlattr **table, unsigned int max, const struct nlattr *nest);

#endif
