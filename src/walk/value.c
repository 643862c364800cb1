/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Evaluates expressions on a packet and compares the result with constants, ranges and sets. */
#include "walk/value.h"

#include <string.h>

bool walk_spend(struct walk_run *run, size_t n)
{
	if (n > run->left) {
		run->left = 0;
		return false;
	}
	run->left -= n;
	return true;
}

void walk_untrack(struct packet *p)
{
	if (packet_knows(p, PKT_CT_DIRECTION)) /* it has a connection, and keeps it */
		return;
	p->known |= PKT_CT_STATE;
	p->ct_state = CT_UNTRACKED;
}

bool walk_may_be_error(const struct packet *p)
{
	if (packet_knows(p, PKT_PROTO) && p->proto != PROTO_ICMP && p->proto != PROTO_ICMPV6)
		return false;
	return !packet_knows(p, PKT_CT_STATE) || p->ct_state == CT_RELATED;
}

/* ---- values ---- */

void walk_value_unknown(struct walk_value *v, enum nft_type type, unsigned int len)
{
	if (len > WALK_VALUE_BYTES)
		len = WALK_VALUE_BYTES;
	v->absent = false;
	v->type = type;
	v->len = len;
	memset(v->bytes, 0, nft_padded(len));
	memset(v->known, 0, nft_padded(len));
}

void walk_value_known(struct walk_value *v, enum nft_type type, const void *bytes, unsigned int len)
{
	walk_value_unknown(v, type, len);
	memcpy(v->bytes, bytes, v->len);
	memset(v->known, 0xff, v->len);
}

void walk_value_absent(struct walk_value *v)
{
	walk_value_unknown(v, NFT_T_OTHER, 0);
	v->absent = true;
}

bool walk_value_is_known(const struct walk_value *v)
{
	for (unsigned int i = 0; i < v->len; i++) {
		if (v->known[i] != 0xff)
			return false;
	}
	return v->absent || v->len > 0;
}

uint32_t walk_value_mark(const struct walk_value *v, uint32_t *known)
{
	uint32_t mark = 0;

	*known = 0;
	if (v->len >= 4) {
		memcpy(&mark, v->bytes, 4);
		memcpy(known, v->known, 4);
	}
	return mark;
}

/* ---- expressions ---- */

static void apply_mask(struct walk_value *v, const struct nft_expr *e)
{
	for (unsigned int i = 0; i < v->len && i < sizeof(e->mask); i++) {
		v->known[i] |= (uint8_t)~e->mask[i];
		v->bytes[i] = ((v->bytes[i] & e->mask[i]) ^ e->xor [i]) & v->known[i];
	}
}

static void evaluate_concat(struct walk_run *run, const struct packet *p, const struct nft_expr *e,
	struct walk_value *out)
{
	struct walk_value part;
	unsigned int at = 0;

	walk_value_unknown(out, NFT_T_OTHER, 0);
	for (unsigned int i = 0; i < e->n_parts; i++) {
		walk_evaluate(run, p, e->parts[i], &part);
		if (part.absent) {
			walk_value_absent(out);
			return;
		}
		if (at + nft_padded(part.len) > WALK_VALUE_BYTES)
			return;
		memset(out->bytes + at, 0, nft_padded(part.len));
		memset(out->known + at, 0xff, nft_padded(part.len));
		memcpy(out->bytes + at, part.bytes, part.len);
		memcpy(out->known + at, part.known, part.len);
		at += nft_padded(part.len);
		out->len = at;
	}
}

/* What of @v is also true of the @len bytes at @data. */
static void join_data(struct walk_value *v, const uint8_t *data, uint16_t len)
{
	for (unsigned int i = 0; i < len && i < v->len; i++) {
		v->known[i] &= (uint8_t) ~(v->bytes[i] ^ data[i]);
		v->bytes[i] &= v->known[i];
	}
}

/* What is true of all elements that the key may fall on, from @first on. */
static void join_elements(const struct nft_set *set, size_t first, const struct walk_value *key,
	struct walk_value *out)
{
	walk_value_known(out, out->type, nft_set_elem_data(set, first), set->data_len);
	for (size_t i = first + 1; i < set->len; i++) {
		if (walk_element(set, i, key) != TRI_NO)
			join_data(out, nft_set_elem_data(set, i), set->data_len);
	}
}

static void evaluate_map(struct walk_run *run, const struct packet *p, const struct nft_expr *e,
	struct walk_value *out)
{
	const struct nft_set *set = e->set;
	enum nft_type type = set && set->n_data == 1 ? set->data[0].type : NFT_T_OTHER;
	struct walk_value key;
	size_t at;
	enum tri t;

	walk_value_unknown(out, type, set && set->flags & SET_MAP ? set->data_len : 16);
	if (!set || !(set->flags & SET_MAP) || !e->key)
		return;
	walk_evaluate_key(run, p, e->key, set, &key);
	if (key.absent) {
		walk_value_absent(out);
		return;
	}
	t = walk_find(run, set, &key, &at);
	if (t == TRI_YES)
		walk_value_known(out, type, nft_set_elem_data(set, at), set->data_len);
	else if (t == TRI_NO && !(set->flags & SET_DYNAMIC))
		walk_value_absent(out);
	else if (at < set->len && !(set->flags & (SET_INCOMPLETE | SET_DYNAMIC)))
		join_elements(set, at, &key, out);
}

static void evaluate_random(
	const struct walk_run *run, const struct nft_expr *e, struct walk_value *out)
{
	walk_value_unknown(out, NFT_T_INTEGER, 4);
	for (size_t i = 0; i < run->n_draws; i++) {
		if (run->draws[i].expr == e)
			walk_value_known(out, NFT_T_INTEGER, &run->draws[i].number, 4);
	}
}

static bool is_address(enum nft_type t)
{
	return t == NFT_T_IPV4 || t == NFT_T_IPV6;
}

void walk_evaluate(struct walk_run *run, const struct packet *p, const struct nft_expr *e,
	struct walk_value *out)
{
	switch (e->kind) {
	case EXPR_SELECTOR:
	case EXPR_MASKED:
		walk_select(run, p, e->selector, out);
		if (is_address(e->type) && is_address(out->type) && e->type != out->type)
			walk_value_absent(out); /* of a connection of the other family */
		else if (e->kind == EXPR_MASKED)
			apply_mask(out, e);
		return;
	case EXPR_VALUE:
		walk_value_known(out, e->type, e->value,
			e->value_len <= sizeof(e->value) ? e->value_len : sizeof(e->value));
		return;
	case EXPR_CONCAT:
		evaluate_concat(run, p, e, out);
		return;
	case EXPR_MAP:
		evaluate_map(run, p, e, out);
		return;
	case EXPR_JHASH:
	case EXPR_SYMHASH:
	case EXPR_NUMGEN:
		evaluate_random(run, e, out);
		return;
	case EXPR_UNKNOWN:
		break;
	}
	walk_value_unknown(out, NFT_T_OTHER, 16);
}

/* Numbers in host order are turned where an interval set holds them. */
static void turn_host_order(const struct nft_set *set, struct walk_value *key)
{
	for (unsigned int f = 0, at = 0; f < set->n_key && at + 4 <= key->len; f++) {
		if (nft_type_is_host_order(set->key[f].type) && set->key[f].len == 4) {
			const uint8_t b[4] = {key->bytes[at + 3], key->bytes[at + 2],
				key->bytes[at + 1], key->bytes[at]};
			const uint8_t k[4] = {key->known[at + 3], key->known[at + 2],
				key->known[at + 1], key->known[at]};

			memcpy(key->bytes + at, b, 4);
			memcpy(key->known + at, k, 4);
		}
		at += nft_padded(set->key[f].len);
	}
}

void walk_evaluate_key(struct walk_run *run, const struct packet *p, const struct nft_expr *e,
	const struct nft_set *set, struct walk_value *key)
{
	walk_evaluate(run, p, e, key);
	if (set->flags & SET_INTERVAL && !key->absent)
		turn_host_order(set, key);
}

/* ---- comparing ---- */

static enum tri bytes_equal(
	const uint8_t *bytes, const uint8_t *known, const uint8_t *other, unsigned int len)
{
	enum tri answer = TRI_YES;

	for (unsigned int i = 0; i < len; i++) {
		if ((bytes[i] ^ other[i]) & known[i])
			return TRI_NO;
		if (known[i] != 0xff)
			answer = TRI_UNKNOWN;
	}
	return answer;
}

static int compare_bytes(const uint8_t *a, const uint8_t *b, unsigned int len, bool host_order)
{
	if (host_order && len == 4) {
		uint32_t x, y;

		memcpy(&x, a, 4);
		memcpy(&y, b, 4);
		return x < y ? -1 : x > y;
	}
	return memcmp(a, b, len);
}

/* Is the value @or_equal to or greater than @other, whatever the bits are that are not known? */
static enum tri bytes_greater(const uint8_t *bytes, const uint8_t *known, const uint8_t *other,
	unsigned int len, bool host_order, bool or_equal)
{
	uint8_t least[16], most[16];
	int low, high;

	if (len > sizeof(least))
		return TRI_UNKNOWN;
	for (unsigned int i = 0; i < len; i++) {
		least[i] = bytes[i] & known[i];
		most[i] = bytes[i] | (uint8_t)~known[i];
	}
	low = compare_bytes(least, other, len, host_order);
	high = compare_bytes(most, other, len, host_order);
	if (low > 0 || (or_equal && low == 0))
		return TRI_YES;
	if (high < 0 || (!or_equal && high == 0))
		return TRI_NO;
	return TRI_UNKNOWN;
}

static enum tri bytes_within(const uint8_t *bytes, const uint8_t *known, const uint8_t *first,
	const uint8_t *last, unsigned int len, bool host_order)
{
	return tri_and(bytes_greater(bytes, known, first, len, host_order, true),
		tri_not(bytes_greater(bytes, known, last, len, host_order, false)));
}

enum tri walk_element(const struct nft_set *set, size_t i, const struct walk_value *key)
{
	const uint8_t *first = nft_set_elem(set, i);
	const uint8_t *last = set->flags & SET_INTERVAL ? nft_set_elem_last(set, i) : first;
	enum tri answer = TRI_YES;
	unsigned int at = 0;

	for (unsigned int f = 0; f < set->n_key && answer != TRI_NO; f++) {
		unsigned int len = set->key[f].len;

		if (at + len > key->len)
			return TRI_UNKNOWN;
		if (memcmp(first + at, last + at, len) == 0)
			answer = tri_and(answer,
				bytes_equal(key->bytes + at, key->known + at, first + at, len));
		else
			answer = tri_and(answer, bytes_within(key->bytes + at, key->known + at,
							 first + at, last + at, len, false));
		at += nft_padded(len);
	}
	return answer;
}

/* Must @key fall on no element or on one that can be found by its bytes? */
static bool key_is_exact(const struct nft_set *set, const struct walk_value *key)
{
	return key->len >= set->key_len && walk_value_is_known(key);
}

static bool covers(const struct nft_set *set, size_t i, const struct walk_value *key)
{
	if (!(set->flags & SET_INTERVAL))
		return memcmp(nft_set_elem(set, i), key->bytes, set->key_len) == 0;
	return walk_element(set, i, key) == TRI_YES;
}

/* An exact key: the element it falls on, or set->len. */
static size_t find_exact(const struct nft_set *set, const struct walk_value *key)
{
	size_t i = 0;

	if (set->sorted) {
		long found = nft_set_find(set, key->bytes);

		return found < 0 ? set->len : (size_t)found;
	}
	while (i < set->len && !covers(set, i, key))
		i++;
	return i;
}

enum tri walk_find(
	struct walk_run *run, const struct nft_set *set, const struct walk_value *key, size_t *at)
{
	enum tri open = set->flags & SET_INCOMPLETE ? TRI_UNKNOWN : TRI_NO;

	*at = set->len;
	if (!walk_spend(run, 1 + (set->sorted ? 0 : set->len / 16)))
		return TRI_UNKNOWN;
	if (key_is_exact(set, key)) {
		*at = find_exact(set, key);
		return *at < set->len ? TRI_YES : open;
	}
	for (size_t i = 0; i < set->len; i++) {
		enum tri t = walk_element(set, i, key);

		if (t == TRI_YES) {
			*at = i;
			return TRI_YES;
		}
		if (t == TRI_UNKNOWN && *at == set->len)
			*at = i;
	}
	return *at < set->len ? TRI_UNKNOWN : open;
}

static enum tri in_set(struct walk_run *run, const struct packet *p, const struct nft_stmt *s,
	bool *absent, struct walk_doubt *doubt)
{
	const struct nft_set *set = s->set;
	struct walk_value key;
	enum tri t;
	size_t at;

	if (!set) {
		doubt->why = "the set is not there";
		return TRI_UNKNOWN;
	}
	walk_evaluate_key(run, p, s->expr, set, &key);
	*absent = key.absent;
	if (key.absent)
		return TRI_NO;
	t = walk_find(run, set, &key, &at);
	if (t == TRI_UNKNOWN && !run->left) {
		doubt->why = "the set is too large to look through";
	} else if (t == TRI_UNKNOWN && at == set->len) {
		doubt->why = "the elements of the set were not read";
		doubt->set = set;
		doubt->key = key;
		doubt->inverted = s->op == OP_NOT_IN;
	}
	return t;
}

static enum tri compare_op(const struct nft_stmt *s, const struct walk_value *v)
{
	unsigned int len = s->value_len < v->len ? s->value_len : v->len;
	bool host = nft_type_is_host_order(v->type);
	const uint8_t *b = v->bytes, *k = v->known;

	if (s->value_len > sizeof(s->value) || len == 0)
		return TRI_UNKNOWN;
	switch (s->op) {
	case OP_EQ: /* fewer bytes than the field has: a prefix, as of eth* */
		return bytes_equal(b, k, s->value, len);
	case OP_NE:
		return tri_not(bytes_equal(b, k, s->value, len));
	case OP_LT:
		return tri_not(bytes_greater(b, k, s->value, len, host, true));
	case OP_LE:
		return tri_not(bytes_greater(b, k, s->value, len, host, false));
	case OP_GT:
		return bytes_greater(b, k, s->value, len, host, false);
	case OP_GE:
		return bytes_greater(b, k, s->value, len, host, true);
	case OP_RANGE:
		return bytes_within(b, k, s->value, s->last, len, host);
	case OP_NOT_RANGE:
		return tri_not(bytes_within(b, k, s->value, s->last, len, host));
	case OP_IN:
	case OP_NOT_IN:
		break;
	}
	return TRI_UNKNOWN;
}

enum tri walk_match(struct walk_run *run, const struct packet *p, const struct nft_stmt *s,
	struct walk_doubt *doubt)
{
	struct walk_value v;
	bool absent = false;
	enum tri t;

	walk_doubt_of(doubt, s->expr->kind == EXPR_UNKNOWN
				     ? "the expression is not understood"
				     : "it depends on what is not known of the packet");
	if (s->op == OP_IN || s->op == OP_NOT_IN) {
		t = in_set(run, p, s, &absent, doubt);
		return s->op == OP_IN || absent ? t : tri_not(t);
	}
	walk_evaluate(run, p, s->expr, &v);
	if (v.absent)
		return TRI_NO;
	return compare_op(s, &v);
}
