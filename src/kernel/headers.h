/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers of packets as bytes, read into a struct packet as far as they are there. */
#ifndef KERNEL_HEADERS_H
#define KERNEL_HEADERS_H

#include <stddef.h>

#include "walk/packet.h"

/* An IPv4 or IPv6 header (without extension headers): family, protocol, addresses, TTL. Gives its
 * length; 0: it is none. */
size_t headers_network(struct packet *p, const uint8_t *bytes, size_t len);
/* What follows it, of the protocol that @p has: ports, TCP flags and MSS, ICMP type and code (an echo's
 * identifier as source port of a request, as destination port of a reply). */
void headers_transport(struct packet *p, const uint8_t *bytes, size_t len);

#endif
