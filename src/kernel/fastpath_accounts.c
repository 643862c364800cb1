/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fast path's accounts: what was bypassed of each connection.
 *
 * Theory of operation. A flow in the cache counts by itself, and now and then what it counted is settled in
 * the account of its addresses. So the cache is looked through once, to know which flows have which
 * addresses, and an account is only read when it is asked for: there are many of connections that are gone.
 * What is settled just then must be counted neither twice nor not at all, so the flow is looked at before
 * and after, and all of it again if it did not merely go on.
 */
#include "kernel/fastpath_internal.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/places.h"

#define LIMIT_LOOKS 8 /* at a flow that is settled whenever one looks */

static uint64_t hash_of(const struct fp_account_key *key)
{
	uint64_t words[sizeof(*key) / 8], h = 0;

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		h = (h ^ h >> 32 ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32; /* slots go by the low bits */
}
_Static_assert(sizeof(struct fp_account_key) % 8 == 0, "no rest");

static struct fp_account_key key_of(const struct fastpath_cell *c)
{
	const union fp_key *from = c->key;
	struct fp_account_key k = {.family = c->v6 ? 6 : 4,
		.sport = c->v6 ? from->v6.sport : from->v4.sport,
		.dport = c->v6 ? from->v6.dport : from->v4.dport,
		.proto = (uint8_t)(c->v6 ? from->v6.in : from->v4.in)};

	if (c->v6) {
		memcpy(k.src, from->v6.src, sizeof(k.src));
		memcpy(k.dst, from->v6.dst, sizeof(k.dst));
	} else {
		k.src[0] = from->v4.src;
		k.dst[0] = from->v4.dst;
	}
	return k;
}

struct finding {
	struct arena *arena;
	struct fastpath_accounts *out;
};

static void add_cell(const struct fastpath_cell *c, void *data)
{
	struct finding *f = data;
	struct fp_account_key key = key_of(c);

	vec_push(f->arena, &f->out->cells, *c);
	places_add(f->out->places, hash_of(&key), f->out->cells.len - 1);
}

void fastpath_read_accounts(
	const struct fastpath *f, struct arena *a, struct fastpath_accounts *out)
{
	struct finding finding = {a, out};

	*out = (struct fastpath_accounts){.path = f, .places = places_new(a)};
	fastpath_each_flow(f, add_cell, &finding);
}

/* What the flows of some addresses have that is not settled, on all CPUs. */
struct look {
	uint64_t packets, bytes;
	uint64_t proofs; /* another number: they were proved anew, which settles */
};

static struct look look_at(
	const struct fastpath_accounts *all, const struct fp_account_key *key, uint64_t hash)
{
	struct look l = {0};
	size_t at = hash, place;

	while ((place = places_next(all->places, hash, &at)) != PLACES_NONE) {
		const struct fastpath_cell *c = &all->cells.items[place];
		struct fp_account_key now = key_of(c); /* it may have become another's */
		struct fp_how how = *c->how;

		if (!how.out || memcmp(&now, key, sizeof(now)) != 0)
			continue;
		l.packets += how.packets;
		l.bytes += how.bytes;
		l.proofs = (l.proofs + how.proved) * UINT64_C(0x100000001b3) + how.stamp;
		l.proofs = (l.proofs + how.sent) * UINT64_C(0x100000001b3);
	}
	return l;
}

static bool only_went_on(const struct look *before, const struct look *after)
{
	return after->proofs == before->proofs && after->packets >= before->packets &&
	       after->bytes >= before->bytes;
}

bool fastpath_account_find(const struct fastpath_accounts *all, uint8_t proto,
	const struct flow_tuple *t, struct fastpath_account *out)
{
	int fd = bpf_map__fd(all->path->base->maps.accounts);
	struct fp_account_key key = {.family = t->src.family == IP_V6 ? 6 : 4,
		.proto = proto,
		.sport = htons(t->sport),
		.dport = htons(t->dport)};
	struct look before, after;
	uint64_t hash;

	memcpy(key.src, t->src.bytes, ip_bytes(t->src.family));
	memcpy(key.dst, t->dst.bytes, ip_bytes(t->dst.family));
	hash = hash_of(&key);
	after = look_at(all, &key, hash);
	for (int i = 0; i < LIMIT_LOOKS; i++) {
		struct fp_account settled = {0};

		before = after;
		bpf_map_lookup_elem(fd, &key, &settled);
		*out = (struct fastpath_account){
			settled.packets + before.packets, settled.bytes + before.bytes};
		after = look_at(all, &key, hash);
		if (only_went_on(&before, &after))
			break;
	}
	return out->packets != 0;
}
