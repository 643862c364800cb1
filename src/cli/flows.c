/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve flows: the connections through the maps. */
#include "cli/flows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/in_force.h"
#include "cli/screen.h"
#include "cli/table.h"

/* ---- asking ---- */

static const char *path_for(struct cli_context *c, const struct flows_query *q)
{
	char prefix[PREFIX_STRLEN];
	const char *path = arena_printf(c->arena, "/v1/flows?limit=%zu", q->limit);

	if (q->map)
		path = arena_printf(c->arena, "%s&%s", path, client_param(c, "map", q->map));
	if (q->uplink)
		path = arena_printf(c->arena, "%s&%s", path, client_param(c, "uplink", q->uplink));
	if (q->client.addr.family != IP_NONE)
		path = arena_printf(c->arena, "%s&%s", path,
			client_param(c, "client", ip_prefix_format(&q->client, prefix)));
	return path;
}

json_t *flows_ask(struct cli_context *c, const struct flows_query *q, enum cli_exit *code)
{
	struct client_question question = {.path = path_for(c, q)};
	json_t *answer;

	if (client_ask(c, &question, &answer, code) != CLIENT_NO_DAEMON)
		return answer;
	answer = in_force_flows(c, q);
	*code = answer ? CLI_OK : CLI_SYSTEM;
	return answer;
}

bool flows_options(struct cli_context *c, struct flows_query *q)
{
	const char *client = cli_value(c, "client");

	q->map = cli_value(c, "map");
	q->uplink = cli_value(c, "uplink");
	if (client && ip_prefix_parse(client, &q->client) != 0) {
		diag_error(&c->diag, NOWHERE, "--client needs an address or a prefix, not '%s'",
			client);
		return false;
	}
	return true;
}

/* ---- printing ---- */

enum column { MAP, HOME, CLIENT, ADDRESS, BACKEND, RETURN, PROTO, STATE, AGE, REQUEST, REPLY };

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "-";
}

const char *flows_endpoint(
	struct arena *a, const json_t *flow, const char *address, const char *port)
{
	const char *ip = text_of(flow, address);

	return arena_printf(a,
		strchr(ip, ':') ? "[%s]:%" JSON_INTEGER_FORMAT : "%s:%" JSON_INTEGER_FORMAT, ip,
		json_integer_value(json_object_get(flow, port)));
}

static const char *bytes_of(struct arena *a, const json_t *flow, const char *direction)
{
	const json_t *n = json_object_get(json_object_get(flow, "bytes"), direction);

	return n ? table_bytes(a, (uint64_t)json_integer_value(n)) : "-";
}

static const char *age_of(struct arena *a, const json_t *flow)
{
	const json_t *n = json_object_get(flow, "age_s");

	return json_is_integer(n) ? table_duration(a, (uint64_t)json_integer_value(n)) : "-";
}

/* On a terminal: what is told least by goes first until the rest fits, and that is said. */
static void fit(struct table *t, struct strbuf *out)
{
	static const unsigned int spared[] = {STATE, PROTO, RETURN, REQUEST, AGE, ADDRESS};
	const char *const *heading = t->rows.items[0].cells;
	unsigned int rows, columns;

	if (!isatty(STDOUT_FILENO))
		return;
	screen_size(&rows, &columns);
	for (size_t i = 0; table_total(t) > columns && i < sizeof(spared) / sizeof(spared[0]);
		i++) {
		strbuf_addf(out, "%s%s",
			i ? ", " : "Left out, since they do not fit: ", heading[spared[i]]);
		t->hidden |= 1u << spared[i];
	}
	if (t->hidden)
		strbuf_addch(out, '\n');
}

static void print(struct cli_context *c, const json_t *answer)
{
	struct table t = {.arena = c->arena, .right = 1u << AGE | 1u << REQUEST | 1u << REPLY};
	const json_t *list = json_object_get(answer, "flows"), *f;
	json_int_t total = json_integer_value(json_object_get(answer, "total"));
	const char *hint =
		json_string_value(json_object_get(json_object_get(answer, "conntrack"), "hint"));
	struct strbuf out = STRBUF_INIT;
	size_t i;

	table_row(&t, "MAP", "HOME", "CLIENT", "ADDRESS", "BACKEND", "RETURN", "PROTO", "STATE",
		"AGE", "REQUEST", "REPLY");
	json_array_foreach(list, i, f)
	{
		table_row(&t, text_of(f, "map"), text_of(f, "home"),
			flows_endpoint(c->arena, f, "client", "client_port"),
			flows_endpoint(c->arena, f, "address", "port"),
			flows_endpoint(c->arena, f, "backend", "backend_port"),
			text_of(f, "return"), text_of(f, "protocol"), text_of(f, "state"),
			age_of(c->arena, f), bytes_of(c->arena, f, "request"),
			bytes_of(c->arena, f, "reply"));
	}
	if (json_array_size(list)) {
		fit(&t, &out);
		table_print(&t, &out);
	}
	strbuf_addf(&out, "%" JSON_INTEGER_FORMAT " connection%s", total, total == 1 ? "" : "s");
	if ((size_t)total > json_array_size(list))
		strbuf_addf(&out, ", %zu of them shown (--limit)", json_array_size(list));
	fputs(strbuf_str(&out), stdout);
	putchar('\n');
	strbuf_fini(&out);
	if (hint)
		diag_info(&c->diag, NOWHERE, "%s", hint);
}

static int run(struct cli_context *c)
{
	struct flows_query q = {0};
	uint32_t limit = FLOWS_DEFAULT;
	enum cli_exit code = CLI_USAGE;
	json_t *answer = NULL;

	if (flows_options(c, &q) && cli_number(c, "limit", 0, FLOWS_MAX, &limit)) {
		q.limit = limit;
		answer = flows_ask(c, &q, &code);
	}
	if (c->json)
		return cli_finish(c, answer, code);
	if (answer)
		print(c, answer);
	json_decref(answer);
	return cli_finish(c, NULL, code);
}

const struct cli_command command_flows = {
	.name = "flows",
	.arguments = "",
	.summary = "the connections through the maps, and where their home is",
	.details = "One line each: the map, the uplink that the connection came in on, the client, "
		   "the "
		   "address it\n"
		   "asked for, the backend it got, how the replies come back, its age, and the "
		   "bytes of "
		   "requests\n"
		   "and replies. Bytes and ages are there where the kernel keeps them; if it does "
		   "not, "
		   "it is said\n"
		   "how to turn that on.\n",
	.options = {{"limit", "N", "so many at most (100)"},
		{"map", "NAME", "only those of this map"},
		{"uplink", "NAME", "only those whose home this uplink is"},
		{"client", "PREFIX", "only those of this address or network"}},
	.run = run,
};
