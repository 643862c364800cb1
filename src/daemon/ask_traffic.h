/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asked for the traffic: what went through each map and by each uplink, as the API gives it. */
#ifndef DAEMON_ASK_TRAFFIC_H
#define DAEMON_ASK_TRAFFIC_H

#include "daemon/daemon.h"
#include "daemon/http.h"

void ask_traffic(struct daemon *d, struct http_exchange *x);

#endif
