/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor against real targets, with the rest of the daemon made up: the plan is filled in by hand,
 * what is learned is written down.
 */
#include "far.h"

#include <dirent.h>
#include <sys/resource.h>
#include <time.h>

#include "daemon/monitor.h"
#include "daemon/reconcile.h"

/* ---- the rest of the daemon ---- */

struct learnt {
	char map[64];
	struct ip_addr backend;
	bool down;
};

struct fixture {
	struct daemon daemon;
	struct daemon_config config;
	struct arena *arena;
	struct model model;
	struct plan plan;
	struct netstate seen;
	bool has_plan;
	struct learnt learnt[64];
	size_t n_learnt;
};

static struct fixture *fixture_of(const struct daemon *d)
{
	return (struct fixture *)d; /* its first member */
}

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t daemon_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

uint64_t daemon_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

const struct plan *reconcile_plan(struct daemon *d)
{
	return fixture_of(d)->has_plan ? &fixture_of(d)->plan : NULL;
}

void daemon_learn_down(struct daemon *d, const char *map, const struct backend *backend, bool down)
{
	struct fixture *f = fixture_of(d);
	struct learnt *l = &f->learnt[f->n_learnt++ % 64];

	snprintf(l->map, sizeof(l->map), "%s", map);
	l->backend = backend->addr;
	l->down = down;
	for (size_t i = 0; i < d->learned.known.downs.len; i++)
		if (strcmp(d->learned.known.downs.items[i].map, map) == 0 && !down)
			d->learned.known.downs.items[i] =
				d->learned.known.downs.items[--d->learned.known.downs.len];
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(s, &a), 0);
	return a;
}

/* ---- config and plan, by hand ---- */

static struct check *add_check(struct fixture *f, void *checks, enum check_kind kind)
{
	VEC(struct check) *list = checks;
	struct check *c = vec_add(f->arena, list);

	*c = (struct check){
		.kind = kind, .need = 1, .rise = 1, .fall = 2, .every_ms = 100, .timeout_ms = 80};
	return c;
}

static void add_target(struct fixture *f, struct check *c, const char *text)
{
	struct check_target *t = vec_add(f->arena, &c->targets);

	t->text = text;
	if (strcmp(text, CHECK_GATEWAY) != 0)
		t->addr = addr(text);
}

static void add_line(struct fixture *f, const char *name, unsigned int i)
{
	static const char *const own[] = {"1.1.1.1", "2.2.2.2"};
	static const char *const hops[] = {"1.1.1.254", "2.2.2.254"};
	static const char *const interfaces[] = {"eth0", "eth1"};
	struct uplink *u = vec_add(f->arena, &f->model.uplinks);
	struct plan_uplink *p = vec_add(f->arena, &f->plan.uplinks);
	struct net_link *l = vec_add(f->arena, &f->seen.links);

	u->name = name;
	u->interface = interfaces[i];
	add_target(f, add_check(f, &u->checks, CHECK_ICMP), FAR_TARGET);
	p->mark = i ? FAR_MARK1 : FAR_MARK0;
	p->up[0] = true;
	vec_push(f->arena, &p->addrs, addr(own[i]));
	p->nexthop[0].gateway = addr(hops[i]);
	p->nexthop[0].interface = interfaces[i];
	l->name = interfaces[i];
	l->up = l->carrier = true;
}

static struct map *add_map(struct fixture *f, const char *name, const char *backend, uint16_t port)
{
	struct map *m = vec_add(f->arena, &f->model.maps);

	m->name = name;
	m->enabled = true;
	*vec_add(f->arena, &m->listens) =
		(struct listen){.proto = PROTO_TCP, .first = port, .last = port};
	vec_add(f->arena, &m->backends)->addr = addr(backend);
	return m;
}

static void settle(struct fixture *f)
{
	for (size_t i = 0; i < f->model.uplinks.len; i++)
		f->plan.uplinks.items[i].uplink = &f->model.uplinks.items[i];
	f->plan.seen = &f->seen;
	f->plan.model = &f->model;
	f->has_plan = true;
	f->config.loaded_ms++; /* another config */
}

static void make(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->arena = arena_new();
	f->daemon.base = event_base_new();
	f->daemon.journal = journal_new(false);
	f->daemon.config = &f->config;
	f->config.model = &f->model;
	add_line(f, "telecom", 0);
	add_line(f, "unicom", 1);
	settle(f);
}

static void unmake(struct fixture *f)
{
	monitor_stop(&f->daemon);
	assert_null(f->daemon.monitor);
	journal_free(f->daemon.journal);
	event_base_free(f->daemon.base);
	arena_free(f->arena);
}

/* ---- looking ---- */

static void loop_for(struct fixture *f, unsigned int ms)
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	event_base_loopexit(f->daemon.base, &tv);
	event_base_dispatch(f->daemon.base);
}

static void loop_until(struct fixture *f, const char *kind, uint64_t times)
{
	for (int i = 0; i < 500 && journal_count(f->daemon.journal, kind) < times; i++)
		loop_for(f, 20);
	if (journal_count(f->daemon.journal, kind) < times)
		fail_msg("%d of %d times %s", (int)journal_count(f->daemon.journal, kind),
			(int)times, kind);
}

struct search {
	const char *uplink, *map;
	struct monitor_subject found;
	size_t n;
};

static void match(const struct monitor_subject *s, void *data)
{
	struct search *w = data;

	w->n++;
	if ((w->uplink && s->uplink && strcmp(s->uplink, w->uplink) == 0) ||
		(w->map && s->map && strcmp(s->map, w->map) == 0))
		w->found = *s;
}

static const struct health *health_of(
	struct fixture *f, struct search *w, const char *uplink, const char *map)
{
	memset(w, 0, sizeof(*w));
	w->uplink = uplink;
	w->map = map;
	monitor_each(&f->daemon, match, w);
	return &w->found.health;
}

static enum health_state state_of(struct fixture *f, const char *uplink)
{
	struct search w;

	return health_of(f, &w, uplink, NULL)->state;
}

static const struct far_server servers[] = {{0}};

static void start(struct fixture *f, struct far *far)
{
	far_start(far, servers, 0);
	make(f);
	assert_int_equal(monitor_start(&f->daemon), 0);
}

/* ---- tests ---- */

static void test_lines(void **state)
{
	struct fixture f;
	struct far far;
	struct search w;

	NEEDS_NAMESPACE();
	start(&f, &far);
	loop_until(&f, "uplink-up", 2);
	assert_true(health_of(&f, &w, "unicom", NULL)->checks[0].rtt_us > 0);
	assert_int_equal(w.n, 2);
	far_sh(&far, "nft -f - <<END\ntable inet t { chain c { type filter hook prerouting "
		     "priority 0; iifname up1 meta l4proto icmp drop; }; }\nEND\n");
	loop_until(&f, "uplink-down", 1);
	assert_int_equal(state_of(&f, "unicom"), HEALTH_DOWN);
	assert_int_equal(state_of(&f, "telecom"), HEALTH_UP);
	assert_string_equal(
		health_of(&f, &w, "unicom", NULL)->reason, "icmp 9.9.9.9: no answer in 80 ms");
	far_sh(&far, "nft delete table inet t");
	loop_until(&f, "uplink-up", 3);
	assert_int_equal(f.n_learnt, 0); /* uplinks are no backends */
	unmake(&f);
	far_stop(&far);
}

static void test_links(void **state)
{
	static const char *const reasons[] = {"its interface is not there",
		"its interface is switched off", "it has no carrier", "it has no address",
		"it has no gateway"};
	struct fixture f;
	struct far far;
	struct search w;

	NEEDS_NAMESPACE();
	far_start(&far, servers, 0);
	make(&f);
	/* Back again it does not wait for its time. */
	f.model.uplinks.items[1].checks.items[0].every_ms = 60000;
	assert_int_equal(monitor_start(&f.daemon), 0);
	loop_until(&f, "uplink-up", 2);
	for (size_t i = 0; i < 5; i++) {
		struct net_link *l = &f.seen.links.items[1];
		struct plan_uplink *u = &f.plan.uplinks.items[1];
		uint64_t ups = journal_count(f.daemon.journal, "uplink-up");

		l->name = i == 0 ? "other" : "eth1";
		l->up = i != 1;
		l->carrier = i != 2;
		u->addrs.len = i != 3;
		u->up[0] = i != 4;
		monitor_update(&f.daemon);
		assert_int_equal(journal_count(f.daemon.journal, "uplink-down"), i + 1);
		assert_string_equal(health_of(&f, &w, "unicom", NULL)->reason, reasons[i]);
		monitor_update(&f.daemon); /* the same once more is no news */
		loop_for(&f, 250);	   /* nothing is asked */
		assert_int_equal(state_of(&f, "unicom"), HEALTH_DOWN);
		assert_int_equal(journal_count(f.daemon.journal, "uplink-down"), i + 1);

		l->name = "eth1";
		l->up = l->carrier = u->up[0] = true;
		u->addrs.len = 1;
		monitor_update(&f.daemon);
		assert_int_equal(state_of(&f, "unicom"), HEALTH_UNKNOWN);
		loop_until(&f, "uplink-up", ups + 1);
	}
	assert_int_equal(state_of(&f, "telecom"), HEALTH_UP);
	unmake(&f);
	far_stop(&far);
}

/* Until there is a plan nobody is asked and nothing is said. */
static void test_without_a_plan(void **state)
{
	struct fixture f;
	struct far far;

	NEEDS_NAMESPACE();
	far_start(&far, servers, 0);
	make(&f);
	f.has_plan = false;
	assert_int_equal(monitor_start(&f.daemon), 0);
	loop_for(&f, 400);
	assert_int_equal(state_of(&f, "telecom"), HEALTH_UNKNOWN);
	assert_int_equal(journal_last(f.daemon.journal), 0);
	f.has_plan = true;
	monitor_update(&f.daemon);
	loop_until(&f, "uplink-up", 2);
	f.has_plan = false; /* a later one that failed: what was known stays */
	monitor_update(&f.daemon);
	loop_for(&f, 300);
	assert_int_equal(state_of(&f, "telecom"), HEALTH_UP);
	unmake(&f);
	far_stop(&far);
}

static void test_gateway_as_target(void **state)
{
	struct fixture f;
	struct far far;
	struct search w;

	NEEDS_NAMESPACE();
	far_start(&far, servers, 0);
	make(&f);
	f.model.uplinks.items[0].checks.items[0].targets.items[0] =
		(struct check_target){.text = CHECK_GATEWAY};
	f.model.uplinks.items[1].checks.items[0].targets.items[0] =
		(struct check_target){.text = CHECK_GATEWAY};
	f.plan.uplinks.items[1].nexthop[0].gateway = (struct ip_addr){0}; /* point-to-point */
	assert_int_equal(monitor_start(&f.daemon), 0);
	loop_until(&f, "uplink-up", 1);
	loop_until(&f, "uplink-down", 1);
	assert_int_equal(state_of(&f, "telecom"), HEALTH_UP);
	assert_string_equal(health_of(&f, &w, "unicom", NULL)->reason,
		"icmp gateway: the line has no gateway to ask");
	unmake(&f);
	far_stop(&far);
}

/* ---- another config ---- */

static void test_update(void **state)
{
	struct fixture f;
	struct far far;
	struct search w;
	uint64_t since;

	NEEDS_NAMESPACE();
	start(&f, &far);
	loop_until(&f, "uplink-up", 2);
	since = health_of(&f, &w, "telecom", NULL)->since_ms;

	/* One check is another: that uplink starts anew, the other one keeps its state. */
	f.model.uplinks.items[1].checks.items[0].fall = 5;
	f.config.loaded_ms++;
	monitor_update(&f.daemon);
	assert_int_equal(state_of(&f, "unicom"), HEALTH_UNKNOWN);
	assert_int_equal(state_of(&f, "telecom"), HEALTH_UP);
	assert_int_equal(health_of(&f, &w, "telecom", NULL)->since_ms, since);
	loop_until(&f, "uplink-up", 3);

	/* Its place in memory and its order are none of its identity. */
	add_map(&f, "plain", "192.168.0.2", 80);
	f.model.uplinks.items[0].name = "unicom";
	f.model.uplinks.items[0].checks.items[0].fall = 5;
	f.model.uplinks.items[1].name = "telecom";
	f.model.uplinks.items[1].checks.items[0].fall = 2;
	f.config.loaded_ms++;
	monitor_update(&f.daemon);
	assert_int_equal(state_of(&f, "unicom"), HEALTH_UP);
	assert_int_equal(state_of(&f, "telecom"), HEALTH_UP);
	health_of(&f, &w, "telecom", "plain");
	assert_int_equal(w.n, 2); /* a map without checks is no subject */

	/* One goes, in the middle of a round. */
	loop_for(&f, 5);
	f.model.uplinks.len = f.plan.uplinks.len = 1;
	f.config.loaded_ms++;
	monitor_update(&f.daemon);
	health_of(&f, &w, "telecom", NULL);
	assert_int_equal(w.n, 1);
	loop_for(&f, 300);
	unmake(&f);
	far_stop(&far);
}

/* ---- backends ---- */

static bool last_learnt(struct fixture *f, const char *map)
{
	for (size_t i = f->n_learnt; i-- > 0;)
		if (strcmp(f->learnt[i].map, map) == 0)
			return f->learnt[i].down;
	fail_msg("nothing was learnt of map %s", map);
	return false;
}

static void test_backends(void **state)
{
	struct fixture f;
	struct far far;
	struct map *web, *dead;
	int listener;
	const struct sockaddr_in here = {.sin_family = AF_INET,
		.sin_port = htons(8080),
		.sin_addr.s_addr = htonl(0x7f000002)};

	NEEDS_NAMESPACE();
	far_start(&far, servers, 0);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(listen(listener, 10), 0);
	make(&f);
	web = add_map(&f, "web", "127.0.0.2", 80);
	web->backends.items[0].port = 8080;
	add_check(&f, &web->checks, CHECK_TCP);
	dead = add_map(&f, "dead", "127.0.0.3", 80);
	add_check(&f, &dead->checks, CHECK_TCP);
	settle(&f);
	assert_int_equal(monitor_start(&f.daemon), 0);
	loop_until(&f, "backend-up", 1);
	loop_until(&f, "backend-down", 1);
	assert_false(last_learnt(&f, "web"));
	assert_true(last_learnt(&f, "dead"));

	close(listener);
	loop_until(&f, "backend-down", 2);
	assert_true(last_learnt(&f, "web"));

	/* A check on another port. */
	dead->checks.items[0].port = 1;
	settle(&f);
	monitor_update(&f.daemon);
	loop_until(&f, "backend-down", 3);

	/* Checked no more: taken for up, as all that are not. */
	*vec_add(f.arena, &f.daemon.learned.known.downs) =
		(struct memory_down){.map = "web", .backend = addr("127.0.0.2"), .port = 8080};
	*vec_add(f.arena, &f.daemon.learned.known.downs) =
		(struct memory_down){.map = "dead", .backend = addr("127.0.0.3")};
	*vec_add(f.arena, &f.daemon.learned.known.downs) =
		(struct memory_down){.map = "was once", .backend = addr("127.0.0.9")};
	web->checks.len = 0;
	settle(&f);
	monitor_update(&f.daemon);
	assert_false(last_learnt(&f, "web"));
	assert_false(last_learnt(&f, "was once"));
	assert_true(last_learnt(&f, "dead"));
	assert_int_equal(f.daemon.learned.known.downs.len, 1);
	unmake(&f);
	far_stop(&far);
}

/* ---- very many ---- */

static unsigned int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Thousands of dead backends: never more than so many questions at once, and each has its turn. */
static void test_many(void **state)
{
	enum { MAPS = 3000 };
	struct fixture f;
	struct far far;
	unsigned int most = 0, before;
	uint64_t asked = 0;

	NEEDS_NAMESPACE();
	far_start(&far, servers, 0);
	make(&f);
	for (unsigned int i = 0; i < MAPS; i++) {
		char text[IP_STRLEN];
		struct map *m;

		snprintf(text, sizeof(text), "1.1.1.%u", 2 + i % 250); /* nobody is there */
		m = add_map(&f, arena_printf(f.arena, "map%u", i), text, 80);
		add_check(&f, &m->checks, CHECK_TCP)->fall = 1;
	}
	settle(&f);
	before = open_files();
	assert_int_equal(monitor_start(&f.daemon), 0);
	for (int i = 0; i < 200 && journal_count(f.daemon.journal, "backend-down") < MAPS; i++) {
		unsigned int n;

		loop_for(&f, 25);
		n = open_files() - before;
		most = n > most ? n : most;
	}
	asked = journal_count(f.daemon.journal, "backend-down");
	assert_int_equal(asked, MAPS);
	assert_in_range(most, 200, 300);
	/* The lines are asked meanwhile, though less often. */
	assert_int_equal(journal_count(f.daemon.journal, "uplink-down"), 0);
	unmake(&f);
	assert_in_range(open_files(), before - 3, before);
	far_stop(&far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_without_a_plan),
		cmocka_unit_test(test_gateway_as_target),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_backends),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
