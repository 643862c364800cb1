/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events: what the kernel's multicast groups tell, and who caused it.
 *
 * Theory of operation. Two sockets listen, rtnetlink's and nftables'. Each message carries the port of
 * the socket whose request caused it: a port of our own means a change of our own, which is left out; 0
 * means the kernel itself. A program's first netlink socket has its process id for a port, so most
 * tools can be named while they still run; nftables names the process outright.
 *
 * A transaction of nftables is told as one message per rule and element, and a last one that counts
 * the generation up. Only that one is of use; a filter on the socket drops the others before they
 * take any of its memory, so that 100,000 elements, of others or our own, do not make it overflow.
 */
#include "kernel/events.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/fib_rules.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "base/ip.h"

#define QUEUE_BYTES   (16 << 20)
#define MESSAGE_BYTES 65536
#define AT_ONCE	      4096u    /* datagrams in one go; the rest is read when the loop comes round */
#define MAX_PID	      4194304u /* PID_MAX_LIMIT; higher ports are of other sockets than a first one */

struct kernel_events {
	struct mnl_socket *route, *nftables;
	uint32_t own[2]; /* ports of the sockets that we make changes by */
	uint8_t *buf;
};

/* ---- decoding ---- */

static uint32_t u32_of(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= sizeof(uint32_t) ? mnl_attr_get_u32(attr)
									  : 0;
}

static uint32_t be32_of(const struct nlattr *attr)
{
	return __builtin_bswap32(u32_of(attr));
}

/* An attribute's string, cut to @size; "" where it is missing. */
static void string_of(const struct nlattr *attr, char *out, size_t size)
{
	int len = attr ? (int)mnl_attr_get_payload_len(attr) : 0;

	snprintf(out, size, "%.*s", len, attr ? (const char *)mnl_attr_get_payload(attr) : "");
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c == 0x7f)
			*c = '?';
}

static uint8_t family_of(uint8_t af)
{
	return af == AF_INET ? IP_V4 : af == AF_INET6 ? IP_V6 : IP_NONE;
}

static struct ip_addr addr_of(uint8_t family, const struct nlattr *attr)
{
	struct ip_addr none = {.family = family};

	if (!attr || family == IP_NONE || mnl_attr_get_payload_len(attr) < ip_bytes(family))
		return none;
	return ip_from_bytes(family, mnl_attr_get_payload(attr));
}

static bool on_link(const struct nlmsghdr *nlh, struct kernel_event *out)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[IFLA_IFNAME + 1];
	char name[IFNAMSIZ];

	/* A bridge tells of its ports in messages of its own, which say nothing more. */
	if (m->ifi_family == AF_BRIDGE)
		return false;
	kernel_attrs_of(t, IFLA_IFNAME, nlh, sizeof(*m));
	string_of(t[IFLA_IFNAME], name, sizeof(name));
	out->what = EVENT_LINK;
	out->gone = nlh->nlmsg_type == RTM_DELLINK;
	out->interface = (uint32_t)m->ifi_index;
	snprintf(out->text, sizeof(out->text), "link %s %s", name,
		out->gone		     ? "gone"
		: !(m->ifi_flags & IFF_UP)   ? "down"
		: m->ifi_flags & IFF_RUNNING ? "up"
					     : "without carrier");
	return true;
}

static bool on_address(const struct nlmsghdr *nlh, struct kernel_event *out)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[IFA_MAX + 1];
	struct ip_addr addr;
	char text[IP_STRLEN];

	kernel_attrs_of(t, IFA_MAX, nlh, sizeof(*m));
	out->what = EVENT_ADDRESS;
	out->gone = nlh->nlmsg_type == RTM_DELADDR;
	out->interface = m->ifa_index;
	out->family = family_of(m->ifa_family);
	addr = addr_of(out->family, t[IFA_LOCAL] ? t[IFA_LOCAL] : t[IFA_ADDRESS]);
	snprintf(out->text, sizeof(out->text), "address %s/%u%s", ip_format(&addr, text),
		m->ifa_prefixlen, out->gone ? " gone" : "");
	return true;
}

static bool on_route(const struct nlmsghdr *nlh, struct kernel_event *out)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[RTA_TABLE + 1];
	struct ip_prefix dst;
	char text[PREFIX_STRLEN];

	if (m->rtm_flags & RTM_F_CLONED)
		return false;
	kernel_attrs_of(t, RTA_TABLE, nlh, sizeof(*m));
	out->what = EVENT_ROUTE;
	out->gone = nlh->nlmsg_type == RTM_DELROUTE;
	out->family = family_of(m->rtm_family);
	out->table = t[RTA_TABLE] ? u32_of(t[RTA_TABLE]) : m->rtm_table;
	out->prefix_len = m->rtm_dst_len;
	out->protocol = m->rtm_protocol;
	out->interface = u32_of(t[RTA_OIF]);
	if (out->family == IP_NONE || m->rtm_dst_len > ip_bits(out->family))
		return false;
	dst = (struct ip_prefix){addr_of(out->family, t[RTA_DST]), m->rtm_dst_len};
	snprintf(out->text, sizeof(out->text), "route %s table %u%s",
		m->rtm_dst_len ? ip_prefix_format(&dst, text) : "default", out->table,
		out->gone ? " gone" : "");
	return true;
}

static bool on_rule(const struct nlmsghdr *nlh, struct kernel_event *out)
{
	const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[FRA_PROTOCOL + 1];

	kernel_attrs_of(t, FRA_PROTOCOL, nlh, sizeof(*m));
	out->what = EVENT_RULE;
	out->gone = nlh->nlmsg_type == RTM_DELRULE;
	out->family = family_of(m->family);
	if (t[FRA_PROTOCOL] && mnl_attr_get_payload_len(t[FRA_PROTOCOL]) >= 1)
		out->protocol = mnl_attr_get_u8(t[FRA_PROTOCOL]);
	snprintf(out->text, sizeof(out->text), "rule pref %u%s", u32_of(t[FRA_PRIORITY]),
		out->gone ? " gone" : "");
	return true;
}

static bool on_neighbour(const struct nlmsghdr *nlh, struct kernel_event *out)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[NDA_LLADDR + 1];
	char text[IP_STRLEN];

	kernel_attrs_of(t, NDA_LLADDR, nlh, sizeof(*m));
	out->what = EVENT_NEIGHBOUR;
	out->gone = nlh->nlmsg_type == RTM_DELNEIGH || m->ndm_state & NUD_FAILED;
	out->interface = (uint32_t)m->ndm_ifindex;
	out->family = family_of(m->ndm_family);
	out->addr = addr_of(out->family, t[NDA_DST]);
	if (t[NDA_LLADDR] && mnl_attr_get_payload_len(t[NDA_LLADDR]) == sizeof(out->mac))
		memcpy(out->mac, mnl_attr_get_payload(t[NDA_LLADDR]), sizeof(out->mac));
	snprintf(out->text, sizeof(out->text), "neighbour %s%s", ip_format(&out->addr, text),
		out->gone ? " gone" : "");
	return true;
}

static bool on_netconf(const struct nlmsghdr *nlh, struct kernel_event *out)
{
	const struct netconfmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[NETCONFA_RP_FILTER + 1];
	const char *what;

	kernel_attrs_of(t, NETCONFA_RP_FILTER, nlh, sizeof(*m));
	out->what = EVENT_SYSCTL;
	out->gone = nlh->nlmsg_type == RTM_DELNETCONF;
	out->family = family_of(m->ncm_family);
	out->interface = u32_of(t[NETCONFA_IFINDEX]);
	out->rp_filter =
		t[NETCONFA_RP_FILTER] ? (int32_t)u32_of(t[NETCONFA_RP_FILTER]) : out->rp_filter;
	out->forwarding =
		t[NETCONFA_FORWARDING] ? (int32_t)u32_of(t[NETCONFA_FORWARDING]) : out->forwarding;
	/* The interface's own messages tell that it has gone; other switches do not matter here. */
	if (out->gone || (out->rp_filter < 0 && out->forwarding < 0))
		return false;
	what = out->rp_filter >= 0 ? "rp_filter" : "forwarding";
	switch ((int32_t)out->interface) {
	case NETCONFA_IFINDEX_ALL:
		snprintf(out->text, sizeof(out->text), "sysctl %s of all interfaces", what);
		break;
	case NETCONFA_IFINDEX_DEFAULT:
		snprintf(out->text, sizeof(out->text), "sysctl %s of interfaces to come", what);
		break;
	default:
		snprintf(out->text, sizeof(out->text), "sysctl %s of interface %u", what,
			out->interface);
	}
	return true;
}

static bool on_nexthop(const struct nlmsghdr *nlh, struct kernel_event *out)
{
	out->what = EVENT_ROUTE;
	out->gone = nlh->nlmsg_type == RTM_DELNEXTHOP;
	out->table = RT_TABLE_MAIN;
	snprintf(out->text, sizeof(out->text), "a nexthop object%s", out->gone ? " gone" : "");
	return true;
}

static bool on_generation(const struct nlmsghdr *nlh, struct kernel_event *out)
{
	const struct nlattr *t[NFTA_GEN_MAX + 1];

	kernel_attrs_of(t, NFTA_GEN_MAX, nlh, sizeof(struct nfgenmsg));
	out->what = EVENT_RULESET;
	out->generation = be32_of(t[NFTA_GEN_ID]);
	out->pid = be32_of(t[NFTA_GEN_PROC_PID]);
	string_of(t[NFTA_GEN_PROC_NAME], out->process, sizeof(out->process));
	snprintf(out->text, sizeof(out->text), "ruleset, generation %u", out->generation);
	return true;
}

static const struct decoder {
	uint16_t type;
	size_t header_len;
	bool (*decode)(const struct nlmsghdr *nlh, struct kernel_event *out);
} decoders[] = {
	{RTM_NEWLINK, sizeof(struct ifinfomsg), on_link},
	{RTM_DELLINK, sizeof(struct ifinfomsg), on_link},
	{RTM_NEWADDR, sizeof(struct ifaddrmsg), on_address},
	{RTM_DELADDR, sizeof(struct ifaddrmsg), on_address},
	{RTM_NEWROUTE, sizeof(struct rtmsg), on_route},
	{RTM_DELROUTE, sizeof(struct rtmsg), on_route},
	{RTM_NEWRULE, sizeof(struct fib_rule_hdr), on_rule},
	{RTM_DELRULE, sizeof(struct fib_rule_hdr), on_rule},
	{RTM_NEWNEIGH, sizeof(struct ndmsg), on_neighbour},
	{RTM_DELNEIGH, sizeof(struct ndmsg), on_neighbour},
	{RTM_NEWNETCONF, sizeof(struct netconfmsg), on_netconf},
	{RTM_DELNETCONF, sizeof(struct netconfmsg), on_netconf},
	{RTM_NEWNEXTHOP, sizeof(struct nhmsg), on_nexthop},
	{RTM_DELNEXTHOP, sizeof(struct nhmsg), on_nexthop},
};
static const struct decoder generation_decoder = {
	NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN, sizeof(struct nfgenmsg), on_generation};

bool kernel_event_decode(const struct nlmsghdr *nlh, bool nftables, struct kernel_event *out)
{
	const struct decoder *d = nftables ? &generation_decoder : decoders;
	size_t n = nftables ? 1 : sizeof(decoders) / sizeof(decoders[0]);

	for (size_t i = 0; i < n; i++, d++) {
		if (d->type != nlh->nlmsg_type)
			continue;
		if (mnl_nlmsg_get_payload_len(nlh) < d->header_len)
			return false;
		*out = (struct kernel_event){
			.port = nlh->nlmsg_pid, .rp_filter = -1, .forwarding = -1};
		if (!nftables && out->port && out->port <= MAX_PID)
			out->pid = out->port;
		return d->decode(nlh, out);
	}
	return false;
}

/* ---- opening ---- */

static void widen(struct mnl_socket *s)
{
	int fd = mnl_socket_get_fd(s), size = QUEUE_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int listen_on(
	int bus, const int *groups, size_t n, struct mnl_socket **out, struct kernel_error *e)
{
	struct mnl_socket *s = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);

	*out = s;
	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		return kernel_error_set(e, errno, "cannot open a netlink socket for events");
	widen(s);
	for (size_t i = 0; i < n; i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(s, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return kernel_error_set(
				e, errno, "cannot listen to netlink group %d", group);
	}
	return 0;
}

/* Only messages that begin with a new generation; see above. The type is in this machine's order,
 * which a filter's halfword loads are not. */
static int only_generations(struct mnl_socket *s, struct kernel_error *e)
{
	const uint16_t type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN;
	uint8_t bytes[2];
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	memcpy(bytes, &type, sizeof(bytes));
	code[1].k = (uint32_t)bytes[0] << 8 | bytes[1];
	if (setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_ATTACH_FILTER, &program,
		    sizeof(program)) < 0)
		return kernel_error_set(e, errno, "cannot filter the events of nftables");
	return 0;
}

int kernel_events_open(
	struct kernel *k, bool neighbours, struct kernel_events **out, struct kernel_error *e)
{
	static const int route_groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE,
		RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, RTNLGRP_NEXTHOP, RTNLGRP_NEIGH};
	static const int nftables_groups[] = {NFNLGRP_NFTABLES};
	size_t n = sizeof(route_groups) / sizeof(route_groups[0]) - (neighbours ? 0 : 1);
	struct kernel_events *ev;
	int err;

	if (!kernel_at_home(k))
		return kernel_error_set(
			e, EXDEV, "not in the network namespace whose events are wanted");
	ev = calloc(1, sizeof(*ev));
	if (ev)
		ev->buf = malloc(MESSAGE_BYTES);
	if (!ev || !ev->buf)
		abort();
	ev->own[0] = mnl_socket_get_portid(k->route);
	ev->own[1] = mnl_socket_get_portid(k->netfilter);
	err = listen_on(NETLINK_ROUTE, route_groups, n, &ev->route, e);
	if (!err)
		err = listen_on(NETLINK_NETFILTER, nftables_groups, 1, &ev->nftables, e);
	if (!err)
		err = only_generations(ev->nftables, e);
	if (err) {
		kernel_events_close(ev);
		return err;
	}
	*out = ev;
	return 0;
}

void kernel_events_close(struct kernel_events *ev)
{
	if (!ev)
		return;
	if (ev->route)
		mnl_socket_close(ev->route);
	if (ev->nftables)
		mnl_socket_close(ev->nftables);
	free(ev->buf);
	free(ev);
}

void kernel_events_fds(const struct kernel_events *ev, int fds[2])
{
	fds[0] = mnl_socket_get_fd(ev->route);
	fds[1] = mnl_socket_get_fd(ev->nftables);
}

/* ---- reading ---- */

struct reading {
	struct kernel_events *ev;
	bool nftables;
	int n;
	void (*sink)(const struct kernel_event *event, void *data);
	void *data;
};

/* The name of a process that may be gone by now. */
static void name_process(struct kernel_event *event)
{
	char path[32];
	ssize_t len;
	int fd;

	if (!event->pid || event->process[0])
		return;
	snprintf(path, sizeof(path), "/proc/%u/comm", event->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, event->process, sizeof(event->process) - 1);
	close(fd);
	event->process[len > 0 ? len : 0] = '\0';
	event->process[strcspn(event->process, "\n")] = '\0';
}

static void hand_on(struct reading *r, struct kernel_event *event)
{
	r->n++;
	r->sink(event, r->data);
}

static void lost(struct reading *r)
{
	struct kernel_event event = {.what = EVENT_LOST,
		.rp_filter = -1,
		.forwarding = -1,
		.text = "events were lost: there were too many"};

	hand_on(r, &event);
}

static void read_messages(struct reading *r, size_t len)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)r->ev->buf;
	uint32_t own = r->ev->own[r->nftables];
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		struct kernel_event event;

		if (nlh->nlmsg_pid == own || !kernel_event_decode(nlh, r->nftables, &event))
			continue;
		name_process(&event);
		hand_on(r, &event);
	}
}

static int read_socket(struct reading *r, int fd)
{
	for (unsigned int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_nl from = {0};
		struct iovec iov = {.iov_base = r->ev->buf, .iov_len = MESSAGE_BYTES};
		struct msghdr msg = {.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1};
		ssize_t len = recvmsg(fd, &msg, MSG_DONTWAIT);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == ENOBUFS) {
			lost(r);
			continue;
		}
		if (len < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (from.nl_pid != 0) /* not the kernel's */
			continue;
		if (msg.msg_flags & MSG_TRUNC)
			lost(r);
		else
			read_messages(r, (size_t)len);
	}
	return 0;
}

int kernel_events_read(struct kernel_events *ev,
	void (*sink)(const struct kernel_event *event, void *data), void *data)
{
	struct reading r = {.ev = ev, .sink = sink, .data = data};
	int err = read_socket(&r, mnl_socket_get_fd(ev->route));

	r.nftables = true;
	if (!err)
		err = read_socket(&r, mnl_socket_get_fd(ev->nftables));
	return err ? err : r.n;
}
