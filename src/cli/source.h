/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Source: the netstate that explain, doctor and import look at, and where it comes from. */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include "cli/cli.h"
#include "cli/state_dir.h"
#include "plan/plan.h"
#include "walk/findings.h"

/* The options by which a command takes a source; to be among its options. */
#define CLI_SOURCE_LIVE                                                                            \
	{                                                                                          \
		"live", NULL, "look at this machine, from here"                                    \
	}
#define CLI_SOURCE_STATE                                                                           \
	{                                                                                          \
		"state", "DIR", "look at a snapshot, or at pasted dumps, in DIR"                   \
	}
/* For those that take a config. */
#define CLI_SOURCE_PAPER                                                                           \
	{                                                                                          \
		"paper", NULL, "with CONFIG: on a machine made up from it, not on this one"        \
	}

struct cli_source {
	const char *name; /* for people: "this machine", "the dumps in DIR", ... */
	bool live;	  /* it is this machine, now */
	const struct netstate *net;
	const struct plan *plan; /* whose plan is laid over the machine; NULL: of none */
	/* What is known of the config behind our rules, whether laid over or in force here: NULL: nothing. */
	const struct plan *ours;
	const char *ours_file;		     /* as messages name it */
	const struct fastpath_now *fastpath; /* as it is here; NULL: not known, or none is wanted */
	struct foreign_facts facts;
	struct state_files files; /* the dumps; empty: this machine, or one made up */
	struct dump notes;	  /* of dumps: what was not understood */
};

/*
 * --state DIR: the dumps there; else --live or nothing: this machine. With a CONFIG argument the
 * machine as it would be with that config in force; a file for a machine that is neither given nor
 * here, or with --paper, is planned on paper. Text and all else live in c->arena. CLI_OK, or the exit status, with the
 * reason in the diag.
 */
enum cli_exit cli_source(struct cli_context *c, struct cli_source *out);
/* This machine, as it is. */
enum cli_exit cli_source_live(struct cli_context *c, struct cli_source *out);

#endif
