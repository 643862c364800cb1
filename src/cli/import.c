/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve import: a config that does what a machine's own rules do, and how the two compare. */
#include "walk/import.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/explain.h"
#include "cli/source.h"
#include "cli/state_dir.h"
#include "config/config.h"
#include "walk/import_compare.h"

#define MAX_NOTES 10u

struct importing {
	struct cli_source source;
	struct gateway gateway;
	struct import import;
	struct import_comparison comparison;
	bool compared;
	const char *yaml; /* with what was left out as comments */
};

static const char *whole_yaml(struct arena *a, const struct importing *i)
{
	struct strbuf y = STRBUF_INIT;
	const char *text;

	strbuf_addf(&y, "# made by 'portreeve import' from %s\n", i->source.name);
	strbuf_add(&y, i->import.yaml);
	strbuf_add(&y, i->import.left.len ? "\n" : "");
	import_add_left(a, &i->import, &y);
	text = arena_strdup(a, strbuf_str(&y));
	strbuf_fini(&y);
	return text;
}

/* The config as it was made must be one that portreeve takes. */
static bool compare(struct cli_context *c, struct importing *i)
{
	struct netstate *stripped = arena_new_of(c->arena, struct netstate);
	struct netstate *then = arena_new_of(c->arena, struct netstate);
	struct memory memory = {0};
	const struct model *m;
	const struct plan *p;

	diag_source(&c->diag, "the config that was made", i->yaml, strlen(i->yaml));
	m = config_load(c->arena, i->yaml, strlen(i->yaml), &c->diag);
	if (!m)
		return false;
	import_strip(c->arena, &i->gateway, &i->import, stripped);
	p = plan_make(c->arena, m, stripped, &memory, &c->diag);
	if (!p)
		return false;
	plan_overlay(c->arena, stripped, &p->want, then);
	import_compare(c->arena, &i->gateway, &i->import, then, &i->comparison);
	i->compared = true;
	return true;
}

static void print_comparison(const struct importing *i)
{
	const struct import_comparison *cmp = &i->comparison;

	fprintf(stderr, "%zu map%s made; %zu rule%s not carried over\n", i->import.maps,
		i->import.maps == 1 ? "" : "s", i->import.left.len,
		i->import.left.len == 1 ? "" : "s");
	if (!i->compared) {
		fprintf(stderr, "not walked: the config has to be completed first\n");
		return;
	}
	fprintf(stderr, "walked both, from every side: %zu of %zu journeys end alike\n",
		cmp->journeys - cmp->differences.len, cmp->journeys);
	VEC_EACH (&cmp->differences, const struct import_difference, d) {
		fprintf(stderr, "  %s: %s\n    before: %s: %s\n    after:  %s: %s\n", d->what,
			d->regresses	  ? "WORSE"
			: d->pitfalls.len ? "cured"
					  : "differs",
			explain_verdict_name(d->before), d->why_before,
			explain_verdict_name(d->after), d->why_after);
		VEC_EACH (&d->pitfalls, const struct pitfall *, p)
			fprintf(stderr, "    cures pitfall %u: %s\n", (*p)->number, (*p)->title);
	}
}

static json_t *answer_json(struct arena *a, const struct importing *i)
{
	json_t *j = json_object(), *left = json_array(), *differences = json_array();

	json_object_set_new(j, "yaml", json_string(i->yaml));
	json_object_set_new(j, "maps", json_integer((json_int_t)i->import.maps));
	VEC_EACH (&i->import.left, const struct import_left, l)
		json_array_append_new(left,
			json_pack("{s:s, s:s}", "rule", import_left_words(a, l), "why", l->why));
	json_object_set_new(j, "left", left);
	json_object_set_new(j, "journeys", json_integer((json_int_t)i->comparison.journeys));
	VEC_EACH (&i->comparison.differences, const struct import_difference, d) {
		json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "what", d->what, "before",
			explain_verdict_name(d->before), "why_before", d->why_before, "after",
			explain_verdict_name(d->after), "why_after", d->why_after, "worse",
			d->regresses);
		json_t *cures = json_array();

		VEC_EACH (&d->pitfalls, const struct pitfall *, p)
			json_array_append_new(cures, json_integer((*p)->number));
		json_object_set_new(one, "cures", cures);
		json_array_append_new(differences, one);
	}
	json_object_set_new(j, "differences", differences);
	json_object_set_new(j, "not_understood", cli_state_notes_json(&i->source.notes));
	return j;
}

static int run(struct cli_context *c)
{
	struct importing i = {0};
	bool worse = false;
	json_t *j = NULL;
	enum cli_exit code = cli_source(c, &i.source);

	if (code != CLI_OK)
		return cli_finish(c, NULL, code);
	gateway_infer(c->arena, i.source.net, &i.gateway);
	import_make(c->arena, &i.gateway, IMPORT_AS_RULES, &i.import);
	i.yaml = whole_yaml(c->arena, &i);
	if (i.import.maps == 0) {
		diag_error(&c->diag, NOWHERE,
			"there is nothing to import: no port forward that a map can stand for");
		code = CLI_NO;
	} else if (!compare(c, &i)) {
		code = CLI_NO;
	}
	VEC_EACH (&i.comparison.differences, const struct import_difference, d)
		worse = worse || d->regresses;
	if (i.import.left.len || worse)
		code = CLI_NO;
	if (c->json) {
		j = answer_json(c->arena, &i);
	} else {
		struct strbuf notes = STRBUF_INIT;

		cli_state_print_notes(&notes, &i.source.notes, MAX_NOTES);
		fputs(strbuf_str(&notes), stderr);
		strbuf_fini(&notes);
		if (i.import.maps || i.import.left.len)
			fputs(i.yaml, stdout);
		fflush(stdout);
		if (i.import.maps)
			print_comparison(&i);
	}
	return cli_finish(c, j, code);
}

const struct cli_command command_import = {
	.name = "import",
	.arguments = "",
	.summary = "a config that does what this machine's own rules do",
	.details =
		"Writes on standard output a config that does what the port forwards, SNAT rules,\n"
		"connection marks and policy routes of this machine do, or of dumps; comments say\n"
		"where each line came from and what could not be carried over. Then it walks "
		"both,\n"
		"the old rules and the new plan, for every port, uplink and place of a client, "
		"and\n"
		"shows where they differ and which pitfalls the config cures.\n"
		"\n"
		"Exit status 1 if something was not carried over or would be worse than before.\n",
	.options = {CLI_SOURCE_LIVE, CLI_SOURCE_STATE},
	.run = run,
};
