/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ration: how often strangers may ask for what takes its time, all of them together. Once a second, and
 * several times at once after a pause; and never so that more than a tenth of the daemon's time goes there.
 */
#ifndef DAEMON_RATION_H
#define DAEMON_RATION_H

#include <stdint.h>

#define RATION_EVERY_MS 1000u
#define RATION_AT_ONCE	5u
#define RATION_SHARE	10u /* one part in so many of the time */

struct ration {
	uint64_t paid_ms; /* by then, monotonic, all that was asked for is paid off */
};

/* How long somebody has to wait who asks now; 0: not at all. */
uint64_t ration_wait(const struct ration *r, uint64_t now_ms);
/* Somebody was answered who asked at @now_ms, which took so long. */
void ration_take(struct ration *r, uint64_t now_ms, uint64_t took_ms);

#endif
