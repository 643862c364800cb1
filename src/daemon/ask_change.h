/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asked for a change: the API's answers to POST. Who may ask was found out before (api.c). */
#ifndef DAEMON_ASK_CHANGE_H
#define DAEMON_ASK_CHANGE_H

#include "daemon/daemon.h"
#include "daemon/http.h"

/* One request. */
struct ask {
	struct daemon *daemon;
	struct http_exchange *exchange;
	const struct http_request *request;
	const struct http_peer *peer;
};

/* Answer 400 with @error. False. */
bool ask_is_wrong(const struct ask *q, const char *error);

/* Note that it was asked for, and by whom; what comes of it is said by the events that follow. */
void ask_note(const struct ask *q);

void ask_apply(const struct ask *q);
void ask_confirm(const struct ask *q);
void ask_rollback(const struct ask *q);
void ask_reload(const struct ask *q);
void ask_remove(const struct ask *q);
void ask_fastpath_switch(const struct ask *q);

#endif
