/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * API: HTTP and JSON on a unix socket (who may change things is decided by SO_PEERCRED), and read-only
 * on a TCP port where the config has one: see docs/openapi.yaml.
 */
#ifndef DAEMON_API_H
#define DAEMON_API_H

#include "daemon/daemon.h"

#define API_SOCKET "/run/portreeve/api.sock" /* or $PORTREEVE_RUN_DIR/api.sock */

/* Who may look, beside root; 0: there is no such group. To be asked before the daemon confines itself. */
gid_t api_group(void);

/* 0, or -errno and @diag says why. Needs a config. */
int api_start(struct daemon *d, struct diag *diag);
void api_stop(struct daemon *d); /* fine also where it was not started */
/* After another config is in force: the TCP listener may have moved. */
void api_update(struct daemon *d);
/* Where a browser finds the page, in @a; NULL: nobody listens on TCP, or the build has none. */
const char *api_page(const struct daemon *d, struct arena *a);
/* Its own metrics. */
void api_metrics(const struct daemon *d, struct strbuf *out);

#endif
