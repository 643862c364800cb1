/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Monitor: sends the checks of uplinks and backends when they are due, and acts on what plan/health.h
 * makes of the answers: an event, a metric, the hook, and for backends what reconcile has to know.
 */
#ifndef DAEMON_MONITOR_H
#define DAEMON_MONITOR_H

#include "daemon/daemon.h"
#include "plan/health.h"

int monitor_start(struct daemon *d);
void monitor_stop(struct daemon *d);
/* After another config, or another plan, is in force: subjects that are the same keep their state. */
void monitor_update(struct daemon *d);

/* Subjects, for status and metrics. */
struct monitor_subject {
	const char *uplink; /* or, of a map's backend: */
	const char *map;
	struct ip_addr backend;
	uint16_t port;
	struct health health;
};
/* Of one backend of a map; NULL: it is not checked. Valid until the loop goes on. */
const struct health *monitor_health_of(
	const struct daemon *d, const char *map, const struct backend *backend);
void monitor_each(const struct daemon *d, void (*each)(const struct monitor_subject *s, void *data),
	void *data);

#endif
