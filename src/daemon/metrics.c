/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics: everything that is counted, in Prometheus' text format.
 *
 * Being asked is when connections are looked at (traffic_keeper.h); nothing is done for a packet.
 */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "daemon/api.h"
#include "daemon/change.h"
#include "daemon/fastpath_keeper.h"
#include "daemon/monitor.h"
#include "daemon/reconcile.h"
#include "daemon/traffic_keeper.h"
#include "kernel/tally.h"
#include "report/status.h"

void metrics_label(struct strbuf *out, const char *name, const char *value)
{
	strbuf_addf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			strbuf_add(out, "\\n");
		else if (*value == '"' || *value == '\\')
			strbuf_addf(out, "\\%c", *value);
		else
			strbuf_addch(out, *value);
	}
	strbuf_addch(out, '"');
}

static void head(struct strbuf *out, const char *name, const char *type, const char *help)
{
	strbuf_addf(
		out, "# HELP portreeve_%s %s\n# TYPE portreeve_%s %s\n", name, help, name, type);
}

/* Of a metric that stands alone. */
static void number(
	struct strbuf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	strbuf_addf(out, "portreeve_%s %" PRIu64 "\n", name, value);
}

/* @scale: so many of @value are one of the unit, a second say. */
static void fraction(
	struct strbuf *out, const char *name, const char *help, uint64_t value, uint64_t scale)
{
	head(out, name, "gauge", help);
	strbuf_addf(out, "portreeve_%s %.6f\n", name, (double)value / (double)scale);
}

/* ---- the daemon ---- */

static void print_daemon(const struct daemon *d, struct strbuf *out)
{
	const struct reconcile_status *s = reconcile_status(d);
	uint64_t up_ms = daemon_now_ms() - d->started_ms;
	struct change_trial trial;

	head(out, "build_info", "gauge", "Always 1; the version is the label.");
	strbuf_add(out, "portreeve_build_info{");
	metrics_label(out, "version", PORTREEVE_VERSION);
	strbuf_add(out, "} 1\n");
	fraction(out, "start_time_seconds", "When the daemon started.", daemon_wall_ms() - up_ms,
		1000);
	number(out, "in_force", "gauge", "1 if the kernel is what the config calls for.",
		s->in_force);
	number(out, "trial_pending", "gauge", "1 while a change waits for its confirmation.",
		change_trial(d, &trial));
	fraction(out, "config_loaded_timestamp_seconds", "When the config in force was read.",
		d->config->loaded_ms, 1000);
	number(out, "config_refused", "gauge",
		"1 if the config file was refused and another is in force.", d->refused_ms != 0);
	number(out, "passes_total", "counter", "Times the machine was looked at as a whole.",
		s->passes);
	number(out, "changes_total", "counter", "Passes that changed something in the kernel.",
		s->changes);
	number(out, "apply_failures_total", "counter", "Passes in which the kernel refused.",
		s->failures);
	number(out, "drift_total", "counter",
		"Objects of ours that others changed or took away, and that were put back.",
		s->drifts);
	fraction(
		out, "apply_duration_seconds", "How long the last pass took.", s->last_us, 1000000);
	fraction(
		out, "apply_last_timestamp_seconds", "When the last pass ended.", s->last_ms, 1000);
}

static void print_kind(const char *kind, uint64_t count, void *data)
{
	struct strbuf *out = data;

	strbuf_add(out, "portreeve_events_total{");
	metrics_label(out, "kind", kind);
	strbuf_addf(out, "} %" PRIu64 "\n", count);
}

/* ---- health ---- */

enum health_series { SERIES_UP, SERIES_DEGRADED, SERIES_ROUNDS, SERIES_FAILURES, SERIES_RTT };

/* One series at a time, since the format wants its lines together. */
struct health_printing {
	struct daemon *daemon;
	struct strbuf *out;
	enum health_series series;
	bool uplinks;
	size_t map; /* of the last subject: the next one's is the same, or comes after it */
};

static void labels_of(struct strbuf *out, const struct monitor_subject *s)
{
	char ip[IP_STRLEN], backend[IP_STRLEN + 8];

	if (s->uplink) {
		metrics_label(out, "uplink", s->uplink);
		return;
	}
	ip_format(&s->backend, ip);
	if (s->port)
		snprintf(backend, sizeof(backend), s->backend.family == IP_V6 ? "[%s]:%u" : "%s:%u",
			ip, s->port);
	else
		snprintf(backend, sizeof(backend), "%s", ip);
	metrics_label(out, "map", s->map);
	strbuf_addch(out, ',');
	metrics_label(out, "backend", backend);
}

static void print_state(const struct health_printing *p, const struct monitor_subject *s)
{
	bool up = s->health.state == HEALTH_UP || s->health.state == HEALTH_DEGRADED;

	/* What is not known has no value. */
	if (s->health.state == HEALTH_UNKNOWN || !!s->uplink != p->uplinks)
		return;
	strbuf_addf(p->out, "portreeve_%s_%s{", p->uplinks ? "uplink" : "backend",
		p->series == SERIES_UP ? "up" : "degraded");
	labels_of(p->out, s);
	strbuf_addf(
		p->out, "} %d\n", p->series == SERIES_UP ? up : s->health.state == HEALTH_DEGRADED);
}

/* The checks that a subject's results are of; *@n of them. */
static const struct check *checks_of(
	struct health_printing *p, const struct monitor_subject *s, size_t *n)
{
	const struct model *m = p->daemon->config->model;

	*n = 0;
	VEC_EACH (&m->uplinks, const struct uplink, u) {
		if (s->uplink && strcmp(u->name, s->uplink) == 0) {
			*n = u->checks.len;
			return u->checks.items;
		}
	}
	for (size_t i = 0; s->map && i < m->maps.len; i++) {
		size_t at = (p->map + i) % m->maps.len;
		const struct map *map = &m->maps.items[at];

		if (strcmp(map->name, s->map) == 0) {
			p->map = at;
			*n = map->checks.len;
			return map->checks.items;
		}
	}
	return NULL;
}

static void print_checks(struct health_printing *p, const struct monitor_subject *s)
{
	static const char *const names[] = {[SERIES_ROUNDS] = "rounds_total",
		[SERIES_FAILURES] = "failures_total",
		[SERIES_RTT] = "rtt_seconds"};
	size_t n;
	const struct check *checks = checks_of(p, s, &n);

	for (size_t i = 0; i < n && i < s->health.n_checks; i++) {
		const struct health_check *c = &s->health.checks[i];

		if (p->series == SERIES_RTT && !c->good_rounds)
			continue;
		strbuf_addf(p->out, "portreeve_probe_%s{", names[p->series]);
		labels_of(p->out, s);
		strbuf_addf(p->out, ",check=\"%zu\",kind=\"%s\"} ", i + 1,
			report_check_kind(checks[i].kind));
		if (p->series == SERIES_RTT)
			strbuf_addf(p->out, "%.6f\n", c->rtt_us / 1e6);
		else
			strbuf_addf(p->out, "%" PRIu64 "\n",
				p->series == SERIES_ROUNDS ? c->rounds
							   : c->rounds - c->good_rounds);
	}
}

static void print_subject(const struct monitor_subject *s, void *data)
{
	struct health_printing *p = data;

	if (p->series == SERIES_UP || p->series == SERIES_DEGRADED)
		print_state(p, s);
	else
		print_checks(p, s);
}

static void print_health(struct daemon *d, struct strbuf *out)
{
	static const struct {
		enum health_series series;
		bool uplinks;
		const char *name, *type, *help;
	} all[] = {
		{SERIES_UP, true, "uplink_up", "gauge", "1 if the uplink works, be it in part."},
		{SERIES_DEGRADED, true, "uplink_degraded", "gauge", "1 if it works in part only."},
		{SERIES_UP, false, "backend_up", "gauge", "1 if the backend's checks succeed."},
		{SERIES_DEGRADED, false, "backend_degraded", "gauge", "1 if some of them fail."},
		{SERIES_ROUNDS, false, "probe_rounds_total", "counter", "Rounds of a check."},
		{SERIES_FAILURES, false, "probe_failures_total", "counter",
			"Rounds in which too few targets answered."},
		{SERIES_RTT, false, "probe_rtt_seconds", "gauge",
			"Time that the last answer took."},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct health_printing p = {.daemon = d,
			.out = out,
			.series = all[i].series,
			.uplinks = all[i].uplinks};

		head(out, all[i].name, all[i].type, all[i].help);
		if (d->monitor)
			monitor_each(d, print_subject, &p);
	}
}

/* ---- what the kernel counts ---- */

static void print_misrouted(struct daemon *d, const struct plan *p, struct strbuf *out)
{
	struct arena *a = arena_new();
	struct tally_counters counters = {0};
	uint64_t packets;

	head(out, "misrouted_replies_total", "counter",
		"Replies that left by another line than home, by home. Must stay 0.");
	if (kernel_tally_counters(d->kernel, a, &counters, NULL) == 0) {
		VEC_EACH (&p->uplinks, const struct plan_uplink, u) {
			if (!tally_misrouted(&counters, u->uplink->name, &packets))
				continue;
			strbuf_add(out, "portreeve_misrouted_replies_total{");
			metrics_label(out, "uplink", u->uplink->name);
			strbuf_addf(out, "} %" PRIu64 "\n", packets);
		}
	}
	arena_free(a);
}

static void print_conntrack(struct daemon *d, struct strbuf *out)
{
	struct tally_conntrack c;

	kernel_tally_conntrack(d->kernel, &c);
	if (!c.known)
		return;
	number(out, "conntrack_entries", "gauge", "Connections in the kernel's table.", c.entries);
	number(out, "conntrack_limit", "gauge", "How many there may be.", c.limit);
}

static void pair_labels(struct strbuf *out, const struct traffic_total *t)
{
	metrics_label(out, "map", t->map);
	strbuf_addch(out, ',');
	metrics_label(out, "uplink", t->uplink);
}

#define AS_LOOKED_AT                                                                               \
	"since the daemon was first asked. Connections are looked at when this is read: what one " \
	"carried between the last time and its end is missed."

static void print_amounts(struct strbuf *out, const struct traffic_look *look, bool bytes)
{
	static const char *const directions[] = {"request", "reply"};
	const char *name = bytes ? "bytes_total" : "packets_total";

	head(out, name, "counter",
		bytes ? "Bytes through each map " AS_LOOKED_AT
		      : "Packets through each map " AS_LOOKED_AT);
	for (size_t at = 0; at < look->n; at++) {
		const struct traffic_total *t = &look->totals[at];

		for (int i = 0; i < 2; i++) {
			strbuf_addf(out, "portreeve_%s{", name);
			pair_labels(out, t);
			strbuf_addf(out, ",direction=\"%s\"} %" PRIu64 "\n", directions[i],
				bytes ? t->bytes[i] : t->packets[i]);
		}
	}
}

static void print_traffic(struct strbuf *out, const struct traffic_look *look)
{
	head(out, "connections", "gauge", "Open connections, by map and by the uplink of home.");
	for (size_t i = 0; i < look->n; i++) {
		strbuf_add(out, "portreeve_connections{");
		pair_labels(out, &look->totals[i]);
		strbuf_addf(out, "} %" PRIu64 "\n", look->totals[i].connections);
	}
	head(out, "connections_seen_total", "counter",
		"All connections that were seen " AS_LOOKED_AT);
	for (size_t i = 0; i < look->n; i++) {
		strbuf_add(out, "portreeve_connections_seen_total{");
		pair_labels(out, &look->totals[i]);
		strbuf_addf(out, "} %" PRIu64 "\n", look->totals[i].begun);
	}
	if (look->counted) {
		print_amounts(out, look, true);
		print_amounts(out, look, false);
	}
}

static void print_snats(struct strbuf *out, const struct sums *s)
{
	head(out, "snat_ports_used", "gauge",
		"Ports of a source address in use towards one backend; of 64,512.");
	VEC_EACH (&s->snats, const struct sums_snat, n) {
		char backend[IP_STRLEN], source[IP_STRLEN];
		const char *proto = ip_proto_name(n->proto);

		strbuf_addf(out,
			"portreeve_snat_ports_used{backend=\"%s\",port=\"%u\",protocol=\"%s\","
			"source=\"%s\"} %" PRIu64 "\n",
			ip_format(&n->backend, backend), n->port, proto ? proto : "",
			ip_format(&n->source, source), n->connections);
	}
}

static void print_flows(struct daemon *d, struct strbuf *out)
{
	struct arena *a = arena_new();
	const struct fastpath_accounts *fast = fastpath_accounts_now(d, a);
	struct traffic_look look;
	struct sums since;

	sums_init(&since, a);
	if (traffic_look_now(d, fast, &since, &look)) {
		print_traffic(out, &look);
		print_snats(out, &since);
	}
	fastpath_metrics(d, out);
	arena_free(a);
}

void metrics_print(struct daemon *d, struct strbuf *out)
{
	const struct plan *p = reconcile_plan(d);

	print_daemon(d, out);
	head(out, "events_total", "counter", "Events by kind; see portreeve events.");
	journal_each_kind(d->journal, print_kind, out);
	print_health(d, out);
	print_conntrack(d, out);
	if (p) {
		print_misrouted(d, p, out);
		print_flows(d, out);
	}
	api_metrics(d, out);
}
