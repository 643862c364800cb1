/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Returns: measures, for maps whose return is `auto`, whether their backends' replies come back
 * through this gateway, and tells the plan where that is news.
 *
 * A backend is measured every half minute; every five seconds where replies come back by themselves,
 * since what ceases to is dead until it is seen; every two seconds while nothing is decided, and at once
 * again while rounds say something else than what was decided. Many backends are measured less often
 * each.
 */
#ifndef DAEMON_RETURNS_H
#define DAEMON_RETURNS_H

#include "daemon/daemon.h"
#include "plan/return_path.h"

int returns_start(struct daemon *d);
void returns_stop(struct daemon *d);
/* After another config, or another plan, is in force: backends that are the same keep their state. */
void returns_update(struct daemon *d);

/* What is measured, for status and metrics. */
struct returns_subject {
	struct ip_addr backend;
	struct return_path path;
};
void returns_each(const struct daemon *d, void (*each)(const struct returns_subject *s, void *data),
	void *data);

#endif
