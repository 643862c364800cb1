/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fast path: on which interfaces packets may take it. */
#include "plan/internal.h"

static enum fastpath_mode mode_of(const struct model *m, const char *interface)
{
	VEC_EACH (&m->fastpaths, struct fastpath_of, f)
		if (strcmp(f->interface, interface) == 0)
			return f->mode;
	return m->fastpath;
}

static bool is_in(const struct plan *p, const char *interface)
{
	VEC_EACH (&p->fastpaths, struct plan_fastpath, f)
		if (strcmp(f->interface, interface) == 0)
			return true;
	return false;
}

static void add(struct arena *a, struct plan *p, const char *interface)
{
	const struct net_link *l = netstate_link(p->seen, interface);

	if ((l && l->loopback) || is_in(p, interface))
		return;
	*vec_add(a, &p->fastpaths) = (struct plan_fastpath){
		.interface = interface, .mode = mode_of(p->model, interface)};
}

static void note_ip6(struct plan *p, const char *interface)
{
	VEC_EACH (&p->fastpaths, struct plan_fastpath, f)
		if (strcmp(f->interface, interface) == 0)
			f->ip6 = true;
}

/* Which interfaces do packets of IPv6 maps use? */
static void note_all_ip6(struct plan *p)
{
	VEC_EACH (&p->maps, struct plan_map, m) {
		if (map_family(m->map) != IP_V6)
			continue;
		if (m->interface)
			note_ip6(p, m->interface);
		VEC_EACH (&m->uplinks, struct plan_uplink *, u)
			note_ip6(p, (*u)->uplink->interface);
	}
}

static void drop_those_off(struct plan *p)
{
	size_t n = 0;

	VEC_EACH (&p->fastpaths, struct plan_fastpath, f)
		if (f->mode != FASTPATH_OFF)
			p->fastpaths.items[n++] = *f;
	p->fastpaths.len = n;
}

/* An interface may be named that packets of maps do not use: a slip, or one that is yet to come. */
static void warn_unused(struct arena *a, const struct plan *p, struct diag *d)
{
	const char **names = arena_alloc(a, p->fastpaths.len * sizeof(*names));
	const char *near;
	size_t n = 0;

	VEC_EACH (&p->fastpaths, struct plan_fastpath, f)
		names[n++] = f->interface;
	VEC_EACH (&p->model->fastpaths, const struct fastpath_of, f) {
		if (f->mode == FASTPATH_OFF || is_in(p, f->interface))
			continue;
		diag_warning(d, f->at,
			"fastpath: packets of maps do not use %s: no uplink is on it, and no "
			"backend is reached by it",
			f->interface);
		near = diag_nearest(f->interface, names, n);
		if (near)
			diag_hint(d, "did you mean '%s'?", near);
	}
}

void plan_make_fastpaths(struct arena *a, struct plan *p, struct diag *d)
{
	const char *last = NULL;

	if (p->model->fastpath == FASTPATH_OFF && !p->model->fastpaths.len)
		return;
	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		add(a, p, u->uplink->interface);
	VEC_EACH (&p->maps, struct plan_map, m) {
		if (m->interface && m->interface != last)
			add(a, p, m->interface);
		last = m->interface;
	}
	warn_unused(a, p, d);
	drop_those_off(p);
	note_all_ip6(p);
}
