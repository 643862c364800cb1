/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hook: the operator's command, run on changes of health, without a shell and for a bounded time.
 * One at a time; while one runs, changes wait in order, and of a subject only the newest.
 */
#ifndef DAEMON_HOOK_H
#define DAEMON_HOOK_H

#include "daemon/daemon.h"

struct hook_variable {
	const char *name, *value; /* PORTREEVE_EVENT=uplink-down, PORTREEVE_UPLINK=..., ... */
};

/* Run model->hook, if there is one, with these and PATH in its environment. @subject: what it is about. */
void hook_run(struct daemon *d, const char *subject, const struct hook_variable *env, size_t n);
void hook_stop(struct daemon *d); /* forget what waits; what runs ends with daemon->hooks */

#endif
