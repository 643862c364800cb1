/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain --prove: asks the kernel whether the journey is right, and prints what it says. */
#include <errno.h>
#include <string.h>

#include "cli/explain.h"

static const char *const leg_names[] = {
	[LEG_REQUEST] = "request", [LEG_REPLY] = "reply", [LEG_LATER] = "later"};

static const char *who_name(enum prove_who w)
{
	switch (w) {
	case PROVE_BOTH:
		return "both";
	case PROVE_ONLY_WALK:
		return "walk";
	case PROVE_ONLY_KERNEL:
		return "kernel";
	case PROVE_OTHERWISE:
		return "otherwise";
	}
	return "";
}

bool explain_prove(struct cli_context *c, const struct cli_source *s, const struct explanation *e,
	struct prove_result *out)
{
	struct sandbox_refusal refusal = {0};
	int err;

	if (!s->live && !s->files.len) {
		diag_error(&c->diag, NOWHERE,
			"--prove needs a machine: this one, or dumps of one (--state)");
		return false;
	}
	err = prove_run(c->arena, s->net, &e->journey, s->files.len ? s->files.items : NULL,
		s->files.len, out, &refusal);
	if (err == -EPERM && refusal.text[0]) {
		diag_error(&c->diag, NOWHERE, "%s", refusal.text);
		if (refusal.hint[0])
			diag_hint(&c->diag, "%s", refusal.hint);
	} else if (err) {
		diag_error(&c->diag, NOWHERE, "the proof could not be tried: %s",
			out->failure[0] ? out->failure : strerror(-err));
	}
	return err == 0;
}

/* ---- text ---- */

static void print_leg(struct strbuf *out, const struct prove_leg *l, const char *name, bool colour)
{
	const char *red = colour ? "\033[1;31m" : "", *green = colour ? "\033[1;32m" : "",
		   *plain = colour ? "\033[0m" : "";
	unsigned int both = 0;

	if (!l->walked && !l->seen)
		return;
	for (unsigned int i = 0; i < l->n_steps; i++)
		both += l->steps[i].who == PROVE_BOTH;
	strbuf_addf(out, "  %-8s %s%s%s: %s%s%s%s%s; %u step%s alike\n", name,
		l->agrees ? green : red, l->agrees ? "the kernel agrees" : "the kernel disagrees",
		plain, l->end, l->out[0] ? " by " : "", l->out, l->left_as[0] ? " as " : "",
		l->left_as, both, both == 1 ? "" : "s");
	for (unsigned int i = 0; i < l->n_steps; i++) {
		const struct prove_step *s = &l->steps[i];

		if (s->who != PROVE_BOTH)
			strbuf_addf(out, "    %s%s%s %s\n", red,
				s->who == PROVE_ONLY_WALK     ? "only the walk has"
				: s->who == PROVE_ONLY_KERNEL ? "only the kernel has"
							      : "otherwise:",
				plain, s->text);
	}
	if (l->more_steps)
		strbuf_add(out, "    ... and more\n");
}

void explain_prove_print(struct strbuf *out, const struct prove_result *r, bool colour)
{
	strbuf_add(out, "\ntried in a namespace:\n");
	for (unsigned int i = 0; i < LEG_COUNT_; i++)
		print_leg(out, &r->legs[i], leg_names[i], colour);
	for (const char *line = r->notes; *line;) {
		size_t len = strcspn(line, "\n");

		strbuf_addf(out, "  note: %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

/* ---- JSON ---- */

static json_t *text(const char *s)
{
	return s[0] ? json_string(s) : json_null();
}

static json_t *leg_json(const struct prove_leg *l)
{
	json_t *j = json_object(), *steps = json_array();

	for (unsigned int i = 0; i < l->n_steps; i++)
		json_array_append_new(
			steps, json_pack("{s:s, s:s}", "who", who_name(l->steps[i].who), "text",
				       l->steps[i].text));
	json_object_set_new(j, "agrees", json_boolean(l->agrees));
	json_object_set_new(j, "seen", json_boolean(l->seen));
	json_object_set_new(j, "end", text(l->end));
	json_object_set_new(j, "in", text(l->in));
	json_object_set_new(j, "out", text(l->out));
	json_object_set_new(j, "left_as", text(l->left_as));
	json_object_set_new(j, "steps", steps);
	return j;
}

json_t *explain_prove_json(const struct prove_result *r)
{
	json_t *j = json_object();

	json_object_set_new(j, "agrees", json_boolean(r->agrees));
	json_object_set_new(j, "complete", json_boolean(r->complete));
	json_object_set_new(j, "way", json_integer((json_int_t)r->way));
	json_object_set_new(j, "notes", text(r->notes));
	for (unsigned int i = 0; i < LEG_COUNT_; i++)
		json_object_set_new(j, leg_names[i],
			r->legs[i].walked || r->legs[i].seen ? leg_json(&r->legs[i]) : json_null());
	return j;
}
