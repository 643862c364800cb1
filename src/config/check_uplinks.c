/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Uplinks: each by itself, and whether those on one interface can be told apart. */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

bool uplink_may_have(const struct loader *l, const struct uplink *u, uint8_t family)
{
	size_t i = (size_t)(u - l->m->uplinks.items);

	return !l->addr_counts[i].total || l->uplink_broken[i] & BROKEN_ADDRESS ||
	       l->addr_counts[i].of[family == IP_V6];
}

static void warn_useless(
	struct loader *l, const struct uplink *u, struct span at, const char *what, uint8_t family)
{
	diag_warning(l->d, at, "an %s %s without use: uplink '%s' has no %s address",
		family_name(family), what, u->name, family_name(family));
	diag_note(l->d, u->addresses.items[0].at, "its addresses");
}

static void check_families(struct loader *l, const struct uplink *u)
{
	const struct uplink_gateway *gateways[] = {&u->gateway4, &u->gateway6};
	static const uint8_t families[] = {IP_V4, IP_V6};

	VEC_EACH (&u->publics, struct located_addr, p)
		if (!uplink_may_have(l, u, p->addr.family))
			warn_useless(l, u, p->at, "public address", p->addr.family);
	for (int i = 0; i < 2; i++) {
		const struct uplink_gateway *g = gateways[i];

		if (g->kind != GATEWAY_ADDRESS)
			continue;
		if (!uplink_may_have(l, u, families[i]))
			warn_useless(l, u, g->at, "gateway", families[i]);
		VEC_EACH (&u->addresses, struct located_addr, a) {
			if (!ip_equal(&a->addr, &g->addr))
				continue;
			diag_error(l->d, g->at,
				"the gateway of uplink '%s' is an address of its own", u->name);
			diag_note(l->d, a->at, "its address");
			diag_hint(l->d, "'gateway' is the provider's router; "
					"leave it out to use the system's default route");
		}
	}
}

/* ---- one interface, several uplinks ---- */

static int by_interface(const void *pa, const void *pb)
{
	const struct uplink *a = *(const struct uplink *const *)pa;
	const struct uplink *b = *(const struct uplink *const *)pb;
	int c = strcmp(a->interface, b->interface);

	return c ? c : a < b ? -1 : a > b;
}

static bool declares_none(const struct loader *l, const struct uplink *u)
{
	return !u->addresses.len && !(l->uplink_broken[u - l->m->uplinks.items] & BROKEN_ADDRESS);
}

/*
 * @group: @n uplinks of one interface, in file order. Destination addresses tell them apart, so
 * each must declare its own. Each that does not is reported once, a pair of them as one.
 */
static void check_shared_interface(struct loader *l, const struct uplink **group, size_t n)
{
	bool reported = false;

	for (size_t i = n; i-- > 0;) {
		const struct uplink *other = group[i ? 0 : 1];

		if (!declares_none(l, group[i]) || (i == 0 && reported))
			continue;
		diag_error(l->d, group[i]->interface_at,
			"uplinks '%s' and '%s' cannot be told apart: both are on %s",
			group[i]->name, other->name, group[i]->interface);
		diag_note(l->d, other->interface_at, "'%s' is on it too", other->name);
		diag_hint(l->d,
			"say which of the interface's addresses belong to each: address: ...");
		reported = true;
	}
}

static void check_shared_address(
	struct loader *l, const struct owned_addr *a, const struct owned_addr *b)
{
	const struct uplink *first = &l->m->uplinks.items[a->uplink];
	const struct uplink *second = &l->m->uplinks.items[b->uplink];
	char buf[IP_STRLEN];

	if (!first->interface || !second->interface ||
		strcmp(first->interface, second->interface) != 0)
		return; /* two modems that hand out the same address, say */
	diag_error(l->d, second->addresses.items[b->index].at,
		"uplinks '%s' and '%s' cannot be told apart: both have %s on %s", second->name,
		first->name, ip_format(&a->addr, buf), first->interface);
	diag_note(l->d, first->addresses.items[a->index].at, "'%s' has it here", first->name);
}

void check_uplinks(struct loader *l)
{
	struct model *m = l->m;
	const struct uplink **sorted =
		arena_alloc(l->scratch, m->uplinks.len * sizeof(const struct uplink *));
	size_t n = 0;

	VEC_EACH (&m->uplinks, struct uplink, u) {
		check_families(l, u);
		if (u->interface)
			sorted[n++] = u;
	}
	qsort(sorted, n, sizeof(*sorted), by_interface);
	for (size_t first = 0, last; first < n; first = last) {
		last = first + 1;
		while (last < n && strcmp(sorted[last]->interface, sorted[first]->interface) == 0)
			last++;
		if (last - first > 1)
			check_shared_interface(l, sorted + first, last - first);
	}
	for (size_t i = 1; i < l->addresses.len; i++)
		if (ip_equal(&l->addresses.items[i - 1].addr, &l->addresses.items[i].addr))
			check_shared_address(l, &l->addresses.items[i - 1], &l->addresses.items[i]);
}
