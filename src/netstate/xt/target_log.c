/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' targets that tell somebody: LOG, NFLOG, ULOG, REJECT, NFQUEUE, TRACE, AUDIT. */
#include "netstate/xt/extension.h"

#include <string.h>

#include <linux/netfilter/xt_AUDIT.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

/* ---- LOG ---- */

enum { PREFIX, LEVEL, TCPSEQ, TCPOPT, IPOPT, UID, MACDECODE };

static const struct xt_option log_options[] = {
	{"log-prefix", PREFIX, ARGS_1, false},
	{"log-level", LEVEL, ARGS_1, false},
	{"log-tcp-sequence", TCPSEQ, ARGS_0, false},
	{"log-tcp-options", TCPOPT, ARGS_0, false},
	{"log-ip-options", IPOPT, ARGS_0, false},
	{"log-uid", UID, ARGS_0, false},
	{"log-macdecode", MACDECODE, ARGS_0, false},
	{0},
};

static const uint8_t log_flags[] = {[TCPSEQ] = XT_LOG_TCPSEQ,
	[TCPOPT] = XT_LOG_TCPOPT,
	[IPOPT] = XT_LOG_IPOPT,
	[UID] = XT_LOG_UID,
	[MACDECODE] = XT_LOG_MACDECODE};

static const struct xt_name levels[] = {{"emerg", 0}, {"panic", 0}, {"alert", 1}, {"crit", 2},
	{"err", 3}, {"error", 3}, {"warning", 4}, {"warn", 4}, {"notice", 5}, {"info", 6},
	{"debug", 7}, {0}};

#define DEFAULT_LEVEL 4

static void log_init(struct xt_reading *r, void *info)
{
	struct xt_log_info *i = info;

	i->level = DEFAULT_LEVEL;
}

/* What is too long is cut, as iptables did before it complained. */
static void read_prefix(const char *s, char *out, size_t size)
{
	size_t len = strlen(s);

	memcpy(out, s, len < size ? len : size - 1);
}

static bool log_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_log_info *i = info;
	uint32_t level;

	if (o->id == PREFIX) {
		read_prefix(o->arg[0], i->prefix, sizeof(i->prefix));
		return true;
	}
	if (o->id != LEVEL) {
		i->logflags |= log_flags[o->id];
		return true;
	}
	if (xt_find_name(levels, o->arg[0], strlen(o->arg[0]), &level)) {
		i->level = (unsigned char)level;
		return true;
	}
	return xt_read_u8(r, o->arg[0], &i->level);
}

static bool log_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_log_info *i = info;

	if (i->prefix[0]) {
		strbuf_add(out, " --log-prefix");
		xt_print_string(out, i->prefix, sizeof(i->prefix));
	}
	if (i->level != DEFAULT_LEVEL)
		strbuf_addf(out, " --log-level %u", i->level);
	for (const struct xt_option *o = log_options; o->name; o++) {
		if (o->id >= TCPSEQ && i->logflags & log_flags[o->id])
			xt_print_option(out, o->name, false);
	}
	return true;
}

/* ---- NFLOG, and ULOG that was before it ---- */

enum { GROUP, NFLOG_PREFIX, RANGE, SIZE, THRESHOLD };

static const struct xt_option nflog_options[] = {
	{"nflog-group", GROUP, ARGS_1, false},
	{"nflog-prefix", NFLOG_PREFIX, ARGS_1, false},
	{"nflog-range", RANGE, ARGS_1, false},
	{"nflog-size", SIZE, ARGS_1, false},
	{"nflog-threshold", THRESHOLD, ARGS_1, false},
	{0},
};

static bool nflog_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_nflog_info *i = info;

	switch (o->id) {
	case GROUP:
		return xt_read_u16(r, o->arg[0], &i->group);
	case NFLOG_PREFIX:
		read_prefix(o->arg[0], i->prefix, sizeof(i->prefix));
		return true;
	case THRESHOLD:
		return xt_read_u16(r, o->arg[0], &i->threshold);
	default: /* the range never had an effect */
		i->flags |= o->id == SIZE ? XT_NFLOG_F_COPY_LEN : 0;
		return xt_read_u32(r, o->arg[0], &i->len);
	}
}

static bool nflog_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_nflog_info *i = info;

	if (i->prefix[0]) {
		strbuf_add(out, " --nflog-prefix");
		xt_print_string(out, i->prefix, sizeof(i->prefix));
	}
	if (i->group)
		strbuf_addf(out, " --nflog-group %u", i->group);
	if (i->len)
		strbuf_addf(out, " --nflog-%s %u",
			i->flags & XT_NFLOG_F_COPY_LEN ? "size" : "range", i->len);
	if (i->threshold)
		strbuf_addf(out, " --nflog-threshold %u", i->threshold);
	return true;
}

/* Its header is no longer among the kernel's. */
struct ulog_info {
	uint32_t group;
	uint64_t copy_range, threshold;
	char prefix[32];
};

static const struct xt_option ulog_options[] = {
	{"ulog-nlgroup", GROUP, ARGS_1, false},
	{"ulog-prefix", NFLOG_PREFIX, ARGS_1, false},
	{"ulog-cprange", RANGE, ARGS_1, false},
	{"ulog-qthreshold", THRESHOLD, ARGS_1, false},
	{0},
};

static void ulog_init(struct xt_reading *r, void *info)
{
	struct ulog_info *i = info;

	i->group = 1;
	i->threshold = 1;
}

static bool ulog_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct ulog_info *i = info;
	uint32_t group = 0;

	switch (o->id) {
	case GROUP:
		if (!xt_read_u32(r, o->arg[0], &group) || group < 1 || group > 32)
			return xt_fail(r, "'%s' is not a group from 1 to 32", o->arg[0]);
		i->group = 1u << (group - 1);
		return true;
	case NFLOG_PREFIX:
		read_prefix(o->arg[0], i->prefix, sizeof(i->prefix));
		return true;
	case RANGE:
		return xt_read_uint(r, o->arg[0], UINT64_MAX, &i->copy_range);
	default:
		return xt_read_uint(r, o->arg[0], UINT64_MAX, &i->threshold);
	}
}

static bool ulog_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ulog_info *i = info;

	if (i->prefix[0]) {
		strbuf_add(out, " --ulog-prefix");
		xt_print_string(out, i->prefix, sizeof(i->prefix));
	}
	if (i->group > 1)
		strbuf_addf(out, " --ulog-nlgroup %d", __builtin_ffs((int)i->group));
	if (i->copy_range)
		strbuf_addf(out, " --ulog-cprange %llu", (unsigned long long)i->copy_range);
	if (i->threshold != 1)
		strbuf_addf(out, " --ulog-qthreshold %llu", (unsigned long long)i->threshold);
	return true;
}

/* ---- REJECT ---- */

static const struct xt_option reject_options[] = {{"reject-with", 0, ARGS_1, false}, {0}};

static const struct xt_name reject_types[] = {{"icmp-net-unreachable", IPT_ICMP_NET_UNREACHABLE},
	{"net-unreach", IPT_ICMP_NET_UNREACHABLE},
	{"icmp-host-unreachable", IPT_ICMP_HOST_UNREACHABLE},
	{"host-unreach", IPT_ICMP_HOST_UNREACHABLE},
	{"icmp-proto-unreachable", IPT_ICMP_PROT_UNREACHABLE},
	{"proto-unreach", IPT_ICMP_PROT_UNREACHABLE},
	{"icmp-port-unreachable", IPT_ICMP_PORT_UNREACHABLE},
	{"port-unreach", IPT_ICMP_PORT_UNREACHABLE},
	{"icmp-net-prohibited", IPT_ICMP_NET_PROHIBITED}, {"net-prohib", IPT_ICMP_NET_PROHIBITED},
	{"icmp-host-prohibited", IPT_ICMP_HOST_PROHIBITED},
	{"host-prohib", IPT_ICMP_HOST_PROHIBITED}, {"tcp-reset", IPT_TCP_RESET},
	{"tcp-rst", IPT_TCP_RESET}, {"icmp-admin-prohibited", IPT_ICMP_ADMIN_PROHIBITED},
	{"admin-prohib", IPT_ICMP_ADMIN_PROHIBITED}, {0}};

static const struct xt_name reject6_types[] = {{"icmp6-no-route", IP6T_ICMP6_NO_ROUTE},
	{"no-route", IP6T_ICMP6_NO_ROUTE}, {"icmp6-adm-prohibited", IP6T_ICMP6_ADM_PROHIBITED},
	{"adm-prohibited", IP6T_ICMP6_ADM_PROHIBITED},
	{"icmp6-addr-unreachable", IP6T_ICMP6_ADDR_UNREACH},
	{"addr-unreach", IP6T_ICMP6_ADDR_UNREACH},
	{"icmp6-port-unreachable", IP6T_ICMP6_PORT_UNREACH},
	{"port-unreach", IP6T_ICMP6_PORT_UNREACH}, {"tcp-reset", IP6T_TCP_RESET},
	{"icmp6-policy-fail", IP6T_ICMP6_POLICY_FAIL}, {"policy-fail", IP6T_ICMP6_POLICY_FAIL},
	{"icmp6-reject-route", IP6T_ICMP6_REJECT_ROUTE}, {"reject-route", IP6T_ICMP6_REJECT_ROUTE},
	{0}};

/* Both families have one number of 4 bytes. */
_Static_assert(sizeof(struct ipt_reject_info) == sizeof(struct ip6t_reject_info), "alike");

static void reject_init(struct xt_reading *r, void *info)
{
	struct ip6t_reject_info *i = info;

	i->with = r->family == IP_V6 ? (uint32_t)IP6T_ICMP6_PORT_UNREACH
				     : (uint32_t)IPT_ICMP_PORT_UNREACHABLE;
}

/* As iptables takes it: in any case of letters, and abbreviated to what is the start of some name. */
static bool reject_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct ip6t_reject_info *i = info;
	size_t len = strlen(o->arg[0]);

	for (const struct xt_name *n = r->family == IP_V6 ? reject6_types : reject_types; n->name;
		n++) {
		if (len && strncasecmp(n->name, o->arg[0], len) == 0) {
			i->with = n->value;
			return true;
		}
	}
	return xt_fail(r, "'%s' is not known here", o->arg[0]);
}

static bool reject_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ip6t_reject_info *i = info;
	const char *name = xt_name_of(family == IP_V6 ? reject6_types : reject_types, i->with);

	strbuf_addf(out, " --reject-with %s", name ? name : "?");
	return name != NULL;
}

/* ---- NFQUEUE ---- */

enum { NUM, BALANCE, BYPASS, FANOUT };

static const struct xt_option nfqueue_options[] = {
	{"queue-num", NUM, ARGS_1, false},
	{"queue-balance", BALANCE, ARGS_1, false},
	{"queue-bypass", BYPASS, ARGS_0, false},
	{"queue-cpu-fanout", FANOUT, ARGS_0, false},
	{0},
};

static void nfqueue_init(struct xt_reading *r, void *info)
{
	struct xt_NFQ_info_v3 *i = info;

	i->queues_total = 1;
}

static bool nfqueue_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_NFQ_info_v3 *i = info;
	uint64_t first, last;

	switch (o->id) {
	case NUM:
		return xt_read_u16(r, o->arg[0], &i->queuenum);
	case BALANCE:
		if (!xt_read_range(r, o->arg[0], UINT16_MAX, &first, &last))
			return false;
		i->queuenum = (uint16_t)first;
		i->queues_total = (uint16_t)(last - first + 1);
		return true;
	default:
		i->flags |= o->id == BYPASS ? NFQ_FLAG_BYPASS : NFQ_FLAG_CPU_FANOUT;
		return true;
	}
}

static bool nfqueue_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_NFQ_info_v3 *i = info; /* earlier revisions are its beginnings */
	uint16_t total = x->rev ? i->queues_total : 1, flags = x->rev >= 2 ? i->flags : 0;

	if (total > 1)
		strbuf_addf(out, " --queue-balance %u:%u", i->queuenum, i->queuenum + total - 1);
	else
		strbuf_addf(out, " --queue-num %u", i->queuenum);
	if (flags & NFQ_FLAG_BYPASS)
		strbuf_add(out, " --queue-bypass");
	if (flags & NFQ_FLAG_CPU_FANOUT)
		strbuf_add(out, " --queue-cpu-fanout");
	return true;
}

/* ---- TRACE, AUDIT ---- */

static bool trace_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	return true;
}

static const struct xt_option audit_options[] = {{"type", 0, ARGS_1, false}, {0}};

static const struct xt_name audit_types[] = {{"accept", XT_AUDIT_TYPE_ACCEPT},
	{"drop", XT_AUDIT_TYPE_DROP}, {"reject", XT_AUDIT_TYPE_REJECT}, {0}};

static bool audit_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_audit_info *i = info;
	uint32_t type;

	if (!xt_read_name(r, o->arg[0], audit_types, &type))
		return false;
	i->type = (uint8_t)type;
	return true;
}

static bool audit_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_audit_info *i = info;
	const char *name = xt_name_of(audit_types, i->type);

	strbuf_addf(out, " --type %s", name ? name : "?");
	return name != NULL;
}

const struct xt_extension xt_log_targets[] = {
	{"LOG", .target = true, .size = XT_SIZE(struct xt_log_info), .options = log_options,
		.init = log_init, .parse = log_parse, .print = log_print},
	{"NFLOG", .target = true, .size = XT_SIZE(struct xt_nflog_info), .options = nflog_options,
		.parse = nflog_parse, .print = nflog_print},
	{"ULOG", .target = true, .family = IP_V4, .size = XT_SIZE(struct ulog_info),
		.options = ulog_options, .init = ulog_init, .parse = ulog_parse,
		.print = ulog_print},
	{"REJECT", .target = true, .size = XT_SIZE(struct ip6t_reject_info),
		.options = reject_options, .init = reject_init, .parse = reject_parse,
		.print = reject_print},
	{"NFQUEUE", .target = true, .rev = 3, .size = XT_SIZE(struct xt_NFQ_info_v3),
		.options = nfqueue_options, .init = nfqueue_init, .parse = nfqueue_parse,
		.print = nfqueue_print},
	{"NFQUEUE", .target = true, .rev = 2, .size = XT_SIZE(struct xt_NFQ_info_v2), .old = true,
		.print = nfqueue_print},
	{"NFQUEUE", .target = true, .rev = 1, .size = XT_SIZE(struct xt_NFQ_info_v1), .old = true,
		.print = nfqueue_print},
	{"NFQUEUE", .target = true, .size = XT_SIZE(struct xt_NFQ_info), .old = true,
		.print = nfqueue_print},
	{"TRACE", .target = true, .print = trace_print},
	{"AUDIT", .target = true, .size = XT_SIZE(struct xt_audit_info), .options = audit_options,
		.parse = audit_parse, .print = audit_print},
	{0},
};
