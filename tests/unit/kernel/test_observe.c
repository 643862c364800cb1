/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Observing links, addresses, routes, rules, sysctls and listeners, as iproute2 made them. */
#include "netns.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "kernel/observe.h"
#include "kernel/route.h"

struct fixture {
	struct arena *a;
	struct kernel *k;
	struct netstate seen;
	struct kernel_error e;
};

static void look(struct fixture *f, unsigned int what)
{
	memset(&f->seen, 0, sizeof(f->seen));
	ok(kernel_observe(f->k, f->a, what, &f->seen, &f->e), f->e);
}

/* wan0-wan1 and lan.7-lan1, up; v6 addresses without waiting for duplicates. */
static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	sh("ip link set lo up");
	sh("ip link add wan0 type veth peer name wan1 && ip link set wan0 up && ip link set wan1 "
	   "up");
	sh("ip link add lan.7 type veth peer name lan1 && ip link set lan.7 up");
	f->a = arena_new();
	f->k = open_kernel();
}

static void end(struct fixture *f)
{
	kernel_close(f->k);
	arena_free(f->a);
}

static struct ip_addr ip(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(s, &a), 0);
	return a;
}

static const struct net_addr *addr_of(const struct fixture *f, const char *s)
{
	struct ip_addr want = ip(s);

	VEC_EACH (&f->seen.addrs, const struct net_addr, a)
		if (ip_equal(&a->addr, &want))
			return a;
	fail_msg("no address %s", s);
	return NULL;
}

/* The route of @table to @dst ("default4", "default6" or a prefix) with @metric. */
static const struct net_route *route_of(
	const struct fixture *f, uint32_t table, const char *dst, uint32_t metric)
{
	struct ip_prefix want = {0};
	uint8_t family = strcmp(dst, "default6") ? IP_V4 : IP_V6;

	if (strncmp(dst, "default", 7) != 0) {
		assert_int_equal(ip_prefix_parse(dst, &want), 0);
		family = want.addr.family;
	}
	VEC_EACH (&f->seen.routes, const struct net_route, r)
		if (r->family == family && r->table == table && r->metric == metric &&
			r->dst.len == want.len && (!want.len || ip_equal(&r->dst.addr, &want.addr)))
			return r;
	fail_msg("no route %s in table %u", dst, table);
	return NULL;
}

static const struct net_rule *rule_of(const struct fixture *f, uint8_t family, uint32_t preference)
{
	VEC_EACH (&f->seen.rules, const struct net_rule, r)
		if (r->family == family && r->preference == preference)
			return r;
	fail_msg("no rule with preference %u", preference);
	return NULL;
}

static void assert_hop(
	const struct net_nexthop *hop, const char *gateway, const char *interface, uint32_t weight)
{
	struct ip_addr want = gateway ? ip(gateway) : (struct ip_addr){0};

	assert_true(ip_equal(&hop->gateway, &want));
	if (interface)
		assert_string_equal(hop->interface, interface);
	else
		assert_null(hop->interface);
	assert_int_equal(hop->weight, weight);
}

static void test_links(void **state)
{
	const struct net_link *lo, *wan, *lan, *bridge;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	sh("ip link set wan0 mtu 1400");
	sh("ip link add br0 type bridge && ip link set lan1 master br0");
	look(&f, OBSERVE_NETWORK);
	lo = netstate_link(&f.seen, "lo");
	assert_non_null(lo);
	assert_true(lo->loopback && lo->up);
	assert_null(lo->kind);
	wan = netstate_link(&f.seen, "wan0");
	assert_non_null(wan);
	assert_string_equal(wan->kind, "veth");
	assert_int_equal(wan->mtu, 1400);
	assert_true(wan->up && wan->carrier);
	assert_false(wan->loopback || wan->point_to_point);
	assert_int_equal(wan->index, (int)if_nametoindex("wan0"));
	lan = netstate_link(&f.seen, "lan.7"); /* its peer is down */
	assert_non_null(lan);
	assert_true(lan->up && !lan->carrier);
	bridge = netstate_link(&f.seen, "br0");
	assert_non_null(bridge);
	assert_string_equal(bridge->kind, "bridge");
	assert_false(bridge->up);
	assert_int_equal(netstate_link(&f.seen, "lan1")->master, bridge->index);
	assert_int_equal(wan->master, 0);
	end(&f);
}

static void test_addresses(void **state)
{
	const struct net_addr *a;
	struct fixture f;
	struct ip_addr peer;

	NEEDS_NAMESPACE();
	begin(&f);
	sh("ip addr add 192.0.2.1/24 dev wan0 && ip addr add 192.0.2.5/24 dev wan0");
	sh("ip addr add 10.9.9.1 peer 10.9.9.2/32 dev lan.7");
	sh("ip addr add 2001:db8::1/64 dev wan0 nodad");
	sh("ip addr add 2001:db8:1::1 peer 2001:db8:1::2/128 dev wan0 nodad");
	sh("ip addr add 2001:db8::d/64 dev wan0 nodad preferred_lft 0");
	sh("ip addr add 2001:db8:7::1/64 dev lan.7"); /* no carrier: tentative for ever */
	look(&f, OBSERVE_NETWORK);

	a = addr_of(&f, "192.0.2.1");
	assert_string_equal(a->interface, "wan0");
	assert_int_equal(a->prefix_len, 24);
	assert_int_equal(a->scope, 0);
	assert_int_equal(a->peer.family, IP_NONE);
	assert_false(a->secondary || a->unusable);
	assert_true(addr_of(&f, "192.0.2.5")->secondary);
	assert_int_equal(addr_of(&f, "127.0.0.1")->scope, 254);

	a = addr_of(&f, "10.9.9.1");
	peer = ip("10.9.9.2");
	assert_string_equal(a->interface, "lan.7");
	assert_true(ip_equal(&a->peer, &peer));
	assert_int_equal(a->prefix_len, 32);

	a = addr_of(&f, "2001:db8::1");
	assert_int_equal(a->prefix_len, 64);
	assert_int_equal(a->peer.family, IP_NONE);
	assert_false(a->unusable || a->secondary);
	peer = ip("2001:db8:1::2");
	assert_true(ip_equal(&addr_of(&f, "2001:db8:1::1")->peer, &peer));
	assert_true(addr_of(&f, "2001:db8::d")->unusable);
	assert_true(addr_of(&f, "2001:db8:7::1")->unusable);
	end(&f);
}

static void test_routes_v4(void **state)
{
	const struct net_route *r;
	struct fixture f;
	struct ip_addr src;

	NEEDS_NAMESPACE();
	begin(&f);
	sh("ip addr add 192.0.2.1/24 dev wan0 && ip addr add 10.0.0.1/24 dev lan.7");
	sh("ip route add default via 192.0.2.254 dev wan0 proto 180 table 70001");
	sh("ip route add unreachable default metric 4000 table 70001 proto 180");
	sh("ip route add 198.51.100.0/24 via 203.0.113.9 dev wan0 onlink src 192.0.2.1 metric 7");
	sh("ip route add 198.51.101.0/24 nexthop via 192.0.2.7 weight 3 nexthop via 10.0.0.7");
	sh("ip route add 198.51.102.0/24 via inet6 fe80::9 dev wan0");
	sh("ip route add 198.51.103.0/24 tos 0x10 dev wan0");
	sh("ip route add blackhole 198.51.104.0/24 && ip route add prohibit 198.51.105.0/24");
	sh("ip route add throw 198.51.106.0/24 table 70001");
	look(&f, OBSERVE_NETWORK);

	r = route_of(&f, 70001, "default4", 0);
	assert_int_equal(r->type, ROUTE_UNICAST);
	assert_int_equal(r->protocol, 180);
	assert_int_equal(r->scope, 0);
	assert_int_equal(r->dst.addr.family, IP_V4);
	assert_int_equal(r->nexthops.len, 1);
	assert_hop(&r->nexthops.items[0], "192.0.2.254", "wan0", 1);

	r = route_of(&f, 70001, "default4", 4000);
	assert_int_equal(r->type, ROUTE_UNREACHABLE);
	assert_int_equal(r->nexthops.len, 0);

	r = route_of(&f, TABLE_MAIN, "198.51.100.0/24", 7);
	src = ip("192.0.2.1");
	assert_hop(&r->nexthops.items[0], "203.0.113.9", "wan0", 1);
	assert_true(r->nexthops.items[0].onlink);
	assert_true(ip_equal(&r->prefsrc, &src));

	r = route_of(&f, TABLE_MAIN, "198.51.101.0/24", 0);
	assert_int_equal(r->nexthops.len, 2);
	assert_hop(&r->nexthops.items[0], "192.0.2.7", "wan0", 3);
	assert_hop(&r->nexthops.items[1], "10.0.0.7", "lan.7", 1);
	assert_false(r->nexthops.items[0].linkdown);
	assert_true(r->nexthops.items[1].linkdown);

	assert_hop(&route_of(&f, TABLE_MAIN, "198.51.102.0/24", 0)->nexthops.items[0], "fe80::9",
		"wan0", 1);
	r = route_of(&f, TABLE_MAIN, "198.51.103.0/24", 0);
	assert_int_equal(r->tos, 0x10);
	assert_int_equal(r->scope, RT_SCOPE_LINK);
	assert_hop(&r->nexthops.items[0], NULL, "wan0", 1);
	assert_int_equal(route_of(&f, TABLE_MAIN, "198.51.104.0/24", 0)->type, ROUTE_BLACKHOLE);
	assert_int_equal(route_of(&f, TABLE_MAIN, "198.51.105.0/24", 0)->type, ROUTE_PROHIBIT);
	assert_int_equal(route_of(&f, 70001, "198.51.106.0/24", 0)->type, ROUTE_THROW);
	r = route_of(&f, TABLE_LOCAL, "192.0.2.1", 0);
	assert_int_equal(r->type, ROUTE_LOCAL);
	assert_int_equal(r->protocol, RTPROT_KERNEL);
	assert_int_equal(r->scope, RT_SCOPE_HOST);
	assert_int_equal(route_of(&f, TABLE_LOCAL, "192.0.2.255", 0)->type, ROUTE_BROADCAST);
	end(&f);
}

static void test_routes_v6(void **state)
{
	const struct net_route *r;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	sh("ip link set lan1 up");
	sh("ip addr add 2001:db8::1/64 dev wan0 nodad && ip addr add fd00::1/64 dev lan.7 nodad");
	sh("ip -6 route add default via 2001:db8::fe dev wan0 proto 180 table 70001");
	sh("ip -6 route add unreachable default metric 4000 table 70001 proto 180");
	sh("ip -6 route add 2001:db8:1::/48 metric 5 nexthop via 2001:db8::2 weight 3 "
	   "nexthop via fd00::2");
	sh("ip -6 route add default from 2001:db8:5::/48 via fe80::1 dev wan0");
	look(&f, OBSERVE_NETWORK);

	r = route_of(&f, 70001, "default6", 1024);
	assert_int_equal(r->protocol, 180);
	assert_hop(&r->nexthops.items[0], "2001:db8::fe", "wan0", 1);
	assert_int_equal(r->dst.addr.family, IP_V6);
	r = route_of(&f, 70001, "default6", 4000);
	assert_int_equal(r->type, ROUTE_UNREACHABLE);
	assert_int_equal(r->nexthops.len, 0); /* the kernel says "dev lo" */
	r = route_of(&f, TABLE_MAIN, "2001:db8:1::/48", 5);
	assert_int_equal(r->nexthops.len, 2);
	assert_hop(&r->nexthops.items[0], "2001:db8::2", "wan0", 3);
	assert_hop(&r->nexthops.items[1], "fd00::2", "lan.7", 1);
	r = route_of(&f, TABLE_MAIN, "default6", 1024);
	assert_int_equal(r->src.len, 48);
	assert_int_equal(r->src.addr.family, IP_V6);
	assert_int_equal(route_of(&f, TABLE_MAIN, "2001:db8::/64", 256)->src.addr.family, IP_NONE);
	end(&f);
}

/* Nexthop objects: with the kernel repeating the next hops in the route, and without. */
static void test_nexthop_objects(void **state)
{
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	sh("ip addr add 192.0.2.1/24 dev wan0 && ip addr add 10.0.0.1/24 dev lan.7");
	sh("ip addr add 2001:db8::1/64 dev wan0 nodad");
	sh("ip link set lan1 up");
	sh("ip nexthop add id 1 via 192.0.2.7 dev wan0 && ip nexthop add id 2 via 10.0.0.7 dev "
	   "lan.7");
	sh("ip nexthop add id 3 group 1,4/2,2 && ip nexthop add id 4 blackhole");
	sh("ip nexthop add id 6 via 2001:db8::7 dev wan0");
	sh("ip route add 198.51.100.0/24 nhid 1 && ip route add 198.51.101.0/24 nhid 3");
	sh("ip route add 198.51.102.0/24 nhid 4 && ip -6 route add 2001:db8:1::/48 nhid 6");
	for (int compat = 1; compat >= 0; compat--) {
		const struct net_route *r;

		ok(kernel_sysctl_set(f.k, "net.ipv4.nexthop_compat_mode", compat ? "1" : "0", &f.e),
			f.e);
		look(&f, OBSERVE_NETWORK);
		r = route_of(&f, TABLE_MAIN, "198.51.100.0/24", 0);
		assert_int_equal(r->nexthops.len, 1);
		assert_hop(&r->nexthops.items[0], "192.0.2.7", "wan0", 1);
		r = route_of(&f, TABLE_MAIN, "198.51.101.0/24", 0);
		assert_int_equal(r->nexthops.len, 2);
		assert_hop(&r->nexthops.items[0], "192.0.2.7", "wan0", 4);
		assert_hop(&r->nexthops.items[1], "10.0.0.7", "lan.7", 2);
		r = route_of(&f, TABLE_MAIN, "198.51.102.0/24", 0);
		assert_int_equal(r->type, ROUTE_BLACKHOLE);
		assert_int_equal(r->nexthops.len, 0);
		r = route_of(&f, TABLE_MAIN, "2001:db8:1::/48", 1024);
		assert_int_equal(r->nexthops.len, 1);
		assert_hop(&r->nexthops.items[0], "2001:db8::7", "wan0", 1);
	}
	end(&f);
}

static void test_rules(void **state)
{
	const struct net_rule *r;
	struct fixture f;
	uint8_t family = 0;
	uint32_t preference = 0;

	NEEDS_NAMESPACE();
	begin(&f);
	sh("ip rule add pref 501 fwmark 0x1000000/0x7f000000 lookup 70001 protocol 180");
	sh("ip -6 rule add pref 502 not from 2001:db8::/32 to fd00::/8 iif wan0 oif gone "
	   "lookup 70002");
	sh("ip rule add pref 503 ipproto tcp sport 80-90 dport 443 uidrange 0-0 prohibit");
	sh("ip rule add pref 504 lookup main suppress_prefixlength 0");
	sh("ip rule add pref 505 tos 0x10 goto 600");
	sh("ip rule add pref 506 nop && ip rule add pref 507 blackhole && "
	   "ip rule add pref 508 unreachable");
	sh("ip rule add pref 600 l3mdev && ip rule add pref 505 fwmark 9 lookup 8");
	look(&f, OBSERVE_NETWORK);

	r = rule_of(&f, IP_V4, 501);
	assert_int_equal(r->mark, 0x1000000);
	assert_int_equal(r->mask, 0x7f000000);
	assert_int_equal(r->action, RULE_LOOKUP);
	assert_int_equal(r->table, 70001);
	assert_int_equal(r->protocol, 180);
	assert_int_equal(r->suppress_prefixlen, -1);
	assert_int_equal(r->src.addr.family, IP_NONE);
	assert_false(r->invert || r->l3mdev || r->has_uid);

	r = rule_of(&f, IP_V6, 502);
	assert_true(r->invert);
	assert_int_equal(r->src.len, 32);
	assert_int_equal(r->dst.len, 8);
	assert_int_equal(r->dst.addr.bytes[0], 0xfd);
	assert_string_equal(r->iif, "wan0");
	assert_string_equal(r->oif, "gone");

	r = rule_of(&f, IP_V4, 503);
	assert_int_equal(r->ip_proto, PROTO_TCP);
	assert_int_equal(r->sport[0], 80);
	assert_int_equal(r->sport[1], 90);
	assert_int_equal(r->dport[0], 443);
	assert_int_equal(r->dport[1], 443);
	assert_true(r->has_uid);
	assert_int_equal(r->uid[0], 0);
	assert_int_equal(r->uid[1], 0);
	assert_int_equal(r->action, RULE_PROHIBIT);
	assert_int_equal(r->table, 0);

	r = rule_of(&f, IP_V4, 504);
	assert_int_equal(r->table, TABLE_MAIN);
	assert_int_equal(r->suppress_prefixlen, 0);
	r = rule_of(&f, IP_V4, 505); /* the first of two */
	assert_int_equal(r->tos, 0x10);
	assert_int_equal(r->action, RULE_GOTO);
	assert_int_equal(r->goto_preference, 600);
	assert_int_equal(r[1].preference, 505);
	assert_int_equal(r[1].mark, 9);
	assert_int_equal(r[1].mask, UINT32_MAX);
	assert_int_equal(rule_of(&f, IP_V4, 506)->action, RULE_NOP);
	assert_int_equal(rule_of(&f, IP_V4, 507)->action, RULE_BLACKHOLE);
	assert_int_equal(rule_of(&f, IP_V4, 508)->action, RULE_UNREACHABLE);
	r = rule_of(&f, IP_V4, 600);
	assert_true(r->l3mdev);
	assert_int_equal(r->table, 0);
	assert_int_equal(rule_of(&f, IP_V4, 0)->table, TABLE_LOCAL);

	VEC_EACH (&f.seen.rules, const struct net_rule, it) {
		assert_true(it->family > family ||
			    (it->family == family && it->preference >= preference));
		family = it->family;
		preference = it->preference;
	}
	end(&f);
}

static void test_sysctls(void **state)
{
	struct fixture f;
	char value[16];

	NEEDS_NAMESPACE();
	begin(&f);
	/* An interface name with a dot in it. */
	ok(kernel_sysctl_set(f.k, "net.ipv4.conf.lan/7.rp_filter", "2", &f.e), f.e);
	ok(kernel_sysctl_get(f.k, "net.ipv4.conf.lan/7.rp_filter", value, sizeof(value)), f.e);
	assert_string_equal(value, "2");
	assert_int_equal(
		kernel_sysctl_get(f.k, "net.ipv4.conf.lan/7.rp_filter", value, 1), -ENOSPC);
	sh("test \"$(cat /proc/sys/net/ipv4/conf/lan.7/rp_filter)\" = 2");
	sh("test \"$(cat /proc/sys/net/ipv4/conf/wan0/rp_filter)\" != 2");
	look(&f, OBSERVE_SYSCTLS);
	assert_string_equal(netstate_sysctl(&f.seen, "net.ipv4.conf.lan/7.rp_filter"), "2");
	assert_string_equal(netstate_sysctl(&f.seen, "net.ipv4.ip_forward"), "0");
	assert_non_null(netstate_sysctl(&f.seen, "net.ipv4.conf.all.src_valid_mark"));
	assert_non_null(netstate_sysctl(&f.seen, "net.ipv6.conf.wan0.accept_ra"));
	assert_non_null(netstate_sysctl(&f.seen, "net.ipv6.conf.default.disable_ipv6"));
	assert_null(netstate_sysctl(&f.seen, "net.ipv4.conf.gone.rp_filter"));

	assert_int_equal(
		kernel_sysctl_set(f.k, "net.ipv4.conf.gone.rp_filter", "1", &f.e), -ENOENT);
	assert_non_null(strstr(f.e.text, "net.ipv4.conf.gone.rp_filter"));
	assert_int_equal(
		kernel_sysctl_set(f.k, "net.ipv4.conf.wan0.rp_filter", "x", &f.e), -EINVAL);
	assert_non_null(strstr(f.e.text, "does not take \"x\""));
	/* Only below net, and not out of it again. */
	assert_int_equal(kernel_sysctl_get(f.k, "kernel.hostname", value, sizeof(value)), -EINVAL);
	assert_int_equal(
		kernel_sysctl_get(f.k, "net.//.kernel.pid_max", value, sizeof(value)), -EINVAL);
	end(&f);
}

/* The sockets stay in their namespace; sysctls of another one are refused, not touched. */
static void test_left_namespace(void **state)
{
	struct fixture f;
	char value[16];

	NEEDS_NAMESPACE();
	begin(&f);
	assert_true(kernel_at_home(f.k));
	NEEDS_NAMESPACE();
	assert_false(kernel_at_home(f.k));
	look(&f, OBSERVE_NETWORK | OBSERVE_LISTENERS);
	assert_non_null(netstate_link(&f.seen, "lan.7"));
	assert_int_equal(
		kernel_sysctl_get(f.k, "net.ipv4.ip_forward", value, sizeof(value)), -EXDEV);
	assert_int_equal(kernel_sysctl_set(f.k, "net.ipv4.ip_forward", "1", &f.e), -EXDEV);
	assert_int_equal(kernel_observe_sysctls(f.k, f.a, &f.seen, &f.e), -EXDEV);
	sh("test \"$(cat /proc/sys/net/ipv4/ip_forward)\" = 0");
	end(&f);
}

static int refuse(const struct nlmsghdr *nlh, void *data)
{
	++*(int *)data;
	errno = ENOMSG;
	return MNL_CB_ERROR;
}

static int stop(const struct nlmsghdr *nlh, void *data)
{
	++*(int *)data;
	return MNL_CB_STOP;
}

/* A dump of many messages that the caller gives up must not spoil what comes after it. */
static void test_abandoned_dump(void **state)
{
	struct fixture f;
	mnl_cb_t callbacks[] = {refuse, stop};
	FILE *batch;

	NEEDS_NAMESPACE();
	begin(&f);
	batch = popen("ip -batch -", "w");
	assert_non_null(batch);
	for (int i = 0; i < 4000; i++)
		fprintf(batch, "route add 10.%d.%d.0/24 dev wan0\n", i / 250, i % 250);
	assert_int_equal(pclose(batch), 0);
	for (int i = 0; i < 2; i++) {
		char buf[128] = {0};
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
		struct rtmsg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
		int calls = 0;

		nlh->nlmsg_type = RTM_GETROUTE;
		nlh->nlmsg_flags = NLM_F_DUMP;
		m->rtm_family = AF_INET;
		assert_int_equal(kernel_talk(f.k, f.k->route, nlh, callbacks[i], &calls, &f.e),
			i ? 0 : -ENOMSG);
		assert_int_equal(calls, 1);
		look(&f, OBSERVE_NETWORK);
		assert_true(f.seen.routes.len >= 4000);
	}
	end(&f);
}

static struct nlmsghdr *ask_for_link(char buf[128], const char *name)
{
	struct nlmsghdr *nlh;
	struct ifinfomsg *m;

	memset(buf, 0, 128);
	nlh = mnl_nlmsg_put_header(buf);
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->ifi_index = (int)if_nametoindex(name);
	nlh->nlmsg_type = RTM_GETLINK;
	return nlh;
}

static int note_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(nlh);

	*(int *)data = *(int *)data * 1000 + m->ifi_index;
	return MNL_CB_OK;
}

/* Answers that an earlier, abandoned request still gets are not taken for this one's. */
static void test_stale_answers(void **state)
{
	struct nlmsghdr *nlh;
	struct fixture f;
	char buf[128];
	int seen = 0;

	NEEDS_NAMESPACE();
	begin(&f);
	nlh = ask_for_link(buf, "lo");
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 12345;
	assert_true(mnl_socket_sendto(f.k->route, nlh, nlh->nlmsg_len) > 0);
	nlh = ask_for_link(buf, "wan0");
	ok(kernel_talk(f.k, f.k->route, nlh, note_link, &seen, &f.e), f.e);
	assert_int_equal(seen, (int)if_nametoindex("wan0"));
	end(&f);
}

static int listening(int family, int type, uint16_t port, const char *device, int v6_only)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(family, type, 0), one = 1;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
	if (device)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
					 (socklen_t)strlen(device)),
			0);
	assert_int_equal(family == AF_INET6 ? bind(fd, (struct sockaddr *)&a6, sizeof(a6))
					    : bind(fd, (struct sockaddr *)&a4, sizeof(a4)),
		0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static const struct net_listener *listener_of(
	const struct fixture *f, uint8_t proto, uint8_t family, uint16_t port)
{
	VEC_EACH (&f->seen.listeners, const struct net_listener, l)
		if (l->proto == proto && l->addr.family == family && l->port == port)
			return l;
	return NULL;
}

static void test_listeners(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	const struct net_listener *l;
	int fds[5], connected;
	struct fixture f;

	NEEDS_NAMESPACE();
	begin(&f);
	fds[0] = listening(AF_INET, SOCK_STREAM, 22, NULL, 0);
	fds[1] = listening(AF_INET6, SOCK_STREAM, 80, NULL, 0);
	fds[2] = listening(AF_INET6, SOCK_STREAM, 443, NULL, 1);
	fds[3] = listening(AF_INET, SOCK_DGRAM, 53, "wan0", 0);
	fds[4] = listening(AF_INET6, SOCK_DGRAM, 123, NULL, 1);
	connected = socket(AF_INET, SOCK_DGRAM, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(connected, (struct sockaddr *)&to, sizeof(to)), 0);
	look(&f, OBSERVE_LISTENERS);
	assert_int_equal(f.seen.listeners.len, 5);
	l = listener_of(&f, PROTO_TCP, IP_V4, 22);
	assert_non_null(l);
	assert_true(ip_is_unspecified(&l->addr));
	assert_null(l->interface);
	assert_non_null(l->process);
	assert_non_null(strstr(program_invocation_short_name, l->process));
	l = listener_of(&f, PROTO_TCP, IP_V6, 80);
	assert_true(l && !l->v6_only);
	l = listener_of(&f, PROTO_TCP, IP_V6, 443);
	assert_true(l && l->v6_only);
	l = listener_of(&f, PROTO_UDP, IP_V4, 53);
	assert_non_null(l);
	assert_string_equal(l->interface, "wan0");
	l = listener_of(&f, PROTO_UDP, IP_V6, 123);
	assert_true(l && l->v6_only);
	for (size_t i = 0; i < 5; i++)
		close(fds[i]);
	close(connected);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_routes_v4),
		cmocka_unit_test(test_routes_v6),
		cmocka_unit_test(test_nexthop_objects),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_left_namespace),
		cmocka_unit_test(test_abandoned_dump),
		cmocka_unit_test(test_stale_answers),
		cmocka_unit_test(test_listeners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
