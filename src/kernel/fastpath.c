/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fast path: what the kernel can do, which interface gets which program, and what the programs are told.
 *
 * Theory of operation. One object, `base`, is loaded without programs and holds the maps. Each interface
 * gets an object of its own over the same maps, with its index and address as constants: a packet then
 * costs no look-up of where it is. An interface that comes again, or another mark, gets new programs, put
 * in the place of the old ones in one step. Programs go on when we are gone; a new daemon puts its own in
 * their place, with a cache that fills itself.
 *
 * Frames are redirected by XDP only between interfaces that both do XDP in their drivers. So `auto` is XDP
 * where all of them are real devices whose drivers take it, and tc everywhere else: tc keeps segments whole
 * and checksums undone, which virtual devices count on.
 */
#include "kernel/fastpath.h"
#include "kernel/fastpath_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "kernel/conntrack.h"
#include "kernel/memory.h"
#include "kernel/observe.h"
#include "kernel/route.h"

#define SMALLEST_BUCKETS 64u /* of each CPU */
#define V6_SHARE	 4u  /* IPv6 gets this part of the room that IPv4 has */

/* ---- what the kernel can do ---- */

struct abilities {
	bool lookups; /* conntrack's functions for both kinds of programs */
	bool fib_mark, fib_table;
};

static void read_enum(const struct btf *btf, const struct btf_type *t, struct abilities *out)
{
	const struct btf_enum *values = btf_enum(t);

	for (unsigned int i = 0; i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(btf, values[i].name_off);

		if (name && strcmp(name, "BPF_FIB_LOOKUP_MARK") == 0)
			out->fib_mark = true;
		else if (name && strcmp(name, "BPF_FIB_LOOKUP_TBID") == 0)
			out->fib_table = true;
	}
}

static bool has_functions(const struct btf *btf)
{
	static const char *const names[] = {"bpf_xdp_ct_lookup", "bpf_skb_ct_lookup",
		"bpf_ct_release", "bpf_ct_change_timeout"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (btf__find_by_name_kind(btf, names[i], BTF_KIND_FUNC) < 0)
			return false;
	return true;
}

static int read_abilities(struct abilities *out, struct kernel_error *e)
{
	struct btf *btf = btf__load_vmlinux_btf(), *module;

	if (!btf)
		return kernel_error_set(
			e, EOPNOTSUPP, "this kernel describes no types (CONFIG_DEBUG_INFO_BTF)");
	for (unsigned int id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (btf_is_enum(t) && !t->name_off)
			read_enum(btf, t, out);
	}
	out->lookups = has_functions(btf);
	if (!out->lookups) {
		module = btf__load_module_btf("nf_conntrack", btf);
		out->lookups = module && has_functions(module);
		btf__free(module);
	}
	btf__free(btf);
	return 0;
}

static int check_kernel(struct fastpath *f, struct kernel_error *e)
{
	struct abilities can = {0};
	struct utsname name;
	int err = read_abilities(&can, e);

	if (err)
		return err;
	if (!can.lookups)
		return kernel_error_set(e, EOPNOTSUPP,
			"this kernel has no conntrack functions for BPF programs (Linux 6.0)");
	if (!can.fib_mark && !can.fib_table)
		return kernel_error_set(e, EOPNOTSUPP,
			"this kernel lets BPF programs look up no other table (Linux 6.5)");
	/* There a program can be interrupted by another one on its CPU, and a cache is no CPU's own. */
	if (uname(&name) == 0 && strstr(name.version, "PREEMPT_RT"))
		return kernel_error_set(e, EOPNOTSUPP, "this is a real-time kernel");
	f->has_fib_mark = can.fib_mark;
	return 0;
}

int fastpath_supported(struct kernel_error *e)
{
	struct fastpath none = {0};

	return check_kernel(&none, e);
}

/* ---- the maps ---- */

static uint32_t power_of_two(uint64_t n)
{
	uint32_t p = SMALLEST_BUCKETS;

	while (p < n && p < 1u << 24)
		p *= 2;
	return p;
}

static const void *map_read_only(const struct bpf_map *map, uint32_t n, size_t size)
{
	void *at = mmap(NULL, n * size, PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);

	return at == MAP_FAILED ? NULL : at;
}

/* Room for both directions of @flows, and some more: a flow that finds no room is the kernel's. */
static int make_maps(struct fastpath *f, uint32_t flows, struct kernel_error *e)
{
	uint64_t buckets = (uint64_t)flows * 2 * 5 / 4 / FP_WAYS / f->n_cpus;
	uint32_t per_cpu4 = power_of_two(buckets), per_cpu6 = power_of_two(buckets / V6_SHARE);
	struct fastpath_programs *base = fastpath_programs__open();
	int err;

	if (!base)
		return kernel_error_set(e, errno, "the programs cannot be read");
	f->base = base;
	f->n_buckets4 = per_cpu4 * f->n_cpus;
	f->n_buckets6 = per_cpu6 * f->n_cpus;
	f->room_per_cpu = flows / f->n_cpus;
	bpf_program__set_autoload(base->progs.portreeve_xdp, false);
	bpf_program__set_autoload(base->progs.portreeve_tc, false);
	bpf_map__set_max_entries(base->maps.flows4, f->n_buckets4);
	bpf_map__set_max_entries(base->maps.flows6, f->n_buckets6);
	bpf_map__set_max_entries(base->maps.accounts, flows * 2);
	err = fastpath_programs__load(base);
	if (err)
		return kernel_error_set(e, -err, "the cache could not be made");
	f->flows4 = map_read_only(base->maps.flows4, f->n_buckets4, sizeof(*f->flows4));
	f->flows6 = map_read_only(base->maps.flows6, f->n_buckets6, sizeof(*f->flows6));
	if (!f->flows4 || !f->flows6)
		return kernel_error_set(e, errno, "the cache cannot be seen");
	base->bss->shared.enabled = 1;
	return 0;
}

int fastpath_new(struct kernel *k, uint32_t flows, struct fastpath **out, struct kernel_error *e)
{
	struct fastpath *f = calloc(1, sizeof(*f));
	int cpus = libbpf_num_possible_cpus(), err;
	struct timespec tick;

	if (!f)
		abort();
	libbpf_set_print(NULL);
	f->kernel = k;
	f->n_cpus = cpus > 0 ? (unsigned int)cpus : 1;
	/* The coarse clock's step is a jiffy. */
	f->second = clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0 && tick.tv_nsec > 0
			    ? (uint32_t)(1000000000 / tick.tv_nsec)
			    : 1000;
	if (getrandom(&f->seed, sizeof(f->seed), 0) != sizeof(f->seed))
		f->seed = (uint32_t)(uintptr_t)f;
	err = check_kernel(f, e);
	if (!err)
		err = make_maps(f, flows, e);
	if (err) {
		fastpath_free(f);
		return err;
	}
	*out = f;
	return 0;
}

void fastpath_free(struct fastpath *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_attached; i++)
		fastpath_programs__destroy(f->attached[i].programs);
	if (f->flows4)
		munmap((void *)f->flows4, f->n_buckets4 * sizeof(*f->flows4));
	if (f->flows6)
		munmap((void *)f->flows6, f->n_buckets6 * sizeof(*f->flows6));
	fastpath_programs__destroy(f->base);
	free(f->attached);
	free(f);
}

/* ---- one interface's programs ---- */

static int share(struct bpf_map *map, const struct bpf_map *of)
{
	return bpf_map__reuse_fd(map, bpf_map__fd(of));
}

static struct fastpath_programs *load(struct fastpath *f, const struct net_link *link,
	uint32_t mark_mask, enum fastpath_mode mode, struct kernel_error *e)
{
	struct fastpath_programs *p = fastpath_programs__open(), *base = f->base;
	int err = -ENOMEM;

	if (!p) {
		kernel_error_set(e, errno, "the programs cannot be read");
		return NULL;
	}
	p->rodata->own_index = (uint32_t)link->index;
	memcpy(p->rodata->own_mac, link->mac, sizeof(link->mac));
	p->rodata->per_cpu4 = f->n_buckets4 / f->n_cpus;
	p->rodata->per_cpu6 = f->n_buckets6 / f->n_cpus;
	p->rodata->second = f->second;
	p->rodata->seed = f->seed;
	p->rodata->ours_bit = mark_ours_bit(mark_mask);
	p->rodata->number_mask = mark_number_mask(mark_mask);
	p->rodata->number_unit = mark_of_number(mark_mask, 1);
	p->rodata->has_fib_mark = f->has_fib_mark;
	bpf_program__set_autoload(p->progs.portreeve_xdp, mode == FASTPATH_XDP);
	bpf_program__set_autoload(p->progs.portreeve_tc, mode == FASTPATH_TC);
	if (share(p->maps.flows4, base->maps.flows4) == 0 &&
		share(p->maps.flows6, base->maps.flows6) == 0 &&
		share(p->maps.accounts, base->maps.accounts) == 0 &&
		share(p->maps.passed, base->maps.passed) == 0 &&
		share(p->maps.settled, base->maps.settled) == 0 &&
		share(p->maps.targets, base->maps.targets) == 0 &&
		share(p->maps.sides, base->maps.sides) == 0 &&
		share(p->maps.bss, base->maps.bss) == 0)
		err = fastpath_programs__load(p);
	if (!err)
		return p;
	kernel_error_set(e, -err, "the kernel does not take the program: %s", strerror(-err));
	fastpath_programs__destroy(p);
	return NULL;
}

static int program_of(const struct fastpath_attached *at, enum fastpath_mode mode)
{
	return bpf_program__fd(mode == FASTPATH_XDP ? at->programs->progs.portreeve_xdp
						    : at->programs->progs.portreeve_tc);
}

static uint32_t id_of(int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 ? info.id : 0;
}

static void say(struct fastpath_attached *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void say(struct fastpath_attached *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(at->is.why, sizeof(at->is.why), fmt, ap);
	va_end(ap);
}

static int query(struct fastpath *f, uint32_t ifindex, enum fastpath_mode mode, uint32_t *id,
	struct kernel_error *e)
{
	return mode == FASTPATH_XDP ? fastpath_xdp_query(f->kernel, ifindex, id, e)
				    : fastpath_tc_query(f->kernel, ifindex, id, e);
}

/* Is what was attached still there, and still right? */
static bool holds(struct fastpath *f, const struct fastpath_attached *at,
	const struct net_link *link, uint32_t mark_mask, enum fastpath_mode mode)
{
	uint32_t id = 0;

	if (!at->programs || at->is.is != mode || at->is.ifindex != (uint32_t)link->index ||
		at->mark_mask != mark_mask || memcmp(at->mac, link->mac, sizeof(at->mac)) != 0)
		return false;
	query(f, at->is.ifindex, mode, &id, NULL);
	return id == at->id;
}

static void drop_programs(struct fastpath_attached *at)
{
	fastpath_programs__destroy(at->programs);
	at->programs = NULL;
	at->is.is = FASTPATH_OFF;
	at->id = 0;
}

/* Load and attach @mode's program, if the place is free or ours. 0 or -errno. */
static int load_and_attach(struct fastpath *f, struct fastpath_attached *at,
	const struct net_link *link, uint32_t mark_mask, enum fastpath_mode mode,
	struct kernel_error *e)
{
	uint32_t ifindex = (uint32_t)link->index, there;
	int err = query(f, ifindex, mode, &there, e), fd;

	fastpath_programs__destroy(at->programs);
	at->programs = err ? NULL : load(f, link, mark_mask, mode, e);
	if (!at->programs)
		return err ? err : -EINVAL;
	fd = program_of(at, mode);
	at->id = id_of(fd);
	return mode == FASTPATH_XDP ? fastpath_xdp_attach(f->kernel, ifindex, fd, at->id, e)
				    : fastpath_tc_attach(f->kernel, ifindex, fd, e);
}

/* Attach @mode's program: 0, or -errno with the reason said. */
static int attach(struct fastpath *f, struct fastpath_attached *at, const struct net_link *link,
	uint32_t mark_mask, enum fastpath_mode mode)
{
	struct kernel_error e = {0};
	uint32_t ifindex = (uint32_t)link->index;
	int err = load_and_attach(f, at, link, mark_mask, mode, &e);

	if (err == -EEXIST && mode == FASTPATH_XDP)
		say(at, "another XDP program is attached there, and XDP takes one only");
	else if (err == -EEXIST)
		say(at, "another filter is attached there at our preference");
	else if (err)
		say(at, "%s: %s", mode == FASTPATH_XDP ? "XDP" : "tc",
			e.text[0] ? e.text : strerror(-err));
	/* What is there from before was of another kind, or for another address or mark. */
	if (err || mode == FASTPATH_XDP)
		fastpath_tc_detach(f->kernel, ifindex, NULL);
	if (err || mode == FASTPATH_TC)
		fastpath_xdp_detach(f->kernel, ifindex, NULL);
	if (err) {
		drop_programs(at);
		return err;
	}
	at->is.is = mode;
	at->is.ifindex = ifindex;
	at->mark_mask = mark_mask;
	memcpy(at->mac, link->mac, sizeof(at->mac));
	return 0;
}

static void put_one(struct fastpath *f, struct fastpath_attached *at, const struct net_link *link,
	uint32_t mark_mask, enum fastpath_mode mode)
{
	if (!holds(f, at, link, mark_mask, mode))
		attach(f, at, link, mark_mask, mode);
}

/* ---- all interfaces ---- */

static bool can_have_frames(const struct net_link *l)
{
	return l && !l->loopback && l->has_mac && !l->point_to_point;
}

/* Why `auto` is not XDP here; NULL: it may be, or there is no such interface now. */
static const char *why_not_xdp(const struct net_link *l)
{
	if (!l)
		return NULL;
	if (!can_have_frames(l))
		return "no Ethernet device";
	if (l->kind)
		return l->kind;
	return l->master ? "a bridge's port" : NULL;
}

/* `auto` means the same everywhere: frames are redirected only between two that do XDP. */
static bool auto_is_xdp(const struct plan *p, char *why, size_t size)
{
	VEC_EACH (&p->fastpaths, struct plan_fastpath, want) {
		const char *not = why_not_xdp(netstate_link(p->seen, want->interface));

		if (want->mode == FASTPATH_TC || not ) {
			snprintf(why, size, "%s is %s: tc everywhere", want->interface,
				not ? not : "set to tc");
			return false;
		}
	}
	return true;
}

static struct fastpath_attached *find(struct fastpath *f, const char *name)
{
	for (size_t i = 0; i < f->n_attached; i++)
		if (strcmp(f->attached[i].is.name, name) == 0)
			return &f->attached[i];
	return NULL;
}

static void detach(struct fastpath *f, struct fastpath_attached *at)
{
	if (at->is.is == FASTPATH_XDP)
		fastpath_xdp_detach(f->kernel, at->is.ifindex, NULL);
	else if (at->is.is == FASTPATH_TC)
		fastpath_tc_detach(f->kernel, at->is.ifindex, NULL);
	drop_programs(at);
}

/* Those that stay wanted keep their programs; @f has one place for each that is wanted. */
static void take_places(struct fastpath *f, const struct plan *p)
{
	struct fastpath_attached *places = calloc(p->fastpaths.len + 1, sizeof(*places)), *old;
	size_t n = 0;

	if (!places)
		abort();
	VEC_EACH (&p->fastpaths, struct plan_fastpath, want) {
		old = find(f, want->interface);
		if (old) {
			places[n] = *old;
			old->programs = NULL;
			old->is.is = FASTPATH_OFF;
		}
		snprintf(places[n].is.name, sizeof(places[n].is.name), "%s", want->interface);
		places[n++].is.wanted = want->mode;
	}
	for (size_t i = 0; i < f->n_attached; i++)
		detach(f, &f->attached[i]);
	free(f->attached);
	f->attached = places;
	f->n_attached = n;
}

static void put_each(struct fastpath *f, const struct plan *p, bool xdp, const char *why)
{
	for (size_t i = 0; i < f->n_attached; i++) {
		struct fastpath_attached *at = &f->attached[i];
		const struct net_link *l = netstate_link(p->seen, at->is.name);
		enum fastpath_mode mode = at->is.wanted != FASTPATH_AUTO ? at->is.wanted
					  : xdp				 ? FASTPATH_XDP
									 : FASTPATH_TC;

		at->is.why[0] = '\0';
		if (!can_have_frames(l)) {
			detach(f, at);
			say(at, l ? "it has no Ethernet frames" : "there is no such interface now");
			at->is.ifindex = l ? (uint32_t)l->index : 0;
			continue;
		}
		put_one(f, at, l, p->model->mark_mask, mode);
		at->is.ifindex = (uint32_t)l->index;
		if (at->is.is == mode && at->is.wanted == FASTPATH_AUTO)
			say(at, "%s", xdp ? "its driver does XDP" : why);
		else if (at->is.is == mode)
			say(at, "as configured");
	}
}

/* Did `auto` find an interface that takes no XDP program after all? */
static bool auto_failed(struct fastpath *f)
{
	for (size_t i = 0; i < f->n_attached; i++) {
		const struct fastpath_interface *is = &f->attached[i].is;

		if (is->wanted == FASTPATH_AUTO && is->is == FASTPATH_OFF && is->ifindex) {
			f->refused = is->ifindex;
			snprintf(f->why_refused, sizeof(f->why_refused), "%.15s: %.120s", is->name,
				is->why);
			return true;
		}
	}
	return false;
}

/* It is not tried again, unless the interface comes anew: to give the others their programs, and then to
 * take them back, may reset their cards, and each pass would do it. */
static bool was_refused(const struct fastpath *f, const struct plan *p)
{
	VEC_EACH (&p->fastpaths, struct plan_fastpath, want) {
		const struct net_link *l = netstate_link(p->seen, want->interface);

		if (l && (uint32_t)l->index == f->refused)
			return true;
	}
	return false;
}

/* An interface of a map, and what the map says of it. */
struct entry {
	uint32_t index, value;
};

static void set_map(const struct bpf_map *map, const struct entry *want, size_t n)
{
	uint32_t key, *previous = NULL, old[FP_HOMES];
	int fd = bpf_map__fd(map);
	size_t n_old = 0;

	while (n_old < FP_HOMES && bpf_map_get_next_key(fd, previous, &key) == 0) {
		old[n_old++] = key;
		previous = &old[n_old - 1];
	}
	for (size_t i = 0; i < n; i++)
		bpf_map_update_elem(fd, &want[i].index, &want[i].value, BPF_ANY);
	for (size_t j = 0; j < n_old; j++) {
		size_t i = 0;

		while (i < n && want[i].index != old[j])
			i++;
		if (i == n)
			bpf_map_delete_elem(fd, &old[j]);
	}
}

/* Tell the programs between which interfaces they can move packets. */
static void set_sides(struct fastpath *f)
{
	const struct fp_home *homes = f->base->bss->shared.homes;
	struct entry targets[FP_HOMES], sides[FP_HOMES];
	size_t n_targets = 0, n_sides = 0;

	for (size_t i = 0; i < f->n_attached && n_sides < FP_HOMES; i++) {
		struct fastpath_attached *at = &f->attached[i];
		uint32_t index = at->is.ifindex, side = 0;

		if (at->is.is == FASTPATH_OFF)
			continue;
		if (at->is.is == FASTPATH_XDP) {
			side = FP_SIDE_XDP;
			if (fastpath_takes_frames(f->kernel, index) == 0) {
				say(at, "frames cannot be redirected to it: %s",
					"the other end of a veth needs GRO or an XDP program");
			} else {
				side |= FP_SIDE_TAKES;
				targets[n_targets++] = (struct entry){index, index};
			}
		}
		for (size_t h = 0; h < FP_HOMES; h++)
			if (homes[h].ifindex == index)
				side |= FP_SIDE_HOME;
		sides[n_sides++] = (struct entry){index, side};
	}
	set_map(f->base->maps.targets, targets, n_targets);
	set_map(f->base->maps.sides, sides, n_sides);
}

static uint32_t timeout_ms(struct kernel *k, const char *key, uint32_t otherwise)
{
	char text[32];
	unsigned long long s;

	if (kernel_sysctl_get(k, key, text, sizeof(text)) < 0)
		return otherwise;
	s = strtoull(text, NULL, 10);
	return s > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)s * 1000;
}

static void tell(struct fastpath *f, const struct plan *p)
{
	struct fp_home homes[FP_HOMES] = {0};

	VEC_EACH (&p->uplinks, struct plan_uplink, u) {
		const struct net_link *l = netstate_link(p->seen, u->uplink->interface);

		if (u->number < FP_HOMES && l)
			homes[u->number] = (struct fp_home){(uint32_t)l->index, u->table};
	}
	memcpy(f->base->bss->shared.homes, homes, sizeof(homes));
	f->base->bss->shared.tcp_ms = timeout_ms(
		f->kernel, "net.netfilter.nf_conntrack_tcp_timeout_established", 432000000u);
	f->base->bss->shared.unacked_ms = timeout_ms(
		f->kernel, "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged", 300000u);
	if (f->base->bss->shared.unacked_ms > f->base->bss->shared.tcp_ms)
		f->base->bss->shared.unacked_ms = f->base->bss->shared.tcp_ms;
	f->base->bss->shared.udp_ms =
		timeout_ms(f->kernel, "net.netfilter.nf_conntrack_udp_timeout_stream", 120000u);
}

int fastpath_put(struct fastpath *f, const struct plan *p, struct kernel_error *e)
{
	char why[FASTPATH_WHY_BYTES] = "";
	bool xdp = auto_is_xdp(p, why, sizeof(why));

	if (!kernel_at_home(f->kernel))
		return kernel_error_set(e, EXDEV, "this is another network namespace");
	if (xdp && was_refused(f, p)) {
		xdp = false;
		memcpy(why, f->why_refused, sizeof(why));
	}
	take_places(f, p);
	tell(f, p);
	put_each(f, p, xdp, why);
	if (xdp && auto_failed(f))
		put_each(f, p, false, f->why_refused);
	set_sides(f);
	fastpath_changed(f);
	return 0;
}

bool fastpath_stands(const struct fastpath *f)
{
	for (size_t i = 0; i < f->n_attached; i++) {
		const struct fastpath_attached *at = &f->attached[i];
		uint32_t id = 0;

		if (at->is.is == FASTPATH_XDP)
			fastpath_xdp_query(f->kernel, at->is.ifindex, &id, NULL);
		else if (at->is.is == FASTPATH_TC)
			fastpath_tc_query(f->kernel, at->is.ifindex, &id, NULL);
		if (id != at->id)
			return false;
	}
	return true;
}

uint32_t fastpath_room_per_cpu(const struct fastpath *f)
{
	return f->room_per_cpu;
}

const struct fastpath_interface *fastpath_interface(const struct fastpath *f, size_t i)
{
	return i < f->n_attached ? &f->attached[i].is : NULL;
}

void fastpath_changed(struct fastpath *f)
{
	__atomic_add_fetch(&f->base->bss->shared.epoch, 1, __ATOMIC_RELEASE);
}

/* Conntrack is to be right about connections whose packets went by it. */
static int hand_back(struct kernel *k, struct kernel_error *e)
{
	struct arena *a = arena_new();
	struct memory m = {0};
	size_t n;
	int err = kernel_memory_load(k, a, &m);
	uint32_t ours = mark_ours_bit(m.mark_mask);

	err = err < 0 || !ours ? 0 : kernel_conntrack_acknowledge(k, ours, ours, &n, e);
	arena_free(a);
	return err;
}

int fastpath_switch(struct fastpath *f, bool on, struct kernel_error *e)
{
	__atomic_store_n(&f->base->bss->shared.enabled, on, __ATOMIC_RELEASE);
	return on ? 0 : hand_back(f->kernel, e);
}

bool fastpath_is_on(const struct fastpath *f)
{
	return f->base->bss->shared.enabled;
}

int fastpath_remove(struct kernel *k, size_t *removed, struct kernel_error *e)
{
	struct arena *a = arena_new();
	struct netstate s = {0};
	int err = kernel_at_home(k)
			  ? kernel_observe_network(k, a, &s, e)
			  : kernel_error_set(e, EXDEV, "this is another network namespace");

	*removed = 0;
	VEC_EACH (&s.links, struct net_link, l) {
		int tc = fastpath_tc_detach(k, (uint32_t)l->index, err ? NULL : e);
		int xdp = fastpath_xdp_detach(k, (uint32_t)l->index, err ? NULL : e);

		*removed += (tc > 0) + (xdp > 0);
		if (!err)
			err = tc < 0 ? tc : xdp < 0 ? xdp : 0;
	}
	arena_free(a);
	if (*removed && !err)
		err = hand_back(k, e);
	return err;
}
