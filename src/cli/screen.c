/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Screen: a page that is drawn again and again, until somebody presses q. */
#include "cli/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/strbuf.h"

#define HOME	  "\033[H"
#define CLEAR_EOL "\033[K"
#define CLEAR_EOS "\033[J"
#define ENTER	  "\033[?1049h\033[?25l" /* a page of its own, without a cursor */
#define LEAVE	  "\033[?25h\033[?1049l"

void screen_size(unsigned int *rows, unsigned int *columns)
{
	struct winsize w;

	*rows = 24;
	*columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col) {
		*rows = w.ws_row;
		*columns = w.ws_col;
	}
}

/* Cut every line to the width and the page to the height, so that nothing scrolls. */
static void fit(const char *page, unsigned int rows, unsigned int columns, struct strbuf *out)
{
	strbuf_add(out, HOME);
	for (unsigned int row = 0; *page && row < rows; row++) {
		size_t len = strcspn(page, "\n"), at = 0;

		for (unsigned int column = 0; at < len; at++) {
			bool starts = ((unsigned char)page[at] & 0xc0) != 0x80;

			if (starts && column++ == columns)
				break;
		}
		strbuf_addf(out, "%s%.*s" CLEAR_EOL, row ? "\r\n" : "", (int)at, page);
		page += len + (page[len] == '\n');
	}
	strbuf_add(out, CLEAR_EOS);
}

static void show(const char *page, bool terminal)
{
	struct strbuf text = STRBUF_INIT;
	unsigned int rows, columns;

	if (terminal) {
		screen_size(&rows, &columns);
		fit(page, rows, columns, &text);
		fputs(strbuf_str(&text), stdout);
		strbuf_fini(&text);
	} else {
		puts(page);
	}
	fflush(stdout);
}

/* Wait for a key or a signal. True: it is time for the next page; false: to end. */
static bool wait_for(int signals, bool keys, uint32_t ms)
{
	struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
		{.fd = keys ? STDIN_FILENO : -1, .events = POLLIN}};
	struct signalfd_siginfo got;
	char key;
	int n = poll(fds, 2, (int)ms);

	if (n < 0)
		return errno == EINTR;
	if (fds[0].revents)
		return read(signals, &got, sizeof(got)) == sizeof(got) && got.ssi_signo == SIGWINCH;
	if (fds[1].revents)
		return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q';
	return true;
}

void screen_run(uint32_t interval_ms, char *(*draw)(void *data, unsigned int rows), void *data)
{
	bool terminal = isatty(STDOUT_FILENO), keys = terminal && isatty(STDIN_FILENO);
	struct termios before, raw;
	sigset_t set, old;
	unsigned int rows, columns;
	int signals;
	char *page;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, &old);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	keys = keys && tcgetattr(STDIN_FILENO, &before) == 0;
	if (keys) {
		raw = before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	if (terminal)
		fputs(ENTER, stdout);
	do {
		screen_size(&rows, &columns);
		page = draw(data, rows);
		if (page)
			show(page, terminal);
		free(page);
	} while (page && !ferror(stdout) && wait_for(signals, keys, interval_ms));
	if (terminal)
		fputs(LEAVE, stdout);
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	close(signals);
	sigprocmask(SIG_SETMASK, &old, NULL);
}
