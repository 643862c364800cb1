/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What matters to the fast path, and how often it is told. */
#include "daemon/fastpath_matters.h"

#include <string.h>

static struct fastpath_neighbour *place_of(
	struct fastpath_neighbours *n, uint32_t interface, const struct ip_addr *addr)
{
	uint32_t hash = interface;

	for (unsigned int i = 0; i < ip_bytes(addr->family); i++)
		hash = (hash ^ addr->bytes[i]) * 0x01000193u; /* FNV-1 */
	return &n->places[(hash ^ hash >> 16) & (FASTPATH_NEIGHBOURS - 1)];
}

/* The kernel asks after each neighbour every half a minute: only another address is news, or its end. */
static bool neighbour_matters(struct fastpath_neighbours *n, const struct kernel_event *e)
{
	static const uint8_t unknown[sizeof(e->mac)];
	struct fastpath_neighbour *p;
	bool known;

	/* A bridge learns all the time behind which port somebody is, and sends frames there by itself. */
	if (e->addr.family == IP_NONE)
		return false;
	p = place_of(n, e->interface, &e->addr);
	known = p->interface == e->interface && ip_equal(&p->addr, &e->addr);

	if (e->gone || memcmp(e->mac, unknown, sizeof(unknown)) == 0) {
		if (known)
			p->interface = 0;
		/* No flow goes by one that was never found. */
		return known;
	}
	if (known && memcmp(p->mac, e->mac, sizeof(p->mac)) == 0)
		return false;
	p->interface = e->interface;
	p->addr = e->addr;
	memcpy(p->mac, e->mac, sizeof(p->mac));
	return true;
}

bool fastpath_event_matters(struct fastpath_neighbours *n, const struct kernel_event *e)
{
	if (e->what == EVENT_LOST)
		memset(n, 0, sizeof(*n));
	return e->what == EVENT_NEIGHBOUR ? neighbour_matters(n, e) : true;
}

uint64_t fastpath_tell_in(uint64_t told_ms, uint64_t now_ms)
{
	if (!told_ms || now_ms >= told_ms + FASTPATH_TELL_MS)
		return 0;
	return told_ms + FASTPATH_TELL_MS - now_ms;
}
