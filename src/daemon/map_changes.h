/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Map changes: when each map became what it is: by another config, a backend that went down or came back,
 * another way for its replies.
 */
#ifndef DAEMON_MAP_CHANGES_H
#define DAEMON_MAP_CHANGES_H

#include <stdint.h>

#include "plan/plan.h"

struct map_changes;
struct map_changes *map_changes_new(void);
void map_changes_free(struct map_changes *c); /* NULL is fine */

/* @p is in force from @now_ms on (wall clock). Nothing of it is kept. */
void map_changes_planned(struct map_changes *c, const struct plan *p, uint64_t now_ms);
/* 0: not since the first plan. */
uint64_t map_changes_of(const struct map_changes *c, const char *map);

#endif
