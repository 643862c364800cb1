/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that settle a topology share. */
#ifndef REHEARSE_TOPOLOGY_PARTS_H
#define REHEARSE_TOPOLOGY_PARTS_H

#include "rehearse/topology.h"

/* ---- addresses.c ---- */

struct ip_addr topo_parse(const char *text); /* aborts where it is none */
struct ip_addr topo_v4(unsigned int a, unsigned int b, unsigned int c, unsigned int d);
struct ip_addr topo_v6(unsigned int net, unsigned int host); /* 2001:db8:NET::HOST, 16 bits each */
uint8_t topo_full_length(const struct ip_addr *addr);	     /* 32 or 128 */
uint8_t topo_usual_length(uint8_t family); /* of a network, where nothing else is known: 24, 64 */
/* Host number @host in the network of @addr with length @len (its last 16 bits are enough). */
struct ip_addr topo_host_in(const struct ip_addr *addr, uint8_t len, unsigned int host);

/* Is @addr anything in the config's uplinks; an address that the world uses; an uplink's or its
 * router's? */
bool topo_model_names(const struct model *m, const struct ip_addr *addr);
bool topo_world_has(const struct topology *t, const struct ip_addr *addr);
bool topo_uplinks_have(const struct topology *t, const struct ip_addr *addr);
/* Is @addr in a network that the gateway is directly on? */
bool topo_gateway_is_beside(const struct topology *t, const struct ip_addr *addr);

/* ---- uplinks.c ---- */

/* Is this machine the gateway that the config is about? An interface named eth0 is not enough. */
bool topo_live_fits(const struct netstate *live, const struct model *m);
void topo_settle_uplinks(struct arena *a, struct topology *t, const struct model *m);

/* ---- insides.c ---- */

/* Every enabled map's backend gets a network at the gateway, whether it is tried or not: the plan
 * wants a route to each. With @as_is only where this machine has one. */
void topo_settle_insides(struct arena *a, struct topology *t, const struct model *m, bool as_is);

#endif
