/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rulesets as text that nft(8) takes, in the form in which a person would write them.
 *
 * What the AST says is all spelled out (`meta nfproto ipv4` before an `ip daddr` in an inet table,
 * for one), so that nft adds nothing of its own and its encoding is the same as kernel/nft_encode's.
 * Statements that only the kernel understands come out in angle brackets, which nft refuses.
 */
#include "netstate/print.h"

#include <string.h>

#include "netstate/xt/xt.h"

/* ---- expressions ---- */

static bool all_bytes(const uint8_t *bytes, unsigned int len, uint8_t value)
{
	for (unsigned int i = 0; i < len; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

/* Of conntrack's addresses the family is in the expression. */
static enum nft_type type_of(const struct nft_expr *e)
{
	enum nft_type type = nft_selector_type(e->selector);

	return type == NFT_T_OTHER ? e->type : type;
}

static void print_selector(struct strbuf *out, const struct nft_expr *e)
{
	const char *name = nft_selector_name(e->selector), *last = strrchr(name, ' ');

	if (nft_selector_type(e->selector) == NFT_T_OTHER && last &&
		(e->type == NFT_T_IPV4 || e->type == NFT_T_IPV6)) {
		strbuf_addn(out, name, (size_t)(last - name));
		strbuf_add(out, e->type == NFT_T_IPV4 ? " ip" : " ip6");
		name = last;
	}
	strbuf_add(out, name);
}

/* A value of the selector; of some the type alone does not tell how it is written. */
static void print_value_of(struct strbuf *out, enum nft_selector s, enum nft_type type,
	unsigned int len, const uint8_t *bytes)
{
	uint32_t n = 0;

	if (len <= sizeof(n))
		memcpy(&n, bytes, len);
	if (s == SEL_CT_ZONE || s == SEL_RT_MTU)
		print_uint(out, n & 0xffff);
	else if (s == SEL_META_PRIORITY && type == NFT_T_INTEGER)
		strbuf_addf(out, "%x:%x", n >> 16, n & 0xffff);
	else if (s == SEL_CT_HELPER)
		strbuf_addf(out, "\"%.*s\"", (int)strnlen((const char *)bytes, len),
			(const char *)bytes);
	else
		print_value(out, type, len, bytes, false);
}

static void print_masked(struct strbuf *out, const struct nft_expr *e)
{
	enum nft_type type = type_of(e);
	unsigned int len = nft_expr_len(e);
	bool disjoint = true;

	print_selector(out, e);
	if (!all_bytes(e->mask, len, 0xff)) {
		strbuf_add(out, " & ");
		print_operand(out, type, e->mask);
	}
	if (all_bytes(e->xor, len, 0))
		return;
	for (unsigned int i = 0; i < len; i++)
		disjoint &= !(e->mask[i] & e->xor [i]);
	strbuf_add(out, disjoint ? " | " : " ^ ");
	print_operand(out, type, e->xor);
}

static void print_modulus(struct strbuf *out, const struct nft_expr *e)
{
	strbuf_addf(out, " mod %u", e->mod);
	if (e->kind == EXPR_JHASH && e->seed)
		strbuf_addf(out, " seed 0x%x", e->seed);
	if (e->offset)
		strbuf_addf(out, " offset %u", e->offset);
}

void nft_print_expr(struct strbuf *out, const struct nft_expr *e)
{
	switch (e->kind) {
	case EXPR_SELECTOR:
		print_selector(out, e);
		break;
	case EXPR_MASKED:
		print_masked(out, e);
		break;
	case EXPR_VALUE:
		print_value(out, e->type, e->value_len, e->value, false);
		break;
	case EXPR_CONCAT:
		for (unsigned int i = 0; i < e->n_parts; i++) {
			if (i)
				strbuf_add(out, " . ");
			nft_print_expr(out, e->parts[i]);
		}
		break;
	case EXPR_MAP:
		nft_print_expr(out, e->key);
		strbuf_add(out, " map ");
		print_set_use(out, e->set);
		break;
	case EXPR_JHASH:
		strbuf_add(out, "jhash ");
		nft_print_expr(out, e->key);
		print_modulus(out, e);
		break;
	case EXPR_SYMHASH:
		strbuf_add(out, "symhash");
		print_modulus(out, e);
		break;
	case EXPR_NUMGEN:
		strbuf_add(out, e->incremental ? "numgen inc" : "numgen random");
		print_modulus(out, e);
		break;
	case EXPR_UNKNOWN:
		strbuf_addf(out, "<%s>", e->text ? e->text : "unknown");
		break;
	}
}

/* ---- statements ---- */

static const char *const ops[] = {
	[OP_EQ] = "== ",
	[OP_NE] = "!= ",
	[OP_LT] = "< ",
	[OP_GT] = "> ",
	[OP_LE] = "<= ",
	[OP_GE] = ">= ",
	[OP_RANGE] = "",
	[OP_NOT_RANGE] = "!= ",
	[OP_IN] = "",
	[OP_NOT_IN] = "!= ",
};

/* `ip saddr 10.0.0.0/8` and `ct state new,related` say it without the mask. */
static bool print_masked_match(struct strbuf *out, const struct nft_stmt *s)
{
	const struct nft_expr *e = s->expr;
	enum nft_type type = type_of(e);
	unsigned int len = nft_expr_len(e);
	uint8_t last[16];
	int prefix;

	if (!all_bytes(e->xor, 16, 0))
		return false;
	if (type == NFT_T_CT_STATE || type == NFT_T_CT_STATUS) {
		if (s->op != OP_NE || !all_bytes(s->value, len, 0) || all_bytes(e->mask, len, 0))
			return false;
		strbuf_addf(out, "%s ", nft_selector_name(e->selector));
		print_value(out, type, len, e->mask, false);
		return true;
	}
	if ((type != NFT_T_IPV4 && type != NFT_T_IPV6) || (s->op != OP_EQ && s->op != OP_NE))
		return false;
	for (unsigned int i = 0; i < len; i++) {
		if (s->value[i] & ~e->mask[i])
			return false;
		last[i] = s->value[i] | ~e->mask[i];
	}
	prefix = print_prefix_len(s->value, last, len);
	if (prefix < 0)
		return false;
	print_selector(out, e);
	strbuf_add(out, s->op == OP_EQ ? " " : " != ");
	print_value(out, type, len, s->value, false);
	strbuf_addf(out, "/%d", prefix);
	return true;
}

static void print_match(struct strbuf *out, const struct nft_stmt *s)
{
	const struct nft_expr *e = s->expr;
	bool single = e->kind == EXPR_SELECTOR || e->kind == EXPR_MASKED;
	enum nft_selector selector = single ? e->selector : SEL_NONE;
	enum nft_type type = single ? type_of(e) : e->type;

	if (e->kind == EXPR_MASKED && !s->set && print_masked_match(out, s))
		return;
	nft_print_expr(out, e);
	strbuf_addch(out, ' ');
	/* Equality goes without saying, but where nft would read it as a test of bits. */
	if (s->op != OP_EQ || e->kind == EXPR_MASKED || print_is_bits(type))
		strbuf_add(out, ops[s->op]);
	if (s->op == OP_IN || s->op == OP_NOT_IN) {
		print_set_use(out, s->set);
		return;
	}
	if (print_is_bits(type) && (e->kind == EXPR_MASKED || type == NFT_T_TCP_FLAGS))
		print_operand(out, type, s->value);
	else
		print_value_of(out, selector, type, s->value_len, s->value);
	if (s->op == OP_RANGE || s->op == OP_NOT_RANGE) {
		strbuf_addch(out, '-');
		print_value_of(out, selector, type, s->value_len, s->last);
	}
}

static void print_nat_flags(struct strbuf *out, uint8_t flags)
{
	static const struct print_word words[] = {{NAT_RANDOM, "random"},
		{NAT_FULLY_RANDOM, "fully-random"}, {NAT_PERSISTENT, "persistent"}, {0, NULL}};

	flags &= NAT_RANDOM | NAT_FULLY_RANDOM | NAT_PERSISTENT;
	if (flags) {
		strbuf_addch(out, ' ');
		print_bits(out, words, flags, ",");
	}
}

static void print_nat_address(struct strbuf *out, const struct nft_expr *e, bool brackets)
{
	strbuf_add(out, brackets ? "[" : "");
	nft_print_expr(out, e);
	strbuf_add(out, brackets ? "]" : "");
}

static void print_nat_ports(struct strbuf *out, const struct nft_stmt *s)
{
	if (!s->port)
		return;
	strbuf_addch(out, ':');
	nft_print_expr(out, s->port);
	if (s->port_last) {
		strbuf_addch(out, '-');
		nft_print_expr(out, s->port_last);
	}
}

/* Where a NAT or TPROXY leads: "192.168.0.2-192.168.0.9:80" */
static void print_nat_target(struct strbuf *out, const struct nft_stmt *s)
{
	bool brackets = s->port && s->expr && s->expr->kind == EXPR_VALUE && s->nat_family == IP_V6;
	int prefix = -1;

	if (s->nat_flags & NAT_PREFIX && s->expr && s->expr->kind == EXPR_VALUE && s->expr_last)
		prefix = print_prefix_len(s->expr->value, s->expr_last->value, s->expr->value_len);
	if (s->expr)
		print_nat_address(out, s->expr, brackets);
	if (prefix >= 0) {
		strbuf_addf(out, "/%d", prefix);
	} else if (s->expr_last) {
		strbuf_addch(out, '-');
		print_nat_address(out, s->expr_last, brackets);
	}
	print_nat_ports(out, s);
}

static void print_nat(struct strbuf *out, const struct nft_stmt *s)
{
	strbuf_add(out, s->dnat ? "dnat " : "snat ");
	if (s->expr)
		strbuf_add(out, s->nat_family == IP_V6 ? "ip6 " : "ip ");
	strbuf_add(out, s->nat_flags & NAT_PREFIX ? "prefix to " : "to ");
	print_nat_target(out, s);
	print_nat_flags(out, s->nat_flags);
}

static void print_tproxy(struct strbuf *out, const struct nft_stmt *s)
{
	strbuf_add(out, "tproxy ");
	if (s->nat_family != IP_NONE)
		strbuf_add(out, s->nat_family == IP_V6 ? "ip6 " : "ip ");
	strbuf_add(out, "to ");
	print_nat_target(out, s);
}

/* ---- fields and sets ---- */

/* What `ct label` and `ct event` are set to. */
static void print_ct_extra(struct strbuf *out, const char *what, const struct nft_expr *e)
{
	static const struct print_word events[] = {{1, "new"}, {2, "related"}, {4, "destroy"},
		{8, "reply"}, {16, "assured"}, {32, "protoinfo"}, {64, "helper"}, {128, "mark"},
		{256, "seqadj"}, {512, "secmark"}, {1024, "label"}, {0, NULL}};
	uint32_t n = 0;

	memcpy(&n, e->value, e->value_len < sizeof(n) ? e->value_len : sizeof(n));
	if (strcmp(what, "ct event") == 0) {
		print_bits(out, events, n, ",");
		return;
	}
	if (strcmp(what, "ct label") != 0) {
		print_uint(out, n);
		return;
	}
	for (unsigned int bit = 0; bit < 128; bit++) {
		if (e->value[bit / 8] & 1u << bit % 8) {
			print_uint(out, bit);
			return;
		}
	}
	strbuf_addch(out, '0');
}

static void print_set_stmt(struct strbuf *out, const struct nft_stmt *s)
{
	const char *what = s->selector ? nft_selector_name(s->selector) : s->text;

	strbuf_addf(out, "%s set ", what ? what : "<unknown>");
	if (s->expr->kind != EXPR_VALUE)
		nft_print_expr(out, s->expr);
	else if (s->selector)
		print_value_of(out, s->selector, nft_selector_type(s->selector), s->expr->value_len,
			s->expr->value);
	else
		print_ct_extra(out, what ? what : "", s->expr);
}

static void print_update(struct strbuf *out, const struct nft_stmt *s)
{
	static const char *const words[] = {
		[UPDATE_ADD] = "add", [UPDATE_UPDATE] = "update", [UPDATE_DELETE] = "delete"};

	strbuf_addf(out, "%s @%s { ", words[s->update], s->set ? s->set->name : "?");
	nft_print_expr(out, s->expr);
	if (s->timeout_ms) {
		strbuf_add(out, " timeout ");
		print_time(out, s->timeout_ms);
	}
	if (s->text)
		strbuf_addf(out, " %s", s->text);
	if (s->port) {
		strbuf_add(out, " : ");
		nft_print_expr(out, s->port);
	}
	strbuf_add(out, " }");
}

static void print_limit(struct strbuf *out, const struct nft_stmt *s)
{
	if (s->chain)
		strbuf_addf(out, "%s name \"%s\"",
			s->text && strncmp(s->text, "quota", 5) == 0 ? "quota" : "limit", s->chain);
	else
		strbuf_add(out, s->text ? s->text : "<limit>");
}

/* Nft has no words for them; iptables has. */
static void print_xt(struct strbuf *out, const struct nft_xt *x, uint8_t family)
{
	strbuf_addch(out, '<');
	(void)xt_print(out, family, x);
	strbuf_addch(out, '>');
}

static void print_counter(struct strbuf *out, const struct nft_stmt *s)
{
	if (s->chain)
		strbuf_addf(out, "counter name \"%s\"", s->chain);
	else if (s->packets)
		strbuf_addf(out, "counter packets %llu bytes %llu", (unsigned long long)s->packets,
			(unsigned long long)s->bytes);
	else
		strbuf_add(out, "counter");
}

static void print_stmt(struct strbuf *out, const struct nft_stmt *s, uint8_t family)
{
	switch (s->kind) {
	case STMT_MATCH:
		print_match(out, s);
		break;
	case STMT_VMAP:
		nft_print_expr(out, s->expr);
		strbuf_add(out, " vmap ");
		print_set_use(out, s->set);
		break;
	case STMT_VERDICT:
		if (s->text)
			strbuf_add(out, s->text);
		else
			print_verdict(out, s->verdict, s->chain);
		break;
	case STMT_SET_MARK:
	case STMT_SET_CT_MARK:
		strbuf_add(out, s->kind == STMT_SET_MARK ? "meta mark set " : "ct mark set ");
		nft_print_expr(out, s->expr);
		break;
	case STMT_NAT:
		print_nat(out, s);
		break;
	case STMT_MASQUERADE:
	case STMT_REDIRECT:
		strbuf_add(out, s->kind == STMT_REDIRECT ? "redirect" : "masquerade");
		if (s->port) {
			strbuf_add(out, " to ");
			print_nat_ports(out, s);
		}
		print_nat_flags(out, s->nat_flags);
		break;
	case STMT_COUNTER:
		print_counter(out, s);
		break;
	case STMT_REJECT:
		strbuf_add(out, s->text ? s->text : "reject");
		break;
	case STMT_LOG:
		strbuf_add(out, s->text ? s->text : "log");
		break;
	case STMT_LIMIT:
		print_limit(out, s);
		break;
	case STMT_NOTRACK:
		strbuf_add(out, "notrack");
		break;
	case STMT_XT:
		print_xt(out, &s->xt, family);
		break;
	case STMT_TPROXY:
		print_tproxy(out, s);
		break;
	case STMT_SET:
		print_set_stmt(out, s);
		break;
	case STMT_SET_UPDATE:
		print_update(out, s);
		break;
	case STMT_FLOW_ADD:
		strbuf_addf(out, "flow add @%s", s->chain ? s->chain : "?");
		break;
	case STMT_HARMLESS:
		strbuf_add(out, s->text ? s->text : "<unknown>");
		break;
	case STMT_UNKNOWN:
		strbuf_addf(out, "<%s>", s->text ? s->text : "unknown");
		break;
	}
}

/* @family: enum ip_family, of iptables' own matches. */
static void print_rule(struct strbuf *out, const struct nft_rule *r, uint8_t family)
{
	for (size_t i = 0; i < r->stmts.len; i++) {
		if (i)
			strbuf_addch(out, ' ');
		print_stmt(out, &r->stmts.items[i], family);
	}
	if (r->comment)
		strbuf_addf(out, " comment \"%s\"", r->comment);
}

void nft_print_rule(struct strbuf *out, const struct nft_rule *r)
{
	print_rule(out, r, IP_V4);
}

/* ---- chains and tables ---- */

static void print_priority(struct strbuf *out, enum nft_hook hook, int32_t prio)
{
	static const struct {
		const char *name;
		int32_t prio;
		int hook; /* -1: any */
	} names[] = {{"raw", -300, -1}, {"mangle", -150, -1}, {"dstnat", -100, HOOK_PREROUTING},
		{"filter", 0, -1}, {"security", 50, -1}, {"srcnat", 100, HOOK_POSTROUTING}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int32_t off = prio - names[i].prio;

		if (off < -10 || off > 10 || (names[i].hook >= 0 && names[i].hook != (int)hook))
			continue;
		strbuf_add(out, names[i].name);
		if (off)
			strbuf_addf(out, off > 0 ? " + %d" : " - %d", off > 0 ? off : -off);
		return;
	}
	strbuf_addf(out, "%d", prio);
}

static void print_chain(struct strbuf *out, const struct nft_chain *c, uint8_t family)
{
	static const char *const chain_types[] = {
		[CHAIN_FILTER] = "filter", [CHAIN_NAT] = "nat", [CHAIN_ROUTE] = "route"};
	static const char *const hooks[] = {[HOOK_PREROUTING] = "prerouting",
		[HOOK_INPUT] = "input",
		[HOOK_FORWARD] = "forward",
		[HOOK_OUTPUT] = "output",
		[HOOK_POSTROUTING] = "postrouting",
		[HOOK_INGRESS] = "ingress",
		[HOOK_EGRESS] = "egress"};

	strbuf_addf(out, "\tchain %s {\n", c->name);
	if (c->base) {
		strbuf_addf(out, "\t\ttype %s hook %s ", chain_types[c->type], hooks[c->hook]);
		if (c->device)
			strbuf_addf(out, "device \"%s\" ", c->device);
		strbuf_add(out, "priority ");
		print_priority(out, c->hook, c->prio);
		strbuf_addf(out, "; policy %s;\n", c->policy_drop ? "drop" : "accept");
	}
	VEC_EACH (&c->rules, struct nft_rule, r) {
		strbuf_add(out, "\t\t");
		print_rule(out, r, family);
		strbuf_addch(out, '\n');
	}
	strbuf_add(out, "\t}\n");
}

static const char *family_name(enum nft_family f)
{
	switch (f) {
	case FAMILY_INET:
		return "inet";
	case FAMILY_IP:
		return "ip";
	case FAMILY_ARP:
		return "arp";
	case FAMILY_NETDEV:
		return "netdev";
	case FAMILY_BRIDGE:
		return "bridge";
	case FAMILY_IP6:
		return "ip6";
	}
	return "?";
}

void nft_print_table(struct strbuf *out, const struct nft_table *t)
{
	static const struct print_word table_flags[] = {
		{1, "dormant"}, {2, "owner"}, {4, "persist"}, {0, NULL}};
	bool first = true;

	strbuf_addf(out, "table %s %s {\n", family_name(t->family), t->name);
	if (t->flags) {
		strbuf_add(out, "\tflags ");
		print_bits(out, table_flags, t->flags, ",");
		strbuf_addch(out, '\n');
		first = false;
	}
	VEC_EACH (&t->counters, struct nft_counter, c) {
		strbuf_addf(out, "%s\tcounter %s {\n\t\tpackets %llu bytes %llu\n\t}\n",
			first ? "" : "\n", c->name, (unsigned long long)c->packets,
			(unsigned long long)c->bytes);
		first = false;
	}
	VEC_EACH (&t->objects, struct nft_object, o) {
		strbuf_addf(out, "%s\t%s %s {\n\t\t%s\n\t}\n", first ? "" : "\n", o->kind, o->name,
			o->text ? o->text : "<not known>");
		first = false;
	}
	VEC_EACH (&t->sets, struct nft_set *, s) {
		if ((*s)->flags & SET_ANONYMOUS)
			continue;
		strbuf_add(out, first ? "" : "\n");
		print_set(out, *s);
		first = false;
	}
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		strbuf_add(out, first ? "" : "\n");
		print_chain(out, *c, t->family == FAMILY_IP6 ? IP_V6 : IP_V4);
		first = false;
	}
	strbuf_add(out, "}\n");
}
