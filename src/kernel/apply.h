/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Apply: make the kernel what the plan says, all of it or nothing.
 *
 * Theory of operation: see apply.c.
 */
#ifndef KERNEL_APPLY_H
#define KERNEL_APPLY_H

#include "kernel/nl.h"
#include "plan/plan.h"

struct apply_report {
	bool changed;					      /* anything was sent to the kernel */
	size_t routes, rules, sysctls, nft_changes, elements; /* counts of what was sent */
	size_t connections;				      /* conntrack entries deleted */
};

/* Observe, plan and diff in one go: what `diff`, `apply`, the daemon and the rehearsal start from. */
struct gateway_state {
	const struct model *model; /* NULL: nothing of ours is wanted */
	/* In: what has been learned since; NULL: what is remembered of that. */
	const struct learned *learned;
	/* In: it will be looked at again when something changes. What is missing now, an interface, an
	 * address, a route to a backend, is a warning; of the ruleset only our own table is read. */
	bool running;
	/* In: what our last commit left in a table that has been ours alone since; NULL: none. Its
	 * elements need not be read. */
	const struct nft_table *held;
	struct netstate seen;
	struct memory memory;
	struct plan *plan; /* NULL where the diag has errors, or the model was NULL */
	struct changes changes;
};
/* Fills @out, where the caller has set what is "In" (else zero). */
int gateway_look(struct kernel *k, struct arena *a, const struct model *m,
	struct gateway_state *out, struct diag *d);

/* Put @s->changes into force. On failure everything is as it was, @d says which object of which
 * config line the kernel refused, and -errno is returned. */
int gateway_apply(struct kernel *k, struct arena *a, struct gateway_state *s,
	struct apply_report *report, struct diag *d);

/* Take out everything that carries our name and put back the sysctls. */
int gateway_remove(struct kernel *k, struct arena *a, struct apply_report *report, struct diag *d);

#endif
