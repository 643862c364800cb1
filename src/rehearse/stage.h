/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stage: what the process within a sandbox has to do for one column, and what it leaves for its
 * parent to judge. Shared by the files of rehearse/.
 */
#ifndef REHEARSE_STAGE_H
#define REHEARSE_STAGE_H

#include "rehearse/sandbox.h"
#include "rehearse/topology.h"

/* The source port of probe i is FIRST_CLIENT_PORT + i, so that a packet seen anywhere tells which
 * probe it belongs to, also behind a translation of addresses. */
#define FIRST_CLIENT_PORT 20000u

enum { ANSWERED_BY_NONE, ANSWERED_BY_BACKEND, ANSWERED_BY_GATEWAY };

/* Packets that went where they should not, and the last of them. */
struct stray {
	unsigned int packets;
	int uplink; /* where it left, if by an uplink */
	struct ip_addr addr;
};

/* What was seen of one probe. In shared memory: no pointers. */
struct sighting {
	bool untested;
	bool answered; /* the client got the whole answer */
	uint8_t answered_by;
	int client_error;	 /* errno that the client got; 0: none */
	unsigned int at_backend; /* packets of the request on the backends' side */
	unsigned int home;	 /* replies that left by home with the right source */
	struct ip_addr saw;	 /* the client as the server saw it */
	struct ip_addr saw_at;	 /* the server that saw it, and its port */
	uint16_t saw_port;
	struct stray astray; /* replies by an uplink, but not as they should: addr is the source */
	struct stray bypassed; /* replies by the backends' own line: addr is the source */
	struct stray leaked;   /* requests that left by an uplink: addr is the destination */
	char reason[96];       /* with untested */
};

#define STAGE_TEXT_BYTES 65536u
/* One per column, in memory shared between the stage and its parent. */
struct stage_report {
	struct sandbox_refusal refusal;
	pid_t inner_pid;    /* of the stage, as seen from outside */
	int status;	    /* 0 or -errno */
	bool bad_input;	    /* the plan has errors */
	char failure[1024]; /* with status */
	char doing[32];	    /* for the progress line */
	unsigned int done;  /* probes finished */
	uint64_t misrouted;
	bool ready;		     /* all done; waits, where it is to be kept */
	char notes[4096];	     /* lines */
	char diag[STAGE_TEXT_BYTES]; /* messages of the plan, packed (diag_pack.c) */
	struct sighting sightings[];
};

struct stage {
	struct sandbox *sb;
	struct arena *arena;
	const struct topology *topology;
	const struct rehearse_result *what;  /* model, options, probes */
	const struct diag *diag;	     /* of the caller: source and text of the file */
	const struct live_rules *live_rules; /* --live: rule sets of this machine */
	enum column_id column;
	struct stage_report *report;
};

/* Note a failure in the report; returns -err. */
int stage_fail(struct stage *st, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void stage_note(struct stage *st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Run a program in a node, with @input; if it fails, so does the stage. */
int stage_run(struct stage *st, unsigned int node, const char *const argv[], const char *input);
/* `ip -batch -`, with -6 for IP_V6. */
int stage_ip(struct stage *st, unsigned int node, uint8_t family, const char *lines);

/* build.c: namespaces, cables, addresses, routes. 0 or -errno with the failure noted. */
int stage_build(struct stage *st);
/* naive.c: configure the gateway as this column says. */
int stage_naive(struct stage *st);
/* live.c: make the gateway what this machine is. */
int stage_live(struct stage *st);
/* What live.c has to know of this machine beyond the netstate; read before the sandbox is made. */
struct live_rules *live_rules_read(struct arena *a);
/* traffic.c: try every probe; fills the sightings. */
int stage_traffic(struct stage *st);

/* judge.c: what the sightings of one probe mean. Pure. */
void probe_judge(const struct rehearse_result *r, const struct rehearse_probe *p,
	const struct sighting *s, struct rehearse_cell *out);

/* Is the backend that the probe may get to at @addr? NULL: no. */
const struct backend *probe_backend(const struct rehearse_probe *p, const struct ip_addr *addr,
	uint16_t port); /* 0: whatever its port */

/* diag_pack.c: messages through shared memory. What does not fit is left out. */
void diag_pack(const struct diag *d, char *out, size_t size);
void diag_unpack(const char *packed, struct diag *d);

#endif
