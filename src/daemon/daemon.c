/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Daemon: its life from the first look to the last word, and the config in force.
 *
 * Theory of operation. Starting: what needs more rights than the daemon keeps is done or given to helpers
 * of its own, and it confines itself (but for the fast path's programs, until it is known that the config
 * does not want them); then the file is read and checked, the lock taken (it is held until the
 * end: one-shot commands are told by whom), events are listened to, and the first pass puts the config in
 * force, or the one that was confirmed last where the file has become wrong. Another config is put in
 * force the same way: it takes the old one's place, a pass is made, and if that fails the old one is back,
 * with nothing changed. Stopping leaves the kernel as it is.
 */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/version.h"
#include "config/config.h"
#include "daemon/api.h"
#include "daemon/change.h"
#include "daemon/config_file.h"
#include "daemon/confine.h"
#include "daemon/fastpath_keeper.h"
#include "daemon/map_changes.h"
#include "daemon/monitor.h"
#include "daemon/notify.h"
#include "daemon/reconcile.h"
#include "daemon/returns.h"
#include "daemon/spawner.h"
#include "daemon/traffic_keeper.h"
#include "kernel/memory.h"
#include "kernel/nft.h"

enum { EXIT_STOPPED = 0, EXIT_CONFIG = 2, EXIT_SYSTEM = 3 };

/* ---- clocks ---- */

static uint64_t now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t daemon_now_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

uint64_t daemon_now_ms(void)
{
	return daemon_now_us() / 1000;
}

uint64_t daemon_wall_ms(void)
{
	return now_us(CLOCK_REALTIME) / 1000;
}

/* ---- what was learned ---- */

void daemon_learn_return(
	struct daemon *d, const struct ip_addr *backend, enum return_mode mode, const char *reason)
{
	char why[128], text[IP_STRLEN];

	if (!learning_return(&d->learned, backend, mode, reason))
		return;
	snprintf(why, sizeof(why), "replies of %s: %s", ip_format(backend, text), reason);
	reconcile_learned(d, why);
}

void daemon_learn_down(struct daemon *d, const char *map, const struct backend *backend, bool down)
{
	char why[128], text[IP_STRLEN];

	if (!learning_down(&d->learned, map, backend, down))
		return;
	snprintf(why, sizeof(why), "backend %s of map '%s' is %s", ip_format(&backend->addr, text),
		map, down ? "down" : "up");
	reconcile_learned(d, why);
}

/* ---- the config ---- */

struct daemon_config *daemon_config_hold(struct daemon_config *c)
{
	c->holders++;
	return c;
}

void daemon_config_let_go(struct daemon_config *c)
{
	if (c && --c->holders == 0)
		arena_free(c->arena);
}

/* NULL: @diag says what is wrong with it. */
static struct daemon_config *config_new(
	const char *name, const char *text, size_t len, struct diag *diag)
{
	struct arena *a = arena_new();
	struct daemon_config *c = arena_new_of(a, struct daemon_config);

	*c = (struct daemon_config){.arena = a,
		.name = arena_strdup(a, name),
		.text = arena_strndup(a, text, len),
		.len = len,
		.loaded_ms = daemon_wall_ms(),
		.holders = 1};
	/* @name and @text outlive the diag; our own copies need not. */
	diag_source(diag, name, text, len);
	c->model = config_load(a, c->text, len, diag);
	if (!c->model) {
		daemon_config_let_go(c);
		return NULL;
	}
	return c;
}

static void on_file_changed(void *data)
{
	struct daemon *d = data;
	struct apply_report report;
	struct diag diag;

	diag_init(&diag);
	change_reload(d, &report, &diag);
	diag_fini(&diag);
}

static void watch_as_asked(struct daemon *d)
{
	if (d->config->model->watch && !d->watch) {
		d->watch = config_watch_new(d->base, d->options.file, on_file_changed, d);
		if (!d->watch)
			journal_note(d->journal, JOURNAL_WARNING, "not-watched",
				"changes of the config file cannot be followed", "s:s, s:s", "file",
				d->options.file, "error", strerror(errno));
	} else if (!d->config->model->watch) {
		config_watch_free(d->watch);
		d->watch = NULL;
	}
}

static void tell_refused(struct daemon *d, const char *name, const struct diag *diag)
{
	struct strbuf text = STRBUF_INIT;

	diag_render(diag, &text, false);
	journal_note(d->journal, JOURNAL_ERROR, "config-refused",
		d->config ? "the config stays as it was: another one is wrong, or cannot be applied"
			  : "the config is wrong, or cannot be applied",
		"s:s, s:s", "config", name, "reasons", strbuf_str(&text));
	strbuf_fini(&text);
	if (strcmp(name, d->options.file) == 0)
		d->refused_ms = daemon_wall_ms();
}

int daemon_configure(
	struct daemon *d, const char *name, const char *text, size_t len, struct diag *diag)
{
	struct daemon_config *old = d->config, *news = config_new(name, text, len, diag);
	int err = news ? 0 : -EINVAL;

	if (!err) {
		d->config = news;
		err = reconcile_now(d, old ? "another config" : "start", NULL, diag);
	}
	if (err) {
		d->config = old;
		tell_refused(d, name, diag);
		daemon_config_let_go(news);
		return err;
	}
	daemon_config_let_go(old);
	if (strcmp(name, CHANGE_CONFIRMED) != 0)
		d->refused_ms = 0;
	journal_note(d->journal, JOURNAL_NOTICE, "configured", "the config is in force",
		"s:s, s:I, s:I", "config", d->config->name, "uplinks",
		(json_int_t)d->config->model->uplinks.len, "maps",
		(json_int_t)d->config->model->maps.len);
	watch_as_asked(d);
	return 0;
}

int daemon_reload(struct daemon *d, struct diag *diag)
{
	struct arena *a = arena_new();
	char *text = NULL;
	size_t len = 0;
	int err = config_file_read(d->options.file, a, &text, &len, diag);

	if (err)
		tell_refused(d, d->options.file, diag);
	else
		err = daemon_configure(d, d->options.file, text, len, diag);
	diag_source(diag, d->options.file, NULL, 0); /* the text goes */
	arena_free(a);
	return err;
}

void daemon_planned(struct daemon *d)
{
	map_changes_planned(d->map_changes, reconcile_plan(d), daemon_wall_ms());
	fastpath_keeper_update(d);
	if (d->monitor)
		monitor_update(d);
	if (d->returns)
		returns_update(d);
	if (d->api)
		api_update(d);
}

/* ---- signals and the service manager ---- */

void daemon_stop(struct daemon *d, const char *why)
{
	d->stop_why = why;
	event_base_loopbreak(d->base);
}

static void on_stop(evutil_socket_t number, short what, void *data)
{
	(void)what;
	daemon_stop(data, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void on_hangup(evutil_socket_t number, short what, void *data)
{
	struct daemon *d = data;
	struct apply_report report;
	struct diag diag;
	char lines[64];

	(void)number;
	(void)what;
	snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)daemon_now_us());
	notify_manager(lines);
	diag_init(&diag);
	change_reload(d, &report, &diag);
	diag_fini(&diag);
	notify_manager("READY=1");
}

static void on_watchdog(evutil_socket_t fd, short what, void *data)
{
	(void)fd;
	(void)what;
	(void)data;
	notify_manager("WATCHDOG=1");
}

/* What listens on behalf of the daemon as a whole. */
struct ears {
	struct event *stop[2], *hangup, *watchdog;
};

static void ears_open(struct ears *e, struct daemon *d)
{
	uint64_t half_us = notify_watchdog_us() / 2;
	struct timeval half = {
		.tv_sec = (time_t)(half_us / 1000000), .tv_usec = (suseconds_t)(half_us % 1000000)};

	e->stop[0] = evsignal_new(d->base, SIGTERM, on_stop, d);
	e->stop[1] = evsignal_new(d->base, SIGINT, on_stop, d);
	e->hangup = evsignal_new(d->base, SIGHUP, on_hangup, d);
	evsignal_add(e->stop[0], NULL);
	evsignal_add(e->stop[1], NULL);
	evsignal_add(e->hangup, NULL);
	if (half_us) {
		e->watchdog = event_new(d->base, -1, EV_PERSIST, on_watchdog, d);
		event_add(e->watchdog, &half);
	}
}

static void ears_close(struct ears *e)
{
	struct event *all[] = {e->stop[0], e->stop[1], e->hangup, e->watchdog};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i])
			event_free(all[i]);
}

/* ---- rights ---- */

/* The group's number, while all of the system's ways to look it up are open. */
static void find_group(struct daemon *d)
{
	int err;

	d->group = api_group();
	err = d->group ? confine_join(d->group) : 0;
	if (err) {
		journal_note(d->journal, JOURNAL_WARNING, "group-left-out",
			"the daemon may not give its socket to the group: only root can ask it",
			"s:i, s:s", "group", (int)d->group, "error", strerror(-err));
		d->group = 0;
	}
}

static void confine(struct daemon *d)
{
	struct confinement c = confine_self();

	d->confined = !c.kept;
	d->loads_programs = true;
	if (c.kept)
		journal_note(d->journal, JOURNAL_WARNING, "not-confined",
			"the daemon keeps more rights than it needs", "s:s, s:s", "kept", c.kept,
			"why", c.why);
}

/* Does a config want what takes the right to load programs? */
static bool wants_programs(const struct model *m)
{
	VEC_EACH (&m->fastpaths, const struct fastpath_of, f) {
		if (f->mode != FASTPATH_OFF)
			return true;
	}
	return m->fastpath != FASTPATH_OFF;
}

/* Once the first config is known. */
static void confine_further(struct daemon *d)
{
	struct confinement c = {0};

	if (wants_programs(d->config->model))
		return;
	d->loads_programs = false;
	c = confine_programs();
	if (!c.kept)
		return;
	d->confined = false;
	journal_note(d->journal, JOURNAL_WARNING, "not-confined",
		"the daemon keeps the right to load programs", "s:s, s:s", "kept", c.kept, "why",
		c.why);
}

/* What takes more than the daemon keeps comes first. False: @diag says why not. */
static bool give_up_rights(struct daemon *d, struct diag *diag)
{
	d->hooks = spawner_new("portreeve-hooks");
	d->tools = d->hooks ? spawner_new("portreeve-tools") : NULL;
	if (!d->tools) {
		diag_error(diag, NOWHERE, "cannot start the processes that run commands: %s",
			strerror(errno));
		return false;
	}
	find_group(d);
	confine(d);
	return true;
}

/* ---- a life ---- */

static int open_kernel(struct daemon *d, struct diag *diag)
{
	struct kernel_error e = {0};
	uint32_t generation;
	int err = kernel_open(&d->kernel, &e);

	if (!err)
		err = kernel_nft_generation(d->kernel, &generation, &e);
	if (err == -EPERM || err == -EACCES)
		diag_error(diag, NOWHERE,
			"'portreeve run' needs the right to administer the network "
			"(CAP_NET_ADMIN)");
	else if (err)
		diag_error(diag, NOWHERE, "cannot talk to the kernel: %s%s%s", strerror(-err),
			e.text[0] ? ": " : "", e.text);
	else
		d->kernel->runner = spawner_runner(d->tools);
	return err;
}

static int take_lock(struct daemon *d, struct diag *diag)
{
	char who[LOCK_HOLDER_BYTES], me[LOCK_HOLDER_BYTES];
	int err = kernel_try_lock(d->kernel, &d->lock);

	if (err == -EWOULDBLOCK)
		diag_error(diag, NOWHERE, "this network namespace is in the hands of %s",
			kernel_lock_holder(d->kernel, who) ? who : "another portreeve");
	else if (err)
		diag_error(diag, NOWHERE, "cannot take the lock in the run directory: %s",
			strerror(-err));
	if (err)
		return err;
	snprintf(me, sizeof(me), "portreeve run (pid %d)", (int)getpid());
	kernel_lock_sign(d->lock, me);
	return 0;
}

/* What is wrong with the file is an event and a line of the status then, and no reason to end. */
static int configure_confirmed(struct daemon *d, struct arena *a, struct diag *diag)
{
	struct change_start confirmed = {.name = d->options.file};
	struct diag instead;
	int err = -EINVAL;

	if (!change_confirmed(d, a, &confirmed))
		return err;
	diag_init(&instead);
	err = daemon_configure(d, confirmed.name, confirmed.text, confirmed.len, &instead);
	diag_fini(&instead);
	if (!err) {
		diag_fini(diag);
		diag_init(diag);
	}
	return err;
}

/* All parts, until the loop can begin. An exit code; EXIT_STOPPED: it can. */
static int start(struct daemon *d, const char *text, size_t len, struct diag *diag)
{
	struct change_start begin = {d->options.file, text, len};
	struct arena *a = arena_new();
	int err;

	if (reconcile_start(d) < 0) {
		arena_free(a);
		return EXIT_SYSTEM;
	}
	fastpath_keeper_start(d);
	change_instead(d, a, &begin);
	err = daemon_configure(d, begin.name, begin.text, begin.len, diag);
	if (err == -EINVAL && begin.text == text)
		err = configure_confirmed(d, a, diag);
	diag_source(diag, d->options.file, NULL, 0); /* what it began with goes */
	arena_free(a);
	if (err)
		return err == -EINVAL ? EXIT_CONFIG : EXIT_SYSTEM;
	confine_further(d);
	change_begin(d);
	if (monitor_start(d) < 0 || returns_start(d) < 0) {
		diag_error(diag, NOWHERE, "checks cannot be started: %s", strerror(errno));
		return EXIT_SYSTEM;
	}
	if (api_start(d, diag) < 0)
		return EXIT_SYSTEM;
	journal_note(d->journal, JOURNAL_NOTICE, "started", "portreeve keeps this gateway",
		"s:s, s:I, s:b, s:b, s:I", "version", PORTREEVE_VERSION, "pid",
		(json_int_t)getpid(), "held", d->kernel->table_flags != 0, "confined", d->confined,
		"ms", (json_int_t)(daemon_now_ms() - d->started_ms));
	return EXIT_STOPPED;
}

static void loop(struct daemon *d)
{
	notify_manager("READY=1");
	event_base_dispatch(d->base);
	notify_manager("STOPPING=1");
	journal_note(d->journal, JOURNAL_NOTICE, "stopped",
		d->removed ? "portreeve ends; nothing of it is left in the kernel"
			   : "portreeve ends; the kernel stays as it is",
		"s:s", "why", d->stop_why ? d->stop_why : "nothing is left to do");
}

static void daemon_free(struct daemon *d)
{
	api_stop(d);
	change_stop(d);
	returns_stop(d);
	monitor_stop(d);
	fastpath_keeper_stop(d);
	reconcile_stop(d);
	config_watch_free(d->watch);
	daemon_config_let_go(d->config);
	traffic_keeper_free(d->traffic);
	map_changes_free(d->map_changes);
	learning_end(&d->learned);
	if (d->base)
		event_base_free(d->base);
	journal_free(d->journal);
	if (d->lock >= 0)
		close(d->lock);
	kernel_close(d->kernel);
	spawner_free(d->hooks);
	spawner_free(d->tools);
	free(d);
}

int daemon_run(const struct daemon_options *options, struct diag *diag)
{
	struct daemon *d = calloc(1, sizeof(*d));
	struct arena *a = arena_new();
	struct ears ears = {0};
	char *text = NULL;
	size_t len = 0;
	int code = EXIT_SYSTEM;

	if (!d)
		abort();
	d->options = *options;
	d->lock = -1;
	d->started_ms = daemon_now_ms();
	d->journal = journal_new(options->debug);
	d->map_changes = map_changes_new();
	signal(SIGPIPE, SIG_IGN);
	if (!give_up_rights(d, diag)) {
		code = EXIT_SYSTEM;
	} else if (config_file_read(options->file, a, &text, &len, diag) < 0) {
		code = EXIT_CONFIG;
	} else if (open_kernel(d, diag) == 0 && take_lock(d, diag) == 0) {
		d->base = event_base_new();
		if (!d->base)
			abort();
		ears_open(&ears, d);
		code = start(d, text, len, diag);
		if (code == EXIT_STOPPED)
			loop(d);
		ears_close(&ears);
	}
	/* What spans point into goes with the daemon; what was said stays. */
	diag_source(diag, options->file,
		text && code != EXIT_STOPPED ? arena_strndup(diag->arena, text, len) : NULL, len);
	daemon_free(d);
	arena_free(a);
	return code;
}
