/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Iptables-legacy, whose rules only its own tools can read. */
#ifndef KERNEL_LEGACY_H
#define KERNEL_LEGACY_H

#include "kernel/nl.h"
#include "netstate/netstate.h"

/* The tables that the kernel has in the caller's namespace ("filter\nnat\n", "" for none), enum
 * ip_family; NULL: it cannot be told. Looking does not make any. */
const char *kernel_legacy_tables(struct arena *a, uint8_t family);
/* What iptables-legacy-save says of them, of table @only or (NULL, and with counters) of all; NULL: it
 * could not be had as a whole. It is called only for tables that are there, since it would make them. */
const char *kernel_legacy_text(
	const struct kernel *k, struct arena *a, uint8_t family, const char *only);

/* Runs a command for a process that may not. */
struct kernel_runner {
	/* For a shell, with its output to @output, which stays the caller's. 0 or -errno. */
	int (*start)(void *data, const char *command, int output);
	int (*finish)(void *data); /* wait; 0: it succeeded. Once for each that was started */
	void *data;
};

/* All tables of both families into @out, with HAVE_LEGACY4 and 6 where it is certain that there are no
 * others. The caller must be at home (kernel_at_home()). */
int kernel_observe_legacy(
	struct kernel *k, struct arena *a, struct netstate *out, struct kernel_error *e);

#endif
