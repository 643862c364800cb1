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

#include "base/strbuf.h"
#include "walk/gateway.h"

/* A port forward that is not carried over. */
struct import_left {
	const struct nft_table *table;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
	const char *why;
};

/* What a map says where no rule hides its clients from the backend. */
enum import_unhidden {
	IMPORT_AS_RULES, /* direct: that is what the rules rely on, and it is noted */
	IMPORT_AS_SEEN,	 /* direct where conntrack shows that replies come back; else it is asked */
};

struct import {
	const char *yaml;
	const char *maps_yaml;	 /* of it, what stands under "maps:" */
	VEC(const char *) names; /* of the maps */
	size_t maps, asked;	 /* maps made; of those, how many ask how replies come back */
	size_t lost; /* IMPORT_AS_SEEN: whose backend no route leads to; they are not enabled */
	VEC(struct import_left) left;
	/* Those whose map says `return: direct`: their backends are taken to answer through here. */
	VEC(const struct gateway_forward *) direct;
	/* What the config replaces. */
	VEC(const struct nft_rule *) rules;
	VEC(uint32_t) tables; /* routes in them, and ip rules that lead there */
};

void import_make(struct arena *a, const struct gateway *g, enum import_unhidden unhidden,
	struct import *out);

/* "iptables-save.txt:7: ip nat PREROUTING: -A PREROUTING ..." */
const char *import_left_words(struct arena *a, const struct import_left *l);
/* What is not carried over, and why, as comments; nothing where that is nothing. */
void import_add_left(struct arena *a, const struct import *im, struct strbuf *out);

/* What a map for the port is usually called; NULL: there is no usual name. */
const char *import_service_name(uint8_t proto, uint16_t port);

/* The machine of @g without what the config replaces. Shares what it can. */
void import_strip(
	struct arena *a, const struct gateway *g, const struct import *im, struct netstate *out);

#endif
