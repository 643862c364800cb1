/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Status: what the daemon knows, as the API gives it. */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include "daemon/daemon.h"

/* Each gives a new reference. What they are: docs/openapi.yaml. */
json_t *status_json(struct daemon *d);
json_t *status_uplinks(struct daemon *d);
/* @name: only that one; NULL: of all those from number @offset on, @limit at most. */
json_t *status_maps(struct daemon *d, const char *name, size_t offset, size_t limit);
json_t *status_probe(struct daemon *d); /* what was measured of return paths */

#endif
