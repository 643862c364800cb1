/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic: each look makes a memory of its own, from the one before, and then takes its place; so what is
 * not there any more is forgotten without being looked for.
 */
#include "report/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "base/places.h"

struct seen { /* a connection; its hash says which */
	uint64_t packets[2], bytes[2];
};

struct memory_of_look {
	struct arena *arena;
	VEC(struct seen) seen;
	VEC(struct traffic_total) totals;
	struct places *seen_places, *total_places;
};

struct traffic {
	struct memory_of_look last, now;
};

static void memory_init(struct memory_of_look *m)
{
	*m = (struct memory_of_look){.arena = arena_new()};
	m->seen_places = places_new(m->arena);
	m->total_places = places_new(m->arena);
}

struct traffic *traffic_new(void)
{
	struct traffic *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	memory_init(&t->last);
	return t;
}

void traffic_free(struct traffic *t)
{
	if (!t)
		return;
	arena_free(t->last.arena);
	arena_free(t->now.arena);
	free(t);
}

void traffic_begin(struct traffic *t)
{
	arena_free(t->now.arena); /* of a look that did not come to its end */
	memory_init(&t->now);
}

/* ---- connections ---- */

/* Of 64 bits: that two of some 100,000 are alike is not to be expected. */
static uint64_t identity(const struct net_flow *f, const struct flow_account *a)
{
	const struct flow_tuple *o = &f->original;
	uint64_t h = places_hash(f->proto, &a->id, sizeof(a->id));

	h = places_hash(h, &f->zone, sizeof(f->zone));
	h = places_hash(h, o->src.bytes, sizeof(o->src.bytes));
	h = places_hash(h, o->dst.bytes, sizeof(o->dst.bytes));
	h = places_hash(h, &o->sport, sizeof(o->sport));
	h = places_hash(h, &o->dport, sizeof(o->dport));
	return h ^ h >> 32; /* slots go by the low bits */
}

static size_t find_seen(const struct memory_of_look *m, uint64_t id)
{
	size_t at = id;

	return places_next(m->seen_places, id, &at);
}

/* What is less than it was, as where the fast path has forgotten its part, has added nothing. */
static uint64_t added(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static void add_seen(struct memory_of_look *m, uint64_t id, const struct seen *is)
{
	*vec_add(m->arena, &m->seen) = *is;
	places_add(m->seen_places, id, m->seen.len - 1);
}

bool traffic_since(struct traffic *t, const struct net_flow *f, struct flow_account *account)
{
	uint64_t id = identity(f, account);
	size_t again = find_seen(&t->now, id); /* the kernel may tell of one twice */
	size_t last = find_seen(&t->last, id);
	struct seen is, was = {0};
	bool room = again != PLACES_NONE || t->now.seen.len < TRAFFIC_CONNECTIONS;

	if (again != PLACES_NONE)
		was = t->now.seen.items[again];
	else if (last != PLACES_NONE)
		was = t->last.seen.items[last];
	for (int i = 0; i < 2; i++) {
		is.packets[i] = account->packets[i];
		is.bytes[i] = account->bytes[i];
		account->packets[i] = room ? added(is.packets[i], was.packets[i]) : 0;
		account->bytes[i] = room ? added(is.bytes[i], was.bytes[i]) : 0;
	}
	if (again != PLACES_NONE)
		t->now.seen.items[again] = is;
	else if (room)
		add_seen(&t->now, id, &is);
	return room && again == PLACES_NONE && last == PLACES_NONE;
}

/* ---- totals ---- */

static uint64_t hash_of(const char *map, const char *uplink)
{
	uint64_t h = places_hash(0, map, strlen(map) + 1);

	h = places_hash(h, uplink, strlen(uplink));
	return h ^ h >> 32;
}

static struct traffic_total *find_total(
	const struct memory_of_look *m, uint64_t hash, const char *map, const char *uplink)
{
	size_t at = hash, place;

	while ((place = places_next(m->total_places, hash, &at)) != PLACES_NONE) {
		struct traffic_total *total = &m->totals.items[place];

		if (strcmp(total->map, map) == 0 && strcmp(total->uplink, uplink) == 0)
			return total;
	}
	return NULL;
}

/* The pair's total of this look, which begins as it was. @anew: also where it was not; else NULL then. */
static struct traffic_total *total_of(
	struct traffic *t, const char *map, const char *uplink, bool anew)
{
	uint64_t hash = hash_of(map, uplink);
	struct traffic_total *total = find_total(&t->now, hash, map, uplink);
	const struct traffic_total *was;
	struct arena *a = t->now.arena;

	if (total)
		return total;
	was = find_total(&t->last, hash, map, uplink);
	if (!was && !anew)
		return NULL;
	total = vec_add(a, &t->now.totals);
	if (was)
		*total = *was;
	total->map = arena_strdup(a, map);
	total->uplink = arena_strdup(a, uplink);
	total->connections = 0;
	places_add(t->now.total_places, hash, t->now.totals.len - 1);
	return total;
}

static size_t pairs_of(const struct plan *p)
{
	size_t n = 0;

	VEC_EACH (&p->maps, const struct plan_map, pm)
		n += pm->uplinks.len;
	return n;
}

static void keep_totals(struct traffic *t, const struct plan *p)
{
	bool all = pairs_of(p) <= TRAFFIC_PAIRS;
	const struct map *before = NULL;

	VEC_EACH (&p->maps, const struct plan_map, pm) {
		if (pm->map == before) /* another backend of it */
			continue;
		before = pm->map;
		VEC_EACH (&pm->uplinks, struct plan_uplink *, u)
			total_of(t, pm->map->name, (*u)->uplink->name, all);
	}
}

void traffic_end(struct traffic *t, const struct plan *p, const struct sums *since)
{
	keep_totals(t, p);
	VEC_EACH (&since->pairs, const struct sums_pair, s) {
		struct traffic_total *total = total_of(
			t, s->map ? s->map->name : "", s->home ? s->home->uplink->name : "", true);

		total->connections += s->connections;
		total->begun += s->begun;
		for (int i = 0; i < 2; i++) {
			total->packets[i] += s->packets[i];
			total->bytes[i] += s->bytes[i];
		}
	}
	arena_free(t->last.arena);
	t->last = t->now;
	t->now = (struct memory_of_look){0};
}

size_t traffic_totals(const struct traffic *t, const struct traffic_total **out)
{
	*out = t->last.totals.items;
	return t->last.totals.len;
}
