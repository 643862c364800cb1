/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Notify: tell the service manager how we are, as sd_notify(3) does, where there is one. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>

/* Lines such as "READY=1\nSTATUS=..." to $NOTIFY_SOCKET. Without one nothing happens; a manager that
 * cannot be reached is no reason to stop. */
void notify_manager(const char *lines);

/* How often the manager wants to hear "WATCHDOG=1", in microseconds; 0: it does not ask us. */
uint64_t notify_watchdog_us(void);

#endif
