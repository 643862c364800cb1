/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that prove a journey share; all within the sandbox. */
#ifndef REHEARSE_PROVE_PARTS_H
#define REHEARSE_PROVE_PARTS_H

#include "kernel/watch.h"
#include "rehearse/prove.h"

struct proof {
	struct sandbox *sb;
	struct arena *arena;
	const struct netstate *net;
	const struct journey *journey;
	const struct dump_file *files;
	size_t n_files;
	struct prove_result *out;
	unsigned int gateway, beyond; /* nodes */
	const char **links;	      /* whose far end is "farN" */
	size_t n_links;
};

/* Something was not brought in: a line of the notes. */
void prove_note(struct proof *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Returns -err, with the reason in the result. */
int prove_fail(struct proof *p, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* prove_load.c: make the gateway what the netstate and its files say. Leaves the process in it. */
int prove_load(struct proof *p);

/* prove_send.c: frames and what became of them. */

struct prove_traffic;
/* Bytes of an IP packet. */
struct prove_packet {
	uint8_t bytes[128];
	size_t len;
};
/* A packet that left, or was delivered. */
struct prove_sighting {
	bool seen;
	const char *interface; /* NULL: delivered here */
	struct packet packet;
	uint32_t seq, ack; /* TCP */
};

/* @listen: the ports of the gateway where somebody is to answer. */
int prove_traffic_open(struct proof *p, const struct netstate *loaded, const uint16_t *listen,
	size_t n_listen, struct prove_traffic **out);
void prove_traffic_close(struct prove_traffic *t);

void prove_write(struct prove_packet *out, const struct packet *p, uint32_t seq, uint32_t ack);
/* From beyond interface @in. 0 or -errno. */
int prove_inject(struct prove_traffic *t, const char *in, const struct prove_packet *packet);
/* A socket of the gateway itself sends the first packet. */
int prove_connect(struct prove_traffic *t, const struct journey_question *q);
/* Whoever listens at the gateway answers a UDP datagram that came to @port. */
int prove_answer_udp(struct prove_traffic *t, uint16_t port);
/* Take in what has happened since. */
void prove_frames(struct prove_traffic *t);
/* What left by an interface since prove_forget(): a request or a reply of @proto; a refusal (reset or
 * ICMP error). And what was delivered here. */
const struct prove_sighting *prove_left(const struct prove_traffic *t, bool reply);
const struct prove_sighting *prove_delivered(const struct prove_traffic *t, bool reply);
bool prove_refused(const struct prove_traffic *t);
void prove_forget(struct prove_traffic *t);

#endif
