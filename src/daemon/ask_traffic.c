/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asked for the traffic: counters, of which the asker makes rates. */
#include "daemon/ask_traffic.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reconcile.h"
#include "daemon/traffic_keeper.h"
#include "kernel/tally.h"
#include "report/report.h"

/* An answer under way. What it tells of is its own: others look again while it is read. */
struct answer {
	struct arena *arena;
	struct traffic_total *totals; /* of pairs that had a connection */
	size_t n, at;
	bool counted;
	struct strbuf head;
};

static json_t *amounts(bool counted, const uint64_t n[2])
{
	if (!counted)
		return json_null();
	return json_pack("{s:I, s:I}", "request", (json_int_t)n[0], "reply", (json_int_t)n[1]);
}

/* The members that a map's and an uplink's have alike. */
static void set_amounts(json_t *j, const struct traffic_total *t, bool counted)
{
	json_object_set_new(j, "connections", json_integer((json_int_t)t->connections));
	json_object_set_new(j, "connections_total", json_integer((json_int_t)t->begun));
	json_object_set_new(j, "bytes", amounts(counted, t->bytes));
	json_object_set_new(j, "packets", amounts(counted, t->packets));
}

/* ---- maps ---- */

static const char *unless_empty(const char *s)
{
	return s[0] ? s : NULL;
}

static json_t *map_json(const struct answer *answer, const struct traffic_total *t)
{
	json_t *j = json_object();

	json_object_set_new(j, "map", report_text(unless_empty(t->map)));
	json_object_set_new(j, "uplink", report_text(unless_empty(t->uplink)));
	set_amounts(j, t, answer->counted);
	return j;
}

static bool next_row(struct strbuf *out, void *data)
{
	struct answer *answer = data;

	if (answer->head.len) {
		strbuf_addn(out, answer->head.s, answer->head.len);
		strbuf_reset(&answer->head);
	}
	if (answer->at == answer->n) {
		strbuf_add(out, "]}");
		return false;
	}
	if (answer->at)
		strbuf_addch(out, ',');
	report_add(out, map_json(answer, &answer->totals[answer->at++]));
	return true;
}

static void end(void *data)
{
	struct answer *answer = data;

	strbuf_fini(&answer->head);
	arena_free(answer->arena);
	free(answer);
}

/* ---- uplinks ---- */

static void add(struct traffic_total *sum, const struct traffic_total *t)
{
	sum->connections += t->connections;
	sum->begun += t->begun;
	for (int i = 0; i < 2; i++) {
		sum->packets[i] += t->packets[i];
		sum->bytes[i] += t->bytes[i];
	}
}

static json_t *uplink_json(
	const struct answer *answer, const char *name, const struct tally_counters *c)
{
	struct traffic_total sum = {0};
	json_t *j = json_object();
	uint64_t misrouted;

	for (size_t i = 0; i < answer->n; i++)
		if (strcmp(answer->totals[i].uplink, name) == 0)
			add(&sum, &answer->totals[i]);
	json_object_set_new(j, "uplink", report_text(name));
	set_amounts(j, &sum, answer->counted);
	json_object_set_new(j, "misrouted",
		c && tally_misrouted(c, name, &misrouted) ? json_integer((json_int_t)misrouted)
							  : json_null());
	return j;
}

static json_t *uplinks_json(struct daemon *d, const struct answer *answer)
{
	struct tally_counters counters = {0};
	json_t *list = json_array();
	bool known = kernel_tally_counters(d->kernel, answer->arena, &counters, NULL) == 0;

	VEC_EACH (&reconcile_plan(d)->uplinks, const struct plan_uplink, u)
		json_array_append_new(
			list, uplink_json(answer, u->uplink->name, known ? &counters : NULL));
	return list;
}

/* ---- asking ---- */

static void keep_totals(struct answer *answer, const struct traffic_look *look)
{
	answer->totals = arena_alloc(answer->arena, look->n * sizeof(*answer->totals));
	for (size_t i = 0; i < look->n; i++) {
		struct traffic_total t = look->totals[i];

		if (!t.begun && !t.connections)
			continue;
		t.map = arena_strdup(answer->arena, t.map);
		t.uplink = arena_strdup(answer->arena, t.uplink);
		answer->totals[answer->n++] = t;
	}
}

void ask_traffic(struct daemon *d, struct http_exchange *x)
{
	struct traffic_look look;
	struct answer *answer;

	if (!reconcile_plan(d)) {
		http_reply_error(
			x, 503, "there is no plan in force", reconcile_status(d)->problem, NULL);
		return;
	}
	if (!traffic_look_lately(d, &look)) {
		http_reply_error(x, 500, "the kernel does not give the connections", NULL, NULL);
		return;
	}
	answer = calloc(1, sizeof(*answer));
	if (!answer)
		abort();
	answer->arena = arena_new();
	answer->counted = look.counted;
	keep_totals(answer, &look);
	strbuf_addf(&answer->head, "{\"now_ms\":%" PRIu64 ",\"uplinks\":", look.at_ms);
	report_add(&answer->head, uplinks_json(d, answer));
	strbuf_add(&answer->head, ",\"maps\":[");
	http_reply_pieces(x, 200, "application/json", &(struct http_pieces){next_row, end, answer});
}
