/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a request: its reader never reads past them, and what it takes is what it says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "daemon/http_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size ? size : 1); /* of just that size, so that ASan sees */
	struct arena *a = arena_new();
	struct ip_prefix client;
	struct http_request r;
	uint64_t n = 0;
	size_t len;

	if (size)
		memcpy(bytes, data, size);
	len = http_head_length(bytes, size);
	must(len <= size);
	if (len && http_request_parse(a, bytes, len, &r) == 0) {
		must(r.path[0] == '/');
		must(r.n_params <= HTTP_MAX_PARAMS);
		must(r.method == HTTP_POST || r.body_len == 0);
		for (size_t i = 0; i < r.n_params; i++)
			must(http_param(&r, r.params[i].name) != NULL);
		if (http_number(&r, "limit", 0, 1000, &n))
			must(n <= 1000);
		if (http_param(&r, "client"))
			(void)ip_prefix_parse(http_param(&r, "client"), &client);
		(void)http_host_is_ours(r.host, "gateway");
		(void)http_takes_gzip(r.accept_encoding);
		must(!http_has_tag(r.if_none_match, "\"a\"") || strpbrk(r.if_none_match, "\"*"));
	}
	arena_free(a);
	free(bytes);
	return 0;
}
