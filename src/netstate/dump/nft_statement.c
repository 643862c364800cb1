/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statements of nft's language, and rules as rows of them. */
#include <string.h>

#include "netstate/dump/nft_reader.h"

struct nft_stmt *nft_reader_add(struct nft_reader *r, enum nft_stmt_kind kind)
{
	struct nft_stmt *s = vec_add(r->a, &r->rule->stmts);

	s->kind = kind;
	return s;
}

static struct nft_stmt *add_text(struct nft_reader *r, enum nft_stmt_kind kind, size_t from)
{
	struct nft_stmt *s = nft_reader_add(r, kind);

	s->text = nft_words_from(r, from);
	return s;
}

/* ---- verdicts ---- */

bool nft_parse_verdict(struct nft_reader *r, enum nft_verdict *v, const char **chain)
{
	static const struct {
		const char *word;
		enum nft_verdict verdict;
	} verdicts[] = {{"accept", VERDICT_ACCEPT}, {"drop", VERDICT_DROP},
		{"continue", VERDICT_CONTINUE}, {"return", VERDICT_RETURN}, {"jump", VERDICT_JUMP},
		{"goto", VERDICT_GOTO}};

	*chain = NULL;
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++) {
		if (!nft_take(r, verdicts[i].word))
			continue;
		*v = verdicts[i].verdict;
		if (*v != VERDICT_JUMP && *v != VERDICT_GOTO)
			return true;
		*chain = nft_take_text(r);
		return *chain != NULL;
	}
	return false;
}

/* ---- statements with words of their own ---- */

/* "ip saddr map @objects", where each key has an object of its own. */
static bool parse_object_map(struct nft_reader *r, const char *words)
{
	struct nft_expr *key = nft_parse_packet_expr(r);
	struct strbuf text = STRBUF_INIT;
	struct nft_set *set;

	if (!key || !nft_take(r, "map"))
		return false;
	if (nft_token_is_sign(nft_peek(r), '{')) { /* names of objects, which are nothing to us */
		while (nft_peek(r)->kind != TOKEN_END && !nft_take_sign(r, '}'))
			r->at++;
		nft_reader_add(r, STMT_HARMLESS)->text = words;
		return true;
	}
	set = nft_parse_set_use(r, key, NULL, 0);
	if (!set)
		return false;
	nft_print_expr(&text, key);
	nft_reader_add(r, STMT_HARMLESS)->text =
		arena_printf(r->a, "%s %s map @%s", words, strbuf_str(&text), set->name);
	strbuf_fini(&text);
	return true;
}

/* Does an expression come, and not a name? */
static bool at_object_map(const struct nft_reader *r)
{
	return nft_peek(r)->kind == TOKEN_WORD && nft_peek_after(r, 1)->kind == TOKEN_WORD &&
	       (nft_token_is(nft_peek_after(r, 1), "map") ||
		       nft_token_is(nft_peek_after(r, 2), "map") ||
		       nft_token_is(nft_peek_after(r, 2), "."));
}

static bool parse_counter(struct nft_reader *r)
{
	struct nft_stmt *s;
	const char *name;
	uint64_t n;

	if (nft_take(r, "name")) {
		if (at_object_map(r))
			return parse_object_map(r, "counter name");
		name = nft_take_text(r);
		if (name)
			nft_count(r->a, r->rule, name);
		return name != NULL;
	}
	s = nft_count(r->a, r->rule, NULL);
	if (nft_take(r, "packets") && nft_take_number(r, &n))
		s->packets = n;
	if (nft_take(r, "bytes") && nft_take_number(r, &n))
		s->bytes = n;
	return true;
}

/* "{ ip saddr timeout 1m limit rate 5/second : value }" */
static bool parse_updated(struct nft_reader *r, struct nft_set *set, enum nft_update how)
{
	struct nft_want want[NFT_MAX_WANTS];
	const struct nft_token *t;
	struct nft_stmt *s;
	struct nft_expr *key, *data = NULL;
	uint32_t timeout = 0;
	const char *text = NULL;
	unsigned int n = 0;

	if (!nft_take_sign(r, '{'))
		return false;
	key = nft_parse_packet_expr(r);
	if (!key)
		return false;
	if (nft_take(r, "timeout")) {
		t = nft_peek(r);
		if (!nft_parse_time_ms(t->s, t->len, &timeout))
			return false;
		r->at++;
	}
	while (nft_peek(r)->kind != TOKEN_END && !nft_token_is_sign(nft_peek(r), '}') &&
		!nft_token_is(nft_peek(r), ":")) {
		const char *inner = nft_inner_text(r);

		text = text ? arena_printf(r->a, "%s %s", text, inner) : inner;
	}
	if (nft_take(r, ":")) {
		for (; n < set->n_data; n++)
			want[n] = (struct nft_want){set->data[n].type, set->data[n].len, SEL_NONE};
		data = nft_parse_written(r, want, n);
		if (!data)
			return false;
	}
	if (!nft_take_sign(r, '}'))
		return false;
	s = nft_reader_add(r, STMT_SET_UPDATE);
	set->flags |= SET_DYNAMIC; /* which JSON of nft 1.0.6 does not say */
	s->set = set;
	s->expr = key;
	s->port = data;
	s->update = (uint8_t)how;
	s->timeout_ms = timeout;
	s->text = text;
	return true;
}

/* "add @set { ... }", behind the first word. */
static bool parse_update(struct nft_reader *r, enum nft_update how)
{
	const struct nft_token *t = nft_peek(r);
	struct nft_set *set;

	if (t->kind != TOKEN_WORD || *t->s != '@')
		return false;
	set = nft_parse_set_use(r, NULL, NULL, 0);
	return set && parse_updated(r, set, how);
}

/* What older ones say for `update`: "meter NAME size N { ip saddr limit rate 5/second }". */
static bool parse_meter(struct nft_reader *r)
{
	const char *name = nft_take_text(r);
	uint32_t size;

	if (!name || (nft_take(r, "size") && !nft_take_u32(r, &size)))
		return false;
	return parse_updated(r, nft_named_set(r, name), UPDATE_UPDATE);
}

static bool parse_flow(struct nft_reader *r)
{
	const struct nft_token *t;

	if (!nft_take(r, "add") && !nft_take(r, "offload"))
		return false;
	t = nft_peek(r);
	if (!nft_token_is_text(t) || !t->len)
		return false;
	r->at++;
	nft_reader_add(r, STMT_FLOW_ADD)->chain =
		arena_strndup(r->a, t->s + (*t->s == '@'), t->len - (*t->s == '@'));
	return true;
}

/* iptables' matches and targets, of which nft prints the name only. */
static bool parse_xt(struct nft_reader *r, const struct nft_token *first)
{
	const struct nft_token *t;
	struct nft_stmt *s;
	bool target;

	if (first->kind == TOKEN_XT) {
		t = first;
		target = t->len && *t->s >= 'A' && *t->s <= 'Z';
	} else {
		target = nft_take(r, "target") || nft_take(r, "watcher");
		if (!target && !nft_take(r, "match"))
			return false;
		t = nft_peek(r);
		if (!nft_token_is_text(t))
			return false;
		r->at++;
		if (nft_take(r, "not")) /* "XT target DNAT not found" */
			nft_take(r, "found");
	}
	s = nft_reader_add(r, STMT_XT);
	s->xt.target = target;
	s->xt.name = arena_strndup(r->a, t->s, t->len);
	s->xt.hollow = true;
	return true;
}

static bool take_rest_of_address(struct nft_reader *r)
{
	if (!nft_take(r, "ip"))
		nft_take(r, "ip6");
	nft_take(r, "to");
	if (!nft_take_text(r))
		return false;
	if (nft_take(r, "device"))
		return nft_take_text(r) != NULL;
	return true;
}

/* A value that nothing depends on: words, or a map's answer. */
static bool take_unkept(struct nft_reader *r)
{
	size_t start = r->at;
	struct nft_expr *e = nft_parse_packet_expr(r);

	if (e)
		return !nft_take(r, "map") || nft_parse_set_use(r, NULL, NULL, 0) != NULL;
	r->at = start;
	if ((nft_take(r, "meta") || nft_take(r, "ct")) && nft_take(r, "secmark"))
		return true;
	r->at = start;
	if (!nft_take_text(r))
		return false;
	while (nft_take_sign(r, ',')) {
		if (!nft_take_text(r))
			return false;
	}
	return true;
}

/* "meta nftrace set 1", "ct event set new": what has no selector. */
static bool parse_other_write(struct nft_reader *r, size_t start)
{
	static const struct {
		const char *words[3];
		const char *text;
		struct nft_want want; /* of type NFT_T_NONE: the value is not kept */
	} forms[] = {
		{{"meta", "nftrace"}, "meta nftrace", {NFT_T_U8, 1, SEL_NONE}},
		{{"nftrace"}, "meta nftrace", {NFT_T_U8, 1, SEL_NONE}},
		{{"ct", "original", "zone"}, "ct original zone", {NFT_T_OTHER, 2, SEL_CT_ZONE}},
		{{"ct", "reply", "zone"}, "ct reply zone", {NFT_T_OTHER, 2, SEL_CT_ZONE}},
		{{"ct", "event"}, "ct event", {NFT_T_NONE, 0, SEL_NONE}},
		{{"ct", "label"}, "ct label", {NFT_T_NONE, 0, SEL_NONE}},
		{{"ct", "secmark"}, "ct secmark", {NFT_T_NONE, 0, SEL_NONE}},
		{{"meta", "secmark"}, "meta secmark", {NFT_T_NONE, 0, SEL_NONE}},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct nft_expr *e;
		struct nft_stmt *s;
		size_t n = 0, value;

		r->at = start;
		while (n < 3 && forms[i].words[n] && nft_take(r, forms[i].words[n]))
			n++;
		if ((n < 3 && forms[i].words[n]) || !nft_take(r, "set"))
			continue;
		value = r->at;
		if (forms[i].want.type != NFT_T_NONE) {
			e = nft_parse_written(r, &forms[i].want, 1);
		} else {
			e = take_unkept(r) ? arena_new_of(r->a, struct nft_expr) : NULL;
		}
		if (!e)
			return false;
		if (forms[i].want.type == NFT_T_NONE) {
			e->kind = EXPR_UNKNOWN;
			e->text = nft_words_from(r, value);
		}
		s = nft_reader_add(r, STMT_SET);
		s->text = forms[i].text;
		s->expr = e;
		return true;
	}
	r->at = start;
	return false;
}

/* "ct helper set "ftp"": an object of the table, or one for each key. */
static bool parse_object_use(struct nft_reader *r, size_t start)
{
	static const char *const kinds[] = {"helper", "timeout", "expectation"};
	const char *name;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		r->at = start;
		if (!nft_take(r, "ct") || !nft_take(r, kinds[i]) || !nft_take(r, "set"))
			continue;
		if (at_object_map(r))
			return parse_object_map(r, arena_printf(r->a, "ct %s set", kinds[i]));
		name = nft_take_text(r);
		if (name)
			nft_reader_add(r, STMT_HARMLESS)->text =
				arena_printf(r->a, "ct %s set \"%s\"", kinds[i], name);
		return name != NULL;
	}
	r->at = start;
	return false;
}

/* ---- statements ---- */

static bool parse_verdict_stmt(struct nft_reader *r)
{
	enum nft_verdict verdict;
	const char *chain;

	if (!nft_parse_verdict(r, &verdict, &chain))
		return false;
	nft_verdict(r->a, r->rule, verdict, chain);
	return true;
}

/* By their first word. */
static bool parse_by_word(struct nft_reader *r, size_t start)
{
	if (nft_take(r, "counter"))
		return parse_counter(r);
	if (nft_take(r, "limit"))
		return nft_parse_limit(r);
	if (nft_take(r, "quota"))
		return nft_parse_quota(r);
	if (nft_take(r, "log"))
		return nft_parse_log(r);
	if (nft_take(r, "reject"))
		return nft_parse_reject(r);
	if (nft_take(r, "dnat"))
		return nft_parse_nat(r, STMT_NAT, true);
	if (nft_take(r, "snat"))
		return nft_parse_nat(r, STMT_NAT, false);
	if (nft_take(r, "masquerade"))
		return nft_parse_nat(r, STMT_MASQUERADE, false);
	if (nft_take(r, "redirect"))
		return nft_parse_nat(r, STMT_REDIRECT, true);
	if (nft_take(r, "tproxy"))
		return nft_parse_nat(r, STMT_TPROXY, true);
	if (nft_take(r, "notrack")) {
		nft_reader_add(r, STMT_NOTRACK);
		return true;
	}
	if (nft_take(r, "flow"))
		return parse_flow(r);
	if (nft_take(r, "add"))
		return parse_update(r, UPDATE_ADD);
	if (nft_take(r, "update"))
		return parse_update(r, UPDATE_UPDATE);
	if (nft_take(r, "delete"))
		return parse_update(r, UPDATE_DELETE);
	if (nft_take(r, "meter"))
		return parse_meter(r);
	if (nft_take(r, "queue"))
		return nft_parse_queue(r);
	if (nft_take(r, "dup")) {
		if (!take_rest_of_address(r))
			return false;
		add_text(r, STMT_HARMLESS, start);
		return true;
	}
	/* Somebody else has the packet then, and the rest of the rule is never reached. */
	if (nft_take(r, "fwd") || nft_take(r, "synproxy")) {
		nft_reader_add(r, STMT_UNKNOWN)->text =
			nft_token_is(&r->tokens.items[start], "fwd") ? "fwd" : "synproxy";
		r->at = r->tokens.len;
		return true;
	}
	if (nft_take(r, "last")) { /* when the rule was used last */
		if (nft_take(r, "used") && !nft_take_text(r))
			return false;
		nft_reader_add(r, STMT_HARMLESS)->text = "last";
		return true;
	}
	if (nft_take(r, "xt") || nft_take(r, "XT"))
		return parse_xt(r, nft_peek(r));
	return false;
}

static bool parse_stmt(struct nft_reader *r)
{
	const struct nft_token *t = nft_peek(r);
	size_t start = r->at;

	if (t->kind == TOKEN_XT) {
		r->at++;
		return parse_xt(r, t);
	}
	if (parse_verdict_stmt(r))
		return true;
	r->at = start;
	if (parse_by_word(r, start))
		return true;
	if (r->at != start)
		return false;
	if (nft_take(r, "ct") && nft_take(r, "count"))
		return nft_parse_ct_count(r);
	r->at = start;
	return parse_other_write(r, start) || parse_object_use(r, start) || nft_parse_match(r);
}

/* ---- rules ---- */

/* What begins a statement, whatever stood before it. */
static bool begins_stmt(const struct nft_token *t)
{
	static const char *const words[] = {"accept", "drop", "return", "jump", "goto", "counter",
		"log", "limit", "reject", "dnat", "snat", "masquerade", "redirect", "notrack",
		"comment", "meta", "ct", "iifname", "oifname", "tcp", "udp", "fib", "queue", "xt"};

	if (t->kind == TOKEN_XT)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (nft_token_is(t, words[i]))
			return true;
	}
	return false;
}

static void add_unknown(struct nft_reader *r)
{
	const struct nft_token *first = nft_peek(r);
	size_t start = r->at;
	unsigned int depth = 0;
	struct nft_stmt *s;

	do {
		const struct nft_token *t = nft_peek(r);

		depth += nft_token_is_sign(t, '{');
		depth -= depth && nft_token_is_sign(t, '}');
		r->at++;
	} while (nft_peek(r)->kind != TOKEN_END && (depth || !begins_stmt(nft_peek(r))));
	s = add_text(r, STMT_UNKNOWN, start);
	nft_reader_note(r, first->line, s->text, "a statement that is not understood");
}

/* The statements are gathered in a rule that is used again and again, so that each rule takes just the
 * memory of what it has. */
static void settle(struct nft_reader *r, struct nft_rule *out)
{
	size_t n = r->work.stmts.len;

	out->comment = r->work.comment;
	out->stmts.items = arena_alloc(r->a, n * sizeof(*out->stmts.items));
	if (n)
		memcpy(out->stmts.items, r->work.stmts.items, n * sizeof(*out->stmts.items));
	out->stmts.len = out->stmts.cap = n;
}

void nft_parse_rule(struct nft_reader *r, struct nft_rule *out)
{
	struct nft_rule *rule = &r->work;

	rule->stmts.len = 0;
	rule->comment = NULL;
	rule->handle = out->handle;
	r->rule = rule;
	r->at = 0;
	r->l3 = r->table->family == FAMILY_IP	 ? IP_V4
		: r->table->family == FAMILY_IP6 ? IP_V6
						 : IP_NONE;
	r->l4 = 0;
	while (nft_peek(r)->kind != TOKEN_END) {
		size_t start = r->at, n = rule->stmts.len;
		uint8_t l3 = r->l3, l4 = r->l4;

		if (nft_take(r, "comment") && nft_token_is_text(nft_peek(r))) {
			rule->comment = nft_take_text(r);
			continue;
		}
		r->at = start;
		r->nesting = 0;
		if (parse_stmt(r))
			continue;
		r->at = start;
		r->l3 = l3;
		r->l4 = l4;
		rule->stmts.len = n;
		add_unknown(r);
	}
	r->rule = NULL;
	settle(r, out);
}
