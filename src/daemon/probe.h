/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probe: one question to one target, by one line, and whether an answer came in time.
 *
 * A probe of an uplink is bound to its interface (SO_BINDTODEVICE), to one of its addresses and to its
 * mark, so that the same target can be asked by every line. One of a backend goes out as the gateway's
 * own traffic. What comes from elsewhere, or late, is no answer; a target that floods is read no more
 * than it was asked.
 */
#ifndef DAEMON_PROBE_H
#define DAEMON_PROBE_H

#include <event2/event.h>

#include "config/model.h"

struct probe_way {
	const char *interface; /* NULL: whichever routing says */
	struct ip_addr source; /* IP_NONE: whichever routing says */
	uint32_t mark;
};

struct probe_question {
	enum check_kind kind;
	struct ip_addr addr; /* IP_NONE (http only): the host in @url is to be resolved */
	uint16_t port;
	const char *url, *host;		    /* http */
	uint16_t expect_first, expect_last; /* http */
	const char *query;		    /* dns */
	uint32_t timeout_ms;
	bool refused_is_answer; /* tcp: a refusal proves the way as well as an acceptance does */
};

struct probe_answer {
	bool ok;
	bool asked; /* false: it could not even be sent, which says nothing of the target */
	uint32_t rtt_us;
	char why[120]; /* not ok: "no answer in 2 s", "connection refused", "status 503" */
};

struct probe;
struct prober; /* what probes share: the loop, curl's multi handle */

struct prober *prober_new(struct event_base *base);
void prober_free(struct prober *p); /* probes under way are cancelled; NULL is fine */

/* Ask. @answered is called once, from the loop, never from here; then the probe is gone. NULL: out of
 * descriptors or memory (errno). What it was given need not outlive the call. */
struct probe *probe_start(struct prober *p, const struct probe_question *q,
	const struct probe_way *way, void (*answered)(const struct probe_answer *a, void *data),
	void *data);
void probe_cancel(struct probe *probe); /* @answered is not called */

#endif
