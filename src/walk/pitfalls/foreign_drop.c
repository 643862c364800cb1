/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds rules of other tools that drop what the maps forward (pitfalls 25, 28, 30, 45). */
#include "walk/pitfalls/tool.h"

static const char *hook_words(const struct trouble *t)
{
	if (t->base.chain->hook == HOOK_PREROUTING || t->base.chain->hook == HOOK_INGRESS)
		return "as they come in";
	return t->base.chain->hook == HOOK_FORWARD ? "on their way through" : "as they leave";
}

static const char *packet_words(const struct trouble *t)
{
	if (t->packets & (1u << FLOW_FIRST))
		return t->packets & (1u << FLOW_REPLY) ? "connections and their replies"
						       : "connections";
	return t->packets & (1u << FLOW_REPLY) ? "the replies of connections"
					       : "the packets after the first of connections";
}

static const char *evidence(struct inquiry *q, const struct trouble *t)
{
	const char *by = inquiry_step_text(q, &t->by);

	if (t->by.chain != t->base.chain)
		by = arena_printf(q->arena, "%s (reached from chain %s)", by, t->base.chain->name);
	if (t->undecided.kind && t->undecided.rule != t->by.rule)
		by = arena_printf(q->arena, "%s, unless this decides otherwise: %s", by,
			inquiry_step_text(q, &t->undecided));
	return by;
}

static void take_maps(struct inquiry *q, struct finding *f, const struct trouble *t)
{
	VEC_EACH (&t->maps, const struct plan_map *, m)
		vec_push(q->arena, &f->maps, *m);
	f->uplink = trouble_uplink(q, t);
}

static void add_stopped(struct inquiry *q, const struct trouble *t)
{
	enum tool tool = tool_of(t);
	bool lost = t->by.kind == STEP_LOST, replies = !(t->packets & (1u << FLOW_FIRST));
	enum diag_severity severity = t->certain ? DIAG_ERROR : lost ? DIAG_INFO : DIAG_WARNING;
	uint8_t pitfall = tool_looks_back(t) ? 22 : replies ? 30 : 28;
	struct finding *f = finding_add(q, t->certain ? "foreign-drop" : "foreign-drop-possible",
		pitfall, severity, t->certain);

	f->title = arena_printf(q->arena, "%s %s the maps' %s %s", tool_name(tool),
		t->certain ? "drops" : "may drop", packet_words(t), hook_words(t));
	f->evidence = evidence(q, t);
	f->consequence =
		t->certain ? "clients get no answer: the packets reach this gateway and go no "
			     "further"
			   : "whether clients get an answer cannot be told from here";
	take_maps(q, f, t);
	if (!lost)
		tool_remedy(q, t, tool, f);
}

static void add_notrack(struct inquiry *q, const struct trouble *t)
{
	struct finding *f = finding_add(q, "notrack", 45, DIAG_ERROR, true);

	f->title = arena_printf(q->arena, "%s keeps the maps' packets from connection tracking",
		tool_name(tool_of(t)));
	f->evidence = evidence(q, t);
	f->consequence =
		"without a tracked connection there is no address translation: the maps do "
		"nothing";
	f->advice = "narrow the rule down, so that it leaves out what comes in by the uplinks";
	take_maps(q, f, t);
}

void pitfall_foreign_drop(struct inquiry *q)
{
	struct finding *f;

	VEC_EACH (&q->troubles->items, struct trouble, t) {
		if (t->kind == TROUBLE_STOPPED)
			add_stopped(q, t);
		else if (t->kind == TROUBLE_NOTRACK)
			add_notrack(q, t);
	}
	if (!q->troubles->left_out)
		return;
	f = finding_add(q, "not-all-walked", 28, DIAG_INFO, false);
	f->title = "not all maps were walked through the rules of other tools";
	f->evidence = arena_printf(q->arena,
		"%u listeners were, %zu were not, because other tools' rules look at single ports "
		"or "
		"addresses",
		FLOWS_MAX, q->troubles->left_out);
	f->consequence = "one of those may be dropped without a word here";
}
