/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deal the slots of a hash to backends by weight, so that a change moves nobody it need not move. */
#include <assert.h>
#include <string.h>

#include "plan/share.h"

/* A stretch of slots that backends have passed on: those of @passed are down and come before. */
struct stretch {
	uint32_t first, end;
	uint64_t passed;
	unsigned int from; /* the backend whose turn is first */
};

struct deal {
	const uint16_t *weights;
	unsigned int n;
	uint64_t up;
	uint8_t *owner;
	/* What is left to be dealt, the last first: one that is taken off is replaced by at most as many
	 * as there are backends that it has not passed. */
	struct stretch left[LIMIT_BACKENDS * LIMIT_BACKENDS / 2];
	size_t n_left;
};

uint32_t share_divisor(const uint16_t *weights, unsigned int n)
{
	uint32_t divisor = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t a = weights[i], b = divisor;

		while (b) {
			uint32_t rest = a % b;

			a = b;
			b = rest;
		}
		divisor = a;
	}
	return divisor ? divisor : 1;
}

static uint32_t total(const uint16_t *weights, unsigned int n, uint64_t but)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		if (!(but >> i & 1))
			sum += weights[i];
	return sum;
}

uint32_t share_slots(const uint16_t *weights, unsigned int n)
{
	uint32_t whole = total(weights, n, 0) / share_divisor(weights, n);

	return (SHARE_SLOTS + whole - 1) / whole * whole;
}

static void deal_stretch(struct deal *d, const struct stretch *s)
{
	uint32_t all = total(d->weights, d->n, s->passed), before = 0;

	for (unsigned int k = 0; k < d->n; k++) {
		unsigned int i = (s->from + k) % d->n;
		struct stretch part = {.passed = s->passed | 1ull << i, .from = i + 1};

		if (s->passed >> i & 1)
			continue;
		part.first = s->first + (s->end - s->first) * before / all;
		before += d->weights[i];
		part.end = s->first + (s->end - s->first) * before / all;
		if (part.first == part.end)
			continue;
		if (d->up >> i & 1) {
			memset(d->owner + part.first, (int)i, part.end - part.first);
		} else {
			assert(d->n_left < sizeof(d->left) / sizeof(d->left[0]));
			d->left[d->n_left++] = part;
		}
	}
}

void share_deal(
	const uint16_t *weights, unsigned int n, uint64_t up, uint32_t slots, uint8_t *owner)
{
	struct deal d;

	d.weights = weights;
	d.n = n;
	d.up = up;
	d.owner = owner;
	d.left[0] = (struct stretch){.end = slots};
	d.n_left = 1;
	while (d.n_left) {
		struct stretch s = d.left[--d.n_left];

		deal_stretch(&d, &s);
	}
}
