/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Import: the config that says what a machine's own rules do, and what it could not say.
 *
 * Port forwards become maps, lines with default routes uplinks; how replies come back is read off the
 * walk of each forward. Rules, routes and marks that the config replaces are known by pointer, so that
 * the machine can be walked without them.
 */
#ifndef WALK_IMPORT_H
#define WALK_IMPORT_H

#include "walk/gateway.h"

/* A port forward that is not carried over. */
struct import_left {
	const struct nft_table *table;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
	const char *why;
};

struct import {
	const char *yaml;
	size_t maps;
	VEC(struct import_left) left;
	/* Those whose map says `return: direct`: their backends are taken to answer through here. */
	VEC(const struct gateway_forward *) direct;
	/* What the config replaces. */
	VEC(const struct nft_rule *) rules;
	VEC(uint32_t) tables; /* routes in them, and ip rules that lead there */
};

void import_make(struct arena *a, const struct gateway *g, struct import *out);

/* The machine of @g without what the config replaces. Shares what it can. */
void import_strip(
	struct arena *a, const struct gateway *g, const struct import *im, struct netstate *out);

#endif
