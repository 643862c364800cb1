/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the generator's programs in the kernel and the one that drives them have in common. */
#ifndef BENCH_GENERATOR_H
#define BENCH_GENERATOR_H

#include <linux/types.h>

/*
 * Flow i comes from client CLIENTS_FIRST + i % CLIENTS, port PORT_FIRST + i % FLOWS_PER_PORT, and goes
 * to public port + i / FLOWS_PER_PORT. So no two flows to one backend port have the same source port:
 * behind a single SNAT address each keeps its own, and no contender has to search for a free one.
 */
#define CLIENTS_FIRST  0x64400100u /* 100.64.1.0 */
#define CLIENTS	       4000u
#define FLOWS_PER_PORT 50000u
#define PORT_FIRST     1024u

enum direction { REQUESTS, REPLIES, DIRECTIONS };

/* How a direction's packets leave their sender. */
struct course {
	__u32 ifindex;
	__u8 to[6], from[6];
};

/* What the backend saw of a flow, for its replies; zero before anything came. */
struct flow {
	__be32 addr; /* the client's, or the gateway's where it hides the client */
	__be16 port;
	__u8 answered; /* a reply reached the client */
	__u8 reserved;
};

struct tally {
	__u64 received, checked, wrong;
};

/* Latencies in ns: the first STEPS by themselves, then STEPS buckets to each power of two. */
#define STEPS_LOG2 4
#define STEPS	   (1 << STEPS_LOG2)
#define OCTAVES	   32
#define BUCKETS	   ((OCTAVES + 1) * STEPS)

#endif
