/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of subcommands, and the command line that picks one of them. */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/version.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/version.h"

static const struct cli_command *const commands[] = {
	&command_init,
	&command_check,
	&command_show,
	&command_diff,
	&command_apply,
	&command_confirm,
	&command_rollback,
	&command_remove,
	&command_run,
	&command_rehearse,
	&command_status,
	&command_top,
	&command_flows,
	&command_events,
	&command_reload,
	&command_snapshot,
	&command_explain,
	&command_trace,
	&command_import,
	&command_doctor,
	&command_probe,
	&command_fastpath,
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* What every command takes besides its own options. */
enum common { COMMON_JSON, COMMON_COLOR, COMMON_HELP, COMMON_VERSION, COMMON_COUNT_ };

static const struct cli_option common_options[] = {
	[COMMON_JSON] = {"json", NULL, "print the answer as JSON, for programs"},
	[COMMON_COLOR] = {"color", "WHEN",
		"colour the text: auto, always or never; auto obeys NO_COLOR"},
	[COMMON_HELP] = {"help", NULL, "print this help (also -h)"},
	[COMMON_VERSION] = {"version", NULL,
		"print the version, how it was built and what this kernel offers (also -V)"},
};
static_assert(sizeof(common_options) / sizeof(common_options[0]) == COMMON_COUNT_,
	"one row per common option");

/* What the command line says, besides the command's own options and arguments. */
struct common_choice {
	bool json, help, version;
	const char *color; /* NULL: not said */
};

static void print_options(FILE *out, const struct cli_option *options, size_t max)
{
	for (size_t i = 0; i < max && options[i].name; i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s%s%s", options[i].name,
			options[i].argument ? " " : "",
			options[i].argument ? options[i].argument : "");
		fprintf(out, "  %-19s %s\n", left, options[i].help);
	}
}

static void print_help(FILE *out)
{
	fprintf(out, "portreeve " PORTREEVE_VERSION
		     ": port mapping for Linux gateways with several uplinks\n\n"
		     "Usage: portreeve COMMAND [OPTION]... [FILE]\n\nCommands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "\nOptions of every command:\n");
	print_options(out, common_options, COMMON_COUNT_);
	fprintf(out, "\nFILE is " CLI_DEFAULT_FILE " unless named; '-' is standard input.\n"
		     "Exit status: 0 fine, 1 the answer is no, 2 wrong use or bad input, "
		     "3 the system refused.\n"
		     "'portreeve COMMAND --help' says more; so do portreeve(8) and "
		     "portreeve.yaml(5).\n");
}

static void print_command_help(const struct cli_command *cmd)
{
	printf("portreeve %s: %s\n\nUsage: portreeve %s [OPTION]...%s%s\n\n%s\nOptions:\n",
		cmd->name, cmd->summary, cmd->name, cmd->arguments[0] ? " " : "", cmd->arguments,
		cmd->details);
	print_options(stdout, cmd->options, CLI_MAX_OPTIONS);
	print_options(stdout, common_options, COMMON_VERSION);
	if (strcmp(cmd->arguments, "[FILE]") == 0)
		printf("\nFILE is " CLI_DEFAULT_FILE " unless named; '-' is standard input.\n");
}

static int usage_error(const struct cli_command *cmd)
{
	fprintf(stderr, "Try 'portreeve%s%s --help'.\n", cmd ? " " : "", cmd ? cmd->name : "");
	return CLI_USAGE;
}

static const struct cli_command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[N_COMMANDS], *near;

	for (size_t i = 0; i < N_COMMANDS; i++)
		names[i] = commands[i]->name;
	near = diag_nearest(name, names, N_COMMANDS);
	fprintf(stderr, "portreeve: there is no command '%s'%s%s%s\n", name,
		near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return usage_error(NULL);
}

/* @cmd's own options and the common ones, as getopt_long() takes them; val is 1 + index, the
 * common ones first. */
static size_t long_options(const struct cli_command *cmd, struct option *out)
{
	size_t n = 0;

	for (; n < COMMON_COUNT_; n++)
		out[n] = (struct option){common_options[n].name,
			common_options[n].argument ? required_argument : no_argument, NULL,
			(int)n + 1};
	for (size_t i = 0; cmd && i < CLI_MAX_OPTIONS && cmd->options[i].name; i++, n++)
		out[n] = (struct option){cmd->options[i].name,
			cmd->options[i].argument ? required_argument : no_argument, NULL,
			(int)n + 1};
	out[n] = (struct option){0};
	return n;
}

/* What getopt_long() stumbled over, said better than it would. */
static int bad_option(const struct cli_command *cmd, const struct option *options, size_t n,
	const char *word, int what)
{
	const char *names[COMMON_COUNT_ + CLI_MAX_OPTIONS], *near = NULL;
	char name[64];

	fprintf(stderr, "portreeve%s%s: ", cmd ? " " : "", cmd ? cmd->name : "");
	if (what == ':' || optopt > 0) {
		const struct option *o =
			optopt > 0 && (size_t)optopt <= n ? &options[optopt - 1] : NULL;

		if (o && o->has_arg == required_argument)
			fprintf(stderr, "option '--%s' needs an argument\n", o->name);
		else if (o)
			fprintf(stderr, "option '--%s' takes no argument\n", o->name);
		else
			fprintf(stderr, "unknown option '-%c'\n", optopt);
		return usage_error(cmd);
	}
	for (size_t i = 0; i < n; i++)
		names[i] = options[i].name;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	near = diag_nearest(name, names, n);
	fprintf(stderr, "unknown option '--%s'%s%s%s\n", name, near ? "; did you mean '--" : "",
		near ? near : "", near ? "'?" : "");
	return usage_error(cmd);
}

static void take_common(struct common_choice *choice, enum common which)
{
	switch (which) {
	case COMMON_JSON:
		choice->json = true;
		break;
	case COMMON_COLOR:
		choice->color = optarg;
		break;
	case COMMON_HELP:
		choice->help = true;
		break;
	case COMMON_VERSION:
		choice->version = true;
		break;
	case COMMON_COUNT_:
		break;
	}
}

/*
 * Read options up to the first other word (@cmd NULL: those before the command) or all of them.
 * Afterwards optind is at the first word that is none. 0, or an exit code.
 */
static int read_options(const struct cli_command *cmd, int argc, char **argv,
	struct common_choice *choice, const char **values)
{
	struct option options[COMMON_COUNT_ + CLI_MAX_OPTIONS + 1];
	size_t n = long_options(cmd, options);
	int got;

	opterr = 0;
	optind = 0; /* GNU: start anew */
	while ((got = getopt_long(argc, argv, cmd ? ":h" : "+:hV", options, NULL)) != -1) {
		if (got == 'h')
			choice->help = true;
		else if (got == 'V')
			choice->version = true;
		else if (got == '?' || got == ':')
			return bad_option(cmd, options, n, argv[optind - 1], got);
		else if (got <= COMMON_COUNT_)
			take_common(choice, (enum common)(got - 1));
		else
			values[got - 1 - COMMON_COUNT_] = optarg ? optarg : "";
	}
	return 0;
}

static bool colour_wanted(const char *when, int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (when && strcmp(when, "auto") != 0)
		return strcmp(when, "always") == 0;
	return isatty(fd) && !(no_color && no_color[0]) && !(term && strcmp(term, "dumb") == 0);
}

static int run_command(const struct cli_command *cmd, struct cli_context *c)
{
	int code;

	c->arena = arena_new();
	diag_init(&c->diag);
	code = cmd->run(c);
	diag_fini(&c->diag);
	arena_free(c->arena);
	return code;
}

static int dispatch(
	const struct cli_command *cmd, int argc, char **argv, struct common_choice *choice)
{
	struct cli_context c = {.command = cmd};
	int err = read_options(cmd, argc, argv, choice, c.values);

	if (err)
		return err;
	if (choice->help) {
		print_command_help(cmd);
		return CLI_OK;
	}
	if (choice->version) {
		version_print(choice->json);
		return CLI_OK;
	}
	if (choice->color && strcmp(choice->color, "auto") != 0 &&
		strcmp(choice->color, "always") != 0 && strcmp(choice->color, "never") != 0) {
		fprintf(stderr, "portreeve %s: --color is auto, always or never, not '%s'\n",
			cmd->name, choice->color);
		return usage_error(cmd);
	}
	if ((unsigned int)(argc - optind) > cmd->max_args) {
		fprintf(stderr, "portreeve %s: unexpected argument '%s'\n", cmd->name,
			argv[optind + (int)cmd->max_args]);
		return usage_error(cmd);
	}
	while (optind < argc)
		c.args[c.n_args++] = argv[optind++];
	c.json = choice->json;
	c.colour_out = colour_wanted(choice->color, STDOUT_FILENO);
	c.colour_err = colour_wanted(choice->color, STDERR_FILENO);
	return run_command(cmd, &c);
}

static int command_line(int argc, char **argv)
{
	struct common_choice choice = {0};
	const struct cli_command *cmd;
	const char *none[CLI_MAX_OPTIONS];
	int err = read_options(NULL, argc, argv, &choice, none), first = optind;

	if (err)
		return err;
	if (choice.version) {
		version_print(choice.json);
		return CLI_OK;
	}
	if (choice.help) {
		print_help(stdout);
		return CLI_OK;
	}
	if (first == argc) {
		print_help(stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[first], "help") == 0) {
		cmd = first + 1 < argc ? find_command(argv[first + 1]) : NULL;
		if (first + 1 < argc && !cmd)
			return unknown_command(argv[first + 1]);
		if (cmd)
			print_command_help(cmd);
		else
			print_help(stdout);
		return CLI_OK;
	}
	cmd = find_command(argv[first]);
	if (!cmd)
		return unknown_command(argv[first]);
	return dispatch(cmd, argc - first, argv + first, &choice);
}

int main(int argc, char **argv)
{
	int code = command_line(argc, argv);

	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "portreeve: cannot write the output: %s\n", strerror(errno));
		return CLI_SYSTEM;
	}
	return code;
}
