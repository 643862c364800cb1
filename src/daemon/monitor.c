/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Monitor: sends checks when they are due and acts on what their answers mean.
 *
 * Theory of operation. A subject is an uplink, or a backend of a map with checks; maps without cost
 * nothing. Each check of a subject runs by itself: its timer starts a round, a round asks all of its
 * targets, and when the last of them has answered or failed the timer is set for the next one. At most
 * MONITOR_PROBES questions are under way at once; rounds that would be more wait in a line, so that a
 * gateway with very many checks asks each less often instead of running out of descriptors.
 *
 * A check belongs to the config in force, which is replaced as a whole. Subjects are found again by
 * name and address; they keep their state while their checks are the same (by fingerprint, since the
 * old config is gone by then).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/hook.h"
#include "daemon/monitor_internal.h"
#include "daemon/reconcile.h"

/* ---- identity ---- */

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * 0x100000001b3u; /* FNV-1a */
	return h;
}

static uint64_t hash_text(uint64_t h, const char *s)
{
	return s ? hash_bytes(h, s, strlen(s) + 1) : hash_bytes(h, "\xff", 1);
}

#define HASH_START	 0xcbf29ce484222325u
#define HASH_FIELD(h, f) hash_bytes((h), &(f), sizeof(f))

/* Of everything that says what is asked, how, and what the answers mean. */
static uint64_t fingerprint_of(const struct check *checks, size_t n)
{
	uint64_t h = HASH_START;

	for (size_t i = 0; i < n; i++) {
		const struct check *c = &checks[i];

		VEC_EACH (&c->targets, struct check_target, t)
			h = hash_text(h, t->text);
		h = hash_text(hash_text(hash_text(h, c->path), c->host), c->query);
		h = HASH_FIELD(HASH_FIELD(h, c->kind), c->port);
		h = HASH_FIELD(HASH_FIELD(h, c->expect_first), c->expect_last);
		h = HASH_FIELD(HASH_FIELD(h, c->every_ms), c->timeout_ms);
		h = HASH_FIELD(HASH_FIELD(HASH_FIELD(h, c->need), c->rise), c->fall);
	}
	return h;
}

/* ---- subjects ---- */

static void subject_free(struct subject *s)
{
	struct monitor *m = s->monitor;

	for (size_t i = 0; s->runs && i < s->health.n_checks; i++) {
		struct run *r = &s->runs[i];

		monitor_stop_asking(r);
		if (r->waits)
			TAILQ_REMOVE(&m->line, r, line);
		if (r->timer)
			event_free(r->timer);
	}
	free(s->runs);
	health_fini(&s->health);
	free(s->way.addrs);
	free(s->uplink);
	free(s->map);
	free(s);
}

static uint64_t identity(const char *uplink, const char *map, const struct backend *b)
{
	uint64_t h = hash_text(hash_text(HASH_START, uplink), map);

	return HASH_FIELD(HASH_FIELD(h, b->addr), b->port);
}

static bool same_text(const char *x, const char *y)
{
	return x && y ? strcmp(x, y) == 0 : x == y;
}

static struct subject **bucket_of(struct subject **buckets, size_t n, const char *uplink,
	const char *map, const struct backend *b)
{
	return &buckets[identity(uplink, map, b) & (n - 1)];
}

static struct subject *find(
	const struct monitor *m, const char *uplink, const char *map, const struct backend *b)
{
	if (!m->n_buckets)
		return NULL;
	for (struct subject *s = *bucket_of(m->buckets, m->n_buckets, uplink, map, b); s;
		s = s->next)
		if (same_text(s->uplink, uplink) && same_text(s->map, map) &&
			ip_equal(&s->backend.addr, &b->addr) && s->backend.port == b->port)
			return s;
	return NULL;
}

const struct health *monitor_health_of(
	const struct daemon *d, const char *map, const struct backend *backend)
{
	const struct subject *s = d->monitor ? find(d->monitor, NULL, map, backend) : NULL;

	return s ? &s->health : NULL;
}

static struct subject *subject_new(
	struct monitor *m, const char *uplink, const char *map, const struct backend *b, size_t n)
{
	struct subject *s = calloc(1, sizeof(*s));

	if (!s)
		abort(); /* as an arena does */
	s->monitor = m;
	s->uplink = uplink ? strdup(uplink) : NULL;
	s->map = map ? strdup(map) : NULL;
	s->backend = *b;
	s->told_ms = daemon_wall_ms();
	health_init(&s->health, n, s->told_ms);
	s->runs = calloc(n ? n : 1, sizeof(*s->runs));
	if (!s->runs || (!s->uplink && !s->map))
		abort();
	for (size_t i = 0; i < n; i++) {
		s->runs[i].subject = s;
		LIST_INIT(&s->runs[i].asked);
		s->runs[i].timer = evtimer_new(m->daemon->base, monitor_due, &s->runs[i]);
		if (!s->runs[i].timer)
			abort();
	}
	return s;
}

/* The subjects of a config that is being taken up. */
struct taking {
	struct monitor *monitor;
	struct subject **subjects;
	size_t n, room, n_runs;
};

static void take(struct taking *t, const char *uplink, const char *map, const struct backend *b,
	uint16_t port, const struct check *rules, size_t n)
{
	static const struct backend none;
	uint64_t fingerprint = fingerprint_of(rules, n);
	struct subject *s = find(t->monitor, uplink, map, b ? b : &none);

	if (s && (s->wanted || s->fingerprint != fingerprint || s->port != port ||
			 s->health.n_checks != n))
		s = NULL;
	if (!s)
		s = subject_new(t->monitor, uplink, map, b ? b : &none, n);
	s->wanted = true;
	s->port = port;
	s->rules = rules;
	s->fingerprint = fingerprint;
	if (t->n == t->room) {
		t->room = t->room ? t->room * 2 : 16;
		t->subjects = realloc(t->subjects, t->room * sizeof(struct subject *));
		if (!t->subjects)
			abort();
	}
	t->subjects[t->n++] = s;
	t->n_runs += n;
}

static void take_config(struct taking *t, const struct model *model)
{
	VEC_EACH (&model->uplinks, struct uplink, u)
		take(t, u->name, NULL, NULL, 0, u->checks.items, u->checks.len);
	VEC_EACH (&model->maps, struct map, m) {
		if (!m->enabled || m->checks.len == 0 || m->listens.len == 0)
			continue;
		VEC_EACH (&m->backends, struct backend, b)
			take(t, NULL, m->name, b,
				backend_port_for(
					b, &m->listens.items[0], m->listens.items[0].first),
				m->checks.items, m->checks.len);
	}
}

static void put_into_buckets(struct monitor *m)
{
	free(m->buckets);
	m->n_buckets = 16;
	while (m->n_buckets < m->n_subjects)
		m->n_buckets *= 2;
	m->buckets = calloc(m->n_buckets, sizeof(struct subject *));
	if (!m->buckets)
		abort();
	for (size_t i = 0; i < m->n_subjects; i++) {
		struct subject *s = m->subjects[i];
		struct subject **place =
			bucket_of(m->buckets, m->n_buckets, s->uplink, s->map, &s->backend);

		s->next = *place;
		*place = s;
	}
}

/* A backend that is watched no more is taken for up, like all that are not. */
static void forget_downs(struct monitor *m)
{
	const struct learned *l = &m->daemon->learned.known;

	for (size_t i = l->downs.len; i-- > 0;) {
		const struct memory_down *down = &l->downs.items[i];
		const struct backend b = {.addr = down->backend, .port = down->port};
		char map[LIMIT_NAME + 1];

		if (find(m, NULL, down->map, &b))
			continue;
		snprintf(map, sizeof(map), "%s", down->map); /* which goes with what is learned */
		daemon_learn_down(m->daemon, map, &b, false);
	}
}

static void take_up(struct monitor *m)
{
	struct taking t = {.monitor = m};
	struct subject **old = m->subjects;
	size_t n_old = m->n_subjects;

	take_config(&t, m->daemon->config->model);
	for (size_t i = 0; i < n_old; i++)
		if (!old[i]->wanted)
			subject_free(old[i]);
	free(old);
	m->subjects = t.subjects;
	m->n_subjects = t.n;
	m->n_runs = t.n_runs;
	put_into_buckets(m);
	forget_downs(m);
	for (size_t i = 0; i < t.n; i++) {
		struct subject *s = t.subjects[i];

		s->wanted = false;
		for (size_t c = 0; c < s->health.n_checks; c++) {
			struct run *r = &s->runs[c];
			uint32_t every = s->rules[c].every_ms ? s->rules[c].every_ms : 1;

			if (monitor_is_asking(r) || evtimer_pending(r->timer, NULL))
				continue;
			/* Many that begin at once are spread over their interval. */
			monitor_set_timer(
				r, m->n_runs > MONITOR_PROBES ? monitor_random(m) % every : 0);
		}
	}
	m->config = m->daemon->config;
	m->loaded_ms = m->config->loaded_ms;
}

/* ---- links ---- */

/* Why an uplink can reach nobody; NULL: it can. */
static const char *link_problem(const struct plan *p, const struct plan_uplink *u)
{
	const struct net_link *l = netstate_link(p->seen, u->uplink->interface);

	if (!l)
		return "its interface is not there";
	if (!l->up)
		return "its interface is switched off";
	if (!l->carrier)
		return "it has no carrier";
	if (u->addrs.len == 0)
		return "it has no address";
	if (!plan_uplink_reaches(u, 0) && !plan_uplink_reaches(u, 1))
		return "it has no gateway";
	return NULL;
}

static const struct plan_uplink *planned(const struct plan *p, const char *name)
{
	VEC_EACH (&p->uplinks, struct plan_uplink, u)
		if (strcmp(u->uplink->name, name) == 0)
			return u;
	return NULL;
}

/* The link is another now. Back again, the checks do not wait for their time. */
static void take_link(struct subject *s, const char *problem)
{
	bool back = !problem && !s->health.link;

	if (health_link(&s->health, !problem, problem, daemon_wall_ms()))
		monitor_changed(s);
	for (size_t i = 0; i < s->health.n_checks; i++) {
		struct run *r = &s->runs[i];

		if (problem)
			monitor_stop_asking(r);
		else if (back && !monitor_is_asking(r))
			monitor_set_timer(r, 0);
	}
}

static void take_way(struct subject *s, const struct plan_uplink *u)
{
	struct way *w = &s->way;

	snprintf(w->interface, sizeof(w->interface), "%s", u->uplink->interface);
	w->mark = u->mark;
	w->addrs = realloc(w->addrs, (u->addrs.len + 1) * sizeof(*w->addrs));
	if (!w->addrs)
		abort();
	w->n_addrs = u->addrs.len;
	if (u->addrs.len)
		memcpy(w->addrs, u->addrs.items, u->addrs.len * sizeof(*w->addrs));
	for (unsigned int f = 0; f < 2; f++)
		w->gateways[f] = u->nexthop[f].gateway;
	if (w->known)
		return;
	w->known = true; /* the first plan: now there is somebody to ask */
	for (size_t i = 0; i < s->health.n_checks; i++)
		monitor_set_timer(&s->runs[i], 0);
}

static void take_links(struct monitor *m)
{
	const struct plan *p = reconcile_plan(m->daemon);

	for (size_t i = 0; i < m->n_subjects && m->subjects[i]->uplink; i++) {
		struct subject *s = m->subjects[i];
		const struct plan_uplink *u = p ? planned(p, s->uplink) : NULL;

		if (!u)
			continue; /* nothing is known: what was known stays */
		take_way(s, u);
		take_link(s, link_problem(p, u));
	}
}

/* ---- the front ---- */

void monitor_update(struct daemon *d)
{
	struct monitor *m = d->monitor;

	if (!m)
		return;
	if (m->config != d->config || m->loaded_ms != d->config->loaded_ms)
		take_up(m);
	take_links(m);
}

int monitor_start(struct daemon *d)
{
	struct monitor *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->daemon = d;
	TAILQ_INIT(&m->line);
	m->prober = prober_new(d->base);
	if (!m->prober) {
		free(m);
		return -ENOMEM;
	}
	if (getrandom(&m->random, sizeof(m->random), 0) != sizeof(m->random) || !m->random)
		m->random = 1;
	d->monitor = m;
	monitor_update(d);
	return 0;
}

void monitor_stop(struct daemon *d)
{
	struct monitor *m = d->monitor;

	if (!m)
		return;
	for (size_t i = 0; i < m->n_subjects; i++)
		subject_free(m->subjects[i]);
	free(m->subjects);
	free(m->buckets);
	prober_free(m->prober);
	free(m);
	d->monitor = NULL;
	hook_stop(d);
}

void monitor_each(const struct daemon *d, void (*each)(const struct monitor_subject *s, void *data),
	void *data)
{
	const struct monitor *m = d->monitor;

	for (size_t i = 0; m && i < m->n_subjects; i++) {
		const struct subject *s = m->subjects[i];
		const struct monitor_subject out = {.uplink = s->uplink,
			.map = s->map,
			.backend = s->backend.addr,
			.port = s->port,
			.health = s->health};

		each(&out, data);
	}
}
