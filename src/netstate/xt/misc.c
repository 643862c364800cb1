/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' matches on things around the packet: comment, owner, policy, and what is rarer. */
#include "netstate/xt/extension.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_acct.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_cluster.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_ipvs.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_policy.h>

#include "netstate/names.h"

/* ---- comment ---- */

static const struct xt_option comment_options[] = {{"comment", 0, ARGS_1, false}, {0}};

static bool comment_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_comment_info *i = info;
	size_t len = strlen(o->arg[0]);

	/* One that is cut off is still a comment. */
	memcpy(i->comment, o->arg[0], len < sizeof(i->comment) ? len : sizeof(i->comment) - 1);
	return true;
}

static bool comment_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_comment_info *i = info;

	strbuf_add(out, " --comment");
	xt_print_string(out, i->comment, sizeof(i->comment));
	return true;
}

/* ---- owner ---- */

enum { UID, GID, SOCKET, SUPPL };

static const struct xt_option owner_options[] = {
	{"uid-owner", UID, ARGS_1, true},
	{"gid-owner", GID, ARGS_1, true},
	{"socket-exists", SOCKET, ARGS_0, true},
	{"suppl-groups", SUPPL, ARGS_0, false},
	{0},
};

/* "1000", "1000-1999"; names are in a file of that machine, but root is everywhere the same. */
static bool read_ids(struct xt_reading *r, const char *s, uint32_t *first, uint32_t *last)
{
	const char *dash = strchr(s, '-');
	char text[64];

	if (strcmp(s, "root") == 0) {
		*first = *last = 0;
		return true;
	}
	if (*s < '0' || *s > '9')
		return xt_fail(r, "the number of '%s' is not known", s);
	if (!dash) {
		if (!xt_read_u32(r, s, first))
			return false;
		*last = *first;
		return true;
	}
	snprintf(text, sizeof(text), "%.*s", (int)(dash - s < 63 ? dash - s : 63), s);
	return xt_read_u32(r, text, first) && xt_read_u32(r, dash + 1, last);
}

static bool owner_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint8_t flags[] = {
		XT_OWNER_UID, XT_OWNER_GID, XT_OWNER_SOCKET, XT_OWNER_SUPPL_GROUPS};
	struct xt_owner_match_info *i = info;

	i->match |= flags[o->id];
	i->invert |= o->inverted ? flags[o->id] : 0;
	if (o->id == UID)
		return read_ids(r, o->arg[0], &i->uid_min, &i->uid_max);
	if (o->id == GID)
		return read_ids(r, o->arg[0], &i->gid_min, &i->gid_max);
	return true;
}

static void print_ids(struct strbuf *out, uint32_t first, uint32_t last)
{
	strbuf_addf(out, " %u", first);
	if (first != last)
		strbuf_addf(out, "-%u", last);
}

static bool owner_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_owner_match_info *i = info;

	if (i->match & XT_OWNER_SOCKET)
		xt_print_option(out, "socket-exists", i->invert & XT_OWNER_SOCKET);
	if (i->match & XT_OWNER_UID) {
		xt_print_option(out, "uid-owner", i->invert & XT_OWNER_UID);
		print_ids(out, i->uid_min, i->uid_max);
	}
	if (i->match & XT_OWNER_GID) {
		xt_print_option(out, "gid-owner", i->invert & XT_OWNER_GID);
		print_ids(out, i->gid_min, i->gid_max);
	}
	if (i->match & XT_OWNER_SUPPL_GROUPS)
		strbuf_add(out, " --suppl-groups");
	return true;
}

/* ---- policy (IPsec) ---- */

enum { DIR, POL, STRICT, REQID, SPI, PROTO, MODE, TUNNEL_SRC, TUNNEL_DST, NEXT };

static const struct xt_option policy_options[] = {
	{"dir", DIR, ARGS_1, false},
	{"pol", POL, ARGS_1, false},
	{"strict", STRICT, ARGS_0, false},
	{"reqid", REQID, ARGS_1, true},
	{"spi", SPI, ARGS_1, true},
	{"proto", PROTO, ARGS_1, true},
	{"mode", MODE, ARGS_1, true},
	{"tunnel-src", TUNNEL_SRC, ARGS_1, true},
	{"tunnel-dst", TUNNEL_DST, ARGS_1, true},
	{"next", NEXT, ARGS_0, false},
	{0},
};

static const struct xt_name policy_dirs[] = {
	{"in", XT_POLICY_MATCH_IN}, {"out", XT_POLICY_MATCH_OUT}, {0}};
static const struct xt_name policy_modes[] = {
	{"transport", XT_POLICY_MODE_TRANSPORT}, {"tunnel", XT_POLICY_MODE_TUNNEL}, {0}};

static void policy_init(struct xt_reading *r, void *info)
{
	struct xt_policy_info *i = info;

	i->len = 1; /* the element being read; none in the end without options of one */
}

static bool read_tunnel(
	struct xt_reading *r, const char *s, union xt_policy_addr *addr, union xt_policy_addr *mask)
{
	union nf_inet_addr a = {0}, m = {0};

	if (!xt_read_masked_addr(r, s, &a, &m))
		return false;
	memcpy(addr, &a, sizeof(*addr));
	memcpy(mask, &m, sizeof(*mask));
	return true;
}

static bool policy_element(struct xt_reading *r, const struct xt_given *o, struct xt_policy_elem *e)
{
	uint32_t value;

	switch (o->id) {
	case REQID:
		e->match.reqid = 1;
		e->invert.reqid = o->inverted;
		return xt_read_u32(r, o->arg[0], &e->reqid);
	case SPI:
		e->match.spi = 1;
		e->invert.spi = o->inverted;
		return xt_read_u32(r, o->arg[0], &e->spi); /* as it is, says iptables */
	case PROTO:
		e->match.proto = 1;
		e->invert.proto = o->inverted;
		return xt_read_proto(r, o->arg[0], &e->proto);
	case MODE:
		e->match.mode = 1;
		e->invert.mode = o->inverted;
		if (!xt_read_name(r, o->arg[0], policy_modes, &value))
			return false;
		e->mode = (uint8_t)value;
		return true;
	case TUNNEL_SRC:
		e->match.saddr = 1;
		e->invert.saddr = o->inverted;
		return read_tunnel(r, o->arg[0], &e->saddr, &e->smask);
	default:
		e->match.daddr = 1;
		e->invert.daddr = o->inverted;
		return read_tunnel(r, o->arg[0], &e->daddr, &e->dmask);
	}
}

static bool policy_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_policy_info *i = info;
	uint32_t value;

	switch (o->id) {
	case DIR:
		if (!xt_read_name(r, o->arg[0], policy_dirs, &value))
			return false;
		i->flags |= (uint16_t)value;
		return true;
	case POL:
		i->flags |= strcmp(o->arg[0], "none") == 0 ? XT_POLICY_MATCH_NONE : 0;
		return strcmp(o->arg[0], "none") == 0 || strcmp(o->arg[0], "ipsec") == 0 ||
		       xt_fail(r, "'%s' is not a policy", o->arg[0]);
	case STRICT:
		i->flags |= XT_POLICY_MATCH_STRICT;
		return true;
	case NEXT:
		if (i->len == XT_POLICY_MAX_ELEM)
			return xt_fail(r, "more than %d elements", XT_POLICY_MAX_ELEM);
		i->len++;
		return true;
	default:
		return policy_element(r, o, &i->pol[i->len - 1]);
	}
}

static bool policy_finish(struct xt_reading *r, uint64_t given, void *info)
{
	struct xt_policy_info *i = info;

	if (i->flags & XT_POLICY_MATCH_NONE)
		i->len = 0;
	return given & GIVEN(DIR) || xt_fail(r, "policy does not say which direction");
}

static void print_element(struct strbuf *out, uint8_t family, const struct xt_policy_elem *e)
{
	const char *name = xt_name_of(policy_modes, e->mode);

	if (e->match.reqid) {
		xt_print_option(out, "reqid", e->invert.reqid);
		strbuf_addf(out, " %u", e->reqid);
	}
	if (e->match.spi) {
		xt_print_option(out, "spi", e->invert.spi);
		strbuf_addf(out, " 0x%x", e->spi);
	}
	if (e->match.proto) {
		xt_print_option(out, "proto", e->invert.proto);
		if (net_protocol_name(e->proto))
			strbuf_addf(out, " %s", net_protocol_name(e->proto));
		else
			strbuf_addf(out, " %u", e->proto);
	}
	if (e->match.mode) {
		xt_print_option(out, "mode", e->invert.mode);
		strbuf_addf(out, " %s", name ? name : "?");
	}
	if (e->match.daddr) {
		xt_print_option(out, "tunnel-dst", e->invert.daddr);
		strbuf_addch(out, ' ');
		xt_add_network(out, family, &e->daddr, &e->dmask, false);
	}
	if (e->match.saddr) {
		xt_print_option(out, "tunnel-src", e->invert.saddr);
		strbuf_addch(out, ' ');
		xt_add_network(out, family, &e->saddr, &e->smask, false);
	}
}

static bool policy_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_policy_info *i = info;
	const char *dir =
		xt_name_of(policy_dirs, i->flags & (XT_POLICY_MATCH_IN | XT_POLICY_MATCH_OUT));

	if (!dir || i->len > XT_POLICY_MAX_ELEM)
		return false;
	strbuf_addf(
		out, " --dir %s --pol %s", dir, i->flags & XT_POLICY_MATCH_NONE ? "none" : "ipsec");
	if (i->flags & XT_POLICY_MATCH_STRICT)
		strbuf_add(out, " --strict");
	for (unsigned int n = 0; n < i->len; n++) {
		if (n > 0)
			strbuf_add(out, " --next");
		print_element(out, family, &i->pol[n]);
	}
	return true;
}

/* ---- cpu, cluster, cgroup, nfacct ---- */

static const struct xt_option cpu_options[] = {{"cpu", 0, ARGS_1, true}, {0}};

static bool cpu_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_cpu_info *i = info;

	i->invert = o->inverted;
	return xt_read_u32(r, o->arg[0], &i->cpu);
}

static bool cpu_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_cpu_info *i = info;

	xt_print_option(out, "cpu", i->invert);
	strbuf_addf(out, " %u", i->cpu);
	return true;
}

enum { TOTAL, LOCAL, LOCAL_MASK, SEED };

static const struct xt_option cluster_options[] = {
	{"cluster-total-nodes", TOTAL, ARGS_1, false},
	{"cluster-local-node", LOCAL, ARGS_1, true},
	{"cluster-local-nodemask", LOCAL_MASK, ARGS_1, true},
	{"cluster-hash-seed", SEED, ARGS_1, false},
	{0},
};

static bool cluster_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_cluster_match_info *i = info;
	uint32_t node = 0;

	i->flags |= o->inverted ? XT_CLUSTER_F_INV : 0;
	switch (o->id) {
	case TOTAL:
		return xt_read_u32(r, o->arg[0], &i->total_nodes);
	case LOCAL:
		if (!xt_read_u32(r, o->arg[0], &node) || node < 1 || node > 32)
			return xt_fail(r, "'%s' is not a node from 1 to 32", o->arg[0]);
		i->node_mask = 1u << (node - 1);
		return true;
	case LOCAL_MASK:
		return xt_read_u32(r, o->arg[0], &i->node_mask);
	default:
		return xt_read_u32(r, o->arg[0], &i->hash_seed);
	}
}

static bool cluster_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_cluster_match_info *i = info;

	xt_print_option(out, "cluster-local-nodemask", i->flags & XT_CLUSTER_F_INV);
	strbuf_addf(out, " 0x%08x --cluster-total-nodes %u --cluster-hash-seed 0x%08x",
		i->node_mask, i->total_nodes, i->hash_seed);
	return true;
}

enum { CLASSID, PATH };

static const struct xt_option cgroup_options[] = {
	{"cgroup", CLASSID, ARGS_1, true},
	{"path", PATH, ARGS_1, true},
	{0},
};

static bool cgroup_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_cgroup_info_v2 *i = info;

	if (o->id == PATH) {
		i->has_path = 1;
		i->invert_path = o->inverted;
		return xt_read_string(r, o->arg[0], i->path, sizeof(i->path));
	}
	i->has_classid = 1;
	i->invert_classid = o->inverted;
	return xt_read_u32(r, o->arg[0], &i->classid);
}

static bool cgroup_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_cgroup_info_v2 *i = info;

	if (i->has_path) {
		xt_print_option(out, "path", i->invert_path);
		xt_print_string(out, i->path, sizeof(i->path));
	}
	if (i->has_classid) {
		xt_print_option(out, "cgroup", i->invert_classid);
		strbuf_addf(out, " %u", i->classid);
	}
	return true;
}

static const struct xt_option nfacct_options[] = {{"nfacct-name", 0, ARGS_1, false}, {0}};

static bool nfacct_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_nfacct_match_info_v1 *i = info;

	return xt_read_string(r, o->arg[0], i->name, sizeof(i->name));
}

static bool nfacct_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_nfacct_match_info_v1 *i = info;

	strbuf_add(out, " --nfacct-name");
	xt_print_string(out, i->name, sizeof(i->name));
	return true;
}

/* ---- ipvs ---- */

/* The ids are the numbers of the bits; ipvs itself is the first. */
enum { IPVS, VPROTO, VADDR, VPORT, VDIR, VMETHOD, VPORTCTL };

static const struct xt_option ipvs_options[] = {
	{"ipvs", IPVS, ARGS_0, true},
	{"vproto", VPROTO, ARGS_1, true},
	{"vaddr", VADDR, ARGS_1, true},
	{"vport", VPORT, ARGS_1, true},
	{"vdir", VDIR, ARGS_1, true},
	{"vmethod", VMETHOD, ARGS_1, true},
	{"vportctl", VPORTCTL, ARGS_1, true},
	{0},
};

static const struct xt_name ipvs_dirs[] = {{"ORIGINAL", 0}, {"REPLY", 1}, {0}};
/* IP_VS_CONN_F_* */
static const struct xt_name ipvs_methods[] = {{"MASQ", 0}, {"IPIP", 2}, {"GATE", 3}, {0}};

static bool ipvs_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint8_t flags[] = {XT_IPVS_IPVS_PROPERTY, XT_IPVS_PROTO, XT_IPVS_VADDR,
		XT_IPVS_VPORT, XT_IPVS_DIR, XT_IPVS_METHOD, XT_IPVS_VPORTCTL};
	struct xt_ipvs_mtinfo *i = info;
	uint16_t port[2];
	uint32_t value = 0;

	i->bitmask |= flags[o->id] | (o->id == IPVS ? 0 : XT_IPVS_IPVS_PROPERTY);
	i->invert |= o->inverted ? flags[o->id] : 0;
	switch (o->id) {
	case IPVS:
		return true;
	case VPROTO:
		return xt_read_proto(r, o->arg[0], &i->l4proto);
	case VADDR:
		return xt_read_masked_addr(r, o->arg[0], &i->vaddr, &i->vmask);
	case VPORT:
	case VPORTCTL:
		if (!xt_read_ports(r, o->arg[0], ':', port))
			return false;
		*(o->id == VPORT ? &i->vport : &i->vportctl) = htons(port[0]);
		return true;
	default:
		if (!xt_read_name(r, o->arg[0], o->id == VDIR ? ipvs_dirs : ipvs_methods, &value))
			return false;
		if (o->id == VMETHOD)
			i->fwd_method = (uint8_t)value;
		else if (value)
			i->invert |= XT_IPVS_DIR;
		return true;
	}
}

static bool ipvs_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_ipvs_mtinfo *i = info;
	const char *method = xt_name_of(ipvs_methods, i->fwd_method);

	if (i->bitmask == XT_IPVS_IPVS_PROPERTY)
		xt_print_option(out, "ipvs", i->invert & XT_IPVS_IPVS_PROPERTY);
	if (i->bitmask & XT_IPVS_PROTO) {
		xt_print_option(out, "vproto", i->invert & XT_IPVS_PROTO);
		strbuf_addf(out, " %u", i->l4proto);
	}
	if (i->bitmask & XT_IPVS_VADDR) {
		xt_print_option(out, "vaddr", i->invert & XT_IPVS_VADDR);
		strbuf_addch(out, ' ');
		xt_add_network(out, family, &i->vaddr, &i->vmask, false);
	}
	if (i->bitmask & XT_IPVS_VPORT) {
		xt_print_option(out, "vport", i->invert & XT_IPVS_VPORT);
		strbuf_addf(out, " %u", ntohs(i->vport));
	}
	if (i->bitmask & XT_IPVS_DIR)
		strbuf_addf(out, " --vdir %s", i->invert & XT_IPVS_DIR ? "REPLY" : "ORIGINAL");
	if (i->bitmask & XT_IPVS_METHOD) {
		xt_print_option(out, "vmethod", i->invert & XT_IPVS_METHOD);
		strbuf_addf(out, " %s", method ? method : "?");
	}
	if (i->bitmask & XT_IPVS_VPORTCTL) {
		xt_print_option(out, "vportctl", i->invert & XT_IPVS_VPORTCTL);
		strbuf_addf(out, " %u", ntohs(i->vportctl));
	}
	return method || !(i->bitmask & XT_IPVS_METHOD);
}

const struct xt_extension xt_misc_matches[] = {
	{"comment", .size = XT_SIZE(struct xt_comment_info), .options = comment_options,
		.parse = comment_parse, .print = comment_print},
	{"owner", .rev = 1, .size = XT_SIZE(struct xt_owner_match_info), .options = owner_options,
		.parse = owner_parse, .print = owner_print},
	{"policy", .size = XT_SIZE(struct xt_policy_info), .options = policy_options,
		.init = policy_init, .parse = policy_parse, .finish = policy_finish,
		.print = policy_print},
	{"cpu", .size = XT_SIZE(struct xt_cpu_info), .options = cpu_options, .parse = cpu_parse,
		.print = cpu_print},
	{"cluster", .size = XT_SIZE(struct xt_cluster_match_info), .options = cluster_options,
		.parse = cluster_parse, .print = cluster_print},
	{"cgroup", .rev = 2, .size = XT_SIZE(struct xt_cgroup_info_v2), .options = cgroup_options,
		.parse = cgroup_parse, .print = cgroup_print},
	{"ipvs", .size = XT_SIZE(struct xt_ipvs_mtinfo), .options = ipvs_options,
		.parse = ipvs_parse, .print = ipvs_print},
	{"nfacct", .rev = 1, .size = XT_SIZE(struct xt_nfacct_match_info_v1),
		.options = nfacct_options, .parse = nfacct_parse, .print = nfacct_print},
	{0},
};
