/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The admin's own SSH session, which a change must not cut unasked. */
#ifndef REPORT_SESSION_H
#define REPORT_SESSION_H

#include <sys/types.h>

#include "kernel/nl.h"
#include "plan/plan.h"

/* Would @p cut the SSH session that the process @pid was started over? Says so in the diag (as an error,
 * or as a warning where @allowed) and returns true. False also where that cannot be told. */
bool session_is_cut(struct kernel *k, struct arena *a, pid_t pid, const struct plan *p,
	bool allowed, struct diag *d);

#endif
