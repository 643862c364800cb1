/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Joins the verdicts of a journey's ways: which it is, why, and which way tells most. */
#include <stdlib.h>
#include <string.h>

#include "walk/trip.h"

static enum journey_verdict join_verdicts(
	enum walk_fork_kind kind, enum journey_verdict x, enum journey_verdict y)
{
	if (x == y)
		return x;
	/* Chance breaks it for some; what is only not known may be all right. */
	if (kind == FORK_CHANCE && (x == JOURNEY_BROKEN || y == JOURNEY_BROKEN))
		return JOURNEY_BROKEN;
	return JOURNEY_UNKNOWN;
}

/* The ways [@from, @to) agree in their first @depth choices, and are in the order of the walk. */
static enum journey_verdict verdict_of(
	const struct journey *j, size_t from, size_t to, size_t depth)
{
	const struct journey_way *ways = j->ways.items;
	enum journey_verdict all = ways[from].verdict;
	bool first = true;

	if (to - from == 1 || ways[from].choices.len <= depth)
		return all;
	while (from < to) {
		const struct journey_choice *c = &ways[from].choices.items[depth];
		size_t end = from + 1;
		enum journey_verdict v;

		while (end < to && ways[end].choices.len > depth &&
			ways[end].choices.items[depth].taken == c->taken)
			end++;
		v = verdict_of(j, from, end, depth + 1);
		all = first ? v : join_verdicts(c->fork.kind, all, v);
		first = false;
		from = end;
	}
	return all;
}

bool journey_is_supposed(const struct journey_way *w)
{
	const char *key = NULL;

	for (size_t i = 0; i < LEG_COUNT_; i++) {
		VEC_EACH (&w->legs[i].steps, struct journey_step, s)
			key = s->stops ? s->sysctl : key;
	}
	VEC_EACH (&w->choices, struct journey_choice, c) {
		if (key && c->sysctl && strcmp(c->sysctl, key) == 0)
			return true;
	}
	return false;
}

/* How far a way got, and what had to be supposed for it. */
struct length {
	size_t legs, steps, supposed;
};

static struct length length_of(const struct journey_way *w)
{
	struct length l = {0};

	for (size_t i = 0; i < LEG_COUNT_; i++) {
		l.legs += w->legs[i].walked;
		l.steps += w->legs[i].steps.len;
	}
	VEC_EACH (&w->choices, struct journey_choice, c)
		l.supposed += c->fork.kind == FORK_UNKNOWN;
	return l;
}

static int by_number(size_t x, size_t y)
{
	return x < y ? -1 : x > y;
}

/* Of those that are broken, one that gets far comes first, and one that a rule ends before one that a
 * supposed sysctl does: that a machine may not forward at all is only the answer if there is no other. */
static int by_telling(const void *vx, const void *vy)
{
	static const int rank[] = {
		[JOURNEY_BROKEN] = 0, [JOURNEY_UNKNOWN] = 1, [JOURNEY_WORKS] = 2};
	const struct journey_way *x = vx, *y = vy;
	struct length far_x = length_of(x), far_y = length_of(y);
	int c;

	if (x->verdict != y->verdict)
		return rank[x->verdict] - rank[y->verdict];
	if (x->share != y->share)
		return x->share > y->share ? -1 : 1;
	c = by_number(far_y.legs, far_x.legs);
	if (c == 0)
		c = by_number(journey_is_supposed(x), journey_is_supposed(y));
	if (c == 0)
		c = by_number(far_x.supposed, far_y.supposed);
	return c ? c : by_number(far_y.steps, far_x.steps);
}

static const struct journey_assumption *next_decisive(
	const struct journey *j, const struct journey_assumption *after)
{
	VEC_EACH (&j->assumed, const struct journey_assumption, it) {
		if (it->decides && (!after || it > after))
			return it;
	}
	return NULL;
}

void trip_conclude(struct journey *j)
{
	j->verdict = verdict_of(j, 0, j->ways.len, 0);
	if (j->verdict == JOURNEY_WORKS && (j->more_ways || next_decisive(j, NULL)))
		j->verdict = JOURNEY_UNKNOWN;
	qsort(j->ways.items, j->ways.len, sizeof(*j->ways.items), by_telling);
}

/* Where it is not known whether a way is taken: the last thing that it hangs on, and that others do. */
static const char *what_decides(struct arena *a, const struct journey_way *w)
{
	const char *why = NULL;
	size_t n = 0;

	VEC_EACH (&w->choices, const struct journey_choice, c) {
		if (c->fork.kind == FORK_UNKNOWN) {
			why = c->fork.why;
			n++;
		}
	}
	return why && n > 1 ? arena_printf(a, "%s, and that is not all", why) : why;
}

const char *journey_why(struct arena *a, const struct journey *j)
{
	const struct journey_way *first = &j->ways.items[0];
	const struct journey_assumption *only = next_decisive(j, NULL);
	const char *decides;

	if (j->verdict != JOURNEY_UNKNOWN)
		return first->why;
	if (first->verdict == JOURNEY_WORKS && only && !next_decisive(j, only))
		return arena_printf(a, "it works if %s: %s", only->what, first->why);
	if (first->verdict == JOURNEY_WORKS)
		return arena_printf(
			a, "it works if what is taken for granted is so: %s", first->why);
	decides = first->verdict == JOURNEY_BROKEN ? what_decides(a, first) : NULL;
	return decides ? arena_printf(a, "%s; it may be that %s", decides, first->why) : first->why;
}
