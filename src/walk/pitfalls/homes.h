/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Homes: from which base chain a chain is reached. */
#ifndef WALK_PITFALLS_HOMES_H
#define WALK_PITFALLS_HOMES_H

#include "walk/pitfalls/inquiry.h"

/* The first base chain of @t from which jumps lead to @c (itself, if it is one); NULL: none. */
const struct nft_chain *home_of(
	struct inquiry *q, const struct nft_table *t, const struct nft_chain *c);

#endif
