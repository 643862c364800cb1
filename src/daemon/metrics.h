/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics: everything that is counted, in Prometheus' text format (0.0.4). */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include "base/strbuf.h"
#include "daemon/daemon.h"

/* The connections are left out where the kernel does not give them. */
void metrics_print(struct daemon *d, struct strbuf *out);

/* A label's value with what must be escaped. */
void metrics_label(struct strbuf *out, const char *name, const char *value);

#endif
