/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers: bits of the mark, preferences, tables, and the uplinks' own numbers. */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

#define PREFERENCE_LAST 32765u /* the kernel's rule for table main is the next */

static bool contiguous(uint32_t mask)
{
	uint32_t lowest = mask & -mask;

	return mask && (((mask + lowest) & mask) == 0);
}

static unsigned int bit_count(uint32_t mask)
{
	return (unsigned int)__builtin_popcount(mask);
}

/* Put what is wrong where it was said; a default is said nowhere. */
static struct span or_else(struct span at, struct span otherwise)
{
	return at.line ? at : otherwise;
}

/* A mask of @bits, from the top. */
static uint32_t mask_of(unsigned int bits)
{
	return bits >= 32 ? UINT32_MAX : ~(UINT32_MAX >> bits);
}

static unsigned int bits_for(uint64_t number)
{
	unsigned int bits = 1;

	while (number >> bits)
		bits++;
	return bits + 1; /* the highest says "translated by portreeve" */
}

static bool check_mark(struct loader *l)
{
	struct model *m = l->m;
	uint32_t lowest = m->mark_mask & -m->mark_mask;
	uint32_t highest = m->mark_mask ? 1u << (31 - __builtin_clz(m->mark_mask)) : 0;

	if (!contiguous(m->mark_mask)) {
		diag_error(l->d, m->mark_at, "the bits of 'mark' must stand together");
		if (m->mark_mask)
			diag_hint(l->d, "for example mark: 0x%08x",
				(highest | (highest - lowest)) | lowest);
		else
			diag_hint(l->d, "the default is mark: 0x%08x", DEFAULT_MARK_MASK);
		return false;
	}
	if (bit_count(m->mark_mask) < 2) {
		diag_error(l->d, m->mark_at, "'mark' needs at least two bits");
		diag_hint(l->d, "one says that portreeve translated the packet, "
				"the others hold the number of the uplink");
		return false;
	}
	if (m->uplinks.len > mark_max_number(m->mark_mask)) {
		uint32_t max = mark_max_number(m->mark_mask);

		diag_error(l->d, or_else(m->mark_at, m->uplinks.items[max].at),
			"'mark' 0x%08x has room for %u uplink%s; the file has %zu", m->mark_mask,
			max, max == 1 ? "" : "s", m->uplinks.len);
		diag_note(l->d, m->uplinks.items[max].at, "'%s' is the first too many",
			m->uplinks.items[max].name);
		diag_hint(l->d, "%zu uplinks take %u bits: mark: 0x%08x", m->uplinks.len,
			bits_for(m->uplinks.len), mask_of(bits_for(m->uplinks.len)));
		return false;
	}
	return true;
}

/* ---- the uplinks' numbers ---- */

static int by_number(const void *pa, const void *pb)
{
	const struct uplink *a = *(const struct uplink *const *)pa;
	const struct uplink *b = *(const struct uplink *const *)pb;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a < b ? -1 : a > b;
}

/* The lowest number above 0 that none of the @sorted uplinks has. */
static uint32_t free_number(const struct uplink *const *sorted, size_t n)
{
	uint32_t candidate = 1;

	for (size_t i = 0; i < n && sorted[i]->number <= candidate; i++)
		if (sorted[i]->number == candidate)
			candidate++;
	return candidate;
}

static void suggest_number(struct loader *l, uint32_t free, uint32_t max)
{
	if (free <= max)
		diag_hint(l->d, "it can be 1 to %u; free is number: %u", max, free);
	else
		diag_hint(
			l->d, "it can be 1 to %u, and all are taken; 'mark' needs more bits", max);
}

/* Returns the highest number that an uplink has or may get. */
static uint32_t check_uplink_numbers(struct loader *l, bool mark_good)
{
	struct model *m = l->m;
	uint32_t max = mark_max_number(m->mark_mask), free;
	const struct uplink **sorted =
		arena_alloc(l->scratch, m->uplinks.len * sizeof(const struct uplink *));
	size_t n = 0;

	VEC_EACH (&m->uplinks, struct uplink, u)
		if (u->number)
			sorted[n++] = u;
	if (!n)
		return (uint32_t)m->uplinks.len;
	qsort(sorted, n, sizeof(*sorted), by_number);
	free = free_number(sorted, n);
	for (size_t i = 0; i < n; i++) {
		if (mark_good && sorted[i]->number > max) {
			diag_error(l->d, sorted[i]->number_at,
				"number %u does not fit 'mark' 0x%08x", sorted[i]->number,
				m->mark_mask);
			suggest_number(l, free, max);
		}
		if (i && sorted[i]->number == sorted[i - 1]->number) {
			diag_error(l->d, sorted[i]->number_at,
				"number %u is that of uplink '%s' too", sorted[i]->number,
				sorted[i - 1]->name);
			diag_note(l->d, sorted[i - 1]->number_at, "here");
			suggest_number(l, free, max);
		}
	}
	if (sorted[n - 1]->number > max)
		return max; /* said already */
	return sorted[n - 1]->number > m->uplinks.len ? sorted[n - 1]->number
						      : (uint32_t)m->uplinks.len;
}

/* ---- preferences and tables ---- */

static void check_rules(struct loader *l, uint32_t highest)
{
	const struct model *m = l->m;
	uint64_t last = (uint64_t)m->rules_first + highest;

	if (m->rules_first < 1) {
		diag_error(
			l->d, m->rules_at, "'rules' begins at 1; preference 0 is the kernel's own");
		diag_hint(l->d, "the default is rules: %u", DEFAULT_RULES_FIRST);
		return;
	}
	if (last <= PREFERENCE_LAST)
		return;
	diag_error(l->d, or_else(m->rules_at, m->mark_at),
		"'rules' %u: preferences %llu to %llu reach past %u", m->rules_first,
		m->rules_first + 1ull, (unsigned long long)last, PREFERENCE_LAST);
	diag_hint(
		l->d, highest + DEFAULT_RULES_FIRST <= PREFERENCE_LAST
			      ? "the default is rules: 500; the kernel looks at table main at 32766"
			      : "give the uplinks lower numbers");
}

static void check_tables(struct loader *l, uint32_t highest)
{
	const struct model *m = l->m;
	uint64_t last = (uint64_t)m->tables_first + highest;

	if (m->tables_first < 1) {
		diag_error(l->d, m->tables_at, "'tables' begins at 1; table 0 means none");
	} else if (last > UINT32_MAX) {
		diag_error(l->d, m->tables_at,
			"'tables' %u: table numbers go up to %u, and %llu is needed",
			m->tables_first, UINT32_MAX, (unsigned long long)last);
	} else if (m->tables_first <= 255 && last >= 253) {
		diag_error(l->d, m->tables_at,
			"'tables' %u: tables %u to %llu include the system's own (253 default, 254 "
			"main, 255 local)",
			m->tables_first, m->tables_first + 1, (unsigned long long)last);
	} else {
		return;
	}
	diag_hint(l->d, "the default is tables: %u", DEFAULT_TABLES_FIRST);
}

void check_numbers(struct loader *l)
{
	bool mark_good = check_mark(l);
	uint32_t highest = check_uplink_numbers(l, mark_good);

	if (!mark_good)
		return;
	check_rules(l, highest);
	check_tables(l, highest);
}
