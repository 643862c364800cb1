/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as JSON of nft: never read past, never crash, never hang. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netstate/dump/dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size ? size : 1); /* of just that size, so that ASan sees */
	struct dump_file file = {"nft.json", text, size};
	struct netstate net = {0};
	struct dump d = {.arena = arena_new(), .out = &net};
	struct strbuf out = STRBUF_INIT;

	if (size)
		memcpy(text, data, size);
	dump_read_nft_json(&d, &file);
	VEC_EACH (&net.ruleset.tables, struct nft_table *, t)
		nft_print_table(&out, *t);
	strbuf_fini(&out);
	arena_free(d.arena);
	free(text);
	return 0;
}
