/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tour: the journeys to a port forward from every place that a client can be. */
#ifndef WALK_TOUR_H
#define WALK_TOUR_H

#include "walk/gateway.h"
#include "walk/journey.h"

enum tour_place {
	TOUR_FAR,    /* out on the Internet, by an uplink */
	TOUR_BESIDE, /* in an uplink's own network */
	TOUR_INSIDE, /* in one of the inside networks */
	TOUR_HERE,   /* this machine */
};

struct tour_stop {
	enum tour_place place;
	const struct gateway_uplink *uplink; /* FAR, BESIDE */
	const struct gateway_inside *inside; /* INSIDE */
	struct journey_question question;
};

struct tour {
	VEC(struct tour_stop) stops;
};

void tour_of(struct arena *a, const struct gateway *g, const struct gateway_forward *f,
	struct tour *out);

#endif
