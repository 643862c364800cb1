/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the nft_*.c readers share: the statement being read, and the parsers of its parts.
 *
 * Theory of operation
 *
 * nft_text.c walks through tables, chains and commands. It collects the tokens of one statement (a
 * rule, an element, a declaration) in `tokens`, with variables replaced by what they stand for, and the
 * parsers here go through these with a cursor. A parser that does not understand returns false or NULL;
 * the statement is then unknown as a whole, and whoever began it puts cursor and rule back.
 *
 * The matches that nft leaves out when it prints (`meta l4proto tcp` before `tcp dport 80`) are put
 * into the rule by nft_need_*() as nft would when it loads the text, so that a rule read from text is
 * the rule that is read from the kernel.
 *
 * nft_json.c turns JSON into this language, so there is one parser only.
 */
#ifndef NETSTATE_DUMP_NFT_READER_H
#define NETSTATE_DUMP_NFT_READER_H

#include "netstate/dump/dump.h"
#include "netstate/dump/nft_lex.h"

#define NFT_READ_MAX_NESTING  16 /* of parentheses, expressions, and braces that are skipped */
#define NFT_READ_MAX_TOKENS   (1u << 23) /* of one statement */
#define NFT_READ_MAX_EXPANDED (1u << 24) /* tokens that variables stand for, in all */

/* Names to objects, within an owner (a table, or NULL). */
struct nft_index_slot {
	const void *owner;
	const char *name;
	void *value; /* NULL: free */
	char kind;
};
struct nft_index {
	struct nft_index_slot *slots;
	size_t n, n_slots;
};

struct nft_variable {
	struct nft_token *tokens;
	size_t n;
};

struct nft_reader {
	struct dump *d;
	const struct dump_file *f;
	struct arena *a;
	struct nft_lexer lexer;
	struct nft_index index;
	bool made;    /* the text was made of JSON: its lines mean nothing */
	bool cut_off; /* the text ends in the middle of something */
	VEC(struct nft_table *)
	tables;			    /* that this file made; others in the ruleset are not ours */
	VEC(struct nft_set *) sets; /* all that have a name */
	size_t expanded;	    /* tokens that variables gave */
	bool elements;		    /* some named set has elements */

	struct nft_token token; /* lookahead of nft_text.c */
	VEC(struct nft_token) tokens;
	const char *tokens_end; /* in the text, behind the last of them */
	size_t at;

	struct nft_table *table;
	struct nft_rule *rule; /* being read; NULL: none, but an expression of a declaration */
	struct nft_rule work;  /* where that is gathered */
	uint8_t l3;	       /* enum ip_family that the rule has tied itself to */
	uint8_t l4;	       /* protocol likewise */
	unsigned int nesting;
};

/* ---- the cursor ---- */

const struct nft_token *nft_peek(const struct nft_reader *r); /* TOKEN_END behind the last one */
const struct nft_token *nft_peek_after(const struct nft_reader *r, size_t n);
bool nft_take(struct nft_reader *r, const char *word);
bool nft_take_sign(struct nft_reader *r, char sign);
/* The text of a word or string, or NULL. */
const char *nft_take_text(struct nft_reader *r);
bool nft_take_number(struct nft_reader *r, uint64_t *out);
bool nft_take_u32(struct nft_reader *r, uint32_t *out);
/* The tokens from @from up to the cursor, as text with single blanks. */
const char *nft_words_from(const struct nft_reader *r, size_t from);
void nft_reader_note(struct nft_reader *r, uint32_t line, const char *text, const char *why);

void *nft_index_find(const struct nft_index *x, const void *owner, char kind, const char *name);
void nft_index_set(
	struct nft_reader *r, const void *owner, char kind, const char *name, void *value);

/* ---- the text (nft_text.c, nft_declare.c) ---- */

/* A whole script; `d`, `f` and `made` of @r are set. */
void nft_read_script(struct nft_reader *r, const char *text, size_t len);
/* Behind the last of it: sort sets, look limits up, tell whose tables they are (nft_settle.c). */
void nft_settle(struct nft_reader *r);
/* The next token of the text becomes `token`. */
void nft_advance(struct nft_reader *r);
bool nft_at(const struct nft_reader *r, const char *word);
/* `token` as a name, and the next one; NULL: it is none. */
const char *nft_name(struct nft_reader *r);
uint64_t nft_take_handle(struct nft_reader *r); /* of the comment lexed last, or 0 */
/* The statement that begins with `token` into `tokens`: up to the end of the line, a semicolon, or a
 * brace that closes what is around it. @element: up to a comma, whatever the line. */
void nft_collect(struct nft_reader *r, bool element);
void nft_skip_line(struct nft_reader *r, const char *why); /* why NULL: without a note */
/* Between braces, behind the first one: false at the end. */
bool nft_block_next(struct nft_reader *r);

/* The insides of declarations, behind the opening brace. */
void nft_read_chain_block(struct nft_reader *r, struct nft_chain *c);
void nft_read_set_block(struct nft_reader *r, struct nft_set *s);
void nft_read_elements_block(struct nft_reader *r, struct nft_set *s);
/* counter, quota, limit, ct helper, flowtable, ...: behind the words for its kind. */
void nft_read_object_block(struct nft_reader *r, struct nft_table *t, const char *kind);
/* What is collected, as a rule of @c; at its beginning or end. */
void nft_read_rule_line(struct nft_reader *r, struct nft_chain *c, bool first);

/* ---- constants (nft_value.c) ---- */

struct nft_want {
	enum nft_type type;
	uint16_t len;
	enum nft_selector selector; /* that it is compared with; SEL_NONE: not known */
};

struct nft_want nft_want_type(enum nft_type type);

enum nft_constant_kind { CONSTANT_ONE, CONSTANT_RANGE, CONSTANT_PREFIX, CONSTANT_WILDCARD };
struct nft_constant {
	enum nft_constant_kind kind;
	uint8_t first[16], last[16]; /* host order where the type is of it */
	uint8_t prefix;		     /* PREFIX: bits; WILDCARD: bytes */
};

bool nft_parse_number(const char *s, size_t len, uint64_t *out);
bool nft_parse_time_ms(const char *s, size_t len, uint32_t *out);
/* One value, or one in parentheses; and the operator behind it: & | or ^. */
bool nft_parse_primary(struct nft_reader *r, struct nft_want w, uint8_t out[16]);
bool nft_take_operator(struct nft_reader *r, char *op);
/* A value at the cursor, with | & ^ and parentheses. @list: commas mean | too. */
bool nft_parse_value(struct nft_reader *r, struct nft_want w, bool list, uint8_t out[16]);
/* A value, range, prefix or wildcard at the cursor. */
bool nft_parse_constant(struct nft_reader *r, struct nft_want w, struct nft_constant *out);
bool nft_type_is_bits(enum nft_type type);

/* ---- expressions (nft_expr.c) ---- */

#define NFT_MAX_WANTS NFT_MAX_FIELDS

void nft_need_ip(struct nft_reader *r, uint8_t family);
void nft_need_protocol(struct nft_reader *r, uint8_t proto);
/* What the packet has: selectors with masks, concatenations, numgen and hashes. NULL: not understood. */
struct nft_expr *nft_parse_packet_expr(struct nft_reader *r);
/* What is written somewhere: a constant, something of the packet, or a map's answer. */
struct nft_expr *nft_parse_written(
	struct nft_reader *r, const struct nft_want *want, unsigned int n_want);
/* The fields that an expression yields; their number, or 0. */
unsigned int nft_expr_wants(const struct nft_expr *e, struct nft_want *out);

/* ---- sets (nft_elements.c) ---- */

/* @name or { ... } at the cursor, as a set of what @key yields; data: NULL, or what a map gives. */
struct nft_set *nft_parse_set_use(struct nft_reader *r, const struct nft_expr *key,
	const struct nft_want *data, unsigned int n_data);
struct nft_set *nft_named_set(struct nft_reader *r, const char *name);
/* One element at the cursor into @s; false: not understood (and noted as incomplete). */
bool nft_parse_element(struct nft_reader *r, struct nft_set *s);
/* Types of a declaration at the cursor: "type ipv4_addr . inet_service : verdict". */
bool nft_parse_set_type(struct nft_reader *r, struct nft_set *s, bool by_expression);

/* ---- statements that are kept as text (nft_texts.c), behind their first word ---- */

bool nft_parse_limit(struct nft_reader *r);
bool nft_parse_quota(struct nft_reader *r);
bool nft_parse_ct_count(struct nft_reader *r);
bool nft_parse_log(struct nft_reader *r);
bool nft_parse_reject(struct nft_reader *r);
bool nft_parse_queue(struct nft_reader *r);
/* What a limit or quota says, without that word; NULL: not understood. */
const char *nft_rate_text(struct nft_reader *r);
const char *nft_quota_text(struct nft_reader *r);
/* One statement that is tried of each element of a set. */
const char *nft_inner_text(struct nft_reader *r);

/* ---- rules (nft_statement.c, nft_match.c, nft_nat.c) ---- */

/* All tokens as a rule. */
void nft_parse_rule(struct nft_reader *r, struct nft_rule *out);
bool nft_parse_verdict(struct nft_reader *r, enum nft_verdict *v, const char **chain);
struct nft_stmt *nft_reader_add(struct nft_reader *r, enum nft_stmt_kind kind);
bool nft_parse_match(struct nft_reader *r); /* a statement that begins with an expression */
/* dnat, snat, masquerade, redirect and tproxy, behind the word. */
bool nft_parse_nat(struct nft_reader *r, enum nft_stmt_kind kind, bool dnat);

#endif
