/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine on paper: the gateway that a config describes, where the real one is not at hand.
 *
 * `show` of a file for another machine and the rehearsal start from it. What the file leaves to the
 * machine is invented: an uplink's address beside its gateway, an inside interface per network of
 * backends, a default route by the first uplink.
 */
#ifndef PLAN_PAPER_H
#define PLAN_PAPER_H

#include "config/model.h"
#include "netstate/netstate.h"

/* Fills @out (zeroed by the caller) with links, addresses, routes and sysctls. Pure and
 * deterministic: inside interfaces are lan0, lan1, ... (skipping names that uplinks have). */
void plan_paper_netstate(struct arena *a, const struct model *m, struct netstate *out);

#endif
