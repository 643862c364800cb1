/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshot: what a machine's own tools say of its network, collected in memory. */
#ifndef CLI_SNAPSHOT_H
#define CLI_SNAPSHOT_H

#include "cli/cli.h"

struct snapshot_file {
	const char *name; /* "ip-route.json" */
	const char *text;
	size_t len;
};

/* Something that a snapshot would have and this one has not. */
struct snapshot_gap {
	const char *what; /* "conntrack" */
	const char *why;
};

struct snapshot_tool {
	const char *name, *version;
};

struct snapshot {
	struct arena *arena;
	VEC(struct snapshot_file) files;
	VEC(struct snapshot_gap) gaps;
	VEC(const char *) known_empty; /* looked at, and there is nothing: no file is made */
	VEC(struct snapshot_tool) tools;
	const char *kernel, *host;
};

/* Runs the tools and reads /proc. @each (may be NULL) is told of each file and gap as it comes: one of
 * both is NULL. Changes no setting, and makes no table of iptables' that is not there. */
void snapshot_collect(struct arena *a, struct snapshot *out,
	void (*each)(const struct snapshot_file *f, const struct snapshot_gap *gap));

#endif
