/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve rehearse: the plan in network namespaces, with real traffic. */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "kernel/observe.h"
#include "rehearse/rehearse.h"

#define DEFAULT_WIDTH 100u

/* On a terminal one line that changes, else a line when it begins. */
static void progress(void *data, const char *words, unsigned int done, unsigned int of)
{
	bool *begun = data;

	if (isatty(STDERR_FILENO)) {
		if (done == of)
			fprintf(stderr, "\r\033[K");
		else if (of > 1)
			fprintf(stderr, "\r\033[Krehearsing: %u of %u done; %s", done, of, words);
		else
			fprintf(stderr, "\r\033[Krehearsing: %s", words);
	} else if (!*begun) {
		fprintf(stderr, "rehearsing in network namespaces: %u way%s, a few seconds\n", of,
			of == 1 ? "" : "s");
	}
	*begun = true;
	fflush(stderr);
}

static unsigned int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return DEFAULT_WIDTH;
}

/* This machine, as far as anyone may see it; NULL with a warning where that fails. */
static const struct netstate *look(struct cli_context *c)
{
	struct netstate *live = arena_new_of(c->arena, struct netstate);
	struct kernel_error e = {0};
	struct kernel *k = NULL;
	int err = kernel_open(&k, &e);

	if (err == 0)
		err = kernel_observe(k, c->arena, OBSERVE_NETWORK | OBSERVE_SYSCTLS, live, &e);
	kernel_close(k);
	if (err == 0)
		return live;
	cli_kernel_error(c, "look at this machine's network", &e);
	return NULL;
}

static int open_pcap_dir(struct cli_context *c, const char *path)
{
	int fd;

	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		diag_error(&c->diag, NOWHERE, "cannot make %s: %s", path, strerror(errno));
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		diag_error(&c->diag, NOWHERE, "cannot open %s: %s", path, strerror(errno));
	return fd;
}

/* Until Enter, or a signal that ends this. */
static void wait_for_user(const char *kept)
{
	bool terminal = isatty(STDIN_FILENO);
	struct pollfd fds[2] = {{.events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fds[0].fd = signalfd(-1, &set, SFD_CLOEXEC);
	fprintf(stderr, "\nThe namespaces are kept. To enter them, from another terminal:\n%s%s\n",
		kept, terminal ? "Enter ends it." : "SIGTERM or SIGINT ends it.");
	while (poll(fds, terminal ? 2 : 1, -1) < 0 && errno == EINTR)
		continue;
	close(fds[0].fd);
}

static void print_report(const struct cli_context *c, const struct rehearse_result *r)
{
	struct report_style style = {.colour = c->colour_out, .width = terminal_width()};
	struct strbuf text = STRBUF_INIT;

	setlocale(LC_CTYPE, "");
	style.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	rehearse_report(&text, r, &style);
	fputs(strbuf_str(&text), stdout);
	strbuf_fini(&text);
}

static enum cli_exit exit_of(const struct rehearse_result *r)
{
	const struct rehearse_column *ours = rehearse_portreeve(r);

	if (ours->status)
		return ours->bad_input ? CLI_USAGE : CLI_SYSTEM;
	return rehearse_works(r) ? CLI_OK : CLI_NO;
}

static int run(struct cli_context *c)
{
	struct rehearse_result result = {0};
	bool begun = false, live = cli_given(c, "live");
	struct rehearse_options o = {.naive = cli_given(c, "naive"),
		.as_is = live,
		.keep = cli_given(c, "keep"),
		.pcap_dir = -1,
		.progress = c->json ? NULL : progress,
		.data = &begun};
	const struct model *m = cli_load(c);
	int code;

	if (!m)
		return cli_finish(c, NULL, CLI_USAGE);
	o.source = cli_file(c);
	o.live = look(c);
	if (cli_given(c, "pcap"))
		o.pcap_dir = open_pcap_dir(c, cli_value(c, "pcap"));
	if (!o.live || (cli_given(c, "pcap") && o.pcap_dir < 0))
		return cli_finish(c, NULL, CLI_SYSTEM);
	if (rehearse_run(c->arena, m, &o, &result, &c->diag) != 0)
		return cli_finish(c, NULL, CLI_SYSTEM);
	if (!c->json)
		print_report(c, &result);
	code = cli_finish(c, c->json ? rehearse_report_json(&result) : NULL, exit_of(&result));
	fflush(stdout);
	if (result.kept)
		wait_for_user(result.kept);
	if (o.pcap_dir >= 0)
		close(o.pcap_dir);
	return code;
}

const struct cli_command command_rehearse = {
	.name = "rehearse",
	.arguments = "[FILE]",
	.summary = "dress rehearsal: the plan, in network namespaces, with real traffic",
	.details = "Builds a small Internet around a gateway in network namespaces: a client, an "
		   "ISP per\n"
		   "uplink that drops foreign sources, backends with a default route of their own. "
		   "Applies\n"
		   "the plan there, connects to every map on every uplink (a sample, if there are "
		   "many),\n"
		   "and says what the backend saw and by which line each reply left. Needs no "
		   "privileges\n"
		   "and touches nothing outside. Exit status 1 if anything does not work.\n",
	.options =
		{
			{"naive", NULL, "also try the usual iptables steps, side by side"},
			{"live", NULL, "with this machine's own rules, routes and sysctls"},
			{"pcap", "DIR", "keep captures of all lines in DIR"},
			{"keep", NULL, "leave the namespaces open for looking around"},
		},
	.max_args = 1,
	.run = run,
};
