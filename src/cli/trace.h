/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace: what its parts share: the filter's words, packets put together from events, printing. */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include "cli/cli.h"
#include "kernel/watch.h"

/*
 * Words as of "tcp port 80 from 198.51.100.7 to 1.1.1.1 in eth0", in any order. False: *@why says what
 * is wrong with them, an arena text.
 */
bool trace_filter(struct arena *a, const char *const *words, unsigned int n,
	struct watch_filter *out, const char **why);

/* A connection, as far as it was seen. */
struct traced_connection {
	struct packet first; /* its first request that was seen, as it came in */
	const char *in;
	bool from_here, has_flow, has_journey;
	struct net_flow flow;
	struct journey journey;
	unsigned int seen[2]; /* packets of the original direction, and of replies */
};

struct traced_packet {
	uint32_t id;
	uint64_t last_ms; /* when something was last heard of it; 0: since the last look */
	/* The rules that mark packets for the trace, by handle: those that it has met. */
	uint64_t marked_by[2];
	bool settled;
	bool reply;
	enum journey_leg_kind kind;
	struct traced_connection *connection; /* NULL: began before the trace did */
	struct observed_leg leg;
	struct observed_differences differences;
	const struct journey_leg *walked; /* what it was compared with; NULL: nothing */
};

/* Everything that was heard, and what it comes to. */
struct tracing {
	struct arena *arena;
	const struct netstate *net;
	uint64_t now_ms;
	VEC(struct traced_packet *) packets;
	VEC(struct traced_connection *) connections;
	VEC(struct watch_frame) frames; /* outgoing ones that no packet has claimed */
	VEC(struct net_flow) flows;
};
struct watch_sink tracing_sink(struct tracing *t);
/* The next packet of which nothing was heard for @quiet_ms, complete; NULL: none yet. */
struct traced_packet *tracing_next(struct tracing *t, uint64_t quiet_ms);

void trace_print(
	struct strbuf *out, const struct tracing *t, const struct traced_packet *p, bool colour);
json_t *trace_json(const struct tracing *t, const struct traced_packet *p);

#endif
