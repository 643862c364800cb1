/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the config file: YAML text in, checked model out. Pure: the caller reads the file. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "config/model.h"

/*
 * Parse and check @text. Everything in the model lives in @arena and may point into @text, which
 * must outlive it. All semantic mistakes are appended to @d in one run (whose source was set with
 * diag_source()); a YAML syntax error is reported alone. Returns NULL if any error was reported.
 */
struct model *config_load(struct arena *arena, const char *text, size_t len, struct diag *d);

/* One key that the parser knows, for the schema, the man page and "did you mean". */
struct config_key {
	const char *path; /* "uplinks.*.interface" */
	const char *type; /* "string", "integer", "boolean", "list", "mapping", "address", ... */
	bool required;
	const char *help; /* one line */
};
const struct config_key *config_keys(size_t *n);

#endif
