/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Explain: a question about a packet, answered. */
#include "report/explain.h"

#include <string.h>

/* The config says of each backend whether its replies come back through the gateway. */
static enum journey_return promised(const struct plan *p, const struct journey *j)
{
	VEC_EACH (&j->ways, const struct journey_way, w) {
		VEC_EACH (&p->maps, const struct plan_map, m) {
			if (m->return_mode == RETURN_DIRECT &&
				ip_equal(&m->backend->addr, &w->flow.reply.src))
				return RETURN_THROUGH_US;
		}
	}
	return RETURN_ASK;
}

void explain_answer(struct arena *a, const struct journey_question *asked, struct explanation *e)
{
	struct journey_question q = *asked;

	journey_walk(a, e->source->net, &q, &e->journey);
	if (e->source->ours && q.returns == RETURN_ASK) {
		q.returns = promised(e->source->ours, &e->journey);
		if (q.returns != RETURN_ASK) {
			memset(&e->journey, 0, sizeof(e->journey));
			journey_walk(a, e->source->net, &q, &e->journey);
		}
	}
	for (unsigned int i = 0; i < 2; i++)
		journey_walk_error(
			a, e->source->net, &e->journey.ways.items[0], i == 1, &e->errors[i]);
	walk_diagnose(a, e->source->net, &e->journey, &e->pitfalls);
	walk_bypass(
		a, e->source->ours, e->source->net, &e->journey, e->source->fastpath, &e->bypass);
}

bool explain_knows_interface(const struct netstate *net, const char *in)
{
	return !in || !(net->have & HAVE_LINKS) || netstate_link(net, in);
}

const char *explain_near_interface(struct arena *a, const struct netstate *net, const char *in)
{
	const char **names = arena_alloc(a, net->links.len * sizeof(*names));
	size_t n = 0;

	VEC_EACH (&net->links, struct net_link, l)
		names[n++] = l->name;
	return diag_nearest(in, names, n);
}

bool explain_returns(const char *word, struct journey_question *out)
{
	if (strcmp(word, "through") == 0)
		out->returns = RETURN_THROUGH_US;
	else if (strcmp(word, "bypass") == 0)
		out->returns = RETURN_BYPASS;
	else
		return false;
	return true;
}
