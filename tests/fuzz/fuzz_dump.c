/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a dump: what it is taken for, every reader of ip(8)'s and the like, and anonymised. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netstate/dump/anonymise.h"
#include "netstate/dump/dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"ip-link.txt", "ip-addr.txt", "ip-rule.txt",
		"ip-route.txt", "ip-route-wan.txt", "ip-neigh.txt", "ip-nexthop.txt", "sysctl.txt",
		"conntrack.txt", "ipset.txt", "meta.json", "ip6-route.json", "anything"};
	static const uint8_t key[ANONYMISE_KEY_BYTES] = {7};
	struct arena *a = arena_new();
	struct strbuf out = STRBUF_INIT;
	struct netstate net = {0};
	struct dump_file files[2];
	struct anonymiser x;
	struct dump notes;
	char *text;
	size_t half;

	if (size < 2) {
		arena_free(a);
		return 0;
	}
	text = malloc(size - 2); /* of just that size, so that ASan sees */
	memcpy(text, data + 2, size - 2);
	/* The second byte's upper half splits it into two files, read together. */
	half = (size - 2) * (data[1] >> 4) / 16;
	files[0] = (struct dump_file){
		names[data[0] % (sizeof(names) / sizeof(*names))], text, size - 2 - half};
	files[1] = (struct dump_file){
		names[(data[0] / 16 + data[1]) % (sizeof(names) / sizeof(*names))],
		text + files[0].len, half};
	netstate_read(a, files, 2, &net, &notes);
	anonymise_init(&x, key);
	anonymise_text(&x, text, size - 2, &out);
	strbuf_fini(&out);
	free(text);
	arena_free(a);
	return 0;
}
