/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Probes: which connections are tried. */
#ifndef REHEARSE_PROBES_H
#define REHEARSE_PROBES_H

#include "rehearse/topology.h"

/*
 * Choose probes for every listener of every enabled map on every address it listens on: of a range
 * the first port, the last and one between. Where there are more than REHEARSE_MAX_PROBES, a sample
 * spread evenly over the file, so that every uplink is in it. A map with `from` is tried by a
 * client who is let in and by one who is not. Backends and clients are added to @t, probes and
 * notes to @out.
 */
void probes_choose(
	struct arena *a, struct topology *t, const struct model *m, struct rehearse_result *out);

#endif
