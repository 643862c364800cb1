/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trip: one way of a journey while it is walked.
 *
 * Theory of operation
 *
 * A trip runs a whole journey, its three packets, without ever going two ways: wherever something
 * cannot be decided it asks trip_choose(), which answers from a script and then with 0, and writes
 * down what was asked. journey.c runs trips until every way of answering was gone.
 *
 * Connections live in the trip: those that its packets made, and copies of those that conntrack had.
 */
#ifndef WALK_TRIP_H
#define WALK_TRIP_H

#include "walk/journey.h"

struct connection {
	uint8_t proto;
	uint16_t zone;
	uint8_t zone_only;		     /* as of struct packet */
	struct packet_tuple original, reply; /* reply: as its packets arrive */
	/* reply.dport, or .sport, is the kernel's choice among many, and only an example; these bits
	 * all of the many have. */
	bool sport_picked, dport_picked;
	uint16_t sport_bits, dport_bits;
	uint32_t mark, mark_known;
	uint32_t status; /* enum ct_status */
	bool opening;	 /* TCP: only a SYN was seen of it */
	bool confirmed;	 /* conntrack keeps it: its first packet got through */
	bool offloaded;
	const struct net_flow *from;	   /* conntrack had it; NULL: made by this journey */
	const char *masquerade_by;	   /* the interface whose address it was given; NULL */
	struct walk_step dnat_by, snat_by; /* kind NONE: no rule of this journey */
};

/* What a route lookup gave. */
struct trip_route {
	uint8_t type; /* enum route_type; 0: there is no route */
	bool lost;    /* it cannot be told */
	const struct net_rule *rule;
	const struct net_route *route;
	const struct net_nexthop *hop; /* the one taken, of UNICAST */
};

struct trip_answer {
	const void *subject;
	size_t way;
};

struct trip_subject {
	const char *sysctl; /* its key; NULL: it is about `what`, and this very tuple */
	const void *what;
	struct packet_tuple tuple;
};

struct trip {
	struct walk_oracle oracle; /* first: trip_choose() is handed this */
	struct arena *a;	   /* of the result */
	const struct netstate *net;
	const struct journey_question *q;
	struct journey *journey; /* for assumptions */
	struct walker walker;
	struct walk_trail *trail;
	struct journey_way *way;
	struct journey_leg *leg;
	enum journey_leg_kind kind;
	const struct trip *mute; /* not NULL: only tried out, nothing is noted */

	const size_t *script;
	size_t script_len;
	VEC(struct trip_answer) answers;
	VEC(struct trip_subject *) subjects;

	VEC(struct connection *) connections;
	struct connection *connection;	/* of the packet being walked; NULL: none */
	bool reply;			/* its direction */
	bool stopped;			/* the packet's way has ended: leg->end */
	struct connection *error_about; /* the packet is an ICMP error about this */
	bool error_reply;
	uint32_t mark_at_delivery; /* of the request, where it was for this machine */
	bool accept_by_tproxy;
	bool rerouting;	       /* a packet of our own is looked up again, from its headers */
	struct trip_route out; /* of the packet being walked, where it leaves */
	bool device_hooks;     /* there are chains at ingress or egress of devices */
};

#define TRIP_MAX_CHOICES 200 /* per way; what is asked beyond is answered 0 */

/* ---- trip.c: notes, forks, sysctls ---- */

struct journey_step *trip_step(struct trip *t, enum journey_stage stage, enum nft_hook hook,
	const struct packet *after, const char *text);
/* The packet ends here. */
void trip_stop(struct trip *t, struct journey_step *s, enum journey_end end);
void trip_assume(struct trip *t, const char *what, const char *where, bool decides);
size_t trip_choose(struct trip *t, const struct walk_fork *f);
/* A question of two ways that nobody can answer here. */
size_t trip_ask(
	struct trip *t, const void *subject, const char *why, const char *no, const char *yes);
/* The same pointer for the same question within a trip. @tuple may be NULL. */
const void *trip_subject(struct trip *t, const void *what, const struct packet_tuple *tuple);

/* net.ipv4.conf.{all,IF}.WHAT: the value in force, combined as the kernel combines it. Asks (as a
 * fork) for what is not known. */
enum conf_join { CONF_OR, CONF_MAX, CONF_OWN };
#define CONF_MOST 2 /* of rp_filter, the one that is joined by MAX: no other can be larger */
int trip_conf(struct trip *t, uint8_t family, const char *interface, const char *what,
	enum conf_join join);
/* Can the value be told without asking? */
bool trip_conf_known(struct trip *t, uint8_t family, const char *interface, const char *what,
	enum conf_join join, int *value);
int trip_sysctl(struct trip *t, const char *key, int usual); /* forks: usual, or 1 - usual */
/* Which of two ways a sysctl takes that is not known. */
size_t trip_ask_sysctl(struct trip *t, const char *key, const char *no, const char *yes);
const char *trip_sysctl_text(
	struct trip *t, uint8_t family, const char *interface, const char *what);

bool trip_is_ours(
	const struct trip *t, const struct ip_addr *addr); /* an address of this machine */

/* Text: "1.1.1.1:80", "[2001:db8::1]:80", "1.1.1.1" without a port; NULL buf not allowed. */
#define ENDPOINT_STRLEN (IP_STRLEN + 10)
const char *trip_endpoint(uint8_t proto, const struct ip_addr *addr, uint16_t port, bool port_known,
	char buf[ENDPOINT_STRLEN]);
const char *trip_packet_text(struct trip *t, const struct packet *p);
bool trip_has_ports(uint8_t proto);

/* ---- connection.c ---- */

/* Conntrack's own place in prerouting and output. */
void trip_track(struct trip *t, enum nft_hook hook, struct packet *p);
/* Write what the connection says into the packet. */
void trip_attach(struct trip *t, struct packet *p);
/* A rule may have written the connection's mark. */
void trip_detach(struct trip *t, const struct packet *p);
/* The packet got through: the connection is kept from here on. */
void trip_confirm(struct trip *t, struct packet *p);
struct packet_tuple trip_tuple(const struct packet *p);
struct packet_tuple trip_inverse(const struct packet_tuple *tuple);
bool trip_tuple_equal(const struct packet_tuple *a, const struct packet_tuple *b);
/* Another connection has this tuple for its replies. */
bool trip_tuple_taken(const struct trip *t, const struct packet_tuple *reply);
void trip_flow(const struct connection *c, struct net_flow *out);
struct connection *trip_connection_from(struct trip *t, const struct net_flow *f);

/* ---- nat.c ---- */

/* The nat place of a hook, with the nat chains @bases[first..first+n). */
void trip_nat(struct trip *t, enum nft_hook hook, const struct walk_base *bases, size_t n,
	struct packet *p);

/* ---- hooks.c ---- */

void trip_hook(struct trip *t, enum nft_hook hook, struct packet *p);
bool trip_has_device_hooks(const struct netstate *net);
/* One base chain, with its steps noted. */
void trip_chain(
	struct trip *t, const struct walk_base *base, struct packet *p, struct walk_result *r);

/* ---- routing.c ---- */

/* @key: iif ("lo": a packet of our own), mark, addresses, tos, protocol and ports. */
void trip_lookup(struct trip *t, const struct packet *key, struct trip_route *out);
/* Pick the next hop of a unicast route for the packet. */
void trip_pick_hop(struct trip *t, const struct packet *key, struct trip_route *r);
/* For a packet that this machine sends: route, next hop and, where p->saddr is not known, the source
 * address. False: no way. */
bool trip_route_out(struct trip *t, enum journey_stage stage, enum nft_hook hook, struct packet *p);
const char *trip_route_text(struct trip *t, const struct trip_route *r);

/* ---- addresses.c ---- */

/* inet_select_addr() or ipv6_dev_get_saddr(): this machine's address for what leaves by @interface to
 * @next (the next hop in IPv4, the destination in IPv6). Family IP_NONE: none. */
struct ip_addr trip_select_address(struct trip *t, uint8_t family, const char *interface,
	const struct ip_addr *next, uint8_t scope);
/* The one that REDIRECT leads to. */
struct ip_addr trip_redirect_address(struct trip *t, const struct packet *p, enum nft_hook hook);

/* ---- source.c ---- */

/* Addresses that no packet from outside may have. */
void trip_martians(struct trip *t, struct packet *p);
/* The reverse path; @out: the interface that the packet goes out by, NULL: it is for this machine. */
void trip_validate_source(struct trip *t, const struct packet *p, const char *out);

/* ---- leg.c ---- */

void trip_arrive(struct trip *t, struct packet *p); /* on p->iif */
void trip_send(struct trip *t, struct packet *p);   /* from a socket; PKT_SADDR: it is bound */
/* One of this machine's sockets takes the packet, as far as they are known. */
bool trip_listens(const struct trip *t, const struct packet *p);

/* ---- judge.c ---- */

void trip_judge(struct trip *t);

/* ---- verdict.c ---- */

/* Of the ways that were walked; they are brought into their order. */
void trip_conclude(struct journey *j);

#endif
