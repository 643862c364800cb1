/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portreeve trace: live packets, rule by rule, beside what the walk says of them. */
#include "cli/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/source.h"

#define QUIET_MS	300u /* after that nothing more comes of a packet */
#define DEFAULT_PACKETS 10u
#define DEFAULT_SECONDS 60u

/* Set by the first signal: a handler can reach nothing else. */
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool has_legacy(const struct netstate *net)
{
	VEC_EACH (&net->ruleset.tables, struct nft_table *, t) {
		if ((*t)->origin == ORIGIN_XT_LEGACY)
			return true;
	}
	return false;
}

static bool has_fastpath(const struct fastpath_now *now)
{
	if (!now || now->off)
		return false;
	VEC_EACH (&now->sides, const struct fastpath_side, s) {
		if (s->is != FASTPATH_OFF)
			return true;
	}
	return false;
}

/* Print what is complete; how many packets differ from the walk is added to *@differ. */
static uint32_t show_settled(struct cli_context *c, struct tracing *t, uint64_t quiet_ms,
	uint32_t room, uint32_t *differ, json_t *list)
{
	const struct traced_packet *p;
	uint32_t n = 0;

	while (n < room && (p = tracing_next(t, quiet_ms))) {
		struct strbuf out = STRBUF_INIT;

		n++;
		*differ += p->differences.items.len > 0;
		if (c->json) {
			json_array_append_new(list, trace_json(t, p));
			continue;
		}
		trace_print(&out, t, p, c->colour_out);
		fputs(strbuf_str(&out), stdout);
		fflush(stdout);
		strbuf_fini(&out);
	}
	return n;
}

struct bounds {
	uint32_t packets, seconds;
};

static int watch_packets(struct cli_context *c, struct watch *w, struct tracing *t,
	const struct bounds *bounds, json_t *answer)
{
	struct watch_sink sink = tracing_sink(t);
	uint64_t end = now_ms() + (uint64_t)bounds->seconds * 1000;
	json_t *list = json_array();
	uint32_t shown = 0, differ = 0;
	size_t lost = 0;
	int n = 0;

	while (shown < bounds->packets && !stopped && n >= 0) {
		t->now_ms = now_ms();
		if (t->now_ms >= end)
			break;
		n = watch_wait(w, t->arena, QUIET_MS / 3, &sink, &lost);
		if (n == -EINTR)
			n = 0;
		t->now_ms = now_ms();
		shown += show_settled(c, t, QUIET_MS, bounds->packets - shown, &differ, list);
	}
	shown += show_settled(c, t, 0, bounds->packets - shown, &differ, list);
	if (lost)
		diag_warning(&c->diag, NOWHERE,
			"the kernel had more to tell than could be taken: something is missing "
			"(narrow the filter)");
	if (!shown && !c->json)
		printf("no such packet came\n");
	json_object_set_new(answer, "packets", list);
	json_object_set_new(answer, "lost", json_boolean(lost > 0));
	return differ ? CLI_NO : CLI_OK;
}

static int trace(struct cli_context *c, struct kernel *k, const struct cli_source *source,
	const struct watch_filter *filter, const struct bounds *bounds)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct tracing t = {.arena = c->arena, .net = source->net};
	json_t *answer = json_object();
	struct kernel_error e = {0};
	struct watch *w = NULL;
	int code;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (watch_open(k, c->arena, source->net, filter, &w, &e) != 0) {
		cli_kernel_error(c, "trace packets", &e);
		json_decref(answer);
		return cli_finish(c, NULL, CLI_SYSTEM);
	}
	if (isatty(STDERR_FILENO) && !c->json)
		fprintf(stderr,
			"waiting for packets, %u at most, for %u s at most (Ctrl-C ends it)\n\n",
			bounds->packets, bounds->seconds);
	code = watch_packets(c, w, &t, bounds, answer);
	watch_close(w);
	if (!c->json) {
		json_decref(answer);
		answer = NULL;
	}
	return cli_finish(c, answer, (enum cli_exit)code);
}

static int run(struct cli_context *c)
{
	struct bounds bounds = {DEFAULT_PACKETS, DEFAULT_SECONDS};
	struct cli_source source = {0};
	struct watch_filter filter = {0};
	enum cli_exit seen;
	struct kernel *k;
	const char *why;
	int code;

	if (!trace_filter(c->arena, c->args, c->n_args, &filter, &why)) {
		diag_error(&c->diag, NOWHERE, "%s", why);
		diag_hint(&c->diag, "for example: portreeve trace tcp port 80 from 198.51.100.7");
		return cli_finish(c, NULL, CLI_USAGE);
	}
	if (!cli_number(c, "packets", 1, 100000, &bounds.packets) ||
		!cli_number(c, "seconds", 1, 86400, &bounds.seconds))
		return cli_finish(c, NULL, CLI_USAGE);
	seen = cli_source_live(c, &source);
	if (seen != CLI_OK)
		return cli_finish(c, NULL, seen);
	if (filter.in && !netstate_link(source.net, filter.in)) {
		diag_error(&c->diag, NOWHERE, "there is no interface '%s'", filter.in);
		return cli_finish(c, NULL, CLI_USAGE);
	}
	if (has_legacy(source.net))
		diag_info(&c->diag, NOWHERE,
			"rules of iptables-legacy are in force too: they leave no trace, so only "
			"what they do to the packet shows");
	if (has_fastpath(source.fastpath))
		diag_info(&c->diag, NOWHERE,
			"packets that take the fast path leave no trace: of a connection only "
			"those "
			"show that the kernel sees; `portreeve fastpath off` shows them all");
	k = cli_kernel(c, true);
	if (!k)
		return cli_finish(c, NULL, CLI_SYSTEM);
	code = trace(c, k, &source, &filter, &bounds);
	kernel_close(k);
	return code;
}

const struct cli_command command_trace = {
	.name = "trace",
	.arguments = "[FILTER]...",
	.summary = "live packets, rule by rule, beside what the walk says of them",
	.details =
		"Follows real packets of this machine through the rules of nft and iptables-nft, "
		"and\n"
		"the replies to them; says where each came in and went out, and where that is not\n"
		"what 'explain' would have said. FILTER is any of: tcp, udp, sctp, icmp; port "
		"NUMBER;\n"
		"sport NUMBER; from ADDRESS; to ADDRESS; in INTERFACE, all as the first packet of "
		"the\n"
		"connection has them when it arrives. Everything that it puts into the kernel is "
		"gone\n"
		"when it ends, however it ends.\n"
		"\n"
		"Exit status 1 if reality differs from the walk.\n",
	.options = {{"packets", "NUMBER", "stop after so many (10)"},
		{"seconds", "NUMBER", "stop after so long (60)"}},
	.max_args = CLI_MAX_ARGS,
	.file_arg = CLI_MAX_ARGS,
	.run = run,
};
