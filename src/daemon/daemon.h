/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Daemon: keeps one gateway right. One thread, one event loop; each part below is a file of its own.
 *
 * Nothing it needs later lives only in its memory: the kernel's state outlives it, what it has learned
 * is remembered beside it (plan.h, struct memory), and a new one goes on from there.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <event2/event.h>
#include <jansson.h>
#include <sys/types.h>

#include "config/model.h"
#include "daemon/journal.h"
#include "kernel/nl.h"
#include "plan/learning.h"
#include "plan/plan.h"

/* A config as it was read; replaced as a whole. */
struct daemon_config {
	struct arena *arena; /* of everything here */
	const char *name;    /* the file, or what else it came from */
	const char *text;
	size_t len;
	const struct model *model;
	uint64_t loaded_ms;   /* wall clock */
	unsigned int holders; /* the last one that lets go frees it */
};

struct daemon_options {
	const char *file;
	bool debug;		 /* log more */
	const char *socket_path; /* of the API; NULL: the default */
};

/* Parts, NULL until started. */
struct reconcile;
struct monitor;
struct returns;
struct hook;
struct spawner;
struct api;
struct trial;
struct config_watch;
struct fastpath_keeper;
struct asked_measure;
struct traffic_keeper;
struct map_changes;

struct daemon {
	struct daemon_options options;
	struct event_base *base;
	struct kernel
		*kernel; /* its netfilter socket owns our table, where the kernel can do that */
	int lock;
	struct journal *journal;
	struct daemon_config *config; /* in force; never NULL while running */
	struct learning learned;
	struct reconcile *reconcile;
	struct monitor *monitor; /* health of uplinks and backends */
	struct returns *returns; /* return paths */
	struct fastpath_keeper *fastpath;
	struct hook *hook;	       /* NULL until the first change of health */
	struct spawner *hooks, *tools; /* run the hook, and what reads iptables-legacy */
	gid_t group;		       /* who may look, of the API; 0: only root */
	bool confined;		       /* see confine.h */
	bool loads_programs; /* it has kept the right to: its first config wants the fast path */
	struct api *api;
	struct traffic_keeper *traffic; /* NULL until somebody first asks for it */
	struct map_changes *map_changes;
	struct asked_measure *measuring; /* NULL: nobody has asked for it */
	struct trial *trial;		 /* a change that waits for its confirmation */
	struct config_watch *watch;	 /* of the file, while the config asks for it */
	uint64_t refused_ms;		 /* when the file was last refused; 0: it is in force */
	const char *stop_why;		 /* NULL: goes on */
	bool removed;			 /* everything of ours is out of the kernel */
	uint64_t started_ms;
};

/* Run until told to stop. An enum cli_exit-like code: 0 stopped as asked, 2 bad config, 3 the system
 * refused; the diag says why. */
int daemon_run(const struct daemon_options *options, struct diag *diag);
void daemon_stop(struct daemon *d, const char *why); /* leave the loop */

/*
 * Put another config in force: checked and planned first; where anything is wrong the old one stays and
 * @diag says why. All parts are told. 0 or -errno: -EINVAL the config is wrong, others: the kernel
 * refused.
 */
int daemon_configure(
	struct daemon *d, const char *name, const char *text, size_t len, struct diag *diag);
/* Read the file again and configure. */
int daemon_reload(struct daemon *d, struct diag *diag);

/* Keep a config while a plan points into it. */
struct daemon_config *daemon_config_hold(struct daemon_config *c);
void daemon_config_let_go(struct daemon_config *c); /* NULL is fine */

/* What was learned of one backend; tell reconcile where that is news. Strings are copied. */
void daemon_learn_return(
	struct daemon *d, const struct ip_addr *backend, enum return_mode mode, const char *reason);
void daemon_learn_down(struct daemon *d, const char *map, const struct backend *backend, bool down);

/* A pass was made: the parts that act on what it saw and planned are told. (Called by reconcile.) */
void daemon_planned(struct daemon *d);

uint64_t daemon_now_ms(void);  /* monotonic */
uint64_t daemon_now_us(void);  /* the same, finer */
uint64_t daemon_wall_ms(void); /* since 1970 */

#endif
