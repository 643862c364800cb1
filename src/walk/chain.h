/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chain: the walk of one packet through one base chain and all that is called from it. */
#ifndef WALK_CHAIN_H
#define WALK_CHAIN_H

#include "walk/fork.h"

/* How a way of the packet can end. */
enum chain_end { END_ACCEPT, END_DROP, END_REJECT, END_LOST, END_COUNT_ };

/* The match that parted this way from another, and on which side of it we are. */
struct parting {
	struct walk_step at; /* kind NONE: there was none */
	bool matched;
};

struct ending {
	bool possible;
	struct walk_step by;
	struct parting parting;
};

/* One base chain being walked. */
struct chain_walk {
	struct walk_run run;
	const struct nft_table *table;
	const struct nft_chain *base;
	struct ending ends[END_COUNT_];
	struct packet accepted; /* joined over all ways that end in ACCEPT */
	struct walk_nat nat;	/* with an oracle */
	struct walk_step mark_by, ct_mark_by;
};

/* The packet on its way through one chain. */
struct way {
	bool open; /* it can get this far */
	struct packet p;
	struct parting parting;
};

/* A rule being run. */
struct rule_walk {
	struct chain_walk *c;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
	unsigned int depth;
	struct way *way; /* as it goes on if the rule does not match */
	struct way *now; /* as it goes on if it does: `way` itself, or `hit` once in doubt */
	struct way *hit;
	struct way *returns; /* ways that leave the chain */
	enum tri matched;
	struct walk_step doubt; /* UNKNOWN: what could not be decided */
	bool doubt_noted;	/* in the trail */
	struct walk_step did;	/* with an oracle: what it did and the trail has not yet */
};

/* Walk @p through c->base, its policy included. `run`, `table` and `base` are set. */
void chain_walk(struct chain_walk *c, const struct packet *p);

/* ---- for statements (statement.c) ---- */

static inline bool has_oracle(const struct chain_walk *c)
{
	return c->run.w->oracle != NULL;
}

void rule_run_stmt(struct rule_walk *r, const struct nft_stmt *s);

/* The rule as a place. */
struct walk_step rule_step(const struct rule_walk *r, enum step_kind kind);
/* One that asks about a statement for the packet as it is now. */
struct walk_asker rule_asker(const struct rule_walk *r, const struct nft_stmt *s);
/* The rule did something (bits of enum step_did) else than to decide where the packet goes. */
void rule_did(struct rule_walk *r, uint8_t did);
/* The answer of a match; if UNKNOWN the oracle decides, or from here on the rule is in doubt. */
void rule_match(
	struct rule_walk *r, const struct nft_stmt *s, enum tri t, const struct walk_doubt *doubt);
/* A statement of which only so much is known: does the packet go on in this rule? */
void rule_doubt(struct rule_walk *r, const struct nft_stmt *s, const char *why);
void rule_verdict(struct rule_walk *r, enum nft_verdict verdict, const char *chain);
void rule_vmap(struct rule_walk *r, const struct nft_stmt *s);
/* The end of the rule's own way. */
void rule_terminate(struct rule_walk *r, enum chain_end e, enum nft_verdict verdict);
void rule_reject(struct rule_walk *r);
/* It goes where the walk cannot follow. */
void rule_lose(struct rule_walk *r, const char *why);

#endif
