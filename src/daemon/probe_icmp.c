/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICMP probes: one echo request, by a raw socket.
 *
 * The socket is connected, so that only the target is heard, and a filter in the kernel lets through
 * nothing but replies with our identifier and sequence number: neither other programs' pings nor a
 * flood wake us up.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "daemon/probe_internal.h"

/* ---- bytes ---- */

static uint32_t checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += be16_at(bytes + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

void icmp_request(const struct icmp_echo *e, uint8_t out[ICMP_ECHO_BYTES])
{
	memset(out, 0, ICMP_ECHO_BYTES);
	out[0] = e->family == IP_V6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	be16_put(out + 4, e->id);
	be16_put(out + 6, e->sequence);
	memcpy(out + 8, e->token, sizeof(e->token));
	if (e->family == IP_V4) /* of v6 the kernel fills it in, which knows the source */
		be16_put(out + 2, checksum(out, ICMP_ECHO_BYTES));
}

bool icmp_is_reply(const struct icmp_echo *e, const uint8_t *bytes, size_t len)
{
	size_t header = 0;

	if (e->family == IP_V4) {
		header = len ? (bytes[0] & 0xfu) * 4u : 0;
		if (header < 20 || bytes[0] >> 4 != 4)
			return false;
	}
	if (len < header + ICMP_ECHO_BYTES)
		return false;
	bytes += header;
	return bytes[0] == (e->family == IP_V6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
	       bytes[1] == 0 && be16_at(bytes + 4) == e->id && be16_at(bytes + 6) == e->sequence &&
	       memcmp(bytes + 8, e->token, sizeof(e->token)) == 0;
}

/* ---- the socket ---- */

/* X is where ICMP begins: behind the IP header in v4, at once in v6. */
static int filter(int fd, const struct icmp_echo *e)
{
	struct sock_filter code[] = {
		e->family == IP_V6 ? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0)
				   : (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			e->family == IP_V6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)e->id << 16 | e->sequence, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static void take(struct probe *p, const uint8_t *bytes, size_t len)
{
	if (icmp_is_reply(&p->icmp, bytes, len))
		probe_ok(p);
}

static void readable(evutil_socket_t fd, short what, void *data)
{
	probe_read(data, take);
}

int probe_icmp_start(struct probe *p)
{
	uint8_t request[ICMP_ECHO_BYTES];
	int err;

	p->icmp.family = p->addr.family;
	p->icmp.id = p->prober->echo_id;
	p->icmp.sequence = p->prober->echo_sequence++;
	if (getrandom(p->icmp.token, sizeof(p->icmp.token), 0) != sizeof(p->icmp.token))
		return -errno;
	p->port = 0;
	err = probe_connect(p, SOCK_RAW, p->addr.family == IP_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		EV_READ | EV_PERSIST, readable);
	if (err || p->decided)
		return err;
	if (filter(p->fd, &p->icmp) < 0)
		return -errno;
	icmp_request(&p->icmp, request);
	if (send(p->fd, request, sizeof(request), 0) < 0)
		probe_error(p, false, "cannot send", errno);
	return 0;
}
