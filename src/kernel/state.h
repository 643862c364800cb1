/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State: the configs that must survive a reboot, in /var/lib/portreeve (or $PORTREEVE_STATE_DIR).
 *
 *	confirmed.yaml	what is in force, or was before an unconfirmed change; missing: nothing
 *	previous.yaml	what was before that, for `rollback`; empty: nothing was; missing: no way back
 *
 * and the change that waits for its confirmation, which a reboot loses, in the run directory.
 * A namespace other than the machine's first has a directory of its own.
 */
#ifndef KERNEL_STATE_H
#define KERNEL_STATE_H

#include "base/arena.h"
#include "kernel/nl.h"

enum state_file { STATE_CONFIRMED, STATE_PREVIOUS };

/* The text of a kept config; an empty one says "nothing". -ENOENT: there is none. */
int state_read(
	const struct kernel *k, enum state_file which, struct arena *a, char **text, size_t *len);

/* @text (NULL: nothing of ours) is in force for good; what was confirmed becomes the previous one.
 * Equal to what is confirmed already: nothing changes. */
int state_confirm(const struct kernel *k, struct arena *a, const char *text, size_t len);
/* The previous config is in force again, and there is no way back from it. */
int state_went_back(const struct kernel *k, struct arena *a);

/* ---- a change that waits ---- */

/* Write down that @text is about to be applied on trial. *@fd identifies the trial: it is over once
 * state_trial_over(). -EEXIST: another waits. */
int state_trial_begin(const struct kernel *k, const char *text, size_t len, int *fd);
/* The waiting config. -ENOENT: none waits. */
int state_trial_read(const struct kernel *k, struct arena *a, char **text, size_t *len);
int state_trial_end(const struct kernel *k); /* 0 also where none waits */
bool state_trial_over(int fd);

#endif
