/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rounds of checks: when they are due, the questions, the answers. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/monitor_internal.h"

uint32_t monitor_random(struct monitor *m)
{
	/* xorshift: for jitter, not for secrets */
	m->random ^= m->random << 13;
	m->random ^= m->random >> 17;
	m->random ^= m->random << 5;
	return m->random;
}

void monitor_set_timer(struct run *r, uint64_t ms)
{
	const struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	evtimer_add(r->timer, &tv);
}

static size_t index_of(const struct run *r)
{
	return (size_t)(r - r->subject->runs);
}

static const struct check *rules_of(const struct run *r)
{
	return &r->subject->rules[index_of(r)];
}

bool monitor_is_asking(const struct run *r)
{
	return r->waits || !LIST_EMPTY(&r->asked);
}

static void begin(struct run *r);

/* Rounds that waited, as far as there is room now. */
static void go_on(struct monitor *m)
{
	struct run *r;

	while (m->under_way < MONITOR_PROBES && (r = TAILQ_FIRST(&m->line))) {
		TAILQ_REMOVE(&m->line, r, line);
		r->waits = false;
		begin(r);
	}
}

static void note_answer(struct run *r, unsigned int target, const struct probe_answer *a)
{
	static const char *const kinds[] = {[CHECK_ICMP] = "icmp",
		[CHECK_TCP] = "tcp",
		[CHECK_HTTP] = "http",
		[CHECK_DNS] = "dns"};
	const struct check *c = rules_of(r);
	char why[2 * HEALTH_REASON_BYTES];

	if (r->subject->uplink)
		snprintf(why, sizeof(why), "%s %s: %s", kinds[c->kind],
			c->targets.items[target].text, a->why);
	else
		snprintf(why, sizeof(why), "%s: %s", kinds[c->kind], a->why);
	if (health_result(&r->subject->health, c, index_of(r), target, a->ok, a->rtt_us, why,
		    daemon_wall_ms()))
		monitor_changed(r->subject);
}

/* The round is over: when is the next? */
static void schedule(struct run *r)
{
	uint64_t now = daemon_now_ms();
	uint64_t next = health_next(rules_of(r), r->began_ms, monitor_random(r->subject->monitor));

	monitor_set_timer(r, next > now ? next - now : 0);
}

static void answered(const struct probe_answer *a, void *data)
{
	struct asked *q = data;
	struct run *r = q->run;
	struct monitor *m = r->subject->monitor;
	unsigned int target = q->target;

	LIST_REMOVE(q, link);
	free(q);
	m->under_way--;
	if (LIST_EMPTY(&r->asked))
		schedule(r);
	note_answer(r, target, a);
	go_on(m);
}

/* The address of this uplink for a question to that family. */
static struct ip_addr source_for(const struct way *w, uint8_t family)
{
	for (size_t i = 0; i < w->n_addrs; i++)
		if ((family == IP_NONE || w->addrs[i].family == family) &&
			!ip_is_link_local(&w->addrs[i]))
			return w->addrs[i];
	return (struct ip_addr){0};
}

/* What target @i of an uplink's check is asked. */
static void ask_by_uplink(const struct subject *s, const struct check *c, unsigned int i,
	struct probe_question *q, struct probe_way *way)
{
	const struct check_target *t = &c->targets.items[i];

	q->addr = t->addr;
	q->port = t->port;
	q->url = t->text;
	if (c->kind == CHECK_ICMP && t->addr.family == IP_NONE) /* CHECK_GATEWAY */
		q->addr = s->way.gateways[s->way.gateways[0].family == IP_NONE];
	way->interface = s->way.interface;
	way->mark = s->way.mark;
	way->source = source_for(&s->way, q->addr.family);
}

static void ask_backend(const struct subject *s, const struct check *c, struct probe_question *q,
	char url[], size_t size)
{
	char backend[IP_STRLEN + 8];

	q->addr = s->backend.addr;
	q->port = c->port ? c->port : s->port;
	snprintf(url, size, "http://%s%s", monitor_backend_text(&s->backend, q->port, backend),
		c->path ? c->path : "/");
	q->url = url;
}

static void ask(struct run *r, unsigned int target)
{
	struct subject *s = r->subject;
	const struct check *c = rules_of(r);
	struct probe_question q = {.kind = c->kind,
		.host = c->host,
		.expect_first = c->expect_first,
		.expect_last = c->expect_last,
		.query = c->query,
		.timeout_ms = c->timeout_ms};
	static const struct probe_answer nobody = {.why = "the line has no gateway to ask"};
	static const struct probe_answer ran_out = {.why = "out of descriptors or memory"};
	struct probe_way way = {0};
	struct asked *asked = calloc(1, sizeof(*asked));
	char url[2048];

	if (s->uplink)
		ask_by_uplink(s, c, target, &q, &way);
	else
		ask_backend(s, c, &q, url, sizeof(url));
	if (asked && (q.kind == CHECK_HTTP || q.addr.family != IP_NONE)) {
		asked->run = r;
		asked->target = target;
		asked->probe = probe_start(s->monitor->prober, &q, &way, answered, asked);
	}
	if (asked && asked->probe) {
		LIST_INSERT_HEAD(&r->asked, asked, link);
		s->monitor->under_way++;
		return;
	}
	free(asked);
	note_answer(
		r, target, q.addr.family == IP_NONE && q.kind != CHECK_HTTP ? &nobody : &ran_out);
}

static unsigned int targets_of(const struct run *r)
{
	return r->subject->uplink ? (unsigned int)rules_of(r)->targets.len : 1;
}

static void begin(struct run *r)
{
	struct subject *s = r->subject;
	unsigned int n = targets_of(r);

	r->began_ms = daemon_now_ms();
	/* Without a link, or before the first plan, there is nobody to ask. */
	if (s->health.link && (!s->uplink || s->way.known)) {
		health_round(&s->health, index_of(r), n);
		for (unsigned int i = 0; i < n; i++)
			ask(r, i);
	}
	if (LIST_EMPTY(&r->asked))
		schedule(r);
}

void monitor_due(evutil_socket_t fd, short what, void *data)
{
	struct run *r = data;
	struct monitor *m = r->subject->monitor;

	if (monitor_is_asking(r))
		return;
	if (m->under_way < MONITOR_PROBES) {
		begin(r);
		return;
	}
	TAILQ_INSERT_TAIL(&m->line, r, line);
	r->waits = true;
}

/* Forget what is under way; the timer is left alone. */
void monitor_stop_asking(struct run *r)
{
	struct asked *q;

	while ((q = LIST_FIRST(&r->asked))) {
		LIST_REMOVE(q, link);
		probe_cancel(q->probe);
		free(q);
		r->subject->monitor->under_way--;
	}
}
