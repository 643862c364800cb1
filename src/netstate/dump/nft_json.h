/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON of nft being written as nft's language: what nft_json.c and nft_json_put.c share. */
#ifndef NETSTATE_DUMP_NFT_JSON_H
#define NETSTATE_DUMP_NFT_JSON_H

#include "netstate/dump/reader.h"

struct nft_script {
	struct dump *d;
	const struct dump_file *f;
	struct strbuf text;
	size_t notes;	   /* that there were when the last object was read */
	const char *chain; /* "inet t c" of the last chain or rule; NULL: none yet */
	unsigned int depth;
	bool broken; /* something was no JSON */
};

#define NFT_JSON_MAX_NESTING 16

/* How one kind of object or expression is written. */
struct nft_json_form {
	const char *key;
	void (*put)(struct nft_script *x, const json_t *v);
};

const char *nft_json_string(const json_t *o, const char *key);
/* The one member of an object that names what it is; *@key NULL: it has none. */
const json_t *nft_json_only_member(const json_t *o, const char **key);

/* A name or value: in quotes only where it needs them. */
void nft_json_put_string(struct nft_script *x, const char *s);
void nft_json_quote(struct nft_script *x, const char *s);
void nft_json_put_member(struct nft_script *x, const json_t *o, const char *key);
/* " word member", where there is one. */
void nft_json_put_option(struct nft_script *x, const json_t *o, const char *key, const char *word);
/* The items of a list, or what is none. */
void nft_json_put_joined(struct nft_script *x, const json_t *list, const char *sep);
void nft_json_put_elements(struct nft_script *x, const json_t *list);
void nft_json_put_stmts(struct nft_script *x, const json_t *list);
void nft_json_put_rate(struct nft_script *x, const json_t *v);

#endif
