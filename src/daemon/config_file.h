/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Config file: read it if it can be trusted, and tell when it changes.
 *
 * Whoever can write the file rules the gateway. So it must be root's or our own, and neither it nor its
 * directory may be everyone's to write (but for a directory with the sticky bit, where only the owner
 * can replace it).
 */
#ifndef DAEMON_CONFIG_FILE_H
#define DAEMON_CONFIG_FILE_H

#include <event2/event.h>

#include "base/diag.h"

/* 0, or -errno and @d says why: -EPERM it is not to be trusted, -EFBIG too large. */
int config_file_read(const char *path, struct arena *a, char **text, size_t *len, struct diag *d);

struct config_watch;

/* Call @changed, a moment after the file was written or replaced (as editors do) or appeared. NULL: it
 * cannot be watched (errno). */
struct config_watch *config_watch_new(
	struct event_base *base, const char *path, void (*changed)(void *data), void *data);
void config_watch_free(struct config_watch *w); /* NULL is fine */

#endif
