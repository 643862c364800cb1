/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a request to the spawner: never read past their end, and what is taken for a request is one
 * that says the same again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/spawner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char again[SPAWNER_BYTES];
	char *bytes = malloc(size ? size : 1); /* its end is where the sanitizer sees it */
	struct spawner_request r;

	if (!bytes)
		return 0;
	if (size)
		memcpy(bytes, data, size);
	if (spawner_decode(bytes, size, &r) &&
		(r.argv[0][0] != '/' || !r.limit_ms || spawner_encode(&r, again) != size ||
			memcmp(again, bytes, size) != 0))
		abort();
	free(bytes);
	return 0;
}
