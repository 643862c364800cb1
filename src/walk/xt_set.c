/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides iptables' set match: is something of the packet in an ipset? */
#include <string.h>

#include <linux/netfilter/xt_set.h>

#include "walk/xt_ask.h"

/* Which side of the packet a dimension of the set (from 1) is about. */
static bool asks_source(uint8_t flags, unsigned int dimension)
{
	return flags & (1u << dimension);
}

static enum nft_selector selector_of(const struct nft_field *f, bool source, bool v6)
{
	switch ((int)f->type) {
	case NFT_T_IPV4:
	case NFT_T_IPV6:
		return v6 ? (source ? SEL_IP6_SADDR : SEL_IP6_DADDR)
			  : (source ? SEL_IP_SADDR : SEL_IP_DADDR);
	case NFT_T_PORT:
		return source ? SEL_TH_SPORT : SEL_TH_DPORT;
	case NFT_T_PROTO:
		return SEL_META_L4PROTO;
	case NFT_T_IFNAME:
		return source ? SEL_META_IIFNAME : SEL_META_OIFNAME;
	case NFT_T_MARK:
		return SEL_META_MARK;
	case NFT_T_ETHER:
		return source ? SEL_ETHER_SADDR : SEL_ETHER_DADDR;
	default:
		return SEL_NONE;
	}
}

/* The set's key for the packet: a protocol belongs to the port beside it, and has no dimension of its
 * own. It falls on no element where the packet has no such thing. */
static void make_key(struct walk_run *run, const struct walk_xt_ask *q, const struct nft_set *set,
	uint8_t flags, struct walk_value *key)
{
	struct nft_expr selectors[NFT_MAX_FIELDS];
	struct nft_expr all = {.kind = EXPR_CONCAT, .n_parts = set->n_key};
	bool v6 = q->p->family == IP_V6;
	unsigned int dimension = 0;

	memset(selectors, 0, sizeof(selectors));
	for (unsigned int f = 0; f < set->n_key; f++) {
		enum nft_type wrong = v6 ? NFT_T_IPV4 : NFT_T_IPV6;

		if (set->key[f].type == wrong) {
			walk_value_absent(key);
			return;
		}
		if (set->key[f].type != NFT_T_PROTO)
			dimension++;
		selectors[f].kind = EXPR_SELECTOR;
		selectors[f].selector =
			selector_of(&set->key[f], asks_source(flags, dimension), v6);
		all.parts[f] = &selectors[f];
	}
	walk_evaluate_key(run, q->p, &all, set, key);
}

/* Revisions 1 to 4 begin alike; the last two may ask for an element's counters besides. */
static bool read_info(const struct nft_xt *x, struct xt_set_info *i, bool *counts)
{
	struct xt_set_info_match_v3 three;
	struct xt_set_info_match_v4 four;

	*counts = false;
	if (x->rev < 1 || x->rev > 4)
		return false;
	memcpy(i, x->info, sizeof(*i));
	if (x->rev == 3 && x->info_len >= sizeof(three)) {
		memcpy(&three, x->info, sizeof(three));
		*counts = three.packets.op != IPSET_COUNTER_NONE ||
			  three.bytes.op != IPSET_COUNTER_NONE;
	} else if (x->rev == 4 && x->info_len >= sizeof(four)) {
		memcpy(&four, x->info, sizeof(four));
		*counts = four.packets.op != IPSET_COUNTER_NONE ||
			  four.bytes.op != IPSET_COUNTER_NONE;
	}
	return true;
}

static const struct nft_set *find_ipset(const struct netstate *net, const char *name)
{
	VEC_EACH (&net->ruleset.ipsets, struct nft_set *, s) {
		if ((*s)->name && strcmp((*s)->name, name) == 0)
			return *s;
	}
	return NULL;
}

enum tri walk_xt_set(const struct walk_xt_ask *q)
{
	struct walker w = {.net = q->net};
	struct walk_run run = {.w = &w, .left = WALK_MAX_STEPS};
	const char *name = q->x->names[0];
	const struct nft_set *set = name ? find_ipset(q->net, name) : NULL;
	struct xt_set_info i;
	bool inverted, counts;
	enum tri t;
	size_t at;

	if (!read_info(q->x, &i, &counts))
		return not_known(q, "this match cannot be looked into");
	if (!name)
		return not_known(q, "which ipset is asked is not known");
	inverted = i.flags & IPSET_INV_MATCH;
	q->doubt->why = "the elements of the ipset are not known";
	q->doubt->inverted = inverted;
	q->doubt->set_name = name;
	if (!set || set->n_key == 0)
		return TRI_UNKNOWN;
	make_key(&run, q, set, i.flags, &q->doubt->key);
	if (q->doubt->key.absent)
		return inverted_if(TRI_NO, inverted);
	t = walk_find(&run, set, &q->doubt->key, &at);
	if (t == TRI_UNKNOWN && at == set->len)
		q->doubt->set = set;
	else
		q->doubt->set_name = NULL;
	if (t == TRI_UNKNOWN && at < set->len)
		q->doubt->why = "it depends on what is not known of the packet";
	if (t == TRI_YES && counts) {
		q->doubt->why = "it depends on an element's counters";
		return TRI_UNKNOWN;
	}
	return inverted_if(t, inverted);
}
