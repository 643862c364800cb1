/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects what ip, nft, iptables, conntrack and ipset say, and the sysctls of the network. */
#include "cli/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "rehearse/sandbox.h"

#define MAX_ARGS	   12
#define LIMIT_SYSCTL_DEPTH 8 /* of folders below /proc/sys/net */
#define LIMIT_SYSCTL_BYTES 4096u
#define LIMIT_PROC_BYTES   65536u
#define PROGRAM_NOT_FOUND  127 /* as program_run() has it */

struct collecting {
	struct snapshot *out;
	struct arena *arena;
	void (*each)(const struct snapshot_file *f, const struct snapshot_gap *gap);
};

/* ---- results ---- */

static void add_file(struct collecting *c, const char *name, const char *text, size_t len)
{
	struct snapshot_file *f = vec_add(c->arena, &c->out->files);

	*f = (struct snapshot_file){name, text, len};
	if (c->each)
		c->each(f, NULL);
}

static void add_gap(struct collecting *c, const char *what, const char *why)
{
	struct snapshot_gap *gap;

	/* nft is asked twice. */
	VEC_EACH (&c->out->gaps, const struct snapshot_gap, g)
		if (strcmp(g->what, what) == 0 && strcmp(g->why, why) == 0)
			return;
	gap = vec_add(c->arena, &c->out->gaps);
	*gap = (struct snapshot_gap){what, why};
	if (c->each)
		c->each(NULL, gap);
}

/* ---- JSON for people ---- */

static void add_json(struct strbuf *out, const json_t *value, size_t flags)
{
	char *text = json_dumps(value, flags | JSON_REAL_PRECISION(12) | JSON_ENCODE_ANY);

	strbuf_add(out, text ? text : "null");
	free(text);
}

static void add_lines(struct strbuf *out, const json_t *list)
{
	const json_t *item;
	size_t i;

	strbuf_add(out, "[");
	json_array_foreach((json_t *)list, i, item)
	{
		strbuf_add(out, i ? ",\n" : "\n");
		add_json(out, item, 0);
	}
	strbuf_add(out, json_array_size(list) ? "\n]" : "]");
}

/* Tools print JSON in one line. Lists get a line per item, or with @spread one per member. */
static void spread_json(struct strbuf *out, const char *text, size_t len, bool spread)
{
	json_error_t e;
	json_t *value = json_loadb(text, len, 0, &e);
	const json_t *list = json_object_get(value, "nftables");

	if (!value) { /* as broken as it is, it may still be read in part */
		strbuf_addn(out, text, len);
		return;
	}
	if (!spread && json_is_array(value)) {
		add_lines(out, value);
	} else if (!spread && json_is_array(list) && json_object_size(value) == 1) {
		strbuf_add(out, "{\"nftables\": ");
		add_lines(out, list);
		strbuf_add(out, "}");
	} else {
		add_json(out, value, JSON_INDENT(2));
	}
	strbuf_addch(out, '\n');
	json_decref(value);
}

/* ---- programs ---- */

/* What a program that failed complained of: it is asked again, since all of them only look. */
static const char *complaint(struct arena *a, const char *const argv[], int status)
{
	const char *again[MAX_ARGS + 4] = {"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>&1 >/dev/null"};
	struct strbuf b = STRBUF_INIT;
	const char *why;
	size_t len;

	if (status == PROGRAM_NOT_FOUND)
		return arena_printf(a, "%s is not installed", argv[0]);
	if (status < 0)
		return arena_printf(a, "cannot run %s: %s", argv[0], strerror(-status));
	for (size_t i = 0; i < MAX_ARGS && argv[i]; i++)
		again[3 + i] = argv[i];
	program_run(again, NULL, &b);
	len = strcspn(strbuf_str(&b), "\n");
	if (len)
		why = arena_strndup(a, strbuf_str(&b), len);
	else
		why = arena_printf(a, "%s failed with exit status %d", argv[0], status);
	strbuf_fini(&b);
	return why;
}

static const char *first_line(struct arena *a, const struct strbuf *b)
{
	return arena_strndup(a, strbuf_str(b), strcspn(strbuf_str(b), "\n"));
}

static void tell_version(struct collecting *c, const char *tool, const char *option)
{
	const char *const argv[] = {tool, option, NULL};
	struct strbuf b = STRBUF_INIT;

	if (program_run(argv, NULL, &b) == 0 && b.len)
		vec_push(c->arena, &c->out->tools,
			((struct snapshot_tool){tool, first_line(c->arena, &b)}));
	strbuf_fini(&b);
}

static void take_output(struct collecting *c, const char *name, struct strbuf *b, bool spread)
{
	struct strbuf pretty = STRBUF_INIT;
	const struct strbuf *from = b;
	size_t len = strlen(name);

	if (len > 5 && strcmp(name + len - 5, ".json") == 0) {
		spread_json(&pretty, strbuf_str(b), b->len, spread);
		from = &pretty;
	}
	add_file(c, name, arena_strndup(c->arena, strbuf_str(from), from->len), from->len);
	strbuf_fini(&pretty);
}

/* ---- ip(8) ---- */

struct ip_source {
	const char *name; /* without its extension */
	const char *family;
	const char *words[4];
	bool spread; /* JSON: one line per member */
};

/* Numbers instead of names need iproute2 4.19, JSON and details 4.13; busybox has neither. */
enum ip_form { IP_NUMERIC, IP_JSON, IP_TEXT, IP_FORM_COUNT_ };

static void ip_argv(const struct ip_source *s, enum ip_form form, const char *argv[MAX_ARGS])
{
	size_t n = 0;

	argv[n++] = "ip";
	if (s->family)
		argv[n++] = s->family;
	if (form == IP_NUMERIC)
		argv[n++] = "-N";
	if (form != IP_TEXT) {
		argv[n++] = "-d";
		argv[n++] = "-j";
	}
	for (size_t i = 0; i < 4 && s->words[i]; i++)
		argv[n++] = s->words[i];
	argv[n] = NULL;
}

static void collect_ip(struct collecting *c)
{
	static const struct ip_source sources[] = {
		{"ip-link", NULL, {"link"}, true},
		{"ip-addr", NULL, {"addr"}, true},
		{"ip-rule", "-4", {"rule"}, false},
		{"ip-route", "-4", {"route", "show", "table", "all"}, false},
		{"ip6-rule", "-6", {"rule"}, false},
		{"ip6-route", "-6", {"route", "show", "table", "all"}, false},
		{"ip-neigh", NULL, {"neigh"}, false},
		{"ip-nexthop", NULL, {"nexthop"}, false},
	};

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		const char *argv[MAX_ARGS], *name = sources[i].name;
		struct strbuf b = STRBUF_INIT;
		enum ip_form form = IP_NUMERIC;
		int status;

		for (;; form++) {
			strbuf_reset(&b);
			ip_argv(&sources[i], form, argv);
			status = program_run(argv, NULL, &b);
			if (status <= 0 || status == PROGRAM_NOT_FOUND || form == IP_TEXT)
				break;
		}
		if (status == 0)
			take_output(c,
				arena_printf(
					c->arena, "%s.%s", name, form == IP_TEXT ? "txt" : "json"),
				&b, sources[i].spread);
		else
			add_gap(c, name, complaint(c->arena, argv, status));
		strbuf_fini(&b);
	}
}

/* ---- the rest of the tools ---- */

static bool is_of_nft(const char *tool)
{
	const char *const argv[] = {tool, "-V", NULL};
	struct strbuf b = STRBUF_INIT;
	bool yes = program_run(argv, NULL, &b) == 0 && strstr(strbuf_str(&b), "nf_tables");

	strbuf_fini(&b);
	return yes;
}

static void collect_one(
	struct collecting *c, const char *name, const char *what, const char *const argv[])
{
	struct strbuf b = STRBUF_INIT;
	int status = program_run(argv, NULL, &b);

	if (status == 0)
		take_output(c, name, &b, false);
	else
		add_gap(c, what, complaint(c->arena, argv, status));
	strbuf_fini(&b);
}

static bool is_installed(const char *tool)
{
	const char *const argv[] = {tool, "-V", NULL};
	struct strbuf b = STRBUF_INIT;
	int status = program_run(argv, NULL, &b);

	strbuf_fini(&b);
	return status != PROGRAM_NOT_FOUND;
}

/* The variants have names of their own since 1.8; before, the plain name was of the legacy one. */
static const char *save_tool(struct arena *a, const char *family, const char *variant, bool nft)
{
	const char *own = arena_printf(a, "%s-%s-save", family, variant);
	const char *plain = arena_printf(a, "%s-save", family);

	if (is_installed(own))
		return own;
	return is_installed(plain) && is_of_nft(plain) == nft ? plain : NULL;
}

static void collect_iptables(struct collecting *c, const char *family)
{
	const char *tool = save_tool(c->arena, family, "nft", true);
	const char *argv[] = {tool, "-c", NULL};

	if (tool)
		collect_one(c, arena_printf(c->arena, "%s-save.txt", family), family, argv);
	else
		add_gap(c, family, arena_printf(c->arena, "%s-nft-save is not installed", family));
}

/*
 * iptables-legacy would load its modules and make tables merely to show them. So the kernel is asked
 * first which tables there are; without the modules there are none.
 */
static void collect_legacy(struct collecting *c, const char *family, const char *names)
{
	const char *what = arena_printf(c->arena, "%s-legacy", family), *tool;
	int fd = open(names, O_RDONLY | O_CLOEXEC), err = fd < 0 ? -errno : 0;
	const char *argv[] = {NULL, "-c", NULL};
	char *text = NULL;
	size_t len = 0;

	if (fd >= 0) {
		err = cli_read_fd(c->arena, fd, LIMIT_PROC_BYTES, &text, &len);
		close(fd);
	}
	if (err == -ENOENT || (!err && !len)) {
		vec_push(c->arena, &c->out->known_empty, what);
		return;
	}
	if (err) {
		add_gap(c, what,
			arena_printf(c->arena, "cannot read %s: %s", names, strerror(-err)));
		return;
	}
	tool = save_tool(c->arena, family, "legacy", false);
	argv[0] = tool;
	if (tool)
		collect_one(c, arena_printf(c->arena, "%s-save.txt", what), what, argv);
	else
		add_gap(c, what,
			arena_printf(c->arena,
				"the kernel has such tables, and %s-save is not installed", what));
}

static void collect_tools(struct collecting *c)
{
	static const char *const nft_json[] = {"nft", "-j", "-a", "list", "ruleset", NULL};
	static const char *const nft_text[] = {"nft", "-a", "list", "ruleset", NULL};
	static const char *const conntrack[] = {"conntrack", "-L", "-o", "extended", NULL};
	static const char *const ipset[] = {"ipset", "save", NULL};

	collect_iptables(c, "iptables");
	collect_iptables(c, "ip6tables");
	/* Of the namespace of the caller. */
	collect_legacy(c, "iptables", "/proc/thread-self/net/ip_tables_names");
	collect_legacy(c, "ip6tables", "/proc/thread-self/net/ip6_tables_names");
	collect_one(c, "nft.json", "nft", nft_json);
	collect_one(c, "nft.txt", "nft", nft_text);
	collect_one(c, "conntrack.txt", "conntrack", conntrack);
	collect_one(c, "ipset.txt", "ipset", ipset);
}

/* ---- sysctls ---- */

struct sysctls {
	struct arena *arena;
	VEC(const char *) lines;
	size_t unreadable;
};

/* What would let others in, or follow this machine: never written down. */
static bool is_secret(const char *name)
{
	return strcmp(name, "tcp_fastopen_key") == 0 || strcmp(name, "stable_secret") == 0;
}

/* "net.ipv4.conf.eth0/7" + "rp_filter": the key as sysctl(8) has it. */
static const char *key_below(struct arena *a, const char *parent, const char *name)
{
	char *part = arena_strdup(a, name);

	for (char *c = part; *c; c++)
		if (*c == '.')
			*c = '/';
	return arena_printf(a, "%s.%s", parent, part);
}

static void read_sysctl(struct sysctls *s, int dir, const char *name, const char *key)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char value[LIMIT_SYSCTL_BYTES];
	ssize_t len = fd < 0 ? -1 : read(fd, value, sizeof(value) - 1);

	if (fd >= 0)
		close(fd);
	if (len < 0) {
		/* Some are there to be written only, for root too. */
		s->unreadable += errno == EACCES || errno == EPERM;
		return;
	}
	while (len && value[len - 1] == '\n')
		len--;
	value[len] = '\0';
	for (char *c = value; *c; c++)
		if (*c == '\n')
			*c = ' ';
	vec_push(s->arena, &s->lines, arena_printf(s->arena, "%s = %s", key, value));
}

static void read_sysctls(
	struct sysctls *s, int parent, const char *name, const char *key, unsigned int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d))) {
		const char *below;
		struct stat st;

		if (e->d_name[0] == '.' || is_secret(e->d_name) ||
			fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		below = key_below(s->arena, key, e->d_name);
		if (S_ISREG(st.st_mode))
			read_sysctl(s, dirfd(d), e->d_name, below);
		else if (S_ISDIR(st.st_mode) && depth < LIMIT_SYSCTL_DEPTH)
			read_sysctls(s, dirfd(d), e->d_name, below, depth + 1);
	}
	closedir(d);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect_sysctls(struct collecting *c)
{
	static const char *const parts[] = {"ipv4", "ipv6", "netfilter", "bridge"};
	struct sysctls s = {.arena = c->arena};
	struct strbuf text = STRBUF_INIT;
	int net = open("/proc/sys/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (net < 0) {
		add_gap(c, "sysctl",
			arena_printf(c->arena, "cannot read /proc/sys/net: %s", strerror(errno)));
		return;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		read_sysctls(&s, net, parts[i], key_below(c->arena, "net", parts[i]), 0);
	close(net);
	if (s.lines.len)
		qsort(s.lines.items, s.lines.len, sizeof(*s.lines.items), compare_lines);
	VEC_EACH (&s.lines, const char *, line)
		strbuf_addf(&text, "%s\n", *line);
	add_file(c, "sysctl.txt", arena_strndup(c->arena, strbuf_str(&text), text.len), text.len);
	strbuf_fini(&text);
	if (s.unreadable && geteuid() != 0)
		add_gap(c, "sysctl",
			arena_printf(
				c->arena, "%zu settings may only be read by root", s.unreadable));
}

void snapshot_collect(struct arena *a, struct snapshot *out,
	void (*each)(const struct snapshot_file *f, const struct snapshot_gap *gap))
{
	struct collecting c = {.out = out, .arena = a, .each = each};
	struct utsname u = {0};

	*out = (struct snapshot){.arena = a};
	uname(&u);
	out->kernel = arena_printf(a, "%s %s %s", u.sysname, u.release, u.machine);
	out->host = arena_strdup(a, u.nodename);
	collect_ip(&c);
	collect_tools(&c);
	collect_sysctls(&c);
	tell_version(&c, "ip", "-V");
	tell_version(&c, "nft", "-v");
	tell_version(&c, "iptables", "-V");
	tell_version(&c, "conntrack", "-V");
	tell_version(&c, "ipset", "-v");
}
