/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Return path: do a backend's replies come back through this gateway? Decided from probes.
 *
 * A round tries the backend twice by the inside interface: from an address of an uplink, which only a
 * backend that routes through us can answer to us, and from the gateway's inside address, which any
 * living backend can. An answer to the first: direct. None, though the second was answered: the
 * backend has a way out of its own: snat. Neither: nothing is known, and what was decided stays.
 * Pure; a decision changes only after RETURN_AGREE rounds alike.
 */
#ifndef PLAN_RETURN_PATH_H
#define PLAN_RETURN_PATH_H

#include "config/model.h"

#define RETURN_AGREE 3u

enum return_answer { RETURN_SILENT, RETURN_ANSWERED };

struct return_path {
	enum return_mode mode;	    /* AUTO: nothing was decided yet; DIRECT, SNAT */
	enum return_mode leaning;   /* what the last rounds said */
	uint32_t agree;		    /* so many of them in a row */
	uint64_t since_ms, last_ms; /* of the decision; of the last round that told something */
	uint64_t rounds, untold;    /* rounds in all; those that told nothing */
};

/* One more round. True: the decision changed. */
bool return_path_round(struct return_path *r, enum return_answer from_uplink,
	enum return_answer from_inside, uint64_t now_ms);

/* One line: "answers to the uplink's address come back by eth2" and the like. */
const char *return_path_reason(const struct return_path *r);

#endif
