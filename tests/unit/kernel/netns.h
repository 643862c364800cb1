/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests that need the kernel: a network namespace of their own, and iproute2 to set it up. */
#ifndef TEST_NETNS_H
#define TEST_NETNS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/nl.h"

/* Move into a fresh namespace. Each test does, so nothing is left behind and nothing is shared;
 * where that is not allowed the test is skipped and says so. */
#define NEEDS_NAMESPACE()                                                                          \
	do {                                                                                       \
		if (unshare(CLONE_NEWNET) < 0) {                                                   \
			print_message("# SKIP: needs root for a network namespace: %s\n",          \
				strerror(errno));                                                  \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* Run a shell command (iproute2); the test fails where it does. */
static inline void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void sh(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* The kernel finishes links and IPv6 addresses a moment after they were asked for, in workers of its own:
 * wait until @n lines of `ip -6 route show table local` match @pattern, and what made the last is over. */
static inline void settle_links(const char *pattern, unsigned int n)
{
	sh("for i in $(seq 1000); do "
	   "[ $(ip -6 route show table local | grep -c '%s') -ge %u ] && "
	   "exec ip link set lo up; " /* which waits for whoever changes links now */
	   "sleep 0.01; done; exit 1",
		pattern, n);
}

static inline struct kernel *open_kernel(void)
{
	struct kernel_error e = {0};
	struct kernel *k = NULL;

	if (kernel_open(&k, &e) < 0)
		fail_msg("kernel_open: %s: %s", e.text, strerror(e.err));
	return k;
}

/* The call must succeed; else what the kernel said. */
#define ok(call, e)                                                                                \
	do {                                                                                       \
		int ok_ret = (call);                                                               \
		if (ok_ret != 0)                                                                   \
			fail_msg("%s: %s (%s)", #call, strerror(-ok_ret), (e).text);               \
	} while (0)

#endif
