/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Splits nft's language into words and signs.
 *
 * A word is all that stands between blanks and signs: what nft's own scanner takes apart ("10.0.0.0/8",
 * "80-90", "1.1.1.1:80") is left whole here, since what it means depends on the type that is wanted.
 * Comments are skipped but for those in which nft says something: handles, who manages a table, and
 * iptables' matches that it cannot print.
 */
#include "netstate/dump/nft_lex.h"

#include <string.h>

static bool starts(const struct nft_lexer *l, const char *prefix)
{
	size_t len = strlen(prefix);

	return (size_t)(l->end - l->at) >= len && memcmp(l->at, prefix, len) == 0;
}

static bool is_sign(char c)
{
	return c && strchr("{};,()=!<>&|^", c);
}

static bool ends_word(char c)
{
	return (c && strchr(" \t\r\n\"#$\f\v'", c)) || is_sign(c);
}

static bool in_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool give(struct nft_lexer *l, struct nft_token *out, enum nft_token_kind kind, size_t len)
{
	*out = (struct nft_token){l->at, (uint32_t)len, l->line, kind, 0};
	l->at += len;
	return true;
}

/* Up to the end of the line; true if it said something that is a token. */
static bool comment(struct nft_lexer *l, struct nft_token *out)
{
	static const char managed[] = "managed by iptables-nft";
	const char *newline;

	l->at++;
	while (l->at < l->end && *l->at == ' ')
		l->at++;
	if (starts(l, "xt_")) {
		size_t len = 0;

		l->at += 3;
		while (l->at + len < l->end && !ends_word(l->at[len]))
			len++;
		return give(l, out, TOKEN_XT, len);
	}
	newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
	if (!newline)
		newline = l->end;
	if (starts(l, "handle ")) {
		l->handle = 0;
		for (const char *s = l->at + 7; s < newline && *s >= '0' && *s <= '9'; s++)
			l->handle = l->handle * 10 + (uint64_t)(*s - '0');
	} else if (l->at < newline &&
		   memmem(l->at, (size_t)(newline - l->at), managed, sizeof(managed) - 1)) {
		l->managed = true;
	}
	l->at = newline;
	return false;
}

static void string(struct nft_lexer *l, struct nft_token *out)
{
	size_t len = 0;

	l->at++;
	while (l->at + len < l->end && l->at[len] != '"' && l->at[len] != '\n')
		len++;
	give(l, out, TOKEN_STRING, len);
	if (l->at < l->end && *l->at == '"')
		l->at++;
}

static void sign(struct nft_lexer *l, struct nft_token *out)
{
	static const struct {
		const char *text;
		char sign;
	} longer[] = {{"==", SIGN_EQ}, {"!=", SIGN_NE}, {"<=", SIGN_LE}, {">=", SIGN_GE},
		{"<<", SIGN_LEFT}, {">>", SIGN_RIGHT}};

	for (size_t i = 0; i < sizeof(longer) / sizeof(*longer); i++) {
		if (starts(l, longer[i].text)) {
			give(l, out, TOKEN_SIGN, 2);
			out->sign = longer[i].sign;
			return;
		}
	}
	give(l, out, TOKEN_SIGN, 1);
	out->sign = *out->s;
}

static void word(struct nft_lexer *l, struct nft_token *out)
{
	size_t len = 1;

	while (l->at + len < l->end && !ends_word(l->at[len])) {
		/* A line may go on after a backslash, but the word does not. */
		if (l->at[len] == '\\' && l->at + len + 1 < l->end && l->at[len + 1] == '\n')
			break;
		len++;
	}
	give(l, out, TOKEN_WORD, len);
}

static void variable(struct nft_lexer *l, struct nft_token *out)
{
	size_t len = 0;

	l->at++;
	while (l->at + len < l->end && in_name(l->at[len]))
		len++;
	give(l, out, TOKEN_VARIABLE, len);
}

void nft_lex(struct nft_lexer *l, struct nft_token *out)
{
	while (l->at < l->end) {
		switch (*l->at) {
		case ' ':
		case '\t':
		case '\r':
		case '\f':
		case '\v':
		case '\'': /* of a shell that nft was called from */
			l->at++;
			continue;
		case '\\':
			if (starts(l, "\\;") || starts(l, "\\{") || starts(l, "\\}")) {
				l->at++;
				continue;
			}
			if (!starts(l, "\\\n") && !starts(l, "\\\r\n"))
				break;
			l->at += l->at[1] == '\n' ? 2 : 3;
			l->line++;
			continue;
		case '\n':
			give(l, out, TOKEN_NEWLINE, 1);
			l->line++;
			return;
		case '#':
			if (comment(l, out))
				return;
			continue;
		case '"':
			string(l, out);
			return;
		case '$':
			variable(l, out);
			return;
		}
		if (is_sign(*l->at))
			sign(l, out);
		else
			word(l, out);
		return;
	}
	*out = (struct nft_token){l->at, 0, l->line, TOKEN_END, 0};
}

bool nft_token_is(const struct nft_token *t, const char *word)
{
	return t->kind == TOKEN_WORD && strlen(word) == t->len && memcmp(t->s, word, t->len) == 0;
}
