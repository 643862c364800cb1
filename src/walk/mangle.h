/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mangle: what rules write into a packet's header fields. */
#ifndef WALK_MANGLE_H
#define WALK_MANGLE_H

#include "walk/value.h"

/* `selector` set @v. Returns what was done: bits of enum step_did; 0: nothing that is kept. */
uint8_t walk_set_field(struct packet *p, enum nft_selector selector, const struct walk_value *v);

/* Lower the MSS option of a SYN to @mss (0: to what is not known), as tcp option maxseg does. */
uint8_t walk_lower_mss(struct packet *p, uint16_t mss);

#endif
