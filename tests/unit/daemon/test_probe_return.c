/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Return probes against real namespaces: the far end is the backend, eth0 is inside, and 2.2.2.2 is an
 * uplink's address. And who is measured when, with the rest of the daemon made up.
 */
#include "far.h"

#include <time.h>

#include "daemon/probe_return.h"
#include "daemon/reconcile.h"
#include "daemon/returns.h"

/* ---- the rest of the daemon ---- */

struct fixture {
	struct daemon daemon;
	struct plan plan;
	struct arena *arena;
	unsigned int learnt;
	struct ip_addr learnt_of;
	enum return_mode mode;
};

uint64_t daemon_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t daemon_wall_ms(void)
{
	return daemon_now_ms();
}

const struct plan *reconcile_plan(struct daemon *d)
{
	return &((struct fixture *)d)->plan;
}

void daemon_learn_return(
	struct daemon *d, const struct ip_addr *backend, enum return_mode mode, const char *reason)
{
	struct fixture *f = (struct fixture *)d; /* its first member */

	f->learnt++;
	f->learnt_of = *backend;
	f->mode = mode;
	assert_non_null(strstr(reason, "measured"));
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(s, &a), 0);
	return a;
}

/* ---- one round ---- */

struct heard {
	struct event_base *base;
	struct return_round round;
	unsigned int times;
};

static void hear(const struct return_round *r, void *data)
{
	struct heard *h = data;

	h->round = *r;
	h->times++;
	event_base_loopbreak(h->base);
}

static struct return_round one_round(const struct return_target *t)
{
	struct heard h = {.base = event_base_new()};
	struct prober *p = prober_new(h.base);

	assert_non_null(return_probe_start(p, t, hear, &h));
	event_base_dispatch(h.base);
	assert_int_equal(h.times, 1);
	prober_free(p);
	event_base_free(h.base);
	return h.round;
}

static void check_round(const struct return_target *t, bool uplink, bool inside, bool told)
{
	struct return_round r = one_round(t);

	if (r.from_uplink.ok != uplink || r.from_inside.ok != inside || r.told != told)
		fail_msg("uplink '%s', inside '%s', told %d", r.from_uplink.why, r.from_inside.why,
			r.told);
}

static void test_round(void **state)
{
	static const struct far_server nobody[1];
	struct return_target t = {.backend = addr("1.1.1.254"),
		.port = 80,
		.interface = "eth0",
		.from_inside = addr("1.1.1.1"),
		.from_uplink = addr("2.2.2.2")};
	struct far far;

	NEEDS_NAMESPACE();
	far_start(&far, nobody, 0);
	/* A strict one does not even say its link-layer address to 2.2.2.2, as long as nobody has it. */
	check_round(&t, false, true, true);
	far_sh(&far, "echo 0 > /proc/sys/net/ipv4/conf/up0/rp_filter");
	/* It reaches 2.2.2.2 by its other line. That the answer gets here is no help: wrong door. */
	check_round(&t, false, true, true);
	t.port = 0;
	check_round(&t, false, true, true);
	far_sh(&far, "ip route add 2.2.2.2 via 1.1.1.1 dev up0");
	check_round(&t, true, true, true);
	t.port = 80; /* nobody is there: refused */
	check_round(&t, true, true, true);
	t.from_uplink = addr("5.5.5.5"); /* not ours any more */
	check_round(&t, false, true, false);
	t.from_uplink = addr("2.2.2.2");
	far_sh(&far, "ip link set up0 down");
	check_round(&t, false, false, true);
	far_stop(&far);
}

static void test_count(void **state)
{
	static const struct {
		bool uplink, inside, told;
		enum return_mode after; /* so many rounds alike as must agree */
	} rows[] = {
		{true, true, true, RETURN_DIRECT},
		{true, false, true, RETURN_DIRECT},
		{false, true, true, RETURN_SNAT},
		{false, false, true, RETURN_AUTO},
		{false, true, false, RETURN_AUTO}, /* not asked is not silent */
		{true, false, false, RETURN_DIRECT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct return_round r = {.from_uplink.ok = rows[i].uplink,
			.from_inside.ok = rows[i].inside,
			.told = rows[i].told};
		struct return_path path = {0};

		for (unsigned int n = 0; n < RETURN_AGREE; n++)
			return_round_count(&r, &path, n);
		if (path.mode != rows[i].after)
			fail_msg("row %zu: %d", i, path.mode);
		assert_int_equal(path.rounds, RETURN_AGREE);
	}
}

static void test_cancel(void **state)
{
	static const struct far_server nobody[1];
	const struct return_target t = {.backend = addr("1.1.1.77"),
		.port = 80,
		.interface = "eth0",
		.from_inside = addr("1.1.1.1"),
		.from_uplink = addr("2.2.2.2")};
	struct heard h = {0};
	struct prober *p;
	struct far far;

	NEEDS_NAMESPACE();
	far_start(&far, nobody, 0);
	h.base = event_base_new();
	p = prober_new(h.base);
	return_probe_cancel(return_probe_start(p, &t, hear, &h));
	return_probe_cancel(NULL);
	event_base_dispatch(h.base); /* nothing is left in it */
	assert_int_equal(h.times, 0);
	prober_free(p);
	event_base_free(h.base);
	far_stop(&far);
}

/* ---- who is measured, and when ---- */

static struct plan_map *add_map(struct fixture *f, const char *backend)
{
	static struct plan_uplink *uplink; /* one for all */
	struct map *m = arena_new_of(f->arena, struct map);
	struct plan_map *pm = vec_add(f->arena, &f->plan.maps);

	if (!f->plan.uplinks.len) {
		uplink = vec_add(f->arena, &f->plan.uplinks);
		vec_push(f->arena, &uplink->addrs, addr("2001:db8::1")); /* the other family */
		vec_push(f->arena, &uplink->addrs, addr("2.2.2.2"));
	}
	m->name = "web";
	m->return_mode = RETURN_AUTO;
	*vec_add(f->arena, &m->listens) =
		(struct listen){.proto = PROTO_TCP, .first = 80, .last = 80};
	vec_add(f->arena, &m->backends)->addr = addr(backend);
	pm->map = m;
	pm->backend = &m->backends.items[0];
	pm->interface = "eth0";
	pm->hairpin = addr("1.1.1.1");
	vec_push(f->arena, &pm->uplinks, uplink);
	return pm;
}

static void make(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->arena = arena_new();
	f->daemon.base = event_base_new();
	f->daemon.journal = journal_new(false);
}

static void unmake(struct fixture *f)
{
	returns_stop(&f->daemon);
	assert_null(f->daemon.returns);
	learning_end(&f->daemon.learned);
	journal_free(f->daemon.journal);
	event_base_free(f->daemon.base);
	arena_free(f->arena);
}

static void loop_for(struct fixture *f, unsigned int ms)
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	event_base_loopexit(f->daemon.base, &tv);
	event_base_dispatch(f->daemon.base);
}

struct totals {
	unsigned int subjects, measured;
	uint64_t rounds;
	struct return_path last;
};

static void add_up(const struct returns_subject *s, void *data)
{
	struct totals *t = data;

	t->subjects++;
	t->measured += s->path.rounds > 0;
	t->rounds += s->path.rounds;
	t->last = s->path;
}

static struct totals totals(struct fixture *f)
{
	struct totals t = {0};

	returns_each(&f->daemon, add_up, &t);
	return t;
}

static void test_decides(void **state)
{
	static const struct far_server nobody[1];
	struct fixture f;
	struct far far;

	NEEDS_NAMESPACE();
	far_start(&far, nobody, 0);
	far_sh(&far, "ip route add 2.2.2.2 via 1.1.1.1 dev up0");
	make(&f);
	add_map(&f, "1.1.1.254");
	add_map(&f, "1.1.1.254");		    /* a second map to it: measured once */
	add_map(&f, "1.1.1.253")->interface = NULL; /* the gateway itself, say */
	((struct map *)add_map(&f, "1.1.1.252")->map)->return_mode = RETURN_SNAT;
	assert_int_equal(returns_start(&f.daemon), 0);
	assert_int_equal(totals(&f).subjects, 1);
	for (int i = 0; i < 100 && !f.learnt; i++)
		loop_for(&f, 100);
	assert_int_equal(f.learnt, 1);
	assert_int_equal(f.mode, RETURN_DIRECT);
	assert_int_equal(journal_count(f.daemon.journal, "return-changed"), 1);

	/* The same plan again is no news; without the map there is nothing to measure. */
	returns_update(&f.daemon);
	assert_int_equal(totals(&f).last.mode, RETURN_DIRECT);
	f.plan.maps.len = 0;
	returns_update(&f.daemon);
	assert_int_equal(totals(&f).subjects, 0);
	loop_for(&f, 200);
	unmake(&f);
	far_stop(&far);
}

/* What was learnt before holds, and is found out to be another as soon as rounds agree. */
static void test_remembered(void **state)
{
	static const struct far_server nobody[1];
	struct fixture f;
	struct far far;

	NEEDS_NAMESPACE();
	far_start(&far, nobody, 0);
	make(&f);
	learning_return(&f.daemon.learned, &(struct ip_addr){IP_V4, {1, 1, 1, 254}}, RETURN_DIRECT,
		"it was so");
	add_map(&f, "1.1.1.254");
	assert_int_equal(returns_start(&f.daemon), 0);
	assert_int_equal(totals(&f).last.mode, RETURN_DIRECT);
	loop_for(&f, 1500);
	assert_int_equal(f.learnt, 0);
	for (int i = 0; i < 100 && !f.learnt; i++)
		loop_for(&f, 100);
	assert_int_equal(f.mode, RETURN_SNAT);
	assert_int_equal(totals(&f).last.rounds, RETURN_AGREE);
	unmake(&f);
	far_stop(&far);
}

/* However many there are, so many rounds begin per second; each has its turn. */
static void test_many(void **state)
{
	enum { BACKENDS = 150 };
	static const struct far_server nobody[1];
	struct fixture f;
	struct far far;

	NEEDS_NAMESPACE();
	far_start(&far, nobody, 0);
	make(&f);
	for (unsigned int i = 0; i < BACKENDS; i++) {
		char text[IP_STRLEN];

		snprintf(text, sizeof(text), "1.1.1.%u", 2 + i); /* nobody is there */
		add_map(&f, text);
	}
	assert_int_equal(returns_start(&f.daemon), 0);
	assert_int_equal(totals(&f).subjects, BACKENDS);
	loop_for(&f, 2600);
	assert_in_range(totals(&f).rounds, 1, 100);
	loop_for(&f, 2600);
	assert_int_equal(totals(&f).measured, BACKENDS);
	assert_in_range(totals(&f).rounds, BACKENDS, 260);
	assert_int_equal(f.learnt, 0); /* silence decides nothing */
	unmake(&f);
	far_stop(&far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_decides),
		cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
