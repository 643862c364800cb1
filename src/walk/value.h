/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Value: what an expression of a rule gives for a packet, known bit by bit, and comparing it. */
#ifndef WALK_VALUE_H
#define WALK_VALUE_H

#include "walk/rules.h"

#define WALK_VALUE_BYTES (NFT_MAX_FIELDS * 16)

struct walk_value {
	bool absent;	    /* the packet has no such thing: the kernel then leaves the rule */
	enum nft_type type; /* NFT_T_OTHER: a concatenation, or not known */
	uint16_t len;
	/* As struct nft_set has keys: fields padded to 4. What lies beyond the padded `len` is not set. */
	uint8_t bytes[WALK_VALUE_BYTES];
	uint8_t known[WALK_VALUE_BYTES]; /* a set bit: the bit beside it is known */
};

void walk_value_unknown(struct walk_value *v, enum nft_type type, unsigned int len);
void walk_value_known(
	struct walk_value *v, enum nft_type type, const void *bytes, unsigned int len);
void walk_value_absent(struct walk_value *v);
bool walk_value_is_known(const struct walk_value *v); /* all of it; absent is known, too */

/* What a random expression gave on the way that is walked. */
struct walk_draw {
	const struct nft_expr *expr;
	uint32_t number;
};
#define WALK_MAX_DRAWS 4 /* random expressions within one statement */

/* A walk in progress. */
struct walk_run {
	const struct walker *w;
	enum nft_hook hook;
	uint32_t left; /* of WALK_MAX_STEPS */
	struct walk_draw draws[WALK_MAX_DRAWS];
	size_t n_draws;
};
/* Take @n steps; false: there were not so many left. */
bool walk_spend(struct walk_run *run, size_t n);

/* Why something could not be decided. */
struct walk_doubt {
	const char *why; /* in words; a string constant */
	double share;	 /* not 0: chance decides, and so large a share of the packets matches */
	/* What is not known is whether a set has an element. Where even its declaration is not known,
	 * `set_name` names it. NULL both: it is something else. */
	const struct nft_set *set;
	const char *set_name;
	bool inverted;	       /* the match asks for what is not in it */
	struct walk_value key; /* with `set` */
};
/* Something else, as @why says. */
static inline void walk_doubt_of(struct walk_doubt *d, const char *why)
{
	d->why = why;
	d->share = 0;
	d->set = NULL;
	d->set_name = NULL;
	d->inverted = false;
}

/* A field of the packet, or of what is known of it. */
void walk_select(const struct walk_run *run, const struct packet *p, enum nft_selector s,
	struct walk_value *v);

void walk_evaluate(struct walk_run *run, const struct packet *p, const struct nft_expr *e,
	struct walk_value *out);

/* The same as a key for @set. */
void walk_evaluate_key(struct walk_run *run, const struct packet *p, const struct nft_expr *e,
	const struct nft_set *set, struct walk_value *key);

/* A STMT_MATCH. For an unknown answer @doubt says why. */
enum tri walk_match(struct walk_run *run, const struct packet *p, const struct nft_stmt *s,
	struct walk_doubt *doubt);

/* Is the element the one that @key falls on? */
enum tri walk_element(const struct nft_set *set, size_t i, const struct walk_value *key);

/*
 * The element that @key falls on. YES: it is *@at. NO: there is none. UNKNOWN: what is not known of the
 * key decides, or what is not known of the set; *@at is the first that it may be, or set->len.
 */
enum tri walk_find(
	struct walk_run *run, const struct nft_set *set, const struct walk_value *key, size_t *at);

/* The 32 bits of a mark that a value holds; *@known: which of them are known. */
uint32_t walk_value_mark(const struct walk_value *v, uint32_t *known);

/* May it be an ICMP error, whose connection is that of the packet that it is about? */
bool walk_may_be_error(const struct packet *p);

/* A rule says that conntrack shall leave the packet alone. */
void walk_untrack(struct packet *p);

#endif
