/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reconcile: look, plan, compare, apply, look again; whenever something may have changed.
 *
 * Theory of operation: see reconcile.c.
 */
#ifndef DAEMON_RECONCILE_H
#define DAEMON_RECONCILE_H

#include "daemon/daemon.h"
#include "kernel/apply.h"

/* What the last passes found; for status and metrics. */
struct reconcile_status {
	bool in_force;		   /* the kernel is what the config calls for */
	uint64_t passes, changes;  /* passes made; those that changed something */
	uint64_t drifts;	   /* objects of ours that others changed or took away */
	uint64_t failures;	   /* passes in which the kernel refused */
	uint64_t last_ms, last_us; /* when the last pass ended (wall clock), and how long it took */
	uint64_t backing_off_until_ms; /* monotonic; 0: not */
	uint64_t fight_until_ms; /* monotonic; ours is taken away again and again; 0: it is not */
	char opponent[64];	 /* by whom: "nft (pid 4711)"; "": the kernel does not tell */
	char problem[256];	 /* why it is not in force; "" */
};

/* Listen; where there is a config already, with a pass soon. 0, or -errno and the journal says why. */
int reconcile_start(struct daemon *d);
/* The kernel is left as it is. While it is stopped, waking does nothing and there is no plan. */
void reconcile_stop(struct daemon *d);

/* Something changed (an enum kernel_event_what, or 0: something configured): a pass soon, one for all that
 * comes at once. @why for the log. */
void reconcile_wake(struct daemon *d, unsigned int what, const char *why);
/* Something was learned of a backend: likewise, but passes leave time for others between them. */
void reconcile_learned(struct daemon *d, const char *why);

/* A pass now. 0, or -errno with the reasons in @diag (NULL: only in the journal). @report may be NULL. */
int reconcile_now(
	struct daemon *d, const char *why, struct apply_report *report, struct diag *diag);

const struct reconcile_status *reconcile_status(const struct daemon *d);

/* The plan of the last pass, as it is in force; NULL: none. Valid until the loop goes on. */
const struct plan *reconcile_plan(struct daemon *d);

/* The same, to be kept for longer with all that it points to, also when another is in force. */
struct plan_hold {
	const struct plan *plan;
	struct arena *arena;
	struct daemon_config *config;
	unsigned int holders;
};
struct plan_hold *reconcile_hold(struct daemon *d); /* NULL: there is none */
void reconcile_let_go(struct plan_hold *h);	    /* NULL is fine */

#endif
