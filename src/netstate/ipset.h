/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of ipset(8) as struct nft_set, from wherever they are read.
 *
 * The fields are the dimensions of the set's type in order ("hash:net,port" has a net and a port):
 *	ip, net		NFT_T_IPV4 or NFT_T_IPV6
 *	port		NFT_T_PROTO and NFT_T_PORT, two fields (of ICMP the port is type and code);
 *			in bitmap:port NFT_T_PORT alone, of any protocol
 *	mac		NFT_T_ETHER
 *	iface		NFT_T_IFNAME
 *	mark		NFT_T_MARK
 * Sets with networks among them are SET_INTERVAL. Of one field, intervals do not overlap once
 * ipset_merge() ran; of several they may, and an element is in the set if any of them has it.
 *
 * A list:set has the names of its members in `chains`; ipset_unite() gives it their elements.
 *
 * What cannot be said like that leaves the set SET_INCOMPLETE.
 */
#ifndef NETSTATE_IPSET_H
#define NETSTATE_IPSET_H

#include "netstate/ruleset.h"

enum ipset_dimension { IPSET_IP, IPSET_NET, IPSET_PORT, IPSET_MAC, IPSET_IFACE, IPSET_MARK };

#define IPSET_MAX_DIMENSIONS 3

struct ipset_type {
	enum ipset_dimension dimensions[IPSET_MAX_DIMENSIONS];
	uint8_t n;
	bool any_protocol; /* its ports are of no protocol in particular */
};

/* "hash:ip,port"; false: not known here, as is list:set. */
bool ipset_type_parse(const char *text, struct ipset_type *out);
/* Set up the fields. @networks: its addresses are networks (of a netmask) although its type says ip. */
void ipset_layout(struct nft_set *s, const struct ipset_type *type, uint8_t family, bool networks);
/* Which dimension, from 0, field @field of a set is of. */
unsigned int ipset_dimension_of(const struct nft_set *s, unsigned int field);

/* All elements were added: sort them, and join those that overlap. */
void ipset_merge(struct arena *a, struct nft_set *s);
/* The same where some networks are taken out of wider ones: @nomatch has one byte per element, in the
 * order in which they were added. For sets of one field. */
void ipset_merge_except(struct arena *a, struct nft_set *s, const uint8_t *nomatch);
/* The members of a list:set are among @all: it gets their elements, unless one is not there, is not
 * complete or of another layout; then it stays SET_INCOMPLETE. */
void ipset_unite(struct arena *a, struct nft_set *list, const struct nft_ruleset *all);

#endif
