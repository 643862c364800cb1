/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tools write in words: protocols and services by name, and MAC addresses. Whatever the case. */
#ifndef NETSTATE_NAMES_H
#define NETSTATE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "tcp", "ipv6-icmp", "gre"; 0 for "ip", which is any. */
bool net_protocol_named(const char *s, size_t len, uint8_t *out);
const char *net_protocol_name(uint8_t proto); /* as iptables prints it; NULL: none */
bool net_service_named(const char *s, size_t len, uint16_t *port);
/* "02:00:00:00:00:01"; nothing is written where it is none. */
bool net_mac_parse(const char *s, size_t len, uint8_t mac[6]);

#endif
