/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receives nftables' trace messages and decodes them. */
#include "kernel/nft_trace.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kernel/headers.h"
#include "kernel/nft_wire.h"

#define RECEIVE_BYTES	    65536
#define RECEIVE_QUEUE_BYTES (4 << 20)

struct nft_trace {
	struct mnl_socket *socket;
	uint8_t buf[RECEIVE_BYTES];
};

int nft_trace_open(struct nft_trace **out, struct kernel_error *e)
{
	struct nft_trace *t = calloc(1, sizeof(*t));
	int group = NFNLGRP_NFTRACE, size = RECEIVE_QUEUE_BYTES, err;

	if (!t)
		abort();
	t->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!t->socket || mnl_socket_bind(t->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_setsockopt(t->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) <
			0) {
		err = kernel_error_set(e, errno, "listening to nftables' trace");
		nft_trace_close(t);
		return err;
	}
	setsockopt(nft_trace_fd(t), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*out = t;
	return 0;
}

void nft_trace_close(struct nft_trace *t)
{
	if (t && t->socket)
		mnl_socket_close(t->socket);
	free(t);
}

int nft_trace_fd(const struct nft_trace *t)
{
	return mnl_socket_get_fd(t->socket);
}

/* ---- messages ---- */

static const char *interface(const struct netstate *net, const struct nlattr *attr)
{
	const struct net_link *l = attr ? netstate_link_by_index(net, (int)get_be32(attr)) : NULL;

	return l ? l->name : NULL;
}

bool nft_trace_decode(struct arena *a, const struct netstate *net, const struct nlmsghdr *nlh,
	struct nft_trace_message *out)
{
	static const enum observed_kind kinds[] = {[NFT_TRACETYPE_POLICY] = OBSERVED_POLICY,
		[NFT_TRACETYPE_RETURN] = OBSERVED_RETURN,
		[NFT_TRACETYPE_RULE] = OBSERVED_RULE};
	const struct nfgenmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[NFTA_TRACE_MAX + 1];
	struct observed_step *s = &out->step;
	uint32_t type;

	*out = (struct nft_trace_message){0};
	if (nlh->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE) ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(*m))
		return false;
	kernel_attrs_of(t, NFTA_TRACE_MAX, nlh, sizeof(*m));
	type = get_be32(t[NFTA_TRACE_TYPE]);
	if (!t[NFTA_TRACE_TABLE] || !t[NFTA_TRACE_CHAIN] || type < NFT_TRACETYPE_POLICY ||
		type > NFT_TRACETYPE_RULE)
		return false;
	out->id = get_be32(t[NFTA_TRACE_ID]);
	s->kind = kinds[type];
	s->family = (enum nft_family)m->nfgen_family;
	s->table = nft_get_string(a, t[NFTA_TRACE_TABLE]);
	s->chain = nft_get_string(a, t[NFTA_TRACE_CHAIN]);
	s->handle = get_be64(t[NFTA_TRACE_RULE_HANDLE]);
	if (t[NFTA_TRACE_VERDICT])
		s->verdict = nft_read_verdict(a, t[NFTA_TRACE_VERDICT], &s->target);
	else if (t[NFTA_TRACE_POLICY])
		s->verdict = (int32_t)get_be32(t[NFTA_TRACE_POLICY]);
	s->in = interface(net, t[NFTA_TRACE_IIF]);
	s->out = interface(net, t[NFTA_TRACE_OIF]);
	s->mark = get_be32(t[NFTA_TRACE_MARK]); /* left out where it is 0 */
	if (t[NFTA_TRACE_NETWORK_HEADER])
		headers_network(&s->packet, mnl_attr_get_payload(t[NFTA_TRACE_NETWORK_HEADER]),
			mnl_attr_get_payload_len(t[NFTA_TRACE_NETWORK_HEADER]));
	if (t[NFTA_TRACE_TRANSPORT_HEADER])
		headers_transport(&s->packet, mnl_attr_get_payload(t[NFTA_TRACE_TRANSPORT_HEADER]),
			mnl_attr_get_payload_len(t[NFTA_TRACE_TRANSPORT_HEADER]));
	return true;
}

struct reading {
	struct arena *arena;
	const struct netstate *net;
	bool (*each)(const struct nft_trace_message *m, void *data);
	void *data;
};

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	const struct reading *r = data;
	struct nft_trace_message m;

	if (!nft_trace_decode(r->arena, r->net, nlh, &m))
		return MNL_CB_OK;
	return r->each(&m, r->data) ? MNL_CB_OK : MNL_CB_STOP;
}

int nft_trace_read(struct nft_trace *t, struct arena *a, const struct netstate *net,
	bool (*each)(const struct nft_trace_message *m, void *data), void *data)
{
	struct reading r = {a, net, each, data};

	for (;;) {
		ssize_t len = recv(nft_trace_fd(t), t->buf, sizeof(t->buf), 0);

		if (len < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (mnl_cb_run(t->buf, (size_t)len, 0, 0, on_message, &r) == MNL_CB_STOP)
			return 0;
	}
}
