/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets and their elements, read from netlink messages straight into the flat array.
 *
 * The kernel lists the ends of intervals as elements of their own, in an order of its choice (see
 * nft_put_set.c); they are put aside, and starts and ends are joined when all were read.
 */
#include "kernel/nft_wire.h"

#include <errno.h>
#include <string.h>

/* ---- declarations ---- */

static enum nft_type type_of_id(uint32_t id)
{
	/* Types of nft that are the same to us: realm, classid, gid, icmpv6_code, devgroup. */
	static const struct {
		uint32_t id;
		enum nft_type type;
	} same[] = {{22, NFT_T_INTEGER}, {23, NFT_T_INTEGER}, {25, NFT_T_UID},
		{33, NFT_T_ICMP_CODE}, {35, NFT_T_INTEGER}};

	for (unsigned int t = NFT_T_NONE + 1; t < NFT_T_COUNT_; t++) {
		if (id && nft_type_id(t) == id)
			return t;
	}
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		if (same[i].id == id)
			return same[i].type;
	}
	return NFT_T_OTHER;
}

/* A plain number has its length from what it is of. */
static enum nft_type number_type(unsigned int len)
{
	return len == 1 ? NFT_T_U8 : len == 2 ? NFT_T_U16 : len == 4 ? NFT_T_INTEGER : NFT_T_OTHER;
}

/* One field of which only the length is known. */
static uint8_t opaque_field(struct nft_field *fields, unsigned int len)
{
	fields[0] = (struct nft_field){.type = NFT_T_OTHER, .len = len};
	return 1;
}

/* The fields that a type number and a total length stand for. */
static uint8_t read_fields(struct nft_field *fields, uint32_t id, unsigned int total)
{
	unsigned int n = 0, len = 0;

	for (uint32_t rest = id; rest; rest >>= TYPE_BITS)
		n++;
	if (!n || n > NFT_MAX_FIELDS)
		return opaque_field(fields, total);
	if (n == 1 && type_of_id(id) == NFT_T_INTEGER) {
		fields[0] = (struct nft_field){.type = number_type(total), .len = total};
		return 1;
	}
	for (unsigned int i = 0; i < n; i++) {
		uint32_t one = id >> (n - 1 - i) * TYPE_BITS & ((1u << TYPE_BITS) - 1);

		fields[i].type = type_of_id(one);
		fields[i].len = nft_type_len(fields[i].type);
		if (!fields[i].len) /* nor could its neighbours be told */
			return opaque_field(fields, total);
		len += n == 1 ? fields[i].len : nft_padded(fields[i].len);
	}
	return len == total ? n : opaque_field(fields, total);
}

static uint32_t read_flags(uint32_t kernels)
{
	static const struct {
		uint32_t kernels, ours;
	} flags[] = {{NFT_SET_MAP, SET_MAP}, {NFT_SET_INTERVAL, SET_INTERVAL},
		{NFT_SET_CONSTANT, SET_CONSTANT}, {NFT_SET_TIMEOUT, SET_TIMEOUT},
		{NFT_SET_ANONYMOUS, SET_ANONYMOUS}, {NFT_SET_EVAL, SET_DYNAMIC},
		{NFT_SET_OBJECT, SET_OBJECTS}};
	uint32_t out = 0;

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (kernels & flags[i].kernels)
			out |= flags[i].ours;
	}
	return out;
}

struct nft_set *nft_read_set(struct arena *a, const struct nlmsghdr *nlh)
{
	const struct nlattr *attrs[NFTA_SET_MAX + 1], *desc[NFTA_SET_DESC_MAX + 1] = {NULL};
	struct nft_set *s = arena_new_of(a, struct nft_set);
	uint32_t data_type;

	kernel_attrs_of(attrs, NFTA_SET_MAX, nlh, sizeof(struct nfgenmsg));
	s->name = nft_get_string(a, attrs[NFTA_SET_NAME]);
	s->handle = get_be64(attrs[NFTA_SET_HANDLE]);
	s->flags = read_flags(get_be32(attrs[NFTA_SET_FLAGS]));
	s->timeout_ms = get_be64(attrs[NFTA_SET_TIMEOUT]);
	if (attrs[NFTA_SET_DESC])
		kernel_attrs_in(desc, NFTA_SET_DESC_MAX, attrs[NFTA_SET_DESC]);
	s->size = get_be32(desc[NFTA_SET_DESC_SIZE]);
	s->n_key = read_fields(
		s->key, get_be32(attrs[NFTA_SET_KEY_TYPE]), get_be32(attrs[NFTA_SET_KEY_LEN]));
	if (s->flags & SET_MAP) {
		data_type = get_be32(attrs[NFTA_SET_DATA_TYPE]);
		if (data_type == VERDICT_DATA_TYPE) {
			s->data[0].type = NFT_T_VERDICT;
			s->n_data = 1;
		} else {
			s->n_data =
				read_fields(s->data, data_type, get_be32(attrs[NFTA_SET_DATA_LEN]));
		}
	}
	if (s->flags & SET_OBJECTS) {
		uint32_t type = get_be32(attrs[NFTA_SET_OBJ_TYPE]);
		struct nft_object like = {.kind = "counter"};

		if (type != NFT_OBJECT_COUNTER)
			nft_read_object(a, type, NULL, &like);
		s->objects = like.kind;
	}
	nft_set_layout(s);
	return s;
}

/* ---- elements ---- */

struct reading {
	struct arena *a;
	struct nft_set *set;
	/* Ends of intervals: a set of keys alone. */
	struct nft_set ends;
};

/* A value into @out, which has room for @room bytes; false if it is not of that length but for its
 * padding. */
static bool copy_value(uint8_t *out, unsigned int room, const struct nlattr *nest)
{
	const struct nlattr *data[NFTA_DATA_MAX + 1];
	unsigned int len;

	kernel_attrs_in(data, NFTA_DATA_MAX, nest);
	if (!data[NFTA_DATA_VALUE])
		return false;
	len = mnl_attr_get_payload_len(data[NFTA_DATA_VALUE]);
	if (len > room || nft_padded(len) != room)
		return false;
	memcpy(out, mnl_attr_get_payload(data[NFTA_DATA_VALUE]), len);
	return true;
}

static bool read_data(struct reading *r, uint8_t *out, const struct nlattr *nest)
{
	const struct nlattr *data[NFTA_DATA_MAX + 1];
	struct nft_set *s = r->set;
	const char *chain;
	uint32_t index = 0;
	int32_t verdict;

	if (s->data[0].type != NFT_T_VERDICT)
		return copy_value(out, s->data_len, nest);
	kernel_attrs_in(data, NFTA_DATA_MAX, nest);
	if (!data[NFTA_DATA_VERDICT])
		return false;
	verdict = nft_read_verdict(r->a, data[NFTA_DATA_VERDICT], &chain);
	if (chain)
		index = nft_set_chain(r->a, s, chain);
	memcpy(out, &verdict, sizeof(verdict));
	memcpy(out + sizeof(verdict), &index, sizeof(index));
	return true;
}

static void read_comment(struct reading *r, const struct nlattr *udata)
{
	struct nft_set *s = r->set;
	const uint8_t *comment;
	uint8_t len;

	comment = nft_udata_find(udata, UDATA_ELEM_COMMENT, &len);
	if (comment)
		nft_set_comment(r->a, s, arena_strndup(r->a, (const char *)comment, len));
}

static void read_timeout(struct reading *r, const struct nlattr *attr)
{
	struct nft_set *s = r->set;

	if (!s->timeouts_ms)
		s->timeouts_ms = arena_alloc(r->a, s->cap * sizeof(*s->timeouts_ms));
	s->timeouts_ms[s->len - 1] = get_be64(attr);
}

static void read_element(struct reading *r, const struct nlattr *elem)
{
	const struct nlattr *attrs[NFTA_SET_ELEM_MAX + 1];
	struct nft_set *s = r->set;
	bool good = true;
	uint8_t *bytes;

	kernel_attrs_in(attrs, NFTA_SET_ELEM_MAX, elem);
	if (!attrs[NFTA_SET_ELEM_KEY]) { /* the catch-all element `*` */
		s->flags |= SET_INCOMPLETE;
		return;
	}
	if (get_be32(attrs[NFTA_SET_ELEM_FLAGS]) & NFT_SET_ELEM_INTERVAL_END) {
		bytes = nft_set_add(r->a, &r->ends, NOWHERE);
		if (!copy_value(bytes, s->key_len, attrs[NFTA_SET_ELEM_KEY]))
			r->ends.len--;
		return;
	}
	bytes = nft_set_add(r->a, s, NOWHERE);
	good = copy_value(bytes, s->key_len, attrs[NFTA_SET_ELEM_KEY]);
	if (s->flags & SET_INTERVAL && attrs[NFTA_SET_ELEM_KEY_END])
		good &= copy_value(bytes + s->key_len, s->key_len, attrs[NFTA_SET_ELEM_KEY_END]);
	else if (s->flags & SET_INTERVAL && s->n_key > 1)
		memcpy(bytes + s->key_len, bytes, s->key_len);
	if (s->flags & SET_MAP)
		good &= attrs[NFTA_SET_ELEM_DATA] &&
			read_data(r, nft_set_elem_data(s, s->len - 1), attrs[NFTA_SET_ELEM_DATA]);
	if (attrs[NFTA_SET_ELEM_USERDATA])
		read_comment(r, attrs[NFTA_SET_ELEM_USERDATA]);
	if (attrs[NFTA_SET_ELEM_TIMEOUT])
		read_timeout(r, attrs[NFTA_SET_ELEM_TIMEOUT]);
	if (!good) {
		s->len--;
		s->flags |= SET_INCOMPLETE;
	}
}

static int elements_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[NFTA_SET_ELEM_LIST_MAX + 1], *elem;
	struct reading *r = data;

	kernel_attrs_of(attrs, NFTA_SET_ELEM_LIST_MAX, nlh, sizeof(struct nfgenmsg));
	if (!attrs[NFTA_SET_ELEM_LIST_ELEMENTS])
		return MNL_CB_OK;
	mnl_attr_for_each_nested(elem, attrs[NFTA_SET_ELEM_LIST_ELEMENTS]) read_element(r, elem);
	return MNL_CB_OK;
}

/* The key before @key. */
static void step_back(uint8_t *key, unsigned int len)
{
	for (unsigned int i = len; i-- > 0;) {
		if (key[i]--)
			return;
	}
}

/* An interval goes up to its end element, or to the next interval, or to the highest key. Both lists
 * are sorted. */
static void join_ends(struct reading *r)
{
	struct nft_set *s = r->set;
	unsigned int len = s->key[0].len;
	size_t end = 0;

	for (size_t i = 0; s->bytes && i < s->len; i++) {
		const uint8_t *start = nft_set_elem(s, i), *stop = NULL;
		uint8_t *last = nft_set_elem_last(s, i);

		while (end < r->ends.len && memcmp(nft_set_elem(&r->ends, end), start, len) <= 0)
			end++;
		if (end < r->ends.len)
			stop = nft_set_elem(&r->ends, end);
		if (i + 1 < s->len && (!stop || memcmp(nft_set_elem(s, i + 1), stop, len) < 0))
			stop = nft_set_elem(s, i + 1);
		if (stop) {
			memcpy(last, stop, len);
			step_back(last, len);
		} else {
			memset(last, 0xff, len);
		}
	}
}

int kernel_nft_elements(struct kernel *k, struct arena *a, enum nft_family family,
	const char *table, struct nft_set *set, struct kernel_error *e)
{
	struct reading r = {.a = a, .set = set};
	uint8_t buf[4096] __attribute__((aligned(4)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;
	int err;

	memcpy(r.ends.key, set->key, sizeof(set->key));
	r.ends.n_key = set->n_key;
	nft_set_layout(&r.ends);
	set->len = 0;
	set->flags &= ~SET_INCOMPLETE;
	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM;
	nlh->nlmsg_flags = NLM_F_DUMP;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set->name);
	err = kernel_talk(k, k->netfilter, nlh, elements_cb, &r, e);
	if (err)
		return err;
	nft_set_sort(a, set);
	if (set->flags & SET_INTERVAL && set->n_key == 1) {
		nft_set_sort(a, &r.ends);
		join_ends(&r);
	}
	return 0;
}
