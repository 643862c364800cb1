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
 * Order: base chains by priority; of equal ones, the one registered last first. An accept ends the
 * base chain, not the hook; a drop ends everything. Nat chains see only the first packet of a
 * connection, and the first mapping made at a hook is the only one. Chains before conntrack's own
 * place in prerouting and output see no connection.
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

/* One place on a packet's way. */
struct walk_step {
	enum step_kind kind;
	const struct nft_table *table;
	const struct nft_chain *base, *chain; /* the base chain, and the chain the rule is in */
	const struct nft_rule *rule;	      /* NULL: policy */
	const struct nft_stmt *stmt;	      /* UNDECIDED: what could not be decided */
	const char *why;		      /* LOST, UNDECIDED: in words; a string constant */
};

struct walk_result {
	enum walk_verdict verdict;
	/* What decided: for UNKNOWN, what stopped the packet on the way where it is stopped. */
	struct walk_step by;
	/* UNKNOWN: the match that decides; the packet is stopped if it matches (or if it does not). */
	struct walk_step undecided;
	bool stopped_if_matched;
	bool passes; /* there is a way on which it passes; @after is set */
	/* The packet after the hook, on the ways where it passes: marks, addresses after NAT. */
	struct packet after;
	bool mapped; /* an address translation was set up here (on some way, if not decided) */
	/* The last rules that wrote the packet's mark and the connection's; kind NONE: nothing did. */
	struct walk_step mark_by, ct_mark_by;
};

#define WALK_MAX_TRAIL 512
struct walk_trail {
	struct walk_step steps[WALK_MAX_TRAIL];
	size_t len;
};

struct walker {
	const struct netstate *net;   /* links, addresses and routes (for fib), and the ruleset */
	const struct nft_table *skip; /* not walked; NULL: none */
	struct walk_trail *trail; /* every step taken is added, in order; NULL: no trail is kept */
};

struct walk_base {
	const struct nft_table *table;
	const struct nft_chain *chain;
};
struct walk_bases {
	VEC(struct walk_base) items;
};

/* The base chains that a packet of @family meets at @hook, in the order of their running. */
void walk_bases(struct arena *a, const struct walker *w, uint8_t family, enum nft_hook hook,
	struct walk_bases *out);

/* One base chain. */
void walk_base_chain(const struct walker *w, const struct walk_base *base, const struct packet *p,
	struct walk_result *out);

/* All base chains of @hook, one after the other. */
void walk_hook(struct arena *a, const struct walker *w, enum nft_hook hook, const struct packet *p,
	struct walk_result *out);

/* "table ip filter, chain FORWARD: policy drop", "..., rule: ct state invalid drop". */
void walk_step_print(struct strbuf *out, const struct walk_step *s);

#endif
