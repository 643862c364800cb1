/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP echoes as bytes. */
#ifndef DAEMON_PROBE_ICMP_H
#define DAEMON_PROBE_ICMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ICMP_TOKEN_BYTES 16u
#define ICMP_ECHO_BYTES	 (8u + ICMP_TOKEN_BYTES)

struct icmp_echo {
	uint8_t family; /* enum ip_family */
	uint16_t id, sequence;
	uint8_t token[ICMP_TOKEN_BYTES]; /* that nobody guesses who has not seen the request */
};

void icmp_request(const struct icmp_echo *e, uint8_t out[ICMP_ECHO_BYTES]);
/* Is what a raw socket gave (v4: with the IP header) the reply to it? Checksums are the kernel's. */
bool icmp_is_reply(const struct icmp_echo *e, const uint8_t *bytes, size_t len);

#endif
