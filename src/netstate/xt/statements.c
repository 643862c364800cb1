/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of iptables as statements.
 *
 * iptables-nft makes nft's own statements of interfaces, protocol, addresses and some matches, in a
 * fixed order, and so do we (as of iptables 1.8.9; iptables/nft.c and nft-shared.c of its source).
 */
#include "netstate/xt/rule.h"

#include <arpa/inet.h>
#include <string.h>

#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_tcpudp.h>

struct building {
	struct arena *a;
	uint8_t family;
	size_t n;
	struct nft_stmt *stmts; /* XT_MAX_STMTS */
};

static struct nft_stmt *add(struct building *b, enum nft_stmt_kind kind)
{
	struct nft_stmt *s = &b->stmts[b->n++];

	memset(s, 0, sizeof(*s));
	s->kind = kind;
	return s;
}

static struct nft_stmt *add_match(struct building *b, enum nft_selector selector, enum nft_op op,
	const void *value, unsigned int len)
{
	struct nft_stmt *s = add(b, STMT_MATCH);

	s->expr = nft_sel(b->a, selector);
	s->op = op;
	memcpy(s->value, value, len);
	s->value_len = (uint8_t)len;
	return s;
}

static void mask_expr(struct nft_stmt *s, const void *mask, unsigned int len)
{
	s->expr->kind = EXPR_MASKED;
	memcpy(s->expr->mask, mask, len);
}

static void add_interface(
	struct building *b, enum nft_selector selector, const char *name, bool inverted)
{
	enum nft_op op = inverted ? OP_NE : OP_EQ;
	char padded[16] = {0};
	size_t len;

	if (!name)
		return;
	len = strlen(name);
	if (name[len - 1] != '+') {
		memcpy(padded, name, len + 1);
		add_match(b, selector, op, padded, sizeof(padded));
	} else if (len > 1) {
		add_match(b, selector, op, name, (unsigned int)len - 1);
	} else if (inverted) { /* what iptables-nft makes of "no interface at all" */
		memcpy(padded, "INVAL/D", sizeof("INVAL/D"));
		add_match(b, selector, OP_EQ, padded, sizeof(padded));
	}
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

static void add_address(
	struct building *b, enum nft_selector selector, const struct xt_addrs *addrs, size_t which)
{
	static const uint8_t whole[16] = {
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
	unsigned int len = ip_bytes(b->family);
	struct nft_stmt *s;

	if (!addrs->n || (is_zero(addrs->mask[which], len) && !addrs->inverted))
		return;
	s = add_match(b, selector, addrs->inverted ? OP_NE : OP_EQ, addrs->addr[which], len);
	if (memcmp(addrs->mask[which], whole, len) != 0)
		mask_expr(s, addrs->mask[which], len);
}

static void add_ports(
	struct building *b, enum nft_selector selector, const uint16_t range[2], bool inverted)
{
	uint16_t first = htons(range[0]), last = htons(range[1]);
	struct nft_stmt *s;

	if (range[0] == 0 && range[1] == UINT16_MAX)
		return;
	if (range[0] == range[1]) {
		add_match(b, selector, inverted ? OP_NE : OP_EQ, &first, 2);
	} else if (range[0] == 0) {
		add_match(b, selector, inverted ? OP_GT : OP_LE, &last, 2);
	} else {
		s = add_match(b, selector, inverted ? OP_NOT_RANGE : OP_RANGE, &first, 2);
		memcpy(s->last, &last, 2);
	}
}

/* A port range that is all of them, yet inverted. */
static bool is_never(const uint16_t range[2], bool inverted)
{
	return inverted && range[0] == 0 && range[1] == UINT16_MAX;
}

static bool native_tcp(struct building *b, const uint8_t *info)
{
	struct xt_tcp i;
	struct nft_stmt *s;

	memcpy(&i, info, sizeof(i));
	if (i.option || i.invflags & XT_TCP_INV_OPTION ||
		is_never(i.spts, i.invflags & XT_TCP_INV_SRCPT) ||
		is_never(i.dpts, i.invflags & XT_TCP_INV_DSTPT))
		return false;
	if (!i.flg_mask && !i.spts[0] && !i.dpts[0] && i.spts[1] == UINT16_MAX &&
		i.dpts[1] == UINT16_MAX)
		return false;
	if (i.flg_mask) {
		s = add_match(b, SEL_TCP_FLAGS, i.invflags & XT_TCP_INV_FLAGS ? OP_NE : OP_EQ,
			&i.flg_cmp, 1);
		mask_expr(s, &i.flg_mask, 1);
	}
	add_ports(b, SEL_TH_SPORT, i.spts, i.invflags & XT_TCP_INV_SRCPT);
	add_ports(b, SEL_TH_DPORT, i.dpts, i.invflags & XT_TCP_INV_DSTPT);
	return true;
}

static bool native_udp(struct building *b, const uint8_t *info)
{
	struct xt_udp i;

	memcpy(&i, info, sizeof(i));
	if (is_never(i.spts, i.invflags & XT_UDP_INV_SRCPT) ||
		is_never(i.dpts, i.invflags & XT_UDP_INV_DSTPT))
		return false;
	if (!i.spts[0] && !i.dpts[0] && i.spts[1] == UINT16_MAX && i.dpts[1] == UINT16_MAX)
		return false;
	add_ports(b, SEL_TH_SPORT, i.spts, i.invflags & XT_UDP_INV_SRCPT);
	add_ports(b, SEL_TH_DPORT, i.dpts, i.invflags & XT_UDP_INV_DSTPT);
	return true;
}

static bool native_mark(struct building *b, const uint8_t *info)
{
	struct xt_mark_mtinfo1 i;
	struct nft_stmt *s;

	memcpy(&i, info, sizeof(i));
	s = add_match(b, SEL_META_MARK, i.invert ? OP_NE : OP_EQ, &i.mark, 4);
	if (i.mask != UINT32_MAX)
		mask_expr(s, &i.mask, 4);
	return true;
}

/* The blob has the time between two packets; iptables finds the unit again as it prints it. */
static bool native_limit(struct building *b, const uint8_t *info)
{
	static const struct {
		uint32_t time;
		const char *name;
	} units[] = {{XT_LIMIT_SCALE * 86400u, "day"}, {XT_LIMIT_SCALE * 3600u, "hour"},
		{XT_LIMIT_SCALE * 60u, "minute"}, {XT_LIMIT_SCALE, "second"}};
	struct xt_rateinfo i;
	struct nft_stmt *s;
	unsigned int u = 1;

	memcpy(&i, info, sizeof(i));
	if (!i.avg)
		return false;
	while (u < 4 && i.avg <= units[u].time && units[u].time / i.avg >= units[u].time % i.avg)
		u++;
	s = add(b, STMT_LIMIT);
	s->text = arena_printf(
		b->a, "limit rate %u/%s", units[u - 1].time / i.avg, units[u - 1].name);
	if (i.burst != 5) /* which nft takes where nothing is said */
		s->text = arena_printf(b->a, "%s burst %u packets", s->text, i.burst);
	return true;
}

static bool native_nflog(struct building *b, const uint8_t *info)
{
	struct strbuf text = STRBUF_INIT;
	struct xt_nflog_info i;

	memcpy(&i, info, sizeof(i));
	strbuf_add(&text, "log");
	if (i.prefix[0])
		strbuf_addf(&text, " prefix \"%.63s\"", i.prefix);
	strbuf_addf(&text, " group %u", i.group);
	if (i.flags & XT_NFLOG_F_COPY_LEN && i.len)
		strbuf_addf(&text, " snaplen %u", i.len);
	if (i.threshold)
		strbuf_addf(&text, " queue-threshold %u", i.threshold);
	add(b, STMT_LOG)->text = arena_strdup(b->a, strbuf_str(&text));
	strbuf_fini(&text);
	return true;
}

static bool native_trace(struct building *b, const uint8_t *info)
{
	struct nft_stmt *s = add(b, STMT_SET);

	s->text = "meta nftrace";
	s->expr = arena_new_of(b->a, struct nft_expr);
	s->expr->kind = EXPR_VALUE;
	s->expr->type = NFT_T_U8;
	s->expr->value[0] = s->expr->value_len = 1;
	return true;
}

static const struct {
	const char *name;
	bool (*add)(struct building *b, const uint8_t *info); /* false: not for this one */
} natives[] = {{"tcp", native_tcp}, {"udp", native_udp}, {"mark", native_mark},
	{"limit", native_limit}, {"NFLOG", native_nflog}, {"TRACE", native_trace}};

static void add_unknown(struct building *b, const struct xt_rule *rd, size_t from, size_t to)
{
	add(b, STMT_UNKNOWN)->text = xt_join(b->a, rd->w, from, to);
}

static void add_loaded(struct building *b, const struct xt_rule *rd, const struct xt_loaded *l)
{
	if (l->failed) {
		add_unknown(b, rd, l->from, l->to);
		return;
	}
	for (size_t i = 0; i < sizeof(natives) / sizeof(*natives); i++) {
		if (strcmp(natives[i].name, l->ext->name) == 0 && natives[i].add(b, l->info))
			return;
	}
	add(b, STMT_XT)->xt = l->x;
}

static void add_jump(struct building *b, const struct xt_rule *rd)
{
	static const struct {
		const char *name;
		enum nft_verdict verdict;
	} verdicts[] = {{"ACCEPT", VERDICT_ACCEPT}, {"DROP", VERDICT_DROP},
		{"RETURN", VERDICT_RETURN}, {"QUEUE", VERDICT_QUEUE}};
	struct nft_stmt *s;

	if (!rd->jump)
		return;
	s = add(b, STMT_VERDICT);
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts) && !rd->is_goto; i++) {
		if (strcmp(rd->jump, verdicts[i].name) == 0) {
			s->verdict = verdicts[i].verdict;
			return;
		}
	}
	s->verdict = rd->is_goto ? VERDICT_GOTO : VERDICT_JUMP;
	s->chain = arena_strdup(b->a, rd->jump);
}

size_t xt_build_rule(const struct xt_rule *rd, size_t src, size_t dst, struct nft_stmt *out)
{
	static const uint8_t offset_bits[2] = {0x1f, 0xff}, none[2];
	struct building building = {.a = rd->r.a, .family = rd->r.family, .stmts = out},
			*b = &building;
	bool six = b->family == IP_V6;
	struct nft_stmt *s;

	add_interface(b, SEL_META_IIFNAME, rd->in, rd->not_in);
	add_interface(b, SEL_META_OIFNAME, rd->out, rd->not_out);
	if (rd->r.proto)
		add_match(b, SEL_META_L4PROTO, rd->not_proto ? OP_NE : OP_EQ, &rd->r.proto, 1);
	add_address(b, six ? SEL_IP6_SADDR : SEL_IP_SADDR, &rd->src, src);
	add_address(b, six ? SEL_IP6_DADDR : SEL_IP_DADDR, &rd->dst, dst);
	if (rd->fragment) {
		s = add_match(b, SEL_IP_FRAG_OFF, rd->not_fragment ? OP_EQ : OP_NE, none, 2);
		mask_expr(s, offset_bits, 2);
	}
	for (size_t i = 0; i < rd->n_strange; i++)
		add_unknown(b, rd, rd->strange[i].from, rd->strange[i].to);
	for (size_t i = 0; i < rd->n_loaded; i++) {
		if (&rd->loaded[i] != rd->target)
			add_loaded(b, rd, &rd->loaded[i]);
	}
	s = add(b, STMT_COUNTER);
	s->packets = rd->packets;
	s->bytes = rd->bytes;
	if (rd->target)
		add_loaded(b, rd, rd->target);
	add_jump(b, rd);
	return b->n;
}
