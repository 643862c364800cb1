/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bring: what makes a network namespace what a netstate says, as lines for ip(8) and as sysctls. */
#ifndef REHEARSE_BRING_H
#define REHEARSE_BRING_H

#include "netstate/netstate.h"

/* Lines for `ip -batch`, of one family. Addresses of loopback, and routes and rules that every
 * namespace has by itself, are left out; without @ours, so is what portreeve made. */
void bring_addresses(
	struct strbuf *out, const struct netstate *net, uint8_t family, bool link_local);
void bring_routes(struct strbuf *out, const struct netstate *net, uint8_t family, bool ours);
void bring_policy(struct strbuf *out, const struct netstate *net, uint8_t family, bool ours);

/* ip(8) names the lines of a batch that it could not do, in @output: "Command failed -:12". */
void bring_refused(const char *lines, const char *output,
	void (*each)(const char *line, size_t len, void *data), void *data);

/* Write a file below /proc/sys as the namespace of this process sees it. 0 or -errno. */
int bring_sysctl(const char *path, const char *value);
/* All that a packet's way may depend on, in the order in which one does not undo another. */
void bring_sysctls(struct arena *a, const struct netstate *net,
	void (*refused)(const struct net_sysctl *s, void *data), void *data);

#endif
