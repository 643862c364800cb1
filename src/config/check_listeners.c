/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who listens where: no two maps may take the same packet.
 *
 * Theory of operation. Every enabled map is spread into records, one for each of its listeners at
 * each place where it listens. A place is one address of an uplink, or the whole of an uplink that
 * declares no addresses, or an address that no uplink declares. Two records clash if they have the
 * same place, family and protocol, their ports overlap, and so do their `from` lists (no list means
 * everyone). Records are sorted by place, family, protocol and first port; in one pass over a
 * place it is enough to compare each record with the one that reaches furthest so far.
 *
 * Records with a `from` list may overlap in ports and still not clash. Where some do overlap, that
 * cluster is compared prefix by prefix: prefixes nest or are disjoint, so with those sorted, an
 * overlapping one is always on the stack of prefixes around the present one. Each level of that
 * stack knows its port ranges in order, with the furthest end so far.
 *
 * All of it is O(n log n). A listener is reported once at most. One that was reported is out, and
 * the rest is looked at again, since it may have stood before another clash: so the first in the
 * file keeps a port, and the user hears of all the others in one run.
 */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

/* More prefixes than this in clusters are not compared: the file is refused. */
#define LIMIT_COMPARED ((size_t)16 << 20)
/* Rounds after which the last clashes of a file that is wrong all over wait for the next run. */
#define LIMIT_ROUNDS 8

struct listener {
	uint32_t map, index; /* of model.maps, and of its listens */
	bool reported;
};

struct record {
	uint64_t key; /* place, family and protocol, first port: see record_key() */
	uint32_t listener;
	uint16_t last;
	uint16_t on; /* index of the entry of `on`, or more than fits */
};

struct clash_check {
	struct loader *l;
	VEC(struct listener) listeners;
	VEC(struct record) records;
	uint32_t *place_of_uplink; /* the first place of each uplink; its addresses follow */
	uint32_t places;	   /* of uplinks */
	struct ip_addr
		*undeclared; /* addresses in `on` that no uplink declares: sorted places, too */
	size_t n_undeclared, compared, reports;
};

/* ---- records ---- */

static uint64_t record_key(uint32_t place, uint8_t family, const struct listen *listen)
{
	uint64_t proto = listen->proto == PROTO_TCP ? 0 : listen->proto == PROTO_UDP ? 1 : 2;

	return (uint64_t)place << 19 | (uint64_t)(family == IP_V6) << 18 | proto << 16 |
	       listen->first;
}

static uint16_t record_first(const struct record *r)
{
	return (uint16_t)r->key;
}

static uint64_t record_group(const struct record *r)
{
	return r->key >> 16;
}

/* What the records of one listener, for one entry of `on`, have in common. */
struct source {
	const struct map *map;
	const struct listen *listen;
	uint32_t listener;
	size_t on;
};

static void add_record(struct clash_check *c, const struct source *s, uint32_t place)
{
	struct record *r = vec_add(c->l->scratch, &c->records);

	r->key = record_key(place, map_family(s->map), s->listen);
	r->listener = s->listener;
	r->last = s->listen->last;
	r->on = s->on < UINT16_MAX ? (uint16_t)s->on : UINT16_MAX;
}

static void add_uplink(struct clash_check *c, const struct source *s, size_t uplink)
{
	const struct uplink *u = &c->l->m->uplinks.items[uplink];
	uint32_t place = c->place_of_uplink[uplink];

	if (!u->addresses.len)
		add_record(c, s, place);
	for (uint32_t i = 0; i < u->addresses.len; i++)
		if (u->addresses.items[i].addr.family == map_family(s->map))
			add_record(c, s, place + i);
}

static int by_addr(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static void add_address(struct clash_check *c, const struct source *s, const struct ip_addr *addr)
{
	const struct owned_addr *owner = NULL;

	if (addr_index_find(&c->l->addresses, addr, &owner)) {
		add_record(c, s, c->place_of_uplink[owner->uplink] + owner->index);
	} else {
		const struct ip_addr *found =
			bsearch(addr, c->undeclared, c->n_undeclared, sizeof(*addr), by_addr);

		add_record(c, s, c->places + (uint32_t)(found - c->undeclared));
	}
}

static void add_everywhere(struct clash_check *c, const struct source *s)
{
	for (size_t u = 0; u < c->l->m->uplinks.len; u++)
		add_uplink(c, s, u);
	/* whichever uplink has such an address, this map listens there */
	for (uint32_t k = 0; k < c->n_undeclared; k++)
		if (c->undeclared[k].family == map_family(s->map))
			add_record(c, s, c->places + k);
}

static void add_map(struct clash_check *c, uint32_t index)
{
	const struct map *map = &c->l->m->maps.items[index];

	for (uint32_t i = 0; i < map->listens.len; i++) {
		struct source s = {map, &map->listens.items[i], (uint32_t)c->listeners.len, 0};

		vec_push(c->l->scratch, &c->listeners,
			((struct listener){.map = index, .index = i}));
		if (!map->on.len)
			add_everywhere(c, &s);
		for (; s.on < map->on.len; s.on++) {
			const struct map_on *on = &map->on.items[s.on];

			if (on->addr.family == IP_NONE)
				add_uplink(c, &s, (size_t)(on->uplink - c->l->m->uplinks.items));
			else
				add_address(c, &s, &on->addr);
		}
	}
}

static bool takes_part(const struct loader *l, size_t map)
{
	const struct map *m = &l->m->maps.items[map];

	if (l->map_broken[map] & BROKEN_ON && !m->on.len)
		return false;
	return m->enabled && !(l->map_broken[map] & BROKEN_TARGET);
}

static void find_places(struct clash_check *c)
{
	const struct model *m = c->l->m;
	VEC(struct ip_addr) undeclared = {0};
	const struct owned_addr *owner = NULL;

	c->place_of_uplink =
		arena_alloc(c->l->scratch, m->uplinks.len * sizeof(*c->place_of_uplink));
	for (size_t i = 0; i < m->uplinks.len; i++) {
		size_t n = m->uplinks.items[i].addresses.len;

		c->place_of_uplink[i] = c->places;
		c->places += n ? (uint32_t)n : 1;
	}
	for (size_t i = 0; i < m->maps.len; i++)
		if (takes_part(c->l, i))
			VEC_EACH (&m->maps.items[i].on, struct map_on, on)
				if (on->addr.family != IP_NONE &&
					!addr_index_find(&c->l->addresses, &on->addr, &owner))
					vec_push(c->l->scratch, &undeclared, on->addr);
	if (undeclared.len)
		qsort(undeclared.items, undeclared.len, sizeof(*undeclared.items), by_addr);
	for (size_t i = 0; i < undeclared.len; i++)
		if (!i || !ip_equal(&undeclared.items[i], &undeclared.items[c->n_undeclared - 1]))
			undeclared.items[c->n_undeclared++] = undeclared.items[i];
	c->undeclared = undeclared.items;
}

/*
 * Sort by key, keeping the order of the file among equals: radix sort by those bytes of the key in
 * which records differ (two or three of them, most often).
 */
static void sort_records(struct clash_check *c)
{
	size_t n = c->records.len;
	struct record *from = c->records.items, *to = arena_alloc(c->l->scratch, n * sizeof(*to));
	uint64_t differing = 0;

	for (size_t i = 1; i < n; i++)
		differing |= from[i].key ^ from[0].key;
	for (unsigned int shift = 0; shift < 64; shift += 8) {
		size_t starts[257] = {0};
		struct record *swap = from;

		if (!(differing >> shift & 0xff))
			continue;
		for (size_t i = 0; i < n; i++)
			starts[(from[i].key >> shift & 0xff) + 1]++;
		for (int i = 0; i < 256; i++)
			starts[i + 1] += starts[i];
		for (size_t i = 0; i < n; i++)
			to[starts[from[i].key >> shift & 0xff]++] = from[i];
		from = to;
		to = swap;
	}
	c->records.items = from;
}

/* ---- reports ---- */

/* " on 'telecom'" or " on 1.1.1.1", for the place of @r; "" unless @on: everywhere. */
static const char *place_text(struct clash_check *c, const struct record *r, bool on)
{
	const struct model *m = c->l->m;
	uint32_t place = (uint32_t)(r->key >> 19);
	char buf[IP_STRLEN];
	size_t low = 0, high = m->uplinks.len;
	const struct uplink *u;

	if (!on)
		return "";
	if (place >= c->places)
		return arena_printf(
			c->l->scratch, " on %s", ip_format(&c->undeclared[place - c->places], buf));
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (c->place_of_uplink[mid] <= place)
			low = mid;
		else
			high = mid;
	}
	u = &m->uplinks.items[low];
	if (u->addresses.len > 1)
		return arena_printf(c->l->scratch, " on %s of '%s'",
			ip_format(&u->addresses.items[place - c->place_of_uplink[low]].addr, buf),
			u->name);
	return arena_printf(c->l->scratch, " on '%s'", u->name);
}

static void report_at(struct clash_check *c, const struct record *here, const struct record *there,
	const struct listener *at, const struct listener *other)
{
	const struct map *map = &c->l->m->maps.items[at->map],
			 *first = &c->l->m->maps.items[other->map];
	const struct listen *listen = &map->listens.items[at->index];
	const struct listen *first_listen = &first->listens.items[other->index];
	bool same = listen->first == first_listen->first && listen->last == first_listen->last;

	if (at == other) { /* one listener, so it is `on` that names the place twice */
		const struct map_on *on = map->on.items;

		diag_error(c->l->d, on[here->on > there->on ? here->on : there->on].at,
			"'on' of map '%s' names a place twice:%s", map->name,
			place_text(c, here, true));
		diag_note(
			c->l->d, on[here->on < there->on ? here->on : there->on].at, "first here");
		return;
	}
	diag_error(c->l->d, listen->at, "%s%s is already mapped%s", listen_text(c->l, listen),
		place_text(c, here, map->on.len || first->on.len), same ? "" : " in part");
	diag_note(c->l->d, first_listen->at, "by map '%s', here%s%s", first->name, same ? "" : ": ",
		same ? "" : listen_text(c->l, first_listen));
	if (map->from.len && first->from.len)
		diag_hint(c->l->d,
			"their 'from' lists overlap; maps with disjoint lists can share a port");
}

/* The later one in the file is at fault. */
static void report(struct clash_check *c, const struct record *a, const struct record *b)
{
	const struct record *here = a->listener > b->listener ? a : b, *there = here == a ? b : a;
	struct listener *at = &c->listeners.items[here->listener];

	if (at->reported)
		return;
	at->reported = true;
	c->reports++;
	report_at(c, here, there, at, &c->listeners.items[there->listener]);
}

/* ---- clusters of records with `from` lists ---- */

struct entry {
	struct ip_prefix prefix;
	const struct record *record;
	/* among those with this prefix so far: the furthest end, and whose it is */
	uint16_t reach;
	uint32_t reach_by; /* index of the entry */
};

static int by_prefix_and_port(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int c = ip_cmp(&a->prefix.addr, &b->prefix.addr);

	if (c)
		return c;
	if (a->prefix.len != b->prefix.len)
		return a->prefix.len < b->prefix.len ? -1 : 1;
	if (record_first(a->record) != record_first(b->record))
		return record_first(a->record) < record_first(b->record) ? -1 : 1;
	return (a->record->listener > b->record->listener) -
	       (a->record->listener < b->record->listener);
}

/* Entries [start, end) have one prefix and are in order: the one that overlaps @e, or NULL. */
static const struct entry *find_overlap(
	const struct entry *entries, size_t start, size_t end, const struct entry *e)
{
	size_t low = start, high = end;

	/* the last one that begins before @e ends */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (record_first(entries[mid].record) <= e->record->last)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == start || entries[low - 1].reach < record_first(e->record))
		return NULL;
	return &entries[entries[low - 1].reach_by];
}

static void compare_entries(struct clash_check *c, struct entry *entries, size_t n)
{
	/* levels of nesting around the present prefix; each is a stretch of entries */
	struct {
		size_t start, end;
	} stack[129];
	size_t depth = 0;

	for (size_t i = 0; i < n; i++) {
		struct entry *e = &entries[i];
		const struct entry *top;

		while (depth &&
			!ip_in_prefix(&e->prefix.addr, &entries[stack[depth - 1].start].prefix))
			depth--;
		top = depth ? &entries[stack[depth - 1].start] : NULL;
		if (!top || !ip_prefix_equal(&top->prefix, &e->prefix))
			stack[depth++].start = i;
		for (size_t d = 0; d < depth; d++) {
			size_t end = d + 1 < depth ? stack[d].end : i;
			const struct entry *other = find_overlap(entries, stack[d].start, end, e);

			if (other)
				report(c, e->record, other->record);
		}
		stack[depth - 1].end = i + 1;
		e->reach = e->record->last;
		e->reach_by = (uint32_t)i;
		if (i > stack[depth - 1].start && entries[i - 1].reach > e->reach) {
			e->reach = entries[i - 1].reach;
			e->reach_by = entries[i - 1].reach_by;
		}
	}
}

/* @records: @n of one place, all with `from`, whose ports overlap in a chain. */
static void compare_cluster(struct clash_check *c, const struct record *const *records, size_t n)
{
	struct arena *scratch;
	struct entry *entries;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < n; i++)
		total += c->l->m->maps.items[c->listeners.items[records[i]->listener].map].from.len;
	c->compared += total;
	if (c->compared > LIMIT_COMPARED)
		return;
	scratch = arena_new();
	entries = arena_alloc(scratch, total * sizeof(*entries));
	for (size_t i = 0; i < n; i++) {
		const struct map *map =
			&c->l->m->maps.items[c->listeners.items[records[i]->listener].map];

		VEC_EACH (&map->from, struct located_prefix, p)
			entries[at++] = (struct entry){.prefix = p->prefix, .record = records[i]};
	}
	qsort(entries, total, sizeof(*entries), by_prefix_and_port);
	compare_entries(c, entries, total);
	arena_free(scratch);
}

/* ---- one place ---- */

static bool has_from(const struct clash_check *c, const struct record *r)
{
	return c->l->m->maps.items[c->listeners.items[r->listener].map].from.len > 0;
}

static bool reported(const struct clash_check *c, const struct record *r)
{
	return c->listeners.items[r->listener].reported;
}

/* Does @r, which begins later, overlap @reaching, if that is still in? */
static bool overlaps(
	const struct clash_check *c, const struct record *reaching, const struct record *r)
{
	return reaching && reaching->last >= record_first(r) && !reported(c, reaching);
}

/* @r: @n records of one place, family and protocol, by first port. */
static void check_group(struct clash_check *c, const struct record *r, size_t n)
{
	const struct record *everyone = NULL; /* reaches furthest among those without `from` */
	const struct record *listed = NULL;   /* and among those with one */
	VEC(const struct record *) cluster = {0};

	for (size_t i = 0; i < n; i++, r++) {
		bool from = has_from(c, r);

		if (reported(c, r))
			continue;
		if (overlaps(c, everyone, r))
			report(c, everyone, r);
		if (!from) {
			if (overlaps(c, listed, r))
				report(c, listed, r);
			if (!everyone || reported(c, everyone) || r->last > everyone->last)
				everyone = r;
			continue;
		}
		if (!listed || listed->last < record_first(r)) {
			if (cluster.len > 1)
				compare_cluster(c, cluster.items, cluster.len);
			cluster.len = 0;
			listed = NULL;
		}
		vec_push(c->l->scratch, &cluster, r);
		if (!listed || r->last > listed->last)
			listed = r;
	}
	if (cluster.len > 1)
		compare_cluster(c, cluster.items, cluster.len);
}

static void check_round(struct clash_check *c)
{
	const struct record *r = c->records.items;

	for (size_t i = 0, end; i < c->records.len; i = end) {
		end = i + 1;
		while (end < c->records.len && record_group(&r[end]) == record_group(&r[i]))
			end++;
		if (end - i > 1)
			check_group(c, r + i, end - i);
	}
}

void check_listeners(struct loader *l)
{
	struct clash_check c = {.l = l};
	size_t before;
	int rounds = 0;

	find_places(&c);
	for (uint32_t i = 0; i < l->m->maps.len; i++)
		if (takes_part(l, i))
			add_map(&c, i);
	if (c.records.len < 2)
		return;
	sort_records(&c);
	do {
		before = c.reports;
		c.compared = 0;
		check_round(&c);
	} while (c.reports > before && c.compared <= LIMIT_COMPARED && ++rounds < LIMIT_ROUNDS);
	if (c.compared > LIMIT_COMPARED)
		diag_error(l->d, NOWHERE,
			"the 'from' lists of maps that share ports have more than %zu entries "
			"together",
			LIMIT_COMPARED);
}
