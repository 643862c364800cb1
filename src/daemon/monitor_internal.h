/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the monitor share among themselves. */
#ifndef DAEMON_MONITOR_INTERNAL_H
#define DAEMON_MONITOR_INTERNAL_H

#include <net/if.h>
#include <sys/queue.h>

#include "daemon/monitor.h"
#include "daemon/probe.h"

#define MONITOR_PROBES 256u /* questions under way at once */

/* How an uplink is asked by: from the last plan, which does not live as long. */
struct way {
	bool known;
	char interface[IFNAMSIZ];
	uint32_t mark;
	struct ip_addr *addrs;
	size_t n_addrs;
	struct ip_addr gateways[2]; /* v4, v6; IP_NONE: none to ask */
};

struct asked { /* a question under way */
	LIST_ENTRY(asked) link;
	struct run *run;
	unsigned int target;
	struct probe *probe;
};

struct run { /* one check of one subject */
	struct subject *subject;
	struct event *timer;
	LIST_HEAD(asked_list, asked) asked;
	TAILQ_ENTRY(run) line; /* while it waits for others to end */
	bool waits;
	uint64_t began_ms;
};

struct subject {
	struct monitor *monitor;
	struct subject *next; /* in its bucket */
	bool wanted;	      /* by the config that is being taken up */

	char *uplink; /* or */
	char *map;
	struct backend backend;
	uint16_t port; /* to be asked, where the check does not say */

	const struct check *rules; /* of the config in force */
	uint64_t fingerprint;	   /* of them */
	struct health health;
	struct run *runs; /* one per check */

	enum health_state told; /* as of the last event */
	uint64_t told_ms;
	struct way way; /* of an uplink */
};

struct monitor {
	struct daemon *daemon;
	struct prober *prober;
	struct subject **subjects; /* in the config's order */
	size_t n_subjects, n_runs;
	struct subject **buckets; /* of the same, by identity */
	size_t n_buckets;	  /* a power of two */
	TAILQ_HEAD(run_line, run) line;
	unsigned int under_way;
	uint32_t random;
	/* The config that the subjects are of. */
	const struct daemon_config *config;
	uint64_t loaded_ms;
};

/* A subject's state or reason is another: says so, and does what follows from it. */
void monitor_changed(struct subject *s);
const char *monitor_backend_text(
	const struct backend *b, uint16_t port, char out[IP_STRLEN + 8]); /* "192.168.0.2:80" */

/* The check's next round is due in @ms. */
void monitor_set_timer(struct run *r, uint64_t ms);
void monitor_due(evutil_socket_t fd, short what, void *data);
/* Is it asking, or waiting for its turn? */
bool monitor_is_asking(const struct run *r);
/* Forget what is under way; the next round is not set then. */
void monitor_stop_asking(struct run *r);
uint32_t monitor_random(struct monitor *m);

#endif
