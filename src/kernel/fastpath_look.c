/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fast path as it is, for those who are not its daemon: which interfaces have a program of ours. */
#include "kernel/fastpath_internal.h"
#include "kernel/fastpath_off.h"

static enum fastpath_mode mode_on(struct kernel *k, uint32_t ifindex)
{
	uint32_t id;

	if (fastpath_xdp_query(k, ifindex, &id, NULL) == 0 && id)
		return FASTPATH_XDP;
	if (fastpath_tc_query(k, ifindex, &id, NULL) == 0 && id)
		return FASTPATH_TC;
	return FASTPATH_OFF;
}

const struct fastpath_now *fastpath_look(struct kernel *k, struct arena *a, const struct plan *p)
{
	struct fastpath_now *now = arena_new_of(a, struct fastpath_now);

	now->off = fastpath_was_switched_off(k);
	VEC_EACH (&p->fastpaths, const struct plan_fastpath, f) {
		const struct net_link *l = netstate_link(p->seen, f->interface);
		enum fastpath_mode is = l ? mode_on(k, (uint32_t)l->index) : FASTPATH_OFF;

		*vec_add(a, &now->sides) =
			(struct fastpath_side){.interface = f->interface, .is = is, .why = ""};
	}
	return now;
}
