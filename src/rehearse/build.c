/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Build a topology in a sandbox: namespaces, cables, and what ip(8) and nft(8) put into them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rehearse/bring.h"
#include "rehearse/stage.h"

int stage_fail(struct stage *st, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(st->report->failure, sizeof(st->report->failure), fmt, ap);
	va_end(ap);
	st->report->status = -err;
	return -err;
}

void stage_note(struct stage *st, const char *fmt, ...)
{
	size_t used = strlen(st->report->notes), room = sizeof(st->report->notes) - used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(st->report->notes + used, room, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n + 1 < room)
		memcpy(st->report->notes + used + n, "\n", 2);
	else
		st->report->notes[used] = '\0'; /* rather no line than half of one */
}

int stage_run(struct stage *st, unsigned int node, const char *const argv[], const char *input)
{
	struct strbuf output = STRBUF_INIT;
	int status = sandbox_exec(st->sb, node, argv, input, &output);

	if (status == 127)
		status = stage_fail(
			st, ENOENT, "the rehearsal needs %s(8), which is not installed", argv[0]);
	else if (status > 0)
		status = stage_fail(st, EIO, "%s failed in the rehearsal's '%s': %s", argv[0],
			st->topology->nodes.items[node].name, strbuf_str(&output));
	else if (status < 0)
		stage_fail(st, -status, "cannot run %s: %s", argv[0], strerror(-status));
	strbuf_fini(&output);
	return status;
}

int stage_ip(struct stage *st, unsigned int node, uint8_t family, const char *lines)
{
	static const char *const any[] = {"ip", "-batch", "-", NULL};
	static const char *const v6[] = {"ip", "-6", "-batch", "-", NULL};

	return stage_run(st, node, family == IP_V6 ? v6 : any, lines);
}

/*
 * A namespace starts with the kernel's defaults, for v4 with those that the machine's first
 * namespace has by now. Interfaces take over "default" when they come into being. Absent files
 * (no IPv6) are no matter.
 */
static void node_sysctls(const struct topo_node *n)
{
	static const struct {
		const char *path, *value;
	} all[] = {
		{"/proc/sys/net/ipv4/conf/all/rp_filter", "0"},
		{"/proc/sys/net/ipv4/conf/default/rp_filter", "0"},
		{"/proc/sys/net/ipv4/conf/all/src_valid_mark", "0"},
		{"/proc/sys/net/ipv4/conf/default/src_valid_mark", "0"},
		{"/proc/sys/net/ipv4/ip_forward", "0"},
		{"/proc/sys/net/ipv6/conf/all/disable_ipv6", "0"},
		{"/proc/sys/net/ipv6/conf/default/disable_ipv6", "0"},
		{"/proc/sys/net/ipv6/conf/default/accept_ra", "0"},
		/* Addresses work at once: there is nobody to clash with. */
		{"/proc/sys/net/ipv6/conf/default/accept_dad", "0"},
		{"/proc/sys/net/ipv6/conf/all/accept_dad", "0"},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		bring_sysctl(all[i].path, all[i].value);
	if (n->role == NODE_ISP) {
		bring_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
		bring_sysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	}
}

static int make_nodes(struct stage *st)
{
	VEC_EACH (&st->topology->nodes, struct topo_node, n) {
		int err = sandbox_add(st->sb, n->name);

		if (err < 0)
			return stage_fail(
				st, -err, "cannot make a network namespace: %s", strerror(-err));
		node_sysctls(n); /* which the process is in now */
	}
	return 0;
}

/* Addresses, routes, rules and translations of one node. */
static int build_node(struct stage *st, unsigned int node)
{
	static const char *const nft[] = {"nft", "-f", "-", NULL};
	struct strbuf text = STRBUF_INIT;
	int err;

	script_node(&text, st->topology, node);
	script_rules(&text, st->topology, node, IP_V4);
	err = stage_ip(st, node, IP_V4, strbuf_str(&text));
	strbuf_reset(&text);
	script_rules(&text, st->topology, node, IP_V6);
	if (err == 0 && text.len)
		err = stage_ip(st, node, IP_V6, strbuf_str(&text));
	strbuf_reset(&text);
	script_nft(&text, st->topology, node);
	if (err == 0 && text.len)
		err = stage_run(st, node, nft, strbuf_str(&text));
	strbuf_fini(&text);
	return err;
}

int stage_build(struct stage *st)
{
	bool as_is = st->column == COLUMN_PORTREEVE && st->what->options->as_is;
	struct strbuf cables = STRBUF_INIT;
	int err = make_nodes(st);

	script_cables(&cables, st->topology);
	if (err == 0)
		err = stage_ip(st, TOPO_GATEWAY, IP_V4, strbuf_str(&cables));
	strbuf_fini(&cables);
	for (unsigned int i = 0; err == 0 && i < st->topology->nodes.len; i++)
		err = i == TOPO_GATEWAY && as_is ? stage_live(st) : build_node(st, i);
	return err;
}
