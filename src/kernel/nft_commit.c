/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions: write changes as one batch, send it, and say what the kernel made of it.
 *
 * Theory of operation. nfnetlink takes a batch as one datagram (BEGIN, messages, END) and works it
 * off within sendmsg(): when that returns, the batch is committed or dropped and every answer is in
 * our queue. Messages that fail are answered with an error under their own sequence number, which
 * leads back to the change; the extended ack's offset leads to the element. Success is silent, so
 * the last message asks for an ack: that one ack and no error is success. A refused BEGIN (missing
 * privilege, another generation) or commit is answered under BEGIN's number.
 *
 * Errors could be as many as messages. The queue takes the first ones and then reports ENOBUFS; the
 * first is the cause and all that is wanted, the rest is dropped.
 */
#include "kernel/nft_wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A message holds one full attribute and some small ones. */
#define MESSAGE_ROOM (2 * 65536)

/* ---- the batch ---- */

void nft_batch_fail(struct nft_batch *b, int err, const char *fmt, ...)
{
	va_list ap;

	if (b->err)
		return;
	b->err = -err;
	b->error->err = err;
	va_start(ap, fmt);
	vsnprintf(b->error->text, sizeof(b->error->text), fmt, ap);
	va_end(ap);
}

static struct nlmsghdr *put_header(struct nft_batch *b, uint16_t type, uint16_t flags, uint32_t seq,
	uint8_t family, uint16_t resource)
{
	struct nlmsghdr *nlh;
	struct nfgenmsg *nfg;

	if (b->cap - b->len < MESSAGE_ROOM) {
		b->cap = b->cap ? b->cap * 2 : 2 * MESSAGE_ROOM;
		b->buf = realloc(b->buf, b->cap);
		if (!b->buf)
			abort();
	}
	nlh = mnl_nlmsg_put_header(b->buf + b->len);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(resource);
	return nlh;
}

struct nlmsghdr *nft_message_start(struct nft_batch *b, uint16_t type, uint16_t flags,
	enum nft_family family, long first_element)
{
	if (b->n == b->n_cap) {
		b->n_cap = b->n_cap ? b->n_cap * 2 : 64;
		b->messages = reallocarray(b->messages, b->n_cap, sizeof(*b->messages));
		if (!b->messages)
			abort();
	}
	b->messages[b->n] = (struct nft_message){
		.offset = b->len, .change = b->change, .first_element = first_element};
	b->n++;
	return put_header(
		b, NFNL_SUBSYS_NFTABLES << 8 | type, flags, b->first_seq + b->n - 1, family, 0);
}

void nft_message_end(struct nft_batch *b, struct nlmsghdr *nlh)
{
	b->len += MNL_ALIGN(nlh->nlmsg_len);
}

static void put_begin(struct nft_batch *b, uint32_t generation)
{
	struct nlmsghdr *nlh = put_header(
		b, NFNL_MSG_BATCH_BEGIN, 0, b->first_seq - 1, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);

	if (generation)
		put_be32(nlh, NFNL_BATCH_GENID, generation);
	nft_message_end(b, nlh);
}

static void put_end(struct nft_batch *b)
{
	nft_message_end(b, put_header(b, NFNL_MSG_BATCH_END, 0, b->first_seq + b->n, AF_UNSPEC,
				   NFNL_SUBSYS_NFTABLES));
}

/* ---- changes other than rules, sets and elements ---- */

static void put_table(struct nft_batch *b, const struct nft_change *c, bool add)
{
	/* Flags of a table that exists are changed by "adding" it again. */
	bool anew = c->kind == NFT_ADD_TABLE;
	struct nlmsghdr *nlh = nft_message_start(b, add ? NFT_MSG_NEWTABLE : NFT_MSG_DELTABLE,
		anew ? NLM_F_CREATE | NLM_F_EXCL : 0, c->family, -1);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, c->table);
	if (add)
		put_be32(nlh, NFTA_TABLE_FLAGS, c->table_flags);
	nft_message_end(b, nlh);
}

static void put_counter(struct nft_batch *b, const struct nft_change *c, bool add)
{
	struct nlmsghdr *nlh = nft_message_start(b, add ? NFT_MSG_NEWOBJ : NFT_MSG_DELOBJ,
		add ? NLM_F_CREATE | NLM_F_EXCL : 0, c->family, -1);
	struct nlattr *nest;

	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, c->table);
	mnl_attr_put_strz(nlh, NFTA_OBJ_NAME, c->counter->name);
	put_be32(nlh, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
	if (add) {
		nest = mnl_attr_nest_start(nlh, NFTA_OBJ_DATA);
		put_be64(nlh, NFTA_COUNTER_BYTES, c->counter->bytes);
		put_be64(nlh, NFTA_COUNTER_PACKETS, c->counter->packets);
		mnl_attr_nest_end(nlh, nest);
	}
	nft_message_end(b, nlh);
}

static void put_del_set(struct nft_batch *b, const struct nft_change *c)
{
	struct nlmsghdr *nlh = nft_message_start(b, NFT_MSG_DELSET, 0, c->family, -1);

	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, c->table);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, c->set->name);
	nft_message_end(b, nlh);
}

static void put_base_chain(struct nft_batch *b, struct nlmsghdr *nlh, const struct nft_change *c)
{
	static const char *const types[] = {
		[CHAIN_FILTER] = "filter", [CHAIN_NAT] = "nat", [CHAIN_ROUTE] = "route"};
	int hook = nft_hook_number(c->family, c->chain->hook);
	struct nlattr *nest;

	if (hook < 0)
		nft_batch_fail(b, EINVAL, "chain '%s' is at a hook that its family does not have",
			c->chain->name);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, types[c->chain->type]);
	put_be32(nlh, NFTA_CHAIN_POLICY, c->chain->policy_drop ? NF_DROP : NF_ACCEPT);
	nest = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
	put_be32(nlh, NFTA_HOOK_HOOKNUM, (uint32_t)hook);
	put_be32(nlh, NFTA_HOOK_PRIORITY, (uint32_t)c->chain->prio);
	mnl_attr_nest_end(nlh, nest);
}

static void put_chain(struct nft_batch *b, const struct nft_change *c, bool add)
{
	struct nlmsghdr *nlh = nft_message_start(b, add ? NFT_MSG_NEWCHAIN : NFT_MSG_DELCHAIN,
		add ? NLM_F_CREATE | NLM_F_EXCL : 0, c->family, -1);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, c->table);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, c->chain->name);
	if (add && c->chain->base)
		put_base_chain(b, nlh, c);
	nft_message_end(b, nlh);
}

static void put_flush_chain(struct nft_batch *b, const struct nft_change *c)
{
	struct nlmsghdr *nlh = nft_message_start(b, NFT_MSG_DELRULE, 0, c->family, -1);

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, c->table);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, c->chain->name);
	nft_message_end(b, nlh);
}

static void put_change(struct nft_batch *b, const struct nft_change *c)
{
	switch (c->kind) {
	case NFT_ADD_TABLE:
	case NFT_DEL_TABLE:
	case NFT_HOLD_TABLE:
		put_table(b, c, c->kind != NFT_DEL_TABLE);
		break;
	case NFT_ADD_COUNTER:
	case NFT_DEL_COUNTER:
		put_counter(b, c, c->kind == NFT_ADD_COUNTER);
		break;
	case NFT_ADD_SET:
		nft_put_set(b, c->family, c->table, c->set, 0);
		break;
	case NFT_DEL_SET:
		put_del_set(b, c);
		break;
	case NFT_ADD_CHAIN:
	case NFT_DEL_CHAIN:
		put_chain(b, c, c->kind == NFT_ADD_CHAIN);
		break;
	case NFT_FLUSH_CHAIN:
		put_flush_chain(b, c);
		break;
	case NFT_ADD_RULE:
		nft_put_rule(b, c);
		break;
	case NFT_ADD_ELEMENTS:
		nft_put_elements(b, NFT_MSG_NEWSETELEM, c->family, c->table, c->set, 0);
		break;
	case NFT_DEL_ELEMENTS:
		nft_put_elements(b, NFT_MSG_DELSETELEM, c->family, c->table, c->set, 0);
		break;
	case NFT_CHANGE_COUNT_:
		nft_batch_fail(b, EINVAL, "not a change");
		break;
	}
}

/* ---- sending ---- */

/* The kernel refuses a datagram beyond the socket's send buffer, so make that as large. Beyond
 * net.core.wmem_max it takes CAP_NET_ADMIN outside of any user namespace. */
static void widen(int fd, size_t len)
{
	int size = 0, want = len < INT32_MAX / 2 ? (int)len : INT32_MAX / 2;
	socklen_t size_len = sizeof(size);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &size_len) == 0 && (size_t)size > len + 32)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof(want)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want));
}

static int send_batch(struct kernel *k, struct nft_batch *b)
{
	int fd = mnl_socket_get_fd(k->netfilter), err;

	widen(fd, b->len);
	if (mnl_socket_sendto(k->netfilter, b->buf, b->len) >= 0)
		return 0;
	err = errno;
	if (err == EMSGSIZE)
		/* The kernel doubles what it is asked for. */
		return kernel_error_set(b->error, err,
			"one transaction of %zu bytes does not fit the netlink send buffer; root "
			"may "
			"exceed it, others need net.core.wmem_max of %zu or more",
			b->len, b->len / 2 + 64);
	return kernel_error_set(b->error, err, "cannot send to the kernel");
}

/* Which change, and which element of it, a refused message was about. */
static void blame(const struct nft_batch *b, uint32_t seq, struct nft_failure *f)
{
	const struct nft_message *m;
	long element;

	if (seq - b->first_seq >= b->n) /* BEGIN: the transaction as a whole */
		return;
	m = &b->messages[seq - b->first_seq];
	f->change = m->change;
	if (m->first_element < 0 || !f->error.offset)
		return;
	element = nft_element_at((const struct nlmsghdr *)(b->buf + m->offset), f->error.offset);
	if (element >= 0)
		f->element = m->first_element + element;
}

/* Take in the answers that wait in the queue. */
static int hear_answers(struct kernel *k, const struct nft_batch *b, struct nft_failure *f)
{
	int fd = mnl_socket_get_fd(k->netfilter), result = 0;
	uint32_t last = b->first_seq + b->n - 1;
	struct kernel_error e;
	bool acked = false;
	uint8_t buf[8192];

	for (;;) {
		ssize_t got = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left = (int)got;

		if (got < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (got <= 0)
			break;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			int err;

			if (nlh->nlmsg_type != NLMSG_ERROR ||
				nlh->nlmsg_seq - (b->first_seq - 1) > b->n + 1)
				continue;
			memset(&e, 0, sizeof(e));
			err = kernel_ack(nlh, &e);
			acked |= nlh->nlmsg_seq == last;
			if (err == 0 || result)
				continue;
			result = err;
			f->error = e;
			blame(b, nlh->nlmsg_seq, f);
		}
	}
	if (!result && !acked && b->n)
		return kernel_error_set(&f->error, EIO, "the kernel did not answer");
	return result;
}

/* ---- the front door ---- */

static int generation_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[NFTA_GEN_MAX + 1];

	kernel_attrs_of(attrs, NFTA_GEN_MAX, nlh, sizeof(struct nfgenmsg));
	*(uint32_t *)data = get_be32(attrs[NFTA_GEN_ID]);
	return MNL_CB_OK;
}

int kernel_nft_generation(struct kernel *k, uint32_t *generation, struct kernel_error *e)
{
	uint8_t buf[MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg)] __attribute__((aligned(4))) = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nfgenmsg));
	*generation = 0;
	return kernel_talk(k, k->netfilter, nlh, generation_cb, generation, e);
}

static int encode(
	struct nft_batch *b, const struct nft_change *changes, size_t n, uint32_t generation)
{
	struct nlmsghdr *last;

	put_begin(b, generation);
	for (size_t i = 0; i < n && !b->err; i++) {
		b->change = (long)i;
		put_change(b, &changes[i]);
	}
	if (b->err)
		return b->err;
	put_end(b);
	if (!b->n)
		return 0;
	last = (struct nlmsghdr *)(b->buf + b->messages[b->n - 1].offset);
	last->nlmsg_flags |= NLM_F_ACK;
	return 0;
}

/* Each commit counts it up by one and skips 0. (Asking for it could give a later one, of somebody
 * else's commit.) */
static uint32_t next_generation(uint32_t generation)
{
	return generation + 1 ? generation + 1 : 1;
}

int kernel_nft_commit(struct kernel *k, const struct nft_change *changes, size_t n,
	uint32_t generation, uint32_t *after, struct nft_failure *f)
{
	struct nft_batch b = {.first_seq = k->seq + 2, .error = &f->error};
	int err;

	*f = (struct nft_failure){.change = -1, .element = -1};
	err = encode(&b, changes, n, generation);
	if (err)
		f->change = b.change;
	else
		err = send_batch(k, &b);
	k->seq = b.first_seq + b.n;
	if (!err)
		err = hear_answers(k, &b, f);
	if (!err && !generation)
		err = kernel_nft_generation(k, after, &f->error);
	else if (!err)
		*after = b.n ? next_generation(generation) : generation;
	free(b.buf);
	free(b.messages);
	return err;
}

static bool can_hold(struct kernel *k)
{
	/* The second cannot succeed, so nothing is changed; the question is whether the first did. */
	const struct nft_change trial[] = {
		{.kind = NFT_ADD_TABLE,
			.family = FAMILY_INET,
			.table = "portreeve_trial",
			.table_flags = PLAN_TABLE_HELD},
		{.kind = NFT_DEL_TABLE, .family = FAMILY_INET, .table = "portreeve_no_such"},
	};
	struct nft_failure f;
	uint32_t after;

	return kernel_nft_commit(k, trial, 2, 0, &after, &f) == -ENOENT && f.change == 1;
}

bool kernel_nft_hold(struct kernel *k)
{
	/* PORTREEVE_HOLD=no: as if this kernel could not, so that tests see what is done then. */
	const char *hold = secure_getenv("PORTREEVE_HOLD");
	bool may = !hold || strcmp(hold, "no") != 0;

	k->table_flags = may && can_hold(k) ? PLAN_TABLE_HELD : 0;
	return k->table_flags;
}
