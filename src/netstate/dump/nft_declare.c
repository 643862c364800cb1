/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The insides of nft's declarations: chains with their rules, sets with their elements, objects. */
#include <string.h>

#include "netstate/dump/nft_reader.h"

/* ---- rules ---- */

/* What stands between two places of the text, with single blanks for blanks and line ends. */
static const char *source_text(struct nft_reader *r, const char *start, const char *end)
{
	char *copy = arena_alloc(r->a, (size_t)(end - start) + 1), *out = copy;

	for (const char *s = start; s < end; s++) {
		bool line_end = *s == '\\' && s + 1 < end && (s[1] == '\n' || s[1] == '\r');

		if (!line_end && !strchr(" \t\r\n", *s))
			*out++ = *s;
		else if (out > copy && out[-1] != ' ')
			*out++ = ' ';
	}
	while (out > copy && out[-1] == ' ')
		out--;
	*out = '\0';
	return copy;
}

static void move_first(struct nft_chain *c)
{
	struct nft_rule last = c->rules.items[c->rules.len - 1];

	memmove(c->rules.items + 1, c->rules.items, (c->rules.len - 1) * sizeof(last));
	c->rules.items[0] = last;
}

static struct nft_rule *add_rule(struct nft_reader *r, struct nft_chain *c, uint32_t line)
{
	struct span at = {
		.line = r->made ? 0 : line, .col = r->made ? 0 : 1, .len = r->made ? 0 : 1};
	struct nft_rule *rule = nft_rule_new(r->a, c, at);

	rule->file = r->f->name;
	return rule;
}

void nft_read_rule_line(struct nft_reader *r, struct nft_chain *c, bool first)
{
	bool quoted = r->token.kind == TOKEN_STRING || r->token.kind == TOKEN_VARIABLE;
	const char *start = r->token.s - quoted;
	struct nft_rule *rule = add_rule(r, c, r->token.line);

	nft_collect(r, false);
	/* `token` is what ended it; a comment may stand before that. */
	rule->text = source_text(r, start, r->tokens_end > start ? r->tokens_end : start);
	rule->handle = nft_take_handle(r);
	nft_parse_rule(r, rule);
	if (first)
		move_first(c);
}

/* The dump ends within the chain: what else it would have said is not known. */
static void add_cut_off(struct nft_reader *r, struct nft_chain *c)
{
	struct nft_rule *rule = add_rule(r, c, r->token.line);

	rule->text = "(the dump ends here)";
	vec_add(r->a, &rule->stmts)->kind = STMT_UNKNOWN;
	rule->stmts.items[0].text = "the dump ends here";
}

/* ---- chains ---- */

static bool parse_priority(struct nft_reader *r, struct nft_chain *c)
{
	static const struct {
		const char *name;
		int32_t ip, bridge;
	} names[] = {{"raw", -300, -300}, {"mangle", -150, -150}, {"dstnat", -100, -300},
		{"filter", 0, -200}, {"out", 100, 100}, {"security", 50, 50}, {"srcnat", 100, 300}};
	bool bridge = r->table->family == FAMILY_BRIDGE, minus = false, named = false;
	const struct nft_token *t;
	uint64_t n = 0;

	c->prio = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (nft_take(r, names[i].name)) {
			c->prio = bridge ? names[i].bridge : names[i].ip;
			named = true;
			break;
		}
	}
	if (nft_take(r, "-"))
		minus = true;
	else
		nft_take(r, "+");
	t = nft_peek(r);
	if (t->kind != TOKEN_WORD)
		return named;
	if (t->len > 1 && (*t->s == '-' || *t->s == '+')) {
		minus = *t->s == '-';
		if (!nft_parse_number(t->s + 1, t->len - 1, &n))
			return false;
	} else if (!nft_parse_number(t->s, t->len, &n)) {
		return named;
	}
	r->at++;
	if (n > INT32_MAX / 2)
		n = INT32_MAX / 2;
	c->prio += minus ? -(int32_t)n : (int32_t)n;
	return true;
}

static bool parse_hook(struct nft_reader *r, enum nft_hook *out)
{
	static const struct {
		const char *name;
		enum nft_hook hook;
	} hooks[] = {{"prerouting", HOOK_PREROUTING}, {"input", HOOK_INPUT},
		{"forward", HOOK_FORWARD}, {"output", HOOK_OUTPUT},
		{"postrouting", HOOK_POSTROUTING}, {"ingress", HOOK_INGRESS},
		{"egress", HOOK_EGRESS}};

	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		if (nft_take(r, hooks[i].name)) {
			*out = hooks[i].hook;
			return true;
		}
	}
	return false;
}

/* device "eth0", or devices = { eth0, eth1 } */
static void parse_devices(struct nft_reader *r, struct nft_chain *c)
{
	if (nft_take(r, "device")) {
		c->device = nft_take_text(r);
	} else if (nft_take(r, "devices")) {
		nft_take_sign(r, '=');
		if (!nft_take_sign(r, '{'))
			return;
		c->device = nft_take_text(r);
		while (nft_peek(r)->kind != TOKEN_END && !nft_take_sign(r, '}'))
			r->at++;
	}
}

/* "type filter hook input priority filter", behind the first word. */
static bool parse_base(struct nft_reader *r, struct nft_chain *c)
{
	if (nft_take(r, "filter"))
		c->type = CHAIN_FILTER;
	else if (nft_take(r, "nat"))
		c->type = CHAIN_NAT;
	else if (nft_take(r, "route"))
		c->type = CHAIN_ROUTE;
	else
		return false;
	if (!nft_take(r, "hook") || !parse_hook(r, &c->hook))
		return false;
	c->base = true;
	parse_devices(r, c);
	if (!nft_take(r, "priority") || !parse_priority(r, c))
		return false;
	parse_devices(r, c);
	return nft_peek(r)->kind == TOKEN_END;
}

/* What is said of the chain itself. False: it is a rule. */
static bool read_chain_property(struct nft_reader *r, struct nft_chain *c)
{
	uint32_t line = r->token.line;
	bool good = true;

	if (nft_at(r, "type")) {
		if (c->base && c->rules.len)
			nft_reader_note(r, line, c->name,
				"this chain was there before: the rules of both are taken");
		nft_collect(r, false);
		r->at = 1;
		good = parse_base(r, c);
	} else if (nft_at(r, "policy")) {
		nft_collect(r, false);
		r->at = 1;
		c->policy_drop = nft_take(r, "drop");
		good = c->policy_drop || nft_take(r, "accept");
	} else if (nft_at(r, "flags") || nft_at(r, "comment")) {
		nft_collect(r, false);
	} else {
		return false;
	}
	if (!good) {
		r->at = r->tokens.len;
		nft_reader_note(r, line, nft_words_from(r, 0), "not understood");
	}
	return true;
}

void nft_read_chain_block(struct nft_reader *r, struct nft_chain *c)
{
	uint64_t handle = nft_take_handle(r);

	if (handle)
		c->handle = handle;
	while (nft_block_next(r)) {
		if (!read_chain_property(r, c))
			nft_read_rule_line(r, c, false);
	}
	if (r->token.kind == TOKEN_END)
		add_cut_off(r, c);
}

/* ---- sets ---- */

static void parse_set_flags(struct nft_reader *r, struct nft_set *s)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} flags[] = {{"constant", SET_CONSTANT}, {"interval", SET_INTERVAL},
		{"timeout", SET_TIMEOUT}, {"dynamic", SET_DYNAMIC}};

	do {
		for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
			if (nft_take(r, flags[i].word))
				s->flags |= flags[i].flag;
		}
	} while (nft_take_sign(r, ','));
}

static void read_set_property(struct nft_reader *r, struct nft_set *s)
{
	uint32_t line = r->token.line;
	const struct nft_token *t;
	bool good = true;

	nft_collect(r, false);
	r->rule = NULL;
	r->nesting = 0;
	if (nft_take(r, "type")) {
		good = nft_parse_set_type(r, s, false);
	} else if (nft_take(r, "typeof")) {
		good = nft_parse_set_type(r, s, true);
	} else if (nft_take(r, "flags")) {
		parse_set_flags(r, s);
	} else if (nft_take(r, "timeout")) {
		t = nft_peek(r);
		good = nft_parse_time_ms(t->s, t->len, &s->timeout_ms);
		s->flags |= SET_TIMEOUT;
	} else if (nft_take(r, "size")) {
		good = nft_take_u32(r, &s->size);
	} else { /* how it is kept, and what is counted of its elements */
		good = nft_take(r, "policy") || nft_take(r, "gc-interval") ||
		       nft_take(r, "auto-merge") || nft_take(r, "comment") ||
		       nft_take(r, "counter") || nft_take(r, "limit") || nft_take(r, "quota") ||
		       nft_take(r, "ct") || nft_take(r, "last");
	}
	if (!good) {
		r->at = r->tokens.len;
		nft_reader_note(r, line, nft_words_from(r, 0), "not understood");
	}
}

void nft_read_elements_block(struct nft_reader *r, struct nft_set *s)
{
	uint32_t line;
	bool known = s->n_key && !(s->flags & SET_OBJECTS);

	r->elements = true;
	while (nft_block_next(r)) {
		if (nft_token_is_sign(&r->token, ',')) {
			nft_advance(r);
			continue;
		}
		line = r->token.line;
		nft_collect(r, true);
		if (!known)
			continue;
		if (!nft_parse_element(r, s)) {
			r->at = r->tokens.len;
			nft_reader_note(
				r, line, nft_words_from(r, 0), "an element that is not understood");
		}
	}
	if (!known || r->token.kind == TOKEN_END)
		s->flags |= SET_INCOMPLETE;
}

/* "elements = { ... }", or a variable that holds them. */
static void read_elements(struct nft_reader *r, struct nft_set *s)
{
	nft_advance(r);
	if (nft_token_is_sign(&r->token, '='))
		nft_advance(r);
	if (nft_token_is_sign(&r->token, '{')) {
		nft_advance(r);
		nft_read_elements_block(r, s);
		if (r->token.kind != TOKEN_END)
			nft_advance(r);
		return;
	}
	r->elements = true;
	nft_collect(r, false);
	nft_take_sign(r, '{');
	while (nft_peek(r)->kind != TOKEN_END && !nft_token_is_sign(nft_peek(r), '}')) {
		if (!nft_parse_element(r, s)) {
			nft_reader_note(r, r->token.line, nft_words_from(r, 0),
				"an element that is not understood");
			return;
		}
		nft_take_sign(r, ',');
	}
}

/* Elements can be read only once type and flags are known, which may stand behind them. */
void nft_read_set_block(struct nft_reader *r, struct nft_set *s)
{
	struct nft_lexer elements = {.at = NULL}, end;
	struct nft_token token, end_token;
	uint64_t handle = nft_take_handle(r);

	if (handle)
		s->handle = handle;
	while (nft_block_next(r)) {
		if (!nft_at(r, "elements")) {
			read_set_property(r, s);
			continue;
		}
		elements = r->lexer;
		token = r->token;
		nft_skip_line(r, NULL);
	}
	if (r->token.kind == TOKEN_END)
		s->flags |= SET_INCOMPLETE;
	nft_set_layout(s);
	if (!elements.at)
		return;
	end = r->lexer;
	end_token = r->token;
	r->lexer = elements;
	r->token = token;
	read_elements(r, s);
	r->lexer = end;
	r->token = end_token;
}

/* ---- objects ---- */

static void read_counter(struct nft_reader *r, struct nft_table *t, const char *name)
{
	struct nft_counter *c = vec_add(r->a, &t->counters);

	c->name = name;
	nft_collect(r, false);
	while (nft_peek(r)->kind != TOKEN_END) {
		if (nft_take(r, "packets"))
			nft_take_number(r, &c->packets);
		else if (nft_take(r, "bytes"))
			nft_take_number(r, &c->bytes);
		else
			r->at++;
	}
}

/* Flowtables, helpers, limits and quotas: rules name them, and what they say is kept as it is. */
void nft_read_object_block(struct nft_reader *r, struct nft_table *t, const char *kind)
{
	const char *name = nft_name(r);
	struct nft_object *o;
	size_t start;

	if (!name) {
		nft_skip_line(r, "not understood");
		return;
	}
	if (strcmp(kind, "counter") == 0) {
		read_counter(r, t, name);
		return;
	}
	nft_collect(r, false);
	if (strcmp(kind, "flowtable") == 0)
		return;
	o = vec_add(r->a, &t->objects);
	o->name = name;
	o->kind = kind;
	nft_take_sign(r, '{');
	if (strcmp(kind, "limit") == 0) {
		o->text = nft_rate_text(r);
	} else if (strcmp(kind, "quota") == 0) {
		o->text = nft_quota_text(r);
	} else if (r->tokens.len > r->at + 1) {
		start = r->at;
		r->at = r->tokens.len - 1;
		o->text = nft_words_from(r, start);
	}
}
