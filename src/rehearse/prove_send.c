/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends a proof's packets as frames and sees where they come out: on the gateway's interfaces by a
 * packet socket, and in the gateway itself by raw sockets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "kernel/headers.h"
#include "rehearse/prove_parts.h"
#include "rehearse/traffic.h"

#define FRAME_BYTES   2048
#define ETHER_BYTES   14u
#define MAX_LISTENERS 16u
#define MSS	      1460u
#define TCP_SYN	      0x02u
#define TCP_RST	      0x04u
#define TCP_ACK	      0x10u
#define FIRST_HOPS    64u

static const uint8_t payload[] = "prove\n";

struct prove_traffic {
	struct proof *proof;
	const struct netstate *net; /* as loaded: interfaces by index */
	int far;		    /* packet socket beyond */
	int tap;		    /* packet socket in the gateway */
	int raw[2][3];		    /* v4, v6: TCP, UDP, ICMP */
	int tcp[MAX_LISTENERS], udp[MAX_LISTENERS];
	uint16_t ports[MAX_LISTENERS];
	size_t n_ports;
	int client;				     /* of the gateway itself; -1 */
	struct prove_sighting left[2], delivered[2]; /* request, reply */
	bool refused;
};

/* ---- writing ---- */

static uint32_t sum_words(const uint8_t *bytes, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return len & 1 ? sum + ((uint32_t)bytes[len - 1] << 8) : sum;
}

static uint32_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* Of an upper layer, with the pseudo header that all but ICMP have. */
static uint32_t upper_checksum(const struct packet *p, const uint8_t *body, size_t len)
{
	unsigned int bytes = ip_bytes(p->family);
	uint32_t sum = 0;

	if (p->proto != PROTO_ICMP) {
		sum = sum_words(p->saddr.bytes, bytes, sum);
		sum = sum_words(p->daddr.bytes, bytes, sum);
		sum += p->proto + (uint32_t)len;
	}
	sum = fold(sum_words(body, len, sum));
	return sum == 0 && p->proto == PROTO_UDP ? 0xffff : sum;
}

static size_t write_tcp(uint8_t *b, const struct packet *p, uint32_t seq, uint32_t ack)
{
	bool syn = p->tcp_flags & TCP_SYN;
	size_t header = syn ? 24 : 20;

	be16_put(b, p->sport);
	be16_put(b + 2, p->dport);
	be32_put(b + 4, seq);
	be32_put(b + 8, ack);
	b[12] = (uint8_t)(header / 4 << 4);
	b[13] = p->tcp_flags;
	be16_put(b + 14, 64240);
	if (syn) {
		b[20] = 2; /* option MSS */
		b[21] = 4;
		be16_put(b + 22, MSS);
		return header;
	}
	memcpy(b + header, payload, sizeof(payload) - 1);
	return header + sizeof(payload) - 1;
}

static size_t write_udp(uint8_t *b, const struct packet *p)
{
	size_t len = 8 + sizeof(payload) - 1;

	be16_put(b, p->sport);
	be16_put(b + 2, p->dport);
	be16_put(b + 4, (uint32_t)len);
	memcpy(b + 8, payload, sizeof(payload) - 1);
	return len;
}

static size_t write_echo(uint8_t *b, const struct packet *p)
{
	bool request = p->icmp_type == 8 || p->icmp_type == 128;

	b[0] = p->icmp_type;
	be16_put(b + 4, request ? p->sport : p->dport);
	be16_put(b + 6, 1);
	memcpy(b + 8, payload, sizeof(payload) - 1);
	return 8 + sizeof(payload) - 1;
}

void prove_write(struct prove_packet *out, const struct packet *p, uint32_t seq, uint32_t ack)
{
	uint8_t *head, *body;
	size_t len, at;

	memset(out, 0, sizeof(*out));
	head = out->bytes;
	body = head + (p->family == IP_V6 ? 40 : 20);
	if (p->proto == PROTO_TCP) {
		len = write_tcp(body, p, seq, ack);
		at = 16;
	} else if (p->proto == PROTO_UDP) {
		len = write_udp(body, p);
		at = 6;
	} else {
		len = write_echo(body, p);
		at = 2;
	}
	be16_put(body + at, upper_checksum(p, body, len));
	out->len = (size_t)(body - head) + len;
	if (p->family == IP_V6) {
		head[0] = 0x60;
		be16_put(head + 4, (uint32_t)len);
		head[6] = p->proto;
		head[7] = FIRST_HOPS;
		memcpy(head + 8, p->saddr.bytes, 16);
		memcpy(head + 24, p->daddr.bytes, 16);
		return;
	}
	head[0] = 0x45;
	be16_put(head + 2, (uint32_t)out->len);
	head[6] = 0x40; /* don't fragment */
	head[8] = FIRST_HOPS;
	head[9] = p->proto;
	memcpy(head + 12, p->saddr.bytes, 4);
	memcpy(head + 16, p->daddr.bytes, 4);
	be16_put(head + 10, fold(sum_words(head, 20, 0)));
}

/* ---- sockets ---- */

static int listen_at(struct prove_traffic *t, uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int tcp = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int udp = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	t->tcp[t->n_ports] = tcp;
	t->udp[t->n_ports] = udp;
	t->ports[t->n_ports++] = port;
	if (tcp < 0 || udp < 0 || bind(tcp, (struct sockaddr *)&any, sizeof(any)) != 0 ||
		bind(udp, (struct sockaddr *)&any, sizeof(any)) != 0 || listen(tcp, 16) != 0 ||
		setsockopt(udp, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) != 0)
		return -errno;
	return 0;
}

static int open_raw(struct prove_traffic *t)
{
	static const int protos[2][3] = {{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP},
		{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6}};

	for (unsigned int v6 = 0; v6 < 2; v6++)
		for (unsigned int i = 0; i < 3; i++) {
			t->raw[v6][i] = socket(v6 ? AF_INET6 : AF_INET,
				SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protos[v6][i]);
			if (t->raw[v6][i] < 0 && !v6)
				return -errno; /* IPv6 may be missing */
		}
	return 0;
}

int prove_traffic_open(struct proof *p, const struct netstate *loaded, const uint16_t *listen_ports,
	size_t n_listen, struct prove_traffic **out)
{
	struct prove_traffic *t = arena_new_of(p->arena, struct prove_traffic);
	int err;

	t->proof = p;
	t->net = loaded;
	t->client = t->tap = -1;
	*out = t;
	err = sandbox_enter(p->sb, p->beyond);
	t->far = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (err == 0)
		err = sandbox_enter(p->sb, p->gateway);
	if (err)
		return err;
	t->tap = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (t->far < 0 || t->tap < 0)
		return -errno;
	err = open_raw(t);
	for (size_t i = 0; err == 0 && i < n_listen && i < MAX_LISTENERS; i++)
		err = listen_at(t, listen_ports[i]);
	return err;
}

void prove_traffic_close(struct prove_traffic *t)
{
	if (!t)
		return;
	close(t->far);
	close(t->tap);
	for (unsigned int i = 0; i < 6; i++)
		close(t->raw[i / 3][i % 3]);
	for (size_t i = 0; i < t->n_ports; i++) {
		close(t->tcp[i]);
		close(t->udp[i]);
	}
	if (t->client >= 0)
		close(t->client);
}

/* ---- sending ---- */

int prove_inject(struct prove_traffic *t, const char *in, const struct prove_packet *packet)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET};
	uint8_t frame[ETHER_BYTES + sizeof(packet->bytes)] = {0};
	const struct net_link *l = netstate_link(t->net, in);
	char far[sizeof("far") + 3 * sizeof(size_t)];
	size_t i = 0;
	int err;

	while (i < t->proof->n_links && strcmp(t->proof->links[i], in) != 0)
		i++;
	if (!l || i == t->proof->n_links)
		return -ENODEV;
	snprintf(far, sizeof(far), "far%zu", i);
	err = sandbox_enter(t->proof->sb, t->proof->beyond);
	to.sll_ifindex = (int)if_nametoindex(far);
	if (err == 0)
		err = sandbox_enter(t->proof->sb, t->proof->gateway);
	if (err)
		return err;
	memcpy(frame, l->mac, 6);
	frame[6] = 0x02; /* a made-up sender */
	frame[11] = 0x01;
	be16_put(frame + 12, packet->bytes[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
	memcpy(frame + ETHER_BYTES, packet->bytes, packet->len);
	if (sendto(t->far, frame, ETHER_BYTES + packet->len, 0, (struct sockaddr *)&to,
		    sizeof(to)) < 0)
		return -errno;
	return 0;
}

int prove_connect(struct prove_traffic *t, const struct journey_question *q)
{
	bool echo = q->proto == PROTO_ICMP || q->proto == PROTO_ICMPV6;
	int family = q->dst.family == IP_V6 ? AF_INET6 : AF_INET;
	int kind = echo ? SOCK_RAW : q->proto == PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	struct ip_addr any = {.family = q->dst.family};
	union sockaddr_any to, from;
	socklen_t to_len = sockaddr_fill(&to, &q->dst, echo ? 0 : q->dport);
	socklen_t from_len =
		sockaddr_fill(&from, q->src.family ? &q->src : &any, echo ? 0 : q->sport);
	struct prove_packet packet;
	struct packet p = {.family = q->dst.family,
		.proto = q->proto,
		.icmp_type = q->proto == PROTO_ICMP ? 8 : 128,
		.sport = q->sport};
	size_t head = q->dst.family == IP_V6 ? 40 : 20;

	t->client = socket(family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, echo ? q->proto : 0);
	if (t->client < 0 || bind(t->client, &from.any, from_len) != 0)
		return -errno;
	if (!echo && connect(t->client, &to.any, to_len) != 0 && errno != EINPROGRESS)
		return -errno;
	if (q->proto == PROTO_TCP)
		return 0;
	if (!echo)
		return send(t->client, payload, sizeof(payload) - 1, 0) < 0 ? -errno : 0;
	/* As ping(8) does, unconnected. The kernel makes the checksum of ICMPv6; that of ICMP does not
	 * know addresses. */
	prove_write(&packet, &p, 0, 0);
	if (sendto(t->client, packet.bytes + head, packet.len - head, 0, &to.any, to_len) < 0)
		return -errno;
	return 0;
}

/* From the address that it was sent to, as a careful service does. */
static int answer_from(int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = {0};
	struct sockaddr_in6 peer;
	char text[64];
	struct iovec data = {text, sizeof(text)};
	struct msghdr m = {.msg_name = &peer,
		.msg_namelen = sizeof(peer),
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &m, 0);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
	struct in6_pktinfo info;

	if (!c)
		return n < 0 ? -errno : -EIO;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	info.ipi6_ifindex = 0;
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	data.iov_len = (size_t)n;
	return sendmsg(fd, &m, 0) < 0 ? -errno : 0;
}

int prove_answer_udp(struct prove_traffic *t, uint16_t port)
{
	for (size_t i = 0; i < t->n_ports; i++)
		if (t->ports[i] == port)
			return answer_from(t->udp[i]);
	return -ENOENT;
}

/* ---- seeing ---- */

static bool is_echo(const struct packet *p, bool *reply)
{
	*reply = p->icmp_type == (p->proto == PROTO_ICMP ? 0 : 129);
	return *reply || p->icmp_type == (p->proto == PROTO_ICMP ? 8 : 128);
}

/* What opens a connection and what an echo is shows in the packet itself; of others it shows in the
 * ports: what answers goes to the client's. */
static bool is_reply(const struct prove_traffic *t, const struct prove_sighting *s)
{
	const struct packet *p = &s->packet;
	uint16_t client = t->proof->journey->question.sport;
	bool reply = false;

	if (p->proto == PROTO_TCP && p->tcp_flags & TCP_SYN)
		return p->tcp_flags & TCP_ACK;
	if (p->proto != PROTO_TCP && p->proto != PROTO_UDP)
		return is_echo(p, &reply) && reply;
	return p->dport == client && p->sport != client;
}

static void note_sighting(struct prove_traffic *t, const struct prove_sighting *s, bool local)
{
	uint8_t proto = t->proof->journey->question.proto;
	bool unused;

	if (s->packet.proto == PROTO_TCP && proto == PROTO_TCP && s->packet.tcp_flags & TCP_RST) {
		t->refused |= !local;
		return;
	}
	if ((s->packet.proto == PROTO_ICMP || s->packet.proto == PROTO_ICMPV6) &&
		!is_echo(&s->packet, &unused)) {
		/* Unreachable, time exceeded, too big; not neighbours' and groups' talk. */
		bool error = s->packet.proto == PROTO_ICMP
				     ? s->packet.icmp_type == 3 || s->packet.icmp_type == 11
				     : s->packet.icmp_type < 5;

		t->refused |= error && !local;
		return;
	}
	if (s->packet.proto != proto)
		return;
	(local ? t->delivered : t->left)[is_reply(t, s)] = *s;
}

static bool parse(struct prove_sighting *s, const uint8_t *bytes, size_t len)
{
	size_t head = headers_network(&s->packet, bytes, len);

	if (!head)
		return false;
	headers_transport(&s->packet, bytes + head, len - head);
	if (s->packet.proto == PROTO_TCP && len >= head + 12) {
		s->seq = be32_at(bytes + head + 4);
		s->ack = be32_at(bytes + head + 8);
	}
	s->seen = true;
	return true;
}

static void read_tap(struct prove_traffic *t)
{
	uint8_t frame[FRAME_BYTES];
	struct sockaddr_ll from = {0};
	socklen_t from_len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(t->tap, frame, sizeof(frame), 0, (struct sockaddr *)&from,
			&from_len)) >= 0) {
		const struct net_link *l = netstate_link_by_index(t->net, from.sll_ifindex);
		struct prove_sighting s = {.interface = l ? l->name : NULL};

		from_len = sizeof(from);
		if (l && !l->loopback && from.sll_pkttype == PACKET_OUTGOING &&
			n > (ssize_t)ETHER_BYTES &&
			parse(&s, frame + ETHER_BYTES, (size_t)n - ETHER_BYTES))
			note_sighting(t, &s, false);
	}
}

/* A raw IPv6 socket gives no header: only that something came, and what is above. */
static void read_raw(struct prove_traffic *t, unsigned int v6, unsigned int i)
{
	static const uint8_t protos[2][3] = {
		{PROTO_TCP, PROTO_UDP, PROTO_ICMP}, {PROTO_TCP, PROTO_UDP, PROTO_ICMPV6}};
	uint8_t bytes[FRAME_BYTES];
	ssize_t n;

	while (t->raw[v6][i] >= 0 && (n = recv(t->raw[v6][i], bytes, sizeof(bytes), 0)) >= 0) {
		struct prove_sighting s = {.seen = true};

		if (!v6) {
			if (!parse(&s, bytes, (size_t)n))
				continue;
		} else {
			s.packet.family = IP_V6;
			s.packet.proto = protos[v6][i];
			s.packet.known = PKT_PROTO;
			headers_transport(&s.packet, bytes, (size_t)n);
			if (s.packet.proto == PROTO_TCP && n >= 12)
				s.seq = be32_at(bytes + 4);
		}
		note_sighting(t, &s, true);
	}
}

void prove_frames(struct prove_traffic *t)
{
	read_tap(t);
	for (unsigned int i = 0; i < 6; i++)
		read_raw(t, i / 3, i % 3);
}

static const struct prove_sighting *sighting(const struct prove_sighting *s)
{
	return s->seen ? s : NULL;
}

const struct prove_sighting *prove_left(const struct prove_traffic *t, bool reply)
{
	return sighting(&t->left[reply]);
}

const struct prove_sighting *prove_delivered(const struct prove_traffic *t, bool reply)
{
	return sighting(&t->delivered[reply]);
}

bool prove_refused(const struct prove_traffic *t)
{
	return t->refused;
}

void prove_forget(struct prove_traffic *t)
{
	memset(t->left, 0, sizeof(t->left));
	memset(t->delivered, 0, sizeof(t->delivered));
	t->refused = false;
}
