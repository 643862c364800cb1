/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Explain: a journey's question from words, its answer, and that as text and as JSON. */
#ifndef REPORT_EXPLAIN_H
#define REPORT_EXPLAIN_H

#include <jansson.h>

#include "walk/bypass.h"
#include "walk/findings.h"
#include "walk/journey.h"

/* What is looked at. */
struct explain_source {
	const char *name; /* for people: "this machine", "the dumps in DIR", ... */
	const struct netstate *net;
	/* What is known of the config behind our rules, whether laid over or in force here; NULL: nothing. */
	const struct plan *ours;
	const char *ours_file;		     /* as messages name it */
	const struct fastpath_now *fastpath; /* NULL: how it is there is not known */
};

/* The answer to one question. */
struct explanation {
	const struct explain_source *source;
	struct journey journey;
	/* ICMP errors that a router beyond sends about the request, and about the reply, of the first way,
	 * on their way back through here. */
	struct journey_leg errors[2];
	struct findings pitfalls;
	struct bypass bypass; /* of the first way */
};

/*
 * A question from its words: protocol (tcp, udp, sctp, icmp), source ("100.100.100.100",
 * "198.51.100.7:5000", "[2001:db8::1]:5000", or "self": this machine) and destination with its port.
 * False: *@why says what is wrong with them, an arena text.
 */
bool explain_question(struct arena *a, const char *proto, const char *src, const char *dst,
	struct journey_question *out, const char **why);

/* Answer @asked of @e->source. */
void explain_answer(struct arena *a, const struct journey_question *asked, struct explanation *e);

/* Is there such an interface? NULL is none at all; where no links are known, any may be there. */
bool explain_knows_interface(const struct netstate *net, const char *in);

/* What is there with a name near @in; NULL: nothing. */
const char *explain_near_interface(struct arena *a, const struct netstate *net, const char *in);

/* "through", "bypass": how the backend's replies come back. */
bool explain_returns(const char *word, struct journey_question *out);

/* For people. @all: every way that the journey may take, not only the one that tells most. */
void explain_print(struct strbuf *out, const struct explanation *e, bool all, bool colour);

/* Members are only ever added to this, never renamed. */
json_t *explain_json(const struct explanation *e);

/* "works", "broken", "unknown" */
const char *explain_verdict_name(enum journey_verdict v);
const char *explain_hook_name(enum nft_hook h);
/* The verdict's reason in one line. */
const char *explain_why(struct arena *a, const struct journey *j);

/* The rule, its place in the ruleset, and in a dump or a config: NULL where there is none of them. */
struct explain_place {
	const char *table, *chain, *rule; /* "ip nat", "PREROUTING", its words */
	const char *file;		  /* of a dump, or the config */
	uint32_t line;
	uint64_t handle; /* 0: none */
	bool config;	 /* file and line are the config's */
};
/* "tcp 1.2.3.4:5 -> 6.7.8.9:80" */
void explain_packet(struct strbuf *out, const struct packet *k);
json_t *explain_packet_json(const struct packet *k);
const char *explain_end_name(enum journey_end e);

void explain_place(struct arena *a, const struct explanation *e, const struct journey_step *s,
	struct explain_place *out);

#endif
