/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Status: what the daemon knows, as the API gives it. */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include "daemon/daemon.h"
#include "daemon/reconcile.h"

/* Each gives a new reference. What they are: docs/openapi.yaml. */
json_t *status_json(struct daemon *d);
json_t *status_uplinks(struct daemon *d);
json_t *status_probe(struct daemon *d); /* what was measured of return paths */

/* The maps as text, map by map; for http_reply_pieces(). */
struct status_maps {
	struct daemon *daemon;
	struct plan_hold *hold; /* NULL: there are none */
	const char *name; /* only that one; NULL: of all those from number @offset on, @limit */
	size_t offset, limit;
	/* how far it has come; 0 */
	bool begun;
	size_t at, total;
};
bool status_maps_next(struct strbuf *out, void *data);

#endif
