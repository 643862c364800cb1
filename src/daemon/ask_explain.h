/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asked to explain: a question about a packet from a request, and its answer as JSON, and as text with it. */
#ifndef DAEMON_ASK_EXPLAIN_H
#define DAEMON_ASK_EXPLAIN_H

#include "daemon/daemon.h"
#include "daemon/http.h"

/* Looks at the machine as a whole, which takes its time. */
void ask_explain(struct daemon *d, struct http_exchange *x, const struct http_request *r);

#endif
