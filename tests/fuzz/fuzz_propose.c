/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any dumps as a machine: what is proposed for it is a config, at the latest with its maps as comments. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "netstate/dump/dump.h"
#include "walk/propose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_config(struct arena *a, const char *text, const char **why)
{
	struct diag d;
	bool good;

	diag_init(&d);
	good = config_load(a, text, strlen(text), &d);
	if (!good)
		*why = arena_strdup(a, d.entries.items[0].text);
	diag_fini(&d);
	return good;
}

static void check(struct arena *a, const struct netstate *net)
{
	struct proposal p = {0};
	const char *why = NULL;

	propose_look(a, net, &p);
	if (!propose_maps(a, &p))
		return;
	propose_text(a, &p, "a fuzzer", NULL);
	if (is_config(a, p.text, &why))
		return;
	propose_text(a, &p, "a fuzzer", why);
	if (!is_config(a, p.text, &why)) {
		fprintf(stderr, "%s\n%s\n", p.text, why);
		abort();
	}
}

/* Files are parted by bytes that are in no dump. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"ip-addr.txt", "ip-route.txt", "ip-rule.txt",
		"ip-neigh.txt", "iptables-save.txt", "nft.txt"};
	struct dump_file files[sizeof(names) / sizeof(*names)];
	struct arena *a = arena_new();
	struct netstate net = {0};
	struct dump notes = {.arena = a};
	const char *text = (const char *)data, *end = text + size;
	size_t n = 0;

	while (size && n < sizeof(names) / sizeof(*names)) {
		const char *cut = memchr(text, 0xff, (size_t)(end - text));
		size_t len = (size_t)((cut ? cut : end) - text);

		files[n] = (struct dump_file){names[n], arena_strndup(a, text, len), len};
		n++;
		if (!cut)
			break;
		text = cut + 1;
	}
	if (n)
		netstate_read(a, files, n, &net, &notes);
	if (net.links.len < 32 && net.routes.len < 64)
		check(a, &net);
	arena_free(a);
	return 0;
}
