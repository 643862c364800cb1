/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fast path keeper: has the fast path on the interfaces where the plan wants it, tells it of changes, and
 * says how it is. The main job never depends on it: what fails here is an event and a line of the status.
 *
 * Theory of operation: see fastpath_keeper.c.
 */
#ifndef DAEMON_FASTPATH_KEEPER_H
#define DAEMON_FASTPATH_KEEPER_H

#include "base/strbuf.h"
#include "daemon/daemon.h"
#include "kernel/fastpath.h"

void fastpath_keeper_start(struct daemon *d);
/* The programs go on by themselves. */
void fastpath_keeper_stop(struct daemon *d);

/* A pass has succeeded: make the interfaces what its plan wants. */
void fastpath_keeper_update(struct daemon *d);
/* A pass failed, and may have changed something all the same. */
void fastpath_keeper_changed(struct daemon *d);
/* By hand, live. 0 or -errno: it is switched, but that will not outlive this daemon. */
int fastpath_keeper_switch(struct daemon *d, bool on);

/* Was it switched off by hand? */
bool fastpath_keeper_is_off(const struct daemon *d);
/* NULL: it is not wanted, or cannot be. */
struct fastpath *fastpath_keeper_path(const struct daemon *d);
/* For the status: {on, problem, interfaces: [{name, wanted, mode, why}]}; null where the config does not
 * want it. */
json_t *fastpath_keeper_brief(struct daemon *d);

/* The same for an explanation, in @a. */
const struct fastpath_now *fastpath_now(const struct daemon *d, struct arena *a);

/* ---- fastpath_status.c ---- */

/* What conntrack did not see of connections, in @a; NULL: there is no fast path. */
const struct fastpath_accounts *fastpath_accounts_now(const struct daemon *d, struct arena *a);
/* What GET /v1/fastpath gives: the brief, and {wanted, switched_off, flows, room, room_per_cpu, bypassed,
 * passed}. */
json_t *fastpath_status(struct daemon *d);
void fastpath_metrics(struct daemon *d, struct strbuf *out);

#endif
