/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve probe: do the backends' replies come back through this gateway? Measured, now. */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/look.h"
#include "daemon/measure.h"
#include "report/report.h"

#define DATA "data: "

/* What was measured so far, by us or by the daemon. */
struct probing {
	struct cli_context *context;
	struct event_base *base; /* NULL: the daemon measures */
	json_t *backends;
	bool ended;
};

/* Takes @one over. */
static void take(struct probing *p, json_t *one, const char *text)
{
	if (text && !p->context->json)
		fputs(text, stdout);
	json_object_del(one, "text");
	json_array_append_new(p->backends, one);
}

static enum cli_exit finish(struct probing *p, const char *file)
{
	struct cli_context *c = p->context;
	const char *only = cli_value(c, "map");
	enum cli_exit code = CLI_OK;
	json_t *one;
	size_t i;

	json_array_foreach(p->backends, i, one)
	{
		if (json_is_true(json_object_get(one, "broken")))
			code = CLI_NO;
	}
	if (c->diag.errors) {
		code = CLI_SYSTEM;
	} else if (only && json_array_size(p->backends) == 0) {
		diag_error(&c->diag, NOWHERE, "there is no map '%s' in %s", only, file);
		code = CLI_USAGE;
	}
	if (c->json)
		return (enum cli_exit)cli_finish(
			c, json_pack("{s:o}", "backends", p->backends), code);
	json_decref(p->backends);
	return (enum cli_exit)cli_finish(c, NULL, code);
}

static void over(struct probing *p, const char *error)
{
	p->ended = true;
	if (error)
		diag_error(&p->context->diag, NOWHERE, "%s", error);
}

/* ---- the daemon's ---- */

static bool on_line(const char *line, void *data)
{
	struct probing *p = data;
	json_t *j = strncmp(line, DATA, strlen(DATA)) == 0
			    ? json_loads(line + strlen(DATA), 0, NULL)
			    : NULL;

	if (!j)
		return true;
	if (json_object_get(j, "backend")) {
		take(p, json_incref(j), json_string_value(json_object_get(j, "text")));
	} else {
		over(p, json_string_value(json_object_get(j, "error")));
	}
	json_decref(j);
	return !p->ended;
}

/* False: no daemon runs. */
static bool ask_daemon(struct cli_context *c, enum cli_exit *code)
{
	struct probing p = {.context = c};
	const char *only = cli_value(c, "map"), *path = "/v1/measure";

	if (only)
		path = arena_printf(c->arena, "%s?%s", path, client_param(c, "map", only));
	p.backends = json_array();
	switch (client_follow(c, path, on_line, &p, code)) {
	case CLIENT_NO_DAEMON:
		json_decref(p.backends);
		return false;
	case CLIENT_REFUSED:
		json_decref(p.backends);
		*code = (enum cli_exit)cli_finish(c, NULL, *code);
		return true;
	case CLIENT_ANSWERED:
		break;
	}
	if (!p.ended)
		over(&p, "the daemon has ended");
	*code = finish(&p, "the daemon's config");
	return true;
}

/* ---- our own ---- */

static bool on_measured(const struct measured *b, void *data)
{
	struct strbuf text = STRBUF_INIT;

	measured_print(&text, b);
	take(data, measured_json(b), strbuf_str(&text));
	strbuf_fini(&text);
	return true;
}

static void on_done(const char *error, void *data)
{
	struct probing *p = data;

	over(p, error);
	event_base_loopbreak(p->base);
}

static enum cli_exit measure(struct cli_context *c, const struct plan *plan)
{
	struct probing p = {.context = c, .base = event_base_new(), .backends = json_array()};
	struct measure_events events = {.each = on_measured, .done = on_done, .data = &p};
	struct measure *m =
		p.base ? measure_start(p.base, plan, cli_value(c, "map"), &events) : NULL;

	if (m)
		event_base_dispatch(p.base);
	else
		over(&p, "out of descriptors or memory");
	measure_end(m);
	if (p.base)
		event_base_free(p.base);
	return finish(&p, cli_file(c));
}

/* ---- the command ---- */

static int run(struct cli_context *c)
{
	struct gateway_state state = {0};
	enum cli_exit code;
	struct model *m;

	if (!cli_file_given(c) && ask_daemon(c, &code))
		return code;
	m = cli_load(c);
	if (!m)
		return cli_finish(c, NULL, CLI_USAGE);
	if (cli_look(c, m, &state, NULL) != 0)
		return cli_finish(c, NULL, CLI_SYSTEM);
	if (!state.plan)
		return cli_finish(c, NULL, CLI_NO);
	return measure(c, state.plan);
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
		"with a way out of its own would need. Changes nothing. Without FILE a daemon "
		"that\n"
		"runs does it, for the config in force, and it takes no root.\n"
		"\n"
		"Exit status 1 if a map says `return: direct` and its backend's replies go "
		"elsewhere.\n",
	.options = {{"map", "NAME", "only the backends of this map"}},
	.max_args = 1,
	.run = run,
};
