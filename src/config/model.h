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
#define LIMIT_CONFIG_BYTES   (64u << 20)
#define LIMIT_MAPS	     65535u
#define LIMIT_ELEMENTS	     1048576u /* kernel map elements that one config may call for */
#define LIMIT_NAME	     63u
#define LIMIT_SNAT	     64u    /* SNAT addresses of one map */
#define LIMIT_ADDRESSES	     256u   /* addresses of one uplink */
#define LIMIT_FROM	     65536u /* prefixes of one from list */
#define LIMIT_BACKENDS	     64u    /* backends of one map */
#define LIMIT_SPREADS	     4096u /* different sets of them: the kernel's time grows with the square */
#define LIMIT_WEIGHT	     100u
#define LIMIT_CHECKS	     8u	 /* checks of one uplink or map */
#define LIMIT_TARGETS	     16u /* targets of one check */
#define LIMIT_HOOK	     16u /* words of the hook command */
#define LIMIT_FASTPATH_FLOWS 4194304u
#define LIMIT_FASTPATHS	     256u /* interfaces with a mode of their own */

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

/* ---- checks: is a line, or a backend, any good ---- */

enum check_kind { CHECK_ICMP, CHECK_TCP, CHECK_HTTP, CHECK_DNS };

struct check_target {
	const char *text; /* as the file has it; of icmp, also CHECK_GATEWAY, without an address */
	struct ip_addr addr; /* of http, IP_NONE: the host in the URL is a name */
	uint16_t port;	     /* tcp, http, dns */
	struct span at;
};

/*
 * One check. An uplink's is sent to its targets by that uplink; a map's is sent to each of the map's
 * backends from inside, and has no targets but for what `http` says of the path.
 */
struct check {
	enum check_kind kind;
	VEC(struct check_target) targets;
	const char *path;		    /* http: of the request, "/health" */
	const char *host;		    /* http: for the Host header; NULL: the target's */
	uint16_t expect_first, expect_last; /* http: good answers; 200-399 */
	const char *query;		    /* dns: the name to ask for; default "." (its NS) */
	uint16_t port;			    /* a map's: other than the backend's; 0: that */
	uint32_t need;			    /* so many targets must answer; 1 */
	uint32_t every_ms, timeout_ms;	    /* 5 s, 2 s; the timeout is the shorter */
	uint32_t rise, fall;		    /* so many rounds alike change the state; 2, 3 */
	struct span at;
};
#define DEFAULT_CHECK_EVERY_MS	 5000u
#define DEFAULT_CHECK_TIMEOUT_MS 2000u
#define DEFAULT_CHECK_RISE	 2u
#define DEFAULT_CHECK_FALL	 3u
#define CHECK_GATEWAY		 "gateway" /* text of the target that is the uplink's gateway */

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
	VEC(struct check)
	checks; /* empty: it is up when it has a carrier, an address and a gateway */
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

struct backend {
	struct ip_addr addr;
	uint16_t port;	 /* first backend port; 0: the listening port */
	uint16_t weight; /* its share of new connections, 1 to LIMIT_WEIGHT */
	struct span at;
};

/* How new connections are shared among the backends that are up. */
enum balance {
	BALANCE_HASH,	/* by the client's address: a client stays with its backend */
	BALANCE_RANDOM, /* each connection by itself */
	BALANCE_FIRST,	/* the first in the file's order */
};
enum when_down { WHEN_DOWN_KEEP, WHEN_DOWN_CUT }; /* the connections of a backend that went down */
enum all_down { ALL_DOWN_TRY, ALL_DOWN_REFUSE };  /* new ones, when no backend is up */

/* The backend's port for the listener's @port: ranges shift by the same distance. */
static inline uint16_t backend_port_for(
	const struct backend *b, const struct listen *l, uint16_t port)
{
	return b->port ? (uint16_t)(b->port + (port - l->first)) : port;
}

struct map {
	const char *name;
	struct span at; /* the name */
	bool enabled;
	VEC(struct listen) listens;
	VEC(struct map_on) on;	      /* empty: every uplink, every address */
	VEC(struct backend) backends; /* at least one; all of one family */
	enum balance balance;
	enum when_down when_down;
	enum all_down all_down;
	struct span balance_at, when_down_at, all_down_at;
	VEC(struct check) checks; /* empty: its backends are taken for up */
	enum return_mode return_mode;
	struct span return_at;
	VEC(struct located_addr) snat;
	VEC(struct located_prefix) from; /* sorted, none inside another; empty: everyone */
	struct span from_at;
};

/* IPv4 or IPv6: that of its backends. IP_NONE: they could not be read. */
static inline uint8_t map_family(const struct map *m)
{
	return m->backends.len ? m->backends.items[0].addr.family : IP_NONE;
}

/* How packets of known connections go through: `gateway.fastpath`. */
enum fastpath_mode { FASTPATH_OFF, FASTPATH_AUTO, FASTPATH_XDP, FASTPATH_TC };
#define FASTPATH_MODES 4u
extern const char *const fastpath_mode_names[FASTPATH_MODES]; /* as the file has them */

struct fastpath_of {
	const char *interface;
	enum fastpath_mode mode;
	struct span at;
};

struct model {
	uint32_t mark_mask;    /* the bits of the mark that are ours; contiguous */
	uint32_t rules_first;  /* preference of the first ip rule */
	uint32_t tables_first; /* number of the first routing table */
	bool guard;
	VEC(const char *) hook; /* the command and its arguments; empty: none */
	uint32_t hook_timeout_ms;
	struct ip_addr metrics; /* the read-only TCP listener; IP_NONE: off */
	uint16_t metrics_port;
	bool watch;		     /* `run` reads the file anew when it changes */
	enum fastpath_mode fastpath; /* of interfaces that are not named */
	VEC(struct fastpath_of) fastpaths;
	uint32_t fastpath_flows; /* connections that the cache has room for */
	struct span fastpath_at;
	struct span hook_at, metrics_at;
	struct span mark_at, rules_at, tables_at;
	VEC(struct uplink) uplinks;
	VEC(struct map) maps;
};

#define DEFAULT_MARK_MASK      0xff000000u
#define DEFAULT_RULES_FIRST    500u
#define DEFAULT_TABLES_FIRST   70000u
#define DEFAULT_METRICS_PORT   9180u
#define DEFAULT_HOOK_TIMEOUT   10000u /* ms */
#define DEFAULT_FASTPATH_FLOWS 65536u

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
