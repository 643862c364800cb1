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
	uint8_t bytes[WALK_VALUE_BYTES]; /* as struct nft_set has keys: fields padded to 4 */
	uint8_t known[WALK_VALUE_BYTES]; /* a set bit: the bit beside it is known */
};

/* A walk in progress. */
struct walk_run {
	const struct walker *w;
	uint32_t left; /* of WALK_MAX_STEPS */
};
/* Take @n steps; false: there were not so many left. */
bool walk_spend(struct walk_run *run, size_t n);

void walk_evaluate(struct walk_run *run, const struct packet *p, const struct nft_expr *e,
	struct walk_value *out);

/* A STMT_MATCH. For an unknown answer *@why says in words what is not known. */
enum tri walk_match(
	struct walk_run *run, const struct packet *p, const struct nft_stmt *s, const char **why);

/* Is the element the one that @key falls on? */
enum tri walk_element(const struct nft_set *set, size_t i, const struct walk_value *key);

/* The 32 bits of a mark that an expression gives; *@known: which of them are known. */
uint32_t walk_mark(
	struct walk_run *run, const struct packet *p, const struct nft_expr *e, uint32_t *known);

/* A rule says that conntrack shall leave the packet alone. */
void walk_untrack(struct packet *p);

/* What kind of address this is to the machine: RTN_*, or -1 where it cannot be told. */
int walk_address_type(const struct netstate *net, const struct ip_addr *addr);

#endif
