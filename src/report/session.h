/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The admin's own SSH session, which a change must not cut unasked. */
#ifndef REPORT_SESSION_H
#define REPORT_SESSION_H

#include <sys/types.h>

#include "kernel/nl.h"
#include "plan/plan.h"

enum session_look {
	SESSION_NONE,
	SESSION_FOUND,
	SESSION_HIDDEN, /* not all of the processes may be looked into */
};

/* The session that a process was started over, "CLIENT PORT SERVER PORT", in @a. */
enum session_look session_of(struct arena *a, pid_t of, const char **session);

/* Would @p cut the SSH session? Says so in the diag (as an error, or as a warning where @allowed) and
 * returns true. False also where that cannot be told. @text: as above; NULL and "" are none. */
bool session_is_cut(struct kernel *k, struct arena *a, const char *text, const struct plan *p,
	bool allowed, struct diag *d);

#endif
