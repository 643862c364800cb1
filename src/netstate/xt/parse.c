/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words of one rule of iptables to statements.
 *
 * iptables-nft makes nft's own statements of interfaces, protocol, addresses and some matches, in a
 * fixed order, and so do we (as of iptables 1.8.9; iptables/nft.c and nft-shared.c of its source).
 */
#include "netstate/xt/extension.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_tcpudp.h>

#define MAX_LOADED  64 /* matches of one rule */
#define MAX_ADDRS   64 /* listed with commas */
#define MAX_STRANGE 16 /* pieces of one rule that are not understood */

/* A match or the target, as far as it was read. */
struct loaded {
	const char *name;
	const struct xt_extension *ext; /* NULL: not known */
	struct nft_xt x;
	uint8_t *info;
	uint64_t given;
	size_t from, to; /* its words */
	bool failed;
};

struct addrs {
	size_t n;
	bool inverted;
	uint8_t addr[MAX_ADDRS][16], mask[MAX_ADDRS][16];
};

struct reader {
	struct xt_reading r;
	const struct xt_words *w;
	size_t at;
	const char *in, *out;
	bool not_in, not_out;
	bool not_proto;
	bool fragment, not_fragment;
	uint64_t packets, bytes;
	const char *jump; /* a verdict or chain; NULL: none, or a target */
	bool is_goto;
	struct loaded *target;
	struct loaded *loaded; /* MAX_LOADED of them; the target among them */
	size_t n_loaded;
	struct {
		size_t from, to;
	} strange[MAX_STRANGE];
	size_t n_strange;
	struct addrs src, dst;
};

static bool stranger(struct reader *rd, size_t from, size_t to)
{
	if (rd->n_strange < MAX_STRANGE) {
		rd->strange[rd->n_strange].from = from;
		rd->strange[rd->n_strange++].to = to;
	} else {
		rd->strange[MAX_STRANGE - 1].to = to;
	}
	return false;
}

/* ---- loading ---- */

static struct loaded *load(struct reader *rd, bool target, const char *name, size_t from)
{
	struct loaded *l;

	if (rd->n_loaded == MAX_LOADED) {
		xt_fail(&rd->r, "more than %d matches", MAX_LOADED);
		stranger(rd, from, rd->at);
		return NULL;
	}
	l = &rd->loaded[rd->n_loaded++];
	memset(l, 0, sizeof(*l));
	l->name = name;
	l->ext = xt_extension_find(target, name, rd->r.family);
	l->from = from;
	l->to = rd->at;
	l->x.target = target;
	if (!l->ext) {
		l->failed = true;
		xt_fail(&rd->r, "the %s '%.40s' is not known", target ? "target" : "match", name);
		return l;
	}
	l->x.name = l->ext->kernel_name ? l->ext->kernel_name : l->ext->name;
	l->x.rev = l->ext->rev;
	l->x.info_len = l->ext->size;
	l->info = arena_alloc(rd->r.a, l->ext->size);
	l->x.info = l->info;
	if (l->ext->init)
		l->ext->init(&rd->r, l->info);
	return l;
}

/* ---- options ---- */

/* The next word as an argument. With @inverted: a `!` may stand before it. */
static const char *take_arg(struct reader *rd, bool *inverted)
{
	if (inverted && rd->at + 1 < rd->w->n && strcmp(rd->w->word[rd->at], "!") == 0) {
		*inverted = !*inverted;
		rd->at++;
	}
	if (rd->at < rd->w->n)
		return rd->w->word[rd->at++];
	xt_fail(&rd->r, "the line ends too early");
	return NULL;
}

static bool looks_like_option(const char *word)
{
	return (word[0] == '-' && word[1] && !isdigit((unsigned char)word[1])) ||
	       strcmp(word, "!") == 0;
}

static bool parse_option(struct reader *rd, struct loaded *l, const struct xt_option *o,
	bool inverted, const char *attached)
{
	struct xt_given g = {.id = o->id, .inverted = inverted, .arg = {"", ""}};
	unsigned int n = o->args == ARGS_2 ? 2 : o->args == ARGS_1 ? 1 : 0;

	if (o->args == ARGS_0_OR_1 && !attached && rd->at < rd->w->n &&
		!looks_like_option(rd->w->word[rd->at]))
		n = 1;
	for (unsigned int i = 0; i < n; i++) {
		bool *may_invert = i == 0 && o->invertible ? &g.inverted : NULL;

		g.arg[i] = i == 0 && attached ? attached : take_arg(rd, may_invert);
		if (!g.arg[i])
			return false;
	}
	if (g.inverted && !o->invertible)
		return xt_fail(&rd->r, "--%s cannot be inverted", o->name);
	l->given |= GIVEN(o->id);
	rd->r.x = &l->x;
	return !l->ext->parse || l->ext->parse(&rd->r, &g, l->info);
}

static bool is_loaded(const struct reader *rd, const struct xt_extension *ext)
{
	for (size_t i = 0; i < rd->n_loaded; i++) {
		if (rd->loaded[i].ext == ext)
			return true;
	}
	return false;
}

/* The loaded match or target that has an option, by its whole name or only its beginning. */
static struct loaded *find_owner(
	struct reader *rd, const char *name, size_t len, bool whole, const struct xt_option **o)
{
	for (size_t i = rd->n_loaded; i > 0; i--) {
		struct loaded *l = &rd->loaded[i - 1];

		if (!l->ext)
			continue;
		*o = xt_option_find(l->ext->options, name, len);
		if (*o && (!whole || (*o)->name[len] == '\0'))
			return l;
	}
	return NULL;
}

/* `-p tcp --dport` needs no `-m tcp`. */
static struct loaded *load_protocol(
	struct reader *rd, const char *name, size_t len, const struct xt_option **o)
{
	const char *proto = rd->r.proto ? xt_proto_name(rd->r.proto) : NULL;
	const struct xt_extension *e = proto ? xt_extension_find(false, proto, rd->r.family) : NULL;

	if (!e || is_loaded(rd, e))
		return NULL;
	*o = xt_option_find(e->options, name, len);
	return *o ? load(rd, false, proto, rd->at - 1) : NULL;
}

/* Words that belong to nothing known: with the match before them, up to the next option. */
static void unknown_option(struct reader *rd, size_t from)
{
	struct loaded *l = rd->n_loaded ? &rd->loaded[rd->n_loaded - 1] : NULL;

	if (!l || !l->failed)
		xt_fail(&rd->r, "the option '%.40s' is not known", rd->w->word[rd->at - 1]);
	while (rd->at < rd->w->n && !looks_like_option(rd->w->word[rd->at]))
		rd->at++;
	if (l) {
		l->failed = true;
		l->to = rd->at;
	} else {
		stranger(rd, from, rd->at);
	}
}

static void extension_option(struct reader *rd, const char *word, bool inverted, size_t from)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct xt_option *o;
	struct loaded *l;

	l = find_owner(rd, word, len, true, &o);
	if (!l)
		l = load_protocol(rd, word, len, &o);
	if (!l)
		l = find_owner(rd, word, len, false, &o);
	if (!l) {
		unknown_option(rd, from);
		return;
	}
	if (!parse_option(rd, l, o, inverted, equals ? equals + 1 : NULL))
		l->failed = true;
	if (from < l->from)
		l->from = from;
	l->to = rd->at;
}

/* ---- what is no extension ---- */

static bool parse_addrs(struct reader *rd, const char *s, struct addrs *out)
{
	char part[64];

	if (*s == '!') {
		out->inverted = !out->inverted;
		s++;
	}
	if (out->n || !*s)
		return xt_fail(&rd->r, "addresses are given twice, or none");
	while (xt_next_part(&s, ',', part)) {
		if (out->n == MAX_ADDRS)
			return xt_fail(&rd->r, "more than %d addresses", MAX_ADDRS);
		if (!xt_read_network(&rd->r, part, out->addr[out->n], out->mask[out->n])) {
			out->n = 0;
			return false;
		}
		out->n++;
	}
	return out->n == 1 || !out->inverted ||
	       xt_fail(&rd->r, "a list of addresses cannot be inverted");
}

static bool parse_interface(struct reader *rd, const char *s, const char **out, bool *inverted)
{
	char name[16], mask[16];

	if (*s == '!') {
		*inverted = !*inverted;
		s++;
	}
	if (!xt_read_interface(&rd->r, s, name, mask))
		return false;
	*out = s;
	return true;
}

static bool parse_proto(struct reader *rd, const char *s)
{
	if (*s == '!') {
		rd->not_proto = !rd->not_proto;
		s++;
	}
	return xt_read_proto(&rd->r, s, &rd->r.proto);
}

static bool parse_jump(struct reader *rd, const char *name, bool is_goto, size_t from)
{
	static const char *const verdicts[] = {"ACCEPT", "DROP", "RETURN", "QUEUE"};

	if (rd->jump || rd->target)
		return xt_fail(&rd->r, "there are two targets");
	rd->is_goto = is_goto;
	if (!is_goto && xt_extension_find(true, name, rd->r.family)) {
		rd->target = load(rd, true, name, from);
		return rd->target != NULL;
	}
	rd->jump = name;
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++) {
		if (strcmp(name, verdicts[i]) == 0)
			return true;
	}
	/* What comes after a chain's name can only belong to a target that is not known. */
	if (rd->at < rd->w->n && strncmp(rd->w->word[rd->at], "--", 2) == 0 && !is_goto) {
		rd->jump = NULL;
		rd->target = load(rd, true, name, from);
	}
	return true;
}

static bool parse_counters(struct reader *rd, const char *packets)
{
	const char *bytes = take_arg(rd, NULL);

	return bytes && xt_read_uint(&rd->r, packets, UINT64_MAX, &rd->packets) &&
	       xt_read_uint(&rd->r, bytes, UINT64_MAX, &rd->bytes);
}

static const struct {
	char letter;
	const char *name;
} plain_options[] = {{'s', "source"}, {'s', "src"}, {'d', "destination"}, {'d', "dst"},
	{'p', "protocol"}, {'p', "proto"}, {'i', "in-interface"}, {'o', "out-interface"},
	{'j', "jump"}, {'g', "goto"}, {'m', "match"}, {'c', "set-counters"}, {'f', "fragments"},
	{'f', "fragment"}, {'4', "ipv4"}, {'6', "ipv6"}, {'n', "numeric"}, {'v', "verbose"},
	{'x', "exact"}, {'w', "wait"}, {0}};

/* The letter of an option that is not of an extension; '\0': it is. *@attached: its argument, where
 * it is in the same word. */
static char plain_option(const char *word, const char **attached)
{
	const char *equals = strchr(word, '=');
	size_t len;

	*attached = NULL;
	if (word[1] != '-') {
		if (!word[1] || !strchr("sdpiojgmcf46nvxw", word[1]))
			return '\0';
		if (word[2])
			*attached = word + 2;
		return word[1];
	}
	len = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
	for (size_t i = 0; plain_options[i].name; i++) {
		if (strncmp(plain_options[i].name, word + 2, len) == 0 &&
			plain_options[i].name[len] == '\0') {
			*attached = equals ? equals + 1 : NULL;
			return plain_options[i].letter;
		}
	}
	return '\0';
}

static bool with_argument(
	struct reader *rd, char letter, const char *attached, bool inverted, size_t from)
{
	const char *arg = attached ? attached : take_arg(rd, &inverted);

	if (!arg)
		return false;
	switch (letter) {
	case 's':
		rd->src.inverted = inverted;
		return parse_addrs(rd, arg, &rd->src);
	case 'd':
		rd->dst.inverted = inverted;
		return parse_addrs(rd, arg, &rd->dst);
	case 'p':
		rd->not_proto = inverted;
		return parse_proto(rd, arg);
	case 'i':
		rd->not_in = inverted;
		return parse_interface(rd, arg, &rd->in, &rd->not_in);
	case 'o':
		rd->not_out = inverted;
		return parse_interface(rd, arg, &rd->out, &rd->not_out);
	case 'c':
		return parse_counters(rd, arg);
	case 'm':
		return load(rd, false, arg, from) != NULL;
	default:
		return parse_jump(rd, arg, letter == 'g', from);
	}
}

static void take_plain(
	struct reader *rd, char letter, const char *attached, bool inverted, size_t from)
{
	switch (letter) {
	case 'f':
		rd->fragment = true;
		rd->not_fragment = inverted;
		return;
	case 'w': /* for the tool, with or without a number of seconds */
		if (rd->at < rd->w->n && isdigit((unsigned char)rd->w->word[rd->at][0]))
			rd->at++;
		return;
	case '4':
	case '6':
	case 'n':
	case 'v':
	case 'x':
		return;
	default:
		if (!with_argument(rd, letter, attached, inverted, from))
			stranger(rd, from, rd->at);
	}
}

static void read_words(struct reader *rd)
{
	bool inverted = false;
	size_t from = rd->at;

	while (rd->at < rd->w->n) {
		const char *word = rd->w->word[rd->at++], *attached;
		char letter;

		if (strcmp(word, "!") == 0) {
			inverted = !inverted;
			continue;
		}
		if (word[0] != '-') {
			xt_fail(&rd->r, "'%.40s' is no option", word);
			unknown_option(rd, from);
		} else {
			letter = plain_option(word, &attached);
			if (letter)
				take_plain(rd, letter, attached, inverted, from);
			else
				extension_option(
					rd, word + (word[1] == '-' ? 2 : 1), inverted, from);
		}
		inverted = false;
		from = rd->at;
	}
	if (inverted) {
		xt_fail(&rd->r, "the line ends too early");
		stranger(rd, from, rd->at);
	}
	for (size_t i = 0; i < rd->n_loaded; i++) {
		struct loaded *l = &rd->loaded[i];

		rd->r.x = &l->x;
		if (!l->failed && l->ext->finish && !l->ext->finish(&rd->r, l->given, l->info))
			l->failed = true;
	}
}

/* ---- statements ---- */

#define MAX_STMTS (MAX_LOADED + 2 * MAX_STRANGE + 16)

struct building {
	struct arena *a;
	uint8_t family;
	size_t n;
	struct nft_stmt stmts[MAX_STMTS + 3 * MAX_LOADED]; /* a match makes up to three */
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
		memcpy(padded, name, len);
		add_match(b, selector, op, padded, sizeof(padded));
	} else if (len > 1) {
		add_match(b, selector, op, name, (unsigned int)len - 1);
	} else if (inverted) { /* what iptables-nft makes of "no interface at all" */
		memcpy(padded, "INVAL/D", 7);
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
	struct building *b, enum nft_selector selector, const struct addrs *addrs, size_t which)
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
	unsigned int u = 1;

	memcpy(&i, info, sizeof(i));
	if (!i.avg)
		return false;
	while (u < 4 && i.avg <= units[u].time && units[u].time / i.avg >= units[u].time % i.avg)
		u++;
	add(b, STMT_LIMIT)->text = arena_printf(b->a, "limit rate %u/%s burst %u packets",
		units[u - 1].time / i.avg, units[u - 1].name, i.burst);
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

static void add_unknown(struct building *b, const struct reader *rd, size_t from, size_t to)
{
	add(b, STMT_UNKNOWN)->text = xt_join(b->a, rd->w, from, to);
}

static void add_loaded(struct building *b, const struct reader *rd, const struct loaded *l)
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

static void add_jump(struct building *b, const struct reader *rd)
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

static void build(struct building *b, const struct reader *rd, size_t src, size_t dst)
{
	static const uint8_t offset_bits[2] = {0x1f, 0xff}, none[2];
	struct nft_stmt *s;
	bool six = b->family == IP_V6;

	b->n = 0;
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
}

size_t xt_read_rules(struct arena *a, uint8_t family, const struct xt_words *w, size_t from,
	uint64_t packets, uint64_t bytes, struct nft_chain *c, const char **why)
{
	struct loaded loaded[MAX_LOADED];
	struct building b;
	struct reader rd;
	struct nft_rule *r;
	size_t n = 0;

	/* Piece by piece, since all of it is large and mostly not used. */
	memset(&rd, 0, offsetof(struct reader, src));
	rd.src.n = rd.dst.n = 0;
	rd.src.inverted = rd.dst.inverted = false;
	rd.r.a = b.a = a;
	rd.r.family = b.family = family;
	rd.loaded = loaded;
	rd.w = w;
	rd.at = from;
	rd.packets = packets;
	rd.bytes = bytes;
	read_words(&rd);
	for (size_t s = 0; s < (rd.src.n ? rd.src.n : 1); s++) {
		for (size_t d = 0; d < (rd.dst.n ? rd.dst.n : 1); d++, n++) {
			build(&b, &rd, s, d);
			r = nft_rule_new(a, c, NOWHERE);
			r->stmts.items = arena_alloc(a, b.n * sizeof(*b.stmts));
			memcpy(r->stmts.items, b.stmts, b.n * sizeof(*b.stmts));
			r->stmts.len = r->stmts.cap = b.n;
		}
	}
	*why = rd.r.why;
	return n;
}

bool xt_read_counters(const char *s, uint64_t *packets, uint64_t *bytes)
{
	char *end;

	if (*s != '[' || !isdigit((unsigned char)s[1]))
		return false;
	*packets = strtoull(s + 1, &end, 10);
	if (*end != ':' || !isdigit((unsigned char)end[1]))
		return false;
	*bytes = strtoull(end + 1, &end, 10);
	return *end == ']' && end[1] == '\0';
}

struct nft_rule *xt_parse_rule(
	struct arena *a, struct nft_table *t, const char *line, size_t len, const char **why)
{
	uint64_t packets = 0, bytes = 0;
	struct nft_chain *c;
	struct xt_words w;
	size_t at = 0;

	*why = NULL;
	if (!xt_split(&w, line, len)) {
		*why = "the line is too long";
		return NULL;
	}
	if (w.n && xt_read_counters(w.word[0], &packets, &bytes))
		at++;
	if (at + 1 >= w.n ||
		(strcmp(w.word[at], "-A") != 0 && strcmp(w.word[at], "--append") != 0)) {
		*why = "this is no rule";
		return NULL;
	}
	c = nft_chain_find(t, w.word[at + 1]);
	if (!c)
		c = nft_chain_new(a, t, arena_strdup(a, w.word[at + 1]));
	xt_read_rules(
		a, t->family == FAMILY_IP6 ? IP_V6 : IP_V4, &w, at + 2, packets, bytes, c, why);
	return &c->rules.items[c->rules.len - 1];
}
