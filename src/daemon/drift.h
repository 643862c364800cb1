/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drift: what others change of ours, and when to look and put it back.
 *
 * Pure: the time is an argument. Events that come together make one pass: it is due a moment after the
 * last one, and soon after the first even if they do not end. Where the same game goes on, somebody
 * takes away and we put back, the repair waits longer each time, so that two programs do not fight at
 * full speed; what is not a repair (an address that changed, another config) does not wait.
 */
#ifndef DAEMON_DRIFT_H
#define DAEMON_DRIFT_H

#include "plan/plan.h"

#define DRIFT_SETTLE_MS	      10u /* a pass so long after the last event, */
#define DRIFT_AT_MOST_MS      30u /* and after the first one at most */
#define DRIFT_REST	      3u /* and, for what can wait, so many times as long as the last one took, */
#define DRIFT_REST_LONGEST_MS 2000u  /* or this */
#define DRIFT_MANY	      5u     /* so many repairs */
#define DRIFT_WITHIN_MS	      10000u /* in this time are a fight */
#define DRIFT_WAIT_FIRST_MS   1000u
#define DRIFT_WAIT_LONGEST_MS 30000u

struct drift_clock {
	uint64_t first_ms, last_ms;	 /* events that no pass has seen; first 0: none */
	bool urgent;			 /* among them one that is no repair */
	bool pressing;			 /* and one that was not learned */
	uint64_t rest_until_ms;		 /* no pass for what was learned before */
	uint64_t repairs_ms[DRIFT_MANY]; /* of the last ones, a ring */
	uint64_t n_repairs;
	uint64_t wait_ms;  /* between repairs; 0: no fight */
	uint64_t until_ms; /* no repair before */
};

/* Something happened. @urgent: not (only) to things of ours. */
void drift_event(struct drift_clock *c, bool urgent, uint64_t now_ms);
/* Something was learned of a backend. Thousands may go down one after the other, and a pass over as many
 * takes a while: what comes meanwhile makes one. */
void drift_learned(struct drift_clock *c, uint64_t now_ms);
/* When the next pass is due; UINT64_MAX: nothing happened. */
uint64_t drift_due(const struct drift_clock *c);
/* Until when the same game is taken to go on, if nothing more happens; 0: there is no fight. */
uint64_t drift_fight_until(const struct drift_clock *c);
/* A pass was made. @repaired: others had changed something of ours. True: it is a fight by now. */
bool drift_passed(struct drift_clock *c, bool repaired, uint64_t now_ms);
/* And it took so long. */
void drift_took(struct drift_clock *c, uint64_t ms, uint64_t now_ms);

/*
 * Which of @changes (what it took to come from the kernel's state to @want) put back what others took
 * away or changed? Those that another plan alone does not account for: @before is what was in force
 * after the last pass. With @links, interfaces or addresses changed meanwhile; then the kernel itself drops
 * routes and sysctls, which is nobody's doing.
 */
void drift_find(struct arena *a, const struct netstate *before, const struct netstate *want,
	const struct changes *changes, bool links, struct changes *out);
/* How many objects that is; an element counts as one. */
size_t drift_count(const struct changes *c);

#endif
