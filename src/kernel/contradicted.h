/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ending the connections that a plan contradicts. */
#ifndef KERNEL_CONTRADICTED_H
#define KERNEL_CONTRADICTED_H

#include "kernel/apply.h"

/*
 * Delete the connections that @state->plan (in force by now; NULL: nothing of ours is wanted)
 * contradicts, and keep their replies from making new ones. *@ended counts them. *@generation is the
 * ruleset's, as ours was committed, and is kept up: 0 where others may have committed in between.
 * -errno, with the reason in @e, where nothing could be looked at; what goes wrong later is a warning in
 * @d, since deleted connections cannot come back.
 */
int kernel_end_contradicted(struct kernel *k, struct arena *a, const struct gateway_state *state,
	uint32_t *generation, size_t *ended, struct diag *d, struct kernel_error *e);

#endif
