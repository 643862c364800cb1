/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Journey: the way of a packet through a machine, and of its reply.
 *
 * A connection is followed as the kernel would: the first request; the reply to what came out of it;
 * and a further request, since what a rule does to the connection's mark is first seen there. Where
 * something cannot be decided the journey forks, and each way is walked by itself.
 */
#ifndef WALK_JOURNEY_H
#define WALK_JOURNEY_H

#include "walk/routes.h"
#include "walk/rules.h"

/* What is known of the backend: does what it answers come back through this machine? */
enum journey_return {
	RETURN_ASK, /* as conntrack's entries tell, else not known */
	RETURN_THROUGH_US,
	RETURN_BYPASS, /* it answers past us, unless the request has an address of ours for source */
};

struct journey_question {
	uint8_t proto;
	struct ip_addr src, dst;
	uint16_t sport, dport; /* ICMP echo: the identifier is sport */
	const char *in;	       /* the interface that the request comes in on; NULL: found out */
	bool from_here;	       /* this machine sends it; `in` is NULL */
	uint32_t mark;	       /* of the first request, as a tc or XDP program may have set it */
	uint16_t length; /* of large packets, bytes from the network header on; 0: no matter */
	enum journey_return returns;
	uint8_t smac[6]; /* of the first request; all 0: not known */
};

enum journey_verdict { JOURNEY_WORKS, JOURNEY_BROKEN, JOURNEY_UNKNOWN };

enum journey_end {
	JOURNEY_FORWARDED,
	JOURNEY_LOCAL,
	JOURNEY_DROPPED,
	JOURNEY_REJECTED,
	JOURNEY_UNROUTABLE,
	JOURNEY_LOST, /* where the walk cannot follow: "unknown" */
};

enum journey_stage {
	STAGE_ARRIVE,	 /* on an interface, or from a socket */
	STAGE_CONNTRACK, /* which connection, which state */
	STAGE_RULE,	 /* a rule did something, or a policy */
	STAGE_NAT,     /* addresses or ports were translated, as a rule or the connection has it */
	STAGE_ROUTE,   /* ip rules and tables */
	STAGE_REROUTE, /* of a packet of our own whose mark or address was changed in output */
	STAGE_SOURCE,  /* reverse path filter and martian sources */
	STAGE_FORWARD, /* may the interface forward; hop limit; MTU; redirects */
	STAGE_NEIGHBOUR, /* the link-layer address of the next hop */
	STAGE_DELIVER,	 /* to a socket of this machine */
	STAGE_LEAVE,
	STAGE_FORK, /* could go several ways; this is the one walked here */
};

struct journey_step {
	enum journey_stage stage;
	enum nft_hook hook;    /* RULE, NAT, CONNTRACK: where */
	struct walk_step rule; /* RULE, NAT by a rule; kind NONE: no rule */
	const struct net_rule
		*policy; /* ROUTE, REROUTE, SOURCE: the ip rule that led to the table */
	const struct net_route *route; /* likewise; NULL: none was found */
	const char *sysctl;	       /* the key that decided; NULL: none */
	bool stops;		       /* the packet ends here */
	const char *text;    /* what happened, one line: "mark 0x0 -> 0x1", "to 192.168.0.2:80" */
	struct packet after; /* the packet after this step */
};

enum journey_leg_kind {
	LEG_REQUEST, /* the first packet */
	LEG_REPLY,   /* to it: the backend's, or this machine's own where the request was for it */
	LEG_LATER,   /* a further request, after the reply was seen */
	LEG_COUNT_
};

struct journey_leg {
	bool walked; /* false: there is nothing to walk, since an earlier leg ended */
	enum journey_end end;
	const char *in, *out; /* interfaces; NULL: none, or a socket here */
	struct ip_addr via;   /* the next hop where it leaves; IP_NONE: the destination itself */
	struct packet first, last; /* as it came in; as it left or was at its end */
	VEC(struct journey_step) steps;
};

struct journey_choice {
	struct walk_fork fork;
	size_t taken;
	const char *sysctl; /* the key whose value was supposed; NULL: it is about something else */
};

/* One way that the journey may take. */
struct journey_way {
	struct journey_leg legs[LEG_COUNT_];
	VEC(struct journey_choice) choices; /* what was chosen to come this way; empty: nothing */
	double share; /* of the connections, by the weights of FORK_CHANCE; 1: all */
	enum journey_verdict verdict;
	enum tri
		home; /* the reply leaves by where the request came in; UNKNOWN: no reply to judge */
	/* Do the backend's replies come back here? UNKNOWN also where that was not asked. */
	enum tri returns;
	const char *why; /* the verdict in one line, in the user's terms */
	/* What the connection became. */
	struct net_flow flow;
	bool dnat, snat;
	const struct nft_rule *dnat_rule, *snat_rule;
	const struct nft_table *dnat_table, *snat_table;
};

/* Something that was taken for granted. */
struct journey_assumption {
	const char *what;  /* "192.168.0.2 sends its replies through this machine" */
	const char *where; /* where to get it: "sysctl net.ipv4.conf.eth1.rp_filter" */
	bool decides;	   /* were it otherwise, the verdict could be another */
};

#define JOURNEY_MAX_WAYS 64
struct journey {
	struct journey_question question;
	const char *in; /* as given or found out */
	enum journey_verdict verdict;
	/* The one that tells most first: a broken one before one that works. Never empty. */
	VEC(struct journey_way) ways;
	bool more_ways; /* not all were walked */
	VEC(struct journey_assumption) assumed;
};

/*
 * Walk @q through @net. Everything lives in @a; steps point into @net.
 *
 * The verdict is BROKEN if every way is, or if one is that chance picks; UNKNOWN if some are broken
 * or unknown and what decides is not known, or if something is taken for granted that decides; else
 * WORKS.
 */
void journey_walk(struct arena *a, const struct netstate *net, const struct journey_question *q,
	struct journey *out);

/* The verdict's reason in one line; where it is UNKNOWN, what decides. */
const char *journey_why(struct arena *a, const struct journey *j);

/* Does the way end by a sysctl's value that was only supposed? */
bool journey_is_supposed(const struct journey_way *w);

/* An ICMP error about the reply (@about_reply; else about the request) of @way's connection, sent by a
 * router beyond where that packet left: is it let through to the packet's sender? (a "fragmentation
 * needed" that is lost is a black hole). */
void journey_walk_error(struct arena *a, const struct netstate *net, const struct journey_way *way,
	bool about_reply, struct journey_leg *out);

#endif
