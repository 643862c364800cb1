/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Learning: what a daemon finds out, taken up as it comes.
 *
 * Thousands of backends may go down together, each told by itself: whether it is news is told, and it is
 * taken up, at a cost that does not grow with what is known already. All zero is one that knows nothing.
 */
#ifndef PLAN_LEARNING_H
#define PLAN_LEARNING_H

#include "config/names.h"
#include "plan/plan.h"

struct learning {
	struct learned known; /* valid until the next change */
	/* of it all; made anew once so many changes are through that what they left is the most of it */
	struct arena *arena;
	size_t changes, room;
	/* Of backends, and of backends of maps: an index to @places, which says where in @known they
	 * stand. */
	struct names names;
	VEC(uint32_t) places;
	VEC(uint32_t) downs; /* beside known.downs: the index of each */
};

/* All that is known from now on; copied. */
void learning_begin(struct learning *l, const struct learned *known);
void learning_end(struct learning *l);

/* True: it is news. Strings are copied; those of @l itself will not do. */
bool learning_return(struct learning *l, const struct ip_addr *backend, enum return_mode mode,
	const char *reason);
bool learning_down(
	struct learning *l, const char *map, const struct backend *backend, bool is_down);

/* NULL: nothing was learned of it. */
const struct memory_return *learning_return_of(
	const struct learning *l, const struct ip_addr *backend);

#endif
