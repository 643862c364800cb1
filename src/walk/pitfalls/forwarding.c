/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds inside interfaces whose hosts cannot use the maps, because nothing is forwarded from there
 * (pitfall 20). */
#include <string.h>

#include "walk/pitfalls/inquiry.h"

#define SCOPE_GLOBAL 0 /* RT_SCOPE_UNIVERSE */

static bool is_uplink(const struct plan *p, const char *interface)
{
	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		if (strcmp(u->uplink->interface, interface) == 0)
			return true;
	}
	return false;
}

static bool has_maps(const struct plan *p, uint8_t family)
{
	VEC_EACH (&p->maps, struct plan_map, m) {
		if (map_family(m->map) == family)
			return true;
	}
	return false;
}

void pitfall_forwarding(struct inquiry *q)
{
	const struct netstate *seen = q->seen;
	bool maps = has_maps(q->plan, IP_V4);

	for (size_t i = 0; maps && i < seen->addrs.len; i++) {
		const struct net_addr *a = &seen->addrs.items[i];
		const struct net_link *l = netstate_link(seen, a->interface);
		struct finding *f;
		const char *key;

		/* One finding per interface: at its first address. */
		if (a->addr.family != IP_V4 || a->secondary || a->scope != SCOPE_GLOBAL || !l ||
			!l->up || l->loopback || is_uplink(q->plan, a->interface))
			continue;
		key = netstate_conf_key(q->arena, IP_V4, a->interface, "forwarding");
		if (netstate_sysctl_int(&q->then, key, 1) != 0)
			continue;
		f = finding_add(q, "inside-not-forwarded", 20, DIAG_INFO, false);
		f->title =
			arena_printf(q->arena, "hosts behind %s cannot use the maps", a->interface);
		f->evidence = arena_printf(q->arena, "%s = 0, and no map leads there", key);
		f->consequence = "what they send is not forwarded; the maps work for everyone else";
		finding_remedy(q, f, "sysctl -w %s=1", key);
		f->advice = "only if they are meant to: it opens the way from there to everywhere";
	}
}
