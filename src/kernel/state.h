/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State: the configs that must survive a reboot, in /var/lib/portreeve (or $PORTREEVE_STATE_DIR).
 *
 *	confirmed.yaml	what is in force, or was before an unconfirmed change; missing: nothing
 *	previous.yaml	what was before that, for `rollback`; empty: nothing was; missing: no way back
 *
 *	trial		the change that waits for its confirmation, until when, and the boot it was made in
 *	unconfirmed.yaml a change that was taken back because nobody confirmed it: whoever finds the same
 *			text in the config file at the next start must not take it from there
 *
 * A namespace other than the machine's first has a directory of its own.
 */
#ifndef KERNEL_STATE_H
#define KERNEL_STATE_H

#include "base/arena.h"
#include "kernel/nl.h"

enum state_file { STATE_CONFIRMED, STATE_PREVIOUS, STATE_UNCONFIRMED };

/* The text of a kept config; an empty one says "nothing". -ENOENT: there is none. */
int state_read(
	const struct kernel *k, enum state_file which, struct arena *a, char **text, size_t *len);

/* @text (NULL: nothing of ours) is in force for good; what was confirmed becomes the previous one.
 * Equal to what is confirmed already: nothing changes. */
int state_confirm(const struct kernel *k, struct arena *a, const char *text, size_t len);
/* The previous config is in force again, and there is no way back from it. */
int state_went_back(const struct kernel *k, struct arena *a);

/* @text was on trial and not confirmed; NULL: what was is forgotten. */
int state_unconfirmed(const struct kernel *k, const char *text, size_t len);

/* ---- a change that waits ---- */

struct state_trial {
	const char *name; /* what the text was read from */
	const char *text;
	size_t len;
	uint64_t deadline_ms; /* of state_now_ms() */
	bool this_boot;	      /* as read. If not, its time is over, whatever the deadline says. */
};

/* The config that is in force as far as is written down: the one on trial, or the confirmed one. */
int state_in_force(const struct kernel *k, struct arena *a, const char **text, size_t *len);

/* The clock of deadlines: since the boot, and going on while the machine sleeps. */
uint64_t state_now_ms(void);

/* Write down that @t is about to be applied on trial. *@fd (may be NULL) identifies the trial: it is
 * over once state_trial_over(). -EEXIST: another of this boot waits. */
int state_trial_begin(const struct kernel *k, const struct state_trial *t, int *fd);
/* The waiting one. -ENOENT: none waits. */
int state_trial_read(const struct kernel *k, struct arena *a, struct state_trial *out);
/* Does one of this boot wait? */
bool state_trial_waits(const struct kernel *k, struct arena *a, struct state_trial *out);
int state_trial_end(const struct kernel *k); /* 0 also where none waits */
bool state_trial_over(int fd);

#endif
