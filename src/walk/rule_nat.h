/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rule nat: the translation that nft's dnat, snat, masquerade, redirect and tproxy call for. */
#ifndef WALK_RULE_NAT_H
#define WALK_RULE_NAT_H

#include "walk/fork.h"

/* @k->stmt is one of these. False: the rule goes no further (a map without such an element). */
bool walk_told_nat(const struct walk_asker *k, struct walk_nat *out);

/* A TPROXY target or tproxy statement: does a program of this machine listen where @nat hands packets
 * to? */
enum tri walk_tproxy_listens(
	const struct netstate *net, const struct packet *p, const struct walk_nat *nat);

#endif
