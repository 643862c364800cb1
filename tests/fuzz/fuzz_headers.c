/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a packet from the wire: its headers are never read past their end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size ? size : 1); /* of just that size, so that ASan sees */
	struct packet p = {0};
	size_t own;

	if (size)
		memcpy(bytes, data, size);
	own = headers_network(&p, bytes, size);
	if (own > size)
		abort();
	if (own)
		headers_transport(&p, bytes + own, size - own);
	free(bytes);
	return 0;
}
