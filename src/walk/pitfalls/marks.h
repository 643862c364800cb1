/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Marks: the rules of a machine that write marks, read once. */
#ifndef WALK_PITFALLS_MARKS_H
#define WALK_PITFALLS_MARKS_H

#include "walk/pitfalls/inquiry.h"
#include "walk/scope.h"

struct marker {
	const struct nft_table *table;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
	struct scope scope; /* one of the rule's */
	bool ct;	    /* writes the connection's mark (else the packet's) */
	bool sets;	    /* to a value of its own; else a copy of the other mark, or not known */
	bool restores;	    /* copies the connection's mark to the packet */
	uint32_t bits;	    /* those that it writes */
	uint32_t value;	    /* SETS: what to */
	enum nft_hook hook; /* of the base chain that leads there, the first of them */
	enum nft_chain_type base_type;
	int32_t prio;
	bool hooked; /* there is such a base chain */
	bool early;  /* its base chain is before the translation */
};
struct marks {
	VEC(struct marker) items;
};

/* The bits that @r writes of the packet's mark (or, @ct, the connection's), and to what value where
 * *@known. False: none. */
bool marks_written(const struct nft_rule *r, bool ct, uint32_t *bits, uint32_t *value, bool *known);

/* Does the rule write bits of several products, as their ip rules have it (pitfall 48)? */
bool mark_collides(struct inquiry *q, const struct nft_rule *r);

/* All of them, but for those of portreeve's own table; found once per inquiry. */
const struct marks *marks_of(struct inquiry *q);

#endif
