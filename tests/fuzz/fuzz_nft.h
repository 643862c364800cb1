/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzzers of nft's two readers do: read any bytes, then print what came of them. */
#ifndef FUZZ_NFT_H
#define FUZZ_NFT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netstate/dump/dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fuzz_nft(const uint8_t *data, size_t size, const char *name,
	void (*read)(struct dump *d, const struct dump_file *f))
{
	char *text = malloc(size ? size : 1); /* of just that size, so that ASan sees */
	struct dump_file file = {name, text, size};
	struct netstate net = {0};
	struct dump d = {.arena = arena_new(), .out = &net};
	struct strbuf out = STRBUF_INIT;

	if (size)
		memcpy(text, data, size);
	read(&d, &file);
	VEC_EACH (&net.ruleset.tables, struct nft_table *, t)
		nft_print_table(&out, *t);
	strbuf_fini(&out);
	arena_free(d.arena);
	free(text);
	return 0;
}

#endif
