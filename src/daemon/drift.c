/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drift: when to look, when to hold back, and which changes are repairs. */
#include "daemon/drift.h"

/* ---- when ---- */

static void note(struct drift_clock *c, uint64_t now_ms)
{
	if (!c->first_ms)
		c->first_ms = now_ms;
	c->last_ms = now_ms;
}

void drift_event(struct drift_clock *c, bool urgent, uint64_t now_ms)
{
	note(c, now_ms);
	c->urgent = c->urgent || urgent;
	c->pressing = true;
}

void drift_learned(struct drift_clock *c, uint64_t now_ms)
{
	note(c, now_ms);
	c->urgent = true;
}

void drift_took(struct drift_clock *c, uint64_t ms, uint64_t now_ms)
{
	uint64_t rest_ms = ms * DRIFT_REST;

	c->rest_until_ms =
		now_ms + (rest_ms < DRIFT_REST_LONGEST_MS ? rest_ms : DRIFT_REST_LONGEST_MS);
}

uint64_t drift_due(const struct drift_clock *c)
{
	uint64_t due = c->last_ms + DRIFT_SETTLE_MS;

	if (!c->first_ms)
		return UINT64_MAX;
	if (due > c->first_ms + DRIFT_AT_MOST_MS)
		due = c->first_ms + DRIFT_AT_MOST_MS;
	if (!c->pressing && due < c->rest_until_ms)
		due = c->rest_until_ms;
	return !c->urgent && due < c->until_ms ? c->until_ms : due;
}

/* Were the last so many repairs, with one at @now_ms, within the time that makes them a fight? */
static bool is_fight(const struct drift_clock *c, uint64_t now_ms)
{
	/* With the newest noted, the slot that comes next holds the oldest. */
	return c->n_repairs >= DRIFT_MANY &&
	       now_ms - c->repairs_ms[c->n_repairs % DRIFT_MANY] <= DRIFT_WITHIN_MS;
}

uint64_t drift_fight_until(const struct drift_clock *c)
{
	return c->wait_ms ? c->until_ms + DRIFT_WAIT_LONGEST_MS : 0;
}

bool drift_passed(struct drift_clock *c, bool repaired, uint64_t now_ms)
{
	c->first_ms = c->last_ms = 0;
	c->urgent = c->pressing = false;
	if (now_ms > drift_fight_until(c) &&
		c->wait_ms) /* peace; what comes now begins a new count */
		c->wait_ms = c->until_ms = c->n_repairs = 0;
	if (!repaired)
		return false;
	c->repairs_ms[c->n_repairs++ % DRIFT_MANY] = now_ms;
	if (!c->wait_ms && !is_fight(c, now_ms))
		return false;
	c->wait_ms = c->wait_ms ? c->wait_ms * 2 : DRIFT_WAIT_FIRST_MS;
	if (c->wait_ms > DRIFT_WAIT_LONGEST_MS)
		c->wait_ms = DRIFT_WAIT_LONGEST_MS;
	c->until_ms = now_ms + c->wait_ms;
	return true;
}

/* ---- what ---- */

static bool same_change(const struct change *x, const struct change *y)
{
	if (x->kind != y->kind || x->add != y->add)
		return false;
	switch (x->kind) {
	case CHANGE_ROUTE:
		return net_route_equal(x->route, y->route);
	case CHANGE_RULE:
		return net_rule_equal(x->rule, y->rule);
	case CHANGE_SYSCTL:
		return strcmp(x->sysctl.key, y->sysctl.key) == 0 &&
		       strcmp(x->sysctl.value, y->sysctl.value) == 0;
	}
	return false;
}

static bool is_among(const struct change *c, const struct change *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (same_change(c, &items[i]))
			return true;
	return false;
}

/* Is it what the kernel does when an interface or an address goes? */
static bool is_kernels(const struct change *c, bool links)
{
	switch (c->kind) {
	case CHANGE_ROUTE:
	case CHANGE_SYSCTL:
		return links;
	case CHANGE_RULE:
		return false;
	}
	return false;
}

void drift_find(struct arena *a, const struct netstate *before, const struct netstate *want,
	const struct changes *changes, bool links, struct changes *out)
{
	const struct memory none = {0};
	struct changes planned;

	*out = (struct changes){0};
	plan_diff(a, before, want, &none, &planned);
	VEC_EACH (&changes->before, struct change, c)
		if (!is_kernels(c, links) && !is_among(c, planned.before.items, planned.before.len))
			vec_push(a, &out->before, *c);
	VEC_EACH (&changes->after, struct change, c)
		if (!is_kernels(c, links) && !is_among(c, planned.after.items, planned.after.len))
			vec_push(a, &out->after, *c);
	/* A transaction is not taken apart: one for another plan may repair something too, unseen; but
	 * a table that has to be made anew was taken away. */
	VEC_EACH (&changes->nft, struct nft_change, c)
		if (planned.nft.len == 0 || (changes->nft.items[0].kind == NFT_ADD_TABLE &&
						    planned.nft.items[0].kind != NFT_ADD_TABLE))
			vec_push(a, &out->nft, *c);
}

size_t drift_count(const struct changes *c)
{
	size_t n = c->before.len + c->after.len;

	VEC_EACH (&c->nft, struct nft_change, change)
		n += change->kind == NFT_ADD_ELEMENTS || change->kind == NFT_DEL_ELEMENTS
			     ? change->set->len
			     : 1;
	return n;
}
