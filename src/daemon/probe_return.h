/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Return probe: one round of what plan/return_path.h decides from: a backend is asked from an address
 * of an uplink and from the gateway's inside address, both by the inside interface.
 *
 * What this meets on its way. The requests carry no mark, so no rule for marked packets (ours, or a
 * VPN's) routes them, and a lookup that is bound to the inside interface passes over tables that lead
 * elsewhere. The connections are the gateway's own: they have no home in their mark, so our chains
 * neither route nor translate their packets. The answer to an uplink's address is for the gateway
 * itself, and comes in by the interface by which the backend is reached, as a strict rp_filter there
 * asks. What comes in by another interface is not heard, as it should be. A backend's answer counts
 * whether it accepts or refuses.
 */
#ifndef DAEMON_PROBE_RETURN_H
#define DAEMON_PROBE_RETURN_H

#include "daemon/probe.h"
#include "plan/plan.h"
#include "plan/return_path.h"

#define RETURN_TIMEOUT_MS 1000u

struct return_target {
	struct ip_addr backend;
	uint16_t port;	       /* TCP; 0: ICMP echo */
	const char *interface; /* inside */
	struct ip_addr from_inside, from_uplink;
};

/* What a map's backend is to be asked for. False: there is nothing to measure, since the backend is
 * the gateway itself, or an address to ask from is missing. Strings are the plan's. */
bool return_target_of(const struct plan_map *pm, struct return_target *out);

struct return_round {
	struct probe_answer from_uplink, from_inside;
	bool told; /* false: one of them could not be asked, so the silence means nothing */
};

struct return_probe;
/* @done is called once, from the loop. NULL: out of descriptors or memory. */
struct return_probe *return_probe_start(struct prober *p, const struct return_target *t,
	void (*done)(const struct return_round *r, void *data), void *data);
void return_probe_cancel(struct return_probe *r); /* NULL is fine */

/* The decision after this round. True: it changed. */
bool return_round_count(const struct return_round *r, struct return_path *path, uint64_t now_ms);

#endif
