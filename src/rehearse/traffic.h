/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traffic: one loop that plays all clients and all servers and watches all lines. */
#ifndef REHEARSE_TRAFFIC_H
#define REHEARSE_TRAFFIC_H

#include <netinet/in.h>

#include "rehearse/sniff.h"

/* A listener somewhere: a backend's, or the gateway's own behind a map with `from`. */
struct server {
	struct ip_addr addr;
	uint16_t port;
	uint8_t proto;
	uint8_t role; /* ANSWERED_BY_* */
	unsigned int node;
};

union sockaddr_any {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Fill in; returns the length. */
socklen_t sockaddr_fill(union sockaddr_any *out, const struct ip_addr *addr, uint16_t port);
struct ip_addr sockaddr_addr(const union sockaddr_any *s);

/* ---- sctp.c: association set-up without sockets for it ---- */

#define SCTP_MAX_BYTES 64u

struct sctp_init {
	uint16_t sport, dport;
	bool ack;     /* INIT ACK */
	uint32_t tag; /* verification tag of the header */
	uint32_t initiate_tag;
};
size_t sctp_write(const struct sctp_init *in, uint8_t out[SCTP_MAX_BYTES]);
/* False: not an intact INIT or INIT ACK. */
bool sctp_read(const uint8_t *packet, size_t len, struct sctp_init *out);
uint32_t sctp_crc32c(const uint8_t *bytes, size_t len);

/* A raw socket in the node that was entered; -errno where there is none to be had. */
int sctp_open(uint8_t family);
int sctp_send(int fd, const struct ip_addr *src, const struct ip_addr *dst,
	const struct sctp_init *packet);
/* -EAGAIN: nothing more; -EBADMSG: something else arrived, go on. */
int sctp_receive(
	int fd, uint8_t family, struct ip_addr *src, struct ip_addr *dst, struct sctp_init *packet);

#endif
