/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tool: whose rules are these, and how does one make an exception in them that lasts? */
#ifndef WALK_PITFALLS_TOOL_H
#define WALK_PITFALLS_TOOL_H

#include "walk/pitfalls/flows.h"

enum tool { TOOL_NFT, TOOL_IPTABLES, TOOL_UFW, TOOL_FIREWALLD, TOOL_DOCKER, TOOL_COUNT_ };

enum tool tool_of(const struct trouble *t);
const char *tool_name(enum tool t);	    /* "ufw", "another tool" */
const char *tool_family(enum nft_family f); /* as nft names those that have routed packets */

/* Does the rule drop what it sees no way back for, as a reverse path filter? */
bool tool_looks_back(const struct trouble *t);

/* Fill in remedy, keep and advice: let through what portreeve has translated. */
void tool_remedy(struct inquiry *q, const struct trouble *t, enum tool tool, struct finding *f);

#endif
