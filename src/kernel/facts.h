/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts: what else is on this machine that could defeat a plan; the evidence for walk/findings.h. */
#ifndef KERNEL_FACTS_H
#define KERNEL_FACTS_H

#include "kernel/nl.h"
#include "netstate/netstate.h"
#include "walk/findings.h"

/* Reads what can be read with the caller's rights; what cannot stays false or NULL. */
void kernel_facts(struct kernel *k, struct arena *a, struct foreign_facts *out);

/*
 * Reads the elements of other tools' named sets into a ruleset that was observed without them, as
 * far as their rules use them. A set that the kernel does not give stays SET_INCOMPLETE.
 */
void kernel_foreign_sets(struct kernel *k, struct arena *a, const struct nft_ruleset *seen);

/* What networkd.conf(5) and its drop-ins below @root ("" for this machine) tell networkd about rules
 * and routes of others. */
void kernel_networkd_settings(const char *root, bool *keeps_rules, bool *keeps_routes);

#endif
