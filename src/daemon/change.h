/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Change: another config through the daemon, for good or on trial, and the ways back.
 *
 * Theory of operation. What is on trial is written down, with its deadline, before it is applied, and
 * the deadline is kept here in the loop. A daemon that starts and finds a trial goes on waiting, or goes
 * back where the time is over; so does one that finds a trial of an earlier boot. A change that nobody
 * confirmed is kept as such: if it is what the config file says, the next start takes the confirmed
 * config instead of the file, until the file says something else or somebody asks for it outright.
 *
 * Connections that a change deleted do not come back.
 */
#ifndef DAEMON_CHANGE_H
#define DAEMON_CHANGE_H

#include "daemon/daemon.h"
#include "kernel/apply.h"

#define CHANGE_CONFIRMED "the confirmed config" /* its name, in the place of a file's */

/* The config to begin with. In: what the file says (@text NULL: it could not be read). Out: left alone,
 * or what is to be in force instead, in @a. To be asked before the first daemon_configure(). */
struct change_start {
	const char *name, *text;
	size_t len;
};
void change_instead(struct daemon *d, struct arena *a, struct change_start *begin);
/* The file (in: its name) is wrong. Out: what was confirmed last, in @a, and an event says so. False:
 * there is none. */
bool change_confirmed(struct daemon *d, struct arena *a, struct change_start *out);
/* Once that is in force: keep it, or wait for what is on trial to be confirmed. 0 or -errno. */
int change_begin(struct daemon *d);
void change_stop(struct daemon *d); /* what waits goes on waiting, for the next daemon */

/* After a reload that did not come through here: what is in force now is confirmed. */
void change_keep(struct daemon *d);

struct change_trial {
	const char *name;
	uint64_t left_ms;
};
bool change_trial(const struct daemon *d, struct change_trial *out); /* false: none */

enum change_outcome {
	CHANGE_DONE,
	CHANGE_NOT_NOW, /* as things stand it cannot be done */
	CHANGE_WRONG,	/* the config is wrong */
	CHANGE_REFUSED, /* the kernel, or the disk, refused */
};

struct change_request {
	const char *name, *text;
	size_t len;
	uint32_t seconds; /* on trial; 0: for good */
	bool force;	  /* although it cuts the SSH session of who asks */
	pid_t pid;	  /* who asked; 0: nobody who has a session */
	/* What he says it is, "" for none; NULL: it is looked for, as far as may be. */
	const char *session;
};

/* In all of these the reasons are in @diag, and @report says what was sent to the kernel. */
enum change_outcome change_apply(struct daemon *d, const struct change_request *r,
	struct apply_report *report, struct diag *diag);
enum change_outcome change_confirm(struct daemon *d, struct diag *diag);
enum change_outcome change_rollback(
	struct daemon *d, struct apply_report *report, struct diag *diag);
enum change_outcome change_reload(struct daemon *d, struct apply_report *report, struct diag *diag);
/* Everything of ours is taken out, and the daemon stops soon after. */
enum change_outcome change_remove(struct daemon *d, struct apply_report *report, struct diag *diag);

#endif
