/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health: is an uplink, or a backend, any good, as decided from the answers to its checks.
 *
 * Pure: a function of the state so far, one more result and the time. Who probes and when is the
 * daemon's business; what it means is decided here, and tested from tables.
 *
 * A round of a check is over when each of its targets has answered or failed; it is good when `need`
 * of them answered. `rise` good rounds in a row make the check up, `fall` bad ones down; the first
 * round after a start decides at once. A subject is down when it has no link or all of its checks are
 * down; degraded when some are, or when a check that is up has targets that fail; up otherwise; unknown
 * until all of its checks had a round. Without checks only the link counts.
 *
 * A single lost answer is no news: a target is called failing after `fall` rounds without its answer,
 * until `rise` with it. While the link is gone nothing is asked; when it comes back the checks start
 * anew.
 */
#ifndef PLAN_HEALTH_H
#define PLAN_HEALTH_H

#include "config/model.h"

enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DEGRADED, HEALTH_DOWN };

#define HEALTH_REASON_BYTES 120
#define HEALTH_HISTORY	    32

struct health_check {
	enum health_state state; /* UNKNOWN, UP, DOWN */
	uint32_t good, bad;	 /* rounds in a row */
	uint32_t pending;	 /* targets that have not answered in this round; one bit each */
	uint32_t answered;	 /* those that have */
	uint32_t failing;	 /* those that fail, see above */
	/* Per target: rounds alike in a row, whether it answered (positive) or not. */
	int16_t runs[LIMIT_TARGETS];
	uint64_t rounds, good_rounds;
	uint32_t rtt_us;	       /* of the last answer */
	char why[HEALTH_REASON_BYTES]; /* the last failure's; "" */
};

struct health_change {
	uint64_t at_ms; /* wall clock, as given */
	enum health_state state;
	char reason[HEALTH_REASON_BYTES];
};

struct health {
	enum health_state state;
	char reason[HEALTH_REASON_BYTES];
	uint64_t since_ms;
	bool link; /* false: nothing can be reached, whatever the checks say */
	struct health_check *checks;
	size_t n_checks;
	/* Changes of state: a ring of up to HEALTH_HISTORY; the newest is at
	 * (n_changes - 1) % HEALTH_HISTORY. It grows as it fills: there may be many subjects, and most
	 * never change. */
	struct health_change *history;
	uint64_t n_changes;
};

/* A subject of @n checks (at most LIMIT_CHECKS), nothing known, with a link. */
void health_init(struct health *h, size_t n, uint64_t now_ms);
void health_fini(struct health *h); /* all zero is fine */

/* A round of check @i begins: @targets answers are awaited (at most LIMIT_TARGETS). */
void health_round(struct health *h, size_t i, unsigned int targets);

/* Target @target of check @i, whose rules are @rules, answered (@ok, after @rtt_us) or failed, @why.
 * True: the subject's state or reason is another now. Answers nobody waits for change nothing. */
bool health_result(struct health *h, const struct check *rules, size_t i, unsigned int target,
	bool ok, uint32_t rtt_us, const char *why, uint64_t now_ms);

/* The link came or went, @why. True as above. */
bool health_link(struct health *h, bool link, const char *why, uint64_t now_ms);

const char *health_name(enum health_state s); /* "up" */

/* When a check's next round begins, from its last one: every_ms, give or take a tenth by @random (any
 * number), so that many checks do not go out in step. */
uint64_t health_next(const struct check *rules, uint64_t last_ms, uint32_t random);

#endif
