/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Observe the network: links, addresses, routes, rules and neighbours, by rtnetlink dumps. */
#include "kernel/observe.h"

#include <endian.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "kernel/conntrack.h"
#include "kernel/ipset.h"
#include "kernel/legacy.h"
#include "kernel/nft.h"

/* Newer than Debian 12's headers: FRA_DSCP of Linux 6.13 (tos without its two lowest bits), and the
 * masks of 6.15, which say nothing where they are all ones. */
#define RULE_ATTR_DSCP	     25
#define RULE_ATTR_SPORT_MASK 28
#define RULE_ATTR_DPORT_MASK 29
#define RULE_ATTR_DSCP_MASK  30

/* How often a network that changes under our eyes is looked at again. */
#define ATTEMPTS 10

struct name_of_index {
	int index;
	const char *name;
};

/* A route that only names a nexthop object: nexthop_compat_mode is off. */
struct owed_nexthop {
	size_t route;
	uint32_t id;
};

struct object_member {
	uint32_t id, weight;
};

struct nexthop_object {
	uint32_t id;
	bool blackhole;
	struct net_nexthop hop;
	VEC(struct object_member) members; /* a group's */
};

/* One look at everything; a look that turns out stale is thrown away. */
struct look {
	struct arena *a;
	struct netstate *out;
	struct name_of_index *names; /* by index */
	size_t n_names;
	uint8_t family; /* AF_* of the dump: where v6 is off, the kernel answers for all families */
	bool stale;	/* something named an interface that was not there yet */
	bool neighbours; /* look at them too */
	VEC(struct owed_nexthop) owed;
	VEC(struct nexthop_object) objects;
};

static uint8_t family_of(uint8_t af)
{
	return af == AF_INET ? IP_V4 : af == AF_INET6 ? IP_V6 : IP_NONE;
}

/* The address in an attribute, absent where there is none; its length tells the family. */
static struct ip_addr addr_in(const struct nlattr *attr)
{
	if (attr && mnl_attr_get_payload_len(attr) == 4)
		return ip_from_bytes(IP_V4, mnl_attr_get_payload(attr));
	if (attr && mnl_attr_get_payload_len(attr) == 16)
		return ip_from_bytes(IP_V6, mnl_attr_get_payload(attr));
	return (struct ip_addr){0};
}

static struct ip_addr via_in(const struct nlattr *attr)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	uint8_t family;

	if (len < sizeof(*via))
		return (struct ip_addr){0};
	family = family_of((uint8_t)via->rtvia_family);
	if (!family || len < sizeof(*via) + ip_bytes(family))
		return (struct ip_addr){0};
	return ip_from_bytes(family, via->rtvia_addr);
}

/* A prefix of @family; without the attribute it is the zero address. */
static struct ip_prefix prefix_in(uint8_t family, const struct nlattr *attr, uint8_t len)
{
	static const uint8_t zero[16];

	return (struct ip_prefix){
		.addr = attr ? addr_in(attr) : ip_from_bytes(family, zero), .len = len};
}

static uint32_t u32_in(const struct nlattr *attr)
{
	return attr ? mnl_attr_get_u32(attr) : 0;
}

static uint8_t u8_in(const struct nlattr *attr)
{
	return attr ? mnl_attr_get_u8(attr) : 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct name_of_index *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

static const char *name_of(struct look *l, int index)
{
	struct name_of_index key = {.index = index}, *found = NULL;

	if (l->n_names)
		found = bsearch(&key, l->names, l->n_names, sizeof(key), compare_names);
	if (!found)
		l->stale = true;
	return found ? found->name : NULL;
}

/* What the kernel tells of one kind of link only. */
static void link_info(struct look *l, struct net_link *link, const struct nlattr *nest)
{
	const struct nlattr *info[IFLA_INFO_MAX + 1], *vrf[IFLA_VRF_MAX + 1];

	kernel_attrs_in(info, IFLA_INFO_MAX, nest);
	if (!info[IFLA_INFO_KIND])
		return;
	link->kind = arena_strdup(l->a, mnl_attr_get_str(info[IFLA_INFO_KIND]));
	if (strcmp(link->kind, "vrf") == 0 && info[IFLA_INFO_DATA]) {
		kernel_attrs_in(vrf, IFLA_VRF_MAX, info[IFLA_INFO_DATA]);
		link->vrf_table = u32_in(vrf[IFLA_VRF_TABLE]);
	}
}

/* Six bytes; links of other kinds have addresses of other lengths. */
static bool mac_in(const struct nlattr *attr, uint8_t mac[6])
{
	if (!attr || mnl_attr_get_payload_len(attr) != 6)
		return false;
	memcpy(mac, mnl_attr_get_payload(attr), 6);
	return true;
}

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[IFLA_MAX + 1];
	struct look *l = data;
	struct net_link *link;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	kernel_attrs_of(t, IFLA_MAX, nlh, sizeof(*m));
	if (!t[IFLA_IFNAME])
		return MNL_CB_OK;
	link = vec_add(l->a, &l->out->links);
	link->index = m->ifi_index;
	link->name = arena_strdup(l->a, mnl_attr_get_str(t[IFLA_IFNAME]));
	link->up = m->ifi_flags & IFF_UP;
	link->loopback = m->ifi_flags & IFF_LOOPBACK;
	link->point_to_point = m->ifi_flags & IFF_POINTOPOINT;
	link->carrier = u8_in(t[IFLA_CARRIER]);
	link->mtu = u32_in(t[IFLA_MTU]);
	link->master = (int)u32_in(t[IFLA_MASTER]);
	link->group = u32_in(t[IFLA_GROUP]);
	link->has_mac = mac_in(t[IFLA_ADDRESS], link->mac);
	if (t[IFLA_LINKINFO])
		link_info(l, link, t[IFLA_LINKINFO]);
	return MNL_CB_OK;
}

static int on_addr(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[IFA_MAX + 1];
	struct ip_addr local, address;
	struct look *l = data;
	struct net_addr *addr;
	uint32_t flags;

	if (nlh->nlmsg_type != RTM_NEWADDR || m->ifa_family != l->family)
		return MNL_CB_OK;
	kernel_attrs_of(t, IFA_MAX, nlh, sizeof(*m));
	local = addr_in(t[IFA_LOCAL]);
	address = addr_in(t[IFA_ADDRESS]);
	flags = t[IFA_FLAGS] ? u32_in(t[IFA_FLAGS]) : m->ifa_flags;
	addr = vec_add(l->a, &l->out->addrs);
	addr->interface = name_of(l, (int)m->ifa_index);
	/* With both, and different, IFA_ADDRESS is the other end of a point-to-point link. */
	addr->addr = local.family ? local : address;
	if (local.family && address.family && !ip_equal(&local, &address))
		addr->peer = address;
	addr->prefix_len = m->ifa_prefixlen;
	addr->scope = m->ifa_scope;
	addr->secondary = flags & IFA_F_SECONDARY;
	/* Optimistic (RFC 4429) means tentative, but in use. */
	if (m->ifa_family == AF_INET6)
		addr->unusable = flags & (IFA_F_DADFAILED | IFA_F_DEPRECATED) ||
				 (flags & IFA_F_TENTATIVE && !(flags & IFA_F_OPTIMISTIC));
	return MNL_CB_OK;
}

/* ---- routes ---- */

static void nexthop_flags(struct net_nexthop *hop, unsigned int flags)
{
	hop->onlink = flags & RTNH_F_ONLINK;
	hop->dead = flags & RTNH_F_DEAD;
	hop->linkdown = flags & RTNH_F_LINKDOWN;
}

/* The part that a route's and a nexthop's attributes share. */
static void nexthop_from(struct look *l, struct net_nexthop *hop, const struct nlattr *const *t,
	int index, unsigned int flags, uint32_t weight)
{
	hop->interface = index ? name_of(l, index) : NULL;
	hop->gateway = t[RTA_VIA] ? via_in(t[RTA_VIA]) : addr_in(t[RTA_GATEWAY]);
	hop->weight = weight;
	nexthop_flags(hop, flags);
}

static void multipath(struct look *l, struct net_route *r, const struct nlattr *attr)
{
	const struct rtnexthop *nh = mnl_attr_get_payload(attr);
	int left = mnl_attr_get_payload_len(attr);

	while (left >= (int)sizeof(*nh) && RTNH_OK(nh, left)) {
		const struct nlattr *t[RTA_MAX + 1];

		kernel_attrs(t, RTA_MAX, RTNH_DATA(nh), nh->rtnh_len - RTNH_LENGTH(0));
		nexthop_from(l, vec_add(l->a, &r->nexthops), t, nh->rtnh_ifindex, nh->rtnh_flags,
			nh->rtnh_hops + 1u);
		left -= (int)RTNH_ALIGN(nh->rtnh_len);
		nh = RTNH_NEXT(nh);
	}
}

static bool leads_nowhere(uint8_t type)
{
	return type == ROUTE_BLACKHOLE || type == ROUTE_UNREACHABLE || type == ROUTE_PROHIBIT ||
	       type == ROUTE_THROW;
}

static uint32_t mtu_in(const struct nlattr *metrics)
{
	const struct nlattr *t[RTAX_MTU + 1];

	if (!metrics)
		return 0;
	kernel_attrs_in(t, RTAX_MTU, metrics);
	return u32_in(t[RTAX_MTU]);
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[RTA_MAX + 1];
	struct look *l = data;
	struct net_route *r;

	if (nlh->nlmsg_type != RTM_NEWROUTE || m->rtm_family != l->family ||
		m->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	kernel_attrs_of(t, RTA_MAX, nlh, sizeof(*m));
	r = vec_add(l->a, &l->out->routes);
	r->family = family_of(m->rtm_family);
	r->table = t[RTA_TABLE] ? u32_in(t[RTA_TABLE]) : m->rtm_table;
	r->dst = prefix_in(r->family, t[RTA_DST], m->rtm_dst_len);
	if (m->rtm_src_len)
		r->src = prefix_in(r->family, t[RTA_SRC], m->rtm_src_len);
	r->tos = m->rtm_tos;
	r->type = m->rtm_type;
	r->protocol = m->rtm_protocol;
	r->scope = m->rtm_scope;
	r->metric = u32_in(t[RTA_PRIORITY]);
	r->prefsrc = addr_in(t[RTA_PREFSRC]);
	r->mtu = mtu_in(t[RTA_METRICS]);
	/* In v6 these carry the loopback device all the same. */
	if (leads_nowhere(r->type))
		return MNL_CB_OK;
	if (t[RTA_MULTIPATH])
		multipath(l, r, t[RTA_MULTIPATH]);
	else if (t[RTA_OIF] || t[RTA_GATEWAY] || t[RTA_VIA])
		nexthop_from(l, vec_add(l->a, &r->nexthops), t, (int)u32_in(t[RTA_OIF]),
			m->rtm_flags, 1);
	else if (t[RTA_NH_ID])
		vec_push(l->a, &l->owed,
			((struct owed_nexthop){l->out->routes.len - 1, u32_in(t[RTA_NH_ID])}));
	return MNL_CB_OK;
}

/* The byte behind the weight is its high byte from Linux 6.12 on, and zero before; the headers'
 * name of it changed with that. */
static uint32_t group_weight(const struct nexthop_grp *g)
{
	const uint8_t *weight = &g->weight;

	return (weight[0] | (uint32_t)weight[1] << 8) + 1;
}

static int on_nexthop(const struct nlmsghdr *nlh, void *data)
{
	const struct nhmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[NHA_MAX + 1];
	struct look *l = data;
	struct nexthop_object *o;

	if (nlh->nlmsg_type != RTM_NEWNEXTHOP)
		return MNL_CB_OK;
	kernel_attrs_of(t, NHA_MAX, nlh, sizeof(*m));
	o = vec_add(l->a, &l->objects);
	o->id = u32_in(t[NHA_ID]);
	o->blackhole = t[NHA_BLACKHOLE];
	o->hop.gateway = addr_in(t[NHA_GATEWAY]);
	o->hop.interface = t[NHA_OIF] ? name_of(l, (int)u32_in(t[NHA_OIF])) : NULL;
	o->hop.weight = 1;
	nexthop_flags(&o->hop, m->nh_flags);
	if (t[NHA_GROUP]) {
		const struct nexthop_grp *g = mnl_attr_get_payload(t[NHA_GROUP]);
		size_t n = mnl_attr_get_payload_len(t[NHA_GROUP]) / sizeof(*g);

		for (size_t i = 0; i < n; i++)
			vec_push(l->a, &o->members,
				((struct object_member){g[i].id, group_weight(&g[i])}));
	}
	return MNL_CB_OK;
}

static const struct nexthop_object *object(const struct look *l, uint32_t id)
{
	VEC_EACH (&l->objects, const struct nexthop_object, o)
		if (o->id == id)
			return o;
	return NULL;
}

static void add_object(struct look *l, struct net_route *r, uint32_t id, uint32_t weight)
{
	const struct nexthop_object *o = object(l, id);

	if (!o) {
		l->stale = true;
	} else if (!o->blackhole) {
		struct net_nexthop *hop = vec_add(l->a, &r->nexthops);

		*hop = o->hop;
		hop->weight = weight;
	}
}

static void resolve_objects(struct look *l)
{
	VEC_EACH (&l->owed, struct owed_nexthop, owed) {
		struct net_route *r = &l->out->routes.items[owed->route];
		const struct nexthop_object *o = object(l, owed->id);

		if (o && o->members.len)
			VEC_EACH (&o->members, struct object_member, member)
				add_object(l, r, member->id, member->weight);
		else
			add_object(l, r, owed->id, 1);
	}
}

/* ---- rules ---- */

static void port_range(uint16_t out[2], const struct nlattr *attr)
{
	struct fib_rule_port_range range;

	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(range))
		return;
	memcpy(&range, mnl_attr_get_payload(attr), sizeof(range));
	out[0] = range.start;
	out[1] = range.end;
}

static const char *string_in(struct look *l, const struct nlattr *attr)
{
	return attr ? arena_strdup(l->a, mnl_attr_get_str(attr)) : NULL;
}

/* Does an attribute select, or say more, than is kept of a rule? */
static bool is_more(const struct nlattr *attr)
{
	switch (mnl_attr_get_type(attr)) {
	case FRA_DST:
	case FRA_SRC:
	case FRA_IIFNAME:
	case FRA_GOTO:
	case FRA_PRIORITY:
	case FRA_FWMARK:
	case FRA_TUN_ID:
	case FRA_SUPPRESS_IFGROUP:
	case FRA_SUPPRESS_PREFIXLEN:
	case FRA_TABLE:
	case FRA_FWMASK:
	case FRA_OIFNAME:
	case FRA_PAD:
	case FRA_L3MDEV:
	case FRA_UID_RANGE:
	case FRA_PROTOCOL:
	case FRA_IP_PROTO:
	case FRA_SPORT_RANGE:
	case FRA_DPORT_RANGE:
	case RULE_ATTR_DSCP:
		return false;
	case RULE_ATTR_SPORT_MASK:
	case RULE_ATTR_DPORT_MASK:
		return mnl_attr_get_u16(attr) != UINT16_MAX;
	case RULE_ATTR_DSCP_MASK:
		return mnl_attr_get_u8(attr) != 0x3f;
	}
	return true;
}

static void rule_extras(
	struct net_rule *r, const struct nlmsghdr *nlh, const struct nlattr *const *t)
{
	const struct nlattr *attr;

	if (t[FRA_TUN_ID])
		r->tun_id = be64toh(mnl_attr_get_u64(t[FRA_TUN_ID]));
	r->has_suppress_ifgroup =
		t[FRA_SUPPRESS_IFGROUP] && u32_in(t[FRA_SUPPRESS_IFGROUP]) != UINT32_MAX;
	if (r->has_suppress_ifgroup)
		r->suppress_ifgroup = u32_in(t[FRA_SUPPRESS_IFGROUP]);
	mnl_attr_for_each(attr, nlh, sizeof(struct fib_rule_hdr)) r->more_selectors |=
		is_more(attr);
}

static void rule_selectors(struct look *l, struct net_rule *r, const struct fib_rule_hdr *m,
	const struct nlattr *const *t)
{
	if (m->src_len)
		r->src = prefix_in(r->family, t[FRA_SRC], m->src_len);
	if (m->dst_len)
		r->dst = prefix_in(r->family, t[FRA_DST], m->dst_len);
	r->iif = string_in(l, t[FRA_IIFNAME]);
	r->oif = string_in(l, t[FRA_OIFNAME]);
	r->mark = u32_in(t[FRA_FWMARK]);
	r->mask = u32_in(t[FRA_FWMASK]);
	r->tos = t[RULE_ATTR_DSCP] ? (uint8_t)(u8_in(t[RULE_ATTR_DSCP]) << 2) : m->tos;
	r->ip_proto = u8_in(t[FRA_IP_PROTO]);
	port_range(r->sport, t[FRA_SPORT_RANGE]);
	port_range(r->dport, t[FRA_DPORT_RANGE]);
	r->l3mdev = u8_in(t[FRA_L3MDEV]);
	if (t[FRA_UID_RANGE] &&
		mnl_attr_get_payload_len(t[FRA_UID_RANGE]) >= sizeof(struct fib_rule_uid_range)) {
		memcpy(r->uid, mnl_attr_get_payload(t[FRA_UID_RANGE]), sizeof(r->uid));
		r->has_uid = true;
	}
}

static int on_rule(const struct nlmsghdr *nlh, void *data)
{
	const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[RULE_ATTR_DSCP + 1];
	struct look *l = data;
	struct net_rule *r;

	if (nlh->nlmsg_type != RTM_NEWRULE || m->family != l->family)
		return MNL_CB_OK;
	kernel_attrs_of(t, RULE_ATTR_DSCP, nlh, sizeof(*m));
	r = vec_add(l->a, &l->out->rules);
	r->family = family_of(m->family);
	r->preference = u32_in(t[FRA_PRIORITY]);
	r->invert = m->flags & FIB_RULE_INVERT;
	rule_selectors(l, r, m, t);
	rule_extras(r, nlh, t);
	r->protocol = u8_in(t[FRA_PROTOCOL]);
	r->action = m->action;
	/* The kernel gives table 0 with l3mdev and RT_TABLE_UNSPEC with the other actions. */
	if (m->action == FR_ACT_TO_TBL)
		r->table = t[FRA_TABLE] ? u32_in(t[FRA_TABLE]) : m->table;
	r->goto_preference = u32_in(t[FRA_GOTO]);
	r->suppress_prefixlen =
		t[FRA_SUPPRESS_PREFIXLEN] ? (int32_t)u32_in(t[FRA_SUPPRESS_PREFIXLEN]) : -1;
	return MNL_CB_OK;
}

/* ---- neighbours ---- */

static int on_neighbour(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[NDA_MAX + 1];
	struct net_neighbour *n;
	struct look *l = data;

	/* What needs no asking is no neighbour: multicast, and what has no addresses below IP. */
	if (nlh->nlmsg_type != RTM_NEWNEIGH || m->ndm_family != l->family ||
		m->ndm_flags & NTF_PROXY || m->ndm_state & NUD_NOARP)
		return MNL_CB_OK;
	kernel_attrs_of(t, NDA_MAX, nlh, sizeof(*m));
	n = vec_add(l->a, &l->out->neighbours);
	n->interface = name_of(l, m->ndm_ifindex);
	n->addr = addr_in(t[NDA_DST]);
	n->has_mac = mac_in(t[NDA_LLADDR], n->mac);
	n->state = m->ndm_state & (NUD_REACHABLE | NUD_PERMANENT)	? NEIGHBOUR_REACHABLE
		   : m->ndm_state & (NUD_STALE | NUD_DELAY | NUD_PROBE) ? NEIGHBOUR_STALE
		   : m->ndm_state & NUD_FAILED				? NEIGHBOUR_FAILED
									: NEIGHBOUR_NONE;
	return MNL_CB_OK;
}

/* ---- dumps ---- */

static int dump(struct kernel *k, struct look *l, uint16_t type, uint8_t af, size_t header_len,
	mnl_cb_t cb, struct kernel_error *e)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	uint8_t *header;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_DUMP;
	/* All these headers begin with the family; strict checking wants the rest zero. */
	header = mnl_nlmsg_put_extra_header(nlh, header_len);
	header[0] = af;
	l->family = af;
	if (type == RTM_GETLINK) /* most of a dump's size */
		mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return kernel_talk(k, k->route, nlh, cb, l, e);
}

static void index_names(struct look *l)
{
	l->n_names = l->out->links.len;
	l->names = arena_alloc(l->a, l->n_names * sizeof(*l->names));
	for (size_t i = 0; i < l->n_names; i++)
		l->names[i] = (struct name_of_index){
			l->out->links.items[i].index, l->out->links.items[i].name};
	if (l->n_names)
		qsort(l->names, l->n_names, sizeof(*l->names), compare_names);
}

static int look_once(struct kernel *k, struct look *l, struct kernel_error *e)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int err = dump(k, l, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), on_link, e);

	index_names(l);
	for (size_t i = 0; i < 2 && !err; i++)
		err = dump(k, l, RTM_GETADDR, families[i], sizeof(struct ifaddrmsg), on_addr, e);
	for (size_t i = 0; i < 2 && !err; i++)
		err = dump(k, l, RTM_GETROUTE, families[i], sizeof(struct rtmsg), on_route, e);
	if (l->owed.len && !err) {
		err = dump(k, l, RTM_GETNEXTHOP, AF_UNSPEC, sizeof(struct nhmsg), on_nexthop, e);
		resolve_objects(l);
	}
	for (size_t i = 0; i < 2 && !err; i++)
		err = dump(k, l, RTM_GETRULE, families[i], sizeof(struct fib_rule_hdr), on_rule, e);
	for (size_t i = 0; i < 2 && !err && l->neighbours; i++)
		err = dump(k, l, RTM_GETNEIGH, families[i], sizeof(struct ndmsg), on_neighbour, e);
	if (!err && l->stale)
		err = kernel_error_set(e, EINTR, "changed while it was being read");
	return err;
}

static int observe_network(struct kernel *k, struct arena *a, bool neighbours, struct netstate *out,
	struct kernel_error *e)
{
	int err = 0;

	for (int i = 0; i < ATTEMPTS; i++) {
		struct look l = {.a = a, .out = out, .neighbours = neighbours};

		memset(&out->links, 0, sizeof(out->links));
		memset(&out->addrs, 0, sizeof(out->addrs));
		memset(&out->routes, 0, sizeof(out->routes));
		memset(&out->rules, 0, sizeof(out->rules));
		memset(&out->neighbours, 0, sizeof(out->neighbours));
		err = look_once(k, &l, e);
		if (err != -EINTR)
			break;
	}
	if (!err)
		out->have |= HAVE_LINKS | HAVE_ADDRS | HAVE_ROUTES4 | HAVE_ROUTES6 | HAVE_RULES4 |
			     HAVE_RULES6 | (neighbours ? HAVE_NEIGHBOURS : 0);
	return err;
}

int kernel_observe_network(
	struct kernel *k, struct arena *a, struct netstate *out, struct kernel_error *e)
{
	return observe_network(k, a, false, out, e);
}

/* The ruleset in its three kinds. */
static int observe_rules(struct kernel *k, struct arena *a, unsigned int what, struct netstate *out,
	struct kernel_error *e)
{
	int err = 0;

	if (what & OBSERVE_RULESET) {
		err = kernel_nft_observe(k, a, what & OBSERVE_ELEMENTS, &out->ruleset, e);
		if (!err)
			out->have |= HAVE_NFT;
	}
	if (!err && what & OBSERVE_IPSETS) {
		memset(&out->ruleset.ipsets, 0, sizeof(out->ruleset.ipsets));
		err = kernel_ipsets(k, a, &out->ruleset, e);
		if (!err)
			out->have |= HAVE_IPSETS;
	}
	/* Behind those that have sets by number: these have them by name. */
	if (!err && what & OBSERVE_LEGACY)
		err = kernel_observe_legacy(k, a, out, e);
	return err;
}

int kernel_observe(struct kernel *k, struct arena *a, unsigned int what, struct netstate *out,
	struct kernel_error *e)
{
	struct utsname running;
	int err = 0;

	if (uname(&running) == 0)
		out->release = arena_strdup(a, running.release);
	if (what & (OBSERVE_NETWORK | OBSERVE_NEIGHBOURS))
		err = observe_network(k, a, what & OBSERVE_NEIGHBOURS, out, e);
	if (!err && what & OBSERVE_SYSCTLS) {
		err = kernel_observe_sysctls(k, a, out, e);
		if (!err)
			out->have |= HAVE_SYSCTLS;
	}
	if (!err && what & OBSERVE_LISTENERS) {
		err = kernel_observe_listeners(k, a, out, e);
		if (!err)
			out->have |= HAVE_LISTENERS;
	}
	if (!err && what & OBSERVE_FLOWS)
		err = kernel_observe_flows(k, a, out, e);
	return err ? err : observe_rules(k, a, what, out, e);
}
