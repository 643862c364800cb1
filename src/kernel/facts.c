/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads facts about other tools: networkd and its settings, iptables-legacy, services. */
#include "kernel/facts.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "kernel/legacy.h"
#include "kernel/nft.h"

/* ---- systemd-networkd ---- */

static bool is_called(const char *pid, const char *comm)
{
	char path[PATH_MAX], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	fclose(f);
	name[strcspn(name, "\n")] = '\0';
	return strcmp(name, comm) == 0;
}

static bool networkd_runs(const struct kernel *k)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d)))
		/* The kernel keeps 15 characters of a name. */
		found = isdigit((unsigned char)e->d_name[0]) &&
			is_called(e->d_name, "systemd-network") &&
			kernel_has_process(k, e->d_name) == 1;
	if (d)
		closedir(d);
	return found;
}

static bool is_no(const char *value)
{
	static const char *const words[] = {"no", "n", "false", "f", "off", "0"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

/* "Key = value" with the value's end trimmed; NULL if the line is another key's. */
static const char *value_of(char *line, const char *key)
{
	size_t len = strlen(key);
	char *value, *end;

	line += strspn(line, " \t");
	if (strncmp(line, key, len) != 0)
		return NULL;
	line += len;
	line += strspn(line, " \t");
	if (*line != '=')
		return NULL;
	value = line + 1 + strspn(line + 1, " \t");
	end = value + strlen(value);
	while (end > value && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return value;
}

static void read_settings(const char *path, bool *keeps_rules, bool *keeps_routes)
{
	FILE *f = fopen(path, "re");
	char line[1024];
	bool network = false;

	while (f && fgets(line, sizeof(line), f)) {
		const char *value;

		if (line[0] == '[')
			network = strncmp(line, "[Network]", 9) == 0;
		if (!network)
			continue;
		value = value_of(line, "ManageForeignRoutingPolicyRules");
		if (value)
			*keeps_rules = is_no(value);
		value = value_of(line, "ManageForeignRoutes");
		if (value)
			*keeps_routes = is_no(value);
	}
	if (f)
		fclose(f);
}

struct dropins {
	char names[128][NAME_MAX + 1];
	size_t n;
};

static void collect(struct dropins *all, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name), i = 0;

		if (len < 6 || strcmp(e->d_name + len - 5, ".conf") != 0)
			continue;
		while (i < all->n && strcmp(all->names[i], e->d_name) != 0)
			i++;
		if (i == all->n && all->n < sizeof(all->names) / sizeof(*all->names))
			memcpy(all->names[all->n++], e->d_name, len + 1);
	}
	if (d)
		closedir(d);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

void kernel_networkd_settings(const char *root, bool *keeps_rules, bool *keeps_routes)
{
	/* Of equal names the first counts; all are read in the order of their names, after the main
	 * file (systemd.unit's rules for drop-ins, see networkd.conf(5)). */
	static const char *const dirs[] = {
		"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"};
	const size_t n = sizeof(dirs) / sizeof(*dirs);
	struct dropins all = {.n = 0};
	char path[PATH_MAX];

	*keeps_rules = *keeps_routes = false;
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s%s/networkd.conf.d", root, dirs[i]);
		collect(&all, path);
	}
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s%s/networkd.conf", root, dirs[i]);
		if (access(path, R_OK) == 0) {
			read_settings(path, keeps_rules, keeps_routes);
			break;
		}
	}
	qsort(all.names, all.n, sizeof(*all.names), compare_names);
	for (size_t f = 0; f < all.n; f++) {
		for (size_t i = 0; i < n; i++) {
			snprintf(path, sizeof(path), "%s%s/networkd.conf.d/%s", root, dirs[i],
				all.names[f]);
			if (access(path, F_OK) == 0) {
				read_settings(path, keeps_rules, keeps_routes);
				break;
			}
		}
	}
}

/* ---- iptables-legacy ---- */

/* Does the kernel have a legacy filter table in this namespace? */
static bool has_filter(const char *tables)
{
	return tables && (strncmp(tables, "filter\n", 7) == 0 || strstr(tables, "\nfilter\n"));
}

static void look_at_legacy(struct kernel *k, struct arena *a, struct foreign_facts *out)
{
	static const uint8_t families[] = {IP_V4, IP_V6};

	for (unsigned int i = 0; i < 2; i++) {
		out->legacy_filter[i] = has_filter(kernel_legacy_tables(a, families[i]));
		if (out->legacy_filter[i])
			out->legacy_filter_text[i] =
				kernel_legacy_text(k, a, families[i], "filter");
	}
}

/* ---- the front doors ---- */

static bool any_of(const char *const *paths, int mode)
{
	for (; *paths; paths++)
		if (access(*paths, mode) == 0)
			return true;
	return false;
}

void kernel_facts(struct kernel *k, struct arena *a, struct foreign_facts *out)
{
	static const char *const docker[] = {"/etc/systemd/system/docker.service",
		"/lib/systemd/system/docker.service", "/usr/lib/systemd/system/docker.service",
		NULL};
	static const char *const persistent[] = {
		"/usr/sbin/netfilter-persistent", "/sbin/netfilter-persistent", NULL};

	memset(out, 0, sizeof(*out));
	out->networkd_running = networkd_runs(k);
	if (out->networkd_running)
		kernel_networkd_settings(
			"", &out->networkd_keeps_rules, &out->networkd_keeps_routes);
	look_at_legacy(k, a, out);
	out->netfilter_persistent = any_of(persistent, X_OK);
	out->docker_service = any_of(docker, F_OK);
}

void kernel_foreign_sets(struct kernel *k, struct arena *a, const struct nft_ruleset *seen)
{
	VEC_EACH (&seen->tables, struct nft_table *, t) {
		if ((*t)->family == FAMILY_INET && strcmp((*t)->name, PORTREEVE_TABLE) == 0)
			continue;
		VEC_EACH (&(*t)->sets, struct nft_set *, s) {
			struct kernel_error e = {0};

			if (!((*s)->flags & SET_INCOMPLETE) || (*s)->flags & SET_OBJECTS)
				continue;
			if (kernel_nft_elements(k, a, (*t)->family, (*t)->name, *s, &e) != 0)
				(*s)->flags |= SET_INCOMPLETE;
		}
	}
}
