/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets and maps: their flat array of elements. */
#include "netstate/ruleset.h"

#include <string.h>

/* Verdict and index of the chain, see struct nft_set. */
#define VERDICT_DATA_LEN 8

static uint16_t fields_len(const struct nft_field *fields, unsigned int n)
{
	uint16_t len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += fields[i].type == NFT_T_VERDICT ? VERDICT_DATA_LEN
						       : nft_padded(fields[i].len);
	return len;
}

void nft_set_layout(struct nft_set *s)
{
	s->key_len = fields_len(s->key, s->n_key);
	s->data_len = s->flags & SET_MAP ? fields_len(s->data, s->n_data) : 0;
	s->stride = s->key_len * (s->flags & SET_INTERVAL ? 2 : 1) + s->data_len;
}

/* Grow a side array of the set that has one item per element; NULL stays NULL. */
static void *grow_side(struct arena *a, void *side, size_t item, size_t old_cap, size_t cap)
{
	if (!side)
		return NULL;
	return arena_grow(a, side, old_cap * item, cap * item);
}

uint8_t *nft_set_add(struct arena *a, struct nft_set *s, struct span origin)
{
	if (s->len == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 8;

		s->origins = grow_side(a, s->origins, sizeof(*s->origins), s->cap, cap);
		s->comments = grow_side(a, s->comments, sizeof(*s->comments), s->cap, cap);
		s->timeouts_ms = grow_side(a, s->timeouts_ms, sizeof(*s->timeouts_ms), s->cap, cap);
		s->bytes = arena_grow(a, s->bytes, s->cap * s->stride, cap * s->stride);
		s->cap = cap;
	}
	if (origin.line && !s->origins)
		s->origins = arena_alloc(a, s->cap * sizeof(*s->origins));
	if (s->origins)
		s->origins[s->len] = origin;
	if (s->comments)
		s->comments[s->len] = NULL;
	if (s->timeouts_ms)
		s->timeouts_ms[s->len] = 0;
	s->len++;
	s->sorted = false;
	return memset(nft_set_elem(s, s->len - 1), 0, s->stride);
}

void nft_set_comment(struct arena *a, struct nft_set *s, const char *comment)
{
	if (!s->comments)
		s->comments = arena_alloc(a, s->cap * sizeof(*s->comments));
	s->comments[s->len - 1] = comment ? arena_strndup(a, comment, strnlen(comment, 128)) : NULL;
}

static uint32_t hash_string(const char *s)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	while (*s)
		h = (h ^ (uint8_t)*s++) * 16777619u;
	return h;
}

/* Where @chain is in the hash, or the free slot for it. */
static uint32_t *chain_slot(const struct nft_set *s, const char *chain)
{
	size_t i = hash_string(chain) & (s->n_chain_slots - 1);

	while (s->chain_slots[i] && strcmp(s->chains.items[s->chain_slots[i] - 1], chain) != 0)
		i = (i + 1) & (s->n_chain_slots - 1);
	return &s->chain_slots[i];
}

uint32_t nft_set_chain(struct arena *a, struct nft_set *s, const char *chain)
{
	uint32_t *slot;

	if (2 * (s->chains.len + 1) > s->n_chain_slots) {
		s->n_chain_slots = s->n_chain_slots ? s->n_chain_slots * 2 : 16;
		s->chain_slots = arena_alloc(a, s->n_chain_slots * sizeof(*s->chain_slots));
		for (size_t i = 0; i < s->chains.len; i++)
			*chain_slot(s, s->chains.items[i]) = i + 1;
	}
	slot = chain_slot(s, chain);
	if (!*slot) {
		vec_push(a, &s->chains, arena_strdup(a, chain));
		*slot = s->chains.len;
	}
	return *slot - 1;
}

bool nft_set_is_sorted(const struct nft_set *s)
{
	for (size_t i = 1; i < s->len; i++) {
		if (memcmp(nft_set_elem(s, i - 1), nft_set_elem(s, i), nft_set_keys_len(s)) > 0)
			return false;
	}
	return true;
}

/* One pass of a radix sort: order @from by byte @at of the elements, into @to. False (and nothing
 * written) if that byte is the same everywhere. */
static bool radix_pass(const struct nft_set *s, size_t at, const uint32_t *from, uint32_t *to)
{
	size_t starts[256] = {0}, sum = 0;

	for (size_t i = 0; i < s->len; i++)
		starts[s->bytes[i * s->stride + at]]++;
	for (unsigned int b = 0; b < 256; b++) {
		size_t count = starts[b];

		if (count == s->len)
			return false;
		starts[b] = sum;
		sum += count;
	}
	for (size_t i = 0; i < s->len; i++)
		to[starts[s->bytes[from[i] * s->stride + at]]++] = from[i];
	return true;
}

static void permute(
	struct arena *scratch, void *items, size_t size, const uint32_t *order, size_t n)
{
	uint8_t *copy;

	if (!items)
		return;
	copy = arena_alloc(scratch, n * size);
	memcpy(copy, items, n * size);
	for (size_t i = 0; i < n; i++)
		memcpy((uint8_t *)items + i * size, copy + order[i] * size, size);
}

void nft_set_sort(struct arena *scratch, struct nft_set *s)
{
	uint32_t *order, *other;

	if (nft_set_is_sorted(s)) {
		s->sorted = true;
		return;
	}
	order = arena_alloc(scratch, s->len * sizeof(*order));
	other = arena_alloc(scratch, s->len * sizeof(*other));
	for (size_t i = 0; i < s->len; i++)
		order[i] = i;
	for (size_t at = nft_set_keys_len(s); at-- > 0;) {
		if (radix_pass(s, at, order, other)) {
			uint32_t *swap = order;

			order = other;
			other = swap;
		}
	}
	permute(scratch, s->bytes, s->stride, order, s->len);
	permute(scratch, s->origins, sizeof(*s->origins), order, s->len);
	permute(scratch, s->comments, sizeof(*s->comments), order, s->len);
	permute(scratch, s->timeouts_ms, sizeof(*s->timeouts_ms), order, s->len);
	s->sorted = true;
}

/* Is @key within the interval, field by field? */
static bool elem_covers(const struct nft_set *s, size_t i, const uint8_t *key)
{
	const uint8_t *first = nft_set_elem(s, i), *last = nft_set_elem_last(s, i);

	for (unsigned int f = 0, at = 0; f < s->n_key; at += nft_padded(s->key[f].len), f++) {
		if (memcmp(key + at, first + at, s->key[f].len) < 0 ||
			memcmp(key + at, last + at, s->key[f].len) > 0)
			return false;
	}
	return true;
}

long nft_set_find(const struct nft_set *s, const uint8_t *key)
{
	size_t low = 0, high = s->len;

	if (s->flags & SET_INTERVAL && s->n_key > 1) {
		for (size_t i = 0; i < s->len; i++) {
			if (elem_covers(s, i, key))
				return i;
		}
		return -1;
	}
	while (low < high) { /* find the first element beyond the key */
		size_t mid = low + (high - low) / 2;

		if (memcmp(nft_set_elem(s, mid), key, s->key_len) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return -1;
	if (s->flags & SET_INTERVAL)
		return elem_covers(s, low - 1, key) ? (long)low - 1 : -1;
	return memcmp(nft_set_elem(s, low - 1), key, s->key_len) == 0 ? (long)low - 1 : -1;
}
