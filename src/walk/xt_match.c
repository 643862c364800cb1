/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decides iptables' matches from their blobs. The layouts are the kernel's uapi; a blob that is
 * shorter than its layout is not looked at.
 */
#include "walk/xt.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <net/if.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_devgroup.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_helper.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_physdev.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_policy.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

#include "walk/fib.h"
#include "walk/xt_ask.h"

#define PROBABILITY_ONE 0x80000000u /* of xt_statistic */

static enum tri match_always(const struct walk_xt_ask *q)
{
	return TRI_YES;
}

static enum tri match_never(const struct walk_xt_ask *q)
{
	return TRI_NO;
}

static enum tri match_content(const struct walk_xt_ask *q)
{
	return not_known(q, "it depends on what is in the packet");
}

static enum tri match_amount(const struct walk_xt_ask *q)
{
	return not_known(q, "it depends on how much has passed already");
}

static enum tri match_cgroup(const struct walk_xt_ask *q)
{
	return not_known(q, "it depends on the sender's cgroup");
}

static enum tri match_cpu(const struct walk_xt_ask *q)
{
	return not_known(q, "it depends on the processor that handles it");
}

static enum tri match_socket(const struct walk_xt_ask *q)
{
	return not_known(q, "it depends on the sockets of this machine");
}

static enum tri match_time(const struct walk_xt_ask *q)
{
	return not_known(q, "it depends on the time of day");
}

static enum tri match_mark(const struct walk_xt_ask *q)
{
	struct xt_mark_mtinfo1 i;

	memcpy(&i, q->x->info, sizeof(i));
	return inverted_if(masked_equal(q->p->mark, q->p->mark_known, i.mark, i.mask), i.invert);
}

/* ---- addresses ---- */

/* What is asked for an address knows nothing else of the packet. */
static int type_of(
	const struct netstate *net, const struct ip_addr *addr, bool limited, const char *interface)
{
	const struct packet nothing = {.family = addr->family,
		.known = PKT_PROTO | PKT_SADDR | PKT_DADDR,
		.saddr = {.family = addr->family},
		.daddr = {.family = addr->family}};

	return walk_address_type(net, &nothing, addr, limited, interface);
}

static enum tri type_among(const struct netstate *net, bool known, const struct ip_addr *addr,
	uint32_t types, bool limited, const char *interface)
{
	int type = known ? type_of(net, addr, limited, interface) : -1;

	if (type < 0 || type > 15)
		return TRI_UNKNOWN;
	return tri_of(types & (1u << type));
}

/* match_type6() of net/netfilter/xt_addrtype.c: kinds of the address itself, which must all be met, and
 * kinds by its route, one of which must. */
static enum tri type_among_v6(const struct netstate *net, bool known, const struct ip_addr *addr,
	uint32_t types, bool limited, const char *interface)
{
	enum tri t = TRI_NO;
	int type;

	if (!known)
		return TRI_UNKNOWN;
	if ((types & XT_ADDRTYPE_MULTICAST && !ip_is_multicast(addr)) ||
		(types & XT_ADDRTYPE_UNICAST &&
			(ip_is_multicast(addr) || ip_is_unspecified(addr))) ||
		(types & XT_ADDRTYPE_UNSPEC && !ip_is_unspecified(addr)))
		return TRI_NO;
	if (!(types & (XT_ADDRTYPE_LOCAL | XT_ADDRTYPE_ANYCAST | XT_ADDRTYPE_UNREACHABLE)))
		return TRI_YES;
	if (types & XT_ADDRTYPE_LOCAL)
		t = walk_address_is_local(net, addr, limited, interface);
	if (types & (XT_ADDRTYPE_ANYCAST | XT_ADDRTYPE_UNREACHABLE)) {
		type = type_of(net, addr, false, NULL);
		if (type < 0)
			return tri_or(t, TRI_UNKNOWN);
		t = tri_or(t, tri_of((types & XT_ADDRTYPE_ANYCAST && type == ROUTE_ANYCAST) ||
				      (types & XT_ADDRTYPE_UNREACHABLE && type >= ROUTE_BLACKHOLE &&
					      type <= ROUTE_PROHIBIT)));
	}
	return t;
}

static enum tri match_addrtype(const struct walk_xt_ask *q)
{
	const struct packet *p = q->p;
	enum tri (*among)(const struct netstate *, bool, const struct ip_addr *, uint32_t, bool,
		const char *) = p->family == IP_V6 ? type_among_v6 : type_among;
	const char *interface = NULL;
	struct xt_addrtype_info_v1 i;
	struct xt_addrtype_info old;
	bool limited = false, not_source, not_dest;
	enum tri t = TRI_YES;

	memcpy(&i, q->x->info, sizeof(i)); /* source and dest stand alike in both revisions */
	not_source = i.flags & XT_ADDRTYPE_INVERT_SOURCE;
	not_dest = i.flags & XT_ADDRTYPE_INVERT_DEST;
	if (q->x->rev == 0) {
		memcpy(&old, q->x->info, sizeof(old));
		not_source = old.invert_source;
		not_dest = old.invert_dest;
	} else if (i.flags & (XT_ADDRTYPE_LIMIT_IFACE_IN | XT_ADDRTYPE_LIMIT_IFACE_OUT)) {
		bool in = i.flags & XT_ADDRTYPE_LIMIT_IFACE_IN;

		if (!packet_knows(p, in ? PKT_IIF : PKT_OIF))
			return TRI_UNKNOWN;
		interface = in ? p->iif : p->oif;
		limited = interface != NULL;
	}
	if (i.source)
		t = inverted_if(among(q->net, packet_knows(p, PKT_SADDR), &p->saddr, i.source,
					limited, interface),
			not_source);
	if (i.dest)
		t = tri_and(t, inverted_if(among(q->net, packet_knows(p, PKT_DADDR), &p->daddr,
						   i.dest, limited, interface),
				       not_dest));
	return t;
}

static enum tri match_rpfilter(const struct walk_xt_ask *q)
{
	struct xt_rpfilter_info i;

	memcpy(&i, q->x->info, sizeof(i));
	return inverted_if(walk_rpfilter(q->net, q->p, i.flags & XT_RPFILTER_VALID_MARK,
				   i.flags & XT_RPFILTER_LOOSE, i.flags & XT_RPFILTER_ACCEPT_LOCAL),
		i.flags & XT_RPFILTER_INVERT);
}

/* ---- rates and chance ---- */

/* "Above" the rate is no; "up to" is yes. */
static enum tri match_hashlimit(const struct walk_xt_ask *q)
{
	struct xt_hashlimit_mtinfo1 one;
	struct xt_hashlimit_mtinfo2 two;
	struct xt_hashlimit_mtinfo3 three;
	uint32_t mode;

	if (q->x->rev == 1) {
		memcpy(&one, q->x->info, sizeof(one));
		mode = one.cfg.mode;
	} else if (q->x->rev == 2) {
		memcpy(&two, q->x->info, sizeof(two));
		mode = two.cfg.mode;
	} else {
		memcpy(&three, q->x->info, sizeof(three));
		mode = three.cfg.mode;
	}
	return tri_of(!(mode & XT_HASHLIMIT_INVERT));
}

static enum tri match_connlimit(const struct walk_xt_ask *q)
{
	struct xt_connlimit_info i;

	memcpy(&i, q->x->info, sizeof(i));
	return tri_of(i.flags & XT_CONNLIMIT_INVERT);
}

static enum tri match_recent(const struct walk_xt_ask *q)
{
	struct xt_recent_mtinfo i; /* the first part of revision 1, too */

	memcpy(&i, q->x->info, sizeof(i));
	if (i.check_set & XT_RECENT_SET)
		return inverted_if(TRI_YES, i.invert);
	/* A rule that wants the sender seen more than once says no: the packet is the first. */
	if (i.hit_count > 1)
		return inverted_if(TRI_NO, i.invert);
	return not_known(q, "whether the address is on the list of recent ones is not known");
}

static enum tri match_statistic(const struct walk_xt_ask *q)
{
	struct xt_statistic_info i;
	double share;

	memcpy(&i, q->x->info, sizeof(i));
	if (i.mode == XT_STATISTIC_MODE_RANDOM)
		share = (double)i.u.random.probability / PROBABILITY_ONE;
	else if (i.mode == XT_STATISTIC_MODE_NTH)
		share = 1 / ((double)i.u.nth.every + 1);
	else
		return TRI_UNKNOWN;
	if (i.flags & XT_STATISTIC_INVERT)
		share = 1 - share;
	if (share <= 0 || share >= 1)
		return tri_of(share >= 1);
	q->doubt->share = share;
	return not_known(q, i.mode == XT_STATISTIC_MODE_NTH
				    ? "it depends on whose turn it is (statistic nth)"
				    : "it depends on a random number (statistic)");
}

/* ---- interfaces and sockets ---- */

/* The interface's name up to where the mask ends: bond+ */
static bool name_under_mask(const char *name, const char *want, const unsigned char *mask)
{
	char padded[IFNAMSIZ] = "";

	memcpy(padded, name, strnlen(name, IFNAMSIZ - 1));
	for (unsigned int n = 0; n < IFNAMSIZ; n++) {
		if ((padded[n] ^ want[n]) & mask[n])
			return false;
	}
	return true;
}

static enum tri match_physdev(const struct walk_xt_ask *q)
{
	struct xt_physdev_info i;
	enum tri t = TRI_YES;
	bool is;

	memcpy(&i, q->x->info, sizeof(i));
	if (packet_knows(q->p, PKT_BRIDGED) && !q->p->bridged)
		return tri_of(!(i.bitmask & ~i.invert & XT_PHYSDEV_OP_MASK));
	if (!packet_knows(q->p, PKT_BRIDGED | PKT_PHYSDEV) || !q->p->physdev)
		return not_known(q, "the port of the bridge is not known");
	if (i.bitmask & XT_PHYSDEV_OP_ISIN && i.invert & XT_PHYSDEV_OP_ISIN)
		return TRI_NO;
	if (i.bitmask & XT_PHYSDEV_OP_IN) {
		is = name_under_mask(q->p->physdev, i.physindev, (const unsigned char *)i.in_mask);
		t = inverted_if(tri_of(is), i.invert & XT_PHYSDEV_OP_IN);
	}
	if (i.bitmask & (XT_PHYSDEV_OP_OUT | XT_PHYSDEV_OP_ISOUT | XT_PHYSDEV_OP_BRIDGED))
		t = tri_and(t, not_known(q, "by which port of the bridge it leaves is not known"));
	return t;
}

static enum tri match_pkttype(const struct walk_xt_ask *q)
{
	struct xt_pkttype_info i;

	memcpy(&i, q->x->info, sizeof(i));
	return inverted_if(in_range(packet_knows(q->p, PKT_TYPE), q->p->type, (uint32_t)i.pkttype,
				   (uint32_t)i.pkttype),
		i.invert);
}

static enum tri group_is(
	const struct walk_xt_ask *q, bool in, uint32_t group, uint32_t mask, bool invert)
{
	const char *name = in ? q->p->iif : q->p->oif;
	const struct net_link *l;

	if (!packet_knows(q->p, in ? PKT_IIF : PKT_OIF))
		return TRI_UNKNOWN;
	l = name ? netstate_link(q->net, name) : NULL;
	if (!l)
		return not_known(q, "the interface's group is not known");
	return inverted_if(tri_of(!((l->group ^ group) & mask)), invert);
}

static enum tri match_devgroup(const struct walk_xt_ask *q)
{
	struct xt_devgroup_info i;
	enum tri t = TRI_YES;

	memcpy(&i, q->x->info, sizeof(i));
	if (i.flags & XT_DEVGROUP_MATCH_SRC)
		t = group_is(q, true, i.src_group, i.src_mask, i.flags & XT_DEVGROUP_INVERT_SRC);
	if (i.flags & XT_DEVGROUP_MATCH_DST)
		t = tri_and(t, group_is(q, false, i.dst_group, i.dst_mask,
				       i.flags & XT_DEVGROUP_INVERT_DST));
	return t;
}

/* A packet that no socket here sent has no owner: each inversion is met, and nothing else. */
static enum tri match_owner(const struct walk_xt_ask *q)
{
	const struct packet *p = q->p;
	struct xt_owner_match_info i;
	enum tri t = TRI_YES;

	memcpy(&i, q->x->info, sizeof(i));
	if (!p->from_socket)
		return tri_of(i.match == i.invert);
	if (i.match & i.invert & XT_OWNER_SOCKET)
		return TRI_NO;
	q->doubt->why = "who owns the socket is not known";
	if (i.match & XT_OWNER_UID)
		t = inverted_if(in_range(packet_knows(p, PKT_UID), p->uid, i.uid_min, i.uid_max),
			i.invert & XT_OWNER_UID);
	if (i.match & XT_OWNER_GID) {
		enum tri gid = in_range(packet_knows(p, PKT_GID), p->gid, i.gid_min, i.gid_max);

		if (i.match & XT_OWNER_SUPPL_GROUPS && gid == TRI_NO)
			gid = TRI_UNKNOWN;
		t = tri_and(t, inverted_if(gid, i.invert & XT_OWNER_GID));
	}
	return t;
}

static enum tri match_policy(const struct walk_xt_ask *q)
{
	struct xt_policy_info i;

	memcpy(&i, q->x->info, sizeof(i));
	/* What came in without IPsec is known; what goes out is not. */
	if (!(i.flags & XT_POLICY_MATCH_IN) || !packet_knows(q->p, PKT_SECPATH) || q->p->secpath)
		return not_known(q, "whether IPsec takes part is not known");
	return tri_of(i.flags & XT_POLICY_MATCH_NONE);
}

/* By name, then revision. */
static const struct xt_match {
	const char *name;
	uint32_t rev_first, rev_last;
	uint32_t size; /* of the blob, at least; 0: it is not looked at */
	walk_xt_decide decide;
} matches[] = {
	{"addrtype", 0, 0, sizeof(struct xt_addrtype_info), match_addrtype},
	{"addrtype", 1, 1, sizeof(struct xt_addrtype_info_v1), match_addrtype},
	{"ah", 0, 0, 0, match_never}, /* of IPv6 extension headers, as are those below */
	{"bpf", 0, 1, 0, match_content},
	{"cgroup", 0, 2, 0, match_cgroup},
	{"comment", 0, 0, 0, match_always},
	{"connbytes", 0, 0, 0, match_amount},
	{"connlimit", 0, 1, sizeof(struct xt_connlimit_info), match_connlimit},
	{"connmark", 1, 1, sizeof(struct xt_connmark_mtinfo1), walk_xt_connmark},
	{"conntrack", 1, 1, sizeof(struct xt_conntrack_mtinfo1), walk_xt_conntrack},
	{"conntrack", 2, 2, sizeof(struct xt_conntrack_mtinfo2), walk_xt_conntrack},
	{"conntrack", 3, 3, sizeof(struct xt_conntrack_mtinfo3), walk_xt_conntrack},
	{"cpu", 0, 0, 0, match_cpu},
	{"devgroup", 0, 0, sizeof(struct xt_devgroup_info), match_devgroup},
	{"dscp", 0, 0, sizeof(struct xt_dscp_info), walk_xt_dscp},
	{"dst", 0, 0, 0, match_never},
	{"frag", 0, 0, 0, match_never},
	{"hashlimit", 1, 1, sizeof(struct xt_hashlimit_mtinfo1), match_hashlimit},
	{"hashlimit", 2, 2, sizeof(struct xt_hashlimit_mtinfo2), match_hashlimit},
	{"hashlimit", 3, 3, sizeof(struct xt_hashlimit_mtinfo3), match_hashlimit},
	{"hbh", 0, 0, 0, match_never},
	{"helper", 0, 0, sizeof(struct xt_helper_info), walk_xt_helper},
	{"hl", 0, 0, sizeof(struct ipt_ttl_info), walk_xt_ttl},
	{"icmp", 0, 0, sizeof(struct ipt_icmp), walk_xt_icmp},
	{"icmp6", 0, 0, sizeof(struct ipt_icmp), walk_xt_icmp6},
	{"iprange", 1, 1, sizeof(struct xt_iprange_mtinfo), walk_xt_iprange},
	{"length", 0, 0, sizeof(struct xt_length_info), walk_xt_length},
	{"limit", 0, 0, 0, match_always},
	{"mac", 0, 0, sizeof(struct xt_mac_info), walk_xt_mac},
	{"mark", 1, 1, sizeof(struct xt_mark_mtinfo1), match_mark},
	{"mh", 0, 0, 0, match_never},
	{"multiport", 0, 0, sizeof(struct xt_multiport), walk_xt_multiport},
	{"multiport", 1, 1, sizeof(struct xt_multiport_v1), walk_xt_multiport},
	{"nfacct", 0, 0, 0, match_always},
	{"owner", 1, 1, sizeof(struct xt_owner_match_info), match_owner},
	{"physdev", 0, 0, sizeof(struct xt_physdev_info), match_physdev},
	{"pkttype", 0, 0, sizeof(struct xt_pkttype_info), match_pkttype},
	{"policy", 0, 0, sizeof(struct xt_policy_info), match_policy},
	{"quota", 0, 1, 0, match_amount},
	{"recent", 0, 1, sizeof(struct xt_recent_mtinfo), match_recent},
	{"rpfilter", 0, 0, sizeof(struct xt_rpfilter_info), match_rpfilter},
	{"rt", 0, 0, 0, match_never},
	{"sctp", 0, 0, sizeof(struct xt_sctp_info), walk_xt_sctp},
	{"set", 1, 4, sizeof(struct xt_set_info), walk_xt_set},
	{"socket", 0, 3, 0, match_socket},
	{"state", 0, 0, sizeof(struct xt_state_info), walk_xt_state},
	{"statistic", 0, 0, sizeof(struct xt_statistic_info), match_statistic},
	{"string", 0, 1, 0, match_content},
	{"tcp", 0, 0, sizeof(struct xt_tcp), walk_xt_tcp},
	{"tcpmss", 0, 0, sizeof(struct xt_tcpmss_match_info), walk_xt_tcpmss},
	{"time", 0, 0, 0, match_time},
	{"tos", 1, 1, sizeof(struct xt_tos_match_info), walk_xt_tos},
	{"ttl", 0, 0, sizeof(struct ipt_ttl_info), walk_xt_ttl},
	{"u32", 0, 0, 0, match_content},
	{"udp", 0, 0, sizeof(struct xt_udp), walk_xt_udp},
};

static int by_name(const void *key, const void *match)
{
	const struct nft_xt *x = key;
	const struct xt_match *m = match;
	int order = strcmp(x->name, m->name);

	return order ? order : x->rev < m->rev_first ? -1 : x->rev > m->rev_last ? 1 : 0;
}

enum tri walk_xt_match(const struct netstate *net, const struct packet *p, const struct nft_xt *x,
	struct walk_doubt *doubt)
{
	const struct xt_match *m =
		bsearch(x, matches, sizeof(matches) / sizeof(*matches), sizeof(*matches), by_name);

	walk_doubt_of(doubt, x->hollow ? "its arguments are not in the dump"
				       : "this match cannot be looked into");
	if (!m || (m->size && (x->hollow || !x->info || x->info_len < m->size)))
		return TRI_UNKNOWN;
	doubt->why = "it depends on what is not known of the packet";
	return m->decide(&(struct walk_xt_ask){net, p, x, doubt});
}
