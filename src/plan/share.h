/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Share: which of several backends gets which slot of a table that clients are hashed into.
 *
 * Each slot has an order of preference among the backends, which follows from the weights alone, and
 * belongs to the first of them that is up. So when one goes down its slots, and no others, change
 * hands, and when it comes back it gets just those again: the clients of all other backends stay
 * where they are. The slots that a backend leaves are dealt to the others by their weights, as the
 * whole table was at first. Pure.
 */
#ifndef PLAN_SHARE_H
#define PLAN_SHARE_H

#include <assert.h>

#include "config/model.h"

#define SHARE_SLOTS	256u /* at least */
#define SHARE_SLOTS_MAX (LIMIT_BACKENDS * LIMIT_WEIGHT)
static_assert(LIMIT_BACKENDS <= 64, "one bit each");

/* How many slots give @n backends exactly what @weights (each 1 to LIMIT_WEIGHT) say. */
uint32_t share_slots(const uint16_t *weights, unsigned int n);

/* Who has each of @slots slots, when those with a bit in @up (at least one of the first @n) are up. */
void share_deal(
	const uint16_t *weights, unsigned int n, uint64_t up, uint32_t slots, uint8_t *owner);

/* The largest number that divides all of @weights. */
uint32_t share_divisor(const uint16_t *weights, unsigned int n);

#endif
