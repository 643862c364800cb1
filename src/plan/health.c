/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Health: what the answers to checks mean. */
#include "plan/health.h"

#include <stdio.h>
#include <stdlib.h>

/* Runs of rounds alike are counted up to here; no rise or fall is as long. */
#define RUN_MAX 30000

static void set_text(char out[HEALTH_REASON_BYTES], const char *text)
{
	snprintf(out, HEALTH_REASON_BYTES, "%s", text ? text : "");
}

const char *health_name(enum health_state s)
{
	switch (s) {
	case HEALTH_UNKNOWN:
		return "unknown";
	case HEALTH_UP:
		return "up";
	case HEALTH_DEGRADED:
		return "degraded";
	case HEALTH_DOWN:
		return "down";
	}
	return "unknown";
}

uint64_t health_next(const struct check *rules, uint64_t last_ms, uint32_t random)
{
	uint32_t tenth = rules->every_ms / 10;

	return last_ms + rules->every_ms - tenth + random % (2 * tenth + 1);
}

/* ---- the subject ---- */

/* Places of the ring that have memory when @n changes (not 0) are kept: 1, 2, 4, ... HEALTH_HISTORY. */
static size_t history_room(uint64_t n)
{
	size_t room = 1;

	while (room < n && room < HEALTH_HISTORY)
		room *= 2;
	return room;
}

static void remember(struct health *h, uint64_t now_ms)
{
	size_t have = h->n_changes ? history_room(h->n_changes) : 0;
	size_t room = history_room(h->n_changes + 1);
	struct health_change *c;

	if (room != have) {
		h->history = realloc(h->history, room * sizeof(*h->history));
		if (!h->history)
			abort(); /* as an arena does */
	}
	c = &h->history[h->n_changes++ % HEALTH_HISTORY];
	c->at_ms = now_ms;
	c->state = h->state;
	set_text(c->reason, h->reason);
}

static bool settle(struct health *h, enum health_state state, const char *reason, uint64_t now_ms)
{
	char text[HEALTH_REASON_BYTES];

	set_text(text, reason);
	if (h->state == state && strcmp(h->reason, text) == 0)
		return false;
	set_text(h->reason, text);
	if (h->state != state) {
		h->state = state;
		h->since_ms = now_ms;
		remember(h, now_ms);
	}
	return true;
}

/* What the checks say together, while there is a link. */
static bool judge(struct health *h, uint64_t now_ms)
{
	const struct health_check *down = NULL, *failing = NULL;
	size_t n_down = 0;

	for (size_t i = 0; i < h->n_checks; i++) {
		const struct health_check *c = &h->checks[i];

		if (c->state == HEALTH_UNKNOWN)
			return settle(h, HEALTH_UNKNOWN, "not checked yet", now_ms);
		if (c->state == HEALTH_DOWN) {
			n_down++;
			down = down ? down : c;
		} else if (c->failing) {
			failing = failing ? failing : c;
		}
	}
	if (down)
		return settle(h, n_down == h->n_checks ? HEALTH_DOWN : HEALTH_DEGRADED, down->why,
			now_ms);
	if (failing)
		return settle(h, HEALTH_DEGRADED, failing->why, now_ms);
	return settle(h, HEALTH_UP, "", now_ms);
}

void health_init(struct health *h, size_t n, uint64_t now_ms)
{
	*h = (struct health){.link = true, .n_checks = n, .since_ms = now_ms};
	if (n) {
		h->checks = calloc(n, sizeof(*h->checks));
		if (!h->checks)
			abort();
	}
	set_text(h->reason, "not checked yet");
}

void health_fini(struct health *h)
{
	free(h->checks);
	free(h->history);
	*h = (struct health){0};
}

bool health_link(struct health *h, bool link, const char *why, uint64_t now_ms)
{
	if (link && (!h->link || h->n_checks == 0)) {
		h->link = true;
		return judge(h, now_ms);
	}
	if (link)
		return false;
	if (h->link)
		for (size_t i = 0; i < h->n_checks; i++) {
			struct health_check *c = &h->checks[i];

			*c = (struct health_check){
				.rounds = c->rounds, .good_rounds = c->good_rounds};
		}
	h->link = false;
	return settle(h, HEALTH_DOWN, why, now_ms);
}

/* ---- rounds ---- */

void health_round(struct health *h, size_t i, unsigned int targets)
{
	if (i >= h->n_checks || !h->link)
		return;
	if (targets > LIMIT_TARGETS)
		targets = LIMIT_TARGETS;
	h->checks[i].pending = (1u << targets) - 1;
	h->checks[i].answered = 0;
}

static uint32_t at_least_one(uint32_t n)
{
	return n ? n : 1;
}

static void note_target(struct health_check *c, const struct check *rules, unsigned int target,
	bool ok, const char *why)
{
	int16_t *run = &c->runs[target];
	uint32_t bit = 1u << target, length;
	bool first = *run == 0;

	if (ok)
		*run = (int16_t)(*run < 0 ? 1 : *run < RUN_MAX ? *run + 1 : *run);
	else
		*run = (int16_t)(*run > 0 ? -1 : *run > -RUN_MAX ? *run - 1 : *run);
	length = (uint32_t)(ok ? *run : -*run);
	if (first || length >= at_least_one(ok ? rules->rise : rules->fall))
		c->failing = ok ? c->failing & ~bit : c->failing | bit;
	/* The reason given is that of a target which fails for good, where there is one. */
	if (!ok && (c->failing & bit || !c->failing))
		set_text(c->why, why);
}

static void end_round(struct health_check *c, const struct check *rules)
{
	bool good = (uint32_t)__builtin_popcount(c->answered) >= at_least_one(rules->need);
	bool first = c->state == HEALTH_UNKNOWN;

	c->rounds++;
	if (good) {
		c->good_rounds++;
		c->good++;
		c->bad = 0;
		if (first || c->good >= rules->rise)
			c->state = HEALTH_UP;
	} else {
		c->bad++;
		c->good = 0;
		if (first || c->bad >= rules->fall)
			c->state = HEALTH_DOWN;
		if (!c->why[0])
			set_text(c->why, "fewer targets than must answer");
	}
}

bool health_result(struct health *h, const struct check *rules, size_t i, unsigned int target,
	bool ok, uint32_t rtt_us, const char *why, uint64_t now_ms)
{
	struct health_check *c = i < h->n_checks ? &h->checks[i] : NULL;
	uint32_t bit = target < LIMIT_TARGETS ? 1u << target : 0;

	if (!c || !(c->pending & bit))
		return false;
	c->pending &= ~bit;
	if (ok) {
		c->answered |= bit;
		c->rtt_us = rtt_us;
	}
	note_target(c, rules, target, ok, why);
	if (c->pending)
		return false;
	end_round(c, rules);
	return judge(h, now_ms);
}
