/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaching the fast path's programs to interfaces, beside what others have there.
 *
 * Theory of operation. A tc filter carries its program's name, so ours are known by it. XDP tells no more
 * than an id, and to look behind that takes rights that a confined daemon does not have: the ids that
 * were attached are written down in the run directory, of an interface whose program is being replaced
 * both, so that wherever we are killed ours is known. XDP takes one program; tc takes many, and ours
 * comes after those of others, which may do with their packets what they like. Where the qdisc that filters
 * need was made for ours is written down, too: another's stays, also while it is empty.
 */
#include "kernel/fastpath_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include "kernel/rundir.h"

#define PREFERENCE     50000u /* behind those that others get by themselves, from 49152 downwards */
#define HANDLE	       1u
#define PROGRAM_NAME   "portreeve_tc"
#define MESSAGE_BYTES  1024
#define NOTES_BYTES    (64u << 10)
#define LIMIT_NOTES    4096u
#define CLSACT_INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define CLSACT_EGRESS  TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

/* The "netdev" family of generic netlink, which came with Linux 6.3. */
#define NETDEV_GET	    1
#define NETDEV_IFINDEX	    1
#define NETDEV_XDP_FEATURES 3
#define XDP_TAKES_FRAMES    4u

/* ---- what is written down: ids that were attached by XDP, and qdiscs that were made ---- */

#define NOTES_XDP   ""
#define NOTES_QDISC "-qdiscs"

struct note {
	uint32_t ifindex, id; /* of a qdisc: 1 */
};
struct notes {
	VEC(struct note) items;
};

static void read_notes(
	const struct kernel *k, const char *which, struct arena *a, struct notes *out)
{
	char name[RUNDIR_NAME_BYTES], *text = NULL, *end;
	int dir = rundir_open(false);
	size_t len;

	if (dir < 0)
		return;
	if (rundir_name(k, "fastpath", which, name) == 0 &&
		rundir_read(dir, name, a, NOTES_BYTES, &text, &len) == 0)
		for (size_t i = 0; i < LIMIT_NOTES && *text; i++) {
			struct note n = {(uint32_t)strtoul(text, &end, 10), 0};

			n.id = (uint32_t)strtoul(end, &text, 10);
			if (n.ifindex && n.id)
				vec_push(a, &out->items, n);
			text += strcspn(text, "\n");
			text += *text == '\n';
		}
	close(dir);
}

/* @id 0: any. */
static bool is_noted(const struct kernel *k, const char *which, uint32_t ifindex, uint32_t id)
{
	struct arena *a = arena_new();
	struct notes notes = {0};
	bool found = false;

	read_notes(k, which, a, &notes);
	VEC_EACH (&notes.items, struct note, n)
		found = found || (n->ifindex == ifindex && (!id || n->id == id));
	arena_free(a);
	return found;
}

/* Of @ifindex only these are ours from now on; 0: none. */
static int note(
	const struct kernel *k, const char *which, uint32_t ifindex, uint32_t id, uint32_t before)
{
	struct arena *a = arena_new();
	struct strbuf text = STRBUF_INIT;
	struct notes notes = {0};
	char name[RUNDIR_NAME_BYTES];
	int dir = rundir_open(true), err = dir < 0 ? dir : rundir_name(k, "fastpath", which, name);

	read_notes(k, which, a, &notes);
	VEC_EACH (&notes.items, struct note, n)
		if (n->ifindex != ifindex)
			strbuf_addf(&text, "%u %u\n", n->ifindex, n->id);
	if (id)
		strbuf_addf(&text, "%u %u\n", ifindex, id);
	if (before)
		strbuf_addf(&text, "%u %u\n", ifindex, before);
	if (!err)
		err = rundir_replace(dir, name, strbuf_str(&text), strlen(strbuf_str(&text)));
	if (dir >= 0)
		close(dir);
	strbuf_fini(&text);
	arena_free(a);
	return err;
}

/* ---- XDP ---- */

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[IFLA_MAX + 1], *xdp[IFLA_XDP_MAX + 1];
	uint32_t *id = data;

	kernel_attrs_of(attrs, IFLA_MAX, nlh, sizeof(struct ifinfomsg));
	if (!attrs[IFLA_XDP])
		return MNL_CB_OK;
	kernel_attrs_in(xdp, IFLA_XDP_MAX, attrs[IFLA_XDP]);
	if (xdp[IFLA_XDP_PROG_ID])
		*id = mnl_attr_get_u32(xdp[IFLA_XDP_PROG_ID]);
	else if (xdp[IFLA_XDP_ATTACHED] &&
		 mnl_attr_get_u8(xdp[IFLA_XDP_ATTACHED]) != XDP_ATTACHED_NONE)
		*id = UINT32_MAX; /* several */
	return MNL_CB_OK;
}

static struct nlmsghdr *link_message(char *buf, uint16_t type, uint32_t ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *m;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->ifi_index = (int)ifindex;
	return nlh;
}

int fastpath_xdp_query(struct kernel *k, uint32_t ifindex, uint32_t *id, struct kernel_error *e)
{
	char buf[MESSAGE_BYTES] __attribute__((aligned(8)));
	int err;

	*id = 0;
	err = kernel_talk(k, k->route, link_message(buf, RTM_GETLINK, ifindex), on_link, id, e);
	if (err || !*id)
		return err;
	return is_noted(k, NOTES_XDP, ifindex, *id) ? 0 : -EEXIST;
}

static int set_xdp(
	struct kernel *k, uint32_t ifindex, int fd, uint32_t flags, struct kernel_error *e)
{
	char buf[MESSAGE_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = link_message(buf, RTM_SETLINK, ifindex);
	struct nlattr *nest = mnl_attr_nest_start(nlh, IFLA_XDP);

	mnl_attr_put_u32(nlh, IFLA_XDP_FD, (uint32_t)fd);
	mnl_attr_put_u32(nlh, IFLA_XDP_FLAGS, flags);
	mnl_attr_nest_end(nlh, nest);
	return kernel_talk(k, k->route, nlh, NULL, NULL, e);
}

int fastpath_xdp_attach(
	struct kernel *k, uint32_t ifindex, int fd, uint32_t id, struct kernel_error *e)
{
	uint32_t before;
	int err = fastpath_xdp_query(k, ifindex, &before, e);

	if (err)
		return err;
	/* Written down first: what is attached without a note would be taken for another's. */
	err = note(k, NOTES_XDP, ifindex, id, before);
	if (!err)
		err = set_xdp(k, ifindex, fd,
			XDP_FLAGS_DRV_MODE | (before ? 0 : XDP_FLAGS_UPDATE_IF_NOEXIST), e);
	note(k, NOTES_XDP, ifindex, err ? before : id, 0);
	return err;
}

int fastpath_xdp_detach(struct kernel *k, uint32_t ifindex, struct kernel_error *e)
{
	uint32_t id;
	int err = fastpath_xdp_query(k, ifindex, &id, e);

	if (err == -EEXIST || err == -ENODEV || (!err && !id)) {
		if (is_noted(k, NOTES_XDP, ifindex, 0))
			note(k, NOTES_XDP, ifindex, 0, 0);
		return 0;
	}
	if (!err)
		err = set_xdp(k, ifindex, -1, XDP_FLAGS_DRV_MODE, e);
	if (!err)
		note(k, NOTES_XDP, ifindex, 0, 0);
	return err ? err : 1;
}

static int on_features(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[NETDEV_XDP_FEATURES + 1];
	int *takes = data;

	kernel_attrs_of(attrs, NETDEV_XDP_FEATURES, nlh, sizeof(struct genlmsghdr));
	if (attrs[NETDEV_XDP_FEATURES])
		*takes = (mnl_attr_get_u64(attrs[NETDEV_XDP_FEATURES]) & XDP_TAKES_FRAMES) != 0;
	return MNL_CB_OK;
}

static int on_family(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[CTRL_ATTR_FAMILY_ID + 1];
	uint16_t *id = data;

	kernel_attrs_of(attrs, CTRL_ATTR_FAMILY_ID, nlh, sizeof(struct genlmsghdr));
	if (attrs[CTRL_ATTR_FAMILY_ID])
		*id = mnl_attr_get_u16(attrs[CTRL_ATTR_FAMILY_ID]);
	return MNL_CB_OK;
}

static struct nlmsghdr *generic_message(char *buf, uint16_t family, uint8_t command)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *m;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->cmd = command;
	m->version = 1;
	return nlh;
}

int fastpath_takes_frames(struct kernel *k, uint32_t ifindex)
{
	char buf[MESSAGE_BYTES] __attribute__((aligned(8)));
	struct mnl_socket *s = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	struct nlmsghdr *nlh = generic_message(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	uint16_t family = 0;
	int takes = -1;

	if (!s)
		return -1;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, "netdev");
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0 &&
		kernel_talk(k, s, nlh, on_family, &family, NULL) == 0 && family) {
		nlh = generic_message(buf, family, NETDEV_GET);
		mnl_attr_put_u32(nlh, NETDEV_IFINDEX, ifindex);
		if (kernel_talk(k, s, nlh, on_features, &takes, NULL) < 0)
			takes = -1;
	}
	mnl_socket_close(s);
	return takes;
}

/* ---- tc ---- */

struct filters {
	size_t n;      /* all of them, ours too */
	uint32_t ours; /* its program's id; 0: it is not there */
	bool taken;    /* another's stands in our place */
};

static int on_filter(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attrs[TCA_MAX + 1], *bpf[TCA_BPF_MAX + 1] = {0};
	const struct tcmsg *m = mnl_nlmsg_get_payload(nlh);
	struct filters *f = data;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*m) || !m->tcm_handle)
		return MNL_CB_OK; /* a chain's head */
	f->n++;
	if (TC_H_MAJ(m->tcm_info) >> 16 != PREFERENCE || m->tcm_parent != CLSACT_INGRESS)
		return MNL_CB_OK;
	kernel_attrs_of(attrs, TCA_MAX, nlh, sizeof(*m));
	if (attrs[TCA_OPTIONS] && attrs[TCA_KIND] &&
		mnl_attr_validate(attrs[TCA_KIND], MNL_TYPE_NUL_STRING) == 0 &&
		strcmp(mnl_attr_get_str(attrs[TCA_KIND]), "bpf") == 0)
		kernel_attrs_in(bpf, TCA_BPF_MAX, attrs[TCA_OPTIONS]);
	if (bpf[TCA_BPF_NAME] && bpf[TCA_BPF_ID] &&
		mnl_attr_validate(bpf[TCA_BPF_NAME], MNL_TYPE_NUL_STRING) == 0 &&
		strncmp(mnl_attr_get_str(bpf[TCA_BPF_NAME]), PROGRAM_NAME, strlen(PROGRAM_NAME)) ==
			0)
		f->ours = mnl_attr_get_u32(bpf[TCA_BPF_ID]);
	else
		f->taken = true;
	return MNL_CB_OK;
}

static int list_filters(struct kernel *k, uint32_t ifindex, uint32_t parent, struct filters *out,
	struct kernel_error *e)
{
	char buf[MESSAGE_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *m;
	int err;

	nlh->nlmsg_type = RTM_GETTFILTER;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->tcm_ifindex = (int)ifindex;
	m->tcm_parent = parent;
	err = kernel_talk(k, k->route, nlh, on_filter, out, e);
	/* No such qdisc: there are none. */
	return err == -EINVAL || err == -ENOENT ? 0 : err;
}

int fastpath_tc_query(struct kernel *k, uint32_t ifindex, uint32_t *id, struct kernel_error *e)
{
	struct filters f = {0};
	int err = list_filters(k, ifindex, CLSACT_INGRESS, &f, e);

	*id = f.ours;
	return err ? err : f.taken ? -EEXIST : 0;
}

int fastpath_tc_attach(struct kernel *k, uint32_t ifindex, int fd, struct kernel_error *e)
{
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook), .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS};
	struct bpf_tc_opts place = {.sz = sizeof(place), .handle = HANDLE, .priority = PREFERENCE};
	uint32_t before;
	int err = fastpath_tc_query(k, ifindex, &before, e);

	if (err)
		return err;
	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return kernel_error_set(e, -err, "no clsact qdisc could be made");
	if (!before)
		note(k, NOTES_QDISC, ifindex, err ? 0 : 1, 0);
	place.prog_fd = fd;
	place.flags = before ? BPF_TC_F_REPLACE : 0;
	err = bpf_tc_attach(&hook, &place);
	return err ? kernel_error_set(e, -err, "the filter was refused") : 0;
}

/* The qdisc goes too where it was made for ours and nothing else is in it. */
int fastpath_tc_detach(struct kernel *k, uint32_t ifindex, struct kernel_error *e)
{
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook), .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS};
	struct bpf_tc_opts place = {.sz = sizeof(place), .handle = HANDLE, .priority = PREFERENCE};
	struct filters left = {0};
	uint32_t id;
	int err = fastpath_tc_query(k, ifindex, &id, e);

	if (err || !id)
		return err == -EEXIST || err == -ENODEV ? 0 : err;
	err = bpf_tc_detach(&hook, &place);
	if (err)
		return kernel_error_set(e, -err, "the filter could not be taken off");
	if (is_noted(k, NOTES_QDISC, ifindex, 0) &&
		list_filters(k, ifindex, CLSACT_INGRESS, &left, NULL) == 0 &&
		list_filters(k, ifindex, CLSACT_EGRESS, &left, NULL) == 0 && left.n == 0) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(&hook);
		note(k, NOTES_QDISC, ifindex, 0, 0);
	}
	return 1;
}
