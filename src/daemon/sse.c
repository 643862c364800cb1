/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Server-sent events: the journal as a stream that a client follows. */
#include "daemon/sse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

struct follower {
	struct daemon *daemon;
	struct http_stream *stream;
	struct journal_listener *listener;
};

char *sse_text(const struct journal_event *e)
{
	json_t *j = journal_json(e);
	char *data = json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct strbuf text = STRBUF_INIT;

	if (!data)
		abort();
	/* JSON has no raw newline in it, so one "data" line holds it. */
	strbuf_addf(&text, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", e->id, e->kind, data);
	free(data);
	json_decref(j);
	return strbuf_take(&text);
}

static bool send_event(const struct journal_event *e, void *data)
{
	struct follower *f = data;
	char *text = sse_text(e);
	bool sent = http_stream_send(f->stream, text, strlen(text));

	free(text);
	return sent; /* false: the follower is gone */
}

static void on_event(const struct journal_event *e, void *data)
{
	send_event(e, data);
}

static void on_closed(struct http_stream *s, void *data)
{
	struct follower *f = data;

	if (f->listener)
		journal_forget(f->daemon->journal, f->listener);
	free(f);
}

void sse_start(struct daemon *d, struct http_exchange *x, uint64_t after)
{
	struct follower *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->daemon = d;
	f->stream = http_stream_start(x, on_closed, f);
	if (!f->stream) {
		free(f);
		return;
	}
	f->listener = journal_listen(d->journal, on_event, f);
	journal_since(d->journal, after, send_event, f);
}
