/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clashes between maps: thousands of small random configs, whose clashes are known from comparing
 * every pair of listeners as the words say it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file.h"

#define MAPS	 6
#define PREFIXES 3

/* A small universe: two uplinks that declare two addresses each, one that declares none, and one
 * address that nobody declares. */
enum place { A1, A2, B1, B2, C, LOST, PLACES };
static const char *const on_words[] = {
	"a", "b", "c", "1.1.1.1", "1.1.1.2", "2.2.2.1", "2.2.2.2", "9.9.9.9"};
static const unsigned int on_places[] = {1 << A1 | 1 << A2, 1 << B1 | 1 << B2, 1 << C, 1 << A1,
	1 << A2, 1 << B1, 1 << B2, 1 << LOST};
static const char *const prefixes[] = {"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9",
	"10.128.0.1", "11.0.0.0/8", "10.64.0.0/10", "10.0.0.1"};

struct random_map {
	unsigned int places;	    /* bits */
	bool udp, enabled, doubled; /* names a place twice */
	unsigned int first, last;
	struct ip_prefix from[PREFIXES];
	size_t n_from;
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 16;
}

static void make(struct random_map *m, struct strbuf *text, int index, uint32_t *state)
{
	size_t n_on = next_random(state) % 3;

	*m = (struct random_map){0};
	m->first = 1 + next_random(state) % 30;
	m->last = m->first + (next_random(state) % 2 ? next_random(state) % 8 : 0);
	m->udp = next_random(state) % 4 == 0;
	m->enabled = next_random(state) % 8 != 0;
	strbuf_addf(text, "  m%d: {listen: %u-%u/%s, to: 192.168.0.2, enabled: %s", index, m->first,
		m->last, m->udp ? "udp" : "tcp", m->enabled ? "on" : "off");
	if (!n_on)
		m->places = (1 << PLACES) - 1;
	for (size_t i = 0; i < n_on; i++) {
		size_t word = next_random(state) % (sizeof(on_words) / sizeof(on_words[0]));

		m->doubled |= (m->places & on_places[word]) != 0;
		m->places |= on_places[word];
		strbuf_addf(text, "%s%s", i ? ", " : ", on: [", on_words[word]);
	}
	strbuf_add(text, n_on ? "]" : "");
	if (next_random(state) % 2) {
		m->n_from = 1 + next_random(state) % PREFIXES;
		for (size_t i = 0; i < m->n_from; i++) {
			size_t word = next_random(state) % (sizeof(prefixes) / sizeof(prefixes[0]));

			assert_int_equal(ip_prefix_parse(prefixes[word], &m->from[i]), 0);
			strbuf_addf(text, "%s%s", i ? ", " : ", from: [", prefixes[word]);
		}
		strbuf_add(text, "]");
	}
	strbuf_add(text, "}\n");
}

static bool from_overlap(const struct random_map *a, const struct random_map *b)
{
	if (!a->n_from || !b->n_from)
		return true;
	for (size_t i = 0; i < a->n_from; i++)
		for (size_t j = 0; j < b->n_from; j++)
			if (ip_prefix_overlap(&a->from[i], &b->from[j]))
				return true;
	return false;
}

static bool clash(const struct random_map *a, const struct random_map *b)
{
	return a->enabled && b->enabled && a->udp == b->udp && a->first <= b->last &&
	       b->first <= a->last && a->places & b->places && from_overlap(a, b);
}

/* The map whose listener an error points at is told by its line: maps begin at line 6. */
static void compare(const struct random_map *maps, const struct strbuf *text)
{
	struct loaded l = load("t", text->s, text->len);
	bool reported[MAPS] = {false}, clashes[MAPS] = {false};

	for (size_t i = 0; i < l.diag.entries.len; i++) {
		const struct diag_entry *e = &l.diag.entries.items[i];

		if (e->severity == DIAG_ERROR)
			reported[e->at.line - 6] = true;
	}
	for (size_t i = 0; i < MAPS; i++) {
		if (maps[i].enabled && maps[i].doubled)
			clashes[i] = true;
		for (size_t j = 0; j < i; j++) {
			if (!clash(&maps[i], &maps[j]))
				continue;
			clashes[i] = clashes[j] = true;
		}
	}
	for (size_t i = 0; i < MAPS; i++) {
		/* a report names a map that does clash; and of the two, one at least is named. A map
		 * that only clashes with others that were reported may go without. */
		bool unseen = false;

		for (size_t j = 0; j < i; j++)
			unseen |= clash(&maps[i], &maps[j]) && !reported[j] && !reported[i];
		unseen |= maps[i].enabled && maps[i].doubled && !reported[i];
		if ((reported[i] && !clashes[i]) || unseen)
			fail_msg("map m%zu: reported %d, clashes %d, unseen %d\n%s%s", i,
				reported[i], clashes[i], unseen, strbuf_str(text),
				strbuf_str(&l.said));
	}
	unload(&l);
}

static void test_random(void **state)
{
	uint32_t seed = 1;
	size_t clean = 0;

	for (int round = 0; round < 5000; round++) {
		struct random_map maps[MAPS];
		struct strbuf text = STRBUF_INIT;
		bool any = false;

		strbuf_add(&text, "uplinks:\n"
				  "  a: {interface: eth0, address: [1.1.1.1, 1.1.1.2]}\n"
				  "  b: {interface: eth1, address: [2.2.2.1, 2.2.2.2]}\n"
				  "  c: {interface: eth2}\nmaps:\n");
		for (int i = 0; i < MAPS; i++)
			make(&maps[i], &text, i, &seed);
		for (int i = 0; i < MAPS; i++)
			for (int j = 0; j <= i; j++)
				any |= i == j ? maps[i].doubled : clash(&maps[i], &maps[j]);
		clean += !any;
		compare(maps, &text);
		strbuf_fini(&text);
	}
	assert_true(clean > 50 && clean < 4000); /* both kinds were tried */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
