/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve init: a config for this machine, proposed from what it has. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/init_ask.h"
#include "cli/source.h"
#include "kernel/rundir.h"
#include "report/report.h"
#include "walk/propose.h"

#define MAX_NOTES 10u

struct init {
	struct cli_source source;
	struct proposal proposal;
	const char *file; /* as named; "-": standard output */
	bool to_stdout, written;
};

/* ---- writing the file ---- */

/* Without @force a file that has come meanwhile stays. */
static int move_there(const char *from, const char *to, bool force)
{
	int done = force ? rename(from, to)
			 : renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);

	if (done < 0 && errno == EINVAL && !force) { /* NFS, for one, has only this */
		done = link(from, to);
		if (done == 0)
			unlink(from);
	}
	return done < 0 ? -errno : 0;
}

/* Beside its place, then moved there: it is never seen half-written. */
static int write_file(struct arena *a, const char *path, const char *text, bool force)
{
	char *new = arena_printf(a, "%s.XXXXXX", path);
	mode_t mask = umask(0);
	int fd, err;

	umask(mask);
	fd = mkostemp(new, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = rundir_write(fd, text, strlen(text));
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (!err && fchmod(fd, 0644 & ~mask) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	if (!err)
		err = move_there(new, path, force);
	if (err)
		unlink(new);
	return err;
}

static const char *directory_of(struct arena *a, const char *path)
{
	return dirname(arena_strdup(a, path));
}

/* Where the bytes go: what a link leads to is written, and the link stays. */
static const char *real_place(struct arena *a, const char *path)
{
	char real[PATH_MAX];

	return realpath(path, real) ? arena_strdup(a, real) : path;
}

static bool may_write(struct cli_context *c, const struct init *i)
{
	struct stat st;

	if (i->to_stdout || stat(i->file, &st) < 0)
		return true;
	if (!S_ISREG(st.st_mode)) {
		diag_error(&c->diag, NOWHERE, "%s is not a file", i->file);
		return false;
	}
	if (cli_given(c, "force"))
		return true;
	diag_error(&c->diag, NOWHERE, "there is a file %s already", i->file);
	diag_hint(
		&c->diag, "name another one, '-' for standard output, or --force to write over it");
	return false;
}

static enum cli_exit put(struct cli_context *c, struct init *i)
{
	const char *directory = directory_of(c->arena, i->file);
	int err;

	if (i->to_stdout) {
		if (!c->json)
			fputs(i->proposal.text, stdout);
		return CLI_OK;
	}
	if (mkdir(directory, 0755) < 0 && errno != EEXIST)
		err = -errno;
	else
		err = write_file(c->arena, real_place(c->arena, i->file), i->proposal.text,
			cli_given(c, "force"));
	if (err) {
		diag_error(&c->diag, NOWHERE, "cannot write %s: %s", i->file, strerror(-err));
		return CLI_SYSTEM;
	}
	i->written = true;
	return CLI_OK;
}

/* ---- looking ---- */

static enum cli_exit look(struct cli_context *c, struct init *i)
{
	struct netstate *net = arena_new_of(c->arena, struct netstate);
	const char *dir = cli_value(c, "state");

	if (!dir)
		return cli_source_live(c, &i->source);
	i->source.name = arena_printf(c->arena, "the dumps in %s", dir);
	i->source.net = net;
	return cli_state_read(c, dir, net, &i->source.files, &i->source.notes) ? CLI_OK : CLI_USAGE;
}

static void say_nothing_found(struct cli_context *c, const struct init *i)
{
	const struct netstate *net = i->source.net;

	diag_error(&c->diag, NOWHERE, "no line to the Internet was found on %s", i->source.name);
	VEC_EACH (&i->proposal.uplinks, const struct proposal_uplink, u) {
		const char *why = proposal_obstacle(c->arena, u);

		if (why)
			diag_note(&c->diag, NOWHERE, "%s", why);
	}
	diag_hint(&c->diag,
		"looked for, among %zu interfaces, %zu addresses, %zu routes and %zu ip rules:\n"
		"  a default route in any routing table\n"
		"  an address that port forwards are for\n"
		"  an interface that SNAT or masquerading goes out by\n"
		"  a PPP interface\n"
		"bring a line up, or write the file by hand: portreeve.yaml(5) shows the five "
		"lines it takes",
		net->links.len, net->addrs.len, net->routes.len, net->rules.len);
}

/* Rules may say what no config can: then their maps are for a person to choose from. */
static bool write_text(struct cli_context *c, struct init *i)
{
	const char *why;

	propose_text(c->arena, &i->proposal, i->source.name, NULL);
	why = init_objection(c, &i->proposal);
	if (!why)
		return true;
	propose_text(c->arena, &i->proposal, i->source.name, why);
	why = init_objection(c, &i->proposal);
	if (why)
		diag_error(&c->diag, NOWHERE, "no config can be made of this machine: %s", why);
	return !why;
}

/* ---- telling ---- */

static const char *command_line(struct arena *a, const struct init *i, const char *words)
{
	const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
	const char *file = i->to_stdout ? "FILE" : i->file;
	struct strbuf b = STRBUF_INIT;
	const char *text;

	strbuf_addf(&b, "portreeve %s ", words);
	if (strspn(file, plain) == strlen(file) && *file != '-') {
		strbuf_add(&b, file);
	} else {
		strbuf_add(&b, *file == '-' ? "'./" : "'");
		for (; *file; file++)
			strbuf_addf(&b, *file == '\'' ? "'\\''" : "%c", *file);
		strbuf_addch(&b, '\'');
	}
	text = arena_strdup(a, strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}

#define N_NEXT 3u

/* What is for another machine cannot be held against this one. */
static const char *next_command(struct arena *a, const struct init *i, unsigned int n)
{
	static const char *const here[N_NEXT] = {
		"check --live", "rehearse --live", "apply --confirm 60"};
	static const char *const elsewhere[N_NEXT] = {"check", "rehearse", "apply --confirm 60"};

	return command_line(a, i, i->source.live ? here[n] : elsewhere[n]);
}

static const char *uplink_words(struct arena *a, const struct proposal_uplink *u)
{
	const char *addresses = proposal_addresses(a, &u->line);
	char buf[IP_STRLEN];

	return arena_printf(a, "%s (%s): %s%s%s", u->line.name, u->line.interface,
		*addresses ? addresses : "no address", u->router.family ? ", router " : "",
		u->router.family ? ip_format(&u->router, buf) : "");
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_summary(struct cli_context *c, const struct init *i)
{
	const struct proposal *p = &i->proposal;
	FILE *out = i->to_stdout ? stderr : stdout;
	char buf[PREFIX_STRLEN];

	if (i->written)
		fprintf(out, "written: %s\n", i->file);
	VEC_EACH (&p->uplinks, const struct proposal_uplink, u) {
		if (u->standing == LINE_FOUND)
			fprintf(out, "  uplink %s\n", uplink_words(c->arena, u));
	}
	VEC_EACH (&p->insides, const struct proposal_inside, n)
		fprintf(out, "  inside %s: %s\n", n->inside->interface,
			ip_prefix_format(&n->inside->network, buf));
	if (p->import.maps || p->maps.len)
		fprintf(out, "  %zu map%s", p->import.maps + p->maps.len,
			plural(p->import.maps + p->maps.len));
	else
		fprintf(out, "  no maps: no port forward was found");
	if (p->import.left.len)
		fprintf(out, "; %zu rule%s not carried over", p->import.left.len,
			plural(p->import.left.len));
	fputc('\n', out);
	if (p->questions.len)
		fprintf(out, "Open, where the file has \"# ?\":\n");
	VEC_EACH (&p->questions, const char *, q)
		fprintf(out, "  %s\n", *q);
	fprintf(out, "Next:\n");
	for (unsigned int n = 0; n < N_NEXT; n++)
		fprintf(out, "  %s\n", next_command(c->arena, i, n));
}

static json_t *texts_json(const char *const *items, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, report_text(items[i]));
	return list;
}

static json_t *uplinks_json(const struct proposal *p)
{
	json_t *list = json_array();

	VEC_EACH (&p->uplinks, const struct proposal_uplink, u) {
		json_t *one = json_object(), *addresses = json_array();

		VEC_EACH (&u->line.addrs, const struct ip_addr, a)
			json_array_append_new(addresses, report_addr(a));
		json_object_set_new(one, "name", report_text(u->line.name));
		json_object_set_new(one, "interface", report_text(u->line.interface));
		json_object_set_new(one, "found", json_boolean(u->standing == LINE_FOUND));
		json_object_set_new(one, "addresses", addresses);
		json_object_set_new(
			one, "number", u->number ? json_integer(u->number) : json_null());
		json_object_set_new(one, "why", texts_json(u->why.items, u->why.len));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *insides_json(const struct proposal *p)
{
	json_t *list = json_array();
	char buf[PREFIX_STRLEN];

	VEC_EACH (&p->insides, const struct proposal_inside, n) {
		json_t *one = json_object(), *hosts = json_array();

		VEC_EACH (&n->hosts, const struct proposal_host, h)
			json_array_append_new(hosts, report_addr(&h->addr));
		json_object_set_new(one, "interface", report_text(n->inside->interface));
		json_object_set_new(
			one, "network", json_string(ip_prefix_format(&n->inside->network, buf)));
		json_object_set_new(one, "hosts", hosts);
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *answer_json(struct cli_context *c, const struct init *i, bool made)
{
	const struct proposal *p = &i->proposal;
	json_t *j = json_object(), *left = json_array(), *next = json_array();
	size_t maps = p->import.maps + p->maps.len;

	json_object_set_new(j, "file", i->to_stdout ? json_null() : report_text(i->file));
	json_object_set_new(j, "written", json_boolean(i->written));
	json_object_set_new(j, "yaml", made ? report_text(p->text) : json_null());
	json_object_set_new(j, "uplinks", uplinks_json(p));
	json_object_set_new(j, "insides", insides_json(p));
	json_object_set_new(j, "maps", json_integer((json_int_t)maps));
	VEC_EACH (&p->import.left, const struct import_left, l) {
		json_t *one = json_object();

		json_object_set_new(one, "rule", report_text(import_left_words(c->arena, l)));
		json_object_set_new(one, "why", report_text(l->why));
		json_array_append_new(left, one);
	}
	json_object_set_new(j, "left", left);
	json_object_set_new(j, "questions", texts_json(p->questions.items, p->questions.len));
	for (unsigned int n = 0; made && n < N_NEXT; n++)
		json_array_append_new(next, report_text(next_command(c->arena, i, n)));
	json_object_set_new(j, "next", next);
	json_object_set_new(j, "not_understood", cli_state_notes_json(&i->source.notes));
	return j;
}

/* ---- the command ---- */

static enum cli_exit propose(struct cli_context *c, struct init *i)
{
	struct proposal *p = &i->proposal;
	bool interactive = cli_given(c, "interactive");

	propose_look(c->arena, i->source.net, p);
	if (interactive)
		init_ask_lines(c, p);
	if (!propose_maps(c->arena, p)) {
		say_nothing_found(c, i);
		return CLI_NO;
	}
	if (interactive)
		init_ask_maps(c, p);
	return write_text(c, i) ? put(c, i) : CLI_NO;
}

static int run(struct cli_context *c)
{
	struct init i = {.file = c->n_args ? c->args[0] : CLI_DEFAULT_FILE};
	enum cli_exit code = CLI_USAGE;

	i.to_stdout = strcmp(i.file, "-") == 0;
	if (may_write(c, &i))
		code = look(c, &i);
	if (code == CLI_OK)
		code = propose(c, &i);
	if (c->json)
		return cli_finish(c, answer_json(c, &i, code == CLI_OK), code);
	if (i.source.net) {
		struct strbuf notes = STRBUF_INIT;

		cli_state_print_notes(&notes, &i.source.notes, MAX_NOTES);
		fputs(strbuf_str(&notes), stderr);
		strbuf_fini(&notes);
	}
	if (code == CLI_OK)
		print_summary(c, &i);
	return cli_finish(c, NULL, code);
}

const struct cli_command command_init = {
	.name = "init",
	.arguments = "[FILE|-]",
	.summary = "a config for this machine, proposed from what it has",
	.details =
		"Looks at this machine, or at dumps, and writes a config with comments: the lines "
		"to "
		"the\n"
		"Internet and what speaks for each, the networks inside and who was seen there, "
		"the "
		"port\n"
		"forwards that are there as maps. What cannot be seen is asked in lines that begin "
		"with\n"
		"\"# ?\". FILE is " CLI_DEFAULT_FILE " unless named; '-' is standard output.\n"
		"Changes nothing but that file, and does not write over one unless told to.\n"
		"\n"
		"Exit status 1 if no line to the Internet was found: then nothing is written.\n",
	.options =
		{{"interactive", NULL,
			 "ask, with what was found as the answer to Enter; answers may come from a "
			 "pipe"},
			{"force", NULL, "write over a file that is there"}, CLI_SOURCE_STATE},
	.max_args = 1,
	.run = run,
};
