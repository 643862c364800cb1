/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Status: is all well, and if not, what is not; the same from a daemon and from a look without one.
 *
 * The status is put together from the parts below; report_verdict() reads the whole and says what it
 * amounts to. Times are milliseconds since 1970.
 */
#ifndef REPORT_STATUS_H
#define REPORT_STATUS_H

#include <jansson.h>

#include "kernel/tally.h"
#include "plan/health.h"
#include "plan/plan.h"

/*
 * One uplink: {name, interface, addresses, ipv4, ipv6, number, state, reason, since_ms, history,
 * misrouted, checks}. @h NULL: nobody checks it, and only what the plan says is known. @c NULL: the counters are
 * not known.
 */
json_t *report_uplink(
	const struct plan_uplink *u, const struct health *h, const struct tally_counters *c);

/* A subject's last changes of state, oldest first: [{at_ms, state, reason}]. */
json_t *report_history(const struct health *h);
/* What a subject's checks have found: [{kind, state, rounds, good_rounds, rtt_us, why}]. */
json_t *report_checks(const struct health *h, const struct check *checks, size_t n);
const char *report_check_kind(enum check_kind kind);

/* One map, whose @n backends stand at @first: {name, listen, uplinks, balance, backends}. */
json_t *report_map(const struct plan_map *first, size_t n);
/* The backends of one map stand together in a plan: how many from @first on. */
size_t report_map_backends(const struct plan *p, const struct plan_map *first);

/*
 * Fill in "well" (true, false, or null: something is not known yet) and "problems", a list of one line
 * each, from the other members of a status: in_force, problem, config, uplinks, backends,
 * drift.
 */
void report_verdict(json_t *status);

#endif
