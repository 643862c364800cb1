/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints a traced packet: what the kernel told of it, and where the walk says otherwise. */
#include <string.h>

#include "cli/explain.h"
#include "cli/trace.h"

#define LABEL_WIDTH 12

static const char *kind_name(const struct traced_packet *p)
{
	static const char *const names[] = {
		[LEG_REQUEST] = "request", [LEG_REPLY] = "reply", [LEG_LATER] = "a later request"};

	return p->connection ? names[p->kind] : "packet";
}

static const char *end_name(const struct traced_packet *p)
{
	if (p->leg.out)
		return "forwarded";
	if (p->leg.delivered)
		return "local";
	return p->leg.answered_refusal ? "rejected" : "dropped";
}

/* Does the reply leave by where the request came in? */
static enum tri is_home(const struct traced_packet *p)
{
	if (!p->reply || !p->connection->in || !p->leg.out)
		return TRI_UNKNOWN;
	return tri_of(strcmp(p->connection->in, p->leg.out) == 0);
}

static const char *verdict_text(struct arena *a, const struct observed_step *s)
{
	switch (s->verdict) {
	case VERDICT_DROP:
		return "drop";
	case VERDICT_ACCEPT:
		return "accept";
	case VERDICT_QUEUE:
		return "queue";
	case VERDICT_CONTINUE:
		return "matched";
	case VERDICT_JUMP:
		return arena_printf(a, "jump %s", s->target ? s->target : "");
	case VERDICT_GOTO:
		return arena_printf(a, "goto %s", s->target ? s->target : "");
	case VERDICT_RETURN:
		return "return";
	default: /* a number of the kernel's */
		return "?";
	}
}

/* Where a step stands in the ruleset as it was when the trace began. */
struct found {
	const struct nft_table *table;
	const struct nft_chain *chain;
	const struct nft_rule *rule;
};

static struct found find(const struct tracing *t, const struct observed_step *s)
{
	struct found f = {nft_table_find(&t->net->ruleset, s->family, s->table), NULL, NULL};

	f.chain = f.table ? nft_chain_find(f.table, s->chain) : NULL;
	for (size_t i = 0; f.chain && i < f.chain->rules.len; i++) {
		if (s->kind == OBSERVED_RULE && f.chain->rules.items[i].handle == s->handle)
			f.rule = &f.chain->rules.items[i];
	}
	return f;
}

static const char *step_words(struct arena *a, const struct observed_step *s, const struct found *f)
{
	if (s->kind == OBSERVED_POLICY)
		return "policy";
	if (s->kind == OBSERVED_RETURN)
		return "end of the chain";
	return f->rule ? nft_rule_words(a, f->table, f->chain, f->rule)
		       : arena_printf(a, "a rule that is new (handle %llu)",
				 (unsigned long long)s->handle);
}

static void print_step(struct strbuf *out, struct arena *a, const struct tracing *t,
	const struct observed_step *s, bool colour)
{
	struct found f = find(t, s);
	const char *hook = f.chain && f.chain->base ? explain_hook_name(f.chain->hook) : "";
	const char *words = step_words(a, s, &f);
	bool named;

	strbuf_addf(out, "  %-*s  %s", LABEL_WIDTH, hook, verdict_text(a, s));
	if (s->mark)
		strbuf_addf(out, ", mark 0x%x", s->mark);
	/* iptables' own words name the chain. */
	named = strncmp(words, "-A ", 3) == 0;
	strbuf_addf(out, "\n%*s%s%s%s%s: %s%s\n", LABEL_WIDTH + 4, "", colour ? "\033[2m" : "",
		f.table ? nft_table_words(a, f.table) : s->table, named ? "" : " ",
		named ? "" : s->chain, words, colour ? "\033[0m" : "");
}

static void print_end(struct strbuf *out, const struct traced_packet *p, bool colour)
{
	bool bad = !p->leg.out && !p->leg.delivered;

	strbuf_addf(out, "  %-*s  %s", LABEL_WIDTH, p->leg.out ? "leave" : "end",
		colour && bad ? "\033[1;31m" : "");
	if (p->leg.out) {
		strbuf_addf(out, "%s, as ", p->leg.out);
		explain_packet(out, &p->leg.last);
	} else {
		strbuf_add(out, p->leg.delivered ? "delivered to this machine" : end_name(p));
	}
	strbuf_addf(out, "%s\n", colour && bad ? "\033[0m" : "");
	if (is_home(p) == TRI_NO)
		strbuf_addf(out, "%*s%snot home:%s the request came in by %s\n", LABEL_WIDTH + 4,
			"", colour ? "\033[1;31m" : "", colour ? "\033[0m" : "", p->connection->in);
}

static void print_comparison(struct strbuf *out, const struct traced_packet *p, bool colour)
{
	if (!p->walked) {
		strbuf_addf(out, "  not compared with the walk: %s\n",
			p->connection ? "it knows no packet further than this"
				      : "the connection is older than the trace");
		return;
	}
	if (!p->differences.items.len) {
		strbuf_addf(out, "  %sas the walk has it%s\n", colour ? "\033[32m" : "",
			colour ? "\033[0m" : "");
		return;
	}
	VEC_EACH (&p->differences.items, struct observed_difference, d)
		strbuf_addf(out, "  %shere reality differs:%s %s\n", colour ? "\033[1;31m" : "",
			colour ? "\033[0m" : "", d->text);
}

void trace_print(
	struct strbuf *out, const struct tracing *t, const struct traced_packet *p, bool colour)
{
	struct arena *a = arena_new();

	strbuf_addf(
		out, "%s%s%s  ", colour ? "\033[1m" : "", kind_name(p), colour ? "\033[0m" : "");
	explain_packet(out, &p->leg.first);
	if (p->leg.in)
		strbuf_addf(out, ", in by %s", p->leg.in);
	strbuf_addch(out, '\n');
	VEC_EACH (&p->leg.steps, const struct observed_step, s)
		print_step(out, a, t, s, colour);
	print_end(out, p, colour);
	print_comparison(out, p, colour);
	strbuf_addch(out, '\n');
	arena_free(a);
}

static json_t *text(const char *s)
{
	return s ? json_string(s) : json_null();
}

json_t *trace_json(const struct tracing *t, const struct traced_packet *p)
{
	json_t *j = json_object(), *steps = json_array(), *differences = json_array();
	struct arena *a = arena_new();

	json_object_set_new(j, "kind", json_string(kind_name(p)));
	json_object_set_new(j, "in", text(p->leg.in));
	json_object_set_new(j, "out", text(p->leg.out));
	json_object_set_new(j, "end", json_string(end_name(p)));
	json_object_set_new(j, "home",
		is_home(p) == TRI_UNKNOWN ? json_null() : json_boolean(is_home(p) == TRI_YES));
	json_object_set_new(j, "first", explain_packet_json(&p->leg.first));
	json_object_set_new(
		j, "last", explain_packet_json(p->leg.out ? &p->leg.last : &p->leg.first));
	VEC_EACH (&p->leg.steps, const struct observed_step, s) {
		struct found f = find(t, s);
		json_t *one = json_object();

		json_object_set_new(one, "stage", json_string("rule"));
		json_object_set_new(one, "hook",
			text(f.chain && f.chain->base ? explain_hook_name(f.chain->hook) : NULL));
		json_object_set_new(
			one, "table", text(f.table ? nft_table_words(a, f.table) : s->table));
		json_object_set_new(one, "chain", text(s->chain));
		json_object_set_new(one, "rule", text(step_words(a, s, &f)));
		json_object_set_new(one, "handle", json_integer((json_int_t)s->handle));
		json_object_set_new(one, "text", text(verdict_text(a, s)));
		json_object_set_new(one, "stops", json_boolean(s->verdict == VERDICT_DROP));
		json_object_set_new(one, "verdict", text(verdict_text(a, s)));
		json_object_set_new(one, "mark", json_integer(s->mark));
		json_array_append_new(steps, one);
	}
	json_object_set_new(j, "steps", steps);
	VEC_EACH (&p->differences.items, struct observed_difference, d)
		json_array_append_new(differences, json_string(d->text));
	json_object_set_new(j, "compared", json_boolean(p->walked != NULL));
	json_object_set_new(j, "differences", differences);
	arena_free(a);
	return j;
}
