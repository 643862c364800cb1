/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rehearse: the plan in network namespaces, with real traffic, before it is for real.
 *
 * A small Internet is built around a gateway (topology.h), the plan is applied there by the code
 * that applies it for real (kernel/apply.h), a client connects to every map on every uplink, and
 * what was seen on the lines decides. With `naive` the same maps are also tried the ways that are
 * commonly pasted (naive.c), each in a fresh sandbox. Needs no privileges; touches nothing outside.
 */
#ifndef REHEARSE_REHEARSE_H
#define REHEARSE_REHEARSE_H

#include <jansson.h>

#include "config/model.h"
#include "netstate/netstate.h"

/* What is tried at most; beyond, a sample is taken and the report says how. */
#define REHEARSE_MAX_PROBES 200u

enum column_id {
	COLUMN_DNAT,	     /* DNAT only */
	COLUMN_SNAT,	     /* DNAT + SNAT */
	COLUMN_FROM,	     /* + ip rule from */
	COLUMN_CONNMARK,     /* + CONNMARK as commonly printed */
	COLUMN_CONNMARK_LAN, /* the same, with the LAN looked up first */
	COLUMN_PORTREEVE,
	COLUMN_COUNT_
};

struct rehearse_options {
	const char *source;	     /* name of the config file, for texts */
	bool naive;		     /* all columns, not portreeve alone */
	const struct netstate *live; /* this machine, as far as it could be read; NULL: not read */
	bool as_is;		     /* --live: bring in all that this machine has */
	bool keep;		     /* portreeve's sandbox stays until this process ends */
	int pcap_dir;		     /* directory for captures; -1: none */
	/* Progress, in words; @done of @of columns are finished. NULL: silent. */
	void (*progress)(void *data, const char *words, unsigned int done, unsigned int of);
	void *data;
};

/* One thing tried: a client connects to one listener of one map on one address of one uplink. */
struct rehearse_probe {
	const struct map *map;
	unsigned int uplink;	/* index in the model */
	struct ip_addr address; /* of the uplink */
	struct ip_addr world;	/* the same as the world knows it, where a modem translates */
	uint16_t port;
	uint8_t proto;
	struct ip_addr client;
	bool refused;		     /* a client that `from` does not let in: must get no answer */
	const struct listen *listen; /* of the map: the one that the port belongs to */
	struct ip_addr backend;	     /* the map's first; any of them may answer */
	uint16_t backend_port;
};

enum probe_result {
	RESULT_UNTESTED, /* `reason` says why */
	RESULT_WORKS,
	RESULT_DEAD,
	RESULT_ASTRAY, /* answered, but not as it should be: wrong line, wrong port */
};

struct rehearse_cell {
	enum probe_result result;
	struct ip_addr saw; /* the client, as the backend saw it; IP_NONE: it saw nothing */
	struct ip_addr at;  /* the backend that it got to; IP_NONE: none */
	uint16_t saw_port;  /* the port at which the backend got it */
	int left_by;	    /* uplink by which replies left (index); -1: none did */
	char reason[160];   /* for all but WORKS: what was observed */
};

struct rehearse_column {
	enum column_id id;
	struct rehearse_cell *cells; /* one per probe */
	int status;		     /* 0, or -errno: it could not be set up */
	bool bad_input;		     /* status: because the plan found errors in the config */
	const char *message;	     /* with status: why. Else warnings of the plan, or "" */
	uint64_t misrouted;	     /* COLUMN_PORTREEVE: packets on the misrouted counters */
	unsigned int works, tested;
	unsigned int elapsed_ms;
};

struct rehearse_result {
	const struct model *model;
	const struct rehearse_options *options;
	VEC(struct rehearse_probe) probes;
	VEC(struct rehearse_column) columns;
	VEC(const char *) setting; /* lines about the small Internet and what was invented */
	VEC(const char *) notes;   /* sampling, what could not be brought in, ... */
	const char
		*kept; /* with `keep`: commands that enter the namespaces, a line each; or NULL */
	const char *const *uplink_names; /* by index in the model */
	const char *const *interfaces;
};

/*
 * Rehearse @m. 0: every column ran, or says in its status why not. -errno: nothing could be tried;
 * @d says why. Results live in @a. Forks; blocks until done; needs no privileges.
 */
int rehearse_run(struct arena *a, const struct model *m, const struct rehearse_options *o,
	struct rehearse_result *out, struct diag *d);

const char *column_name(enum column_id id);  /* for JSON: "dnat-only" */
const char *column_title(enum column_id id); /* for people: "DNAT only" */
const struct rehearse_column *rehearse_portreeve(const struct rehearse_result *r);
/* Does everything work under portreeve? */
bool rehearse_works(const struct rehearse_result *r);

/* ---- report.c ---- */

struct report_style {
	bool colour, utf8;
	unsigned int width; /* columns of the terminal */
};
void rehearse_report(
	struct strbuf *out, const struct rehearse_result *r, const struct report_style *style);
json_t *rehearse_report_json(const struct rehearse_result *r);

#endif
