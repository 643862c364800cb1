/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules: run one packet through the base chains of a hook.
 *
 * Theory of operation
 *
 * A match is decided with yes, no or unknown. Where it is unknown the walk goes both ways at once:
 * what the rule may do is noted as possible, and the packet goes on as what is true on either way
 * (packet_join()). So the work is linear in the rules that are passed, however many of them cannot
 * be decided, and the answer errs to one side only: it may be "unknown" where a cleverer walk would
 * have known, but an accept, drop or reject is certain.
 *
 * That is for those who judge many packets at once. Whoever wants each way by itself gives an oracle
 * (struct walk_oracle): it is asked wherever something cannot be decided, the walk goes on as it says,
 * and nothing is joined. Walking again with other answers gives the other ways.
 *
 * Address translations are not made but, with an oracle, told (struct walk_nat): what they come to
 * depends on the connection.
 *
 * Order: base chains by priority; of equal ones, the one registered last first. An accept ends the
 * base chain, not the hook; a drop ends everything. Nat chains see only the first packet of a
 * connection, and the first mapping made at a hook is the only one. All of them are asked at one place
 * of a hook (-100 before routing, 100 after it), whatever their own priority; that only orders them
 * among themselves (net/netfilter/nf_nat_core.c). So walk_bases() gives them side by side, at that
 * place, and whoever walks chain by chain goes through them until one gives a translation
 * (walk_result.nat). Chains before conntrack's own place in prerouting and output see no
 * connection, whatever the packet holds.
 */
#ifndef WALK_RULES_H
#define WALK_RULES_H

#include "netstate/netstate.h"
#include "walk/packet.h"

#define WALK_MAX_DEPTH 16     /* jumps within jumps: NFT_JUMP_STACK_SIZE of the kernel */
#define WALK_MAX_STEPS 200000 /* rules and set elements looked at for one packet at one hook */

enum walk_verdict { WALK_ACCEPT, WALK_DROP, WALK_REJECT, WALK_UNKNOWN };

enum step_kind {
	STEP_NONE,
	STEP_RULE,	/* the rule matched and did something */
	STEP_UNDECIDED, /* whether the rule matches cannot be told, because of @stmt */
	STEP_POLICY,	/* the end of a base chain */
	STEP_LOST,	/* the rule leads where the walk cannot follow: @why */
};

enum step_did {
	DID_VERDICT = 1 << 0,
	DID_MARK = 1 << 1,
	DID_CT_MARK = 1 << 2,
	DID_NAT = 1 << 3,
	DID_REJECT = 1 << 4,
	DID_NOTRACK = 1 << 5,
	DID_MANGLE = 1 << 6,  /* a header field: TTL, TOS, MSS, an address */
	DID_OFFLOAD = 1 << 7, /* put the connection into a flowtable */
};

/* One place on a packet's way. */
struct walk_step {
	enum step_kind kind;
	const struct nft_table *table;
	const struct nft_chain *base, *chain; /* the base chain, and the chain the rule is in */
	const struct nft_rule *rule;	      /* NULL: policy */
	const struct nft_stmt *stmt;	      /* UNDECIDED: what could not be decided */
	const char *why;		      /* LOST, UNDECIDED: in words; a string constant */
	/* RULE: what it did (bits of enum step_did), and the packet as it was after that. Only with an
	 * oracle, and only in a trail. */
	uint8_t did;
	uint32_t mark, ct_mark;	  /* MARK, CT_MARK: the values written */
	enum nft_verdict verdict; /* VERDICT; ACCEPT for what translates */
	const char *target;	  /* VERDICT: the chain that it leads to; NULL: none */
};

/* An address translation as a rule asks for it. */
enum walk_nat_kind {
	WALK_NAT_NONE,
	WALK_NAT_DESTINATION,
	WALK_NAT_SOURCE,
	WALK_NAT_MASQUERADE, /* source: an address of the way out */
	WALK_NAT_REDIRECT,   /* destination: an address of this machine */
	WALK_NAT_TPROXY, /* no translation: handed to the local socket at first address and port */
};
struct walk_nat {
	enum walk_nat_kind kind;
	struct ip_addr first, last;	/* IP_NONE: the address stays */
	uint16_t port_first, port_last; /* 0: the port stays */
	uint16_t port_base; /* iptables' shifted ranges: first port + (port - base); 0: none */
	uint8_t prefix_len; /* not 0: netmap, the bits after it are kept */
	bool random;	    /* the port is not kept but picked */
	uint32_t mark, mark_mask;	 /* TPROXY */
	bool addr_unknown, port_unknown; /* they cannot be told */
};

struct walk_result {
	enum walk_verdict verdict;
	/* What decided: for UNKNOWN, what stopped the packet on the way where it is stopped. */
	struct walk_step by;
	/* UNKNOWN: the match that decides; the packet is stopped if it matches (or if it does not). */
	struct walk_step undecided;
	bool stopped_if_matched;
	bool passes; /* there is a way on which it passes; @after is set */
	/* The packet after the chain, on the ways where it passes. */
	struct packet after;
	/* The last rules that wrote the packet's mark and the connection's; kind NONE: nothing did. */
	struct walk_step mark_by, ct_mark_by;
	/* With an oracle: the translation that a nat chain calls for; kind NONE: no. A TPROXY rule tells
	 * in it where to; that may stand in any chain, and the packet's mark is written already. */
	struct walk_nat nat;
};

/* Something that cannot be decided: it can go one of @n ways. */
enum walk_fork_kind {
	FORK_UNKNOWN, /* what decides is not known here */
	FORK_CHANCE,  /* both happen in reality, to some of the packets or connections */
};
#define WALK_FORK_WAYS 16 /* more ways than that are not told apart */
struct walk_fork {
	enum walk_fork_kind kind;
	struct walk_step at;		   /* the rule; kind NONE: not in a ruleset */
	const char *why;		   /* in words: "it depends on ..." */
	size_t n;			   /* 2 for a match: 0 "does not match", 1 "matches". Of a
					    * set whose content is not known: 1 "is in the set",
					    * also where the rule asks for what is not in it */
	double weight[WALK_FORK_WAYS];	   /* CHANCE: shares that sum up to 1; else 0 */
	const char *label[WALK_FORK_WAYS]; /* each way in words, or NULL */
	/* The same question asked again of the same packet has the same answer: what is asked (a set,
	 * ...), NULL where each asking is for itself. */
	const void *subject;
};
struct walk_oracle {
	/* Which way, 0 to n - 1. @f and the texts in it are only valid during the call: whoever keeps
	 * them copies them. (@f->subject is never looked into: it is only compared.) */
	size_t (*choose)(struct walk_oracle *o, const struct walk_fork *f);
};

#define WALK_MAX_TRAIL 512
struct walk_trail {
	struct walk_step steps[WALK_MAX_TRAIL];
	size_t len;
	size_t lost; /* steps that there was no room for: the last step is always there, and these are
		      * missing before it */
};

struct walker {
	const struct netstate *net;   /* links, addresses and routes (for fib), and the ruleset */
	const struct nft_table *skip; /* not walked; NULL: none */
	struct walk_trail *trail; /* every step taken is added, in order; NULL: no trail is kept */
	struct walk_oracle *oracle; /* NULL: undecided ways are joined */
};

struct walk_base {
	const struct nft_table *table;
	const struct nft_chain *chain;
};
struct walk_bases {
	VEC(struct walk_base) items;
};

/* Where in its hook a base chain runs: its priority, or for nat chains the place of all of them. */
int32_t walk_base_place(const struct nft_chain *base);

/* The base chains that a packet of @family meets at @hook, in the order of their running: by place;
 * nat chains side by side, by their own priorities. */
void walk_bases(struct arena *a, const struct walker *w, uint8_t family, enum nft_hook hook,
	struct walk_bases *out);

/* One base chain. */
void walk_base_chain(const struct walker *w, const struct walk_base *base, const struct packet *p,
	struct walk_result *out);

/* "table ip filter, chain FORWARD: policy drop", "..., rule: ct state invalid drop". */
void walk_step_print(struct strbuf *out, const struct walk_step *s);

#endif
