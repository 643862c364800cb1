/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows: the connections through the maps, as the API and `portreeve flows` give them. */
#ifndef REPORT_FLOWS_H
#define REPORT_FLOWS_H

#include <jansson.h>

#include "kernel/tally.h"
#include "report/mapped.h"

#define FLOWS_DEFAULT 100u
#define FLOWS_MAX     100000u

struct flows_query {
	const char *map, *uplink; /* NULL: any */
	struct ip_prefix client;  /* family IP_NONE: any */
	size_t limit;
};

/*
 * {flows: [...], total, conntrack: {...}}: at most @q->limit of those that fit, and how many
 * fit. @fast: as of mapped_each(). @now_ms: the wall clock. NULL: the kernel refused, @e says why.
 */
json_t *report_flows(struct kernel *k, struct arena *a, const struct plan *p,
	const struct fastpath_accounts *fast, const struct flows_query *q, uint64_t now_ms,
	struct kernel_error *e);
/* One of them. */
json_t *report_flow(const struct mapped_flow *f, uint64_t now_ms);

/* {entries, limit, accounting, timestamps, hint}; null for what is not known. */
json_t *report_conntrack(const struct tally_conntrack *c);

#endif
