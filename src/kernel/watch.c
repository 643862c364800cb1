/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Marks packets for nftables' trace and listens to the trace, the interfaces and conntrack. */
#include "kernel/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/conntrack.h"
#include "kernel/headers.h"
#include "kernel/nft.h"
#include "kernel/nft_wire.h"

#define FRAME_BYTES	    65536
#define RECEIVE_QUEUE_BYTES (4 << 20)
/* Before raw, so that the trace begins with the first rule; and just after conntrack. */
#define PRIORITY_FIRST	   (-450)
#define PRIORITY_CONNECTED (-199)

struct watch {
	struct kernel *owner; /* whose netlink socket owns the table */
	struct nft_trace *trace;
	struct mnl_socket *conntrack;
	int frames;
	const struct netstate *net;
	uint8_t buf[FRAME_BYTES];
};

/* ---- the table ---- */

static void match_prefix(struct arena *a, struct nft_rule *r, const struct ip_prefix *p,
	enum nft_selector v4, enum nft_selector v6)
{
	struct nft_expr *e;
	uint8_t bytes = (uint8_t)ip_bytes(p->addr.family);

	if (p->addr.family == IP_NONE)
		return;
	e = nft_sel(a, p->addr.family == IP_V6 ? v6 : v4);
	e->type = p->addr.family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4;
	if (p->len < ip_bits(p->addr.family)) {
		e->kind = EXPR_MASKED;
		for (unsigned int i = 0; i < p->len; i++)
			e->mask[i / 8] |= 0x80 >> i % 8;
	}
	nft_match(a, r, e, OP_EQ, p->addr.bytes, bytes);
}

static void match_port(
	struct arena *a, struct nft_rule *r, enum nft_selector selector, uint16_t port)
{
	uint16_t wire = htons(port);

	if (port)
		nft_match(a, r, nft_sel(a, selector), OP_EQ, &wire, sizeof(wire));
}

/* What selects: headers of the packet itself, or its connection's original ones. */
struct selectors {
	enum nft_selector src[2], dst[2], sport, dport; /* v4, v6 */
};

static void put_chain(struct arena *a, struct nft_table *t, const char *name, enum nft_hook hook,
	int32_t priority, const struct selectors *s, const struct watch_filter *f)
{
	struct nft_chain *c = nft_base_chain_new(a, t, name, CHAIN_FILTER, hook, priority);
	struct nft_rule *r = nft_rule_new(a, c, NOWHERE);
	uint8_t family = f->src.addr.family ? f->src.addr.family : f->dst.addr.family;
	bool connected = priority == PRIORITY_CONNECTED;
	static const uint8_t on = 1;
	struct nft_stmt *trace;

	if (family)
		nft_match_u8(a, r, nft_sel(a, SEL_META_NFPROTO), OP_EQ,
			family == IP_V6 ? FAMILY_IP6 : FAMILY_IP);
	if (f->proto)
		nft_match_u8(a, r, nft_sel(a, SEL_META_L4PROTO), OP_EQ, f->proto);
	if (f->in && !connected && hook == HOOK_PREROUTING)
		nft_match_ifname(a, r, nft_sel(a, SEL_META_IIFNAME), OP_EQ, f->in);
	if (connected)
		nft_match_u8(a, r, nft_sel(a, SEL_CT_DIRECTION), OP_EQ, 1);
	match_prefix(a, r, &f->src, s->src[0], s->src[1]);
	match_prefix(a, r, &f->dst, s->dst[0], s->dst[1]);
	match_port(a, r, s->sport, f->sport);
	match_port(a, r, s->dport, f->dport);
	trace = vec_add(a, &r->stmts);
	trace->kind = STMT_SET;
	trace->text = "meta nftrace";
	trace->expr = nft_value(a, NFT_T_BOOL, &on);
}

static struct nft_table *make_table(struct arena *a, const struct watch_filter *f)
{
	static const struct selectors headers = {{SEL_IP_SADDR, SEL_IP6_SADDR},
		{SEL_IP_DADDR, SEL_IP6_DADDR}, SEL_TH_SPORT, SEL_TH_DPORT};
	static const struct selectors original = {{SEL_CT_ORIGINAL_SADDR, SEL_CT_ORIGINAL_SADDR},
		{SEL_CT_ORIGINAL_DADDR, SEL_CT_ORIGINAL_DADDR}, SEL_CT_ORIGINAL_SPORT,
		SEL_CT_ORIGINAL_DPORT};
	struct nft_table *t = nft_table_new(a, FAMILY_INET, WATCH_TABLE);

	put_chain(a, t, "requests", HOOK_PREROUTING, PRIORITY_FIRST, &headers, f);
	put_chain(a, t, "replies", HOOK_PREROUTING, PRIORITY_CONNECTED, &original, f);
	if (!f->in)
		put_chain(a, t, "own_requests", HOOK_OUTPUT, PRIORITY_FIRST, &headers, f);
	put_chain(a, t, "own_replies", HOOK_OUTPUT, PRIORITY_CONNECTED, &original, f);
	return t;
}

static int commit_table(
	struct watch *w, struct arena *a, const struct watch_filter *f, struct kernel_error *e)
{
	struct nft_table *t = make_table(a, f);
	VEC(struct nft_change) changes = {0};
	struct nft_failure failure = {0};
	uint32_t after;
	int err;

	vec_push(a, &changes,
		((struct nft_change){.kind = NFT_ADD_TABLE,
			.family = t->family,
			.table = t->name,
			.table_flags = NFT_TABLE_F_OWNER}));
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		struct nft_change change = {
			.kind = NFT_ADD_CHAIN, .family = t->family, .table = t->name, .chain = *c};

		vec_push(a, &changes, change);
		change.kind = NFT_ADD_RULE;
		change.rule = &(*c)->rules.items[0];
		vec_push(a, &changes, change);
	}
	err = kernel_nft_commit(w->owner, changes.items, changes.len, 0, &after, &failure);
	if (err && e)
		*e = failure.error;
	return err;
}

/* ---- opening ---- */

static int open_frames(struct watch *w, struct kernel_error *e)
{
	int size = RECEIVE_QUEUE_BYTES;

	/* Without the link-layer header, which not every interface has. */
	w->frames = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (w->frames < 0)
		return kernel_error_set(e, errno, "a packet socket");
	if (setsockopt(w->frames, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(w->frames, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

static int open_conntrack(struct watch *w, struct kernel_error *e)
{
	int group = NFNLGRP_CONNTRACK_NEW;

	w->conntrack = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->conntrack || mnl_socket_bind(w->conntrack, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_setsockopt(w->conntrack, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
			0)
		return kernel_error_set(e, errno, "listening to conntrack");
	return 0;
}

int watch_open(struct kernel *k, struct arena *a, const struct netstate *net,
	const struct watch_filter *filter, struct watch **out, struct kernel_error *e)
{
	struct watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		abort();
	w->net = net;
	w->frames = -1;
	w->owner = k;
	err = nft_trace_open(&w->trace, e);
	if (!err)
		err = open_conntrack(w, e);
	if (!err)
		err = open_frames(w, e);
	if (!err)
		err = commit_table(w, a, filter, e);
	if (err) {
		watch_close(w);
		return err;
	}
	*out = w;
	return 0;
}

void watch_close(struct watch *w)
{
	struct nft_change gone = {
		.kind = NFT_DEL_TABLE, .family = FAMILY_INET, .table = WATCH_TABLE};
	struct nft_failure failure;
	uint32_t after;

	if (!w)
		return;
	kernel_nft_commit(w->owner, &gone, 1, 0, &after, &failure);
	nft_trace_close(w->trace);
	if (w->conntrack)
		mnl_socket_close(w->conntrack);
	if (w->frames >= 0)
		close(w->frames);
	free(w);
}

/* ---- listening ---- */

struct counted {
	const struct watch_sink *sink;
	int n;
};

static bool on_trace(const struct nft_trace_message *m, void *data)
{
	struct counted *c = data;

	c->n++;
	c->sink->traced(m, c->sink->data);
	return true;
}

static void read_frames(struct watch *w, struct counted *c)
{
	struct sockaddr_ll from = {0};
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(w->frames, w->buf, sizeof(w->buf), 0, (struct sockaddr *)&from,
			&len)) >= 0) {
		const struct net_link *l = netstate_link_by_index(w->net, from.sll_ifindex);
		struct watch_frame f = {.outgoing = from.sll_pkttype == PACKET_OUTGOING};
		size_t header = headers_network(&f.packet, w->buf, (size_t)n);

		len = sizeof(from);
		if (!l || !header || from.sll_pkttype == PACKET_OTHERHOST)
			continue;
		headers_transport(&f.packet, w->buf + header, (size_t)n - header);
		f.interface = l->name;
		c->n++;
		c->sink->frame(&f, c->sink->data);
	}
}

static int on_flow(const struct nlmsghdr *nlh, void *data)
{
	struct counted *c = data;
	struct net_flow f = {0};

	if (!kernel_conntrack_decode(nlh, &f))
		return MNL_CB_OK;
	c->n++;
	c->sink->flow(&f, c->sink->data);
	return MNL_CB_OK;
}

static int read_flows(struct watch *w, struct counted *c)
{
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(w->conntrack, w->buf, sizeof(w->buf));

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		mnl_cb_run(w->buf, (size_t)n, 0, 0, on_flow, c);
	}
}

int watch_wait(struct watch *w, struct arena *a, int timeout_ms, const struct watch_sink *sink,
	size_t *lost)
{
	struct pollfd fds[] = {{nft_trace_fd(w->trace), POLLIN, 0},
		{mnl_socket_get_fd(w->conntrack), POLLIN, 0}, {w->frames, POLLIN, 0}};
	struct counted c = {sink, 0};

	if (poll(fds, sizeof(fds) / sizeof(*fds), timeout_ms) < 0)
		return -errno;
	/* Whatever a packet left on its way is here before the frame that it became, and the
	 * connection before the trace of its reply. */
	if (nft_trace_read(w->trace, a, w->net, on_trace, &c) == -ENOBUFS)
		(*lost)++;
	if (read_flows(w, &c) == -ENOBUFS)
		(*lost)++;
	read_frames(w, &c);
	return c.n;
}
