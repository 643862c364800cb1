/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judge existing connections: which of them would the plan treat otherwise? */
#include <linux/netfilter/nf_conntrack_common.h>

#include "plan/internal.h"

static const struct plan_uplink *home_of(const struct plan *p, uint32_t number)
{
	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		if (u->mark == number)
			return u;
	return NULL;
}

/* Is the source that the backend sees one that the plan gives? */
static bool source_fits(
	const struct plan *p, const struct flow *f, const struct ip_addr *backend, uint16_t port)
{
	const struct plan_map *pm = plan_source_of(p, f->proto, backend, port);
	bool from_outside = (f->mark & mark_number_mask(p->model->mark_mask)) != 0;
	bool hidden = !ip_equal(&f->reply.dst, &f->original.src);

	if (!pm) /* the backend is the gateway itself */
		return !hidden;
	/* What is measured is for new connections: those that there are keep what they began with. */
	if (pm->map->return_mode == RETURN_AUTO)
		return !hidden || ip_equal(&f->reply.dst, &pm->hairpin);
	/* Whether a hairpin is hidden depends on interfaces, which conntrack does not keep; both are
	 * right. */
	if (pm->return_mode == RETURN_DIRECT)
		return !hidden || (!from_outside && ip_equal(&f->reply.dst, &pm->hairpin));
	VEC_EACH (&pm->snat, struct ip_addr, s)
		if (ip_equal(s, &f->reply.dst))
			return true;
	return false;
}

/* Of several backends, a connection may be with any that gets new ones, and with one that is out if its
 * connections are kept. */
static bool door_fits(const struct plan_door *door, const struct flow *f, struct lead *lead)
{
	const struct map *m = door->maps->map;

	for (size_t i = 0; i < m->backends.len; i++) {
		const struct plan_map *pm = &door->maps[i];

		lead->backend = pm->backend->addr;
		lead->port = backend_port_for(pm->backend, door->listen, f->original.dport);
		if (ip_equal(&lead->backend, &f->reply.src) && lead->port == f->reply.sport)
			return m->when_down == WHEN_DOWN_KEEP || !plan_is_out(door->maps, pm);
	}
	return false;
}

enum flow_verdict plan_judge_flow(const struct plan *p, const struct flow *f, struct span *at)
{
	uint32_t mask = p->model->mark_mask;
	uint32_t number = f->mark & mark_number_mask(mask);
	bool ours = f->mark & mark_ours_bit(mask);
	struct lead lead = plan_lead(p, f);

	if (at)
		*at = lead.at;
	switch (lead.where) {
	case LEAD_NOWHERE:
		return ours ? FLOW_CONTRADICTED : FLOW_UNTOUCHED;
	case LEAD_DROPPED:
		return FLOW_CONTRADICTED;
	case LEAD_DOOR:
		if (!door_fits(lead.door, f, &lead))
			return FLOW_CONTRADICTED;
		break;
	case LEAD_BACKEND:
		break;
	}
	if (!ip_equal(&lead.backend, &f->reply.src) || lead.port != f->reply.sport)
		return FLOW_CONTRADICTED;
	/* Another tool already leads it to the same place: leave it to that tool until it ends. */
	if (!ours)
		return FLOW_UNTOUCHED;
	if (number && !home_of(p, number))
		return FLOW_CONTRADICTED;
	return source_fits(p, f, &lead.backend, lead.port) ? FLOW_UNTOUCHED : FLOW_CONTRADICTED;
}
