/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listeners with `from` that overlap in part: at each port stand the lists that the file puts there. */
#include "planned.h"

#define LISTS 4u
#define PORTS 60u

struct stretch {
	uint16_t first, last;
};

/* A place in the table at which clients are told apart. */
struct found {
	size_t elements;   /* that hold the port */
	const char *chain; /* of the last one */
};

static void look_in(const struct nft_table *t, const char *name, uint16_t port, struct found *out)
{
	const struct nft_set *s = nft_set_find_named(t, name);

	for (size_t i = 0; s && i < s->len; i++) {
		const uint8_t *e = nft_set_elem(s, i), *data = nft_set_elem_data(s, i);
		const uint8_t *end = s->flags & SET_INTERVAL ? e + s->key_len : e;
		uint32_t chain;

		if (port < (e[8] << 8 | e[9]) || port > (end[8] << 8 | end[9]))
			continue;
		memcpy(&chain, data + 4, sizeof(chain));
		out->elements++;
		out->chain = s->chains.items[chain];
	}
}

/* Lists have numbers in the order in which maps name them: one map each here. */
static void assert_port(const struct planned *p, uint16_t port, const struct stretch *at)
{
	const struct nft_table *t = p->plan->want.ruleset.tables.items[0];
	char chain[64] = "from4";
	struct found found = {0};
	size_t wanted = 0;

	for (unsigned int i = 0; i < LISTS; i++)
		if (at[i].first <= port && port <= at[i].last) {
			snprintf(
				chain + strlen(chain), sizeof(chain) - strlen(chain), "_%u", i + 1);
			wanted = 1;
		}
	look_in(t, "from4", port, &found);
	look_in(t, "from_ranges4", port, &found);
	assert_int_equal(found.elements, wanted);
	if (wanted)
		assert_string_equal(found.chain, chain);
}

static void assert_all(const struct stretch at[LISTS])
{
	struct strbuf text = STRBUF_INIT;
	struct planned p;

	strbuf_add(&text, "uplinks:\n  telecom: {interface: eth0, address: 1.1.1.1, "
			  "gateway: 1.1.1.254}\nmaps:\n");
	for (unsigned int i = 0; i < LISTS; i++)
		strbuf_addf(&text,
			"  m%u: {listen: %u-%u/tcp, to: 192.168.0.%u, from: [10.%u.0.0/16]}\n", i,
			at[i].first, at[i].last, i + 2, i);
	planned_init(&p, strbuf_str(&text));
	planned_make(&p);
	assert_non_null(p.plan);
	for (uint16_t port = 1; port <= PORTS; port++)
		assert_port(&p, port, at);
	planned_fini(&p);
	strbuf_fini(&text);
}

static void test_by_hand(void **state)
{
	static const struct stretch cases[][LISTS] = {
		{{10, 20}, {15, 15}, {30, 40}, {41, 50}},
		{{10, 20}, {15, 25}, {20, 30}, {5, 60}},
		{{10, 20}, {10, 20}, {10, 19}, {11, 20}},
		{{10, 20}, {20, 30}, {30, 40}, {40, 50}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_all(cases[i]);
}

static void test_by_chance(void **state)
{
	uint32_t random = 1;

	for (unsigned int round = 0; round < 300; round++) {
		struct stretch at[LISTS];

		for (unsigned int i = 0; i < LISTS; i++) {
			random = random * 1664525u + 1013904223u;
			at[i].first = (uint16_t)(1 + (random >> 8) % PORTS);
			random = random * 1664525u + 1013904223u;
			at[i].last =
				(uint16_t)(at[i].first + (random >> 8) % (PORTS - at[i].first + 1));
		}
		assert_all(at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
