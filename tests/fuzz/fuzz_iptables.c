/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any text as one of iptables: read, and every rule printed; then its blobs cut short. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netstate/dump/dump.h"
#include "netstate/xt/xt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_rule(
	const struct nft_table *t, const struct nft_chain *c, const struct nft_rule *r)
{
	struct strbuf out = STRBUF_INIT;

	xt_print_rule(&out, t, c, r);
	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		struct nft_xt x = s->xt;
		uint8_t *info;

		if (s->kind != STMT_XT || !x.info_len)
			continue;
		/* Of another family and revision, and of just that size, so that ASan sees. */
		info = malloc(x.info_len);
		memcpy(info, x.info, x.info_len);
		x.info = info;
		xt_print(&out, IP_V4, &x);
		xt_print(&out, IP_V6, &x);
		for (x.rev = 0; x.rev < 5; x.rev++)
			xt_print(&out, IP_V4, &x);
		free(info);
	}
	strbuf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct netstate net = {0};
	struct dump d = {.arena = a, .out = &net};
	struct dump_file f = {.name = "fuzz", .len = size};
	char *text = malloc(size ? size : 1);

	memcpy(text, data, size);
	f.text = text;
	dump_read_iptables(&d, &f, IP_NONE, ORIGIN_NFT);
	VEC_EACH (&net.ruleset.tables, struct nft_table *, t) {
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			VEC_EACH (&(*c)->rules, struct nft_rule, r)
				print_rule(*t, *c, r);
		}
	}
	free(text);
	arena_free(a);
	return 0;
}
