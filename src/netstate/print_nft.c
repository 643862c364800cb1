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

/* ---- expressions ---- */

static bool all_bytes(const uint8_t *bytes, unsigned int len, uint8_t value)
{
	for (unsigned int i = 0; i < len; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

/* The operand of & or ^: marks in hex, bits by name, addresses as addresses. */
static void print_operand(struct strbuf *out, enum nft_type type, const uint8_t *bytes)
{
	uint32_t bits;

	if (type == NFT_T_CT_STATE || type == NFT_T_CT_STATUS) {
		memcpy(&bits, bytes, sizeof(bits));
		if (__builtin_popcount(bits) > 1)
			strbuf_addch(out, '(');
		print_ct_bits(out, type, bits, " | ");
		if (__builtin_popcount(bits) > 1)
			strbuf_addch(out, ')');
		return;
	}
	print_value(out, type, nft_type_len(type), bytes, false);
}

static void print_masked(struct strbuf *out, const struct nft_expr *e)
{
	enum nft_type type = nft_selector_type(e->selector);
	unsigned int len = nft_type_len(type);
	bool disjoint = true;

	strbuf_add(out, nft_selector_name(e->selector));
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

static void print_expr(struct strbuf *out, const struct nft_expr *e)
{
	switch (e->kind) {
	case EXPR_SELECTOR:
		strbuf_add(out, nft_selector_name(e->selector));
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
			print_expr(out, e->parts[i]);
		}
		break;
	case EXPR_MAP:
		print_expr(out, e->key);
		strbuf_add(out, " map ");
		print_set_use(out, e->set);
		break;
	case EXPR_JHASH:
		strbuf_add(out, "jhash ");
		print_expr(out, e->key);
		strbuf_addf(out, " mod %u", e->mod);
		if (e->seed)
			strbuf_addf(out, " seed 0x%x", e->seed);
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
	enum nft_type type = nft_selector_type(e->selector);
	unsigned int len = nft_type_len(type);
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
	strbuf_addf(out, s->op == OP_EQ ? "%s " : "%s != ", nft_selector_name(e->selector));
	print_value(out, type, len, s->value, false);
	strbuf_addf(out, "/%d", prefix);
	return true;
}

static void print_match(struct strbuf *out, const struct nft_stmt *s)
{
	const struct nft_expr *e = s->expr;
	enum nft_type type = e->type;
	bool bits = type == NFT_T_CT_STATE || type == NFT_T_CT_STATUS;

	if (e->kind == EXPR_MASKED && !s->set && print_masked_match(out, s))
		return;
	print_expr(out, e);
	strbuf_addch(out, ' ');
	/* Equality goes without saying, but where nft would read it as a test of bits. */
	if (s->op != OP_EQ || e->kind == EXPR_MASKED || bits)
		strbuf_add(out, ops[s->op]);
	if (s->op == OP_IN || s->op == OP_NOT_IN) {
		print_set_use(out, s->set);
		return;
	}
	if (bits && e->kind == EXPR_MASKED)
		print_operand(out, type, s->value);
	else
		print_value(out, type, s->value_len, s->value, false);
	if (s->op == OP_RANGE || s->op == OP_NOT_RANGE) {
		strbuf_addch(out, '-');
		print_value(out, type, s->value_len, s->last, false);
	}
}

static void print_nat(struct strbuf *out, const struct nft_stmt *s)
{
	bool brackets = s->port && s->expr && s->expr->kind == EXPR_VALUE && s->nat_family == IP_V6;

	strbuf_add(out, s->dnat ? "dnat " : "snat ");
	if (s->expr)
		strbuf_add(out, s->nat_family == IP_V6 ? "ip6 " : "ip ");
	strbuf_add(out, "to ");
	if (brackets)
		strbuf_addch(out, '[');
	if (s->expr)
		print_expr(out, s->expr);
	if (brackets)
		strbuf_addch(out, ']');
	if (s->port) {
		strbuf_addch(out, ':');
		print_expr(out, s->port);
	}
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

static void print_stmt(struct strbuf *out, const struct nft_stmt *s)
{
	switch (s->kind) {
	case STMT_MATCH:
		print_match(out, s);
		break;
	case STMT_VMAP:
		print_expr(out, s->expr);
		strbuf_add(out, " vmap ");
		print_set_use(out, s->set);
		break;
	case STMT_VERDICT:
		print_verdict(out, s->verdict, s->chain);
		break;
	case STMT_SET_MARK:
	case STMT_SET_CT_MARK:
		strbuf_add(out, s->kind == STMT_SET_MARK ? "meta mark set " : "ct mark set ");
		print_expr(out, s->expr);
		break;
	case STMT_NAT:
		print_nat(out, s);
		break;
	case STMT_MASQUERADE:
	case STMT_REDIRECT:
		strbuf_add(out, s->kind == STMT_REDIRECT ? "redirect" : "masquerade");
		if (s->port) {
			strbuf_add(out, " to :");
			print_expr(out, s->port);
		}
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
		strbuf_add(out, s->text ? s->text : "<limit>");
		break;
	case STMT_NOTRACK:
		strbuf_add(out, "notrack");
		break;
	case STMT_XT:
		strbuf_addf(out, "<xt %s %s>", s->xt.target ? "target" : "match", s->xt.name);
		break;
	case STMT_UNKNOWN:
		strbuf_addf(out, "<%s>", s->text ? s->text : "unknown");
		break;
	}
}

void nft_print_rule(struct strbuf *out, const struct nft_rule *r)
{
	for (size_t i = 0; i < r->stmts.len; i++) {
		if (i)
			strbuf_addch(out, ' ');
		print_stmt(out, &r->stmts.items[i]);
	}
	if (r->comment)
		strbuf_addf(out, " comment \"%s\"", r->comment);
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

static void print_chain(struct strbuf *out, const struct nft_chain *c)
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
		strbuf_addf(
			out, "\t\ttype %s hook %s priority ", chain_types[c->type], hooks[c->hook]);
		print_priority(out, c->hook, c->prio);
		strbuf_addf(out, "; policy %s;\n", c->policy_drop ? "drop" : "accept");
	}
	VEC_EACH (&c->rules, struct nft_rule, r) {
		strbuf_add(out, "\t\t");
		nft_print_rule(out, r);
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
	VEC_EACH (&t->sets, struct nft_set *, s) {
		if ((*s)->flags & SET_ANONYMOUS)
			continue;
		strbuf_add(out, first ? "" : "\n");
		print_set(out, *s);
		first = false;
	}
	VEC_EACH (&t->chains, struct nft_chain *, c) {
		strbuf_add(out, first ? "" : "\n");
		print_chain(out, *c);
		first = false;
	}
	strbuf_add(out, "}\n");
}
