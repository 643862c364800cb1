/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve snapshot: the whole network state as files that a person can read, send, and --state takes. */
#include "cli/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/version.h"
#include "cli/commands.h"
#include "netstate/dump/anonymise.h"
#include "report/report.h"

/* Every name that a snapshot may have, so that an older one in the same place can be taken away. */
static const char *const names[] = {"ip-link.json", "ip-addr.json", "ip-rule.json", "ip-route.json",
	"ip6-rule.json", "ip6-route.json", "ip-neigh.json", "ip-nexthop.json", "ip-link.txt",
	"ip-addr.txt", "ip-rule.txt", "ip-route.txt", "ip6-rule.txt", "ip6-route.txt",
	"ip-neigh.txt", "ip-nexthop.txt", "iptables-save.txt", "ip6tables-save.txt",
	"iptables-legacy-save.txt", "ip6tables-legacy-save.txt", "nft.json", "nft.txt",
	"conntrack.txt", "ipset.txt", "sysctl.txt", "meta.json"};
#define N_NAMES (sizeof(names) / sizeof(*names))

/* ---- meta.json ---- */

static const char *now_utc(struct arena *a)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[32];

	if (!gmtime_r(&now, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return "";
	return arena_strdup(a, text);
}

static json_t *gaps_json(const struct snapshot *s)
{
	json_t *list = json_array();

	VEC_EACH (&s->gaps, const struct snapshot_gap, gap) {
		json_t *one = json_object();

		json_object_set_new(one, "what", report_text(gap->what));
		json_object_set_new(one, "why", report_text(gap->why));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *files_json(const struct snapshot *s)
{
	json_t *list = json_array();

	VEC_EACH (&s->files, const struct snapshot_file, f)
		json_array_append_new(list, report_text(f->name));
	return list;
}

static json_t *meta_json(const struct snapshot *s, bool anonymised)
{
	json_t *meta = json_object(), *tools = json_object(), *empty = json_array();

	json_object_set_new(meta, "portreeve_snapshot", json_integer(1));
	json_object_set_new(meta, "portreeve", json_string(PORTREEVE_VERSION));
	json_object_set_new(meta, "date", json_string(now_utc(s->arena)));
	if (!anonymised)
		json_object_set_new(meta, "host", report_text(s->host));
	json_object_set_new(meta, "kernel", report_text(s->kernel));
	json_object_set_new(meta, "anonymised", json_boolean(anonymised));
	json_object_set_new(meta, "root", json_boolean(geteuid() == 0));
	VEC_EACH (&s->tools, const struct snapshot_tool, t)
		json_object_set_new(tools, t->name, report_text(t->version));
	json_object_set_new(meta, "tools", tools);
	json_object_set_new(meta, "files", files_json(s));
	VEC_EACH (&s->known_empty, const char *, what)
		json_array_append_new(empty, json_string(*what));
	json_object_set_new(meta, "known_empty", empty);
	json_object_set_new(meta, "missing", gaps_json(s));
	return meta;
}

static void add_meta(struct snapshot *s, bool anonymised)
{
	json_t *meta = meta_json(s, anonymised);
	char *text = json_dumps(meta, JSON_INDENT(2));
	struct snapshot_file *f = vec_add(s->arena, &s->files);

	f->name = "meta.json";
	f->text = arena_printf(s->arena, "%s\n", text ? text : "{}");
	f->len = strlen(f->text);
	free(text);
	json_decref(meta);
}

static bool anonymise(struct cli_context *c, struct snapshot *s)
{
	uint8_t key[ANONYMISE_KEY_BYTES];
	struct anonymiser x;

	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
		diag_error(&c->diag, NOWHERE, "cannot get random bytes: %s", strerror(errno));
		return false;
	}
	anonymise_init(&x, key);
	memset(key, 0, sizeof(key)); /* nobody is to find the way back, not even the caller */
	VEC_EACH (&s->files, struct snapshot_file, f) {
		struct strbuf b = STRBUF_INIT;

		anonymise_text(&x, f->text, f->len, &b);
		f->text = arena_strndup(s->arena, strbuf_str(&b), b.len);
		f->len = b.len;
		strbuf_fini(&b);
	}
	return true;
}

/* ---- writing ---- */

/* 1: there and not empty; 0: there and empty; -ENOENT; -errno. */
static int look_at(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int found = 0;

	if (!d)
		return -errno;
	while (!found && (e = readdir(d)))
		found = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return found;
}

static int write_file(int dir, const struct snapshot_file *f)
{
	int fd = openat(dir, f->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err = 0;

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < f->len && !err;) {
		ssize_t n = write(fd, f->text + done, f->len - done);

		if (n < 0 && errno != EINTR)
			err = -errno;
		else if (n > 0)
			done += (size_t)n;
	}
	if (close(fd) != 0 && !err)
		err = -errno;
	return err;
}

static void remove_names(int dir)
{
	for (size_t i = 0; i < N_NAMES; i++)
		unlinkat(dir, names[i], 0);
}

/* A new directory beside @path, with all files in it. 0 or -errno; then nothing is left of it. */
static int write_beside(const char *partial, const struct snapshot *s)
{
	int dir, err = 0;

	/* One is left there if an earlier run was killed. */
	if (mkdir(partial, 0700) != 0 && errno != EEXIST)
		return -errno;
	dir = open(partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	remove_names(dir);
	VEC_EACH (&s->files, const struct snapshot_file, f)
		if (!err)
			err = write_file(dir, f);
	if (err) {
		remove_names(dir);
		rmdir(partial);
	}
	close(dir);
	return err;
}

/* Files of an older snapshot make way; what else is there stays. */
static int move_into(const char *partial, const char *path, const struct snapshot *s)
{
	int from = open(partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	int to = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0 || to < 0)
		err = -errno;
	else
		remove_names(to);
	VEC_EACH (&s->files, const struct snapshot_file, f)
		if (!err && renameat(from, f->name, to, f->name) != 0)
			err = -errno;
	if (from >= 0) {
		if (err)
			remove_names(from);
		close(from);
	}
	if (to >= 0)
		close(to);
	rmdir(partial);
	return err;
}

static int write_all(struct arena *a, const char *path, const struct snapshot *s)
{
	size_t len = strlen(path);
	const char *partial;
	int err;

	while (len > 1 && path[len - 1] == '/')
		len--;
	partial = arena_printf(a, "%.*s.partial", (int)len, path);
	err = write_beside(partial, s);
	if (err)
		return err;
	/* Onto a directory that is empty, or not there at all. */
	if (rename(partial, arena_strndup(a, path, len)) == 0)
		return 0;
	return move_into(partial, path, s);
}

/* ---- telling ---- */

static void print_each(const struct snapshot_file *f, const struct snapshot_gap *gap)
{
	if (f && f->len >= 10000)
		printf("  %-26s %5zu kB\n", f->name, f->len / 1000);
	else if (f)
		printf("  %-26s %5zu bytes\n", f->name, f->len);
	else
		printf("  %-26s missing: %s\n", gap->what, gap->why);
	fflush(stdout); /* some of the tools take a while */
}

/* Said before the tools run, some of which take a while. */
static bool may_make(struct cli_context *c, const char *path)
{
	char *parent = arena_strdup(c->arena, path);

	if (access(dirname(parent), W_OK) == 0)
		return true;
	diag_error(&c->diag, NOWHERE, "cannot write %s: %s", path, strerror(errno));
	diag_hint(&c->diag, "it is made in a directory that is there and that you may write to");
	return false;
}

static bool may_write(struct cli_context *c, const char *path)
{
	int there = look_at(path);

	if (there == 1 && !cli_given(c, "force")) {
		diag_error(&c->diag, NOWHERE, "%s is not empty", path);
		diag_hint(&c->diag,
			"name another directory; --force writes over an older snapshot there and "
			"leaves other files alone");
		return false;
	}
	if (there < 0 && there != -ENOENT) {
		diag_error(&c->diag, NOWHERE, "cannot look into %s: %s", path, strerror(-there));
		return false;
	}
	return true;
}

static json_t *answer_json(const struct snapshot *s, const char *path, bool anonymised)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "directory", report_text(path));
	json_object_set_new(answer, "files", files_json(s));
	json_object_set_new(answer, "missing", gaps_json(s));
	json_object_set_new(answer, "anonymised", json_boolean(anonymised));
	return answer;
}

static int run(struct cli_context *c)
{
	bool hide = cli_given(c, "anonymise");
	struct snapshot s;
	const char *path;
	int err;

	if (c->n_args == 0) {
		diag_error(&c->diag, NOWHERE, "which directory? (portreeve snapshot DIR)");
		return cli_finish(c, NULL, CLI_USAGE);
	}
	path = c->args[0];
	if (!may_write(c, path))
		return cli_finish(c, NULL, CLI_USAGE);
	if (!may_make(c, path))
		return cli_finish(c, NULL, CLI_SYSTEM);
	if (!c->json)
		printf("%s:\n", path);
	snapshot_collect(c->arena, &s, c->json ? NULL : print_each);
	if (hide && !anonymise(c, &s))
		return cli_finish(c, NULL, CLI_SYSTEM);
	add_meta(&s, hide);
	if (!c->json)
		print_each(&s.files.items[s.files.len - 1], NULL);
	err = write_all(c->arena, path, &s);
	if (err) {
		diag_error(&c->diag, NOWHERE, "cannot write %s: %s; nothing of it is left", path,
			strerror(-err));
		return cli_finish(c, NULL, CLI_SYSTEM);
	}
	if (geteuid() != 0)
		diag_warning(&c->diag, NOWHERE,
			"only root sees rule sets and connections: they are missing here");
	if (hide && !c->json)
		printf("\nAddresses were replaced. Names of interfaces, tables and sets, and what "
		       "stands in comments, were not: look before you send it.\n");
	return cli_finish(c, c->json ? answer_json(&s, path, hide) : NULL, CLI_OK);
}

const struct cli_command command_snapshot = {
	.name = "snapshot",
	.arguments = "DIR",
	.summary = "the whole network state, for a bug report or for --state",
	.details =
		"Writes what ip, nft, iptables, conntrack and ipset say, and the sysctls of the\n"
		"network, as plain files into a new directory. It changes nothing. What could not\n"
		"be had is said, and stands in meta.json; without root that is most of it.\n",
	.options = {{"anonymise", NULL, "put other addresses in place of the real ones"},
		{"force", NULL, "write over an older snapshot in DIR"}},
	.max_args = 1,
	.run = run,
};
