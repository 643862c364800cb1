/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plan: from the model and what the machine is like to the kernel state that we want.
 *
 * Everything a plan makes carries portreeve's own name (table inet portreeve, route protocol
 * PORTREEVE_PROTOCOL, own table numbers and rule preferences) and the place in the config that
 * asked for it. Pure: the same model, observation and memory give the same plan.
 */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "config/model.h"
#include "netstate/netstate.h"

#define PORTREEVE_TABLE	   "portreeve" /* nftables: table inet portreeve */
#define PORTREEVE_PROTOCOL 180u	       /* rtnetlink protocol number of our routes and rules */

/* Flags of the table in a plan whose table is to be a running process's alone and to outlive it:
 * NFT_TABLE_F_OWNER and NFT_TABLE_F_PERSIST (Linux 6.9). */
#define PLAN_TABLE_HELD 0x6u

/* Names in that table that others ask for. */
#define PLAN_MEMORY	    "memory"	 /* set: what must be remembered, see struct memory */
#define PLAN_MEMORY_SYSCTLS 0x10000u	 /* its elements from here on are sysctls; below: uplinks */
#define PLAN_MEMORY_LEARNED 0x20000u	 /* and from here on what was learned */
#define PLAN_MISROUTED	    "misrouted_" /* counters, one per uplink: this and its name */
#define PLAN_BLOCKED4	    "blocked4" /* sets with timeouts: reply tuples of deleted connections */
#define PLAN_BLOCKED6	    "blocked6"
#define PLAN_BLOCKED_SIZE   65536u

/*
 * What earlier applies left to be remembered until removal. Kept as elements of a set in our own
 * table, with a second copy under /run/portreeve (kernel/memory.h).
 */
struct memory_sysctl {
	const char *key, *value; /* the value before portreeve first changed it */
};
struct memory_number {
	const char *uplink;
	uint32_t number;
};
/* What was measured of a backend's replies (`return: auto`); see plan/return_path.h. */
struct memory_return {
	struct ip_addr backend;
	enum return_mode mode; /* DIRECT or SNAT */
	const char *reason;    /* one line, for show */
};
/* A backend that its map's checks found to be down; see plan/health.h. */
struct memory_down {
	const char *map;
	struct ip_addr backend;
	uint16_t port; /* as struct backend has it */
};
/* What a daemon finds out while it runs, and a plan takes into account. */
struct learned {
	VEC(struct memory_return) returns;
	VEC(struct memory_down) downs;
};
struct memory {
	uint32_t mark_mask; /* the bits of the mark that were ours; 0: nothing was applied */
	VEC(struct memory_sysctl) sysctls;
	VEC(struct memory_number) numbers;
	struct learned learned;
	/* Not remembered: the plan is made anew when something changes, so what is missing now (an
	 * interface, an address, a gateway, a route to a backend) is a warning, and the rest goes on. */
	bool running;
};

struct plan_uplink {
	const struct uplink *uplink;
	uint32_t number, mark, table, preference;
	VEC(struct ip_addr) addrs; /* settled: of both families */
	/* [0] v4, [1] v6: has addresses and a way out in that family. Where that is for a running
	 * daemon, which may lose the way out, it is enough to have had one. */
	bool up[2];
	struct net_nexthop
		nexthop[2]; /* of its default route; interface NULL where there is none */
	/* What carries its number must not leave by another line: the rule is there already, though
	 * the family is not up now. */
	bool barred[2];
	bool shares_interface; /* with another uplink: told apart by destination address */
	bool shares_address;   /* with another uplink: its maps are looked up in a map of its own */
};

/* Has it a way out in family @f just now? */
static inline bool plan_uplink_reaches(const struct plan_uplink *u, unsigned int f)
{
	return u->up[f] && u->nexthop[f].interface;
}

/* One backend of one map; a map with three backends has three of these, one after the other. */
struct plan_map {
	const struct map *map;
	const struct backend *backend;
	bool down;		      /* new connections go to the others, or as `all-down` says */
	enum return_mode return_mode; /* DIRECT or SNAT */
	const char *reason;	      /* why, for show: "return: auto; ..." */
	VEC(struct ip_addr) snat;
	const char
		*interface; /* towards the backend; NULL: no route (then the map has a finding) */
	struct ip_addr hairpin;		   /* SNAT address for clients beside the backend */
	VEC(struct plan_uplink *) uplinks; /* on which it listens */
};

/* An interface on which packets may take the fast path: an uplink's, or one towards backends. */
struct plan_fastpath {
	const char *interface;
	enum fastpath_mode mode; /* never FASTPATH_OFF */
	bool ip6;		 /* packets of IPv6 maps come in there */
	const char *
		not_ip6; /* why those take the kernel's path there all the same; NULL: nothing known */
};

/* One interface as it is. */
struct fastpath_side {
	const char *interface;
	enum fastpath_mode is; /* FASTPATH_OFF, FASTPATH_XDP or FASTPATH_TC */
	const char *why;       /* why it is that, or "" */
};

/* The fast path as it is on this machine. */
struct fastpath_now {
	const char *problem; /* why it is nowhere; NULL: it may be somewhere */
	bool off;	     /* by hand */
	bool ipsec;	     /* packets were left to the kernel because of IPsec policies */
	VEC(struct fastpath_side) sides;
};

/*
 * What the fast path needs of conntrack: it does not see the packets that pass it by, so its TCP windows
 * stay behind, and what it sees again would be invalid to it.
 */
#define PLAN_TCP_LIBERAL "net.netfilter.nf_conntrack_tcp_be_liberal"
#define PLAN_TCP_RESETS	 "net.netfilter.nf_conntrack_tcp_ignore_invalid_rst"

struct plan {
	const struct model *model;
	const struct netstate *seen;
	bool running; /* see struct memory */
	VEC(struct plan_uplink) uplinks;
	VEC(struct plan_map) maps; /* enabled maps only */
	VEC(struct plan_fastpath) fastpaths;
	struct netstate want; /* only what is ours; its one nft table is want.ruleset.tables[0] */
	struct memory memory; /* what must be remembered once this plan is in force */
	size_t elements;      /* kernel map elements called for */
	struct plan_tables *tables; /* internal: what plan_judge_flow() looks things up in */
};

/*
 * Make the plan. @seen is the machine as it is (links, addrs, routes, sysctls at least); @memory
 * what earlier applies remembered (may be empty). What stands in the way is appended to @d, with
 * the config place. Returns NULL if any error was reported; warnings leave a usable plan.
 */
struct plan *plan_make(struct arena *a, const struct model *m, const struct netstate *seen,
	const struct memory *memory, struct diag *d);

/*
 * How an uplink is found out from a machine where its file leaves it open, for those who invent or
 * copy one: is this an address that it takes for its own, the next hop of the best default route by
 * its interface (in any table, main first; NULL: none), and is @addr on one of its networks.
 */
bool plan_takes_address(const struct net_addr *have, const char *interface);
const struct net_nexthop *plan_default_by(
	const struct netstate *seen, const char *interface, uint8_t family);
bool plan_is_beside(const struct netstate *seen, const char *interface, const struct ip_addr *addr);

/* The machine as it will be: @seen with everything of ours in it replaced by what is wanted. Shares
 * what it can with both. */
void plan_overlay(struct arena *a, const struct netstate *seen, const struct netstate *want,
	struct netstate *out);

/* ---- connections ---- */

struct flow {
	uint8_t proto;
	uint32_t mark;
	uint32_t status; /* IPS_* */
	struct flow_tuple original, reply;
	const char *state; /* of TCP, as conntrack calls it; NULL: not known */
};

enum flow_verdict {
	FLOW_UNTOUCHED,	   /* none of our business, or just what the plan would make */
	FLOW_CONTRADICTED, /* the plan would treat it otherwise: to be deleted */
};

/* Does the plan contradict an existing connection? *@at (may be NULL) is the listener that it is on,
 * if any. */
enum flow_verdict plan_judge_flow(const struct plan *p, const struct flow *f, struct span *at);

/* ---- changes ---- */

/* One step of an nft transaction, in order. */
enum nft_change_kind {
	NFT_ADD_TABLE,
	NFT_DEL_TABLE,
	NFT_HOLD_TABLE, /* one whose owner died: from now on it is ours alone */
	NFT_ADD_COUNTER,
	NFT_DEL_COUNTER,
	NFT_ADD_SET, /* the declaration; elements come with NFT_ADD_ELEMENTS */
	NFT_DEL_SET,
	NFT_ADD_CHAIN, /* the chain alone */
	NFT_DEL_CHAIN,
	NFT_FLUSH_CHAIN, /* delete its rules */
	NFT_ADD_RULE,	 /* append to chain */
	NFT_ADD_ELEMENTS,
	NFT_DEL_ELEMENTS,
	NFT_CHANGE_COUNT_
};
struct nft_change {
	enum nft_change_kind kind;
	enum nft_family family;
	const char *table;
	uint32_t table_flags; /* ADD_TABLE, HOLD_TABLE: NFT_TABLE_F_* */
	const struct nft_counter *counter;
	const struct nft_set *set; /* for elements: holds just the elements to add or delete */
	const struct nft_chain *chain;
	const struct nft_rule *rule;
	struct span at;
};

enum change_kind { CHANGE_SYSCTL, CHANGE_ROUTE, CHANGE_RULE };
struct change {
	enum change_kind kind;
	bool add; /* else delete (a sysctl is always "add": set it to sysctl.value) */
	const struct net_route *route;
	/* Add: what has its place now (the kernel takes one route per destination and metric) and goes
	 * with the same step; NULL: nothing. */
	const struct net_route *replaced;
	const struct net_rule *rule;
	struct net_sysctl sysctl;
	const char *previous; /* sysctl: the value now */
};

struct changes {
	/* In the order of applying: additions of routes, additions of rules, sysctls, the nft
	 * transaction, deletions of rules, deletions of routes. */
	VEC(struct change) before, after; /* around the nft transaction */
	VEC(struct nft_change) nft;	  /* one transaction; empty: none */
};

/* What turns @seen into @want. @want NULL: remove everything of ours that is in @seen and put back
 * the sysctls that @memory remembers. Considers only objects that carry our name. */
/* Memory from the comments of the set PLAN_MEMORY of a table that was read. Lines that are not
 * understood are left out. */
void plan_read_memory(struct arena *a, const struct nft_table *t, struct memory *out);
void learned_copy(struct arena *a, const struct learned *from, struct learned *to);
/* One line each for what was learned, of at most LIMIT_MEMORY_LINE bytes, and back: false, where the
 * @len bytes of @s are none of these. A reason is cut to what fits. */
#define LIMIT_MEMORY_LINE 128u /* what nft 1.0.6 takes as a comment */
const char *plan_return_line(struct arena *a, const struct memory_return *r);
const char *plan_down_line(struct arena *a, const struct memory_down *d);
bool plan_read_learned(struct arena *a, const char *s, size_t len, struct learned *out);

void plan_diff(struct arena *a, const struct netstate *seen, const struct netstate *want,
	const struct memory *memory, struct changes *out);
bool changes_empty(const struct changes *c);
/* One line per change: "+ ip rule add pref 501 ..." */
void changes_print(struct strbuf *out, const struct changes *c, bool colour);

#endif
