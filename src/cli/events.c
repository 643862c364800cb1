/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve events: what happens, as it happens. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/client.h"
#include "cli/commands.h"

#define DATA "data: "

static void print_value(const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	fputs(text ? text : "?", stdout);
	free(text);
}

/* What is in every event has its place in the line; the rest follows as key=value. */
static bool is_common(const char *key)
{
	static const char *const common[] = {"id", "at", "level", "kind", "message"};

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (strcmp(common[i], key) == 0)
			return true;
	return false;
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static void print_event(const json_t *e)
{
	time_t at = (time_t)(json_integer_value(json_object_get(e, "at")) / 1000);
	const char *key;
	const json_t *value;
	char clock[32];
	struct tm tm;

	localtime_r(&at, &tm);
	strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s  %-7s %s: %s", clock, text_of(e, "level"), text_of(e, "kind"),
		text_of(e, "message"));
	json_object_foreach((json_t *)e, key, value)
	{
		if (is_common(key))
			continue;
		printf("  %s=", key);
		print_value(value);
	}
	putchar('\n');
}

static bool on_line(const char *line, void *data)
{
	const struct cli_context *c = data;
	json_t *e;

	if (strncmp(line, DATA, strlen(DATA)) != 0)
		return true;
	line += strlen(DATA);
	if (c->json) {
		puts(line);
	} else {
		e = json_loads(line, 0, NULL);
		if (e)
			print_event(e);
		json_decref(e);
	}
	return fflush(stdout) == 0;
}

static int run(struct cli_context *c)
{
	const char *path = "/v1/events";
	enum cli_exit code = CLI_USAGE;
	uint32_t since = 0;

	if (!cli_number(c, "since", 0, UINT32_MAX, &since))
		return cli_finish(c, NULL, code);
	if (cli_given(c, "since"))
		path = arena_printf(c->arena, "%s?since=%" PRIu32, path, since);
	switch (client_follow(c, path, on_line, c, &code)) {
	case CLIENT_ANSWERED:
		diag_error(&c->diag, NOWHERE, "the daemon has ended");
		code = CLI_SYSTEM;
		break;
	case CLIENT_NO_DAEMON:
		client_no_daemon(c, DIAG_ERROR);
		code = CLI_SYSTEM;
		break;
	case CLIENT_REFUSED:
		break;
	}
	if (!c->json)
		return cli_finish(c, NULL, code);
	/* Each line was an answer of its own. */
	c->json = false;
	return cli_finish(c, NULL, code);
}

const struct cli_command command_events = {
	.name = "events",
	.arguments = "",
	.summary = "what happens, as it happens",
	.details =
		"Follows the daemon's events until Ctrl-C: changes that were applied, drift that "
		"was put back,\n"
		"uplinks and backends that come and go. With --json one object per line.\n",
	.options = {{"since", "ID",
		"begin behind the event with this number, as far as it is kept; 0: all"}},
	.run = run,
};
