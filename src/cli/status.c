/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve status: is all well, and if not, what is not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/fastpath.h"
#include "cli/in_force.h"
#include "cli/screen.h"
#include "cli/table.h"

#define WATCH_MS      2000u
#define MAX_PROBLEMS  6u /* lines of each, so that a page has room for the rest */
#define MAX_UPLINKS   8u
#define MAX_ADDRESSES 2u

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static json_int_t number_of(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

/* How long ago a time was; "": it is not known. */
static const char *since(struct arena *a, const json_t *status, const json_t *j, const char *key)
{
	json_int_t now = number_of(status, "now_ms"), then = number_of(j, key);

	if (!json_is_integer(json_object_get(j, key)) || then > now)
		return "";
	return table_duration(a, (uint64_t)(now - then) / 1000);
}

/* ---- the page ---- */

struct page {
	struct arena *arena;
	struct strbuf out;
	bool colour;
	size_t columns; /* of the terminal; SIZE_MAX: there is none, and lines are as long as they are */
};

/* @text behind @lead, and its further lines below where it began. */
static void add_text(struct page *p, const char *lead, const char *text)
{
	size_t indent = strlen(lead), at = indent;

	strbuf_add(&p->out, lead);
	while (*text) {
		size_t len = strcspn(text, " "),
		       width = table_width(arena_strndup(p->arena, text, len));

		if (at > indent && at + 1 + width > p->columns) {
			strbuf_addch(&p->out, '\n');
			strbuf_fill(&p->out, ' ', indent);
			at = indent;
		} else if (at > indent) {
			strbuf_addch(&p->out, ' ');
			at++;
		}
		strbuf_addf(&p->out, "%.*s", (int)len, text);
		at += width;
		text += len + (text[len] == ' ');
	}
	strbuf_addch(&p->out, '\n');
}

static void add_verdict(struct page *p, const json_t *status)
{
	static const struct {
		const char *colour, *words;
	} verdicts[] = {{"\033[31m", "Not all is well"}, {"\033[32m", "All is well"},
		{"\033[33m", "Nothing is known to be wrong, but not all is known yet"}};
	const json_t *well = json_object_get(status, "well");
	unsigned int which = json_is_false(well) ? 0 : json_is_true(well) ? 1 : 2;
	bool daemon = json_is_true(json_object_get(status, "daemon"));

	strbuf_addf(&p->out, "%s%s.%s", p->colour ? verdicts[which].colour : "",
		verdicts[which].words, p->colour ? "\033[0m" : "");
	if (daemon)
		strbuf_addf(&p->out, "  (portreeve %s, up %s)\n", text_of(status, "version"),
			table_duration(p->arena, (uint64_t)number_of(status, "up_ms") / 1000));
	else
		strbuf_add(&p->out, "  (no daemon runs: as it looks just now)\n");
}

static void add_problems(struct page *p, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (i == MAX_PROBLEMS && json_array_size(list) > MAX_PROBLEMS + 1) {
			strbuf_addf(&p->out, "  and %zu more\n", json_array_size(list) - i);
			break;
		}
		add_text(p, "  - ", json_string_value(one));
	}
}

static const char *addresses_of(struct arena *a, const json_t *uplink)
{
	const json_t *list = json_object_get(uplink, "addresses"), *one;
	const char *text = "";
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (i == MAX_ADDRESSES)
			return arena_printf(a, "%s and %zu more", text, json_array_size(list) - i);
		text = arena_printf(a, "%s%s%s", text, i ? ", " : "", json_string_value(one));
	}
	return text;
}

static void add_uplinks(struct page *p, const json_t *status)
{
	const json_t *list = json_object_get(status, "uplinks"), *one, *misrouted;
	struct table t = {.arena = p->arena, .right = 1u << 4};
	size_t i;

	if (json_array_size(list) == 0)
		return;
	table_row(&t, "UPLINK", "INTERFACE", "STATE", "SINCE", "MISROUTED", "ADDRESSES");
	json_array_foreach(list, i, one)
	{
		if (i == MAX_UPLINKS)
			break;
		misrouted = json_object_get(one, "misrouted");
		table_row(&t, text_of(one, "name"), text_of(one, "interface"),
			text_of(one, "state"), since(p->arena, status, one, "since_ms"),
			json_is_integer(misrouted) ? arena_printf(p->arena, "%" JSON_INTEGER_FORMAT,
							     json_integer_value(misrouted))
						   : "?",
			addresses_of(p->arena, one));
	}
	strbuf_addch(&p->out, '\n');
	table_print(&t, &p->out);
	if (json_array_size(list) > MAX_UPLINKS)
		strbuf_addf(&p->out, "  and %zu more: --json has all\n",
			json_array_size(list) - MAX_UPLINKS);
}

static void add_last_change(struct page *p, const json_t *status)
{
	const json_t *e = json_object_get(status, "last_change");

	if (!json_is_object(e))
		return;
	add_text(p, "  last change   ",
		arena_printf(p->arena, "%s ago: %s: %s", since(p->arena, status, e, "at"),
			text_of(e, "kind"), text_of(e, "message")));
}

static void add_trial(struct page *p, const json_t *trial)
{
	if (!json_is_object(trial))
		return;
	add_text(p, "  on trial      ",
		arena_printf(p->arena, "%s: goes back in %s unless `portreeve confirm` is given",
			text_of(trial, "name"),
			table_duration(p->arena, (uint64_t)number_of(trial, "left_ms") / 1000)));
}

/* "1 map", "2 maps" */
static const char *count_of(struct arena *a, const json_t *j, const char *key, const char *what)
{
	json_int_t n = number_of(j, key);

	return arena_printf(a, "%" JSON_INTEGER_FORMAT " %s%s", n, what, n == 1 ? "" : "s");
}

/* "xdp on eth0, off on lan0" */
static void add_fastpath(struct page *p, const json_t *fastpath)
{
	const json_t *list = json_object_get(fastpath, "interfaces"), *one;
	const char *problem = text_of(fastpath, "problem"), *text = "";
	size_t i;

	if (!json_is_object(fastpath))
		return;
	json_array_foreach(list, i, one)
	{
		text = arena_printf(p->arena, "%s%s%s on %s", text, i ? ", " : "",
			text_of(one, "mode"), text_of(one, "name"));
	}
	if (problem[0])
		text = problem;
	else if (!json_is_true(json_object_get(fastpath, "on")))
		text = "switched off by hand: `portreeve fastpath on`";
	add_text(p, "  fast path     ", text);
}

static void add_rest(struct page *p, const json_t *status)
{
	const json_t *config = json_object_get(status, "config");
	const json_t *drift = json_object_get(status, "drift");
	const json_t *conntrack = json_object_get(status, "conntrack");

	strbuf_addch(&p->out, '\n');
	if (config)
		add_text(p, "  config        ",
			arena_printf(p->arena, "%s: %s, %s; read %s ago", text_of(config, "name"),
				count_of(p->arena, config, "uplinks", "uplink"),
				count_of(p->arena, config, "maps", "map"),
				since(p->arena, status, config, "loaded_ms")));
	add_trial(p, json_object_get(status, "trial"));
	add_last_change(p, status);
	if (json_is_integer(json_object_get(status, "backends_watched")))
		strbuf_addf(&p->out,
			"  backends      %" JSON_INTEGER_FORMAT " watched, %zu not up\n",
			number_of(status, "backends_watched"),
			json_array_size(json_object_get(status, "backends")));
	if (drift)
		strbuf_addf(&p->out, "  drift         %s that others took away, put back\n",
			count_of(p->arena, drift, "total", "object"));
	add_fastpath(p, json_object_get(status, "fastpath"));
	if (text_of(status, "page")[0])
		add_text(p, "  page          ", text_of(status, "page"));
	if (json_is_integer(json_object_get(conntrack, "entries")))
		strbuf_addf(&p->out,
			"  connections   %" JSON_INTEGER_FORMAT
			" in the kernel's table, of at most %" JSON_INTEGER_FORMAT "\n",
			number_of(conntrack, "entries"), number_of(conntrack, "limit"));
}

static char *page_of(const json_t *status, bool colour)
{
	struct page p = {.arena = arena_new(), .colour = colour, .columns = SIZE_MAX};
	unsigned int rows, columns;

	if (isatty(STDOUT_FILENO)) {
		screen_size(&rows, &columns);
		p.columns = columns;
	}
	add_verdict(&p, status);
	add_problems(&p, json_object_get(status, "problems"));
	add_uplinks(&p, status);
	add_rest(&p, status);
	arena_free(p.arena);
	return strbuf_take(&p.out);
}

/* ---- asking ---- */

/* A new reference; NULL: the diag says why. */
static json_t *ask(struct cli_context *c, enum cli_exit *code)
{
	struct client_question q = {.path = "/v1/status"};
	json_t *status;

	switch (client_ask(c, &q, &status, code)) {
	case CLIENT_ANSWERED:
	case CLIENT_REFUSED:
		return status;
	case CLIENT_NO_DAEMON:
		break;
	}
	status = in_force_status(c);
	*code = status ? CLI_OK : CLI_SYSTEM;
	if (status && !c->json)
		client_no_daemon(c, DIAG_INFO);
	return status;
}

struct watching {
	struct cli_context *c;
	enum cli_exit code;
};

static char *draw(void *data, unsigned int rows)
{
	struct watching *w = data;
	json_t *status = ask(w->c, &w->code);
	char *page = status ? page_of(status, w->c->colour_out) : NULL;

	/* What a page says is said there; only what ends the watch is left to be said. */
	if (page) {
		diag_fini(&w->c->diag);
		diag_init(&w->c->diag);
	}
	json_decref(status);
	return page;
}

static enum cli_exit print(struct cli_context *c, const json_t *status)
{
	char *page = page_of(status, c->colour_out);

	if (!c->json)
		fputs(page, stdout);
	free(page);
	return json_is_false(json_object_get(status, "well")) ? CLI_NO : CLI_OK;
}

static int run(struct cli_context *c)
{
	enum cli_exit code = CLI_OK;
	json_t *status;

	if (cli_given(c, "fastpath"))
		return fastpath_show(c);
	if (cli_given(c, "watch") && !c->json) {
		struct watching w = {.c = c};

		screen_run(WATCH_MS, draw, &w);
		return cli_finish(c, NULL, w.code);
	}
	status = ask(c, &code);
	if (status)
		code = print(c, status);
	if (c->json)
		return cli_finish(c, status, code);
	json_decref(status);
	return cli_finish(c, NULL, code);
}

const struct cli_command command_status = {
	.name = "status",
	.arguments = "",
	.summary = "is all well, and if not, what is not",
	.details =
		"Says so first; then the uplinks with their state, replies that left by another "
		"line than\n"
		"home (it must stay 0), a change on trial, the last change, and what others took "
		"away.\n"
		"Without a daemon it looks at the kernel once, which takes root.\n"
		"\n"
		"Exit status 1 if not all is well.\n",
	.options = {{"watch", NULL, "draw it anew every two seconds; q ends it"},
		{"fastpath", NULL, "of the fast path alone, and all of that"}},
	.run = run,
};
