/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Look at the lines: packet sockets, what their packets mean, and capture files. */
#include "rehearse/sniff.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

#define ETHER_HEADER 14u
#define FRAME_BYTES  65600u
/* A busy moment must not lose evidence. */
#define SNIFF_BUFFER (4 << 20)

static bool parse_ports(const uint8_t *l4, size_t len, struct sniffed *out)
{
	if (len < 4 ||
		(out->proto != PROTO_TCP && out->proto != PROTO_UDP && out->proto != PROTO_SCTP))
		return false;
	out->sport = be16_at(l4);
	out->dport = be16_at(l4 + 2);
	return true;
}

bool sniff_parse(const uint8_t *frame, size_t len, struct sniffed *out)
{
	const uint8_t *ip = frame + ETHER_HEADER;
	size_t header;

	if (len < ETHER_HEADER)
		return false;
	len -= ETHER_HEADER;
	switch (be16_at(frame + 12)) {
	case ETH_P_IP:
		header = len < 20 ? 0 : (size_t)(ip[0] & 15) * 4;
		if (header < 20 || len < header || (be16_at(ip + 6) & 0x1fff))
			return false;
		out->proto = ip[9];
		out->src = ip_from_bytes(IP_V4, ip + 12);
		out->dst = ip_from_bytes(IP_V4, ip + 16);
		return parse_ports(ip + header, len - header, out);
	case ETH_P_IPV6:
		/* Nobody here sends extension headers. */
		if (len < 40)
			return false;
		out->proto = ip[6];
		out->src = ip_from_bytes(IP_V6, ip + 8);
		out->dst = ip_from_bytes(IP_V6, ip + 24);
		return parse_ports(ip + 40, len - 40, out);
	}
	return false;
}

/* The probe that a client's port stands for; NULL: none. */
static const struct rehearse_probe *probe_of(
	const struct rehearse_result *r, uint16_t port, uint8_t proto)
{
	const struct rehearse_probe *p;

	if (port < FIRST_CLIENT_PORT || port - FIRST_CLIENT_PORT >= r->probes.len)
		return NULL;
	p = &r->probes.items[port - FIRST_CLIENT_PORT];
	return p->proto == proto ? p : NULL;
}

static void stray(struct stray *s, int uplink, const struct ip_addr *addr)
{
	s->packets++;
	s->uplink = uplink;
	s->addr = *addr;
}

void sniff_note(const struct rehearse_result *r, enum sniff_place place, unsigned int uplink,
	bool outgoing, const struct sniffed *pkt, struct sighting *sightings)
{
	const struct rehearse_probe *request = probe_of(r, pkt->sport, pkt->proto);
	const struct rehearse_probe *reply = probe_of(r, pkt->dport, pkt->proto);
	struct sighting *s;

	/* Under SNAT the client's address changes, so for a request its backend tells. */
	if (request && !probe_backend(request, &pkt->dst, 0))
		request = NULL;
	if (reply && !ip_equal(&pkt->dst, &reply->client))
		reply = NULL;
	switch (place) {
	case SNIFF_ISP:
		if (outgoing)
			return; /* on its way to the gateway */
		if (reply) {
			s = &sightings[reply - r->probes.items];
			if (uplink == reply->uplink && ip_equal(&pkt->src, &reply->address))
				s->home++;
			else
				stray(&s->astray, (int)uplink, &pkt->src);
		} else if (request) {
			stray(&sightings[request - r->probes.items].leaked, (int)uplink, &pkt->dst);
		}
		return;
	case SNIFF_LAN:
		if (!outgoing && request)
			sightings[request - r->probes.items].at_backend++;
		return;
	case SNIFF_LINE:
		if (outgoing && reply)
			stray(&sightings[reply - r->probes.items].bypassed, -1, &pkt->src);
		return;
	}
}

/* ---- captures, in the classic format (draft-ietf-opsawg-pcap) ---- */

static int capture_open(struct stage *st, unsigned int node, const char *interface)
{
	static const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t reserved[2], snaplen, linktype;
	} header = {0xa1b2c3d4, 2, 4, {0, 0}, FRAME_BYTES, 1 /* Ethernet */};
	const char *name = arena_printf(st->arena, "%s-%s-%s.pcap", column_name(st->column),
		st->topology->nodes.items[node].name, interface);
	int fd = openat(
		st->what->options->pcap_dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd >= 0 && write(fd, &header, sizeof(header)) == sizeof(header))
		return fd;
	stage_note(st, "no capture %s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void capture(int fd, const uint8_t *frame, size_t len, const struct timespec *at)
{
	struct {
		uint32_t seconds, microseconds, captured, length;
	} header;

	header.seconds = (uint32_t)at->tv_sec;
	header.microseconds = (uint32_t)(at->tv_nsec / 1000);
	header.captured = header.length = (uint32_t)len;
	/* A full disk costs the capture, not the rehearsal. */
	if (write(fd, &header, sizeof(header)) < 0 || write(fd, frame, len) < 0)
		return;
}

/* ---- sockets ---- */

int sniff_open(struct stage *st, struct sniffer *s, enum sniff_place place, unsigned int uplink,
	unsigned int node, const char *interface)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int bytes = SNIFF_BUFFER, on = 1, err;

	*s = (struct sniffer){.place = place, .uplink = uplink, .capture = -1};
	/* Protocol 0: nothing arrives before it is bound to the interface. */
	s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
		setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(s->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	at.sll_ifindex = (int)if_nametoindex(interface);
	if (bind(s->fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		err = -errno;
		close(s->fd);
		s->fd = -1;
		return err;
	}
	if (st->what->options->pcap_dir >= 0)
		s->capture = capture_open(st, node, interface);
	return 0;
}

void sniff_close(struct sniffer *s)
{
	close(s->fd);
	if (s->capture >= 0)
		close(s->capture);
}

/* When the packet passed; zero where the kernel did not say. */
static struct timespec time_of(struct msghdr *msg)
{
	struct timespec at = {0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(&at, CMSG_DATA(c), sizeof(at));
	return at;
}

void sniff_read(struct stage *st, struct sniffer *s)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
	} control;
	uint8_t frame[FRAME_BYTES];
	struct sockaddr_ll from;
	struct sniffed packet;

	for (;;) {
		struct iovec iov = {frame, sizeof(frame)};
		struct msghdr msg = {.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(s->fd, &msg, 0);
		struct timespec at;

		if (n < 0)
			return;
		if (from.sll_pkttype == PACKET_OTHERHOST)
			continue; /* a switch that did not know better yet */
		at = time_of(&msg);
		if (s->capture >= 0)
			capture(s->capture, frame, (size_t)n, &at);
		if (sniff_parse(frame, (size_t)n, &packet))
			sniff_note(st->what, s->place, s->uplink,
				from.sll_pkttype == PACKET_OUTGOING, &packet,
				st->report->sightings);
	}
}
