/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Explain: a journey's question from words, and its answer as text and as JSON. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "cli/cli.h"
#include "cli/source.h"
#include "rehearse/prove.h"
#include "walk/journey.h"

/* The answer to one question. */
struct explanation {
	const struct cli_source *source;
	struct journey journey;
	/* ICMP errors that a router beyond sends about the request, and about the reply, of the first way,
	 * on their way back through here. */
	struct journey_leg errors[2];
	struct findings pitfalls;
};

/*
 * A question from its words: protocol (tcp, udp, sctp, icmp), source ("100.100.100.100",
 * "198.51.100.7:5000", "[2001:db8::1]:5000", or "self": this machine) and destination with its port.
 * False: *@why says what is wrong with them, an arena text.
 */
bool explain_question(struct arena *a, const char *proto, const char *src, const char *dst,
	struct journey_question *out, const char **why);

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

/* Try @e's journey in a namespace. False: that could not be, and the diag says why. */
bool explain_prove(struct cli_context *c, const struct explanation *e, struct prove_result *out);
void explain_prove_print(struct strbuf *out, const struct prove_result *r, bool colour);
json_t *explain_prove_json(const struct prove_result *r);

#endif
