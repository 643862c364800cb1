/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sniffers: what passes on a line, as evidence and as captures. */
#ifndef REHEARSE_SNIFF_H
#define REHEARSE_SNIFF_H

#include <stdint.h>

#include "rehearse/stage.h"

enum sniff_place {
	SNIFF_ISP,  /* an ISP's interface towards the gateway */
	SNIFF_LAN,  /* the backends' interface towards the gateway */
	SNIFF_LINE, /* the backends' own line */
};

struct sniffer {
	int fd;
	enum sniff_place place;
	unsigned int uplink; /* SNIFF_ISP */
	int capture;	     /* file; -1: none */
};

/* The fields of a packet that matter here. */
struct sniffed {
	struct ip_addr src, dst;
	uint8_t proto;
	uint16_t sport, dport;
};

/* An interface of @node, which must have been entered. 0 or -errno. */
int sniff_open(struct stage *st, struct sniffer *s, enum sniff_place place, unsigned int uplink,
	unsigned int node, const char *interface);
void sniff_close(struct sniffer *s);

/* Take in what has arrived: note it in the sightings of the report. */
void sniff_read(struct stage *st, struct sniffer *s);

/* Decode an Ethernet frame. False: not TCP, UDP or SCTP over IP, a later fragment, or cut off. */
bool sniff_parse(const uint8_t *frame, size_t len, struct sniffed *out);

/* Note what a packet says about its probe. @outgoing: sent by the node that looks. Pure. */
void sniff_note(const struct rehearse_result *r, enum sniff_place place, unsigned int uplink,
	bool outgoing, const struct sniffed *p, struct sighting *sightings);

#endif
