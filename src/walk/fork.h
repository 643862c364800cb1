/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fork: asks the oracle of a walk which way to go where something cannot be decided.
 *
 * Only for walks with an oracle. Every function asks at most one question for each thing that is not
 * decided, and none where all ways come to the same.
 */
#ifndef WALK_FORK_H
#define WALK_FORK_H

#include "walk/value.h"

/* What is being decided: a statement of a rule, for a packet. */
struct walk_asker {
	struct walk_run *run;
	struct walk_step at;
	const struct packet *p;
	const struct nft_stmt *stmt;
};

/* Does the match (a STMT_MATCH or an iptables match) match? @doubt is why it was not decided. */
bool walk_ask_match(const struct walk_asker *k, const struct walk_doubt *doubt);

/* Anything else with two ways: what is said of it. @about tells questions apart. */
bool walk_ask(const struct walk_asker *k, const char *why, uint64_t about);

/* What the expression gives. It stays unknown only where no choice among few would make it known. */
void walk_ask_value(const struct walk_asker *k, const struct nft_expr *e, struct walk_value *out);

/* Which element of the statement's verdict map the packet falls on; its length: none. False: it cannot
 * be told, since the map was not read. */
bool walk_ask_element(const struct walk_asker *k, size_t *at);

/* A number for a question, from the bytes that make it what it is. */
uint64_t walk_hash(uint64_t h, const void *bytes, size_t len);
#define WALK_HASH_START 14695981039346656037u

#endif
