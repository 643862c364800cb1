/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measure: some rounds of return probes of each backend, and what they amount to.
 *
 * Whom it tells may end it: so it tells from an event of its own, never from within a probe.
 */
#include "daemon/measure.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/probe_return.h"
#include "report/report.h"

#define MEASURE_AT_ONCE 64u   /* backends */
#define MAPS_NAMED	1000u /* of one backend, in JSON */

struct measured {
	struct measure *measure;
	const struct plan_map *const *maps; /* that lead to it */
	size_t n_maps;
	struct return_target target;
	bool askable;		    /* else there is nothing to measure */
	struct return_probe *probe; /* NULL: not asking */
	struct return_path path;
	struct probe_answer from_uplink, from_inside; /* the last ones that came, else the last */
	bool known;				      /* as well as it will be */
};

struct measure {
	struct arena *arena;
	struct prober *prober;
	struct event *telling;
	const struct plan *plan;
	struct measure_events events;
	VEC(const struct plan_map *) maps; /* sorted by backend */
	VEC(struct measured) backends;
	size_t next, under_way, told;
	bool out_of_resources;
};

/* ---- measuring ---- */

static void ask(struct measured *b);

static void settle(struct measured *b)
{
	b->known = true;
	event_active(b->measure->telling, 0, 0);
}

static void begin_more(struct measure *m)
{
	while (m->next < m->backends.len && m->under_way < MEASURE_AT_ONCE) {
		struct measured *b = &m->backends.items[m->next++];

		if (b->askable)
			ask(b);
		else
			settle(b);
	}
}

static void keep(struct probe_answer *last, const struct probe_answer *a)
{
	if (a->ok || !last->ok)
		*last = *a;
}

static void done(const struct return_round *round, void *data)
{
	struct measured *b = data;

	b->probe = NULL;
	b->measure->under_way--;
	keep(&b->from_uplink, &round->from_uplink);
	keep(&b->from_inside, &round->from_inside);
	return_round_count(round, &b->path, 1);
	if (b->path.rounds < RETURN_AGREE)
		ask(b);
	else
		settle(b);
	begin_more(b->measure);
}

static void ask(struct measured *b)
{
	struct measure *m = b->measure;

	b->probe = return_probe_start(m->prober, &b->target, done, b);
	if (b->probe) {
		m->under_way++;
		return;
	}
	m->out_of_resources = true;
	settle(b);
}

static void tell(evutil_socket_t fd, short what, void *data)
{
	struct measure *m = data;

	while (m->told < m->backends.len && m->backends.items[m->told].known)
		if (!m->events.each(&m->backends.items[m->told++], m->events.data))
			return;
	if (m->told == m->backends.len)
		m->events.done(m->out_of_resources ? "out of descriptors or memory" : NULL,
			m->events.data);
}

/* ---- what there is to measure ---- */

static int by_backend(const void *x, const void *y)
{
	const struct plan_map *a = *(const struct plan_map *const *)x;
	const struct plan_map *b = *(const struct plan_map *const *)y;
	int c = ip_cmp(&a->backend->addr, &b->backend->addr);

	return c ? c : (a > b) - (a < b); /* they are in the config's order */
}

static void collect(struct measure *m, const char *only)
{
	struct arena *arena = m->arena;

	VEC_EACH (&m->plan->maps, struct plan_map, pm)
		if (!only || strcmp(pm->map->name, only) == 0)
			vec_push(arena, &m->maps, pm);
	if (m->maps.len)
		qsort(m->maps.items, m->maps.len, sizeof(*m->maps.items), by_backend);
	for (size_t i = 0, n; i < m->maps.len; i += n) {
		struct measured *b = vec_add(arena, &m->backends);

		b->maps = &m->maps.items[i];
		for (n = 1; i + n < m->maps.len; n++)
			if (!ip_equal(&b->maps[0]->backend->addr, &b->maps[n]->backend->addr))
				break;
		b->n_maps = n;
		for (size_t k = 0; k < n && (!b->askable || b->target.port == 0); k++) {
			struct return_target t;

			if (return_target_of(b->maps[k], &t) && (!b->askable || t.port)) {
				b->target = t;
				b->askable = true;
			}
		}
	}
	VEC_EACH (&m->backends, struct measured, b)
		b->measure = m;
}

/* ---- what it means ---- */

static const char *verdict(const struct measured *b)
{
	switch (b->path.mode) {
	case RETURN_DIRECT:
		return "direct";
	case RETURN_SNAT:
		return "snat";
	case RETURN_AUTO:
		break;
	}
	return "unknown";
}

/* A map that takes for granted that replies come back, though they do not. NULL: none. */
static const struct plan_map *broken_map(const struct measured *b)
{
	for (size_t i = 0; i < b->n_maps; i++)
		if (b->maps[i]->map->return_mode == RETURN_DIRECT && b->path.mode == RETURN_SNAT)
			return b->maps[i];
	return NULL;
}

bool measured_is_broken(const struct measured *b)
{
	return broken_map(b) != NULL;
}

/*
 * What the backend needs so that its replies come back. Only what it sends from the address by which it
 * is reached: its own line stays its way out. NULL: nothing, or it is not for the backend to do, since a
 * router stands in between.
 */
static const char *remedy(const struct measured *b)
{
	const struct measure *m = b->measure;
	char backend[IP_STRLEN], gateway[IP_STRLEN];
	const char *family = b->target.backend.family == IP_V6 ? " -6" : "";

	if (b->path.mode != RETURN_SNAT ||
		!plan_is_beside(m->plan->seen, b->target.interface, &b->target.backend))
		return NULL;
	ip_format(&b->target.backend, backend);
	ip_format(&b->target.from_inside, gateway);
	return arena_printf(m->arena,
		"ip%s route add default via %s table 100\nip%s rule add from %s lookup 100", family,
		gateway, family, backend);
}

/* ---- as JSON ---- */

static json_t *answer_json(const struct ip_addr *from, const struct probe_answer *a)
{
	json_t *j = json_object();

	json_object_set_new(j, "from", report_addr(from));
	json_object_set_new(j, "answered", a->asked ? json_boolean(a->ok) : json_null());
	json_object_set_new(j, "rtt_us", a->ok ? json_integer(a->rtt_us) : json_null());
	json_object_set_new(j, "why", a->ok ? json_null() : report_text(a->why));
	return j;
}

json_t *measured_json(const struct measured *b)
{
	json_t *j = json_object(), *maps = json_array();
	const struct return_target *t = &b->target;

	for (size_t i = 0; i < b->n_maps && i < MAPS_NAMED; i++)
		json_array_append_new(maps, report_text(b->maps[i]->map->name));
	json_object_set_new(j, "backend", report_addr(&b->maps[0]->backend->addr));
	json_object_set_new(j, "maps", maps);
	json_object_set_new(j, "more_maps",
		json_integer(b->n_maps > MAPS_NAMED ? (json_int_t)(b->n_maps - MAPS_NAMED) : 0));
	json_object_set_new(j, "port", t->port ? json_integer(t->port) : json_null());
	json_object_set_new(j, "interface", report_text(t->interface));
	json_object_set_new(j, "from_uplink",
		b->askable ? answer_json(&t->from_uplink, &b->from_uplink) : json_null());
	json_object_set_new(j, "from_inside",
		b->askable ? answer_json(&t->from_inside, &b->from_inside) : json_null());
	json_object_set_new(j, "rounds", json_integer((json_int_t)b->path.rounds));
	json_object_set_new(j, "return", report_text(verdict(b)));
	json_object_set_new(j, "broken", json_boolean(measured_is_broken(b)));
	json_object_set_new(j, "remedy", report_text(remedy(b)));
	return j;
}

/* ---- as text ---- */

static void print_answer(struct strbuf *out, const char *whose, const struct ip_addr *from,
	const struct probe_answer *a)
{
	char text[IP_STRLEN];

	strbuf_addf(out, "  asked from %s, %s: ", ip_format(from, text), whose);
	if (a->ok)
		strbuf_addf(out, "answered in %.1f ms\n", a->rtt_us / 1000.0);
	else
		strbuf_addf(out, "%s%s\n", a->asked ? "" : "could not be asked: ", a->why);
}

static void print_verdict(struct strbuf *out, const struct measured *b)
{
	const char *commands = remedy(b);
	const struct plan_map *pm = broken_map(b);

	switch (b->path.mode) {
	case RETURN_AUTO:
		strbuf_addf(out,
			"  unknown: it has not answered often enough alike; `return: auto` stays "
			"with "
			"what it has\n");
		return;
	case RETURN_DIRECT:
		strbuf_addf(out, "  direct: its replies come back through this gateway\n");
		return;
	case RETURN_SNAT:
		break;
	}
	strbuf_addf(
		out, "  snat: it has a way out of its own, and its replies to clients take that\n");
	if (pm)
		strbuf_addf(out, "  map '%s' says `return: direct`: its clients hear nothing\n",
			pm->map->name);
	if (commands) {
		strbuf_addf(out,
			"  for `direct`, what it sends from this address has to come here; on the "
			"backend:\n");
		for (const char *c = commands; *c; c += *c == '\n') {
			int len = (int)strcspn(c, "\n");

			strbuf_addf(out, "    %.*s\n", len, c);
			c += len;
		}
	} else {
		strbuf_addf(out,
			"  for `direct`, the router in front of it has to send its replies here\n");
	}
}

void measured_print(struct strbuf *out, const struct measured *b)
{
	char text[IP_STRLEN];

	strbuf_addf(out, "backend %s", ip_format(&b->maps[0]->backend->addr, text));
	if (!b->askable) {
		strbuf_addf(out, " (map '%s'): %s\n", b->maps[0]->map->name,
			b->maps[0]->interface ? "no uplink has an address to ask from"
					      : b->maps[0]->reason);
		return;
	}
	if (b->target.port)
		strbuf_addf(out, ", port %u/tcp", b->target.port);
	else
		strbuf_addf(out, ", by ping");
	strbuf_addf(out, ", by %s (map '%s'%s)\n", b->target.interface, b->maps[0]->map->name,
		b->n_maps > 1 ? " and others" : "");
	print_answer(out, "an uplink's address", &b->target.from_uplink, &b->from_uplink);
	print_answer(out, "the gateway's address inside", &b->target.from_inside, &b->from_inside);
	print_verdict(out, b);
}

/* ---- its life ---- */

struct measure *measure_start(struct event_base *base, const struct plan *plan, const char *only,
	const struct measure_events *events)
{
	struct arena *a = arena_new();
	struct measure *m = arena_new_of(a, struct measure);

	*m = (struct measure){.arena = a, .plan = plan, .events = *events};
	m->prober = prober_new(base);
	m->telling = event_new(base, -1, 0, tell, m);
	if (!m->prober || !m->telling) {
		measure_end(m);
		return NULL;
	}
	collect(m, only);
	begin_more(m);
	event_active(m->telling, 0, 0); /* also where there is nobody to ask */
	return m;
}

void measure_end(struct measure *m)
{
	if (!m)
		return;
	VEC_EACH (&m->backends, struct measured, b)
		return_probe_cancel(b->probe);
	prober_free(m->prober);
	if (m->telling)
		event_free(m->telling);
	arena_free(m->arena);
}
