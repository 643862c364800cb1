/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State directory: the dumps that --state names, read; and what was not understood in them, told. */
#ifndef CLI_STATE_DIR_H
#define CLI_STATE_DIR_H

#include "cli/cli.h"
#include "netstate/dump/dump.h"

#define LIMIT_STATE_FILES 256u
#define LIMIT_STATE_BYTES (64u << 20) /* of one file */

/* The texts that were read. */
struct state_files {
	const struct dump_file *items;
	size_t len;
};

/*
 * Read a directory of dumps, or a single one, into @out (zeroed by the caller); its texts are told in
 * @files. Everything lives in c->arena. False: nothing could be read, and the diag says why. What could
 * not be understood is in @notes, which is no error.
 */
bool cli_state_read(struct cli_context *c, const char *path, struct netstate *out,
	struct state_files *files, struct dump *notes);

/*
 * The notes for people, at most @max lines, those of a file that have the same reason as one:
 *
 *	iptables-save.txt:17: extension not known: -m foo --bar (and 3 more like it)
 *	... and 12 more
 */
void cli_state_print_notes(struct strbuf *out, const struct dump *notes, size_t max);
/* All of them: [{file, line, text, why}], line 0 for a file as a whole. */
json_t *cli_state_notes_json(const struct dump *notes);

#endif
