/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ration: a bucket of tokens, kept as the time at which it will be full again. */
#include "daemon/ration.h"

uint64_t ration_wait(const struct ration *r, uint64_t now_ms)
{
	uint64_t free_ms = now_ms + (uint64_t)(RATION_AT_ONCE - 1) * RATION_EVERY_MS;

	return r->paid_ms > free_ms ? r->paid_ms - free_ms : 0;
}

void ration_take(struct ration *r, uint64_t now_ms, uint64_t took_ms)
{
	uint64_t cost = took_ms * RATION_SHARE;

	if (r->paid_ms < now_ms)
		r->paid_ms = now_ms;
	r->paid_ms += cost > RATION_EVERY_MS ? cost : RATION_EVERY_MS;
}
