/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xt: iptables' matches and targets, between the words of iptables(8) and the kernel's blobs.
 *
 * Both directions, so that a line of iptables-save becomes the very statements that kernel/nft_decode
 * makes of the same rule of iptables-nft, and so that these can be shown in iptables' words.
 */
#ifndef NETSTATE_XT_XT_H
#define NETSTATE_XT_XT_H

#include "netstate/ruleset.h"

/* "-m conntrack --ctstate NEW,RELATED", "-j DNAT --to-destination 192.168.0.2:80". False: this blob is
 * not understood, and only the name was added. @family: enum ip_family. */
bool xt_print(struct strbuf *out, uint8_t family, const struct nft_xt *x);

/* A rule of iptables-nft or of a dump in iptables' words, as iptables-save has it: "-A FORWARD -i eth0
 * -j ACCEPT". False: something in it has no such words, and stands there as nft has it. */
bool xt_print_rule(struct strbuf *out, const struct nft_table *t, const struct nft_chain *c,
	const struct nft_rule *r);

/*
 * One line of iptables-save, "-A CHAIN ..." (with or without counters in brackets before it), as a new
 * rule at the end of its chain in @t. What is not understood becomes a STMT_UNKNOWN with the words in
 * `text`, and *@why (an arena text, NULL else) says so. NULL: not a rule at all; *@why.
 */
struct nft_rule *xt_parse_rule(
	struct arena *a, struct nft_table *t, const char *line, size_t len, const char **why);

#endif
