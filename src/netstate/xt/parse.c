/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of one rule of iptables: what belongs to which match, and what each is told. */
#include "netstate/xt/rule.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "netstate/names.h"

static bool stranger(struct xt_rule *rd, size_t from, size_t to)
{
	if (rd->n_strange < XT_MAX_STRANGE) {
		rd->strange[rd->n_strange].from = from;
		rd->strange[rd->n_strange++].to = to;
	} else {
		rd->strange[XT_MAX_STRANGE - 1].to = to;
	}
	return false;
}

/* ---- loading ---- */

static struct xt_loaded *load(struct xt_rule *rd, bool target, const char *name, size_t from)
{
	struct xt_loaded *l;

	if (rd->n_loaded == XT_MAX_LOADED) {
		xt_fail(&rd->r, "more than %d matches", XT_MAX_LOADED);
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
static const char *take_arg(struct xt_rule *rd, bool *inverted)
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

static bool parse_option(struct xt_rule *rd, struct xt_loaded *l, const struct xt_option *o,
	bool inverted, const char *attached)
{
	struct xt_given g = {.id = o->id, .inverted = inverted, .arg = {"", ""}};

	for (unsigned int i = 0; i < o->args; i++) {
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

static bool is_loaded(const struct xt_rule *rd, const struct xt_extension *ext)
{
	for (size_t i = 0; i < rd->n_loaded; i++) {
		if (rd->loaded[i].ext == ext)
			return true;
	}
	return false;
}

/* The loaded match or target that has an option, by its whole name or only its beginning. */
static struct xt_loaded *find_owner(
	struct xt_rule *rd, const char *name, size_t len, bool whole, const struct xt_option **o)
{
	for (size_t i = rd->n_loaded; i > 0; i--) {
		struct xt_loaded *l = &rd->loaded[i - 1];

		if (!l->ext)
			continue;
		*o = xt_option_find(l->ext->options, name, len);
		if (*o && (!whole || (*o)->name[len] == '\0'))
			return l;
	}
	return NULL;
}

/* `-p tcp --dport` needs no `-m tcp`. */
static struct xt_loaded *load_protocol(
	struct xt_rule *rd, const char *name, size_t len, const struct xt_option **o)
{
	const char *proto = rd->r.proto ? net_protocol_name(rd->r.proto) : NULL;
	const struct xt_extension *e = proto ? xt_extension_find(false, proto, rd->r.family) : NULL;

	if (!e || is_loaded(rd, e))
		return NULL;
	*o = xt_option_find(e->options, name, len);
	return *o ? load(rd, false, proto, rd->at - 1) : NULL;
}

/* Words that belong to nothing known: with the match before them, up to the next option. */
static void unknown_option(struct xt_rule *rd, size_t from)
{
	struct xt_loaded *l = rd->n_loaded ? &rd->loaded[rd->n_loaded - 1] : NULL;

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

static void extension_option(struct xt_rule *rd, const char *word, bool inverted, size_t from)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct xt_option *o;
	struct xt_loaded *l;

	/* As getopt_long() does: `-p tcp -m multiport --dport 80,443` is multiport's --dports. */
	l = find_owner(rd, word, len, true, &o);
	if (!l)
		l = find_owner(rd, word, len, false, &o);
	if (!l)
		l = load_protocol(rd, word, len, &o);
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

static bool parse_addrs(struct xt_rule *rd, const char *s, struct xt_addrs *out)
{
	char part[64];

	if (*s == '!') {
		out->inverted = !out->inverted;
		s++;
	}
	if (out->n || !*s)
		return xt_fail(&rd->r, "addresses are given twice, or none");
	while (xt_next_part(&s, ',', part)) {
		if (out->n == XT_MAX_ADDRS)
			return xt_fail(&rd->r, "more than %d addresses", XT_MAX_ADDRS);
		if (!xt_read_network(&rd->r, part, out->addr[out->n], out->mask[out->n])) {
			out->n = 0;
			return false;
		}
		out->n++;
	}
	return out->n == 1 || !out->inverted ||
	       xt_fail(&rd->r, "a list of addresses cannot be inverted");
}

static bool parse_interface(struct xt_rule *rd, const char *s, const char **out, bool *inverted)
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

static bool parse_proto(struct xt_rule *rd, const char *s)
{
	if (*s == '!') {
		rd->not_proto = !rd->not_proto;
		s++;
	}
	return xt_read_proto(&rd->r, s, &rd->r.proto);
}

static bool parse_jump(struct xt_rule *rd, const char *name, bool is_goto, size_t from)
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

static bool parse_counters(struct xt_rule *rd, const char *packets)
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
	struct xt_rule *rd, char letter, const char *attached, bool inverted, size_t from)
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
	struct xt_rule *rd, char letter, const char *attached, bool inverted, size_t from)
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

static void read_words(struct xt_rule *rd)
{
	bool inverted = false;
	size_t from = rd->at;

	while (rd->at < rd->w->n) {
		const char *word = rd->w->word[rd->at++], *attached;
		const struct xt_option *o;
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
			/* --proto is short for --protocol, but of policy, too. */
			if (letter && strcmp(word, "--proto") == 0 &&
				find_owner(rd, "proto", 5, true, &o))
				letter = '\0';
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
		struct xt_loaded *l = &rd->loaded[i];

		rd->r.x = &l->x;
		if (!l->failed && l->ext && l->ext->finish &&
			!l->ext->finish(&rd->r, l->given, l->info))
			l->failed = true;
	}
}

size_t xt_read_rules(struct arena *a, uint8_t family, const struct xt_words *w, size_t from,
	uint64_t packets, uint64_t bytes, struct nft_chain *c, const char **why)
{
	struct xt_loaded loaded[XT_MAX_LOADED] = {0};
	struct nft_stmt stmts[XT_MAX_STMTS];
	struct xt_rule rd;
	struct nft_rule *r;
	size_t n = 0;

	/* Piece by piece, since all of it is large and mostly not used. */
	memset(&rd, 0, offsetof(struct xt_rule, src));
	rd.src.n = rd.dst.n = 0;
	rd.src.inverted = rd.dst.inverted = false;
	rd.r.a = a;
	rd.r.family = family;
	rd.loaded = loaded;
	rd.w = w;
	rd.at = from;
	rd.packets = packets;
	rd.bytes = bytes;
	read_words(&rd);
	for (size_t s = 0; s < (rd.src.n ? rd.src.n : 1); s++) {
		for (size_t d = 0; d < (rd.dst.n ? rd.dst.n : 1); d++, n++) {
			size_t len = xt_build_rule(&rd, s, d, stmts);

			r = nft_rule_new(a, c, NOWHERE);
			r->stmts.items = arena_alloc(a, len * sizeof(*stmts));
			memcpy(r->stmts.items, stmts, len * sizeof(*stmts));
			r->stmts.len = r->stmts.cap = len;
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
