/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace: what nftables tells of packets that carry its trace mark. */
#ifndef KERNEL_NFT_TRACE_H
#define KERNEL_NFT_TRACE_H

#include "kernel/nl.h"
#include "walk/observed.h"

/* One message. All messages of one packet on its way through one machine have the same id; a packet
 * that is translated keeps it. */
struct nft_trace_message {
	uint32_t id;
	struct observed_step step;
};

struct nft_trace;

/* Listen from now on, in the namespace of the calling thread. 0 or -errno. */
int nft_trace_open(struct nft_trace **out, struct kernel_error *e);
void nft_trace_close(struct nft_trace *t);   /* NULL is fine */
int nft_trace_fd(const struct nft_trace *t); /* for poll(2) */

/* One netlink message, whose lengths are right, as a message of a trace; false: it is none. */

bool nft_trace_decode(struct arena *a, const struct netstate *net, const struct nlmsghdr *nlh,
	struct nft_trace_message *out);

/* Take what has come, without waiting; texts live in @a, interfaces are named from @net. -ENOBUFS:
 * messages were lost. */
int nft_trace_read(struct nft_trace *t, struct arena *a, const struct netstate *net,
	bool (*each)(const struct nft_trace_message *m, void *data), void *data);

#endif
