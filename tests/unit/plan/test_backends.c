/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several backends, and such as are down: where new connections go, what is kept, what is remembered. */
#include <linux/netfilter/nf_conntrack_common.h>

#include "planned.h"

#define OURS  0x80000000u
#define HOME1 0x01000000u

#define UPLINK "uplinks: {telecom: {interface: eth0, gateway: 1.1.1.254}}\n"

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(s, &a), 0);
	return a;
}

static void down(struct planned *p, const char *map, const char *backend, uint16_t port)
{
	vec_push(p->a, &p->memory.learned.downs,
		((struct memory_down){.map = map, .backend = addr(backend), .port = port}));
}

static void plan(struct planned *p)
{
	planned_make(p);
	assert_non_null(p->plan);
}

static const struct nft_table *table(const struct planned *p)
{
	return p->plan->want.ruleset.tables.items[0];
}

/* The rules of a chain of the plan, as text; "" where there is none. */
static const char *chain(struct planned *p, const char *name)
{
	const struct nft_chain *c = nft_chain_find(table(p), name);
	struct strbuf out = STRBUF_INIT;
	const char *text;

	if (c)
		VEC_EACH (&c->rules, struct nft_rule, r) {
			nft_print_rule(&out, r);
			strbuf_addch(&out, '\n');
		}
	text = arena_strdup(p->a, strbuf_str(&out));
	strbuf_fini(&out);
	return text;
}

static size_t elements(struct planned *p, const char *set)
{
	const struct nft_set *s = nft_set_find_named(table(p), set);

	return s ? s->len : 0;
}

#define TO	"meta nfproto ipv4 dnat ip to "
#define BY_HASH "jhash ip saddr mod 258 seed 0x706f7274 map { "

static const char three[] = UPLINK
	"maps: {web: {listen: 80/tcp, to: [192.168.0.2, 192.168.0.3, 192.168.0.4], check: tcp}}\n";

static void test_hash(void **state)
{
	struct planned p;

	planned_init(&p, three);
	plan(&p);
	assert_string_equal(chain(&p, "spread4_web"),
		TO BY_HASH "0-85 : 192.168.0.2, 86-171 : 192.168.0.3, 172-257 : 192.168.0.4 }\n");
	assert_int_equal(elements(&p, "ports4"), 0);
	assert_int_equal(elements(&p, "spread4"), 1);
	assert_string_equal(chain(&p, "refused"), "");
	planned_fini(&p);

	/* Half of its slots to each of the others. */
	planned_init(&p, three);
	down(&p, "web", "192.168.0.3", 0);
	plan(&p);
	assert_string_equal(chain(&p, "spread4_web"),
		TO BY_HASH "0-85 : 192.168.0.2, 86-128 : 192.168.0.4, 129-171 : 192.168.0.2, "
			   "172-257 : 192.168.0.4 }\n");
	assert_false(p.plan->maps.items[0].down);
	assert_true(p.plan->maps.items[1].down);
	planned_fini(&p);
}

/* As with one backend in the file. */
static void test_one_is_left(void **state)
{
	struct planned p;

	planned_init(&p, three);
	down(&p, "web", "192.168.0.3", 0);
	down(&p, "web", "192.168.0.2", 0);
	plan(&p);
	assert_int_equal(elements(&p, "ports4"), 1);
	assert_null(nft_set_find_named(table(&p), "spread4"));
	assert_string_equal(chain(&p, "spread4_web"), "");
	planned_fini(&p);
}

static void test_all_down(void **state)
{
	struct planned p;

	planned_init(&p, three);
	down(&p, "web", "192.168.0.2", 0);
	down(&p, "web", "192.168.0.3", 0);
	down(&p, "web", "192.168.0.4", 0);
	plan(&p); /* try: as if all were up */
	assert_non_null(strstr(chain(&p, "spread4_web"), "0-85 : 192.168.0.2, 86-171"));
	assert_true(p.plan->maps.items[0].down);
	planned_fini(&p);

	planned_init(&p,
		UPLINK "maps: {web: {listen: [80/tcp, 5000-5009/udp], to: '192.168.0.2:6000', "
		       "check: icmp, all-down: refuse}}\n");
	down(&p, "web", "192.168.0.2", 6000);
	plan(&p);
	assert_int_equal(elements(&p, "spread4"), 1);
	assert_int_equal(elements(&p, "spread_ranges4"), 1);
	assert_string_equal(chain(&p, "refused"), "meta l4proto tcp reject with tcp reset\n"
						  "fib daddr type != local reject\n"
						  "accept\n");
	assert_string_equal(chain(&p, "input"),
		"ct state new ct mark & 0x80000000 != 0x00000000 ct status & dnat == 0x0 reject\n");
	planned_fini(&p);
}

/* Downs of a map without checks are of an earlier file, and those of others are not this one's. */
static void test_not_ours(void **state)
{
	struct planned p;

	planned_init(&p, UPLINK
		"maps:\n"
		"  a: {listen: 80/tcp, to: [192.168.0.2, 192.168.0.3]}\n"
		"  b: {listen: 81/tcp, to: ['192.168.0.2:80', '192.168.0.2:81'], check: tcp}\n");
	down(&p, "a", "192.168.0.2", 0);
	down(&p, "b", "192.168.0.2", 0);
	down(&p, "b", "192.168.0.2", 81);
	down(&p, "c", "192.168.0.2", 80);
	plan(&p);
	assert_false(p.plan->maps.items[0].down || p.plan->maps.items[1].down ||
		     p.plan->maps.items[2].down);
	assert_true(p.plan->maps.items[3].down);
	assert_int_equal(p.plan->memory.learned.downs.len, 1);
	planned_fini(&p);
}

static void test_first(void **state)
{
	static const char config[] =
		UPLINK "maps: {mail: {listen: 25/tcp, to: [192.168.0.2, 192.168.0.3, 192.168.0.4], "
		       "balance: first, check: tcp}}\n";
	static const char *const wanted[] = {"192.168.0.2", "192.168.0.3", "192.168.0.4"};

	for (unsigned int gone = 0; gone < 3; gone++) {
		struct ip_addr want = addr(wanted[gone]);
		const struct nft_set *s;
		struct planned p;

		planned_init(&p, config);
		for (unsigned int i = 0; i < gone; i++)
			down(&p, "mail", wanted[i], 0);
		plan(&p);
		s = nft_set_find_named(table(&p), "ports4");
		assert_int_equal(s->len, 1);
		assert_memory_equal(nft_set_elem_data(s, 0), want.bytes, 4);
		planned_fini(&p);
	}
}

/* Equal choices share a chain; different weights, ports, protocols or states do not. */
static void test_chains(void **state)
{
	struct planned p;
	size_t chains = 0;

	planned_init(&p, UPLINK
		"maps:\n"
		"  a: {listen: [80/tcp, 80/udp], to: [192.168.0.2, 192.168.0.3], check: tcp}\n"
		"  b: {listen: 81/tcp, to: ['192.168.0.2:81', 192.168.0.3]}\n"
		"  c: {listen: 82/tcp, to: [192.168.0.3, 192.168.0.2]}\n"
		"  d: {listen: [83/tcp, 83/udp], to: ['192.168.0.2:80', '192.168.0.3:80']}\n"
		"  e: {listen: 84/tcp, to: ['192.168.0.2:80', '192.168.0.3:80']}\n"
		"  f: {listen: 85/tcp, to: [192.168.0.2, 192.168.0.3], balance: random}\n"
		"  h: {listen: 87/tcp, to: [192.168.0.2, 192.168.0.9, 192.168.0.3], balance: "
		"random, check: tcp}\n"
		"  g: {listen: 86/tcp, to: [192.168.0.2, {address: 192.168.0.3, weight: 2}]}\n");
	down(&p, "h", "192.168.0.9", 0);
	plan(&p);
	VEC_EACH (&table(&p)->chains, struct nft_chain *, c)
		chains += strncmp((*c)->name, "spread", 6) == 0;
	/* a and b; c; d twice, and e with d's first; f and h; g */
	assert_int_equal(chains, 6);
	assert_string_not_equal(chain(&p, "spread4_a"), "");
	assert_string_equal(chain(&p, "spread4_b"), "");
	assert_string_equal(chain(&p, "spread4ports_83_udp_d"),
		"meta nfproto ipv4 meta l4proto udp dnat ip to jhash ip saddr mod 256 seed "
		"0x706f7274 map { 0-127 : 192.168.0.2 . 80, 128-255 : 192.168.0.3 . 80 }\n");
	assert_string_equal(chain(&p, "spread4_f"),
		TO "numgen random mod 2 map { 0 : 192.168.0.2, 1 : 192.168.0.3 }\n");
	planned_fini(&p);
}

static void test_ipv6_and_lists(void **state)
{
	struct planned p;

	planned_init(&p,
		"uplinks: {telecom: {interface: eth0, gateway: [1.1.1.254, '2001:db8:1::fe']}}\n"
		"maps:\n"
		"  a: {listen: 80/tcp, to: ['fd00::2', 'fd00::3'], from: ['2001:db8:a::/48']}\n"
		"  b: {listen: 80/tcp, to: ['fd00::2', 'fd00::4'], from: ['2001:db8:b::/48']}\n");
	plan(&p);
	assert_int_equal(elements(&p, "from6"), 1);
	assert_int_equal(elements(&p, "spread6_clients6_1"), 1);
	assert_int_equal(elements(&p, "spread6_clients6_2"), 1);
	assert_string_equal(chain(&p, "spread6_b"),
		"meta nfproto ipv6 dnat ip6 to jhash ip6 saddr mod 256 seed 0x706f7274 map { 0-127 "
		": fd00::2, 128-255 : fd00::4 }\n");
	planned_fini(&p);
}

/* ---- connections ---- */

static enum flow_verdict judge(
	const struct planned *p, const char *backend, uint16_t port, const char *client)
{
	struct flow f = {.proto = PROTO_TCP,
		.mark = OURS | HOME1,
		.status = IPS_SEEN_REPLY | IPS_CONFIRMED | IPS_DST_NAT,
		.original = {addr(client), addr("1.1.1.1"), 4000, 80},
		.reply = {addr(backend), addr("192.168.0.1"), port, 4000}};

	return plan_judge_flow(p->plan, &f, NULL);
}

static void test_flows(void **state)
{
	static const char *const more[] = {"", ", when-down: cut",
		", when-down: cut, from: [198.51.100.0/24]", ", when-down: cut, balance: first"};

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		const char *client = "198.51.100.7";
		struct strbuf text = STRBUF_INIT;
		struct planned p;

		strbuf_addf(&text,
			"%smaps: {web: {listen: 80/tcp, to: [192.168.0.2, '192.168.0.3:8080', "
			"192.168.0.4], check: tcp%s}}\n",
			UPLINK, more[i]);
		planned_init(&p, strbuf_str(&text));
		down(&p, "web", "192.168.0.3", 8080);
		plan(&p);
		/* any that is up, whatever its turn; one that is down, as the file says */
		assert_int_equal(judge(&p, "192.168.0.2", 80, client), FLOW_UNTOUCHED);
		assert_int_equal(judge(&p, "192.168.0.4", 80, client), FLOW_UNTOUCHED);
		assert_int_equal(judge(&p, "192.168.0.3", 8080, client),
			i == 0 ? FLOW_UNTOUCHED : FLOW_CONTRADICTED);
		/* the wrong port; gone from the file */
		assert_int_equal(judge(&p, "192.168.0.3", 80, client), FLOW_CONTRADICTED);
		assert_int_equal(judge(&p, "192.168.0.5", 80, client), FLOW_CONTRADICTED);
		if (i == 2)
			assert_int_equal(
				judge(&p, "192.168.0.2", 80, "203.0.113.1"), FLOW_CONTRADICTED);
		planned_fini(&p);
		strbuf_fini(&text);
	}
}

/* `cut` deletes nothing where all are down and tried all the same: one of them may be up by now. And
 * `keep` keeps what new connections are refused. */
static void test_flows_all_down(void **state)
{
	static const struct {
		const char *when_down, *all_down;
		enum flow_verdict want;
	} cases[] = {{"cut", "try", FLOW_UNTOUCHED}, {"cut", "refuse", FLOW_CONTRADICTED},
		{"keep", "try", FLOW_UNTOUCHED}, {"keep", "refuse", FLOW_UNTOUCHED}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct strbuf text = STRBUF_INIT;
		struct planned p;

		strbuf_addf(&text,
			"%smaps: {web: {listen: 80/tcp, to: 192.168.0.2, check: tcp, when-down: "
			"%s, "
			"all-down: %s}}\n",
			UPLINK, cases[i].when_down, cases[i].all_down);
		planned_init(&p, strbuf_str(&text));
		down(&p, "web", "192.168.0.2", 0);
		plan(&p);
		assert_int_equal(judge(&p, "192.168.0.2", 80, "198.51.100.7"), cases[i].want);
		planned_fini(&p);
		strbuf_fini(&text);
	}
}

/* ---- return ---- */

static void test_measured_return(void **state)
{
	struct planned p;
	const struct plan_map *m;

	planned_init(&p,
		UPLINK "maps:\n"
		       "  web: {listen: 80/tcp, to: [192.168.0.2, 192.168.0.3, 192.168.0.4]}\n"
		       "  ssh: {listen: 22/tcp, to: 192.168.0.2}\n"
		       "  said: {listen: 23/tcp, to: 192.168.0.5, return: snat}\n");
	vec_push(p.a, &p.memory.learned.returns,
		((struct memory_return){addr("192.168.0.2"), RETURN_DIRECT, "back by lan0"}));
	vec_push(p.a, &p.memory.learned.returns,
		((struct memory_return){addr("192.168.0.3"), RETURN_SNAT, "another way out"}));
	vec_push(p.a, &p.memory.learned.returns,
		((struct memory_return){addr("192.168.0.5"), RETURN_DIRECT, "not asked"}));
	plan(&p);
	m = p.plan->maps.items;
	assert_int_equal(p.plan->maps.len, 5);
	assert_int_equal(m[0].return_mode, RETURN_DIRECT);
	assert_string_equal(m[0].reason, "auto: back by lan0");
	assert_int_equal(m[1].return_mode, RETURN_SNAT);
	assert_string_equal(m[1].reason, "auto: another way out");
	assert_int_equal(m[2].return_mode, RETURN_SNAT);
	assert_int_equal(m[3].return_mode, RETURN_DIRECT);
	assert_int_equal(m[4].return_mode, RETURN_SNAT);
	assert_int_equal(elements(&p, "source4"), 3);
	assert_int_equal(elements(&p, "hairpin4"), 1);
	/* what no map asks for is forgotten */
	assert_int_equal(p.plan->memory.learned.returns.len, 2);
	planned_fini(&p);
}

/* ---- memory ---- */

static void test_remembered(void **state)
{
	char long_reason[300];
	struct memory back = {0};
	struct planned p, again;
	struct changes changes = {0};

	memset(long_reason, 'x', sizeof(long_reason) - 1);
	long_reason[sizeof(long_reason) - 1] = '\0';
	planned_init(&p, three);
	down(&p, "web", "192.168.0.3", 0);
	vec_push(p.a, &p.memory.learned.returns,
		((struct memory_return){addr("192.168.0.2"), RETURN_DIRECT, "back by lan0"}));
	vec_push(p.a, &p.memory.learned.returns,
		((struct memory_return){addr("192.168.0.4"), RETURN_SNAT, long_reason}));
	plan(&p);
	plan_read_memory(p.a, table(&p), &back);
	assert_int_equal(back.learned.downs.len, 1);
	assert_string_equal(back.learned.downs.items[0].map, "web");
	assert_true(ip_equal(
		&back.learned.downs.items[0].backend, &(struct ip_addr){IP_V4, {192, 168, 0, 3}}));
	assert_int_equal(back.learned.downs.items[0].port, 0);
	assert_int_equal(back.learned.returns.len, 2);
	assert_int_equal(back.learned.returns.items[0].mode, RETURN_DIRECT);
	assert_string_equal(back.learned.returns.items[0].reason, "back by lan0");
	assert_int_equal(back.learned.returns.items[1].mode, RETURN_SNAT);
	assert_int_equal(strlen(back.learned.returns.items[1].reason),
		LIMIT_MEMORY_LINE - strlen("return 192.168.0.4 snat "));
	VEC_EACH (&back.sysctls, struct memory_sysctl, s)
		assert_null(strstr(s->key, "192.168"));

	/* and what was remembered makes the same plan */
	planned_init(&again, three);
	again.memory = back;
	plan(&again);
	plan_diff(again.a, &p.plan->want, &again.plan->want, &back, &changes);
	assert_int_equal(changes.nft.len, 0);
	planned_fini(&again);
	planned_fini(&p);
}

static void test_damaged_lines(void **state)
{
	static const char *const bad[] = {"", "down", "down ", "down 192.168.0.2",
		"down 192.168.0.2 80", "down 192.168.0.2 80 ", "down 192.168.0 80 web",
		"down 192.168.0.2 65536 web", "down 192.168.0.2 -1 web",
		"down 192.168.0.2 123456 web", "return 192.168.0.2", "return 192.168.0.2 auto x",
		"return x snat y", "returns 192.168.0.2 snat y"};
	char name[LIMIT_NAME + 2] = "", line[LIMIT_MEMORY_LINE + 1];
	struct arena *a = arena_new();
	struct learned l = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(plan_read_learned(a, bad[i], strlen(bad[i]), &l));
	/* Longer than the name of any map: it might not fit a line again, by an address that was shortened. */
	memset(name, 'a', LIMIT_NAME + 1);
	snprintf(line, sizeof(line), "down fd00::2 80 %s", name);
	assert_false(plan_read_learned(a, line, strlen(line), &l));
	assert_int_equal(l.returns.len + l.downs.len, 0);
	assert_true(plan_read_learned(a, "down fd00::2 0 a web", 20, &l));
	assert_string_equal(l.downs.items[0].map, "a web");
	arena_free(a);
}

/* The kernel's time for them grows with the square. */
static void test_limit(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct planned p;

	strbuf_add(&text, "uplinks: {wan: {interface: eth0, gateway: 1.1.1.254}}\nmaps:\n");
	for (unsigned int i = 0; i <= LIMIT_SPREADS; i++)
		strbuf_addf(&text, "  m%u: {listen: %u/tcp, to: [10.1.%u.%u, 10.2.0.1]}\n", i,
			i + 1, i >> 7, (i & 127) + 1);
	planned_init(&p, strbuf_str(&text));
	planned_make(&p);
	assert_null(p.plan);
	assert_non_null(strstr(p.d.entries.items[p.d.entries.len - 1].text,
		"among 4097 different sets of backends"));
	planned_fini(&p);
	strbuf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_one_is_left),
		cmocka_unit_test(test_all_down),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_ipv6_and_lists),
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_flows_all_down),
		cmocka_unit_test(test_measured_return),
		cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_damaged_lines),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests_name("plan backends", tests, NULL, NULL);
}
