/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netstate: one picture of a machine's network.
 *
 * It has three sources (the plan; the live kernel; dumps) and one meaning. Interfaces are named,
 * not numbered, since a plan must outlive an index. A netstate that the plan made holds only what
 * portreeve owns, each object with the config place that it came from. One that was read from dumps
 * has in `at.line` and `file` where each object stood.
 *
 * `have` says which parts were looked at: a part that is missing there is not known, which is not
 * the same as empty.
 */
#ifndef NETSTATE_NETSTATE_H
#define NETSTATE_NETSTATE_H

#include "netstate/ruleset.h"

enum netstate_part {
	HAVE_LINKS = 1 << 0,
	HAVE_ADDRS = 1 << 1,
	HAVE_ROUTES4 = 1 << 2, /* of all tables, or of those that rules name */
	HAVE_ROUTES6 = 1 << 3,
	HAVE_RULES4 = 1 << 4,
	HAVE_RULES6 = 1 << 5,
	HAVE_SYSCTLS = 1 << 6, /* those that are there; one that is missing is not known */
	HAVE_LISTENERS = 1 << 7,
	HAVE_NFT = 1 << 8,     /* nft's own tables, and what iptables-nft put there */
	HAVE_LEGACY4 = 1 << 9, /* iptables-legacy: is there, or is known to be empty */
	HAVE_LEGACY6 = 1 << 10,
	HAVE_IPSETS = 1 << 11,
	HAVE_NEIGHBOURS = 1 << 12,
	HAVE_FLOWS = 1 << 13,
	/* Some routing table may be missing: only `ip route` of main was given. */
	HAVE_ONLY_MAIN4 = 1 << 14,
	HAVE_ONLY_MAIN6 = 1 << 15,
};

struct net_link {
	int index;
	const char *name;
	const char *kind; /* "veth", "bridge", ...; NULL: a physical or unknown one */
	bool up, carrier, loopback, point_to_point;
	uint32_t mtu;
	int master; /* index of the bridge or VRF; 0: none */
	uint32_t group;
	uint32_t vrf_table; /* of a VRF; 0: it is none */
	bool has_mac;
	uint8_t mac[6];
};

struct net_addr {
	const char *interface;
	struct ip_addr addr;
	struct ip_addr peer; /* point-to-point; IP_NONE: none */
	uint8_t prefix_len;
	uint8_t scope;	/* RT_SCOPE_*: 0 global, 253 link, 254 host */
	bool secondary; /* v4: not the first of its subnet; v6: temporary address (RFC 8981) */
	bool unusable;	/* v6: tentative, dadfailed or deprecated */
};

enum { TABLE_DEFAULT = 253, TABLE_MAIN = 254, TABLE_LOCAL = 255 };
/* RTN_* of the kernel */
enum route_type {
	ROUTE_UNICAST = 1,
	ROUTE_LOCAL,
	ROUTE_BROADCAST,
	ROUTE_ANYCAST,
	ROUTE_MULTICAST,
	ROUTE_BLACKHOLE,
	ROUTE_UNREACHABLE,
	ROUTE_PROHIBIT,
	ROUTE_THROW,
};

struct net_nexthop {
	struct ip_addr gateway; /* IP_NONE: on-link */
	const char *interface;	/* NULL: none (types without one) */
	uint32_t weight;	/* from 1 */
	bool onlink, dead, linkdown;
};

struct net_route {
	uint8_t family; /* enum ip_family */
	uint32_t table;
	const char *table_name; /* of a dump without its number: `table` is made up; NULL */
	struct ip_prefix dst;	/* len 0: default */
	struct ip_prefix src;	/* v6 source routing; family IP_NONE: none */
	uint8_t tos, type /* enum route_type */, protocol, scope;
	uint32_t metric;
	struct ip_addr prefsrc;
	uint32_t mtu; /* 0: the device's */
	VEC(struct net_nexthop) nexthops;
	struct span at;
	const char *file; /* of a dump; NULL: none */
};

enum rule_action {
	RULE_LOOKUP = 1,
	RULE_GOTO,
	RULE_NOP,
	RULE_BLACKHOLE = 6,
	RULE_UNREACHABLE,
	RULE_PROHIBIT
};

struct net_rule {
	uint8_t family;
	uint32_t preference;
	bool invert;
	struct ip_prefix src, dst; /* addr.family IP_NONE: any */
	const char *iif, *oif;
	uint32_t mark, mask; /* mask 0: any */
	uint8_t tos, ip_proto, protocol;
	uint16_t sport[2], dport[2]; /* first, last; last 0: any */
	uint32_t uid[2];
	bool has_uid, l3mdev;
	uint8_t action;		/* enum rule_action */
	uint32_t table;		/* LOOKUP */
	const char *table_name; /* as of net_route */
	uint32_t goto_preference;
	int32_t suppress_prefixlen; /* -1: none */
	bool has_suppress_ifgroup;
	uint32_t suppress_ifgroup;
	uint64_t tun_id; /* 0: any */
	/* It has selectors besides that are not kept here (flow label, masks of ports or DSCP):
	 * whether it applies cannot be told. */
	bool more_selectors;
	struct span at;
	const char *file; /* of a dump; NULL: none */
};

/* The key is the path below /proc/sys/ with dots between parts, and '/' for a dot inside an
 * interface name (as sysctl(8) does): "net.ipv4.conf.eth0/7.rp_filter". */
struct net_sysctl {
	const char *key;
	const char *value;
	struct span at;
};

/* A socket of the gateway itself that listens. */
struct net_listener {
	uint8_t proto;
	struct ip_addr addr; /* unspecified: any (family v6 any takes v4 too unless v6_only) */
	uint16_t port;
	bool v6_only;
	const char *interface; /* bound to; NULL: any */
	const char *process;   /* "sshd", where it could be told; NULL */
};

enum neighbour_state { NEIGHBOUR_NONE, NEIGHBOUR_REACHABLE, NEIGHBOUR_STALE, NEIGHBOUR_FAILED };
struct net_neighbour {
	const char *interface;
	struct ip_addr addr;
	bool has_mac;
	uint8_t mac[6];
	uint8_t state; /* enum neighbour_state; everything that may be used is REACHABLE or STALE */
};

/* One direction of a connection. Ports in host order; of ICMP echoes the identifier is `sport` of the
 * original and `dport` of the reply, as far as it is known. */
struct flow_tuple {
	struct ip_addr src, dst;
	uint16_t sport, dport;
};

/* A connection that conntrack has. */
struct net_flow {
	uint8_t proto;
	struct flow_tuple original, reply;
	uint32_t mark;
	uint32_t
		status; /* IPS_*, as far as the dump tells (SEEN_REPLY, ASSURED, NAT from the tuples) */
	const char *state; /* of TCP: "ESTABLISHED"; NULL: none */
	uint32_t timeout_s;
	uint16_t zone;
	bool offloaded;
	struct span at;
	const char *file;
};

struct netstate {
	uint32_t have;	     /* enum netstate_part */
	const char *release; /* of the kernel, as uname() has it: "6.18.4"; NULL: not known */
	VEC(struct net_link) links;
	VEC(struct net_addr) addrs;
	VEC(struct net_route) routes;
	VEC(struct net_rule) rules; /* by family, then preference, then the kernel's order */
	VEC(struct net_sysctl) sysctls;
	VEC(struct net_listener) listeners;
	VEC(struct net_neighbour) neighbours;
	VEC(struct net_flow) flows;
	struct nft_ruleset ruleset;
};

const struct net_link *netstate_link(const struct netstate *s, const char *name);
const struct net_link *netstate_link_by_index(const struct netstate *s, int index);
/* As one of the machine's own; NULL: it is none. The first, where several interfaces have it. */
const struct net_addr *netstate_addr(const struct netstate *s, const struct ip_addr *addr);
const char *netstate_sysctl(const struct netstate *s, const char *key); /* NULL: not known */
long netstate_sysctl_int(const struct netstate *s, const char *key, long otherwise);
/* "net.ipv4.conf.IF.what" in @a, with dots of the interface name turned to '/' */
const char *netstate_conf_key(
	struct arena *a, uint8_t family, const char *interface, const char *what);

/* The route that table @table has for @dst: longest prefix, then metric; unicast or not. NULL: none.
 * Does not apply ip rules. */
const struct net_route *netstate_route(
	const struct netstate *s, uint32_t table, const struct ip_addr *dst);

bool net_route_equal(const struct net_route *a, const struct net_route *b); /* all but `at` */
bool net_rule_equal(const struct net_rule *a, const struct net_rule *b);

/* Text, as nft and iproute2 take it. */
void nft_print_table(struct strbuf *out, const struct nft_table *t); /* table NAME { ... } */
/* One element without what is around it: "tcp . 1.1.1.1 . 80 : 192.168.0.2 . 80" */
void nft_print_element(struct strbuf *out, const struct nft_set *s, size_t i);
void nft_print_rule(struct strbuf *out, const struct nft_rule *r);
/* "ip nat", "ip nat (legacy)"; the rule in its own words, as its dump, iptables or nft has it (the
 * policy where @r is NULL); where it stands: "iptables-save.txt:12", "handle 7", or "". */
const char *nft_table_words(struct arena *a, const struct nft_table *t);
const char *nft_rule_words(struct arena *a, const struct nft_table *t, const struct nft_chain *c,
	const struct nft_rule *r);
const char *nft_rule_place(struct arena *a, const struct nft_rule *r);
void nft_print_expr(struct strbuf *out, const struct nft_expr *e);
void net_route_print(struct strbuf *out,
	const struct net_route *r); /* "default via 1.1.1.254 dev eth0 table 70001 proto 180" */
void net_rule_print(struct strbuf *out,
	const struct net_rule *r); /* "pref 501 fwmark 0x1000000/0x7f000000 lookup 70001" */
void net_sysctl_print(
	struct strbuf *out, const struct net_sysctl *s); /* "net.ipv4.conf.eth0.rp_filter=2" */

#endif
