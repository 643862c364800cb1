/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Returns: rounds of return probes of all backends that maps with `return: auto` lead to, one entry per
 * backend address.
 *
 * One timer ticks through the entries in turn and starts those that are due. Connections keep what
 * they have when a decision changes; that is the plan's business (plan/flows.c).
 */
#include "daemon/returns.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/probe_return.h"
#include "daemon/reconcile.h"

#define RETURNS_EVERY_MS 30000u
/* Where replies come back by themselves: if they cease to, new connections are dead until it is seen. */
#define RETURNS_DIRECT_MS 5000u
#define RETURNS_FAST_MS	  2000u
/* While rounds say something else than what was decided. */
#define RETURNS_DOUBT_MS 250u
/* While nothing is decided, so many rounds at the fast pace; who is silent for longer is dead. */
#define RETURNS_FAST_ROUNDS 10u
/* Rounds begun per second, whatever the number of backends: beyond EVERY_MS times that they are measured
 * less often each. */
#define RETURNS_PER_SECOND 50u
/* Ticks are no closer than this, and each begins its share. */
#define RETURNS_TICK_MS	 250u
#define RETURNS_PER_TICK (RETURNS_PER_SECOND * RETURNS_TICK_MS / 1000)

struct entry {
	struct returns *returns;
	struct entry *next; /* in its bucket */
	bool wanted;
	struct return_target target;
	char interface[IFNAMSIZ]; /* what target.interface points to */
	struct return_path path;
	struct return_probe *probe; /* NULL: not asking */
	uint64_t due_ms;
};

struct returns {
	struct daemon *daemon;
	struct prober *prober;
	struct event *timer;
	struct entry **entries;
	size_t n_entries, room;
	struct entry **buckets;
	size_t n_buckets; /* a power of two */
	uint32_t random;
};

/* ---- rounds ---- */

/* Give or take a tenth, so that backends do not all hear from us at once. */
static uint64_t jittered(struct returns *r, uint64_t ms)
{
	r->random = r->random * 1664525u + 1013904223u;
	return ms - ms / 10 + (r->random >> 8) % (ms / 5 + 1);
}

static uint64_t pace(const struct return_path *p)
{
	if (p->mode == RETURN_AUTO)
		return p->leaning != RETURN_AUTO || p->rounds < RETURNS_FAST_ROUNDS
			       ? RETURNS_FAST_MS
			       : RETURNS_EVERY_MS;
	if (p->leaning != p->mode)
		return RETURNS_DOUBT_MS;
	return p->mode == RETURN_DIRECT ? RETURNS_DIRECT_MS : RETURNS_EVERY_MS;
}

static uint64_t interval(struct returns *r, const struct return_path *p)
{
	uint64_t many = (uint64_t)r->n_entries * 1000 / RETURNS_PER_SECOND, ms = pace(p);

	return jittered(r, ms > many ? ms : many);
}

static void tell(struct entry *e)
{
	struct daemon *d = e->returns->daemon;
	const char *mode = e->path.mode == RETURN_DIRECT ? "direct" : "snat";
	const char *reason = return_path_reason(&e->path);
	char backend[IP_STRLEN], message[300];

	ip_format(&e->target.backend, backend);
	snprintf(message, sizeof(message), "return of backend %s is %s now (%s)", backend, mode,
		reason);
	journal_note(d->journal, JOURNAL_NOTICE, "return-changed", message, "s:s, s:s, s:s",
		"backend", backend, "return", mode, "reason", reason);
	daemon_learn_return(d, &e->target.backend, e->path.mode, reason);
}

static void done(const struct return_round *round, void *data)
{
	struct entry *e = data;

	e->probe = NULL;
	if (return_round_count(round, &e->path, daemon_wall_ms()))
		tell(e);
	e->due_ms = daemon_now_ms() + interval(e->returns, &e->path);
}

static void ask(struct entry *e)
{
	e->probe = return_probe_start(e->returns->prober, &e->target, done, e);
	if (!e->probe) /* out of descriptors: later */
		e->due_ms = daemon_now_ms() + RETURNS_FAST_MS;
}

/* Those that are due, and when the next one is. */
static void tick(evutil_socket_t fd, short what, void *data)
{
	struct returns *r = data;
	uint64_t now = daemon_now_ms(), next = now + RETURNS_EVERY_MS, wait;
	unsigned int begun = 0;
	struct timeval tv;

	for (size_t i = 0; i < r->n_entries && begun < RETURNS_PER_TICK; i++) {
		struct entry *e = r->entries[i];

		if (e->probe || e->due_ms > now)
			continue;
		ask(e);
		begun++;
	}
	for (size_t i = 0; i < r->n_entries; i++)
		if (r->entries[i]->due_ms < next)
			next = r->entries[i]->due_ms;
	/* Probes under way set theirs within that. */
	wait = next > now + RETURNS_TICK_MS ? next - now : RETURNS_TICK_MS;
	if (r->n_entries == 0)
		return; /* until the next config or plan */
	tv.tv_sec = (time_t)(wait / 1000);
	tv.tv_usec = (suseconds_t)(wait % 1000 * 1000);
	evtimer_add(r->timer, &tv);
}

/* ---- which backends ---- */

static struct entry **bucket_of(const struct returns *r, const struct ip_addr *a)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < sizeof(a->bytes); i++)
		h = (h ^ a->bytes[i]) * 0x100000001b3u; /* FNV-1a */
	return &r->buckets[(h ^ h >> 32) & (r->n_buckets - 1)];
}

static struct entry *find(const struct returns *r, const struct ip_addr *a)
{
	for (struct entry *e = *bucket_of(r, a); e; e = e->next)
		if (ip_equal(&e->target.backend, a))
			return e;
	return NULL;
}

static void rehash(struct returns *r, size_t n)
{
	free(r->buckets);
	r->buckets = calloc(n, sizeof(struct entry *));
	if (!r->buckets)
		abort(); /* as an arena does */
	r->n_buckets = n;
	for (size_t i = 0; i < r->n_entries; i++) {
		struct entry **place = bucket_of(r, &r->entries[i]->target.backend);

		r->entries[i]->next = *place;
		*place = r->entries[i];
	}
}

/* What earlier runs have found out. */
static void remember(struct entry *e)
{
	const struct memory_return *m =
		learning_return_of(&e->returns->daemon->learned, &e->target.backend);

	if (m)
		e->path.mode = e->path.leaning = m->mode;
}

static struct entry *entry_new(struct returns *r, const struct ip_addr *backend)
{
	struct entry *e = calloc(1, sizeof(*e)), **place;

	if (!e)
		abort();
	if (r->n_entries == r->room) {
		r->room = r->room ? r->room * 2 : 16;
		r->entries = realloc(r->entries, r->room * sizeof(struct entry *));
		if (!r->entries)
			abort();
	}
	r->entries[r->n_entries++] = e;
	e->returns = r;
	e->target.backend = *backend;
	e->due_ms = daemon_now_ms();
	remember(e);
	if (r->n_entries > r->n_buckets) {
		rehash(r, r->n_buckets * 2);
		return e;
	}
	place = bucket_of(r, backend);
	e->next = *place;
	*place = e;
	return e;
}

static bool same_question(const struct return_target *x, const struct return_target *y)
{
	return x->port == y->port && strcmp(x->interface, y->interface) == 0 &&
	       ip_equal(&x->from_inside, &y->from_inside) &&
	       ip_equal(&x->from_uplink, &y->from_uplink);
}

/* The first map that leads to a backend says how it is asked. */
static void take(struct returns *r, const struct plan_map *pm)
{
	struct return_target t;
	struct entry *e;

	if (pm->map->return_mode != RETURN_AUTO || !return_target_of(pm, &t))
		return;
	e = find(r, &t.backend);
	if (e && e->wanted)
		return;
	if (!e)
		e = entry_new(r, &t.backend);
	e->wanted = true;
	if (e->target.interface && same_question(&e->target, &t))
		return;
	return_probe_cancel(e->probe); /* it was asked what does not matter any more */
	e->probe = NULL;
	e->due_ms = daemon_now_ms();
	e->target = t;
	snprintf(e->interface, sizeof(e->interface), "%s", t.interface);
	e->target.interface = e->interface;
}

static void entry_free(struct entry *e)
{
	return_probe_cancel(e->probe);
	free(e);
}

static void drop_unwanted(struct returns *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n_entries; i++) {
		struct entry *e = r->entries[i];

		if (e->wanted)
			r->entries[kept++] = e;
		else
			entry_free(e);
	}
	if (kept == r->n_entries)
		return;
	r->n_entries = kept;
	rehash(r, r->n_buckets);
}

void returns_update(struct daemon *d)
{
	static const struct timeval soon = {0, 0};
	struct returns *r = d->returns;
	const struct plan *p = r ? reconcile_plan(d) : NULL;

	if (!p)
		return;
	for (size_t i = 0; i < r->n_entries; i++)
		r->entries[i]->wanted = false;
	VEC_EACH (&p->maps, struct plan_map, pm)
		take(r, pm);
	drop_unwanted(r);
	evtimer_add(r->timer, &soon);
}

/* ---- the front ---- */

int returns_start(struct daemon *d)
{
	struct returns *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->daemon = d;
	r->prober = prober_new(d->base);
	r->timer = evtimer_new(d->base, tick, r);
	d->returns = r;
	rehash(r, 16);
	if (!r->prober || !r->timer) {
		returns_stop(d);
		return -ENOMEM;
	}
	if (getrandom(&r->random, sizeof(r->random), 0) != sizeof(r->random))
		r->random = (uint32_t)daemon_now_ms();
	returns_update(d);
	return 0;
}

void returns_stop(struct daemon *d)
{
	struct returns *r = d->returns;

	if (!r)
		return;
	for (size_t i = 0; i < r->n_entries; i++)
		entry_free(r->entries[i]);
	free(r->entries);
	free(r->buckets);
	prober_free(r->prober);
	if (r->timer)
		event_free(r->timer);
	free(r);
	d->returns = NULL;
}

void returns_each(const struct daemon *d, void (*each)(const struct returns_subject *s, void *data),
	void *data)
{
	const struct returns *r = d->returns;

	for (size_t i = 0; r && i < r->n_entries; i++) {
		const struct returns_subject s = {
			.backend = r->entries[i]->target.backend, .path = r->entries[i]->path};

		each(&s, data);
	}
}
