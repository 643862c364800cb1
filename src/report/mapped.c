/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mapped connections: which of the kernel's connections go through which map. */
#include "report/mapped.h"

#include <stdlib.h>

#include <linux/netfilter/nf_conntrack_common.h>

struct entry {
	uint8_t proto;
	uint16_t first, last;
	uint16_t reach; /* the last port of any entry up to this one, of its protocol */
	const struct plan_map *map;
};

struct mapped_index {
	const struct plan *plan;
	VEC(struct entry) entries; /* by protocol, then first port */
};

static int by_port(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

struct mapped_index *mapped_index(struct arena *a, const struct plan *p)
{
	struct mapped_index *x = arena_new_of(a, struct mapped_index);
	const struct map *last = NULL;

	x->plan = p;
	VEC_EACH (&p->maps, const struct plan_map, pm) {
		if (pm->map == last) /* one more backend of the same */
			continue;
		last = pm->map;
		VEC_EACH (&pm->map->listens, const struct listen, l)
			vec_push(a, &x->entries,
				((struct entry){l->proto, l->first, l->last, l->last, pm}));
	}
	if (x->entries.len)
		qsort(x->entries.items, x->entries.len, sizeof(struct entry), by_port);
	for (size_t i = 1; i < x->entries.len; i++) {
		struct entry *e = &x->entries.items[i];

		if (e->proto == e[-1].proto && e[-1].reach > e->reach)
			e->reach = e[-1].reach;
	}
	return x;
}

static bool has_address(const struct plan_uplink *u, const struct ip_addr *addr)
{
	VEC_EACH (&u->addrs, const struct ip_addr, it)
		if (ip_equal(it, addr))
			return true;
	VEC_EACH (&u->uplink->publics, const struct located_addr, it)
		if (ip_equal(&it->addr, addr))
			return true;
	return false;
}

/* Does the map listen at @dst of @u? An address that the uplink has lost since is still the map's. */
static bool listens_on(const struct map *m, const struct plan_uplink *u,
	const struct plan_uplink *home, const struct ip_addr *dst)
{
	if (home ? u != home : !has_address(u, dst))
		return false;
	VEC_EACH (&m->on, const struct map_on, on)
		if (on->uplink == u->uplink &&
			(on->addr.family == IP_NONE || ip_equal(&on->addr, dst)))
			return true;
	return m->on.len == 0;
}

/* @pm is the first backend's; find the one that the connection went to. */
static const struct plan_map *backend_of(
	const struct plan *p, const struct plan_map *pm, const struct net_flow *f)
{
	const struct plan_map *end = p->maps.items + p->maps.len;

	for (const struct plan_map *it = pm; it < end && it->map == pm->map; it++)
		if (ip_equal(&it->backend->addr, &f->reply.src))
			return it;
	return NULL;
}

static const struct plan_uplink *home_of(const struct plan *p, uint32_t mark)
{
	uint32_t number = mark & mark_number_mask(p->model->mark_mask);

	VEC_EACH (&p->uplinks, const struct plan_uplink, u)
		if (number && u->mark == number)
			return u;
	return NULL;
}

/* The map that listens there; of several that do, one that has the backend. */
static const struct plan_map *map_of(
	const struct mapped_index *x, const struct net_flow *f, const struct plan_uplink *home)
{
	size_t low = 0, high = x->entries.len;

	while (low < high) { /* the first entry behind all that begin at or before the port */
		size_t mid = low + (high - low) / 2;
		const struct entry *e = &x->entries.items[mid];

		if (e->proto < f->proto || (e->proto == f->proto && e->first <= f->original.dport))
			low = mid + 1;
		else
			high = mid;
	}
	for (; low > 0; low--) {
		const struct entry *e = &x->entries.items[low - 1];
		const struct plan_map *pm;

		if (e->proto != f->proto || e->reach < f->original.dport)
			break;
		pm = e->last >= f->original.dport ? backend_of(x->plan, e->map, f) : NULL;
		if (!pm)
			continue;
		VEC_EACH (&pm->uplinks, struct plan_uplink *, u)
			if (listens_on(pm->map, *u, home, &f->original.dst))
				return pm;
	}
	return NULL;
}

void mapped_find(const struct mapped_index *x, const struct net_flow *f, struct mapped_flow *out)
{
	*out = (struct mapped_flow){.flow = f,
		.home = home_of(x->plan, f->mark),
		.snat = !ip_equal(&f->reply.dst, &f->original.src)};
	out->map = map_of(x, f, out->home);
}

struct walk {
	const struct mapped_index *x;
	const struct fastpath_accounts *fast;
	void (*each)(const struct mapped_flow *f, void *data);
	void *data;
};

void mapped_add_bypassed(
	struct mapped_flow *f, struct flow_account *account, const struct fastpath_account parts[2])
{
	f->fast = true;
	for (int i = 0; i < 2; i++) {
		f->bypassed[i] = parts[i].packets;
		account->packets[i] += parts[i].packets;
		account->bytes[i] += parts[i].bytes;
	}
}

static void add_bypassed(
	struct mapped_flow *f, struct flow_account *account, const struct fastpath_accounts *fast)
{
	const struct flow_tuple *tuples[] = {&f->flow->original, &f->flow->reply};
	struct fastpath_account parts[2] = {0};

	/* Of one that has only begun nothing was bypassed: that was another's, of the same addresses. */
	for (int i = 0; i < 2 && f->flow->status & IPS_ASSURED; i++)
		fastpath_account_find(fast, f->flow->proto, tuples[i], &parts[i]);
	mapped_add_bypassed(f, account, parts);
}

static void on_flow(const struct net_flow *f, const struct flow_account *account, void *data)
{
	const struct walk *w = data;
	struct flow_account whole = *account;
	struct mapped_flow found;

	mapped_find(w->x, f, &found);
	if (w->fast)
		add_bypassed(&found, &whole, w->fast);
	found.account = &whole;
	w->each(&found, w->data);
}

int mapped_each(struct kernel *k, const struct mapped_index *x,
	const struct fastpath_accounts *fast, void (*each)(const struct mapped_flow *f, void *data),
	void *data, struct kernel_error *e)
{
	struct walk w = {x, fast, each, data};
	uint32_t ours = mark_ours_bit(x->plan->model->mark_mask);

	return kernel_conntrack_each(k, ours, ours, on_flow, &w, e);
}
