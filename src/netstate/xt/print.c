/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules in iptables' words, as iptables-save has them.
 *
 * Statements that iptables-nft made of interfaces, addresses and ports are turned back: first what
 * belongs to no match, then the matches in their order, then the target.
 */
#include "netstate/xt/extension.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/xt_limit.h>

#include "netstate/names.h"
#include "netstate/netstate.h"

bool xt_print(struct strbuf *out, uint8_t family, const struct nft_xt *x)
{
	const struct xt_extension *e = xt_extension_of(x, family);
	uint64_t *info;
	const char *name;
	bool known;

	if (!e || x->hollow || x->info_len < e->size || (e->size && !x->info)) {
		strbuf_addf(out, "-%c %s", x->target ? 'j' : 'm', x->name);
		return false;
	}
	/* Blobs come from outside, and need not be aligned. */
	info = malloc(x->info_len + sizeof(*info));
	if (!info)
		abort();
	if (x->info_len)
		memcpy(info, x->info, x->info_len);
	name = e->shown ? e->shown(info) : e->name;
	strbuf_addf(out, "-%c %s", x->target ? 'j' : 'm', name);
	known = e->print(out, family, x, info);
	free(info);
	return known;
}

/* ---- what belongs to no match ---- */

static bool is_selector(const struct nft_stmt *s, enum nft_selector selector)
{
	return s->kind == STMT_MATCH && s->expr &&
	       (s->expr->kind == EXPR_SELECTOR || s->expr->kind == EXPR_MASKED) &&
	       s->expr->selector == selector;
}

static bool is_plain(const struct nft_stmt *s, enum nft_selector selector)
{
	return is_selector(s, selector) && s->expr->kind == EXPR_SELECTOR &&
	       (s->op == OP_EQ || s->op == OP_NE);
}

static bool print_address(struct strbuf *out, const char *option, const struct nft_stmt *s)
{
	uint8_t whole[16];
	uint8_t family = s->value_len == 16 ? IP_V6 : IP_V4;

	if ((s->op != OP_EQ && s->op != OP_NE) || (s->value_len != 4 && s->value_len != 16))
		return false;
	memset(whole, 0xff, sizeof(whole));
	strbuf_addf(out, " %s%s ", s->op == OP_NE ? "! " : "", option);
	xt_add_network(
		out, family, s->value, s->expr->kind == EXPR_MASKED ? s->expr->mask : whole, true);
	return true;
}

static bool print_interface(struct strbuf *out, const char *option, const struct nft_stmt *s)
{
	size_t len = strnlen((const char *)s->value, s->value_len < 16 ? s->value_len : 15);

	if (s->op == OP_EQ && memcmp(s->value, "INVAL/D", sizeof("INVAL/D")) == 0) {
		strbuf_addf(out, " ! %s +", option);
		return true;
	}
	strbuf_addf(out, " %s%s ", s->op == OP_NE ? "! " : "", option);
	strbuf_addn(out, (const char *)s->value, len);
	if (s->value_len < 16) /* a beginning */
		strbuf_addch(out, '+');
	return true;
}

static bool print_proto(struct strbuf *out, const struct nft_stmt *s)
{
	const char *name = net_protocol_name(s->value[0]);

	strbuf_addf(out, " %s-p ", s->op == OP_NE ? "! " : "");
	if (name)
		strbuf_add(out, name);
	else
		strbuf_addf(out, "%u", s->value[0]);
	return true;
}

static bool is_fragment(const struct nft_stmt *s)
{
	return is_selector(s, SEL_IP_FRAG_OFF) && s->expr->kind == EXPR_MASKED &&
	       s->expr->mask[0] == 0x1f && s->expr->mask[1] == 0xff && !s->value[0] && !s->value[1];
}

static bool print_fragment(struct strbuf *out, const struct nft_stmt *s)
{
	strbuf_add(out, s->op == OP_EQ ? " ! -f" : " -f");
	return true;
}

/* Each kind in the order of iptables-save; at most one statement of each. */
enum head { HEAD_SADDR, HEAD_DADDR, HEAD_IN, HEAD_OUT, HEAD_PROTO, HEAD_FRAGMENT, HEADS };

static int head_of(const struct nft_stmt *s)
{
	if (is_selector(s, SEL_IP_SADDR) || is_selector(s, SEL_IP6_SADDR))
		return HEAD_SADDR;
	if (is_selector(s, SEL_IP_DADDR) || is_selector(s, SEL_IP6_DADDR))
		return HEAD_DADDR;
	if (is_plain(s, SEL_META_IIFNAME))
		return HEAD_IN;
	if (is_plain(s, SEL_META_OIFNAME))
		return HEAD_OUT;
	if (is_plain(s, SEL_META_L4PROTO))
		return HEAD_PROTO;
	return is_fragment(s) ? HEAD_FRAGMENT : -1;
}

static bool print_head(struct strbuf *out, enum head h, const struct nft_stmt *s)
{
	switch (h) {
	case HEAD_SADDR:
		return print_address(out, "-s", s);
	case HEAD_DADDR:
		return print_address(out, "-d", s);
	case HEAD_IN:
		return print_interface(out, "-i", s);
	case HEAD_OUT:
		return print_interface(out, "-o", s);
	case HEAD_PROTO:
		return print_proto(out, s);
	case HEAD_FRAGMENT:
		return print_fragment(out, s);
	case HEADS:
		break;
	}
	return false;
}

/* ---- matches that became statements of nft ---- */

static uint16_t port_at(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool is_ports(const struct nft_stmt *s)
{
	return (is_selector(s, SEL_TH_SPORT) || is_selector(s, SEL_TH_DPORT)) &&
	       s->expr->kind == EXPR_SELECTOR && s->op != OP_IN && s->op != OP_NOT_IN &&
	       s->op != OP_LT && s->op != OP_GE;
}

static void print_port_match(struct strbuf *out, const struct nft_stmt *s)
{
	uint16_t first = port_at(s->value), last = first;
	bool inverted = s->op == OP_NE || s->op == OP_NOT_RANGE;

	if (s->op == OP_LE)
		first = 0;
	else if (s->op == OP_GT && first < UINT16_MAX) {
		first++;
		last = UINT16_MAX;
	} else if (s->op == OP_RANGE || s->op == OP_NOT_RANGE)
		last = port_at(s->last);
	xt_print_option(out, s->expr->selector == SEL_TH_SPORT ? "sport" : "dport", inverted);
	xt_print_ports(out, first, last, ':');
}

static bool is_flags(const struct nft_stmt *s)
{
	return is_selector(s, SEL_TCP_FLAGS) && s->expr->kind == EXPR_MASKED &&
	       (s->op == OP_EQ || s->op == OP_NE);
}

/* The same match made the blob where nft had no statement for it: let it print the flags. */
static void print_flags(struct strbuf *out, const struct nft_stmt *s)
{
	const struct xt_extension *tcp = xt_extension_find(false, "tcp", IP_NONE);
	/* struct xt_tcp: two ranges of ports, option, mask, flags, inverted */
	uint8_t info[16] = {0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, s->expr->mask[0], s->value[0],
		s->op == OP_NE ? 0x04 : 0};

	tcp->print(out, IP_NONE, NULL, info);
}

/* `-m tcp` and what follows of it, in iptables' order. The statements at @i: their number. */
static size_t print_transport(
	struct strbuf *out, const struct nft_rule *r, size_t i, const char *proto)
{
	const struct nft_stmt *sport = NULL, *dport = NULL, *flags = NULL;
	size_t n = i;

	for (; n < r->stmts.len; n++) {
		const struct nft_stmt *s = &r->stmts.items[n];
		const struct nft_stmt **which = is_flags(s)		       ? &flags
						: !is_ports(s)		       ? NULL
						: is_selector(s, SEL_TH_SPORT) ? &sport
									       : &dport;

		/* A second one of the same is of a second match. */
		if (!which || *which)
			break;
		*which = s;
	}
	strbuf_addf(out, " -m %s", proto);
	if (sport)
		print_port_match(out, sport);
	if (dport)
		print_port_match(out, dport);
	if (flags)
		print_flags(out, flags);
	return n - i;
}

static bool print_mark(struct strbuf *out, const struct nft_stmt *s)
{
	uint32_t value, mask = UINT32_MAX;

	if (!is_selector(s, SEL_META_MARK) || (s->op != OP_EQ && s->op != OP_NE))
		return false;
	memcpy(&value, s->value, sizeof(value));
	if (s->expr->kind == EXPR_MASKED)
		memcpy(&mask, s->expr->mask, sizeof(mask));
	strbuf_add(out, " -m mark");
	xt_print_option(out, "mark", s->op == OP_NE);
	xt_print_masked(out, value, mask);
	return true;
}

/* "limit rate 5/minute burst 7 packets" */
static bool print_limit(struct strbuf *out, const struct nft_stmt *s)
{
	static const struct {
		const char *nft, *xt;
	} units[] = {{"/second", "sec"}, {"/minute", "min"}, {"/hour", "hour"}, {"/day", "day"}};
	unsigned long rate, burst = 5;
	const char *at;
	char *end;

	if (!s->text || strncmp(s->text, "limit rate ", 11) != 0)
		return false;
	rate = strtoul(s->text + 11, &end, 10);
	at = strstr(end, " burst ");
	if (at)
		burst = strtoul(at + 7, NULL, 10);
	for (size_t u = 0; rate && u < sizeof(units) / sizeof(*units); u++) {
		if (strncmp(end, units[u].nft, strlen(units[u].nft)) != 0)
			continue;
		strbuf_addf(out, " -m limit --limit %lu/%s", rate, units[u].xt);
		if (burst != 5)
			strbuf_addf(out, " --limit-burst %lu", burst);
		return true;
	}
	return false;
}

/* "log prefix "x" group 3 snaplen 11 queue-threshold 2" */
static bool print_log(struct strbuf *out, const struct nft_stmt *s)
{
	static const struct {
		const char *nft, *xt;
	} numbers[] = {
		{" group ", "group"}, {" snaplen ", "size"}, {" queue-threshold ", "threshold"}};
	const char *text = s->text ? s->text : "", *rest = text, *quote = strrchr(text, '"'),
		   *prefix = strstr(text, " prefix \"");

	if (quote)
		rest = quote;
	if (!strstr(rest, " group "))
		return false;
	strbuf_add(out, " -j NFLOG");
	if (prefix && quote > prefix + 9) {
		strbuf_add(out, " --nflog-prefix ");
		xt_add_word(out, prefix + 9, (size_t)(quote - prefix - 9));
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		const char *at = strstr(rest, numbers[i].nft);
		unsigned long n = at ? strtoul(at + strlen(numbers[i].nft), NULL, 10) : 0;

		if (n)
			strbuf_addf(out, " --nflog-%s %lu", numbers[i].xt, n);
	}
	return true;
}

/* ---- rules ---- */

static bool print_verdict(struct strbuf *out, const struct nft_stmt *s)
{
	switch (s->verdict) {
	case VERDICT_ACCEPT:
		strbuf_add(out, " -j ACCEPT");
		return true;
	case VERDICT_DROP:
		strbuf_add(out, " -j DROP");
		return true;
	case VERDICT_QUEUE:
		strbuf_add(out, " -j QUEUE");
		return true;
	case VERDICT_RETURN:
		strbuf_add(out, " -j RETURN");
		return true;
	case VERDICT_JUMP:
	case VERDICT_GOTO:
		strbuf_addf(out, " -%c %s", s->verdict == VERDICT_JUMP ? 'j' : 'g',
			s->chain ? s->chain : "?");
		return s->chain != NULL;
	case VERDICT_CONTINUE:
		break;
	}
	return false;
}

/* One statement as nft has it. */
static bool print_foreign(struct strbuf *out, const struct nft_stmt *s)
{
	struct nft_rule one = {0};

	one.stmts.items = (struct nft_stmt *)s;
	one.stmts.len = 1;
	strbuf_addch(out, ' ');
	if (s->kind == STMT_UNKNOWN && s->text)
		strbuf_add(out, s->text);
	else
		nft_print_rule(out, &one);
	return false;
}

static bool print_stmt(struct strbuf *out, uint8_t family, const struct nft_stmt *s)
{
	bool known = false;

	if (s->kind == STMT_COUNTER && !s->chain)
		return true;
	if (s->kind == STMT_XT) {
		strbuf_addch(out, ' ');
		return xt_print(out, family, &s->xt);
	}
	if (s->kind == STMT_MATCH)
		known = print_mark(out, s);
	else if (s->kind == STMT_LIMIT)
		known = print_limit(out, s);
	else if (s->kind == STMT_LOG)
		known = print_log(out, s);
	else if (s->kind == STMT_VERDICT)
		known = print_verdict(out, s);
	else if (s->kind == STMT_SET && s->text && strstr(s->text, "nftrace")) {
		strbuf_add(out, " -j TRACE");
		known = true;
	}
	return known || print_foreign(out, s);
}

static const char *transport_of(const struct nft_rule *r)
{
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		if (is_plain(s, SEL_META_L4PROTO) && s->op == OP_EQ &&
			(s->value[0] == PROTO_TCP || s->value[0] == PROTO_UDP))
			return s->value[0] == PROTO_TCP ? "tcp" : "udp";
	}
	return NULL;
}

bool xt_print_rule(struct strbuf *out, const struct nft_table *t, const struct nft_chain *c,
	const struct nft_rule *r)
{
	uint8_t family = t->family == FAMILY_IP6 ? IP_V6 : IP_V4;
	const char *transport = transport_of(r);
	bool known = true, printed[HEADS] = {false};

	strbuf_addf(out, "-A %s", c->name);
	for (int h = 0; h < HEADS; h++) {
		VEC_EACH (&r->stmts, struct nft_stmt, s) {
			if (head_of(s) != h || printed[h])
				continue;
			known = print_head(out, (enum head)h, s) && known;
			printed[h] = true;
		}
	}
	memset(printed, 0, sizeof(printed));
	for (size_t i = 0; i < r->stmts.len; i++) {
		const struct nft_stmt *s = &r->stmts.items[i];
		int h = head_of(s);

		if (h >= 0 && !printed[h])
			printed[h] = true;
		else if (transport && (is_ports(s) || is_flags(s)))
			i += print_transport(out, r, i, transport) - 1;
		else
			known = print_stmt(out, family, s) && known;
	}
	return known;
}
