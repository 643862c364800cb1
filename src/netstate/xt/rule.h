/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rule of iptables as its words say it: what parse.c reads and statements.c makes statements of. */
#ifndef NETSTATE_XT_RULE_H
#define NETSTATE_XT_RULE_H

#include "netstate/xt/extension.h"

#define XT_MAX_LOADED  64 /* matches of one rule */
#define XT_MAX_ADDRS   64 /* listed with commas */
#define XT_MAX_STRANGE 16 /* pieces of one rule that are not understood */

/* A match or the target, as far as it was read. */
struct xt_loaded {
	const char *name;
	const struct xt_extension *ext; /* NULL: not known */
	struct nft_xt x;
	uint8_t *info;
	uint64_t given;
	size_t from, to; /* its words */
	bool failed;
};

struct xt_addrs {
	size_t n;
	bool inverted;
	uint8_t addr[XT_MAX_ADDRS][16], mask[XT_MAX_ADDRS][16];
};

struct xt_rule {
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
	struct xt_loaded *target;
	struct xt_loaded *loaded; /* XT_MAX_LOADED of them; the target among them */
	size_t n_loaded;
	struct {
		size_t from, to;
	} strange[XT_MAX_STRANGE];
	size_t n_strange;
	struct xt_addrs src, dst;
};

/* Enough for what any rule becomes: a match may make three. */
#define XT_MAX_STMTS (3 * XT_MAX_LOADED + XT_MAX_STRANGE + 16)

/* The statements of the rule for source and destination number @src and @dst of those listed, into
 * @out (XT_MAX_STMTS): their number. */
size_t xt_build_rule(const struct xt_rule *rd, size_t src, size_t dst, struct nft_stmt *out);

#endif
