/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was applied last: the elements of our large sets, kept beside the kernel's copy.
 *
 * Reading 131,070 elements back from the kernel takes longer than committing them. As long as the
 * ruleset generation is the one that our own commit made, nobody has touched any table since, and
 * the kept copy is the kernel's. It is a cache: missing, stale or damaged means only "read them
 * from the kernel".
 */
#ifndef KERNEL_APPLIED_H
#define KERNEL_APPLIED_H

#include "kernel/nl.h"
#include "netstate/ruleset.h"

/* Keep the elements of @t, which is what the kernel has since @generation. */
int applied_save(const struct kernel *k, const struct nft_table *t, uint32_t generation);
/* Fill those sets of @t that were read without their elements and are kept for @generation; each
 * that was filled loses SET_INCOMPLETE. */
void applied_load(
	const struct kernel *k, struct arena *a, struct nft_table *t, uint32_t generation);
void applied_forget(const struct kernel *k);

#endif
