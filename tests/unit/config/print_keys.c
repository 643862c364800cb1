/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Print the parser's table of keys and the limits, one per line, for test_schema.py. */
#include <stdio.h>

#include "config/config.h"

int main(void)
{
	static const struct {
		const char *name;
		unsigned long value;
	} limits[] = {
		{"maps", LIMIT_MAPS},
		{"elements", LIMIT_ELEMENTS},
		{"name", LIMIT_NAME},
		{"snat", LIMIT_SNAT},
		{"address", LIMIT_ADDRESSES},
		{"from", LIMIT_FROM},
		{"backends", LIMIT_BACKENDS},
		{"weight", LIMIT_WEIGHT},
		{"checks", LIMIT_CHECKS},
		{"targets", LIMIT_TARGETS},
		{"hook", LIMIT_HOOK},
		{"fastpath", LIMIT_FASTPATHS},
		{"fastpath-flows", LIMIT_FASTPATH_FLOWS},
		{"fastpath-flows-default", DEFAULT_FASTPATH_FLOWS},
	};
	size_t n;
	const struct config_key *keys = config_keys(&n);

	for (size_t i = 0; i < n; i++)
		printf("key\t%s\t%s\t%s\n", keys[i].path, keys[i].type,
			keys[i].required ? "required" : "");
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		printf("limit\t%s\t%lu\n", limits[i].name, limits[i].value);
	return 0;
}
