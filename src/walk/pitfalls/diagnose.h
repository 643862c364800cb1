/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Diagnose: from what a journey met, the pitfall behind it.
 *
 * Each way of a journey that ends badly is looked at by itself, the first leg that went wrong first:
 * a request that is lost has no reply to judge. One file per kind of wrong: the packet was stopped
 * (diagnose_stopped.c), or it went another way: a request (diagnose_astray.c) or a reply
 * (diagnose_reply.c). What is found is folded by cause, so that a thousand forwards with one cause are
 * one finding.
 */
#ifndef WALK_PITFALLS_DIAGNOSE_H
#define WALK_PITFALLS_DIAGNOSE_H

#include "walk/journey.h"
#include "walk/pitfalls/inquiry.h"
#include "walk/scope.h"

struct diagnosis {
	struct inquiry *q;
	const struct journey *j;
	const struct journey_way *way;
	const char *forward; /* as text, for the list of those concerned; NULL: not a forward's */
	enum diag_severity severity;
	bool certain; /* else only where what is not known is so */
	bool inside;  /* the client is in one of the inside networks, or is this machine */
};

/* Everything that explains @j, added to q->out. */
void diagnose_journey(struct inquiry *q, const struct journey *j, const char *forward);

/* @leg is the way of an ICMP error about a connection of @j's that works, which a rule may have stopped. */
void diagnose_error(struct inquiry *q, const struct journey *j, const struct journey_leg *leg,
	const char *forward);

/* Of a request from one inside network to another: it goes out to the Internet instead. */
void diagnose_between(struct inquiry *q, const struct journey *j);

/* @leg was stopped at its last step; true: that is explained. */
bool diagnose_stopped(
	struct diagnosis *d, enum journey_leg_kind kind, const struct journey_step *at);
/* Are replies looked for in another zone of connection tracking than requests are noted in? Then the
 * rules that do so are added to @f. */
bool diagnose_zones(struct diagnosis *d, struct finding *f);
/* A request that leaves by a way that does not lead to the backend. */
bool diagnose_request_astray(struct diagnosis *d, enum journey_leg_kind kind);
/* A reply that leaves by another uplink than its request came in on. */
bool diagnose_reply_astray(struct diagnosis *d);

/* ---- what they share ---- */

/* A finding for this diagnosis; NULL: it is there already, and the forward was added to it. */
struct finding *diagnose_add(
	struct diagnosis *d, const char *id, uint8_t pitfall, const char *cause);
/* The last step of @stage in the leg; NULL: none. */
const struct journey_step *diagnose_step(const struct journey_leg *leg, enum journey_stage stage);
/* The last rule before @end (NULL: the end) that did one of @did (enum step_did); NULL: none. */
const struct journey_step *diagnose_rule(
	const struct journey_leg *leg, uint8_t did, const struct journey_step *end);
/* A step with its place, and what it did. */
const char *diagnose_step_text(struct diagnosis *d, const struct journey_step *s);
/* The route that a step took, and the ip rule that led there. */
const char *diagnose_way_text(struct diagnosis *d, const struct journey_step *s);
/* The uplink that requests come in by; NULL: not by one. */
const struct gateway_uplink *diagnose_uplink(const struct diagnosis *d);
/* Does the rule copy the connection's mark to the packet? */
bool diagnose_restores(const struct nft_rule *r);

/* ---- remedies ---- */

/* How rules are written on this machine. */
struct style {
	bool nft;
	const char *iptables; /* "iptables", "ip6tables-legacy", ...; NULL with nft */
};
struct style style_of(struct inquiry *q, uint8_t family);
const char *style_ip(uint8_t family); /* "ip", "ip -6" */
void style_keep_rules(struct inquiry *q, struct finding *f);
void style_keep_ip(struct inquiry *q, struct finding *f);
/* sysctl now, and over a restart. */
void style_sysctl(struct inquiry *q, struct finding *f, const char *key, const char *value);

/* A rule in iptables' words, without "-A CHAIN "; NULL: it is nft's, or has no such words. */
const char *rule_words(struct inquiry *q, const struct nft_table *t, const struct nft_chain *c,
	const struct nft_rule *r);
/* "iptables -t nat", or NULL for nft's own tables. */
const char *table_command(struct inquiry *q, const struct nft_table *t);
/* Take the rule away; false: it cannot be named in a command. */
bool remedy_delete(struct inquiry *q, struct finding *f, const struct nft_table *t,
	const struct nft_chain *c, const struct nft_rule *r);
/* Put a rule of @words (iptables' or nft's, as the table has it) right before @r, or in its place. */
bool remedy_before(struct inquiry *q, struct finding *f, const struct nft_table *t,
	const struct nft_chain *c, const struct nft_rule *r, const char *words);
bool remedy_replace(struct inquiry *q, struct finding *f, const struct nft_table *t,
	const struct nft_chain *c, const struct nft_rule *r, const char *words);
/* The rule's words before @what (NULL: all of them); NULL: that is not in them. */
const char *words_up_to(struct inquiry *q, const struct nft_table *t, const struct nft_chain *c,
	const struct nft_rule *r, const char *what);
/* The same forward, for what comes in by @interface, instead of for an address. */
void remedy_by_interface(struct inquiry *q, struct finding *f, const struct gateway_forward *w,
	const char *interface);

/* Mark connections by the uplink that they came in on, and lead their replies back by that mark. */
void remedy_pin(struct inquiry *q, struct finding *f, uint8_t family, bool local);
/* What connections are marked with already is put on their replies. */
void remedy_restore(
	struct inquiry *q, struct finding *f, uint8_t family, uint32_t mask, bool local);
/* Likewise on what this machine itself sends for them. */
void remedy_restore_output(struct inquiry *q, struct finding *f, uint8_t family);
/* Networks that main has a route to are asked for there before @rule is. */
void remedy_local_first(struct inquiry *q, struct finding *f, const struct net_rule *rule);

#endif
