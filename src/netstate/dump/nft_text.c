/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads `nft list ruleset`, and scripts for nft -f: tables, commands and variables.
 *
 * Tolerant throughout: a line that is not understood is noted and skipped; one that opens a brace is
 * skipped with all that is in it.
 */
#include <string.h>

#include "netstate/dump/nft_reader.h"

/* ---- tokens of the text ---- */

void nft_advance(struct nft_reader *r)
{
	nft_lex(&r->lexer, &r->token);
}

bool nft_at(const struct nft_reader *r, const char *word)
{
	return nft_token_is(&r->token, word);
}

static bool at_sign(const struct nft_reader *r, char sign)
{
	return nft_token_is_sign(&r->token, sign);
}

static bool at_line_end(const struct nft_reader *r)
{
	return r->token.kind == TOKEN_END || r->token.kind == TOKEN_NEWLINE || at_sign(r, ';');
}

const char *nft_name(struct nft_reader *r)
{
	const char *name;

	if (!nft_token_is_text(&r->token) || !r->token.len)
		return NULL;
	name = arena_strndup(r->a, r->token.s, r->token.len);
	nft_advance(r);
	return name;
}

uint64_t nft_take_handle(struct nft_reader *r)
{
	uint64_t handle = r->lexer.handle;

	r->lexer.handle = 0;
	return handle;
}

/* ---- statements ---- */

static void push(struct nft_reader *r, struct nft_token t)
{
	if (r->tokens.len < NFT_READ_MAX_TOKENS)
		vec_push(r->a, &r->tokens, t);
	else
		r->cut_off = true;
}

/* Key and value that stand together: "80:drop". Addresses of IPv6 and of links have more colons. */
static void push_pair(struct nft_reader *r, struct nft_token t)
{
	const char *colon = memchr(t.s, ':', t.len);
	size_t before = colon ? (size_t)(colon - t.s) : 0;
	struct nft_token part = t;

	if (t.kind != TOKEN_WORD || !colon || t.len == 1 ||
		memchr(colon + 1, ':', t.len - before - 1)) {
		push(r, t);
		return;
	}
	part.len = (uint32_t)before;
	if (part.len)
		push(r, part);
	part.s = colon;
	part.len = 1;
	push(r, part);
	part.s = colon + 1;
	part.len = t.len - (uint32_t)before - 1;
	if (part.len)
		push(r, part);
}

/* What the variable stands for; a set in a set is its elements. */
static void push_variable(struct nft_reader *r, bool in_set)
{
	char *name = arena_strndup(r->a, r->token.s, r->token.len);
	const struct nft_variable *v = nft_index_find(&r->index, NULL, 'v', name);
	struct nft_token t = r->token;
	bool inner;

	if (!v || r->expanded + v->n > NFT_READ_MAX_EXPANDED) {
		t.kind = TOKEN_WORD; /* with its $ it is no value of anything */
		t.s--;
		t.len++;
		push(r, t);
		return;
	}
	r->expanded += v->n;
	inner = in_set && v->n >= 2 && nft_token_is_sign(&v->tokens[0], '{');
	for (size_t i = inner; i + inner < v->n; i++) {
		t = v->tokens[i];
		t.line = r->token.line;
		push(r, t);
	}
}

void nft_collect(struct nft_reader *r, bool element)
{
	unsigned int depth = 0;

	r->tokens.len = 0;
	r->at = 0;
	r->tokens_end = r->token.s;
	for (; r->token.kind != TOKEN_END; nft_advance(r)) {
		if (at_sign(r, '}') && depth == 0)
			return;
		if (r->token.kind == TOKEN_NEWLINE) {
			if (!element && depth == 0)
				return;
			continue;
		}
		if (depth == 0 && at_sign(r, element ? ',' : ';'))
			return;
		depth += at_sign(r, '{');
		depth -= at_sign(r, '}');
		r->tokens_end = r->lexer.at; /* one token is read ahead: this one */
		if (r->token.kind == TOKEN_VARIABLE)
			push_variable(r, element || depth > 0);
		else if (element || depth > 0)
			push_pair(r, r->token);
		else
			push(r, r->token);
	}
}

void nft_skip_line(struct nft_reader *r, const char *why)
{
	uint32_t line = r->token.line;
	const char *start = r->token.s;
	unsigned int depth = 0;
	const char *end = memchr(start, '\n', (size_t)(r->lexer.end - start));

	if (why)
		dump_note(r->d, r->f, r->made ? 0 : line, start,
			(size_t)((end ? end : r->lexer.end) - start), why);
	for (; r->token.kind != TOKEN_END; nft_advance(r)) {
		if (at_sign(r, '}') && depth == 0)
			return;
		if (depth == 0 && at_line_end(r))
			return;
		depth += at_sign(r, '{');
		depth -= at_sign(r, '}');
	}
}

bool nft_block_next(struct nft_reader *r)
{
	while (r->token.kind == TOKEN_NEWLINE || at_sign(r, ';'))
		nft_advance(r);
	if (r->token.kind == TOKEN_END)
		r->cut_off = true;
	return r->token.kind != TOKEN_END && !at_sign(r, '}');
}

/* Behind a block: its closing brace. */
static void close_block(struct nft_reader *r)
{
	if (at_sign(r, '}'))
		nft_advance(r);
}

/* ---- objects by name ---- */

static bool take_family(struct nft_reader *r, enum nft_family *out)
{
	static const struct {
		const char *name;
		enum nft_family family;
	} families[] = {{"ip", FAMILY_IP}, {"ip6", FAMILY_IP6}, {"inet", FAMILY_INET},
		{"arp", FAMILY_ARP}, {"bridge", FAMILY_BRIDGE}, {"netdev", FAMILY_NETDEV}};

	*out = FAMILY_IP; /* what nft takes where none is said */
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		if (nft_at(r, families[i].name)) {
			*out = families[i].family;
			nft_advance(r);
			return true;
		}
	}
	return false;
}

static const char *table_key(struct nft_reader *r, enum nft_family family, const char *name)
{
	return arena_printf(r->a, "%d %s", family, name);
}

static struct nft_table *get_table(struct nft_reader *r, enum nft_family family, const char *name)
{
	const char *key = table_key(r, family, name);
	struct nft_table *t = nft_index_find(&r->index, NULL, 't', key);

	if (t)
		return t;
	t = nft_table_new(r->a, family, name);
	vec_push(r->a, &r->d->out->ruleset.tables, t);
	vec_push(r->a, &r->tables, t);
	nft_index_set(r, NULL, 't', key, t);
	return t;
}

static struct nft_chain *get_chain(struct nft_reader *r, const char *name)
{
	struct nft_chain *c = nft_index_find(&r->index, r->table, 'c', name);

	if (c)
		return c;
	c = nft_chain_new(r->a, r->table, name);
	nft_index_set(r, r->table, 'c', name, c);
	return c;
}

/* A set that is being declared, perhaps after it was named. */
static struct nft_set *declare_set(struct nft_reader *r, const char *name, uint32_t line)
{
	struct nft_set *s = nft_named_set(r, name);

	if (!nft_index_find(&r->index, r->table, 'd', name)) {
		nft_index_set(r, r->table, 'd', name, s);
		vec_push(r->a, &r->table->sets, s);
		s->flags &= ~(uint32_t)SET_INCOMPLETE;
		if (!r->made)
			s->at.line = line;
	}
	return s;
}

/* "[family] table": the table that a command is about. */
static bool take_table(struct nft_reader *r)
{
	enum nft_family family;
	const char *name;

	take_family(r, &family);
	name = nft_name(r);
	if (!name)
		return false;
	r->table = get_table(r, family, name);
	return true;
}

/* ---- declarations, with what is around them known ---- */

static void read_chain(struct nft_reader *r)
{
	const char *name = nft_name(r);
	struct nft_chain *c;
	uint64_t handle;

	if (!name) {
		nft_skip_line(r, "not understood");
		return;
	}
	c = get_chain(r, name);
	if (at_sign(r, '{')) {
		nft_advance(r);
		nft_read_chain_block(r, c);
		close_block(r);
	}
	handle = nft_take_handle(r);
	if (handle)
		c->handle = handle;
}

static void read_set(struct nft_reader *r)
{
	uint32_t line = r->token.line;
	const char *name = nft_name(r);
	struct nft_set *s;
	uint64_t handle;

	if (!name) {
		nft_skip_line(r, "not understood");
		return;
	}
	s = declare_set(r, name, line);
	if (at_sign(r, '{')) {
		nft_advance(r);
		nft_read_set_block(r, s);
		close_block(r);
	}
	handle = nft_take_handle(r);
	if (handle)
		s->handle = handle;
}

/* False: the word is no object's kind. */
static bool read_declaration(struct nft_reader *r)
{
	static const char *const objects[] = {
		"counter", "quota", "limit", "flowtable", "synproxy", "secmark", "tunnel"};
	const char *kind;

	if (nft_at(r, "chain")) {
		nft_advance(r);
		read_chain(r);
		return true;
	}
	if (nft_at(r, "set") || nft_at(r, "map") || nft_at(r, "meter")) {
		nft_advance(r);
		read_set(r);
		return true;
	}
	if (nft_at(r, "ct")) {
		nft_advance(r);
		kind = nft_name(r); /* helper, timeout, expectation */
		if (kind)
			nft_read_object_block(r, r->table, arena_printf(r->a, "ct %s", kind));
		else
			nft_skip_line(r, "not understood");
		return true;
	}
	for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
		if (nft_at(r, objects[i])) {
			nft_advance(r);
			nft_read_object_block(r, r->table, objects[i]);
			return true;
		}
	}
	return false;
}

static void read_table_flags(struct nft_reader *r)
{
	static const struct {
		const char *word;
		uint32_t flag; /* NFT_TABLE_F_* */
	} flags[] = {{"dormant", 1}, {"owner", 2}, {"persist", 4}};
	uint32_t line = r->token.line;

	nft_collect(r, false);
	for (r->at = 1; r->at < r->tokens.len; r->at++) {
		bool known = nft_token_is_sign(nft_peek(r), ',');

		for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
			if (nft_token_is(nft_peek(r), flags[i].word)) {
				r->table->flags |= flags[i].flag;
				known = true;
			}
		}
		/* JSON of nft 1.0.6 has the table's name in the place of its flags. */
		if (!known)
			nft_reader_note(r, line, r->table->name,
				"its flags are not understood: it may be dormant");
	}
}

static void define(struct nft_reader *r)
{
	struct nft_variable *v;
	const char *name;

	nft_advance(r);
	name = nft_name(r);
	if (!name || !at_sign(r, '=')) {
		nft_skip_line(r, "not understood");
		return;
	}
	nft_advance(r);
	nft_collect(r, false);
	v = arena_new_of(r->a, struct nft_variable);
	v->n = r->tokens.len;
	v->tokens = arena_alloc(r->a, v->n * sizeof(*v->tokens));
	if (v->n)
		memcpy(v->tokens, r->tokens.items, v->n * sizeof(*v->tokens));
	nft_index_set(r, NULL, 'v', name, v);
}

static void read_table_block(struct nft_reader *r)
{
	while (nft_block_next(r)) {
		if (nft_at(r, "flags"))
			read_table_flags(r);
		else if (nft_at(r, "comment"))
			nft_skip_line(r, NULL);
		else if (nft_at(r, "include"))
			nft_skip_line(r, "what it includes is not here");
		else if (nft_at(r, "define") || nft_at(r, "redefine"))
			define(r);
		else if (!read_declaration(r))
			nft_skip_line(r, "not understood");
	}
}

static void read_table(struct nft_reader *r)
{
	bool managed = r->lexer.managed;
	uint64_t handle;

	if (!take_table(r)) {
		nft_skip_line(r, "not understood");
		return;
	}
	if (managed)
		r->table->origin = ORIGIN_XT_NFT;
	r->lexer.managed = false;
	if (at_sign(r, '{')) {
		nft_advance(r);
		r->table->handle = nft_take_handle(r);
		read_table_block(r);
		close_block(r);
	}
	handle = nft_take_handle(r);
	if (handle)
		r->table->handle = handle;
}

/* ---- commands ---- */

static bool at_brace_after_name(const struct nft_reader *r)
{
	struct nft_lexer ahead = r->lexer;
	struct nft_token t;

	nft_lex(&ahead, &t);
	return nft_token_is_text(&r->token) && nft_token_is_sign(&t, '{');
}

static void add_rule(struct nft_reader *r, bool first)
{
	struct nft_chain *c;
	const char *name;

	if (!take_table(r) || !(name = nft_name(r))) {
		nft_skip_line(r, "not understood");
		return;
	}
	c = get_chain(r, name);
	if (nft_at(r, "position") || nft_at(r, "handle") || nft_at(r, "index")) {
		nft_skip_line(r, "it depends on rules that are not here where this one goes");
		return;
	}
	nft_read_rule_line(r, c, first);
}

static void add_elements(struct nft_reader *r)
{
	struct nft_set *s;
	const char *name;

	if (!take_table(r) || !(name = nft_name(r)) || !at_sign(r, '{')) {
		nft_skip_line(r, "not understood");
		return;
	}
	s = nft_named_set(r, name);
	nft_advance(r);
	nft_read_elements_block(r, s);
	close_block(r);
}

/* A declaration whose table is named between its kind and its own name: "chain inet t c { ... }". A
 * piece of a listing has no table: it is given one. */
static void add_in_table(struct nft_reader *r)
{
	struct nft_token kind = r->token;
	struct nft_lexer at_kind = r->lexer, behind;
	bool ct = nft_at(r, "ct");
	struct nft_token token;

	nft_advance(r);
	if (ct)
		nft_advance(r);
	if (at_brace_after_name(r)) {
		r->table = get_table(r, FAMILY_INET, "(not named)");
		nft_reader_note(r, kind.line, "", "no table is around this: taken as one of inet");
		r->lexer = at_kind;
		r->token = kind;
		read_declaration(r);
		return;
	}
	if (!take_table(r)) {
		nft_skip_line(r, "not understood");
		return;
	}
	behind = r->lexer;
	token = r->token;
	if (ct) { /* the word behind it is in the way of nothing: read it again */
		r->lexer = at_kind;
		nft_advance(r);
		kind = r->token;
		r->lexer = behind;
		r->token = token;
		nft_read_object_block(
			r, r->table, arena_printf(r->a, "ct %.*s", (int)kind.len, kind.s));
	} else if (nft_token_is(&kind, "chain")) {
		read_chain(r);
	} else if (nft_token_is(&kind, "set") || nft_token_is(&kind, "map") ||
		   nft_token_is(&kind, "meter")) {
		read_set(r);
	} else {
		nft_read_object_block(r, r->table, arena_strndup(r->a, kind.s, kind.len));
	}
}

static void add(struct nft_reader *r, bool first)
{
	static const char *const kinds[] = {"chain", "set", "map", "meter", "counter", "quota",
		"limit", "flowtable", "synproxy", "secmark", "ct"};

	if (nft_at(r, "table")) {
		nft_advance(r);
		read_table(r);
		return;
	}
	if (nft_at(r, "rule")) {
		nft_advance(r);
		add_rule(r, first);
		return;
	}
	if (nft_at(r, "element")) {
		nft_advance(r);
		add_elements(r);
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (nft_at(r, kinds[i])) {
			add_in_table(r);
			return;
		}
	}
	nft_skip_line(r, "not understood");
}

/* Tables that this file made go again: all, or one. */
static void forget_tables(struct nft_reader *r, const struct nft_table *only)
{
	struct nft_ruleset *set = &r->d->out->ruleset;
	size_t kept = 0, kept_mine = 0, mine = 0;

	/* Ours stand among the others in the order in which we made them. */
	for (size_t i = 0; i < set->tables.len; i++) {
		struct nft_table *t = set->tables.items[i];
		bool is_mine = mine < r->tables.len && r->tables.items[mine] == t;

		mine += is_mine;
		if (is_mine && (!only || t == only)) {
			nft_index_set(r, NULL, 't', table_key(r, t->family, t->name), NULL);
			continue;
		}
		if (is_mine)
			r->tables.items[kept_mine++] = t;
		set->tables.items[kept++] = t;
	}
	set->tables.len = kept;
	r->tables.len = kept_mine;
}

static void flush(struct nft_reader *r)
{
	struct nft_chain *c;
	const char *name;

	if (nft_at(r, "ruleset")) {
		nft_advance(r);
		if (at_line_end(r))
			forget_tables(r, NULL);
		else
			nft_skip_line(r, "not understood");
	} else if (nft_at(r, "table")) {
		nft_advance(r);
		if (!take_table(r)) {
			nft_skip_line(r, "not understood");
			return;
		}
		VEC_EACH (&r->table->chains, struct nft_chain *, each)
			(*each)->rules.len = 0;
	} else if (nft_at(r, "chain")) {
		nft_advance(r);
		name = take_table(r) ? nft_name(r) : NULL;
		c = name ? nft_index_find(&r->index, r->table, 'c', name) : NULL;
		if (c)
			c->rules.len = 0;
		else
			nft_skip_line(r, "not understood");
	} else if (nft_at(r, "set") || nft_at(r, "map")) {
		nft_advance(r);
		name = take_table(r) ? nft_name(r) : NULL;
		if (name)
			nft_named_set(r, name)->len = 0;
		else
			nft_skip_line(r, "not understood");
	} else {
		nft_skip_line(r, "not understood");
	}
}

static void delete (struct nft_reader *r)
{
	struct nft_table *t;

	if (nft_at(r, "table")) {
		nft_advance(r);
		if (take_table(r)) {
			t = r->table;
			r->table = NULL;
			forget_tables(r, t);
			return;
		}
	}
	nft_skip_line(r, "what is deleted here is taken to be there still");
}

static void undefine(struct nft_reader *r)
{
	const char *name = nft_name(r);

	if (name)
		nft_index_set(r, NULL, 'v', name, NULL);
	else
		nft_skip_line(r, "not understood");
}

static void read_command(struct nft_reader *r)
{
	static const struct {
		const char *word;
		void (*run)(struct nft_reader *r);
	} commands[] = {
		{"flush", flush}, {"delete", delete}, {"destroy", delete}, {"undefine", undefine}};

	if (nft_at(r, "nft")) { /* a line of a shell script */
		nft_advance(r);
		while (r->token.kind == TOKEN_WORD && *r->token.s == '-')
			nft_advance(r);
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (nft_at(r, commands[i].word)) {
			nft_advance(r);
			commands[i].run(r);
			return;
		}
	}
	if (nft_at(r, "include")) {
		nft_skip_line(r, "what it includes is not here");
	} else if (nft_at(r, "define") || nft_at(r, "redefine")) {
		define(r);
	} else if (nft_at(r, "add") || nft_at(r, "create")) {
		nft_advance(r);
		add(r, false);
	} else if (nft_at(r, "insert")) {
		nft_advance(r);
		add(r, true);
	} else if (at_sign(r, '}')) {
		nft_skip_line(r, "not understood");
		nft_advance(r);
	} else {
		add(r, false); /* nft takes "add" for granted */
	}
}

/* ---- the whole file ---- */

void nft_read_script(struct nft_reader *r, const char *text, size_t len)
{
	r->a = r->d->arena;
	r->lexer = (struct nft_lexer){.at = text, .end = text + len, .line = 1};
	nft_advance(r);
	while (r->token.kind != TOKEN_END) {
		if (r->token.kind == TOKEN_NEWLINE || at_sign(r, ';'))
			nft_advance(r);
		else
			read_command(r);
	}
	nft_settle(r);
	if (r->cut_off)
		nft_reader_note(r, r->token.line, "",
			"the text ends in the middle of something: the rest is not known");
	else
		r->d->out->have |= HAVE_NFT;
}

void dump_read_nft_text(struct dump *d, const struct dump_file *f)
{
	struct nft_reader r = {.d = d, .f = f};

	nft_read_script(&r, f->text, f->len);
}
