/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fast path keeper: from the plan to the interfaces, and from events to the programs.
 *
 * Theory of operation. The first plan that wants the fast path has the cache made; each pass then puts the
 * programs where its plan wants them, and every few seconds what others took off is put back. Events of
 * the kernel are told to the programs as they come, without waiting for the pass that they may cause: a
 * flow's next packet then takes the kernel's path. When no plan wants it any more the programs are taken
 * off, also those that an earlier daemon left.
 *
 * Loading programs takes rights (CAP_BPF, CAP_PERFMON, bpf(2)) that a daemon gives up unless its first
 * config wants the fast path.
 */
#include "daemon/fastpath_keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/fastpath_matters.h"
#include "daemon/reconcile.h"
#include "kernel/fastpath_off.h"
#include "kernel/route.h"

#define LOOK_SECONDS 5
#define WHY_BYTES    256

/* An interface, as it was told of last. */
struct told {
	char name[16];
	enum fastpath_mode is;
	char why[FASTPATH_WHY_BYTES];
};

struct fastpath_keeper {
	struct fastpath *path; /* NULL: it is not wanted, or cannot be */
	uint32_t flows;	       /* room it was made with */
	bool off;	       /* by hand */
	bool clean;	       /* nothing of ours, or of an earlier daemon's, is attached */
	bool hopeless;	       /* the kernel lacks something: not tried again */
	char problem[WHY_BYTES];
	struct kernel_events *events;
	struct event *readable[2], *telling, *looking;
	uint64_t told_ms; /* when the programs were told of a change last */
	struct told *told;
	size_t n_told;
	struct fastpath_neighbours neighbours;
};

/* ---- telling of changes ---- */

static void tell_now(struct fastpath_keeper *f)
{
	if (!f->path)
		return;
	f->told_ms = daemon_now_ms();
	fastpath_changed(f->path);
}

static void tell_soon(struct fastpath_keeper *f)
{
	uint64_t wait = fastpath_tell_in(f->told_ms, daemon_now_ms());
	struct timeval t = {.tv_usec = (suseconds_t)(wait * 1000)};

	if (!wait)
		tell_now(f);
	else if (!evtimer_pending(f->telling, NULL))
		evtimer_add(f->telling, &t);
}

static void on_telling(evutil_socket_t fd, short what, void *data)
{
	struct daemon *d = data;

	(void)fd;
	(void)what;
	tell_now(d->fastpath);
}

static void on_event(const struct kernel_event *e, void *data)
{
	struct fastpath_keeper *f = data;

	if (fastpath_event_matters(&f->neighbours, e))
		tell_soon(f);
}

static void on_readable(evutil_socket_t fd, short what, void *data)
{
	struct daemon *d = data;

	(void)fd;
	(void)what;
	if (kernel_events_read(d->fastpath->events, on_event, d->fastpath) < 0)
		tell_soon(d->fastpath);
}

void fastpath_keeper_changed(struct daemon *d)
{
	if (d->fastpath)
		tell_now(d->fastpath);
}

/* ---- what is said ---- */

/* It cannot be at all: said once. */
static void refuse(struct daemon *d, const char *why)
{
	struct fastpath_keeper *f = d->fastpath;

	if (strcmp(f->problem, why) == 0)
		return;
	snprintf(f->problem, sizeof(f->problem), "%s", why);
	journal_note(d->journal, JOURNAL_WARNING, "fastpath-refused",
		"there is no fast path: all packets take the kernel's own", "s:s", "why", why);
}

static void refuse_by_kernel(struct daemon *d, const struct kernel_error *e)
{
	char why[WHY_BYTES];

	if (e->text[0] && e->err != EOPNOTSUPP)
		snprintf(why, sizeof(why), "%.180s: %s", e->text, strerror(e->err));
	else
		snprintf(why, sizeof(why), "%s", e->text[0] ? e->text : strerror(e->err));
	refuse(d, why);
}

static const struct told *told_of(const struct fastpath_keeper *f, const char *name)
{
	for (size_t i = 0; i < f->n_told; i++)
		if (strcmp(f->told[i].name, name) == 0)
			return &f->told[i];
	return NULL;
}

static void say_interface(struct daemon *d, const struct fastpath_interface *is)
{
	const struct told *old = told_of(d->fastpath, is->name);
	const char *why = is->why;

	if (old && old->is == is->is && (is->is != FASTPATH_OFF || strcmp(old->why, why) == 0))
		return;
	if (is->is != FASTPATH_OFF)
		journal_note(d->journal, JOURNAL_NOTICE, "fastpath-attached",
			"packets of known connections bypass the kernel's own path",
			"s:s, s:s, s:s", "interface", is->name, "mode", fastpath_mode_names[is->is],
			"why", why);
	else
		journal_note(d->journal, JOURNAL_WARNING, "fastpath-refused",
			"packets of this interface take the kernel's own path", "s:s, s:s, s:s",
			"interface", is->name, "wanted", fastpath_mode_names[is->wanted], "why",
			why);
}

/* Each interface that is otherwise than before. */
static void say_interfaces(struct daemon *d)
{
	struct fastpath_keeper *f = d->fastpath;
	const struct fastpath_interface *is;
	struct told *news;
	size_t n = 0;

	while (fastpath_interface(f->path, n))
		n++;
	news = calloc(n ? n : 1, sizeof(*news));
	if (!news)
		abort();
	for (size_t i = 0; (is = fastpath_interface(f->path, i)); i++) {
		say_interface(d, is);
		memcpy(news[i].name, is->name, sizeof(news[i].name));
		memcpy(news[i].why, is->why, sizeof(news[i].why));
		news[i].is = is->is;
	}
	free(f->told);
	f->told = news;
	f->n_told = n;
}

/* ---- coming and going ---- */

static void close_ears(struct fastpath_keeper *f)
{
	for (size_t i = 0; i < 2; i++)
		if (f->readable[i])
			event_free(f->readable[i]);
	f->readable[0] = f->readable[1] = NULL;
	kernel_events_close(f->events);
	f->events = NULL;
	evtimer_del(f->telling);
	evtimer_del(f->looking);
}

static int open_ears(struct daemon *d, struct kernel_error *e)
{
	static const struct timeval often = {.tv_sec = LOOK_SECONDS};
	struct fastpath_keeper *f = d->fastpath;
	int fds[2], err = kernel_events_open(d->kernel, true, &f->events, e);

	if (err)
		return err;
	kernel_events_fds(f->events, fds);
	for (size_t i = 0; i < 2; i++) {
		f->readable[i] = event_new(d->base, fds[i], EV_READ | EV_PERSIST, on_readable, d);
		event_add(f->readable[i], NULL);
	}
	event_add(f->looking, &often);
	return 0;
}

/* The programs stay where they are. */
static void let_go(struct fastpath_keeper *f)
{
	close_ears(f);
	fastpath_free(f->path);
	f->path = NULL;
	free(f->told);
	f->told = NULL;
	f->n_told = 0;
}

static void take_off(struct daemon *d)
{
	struct fastpath_keeper *f = d->fastpath;
	struct kernel_error e = {0};
	size_t removed = 0;

	let_go(f);
	if (f->clean)
		return;
	if (fastpath_remove(d->kernel, &removed, &e) != 0) {
		refuse_by_kernel(d, &e);
		return;
	}
	f->clean = true;
	if (removed)
		journal_note(d->journal, JOURNAL_NOTICE, "fastpath-removed",
			"the fast path's programs were taken off", "s:I", "programs",
			(json_int_t)removed);
}

/* Have the cache, of the size that the config says. */
static bool get_ready(struct daemon *d, const struct plan *p)
{
	struct fastpath_keeper *f = d->fastpath;
	struct kernel_error e = {0};
	int err;

	if (f->path && f->flows == p->model->fastpath_flows)
		return true;
	let_go(f);
	if (!d->loads_programs) {
		refuse(d, "the daemon has given up the right to load programs, since its config "
			  "did not want the fast path when it started: restart it");
		return false;
	}
	if (f->hopeless)
		return false;
	err = open_ears(d, &e);
	if (!err)
		err = fastpath_new(d->kernel, p->model->fastpath_flows, &f->path, &e);
	if (err) {
		e.err = -err;
		f->hopeless = err == -EOPNOTSUPP;
		refuse_by_kernel(d, &e);
		let_go(f);
		return false;
	}
	f->flows = p->model->fastpath_flows;
	f->problem[0] = '\0';
	fastpath_switch(f->path, !f->off, NULL);
	return true;
}

static void put(struct daemon *d, const struct plan *p)
{
	struct fastpath_keeper *f = d->fastpath;
	struct kernel_error e = {0};
	int err = fastpath_put(f->path, p, &e);

	f->clean = false;
	if (err) {
		e.err = -err;
		refuse_by_kernel(d, &e);
	} else {
		f->problem[0] = '\0';
	}
	say_interfaces(d);
}

/* A plan made before conntrack was loaded could not want its sysctl. */
static void look_for_conntrack(struct daemon *d, const struct plan *p)
{
	char value[32];

	if (!netstate_sysctl(p->seen, PLAN_TCP_LIBERAL) &&
		kernel_sysctl_get(d->kernel, PLAN_TCP_LIBERAL, value, sizeof(value)) == 0)
		reconcile_wake(d, 0, "conntrack has come");
}

void fastpath_keeper_update(struct daemon *d)
{
	const struct plan *p = reconcile_plan(d);

	if (!d->fastpath || !p)
		return;
	if (!p->fastpaths.len) {
		d->fastpath->problem[0] = '\0';
		take_off(d);
		return;
	}
	look_for_conntrack(d, p);
	if (get_ready(d, p))
		put(d, p);
	else
		take_off(d); /* what an earlier daemon left would be nobody's */
}

static void on_looking(evutil_socket_t fd, short what, void *data)
{
	struct daemon *d = data;
	const struct plan *p = reconcile_plan(d);

	(void)fd;
	(void)what;
	if (d->fastpath->path && p && !fastpath_stands(d->fastpath->path))
		put(d, p);
}

void fastpath_keeper_start(struct daemon *d)
{
	struct fastpath_keeper *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	d->fastpath = f;
	f->off = fastpath_was_switched_off(d->kernel);
	f->telling = evtimer_new(d->base, on_telling, d);
	f->looking = event_new(d->base, -1, EV_PERSIST, on_looking, d);
}

void fastpath_keeper_stop(struct daemon *d)
{
	struct fastpath_keeper *f = d->fastpath;

	if (!f)
		return;
	let_go(f);
	event_free(f->telling);
	event_free(f->looking);
	free(f);
	d->fastpath = NULL;
}

int fastpath_keeper_switch(struct daemon *d, bool on)
{
	struct fastpath_keeper *f = d->fastpath;
	struct kernel_error e = {0};
	bool news = f->off == on;

	f->off = !on;
	if (f->path && fastpath_switch(f->path, on, &e) != 0)
		journal_note(d->journal, JOURNAL_WARNING, "fastpath-off",
			"conntrack could not be told of what it did not see: connections at rest "
			"may be forgotten after five minutes",
			"s:s", "error", e.text[0] ? e.text : strerror(e.err));
	if (news)
		journal_note(d->journal, JOURNAL_NOTICE, on ? "fastpath-on" : "fastpath-off",
			on ? "the fast path was switched on"
			   : "the fast path was switched off: all packets take the kernel's own",
			"");
	return fastpath_keep_off(d->kernel, !on);
}

/* ---- what there is to know ---- */

bool fastpath_keeper_is_off(const struct daemon *d)
{
	return d->fastpath && d->fastpath->off;
}

struct fastpath *fastpath_keeper_path(const struct daemon *d)
{
	return d->fastpath ? d->fastpath->path : NULL;
}

/* Were packets left to the kernel because of IPsec policies? */
static bool met_ipsec(const struct fastpath *path)
{
	struct fastpath_passed one;

	for (size_t i = 0; fastpath_passed(path, i, &one, NULL); i++)
		if (strcmp(one.slug, "ipsec") == 0)
			return one.packets > 0;
	return false;
}

const struct fastpath_now *fastpath_now(const struct daemon *d, struct arena *a)
{
	const struct fastpath_keeper *f = d->fastpath;
	struct fastpath_now *now = arena_new_of(a, struct fastpath_now);
	const struct fastpath_interface *is;

	now->off = fastpath_keeper_is_off(d);
	if (!f || !f->path) {
		now->problem =
			f && f->problem[0] ? arena_strdup(a, f->problem) : "it is not loaded";
		return now;
	}
	now->ipsec = met_ipsec(f->path);
	for (size_t i = 0; (is = fastpath_interface(f->path, i)); i++)
		*vec_add(a, &now->sides) =
			(struct fastpath_side){.interface = arena_strdup(a, is->name),
				.is = is->is,
				.why = arena_strdup(a, is->why)};
	return now;
}

/* Why packets of IPv6 take the kernel's path there, as far as the plan knows; NULL. */
static const char *not_ip6_on(const struct plan *p, const char *name)
{
	VEC_EACH (&p->fastpaths, const struct plan_fastpath, f) {
		if (strcmp(f->interface, name) == 0)
			return f->not_ip6;
	}
	return NULL;
}

static json_t *interface_json(const struct plan *p, const char *name, enum fastpath_mode wanted,
	enum fastpath_mode is, const char *why)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s?}", "name", name, "wanted",
		fastpath_mode_names[wanted], "mode", fastpath_mode_names[is], "why", why,
		"not_ipv6", not_ip6_on(p, name));
}

json_t *fastpath_keeper_brief(struct daemon *d)
{
	const struct plan *p = reconcile_plan(d);
	const struct fastpath_keeper *f = d->fastpath;
	const struct fastpath_interface *is;
	json_t *list;

	if (!f || !p || !p->fastpaths.len)
		return json_null();
	list = json_array();
	for (size_t i = 0; f->path && (is = fastpath_interface(f->path, i)); i++)
		json_array_append_new(
			list, interface_json(p, is->name, is->wanted, is->is, is->why));
	if (!f->path) {
		VEC_EACH (&p->fastpaths, const struct plan_fastpath, want)
			json_array_append_new(list, interface_json(p, want->interface, want->mode,
							    FASTPATH_OFF, f->problem));
	}
	return json_pack("{s:b, s:s?, s:o}", "on", f->path && !f->off, "problem",
		f->problem[0] ? f->problem : NULL, "interfaces", list);
}
