/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames for the fast path's tests: whole ones, with right checksums, made from a few words. */
#ifndef TEST_BPF_FRAMES_H
#define TEST_BPF_FRAMES_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "nat.h"
#include "reference.h"

#define FRAME_BYTES 2048

struct frame {
	uint8_t bytes[FRAME_BYTES];
	size_t len;
	bool v6;
};

struct spec {
	const char *src, *dst; /* IPv6 where they hold a colon */
	uint16_t sport, dport;
	uint8_t proto, flags; /* of TCP; 0: ACK */
	uint16_t payload;     /* bytes */
	uint32_t seq, ack;    /* of TCP */
	const char *dmac, *smac;
};

static inline void frame_mac(uint8_t *to, const char *text)
{
	unsigned b[6] = {2, 0, 0, 0, 0, 0};

	if (text)
		sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]);
	for (int i = 0; i < 6; i++)
		to[i] = (uint8_t)b[i];
}

static inline void frame_make(struct frame *f, const struct spec *s)
{
	bool v6 = strchr(s->src, ':');
	size_t header = s->proto == FP_TCP ? 20 : 8, l4 = AT_L4(v6);
	uint8_t *b = f->bytes, *ip = b + AT_IP;

	memset(f, 0, sizeof(*f));
	f->v6 = v6;
	f->len = l4 + header + s->payload;
	frame_mac(b, s->dmac);
	frame_mac(b + 6, s->smac);
	reference_put_16(b + 12, v6 ? 0x86dd : 0x0800);
	if (v6) {
		ip[0] = 0x60;
		reference_put_16(ip + 4, (unsigned)(header + s->payload));
		ip[6] = s->proto;
		ip[7] = 64;
		inet_pton(AF_INET6, s->src, ip + 8);
		inet_pton(AF_INET6, s->dst, ip + 24);
	} else {
		ip[0] = 0x45;
		reference_put_16(ip + 2, (unsigned)(20 + header + s->payload));
		ip[6] = 0x40; /* do not fragment */
		ip[8] = 64;
		ip[9] = s->proto;
		inet_pton(AF_INET, s->src, ip + 12);
		inet_pton(AF_INET, s->dst, ip + 16);
	}
	reference_put_16(b + l4, s->sport);
	reference_put_16(b + l4 + 2, s->dport);
	if (s->proto == FP_TCP) {
		reference_put_16(b + l4 + 4, s->seq >> 16);
		reference_put_16(b + l4 + 6, s->seq);
		reference_put_16(b + l4 + 8, s->ack >> 16);
		reference_put_16(b + l4 + 10, s->ack);
		b[l4 + 12] = 5 << 4;
		reference_put_16(b + l4 + 14, 0xfff0); /* window */
		b[l4 + 13] = s->flags ? s->flags : FP_ACK;
	} else {
		reference_put_16(b + l4 + 4, (unsigned)(header + s->payload));
	}
	for (size_t i = 0; i < s->payload; i++)
		b[l4 + header + i] = (uint8_t)(i * 7 + 1);
	reference_seal(b, v6);
}

#endif
