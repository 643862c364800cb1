/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ipsets, which iptables' set match asks. */
#ifndef KERNEL_IPSET_H
#define KERNEL_IPSET_H

#include "kernel/nl.h"
#include "netstate/ruleset.h"

/* All sets with their elements into @out->ipsets; and the names of those that iptables-nft's rules in
 * @out, which were read before, ask by number. No module is loaded for it. */
int kernel_ipsets(
	struct kernel *k, struct arena *a, struct nft_ruleset *out, struct kernel_error *e);

#endif
