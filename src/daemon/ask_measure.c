/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asked to measure: the backends are asked now, and each one's result goes out as it is known. */
#include "daemon/ask_measure.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/measure.h"
#include "daemon/reconcile.h"
#include "report/report.h"

struct asked_measure {
	struct daemon *daemon;
	struct http_stream *stream;
	struct measure *measure; /* NULL: it is over, and the reader has not gone yet */
	struct plan_hold *hold;	 /* what is measured may go out of force meanwhile */
};

static void end(struct asked_measure *a)
{
	if (!a->measure)
		return;
	measure_end(a->measure);
	a->measure = NULL;
	reconcile_let_go(a->hold);
	a->daemon->measuring = NULL;
}

static void on_closed(struct http_stream *s, void *data)
{
	end(data);
	free(data);
}

/* Takes @j over. */
static bool send_event(struct http_stream *s, const char *kind, json_t *j)
{
	struct strbuf text = STRBUF_INIT;
	bool sent;

	strbuf_addf(&text, "event: %s\ndata: ", kind);
	report_add(&text, j);
	strbuf_add(&text, "\n\n");
	sent = http_stream_send(s, strbuf_str(&text), text.len);
	strbuf_fini(&text);
	return sent;
}

static bool on_measured(const struct measured *b, void *data)
{
	struct asked_measure *a = data;
	struct strbuf text = STRBUF_INIT;
	json_t *j = measured_json(b);

	measured_print(&text, b);
	json_object_set_new(j, "text", report_text(strbuf_str(&text)));
	strbuf_fini(&text);
	return send_event(a->stream, "backend", j);
}

static void on_done(const char *error, void *data)
{
	struct asked_measure *a = data;

	end(a); /* before the sending, which may be the end of @a */
	send_event(a->stream, "end", json_pack("{s:o}", "error", report_text(error)));
}

void ask_measure(struct daemon *d, struct http_exchange *x, const struct http_request *r)
{
	struct asked_measure *a;
	struct measure_events events = {.each = on_measured, .done = on_done};

	if (d->measuring) {
		http_reply_error(x, 409, "somebody else has the backends measured",
			"ask again in a few seconds", NULL);
		return;
	}
	if (!reconcile_plan(d)) {
		http_reply_error(
			x, 503, "there is no plan in force", reconcile_status(d)->problem, NULL);
		return;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		abort();
	a->daemon = d;
	a->hold = reconcile_hold(d);
	events.data = a;
	a->measure = measure_start(d->base, a->hold->plan, http_param(r, "map"), &events);
	if (!a->measure) {
		reconcile_let_go(a->hold);
		free(a);
		http_reply_error(x, 503, "out of descriptors or memory", NULL, NULL);
		return;
	}
	d->measuring = a;
	a->stream = http_stream_start(x, on_closed, a);
	if (!a->stream) {
		end(a);
		free(a);
	}
}
