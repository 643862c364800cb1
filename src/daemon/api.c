/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * API: what can be asked and who may ask it.
 *
 * On the unix socket the kernel says who asks: root and the daemon's own user may change things, members
 * of the socket's group may look. On TCP anybody who gets there may look at what does not cost much, and
 * now and then at what does. A web page of a stranger does not get there by way of the operator's browser:
 * its name, which is in the Host header, is none of ours; and no page at all changes anything.
 */
#include "daemon/api.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/ask_change.h"
#include "daemon/ask_explain.h"
#include "daemon/ask_measure.h"
#include "daemon/ask_traffic.h"
#include "daemon/fastpath_keeper.h"
#include "daemon/http.h"
#include "daemon/metrics.h"
#include "daemon/page.h"
#include "daemon/ration.h"
#include "daemon/reconcile.h"
#include "daemon/sse.h"
#include "daemon/status.h"
#include "report/flows.h"
#include "report/plan_out.h"
#include "report/report.h"

#define GROUP		 "portreeve"
#define MAX_GROUPS	 65536u /* NGROUPS_MAX of Linux */
#define SMALL_BODY_BYTES 4096u
#define MAPS_DEFAULT	 1000u
#define MAX_EVENT_ID	 (UINT64_C(1) << 53)
#define METRICS_TYPE	 "text/plain; version=0.0.4; charset=utf-8"
#define JSON_TYPE	 "application/json"
#define TEXT_TYPE	 "text/plain; charset=utf-8"

struct api {
	struct http *http;
	gid_t group;
	char host[256];		/* this machine's name */
	struct ip_addr metrics; /* where it listens on TCP */
	uint16_t metrics_port;
	struct ration ration; /* of what is dear, for those who ask over TCP */
};

/* ---- looking ---- */

static void get_status(const struct ask *q)
{
	http_reply_json(q->exchange, 200, status_json(q->daemon));
}

static void get_uplinks(const struct ask *q)
{
	http_reply_json(q->exchange, 200, status_uplinks(q->daemon));
}

static void get_probe(const struct ask *q)
{
	http_reply_json(q->exchange, 200, status_probe(q->daemon));
}

static void get_fastpath(const struct ask *q)
{
	http_reply_json(q->exchange, 200, fastpath_status(q->daemon));
}

static void no_plan(const struct ask *q)
{
	const struct reconcile_status *s = reconcile_status(q->daemon);

	http_reply_error(q->exchange, 503, "there is no plan in force", s->problem, NULL);
}

struct plan_answer {
	struct plan_hold *hold;
	struct plan_out out;
};

static bool next_of_plan(struct strbuf *out, void *data)
{
	struct plan_answer *answer = data;

	return plan_out_next(&answer->out, out);
}

static void end_plan(void *data)
{
	struct plan_answer *answer = data;

	plan_out_fini(&answer->out);
	reconcile_let_go(answer->hold);
	free(answer);
	malloc_trim(0);
}

static void get_plan(const struct ask *q)
{
	struct plan_answer *answer;

	if (!reconcile_plan(q->daemon)) {
		no_plan(q);
		return;
	}
	answer = calloc(1, sizeof(*answer));
	if (!answer)
		abort();
	answer->hold = reconcile_hold(q->daemon);
	answer->out.plan = answer->hold->plan;
	http_reply_pieces(
		q->exchange, 200, JSON_TYPE, &(struct http_pieces){next_of_plan, end_plan, answer});
}

static void end_maps(void *data)
{
	struct status_maps *m = data;

	reconcile_let_go(m->hold);
	free((char *)m->name);
	free(m);
}

static void get_maps(const struct ask *q)
{
	const char *name = http_param(q->request, "name");
	uint64_t offset = 0, limit = MAPS_DEFAULT;
	struct status_maps *m;

	if (!http_number(q->request, "offset", 0, LIMIT_MAPS, &offset) ||
		!http_number(q->request, "limit", 0, LIMIT_MAPS, &limit)) {
		ask_is_wrong(q, "offset and limit are numbers up to 65535");
		return;
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		abort();
	*m = (struct status_maps){.daemon = q->daemon,
		.hold = reconcile_hold(q->daemon),
		.name = name ? strdup(name) : NULL,
		.offset = (size_t)offset,
		.limit = (size_t)limit};
	http_reply_pieces(
		q->exchange, 200, JSON_TYPE, &(struct http_pieces){status_maps_next, end_maps, m});
}

static bool read_flows_query(const struct ask *q, struct flows_query *out)
{
	const char *client = http_param(q->request, "client");
	uint64_t limit = FLOWS_DEFAULT;

	*out = (struct flows_query){
		.map = http_param(q->request, "map"), .uplink = http_param(q->request, "uplink")};
	if (client && ip_prefix_parse(client, &out->client) != 0)
		return ask_is_wrong(q, "client is an address or a prefix, as 198.51.100.0/24");
	if (!http_number(q->request, "limit", 0, FLOWS_MAX, &limit))
		return ask_is_wrong(q, "limit is a number up to 100000");
	out->limit = (size_t)limit;
	return true;
}

static void get_flows(const struct ask *q)
{
	const struct plan *p = reconcile_plan(q->daemon);
	struct kernel_error e = {0};
	struct flows_query query;
	struct arena *a;
	json_t *j;

	if (!p) {
		no_plan(q);
		return;
	}
	if (!read_flows_query(q, &query))
		return;
	a = arena_new();
	j = report_flows(q->daemon->kernel, a, p, fastpath_accounts_now(q->daemon, a), &query,
		daemon_wall_ms(), &e);
	arena_free(a);
	if (j)
		http_reply_json(q->exchange, 200, j);
	else
		http_reply_error(q->exchange, 500, "the kernel does not give the connections",
			e.text[0] ? e.text : strerror(e.err), NULL);
}

/* Last-Event-ID is what a browser sends when it comes back; `since` is for those who begin. Without
 * either, from now on. */
static void get_events(const struct ask *q)
{
	const char *last = q->request->last_event_id;
	struct http_request as_param = {
		.params = {{"since", last}}, .n_params = 1}; /* read alike */
	uint64_t after = journal_last(q->daemon->journal);

	if (!http_number(last ? &as_param : q->request, "since", 0, MAX_EVENT_ID, &after))
		ask_is_wrong(q, "since, and Last-Event-ID, are the number of an event");
	else
		sse_start(q->daemon, q->exchange, after);
}

/* A look at everything, which takes its time. */
static void get_findings(const struct ask *q)
{
	struct gateway_state s = {.learned = &q->daemon->learned.known};
	struct arena *a = arena_new();
	struct findings found = {0};
	struct diag diag;
	int err;

	diag_init(&diag);
	err = gateway_look(q->daemon->kernel, a, q->daemon->config->model, &s, &diag);
	if (err || !s.plan) {
		http_reply_error(q->exchange, 500,
			"this machine cannot be looked at, or planned for", NULL,
			report_diag(&diag));
	} else {
		report_judge(q->daemon->kernel, a, &s, &found);
		http_reply_json(q->exchange, 200,
			json_pack("{s:o, s:o}", "findings", report_findings(&found), "diagnostics",
				report_diag(&diag)));
	}
	diag_fini(&diag);
	arena_free(a);
}

static void get_explain(const struct ask *q)
{
	ask_explain(q->daemon, q->exchange, q->request);
}

static void get_traffic(const struct ask *q)
{
	ask_traffic(q->daemon, q->exchange);
}

static void get_page(const struct ask *q)
{
	page_answer(q->exchange, q->request, page_assets, page_n_assets);
}

static void get_measure(const struct ask *q)
{
	ask_measure(q->daemon, q->exchange, q->request);
}

static void get_metrics(const struct ask *q)
{
	struct strbuf text = STRBUF_INIT;

	metrics_print(q->daemon, &text);
	http_reply(q->exchange, 200, METRICS_TYPE, strbuf_str(&text), text.len);
	strbuf_fini(&text);
}

static void get_health(const struct ask *q)
{
	const struct reconcile_status *s = reconcile_status(q->daemon);
	struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%s\n",
		s->in_force	? "ok"
		: s->problem[0] ? s->problem
				: "the config is not in force yet");
	http_reply(q->exchange, s->in_force ? 200 : 503, TEXT_TYPE, strbuf_str(&text), text.len);
	strbuf_fini(&text);
}

void api_metrics(const struct daemon *d, struct strbuf *out)
{
	if (!d->api)
		return;
	strbuf_addf(out,
		"# HELP portreeve_api_connections Open connections to the API.\n"
		"# TYPE portreeve_api_connections gauge\n"
		"portreeve_api_connections %zu\n"
		"# HELP portreeve_api_refused_total Connections dropped or turned away because "
		"there "
		"were too many.\n"
		"# TYPE portreeve_api_refused_total counter\n"
		"portreeve_api_refused_total %" PRIu64 "\n",
		http_connections(d->api->http), http_refusals(d->api->http));
}

/* ---- who may ask what ---- */

enum cost {
	CHEAP,
	RATIONED, /* by TCP only now and then */
	DEAR,	  /* not by TCP */
};

static const struct route {
	const char *path;
	enum http_method method; /* GET or POST */
	enum cost cost;
	void (*answer)(const struct ask *q);
} routes[] = {
	{"/v1/status", HTTP_GET, CHEAP, get_status},
	{"/v1/uplinks", HTTP_GET, CHEAP, get_uplinks},
	{"/v1/maps", HTTP_GET, CHEAP, get_maps},
	{"/v1/flows", HTTP_GET, CHEAP, get_flows},
	{"/v1/events", HTTP_GET, CHEAP, get_events},
	{"/v1/probe", HTTP_GET, CHEAP, get_probe},
	{"/v1/fastpath", HTTP_GET, CHEAP, get_fastpath},
	{"/v1/traffic", HTTP_GET, CHEAP, get_traffic},
	{"/v1/plan", HTTP_GET, DEAR, get_plan},
	{"/v1/findings", HTTP_GET, RATIONED, get_findings},
	{"/v1/explain", HTTP_GET, RATIONED, get_explain},
	{"/v1/measure", HTTP_GET, DEAR, get_measure},
	{"/v1/apply", HTTP_POST, DEAR, ask_apply},
	{"/v1/confirm", HTTP_POST, DEAR, ask_confirm},
	{"/v1/rollback", HTTP_POST, DEAR, ask_rollback},
	{"/v1/reload", HTTP_POST, DEAR, ask_reload},
	{"/v1/remove", HTTP_POST, DEAR, ask_remove},
	{"/v1/fastpath", HTTP_POST, DEAR, ask_fastpath_switch},
	{"/metrics", HTTP_GET, CHEAP, get_metrics},
	{"/healthz", HTTP_GET, CHEAP, get_health},
	{"/", HTTP_GET, CHEAP, get_page},
	{"/page.js", HTTP_GET, CHEAP, get_page},
	{"/page.css", HTTP_GET, CHEAP, get_page},
	{"/icon.svg", HTTP_GET, CHEAP, get_page},
};

static enum http_method method_of(const struct http_request *r)
{
	return r->method == HTTP_HEAD ? HTTP_GET : r->method;
}

/* NULL: there is none; where the path is there with another method only, that one. */
static const struct route *find_route(const struct http_request *r)
{
	const struct route *found = NULL;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].path, r->path) == 0 &&
			(!found || routes[i].method == method_of(r)))
			found = &routes[i];
	return found;
}

/* Is it meant for the network that we keep? A socket file does not belong to any. */
static bool is_our_namespace(const struct ask *q)
{
	char own[32];

	snprintf(own, sizeof(own), "%" PRIu64, q->daemon->kernel->netns_cookie);
	return !q->request->namespace || strcmp(q->request->namespace, own) == 0;
}

/*
 * A stranger's web page asks by way of the operator's browser, to which his own machine, or the end of a
 * tunnel to our socket, is near: under a name that is none of ours. What is not a browser need not say a
 * name on the socket.
 */
static bool is_our_host(const struct ask *q)
{
	const char *host = q->request->host;

	return (q->peer->local && !host) || http_host_is_ours(host, q->daemon->api->host);
}

/* Does a page from elsewhere ask, be it without getting to see the answer? Links to us may be followed. */
static bool is_from_elsewhere(const struct http_request *r)
{
	const char *site = r->fetch_site, *mode = r->fetch_mode;

	return site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0 &&
	       (!mode || strcmp(mode, "navigate") != 0);
}

/* True: it is too early for another one, which was said. */
static bool is_too_early(const struct ask *q)
{
	uint64_t wait_ms = ration_wait(&q->daemon->api->ration, daemon_now_ms());
	char headers[80];

	if (!wait_ms)
		return false;
	snprintf(headers, sizeof(headers),
		"Cache-Control: no-store\r\nRetry-After: %" PRIu64 "\r\n", (wait_ms + 999) / 1000);
	http_set_headers(q->exchange, headers);
	http_reply_error(q->exchange, 429,
		"over TCP this is answered about once a second, to all together",
		"ask again after the time in Retry-After, or on the unix socket", NULL);
	return true;
}

/* True: it was refused. */
static bool refused(const struct ask *q, const struct route *r)
{
	enum http_method method = method_of(q->request);
	const struct http_peer *peer = q->peer;

	if (!is_our_host(q))
		http_reply_error(q->exchange, 421, "this is not the host that was asked for",
			"ask by an address, localhost, or this machine's own name", NULL);
	else if (is_from_elsewhere(q->request))
		http_reply_error(q->exchange, 403, "not for pages from elsewhere", NULL, NULL);
	else if (!is_our_namespace(q))
		http_reply_error(q->exchange, 421, "this daemon keeps another network namespace",
			NULL, NULL);
	else if (!peer->may_read)
		http_reply_error(q->exchange, 403, "only root and the group " GROUP " may ask",
			"usermod -aG " GROUP " USER, and log in again", NULL);
	else if (!r)
		http_reply_error(q->exchange, 404, "there is no such thing here",
			"what there is: /, /v1/status, /v1/uplinks, /v1/maps, /v1/flows, "
			"/v1/traffic, /v1/events, /v1/probe, /v1/fastpath, /v1/plan, "
			"/v1/findings, /v1/explain, /v1/measure, /metrics, /healthz",
			NULL);
	else if (r->method != method)
		http_reply_error(q->exchange, 405,
			r->method == HTTP_POST ? "this is asked for with POST"
					       : "this is asked for with GET",
			NULL, NULL);
	else if (!peer->local && r->cost == DEAR)
		http_reply_error(
			q->exchange, 403, "not over TCP: only on the unix socket", NULL, NULL);
	else if (!q->daemon->reconcile)
		http_reply_error(q->exchange, 503, "the daemon is about to end", NULL, NULL);
	else if (r->method == HTTP_POST && !peer->may_change)
		http_reply_error(q->exchange, 403,
			"only root, and the user that the daemon runs as, may change things",
			"the group " GROUP " may look; run it through sudo", NULL);
	else if (r->method == HTTP_POST && q->request->origin)
		http_reply_error(q->exchange, 403, "a web page cannot change things", NULL, NULL);
	else
		return !peer->local && r->cost == RATIONED && is_too_early(q);
	return true;
}

static void handle(struct http_exchange *x, const struct http_request *request,
	const struct http_peer *peer, void *data)
{
	struct ask q = {data, x, request, peer};
	const struct route *r = find_route(request);

	uint64_t began = daemon_now_ms();

	if (refused(&q, r))
		return;
	if (r->method == HTTP_POST)
		ask_note(&q);
	r->answer(&q);
	if (!peer->local && r->cost == RATIONED)
		ration_take(&q.daemon->api->ration, began, daemon_now_ms() - began);
	if (r->cost != CHEAP)
		malloc_trim(0); /* a look at a large machine is not to stay */
}

static bool is_in_group(int fd, gid_t group)
{
	gid_t *all = calloc(MAX_GROUPS, sizeof(*all));
	socklen_t len = MAX_GROUPS * sizeof(*all);
	struct ucred own;
	socklen_t own_len = sizeof(own);
	bool found = false;

	if (!all)
		abort();
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, all, &len) == 0)
		for (size_t i = 0; i < len / sizeof(*all); i++)
			found = found || all[i] == group;
	free(all);
	return found ||
	       (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &own, &own_len) == 0 && own.gid == group);
}

static void judge(struct http_peer *peer, int fd, void *data)
{
	struct daemon *d = data;

	peer->may_change = peer->local && (peer->uid == 0 || peer->uid == geteuid());
	peer->may_read = !peer->local || peer->may_change || is_in_group(fd, d->api->group);
}

static size_t body_limit(const struct http_peer *peer, void *data)
{
	return peer->may_change ? LIMIT_CONFIG_BYTES : SMALL_BODY_BYTES;
}

/* ---- its life ---- */

static const char *socket_path(const struct daemon *d, char buf[256])
{
	const char *run = secure_getenv("PORTREEVE_RUN_DIR");

	if (d->options.socket_path)
		return d->options.socket_path;
	if (!run || !*run)
		return API_SOCKET;
	snprintf(buf, 256, "%s/api.sock", run);
	return buf;
}

/* The group must get as far as the socket. What else is in the directory is only its owner's to read. */
static void open_directory(const char *path, gid_t group)
{
	char *dir = strdup(path), *end = dir ? strrchr(dir, '/') : NULL;
	struct stat st;

	if (end && end != dir) {
		*end = '\0';
		(void)!mkdir(dir, 0700);
		if (group && stat(dir, &st) == 0 && st.st_uid == geteuid() &&
			(st.st_mode & 07777) == 0700 && chown(dir, (uid_t)-1, group) == 0)
			(void)!chmod(dir, 0710);
	}
	free(dir);
}

void api_update(struct daemon *d)
{
	struct api *api = d->api;
	const struct model *m = d->config->model;
	char text[IP_STRLEN];
	int err;

	if (!api || (ip_equal(&m->metrics, &api->metrics) && m->metrics_port == api->metrics_port))
		return;
	err = http_listen_tcp(api->http, &m->metrics, m->metrics_port);
	/* What failed is tried again with the next change. */
	api->metrics = m->metrics;
	api->metrics_port = err ? 0 : m->metrics_port;
	if (err)
		journal_note(d->journal, JOURNAL_ERROR, "metrics-off",
			"the TCP port for metrics cannot be listened on", "s:s, s:i, s:s",
			"address", ip_format(&m->metrics, text), "port", (int)m->metrics_port,
			"error",
			err == -EACCES && m->metrics_port < 1024
				? "the daemon has no right to ports below 1024"
				: strerror(-err));
}

const char *api_page(const struct daemon *d, struct arena *a)
{
	const struct api *api = d->api;

	if (!api || !api->metrics_port || api->metrics.family == IP_NONE || !page_n_assets)
		return NULL;
	return page_url(a, &api->metrics, api->metrics_port);
}

gid_t api_group(void)
{
	const struct group *group = getgrnam(GROUP);

	return group ? group->gr_gid : 0;
}

int api_start(struct daemon *d, struct diag *diag)
{
	struct http_rules rules = {
		.judge = judge, .body_limit = body_limit, .handle = handle, .data = d};
	struct api *api = calloc(1, sizeof(*api));
	char buf[256];
	const char *path = socket_path(d, buf);
	int err;

	if (!api)
		abort();
	api->group = d->group;
	(void)!gethostname(api->host, sizeof(api->host) - 1);
	api->http = http_new(d->base, &rules);
	d->api = api;
	open_directory(path, api->group);
	err = http_listen_unix(api->http, path, api->group);
	if (err) {
		diag_error(diag, NOWHERE, "cannot listen on %s: %s", path,
			err == -EADDRINUSE ? "another daemon does" : strerror(-err));
		api_stop(d);
		return err;
	}
	api_update(d);
	return 0;
}

void api_stop(struct daemon *d)
{
	if (!d->api)
		return;
	http_free(d->api->http);
	free(d->api);
	d->api = NULL;
}
