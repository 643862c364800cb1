/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words and signs of nft's language. */
#ifndef NETSTATE_DUMP_NFT_LEX_H
#define NETSTATE_DUMP_NFT_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nft_token_kind {
	TOKEN_END,
	TOKEN_NEWLINE,
	TOKEN_WORD,   /* "tcp", "10.0.0.0/8", "[fd00::1]:80", "@set", "." */
	TOKEN_STRING, /* without its quotes */
	TOKEN_SIGN,
	TOKEN_VARIABLE, /* without its $ */
	TOKEN_XT,	/* "# xt_conntrack": the name */
};

/* Signs of two characters. */
enum {
	SIGN_EQ = 'e',
	SIGN_NE = 'n',
	SIGN_LE = 'l',
	SIGN_GE = 'g',
	SIGN_LEFT = 'L',
	SIGN_RIGHT = 'R'
};

struct nft_token {
	const char *s;
	uint32_t len;
	uint32_t line;
	uint8_t kind; /* enum nft_token_kind */
	char sign;
};

struct nft_lexer {
	const char *at, *end;
	uint32_t line;
	uint64_t handle; /* of the last "# handle N" since somebody set it to 0 */
	bool managed;	 /* a comment said that iptables-nft manages the next table */
};

void nft_lex(struct nft_lexer *l, struct nft_token *out);

bool nft_token_is(const struct nft_token *t, const char *word);
static inline bool nft_token_is_sign(const struct nft_token *t, char sign)
{
	return t->kind == TOKEN_SIGN && t->sign == sign;
}
/* A word, or a quoted one. */
static inline bool nft_token_is_text(const struct nft_token *t)
{
	return t->kind == TOKEN_WORD || t->kind == TOKEN_STRING;
}

#endif
