/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conntrack: the connections, and deleting or changing those that the caller picks. */
#include "kernel/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#define REQUEST_BYTES 1024

/*
 * What names an entry to the kernel, in the kernel's own encoding and byte order: the original
 * tuple, the id, and the zone where there is one (it can also be inside the tuple).
 */
struct chosen {
	uint8_t family; /* AF_* */
	bool has_zone;
	uint16_t zone;
	uint32_t id;
	uint16_t tuple_len; /* its bytes follow */
};

struct sweep {
	bool (*each)(const struct flow *f, void *data);
	void *data;
	/* What is done with each that was chosen: 0 or -errno. */
	int (*act)(struct kernel *k, const struct chosen *c, const uint8_t *tuple,
		struct kernel_error *e);
	/* A queue of struct chosen, each with its tuple: only what was chosen, so that a dump of
	 * millions costs no memory. */
	uint8_t *queue;
	size_t len, cap;
};

static void queue_add(struct sweep *s, const void *bytes, size_t len)
{
	if (s->len + len > s->cap) {
		s->cap = (s->cap + len) * 2;
		s->queue = realloc(s->queue, s->cap);
		if (!s->queue)
			abort();
	}
	memcpy(s->queue + s->len, bytes, len);
	s->len += len;
}

static void choose(struct sweep *s, uint8_t af, const struct nlattr *const *t)
{
	const struct nlattr *tuple = t[CTA_TUPLE_ORIG];
	struct chosen d;

	memset(&d, 0, sizeof(d));
	d.family = af;
	d.has_zone = t[CTA_ZONE];
	d.zone = t[CTA_ZONE] ? mnl_attr_get_u16(t[CTA_ZONE]) : 0;
	d.id = t[CTA_ID] ? mnl_attr_get_u32(t[CTA_ID]) : 0;
	d.tuple_len = mnl_attr_get_payload_len(tuple);
	queue_add(s, &d, sizeof(d));
	queue_add(s, mnl_attr_get_payload(tuple), d.tuple_len);
}

static struct ip_addr addr_in(const struct nlattr *const *t, int type4, int type6)
{
	if (t[type4])
		return ip_from_bytes(IP_V4, mnl_attr_get_payload(t[type4]));
	if (t[type6])
		return ip_from_bytes(IP_V6, mnl_attr_get_payload(t[type6]));
	return (struct ip_addr){0};
}

/* Ports, or what a protocol has in their place; false: it has none. */
static bool ports_in(struct flow_tuple *out, const struct nlattr *const *p, bool reply)
{
	const struct nlattr *id =
		p[CTA_PROTO_ICMP_ID] ? p[CTA_PROTO_ICMP_ID] : p[CTA_PROTO_ICMPV6_ID];

	if (p[CTA_PROTO_SRC_PORT] && p[CTA_PROTO_DST_PORT]) {
		out->sport = ntohs(mnl_attr_get_u16(p[CTA_PROTO_SRC_PORT]));
		out->dport = ntohs(mnl_attr_get_u16(p[CTA_PROTO_DST_PORT]));
		return true;
	}
	if (id)
		*(reply ? &out->dport : &out->sport) = ntohs(mnl_attr_get_u16(id));
	return false;
}

/* False: there is no tuple. *@ports: it has ports. */
static bool tuple_in(
	struct flow_tuple *out, uint8_t *proto, bool *ports, const struct nlattr *nest, bool reply)
{
	const struct nlattr *t[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *p[CTA_PROTO_MAX + 1];

	if (!nest)
		return false;
	kernel_attrs_in(t, CTA_TUPLE_MAX, nest);
	if (!t[CTA_TUPLE_IP] || !t[CTA_TUPLE_PROTO])
		return false;
	kernel_attrs_in(ip, CTA_IP_MAX, t[CTA_TUPLE_IP]);
	kernel_attrs_in(p, CTA_PROTO_MAX, t[CTA_TUPLE_PROTO]);
	if (!p[CTA_PROTO_NUM])
		return false;
	*proto = mnl_attr_get_u8(p[CTA_PROTO_NUM]);
	out->src = addr_in(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
	out->dst = addr_in(ip, CTA_IP_V4_DST, CTA_IP_V6_DST);
	*ports = ports_in(out, p, reply);
	return true;
}

/* Both directions of an entry, its mark and status. */
static bool entry_in(struct net_flow *f, bool *ports, const struct nlattr *const *t)
{
	if (!tuple_in(&f->original, &f->proto, ports, t[CTA_TUPLE_ORIG], false) ||
		!tuple_in(&f->reply, &f->proto, ports, t[CTA_TUPLE_REPLY], true))
		return false;
	f->mark = t[CTA_MARK] ? ntohl(mnl_attr_get_u32(t[CTA_MARK])) : 0;
	f->status = t[CTA_STATUS] ? ntohl(mnl_attr_get_u32(t[CTA_STATUS])) : 0;
	return true;
}

static const char *tcp_state_in(const struct nlattr *info)
{
	static const char *const names[] = {"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED",
		"FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"};
	const struct nlattr *t[CTA_PROTOINFO_MAX + 1], *tcp[CTA_PROTOINFO_TCP_MAX + 1];
	uint8_t state;

	if (!info)
		return NULL;
	kernel_attrs_in(t, CTA_PROTOINFO_MAX, info);
	if (!t[CTA_PROTOINFO_TCP])
		return NULL;
	kernel_attrs_in(tcp, CTA_PROTOINFO_TCP_MAX, t[CTA_PROTOINFO_TCP]);
	if (!tcp[CTA_PROTOINFO_TCP_STATE])
		return NULL;
	state = mnl_attr_get_u8(tcp[CTA_PROTOINFO_TCP_STATE]);
	return state < sizeof(names) / sizeof(*names) ? names[state] : NULL;
}

static int on_entry(const struct nlmsghdr *nlh, void *data)
{
	const struct nfgenmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *t[CTA_MAX + 1];
	struct net_flow entry = {0};
	struct sweep *s = data;
	struct flow f;
	bool ports;

	kernel_attrs_of(t, CTA_MAX, nlh, sizeof(*m));
	if (!entry_in(&entry, &ports, t) || !ports)
		return MNL_CB_OK;
	f = (struct flow){.proto = entry.proto,
		.original = entry.original,
		.reply = entry.reply,
		.mark = entry.mark,
		.status = entry.status,
		.state = tcp_state_in(t[CTA_PROTOINFO])};
	if (f.proto != PROTO_TCP && f.proto != PROTO_UDP && f.proto != PROTO_SCTP)
		return MNL_CB_OK;
	if (s->each(&f, s->data))
		choose(s, m->nfgen_family, t);
	return MNL_CB_OK;
}

static struct nlmsghdr *request(char buf[REQUEST_BYTES], uint16_t type, uint16_t flags, uint8_t af)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *m;

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type;
	nlh->nlmsg_flags = flags;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->nfgen_family = af;
	m->version = NFNETLINK_V0;
	return nlh;
}

static int dump(
	struct kernel *k, struct sweep *s, uint32_t mark, uint32_t mask, struct kernel_error *e)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = request(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);

	if (mask) {
		mnl_attr_put_u32(nlh, CTA_MARK, htonl(mark));
		mnl_attr_put_u32(nlh, CTA_MARK_MASK, htonl(mask));
	}
	return kernel_talk(k, k->netfilter, nlh, on_entry, s, e);
}

static int delete_one(
	struct kernel *k, const struct chosen *d, const uint8_t *tuple, struct kernel_error *e)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = request(buf, IPCTNL_MSG_CT_DELETE, 0, d->family);

	mnl_attr_put(nlh, CTA_TUPLE_ORIG | NLA_F_NESTED, d->tuple_len, tuple);
	if (d->has_zone)
		mnl_attr_put_u16(nlh, CTA_ZONE, d->zone);
	/* With the id an entry that has taken this one's place meanwhile is left alone; but for one
	 * with the same tuple at the same address in memory, which the kernel gives the same id. */
	mnl_attr_put_u32(nlh, CTA_ID, d->id);
	return kernel_talk(k, k->netfilter, nlh, NULL, NULL, e);
}

static int acknowledge_one(
	struct kernel *k, const struct chosen *c, const uint8_t *tuple, struct kernel_error *e)
{
	const struct nf_ct_tcp_flags none = {
		.flags = 0, .mask = IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED};
	char buf[REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = request(buf, IPCTNL_MSG_CT_NEW, 0, c->family);
	struct nlattr *info, *tcp;

	mnl_attr_put(nlh, CTA_TUPLE_ORIG | NLA_F_NESTED, c->tuple_len, tuple);
	if (c->has_zone)
		mnl_attr_put_u16(nlh, CTA_ZONE, c->zone);
	info = mnl_attr_nest_start(nlh, CTA_PROTOINFO);
	tcp = mnl_attr_nest_start(nlh, CTA_PROTOINFO_TCP);
	mnl_attr_put(nlh, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(none), &none);
	mnl_attr_put(nlh, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(none), &none);
	mnl_attr_nest_end(nlh, tcp);
	mnl_attr_nest_end(nlh, info);
	return kernel_talk(k, k->netfilter, nlh, NULL, NULL, e);
}

static int act_on_queue(
	struct kernel *k, const struct sweep *s, size_t *done, struct kernel_error *e)
{
	for (size_t at = 0; at < s->len;) {
		struct chosen c;
		int err;

		memcpy(&c, s->queue + at, sizeof(c));
		at += sizeof(c);
		err = s->act(k, &c, s->queue + at, e);
		at += c.tuple_len;
		if (!err)
			(*done)++;
		else if (err != -ENOENT) /* that one ended by itself */
			return err;
	}
	return 0;
}

static int run_sweep(struct kernel *k, struct sweep *s, uint32_t mark, uint32_t mask, size_t *done,
	struct kernel_error *e)
{
	int err = dump(k, s, mark, mask, e);

	*done = 0;
	if (!err)
		err = act_on_queue(k, s, done, e);
	if (!err && e)
		*e = (struct kernel_error){0};
	free(s->queue);
	return err;
}

int kernel_conntrack_sweep_marked(struct kernel *k, uint32_t mark, uint32_t mask,
	bool (*each)(const struct flow *f, void *data), void *data, size_t *deleted,
	struct kernel_error *e)
{
	struct sweep s = {.each = each, .data = data, .act = delete_one};

	return run_sweep(k, &s, mark, mask, deleted, e);
}

static bool is_established(const struct flow *f, void *data)
{
	return f->proto == PROTO_TCP && f->state && strcmp(f->state, "ESTABLISHED") == 0;
}

int kernel_conntrack_acknowledge(
	struct kernel *k, uint32_t mark, uint32_t mask, size_t *told, struct kernel_error *e)
{
	struct sweep s = {.each = is_established, .act = acknowledge_one};

	return run_sweep(k, &s, mark, mask, told, e);
}

int kernel_conntrack_sweep(struct kernel *k, bool (*each)(const struct flow *f, void *data),
	void *data, size_t *deleted, struct kernel_error *e)
{
	return kernel_conntrack_sweep_marked(k, 0, 0, each, data, deleted, e);
}

/* ---- looking ---- */

#define FLOWS_MAX (1u << 20) /* of a netstate; where there are more it does not know them all */

struct flow_list {
	struct arena *a;
	struct netstate *out;
	bool too_many;
};

bool kernel_conntrack_decode(const struct nlmsghdr *nlh, struct net_flow *f)
{
	const struct nlattr *t[CTA_MAX + 1];
	bool ports;

	kernel_attrs_of(t, CTA_MAX, nlh, sizeof(struct nfgenmsg));
	if (!entry_in(f, &ports, t))
		return false;
	f->state = tcp_state_in(t[CTA_PROTOINFO]);
	f->timeout_s = t[CTA_TIMEOUT] ? ntohl(mnl_attr_get_u32(t[CTA_TIMEOUT])) : 0;
	f->zone = t[CTA_ZONE] ? ntohs(mnl_attr_get_u16(t[CTA_ZONE])) : 0;
	f->offloaded = f->status & (IPS_OFFLOAD | IPS_HW_OFFLOAD);
	return true;
}

static uint64_t number_in(const struct nlattr *attr)
{
	uint64_t n;

	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(n))
		return 0;
	memcpy(&n, mnl_attr_get_payload(attr), sizeof(n));
	return be64toh(n);
}

static void account_in(const struct nlmsghdr *nlh, struct flow_account *out)
{
	static const int counters[] = {CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY};
	const struct nlattr *t[CTA_MAX + 1], *c[CTA_COUNTERS_MAX + 1], *at[CTA_TIMESTAMP_MAX + 1];

	kernel_attrs_of(t, CTA_MAX, nlh, sizeof(struct nfgenmsg));
	out->id = t[CTA_ID] ? ntohl(mnl_attr_get_u32(t[CTA_ID])) : 0;
	for (int i = 0; i < 2; i++) {
		if (!t[counters[i]])
			continue;
		kernel_attrs_in(c, CTA_COUNTERS_MAX, t[counters[i]]);
		out->counted = true;
		out->packets[i] = number_in(c[CTA_COUNTERS_PACKETS]);
		out->bytes[i] = number_in(c[CTA_COUNTERS_BYTES]);
	}
	if (t[CTA_TIMESTAMP]) {
		kernel_attrs_in(at, CTA_TIMESTAMP_MAX, t[CTA_TIMESTAMP]);
		out->start_ms = number_in(at[CTA_TIMESTAMP_START]) / 1000000;
	}
}

struct each_flow {
	void (*each)(const struct net_flow *f, const struct flow_account *account, void *data);
	void *data;
};

static int on_each(const struct nlmsghdr *nlh, void *data)
{
	const struct each_flow *s = data;
	struct flow_account account = {0};
	struct net_flow f = {0};

	if (!kernel_conntrack_decode(nlh, &f))
		return MNL_CB_OK;
	account_in(nlh, &account);
	s->each(&f, &account, s->data);
	return MNL_CB_OK;
}

/* All connections, to @cb. Asking would load the module: where it is not, there are none. */
static int dump_all(struct kernel *k, uint32_t mark, uint32_t mask, mnl_cb_t cb, void *data,
	struct kernel_error *e)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = request(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);

	if (access("/sys/module/nf_conntrack", F_OK) != 0)
		return 0;
	if (mask) {
		mnl_attr_put_u32(nlh, CTA_MARK, htonl(mark));
		mnl_attr_put_u32(nlh, CTA_MARK_MASK, htonl(mask));
	}
	return kernel_talk(k, k->netfilter, nlh, cb, data, e);
}

int kernel_conntrack_each(struct kernel *k, uint32_t mark, uint32_t mask,
	void (*each)(const struct net_flow *f, const struct flow_account *account, void *data),
	void *data, struct kernel_error *e)
{
	struct each_flow s = {each, data};

	return dump_all(k, mark, mask, on_each, &s, e);
}

static int on_flow(const struct nlmsghdr *nlh, void *data)
{
	struct flow_list *l = data;
	struct net_flow f = {0};

	if (!kernel_conntrack_decode(nlh, &f))
		return MNL_CB_OK;
	if (l->out->flows.len == FLOWS_MAX)
		l->too_many = true;
	else
		vec_push(l->a, &l->out->flows, f);
	return MNL_CB_OK;
}

int kernel_observe_flows(
	struct kernel *k, struct arena *a, struct netstate *out, struct kernel_error *e)
{
	struct flow_list l = {.a = a, .out = out};
	int err;

	memset(&out->flows, 0, sizeof(out->flows));
	err = dump_all(k, 0, 0, on_flow, &l, e);
	if (!err && !l.too_many)
		out->have |= HAVE_FLOWS;
	return err;
}
