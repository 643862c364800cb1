/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sums: connections added up. */
#include "report/sums.h"

#include "base/places.h"

void sums_init(struct sums *s, struct arena *a)
{
	*s = (struct sums){.arena = a};
	s->pair_index = places_new(a);
	s->snat_index = places_new(a);
}

static struct sums_pair *pair_of(
	struct sums *s, const struct map *map, const struct plan_uplink *home)
{
	uint64_t hash = places_hash(places_hash(0, &map, sizeof(map)), &home, sizeof(home));
	size_t at = hash, place;
	struct sums_pair *p;

	while ((place = places_next(s->pair_index, hash, &at)) != PLACES_NONE)
		if (s->pairs.items[place].map == map && s->pairs.items[place].home == home)
			return &s->pairs.items[place];
	p = vec_add(s->arena, &s->pairs);
	p->map = map;
	p->home = home;
	places_add(s->pair_index, hash, s->pairs.len - 1);
	return p;
}

static struct sums_snat *snat_of(struct sums *s, const struct net_flow *f)
{
	uint64_t hash = places_hash(f->proto, &f->reply.src, sizeof(f->reply.src));
	size_t at, place;
	struct sums_snat *n;

	hash = places_hash(hash, &f->reply.dst, sizeof(f->reply.dst));
	hash = places_hash(hash, &f->reply.sport, sizeof(f->reply.sport));
	at = hash;
	while ((place = places_next(s->snat_index, hash, &at)) != PLACES_NONE) {
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
	places_add(s->snat_index, hash, s->snats.len - 1);
	return n;
}

void sums_add(struct sums *s, const struct mapped_flow *f)
{
	struct sums_pair *p = pair_of(s, f->map ? f->map->map : NULL, f->home);

	p->connections++;
	p->begun += f->begun;
	s->counted = s->counted || f->account->counted;
	for (int i = 0; i < 2; i++) {
		p->packets[i] += f->account->packets[i];
		p->bytes[i] += f->account->bytes[i];
	}
	if (f->snat)
		snat_of(s, f->flow)->connections++;
}
