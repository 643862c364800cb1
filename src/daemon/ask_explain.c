/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asked to explain: a question about a packet from a request, and its answer as JSON, and as text with it. */
#include "daemon/ask_explain.h"

#include <string.h>

#include "daemon/fastpath_keeper.h"
#include "daemon/reconcile.h"
#include "kernel/observe.h"
#include "report/explain.h"

struct asking {
	struct daemon *daemon;
	struct http_exchange *exchange;
	struct arena *arena;
	struct journey_question question;
	bool text, colour, all;
};

static bool read_options(const struct http_request *r, struct asking *q, const char **why)
{
	const char *returns = http_param(r, "return"), *text = http_param(r, "text");
	uint64_t size = 0, mark = 0, all = 0;

	q->question.in = http_param(r, "in");
	*why = "size is a number up to 65535, mark one of 32 bits, all 0 or 1";
	if (!http_number(r, "size", 0, UINT16_MAX, &size) ||
		!http_number(r, "mark", 0, UINT32_MAX, &mark) || !http_number(r, "all", 0, 1, &all))
		return false;
	q->question.length = (uint16_t)size;
	q->question.mark = (uint32_t)mark;
	q->all = all;
	*why = "return is through or bypass";
	if (returns && !explain_returns(returns, &q->question))
		return false;
	*why = "text is plain or colour";
	q->text = text != NULL;
	q->colour = text && strcmp(text, "colour") == 0;
	return !text || q->colour || strcmp(text, "plain") == 0;
}

static bool read_question(const struct http_request *r, struct asking *q, const char **why)
{
	const char *proto = http_param(r, "proto"), *src = http_param(r, "src"),
		   *dst = http_param(r, "dst");

	*why = "proto, src and dst are needed";
	return proto && src && dst &&
	       explain_question(q->arena, proto, src, dst, &q->question, why) &&
	       read_options(r, q, why);
}

static json_t *answer_json(const struct asking *q, const struct explanation *e)
{
	struct strbuf text = STRBUF_INIT;
	json_t *j = explain_json(e);

	if (q->text) {
		explain_print(&text, e, q->all, q->colour);
		json_object_set_new(j, "text", json_string(strbuf_str(&text)));
		strbuf_fini(&text);
	}
	return j;
}

static void answer(struct asking *q, const struct netstate *net)
{
	struct explain_source source = {"this machine", net, reconcile_plan(q->daemon),
		q->daemon->config->name, fastpath_now(q->daemon, q->arena)};
	struct explanation e = {.source = &source};
	const char *in = q->question.in, *near;

	if (explain_knows_interface(net, in)) {
		explain_answer(q->arena, &q->question, &e);
		http_reply_json(q->exchange, 200, answer_json(q, &e));
		return;
	}
	near = explain_near_interface(q->arena, net, in);
	http_reply_error(q->exchange, 400, arena_printf(q->arena, "there is no interface '%s'", in),
		near ? arena_printf(q->arena, "did you mean '%s'?", near) : NULL, NULL);
}

void ask_explain(struct daemon *d, struct http_exchange *x, const struct http_request *r)
{
	struct asking q = {.daemon = d, .exchange = x, .arena = arena_new()};
	struct kernel_error e = {0};
	struct netstate net = {0};
	const char *why;

	if (!read_question(r, &q, &why))
		http_reply_error(x, 400, why, NULL, NULL);
	else if (kernel_observe(d->kernel, q.arena, OBSERVE_EVERYTHING, &net, &e) != 0)
		http_reply_error(x, 500, "this machine cannot be looked at",
			e.text[0] ? e.text : strerror(e.err), NULL);
	else
		answer(&q, &net);
	arena_free(q.arena);
}
