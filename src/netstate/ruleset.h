/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ruleset: the one representation of nftables rules.
 *
 * The plan builds it, kernel/nft_encode sends it, kernel/nft_decode reads it back, print renders it
 * as nft text, and walk/ runs packets through it. So what is simulated is what is applied.
 *
 * A rule is a list of statements over expressions, as a person writes them in nft, and not the
 * kernel's register program; encode and decode translate between the two. What decode cannot
 * understand becomes a STMT_UNKNOWN or EXPR_UNKNOWN: never an error, never dropped.
 *
 * Byte order: values and set elements are bytes as the kernel compares them. Addresses and ports
 * are in network order; marks, ct state, and the like are in host order.
 */
#ifndef NETSTATE_RULESET_H
#define NETSTATE_RULESET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/ip.h"
#include "base/vec.h"

/* ---- types of values ---- */

enum nft_type {
	NFT_T_NONE,
	NFT_T_IPV4,	   /* 4 bytes, network order */
	NFT_T_IPV6,	   /* 16 bytes */
	NFT_T_PORT,	   /* inet_service: 2 bytes, network order */
	NFT_T_PROTO,	   /* inet_proto: 1 byte */
	NFT_T_NFPROTO,	   /* 1 byte: 2 v4, 10 v6 */
	NFT_T_IFNAME,	   /* 16 bytes, NUL-padded */
	NFT_T_IFINDEX,	   /* 4 bytes, host order */
	NFT_T_MARK,	   /* 4 bytes, host order */
	NFT_T_CT_STATE,	   /* 4 bytes, host order: bitmask */
	NFT_T_CT_STATUS,   /* 4 bytes, host order: bitmask */
	NFT_T_CT_DIR,	   /* 1 byte: 0 original, 1 reply */
	NFT_T_FIB_TYPE,	   /* 4 bytes, host order: RTN_* */
	NFT_T_PKTTYPE,	   /* 1 byte */
	NFT_T_ETHER,	   /* 6 bytes */
	NFT_T_ICMP_TYPE,   /* 1 byte */
	NFT_T_ICMPV6_TYPE, /* 1 byte */
	NFT_T_BOOL,	   /* 1 byte */
	NFT_T_INTEGER,	   /* 4 bytes, host order: what jhash gives; also plain numbers */
	NFT_T_TCP_FLAGS,   /* 1 byte */
	NFT_T_DSCP,	   /* 1 byte: 0 to 63 */
	NFT_T_ICMP_CODE,   /* 1 byte; of ICMP and of ICMPv6 */
	NFT_T_U8,	   /* 1 byte: a number, as of TTL */
	NFT_T_U16,	   /* 2 bytes, network order: a number, as of a length or an MSS */
	NFT_T_ETHERTYPE,   /* 2 bytes, network order */
	NFT_T_LINK_TYPE,   /* 2 bytes, host order: ARPHRD_* */
	NFT_T_UID,	   /* 4 bytes, host order: also of groups */
	NFT_T_VERDICT,	   /* data of verdict maps; see struct nft_set */
	NFT_T_OTHER,	   /* known to the kernel only; length in the field */
	NFT_T_COUNT_
};

/* Bytes of a type (0 for NFT_T_VERDICT and NFT_T_OTHER), and as padded to registers (4s). */
unsigned int nft_type_len(enum nft_type t);
static inline unsigned int nft_padded(unsigned int len)
{
	return (len + 3) & ~3u;
}
/* Values of it are numbers in host order. (Intervals of them are kept in network order, since the
 * kernel orders keys byte by byte.) */
bool nft_type_is_host_order(enum nft_type t);
/* The number and name libnftables gives the type ("ipv4_addr" is 7); 0 / NULL where none. */
uint32_t nft_type_id(enum nft_type t);
const char *nft_type_name(enum nft_type t);

#define NFT_MAX_FIELDS 8

struct nft_field {
	enum nft_type type;
	uint16_t len; /* bytes, unpadded */
};

/* ---- sets and maps ---- */

enum nft_set_flag {
	SET_MAP = 1 << 0,
	SET_INTERVAL = 1 << 1,
	SET_CONSTANT = 1 << 2,
	SET_TIMEOUT = 1 << 3,
	SET_ANONYMOUS = 1 << 4,	 /* belongs to the one rule that names it; printed in place */
	SET_OBJECTS = 1 << 5,	 /* map to stateful objects; elements are not kept */
	SET_DYNAMIC = 1 << 6,	 /* updated by packets */
	SET_INCOMPLETE = 1 << 7, /* read without its elements, or with some not understood */
};

/*
 * A set or map. Elements are kept flat, since there may be hundreds of thousands:
 * element i is `stride` bytes at bytes + i * stride:
 *	key		key_len bytes: the fields one after another, each padded to 4 bytes
 *	last key	key_len bytes, only with SET_INTERVAL: inclusive end (equal to key: one value;
 *			for concatenations, per field)
 *	data		data_len bytes, only with SET_MAP; fields padded likewise. For NFT_T_VERDICT:
 *			int32 verdict (enum nft_verdict), uint32 index into chains[]
 * Sorted by key (memcmp) once nft_set_sort() ran.
 */
struct nft_set {
	const char *name;
	const char *objects; /* SET_OBJECTS: of which kind, see struct nft_object, or "counter" */
	uint32_t flags;	     /* enum nft_set_flag */
	struct nft_field key[NFT_MAX_FIELDS], data[NFT_MAX_FIELDS];
	uint8_t n_key, n_data;
	uint32_t size;	     /* declared; 0: none */
	uint32_t timeout_ms; /* default element timeout; 0: none */

	uint16_t key_len, data_len, stride;
	uint8_t *bytes;
	size_t len, cap;
	VEC(const char *) chains; /* names that verdict data point at */
	uint32_t *chain_slots;	  /* hash of chains[]: index + 1, or 0; behind nft_set_chain() */
	size_t n_chain_slots;
	struct span *origins;  /* NULL, or one per element */
	const char **comments; /* NULL, or one per element (each may be NULL) */
	uint32_t *timeouts_ms; /* NULL, or one per element (0: the set's default) */
	bool sorted;	       /* nft_set_sort() ran, and nothing was added since */
	uint64_t handle;
	struct span at;
};

/* Set up the layout after name, flags and fields were given. */
void nft_set_layout(struct nft_set *s);
/* Append one zeroed element and return its bytes. */
uint8_t *nft_set_add(struct arena *a, struct nft_set *s, struct span origin);
/* Comment the element appended last. At most 128 characters (nft 1.0.6 refuses more). */
void nft_set_comment(struct arena *a, struct nft_set *s, const char *comment);
static inline uint8_t *nft_set_elem(const struct nft_set *s, size_t i)
{
	return s->bytes + i * s->stride;
}
static inline uint8_t *nft_set_elem_last(const struct nft_set *s, size_t i)
{
	return s->bytes + i * s->stride + s->key_len;
}
static inline uint8_t *nft_set_elem_data(const struct nft_set *s, size_t i)
{
	return s->bytes + (i + 1) * s->stride - s->data_len;
}
uint32_t nft_set_chain(struct arena *a, struct nft_set *s, const char *chain); /* index, interned */
/* What elements are sorted by: the key, with the last one in interval sets. */
static inline size_t nft_set_keys_len(const struct nft_set *s)
{
	return s->stride - s->data_len;
}
bool nft_set_is_sorted(const struct nft_set *s);
void nft_set_sort(struct arena *scratch, struct nft_set *s);
/* Index of the element that @key (key_len bytes) falls on, or -1. The set must be sorted. Interval
 * sets that are concatenations are searched one by one. */
long nft_set_find(const struct nft_set *s, const uint8_t *key);

/* ---- expressions ---- */

enum nft_selector {
	SEL_NONE,
	SEL_META_IIFNAME,
	SEL_META_OIFNAME,
	SEL_META_IIF,
	SEL_META_OIF,
	SEL_META_MARK,
	SEL_META_L4PROTO,
	SEL_META_NFPROTO,
	SEL_META_PKTTYPE,
	SEL_META_SECPATH, /* 1 byte: 1 where the packet came out of IPsec */
	SEL_CT_STATE,
	SEL_CT_STATUS,
	SEL_CT_DIRECTION,
	SEL_CT_MARK,
	SEL_IP_SADDR,
	SEL_IP_DADDR,
	SEL_IP_PROTOCOL,
	SEL_IP6_SADDR,
	SEL_IP6_DADDR,
	SEL_IP6_NEXTHDR,
	SEL_TH_SPORT,
	SEL_TH_DPORT,
	SEL_ICMP_TYPE, /* v4, 1 byte */
	SEL_ICMPV6_TYPE,
	SEL_FIB_SADDR_TYPE, /* fib saddr type */
	SEL_FIB_DADDR_TYPE,
	SEL_FIB_SADDR_OIF, /* 1 byte: is there a route back to the sender (exists or missing) */
	SEL_FIB_SADDR_MARK_OIF, /* likewise, for the packet's mark */
	SEL_FIB_SADDR_IIF_OIF,	/* likewise, by the interface that it came in on */
	SEL_FIB_SADDR_MARK_IIF_OIF,
	SEL_FIB_SADDR_IIF_TYPE,
	SEL_FIB_DADDR_IIF_TYPE,
	SEL_FIB_DADDR_OIF,
	SEL_FIB_DADDR_MARK_OIF,
	SEL_FIB_SADDR_OIFNAME, /* IFNAME: of the way back */
	SEL_FIB_SADDR_IIF_OIFNAME,
	SEL_FIB_DADDR_OIFNAME,
	SEL_FIB_SADDR_MARK_OIFNAME,
	SEL_FIB_SADDR_MARK_IIF_OIFNAME,
	SEL_FIB_DADDR_MARK_OIFNAME,
	SEL_TCP_FLAGS,
	SEL_TCP_MAXSEG, /* tcp option maxseg size; U16; absent where there is none */
	SEL_IP_DSCP,
	SEL_IP_TTL,
	SEL_IP_LENGTH,	 /* U16 */
	SEL_IP_FRAG_OFF, /* U16: flags and offset, as in the header */
	SEL_IP6_DSCP,
	SEL_IP6_HOPLIMIT,
	SEL_IP6_LENGTH, /* U16: of what is behind the header */
	SEL_ICMP_CODE,
	SEL_ICMPV6_CODE,
	SEL_ETHER_SADDR,
	SEL_ETHER_DADDR,
	SEL_ETHER_TYPE,
	SEL_META_LENGTH,   /* INTEGER: bytes from the network header on */
	SEL_META_PROTOCOL, /* ETHERTYPE */
	SEL_META_SKUID,	   /* absent for forwarded packets */
	SEL_META_SKGID,
	SEL_META_PRIORITY,
	SEL_META_RTCLASSID,
	SEL_META_IIFGROUP,
	SEL_META_OIFGROUP,
	SEL_META_IIFTYPE,
	SEL_META_OIFTYPE,
	SEL_META_IBRNAME, /* IFNAME: of the bridge a bridged frame came in on; absent else */
	SEL_META_OBRNAME,
	SEL_CT_ORIGINAL_SADDR, /* of the packet's family, as are the next three */
	SEL_CT_ORIGINAL_DADDR,
	SEL_CT_REPLY_SADDR,
	SEL_CT_REPLY_DADDR,
	SEL_CT_ORIGINAL_SPORT, /* ct original proto-src; PORT */
	SEL_CT_ORIGINAL_DPORT,
	SEL_CT_REPLY_SPORT,
	SEL_CT_REPLY_DPORT,
	SEL_CT_L3PROTO,	 /* NFPROTO */
	SEL_CT_PROTOCOL, /* PROTO */
	SEL_CT_ZONE,	 /* 2 bytes, host order */
	SEL_CT_HELPER,	 /* 16 bytes, a name */
	SEL_RT_MTU,	 /* U16, host order: the TCP MSS that the packet's route allows */
	SEL_COUNT_
};

const char *nft_selector_name(enum nft_selector s); /* as nft writes it: "ip daddr" */
enum nft_type nft_selector_type(enum nft_selector s);
/* Bytes of its value; of ct addresses, those of IPv6. */
unsigned int nft_selector_len(enum nft_selector s);
/* Its values are numbers in host order: by its type, or although its type says nothing of that. */
bool nft_selector_is_host_order(enum nft_selector s);

enum nft_expr_kind {
	EXPR_SELECTOR,
	EXPR_MASKED, /* (selector & mask) ^ xor, mask and xor 4 bytes host order or addr bytes */
	EXPR_VALUE,
	EXPR_CONCAT,  /* parts are selectors or masked selectors */
	EXPR_MAP,     /* what `set` gives for `key` */
	EXPR_JHASH,   /* jhash key mod `mod` seed `seed` offset `offset` */
	EXPR_SYMHASH, /* symhash mod `mod` offset `offset` */
	EXPR_NUMGEN,  /* numgen random (or inc) mod `mod` offset `offset` */
	EXPR_UNKNOWN,
};

struct nft_expr {
	enum nft_expr_kind kind;
	enum nft_selector selector; /* SELECTOR, MASKED */
	uint8_t mask[16], xor[16];  /* MASKED: in the byte order of the selector's type */
	uint8_t value[16];	    /* VALUE */
	uint8_t value_len;
	uint8_t n_parts;    /* CONCAT */
	bool incremental;   /* NUMGEN: in turn, not at random */
	enum nft_type type; /* VALUE: its type; others: what it yields, where it is one field */
	struct nft_expr *parts[NFT_MAX_FIELDS]; /* CONCAT */
	struct nft_expr *key;			/* MAP, JHASH */
	struct nft_set *set;			/* MAP */
	uint32_t mod, seed, offset; /* JHASH, SYMHASH, NUMGEN: gives offset to offset + mod - 1 */
	const char *text;	    /* UNKNOWN: what is known of it */
};

/* Bytes that a SELECTOR, MASKED or VALUE yields: as the selector says, but for the addresses of
 * conntrack, where `type` tells the family. */
unsigned int nft_expr_len(const struct nft_expr *e);

/* ---- statements and rules ---- */

enum nft_op { OP_EQ, OP_NE, OP_LT, OP_GT, OP_LE, OP_GE, OP_RANGE, OP_NOT_RANGE, OP_IN, OP_NOT_IN };

enum nft_verdict {
	VERDICT_DROP = 0,
	VERDICT_ACCEPT = 1,
	VERDICT_QUEUE = 3,
	VERDICT_CONTINUE = -1,
	VERDICT_JUMP = -3,
	VERDICT_GOTO = -4,
	VERDICT_RETURN = -5,
};

enum nft_stmt_kind {
	STMT_MATCH, /* expr op (value | value..last | set) */
	STMT_VMAP,  /* expr vmap set */
	STMT_VERDICT,
	STMT_SET_MARK, /* meta mark set expr */
	STMT_SET_CT_MARK,
	STMT_NAT, /* dnat or snat */
	STMT_MASQUERADE,
	STMT_REDIRECT,
	STMT_COUNTER, /* anonymous, or the named object */
	STMT_REJECT,
	STMT_LOG,
	STMT_LIMIT,
	STMT_NOTRACK,
	STMT_XT,     /* an iptables match or target that nft only carries along */
	STMT_TPROXY, /* expr (address, or NULL) and port (or NULL) */
	STMT_SET, /* `selector` set expr: a header field, priority, nftrace, ...; not the marks */
	STMT_SET_UPDATE, /* add, update or delete: @set { expr ... }; what is tried of each packet
			    besides (a limit, a count) is in `text` */
	STMT_FLOW_ADD,	 /* flow add @`chain`: the connection leaves the rules from here on */
	STMT_HARMLESS, /* changes neither the packet nor its way: `text` (ct helper set, dup, ...) */
	STMT_UNKNOWN,
};

struct nft_xt {
	bool target; /* else a match */
	const char *name;
	uint32_t rev;
	const uint8_t *info;
	uint32_t info_len;
	/* What the blob holds only as the kernel's own numbers: the names of the ipsets that a set match
	 * or SET target asks or writes (two of SET), the list of `recent`. NULL: not known, or none. */
	const char *names[3];
	/* The arguments are not there (nft prints none) and the name is all that is known. */
	bool hollow;
};

enum nft_nat_flag {
	NAT_RANDOM = 1 << 0,
	NAT_FULLY_RANDOM = 1 << 1,
	NAT_PERSISTENT = 1 << 2,
	NAT_PREFIX = 1 << 3, /* expr..expr_last is a network: the host part is kept (netmap) */
};

enum nft_update { UPDATE_ADD, UPDATE_UPDATE, UPDATE_DELETE };

struct nft_stmt {
	enum nft_stmt_kind kind;
	enum nft_op op;	       /* MATCH */
	struct nft_expr *expr; /* MATCH, VMAP, SET_*; NAT: the address, or the map that gives it */
	uint8_t value[16], last[16]; /* MATCH against a constant or a range */
	uint8_t value_len;
	uint8_t nat_family;  /* NAT: enum ip_family; IP_NONE: of both, of ports alone */
	uint8_t nat_flags;   /* NAT, MASQUERADE, REDIRECT: enum nft_nat_flag */
	uint8_t update;	     /* SET_UPDATE: enum nft_update */
	bool dnat;	     /* NAT */
	bool map_gives_port; /* NAT: expr is a map to address . port */
	enum nft_verdict verdict;
	struct nft_set *set;   /* MATCH OP_IN, OP_NOT_IN; VMAP */
	const char *chain;     /* VERDICT jump or goto; COUNTER, LIMIT: the named object, or NULL;
				* FLOW_ADD: the flowtable */
	struct nft_expr *port; /* NAT: a port expression of its own, or NULL; SET_UPDATE of a map:
				* what the key is mapped to */
	struct nft_expr *expr_last, *port_last; /* NAT: ends of ranges, or NULL */
	enum nft_selector selector;		/* SET; SEL_NONE: `text` says what */
	uint32_t timeout_ms;			/* SET_UPDATE: of the element; 0: the set's */
	uint64_t packets, bytes;		/* COUNTER, as read */
	struct nft_xt xt;
	const char *text; /* UNKNOWN: the kernel's name of it; REJECT, LOG, LIMIT: the whole
				* statement as nft writes it, or NULL for the bare word */
};

struct nft_rule {
	VEC(struct nft_stmt) stmts;
	const char *comment;
	uint64_t handle;
	struct span at;
	const char
		*text; /* as it stood in a dump, in the dump's own words; NULL: not from a dump */
	const char *file; /* that dump; `at.line` is the line in it */
};

enum nft_hook {
	HOOK_PREROUTING,
	HOOK_INPUT,
	HOOK_FORWARD,
	HOOK_OUTPUT,
	HOOK_POSTROUTING,
	HOOK_INGRESS,
	HOOK_EGRESS
};
enum nft_chain_type { CHAIN_FILTER, CHAIN_NAT, CHAIN_ROUTE };
/* Whose hooks they are. Only nft's own are seen by nft as they are. */
enum nft_origin {
	ORIGIN_NFT,
	ORIGIN_XT_NFT,	  /* iptables-nft: nft carries them, the words are iptables' */
	ORIGIN_XT_LEGACY, /* iptables-legacy: hooks of its own beside nft's */
};
/* NFPROTO_*: also the kernel's numbers. */
enum nft_family {
	FAMILY_INET = 1,
	FAMILY_IP = 2,
	FAMILY_ARP = 3,
	FAMILY_NETDEV = 5,
	FAMILY_BRIDGE = 7,
	FAMILY_IP6 = 10
};

struct nft_chain {
	const char *name;
	bool base;
	enum nft_chain_type type;
	enum nft_hook hook;
	int32_t prio;
	bool policy_drop;
	VEC(struct nft_rule) rules;
	uint64_t handle;
	const char *device;	 /* INGRESS, EGRESS: of the first device; NULL: not known */
	uint64_t packets, bytes; /* base chain of iptables: of the policy, as read */
};

struct nft_counter {
	const char *name;
	uint64_t packets, bytes;
};

/* A stateful object other than a counter, or a flowtable. */
struct nft_object {
	const char *name;
	const char *kind; /* "limit", "quota", "ct helper", "flowtable"; else the kernel's number */
	const char *text; /* what is in its braces: "rate over 5/second"; NULL: not known */
};

struct nft_table {
	enum nft_family family;
	const char *name;
	enum nft_origin origin; /* as far as it can be told */
	uint32_t flags;		/* NFT_TABLE_F_* as the kernel gives them */
	VEC(struct nft_chain *) chains;
	VEC(struct nft_set *) sets; /* named ones, and as read: anonymous ones too */
	VEC(struct nft_counter) counters;
	VEC(struct nft_object) objects;
	uint64_t handle;
};

struct nft_ruleset {
	VEC(struct nft_table *) tables;
	VEC(struct nft_set *) ipsets; /* which iptables' set match asks; fields as in ipset.h */
	uint32_t generation;	      /* as read; 0: not from a kernel */
};

struct nft_table *nft_table_find(const struct nft_ruleset *r, enum nft_family f, const char *name);
struct nft_chain *nft_chain_find(const struct nft_table *t, const char *name);
const struct nft_object *nft_object_find(
	const struct nft_table *t, const char *kind, const char *name);
struct nft_set *nft_set_find_named(const struct nft_table *t, const char *name);

/* Same meaning: handles, counters' values, generated names of anonymous sets and origins do not
 * count; flat elements are compared only for anonymous sets. */
bool nft_rule_equal(const struct nft_rule *a, const struct nft_rule *b);
bool nft_set_same_declaration(const struct nft_set *a, const struct nft_set *b);

/* ---- building (plan/, tests) ---- */

struct nft_table *nft_table_new(struct arena *a, enum nft_family f, const char *name);
struct nft_chain *nft_chain_new(struct arena *a, struct nft_table *t, const char *name);
struct nft_chain *nft_base_chain_new(struct arena *a, struct nft_table *t, const char *name,
	enum nft_chain_type type, enum nft_hook hook, int32_t prio);
struct nft_rule *nft_rule_new(struct arena *a, struct nft_chain *c, struct span at);
/* Declares a set in @t: up to NFT_MAX_FIELDS types each, ended by NFT_T_NONE; data NULL for sets.
 * Data other than NULL implies SET_MAP. With SET_ANONYMOUS (and then SET_CONSTANT too) the name may
 * be NULL and the set is not listed in @t (which may be NULL): it belongs to the rule it is used in. */
struct nft_set *nft_set_new(struct arena *a, struct nft_table *t, const char *name, uint32_t flags,
	const enum nft_type *key, const enum nft_type *data, uint32_t size);

struct nft_expr *nft_sel(struct arena *a, enum nft_selector s);
struct nft_expr *nft_masked32(struct arena *a, enum nft_selector s, uint32_t mask, uint32_t xor);
struct nft_expr *nft_concat(struct arena *a, struct nft_expr *const *parts, unsigned int n);
struct nft_expr *nft_map_expr(struct arena *a, struct nft_expr *key, struct nft_set *map);
struct nft_expr *nft_jhash(struct arena *a, struct nft_expr *key, uint32_t mod, uint32_t seed);
/* A random number below @mod. */
struct nft_expr *nft_random(struct arena *a, uint32_t mod);
struct nft_expr *nft_value(struct arena *a, enum nft_type type, const void *bytes);

struct nft_stmt *nft_match(struct arena *a, struct nft_rule *r, struct nft_expr *e, enum nft_op op,
	const void *value, unsigned int len);
/* Host order: marks, states. As in nft, OP_EQ on a bare ct state or ct status means "has one of these
 * bits" and OP_NE "has none": the match is built on the masked selector. (A plain nft_match(), and a
 * decoded one, compares exactly.) */
struct nft_stmt *nft_match_u32(
	struct arena *a, struct nft_rule *r, struct nft_expr *e, enum nft_op op, uint32_t value);
struct nft_stmt *nft_match_u8(
	struct arena *a, struct nft_rule *r, struct nft_expr *e, enum nft_op op, uint8_t value);
struct nft_stmt *nft_match_ifname(struct arena *a, struct nft_rule *r, struct nft_expr *e,
	enum nft_op op, const char *ifname);
struct nft_stmt *nft_match_set(struct arena *a, struct nft_rule *r, struct nft_expr *e,
	enum nft_op op, struct nft_set *set);
struct nft_stmt *nft_vmap(
	struct arena *a, struct nft_rule *r, struct nft_expr *e, struct nft_set *set);
struct nft_stmt *nft_verdict(
	struct arena *a, struct nft_rule *r, enum nft_verdict v, const char *chain);
struct nft_stmt *nft_set_mark(struct arena *a, struct nft_rule *r, bool ct, struct nft_expr *e);
struct nft_stmt *nft_nat(struct arena *a, struct nft_rule *r, bool dnat, enum ip_family family,
	struct nft_expr *addr, bool map_gives_port);
/* @text as nft writes it ("reject with tcp reset"), or NULL for the bare word. */
struct nft_stmt *nft_reject(struct arena *a, struct nft_rule *r, const char *text);
struct nft_stmt *nft_count(struct arena *a, struct nft_rule *r, const char *named);

#endif
