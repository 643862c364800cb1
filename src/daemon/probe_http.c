/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP probes, by libcurl in our loop.
 *
 * Only the status counts. Redirects are not followed, and nothing is read behind the headers: an
 * endless body ends with its first byte, endless headers at a limit. Names are resolved by curl's own
 * thread, so that the loop does not wait; they are the system's names, by the system's routes.
 */
#include <errno.h>
#include <stdio.h>

#include "base/version.h"
#include "daemon/probe_internal.h"

#define HEADERS_MAX_BYTES 65536u
#define BUFFER_BYTES	  4096L

/* ---- the end of a transfer ---- */

static void judge(struct probe *p, CURLcode code)
{
	long status = 0, err = 0;

	curl_easy_getinfo(p->http.easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(p->http.easy, CURLINFO_OS_ERRNO, &err);
	if (code == CURLE_OK || p->http.stopped) {
		if (status >= p->http.expect_first && status <= p->http.expect_last)
			probe_ok(p);
		else if (status)
			probe_failed(p, "status %ld", status);
		else
			probe_failed(p, "its headers have no end");
	} else if (code == CURLE_COULDNT_CONNECT && err) {
		probe_error(p, true, "", (int)err);
	} else {
		probe_failed(p, "%s", curl_easy_strerror(code));
	}
}

/* Transfers that are over. Not to be called from inside of curl. */
static void collect(struct prober *pr)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(pr->multi, &left))) {
		char *data = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &data);
		judge((struct probe *)data, m->data.result);
	}
}

/* ---- curl's sockets and timer in our loop ---- */

static void socket_ready(evutil_socket_t fd, short what, void *data)
{
	struct prober *pr = data;
	int running, action = (what & EV_READ ? CURL_CSELECT_IN : 0) |
			      (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(pr->multi, fd, action, &running);
	collect(pr);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *own)
{
	struct prober *pr = data;
	struct event *ev = own;
	short events = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) |
			       (what & CURL_POLL_OUT ? EV_WRITE : 0));

	if (ev)
		event_free(ev);
	ev = what == CURL_POLL_REMOVE ? NULL : event_new(pr->base, fd, events, socket_ready, pr);
	if (ev && event_add(ev, NULL) < 0) {
		event_free(ev);
		ev = NULL;
	}
	curl_multi_assign(pr->multi, fd, ev);
	return 0;
}

static void timer_ready(evutil_socket_t fd, short what, void *data)
{
	struct prober *pr = data;
	int running;

	curl_multi_socket_action(pr->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(pr);
}

static int set_timer(CURLM *multi, long ms, void *data)
{
	struct prober *pr = data;
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	return ms < 0 ? evtimer_del(pr->multi_timer) : evtimer_add(pr->multi_timer, &tv);
}

int prober_http_init(struct prober *pr)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	pr->multi = curl_multi_init();
	pr->multi_timer = evtimer_new(pr->base, timer_ready, pr);
	if (!pr->multi || !pr->multi_timer)
		return -ENOMEM;
	curl_multi_setopt(pr->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(pr->multi, CURLMOPT_SOCKETDATA, pr);
	curl_multi_setopt(pr->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(pr->multi, CURLMOPT_TIMERDATA, pr);
	return 0;
}

void prober_http_fini(struct prober *pr)
{
	if (pr->multi)
		curl_multi_cleanup(pr->multi);
	if (pr->multi_timer)
		event_free(pr->multi_timer);
	curl_global_cleanup();
}

/* ---- one transfer ---- */

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *a)
{
	int fd = probe_socket(data, a->family, a->socktype, a->protocol);

	if (fd >= 0)
		return fd;
	if (fd != -1)
		probe_error(data, false, "cannot open a socket", -fd);
	return CURL_SOCKET_BAD;
}

static size_t take_header(char *bytes, size_t size, size_t n, void *data)
{
	struct probe *p = data;

	p->http.header_bytes += size * n;
	if (p->http.header_bytes <= HEADERS_MAX_BYTES)
		return size * n;
	probe_failed(p, "its headers have no end");
	return 0;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *data)
{
	struct probe *p = data;

	p->http.stopped = true;
	return 0; /* fewer than there are: curl ends the transfer */
}

static void set_options(struct probe *p, const struct probe_question *q)
{
	CURL *e = p->http.easy;
	long resolve = p->source.family == IP_V4   ? CURL_IPRESOLVE_V4
		       : p->source.family == IP_V6 ? CURL_IPRESOLVE_V6
						   : CURL_IPRESOLVE_WHATEVER;

	curl_easy_setopt(e, CURLOPT_PRIVATE, p);
	curl_easy_setopt(e, CURLOPT_URL, q->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(e, CURLOPT_USERAGENT, "portreeve/" PORTREEVE_VERSION);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, p->http.headers);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(e, CURLOPT_IPRESOLVE, resolve);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* do not wait for the resolver's thread */
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, p);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, p);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, p);
}

/* NULL: out of memory. */
static struct curl_slist *headers_of(const struct probe_question *q)
{
	struct curl_slist *list = curl_slist_append(NULL, "Accept: */*"), *longer;
	char host[300];

	if (!q->host || !list)
		return list;
	snprintf(host, sizeof(host), "Host: %s", q->host);
	longer = curl_slist_append(list, host);
	return longer ? longer : list;
}

int probe_http_start(struct probe *p, const struct probe_question *q)
{
	p->http.expect_first = q->expect_first;
	p->http.expect_last = q->expect_last;
	p->http.easy = curl_easy_init();
	p->http.headers = headers_of(q);
	if (!p->http.easy || !p->http.headers)
		return -ENOMEM;
	set_options(p, q);
	return curl_multi_add_handle(p->prober->multi, p->http.easy) == CURLM_OK ? 0 : -ENOMEM;
}

void probe_http_stop(struct probe *p)
{
	if (p->http.easy) {
		curl_multi_remove_handle(p->prober->multi, p->http.easy);
		curl_easy_cleanup(p->http.easy);
	}
	curl_slist_free_all(p->http.headers);
}
