/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asked to measure: the backends are asked now, and each one's result goes out as it is known. */
#ifndef DAEMON_ASK_MEASURE_H
#define DAEMON_ASK_MEASURE_H

#include "daemon/daemon.h"
#include "daemon/http.h"

/* A stream of server-sent events: `backend` for each (as measured_json(), and its text), then `end`. One
 * at a time. */
void ask_measure(struct daemon *d, struct http_exchange *x, const struct http_request *r);

#endif
