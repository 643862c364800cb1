/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Server-sent events: the journal as a stream that a client follows. */
#ifndef DAEMON_SSE_H
#define DAEMON_SSE_H

#include "daemon/daemon.h"
#include "daemon/http.h"

/* Answer @x with the events after @after that are still kept, and then with each that comes. */
void sse_start(struct daemon *d, struct http_exchange *x, uint64_t after);

/* One event as such a stream has it; caller frees. */
char *sse_text(const struct journal_event *e);

#endif
