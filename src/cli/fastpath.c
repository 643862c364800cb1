/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve fastpath: how it is, and live on and off. */
#include "cli/fastpath.h"

#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "kernel/fastpath.h"
#include "kernel/fastpath_off.h"

#define WHY_COLUMNS 46u /* so that the table fits 80 */

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static const char *count_of(struct arena *a, const json_t *j, const char *key)
{
	return arena_printf(
		a, "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(j, key)));
}

/* ---- the page ---- */

static void add_state(struct strbuf *out, const json_t *j)
{
	const char *problem = text_of(j, "problem");

	if (!json_is_true(json_object_get(j, "wanted")))
		strbuf_add(out, "The config does not want the fast path (gateway.fastpath).\n");
	else if (problem[0])
		strbuf_addf(out, "There is no fast path: %s.\n", problem);
	else if (json_is_true(json_object_get(j, "switched_off")))
		strbuf_add(out, "The fast path is off, by hand: `portreeve fastpath on`.\n");
	else
		strbuf_add(out, "The fast path is on.\n");
}

/* How much of @text goes into @columns, by whole words if it can be. */
static size_t fitting(const char *text, size_t columns)
{
	size_t len = strlen(text), n = columns;

	if (len <= columns)
		return len;
	while (n && text[n] != ' ')
		n--;
	return n ? n : columns;
}

static void add_interface(struct table *t, const json_t *one)
{
	const char *why = text_of(one, "why"), *not_ipv6 = text_of(one, "not_ipv6");
	size_t n;

	if (not_ipv6[0])
		why = arena_printf(t->arena, "%s; IPv6 takes the kernel's path: %s", why, not_ipv6);
	n = fitting(why, WHY_COLUMNS);

	table_row(t, text_of(one, "name"), text_of(one, "wanted"), text_of(one, "mode"),
		arena_strndup(t->arena, why, n));
	for (why += n; *why; why += n) {
		why += strspn(why, " ");
		n = fitting(why, WHY_COLUMNS);
		table_row(t, "", "", "", arena_strndup(t->arena, why, n));
	}
}

static void add_interfaces(struct arena *a, struct strbuf *out, const json_t *list)
{
	struct table t = {.arena = a};
	const json_t *one;
	size_t i;

	if (!json_array_size(list))
		return;
	table_row(&t, "INTERFACE", "WANTED", "IS", "WHY");
	json_array_foreach(list, i, one)
	{
		add_interface(&t, one);
	}
	strbuf_addch(out, '\n');
	table_print(&t, out);
}

static void add_amounts(struct arena *a, struct strbuf *out, const json_t *j)
{
	const json_t *bypassed = json_object_get(j, "bypassed");

	if (!json_is_object(bypassed))
		return;
	strbuf_addf(out,
		"\n  bypassed      %s packets, %s\n"
		"  in the cache  %s directions of connections\n"
		"  room          for %s connections, of which each CPU has its part: %s\n",
		count_of(a, bypassed, "packets"),
		table_bytes(a, (uint64_t)json_integer_value(json_object_get(bypassed, "bytes"))),
		count_of(a, j, "flows"), count_of(a, j, "room"), count_of(a, j, "room_per_cpu"));
}

static void add_passed(struct arena *a, struct strbuf *out, const json_t *list)
{
	struct table t = {.arena = a, .right = 1u << 0};
	const json_t *one;
	size_t i;

	table_row(&t, "PACKETS", "LEFT TO THE KERNEL", "");
	json_array_foreach(list, i, one)
	{
		if (json_integer_value(json_object_get(one, "packets")))
			table_row(&t, count_of(a, one, "packets"), text_of(one, "reason"),
				text_of(one, "text"));
	}
	if (t.rows.len == 1)
		return;
	strbuf_addch(out, '\n');
	table_print(&t, out);
}

static void print(struct arena *a, const json_t *j)
{
	struct strbuf out = STRBUF_INIT;

	add_state(&out, j);
	add_interfaces(a, &out, json_object_get(j, "interfaces"));
	add_amounts(a, &out, j);
	add_passed(a, &out, json_object_get(j, "passed"));
	fputs(strbuf_str(&out), stdout);
	strbuf_fini(&out);
}

/* Does each interface that is to have it have it? */
static bool is_as_wanted(const json_t *j)
{
	const json_t *one;
	size_t i;

	if (text_of(j, "problem")[0])
		return false;
	json_array_foreach(json_object_get(j, "interfaces"), i, one)
	{
		if (strcmp(text_of(one, "mode"), "off") == 0)
			return false;
	}
	return true;
}

static int finish(struct cli_context *c, json_t *answer, enum cli_exit code)
{
	if (answer && code == CLI_OK && !is_as_wanted(answer))
		code = CLI_NO;
	if (c->json)
		return cli_finish(c, answer, code);
	if (answer)
		print(c->arena, answer);
	json_decref(answer);
	return cli_finish(c, NULL, code);
}

int fastpath_show(struct cli_context *c)
{
	struct client_question q = {.path = "/v1/fastpath"};
	enum cli_exit code = CLI_OK;
	json_t *answer = NULL;

	if (client_ask(c, &q, &answer, &code) == CLIENT_NO_DAEMON) {
		client_no_daemon(c, DIAG_ERROR);
		code = CLI_SYSTEM;
	}
	return finish(c, answer, code);
}

/* ---- switching ---- */

/* The programs of a daemon that is gone go on. They cannot be told, so they are taken off; and the next
 * daemon finds it written down. */
static enum cli_exit off_without_daemon(struct cli_context *c)
{
	struct kernel *k = cli_kernel(c, true);
	struct kernel_error e = {0};
	size_t removed = 0;
	int err;

	if (!k)
		return CLI_SYSTEM;
	err = fastpath_remove(k, &removed, &e);
	if (err) {
		cli_kernel_error(c, "take the fast path's programs off", &e);
	} else {
		err = fastpath_keep_off(k, true);
		if (err)
			diag_error(&c->diag, NOWHERE,
				"that it is off cannot be written down in the run directory: %s",
				strerror(-err));
		else
			diag_info(&c->diag, NOWHERE,
				"no daemon runs: %zu program%s taken off; the next daemon begins "
				"with "
				"the fast path off",
				removed, removed == 1 ? " was" : "s were");
	}
	kernel_close(k);
	return err ? CLI_SYSTEM : CLI_OK;
}

static int turn(struct cli_context *c, bool on)
{
	struct client_question q = {
		.path = on ? "/v1/fastpath?switch=on" : "/v1/fastpath?switch=off", .post = true};
	enum cli_exit code = CLI_OK;
	json_t *answer = NULL;
	enum client_result r = client_ask(c, &q, &answer, &code);

	if (r == CLIENT_NO_DAEMON && on) {
		client_no_daemon(c, DIAG_ERROR);
		code = CLI_SYSTEM;
	} else if (r == CLIENT_NO_DAEMON) {
		code = off_without_daemon(c);
	}
	/* What is asked for is what is said: not that an interface has none anyway. */
	if (c->json)
		return cli_finish(c, answer, code);
	if (answer && r == CLIENT_ANSWERED) {
		struct strbuf out = STRBUF_INIT;

		add_state(&out, answer);
		fputs(strbuf_str(&out), stdout);
		strbuf_fini(&out);
	}
	json_decref(answer);
	return cli_finish(c, NULL, code);
}

static int run(struct cli_context *c)
{
	const char *to = c->n_args ? c->args[0] : NULL;

	if (!to)
		return fastpath_show(c);
	if (strcmp(to, "on") == 0 || strcmp(to, "off") == 0)
		return turn(c, to[1] == 'n');
	diag_error(&c->diag, NOWHERE, "'%s' is neither on nor off", to);
	return cli_finish(c, NULL, CLI_USAGE);
}

const struct cli_command command_fastpath = {
	.name = "fastpath",
	.arguments = "[on|off]",
	.summary = "how the fast path is; switch it off, and on again",
	.details =
		"Off: from the next one on all packets take the kernel's own path, without a loss "
		"for any\n"
		"connection, until it is switched on again or the machine is restarted; a daemon "
		"that is\n"
		"restarted keeps it. Without on or off it is shown: which interfaces have it and "
		"why, how many\n"
		"packets bypassed the kernel, and why others did not.\n"
		"\n"
		"Exit status 1 if an interface on which it is wanted does not have it.\n",
	.max_args = 1,
	.run = run,
};
