/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the running kernel offers, found out by looking. */
#include "kernel/features.h"

#include <assert.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel/fastpath.h"

struct look {
	const char *root, *release;
	struct btf *types; /* the kernel's own, without modules; NULL: it has none to show */
	struct kernel_feature *out;
};

static const char *const names[] = {
	[FEATURE_LINUX] = "linux",
	[FEATURE_NFTABLES] = "nftables",
	[FEATURE_HELD_TABLE] = "held-table",
	[FEATURE_INTERFACE_FORWARDING] = "interface-forwarding",
	[FEATURE_FASTPATH] = "fastpath",
	[FEATURE_USER_NAMESPACES] = "user-namespaces",
};
static const char *const texts[] = {
	[FEATURE_LINUX] = "new enough (Linux 5.15)",
	[FEATURE_NFTABLES] = "nftables",
	[FEATURE_HELD_TABLE] = "a table that `nft flush ruleset` passes by (Linux 6.9)",
	[FEATURE_INTERFACE_FORWARDING] = "IPv6 forwarding by interface (Linux 6.17)",
	[FEATURE_FASTPATH] = "the fast path (Linux 6.5, BTF)",
	[FEATURE_USER_NAMESPACES] = "rehearsals without root",
};
static_assert(sizeof(names) / sizeof(*names) == FEATURE_COUNT_ &&
		      sizeof(texts) / sizeof(*texts) == FEATURE_COUNT_,
	"one row per feature");

static void answer(struct look *l, enum feature_id id, enum feature_answer has, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));
static void answer(
	struct look *l, enum feature_id id, enum feature_answer has, const char *fmt, ...)
{
	va_list ap;

	l->out[id].has = has;
	va_start(ap, fmt);
	vsnprintf(l->out[id].why, FEATURE_WHY_BYTES, fmt, ap);
	va_end(ap);
}

/* ---- files ---- */

static bool exists(const struct look *l, const char *path)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", l->root, path);
	return access(full, F_OK) == 0;
}

/* The number in a file; -1: there is none. */
static long number_in(const struct look *l, const char *path)
{
	char full[PATH_MAX], line[32];
	long n = -1;
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", l->root, path);
	f = fopen(full, "re");
	if (!f)
		return -1;
	if (fgets(line, sizeof(line), f) && line[0] >= '0' && line[0] <= '9')
		n = strtol(line, NULL, 10);
	fclose(f);
	return n;
}

/* Does one of the module lists of this release name the module? Unknown: they are not here. */
static enum feature_answer is_module(const struct look *l, const char *file)
{
	static const char *const lists[] = {"modules.builtin", "modules.dep"};
	enum feature_answer found = FEATURE_UNKNOWN;
	char path[PATH_MAX], *line = NULL;
	size_t size = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists) && found != FEATURE_YES; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/lib/modules/%s/%s", l->root, l->release, lists[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		found = FEATURE_NO;
		while (found == FEATURE_NO && getline(&line, &size, f) > 0)
			if (strstr(line, file))
				found = FEATURE_YES;
		fclose(f);
	}
	free(line);
	return found;
}

/* ---- one by one ---- */

static bool is_at_least(const struct look *l, unsigned int major, unsigned int minor)
{
	unsigned int a = 0, b = 0;

	return sscanf(l->release, "%u.%u", &a, &b) == 2 &&
	       (a > major || (a == major && b >= minor));
}

static bool describes(const struct btf *types, const char *function)
{
	return types && btf__find_by_name_kind(types, function, BTF_KIND_FUNC) > 0;
}

static void look_at_nftables(struct look *l)
{
	enum feature_answer module = is_module(l, "/nf_tables.ko");

	if (describes(l->types, "nf_tables_newtable") || exists(l, "/sys/module/nf_tables"))
		answer(l, FEATURE_NFTABLES, FEATURE_YES, "%s", "");
	else if (module == FEATURE_UNKNOWN)
		answer(l, FEATURE_NFTABLES, FEATURE_UNKNOWN,
			"it is not loaded, and /lib/modules has no list of modules");
	else
		answer(l, FEATURE_NFTABLES, module, "%s",
			module == FEATURE_YES ? ""
					      : "this kernel was built without (CONFIG_NF_TABLES)");
}

/* Of types in which nf_tables itself is described: does it know tables that stay without their owner? */
static bool describes_persist(const struct btf *types)
{
	int id = btf__find_by_name_kind(types, "nft_table_flags", BTF_KIND_ENUM);
	const struct btf_type *t = id > 0 ? btf__type_by_id(types, (uint32_t)id) : NULL;

	for (unsigned int i = 0; t && i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(types, btf_enum(t)[i].name_off);

		if (name && strcmp(name, "NFT_TABLE_F_PERSIST") == 0)
			return true;
	}
	return false;
}

static void look_at_held_table(struct look *l)
{
	enum feature_answer nftables = l->out[FEATURE_NFTABLES].has;
	bool here = describes(l->types, "nf_tables_newtable");

	if (nftables == FEATURE_NO)
		answer(l, FEATURE_HELD_TABLE, FEATURE_NO, "there is no nftables");
	else if (here && describes_persist(l->types))
		answer(l, FEATURE_HELD_TABLE, FEATURE_YES, "%s", "");
	else if (here || !is_at_least(l, 6, 9))
		answer(l, FEATURE_HELD_TABLE, FEATURE_NO, "the daemon puts back what is flushed");
	else
		answer(l, FEATURE_HELD_TABLE, nftables, "%s",
			nftables == FEATURE_YES ? "" : "as with nftables");
}

static void look_at_forwarding(struct look *l)
{
	if (exists(l, "/proc/sys/net/ipv6/conf/all/force_forwarding"))
		answer(l, FEATURE_INTERFACE_FORWARDING, FEATURE_YES, "%s", "");
	else if (exists(l, "/proc/sys/net/ipv6"))
		answer(l, FEATURE_INTERFACE_FORWARDING, FEATURE_NO,
			"IPv6 maps switch forwarding on for all interfaces");
	else if (exists(l, "/proc/sys/net"))
		answer(l, FEATURE_INTERFACE_FORWARDING, FEATURE_NO, "there is no IPv6");
	else
		answer(l, FEATURE_INTERFACE_FORWARDING, FEATURE_UNKNOWN, "/proc/sys is not here");
}

static void look_at_fastpath(struct look *l)
{
	struct kernel_error e = {0};

	if (!l->types && !exists(l, "/sys/kernel"))
		answer(l, FEATURE_FASTPATH, FEATURE_UNKNOWN, "/sys is not here");
	else if (!l->types)
		answer(l, FEATURE_FASTPATH, FEATURE_NO,
			"this kernel describes no types (CONFIG_DEBUG_INFO_BTF)");
	else if (fastpath_supported(&e) == 0)
		answer(l, FEATURE_FASTPATH, FEATURE_YES, "%s", "");
	else if (!exists(l, "/sys/module/nf_conntrack"))
		answer(l, FEATURE_FASTPATH, FEATURE_UNKNOWN,
			"conntrack is not loaded, and only then tells its functions");
	else
		answer(l, FEATURE_FASTPATH, FEATURE_NO, "%s", e.text);
}

static void look_at_user_namespaces(struct look *l)
{
	long most = number_in(l, "/proc/sys/user/max_user_namespaces");

	if (most < 0 && !exists(l, "/proc/sys/kernel"))
		answer(l, FEATURE_USER_NAMESPACES, FEATURE_UNKNOWN, "/proc/sys is not here");
	else if (most < 0)
		answer(l, FEATURE_USER_NAMESPACES, FEATURE_NO,
			"this kernel was built without (CONFIG_USER_NS)");
	else if (most == 0)
		answer(l, FEATURE_USER_NAMESPACES, FEATURE_NO, "user.max_user_namespaces is 0");
	else if (number_in(l, "/proc/sys/kernel/unprivileged_userns_clone") == 0)
		answer(l, FEATURE_USER_NAMESPACES, FEATURE_NO,
			"kernel.unprivileged_userns_clone is 0");
	else if (number_in(l, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns") > 0)
		answer(l, FEATURE_USER_NAMESPACES, FEATURE_UNKNOWN,
			"kernel.apparmor_restrict_unprivileged_userns is set, and AppArmor "
			"decides");
	else
		answer(l, FEATURE_USER_NAMESPACES, FEATURE_YES, "%s", "");
}

void kernel_features(
	const char *root, const char *release, struct kernel_feature out[FEATURE_COUNT_])
{
	struct look l = {.root = root, .release = release, .out = out};
	char path[PATH_MAX];

	for (unsigned int i = 0; i < FEATURE_COUNT_; i++)
		out[i] = (struct kernel_feature){.name = names[i], .text = texts[i]};
	libbpf_set_print(NULL);
	snprintf(path, sizeof(path), "%s/sys/kernel/btf/vmlinux", root);
	l.types = access(path, R_OK) == 0 ? btf__parse(path, NULL) : NULL;

	if (is_at_least(&l, 5, 15))
		answer(&l, FEATURE_LINUX, FEATURE_YES, "%s", "");
	else
		answer(&l, FEATURE_LINUX, FEATURE_NO, "nothing here was tried on it");
	look_at_nftables(&l);
	look_at_held_table(&l);
	look_at_forwarding(&l);
	look_at_fastpath(&l);
	look_at_user_namespaces(&l);
	btf__free(l.types);
}
