/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan as a whole, and what it must remember. */
#include <stdlib.h>

#include "plan/internal.h"

/* Numbers of all uplinks ever seen here, and the first value of every sysctl that is wanted. */
static void make_memory(struct arena *a, struct plan *p, const struct memory *old)
{
	p->memory.mark_mask = p->model->mark_mask;
	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		*vec_add(a, &p->memory.numbers) =
			(struct memory_number){.uplink = u->uplink->name, .number = u->number};
	VEC_EACH (&old->numbers, struct memory_number, n) {
		bool known = false;

		VEC_EACH (&p->memory.numbers, struct memory_number, have)
			if (have->number == n->number || strcmp(have->uplink, n->uplink) == 0)
				known = true;
		if (!known)
			vec_push(a, &p->memory.numbers, *n);
	}
	VEC_EACH (&p->want.sysctls, struct net_sysctl, s) {
		const char *value = netstate_sysctl(p->seen, s->key);

		VEC_EACH (&old->sysctls, struct memory_sysctl, m)
			if (strcmp(m->key, s->key) == 0)
				value = m->value;
		if (value)
			*vec_add(a, &p->memory.sysctls) =
				(struct memory_sysctl){.key = s->key, .value = value};
	}
}

static void check_limits(const struct plan *p, struct diag *d)
{
	if (p->tables->spreads.chains.len > LIMIT_SPREADS) {
		diag_error(d, NOWHERE,
			"this config shares connections among %zu different sets of backends; the "
			"limit is %u",
			p->tables->spreads.chains.len, LIMIT_SPREADS);
		diag_hint(d, "maps with the same backends, weights and balance count once");
	}
	if (p->elements <= LIMIT_ELEMENTS)
		return;
	diag_error(d, NOWHERE, "this config needs %zu kernel map elements; the limit is %u",
		p->elements, LIMIT_ELEMENTS);
	diag_hint(d, "each port counts once per uplink address; a range that keeps its ports "
		     "counts once, a shifted one once per port");
}

struct plan *plan_make(struct arena *a, const struct model *m, const struct netstate *seen,
	const struct memory *memory, struct diag *d)
{
	struct plan *p = arena_new_of(a, struct plan);
	size_t errors = d->errors;

	p->model = m;
	p->seen = seen;
	p->running = memory->running;
	plan_settle_uplinks(a, p, memory, d);
	if (d->errors != errors)
		return NULL;
	plan_settle_maps(a, p, memory, d);
	if (d->errors != errors)
		return NULL;
	plan_make_fastpaths(a, p, d);
	plan_make_routes(a, p);
	plan_make_sysctls(a, p, memory);
	make_memory(a, p, memory);
	plan_make_table(a, p);
	check_limits(p, d);
	return d->errors == errors ? p : NULL;
}
