/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve explain: why a packet and its reply get through, or do not. */
#include "cli/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/state_dir.h"
#include "report/report.h"

#define BATCH_WORDS 4
#define MAX_NOTES   10u

static struct explain_source look_at(const struct cli_source *s)
{
	return (struct explain_source){s->name, s->net, s->ours, s->ours_file, s->fastpath};
}

/* What was not understood goes to stderr: the answer must not look surer than it is. */
static void print_notes(const struct cli_source *source)
{
	struct strbuf out = STRBUF_INIT;

	cli_state_print_notes(&out, &source->notes, MAX_NOTES);
	fputs(strbuf_str(&out), stderr);
	strbuf_fini(&out);
}

/* ---- the command line ---- */

/* Marks are mostly written in hexadecimal. */
static bool read_mark(struct cli_context *c, uint32_t *mark)
{
	const char *s = cli_value(c, "mark");
	unsigned long long n;
	char *end;

	if (!s)
		return true;
	errno = 0;
	n = strtoull(s, &end, strncmp(s, "0x", 2) == 0 ? 16 : 10);
	if (*s < '0' || *s > '9' || *end || errno || n > UINT32_MAX) {
		diag_error(&c->diag, NOWHERE,
			"--mark needs a number of 32 bits, like 256 or 0x100, not '%s'", s);
		return false;
	}
	*mark = (uint32_t)n;
	return true;
}

static bool read_options(struct cli_context *c, struct journey_question *q)
{
	const char *returns = cli_value(c, "return");
	uint32_t size = 0;

	if (!cli_number(c, "size", 1, 65535, &size) || !read_mark(c, &q->mark))
		return false;
	q->length = (uint16_t)size;
	q->in = cli_value(c, "in");
	if (returns && !explain_returns(returns, q))
		diag_error(&c->diag, NOWHERE, "--return is through or bypass, not '%s'", returns);
	return c->diag.errors == 0;
}

static bool check_interface(struct cli_context *c, const struct netstate *net, const char *in)
{
	const char *near;

	if (explain_knows_interface(net, in))
		return true;
	diag_error(&c->diag, NOWHERE, "there is no interface '%s'", in);
	near = explain_near_interface(c->arena, net, in);
	if (near)
		diag_hint(&c->diag, "did you mean '%s'?", near);
	return false;
}

static void print_answer(struct cli_context *c, const struct cli_source *source,
	const struct explanation *e, const struct prove_result *proof)
{
	struct strbuf out = STRBUF_INIT;

	print_notes(source);
	explain_print(&out, e, cli_given(c, "all"), c->colour_out);
	if (proof)
		explain_prove_print(&out, proof, c->colour_out);
	fputs(strbuf_str(&out), stdout);
	strbuf_fini(&out);
}

static json_t *answer_json(const struct cli_source *source, const struct explanation *e,
	const struct prove_result *proof)
{
	json_t *j = explain_json(e);

	json_object_set_new(j, "not_understood", cli_state_notes_json(&source->notes));
	json_object_set_new(j, "proof", proof ? explain_prove_json(proof) : json_null());
	return j;
}

static int one(struct cli_context *c, const struct cli_source *source, struct journey_question *q)
{
	struct explain_source looked_at = look_at(source);
	struct explanation e = {.source = &looked_at};
	struct prove_result *proof = NULL;
	const char *why;
	json_t *j = NULL;

	if (!explain_question(c->arena, c->args[0], c->args[1], c->args[2], q, &why)) {
		diag_error(&c->diag, NOWHERE, "%s", why);
		return cli_finish(c, NULL, CLI_USAGE);
	}
	if (!check_interface(c, source->net, q->in))
		return cli_finish(c, NULL, CLI_USAGE);
	explain_answer(c->arena, q, &e);
	if (cli_given(c, "prove")) {
		proof = arena_new_of(c->arena, struct prove_result);
		if (!explain_prove(c, source, &e, proof))
			return cli_finish(c, NULL, CLI_SYSTEM);
	}
	if (c->json)
		j = answer_json(source, &e, proof);
	else
		print_answer(c, source, &e, proof);
	return cli_finish(c, j,
		e.journey.verdict == JOURNEY_WORKS && (!proof || proof->agrees) ? CLI_OK : CLI_NO);
}

/* ---- asking the daemon ---- */

/* Is it about this machine as it is, and one question, so that the daemon can answer it? */
static bool is_for_daemon(const struct cli_context *c)
{
	static const char *const own[] = {"live", "state", "paper", "prove", "batch"};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (cli_given(c, own[i]))
			return false;
	return !cli_file_given(c);
}

static const char *path_for(struct cli_context *c, const struct journey_question *q)
{
	const char *path = arena_printf(c->arena, "/v1/explain?%s&%s&%s&size=%u&mark=%" PRIu32,
		client_param(c, "proto", c->args[0]), client_param(c, "src", c->args[1]),
		client_param(c, "dst", c->args[2]), q->length, q->mark);

	if (q->in)
		path = arena_printf(c->arena, "%s&%s", path, client_param(c, "in", q->in));
	if (cli_given(c, "return"))
		path = arena_printf(
			c->arena, "%s&%s", path, client_param(c, "return", cli_value(c, "return")));
	if (!c->json)
		path = arena_printf(c->arena, "%s&text=%s%s", path,
			c->colour_out ? "colour" : "plain", cli_given(c, "all") ? "&all=1" : "");
	return path;
}

/* False: no daemon runs. */
static bool ask_daemon(struct cli_context *c, const struct journey_question *q, enum cli_exit *code)
{
	struct client_question question = {.path = path_for(c, q)};
	const char *text, *verdict;
	json_t *answer;

	if (client_ask(c, &question, &answer, code) == CLIENT_NO_DAEMON)
		return false;
	if (answer) {
		text = json_string_value(json_object_get(answer, "text"));
		verdict = json_string_value(json_object_get(answer, "verdict"));
		*code = verdict && strcmp(verdict, explain_verdict_name(JOURNEY_WORKS)) == 0
				? CLI_OK
				: CLI_NO;
		if (text && !c->json)
			fputs(text, stdout);
		/* As of a look from here. */
		json_object_set_new(answer, "not_understood", json_array());
		json_object_set_new(answer, "proof", json_null());
	} else if (*code == CLI_SYSTEM && geteuid() != 0) {
		diag_info(&c->diag, NOWHERE,
			"a look from here needs root; run it through sudo, or look at dumps with "
			"--state DIR, for which 'sudo portreeve snapshot DIR' is enough");
	}
	*code = (enum cli_exit)cli_finish(c, c->json ? json_incref(answer) : NULL, *code);
	json_decref(answer);
	return true;
}

/* ---- many questions ---- */

/* One line of the batch: its answer, or {"error"}, as one line. */
static void answer_line(
	const struct cli_source *source, const struct journey_question *options, char *line)
{
	struct arena *a = arena_new();
	struct explain_source looked_at = look_at(source);
	struct explanation e = {.source = &looked_at};
	struct journey_question q = *options;
	const char *words[BATCH_WORDS] = {0}, *why = "a line is: PROTO SRC[:PORT] DST:PORT [IN]";
	char *rest = NULL;
	size_t n = 0;
	json_t *j = NULL;

	for (char *w = strtok_r(line, " \t\n", &rest); w && n < BATCH_WORDS;
		w = strtok_r(NULL, " \t\n", &rest))
		words[n++] = w;
	if (n >= 3 && explain_question(a, words[0], words[1], words[2], &q, &why)) {
		if (n > 3)
			q.in = words[3];
		if (explain_knows_interface(source->net, q.in)) {
			explain_answer(a, &q, &e);
			j = explain_json(&e);
		} else {
			why = arena_printf(a, "there is no interface '%s'", q.in);
		}
	}
	if (!j) {
		j = json_object();
		json_object_set_new(j, "error", report_text(why));
	}
	json_dumpf(j, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	fputc('\n', stdout);
	json_decref(j);
	arena_free(a);
}

static int batch(struct cli_context *c, const struct cli_source *source,
	const struct journey_question *options)
{
	char *line = NULL;
	size_t size = 0;

	print_notes(source);
	while (getline(&line, &size, stdin) > 0)
		answer_line(source, options, line);
	free(line);
	c->json = false; /* what there is to say stands on lines of its own */
	return cli_finish(c, NULL, CLI_OK);
}

static int run(struct cli_context *c)
{
	struct cli_source source = {0};
	struct journey_question q = {0};
	enum cli_exit code;

	if (!read_options(c, &q))
		return cli_finish(c, NULL, CLI_USAGE);
	if (cli_given(c, "batch") ? c->n_args > 0 : c->n_args < 3) {
		diag_error(&c->diag, NOWHERE, "which packet? PROTO SRC[:PORT] DST:PORT");
		diag_hint(&c->diag,
			"for example: portreeve explain tcp 198.51.100.7 203.0.113.1:80; --batch "
			"takes its questions from standard input alone");
		return cli_finish(c, NULL, CLI_USAGE);
	}
	if (cli_given(c, "batch") && cli_given(c, "prove")) {
		diag_error(&c->diag, NOWHERE, "--batch and --prove exclude each other");
		return cli_finish(c, NULL, CLI_USAGE);
	}
	if (is_for_daemon(c) && ask_daemon(c, &q, &code))
		return code;
	code = cli_source(c, &source);
	if (code != CLI_OK)
		return cli_finish(c, NULL, code);
	return cli_given(c, "batch") ? batch(c, &source, &q) : one(c, &source, &q);
}

const struct cli_command command_explain = {
	.name = "explain",
	.arguments = "PROTO SRC[:PORT] DST:PORT [CONFIG]",
	.summary = "why a packet and its reply get through, or do not",
	.details =
		"Follows a packet and its reply through this machine, or through dumps of another\n"
		"one: rules, address translation, connection marks, policy routing, reverse path\n"
		"filter. Tells each step, the verdict, the pitfall and the commands that cure it.\n"
		"PROTO is tcp, udp, sctp or icmp; SRC may be 'self', this machine. With CONFIG\n"
		"the packet meets that file's plan in force. A daemon that runs is asked, which "
		"takes\n"
		"no root, unless an option names a source, or it is --prove or --batch.\n"
		"\n"
		"Exit status 1 if it is broken or cannot be told, or if the kernel disagrees.\n",
	.options = {CLI_SOURCE_LIVE, CLI_SOURCE_STATE, CLI_SOURCE_PAPER,
		{"in", "INTERFACE",
			"where the request comes in; else found out from the addresses"},
		{"return", "HOW",
			"the backend's replies come back: through this machine, or bypass it"},
		{"size", "BYTES", "of large packets, for limits of MTU"},
		{"mark", "NUMBER", "the mark that the request starts with"},
		{"prove", NULL, "try it in a namespace, and say whether the kernel agrees"},
		{"all", NULL, "print every way where it can go several"},
		{"batch", NULL, "questions on standard input, a line each; answers as JSON lines"}},
	.max_args = 4,
	.file_arg = 3,
	.run = run,
};
