/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CLI: what a subcommand declares, what it is given, and the few things that all of them do.
 *
 * A command is one file that defines one `const struct cli_command`; main.c has the table of them,
 * reads the command line by what they declare and calls run(). A command looks like this:
 *
 *	static int run(struct cli_context *c)
 *	{
 *		struct model *m = cli_load(c);
 *
 *		if (!m)
 *			return cli_finish(c, NULL, CLI_USAGE);
 *		...
 *		return cli_finish(c, answer, CLI_OK);
 *	}
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/diag.h"
#include "config/model.h"
#include "kernel/nl.h"

#define CLI_DEFAULT_FILE "/etc/portreeve/gateway.yaml"
#define CLI_MAX_OPTIONS	 12
#define CLI_MAX_ARGS	 12

enum cli_exit {
	CLI_OK = 0,
	CLI_NO = 1,	/* the answer is no: broken, differs, findings */
	CLI_USAGE = 2,	/* wrong use or bad input */
	CLI_SYSTEM = 3, /* the system refused */
};

struct cli_option {
	const char *name;     /* "confirm", without dashes */
	const char *argument; /* "SECONDS"; NULL: a switch */
	const char *help;     /* one line */
};

struct cli_context;

struct cli_command {
	const char *name;
	const char *arguments; /* for the usage line: "[FILE]", or "" */
	const char *summary;   /* one line, no full stop */
	const char *details;   /* what --help says below the usage; whole lines */
	struct cli_option options[CLI_MAX_OPTIONS]; /* up to the first without a name */
	unsigned int max_args;
	unsigned int file_arg;		   /* which of them is FILE, from 0 */
	int (*run)(struct cli_context *c); /* gives an enum cli_exit */
};

struct cli_context {
	const struct cli_command *command;
	const char *values[CLI_MAX_OPTIONS]; /* beside command->options; NULL: not given */
	const char *args[CLI_MAX_ARGS];
	unsigned int n_args;
	bool json;
	bool colour_out, colour_err; /* on stdout, on stderr */
	struct arena *arena;	     /* lives until the command has returned */
	struct diag diag;
};

/* Was the switch given; what was the option's argument (NULL: not given). The name must be one that
 * the command declares. */
bool cli_given(const struct cli_context *c, const char *option);
const char *cli_value(const struct cli_context *c, const char *option);
/* The argument as a number into *@out, which is left alone where the option was not given. False:
 * not a number from @min to @max, and the diag says so. */
bool cli_number(
	struct cli_context *c, const char *option, uint32_t min, uint32_t max, uint32_t *out);

/* The FILE argument, or the default; "standard input" for "-". */
const char *cli_file(const struct cli_context *c);
bool cli_file_given(const struct cli_context *c);
/* Read and check it. NULL: the diag says why. Text and model live in c->arena. */
struct model *cli_load(struct cli_context *c);
/* Read a file (or standard input for "-") up to LIMIT_CONFIG_BYTES into c->arena. NULL likewise. */
char *cli_read(struct cli_context *c, const char *path, size_t *len);
/* All of an open file into the arena. 0, -EFBIG for more than @limit bytes, or -errno. */
int cli_read_fd(struct arena *a, int fd, size_t limit, char **text, size_t *len);

/* Sockets to the kernel. With @privileged, the right to change the network is asked for at once.
 * NULL: the diag says why, and how to go on. The caller closes it. */
struct kernel *cli_kernel(struct cli_context *c, bool privileged);
/* A kernel's refusal as an error in the diag: "cannot @what: ...". */
void cli_kernel_error(struct cli_context *c, const char *what, const struct kernel_error *e);

/*
 * The end of every command: reports the diag and gives @code back. As text it goes to stderr; with
 * --json it becomes the member "diagnostics" of @answer (taken over; NULL: an empty object), which
 * is printed on stdout. Without --json @answer must be NULL. To be called once.
 */
int cli_finish(struct cli_context *c, json_t *answer, enum cli_exit code);

#endif
