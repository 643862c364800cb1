/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the nft_*.c files share: the batch that is being written, and the table that says how the
 * kernel names each selector. Nobody else includes this.
 */
#ifndef KERNEL_NFT_WIRE_H
#define KERNEL_NFT_WIRE_H

#include <libmnl/libmnl.h>
/* libc first: it and the kernel both define what is in here */
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include "kernel/nft.h"

/* Types in user data of sets, elements and rules: libnftnl's udata.h. Each is a byte of type, a byte
 * of length and the value; numbers are in host order. */
enum { UDATA_RULE_COMMENT = 0 };
enum { UDATA_ELEM_COMMENT = 0, UDATA_ELEM_FLAGS = 1 };
enum { UDATA_SET_KEY_BYTEORDER = 0, UDATA_SET_DATA_BYTEORDER = 1, UDATA_SET_DATA_INTERVAL = 6 };
#define UDATA_ELEM_INTERVAL_OPEN                                                                   \
	1u /* in UDATA_ELEM_FLAGS: reaches to the end, has no end element */

/* Data type of verdict maps, NFT_DATA_VERDICT. */
#define VERDICT_DATA_TYPE 0xffffff00u

/* libnftables packs the types of a concatenation into one number, 6 bits each, first one highest. */
#define TYPE_BITS 6

/* ---- selectors ---- */

enum nft_load_kind {
	LOAD_NONE,
	LOAD_META,
	LOAD_CT,
	LOAD_PAYLOAD,
	LOAD_FIB,
	LOAD_TCP_OPTION,
	LOAD_ROUTE
};
enum nft_direction { DIRECTION_NONE, DIRECTION_ORIGINAL, DIRECTION_REPLY };

/* How the kernel loads a selector into a register. */
struct nft_load {
	enum nft_load_kind kind;
	uint32_t key; /* NFT_META_*, NFT_CT_*, NFT_PAYLOAD_* base, NFTA_FIB_F_*, option, NFT_RT_* */
	uint32_t offset;	      /* PAYLOAD, TCP_OPTION; FIB: NFT_FIB_RESULT_* */
	enum nft_direction direction; /* CT */
	uint8_t family; /* PAYLOAD: FAMILY_IP or FAMILY_IP6, which header it is in; 0: any */
	uint8_t proto;	/* PAYLOAD: which transport's header; 0: any */
	uint8_t shift;	/* PAYLOAD: six bits, that many above the lowest */
};
extern const struct nft_load nft_loads[SEL_COUNT_];

/* Not of payload, where the rule decides what the bytes mean. SEL_NONE: no selector. */
enum nft_selector nft_find_load(
	enum nft_load_kind kind, uint32_t key, uint32_t offset, enum nft_direction direction);
/* Bytes that are loaded; which bits of them are the selector's; and its value from and to there,
 * for those with a shift. */
unsigned int nft_load_len(enum nft_selector s);
void nft_load_mask(enum nft_selector s, uint8_t mask[16]);
uint8_t nft_load_shift_out(enum nft_selector s, const uint8_t *bytes);
void nft_load_shift_in(enum nft_selector s, uint8_t value, uint8_t out[2]);

/* The kernel's number of a hook in a family, or -1; and back. */
int nft_hook_number(enum nft_family f, enum nft_hook h);
enum nft_hook nft_hook_of_number(enum nft_family f, uint32_t number);

/* ---- instructions ---- */

struct nft_instruction {
	struct nlattr *elem, *data;
};
struct nft_instruction nft_begin(struct nlmsghdr *nlh, const char *name);
void nft_end(struct nlmsghdr *nlh, struct nft_instruction i);

/*
 * Statements that a ruleset keeps as text (nft_text.c). Reading: the text in @a as nft writes it, from
 * the attributes of the instruction; NULL: the bare word says it all, or, where that is no statement,
 * it was not understood. Writing: the instruction; false: the text was not understood.
 */
const char *nft_text_of_limit(struct arena *a, const struct nlattr **attrs);
const char *nft_text_of_quota(struct arena *a, const struct nlattr **attrs);
const char *nft_text_of_connlimit(struct arena *a, const struct nlattr **attrs);
const char *nft_text_of_log(struct arena *a, const struct nlattr **attrs);
const char *nft_text_of_reject(
	struct arena *a, const struct nlattr **attrs, enum nft_family family, bool v6);
const char *nft_text_of_queue(struct arena *a, const struct nlattr **attrs);
/* What a stateful object says, and what nft calls its kind. */
void nft_read_object(
	struct arena *a, uint32_t type, const struct nlattr *data, struct nft_object *out);
bool nft_put_limit(struct nlmsghdr *nlh, const char *text); /* also a quota and ct count */
bool nft_put_log(struct nlmsghdr *nlh, const char *text);
bool nft_put_reject(struct nlmsghdr *nlh, const char *text, enum nft_family family, bool v6);
bool nft_put_queue(struct nlmsghdr *nlh, const char *text);

/* ---- the batch ---- */

struct nft_message {
	size_t offset;	    /* in the batch */
	long change;	    /* index of the change it came from */
	long first_element; /* of that change's set; -1: does not carry any */
};

struct nft_batch {
	uint8_t *buf; /* malloc */
	size_t len, cap;
	struct nft_message *messages; /* malloc */
	size_t n, n_cap;
	uint32_t first_seq; /* of the first message behind the batch's begin */
	uint32_t last_set_id;
	long change;		    /* being written now */
	int err;		    /* 0 or -errno of the first thing that could not be written */
	struct kernel_error *error; /* its text */
};

/* Start a message with room for one full attribute (64 KiB) and as much again; end it. */
struct nlmsghdr *nft_message_start(struct nft_batch *b, uint16_t type, uint16_t flags,
	enum nft_family family, long first_element);
void nft_message_end(struct nft_batch *b, struct nlmsghdr *nlh);
void nft_batch_fail(struct nft_batch *b, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static inline void put_be32(struct nlmsghdr *nlh, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(nlh, type, __builtin_bswap32(value));
}
static inline void put_be64(struct nlmsghdr *nlh, uint16_t type, uint64_t value)
{
	mnl_attr_put_u64(nlh, type, __builtin_bswap64(value));
}
/* 0 where the attribute is missing or too short. */
static inline uint32_t get_be32(const struct nlattr *attr)
{
	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(uint32_t))
		return 0;
	return __builtin_bswap32(mnl_attr_get_u32(attr));
}
static inline uint64_t get_be64(const struct nlattr *attr)
{
	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(uint64_t))
		return 0;
	return __builtin_bswap64(mnl_attr_get_u64(attr));
}
static inline void reverse_bytes(uint8_t *bytes, unsigned int len)
{
	for (unsigned int i = 0; i < len / 2; i++) {
		uint8_t swap = bytes[i];

		bytes[i] = bytes[len - 1 - i];
		bytes[len - 1 - i] = swap;
	}
}
/* A copy in the arena; NULL where the attribute is missing. */
const char *nft_get_string(struct arena *a, const struct nlattr *attr);

/* ---- writing ---- */

void nft_put_rule(struct nft_batch *b, const struct nft_change *c);
/* @id: for anonymous sets, which the rule will name by it; else 0. */
void nft_put_set(struct nft_batch *b, enum nft_family f, const char *table, const struct nft_set *s,
	uint32_t id);
void nft_put_elements(struct nft_batch *b, uint16_t type, enum nft_family f, const char *table,
	const struct nft_set *s, uint32_t id);
/* Which element the attribute at @offset of a message that nft_put_elements() made belongs to,
 * counted from the first in the message; -1: none. */
long nft_element_at(const struct nlmsghdr *nlh, uint32_t offset);
void nft_put_verdict(struct nlmsghdr *nlh, int32_t verdict, const char *chain);

/* ---- reading ---- */

/* One rule of table @t, whose sets are known. */
void nft_read_rule(struct arena *a, const struct nft_table *t, const struct nlattr *expressions,
	struct nft_rule *out);
/* The declaration of a set. */
struct nft_set *nft_read_set(struct arena *a, const struct nlmsghdr *nlh);
/* NF_NAT_RANGE_* to enum nft_nat_flag, and back. */
uint8_t nft_nat_flags_of(uint32_t kernels);
uint32_t nft_nat_flags_for(uint8_t ours);
/* NFTA_VERDICT_* attributes in @nest. */
int32_t nft_read_verdict(struct arena *a, const struct nlattr *nest, const char **chain);
/* The value of type @type in user data, or NULL. */
const uint8_t *nft_udata_find(const struct nlattr *udata, uint8_t type, uint8_t *len);

#endif
