/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of the small Internet: who has which, and inventing new ones. */
#include "rehearse/topology_parts.h"

#include <stdlib.h>

struct ip_addr topo_parse(const char *text)
{
	struct ip_addr addr = {0};

	if (ip_parse(text, &addr) != 0)
		abort(); /* a constant of ours */
	return addr;
}

struct ip_addr topo_v4(unsigned int a, unsigned int b, unsigned int c, unsigned int d)
{
	uint8_t bytes[4] = {(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d};

	return ip_from_bytes(IP_V4, bytes);
}

/* 2001:db8:NET::HOST, both up to 16 bits */
struct ip_addr topo_v6(unsigned int net, unsigned int host)
{
	uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8, (uint8_t)(net >> 8), (uint8_t)net};

	bytes[14] = (uint8_t)(host >> 8);
	bytes[15] = (uint8_t)host;
	return ip_from_bytes(IP_V6, bytes);
}

uint8_t topo_full_length(const struct ip_addr *addr)
{
	return (uint8_t)ip_bits(addr->family);
}

/* What people mostly have: /24 and /64. */
uint8_t topo_usual_length(uint8_t family)
{
	return family == IP_V6 ? 64 : 24;
}

/* Host number @host in the network of @addr with length @len (its last 16 bits are enough). */
struct ip_addr topo_host_in(const struct ip_addr *addr, uint8_t len, unsigned int host)
{
	struct ip_prefix net = ip_prefix_of(addr, len);
	struct ip_addr out = net.addr;
	unsigned int n = ip_bytes(out.family);

	out.bytes[n - 1] = (uint8_t)(out.bytes[n - 1] + host);
	if (host > 255)
		out.bytes[n - 2] = (uint8_t)(out.bytes[n - 2] + (host >> 8));
	return out;
}

/* ---- who has which address ---- */

bool topo_model_names(const struct model *m, const struct ip_addr *addr)
{
	VEC_EACH (&m->uplinks, struct uplink, u) {
		if (ip_equal(&u->gateway4.addr, addr) || ip_equal(&u->gateway6.addr, addr))
			return true;
		VEC_EACH (&u->addresses, struct located_addr, x)
			if (ip_equal(&x->addr, addr))
				return true;
		VEC_EACH (&u->publics, struct located_addr, x)
			if (ip_equal(&x->addr, addr))
				return true;
	}
	return false;
}

bool topo_world_has(const struct topology *t, const struct ip_addr *addr)
{
	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		VEC_EACH (&u->addrs, struct topo_address, x)
			if (ip_equal(&x->world, addr))
				return true;
	return false;
}

bool topo_uplinks_have(const struct topology *t, const struct ip_addr *addr)
{
	VEC_EACH (&t->uplinks, struct topo_uplink, u) {
		if (ip_equal(&u->gateway[0], addr) || ip_equal(&u->gateway[1], addr))
			return true;
		VEC_EACH (&u->addrs, struct topo_address, x)
			if (ip_equal(&x->addr, addr))
				return true;
	}
	return false;
}

/* Is @addr in a network that the gateway is directly on? */
bool topo_gateway_is_beside(const struct topology *t, const struct ip_addr *addr)
{
	struct ip_prefix net;

	VEC_EACH (&t->uplinks, struct topo_uplink, u)
		VEC_EACH (&u->addrs, struct topo_address, x) {
			net = ip_prefix_of(&x->addr, x->prefix_len);
			if (ip_in_prefix(addr, &net))
				return true;
		}
	VEC_EACH (&t->insides, struct topo_inside, in)
		VEC_EACH (&in->prefixes, struct topo_prefix, p) {
			net = ip_prefix_of(&p->gateway, p->len);
			if (ip_in_prefix(addr, &net))
				return true;
		}
	if (t->live)
		VEC_EACH (&t->live->addrs, struct net_addr, x) {
			net = ip_prefix_of(&x->addr, x->prefix_len);
			if (ip_in_prefix(addr, &net))
				return true;
		}
	return false;
}
