/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fib: what a rule learns of the routing tables: `fib`, addrtype, rpfilter, rt mtu.
 *
 * As net/ipv4/netfilter/nft_fib_ipv4.c, net/ipv6/netfilter/nft_fib_ipv6.c, ipt_rpfilter.c and
 * ip6t_rpfilter.c ask, and net/ipv4/fib_frontend.c and the like answer.
 */
#ifndef WALK_FIB_H
#define WALK_FIB_H

#include "netstate/netstate.h"
#include "walk/packet.h"

/*
 * What kind of address this is to the machine: RTN_* (enum route_type), or -1 where it cannot be told.
 * IPv4 asks the table "local" alone: all that is not in it is unicast. IPv6 looks up the route, for
 * which @p lends its other fields. @limited: to the addresses of @interface (NULL: of none).
 */
int walk_address_type(const struct netstate *net, const struct packet *p,
	const struct ip_addr *addr, bool limited, const char *interface);

/* Is it an address of this machine (or, if @limited, of @interface)? */
enum tri walk_address_is_local(const struct netstate *net, const struct ip_addr *addr, bool limited,
	const char *interface);

/* A question of `fib ... oif`. */
struct walk_fib_question {
	enum nft_hook hook;
	bool daddr; /* the way to the destination, else back to the source */
	bool mark;  /* as for the packet's mark, else for none */
	bool iif;   /* that it leads through the interface that the packet came in on */
};
/* Is there such a way? *@oif: YES: its interface; NULL where it is one of several. */
enum tri walk_fib_way(const struct netstate *net, const struct packet *p,
	const struct walk_fib_question *q, const char **oif);

/* Does the reverse path filter of iptables pass the packet? */
enum tri walk_rpfilter(const struct netstate *net, const struct packet *p, bool use_mark,
	bool loose, bool accept_local);

/* The largest TCP segment that fits both the way of the packet and the way back to its source, as
 * `rt mtu` and --clamp-mss-to-pmtu have it; 0: cannot be told. */
uint16_t walk_path_mss(const struct netstate *net, const struct packet *p);

#endif
