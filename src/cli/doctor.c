/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve doctor: the pitfalls of a machine, whoever configured it. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/judge.h"
#include "cli/source.h"
#include "cli/state_dir.h"
#include "report/report.h"

#define MAX_NOTES  10u
#define MAX_UNTOLD 5u /* of one pitfall */

/* ---- the catalogue ---- */

static const char *found_words(const struct pitfall *p)
{
	if (p->found == (PITFALL_STATIC | PITFALL_LIVE))
		return "static, live";
	if (p->found & PITFALL_STATIC)
		return "static";
	return p->found & PITFALL_LIVE ? "live" : "no";
}

static json_t *catalogue_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < PITFALLS; i++) {
		const struct pitfall *p = &pitfalls[i];

		json_array_append_new(
			list, json_pack("{s:i, s:s, s:s, s:b, s:b, s:s?}", "number", p->number,
				      "name", p->name, "title", p->title, "static",
				      (p->found & PITFALL_STATIC) != 0, "live",
				      (p->found & PITFALL_LIVE) != 0, "limit", p->limit));
	}
	return list;
}

static int list(struct cli_context *c)
{
	if (c->json)
		return cli_finish(c, json_pack("{s:o}", "pitfalls", catalogue_json()), CLI_OK);
	for (size_t i = 0; i < PITFALLS; i++) {
		const struct pitfall *p = &pitfalls[i];

		printf("%2u  %-30s %-12s %s\n", p->number, p->name, found_words(p), p->title);
		if (p->limit)
			printf("    %-30s %-12s (%s)\n", "", "", p->limit);
	}
	return cli_finish(c, NULL, CLI_OK);
}

/* ---- what was found ---- */

static json_t *untold_json(const struct findings *f)
{
	json_t *list = json_array();

	VEC_EACH (&f->untold, const struct finding_untold, u)
		json_array_append_new(list,
			json_pack("{s:i, s:s, s:s, s:s}", "number", u->pitfall, "name",
				pitfalls[u->pitfall - 1].name, "what", u->what, "needs", u->needs));
	return list;
}

static void print_untold(const struct findings *f)
{
	size_t of[PITFALLS + 1] = {0};

	if (f->untold.len)
		puts("cannot be told:");
	VEC_EACH (&f->untold, const struct finding_untold, u) {
		if (of[u->pitfall]++ < MAX_UNTOLD)
			printf("  %s\n    it takes: %s\n", u->what, u->needs);
	}
	for (size_t i = 0; i <= PITFALLS; i++) {
		if (of[i] > MAX_UNTOLD)
			printf("  and %zu more about pitfall %zu\n", of[i] - MAX_UNTOLD, i);
	}
}

static size_t count(const struct findings *f, enum diag_severity severity)
{
	size_t n = 0;

	VEC_EACH (&f->items, const struct finding, it)
		n += it->severity == severity;
	return n;
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_summary(const struct cli_source *source, const struct findings *f)
{
	size_t errors = count(f, DIAG_ERROR), warnings = count(f, DIAG_WARNING);

	if (!errors && !warnings)
		printf("%s: nothing wrong was found\n", source->name);
	else
		printf("%s: %zu error%s, %zu warning%s\n", source->name, errors, plural(errors),
			warnings, plural(warnings));
}

static void print_notes(const struct cli_source *source)
{
	struct strbuf out = STRBUF_INIT;

	cli_state_print_notes(&out, &source->notes, MAX_NOTES);
	fputs(strbuf_str(&out), stderr);
	strbuf_fini(&out);
}

static json_t *answer_json(const struct cli_source *source, const struct findings *f)
{
	return json_pack("{s:s, s:b, s:o, s:o, s:o}", "source", source->name, "ok",
		count(f, DIAG_ERROR) == 0, "findings", report_findings(f), "untold", untold_json(f),
		"not_understood", cli_state_notes_json(&source->notes));
}

static int run(struct cli_context *c)
{
	struct cli_source source = {0};
	struct findings findings = {0};
	enum cli_exit code;
	json_t *j = NULL;

	if (cli_given(c, "list"))
		return list(c);
	code = cli_source(c, &source);
	if (code != CLI_OK)
		return cli_finish(c, NULL, code);
	walk_doctor(c->arena, source.net, &source.facts, &findings);
	if (c->json) {
		j = answer_json(&source, &findings);
	} else {
		print_notes(&source);
		judge_print(c, &findings);
		print_untold(&findings);
		print_summary(&source, &findings);
	}
	return cli_finish(c, j, count(&findings, DIAG_ERROR) ? CLI_NO : CLI_OK);
}

const struct cli_command command_doctor = {
	.name = "doctor",
	.arguments = "[CONFIG]",
	.summary = "what is wrong with a gateway, whoever configured it",
	.details =
		"Reads the rules, routes and settings of this machine, or of dumps of another "
		"one,\n"
		"and walks each port forward from outside, from beside the gateway, from inside\n"
		"and from the gateway itself. Tells each pitfall with its evidence, what it means\n"
		"and the commands that cure it; then what cannot be told, and what it would take.\n"
		"With CONFIG, the machine as it would be with that file's plan in force.\n"
		"\n"
		"Exit status 1 if anything is found that keeps a forward from working.\n",
	.options = {CLI_SOURCE_LIVE, CLI_SOURCE_STATE, CLI_SOURCE_PAPER,
		{"list", NULL, "print the catalogue of pitfalls, and how each is found"}},
	.max_args = 1,
	.run = run,
};
