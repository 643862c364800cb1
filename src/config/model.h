/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model: what the config file says, checked, with every place kept.
 *
 * It holds only what can be known from the file. Defaults that depend on the machine (an uplink's
 * addresses, its gateway, a map's return) stay "auto" here and are settled by the plan.
 * Everything lives in the arena given to config_load().
 */
#ifndef CONFIG_MODEL_H
#define CONFIG_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/ip.h"
#include "base/vec.h"

/* Named limits; each has a clear error. */
#define LIMIT_CONFIG_BYTES (64u << 20)
#define LIMIT_MAPS	   65535u
#define LIMIT_ELEMENTS	   1048576u /* kernel map elements that one config may call for */
#define LIMIT_NAME	   63u
#define LIMIT_SNAT	   64u	  /* SNAT addresses of one map */
#define LIMIT_ADDRESSES	   256u	  /* addresses of one uplink */
#define LIMIT_FROM	   65536u /* prefixes of one from list */

enum gateway_kind {
	GATEWAY_AUTO,	 /* what the machine's default route on the interface says */
	GATEWAY_ADDRESS, /* next hop */
	GATEWAY_ONLINK,	 /* point-to-point: the default route has no next hop */
	GATEWAY_NONE,	 /* the file gives one for the other family only, and auto found none */
};

struct located_addr {
	struct ip_addr addr;
	struct span at;
};

struct located_prefix {
	struct ip_prefix prefix;
	struct span at;
};

struct uplink_gateway {
	enum gateway_kind kind;
	struct ip_addr addr; /* GATEWAY_ADDRESS */
	struct span at;
};

struct uplink {
	const char *name;
	struct span at; /* the name */
	const char *interface;
	struct span interface_at;
	VEC(struct located_addr) addresses; /* empty: all that the interface has */
	VEC(struct located_addr) publics;   /* at most one per family */
	struct uplink_gateway gateway4, gateway6;
	uint32_t number; /* 0: to be chosen */
	struct span number_at;
};

/* One listener: a protocol and a port or port range. */
struct listen {
	uint8_t proto;	      /* PROTO_TCP, PROTO_UDP, PROTO_SCTP */
	uint16_t first, last; /* equal for a single port */
	struct span at;
};

/* One entry of `on`: an uplink, or one address of an uplink. */
struct map_on {
	const struct uplink
		*uplink;     /* the uplink, or the owner of the address where the file says */
	struct ip_addr addr; /* IP_NONE: every address of the uplink */
	struct span at;
};

enum return_mode {
	RETURN_AUTO,
	RETURN_DIRECT,
	RETURN_SNAT, /* snat[] empty: the gateway's address on the network of the backend's route */
};

struct map {
	const char *name;
	struct span at; /* the name */
	bool enabled;
	VEC(struct listen) listens;
	VEC(struct map_on) on; /* empty: every uplink, every address */
	struct ip_addr to;
	uint16_t to_port; /* first backend port; 0: the listening port */
	struct span to_at;
	enum return_mode return_mode;
	struct span return_at;
	VEC(struct located_addr) snat;
	VEC(struct located_prefix) from; /* sorted, none inside another; empty: everyone */
	struct span from_at;
};

struct model {
	uint32_t mark_mask;    /* the bits of the mark that are ours; contiguous */
	uint32_t rules_first;  /* preference of the first ip rule */
	uint32_t tables_first; /* number of the first routing table */
	bool guard;
	struct span mark_at, rules_at, tables_at;
	VEC(struct uplink) uplinks;
	VEC(struct map) maps;
};

#define DEFAULT_MARK_MASK    0xff000000u
#define DEFAULT_RULES_FIRST  500u
#define DEFAULT_TABLES_FIRST 70000u

/*
 * How the mark's bits are used: the highest bit of the mask says "translated by portreeve", the
 * others hold the uplink's number. So eight bits carry 127 uplinks.
 */
static inline uint32_t mark_ours_bit(uint32_t mask)
{
	return mask & ~(mask >> 1);
}

static inline uint32_t mark_number_mask(uint32_t mask)
{
	return mask & ~mark_ours_bit(mask);
}

static inline uint32_t mark_of_number(uint32_t mask, uint32_t number)
{
	return mask ? number * (mask & ~(mask << 1)) : 0;
}

static inline uint32_t mark_max_number(uint32_t mask)
{
	return mask ? mark_number_mask(mask) / (mask & ~(mask << 1)) : 0;
}

#endif
