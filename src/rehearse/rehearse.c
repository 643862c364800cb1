/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rehearsal as a whole: what is tried, one sandbox per column, and the verdict.
 *
 * The parent never leaves its namespaces. It settles the topology and the probes, forks one sandbox
 * per column, all at once, and judges what they saw, which comes back through shared memory.
 */
#include "rehearse/rehearse.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/apply.h"
#include "kernel/nft.h"
#include "rehearse/probes.h"
#include "rehearse/stage.h"

#define POLL_MS 20u
/* In all sandboxes at one time: the neighbour table is the machine's (see topology.h). */
#define UPLINKS_AT_ONCE 200u

static const struct {
	const char *name, *title;
} columns[] = {
	[COLUMN_DNAT] = {"dnat-only", "DNAT only"},
	[COLUMN_SNAT] = {"dnat-snat", "DNAT + SNAT"},
	[COLUMN_FROM] = {"rule-from", "+ ip rule from"},
	[COLUMN_CONNMARK] = {"connmark", "+ CONNMARK as printed"},
	[COLUMN_CONNMARK_LAN] = {"connmark-lan-first", "+ CONNMARK, LAN first"},
	[COLUMN_PORTREEVE] = {"portreeve", "portreeve"},
};
static_assert(sizeof(columns) / sizeof(columns[0]) == COLUMN_COUNT_, "one row per column");

const char *column_name(enum column_id id)
{
	return columns[id].name;
}

const char *column_title(enum column_id id)
{
	return columns[id].title;
}

const struct rehearse_column *rehearse_portreeve(const struct rehearse_result *r)
{
	VEC_EACH (&r->columns, struct rehearse_column, c)
		if (c->id == COLUMN_PORTREEVE)
			return c;
	abort(); /* it is always there */
}

bool rehearse_works(const struct rehearse_result *r)
{
	const struct rehearse_column *c = rehearse_portreeve(r);

	return c->status == 0 && c->works == c->tested && c->misrouted == 0;
}

/* ---- within a sandbox: portreeve's own column ---- */

/* What the plan has to say; also without errors, since warnings matter. */
static int apply_plan(struct stage *st, struct kernel *k, struct diag *d)
{
	struct gateway_state state = {0};
	struct apply_report report = {0};
	int err = gateway_look(k, st->arena, st->what->model, &state, d);

	if (err == 0 && !state.plan) {
		st->report->bad_input = true;
		return stage_fail(st, EINVAL, "the plan has errors");
	}
	if (err == 0)
		err = gateway_apply(k, st->arena, &state, &report, d);
	if (err)
		return stage_fail(st, -err, "the plan could not be applied: %s", strerror(-err));
	return 0;
}

static int stage_portreeve(struct stage *st)
{
	struct kernel_error e = {0};
	struct kernel *k = NULL;
	struct diag d;
	int err = sandbox_enter(st->sb, TOPO_GATEWAY);

	if (err == 0)
		err = kernel_open(&k, &e);
	if (err)
		return stage_fail(st, -err, "no netlink in the gateway: %s", strerror(-err));
	diag_init(&d);
	diag_source(&d, st->diag->source, st->diag->text, st->diag->text_len);
	err = apply_plan(st, k, &d);
	diag_pack(&d, st->report->diag, sizeof(st->report->diag));
	diag_fini(&d);
	kernel_close(k);
	return err;
}

/* The promise as a number: replies that left by another interface than home. */
static int count_misrouted(struct stage *st)
{
	struct nft_ruleset rules = {0};
	struct kernel_error e = {0};
	struct kernel *k = NULL;
	struct nft_table *table;
	int err = sandbox_enter(st->sb, TOPO_GATEWAY);

	if (err == 0)
		err = kernel_open(&k, &e);
	if (err == 0)
		err = kernel_nft_observe(k, st->arena, false, &rules, &e);
	if (err)
		stage_fail(st, -err, "cannot read the counters: %s", strerror(-err));
	table = err ? NULL : nft_table_find(&rules, FAMILY_INET, PORTREEVE_TABLE);
	if (table)
		VEC_EACH (&table->counters, struct nft_counter, c)
			if (strncmp(c->name, "misrouted", strlen("misrouted")) == 0)
				st->report->misrouted += c->packets;
	kernel_close(k);
	return err;
}

/* ---- within a sandbox: any column ---- */

static void doing(struct stage *st, const char *what)
{
	snprintf(st->report->doing, sizeof(st->report->doing), "%s", what);
}

/* Does the sandbox stay when all is done? */
static bool is_kept(const struct stage *st)
{
	return st->column == COLUMN_PORTREEVE && st->what->options->keep && st->report->status == 0;
}

static int stage_column(struct sandbox *sb, void *data)
{
	struct stage *st = data;
	bool ours = st->column == COLUMN_PORTREEVE;
	int err;

	st->sb = sb;
	st->arena = sb->arena;
	doing(st, "building");
	err = stage_build(st);
	if (err == 0) {
		doing(st, "configuring");
		err = ours ? stage_portreeve(st) : stage_naive(st);
	}
	if (err == 0) {
		doing(st, "connecting");
		err = stage_traffic(st);
	}
	if (err == 0 && ours)
		err = count_misrouted(st);
	doing(st, "done");
	st->report->ready = true;
	while (is_kept(st))
		pause(); /* until the parent is gone */
	return err ? 1 : 0;
}

/* ---- outside ---- */

struct run {
	struct stage stage;
	pid_t pid;
	enum { RUN_WAITING, RUN_RUNNING, RUN_OVER } state;
	struct timespec started;
};

static size_t report_bytes(const struct rehearse_result *r)
{
	return sizeof(struct stage_report) + r->probes.len * sizeof(struct sighting);
}

static unsigned int ms_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned int)((now.tv_sec - then->tv_sec) * 1000 +
			      (now.tv_nsec - then->tv_nsec) / 1000000);
}

static int start(struct run *run)
{
	struct stage_report *report = mmap(NULL, report_bytes(run->stage.what),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (report == MAP_FAILED)
		return -ENOMEM;
	run->stage.report = report;
	clock_gettime(CLOCK_MONOTONIC, &run->started);
	run->pid = sandbox_spawn(stage_column, &run->stage, &report->refusal, &report->inner_pid);
	if (run->pid < 0)
		return (int)run->pid;
	run->state = RUN_RUNNING;
	return 0;
}

/* The words of the progress line: what the first column that is not done does. */
static void tell_progress(const struct rehearse_options *o, const struct run *runs, size_t n)
{
	unsigned int done = 0;
	const struct run *busy = NULL;
	char words[96];

	for (size_t i = 0; i < n; i++) {
		if (runs[i].state == RUN_OVER)
			done++;
		else if (runs[i].state == RUN_RUNNING && !busy)
			busy = &runs[i];
	}
	if (!o->progress)
		return;
	if (busy)
		snprintf(words, sizeof(words), "%s: %s", column_title(busy->stage.column),
			busy->stage.report->doing);
	o->progress(o->data, busy ? words : "done", done, (unsigned int)n);
}

/* Is the process in another user namespace than this one? */
static bool is_other_user(pid_t pid)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return stat("/proc/self/ns/user", &ours) == 0 && stat(path, &theirs) == 0 &&
	       ours.st_ino != theirs.st_ino;
}

/* How outsiders enter the namespaces of a sandbox that is kept. */
static const char *how_to_enter(struct arena *a, const struct run *run)
{
	pid_t pid = run->stage.report->inner_pid;
	const char *user = is_other_user(pid) ? "-U --preserve-credentials " : "", *text;
	struct strbuf b = STRBUF_INIT;

	VEC_EACH (&run->stage.topology->nodes, struct topo_node, n)
		strbuf_addf(
			&b, "nsenter -t %d %s-m ip netns exec %s sh\n", (int)pid, user, n->name);
	text = arena_strdup(a, strbuf_str(&b));
	strbuf_fini(&b);
	return text;
}

/* Has it done all it had to? One that is kept has, but stays. */
static bool is_over(const struct run *run)
{
	if (run->stage.report->ready && is_kept(&run->stage))
		return true;
	return waitpid(run->pid, NULL, WNOHANG) != 0;
}

/* Start all, a few at a time where they are large, and wait for them. */
static int run_all(const struct rehearse_options *o, struct run *runs, size_t n,
	unsigned int at_once, struct rehearse_column *out)
{
	static const struct timespec nap = {.tv_nsec = POLL_MS * 1000000};
	unsigned int running = 0;
	size_t next = 0;

	for (;;) {
		while (next < n && running < at_once) {
			int err = start(&runs[next++]);

			if (err)
				return err;
			running++;
		}
		for (size_t i = 0; i < n; i++)
			if (runs[i].state == RUN_RUNNING && is_over(&runs[i])) {
				runs[i].state = RUN_OVER;
				out[i].elapsed_ms = ms_since(&runs[i].started);
				running--;
			}
		tell_progress(o, runs, n);
		if (next == n && running == 0)
			return 0;
		nanosleep(&nap, NULL);
	}
}

static void take_notes(struct arena *a, struct rehearse_result *out, const char *lines)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		vec_push(a, &out->notes, arena_strndup(a, lines, len));
		lines += len + (lines[len] == '\n');
	}
}

static void judge_column(struct arena *a, struct rehearse_result *out, struct rehearse_column *c,
	const struct stage_report *report)
{
	c->misrouted = report->misrouted;
	c->bad_input = report->bad_input;
	c->status = report->status;
	c->message = arena_strdup(a, report->failure);
	if (report->refusal.text[0]) {
		c->status = -EPERM;
		c->message = arena_strdup(a, report->refusal.text);
	} else if (c->status == 0 && strcmp(report->doing, "done") != 0) {
		c->status = -ECHILD;
		c->message = arena_printf(a, "its process died while %s", report->doing);
	}
	take_notes(a, out, report->notes);
	c->cells = arena_alloc(a, out->probes.len * sizeof(*c->cells));
	for (size_t i = 0; i < out->probes.len; i++) {
		struct rehearse_cell *cell = &c->cells[i];

		probe_judge(out, &out->probes.items[i], &report->sightings[i], cell);
		if (c->status) {
			cell->result = RESULT_UNTESTED;
			snprintf(cell->reason, sizeof(cell->reason), "%.*s",
				(int)sizeof(cell->reason) - 1, c->message);
		}
		c->works += cell->result == RESULT_WORKS;
		c->tested += cell->result != RESULT_UNTESTED;
	}
}

static void describe(struct arena *a, const struct topology *t, struct rehearse_result *out)
{
	const char **names = arena_alloc(a, t->uplinks.len * sizeof(*names));
	const char **interfaces = arena_alloc(a, t->uplinks.len * sizeof(*interfaces));

	VEC_EACH (&t->uplinks, struct topo_uplink, u) {
		names[u - t->uplinks.items] = u->uplink->name;
		interfaces[u - t->uplinks.items] = u->uplink->interface;
	}
	out->uplink_names = names;
	out->interfaces = interfaces;
	topology_describe(a, t, out);
}

/* The refusal of a sandbox concerns all columns: it is the answer to the whole. */
static int refused(const struct run *run, struct diag *d)
{
	const struct sandbox_refusal *r = &run->stage.report->refusal;

	diag_error(d, NOWHERE, "no rehearsal: %s", r->text);
	if (r->hint[0])
		diag_hint(d, "%s", r->hint);
	return -EPERM;
}

/* One per column; nothing runs yet. */
static size_t make_runs(struct arena *a, const struct topology *t, const struct live_rules *rules,
	struct rehearse_result *out, const struct diag *d, struct run runs[COLUMN_COUNT_])
{
	size_t n = 0;

	for (unsigned int id = out->options->naive ? 0 : COLUMN_PORTREEVE; id < COLUMN_COUNT_;
		id++) {
		vec_add(a, &out->columns)->id = (enum column_id)id;
		runs[n++].stage = (struct stage){.topology = t,
			.what = out,
			.diag = d,
			.live_rules = rules,
			.column = (enum column_id)id};
	}
	return n;
}

static int judge_all(struct arena *a, const struct run *runs, size_t n, struct rehearse_result *out,
	struct diag *d)
{
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		const struct stage_report *report = runs[i].stage.report;

		if (report->refusal.text[0] && err == 0)
			err = refused(&runs[i], d);
		judge_column(a, out, &out->columns.items[i], report);
		if (runs[i].stage.column == COLUMN_PORTREEVE)
			diag_unpack(report->diag, d);
		if (is_kept(&runs[i].stage))
			out->kept = how_to_enter(a, &runs[i]);
	}
	return err;
}

int rehearse_run(struct arena *a, const struct model *m, const struct rehearse_options *o,
	struct rehearse_result *out, struct diag *d)
{
	struct topology *t = topology_make(a, m, o->live, o->as_is);
	const struct live_rules *rules = o->as_is ? live_rules_read(a) : NULL;
	struct run runs[COLUMN_COUNT_] = {0};
	unsigned int at_once;
	size_t n;
	int err;

	t->no_v6 = access("/proc/net/if_inet6", F_OK) != 0;
	out->model = m;
	out->options = o;
	probes_choose(a, t, m, out);
	topology_wire(a, t);
	describe(a, t, out);
	if (o->naive && o->as_is)
		vec_push(a, &out->notes,
			arena_strdup(a, "the usual steps are tried on a gateway without this "
					"machine's rules"));
	n = make_runs(a, t, rules, out, d, runs);
	at_once = UPLINKS_AT_ONCE / (unsigned int)(t->uplinks.len + 1);
	err = run_all(o, runs, n, at_once ? at_once : 1, out->columns.items);
	if (err) {
		diag_error(d, NOWHERE, "no rehearsal: %s", strerror(-err));
		return err;
	}
	return judge_all(a, runs, n, out, d);
}
