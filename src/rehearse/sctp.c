/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCTP association set-up in raw packets (RFC 9260), for kernels without SCTP sockets: an INIT and
 * an INIT ACK are enough to see that a map leads to its backend and that the reply comes home.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "rehearse/traffic.h"

enum { CHUNK_INIT = 1, CHUNK_INIT_ACK = 2 };
#define COMMON_HEADER	12u
#define INIT_CHUNK	20u
#define COOKIE_PARAM	7u
#define COOKIE_BYTES	8u /* parameter header and four bytes that nobody will look at */
#define CHECKSUM_OFFSET 8u

uint32_t sctp_crc32c(const uint8_t *bytes, size_t len)
{
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

size_t sctp_write(const struct sctp_init *in, uint8_t out[SCTP_MAX_BYTES])
{
	uint32_t chunk = INIT_CHUNK + (in->ack ? COOKIE_BYTES : 0), crc;
	uint8_t *c = out + COMMON_HEADER;

	memset(out, 0, SCTP_MAX_BYTES);
	be16_put(out, in->sport);
	be16_put(out + 2, in->dport);
	be32_put(out + 4, in->tag);
	c[0] = in->ack ? CHUNK_INIT_ACK : CHUNK_INIT;
	be16_put(c + 2, chunk);
	be32_put(c + 4, in->initiate_tag);
	be32_put(c + 8, 65536); /* receiver window */
	be16_put(c + 12, 1);	/* streams, both ways */
	be16_put(c + 14, 1);
	be32_put(c + 16, 1); /* first TSN */
	if (in->ack) {
		be16_put(c + INIT_CHUNK, COOKIE_PARAM);
		be16_put(c + INIT_CHUNK + 2, COOKIE_BYTES);
	}
	/* The one field of the Internet in this byte order (RFC 9260, appendix A). */
	crc = sctp_crc32c(out, COMMON_HEADER + chunk);
	for (unsigned int i = 0; i < 4; i++)
		out[CHECKSUM_OFFSET + i] = (uint8_t)(crc >> 8 * i);
	return COMMON_HEADER + chunk;
}

bool sctp_read(const uint8_t *packet, size_t len, struct sctp_init *out)
{
	static const uint8_t zero[4];
	uint8_t copy[SCTP_MAX_BYTES];
	uint32_t crc = 0;

	if (len < COMMON_HEADER + INIT_CHUNK || len > sizeof(copy))
		return false;
	memcpy(copy, packet, len);
	for (unsigned int i = 0; i < 4; i++)
		crc |= (uint32_t)packet[CHECKSUM_OFFSET + i] << 8 * i;
	memcpy(copy + CHECKSUM_OFFSET, zero, 4);
	if (sctp_crc32c(copy, len) != crc)
		return false;
	if (copy[COMMON_HEADER] != CHUNK_INIT && copy[COMMON_HEADER] != CHUNK_INIT_ACK)
		return false;
	out->sport = be16_at(copy);
	out->dport = be16_at(copy + 2);
	out->tag = be32_at(copy + 4);
	out->ack = copy[COMMON_HEADER] == CHUNK_INIT_ACK;
	out->initiate_tag = be32_at(copy + COMMON_HEADER + 4);
	return true;
}

/* ---- raw sockets ---- */

int sctp_open(uint8_t family)
{
	int domain = family == IP_V6 ? AF_INET6 : AF_INET, on = 1;
	int fd = socket(domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_SCTP);

	if (fd < 0)
		return -errno;
	if (family == IP_V6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	return fd;
}

/* Room for either kind of packet information. */
union packet_info {
	struct cmsghdr header;
	char v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
	char v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

int sctp_send(int fd, const struct ip_addr *src, const struct ip_addr *dst,
	const struct sctp_init *packet)
{
	uint8_t bytes[SCTP_MAX_BYTES];
	union packet_info info = {0};
	union sockaddr_any to;
	struct iovec iov = {bytes, sctp_write(packet, bytes)};
	struct msghdr msg = {.msg_name = &to,
		.msg_namelen = sockaddr_fill(&to, dst, 0),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &info};
	struct cmsghdr *c;

	if (src->family == IP_V6) {
		struct in6_pktinfo from = {0};

		memcpy(&from.ipi6_addr, src->bytes, 16);
		msg.msg_controllen = sizeof(info.v6);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(from));
		memcpy(CMSG_DATA(c), &from, sizeof(from));
	} else {
		struct in_pktinfo from = {0};

		memcpy(&from.ipi_spec_dst, src->bytes, 4);
		msg.msg_controllen = sizeof(info.v4);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(from));
		memcpy(CMSG_DATA(c), &from, sizeof(from));
	}
	return sendmsg(fd, &msg, 0) < 0 ? -errno : 0;
}

/* An IPv4 raw socket gives the IP header along, an IPv6 one does not. */
static bool strip_v4(const uint8_t **p, size_t *len, struct ip_addr *src, struct ip_addr *dst)
{
	size_t header = *len < 20 ? 0 : (size_t)((*p)[0] & 15) * 4;

	if (header < 20 || *len < header)
		return false;
	*src = ip_from_bytes(IP_V4, *p + 12);
	*dst = ip_from_bytes(IP_V4, *p + 16);
	*p += header;
	*len -= header;
	return true;
}

static bool destination_v6(struct msghdr *msg, struct ip_addr *dst)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo to;

			memcpy(&to, CMSG_DATA(c), sizeof(to));
			*dst = ip_from_bytes(IP_V6, &to.ipi6_addr);
			return true;
		}
	return false;
}

int sctp_receive(
	int fd, uint8_t family, struct ip_addr *src, struct ip_addr *dst, struct sctp_init *packet)
{
	uint8_t bytes[256];
	union packet_info info;
	union sockaddr_any from = {0};
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr msg = {.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &info,
		.msg_controllen = sizeof(info)};
	ssize_t n = recvmsg(fd, &msg, 0);
	const uint8_t *p = bytes;
	size_t len;

	if (n < 0)
		return -errno;
	len = (size_t)n;
	if (family == IP_V4 && !strip_v4(&p, &len, src, dst))
		return -EBADMSG;
	if (family == IP_V6) {
		*src = sockaddr_addr(&from);
		if (!destination_v6(&msg, dst))
			return -EBADMSG;
	}
	return sctp_read(p, len, packet) ? 0 : -EBADMSG;
}
