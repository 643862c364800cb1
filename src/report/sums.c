/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sums: connections added up. */
#include "report/sums.h"

#include <stdint.h>
#include <string.h>

#define FIRST_SLOTS 64u

/* Open addressing: a slot holds 1 + the place in the list, 0 is free. At most half are taken. */
struct sums_index {
	uint32_t *slots;
	size_t n;
	uint64_t *hashes; /* of the items, by place */
	size_t hashes_cap;
};

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
	return h;
}

static struct sums_index *index_new(struct arena *a)
{
	struct sums_index *x = arena_new_of(a, struct sums_index);

	x->n = FIRST_SLOTS;
	x->slots = arena_alloc(a, x->n * sizeof(*x->slots));
	return x;
}

static void take_slot(struct sums_index *x, uint64_t hash, size_t place)
{
	size_t at = hash & (x->n - 1);

	while (x->slots[at])
		at = (at + 1) & (x->n - 1);
	x->slots[at] = (uint32_t)place + 1;
}

/* Item number @place, which is the newest, has that hash. */
static void index_add(struct arena *a, struct sums_index *x, uint64_t hash, size_t place)
{
	if (place == x->hashes_cap) {
		size_t cap = place ? place * 2 : FIRST_SLOTS;

		x->hashes = arena_grow(
			a, x->hashes, place * sizeof(*x->hashes), cap * sizeof(*x->hashes));
		x->hashes_cap = cap;
	}
	x->hashes[place] = hash;
	if ((place + 1) * 2 > x->n) {
		x->n *= 2;
		x->slots = arena_alloc(a, x->n * sizeof(*x->slots));
		for (size_t i = 0; i < place; i++)
			take_slot(x, x->hashes[i], i);
	}
	take_slot(x, hash, place);
}

/* The next item with that hash, from slot *@at on (in: the hash at first); SIZE_MAX: none. */
static size_t index_next(const struct sums_index *x, uint64_t hash, size_t *at)
{
	for (; x->slots[*at & (x->n - 1)]; (*at)++) {
		size_t place = x->slots[*at & (x->n - 1)] - 1;

		if (x->hashes[place] == hash) {
			(*at)++;
			return place;
		}
	}
	return SIZE_MAX;
}

void sums_init(struct sums *s, struct arena *a)
{
	*s = (struct sums){.arena = a};
	s->pair_index = index_new(a);
	s->snat_index = index_new(a);
}

static struct sums_pair *pair_of(
	struct sums *s, const struct map *map, const struct plan_uplink *home)
{
	uint64_t hash = hash_bytes(hash_bytes(0, &map, sizeof(map)), &home, sizeof(home));
	size_t at = hash & (s->pair_index->n - 1), place;
	struct sums_pair *p;

	while ((place = index_next(s->pair_index, hash, &at)) != SIZE_MAX)
		if (s->pairs.items[place].map == map && s->pairs.items[place].home == home)
			return &s->pairs.items[place];
	p = vec_add(s->arena, &s->pairs);
	p->map = map;
	p->home = home;
	index_add(s->arena, s->pair_index, hash, s->pairs.len - 1);
	return p;
}

static struct sums_snat *snat_of(struct sums *s, const struct net_flow *f)
{
	uint64_t hash = hash_bytes(f->proto, &f->reply.src, sizeof(f->reply.src));
	size_t at, place;
	struct sums_snat *n;

	hash = hash_bytes(hash, &f->reply.dst, sizeof(f->reply.dst));
	hash = hash_bytes(hash, &f->reply.sport, sizeof(f->reply.sport));
	at = hash & (s->snat_index->n - 1);
	while ((place = index_next(s->snat_index, hash, &at)) != SIZE_MAX) {
		n = &s->snats.items[place];
		if (n->proto == f->proto && n->port == f->reply.sport &&
			ip_equal(&n->source, &f->reply.dst) && ip_equal(&n->backend, &f->reply.src))
			return n;
	}
	n = vec_add(s->arena, &s->snats);
	n->proto = f->proto;
	n->source = f->reply.dst;
	n->backend = f->reply.src;
	n->port = f->reply.sport;
	index_add(s->arena, s->snat_index, hash, s->snats.len - 1);
	return n;
}

void sums_add(struct sums *s, const struct mapped_flow *f)
{
	struct sums_pair *p = pair_of(s, f->map ? f->map->map : NULL, f->home);

	p->connections++;
	s->counted = s->counted || f->account->counted;
	for (int i = 0; i < 2; i++) {
		p->packets[i] += f->account->packets[i];
		p->bytes[i] += f->account->bytes[i];
	}
	if (f->snat)
		snat_of(s, f->flow)->connections++;
}
