/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nftables: ruleset in, ruleset out, in the kernel's own encoding (netlink attributes, with libmnl).
 *
 * nft_encode.c turns struct nft_rule and friends into netlink messages, nft_decode.c turns the
 * kernel's dump back into the same structs; what one writes the other must read as equal
 * (nft_rule_equal). The encoding is what nft(8) itself makes of the text that nft_print_table()
 * prints; a test holds the two together.
 */
#ifndef KERNEL_NFT_H
#define KERNEL_NFT_H

#include "kernel/nl.h"
#include "netstate/ruleset.h"
#include "plan/plan.h"

struct nft_failure {
	long change;  /* index into the changes, or -1: the transaction as a whole */
	long element; /* index into that change's set, or -1: unknown or none */
	struct kernel_error error;
};

/*
 * Commit @n changes as one transaction. @generation: the ruleset generation that the changes were
 * computed from; if the kernel's is another by now nothing happens and -ERESTART is returned (0:
 * do not check). On success *@after is the new generation. With no changes, only the generation is
 * checked.
 * -EPERM and friends: as the kernel says. Nothing is ever half done.
 */
int kernel_nft_commit(struct kernel *k, const struct nft_change *changes, size_t n,
	uint32_t generation, uint32_t *after, struct nft_failure *f);

/*
 * From now on the table that we make, or find without an owner, is to belong to @k's netfilter socket
 * alone: nobody else can change it, `nft flush ruleset` passes it by, and when the socket is closed it
 * stays as it is. False: this kernel cannot do that (before 6.9), and nothing changes; an owner without
 * persistence would take the table along when it dies.
 */
bool kernel_nft_hold(struct kernel *k);

int kernel_nft_generation(struct kernel *k, uint32_t *generation, struct kernel_error *e);

/* All tables with chains, rules, set declarations and elements of anonymous sets; elements of named
 * sets only with @elements (else SET_INCOMPLETE is set on them). */
int kernel_nft_observe(struct kernel *k, struct arena *a, bool elements, struct nft_ruleset *out,
	struct kernel_error *e);
/* Only one table, as far as it is there: without its flowtables and the elements of named sets. */
int kernel_nft_observe_table(struct kernel *k, struct arena *a, enum nft_family family,
	const char *table, struct nft_ruleset *out, struct kernel_error *e);
/* The elements of one named set of a table, into @set (whose declaration was read). */
int kernel_nft_elements(struct kernel *k, struct arena *a, enum nft_family family,
	const char *table, struct nft_set *set, struct kernel_error *e);

#endif
