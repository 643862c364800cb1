/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets and their elements, written to and read from netlink messages.
 *
 * There may be hundreds of thousands of elements, so both directions go between the flat array and
 * the message directly. Intervals come in two kinds. In a set of one field (the kernel's rbtree) an
 * interval is two elements: its first key, and the key behind its last with the flag "interval end";
 * one that reaches to the highest key has no end element. In a concatenation (pipapo) it is one
 * element with a first and a last key.
 */
#include "kernel/nft_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* libnftables, include/datatype.h: enum byteorder */
enum { BYTEORDER_MIXED = 0, BYTEORDER_HOST = 1, BYTEORDER_NETWORK = 2 };

/* Room that one element (an interval's two) may take: keys, data, chain name, comment. */
#define ELEMENT_ROOM 1024

/* ---- declarations ---- */

static uint32_t type_id(const struct nft_field *fields, unsigned int n)
{
	uint32_t id = 0;

	for (unsigned int i = 0; i < n; i++) {
		enum nft_type type = fields[i].type;

		/* Numbers of any length are one type to nft. */
		if (type == NFT_T_U8 || type == NFT_T_U16)
			type = NFT_T_INTEGER;
		id = id << TYPE_BITS | nft_type_id(type);
	}
	return id;
}

/* Bytes as the kernel counts them: padded only within a concatenation. */
static unsigned int wire_len(const struct nft_field *fields, unsigned int n)
{
	unsigned int len = 0;

	if (n == 1)
		return fields[0].len;
	for (unsigned int i = 0; i < n; i++)
		len += nft_padded(fields[i].len);
	return len;
}

static uint32_t byteorder(const struct nft_field *fields, unsigned int n)
{
	if (n != 1 || fields[0].type == NFT_T_VERDICT)
		return BYTEORDER_MIXED;
	return nft_type_is_host_order(fields[0].type) || fields[0].type == NFT_T_IFNAME ||
			       fields[0].len == 1
		       ? BYTEORDER_HOST
		       : BYTEORDER_NETWORK;
}

static size_t udata_u32(uint8_t *out, uint8_t type, uint32_t value)
{
	out[0] = type;
	out[1] = sizeof(value);
	memcpy(out + 2, &value, sizeof(value));
	return 2 + sizeof(value);
}

static uint32_t kernel_flags(const struct nft_set *s)
{
	static const struct {
		uint32_t ours, kernels;
	} flags[] = {{SET_MAP, NFT_SET_MAP}, {SET_INTERVAL, NFT_SET_INTERVAL},
		{SET_CONSTANT, NFT_SET_CONSTANT}, {SET_TIMEOUT, NFT_SET_TIMEOUT},
		{SET_ANONYMOUS, NFT_SET_ANONYMOUS}, {SET_OBJECTS, NFT_SET_OBJECT},
		{SET_DYNAMIC, NFT_SET_EVAL}};
	uint32_t out = 0;

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (s->flags & flags[i].ours)
			out |= flags[i].kernels;
	}
	if (s->flags & SET_INTERVAL && s->n_key > 1)
		out |= NFT_SET_CONCAT;
	return out;
}

/* Size, and for concatenated intervals the lengths of the fields. */
static void put_description(struct nlmsghdr *nlh, const struct nft_set *s, uint32_t size)
{
	bool ranges = s->flags & SET_INTERVAL && s->n_key > 1;
	struct nlattr *desc, *concat, *field;

	if (!size && !ranges)
		return;
	desc = mnl_attr_nest_start(nlh, NFTA_SET_DESC);
	if (size)
		put_be32(nlh, NFTA_SET_DESC_SIZE, size);
	if (ranges) {
		concat = mnl_attr_nest_start(nlh, NFTA_SET_DESC_CONCAT);
		for (unsigned int i = 0; i < s->n_key; i++) {
			field = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
			put_be32(nlh, NFTA_SET_FIELD_LEN, s->key[i].len);
			mnl_attr_nest_end(nlh, field);
		}
		mnl_attr_nest_end(nlh, concat);
	}
	mnl_attr_nest_end(nlh, desc);
}

/* What nft(8) wants to know when it lists the set. */
static void put_udata(struct nlmsghdr *nlh, const struct nft_set *s)
{
	uint8_t udata[32];
	size_t len = udata_u32(udata, UDATA_SET_KEY_BYTEORDER, byteorder(s->key, s->n_key));

	if (s->flags & SET_MAP) {
		len += udata_u32(
			udata + len, UDATA_SET_DATA_BYTEORDER, byteorder(s->data, s->n_data));
		len += udata_u32(udata + len, UDATA_SET_DATA_INTERVAL, 0);
	}
	mnl_attr_put(nlh, NFTA_SET_USERDATA, len, udata);
}

void nft_put_set(struct nft_batch *b, enum nft_family f, const char *table, const struct nft_set *s,
	uint32_t id)
{
	bool verdicts = s->flags & SET_MAP && s->data[0].type == NFT_T_VERDICT;
	bool pairs = s->flags & SET_INTERVAL && s->n_key == 1;
	uint32_t size = s->size;
	struct nlmsghdr *nlh;

	/* An anonymous set never grows; an interval may be two elements. */
	if (s->flags & SET_ANONYMOUS)
		size = s->len * (pairs ? 2 : 1);
	nlh = nft_message_start(b, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, f, -1);
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, s->name);
	/* The kernel wants a number, and its own rules for named sets never look at it. */
	put_be32(nlh, NFTA_SET_ID, id ? id : ++b->last_set_id);
	put_be32(nlh, NFTA_SET_FLAGS, kernel_flags(s));
	put_be32(nlh, NFTA_SET_KEY_TYPE, type_id(s->key, s->n_key));
	put_be32(nlh, NFTA_SET_KEY_LEN, wire_len(s->key, s->n_key));
	if (s->flags & SET_MAP) {
		put_be32(nlh, NFTA_SET_DATA_TYPE,
			verdicts ? VERDICT_DATA_TYPE : type_id(s->data, s->n_data));
		put_be32(nlh, NFTA_SET_DATA_LEN, verdicts ? 0 : wire_len(s->data, s->n_data));
	}
	if (s->timeout_ms)
		put_be64(nlh, NFTA_SET_TIMEOUT, s->timeout_ms);
	put_description(nlh, s, size);
	put_udata(nlh, s);
	nft_message_end(b, nlh);
}

/* ---- writing elements ---- */

static void put_bytes(struct nlmsghdr *nlh, uint16_t type, const uint8_t *bytes, unsigned int len)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put(nlh, NFTA_DATA_VALUE, len, bytes);
	mnl_attr_nest_end(nlh, nest);
}

static void put_elem_data(struct nlmsghdr *nlh, const struct nft_set *s, size_t i)
{
	const uint8_t *data = nft_set_elem_data(s, i);
	struct nlattr *nest;
	uint32_t chain;
	int32_t verdict;

	if (s->data[0].type != NFT_T_VERDICT) {
		put_bytes(nlh, NFTA_SET_ELEM_DATA, data, wire_len(s->data, s->n_data));
		return;
	}
	memcpy(&verdict, data, sizeof(verdict));
	memcpy(&chain, data + sizeof(verdict), sizeof(chain));
	nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_DATA);
	nft_put_verdict(nlh, verdict, chain < s->chains.len ? s->chains.items[chain] : "");
	mnl_attr_nest_end(nlh, nest);
}

/* The key behind @last; false if there is none. */
static bool key_after(uint8_t *out, const uint8_t *last, unsigned int len)
{
	memcpy(out, last, len);
	for (unsigned int i = len; i-- > 0;) {
		if (++out[i])
			return true;
	}
	return false;
}

static void put_elem_udata(struct nlmsghdr *nlh, const char *comment, bool open)
{
	uint8_t udata[2 + 129 + 6];
	size_t len = 0, n;

	if (comment) {
		n = strnlen(comment, 128);
		udata[0] = UDATA_ELEM_COMMENT;
		udata[1] = n + 1;
		memcpy(udata + 2, comment, n);
		udata[2 + n] = 0;
		len = n + 3;
	}
	if (open)
		len += udata_u32(udata + len, UDATA_ELEM_FLAGS, UDATA_ELEM_INTERVAL_OPEN);
	if (len)
		mnl_attr_put(nlh, NFTA_SET_ELEM_USERDATA, len, udata);
}

static void put_interval_end(struct nlmsghdr *nlh, const uint8_t *key, unsigned int len)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);

	put_be32(nlh, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	put_bytes(nlh, NFTA_SET_ELEM_KEY, key, len);
	mnl_attr_nest_end(nlh, nest);
}

static void put_element(struct nlmsghdr *nlh, const struct nft_set *s, size_t i, bool add)
{
	bool interval = s->flags & SET_INTERVAL, pair = interval && s->n_key == 1, closed = false;
	unsigned int len = wire_len(s->key, s->n_key);
	struct nlattr *nest = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	uint8_t behind[16 * NFT_MAX_FIELDS];

	put_bytes(nlh, NFTA_SET_ELEM_KEY, nft_set_elem(s, i), len);
	if (pair)
		closed = key_after(behind, nft_set_elem_last(s, i), len);
	else if (interval)
		put_bytes(nlh, NFTA_SET_ELEM_KEY_END, nft_set_elem_last(s, i), len);
	if (add) {
		if (s->flags & SET_MAP)
			put_elem_data(nlh, s, i);
		if (s->timeouts_ms && s->timeouts_ms[i])
			put_be64(nlh, NFTA_SET_ELEM_TIMEOUT, s->timeouts_ms[i]);
		put_elem_udata(nlh, s->comments ? s->comments[i] : NULL, pair && !closed);
	}
	mnl_attr_nest_end(nlh, nest);
	if (closed)
		put_interval_end(nlh, behind, len);
}

void nft_put_elements(struct nft_batch *b, uint16_t type, enum nft_family f, const char *table,
	const struct nft_set *s, uint32_t id)
{
	uint16_t flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
	struct nlmsghdr *nlh;
	struct nlattr *list;
	size_t i = 0;

	while (i < s->len) {
		nlh = nft_message_start(b, type, flags, f, i);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, s->name);
		if (id)
			put_be32(nlh, NFTA_SET_ELEM_LIST_SET_ID, id);
		list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
		/* The length of an attribute has 16 bits. */
		while (i < s->len && (uint8_t *)mnl_nlmsg_get_payload_tail(nlh) - (uint8_t *)list <
					     UINT16_MAX - ELEMENT_ROOM)
			put_element(nlh, s, i++, type == NFT_MSG_NEWSETELEM);
		mnl_attr_nest_end(nlh, list);
		nft_message_end(b, nlh);
	}
}

static bool is_interval_end(const struct nlattr *elem)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, elem)
	{
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_FLAGS)
			return get_be32(attr) & NFT_SET_ELEM_INTERVAL_END;
	}
	return false;
}

long nft_element_at(const struct nlmsghdr *nlh, uint32_t offset)
{
	const struct nlattr *list, *elem;
	long n = -1;

	mnl_attr_for_each(list, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(elem, list)
		{
			uint32_t start = (const uint8_t *)elem - (const uint8_t *)nlh;

			if (!is_interval_end(elem))
				n++;
			if (offset >= start && offset < start + elem->nla_len)
				return n;
		}
	}
	return -1;
}
