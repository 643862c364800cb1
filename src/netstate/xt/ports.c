/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' matches on the transport header: ports, flags, types. */
#include "netstate/xt/extension.h"

#include <string.h>

#include <linux/netfilter/xt_dccp.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_sctp.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { SPORT, DPORT, FLAGS, SYN, OPTION };

/* ---- tcp, udp ---- */

static const struct xt_option tcp_options[] = {
	{"source-port", SPORT, ARGS_1, true},
	{"sport", SPORT, ARGS_1, true},
	{"destination-port", DPORT, ARGS_1, true},
	{"dport", DPORT, ARGS_1, true},
	{"tcp-flags", FLAGS, ARGS_2, true},
	{"syn", SYN, ARGS_0, true},
	{"tcp-option", OPTION, ARGS_1, true},
	{0},
};

static const struct xt_name tcp_flags[] = {{"FIN", 0x01}, {"SYN", 0x02}, {"RST", 0x04},
	{"PSH", 0x08}, {"ACK", 0x10}, {"URG", 0x20}, {"ALL", 0x3f}, {"NONE", 0}, {0}};

static void tcp_init(struct xt_reading *r, void *info)
{
	struct xt_tcp *i = info;

	i->spts[1] = i->dpts[1] = UINT16_MAX;
}

static bool tcp_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_tcp *i = info;
	uint32_t mask = 0x17, cmp = 0x02; /* of --syn */

	switch (o->id) {
	case SPORT:
		i->invflags |= o->inverted ? XT_TCP_INV_SRCPT : 0;
		return xt_read_ports(r, o->arg[0], ':', i->spts);
	case DPORT:
		i->invflags |= o->inverted ? XT_TCP_INV_DSTPT : 0;
		return xt_read_ports(r, o->arg[0], ':', i->dpts);
	case FLAGS:
	case SYN:
		if (o->id == FLAGS && (!xt_read_bits(r, o->arg[0], tcp_flags, &mask) ||
					      !xt_read_bits(r, o->arg[1], tcp_flags, &cmp)))
			return false;
		i->flg_mask = (uint8_t)mask;
		i->flg_cmp = (uint8_t)cmp;
		i->invflags |= o->inverted ? XT_TCP_INV_FLAGS : 0;
		return true;
	default:
		i->invflags |= o->inverted ? XT_TCP_INV_OPTION : 0;
		return xt_read_u8(r, o->arg[0], &i->option);
	}
}

static void print_port(struct strbuf *out, const char *name, const uint16_t range[2], bool inverted)
{
	if (range[0] == 0 && range[1] == UINT16_MAX && !inverted)
		return;
	xt_print_option(out, name, inverted);
	xt_print_ports(out, range[0], range[1], ':');
}

static void print_flags(struct strbuf *out, uint8_t flags)
{
	if (flags)
		xt_print_bits(out, tcp_flags, flags);
	else
		strbuf_add(out, " NONE");
}

static bool tcp_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_tcp *i = info;

	print_port(out, "sport", i->spts, i->invflags & XT_TCP_INV_SRCPT);
	print_port(out, "dport", i->dpts, i->invflags & XT_TCP_INV_DSTPT);
	if (i->option || i->invflags & XT_TCP_INV_OPTION) {
		xt_print_option(out, "tcp-option", i->invflags & XT_TCP_INV_OPTION);
		strbuf_addf(out, " %u", i->option);
	}
	if (i->flg_mask || i->invflags & XT_TCP_INV_FLAGS) {
		xt_print_option(out, "tcp-flags", i->invflags & XT_TCP_INV_FLAGS);
		print_flags(out, i->flg_mask);
		print_flags(out, i->flg_cmp);
	}
	return true;
}

static const struct xt_option udp_options[] = {
	{"source-port", SPORT, ARGS_1, true},
	{"sport", SPORT, ARGS_1, true},
	{"destination-port", DPORT, ARGS_1, true},
	{"dport", DPORT, ARGS_1, true},
	{0},
};

static void udp_init(struct xt_reading *r, void *info)
{
	struct xt_udp *i = info;

	i->spts[1] = i->dpts[1] = UINT16_MAX;
}

static bool udp_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	struct xt_udp *i = info;

	if (o->id == SPORT) {
		i->invflags |= o->inverted ? XT_UDP_INV_SRCPT : 0;
		return xt_read_ports(r, o->arg[0], ':', i->spts);
	}
	i->invflags |= o->inverted ? XT_UDP_INV_DSTPT : 0;
	return xt_read_ports(r, o->arg[0], ':', i->dpts);
}

static bool udp_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_udp *i = info;

	print_port(out, "sport", i->spts, i->invflags & XT_UDP_INV_SRCPT);
	print_port(out, "dport", i->dpts, i->invflags & XT_UDP_INV_DSTPT);
	return true;
}

/* ---- sctp, dccp ---- */

static const struct xt_option sctp_options[] = {
	{"source-port", SPORT, ARGS_1, true},
	{"sport", SPORT, ARGS_1, true},
	{"destination-port", DPORT, ARGS_1, true},
	{"dport", DPORT, ARGS_1, true},
	{"chunk-types", FLAGS, ARGS_2, true},
	{0},
};

static const struct xt_name chunks[] = {{"DATA", 0}, {"INIT", 1}, {"INIT_ACK", 2}, {"SACK", 3},
	{"HEARTBEAT", 4}, {"HEARTBEAT_ACK", 5}, {"ABORT", 6}, {"SHUTDOWN", 7}, {"SHUTDOWN_ACK", 8},
	{"ERROR", 9}, {"COOKIE_ECHO", 10}, {"COOKIE_ACK", 11}, {"ECN_ECNE", 12}, {"ECN_CWR", 13},
	{"SHUTDOWN_COMPLETE", 14}, {"I_DATA", 64}, {"RE_CONFIG", 130}, {"PAD", 132},
	{"ASCONF", 193}, {"ASCONF_ACK", 128}, {"FORWARD_TSN", 192}, {"I_FORWARD_TSN", 194}, {0}};

static void sctp_init(struct xt_reading *r, void *info)
{
	struct xt_sctp_info *i = info;

	for (unsigned int n = 0; n < XT_NUM_SCTP_FLAGS; n++)
		i->flag_info[n].chunktype = UINT8_MAX; /* none */
}

/* The flags of a chunk, which may follow it (":Ube"), are not kept. */
static bool sctp_chunks(struct xt_reading *r, const struct xt_given *o, struct xt_sctp_info *i)
{
	static const struct xt_name how[] = {{"any", SCTP_CHUNK_MATCH_ANY},
		{"all", SCTP_CHUNK_MATCH_ALL}, {"only", SCTP_CHUNK_MATCH_ONLY}, {0}};
	const char *list = o->arg[1];
	uint32_t type;
	char part[64];

	if (!xt_read_name(r, o->arg[0], how, &i->chunk_match_type))
		return false;
	if (strcasecmp(list, "ALL") == 0)
		memset(i->chunkmap, 0xff, sizeof(i->chunkmap));
	else if (strcasecmp(list, "NONE") != 0)
		while (xt_next_part(&list, ',', part)) {
			if (!xt_read_name(r, part, chunks, &type))
				return false;
			SCTP_CHUNKMAP_SET(i->chunkmap, type);
		}
	return true;
}

static bool sctp_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint32_t flags[] = {
		XT_SCTP_SRC_PORTS, XT_SCTP_DEST_PORTS, XT_SCTP_CHUNK_TYPES};
	struct xt_sctp_info *i = info;

	i->flags |= flags[o->id];
	i->invflags |= o->inverted ? flags[o->id] : 0;
	if (o->id == FLAGS)
		return sctp_chunks(r, o, i);
	return xt_read_ports(r, o->arg[0], ':', o->id == SPORT ? i->spts : i->dpts);
}

static bool has_all_chunks(const struct xt_sctp_info *i)
{
	for (unsigned int type = 0; type < 256; type++) {
		if (!SCTP_CHUNKMAP_IS_SET(i->chunkmap, type))
			return false;
	}
	return true;
}

static void print_chunks(struct strbuf *out, const struct xt_sctp_info *i)
{
	char sep = ' ';

	strbuf_add(out, i->chunk_match_type == SCTP_CHUNK_MATCH_ANY   ? " any"
			: i->chunk_match_type == SCTP_CHUNK_MATCH_ALL ? " all"
								      : " only");
	if (has_all_chunks(i)) {
		strbuf_add(out, " ALL");
		return;
	}
	for (const struct xt_name *c = chunks; c->name; c++) {
		if (SCTP_CHUNKMAP_IS_SET(i->chunkmap, c->value)) {
			strbuf_addf(out, "%c%s", sep, c->name);
			sep = ',';
		}
	}
	if (sep == ' ')
		strbuf_add(out, " NONE");
}

static bool sctp_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_sctp_info *i = info;

	if (i->flags & XT_SCTP_SRC_PORTS) {
		xt_print_option(out, "sport", i->invflags & XT_SCTP_SRC_PORTS);
		xt_print_ports(out, i->spts[0], i->spts[1], ':');
	}
	if (i->flags & XT_SCTP_DEST_PORTS) {
		xt_print_option(out, "dport", i->invflags & XT_SCTP_DEST_PORTS);
		xt_print_ports(out, i->dpts[0], i->dpts[1], ':');
	}
	if (i->flags & XT_SCTP_CHUNK_TYPES) {
		xt_print_option(out, "chunk-types", i->invflags & XT_SCTP_CHUNK_TYPES);
		print_chunks(out, i);
	}
	return i->flag_count == 0;
}

static const struct xt_option dccp_options[] = {
	{"source-port", SPORT, ARGS_1, true},
	{"sport", SPORT, ARGS_1, true},
	{"destination-port", DPORT, ARGS_1, true},
	{"dport", DPORT, ARGS_1, true},
	{"dccp-types", FLAGS, ARGS_1, true},
	{"dccp-option", SYN, ARGS_1, true},
	{0},
};

static const struct xt_name dccp_types[] = {{"REQUEST", 1 << 0}, {"RESPONSE", 1 << 1},
	{"DATA", 1 << 2}, {"ACK", 1 << 3}, {"DATAACK", 1 << 4}, {"CLOSEREQ", 1 << 5},
	{"CLOSE", 1 << 6}, {"RESET", 1 << 7}, {"SYNC", 1 << 8}, {"SYNCACK", 1 << 9},
	{"INVALID", 1 << 10}, {0}};

static bool dccp_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint16_t flags[] = {
		XT_DCCP_SRC_PORTS, XT_DCCP_DEST_PORTS, XT_DCCP_TYPE, XT_DCCP_OPTION};
	struct xt_dccp_info *i = info;
	uint32_t bits;

	i->flags |= flags[o->id];
	i->invflags |= o->inverted ? flags[o->id] : 0;
	switch (o->id) {
	case SPORT:
		return xt_read_ports(r, o->arg[0], ':', i->spts);
	case DPORT:
		return xt_read_ports(r, o->arg[0], ':', i->dpts);
	case FLAGS:
		if (!xt_read_bits(r, o->arg[0], dccp_types, &bits))
			return false;
		i->typemask = (uint16_t)bits;
		return true;
	default:
		return xt_read_u8(r, o->arg[0], &i->option);
	}
}

static bool dccp_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct xt_dccp_info *i = info;

	if (i->flags & XT_DCCP_SRC_PORTS) {
		xt_print_option(out, "sport", i->invflags & XT_DCCP_SRC_PORTS);
		xt_print_ports(out, i->spts[0], i->spts[1], ':');
	}
	if (i->flags & XT_DCCP_DEST_PORTS) {
		xt_print_option(out, "dport", i->invflags & XT_DCCP_DEST_PORTS);
		xt_print_ports(out, i->dpts[0], i->dpts[1], ':');
	}
	if (i->flags & XT_DCCP_TYPE) {
		xt_print_option(out, "dccp-types", i->invflags & XT_DCCP_TYPE);
		xt_print_bits(out, dccp_types, i->typemask);
	}
	if (i->flags & XT_DCCP_OPTION) {
		xt_print_option(out, "dccp-option", i->invflags & XT_DCCP_OPTION);
		strbuf_addf(out, " %u", i->option);
	}
	return true;
}

/* ---- multiport ---- */

enum { BOTH = 2 };

static const struct xt_option multiport_options[] = {
	{"source-ports", SPORT, ARGS_1, true},
	{"sports", SPORT, ARGS_1, true},
	{"destination-ports", DPORT, ARGS_1, true},
	{"dports", DPORT, ARGS_1, true},
	{"ports", BOTH, ARGS_1, true},
	{0},
};

static bool multiport_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	static const uint8_t flags[] = {
		XT_MULTIPORT_SOURCE, XT_MULTIPORT_DESTINATION, XT_MULTIPORT_EITHER};
	struct xt_multiport_v1 *i = info;
	const char *list = o->arg[0];
	uint16_t range[2];
	char part[64];

	if (i->count)
		return xt_fail(r, "multiport has two lists of ports");
	i->flags = flags[o->id];
	i->invert = o->inverted;
	while (xt_next_part(&list, ',', part)) {
		if (!xt_read_ports(r, part, ':', range))
			return false;
		if (i->count + (strchr(part, ':') ? 2 : 1) > XT_MULTI_PORTS)
			return xt_fail(r, "more than %d ports", XT_MULTI_PORTS);
		i->ports[i->count++] = range[0];
		if (strchr(part, ':')) {
			i->pflags[i->count - 1] = 1;
			i->ports[i->count++] = range[1];
		}
	}
	return true;
}

static bool multiport_finish(struct xt_reading *r, uint64_t given, void *info)
{
	return given || xt_fail(r, "multiport does not say what ports");
}

static bool multiport_print(
	struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	static const char *const names[] = {"sports", "dports", "ports"};
	const struct xt_multiport_v1 *i = info;
	bool first_one = x->rev == 0; /* it knows no ranges */

	if (i->flags >= COUNT(names) || i->count > XT_MULTI_PORTS)
		return false;
	xt_print_option(out, names[i->flags], !first_one && i->invert);
	for (unsigned int n = 0; n < i->count; n++) {
		strbuf_addf(out, "%c%u", n ? ',' : ' ', i->ports[n]);
		if (!first_one && i->pflags[n] && n + 1 < i->count)
			strbuf_addf(out, ":%u", i->ports[++n]);
	}
	return true;
}

/* ---- icmp ---- */

static const struct xt_option icmp_options[] = {{"icmp-type", 0, ARGS_1, true}, {0}};
static const struct xt_option icmp6_options[] = {{"icmpv6-type", 0, ARGS_1, true}, {0}};

/* Type in the low byte; the code above it, plus one where there is one. */
#define CODED(type, code) ((type) | ((code) + 1) << 8)

static const struct xt_name icmp_types[] = {{"any", 255}, {"echo-reply", 0}, {"pong", 0},
	{"destination-unreachable", 3}, {"network-unreachable", CODED(3, 0)},
	{"host-unreachable", CODED(3, 1)}, {"protocol-unreachable", CODED(3, 2)},
	{"port-unreachable", CODED(3, 3)}, {"fragmentation-needed", CODED(3, 4)},
	{"source-route-failed", CODED(3, 5)}, {"network-unknown", CODED(3, 6)},
	{"host-unknown", CODED(3, 7)}, {"network-prohibited", CODED(3, 9)},
	{"host-prohibited", CODED(3, 10)}, {"TOS-network-unreachable", CODED(3, 11)},
	{"TOS-host-unreachable", CODED(3, 12)}, {"communication-prohibited", CODED(3, 13)},
	{"host-precedence-violation", CODED(3, 14)}, {"precedence-cutoff", CODED(3, 15)},
	{"source-quench", 4}, {"redirect", 5}, {"network-redirect", CODED(5, 0)},
	{"host-redirect", CODED(5, 1)}, {"TOS-network-redirect", CODED(5, 2)},
	{"TOS-host-redirect", CODED(5, 3)}, {"echo-request", 8}, {"ping", 8},
	{"router-advertisement", 9}, {"router-solicitation", 10}, {"time-exceeded", 11},
	{"ttl-exceeded", 11}, {"ttl-zero-during-transit", CODED(11, 0)},
	{"ttl-zero-during-reassembly", CODED(11, 1)}, {"parameter-problem", 12},
	{"ip-header-bad", CODED(12, 0)}, {"required-option-missing", CODED(12, 1)},
	{"timestamp-request", 13}, {"timestamp-reply", 14}, {"address-mask-request", 17},
	{"address-mask-reply", 18}, {0}};

static const struct xt_name icmp6_types[] = {{"destination-unreachable", 1},
	{"no-route", CODED(1, 0)}, {"communication-prohibited", CODED(1, 1)},
	{"beyond-scope", CODED(1, 2)}, {"address-unreachable", CODED(1, 3)},
	{"port-unreachable", CODED(1, 4)}, {"failed-policy", CODED(1, 5)},
	{"reject-route", CODED(1, 6)}, {"packet-too-big", 2}, {"time-exceeded", 3},
	{"ttl-exceeded", 3}, {"ttl-zero-during-transit", CODED(3, 0)},
	{"ttl-zero-during-reassembly", CODED(3, 1)}, {"parameter-problem", 4},
	{"bad-header", CODED(4, 0)}, {"unknown-header-type", CODED(4, 1)},
	{"unknown-option", CODED(4, 2)}, {"echo-request", 128}, {"ping", 128}, {"echo-reply", 129},
	{"pong", 129}, {"mld-listener-query", 130}, {"mld-listener-report", 131},
	{"mld-listener-done", 132}, {"mld-listener-reduction", 132}, {"router-solicitation", 133},
	{"router-advertisement", 134}, {"neighbour-solicitation", 135},
	{"neighbor-solicitation", 135}, {"neighbour-advertisement", 136},
	{"neighbor-advertisement", 136}, {"redirect", 137}, {0}};

static void icmp_init(struct xt_reading *r, void *info)
{
	struct ipt_icmp *i = info; /* struct ip6t_icmp is the same */

	i->type = 255;
	i->code[1] = 255;
}

static void icmp6_init(struct xt_reading *r, void *info)
{
	struct ipt_icmp *i = info;

	i->code[1] = 255;
}

static bool icmp_parse(struct xt_reading *r, const struct xt_given *o, void *info)
{
	const struct xt_name *types = r->family == IP_V6 ? icmp6_types : icmp_types;
	const char *s = o->arg[0];
	struct ipt_icmp *i = info;
	uint32_t coded;
	char part[64];

	i->invflags = o->inverted ? IPT_ICMP_INV : 0;
	i->code[0] = 0;
	i->code[1] = 255;
	if (xt_find_name(types, s, strlen(s), &coded)) {
		i->type = (uint8_t)coded;
		if (coded >> 8)
			i->code[0] = i->code[1] = (uint8_t)((coded >> 8) - 1);
		return true;
	}
	if (!xt_next_part(&s, '/', part) || !xt_read_u8(r, part, &i->type))
		return xt_fail(r, "'%s' is not a type of ICMP that is known", o->arg[0]);
	if (!*s)
		return true;
	if (!xt_read_u8(r, s, &i->code[0]))
		return false;
	i->code[1] = i->code[0];
	return true;
}

static bool icmp_print(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info)
{
	const struct ipt_icmp *i = info;
	bool six = strcmp(x->name, "icmp6") == 0;

	xt_print_option(out, six ? "icmpv6-type" : "icmp-type", i->invflags & IPT_ICMP_INV);
	if (!six && i->type == 255) {
		strbuf_add(out, " any");
		return true;
	}
	strbuf_addf(out, " %u", i->type);
	if (i->code[0] == i->code[1])
		strbuf_addf(out, "/%u", i->code[0]);
	return i->code[0] == i->code[1] || (i->code[0] == 0 && i->code[1] == 255);
}

const struct xt_extension xt_port_matches[] = {
	{"tcp", .size = XT_SIZE(struct xt_tcp), .options = tcp_options, .init = tcp_init,
		.parse = tcp_parse, .print = tcp_print},
	{"udp", .size = XT_SIZE(struct xt_udp), .options = udp_options, .init = udp_init,
		.parse = udp_parse, .print = udp_print},
	{"udplite", .size = XT_SIZE(struct xt_udp), .options = udp_options, .init = udp_init,
		.parse = udp_parse, .print = udp_print},
	{"multiport", .rev = 1, .size = XT_SIZE(struct xt_multiport_v1),
		.options = multiport_options, .parse = multiport_parse, .finish = multiport_finish,
		.print = multiport_print},
	{"multiport", .size = XT_SIZE(struct xt_multiport), .old = true, .print = multiport_print},
	{"icmp", .family = IP_V4, .size = XT_SIZE(struct ipt_icmp), .options = icmp_options,
		.init = icmp_init, .parse = icmp_parse, .print = icmp_print},
	{"icmp6", .family = IP_V6, .size = XT_SIZE(struct ipt_icmp), .options = icmp6_options,
		.init = icmp6_init, .parse = icmp_parse, .print = icmp_print},
	{"icmpv6", .kernel_name = "icmp6", .family = IP_V6, .size = XT_SIZE(struct ipt_icmp),
		.options = icmp6_options, .init = icmp6_init, .parse = icmp_parse},
	{"ipv6-icmp", .kernel_name = "icmp6", .family = IP_V6, .size = XT_SIZE(struct ipt_icmp),
		.options = icmp6_options, .init = icmp6_init, .parse = icmp_parse},
	{"sctp", .size = XT_SIZE(struct xt_sctp_info), .options = sctp_options, .init = sctp_init,
		.parse = sctp_parse, .print = sctp_print},
	{"dccp", .size = XT_SIZE(struct xt_dccp_info), .options = dccp_options, .parse = dccp_parse,
		.print = dccp_print},
	{0},
};
