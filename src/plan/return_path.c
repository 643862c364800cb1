/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Return path: what the answers to a round's two probes say. */
#include "plan/return_path.h"

bool return_path_round(struct return_path *r, enum return_answer from_uplink,
	enum return_answer from_inside, uint64_t now_ms)
{
	enum return_mode said;

	r->rounds++;
	if (from_uplink == RETURN_ANSWERED) {
		said = RETURN_DIRECT;
	} else if (from_inside == RETURN_ANSWERED) {
		said = RETURN_SNAT;
	} else {
		r->untold++; /* neither for nor against what the others said */
		return false;
	}
	r->last_ms = now_ms;
	r->agree = said == r->leaning ? r->agree + 1 : 1;
	r->leaning = said;
	if (r->agree > RETURN_AGREE)
		r->agree = RETURN_AGREE;
	if (r->mode == said || r->agree < RETURN_AGREE)
		return false;
	r->mode = said;
	r->since_ms = now_ms;
	return true;
}

const char *return_path_reason(const struct return_path *r)
{
	switch (r->mode) {
	case RETURN_DIRECT:
		return "measured: the backend's answers to an uplink's address come back through "
		       "the gateway";
	case RETURN_SNAT:
		return "measured: the backend answers the gateway's inside address, but not an "
		       "uplink's: it has another way out";
	case RETURN_AUTO:
		break;
	}
	return r->rounds ? "not decided yet: the backend has not answered often enough"
			 : "not measured yet";
}
