/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * portreeve top: who uses which map, and how much, as it goes.
 *
 * Two looks at the connections tell the rates: what each has carried since the look before. What began
 * and ended in between is not seen.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/flows.h"
#include "cli/screen.h"
#include "cli/table.h"

#define DEFAULT_SECONDS 2u
#define MAX_SECONDS	3600u
#define FRAME_ROWS	8u /* of a page: headings and what is between them */
#define ONCE_ROWS	40u

struct look {
	json_t *answer;	 /* as flows_ask() gives it */
	json_t *carried; /* by connection: [requests, replies] in bytes */
	uint64_t at_ms;
};

struct top {
	struct cli_context *c;
	struct flows_query query;
	struct look last;
	uint32_t interval_ms;
	enum cli_exit code;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "-";
}

/* ---- looks ---- */

/* Tells a connection from every other, also from a later one between the same ends. */
static void key_of(const json_t *flow, char key[96])
{
	snprintf(key, 96,
		"%" JSON_INTEGER_FORMAT " %s %" JSON_INTEGER_FORMAT " %" JSON_INTEGER_FORMAT,
		json_integer_value(json_object_get(flow, "id")), text_of(flow, "client"),
		json_integer_value(json_object_get(flow, "client_port")),
		json_integer_value(json_object_get(flow, "port")));
}

static void look_free(struct look *l)
{
	json_decref(l->answer);
	json_decref(l->carried);
	*l = (struct look){0};
}

static bool look(struct top *t, struct look *out)
{
	const json_t *flow;
	size_t i;

	*out = (struct look){.answer = flows_ask(t->c, &t->query, &t->code), .at_ms = now_ms()};
	if (!out->answer)
		return false;
	out->carried = json_object();
	json_array_foreach(json_object_get(out->answer, "flows"), i, flow)
	{
		const json_t *bytes = json_object_get(flow, "bytes");
		char key[96];

		key_of(flow, key);
		if (json_is_object(bytes))
			json_object_set(out->carried, key, (json_t *)bytes);
	}
	return true;
}

/* ---- adding up ---- */

struct line {
	const char *name;
	json_t *sum;
};

static void add_to(json_t *sum, const char *key, json_int_t n)
{
	json_object_set_new(
		sum, key, json_integer(json_integer_value(json_object_get(sum, key)) + n));
}

/* What one direction has carried since the look before; a new connection: all of it. */
static json_int_t carried_since(const json_t *before, const json_t *now, const char *direction)
{
	json_int_t n = json_integer_value(json_object_get(now, direction)) -
		       json_integer_value(json_object_get(before, direction));

	return n > 0 ? n : 0;
}

static void add_flow(json_t *sums, const char *name, const json_t *flow, const json_t *before)
{
	const json_t *bytes = json_object_get(flow, "bytes");
	json_t *sum = json_object_get(sums, name), *uplinks;

	if (!sum) {
		sum = json_pack("{s:i, s:i, s:i, s:{}}", "connections", 0, "request", 0, "reply", 0,
			"uplinks");
		json_object_set_new(sums, name, sum);
	}
	add_to(sum, "connections", 1);
	uplinks = json_object_get(sum, "uplinks");
	add_to(uplinks, text_of(flow, "home"), 1);
	if (json_is_object(bytes)) {
		add_to(sum, "request", carried_since(before, bytes, "request"));
		add_to(sum, "reply", carried_since(before, bytes, "reply"));
	}
}

/* {maps: {NAME: {connections, request, reply, uplinks: {NAME: connections}}}, clients: ..., uplinks: ...},
 * in bytes between the two looks. */
static json_t *add_up(const struct look *before, const struct look *now)
{
	json_t *maps = json_object(), *clients = json_object(), *uplinks = json_object();
	const json_t *flow;
	size_t i;

	json_array_foreach(json_object_get(now->answer, "flows"), i, flow)
	{
		const json_t *old;
		char key[96];

		key_of(flow, key);
		old = json_object_get(before->carried, key);
		add_flow(maps, text_of(flow, "map"), flow, old);
		add_flow(clients, text_of(flow, "client"), flow, old);
		add_flow(uplinks, text_of(flow, "home"), flow, old);
	}
	return json_pack("{s:o, s:o, s:o, s:I, s:O, s:O}", "maps", maps, "clients", clients,
		"uplinks", uplinks, "interval_ms", (json_int_t)(now->at_ms - before->at_ms),
		"total", json_object_get(now->answer, "total"), "conntrack",
		json_object_get(now->answer, "conntrack"));
}

/* ---- the page ---- */

static json_int_t weight(const json_t *sum)
{
	return json_integer_value(json_object_get(sum, "request")) +
	       json_integer_value(json_object_get(sum, "reply"));
}

/* The busiest first, then those with the most connections, then by name. */
static int by_use(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	json_int_t m = weight(x->sum), n = weight(y->sum);

	if (m == n) {
		m = json_integer_value(json_object_get(x->sum, "connections"));
		n = json_integer_value(json_object_get(y->sum, "connections"));
	}
	return m == n ? strcmp(x->name, y->name) : m < n ? 1 : -1;
}

static const char *rate_of(
	struct arena *a, const json_t *sum, const char *direction, double seconds, bool counted)
{
	json_int_t n = json_integer_value(json_object_get(sum, direction));

	return counted && seconds > 0 ? table_rate(a, (double)n / seconds) : "-";
}

static const char *uplinks_of(struct arena *a, json_t *sum)
{
	const char *name, *text = "";
	json_t *n;

	json_object_foreach(json_object_get(sum, "uplinks"), name, n) text =
		arena_printf(a, "%s%s%s %" JSON_INTEGER_FORMAT, text, text[0] ? ", " : "", name,
			json_integer_value(n));
	return text;
}

static void add_table(struct arena *a, struct strbuf *out, const char *heading, json_t *sums,
	double seconds, bool counted, bool with_uplinks, unsigned int rows)
{
	struct table t = {.arena = a, .right = 1u << 1 | 1u << 2 | 1u << 3};
	VEC(struct line) lines = {0};
	const char *name;
	json_t *sum;

	json_object_foreach(sums, name, sum) vec_push(a, &lines, ((struct line){name, sum}));
	if (lines.len)
		qsort(lines.items, lines.len, sizeof(struct line), by_use);
	table_row(&t, heading, "CONNECTIONS", "REQUESTS", "REPLIES",
		with_uplinks ? "BY UPLINK" : NULL);
	for (size_t i = 0; i < lines.len && i < rows; i++)
		table_row(&t, lines.items[i].name,
			arena_printf(a, "%" JSON_INTEGER_FORMAT,
				json_integer_value(
					json_object_get(lines.items[i].sum, "connections"))),
			rate_of(a, lines.items[i].sum, "request", seconds, counted),
			rate_of(a, lines.items[i].sum, "reply", seconds, counted),
			with_uplinks ? uplinks_of(a, lines.items[i].sum) : NULL);
	strbuf_addch(out, '\n');
	table_print(&t, out);
}

static char *page_of(const json_t *sums, unsigned int rows)
{
	const json_t *conntrack = json_object_get(sums, "conntrack");
	const char *hint = json_string_value(json_object_get(conntrack, "hint"));
	bool counted = !json_is_false(json_object_get(conntrack, "accounting"));
	double seconds = (double)json_integer_value(json_object_get(sums, "interval_ms")) / 1000;
	json_t *uplinks = json_object_get(sums, "uplinks");
	unsigned int frame = FRAME_ROWS + (unsigned int)json_object_size(uplinks);
	unsigned int each = rows > frame + 4 ? (rows - frame) / 2 : 2;
	struct arena *a = arena_new();
	struct strbuf out = STRBUF_INIT;

	strbuf_addf(&out, "%" JSON_INTEGER_FORMAT " connections through the maps",
		json_integer_value(json_object_get(sums, "total")));
	if (!counted)
		strbuf_addf(&out, "; %s", hint ? hint : "bytes are not kept");
	strbuf_addch(&out, '\n');
	add_table(a, &out, "UPLINK", uplinks, seconds, counted, false, rows);
	add_table(a, &out, "MAP", json_object_get(sums, "maps"), seconds, counted, true, each);
	add_table(
		a, &out, "CLIENT", json_object_get(sums, "clients"), seconds, counted, true, each);
	arena_free(a);
	return strbuf_take(&out);
}

/* ---- running ---- */

static char *draw(void *data, unsigned int rows)
{
	struct top *t = data;
	struct look now;
	json_t *sums;
	char *page;

	if (!look(t, &now))
		return NULL;
	sums = add_up(t->last.answer ? &t->last : &now, &now);
	page = page_of(sums, rows);
	json_decref(sums);
	look_free(&t->last);
	t->last = now;
	return page;
}

static json_t *once(struct top *t)
{
	struct timespec wait = {.tv_sec = t->interval_ms / 1000,
		.tv_nsec = (long)(t->interval_ms % 1000) * 1000000};
	struct look now = {0};
	json_t *sums = NULL;

	if (look(t, &t->last) && nanosleep(&wait, NULL) == 0 && look(t, &now))
		sums = add_up(&t->last, &now);
	look_free(&now);
	return sums;
}

static int run(struct cli_context *c)
{
	struct top t = {.c = c, .query = {.limit = FLOWS_MAX}};
	uint32_t seconds = DEFAULT_SECONDS;
	json_t *sums = NULL;
	char *page;

	if (!flows_options(c, &t.query) || !cli_number(c, "interval", 1, MAX_SECONDS, &seconds))
		return cli_finish(c, NULL, CLI_USAGE);
	t.interval_ms = seconds * 1000;
	if (!cli_given(c, "once") && !c->json) {
		screen_run(t.interval_ms, draw, &t);
		look_free(&t.last);
		return cli_finish(c, NULL, t.code);
	}
	sums = once(&t);
	look_free(&t.last);
	if (c->json)
		return cli_finish(c, sums, t.code);
	page = sums ? page_of(sums, ONCE_ROWS) : NULL;
	if (page)
		fputs(page, stdout);
	free(page);
	json_decref(sums);
	return cli_finish(c, NULL, t.code);
}

const struct cli_command command_top = {
	.name = "top",
	.arguments = "",
	.summary = "who uses which map, and how much, as it goes",
	.details =
		"Connections and rates by uplink, by map and by client, the busiest first, drawn "
		"anew every\n"
		"two seconds; q ends it. Rates are there where the kernel counts bytes.\n",
	.options = {{"once", NULL, "look for one interval, print, and end; so also with --json"},
		{"interval", "SECONDS", "draw it so often"},
		{"map", "NAME", "only connections of this map"},
		{"uplink", "NAME", "only those whose home this uplink is"},
		{"client", "PREFIX", "only those of this address or network"}},
	.run = run,
};
