/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as JSON of nft: never read past, never crash, never hang. */
#include "fuzz_nft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_nft(data, size, "nft.json", dump_read_nft_json);
}
