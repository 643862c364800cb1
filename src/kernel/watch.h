/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watch: packets of one machine as nftables' trace, as frames on its interfaces and as connections.
 *
 * Theory of operation. A table of our own marks the packets that the filter asks for, before any rule:
 * requests by their headers, replies by the connection that they belong to. The table belongs to our
 * netlink socket (NFT_TABLE_F_OWNER): however this process ends, the kernel takes it away. The headers
 * of a traced packet and of a frame tie the two together; an event of conntrack tells how the
 * connection was translated.
 */
#ifndef KERNEL_WATCH_H
#define KERNEL_WATCH_H

#include "kernel/nft_trace.h"

#define WATCH_TABLE "portreeve_trace"

/* Whose packets: of connections with such a first packet. */
struct watch_filter {
	uint8_t proto;		   /* 0: any */
	struct ip_prefix src, dst; /* family IP_NONE: any; both of one family */
	uint16_t sport, dport;	   /* 0: any */
	const char *in;		   /* interface of requests; NULL: any */
};

/* A frame on an interface. */
struct watch_frame {
	const char *interface;
	bool outgoing;
	struct packet packet;
};

struct watch;
struct watch_sink {
	void (*traced)(const struct nft_trace_message *m, void *data);
	void (*frame)(const struct watch_frame *f, void *data);
	void (*flow)(const struct net_flow *f, void *data); /* a new connection */
	void *data;
};

/* Start, in the namespace of @k. Interfaces are named from @net. 0 or -errno. */
int watch_open(struct kernel *k, struct arena *a, const struct netstate *net,
	const struct watch_filter *filter, struct watch **out, struct kernel_error *e);
void watch_close(struct watch *w); /* NULL is fine; the table is gone when this returns */

/* Wait up to @timeout_ms for something and hand all that has come to @sink. How many there were, or
 * -errno; -EINTR: a signal came. Messages that were lost are counted in *@lost. */
int watch_wait(struct watch *w, struct arena *a, int timeout_ms, const struct watch_sink *sink,
	size_t *lost);

#endif
