/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traffic keeper: looks, and remembers the last one. */
#include "daemon/traffic_keeper.h"

#include <stdlib.h>

#include "daemon/fastpath_keeper.h"
#include "daemon/reconcile.h"
#include "kernel/tally.h"

#define FRESH_MS 1000u
#define SHARE	 10u /* looks that are not asked for by name take one part in so many of the time */

struct traffic_keeper {
	struct traffic *traffic;
	struct traffic_look last;
	uint64_t ended_us, took_us; /* monotonic; 0: there was none */
};

void traffic_keeper_free(struct traffic_keeper *k)
{
	if (!k)
		return;
	traffic_free(k->traffic);
	free(k);
}

static struct traffic_keeper *keeper_of(struct daemon *d)
{
	if (d->traffic)
		return d->traffic;
	d->traffic = calloc(1, sizeof(*d->traffic));
	if (!d->traffic)
		abort();
	d->traffic->traffic = traffic_new();
	return d->traffic;
}

struct looking {
	struct traffic *traffic;
	struct sums *since; /* the last look */
};

static void add_flow(const struct mapped_flow *f, void *data)
{
	struct looking *l = data;
	struct flow_account since = *f->account;
	struct mapped_flow as_added = *f;

	as_added.begun = traffic_since(l->traffic, f->flow, &since);
	as_added.account = &since;
	sums_add(l->since, &as_added);
}

static bool is_counted(
	const struct daemon *d, const struct sums *since, const struct traffic_look *look)
{
	struct tally_conntrack c;

	kernel_tally_conntrack(d->kernel, &c);
	if (c.accounting == TALLY_ON || since->counted)
		return true;
	for (size_t i = 0; i < look->n; i++)
		if (look->totals[i].packets[0] || look->totals[i].packets[1])
			return true;
	return false;
}

bool traffic_look_now(struct daemon *d, const struct fastpath_accounts *fast, struct sums *since,
	struct traffic_look *out)
{
	struct traffic_keeper *k = keeper_of(d);
	const struct plan *p = reconcile_plan(d);
	struct looking l = {k->traffic, since};
	uint64_t began = daemon_now_us();

	if (!p)
		return false;
	traffic_begin(k->traffic);
	if (mapped_each(d->kernel, mapped_index(since->arena, p), fast, add_flow, &l, NULL) != 0)
		return false;
	traffic_end(k->traffic, p, since);
	k->last.at_ms = daemon_wall_ms();
	k->last.n = traffic_totals(k->traffic, &k->last.totals);
	k->last.counted = is_counted(d, since, &k->last);
	k->ended_us = daemon_now_us();
	k->took_us = k->ended_us - began;
	*out = k->last;
	return true;
}

bool traffic_look_lately(struct daemon *d, struct traffic_look *out)
{
	struct traffic_keeper *k = keeper_of(d);
	uint64_t lasts_us =
		k->took_us * SHARE > FRESH_MS * 1000u ? k->took_us * SHARE : FRESH_MS * 1000u;
	struct arena *a;
	struct sums since;
	bool looked;

	*out = k->last;
	if (k->ended_us && daemon_now_us() - k->ended_us < lasts_us)
		return true;
	a = arena_new();
	sums_init(&since, a);
	looked = traffic_look_now(d, fastpath_accounts_now(d, a), &since, out);
	arena_free(a);
	return looked;
}
