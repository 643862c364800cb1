/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Anonymise: other addresses in place of the real ones, so that a dump can be shown to others.
 *
 * Addresses that share their first n bits share the first n bits afterwards (as with Crypto-PAn, Xu et
 * al., ICNP 2002): what was in a network still is, and routes, rules and sets mean what they meant. The
 * same key gives the same addresses in all files.
 *
 * - Special ranges stay in themselves: 10/8, 172.16/12, 192.168/16, 100.64/10, 169.254/16, fe80::/64,
 *   fc00::/7. Unspecified, loopback and multicast addresses, and 240/4 with all net masks, stay as they
 *   are. A public address stays public; of one near a special range the first bits show.
 * - The last eight bits of v4 addresses stay, as do zeros at the beginning of a v6 interface identifier
 *   and its last 16 bits: networks and broadcast addresses look like such, and ranges within a /24
 *   keep their order. A range beyond that is exact only if it is a whole network.
 * - Hardware addresses become locally administered ones.
 *
 * Names of interfaces, tables and sets, and what people wrote into comments, are left as they are, but
 * for addresses.
 */
#ifndef NETSTATE_DUMP_ANONYMISE_H
#define NETSTATE_DUMP_ANONYMISE_H

#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/strbuf.h"

#define ANONYMISE_KEY_BYTES 16

struct anonymiser {
	uint64_t key[2];
};

void anonymise_init(struct anonymiser *x, const uint8_t key[ANONYMISE_KEY_BYTES]);
struct ip_addr anonymise_addr(const struct anonymiser *x, const struct ip_addr *a);
/* A dump of any kind, text or JSON, appended to @out with its addresses changed. */
void anonymise_text(const struct anonymiser *x, const char *text, size_t len, struct strbuf *out);

#endif
