/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proposal: the config that a machine calls for, by what can be seen of it, and what is left to ask.
 *
 * Made in three steps, so that somebody can be asked in between: propose_look() finds the lines and the
 * networks inside, propose_maps() carries over the port forwards, propose_text() writes it all down.
 * What portreeve itself has put into the machine is not taken for the machine's; but a line that it has
 * in force keeps its name and its number.
 */
#ifndef WALK_PROPOSE_H
#define WALK_PROPOSE_H

#include "walk/import.h"

enum proposal_standing {
	LINE_FOUND,    /* it is an uplink */
	LINE_MAYBE,    /* it may be one: written as a comment, with a question */
	LINE_TWIN,     /* a second router for addresses that another line on the interface has */
	LINE_NAMELESS, /* the name of its interface cannot stand in a config */
	LINE_UNFIT,    /* nor can a router or an address that would have to */
	LINE_DENIED,   /* it looked like one, but somebody said that it is none */
};

struct proposal_uplink {
	struct gateway_uplink line; /* its name may be changed */
	enum proposal_standing standing;
	uint32_t number; /* 0: none is left */
	bool shares; /* another line is on its interface, so it must name its addresses and routers */
	const char *unfit;     /* which cannot, and why; NULL: all can */
	bool leased[2];	       /* its default route was set by DHCP, or by router advertisements */
	bool kept;	       /* name and number are those that portreeve has in force here */
	VEC(const char *) why; /* what speaks for it, a line each */
	VEC(struct ip_addr) routers; /* who may be its router, where no default route tells */
	struct ip_addr router;	     /* that is given for it; IP_NONE: none */
	bool router_sure;	     /* it need not be asked whether that is right */
	struct ip_addr public;	     /* that the world sees, if somebody said so; IP_NONE */
};

/* A host on an inside network. */
struct proposal_host {
	struct ip_addr addr;
	/* Ports on which it was seen to answer: protocol and port. */
	VEC(struct proposal_port {
		uint8_t proto;
		uint16_t port;
	})
	ports;
};

struct proposal_inside {
	const struct gateway_inside *inside;
	VEC(struct proposal_host) hosts; /* by address */
};

/* A map that somebody asked for. */
struct proposal_map {
	const char *name, *listen, *to; /* as the config takes them */
};

struct proposal {
	struct netstate net; /* the machine without what is portreeve's */
	struct gateway gateway;
	bool in_force; /* portreeve has something in force here: its maps are not looked at */
	VEC(struct proposal_uplink) uplinks;
	VEC(struct proposal_inside) insides;
	struct gateway chosen; /* with the lines that were found, and no others */
	struct import import;
	VEC(struct proposal_map) maps; /* besides those carried over */
	VEC(const char *) questions;   /* that the text asks, in its order */
	const char *text;
};

void propose_look(struct arena *a, const struct netstate *seen, struct proposal *out);
/* False: no line was found, and there is no config without. */
bool propose_maps(struct arena *a, struct proposal *p);
/* @source: where it was looked at: "this machine". @objection: why the maps carried over cannot stand
 * together; they are written as comments then. NULL: they can. */
void propose_text(struct arena *a, struct proposal *p, const char *source, const char *objection);

/* "1.1.1.1, 192.168.1.2 (private)"; "" where there is none. */
const char *proposal_addresses(struct arena *a, const struct gateway_uplink *line);
/* The family in which the line has addresses, or is to have them, but no default route tells its router.
 * IP_NONE: there is none, or what is on the line needs no router. */
uint8_t proposal_lacks_router(const struct proposal *p, const struct proposal_uplink *u);
/* Does the config name the router that the default route tells? What a lease brings is left to it, and a
 * router of the other family to the system, unless another line on the interface would be mistaken for this
 * one. @f: 0 IPv4, 1 IPv6. */
bool proposal_names_router(const struct proposal_uplink *u, unsigned int f);
/* Why no config takes the line as it is, as a question; NULL: that is not what stands against it. */
const char *proposal_obstacle(struct arena *a, const struct proposal_uplink *u);
/* Has no other line the name? */
bool proposal_name_is_free(
	const struct proposal *p, const struct proposal_uplink *u, const char *name);
/* Has it IPv4 addresses, and only private ones? */
bool proposal_is_behind(const struct proposal_uplink *u);

#endif
