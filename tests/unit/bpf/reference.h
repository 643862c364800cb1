/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reference: what bpf/nat.h must do, written slowly and by byte offsets alone.
 *
 * It shares nothing with the code that it judges: bytes instead of structures, and every checksum is
 * summed up anew over all that it covers.
 */
#ifndef TEST_BPF_REFERENCE_H
#define TEST_BPF_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a frame. */
#define AT_IP	    14
#define AT_L4(v6)   ((v6) ? 54 : 34)
#define AT_CHECK(p) ((p) == 6 ? 16 : 6) /* of TCP, UDP; from their beginning */

/* Room for a frame, aligned as the kernel does it (NET_IP_ALIGN), and of just its size: the sanitizers see
 * what is touched beyond it. */
static inline uint8_t *frame_new(size_t len)
{
	uint8_t *room = malloc(len + 2);

	if (!room)
		abort();
	return room + 2;
}

static inline void frame_free(uint8_t *frame)
{
	free(frame - 2);
}

static inline unsigned reference_16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

static inline void reference_put_16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* RFC 1071: the sum of 16-bit words, an odd byte padded with zero; folded, not complemented. */
static inline uint64_t reference_add(uint64_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint64_t)p[i] << 8;
	return sum;
}

static inline unsigned reference_fold(uint64_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

/* Of IPv6 frames as of IPv4's: how long the IP packet says that it is, in all. */
static inline size_t reference_ip_len(const uint8_t *frame, bool v6)
{
	return v6 ? 40 + reference_16(frame + AT_IP + 4) : reference_16(frame + AT_IP + 2);
}

static inline unsigned reference_proto(const uint8_t *frame, bool v6)
{
	return frame[AT_IP + (v6 ? 6 : 9)];
}

/* How many bytes the checksum above IP covers: UDP says so itself. */
static inline size_t reference_covered(const uint8_t *frame, bool v6)
{
	return reference_proto(frame, v6) == 17 ? reference_16(frame + AT_L4(v6) + 4)
						: reference_ip_len(frame, v6) - (v6 ? 40 : 20);
}

/* The folded sum over pseudo header and what follows, with the checksum in it: 0xffff if it is right. */
static inline unsigned reference_l4_sum(const uint8_t *frame, bool v6)
{
	size_t n = reference_covered(frame, v6);
	uint64_t sum = v6 ? reference_add(0, frame + AT_IP + 8, 32)
			  : reference_add(0, frame + AT_IP + 12, 8);

	sum += n + reference_proto(frame, v6);
	return reference_fold(reference_add(sum, frame + AT_L4(v6), n));
}

static inline unsigned reference_ip_sum(const uint8_t *frame)
{
	return reference_fold(reference_add(0, frame + AT_IP, 20));
}

/* Put right checksums in. A checksum of UDP that comes out as zero is sent as 0xffff (RFC 768). */
static inline void reference_seal(uint8_t *frame, bool v6)
{
	unsigned proto = reference_proto(frame, v6);
	uint8_t *check = frame + AT_L4(v6) + AT_CHECK(proto);

	if (!v6) {
		reference_put_16(frame + AT_IP + 10, 0);
		reference_put_16(frame + AT_IP + 10, ~reference_ip_sum(frame) & 0xffff);
	}
	reference_put_16(check, 0);
	reference_put_16(check, ~reference_l4_sum(frame, v6) & 0xffff);
	if (proto == 17 && !reference_16(check))
		reference_put_16(check, 0xffff);
}

/* Whether a frame is one that may be bypassed as far as its own bytes say, if it is @total bytes long
 * of which the first @linear can be seen. */
static inline bool reference_plain(const uint8_t *frame, size_t linear, size_t total, bool v6)
{
	const uint8_t *ip = frame + AT_IP, *l4 = frame + AT_L4(v6);
	size_t len, header, room = linear < AT_L4(v6) ? 0 : linear - AT_L4(v6);
	unsigned proto;

	if (room < 8)
		return false;
	proto = reference_proto(frame, v6);
	len = reference_ip_len(frame, v6);
	if (ip[0] >> 4 != (v6 ? 6 : 4) || (proto != 6 && proto != 17) || len > total - AT_IP)
		return false;
	if (!v6 && ((ip[0] & 15) != 5 || reference_16(ip + 6) & 0x3fff ||
			   reference_ip_sum(frame) != 0xffff))
		return false;
	if (len < (v6 ? 40u : 20u) || ip[v6 ? 7 : 8] < 2)
		return false;
	len -= v6 ? 40 : 20;
	if (proto == 17)
		return reference_16(l4 + 4) >= 8 && reference_16(l4 + 4) <= len &&
		       (!v6 || reference_16(l4 + 6));
	header = room < 20 ? 0 : (size_t)(l4[12] >> 4) * 4;
	return header >= 20 && header <= len && (l4[13] & 0x17) == 0x10;
}

/* Addresses and ports as they are in a frame, one after the other: those of IPv4 take 4 bytes each. */
struct reference_move {
	uint8_t src[16], dst[16], sport[2], dport[2], dmac[6], smac[6];
};

/* The rewritten frame, with its checksums made anew; one of UDP that was missing stays so. */
static inline void reference_rewrite(uint8_t *frame, bool v6, const struct reference_move *to)
{
	size_t bytes = v6 ? 16 : 4;
	uint8_t *addresses = frame + AT_IP + (v6 ? 8 : 12), *l4 = frame + AT_L4(v6);
	bool missing = reference_proto(frame, v6) == 17 && !reference_16(l4 + 6);

	memcpy(frame, to->dmac, 6);
	memcpy(frame + 6, to->smac, 6);
	frame[AT_IP + (v6 ? 7 : 8)] -= 1;
	memcpy(addresses, to->src, bytes);
	memcpy(addresses + bytes, to->dst, bytes);
	memcpy(l4, to->sport, 2);
	memcpy(l4 + 2, to->dport, 2);
	reference_seal(frame, v6);
	if (missing)
		reference_put_16(l4 + 6, 0);
}

#endif
