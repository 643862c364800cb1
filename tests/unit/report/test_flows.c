/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which map and which home a connection has, what it adds up to, and how it is told. */
#include "../plan/planned.h"

#include "report/flows.h"
#include "report/sums.h"
#include "report/traffic.h"

#define CONFIG                                                                                     \
	"uplinks:\n"                                                                               \
	"  one: {interface: eth0, address: 1.1.1.1, gateway: 1.1.1.254}\n"                         \
	"  two: {interface: eth1, address: [2.2.2.2, 2.2.2.3], gateway: 2.2.2.254}\n"              \
	"maps:\n"                                                                                  \
	"  web: {listen: 80/tcp, to: 192.168.0.2}\n"                                               \
	"  dns: {listen: 80/udp, to: 192.168.0.3}\n"                                               \
	"  wide: {listen: 1000-2000/tcp, on: one, to: 192.168.0.4}\n"                              \
	"  narrow: {listen: 1500/tcp, on: 2.2.2.3, to: 192.168.0.5}\n"                             \
	"  pair: {listen: 443/tcp, to: [192.168.0.6, 192.168.0.7]}\n"

struct fixture {
	struct planned p;
	struct mapped_index *index;
};

static void begin(struct fixture *f)
{
	planned_init(&f->p, CONFIG);
	planned_make(&f->p);
	assert_non_null(f->p.plan);
	f->index = mapped_index(f->p.a, f->p.plan);
}

static void end(struct fixture *f)
{
	planned_fini(&f->p);
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static uint32_t mark_of(const struct fixture *f, int uplink)
{
	return mark_ours_bit(f->p.model->mark_mask) |
	       (uplink < 0 ? 0 : f->p.plan->uplinks.items[uplink].mark);
}

static struct net_flow flow(const struct fixture *f, uint8_t proto, int uplink, const char *dst,
	uint16_t port, const char *backend)
{
	return (struct net_flow){.proto = proto,
		.mark = mark_of(f, uplink),
		.original = {addr("9.9.9.9"), addr(dst), 4000, port},
		.reply = {addr(backend), addr("192.168.0.1"), port, 4000}};
}

static void test_map_and_home(void **state)
{
	static const struct {
		uint8_t proto;
		int uplink;
		const char *dst;
		uint16_t port;
		const char *backend, *map, *home;
	} cases[] = {
		{PROTO_TCP, 0, "1.1.1.1", 80, "192.168.0.2", "web", "one"},
		{PROTO_TCP, 1, "2.2.2.2", 80, "192.168.0.2", "web", "two"},
		{PROTO_UDP, 1, "2.2.2.2", 80, "192.168.0.3", "dns", "two"},
		{PROTO_SCTP, 1, "2.2.2.2", 80, "192.168.0.3", NULL, "two"},
		{PROTO_TCP, 0, "1.1.1.1", 1000, "192.168.0.4", "wide", "one"},
		{PROTO_TCP, 0, "1.1.1.1", 1999, "192.168.0.4", "wide", "one"},
		{PROTO_TCP, 0, "1.1.1.1", 2001, "192.168.0.4", NULL, "one"},
		{PROTO_TCP, 0, "1.1.1.1", 999, "192.168.0.4", NULL, "one"},
		{PROTO_TCP, 1, "2.2.2.2", 1000, "192.168.0.4", NULL, "two"},
		{PROTO_TCP, 1, "2.2.2.3", 1500, "192.168.0.5", "narrow", "two"},
		{PROTO_TCP, 1, "2.2.2.2", 1500, "192.168.0.5", NULL, "two"},
		{PROTO_TCP, 1, "2.2.2.2", 443, "192.168.0.7", "pair", "two"},
		{PROTO_TCP, 1, "2.2.2.2", 443, "192.168.0.8", NULL, "two"},
		/* It began inside: the address tells the line. */
		{PROTO_TCP, -1, "1.1.1.1", 1500, "192.168.0.4", "wide", NULL},
		{PROTO_TCP, -1, "3.3.3.3", 80, "192.168.0.2", NULL, NULL},
		/* The line has another address since. */
		{PROTO_TCP, 0, "1.1.1.9", 80, "192.168.0.2", "web", "one"},
	};
	struct fixture f;

	begin(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_flow n = flow(&f, cases[i].proto, cases[i].uplink, cases[i].dst,
			cases[i].port, cases[i].backend);
		struct mapped_flow m;

		mapped_find(f.index, &n, &m);
		print_message("# case %zu\n", i);
		if (cases[i].map)
			assert_string_equal(m.map ? m.map->map->name : "none", cases[i].map);
		else
			assert_null(m.map);
		if (cases[i].home)
			assert_string_equal(m.home ? m.home->uplink->name : "none", cases[i].home);
		else
			assert_null(m.home);
		assert_true(m.snat);
		if (m.map)
			assert_true(ip_equal(&m.map->backend->addr, &n.reply.src));
	}
	end(&f);
}

static void test_sums(void **state)
{
	struct flow_account account = {.counted = true, .packets = {1, 2}, .bytes = {100, 1000}};
	struct fixture f;
	struct sums s;
	uint64_t connections = 0;

	begin(&f);
	sums_init(&s, f.p.a);
	/* Many, so that the index grows on the way. */
	for (unsigned int i = 0; i < 1000; i++) {
		struct net_flow n = flow(&f, PROTO_TCP, (int)(i % 2), i % 2 ? "2.2.2.2" : "1.1.1.1",
			80, "192.168.0.2");
		struct mapped_flow m;

		n.reply.sport = (uint16_t)(1000 + i % 500);
		mapped_find(f.index, &n, &m);
		m.account = &account;
		sums_add(&s, &m);
	}
	assert_int_equal(s.pairs.len, 2);
	assert_int_equal(s.pairs.items[0].connections, 500);
	assert_int_equal(s.pairs.items[0].bytes[1], 500 * 1000);
	assert_int_equal(s.pairs.items[1].packets[0], 500);
	assert_int_equal(s.snats.len, 500);
	VEC_EACH (&s.snats, struct sums_snat, n)
		connections += n->connections;
	assert_int_equal(connections, 1000);
	assert_true(s.counted);
	end(&f);
}

/* A look that finds connection number @id (0: none) with so many bytes of requests. */
static void look(struct fixture *f, struct traffic *t, uint32_t id, uint64_t bytes)
{
	struct net_flow n = flow(f, PROTO_TCP, 0, "1.1.1.1", 80, "192.168.0.2");
	struct flow_account account = {
		.counted = true, .packets = {1, 2}, .bytes = {bytes, 2 * bytes}, .id = id};
	struct mapped_flow m;
	struct sums s;

	sums_init(&s, f->p.a);
	traffic_begin(t);
	mapped_find(f->index, &n, &m);
	m.account = &account;
	if (id) {
		struct flow_account again = account;

		m.begun = traffic_since(t, &n, &account);
		assert_false(traffic_since(t, &n, &again)); /* told of twice in one look */
		sums_add(&s, &m);
	}
	traffic_end(t, f->p.plan, &s);
}

static const struct traffic_total *total_of_web(const struct traffic *t, const char *uplink)
{
	const struct traffic_total *all;
	size_t n = traffic_totals(t, &all);

	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].map, "web") == 0 && strcmp(all[i].uplink, uplink) == 0)
			return &all[i];
	return NULL;
}

static void test_traffic(void **state)
{
	static const struct {
		uint32_t id;
		uint64_t bytes, connections, total, begun;
	} looks[] = {
		{1, 100, 1, 100, 1}, /* what it carried before it was first seen counts */
		{1, 100, 1, 100, 1},
		{1, 150, 1, 150, 1},
		{0, 0, 0, 150, 1},  /* it has ended */
		{2, 40, 1, 190, 2}, /* another one with the same addresses */
		{2, 30, 1, 190, 2}, /* what is less than it was has added nothing */
		{2, 35, 1, 195, 2},
		{3, 10, 1, 205, 3},
	};
	struct traffic *t = traffic_new();
	struct fixture f;

	begin(&f);
	traffic_begin(t); /* one that comes to nothing */
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		const struct traffic_total *total, *other;

		look(&f, t, looks[i].id, looks[i].bytes);
		total = total_of_web(t, f.p.plan->uplinks.items[0].uplink->name);
		other = total_of_web(t, f.p.plan->uplinks.items[1].uplink->name);
		assert_non_null(total);
		assert_int_equal(total->connections, looks[i].connections);
		assert_int_equal(total->bytes[0], looks[i].total);
		assert_int_equal(total->bytes[1], 2 * looks[i].total);
		assert_int_equal(total->begun, looks[i].begun);
		assert_non_null(other); /* nothing came by it, and that is said */
		assert_int_equal(other->connections + other->bytes[0], 0);
	}
	traffic_free(t);
	end(&f);
}

/* What the fast path carried is added, and told by itself. */
static void test_bypassed(void **state)
{
	static const struct fastpath_account parts[] = {{10, 1000}, {20, 2000}};
	struct flow_account account = {.counted = true, .packets = {1, 2}, .bytes = {100, 200}};
	struct fixture f;
	struct net_flow n;
	struct mapped_flow m;
	json_t *j;

	begin(&f);
	n = flow(&f, PROTO_TCP, 1, "2.2.2.2", 80, "192.168.0.2");
	mapped_find(f.index, &n, &m);
	m.account = &account;
	j = report_flow(&m, 0);
	assert_true(json_is_null(json_object_get(j, "bypassed")));
	json_decref(j);
	mapped_add_bypassed(&m, &account, parts);
	assert_int_equal(account.packets[0], 11);
	assert_int_equal(account.packets[1], 22);
	assert_int_equal(account.bytes[0], 1100);
	assert_int_equal(account.bytes[1], 2200);
	j = report_flow(&m, 0);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(j, "bypassed"), "reply")), 20);
	json_decref(j);
	end(&f);
}

static void test_as_json(void **state)
{
	struct flow_account known = {.counted = true, .bytes = {3, 4}, .start_ms = 10000, .id = 7},
			    unknown = {0};
	struct fixture f;
	struct net_flow n;
	struct mapped_flow m;
	json_t *j;

	begin(&f);
	n = flow(&f, PROTO_TCP, 1, "2.2.2.2", 80, "192.168.0.2");
	n.state = "ESTABLISHED";
	mapped_find(f.index, &n, &m);
	m.account = &known;
	j = report_flow(&m, 15500);
	assert_string_equal(json_string_value(json_object_get(j, "map")), "web");
	assert_string_equal(json_string_value(json_object_get(j, "home")), "two");
	assert_string_equal(json_string_value(json_object_get(j, "return")), "snat");
	assert_string_equal(json_string_value(json_object_get(j, "seen_as")), "192.168.0.1");
	assert_int_equal(json_integer_value(json_object_get(j, "age_s")), 5);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(j, "bytes"), "reply")), 4);
	json_decref(j);
	/* What the kernel does not keep is not known, which is not 0. */
	m.account = &unknown;
	j = report_flow(&m, 15500);
	assert_true(json_is_null(json_object_get(j, "age_s")));
	assert_true(json_is_null(json_object_get(j, "bytes")));
	json_decref(j);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_and_home),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_bypassed),
		cmocka_unit_test(test_as_json),
	};

	return cmocka_run_group_tests_name("report/flows", tests, NULL, NULL);
}
