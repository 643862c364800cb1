/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve probe: do the backends' replies come back through this gateway? Measured, now. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/look.h"
#include "daemon/probe_return.h"
#include "report/report.h"

#define PROBE_AT_ONCE 64u /* backends */

struct measured { /* one backend */
	struct probing *probing;
	const struct plan_map *const *maps; /* that lead to it */
	size_t n_maps;
	struct return_target target;
	bool askable; /* else there is nothing to measure */
	struct return_path path;
	struct probe_answer from_uplink, from_inside; /* the last ones that came, else the last */
};

struct probing {
	struct cli_context *context;
	struct event_base *base;
	struct prober *prober;
	const struct plan *plan;
	VEC(const struct plan_map *) maps; /* sorted by backend */
	VEC(struct measured) backends;
	size_t next, under_way;
	bool out_of_resources;
};

/* ---- measuring ---- */

static void ask(struct measured *b);

static void begin_more(struct probing *p)
{
	while (p->next < p->backends.len && p->under_way < PROBE_AT_ONCE) {
		struct measured *b = &p->backends.items[p->next++];

		if (b->askable)
			ask(b);
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

	b->probing->under_way--;
	keep(&b->from_uplink, &round->from_uplink);
	keep(&b->from_inside, &round->from_inside);
	return_round_count(round, &b->path, 1);
	if (b->path.rounds < RETURN_AGREE)
		ask(b);
	begin_more(b->probing);
}

static void ask(struct measured *b)
{
	struct probing *p = b->probing;

	if (return_probe_start(p->prober, &b->target, done, b))
		p->under_way++;
	else
		p->out_of_resources = true;
}

/* ---- what there is to measure ---- */

static int by_backend(const void *x, const void *y)
{
	const struct plan_map *a = *(const struct plan_map *const *)x;
	const struct plan_map *b = *(const struct plan_map *const *)y;
	int c = ip_cmp(&a->backend->addr, &b->backend->addr);

	return c ? c : (a > b) - (a < b); /* they are in the config's order */
}

static void collect(struct probing *p, const char *only)
{
	struct arena *arena = p->context->arena;

	VEC_EACH (&p->plan->maps, struct plan_map, pm)
		if (!only || strcmp(pm->map->name, only) == 0)
			vec_push(arena, &p->maps, pm);
	if (p->maps.len)
		qsort(p->maps.items, p->maps.len, sizeof(*p->maps.items), by_backend);
	for (size_t i = 0, n; i < p->maps.len; i += n) {
		struct measured *b = vec_add(arena, &p->backends);

		b->maps = &p->maps.items[i];
		for (n = 1; i + n < p->maps.len; n++)
			if (!ip_equal(&b->maps[0]->backend->addr, &b->maps[n]->backend->addr))
				break;
		b->n_maps = n;
		for (size_t m = 0; m < n && (!b->askable || b->target.port == 0); m++) {
			struct return_target t;

			if (return_target_of(b->maps[m], &t) && (!b->askable || t.port)) {
				b->target = t;
				b->askable = true;
			}
		}
	}
	VEC_EACH (&p->backends, struct measured, b)
		b->probing = p;
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
static const struct plan_map *broken(const struct measured *b)
{
	for (size_t i = 0; i < b->n_maps; i++)
		if (b->maps[i]->map->return_mode == RETURN_DIRECT && b->path.mode == RETURN_SNAT)
			return b->maps[i];
	return NULL;
}

/*
 * What the backend needs so that its replies come back. Only what it sends from the address by which it
 * is reached: its own line stays its way out. NULL: nothing, or it is not for the backend to do, since a
 * router stands in between.
 */
static const char *remedy(const struct measured *b)
{
	const struct probing *p = b->probing;
	char backend[IP_STRLEN], gateway[IP_STRLEN];
	const char *family = b->target.backend.family == IP_V6 ? " -6" : "";

	if (b->path.mode != RETURN_SNAT ||
		!plan_is_beside(p->plan->seen, b->target.interface, &b->target.backend))
		return NULL;
	ip_format(&b->target.backend, backend);
	ip_format(&b->target.from_inside, gateway);
	return arena_printf(p->context->arena,
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

static json_t *backend_json(const struct measured *b)
{
	json_t *j = json_object(), *maps = json_array();
	const struct return_target *t = &b->target;

	for (size_t i = 0; i < b->n_maps; i++)
		json_array_append_new(maps, report_text(b->maps[i]->map->name));
	json_object_set_new(j, "backend", report_addr(&b->maps[0]->backend->addr));
	json_object_set_new(j, "maps", maps);
	json_object_set_new(j, "port", t->port ? json_integer(t->port) : json_null());
	json_object_set_new(j, "interface", report_text(t->interface));
	json_object_set_new(j, "from_uplink",
		b->askable ? answer_json(&t->from_uplink, &b->from_uplink) : json_null());
	json_object_set_new(j, "from_inside",
		b->askable ? answer_json(&t->from_inside, &b->from_inside) : json_null());
	json_object_set_new(j, "rounds", json_integer((json_int_t)b->path.rounds));
	json_object_set_new(j, "return", report_text(verdict(b)));
	json_object_set_new(j, "broken", json_boolean(broken(b) != NULL));
	json_object_set_new(j, "remedy", report_text(remedy(b)));
	return j;
}

static json_t *all_json(const struct probing *p)
{
	json_t *j = json_object(), *list = json_array();

	VEC_EACH (&p->backends, const struct measured, b)
		json_array_append_new(list, backend_json(b));
	json_object_set_new(j, "backends", list);
	return j;
}

/* ---- as text ---- */

static void print_answer(
	const char *whose, const struct ip_addr *from, const struct probe_answer *a)
{
	char text[IP_STRLEN];

	printf("  asked from %s, %s: ", ip_format(from, text), whose);
	if (a->ok)
		printf("answered in %.1f ms\n", a->rtt_us / 1000.0);
	else
		printf("%s%s\n", a->asked ? "" : "could not be asked: ", a->why);
}

static void print_verdict(const struct measured *b)
{
	const char *commands = remedy(b);
	const struct plan_map *pm = broken(b);

	switch (b->path.mode) {
	case RETURN_AUTO:
		printf("  unknown: it has not answered often enough alike; `return: auto` stays "
		       "with "
		       "what it has\n");
		return;
	case RETURN_DIRECT:
		printf("  direct: its replies come back through this gateway\n");
		return;
	case RETURN_SNAT:
		break;
	}
	printf("  snat: it has a way out of its own, and its replies to clients take that\n");
	if (pm)
		printf("  map '%s' says `return: direct`: its clients hear nothing\n",
			pm->map->name);
	if (commands) {
		printf("  for `direct`, what it sends from this address has to come here; on the "
		       "backend:\n");
		for (const char *c = commands; *c; c += *c == '\n') {
			int len = (int)strcspn(c, "\n");

			printf("    %.*s\n", len, c);
			c += len;
		}
	} else {
		printf("  for `direct`, the router in front of it has to send its replies here\n");
	}
}

static void print_backend(const struct measured *b)
{
	char text[IP_STRLEN];

	printf("backend %s", ip_format(&b->maps[0]->backend->addr, text));
	if (!b->askable) {
		printf(" (map '%s'): %s\n", b->maps[0]->map->name,
			b->maps[0]->interface ? "no uplink has an address to ask from"
					      : b->maps[0]->reason);
		return;
	}
	if (b->target.port)
		printf(", port %u/tcp", b->target.port);
	else
		printf(", by ping");
	printf(", by %s (map '%s'%s)\n", b->target.interface, b->maps[0]->map->name,
		b->n_maps > 1 ? " and others" : "");
	print_answer("an uplink's address", &b->target.from_uplink, &b->from_uplink);
	print_answer("the gateway's address inside", &b->target.from_inside, &b->from_inside);
	print_verdict(b);
}

/* ---- the command ---- */

static bool measure(struct probing *p)
{
	p->base = event_base_new();
	p->prober = p->base ? prober_new(p->base) : NULL;
	if (p->prober) {
		begin_more(p);
		event_base_dispatch(p->base);
	}
	p->out_of_resources = p->out_of_resources || !p->prober;
	prober_free(p->prober);
	if (p->base)
		event_base_free(p->base);
	if (p->out_of_resources)
		diag_error(&p->context->diag, NOWHERE, "out of descriptors or memory");
	return !p->out_of_resources;
}

static int run(struct cli_context *c)
{
	struct gateway_state state = {0};
	struct probing p = {.context = c};
	const char *only = cli_value(c, "map");
	struct model *m = cli_load(c);
	bool fine = true;

	if (!m)
		return cli_finish(c, NULL, CLI_USAGE);
	if (cli_look(c, m, &state, NULL) != 0)
		return cli_finish(c, NULL, CLI_SYSTEM);
	if (!state.plan)
		return cli_finish(c, NULL, CLI_NO);
	p.plan = state.plan;
	collect(&p, only);
	if (only && p.backends.len == 0) {
		diag_error(&c->diag, NOWHERE, "there is no map '%s' in %s", only, cli_file(c));
		return cli_finish(c, NULL, CLI_USAGE);
	}
	if (!measure(&p))
		return cli_finish(c, NULL, CLI_SYSTEM);
	VEC_EACH (&p.backends, struct measured, b) {
		fine = fine && !broken(b);
		if (!c->json)
			print_backend(b);
	}
	return cli_finish(c, c->json ? all_json(&p) : NULL, fine ? CLI_OK : CLI_NO);
}

const struct cli_command command_probe = {
	.name = "probe",
	.arguments = "[FILE]",
	.summary = "do the backends' replies come back through this gateway",
	.details =
		"Asks each backend three times from an address of an uplink, which only a backend\n"
		"that routes through this gateway can answer, and from the gateway's inside\n"
		"address: by TCP, where an acceptance and a refusal both tell, or by ping where "
		"its\n"
		"maps are of UDP alone. Says what `return: auto` would decide, and what a backend\n"
		"with a way out of its own would need. Changes nothing.\n"
		"\n"
		"Exit status 1 if a map says `return: direct` and its backend's replies go "
		"elsewhere.\n",
	.options = {{"map", "NAME", "only the backends of this map"}},
	.max_args = 1,
	.run = run,
};
