/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the rules of iptables-legacy, with its own tool. */
#include "kernel/legacy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "netstate/dump/dump.h"

#define TEXT_MAX (64u << 20) /* of iptables-legacy-save */

/* Everything that can be read, or NULL where that is too much. */
static const char *read_all(struct arena *a, FILE *f)
{
	struct strbuf b = STRBUF_INIT;
	const char *text = NULL;
	char buf[4096];
	size_t n;

	while (b.len <= TEXT_MAX && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_addn(&b, buf, n);
	if (b.len <= TEXT_MAX && !ferror(f))
		text = arena_strdup(a, strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}

const char *kernel_legacy_tables(struct arena *a, uint8_t family)
{
	FILE *f = fopen(family == IP_V6 ? "/proc/thread-self/net/ip6_tables_names"
					: "/proc/thread-self/net/ip_tables_names",
		"re");
	const char *names;

	if (!f) /* the module is not loaded, so nobody made a table */
		return errno == ENOENT ? "" : NULL;
	names = read_all(a, f);
	fclose(f);
	return names;
}

static const char *run_by(const struct kernel_runner *r, struct arena *a, const char *command)
{
	const char *text = NULL;
	int ends[2], err;
	FILE *f;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	f = fdopen(ends[0], "r");
	if (!f)
		close(ends[0]);
	err = f ? r->start(r->data, command, ends[1]) : -ENOMEM;
	close(ends[1]);
	if (!err)
		text = read_all(a, f);
	if (f)
		fclose(f); /* what is still written to it is not wanted */
	return !err && r->finish(r->data) == 0 ? text : NULL;
}

static const char *run_here(struct arena *a, const char *command)
{
	/* NOLINTNEXTLINE(cert-env33-c): of constants, with a PATH of its own */
	FILE *f = popen(command, "re");
	const char *text;

	if (!f)
		return NULL;
	text = read_all(a, f);
	return pclose(f) == 0 ? text : NULL;
}

const char *kernel_legacy_text(
	const struct kernel *k, struct arena *a, uint8_t family, const char *only)
{
	const char *command =
		arena_printf(a, "PATH=/usr/sbin:/sbin:/usr/bin:/bin %s-legacy-save %s 2>/dev/null",
			family == IP_V6 ? "ip6tables" : "iptables",
			only ? arena_printf(a, "-t %s", only) : "-c");
	const char *text = k->runner ? run_by(k->runner, a, command) : run_here(a, command);

	return text && *text ? text : NULL;
}

int kernel_observe_legacy(
	struct kernel *k, struct arena *a, struct netstate *out, struct kernel_error *e)
{
	static const uint8_t families[] = {IP_V4, IP_V6};

	if (!kernel_at_home(k))
		return kernel_error_set(e, EXDEV,
			"iptables-legacy can only be read from within its network namespace");
	for (size_t i = 0; i < 2; i++) {
		uint32_t have = families[i] == IP_V6 ? HAVE_LEGACY6 : HAVE_LEGACY4;
		const char *tables = kernel_legacy_tables(a, families[i]), *text;
		struct dump d = {.arena = a, .out = out};
		struct dump_file f;

		if (tables && !*tables)
			out->have |= have;
		if (!tables || !*tables)
			continue;
		text = kernel_legacy_text(k, a, families[i], NULL);
		if (!text)
			continue;
		f = (struct dump_file){.name = families[i] == IP_V6 ? "ip6tables-legacy-save"
								    : "iptables-legacy-save",
			.text = text,
			.len = strlen(text)};
		dump_read_iptables(&d, &f, families[i], ORIGIN_XT_LEGACY);
		out->have |= have;
	}
	return 0;
}
