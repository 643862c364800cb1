/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes and rules: add or delete exactly one. */
#include "kernel/route.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

/* A request with the largest multipath that the kernel is asked for here, or a clear error. */
#define REQUEST_BYTES 16384
#define LIMIT_HOPS    256u

static uint8_t af_of(uint8_t family)
{
	return family == IP_V6 ? AF_INET6 : AF_INET;
}

static int on_index(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(nlh);

	*(int *)data = m->ifi_index;
	return MNL_CB_OK;
}

/* Asked over our own socket: if_nametoindex() would ask the caller's namespace. */
static int index_of(struct kernel *k, const char *name, int *index, struct kernel_error *e)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int err;

	*index = 0;
	if (!name)
		return 0;
	nlh->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	if (!mnl_attr_put_strz_check(nlh, sizeof(buf), IFLA_IFNAME, name))
		return kernel_error_set(e, ENODEV, "there is no interface %s", name);
	err = kernel_talk(k, k->route, nlh, on_index, index, e);
	if (err == -ENODEV)
		return kernel_error_set(e, ENODEV, "there is no interface %s", name);
	return err;
}

static void put_addr(struct nlmsghdr *nlh, uint16_t type, const struct ip_addr *addr)
{
	if (addr->family)
		mnl_attr_put(nlh, type, ip_bytes(addr->family), addr->bytes);
}

/* A v4 route may have a v6 gateway (RFC 5549), which has an attribute of its own. */
static void put_gateway(struct nlmsghdr *nlh, uint8_t family, const struct ip_addr *gateway)
{
	struct {
		struct rtvia via;
		uint8_t addr[16];
	} v = {.via.rtvia_family = af_of(gateway->family)};

	if (!gateway->family || gateway->family == family) {
		put_addr(nlh, RTA_GATEWAY, gateway);
		return;
	}
	memcpy(v.addr, gateway->bytes, ip_bytes(gateway->family));
	mnl_attr_put(nlh, RTA_VIA, sizeof(v.via) + ip_bytes(gateway->family), &v);
}

static int put_multipath(
	struct kernel *k, struct nlmsghdr *nlh, const struct net_route *r, struct kernel_error *e)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, RTA_MULTIPATH);

	VEC_EACH (&r->nexthops, const struct net_nexthop, hop) {
		struct rtnexthop *nh = mnl_nlmsg_get_payload_tail(nlh);
		int index, err = index_of(k, hop->interface, &index, e);

		if (err)
			return err;
		memset(nh, 0, sizeof(*nh));
		nh->rtnh_ifindex = index;
		nh->rtnh_flags = hop->onlink ? RTNH_F_ONLINK : 0;
		nh->rtnh_hops = (uint8_t)(hop->weight ? hop->weight - 1 : 0);
		nlh->nlmsg_len += RTNH_LENGTH(0);
		put_gateway(nlh, r->family, &hop->gateway);
		nh->rtnh_len =
			(uint16_t)((uint8_t *)mnl_nlmsg_get_payload_tail(nlh) - (uint8_t *)nh);
	}
	mnl_attr_nest_end(nlh, nest);
	return 0;
}

static int put_nexthops(
	struct kernel *k, struct nlmsghdr *nlh, const struct net_route *r, struct kernel_error *e)
{
	const struct net_nexthop *hop = r->nexthops.items;
	struct rtmsg *m = mnl_nlmsg_get_payload(nlh);
	int index, err;

	if (r->nexthops.len > LIMIT_HOPS)
		return kernel_error_set(
			e, E2BIG, "more than %u next hops in one route", LIMIT_HOPS);
	if (r->nexthops.len > 1)
		return put_multipath(k, nlh, r, e);
	if (!r->nexthops.len)
		return 0;
	err = index_of(k, hop->interface, &index, e);
	if (err)
		return err;
	if (hop->onlink)
		m->rtm_flags |= RTNH_F_ONLINK;
	put_gateway(nlh, r->family, &hop->gateway);
	if (index)
		mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)index);
	return 0;
}

/* Deletion names everything too: the kernel deletes the first route that has all that was named. */
static int route_request(struct kernel *k, uint16_t type, uint16_t flags, const struct net_route *r,
	struct kernel_error *e)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *m;
	int err;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->rtm_family = af_of(r->family);
	m->rtm_dst_len = r->dst.len;
	m->rtm_src_len = r->src.addr.family ? r->src.len : 0;
	m->rtm_tos = r->tos;
	m->rtm_protocol = r->protocol;
	m->rtm_scope = r->scope;
	m->rtm_type = r->type;
	mnl_attr_put_u32(nlh, RTA_TABLE, r->table);
	if (r->dst.len)
		put_addr(nlh, RTA_DST, &r->dst.addr);
	if (m->rtm_src_len)
		put_addr(nlh, RTA_SRC, &r->src.addr);
	if (r->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, r->metric);
	put_addr(nlh, RTA_PREFSRC, &r->prefsrc);
	err = put_nexthops(k, nlh, r, e);
	return err ? err : kernel_talk(k, k->route, nlh, NULL, NULL, e);
}

int kernel_route_add(struct kernel *k, const struct net_route *r, struct kernel_error *e)
{
	/* With NLM_F_EXCL a v6 route beside another of the same prefix and metric is refused, as in
	 * v4; without it the two would become one multipath route. */
	return route_request(k, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, r, e);
}

int kernel_route_replace(struct kernel *k, const struct net_route *r, struct kernel_error *e)
{
	return route_request(k, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, r, e);
}

int kernel_route_delete(struct kernel *k, const struct net_route *r, struct kernel_error *e)
{
	return route_request(k, RTM_DELROUTE, 0, r, e);
}

static void put_prefix(struct nlmsghdr *nlh, uint16_t type, const struct ip_prefix *p)
{
	if (p->addr.family && p->len)
		put_addr(nlh, type, &p->addr);
}

static void put_ports(struct nlmsghdr *nlh, uint16_t type, const uint16_t ports[2])
{
	struct fib_rule_port_range range = {ports[0], ports[1]};

	if (ports[1])
		mnl_attr_put(nlh, type, sizeof(range), &range);
}

/* Rules may name an interface that is not there yet, but not one that can never be. */
static bool fits(const char *interface)
{
	return !interface || strnlen(interface, IFNAMSIZ) < IFNAMSIZ;
}

static int rule_request(struct kernel *k, uint16_t type, uint16_t flags, const struct net_rule *r,
	struct kernel_error *e)
{
	char buf[1024] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *m;

	if (!fits(r->iif) || !fits(r->oif))
		return kernel_error_set(
			e, ENODEV, "there is no interface %s", fits(r->iif) ? r->oif : r->iif);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->family = af_of(r->family);
	m->src_len = r->src.addr.family ? r->src.len : 0;
	m->dst_len = r->dst.addr.family ? r->dst.len : 0;
	m->tos = r->tos;
	m->action = r->action;
	m->flags = r->invert ? FIB_RULE_INVERT : 0;
	mnl_attr_put_u32(nlh, FRA_PRIORITY, r->preference);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, r->protocol);
	put_prefix(nlh, FRA_SRC, &r->src);
	put_prefix(nlh, FRA_DST, &r->dst);
	if (r->iif)
		mnl_attr_put_strz(nlh, FRA_IIFNAME, r->iif);
	if (r->oif)
		mnl_attr_put_strz(nlh, FRA_OIFNAME, r->oif);
	if (r->mark || r->mask) {
		mnl_attr_put_u32(nlh, FRA_FWMARK, r->mark);
		mnl_attr_put_u32(nlh, FRA_FWMASK, r->mask);
	}
	if (r->ip_proto)
		mnl_attr_put_u8(nlh, FRA_IP_PROTO, r->ip_proto);
	put_ports(nlh, FRA_SPORT_RANGE, r->sport);
	put_ports(nlh, FRA_DPORT_RANGE, r->dport);
	if (r->has_uid)
		mnl_attr_put(nlh, FRA_UID_RANGE, sizeof(r->uid), r->uid);
	if (r->l3mdev)
		mnl_attr_put_u8(nlh, FRA_L3MDEV, 1);
	if (r->action == RULE_LOOKUP && !r->l3mdev)
		mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	if (r->action == RULE_GOTO)
		mnl_attr_put_u32(nlh, FRA_GOTO, r->goto_preference);
	if (r->suppress_prefixlen >= 0)
		mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, (uint32_t)r->suppress_prefixlen);
	return kernel_talk(k, k->route, nlh, NULL, NULL, e);
}

int kernel_rule_add(struct kernel *k, const struct net_rule *r, struct kernel_error *e)
{
	return rule_request(k, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, r, e);
}

int kernel_rule_delete(struct kernel *k, const struct net_rule *r, struct kernel_error *e)
{
	return rule_request(k, RTM_DELRULE, 0, r, e);
}
